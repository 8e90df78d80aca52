#!/bin/bash
# The local cache of contents under a mount, and brewfs warm: what is there is not asked of the store.
. "${srcdir:-.}/tests/fs/lib.sh"
[ "$(id -u)" -eq 0 ] || skip_all "a filesystem under a filesystem needs root"

mkdir "$SCRATCH/real" "$STORE"
{
	for i in $(seq 30); do echo "fill share/big$i 644 $((100000 + i)) $i"; done
	echo "fill share/huge 644 3000000 99"
	for i in $(seq 200); do echo "fill include/small$i 644 $((i * 100)) $i"; done
	echo "link include/link ../share/big1"
	echo "text Cellar/foo/1.0/bin/foo 755 foo"
	echo "fill Cellar/foo/1.0/lib/libfoo.so 644 150000 1000"
} | "$MKTREE" "$SCRATCH/real" $REF > /dev/null || exit 1
"$STUCKFS" "$SCRATCH/real" "$STORE" &
wait_for 50 test -e "$STORE/store.json" || exit 1
json() { # EXPRESSION on the daemon's d
	"$BREWFS" status --json "$MNT" | python3 -c "import json, sys; d = json.load(sys.stdin)['mounts'][0]['daemon']; print($1)"
}
contents() { # every file of the mount against what it was made of
	python3 - "$srcdir/tests/fs" "$MNT" << 'PYTHON'
import sys
sys.path.insert(0, sys.argv[1])
from fill import fill
mnt = sys.argv[2]
for i in range(1, 31):
    assert open(f"{mnt}/share/big{i}", "rb").read() == fill(100000 + i, i), i
for i in range(1, 201):
    assert open(f"{mnt}/include/small{i}", "rb").read() == fill(i * 100, i), i
assert open(f"{mnt}/share/huge", "rb").read() == fill(3000000, 99)
PYTHON
}

# --- by reading ---
check "a store on FUSE is mounted" "$BREWFS" mount "$STORE" "$MNT"
is "its contents are to be kept" "$(json 'd["contents"]["cache"] is not None')" True
check "what is read is right" contents
check "and comes into the cache whole" wait_for 100 sh -c "[ \"\$(find '$BREWFS_CACHE/objects' -type f | wc -l)\" = 31 ]"
check "with its pack" wait_for 100 sh -c "ls '$BREWFS_CACHE/packs' | grep -q pack"
is "nothing was read beside it" "$(json 'd["contents"]["store_opens"]')" 0
check "status has a line of it" sh -c "'$BREWFS' status '$MNT' | grep -Eq 'cache  .*0 hits, 32 misses, .*fetched'"
check "it unmounts" "$BREWFS" umount "$MNT"
is "and leaves nothing on its way" "$(ls "$BREWFS_CACHE/incoming")" ""

# --- at the next start ---
echo 2 > /proc/sys/vm/drop_caches
check "it is mounted again" "$BREWFS" mount "$STORE" "$MNT"
mv "$SCRATCH/real/objects" "$SCRATCH/real/packs" "$SCRATCH"
check "all is there although the store has lost it" contents
is "and came from the cache" "$(json 'd["contents"]["cache"]["hits"], d["contents"]["cache"]["fetch_reads"]')" "32 0"
mv "$SCRATCH/objects" "$SCRATCH/packs" "$SCRATCH/real"
"$BREWFS" umount "$MNT"
check "a cached file is damaged" sh -c "find '$BREWFS_CACHE/objects' -size +1000 | head -1 | xargs truncate -s 5000"
check "the mount" "$BREWFS" mount "$STORE" "$MNT" -o cache_verify
check "gives what is right" contents
is "and says so" "$(json 'd["contents"]["cache"]["damaged"]')" 1
"$BREWFS" umount "$MNT"

# --- ahead of the loader ---
mkdir -p "$SCRATCH/host/bin" "$SCRATCH/host/lib" "$SCRATCH/elf"
cp /bin/bash "$SCRATCH/host/bin/bash"
ldd /bin/bash | awk '$3 ~ /^\// { print $3 }' | xargs -I{} cp -L {} "$SCRATCH/host/lib"
libraries=$(ls "$SCRATCH/host/lib" | wc -l)
printf 'import bin %s\nimport lib %s\n' "$SCRATCH/host/bin" "$SCRATCH/host/lib" |
	"$MKTREE" "$SCRATCH/elf" $REF > /dev/null || exit 1
rm -rf "$BREWFS_CACHE/objects"
check "a program is mounted" "$BREWFS" mount "$SCRATCH/elf" "$MNT" -o cache=on
head -c 100 "$MNT/bin/bash" > /dev/null
check "when its header is read, its libraries come" wait_for 100 sh -c "
	[ \"\$(find '$BREWFS_CACHE/objects' -type f | wc -l)\" = $((libraries + 1)) ]"
"$BREWFS" umount "$MNT"
rm -rf "$BREWFS_CACHE/objects"
check "unless that is off" "$BREWFS" mount "$SCRATCH/elf" "$MNT" -o cache=on,no_foresight
head -c 100 "$MNT/bin/bash" > /dev/null
wait_for 50 sh -c "find '$BREWFS_CACHE/objects' -type f | grep -q ."
is "then the program comes alone" "$(find "$BREWFS_CACHE/objects" -type f | wc -l)" 1
"$BREWFS" umount "$MNT"

# --- as the options say ---
rm -rf "$BREWFS_CACHE/objects" "$BREWFS_CACHE/packs"
check "without a cache" "$BREWFS" mount "$STORE" "$MNT" -o cache=off
check "contents come from the store" contents
is "as they do without a cache" "$(json 'd["contents"]["cache"], d["contents"]["store_opens"]')" "None 32"
is "and nothing is kept" "$(find "$BREWFS_CACHE" -name '*.pack')" ""
"$BREWFS" umount "$MNT"
check "a local store" "$BREWFS" mount "$SCRATCH/real" "$MNT"
is "has none" "$(json 'd["contents"]["cache"]')" None
"$BREWFS" umount "$MNT"
check "unless it is told to" "$BREWFS" mount "$SCRATCH/real" "$MNT" -o cache=1G
is "with that quota" "$(json 'd["contents"]["cache"]["quota"]')" 1073741824
"$BREWFS" umount "$MNT"

check "passed through where that can be" "$BREWFS" mount "$SCRATCH/real" "$MNT" -o passthrough
check "contents are right" contents
is "opens are answered if and only if files are passed through" \
	"$(json 'd["features"]["passthrough"] != d["features"]["zero_open"]')" True
"$BREWFS" umount "$MNT"

# --- warm ---
warm() { "$BREWFS" warm --store "$STORE" "$@"; }
fields() { python3 -c 'import json, sys; d = json.load(sys.stdin); print(d["files"], d["fetched"], d["present"], d["left_out"], d["failed"])'; }
is "warm brings a formula: its object and the pack of its small files" "$(warm --json foo | fields)" "2 2 0 0 0"
is "a directory, of which the pack is there" "$(warm --json include | fields)" "1 0 1 0 0"
is "a file that a link leads to" "$(warm --json include/link | fields)" "1 1 0 0 0"
is "a path below the mount point" "$(warm --json /home/linuxbrew/.linuxbrew/share/big2 | fields)" "1 1 0 0 0"
is "and the whole prefix" "$(warm --json | fields)" "33 29 4 0 0"
is "which is all there then" "$(warm | tail -1)" "33 packs and objects: 33 were in the cache, 0 fetched (0B)"
time=$(stat -c %y "$(find "$BREWFS_CACHE/objects" -type f | head -1)")
damaged=$(find "$BREWFS_CACHE/objects" -type f | head -1)
chmod 644 "$damaged"
printf x | dd of="$damaged" bs=1 seek=1000 conv=notrunc 2> /dev/null
touch -m -d "$time" "$damaged"
is "damage that left no trace is not seen" "$(warm --json 2> /dev/null | fields)" "33 0 33 0 0"
is "unless everything is hashed" "$(warm --verify --json 2> /dev/null | fields)" "33 1 32 0 0"
is "what is neither is refused" "$(warm nothing 2>&1)" \
	"Error: warming: nothing: neither a formula nor a path in the prefix"
is "so is a quota that is none" "$(warm --quota=much 2>&1 | grep -c 512M)" 1
find "$BREWFS_CACHE/objects" -type f -delete
is "a quota that is too small leaves out the rest" \
	"$(warm --quota=1M --json share 2> /dev/null | python3 -c 'import json, sys; d = json.load(sys.stdin); print(d["left_out"] > 0, d["bytes"] < 3000000)')" \
	"True True"
object=$(find "$SCRATCH/real/objects" -type f -size +5000 | head -1)
chmod 644 "$object"
printf x | dd of="$object" bs=1 seek=1000 conv=notrunc 2> /dev/null
refuse "a damaged store is an error" "$BREWFS" warm --store "$SCRATCH/real" share
is "that says so" "$(warm share 2>&1 | grep -c 'the store is damaged')" 2
finish
