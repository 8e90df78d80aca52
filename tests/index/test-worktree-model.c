/*
 * Random changes, made in a session and in a directory of the machine alike: each call succeeds or
 *fails in both with the same errno, what it touches has the same attributes, link counts, bytes and
 *targets, and the same times change. The session is closed and opened again now and then.
 *
 *	test-worktree-model [SEED [STEPS]]
 */
#include "tests/index/session_fixture.h"

#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>

#define STEPS	  12000
#define REOPEN	  1500 /* steps between */
#define NAMES	  6    /* that a directory may have, so that they meet */
#define DEPTH	  3
#define HANDLES	  8	     /* files that are held open although they may lose their names */
#define OLD	  1000000000 /* seconds: a time that nothing gets by itself */
#define SIZE_MAX_ 20000

static struct bfs_store *store;
static struct bfs_session *session;
static struct bfs_worktree *tree;
static int plain = -1; /* the directory */
static uint64_t state;
static unsigned wrong;
static struct bfs_maker self;

struct handle {
	int fd;
	uint64_t ino;
};
static struct handle handles[HANDLES];

static unsigned pick(unsigned limit)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)(state >> 33) % limit;
}

/* A path of one to DEPTH names, whether it is there or not. */
static void make_path(char path[64])
{
	unsigned depth = 1 + pick(DEPTH);

	path[0] = '\0';
	for (unsigned i = 0; i < depth; i++)
		sprintf(path + strlen(path), "%s%c", i ? "/" : "", 'a' + (int)pick(NAMES));
}

static void complain(unsigned step, const char *what, const char *path, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
static void complain(unsigned step, const char *what, const char *path, const char *format, ...)
{
	va_list args;

	if (wrong++ >= 20)
		return;
	printf("# step %u, %s %s: ", step, what, path);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

/* --- paths in the session, as the kernel walks them --- */

static int walk(const char *path, struct stat *ret_stat)
{
	return find(tree, path, ret_stat);
}

/* The directory above, which the kernel has looked up; a negative errno where it is not there. */
static int walk_parent(const char *path, uint64_t *ret_parent, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	char parent[64] = "";
	struct stat st;
	int r;

	if (slash)
		snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
	*ret_name = slash ? slash + 1 : path;
	r = walk(parent, &st);
	if (r == 0 && !S_ISDIR(st.st_mode))
		r = -ENOTDIR;
	*ret_parent = st.st_ino;
	return r;
}

/* --- one call, in both --- */

struct call {
	const char *what;
	char path[64], other[64];
	unsigned flags, mode;
	off_t size, offset;
};

static int in_session(const struct call *call);
static int in_plain(const struct call *call);

static bool is(const struct call *call, const char *what)
{
	return strcmp(call->what, what) == 0;
}

static void fill_text(char *text, size_t size, unsigned seed)
{
	for (size_t i = 0; i < size; i++)
		text[i] = (char)('A' + (seed + i) % 26);
}

static bool is_held(uint64_t ino)
{
	for (unsigned i = 0; i < HANDLES; i++)
		if (handles[i].fd >= 0 && handles[i].ino == ino)
			return true;
	return false;
}

static void forget(uint64_t ino)
{
	if (ino && !is_held(ino))
		bfs_worktree_release(tree, ino);
}

static int make_in_session(const struct call *call, uint64_t parent, const char *name)
{
	struct stat st;
	size_t length = strlen(name);

	if (is(call, "mkdir"))
		return bfs_worktree_make_directory(
			tree, &self, parent, name, length, call->mode, &st);
	if (is(call, "symlink"))
		return bfs_worktree_make_symlink(
			tree, &self, parent, name, length, call->other, &st);
	return bfs_worktree_make_node(tree, &self, parent, name, length, call->mode,
		S_ISCHR(call->mode) ? makedev(1, 3) : 0, &st);
}

static int remove_in_session(const struct call *call, uint64_t parent, const char *name)
{
	uint64_t ino = 0;
	int r = is(call, "unlink")
			? bfs_worktree_unlink(tree, parent, name, strlen(name), &ino)
			: bfs_worktree_remove_directory(tree, parent, name, strlen(name), &ino);

	forget(ino);
	return r;
}

static int rename_in_session(const struct call *call, uint64_t parent, const char *name)
{
	const char *new_name;
	uint64_t new_parent, replaced = 0;
	int r = walk_parent(call->other, &new_parent, &new_name);

	if (r < 0)
		return r;
	r = bfs_worktree_rename(tree, parent, name, strlen(name), new_parent, new_name,
		strlen(new_name), call->flags, &replaced);
	forget(replaced);
	return r;
}

static int link_in_session(const struct call *call)
{
	const char *name;
	uint64_t parent;
	struct stat st;
	int r = walk(call->path, &st);
	uint64_t ino = st.st_ino;

	if (r == 0)
		r = walk_parent(call->other, &parent, &name);
	return r < 0 ? r : bfs_worktree_link(tree, ino, parent, name, strlen(name), &st);
}

static int write_in_session(const struct call *call, uint64_t ino)
{
	char text[SIZE_MAX_];

	fill_text(text, (size_t)call->size, call->mode);
	return write_at(tree, ino, text, (size_t)call->size, call->offset);
}

static int change_in_session(const struct call *call, uint64_t ino)
{
	struct stat wanted = {.st_mode = call->mode,
		.st_uid = call->mode,
		.st_gid = call->mode + 1,
		.st_size = call->size,
		.st_mtim = {.tv_sec = call->size, .tv_nsec = call->mode}};
	unsigned set = is(call, "chmod")      ? BFS_SET_MODE
		       : is(call, "chown")    ? BFS_SET_UID | BFS_SET_GID
		       : is(call, "truncate") ? BFS_SET_SIZE
					      : BFS_SET_MTIME;
	struct stat st;

	return bfs_worktree_set_attributes(tree, ino, set, &wanted, &st);
}

static int in_session(const struct call *call)
{
	const char *name;
	uint64_t parent;
	struct stat st;
	int r;

	if (is(call, "link"))
		return link_in_session(call);
	r = walk_parent(call->path, &parent, &name);
	if (r < 0)
		return r;
	if (is(call, "mkdir") || is(call, "symlink") || is(call, "mknod"))
		return make_in_session(call, parent, name);
	if (is(call, "unlink") || is(call, "rmdir"))
		return remove_in_session(call, parent, name);
	if (is(call, "rename"))
		return rename_in_session(call, parent, name);
	r = walk(call->path, &st);
	if (r < 0)
		return r;
	return is(call, "write") ? write_in_session(call, st.st_ino)
				 : change_in_session(call, st.st_ino);
}

static int write_in_plain(const struct call *call)
{
	_cleanup_close_ int fd = openat(plain, call->path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK);
	char text[SIZE_MAX_];

	if (fd < 0)
		return -errno;
	fill_text(text, (size_t)call->size, call->mode);
	return bfs_pwrite_all(fd, text, (size_t)call->size, (uint64_t)call->offset);
}

static int truncate_in_plain(const struct call *call)
{
	_cleanup_close_ int fd = openat(plain, call->path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	return ftruncate(fd, call->size) < 0 ? -errno : 0;
}

static int in_plain(const struct call *call)
{
	struct timespec times[2] = {
		{.tv_nsec = UTIME_OMIT}, {.tv_sec = call->size, .tv_nsec = call->mode}};
	int r;

	if (is(call, "mkdir"))
		r = mkdirat(plain, call->path, call->mode);
	else if (is(call, "symlink"))
		r = symlinkat(call->other, plain, call->path);
	else if (is(call, "mknod"))
		r = mknodat(plain, call->path, call->mode, S_ISCHR(call->mode) ? makedev(1, 3) : 0);
	else if (is(call, "unlink") || is(call, "rmdir"))
		r = unlinkat(plain, call->path, is(call, "rmdir") ? AT_REMOVEDIR : 0);
	else if (is(call, "rename"))
		r = renameat2(plain, call->path, plain, call->other, call->flags);
	else if (is(call, "link"))
		r = linkat(plain, call->path, plain, call->other, 0);
	else if (is(call, "write"))
		return write_in_plain(call);
	else if (is(call, "truncate"))
		return truncate_in_plain(call);
	else if (is(call, "chmod"))
		r = fchmodat(plain, call->path, call->mode, 0);
	else if (is(call, "chown"))
		r = fchownat(plain, call->path, call->mode, call->mode + 1, AT_SYMLINK_NOFOLLOW);
	else
		r = utimensat(plain, call->path, times, AT_SYMLINK_NOFOLLOW);
	return r < 0 ? -errno : 0;
}

/* --- what is to be the same afterwards --- */

static bool same_bytes(const char *path, uint64_t ino)
{
	_cleanup_close_ int fd = openat(plain, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	_cleanup_free_ char *here = malloc(2 * SIZE_MAX_), *there = malloc(2 * SIZE_MAX_);
	ssize_t n = fd < 0 ? -errno : pread(fd, there, 2 * SIZE_MAX_, 0);

	return read_all(store, tree, ino, here, 2 * SIZE_MAX_) == n &&
	       (n <= 0 || memcmp(here, there, (size_t)n) == 0);
}

static bool same_target(const char *path, uint64_t ino)
{
	char there[128];
	_cleanup_free_ char *here = NULL;
	ssize_t n = readlinkat(plain, path, there, sizeof(there));

	return bfs_worktree_read_link(tree, ino, &here) == 0 && n == (ssize_t)strlen(here) &&
	       memcmp(here, there, (size_t)n) == 0;
}

static bool has_link_above(const char *path)
{
	char parent[64];

	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		struct stat st;

		snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
		if (fstatat(plain, parent, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
			return true;
	}
	return false;
}

static void compare(unsigned step, const char *what, const char *path)
{
	struct stat here, there;
	int r = walk(path, &here);
	int s = fstatat(plain, path, &there, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;

	if (has_link_above(path)) /* made by this very call */
		return;
	if (r != s) {
		complain(step, what, path, "stat: %s, should be %s", strerror(-r), strerror(-s));
		return;
	}
	if (r < 0)
		return;
	if (here.st_mode != there.st_mode || here.st_nlink != there.st_nlink ||
		here.st_uid != there.st_uid || here.st_gid != there.st_gid ||
		(!S_ISDIR(here.st_mode) && here.st_size != there.st_size) ||
		here.st_rdev != there.st_rdev)
		complain(step, what, path,
			"mode %o, links %d, owner %d %d, size %lld; should be %o, %d, %d %d, %lld",
			here.st_mode, (int)here.st_nlink, (int)here.st_uid, (int)here.st_gid,
			(long long)here.st_size, there.st_mode, (int)there.st_nlink,
			(int)there.st_uid, (int)there.st_gid, (long long)there.st_size);
	if ((here.st_mtim.tv_sec == OLD) != (there.st_mtim.tv_sec == OLD))
		complain(step, what, path, "mtime %s",
			there.st_mtim.tv_sec == OLD ? "changed" : "did not change");
	if (S_ISREG(here.st_mode) && !same_bytes(path, here.st_ino))
		complain(step, what, path, "the bytes differ");
	if (S_ISLNK(here.st_mode) && !same_target(path, here.st_ino))
		complain(step, what, path, "the target differs");
}

static void compare_parent(unsigned step, const char *what, const char *path)
{
	const char *slash = strrchr(path, '/');
	char parent[64];

	if (!slash)
		return;
	snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
	compare(step, what, parent);
}

/* --- everything --- */

struct names {
	uint64_t hash;
	unsigned count;
};

static uint64_t hash_name(const char *name, size_t length)
{
	uint64_t hash = 5381;

	for (size_t i = 0; i < length; i++)
		hash = hash * 33 + (unsigned char)name[i];
	return hash;
}

static int add_name(
	void *context, const char *name, size_t length, uint64_t cookie, const struct stat *stat)
{
	struct names *names = context;

	(void)cookie, (void)stat;
	names->hash += hash_name(name, length);
	names->count++;
	return 0;
}

static void compare_all(unsigned step, const char *path)
{
	_cleanup_closedir_ DIR *dir = NULL;
	int fd = openat(plain, *path ? path : ".", O_RDONLY | O_DIRECTORY);
	struct names here = {0}, there = {0};
	struct dirent *entry;

	dir = fd < 0 ? NULL : fdopendir(fd);
	while (dir && (entry = readdir(dir))) {
		char child[400];
		struct stat st;

		if (entry->d_name[0] == '.')
			continue;
		add_name(&there, entry->d_name, strlen(entry->d_name), 0, NULL);
		snprintf(child, sizeof(child), "%s%s%s", path, *path ? "/" : "", entry->d_name);
		compare(step, "everything", child);
		if (fstatat(plain, child, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
			compare_all(step, child);
	}
	bfs_worktree_read_directory(tree, ino_of(tree, path), 0, add_name, &here);
	if (here.hash != there.hash || here.count != there.count)
		complain(step, "everything", path, "%u names, should be %u", here.count,
			there.count);
}

/* --- open files --- */

static void open_handle(const char *path)
{
	struct handle *handle = &handles[pick(HANDLES)];
	struct stat st;
	int fd = openat(plain, path, O_RDWR | O_NOFOLLOW | O_NONBLOCK);

	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || walk(path, &st) < 0)) {
		close(fd);
		fd = -1;
	}
	if (fd < 0)
		return;
	if (handle->fd >= 0) {
		uint64_t ino = handle->ino;

		close(handle->fd);
		handle->fd = -1;
		forget(ino);
	}
	*handle = (struct handle){fd, st.st_ino};
}

/* Writes by the handle, and compares what it has, whether it has a name or not. */
static void use_handle(unsigned step)
{
	struct handle *handle = &handles[pick(HANDLES)];
	char text[100], here[2 * SIZE_MAX_], there[2 * SIZE_MAX_];
	off_t offset = pick(SIZE_MAX_ - 100);
	struct stat a, b;
	ssize_t n;

	if (handle->fd < 0)
		return;
	fill_text(text, sizeof(text), step);
	bfs_pwrite_all(handle->fd, text, sizeof(text), (uint64_t)offset);
	if (write_at(tree, handle->ino, text, sizeof(text), offset) < 0)
		complain(step, "an open file", "", "cannot be written");
	n = pread(handle->fd, there, sizeof(there), 0);
	if (read_all(store, tree, handle->ino, here, sizeof(here)) != n ||
		memcmp(here, there, (size_t)n) != 0)
		complain(step, "an open file", "", "has other bytes");
	if (fstat(handle->fd, &a) < 0 || bfs_worktree_stat(tree, handle->ino, &b) < 0 ||
		a.st_nlink != b.st_nlink || a.st_size != b.st_size)
		complain(step, "an open file", "", "has other attributes");
}

static void close_handles(void)
{
	for (unsigned i = 0; i < HANDLES; i++) {
		if (handles[i].fd >= 0)
			close(handles[i].fd);
		handles[i].fd = -1;
	}
}

/* --- the run --- */

/* The mtime of what a call will touch is set back, in both, so that it shows what it changes. */
static void age(const char *path)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = OLD}};
	struct stat st, old = {.st_mtim = {.tv_sec = OLD}};

	if (utimensat(plain, path, times, AT_SYMLINK_NOFOLLOW) < 0 || walk(path, &st) < 0)
		return;
	bfs_worktree_set_attributes(tree, st.st_ino, BFS_SET_MTIME, &old, &st);
}

static void age_with_parent(const char *path)
{
	const char *slash = strrchr(path, '/');
	char parent[64];

	age(path);
	if (slash) {
		snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
		age(parent);
	}
}

static void choose(struct call *call)
{
	static const char *const calls[] = {"mkdir", "mkdir", "mknod", "mknod", "mknod", "symlink",
		"unlink", "unlink", "rmdir", "rename", "rename", "rename", "link", "link", "write",
		"write", "write", "truncate", "chmod", "chown", "utimens"};
	static const mode_t types[] = {S_IFREG, S_IFREG, S_IFREG, S_IFREG, S_IFIFO, S_IFSOCK};

	*call = (struct call){.what = calls[pick(BFS_ARRAY_LENGTH(calls))]};
	make_path(call->path);
	make_path(call->other);
	call->mode = pick(010000);
	if (is(call, "mknod"))
		call->mode = types[pick(BFS_ARRAY_LENGTH(types))] | pick(01000);
	if (is(call, "mkdir"))
		call->mode &= 0777;
	if (is(call, "rename"))
		call->flags = pick(4) == 0 ? RENAME_NOREPLACE : pick(3) == 0 ? RENAME_EXCHANGE : 0;
	call->size = pick(3) == 0 ? 0 : (off_t)pick(SIZE_MAX_);
	call->offset = pick(2) ? 0 : (off_t)pick(SIZE_MAX_);
}

/*
 * What the kernel decides before it asks a filesystem: links on the way are followed, writing needs
 * a regular file, a mode is not of a link, directories have no holes to be cut; and which of two
 * errors is told where both are true.
 */
static bool is_asked(const struct call *call)
{
	struct stat st;
	int r = fstatat(plain, call->path, &st, AT_SYMLINK_NOFOLLOW);

	if (has_link_above(call->path) || has_link_above(call->other))
		return false;
	if (is(call, "write") || is(call, "truncate"))
		return r < 0 || S_ISREG(st.st_mode);
	if (is(call, "chmod"))
		return r < 0 || !S_ISLNK(st.st_mode);
	return true;
}

static bool is_rename_error(int r)
{
	return r == -ENOTDIR || r == -EISDIR || r == -ENOTEMPTY || r == -EINVAL || r == -EEXIST;
}

static void make_step(unsigned step)
{
	struct call call;
	int here, there;

	choose(&call);
	if (!is_asked(&call))
		return;
	age_with_parent(call.path);
	age_with_parent(call.other);
	there = in_plain(&call);
	here = in_session(&call);
	if (here != there &&
		!(is(&call, "rename") && is_rename_error(here) && is_rename_error(there)))
		complain(step, call.what, call.path, "%s: %s, should be %s", call.other,
			here ? strerror(-here) : "success", there ? strerror(-there) : "success");
	compare(step, call.what, call.path);
	compare(step, call.what, call.other);
	compare_parent(step, call.what, call.path);
	compare_parent(step, call.what, call.other);
	if (pick(4) == 0)
		open_handle(call.path);
	use_handle(step);
}

static void reopen(void)
{
	close_handles();
	bfs_session_close(session);
	session = fixture_open(store, "model");
	tree = bfs_session_worktree(session);
	bfs_worktree_set_owner(tree, geteuid(), getegid());
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)time(NULL);
	unsigned steps = argc > 2 ? (unsigned)atoi(argv[2]) : STEPS;

	printf("# seed %llu\n", (unsigned long long)seed);
	state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	umask(0);
	self = (struct bfs_maker){geteuid(), getegid()};
	fixture_begin();
	store = fixture_store();
	for (unsigned i = 0; i < HANDLES; i++)
		handles[i].fd = -1;
	mkdir(fixture_path("plain"), 0755);
	plain = open(fixture_path("plain"), O_RDONLY | O_DIRECTORY);
	bfs_session_create(store, "none", "model", NULL);
	reopen();
	for (unsigned step = 1; step <= steps; step++) {
		make_step(step);
		if (step % REOPEN == 0) {
			compare_all(step, "");
			reopen();
			compare_all(step, "");
			ok(is_sound(tree), "after %u steps the session is sound", step);
		}
	}
	is_int(wrong, 0, "%u steps do in a session what they do in a directory", steps);
	close_handles();
	bfs_session_close(session);
	bfs_store_close(store);
	close(plain);
	fixture_end();
	return done();
}
