/* Extended attributes of the user namespace. */
#include "tests/posix/posix.h"

#include <sys/xattr.h>

static bool value_is(const char *path, const char *name, const char *value)
{
	char buffer[4096];
	ssize_t n = lgetxattr(path, name, buffer, sizeof(buffer));

	return n == (ssize_t)strlen(value) && memcmp(buffer, value, (size_t)n) == 0;
}

/* Names of the user namespace, counted; others (security labels) do not matter. */
static int count_names(const char *path, const char *wanted, bool *ret_found)
{
	char list[65536];
	ssize_t n = llistxattr(path, list, sizeof(list));
	int count = 0;

	*ret_found = false;
	for (char *name = list; n > 0 && name < list + n; name += strlen(name) + 1) {
		count += strncmp(name, "user.", 5) == 0;
		*ret_found = *ret_found || strcmp(name, wanted) == 0;
	}
	return count;
}

static void case_basic(enum posix_kind kind)
{
	const char *what = posix_kind_name(kind);
	char buffer[64];
	bool found;

	posix_make(kind, "n");
	is_int(count_names("n", "user.a", &found), 0, "a new %s has no attributes", what);
	fails(ENODATA, getxattr("n", "user.a", buffer, sizeof(buffer)), "one that is not there");
	fails(ENODATA, removexattr("n", "user.a"), "is not removed");
	works(setxattr("n", "user.a", "one", 3, 0), "it is set");
	ok(value_is("n", "user.a", "one"), "and read");
	works(setxattr("n", "user.a", "another value", 13, 0), "it is set again");
	ok(value_is("n", "user.a", "another value"), "and read");
	works(setxattr("n", "user.b", "", 0, 0), "an empty one");
	ok(value_is("n", "user.b", ""), "is read");
	is_int(count_names("n", "user.b", &found), 2, "both are listed");
	ok(found, "by name");
	fails(EEXIST, setxattr("n", "user.a", "x", 1, XATTR_CREATE),
		"XATTR_CREATE of one that is there");
	fails(ENODATA, setxattr("n", "user.c", "x", 1, XATTR_REPLACE),
		"XATTR_REPLACE of one that is not");
	works(setxattr("n", "user.c", "x", 1, XATTR_CREATE),
		"XATTR_CREATE of one that is not there");
	works(setxattr("n", "user.c", "y", 1, XATTR_REPLACE), "XATTR_REPLACE of one that is");
	ok(value_is("n", "user.c", "y"), "is read");
	works(removexattr("n", "user.a"), "one is removed");
	fails(ENODATA, getxattr("n", "user.a", buffer, sizeof(buffer)), "and gone");
	is_int(count_names("n", "user.a", &found), 2, "and not listed");
	ok(!found, "any more");
	rename("n", "m");
	ok(value_is("m", "user.c", "y"), "they go with a rename");
	posix_remove("m");
	posix_make(kind, "m");
	is_int(count_names("m", "user.c", &found), 0, "and do not come back with the name");
	posix_remove("m");
}

static void case_sizes(void)
{
	char buffer[4096], list[64];

	posix_make(REGULAR, "n");
	setxattr("n", "user.a", "0123456789", 10, 0);
	is_int(getxattr("n", "user.a", NULL, 0), 10,
		"the size of a value is asked for with no buffer");
	fails(ERANGE, getxattr("n", "user.a", buffer, 9), "a buffer that is too small");
	is_int(getxattr("n", "user.a", buffer, 10), 10, "one that just holds it");
	is_int(listxattr("n", NULL, 0) >= 7, 1, "the size of the list");
	fails(ERANGE, listxattr("n", list, 3), "a list that is too small");
	memset(buffer, 'v', sizeof(buffer));
	for (int size = 1; size <= 2000; size += 333) {
		works(setxattr("n", "user.big", buffer, (size_t)size, 0), "a value of %d bytes",
			size);
		is_int(getxattr("n", "user.big", NULL, 0), size, "has its size");
	}
	unlink("n");
}

static void case_errors(void)
{
	char name[300], *huge = calloc(1, XATTR_SIZE_MAX + 1), buffer[8];
	int r;

	posix_make(REGULAR, "n");
	memset(name, 'n', sizeof(name));
	memcpy(name, "user.", 5);
	name[256] = '\0';
	fails(ERANGE, setxattr("n", name, "v", 1, 0), "a name of 256 bytes");
	name[255] = '\0';
	works(setxattr("n", name, "v", 1, 0), "a name of 255 bytes");
	works(removexattr("n", name), "is removed");
	fails(E2BIG, setxattr("n", "user.a", huge, XATTR_SIZE_MAX + 1, 0),
		"a value of more than 64 KiB");
	r = setxattr("n", "user.a", huge, XATTR_SIZE_MAX, 0);
	ok(r == 0 || errno == ENOSPC || errno == E2BIG,
		"a value of 64 KiB is kept or there is no space for it");
	if (r == 0)
		is_int(getxattr("n", "user.a", huge, XATTR_SIZE_MAX), XATTR_SIZE_MAX, "and read");
	fails(EINVAL, setxattr("n", "user.", "v", 1, 0), "a name that ends with its namespace");
	fails(EOPNOTSUPP, setxattr("n", "nonsense.a", "v", 1, 0), "a namespace that there is not");
	fails(EOPNOTSUPP, setxattr("n", "nonsense", "v", 1, 0), "a name without a namespace");
	fails(EINVAL, setxattr("n", "user.b", "v", 1, 0x100), "a flag that is none");
	fails(ERANGE, setxattr("n", "", "v", 1, 0), "an empty name");
	fails(EOPNOTSUPP, getxattr("n", "nonsense.a", buffer, sizeof(buffer)),
		"reading one of no namespace");
	unlink("n");
	free(huge);
}

/* user.* is for files and directories only. */
static void case_kinds(void)
{
	char buffer[8];

	FOR_EACH_KIND (kind) {
		if (kind == REGULAR || kind == DIRECTORY)
			continue;
		posix_make(kind, "n");
		fails(EPERM, lsetxattr("n", "user.a", "v", 1, 0), "an attribute of a %s",
			posix_kind_name(kind));
		fails_either(EPERM, ENODATA, lgetxattr("n", "user.a", buffer, sizeof(buffer)),
			"and reading it");
		works(llistxattr("n", NULL, 0), "its list");
		posix_remove("n");
	}
	posix_make(REGULAR, "target");
	posix_make(SYMLINK, "n");
	works(setxattr("n", "user.a", "v", 1, 0), "through a symlink");
	ok(value_is("target", "user.a", "v"), "it is set for what it leads to");
	unlink("n");
	unlink("target");
}

static void case_rights(void)
{
	char buffer[8];

	posix_make_owned(REGULAR, "n", 0644, OTHER_USER, OTHER_GROUP);
	setxattr("n", "user.a", "v", 1, 0);
	AS (USER, GROUP) {
		works(getxattr("n", "user.a", buffer, sizeof(buffer)),
			"who may read the file reads its attributes");
		fails(EACCES, setxattr("n", "user.a", "w", 1, 0), "but does not set them");
		fails(EACCES, removexattr("n", "user.a"), "or remove them");
	}
	chmod("n", 0622);
	AS (USER, GROUP) {
		works(setxattr("n", "user.a", "w", 1, 0), "who may write the file sets them");
		fails(EACCES, getxattr("n", "user.a", buffer, sizeof(buffer)),
			"but does not read them");
		works(removexattr("n", "user.a"), "and removes them");
	}
	unlink("n");
	posix_make_owned(DIRECTORY, "d", 01777, OTHER_USER, OTHER_GROUP);
	AS (USER, GROUP)
		fails(EPERM, setxattr("d", "user.a", "v", 1, 0),
			"those of a sticky directory are its owner's");
	AS (OTHER_USER, OTHER_GROUP)
		works(setxattr("d", "user.a", "v", 1, 0), "who sets them");
	rmdir("d");
}

static void case_times(void)
{
	struct stat before;

	for (int kind = REGULAR; kind <= DIRECTORY; kind++) {
		posix_make((enum posix_kind)kind, "n");
		before = posix_lstat("n");
		posix_tick();
		setxattr("n", "user.a", "v", 1, 0);
		moved(before, "n", CTIME, "setting one moves the ctime only");
		before = posix_lstat("n");
		posix_tick();
		getxattr("n", "user.a", NULL, 0);
		fails(EEXIST, setxattr("n", "user.a", "v", 1, XATTR_CREATE), "what fails");
		moved(before, "n", 0, "moves nothing");
		before = posix_lstat("n");
		posix_tick();
		removexattr("n", "user.a");
		moved(before, "n", CTIME, "removing one moves the ctime only");
		posix_remove("n");
	}
}

static void case_many(void)
{
	char name[32], value[32];
	bool found, right = true;
	int fd;

	posix_make(REGULAR, "n");
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "user.name-%d", i);
		snprintf(value, sizeof(value), "value %d", i);
		right = right && setxattr("n", name, value, strlen(value), 0) == 0;
	}
	ok(right, "forty attributes");
	is_int(count_names("n", "user.name-39", &found), 40, "are listed");
	for (int i = 0; i < 40; i += 2) {
		snprintf(name, sizeof(name), "user.name-%d", i);
		removexattr("n", name);
	}
	is_int(count_names("n", "user.name-39", &found), 20,
		"and half of them after half of them are removed");
	ok(value_is("n", "user.name-39", "value 39"), "with their values");
	link("n", "m");
	ok(value_is("m", "user.name-39", "value 39"), "by another name of the file");
	fd = open("n", O_RDONLY);
	works(fsetxattr(fd, "user.fd", "v", 1, 0), "by a descriptor");
	ok(value_is("m", "user.fd", "v"), "as well");
	works(fremovexattr(fd, "user.fd"), "and removed by it");
	works(flistxattr(fd, NULL, 0), "and listed by it");
	close(fd);
	unlink("n");
	unlink("m");
}

void posix_area_xattr(const struct posix_place *place)
{
	(void)place;
	chmod(".", 0777);
	case_basic(REGULAR);
	case_basic(DIRECTORY);
	case_sizes();
	case_errors();
	case_kinds();
	case_rights();
	case_times();
	case_many();
}
