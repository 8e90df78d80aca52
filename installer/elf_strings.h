/*
 * Who uses which bytes of the dynamic string table: the proof that is needed before one of its
 * strings may be overwritten.
 *
 * Linkers let strings share their tails ("bar" may live within "foobar"), so that a string has no
 * bytes of its own until every reference into the table has been looked at: symbol names, version
 * needs and definitions, and the string tags of .dynamic.
 *
 * Homebrew overwrites an RPATH it shortens with `X` and writes the new string over the start
 * (patchelf.rb), so that in a bottle a run of X follows the string's NUL: room for it to grow
 * again.
 */
#ifndef BFS_INSTALLER_ELF_STRINGS_H
#define BFS_INSTALLER_ELF_STRINGS_H

#include "installer/elf_image.h"

/*
 * How long (bytes, without the NUL) a string may be that replaces the RPATH or RUNPATH string at
 * `index` of the table: *ret_room is 0 where anyone but DT_RPATH and DT_RUNPATH uses a byte of it,
 * or where the references cannot all be found. -EBADMSG where a table of references is malformed.
 */
int bfs_elf_strings_room(const struct bfs_elf_image *image, uint64_t index, uint64_t *ret_room,
	struct bfs_error *error);

#endif
