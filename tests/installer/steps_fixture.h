/*
 * A prefix with the keg of a formula foo 1.2.3_1, in a store of the test's own, and the macros that
 * run post-install steps on it and say what is expected of them.
 */
#ifndef BFS_TESTS_STEPS_FIXTURE_H
#define BFS_TESTS_STEPS_FIXTURE_H

#include "installer/steps.h"
#include "lib/buffer.h"
#include "tests/tap.h"
#include "tests/installer/tree_fixture.h"

#include <fcntl.h>

#define PREFIX "/home/linuxbrew/.linuxbrew"
#define KEG    "Cellar/foo/1.2.3_1"
#define MTIME  INT64_C(1700000000000000000)

static char *no_strings[] = {NULL};

/* A store, a prefix with the keg of foo 1.2.3_1, and what ran on it last. */
struct world {
	char directory[64];
	struct bfs_store *store;
	struct bfs_content_reader *reader;
	struct bfs_writer *writer;
	struct bfs_tree *tree;
	struct bfs_formula formula;
	struct bfs_steps_result result;
};

static inline void put_text(
	struct world *world, const char *path, const void *text, size_t length, mode_t mode)
{
	struct bfs_content content;

	must(bfs_writer_add(world->writer, text, length, mode, &content, NULL), path);
	put_parent(world->tree, path);
	must(bfs_tree_write_path(world->tree, path, mode, 0, &content), path);
}

static inline void commit(struct world *world)
{
	must(bfs_writer_commit(world->writer, &world->tree, 1, NULL), "committing contents");
}

static inline void open_world(struct world *world)
{
	_cleanup_free_ char *path = NULL;

	*world = (struct world){.directory = "/tmp/test-steps-XXXXXX"};
	if (!mkdtemp(world->directory))
		must(-errno, "making a directory");
	path = bfs_format("%s/store", world->directory);
	must(bfs_store_create(path, &world->store, NULL), path);
	must(bfs_content_reader_new(world->store, &world->reader), "a reader");
	must(bfs_writer_new(world->store, NULL, &world->writer, NULL), "a writer");
	world->tree = new_prefix();
	world->formula = (struct bfs_formula){.name = "foo",
		.tap = "homebrew/core",
		.version = "1.2.3",
		.revision = 1,
		.pkg_version = "1.2.3_1",
		.aliases = no_strings};
	put_text(world, KEG "/share/foo/data", "data\n", 5, 0644);
	put_text(world, KEG "/bin/tool", "#!/bin/sh\n", 10, 0555);
	put_text(world, KEG "/lib/python/a.py", "import a\n", 9, 0644);
	put_text(world, KEG "/lib/python/sub/b.py", "import b\n", 9, 0600);
	put_link(world->tree, KEG "/lib/python/c.py", "a.py");
	put_link(world->tree, "opt/foo", "../" KEG);
	commit(world);
}

static inline void close_world(struct world *world)
{
	bfs_steps_result_release(&world->result);
	bfs_tree_close(world->tree);
	bfs_writer_free(world->writer);
	bfs_content_reader_free(world->reader);
	bfs_store_close(world->store);
	bfs_remove_tree(AT_FDCWD, world->directory);
}

static inline void run_formula(struct world *world)
{
	struct bfs_steps_order order = {.tree = world->tree,
		.reader = world->reader,
		.writer = world->writer,
		.prefix = PREFIX,
		.formula = &world->formula,
		.mtime = MTIME};
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	int r;

	bfs_steps_result_release(&world->result);
	r = bfs_steps_run(&order, &world->result, &error);
	if (r < 0) {
		printf("Bail out! %s\n", bfs_error_message(&error, r));
		exit(1);
	}
}

/* Runs steps written in JSON, with ' for ". */
static inline void run(struct world *world, const char *steps)
{
	_cleanup_free_ char *text = strdup(steps);
	_cleanup_json_ json_t *document = NULL;
	json_error_t error;

	for (char *c = text; *c; c++)
		if (*c == '\'')
			*c = '"';
	document = json_loads(text, 0, &error);
	if (!document) {
		printf("Bail out! %s: %s\n", text, error.text);
		exit(1);
	}
	world->formula.post_install_steps = document;
	run_formula(world);
	world->formula.post_install_steps = NULL;
}

static inline const char *failure(const struct world *world)
{
	return world->result.failure ? world->result.failure : "none";
}

/* Runs steps that must be done completely. */
#define does(world, steps, ...)                                                                    \
	do {                                                                                       \
		run(world, steps);                                                                 \
		if (!ok(!(world)->result.failure && !(world)->result.pending, __VA_ARGS__))        \
			printf("# %s, %zu pending\n", failure(world),                              \
				json_array_size((world)->result.pending));                         \
	} while (0)

/* Runs steps that must fail, with this in the message. */
#define fails(world, steps, part, ...)                                                             \
	do {                                                                                       \
		run(world, steps);                                                                 \
		if (!ok(strstr(failure(world), part) != NULL, __VA_ARGS__))                        \
			printf("# %s\n", failure(world));                                          \
	} while (0)

/* The types of the steps that were handed back, joined by blanks. Allocated. */
static inline char *pending(const struct world *world)
{
	struct bfs_buffer text = BFS_BUFFER_INIT;
	const json_t *step;
	size_t i;

	bfs_buffer_reserve(&text, 0);
	json_array_foreach(world->result.pending, i, step)
	{
		bfs_buffer_append_format(
			&text, "%s%s", i ? " " : "", bfs_json_string_or(step, "type", "?"));
	}
	if (world->result.failure)
		bfs_buffer_append_format(&text, "failed: %s", world->result.failure);
	return bfs_buffer_steal(&text);
}

/* Runs steps of which some, and no others, must be handed back. */
#define hands_back(world, steps, expected, ...)                                                    \
	do {                                                                                       \
		_cleanup_free_ char *pending_ = NULL;                                              \
		run(world, steps);                                                                 \
		pending_ = pending(world);                                                         \
		is_str(pending_, expected, __VA_ARGS__);                                           \
	} while (0)

static inline const char *reason(const struct world *world, size_t i)
{
	return bfs_json_string_or(json_array_get(world->result.pending, i), "reason", "none");
}

/* What a file holds. Allocated. */
static inline char *text_at(struct world *world, const char *path)
{
	struct bfs_buffer text = BFS_BUFFER_INIT;
	struct bfs_attributes attributes;
	struct bfs_content content;

	commit(world);
	bfs_buffer_reserve(&text, 0);
	if (bfs_tree_stat_path(world->tree, path, &attributes) < 0 ||
		bfs_tree_content(world->tree, attributes.ino, &content) < 0 ||
		(content.size &&
			bfs_content_load(world->reader, &content, 1 << 20, &text, NULL) < 0))
		bfs_buffer_append_format(&text, "cannot read %s", path);
	return bfs_buffer_steal(&text);
}

#define holds(world, path, expected, ...)                                                          \
	do {                                                                                       \
		_cleanup_free_ char *text_ = text_at(world, path);                                 \
		is_str(text_, expected, __VA_ARGS__);                                              \
	} while (0)

#endif
