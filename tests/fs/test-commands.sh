#!/bin/bash
# mount, umount and status: what they accept, what they refuse and how they say it.
. "${srcdir:-.}/tests/fs/lib.sh"

says() { # SENTENCE PATTERN COMMAND...: fails, with that on standard error
	local sentence=$1 pattern=$2 output status=0
	shift 2
	output=$("$@" 2>&1) || status=$?
	if [ $status -eq 1 ] && printf '%s\n' "$output" | grep -q -- "$pattern"; then
		report 0 "$sentence"
	else
		report 1 "$sentence"
		echo "# $* gave $status: $output"
	fi
}

printf 'text share/file 644 first\nfill share/big 644 3000000 9\n' | publish > /dev/null || exit 1
daemons() { pgrep -f "^$BREWFS mount $STORE $MNT"; }

# --- mount ---
says "a store that is not there is named" "$SCRATCH/none: No such file" "$BREWFS" mount "$SCRATCH/none" "$MNT"
mkdir "$SCRATCH/plain"
says "a directory that is no store is told" "no brewfs store" "$BREWFS" mount "$SCRATCH/plain" "$MNT"
says "a session is no read-only mount" "mounted rw" "$BREWFS" mount "$STORE" "$MNT" -o session=x
says "an unknown option is named" "frobnicate: no such option" "$BREWFS" mount "$STORE" "$MNT" -o frobnicate
says "a bad number is told" "threads=0: a number from" "$BREWFS" mount "$STORE" "$MNT" -o threads=0
says "a bad ref is told" "not a name for a ref" "$BREWFS" mount "$STORE" "$MNT" --ref ../x
touch "$SCRATCH/file"
says "a mountpoint that is a file is refused" "Not a directory" "$BREWFS" mount "$STORE" "$SCRATCH/file"
says "a mountpoint that cannot be made is named" "mountpoint: $SCRATCH/file/x: Not a directory" \
	"$BREWFS" mount "$STORE" "$SCRATCH/file/x"
says "the store as mountpoint is refused" "must lie neither in" "$BREWFS" mount "$STORE" "$STORE"
says "a mountpoint in the store is refused" "must lie neither in" "$BREWFS" mount "$STORE" "$STORE/objects"
says "a mountpoint around the store is refused" "must lie neither in" "$BREWFS" mount "$STORE" "$SCRATCH"
says "a mountpoint around the cache is refused" "the cache" env BREWFS_CACHE="$MNT/cache" "$BREWFS" mount "$STORE" "$MNT"
rm -rf "$MNT"
is "and none of these left a mount" "$(grep -c "$SCRATCH" /proc/self/mountinfo)" 0
is "or a daemon" "$(daemons)" ""

check "a missing mountpoint is made" "$BREWFS" mount "$STORE" "$SCRATCH/deep/er/mnt"
is "and usable when the command returns" "$(cat "$SCRATCH/deep/er/mnt/share/file")" first
check "and can be unmounted by a relative path" sh -c "cd '$SCRATCH/deep' && '$BREWFS' umount er/mnt/"
mkdir -p "$MNT"
ln -s "$MNT" "$SCRATCH/symlink"
check "a mountpoint may be given through a symlink, the store by --store" \
	"$BREWFS" mount --store "$STORE" "$SCRATCH/symlink"
check "it is mounted at the real place" mountpoint -q "$MNT"
is "mounting it again says so and succeeds" "$("$BREWFS" mount "$STORE" "$MNT"; echo $?)" \
	"$STORE is mounted at $MNT already"$'\n'0
is "and there is still one mount" "$(grep -c " $MNT " /proc/self/mountinfo)" 1
MKTREE_STORE=$STORE STORE=$SCRATCH/other publish <<< "text x 644 y" > /dev/null
says "another store on top of it is refused" "is mounted there already" "$BREWFS" mount "$SCRATCH/other" "$MNT"
"$BREWFS" umount "$MNT"
mount -t tmpfs none "$MNT"
says "so is one on top of another filesystem" "tmpfs) is mounted there already" "$BREWFS" mount "$STORE" "$MNT"
says "which umount will not touch" "is no brewfs" "$BREWFS" umount "$MNT"
umount "$MNT"
BREWFS_STORE=$STORE check "the store may come from the environment" env BREWFS_STORE="$STORE" "$BREWFS" mount "$STORE" "$MNT"
"$BREWFS" umount "$MNT"
for options in defaults,ro,_netdev,nofail,noauto,user,x-systemd.automount,x-a=b,comment=c,nosuid,nodev,noatime,relatime,exec \
	suid,dev,async,diratime rw,ro noallow_other fsname=x,nonempty; do
	check "options of mount(8) are taken: $options" "$BREWFS" mount "$STORE" "$MNT" -o "$options"
	"$BREWFS" umount "$MNT" || echo "# after $options"
done
"$BREWFS" mount "$STORE" "$MNT" -o noexec
check "noexec reaches the kernel" sh -c "findmnt -no OPTIONS '$MNT' | grep -q noexec"
"$BREWFS" umount "$MNT"
touch "$MNT/hidden"
is "a warning tells of files that are hidden" "$("$BREWFS" mount "$STORE" "$MNT" 2>&1 | grep -c 'is not empty')" 1
"$BREWFS" umount "$MNT"
rm "$MNT/hidden"
mkdir "$SCRATCH/sp ace, comma"
cp -a "$STORE" "$SCRATCH/st ore, \\ two"
check "odd characters in both paths work" "$BREWFS" mount "$SCRATCH/st ore, \\ two" "$SCRATCH/sp ace, comma"
is "and are the same in status" "$("$BREWFS" status --json "$SCRATCH/sp ace, comma" | python3 -c '
import json, sys; m = json.load(sys.stdin)["mounts"][0]; print(m["source"], m["mountpoint"], m["running"])')" \
	"$SCRATCH/st ore, \\ two $SCRATCH/sp ace, comma True"
check "and in umount" "$BREWFS" umount "$SCRATCH/sp ace, comma"

"$BREWFS" mount "$STORE" "$MNT" -f > "$SCRATCH/foreground" 2>&1 &
daemon=$!
check "-f stays in the foreground and mounts" wait_for 50 mountpoint -q "$MNT"
check "and still runs" kill -0 $daemon
for signal in TERM INT HUP; do
	[ $signal = TERM ] || "$BREWFS" mount "$STORE" "$MNT"
	[ $signal = TERM ] || daemon=$(daemons)
	exec 8< "$MNT/share/file"
	kill -$signal "$daemon"
	check "SIG$signal ends the daemon, even if a file is open" wait_for 50 sh -c "! mountpoint -q '$MNT'"
	exec 8<&-
	check "and no process stays" wait_for 50 sh -c "! kill -0 $daemon || grep -q 'State:.Z' /proc/$daemon/status"
done
is "its socket is gone" "$(ls /run/brewfs "$XDG_RUNTIME_DIR" 2> /dev/null | grep -c "^$(stat -c %d "$SCRATCH")-")" 0
is "no lease is left" "$(ls "$STORE/leases")" ""

# --- damage ---
index=$(ls "$STORE"/indexes/*.sqlite)
cp "$index" "$SCRATCH/saved"
rm -rf "$BREWFS_CACHE"
printf x | dd of="$index" bs=1 seek=5000 conv=notrunc status=none
says "a damaged index is refused" "SHA-256" "$BREWFS" mount "$STORE" "$MNT"
truncate -s 4096 "$index"
says "so is a short one" "fetching the index" "$BREWFS" mount "$STORE" "$MNT"
rm -f "$index"
says "and a missing one" "fetching the index.*No such file" "$BREWFS" mount "$STORE" "$MNT"
cp "$SCRATCH/saved" "$index"
cp "$STORE/refs/$REF" "$SCRATCH/ref"
echo '{' > "$STORE/refs/$REF"
says "a ref that is no JSON is refused" "refs/$REF" "$BREWFS" mount "$STORE" "$MNT"
cp "$SCRATCH/ref" "$STORE/refs/$REF"
"$BREWFS" mount "$STORE" "$MNT"
mv "$STORE"/packs "$STORE"/packs.away
says "a missing pack is an error of the file, not of the mount" "No such file or directory" sh -c "cat '$MNT/share/file' || exit 1"
is "and the rest works" "$(stat -c %s "$MNT/share/file")" 5
mv "$STORE"/packs.away "$STORE"/packs
is "and so does the file, once the pack is there" "$(cat "$MNT/share/file")" first
object=$(find "$STORE/objects" -type f)
chmod u+w "$object"
truncate -s 100000 "$object"
says "a short object is an input/output error" "Input/output error" sh -c "cat '$MNT/share/big' > /dev/null || exit 1"
python3 "$srcdir/tests/fs/fill.py" 3000000 9 > "$object"
"$BREWFS" umount "$MNT"

# --- the page cache ---
publish <<< 'fill share/huge 644 30000000 5' > /dev/null
if [ "$(stat -f -c %T "$STORE")" = tmpfs ]; then
	skip "the pages of a store on tmpfs are the store"
elif command -v fincore > /dev/null; then
	"$BREWFS" mount "$STORE" "$MNT"
	object=$(find "$STORE/objects" -type f -size +20M)
	sync "$object"
	cat "$object" "$MNT/share/huge" > /dev/null
	is "a big file is held by the mount" "$(fincore -bno PAGES "$MNT/share/huge" | xargs)" 7325
	check "and not a second time by the store, but for a tenth" \
		test "$(fincore -bno PAGES "$object" | xargs)" -le 732
	"$BREWFS" umount "$MNT"
else
	skip "fincore (util-linux) is missing"
fi
publish <<< 'rm share/huge' > /dev/null

# --- umount ---
says "nothing mounted: umount says so" "nothing is mounted there" "$BREWFS" umount "$MNT"
"$BREWFS" mount "$STORE" "$MNT"
(cd "$MNT/share" && exec sleep 1000) &
holder=$!
wait_for 50 sh -c "[ \"\$(readlink /proc/$holder/cwd)\" = '$MNT/share' ]"
says "a busy mount stays, and umount names who uses it" "in use by .*sleep (pid $holder)" "$BREWFS" umount "$MNT"
check "it still works" cat "$MNT/share/file"
kill $holder
wait $holder 2> /dev/null
daemon=$(daemons)
check "once it is free it unmounts" "$BREWFS" umount "$MNT"
check "and the daemon has ended when umount returns" sh -c "! kill -0 $daemon 2> /dev/null || grep -q 'State:.Z' /proc/$daemon/status"
"$BREWFS" mount "$STORE" "$MNT"
exec 8< "$MNT/share/big"
check "--lazy unmounts a busy mount" "$BREWFS" umount --lazy "$MNT"
is "what was open can still be read" "$(md5sum <&8 | cut -c1-32)" "$(python3 "$srcdir/tests/fs/fill.py" 3000000 9 | md5sum | cut -c1-32)"
exec 8<&-
check "and then the daemon ends" wait_for 50 sh -c "! pgrep -f '^$BREWFS mount $STORE $MNT' || grep -q 'State:.Z' /proc/\$(pgrep -f '^$BREWFS mount $STORE $MNT')/status"
"$BREWFS" mount "$STORE" "$MNT"
kill -9 "$(daemons)"
wait_for 50 sh -c "! ls '$MNT'"
says "after kill -9 the mount is dead" "not connected" cat "$MNT/share/file"
is "status says so" "$("$BREWFS" status "$MNT" | grep -c 'daemon has died')" 1
check "umount clears it away" "$BREWFS" umount "$MNT"
"$BREWFS" mount "$STORE" "$MNT"
kill -9 "$(daemons)"
wait_for 50 sh -c "! ls '$MNT'"
check "mount does as well" "$BREWFS" mount "$STORE" "$MNT"
is "and the prefix is there again" "$(cat "$MNT/share/file")" first
is "mounted once" "$(grep -c " $MNT " /proc/self/mountinfo)" 1

# --- status ---
is "status names mount, store, ref and generation" \
	"$("$BREWFS" status "$MNT" | grep -Ec "^==> $MNT|store  *$STORE\$|ref  *$REF\$|generation  *3, mounted for")" 4
is "it shows the features in force" "$("$BREWFS" status "$MNT" | grep -c '  features .*zero_open, zero_opendir, readdirplus')" 1
is "it shows the store's ref and the lease" \
	"$("$BREWFS" status "$MNT" | grep -Ec "ref  *$REF, generation 3, published|lease  *$MNT on .*generation 3 of .*pid $(daemons)\)")" 2
cat "$MNT/share/file" > /dev/null
check "--json has the counters" python3 - "$BREWFS" "$MNT" "$(daemons)" << 'END'
import json, subprocess, sys
brewfs, mnt, pid = sys.argv[1:]
status = json.loads(subprocess.check_output([brewfs, "status", "--json", mnt]))
mount = status["mounts"][0]
daemon = mount["daemon"]
assert mount["running"] and mount["mountpoint"] == mnt, mount
assert daemon["pid"] == int(pid), daemon["pid"]
assert daemon["generation"] == 3 and len(daemon["index"]) == 64
assert daemon["follow"]["problem"] is None and daemon["follow"]["checked"] > 0
requests = daemon["stats"]["requests"]
assert requests["lookup"]["count"] + requests.get("readdirplus", {"count": 0})["count"] > 0, requests
assert requests["read"]["bytes"] >= 5 and sum(requests["read"]["below_us"].values()) == requests["read"]["count"]
assert daemon["features"]["zero_open"] is True
assert [ref["ref"] for ref in status["store"]["refs"]] == ["x86_64_linux"]
assert [lease["pid"] for lease in status["store"]["leases"] if not lease["stale"]][-1:] == [int(pid)]
END
is "opened files cost no message" "$(
	for i in 1 2 3 4 5; do cat "$MNT/share/file" > /dev/null; done
	"$BREWFS" status --json "$MNT" | python3 -c 'import json, sys
r = json.load(sys.stdin)["mounts"][0]["daemon"]["stats"]["requests"]; print(r["open"]["count"], "release" in r)')" "1 False"
says "status of a place without a mount fails" "no brewfs is mounted there" "$BREWFS" status "$SCRATCH"
kill -STOP "$(daemons)"
is "a daemon that does not answer is told, without waiting for it long" \
	"$(timeout 10 "$BREWFS" status "$MNT" | grep -c 'does not answer')" 1
kill -CONT "$(daemons)"
is "status of a store that is not there says so" "$(BREWFS_STORE=$SCRATCH/none "$BREWFS" status | tail -1)" "No store at $SCRATCH/none"
is "a value of the index is shown" "$(publish <<< 'value target_glibc 2.34' > /dev/null; "$BREWFS" status --store "$STORE" "$MNT" | grep -c 'for glibc 2.34')" 1
"$BREWFS" umount "$MNT"

# --- an ordinary user ---
if [ "$(id -u)" -eq 0 ] && id nobody > /dev/null 2>&1 && command -v setpriv fusermount3 > /dev/null; then
	DEVFUSE_MODE=$(stat -c %a /dev/fuse)
	chmod 666 /dev/fuse
	chmod 755 "$SCRATCH"
	chmod -R u+rwX,go+rX "$STORE"
	mkdir "$SCRATCH/user"
	chown nobody "$SCRATCH/user"
	exec_as_user() {
		exec setpriv --reuid nobody --regid nogroup --clear-groups env HOME="$SCRATCH/user" \
			BREWFS_CACHE="$SCRATCH/user/cache" XDG_RUNTIME_DIR="$SCRATCH/user/run" "$@"
	}
	as_user() { (exec_as_user "$@"); }
	check "an ordinary user can mount" as_user "$BREWFS" mount "$STORE" "$SCRATCH/user/mnt"
	is "and owns the files" "$(as_user stat -c %U "$SCRATCH/user/mnt/share/file")" nobody
	is "and reads them" "$(as_user cat "$SCRATCH/user/mnt/share/file")" first
	refuse "nobody else may look, not even root" ls "$SCRATCH/user/mnt"
	is "status reaches it" "$(as_user "$BREWFS" status "$SCRATCH/user/mnt" | grep -c 'daemon  *pid')" 1
	is "and tells that there is no lease" "$(as_user "$BREWFS" status "$SCRATCH/user/mnt" | grep -c 'no lease  *writing the lease.*Permission denied')" 1
	is "the flags are those of any mount" "$(findmnt -no OPTIONS "$SCRATCH/user/mnt" | tr , '\n' | grep -Ec '^(ro|nosuid|nodev|noatime)$')" 4
	publish <<< "text share/file 644 second" > /dev/null
	check "it follows the ref" wait_for 30 as_user grep -q second "$SCRATCH/user/mnt/share/file"
	exec_as_user sh -c "cd '$SCRATCH/user/mnt' && exec sleep 1000" &
	holder=$!
	wait_for 50 sh -c "readlink /proc/$holder/cwd | grep -q '^$SCRATCH/user/mnt'"
	says "a busy mount is told" "in use" as_user "$BREWFS" umount "$SCRATCH/user/mnt"
	kill $holder
	wait $holder 2> /dev/null
	check "the user can unmount it" as_user "$BREWFS" umount "$SCRATCH/user/mnt"
	refuse "and then it is gone" mountpoint -q "$SCRATCH/user/mnt"
	chmod "$DEVFUSE_MODE" /dev/fuse
	DEVFUSE_MODE=
else
	skip "mounting as an ordinary user needs root to become one, setpriv and fusermount3"
fi
finish
