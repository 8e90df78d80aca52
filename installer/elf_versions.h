/*
 * Which symbol versions an ELF file needs of other libraries: its .gnu.version_r (DT_VERNEED;
 * LSB Core, "Symbol Versioning"). What a host's glibc or libstdc++ must define for the loader to
 * take the file.
 */
#ifndef BFS_INSTALLER_ELF_VERSIONS_H
#define BFS_INSTALLER_ELF_VERSIONS_H

#include "lib/error.h"

#include <stddef.h>
#include <stdint.h>

/*
 * Called with "libc.so.6" and "GLIBC_2.38"; both are valid during the call only. Anything but 0
 * ends the visit and is returned.
 */
typedef int bfs_elf_version_visitor(void *context, const char *library, const char *version);

/*
 * Visits every version that the file needs, in its order. -ENOEXEC, without a message, for what
 * bfs_elf_query() does not look at; -EBADMSG where it is malformed; -ENOMEM.
 */
int bfs_elf_versions_visit(const uint8_t *data, size_t length, bfs_elf_version_visitor *visit,
	void *context, struct bfs_error *error);

#endif
