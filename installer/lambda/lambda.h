/*
 * The one program that an export carries for Lambda (brewfs-export(1)); by the name it is called:
 *
 *	brewfs-lambda PROGRAM [ARGUMENT...]	runs a program with the export's libraries
 *	ld -t -L DIR... -o FILE -lNAME		tells where a library is
 *	objdump -p [-j SECTION] FILE		tells a library's SONAME
 *
 * It runs where nothing of brewfs is, and is linked statically: so it uses nothing but libc, and
 *has no part of brewfs itself.
 */
#ifndef BFS_LAMBDA_LAMBDA_H
#define BFS_LAMBDA_LAMBDA_H

#include <limits.h>
#include <link.h>
#include <stdbool.h>
#include <stddef.h>

/* Each returns the exit status. argv[argc] is NULL. */
int bfs_lambda_run(int argc, char **argv);
int bfs_lambda_ld(int argc, char **argv);
int bfs_lambda_objdump(int argc, char **argv);

/*
 * The directory of the export, "/mnt/efs/lambda_packages": two above the program, by the path under
 * which it was called. -1 with errno.
 */
int bfs_lambda_home(char ret_home[PATH_MAX]);

/* An ELF file of this machine's own kind, mapped. */
struct bfs_lambda_elf {
	const char *data;
	size_t size;
	const ElfW(Ehdr) * header;
	const ElfW(Phdr) * segments; /* header->e_phnum of them, in the file */
};

/* -1 with errno (ENOEXEC for another kind of file), else to be closed. */
int bfs_lambda_elf_open(const char *path, struct bfs_lambda_elf *ret_elf);
void bfs_lambda_elf_close(struct bfs_lambda_elf *elf);

/* Strings in the mapping, NUL-terminated; NULL where the file has none. */
const char *bfs_lambda_elf_interpreter(const struct bfs_lambda_elf *elf);
const char *bfs_lambda_elf_soname(const struct bfs_lambda_elf *elf);

#endif
