#include "lib/log.h"

#include "lib/cleanup.h"

#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <syslog.h>

#define BOLD   "\033[1m"
#define BLUE   "\033[34m"
#define YELLOW "\033[33m"
#define RED    "\033[31m"
#define RESET  "\033[0m"

static struct {
	pthread_mutex_t lock; /* protects everything below, and the order of lines */
	bool quiet;
	bool debug;
	bool syslog;
	void (*hook)(void *context, bool before);
	void *hook_context;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

bool bfs_log_has_colour(FILE *stream)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	return (!no_color || !*no_color) && (!term || strcmp(term, "dumb") != 0) &&
		isatty(fileno(stream));
}

static void write_line(FILE *stream, const char *colour, const char *tag, const char *text,
	bool bold_text)
{
	if (*colour && bfs_log_has_colour(stream))
		fprintf(stream, "%s%s%s%s%s%s\n", colour, tag, RESET, bold_text ? BOLD : "", text,
			bold_text ? RESET : "");
	else
		fprintf(stream, "%s%s\n", tag, text);
	fflush(stream);
}

__attribute__((format(printf, 6, 0)))
static void emit(FILE *stream, int priority, const char *colour, const char *tag, bool bold_text,
	const char *format, va_list args)
{
	_cleanup_free_ char *text = NULL;

	if (vasprintf(&text, format, args) < 0)
		return;
	pthread_mutex_lock(&state.lock);
	if (state.syslog) {
		syslog(priority, "%s%s", tag, text);
	} else {
		if (state.hook)
			state.hook(state.hook_context, true);
		write_line(stream, colour, tag, text, bold_text);
		if (state.hook)
			state.hook(state.hook_context, false);
	}
	pthread_mutex_unlock(&state.lock);
}

#define EMIT(...)                                                                                  \
	do {                                                                                       \
		va_list args;                                                                      \
		va_start(args, format);                                                            \
		emit(__VA_ARGS__, format, args);                                                   \
		va_end(args);                                                                      \
	} while (0)

void bfs_log_headline(const char *format, ...)
{
	if (!state.quiet)
		EMIT(stdout, LOG_INFO, BOLD BLUE, "==> ", true);
}

void bfs_log_info(const char *format, ...)
{
	if (!state.quiet)
		EMIT(stdout, LOG_INFO, "", "", false);
}

void bfs_log_warning(const char *format, ...)
{
	EMIT(stderr, LOG_WARNING, YELLOW, "Warning: ", false);
}

void bfs_log_error(const char *format, ...)
{
	EMIT(stderr, LOG_ERR, RED, "Error: ", false);
}

void bfs_log_debug(const char *format, ...)
{
	if (state.debug || getenv("BREWFS_DEBUG"))
		EMIT(stderr, LOG_DEBUG, "", "debug: ", false);
}

void bfs_log_set_quiet(bool quiet)
{
	state.quiet = quiet;
}

void bfs_log_set_debug(bool debug)
{
	state.debug = debug;
}

void bfs_log_use_syslog(const char *identity)
{
	openlog(identity, LOG_PID, LOG_DAEMON);
	pthread_mutex_lock(&state.lock);
	state.syslog = true;
	pthread_mutex_unlock(&state.lock);
}

void bfs_log_set_progress_hook(void (*hook)(void *context, bool before), void *context)
{
	pthread_mutex_lock(&state.lock);
	state.hook = hook;
	state.hook_context = context;
	pthread_mutex_unlock(&state.lock);
}
