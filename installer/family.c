#include "installer/family.h"

#include "index/tree_path.h"
#include "installer/prefix.h"

#include <string.h>

static void cut_full(char *name)
{
	static const char full[] = "-full";
	size_t length = strlen(name);

	if (length > strlen(full) && strcmp(name + length - strlen(full), full) == 0)
		name[length - strlen(full)] = '\0';
}

/* "@1.2" at the end; a name like foo@beta is no version (formula.rb#unversioned_formula_name). */
static void cut_version(char *name)
{
	char *at = strrchr(name, '@');

	if (at && at > name && at[1] && strspn(at + 1, "0123456789.") == strlen(at + 1))
		*at = '\0';
}

char *bfs_family_base(const char *name)
{
	char *base = strdup(name);

	if (!base)
		return NULL;
	cut_full(base);
	cut_version(base);
	cut_full(base);
	return base;
}

static int add_relative(
	struct bfs_tree *tree, const char *base, const char *rack, bfs_strings *names)
{
	_cleanup_free_ char *other = bfs_family_base(rack);
	_cleanup_free_ char **versions = NULL;
	int r;

	if (!other)
		return -ENOMEM;
	if (strcmp(base, other) != 0)
		return 0;
	r = bfs_rack_versions(tree, rack, &versions);
	return r < 0 || !versions[0] ? r : bfs_strings_add(names, rack);
}

int bfs_family_list(struct bfs_tree *tree, const char *name, bfs_strings *names)
{
	_cleanup_free_ char *base = bfs_family_base(name);
	_cleanup_free_ char **racks = NULL;
	struct bfs_attributes cellar;
	int r = base ? bfs_tree_stat_path(tree, BFS_CELLAR, &cellar) : -ENOMEM;

	if (r == 0)
		r = bfs_tree_list(tree, cellar.ino, &racks);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	for (char **rack = racks; r == 0 && *rack; rack++)
		if (strcmp(*rack, name) != 0)
			r = add_relative(tree, base, *rack, names);
	return r;
}
