#include "index/efs_mounted.h"

#include "lib/file.h"
#include "lib/json.h"
#include "lib/mountinfo.h"
#include "lib/system.h"

#include <fcntl.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

#define STATE_DIRECTORY "/var/run/efs"
#define STATE_LIMIT	65536 /* bytes; a few hundred are used */

void bfs_efs_places_release(struct bfs_efs_places *places)
{
	for (size_t i = 0; i < places->count; i++) {
		free(places->places[i].mountpoint);
		free(places->places[i].shown);
		free(places->places[i].how);
	}
	free(places->places);
	*places = (struct bfs_efs_places){0};
}

/* "HOST:/PATH", where HOST may be an IPv6 address, bare or in brackets: cuts it in two. */
static bool split_source(char *source, char **ret_host, char **ret_path)
{
	char *colon = strstr(source, ":/");
	size_t length;

	if (!colon)
		return false;
	*colon = '\0';
	*ret_path = colon + 1;
	length = strlen(source);
	if (*source == '[' && length > 1 && source[length - 1] == ']') {
		source[length - 1] = '\0';
		source++;
	}
	*ret_host = source;
	return true;
}

/* The id in "[AZ.]fs-ID.efs.REGION.amazonaws.com[.cn]"; its length is returned, 0 for other names.
 */
static size_t id_in_host(const char *host, const char **ret_id)
{
	const char *id = strncmp(host, "fs-", 3) == 0 ? host : strstr(host, ".fs-");
	size_t length;

	if (!id)
		return 0;
	id += *id == '.';
	length = strcspn(id, ".");
	/* Before the id there is at most the name of a zone, which has no dot. */
	if (id > host && memchr(host, '.', (size_t)(id - host)) != id - 1)
		return 0;
	if (strncmp(id + length, ".efs.", 5) != 0 || !strstr(id + length, ".amazonaws.com"))
		return 0;
	*ret_id = id;
	return length;
}

static bool is_loopback(const char *host)
{
	return strcmp(host, "127.0.0.1") == 0 || strcmp(host, "::1") == 0 ||
	       strcmp(host, "localhost") == 0;
}

/* --- tunnels --- */

/* "fs-ID.MOUNTPOINT.PORT"; names with "~" before them are of mounts in the making. */
static bool is_state_file(const char *name, const char *port)
{
	const char *end = strrchr(name, '.');

	return strncmp(name, "fs-", 3) == 0 && end && strcmp(end + 1, port) == 0;
}

/* The name of the state file of the tunnel on a port. -ENOENT where there is none. */
static int find_state(const char *directory, const char *port, char **ret_name)
{
	_cleanup_closedir_ DIR *dir = opendir(directory);
	struct dirent *entry;

	if (!dir)
		return -ENOENT;
	while ((entry = readdir(dir)))
		if (is_state_file(entry->d_name, port)) {
			*ret_name = strdup(entry->d_name);
			return *ret_name ? 0 : -ENOMEM;
		}
	return -ENOENT;
}

struct tunnel {
	char *id;
	char *access_point; /* NULL: none */
};

static void release_tunnel(struct tunnel *tunnel)
{
	free(tunnel->id);
	free(tunnel->access_point);
}

/* A state file that cannot be read still has its name; without TLS there is no access point. */
static int read_tunnel(const struct bfs_mount *mount, struct tunnel *tunnel)
{
	_cleanup_free_ char *port = NULL, *name = NULL, *path = NULL;
	_cleanup_free_ char *directory = bfs_system_path(STATE_DIRECTORY);
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	_cleanup_json_ json_t *state = NULL;
	const char *point;
	int r = directory ? bfs_mount_option(mount, "port", &port) : -ENOMEM;

	if (r == 0)
		r = find_state(directory, port, &name);
	if (r < 0)
		return r;
	tunnel->id = strndup(name, strcspn(name, "."));
	path = bfs_format("%s/%s", directory, name);
	if (!tunnel->id || !path)
		return -ENOMEM;
	if (bfs_read_file(AT_FDCWD, path, STATE_LIMIT, &text) < 0 || !text.data ||
		bfs_json_parse(text.data, text.length, path, &state, NULL) < 0 ||
		bfs_json_get_string(state, "accessPoint", &point) < 0)
		return 0;
	tunnel->access_point = strdup(point);
	return tunnel->access_point ? 0 : -ENOMEM;
}

int bfs_efs_id_of_mount(const struct bfs_mount *mount, char **ret_id)
{
	BFS_CLEANUP(release_tunnel) struct tunnel tunnel = {0};
	_cleanup_free_ char *source = strdup(mount->source);
	char *host, *path;
	const char *id;
	size_t length;
	int r;

	if (!source)
		return -ENOMEM;
	if (!bfs_mount_is_nfs(mount) || !split_source(source, &host, &path))
		return -ENOENT;
	length = id_in_host(host, &id);
	if (length > 0) {
		*ret_id = strndup(id, length);
		return *ret_id ? 0 : -ENOMEM;
	}
	if (!is_loopback(host))
		return -ENOENT;
	r = read_tunnel(mount, &tunnel);
	if (r == 0)
		*ret_id = bfs_steal(&tunnel.id);
	return r;
}

/* --- addresses --- */

/* Whether the address is one of the file system's mount targets, as far as DNS tells here. */
static bool is_target(const struct bfs_efs *efs, const char *address)
{
	struct addrinfo numeric = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
	struct addrinfo any = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *wanted = NULL, *found = NULL;
	_cleanup_free_ char *region = NULL, *host = NULL;
	bool same = false;

	if (getaddrinfo(address, NULL, &numeric, &wanted) != 0)
		return false;
	if (bfs_efs_find_region(efs, &region) == 0)
		host = bfs_efs_host(efs, region);
	if (host && getaddrinfo(host, NULL, &any, &found) == 0) {
		for (struct addrinfo *i = found; i && !same; i = i->ai_next)
			same = i->ai_addrlen == wanted->ai_addrlen &&
			       memcmp(i->ai_addr, wanted->ai_addr, i->ai_addrlen) == 0;
		freeaddrinfo(found);
	}
	freeaddrinfo(wanted);
	return same;
}

/* --- finding --- */

static bool same_point(const char *wanted, const char *found)
{
	return wanted ? found && strcmp(wanted, found) == 0 : !found;
}

/* Whether the mount is one of the file system: 1 and how, 0, or an error. */
static int examine(
	const struct bfs_efs *efs, const struct bfs_mount *mount, const char *host, char **ret_how)
{
	BFS_CLEANUP(release_tunnel) struct tunnel tunnel = {0};
	const char *id;
	size_t length = id_in_host(host, &id);
	int r;

	if (is_loopback(host)) {
		r = read_tunnel(mount, &tunnel);
		if (r < 0)
			return r == -ENOENT ? 0 : r;
		if (strcmp(tunnel.id, efs->id) != 0 ||
			!same_point(efs->access_point, tunnel.access_point))
			return 0;
		*ret_how = bfs_format("%s, by the efs helper%s%s", mount->source,
			tunnel.access_point ? ", " : "",
			tunnel.access_point ? tunnel.access_point : "");
		return *ret_how ? 1 : -ENOMEM;
	}
	if (efs->access_point)
		return 0;
	if (length > 0 ? length != strlen(efs->id) || strncmp(id, efs->id, length) != 0
		       : !is_target(efs, host))
		return 0;
	*ret_how = bfs_format("%s, NFS", mount->source);
	return *ret_how ? 1 : -ENOMEM;
}

/* "/a/b" of the path of the source and of a bound directory below it. */
static char *join_paths(const char *source_path, const char *root)
{
	_cleanup_free_ char *joined = NULL;
	size_t length;

	joined = bfs_format("%s%s", strcmp(source_path, "/") == 0 ? "" : source_path,
		strcmp(root, "/") == 0 ? "" : root);
	if (!joined)
		return NULL;
	length = strlen(joined);
	while (length > 0 && joined[length - 1] == '/')
		joined[--length] = '\0';
	return length > 0 ? bfs_steal(&joined) : strdup("/");
}

static int add_place(
	struct bfs_efs_places *places, const struct bfs_mount *mount, const char *path, char **how)
{
	struct bfs_efs_place *grown =
		reallocarray(places->places, places->count + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	places->places = grown;
	grown += places->count;
	*grown = (struct bfs_efs_place){
		strdup(mount->mountpoint), join_paths(path, mount->root), bfs_steal(how)};
	places->count++;
	return grown->mountpoint && grown->shown ? 0 : -ENOMEM;
}

static int look_at(
	const struct bfs_efs *efs, const struct bfs_mount *mount, struct bfs_efs_places *places)
{
	_cleanup_free_ char *source = strdup(mount->source), *how = NULL;
	char *host, *path;
	int r;

	if (!source)
		return -ENOMEM;
	if (!bfs_mount_is_nfs(mount) || !split_source(source, &host, &path))
		return 0;
	r = examine(efs, mount, host, &how);
	return r > 0 ? add_place(places, mount, path, &how) : r;
}

int bfs_efs_find_mounted(
	const struct bfs_efs *efs, struct bfs_efs_places *ret_places, struct bfs_error *error)
{
	BFS_CLEANUP(bfs_efs_places_release) struct bfs_efs_places places = {0};
	_cleanup_mounts_ struct bfs_mounts mounts = {0};
	int r = bfs_mounts_read(&mounts, error);

	for (size_t i = mounts.count; r == 0 && i > 0; i--) {
		const struct bfs_mount *mount = &mounts.mounts[i - 1];

		/* What another mount hides cannot be used. */
		if (bfs_mounts_find(&mounts, mount->mountpoint) == mount)
			r = look_at(efs, mount, &places);
	}
	if (r < 0)
		return r;
	*ret_places = places;
	places = (struct bfs_efs_places){0};
	return 0;
}
