/*
 * A session's changes, and how they become a generation.
 *
 * A commit takes the ref's lock, puts the contents that were changed into the store (hashed in
 * parallel, packed, durable), and merges by path, three ways (index/merge.h): base (what the
 * session began with), ours (the session) and theirs (the ref's current generation, which may have
 * moved on). Publishes once. What it costs follows the size of the change.
 *
 * Not committed, so neither changes nor conflicts, is what index/ignore.h says, by its defaults and
 * by .brewfsignore at the prefix's top: Homebrew's own repository and what links into it, caches,
 * locks, temporary directories, names that the host made; and fifos, sockets and devices. Owners
 * and extended attributes have no place in a generation.
 *
 * The records of kegs (index/keg.h) follow the tree: a keg that brew poured gets its record from
 * its receipt.
 */
#ifndef BFS_INDEX_COMMIT_H
#define BFS_INDEX_COMMIT_H

#include "index/changes.h"
#include "index/merge.h"
#include "index/session.h"
#include "index/worktree.h"
#include "index/writer.h"

/*
 * What differs from the base, as bfs_changes_walk() tells it. The worktree must be frozen. Files
 * that were written again and kept their size are read, to tell whether they changed.
 */
int bfs_session_changes(struct bfs_session *session, bool with_ignored, bfs_change_visitor *visit,
	void *context, struct bfs_error *error);

struct bfs_commit_options {
	const char *message; /* NULL: made from what changed ("session NAME: 3 added, 1 removed") */
	enum bfs_commit_side side;
};

struct bfs_commit_result {
	struct bfs_generation generation; /* number 0: nothing had changed, nothing was published */
	uint64_t added, removed, modified, ignored; /* paths */
	uint64_t stored_bytes;			    /* written into the store */
	struct bfs_commit_conflict *conflicts;	    /* where they were refused or decided */
	size_t conflict_count;
};
void bfs_commit_result_release(struct bfs_commit_result *result);
#define _cleanup_commit_result_ BFS_CLEANUP(bfs_commit_result_release)

/*
 * Waits for the ref's lock, then freezes the worktree until it is done. Afterwards the session is
 * based on its own tree as committed and can be used on; what others published is not in it.
 * Contents stay local of ignored paths, of files that are written at that moment, and of conflicts
 * that were decided for theirs: those are told again at the next commit.
 *
 * -ENOTUNIQ where there are conflicts and options->side is BFS_COMMIT_REFUSE: `ret_result` then has
 * them, and store and session are as they were. -ESTALE where the store has not a content any more
 * that the session has from it. Interrupted at any point, the store is as it was (or has the new
 * generation) and the session intact: a second commit of the same finds nothing to do, or does it
 * again, and what was changed in between is no conflict with the first (index/commit_mark.h).
 */
int bfs_session_commit(struct bfs_session *session, const struct bfs_commit_options *options,
	struct bfs_commit_result *ret_result, struct bfs_error *error);

/*
 * The middle of a commit: puts the changed contents by `writer` and merges into `theirs`, a
 * writable tree. Publishes nothing and leaves the session as it is; the caller commits the writer
 * (bfs_writer_commit() with `theirs` among its trees). Errors as above; `generation` stays zero.
 */
int bfs_session_apply(struct bfs_session *session, const struct bfs_commit_options *options,
	struct bfs_tree *theirs, struct bfs_writer *writer, struct bfs_commit_result *ret_result,
	struct bfs_error *error);

#endif
