/*
 * What brewfs says to a person, in Homebrew's manner: "==> Pouring x", "Warning: ...", "Error: ...".
 *
 * Headlines go to standard output, warnings and errors to standard error. Colours only where the
 * stream is a terminal and NO_COLOR is unset or empty (no-color.org). Thread-safe: a message is one
 * write, and an active progress display (lib/progress.h) is lifted out of its way.
 * Debug lines appear with BREWFS_DEBUG set or after bfs_log_set_debug(true).
 */
#ifndef BFS_LIB_LOG_H
#define BFS_LIB_LOG_H

#include <stdbool.h>
#include <stdio.h>

void bfs_log_headline(const char *format, ...) __attribute__((format(printf, 1, 2)));
void bfs_log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void bfs_log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void bfs_log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void bfs_log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Silences headlines and informational lines (for --json); warnings and errors stay. */
void bfs_log_set_quiet(bool quiet);
void bfs_log_set_debug(bool debug);

/* Sends every line to syslog(3) instead of the standard streams (for the daemon). */
void bfs_log_use_syslog(const char *identity);

/* Whether `stream` takes colours: a terminal, NO_COLOR unset or empty, TERM not "dumb". */
bool bfs_log_has_colour(FILE *stream);

/*
 * Called with true before and false after a line is written while a progress display is active;
 * NULL removes it. The callback runs under the log's lock and must not log.
 */
void bfs_log_set_progress_hook(void (*hook)(void *context, bool before), void *context);

#endif
