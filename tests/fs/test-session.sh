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
check "a tree can be removed" rm -rf "$MNT/large"
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
finish
