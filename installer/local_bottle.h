/*
 * A bottle that lies on the local disk, as `brew bottle` wrote it: NAME--VERSION.TAG.bottle[.REBUILD].tar.gz. It
 * needs no API: what the formula is, is read from the file's name, from the .bottle.json that `brew bottle --json`
 * leaves beside it (used if its SHA-256 is the file's), from the receipt inside an older bottle, and from the
 * formula's own text, which every bottle carries (installer/formula_text.h). Its dependencies are those of the first
 * of these that names some. A post_install in that text is taken as one that only Ruby could run.
 */
#ifndef BFS_INSTALLER_LOCAL_BOTTLE_H
#define BFS_INSTALLER_LOCAL_BOTTLE_H

#include "installer/formula.h"

struct bfs_local_bottle {
	char *path;
	struct bfs_formula *formula;	/* owned */
	json_t *tab;			/* of the .bottle.json; NULL where there is none */
};

/* Whether an operand means a file: it has a slash or ends in ".tar.gz". */
bool bfs_local_bottle_is_path(const char *operand);

/*
 * -EINVAL for a name that is no bottle's or one of another tag than `tag` or "all"; -EBADMSG for a file that is no
 * bottle of that name and version.
 */
int bfs_local_bottle_read(const char *path, const char *tag, struct bfs_local_bottle *ret_bottle,
	struct bfs_error *error);
void bfs_local_bottle_release(struct bfs_local_bottle *bottle);

#endif
