#include "installer/formula_private.h"

#include "lib/buffer.h"

#include <string.h>

/* ---- dependencies ---- */

static bool is_pruned(const struct bfs_formula_reader *reader, const char *tag)
{
	tag = bfs_formula_text(reader, tag);
	return tag && (strcmp(tag, "build") == 0 || strcmp(tag, "test") == 0 ||
			      strcmp(tag, "optional") == 0);
}

/* `tags` is a string or an array of strings; objects among them are bounds. */
static bool tags_prune(const struct bfs_formula_reader *reader, const json_t *tags)
{
	json_t *tag;
	size_t i;

	if (json_is_string(tags))
		return is_pruned(reader, json_string_value(tags));
	json_array_foreach(tags, i, tag) if (is_pruned(reader, json_string_value(tag))) return true;
	return false;
}

static int add_name(const struct bfs_formula_reader *reader, const char *field, const char *name)
{
	struct bfs_formula *formula = reader->formula;

	if (!bfs_formula_reference_is_valid(name))
		return bfs_formula_fail(reader, field, "has a name that cannot be one");
	if (bfs_strings_contains(formula->dependencies, name))
		return 0;
	return bfs_strings_add(&formula->dependencies, name);
}

int bfs_formula_add_dependency(
	const struct bfs_formula_reader *reader, const char *field, const json_t *entry)
{
	const char *name;
	json_t *tags;

	if (json_is_string(entry))
		return add_name(reader, field, bfs_formula_text(reader, json_string_value(entry)));
	if (!json_is_object(entry))
		return bfs_formula_fail(reader, field, "has an item of an unexpected type");
	json_object_foreach((json_t *)entry, name, tags)
	{
		int r;

		if (*name == ':' || strcmp(name, "since") == 0 || tags_prune(reader, tags))
			continue;
		r = add_name(reader, field, bfs_formula_text(reader, name));
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- conflicts ---- */

int bfs_formula_add_conflict(
	const struct bfs_formula_reader *reader, const char *name, const char *reason)
{
	struct bfs_formula *formula = reader->formula;
	struct bfs_conflict conflict = {NULL, NULL}, *grown;

	if (!bfs_formula_reference_is_valid(name))
		return bfs_formula_fail(reader, "conflicts", "has a name that cannot be one");
	grown = reallocarray(formula->conflicts, formula->conflict_count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	formula->conflicts = grown;
	conflict.name = strdup(name);
	if (reason && *reason)
		conflict.reason = strdup(reason);
	formula->conflicts[formula->conflict_count++] = conflict;
	return conflict.name && (conflict.reason || !reason || !*reason) ? 0 : -ENOMEM;
}

/* ---- requirements ---- */

static bool tag_is_x86(const char *tag)
{
	return strncmp(tag, "x86_64", strlen("x86_64")) == 0;
}

/* Whether the architecture, in one of the names Homebrew has for it, is the bottle tag's. */
static bool arch_matches(const char *arch, const char *tag)
{
	if (strcmp(arch, "x86_64") == 0 || strcmp(arch, "intel") == 0 || strcmp(arch, "amd64") == 0)
		return tag_is_x86(tag);
	if (strcmp(arch, "arm64") == 0 || strcmp(arch, "arm") == 0 || strcmp(arch, "aarch64") == 0)
		return !tag_is_x86(tag);
	return false;
}

static int require_arch(const struct bfs_formula_reader *reader, const char *arch)
{
	if (!arch || arch_matches(arch, reader->tag) || reader->formula->unmet_requirement)
		return 0;
	if (asprintf(&reader->formula->unmet_requirement, "the %s architecture", arch) < 0) {
		reader->formula->unmet_requirement = NULL;
		return -ENOMEM;
	}
	return 0;
}

static int require_macos(const struct bfs_formula_reader *reader)
{
	free(reader->formula->unmet_requirement);
	reader->formula->unmet_requirement = strdup("macOS");
	return reader->formula->unmet_requirement ? 0 : -ENOMEM;
}

int bfs_formula_add_requirement(const struct bfs_formula_reader *reader, const char *name,
	const char *version, const json_t *tags)
{
	if (tags_prune(reader, tags))
		return 0;
	if (strcmp(name, "macos") == 0 || strcmp(name, "maximum_macos") == 0)
		return require_macos(reader);
	if (strcmp(name, "arch") == 0)
		return require_arch(reader, version);
	/* linux is met, xcode counts as met on Linux, others never reach the API. */
	return 0;
}

/* ---- keg-only ---- */

static const char *keg_only_text(const char *reason, const char *explanation, bool versioned)
{
	if (explanation && *explanation)
		return explanation;
	return versioned ? "this is an alternate version of another formula" : reason;
}

int bfs_formula_set_keg_only(
	const struct bfs_formula_reader *reader, const char *reason, const char *explanation)
{
	struct bfs_formula *formula = reader->formula;
	bool versioned = strcmp(reason, ":versioned_formula") == 0;

	if (strcmp(reason, ":provided_by_macos") == 0 || strcmp(reason, ":shadowed_by_macos") == 0)
		return 0;
	formula->keg_only = true;
	formula->keg_only_versioned = versioned;
	free(formula->keg_only_reason);
	formula->keg_only_reason = strdup(keg_only_text(reason, explanation, versioned));
	return formula->keg_only_reason ? 0 : -ENOMEM;
}

/* ---- bottle ---- */

/* The internal form may have the symbol's colon escaped, for it was made a string before. */
static const char *plain_cellar(const char *cellar)
{
	return strncmp(cellar, "\\:", 2) == 0 ? cellar + 1 : cellar;
}

static bool cellar_is_valid(const char *cellar)
{
	return *cellar == '/' || strcmp(cellar, ":any") == 0 ||
	       strcmp(cellar, ":any_skip_relocation") == 0;
}

int bfs_formula_set_bottle(const struct bfs_formula_reader *reader, const char *tag,
	const char *sha256, const char *cellar)
{
	struct bfs_formula *formula = reader->formula;

	cellar = plain_cellar(cellar);
	if (bfs_digest_from_hex(sha256, &formula->bottle_digest) < 0)
		return bfs_formula_fail(reader, "bottle", "has a digest that is no SHA-256");
	if (!cellar_is_valid(cellar))
		return bfs_formula_fail(reader, "bottle", "has an unknown cellar");
	formula->bottle_tag = strdup(tag);
	formula->bottle_cellar = strdup(cellar);
	formula->has_bottle = true;
	return formula->bottle_tag && formula->bottle_cellar ? 0 : -ENOMEM;
}
