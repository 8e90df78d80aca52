/*
 * An export: a generation of a prefix as a plain tree of files, for where FUSE is not to be had. It
 * is seen under a path of its own and works there without any environment variable.
 *
 * The steps, each a file of its own:
 *
 *	export_place	DIR, its trees, and the switch from one to the next
 *	export_select	which names of the prefix are wanted
 *	export_needs	what they need beside them; facts of contents
 *	export_target	what does not run where the export is to be used
 *	export_runtime	loader, wrapper and the tools that find_library asks
 *	export_names	names and RPATHs, so that programs start in few round trips
 *	export_rewrite	contents for the other prefix
 *	export_write	the tree
 *
 * Nothing of DIR changes before the next tree is complete and durable. An export that is killed
 *leaves garbage beside DIR, which the next one removes.
 */
#ifndef BFS_INSTALLER_EXPORT_H
#define BFS_INSTALLER_EXPORT_H

#include "index/ref.h"
#include "installer/export_rewrite.h"
#include "installer/export_select.h"
#include "installer/export_target.h"
#include "installer/export_write.h"

enum bfs_export_links {
	BFS_EXPORT_LINKS_BY_PLACE, /* hard on the store's filesystem, else symbolic */
	BFS_EXPORT_LINKS_SYMBOLIC,
	BFS_EXPORT_LINKS_HARD,
};

struct bfs_export_order {
	struct bfs_store *store;
	struct bfs_tree *tree; /* of the generation */
	const char *ref;
	struct bfs_generation generation;
	const char *from;   /* the prefix that it was poured for */
	const char *dir;    /* DIR */
	const char *prefix; /* where the export is seen; NULL: DIR itself */
	struct bfs_export_choice choice;
	const struct bfs_export_target *target; /* NULL: none in particular */
	enum bfs_export_links links;
	unsigned keep;	     /* old trees beside the new one */
	unsigned link_limit; /* hardlinks of a file; 0: BFS_EXPORT_LINK_LIMIT */
	bool force; /* although the target lacks what files need, and there is no brewed glibc */
};

struct bfs_export_report {
	char *dir, *tree, *prefix; /* absolute; `prefix` without padding */
	bool unchanged;		   /* DIR has that export already */
	bool hard;		   /* names in lib and bin are hard */
	bool brewed;		   /* programs run under the brewed glibc */
	json_t *findings;	   /* see bfs_export_target_check(); NULL without a target */
	struct bfs_export_counts counts;
	struct bfs_export_rewrite_counts rewritten;
	unsigned trees_removed;
};

/*
 * -ENAMETOOLONG where the prefix is too long, -ELIBBAD where the target lacks versions (`findings`
 * tells which also then), and errors of the steps.
 */
int bfs_export(const struct bfs_export_order *order, struct bfs_export_report *report,
	struct bfs_error *error);
void bfs_export_report_release(struct bfs_export_report *report);

#endif
