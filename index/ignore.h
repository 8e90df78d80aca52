/*
 * What of a prefix is not committed: rules in the form of gitignore(5), from a file at the prefix's
 * top and from defaults of ours.
 *
 * A rule is a line. Empty ones and those that begin with "#" say nothing; spaces at the end do not
 * count unless escaped by a backslash; "!" takes back what an earlier rule ignores; "/" at the end
 * restricts it to directories. A rule with "/" at its beginning or in its middle is about the path
 * from the prefix's top, one without about a name at any depth. "*", "?" and "[...]" match within a
 * name, "**" as a whole component any number of directories. The last rule that matches decides.
 * What lies in an ignored directory is ignored, and no rule brings it back.
 */
#ifndef BFS_INDEX_IGNORE_H
#define BFS_INDEX_IGNORE_H

#include "index/tree.h"

#include <stdbool.h>

#define BFS_IGNORE_FILE ".brewfsignore"

/* A file of rules is not larger, in bytes. */
#define BFS_IGNORE_SIZE_MAX (256 * 1024)

struct bfs_ignore;

/*
 * The defaults, and then the rules in `text`, which may be NULL. The defaults are Homebrew's own
 * repository (Homebrew/, kept by each host with `brew update`), what links into it (bin/brew,
 * completions, manual pages), locks, caches and temporary directories, and what depends on the host
 * and brewfs makes at each mount (lib/ld.so, the links to gcc's libraries); "!Homebrew/" takes in
 * the repository and the links. `prefix` is where the tree is mounted: the links may be absolute.
 * -ENOMEM.
 */
int bfs_ignore_new(
	const char *prefix, const char *text, size_t length, struct bfs_ignore **ret_ignore);
void bfs_ignore_free(struct bfs_ignore *ignore);
BFS_DEFINE_CLEANUP(struct bfs_ignore *, bfs_cleanup_ignore, bfs_ignore_free)
#define _cleanup_ignore_ BFS_CLEANUP(bfs_cleanup_ignore)

/* What the path leads to is the host's doing while it is that inode; 0: nothing. -ENOMEM. */
int bfs_ignore_add_host_name(struct bfs_ignore *ignore, const char *path, uint64_t ino);
/* Whether the path is one of those, and leads to what was said. `ignore` may be NULL. */
bool bfs_ignore_is_host_name(const struct bfs_ignore *ignore, const char *path, uint64_t ino);

/* Whether the rules ignore the path, which is relative to the prefix; its directories are not. */
bool bfs_ignore_matches(const struct bfs_ignore *ignore, const char *path, bool directory);

/*
 * Whether the entry is not to be committed, its directories being so: by the rules, as a symlink
 * into an ignored repository, or as what an index cannot hold (a fifo, socket or device). `tree` is
 * the one that has the entry. `ignore` may be NULL: no rules. Errors of the tree.
 */
int bfs_ignore_entry(const struct bfs_ignore *ignore, struct bfs_tree *tree, const char *path,
	const struct bfs_attributes *attributes, bool *ret_ignored);

#endif
