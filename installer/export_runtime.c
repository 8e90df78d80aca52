#include "installer/export_runtime.h"

#include "index/rack.h"
#include "lib/db.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#define HELPER_MAX (64 * 1024 * 1024) /* bytes: with debugging information it has some */
#define LOADER	   "opt/glibc/bin/ld.so"

static struct bfs_export_plan *plan_of(const struct bfs_export_runtime *runtime)
{
	return runtime->needs->walk->plan;
}

void bfs_export_runtime_release(struct bfs_export_runtime *runtime)
{
	free(bfs_steal(&runtime->glibc));
	free(bfs_steal(&runtime->helper));
}

/* --- glibc --- */

int bfs_export_runtime_find_glibc(struct bfs_tree *tree, char **ret_directory)
{
	struct bfs_export_walk walk = {.tree = tree};
	_cleanup_rack_ struct bfs_rack rack = {0};
	struct bfs_attributes attributes;
	int r = bfs_export_walk_stat(&walk, LOADER, &attributes);

	if (r == 0)
		r = bfs_rack_find(tree, "glibc", &rack);
	if (r < 0)
		return r;
	*ret_directory = bfs_format("%s/%s/%s/lib", BFS_CELLAR_DIRECTORY, rack.name,
		rack.opt ? rack.opt : bfs_rack_current(&rack));
	return *ret_directory ? 0 : -ENOMEM;
}

/* Its libraries, character sets and locales; not what is for compiling. */
static bool is_of_runtime(const char *name)
{
	return strstr(name, ".so") || strcmp(name, "gconv") == 0 || strcmp(name, "locale") == 0;
}

int bfs_export_runtime_add_glibc(struct bfs_export_runtime *runtime)
{
	struct bfs_export_walk *walk = runtime->needs->walk;
	_cleanup_free_ char **names = NULL;
	struct bfs_attributes directory;
	int r;

	if (runtime->all)
		return 0;
	r = bfs_export_walk_name(walk, LOADER, NULL);
	if (r == 0)
		r = bfs_export_walk_stat(walk, runtime->glibc, &directory);
	if (r == 0)
		r = bfs_tree_list(walk->tree, directory.ino, &names);
	for (size_t i = 0; r == 0 && names[i]; i++) {
		_cleanup_free_ char *path = bfs_path_join(runtime->glibc, names[i]);

		if (!is_of_runtime(names[i]))
			continue;
		r = path ? bfs_export_walk_below(walk, path) : -ENOMEM;
		r = r == -ENOENT || r == -EXDEV ? 0 : r;
	}
	return r;
}

/* --- names in lib --- */

static int find_machine(struct bfs_export_runtime *runtime)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(bfs_export_plan_db(plan_of(runtime)),
		"SELECT facts FROM content WHERE facts LIKE '%\"elf\":%' ORDER BY id LIMIT 1",
		&stmt);
	_cleanup_export_facts_ struct bfs_export_facts facts = {0};

	if (r == 0)
		r = bfs_db_step(stmt);
	if (r > 0)
		r = bfs_export_facts_parse(bfs_export_plan_text(stmt, 0), &facts);
	runtime->machine = facts.machine;
	return r;
}

static int add_link(struct bfs_export_runtime *runtime, const char *path, const char *target)
{
	struct bfs_export_entry entry = {
		.path = path, .kind = BFS_EXPORT_LINK, .mode = 0777, .target = target};
	enum bfs_export_kind kind;
	int r = bfs_export_plan_has(plan_of(runtime), path, &kind);

	if (r < 0 || (r > 0 && kind == BFS_EXPORT_DIRECTORY))
		return r < 0 ? r : 0;
	r = bfs_export_plan_put(plan_of(runtime), &entry);
	return r < 0 ? r : 0;
}

/* A further name of a file of the tree, or a link to it. */
static int add_name(
	struct bfs_export_runtime *runtime, const char *path, const char *from, bool hard)
{
	_cleanup_free_ char *target = bfs_path_relative(path, from);
	struct bfs_export_entry entry = {.path = path, .kind = BFS_EXPORT_FILE};
	struct bfs_attributes file;
	struct bfs_content content;
	int r = target ? bfs_export_walk_stat(runtime->needs->walk, from, &file) : -ENOMEM;

	if (r < 0 || !S_ISREG(file.mode))
		return r == -ENOENT || r == 0 ? 0 : r;
	r = bfs_export_walk_name(runtime->needs->walk, from, NULL);
	if (r < 0 || !hard)
		return r < 0 ? r : add_link(runtime, path, target);
	r = bfs_tree_content(runtime->needs->walk->tree, file.ino, &content);
	if (r == 0)
		r = bfs_export_plan_add_content(
			plan_of(runtime), &content, BFS_EXPORT_SOURCE, &entry.content);
	entry.mode = file.mode & 0777;
	entry.mtime = file.mtime;
	entry.ino = file.ino;
	if (r == 0)
		r = bfs_export_plan_put(plan_of(runtime), &entry);
	return r < 0 ? r : 0;
}

static const char *host_loader(int64_t machine)
{
	return machine == EM_AARCH64 ? "/lib/ld-linux-aarch64.so.1" : "/lib64/ld-linux-x86-64.so.2";
}

/* In a closure only what something in it needs, as any other library. */
static int add_gcc_libraries(struct bfs_export_runtime *runtime, bool hard)
{
	int r = 0;

	for (const char *const *name = bfs_export_runtime_names; r == 0 && *name; name++) {
		_cleanup_free_ char *path = bfs_path_join("lib", *name), *from = NULL, *real = NULL;
		enum bfs_export_kind kind;

		r = path ? bfs_export_libraries_runtime(*name, &from) : -ENOMEM;
		if (r == 0)
			r = bfs_export_walk_real(runtime->needs->walk, from, &real);
		if (r == 0)
			r = bfs_export_plan_has(plan_of(runtime), real, &kind);
		if (r > 0)
			r = add_name(runtime, path, from, hard);
		r = r == -ENOENT ? 0 : r;
	}
	return r;
}

static int put_helper(struct bfs_export_runtime *runtime, struct bfs_error *error)
{
	_cleanup_buffer_ struct bfs_buffer data = BFS_BUFFER_INIT;
	struct bfs_digest digest;
	struct bfs_content content;
	int r = bfs_read_file(AT_FDCWD, runtime->helper, HELPER_MAX, &data);

	if (r < 0 || data.length < sizeof(Elf64_Ehdr))
		return bfs_error_set(
			error, r < 0 ? r : -ENOEXEC, "reading the program", runtime->helper, NULL);
	if (runtime->machine && ((const Elf64_Ehdr *)data.data)->e_machine != runtime->machine) {
		bfs_log_warning("bin/" BFS_EXPORT_HELPER
				", bin/ld and bin/objdump are left out: %s "
				"is for another architecture than what is exported; export it on a "
				"host of that one",
			runtime->helper);
		return 0;
	}
	r = bfs_digest_of(data.data, data.length, &digest);
	if (r == 0)
		r = bfs_export_cache_key(&digest, true, NULL, runtime->key);
	if (r == 0)
		r = bfs_export_cache_get(runtime->needs->cache, runtime->key, &content);
	if (r == -ENOENT)
		r = bfs_export_cache_put(
			runtime->needs->cache, runtime->key, true, data.data, data.length, error);
	return r;
}

int bfs_export_runtime_add_names(
	struct bfs_export_runtime *runtime, bool hard, struct bfs_error *error)
{
	int r = find_machine(runtime);

	if (r == 0 && runtime->brewed)
		r = add_name(runtime, "lib/ld.so", LOADER, hard);
	else if (r == 0)
		r = add_link(runtime, "lib/ld.so", host_loader(runtime->machine));
	if (r == 0)
		r = add_gcc_libraries(runtime, hard);
	if (r == 0 && runtime->helper)
		r = put_helper(runtime, error);
	return r;
}

/* --- the helper --- */

/* Beside this program, where it is built, or where it is installed. */
static int find_path(char **ret_path)
{
	char self[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	_cleanup_free_ char *parent = NULL, *beside = NULL, *installed = NULL;

	self[length > 0 ? length : 0] = '\0';
	parent = bfs_path_parent(self);
	beside = parent ? bfs_path_join(parent, BFS_EXPORT_HELPER) : NULL;
	installed = bfs_path_join(BFS_LIBEXECDIR, BFS_EXPORT_HELPER);
	if (!beside || !installed)
		return -ENOMEM;
	*ret_path = access(beside, R_OK) == 0	   ? bfs_steal(&beside)
		    : access(installed, R_OK) == 0 ? bfs_steal(&installed)
						   : NULL;
	return 0;
}

int bfs_export_runtime_find_helper(char **ret_path, struct bfs_digest *ret_digest)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;
	uint64_t size;
	int r = find_path(&path);

	*ret_path = NULL;
	if (r < 0 || !path)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	r = fd < 0 ? -errno : bfs_digest_of_fd(fd, ret_digest, &size);
	if (r == 0)
		*ret_path = bfs_steal(&path);
	return r;
}

int bfs_export_runtime_add_helper(struct bfs_export_runtime *runtime)
{
	static const char *const names[] = {("bin/" BFS_EXPORT_HELPER), "bin/ld", "bin/objdump"};
	struct bfs_export_entry entry = {.kind = BFS_EXPORT_FILE, .mode = 0755};
	struct bfs_content content;
	int r;

	if (!*runtime->key)
		return 0;
	r = bfs_export_cache_get(runtime->needs->cache, runtime->key, &content);
	if (r == 0)
		r = bfs_export_plan_add_content(
			plan_of(runtime), &content, BFS_EXPORT_CACHE, &entry.content);
	entry.ino = UINT64_MAX >> 1; /* no inode of a tree: the three are one file */
	for (size_t i = 0; r >= 0 && i < BFS_ARRAY_LENGTH(names); i++) {
		entry.path = names[i];
		r = bfs_export_plan_add(plan_of(runtime), &entry);
	}
	return r < 0 ? r : 0;
}
