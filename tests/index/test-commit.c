/*
 * A session's changes become a generation: what is published is what the session has, whoever else
 * publishes meanwhile, and whenever the process is killed.
 */
#include "index/check_store.h"
#include "index/commit.h"
#include "index/keg.h"
#include "index/session_update.h"
#include "index/snapshot.h"
#include "tests/index/session_fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>

static struct bfs_store *store;
static struct bfs_session *session;
static struct bfs_worktree *tree;

static void open_session(const char *name)
{
	session = fixture_open(store, name);
	if (!session) {
		printf("Bail out! the session cannot be opened\n");
		exit(1);
	}
	tree = bfs_session_worktree(session);
}

static void begin_session(const char *name)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	int r = bfs_session_create(store, REF, name, &error);

	if (r < 0)
		printf("# %s\n", bfs_error_message(&error, r));
	open_session(name);
}

static void end_session(const char *name)
{
	bfs_session_close(bfs_steal(&session));
	tree = NULL;
	is_int(bfs_session_discard(name, NULL), 0, "%s is discarded", name);
}

/* --- by path --- */

static void write_text(const char *path, const char *text)
{
	uint64_t ino = ino_of(tree, path);
	struct stat st;
	int r = ino ? 0 : make_file(tree, path, 0644, &st);

	if (r == 0 && !ino)
		ino = st.st_ino;
	if (r == 0 && bfs_worktree_set_attributes(tree, ino, BFS_SET_SIZE, &(struct stat){0}, &st))
		r = -EIO;
	if (r == 0)
		r = write_at(tree, ino, text, strlen(text), 0);
	if (r < 0)
		printf("# writing %s: %s\n", path, strerror(-r));
}

static void make_directories(const char *path)
{
	char part[512];
	struct stat st;

	for (size_t i = 1; i <= strlen(path); i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		snprintf(part, sizeof(part), "%.*s", (int)i, path);
		if (!ino_of(tree, part))
			make_directory(tree, part, 0755, &st);
	}
}

static void change_mode(const char *path, mode_t mode)
{
	struct stat st = {.st_mode = mode};

	if (bfs_worktree_set_attributes(tree, ino_of(tree, path), BFS_SET_MODE, &st, &st) < 0)
		printf("# chmod %s failed\n", path);
}

static void link_path(const char *from, const char *to)
{
	const char *name;
	uint64_t parent = parent_of(tree, to, &name);
	struct stat st;

	if (bfs_worktree_link(tree, ino_of(tree, from), parent, name, strlen(name), &st) < 0)
		printf("# link %s %s failed\n", from, to);
}

static void symlink_path(const char *target, const char *path)
{
	const char *name;
	uint64_t parent = parent_of(tree, path, &name);
	struct stat st;

	if (bfs_worktree_make_symlink(tree, &maker, parent, name, strlen(name), target, &st) < 0)
		printf("# symlink %s failed\n", path);
}

static void make_fifo(const char *path)
{
	const char *name;
	uint64_t parent = parent_of(tree, path, &name);
	struct stat st;

	if (bfs_worktree_make_node(
		    tree, &maker, parent, name, strlen(name), S_IFIFO | 0600, 0, &st) < 0)
		printf("# mkfifo %s failed\n", path);
}

struct names {
	char *names[2048];
	size_t count;
};

static int collect_name(
	void *context, const char *name, size_t length, uint64_t cookie, const struct stat *stat)
{
	struct names *names = context;

	(void)cookie, (void)stat;
	if (names->count == BFS_ARRAY_LENGTH(names->names))
		return -E2BIG;
	names->names[names->count++] = strndup(name, length);
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void remove_path(const char *path)
{
	const char *name;
	uint64_t parent = parent_of(tree, path, &name);
	struct names names = {.count = 0};
	uint64_t ino;
	struct stat st;

	if (find(tree, path, &st) < 0)
		return;
	if (!S_ISDIR(st.st_mode)) {
		if (unlink_path(tree, path, &ino) == 0)
			bfs_worktree_release(tree, ino);
		return;
	}
	bfs_worktree_read_directory(tree, st.st_ino, 0, collect_name, &names);
	for (size_t i = 0; i < names.count; i++) {
		char child[1024];

		snprintf(child, sizeof(child), "%s/%s", path, names.names[i]);
		remove_path(child);
		free(names.names[i]);
	}
	bfs_worktree_remove_directory(tree, parent, name, strlen(name), NULL);
}

/* --- what a tree is, as text --- */

struct dump {
	struct bfs_buffer text;
	uint64_t groups[2048]; /* the first path with that inode is its group */
	size_t group_count;
};

static size_t group_of(struct dump *dump, uint64_t ino)
{
	size_t i = 0;

	while (i < dump->group_count && dump->groups[i] != ino)
		i++;
	if (i == dump->group_count && i < BFS_ARRAY_LENGTH(dump->groups))
		dump->groups[dump->group_count++] = ino;
	return i;
}

static bool is_left_out(const char *path)
{
	return strcmp(path, "Homebrew") == 0 || strcmp(path, "pipe") == 0 ||
	       strcmp(path, "var/homebrew/locks") == 0 || strcmp(path, "bin/brew") == 0;
}

static void dump_entry(struct dump *dump, const char *path, mode_t mode, const char *target,
	const struct bfs_digest *digest, uint64_t ino)
{
	char hex[BFS_DIGEST_HEX_SIZE] = "";

	if (digest)
		bfs_digest_to_hex(digest, hex);
	bfs_buffer_append_format(&dump->text, "%s %o %.12s%s", path, mode, hex, target);
	if (!S_ISDIR(mode))
		bfs_buffer_append_format(&dump->text, " #%zu", group_of(dump, ino));
	bfs_buffer_append_string(&dump->text, "\n");
}

static void dump_session(struct dump *dump, const char *path, const struct stat *st)
{
	struct names names = {.count = 0};
	_cleanup_free_ char *target = NULL, *bytes = NULL;
	struct bfs_digest digest;

	if (S_ISLNK(st->st_mode))
		bfs_worktree_read_link(tree, st->st_ino, &target);
	if (S_ISREG(st->st_mode)) {
		bytes = malloc((size_t)st->st_size + 1);
		if (st->st_size && read_all(store, tree, st->st_ino, bytes, (size_t)st->st_size) !=
					   st->st_size)
			printf("# %s cannot be read\n", path);
		bfs_digest_of(bytes, (size_t)st->st_size, &digest);
	}
	dump_entry(dump, path, st->st_mode, target ? target : "",
		S_ISREG(st->st_mode) ? &digest : NULL, st->st_ino);
	if (S_ISDIR(st->st_mode))
		bfs_worktree_read_directory(tree, st->st_ino, 0, collect_name, &names);
	qsort(names.names, names.count, sizeof(names.names[0]), compare_names);
	for (size_t i = 0; i < names.count; i++) {
		char child[1024];
		struct stat child_st;

		snprintf(child, sizeof(child), "%s%s%s", path, *path ? "/" : "", names.names[i]);
		if (!is_left_out(child) && find(tree, child, &child_st) == 0)
			dump_session(dump, child, &child_st);
		free(names.names[i]);
	}
}

static char *session_text(void)
{
	struct dump *dump = calloc(1, sizeof(*dump));
	struct stat st;
	char *text;

	find(tree, "", &st);
	dump_session(dump, "", &st);
	text = bfs_buffer_steal(&dump->text);
	free(dump);
	return text;
}

static void dump_tree(struct dump *dump, struct bfs_tree *published, const char *path,
	const struct bfs_attributes *attributes)
{
	_cleanup_free_ char *target = NULL;
	_cleanup_free_ char **names = NULL;
	struct bfs_content content;

	if (S_ISLNK(attributes->mode))
		bfs_tree_read_link(published, attributes->ino, &target);
	if (S_ISREG(attributes->mode))
		bfs_tree_content(published, attributes->ino, &content);
	dump_entry(dump, path, attributes->mode, target ? target : "",
		S_ISREG(attributes->mode) ? &content.digest : NULL, attributes->ino);
	if (S_ISDIR(attributes->mode))
		bfs_tree_list(published, attributes->ino, &names);
	for (size_t i = 0; names && names[i]; i++) {
		char child[1024];
		struct bfs_attributes child_attributes;

		snprintf(child, sizeof(child), "%s%s%s", path, *path ? "/" : "", names[i]);
		if (!is_left_out(child) && bfs_tree_lookup(published, attributes->ino, names[i],
						   strlen(names[i]), &child_attributes) == 0)
			dump_tree(dump, published, child, &child_attributes);
	}
}

static struct bfs_tree *published_tree(void)
{
	struct bfs_tree *published = NULL;

	if (bfs_snapshot_open(store, REF, NULL, &published, NULL) < 0)
		printf("# the generation cannot be opened\n");
	return published;
}

static char *published_text(void)
{
	_cleanup_tree_ struct bfs_tree *published = published_tree();
	struct dump *dump = calloc(1, sizeof(*dump));
	struct bfs_attributes root;
	char *text;

	bfs_tree_stat(published, BFS_TREE_ROOT, &root);
	dump_tree(dump, published, "", &root);
	text = bfs_buffer_steal(&dump->text);
	free(dump);
	return text;
}

static void expect_equal(const char *what)
{
	_cleanup_free_ char *ours = session_text(), *theirs = published_text();

	if (!ok(strcmp(ours, theirs) == 0, "%s: the generation is what the session has", what))
		printf("# session:\n%s# generation:\n%s", ours, theirs);
}

static bool published_has(const char *path)
{
	_cleanup_tree_ struct bfs_tree *published = published_tree();
	struct bfs_attributes attributes;

	return bfs_tree_lstat_path(published, path, &attributes) == 0;
}

static uint64_t current(void)
{
	struct bfs_generation generation;

	return bfs_ref_read(store, REF, &generation, NULL) == 0 ? generation.number : 0;
}

/* Whether the store is whole, by fsck's rules. */
static uint64_t count_problems(void)
{
	_cleanup_check_ struct bfs_check *check = NULL;
	struct bfs_check_store store_check = {.store = store};
	uint64_t problems = 0;

	if (bfs_check_new(&check) < 0)
		return UINT64_MAX;
	store_check.check = check;
	if (bfs_check_store(&store_check, NULL) < 0)
		return UINT64_MAX;
	for (const struct bfs_finding *f = bfs_check_findings(check); f; f = f->next) {
		if (strcmp(f->what, "keg-record") == 0) /* test_kegs() damages one */
			continue;
		printf("# %s %s: %s\n", f->what, f->path, f->detail);
		problems++;
	}
	return problems;
}

/* --- changes --- */

static int append_change(void *context, const struct bfs_change *change)
{
	static const char letters[] = "ADMT";
	struct bfs_buffer *text = context;

	return bfs_buffer_append_format(text, "%s%c%s %s", text->length ? "; " : "",
		letters[change->kind], change->ignored ? "!" : "", change->path);
}

static char *changes_text(bool with_ignored)
{
	struct bfs_buffer text = BFS_BUFFER_INIT;

	bfs_buffer_append_string(&text, "");
	bfs_worktree_freeze(tree);
	if (bfs_session_changes(session, with_ignored, append_change, &text, NULL) < 0)
		printf("# the changes cannot be told\n");
	bfs_worktree_thaw(tree);
	return bfs_buffer_steal(&text);
}

static void expect_changes(bool with_ignored, const char *expected, const char *what)
{
	_cleanup_free_ char *text = changes_text(with_ignored);

	is_str(text, expected, "%s", what);
}

/* --- commits --- */

static int commit_as(enum bfs_commit_side side, struct bfs_commit_result *ret_result)
{
	const struct bfs_commit_options options = {.side = side};
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	int r = bfs_session_commit(session, &options, ret_result, &error);

	if (r < 0 && r != -ENOTUNIQ && r != -ESTALE)
		printf("# %s\n", bfs_error_message(&error, r));
	return r;
}

static uint64_t ignored_files; /* of the session: they stay in it */

/* Commits, and looks at what came of it: the generation of that number, or 0 for none. */
static void commit(uint64_t number, const char *what)
{
	_cleanup_commit_result_ struct bfs_commit_result result = {0};
	struct bfs_worktree_counts counts;

	is_int(commit_as(BFS_COMMIT_REFUSE, &result), 0, "%s: committed", what);
	is_int(result.generation.number, number, "%s: as this generation", what);
	ok(bfs_worktree_count(tree, &counts) == 0 && (counts.local == ignored_files || !number),
		"%s: nothing is here alone any more", what);
	ok(is_sound(tree), "%s: the session is sound", what);
	expect_changes(false, "", "and has no changes");
}

static void test_nothing(void)
{
	begin_session("nothing");
	expect_changes(true, "", "a new session has no changes");
	commit(0, "nothing");
	write_text("share/doc/a", "aaa\n");
	expect_changes(true, "", "the same bytes are no change");
	write_text("new", "x");
	remove_path("new");
	expect_changes(true, "", "nor is what came and went");
	commit(0, "the same bytes");
	is_int(current(), 1, "the ref has not moved");
	end_session("nothing");
}

static void change_much(void)
{
	write_text("share/doc/a", "AAA\n");
	write_text("share/doc/new", "new");
	write_text("share/empty", "");
	make_directories("etc/one/two");
	write_text("etc/one/two/file", "text");
	link_path("etc/one/two/file", "etc/one/name");
	link_path("share/doc/b", "share/b");
	symlink_path("../etc/one", "lib/one");
	change_mode("bin/tool", 0700);
	rename_path(tree, "lib/link", "lib/moved", 0, NULL);
}

static void test_changes(void)
{
	begin_session("changes");
	change_much();
	expect_changes(false,
		"T bin/tool; A etc; A etc/one; A etc/one/name; A etc/one/two; A etc/one/two/file;"
		" D lib/link; A lib/moved; A lib/one; A share/b; M share/doc/a; A share/doc/new;"
		" A share/empty",
		"each change is told, in order");
	commit(2, "changes");
	expect_equal("changes");
	is_int(bfs_session_info(session)->base.number, 2, "the session has it as its base");
	commit(0, "once more");

	bfs_session_close(session);
	open_session("changes");
	expect_equal("after another opening");
	write_text("etc/one/name", "other text");
	link_path("share/b", "share/c");
	link_path("share/doc/new", "share/newer");
	remove_path("share/doc/new");
	remove_path("share/empty");
	make_directories("share/empty/really");
	rename_path(tree, "etc/one", "etc/three", 0, NULL);
	commit(3, "a second commit");
	expect_equal("a second commit");
	end_session("changes");
}

/* --- when others publish --- */

/* Writes one file into the ref, as another host would; NULL removes it. */
static int publish_other(const char *path, const char *text)
{
	_cleanup_publication_ struct bfs_publication *publication = NULL;
	_cleanup_writer_ struct bfs_writer *writer = NULL;
	struct bfs_tree *theirs;
	int r = bfs_publication_begin(store, REF, &publication, NULL);

	if (r == 0)
		r = bfs_writer_new(store, NULL, &writer, NULL);
	if (r < 0)
		return r;
	theirs = bfs_publication_tree(publication);
	r = text ? fixture_write(writer, theirs, path, 0644, text, strlen(text), NULL)
		 : bfs_tree_remove_path(theirs, path);
	if (r == 0)
		r = bfs_writer_commit(writer, &theirs, 1, NULL);
	return r == 0 ? bfs_publication_commit(publication, "another host", NULL, NULL) : r;
}

static void test_moved_ref(void)
{
	uint64_t number = current();

	begin_session("moved");
	write_text("mine", "1");
	write_text("share/doc/a", "mine");
	is_int(publish_other("other", "2"), 0, "another host publishes");
	is_int(publish_other("share/doc/other", "3"), 0, "twice");
	commit(number + 3, "over what others did");
	ok(published_has("mine") && published_has("other") && published_has("share/doc/other"),
		"what both did is there");
	ok(!ino_of(tree, "other"), "the session stays as it is");
	write_text("mine", "4");
	commit(number + 4, "again");
	ok(published_has("other") && published_has("share/doc/other"),
		"what the session never had is not taken for removed");
	end_session("moved");
	is_int(publish_other("other", NULL), 0, "tidied");
	is_int(publish_other("share/doc/other", NULL), 0, "tidied");
}

static void test_conflict(void)
{
	_cleanup_commit_result_ struct bfs_commit_result refused = {0}, decided = {0};
	_cleanup_free_ char *before = NULL, *after = NULL;
	uint64_t number = current();

	begin_session("conflict");
	write_text("share/doc/a", "here");
	write_text("fine", "here");
	is_int(publish_other("share/doc/a", "there"), 0, "another host changes the same file");
	before = session_text();
	is_int(commit_as(BFS_COMMIT_REFUSE, &refused), -ENOTUNIQ, "a conflict is refused");
	if (refused.conflict_count == 1) {
		is_str(refused.conflicts[0].path, "share/doc/a", "its path is told");
		is_str(refused.conflicts[0].ours, "modified", "what was done here");
		is_str(refused.conflicts[0].theirs, "modified", "and what there");
	} else {
		ok(false, "there is one");
	}
	is_int(current(), number + 1, "nothing was published");
	after = session_text();
	is_str(after, before, "the session is as it was");
	ok(is_sound(tree), "and sound");

	is_int(commit_as(BFS_COMMIT_OURS, &decided), 0, "decided for what is here");
	is_int(decided.conflict_count, 1, "it still is told");
	is_int(current(), number + 2, "it is published");
	expect_equal("decided for ours");
	end_session("conflict");
}

static void test_conflict_theirs(void)
{
	_cleanup_commit_result_ struct bfs_commit_result decided = {0};

	begin_session("theirs");
	write_text("share/doc/a", "here, again");
	write_text("finer", "here");
	is_int(publish_other("share/doc/a", "there!"), 0, "another host changes the same file");
	is_int(commit_as(BFS_COMMIT_THEIRS, &decided), 0, "decided for what is there");
	ok(published_has("finer"), "all else is committed");
	ok(has_bytes(store, tree, "share/doc/a", "here, again"), "the session keeps its own");
	ok(is_sound(tree), "and is sound");
	bfs_session_close(session);
	open_session("theirs");
	ok(has_bytes(store, tree, "share/doc/a", "here, again"), "also when it is opened again");
	end_session("theirs");

	begin_session("theirs");
	ok(has_bytes(store, tree, "share/doc/a", "there!"), "the generation has the other");
	end_session("theirs");
}

/* --- what is not committed --- */

static void test_fifo_in_place(void)
{
	_cleanup_commit_result_ struct bfs_commit_result first = {0}, second = {0}, third = {0};

	begin_session("fifo");
	make_directories("place");
	write_text("place/x", "1");
	is_int(commit_as(BFS_COMMIT_REFUSE, &first), 0, "a directory is committed");
	remove_path("place");
	make_fifo("place");
	expect_changes(false, "D place; D place/x", "a fifo in its place is its removal");
	is_int(commit_as(BFS_COMMIT_REFUSE, &second), 0, "which is committed");
	is_int(second.removed, 2, "and counted");
	ok(!published_has("place"), "so it is gone");
	expect_changes(false, "", "and nothing is left to commit");
	remove_path("place");
	symlink_path("elsewhere", "place");
	is_int(commit_as(BFS_COMMIT_REFUSE, &third), 0, "nor is what comes there next a conflict");
	ok(published_has("place"), "it is there");
	end_session("fifo");
}

static void test_ignored(void)
{
	_cleanup_commit_result_ struct bfs_commit_result result = {0}, second = {0}, third = {0};
	struct bfs_worktree_counts counts;

	begin_session("ignored");
	make_directories("Homebrew/Library");
	write_text("Homebrew/Library/brew.rb", "ruby");
	symlink_path("../Homebrew/bin/brew", "bin/brew");
	make_directories("var/homebrew/locks");
	write_text("var/homebrew/locks/x", "");
	make_fifo("pipe");
	write_text("x.o", "object");
	write_text(".brewfsignore", "*.o\n");
	write_text("kept", "1");
	expect_changes(true,
		"A .brewfsignore; A! Homebrew; A! bin/brew; A kept; A! pipe; A var; A var/homebrew;"
		" A! var/homebrew/locks; A! x.o",
		"what is ignored is told");
	is_int(commit_as(BFS_COMMIT_REFUSE, &result), 0, "committed");
	is_int(result.added, 4, "what is added is counted");
	is_int(result.ignored, 5, "and what is ignored");
	ok(!published_has("Homebrew") && !published_has("bin/brew") && !published_has("pipe") &&
			!published_has("x.o") && !published_has("var/homebrew/locks"),
		"it is not published");
	ok(published_has("kept") && published_has("var/homebrew"), "all else is");
	ok(has_bytes(store, tree, "Homebrew/Library/brew.rb", "ruby"), "the session has it still");
	ok(bfs_worktree_count(tree, &counts) == 0 && counts.local == 3, "on its own disk");
	expect_changes(false, "", "there are no changes left");
	bfs_session_close(session);
	open_session("ignored");
	write_text("Homebrew/Library/brew.rb", "more ruby");
	is_int(commit_as(BFS_COMMIT_REFUSE, &second), 0, "a change of what is ignored");
	is_int(second.generation.number, 0, "is none");

	write_text(".brewfsignore", "!Homebrew/\n");
	is_int(commit_as(BFS_COMMIT_REFUSE, &third), 0, "rules that are taken back");
	ok(published_has("Homebrew/Library/brew.rb") && published_has("bin/brew") &&
			published_has("x.o"),
		"let in what they kept out");
	ok(!published_has("pipe") && !published_has("var/homebrew/locks"), "and no more");
	remove_path("Homebrew");
	remove_path("bin/brew");
	remove_path("x.o");
	remove_path(".brewfsignore");
	is_int(commit_as(BFS_COMMIT_REFUSE, &second), 0, "tidied");
	end_session("ignored");
}

/* --- kegs --- */

static bool has_record(const char *name, const char *version, const char *part)
{
	_cleanup_tree_ struct bfs_tree *published = published_tree();
	struct bfs_keg keg = {0};
	bool found = bfs_keg_get(published, name, version, &keg) == 0 &&
		     strstr(keg.record, part) != NULL && !strstr(keg.record, "changed_files");

	bfs_keg_release(&keg);
	return found;
}

static bool has_no_record(const char *name, const char *version)
{
	_cleanup_tree_ struct bfs_tree *published = published_tree();
	struct bfs_keg keg = {0};
	int r = bfs_keg_get(published, name, version, &keg);

	bfs_keg_release(&keg);
	return r == -ENOENT;
}

#define RECEIPT "{\"changed_files\":[\"a\"],\"time\":5,\"aliases\":[\"%s\"]}"

static void write_receipt(const char *keg, const char *alias)
{
	char path[256], text[256];

	snprintf(path, sizeof(path), "Cellar/%s", keg);
	make_directories(path);
	snprintf(path, sizeof(path), "Cellar/%s/INSTALL_RECEIPT.json", keg);
	snprintf(text, sizeof(text), RECEIPT, alias);
	write_text(path, text);
}

static void test_kegs(void)
{
	uint64_t number = current();

	begin_session("kegs");
	write_receipt("foo/1.0", "foo-alias");
	write_receipt("bar/2", "bar-alias");
	write_receipt("bad/3", "x");
	write_text("Cellar/bad/3/INSTALL_RECEIPT.json", "no JSON");
	make_directories("Cellar/none/4");
	commit(number + 1, "kegs");
	ok(has_record("foo", "1.0", "foo-alias"), "a keg that was poured has a record");
	ok(has_record("bar", "2", "bar-alias"), "another one too");
	ok(has_no_record("bad", "3"), "one with a damaged receipt has none");
	ok(has_no_record("none", "4"), "nor one without");
	write_receipt("foo/1.0", "renamed");
	remove_path("Cellar/bar");
	rename_path(tree, "Cellar/bad", "Cellar/good", 0, NULL);
	write_receipt("good/3", "better");
	commit(number + 2, "changed kegs");
	ok(has_record("foo", "1.0", "renamed"), "a receipt that changed is noted");
	ok(has_no_record("bar", "2"), "a keg that went has no record");
	ok(has_record("good", "3", "better"), "one that moved has");
	remove_path("Cellar");
	commit(number + 3, "no kegs");
	ok(has_no_record("foo", "1.0") && has_no_record("good", "3"), "nothing is left of them");
	end_session("kegs");
}

/* --- contents --- */

static void test_contents(void)
{
	_cleanup_free_ char *huge = fixture_bytes(6000000, 3), *half = fixture_bytes(100000, 4);
	uint64_t number = current();
	struct stat st;

	begin_session("contents");
	make_file(tree, "huge", 0755, &st);
	write_at(tree, st.st_ino, huge, 6000000, 0);
	for (unsigned i = 0; i < 40; i++) {
		char name[32];

		snprintf(name, sizeof(name), "half%u", i);
		make_file(tree, name, 0644, &st);
		write_at(tree, st.st_ino, half, 100000, 0);
	}
	make_file(tree, "sparse", 0600, &st);
	write_at(tree, st.st_ino, "x", 1, 300000);
	change_mode("lib/big.so", 0755);
	commit(number + 1, "contents");
	expect_equal("contents");
	change_mode("lib/big.so", 0644);
	change_mode("half3", 0555);
	commit(number + 2, "other modes");
	expect_equal("other modes");
	is_int(count_problems(), 0, "the store is whole");
	for (unsigned i = 0; i < 40; i++) {
		char name[32];

		snprintf(name, sizeof(name), "half%u", i);
		remove_path(name);
	}
	remove_path("huge");
	remove_path("sparse");
	commit(number + 3, "without");
	end_session("contents");
}

/* --- a file that is being written --- */

static void test_being_written(void)
{
	_cleanup_commit_result_ struct bfs_commit_result result = {0};
	struct bfs_worktree_data data;
	uint64_t number = current();

	begin_session("written");
	write_text("log", "first");
	write_text("done", "1");
	is_int(bfs_worktree_data_open(tree, ino_of(tree, "log"), true, &data), 0, "who writes");
	is_int(commit_as(BFS_COMMIT_REFUSE, &result), 0, "does not hold up a commit for long");
	ok(published_has("log"), "a file that is being written is committed as it is");
	is_int(bfs_pwrite_all(data.fd, "second", 6, 0), 0, "goes on");
	bfs_worktree_data_close(tree, &data, true);
	commit(number + 2, "afterwards");
	expect_equal("what was written since is no conflict with oneself");
	remove_path("log");
	remove_path("done");
	commit(number + 3, "tidied");
	end_session("written");
}

/* --- what a collection took --- */

static void test_collected(void)
{
	_cleanup_commit_result_ struct bfs_commit_result result = {0};
	_cleanup_free_ char *bytes = fixture_bytes(150000, 77);
	char name[BFS_STORE_NAME_SIZE], kept[300];
	struct bfs_content content = {.size = 150000};
	uint64_t number = current();
	struct stat st;

	begin_session("collected");
	make_file(tree, "object", 0644, &st);
	write_at(tree, st.st_ino, bytes, 150000, 0);
	commit(number + 1, "an object");
	is_int(publish_other("object", NULL), 0, "another host removes it");
	bfs_digest_of(bytes, 150000, &content.digest);
	bfs_store_object_name(&content, name);
	snprintf(kept, sizeof(kept), "%s", fixture_path("kept"));
	is_int(renameat(bfs_store_fd(store), name, AT_FDCWD, kept), 0, "it is collected");
	link_path("object", "another");
	is_int(commit_as(BFS_COMMIT_REFUSE, &result), -ESTALE, "what is gone is not published");
	is_int(current(), number + 2, "nothing is");
	is_int(renameat(AT_FDCWD, kept, bfs_store_fd(store), name), 0, "it comes back");
	is_int(commit_as(BFS_COMMIT_REFUSE, &result), 0, "and then it is");
	remove_path("another");
	is_int(commit_as(BFS_COMMIT_REFUSE, &result), 0, "tidied");
	end_session("collected");
}

/* --- update --- */

static int update(const char *name, enum bfs_commit_side side, struct bfs_update_result *ret_result)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	int r;

	bfs_session_close(bfs_steal(&session));
	r = bfs_session_update(store, name, side, ret_result, &error);
	if (r < 0 && r != -ENOTUNIQ)
		printf("# %s\n", bfs_error_message(&error, r));
	open_session(name);
	return r;
}

static void change_for_update(void)
{
	write_text("share/doc/a", "local");
	make_directories("up/one");
	write_text("up/one/file", "some text");
	link_path("up/one/file", "up/name");
	symlink_path("one/file", "up/link");
	rename_path(tree, "share/doc", "share/documents", 0, NULL);
	change_mode("lib/big.so", 0711);
	make_directories("Homebrew");
	write_text("Homebrew/x", "ignored");
	bfs_worktree_set_xattr(tree, ino_of(tree, "up/name"), "user.x", "value", 5, 0);
}

static void test_update(void)
{
	_cleanup_update_result_ struct bfs_update_result result = {0}, again = {0};
	_cleanup_free_ char *before = NULL, *after = NULL;
	uint64_t number = current();
	char value[8];

	begin_session("update");
	change_for_update();
	before = changes_text(true);
	is_int(publish_other("other", "from there"), 0, "another host publishes");
	is_int(update("update", BFS_COMMIT_REFUSE, &result), 0, "a session is brought forward");
	is_int(result.generation.number, number + 1, "to what is current");
	is_int(bfs_session_info(session)->base.number, number + 1, "which is its base");
	after = changes_text(true);
	is_str(after, before, "its changes are what they were");
	ok(is_sound(tree), "it is sound");
	ok(has_bytes(store, tree, "other", "from there"), "it has what was published");
	ok(has_bytes(store, tree, "up/name", "some text") &&
			ino_of(tree, "up/name") == ino_of(tree, "up/one/file"),
		"and its own, with its links");
	ok(has_bytes(store, tree, "Homebrew/x", "ignored"), "what is ignored, too");
	is_int(bfs_worktree_get_xattr(tree, ino_of(tree, "up/name"), "user.x", value, 8), 5,
		"and extended attributes");
	write_text("up/name", "changed after");
	ignored_files = 1;
	commit(number + 2, "after an update");
	expect_equal("after an update");
	ok(published_has("other"), "nothing of the other is lost");

	is_int(publish_other("up/name", "conflict"), 0, "another host again");
	is_int(publish_other("other", NULL), 0, "removes");
	write_text("up/name", "here");
	is_int(update("update", BFS_COMMIT_REFUSE, &again), -ENOTUNIQ, "a conflict is refused");
	is_int(again.conflict_count, 1, "and told");
	ok(has_bytes(store, tree, "up/name", "here") && ino_of(tree, "other"),
		"the session is as it was");
	bfs_update_result_release(&again);
	is_int(update("update", BFS_COMMIT_THEIRS, &again), 0, "decided for theirs");
	ok(has_bytes(store, tree, "up/name", "conflict") && !ino_of(tree, "other"),
		"the session has what they have");
	expect_changes(false, "M up/one/file", "and its own in the other name of the file");
	ok(is_sound(tree), "it is sound");
	is_int(fixture_count(fixture_path("sessions")), 1, "nothing is left of the old one");
	remove_path("up");
	rename_path(tree, "share/documents", "share/doc", 0, NULL);
	remove_path("Homebrew");
	ignored_files = 0;
	commit(current() + 1, "tidied");
	end_session("update");
}

/* --- apply --- */

static void test_apply(void)
{
	const struct bfs_commit_options options = {0};
	_cleanup_commit_result_ struct bfs_commit_result result = {0};
	_cleanup_publication_ struct bfs_publication *publication = NULL;
	_cleanup_writer_ struct bfs_writer *writer = NULL;
	_cleanup_free_ char *path = strdup(fixture_path("unpublished.sqlite"));
	struct bfs_tree *theirs;
	uint64_t number = current();

	is_int(bfs_publication_begin(store, REF, &publication, NULL), 0, "a publication begins");
	is_int(bfs_writer_new(store, NULL, &writer, NULL), 0, "with a writer");
	theirs = bfs_publication_tree(publication);
	is_int(fixture_write(writer, theirs, "poured", 0644, "bottle", 6, NULL), 0, "pours");
	is_int(bfs_writer_commit(writer, &theirs, 1, NULL), 0, "puts it");
	is_int(bfs_tree_write_copy(theirs, path, NULL), 0, "and is copied");
	is_int(bfs_session_create_from(store, REF, "apply", path, NULL), 0, "for a session");
	open_session("apply");
	write_text("made", "by a program");
	write_text("poured", "changed");
	is_int(bfs_session_apply(session, &options, theirs, writer, &result, NULL), 0,
		"whose changes are applied");
	is_int(result.added, 1, "one is new");
	is_int(result.modified, 1, "one is changed");
	is_int(bfs_writer_commit(writer, &theirs, 1, NULL), 0, "put");
	is_int(bfs_publication_commit(publication, "install", NULL, NULL), 0, "and published");
	is_int(current(), number + 1, "as one generation");
	expect_equal("applied");
	end_session("apply");
}

/* --- interrupted --- */

static void sleep_us(unsigned us)
{
	const struct timespec time = {.tv_nsec = (long)us * 1000};

	nanosleep(&time, NULL);
}

/* Commits in another process, which is killed after some time; whether it had ended by then. */
static bool commit_and_kill(const char *name, unsigned us)
{
	struct bfs_commit_result result;
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		open_session(name);
		_exit(commit_as(BFS_COMMIT_REFUSE, &result) == 0 ? 0 : 1);
	}
	sleep_us(us);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return WIFEXITED(status);
}

/* 1 where all is well after a commit was killed, 0 where something is wrong. */
static bool is_well_after_kill(const char *name, const char *before, uint64_t number)
{
	_cleanup_free_ char *after = NULL, *published = NULL;
	bool well;

	open_session(name);
	after = session_text();
	published = published_text();
	well = strcmp(before, after) == 0 && is_sound(tree) &&
	       (current() == number || strcmp(published, before) == 0);
	bfs_session_close(bfs_steal(&session));
	return well;
}

static void test_kills(void)
{
	unsigned wrong = 0, ended = 0, kills = 0;

	begin_session("kills");
	make_directories("kills");
	for (unsigned us = 100; ended < 3 && us < 400000; us += us / 8 + 100) {
		_cleanup_free_ char *before = NULL;
		uint64_t number;
		char text[64], path[64];

		if (!session)
			open_session("kills");
		for (unsigned i = 0; i < 20; i++) {
			snprintf(path, sizeof(path), "kills/%u", i);
			snprintf(text, sizeof(text), "%u of %u", i, us);
			write_text(path, text);
		}
		before = session_text();
		number = current();
		bfs_session_close(bfs_steal(&session));
		ended += commit_and_kill("kills", us);
		kills++;
		if (!is_well_after_kill("kills", before, number) && wrong++ == 0)
			printf("# after %u us\n", us);
	}
	is_int(wrong, 0, "after each of %u kills session and store are whole", kills);
	ok(ended >= 1, "and at last a commit came through");
	open_session("kills");
	write_text("kills/last", "x");
	remove_path("kills/0");
	commit(current() + 1, "after the kills");
	expect_equal("after the kills");
	is_int(count_problems(), 0, "the store is whole");
	end_session("kills");
}

/* --- two at once --- */

static int commit_in_process(const char *name)
{
	struct bfs_commit_result result;
	char path[64];

	if (bfs_session_create(store, REF, name, NULL) < 0)
		return 2;
	open_session(name);
	for (unsigned i = 0; i < 10; i++) {
		snprintf(path, sizeof(path), "%s.%u", name, i);
		write_text(path, name);
		if (commit_as(BFS_COMMIT_REFUSE, &result) < 0)
			return 1;
	}
	bfs_session_close(session);
	return bfs_session_discard(name, NULL) < 0;
}

static void test_two(void)
{
	static const char *const names[] = {"left", "right"};
	uint64_t number = current();
	pid_t pids[2];
	bool all = true;

	for (int i = 0; i < 2; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(commit_in_process(names[i]));
	}
	for (int i = 0; i < 2; i++) {
		int status = -1;

		waitpid(pids[i], &status, 0);
		is_int(status, 0, "%s committed ten times", names[i]);
	}
	is_int(current(), number + 20, "each commit is a generation");
	for (unsigned i = 0; i < 20; i++) {
		char path[64];

		snprintf(path, sizeof(path), "%s.%u", names[i % 2], i / 2);
		all = all && published_has(path);
	}
	ok(all, "and nothing of them is lost");
	is_int(count_problems(), 0, "the store is whole");
}

int main(void)
{
	fixture_begin();
	store = fixture_store();
	test_nothing();
	test_changes();
	test_moved_ref();
	test_conflict();
	test_conflict_theirs();
	test_fifo_in_place();
	test_ignored();
	test_kegs();
	test_contents();
	test_being_written();
	test_collected();
	test_update();
	test_apply();
	test_kills();
	test_two();
	bfs_store_close(store);
	fixture_end();
	return done();
}
