/*
 * The progress display on a pseudo-terminal: what is drawn, how often, how wide, and that nothing
 * is drawn where there is no terminal.
 */
#include "lib/progress.h"
#include "lib/buffer.h"
#include "lib/log.h"
#include "tests/tap.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>

static void pause_ms(long ms)
{
	struct timespec time = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&time, NULL);
}

/* What may be a terminal for the child: both streams, or one of them. */
enum streams { BOTH, NO_OUTPUT, NO_ERRORS };

static int open_terminal(int *ret_slave, unsigned short columns)
{
	struct winsize size = {.ws_row = 24, .ws_col = columns};
	int master = posix_openpt(O_RDWR | O_NOCTTY);

	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0 ||
		ioctl(master, TIOCSWINSZ, &size) < 0)
		abort();
	*ret_slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	return master;
}

/* Runs the function with a terminal; what it wrote there, to be freed. */
static char *run(void (*function)(void), enum streams streams, unsigned short columns)
{
	struct bfs_buffer output = BFS_BUFFER_INIT;
	int slave, master = open_terminal(&slave, columns);
	char block[4096];
	ssize_t n;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		dup2(streams == NO_OUTPUT ? null : slave, STDOUT_FILENO);
		dup2(streams == NO_ERRORS ? null : slave, STDERR_FILENO);
		close(master);
		close(slave);
		function();
		exit(0);
	}
	close(slave);
	bfs_buffer_append_string(&output, "");
	while ((n = read(master, block, sizeof(block))) > 0)
		bfs_buffer_append(&output, block, (size_t)n);
	close(master);
	waitpid(pid, NULL, 0);
	return bfs_buffer_steal(&output);
}

static size_t count_in(const char *text, const char *word)
{
	size_t count = 0;

	while ((text = strstr(text, word))) {
		count++;
		text += strlen(word);
	}
	return count;
}

/* ---- what is drawn ---- */

static void two_downloads(void)
{
	struct bfs_progress *progress;
	struct bfs_progress_bar *proj, *curl;

	if (bfs_progress_new("Pouring", false, &progress) < 0)
		abort();
	proj = bfs_progress_add(progress, "proj 9.8.1", 2000000);
	curl = bfs_progress_add(progress, "curl 8.20", -1);
	bfs_progress_bar_advance(proj, 500000);
	pause_ms(120);
	bfs_progress_bar_advance(curl, 123);
	pause_ms(120);
	bfs_progress_bar_advance(proj, 500000);
	bfs_log_info("a line in between");
	bfs_progress_bar_set_total(curl, 1000);
	bfs_progress_bar_finish(curl);
	pause_ms(120);
	bfs_progress_bar_advance(proj, 1000000);
	bfs_progress_bar_finish(proj);
	bfs_progress_free(progress);
	bfs_log_info("the end");
}

static void test_drawing(void)
{
	_cleanup_free_ char *text = run(two_downloads, BOTH, 100);

	ok(strstr(text, "proj 9.8.1"), "a bar has its label");
	ok(strstr(text, "500.0 kB / 2.0 MB") || strstr(text, "1.0 MB / 2.0 MB"), "and its figures");
	ok(strstr(text, "##########----------"), "and is half full in the middle");
	ok(strstr(text, "Pouring 0/2"), "the whole has its title and counts");
	ok(strstr(text, "Pouring 1/2"), "what is finished");
	ok(strstr(text, "123 B"), "a size that is not known is no obstacle");
	ok(strstr(text, "\033[Ja line in between\r\n"), "a line is printed where the display was");
	ok(strlen(text) > 9 && strcmp(text + strlen(text) - 9, "the end\r\n") == 0,
		"the last line is printed on an empty screen");
	ok(strstr(text, "\033[Jthe end\r\n"), "after the display was erased");
	ok(!strstr(text, "\033[?25l"), "the cursor is never hidden");
	ok(!strstr(text, "█"), "without a UTF-8 locale the bar is ASCII");
}

static void test_utf8(void)
{
	_cleanup_free_ char *text = NULL, *plain = NULL;

	setenv("LC_ALL", "en_US.UTF-8", 1);
	unsetenv("NO_COLOR");
	text = run(two_downloads, BOTH, 100);
	ok(strstr(text, "█") && strstr(text, "░"), "in a UTF-8 locale the bar is of blocks");
	ok(strstr(text, "\033[34m"), "and in colour");
	setenv("NO_COLOR", "1", 1);
	plain = run(two_downloads, BOTH, 100);
	ok(strstr(plain, "█") && !strstr(plain, "\033[34m"), "but not with NO_COLOR");
	setenv("LC_ALL", "C", 1);
}

/* ---- width ---- */

static size_t widest_line(const char *text)
{
	size_t widest = 0, width = 0;

	for (; *text; text++) {
		if (*text == '\r' || *text == '\n') {
			width = 0;
		} else if (*text == '\033') {
			text += strcspn(text, "ABCDHJKm");
		} else {
			width++;
			widest = width > widest ? width : widest;
		}
	}
	return widest;
}

static void test_widths(void)
{
	static const unsigned short widths[] = {200, 100, 80, 70, 60, 50, 40, 30, 20, 10, 2, 1};

	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
		_cleanup_free_ char *text = run(two_downloads, BOTH, widths[i]);
		char *log = strstr(text, "a line in between");

		/* Lines that are printed may be wider; they are not the display's. */
		if (log)
			memset(log, '\r', strlen("a line in between"));
		log = strstr(text, "the end");
		if (log)
			*log = '\0';
		ok(widest_line(text) < widths[i] || widths[i] == 1,
			"in a window of %u columns nothing is wider than %zu", widths[i],
			widest_line(text));
	}
}

/* ---- labels from outside ---- */

static void odd_label(void)
{
	struct bfs_progress *progress;
	struct bfs_progress_bar *bar;

	if (bfs_progress_new("x", false, &progress) < 0)
		abort();
	bar = bfs_progress_add(progress,
		"a\033]0;evil\a\n"
		"b",
		10);
	pause_ms(120);
	bfs_progress_bar_advance(bar, 5);
	bfs_progress_bar_finish(bar);
	bfs_progress_free(progress);
}

static void test_label(void)
{
	_cleanup_free_ char *text = run(odd_label, BOTH, 80);

	ok(strstr(text, "a?]0;evil??b"), "control characters of a label are not passed on");
}

/* ---- when nothing may be drawn ---- */

static void quietly(void)
{
	struct bfs_progress *progress = NULL;

	if (bfs_progress_new("x", true, &progress) < 0)
		abort();
	bfs_progress_bar_advance(bfs_progress_add(progress, "y", 10), 5);
	bfs_progress_free(progress);
}

static void test_silence(void)
{
	_cleanup_free_ char *output = run(two_downloads, NO_OUTPUT, 80);
	_cleanup_free_ char *errors = run(two_downloads, NO_ERRORS, 80);
	_cleanup_free_ char *quiet = run(quietly, BOTH, 80), *dumb = NULL, *unset = NULL;

	is_str(output, "", "nothing is drawn where standard output is no terminal");
	is_str(errors, "a line in between\r\nthe end\r\n", "nor where standard error is none");
	is_str(quiet, "", "nor where quiet is asked for");
	setenv("TERM", "dumb", 1);
	dumb = run(two_downloads, BOTH, 80);
	is_str(dumb, "a line in between\r\nthe end\r\n", "nor on a dumb terminal");
	unsetenv("TERM");
	unset = run(two_downloads, BOTH, 80);
	is_str(unset, "a line in between\r\nthe end\r\n", "nor where TERM is not set");
	setenv("TERM", "xterm", 1);
}

/* ---- many threads ---- */

static void *work(void *context)
{
	struct bfs_progress *progress = context;

	for (int i = 0; i < 20; i++) {
		struct bfs_progress_bar *bar = bfs_progress_add(progress, "work", 1000);

		for (int step = 0; step < 1000; step++)
			bfs_progress_bar_advance(bar, 1);
		bfs_log_info("done");
		bfs_progress_bar_finish(bar);
		pause_ms(10);
	}
	return NULL;
}

static void many_threads(void)
{
	struct bfs_progress *progress;
	pthread_t threads[8];

	if (bfs_progress_new("All", false, &progress) < 0)
		abort();
	for (int i = 0; i < 8; i++)
		pthread_create(&threads[i], NULL, work, progress);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	pause_ms(120);
	bfs_progress_bar_finish(bfs_progress_add(progress, "last", 1));
	bfs_progress_free(progress);
}

static void test_threads(void)
{
	_cleanup_free_ char *text = run(many_threads, BOTH, 80);

	is_int(count_in(text, "done\r\n"), 160, "eight threads print their lines whole");
	ok(strstr(text, "All 160/161"), "and the whole counts them all");
}

/* 100,000 steps in half a second. */
static void hurry(void)
{
	struct bfs_progress *progress;
	struct bfs_progress_bar *bar;

	if (bfs_progress_new("Fast", false, &progress) < 0)
		abort();
	bar = bfs_progress_add(progress, "work", 100000);
	for (int i = 0; i < 100; i++) {
		for (int step = 0; step < 1000; step++)
			bfs_progress_bar_advance(bar, 1);
		pause_ms(5);
	}
	bfs_progress_bar_finish(bar);
	bfs_progress_free(progress);
}

static void test_rate(void)
{
	_cleanup_free_ char *text = run(hurry, BOTH, 80);
	size_t draws = count_in(text, "Fast 0/1");

	ok(draws >= 2 && draws <= 12, "it is redrawn ten times a second: %zu times in about 0.6 s",
		draws);
}

int main(void)
{
	setenv("TERM", "xterm", 1);
	setenv("LC_ALL", "C", 1);
	setenv("NO_COLOR", "1", 1);
	test_drawing();
	test_utf8();
	test_widths();
	test_label();
	test_silence();
	test_threads();
	test_rate();
	return done();
}
