/*
 * The tab of a bottle and the receipt of a keg: one format, INSTALL_RECEIPT.json (Homebrew
 * tab/tab.rb). A bottle's tab says how it was built; at the pour it becomes the receipt, with what
 * is known by then.
 *
 * Tabs come from registries and bottles, receipts from prefixes that others write into:
 * bfs_tab_check() looks at the type of everything that brewfs reads in one, so that later reads may
 * trust it.
 *
 * Two files beside the receipt stay as they are in the bottle: .brew/NAME.rb, and sbom.spdx.json,
 * which brew completes at the pour (its packages for the installed dependencies) and brewfs does
 * not.
 *
 * A service's unit (homebrew.NAME.service) is a part of the bottle, relocated like its other text.
 * brew writes it anew at the pour from the formula's service block, which yields the same text,
 * since both come from that block; a bottle without one is left without.
 */
#ifndef BFS_INSTALLER_TAB_H
#define BFS_INSTALLER_TAB_H

#include "installer/resolve.h"
#include "lib/buffer.h"

#define BFS_TAB_FILE "INSTALL_RECEIPT.json"

/* Room for 100,000 changed files with long names; more is no receipt. */
#define BFS_TAB_SIZE_MAX (16 * 1024 * 1024)

enum bfs_tab_source {
	BFS_TAB_LOCAL_FILE,   /* a bottle file that no API document describes */
	BFS_TAB_PUBLIC_API,   /* formula/NAME.json */
	BFS_TAB_INTERNAL_API, /* the packages document */
};

struct bfs_tab_order {
	const json_t *tab; /* the one that counts for the bottle, checked; NULL: it has none */
	const struct bfs_formula *formula;
	const struct bfs_resolved_dependency *dependencies; /* from the resolution */
	size_t dependency_count;
	bool keeps_dependencies; /* the tab's own list is taken instead: for a bottle that nothing
				    was resolved for */
	int64_t time;		 /* of the pour, s since the epoch */
	bool installed_on_request;
	enum bfs_tab_source source;
	const char *arch;   /* of the tag: "x86_64" or "arm64" */
	const char *prefix; /* "/home/linuxbrew/.linuxbrew" */
};

/* The receipt, its keys in brew's order. */
int bfs_tab_make(const struct bfs_tab_order *order, json_t **ret_receipt);

/* Appends the text that brew would write: JSON.pretty_generate, without a newline at the end. */
int bfs_tab_write(const json_t *receipt, struct bfs_buffer *text);

/* What index/keg.h keeps of a receipt: all but changed_files, on one line. Allocated. */
int bfs_tab_record(const json_t *receipt, char **ret_record);

/*
 * Parses a tab or receipt; `name` is what messages call it. -EFBIG beyond BFS_TAB_SIZE_MAX,
 * -EBADMSG for what is no JSON or fails bfs_tab_check().
 */
int bfs_tab_parse(const char *text, size_t length, const char *name, json_t **ret_tab,
	struct bfs_error *error);

/* -EBADMSG, naming the key, where a value that brewfs reads has another type than it must. */
int bfs_tab_check(const json_t *tab, const char *name, struct bfs_error *error);

#endif
