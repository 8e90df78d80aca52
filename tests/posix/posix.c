/*
 * posix [-x DIRECTORY] [-r DIRECTORY] TOP AREA...	runs areas below the directory TOP
 * posix --areas					lists them
 * posix --lower SCRIPT|TREE DIRECTORY			see lower.h
 *
 * -x names a directory on another filesystem, -r one on a read-only mount of the kind under test.
 */
#include "tests/posix/posix.h"
#include "tests/posix/lower.h"

#include <getopt.h>

static const struct posix_area areas[] = {
	{"access", posix_area_access},
	{"chmod", posix_area_chmod},
	{"chown", posix_area_chown},
	{"copy", posix_area_copy},
	{"create", posix_area_create},
	{"deep", posix_area_deep},
	{"errors", posix_area_errors},
	{"exec", posix_area_exec},
	{"io", posix_area_io},
	{"link", posix_area_link},
	{"locks", posix_area_locks},
	{"mmap", posix_area_mmap},
	{"names", posix_area_names},
	{"open", posix_area_open},
	{"readdir", posix_area_readdir},
	{"readonly", posix_area_readonly},
	{"rename", posix_area_rename},
	{"rename-flags", posix_area_rename_flags},
	{"setgid", posix_area_setgid},
	{"sockets", posix_area_sockets},
	{"sparse", posix_area_sparse},
	{"sticky", posix_area_sticky},
	{"symlink", posix_area_symlink},
	{"sync", posix_area_sync},
	{"truncate", posix_area_truncate},
	{"union-directories", posix_area_union_directories},
	{"union-files", posix_area_union_files},
	{"union-names", posix_area_union_names},
	{"unlink", posix_area_unlink},
	{"unlinked", posix_area_unlinked},
	{"utimens", posix_area_utimens},
	{"xattr", posix_area_xattr},
};

#define AREAS (sizeof(areas) / sizeof(*areas))

static int usage(void)
{
	fprintf(stderr, "usage: posix [-x DIRECTORY] [-r DIRECTORY] TOP AREA...\n"
			"       posix --areas\n"
			"       posix --lower script|tree DIRECTORY\n");
	return 2;
}

static int run_area(const struct posix_place *place, const char *name)
{
	for (size_t i = 0; i < AREAS; i++) {
		if (strcmp(areas[i].name, name) != 0)
			continue;
		if (chdir(place->top) < 0 || (mkdir(name, 0755) < 0 && errno != EEXIST) ||
			chdir(name) < 0) {
			fprintf(stderr, "%s/%s: %s\n", place->top, name, strerror(errno));
			return 1;
		}
		areas[i].run(place);
		return 0;
	}
	fprintf(stderr, "%s: no such area\n", name);
	return 2;
}

static int list_areas(void)
{
	for (size_t i = 0; i < AREAS; i++)
		puts(areas[i].name);
	return 0;
}

int main(int argc, char **argv)
{
	struct posix_place place = {0};
	int option;

	if (argc == 2 && strcmp(argv[1], "--areas") == 0)
		return list_areas();
	if (argc == 4 && strcmp(argv[1], "--lower") == 0)
		return posix_lower(argv[2], argv[3]);
	while ((option = getopt(argc, argv, "x:r:")) != -1) {
		if (option == 'x')
			place.other = optarg;
		else if (option == 'r')
			place.readonly = optarg;
		else
			return usage();
	}
	if (argc - optind < 2)
		return usage();
	place.top = argv[optind++];
	umask(0);
	for (; optind < argc; optind++) {
		int status = run_area(&place, argv[optind]);

		if (status)
			return status;
	}
	return posix_done();
}
