#include "installer/brewfile.h"

#include "installer/brewfile_private.h"
#include "lib/file.h"
#include "lib/log.h"

#include <fcntl.h>
#include <string.h>

/* An environment variable, NULL where it is unset or empty. */
static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

/* The Brewfile of `brew bundle --global`. */
static int choose_global(char **ret_path)
{
	const char *config = variable("XDG_CONFIG_HOME"), *home = variable("HOME");
	_cleanup_free_ char *path = NULL;

	if (config) {
		path = bfs_format("%s/homebrew/Brewfile", config);
		if (!path)
			return -ENOMEM;
		if (access(path, F_OK) == 0) {
			*ret_path = bfs_steal(&path);
			return 0;
		}
	}
	*ret_path = bfs_format("%s/.Brewfile", home ? home : "");
	return *ret_path ? 0 : -ENOMEM;
}

int bfs_brewfile_choose(const char *given, bool global, char **ret_path, struct bfs_error *error)
{
	const char *path = given && *given ? given : NULL;

	if (global && !path) {
		path = variable("HOMEBREW_BUNDLE_FILE_GLOBAL");
		if (!path && variable("HOMEBREW_BUNDLE_FILE"))
			return bfs_error_set(error, -EINVAL, "choosing the Brewfile", NULL,
				"HOMEBREW_BUNDLE_FILE cannot be combined with --global");
		if (!path)
			return choose_global(ret_path);
	}
	if (!path)
		path = variable("HOMEBREW_BUNDLE_FILE");
	*ret_path = strdup(path ? path : "Brewfile");
	return *ret_path ? 0 : -ENOMEM;
}

int bfs_brewfile_read(const char *path, struct bfs_brewfile **ret_brewfile, struct bfs_error *error)
{
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	bool standard_input = strcmp(path, "-") == 0;
	const char *name = standard_input ? "<stdin>" : path;
	int r = bfs_read_file(
		AT_FDCWD, standard_input ? "/dev/stdin" : path, BFS_BREWFILE_SIZE_MAX, &text);

	if (r == -ENOENT)
		return bfs_error_set(error, r, "reading the Brewfile", name, "No Brewfile found");
	if (r == -EFBIG)
		return bfs_error_set(error, r, "reading the Brewfile", name,
			"longer than %d bytes, so it is something else", BFS_BREWFILE_SIZE_MAX);
	if (r < 0)
		return bfs_error_set(error, r, "reading the Brewfile", name, NULL);
	return bfs_brewfile_parse(
		text.data ? text.data : "", text.length, name, ret_brewfile, error);
}

size_t bfs_brewfile_report(const struct bfs_brewfile *brewfile)
{
	size_t refused = 0;

	for (size_t i = 0; i < brewfile->count; i++) {
		const struct bfs_brewfile_entry *entry = &brewfile->entries[i];

		if (entry->fate == BFS_BREWFILE_SKIP)
			bfs_log_info("%s", entry->reason);
		else if (entry->fate == BFS_BREWFILE_UNSUPPORTED)
			bfs_log_warning("%s", entry->reason);
		else if (entry->fate == BFS_BREWFILE_REFUSED)
			bfs_log_error("%s", entry->reason);
		refused += entry->fate == BFS_BREWFILE_REFUSED;
		for (char **note = entry->notes; *note; note++)
			bfs_log_warning("%s", *note);
	}
	return refused;
}

void bfs_brewfile_entry_release(struct bfs_brewfile_entry *entry)
{
	free(entry->name);
	free(entry->reason);
	bfs_strings_free(entry->notes);
	free(entry->url);
	bfs_strings_free(entry->conflicts_with);
	free(entry->postinstall);
	free(entry->version_file);
	json_decref(entry->options);
}

void bfs_brewfile_free(struct bfs_brewfile *brewfile)
{
	if (!brewfile)
		return;
	for (size_t i = 0; i < brewfile->count; i++)
		bfs_brewfile_entry_release(&brewfile->entries[i]);
	free(brewfile->entries);
	free(brewfile->path);
	free(brewfile);
}
