/*
 * The parts of a catalog: the packages file (catalog_packages.c, catalog_convert.c), the one of a
 * depot (catalog_depot.c), single documents (catalog_single.c), and the finding of names
 * (catalog.c). For these files only.
 */
#ifndef BFS_INSTALLER_CATALOG_PRIVATE_H
#define BFS_INSTALLER_CATALOG_PRIVATE_H

#include "installer/catalog.h"
#include "installer/jws.h"
#include "installer/transport.h"
#include "lib/db.h"

/* Of a packages file; one with another is made anew. */
#define BFS_CATALOG_FORMAT 1

#define BFS_CATALOG_DOCUMENT_LIMIT (256 * 1024 * 1024) /* bytes; Homebrew's has some 40 million */

struct bfs_catalog_tap {
	char *name;	 /* "user/repo" */
	char *url;	 /* base of its documents, without a slash at its end; NULL: none */
	char *directory; /* of the cache; NULL until used */
	bool warned;	 /* that they are not signed */
};

struct bfs_catalog_entry {
	struct bfs_formula *formula;
	bool local; /* from bfs_catalog_add_formula() */
};

struct bfs_catalog {
	char *tag;
	char *root;	 /* of the API documents, without a slash at its end */
	char *directory; /* of the cache for that root, or for the depot */
	const struct bfs_depot *depot; /* NULL: there is none */
	const char *single_directory;  /* of single documents: the one above, or the depot */
	enum bfs_catalog_freshness freshness;
	struct bfs_jws_key *key;
	struct bfs_downloader *downloader; /* NULL until something is downloaded */

	sqlite3 *db; /* the packages file; NULL where there are single documents only */
	sqlite3_stmt *find_formula, *find_alias, *find_rename, *find_migration;
	bool warned; /* that single documents are not signed */

	struct bfs_catalog_entry *entries;
	size_t entry_count;
	struct bfs_catalog_tap *taps;
	size_t tap_count;
};

/* The downloader, started if need be. */
int bfs_catalog_get_downloader(struct bfs_catalog *catalog, struct bfs_error *error);

/*
 * Whether formulae.brew.sh stands behind the catalog's root: unless that is the root itself, or
 * documents are signed with a key of one's own, which Homebrew's server does not have.
 */
bool bfs_catalog_has_fallback(const struct bfs_catalog *catalog);

/* The cache directory for documents below `root`, made if need be. */
int bfs_catalog_make_directory(const char *root, char **ret_directory, struct bfs_error *error);

/*
 * Whether what was checked with the server at `checked` (s since 1970) may be used without asking:
 * the rules of freshness.
 */
bool bfs_catalog_is_fresh(const struct bfs_catalog *catalog, int64_t checked);

/* Whether there is a depot, and it is all there is. */
static inline bool bfs_catalog_is_offline(const struct bfs_catalog *catalog)
{
	return catalog->depot && !bfs_depot_is_filling(catalog->depot);
}

/* A packages file in the cache. */
struct bfs_catalog_file {
	sqlite3 *db;	 /* NULL: there is none that can be used */
	int64_t checked; /* with the server, s since 1970 */
};

/* "DIRECTORY/packages.TAG.SUFFIX". Allocated. */
char *bfs_catalog_packages_path(const struct bfs_catalog *catalog, const char *suffix);

/* What is damaged, of another key, tag or format, is as if it were not there. */
int bfs_catalog_open_file(
	const struct bfs_catalog *catalog, const char *path, struct bfs_catalog_file *ret_file);

/* A value that a packages file keeps; NULL where it has none. Allocated. */
int bfs_catalog_get_meta(sqlite3 *db, const char *key, char **ret_value);

/* Waits until no other process makes a packages file in the directory; close(2) lets the next. */
int bfs_catalog_lock(const struct bfs_catalog *catalog, int *ret_fd, struct bfs_error *error);

/* The URL of the packages document at the root (0) or at Homebrew (1). Allocated. */
char *bfs_catalog_packages_url(const struct bfs_catalog *catalog, size_t source);

/* Starts its download; what is said of the copy at hand may be NULL. */
int bfs_catalog_start_packages(struct bfs_catalog *catalog, const char *etag,
	const char *last_modified, struct bfs_download **ret_download, struct bfs_error *error);

/*
 * Opens the packages file of the depot's document, which is downloaded first where the depot is
 * being filled. Leaves catalog->db NULL, successfully, where there are single documents only.
 */
int bfs_catalog_open_deposited(struct bfs_catalog *catalog, struct bfs_error *error);

/*
 * Opens the packages file, downloading and converting the document if need be. Leaves catalog->db
 * NULL, successfully, where the server has no such document.
 */
int bfs_catalog_open_packages(struct bfs_catalog *catalog, struct bfs_error *error);

/* What else is known about a packages document. Strings may be NULL. */
struct bfs_catalog_origin {
	const char *tag;
	const char *etag, *last_modified; /* as the server sent them */
	const struct bfs_digest *key;	  /* that verified it */
};

/*
 * Makes a packages file at `path`, synced, from the payload of the document, which is changed on
 * the way. -EBADMSG naming the place where it is not what it should be. `name` is the document's
 * URL.
 */
int bfs_catalog_convert(char *payload, size_t length, const char *name,
	const struct bfs_catalog_origin *origin, const char *path, struct bfs_error *error);

/*
 * The single document of a core formula, or of a tap's with `tap`: from the cache, or downloaded.
 * -ENOENT where the server has none.
 */
int bfs_catalog_find_single(struct bfs_catalog *catalog, struct bfs_catalog_tap *tap,
	const char *name, struct bfs_formula **ret_formula, struct bfs_error *error);

#endif
