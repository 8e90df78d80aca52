/* Running what was written. */
#include "tests/posix/posix.h"

#include <signal.h>
#include <sys/wait.h>

static bool copy_program(const char *from, const char *to)
{
	char buffer[65536];
	int in = open(from, O_RDONLY), out = open(to, O_CREAT | O_WRONLY | O_TRUNC, 0755);
	ssize_t n;

	while ((n = read(in, buffer, sizeof(buffer))) > 0)
		if (write(out, buffer, (size_t)n) != n)
			n = -1;
	close(in);
	return close(out) == 0 && n == 0;
}

static void case_written(void)
{
	for (int i = 0; i < 20; i++) {
		if (!copy_program("/bin/true", "n") || posix_run("./n", NULL) != 0) {
			ok(false, "a program runs right after it was written");
			return;
		}
		unlink("n");
	}
	ok(true, "a program runs right after it was written");
	copy_program("/bin/true", "n");
	copy_program("/bin/false", "m");
	is_int(posix_run("./n", NULL), 0, "true succeeds");
	rename("m", "n");
	is_int(posix_run("./n", NULL), 1, "false in its place fails");
	copy_program("/bin/true", "n");
	is_int(posix_run("./n", NULL), 0, "true written over it succeeds");
	unlink("n");
	posix_write_file("n", "#!/bin/sh\nexit 7\n");
	is_int(posix_run("./n", NULL), 125, "a script that may not be run");
	chmod("n", 0755);
	is_int(posix_run("./n", NULL), 7, "and one that may");
	unlink("n");
	mkdir("d", 0755);
	is_int(posix_run("./d", NULL), 125, "a directory is not run");
	rmdir("d");
}

/* While it is written it is not run, while it runs it is not written. */
static void case_busy(void)
{
	pid_t pid;
	int fd, status;

	copy_program("/bin/sleep", "n");
	fd = open("n", O_RDWR);
	is_int(posix_run("./n", "0"), 126, "what is open to write is not run");
	close(fd);
	is_int(posix_run("./n", "0"), 0, "but after the close");
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		execl("./n", "n", "60", NULL);
		_exit(127);
	}
	for (int i = 0; i < 200; i++) {
		char link[64], target[PATH_MAX] = "";

		snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
		if (readlink(link, target, sizeof(target) - 1) > 0 && strlen(target) > 2 &&
			strcmp(target + strlen(target) - 2, "/n") == 0)
			break;
		usleep(10000);
	}
	fails(ETXTBSY, open("n", O_WRONLY), "what runs is not opened to write");
	fails(ETXTBSY, open("n", O_RDWR | O_TRUNC), "nor emptied");
	fails(ETXTBSY, truncate("n", 0), "nor truncated");
	works(open("n", O_RDONLY), "it is read");
	works(chmod("n", 0700), "its mode is changed");
	works(rename("n", "m"), "it is renamed");
	works(unlink("m"), "and removed");
	works(kill(pid, 0), "and runs on");
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

static void case_rights(void)
{
	copy_program("/bin/true", "n");
	for (int shift = 0; shift < 9; shift += 3) {
		uid_t uid = shift == 6 ? USER : OTHER_USER;
		gid_t gid = shift == 3 ? GROUP : OTHER_GROUP;

		chown("n", uid, gid);
		chmod("n", (mode_t)(05 << shift));
		AS (USER, GROUP)
			is_int(posix_run("./n", NULL), 0, "mode %#o lets a user run it",
				05U << shift);
		chmod("n", (mode_t)(04 << shift));
		AS (USER, GROUP)
			is_int(posix_run("./n", NULL), 125, "mode %#o does not", 04U << shift);
		chmod("n", (mode_t)(01 << shift));
		AS (USER, GROUP)
			is_int(posix_run("./n", NULL), 0, "mode %#o suffices for a program",
				01U << shift);
	}
	unlink("n");
}

static void case_setuid(void)
{
	copy_program("/usr/bin/id", "n");
	chown("n", OTHER_USER, OTHER_GROUP);
	chmod("n", 06755);
	ok(posix_run("./n", "-u") == 0, "a program with S_ISUID runs");
	unlink("n");
}

void posix_area_exec(const struct posix_place *place)
{
	(void)place;
	chmod(".", 0777);
	case_written();
	case_busy();
	case_rights();
	case_setuid();
}
