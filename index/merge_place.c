#include "index/merge_private.h"

#include "lib/path.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

/* --- limbo --- */

/* A directory at the top under a name that nobody has; it is gone when the merge ends. */
static int make_limbo(struct merge *merge)
{
	int r = -EEXIST;

	for (unsigned i = 0; r == -EEXIST; i++) {
		snprintf(merge->limbo_name, sizeof(merge->limbo_name), ".brewfs-merge.%u", i);
		r = bfs_tree_make_directory(merge->theirs.tree, BFS_TREE_ROOT, merge->limbo_name,
			strlen(merge->limbo_name), 0700, 0, &merge->limbo);
	}
	return r;
}

int bfs_merge_take(struct merge *merge, const struct merge_path *path)
{
	char name[32];
	int r = merge->limbo ? 0 : make_limbo(merge);

	if (r < 0)
		return r;
	merge->result->changed = true;
	snprintf(name, sizeof(name), "%u", merge->taken++);
	return bfs_tree_rename(merge->theirs.tree, path->parent, path->name, path->length,
		merge->limbo, name, strlen(name));
}

/* 1 where the directory is in limbo, at whatever depth. */
static int is_in_limbo(const struct merge *merge, uint64_t ino)
{
	while (merge->limbo && ino != merge->limbo && ino != BFS_TREE_ROOT) {
		struct bfs_attributes attributes;
		int r = bfs_tree_stat(merge->theirs.tree, ino, &attributes);

		if (r < 0)
			return r;
		ino = attributes.parent;
	}
	return merge->limbo && ino == merge->limbo;
}

/* --- files and links --- */

static int note_in(struct bfs_merge_nodes *nodes, uint64_t ino, uint64_t theirs)
{
	struct bfs_merge_node *node;
	int r = bfs_merge_nodes_add(nodes, ino, &node);

	if (r == 0)
		node->published = theirs;
	return r;
}

int bfs_merge_note(struct merge *merge, uint64_t ours, uint64_t theirs)
{
	return note_in(&merge->result->placed, ours, theirs);
}

int bfs_merge_note_counterpart(struct merge *merge, uint64_t base, uint64_t theirs)
{
	struct bfs_attributes attributes;
	int r = bfs_tree_stat(merge->ours.tree, base, &attributes);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return note_in(&merge->counterparts, base, theirs);
}

static uint64_t find_in(const struct bfs_merge_nodes *nodes, uint64_t ino)
{
	const struct bfs_merge_node *node = bfs_merge_nodes_find(nodes, ino);

	return node ? node->published : 0;
}

/* Whether it was placed without its content: nothing can be compared. */
static bool is_made_local(const struct merge *merge, uint64_t ours)
{
	const struct bfs_merge_node *node = bfs_merge_nodes_find(&merge->result->placed, ours);

	return node && node->local;
}

/* The inode of theirs that another name of ours is to lead to: placed before, or the old file's. */
static int find_inode(struct merge *merge, const struct bfs_attributes *ours,
	struct bfs_attributes *ret_theirs, bool *ret_found)
{
	uint64_t ino = find_in(&merge->result->placed, ours->ino);
	int r;

	*ret_found = false;
	if (!ino)
		ino = find_in(&merge->counterparts, ours->ino);
	if (!ino)
		return 0;
	r = bfs_tree_stat(merge->theirs.tree, ino, ret_theirs);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (is_made_local(merge, ours->ino)) {
		*ret_found = true;
		return 0;
	}
	return bfs_merge_side_equal(&merge->ours, ours, &merge->theirs, ret_theirs, ret_found);
}

/* Whether the content that the inode has serves files of that mode: objects have two variants. */
static int serves(struct bfs_tree *tree, uint64_t ino, mode_t mode, bool *ret_serves)
{
	struct bfs_content content;
	int r;

	*ret_serves = true;
	if (!S_ISREG(mode))
		return 0;
	r = bfs_tree_content(tree, ino, &content);
	if (r == 0 && content.size && !content.packed)
		*ret_serves = content.executable == ((mode & 0111) != 0);
	return r;
}

static int make_symlink(struct merge *merge, uint64_t parent, const char *name,
	const struct bfs_attributes *ours, uint64_t *ret_ino)
{
	_cleanup_free_ char *target = NULL;
	int r = bfs_tree_read_link(merge->ours.tree, ours->ino, &target);

	return r < 0 ? r
		     : bfs_tree_make_symlink(merge->theirs.tree, parent, name, strlen(name), target,
			       strlen(target), ours->mtime, ret_ino);
}

static bool is_unplaced(const struct merge *merge, const struct bfs_attributes *ours)
{
	const struct bfs_merge_node *node = bfs_merge_side_node(&merge->ours, ours->ino);

	return node && node->local && !node->placed;
}

/* Whether the content has been put for this merge, and may have no name in the store yet. */
static bool is_put_now(const struct merge *merge, const struct bfs_attributes *ours)
{
	const struct bfs_merge_node *node = bfs_merge_side_node(&merge->ours, ours->ino);

	return node && (node->local || node->restored) && !node->adopted;
}

/* -ESTALE where neither theirs nor the store has what ours once had from it. */
static int check_stored(
	struct merge *merge, const struct bfs_attributes *ours, const struct bfs_content *content)
{
	char name[BFS_STORE_NAME_SIZE];
	struct bfs_content known;
	int r;

	if (!merge->order->store || content->size == 0 || is_put_now(merge, ours))
		return 0;
	r = bfs_tree_find_content(
		merge->theirs.tree, &content->digest, content->executable, &known);
	if (r != -ENOENT)
		return r;
	if (content->packed)
		bfs_store_pack_name(&content->pack, name);
	else
		bfs_store_object_name(content, name);
	if (faccessat(bfs_store_fd(merge->order->store), name, F_OK, 0) == 0)
		return 0;
	return errno == ENOENT ? -ESTALE : -errno;
}

/* The content to be put into theirs. -ENODATA: it is not in the store, and nobody saw to it. */
static int placed_content(
	struct merge *merge, const struct bfs_attributes *ours, struct bfs_content *ret_content)
{
	if (!is_unplaced(merge, ours)) {
		int r = bfs_merge_side_content(&merge->ours, ours, ret_content);

		return r == 0 ? check_stored(merge, ours, ret_content) : r;
	}
	*ret_content = (struct bfs_content){.size = 0};
	return merge->order->keep_local || ours->size == 0 ? 0 : -ENODATA;
}

static int note_made(struct merge *merge, const struct bfs_attributes *ours, uint64_t theirs)
{
	struct bfs_merge_node *node;
	int r = bfs_merge_note(merge, ours->ino, theirs);

	if (r == 0 && merge->order->keep_local && is_unplaced(merge, ours)) {
		node = bfs_merge_nodes_find(&merge->result->placed, ours->ino);
		node->local = true;
	}
	return r;
}

static int make_leaf(
	struct merge *merge, uint64_t parent, const char *name, const struct bfs_attributes *ours)
{
	struct bfs_content content;
	uint64_t ino = 0;
	int r;

	if (S_ISLNK(ours->mode)) {
		r = make_symlink(merge, parent, name, ours, &ino);
	} else {
		r = placed_content(merge, ours, &content);
		if (r == 0)
			r = bfs_tree_make_file(merge->theirs.tree, parent, name, strlen(name),
				ours->mode, ours->mtime, &content, &ino);
	}
	return r == 0 ? note_made(merge, ours, ino) : r;
}

static int queue_mode(struct merge *merge, uint64_t ino, mode_t mode)
{
	struct merge_mode *queued = malloc(sizeof(*queued));

	if (!queued)
		return -ENOMEM;
	*queued = (struct merge_mode){.next = merge->modes, .ino = ino, .mode = mode};
	merge->modes = queued;
	return 0;
}

/* Gives theirs one more name; and ours' permissions where those were changed. */
static int link_leaf(struct merge *merge, uint64_t parent, const char *name,
	const struct bfs_attributes *ours, const struct bfs_attributes *theirs)
{
	struct bfs_attributes base = {.mode = 0};
	int r = merge->base.tree ? bfs_tree_stat(merge->base.tree, ours->ino, &base) : -ENOENT;

	if (r < 0 && r != -ENOENT)
		return r;
	r = bfs_tree_link(merge->theirs.tree, theirs->ino, parent, name, strlen(name));
	if (r == 0 && base.mode != ours->mode && theirs->mode != ours->mode)
		r = queue_mode(merge, theirs->ino, ours->mode);
	return r == 0 ? bfs_merge_note(merge, ours->ino, theirs->ino) : r;
}

static int add_leaf(
	struct merge *merge, uint64_t parent, const char *name, const struct bfs_attributes *ours)
{
	struct bfs_attributes theirs;
	bool found, fits = false;
	int r = find_inode(merge, ours, &theirs, &found);

	if (r == 0 && found)
		r = serves(merge->theirs.tree, theirs.ino, ours->mode, &fits);
	if (r < 0)
		return r;
	return fits ? link_leaf(merge, parent, name, ours, &theirs)
		    : make_leaf(merge, parent, name, ours);
}

int bfs_merge_set_mode(struct merge *merge, const struct merge_path *path, mode_t mode)
{
	merge->result->changed = true;
	return queue_mode(merge, path->theirs->ino, mode);
}

/* --- directories --- */

struct wanted {
	uint64_t ino;
	char name[BFS_NAME_MAX + 1];
	size_t length;
};

static int compare_ino(void *context, const char *name, size_t length, uint64_t cookie,
	const struct bfs_attributes *attributes)
{
	struct wanted *wanted = context;

	(void)cookie;
	if (attributes->ino != wanted->ino)
		return 0;
	memcpy(wanted->name, name, length);
	wanted->length = length;
	return 1;
}

/*
 * 1 where the directory is an old one that was taken away elsewhere as it was, and could be moved
 * here; 0 where it has to be made.
 */
static int move_directory(struct merge *merge, uint64_t parent, const char *name,
	const struct bfs_attributes *ours, struct bfs_attributes *ret_theirs)
{
	struct wanted wanted = {.ino = find_in(&merge->counterparts, ours->ino)};
	int r;

	/* What a conflict took away is not as it was. */
	if (!wanted.ino || merge->result->conflict_count)
		return 0;
	r = bfs_tree_stat(merge->theirs.tree, wanted.ino, ret_theirs);
	if (r < 0 || !S_ISDIR(ret_theirs->mode))
		return r == -ENOENT ? 0 : r;
	r = is_in_limbo(merge, wanted.ino);
	if (r == 1)
		r = bfs_tree_read_directory(
			merge->theirs.tree, ret_theirs->parent, 0, compare_ino, &wanted);
	if (r != 1)
		return r;
	r = bfs_tree_rename(merge->theirs.tree, ret_theirs->parent, wanted.name, wanted.length,
		parent, name, strlen(name));
	return r < 0 ? r : 1;
}

static int add(
	struct merge *merge, uint64_t parent, const char *name, const struct bfs_attributes *ours);

static int add_entries(struct merge *merge, uint64_t theirs, uint64_t ours)
{
	_cleanup_merge_pairs_ struct bfs_merge_pairs pairs = {0};
	const struct bfs_merge_side nothing = {0};
	int r = bfs_merge_pairs_read(&nothing, 0, &merge->ours, ours, &pairs);

	for (size_t i = 0; r == 0 && i < pairs.count; i++) {
		const struct bfs_merge_pair *pair = &pairs.pairs[i];
		bool ignored = false;
		size_t length;

		r = bfs_merge_push(merge, pair->name, pair->length, &length);
		if (r < 0)
			return r;
		r = bfs_merge_ignores(merge, &merge->ours, &pair->second, &ignored);
		if (r == 0 && !ignored)
			r = add(merge, theirs, pair->name, &pair->second);
		bfs_merge_pop(merge, length);
	}
	return r;
}

static int make_directory(
	struct merge *merge, uint64_t parent, const char *name, const struct bfs_attributes *ours)
{
	struct bfs_attributes theirs = {.mtime = ours->mtime};
	int r = bfs_tree_make_directory(merge->theirs.tree, parent, name, strlen(name), ours->mode,
		ours->mtime, &theirs.ino);

	if (r == 0)
		r = bfs_merge_keep_time(merge, NULL, ours, &theirs);
	if (r == 0)
		r = bfs_merge_note(merge, ours->ino, theirs.ino);
	return r == 0 ? add_entries(merge, theirs.ino, ours->ino) : r;
}

static int add_directory(
	struct merge *merge, uint64_t parent, const char *name, const struct bfs_attributes *ours)
{
	struct bfs_attributes base, theirs;
	int r = move_directory(merge, parent, name, ours, &theirs);

	if (r <= 0)
		return r < 0 ? r : make_directory(merge, parent, name, ours);
	r = bfs_tree_stat(merge->base.tree, ours->ino, &base);
	if (r == 0)
		r = bfs_merge_keep_time(merge, &base, ours, &theirs);
	if (r == 0)
		r = bfs_merge_note(merge, ours->ino, theirs.ino);
	if (r == 0 && theirs.mode != ours->mode)
		r = queue_mode(merge, theirs.ino, ours->mode);
	return r == 0 ? bfs_merge_directory(merge, base.ino, ours->ino, theirs.ino) : r;
}

static int add(
	struct merge *merge, uint64_t parent, const char *name, const struct bfs_attributes *ours)
{
	return S_ISDIR(ours->mode) ? add_directory(merge, parent, name, ours)
				   : add_leaf(merge, parent, name, ours);
}

/* --- in the end --- */

int bfs_merge_queue(struct merge *merge, const struct merge_path *path)
{
	struct merge_addition *addition = malloc(sizeof(*addition) + merge->path.length + 1);

	if (!addition)
		return -ENOMEM;
	addition->next = NULL;
	addition->parent = path->parent;
	addition->ours = *path->ours;
	memcpy(addition->path, merge->path.data, merge->path.length + 1);
	*merge->last_addition = addition;
	merge->last_addition = &addition->next;
	merge->result->changed = true;
	return 0;
}

static int add_queued(struct merge *merge, const struct merge_addition *addition)
{
	int r;

	bfs_buffer_clear(&merge->path);
	r = bfs_buffer_append_string(&merge->path, addition->path);
	merge->depth = 1;
	for (const char *c = addition->path; *c; c++)
		merge->depth += *c == '/';
	return r == 0 ? add(merge, addition->parent, bfs_path_base(addition->path), &addition->ours)
		      : r;
}

int bfs_merge_add_queued(struct merge *merge)
{
	int r = 0;

	while (r == 0 && merge->additions) {
		struct merge_addition *addition = merge->additions;

		r = add_queued(merge, addition);
		merge->additions = addition->next;
		if (!merge->additions)
			merge->last_addition = &merge->additions;
		free(addition);
	}
	return r;
}

static int set_time(struct merge *merge, const struct merge_time *time)
{
	struct bfs_attributes attributes;
	int r = bfs_tree_stat(merge->theirs.tree, time->ino, &attributes);

	if (r < 0 || attributes.mtime == time->mtime)
		return r;
	return bfs_tree_set_mtime(merge->theirs.tree, time->ino, time->mtime);
}

int bfs_merge_finish(struct merge *merge)
{
	int r = 0;

	for (const struct merge_mode *mode = merge->modes; r == 0 && mode; mode = mode->next)
		r = bfs_tree_set_mode(merge->theirs.tree, mode->ino, mode->mode);
	if (r == 0 && merge->limbo)
		r = bfs_tree_remove(merge->theirs.tree, BFS_TREE_ROOT, merge->limbo_name,
			strlen(merge->limbo_name));
	for (size_t i = 0; r == 0 && i < merge->time_count; i++)
		r = set_time(merge, &merge->times[i]);
	return r;
}
