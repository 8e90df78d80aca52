#include "lib/system.h"

#include "lib/file.h"

#include <stdlib.h>

char *bfs_system_path(const char *path)
{
	const char *root = getenv("BREWFS_SYSTEM_ROOT");

	return bfs_format("%s%s", root ? root : "", path);
}
