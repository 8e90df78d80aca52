/*
 * What the two readers of formula documents share: checked fields of a JSON object, and the rules
 * that are the same whichever form a fact was written in. For formula*.c only.
 *
 * Every function returns 0, -ENOMEM, or -EBADMSG with the reader's error set to name formula and
 * field.
 */
#ifndef BFS_INSTALLER_FORMULA_PRIVATE_H
#define BFS_INSTALLER_FORMULA_PRIVATE_H

#include "installer/formula.h"

/* One document being read. */
struct bfs_formula_reader {
	const json_t *document;
	const char *tag;	     /* of the bottle asked for */
	bool escaped;		     /* the internal form: see bfs_formula_text() */
	struct bfs_formula *formula; /* being filled */
	struct bfs_error *error;
};

/* A formula with every default set. -EBADMSG for a name that cannot be one. */
int bfs_formula_new(const char *name, struct bfs_formula **ret_formula, struct bfs_error *error);

/* Records "reading the formula: NAME: FIELD REASON" and returns -EBADMSG. */
int bfs_formula_fail(
	const struct bfs_formula_reader *reader, const char *field, const char *reason);

/*
 * An optional field, of which an absent one leaves *ret as it is. Strings are copied, as
 * bfs_formula_text() reads them.
 */
int bfs_formula_read_string(const struct bfs_formula_reader *reader, const char *key, char **ret);
int bfs_formula_read_int(const struct bfs_formula_reader *reader, const char *key, int *ret);
int bfs_formula_read_bool(const struct bfs_formula_reader *reader, const char *key, bool *ret);
int bfs_formula_read_strings(
	const struct bfs_formula_reader *reader, const char *key, bfs_strings *ret);
/* As bfs_formula_read_strings(), of formula names. */
int bfs_formula_read_names(
	const struct bfs_formula_reader *reader, const char *key, bfs_strings *ret);
/* The array or object, borrowed; NULL where absent. */
int bfs_formula_read_array(const struct bfs_formula_reader *reader, const char *key, json_t **ret);
int bfs_formula_read_object(const struct bfs_formula_reader *reader, const char *key, json_t **ret);

/*
 * The text of a string of the document. In the internal form symbols begin with a colon, and a
 * string that begins with a colon or backslash has a backslash before it (Homebrew
 * utils.rb#deep_stringify_symbols); both are taken off. Borrowed; NULL for NULL.
 */
const char *bfs_formula_text(const struct bfs_formula_reader *reader, const char *string);

/*
 * A dependency as both forms write it: "x" or {"x": TAGS}, where keys ":since" or "since" are
 * bounds. One for building or testing, and an optional one, is left out; one met before as well.
 */
int bfs_formula_add_dependency(
	const struct bfs_formula_reader *reader, const char *field, const json_t *entry);

/* `reason` may be NULL or empty. */
int bfs_formula_add_conflict(
	const struct bfs_formula_reader *reader, const char *name, const char *reason);

/*
 * Notes a requirement that cannot be met. `name` is "macos", "arch"..., `tags` an array of its
 * version and what it is needed for, or NULL. What is needed for building only does not count.
 */
int bfs_formula_add_requirement(const struct bfs_formula_reader *reader, const char *name,
	const char *version, const json_t *tags);

/*
 * Homebrew keg_only_reason.rb, on Linux: the reasons of macOS do not apply. `reason` is ":symbol"
 * or text. `explanation` may be NULL or empty.
 */
int bfs_formula_set_keg_only(
	const struct bfs_formula_reader *reader, const char *reason, const char *explanation);

/* The bottle. `cellar` is ":symbol" or a path. */
int bfs_formula_set_bottle(const struct bfs_formula_reader *reader, const char *tag,
	const char *sha256, const char *cellar);

/* When and why a formula is no longer cared for; texts may be NULL. */
struct bfs_formula_event {
	bool given;
	const char *date;	 /* "2027-01-31"; NULL: at once */
	const char *because;	 /* a symbol's name or free text */
	const char *replacement; /* a formula */
};

/* Homebrew deprecate_disable.rb and formula.rb#deprecate!, #disable!, as of today. */
int bfs_formula_set_lifecycle(const struct bfs_formula_reader *reader,
	const struct bfs_formula_event *deprecate, const struct bfs_formula_event *disable);

/* "deprecate_args" or "disable_args", the keys of which may be symbols. */
int bfs_formula_read_event(const struct bfs_formula_reader *reader, const char *key,
	struct bfs_formula_event *ret_event);

/* The license: a string, or a tree of any_of, all_of and with (Homebrew utils/spdx.rb). */
int bfs_formula_read_license(const struct bfs_formula_reader *reader);

/* The fields that both forms have under the same name, except caveats of the public form. */
int bfs_formula_read_common(const struct bfs_formula_reader *reader);

/* What follows from the rest: pkg_version, and the check of the version. */
int bfs_formula_finish(const struct bfs_formula_reader *reader);

#endif
