/*
 * A formula as far as pouring its bottle needs it, read from Homebrew's JSON API in either form:
 * an entry of the internal packages document (Homebrew api/formula_struct.rb) or the public
 * formula/NAME.json (formula.rb#to_hash), the latter with the variations of the bottle tag applied.
 *
 * What depends on the platform is answered for Linux: `keg_only`, dependencies (uses_from_macos
 * included, their bounds ignored), requirements. What depends on the date (deprecated, disabled) is
 * answered for today.
 *
 * Every string that becomes part of a path or URL is checked here: names, versions, tags, digests.
 */
#ifndef BFS_INSTALLER_FORMULA_H
#define BFS_INSTALLER_FORMULA_H

#include "lib/digest.h"
#include "lib/error.h"
#include "lib/json.h"

/* NULL-terminated arrays of owned strings; never NULL themselves after parsing. */
typedef char **bfs_strings;

struct bfs_conflict {
	char *name;
	char *reason; /* "both install `x` binaries", or NULL */
};

struct bfs_formula {
	char *name;    /* "openssl@3" */
	char *tap;     /* "homebrew/core", or "user/repo" for a tap's own */
	char *version; /* stable version, without the revision */
	int revision;
	int version_scheme;
	int compatibility_version; /* -1 where the formula has none */
	char *pkg_version;	   /* version[_revision]: the keg's directory name */

	bool has_bottle;  /* for the tag asked for, or "all" */
	char *bottle_tag; /* "x86_64_linux", "arm64_linux" or "all"; NULL without a bottle */
	struct bfs_digest bottle_digest;
	int bottle_rebuild;
	/* ":any", ":any_skip_relocation" or the path it was built for; NULL without a bottle. The
	   documents also have "/Cellar", where brew that made them ran at the default prefix. */
	char *bottle_cellar;
	char *bottle_root_url; /* NULL: the tap's default registry (installer/registry.h) */

	/*
	 * What must be poured before it: its dependencies, recommended ones and all uses_from_macos
	 * without those for building and testing (Homebrew formula_installer.rb), in the document's
	 * order, each once. A name or, for a tap's formula, "user/repo/name". The implicit glibc
	 * and gcc are not among them.
	 */
	bfs_strings dependencies;
	bfs_strings aliases;
	bfs_strings old_names;
	bfs_strings versioned_formulae;
	bfs_strings link_overwrite; /* paths or patterns, relative to the prefix; not checked */
	struct bfs_conflict *conflicts;
	size_t conflict_count;

	bool keg_only;		 /* on Linux */
	bool keg_only_versioned; /* the reason is :versioned_formula */
	char *keg_only_reason;	 /* for the message; NULL if linked */

	json_t *post_install_steps; /* array of step objects, or NULL; not checked */
	bool post_install_defined; /* a post_install that only Ruby could run, if there are no steps
				    */

	bool deprecated, disabled; /* both may be true: disabled counts */
	/* To put after "NAME has been ": "deprecated because it is not maintained upstream! It will
	   be disabled on 2027-01-31.", with a second line where there is a replacement; NULL if
	   neither. */
	char *deprecation_reason;
	/* "macOS", "the arm64 architecture"...: why it cannot be used with the tag; NULL: it can.
	 */
	char *unmet_requirement;

	char *desc, *homepage, *license, *caveats; /* NULL where absent */
	bool has_service;
	char *ruby_source_path; /* "Formula/p/proj.rb", or NULL */
	bool from_public_document;
};

/*
 * `document` is the value of formulae.NAME in the packages document of `tag`. -EBADMSG, naming
 * formula and field, where something has another type, or a name, version or digest that cannot be
 * one.
 */
int bfs_formula_from_internal(const char *name, const json_t *document, const char *tag,
	struct bfs_formula **ret_formula, struct bfs_error *error);

/* `document` is a public formula/NAME.json; it is not changed. Errors as above. */
int bfs_formula_from_public(const json_t *document, const char *tag,
	struct bfs_formula **ret_formula, struct bfs_error *error);

void bfs_formula_free(struct bfs_formula *formula);
BFS_DEFINE_CLEANUP(struct bfs_formula *, bfs_cleanup_formula, bfs_formula_free)
#define _cleanup_formula_ BFS_CLEANUP(bfs_cleanup_formula)

/* A formula or keg name: 1 to 128 of [A-Za-z0-9@+._-], not beginning with a dot or dash. */
bool bfs_formula_name_is_valid(const char *name);
/* What a dependency may be: a name, or "user/repo/name" of three such. */
bool bfs_formula_reference_is_valid(const char *reference);
/* "user/repo" of two such. */
bool bfs_formula_tap_is_valid(const char *tap);
/* A version: 1 to 128 visible ASCII characters but the slash, not beginning with a dot. */
bool bfs_formula_version_is_valid(const char *version);
/* A bottle tag: 1 to 64 of [a-z0-9_]. */
bool bfs_formula_tag_is_valid(const char *tag);

void bfs_strings_free(bfs_strings strings);
size_t bfs_strings_count(char *const *strings);
bool bfs_strings_contains(char *const *strings, const char *string);
/* Adds a copy at the end; *strings may be NULL. -ENOMEM leaves it as it was. */
int bfs_strings_add(bfs_strings *strings, const char *string);

#endif
