#include "index/efs.h"

#include "index/metadata.h"
#include "lib/buffer.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/system.h"

#include <fcntl.h>
#include <string.h>

#define CONFIGURATION	    "/etc/amazon/efs/efs-utils.conf"
#define CONFIGURATION_LIMIT (1024 * 1024) /* bytes; some 15 kB are used */

static bool is_region(const char *text, size_t length)
{
	return length > 0 && length < 64 &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") >= length;
}

char *bfs_efs_host(const struct bfs_efs *efs, const char *region)
{
	return bfs_format("%s.efs.%s.amazonaws.com%s", efs->id, region,
		strncmp(region, "cn-", 3) == 0 ? ".cn" : "");
}

/* --- efs-utils.conf --- */

/* "region = eu-west-1", in whatever section; the file as installed has it commented out. */
static int read_configuration(char **ret_region)
{
	_cleanup_free_ char *path = bfs_system_path(CONFIGURATION);
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	char *rest, *line;
	int r = path ? bfs_read_file(AT_FDCWD, path, CONFIGURATION_LIMIT, &text) : -ENOMEM;

	if (r < 0)
		return r == -ENOMEM ? r : -ENOENT;
	rest = text.data;
	while (rest && (line = strsep(&rest, "\n"))) {
		char *value = line + strspn(line, " \t");
		size_t length;

		if (strncmp(value, "region", 6) != 0)
			continue;
		value += 6 + strspn(value + 6, " \t");
		if (*value++ != '=')
			continue;
		value += strspn(value, " \t");
		length = strcspn(value, " \t\r");
		if (!is_region(value, length))
			continue;
		*ret_region = strndup(value, length);
		return *ret_region ? 0 : -ENOMEM;
	}
	return -ENOENT;
}

int bfs_efs_find_region(const struct bfs_efs *efs, char **ret_region)
{
	static const char *const variables[] = {"AWS_REGION", "AWS_DEFAULT_REGION"};
	int r;

	for (size_t i = 0; !efs->region && i < BFS_ARRAY_LENGTH(variables); i++) {
		const char *value = getenv(variables[i]);

		if (value && is_region(value, strlen(value))) {
			*ret_region = strdup(value);
			return *ret_region ? 0 : -ENOMEM;
		}
	}
	if (efs->region) {
		*ret_region = strdup(efs->region);
		return *ret_region ? 0 : -ENOMEM;
	}
	r = read_configuration(ret_region);
	if (r != -ENOENT)
		return r;
	r = bfs_metadata_get("placement/region", ret_region);
	if (r == 0 && !is_region(*ret_region, strlen(*ret_region))) {
		free(bfs_steal(ret_region));
		r = -ENOENT;
	}
	if (r < 0 && r != -ENOMEM) {
		bfs_log_debug(
			"the instance metadata service does not tell the region: %s", strerror(-r));
		return -ENOENT;
	}
	return r;
}
