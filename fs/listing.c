#include "fs/listing.h"

#include "lib/path.h"

#include <string.h>

#define COOKIE_SELF   1
#define COOKIE_PARENT 2

#define FULL 1 /* what a step returns when the next entry has no room */

struct listing {
	fuse_req_t request;
	const struct bfs_look *look;
	bool plus;
	struct bfs_buffer *buffer;
	size_t size;	/* of the answer, at most */
	uint64_t after; /* the cookie to go on from */
	uint64_t last;	/* the cookie of what was added last */
	const struct bfs_node *directory;
	bool current; /* the directory is the current generation's */
};

/* `known`: whether the kernel may take the entry for a lookup as well. It must not for "." and
 * "..". */
static int add_entry(struct listing *listing, const char *name, uint64_t cookie,
	const struct bfs_attributes *attributes, bool known)
{
	char *end = listing->buffer->data + listing->buffer->length;
	size_t room = listing->size - listing->buffer->length, needed;
	struct fuse_entry_param entry;

	bfs_reply_fill_entry(listing->look, attributes, &entry);
	if (!known)
		entry.ino = 0;
	if (listing->plus)
		needed = fuse_add_direntry_plus(
			listing->request, end, room, name, &entry, (off_t)cookie);
	else
		needed = fuse_add_direntry(
			listing->request, end, room, name, &entry.attr, (off_t)cookie);
	if (needed > room)
		return FULL;
	listing->buffer->length += needed;
	listing->last = cookie;
	return 0;
}

static int add_dots(struct listing *listing)
{
	struct bfs_attributes parent = {
		.ino = listing->directory->attributes.parent, .mode = S_IFDIR | 0755, .nlink = 2};
	int r = 0;

	if (listing->after < COOKIE_SELF)
		r = add_entry(listing, ".", COOKIE_SELF, &listing->directory->attributes, false);
	if (r == 0 && listing->after < COOKIE_PARENT)
		r = add_entry(listing, "..", COOKIE_PARENT, &parent, false);
	return r;
}

static int add_computed(struct listing *listing)
{
	size_t count;
	const struct bfs_host_name *names =
		bfs_host_names(bfs_loaded_host(listing->directory->loaded), &count);
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++)
		if (names[i].parent == listing->directory->attributes.ino && !names[i].hidden &&
			names[i].cookie > listing->after)
			r = add_entry(listing, names[i].name, names[i].cookie, &names[i].attributes,
				listing->current);
	return r;
}

static int visit(void *context, const char *name, size_t length, uint64_t cookie,
	const struct bfs_attributes *attributes)
{
	struct listing *listing = context;
	char text[BFS_NAME_MAX + 1];

	if (length > BFS_NAME_MAX)
		return -EUCLEAN;
	if (bfs_host_lookup(bfs_loaded_host(listing->directory->loaded),
		    listing->directory->attributes.ino, name, length))
		return 0;
	memcpy(text, name, length);
	text[length] = '\0';
	/* An earlier generation knows the names, but its attributes may not be the latest: those
	 * are looked up. */
	return add_entry(listing, text, cookie, attributes, listing->current);
}

static int add_tree(struct listing *listing)
{
	struct bfs_loaded *loaded = listing->directory->loaded;
	uint64_t after = listing->after;
	struct bfs_tree *tree;
	int r = bfs_loaded_acquire(loaded, &tree);

	if (r < 0)
		return r;
	r = bfs_tree_read_directory(
		tree, listing->directory->attributes.ino, after, visit, listing);
	bfs_loaded_release(loaded, tree);
	return r;
}

int bfs_listing_fill(struct bfs_lineage *lineage, struct bfs_responder *responder,
	fuse_req_t request, const struct bfs_look *look, uint64_t ino, uint64_t cookie, size_t size,
	bool plus)
{
	struct bfs_node directory;
	struct bfs_loaded *current = bfs_lineage_at(lineage, 0);
	struct listing listing = {.request = request,
		.look = look,
		.plus = plus,
		.buffer = &responder->scratch,
		.size = size,
		.after = cookie,
		.last = cookie,
		.directory = &directory};
	int r;

	bfs_buffer_clear(&responder->scratch);
	if (cookie != 0 && bfs_loaded_is_end(current, ino, cookie))
		return 0;
	r = bfs_lineage_find(lineage, ino, &directory);

	if (r == 0 && !S_ISDIR(directory.attributes.mode))
		r = -ENOTDIR;
	listing.current = r == 0 && directory.loaded == current;
	if (r == 0)
		r = bfs_buffer_reserve(&responder->scratch, size);
	if (r == 0)
		r = add_dots(&listing);
	if (r == 0)
		r = add_computed(&listing);
	if (r == 0)
		r = add_tree(&listing);
	if (r == 0 && listing.current)
		bfs_loaded_note_end(current, ino, listing.last);
	return r < 0 ? r : 0;
}
