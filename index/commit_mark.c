#include "index/commit_mark.h"

#include "index/snapshot.h"
#include "lib/file.h"
#include "lib/json.h"

#include <fcntl.h>
#include <string.h>
#include <sys/random.h>

#define KEY	  "commit"
#define FILE_NAME "commit.json"

/* Of interrupted commits the last so many are looked for; a mark takes 40 bytes. */
#define MARKS_MAX 64
#define MARK_SIZE 8192

static char *mark_path(struct bfs_session *session)
{
	_cleanup_free_ char *directory = NULL;

	if (bfs_session_directory(&directory, NULL) < 0)
		return NULL;
	return bfs_format("%s/%s/" FILE_NAME, directory, bfs_session_info(session)->name);
}

/* The marks that are there, oldest first; an empty array where no commit was interrupted. */
static int read_marks(const char *path, json_t **ret_marks)
{
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	json_t *marks = NULL;
	int r = bfs_read_file(AT_FDCWD, path, MARK_SIZE, &text);

	if (r == 0 &&
		bfs_json_parse(text.data ? text.data : "", text.length, path, &marks, NULL) == 0 &&
		json_is_array(marks)) {
		*ret_marks = marks;
		return 0;
	}
	json_decref(marks);
	*ret_marks = json_array();
	return *ret_marks ? 0 : -ENOMEM;
}

static int write_marks(const char *path, const json_t *marks)
{
	char *text = json_dumps(marks, JSON_COMPACT);
	int r = text ? bfs_replace_file(AT_FDCWD, path, text, strlen(text), 0600) : -ENOMEM;

	free(text);
	return r;
}

int bfs_commit_mark_set(
	struct bfs_session *session, struct bfs_tree *theirs, struct bfs_error *error)
{
	_cleanup_free_ char *path = mark_path(session);
	_cleanup_json_ json_t *marks = NULL;
	char mark[40];
	uint64_t random[2];
	int r = path ? read_marks(path, &marks) : -ENOMEM;

	if (r == 0 && getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		r = -EIO;
	if (r < 0)
		return r;
	snprintf(mark, sizeof(mark), "%016llx%016llx", (unsigned long long)random[0],
		(unsigned long long)random[1]);
	if (json_array_size(marks) >= MARKS_MAX)
		json_array_remove(marks, 0);
	r = json_array_append_new(marks, json_string(mark)) < 0 ? -ENOMEM : 0;
	if (r == 0)
		r = bfs_tree_set_value(theirs, KEY, mark);
	if (r == 0)
		r = write_marks(path, marks);
	return r < 0 ? bfs_error_set(error, r, "noting the commit", path, NULL) : 0;
}

void bfs_commit_mark_clear(struct bfs_session *session)
{
	_cleanup_free_ char *path = mark_path(session);

	if (path)
		unlink(path);
}

/* The tree's mark, if it is one of ours; else NULL. Borrowed from `marks`. */
static int find_mark(struct bfs_tree *tree, const json_t *marks, const char **ret_mark)
{
	_cleanup_free_ char *value = NULL;
	const json_t *mark;
	size_t i;
	int r = bfs_tree_get_value(tree, KEY, &value);

	*ret_mark = NULL;
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	json_array_foreach(marks, i, mark)
	{
		const char *text = json_string_value(mark);

		if (text && strcmp(text, value) == 0)
			*ret_mark = text;
	}
	return 0;
}

static int open_generation(struct bfs_store *store, const struct bfs_generation *generation,
	struct bfs_tree **ret_tree, struct bfs_error *error)
{
	_cleanup_free_ char *path = NULL;
	int r = bfs_snapshot_fetch(store, generation, &path, error);

	return r == 0 ? bfs_tree_open(path, BFS_TREE_READ, ret_tree, error) : r;
}

/* Later generations keep the value, so it is the oldest one of those that have the last mark. */
static int search(struct bfs_session *session, const json_t *marks,
	const struct bfs_log_entry *entries, size_t count, struct bfs_tree **ret_committed,
	struct bfs_error *error)
{
	uint64_t base = bfs_session_info(session)->base.number;
	_cleanup_tree_ struct bfs_tree *found = NULL;
	const char *last = NULL;
	int r = 0;

	for (size_t i = 0; r == 0 && i < count && entries[i].generation.number >= base; i++) {
		_cleanup_tree_ struct bfs_tree *tree = NULL;
		const char *mark = NULL;

		r = open_generation(
			bfs_session_store(session), &entries[i].generation, &tree, error);
		if (r == 0)
			r = find_mark(tree, marks, &mark);
		if (r == 0 && last && mark != last)
			break;
		if (r == 0 && mark) {
			last = mark;
			bfs_tree_close(found);
			found = bfs_steal(&tree);
		}
	}
	if (r == 0)
		*ret_committed = bfs_steal(&found);
	return r;
}

int bfs_commit_mark_find(struct bfs_session *session, struct bfs_publication *publication,
	struct bfs_tree **ret_committed, struct bfs_error *error)
{
	_cleanup_free_ char *path = mark_path(session);
	_cleanup_json_ json_t *marks = NULL;
	struct bfs_log_entry *entries = NULL;
	size_t count = 0;
	int r = path ? read_marks(path, &marks) : -ENOMEM;

	*ret_committed = NULL;
	if (r < 0 || json_array_size(marks) == 0)
		return r;
	r = bfs_publication_log(bfs_publication_tree(publication),
		bfs_publication_base(publication), &entries, &count, error);
	if (r == 0)
		r = search(session, marks, entries, count, ret_committed, error);
	bfs_log_entries_free(entries, count);
	return r;
}
