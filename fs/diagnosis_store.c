#include "fs/diagnosis.h"

#include "index/ref.h"
#include "index/snapshot.h"
#include "index/tree_path.h"
#include "lib/file.h"
#include "lib/text.h"

#include <fcntl.h>
#include <gnu/libc-version.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

/* Homebrew builds its bottles with it (Homebrew os.rb: LINUX_GLIBC_CI_VERSION). */
#define BOTTLES_GLIBC "2.39"

#define SPACE_WANTED (1024ULL * 1024 * 1024) /* bytes: a big formula with its dependencies */

/*
 * s. Leases are taken for those of the dead, and files of writers for garbage, by their times; NFS
 * itself is content with any.
 */
#define CLOCK_TOLERANCE 30

/* --- rights and clock --- */

static int report_unwritable(struct bfs_diagnosis *diagnosis, struct bfs_store *store, int code)
{
	_cleanup_free_ char *fix = NULL;
	struct stat st;

	if (code == -EROFS)
		return bfs_diagnosis_add(diagnosis, "store-writable", BFS_OUTCOME_PROBLEM,
			"mount its file system read-write; an IAM policy that gives only "
			"elasticfilesystem:ClientMount makes EFS read-only",
			"%s is read-only: nothing can be installed, and mounts leave no lease",
			diagnosis->store);
	if (code == -ENOSPC || code == -EDQUOT)
		return bfs_diagnosis_add(diagnosis, "store-writable", BFS_OUTCOME_PROBLEM,
			"free or add space", "%s is full", diagnosis->store);
	if (fstatat(bfs_store_fd(store), "staging", &st, 0) < 0)
		return bfs_diagnosis_add(diagnosis, "store-writable", BFS_OUTCOME_PROBLEM,
			"brewfs fsck", "%s/staging cannot be looked at: %s", diagnosis->store,
			strerror(errno));
	fix = bfs_format("become user %u, mount through an access point with PosixUser {Uid: %u, "
			 "Gid: %u}, or: chown -R %u:%u %s",
		st.st_uid, st.st_uid, st.st_gid, geteuid(), getegid(), diagnosis->store);
	if (!fix)
		return -ENOMEM;
	return bfs_diagnosis_add(diagnosis, "store-writable", BFS_OUTCOME_PROBLEM, fix,
		"%s cannot be written by user %u, it belongs to %u: %s", diagnosis->store,
		geteuid(), st.st_uid, strerror(-code));
}

static int report_clock(struct bfs_diagnosis *diagnosis, int64_t ahead)
{
	if (ahead <= CLOCK_TOLERANCE && ahead >= -CLOCK_TOLERANCE)
		return bfs_diagnosis_add(diagnosis, "clock", BFS_OUTCOME_GOOD, NULL,
			"this machine's clock and the store's agree");
	return bfs_diagnosis_add(diagnosis, "clock", BFS_OUTCOME_PROBLEM,
		"timedatectl set-ntp true; chronyc makestep",
		"this machine's clock is %lld s %s the store's", (long long)llabs(ahead),
		ahead > 0 ? "ahead of" : "behind");
}

/* Makes a file, sees what time it gets from the store's server, and removes it. */
static int look_at_rights(struct bfs_diagnosis *diagnosis, struct bfs_store *store)
{
	_cleanup_free_ char *name =
		bfs_format("staging/doctor.%d.%lld", getpid(), (long long)time(NULL));
	_cleanup_close_ int fd = -1;
	struct stat st;
	time_t now;
	int r;

	if (!name)
		return -ENOMEM;
	fd = openat(bfs_store_fd(store), name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return report_unwritable(diagnosis, store, -errno);
	now = time(NULL);
	r = write(fd, "x", 1) < 0 || fsync(fd) < 0 || fstat(fd, &st) < 0 ? -errno : 0;
	unlinkat(bfs_store_fd(store), name, 0);
	if (r < 0)
		return report_unwritable(diagnosis, store, r);
	r = bfs_diagnosis_add(diagnosis, "store-writable", BFS_OUTCOME_GOOD, NULL,
		"%s can be written", diagnosis->store);
	return r < 0 ? r : report_clock(diagnosis, (int64_t)now - st.st_mtim.tv_sec);
}

/* --- space --- */

static int look_at_space(struct bfs_diagnosis *diagnosis, const char *check, const char *path)
{
	char text[BFS_SIZE_TEXT_SIZE];
	struct statvfs st;
	uint64_t free_bytes;

	if (statvfs(path, &st) < 0)
		return 0;
	if (__builtin_mul_overflow((uint64_t)st.f_bavail, (uint64_t)st.f_frsize, &free_bytes))
		free_bytes = UINT64_MAX;
	bfs_size_text(free_bytes, text);
	if (free_bytes >= SPACE_WANTED)
		return bfs_diagnosis_add(
			diagnosis, check, BFS_OUTCOME_GOOD, NULL, "%s has %s free", path, text);
	return bfs_diagnosis_add(diagnosis, check, BFS_OUTCOME_PROBLEM,
		strcmp(check, "cache-space") == 0
			? "free some, or set BREWFS_CACHE to a directory with more"
			: "free some, or use another file system",
		"%s has only %s free", path, text);
}

/* --- glibc --- */

/* `target`: the glibc that was chosen when bottles were poured; NULL where nobody chose one. */
static int report_glibc(struct bfs_diagnosis *diagnosis, bool brewed, const char *target)
{
	const char *here = gnu_get_libc_version(), *needed = target ? target : BOTTLES_GLIBC;
	_cleanup_free_ char *fix = NULL;

	if (brewed)
		return bfs_diagnosis_add(diagnosis, "glibc", BFS_OUTCOME_GOOD, NULL,
			"the prefix has a glibc of its own, this machine's %s does not matter",
			here);
	if (strverscmp(here, needed) >= 0)
		return bfs_diagnosis_add(diagnosis, "glibc", BFS_OUTCOME_GOOD, NULL,
			"this machine's glibc %s serves bottles that were poured for %s", here,
			needed);
	fix = bfs_format("brewfs install --store %s --target-glibc %s glibc gcc, and what is to be "
			 "used anew",
		diagnosis->store, here);
	if (!fix)
		return -ENOMEM;
	if (target)
		return bfs_diagnosis_add(diagnosis, "glibc", BFS_OUTCOME_PROBLEM, fix,
			"this machine has glibc %s, and the bottles were poured for %s", here,
			target);
	return bfs_diagnosis_add(diagnosis, "glibc", BFS_OUTCOME_NOTE, fix,
		"this machine has glibc %s; bottles that need a newer one, up to %s, do not run",
		here, needed);
}

static int look_at_glibc(struct bfs_diagnosis *diagnosis, struct bfs_store *store)
{
	const char *ref = diagnosis->ref ? diagnosis->ref : bfs_ref_default();
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	_cleanup_tree_ struct bfs_tree *tree = NULL;
	_cleanup_free_ char *target = NULL;
	struct bfs_generation generation;
	struct bfs_attributes attributes;
	int r = bfs_snapshot_open(store, ref, &generation, &tree, &error);

	if (r == -ENOENT)
		return bfs_diagnosis_add(diagnosis, "generation", BFS_OUTCOME_NOTE, NULL,
			"nothing was installed for %s yet", ref);
	if (r < 0)
		return bfs_diagnosis_add(diagnosis, "generation", BFS_OUTCOME_PROBLEM,
			"brewfs fsck tells what of the store can be read", "%s",
			bfs_error_message(&error, r));
	r = bfs_diagnosis_add(diagnosis, "generation", BFS_OUTCOME_GOOD, NULL,
		"generation %llu of %s can be read", (unsigned long long)generation.number, ref);
	if (r == 0)
		r = bfs_tree_get_value(tree, "target_glibc", &target);
	if (r < 0 && r != -ENOENT)
		return r;
	return report_glibc(diagnosis,
		bfs_tree_stat_path(tree, "opt/glibc/bin/ld.so", &attributes) == 0,
		target);
}

int bfs_diagnosis_look_at_store(struct bfs_diagnosis *diagnosis)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	_cleanup_store_ struct bfs_store *store = NULL;
	_cleanup_free_ char *cache = NULL, *fix = NULL;
	int r = bfs_store_open(diagnosis->store, &store, &error);

	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		fix = bfs_format("brewfs install --store %s FORMULA...", diagnosis->store);
		return bfs_diagnosis_add(diagnosis, "store",
			r == -ENOENT ? BFS_OUTCOME_NOTE : BFS_OUTCOME_PROBLEM,
			r == -ENOENT ? fix : NULL, "%s", bfs_error_message(&error, r));
	}
	r = bfs_diagnosis_add(
		diagnosis, "store", BFS_OUTCOME_GOOD, NULL, "%s is a store", diagnosis->store);
	if (r == 0)
		r = look_at_rights(diagnosis, store);
	if (r == 0)
		r = look_at_space(diagnosis, "store-space", diagnosis->store);
	if (r == 0 && bfs_cache_directory(&cache, NULL) == 0)
		r = look_at_space(diagnosis, "cache-space", cache);
	return r == 0 ? look_at_glibc(diagnosis, store) : r;
}
