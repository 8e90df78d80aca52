/*
 * Every bottle of the reference poured into a store, and each of its names compared with what
 * Homebrew's own pour left on disk (manifest.tsv, elf.tsv): type, mode, target, size, digest,
 * hardlinks.
 *
 * Exceptions, by name:
 * - INSTALL_RECEIPT.json: Homebrew writes it after unpacking, and so does our installer; no part of
 * the bottle.
 * - sbom.spdx.json: Homebrew completes it with what it finds on the host.
 * - Size and digest of ELF files: our editor lays them out in its own way. What the loader reads in
 * them is compared instead.
 */
#include "installer/elf.h"
#include "tests/installer/bottle_fixture.h"

#include <glob.h>

#define FIELDS 9

static struct fixture fixture;
static const char *oracle;
static struct bfs_buffer manifest, elf_table;

struct row {
	char *fields[FIELDS];
	size_t count;
	char *text;
};

static void row_release(struct row *row)
{
	free(row->text);
}

/* Undoes the escapes of manifest.py. */
static void unescape(char *text)
{
	char *out = text;

	for (; *text; text++) {
		if (*text == '\\' && text[1]) {
			text++;
			*out++ = *text == 't' ? '\t' : *text == 'n' ? '\n' : *text;
		} else {
			*out++ = *text;
		}
	}
	*out = '\0';
}

/* The next line of a table as its fields; false at the end. */
static bool next_row(const struct bfs_buffer *table, size_t *position, struct row *row)
{
	const char *line = table->data + *position;
	char *field;

	if (*position >= table->length)
		return false;
	row->text = strndup(line, strcspn(line, "\n"));
	*position += strlen(row->text) + 1;
	row->count = 0;
	for (char *rest = row->text; row->count < FIELDS && (field = strsep(&rest, "\t"));) {
		unescape(field);
		row->fields[row->count++] = field;
	}
	return true;
}

/* The first difference between a name in the keg and the manifest's row, in a sentence. */
static char *compare_row(struct bfs_keg_tree *keg, const char *root, const struct row *row)
{
	_cleanup_free_ char *target = NULL;
	_cleanup_buffer_ struct bfs_buffer content = BFS_BUFFER_INIT;
	const char *path = row->fields[0] + strlen(root), *type = row->fields[1];
	char hex[BFS_DIGEST_HEX_SIZE];
	struct bfs_attributes attributes, first;
	struct bfs_digest digest;

	path += *path == '/';
	if (bfs_tree_lstat_path(keg->tree, path, &attributes) < 0)
		return bfs_format("it is missing");
	if (strcmp(type, S_ISDIR(attributes.mode)   ? "d"
			 : S_ISLNK(attributes.mode) ? "l"
						    : "f") != 0)
		return bfs_format("its type is %o, not %s", attributes.mode & S_IFMT, type);
	if (*type == 'l')
		return bfs_tree_read_link(keg->tree, attributes.ino, &target) == 0 &&
				       strcmp(target, row->fields[5]) == 0
			       ? NULL
			       : bfs_format("its target is %s, not %s", target, row->fields[5]);
	if (attributes.mtime != INT64_C(1700000000) * 1000000000)
		return bfs_format("its time is %jd", (intmax_t)attributes.mtime);
	if ((attributes.mode & 07777) != strtoul(row->fields[2], NULL, 8))
		return bfs_format(
			"its mode is %o, not %s", attributes.mode & 07777, row->fields[2]);
	if (*type == 'd' || strcmp(path, "sbom.spdx.json") == 0)
		return NULL;
	if (attributes.nlink != strtoul(row->fields[6], NULL, 10))
		return bfs_format("it has %u names, not %s", attributes.nlink, row->fields[6]);
	if (row->fields[7][0] != '-' &&
		(bfs_tree_lstat_path(keg->tree, row->fields[7] + strlen(root) + 1, &first) < 0 ||
			first.ino != attributes.ino))
		return bfs_format("it is no hardlink to %s", row->fields[7]);
	if (keg_read(&fixture, keg, path, &content) < 0)
		return bfs_format("its content cannot be read");
	if (content.length >= 4 && memcmp(content.data, "\177ELF", 4) == 0)
		return NULL;
	bfs_digest_of(content.data, content.length, &digest);
	if (strcmp(bfs_digest_to_hex(&digest, hex), row->fields[4]) != 0)
		return bfs_format("its SHA-256 is %s, not %s", hex, row->fields[4]);
	return NULL;
}

/* Returns the number of names that the manifest has for the keg. */
static int compare_keg(struct bfs_keg_tree *keg, const char *root, const char *how)
{
	size_t position = 0, length = strlen(root);
	int names = 0, different = 0;
	struct row row;

	for (; next_row(&manifest, &position, &row); row_release(&row)) {
		_cleanup_free_ char *difference = NULL;
		const char *rest = row.fields[0] + length;

		if (strncmp(row.fields[0], root, length) != 0 || (*rest && *rest != '/') ||
			strcmp(rest, "/INSTALL_RECEIPT.json") == 0)
			continue;
		names++;
		difference = compare_row(keg, root, &row);
		if (difference && different++ < 10)
			printf("# %s: %s\n", row.fields[0], difference);
	}
	is_int(different, 0, "%s, %s: all %d names are as Homebrew's", root, how, names);
	return names;
}

static const char *or_dash(const char *text)
{
	return text ? text : "-";
}

static void compare_elf(
	struct bfs_keg_tree *keg, const char *name, const char *path, const struct row *row)
{
	_cleanup_elf_info_ struct bfs_elf_info info = BFS_ELF_INFO_INIT;
	_cleanup_buffer_ struct bfs_buffer content = BFS_BUFFER_INIT;

	ok(keg_read(&fixture, keg, path, &content) == 0 &&
			bfs_elf_query((uint8_t *)content.data, content.length, &info, NULL) == 0,
		"%s: %s is a sound ELF file", name, path);
	is_str(or_dash(info.interpreter), row->fields[4], "%s: interpreter of %s", name, path);
	is_str(or_dash(info.rpath), row->fields[5], "%s: RPATH of %s", name, path);
	is_str(or_dash(info.runpath), row->fields[6], "%s: RUNPATH of %s", name, path);
	is_str(or_dash(info.soname), row->fields[7], "%s: SONAME of %s", name, path);
}

static void compare_elfs(struct bfs_keg_tree *keg, const char *root)
{
	const char *name = root + strlen("Cellar/");
	size_t position = 0, length = strlen(name);
	struct row row;

	for (; next_row(&elf_table, &position, &row); row_release(&row))
		if (strcmp(row.fields[1], "poured") == 0 &&
			strncmp(row.fields[0], name, length) == 0 && row.fields[0][length] == '/')
			compare_elf(keg, name, row.fields[0] + length + 1, &row);
}

static int count_names(struct bfs_keg_tree *keg)
{
	struct bfs_tree_counts counts;

	return bfs_tree_count(keg->tree, &counts) < 0 ? -1 : (int)counts.names + 1;
}

struct bottle {
	json_t *document;
	struct bfs_bottle_order order;
	json_t *tab;
	char *root; /* Cellar/NAME/VERSION */
	struct bfs_buffer bytes;
};

static bool bottle_open(struct bottle *bottle, const char *json_path)
{
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	_cleanup_free_ char *tar_path = NULL;
	json_t *formula, *entry, *tag;
	const char *digest, *cellar;

	*bottle = (struct bottle){.order = {.prefix = "/home/linuxbrew/.linuxbrew"}};
	bfs_read_file(AT_FDCWD, json_path, 1 << 24, &text);
	if (bfs_json_parse(text.data, text.length, json_path, &bottle->document, NULL) < 0)
		return false;
	entry = json_object_iter_value(json_object_iter(bottle->document));
	formula = json_object_get(entry, "formula");
	entry = json_object_get(entry, "bottle");
	tag = json_object_iter_value(json_object_iter(json_object_get(entry, "tags")));
	bottle->order.name = bfs_json_string_or(formula, "name", "");
	bottle->order.version = bfs_json_string_or(formula, "pkg_version", "");
	bottle->tab = json_object_get(tag, "tab");
	digest = bfs_json_string_or(tag, "sha256", "");
	cellar = bfs_json_string_or(entry, "cellar", "");
	bottle->order.skip_elf = strcmp(cellar, "any_skip_relocation") == 0;
	bottle->root = bfs_format("Cellar/%s/%s", bottle->order.name, bottle->order.version);
	tar_path = bfs_format("%.*s.tar.gz", (int)strlen(json_path) - 5, json_path);
	return bfs_digest_from_hex(digest, &bottle->order.digest) == 0 &&
	       bfs_read_file(AT_FDCWD, tar_path, 1 << 28, &bottle->bytes) == 0;
}

static void bottle_close(struct bottle *bottle)
{
	json_decref(bottle->document);
	free(bottle->root);
	bfs_buffer_release(&bottle->bytes);
}

/* One pour, compared. `how` says what is special about it. */
static void pour(struct bottle *bottle, size_t piece, const char *how)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	_cleanup_keg_ struct bfs_keg_tree keg = {.tree = NULL};
	int names, r = fixture_pour(&fixture, &bottle->order, bottle->bytes.data,
			   bottle->bytes.length, piece, &keg, &error);

	if (!ok(r == 0, "%s, %s: it pours", bottle->root, how)) {
		printf("# %s\n", bfs_error_message(&error, r));
		return;
	}
	names = compare_keg(&keg, bottle->root, how);
	is_int(count_names(&keg), names, "%s, %s: it has no other names", bottle->root, how);
	compare_elfs(&keg, bottle->root);
	ok((keg.tab != NULL) == (bottle->order.tab != NULL), "%s, %s: the tab is handed over",
		bottle->root, how);
}

static void test_bottle(const char *json_path)
{
	struct bottle bottle;

	if (!ok(bottle_open(&bottle, json_path), "%s and its bottle can be read", json_path))
		return;
	bottle.order.tab = bottle.tab;
	pour(&bottle, 16 * 1024, "in pieces of 16 KiB");
	bottle.order.tab = NULL;
	pour(&bottle, SIZE_MAX, "without a tab, at once");
	bottle_close(&bottle);
}

static void test_all(void)
{
	_cleanup_free_ char *pattern = bfs_format("%s/bottles/*.bottle.json", oracle);
	glob_t found;

	if (glob(pattern, 0, NULL, &found) != 0)
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		test_bottle(found.gl_pathv[i]);
	ok(found.gl_pathc >= 11, "the reference has eleven bottles or more");
	globfree(&found);
	is_int(fixture_count(&fixture, "staging"), 0, "nothing is left under staging/");
}

int main(void)
{
	_cleanup_free_ char *manifest_path = NULL, *elf_path = NULL;

	oracle = getenv("BREWFS_ORACLE");
	if (!oracle)
		oracle = "tests/oracle";
	manifest_path = bfs_format("%s/manifest.tsv", oracle);
	elf_path = bfs_format("%s/elf.tsv", oracle);
	if (access(manifest_path, R_OK) < 0) {
		printf("1..0 # SKIP the reference, $BREWFS_ORACLE, is not there\n");
		return 0;
	}
	bfs_read_file(AT_FDCWD, manifest_path, 1 << 26, &manifest);
	bfs_read_file(AT_FDCWD, elf_path, 1 << 26, &elf_table);
	if (ok(fixture_open(&fixture), "a store is made"))
		test_all();
	fixture_close(&fixture);
	bfs_buffer_release(&manifest);
	bfs_buffer_release(&elf_table);
	return done();
}
