/*
 * Python's ctypes.util.find_library asks ld where a library is, and objdump for its SONAME (CPython
 * Lib/ctypes/util.py, _findLib_ld and _get_soname). Lambda has neither. These answer just that, and
 * say so when they are asked anything else.
 */
#include "installer/lambda/lambda.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_library(const char *path)
{
	struct bfs_lambda_elf elf;

	if (bfs_lambda_elf_open(path, &elf) < 0)
		return false;
	bfs_lambda_elf_close(&elf);
	return true;
}

/* "libNAME.so.25.9" in the directory, where "libNAME.so", which only compilers need, is not there.
 */
static bool find_version(const char *directory, const char *name, char ret_path[PATH_MAX])
{
	char start[NAME_MAX + 1], best[NAME_MAX + 1] = "";
	struct dirent *entry;
	DIR *dir = opendir(directory);
	int length = snprintf(start, sizeof(start), "lib%s.so.", name);

	if (!dir)
		return false;
	while ((entry = readdir(dir)))
		if (strncmp(entry->d_name, start, (size_t)length) == 0 &&
			strverscmp(entry->d_name, best) > 0)
			strcpy(best, entry->d_name);
	closedir(dir);
	return *best && snprintf(ret_path, PATH_MAX, "%s/%s", directory, best) < PATH_MAX &&
	       is_library(ret_path);
}

static bool find_in(const char *directory, const char *name, char ret_path[PATH_MAX])
{
	if (snprintf(ret_path, PATH_MAX, "%s/lib%s.so", directory, name) < PATH_MAX &&
		is_library(ret_path))
		return true;
	return find_version(directory, name, ret_path);
}

/* The argument of "-LDIR" or "-L DIR"; NULL for another option. Moves on to what was used. */
static const char *argument_of(char **argv, int *i, char letter)
{
	if (argv[*i][0] != '-' || argv[*i][1] != letter)
		return NULL;
	return argv[*i][2] ? argv[*i] + 2 : argv[++*i];
}

static bool search(int argc, char **argv, const char *name, char ret_path[PATH_MAX])
{
	char home[PATH_MAX], lib[PATH_MAX];

	for (int i = 1; i < argc; i++) {
		const char *directory = argument_of(argv, &i, 'L');

		if (directory && find_in(directory, name, ret_path))
			return true;
	}
	return bfs_lambda_home(home) == 0 &&
	       snprintf(lib, sizeof(lib), "%s/lib", home) < (int)sizeof(lib) &&
	       find_in(lib, name, ret_path);
}

int bfs_lambda_ld(int argc, char **argv)
{
	char path[PATH_MAX];
	const char *name = NULL;

	for (int i = 1; i < argc && !name; i++) {
		if (!argument_of(argv, &i, 'L') && i < argc && !argument_of(argv, &i, 'o') &&
			i < argc)
			name = argument_of(argv, &i, 'l');
	}
	if (!name || strchr(name, '/') || strlen(name) > NAME_MAX - 16) {
		fprintf(stderr, "ld: this is brewfs's, which only tells where a library is: ld -t "
				"-L DIRECTORY... -lNAME\n");
		return 1;
	}
	if (!search(argc, argv, name, path)) {
		fprintf(stderr, "ld: cannot find -l%s\n", name);
		return 1;
	}
	return puts(path) == EOF;
}

int bfs_lambda_objdump(int argc, char **argv)
{
	struct bfs_lambda_elf elf;
	const char *soname;

	if (argc < 3 || strcmp(argv[1], "-p") != 0) {
		fprintf(stderr, "objdump: this is brewfs's, which only tells a library's SONAME: "
				"objdump -p FILE\n");
		return 1;
	}
	if (bfs_lambda_elf_open(argv[argc - 1], &elf) < 0) {
		perror(argv[argc - 1]);
		return 1;
	}
	soname = bfs_lambda_elf_soname(&elf);
	printf("\n%s:     file format elf64\n\nDynamic Section:\n", argv[argc - 1]);
	if (soname)
		printf("  SONAME               %s\n", soname);
	bfs_lambda_elf_close(&elf);
	return fflush(stdout) == EOF;
}
