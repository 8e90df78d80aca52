/*
 * A Brewfile, as far as it is data: the subset of Ruby that Brewfiles in practice consist of, read
 * without Ruby (the methods and their options are Homebrew's bundle/dsl.rb).
 *
 *	tap "user/repo"[, "URL"]	brew "name"[, option: value...]		cask_args k: v
 *	cask, mas, vscode, go, cargo, uv, flatpak, winget, krew, npm "name"[, option: value...]
 *
 * with or without parentheses, lists continued after a comma; strings in single or double quotes
 * with Ruby's escapes and #{...}, %w[], symbols, integers, true, false, nil, arrays, hashes
 * (`k: v`, `"k" => v`); `#` comments, =begin/=end, __END__; if/unless/elsif/else/end, `... if` and
 * `... unless` at the end of a line, on_macos and on_linux with do/end. Conditions and values know
 * OS.mac?, OS.linux?, ENV["X"], ENV.fetch("X"[, default]), ENV.key?("X"), ==, !=, !, &&, ||, not,
 * and, or. OS.linux? is true. Nothing of it is executed.
 *
 * Anything else is an error that names FILE:LINE:COLUMN and quotes the text; nothing is passed over
 * in silence. The environment is the process's, where Homebrew shows a Brewfile only a part of it.
 */
#ifndef BFS_INSTALLER_BREWFILE_H
#define BFS_INSTALLER_BREWFILE_H

#include "installer/formula.h"

/* No list of packages written by people comes near it; a file beyond it is something else. */
#define BFS_BREWFILE_SIZE_MAX (1024 * 1024)

enum bfs_brewfile_kind {
	BFS_BREWFILE_TAP,
	BFS_BREWFILE_BREW,
	BFS_BREWFILE_CASK,
	BFS_BREWFILE_MAS,
	BFS_BREWFILE_VSCODE,
	BFS_BREWFILE_GO,
	BFS_BREWFILE_CARGO,
	BFS_BREWFILE_UV,
	BFS_BREWFILE_FLATPAK,
	BFS_BREWFILE_WINGET,
	BFS_BREWFILE_KREW,
	BFS_BREWFILE_NPM,
};

/* What becomes of an entry. Like `brew bundle`, an install goes on with the rest whatever it is. */
enum bfs_brewfile_fate {
	BFS_BREWFILE_INSTALL, /* brew and tap entries */
	BFS_BREWFILE_SKIP, /* another platform's, or named in HOMEBREW_BUNDLE_..._SKIP: exit status
			      0 */
	BFS_BREWFILE_UNSUPPORTED, /* a tool's that brewfs does not drive: warning, exit status 0 */
	BFS_BREWFILE_REFUSED, /* asks for what a bottle cannot be (HEAD): an error, exit status 1 at
				 the end */
};

enum bfs_brewfile_link {
	BFS_BREWFILE_LINK_DEFAULT, /* linked unless keg-only */
	BFS_BREWFILE_LINK_YES,	   /* even if keg-only */
	BFS_BREWFILE_LINK_NO,
	BFS_BREWFILE_LINK_OVERWRITE, /* yes, replacing what is in the way */
};

struct bfs_brewfile_entry {
	enum bfs_brewfile_kind kind;
	enum bfs_brewfile_fate fate;
	char *name; /* normalised as dsl.rb does: lower case, "u/homebrew-r/x" is "u/r/x" */
	unsigned line;
	char *reason;	   /* why it is not BFS_BREWFILE_INSTALL: a whole sentence, or NULL */
	bfs_strings notes; /* what of it is not honoured, each a sentence with FILE:LINE */
	char *url;	   /* tap: its clone URL, or NULL */
	enum bfs_brewfile_link link; /* the rest: brew only */
	bfs_strings conflicts_with;  /* to be unlinked first if linked */
	char *postinstall;  /* shell command, which brewfs reports and does not run; or NULL */
	char *version_file; /* gets the version, without revision, and a newline; or NULL */
	bool trusted;	    /* kept; brewfs pours bottles by digest from any tap that is named */
	json_t *options; /* all of them: symbols as ":x", strings that begin with : or \ after one
			    more \ */
};

struct bfs_brewfile {
	char *path;			    /* for messages: "Brewfile", "<stdin>" */
	struct bfs_brewfile_entry *entries; /* in the file's order */
	size_t count, capacity;
};

/*
 * The file that counts (Homebrew bundle/brewfile.rb): `given` (--file; "-" is standard input), else
 * $HOMEBREW_BUNDLE_FILE, else "Brewfile"; with `global` $HOMEBREW_BUNDLE_FILE_GLOBAL, else
 * Homebrew's Brewfile in $XDG_CONFIG_HOME, else ~/.Brewfile. Allocated. -EINVAL for `global` with
 * $HOMEBREW_BUNDLE_FILE set.
 */
int bfs_brewfile_choose(const char *given, bool global, char **ret_path, struct bfs_error *error);

/*
 * Reads and parses it; "-" is standard input. -ENOENT "No Brewfile found"; -EFBIG beyond
 * BFS_BREWFILE_SIZE_MAX; -EBADMSG for what is not understood.
 */
int bfs_brewfile_read(
	const char *path, struct bfs_brewfile **ret_brewfile, struct bfs_error *error);

/* Parses `length` bytes of text; `name` is what messages call the file. */
int bfs_brewfile_parse(const char *text, size_t length, const char *name,
	struct bfs_brewfile **ret_brewfile, struct bfs_error *error);

/*
 * Says what is skipped, ignored and refused, in the file's order. Returns the number of refused
 * entries.
 */
size_t bfs_brewfile_report(const struct bfs_brewfile *brewfile);

/* "brew", "cask"...: the method's name. */
const char *bfs_brewfile_kind_name(enum bfs_brewfile_kind kind);

void bfs_brewfile_free(struct bfs_brewfile *brewfile);
BFS_DEFINE_CLEANUP(struct bfs_brewfile *, bfs_cleanup_brewfile, bfs_brewfile_free)
#define _cleanup_brewfile_ BFS_CLEANUP(bfs_cleanup_brewfile)

#endif
