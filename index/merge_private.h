/*
 * What merge.c, merge_leaf.c, merge_place.c and merge_conflict.c share of a merge, and changes.c,
 * which looks at two of its sides; nobody else includes it.
 */
#ifndef BFS_INDEX_MERGE_PRIVATE_H
#define BFS_INDEX_MERGE_PRIVATE_H

#include "index/merge.h"
#include "lib/buffer.h"

/* Something of ours to be put into a directory of theirs, once all that goes has gone. */
struct merge_addition {
	struct merge_addition *next;
	uint64_t parent; /* in theirs */
	struct bfs_attributes ours;
	char path[];
};

struct merge_time {
	uint64_t ino; /* a directory of theirs */
	int64_t mtime;
};

/* Names of one file are compared one after the other: all of them with the mode that it had. */
struct merge_mode {
	struct merge_mode *next;
	uint64_t ino; /* of theirs */
	mode_t mode;
};

struct merge {
	const struct bfs_merge_order *order;
	struct bfs_merge_side base, ours, theirs;
	struct bfs_merge_result *result;
	/* By base's numbers, `published` is the inode of theirs that was found under the same path
	 * with the same content; of those that ours still has. */
	struct bfs_merge_nodes counterparts;
	struct bfs_buffer path; /* of what is looked at; "" is the root */
	unsigned depth;
	uint64_t limbo; /* directory of theirs for what was removed; 0: not made yet */
	char limbo_name[32];
	unsigned taken; /* names in limbo so far */
	struct merge_addition *additions, **last_addition;
	struct merge_mode *modes; /* to be set at the end, the last one first */
	struct merge_time *times; /* to be set at the end: changes of names set others */
	size_t time_count, time_capacity;
};

/* One path in the three trees; NULL where it is not there. */
struct merge_path {
	const char *name;
	size_t length;
	uint64_t parent; /* in theirs */
	const struct bfs_attributes *base, *ours, *theirs;
};

static inline bool merge_is_directory(const struct bfs_attributes *attributes)
{
	return attributes && S_ISDIR(attributes->mode);
}

/*
 * What a commit takes of an entry of ours: nothing of a fifo, socket or device. Where one has come
 * to the place of something that is stored, that has gone.
 */
static inline const struct bfs_attributes *merge_storable(const struct bfs_attributes *ours)
{
	bool storable = ours && (S_ISREG(ours->mode) || S_ISDIR(ours->mode) || S_ISLNK(ours->mode));

	return storable ? ours : NULL;
}

/* --- merge.c --- */

/* Appends a name to the path, with the length to go back to in `ret_length`. */
int bfs_merge_push(struct merge *merge, const char *name, size_t length, size_t *ret_length);
void bfs_merge_pop(struct merge *merge, size_t length);
/* Whether what the side has at the path is not to be committed. */
int bfs_merge_ignores(const struct merge *merge, const struct bfs_merge_side *side,
	const struct bfs_attributes *attributes, bool *ret_ignored);
/* Whether earlier rules ignored what the base has at the path: it was not committed, then. */
bool bfs_merge_was_ignored(const struct merge *merge, const struct bfs_attributes *base);
/* Whether a name of base and ours surely leads to the same, and nothing below it was touched. */
bool bfs_merge_is_untouched(const struct merge *merge, const struct bfs_attributes *base,
	const struct bfs_attributes *ours);
/* Whether a side has at a path what the base has there: type, bytes, target. Both must exist. */
int bfs_merge_equals_base(const struct merge *merge, const struct bfs_merge_side *side,
	const struct bfs_attributes *base, const struct bfs_attributes *attributes,
	bool *ret_equal);
/* Merges the entries of a directory that ours and theirs have; `base` 0: there was none. */
int bfs_merge_directory(struct merge *merge, uint64_t base, uint64_t ours, uint64_t theirs);
/* Has the directory of theirs, which is one of ours too, get its time at the end. */
int bfs_merge_keep_time(struct merge *merge, const struct bfs_attributes *base,
	const struct bfs_attributes *ours, const struct bfs_attributes *theirs);

/* --- merge_leaf.c: a file or link in base and ours --- */

int bfs_merge_leaf(struct merge *merge, const struct merge_path *path);

/* --- merge_place.c: changes of theirs --- */

/* Takes the name away. It stays in limbo, for those who have moved. */
int bfs_merge_take(struct merge *merge, const struct merge_path *path);
/* Has ours added at the path, in the end. */
int bfs_merge_queue(struct merge *merge, const struct merge_path *path);
/* Adds what is queued. */
int bfs_merge_add_queued(struct merge *merge);
/* Sets the modes, removes what is in limbo, and sets the times. */
int bfs_merge_finish(struct merge *merge);
/* Has a file or directory of theirs get other permissions, in the end. */
int bfs_merge_set_mode(struct merge *merge, const struct merge_path *path, mode_t mode);
/* Notes that ours' inode is theirs' now: its other names will be so as well. */
int bfs_merge_note(struct merge *merge, uint64_t ours, uint64_t theirs);
/* Notes that an inode of theirs is as base's was, for the case that ours has it elsewhere. */
int bfs_merge_note_counterpart(struct merge *merge, uint64_t base, uint64_t theirs);

/* --- merge_conflict.c --- */

/*
 * What a side did to what was there: "modified", "removed", "a link was added". `equal`: its
 * content is the base's. Allocated; NULL when out of memory.
 */
char *bfs_merge_describe(
	const struct bfs_attributes *base, const struct bfs_attributes *side, bool equal);

/* Notes a conflict at the path, unless theirs has it from an earlier commit of ours. 1 where ours
 * is to be taken, 0 where theirs stays, or -ENOMEM. */
int bfs_merge_conflict(struct merge *merge, const struct merge_path *path);

/*
 * Looks for all that one side changed below a directory that the other removed or replaced, and
 * notes each as a conflict. `ret_count` is how many changes there are; then it is as above.
 */
int bfs_merge_find_changes(struct merge *merge, const struct bfs_merge_side *side,
	const struct bfs_attributes *base, const struct bfs_attributes *changed,
	const struct bfs_attributes *other, size_t *ret_count);

#endif
