#include "installer/registry.h"

#include "installer/registry_places.h"
#include "installer/url.h"
#include "lib/file.h"

#include <string.h>

#define INDEX_TYPE "application/vnd.oci.image.index.v1+json"

/* ---- the environment ---- */

static int read_domain(const char *name, char **ret_domain, struct bfs_error *error)
{
	const char *value = getenv(name);
	size_t length;

	if (!value || !*value)
		return 0;
	if (!bfs_url_is_http(value))
		return bfs_error_set(error, -EINVAL, "reading the environment", name,
			"it is no http or https URL");
	length = strlen(value);
	while (length > 0 && value[length - 1] == '/')
		length--;
	*ret_domain = strndup(value, length);
	return *ret_domain ? 0 : -ENOMEM;
}

static int read_token(struct bfs_registry *registry)
{
	const char *bearer = getenv("HOMEBREW_DOCKER_REGISTRY_TOKEN");
	const char *basic = getenv("HOMEBREW_DOCKER_REGISTRY_BASIC_AUTH_TOKEN");

	if (bearer && *bearer) {
		registry->token = bfs_format("Bearer %s", bearer);
		return registry->token ? 0 : -ENOMEM;
	}
	if (!basic || !*basic)
		return 0;
	registry->no_authorization = strcmp(basic, "none") == 0;
	if (registry->no_authorization)
		return 0;
	registry->token = bfs_format("Basic %s", basic);
	return registry->token ? 0 : -ENOMEM;
}

int bfs_registry_new(struct bfs_registry **ret_registry, struct bfs_error *error)
{
	_cleanup_registry_ struct bfs_registry *registry = calloc(1, sizeof(*registry));
	const char *no_fallback = getenv("HOMEBREW_ARTIFACT_DOMAIN_NO_FALLBACK");
	int r;

	if (!registry)
		return -ENOMEM;
	registry->no_fallback = no_fallback && *no_fallback;
	r = read_domain("HOMEBREW_ARTIFACT_DOMAIN", &registry->artifact_domain, error);
	if (r == 0)
		r = read_domain("HOMEBREW_BOTTLE_DOMAIN", &registry->bottle_domain, error);
	if (r == 0)
		r = read_token(registry);
	if (r < 0)
		return r;
	*ret_registry = bfs_steal(&registry);
	return 0;
}

void bfs_registry_free(struct bfs_registry *registry)
{
	if (!registry)
		return;
	free(registry->artifact_domain);
	free(registry->bottle_domain);
	free(registry->token);
	free(registry);
}

/* ---- sources ---- */

void bfs_registry_sources_release(struct bfs_registry_sources *sources)
{
	free(sources->list);
	bfs_strings_free(sources->strings);
	memset(sources, 0, sizeof(*sources));
}

static int list_sources(const struct bfs_registry *registry, const struct bfs_formula *formula,
	enum bfs_registry_item item, struct bfs_registry_sources *ret_sources,
	struct bfs_error *error)
{
	struct bfs_registry_sources sources = {NULL, 0, NULL};
	int r;

	if (!formula->has_bottle)
		return bfs_error_set(error, -ENOENT, "looking for the bottle", formula->name,
			"there is none for this kind of machine");
	r = bfs_registry_list_places(registry, formula, item, &sources);
	if (r < 0) {
		bfs_registry_sources_release(&sources);
		return r;
	}
	*ret_sources = sources;
	return 0;
}

int bfs_registry_blob_sources(const struct bfs_registry *registry,
	const struct bfs_formula *formula, struct bfs_registry_sources *ret_sources,
	struct bfs_error *error)
{
	return list_sources(registry, formula, BFS_REGISTRY_BLOB, ret_sources, error);
}

int bfs_registry_manifest_sources(const struct bfs_registry *registry,
	const struct bfs_formula *formula, struct bfs_registry_sources *ret_sources,
	struct bfs_error *error)
{
	return list_sources(registry, formula, BFS_REGISTRY_MANIFEST, ret_sources, error);
}

/* ---- downloads ---- */

int bfs_registry_start_bottle(const struct bfs_registry *registry,
	struct bfs_downloader *downloader, const struct bfs_formula *formula, int64_t size,
	int64_t start, struct bfs_download **ret_download, struct bfs_error *error)
{
	_cleanup_registry_sources_ struct bfs_registry_sources sources = {NULL, 0, NULL};
	_cleanup_free_ char *label = bfs_format("%s %s", formula->name, formula->pkg_version);
	struct bfs_download_request request = {
		.kind = BFS_DOWNLOAD_BLOB, .expected_size = size, .start = start};
	int r = label ? 0 : -ENOMEM;

	if (r == 0)
		r = bfs_registry_blob_sources(registry, formula, &sources, error);
	if (r < 0)
		return r;
	request.sources = sources.list;
	request.source_count = sources.count;
	request.label = label;
	return bfs_download_start(downloader, &request, ret_download, error);
}

/* Downloads and reads the index; `ret_received` is whether there was one to read. */
static int fetch_once(struct bfs_downloader *downloader, const struct bfs_registry_sources *sources,
	const struct bfs_formula *formula, struct bfs_buffer *text,
	struct bfs_bottle_manifest **ret_manifest, bool *ret_received, struct bfs_error *error)
{
	struct bfs_download_request request = {
		.sources = sources->list,
		.source_count = sources->count,
		.kind = BFS_DOWNLOAD_DOCUMENT,
		.accept = INDEX_TYPE,
		.expected_size = -1,
		.size_limit = BFS_BOTTLE_MANIFEST_LIMIT,
	};
	int r;

	bfs_buffer_clear(text);
	r = bfs_download_fetch(downloader, &request, text, error);
	*ret_received = r == 0;
	if (r < 0)
		return r;
	return bfs_bottle_manifest_parse(
		text->data, text->length, formula->name, formula, ret_manifest, error);
}

int bfs_registry_fetch_index(const struct bfs_registry *registry,
	struct bfs_downloader *downloader, const struct bfs_formula *formula,
	struct bfs_buffer *text, struct bfs_bottle_manifest **ret_manifest, struct bfs_error *error)
{
	_cleanup_registry_sources_ struct bfs_registry_sources sources = {NULL, 0, NULL};
	bool received;
	int r = bfs_registry_manifest_sources(registry, formula, &sources, error);

	if (r < 0)
		return r;
	if (sources.count == 0)
		return bfs_error_set(error, -ENOENT, "looking for the bottle's manifest",
			formula->name, "there is none where the bottle is");
	r = fetch_once(downloader, &sources, formula, text, ret_manifest, &received, error);
	if (!received || (r != -ENOENT && r != -EBADMSG))
		return r;
	bfs_error_clear(error);
	return fetch_once(downloader, &sources, formula, text, ret_manifest, &received, error);
}

int bfs_registry_fetch_manifest(const struct bfs_registry *registry,
	struct bfs_downloader *downloader, const struct bfs_formula *formula,
	struct bfs_bottle_manifest **ret_manifest, struct bfs_error *error)
{
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;

	return bfs_registry_fetch_index(
		registry, downloader, formula, &text, ret_manifest, error);
}
