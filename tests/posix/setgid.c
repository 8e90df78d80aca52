/* Directories with S_ISGID: what is made in them gets their group, directories the bit too. */
#include "tests/posix/posix.h"

static void case_inherited(enum posix_kind kind)
{
	const char *what = posix_kind_name(kind);
	struct stat st;

	posix_make_owned(DIRECTORY, "d", 02777, OTHER_USER, OTHER_GROUP);
	works(posix_make(kind, "d/root"), "root makes a %s", what);
	is_int(posix_lstat("d/root").st_gid, OTHER_GROUP, "of the directory's group");
	is_int(posix_lstat("d/root").st_uid, 0, "and root's");
	if (kind != CHARACTER && kind != BLOCK) {
		AS (USER, GROUP)
			works(posix_make(kind, "d/user"), "a user makes a %s", what);
		st = posix_lstat("d/user");
		is_int(st.st_gid, OTHER_GROUP, "of the directory's group");
		is_int(st.st_uid, USER, "and the user's");
		is_int(!!(st.st_mode & S_ISGID), kind == DIRECTORY,
			"S_ISGID is passed to directories only");
	}
	chmod("d", 0777);
	AS (USER, GROUP)
		posix_make(REGULAR, "d/plain");
	is_int(posix_lstat("d/plain").st_gid, GROUP, "without the bit it is the user's group");
	posix_remove_tree("d");
}

static void case_deep(void)
{
	posix_make_owned(DIRECTORY, "d", 02777, OTHER_USER, OTHER_GROUP);
	AS (USER, GROUP) {
		mkdir("d/a", 0755);
		mkdir("d/a/b", 0700);
		mkdir("d/a/b/c", 0);
		posix_write_file("d/a/b/n", "text");
	}
	is_int(posix_mode("d/a"), 02755, "a directory in it");
	is_int(posix_mode("d/a/b"), 02700, "and below that");
	is_int(posix_mode("d/a/b/c"), 02000, "and below that");
	is_int(posix_lstat("d/a/b/n").st_gid, OTHER_GROUP, "a file at the bottom has the group");
	posix_remove_tree("d");
}

/* A file that the group may run gets no S_ISGID from who is not of the group. */
static void case_file_bit(void)
{
	int fd;

	posix_make_owned(DIRECTORY, "d", 02777, OTHER_USER, OTHER_GROUP);
	AS (USER, GROUP) {
		works(fd = open("d/n", O_CREAT | O_RDWR, 02755),
			"a file with S_ISGID by who is not of the group");
		close(fd);
	}
	is_int(posix_mode("d/n"), 0755, "does not get the bit");
	AS (USER, OTHER_GROUP) {
		works(fd = open("d/m", O_CREAT | O_RDWR, 02755), "by who is of the group");
		close(fd);
	}
	is_int(posix_mode("d/m"), 02755, "gets it");
	AS (USER, GROUP) {
		works(mknod("d/p", S_IFREG | 02755, 0), "mknod by who is not of the group");
		works(rename("d/p", "d/q"), "rename");
	}
	is_int(posix_mode("d/q"), 0755, "does not get the bit");
	posix_remove_tree("d");
}

static void case_moved(void)
{
	posix_make_owned(DIRECTORY, "d", 02777, OTHER_USER, OTHER_GROUP);
	posix_make_owned(REGULAR, "n", 0644, USER, GROUP);
	posix_make_owned(DIRECTORY, "e", 0755, USER, GROUP);
	rename("n", "d/n");
	link("d/n", "d/m");
	rename("e", "d/e");
	is_int(posix_lstat("d/n").st_gid, GROUP, "what is moved into it keeps its group");
	is_int(posix_mode("d/e"), 0755, "and a directory its mode");
	posix_remove_tree("d");
}

void posix_area_setgid(const struct posix_place *place)
{
	(void)place;
	chmod(".", 0777);
	FOR_EACH_KIND (kind)
		case_inherited(kind);
	case_deep();
	case_file_bit();
	case_moved();
}
