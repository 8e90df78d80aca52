/*
 * What the files of the step runner share: steps.c (order, guards, what is handed back),
 * steps_values.c (path values and templates), steps_paths.c (what is at a path), and the actions:
 * steps_files.c, steps_copy.c, steps_links.c, steps_text.c, steps_gunzip.c.
 */
#ifndef BFS_INSTALLER_STEPS_PRIVATE_H
#define BFS_INSTALLER_STEPS_PRIVATE_H

#include "index/tree_path.h"
#include "installer/steps.h"
#include "lib/buffer.h"

/* Answers of actions beside 0 and a negative errno; none that a question (0 or 1) has. */
#define BFS_STEP_LATER	 100 /* cannot be done here; runner->reason says why */
#define BFS_STEP_NOTHING 101 /* there was nothing to do it to */

/* What is outside of the prefix, for programs that run on this host (installer/step_script.h). */
struct bfs_steps_host {
	const char *user, *temp, *home;
};

struct bfs_steps_runner {
	const struct bfs_steps_order *order;
	char *keg;	 /* "Cellar/NAME/VERSION" */
	json_t *pending; /* array */
	json_t *guards;	 /* object: whether a guard holds, by its text */
	bfs_strings warnings;
	char *reason; /* of the last BFS_STEP_LATER */
	bool dirty;   /* contents were added that the reader cannot see before a commit */
	struct bfs_error *error; /* of the step that runs */
	const struct bfs_steps_host *host; /* NULL: what differs from host to host is left for later */
};

typedef int bfs_step_action(struct bfs_steps_runner *runner, const json_t *step);

/* --- steps.c --- */

/* Sets the reason and returns BFS_STEP_LATER. */
int bfs_steps_later(struct bfs_steps_runner *runner, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/*
 * Records "running a post-install step: PATH: REASON"; NULL for the errno's text. Returns `code`.
 */
int bfs_steps_fail(struct bfs_steps_runner *runner, int code, const char *path, const char *reason);

/* --- steps_values.c --- */

/*
 * Replaces the {{tokens}} of a text; unknown ones stay. BFS_STEP_LATER for {{user}} and {{temp}}.
 */
int bfs_steps_expand(struct bfs_steps_runner *runner, const char *text, char **ret_text);

/*
 * The absolute path that a path value ({base, formula, path}, or a string) stands for, without ".",
 * ".." and doubled slashes; a relative one only for base "relative". Patterns stay as they are.
 */
int bfs_steps_absolute(struct bfs_steps_runner *runner, const json_t *value, char **ret_path);

/*
 * The same relative to the prefix. -EXDEV for a way out of it; BFS_STEP_LATER for what was never in
 * it.
 */
int bfs_steps_locate(struct bfs_steps_runner *runner, const json_t *value, char **ret_path);
/* The value under a key of the step, which must have it. */
int bfs_steps_locate_key(
	struct bfs_steps_runner *runner, const json_t *step, const char *key, char **ret_path);

/* --- steps_paths.c --- */

/*
 * The paths in the prefix that a value stands for: those its pattern matches, or itself, which need
 * not exist.
 */
int bfs_steps_glob(struct bfs_steps_runner *runner, const json_t *value, bfs_strings *ret_paths);
/* Those of all the values in step["paths"]. */
int bfs_steps_glob_paths(
	struct bfs_steps_runner *runner, const json_t *step, bfs_strings *ret_paths);

/* Attributes, links followed: 1, or 0 where there is nothing. */
int bfs_steps_find(
	struct bfs_steps_runner *runner, const char *path, struct bfs_attributes *ret_attributes);
/* The same of the name itself. */
int bfs_steps_find_name(
	struct bfs_steps_runner *runner, const char *path, struct bfs_attributes *ret_attributes);
/* Whether there is a directory, links followed: 1 or 0. */
int bfs_steps_is_directory(struct bfs_steps_runner *runner, const char *path);

/*
 * Whether the sandbox lets the step change that name: 0, or -EACCES. The directories before it are
 * resolved, the name itself with `follow`.
 */
int bfs_steps_check_writable(struct bfs_steps_runner *runner, const char *path, bool follow);

/* mkdir -p of a directory, or of the one that a path is to be in. */
int bfs_steps_make_path(struct bfs_steps_runner *runner, const char *path);
int bfs_steps_make_parent(struct bfs_steps_runner *runner, const char *path);

/* -EINVAL where a directory's destination is in the directory itself, links resolved. */
int bfs_steps_check_apart(
	struct bfs_steps_runner *runner, const char *source, const char *destination);

/*
 * The source of a copy or move: the one path that its pattern matches with source_glob. -EINVAL for
 * more or none.
 */
int bfs_steps_source(struct bfs_steps_runner *runner, const json_t *step, char **ret_path);
/* Where it goes: `target`, or below it if that is a directory. */
int bfs_steps_destination(
	struct bfs_steps_runner *runner, const char *source, const char *target, char **ret_path);

/* step[key], which must be a string. Borrowed. */
int bfs_steps_string(struct bfs_steps_runner *runner, const json_t *step, const char *key,
	const char **ret_string);

/* --- steps_files.c --- */

/* rm -f: what is there goes, unless it is a directory. */
int bfs_steps_clear_name(struct bfs_steps_runner *runner, const char *path);

/* --- steps_text.c --- */

/* The whole of a regular file, as BFS_STEPS_READ_MAX allows. */
int bfs_steps_read(struct bfs_steps_runner *runner, const struct bfs_attributes *attributes,
	const char *path, struct bfs_buffer *bytes);
/* Puts a regular file with these bytes in place of what is at `path`, a file, a link or nothing. */
int bfs_steps_write(struct bfs_steps_runner *runner, const char *path, const void *data,
	size_t length, mode_t mode);

/* --- the actions --- */

bfs_step_action bfs_step_mkdir, bfs_step_mkdir_p, bfs_step_touch, bfs_step_move,
	bfs_step_move_contents, bfs_step_remove, bfs_step_set_permissions;   /* steps_files.c */
bfs_step_action bfs_step_copy;						     /* steps_copy.c */
bfs_step_action bfs_step_symlink, bfs_step_link_dir, bfs_step_link_children; /* steps_links.c */
bfs_step_action bfs_step_write, bfs_step_inreplace;			     /* steps_text.c */
bfs_step_action bfs_step_install_gzipped_executable;			     /* steps_gunzip.c */

/* Makes the bundle of ca-certificates (steps_text.c). */
int bfs_steps_make_certificates(struct bfs_steps_runner *runner);
/* Makes the link to it in etc/NAME, as openssl@3's steps do (steps_links.c). */
int bfs_steps_link_certificates(struct bfs_steps_runner *runner);

#endif
