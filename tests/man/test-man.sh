#!/bin/bash
# The manual pages say what the program does: every command and option, every kind of finding, the format's tables and
# cookies; and their examples run, with the output that they show.
set -u
export LC_ALL=C.UTF-8 TZ=UTC
unset BREWFS_STORE BREWFS_DEBUG NO_COLOR
: "${srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${BREWFS:=$builddir/brewfs}" "${MKSTORE:=$builddir/tests/index/mkstore}"
man=$srcdir/man

work=$(mktemp -d "${TMPDIR:-/tmp}/brewfs-man.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
count=0 failures=0

ok() { # PASSED(0/1) DESCRIPTION [DETAILS]
	count=$((count + 1))
	if [ "$1" = 0 ]; then
		echo "ok $count - $2"
	else
		failures=$((failures + 1))
		echo "not ok $count - $2"
		[ -z "${3-}" ] || sed 's/^/# /' <<<"$3"
	fi
}

skip() { # DESCRIPTION REASON
	count=$((count + 1))
	echo "ok $count - $1 # SKIP $2"
}

same() { # EXPECTED GOT DESCRIPTION
	local difference
	if difference=$(diff <(printf '%s\n' "$1") <(printf '%s\n' "$2")); then
		ok 0 "$3"
	else
		ok 1 "$3" "$difference"
	fi
}

commands() {
	"$BREWFS" help | sed -nE 's/^  ([a-z]+)  .*/\1/p'
}

# --- form ---
for page in "$man"/*.[1-8]; do
	name=${page##*/}
	if command -v mandoc >/dev/null; then
		# Pages of other programs need not be installed where this runs.
		lint=$(mandoc -Tlint "$page" 2>/dev/null | grep -v 'referenced manual not found')
		ok "$([ -z "$lint" ]; echo $?)" "$name has no fault that mandoc knows" "$lint"
	else
		skip "$name has no fault that mandoc knows" "mandoc is not installed"
	fi
	sections="NAME SYNOPSIS DESCRIPTION OPTIONS ENVIRONMENT FILES EXIT-STATUS EXAMPLES SEE-ALSO"
	[ "${name##*.}" = 5 ] && sections="NAME SYNOPSIS DESCRIPTION FILES EXAMPLES COMPATIBILITY SEE-ALSO"
	same "$(tr ' ' '\n' <<<"$sections")" "$(sed -n 's/^\.Sh //p' "$page" | tr ' ' -)" "$name has every section"
	listed=$(grep -c "man/$name" "$man/man.mk")
	ok "$([ "$listed" = 1 ]; echo $?)" "$name is installed"
done

# --- commands and options ---
same "$(commands | sort)" "$(cd "$man" && ls brewfs-*.1 | sed 's/^brewfs-\(.*\)\.1/\1/' | sort)" \
	"every command has a page, and every page a command"
same "$(commands)" "$(sed -n '/^\.Ss Commands/,/^\.El/s/^\.It Xr brewfs-\([a-z]*\) 1/\1/p' "$man/brewfs.1")" \
	"brewfs(1) lists the commands in the order of the program"
same "$("$BREWFS" help | sed -nE 's/^  [a-z]+ +([A-Z].*)/\1/p')" \
	"$(sed -n '/^\.Ss Commands/,/^\.El/{/^\.It/!{/^\.[SBE]/!p}}' "$man/brewfs.1")" "and says the same of them"

# "letter name ARGUMENT" of each option.
usage_options() {
	"$BREWFS" help "$1" | sed -nE \
		-e 's/^  -(.), --([a-z-]+)=?([A-Z]*) .*/\1 \2 \3/p' -e 's/^      --([a-z-]+)=?([A-Z]*) .*/- \1 \2/p'
}

page_options() {
	sed -n '/^\.Sh OPTIONS/,/^\.Sh/p' "$man/brewfs-$1.1" | sed -nE \
		-e 's/^\.It Fl (.) , Fl -([a-z-]+)$/\1 \2 /p' -e 's/^\.It Fl (.) , Fl -([a-z-]+) Ns = Ns Ar ([A-Z]+)$/\1 \2 \3/p' \
		-e 's/^\.It Fl -([a-z-]+)$/- \1 /p' -e 's/^\.It Fl -([a-z-]+) Ns = Ns Ar ([A-Z]+)$/- \1 \2/p'
}

for command in $(commands); do
	[ -f "$man/brewfs-$command.1" ] || continue
	same "$(usage_options "$command" | sort)" "$(page_options "$command" | sort)" \
		"brewfs-$command(1) has the options of brewfs help $command"
	summary=$("$BREWFS" help "$command" | sed -n 's/\.$//; 2p')
	name=$(sed -n 's/^\.Nd //p' "$man/brewfs-$command.1")
	ok "$([ -n "$name" ] && [ -n "$summary" ]; echo $?)" "brewfs-$command(1) says in a line what it is for"
done

# --- what fsck finds ---
kinds=$(grep -ohE '"(file|pack|tree|index|keg|store)-[a-z-]+"|"ref"|"foreign"' "$srcdir"/index/check_{file,prefix,store,tree,unused}.c |
	tr -d '"' | sort -u)
same "$kinds" "$(sed -n '/^\.Ss Kinds of findings/,/^\.Sh/s/^\.It //p' "$man/brewfs-fsck.1" | sort)" \
	"brewfs-fsck(1) lists every kind of finding"

# --- a store for the examples ---
receipt() { # NAME VERSION ON_REQUEST DEPENDENCIES
	mkdir -p "prefix/Cellar/$1/$2"
	cat >"prefix/Cellar/$1/$2/INSTALL_RECEIPT.json" <<JSON
{"homebrew_version": "6.0.18", "poured_from_bottle": true, "installed_on_request": $3, "changed_files": [],
 "time": 1795510496, "aliases": [], "runtime_dependencies": $4, "source": {"spec": "stable", "tap": "homebrew/core"},
 "arch": "x86_64"}
JSON
}

library() { # NAME VERSION FILE
	mkdir -p "prefix/Cellar/$1/$2/lib"
	head -c "$4" /dev/urandom >"prefix/Cellar/$1/$2/lib/$3"
	chmod 755 "prefix/Cellar/$1/$2/lib/$3"
}

make_prefix() {
	mkdir -p prefix/{bin,lib,opt,var/homebrew/linked}
	receipt oniguruma 6.9.9 false '[]'
	receipt jq 1.7.1 true '[{"full_name": "oniguruma", "version": "6.9.9", "revision": 0, "bottle_rebuild": 0,
		"pkg_version": "6.9.9", "declared_directly": true}]'
	receipt libexif 0.6.24 true '[]'
	receipt libexif 0.6.25 true '[]'
	library oniguruma 6.9.9 libonig.so.5 90000
	library jq 1.7.1 libjq.so.1 80000
	library libexif 0.6.24 libexif.so.12 70000
	library libexif 0.6.25 libexif.so.12 75000
	ln -s libjq.so.1 prefix/Cellar/jq/1.7.1/lib/libjq.so
	mkdir prefix/Cellar/jq/1.7.1/bin
	printf '#!/bin/sh\n' >prefix/Cellar/jq/1.7.1/bin/jq
	chmod 755 prefix/Cellar/jq/1.7.1/bin/jq
	for keg in oniguruma/6.9.9 jq/1.7.1 libexif/0.6.25; do
		ln -s "../Cellar/$keg" "prefix/opt/${keg%/*}"
		ln -s "../../../Cellar/$keg" "prefix/var/homebrew/linked/${keg%/*}"
	done
	ln -s ../Cellar/jq/1.7.1/bin/jq prefix/bin/jq
	for library in oniguruma/6.9.9/lib/libonig.so.5 jq/1.7.1/lib/libjq.so.1 libexif/0.6.25/lib/libexif.so.12; do
		ln -s "../Cellar/$library" "prefix/lib/${library##*/}"
	done
}

make_bottle() {
	mkdir -p bottle/hello/1.0/{bin,.brew}
	printf '#!/bin/sh\necho hello, world\n' >bottle/hello/1.0/bin/hello
	chmod 755 bottle/hello/1.0/bin/hello
	printf 'class Hello < Formula\n  desc "Greeting"\nend\n' >bottle/hello/1.0/.brew/hello.rb
	tar -C bottle -czf hello--1.0.x86_64_linux.bottle.tar.gz hello/1.0
}

cd "$work" || exit 1
# A bottle of our own on a host with a recent glibc: nothing is to be downloaded.
export HOME=$work BREWFS_CACHE=$work/cache BREWFS_SESSIONS=$work/sessions BREWFS_TARGET_GLIBC=2.41
make_prefix
make_bottle
"$MKSTORE" template x86_64_linux prefix && "$MKSTORE" template x86_64_linux prefix || exit 1

# --- the format ---
index=template/$(sed -n 's|.*"index": "\(.*\)".*|indexes/\1.sqlite|p' template/refs/x86_64_linux)
python3 - "$index" "$man/brewfs-format.5" >format.out 2>&1 <<'PYTHON'
import re, sqlite3, sys
db = sqlite3.connect("file:%s?immutable=1" % sys.argv[1], uri=True)
page = open(sys.argv[2], encoding="utf-8").read()
squeeze = lambda text: re.sub(r"\s+", " ", text).strip()
found = {squeeze(row[0]) for row in db.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")}
block = next(b for b in re.findall(r"\.Bd -literal[^\n]*\n(.*?)\.Ed", page, re.S) if "CREATE TABLE" in b)
told = {squeeze("CREATE" + part) for part in block.split("CREATE")[1:]}
if found != told:
    print("tables differ:", found ^ told)
M = (1 << 64) - 1
def cookie(name):
    h = 0xcbf29ce484222325
    for b in name:
        h = (h ^ b) * 0x100000001b3 & M
    h = (h ^ (h >> 33)) * 0xff51afd7ed558ccd & M
    h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53 & M
    h ^= h >> 33
    return (h >> 2) | 16
for name, c in db.execute("SELECT name, cookie FROM dirent"):
    if not cookie(name) <= c <= cookie(name) + 15:
        print("cookie of", name, "is", c, "not", cookie(name))
for text in ("0xcbf29ce484222325", "0x100000001b3", "0xff51afd7ed558ccd", "0xc4ceb9fe1a85ec53"):
    if text not in page:
        print(text, "is not in the page")
for key, in db.execute("SELECT key FROM value"):
    if ".Va " + key not in page:
        print("value", key, "is not in the page")
PYTHON
ok "$([ ! -s format.out ]; echo $?)" "brewfs-format(5) has the tables and cookies that an index has" "$(<format.out)"
for directory in template/*/; do
	grep -q "^    ${directory#template/}" "$man/brewfs-format.5"
	ok $? "brewfs-format(5) has ${directory#template/}"
done

# --- examples ---
# Prints the blocks that are to run as "kind line-number", then their lines, then "end".
examples() {
	awk '/^\.\\" run/ {kind = $3; if (kind == "") kind = "plain"; next}
		/^\.Bd -literal/ && kind != "" {print "begin " kind " " NR; inside = 1; next}
		/^\.Ed/ && inside {print "end"; inside = 0; kind = ""; next}
		inside {gsub(/\\&/, ""); print}' "$1"
}

# Runs the commands of one block in one shell; after each, what it printed is compared with the lines below it. In
# these, "..." stands for anything.
run_block() { # FILE
	bash -c '
		set -u
		brewfs() { "$BREWFS" "$@"; }
		matches() { # EXPECTED GOT
			local pattern
			pattern=$(sed -e "s/[][\\\\.*^\$+?(){}|]/\\\\&/g" -e "s/\\\\\\.\\\\\\.\\\\\\./.*/g" <<<"$1")
			[[ $2 =~ ^$pattern$ ]]
		}
		finish() {
			[ -n "$command" ] || return 0
			eval "$command" >"$1.out" 2>"$1.err" </dev/null
			status=$?
			output=$(<"$1.out")
			if [ $status != 0 ]; then
				echo "exit status $status: $command"; cat "$1.err" "$1.out"; exit 1
			fi
			if [ -n "$expected" ] && ! matches "${expected%$'"'\\n'"'}" "$output"; then
				echo "$command"; echo "--- expected"; echo "$expected--- got"; echo "$output"; exit 1
			fi
		}
		command= expected=
		while IFS= read -r line; do
			if [[ $line == "$ "* ]]; then
				finish "$1"; command=${line#"$ "} expected=
			else
				expected+=$line$'"'\\n'"'
			fi
		done <"$1"
		finish "$1"
	' run_block "$1" 2>&1
}

can_mount=$(if [ "$(id -u)" != 0 ]; then echo "only root can mount into a namespace of its own"
	elif [ ! -c /dev/fuse ]; then echo "there is no /dev/fuse"
	elif ! unshare -m true 2>/dev/null; then echo "no mount namespace can be made"; fi)

# A store of its own for each block, so that none depends on another.
run_example() { # KIND FILE
	rm -rf store && cp -a template store
	export BREWFS_STORE=$work/store BREWFS man_work=$work
	case $1 in
	plain) run_block "$2" ;;
	damage)
		object=$(cd store && grep -lc . objects/*/* | xargs stat -c '%s %n' | sed -n 's/^75000 //p')
		chmod u+w "store/$object" && printf X | dd of="store/$object" conv=notrunc bs=1 seek=7 status=none
		chmod a-w "store/$object"
		run_block "$2"
		;;
	mount)
		export -f run_block
		unshare -m --propagation private bash -c '
			mount -t tmpfs tmpfs /home && mount -t tmpfs tmpfs /mnt && mount -t tmpfs tmpfs /run || exit 1
			mkdir -p /mnt/efs && cp -a "$man_work/store" /mnt/efs/brewfs && run_block "$1"
			status=$?
			"$BREWFS" umount --lazy >/dev/null 2>&1
			exit $status' run_mount "$2"
		;;
	esac
}

for page in "$man"/*.[1-8]; do
	name=${page##*/}
	while IFS= read -r line; do
		case $line in
		"begin "*)
			read -r _ kind number <<<"$line"
			: >block
			;;
		end)
			if [ "$kind" = mount ] && [ -n "$can_mount" ]; then
				skip "the example in line $number of $name" "$can_mount"
				continue
			fi
			missing=
			for tool in jq sqlite3; do
				grep -q "\\b$tool \\(-\\|'\\|\\.\\|\"\\)" block && ! command -v $tool >/dev/null && missing=$tool
			done
			if [ -n "$missing" ]; then
				skip "the example in line $number of $name" "$missing is not installed"
				continue
			fi
			details=$(run_example "$kind" "$work/block")
			ok $? "the example in line $number of $name runs as it says" "$details"
			;;
		*) printf '%s\n' "$line" >>block ;;
		esac
	done < <(examples "$page")
done

# --- completion ---
complete_line() { # WORD...
	bash --norc -c 'brewfs() { "$BREWFS" "$@"; }; source "$1"; shift
		COMP_WORDS=(brewfs "$@") COMP_CWORD=$# COMPREPLY=()
		_brewfs; printf "%s\n" "${COMPREPLY[@]}"' complete "$srcdir/completions/brewfs" "$@"
}
export BREWFS BREWFS_STORE=$work/template
same "fsck" "$(complete_line fs)" "bash completes a command"
same "--versions" "$(complete_line list --v)" "an option"
same "--store=" "$(complete_line list --st)" "an option that takes an argument"
same "libexif" "$(complete_line info lib)" "the name of an installed formula"
same "umount" "$(complete_line help um)" "a command to get help for"
same "" "$(complete_line mount /)" "and leaves files to bash"

echo "1..$count"
exit $((failures > 0))
