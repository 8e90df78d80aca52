#include "installer/local_bottle.h"

#include "installer/formula_text.h"
#include "lib/buffer.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <string.h>

#define STEP "reading the bottle"

/* The formula's text and the receipt come first in a bottle, whose members are sorted. */
#define MEMBERS_SEARCHED 64

#define MEMBER_LIMIT (16 * 1024 * 1024)		/* bytes of a receipt; python's has 1 MB */
#define JSON_LIMIT   (64 * 1024 * 1024)		/* bytes of a .bottle.json, which lists all files */

bool bfs_local_bottle_is_path(const char *operand)
{
	size_t length = strlen(operand);

	return (length > 7 && strcmp(operand + length - 7, ".tar.gz") == 0) ||
		operand[0] == '/' || strncmp(operand, "./", 2) == 0 ||
		strncmp(operand, "../", 3) == 0;
}

void bfs_local_bottle_release(struct bfs_local_bottle *bottle)
{
	free(bottle->path);
	bfs_formula_free(bottle->formula);
	if (bottle->tab)
		json_decref(bottle->tab);
	*bottle = (struct bfs_local_bottle){0};
}

/* Cuts the last ".NUMBER" off; 0 where there is none. */
static int cut_number(char *text)
{
	char *dot = strrchr(text, '.');

	if (!dot || !dot[1] || strspn(dot + 1, "0123456789") != strlen(dot + 1) || strlen(dot) > 9)
		return 0;
	*dot = '\0';
	return atoi(dot + 1);
}

/* "VERSION.TAG.bottle[.REBUILD]" in `text`, which is cut to pieces. */
static int parse_rest(char *text, struct bfs_formula *formula)
{
	char *dot, *underscore;

	formula->bottle_rebuild = cut_number(text);
	dot = strrchr(text, '.');
	if (!dot || strcmp(dot, ".bottle") != 0)
		return -EINVAL;
	*dot = '\0';
	dot = strrchr(text, '.');
	if (!dot || !dot[1])
		return -EINVAL;
	*dot = '\0';
	formula->bottle_tag = strdup(dot + 1);
	formula->pkg_version = strdup(text);
	underscore = strrchr(text, '_');
	if (underscore && underscore[1] &&
		strspn(underscore + 1, "0123456789") == strlen(underscore + 1) &&
		strlen(underscore) < 9) {
		formula->revision = atoi(underscore + 1);
		*underscore = '\0';
	}
	formula->version = strdup(text);
	return formula->bottle_tag && formula->pkg_version && formula->version ? 0 : -ENOMEM;
}

static int parse_name(const char *path, struct bfs_formula *formula)
{
	_cleanup_free_ char *base = strdup(bfs_path_base(path));
	char *end, *dashes;
	int r;

	if (!base)
		return -ENOMEM;
	end = base + strlen(base);
	if (end - base < 8 || strcmp(end - 7, ".tar.gz") != 0)
		return -EINVAL;
	end[-7] = '\0';
	dashes = strstr(base, "--");
	if (!dashes)
		return -EINVAL;
	*dashes = '\0';
	formula->name = strdup(base);
	if (!formula->name)
		return -ENOMEM;
	r = parse_rest(dashes + 2, formula);
	if (r < 0)
		return r;
	return bfs_formula_name_is_valid(formula->name) &&
			bfs_formula_version_is_valid(formula->pkg_version) ?
		0 :
		-EINVAL;
}

/* Direct runtime dependencies of a tab, if it has a list; those of homebrew/core by their short names. */
static int read_dependencies(const json_t *tab, struct bfs_formula *formula, bool *ret_has_list)
{
	json_t *dependencies, *dependency;
	size_t i;

	if (bfs_json_get_array(tab, "runtime_dependencies", &dependencies) < 0)
		return 0;
	*ret_has_list = true;
	json_array_foreach(dependencies, i, dependency)
	{
		const char *name = bfs_json_string_or(dependency, "full_name", "");
		bool direct = true;
		int r;

		bfs_json_get_bool(dependency, "declared_directly", &direct);
		if (!direct)
			continue;
		if (strncmp(name, "homebrew/core/", 14) == 0)
			name += 14;
		if (!bfs_formula_name_is_valid(bfs_path_base(name)))
			return -EBADMSG;
		r = bfs_strings_add(&formula->dependencies, name);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_member(struct archive *archive, struct bfs_buffer *text)
{
	for (;;) {
		ssize_t n;
		int r = bfs_buffer_reserve(text, 65536);

		if (r < 0)
			return r;
		n = archive_read_data(archive, text->data + text->length, 65536);
		if (n < 0 || text->length + (size_t)n > MEMBER_LIMIT)
			return -EBADMSG;
		text->length += (size_t)n;
		text->data[text->length] = '\0';
		if (n == 0)
			return 0;
	}
}

/* What is read inside a bottle. */
struct inside {
	struct bfs_formula *formula;
	bool has_tab;		  /* one names the dependencies already */
	bool has_text;		  /* the formula's was read */
	bfs_strings declared;	  /* what the formula's text depends on */
};

/* One of the first members, if it tells something about the formula. */
static int look_at_member(struct archive *archive, const char *below, struct inside *inside)
{
	struct bfs_formula *formula = inside->formula;
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	_cleanup_json_ json_t *receipt = NULL;
	_cleanup_free_ char *ruby = bfs_format(".brew/%s.rb", formula->name);
	bool is_receipt = strcmp(below, "INSTALL_RECEIPT.json") == 0;
	int r;

	if (!ruby)
		return -ENOMEM;
	if (!is_receipt && strcmp(below, ruby) != 0)
		return 0;
	r = read_member(archive, &text);
	if (r < 0)
		return r;
	inside->has_text = inside->has_text || !is_receipt;
	if (!is_receipt)
		return bfs_formula_read_text(text.data, formula->bottle_tag, formula,
			&inside->declared);
	if (inside->has_tab)
		return 0;
	r = bfs_json_parse(text.data, text.length, "INSTALL_RECEIPT.json", &receipt, NULL);
	if (r == 0)
		r = read_dependencies(receipt, formula, &inside->has_tab);
	return r;
}

static void release_archive(struct archive **archive)
{
	if (*archive)
		archive_read_free(*archive);
}

static int look_inside(const char *path, struct inside *inside, struct bfs_error *error)
{
	const struct bfs_formula *formula = inside->formula;
	BFS_CLEANUP(release_archive) struct archive *archive = archive_read_new();
	_cleanup_free_ char *top = bfs_format("%s/%s", formula->name, formula->pkg_version);
	struct archive_entry *entry;
	int r = 0;

	if (!archive || !top)
		return -ENOMEM;
	archive_read_support_filter_gzip(archive);
	archive_read_support_format_tar(archive);
	if (archive_read_open_filename(archive, path, 65536) != ARCHIVE_OK)
		return bfs_error_set(error, -EBADMSG, STEP, path, "%s",
			archive_error_string(archive));
	for (int i = 0; r == 0 && i < MEMBERS_SEARCHED && !(inside->has_tab && inside->has_text);
		i++) {
		int code = archive_read_next_header(archive, &entry);
		const char *name, *below;

		if (code == ARCHIVE_EOF && i > 0)
			return 0;
		if (code != ARCHIVE_OK && code != ARCHIVE_WARN)
			return bfs_error_set(error, -EBADMSG, STEP, path, "%s",
				code == ARCHIVE_EOF ? "it is empty" : archive_error_string(archive));
		name = archive_entry_pathname(entry);
		below = name ? bfs_path_below(name, top) : NULL;
		if (!below)
			return bfs_error_set(error, -EBADMSG, STEP, path,
				"its member %s is not below %s/", name ? name : "?", top);
		r = look_at_member(archive, below, inside);
	}
	return r < 0 ? bfs_error_set(error, r, STEP, path, NULL) : 0;
}

/* The only member of an object whose name says nothing new: the formula's full name, or the tag. */
static json_t *only_member(json_t *object, const char **ret_key)
{
	void *iterator = json_object_iter(object);

	if (!iterator || json_object_size(object) != 1)
		return NULL;
	*ret_key = json_object_iter_key(iterator);
	return json_object_iter_value(iterator);
}

/* What `brew bottle --json` noted of this very file. */
static int use_description(json_t *document, struct bfs_local_bottle *bottle, bool *ret_has_tab)
{
	struct bfs_formula *formula = bottle->formula;
	const char *full_name = "", *cellar, *slash;
	json_t *top = only_member(document, &full_name), *bottle_node, *tags, *tag, *tab;
	struct bfs_digest digest;

	if (!top || bfs_json_get_object(top, "bottle", &bottle_node) < 0 ||
		bfs_json_get_object(bottle_node, "tags", &tags) < 0 ||
		bfs_json_get_object(tags, formula->bottle_tag, &tag) < 0 ||
		bfs_digest_from_hex(bfs_json_string_or(tag, "sha256", ""), &digest) < 0 ||
		!bfs_digest_equal(&digest, &formula->bottle_digest)) {
		bfs_log_warning("%s: the .bottle.json beside it is not about this file, and is left out",
			bottle->path);
		return 0;
	}
	cellar = bfs_json_string_or(bottle_node, "cellar", "");
	if (*cellar) {
		free(formula->bottle_cellar);
		formula->bottle_cellar =
			bfs_format("%s%s", strncmp(cellar, "any", 3) == 0 ? ":" : "", cellar);
	}
	slash = strrchr(full_name, '/');
	if (slash) {
		free(formula->tap);
		formula->tap = strndup(full_name, (size_t)(slash - full_name));
	}
	if (!formula->bottle_cellar || !formula->tap)
		return -ENOMEM;
	if (bfs_json_get_object(tag, "tab", &tab) < 0)
		return 0;
	bottle->tab = json_incref(tab);
	return read_dependencies(tab, formula, ret_has_tab);
}

static int read_description(struct bfs_local_bottle *bottle, bool *ret_has_tab,
	struct bfs_error *error)
{
	_cleanup_free_ char *path =
		bfs_format("%.*s.json", (int)strlen(bottle->path) - 7, bottle->path);
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	_cleanup_json_ json_t *document = NULL;
	int r = path ? bfs_read_file(AT_FDCWD, path, JSON_LIMIT, &text) : -ENOMEM;

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return bfs_error_set(error, r, STEP, path, NULL);
	r = bfs_json_parse(text.data, text.length, path, &document, error);
	return r < 0 ? r : use_description(document, bottle, ret_has_tab);
}

static int hash_file(const char *path, struct bfs_digest *ret_digest)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t size;

	return fd < 0 ? -errno : bfs_digest_of_fd(fd, ret_digest, &size);
}

static struct bfs_formula *new_formula(void)
{
	struct bfs_formula *formula = calloc(1, sizeof(*formula));
	bfs_strings *const lists[] = {&formula->dependencies, &formula->aliases,
		&formula->old_names, &formula->versioned_formulae, &formula->link_overwrite};

	if (!formula)
		return NULL;
	formula->compatibility_version = -1;
	formula->has_bottle = true;
	formula->tap = strdup("homebrew/core");
	formula->bottle_cellar = strdup(":any");
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(lists); i++)
		*lists[i] = calloc(1, sizeof(char *));
	return formula;
}

/* What was found is one of: a tab's list, else the formula's own. */
static int read_file(struct bfs_local_bottle *bottle, struct bfs_error *error)
{
	struct inside inside = {.formula = bottle->formula};
	int r = read_description(bottle, &inside.has_tab, error);

	if (r == 0)
		r = look_inside(bottle->path, &inside, error);
	for (char **name = inside.declared; r == 0 && !inside.has_tab && name && *name; name++)
		r = bfs_strings_add(&bottle->formula->dependencies, *name);
	bfs_strings_free(inside.declared);
	return r;
}

int bfs_local_bottle_read(const char *path, const char *tag, struct bfs_local_bottle *ret_bottle,
	struct bfs_error *error)
{
	BFS_CLEANUP(bfs_local_bottle_release)
	struct bfs_local_bottle bottle = {strdup(path), new_formula(), NULL};
	int r;

	if (!bottle.path || !bottle.formula)
		return -ENOMEM;
	r = parse_name(path, bottle.formula);
	if (r < 0)
		return bfs_error_set(error, r, STEP, path,
			"the name of a bottle is NAME--VERSION.TAG.bottle.tar.gz");
	if (strcmp(bottle.formula->bottle_tag, tag) != 0 &&
		strcmp(bottle.formula->bottle_tag, "all") != 0)
		return bfs_error_set(error, -EINVAL, STEP, path, "it is for %s, not for %s",
			bottle.formula->bottle_tag, tag);
	r = hash_file(path, &bottle.formula->bottle_digest);
	if (r < 0)
		return bfs_error_set(error, r, STEP, path, NULL);
	r = read_file(&bottle, error);
	if (r < 0)
		return r;
	*ret_bottle = bottle;
	bottle = (struct bfs_local_bottle){0};
	return 0;
}
