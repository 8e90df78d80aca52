#!/bin/bash
# A mount follows its ref: what changed shows within seconds, what did not stays cached, what is open stays right.
. "${srcdir:-.}/tests/fs/lib.sh"

json() { "$BREWFS" status --json "$MNT" | python3 -c "import json, sys; d = json.load(sys.stdin)['mounts'][0]['daemon']; print($1)"; }
shows() { [ "$(cat "$MNT/$1" 2>&1)" = "$2" ]; }
generation() { [ "$(json 'd["generation"]')" = "$1" ]; }

# --- from nothing ---
"$MKTREE" "$STORE" other <<< "" > /dev/null
check "a ref that was never published mounts as an empty prefix" "$BREWFS" mount "$STORE" "$MNT"
is "with nothing in it" "$(ls -A "$MNT")" ""
refuse "an absent name is absent" stat "$MNT/share"
check "and df works" df "$MNT"
is "status says that nothing is installed" "$("$BREWFS" status "$MNT" | grep -c 'nothing installed yet')" 1
publish << 'END' > /dev/null
text share/a 644 one
text share/same 644 same
text share/gone 644 gone
text share/mode 644 mode
link share/link a
dir share/dir 755
text share/dir/x 644 x
dir lib 755
fill share/big 644 300000 1
END
check "the first generation shows within two seconds" wait_for 20 shows share/a one
is "with all of it" "$(ls "$MNT/share")" $'a\nbig\ndir\ngone\nlink\nmode\nsame'

# --- a change ---
python3 "$srcdir/tests/fs/fill.py" 300000 1 > "$SCRATCH/fill"
same=$(stat -c %i "$MNT/share/same")
cat "$MNT/share/same" "$MNT/share/link" "$MNT/share/big" > /dev/null
refuse "a name is absent before" stat "$MNT/share/new"
readlink "$MNT/share/link" > /dev/null
ls -l "$MNT/share" "$MNT/share/dir" > /dev/null
exec 7< "$MNT/share/gone" 8< "$MNT/share/a" 9< "$MNT/share/big"
(cd "$MNT/share/dir" && exec sleep 1000) &
holder=$!
wait_for 50 sh -c "[ \"\$(readlink /proc/$holder/cwd)\" = '$MNT/share/dir' ]"
opens=$(json 'd["stats"]["requests"]["getattr"]["count"]')
publish << 'END' > /dev/null
text share/a 644 two
text share/new 644 new
rm share/gone
mode share/mode 600
link share/link new
fill share/big 644 200000 2
rm share/dir
END
check "a changed file shows within two seconds" wait_for 20 shows share/a two
is "a new name that was absent before" "$(cat "$MNT/share/new")" new
is "a changed link" "$(readlink "$MNT/share/link") $(cat "$MNT/share/link")" "new new"
is "changed permissions" "$(stat -c %a "$MNT/share/mode")" 600
refuse "a name that went is absent" stat "$MNT/share/gone"
refuse "so is a directory that went" stat "$MNT/share/dir"
is "the listing is the new one" "$(ls "$MNT/share")" $'a\nbig\nlink\nmode\nnew\nsame'
is "what did not change has its inode" "$(stat -c %i "$MNT/share/same")" "$same"
is "open files have their old bytes: one that went" "$(cat <&7)" gone
is "one that changed" "$(cat <&8)" one
is "a big one, read for the first time after its end" "$(cmp "$SCRATCH/fill" - <&9 && echo equal)" equal
is "a working directory that went still lists what it had" "$(ls "/proc/$holder/cwd/")" x
refuse "an absent name in it is absent" stat "/proc/$holder/cwd/absent"
is "and files in it can be opened" "$(cat "/proc/$holder/cwd/x")" x
is "the old generation is held for that" "$(json 'len(d["generations"])')" 2
is "and the lease names both" "$(python3 -c '
import glob, json, sys; print([g["generation"] for g in json.load(open(glob.glob(sys.argv[1])[0]))["generations"]])' "$STORE/leases/*.json")" "[2, 1]"

# Something of it becomes known only after the switch, and outlives what was known then.
exec 6< "/proc/$holder/cwd/x"
exec 7<&- 8<&- 9<&-
kill $holder
wait $holder 2> /dev/null
sleep 2.5
is "a file opened in a directory that had gone is right after that was left" "$(cat <&6)" x
is "and holds the generation" "$(json 'len(d["generations"])')" 2
exec 6<&-
check "when the last user has gone the old generation goes" wait_for 50 sh -c "
	[ \"\$('$BREWFS' status --json '$MNT' | python3 -c 'import json, sys; print(len(json.load(sys.stdin)[\"mounts\"][0][\"daemon\"][\"generations\"]))')\" = 1 ]"
cat "$MNT/share/same" > /dev/null

# --- only what changed is asked for again ---
counts() { json '[d["stats"]["requests"].get(k, {"count": 0})["count"] for k in ("read", "lookup", "readlink")]'; }
# Three times at most: somebody else may make the kernel drop its caches in between.
for generation in 3 4 5; do
	find "$MNT" -printf '%l' > /dev/null
	cat "$MNT/share/same" > /dev/null
	before=$(counts)
	publish <<< "text lib/other 644 $generation" > /dev/null
	wait_for 30 generation $generation
	cat "$MNT/share/same" > /dev/null
	find "$MNT/share" -printf '%l' > /dev/null
	after=$(counts)
	[ "$after" != "$before" ] || break
done
is "a change elsewhere costs nothing here" "$after" "$before"

# --- a ref that moves back, and a directory that comes back ---
cp "$STORE/refs/$REF" "$SCRATCH/earlier"
(cd "$MNT/lib" && exec sleep 1000) &
holder=$!
wait_for 50 sh -c "[ \"\$(readlink /proc/$holder/cwd)\" = '$MNT/lib' ]"
publish <<< "rm lib" > /dev/null
wait_for 30 generation $((generation + 1))
ls "/proc/$holder/cwd/" > /dev/null
refuse "a name in a directory that went is absent" stat "/proc/$holder/cwd/later"
cp "$STORE/refs/$REF" "$SCRATCH/later"
cp "$SCRATCH/earlier" "$STORE/refs/$REF.tmp" && mv "$STORE/refs/$REF.tmp" "$STORE/refs/$REF"
check "a ref that moves back is followed" wait_for 30 generation $generation
is "and the directory is there again" "$(cat "$MNT/lib/other")" $generation
is "also for who stayed in it" "$(ls "/proc/$holder/cwd/")" "$(ls "$MNT/lib")"
kill $holder
wait $holder 2> /dev/null
cp "$SCRATCH/later" "$STORE/refs/$REF.tmp" && mv "$STORE/refs/$REF.tmp" "$STORE/refs/$REF"
check "and forward" wait_for 30 generation $((generation + 1))

# --- what cannot be followed ---
cp "$STORE/refs/$REF" "$SCRATCH/good"
sed 's/"index": "../"index": "00/' "$SCRATCH/good" > "$STORE/refs/$REF"
check "a generation whose index is missing is told in status" wait_for 30 sh -c "'$BREWFS' status '$MNT' | grep -q 'problem.*fetching the index'"
is "and the one before stays" "$(json 'd["generation"]') $(cat "$MNT/share/a")" "$((generation + 1)) two"
cp "$STORE/refs/$REF" "$SCRATCH/bad"
rm "$STORE/refs/$REF"
check "so does it when the ref is gone" wait_for 100 sh -c "'$BREWFS' status '$MNT' | grep -q 'problem.*reading the ref'"
is "everything still works" "$(cat "$MNT/share/a")" two
cp "$SCRATCH/good" "$STORE/refs/$REF"
check "and when it is right again the problem has gone" wait_for 200 sh -c "! '$BREWFS' status '$MNT' | grep -q problem"
mv "$STORE" "$STORE.away"
is "without the store names and attributes are there" "$(ls "$MNT/share")" $'a\nbig\nlink\nmode\nnew\nsame'
check "and df works" df "$MNT"
mv "$STORE.away" "$STORE"
check "it unmounts" "$BREWFS" umount "$MNT"
is "and leaves no lease" "$(ls -A "$STORE/leases")" ""

# --- two trees, again and again, under walkers and readers ---
ROUNDS=${BREWFS_TEST_SWITCHES:-1000}
rm -rf "$STORE"
# In memory, where a thousand generations need not wait for the disk.
IN_MEMORY=$(mktemp -d /dev/shm/brewfs-test.XXXXXX 2> /dev/null) && STORE=$IN_MEMORY/store
python3 - "$SCRATCH" "$ROUNDS" << 'END'
import json, os, random, sys

random.seed(7)
scratch, rounds = sys.argv[1], int(sys.argv[2])


def tree(which):
    entries = {}
    for d in range(8):
        entries[f"d{d}"] = ["d", 0o755]
        for n in range(10):
            kind = (n + d) % 5
            path = f"d{d}/n{n}"
            if kind == 0:
                entries[path] = ["f", 0o644, 100 + n, d * 10 + n]  # the same in both
            elif kind == 1:
                entries[path] = ["f", [0o644, 0o755][which], 5000 * (1 + which) + n, d + which]
            elif kind == 2:
                entries[path] = ["l", ["n1", "../a-much-longer-target/" + "x" * 60][which]]
            elif kind == 3 and which == d % 2:
                entries[path] = ["f", 0o600, 100000 + n, n]  # in one of them
            elif kind == 4:  # another type
                entries[path] = [["f", 0o644, 7, n], ["l", "elsewhere"]][which]
    sub = ["only-a", "only-b"][which]
    entries[sub] = ["d", 0o755]
    for n in range(5):
        entries[f"{sub}/s{n}"] = ["f", 0o644, 70000 + n, n]
    entries["d0/comes-and-goes"] = [["d", 0o700], ["f", 0o644, 3, 3]][which]
    return entries


trees = [tree(0), tree(1)]
for name, entries in zip("ab", trees):
    json.dump(entries, open(f"{scratch}/{name}.json", "w"))


def command(path, entry):
    if entry[0] == "d":
        return f"dir {path} {entry[1]:o}"
    if entry[0] == "l":
        return f"link {path} {entry[1]}"
    return f"fill {path} {entry[1]:o} {entry[2]} {entry[3]}"


with open(f"{scratch}/switches", "w") as script:
    current = {}
    for i in range(rounds + 1):
        new = trees[i % 2]
        for path in sorted(current, reverse=True):
            if path not in new or new[path] != current[path]:
                script.write(f"rm {path}\n")
        for path, entry in new.items():
            if current.get(path) != entry:
                script.write(command(path, entry) + "\n")
        current = new
        script.write("publish\n")
        if i == 0:
            os.rename(script.name, script.name)
END
sed '/^publish$/q' "$SCRATCH/switches" | grep -v publish | publish > /dev/null
sed '1,/^publish$/d' "$SCRATCH/switches" > "$SCRATCH/rest"
check "a mount that looks every 10 ms" "$BREWFS" mount "$STORE" "$MNT" -o interval=10
for what in walk read hold walk; do
	python3 "$srcdir/tests/fs/checktree.py" "$MNT" "$SCRATCH/a.json" "$SCRATCH/b.json" "$SCRATCH/stop" $what > "$SCRATCH/$what.$!.out" 2>&1 &
	checkers="$checkers $!"
done
# Each of them is waited for: the trees differ in a directory. The pipe's end has the next one ready.
feed() {
	python3 -c '
import os, sys, time
script, mnt = sys.argv[1:]
switches = 0
for line in open(script):
    print(line, end="", flush=line == "publish\n")
    if line == "publish\n":
        switches += 1
        new, old = "ba" if switches % 2 else "ab"
        until = time.monotonic() + 2
        while time.monotonic() < until and (
                not os.path.exists(f"{mnt}/only-{new}") or os.path.exists(f"{mnt}/only-{old}")):
            time.sleep(0.002)' "$SCRATCH/rest" "$MNT" | "$MKTREE" "$STORE" $REF
}
check "$ROUNDS generations are published" feed
sleep 0.5
touch "$SCRATCH/stop"
for pid in $checkers; do
	wait "$pid"
	is "a walker or reader saw only what is in one of the two trees" $? 0
done
sed 's/^/# answers compared: /' "$SCRATCH"/*.out
check "the mount switched often" test "$(json 'd["stats"]["switches"]')" -ge $((ROUNDS * 9 / 10))
echo "# switches: $(json 'd["stats"]["switches"]'), invalidations: $(json 'd["stats"]["invalidations"]')"
check "the old generations have gone" wait_for 50 sh -c "
	[ \"\$('$BREWFS' status --json '$MNT' | python3 -c 'import json, sys; print(len(json.load(sys.stdin)[\"mounts\"][0][\"daemon\"][\"generations\"]))')\" = 1 ]"
check "and it unmounts" "$BREWFS" umount "$MNT"
finish
