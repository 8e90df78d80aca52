/*
 * Lambda starts a function's runtime through the program that AWS_LAMBDA_EXEC_WRAPPER names, with
 * the interpreter and its arguments as arguments (AWS Lambda, "Using a wrapper script"). What the
 * runtime has set is kept: directories are appended to it.
 *
 * Where the export has a brewed glibc the interpreter is run by its loader; then the library path
 * is the loader's argument, so that children, which the host's loader starts, are not given
 * libraries they cannot have.
 */
#include "installer/lambda/host_directories.h"
#include "installer/lambda/lambda.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCRIPT_MAX 256 /* bytes of a "#!" line that Linux reads (BINPRM_BUF_SIZE) */
#define SCRIPTS	   4   /* interpreters that are scripts themselves, as deep as Linux goes */

struct run {
	char home[PATH_MAX];
	char program[PATH_MAX]; /* that is to be loaded */
	char *name;		/* its argv[0] */
	char **arguments;	/* after argv[0]; ends with NULL */
	char *libraries;	/* the library path */
};

static int fail(const char *what)
{
	fprintf(stderr, "brewfs-lambda: %s: %s\n", what, strerror(errno));
	return errno == ENOENT ? 127 : 126;
}

/* Makes "LIST:DIRECTORY" of a list of directories; no empty entry, which would be the working
 * directory. */
static int append(char **list, const char *directory)
{
	char *joined;
	int length = *list && **list ? asprintf(&joined, "%s:%s", *list, directory)
				     : asprintf(&joined, "%s", directory);

	if (length < 0)
		return -1;
	free(*list);
	*list = joined;
	return 0;
}

static bool holds(const char *list, const char *directory)
{
	size_t length = strlen(directory);

	for (; list; list = strchr(list, ':') ? strchr(list, ':') + 1 : NULL)
		if (strncmp(list, directory, length) == 0 && (list[length] == ':' || !list[length]))
			return true;
	return false;
}

static int extend_path(const struct run *run)
{
	const char *old = getenv("PATH");
	char path[PATH_MAX], *list = old ? strdup(old) : NULL;
	int r;

	if (snprintf(path, sizeof(path), "%s/bin", run->home) >= (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	r = holds(old, path) ? 0 : append(&list, path);
	if (r == 0 && list)
		r = setenv("PATH", list, 1);
	free(list);
	return r;
}

static bool is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int append_if_there(struct run *run, const char *below)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", run->home, below) >= (int)sizeof(path) ||
		!is_directory(path))
		return 0;
	return append(&run->libraries, path);
}

/* What the runtime has set, then what its loader has without being told, then the export's. */
static int join_libraries(struct run *run)
{
	const char *runtime = getenv("LD_LIBRARY_PATH");
	char directory[PATH_MAX];
	int r = runtime && *runtime ? append(&run->libraries, runtime) : 0;

	for (const char *at = BFS_LAMBDA_HOST_DIRECTORIES, *end; r == 0 && *at;
		at = *end ? end + 1 : end) {
		end = strchrnul(at, ':');
		snprintf(directory, sizeof(directory), "%.*s", (int)(end - at), at);
		if (!holds(runtime, directory) && is_directory(directory))
			r = append(&run->libraries, directory);
	}
	return r == 0 ? append_if_there(run, "lib") : r;
}

/*
 * The brewed glibc's own first: a loader and a libc.so.6 of different versions do not work
 * together. Then GCC's, which do for everything that was built with an older one.
 */
static int join_brewed_libraries(struct run *run)
{
	int r = append_if_there(run, "opt/glibc/lib");

	if (r == 0)
		r = append_if_there(run, "opt/gcc/lib/gcc/current");
	return r == 0 ? join_libraries(run) : r;
}

/* As execvp(3) looks for it. */
static int find_program(struct run *run, const char *name)
{
	const char *path = getenv("PATH");

	if (strchr(name, '/'))
		return snprintf(run->program, PATH_MAX, "%s", name) < PATH_MAX ? 0 : -1;
	for (const char *end; path && *path; path = *end ? end + 1 : end) {
		end = strchrnul(path, ':');
		if (snprintf(run->program, PATH_MAX, "%.*s/%s", (int)(end - path), path, name) <
				PATH_MAX &&
			access(run->program, X_OK) == 0)
			return 0;
	}
	errno = ENOENT;
	return -1;
}

/* Puts `first` and, unless NULL, `second` before the arguments. */
static int push_arguments(struct run *run, char *first, char *second)
{
	size_t count = 0, used = 0;
	char **arguments;

	while (run->arguments[count])
		count++;
	arguments = calloc(count + 3, sizeof(*arguments));
	if (!arguments)
		return -1;
	arguments[used++] = first;
	if (second)
		arguments[used++] = second;
	memcpy(arguments + used, run->arguments, count * sizeof(*arguments));
	run->arguments = arguments;
	return 0;
}

/* 1 where the program was a script, and now is its interpreter, as Linux would start it. */
static int enter_script(struct run *run)
{
	char line[SCRIPT_MAX] = "", *start, *end, *option, *script;
	int fd = open(run->program, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);

	if (fd >= 0)
		close(fd);
	if (length < 0)
		return -1;
	if (strncmp(line, "#!", 2) != 0)
		return 0;
	line[strcspn(line, "\n")] = '\0';
	start = line + 2 + strspn(line + 2, " \t");
	end = start + strcspn(start, " \t");
	option = end + strspn(end, " \t");
	script = strdup(run->program);
	option = *option ? strdup(option) : NULL;
	*end = '\0';
	run->name = strdup(start);
	if (!script || !run->name || push_arguments(run, script, NULL) < 0 ||
		(option && push_arguments(run, option, NULL) < 0))
		return -1;
	return find_program(run, start) == 0 ? 1 : -1;
}

/* Programs without an interpreter need no loader, and the export's own name theirs. */
static bool needs_loader(const struct run *run)
{
	struct bfs_lambda_elf elf;
	const char *interpreter;
	bool needs;

	if (bfs_lambda_elf_open(run->program, &elf) < 0)
		return false;
	interpreter = bfs_lambda_elf_interpreter(&elf);
	needs = interpreter && strncmp(interpreter, run->home, strlen(run->home)) != 0;
	bfs_lambda_elf_close(&elf);
	return needs;
}

static int run_by_loader(struct run *run, const char *loader)
{
	char *arguments[] = {run->program, NULL};

	if (join_brewed_libraries(run) < 0 ||
		push_arguments(run, run->libraries, arguments[0]) < 0 ||
		push_arguments(run, run->name, "--library-path") < 0 ||
		push_arguments(run, (char *)loader, "--argv0") < 0)
		return fail("preparing the arguments");
	/* Its data for time zones is the host's; the brewed glibc would look in its own keg. */
	if (is_directory("/usr/share/zoneinfo"))
		setenv("TZDIR", "/usr/share/zoneinfo", 0);
	execv(loader, run->arguments);
	return fail(loader);
}

static int run_plainly(struct run *run)
{
	if (push_arguments(run, run->name, NULL) < 0)
		return fail("preparing the arguments");
	execv(run->program, run->arguments);
	return fail(run->program);
}

/* The host's loader is told by the environment, and so are children. */
static int run_by_host(struct run *run)
{
	if (join_libraries(run) < 0 || setenv("LD_LIBRARY_PATH", run->libraries, 1) < 0)
		return fail("setting LD_LIBRARY_PATH");
	return run_plainly(run);
}

/* The brewed loader is a file of the export; the host's is an absolute link. */
static bool find_loader(const struct run *run, char ret_loader[PATH_MAX])
{
	char target[2] = "";

	if (snprintf(ret_loader, PATH_MAX, "%s/lib/ld.so", run->home) >= PATH_MAX ||
		access(ret_loader, X_OK) < 0)
		return false;
	return readlink(ret_loader, target, 1) < 0 || target[0] != '/';
}

int bfs_lambda_run(int argc, char **argv)
{
	struct run run = {.libraries = NULL};
	char loader[PATH_MAX];
	bool brewed;
	int r = 1;

	if (argc < 2) {
		fprintf(stderr, "Usage: brewfs-lambda PROGRAM [ARGUMENT...]\n");
		return 2;
	}
	if (bfs_lambda_home(run.home) < 0)
		return fail("finding the export");
	run.name = argv[1];
	run.arguments = argv + 2;
	brewed = find_loader(&run, loader);
	if (extend_path(&run) < 0)
		return fail("setting PATH");
	if (find_program(&run, run.name) < 0)
		return fail(run.name);
	if (!brewed)
		return run_by_host(&run);
	for (int i = 0; r > 0 && i < SCRIPTS; i++)
		r = enter_script(&run);
	if (r < 0)
		return fail(run.program);
	return needs_loader(&run) ? run_by_loader(&run, loader) : run_plainly(&run);
}
