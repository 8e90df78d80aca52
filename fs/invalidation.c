#include "fs/invalidation.h"

#include "index/diff.h"
#include "lib/buffer.h"

#include <string.h>

#define OVERFLOW 1 /* what the collecting visitor returns when the memory is used up */

struct bfs_invalidation {
	struct bfs_loaded *old_loaded, *new_loaded;
	struct bfs_tree *old_tree, *new_tree; /* connections of our own */
	struct bfs_buffer changes;	      /* struct record, name, struct record... */
	bool overflow;			      /* not all of them are there */
};

struct record {
	uint64_t ino;
	uint8_t kind;
	uint8_t length; /* of the name that follows */
};

int bfs_invalidation_new(struct bfs_loaded *old_loaded, struct bfs_loaded *new_loaded,
	struct bfs_invalidation **ret_invalidation)
{
	struct bfs_invalidation *invalidation = calloc(1, sizeof(*invalidation));

	if (!invalidation)
		return -ENOMEM;
	invalidation->old_loaded = old_loaded;
	invalidation->new_loaded = new_loaded;
	*ret_invalidation = invalidation;
	return 0;
}

void bfs_invalidation_free(struct bfs_invalidation *invalidation)
{
	if (!invalidation)
		return;
	bfs_tree_close(invalidation->old_tree);
	bfs_tree_close(invalidation->new_tree);
	bfs_buffer_release(&invalidation->changes);
	free(invalidation);
}

/* --- what differs --- */

static int visit_name(bfs_diff_visitor *visitor, void *context, const struct bfs_host_name *name)
{
	struct bfs_diff_change change = {
		BFS_DIFF_NAME_CHANGED, name->parent, name->name, strlen(name->name)};

	return visitor(context, &change);
}

/* The computed names that one side has and the other has not, or not the same. */
static int compare_host_names(const struct bfs_host *a, const struct bfs_host *b,
	bfs_diff_visitor *visitor, void *context)
{
	size_t count;
	const struct bfs_host_name *names = bfs_host_names(a, &count);
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++) {
		const struct bfs_host_name *other =
			bfs_host_lookup(b, names[i].parent, names[i].name, strlen(names[i].name));

		if (!other || other->attributes.ino != names[i].attributes.ino)
			r = visit_name(visitor, context, &names[i]);
	}
	return r;
}

static int compare_host_inodes(const struct bfs_host *old_host, const struct bfs_host *new_host,
	bfs_diff_visitor *visitor, void *context)
{
	size_t count;
	const struct bfs_host_name *names = bfs_host_names(old_host, &count);
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++) {
		struct bfs_diff_change change = {
			BFS_DIFF_INODE_REMOVED, names[i].attributes.ino, NULL, 0};

		if (!names[i].hidden && !bfs_host_find(new_host, change.ino))
			r = visitor(context, &change);
	}
	return r;
}

/* Names first, so that an inode without one has lost its place in the kernel when it is looked for.
 */
static int compare(struct bfs_invalidation *invalidation, bfs_diff_visitor *visitor, void *context)
{
	const struct bfs_host *old_host = bfs_loaded_host(invalidation->old_loaded);
	const struct bfs_host *new_host = bfs_loaded_host(invalidation->new_loaded);
	int r = compare_host_names(old_host, new_host, visitor, context);

	if (r == 0)
		r = compare_host_names(new_host, old_host, visitor, context);
	if (r == 0)
		r = bfs_diff_trees(
			invalidation->old_tree, invalidation->new_tree, visitor, context);
	if (r == 0)
		r = compare_host_inodes(old_host, new_host, visitor, context);
	return r;
}

/* --- remembered --- */

static int remember(void *context, const struct bfs_diff_change *change)
{
	struct bfs_invalidation *invalidation = context;
	struct record record = {.ino = change->ino,
		.kind = (uint8_t)change->kind,
		.length = (uint8_t)change->length};
	int r;

	if (invalidation->changes.length >= BFS_INVALIDATION_MEMORY)
		return OVERFLOW;
	r = bfs_buffer_append(&invalidation->changes, &record, sizeof(record));
	if (r == 0 && record.length)
		r = bfs_buffer_append(&invalidation->changes, change->name, record.length);
	return r;
}

static int open_trees(struct bfs_invalidation *invalidation, struct bfs_error *error)
{
	int r = bfs_loaded_open_tree(invalidation->old_loaded, &invalidation->old_tree, error);

	if (r == 0)
		r = bfs_loaded_open_tree(invalidation->new_loaded, &invalidation->new_tree, error);
	return r;
}

int bfs_invalidation_collect(struct bfs_invalidation *invalidation, struct bfs_error *error)
{
	int r = open_trees(invalidation, error);

	if (r < 0)
		return r;
	r = compare(invalidation, remember, invalidation);
	if (r < 0)
		return bfs_error_set(error, r, "comparing the generations", NULL, NULL);
	invalidation->overflow = r == OVERFLOW;
	return 0;
}

static int replay(const struct bfs_buffer *changes, bfs_diff_visitor *visitor, void *context)
{
	size_t at = 0;
	int r = 0;

	while (r == 0 && at < changes->length) {
		struct record record;
		struct bfs_diff_change change;

		memcpy(&record, changes->data + at, sizeof(record));
		at += sizeof(record);
		change = (struct bfs_diff_change){
			record.kind, record.ino, changes->data + at, record.length};
		at += record.length;
		r = visitor(context, &change);
	}
	return r;
}

/* --- sent --- */

struct sender {
	struct fuse_session *session;
	struct bfs_stats *stats;
	uint64_t directory; /* whose names are being sent; 0 for none */
	struct bfs_inos survivors;
};

static int send_inode(struct sender *sender, uint64_t ino, bool pages)
{
	atomic_fetch_add(&sender->stats->invalidations, 1);
	return fuse_lowlevel_notify_inval_inode(sender->session, ino, pages ? 0 : -1, 0);
}

static void send_name(struct sender *sender, uint64_t ino, const char *name, size_t length)
{
	atomic_fetch_add(&sender->stats->invalidations, 1);
	fuse_lowlevel_notify_inval_entry(sender->session, ino, name, length);
}

/*
 * The cached listing goes after the names: each of them waited for listings under way, which were
 * still answered by the old generation.
 */
static void finish_directory(struct sender *sender)
{
	if (sender->directory)
		send_inode(sender, sender->directory, true);
	sender->directory = 0;
}

static int add_survivor(struct bfs_inos *survivors, uint64_t ino)
{
	size_t count = survivors->count;

	/* Grown at every power of two. */
	if ((count & (count - 1)) == 0) {
		uint64_t *inos =
			reallocarray(survivors->inos, count ? 2 * count : 1, sizeof(*inos));

		if (!inos)
			return -ENOMEM;
		survivors->inos = inos;
	}
	survivors->inos[survivors->count++] = ino;
	return 0;
}

static int send_change(void *context, const struct bfs_diff_change *change)
{
	struct sender *sender = context;
	bool is_name = change->kind <= BFS_DIFF_NAME_CHANGED;

	if (!is_name || change->ino != sender->directory)
		finish_directory(sender);
	if (is_name) {
		sender->directory = change->ino;
		send_name(sender, change->ino, change->name, change->length);
		return 0;
	}
	if (send_inode(sender, change->ino, change->kind == BFS_DIFF_CONTENT_CHANGED) == 0 &&
		change->kind == BFS_DIFF_INODE_REMOVED)
		return add_survivor(&sender->survivors, change->ino);
	return 0;
}

int bfs_invalidation_send(struct bfs_invalidation *invalidation, struct fuse_session *session,
	struct bfs_stats *stats, struct bfs_inos *ret_survivors)
{
	struct sender sender = {.session = session, .stats = stats};
	int r = invalidation->overflow ? compare(invalidation, send_change, &sender)
				       : replay(&invalidation->changes, send_change, &sender);

	finish_directory(&sender);
	*ret_survivors = sender.survivors;
	return r;
}

static int probe_removed(void *context, const struct bfs_diff_change *change)
{
	struct sender *sender = context;

	if (change->kind == BFS_DIFF_INODE_REMOVED &&
		bfs_invalidation_probe(sender->session, change->ino))
		return add_survivor(&sender->survivors, change->ino);
	return 0;
}

int bfs_invalidation_find_survivors(struct bfs_loaded *old_loaded, struct bfs_loaded *new_loaded,
	struct fuse_session *session, struct bfs_inos *ret_survivors)
{
	_cleanup_invalidation_ struct bfs_invalidation *invalidation = NULL;
	struct sender sender = {.session = session};
	int r = bfs_invalidation_new(old_loaded, new_loaded, &invalidation);

	if (r == 0)
		r = open_trees(invalidation, NULL);
	if (r == 0)
		r = compare(invalidation, probe_removed, &sender);
	*ret_survivors = sender.survivors;
	return r;
}

bool bfs_invalidation_probe(struct fuse_session *session, uint64_t ino)
{
	return fuse_lowlevel_notify_inval_inode(session, ino, -1, 0) != -ENOENT;
}

void bfs_invalidation_send_name(struct fuse_session *session, struct bfs_stats *stats,
	uint64_t directory, const char *name, size_t length)
{
	struct sender sender = {.session = session, .stats = stats};

	send_name(&sender, directory, name, length);
}

void bfs_invalidation_send_directory(
	struct fuse_session *session, struct bfs_stats *stats, uint64_t ino, char *const *names)
{
	struct sender sender = {.session = session, .stats = stats, .directory = ino};

	for (; *names; names++)
		send_name(&sender, ino, *names, strlen(*names));
	finish_directory(&sender);
}
