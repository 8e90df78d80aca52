#include "installer/registry_places.h"

#include "installer/url.h"
#include "lib/file.h"

#include <ctype.h>
#include <string.h>

#define GHCR	  "https://ghcr.io/"
#define GHCR_V2	  "https://ghcr.io/v2/"
#define CORE	  "homebrew/core"
#define ANONYMOUS "Bearer QQ==" /* base64 of "A": ghcr.io takes any bearer for public images */
#define TAG_SIZE  128		/* characters (OCI distribution-spec) */

/* Where bottles are kept. */
enum root_kind {
	ROOT_GHCR,     /* ghcr.io itself */
	ROOT_ARTIFACT, /* HOMEBREW_ARTIFACT_DOMAIN in its place */
	ROOT_BOTTLE,   /* HOMEBREW_BOTTLE_DOMAIN */
	ROOT_OTHER,    /* what a tap's document names */
};

static bool begins_with(const char *string, const char *prefix)
{
	return strncmp(string, prefix, strlen(prefix)) == 0;
}

/* ---- names ---- */

/* Homebrew github_packages.rb: "openssl@3" is image "openssl/3", "gtk+3" is "gtkx3". */
static char *image_name(const char *name)
{
	char *image = strdup(name);

	for (char *c = image; c && *c; c++) {
		if (*c == '@')
			*c = '/';
		else if (*c == '+')
			*c = 'x';
		else
			*c = (char)tolower((unsigned char)*c);
	}
	return image;
}

/* "2.39_1-2": a dash before the rebuild. */
static char *image_tag(const struct bfs_formula *formula)
{
	if (formula->bottle_rebuild > 0)
		return bfs_format("%s-%d", formula->pkg_version, formula->bottle_rebuild);
	return strdup(formula->pkg_version);
}

static bool image_tag_is_valid(const char *tag)
{
	if (strlen(tag) > TAG_SIZE || !(isalnum((unsigned char)*tag) || *tag == '_'))
		return false;
	for (const char *c = tag; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("._-", *c))
			return false;
	return true;
}

/* The name on a flat mirror: one dash, where local files have two (Homebrew bottle.rb#Filename). */
static char *flat_name(const struct bfs_formula *formula)
{
	_cleanup_free_ char *name = NULL;

	if (formula->bottle_rebuild > 0)
		name = bfs_format("%s-%s.%s.bottle.%d.tar.gz", formula->name, formula->pkg_version,
			formula->bottle_tag, formula->bottle_rebuild);
	else
		name = bfs_format("%s-%s.%s.bottle.tar.gz", formula->name, formula->pkg_version,
			formula->bottle_tag);
	return name ? bfs_url_escape(name) : NULL;
}

/* Whether the path begins with /v2/OWNER/REPOSITORY. */
static bool root_is_oci(const char *root)
{
	const char *path = strstr(root, "://");
	const char *owner, *repository;

	path = path ? strchr(path + 3, '/') : NULL;
	if (!path || !begins_with(path, "/v2/"))
		return false;
	owner = path + strlen("/v2/");
	repository = strchr(owner, '/');
	return repository && repository > owner && repository[1];
}

/* ---- one URL ---- */

static char *oci_url(
	const struct bfs_formula *formula, const char *root, enum bfs_registry_item item)
{
	_cleanup_free_ char *image = image_name(formula->name);
	_cleanup_free_ char *tag = NULL;
	char hex[BFS_DIGEST_HEX_SIZE];

	if (!image)
		return NULL;
	if (item == BFS_REGISTRY_BLOB)
		return bfs_format("%s/%s/blobs/sha256:%s", root, image,
			bfs_digest_to_hex(&formula->bottle_digest, hex));
	tag = image_tag(formula);
	return tag ? bfs_format("%s/%s/manifests/%s", root, image, tag) : NULL;
}

static char *flat_url(const struct bfs_formula *formula, const char *root)
{
	_cleanup_free_ char *name = flat_name(formula);

	return name ? bfs_format("%s/%s", root, name) : NULL;
}

/* A token is for one domain: the one that was configured. */
static const char *authorization_for(const struct bfs_registry *registry, enum root_kind kind)
{
	bool configured = registry->artifact_domain || registry->bottle_domain;

	switch (kind) {
	case ROOT_ARTIFACT:
		return registry->token;
	case ROOT_BOTTLE:
		if (registry->token)
			return registry->token;
		return registry->no_authorization ? NULL : ANONYMOUS;
	case ROOT_GHCR:
		if (!configured && registry->token)
			return registry->token;
		return !configured && registry->no_authorization ? NULL : ANONYMOUS;
	case ROOT_OTHER:
		break;
	}
	return ANONYMOUS;
}

static int add_string(bfs_strings *strings, const char *string, const char **ret)
{
	int r;

	*ret = NULL;
	if (!string)
		return 0;
	r = bfs_strings_add(strings, string);
	if (r == 0)
		*ret = (*strings)[bfs_strings_count(*strings) - 1];
	return r;
}

static int add_source(
	struct bfs_registry_sources *sources, const char *url, const char *authorization)
{
	struct bfs_download_source source;
	struct bfs_download_source *grown =
		reallocarray(sources->list, sources->count + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	sources->list = grown;
	if (add_string(&sources->strings, url, &source.url) < 0 ||
		add_string(&sources->strings, authorization, &source.authorization) < 0)
		return -ENOMEM;
	sources->list[sources->count++] = source;
	return 0;
}

static int add_root(const struct bfs_registry *registry, const struct bfs_formula *formula,
	const char *root, enum root_kind kind, enum bfs_registry_item item,
	struct bfs_registry_sources *sources)
{
	bool is_oci = kind == ROOT_ARTIFACT || root_is_oci(root);
	_cleanup_free_ char *url = is_oci ? oci_url(formula, root, item) : flat_url(formula, root);

	if (!url)
		return -ENOMEM;
	return add_source(sources, url, is_oci ? authorization_for(registry, kind) : NULL);
}

/* ---- the order of places ---- */

/* ARTIFACT_DOMAIN in the place of ghcr.io; one that has a /v2 of its own takes that of the URL too.
 */
static char *artifact_root(const struct bfs_registry *registry, const char *root)
{
	const char *domain = registry->artifact_domain;
	const char *path = strchr(strstr(domain, "://") + strlen("://"), '/');
	bool has_v2 = path && begins_with(path, "/v2") && (!path[3] || path[3] == '/');

	if (has_v2 && begins_with(root, GHCR_V2))
		return bfs_format("%s/%s", domain, root + strlen(GHCR_V2));
	return bfs_format("%s/%s", domain, root + strlen(GHCR));
}

static int add_places(const struct bfs_registry *registry, const struct bfs_formula *formula,
	const char *root, enum root_kind kind, enum bfs_registry_item item,
	struct bfs_registry_sources *sources)
{
	_cleanup_free_ char *artifact = NULL;
	int r;

	if (!begins_with(root, GHCR))
		return add_root(registry, formula, root, kind, item, sources);
	if (!registry->artifact_domain)
		return add_root(registry, formula, root, ROOT_GHCR, item, sources);
	artifact = artifact_root(registry, root);
	if (!artifact)
		return -ENOMEM;
	r = add_root(registry, formula, artifact, ROOT_ARTIFACT, item, sources);
	if (r < 0 || registry->no_fallback)
		return r;
	return add_root(registry, formula, root, ROOT_GHCR, item, sources);
}

/* A tap's default root: ghcr.io/v2/USER/REPOSITORY (Homebrew github_packages.rb). */
static char *tap_root(const char *tap)
{
	const char *slash = strchr(tap, '/');
	const char *repository = slash ? slash + 1 : "";
	char *root;

	if (begins_with(repository, "homebrew-"))
		repository += strlen("homebrew-");
	root = bfs_format(GHCR_V2 "%.*s/%s", slash ? (int)(slash - tap) : 0, tap, repository);
	for (char *c = root; c && *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return root;
}

/* Whether the item can be there at all. */
static bool root_has(
	const struct bfs_formula *formula, const char *root, enum bfs_registry_item item)
{
	_cleanup_free_ char *tag = image_tag(formula);

	return item == BFS_REGISTRY_BLOB || (root_is_oci(root) && tag && image_tag_is_valid(tag));
}

int bfs_registry_list_places(const struct bfs_registry *registry, const struct bfs_formula *formula,
	enum bfs_registry_item item, struct bfs_registry_sources *sources)
{
	const char *domain = strcmp(formula->tap, CORE) == 0 ? registry->bottle_domain : NULL;
	_cleanup_free_ char *root = tap_root(formula->tap);
	int r = 0;

	if (!root)
		return -ENOMEM;
	if (formula->bottle_root_url) {
		if (!root_has(formula, formula->bottle_root_url, item))
			return 0;
		return add_places(
			registry, formula, formula->bottle_root_url, ROOT_OTHER, item, sources);
	}
	/* A mirror that has no manifests is not followed by a registry that would have to be asked.
	 */
	if (!root_has(formula, domain ? domain : root, item))
		return 0;
	if (domain)
		r = add_places(registry, formula, domain, ROOT_BOTTLE, item, sources);
	if (r < 0 || (domain && strcmp(domain, BFS_REGISTRY_DEFAULT_ROOT) == 0))
		return r;
	return add_places(registry, formula, root, ROOT_GHCR, item, sources);
}
