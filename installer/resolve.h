/*
 * From the names that somebody asked for to the list of kegs that have to be there, in the order in
 * which they are poured: dependencies before dependents, each once (Homebrew
 * formula_installer.rb#compute_dependencies, dependency.rb#expand).
 *
 * A dependency is left as it is where what is installed satisfies it: the bottle that needs it, or
 * the receipt of the keg that does, says from which version on. So installing one formula does not
 * upgrade the rest. A name that leads back to itself is passed over, as Homebrew does, with a line
 * in the debug log.
 *
 * Where the target's glibc or libstdc++ is older than the bottles' (installer/target.h), every
 * formula outside glibc's own tree depends on glibc too, and every one outside gcc's on gcc
 * (Homebrew extend/os/linux/dependency_collector.rb). They come first: glibc with its dependencies,
 * gcc with its own. Where there is no glibc or gcc to be found it goes without, with a warning.
 *
 * Nothing is changed; the order's parts must outlive the resolution.
 */
#ifndef BFS_INSTALLER_RESOLVE_H
#define BFS_INSTALLER_RESOLVE_H

#include "installer/brewfile.h"
#include "installer/catalog.h"
#include "installer/installed.h"
#include "installer/target.h"

/*
 * Of 8,600 formulae none has more than some 30 levels of dependencies below it; it bounds the
 * stack.
 */
#define BFS_RESOLVE_DEPTH_MAX 1000

struct bfs_resolve_request {
	const char *name; /* name, alias or old name; "user/repo/name" */
	enum bfs_brewfile_link link;
	bool ensures_link; /* a Brewfile's: an installed formula is also to be linked, or not, as it
			      says */
	/*
	 * A Brewfile's: linked formulae that conflict with it, and these, are unlinked first
	 * (bundle/brew.rb#resolve_conflicts!), by the caller.
	 */
	bool unlinks_conflicts;
	char *const *conflicts_with; /* or NULL */
	/*
	 * Nobody asked for it: it is to be upgraded since something that it depends on is
	 * (installer/dependents.h). It stays on request, or not, as it is.
	 */
	bool is_dependent;
};

/*
 * As bfs_catalog_find(); -ENOENT and -EREMOTE of a dependency only matter if its dependent is
 * poured.
 */
typedef int bfs_formula_finder(void *context, const char *name,
	const struct bfs_formula **ret_formula, struct bfs_error *error);

struct bfs_resolve_order {
	const struct bfs_resolve_request *requests;
	size_t count;
	bfs_formula_finder *find; /* bfs_resolve_find_in_catalog, with the catalog as context */
	void *find_context;
	/*
	 * Optional, with the same context: finds a dependency that is installed where `find` cannot
	 * tell anything of it.
	 */
	bfs_formula_finder *find_installed;
	struct bfs_tree *tree;		 /* what is installed; NULL: nothing */
	const char *tag;		 /* of the bottles, for messages */
	struct bfs_host_runtime runtime; /* of the target */
	bool no_upgrade; /* a requested formula that is there is left at its version */
	bool force;	 /* conflicts are not looked for */
	/*
	 * Optional. The tab of a formula's bottle if it is known by now (its runtime_dependencies
	 * say which versions it needs), else NULL: its dependencies must be up to date. Borrowed
	 * until the next call.
	 */
	const json_t *(*tab)(void *context, const struct bfs_formula *formula);
	/*
	 * Optional. The glibc that a formula's bottle was built with, or NULL: BFS_CI_GLIBC.
	 * Borrowed.
	 */
	const char *(*built_with)(void *context, const struct bfs_formula *formula);
	void *context; /* of these two */
};

enum bfs_resolve_action {
	BFS_RESOLVE_ALREADY, /* nothing to do */
	BFS_RESOLVE_RELINK,  /* the keg is there, its links or name are not as asked: no download */
	BFS_RESOLVE_POUR,    /* no version of it is there */
	BFS_RESOLVE_UPGRADE, /* beside the `installed` version, which is unlinked */
};

struct bfs_resolved_dependency {
	const struct bfs_formula *formula;
	bool declared_directly; /* by the formula itself, not by one of its dependencies */
};

struct bfs_resolved {
	const struct bfs_formula *formula;
	enum bfs_resolve_action action;
	bool requested;
	const struct bfs_resolve_request *request; /* the last one for it; NULL for a dependency */
	char *installed; /* the version that opt leads to now, or the newest that is there; NULL */
	/*
	 * The old name that its kegs have still: they are to be given the formula's name before
	 * anything else is done (Homebrew migrator.rb); NULL for none.
	 */
	char *old_name;
	bool on_request; /* what its receipt is to say as installed_on_request */
	bool marks_request; /* nothing is poured, but the receipt that is there says otherwise */
	/*
	 * Everything it needs at run time, dependencies first, with glibc and gcc where they are
	 * needed.
	 */
	struct bfs_resolved_dependency *dependencies;
	size_t dependency_count;
};

struct bfs_resolution {
	struct bfs_resolved
		*items; /* in the order of pouring, those with nothing to do among them */
	size_t count;
	bfs_strings warnings; /* sentences: deprecated formulae, pinned ones, and the like */
};

/*
 * -ENOENT and -EREMOTE as the finder's; -ENOPKG, naming formula and reason, for a formula that is
 * disabled, cannot be used with the tag or has no bottle for it; -EEXIST for formulae that
 * conflict; -EPERM for a pinned dependency that would have to be upgraded; -ELOOP beyond
 * BFS_RESOLVE_DEPTH_MAX. `ret_culprit`, which may be NULL, is also set on failure: the index of the
 * request that cannot be met, for a caller that goes on with the others.
 */
int bfs_resolve(const struct bfs_resolve_order *order, struct bfs_resolution **ret_resolution,
	size_t *ret_culprit, struct bfs_error *error);

/* Whether nothing has to be done at all. */
bool bfs_resolution_is_empty(const struct bfs_resolution *resolution);

void bfs_resolution_free(struct bfs_resolution *resolution);
BFS_DEFINE_CLEANUP(struct bfs_resolution *, bfs_cleanup_resolution, bfs_resolution_free)
#define _cleanup_resolution_ BFS_CLEANUP(bfs_cleanup_resolution)

/* bfs_catalog_find() as a finder. */
static inline int bfs_resolve_find_in_catalog(void *catalog, const char *name,
	const struct bfs_formula **ret_formula, struct bfs_error *error)
{
	return bfs_catalog_find((struct bfs_catalog *)catalog, name, ret_formula, error);
}

#endif
