#!/bin/bash
# The commands that read the index, on a small store: what they print, as text and as JSON, and how they exit.
set -u
export LC_ALL=C.UTF-8 TZ=UTC
unset BREWFS_STORE NO_COLOR BREWFS_DEBUG
: "${BREWFS:=$builddir/brewfs}" "${MKSTORE:=$builddir/tests/index/mkstore}"

work=$(mktemp -d "${TMPDIR:-/tmp}/brewfs-commands.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
export BREWFS_CACHE=$work/cache BREWFS_STORE=$work/store XDG_DATA_HOME=$work/data HOME=$work
count=0 failures=0

ok() { # PASSED(0/1) DESCRIPTION
	count=$((count + 1))
	if [ "$1" = 0 ]; then
		echo "ok $count - $2"
	else
		failures=$((failures + 1))
		echo "not ok $count - $2"
	fi
}

is() { # GOT EXPECTED DESCRIPTION
	if [ "$1" == "$2" ]; then
		ok 0 "$3"
	else
		ok 1 "$3"
		diff <(printf '%s\n' "$2") <(printf '%s\n' "$1") | sed 's/^/# /'
	fi
}

like() { # GOT EXTENDED-REGEX DESCRIPTION
	if grep -Eq -- "$2" <<<"$1"; then
		ok 0 "$3"
	else
		ok 1 "$3"
		echo "# no match for: $2"
		sed 's/^/# /' <<<"$1"
	fi
}

# Runs brewfs; $out, $err and $status are what came of it.
run() {
	out=$("$BREWFS" "$@" 2>"$work/err")
	status=$?
	err=$(<"$work/err")
}

# Prints a value from the JSON in $out, by a Python expression on it.
json() {
	python3 -c "import json, sys; d = json.load(sys.stdin); print($1)" <<<"$out"
}

# Runs brewfs on a terminal of $WIDTH columns.
terminal() {
	TERM=xterm python3 - "$BREWFS" "$@" <<'PYTHON'
import fcntl, os, pty, struct, sys, termios
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, int(os.environ.get("WIDTH", "80")), 0, 0))
    os.execv(sys.argv[1], sys.argv[1:])
data = b""
while True:
    try:
        block = os.read(fd, 65536)
    except OSError:
        break
    if not block:
        break
    data += block
os.waitpid(pid, 0)
sys.stdout.buffer.write(data.replace(b"\r\n", b"\n"))
PYTHON
}

receipt() { # NAME VERSION DEPENDENCIES(JSON)
	mkdir -p "prefix/Cellar/$1/$2"
	cat >"prefix/Cellar/$1/$2/INSTALL_RECEIPT.json" <<JSON
{"homebrew_version": "5.1.15", "poured_from_bottle": true, "installed_on_request": true,
 "changed_files": ["bin/$1"], "time": 1795481634, "aliases": [], "arch": "x86_64",
 "runtime_dependencies": $3, "source": {"spec": "stable", "tap": "homebrew/core"}}
JSON
}

dependency() { # FULL_NAME VERSION DIRECT
	echo "{\"full_name\": \"$1\", \"version\": \"$2\", \"revision\": 0, \"bottle_rebuild\": 0, \"pkg_version\": \"$2\", \"declared_directly\": $3}"
}

make_prefix() {
	local first second third
	first=$(dependency first 1.10 true)
	second=$(dependency brewfs/tap/second 2.0_1 true)
	third=$(dependency third 3 true)
	receipt first 1.2 '[]'
	receipt first 1.10 '[]'
	receipt second 2.0_1 "[$first]"
	receipt third 3 "[$(dependency first 1.10 false), $second]"
	receipt fourth@4 4 "[$(dependency first 1.10 false), $(dependency second 2.0_1 false), $third, $first]"
	mkdir -p prefix/{bin,lib,opt,var/homebrew/{linked,pinned}} prefix/Cellar/empty
	mkdir -p prefix/Cellar/first/1.10/{lib,bin} prefix/Cellar/second/2.0_1/{lib,bin}
	head -c 200000 /dev/urandom >prefix/Cellar/first/1.10/lib/libfirst.so.1
	ln -s libfirst.so.1 prefix/Cellar/first/1.10/lib/libfirst.so
	cp prefix/Cellar/first/1.10/lib/libfirst.so.1 prefix/Cellar/second/2.0_1/lib/same
	printf 'tool' >prefix/Cellar/second/2.0_1/bin/second
	ln prefix/Cellar/second/2.0_1/bin/second prefix/Cellar/second/2.0_1/bin/hardlink
	printf x >"prefix/Cellar/third/3/"$'odd\e[31m\xff'
	ln -s ../Cellar/first/1.10 prefix/opt/first
	ln -s ../Cellar/first/1.10 prefix/opt/alias-of-first
	ln -s ../Cellar/second/2.0_1 prefix/opt/second
	ln -s ../Cellar/third/3 prefix/opt/third
	ln -s ../Cellar/fourth@4/4 prefix/opt/fourth@4
	for name in first/1.10 second/2.0_1 third/3; do
		ln -s "../../../Cellar/$name" "prefix/var/homebrew/linked/${name%/*}"
	done
	ln -s ../../../Cellar/second/2.0_1 prefix/var/homebrew/pinned/second
	ln -s ../Cellar/first/1.10/lib/libfirst.so prefix/lib/libfirst.so
	ln -s ../Cellar/first/1.10/lib/libfirst.so.1 prefix/lib/libfirst.so.1
	ln -s ../Cellar/second/2.0_1/lib prefix/lib/second
	ln -s nowhere prefix/lib/dangling
	ln -s .. prefix/lib/up
	mkdir notes
	echo '[{"run": ["x", "y"]}]' >notes/third.pending
	echo '{"keg_only": "it is versioned", "caveats": "first line\nsecond line"}' >notes/fourth@4.brewfs
}

cd "$work" || exit 1
make_prefix
"$MKSTORE" store x86_64_linux prefix && "$MKSTORE" store x86_64_linux prefix notes || exit 1
"$MKSTORE" store other prefix/opt || exit 1
cellar=/home/linuxbrew/.linuxbrew/Cellar

# --- the program ---
run
is "$status" 2 "brewfs alone exits with 2"
is "$out" "" "and prints nothing to standard output"
like "$err" '^Usage: brewfs COMMAND' "but the usage to standard error"
run --help
is "$status" 0 "--help exits with 0"
like "$out" '^  fsck +Check' "and lists the commands"
run --version
is "$status" 0 "--version exits with 0"
like "$out" '^brewfs [0-9]+\.[0-9]+' "and prints the version"
for library in libfuse sqlite libcurl OpenSSL libarchive gunzip; do
	like "$out" "^$library" "and that of $library"
done
run lsit
is "$status" 2 "an unknown command exits with 2"
is "$err" "Error: unknown command: lsit
See 'brewfs help'. Did you mean list?" "and is told from the nearest one"
run fs
like "$err" "Did you mean fsck\\?" "or from one that begins so"
run xyzzy
is "$err" "Error: unknown command: xyzzy
See 'brewfs help'." "unless none is near"
run --frobnicate
is "$status" 2 "an unknown option exits with 2"
like "$err" '^Error: unknown option: --frobnicate' "and is named"
run list --frobnicate
is "$status" 2 "so does one of a command"
like "$err" "See 'brewfs help list'" "with a hint"
run log x
is "$status" 2 "too many arguments exit with 2"
run info
is "$status" 2 "too few arguments exit with 2"
"$BREWFS" list >/dev/full 2>"$work/err"
is "$?" 1 "output that cannot be written exits with 1"
like "$(<"$work/err")" 'No space left' "and says why"

# --- help ---
run help
like "$out" '^Usage: brewfs COMMAND' "help prints the overview"
run help list
is "$status" 0 "help of a command exits with 0"
like "$out" '^Usage: brewfs list' "and prints its usage where there is no terminal"
run help lsit
is "$status" 2 "help of an unknown command exits with 2"
run help --complete -- fs
is "$out" "fsck" "a command is completed"
run help --complete -- ""
like "$out" '^list$' "no word may be any command"
run help --complete -- fsck --q
is "$out" "--quick" "an option is completed"
run help --complete -- list --store ""
is "$out" "" "an option's argument is left to the shell"

# --- list ---
run list
is "$status" 0 "list exits with 0"
is "$out" "first
fourth@4
second
third" "and prints names, sorted, one a line"
run list --versions
is "$out" "first 1.2 1.10
fourth@4 4
second 2.0_1
third 3" "--versions prints versions, oldest first"
run list --versions second
is "$out" "second 2.0_1" "--versions of one"
run list second
is "$out" "$cellar/second/2.0_1/INSTALL_RECEIPT.json
$cellar/second/2.0_1/bin/hardlink
$cellar/second/2.0_1/bin/second
$cellar/second/2.0_1/lib/same" "list of a formula prints its files"
run list alias-of-first
like "$out" "^$cellar/first/1.10/lib/libfirst.so.1$" "an alias is understood"
run list homebrew/core/second
is "$status" 0 "a name with its tap as well"
run list nope second
is "$status" 1 "a missing formula exits with 1"
is "$err" "Error: No such keg: $cellar/nope" "in Homebrew's words"
like "$out" "second/2.0_1/bin/second" "the others are printed"
run list ../../etc
is "$status" 1 "what cannot be a name is missing"
run list empty
is "$status" 1 "a rack without kegs as well"
run list --json
is "$(json '[f["name"] for f in d]')" "['first', 'fourth@4', 'second', 'third']" "--json lists names"
is "$(json 'd[0]["versions"], d[0]["linked"], d[0]["pinned"], d[0]["keg_only"]')" \
	"['1.2', '1.10'] 1.10 None False" "versions and the linked one"
is "$(json 'd[1]["linked"], d[1]["opt"], d[1]["keg_only"]')" "None 4 True" "keg-only"
is "$(json 'd[2]["pinned"]')" "2.0_1" "and pinned"
run list --json nope
is "$status" 1 "--json of a missing formula exits with 1"
is "$(json 'd')" "[]" "and prints an empty array"
run list third
like "$out" $'odd\e\\[31m' "bytes of a name are kept where there is no terminal"
is "$(WIDTH=40 terminal list)" "first     fourth@4  second    third" "on a terminal there are columns"
is "$(WIDTH=20 terminal list)" "first     second
fourth@4  third" "as many as fit, downwards"
is "$(terminal list -1 | head -n 2)" "first
fourth@4" "but not with -1"
is "$(terminal list third | tail -n 1 | tr -d '\377')" "$cellar/third/3/odd?[31m" "and no control characters"

# --- info ---
run info third
is "$status" 0 "info exits with 0"
is "$out" "==> third: 3
State: linked
Installed on request
$cellar/third/3 (2 files, $(stat -c %s prefix/Cellar/third/3/INSTALL_RECEIPT.json | awk '{printf "%sB", $1 + 1}')) *
  Poured from bottle on 2026-11-24 at 00:53:54
From: homebrew/core
==> Dependencies
Required (1): second
Recursive Runtime (2): first, second
==> Dependents
Required by (1): fourth@4
==> Pending post_install steps
{\"run\":[\"x\",\"y\"]}" "and prints what is known"
run info fourth@4
like "$out" '^State: not linked, only in opt; keg-only: it is versioned$' "why it is keg-only"
like "$out" '^second line$' "and its caveats"
run info second
like "$out" '^Pinned at 2.0_1$' "that it is pinned"
like "$out" '2\.0_1 \(4 files, 200\.[0-9]KB\) \*$' "a file with two names counts twice, but once in size"
run info first --json
is "$status" 0 "info --json exits with 0"
is "$(json '[(k["version"], k["files"]) for k in d["kegs"]]')" "[('1.2', 1), ('1.10', 3)]" "all kegs are told"
is "$(json 'd["required_by"], d["dependencies"]')" "['fourth@4', 'second', 'third'] []" "and relations"
is "$(json 'd["kegs"][1]["receipt"]["source"]["tap"]')" "homebrew/core" "and the receipt"
is "$(json '"changed_files" in d["kegs"][1]["receipt"]')" "False" "without changed files"
run info third --json
is "$(json 'd["pending"]')" "[{'run': ['x', 'y']}]" "pending steps as well"
run info nope
is "$status" 1 "info of a missing formula exits with 1"
like "$err" '^Error: .*nope: it is not installed here$' "and says so"

# --- deps ---
run deps fourth@4
is "$out" "first
first
second
third" "deps prints all dependencies, sorted"
run deps --tree fourth@4
is "$out" "fourth@4
├── third
│   └── second
│       └── first
└── first" "--tree draws them"
run deps --tree first
is "$out" "first" "a formula without dependencies is alone"
run deps --json third
is "$(json '[(x["name"], x["full_name"], x["declared_directly"], x["installed"], x["dependencies"]) for x in d]')" \
	"[('first', 'first', False, True, []), ('second', 'brewfs/tap/second', True, True, ['first'])]" \
	"--json tells how they depend on each other"
run deps nope
is "$status" 1 "deps of a missing formula exits with 1"
like "$err" "'brewfs install -n nope' shows what it needs" "and says what to do"

# --- log ---
run log
is "$status" 0 "log exits with 0"
is "$(wc -l <<<"$out")" 2 "and has a line for each generation"
like "$out" "^\\*    2  [-0-9]{10} [:0-9]{8}  [0-9a-f]{12}  $(hostname)  import prefix$" "the current one is marked"
like "$out" '^     1 ' "the others are not"
run log --json
is "$(json '[(g["generation"], g["current"], g["message"]) for g in d]')" \
	"[(2, True, 'import prefix'), (1, False, 'import prefix')]" "--json as well"
is "$(json 'd[0]["index"]').sqlite" "$(basename "$(grep -o '"index": "[0-9a-f]*' store/refs/x86_64_linux | cut -d'"' -f4)").sqlite" \
	"the index is that of the ref"

# --- du: as cp(1) itself would copy ---
run du
is "$status" 0 "du exits with 0"
run du --json
cp -LR prefix copy 2>/dev/null
cp -LR prefix/lib copy-of-lib 2>/dev/null
for pair in prefix:copy lib:copy-of-lib; do
	is "$(json "d['copied']['${pair%:*}']['bytes']")" \
		"$(find "${pair#*:}" -type f -printf '%s\n' | awk '{s += $1} END {print s}')" \
		"the copy of ${pair%:*} has the bytes that cp -LR makes"
	is "$(json "d['copied']['${pair%:*}']['files']")" "$(find "${pair#*:}" -type f | wc -l)" "its files"
	is "$(json "d['copied']['${pair%:*}']['directories']")" "$(find "${pair#*:}" -type d | wc -l)" "its directories"
done
is "$(json 'd["copied"]["prefix"]["links_circular"]')" 1 "a circle is cut off"
is "$(json 'd["copied"]["lib"]["links_dangling"]')" 1 "a link that leads nowhere is left out"
index=store/indexes/$(grep -o '"index": "[0-9a-f]*' store/refs/x86_64_linux | cut -d'"' -f4).sqlite
is "$(json 'd["stored"]["total"]["bytes"]')" \
	"$(stat -c %s store/objects/*/* store/packs/* "$index" | sort -u | awk '{s += $1} END {print s}')" \
	"the store has the bytes of its files"
is "$(json 'd["stored"]["objects"]["files"]')" 1 "two equal files are one object"
is "$(json 'd["deduplicated_bytes"] > 200000')" True "which is told"
is "$(json '[(f["name"], [s["name"] for s in f["shared_with"]]) for f in d["formulae"] if f["name"] == "second"]')" \
	"[('second', ['first'])]" "and with whom"
run du second
like "$out" '200KB  shared with first$' "du of a formula says it in words"
run du nope
is "$status" 1 "du of a missing formula exits with 1"

# --- fsck ---
run fsck
is "$status" 0 "fsck of a whole store exits with 0"
like "$out" "^No problems in $work/store.$" "and says so"
run fsck --json
is "$(json 'd["problems"], d["findings"], d["refs"], d["unused"]["files"]')" "0 [] 2 0" "--json as well"
object=$(cd store && echo objects/*/*)
chmod u+w "store/$object" && printf X | dd of="store/$object" conv=notrunc bs=1 seek=777 status=none
chmod a-w "store/$object"
run fsck
is "$status" 1 "fsck of a damaged store exits with 1"
like "$out" "^problem: $object: its SHA-256 is not its name \\[file-digest\\]$" "names the file"
like "$out" "^    first: Cellar/first/1.10/lib/libfirst.so.1 \\(x86_64_linux, generation 2\\)$" "and what it touches"
is "$err" "Error: 1 problem in $work/store" "and counts"
run fsck --json
is "$status" 1 "--json exits with 1 too"
is "$(json 'd["findings"][0]["what"], d["findings"][0]["path"]')" "file-digest $object" "and names it"
is "$(json 'sorted(a["formula"] for a in d["findings"][0]["affects"] if a["formula"])')" "['first', 'second']" \
	"with the formulae"
run fsck --quick
is "$status" 0 "--quick does not read contents"

# --- stores and refs ---
run list --store "$work/nowhere"
is "$status" 1 "a store that is not there exits with 1"
like "$err" "^Error: .*$work/nowhere.*No such file" "and is named"
run list --ref nope
is "$status" 1 "a ref that is not there exits with 1"
like "$err" 'nope: nothing was installed there yet; the store has other x86_64_linux$' "and others are named"
run list --ref other
is "$status" 0 "a prefix without a Cellar has no formulae"
is "$out" "" "and so prints nothing"
BREWFS_STORE=$work/nowhere run list --store "$work/store"
is "$status" 0 "--store comes before \$BREWFS_STORE"
like "$(terminal info third)" $'\e\\[' "on a terminal there are colours"
is "$(NO_COLOR=1 terminal info third | grep -c $'\e')" 0 "unless NO_COLOR is set"

echo "1..$count"
exit $((failures > 0))
