#!/bin/bash
# make check-nfs: brewfs on real NFSv4.1, in a VM of its own with a server and two client hosts (guest/suite.sh).
# Without KVM this takes minutes, so it is no part of `make check`.
#
#	check-nfs.sh [-b] [-d MS]...	once for each delay of the network, by default 0 and 1 ms each way; -b: without
#					looking first at what NFS itself does
#
# Needs root for the VM's file system, and the packages that build.sh names. BREWFS, srcdir as for every test;
# NFSVM_BUILD says where the VM is kept (default /var/tmp/brewfs-nfsvm-UID: it is made once).
set -u
here=$(cd "$(dirname "$0")" && pwd)
export srcdir=${srcdir:-$(cd "$here/../.." && pwd)} BREWFS=${BREWFS:-$PWD/brewfs}
export NFSVM_BUILD=${NFSVM_BUILD:-/var/tmp/brewfs-nfsvm-$(id -u)}
delays=() semantics=yes
while getopts bd: option; do
	case $option in
	b) semantics= ;;
	d) delays+=("$OPTARG") ;;
	*) sed -n '2,9p' "$0"; exit 2 ;;
	esac
done
[ ${#delays[@]} != 0 ] || delays=(0 1)
for tool in mmdebstrap mke2fs cpio qemu-system-x86_64; do
	command -v $tool >/dev/null || { echo "check-nfs: $tool is missing (see $here/build.sh)" >&2; exit 2; }
done
work=$(mktemp -d "${TMPDIR:-/tmp}/brewfs-nfs.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP

# A VM made from other scripts than these is of no use.
stamp=$(cat "$here/build.sh" "$here/guest/init" | sha256sum)
if [ "$(cat "$NFSVM_BUILD/stamp" 2>/dev/null)" != "$stamp" ]; then
	mkdir -p "$NFSVM_BUILD" || exit 1
	echo "# building the VM in $NFSVM_BUILD"
	"$here/build.sh" >"$NFSVM_BUILD/build.log" 2>&1 || { tail -20 "$NFSVM_BUILD/build.log"; exit 1; }
	echo "$stamp" >"$NFSVM_BUILD/stamp"
fi

# What goes in: the program, the suites, and bottles in a depot, for there is no network in there.
mkdir "$work/payload"
cp "$BREWFS" "$work/payload/brewfs" || exit 1
# What `brewfs export` puts into its trees is looked for beside it.
helper=${BREWFS%/*}/brewfs-lambda
[ ! -f "$helper" ] || cp "$helper" "$work/payload/"
cp "$here"/guest/*.sh "$here"/guest/*.py "$work/payload/" || exit 1
python3 "$here/fill.py" "$work/payload" || exit 1

status=0
if [ -n "$semantics" ]; then
	echo "# NFSv4.1 as it is: what a store relies on"
	"$here/nfsvm" -t 600 "$work/payload" 'bash semantics.sh' >"$work/console" || status=1
	grep -aE '^(ok|NOT OK|note)|^nfsvm:|NFSVM-RC' "$work/console" |
		sed 's/^NOT OK/not ok -/; s/^ok/ok -/; s/^note/# /; s/^NFSVM/# &/'
fi
for delay in "${delays[@]}"; do
	echo "# brewfs, with a delay of $delay ms each way"
	"$here/nfsvm" -t 1500 -d "$delay" "$work/payload" 'bash suite.sh' >"$work/console" || status=1
	grep -aE '^(ok|not ok|#|1\.\.)|^nfsvm:|NFSVM-RC' "$work/console" | sed 's/^NFSVM/# &/'
	if ! grep -aq '^1\.\.' "$work/console"; then
		echo "not ok - the suite came to its end"
		tail -30 "$work/console" | sed 's/^/# /'
		status=1
	fi
done
exit $status
