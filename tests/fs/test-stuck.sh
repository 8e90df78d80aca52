#!/bin/bash
# While the store does not answer, all that comes from the index still does; and nothing waits for ever.
. "${srcdir:-.}/tests/fs/lib.sh"
[ "$(id -u)" -eq 0 ] || skip_all "a filesystem under a filesystem needs root"

# A leak checker stops all threads first, and those that are stuck do not stop.
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0

mkdir "$SCRATCH/real" "$STORE" "$SCRATCH/store2"
{
	for i in $(seq 60); do echo "fill share/big$i 644 100000 $i"; done
	echo "text share/small 644 small"
	echo "dir lib 755"
} | "$MKTREE" "$SCRATCH/real" $REF > /dev/null || exit 1
"$STUCKFS" "$SCRATCH/real" "$STORE" &
stuckfs=$!
wait_for 50 test -e "$STORE/store.json" || exit 1
within() { # SECONDS COMMAND...
	timeout -s KILL "$@"
}

# All threads have stopped, none of them with a request that it has taken: who waits for such a one cannot be killed.
stop_store() {
	kill -STOP $stuckfs
	wait_for 50 sh -c "! grep -L 'State:.T' /proc/$stuckfs/task/*/status | grep -q ."
}

check "a store on another filesystem is mounted" "$BREWFS" mount "$STORE" "$MNT"
daemon=$(pgrep -f "^$BREWFS mount $STORE $MNT")
is "a small file reads" "$(cat "$MNT/share/small")" small
stop_store
check "the store is stuck" sh -c "! timeout -s KILL 1 cat '$STORE/store.json'"
for i in $(seq 60); do
	(exec cat "$MNT/share/big$i" > "$SCRATCH/read$i") &
	readers="$readers $!"
done
sleep 1.5
check "with sixty readers waiting, names are listed" within 5 ls -lR "$MNT"
check "names that were never asked for are answered" within 5 sh -c "! stat '$MNT/share/absent' 2> /dev/null"
check "df answers" within 5 df "$MNT"
check "stat -f answers" within 5 stat -f "$MNT"
is "what is cached can be read" "$(within 5 cat "$MNT/share/small")" small
check "status of the daemon answers" sh -c "timeout -s KILL 5 '$BREWFS' status '$MNT' | grep -q 'daemon  *pid $daemon'"
check "no reader has failed" sh -c "for pid in $readers; do kill -0 \$pid || exit 1; done"
is "umount says that it is in use, and does not wait" \
	"$(within 20 "$BREWFS" umount "$MNT" 2>&1 | grep -c 'in use by')" 1
sleep 5
check "status tells for how long the store has not answered" \
	sh -c "timeout -s KILL 5 '$BREWFS' status '$MNT' | grep -q 'has not answered for'"
kill -CONT $stuckfs
for pid in $readers; do wait "$pid" || echo "# a reader failed"; done
check "when it answers again every reader gets its bytes" python3 - "$srcdir/tests/fs" "$SCRATCH" << 'END'
import sys
sys.path.insert(0, sys.argv[1])
from fill import fill
for i in range(1, 61):
    assert open(f"{sys.argv[2]}/read{i}", "rb").read() == fill(100000, i), i
END
check "some of them had waited for a place" sh -c "'$BREWFS' status --json '$MNT' | grep -Eq '\"queued_reads\": [1-9]'"

stop_store
(exec cat "$MNT/share/big1" > /dev/null) &
dd if="$MNT/share/big2" iflag=direct of=/dev/null status=none &
reader=$!
sleep 2
check "SIGTERM ends the daemon although threads are stuck" sh -c "
	kill -TERM $daemon
	for i in \$(seq 150); do
		grep -q 'State:.Z' /proc/$daemon/status 2> /dev/null && exit 0
		kill -0 $daemon 2> /dev/null || exit 0
		sleep 0.1
	done
	exit 1"
refuse "and the mount is gone" mountpoint -q "$MNT"
kill -CONT $stuckfs
wait $reader
finish
