#include "installer/link_walk.h"

#include "index/tree_path.h"
#include "installer/link_rules.h"
#include "installer/listing.h"
#include "installer/prefix.h"
#include "lib/path.h"

#include <limits.h>
#include <string.h>

/*
 * A split links the other keg's files, and may come upon another link that needs splitting only
 * where somebody made links by hand, into a keg but to another place in it. Homebrew itself never
 * makes such a chain.
 */
#define SPLITS_MAX 8

struct walk {
	const struct bfs_link_walk *base;
	struct bfs_tree *tree;
	const char *keg; /* whose files are linked: another one's during a split */
	const char
		*top; /* the rules' directory; NULL during a split: a real directory everywhere */
	unsigned splits;	/* how deep in them */
	struct bfs_buffer path; /* of the entry: below the keg, and below the prefix */
	struct bfs_error *error;
};

static void walk_release(struct walk *walk)
{
	bfs_buffer_release(&walk->path);
}

#define _cleanup_walk_ BFS_CLEANUP(walk_release)

/* A directory of the prefix. */
struct level {
	uint64_t ino;  /* 0 where it does not exist, as far as is known */
	size_t length; /* the walk's path begins with its path, this long */
};

/* An entry of the keg and what the prefix has in its place. */
struct place {
	const struct bfs_listing_entry *entry;
	struct level *level;	     /* the directory in the prefix */
	struct bfs_attributes there; /* mode 0 where there is nothing */
};

static int link_directory(struct walk *walk, uint64_t ino, struct level *level);

static bool is_nowhere(int r)
{
	return r == -ENOENT || r == -ENOTDIR || r == -ELOOP;
}

/* The directory may have been made meanwhile, by a split. */
static int find_level(struct walk *walk, struct level *level)
{
	_cleanup_free_ char *path = NULL;
	struct bfs_attributes attributes;
	int r;

	if (level->ino)
		return 0;
	path = strndup(walk->path.data, level->length);
	if (!path)
		return -ENOMEM;
	r = bfs_tree_stat_path(walk->tree, path, &attributes);
	if (r == 0 && S_ISDIR(attributes.mode))
		level->ino = attributes.ino;
	return is_nowhere(r) ? 0 : r;
}

static int make_level(struct walk *walk, struct level *level)
{
	_cleanup_free_ char *path = NULL;
	struct bfs_attributes attributes;
	int r;

	if (level->ino)
		return 0;
	path = strndup(walk->path.data, level->length);
	if (!path)
		return -ENOMEM;
	r = bfs_tree_make_directories(walk->tree, path, &attributes);
	if (r == 0)
		level->ino = attributes.ino;
	return r;
}

static int look_up(struct walk *walk, struct place *place)
{
	int r = find_level(walk, place->level);

	place->there.mode = 0;
	if (r < 0 || !place->level->ino)
		return r;
	r = bfs_tree_lookup(walk->tree, place->level->ino, place->entry->name, place->entry->length,
		&place->there);
	return r == -ENOENT ? 0 : r;
}

static int remove_link(struct walk *walk, struct place *place)
{
	place->there.mode = 0;
	return bfs_tree_unlink(
		walk->tree, place->level->ino, place->entry->name, place->entry->length);
}

/* Where the entry lies: "Cellar/NAME/VERSION/bin/x". NULL when out of memory. */
static char *source_path(const struct walk *walk)
{
	return bfs_path_join(walk->keg, walk->path.data);
}

/* 1 where the link that is there names the entry, in whatever words. */
static int names_entry(struct walk *walk, const struct place *place)
{
	_cleanup_free_ char *source = source_path(walk), *text = NULL, *destination = NULL;
	_cleanup_free_ char *expected = source ? bfs_path_relative(walk->path.data, source) : NULL;
	int r;

	if (!expected)
		return -ENOMEM;
	r = bfs_tree_read_link(walk->tree, place->there.ino, &text);
	if (r < 0)
		return r;
	if (strcmp(text, expected) == 0)
		return 1;
	r = bfs_tree_link_destination(walk->tree, walk->path.data, &destination);
	if (r < 0)
		return r == -EXDEV ? 0 : r;
	return strcmp(destination, source) == 0;
}

/* The name of the formula whose keg the path ends in; NULL for none. */
static int find_owner(struct walk *walk, char **ret_owner)
{
	_cleanup_free_ char *real = NULL, *keg = NULL, *version = NULL;
	int r = bfs_tree_resolve_path(walk->tree, walk->path.data, &real);

	*ret_owner = NULL;
	if (r == 0)
		r = bfs_keg_of(real, &keg);
	if (r == 0)
		r = bfs_keg_split(keg, ret_owner, &version);
	return is_nowhere(r) || r == -EXDEV ? 0 : r;
}

static void release_conflict(struct bfs_link_conflict *conflict)
{
	free(conflict->path);
	free(conflict->source);
	free(conflict->target);
	free(conflict->owner);
}

static int describe_conflict(
	struct walk *walk, const struct place *place, struct bfs_link_conflict *conflict)
{
	int r = 0;

	conflict->path = strdup(walk->path.data);
	conflict->source = source_path(walk);
	if (!conflict->path || !conflict->source)
		return -ENOMEM;
	if (S_ISLNK(place->there.mode))
		r = bfs_tree_read_link(walk->tree, place->there.ino, &conflict->target);
	return r < 0 ? r : find_owner(walk, &conflict->owner);
}

/* Takes the conflict's strings over. */
static int add_conflict(
	struct bfs_link_conflict **conflicts, size_t *count, struct bfs_link_conflict *conflict)
{
	struct bfs_link_conflict *grown = reallocarray(*conflicts, *count + 1, sizeof(**conflicts));

	if (!grown)
		return -ENOMEM;
	*conflicts = grown;
	grown[(*count)++] = *conflict;
	*conflict = (struct bfs_link_conflict){0};
	return 0;
}

static bool is_allowed(
	const struct bfs_link_options *options, const struct bfs_link_conflict *conflict)
{
	const char *owner = conflict->owner;

	if (owner && options->protects && options->protects(options->context, owner))
		return false;
	if (bfs_link_may_overwrite(conflict->path, options->link_overwrite))
		return true;
	return owner && options->family && bfs_strings_contains(options->family, owner);
}

/* 1 where it was replaced, 0 where it may not be, or is a directory that --overwrite does not
 * empty. */
static int try_to_replace(
	struct walk *walk, struct place *place, const struct bfs_link_conflict *conflict)
{
	const struct bfs_link_options *options = walk->base->options;
	const char *name = place->entry->name;
	size_t length = place->entry->length;
	uint64_t parent = place->level->ino;
	int r;

	if (is_allowed(options, conflict))
		r = bfs_tree_remove(walk->tree, parent, name, length);
	else if (!options->overwrite)
		return 0;
	else if (S_ISDIR(place->there.mode))
		r = bfs_tree_remove_directory(walk->tree, parent, name, length);
	else
		r = bfs_tree_unlink(walk->tree, parent, name, length);
	if (r < 0)
		return r == -ENOTEMPTY ? 0 : r;
	place->there.mode = 0;
	return 1;
}

/* 0 where the way is free now, 1 where it is not and the walk goes on, -EEXIST where it does not.
 */
static int settle(struct walk *walk, struct place *place)
{
	struct bfs_link_report *report = walk->base->report;
	struct bfs_link_conflict conflict = {0};
	int r = describe_conflict(walk, place, &conflict);

	if (r == 0)
		r = try_to_replace(walk, place, &conflict);
	if (r > 0) {
		r = add_conflict(&report->replaced, &report->replaced_count, &conflict);
	} else if (r == 0) {
		r = add_conflict(&report->conflicts, &report->conflict_count, &conflict);
		if (r == 0)
			r = walk->base->collect ? 1 : -EEXIST;
	}
	release_conflict(&conflict);
	return r;
}

/* 0 where the way is free for a link or directory, 1 where there is nothing (more) to do, or an
 * error. */
static int clear_way(struct walk *walk, struct place *place)
{
	struct bfs_attributes attributes;
	int r;

	if (!place->there.mode)
		return 0;
	if (!S_ISLNK(place->there.mode))
		return settle(walk, place);
	r = names_entry(walk, place);
	if (r != 0)
		return r;
	r = bfs_tree_stat_path(walk->tree, walk->path.data, &attributes);
	if (is_nowhere(r))
		return remove_link(walk, place);
	return r == 0 || r == -EXDEV ? settle(walk, place) : r;
}

static int make_link(struct walk *walk, struct place *place)
{
	_cleanup_free_ char *source = NULL, *text = NULL;
	int r = clear_way(walk, place);

	if (r != 0)
		return r > 0 ? 0 : r;
	source = source_path(walk);
	text = source ? bfs_path_relative(walk->path.data, source) : NULL;
	if (!text)
		return -ENOMEM;
	r = make_level(walk, place->level);
	if (r == 0)
		r = bfs_tree_make_symlink(walk->tree, place->level->ino, place->entry->name,
			place->entry->length, text, strlen(text), walk->base->mtime, NULL);
	if (r == 0)
		walk->base->report->links++;
	return r;
}

/*
 * 1 for a symlink of the keg whose own text names its place in the prefix ("share/x ->
 * ../../../../share/x"), or the same path in some formula's opt directory: a formula made of
 * others, whose links are theirs to make.
 */
static int leads_back(struct walk *walk, const struct place *place)
{
	_cleanup_free_ char *text = NULL, *source = NULL, *destination = NULL;
	const char *below;
	int r = bfs_tree_read_link(walk->tree, place->entry->attributes.ino, &text);

	/* Without these it does not leave the keg. */
	if (r < 0 || (text[0] != '/' && !strstr(text, "..")))
		return r;
	source = source_path(walk);
	if (!source)
		return -ENOMEM;
	r = bfs_tree_link_destination(walk->tree, source, &destination);
	if (r < 0)
		return r == -EXDEV ? 0 : r;
	if (strcmp(destination, walk->path.data) == 0)
		return 1;
	below = bfs_path_below(destination, BFS_OPT);
	below = below ? strchr(below, '/') : NULL;
	return below && strcmp(below + 1, walk->path.data) == 0;
}

static enum bfs_link_action choose(const struct walk *walk, mode_t mode)
{
	if (!walk->top)
		return S_ISDIR(mode) ? BFS_LINK_MKPATH : BFS_LINK_LINK;
	return bfs_link_rule(walk->top, walk->path.data + strlen(walk->top) + 1, mode);
}

static int visit_file(struct walk *walk, struct place *place)
{
	mode_t mode = place->entry->attributes.mode;
	int r = 0;

	if (bfs_link_is_ignored(walk->path.data, mode))
		return 0;
	if (S_ISLNK(mode))
		r = leads_back(walk, place);
	if (r != 0)
		return r > 0 ? 0 : r;
	if (choose(walk, mode) == BFS_LINK_SKIP)
		return 0;
	r = look_up(walk, place);
	return r < 0 ? r : make_link(walk, place);
}

static int descend(struct walk *walk, const struct place *place, uint64_t ino)
{
	struct level level = {ino, walk->path.length};

	return link_directory(walk, place->entry->attributes.ino, &level);
}

/*
 * The directory of another keg that the link which is there names, one step, as its real path; NULL
 * where it names anything else.
 */
static int find_split(struct walk *walk, struct place *place, char **ret_real,
	struct bfs_attributes *ret_attributes)
{
	_cleanup_free_ char *destination = NULL, *real = NULL;
	int r = bfs_tree_link_destination(walk->tree, walk->path.data, &destination);

	*ret_real = NULL;
	if (r == 0)
		r = bfs_tree_lstat_path(walk->tree, destination, ret_attributes);
	if (r == -ENOENT || r == -ENOTDIR)
		return remove_link(walk, place);
	if (r == 0 && S_ISDIR(ret_attributes->mode))
		r = bfs_tree_resolve_path(walk->tree, destination, &real);
	if (r < 0)
		return r == -EXDEV || r == -ELOOP ? 0 : r;
	*ret_real = bfs_steal(&real);
	return 0;
}

/* The directory that the walk begins in is in the way: it leads into a keg, or is none. */
static int refuse_level(struct walk *walk, struct bfs_link_report *report)
{
	struct bfs_link_conflict conflict = {.path = strdup(walk->path.data)};
	int r;

	conflict.source = source_path(walk);
	r = conflict.path && conflict.source ? find_owner(walk, &conflict.owner) : -ENOMEM;
	if (r == 0)
		r = bfs_tree_read_link_path(walk->tree, walk->path.data, &conflict.target);
	if (r == 0 || r == -EINVAL)
		r = add_conflict(&report->conflicts, &report->conflict_count, &conflict);
	release_conflict(&conflict);
	if (r < 0)
		return r;
	return walk->base->collect ? 1 : -EEXIST;
}

/* Begins at the directory of the walk's path, which links may lead to, but not into a keg: nothing
 * is linked there. */
static int open_level(struct walk *walk, struct level *level)
{
	_cleanup_free_ char *real = NULL;
	struct bfs_attributes attributes;
	int r = bfs_tree_resolve_path(walk->tree, walk->path.data, &real);

	level->ino = 0;
	level->length = walk->path.length;
	if (r == 0 && bfs_path_below(real, BFS_CELLAR))
		return refuse_level(walk, walk->base->report);
	if (r == 0)
		r = bfs_tree_lstat_path(walk->tree, real, &attributes);
	if (r == -ENOENT)
		return 0;
	if (r == -ENOTDIR || r == -EXDEV || r == -ELOOP || (r == 0 && !S_ISDIR(attributes.mode)))
		return refuse_level(walk, walk->base->report);
	if (r == 0)
		level->ino = attributes.ino;
	return r;
}

/* Links what is in directory `ino` of the walk's keg, which is that of its path. */
static int begin(struct walk *walk, const char *path, uint64_t ino)
{
	struct level level;
	int r = bfs_buffer_append_string(&walk->path, path);

	if (r == 0)
		r = open_level(walk, &level);
	if (r != 0)
		return r > 0 ? 0 : r;
	return link_directory(walk, ino, &level);
}

/* Links everything in directory `below` of another keg one by one. */
static int link_other_keg(struct walk *walk, const char *keg, const char *below, uint64_t ino)
{
	_cleanup_walk_ struct walk other = {
		.base = walk->base,
		.tree = walk->tree,
		.keg = keg,
		.splits = walk->splits + 1,
		.error = walk->error,
	};

	return other.splits > SPLITS_MAX ? -ELOOP : begin(&other, below, ino);
}

/* 1 where the link that is there was to a directory of a keg, and now all that is in it is linked.
 */
static int split(struct walk *walk, struct place *place)
{
	_cleanup_free_ char *real = NULL, *keg = NULL;
	struct bfs_attributes attributes;
	const char *below;
	int r = find_split(walk, place, &real, &attributes);

	if (r < 0 || !real)
		return r;
	r = bfs_keg_of(real, &keg);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	below = bfs_path_below(real, keg);
	if (!below || !*below)
		return 0;
	r = remove_link(walk, place);
	if (r == 0)
		r = link_other_keg(walk, keg, below, attributes.ino);
	return r < 0 ? r : 1;
}

/* The directory that a link leads to, in several steps or outside the Cellar; 0 for one that no
 * link may be put in. */
static int follow_link(struct walk *walk, uint64_t *ret_ino)
{
	_cleanup_free_ char *real = NULL;
	struct bfs_attributes attributes;
	int r = bfs_tree_stat_path(walk->tree, walk->path.data, &attributes);

	*ret_ino = 0;
	if (r == 0 && S_ISDIR(attributes.mode))
		r = bfs_tree_resolve_path(walk->tree, walk->path.data, &real);
	if (r < 0)
		return is_nowhere(r) || r == -EXDEV ? 0 : r;
	if (real && !bfs_path_below(real, BFS_CELLAR))
		*ret_ino = attributes.ino;
	return 0;
}

static int make_directory(struct walk *walk, struct place *place)
{
	uint64_t ino = 0;
	int r = 0;

	if (S_ISLNK(place->there.mode))
		r = follow_link(walk, &ino);
	if (r < 0 || ino)
		return r < 0 ? r : descend(walk, place, ino);
	r = clear_way(walk, place);
	if (r != 0)
		return r > 0 ? 0 : r;
	r = make_level(walk, place->level);
	if (r == 0)
		r = bfs_tree_make_directory(walk->tree, place->level->ino, place->entry->name,
			place->entry->length, 0755, walk->base->mtime, &ino);
	return r < 0 ? r : descend(walk, place, ino);
}

/* A link to the other keg's directory, or to this very one. */
static int visit_linked_directory(
	struct walk *walk, struct place *place, enum bfs_link_action action)
{
	int r = action == BFS_LINK_MKPATH ? 0 : names_entry(walk, place);

	if (r != 0)
		return r > 0 ? 0 : r;
	r = split(walk, place);
	if (r != 0)
		return r > 0 ? descend(walk, place, 0) : r;
	return action == BFS_LINK_MKPATH ? make_directory(walk, place) : make_link(walk, place);
}

static int visit_directory(struct walk *walk, struct place *place)
{
	mode_t mode = place->entry->attributes.mode;
	enum bfs_link_action action;
	int r = look_up(walk, place);

	if (r < 0)
		return r;
	if (S_ISDIR(place->there.mode))
		return descend(walk, place, place->there.ino);
	if (bfs_link_is_ignored(walk->path.data, mode))
		return 0;
	action = choose(walk, mode);
	if (action == BFS_LINK_SKIP)
		return 0;
	if (S_ISLNK(place->there.mode))
		return visit_linked_directory(walk, place, action);
	return action == BFS_LINK_MKPATH ? make_directory(walk, place) : make_link(walk, place);
}

static int visit(struct walk *walk, struct place *place)
{
	size_t length = walk->path.length;
	int r = bfs_buffer_append(&walk->path, "/", 1);

	if (r == 0)
		r = bfs_buffer_append(&walk->path, place->entry->name, place->entry->length);
	if (r == 0 &&
		walk->path.length >= PATH_MAX) /* nobody could open it; bounds the recursion */
		r = -ENAMETOOLONG;
	if (r == 0)
		r = S_ISDIR(place->entry->attributes.mode) ? visit_directory(walk, place)
							   : visit_file(walk, place);
	if (r < 0 && r != -EEXIST)
		bfs_error_set(walk->error, r, "linking", walk->path.data, NULL);
	walk->path.length = length;
	walk->path.data[length] = '\0';
	return r;
}

static int link_directory(struct walk *walk, uint64_t ino, struct level *level)
{
	_cleanup_listing_ struct bfs_listing listing = BFS_LISTING_INIT;
	int r = bfs_listing_read(walk->tree, ino, &listing);

	for (size_t i = 0; r == 0 && i < listing.count; i++) {
		struct place place = {&listing.entries[i], level, {0}};

		r = visit(walk, &place);
		if (r > 0)
			r = 0;
	}
	return r;
}

int bfs_link_walk_top(const struct bfs_link_walk *base, uint64_t keg_ino, const char *top,
	struct bfs_error *error)
{
	_cleanup_walk_ struct walk walk = {
		.base = base, .tree = base->tree, .keg = base->keg, .top = top, .error = error};
	struct bfs_attributes directory;
	int r = bfs_tree_lookup(base->tree, keg_ino, top, strlen(top), &directory);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (!S_ISDIR(directory.mode)) /* keg.rb#link_dir does not follow a link either */
		return 0;
	return begin(&walk, top, directory.ino);
}
