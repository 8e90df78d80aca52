#!/bin/bash
# Garbage collection beside mounts: what a mount still shows or holds stays, the rest goes; rollback shows in it.
. "${srcdir:-.}/tests/fs/lib.sh"

export BREWFS_STORE=$STORE
shows() { [ "$(cat "$MNT/$1" 2>&1)" = "$2" ]; }
removed() { "$BREWFS" gc --keep 1 --grace 0 --json | python3 -c "import json, sys; print(json.load(sys.stdin)['removed']['$1'])"; }
leased() { "$BREWFS" status --json | grep -c '"stale": false'; }
big() { python3 "$srcdir/tests/fs/fill.py" 300000 "$1" | sha256sum; }

publish << 'END' > /dev/null
text share/state 644 one
fill share/big 644 300000 1
fill share/always 644 300000 9
END
check "a mount" "$BREWFS" mount "$STORE" "$MNT"
exec 7< "$MNT/share/big"
for i in 2 3 4; do
	publish << END > /dev/null
text share/state 644 $i
fill share/big 644 300000 $i
END
done
check "follows" wait_for 30 shows share/state 4
before=$(find "$STORE/objects" -type f | wc -l)
is "a dry run finds what it may remove" "$("$BREWFS" gc --dry-run --keep 1 --grace 0 | cut -d' ' -f1-3,5-6)" "Would remove 2 4 generations,"
is "and removes nothing" "$(find "$STORE/objects" -type f | wc -l)" "$before"
is "two generations go" "$(removed generations)" 2
is "a file that was open before the changes is read to its end" "$(sha256sum <&7)" "$(big 1)"
is "the current one is whole" "$(sha256sum < "$MNT/share/big")" "$(big 4)"
exec 7<&-
check "and so is the store" "$BREWFS" fsck
refuse "what was removed cannot be rolled back to" "$BREWFS" rollback 2
publish << 'END' > /dev/null
text share/state 644 five
rm share/big
END
check "another generation shows" wait_for 30 shows share/state five
is "rollback says what it did" "$("$BREWFS" rollback)" "Generation 6 of x86_64_linux is what generation 4 was"
check "which shows in the mount" wait_for 30 shows share/state 4
is "with all that there was" "$(sha256sum < "$MNT/share/big")" "$(big 4)"
check "after an unmount" "$BREWFS" umount "$MNT"
removed generations > /dev/null
is "nothing but the current generation is left" "$(find "$STORE/indexes" "$STORE/objects" -type f | wc -l)" 3
check "the store is whole" "$BREWFS" fsck
refuse "a number that is none is refused" "$BREWFS" rollback x
refuse "and so is nothing to keep" "$BREWFS" gc --keep 0
finish
