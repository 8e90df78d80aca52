/* What an RPATH becomes when a bottle is poured: the string rules alone, see elf_edit.h. */
#ifndef BFS_INSTALLER_ELF_RPATH_H
#define BFS_INSTALLER_ELF_RPATH_H

#include "installer/elf_edit.h"

/* Sets *ret_rpath to the new value, also where it is the old one. The caller frees it. -ENOMEM. */
int bfs_elf_rpath_relocate(
	const struct bfs_elf_policy *policy, const char *rpath, char **ret_rpath);

#endif
