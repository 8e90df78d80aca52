/*
 * All formulae of one bottle tag, as the JSON API publishes them.
 *
 * The signed packages document is downloaded (only if it changed), its signature checked, read once
 * and kept as an SQLite file in the cache directory, which answers in milliseconds from then on.
 * Where there is no such document (the server answers 404), single formula/NAME.json documents are
 * fetched as they are asked for, and kept too, with one warning that they are not signed.
 *
 *	HOMEBREW_API_DOMAIN
 *		the root of the documents; https://formulae.brew.sh/api is asked where it cannot be
 *		reached, never where a signature is wrong, the answer is 404, or BREWFS_API_KEY set
 *	HOMEBREW_API_AUTO_UPDATE_SECS
 *		how long a check with the server is good for (450)
 *	HOMEBREW_NO_AUTO_UPDATE
 *		a cached document is used at any age
 *	BREWFS_API_KEY
 *		see installer/jws.h
 *
 * Below the cache directory, by the root of the documents:
 *
 *	api/SHA256-OF-ROOT/packages.TAG.sqlite
 *		replaced by rename, never changed; mtime: the last check with the server
 *	api/SHA256-OF-ROOT/packages.TAG.lock
 *		held while it is downloaded, so that one process does that for all
 *	api/SHA256-OF-ROOT/formula/NAME.json
 *		two lines with ETag and Last-Modified, then the document; mtime as above
 *
 * A catalog belongs to one thread; several processes may share the cache.
 */
#ifndef BFS_INSTALLER_CATALOG_H
#define BFS_INSTALLER_CATALOG_H

#include "installer/depot.h"
#include "installer/formula.h"

#define BFS_CATALOG_DEFAULT_ROOT "https://formulae.brew.sh/api"

struct bfs_catalog;

enum bfs_catalog_freshness {
	BFS_CATALOG_CACHED, /* any age will do if there is one: reading commands */
	BFS_CATALOG_FRESH,  /* checked with the server, unless that was done lately */
};

/*
 * Opens the catalog of a tag ("x86_64_linux"). A document whose signature is wrong is fatal:
 * -EKEYREJECTED. Where the server cannot be reached and there is a cached one: a warning, and the
 * cached one. Else the errors of installer/transport.h; -EBADMSG for a document that is not what it
 * should be.
 */
int bfs_catalog_open(const char *tag, enum bfs_catalog_freshness freshness,
	struct bfs_catalog **ret_catalog, struct bfs_error *error);

/*
 * The catalog of what a depot holds, without a network; where the depot is being filled, what the
 * depot lacks is downloaded into it first. The depot must outlive the catalog. Errors as above;
 * -ENOENT where the depot has nothing for the tag.
 */
int bfs_catalog_open_depot(const char *tag, const struct bfs_depot *depot,
	struct bfs_catalog **ret_catalog, struct bfs_error *error);
void bfs_catalog_free(struct bfs_catalog *catalog);
BFS_DEFINE_CLEANUP(struct bfs_catalog *, bfs_cleanup_catalog, bfs_catalog_free)
#define _cleanup_catalog_ BFS_CLEANUP(bfs_cleanup_catalog)

/* The tag it was opened for. */
const char *bfs_catalog_tag(const struct bfs_catalog *catalog);

/*
 * The formula of that name, alias or old name, in whatever case; "homebrew/core/x" is "x",
 * "user/repo/x" a tap's (see bfs_catalog_add_tap). The formula is owned by the catalog and stays
 * until it is freed. -ENOENT with the nearest names in the message; -EREMOTE where it moved to
 * another tap, which the message names.
 */
int bfs_catalog_find(struct bfs_catalog *catalog, const char *name,
	const struct bfs_formula **ret_formula, struct bfs_error *error);

/*
 * Makes the formulae of a tap known under "user/repo/x" ("user/homebrew-repo" is the same tap).
 * `url` is the base of its API documents in the public form (URL/formula/NAME.json). Where it is
 * NULL or no http or https URL, or has no such document, bfs_catalog_find() says that formulae of
 * taps need API documents: -EOPNOTSUPP. -EINVAL for what is not the name of a tap.
 */
int bfs_catalog_add_tap(
	struct bfs_catalog *catalog, const char *tap, const char *url, struct bfs_error *error);

/*
 * Adds a formula that comes from elsewhere (a local bottle file), found by its bare name before
 * what the API says. Takes it over, also on failure.
 */
int bfs_catalog_add_formula(struct bfs_catalog *catalog, struct bfs_formula *formula);

#endif
