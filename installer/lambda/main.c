#include "installer/lambda/lambda.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

int bfs_lambda_home(char ret_home[PATH_MAX])
{
	/* As it was called: the export moves from tree to tree under that path. */
	const char *path = (const char *)getauxval(AT_EXECFN);
	char *slash;

	ret_home[0] = '\0';
	if (path && path[0] == '/' && strlen(path) < PATH_MAX) {
		strcpy(ret_home, path);
	} else {
		ssize_t length = readlink("/proc/self/exe", ret_home, PATH_MAX - 1);

		if (length < 0)
			return -1;
		ret_home[length] = '\0';
	}
	for (int i = 0; i < 2; i++) {
		slash = strrchr(ret_home, '/');
		if (!slash) {
			errno = ENOENT;
			return -1;
		}
		*slash = '\0';
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argc > 0 ? argv[0] : "", '/');
	const char *name = slash ? slash + 1 : argc > 0 ? argv[0] : "";

	if (strcmp(name, "ld") == 0)
		return bfs_lambda_ld(argc, argv);
	if (strcmp(name, "objdump") == 0)
		return bfs_lambda_objdump(argc, argv);
	return bfs_lambda_run(argc, argv);
}
