#include "index/commit_view.h"

#include "lib/file.h"

#include <string.h>

/* --- nodes --- */

static int64_t nanoseconds(const struct timespec *time)
{
	return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

/* Whatever has a row may have been changed since the base was made. */
static int add_node(void *context, uint64_t ino, bool local, bool orphan)
{
	struct bfs_commit_view *view = context;
	struct bfs_merge_node *node;
	struct stat stat;
	int r;

	if (orphan)
		return 0;
	if (local) {
		r = bfs_worktree_stat(view->worktree, ino, &stat);
		if (r < 0)
			return r == -ENOENT ? 0 : r;
		if (stat.st_nlink == 0)
			return 0;
	}
	r = bfs_merge_nodes_add(&view->nodes, ino, &node);
	if (r < 0)
		return r;
	node->touched = true;
	node->local = local;
	if (local) {
		node->size = (uint64_t)stat.st_size;
		node->mtime = nanoseconds(&stat.st_mtim);
	}
	return 0;
}

/* Finds out digest and size of a local file. */
static int learn(void *context, struct bfs_merge_node *node)
{
	struct bfs_commit_view *view = context;
	struct bfs_worktree_data data;
	struct bfs_content content = {0};
	int r = bfs_worktree_data_open(view->worktree, node->ino, false, &data);

	if (r < 0)
		return r;
	if (data.fd >= 0)
		r = bfs_digest_of_fd(data.fd, &content.digest, &content.size);
	else
		content = data.content;
	bfs_worktree_data_close(view->worktree, &data, false);
	if (r == 0) {
		node->content = content;
		node->size = content.size;
		node->known = true;
	}
	return r;
}

/* --- bytes --- */

static int read_fd(int fd, size_t limit, struct bfs_buffer *buffer)
{
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size > limit)
		return -EFBIG;
	r = bfs_buffer_reserve(buffer, (size_t)st.st_size);
	if (r == 0)
		r = bfs_pread_all(fd, buffer->data + buffer->length, (size_t)st.st_size, 0);
	if (r < 0)
		return r;
	buffer->length += (size_t)st.st_size;
	buffer->data[buffer->length] = '\0';
	return 0;
}

int bfs_commit_view_read(const struct bfs_commit_view *view, uint64_t ino, size_t limit,
	struct bfs_buffer *buffer, struct bfs_error *error)
{
	struct bfs_worktree_data data;
	int r = bfs_worktree_data_open(view->worktree, ino, false, &data);

	if (r < 0)
		return bfs_error_set(error, r, "reading the session", NULL, NULL);
	if (data.fd >= 0)
		r = read_fd(data.fd, limit, buffer);
	else if (data.content.size)
		r = bfs_content_load(view->reader, &data.content, limit, buffer, error);
	bfs_worktree_data_close(view->worktree, &data, false);
	return r < 0 ? bfs_error_set(error, r, "reading the session", NULL, NULL) : 0;
}

/* --- rules --- */

static int find_rules(struct bfs_tree *tree, struct bfs_attributes *ret_attributes)
{
	int r = tree ? bfs_tree_lookup(tree, BFS_TREE_ROOT, BFS_IGNORE_FILE,
			       strlen(BFS_IGNORE_FILE), ret_attributes)
		     : -ENOENT;

	return r == 0 && !S_ISREG(ret_attributes->mode) ? -ENOENT : r;
}

static int read_rules(
	struct bfs_commit_view *view, struct bfs_buffer *text, struct bfs_error *error)
{
	struct bfs_attributes attributes;
	int r = find_rules(view->ours.tree, &attributes);

	if (r == 0)
		r = bfs_commit_view_read(view, attributes.ino, BFS_IGNORE_SIZE_MAX, text, error);
	return r == -ENOENT ? 0 : r;
}

static int read_base_rules(
	struct bfs_commit_view *view, struct bfs_buffer *text, struct bfs_error *error)
{
	struct bfs_attributes attributes;
	struct bfs_content content;
	int r = find_rules(view->base, &attributes);

	if (r < 0 || attributes.size == 0)
		return r == -ENOENT ? 0 : r;
	r = bfs_tree_content(view->base, attributes.ino, &content);
	return r < 0 ? r
		     : bfs_content_load(view->reader, &content, BFS_IGNORE_SIZE_MAX, text, error);
}

static int add_host_name(void *context, const char *path, uint64_t ino)
{
	return bfs_ignore_add_host_name(context, path, ino);
}

static int load_rules(struct bfs_commit_view *view, struct bfs_error *error)
{
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT, old = BFS_BUFFER_INIT;
	const char *prefix = bfs_store_prefix(bfs_session_store(view->session));
	int r = read_rules(view, &text, error);

	if (r == 0)
		r = read_base_rules(view, &old, error);
	if (r == 0)
		r = bfs_ignore_new(prefix, text.data, text.length, &view->ignore);
	if (r == 0 && view->base &&
		(text.length != old.length ||
			(text.length && memcmp(text.data, old.data, text.length) != 0)))
		r = bfs_ignore_new(prefix, old.data, old.length, &view->base_ignore);
	if (r == 0)
		r = bfs_worktree_visit_host_names(view->worktree, add_host_name, view->ignore);
	return r < 0 ? bfs_error_set(error, r, "reading the rules", BFS_IGNORE_FILE, NULL) : 0;
}

int bfs_commit_view_open(
	struct bfs_session *session, struct bfs_commit_view *ret_view, struct bfs_error *error)
{
	struct bfs_commit_view *view = ret_view;
	const char *base = bfs_session_base_path(session);
	int r;

	*view = (struct bfs_commit_view){
		.session = session, .worktree = bfs_session_worktree(session)};
	view->ours = (struct bfs_merge_side){.tree = bfs_worktree_tree(view->worktree),
		.nodes = &view->nodes,
		.learn = learn,
		.context = view};
	view->reader = bfs_worktree_reader(view->worktree);
	r = view->ours.tree ? 0 : -EINVAL;
	if (r == 0 && base)
		r = bfs_tree_open(base, BFS_TREE_READ, &view->base, error);
	if (r == 0)
		r = load_rules(view, error);
	if (r == 0)
		r = bfs_worktree_visit_nodes(view->worktree, add_node, view);
	if (r == 0)
		r = bfs_merge_nodes_enter(&view->nodes, view->base, view->ours.tree);
	if (r < 0) {
		bfs_commit_view_close(view);
		return bfs_error_set(
			error, r, "reading the session", bfs_session_info(session)->name, NULL);
	}
	return 0;
}

void bfs_commit_view_close(struct bfs_commit_view *view)
{
	bfs_tree_close(view->base);
	bfs_merge_nodes_release(&view->nodes);
	bfs_ignore_free(view->ignore);
	bfs_ignore_free(view->base_ignore);
	*view = (struct bfs_commit_view){0};
}
