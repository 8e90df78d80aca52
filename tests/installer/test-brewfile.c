/*
 * Brewfiles: every file in tests/installer/brewfile/good gives the entries listed in its .expected
 * (one a line: line, fate, method, name, and what else is not as by default), every one in bad the
 * error listed there.
 */
#include "installer/brewfile.h"
#include "lib/file.h"
#include "lib/path.h"
#include "tests/tap.h"

#include <fcntl.h>
#include <glob.h>

static const char *source_directory(void)
{
	const char *directory = getenv("srcdir");

	return directory ? directory : ".";
}

static void describe_list(struct bfs_buffer *text, const char *name, char *const *strings)
{
	for (size_t i = 0; strings[i]; i++)
		bfs_buffer_append_format(text, "%s%s%s", i ? "," : " ", i ? "" : name, strings[i]);
}

static void describe_string(struct bfs_buffer *text, const char *name, const char *value)
{
	if (value)
		bfs_buffer_append_format(text, " %s=%s", name, value);
}

static void describe(struct bfs_buffer *text, const struct bfs_brewfile_entry *entry)
{
	static const char *const fates[] = {"install", "skip", "unsupported", "refused"};
	static const char *const links[] = {NULL, "yes", "no", "overwrite"};
	size_t notes = bfs_strings_count(entry->notes), start = text->length;

	bfs_buffer_append_format(text, "%u %s %s %s", entry->line, fates[entry->fate],
		bfs_brewfile_kind_name(entry->kind), entry->name);
	describe_string(text, "url", entry->url);
	describe_string(text, "link", links[entry->link]);
	describe_list(text, "conflicts=", entry->conflicts_with);
	describe_string(text, "postinstall", entry->postinstall);
	describe_string(text, "version_file", entry->version_file);
	if (entry->trusted)
		bfs_buffer_append_string(text, " trusted");
	if (notes)
		bfs_buffer_append_format(text, " notes=%zu", notes);
	if (entry->reason)
		bfs_buffer_append_format(text, ": %s", entry->reason);
	for (char *c = text->data + start; *c; c++)
		if (*c == '\n')
			*c = '|';
	bfs_buffer_append_string(text, "\n");
}

/* The file beside `path` with another suffix. */
static void read_expected(const char *path, struct bfs_buffer *text)
{
	char *expected =
		bfs_format("%.*s.expected", (int)(strlen(path) - strlen(".Brewfile")), path);

	if (bfs_read_file(AT_FDCWD, expected, 65536, text) < 0)
		bfs_buffer_append_format(text, "cannot read %s", expected);
	bfs_buffer_reserve(text, 0);
	free(expected);
}

static int parse_file(const char *path, struct bfs_brewfile **brewfile, struct bfs_error *error)
{
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	int r = bfs_read_file(AT_FDCWD, path, BFS_BREWFILE_SIZE_MAX, &text);

	if (r < 0)
		return r;
	/* Exactly as long as the text, so that a sanitizer sees a read past its end. */
	char *copy = memcpy(malloc(text.length + !text.length), text.data, text.length);

	r = bfs_brewfile_parse(copy, text.length, bfs_path_base(path), brewfile, error);
	free(copy);
	return r;
}

static void test_good(const char *path)
{
	_cleanup_buffer_ struct bfs_buffer expected = BFS_BUFFER_INIT, actual = BFS_BUFFER_INIT;
	_cleanup_brewfile_ struct bfs_brewfile *brewfile = NULL;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	int r = parse_file(path, &brewfile, &error);

	read_expected(path, &expected);
	is_int(r, 0, "%s is understood: %s", bfs_path_base(path), bfs_error_message(&error, r));
	bfs_buffer_reserve(&actual, 0);
	for (size_t i = 0; brewfile && i < brewfile->count; i++)
		describe(&actual, &brewfile->entries[i]);
	is_str(actual.data, expected.data, "%s has the entries that it says", bfs_path_base(path));
}

static void test_bad(const char *path)
{
	_cleanup_buffer_ struct bfs_buffer expected = BFS_BUFFER_INIT;
	_cleanup_brewfile_ struct bfs_brewfile *brewfile = NULL;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	_cleanup_free_ char *message = NULL;
	int r = parse_file(path, &brewfile, &error);

	read_expected(path, &expected);
	expected.data[strcspn(expected.data, "\n")] = '\0';
	message = bfs_format("reading the Brewfile: %s:%s", bfs_path_base(path), expected.data);
	ok(r == -EBADMSG && error.message && strncmp(error.message, message, strlen(message)) == 0,
		"%s is refused: %s", bfs_path_base(path), expected.data);
	if (!error.message || strncmp(error.message, message, strlen(message)) != 0)
		printf("# got %d, %s\n", r, bfs_error_message(&error, r));
}

static void for_each(const char *directory, void (*test)(const char *path))
{
	char *pattern = bfs_format(
		"%s/tests/installer/brewfile/%s/*.Brewfile", source_directory(), directory);
	glob_t found;

	if (!ok(glob(pattern, 0, NULL, &found) == 0, "there are files %s", pattern)) {
		free(pattern);
		return;
	}
	for (size_t i = 0; i < found.gl_pathc; i++)
		test(found.gl_pathv[i]);
	globfree(&found);
	free(pattern);
}

static struct bfs_brewfile *parse_string(const char *text)
{
	struct bfs_brewfile *brewfile = NULL;
	struct bfs_error error = BFS_ERROR_INIT;
	int r = bfs_brewfile_parse(text, strlen(text), "Brewfile", &brewfile, &error);

	if (r < 0)
		printf("# %s\n", bfs_error_message(&error, r));
	bfs_error_clear(&error);
	return brewfile;
}

static void test_left_out(void)
{
	_cleanup_brewfile_ struct bfs_brewfile *brewfile = NULL;

	setenv("HOMEBREW_BUNDLE_BREW_SKIP", "jq  wget\tproj", 1);
	setenv("HOMEBREW_BUNDLE_MAS_SKIP", "497799835", 1);
	setenv("HOMEBREW_BUNDLE_TAP_SKIP", "user/repo", 1);
	brewfile =
		parse_string("brew 'jq'\nbrew 'oniguruma'\nbrew 'wget', args: ['HEAD']\n"
			     "mas 'Xcode', id: 497799835\ntap 'user/homebrew-repo'\ntap 'a/b'\n");
	unsetenv("HOMEBREW_BUNDLE_BREW_SKIP");
	unsetenv("HOMEBREW_BUNDLE_MAS_SKIP");
	unsetenv("HOMEBREW_BUNDLE_TAP_SKIP");
	if (!ok(brewfile && brewfile->count == 6, "entries that are left out stay in the list"))
		return;
	is_str(brewfile->entries[0].reason, "Skipping jq",
		"HOMEBREW_BUNDLE_BREW_SKIP leaves out jq");
	is_int(brewfile->entries[1].fate, BFS_BREWFILE_INSTALL,
		"and nothing that it does not name");
	is_int(brewfile->entries[2].fate, BFS_BREWFILE_SKIP, "what is left out is not refused");
	is_str(brewfile->entries[3].reason, "Skipping Xcode",
		"HOMEBREW_BUNDLE_MAS_SKIP goes by number too");
	is_int(brewfile->entries[4].fate, BFS_BREWFILE_SKIP,
		"HOMEBREW_BUNDLE_TAP_SKIP leaves out a tap");
	is_int(brewfile->entries[5].fate, BFS_BREWFILE_INSTALL, "another tap stays");
	is_int(bfs_brewfile_report(brewfile), 0, "nothing is reported as refused");
}

static void is_chosen(const char *given, bool global, const char *expected, const char *why)
{
	_cleanup_free_ char *path = NULL;
	int r = bfs_brewfile_choose(given, global, &path, NULL);

	is_int(r, 0, "a Brewfile is chosen");
	is_str(path, expected, "%s", why);
}

static void test_choice(const char *directory)
{
	_cleanup_free_ char *config = bfs_format("%s/homebrew/Brewfile", directory);
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	char *path = NULL;

	is_chosen(NULL, false, "Brewfile", "./Brewfile is the one without options");
	setenv("HOMEBREW_BUNDLE_FILE", "/x/Brewfile", 1);
	is_chosen(NULL, false, "/x/Brewfile", "HOMEBREW_BUNDLE_FILE goes before it");
	is_chosen("-", false, "-", "--file goes before that");
	is_int(bfs_brewfile_choose(NULL, true, &path, &error), -EINVAL,
		"--global and HOMEBREW_BUNDLE_FILE exclude each other");
	unsetenv("HOMEBREW_BUNDLE_FILE");
	setenv("HOME", "/home/somebody", 1);
	setenv("XDG_CONFIG_HOME", directory, 1);
	is_chosen(NULL, true, "/home/somebody/.Brewfile", "--global is ~/.Brewfile");
	bfs_make_directories(AT_FDCWD, directory, 0755);
	_cleanup_free_ char *parent = bfs_path_parent(config);

	bfs_make_directories(AT_FDCWD, parent, 0755);
	bfs_replace_file(AT_FDCWD, config, "", 0, 0644);
	is_chosen(NULL, true, config,
		"--global is $XDG_CONFIG_HOME/homebrew/Brewfile where there is one");
	setenv("HOMEBREW_BUNDLE_FILE_GLOBAL", "/y/Brewfile", 1);
	is_chosen(NULL, true, "/y/Brewfile", "HOMEBREW_BUNDLE_FILE_GLOBAL goes before both");
	unsetenv("HOMEBREW_BUNDLE_FILE_GLOBAL");
}

static void test_reading(const char *directory)
{
	_cleanup_free_ char *path = bfs_format("%s/Brewfile", directory);
	_cleanup_brewfile_ struct bfs_brewfile *brewfile = NULL;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	char *big = malloc(BFS_BREWFILE_SIZE_MAX + 1);
	int saved = dup(STDIN_FILENO), fd;

	is_int(bfs_brewfile_read(path, &brewfile, &error), -ENOENT,
		"a missing Brewfile is -ENOENT");
	ok(strstr(bfs_error_message(&error, 0), "No Brewfile found"),
		"and says so in brew's words");
	bfs_error_clear(&error);
	memset(big, '\n', BFS_BREWFILE_SIZE_MAX + 1);
	bfs_replace_file(AT_FDCWD, path, big, BFS_BREWFILE_SIZE_MAX + 1, 0644);
	is_int(bfs_brewfile_read(path, &brewfile, &error), -EFBIG, "one beyond 1 MiB is -EFBIG");
	bfs_replace_file(AT_FDCWD, path, "brew 'jq'\n", 10, 0644);
	fd = open(path, O_RDONLY);
	dup2(fd, STDIN_FILENO);
	close(fd);
	bfs_error_clear(&error);
	is_int(bfs_brewfile_read("-", &brewfile, &error), 0, "- is standard input");
	ok(brewfile && brewfile->count == 1 && strcmp(brewfile->path, "<stdin>") == 0,
		"and messages call it <stdin>");
	dup2(saved, STDIN_FILENO);
	close(saved);
	free(big);
}

static void test_size(void)
{
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	_cleanup_brewfile_ struct bfs_brewfile *brewfile = NULL;
	size_t lines = 0;

	while (text.length < BFS_BREWFILE_SIZE_MAX - 32) {
		bfs_buffer_append_format(&text, "brew \"formula-%zu\"\n", lines);
		lines++;
	}
	brewfile = parse_string(text.data);
	ok(brewfile && brewfile->count == lines, "a Brewfile of 1 MiB with %zu entries is read",
		lines);
	ok(brewfile && brewfile->entries[lines - 1].line == lines, "and its lines are counted");
}

/* A number from a sequence that is always the same. */
static size_t next_number(size_t limit)
{
	static uint32_t state = 1;

	state = state * 1664525 + 1013904223;
	return (state >> 8) % limit;
}

/* Changes, cuts or doubles a few bytes. */
static size_t damage(char *text, size_t length, size_t capacity)
{
	static const char marks[] = "\"'#{}[]()\\,:=>%w!&|\n;";

	for (size_t i = next_number(6); length > 1 && i-- > 0;) {
		size_t at = next_number(length), kind = next_number(4);

		if (kind == 0)
			text[at] = marks[next_number(sizeof(marks) - 1)];
		else if (kind == 1)
			text[at] = (char)next_number(256);
		else if (kind == 2)
			length = at + 1;
		else if (length < capacity) {
			memmove(text + at + 1, text + at, length - at);
			length++;
		}
	}
	return length;
}

static void test_mutations(void)
{
	static const char original[] =
		"brew 'a', link: :overwrite, args: %w[x y] if OS.linux? && !ENV[\"X\"]\n"
		"if ENV.fetch('A', \"b#{1}\\u00e9\") == (nil || :c)\n  tap \"u/r\", { 'a' => [1, "
		"-2,\n"
		"3] }\nelsif true\nelse\nend\n=begin\nx\n=end\non_linux "
		"do\nbrew(\"c\")\nend\n__END__\n";
	size_t silent = 0;

	for (int i = 0; i < 5000; i++) {
		_cleanup_brewfile_ struct bfs_brewfile *brewfile = NULL;
		_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
		char text[512], *copy;
		size_t length = sizeof(original) - 1;

		memcpy(text, original, length);
		length = damage(text, length, sizeof(text));
		copy = memcpy(malloc(length), text, length);
		silent += bfs_brewfile_parse(copy, length, "f", &brewfile, &error) < 0 &&
			  !error.message;
		free(copy);
	}
	is_int(silent, 0, "of 5000 damaged Brewfiles each is read or refused with a message");
}

int main(void)
{
	char directory[] = "/tmp/test-brewfile-XXXXXX";

	if (!mkdtemp(directory))
		return 1;
	setenv("BREWFS_TEST_SET", "yes", 1);
	unsetenv("BREWFS_TEST_UNSET");
	for_each("good", test_good);
	for_each("bad", test_bad);
	test_left_out();
	test_choice(directory);
	test_reading(directory);
	test_size();
	test_mutations();
	bfs_remove_tree(AT_FDCWD, directory);
	return done();
}
