/* In a sticky directory only root, its owner and the file's owner remove or rename a name. */
#include "tests/posix/posix.h"

static int run_unlink(const char *path)
{
	return unlink(path);
}

static int run_rmdir(const char *path)
{
	return rmdir(path);
}

static int run_rename_within(const char *path)
{
	return rename(path, "s/moved");
}

static int run_rename_out(const char *path)
{
	return rename(path, "free/moved");
}

static int run_rename_over(const char *path)
{
	return rename("free/source", path);
}

static int run_rename_directory_over(const char *path)
{
	return rename("free/source-directory", path);
}

static const struct {
	const char *name;
	int (*run)(const char *path);
	bool directory, other;
} removals[] = {
	{"unlink", run_unlink, false, true},
	{"rmdir", run_rmdir, true, false},
	{"rename within", run_rename_within, true, true},
	{"rename out of it", run_rename_out, true, true},
	{"rename over", run_rename_over, false, true},
	{"rename of a directory over", run_rename_directory_over, true, false},
};

static void case_removal(
	size_t i, enum posix_kind kind, bool sticky, uid_t directory_owner, uid_t owner)
{
	bool allowed = !sticky || directory_owner == USER || owner == USER;
	/* A directory that changes its parent must be writable for who moves it. */
	mode_t mode = kind == DIRECTORY ? 0777 : 0644;

	posix_make_owned(DIRECTORY, "s", sticky ? 01777 : 0777, directory_owner, OTHER_GROUP);
	posix_make_owned(DIRECTORY, "free", 0777, 0, 0);
	posix_make_owned(REGULAR, "free/source", 0644, USER, GROUP);
	posix_make_owned(DIRECTORY, "free/source-directory", 0755, USER, GROUP);
	posix_make_owned(kind, "s/n", mode, owner, OTHER_GROUP);
	AS (USER, GROUP)
		fails(allowed ? 0 : EPERM, removals[i].run("s/n"),
			"%s, %s, directory %s, %s and the directory %s", removals[i].name,
			posix_kind_name(kind), sticky ? "sticky" : "not sticky",
			owner == USER ? "one's own" : "another's",
			directory_owner == USER ? "too" : "another's");
	ok(allowed || posix_exists("s/n"), "a refusal leaves it");
	posix_remove_tree("s");
	posix_remove_tree("free");
}

static void case_root(void)
{
	posix_make_owned(DIRECTORY, "s", 01777, USER, GROUP);
	posix_make_owned(REGULAR, "s/n", 0644, OTHER_USER, OTHER_GROUP);
	works(unlink("s/n"), "root removes anything");
	AS (USER, GROUP)
		works(posix_make(REGULAR, "s/m"), "anybody makes a name");
	AS (OTHER_USER, OTHER_GROUP) {
		works(link("s/m", "s/k") == 0 || errno == EPERM ? 0 : -1, "link is no removal");
		fails(EPERM, unlink("s/m"), "but unlink is");
		works(posix_make(REGULAR, "s/own"), "the own name");
		works(rename("s/own", "s/owned"), "is renamed");
		works(unlink("s/owned"), "and removed");
	}
	chmod("s", 0777);
	AS (OTHER_USER, OTHER_GROUP)
		works(unlink("s/m"), "it is allowed when the bit is taken away");
	posix_remove_tree("s");
}

void posix_area_sticky(const struct posix_place *place)
{
	static const uid_t owners[] = {USER, OTHER_USER};

	(void)place;
	chmod(".", 0777);
	for (size_t i = 0; i < sizeof(removals) / sizeof(*removals); i++) {
		FOR_EACH_KIND (kind) {
			if (kind == DIRECTORY ? !removals[i].directory : !removals[i].other)
				continue;
			for (int combination = 0; combination < 8; combination++)
				case_removal(i, kind, combination & 1, owners[combination >> 1 & 1],
					owners[combination >> 2]);
		}
	}
	case_root();
}
