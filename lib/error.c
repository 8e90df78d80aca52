#include "lib/error.h"

#include "lib/log.h"

#include <stdarg.h>
#include <string.h>

int bfs_error_set(struct bfs_error *error, int code, const char *step, const char *path,
	const char *reason, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;

	if (!error || error->message)
		return code;
	error->code = code;
	if (reason) {
		va_start(args, reason);
		if (vasprintf(&text, reason, args) < 0)
			text = NULL;
		va_end(args);
	}
	if (asprintf(&error->message, "%s: %s%s%s", step, path ? path : "", path ? ": " : "",
		    text ? text : strerror(-code)) < 0)
		error->message = NULL;
	return code;
}

void bfs_error_prefix(struct bfs_error *error, const char *prefix)
{
	char *message;

	if (!error || !error->message)
		return;
	if (asprintf(&message, "%s: %s", prefix, error->message) < 0)
		return;
	free(error->message);
	error->message = message;
}

void bfs_error_clear(struct bfs_error *error)
{
	if (!error)
		return;
	free(bfs_steal(&error->message));
	error->code = 0;
}

const char *bfs_error_message(const struct bfs_error *error, int code)
{
	return error && error->message ? error->message : strerror(-code);
}

int bfs_error_report(struct bfs_error *error, int code)
{
	bfs_log_error("%s", bfs_error_message(error, code));
	bfs_error_clear(error);
	return 1;
}
