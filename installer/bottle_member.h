/*
 * One member of a bottle's tar, checked: where it goes in the keg, what it is, and that nothing
 * about it could reach outside the keg. Everything is the archive's own bytes, never converted
 * from one character set to another.
 *
 * A bottle's members lie below NAME/VERSION/. What is refused, with -EBADMSG: absolute names,
 * names with "." or ".." or an empty component, other kegs, hardlinks to what is outside the keg,
 * devices, fifos and sockets, names and link targets that no filesystem takes, negative sizes.
 */
#ifndef BFS_INSTALLER_BOTTLE_MEMBER_H
#define BFS_INSTALLER_BOTTLE_MEMBER_H

#include "lib/error.h"

#include <archive_entry.h>
#include <stdint.h>
#include <sys/types.h>

/* Linux takes no longer path (PATH_MAX, with its NUL). */
#define BFS_MEMBER_PATH_MAX 4095

enum bfs_member_type {
	BFS_MEMBER_DIRECTORY,
	BFS_MEMBER_FILE,
	BFS_MEMBER_SYMLINK,
	BFS_MEMBER_HARDLINK,
};

struct bfs_member {
	enum bfs_member_type type;
	char *path;		/* relative to the keg, clean; "" for the keg itself */
	char *link;		/* a symlink's target; where a hardlink leads to, as `path`; else NULL */
	mode_t mode;		/* as Homebrew extracts: no set-id or sticky bit, umask 022 */
	int64_t mtime;		/* ns since the epoch */
	uint64_t size;		/* of a file's content in bytes, as its header says */
};

/*
 * `keg` is "NAME/VERSION". Fills *ret_member, which is released in any case by
 * bfs_member_release().
 */
int bfs_member_read(struct archive_entry *entry, const char *keg, struct bfs_member *ret_member,
	struct bfs_error *error);
void bfs_member_release(struct bfs_member *member);
#define _cleanup_member_ BFS_CLEANUP(bfs_member_release)

#define BFS_MEMBER_INIT {BFS_MEMBER_FILE, NULL, NULL, 0, 0, 0}

#endif
