/*
 * An install, from the names asked for to a new generation, or to none if nothing had to be done or
 * something failed.
 *
 *	plan	the closure is resolved against the current generation, without a lock
 *	lock	the ref; if it moved meanwhile, the plan is made anew
 *	pour	all bottles that are needed, several at once, into the store
 *	finish	keg by keg, dependencies first, on the working copy of the index
 *	publish	the new index, then the ref
 */
#ifndef BFS_INSTALLER_INSTALL_H
#define BFS_INSTALLER_INSTALL_H

#include "index/publish.h"
#include "installer/finder.h"
#include "installer/resolve.h"
#include "lib/progress.h"

struct bfs_install_order {
	const char *store_path;
	const char *ref;
	const char *tag;		/* of the bottles: "x86_64_linux" */
	const char *target_glibc;	/* --target-glibc, or NULL */
	const struct bfs_resolve_request *requests;
	size_t count;
	struct bfs_finder *finder;
	bool dry_run;
	bool no_upgrade;
	bool force;			/* conflicts are not looked for */
	bool quiet;			/* no progress display */
};

struct bfs_install_report {
	struct bfs_generation generation;	/* current at the end; number 0 where the ref was never published */
	bool changed;				/* a generation was published, or would be by a dry run */
	bool failed;				/* a keg was not linked or a step failed: exit status 1 */
	/*
	 * What was done, would be or was found: an array of objects with name, version, action ("pour", "upgrade",
	 * "relink", "already"), requested, and installed, the version there was, and old_name where there are such.
	 * Those poured also have linked, caveats where there are some, and
	 * keg_only, the reason, where they are not linked for it.
	 */
	json_t *formulae;
	char *prefix;				/* where it is mounted; NULL where there is no store yet */
	bfs_strings pending;			/* names of formulae with steps that a program has to run */
};
void bfs_install_report_release(struct bfs_install_report *report);

/* The tag of the bottles that a ref's kegs were poured from; NULL where it has none yet. Allocated. */
int bfs_install_read_tag(const char *store_path, const char *ref, char **ret_tag,
	struct bfs_error *error);

int bfs_install(const struct bfs_install_order *order, struct bfs_install_report *ret_report,
	struct bfs_error *error);

#endif
