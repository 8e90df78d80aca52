/*
 * A suite of what Linux filesystems do, call by call: run in a directory of any filesystem, it
 * checks results, errors, attributes and times against what ext4 does. The program is given the
 * directory and areas to run; each area gets an empty directory of its own as the working
 * directory, with umask 0, and leaves it to the caller to remove.
 *
 * Runs as root: it makes devices, gives files away and takes other identities. Single-threaded but
 * for what an area starts itself.
 *
 * References: POSIX.1-2017, the Linux manual pages of section 2, Documentation/filesystems/ of the
 * kernel.
 */
#ifndef BFS_TESTS_POSIX_POSIX_H
#define BFS_TESTS_POSIX_POSIX_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

/* Where the suite runs. */
struct posix_place {
	const char *top;      /* absolute path of the directory under test */
	const char *other;    /* a writable directory on another filesystem, or NULL */
	const char *readonly; /* a directory on a filesystem of the same kind that is mounted
				 read-only, or NULL */
};

struct posix_area {
	const char *name;
	void (*run)(const struct posix_place *place);
};

/* --- checks: one line of TAP each --- */

__attribute__((format(printf, 4, 5))) bool posix_check(
	bool passed, const char *file, int line, const char *format, ...);
__attribute__((format(printf, 5, 6))) bool posix_result(
	int error, int wanted, const char *file, int line, const char *format, ...);
/* Also passes with `other`. */
__attribute__((format(printf, 6, 7))) bool posix_result_either(
	int error, int wanted, int other, const char *file, int line, const char *format, ...);
__attribute__((format(printf, 5, 6))) bool posix_number(
	long long actual, long long expected, const char *file, int line, const char *format, ...);

/* The exit status of the program. */
int posix_done(void);

#define ok(condition, ...) posix_check((condition), __FILE__, __LINE__, __VA_ARGS__)
#define is_int(actual, expected, ...)                                                              \
	posix_number((long long)(actual), (long long)(expected), __FILE__, __LINE__, __VA_ARGS__)

/* A system call that returns -1 with errno, or something else. */
#define works(call, ...)                                                                           \
	posix_result((long)(call) == -1 ? errno : 0, 0, __FILE__, __LINE__, __VA_ARGS__)
#define fails(wanted, call, ...)                                                                   \
	posix_result((long)(call) == -1 ? errno : 0, (wanted), __FILE__, __LINE__, __VA_ARGS__)
#define fails_either(wanted, other, call, ...)                                                     \
	posix_result_either((long)(call) == -1 ? errno : 0, (wanted), (other), __FILE__, __LINE__, \
		__VA_ARGS__)

/* --- identities --- */

#define USER	    1001 /* an ordinary user, and others that share nothing with it */
#define OTHER_USER  1002
#define THIRD_USER  1003
#define GROUP	    2001
#define OTHER_GROUP 2002
#define THIRD_GROUP 2003

struct posix_identity {
	bool taken;
};

/* Until posix_identity_drop(): real and effective ids, no capabilities; the saved ones stay root's.
 */
struct posix_identity posix_identity_take(uid_t uid, gid_t gid, size_t count, const gid_t *groups);
void posix_identity_drop(struct posix_identity *identity);

#define AS_GROUPS(uid, gid, count, groups)                                                         \
	for (struct posix_identity identity_ =                                                     \
			posix_identity_take((uid), (gid), (count), (groups));                      \
		identity_.taken; posix_identity_drop(&identity_))
#define AS(uid, gid) AS_GROUPS (uid, gid, 0, NULL)

/* --- things to work on --- */

enum posix_kind {
	REGULAR,
	DIRECTORY,
	SYMLINK, /* to "target", which need not exist */
	FIFO,
	SOCKET,
	CHARACTER,
	BLOCK,
};

#define KINDS		    7
#define FOR_EACH_KIND(kind) for (enum posix_kind kind = REGULAR; kind < KINDS; kind++)

const char *posix_kind_name(enum posix_kind kind);
/* The type bits of st_mode. */
mode_t posix_kind_type(enum posix_kind kind);
/* 0 or -1 with errno; mode 0644, directories 0755. */
int posix_make(enum posix_kind kind, const char *path);
int posix_make_owned(enum posix_kind kind, const char *path, mode_t mode, uid_t uid, gid_t gid);
/* Removes an empty directory or anything else. */
int posix_remove(const char *path);
/* rm -r; does not go through links. */
int posix_remove_tree(const char *path);

/* A regular file with that text; 0 or -1. */
int posix_write_file(const char *path, const char *text);
/* The text of a file of less than 4096 bytes; false if it cannot be read or differs. */
bool posix_file_is(const char *path, const char *text);
bool posix_fd_is(int fd, const char *text);

bool posix_exists(const char *path);
/* Attributes of the name itself; zeros where there is none. */
struct stat posix_lstat(const char *path);
struct stat posix_fstat(int fd);
mode_t posix_mode(const char *path); /* 07777 */
nlink_t posix_links(const char *path);
ino_t posix_ino(const char *path);
off_t posix_size(const char *path);

/* --- times --- */

#define CTIME 1
#define MTIME 2
#define ATIME 4

/* Long enough for every clock that filesystems use to move on. */
void posix_tick(void);

/* -1, 0, 1 as a is before, equal to, after b. */
int posix_time_order(const struct timespec *a, const struct timespec *b);

/*
 * Which of `ask` (CTIME | MTIME | ATIME) moved on since `before` must be exactly `moved`; one
 * check.
 */
__attribute__((format(printf, 6, 7))) void posix_moved(const struct stat *before,
	const struct stat *after, int ask, int moved, int line, const char *format, ...);

#define moved(before, path, which, ...)                                                            \
	do {                                                                                       \
		struct stat after_ = posix_lstat(path);                                            \
		posix_moved(&(before), &after_, CTIME | MTIME, (which), __LINE__, __VA_ARGS__);    \
	} while (0)

/* --- children --- */

/* Runs it in a child; its return value is the exit status. 128 + the signal if it was killed. */
int posix_child(int (*run)(void *argument), void *argument);
/* Runs a program without output; the exit status, 127 where it cannot be run. */
int posix_run(const char *path, const char *argument);

/* --- areas --- */

void posix_area_access(const struct posix_place *place);
void posix_area_chmod(const struct posix_place *place);
void posix_area_chown(const struct posix_place *place);
void posix_area_copy(const struct posix_place *place);
void posix_area_create(const struct posix_place *place);
void posix_area_deep(const struct posix_place *place);
void posix_area_errors(const struct posix_place *place);
void posix_area_exec(const struct posix_place *place);
void posix_area_io(const struct posix_place *place);
void posix_area_link(const struct posix_place *place);
void posix_area_locks(const struct posix_place *place);
void posix_area_mmap(const struct posix_place *place);
void posix_area_names(const struct posix_place *place);
void posix_area_open(const struct posix_place *place);
void posix_area_readdir(const struct posix_place *place);
void posix_area_readonly(const struct posix_place *place);
void posix_area_rename(const struct posix_place *place);
void posix_area_rename_flags(const struct posix_place *place);
void posix_area_setgid(const struct posix_place *place);
void posix_area_sockets(const struct posix_place *place);
void posix_area_sparse(const struct posix_place *place);
void posix_area_sticky(const struct posix_place *place);
void posix_area_symlink(const struct posix_place *place);
void posix_area_sync(const struct posix_place *place);
void posix_area_truncate(const struct posix_place *place);
void posix_area_union_directories(const struct posix_place *place);
void posix_area_union_files(const struct posix_place *place);
void posix_area_union_names(const struct posix_place *place);
void posix_area_unlink(const struct posix_place *place);
void posix_area_unlinked(const struct posix_place *place);
void posix_area_utimens(const struct posix_place *place);
void posix_area_xattr(const struct posix_place *place);

#endif
