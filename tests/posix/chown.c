/* chown(2): who may give what to whom, what it does to the special bits, times. */
#include "tests/posix/posix.h"

static void check_owner(const char *path, uid_t uid, gid_t gid, const char *sentence)
{
	struct stat st = posix_lstat(path);

	ok(st.st_uid == uid && st.st_gid == gid, "%s: owner %u:%u", sentence, uid, gid);
	if (st.st_uid != uid || st.st_gid != gid)
		printf("# got %u:%u\n", st.st_uid, st.st_gid);
}

static void case_root(enum posix_kind kind)
{
	const char *what = posix_kind_name(kind);
	struct stat before;

	posix_make(kind, "n");
	works(lchown("n", 123, 456), "root gives a %s away", what);
	check_owner("n", 123, 456, what);
	works(lchown("n", 99999, (gid_t)-1), "only the owner of a %s", what);
	check_owner("n", 99999, 456, what);
	works(lchown("n", (uid_t)-1, 4000000000U), "only the group of a %s", what);
	check_owner("n", 99999, 4000000000U, what);
	works(lchown("n", (uid_t)-1, (gid_t)-1), "nothing of a %s", what);
	check_owner("n", 99999, 4000000000U, what);
	before = posix_lstat("n");
	posix_tick();
	works(lchown("n", 0, 0), "root takes a %s", what);
	moved(before, "n", CTIME, "which moves its ctime only");
	check_owner("n", 0, 0, what);
	before = posix_lstat("n");
	posix_tick();
	works(lchown("n", 0, 0), "root gives a %s to who has it", what);
	moved(before, "n", CTIME, "which moves its ctime as well");
	if (kind != SYMLINK) {
		symlink("n", "l");
		works(chown("l", 5, 6), "chown of a symlink to a %s", what);
		check_owner("n", 5, 6, "what it leads to");
		check_owner("l", 0, 0, "the link");
		works(lchown("l", 7, 8), "lchown of the symlink");
		check_owner("n", 5, 6, "what it leads to");
		check_owner("l", 7, 8, "the link");
		unlink("l");
	}
	posix_remove("n");
}

static void case_user(enum posix_kind kind)
{
	const gid_t groups[] = {OTHER_GROUP, THIRD_GROUP};
	const char *what = posix_kind_name(kind);
	struct stat before;

	posix_make_owned(kind, "n", 0644, USER, 500);
	AS_GROUPS (USER, GROUP, 2, groups) {
		works(lchown("n", (uid_t)-1, GROUP), "the owner of a %s gives it to the own group",
			what);
		check_owner("n", USER, GROUP, what);
		works(lchown("n", USER, OTHER_GROUP), "to a supplementary group");
		check_owner("n", USER, OTHER_GROUP, what);
		works(lchown("n", (uid_t)-1, THIRD_GROUP), "to the other supplementary group");
		check_owner("n", USER, THIRD_GROUP, what);
		before = posix_lstat("n");
		posix_tick();
		works(lchown("n", USER, OTHER_GROUP), "and back");
		moved(before, "n", CTIME, "which moves the ctime only");
		before = posix_lstat("n");
		posix_tick();
		fails(EPERM, lchown("n", (uid_t)-1, 500), "to a group of others");
		fails(EPERM, lchown("n", OTHER_USER, (gid_t)-1), "to another user");
		fails(EPERM, lchown("n", 0, 0), "to root");
		moved(before, "n", 0, "which moves nothing");
		check_owner("n", USER, OTHER_GROUP, what);
	}
	AS (OTHER_USER, OTHER_GROUP) {
		fails(EPERM, lchown("n", OTHER_USER, (gid_t)-1), "another user takes a %s", what);
		fails(EPERM, lchown("n", (uid_t)-1, OTHER_GROUP),
			"or gives it to the group that it has");
		fails(EPERM, lchown("n", USER, OTHER_GROUP), "or to who has it");
		works(lchown("n", (uid_t)-1, (gid_t)-1), "or changes nothing");
	}
	check_owner("n", USER, OTHER_GROUP, what);
	posix_remove("n");
}

/* Linux clears S_ISUID, and S_ISGID of what the group may run, of anything but directories. */
static void case_special_bits(enum posix_kind kind)
{
	static const struct {
		mode_t before, after;
	} modes[] = {{06555, 0555}, {04555, 0555}, {02555, 0555}, {04444, 0444}, {02755, 0755},
		{01555, 01555}};
	const gid_t groups[] = {OTHER_GROUP};
	const char *what = posix_kind_name(kind);

	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		mode_t after = kind == DIRECTORY ? modes[i].before : modes[i].after;

		posix_make_owned(kind, "n", modes[i].before, USER, GROUP);
		is_int(posix_mode("n"), modes[i].before, "mode of a %s", what);
		chown("n", OTHER_USER, OTHER_GROUP);
		is_int(posix_mode("n"), after, "root's chown leaves of it");
		chown("n", USER, GROUP);
		chmod("n", modes[i].before);
		AS_GROUPS (USER, GROUP, 1, groups)
			works(chown("n", USER, OTHER_GROUP),
				"the owner's chown of a %s of mode %#o", what, modes[i].before);
		is_int(posix_mode("n"), after, "leaves of it");
		chmod("n", modes[i].before);
		works(chown("n", USER, OTHER_GROUP), "root's chown to who has it, %s of mode %#o",
			what, modes[i].before);
		is_int(posix_mode("n"), after, "leaves of it");
		if (kind == REGULAR) {
			chmod("n", modes[i].before);
			works(chown("n", (uid_t)-1, (gid_t)-1), "chown to nobody, %s of mode %#o",
				what, modes[i].before);
			is_int(posix_mode("n"), after, "leaves of it");
		}
		posix_remove("n");
	}
}

static void case_descriptor(void)
{
	int fd;

	for (int directory = 0; directory < 2; directory++) {
		posix_make(directory ? DIRECTORY : REGULAR, "n");
		fd = open("n", O_RDONLY);
		works(fchown(fd, 11, 12), "fchown");
		check_owner("n", 11, 12, "fchown");
		posix_remove("n");
		works(fchown(fd, 13, 14), "fchown when the name is gone");
		is_int(posix_fstat(fd).st_uid, 13, "gives it away");
		close(fd);
	}
	posix_make(SYMLINK, "n");
	works(fchownat(AT_FDCWD, "n", 21, 22, AT_SYMLINK_NOFOLLOW), "fchownat of a symlink");
	check_owner("n", 21, 22, "fchownat");
	unlink("n");
	posix_make(REGULAR, "n");
	fd = open("n", O_PATH);
	works(fchownat(fd, "", 31, 32, AT_EMPTY_PATH), "fchownat of a descriptor alone");
	check_owner("n", 31, 32, "fchownat");
	close(fd);
	unlink("n");
}

void posix_area_chown(const struct posix_place *place)
{
	(void)place;
	chmod(".", 0777);
	FOR_EACH_KIND (kind) {
		case_root(kind);
		case_user(kind);
		if (kind != SYMLINK)
			case_special_bits(kind);
	}
	case_descriptor();
}
