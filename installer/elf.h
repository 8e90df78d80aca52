/*
 * What a dynamically linked ELF file asks of the loader: interpreter, RPATH, RUNPATH, SONAME,
 * NEEDED.
 *
 * Works on bytes in memory (a mapping of the file will do) and never reads outside them, whatever
 * they hold. The editor is elf_edit.h.
 */
#ifndef BFS_INSTALLER_ELF_H
#define BFS_INSTALLER_ELF_H

#include "lib/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All strings are the struct's own; NULL where the file has none. */
struct bfs_elf_info {
	char *interpreter; /* PT_INTERP */
	char *rpath;	   /* DT_RPATH */
	char *runpath;	   /* DT_RUNPATH; where both are, the loader reads this one */
	char *soname;	   /* DT_SONAME */
	char **needed;	   /* DT_NEEDED, in order */
	size_t needed_count;
	bool has_placeholder; /* the interpreter or a string of .dynamic holds "@@HOMEBREW_" */
};

#define BFS_ELF_INFO_INIT                                                                          \
	{                                                                                          \
		NULL, NULL, NULL, NULL, NULL, 0, false                                             \
	}

/*
 * Fills *ret_info. -ENOEXEC, without a message: not a file that bfs_elf_relocate() would look at
 * (not ELF, static, an object file, debug information, a foreign OS ABI). -EBADMSG: malformed, the
 * message says how. -ENOMEM.
 */
int bfs_elf_query(
	const uint8_t *data, size_t length, struct bfs_elf_info *ret_info, struct bfs_error *error);

void bfs_elf_info_release(struct bfs_elf_info *info);

#define _cleanup_elf_info_ BFS_CLEANUP(bfs_elf_info_release)

#endif
