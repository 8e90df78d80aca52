#include "installer/bottle_manifest.h"

#include "lib/file.h"
#include "lib/path.h"

#include <string.h>

#define STEP "reading the bottle's manifest"

static int fail(struct bfs_error *error, const char *name, const char *reason)
{
	return bfs_error_set(error, -EBADMSG, STEP, name, "%s", reason);
}

/* "2.39_1.x86_64_linux.2" (Homebrew github_packages.rb): a dot before the rebuild, not a dash. */
static char *expected_ref_name(const struct bfs_formula *formula)
{
	if (formula->bottle_rebuild == 0)
		return bfs_format("%s.%s", formula->pkg_version, formula->bottle_tag);
	return bfs_format(
		"%s.%s.%d", formula->pkg_version, formula->bottle_tag, formula->bottle_rebuild);
}

static bool is_entry(const json_t *annotations, const char *ref_name, const char *digest)
{
	const char *name = bfs_json_string_or(annotations, "org.opencontainers.image.ref.name", "");

	return strcmp(name, ref_name) == 0 &&
	       strcmp(bfs_json_string_or(annotations, "sh.brew.bottle.digest", ""), digest) == 0;
}

/* The annotations of the bottle's entry, borrowed. */
static int find_entry(const json_t *index, const struct bfs_formula *formula, const char *name,
	json_t **ret_annotations, struct bfs_error *error)
{
	_cleanup_free_ char *ref_name = expected_ref_name(formula);
	char digest[BFS_DIGEST_HEX_SIZE];
	json_t *manifests, *manifest;
	size_t i;

	if (!ref_name)
		return -ENOMEM;
	bfs_digest_to_hex(&formula->bottle_digest, digest);
	if (bfs_json_get_array(index, "manifests", &manifests) < 0)
		return fail(error, name, "it is no image index");
	json_array_foreach(manifests, i, manifest)
	{
		json_t *annotations = json_object_get(manifest, "annotations");

		if (is_entry(annotations, ref_name, digest)) {
			*ret_annotations = annotations;
			return 0;
		}
	}
	return bfs_error_set(
		error, -ENOENT, STEP, name, "it does not list %s with digest %s", ref_name, digest);
}

static int copy_string(const json_t *annotations, const char *key, char **ret)
{
	const char *value = bfs_json_string_or(annotations, key, NULL);

	if (!value)
		return 0;
	*ret = strdup(value);
	return *ret ? 0 : -ENOMEM;
}

/* Sizes are decimal numbers in strings, as all annotations are. */
static int read_size(const json_t *annotations, const char *key, int64_t *ret_size)
{
	const char *value = bfs_json_string_or(annotations, key, NULL);
	char *end;
	long long size;

	if (!value)
		return 0;
	errno = 0;
	size = strtoll(value, &end, 10);
	if (errno || *end || *value < '0' || *value > '9')
		return -EBADMSG;
	*ret_size = size;
	return 0;
}

static int read_tab(
	const json_t *annotations, const char *name, json_t **ret_tab, struct bfs_error *error)
{
	const char *text = bfs_json_string_or(annotations, "sh.brew.tab", NULL);
	_cleanup_json_ json_t *tab = NULL;
	int r;

	if (!text)
		return 0;
	r = bfs_json_parse(text, strlen(text), name, &tab, error);
	if (r < 0)
		return r;
	if (!json_is_object(tab))
		return fail(error, name, "its tab is no object");
	*ret_tab = bfs_steal(&tab);
	return 0;
}

/* A comma list; what is no clean path is left out. */
static int read_path_exec_files(const json_t *annotations, bfs_strings *files)
{
	const char *list = bfs_json_string_or(annotations, "sh.brew.path_exec_files", "");
	_cleanup_free_ char *copy = strdup(list);
	char *rest = NULL;
	int r = 0;

	if (!copy)
		return -ENOMEM;
	for (char *file = strtok_r(copy, ",", &rest); file && r == 0;
		file = strtok_r(NULL, ",", &rest))
		if (bfs_path_is_clean(file))
			r = bfs_strings_add(files, file);
	return r;
}

static int read_entry(const json_t *annotations, const char *name,
	struct bfs_bottle_manifest *manifest, struct bfs_error *error)
{
	int r = read_tab(annotations, name, &manifest->tab, error);

	if (r < 0)
		return r;
	if (read_size(annotations, "sh.brew.bottle.size", &manifest->bottle_size) < 0 ||
		read_size(annotations, "sh.brew.bottle.installed_size", &manifest->installed_size) <
			0)
		return fail(error, name, "it gives a size that is no number");
	r = copy_string(annotations, "sh.brew.bottle.glibc.version", &manifest->glibc_version);
	if (r == 0)
		r = copy_string(annotations, "sh.brew.bottle.cpu.variant", &manifest->cpu_variant);
	if (r == 0)
		r = read_path_exec_files(annotations, &manifest->path_exec_files);
	return r;
}

static int new_manifest(struct bfs_bottle_manifest **ret_manifest)
{
	_cleanup_bottle_manifest_ struct bfs_bottle_manifest *manifest =
		calloc(1, sizeof(*manifest));

	if (!manifest)
		return -ENOMEM;
	manifest->bottle_size = manifest->installed_size = -1;
	manifest->path_exec_files = calloc(1, sizeof(char *));
	if (!manifest->path_exec_files)
		return -ENOMEM;
	*ret_manifest = bfs_steal(&manifest);
	return 0;
}

int bfs_bottle_manifest_parse(const char *text, size_t length, const char *name,
	const struct bfs_formula *formula, struct bfs_bottle_manifest **ret_manifest,
	struct bfs_error *error)
{
	_cleanup_bottle_manifest_ struct bfs_bottle_manifest *manifest = NULL;
	_cleanup_json_ json_t *index = NULL;
	json_t *annotations = NULL;
	int r = bfs_json_parse(text, length, name, &index, error);

	if (r == 0)
		r = find_entry(index, formula, name, &annotations, error);
	if (r == 0)
		r = new_manifest(&manifest);
	if (r == 0)
		r = read_entry(annotations, name, manifest, error);
	if (r < 0)
		return r;
	*ret_manifest = bfs_steal(&manifest);
	return 0;
}

void bfs_bottle_manifest_free(struct bfs_bottle_manifest *manifest)
{
	if (!manifest)
		return;
	json_decref(manifest->tab);
	free(manifest->glibc_version);
	free(manifest->cpu_variant);
	bfs_strings_free(manifest->path_exec_files);
	free(manifest);
}
