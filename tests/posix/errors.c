/* What every call that takes a path answers to names that lead nowhere: one table of calls, one
 * case after another. */
#include "tests/posix/paths.h"

/* A directory "search" that OTHER_USER may not enter, with what the call needs in it. */
static void case_search(const struct posix_call *call)
{
	mkdir("search", 0700);
	posix_call_prepare(call, "search/n");
	AS (USER, GROUP)
		fails(EACCES, call->run("search/n"),
			"%s below a directory that may not be searched", call->name);
	posix_remove("search/n");
	rmdir("search");
}

static void case_parent_not_writable(const struct posix_call *call)
{
	if (!(call->flags & CHANGES_PARENT))
		return;
	mkdir("parent", 0755);
	posix_call_prepare(call, "parent/n");
	lchown("parent/n", USER, GROUP);
	AS (USER, GROUP)
		fails(EACCES, call->run("parent/n"), "%s in a directory that may not be written",
			call->name);
	posix_remove("parent/n");
	rmdir("parent");
}

/* The same, where the right comes from each class. */
static void case_parent_writable(const struct posix_call *call)
{
	static const struct {
		const char *class;
		mode_t mode;
		uid_t uid;
		gid_t gid;
	} grants[] = {
		{"owner", 0700, USER, OTHER_GROUP},
		{"group", 0070, OTHER_USER, GROUP},
		{"supplementary group", 0070, OTHER_USER, THIRD_GROUP},
		{"others", 0007, OTHER_USER, OTHER_GROUP},
	};
	const gid_t third = THIRD_GROUP;

	if (!(call->flags & CHANGES_PARENT))
		return;
	for (size_t i = 0; i < sizeof(grants) / sizeof(*grants); i++) {
		posix_make_owned(DIRECTORY, "parent", grants[i].mode, grants[i].uid, grants[i].gid);
		posix_call_prepare(call, "parent/n");
		posix_call_own(call, "parent/n", USER, GROUP);
		AS_GROUPS (USER, GROUP, 1, &third)
			works(call->run("parent/n"), "%s where the %s may write and search",
				call->name, grants[i].class);
		posix_call_undo(call, "parent/n");
		rmdir("parent");
	}
}

static void case_class_denies(const struct posix_call *call)
{
	if (!(call->flags & CHANGES_PARENT))
		return;
	posix_make_owned(DIRECTORY, "parent", 0577, USER, GROUP);
	posix_call_prepare(call, "parent/n");
	posix_call_own(call, "parent/n", USER, GROUP);
	AS (USER, GROUP)
		fails(EACCES, call->run("parent/n"),
			"%s where only others than the owner may write", call->name);
	chmod("parent", 0757);
	chown("parent", OTHER_USER, GROUP);
	AS (USER, GROUP)
		fails(EACCES, call->run("parent/n"),
			"%s where only others than the group may write", call->name);
	posix_call_undo(call, "parent/n");
	rmdir("parent");
}

static void case_missing(const struct posix_call *call)
{
	fails(ENOENT, call->run("missing/n"), "%s below a missing directory", call->name);
	fails(ENOENT, call->run(""), "%s of an empty path", call->name);
	if (!(call->flags & CREATES))
		fails(ENOENT, call->run("missing"), "%s of a missing name", call->name);
	if (call->flags & FOLLOWS) {
		symlink("missing", "dangling");
		fails(ENOENT, call->run("dangling"), "%s of a dangling symlink", call->name);
		unlink("dangling");
	}
	symlink("missing", "dangling");
	fails(ENOENT, call->run("dangling/n"), "%s below a dangling symlink", call->name);
	unlink("dangling");
}

static void case_not_a_directory(const struct posix_call *call)
{
	FOR_EACH_KIND (kind) {
		if (kind == DIRECTORY || kind == SYMLINK)
			continue;
		posix_make(kind, "n");
		fails(ENOTDIR, call->run("n/x"), "%s below a %s", call->name,
			posix_kind_name(kind));
		symlink("n", "l");
		fails(ENOTDIR, call->run("l/x"), "%s below a symlink to a %s", call->name,
			posix_kind_name(kind));
		unlink("l");
		unlink("n");
	}
}

static void case_loop(const struct posix_call *call)
{
	symlink("a", "b");
	symlink("b", "a");
	symlink("self", "self");
	fails(ELOOP, call->run("a/n"), "%s below two symlinks that lead to each other", call->name);
	fails(ELOOP, call->run("self/n"), "%s below a symlink to itself", call->name);
	if (call->flags & FOLLOWS)
		fails(ELOOP, call->run("a"), "%s of symlinks that lead to each other", call->name);
	unlink("a");
	unlink("b");
	unlink("self");
}

static void case_long_name(const struct posix_call *call)
{
	char name[NAME_MAX + 2], below[NAME_MAX + 8];

	memset(name, 'x', sizeof(name));
	name[NAME_MAX + 1] = '\0';
	fails(ENAMETOOLONG, call->run(name), "%s of a name of 256 bytes", call->name);
	snprintf(below, sizeof(below), "%s/n", name);
	fails(ENAMETOOLONG, call->run(below), "%s below a name of 256 bytes", call->name);
	if (call->flags & SHORT_ONLY)
		return;
	name[NAME_MAX] = '\0';
	posix_call_prepare(call, name);
	works(call->run(name), "%s of a name of 255 bytes", call->name);
	posix_call_undo(call, name);
}

static void case_long_path(const struct posix_call *call)
{
	char path[PATH_MAX + 1];

	if (call->flags & SHORT_ONLY)
		return;
	/* "./././n": slashes count, directories need not be made. */
	for (size_t i = 0; i < PATH_MAX; i++)
		path[i] = i & 1 ? '/' : '.';
	path[PATH_MAX - 1] = 'n';
	path[PATH_MAX] = '\0';
	fails(ENAMETOOLONG, call->run(path), "%s of a path of 4096 bytes", call->name);
	path[PATH_MAX - 2] = 'n';
	path[PATH_MAX - 1] = '\0';
	posix_call_prepare(call, "n");
	works(call->run(path), "%s of a path of 4095 bytes", call->name);
	posix_call_undo(call, "n");
}

static void case_fault(const struct posix_call *call)
{
	if (call->flags & SHORT_ONLY)
		return;
	fails(EFAULT, call->run((const char *)1), "%s of a path outside of memory", call->name);
	fails(EFAULT, call->run((const char *)-1), "%s of a path at the end of memory", call->name);
}

static void case_dots(const struct posix_call *call)
{
	if (!(call->flags & CREATES))
		return;
	fails_either(EEXIST, call->flags & CREATES_FILE ? EISDIR : EEXIST, call->run("."),
		"%s of .", call->name);
	fails_either(EEXIST, call->flags & CREATES_FILE ? EISDIR : EEXIST, call->run(".."),
		"%s of ..", call->name);
}

static void case_trailing_slash(const struct posix_call *call)
{
	if (call->flags & CREATES || call->needs == DIRECTORY || call->flags & SHORT_ONLY)
		return;
	if (call->needs != SYMLINK) {
		posix_call_prepare(call, "n");
		fails(ENOTDIR, call->run("n/"), "%s of a %s with a slash behind it", call->name,
			posix_kind_name(call->needs));
		posix_remove("n");
	}
}

void posix_area_errors(const struct posix_place *place)
{
	(void)place;
	chmod(".", 0777);
	posix_call_prepare(posix_calls, "n");
	posix_remove("n");
	for (const struct posix_call *call = posix_calls; call->name; call++) {
		case_missing(call);
		case_not_a_directory(call);
		case_loop(call);
		case_long_name(call);
		case_long_path(call);
		case_search(call);
		case_parent_not_writable(call);
		case_parent_writable(call);
		case_class_denies(call);
		case_fault(call);
		case_dots(call);
		case_trailing_slash(call);
	}
}
