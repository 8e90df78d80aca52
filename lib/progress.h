/*
 * How far the work is, on a terminal: one bar for each thing under way and one for the whole, below
 * the lines that were printed.
 *
 *	bfs_progress_new()
 *	bfs_progress_add()		from any thread
 *	bfs_progress_bar_advance()
 *	bfs_progress_bar_finish()	the bar disappears, its bytes stay in the whole
 *	bfs_progress_free()		erases the display
 *
 * Nothing is printed unless standard output and standard error are both terminals, TERM is
 * neither unset nor "dumb", and `quiet` is false. Then the display is redrawn at most ten times a
 * second, as wide as the window, in UTF-8 where the locale is (LC_ALL, LC_CTYPE, LANG), without
 * colours where NO_COLOR is set. The cursor is never hidden, and the terminal is left with the
 * cursor on an empty line even if the program is killed between two redraws. Lines of lib/log.h
 * are printed above the display.
 *
 * Thread-safe. One display at a time can be active; it must be freed by the thread that made it,
 * after all its bars were finished. Every function allows NULL for progress and bar and then does
 * nothing, so that callers need not ask whether there is a display.
 */
#ifndef BFS_LIB_PROGRESS_H
#define BFS_LIB_PROGRESS_H

#include "lib/cleanup.h"

#include <stdbool.h>
#include <stdint.h>

struct bfs_progress;
struct bfs_progress_bar;

/* `title` names the whole. -ENOMEM. */
int bfs_progress_new(const char *title, bool quiet, struct bfs_progress **ret_progress);
void bfs_progress_free(struct bfs_progress *progress);
BFS_DEFINE_CLEANUP(struct bfs_progress *, bfs_cleanup_progress, bfs_progress_free)
#define _cleanup_progress_ BFS_CLEANUP(bfs_cleanup_progress)

/*
 * A bar for `total` bytes, or -1 where that is not known. NULL where there is no display or no
 * memory for it.
 */
struct bfs_progress_bar *bfs_progress_add(
	struct bfs_progress *progress, const char *label, int64_t total);

void bfs_progress_bar_set_total(struct bfs_progress_bar *bar, int64_t total);

/* `bytes` more are done; negative where work has to be done again. */
void bfs_progress_bar_advance(struct bfs_progress_bar *bar, int64_t bytes);

/* Ends the bar, which must not be used afterwards. */
void bfs_progress_bar_finish(struct bfs_progress_bar *bar);

#endif
