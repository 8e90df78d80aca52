#include "installer/catalog_private.h"

#include "index/snapshot.h"
#include "lib/suggest.h"
#include "installer/url.h"
#include "lib/file.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>

#define STEP	     "looking for a formula"
#define RENAME_LIMIT 16 /* steps from an old name to today's; a longer way is a circle */

/* ---- opening ---- */

static int read_root(char **ret_root, struct bfs_error *error)
{
	const char *domain = getenv("HOMEBREW_API_DOMAIN");
	size_t length;

	if (!domain || !*domain)
		domain = BFS_CATALOG_DEFAULT_ROOT;
	if (!bfs_url_is_http(domain))
		return bfs_error_set(error, -EINVAL, "reading the environment",
			"HOMEBREW_API_DOMAIN", "it is no http or https URL");
	length = strlen(domain);
	while (length > 0 && domain[length - 1] == '/')
		length--;
	*ret_root = strndup(domain, length);
	return *ret_root ? 0 : -ENOMEM;
}

int bfs_catalog_make_directory(const char *root, char **ret_directory, struct bfs_error *error)
{
	_cleanup_free_ char *cache = NULL, *directory = NULL;
	struct bfs_digest digest;
	char hex[BFS_DIGEST_HEX_SIZE];
	int r = bfs_cache_directory(&cache, error);

	if (r == 0)
		r = bfs_digest_of(root, strlen(root), &digest);
	if (r < 0)
		return r;
	directory = bfs_format("%s/api/%s", cache, bfs_digest_to_hex(&digest, hex));
	if (!directory)
		return -ENOMEM;
	r = bfs_make_directories(AT_FDCWD, directory, 0755);
	if (r < 0)
		return bfs_error_set(error, r, "making the cache", directory, NULL);
	*ret_directory = bfs_steal(&directory);
	return 0;
}

int bfs_catalog_get_downloader(struct bfs_catalog *catalog, struct bfs_error *error)
{
	if (catalog->downloader)
		return 0;
	return bfs_downloader_new(NULL, &catalog->downloader, error);
}

bool bfs_catalog_has_fallback(const struct bfs_catalog *catalog)
{
	return bfs_jws_key_is_homebrews(catalog->key) &&
	       strcmp(catalog->root, BFS_CATALOG_DEFAULT_ROOT) != 0;
}

static int prepare_statements(struct bfs_catalog *catalog)
{
	sqlite3 *db = catalog->db;
	int r;

	if (!db)
		return 0;
	r = bfs_db_prepare(db, "SELECT json FROM formula WHERE name=?1", &catalog->find_formula);
	if (r == 0)
		r = bfs_db_prepare(
			db, "SELECT target FROM alias WHERE name=?1", &catalog->find_alias);
	if (r == 0)
		r = bfs_db_prepare(
			db, "SELECT target FROM rename WHERE name=?1", &catalog->find_rename);
	if (r == 0)
		r = bfs_db_prepare(
			db, "SELECT target FROM migration WHERE name=?1", &catalog->find_migration);
	return r;
}

/* What a depot's packages become is kept by where it lies. */
static int make_depot_directory(struct bfs_catalog *catalog, struct bfs_error *error)
{
	_cleanup_free_ char *path = realpath(bfs_depot_path(catalog->depot), NULL), *root = NULL;

	if (!path)
		return bfs_error_set(
			error, -errno, "opening the depot", bfs_depot_path(catalog->depot), NULL);
	root = bfs_format("file://%s", path);
	return root ? bfs_catalog_make_directory(root, &catalog->directory, error) : -ENOMEM;
}

static int open_catalog(struct bfs_catalog *catalog, const char *tag, struct bfs_error *error)
{
	int r;

	catalog->tag = strdup(tag);
	r = catalog->tag ? read_root(&catalog->root, error) : -ENOMEM;
	if (r == 0)
		r = bfs_jws_key_load(&catalog->key, error);
	if (r == 0 && catalog->depot)
		r = make_depot_directory(catalog, error);
	else if (r == 0)
		r = bfs_catalog_make_directory(catalog->root, &catalog->directory, error);
	catalog->single_directory =
		catalog->depot ? bfs_depot_path(catalog->depot) : catalog->directory;
	if (r == 0)
		r = bfs_catalog_open_packages(catalog, error);
	return r == 0 ? prepare_statements(catalog) : r;
}

static int new_catalog(const char *tag, enum bfs_catalog_freshness freshness,
	const struct bfs_depot *depot, struct bfs_catalog **ret_catalog, struct bfs_error *error)
{
	_cleanup_catalog_ struct bfs_catalog *catalog = calloc(1, sizeof(*catalog));
	int r;

	if (!catalog)
		return -ENOMEM;
	if (!bfs_formula_tag_is_valid(tag))
		return bfs_error_set(
			error, -EINVAL, "opening the formulae", tag, "this cannot be a bottle tag");
	catalog->freshness = freshness;
	catalog->depot = depot;
	r = open_catalog(catalog, tag, error);
	if (r < 0)
		return bfs_error_set(error, r, "opening the formulae", tag, NULL);
	*ret_catalog = bfs_steal(&catalog);
	return 0;
}

int bfs_catalog_open(const char *tag, enum bfs_catalog_freshness freshness,
	struct bfs_catalog **ret_catalog, struct bfs_error *error)
{
	return new_catalog(tag, freshness, NULL, ret_catalog, error);
}

int bfs_catalog_open_depot(const char *tag, const struct bfs_depot *depot,
	struct bfs_catalog **ret_catalog, struct bfs_error *error)
{
	return new_catalog(tag, BFS_CATALOG_FRESH, depot, ret_catalog, error);
}

static void free_tap(struct bfs_catalog_tap *tap)
{
	free(tap->name);
	free(tap->url);
	free(tap->directory);
}

void bfs_catalog_free(struct bfs_catalog *catalog)
{
	if (!catalog)
		return;
	for (size_t i = 0; i < catalog->entry_count; i++)
		bfs_formula_free(catalog->entries[i].formula);
	for (size_t i = 0; i < catalog->tap_count; i++)
		free_tap(&catalog->taps[i]);
	free(catalog->entries);
	free(catalog->taps);
	sqlite3_finalize(catalog->find_formula);
	sqlite3_finalize(catalog->find_alias);
	sqlite3_finalize(catalog->find_rename);
	sqlite3_finalize(catalog->find_migration);
	bfs_db_close(catalog->db);
	bfs_downloader_free(catalog->downloader);
	bfs_jws_key_free(catalog->key);
	free(catalog->tag);
	free(catalog->root);
	free(catalog->directory);
	free(catalog);
}

const char *bfs_catalog_tag(const struct bfs_catalog *catalog)
{
	return catalog->tag;
}

/* ---- formulae at hand ---- */

static int add_entry(struct bfs_catalog *catalog, struct bfs_formula *formula, bool local)
{
	struct bfs_catalog_entry *grown =
		reallocarray(catalog->entries, catalog->entry_count + 1, sizeof(*grown));

	if (!grown) {
		bfs_formula_free(formula);
		return -ENOMEM;
	}
	catalog->entries = grown;
	catalog->entries[catalog->entry_count++] = (struct bfs_catalog_entry){formula, local};
	return 0;
}

/* Of the tap, or local ones where `tap` is NULL. */
static const struct bfs_formula *find_entry(
	const struct bfs_catalog *catalog, const char *tap, const char *name)
{
	for (size_t i = 0; i < catalog->entry_count; i++) {
		const struct bfs_catalog_entry *entry = &catalog->entries[i];

		if (strcmp(entry->formula->name, name) != 0)
			continue;
		if (tap ? !entry->local && strcmp(entry->formula->tap, tap) == 0 : entry->local)
			return entry->formula;
	}
	return NULL;
}

/* Adds what was read, unless it is there already: an alias leads to the same formula. */
static int adopt(struct bfs_catalog *catalog, struct bfs_formula *formula,
	const struct bfs_formula **ret_formula)
{
	const struct bfs_formula *known = find_entry(catalog, formula->tap, formula->name);
	int r = 0;

	if (known)
		bfs_formula_free(formula);
	else
		r = add_entry(catalog, formula, false);
	if (r == 0)
		*ret_formula = known ? known : formula;
	return r;
}

int bfs_catalog_add_formula(struct bfs_catalog *catalog, struct bfs_formula *formula)
{
	return add_entry(catalog, formula, true);
}

/* ---- core formulae ---- */

/* One text from a table by name. -ENOENT where there is none. Allocated. */
static int look_up(sqlite3_stmt *stmt_kept, const char *name, char **ret_text)
{
	_reset_stmt_ sqlite3_stmt *stmt = stmt_kept;
	const char *text;
	int r;

	sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
	r = bfs_db_step(stmt);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	text = (const char *)sqlite3_column_text(stmt, 0);
	*ret_text = text ? strdup(text) : NULL;
	return *ret_text ? 0 : -ENOMEM;
}

static int find_packaged(struct bfs_catalog *catalog, const char *name,
	struct bfs_formula **ret_formula, struct bfs_error *error)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ json_t *json = NULL;
	int r = look_up(catalog->find_formula, name, &text);

	if (r == 0)
		r = bfs_json_parse(text, strlen(text), name, &json, error);
	return r < 0 ? r : bfs_formula_from_internal(name, json, catalog->tag, ret_formula, error);
}

/* -ENOENT, without a message, where there is none. */
static int find_core(struct bfs_catalog *catalog, const char *name,
	const struct bfs_formula **ret_formula, struct bfs_error *error)
{
	const struct bfs_formula *known = find_entry(catalog, "homebrew/core", name);
	struct bfs_formula *formula = NULL;
	_cleanup_error_ struct bfs_error failure = BFS_ERROR_INIT;
	int r;

	if (known) {
		*ret_formula = known;
		return 0;
	}
	if (catalog->db)
		r = find_packaged(catalog, name, &formula, &failure);
	else
		r = bfs_catalog_find_single(catalog, NULL, name, &formula, &failure);
	if (r == 0)
		r = adopt(catalog, formula, ret_formula);
	if (r < 0 && r != -ENOENT)
		bfs_error_set(error, r, STEP, NULL, "%s", bfs_error_message(&failure, r));
	return r;
}

/* The name a formula has today: through aliases and renames. -ENOENT where it is neither. */
static int resolve(const struct bfs_catalog *catalog, const char *name, char **ret_name)
{
	int r;

	if (!catalog->db)
		return -ENOENT;
	r = look_up(catalog->find_alias, name, ret_name);
	return r == -ENOENT ? look_up(catalog->find_rename, name, ret_name) : r;
}

static int check_migration(
	const struct bfs_catalog *catalog, const char *name, struct bfs_error *error)
{
	_cleanup_free_ char *tap = NULL;
	int r = catalog->db ? look_up(catalog->find_migration, name, &tap) : -ENOENT;

	if (r < 0)
		return r;
	return bfs_error_set(error, -EREMOTE, STEP, name, "it moved to the tap %s", tap);
}

/* ---- names that do not exist ---- */

static int offer_names(const struct bfs_catalog *catalog, struct bfs_suggestions *suggestions)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(
		catalog->db, "SELECT name FROM formula UNION ALL SELECT name FROM alias", &stmt);

	while (r == 0 && (r = bfs_db_step(stmt)) > 0)
		r = bfs_suggest_offer(suggestions, (const char *)sqlite3_column_text(stmt, 0));
	return r;
}

static int report_missing(
	const struct bfs_catalog *catalog, const char *name, struct bfs_error *error)
{
	struct bfs_suggestions suggestions;
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	int r = bfs_buffer_append_string(&text, "there is no formula of this name.");

	bfs_suggest_begin(&suggestions, name);
	if (r == 0 && catalog->db)
		r = offer_names(catalog, &suggestions);
	if (r == 0)
		r = bfs_suggest_append(&suggestions, &text);
	bfs_suggest_release(&suggestions);
	return r < 0 ? r : bfs_error_set(error, -ENOENT, STEP, name, "%s", text.data);
}

static int find_bare(struct bfs_catalog *catalog, const char *name,
	const struct bfs_formula **ret_formula, struct bfs_error *error)
{
	const struct bfs_formula *local = find_entry(catalog, NULL, name);
	_cleanup_free_ char *current = strdup(name);
	int r = current ? -ENOENT : -ENOMEM;

	if (local) {
		*ret_formula = local;
		return 0;
	}
	for (int step = 0; step < RENAME_LIMIT && r == -ENOENT; step++) {
		char *next = NULL;

		r = find_core(catalog, current, ret_formula, error);
		if (r != -ENOENT)
			return r;
		r = resolve(catalog, current, &next);
		if (r < 0)
			break;
		free(current);
		current = next;
		r = -ENOENT;
	}
	if (r == -ENOENT)
		r = check_migration(catalog, name, error);
	return r == -ENOENT ? report_missing(catalog, name, error) : r;
}

/* ---- taps ---- */

/* "user/homebrew-repo" and "user/repo" are one tap (Homebrew tap.rb). */
static char *tap_name(const char *tap)
{
	const char *slash = strchr(tap, '/');
	static const char prefix[] = "homebrew-";
	const char *repository = slash + 1;

	if (strncmp(repository, prefix, strlen(prefix)) == 0)
		repository += strlen(prefix);
	return bfs_format("%.*s/%s", (int)(slash - tap), tap, repository);
}

static struct bfs_catalog_tap *find_tap(const struct bfs_catalog *catalog, const char *name)
{
	for (size_t i = 0; i < catalog->tap_count; i++)
		if (strcmp(catalog->taps[i].name, name) == 0)
			return &catalog->taps[i];
	return NULL;
}

static int set_tap_url(struct bfs_catalog_tap *tap, const char *url)
{
	size_t length = url ? strlen(url) : 0;
	char *copy = NULL;

	while (length > 0 && url[length - 1] == '/')
		length--;
	if (url && bfs_url_is_http(url)) {
		copy = strndup(url, length);
		if (!copy)
			return -ENOMEM;
	}
	free(tap->url);
	free(bfs_steal(&tap->directory));
	tap->url = copy;
	return 0;
}

static char *lower_case(const char *name)
{
	char *copy = strdup(name);

	for (char *c = copy; c && *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return copy;
}

int bfs_catalog_add_tap(
	struct bfs_catalog *catalog, const char *tap, const char *url, struct bfs_error *error)
{
	_cleanup_free_ char *lower = lower_case(tap), *name = NULL;
	struct bfs_catalog_tap *known, *grown;

	if (!lower)
		return -ENOMEM;
	if (!bfs_formula_tap_is_valid(lower))
		return bfs_error_set(error, -EINVAL, "adding a tap", tap,
			"its name is not of the form USER/REPOSITORY");
	name = tap_name(lower);
	if (!name)
		return -ENOMEM;
	known = find_tap(catalog, name);
	if (known)
		return set_tap_url(known, url);
	grown = reallocarray(catalog->taps, catalog->tap_count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	catalog->taps = grown;
	grown[catalog->tap_count] = (struct bfs_catalog_tap){.name = bfs_steal(&name)};
	return set_tap_url(&grown[catalog->tap_count++], url);
}

static int report_tap(struct bfs_error *error, const char *reference, const char *url)
{
	if (!url)
		return bfs_error_set(error, -EOPNOTSUPP, STEP, reference,
			"formulae of a tap need its API documents: give their URL in the Brewfile "
			"(tap \"user/repo\", \"https://...\")");
	return bfs_error_set(error, -EOPNOTSUPP, STEP, reference,
		"%s has no formula/NAME.json for it; formulae of a tap need its API documents",
		url);
}

static int find_in_tap(struct bfs_catalog *catalog, const char *tap_text, const char *name,
	const char *reference, const struct bfs_formula **ret_formula, struct bfs_error *error)
{
	_cleanup_free_ char *tap = tap_name(tap_text), *shown = NULL;
	struct bfs_catalog_tap *known = tap ? find_tap(catalog, tap) : NULL;
	const struct bfs_formula *entry;
	_cleanup_error_ struct bfs_error failure = BFS_ERROR_INIT;
	struct bfs_formula *formula = NULL;
	int r;

	if (!tap)
		return -ENOMEM;
	entry = find_entry(catalog, tap, name);
	if (entry) {
		*ret_formula = entry;
		return 0;
	}
	/* A depot has what its fetch was told of taps. */
	if (!known && bfs_catalog_is_offline(catalog) &&
		bfs_catalog_add_tap(catalog, tap, NULL, error) == 0)
		known = find_tap(catalog, tap);
	if (!known || (!known->url && !bfs_catalog_is_offline(catalog)))
		return report_tap(error, reference, NULL);
	shown = bfs_catalog_is_offline(catalog) ? strdup(bfs_depot_path(catalog->depot))
						: bfs_url_shown(known->url);
	if (!shown)
		return -ENOMEM;
	r = bfs_catalog_find_single(catalog, known, name, &formula, &failure);
	if (r == -ENOENT)
		return report_tap(error, reference, shown);
	if (r < 0)
		return bfs_error_set(error, r, STEP, NULL, "%s", bfs_error_message(&failure, r));
	return adopt(catalog, formula, ret_formula);
}

/* ---- finding ---- */

int bfs_catalog_find(struct bfs_catalog *catalog, const char *name,
	const struct bfs_formula **ret_formula, struct bfs_error *error)
{
	static const char *const core[] = {
		"homebrew/core/", "homebrew/homebrew/", "homebrew/homebrew-core/"};
	_cleanup_free_ char *lower = lower_case(name);
	const char *bare = lower;
	char *slash;

	if (!lower)
		return -ENOMEM;
	if (!bfs_formula_reference_is_valid(lower))
		return bfs_error_set(
			error, -EINVAL, STEP, name, "this cannot be the name of a formula");
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(core); i++)
		if (strncmp(lower, core[i], strlen(core[i])) == 0)
			bare = lower + strlen(core[i]);
	slash = strrchr(bare, '/');
	if (!slash)
		return find_bare(catalog, bare, ret_formula, error);
	*slash = '\0';
	return find_in_tap(catalog, lower, slash + 1, name, ret_formula, error);
}
