/* Listings of directories: ".", "..", then the worktree's entries from BFS_TREE_COOKIE_FIRST. */
#include "fs/session_calls.h"
#include "lib/path.h"

#include <string.h>

#define COOKIE_SELF   1
#define COOKIE_PARENT 2

#define FULL 1 /* what a step returns when the next entry has no room */

struct listing {
	struct bfs_session_call *call;
	uint64_t ino;
	uint64_t after; /* the cookie to go on from */
	size_t size;	/* bytes of the answer, at most */
	bool plus;
	struct bfs_buffer looked_up; /* inode numbers: entries that count as lookups */
};

void bfs_session_on_opendir(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file)
{
	struct bfs_session_call call = bfs_session_call_begin(request, BFS_OP_OPENDIR);
	unsigned in_force = atomic_load(&call.driver->in_force);

	(void)ino;
	if (in_force & BFS_FEATURE_BIT(BFS_FEATURE_ZERO_OPENDIR)) {
		bfs_session_call_end(&call, -ENOSYS);
		return;
	}
	file->cache_readdir = (in_force & BFS_FEATURE_BIT(BFS_FEATURE_CACHE_DIRS)) != 0;
	file->keep_cache = file->cache_readdir;
	fuse_reply_open(request, file);
	bfs_session_call_end(&call, 0);
}

/* `known`: whether the kernel is to take the entry for a lookup as well. It does not for "." and
 * "..". */
static int add_entry(struct listing *listing, const char *name, uint64_t cookie,
	const struct stat *stat, bool known)
{
	struct bfs_buffer *answer = &listing->call->responder->scratch;
	char *end = answer->data + answer->length;
	size_t room = listing->size - answer->length, needed;
	struct fuse_entry_param entry;

	bfs_session_fill_entry(listing->call->driver, stat, &entry);
	if (!known)
		entry.ino = 0;
	if (listing->plus)
		needed = fuse_add_direntry_plus(
			listing->call->request, end, room, name, &entry, (off_t)cookie);
	else
		needed = fuse_add_direntry(
			listing->call->request, end, room, name, &entry.attr, (off_t)cookie);
	if (needed > room)
		return FULL;
	answer->length += needed;
	return 0;
}

/* Counts the lookup, so that it can be taken back if the answer does not arrive. */
static int note_lookup(struct listing *listing, uint64_t ino)
{
	int r = bfs_buffer_append(&listing->looked_up, &ino, sizeof(ino));

	if (r < 0)
		return r;
	r = bfs_lookups_add(listing->call->driver->lookups, ino);
	if (r < 0)
		listing->looked_up.length -= sizeof(ino);
	return r;
}

static void take_back_lookups(struct listing *listing)
{
	for (size_t i = 0; i < listing->looked_up.length; i += sizeof(uint64_t)) {
		uint64_t ino;

		memcpy(&ino, listing->looked_up.data + i, sizeof(ino));
		bfs_session_forget(listing->call->driver, ino, 1);
	}
}

static int add_dots(struct listing *listing)
{
	struct bfs_worktree *worktree = listing->call->worktree;
	struct stat self, parent = {.st_mode = S_IFDIR};
	int r = bfs_worktree_stat(worktree, listing->ino, &self);

	if (r == 0 && !S_ISDIR(self.st_mode))
		r = -ENOTDIR;
	if (r == 0 && listing->after < COOKIE_SELF)
		r = add_entry(listing, ".", COOKIE_SELF, &self, false);
	if (r != 0 || listing->after >= COOKIE_PARENT)
		return r;
	r = bfs_worktree_parent(worktree, listing->ino, &self.st_ino);
	parent.st_ino = self.st_ino;
	return r == 0 ? add_entry(listing, "..", COOKIE_PARENT, &parent, false) : r;
}

static int visit(
	void *context, const char *name, size_t length, uint64_t cookie, const struct stat *stat)
{
	struct listing *listing = context;
	char text[BFS_NAME_MAX + 1];
	int r;

	if (length > BFS_NAME_MAX)
		return -EUCLEAN;
	memcpy(text, name, length);
	text[length] = '\0';
	r = add_entry(listing, text, cookie, stat, true);
	return r == 0 && listing->plus ? note_lookup(listing, stat->st_ino) : r;
}

static int fill(struct listing *listing)
{
	struct bfs_buffer *answer = &listing->call->responder->scratch;
	int r;

	bfs_buffer_clear(answer);
	r = bfs_buffer_reserve(answer, listing->size);
	if (r == 0)
		r = add_dots(listing);
	if (r == 0)
		r = bfs_worktree_read_directory(
			listing->call->worktree, listing->ino, listing->after, visit, listing);
	return r < 0 ? r : 0;
}

static void list(fuse_req_t request, uint64_t ino, size_t size, off_t cookie, bool plus)
{
	struct bfs_session_call call =
		bfs_session_call_begin(request, plus ? BFS_OP_READDIRPLUS : BFS_OP_READDIR);
	struct bfs_buffer *answer = &call.responder->scratch;
	struct listing listing = {&call, ino, (uint64_t)cookie, size, plus, BFS_BUFFER_INIT};
	int r = cookie < 0 ? -EINVAL : fill(&listing);

	if (r < 0 || fuse_reply_buf(request, answer->data, answer->length) < 0)
		take_back_lookups(&listing);
	bfs_buffer_release(&listing.looked_up);
	bfs_session_call_end(&call, r);
}

void bfs_session_on_readdir(
	fuse_req_t request, fuse_ino_t ino, size_t size, off_t cookie, struct fuse_file_info *file)
{
	(void)file;
	list(request, ino, size, cookie, false);
}

void bfs_session_on_readdirplus(
	fuse_req_t request, fuse_ino_t ino, size_t size, off_t cookie, struct fuse_file_info *file)
{
	(void)file;
	list(request, ino, size, cookie, true);
}
