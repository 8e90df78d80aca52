/*
 * The links that the real Homebrew made: a tree is given the kegs of its manifest, brewfs links
 * them in the same order and copies etc and var, and everything outside the Cellar must then be as
 * in the manifest.
 *
 * BREWFS_ORACLE names the directory with manifest.tsv, made by the real `brew` on another machine.
 */
#include "installer/etc.h"
#include "installer/link.h"
#include "installer/opt.h"
#include "installer/unlink.h"

#include "tests/installer/tree_fixture.h"
#include "tests/tap.h"

struct row {
	char *path;
	char type; /* d, f or l */
	mode_t mode;
	uint64_t size;
	struct bfs_digest digest;
	char *target;
	char *first_link; /* path of the first name of a hardlinked file; "-" */
};

static struct row *rows;
static size_t row_count;

/* In the order in which they were poured. */
static const struct {
	const char *keg;
	bool keg_only;
} kegs[] = {
	{"Cellar/bfo-foo/1.2.3", false},
	{"Cellar/bfo-tool/0.9", false},
	{"Cellar/bfo-docs/3.0", false},
	{"Cellar/bfo-keg/1.0.1", true},
	{"Cellar/bfo-conf/4.1", false},
	{"Cellar/bfo-steps/0.1", false},
	{"Cellar/bfo-rev/7.0_1", false},
	{"Cellar/bfo-bar/2.0", false},
	{"Cellar/bfo-bar@1/1.5", true},
	{"Cellar/bfo-share-a/1.a", false},
	{"Cellar/bfo-share-b/1.b", false},
	{"Cellar/bfo-big/1.0", false},
};

/* What linking does not make, with all below it. */
static const struct {
	const char *path, *reason;
} exceptions[] = {
	{"bin/brew", "Homebrew's own program"},
	{"lib/ld.so", "the host's loader, computed per mount"},
	{"etc/bfo-steps", "written by post_install steps"},
	{"var/bfo-steps", "written by post_install steps"},
	{"var/bfo-conf/initialised", "written by a Ruby post_install"},
	{"var/log", "made for a service, and by a Ruby post_install"},
};

static char *unescape(const char *text)
{
	char *result = strdup(text), *out = result;

	for (; *text; text++) {
		if (*text == '\\' && text[1]) {
			text++;
			*out++ = *text == 't' ? '\t' : *text == 'n' ? '\n' : *text;
		} else {
			*out++ = *text;
		}
	}
	*out = '\0';
	return result;
}

static void read_row(char *line)
{
	char *fields[8];
	struct row row = {0};

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(fields); i++)
		fields[i] = strsep(&line, "\t");
	if (!fields[7] || line)
		must(-EBADMSG, "manifest.tsv");
	row.path = unescape(fields[0]);
	row.type = fields[1][0];
	row.mode = (mode_t)strtoul(fields[2], NULL, 8);
	row.size = strtoull(fields[3], NULL, 10);
	bfs_digest_from_hex(fields[4], &row.digest);
	row.target = unescape(fields[5]);
	row.first_link = unescape(fields[7]);
	rows = reallocarray(rows, row_count + 1, sizeof(*rows));
	rows[row_count++] = row;
}

static bool read_manifest(const char *path)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	_cleanup_free_ char *line = NULL;
	size_t capacity = 0;
	ssize_t length;

	if (!file)
		return false;
	while ((length = getline(&line, &capacity, file)) > 0) {
		if (line[length - 1] == '\n')
			line[length - 1] = '\0';
		if (strncmp(line, "path\ttype\t", 10) != 0)
			read_row(line);
	}
	return row_count > 0;
}

static void free_rows(void)
{
	for (size_t i = 0; i < row_count; i++) {
		free(rows[i].path);
		free(rows[i].target);
		free(rows[i].first_link);
	}
	free(rows);
}

/* The reference that comes with the tests leaves the big formula out. */
static bool is_in_manifest(const char *keg)
{
	for (size_t i = 0; i < row_count; i++)
		if (strcmp(rows[i].path, keg) == 0)
			return true;
	return false;
}

static bool is_in_cellar(const struct row *row)
{
	return bfs_path_below(row->path, BFS_CELLAR);
}

static void put_row(struct bfs_tree *tree, const struct row *row)
{
	struct bfs_content content = {
		.digest = row->digest, .size = row->size, .packed = row->size > 0};
	struct bfs_attributes attributes, parent;

	if (row->type == 'd') {
		put_directory(tree, row->path);
	} else if (row->type == 'l') {
		must(bfs_tree_symlink_path(tree, row->target, row->path), row->path);
	} else if (strcmp(row->first_link, "-") != 0 && strcmp(row->first_link, row->path) != 0) {
		_cleanup_free_ char *parent_path = bfs_path_parent(row->path);
		const char *name = bfs_path_base(row->path);

		must(bfs_tree_lstat_path(tree, row->first_link, &attributes), row->first_link);
		must(bfs_tree_lstat_path(tree, parent_path, &parent), parent_path);
		must(bfs_tree_link(tree, attributes.ino, parent.ino, name, strlen(name)), name);
	} else {
		must(bfs_tree_write_path(tree, row->path, row->mode, 0, &content), row->path);
	}
}

static void put_cellar(struct bfs_tree *tree)
{
	must(bfs_tree_begin(tree), "begin");
	for (size_t i = 0; i < row_count; i++)
		if (is_in_cellar(&rows[i]))
			put_row(tree, &rows[i]);
	must(bfs_tree_commit(tree), "commit");
}

static void link_all(struct bfs_tree *tree)
{
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(kegs); i++) {
		_cleanup_link_report_ struct bfs_link_report report = BFS_LINK_REPORT_INIT;
		_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
		int r;

		if (!is_in_manifest(kegs[i].keg))
			continue;
		r = kegs[i].keg_only ? bfs_keg_optlink(tree, kegs[i].keg, NULL, &error)
					 : bfs_keg_link(tree, kegs[i].keg, NULL, &report, &error);

		if (r == 0)
			r = bfs_etc_install(tree, kegs[i].keg, &error);
		ok(r == 0, "%s is linked (%s)", kegs[i].keg,
			r ? bfs_error_message(&error, r) : "fine");
	}
}

static const char *exception(const char *path)
{
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(exceptions); i++)
		if (bfs_path_below(path, exceptions[i].path))
			return exceptions[i].reason;
	return NULL;
}

static bool has_row(struct bfs_tree *tree, const struct row *row)
{
	_cleanup_free_ char *what = describe(tree, row->path), *expected = NULL;
	struct bfs_attributes attributes;
	struct bfs_content content;

	expected = row->type == 'l' ? bfs_format("l %s", row->target) : bfs_format("%c", row->type);
	if (strcmp(what, expected) != 0)
		return false;
	if (row->type != 'l' && mode_of(tree, row->path) != row->mode)
		return false;
	if (row->type != 'f')
		return true;
	must(bfs_tree_lstat_path(tree, row->path, &attributes), row->path);
	must(bfs_tree_content(tree, attributes.ino, &content), row->path);
	return content.size == row->size && bfs_digest_equal(&content.digest, &row->digest);
}

static size_t compare_rows(struct bfs_tree *tree)
{
	size_t expected = 0, differences = 0;

	for (size_t i = 0; i < row_count; i++) {
		_cleanup_free_ char *what = describe(tree, rows[i].path);

		if (is_in_cellar(&rows[i]) || exception(rows[i].path))
			continue;
		expected++;
		if (has_row(tree, &rows[i]))
			continue;
		differences++;
		printf("# %s should be %c %s, is %s\n", rows[i].path, rows[i].type, rows[i].target,
			what);
	}
	ok(differences == 0, "what Homebrew has outside the Cellar is there, %zu paths", expected);
	return expected;
}

/* Counts the paths outside the Cellar. */
static size_t count_paths(struct bfs_tree *tree)
{
	_cleanup_free_ char *text = dump(tree);
	size_t count = 0;

	for (const char *line = strchr(text, '\n'); line; line = strchr(line + 1, '\n'))
		count++;
	return count;
}

/* All uninstalled, only the prefix's own directories are left, and what was copied to etc and var.
 */
static void test_uninstall_all(struct bfs_tree *tree)
{
	_cleanup_free_ char *text = NULL;

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(kegs); i++)
		if (is_in_manifest(kegs[i].keg))
			must(bfs_keg_uninstall(tree, kegs[i].keg, NULL, NULL), kegs[i].keg);
	text = dump(tree);
	is_str(text,
		"bin d\netc d\netc/bfo-conf d\netc/bfo-conf/bfo.conf f\netc/bfo-conf/extra.conf f\n"
		"include d\nlib d\nopt d\nsbin d\nshare d\nvar d\nvar/bfo-conf d\n"
		"var/bfo-conf/db.seed f\nvar/bfo-conf/emptydir d\nvar/homebrew d\n"
		"var/homebrew/linked d\nvar/homebrew/tmp d\nvar/homebrew/tmp/.cellar d\n",
		"once all are uninstalled nothing is left of them but etc and var");
}

int main(void)
{
	_cleanup_free_ char *manifest = NULL;
	const char *oracle = getenv("BREWFS_ORACLE");

	manifest = bfs_format("%s/manifest.tsv", oracle ? oracle : ".");
	if (!read_manifest(manifest)) {
		printf("1..0 # SKIP no %s: BREWFS_ORACLE should say where the real brew's is\n",
			manifest);
		return 0;
	}
	{
		_cleanup_tree_ struct bfs_tree *tree = new_prefix();

		put_cellar(tree);
		link_all(tree);
		is_int(count_paths(tree), compare_rows(tree), "and nothing else is");
		test_uninstall_all(tree);
	}
	free_rows();
	return done();
}
