# Helpers for tests written in bash: `. tests/world/world.sh`, then world_start. See README.md.
# shellcheck shell=bash

WORLD_PY=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/world.py
: "${BREWFS_WORLD_DIR:=${XDG_CACHE_HOME:-$HOME/.cache}/brewfs-test-world}"

# world_start [build options]: builds the world if need be, starts its servers with a run directory
# of this test's own, takes over the environment. The servers end with this shell, however it ends.
world_start() {
	WORLD_RUN=$(mktemp -d "${TMPDIR:-/tmp}/brewfs-world-run.XXXXXX") || return 1
	mkdir -p "$(dirname "$BREWFS_WORLD_DIR")" &&
		python3 "$WORLD_PY" build "$BREWFS_WORLD_DIR" "$@" &&
		python3 "$WORLD_PY" start "$BREWFS_WORLD_DIR" --run "$WORLD_RUN" --parent $$ \
			>/dev/null || return 1
	. "$WORLD_RUN/env"
	[ -n "$(trap -p EXIT)" ] || trap world_stop EXIT
}

# world_stop: ends the servers and removes the run directory.
world_stop() {
	[ -n "${WORLD_RUN:-}" ] || return 0
	python3 "$WORLD_PY" stop "$WORLD_RUN"
	rm -rf "$WORLD_RUN"
	WORLD_RUN=
}

# world_api VARIANT: reads another API: 2 (newer versions), public, real, big, wrong-key, ...
world_api() {
	case $1 in
	2) export HOMEBREW_API_DOMAIN=$BREWFS_WORLD_URL/api2 ;;
	*) export HOMEBREW_API_DOMAIN=$BREWFS_WORLD_URL/api-$1 ;;
	esac
}

# world_way mirror|default|env: another way to the bottles (flat mirror; Homebrew's addresses).
world_way() {
	. "$WORLD_RUN/$([ "$1" = env ] && echo env || echo "env.$1")"
}

world_fault() { python3 "$WORLD_PY" fault "$WORLD_RUN" add "$@"; }   # PATTERN ACTION [--times N]
world_heal() { python3 "$WORLD_PY" fault "$WORLD_RUN" clear; }
world_log() { python3 "$WORLD_PY" log "$WORLD_RUN" "$@"; }           # [PATTERN]: JSON lines
world_count() { world_log "${1:-}" --count; }                        # requests that match
world_peak() { world_log "${1:-}" --peak; }                          # of them at the same time
world_forget() { world_log --clear; }

# world_field NAME COLUMN: from formulae.tsv, of the machine's own tag (or `all`), stage 1.
world_field() {
	awk -F'\t' -v name="$1" -v column="$2" -v tag="$(uname -m | sed s/aarch64/arm64/)_linux" '
		NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
		$1 == name && ($5 == tag || $5 == "all") && $4 ~ /1/ { print $at[column]; exit }
	' "$BREWFS_WORLD/formulae.tsv"
}
world_bottle() { world_field "$1" bottle; }
world_digest() { world_field "$1" sha256; }
