/* brewfs trace: which names of the prefix a command uses, for brewfs export --trace. */
#include "installer/commands.h"

#include "index/tree.h"
#include "installer/export_trace.h"
#include "installer/trace.h"
#include "lib/file.h"
#include "lib/log.h"

#include <fcntl.h>
#include <limits.h>
#include <search.h>
#include <stddef.h>
#include <string.h>

struct options {
	const char *output;
	const char *prefix;
	bool append;
};

static const struct bfs_option options_table[] = {
	{"output", 'o', "FILE", "Write the names to FILE (default: brewfs.trace)",
		offsetof(struct options, output)},
	{"prefix", 'p', "DIR", "The prefix, where it is mounted elsewhere than at Homebrew's place",
		offsetof(struct options, prefix)},
	{"append", 'a', NULL, "Keep the names that FILE has already",
		offsetof(struct options, append)},
	{0},
};

/* A tree of tsearch(3): each name once. */
struct names {
	void *root;
};

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void names_release(struct names *names)
{
	tdestroy(names->root, free);
}

static int add_name(void *context, const char *name)
{
	struct names *names = context;
	char *copy = *name ? strdup(name) : NULL;
	void *found;

	if (!*name)
		return 0;
	found = copy ? tsearch(copy, &names->root, compare) : NULL;
	if (!found || *(char **)found != copy)
		free(copy);
	return found ? 0 : -ENOMEM;
}

static void write_name(const void *node, VISIT visit, void *stream)
{
	if (visit == postorder || visit == leaf)
		bfs_export_trace_write(stream, *(char *const *)node);
}

static int write_names(const struct names *names, char **ret_text, size_t *ret_length)
{
	FILE *stream = open_memstream(ret_text, ret_length);

	if (!stream)
		return -ENOMEM;
	twalk_r(names->root, write_name, stream);
	return fclose(stream) == EOF ? -ENOMEM : 0;
}

/* The old text and the new; a name that is in both does no harm. */
static int write_file(
	const char *path, const struct names *names, bool append, struct bfs_error *error)
{
	static const char head[] = "# Names of the prefix; written by brewfs trace.\n";
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	_cleanup_free_ char *lines = NULL;
	size_t length;
	int r = append ? bfs_read_file(AT_FDCWD, path, BFS_EXPORT_TRACE_MAX, &text) : -ENOENT;

	if (r == -ENOENT)
		r = bfs_buffer_append_string(&text, head);
	if (r == 0)
		r = write_names(names, &lines, &length);
	if (r == 0)
		r = bfs_buffer_append(&text, lines, length);
	if (r == 0)
		r = bfs_replace_file(AT_FDCWD, path, text.data, text.length, 0644);
	return r < 0 ? bfs_error_set(error, r, "writing the trace", path, NULL) : 0;
}

/* The prefix as it is called and as the kernel tells where files really are; both allocated. */
static int find_prefix(const char *given, char *ret_names[2], struct bfs_error *error)
{
	const char *prefix = given ? given : BFS_TREE_PREFIX_DEFAULT;
	_cleanup_free_ char *here = getcwd(NULL, 0);
	size_t length = strlen(prefix);

	while (length > 1 && prefix[length - 1] == '/')
		length--;
	ret_names[1] = realpath(prefix, NULL);
	if (!ret_names[1])
		return bfs_error_set(error, -errno, "looking for the prefix", prefix, NULL);
	ret_names[0] = *prefix == '/'
			       ? strndup(prefix, length)
			       : bfs_format("%s/%.*s", here ? here : "", (int)length, prefix);
	return ret_names[0] ? 0 : -ENOMEM;
}

static int run(const void *fields, int count, char **operands)
{
	const struct options *options = fields;
	const char *output = options->output ? options->output : "brewfs.trace";
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	BFS_CLEANUP(names_release) struct names names = {NULL};
	char *prefixes[3] = {NULL};
	int status = 0, r = find_prefix(options->prefix, prefixes, &error);

	(void)count;
	if (r == 0)
		r = bfs_trace_run(
			operands, (const char *const *)prefixes, add_name, &names, &status, &error);
	free(prefixes[0]);
	free(prefixes[1]);
	if (r == 0)
		r = write_file(output, &names, options->append, &error);
	return r < 0 ? bfs_error_report(&error, r) : status;
}

const struct bfs_command bfs_cmd_trace = {
	.name = "trace",
	.synopsis = "-- COMMAND [ARGUMENT...]",
	.summary = "Run a command and record which names of the prefix it uses",
	.options = options_table,
	.options_size = sizeof(struct options),
	.minimum_operands = 1,
	.maximum_operands = -1,
	.run = run,
};
