#include "installer/formula.h"

#include "installer/formula_private.h"

#include <ctype.h>
#include <string.h>

#define NAME_SIZE    128 /* bytes; Homebrew's longest has 40 */
#define VERSION_SIZE 128 /* bytes; the tag of an OCI image has no more (OCI distribution-spec) */
#define TAG_SIZE     64	 /* bytes; Homebrew's longest has 20 */

/* ---- names ---- */

static bool is_all(const char *string, size_t length, const char *punctuation)
{
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)string[i];

		if (c >= 0x80 || !(isalnum(c) || (c && strchr(punctuation, c))))
			return false;
	}
	return true;
}

static bool name_is_valid(const char *name, size_t length)
{
	return length >= 1 && length <= NAME_SIZE && *name != '.' && *name != '-' &&
	       is_all(name, length, "@+._-");
}

bool bfs_formula_name_is_valid(const char *name)
{
	return name && name_is_valid(name, strlen(name));
}

bool bfs_formula_reference_is_valid(const char *reference)
{
	const char *repository, *name;

	if (!reference || !strchr(reference, '/'))
		return bfs_formula_name_is_valid(reference);
	repository = strchr(reference, '/') + 1;
	name = strchr(repository, '/');
	return name && name_is_valid(reference, (size_t)(repository - 1 - reference)) &&
	       name_is_valid(repository, (size_t)(name - repository)) &&
	       bfs_formula_name_is_valid(name + 1);
}

bool bfs_formula_tap_is_valid(const char *tap)
{
	const char *slash = tap ? strchr(tap, '/') : NULL;

	return slash && name_is_valid(tap, (size_t)(slash - tap)) &&
	       bfs_formula_name_is_valid(slash + 1);
}

bool bfs_formula_version_is_valid(const char *version)
{
	size_t length = version ? strlen(version) : 0;

	if (length < 1 || length > VERSION_SIZE || *version == '.')
		return false;
	for (size_t i = 0; i < length; i++)
		if (version[i] <= ' ' || version[i] >= 0x7f || version[i] == '/')
			return false;
	return true;
}

bool bfs_formula_tag_is_valid(const char *tag)
{
	size_t length = tag ? strlen(tag) : 0;

	if (length < 1 || length > TAG_SIZE)
		return false;
	for (size_t i = 0; i < length; i++)
		if (isupper((unsigned char)tag[i]))
			return false;
	return is_all(tag, length, "_");
}

/* ---- lists ---- */

void bfs_strings_free(bfs_strings strings)
{
	for (size_t i = 0; strings && strings[i]; i++)
		free(strings[i]);
	free(strings);
}

size_t bfs_strings_count(char *const *strings)
{
	size_t count = 0;

	while (strings && strings[count])
		count++;
	return count;
}

bool bfs_strings_contains(char *const *strings, const char *string)
{
	for (size_t i = 0; strings && strings[i]; i++)
		if (strcmp(strings[i], string) == 0)
			return true;
	return false;
}

int bfs_strings_add(bfs_strings *strings, const char *string)
{
	size_t count = bfs_strings_count(*strings);
	_cleanup_free_ char *copy = strdup(string);
	bfs_strings grown = copy ? reallocarray(*strings, count + 2, sizeof(*grown)) : NULL;

	if (!grown)
		return -ENOMEM;
	grown[count] = bfs_steal(&copy);
	grown[count + 1] = NULL;
	*strings = grown;
	return 0;
}

/* ---- the struct ---- */

static bool allocate_lists(struct bfs_formula *formula)
{
	formula->dependencies = calloc(1, sizeof(char *));
	formula->aliases = calloc(1, sizeof(char *));
	formula->old_names = calloc(1, sizeof(char *));
	formula->versioned_formulae = calloc(1, sizeof(char *));
	formula->link_overwrite = calloc(1, sizeof(char *));
	return formula->dependencies && formula->aliases && formula->old_names &&
	       formula->versioned_formulae && formula->link_overwrite;
}

int bfs_formula_new(const char *name, struct bfs_formula **ret_formula, struct bfs_error *error)
{
	_cleanup_formula_ struct bfs_formula *formula = NULL;

	if (!bfs_formula_name_is_valid(name))
		return bfs_error_set(error, -EBADMSG, "reading a formula", NULL,
			"\"%.128s\" cannot be the name of one", name ? name : "");
	formula = calloc(1, sizeof(*formula));
	if (!formula || !allocate_lists(formula))
		return -ENOMEM;
	formula->compatibility_version = -1;
	formula->name = strdup(name);
	formula->tap = strdup("homebrew/core");
	if (!formula->name || !formula->tap)
		return -ENOMEM;
	*ret_formula = bfs_steal(&formula);
	return 0;
}

static void free_conflicts(struct bfs_formula *formula)
{
	for (size_t i = 0; i < formula->conflict_count; i++) {
		free(formula->conflicts[i].name);
		free(formula->conflicts[i].reason);
	}
	free(formula->conflicts);
}

void bfs_formula_free(struct bfs_formula *formula)
{
	if (!formula)
		return;
	free_conflicts(formula);
	bfs_strings_free(formula->dependencies);
	bfs_strings_free(formula->aliases);
	bfs_strings_free(formula->old_names);
	bfs_strings_free(formula->versioned_formulae);
	bfs_strings_free(formula->link_overwrite);
	json_decref(formula->post_install_steps);
	free(formula->name);
	free(formula->tap);
	free(formula->version);
	free(formula->pkg_version);
	free(formula->bottle_tag);
	free(formula->bottle_cellar);
	free(formula->bottle_root_url);
	free(formula->keg_only_reason);
	free(formula->deprecation_reason);
	free(formula->unmet_requirement);
	free(formula->desc);
	free(formula->homepage);
	free(formula->license);
	free(formula->caveats);
	free(formula->ruby_source_path);
	free(formula);
}
