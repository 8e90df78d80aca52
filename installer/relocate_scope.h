/*
 * Which files of a keg are relocated, and how, by its tab (Homebrew keg_relocate.rb,
 * extend/os/linux/keg_relocate.rb, extend/os/linux/bottle_specification.rb):
 *
 * - Text: the files that the tab lists as changed_files. Without a list (old bottles, no tab), the
 *   files that Homebrew would find to be text, see bfs_relocate_scope_covers_text().
 * - ELF, and absolute links: all, unless the bottle says that it needs none (cellar
 *   any_skip_relocation) and was made by a Homebrew >= 5.1.15, whose word can be trusted on Linux;
 *   and no ELF file of glibc.
 *
 * The tab may turn up only while the bottle is read, so some answers are unknown until
 * bfs_relocate_scope_set_tab() was called. One thread at a time.
 */
#ifndef BFS_INSTALLER_RELOCATE_SCOPE_H
#define BFS_INSTALLER_RELOCATE_SCOPE_H

#include "lib/json.h"

#include <stddef.h>

struct bfs_relocate_scope;

/*
 * `name` is the formula's and must outlive the scope; `skip_elf`: the bottle says that it needs no
 * relocation. -ENOMEM.
 */
int bfs_relocate_scope_new(const char *name, bool skip_elf, struct bfs_relocate_scope **ret_scope);
void bfs_relocate_scope_free(struct bfs_relocate_scope *scope);
BFS_DEFINE_CLEANUP(struct bfs_relocate_scope *, bfs_cleanup_relocate_scope, bfs_relocate_scope_free)
#define _cleanup_relocate_scope_ BFS_CLEANUP(bfs_cleanup_relocate_scope)

/*
 * Settles everything, once. NULL: there is no tab. The tab is not kept. -EBADMSG where it is not
 * of the form that a tab has.
 */
int bfs_relocate_scope_set_tab(struct bfs_relocate_scope *scope, const json_t *tab,
	struct bfs_error *error);
bool bfs_relocate_scope_has_tab(const struct bfs_relocate_scope *scope);

enum bfs_scope_answer {
	BFS_SCOPE_NO,
	BFS_SCOPE_YES,
	BFS_SCOPE_UNKNOWN,	/* until the tab is set; never afterwards */
};

enum bfs_scope_answer bfs_relocate_scope_edits_elf(const struct bfs_relocate_scope *scope);
enum bfs_scope_answer bfs_relocate_scope_edits_links(const struct bfs_relocate_scope *scope);

/*
 * `path` is relative to the keg, `data` the whole content. Without a list that is: a file that
 * begins with "#!" or holds text as file(1) sees it, but no documentation by its extension, and
 * not the formula's own .brew/NAME.rb; libtool's .la and .lai, and orig-prefix.txt, always.
 */
enum bfs_scope_answer bfs_relocate_scope_covers_text(const struct bfs_relocate_scope *scope,
	const char *path, const void *data, size_t length);

/* The first runtime dependency named openjdk or openjdk@N in the tab, allocated; NULL if none. */
int bfs_tab_java_dependency(const json_t *tab, char **ret_name);

#endif
