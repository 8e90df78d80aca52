/*
 * Links from the prefix into a keg, as Homebrew's keg.rb makes them: which, by
 *installer/link_rules.h; how, here. Works on a tree alone; every change is a transaction of its
 *own, which may be nested in the caller's.
 *
 *	bfs_keg_optlink()	(installer/opt.h) opt/NAME and the like; all there is for a keg-only
 *formula
 *	bfs_keg_link()		the same, then etc bin sbin include share lib Frameworks, then the
 *linked record bfs_keg_unlink()	(installer/unlink.h) before another version is linked
 *
 * Where the prefix has a real directory of the same name it is descended into. A link to a
 *directory of another keg, where this one has files as well, is split: it becomes a real directory
 *that links to everything in the other keg's, then this keg's files come beside. It is not merged
 *back when one of them goes.
 *
 * A file, directory or link that is in the way of a link is a conflict. Not in the way are: a link
 *that names the file already, and one that leads nowhere, which is replaced. One that leaves the
 *prefix may lead somewhere on some host, and so it is in the way. Nothing that is in the way is
 *touched, unless the options say so.
 *
 * Where Homebrew, for a formula's link_overwrite paths, moves what is in the way to its cache's
 *Backup folder, here it is replaced and listed in the report: the generation before still has it,
 *and that is where to find it.
 */
#ifndef BFS_INSTALLER_LINK_H
#define BFS_INSTALLER_LINK_H

#include "index/tree.h"
#include "installer/formula.h"

/* What is in the way of a link. Strings are owned. */
struct bfs_link_conflict {
	char *path;   /* in the prefix: "bin/x" */
	char *source; /* what should be linked there: "Cellar/NAME/VERSION/bin/x" */
	char *target; /* text of the symlink that is in the way; NULL for a file or directory */
	char *owner;  /* name of the formula whose keg it leads into; NULL if into none */
};

struct bfs_link_report {
	size_t links; /* made; opt links and the linked record are not counted */
	struct bfs_link_conflict *conflicts;
	size_t conflict_count;
	struct bfs_link_conflict *replaced; /* conflicts that the options settled */
	size_t replaced_count;
};

#define BFS_LINK_REPORT_INIT                                                                       \
	{                                                                                          \
		0, NULL, 0, NULL, 0                                                                \
	}

void bfs_link_report_release(struct bfs_link_report *report);
#define _cleanup_link_report_ BFS_CLEANUP(bfs_link_report_release)

/* All zero: no aliases, nothing is overwritten. Arrays are NULL-terminated or NULL; all is
 * borrowed. */
struct bfs_link_options {
	char *const *aliases; /* of the formula, from its receipt: they get opt links as well */
	bool overwrite;	      /* replace whatever is in the way (`brew link --overwrite`) */
	bool dry_run;	      /* change nothing; report all conflicts and what would be made */

	/*
	 * Conflicts that are allowed (formula.rb#link_overwrite?): those at a path that a
	 * link_overwrite pattern covers, and those with a formula of the same family, a version or
	 * -full variant or their aliases. As in Homebrew a pattern allows what belongs to another
	 * formula too, so that python@3.14 takes bin/python3 over from python@3.13; `protects`, if
	 * not NULL, can refuse that.
	 */
	char *const *link_overwrite;
	char *const *family;
	bool (*protects)(void *context, const char *owner);
	void *context;
};

/*
 * Links a keg, "Cellar/NAME/VERSION". `options` may be NULL. The report is filled also on failure.
 *
 * -EEXIST  something is in the way: no link of the keg is left, but the opt link stays; splits stay
 *as well, as Homebrew leaves them. The report lists everything in the way, `error` says it in
 *Homebrew's words. That state is committed: the formula is installed, but not linked. -EALREADY
 *another version of the formula is linked. (A record of this keg is taken as stale.) -EINVAL  `keg`
 *is not such a path, or an alias cannot be one. -ENOENT: there is no such keg. After these and any
 *other error the tree is as it was.
 *
 * With dry_run: 0, whether or not there are conflicts.
 */
int bfs_keg_link(struct bfs_tree *tree, const char *keg, const struct bfs_link_options *options,
	struct bfs_link_report *report, struct bfs_error *error);

/* Warns of each replaced path and says that generation `generation` has it still; 0: there is none
 * before. */
void bfs_link_report_warn(const struct bfs_link_report *report, uint64_t generation);

/*
 * Whether a keg-only formula is linked all the same
 * (formula_installer.rb#auto_link_versioned_keg_only?): a version of its own (foo@1), asked for by
 * name, where no version of it and no relative is installed.
 */
struct bfs_keg_only_case {
	bool versioned;		    /* it is keg-only for :versioned_formula */
	bool on_request;	    /* by name, not as a dependency */
	bool any_version_installed; /* of this formula, before this pour */
	bool relative_installed;    /* any version of any formula of its family */
	bool unversioned_keg_only;  /* the formula foo exists and is keg-only itself */
};
bool bfs_keg_only_is_linked(const struct bfs_keg_only_case *keg_only);

#endif
