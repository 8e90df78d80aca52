/* fsck: each kind of damage is found, named, and its paths told. */
#include "index/check_store.h"
#include "index/keg.h"
#include "index/snapshot.h"
#include "lib/db.h"
#include "tests/index/store_fixture.h"

#include <sys/stat.h>

#define RECEIPT "{\"homebrew_version\": \"5\", \"changed_files\": [\"a\"], \"time\": 1}"
#define RECORD	"{\"homebrew_version\": \"5\", \"time\": 1, \"brewfs\": {\"caveats\": \"none\"}}"

#define BIG_SIZE  100000
#define EXEC_SIZE 70000

/* Where the contents of the template lie, relative to the store. */
static char big_object[BFS_STORE_NAME_SIZE], exec_object[BFS_STORE_NAME_SIZE];
static char pack_file[BFS_STORE_NAME_SIZE];
static uint64_t tool_offset; /* of bin/tool's content in the pack */

struct result {
	struct bfs_check *check;
	struct bfs_check_store store_check;
};

static int make_link(struct bfs_tree *tree, const char *target, const char *path)
{
	struct bfs_attributes attributes;
	char parent[128];

	snprintf(parent, sizeof(parent), "%s", path);
	*strrchr(parent, '/') = '\0';
	bfs_tree_make_directories(tree, parent, &attributes);
	return bfs_tree_symlink_path(tree, target, path);
}

static int fill(struct bfs_writer *writer, struct bfs_tree *tree)
{
	struct bfs_keg foo = {"foo", "1.0", RECORD, "[{\"run\": [\"x\"]}]"};
	struct bfs_keg bar = {"bar", "2", "{}", NULL};
	_cleanup_free_ char *big = fixture_bytes(BIG_SIZE, 1),
			    *program = fixture_bytes(EXEC_SIZE, 2);
	struct bfs_content content, tool, object, executable;
	struct bfs_attributes attributes;
	int r = fixture_write(writer, tree, "Cellar/foo/1.0/INSTALL_RECEIPT.json", 0644, RECEIPT,
		strlen(RECEIPT), &content);

	r |= fixture_write(writer, tree, "Cellar/foo/1.0/bin/tool", 0755, "#!/bin/sh\n", 10, &tool);
	r |= fixture_write(writer, tree, "Cellar/foo/1.0/share/big", 0644, big, BIG_SIZE, &object);
	r |= fixture_write(writer, tree, "Cellar/foo/1.0/lib/libfoo.so", 0755, program, EXEC_SIZE,
		&executable);
	r |= fixture_write(writer, tree, "Cellar/foo/1.0/empty", 0644, "", 0, NULL);
	r |= fixture_write(writer, tree, "Cellar/bar/2/copy", 0644, big, BIG_SIZE, NULL);
	r |= fixture_write(writer, tree, "Cellar/bar/2/INSTALL_RECEIPT.json", 0644, "{}", 2, NULL);
	r |= fixture_write(writer, tree, "etc/foo.conf", 0644, "key = value\n", 12, NULL);
	r |= bfs_tree_lstat_path(tree, "Cellar/bar/2/copy", &attributes);
	r |= bfs_tree_link(tree, attributes.ino, attributes.ino ? BFS_TREE_ROOT : 0, "hardlink", 8);
	r |= make_link(tree, "../Cellar/foo/1.0", "opt/foo");
	r |= make_link(tree, "../Cellar/bar/2", "opt/bar");
	r |= make_link(tree, "../../../Cellar/foo/1.0", "var/homebrew/linked/foo");
	r |= make_link(tree, "b/", "a/b/link");
	r |= bfs_keg_put(tree, &foo);
	r |= bfs_keg_put(tree, &bar);
	r |= bfs_writer_commit(writer, &tree, 1, NULL);
	r |= bfs_tree_lstat_path(tree, "Cellar/foo/1.0/bin/tool", &attributes);
	r |= bfs_tree_content(tree, attributes.ino, &tool);
	bfs_store_object_name(&object, big_object);
	bfs_store_object_name(&executable, exec_object);
	bfs_store_pack_name(&tool.pack, pack_file);
	tool_offset = tool.offset;
	return r;
}

/* Changes the store's tree by SQL, behind the tree's back, and publishes it. */
static int publish_sql(struct bfs_store *store, const char *ref, const char *sql)
{
	_cleanup_publication_ struct bfs_publication *publication = NULL;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	int r = bfs_publication_begin(store, ref, &publication, &error);

	if (r == 0 && sqlite3_exec(bfs_tree_db(bfs_publication_tree(publication)), sql, NULL, NULL,
			      NULL) != SQLITE_OK) {
		printf("# %s: %s\n", sql,
			sqlite3_errmsg(bfs_tree_db(bfs_publication_tree(publication))));
		r = -EINVAL;
	}
	if (r == 0)
		r = bfs_publication_commit(publication, "sql", NULL, &error);
	if (r < 0)
		printf("# %s\n", bfs_error_message(&error, r));
	return r;
}

static void make_template(void)
{
	_cleanup_store_ struct bfs_store *store = NULL;
	_cleanup_publication_ struct bfs_publication *publication = NULL;
	_cleanup_writer_ struct bfs_writer *writer = NULL;
	int r = bfs_store_create(fixture_path("template"), &store, NULL);

	if (r == 0)
		r = bfs_publication_begin(store, REF, &publication, NULL);
	if (r == 0)
		r = bfs_writer_new(store, NULL, &writer, NULL);
	if (r == 0)
		r = fill(writer, bfs_publication_tree(publication));
	if (r == 0)
		r = bfs_publication_commit(publication, "fill", NULL, NULL);
	is_int(r, 0, "a store with two kegs is made");
}

/* A fresh copy of the template. */
static struct bfs_store *begin_case(void)
{
	struct bfs_store *store = NULL;
	char command[1200];

	snprintf(command, sizeof(command), "rm -rf '%s' && cp -a '%s' '%s'", fixture_path("store"),
		fixture_path("template"), fixture_path("store"));
	if (system(command) != 0 || bfs_store_open(fixture_path("store"), &store, NULL) < 0) {
		printf("Bail out! the template cannot be copied\n");
		exit(1);
	}
	return store;
}

static struct result check(struct bfs_store *store, const char *ref, bool quick)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	struct result result = {0};
	int r = bfs_check_new(&result.check);

	result.store_check = (struct bfs_check_store){
		.check = result.check, .store = store, .ref = ref, .quick = quick};
	if (r == 0)
		r = bfs_check_store(&result.store_check, &error);
	if (r < 0)
		ok(false, "the check itself works: %s", bfs_error_message(&error, r));
	return result;
}

static const struct bfs_finding *find(
	const struct result *result, const char *what, const char *detail)
{
	const struct bfs_finding *finding = bfs_check_findings(result->check);

	while (finding &&
		(strcmp(finding->what, what) != 0 || (detail && !strstr(finding->detail, detail))))
		finding = finding->next;
	return finding;
}

static bool affects(const struct bfs_finding *finding, const char *formula, const char *path)
{
	const struct bfs_affected *affected = finding ? finding->affected : NULL;

	for (; affected; affected = affected->next)
		if (strcmp(affected->path, path) == 0 &&
			(formula ? affected->formula && strcmp(affected->formula, formula) == 0
				 : !affected->formula))
			return true;
	return false;
}

static void print_findings(const struct result *result)
{
	const struct bfs_finding *finding = bfs_check_findings(result->check);

	for (; finding; finding = finding->next) {
		printf("#   %s %s: %s\n", finding->what, finding->path, finding->detail);
		for (const struct bfs_affected *a = finding->affected; a; a = a->next)
			printf("#     %s %llu %s %s\n", a->ref ? a->ref : "-",
				(unsigned long long)a->generation, a->formula ? a->formula : "-",
				a->path);
	}
}

/* How many of all that was found is not of the kind. */
static int count_others(const struct result *result, const char *what)
{
	const struct bfs_finding *finding = bfs_check_findings(result->check);
	int count = 0;

	for (; finding; finding = finding->next)
		count += strcmp(finding->what, what) != 0;
	return count;
}

static void end_case(struct result *result, struct bfs_store *store)
{
	bfs_check_free(result->check);
	bfs_store_close(store);
}

/* Damage to the store's files, by shell commands with the store as working directory. */
struct file_case {
	const char *command; /* $BIG, $EXEC, $PACK, $INDEX are set */
	const char *what, *detail;
	const char *formula, *path; /* affected; NULL path: nothing is */
	const char *only;	    /* no other kind is found; NULL: others may */
	bool quick_sees;
};

#define FLIP "printf '\\377' | dd conv=notrunc bs=1 status=none "

static const struct file_case file_cases[] = {
	{"chmod u+w $BIG; " FLIP "seek=50000 of=$BIG; chmod 0444 $BIG", "file-digest",
		"its SHA-256 is not its name", "foo", "Cellar/foo/1.0/share/big", "file-digest",
		false},
	{"chmod u+w $BIG; " FLIP "seek=50000 of=$BIG; chmod 0444 $BIG", "file-digest", "SHA-256",
		"bar", "Cellar/bar/2/copy", "file-digest", false},
	{"chmod u+w $BIG; " FLIP "seek=50000 of=$BIG; chmod 0444 $BIG", "file-digest", "SHA-256",
		NULL, "hardlink", "file-digest", false},
	{"chmod u+w $BIG; truncate -s 99999 $BIG; chmod 0444 $BIG", "file-size",
		"it has 99999 bytes, not 100000", "foo", "Cellar/foo/1.0/share/big", "file-size",
		true},
	{"rm -f $BIG", "file-missing", "it is missing", "foo", "Cellar/foo/1.0/share/big",
		"file-missing", true},
	{"rm -f $EXEC; ln -s /etc/passwd $EXEC", "file-type", "symbolic link", "foo",
		"Cellar/foo/1.0/lib/libfoo.so", "file-type", true},
	{"rm -f $EXEC; mkfifo $EXEC", "file-type", "no regular file", "foo",
		"Cellar/foo/1.0/lib/libfoo.so", "file-type", true},
	{"chmod 0644 $EXEC", "file-mode", "its mode is 0644, not 0555", NULL, NULL, "file-mode",
		true},
	{"chmod u+w $PACK; " FLIP "seek=$TOOL of=$PACK; chmod 0444 $PACK", "file-digest",
		"1 of 4 contents are damaged", "foo", "Cellar/foo/1.0/bin/tool", "file-digest",
		false},
	{"chmod u+w $PACK; " FLIP "seek=$(($(stat -c %s $PACK) - 30)) of=$PACK; chmod 0444 $PACK",
		"file-digest", "0 of 4 contents are damaged", NULL, NULL, NULL, false},
	{"chmod u+w $PACK; truncate -s 40 $PACK; chmod 0444 $PACK", "pack-footer",
		"no valid footer", "foo", "Cellar/foo/1.0/bin/tool", NULL, true},
	{"chmod u+w $PACK; truncate -s 3 $PACK; chmod 0444 $PACK", "pack-footer", "no valid footer",
		NULL, "etc/foo.conf", NULL, true},
	{"rm -f $PACK", "file-missing", "it is missing", NULL, "etc/foo.conf", "file-missing",
		true},
	{"chmod u+w $INDEX; " FLIP "seek=5000 of=$INDEX", "file-digest", "SHA-256", NULL, "",
		"file-digest", true},
	{"rm -f $INDEX", "file-missing", "missing", NULL, "", "file-missing", true},
	{"chmod u+w $INDEX; truncate -s 100 $INDEX", "file-size", "size", NULL, "", "file-size",
		true},
	{"echo '{}' > refs/x86_64_linux", "ref", "missing or out of range", NULL, NULL, "ref",
		true},
	{"echo hello > refs/x86_64_linux", "ref", "parsing JSON", NULL, NULL, "ref", true},
	{"rm -rf leases", "store-directory", "missing", NULL, NULL, "store-directory", true},
};

static void run_command(const char *command)
{
	char full[2000];

	snprintf(full, sizeof(full),
		"cd '%s' && BIG=%s EXEC=%s PACK=%s TOOL=%llu INDEX=$(ls -t indexes/* | head -n 1); "
		"%s",
		fixture_path("store"), big_object, exec_object, pack_file,
		(unsigned long long)tool_offset, command);
	if (system(full) != 0)
		ok(false, "the damage can be done: %s", command);
}

static void test_file(const struct file_case *file_case)
{
	struct bfs_store *store = begin_case();
	struct result result;
	const struct bfs_finding *finding;
	bool passed = true;

	run_command(file_case->command);
	result = check(store, NULL, false);
	finding = find(&result, file_case->what, file_case->detail);
	passed &= ok(finding != NULL, "%s is found after: %s", file_case->what, file_case->command);
	if (file_case->path)
		passed &= ok(affects(finding, file_case->formula, file_case->path),
			"and that it touches '%s'", file_case->path);
	else
		passed &=
			ok(finding && finding->affected_count == 0, "and that it touches nothing");
	if (file_case->only)
		passed &= ok(count_others(&result, file_case->only) == 0, "and nothing else");
	if (!passed)
		print_findings(&result);
	bfs_check_free(result.check);
	result = check(store, NULL, true);
	ok((find(&result, file_case->what, file_case->detail) != NULL) == file_case->quick_sees,
		"--quick %s it", file_case->quick_sees ? "finds" : "does not look for");
	end_case(&result, store);
}

/* Wrong rows in an index whose digest is right. */
struct row_case {
	const char *sql;
	const char *what, *detail;
	const char *formula, *path;
};

#define INO(name) "(SELECT ino FROM dirent WHERE name=CAST('" name "' AS BLOB))"

static const struct row_case row_cases[] = {
	{"UPDATE inode SET nlink=nlink+1 WHERE ino=" INO("tool"), "tree-links",
		"1 names and the link count 2", "foo", "Cellar/foo/1.0/bin/tool"},
	{"UPDATE inode SET nlink=1 WHERE ino=" INO("hardlink"), "tree-links",
		"2 names and the link count 1", NULL, "hardlink"},
	{"UPDATE inode SET nlink=9 WHERE ino=" INO("share"), "tree-links",
		"0 sub-directories and the link count 9", "foo", "Cellar/foo/1.0/share"},
	{"DELETE FROM inode WHERE ino=" INO("tool"), "tree-dangling", "which is not there", "foo",
		"Cellar/foo/1.0/bin/tool"},
	{"DELETE FROM dirent WHERE name=CAST('tool' AS BLOB)", "tree-orphan", "no name leads to",
		NULL, NULL},
	{"UPDATE dirent SET cookie=cookie+100 WHERE name=CAST('tool' AS BLOB)", "tree-cookie",
		"so it is not found", "foo", "Cellar/foo/1.0/bin/tool"},
	{"UPDATE dirent SET name=x'612f62' WHERE name=CAST('tool' AS BLOB)", "tree-name",
		"the name X'612F62' cannot be", "foo", "Cellar/foo/1.0/bin/a/b"},
	{"UPDATE dirent SET name=x'2e2e' WHERE name=CAST('tool' AS BLOB)", "tree-name", "cannot be",
		"foo", "Cellar/foo/1.0/bin/.."},
	{"UPDATE dirent SET name='text' WHERE name=CAST('tool' AS BLOB)", "tree-name",
		"the name 'text' cannot be", "foo", "Cellar/foo/1.0/bin/text"},
	{"INSERT INTO dirent SELECT parent, cookie+1, name, ino FROM dirent"
	 " WHERE name=CAST('tool' AS BLOB)",
		"tree-name", "there twice", "foo", "Cellar/foo/1.0/bin/tool"},
	{"UPDATE inode SET parent=1 WHERE ino=" INO("share"), "tree-parent",
		"says that its parent is 1", "foo", "Cellar/foo/1.0/share"},
	{"INSERT INTO dirent SELECT " INO("tool") ", cookie, name, ino FROM dirent"
						  " WHERE name=CAST('empty' AS BLOB)",
		"tree-parent", "is no directory", "foo", "Cellar/foo/1.0/bin/tool/empty"},
	{"INSERT INTO dirent SELECT 99999, cookie, name, ino FROM dirent"
	 " WHERE name=CAST('empty' AS BLOB)",
		"tree-parent", "is no directory", NULL, NULL},
	{"INSERT INTO dirent SELECT " INO("share") ", cookie, name, ino FROM dirent"
						   " WHERE name=CAST('lib' AS BLOB)",
		"tree-names", "the directory has 2 names", "foo", NULL},
	{"UPDATE dirent SET parent=" INO("b") " WHERE name=CAST('a' AS BLOB);"
					      "UPDATE inode SET parent=" INO("b") " WHERE ino=" INO(
						      "a"),
		"tree-unreachable", "is not reachable from the root", NULL, NULL},
	{"UPDATE inode SET mode=0 WHERE ino=" INO("tool"), "tree-inode", "mode 0", "foo",
		"Cellar/foo/1.0/bin/tool"},
	{"UPDATE inode SET mode='x' WHERE ino=" INO("tool"), "tree-inode", "mode 'x'", "foo", NULL},
	{"UPDATE inode SET mode=mode+65536 WHERE ino=" INO("tool"), "tree-inode", "cannot be",
		"foo", "Cellar/foo/1.0/bin/tool"},
	{"UPDATE inode SET size=0 WHERE ino=" INO("share"), NULL, NULL, NULL, NULL},
	{"UPDATE inode SET size=1 WHERE ino=" INO("share"), "tree-inode", "size 1", "foo",
		"Cellar/foo/1.0/share"},
	{"UPDATE inode SET object=NULL WHERE ino=" INO("tool"), "tree-inode", "object NULL", "foo",
		"Cellar/foo/1.0/bin/tool"},
	{"UPDATE inode SET target=x'2e2e00' WHERE ino=" INO("link"), "tree-inode", "target blob",
		NULL, "a/b/link"},
	{"UPDATE inode SET target='b/' WHERE ino=" INO("link"), "tree-inode", "target text", NULL,
		"a/b/link"},
	{"UPDATE inode SET parent=3 WHERE ino=1", "tree-root",
		"no directory that is its own parent", NULL, ""},
	{"UPDATE inode SET object=4711 WHERE ino=" INO("tool"), "tree-content",
		"row 4711, which is not there", "foo", "Cellar/foo/1.0/bin/tool"},
	{"UPDATE inode SET size=11 WHERE ino=" INO("tool"), "tree-content",
		"it has 11 bytes, its content 10", "foo", "Cellar/foo/1.0/bin/tool"},
	{"UPDATE object SET digest=x'00' WHERE size=100000", "tree-object", "digest X'00'", "foo",
		"Cellar/foo/1.0/share/big"},
	{"UPDATE object SET executable=2 WHERE size=70000", "tree-object", "executable 2", "foo",
		"Cellar/foo/1.0/lib/libfoo.so"},
	{"UPDATE object SET pack=99 WHERE size=10", "tree-object", "pack 99, which is not there",
		"foo", "Cellar/foo/1.0/bin/tool"},
	{"UPDATE object SET offset=offset+1 WHERE size=10", "pack-content",
		"1 of 5 contents are not where", "foo", "Cellar/foo/1.0/bin/tool"},
	{"UPDATE object SET offset=offset+1 WHERE size=10", "pack-footer",
		"1 of 5 contents that indexes place in it", "foo", "Cellar/foo/1.0/bin/tool"},
	{"UPDATE object SET offset=1000000 WHERE size=10", "pack-content", "1 of 5", "foo",
		"Cellar/foo/1.0/bin/tool"},
	{"UPDATE object SET size=99999 WHERE size=100000; UPDATE inode SET size=99999 WHERE "
	 "size=100000",
		"file-size", "100000 bytes, not 99999", "foo", "Cellar/foo/1.0/share/big"},
	{"UPDATE pack SET digest=x'00'", "tree-object", "pack 1 cannot be", NULL, NULL},
	{"UPDATE value SET value=5 WHERE key='next_ino'", "tree-next-inode",
		"the next one to be made is 5", NULL, NULL},
	{"DELETE FROM value WHERE key='prefix'", "index-prefix", "does not say", NULL, ""},
	{"UPDATE value SET value='/elsewhere' WHERE key='prefix'", "index-prefix",
		"not the store's", NULL, ""},
	{"INSERT INTO generation VALUES(99, NULL, NULL, 0, '', '')", "index-log",
		"its log ends with generation 99, not 2", NULL, ""},
	{"INSERT INTO generation VALUES(0, x'00', 5, 0, '', '')", "index-log",
		"generation 0 cannot be", NULL, ""},
	{"DELETE FROM keg WHERE name='foo'", "keg-record", "has no record", "foo",
		"Cellar/foo/1.0/INSTALL_RECEIPT.json"},
	{"UPDATE keg SET record='{\"time\": 2}' WHERE name='foo'", "keg-record", "differs", "foo",
		"Cellar/foo/1.0/INSTALL_RECEIPT.json"},
	{"UPDATE keg SET record='no JSON' WHERE name='foo'", "keg-record", "differs", "foo",
		"Cellar/foo/1.0/INSTALL_RECEIPT.json"},
	{"UPDATE keg SET pending='{}' WHERE name='foo'", "keg-record", "no JSON array", "foo",
		"Cellar/foo/1.0"},
	{"INSERT INTO keg VALUES('gone', '1', '{}', NULL)", "keg-missing", "not there", "gone",
		"Cellar/gone/1"},
	{"DELETE FROM dirent WHERE name=CAST('INSTALL_RECEIPT.json' AS BLOB) AND parent=" INO("2"),
		"keg-record", "has no receipt", "bar", "Cellar/bar/2/INSTALL_RECEIPT.json"},
	{"UPDATE inode SET target=CAST('../Cellar/foo/9.9' AS BLOB), size=17"
	 " WHERE ino=(SELECT ino FROM dirent WHERE name=CAST('foo' AS BLOB) AND parent=" INO(
		 "opt") ")",
		"keg-link", "leads to a keg that is not there", NULL, "opt/foo"},
	{"UPDATE inode SET target=CAST('/etc' AS BLOB), size=4 WHERE ino=(SELECT ino FROM dirent"
	 " WHERE name=CAST('foo' AS BLOB) AND parent=" INO("linked") ")",
		"keg-link", "no link to a keg", NULL, "var/homebrew/linked/foo"},
	{"PRAGMA user_version=99", "index-corrupt", "a newer brewfs is needed", NULL, NULL},
	{"CREATE TABLE other(x)", "index-corrupt", "its tables are not those", NULL, NULL},
};

static void test_row(const struct row_case *row_case)
{
	struct bfs_store *store = begin_case();
	struct result result;
	const struct bfs_finding *finding;
	bool passed;

	if (publish_sql(store, REF, row_case->sql) < 0)
		ok(false, "the rows can be changed: %s", row_case->sql);
	result = check(store, NULL, false);
	if (!row_case->what) {
		passed = ok(bfs_check_problems(result.check) == 0, "nothing is found after: %s",
			row_case->sql);
	} else {
		finding = find(&result, row_case->what, row_case->detail);
		passed =
			ok(finding != NULL, "%s is found after: %s", row_case->what, row_case->sql);
		if (row_case->path)
			passed &= ok(affects(finding, row_case->formula, row_case->path),
				"and that it concerns '%s'", row_case->path);
	}
	if (!passed)
		print_findings(&result);
	end_case(&result, store);
}

static void test_clean(void)
{
	struct bfs_store *store = begin_case();
	struct result result = check(store, NULL, false);

	is_int(bfs_check_problems(result.check), 0, "a whole store has no problems");
	ok(bfs_check_findings(result.check) == NULL, "and nothing is noted");
	if (bfs_check_findings(result.check))
		print_findings(&result);
	is_int(result.store_check.refs, 1, "its ref was looked at");
	is_int(result.store_check.generations, 1, "and its generation");
	is_int(result.store_check.objects, 2, "two objects");
	is_int(result.store_check.packs, 1, "one pack");
	ok(result.store_check.bytes > BIG_SIZE + EXEC_SIZE, "were read");
	ok(result.store_check.unused_known, "what is not used is known");
	is_int(result.store_check.unused_files, 0, "nothing is unused");
	is_int(result.store_check.staging, 0, "no writer was killed");
	bfs_check_free(result.check);
	result = check(store, NULL, true);
	is_int(bfs_check_problems(result.check), 0, "--quick finds none either");
	is_int(result.store_check.bytes, 0, "and reads no contents");
	is_int(fixture_count(fixture_path("cache")), 1, "no copy of an index is left in the cache");
	end_case(&result, store);
}

static void test_unused(void)
{
	struct bfs_store *store = begin_case();
	struct result result;
	char zeros[65];

	memset(zeros, '0', 64);
	zeros[64] = '\0';
	run_command("mkdir -p objects/00 staging/host.1.2");
	for (int i = 0; i < 3; i++) {
		static const char *const names[][2] = {
			{"objects/00/", ""}, {"objects/00/", ".x"}, {"packs/", ".pack"}};
		char command[256];

		snprintf(command, sizeof(command), "printf 12345 > %s%s%s", names[i][0], zeros,
			names[i][1]);
		run_command(command);
	}
	run_command("touch objects/00/README objects/readme packs/x.pack indexes/journal;"
		    "cp $BIG objects/00/; mkdir objects/zz");
	result = check(store, NULL, false);
	is_int(bfs_check_problems(result.check), 0, "what is not used is no problem");
	is_int(result.store_check.unused_files, 3, "but counted");
	is_int(result.store_check.unused_bytes, 15, "with its bytes");
	is_int(result.store_check.staging, 1, "a writer's directory as well");
	ok(find(&result, "foreign", NULL) != NULL, "a file that is none of the store's is noted");
	is_int(count_others(&result, "foreign"), 0, "and nothing else");
	bfs_check_free(result.check);
	result = check(store, REF, false);
	ok(!result.store_check.unused_known, "for one ref alone, what is not used is not known");
	end_case(&result, store);
}

/* An object that only an older generation has. */
static void test_history(void)
{
	struct bfs_store *store = begin_case();
	struct result result;
	const struct bfs_finding *finding;

	publish_sql(store, REF,
		"DELETE FROM dirent WHERE name=CAST('libfoo.so' AS BLOB);"
		"DELETE FROM inode WHERE size=70000");
	publish_sql(store, "other", "SELECT 1");
	run_command("rm -f $EXEC");
	result = check(store, NULL, false);
	finding = find(&result, "file-missing", NULL);
	ok(finding != NULL, "a missing object of an older generation is found");
	ok(affects(finding, "foo", "Cellar/foo/1.0/lib/libfoo.so"), "with what it touches");
	is_int(finding && finding->affected ? finding->affected->generation : 0, 1,
		"in that generation");
	is_int(result.store_check.refs, 2, "every ref is looked at");
	is_int(result.store_check.generations, 3, "and every generation");
	bfs_check_free(result.check);
	result = check(store, NULL, true);
	is_int(bfs_check_problems(result.check), 0, "--quick looks at current generations only");
	bfs_check_free(result.check);
	result = check(store, "other", false);
	is_int(bfs_check_problems(result.check), 0, "and --ref at that ref only");
	bfs_check_free(result.check);
	run_command("rm -f $(ls indexes/* | xargs -n 1 | grep -v -e $(sed -n 's/.*\"index\": "
		    "\"\\(.*\\)\".*/\\1/p' refs/x86_64_linux) -e $(sed -n 's/.*\"index\": "
		    "\"\\(.*\\)\".*/\\1/p' refs/other))");
	result = check(store, NULL, false);
	is_int(bfs_check_problems(result.check), 0,
		"a generation whose index was removed is no longer missed");
	end_case(&result, store);
}

/* Of a thousand wrong rows a hundred are told. */
static void test_many(void)
{
	struct bfs_store *store = begin_case();
	struct result result;
	size_t kept = 0;

	publish_sql(store, REF,
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<1000)"
		" INSERT INTO dirent SELECT 1, 1000+i, CAST('gone'||i AS BLOB), 500000+i FROM n");
	result = check(store, NULL, false);
	for (const struct bfs_finding *f = bfs_check_findings(result.check); f; f = f->next)
		kept += strcmp(f->what, "tree-dangling") == 0;
	is_int(kept, BFS_CHECK_KEPT, "a hundred findings of a kind are kept");
	ok(bfs_check_problems(result.check) >= 2000, "all are counted");
	end_case(&result, store);
}

/* A file that many names lead to. */
static void test_many_affected(void)
{
	struct bfs_store *store = begin_case();
	struct result result;
	const struct bfs_finding *finding;

	publish_sql(store, REF,
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<50)"
		" INSERT INTO inode SELECT 1000+i, mode, 1, size, mtime, object, NULL, NULL"
		"  FROM inode, n WHERE ino=" INO(
			"big") ";"
			       "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE "
			       "i<50)"
			       " INSERT INTO dirent SELECT 1, 1000+i, CAST('copy'||i AS BLOB), "
			       "1000+i FROM n;"
			       "UPDATE value SET value=5000 WHERE key='next_ino'");
	run_command("rm -f $BIG");
	result = check(store, NULL, false);
	finding = find(&result, "file-missing", NULL);
	is_int(finding ? finding->affected_count : 0, 53, "all paths that are touched are counted");
	end_case(&result, store);
}

/* A remembered keg: its index hangs on kegs/KEY.json alone. */
static void test_kegs(void)
{
	struct bfs_store *store = begin_case();
	struct result result;
	char key[65];

	memset(key, '1', 64);
	key[64] = '\0';
	publish_sql(store, "keg", "SELECT 1");
	run_command("sed 's/\"generation\": 1,//' refs/keg > kegs/1.json; rm refs/keg;"
		    "echo nonsense > kegs/2.json; echo '{}' > kegs/3.json.host.1.new");
	result = check(store, NULL, false);
	is_int(bfs_check_problems(result.check), 0, "a remembered keg is looked at");
	is_int(result.store_check.kegs, 1, "and counted");
	is_int(result.store_check.unused_files, 0, "its index is in use");
	ok(find(&result, "keg-memory", "does not name a poured keg") != NULL,
		"one that is none is noted");
	end_case(&result, store);
}

/* Pages of SQLite's that are wrong in a file whose digest is right. */
static void test_corrupt(void)
{
	struct bfs_store *store = begin_case();
	struct bfs_generation generation = {.number = 1};
	struct result result;
	char name[BFS_STORE_NAME_SIZE];
	_cleanup_close_ int fd = -1;

	run_command("chmod u+w $INDEX; " FLIP "seek=4100 of=$INDEX;" FLIP
		    "seek=9000 of=$INDEX;" FLIP "seek=8196 of=$INDEX; mv $INDEX index");
	fd = open(fixture_path("store/index"), O_RDONLY | O_CLOEXEC);
	bfs_digest_of_fd(fd, &generation.index, &generation.size);
	if (rename(fixture_path("store/index"),
		    fixture_path("store/%s", bfs_store_index_name(&generation.index, name))) < 0 ||
		bfs_ref_write(store, REF, &generation, NULL) < 0)
		ok(false, "a damaged index can be put into the store");
	result = check(store, NULL, false);
	ok(find(&result, "index-corrupt", NULL) != NULL, "a corrupt database is found");
	if (!find(&result, "index-corrupt", NULL))
		print_findings(&result);
	end_case(&result, store);
}

int main(void)
{
	fixture_begin();
	make_template();
	test_clean();
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(file_cases); i++)
		test_file(&file_cases[i]);
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(row_cases); i++)
		test_row(&row_cases[i]);
	test_unused();
	test_history();
	test_many();
	test_many_affected();
	test_kegs();
	test_corrupt();
	fixture_end();
	return done();
}
