#include "index/rack.h"

#include "index/tree_path.h"
#include "lib/db.h"
#include "lib/file.h"
#include "lib/path.h"

#include <string.h>

#define OPT    "opt"
#define LINKED "var/homebrew/linked"
#define PINNED "var/homebrew/pinned"

void bfs_rack_release(struct bfs_rack *rack)
{
	for (size_t i = 0; i < rack->count; i++)
		free(rack->versions[i]);
	free(rack->versions);
	free(rack->name);
	free(rack->linked);
	free(rack->opt);
	free(rack->pinned);
	*rack = (struct bfs_rack){0};
}

void bfs_racks_free(struct bfs_rack *racks, size_t count)
{
	for (size_t i = 0; i < count; i++)
		bfs_rack_release(&racks[i]);
	free(racks);
}

int bfs_rack_keg(struct bfs_tree *tree, const char *name, const char *version,
	struct bfs_attributes *ret_attributes)
{
	_cleanup_free_ char *path = bfs_format("%s/%s/%s", BFS_CELLAR_DIRECTORY, name, version);
	struct bfs_attributes attributes;
	int r = path ? bfs_tree_lstat_path(tree, path, &attributes) : -ENOMEM;

	if (r < 0)
		return r == -ENOTDIR ? -ENOENT : r;
	if (!S_ISDIR(attributes.mode))
		return -ENOENT;
	*ret_attributes = attributes;
	return 0;
}

/* Name and version of the keg that a link names. -ENOENT for anything but a link to
 * "Cellar/NAME/VERSION". */
static int read_link(struct bfs_tree *tree, const char *directory, const char *name,
	char **ret_name, char **ret_version)
{
	_cleanup_free_ char *path = bfs_path_join(directory, name);
	_cleanup_free_ char *destination = NULL, *found_name = NULL, *found_version = NULL;
	const char *keg, *slash;
	int r = path ? bfs_tree_link_destination(tree, path, &destination) : -ENOMEM;

	if (r < 0)
		return r == -EINVAL || r == -EXDEV || r == -ENOTDIR ? -ENOENT : r;
	keg = bfs_path_below(destination, BFS_CELLAR_DIRECTORY);
	slash = keg ? strchr(keg, '/') : NULL;
	if (!slash || strchr(slash + 1, '/'))
		return -ENOENT;
	found_version = strdup(slash + 1);
	found_name = strndup(keg, (size_t)(slash - keg));
	if (!found_name || !found_version)
		return -ENOMEM;
	*ret_name = bfs_steal(&found_name);
	*ret_version = bfs_steal(&found_version);
	return 0;
}

/* The version of this formula that a link names, or NULL. */
static int read_record(struct bfs_tree *tree, const char *directory, const struct bfs_rack *rack,
	char **ret_version)
{
	_cleanup_free_ char *name = NULL, *version = NULL;
	int r = read_link(tree, directory, rack->name, &name, &version);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (strcmp(name, rack->name) != 0)
		return 0;
	for (size_t i = 0; i < rack->count; i++) {
		if (strcmp(version, rack->versions[i]) == 0) {
			*ret_version = bfs_steal(&version);
			break;
		}
	}
	return 0;
}

static int read_records(struct bfs_tree *tree, struct bfs_rack *rack)
{
	int r = read_record(tree, LINKED, rack, &rack->linked);

	if (r == 0)
		r = read_record(tree, OPT, rack, &rack->opt);
	return r == 0 ? read_record(tree, PINNED, rack, &rack->pinned) : r;
}

static int compare_versions(const void *a, const void *b)
{
	return strverscmp(*(char *const *)a, *(char *const *)b);
}

static int add_version(struct bfs_rack *rack, const char *version)
{
	char **grown = reallocarray(rack->versions, rack->count + 2, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	rack->versions = grown;
	grown[rack->count] = strdup(version);
	if (!grown[rack->count])
		return -ENOMEM;
	grown[++rack->count] = NULL;
	return 0;
}

/* The rack's directories. */
static int read_versions(struct bfs_tree *tree, uint64_t directory, struct bfs_rack *rack)
{
	_cleanup_free_ char **names = NULL;
	int r = bfs_tree_list(tree, directory, &names);

	for (size_t i = 0; r == 0 && names[i]; i++) {
		struct bfs_attributes keg;

		r = bfs_tree_lookup(tree, directory, names[i], strlen(names[i]), &keg);
		if (r == 0 && S_ISDIR(keg.mode))
			r = add_version(rack, names[i]);
	}
	if (r == 0 && rack->count)
		qsort(rack->versions, rack->count, sizeof(*rack->versions), compare_versions);
	return r;
}

/* The formula whose rack has that name. */
static int load(struct bfs_tree *tree, const char *name, struct bfs_rack *ret_rack)
{
	_cleanup_rack_ struct bfs_rack rack = {.name = strdup(name)};
	_cleanup_free_ char *path = bfs_path_join(BFS_CELLAR_DIRECTORY, name);
	struct bfs_attributes directory;
	int r = rack.name && path ? bfs_tree_lstat_path(tree, path, &directory) : -ENOMEM;

	if (r < 0)
		return r == -ENOTDIR || r == -ENAMETOOLONG ? -ENOENT : r;
	if (!S_ISDIR(directory.mode))
		return -ENOENT;
	r = read_versions(tree, directory.ino, &rack);
	if (r == 0 && rack.count == 0)
		r = -ENOENT;
	if (r == 0)
		r = read_records(tree, &rack);
	if (r < 0)
		return r;
	*ret_rack = rack;
	rack = (struct bfs_rack){0};
	return 0;
}

int bfs_rack_find(struct bfs_tree *tree, const char *name, struct bfs_rack *ret_rack)
{
	_cleanup_free_ char *other = NULL, *version = NULL;
	int r;

	name = bfs_path_base(name);
	if (!bfs_name_is_valid(name, strlen(name)))
		return -ENOENT;
	r = load(tree, name, ret_rack);
	if (r != -ENOENT)
		return r;
	r = read_link(tree, OPT, name, &other, &version);
	return r < 0 ? r : load(tree, other, ret_rack);
}

static int append(struct bfs_tree *tree, const char *name, struct bfs_rack **racks, size_t *count)
{
	struct bfs_rack one, *grown;
	int r = load(tree, name, &one);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	grown = reallocarray(*racks, *count + 1, sizeof(*grown));
	if (!grown) {
		bfs_rack_release(&one);
		return -ENOMEM;
	}
	*racks = grown;
	grown[(*count)++] = one;
	return 0;
}

int bfs_rack_list(struct bfs_tree *tree, struct bfs_rack **ret_racks, size_t *ret_count)
{
	_cleanup_free_ char **names = NULL;
	struct bfs_rack *racks = NULL;
	struct bfs_attributes cellar;
	size_t count = 0;
	int r = bfs_tree_lstat_path(tree, BFS_CELLAR_DIRECTORY, &cellar);

	if (r == 0 && S_ISDIR(cellar.mode))
		r = bfs_tree_list(tree, cellar.ino, &names);
	else if (r == -ENOENT)
		r = 0;
	for (size_t i = 0; r == 0 && names && names[i]; i++)
		r = append(tree, names[i], &racks, &count);
	if (r < 0) {
		bfs_racks_free(racks, count);
		return r;
	}
	*ret_racks = racks;
	*ret_count = count;
	return 0;
}

const char *bfs_rack_current(const struct bfs_rack *rack)
{
	if (rack->linked)
		return rack->linked;
	return rack->opt ? rack->opt : rack->versions[rack->count - 1];
}

/* UNION, so that an index whose directories form a circle ends as well. */
#define DIRECTORIES                                                                                \
	"WITH RECURSIVE directories(ino) AS (SELECT ?1 UNION SELECT i.ino FROM directories x"      \
	" JOIN dirent d ON d.parent=x.ino JOIN inode i ON i.ino=d.ino AND (i.mode & "              \
	"61440)=16384),"                                                                           \
	" files AS (SELECT i.ino, i.size FROM directories x JOIN dirent d ON d.parent=x.ino"       \
	" JOIN inode i ON i.ino=d.ino AND (i.mode & 61440)<>16384)"

int bfs_rack_usage(
	struct bfs_tree *tree, uint64_t directory, int64_t *ret_files, int64_t *ret_bytes)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(bfs_tree_db(tree),
		DIRECTORIES " SELECT (SELECT count(*) FROM files), coalesce(sum(size), 0)"
			    " FROM (SELECT DISTINCT ino, size FROM files)",
		&stmt);

	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, (int64_t)directory);
	r = bfs_db_step(stmt);
	if (r <= 0)
		return r < 0 ? r : -EUCLEAN;
	*ret_files = sqlite3_column_int64(stmt, 0);
	*ret_bytes = sqlite3_column_int64(stmt, 1);
	return 0;
}
