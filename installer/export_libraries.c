#include "installer/export_libraries.h"

#include "index/tree_path.h"
#include "lib/file.h"
#include "lib/path.h"

#include <search.h>
#include <string.h>

#define ORIGIN	     "$ORIGIN"
#define LONG_ORIGIN  "${ORIGIN}"
#define GCC_RUNTIMES "opt/gcc/lib/gcc/current"

const char *const bfs_export_runtime_names[] = {
	"libatomic.so.1", "libgcc_s.so.1", "libgomp.so.1", "libstdc++.so.6", NULL};

/* A directory of some RPATH; the same few come again and again. */
struct place {
	char *path;
	uint64_t ino; /* 0: it is not there */
};

struct bfs_export_libraries {
	struct bfs_export_walk *walk;
	const char *prefix;
	void *places; /* a tree of tsearch(3) */
};

static void free_place(void *node)
{
	struct place *place = node;

	free(place->path);
	free(place);
}

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return strcmp(x->path, y->path);
}

int bfs_export_libraries_new(struct bfs_export_walk *walk, const char *prefix,
	struct bfs_export_libraries **ret_libraries)
{
	struct bfs_export_libraries *libraries = calloc(1, sizeof(*libraries));

	if (!libraries)
		return -ENOMEM;
	libraries->walk = walk;
	libraries->prefix = prefix;
	*ret_libraries = libraries;
	return 0;
}

void bfs_export_libraries_free(struct bfs_export_libraries *libraries)
{
	if (!libraries)
		return;
	tdestroy(libraries->places, free_place);
	free(libraries);
}

int bfs_export_libraries_runtime(const char *name, char **ret_path)
{
	for (const char *const *known = bfs_export_runtime_names; *known; known++) {
		if (strcmp(name, *known) != 0)
			continue;
		*ret_path = bfs_path_join(GCC_RUNTIMES, name);
		return *ret_path ? 0 : -ENOMEM;
	}
	*ret_path = NULL;
	return 0;
}

int bfs_export_libraries_place(
	const char *prefix, const char *file, const char *directory, char **ret_path)
{
	const char *below = bfs_path_below(directory, prefix), *rest = NULL;
	_cleanup_free_ char *parent = NULL;

	*ret_path = NULL;
	if (below) {
		*ret_path = strdup(below);
		return *ret_path ? 0 : -ENOMEM;
	}
	if (strncmp(directory, ORIGIN, strlen(ORIGIN)) == 0)
		rest = directory + strlen(ORIGIN);
	else if (strncmp(directory, LONG_ORIGIN, strlen(LONG_ORIGIN)) == 0)
		rest = directory + strlen(LONG_ORIGIN);
	if (!rest || (*rest && *rest != '/'))
		return 0;
	parent = bfs_path_parent(file);
	if (!parent)
		return -ENOMEM;
	*ret_path = *rest ? bfs_path_join(parent, rest + 1) : strdup(parent);
	return *ret_path ? 0 : -ENOMEM;
}

static int add_place(struct bfs_export_libraries *libraries, const char *path, struct place **ret)
{
	struct place *place = calloc(1, sizeof(*place));
	struct bfs_attributes attributes;
	int r;

	if (!place)
		return -ENOMEM;
	place->path = strdup(path);
	r = place->path ? bfs_export_walk_stat(libraries->walk, path, &attributes) : -ENOMEM;
	if (r == 0 && S_ISDIR(attributes.mode))
		place->ino = attributes.ino;
	if ((r < 0 && r != -ENOENT) || !tsearch(place, &libraries->places, compare_places)) {
		free_place(place);
		return r < 0 && r != -ENOENT ? r : -ENOMEM;
	}
	*ret = place;
	return 0;
}

static int find_place(struct bfs_export_libraries *libraries, const char *path, uint64_t *ret_ino)
{
	struct place key = {.path = (char *)path}, *place, **found;
	int r = 0;

	found = tfind(&key, &libraries->places, compare_places);
	if (found)
		place = *found;
	else
		r = add_place(libraries, path, &place);
	if (r == 0)
		*ret_ino = place->ino;
	return r;
}

/* A regular file at the end of a path. */
static int check(struct bfs_export_libraries *libraries, const char *path,
	struct bfs_attributes *ret_attributes)
{
	int r = bfs_export_walk_stat(libraries->walk, path, ret_attributes);

	return r == 0 && !S_ISREG(ret_attributes->mode) ? -ENOENT : r;
}

static int find_in(struct bfs_export_libraries *libraries, const char *directory,
	const char *needed, char **ret_path, struct bfs_attributes *ret_attributes)
{
	_cleanup_free_ char *path = NULL;
	uint64_t ino;
	int r;

	if (strcmp(directory, "lib") == 0) {
		r = bfs_export_libraries_runtime(needed, &path);
		if (r == 0 && path)
			r = check(libraries, path, ret_attributes);
		if (path && r != -ENOENT) {
			*ret_path = bfs_steal(&path);
			return r;
		}
		free(bfs_steal(&path));
	}
	r = find_place(libraries, directory, &ino);
	if (r < 0 || ino == 0)
		return r < 0 ? r : -ENOENT;
	r = bfs_tree_lookup(libraries->walk->tree, ino, needed, strlen(needed), ret_attributes);
	if (r < 0)
		return r == -ENAMETOOLONG || r == -EINVAL ? -ENOENT : r;
	path = bfs_path_join(directory, needed);
	r = path ? check(libraries, path, ret_attributes) : -ENOMEM;
	if (r == 0)
		*ret_path = bfs_steal(&path);
	return r;
}

int bfs_export_libraries_find(struct bfs_export_libraries *libraries, const char *file,
	const struct bfs_export_facts *facts, const char *needed, char **ret_path,
	struct bfs_attributes *ret_attributes)
{
	const char *rpath = facts->rpath ? facts->rpath : "";
	int r = -ENOENT;

	if (!bfs_name_is_valid(needed, strlen(needed)))
		return -ENOENT;
	for (const char *at = rpath, *end; r == -ENOENT && *at; at = *end ? end + 1 : end) {
		_cleanup_free_ char *directory = NULL, *place = NULL;

		end = strchrnul(at, ':');
		directory = strndup(at, (size_t)(end - at));
		if (!directory)
			return -ENOMEM;
		r = bfs_export_libraries_place(libraries->prefix, file, directory, &place);
		if (r == 0)
			r = place ? find_in(libraries, place, needed, ret_path, ret_attributes)
				  : -ENOENT;
	}
	return r == -ENOENT ? find_in(libraries, "lib", needed, ret_path, ret_attributes) : r;
}
