#include "index/commit_put.h"

static bool serves(const struct bfs_content *content, mode_t mode)
{
	return content->size == 0 || content->packed || content->executable == ((mode & 0111) != 0);
}

int bfs_commit_put_add(
	struct bfs_put_files *files, const struct bfs_commit_view *view, uint64_t ino, mode_t mode)
{
	struct bfs_merge_node *node = bfs_merge_nodes_find(&view->nodes, ino);
	struct bfs_content content;
	int r;

	if (!node || !node->touched)
		return 0;
	if (node->local)
		return node->placed && serves(&node->content, mode)
			       ? 0
			       : bfs_put_files_add(files, ino, node->size, mode);
	r = bfs_tree_content(view->ours.tree, ino, &content);
	if (r < 0 || serves(&content, mode))
		return r;
	node->restored = true;
	return bfs_put_files_add(files, ino, content.size, mode);
}

static int open_file(void *context, const struct bfs_put_file *file, struct bfs_put_data *ret_data,
	struct bfs_error *error)
{
	struct bfs_commit_view *view = context;
	const struct bfs_merge_node *node = bfs_merge_nodes_find(&view->nodes, file->id);
	struct bfs_worktree_data data;
	int r;

	if (node->placed && serves(&node->content, file->mode)) /* by another of its names */
		return 0;
	r = bfs_worktree_data_open(view->worktree, file->id, false, &data);
	if (r < 0)
		return bfs_error_set(error, r, "reading the session",
			bfs_session_info(view->session)->name, NULL);
	*ret_data = (struct bfs_put_data){data.fd, data.content, data.handle};
	return 1;
}

static void close_file(void *context, struct bfs_put_data *data)
{
	struct bfs_commit_view *view = context;
	struct bfs_worktree_data open = {data->fd, data->content, data->handle};

	bfs_worktree_data_close(view->worktree, &open, false);
}

static int note_place(void *context, const struct bfs_put_file *file, struct bfs_put_data *data,
	const struct bfs_content *content, struct bfs_error *error)
{
	struct bfs_commit_view *view = context;
	struct bfs_merge_node *node = bfs_merge_nodes_find(&view->nodes, file->id);

	(void)data, (void)error;
	node->content = *content;
	node->size = content->size;
	node->known = node->placed = true;
	return 0;
}

int bfs_commit_put(struct bfs_commit_view *view, struct bfs_put_files *files,
	const struct bfs_put_writers *writers, struct bfs_error *error)
{
	const struct bfs_put_source source = {.context = view,
		.reader = view->reader,
		.open = open_file,
		.close = close_file,
		.placed = note_place};

	return bfs_put_files_run(files, &source, writers, error);
}
