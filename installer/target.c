#include "installer/target.h"

#include <fcntl.h>
#include <gnu/libc-version.h>
#include <stdio.h>
#include <string.h>

/* Where loaders look (ld.so(8), and Debian's multiarch directories). */
static const char *const library_directories[] = {
#ifdef __x86_64__
	"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu",
#endif
#ifdef __aarch64__
	"/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu",
#endif
	"/lib64", "/usr/lib64", "/lib", "/usr/lib", NULL};

bool bfs_target_glibc_is_valid(const char *glibc)
{
	size_t digits;

	if (strncmp(glibc, "2.", 2) != 0)
		return false;
	digits = strspn(glibc + 2, "0123456789");
	return digits >= 1 && digits <= 3 && glibc[2 + digits] == '\0';
}

/* "6.0.30" of "libstdc++.so.6.0.30". */
static bool version_of(const char *name, char ret_version[16])
{
	static const char start[] = "libstdc++.so.";
	const char *version = name + strlen(start);

	if (strncmp(name, start, strlen(start)) != 0 || strncmp(version, "6.0.", 4) != 0 ||
		strspn(version + 4, "0123456789") != strlen(version + 4) || !version[4] ||
		strlen(version) >= 16)
		return false;
	strcpy(ret_version, version);
	return true;
}

void bfs_target_find_libstdcxx(const char *const *directories, char ret_version[16])
{
	ret_version[0] = '\0';
	for (; *directories; directories++) {
		_cleanup_close_ int fd = open(*directories, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		char target[256];
		ssize_t length;
		const char *name;

		if (fd < 0)
			continue;
		length = readlinkat(fd, "libstdc++.so.6", target, sizeof(target) - 1);
		if (length < 0)
			continue;
		target[length] = '\0';
		name = strrchr(target, '/') ? strrchr(target, '/') + 1 : target;
		if (version_of(name, ret_version))
			return;
	}
}

/* "2.36" of "2.36" or "2.36.9000" (a development version). */
static void take_host(struct bfs_host_runtime *runtime)
{
	const char *version = gnu_get_libc_version();
	const char *dot = strchr(version, '.');
	size_t length = dot ? (size_t)(dot - version) + 1 + strspn(dot + 1, "0123456789") : 0;

	if (length > 0 && length < sizeof(runtime->glibc))
		memcpy(runtime->glibc, version, length);
	bfs_target_find_libstdcxx(library_directories, runtime->libstdcxx);
}

static int take(const char *glibc, enum bfs_target_source source, struct bfs_target *ret_target,
	struct bfs_error *error)
{
	if (!bfs_target_glibc_is_valid(glibc))
		return bfs_error_set(error, -EINVAL, "choosing the target's glibc",
			bfs_target_source_name(source), "'%.32s' is no version like 2.34", glibc);
	*ret_target = (struct bfs_target){.source = source};
	strcpy(ret_target->runtime.glibc, glibc);
	return 0;
}

int bfs_target_find(const char *order, struct bfs_tree *tree, struct bfs_target *ret_target,
	struct bfs_error *error)
{
	_cleanup_free_ char *recorded = NULL;
	const char *environment = getenv("BREWFS_TARGET_GLIBC");
	int r;

	if (order)
		return take(order, BFS_TARGET_ORDER, ret_target, error);
	if (environment && *environment)
		return take(environment, BFS_TARGET_ENVIRONMENT, ret_target, error);
	r = tree ? bfs_tree_get_value(tree, BFS_TARGET_GLIBC_KEY, &recorded) : -ENOENT;
	if (r == 0)
		return take(recorded, BFS_TARGET_INDEX, ret_target, error);
	if (r != -ENOENT)
		return bfs_error_set(error, r, "choosing the target's glibc", "the store", NULL);
	*ret_target = (struct bfs_target){.source = BFS_TARGET_HOST};
	take_host(&ret_target->runtime);
	return 0;
}

const char *bfs_target_source_name(enum bfs_target_source source)
{
	static const char *const names[] = {
		[BFS_TARGET_ORDER] = "--target-glibc",
		[BFS_TARGET_ENVIRONMENT] = "BREWFS_TARGET_GLIBC",
		[BFS_TARGET_INDEX] = "the store",
		[BFS_TARGET_HOST] = "this host",
	};

	return names[source];
}
