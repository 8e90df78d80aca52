/*
 * What a check of a store found: findings, each with the file of the store that is concerned and
 *the paths of the prefix that it touches.
 *
 *	bfs_check_new()
 *	bfs_check_tree(), bfs_check_prefix(), bfs_check_store()...	add findings
 *	bfs_check_findings()						to be printed
 *	bfs_check_free()
 *
 * A damaged index may be wrong in a million rows: of each kind BFS_CHECK_KEPT findings are kept,
 *the others counted, and of each finding BFS_CHECK_AFFECTED paths. Belongs to one thread.
 */
#ifndef BFS_INDEX_CHECK_H
#define BFS_INDEX_CHECK_H

#include "index/ref.h"

#define BFS_CHECK_KEPT	   100
#define BFS_CHECK_AFFECTED 20

enum bfs_check_severity {
	BFS_CHECK_NOTE,	   /* nothing is wrong, but worth to be known */
	BFS_CHECK_PROBLEM, /* something is damaged or missing */
};

/* The index that is being looked at. */
struct bfs_check_origin {
	const char *index;   /* "indexes/SHA256.sqlite" */
	const char *ref;     /* NULL for an index that no ref has: that of a poured keg */
	uint64_t generation; /* 0 where there is no ref */
};

/* A path of a prefix that a finding touches. Strings are owned. */
struct bfs_affected {
	char *ref; /* or NULL */
	uint64_t generation;
	char *formula; /* in whose keg it lies, or NULL */
	char *path;    /* relative to the prefix */
	struct bfs_affected *next;
};

struct bfs_finding {
	enum bfs_check_severity severity;
	const char *what; /* the kind, one of those in brewfs-fsck(1): "object-digest" */
	char *path;	  /* of the file in the store, relative to it; owned */
	char *detail;	  /* a sentence without a full stop; owned */
	struct bfs_affected *affected;
	uint64_t affected_count; /* with those not kept */
	struct bfs_finding *next;
};

struct bfs_check;

int bfs_check_new(struct bfs_check **ret_check);
void bfs_check_free(struct bfs_check *check);
BFS_DEFINE_CLEANUP(struct bfs_check *, bfs_cleanup_check, bfs_check_free)
#define _cleanup_check_ BFS_CLEANUP(bfs_cleanup_check)

/*
 * Adds a finding and returns it, to be given affected paths; NULL where it was only counted. `what`
 * must be a literal. Running out of memory is kept for bfs_check_error().
 */
struct bfs_finding *bfs_check_add(struct bfs_check *check, enum bfs_check_severity severity,
	const char *what, const char *path, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* Adds a path that the finding touches. A NULL finding is allowed, and does nothing. */
void bfs_check_affect(struct bfs_check *check, struct bfs_finding *finding,
	const struct bfs_check_origin *origin, const char *path);

/* The first finding; they follow by `next` in the order found. NULL for none. */
const struct bfs_finding *bfs_check_findings(const struct bfs_check *check);

/* How many problems, with those that were only counted. */
uint64_t bfs_check_problems(const struct bfs_check *check);

/* Calls `visit` for each kind of which findings were only counted. */
void bfs_check_visit_dropped(const struct bfs_check *check,
	void (*visit)(void *context, const char *what, uint64_t dropped), void *context);

/* 0, or -ENOMEM where something could not be noted. */
int bfs_check_error(const struct bfs_check *check);

#endif
