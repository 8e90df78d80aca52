#!/bin/bash
# The mounted prefix answers every question as the tree that was published.
. "${srcdir:-.}/tests/fs/lib.sh"

long=$(printf 'l%.0s' $(seq 255))
{
	cat << 'END'
dir bin 755
dir lib 755
dir empty 700
text share/hello.txt 644 hello
text share/script 755 #!/bin/sh\x0aecho\x20run\x20$1\x0a
text share/private 600 secret
text share/setuid 4755 x
text share/empty 644 
fill share/small 644 1000 1
fill share/edge 644 65535 2
fill share/object 644 65536 3
fill share/big 755 5000001 4
link bin/hello ../share/hello.txt
link share/absolute /etc/hostname
link share/dangling no/such/file
hard share/hard-a share/hello.txt
hard bin/hard-b share/hello.txt
text share/\xff\xfe\x01 644 bytes
text share/caf\xc3\xa9 644 nfc
text share/cafe\xcc\x81 644 nfd
text share/new\x0aline 644 newline
text share/\x20space\x20 644 space
mtime share/hello.txt 1234567890123456789
mtime share/script -1500000000
dir a/b/c/d/e/f/g/h 755
many large 20000
END
	echo "text share/$long 644 long"
	echo "link share/long-link $(printf 'x/%.0s' $(seq 2000))end"
} | publish > /dev/null || exit 1

check "a store can be mounted" "$BREWFS" mount "$STORE" "$MNT" -o uid=1234,gid=4321
is "mountinfo shows the type" "$(findmnt -no FSTYPE "$MNT")" fuse.brewfs
is "and the store as its source" "$(findmnt -no SOURCE "$MNT")" "$STORE"
for flag in ro nosuid nodev noatime; do
	check "it is mounted $flag" sh -c "findmnt -no OPTIONS '$MNT' | tr , '\n' | grep -qx $flag"
done

# --- attributes ---
facts() { stat -c "$1" "$MNT/$2"; }
is "a file has its type, permissions, links, size" "$(facts '%F %a %h %s' share/hello.txt)" "regular file 644 3 5"
is "the owner is what was asked for" "$(facts '%u %g' share/hello.txt)" "1234 4321"
is "times have their nanoseconds" "$(facts '%.9Y' share/hello.txt)" 1234567890.123456789
is "atime and ctime are equal to mtime" "$(facts '%.9X %.9Z' share/hello.txt)" "1234567890.123456789 1234567890.123456789"
is "times before 1970 are right" "$(facts '%.9Y' share/script)" -1.500000000
is "blocks follow from the size" "$(facts '%b %B' share/big)" "9766 512"
is "the set-user-id bit stays" "$(facts %a share/setuid)" 4755
is "a directory counts its sub-directories" "$(facts '%F %a %h' a/b)" "directory 755 3"
is "an empty directory has mode and two links" "$(facts '%a %h' empty)" "700 2"
is "the root is inode 1" "$(facts %i .)" 1
is "a symlink has its target's length" "$(facts '%F %a %s' bin/hello)" "symbolic link 777 18"
is "a symlink leads on" "$(cat "$MNT/bin/hello")" hello
is "an absolute link is kept" "$(readlink "$MNT/share/absolute")" /etc/hostname
is "a dangling link is kept" "$(readlink "$MNT/share/dangling")" no/such/file
refuse "a dangling link leads nowhere" cat "$MNT/share/dangling"
is "a target of 4,003 bytes is whole" "$(readlink "$MNT/share/long-link" | tr -d '\n' | wc -c)" 4003
is "hardlinks are one inode" "$(stat -c %i "$MNT"/share/{hello.txt,hard-a} "$MNT/bin/hard-b" | sort -u | wc -l)" 1
is "other files are other inodes" \
	"$(find "$MNT/share" -type f ! -name 'h*' -printf '%i\n' | sort | uniq -d | wc -l)" 0
is "a name of 255 bytes works" "$(cat "$MNT/share/$long")" long
refuse "a name of 256 bytes does not" cat "$MNT/share/${long}l"
is "bytes that are no UTF-8 are a name" "$(cat "$MNT/share/"$'\xff\xfe\x01')" bytes
is "composed and decomposed names differ" "$(cat "$MNT/share/"$'caf\xc3\xa9' "$MNT/share/"$'cafe\xcc\x81')" nfcnfd
is "a newline in a name works" "$(cat "$MNT/share/"$'new\nline')" newline
is "spaces in a name work" "$(cat "$MNT/share/ space ")" space
refuse "an absent name is absent" cat "$MNT/share/absent"
refuse "and stays absent when asked again" cat "$MNT/share/absent"
refuse "a file is no directory" ls "$MNT/share/hello.txt/x"

# --- contents ---
is "an empty file is empty" "$(stat -c %s "$MNT/share/empty"; cat "$MNT/share/empty")" 0
for file in "small 1000 1" "edge 65535 2" "object 65536 3" "big 5000001 4"; do
	set -- $file
	python3 "$srcdir/tests/fs/fill.py" "$2" "$3" > "$SCRATCH/$1"
	check "$1 ($2 bytes) reads right" cmp "$SCRATCH/$1" "$MNT/share/$1"
done
check "reads from any place are right" python3 - "$MNT/share/big" "$SCRATCH/big" << 'END'
import os, random, sys
random.seed(1)
want = open(sys.argv[2], "rb").read()
fd = os.open(sys.argv[1], os.O_RDONLY)
for i in range(2000):
    offset, size = random.randrange(len(want) + 10000), random.choice([1, 100, 4096, 70000, 300000])
    got = os.pread(fd, size, offset)
    assert got == want[offset:offset + size], (offset, size, len(got))
END
check "O_DIRECT reads are right" sh -c "dd if='$MNT/share/big' iflag=direct bs=1M status=none | cmp - '$SCRATCH/big'"
check "mmap reads are right" python3 - "$MNT/share/big" "$SCRATCH/big" << 'END'
import mmap, sys
with open(sys.argv[1], "rb") as f:
    m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ, flags=mmap.MAP_SHARED)
    assert m[:] == open(sys.argv[2], "rb").read()
END
is "a script can be executed" "$("$MNT/share/script" me)" "run me"
refuse "a file without x cannot" "$MNT/share/hello.txt"
check "dropped pages come back" sh -c "
	dd if='$MNT/share/big' iflag=nocache count=0 status=none && cmp '$MNT/share/big' '$SCRATCH/big'"

# --- listings ---
is "a listing is complete" "$(ls "$MNT")" $'a\nbin\nempty\nlarge\nlib\nshare'
is "dots are there" "$(ls -a "$MNT/empty")" $'.\n..'
is "'..' is the parent's inode" "$(cd "$MNT/a/b" && ls -ai | awk '$2 == ".." { print $1 }')" "$(facts %i a)"
is "20,000 names are listed" "$(ls -f "$MNT/large" | grep -c '^n')" 20000
is "and no name twice" "$(ls -f "$MNT/large" | sort | uniq -d | wc -l)" 0
is "and listed again from the kernel's memory" "$(ls -f "$MNT/large" | grep -c '^n')" 20000
is "find sees every type" "$(find "$MNT" -printf '%y\n' | sort | uniq -c | awk '{ print $2 $1 }' | xargs)" \
	"d14 f20017 l5"
cat > "$SCRATCH/seek.c" << 'END'
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Remembers the place before each name, then goes back to places in any order and expects the same name there. */
int main(int argc, char **argv)
{
	static long places[30000];
	static char names[30000][256];
	DIR *dir = opendir(argv[argc - 1]);
	struct dirent *entry;
	int n = 0;

	for (places[0] = telldir(dir); (entry = readdir(dir)) && n < 29999; places[n] = telldir(dir))
		strcpy(names[n++], entry->d_name);
	for (int i = 0; i < 3000; i++) {
		int k = (int)(random() % n);

		seekdir(dir, places[k]);
		entry = readdir(dir);
		if (!entry || strcmp(entry->d_name, names[k]) != 0) {
			printf("place %d: %s, not %s\n", k, entry ? entry->d_name : "the end", names[k]);
			return 1;
		}
	}
	rewinddir(dir);
	for (int i = 0; i < n; i++)
		if (!(entry = readdir(dir)) || strcmp(entry->d_name, names[i]) != 0)
			return 2;
	return n != 20002;
}
END
check "the seekdir program compiles" "${CC:-cc}" -o "$SCRATCH/seek" "$SCRATCH/seek.c"
check "telldir and seekdir work in a large directory" "$SCRATCH/seek" "$MNT/large"

# --- nothing changes it ---
for command in "touch $MNT/new" "mkdir $MNT/new" "rm $MNT/share/hello.txt" "mv $MNT/share $MNT/other" \
	"chmod 600 $MNT/share/hello.txt" "ln -s x $MNT/new" "ln $MNT/share/hello.txt $MNT/new" \
	"truncate -s 0 $MNT/share/hello.txt" "dd if=/dev/zero of=$MNT/share/big conv=notrunc count=1"; do
	is "${command%% *} is refused as on any read-only filesystem" \
		"$(LC_ALL=C $command 2>&1 | grep -o 'Read-only file system')" "Read-only file system"
done
is "extended attributes are not supported" \
	"$(python3 -c 'import os, sys; os.getxattr(sys.argv[1], "user.x")' "$MNT/share/hello.txt" 2>&1 | grep -o 'Errno 95')" \
	"Errno 95"

# --- statfs ---
is "df shows a full filesystem with the prefix's inodes" \
	"$(df --output=avail,itotal "$MNT" | tail -1 | xargs)" "0 $(find "$MNT" ! -name ld.so -printf '%i\n' | sort -u | wc -l)"
is "names may have 255 bytes" "$(stat -f -c %l "$MNT")" 255

# --- many at once ---
check "eight readers and walkers at once see the same" bash -c "
	for i in 1 2 3 4; do
		(cd '$MNT' && find . -printf '%P %y %m %s %l\n' | sort | md5sum) & pids=\"\$pids \$!\"
		(cd '$MNT' && find . -type f ! -path './large/*' -print0 | sort -z | xargs -0 cat | md5sum) & pids=\"\$pids \$!\"
	done > '$SCRATCH/sums'
	for pid in \$pids; do wait \$pid || exit 1; done
	[ \"\$(sort -u '$SCRATCH/sums' | wc -l)\" -eq 2 ] || { cat '$SCRATCH/sums'; exit 1; }"
check "tar reads it whole" sh -c "tar cf - -C '$MNT' . | tar tf - | wc -l | grep -qx 20036"

check "it unmounts" "$BREWFS" umount "$MNT"
refuse "and is gone" mountpoint -q "$MNT"

# --- the host's names ---
check "it mounts again" "$BREWFS" mount "$STORE" "$MNT"
for loader in /lib64/ld-linux-x86-64.so.2 /lib64/ld64.so.2 /lib/ld-linux.so.3 /lib/ld-linux.so.2 /lib/ld-linux-aarch64.so.1; do
	[ ! -x $loader ] || break
done
is "lib/ld.so leads to the host's loader" "$(readlink "$MNT/lib/ld.so")" "$loader"
is "and is listed" "$(ls "$MNT/lib")" ld.so
is "with the attributes of a link" "$(facts '%F %h %s' lib/ld.so)" "symbolic link 1 ${#loader}"
check "and its inode is of those that no tree has" test "$(facts %i lib/ld.so)" -ge $((1 << 62))
prefix=/home/linuxbrew/.linuxbrew
publish << 'END' > /dev/null
text Cellar/gcc/14/lib/gcc/current/libstdc++.so.6 644 x
text Cellar/gcc/14/lib/gcc/current/libgcc_s.so.1 644 x
link opt/gcc ../Cellar/gcc/14
END
check "GCC's libraries appear with opt/gcc" wait_for 30 test -h "$MNT/lib/libstdc++.so.6"
is "as links into opt/gcc" "$(readlink "$MNT/lib/libstdc++.so.6")" $prefix/opt/gcc/lib/gcc/current/libstdc++.so.6
is "but only those that it has" "$(ls "$MNT/lib")" $'ld.so\nlibgcc_s.so.1\nlibstdc++.so.6'
publish << 'END' > /dev/null
text Cellar/glibc/2.39/bin/ld.so 755 x
link opt/glibc ../Cellar/glibc/2.39
dir etc/ld.so.conf.d 755
link lib/libgomp.so.1 ../old/legacy
text lib/libatomic.so.1 644 real
END
check "a brewed glibc's loader comes first" \
	wait_for 30 sh -c "[ \"\$(readlink '$MNT/lib/ld.so')\" = $prefix/opt/glibc/bin/ld.so ]"
is "the links to GCC's libraries go, a real file stays" "$(ls "$MNT/lib")" $'ld.so\nlibatomic.so.1'
is "its loader is told where GCC's libraries are" "$(cat "$MNT/etc/ld.so.conf.d/50-homebrew-preferred-gcc.conf")" \
	"# This file is generated by Homebrew. Do not modify.
$prefix/opt/gcc/lib/gcc/current"
check "it unmounts again" "$BREWFS" umount "$MNT"

# --- each feature can be turned off, and everything still works ---
printf 'rm large\nmany some 500\n' | publish > /dev/null
facts_of_all() { (cd "$MNT" && find . -printf '%P|%y|%m|%n|%s|%l|%i\n' | sort | md5sum; cat share/[a-h]* bin/hello | md5sum) 2>&1; }
"$BREWFS" mount "$STORE" "$MNT"
want=$(facts_of_all)
"$BREWFS" umount "$MNT"
for options in answer_open answer_opendir no_cache_dirs no_readdirplus no_readdirplus_auto no_cache_symlinks \
	no_cache_names no_parallel_dirops no_async_read no_splice no_single_cache no_export threads=1 readahead=0; do
	"$BREWFS" mount "$STORE" "$MNT" -o "$options" || echo "# mounting with $options failed"
	is "with $options the tree is the same" "$(facts_of_all; facts_of_all)" "$want"$'\n'"$want"
	"$BREWFS" umount "$MNT"
done
finish
