#include "installer/prefix.h"

#include "index/tree_path.h"
#include "installer/listing.h"
#include "installer/version.h"
#include "lib/file.h"
#include "lib/path.h"

#include <string.h>

/* Homebrew keg.rb#must_exist_directories, and what its first pour leaves (install.rb,
 * HOMEBREW_TEMP_CELLAR). */
static const char *const directories[] = {
	BFS_CELLAR,
	"bin",
	"etc",
	"include",
	"lib",
	BFS_OPT,
	"sbin",
	"share",
	"var",
	BFS_LINKED_RECORDS,
	"var/homebrew/tmp/.cellar",
};

int bfs_prefix_prepare(struct bfs_tree *tree, struct bfs_error *error)
{
	struct bfs_attributes attributes;

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(directories); i++) {
		int r = bfs_tree_make_directories(tree, directories[i], &attributes);

		if (r < 0)
			return bfs_error_set(
				error, r, "preparing the prefix", directories[i], NULL);
	}
	return 0;
}

int bfs_prefix_absolute(struct bfs_tree *tree, const char *path, char **ret_path)
{
	_cleanup_free_ char *prefix = NULL;
	int r = bfs_tree_get_value(tree, "prefix", &prefix);

	if (r < 0 && r != -ENOENT)
		return r;
	*ret_path = bfs_path_join(prefix ? prefix : BFS_TREE_PREFIX_DEFAULT, path);
	return *ret_path ? 0 : -ENOMEM;
}

char *bfs_keg_path(const char *name, const char *version)
{
	return bfs_format(BFS_CELLAR "/%s/%s", name, version);
}

int bfs_keg_of(const char *path, char **ret_keg)
{
	const char *name = bfs_path_below(path, BFS_CELLAR);
	const char *slash = name ? strchr(name, '/') : NULL;

	if (!slash || !bfs_path_is_clean(path))
		return -ENOENT;
	*ret_keg = strndup(path, (size_t)(strchrnul(slash + 1, '/') - path));
	return *ret_keg ? 0 : -ENOMEM;
}

int bfs_keg_split(const char *keg, char **ret_name, char **ret_version)
{
	_cleanup_free_ char *whole = NULL, *rack = NULL, *name = NULL, *version = NULL;
	int r = bfs_keg_of(keg, &whole);

	if (r < 0 || strcmp(whole, keg) != 0)
		return r == -ENOMEM ? r : -EINVAL;
	rack = bfs_path_parent(keg);
	name = rack ? strdup(bfs_path_base(rack)) : NULL;
	version = strdup(bfs_path_base(keg));
	if (!name || !version)
		return -ENOMEM;
	*ret_name = bfs_steal(&name);
	*ret_version = bfs_steal(&version);
	return 0;
}

int bfs_keg_open(struct bfs_tree *tree, const char *keg, char **ret_name, uint64_t *ret_ino,
	struct bfs_error *error)
{
	_cleanup_free_ char *name = NULL, *version = NULL;
	struct bfs_attributes attributes;
	int r = bfs_keg_split(keg, &name, &version);

	if (r == 0)
		r = bfs_tree_stat_path(tree, keg, &attributes);
	if (r == 0 && !S_ISDIR(attributes.mode))
		r = -ENOENT;
	if (r < 0)
		return bfs_error_set(error, r, "opening the keg", keg, NULL);
	*ret_name = bfs_steal(&name);
	*ret_ino = attributes.ino;
	return 0;
}

/* -ENOENT where the name could not be one in a directory, so that no path is made of it. */
static int check_name(const char *name)
{
	return bfs_name_is_valid(name, strlen(name)) ? 0 : -ENOENT;
}

static bool is_missing(int r)
{
	return r == -ENOENT || r == -ENOTDIR || r == -ELOOP || r == -EXDEV;
}

static int compare_versions(const void *a, const void *b)
{
	const char *left = *(char *const *)a, *right = *(char *const *)b;
	int order = bfs_pkg_version_compare(left, right);

	return order ? order : strcmp(left, right);
}

/* The names of sub-directories, in one allocation. */
static int list_directories(
	struct bfs_tree *tree, uint64_t ino, char ***ret_names, size_t *ret_count)
{
	_cleanup_listing_ struct bfs_listing listing = BFS_LISTING_INIT;
	size_t size = sizeof(char *), count = 0;
	char **names, *text;
	int r = bfs_listing_read(tree, ino, &listing);

	if (r < 0)
		return r;
	for (size_t i = 0; i < listing.count; i++)
		size += sizeof(char *) + listing.entries[i].length + 1;
	names = malloc(size);
	if (!names)
		return -ENOMEM;
	text = (char *)(names + listing.count + 1);
	for (size_t i = 0; i < listing.count; i++) {
		if (!S_ISDIR(listing.entries[i].attributes.mode))
			continue;
		names[count++] = text;
		text = stpcpy(text, listing.entries[i].name) + 1;
	}
	names[count] = NULL;
	*ret_names = names;
	*ret_count = count;
	return 0;
}

int bfs_rack_versions(struct bfs_tree *tree, const char *name, char ***ret_versions)
{
	_cleanup_free_ char *path = bfs_path_join(BFS_CELLAR, name);
	struct bfs_attributes rack = {0};
	size_t count;
	int r = check_name(name);

	if (!path)
		return -ENOMEM;
	if (r == 0)
		r = bfs_tree_stat_path(tree, path, &rack);
	if (r < 0 && !is_missing(r))
		return r;
	/* Inode 0 is in no tree: the listing of a rack that is not there is empty. */
	r = list_directories(tree, r < 0 ? 0 : rack.ino, ret_versions, &count);
	if (r == 0)
		qsort(*ret_versions, count, sizeof(**ret_versions), compare_versions);
	return r;
}

/* The existing keg that the link DIRECTORY/NAME names. */
static int read_record(
	struct bfs_tree *tree, const char *directory, const char *name, char **ret_keg)
{
	_cleanup_free_ char *path = bfs_path_join(directory, name);
	_cleanup_free_ char *destination = NULL, *keg = NULL;
	struct bfs_attributes attributes;
	int r = check_name(name);

	if (!path)
		return -ENOMEM;
	if (r == 0)
		r = bfs_tree_link_destination(tree, path, &destination);
	if (r == 0)
		r = bfs_keg_of(destination, &keg);
	if (r == 0)
		r = bfs_tree_stat_path(tree, destination, &attributes);
	if (r < 0)
		return is_missing(r) || r == -EINVAL ? -ENOENT : r;
	if (strcmp(keg, destination) != 0 || !S_ISDIR(attributes.mode))
		return -ENOENT;
	*ret_keg = bfs_steal(&keg);
	return 0;
}

static int read_record_version(
	struct bfs_tree *tree, const char *directory, const char *name, char **ret_version)
{
	_cleanup_free_ char *keg = NULL, *rack = NULL;
	int r = read_record(tree, directory, name, &keg);

	return r < 0 ? r : bfs_keg_split(keg, &rack, ret_version);
}

int bfs_opt_keg(struct bfs_tree *tree, const char *name, char **ret_keg)
{
	return read_record(tree, BFS_OPT, name, ret_keg);
}

int bfs_opt_version(struct bfs_tree *tree, const char *name, char **ret_version)
{
	return read_record_version(tree, BFS_OPT, name, ret_version);
}

int bfs_linked_keg(struct bfs_tree *tree, const char *name, char **ret_keg)
{
	return read_record(tree, BFS_LINKED_RECORDS, name, ret_keg);
}

int bfs_linked_version(struct bfs_tree *tree, const char *name, char **ret_version)
{
	return read_record_version(tree, BFS_LINKED_RECORDS, name, ret_version);
}

static int has_record(struct bfs_tree *tree, const char *directory, const char *keg)
{
	_cleanup_free_ char *name = NULL, *version = NULL, *found = NULL;
	int r = bfs_keg_split(keg, &name, &version);

	if (r == 0)
		r = read_record(tree, directory, name, &found);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return strcmp(found, keg) == 0;
}

int bfs_keg_is_optlinked(struct bfs_tree *tree, const char *keg)
{
	return has_record(tree, BFS_OPT, keg);
}

int bfs_keg_is_linked(struct bfs_tree *tree, const char *keg)
{
	return has_record(tree, BFS_LINKED_RECORDS, keg);
}

/* Makes room for a record. */
static int clear_record(struct bfs_tree *tree, uint64_t directory, const char *name)
{
	struct bfs_attributes there;
	int r = bfs_tree_lookup(tree, directory, name, strlen(name), &there);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (S_ISDIR(there.mode))
		return bfs_tree_remove_directory(tree, directory, name, strlen(name));
	return bfs_tree_unlink(tree, directory, name, strlen(name));
}

int bfs_record_write(
	struct bfs_tree *tree, const char *directory, const char *name, const char *keg)
{
	_cleanup_free_ char *path = bfs_path_join(directory, name);
	_cleanup_free_ char *text = path ? bfs_path_relative(path, keg) : NULL;
	struct bfs_attributes parent;
	int r;

	if (!text)
		return -ENOMEM;
	if (check_name(name) < 0)
		return -EINVAL;
	r = bfs_tree_make_directories(tree, directory, &parent);
	if (r == 0)
		r = clear_record(tree, parent.ino, name);
	return r < 0 ? r : bfs_tree_symlink_path(tree, text, path);
}

int bfs_record_remove(
	struct bfs_tree *tree, const char *directory, const char *name, const char *keg)
{
	_cleanup_free_ char *path = bfs_path_join(directory, name), *destination = NULL;
	int r;

	if (!path)
		return -ENOMEM;
	r = check_name(name);
	if (r == 0)
		r = bfs_tree_link_destination(tree, path, &destination);
	if (r < 0)
		return is_missing(r) || r == -EINVAL ? 0 : r;
	return strcmp(destination, keg) == 0 ? bfs_tree_remove_path(tree, path) : 0;
}

static int is_in_the_way(struct bfs_tree *tree, const char *name)
{
	_cleanup_free_ char *linked = NULL, *opt = NULL;
	int r = bfs_linked_keg(tree, name, &linked);

	if (r == 0)
		r = bfs_opt_keg(tree, name, &opt);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return 1;
}

/* "  NAME: because REASON"; the reason is given with or without its first word. */
static int append_reason(struct bfs_buffer *reasons, const struct bfs_conflict *conflict)
{
	const char *reason = conflict->reason;

	if (!reason)
		return bfs_buffer_append_format(reasons, "  %s\n", conflict->name);
	return bfs_buffer_append_format(reasons, "  %s: %s%s\n", conflict->name,
		strncmp(reason, "because ", 8) == 0 ? "" : "because ", reason);
}

static int list_conflicts(struct bfs_tree *tree, const struct bfs_formula *formula,
	struct bfs_buffer *reasons, struct bfs_buffer *names)
{
	for (size_t i = 0; i < formula->conflict_count; i++) {
		const struct bfs_conflict *conflict = &formula->conflicts[i];
		int r = is_in_the_way(tree, conflict->name);

		if (r == 0)
			continue;
		if (r > 0)
			r = append_reason(reasons, conflict);
		if (r == 0)
			r = bfs_buffer_append_format(names, " %s", conflict->name);
		if (r < 0)
			return r;
	}
	return 0;
}

int bfs_formula_check_conflicts(
	struct bfs_tree *tree, const struct bfs_formula *formula, struct bfs_error *error)
{
	_cleanup_buffer_ struct bfs_buffer reasons = BFS_BUFFER_INIT, names = BFS_BUFFER_INIT;
	int r = list_conflicts(tree, formula, &reasons, &names);

	if (r < 0)
		return bfs_error_set(
			error, r, "looking for conflicting formulae", formula->name, NULL);
	if (names.length == 0)
		return 0;
	return bfs_error_set(error, -EEXIST, "Cannot install", formula->name,
		"conflicting formulae are installed\n%sAs an entry of a Brewfile it takes the place of%s; "
		"--force installs it beside.",
		reasons.data, names.data);
}
