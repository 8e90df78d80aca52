/*
 * The ELF editor: gives a bottle's program or library the RPATH and the interpreter that Homebrew
 * gives it when it pours (Homebrew extend/os/linux/keg_relocate.rb, os/linux/elf.rb, patchelf.rb).
 *
 *	struct bfs_elf_policy policy = {.prefix = "/home/linuxbrew/.linuxbrew"};
 *	_cleanup_elf_patch_ struct bfs_elf_patch *patch = NULL;
 *	int r = bfs_elf_relocate(data, length, &policy, &patch, error);
 *	if (r == 0 && patch)
 *		r = bfs_elf_patch_apply_fd(patch, fd);
 *
 * Rules:
 * - RPATH is DT_RUNPATH, else DT_RPATH; a file with neither gets none. It is split at ':'; in each
 *   entry `@@HOMEBREW_PREFIX@@` becomes the prefix and `@@HOMEBREW_CELLAR@@` prefix/Cellar; entries
 *   that do not start with the prefix or `$ORIGIN` are dropped; a trailing `lib/gcc/<digits>`
 *   becomes `lib/gcc/current` unless the formula is gcc itself; prefix/lib is appended where it
 *   is missing. Where that differs from what was there, it is written as DT_RPATH, and as the
 *   only one.
 * - An interpreter becomes prefix/lib/ld.so.
 * - A file that has both already is left alone, so the edit is idempotent.
 *
 * Bytes: strings are overwritten where they fit and where nobody else uses a byte of them
 * (elf_strings.h); otherwise what has to grow moves to the end (elf_layout.h). Notes, symbols, code
 * and data stay as they are; section headers stay in step, so readelf, gdb and strip work. Only the
 * tables are read and never the whole file, so the time does not grow with it. Bytes behind the
 * last section stay at their offset, but are no longer the last ones of a file that grew.
 *
 * A file grows by its string table and some hundred bytes at the most; only an executable without
 * section headers and with a large .bss gets a hole as large as that (up to 1 GiB, else -EFBIG).
 *
 * Which files are edited at all (cellar `any_skip_relocation`, formula glibc, hardlinks once) is
 * the caller's decision.
 */
#ifndef BFS_INSTALLER_ELF_EDIT_H
#define BFS_INSTALLER_ELF_EDIT_H

#include "installer/elf_patch.h"

#include <stdbool.h>

struct bfs_elf_policy {
	const char *prefix;    /* absolute, without a slash at the end, at most 1024 bytes */
	bool keep_gcc_version; /* the formula is gcc or gcc@N: leave `lib/gcc/<digits>` alone */
	const char *rpath;     /* unless NULL: the RPATH to have, in place of all these rules; the
				  interpreter stays. A file that has none gets none. */
};

/*
 * Sets *ret_patch to what has to change, or to NULL where nothing has: the file is right already,
 * or is not one that Homebrew edits (see bfs_elf_image_open() for which). The caller frees the
 * patch.
 *
 * -EBADMSG: the ELF is malformed; -EFBIG: it cannot grow within its class; -EINVAL: the prefix is
 * not usable; -ENOMEM. The message names what is wrong; the caller puts the path before it.
 */
int bfs_elf_relocate(const uint8_t *data, size_t length, const struct bfs_elf_policy *policy,
	struct bfs_elf_patch **ret_patch, struct bfs_error *error);

#endif
