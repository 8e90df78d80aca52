#include "installer/trace.h"

#include "lib/file.h"
#include "lib/path.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "the number of this architecture for seccomp is needed (linux/audit.h)"
#endif

#define NO_DIRECTORY -1

/* System calls that take a path: which argument it is, and which one the directory it is relative
 * to. */
static const struct call {
	long number;
	int path, directory;
} calls[] = {
#ifdef __NR_open
	{__NR_open, 0, NO_DIRECTORY},
	{__NR_readlink, 0, NO_DIRECTORY},
	{__NR_stat, 0, NO_DIRECTORY},
	{__NR_lstat, 0, NO_DIRECTORY},
	{__NR_access, 0, NO_DIRECTORY},
#endif
	{__NR_openat, 1, 0},
	{__NR_openat2, 1, 0},
	{__NR_execve, 0, NO_DIRECTORY},
	{__NR_execveat, 1, 0},
	{__NR_readlinkat, 1, 0},
	{__NR_newfstatat, 1, 0},
	{__NR_statx, 1, 0},
	{__NR_faccessat, 1, 0},
#ifdef __NR_faccessat2
	{__NR_faccessat2, 1, 0},
#endif
};

/* struct ptrace_syscall_info of ptrace(2), whose name differs between versions of glibc. */
struct call_info {
	uint8_t op;
	uint32_t arch __attribute__((aligned(4)));
	uint64_t instruction_pointer, stack_pointer;
	union {
		struct {
			uint64_t nr, args[6];
			uint32_t data;
		} seccomp;
		struct {
			int64_t value;
			uint8_t is_error;
		} exit;
	};
};

/* A thread of the command that is in such a call. */
struct thread {
	pid_t id;
	const struct call *call;
	char *path; /* absolute */
};

struct trace {
	const char *const *directories;
	bfs_trace_visitor *visit;
	void *context;
	struct thread *threads;
	size_t count;
	pid_t child;
	int status;
};

/* --- the command --- */

static int install_filter(void)
{
	struct sock_filter filter[2 * BFS_ARRAY_LENGTH(calls) + 5];
	struct sock_fprog program = {.filter = filter};
	unsigned short n = 0;

	filter[n++] = (struct sock_filter)BPF_STMT(
		BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
	filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
	filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	filter[n++] = (struct sock_filter)BPF_STMT(
		BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(calls); i++) {
		filter[n++] = (struct sock_filter)BPF_JUMP(
			BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[i].number, 0, 1);
		filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
	}
	filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	program.len = n;
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0)
		return 0;
	if (errno != EACCES || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -errno : 0;
}

/* Waits until it is traced: `go` is written to then. */
static void run_command(char **command, int go)
{
	char byte;

	if (read(go, &byte, 1) != 1)
		_exit(126);
	close(go);
	if (install_filter() < 0) {
		perror("brewfs: setting up the trace");
		_exit(126);
	}
	execvp(command[0], command);
	fprintf(stderr, "brewfs: %s: %s\n", command[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

/* --- paths --- */

/* A string of another process; it may end at the end of a mapping. False where it cannot be read.
 */
static bool read_string(pid_t id, uint64_t address, char ret_string[PATH_MAX])
{
	size_t length = 0;

	while (length < PATH_MAX) {
		size_t left = 4096 - (address + length) % 4096;
		struct iovec to = {
			ret_string + length, left < PATH_MAX - length ? left : PATH_MAX - length};
		struct iovec from = {(void *)(uintptr_t)(address + length), to.iov_len};
		ssize_t n = process_vm_readv(id, &to, 1, &from, 1, 0);

		if (n <= 0)
			return false;
		if (memchr(ret_string + length, '\0', (size_t)n))
			return true;
		length += (size_t)n;
	}
	return false;
}

/* What a link below /proc/ID leads to; allocated, NULL where it cannot be read. */
static char *read_proc(pid_t id, const char *name)
{
	char path[64], target[PATH_MAX];
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)id, name);
	length = readlink(path, target, sizeof(target));
	return length > 0 && length < PATH_MAX ? strndup(target, (size_t)length) : NULL;
}

static char *base_of(pid_t id, const struct call *call, const uint64_t *arguments)
{
	char name[32];
	int fd = call->directory == NO_DIRECTORY ? AT_FDCWD : (int)arguments[call->directory];

	if (fd == AT_FDCWD)
		return read_proc(id, "cwd");
	snprintf(name, sizeof(name), "fd/%d", fd);
	return read_proc(id, name);
}

/* Absolute and allocated, or NULL for what is no path. */
static char *path_of(pid_t id, const struct call *call, const uint64_t *arguments)
{
	_cleanup_free_ char *base = NULL;
	char path[PATH_MAX];

	if (!read_string(id, arguments[call->path], path) || !*path)
		return NULL;
	if (*path == '/')
		return strdup(path);
	base = base_of(id, call, arguments);
	return base && *base == '/' ? bfs_format("%s/%s", base, path) : NULL;
}

/* Without "//" and "/./", in place: as they may stand before the directory's end as well. */
static void squeeze(char *path)
{
	char *to = path;

	for (const char *from = path; *from; from++) {
		bool starts = from == path || from[-1] == '/';

		if (*from == '/' && to > path && to[-1] == '/')
			continue;
		if (starts && from[0] == '.' && (from[1] == '/' || !from[1]))
			continue;
		*to++ = *from;
	}
	while (to > path + 1 && to[-1] == '/')
		to--;
	*to = '\0';
}

static int visit(struct trace *trace, char *path)
{
	if (!path)
		return 0;
	squeeze(path);
	for (const char *const *directory = trace->directories; *directory; directory++) {
		const char *name = bfs_path_below(path, *directory);

		if (name)
			return trace->visit(trace->context, name);
	}
	return 0;
}

/* --- threads --- */

static struct thread *find_thread(struct trace *trace, pid_t id)
{
	for (size_t i = 0; i < trace->count; i++)
		if (trace->threads[i].id == id)
			return &trace->threads[i];
	return NULL;
}

static void forget_thread(struct trace *trace, pid_t id)
{
	struct thread *thread = find_thread(trace, id);

	if (!thread)
		return;
	free(thread->path);
	*thread = trace->threads[--trace->count];
}

static int note_call(struct trace *trace, pid_t id, const struct call *call, char *path)
{
	struct thread *grown;

	forget_thread(trace, id);
	grown = reallocarray(trace->threads, trace->count + 1, sizeof(*grown));
	if (!grown) {
		free(path);
		return -ENOMEM;
	}
	trace->threads = grown;
	grown[trace->count++] = (struct thread){id, call, path};
	return 0;
}

static int enter_call(struct trace *trace, pid_t id)
{
	struct call_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, id, sizeof(info), &info) <= 0)
		return errno == ESRCH ? 0 : -errno;
	if (info.op != PTRACE_SYSCALL_INFO_SECCOMP)
		return 0;
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(calls); i++)
		if ((uint64_t)calls[i].number == info.seccomp.nr)
			return note_call(
				trace, id, &calls[i], path_of(id, &calls[i], info.seccomp.args));
	return 0;
}

static bool opens(const struct call *call)
{
#ifdef __NR_open
	if (call->number == __NR_open)
		return true;
#endif
	return call->number == __NR_openat || call->number == __NR_openat2;
}

/* The path as it was given, and where it led. */
static int leave_call(struct trace *trace, pid_t id)
{
	struct thread *thread = find_thread(trace, id);
	_cleanup_free_ char *real = NULL;
	struct call_info info;
	char name[32];
	int r = 0;

	if (!thread)
		return 0;
	if (ptrace(PTRACE_GET_SYSCALL_INFO, id, sizeof(info), &info) > 0 &&
		info.op == PTRACE_SYSCALL_INFO_EXIT && !info.exit.is_error) {
		if (opens(thread->call)) {
			snprintf(name, sizeof(name), "fd/%d", (int)info.exit.value);
			real = read_proc(id, name);
		}
		r = visit(trace, thread->path);
		if (r == 0)
			r = visit(trace, real);
	}
	forget_thread(trace, id);
	return r;
}

/* The thread that called it has become the process. */
static int leave_exec(struct trace *trace, pid_t id)
{
	_cleanup_free_ char *real = read_proc(id, "exe");
	unsigned long former = (unsigned long)id;
	struct thread *thread;
	int r;

	ptrace(PTRACE_GETEVENTMSG, id, 0, &former);
	thread = find_thread(trace, (pid_t)former);
	r = visit(trace, thread ? thread->path : NULL);
	forget_thread(trace, (pid_t)former);
	return r == 0 ? visit(trace, real) : r;
}

/* --- the tracer --- */

static void resume(struct trace *trace, pid_t id, int signal)
{
	/* Those in a call stop again at its end. */
	ptrace(find_thread(trace, id) ? PTRACE_SYSCALL : PTRACE_CONT, id, 0, (long)signal);
}

static int handle_stop(struct trace *trace, pid_t id, int status)
{
	int signal = WSTOPSIG(status), event = status >> 16, r = 0;

	if (event == PTRACE_EVENT_STOP && (signal == SIGSTOP || signal == SIGTSTP ||
						  signal == SIGTTIN || signal == SIGTTOU)) {
		ptrace(PTRACE_LISTEN, id, 0, 0);
		return 0;
	}
	if (event == PTRACE_EVENT_SECCOMP)
		r = enter_call(trace, id);
	else if (event == PTRACE_EVENT_EXEC)
		r = leave_exec(trace, id);
	else if (!event && signal == (SIGTRAP | 0x80))
		r = leave_call(trace, id);
	resume(trace, id, event || signal == (SIGTRAP | 0x80) ? 0 : signal);
	return r;
}

/* Until the command and all that it started are gone. */
static int follow(struct trace *trace)
{
	for (;;) {
		int status, r = 0;
		pid_t id = waitpid(-1, &status, __WALL);

		if (id < 0 && errno == EINTR)
			continue;
		if (id < 0)
			return errno == ECHILD ? 0 : -errno;
		if (WIFSTOPPED(status)) {
			r = handle_stop(trace, id, status);
		} else {
			forget_thread(trace, id);
			if (id == trace->child)
				trace->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status)
								    : WEXITSTATUS(status);
		}
		if (r < 0)
			return r;
	}
}

static int seize(struct trace *trace, int go)
{
	const unsigned long options =
		PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACESECCOMP |
		PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE;

	if (ptrace(PTRACE_SEIZE, trace->child, 0, options) < 0)
		return -errno;
	return write(go, "", 1) == 1 ? 0 : -errno;
}

static int start(struct trace *trace, char **command)
{
	int ends[2], r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	trace->child = fork();
	if (trace->child == 0) {
		close(ends[1]);
		signal(SIGINT, SIG_DFL);
		signal(SIGQUIT, SIG_DFL);
		run_command(command, ends[0]);
	}
	close(ends[0]);
	r = trace->child < 0 ? -errno : seize(trace, ends[1]);
	close(ends[1]);
	if (r < 0 && trace->child > 0)
		waitpid(trace->child, NULL, 0); /* it ends where nothing comes through the pipe */
	return r;
}

int bfs_trace_run(char **command, const char *const *directories, bfs_trace_visitor *visit_name,
	void *context, int *ret_status, struct bfs_error *error)
{
	struct trace trace = {
		.directories = directories, .visit = visit_name, .context = context, .status = 126};
	/* As a shell that waits: what the keyboard sends is for the command. */
	void (*interrupt)(int) = signal(SIGINT, SIG_IGN), (*quit)(int) = signal(SIGQUIT, SIG_IGN);
	int r = start(&trace, command);

	if (r == 0)
		r = follow(&trace);
	signal(SIGINT, interrupt);
	signal(SIGQUIT, quit);
	while (trace.count)
		forget_thread(&trace, trace.threads[0].id);
	free(trace.threads);
	if (r < 0)
		return bfs_error_set(error, r, "tracing", command[0], NULL);
	*ret_status = trace.status;
	return 0;
}
