# For the tests of the mount: the Test Anything Protocol, a scratch directory, and mounts that go away with the test.
#
#	check SENTENCE COMMAND...	passes if the command succeeds
#	refuse SENTENCE COMMAND...	passes if it fails
#	is SENTENCE GOT WANTED		passes if both are equal
#	skip_all REASON			ends the test; nothing of it can be run here
#	finish				the plan; the last command of a test

: "${builddir:=.}" "${srcdir:=.}" "${BREWFS:=$builddir/brewfs}"
MKTREE=${MKTREE:-$builddir/tests/fs/mktree}
STUCKFS=${STUCKFS:-$builddir/tests/fs/stuckfs}
tap_count=0
tap_failed=0

report() {
	tap_count=$((tap_count + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $tap_count - $2"
	else
		echo "not ok $tap_count - $2"
		tap_failed=$((tap_failed + 1))
	fi
}

check() {
	local sentence=$1 output status=0
	shift
	output=$("$@" 2>&1) || status=$?
	report $((status != 0)) "$sentence"
	[ "$status" -eq 0 ] || printf '%s\n' "$* gave $status: $output" | head -20 | sed 's/^/# /'
}

refuse() {
	local sentence=$1 output status=0
	shift
	output=$("$@" 2>&1) || status=$?
	report $((status == 0)) "$sentence"
	[ "$status" -ne 0 ] || printf '%s\n' "$* succeeded: $output" | head -20 | sed 's/^/# /'
}

is() {
	local status=0
	[ "$2" = "$3" ] || status=1
	report $status "$1"
	[ $status -eq 0 ] || { printf '%s\n' "got:" "$2" "wanted:" "$3"; } | head -40 | sed 's/^/# /'
}

skip() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - # SKIP $1"
}

skip_all() {
	echo "1..0 # SKIP $1"
	exit 0
}

finish() {
	echo "1..$tap_count"
	[ "$tap_failed" -eq 0 ]
	exit
}

# Runs the command until it succeeds, at most that many tenths of a second.
wait_for() {
	local tenths=$1
	shift
	while ! "$@" > /dev/null 2>&1; do
		[ "$tenths" -gt 0 ] || return 1
		tenths=$((tenths - 1))
		sleep 0.1
	done
}

# Every mount below the scratch directory goes, the latest first, then the directory.
clean_up() {
	local mountpoint
	trap '' INT TERM
	for job in $(jobs -p); do
		kill -CONT "$job" 2> /dev/null
		kill "$job" 2> /dev/null
	done
	awk -v top="$SCRATCH/" 'index($5, top) == 1 { print $5 }' /proc/self/mountinfo | tac |
		while read -r mountpoint; do
			umount -l "$mountpoint" 2> /dev/null || fusermount3 -uz "$mountpoint" 2> /dev/null
		done
	wait
	[ -z "$DEVFUSE_MODE" ] || chmod "$DEVFUSE_MODE" /dev/fuse
	rm -rf "$SCRATCH" ${IN_MEMORY:+"$IN_MEMORY"}
}

SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/brewfs-test.XXXXXX")
DEVFUSE_MODE=
IN_MEMORY=
trap clean_up EXIT
trap 'exit 1' INT TERM HUP
export BREWFS_CACHE=$SCRATCH/cache BREWFS_SESSIONS=$SCRATCH/sessions XDG_RUNTIME_DIR=$SCRATCH/run
unset BREWFS_STORE BREWFS_DEBUG
mkdir "$XDG_RUNTIME_DIR"
STORE=$SCRATCH/store
MNT=$SCRATCH/mnt
REF=x86_64_linux

[ -e /dev/fuse ] || skip_all "this machine has no /dev/fuse"
[ "$(id -u)" -eq 0 ] || [ -w /dev/fuse ] || skip_all "this user may not use /dev/fuse"

# Publishes what the script on standard input makes, see mktree.c.
publish() {
	"$MKTREE" "$STORE" $REF
}
