#!/bin/bash
# A session mounted rw: it can be changed, what was changed is there at the next mount, one mount has it at a time, and
# nothing of it reaches the store.
. "${srcdir:-.}/tests/fs/lib.sh"

publish > /dev/null << 'END' || exit 1
dir lib 755
text share/hello.txt 644 hello
fill share/big 755 5000001 4
link bin/hello ../share/hello.txt
hard share/hard share/hello.txt
many large 3000
END

says() {
	local sentence=$1 wanted=$2 output
	shift 2
	output=$("$@" 2>&1)
	[[ $output = *"$wanted"* ]]
	report $? "$sentence"
	[[ $output = *"$wanted"* ]] || printf '%s\n' "$* said: $output" | sed 's/^/# /'
}
mount_rw() { "$BREWFS" mount "$STORE" "$MNT" -o "rw$1"; }
stored() { (cd "$STORE" && find . -type f ! -path './leases/*' -printf '%p %s %T@\n' | sort); }
requests() { # KIND: how many there were
	"$BREWFS" status --json "$MNT" | python3 -c '
import json, sys
requests = json.load(sys.stdin)["mounts"][0]["daemon"]["stats"]["requests"]
print(requests.get(sys.argv[1], {"count": 0})["count"])' "$1"
}

before=$(stored)
check "a session can be mounted" mount_rw ""
check "it is mounted rw" sh -c "findmnt -no OPTIONS '$MNT' | tr , '\n' | grep -qx rw"
is "it begins with what was published" "$(cat "$MNT/share/hello.txt")" hello
is "names of the host are there" "$(readlink "$MNT/lib/ld.so")" "$(readlink -e /lib64 > /dev/null && echo /lib64/ld-linux-x86-64.so.2)"
says "mounting it once more does nothing" "mounted at $MNT already" mount_rw ""
says "another session is refused there" "the session default is mounted there" mount_rw ",session=other"
says "so is a read-only mount" "the session default is mounted there" "$BREWFS" mount "$STORE" "$MNT"
says "a second mount of it is told who has it" "mounted at $MNT" "$BREWFS" mount "$STORE" "$SCRATCH/second" -o rw
check "another session can be mounted elsewhere" "$BREWFS" mount "$STORE" "$SCRATCH/second" -o rw,session=second
check "and unmounted" "$BREWFS" umount "$SCRATCH/second"

# --- changes ---
check "a file can be made" sh -c "echo new > '$MNT/share/new'"
check "a stored one appended to" sh -c "echo more >> '$MNT/share/hello.txt'"
is "its other name shows that" "$(cat "$MNT/share/hard")" hellomore
is "its link too" "$(cat "$MNT/bin/hello")" hellomore
check "a directory can be renamed" mv "$MNT/share" "$MNT/moved"
is "with all that is in it" "$(ls "$MNT/moved")" "$(printf '%s\n' big hard hello.txt new)"
lookups=$(requests lookup)
check "a tree can be removed" rm -rf "$MNT/large"
is "without a lookup for each name" "$((($(requests lookup) - lookups) / 100))" 0
refuse "and is gone" ls "$MNT/large"
check "a file that is open" sh -c "
	exec 3<> '$MNT/open'; echo text >&3; rm '$MNT/open'; [ \"\$(cat /proc/self/fd/3)\" = text ]"
is "can be removed and stays readable until it is closed" "$(ls "$MNT")" "$(printf '%s\n' bin lib moved)"
check "a file without a name gets one" python3 -c "
import os
fd = os.open('$MNT', os.O_TMPFILE | os.O_RDWR, 0o640)
os.write(fd, b'anonymous')
os.link('/proc/self/fd/%d' % fd, '$MNT/named', src_dir_fd=fd, follow_symlinks=True)"
is "and keeps its bytes" "$(cat "$MNT/named")" anonymous
check "big writes and reads agree" sh -c "
	head -c 30000000 /dev/urandom > '$SCRATCH/random' && cp '$SCRATCH/random' '$MNT/random' &&
	cmp '$SCRATCH/random' '$MNT/random' && cp '$MNT/random' '$MNT/copy' && cmp '$SCRATCH/random' '$MNT/copy'"
check "writes by mmap arrive" python3 -c "
import mmap, os
fd = os.open('$MNT/moved/big', os.O_RDWR)
os.truncate('$MNT/moved/big', 1 << 20)
with mmap.mmap(fd, 1 << 20) as view:
	view[4096:4101] = b'mmap!'
os.fsync(fd)
assert os.pread(os.open('$MNT/moved/big', os.O_RDONLY), 5, 4096) == b'mmap!'"

# --- what the kernel keeps ---
cat "$MNT/moved/new" > /dev/null
reads=$(requests read)
cat "$MNT/moved/new" "$MNT/moved/new" > /dev/null
is "what was read once is not asked for again" "$(requests read)" "$reads"
is "opens are no requests" "$(requests open)" 1
is "nor are closes" "$(requests release)" 0

getxattrs=$(requests getxattr)
dd if=/dev/zero of="$MNT/small" bs=100 count=200 2> /dev/null
is "writes ask for capabilities once" "$(($(requests getxattr) - getxattrs))" 1
rm "$MNT/small"

# --- set-id bits ---
if [ "$(id -u)" -eq 0 ] && id nobody > /dev/null 2>&1; then
	chmod 755 "$SCRATCH"
	as_nobody() { setpriv --reuid nobody --regid nogroup --clear-groups "$@"; }
	mode_after() { # COMMAND...: the mode of a file of everybody's, set-id, after that
		echo 0123456789 > "$MNT/bits"
		chown nobody:nogroup "$MNT/bits"
		chmod 6777 "$MNT/bits"
		"$@" || echo failed
		stat -c %a "$MNT/bits"
	}
	is "root's writes keep set-id bits" "$(mode_after sh -c "echo more >> '$MNT/bits'")" 6777
	is "another's clear them" "$(mode_after as_nobody sh -c "echo more >> '$MNT/bits'")" 777
	is "so does truncating" "$(mode_after as_nobody truncate -s 3 "$MNT/bits")" 777
	is "and allocating" "$(mode_after as_nobody fallocate -l 10000 "$MNT/bits")" 777
	is "and a change of owner" "$(mode_after chown root:root "$MNT/bits")" 777
	rm "$MNT/bits"
else
	skip "set-id bits need root and the user nobody"
fi

# --- the next mount ---
all() { (cd "$MNT" && find . -printf '%p %y %m %n %s %T@ %l\n' | sort && find . -type f -exec sha256sum {} + | sort); }
tree=$(all)
check "it can be unmounted" "$BREWFS" umount "$MNT"
check "and mounted again" mount_rw ",session=default"
is "with everything as it was" "$(all)" "$tree"
check "a mount whose daemon dies" sh -c "
	sync -f '$MNT' && python3 -c 'import os; os.fsync(os.open(\"$MNT\", 0))' && kill -9 \$('$BREWFS' status --json '$MNT' | python3 -c 'import json, sys; print(json.load(sys.stdin)[\"mounts\"][0][\"daemon\"][\"pid\"])')"
says "is replaced" "the daemon of the last mount has died" mount_rw ""
is "with everything as it was synced" "$(all)" "$tree"
says "status tells of the session" "session     default" "$BREWFS" status "$MNT"
check "SIGTERM" sh -c "
	echo last > '$MNT/last' && pid=\$('$BREWFS' status --json '$MNT' | python3 -c 'import json, sys; print(json.load(sys.stdin)[\"mounts\"][0][\"daemon\"][\"pid\"])') &&
	kill \$pid && while kill -0 \$pid 2> /dev/null; do sleep 0.05; done"
refuse "unmounts it" findmnt "$MNT"
check "it can be mounted once more" mount_rw ""
is "and has what was written last" "$(cat "$MNT/last")" last
check "the end" "$BREWFS" umount "$MNT"
is "nothing of it is in the store" "$(stored)" "$before"

# --- a commit while programs write ---
check "a session" mount_rw ",session=busy"
python3 - "$MNT" << 'END' &
import mmap, os, sys, time
top = sys.argv[1]
fd = os.open(top + "/mapped", os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 1 << 20)
view = mmap.mmap(fd, 1 << 20)
for i in range(600):
	view[(i * 4096) % (1 << 20)] = i & 255
	with open(top + "/file%d" % i, "w") as file:
		file.write(str(i))
	os.rename(top + "/file%d" % i, top + "/done%d" % i)
	if i % 100 == 0:
		view.flush()
END
writer=$!
wait_for 50 test -e "$MNT/done10"
check "can be committed while programs write" timeout 60 "$BREWFS" session commit busy -m first
check "and once more" timeout 60 "$BREWFS" session commit busy -m second
wait $writer
report $? "the program goes on"
is "and all that it wrote is there" "$(cat "$MNT"/done* | wc -c) $(ls "$MNT" | grep -c done)" "1690 600"
check "then it is unmounted" "$BREWFS" umount "$MNT"

# --- an ordinary user ---
if [ "$(id -u)" -eq 0 ] && id nobody > /dev/null 2>&1 && command -v setpriv fusermount3 > /dev/null; then
	DEVFUSE_MODE=$(stat -c %a /dev/fuse)
	chmod 666 /dev/fuse
	chmod -R u+rwX,go+rX "$STORE"
	mkdir "$SCRATCH/user"
	chown nobody "$SCRATCH/user"
	user=$SCRATCH/user/mnt
	as_user() {
		setpriv --reuid nobody --regid nogroup --clear-groups env HOME="$SCRATCH/user" BREWFS_CACHE="$SCRATCH/user/cache" \
			BREWFS_SESSIONS="$SCRATCH/user/sessions" XDG_RUNTIME_DIR="$SCRATCH/user/run" "$@"
	}
	check "an ordinary user can mount a session" as_user "$BREWFS" mount "$STORE" "$user" -o rw
	check "and write" as_user sh -c "echo mine > '$user/mine' && mkdir '$user/lib/mine'"
	is "as the owner of old and new" "$(as_user stat -c %U "$user/share/big" "$user/mine")" "$(printf 'nobody\nnobody')"
	check "and unmount it" as_user "$BREWFS" umount "$user"
	check "and mount it again" as_user "$BREWFS" mount "$STORE" "$user" -o rw
	is "with what was written" "$(as_user cat "$user/mine")" mine
	check "and end its daemon" as_user kill "$(as_user "$BREWFS" status --json "$user" | python3 -c 'import json, sys; print(json.load(sys.stdin)["mounts"][0]["daemon"]["pid"])')"
	check "which unmounts it" wait_for 50 sh -c "! findmnt '$user'"
	chmod "$DEVFUSE_MODE" /dev/fuse
	DEVFUSE_MODE=
else
	skip "mounting as an ordinary user needs root to become one, setpriv and fusermount3"
fi
finish
