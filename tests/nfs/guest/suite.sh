#!/bin/bash
# In the VM: brewfs on two client hosts of an NFSv4.1 server. Prints TAP. /payload has brewfs, a depot filled by `brewfs fetch`, and the key that its metadata is signed
# with.
prefix=/home/linuxbrew/.linuxbrew
count=0 failures=0
export BREWFS_API_KEY=/payload/key.pem BREWFS_TARGET_GLIBC=2.41 NO_COLOR=1

ok() { # STATUS DESCRIPTION [DETAILS]
	count=$((count + 1))
	if [ "$1" = 0 ]; then
		echo "ok $count - $2"
	else
		failures=$((failures + 1))
		echo "not ok $count - $2"
		[ -z "${3-}" ] || head -c 4000 <<<"$3" | sed 's/^/# /'
	fi
}

note() {
	echo "# $*"
}

seconds() {
	cut -d' ' -f1 /proc/uptime
}

since() { # START
	awk -v a="$1" -v b="$(seconds)" 'BEGIN {printf "%.1f s", b - a}'
}

# brewfs on a host, with a cache of that host's own.
brewfs() { # HOST ARGUMENTS...
	local host=$1
	shift
	on_host "$host" env BREWFS_CACHE="/tmp/cache.$host" BREWFS_STORE="${store:-/$host/store}" /payload/brewfs "$@"
}

install() { # HOST FORMULA...
	local host=$1
	shift
	brewfs "$host" install --from /payload/depot "$@" 2>&1
}

# brewfs COMMAND..., of which the output is shown where it fails.
try() { # DESCRIPTION COMMAND...
	local description=$1 output status
	shift
	output=$("$@" 2>&1)
	status=$?
	ok $status "$description" "exit status $status
$output"
	return $status
}

within() { # SECONDS COMMAND...
	local end=$(($(date +%s) + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(date +%s)" -lt $end ] || return 1
		sleep 0.1
	done
}

# Every name, link and file of a prefix.
picture() { # HOST DIR
	# shellcheck disable=SC2016
	on_host "$1" bash -c 'cd "$1" && find . \( -type l -printf "%p -> %l\n" \) -o \( -type d -printf "%p/\n" \) | sort &&
		find . -type f ! -name INSTALL_RECEIPT.json ! -path "./lib/ld.so" -print0 | sort -z | xargs -0 sha256sum' - "$2"
}

# --- one host installs, the other one mounts ---
start=$(seconds)
try "host a installs into a store on NFS" install a proj libexif || exit 1
note "proj and 30 more: $(since "$start")"
try "host b finds nothing wrong with it" brewfs b fsck
start=$(seconds)
try "host b mounts it" brewfs b mount /b/store "$prefix"
note "mounted: $(since "$start")"
output=$(on_host b "$prefix/bin/proj" 2>&1)
ok $? "a program runs there, with its libraries and data" "$output"
store=/tmp/local brewfs a install --from /payload/depot proj libexif >/dev/null 2>&1
on_host a mkdir -p /tmp/local-mount
store=/tmp/local brewfs a mount /tmp/local /tmp/local-mount
start=$(seconds)
there=$(picture b "$prefix")
note "all of the prefix read: $(since "$start")"
here=$(picture a /tmp/local-mount)
ok "$([ "$(wc -l <<<"$there")" -gt 500 ] && [ "$there" = "$here" ]; echo $?)" \
	"the prefix is the same as one from a local disk, name for name and byte for byte" "$(diff <(echo "$there") <(echo "$here") | head -20)"

# --- live follow ---
start=$(seconds)
try "host a installs more" install a jq
within 20 on_host b test -x "$prefix/bin/jq"
ok $? "host b sees it without a remount"
note "from the start of the install to its sight: $(since "$start")"
output=$(on_host b "$prefix/bin/jq" 2>&1)
ok $? "and runs it" "$output"

# --- a name that a host looked up before it was there ---
# The client remembers that a name is absent for as long as it believes the directory unchanged: half a minute.
store=/tmp/local brewfs a install --from /payload/depot po-big >/dev/null 2>&1
coming=$(cd /tmp/local && for name in packs/* objects/*/*; do [ -e "/export/store/$name" ] || echo "$name"; done)
for name in $coming; do on_host b stat "/b/store/$name" >/dev/null 2>&1; done
try "host a installs what host b has looked for in vain" install a po-big
arrived=0
for name in $coming; do [ -e "/export/store/$name" ] && arrived=$((arrived + 1)); done
ok "$([ $arrived -gt 0 ]; echo $?)" "its contents have the names that were looked for ($arrived)" "$coming"
within 20 on_host b test -e "$prefix/opt/po-big"
output=$(on_host b find "$prefix/Cellar/po-big" -type f -exec cat {} + 2>&1 >/dev/null)
ok "$([ -z "$output" ]; echo $?)" "and host b reads them at once" "$output"

# --- garbage is collected while another host reads, and has looked at what goes ---
try "host a rolls back" brewfs a rollback
within 20 on_host b test ! -e "$prefix/opt/po-big"
ok $? "host b sees that"
try "host a installs under another ref" brewfs a install --from /payload/depot --ref other po-text
going=$(cd /export/store && find objects packs kegs -type f -newer refs/x86_64_linux)
for name in $going; do on_host b stat "/b/store/$name" >/dev/null 2>&1; done
on_host a rm /a/store/refs/other
try "and collects what nobody needs" brewfs a gc --keep 1 --grace 0
gone=0
for name in $going; do [ -e "/export/store/$name" ] || gone=$((gone + 1)); done
ok "$([ $gone -gt 0 ]; echo $?)" "something of it is gone ($gone)" "$going"
echo 3 >/proc/sys/vm/drop_caches
output=$(on_host b find "$prefix/Cellar" -type f -exec cat {} + 2>&1 >/dev/null)
ok "$([ -z "$output" ]; echo $?)" "what host b has mounted is all there" "$(head -5 <<<"$output")"
try "host b installs what it has seen there and what is gone" install b po-text
try "and nothing of it is missing" brewfs a fsck

# --- a session on one host, seen by the other ---
on_host a mkdir -p /tmp/session
if store=/a/store brewfs a mount -o rw,session=nfs /a/store /tmp/session >/tmp/session.out 2>&1; then
	on_host a bash -c 'mkdir -p /tmp/session/share/nfs && echo written >/tmp/session/share/nfs/file'
	try "a session is committed from host a" brewfs a session commit -m nfs nfs
	within 20 on_host b test -e "$prefix/share/nfs/file"
	output=$(on_host b cat "$prefix/share/nfs/file" 2>&1)
	ok "$([ "$output" = written ]; echo $?)" "host b reads what was written there" "$output"
	brewfs a umount /tmp/session >/dev/null 2>&1
else
	ok 1 "a session is mounted on host a" "$(cat /tmp/session.out)"
fi

# --- both write ---
install a md-leaf-a >/tmp/out.a & one=$!
install b md-leaf-b >/tmp/out.b & two=$!
wait $one; ra=$?; wait $two; rb=$?
ok "$((ra | rb))" "two hosts install at the same time" "$(cat /tmp/out.a /tmp/out.b)"
output=$(brewfs b list -1 2>&1)
ok "$(grep -qx md-leaf-a <<<"$output" && grep -qx md-leaf-b <<<"$output"; echo $?)" "and neither undoes the other's" "$output"
within 20 on_host b test -e "$prefix/opt/md-leaf-a" -a -e "$prefix/opt/md-leaf-b"
ok $? "the mount shows both"

# --- a host dies while it installs ---
on_host a env BREWFS_CACHE=/tmp/cache.a BREWFS_STORE=/a/store /payload/brewfs install --from /payload/depot gtk+3 md-diamond \
	>/tmp/out.dead 2>&1 & dead=$!
within 30 test -e /export/store/locks/x86_64_linux
sleep 0.7
kill -9 $dead 2>/dev/null
pkill -9 -f 'install --from /payload/depot gtk' 2>/dev/null
wait $dead 2>/dev/null
try "the other host goes on where one was killed" install b gtk+3
try "and the store is whole" brewfs b fsck

# --- the server goes away for a while ---
cat >/tmp/load.sh <<'SCRIPT'
# Reads everything again and again until told to stop; says what failed.
while [ ! -e /tmp/load.stop ]; do
	find "$1" -type f -exec cat {} + >/dev/null || echo "reading failed"
	echo 3 >/proc/sys/vm/drop_caches
done
SCRIPT
rm -f /tmp/load.stop
on_host b bash /tmp/load.sh "$prefix/Cellar" >/tmp/load.out 2>&1 & load=$!
install a libsigc++@2 md-uses md-leaf-c >/tmp/out.outage & outage=$!
sleep 0.5
server_stop
note "the server is stopped"
sleep 3
on_host b timeout 5 ls "$prefix/bin" >/tmp/ls.out 2>&1
ok $? "names are answered while it is away" "$(cat /tmp/ls.out)"
server_start
wait $outage
ok $? "an install outlives it" "$(cat /tmp/out.outage)"
sleep 2
: >/tmp/load.stop
wait $load
ok "$([ ! -s /tmp/load.out ]; echo $?)" "so does every read" "$(head -5 /tmp/load.out)"
within 20 on_host b test -e "$prefix/opt/md-leaf-c"
ok $? "and the mount goes on following"
try "the store is whole" brewfs a fsck

# --- like an access point: root is nobody, and everything belongs to user 1000 ---
for host in a b; do
	on_host $host mkdir -p /tmp/ap.$host
	on_host $host mount -t nfs4 -o nfsvers=4.1,hard,noresvport "10.7.$([ $host = a ] && echo 1 || echo 2).1:/ap" /tmp/ap.$host
done
store=/tmp/ap.a try "installs where chown is refused" install a jq md-leaf-a
output=$(stat -c '%u' /export/ap/store.json /export/ap/refs/* /export/ap/packs/* 2>&1 | sort -u)
ok "$([ "$output" = 1000 ]; echo $?)" "as the user of the access point" "$output"
on_host b mkdir -p /tmp/ap-mount
try "host b mounts that" brewfs b mount /tmp/ap.b /tmp/ap-mount
output=$(on_host b cat /tmp/ap-mount/opt/jq/INSTALL_RECEIPT.json 2>&1)
ok $? "and reads it" "$output"
store=/tmp/ap.b try "fsck finds nothing there either" brewfs b fsck
on_host b chmod -R a-w /tmp/ap.b 2>/dev/null
output=$(store=/tmp/ap.a install a md-leaf-b)
ok "$([ $? = 1 ]; echo $?)" "where nothing can be written, an install says so" "$output"
on_host b chmod -R u+w /tmp/ap.b 2>/dev/null
store=/tmp/ap.b brewfs b umount /tmp/ap-mount >/dev/null 2>&1

# --- export, where there is one ---
if brewfs a help 2>/dev/null | grep -q '^  export '; then
	try "host a exports beside the store" brewfs a export --store /a/store --prefix /mnt/efs/lambda /a/lambda
	on_host b mount --bind /b /mnt/efs
	output=$(on_host b /mnt/efs/lambda/bin/proj 2>&1)
	ok $? "host b runs from the export, without brewfs" "$output"
	linked=$(find /export/lambda/ -type f -links +1 | wc -l)
	ok "$([ "$linked" -gt 0 ]; echo $?)" "contents are linked, not copied ($linked files)"
	start=$(seconds)
	try "and exports again" brewfs a export --store /a/store --prefix /mnt/efs/lambda /a/lambda
	note "again: $(since "$start")"
fi

# --- a machine that is switched off ---
try "host b unmounts" brewfs b umount "$prefix"
store=/tmp/local brewfs a umount /tmp/local-mount >/dev/null 2>&1
# shellcheck disable=SC2016
for host in a b; do
	note "NFS operations of host $host: $(on_host $host awk '
		/^[ \t]+[A-Z_]+: [0-9]/ {sum += $2} END {print sum}' /proc/self/mountstats)"
done
echo "1..$count"
[ $failures = 0 ]
