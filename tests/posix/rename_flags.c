/* renameat2(2): RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT. */
#include "tests/posix/posix.h"

static int move(const char *from, const char *to, unsigned flags)
{
	return renameat2(AT_FDCWD, from, AT_FDCWD, to, flags);
}

/* Flags may be refused, but with EINVAL, and then always. */
static bool supported(unsigned flag)
{
	bool r;

	posix_make(REGULAR, "a");
	if (flag == RENAME_EXCHANGE)
		posix_make(REGULAR, "b");
	r = move("a", "b", flag) == 0;
	ok(r || errno == EINVAL, "flag %u is carried out or refused with EINVAL", flag);
	unlink("a");
	unlink("b");
	return r;
}

static void case_no_replace(void)
{
	FOR_EACH_KIND (from) {
		FOR_EACH_KIND (to) {
			posix_make(from, "a");
			posix_make(to, "b");
			fails(EEXIST, move("a", "b", RENAME_NOREPLACE),
				"RENAME_NOREPLACE of a %s where a %s is", posix_kind_name(from),
				posix_kind_name(to));
			ok(posix_exists("a") && posix_exists("b"), "leaves both");
			posix_remove("a");
			posix_remove("b");
		}
		posix_make(from, "a");
		works(move("a", "b", RENAME_NOREPLACE), "RENAME_NOREPLACE of a %s to a free name",
			posix_kind_name(from));
		ok(!posix_exists("a") && posix_exists("b"), "renames it");
		posix_remove("b");
	}
	posix_make(REGULAR, "a");
	link("a", "b");
	fails(EEXIST, move("a", "b", RENAME_NOREPLACE),
		"RENAME_NOREPLACE to another name of itself");
	fails(EEXIST, move("a", "a", RENAME_NOREPLACE), "or to its own");
	unlink("a");
	unlink("b");
	fails(ENOENT, move("a", "b", RENAME_NOREPLACE), "RENAME_NOREPLACE of nothing");
}

static void case_exchange(enum posix_kind from, enum posix_kind to)
{
	struct stat a, b, x, y;

	mkdir("x", 0755);
	mkdir("y", 0755);
	posix_make(from, "x/n");
	posix_make(to, "y/n");
	a = posix_lstat("x/n");
	b = posix_lstat("y/n");
	x = posix_lstat("x");
	y = posix_lstat("y");
	posix_tick();
	works(move("x/n", "y/n", RENAME_EXCHANGE), "RENAME_EXCHANGE of a %s and a %s",
		posix_kind_name(from), posix_kind_name(to));
	ok(posix_ino("x/n") == b.st_ino && posix_ino("y/n") == a.st_ino, "exchanges them");
	moved(b, "x/n", CTIME, "ctime of the one");
	moved(a, "y/n", CTIME, "ctime of the other");
	moved(x, "x", CTIME | MTIME, "times of the one directory");
	moved(y, "y", CTIME | MTIME, "times of the other");
	is_int(posix_links("x"), to == DIRECTORY ? 3 : 2, "link count of the one directory");
	is_int(posix_links("y"), from == DIRECTORY ? 3 : 2, "link count of the other");
	posix_remove_tree("x");
	posix_remove_tree("y");
}

static void case_exchange_trees(void)
{
	mkdir("a", 0755);
	mkdir("a/sub", 0755);
	posix_write_file("a/sub/n", "from a");
	mkdir("b", 0755);
	posix_write_file("b/n", "from b");
	works(move("a", "b", RENAME_EXCHANGE), "exchange of two trees");
	ok(posix_file_is("b/sub/n", "from a") && posix_file_is("a/n", "from b"),
		"with what is in them");
	fails(EINVAL, move("b", "b/sub", RENAME_EXCHANGE), "exchange with the own child");
	fails(EINVAL, move("b/sub", "b", RENAME_EXCHANGE), "exchange with the own parent");
	works(move("b/sub", "a", RENAME_EXCHANGE), "exchange at two depths");
	ok(posix_file_is("a/n", "from a") && posix_file_is("b/sub/n", "from b"),
		"with what is in them");
	is_int(posix_ino("b/sub/.."), posix_ino("b"), ".. of the one");
	is_int(posix_ino("a/.."), posix_ino("."), ".. of the other");
	fails(ENOENT, move("a", "missing", RENAME_EXCHANGE), "exchange with nothing");
	fails(ENOENT, move("missing", "a", RENAME_EXCHANGE), "exchange of nothing");
	works(move("a", "a", RENAME_EXCHANGE), "exchange with itself");
	posix_remove_tree("a");
	posix_remove_tree("b");
}

static void case_exchange_open(void)
{
	int a, b;

	posix_write_file("a", "from a");
	posix_write_file("b", "from b");
	a = open("a", O_RDWR);
	b = open("b", O_RDWR);
	move("a", "b", RENAME_EXCHANGE);
	ok(posix_fd_is(a, "from a") && posix_fd_is(b, "from b"),
		"descriptors keep what they opened");
	pwrite(a, "F", 1, 0);
	ok(posix_file_is("b", "From a") && posix_file_is("a", "from b"), "and write it");
	is_int(posix_fstat(a).st_nlink, 1, "both have a link");
	close(a);
	close(b);
	unlink("a");
	unlink("b");
}

static void case_exchange_sticky(void)
{
	posix_make_owned(DIRECTORY, "s", 01777, OTHER_USER, OTHER_GROUP);
	posix_make_owned(REGULAR, "s/mine", 0644, USER, GROUP);
	posix_make_owned(REGULAR, "s/theirs", 0644, THIRD_USER, GROUP);
	AS (USER, GROUP) {
		fails(EPERM, move("s/mine", "s/theirs", RENAME_EXCHANGE),
			"exchange with another's in a sticky directory");
		fails(EPERM, move("s/theirs", "s/mine", RENAME_EXCHANGE), "the other way round");
	}
	posix_remove_tree("s");
}

void posix_area_rename_flags(const struct posix_place *place)
{
	(void)place;
	chmod(".", 0777);
	if (supported(RENAME_NOREPLACE))
		case_no_replace();
	if (supported(RENAME_EXCHANGE)) {
		FOR_EACH_KIND (from)
			FOR_EACH_KIND (to)
				case_exchange(from, to);
		case_exchange_trees();
		case_exchange_open();
		case_exchange_sticky();
	}
	posix_make(REGULAR, "a");
	posix_make(REGULAR, "b");
	fails(EINVAL, move("a", "b", RENAME_NOREPLACE | RENAME_EXCHANGE), "both flags at once");
	fails(EINVAL, move("a", "b", 0x40), "a flag that is none");
	unlink("a");
	unlink("b");
}
