/*
 * What the installer notes of a keg in the index (index/keg.h): the receipt without its changed
 * files and, under "brewfs", what Homebrew would look up in the formula (index/receipt.h).
 */
#ifndef BFS_INSTALLER_KEG_NOTE_H
#define BFS_INSTALLER_KEG_NOTE_H

#include "index/tree.h"
#include "installer/formula.h"

/* Notes a keg that was poured; `pending` is the JSON text of the steps still to be run, or NULL. */
int bfs_keg_note(struct bfs_tree *tree, const struct bfs_formula *formula, const json_t *receipt,
	const char *pending, struct bfs_error *error);

/* Notes a receipt that was changed; all else that was noted stays. */
int bfs_keg_note_receipt(struct bfs_tree *tree, const char *name, const char *version,
	const json_t *receipt, struct bfs_error *error);

/* Whether the keg, "Cellar/NAME/VERSION", was noted as keg-only; false also where nothing is known.
 */
bool bfs_keg_note_is_keg_only(struct bfs_tree *tree, const char *keg);

/* Adds the aliases of the keg's receipt; none where nothing is known. */
int bfs_keg_note_aliases(struct bfs_tree *tree, const char *keg, bfs_strings *aliases);

#endif
