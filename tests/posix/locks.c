/* flock(2), fcntl(2) locks of processes and of open file descriptions, between processes of one
 * host. */
#include "tests/posix/posix.h"

#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

enum way {
	FLOCK,
	PROCESS,
	DESCRIPTION,
};

#define WAYS 3

static const char *way_name(enum way way)
{
	return (const char *[]){"flock", "fcntl", "OFD"}[way];
}

static int lock_range(enum way way, int fd, short type, bool wait, off_t start, off_t length)
{
	struct flock lock = {
		.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};

	if (way == FLOCK)
		return flock(fd, (type == F_RDLCK	   ? LOCK_SH
					 : type == F_WRLCK ? LOCK_EX
							   : LOCK_UN) |
					 (wait ? 0 : LOCK_NB));
	if (way == PROCESS)
		return fcntl(fd, wait ? F_SETLKW : F_SETLK, &lock);
	return fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &lock);
}

static int lock(enum way way, int fd, short type, bool wait)
{
	return lock_range(way, fd, type, wait, 0, 0);
}

struct trial {
	enum way way;
	const char *path;
	short type;
	off_t start, length;
};

/* In another process: 0 locked, 1 would have to wait, 2 an error. */
static int try_lock(void *argument)
{
	struct trial *trial = argument;
	int fd = open(trial->path, O_RDWR);

	if (lock_range(trial->way, fd, trial->type, false, trial->start, trial->length) == 0)
		return 0;
	return errno == EAGAIN || errno == EACCES ? 1 : 2;
}

static int other(enum way way, short type)
{
	return posix_child(try_lock, &(struct trial){way, "n", type, 0, 0});
}

static int other_range(enum way way, short type, off_t start, off_t length)
{
	return posix_child(try_lock, &(struct trial){way, "n", type, start, length});
}

static void case_exclusion(enum way way)
{
	const char *how = way_name(way);
	int fd = open("n", O_RDWR);

	works(lock(way, fd, F_WRLCK, false), "%s: a lock to write", how);
	is_int(other(way, F_WRLCK), 1, "%s: excludes writers", how);
	is_int(other(way, F_RDLCK), 1, "%s: and readers", how);
	works(lock(way, fd, F_RDLCK, false), "%s: it becomes one to read", how);
	is_int(other(way, F_RDLCK), 0, "%s: that others share", how);
	is_int(other(way, F_WRLCK), 1, "%s: but for writers", how);
	works(lock(way, fd, F_UNLCK, false), "%s: it is given up", how);
	is_int(other(way, F_WRLCK), 0, "%s: and free", how);
	works(lock(way, fd, F_WRLCK, false), "%s: locked again", how);
	close(fd);
	is_int(other(way, F_WRLCK), 0, "%s: a close frees it", how);
}

static void case_ranges(enum way way)
{
	const char *how = way_name(way);
	int fd = open("n", O_RDWR);

	works(lock_range(way, fd, F_WRLCK, false, 100, 100), "%s: bytes 100 to 199", how);
	is_int(other_range(way, F_WRLCK, 0, 100), 0, "%s: what is before is free", how);
	is_int(other_range(way, F_WRLCK, 200, 0), 0, "%s: and what is behind", how);
	is_int(other_range(way, F_RDLCK, 199, 10), 1, "%s: the last byte is not", how);
	works(lock_range(way, fd, F_UNLCK, false, 140, 20), "%s: a hole in it", how);
	is_int(other_range(way, F_WRLCK, 140, 20), 0, "%s: is free", how);
	is_int(other_range(way, F_WRLCK, 139, 1), 1, "%s: what is left before is not", how);
	is_int(other_range(way, F_WRLCK, 160, 1), 1, "%s: nor what is left behind", how);
	works(lock_range(way, fd, F_RDLCK, false, 110, 10), "%s: a part to read", how);
	is_int(other_range(way, F_RDLCK, 110, 10), 0, "%s: is shared", how);
	is_int(other_range(way, F_RDLCK, 120, 1), 1, "%s: the rest is not", how);
	close(fd);
	is_int(other_range(way, F_WRLCK, 0, 0), 0, "%s: a close frees all", how);
}

static void case_descriptors(void)
{
	struct flock ask = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int a = open("n", O_RDWR), b = open("n", O_RDWR), c;

	works(lock(FLOCK, a, F_WRLCK, false), "flock by one descriptor");
	fails(EWOULDBLOCK, lock(FLOCK, b, F_WRLCK, false), "excludes another of the same process");
	c = dup(a);
	close(a);
	fails(EWOULDBLOCK, lock(FLOCK, b, F_WRLCK, false), "also when a duplicate is left");
	close(c);
	works(lock(FLOCK, b, F_WRLCK, false), "but not after the last close");
	close(b);
	a = open("n", O_RDWR);
	b = open("n", O_RDWR);
	works(lock(DESCRIPTION, a, F_WRLCK, false), "an OFD lock by one descriptor");
	fails(EAGAIN, lock(DESCRIPTION, b, F_WRLCK, false), "excludes another of the same process");
	close(a);
	works(lock(DESCRIPTION, b, F_WRLCK, false), "until it is closed");
	close(b);
	a = open("n", O_RDWR);
	b = open("n", O_RDWR);
	works(lock(PROCESS, a, F_WRLCK, false), "an fcntl lock by one descriptor");
	works(lock(PROCESS, b, F_WRLCK, false), "does not exclude another of the same process");
	works(fcntl(a, F_GETLK, &ask), "F_GETLK");
	is_int(ask.l_type, F_UNLCK, "sees no lock of others");
	close(b);
	is_int(other(PROCESS, F_WRLCK), 0, "any close of the file gives it up");
	close(a);
	a = open("n", O_RDONLY);
	fails(EBADF, lock(PROCESS, a, F_WRLCK, false), "a lock to write of a descriptor to read");
	works(lock(PROCESS, a, F_RDLCK, false), "one to read");
	close(a);
}

struct holder {
	enum way way;
	int tell, wait;
};

/* Locks, says so, and holds it until it is told to go. */
static int hold(void *argument)
{
	struct holder *holder = argument;
	int fd = open("n", O_RDWR);
	char byte = 'l';

	if (lock(holder->way, fd, F_WRLCK, true) < 0 || write(holder->tell, &byte, 1) != 1)
		return 1;
	return read(holder->wait, &byte, 1) == 1 ? 0 : 1;
}

static pid_t start_holder(enum way way, int *ret_told, int *ret_go)
{
	int tell[2], go[2];
	pid_t pid;

	if (pipe(tell) < 0 || pipe(go) < 0)
		return -1;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		close(tell[0]);
		close(go[1]);
		_exit(hold(&(struct holder){way, tell[1], go[0]}));
	}
	close(tell[1]);
	close(go[0]);
	*ret_told = tell[0];
	*ret_go = go[1];
	return pid;
}

/* Which process has it; a lock of a killed one is free; who waits gets it. */
static void case_processes(enum way way)
{
	struct flock ask = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	const char *how = way_name(way);
	int told, go, second_told, second_go, status, fd = open("n", O_RDWR);
	pid_t first = start_holder(way, &told, &go), second;
	char byte;

	is_int(read(told, &byte, 1), 1, "%s: another process locks", how);
	if (way == PROCESS) {
		works(fcntl(fd, F_GETLK, &ask), "F_GETLK");
		is_int(ask.l_type, F_WRLCK, "shows the lock");
		is_int(ask.l_pid, first, "and whose it is");
	}
	second = start_holder(way, &second_told, &second_go);
	fcntl(second_told, F_SETFL, O_NONBLOCK);
	usleep(50000);
	ok(read(second_told, &byte, 1) < 0 && errno == EAGAIN, "%s: a third one waits", how);
	fcntl(second_told, F_SETFL, 0);
	kill(first, SIGKILL);
	waitpid(first, &status, 0);
	is_int(read(second_told, &byte, 1), 1, "%s: until the holder is killed", how);
	fails(EAGAIN, lock(way, fd, F_WRLCK, false), "%s: and has it then", how);
	is_int(write(second_go, "g", 1), 1, "%s: it is told to go", how);
	waitpid(second, &status, 0);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: and goes", how);
	works(lock(way, fd, F_WRLCK, true), "%s: which leaves the lock free", how);
	close(fd);
	close(told);
	close(go);
	close(second_told);
	close(second_go);
}

static void interrupt(int signal)
{
	(void)signal;
}

static int wait_interrupted(void *argument)
{
	const struct sigaction action = {.sa_handler = interrupt};
	int fd = open("n", O_RDWR);

	sigaction(SIGALRM, &action, NULL);
	ualarm(50000, 0);
	return lock(*(enum way *)argument, fd, F_WRLCK, true) < 0 && errno == EINTR ? 0 : 1;
}

static void case_interrupted(enum way way)
{
	int fd = open("n", O_RDWR);

	lock(way, fd, F_WRLCK, false);
	is_int(posix_child(wait_interrupted, &way), 0, "%s: a signal ends the wait", way_name(way));
	close(fd);
	fd = open("n", O_RDWR);
	works(lock(way, fd, F_WRLCK, false), "%s: and nothing is left of it", way_name(way));
	close(fd);
}

static int fork_lock(void *argument)
{
	return lock(PROCESS, *(int *)argument, F_WRLCK, false) < 0 && errno == EAGAIN ? 0 : 1;
}

static void case_inheritance(void)
{
	int fd = open("n", O_RDWR);

	lock(PROCESS, fd, F_WRLCK, false);
	is_int(posix_child(fork_lock, &fd), 0, "a child does not inherit fcntl locks");
	is_int(other(PROCESS, F_WRLCK), 1, "and its end does not free the parent's");
	close(fd);
	fd = open("n", O_RDWR);
	lock(FLOCK, fd, F_WRLCK, false);
	rename("n", "m");
	symlink("m", "n");
	is_int(other(FLOCK, F_WRLCK), 1, "a lock is the file's, whatever its name");
	unlink("n");
	rename("m", "n");
	close(fd);
	mkdir("d", 0755);
	fd = open("d", O_RDONLY);
	works(flock(fd, LOCK_EX | LOCK_NB), "flock of a directory");
	close(fd);
	rmdir("d");
}

static int deadlock(void *argument)
{
	int *pipes = argument, fd = open("n", O_RDWR);
	char byte;

	lock_range(PROCESS, fd, F_WRLCK, true, 1, 1);
	if (write(pipes[1], "l", 1) != 1)
		return 1;
	/* Waits for byte 0, which the parent has; the parent then asks for byte 1. */
	(void)byte;
	return lock_range(PROCESS, fd, F_WRLCK, true, 0, 1) == 0 ? 0 : 1;
}

static void case_deadlock(void)
{
	int fd = open("n", O_RDWR), pipes[2], status;
	char byte;
	pid_t pid;

	if (pipe(pipes) < 0)
		return;
	lock_range(PROCESS, fd, F_WRLCK, false, 0, 1);
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(deadlock(pipes));
	read(pipes[0], &byte, 1);
	usleep(100000);
	fails(EDEADLK, lock_range(PROCESS, fd, F_WRLCK, true, 1, 1), "a deadlock is found");
	close(fd);
	waitpid(pid, &status, 0);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "and the other one goes on");
	close(pipes[0]);
	close(pipes[1]);
}

void posix_area_locks(const struct posix_place *place)
{
	(void)place;
	posix_write_file("n", "text");
	for (enum way way = FLOCK; way < WAYS; way++) {
		case_exclusion(way);
		if (way != FLOCK)
			case_ranges(way);
		case_processes(way);
		case_interrupted(way);
	}
	case_descriptors();
	case_inheritance();
	case_deadlock();
	unlink("n");
}
