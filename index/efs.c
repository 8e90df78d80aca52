#include "index/efs.h"

#include "index/efs_mount.h"
#include "index/efs_mounted.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"

#include <string.h>

#define STEP	     "reading the name of the EFS file system"
#define HEX	     "0123456789abcdef"
#define DEFAULT_PATH "/brewfs"

/* EFS ids have 8 or 17 digits (EFS API reference); others are not refused. */
#define ID_DIGITS_MAX 40

static size_t id_length(const char *name)
{
	size_t digits;

	if (strncmp(name, "fs-", 3) != 0)
		return 0;
	digits = strspn(name + 3, HEX);
	return digits > 0 && digits <= ID_DIGITS_MAX ? digits + 3 : 0;
}

bool bfs_efs_is_name(const char *name)
{
	size_t length = id_length(name);

	return length > 0 &&
	       (!name[length] ||
		       (name[length] == ':' && (!name[length + 1] || name[length + 1] == '/')));
}

/* Options of mount.efs(8) that take a value, and those that take none. */
static const char *const valued[] = {"accesspoint=", "region=", "az=", "mounttargetip=",
	"awsprofile=", "awscredsuri=", "rolearn=", "jwtpath=", "tlsport=", "netns=", "fsap=", NULL};
static const char *const flags[] = {
	"tls", "notls", "iam", "ocsp", "noocsp", "crossaccount", "stunnel", NULL};

bool bfs_efs_is_option(const char *option)
{
	for (size_t i = 0; valued[i]; i++)
		if (strncmp(option, valued[i], strlen(valued[i])) == 0)
			return true;
	for (size_t i = 0; flags[i]; i++)
		if (strcmp(option, flags[i]) == 0)
			return true;
	return false;
}

void bfs_efs_free(struct bfs_efs *efs)
{
	if (!efs)
		return;
	free(efs->id);
	free(efs->path);
	free(efs->access_point);
	free(efs->region);
	free(efs->others);
	free(efs);
}

static int set_string(char **field, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	free(*field);
	*field = copy;
	return 0;
}

/* What is put into host names and commands must be what it says it is. */
static bool is_word(const char *text)
{
	return *text && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(text);
}

static int read_option(struct bfs_efs *efs, const char *option, struct bfs_error *error)
{
	_cleanup_free_ char *others = NULL;
	const char *value = strchr(option, '=');
	bool is_point = strncmp(option, "accesspoint=", 12) == 0;

	value = value ? value + 1 : "";
	if (!bfs_efs_is_option(option))
		return bfs_error_set(error, -EINVAL, STEP, option, "no option of an EFS mount");
	if (is_point && (strncmp(value, "fsap-", 5) != 0 || !is_word(value)))
		return bfs_error_set(error, -EINVAL, STEP, option, "an access point is fsap-...");
	if (is_point)
		return set_string(&efs->access_point, value);
	if (strncmp(option, "region=", 7) == 0)
		return is_word(value) ? set_string(&efs->region, value)
				      : bfs_error_set(error, -EINVAL, STEP, option,
						"a region is of the form eu-west-1");
	if (strcmp(option, "iam") == 0)
		efs->iam = true;
	else if (strcmp(option, "notls") == 0)
		efs->no_tls = true;
	else if (strcmp(option, "tls") == 0)
		efs->needs_tls = true;
	else {
		others = bfs_format("%s,%s", efs->others, option);
		return others ? set_string(&efs->others, others) : -ENOMEM;
	}
	return 0;
}

static int read_options(struct bfs_efs *efs, const char *options, struct bfs_error *error)
{
	_cleanup_free_ char *copy = strdup(options ? options : "");
	char *rest = copy, *option;
	int r = set_string(&efs->others, "");

	if (!copy)
		return -ENOMEM;
	while (r == 0 && (option = strsep(&rest, ",")))
		if (*option)
			r = read_option(efs, option, error);
	efs->needs_tls = efs->needs_tls || efs->iam || efs->access_point;
	if (r == 0 && efs->no_tls && efs->needs_tls)
		return bfs_error_set(
			error, -EINVAL, STEP, "notls", "an access point and iam need TLS");
	return r;
}

/* "/a/b" of "/a//b/"; -EINVAL for one with ".." and the like. */
static int read_path(const char *text, char **ret_path)
{
	_cleanup_buffer_ struct bfs_buffer path = BFS_BUFFER_INIT;
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy, *name;
	int r = copy ? 0 : -ENOMEM;

	while (r == 0 && (name = strsep(&rest, "/"))) {
		if (!*name)
			continue;
		if (!bfs_name_is_valid(name, strlen(name)))
			return -EINVAL;
		r = bfs_buffer_append_format(&path, "/%s", name);
	}
	if (r == 0 && path.length == 0)
		r = bfs_buffer_append_string(&path, "/");
	if (r == 0)
		*ret_path = bfs_buffer_steal(&path);
	return r < 0 ? r : *ret_path ? 0 : -ENOMEM;
}

int bfs_efs_new(
	const char *name, const char *options, struct bfs_efs **ret_efs, struct bfs_error *error)
{
	_cleanup_efs_ struct bfs_efs *efs = calloc(1, sizeof(*efs));
	size_t length = id_length(name);
	int r = 0;

	if (!efs)
		return -ENOMEM;
	if (!bfs_efs_is_name(name))
		return bfs_error_set(error, -EINVAL, STEP, name,
			"it is of the form fs-0123456789abcdef0 or fs-0123456789abcdef0:/path");
	efs->id = strndup(name, length);
	if (!efs->id)
		return -ENOMEM;
	/* "fs-...:" without more is how mount.efs(8) writes the file system itself. */
	if (name[length] && name[length + 1])
		r = read_path(name + length + 1, &efs->path);
	if (r < 0)
		return bfs_error_set(error, r, STEP, name, "its path is none");
	r = read_options(efs, options, error);
	if (r < 0)
		return r;
	*ret_efs = bfs_steal(&efs);
	return 0;
}

/* --- the store --- */

static bool has_store(const char *directory)
{
	_cleanup_free_ char *path = bfs_format("%s/store.json", directory);

	return path && access(path, F_OK) == 0;
}

/* Where a mount shows a directory of the file system; NULL where it does not. Allocated. */
static char *place_in(const struct bfs_efs_place *place, const char *path)
{
	const char *below =
		strcmp(place->shown, "/") == 0 ? path + 1 : bfs_path_below(path, place->shown);

	if (!below)
		return NULL;
	return *below ? bfs_format("%s/%s",
				strcmp(place->mountpoint, "/") == 0 ? "" : place->mountpoint, below)
		      : strdup(place->mountpoint);
}

/* The store in that place, or where it is to be made: NULL where the place does not reach there. */
static char *store_in(const struct bfs_efs *efs, const struct bfs_efs_place *place)
{
	_cleanup_free_ char *standard = NULL;
	char *top;

	if (efs->path)
		return place_in(place, efs->path);
	standard = place_in(place, DEFAULT_PATH);
	if (standard && has_store(standard))
		return bfs_steal(&standard);
	top = place_in(place, "/");
	if (top && has_store(top))
		return top;
	free(top);
	return bfs_steal(&standard);
}

/* Of several places, the first that has a store, else the first that reaches to where it would be.
 */
static int choose(const struct bfs_efs *efs, const struct bfs_efs_places *places,
	const struct bfs_efs_place **ret_place, char **ret_store)
{
	_cleanup_free_ char *chosen = NULL;

	for (size_t i = 0; i < places->count; i++) {
		_cleanup_free_ char *store = store_in(efs, &places->places[i]);
		bool has = store && has_store(store);

		if (!store || (chosen && !has))
			continue;
		free(chosen);
		chosen = bfs_steal(&store);
		*ret_place = &places->places[i];
		if (has)
			break;
	}
	if (!chosen)
		return -ENOENT;
	*ret_store = bfs_steal(&chosen);
	return 0;
}

int bfs_efs_attach(const char *name, const char *options, char **ret_store, struct bfs_error *error)
{
	_cleanup_efs_ struct bfs_efs *efs = NULL;
	BFS_CLEANUP(bfs_efs_places_release) struct bfs_efs_places places = {0}, anew = {0};
	const struct bfs_efs_place *place;
	int r = bfs_efs_new(name, options, &efs, error);

	if (r == 0)
		r = bfs_efs_find_mounted(efs, &places, error);
	if (r < 0)
		return r;
	r = choose(efs, &places, &place, ret_store);
	if (r == 0)
		bfs_log_info(
			"%s is mounted at %s already (%s)", efs->id, place->mountpoint, place->how);
	if (r != -ENOENT)
		return r;
	r = bfs_efs_mount(efs, error);
	if (r == 0)
		r = bfs_efs_find_mounted(efs, &anew, error);
	if (r < 0)
		return r;
	r = choose(efs, &anew, &place, ret_store);
	if (r == -ENOENT)
		return bfs_error_set(error, -EIO, "mounting the EFS file system", efs->id,
			"mount(8) reports success, and it is not among the mounts");
	return r;
}
