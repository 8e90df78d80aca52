#include "index/tree_private.h"

#include <string.h>

/* What graft needs to translate rows of the source: its inode numbers move by `shift`, its objects by table. */
struct graft {
	struct bfs_tree *tree, *source;
	uint64_t shift;		/* added to every inode number but the root's parent */
	uint64_t parent;	/* of the new directory */
	int64_t *objects;	/* this tree's row for each of the source's */
	int64_t object_limit;	/* length of `objects` */
};

static int map_objects(struct graft *graft)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int64_t last;
	int r = bfs_db_get_int64(graft->source->db, "SELECT coalesce(max(id), 0) FROM object",
		&last);

	if (r < 0)
		return r;
	if (last < 0 || last >= INT32_MAX) /* rows are numbered from 1 without gaps */
		return -EUCLEAN;
	graft->object_limit = last + 1;
	graft->objects = calloc((size_t)graft->object_limit, sizeof(*graft->objects));
	if (!graft->objects)
		return -ENOMEM;
	r = bfs_db_prepare(graft->source->db,
		"SELECT o.id, o.digest, o.size, o.executable, p.digest, o.offset"
		" FROM object o LEFT JOIN pack p ON p.id=o.pack"
		" WHERE o.id IN (SELECT object FROM inode)", /* some may have lost their files */
		&stmt);
	while (r >= 0 && (r = bfs_db_step(stmt)) > 0) {
		int64_t id = sqlite3_column_int64(stmt, 0);
		struct bfs_content content;

		if (id < 1 || id > last)
			return -EUCLEAN;
		r = bfs_tree_content_from_row(stmt, 1, &content);
		if (r == 0)
			r = bfs_tree_intern_content(graft->tree, &content, &graft->objects[id]);
	}
	return r;
}

static int copy_inode(struct graft *graft, sqlite3_stmt *row)
{
	struct bfs_attributes attributes;
	const void *target = sqlite3_column_blob(row, 7);
	int r = bfs_tree_attributes_from_row(graft->source, row, 0, &attributes);

	if (r < 0)
		return r;
	if (attributes.object >= graft->object_limit || attributes.ino >= graft->source->next_ino ||
		S_ISLNK(attributes.mode) != (target != NULL))
		return -EUCLEAN;
	if (attributes.object)
		attributes.object = graft->objects[attributes.object];
	if (attributes.ino == BFS_TREE_ROOT)
		attributes.parent = graft->parent;
	else if (attributes.parent)
		attributes.parent += graft->shift;
	attributes.ino += graft->shift;
	return bfs_tree_insert_inode(graft->tree, &attributes, target,
		(size_t)sqlite3_column_bytes(row, 7));
}

static int copy_inodes(struct graft *graft)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(graft->source->db,
		"SELECT ino, mode, nlink, size, mtime, parent, object, target FROM inode", &stmt);

	while (r >= 0 && (r = bfs_db_step(stmt)) > 0)
		r = copy_inode(graft, stmt);
	return r;
}

static int copy_dirents(struct graft *graft)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(graft->source->db, "SELECT parent, name, ino FROM dirent", &stmt);

	while (r >= 0 && (r = bfs_db_step(stmt)) > 0) {
		const char *name = sqlite3_column_blob(stmt, 1);
		uint64_t parent = (uint64_t)sqlite3_column_int64(stmt, 0);
		uint64_t ino = (uint64_t)sqlite3_column_int64(stmt, 2);

		if (!name || parent >= graft->source->next_ino || ino >= graft->source->next_ino)
			return -EUCLEAN;
		r = bfs_tree_insert_dirent(graft->tree, parent + graft->shift, name,
			(size_t)sqlite3_column_bytes(stmt, 1), ino + graft->shift);
	}
	return r;
}

static int copy_rows(struct graft *graft, const char *name, size_t length)
{
	int r = map_objects(graft);

	if (r == 0)
		r = copy_inodes(graft);
	if (r == 0)
		r = copy_dirents(graft);
	if (r == 0)
		r = bfs_tree_insert_dirent(graft->tree, graft->parent, name, length,
			BFS_TREE_ROOT + graft->shift);
	if (r == 0)
		r = bfs_tree_touch_directory(graft->tree, graft->parent, 1);
	return r;
}

int bfs_tree_graft(struct bfs_tree *tree, uint64_t parent, const char *name, size_t length,
	struct bfs_tree *source)
{
	/* The root's number becomes the next free one. */
	struct graft graft = {.tree = tree,
		.source = source,
		.shift = tree->next_ino - BFS_TREE_ROOT,
		.parent = parent};
	int r = bfs_tree_begin(tree);

	if (r < 0)
		return r;
	if (tree->next_ino + source->next_ino >= BFS_TREE_INO_LIMIT) {
		bfs_tree_rollback(tree);
		return -ENOSPC;
	}
	tree->next_ino += source->next_ino;
	r = copy_rows(&graft, name, length);
	free(graft.objects);
	if (r == 0)
		r = bfs_tree_commit(tree);
	if (r < 0)
		bfs_tree_rollback(tree);
	return r;
}
