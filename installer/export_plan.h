/*
 * What an export is to consist of: one row a name, in a private scratch database, which grows past
 * memory onto local disk.
 *
 *	content	id, digest, executable, size, pack, offset, which, facts
 *		Contents of regular files. `pack` is NULL for objects, `which` says in which store
 *it lies (enum bfs_export_store), `facts` is the text of installer/export_facts.h.
 *	entry	path, kind, mode, mtime, ino, target, content, result, examined,
 *		state
 *		`path` is relative to the export; kinds are enum bfs_export_kind. `ino` tells which
 *		files are one (0: nothing else is), `content` is what the prefix has, `result` what
 *the export gets; both are NULL for an empty file. `examined`: its needs were added. `state` is of
 *installer/export_write.h. base, current	path, kind, mode, mtime, content What is in the
 *directory that is being made into the export, and in the export there is
 *		(installer/export_write.h).
 *	variant	content, executable, rpath, key, result
 *		Contents that have to be rewritten (installer/export_rewrite.h).
 *	pending	path, done
 *		Links whose destinations a closure wants (installer/export_walk.h).
 *
 * The files of export_*.c query it through bfs_export_plan_db(). One thread at a time.
 */
#ifndef BFS_INSTALLER_EXPORT_PLAN_H
#define BFS_INSTALLER_EXPORT_PLAN_H

#include "index/tree.h"

enum bfs_export_kind {
	BFS_EXPORT_DIRECTORY,
	BFS_EXPORT_LINK,
	BFS_EXPORT_FILE,
};

enum bfs_export_store {
	BFS_EXPORT_SOURCE, /* the store that is exported */
	BFS_EXPORT_CACHE,  /* the one that has what was rewritten: mostly the same */
};

struct bfs_export_entry {
	const char *path;
	enum bfs_export_kind kind;
	mode_t mode; /* permission bits */
	int64_t mtime;
	uint64_t ino;
	const char *target; /* of a link */
	int64_t content;    /* 0: empty */
};

/* What a name holds, with entry as e and its result as c: a digest, a target, or NULL. */
#define BFS_EXPORT_PLAN_VALUE "CASE e.kind WHEN 1 THEN e.target WHEN 2 THEN c.digest END"

struct bfs_export_plan;

int bfs_export_plan_new(struct bfs_export_plan **ret_plan);
void bfs_export_plan_free(struct bfs_export_plan *plan);
BFS_DEFINE_CLEANUP(struct bfs_export_plan *, bfs_cleanup_export_plan, bfs_export_plan_free)
#define _cleanup_export_plan_ BFS_CLEANUP(bfs_cleanup_export_plan)

sqlite3 *bfs_export_plan_db(struct bfs_export_plan *plan);

/* The row of a content, made if it is new. */
int bfs_export_plan_add_content(struct bfs_export_plan *plan, const struct bfs_content *content,
	enum bfs_export_store store, int64_t *ret_id);
int bfs_export_plan_get_content(struct bfs_export_plan *plan, int64_t id,
	struct bfs_content *ret_content, enum bfs_export_store *ret_store);

/*
 * Adds a name, and the directories above it as far as they are missing, with mode 0755. 1 where it
 * is new, 0 where the name was there, which then stays as it is. `result` starts as `content`.
 */
int bfs_export_plan_add(struct bfs_export_plan *plan, const struct bfs_export_entry *entry);

/* The same, but what has the name already is replaced; a directory is -EISDIR. */
int bfs_export_plan_put(struct bfs_export_plan *plan, const struct bfs_export_entry *entry);

/* 1 and the kind where the plan has the name, else 0. */
int bfs_export_plan_has(
	struct bfs_export_plan *plan, const char *path, enum bfs_export_kind *ret_kind);

/* The bytes of a column as a string; NULL where it is NULL. Valid until the statement's next step.
 */
const char *bfs_export_plan_text(sqlite3_stmt *stmt, int column);

#endif
