/*
 * post_install_steps: what a formula wants done in the prefix after its keg is linked, as data
 * (Homebrew install_steps.rb). Steps that only touch files are done here, on the tree; steps that
 * must run a program of the prefix are handed back, for a session in which the prefix is mounted
 * and writable.
 *
 * Done here:
 *	mkdir mkdir_p touch write copy move move_children move_contents remove symlink link_dir
 *	link_children inreplace set_permissions warn install_gzipped_executable
 * Handed back:
 *	run init_data_dir (its directory is made) terminate_process configure_gcc_runtime
 *	configure_glibc_runtime configure_php bootstrap_cpython bootstrap_pypy, and the actions
 *	that rebuild caches: compile_gsettings_schemas gio_querymodules gdk_pixbuf_query_loaders
 *	gtk_update_icon_cache update_mime_database update_desktop_database
 * For macOS alone:
 *	configure_clang_system does nothing, as in brew; change_dylib_id, set_ownership and
 *	delete_keychain_certificate fail: formulae guard them by the platform
 * Any other type is a failure, as in brew.
 *
 * Natively, whatever the document says of how: ca-certificates' bundle
 * (installer/ca_certificates.h); and where a formula openssl@N has no steps (older ones were Ruby),
 * the link etc/openssl@N/cert.pem to it. A post_install that only Ruby could run is handed back as
 * {"type": "ruby"}.
 *
 * Order. brew runs the steps one after the other. Here those that touch files run at once, which is
 * the same unless one of them needs what an earlier program makes. So after a step that was handed
 * back, one that finds nothing to work on (no source, nothing to remove), or stands under a guard
 * on a path not looked at before, is handed back too and runs in its turn. A step that is handed
 * back is the document's own object, with "reason" added, and "result": true in each of its guards
 * that has been found to hold: like brew, a guard is evaluated once for all steps that share it.
 *
 * Confinement. A step may change what Homebrew's sandbox lets it: its own keg and what is below
 * bin, etc, include, lib, sbin, share and var of the prefix (but var/homebrew), symlinks resolved.
 * A way out by `..` or through a link, and a change elsewhere in the prefix, is a failure. What
 * concerns the machine and not the prefix, so that it cannot be right in a prefix that many share,
 * is handed back: absolute paths elsewhere, the home directory, {{user}}, programs on the PATH. The
 * text of a symlink may be anything.
 */
#ifndef BFS_INSTALLER_STEPS_H
#define BFS_INSTALLER_STEPS_H

#include "index/tree.h"
#include "index/writer.h"
#include "installer/formula.h"

/*
 * More content than any file that a step reads whole (texts that it edits or searches,
 * certificates).
 */
#define BFS_STEPS_READ_MAX (64 * 1024 * 1024)
/* More than any executable; what a gzipped one may unpack to. */
#define BFS_STEPS_GUNZIP_MAX (UINT64_C(2) << 30)

/* All is borrowed. */
struct bfs_steps_order {
	struct bfs_tree *tree; /* the working copy; the keg is in it, linked */
	struct bfs_content_reader *reader;
	struct bfs_writer *writer; /* for what steps write; committed before it is read again */
	const char *prefix;	   /* "/home/linuxbrew/.linuxbrew" */
	const struct bfs_formula *formula;
	int64_t mtime; /* of what is made, ns since the epoch */
};

struct bfs_steps_result {
	json_t *pending;      /* array of the steps handed back, in order; NULL for none */
	char *failure;	      /* why a step failed: those after it were not run; NULL: none did */
	bfs_strings warnings; /* messages of warn steps */
};

/*
 * Runs the steps of the order's formula. A failed step is not an error of this function: it leaves
 * no trace in the tree, what was done before it stays, and `failure` says what it was (brew warns
 * and exits with 1). -ENOMEM, -EIO, -ENOSPC and their like, after which the tree is not to be used.
 */
int bfs_steps_run(const struct bfs_steps_order *order, struct bfs_steps_result *ret_result,
	struct bfs_error *error);
void bfs_steps_result_release(struct bfs_steps_result *result);

/*
 * Whether Homebrew's sandbox lets a step of the keg NAME/VERSION change `path`, relative to the
 * prefix and without symlinks before its last component.
 */
bool bfs_steps_may_change(const char *name, const char *version, const char *path);

#endif
