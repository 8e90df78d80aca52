#include "lib/progress.h"

#include "lib/buffer.h"
#include "lib/file.h"
#include "lib/log.h"

#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#define REDRAW_INTERVAL 100000000 /* ns: ten times a second */
#define BARS_SHOWN	8	  /* more would push what was printed out of sight */
#define LABEL_COLUMNS	32	  /* "postgresql@17 (17.6_1)" has 22 */
#define FIGURES_COLUMNS 21	  /* "999.9 MB / 999.9 MB" and two spaces */
#define BAR_COLUMNS	40	  /* a wider one says no more */
#define BAR_COLUMNS_MIN 8	  /* a narrower one says nothing */
#define FILL_COLOUR	"\033[34m"
#define RESET		"\033[0m"

struct bfs_progress_bar {
	struct bfs_progress *progress;
	struct bfs_progress_bar *previous, *next;
	char *label;
	int64_t total; /* -1: not known */
	int64_t done;
};

struct bfs_progress {
	pthread_mutex_t
		lock; /* everything below; taken under the log's lock, so never log under it */
	char *title;
	bool utf8, colour;
	bool lifted;			       /* a line is being printed: do not draw */
	unsigned int drawn;		       /* lines on the screen above the cursor */
	struct bfs_progress_bar *first, *last; /* not finished */
	size_t finished, count;
	int64_t finished_bytes;
	int64_t last_draw; /* ns, monotonic */
	int64_t last_done; /* bytes of the whole at the last draw */
	double rate;	   /* bytes/s, smoothed; 0 until known */
};

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- text ---- */

static int append_size(struct bfs_buffer *line, int64_t bytes)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
	double value = (double)(bytes < 0 ? 0 : bytes);
	size_t unit = 0;

	while (value >= 999.95 && unit + 1 < BFS_ARRAY_LENGTH(units)) {
		value /= 1000;
		unit++;
	}
	return bfs_buffer_append_format(line, "%.*f %s", unit == 0 ? 0 : 1, value, units[unit]);
}

/* The label in exactly `columns` columns. It may come from outside: control characters are not
 * passed on. */
static int append_label(struct bfs_buffer *line, const char *label, size_t columns, bool utf8)
{
	size_t used = 0;
	int r = 0;

	for (; *label && r == 0; label++) {
		unsigned char c = (unsigned char)*label;
		bool continues = utf8 && (c & 0xc0) == 0x80;

		if (used == columns && !continues)
			break;
		used += !continues;
		if (c < 0x20 || c == 0x7f || (c >= 0x80 && !utf8))
			c = '?';
		r = bfs_buffer_append(line, &c, 1);
	}
	return r < 0 ? r : bfs_buffer_append_format(line, "%*s", (int)(columns - used), "");
}

static int append_repeated(struct bfs_buffer *line, const char *cell, size_t count)
{
	int r = 0;

	while (r == 0 && count--)
		r = bfs_buffer_append_string(line, cell);
	return r;
}

static int append_bar(struct bfs_buffer *line, const struct bfs_progress *progress, int64_t done,
	int64_t total, size_t columns)
{
	size_t filled = 0;
	int r = bfs_buffer_append_string(line, progress->colour ? "  " FILL_COLOUR : "  ");

	if (total > 0 && done > 0)
		filled = done >= total ? columns
				       : (size_t)((double)done / (double)total * (double)columns);
	if (r == 0)
		r = append_repeated(line, progress->utf8 ? "█" : "#", filled);
	if (r == 0)
		r = append_repeated(line, progress->utf8 ? "░" : "-", columns - filled);
	return r < 0 ? r : bfs_buffer_append_string(line, progress->colour ? RESET : "");
}

static int append_figures(struct bfs_buffer *line, int64_t done, int64_t total)
{
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	int r = append_size(&text, done);

	if (r == 0 && total >= 0)
		r = bfs_buffer_append_string(&text, " / ");
	if (r == 0 && total >= 0)
		r = append_size(&text, total);
	return r < 0 ? r : bfs_buffer_append_format(line, "  %19s", text.data);
}

/* One line: label, bar, figures, as far as the window is wide. */
static int append_line(struct bfs_buffer *line, const struct bfs_progress *progress,
	const char *label, int64_t done, int64_t total, size_t columns)
{
	size_t label_columns = columns < LABEL_COLUMNS ? columns : LABEL_COLUMNS;
	size_t rest;
	int r;

	if (columns < LABEL_COLUMNS + FIGURES_COLUMNS && columns > 2 * FIGURES_COLUMNS)
		label_columns = columns - FIGURES_COLUMNS;
	rest = columns - label_columns;
	r = append_label(line, label, label_columns, progress->utf8);
	if (r == 0 && rest >= FIGURES_COLUMNS + 2 + BAR_COLUMNS_MIN) {
		size_t bar = rest - FIGURES_COLUMNS - 2;

		r = append_bar(line, progress, done, total, bar < BAR_COLUMNS ? bar : BAR_COLUMNS);
	}
	if (r == 0 && rest >= FIGURES_COLUMNS)
		r = append_figures(line, done, total);
	return r;
}

/* ---- the whole ---- */

struct whole {
	int64_t done, total; /* total -1: a bar's is not known */
};

static struct whole sum_up(const struct bfs_progress *progress)
{
	struct whole whole = {progress->finished_bytes, progress->finished_bytes};

	for (const struct bfs_progress_bar *bar = progress->first; bar; bar = bar->next) {
		whole.done += bar->done;
		if (bar->total < 0)
			whole.total = -1;
		else if (whole.total >= 0)
			whole.total += bar->total;
	}
	return whole;
}

static void update_rate(struct bfs_progress *progress, int64_t done, int64_t now)
{
	double seconds = (double)(now - progress->last_draw) / 1e9;
	double rate = (double)(done - progress->last_done) / seconds;

	/* About the last two seconds count. */
	if (seconds > 0 && rate >= 0)
		progress->rate += (rate - progress->rate) * (progress->rate > 0 ? 0.1 : 1);
	progress->last_done = done;
	progress->last_draw = now;
}

static int append_rate(
	struct bfs_buffer *text, const struct bfs_progress *progress, const struct whole *whole)
{
	int r;

	if (progress->rate < 1)
		return 0;
	r = bfs_buffer_append_string(text, "  ");
	if (r == 0)
		r = append_size(text, (int64_t)progress->rate);
	if (r == 0)
		r = bfs_buffer_append_string(text, "/s");
	if (r == 0 && whole->total > whole->done) {
		int64_t left = (int64_t)((double)(whole->total - whole->done) / progress->rate);

		if (left < 100 * 60)
			r = bfs_buffer_append_format(
				text, "  %d:%02d", (int)(left / 60), (int)(left % 60));
	}
	return r;
}

static int append_whole(
	struct bfs_buffer *screen, const struct bfs_progress *progress, size_t columns)
{
	_cleanup_free_ char *title =
		bfs_format("%s %zu/%zu", progress->title, progress->finished, progress->count);
	_cleanup_buffer_ struct bfs_buffer rate = BFS_BUFFER_INIT;
	struct whole whole = sum_up(progress);
	size_t room;
	int r = title ? append_rate(&rate, progress, &whole) : -ENOMEM;

	/* Rate and time left only where the rest still fits beside them. */
	room = columns > rate.length + LABEL_COLUMNS + FIGURES_COLUMNS ? columns - rate.length
								       : columns;
	if (r == 0)
		r = append_line(screen, progress, title, whole.done, whole.total, room);
	if (r == 0 && room < columns)
		r = bfs_buffer_append(screen, rate.data, rate.length);
	return r;
}

/* ---- the screen ---- */

static void get_window(size_t *ret_rows, size_t *ret_columns)
{
	struct winsize size = {0};

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0 || size.ws_row == 0)
		size = (struct winsize){.ws_row = 24, .ws_col = 80};
	*ret_rows = size.ws_row;
	*ret_columns = size.ws_col;
}

static int append_home(struct bfs_buffer *screen, const struct bfs_progress *progress)
{
	if (progress->drawn == 0)
		return bfs_buffer_append_string(screen, "\r");
	return bfs_buffer_append_format(screen, "\r\033[%uA", progress->drawn);
}

static void erase(struct bfs_progress *progress)
{
	_cleanup_buffer_ struct bfs_buffer screen = BFS_BUFFER_INIT;

	if (progress->drawn == 0 || append_home(&screen, progress) < 0 ||
		bfs_buffer_append_string(&screen, "\033[J") < 0)
		return;
	bfs_write_all(STDERR_FILENO, screen.data, screen.length);
	progress->drawn = 0;
}

static int end_line(struct bfs_buffer *screen, unsigned int *lines)
{
	(*lines)++;
	return bfs_buffer_append_string(screen, "\033[K\n");
}

static int append_display(
	struct bfs_buffer *screen, struct bfs_progress *progress, unsigned int *ret_lines)
{
	size_t rows, columns, shown = 0;
	int r = append_home(screen, progress);

	get_window(&rows, &columns);
	/* The last column stays empty: a full line would wrap on some terminals. */
	columns = columns > 1 ? columns - 1 : 1;
	for (struct bfs_progress_bar *bar = progress->first; bar && r == 0; bar = bar->next) {
		if (bar->done == 0 || shown >= BARS_SHOWN || shown + 3 > rows)
			continue;
		shown++;
		r = append_line(screen, progress, bar->label, bar->done, bar->total, columns);
		if (r == 0)
			r = end_line(screen, ret_lines);
	}
	if (r == 0)
		r = append_whole(screen, progress, columns);
	if (r == 0)
		r = end_line(screen, ret_lines);
	return r < 0 ? r : bfs_buffer_append_string(screen, "\033[J");
}

/* Out of memory: nothing is drawn this time. */
static void draw(struct bfs_progress *progress, bool now_at_once)
{
	_cleanup_buffer_ struct bfs_buffer screen = BFS_BUFFER_INIT;
	unsigned int lines = 0;
	int64_t now = now_ns();

	if (progress->lifted || progress->count == 0)
		return;
	if (now - progress->last_draw < REDRAW_INTERVAL && !now_at_once)
		return;
	if (!now_at_once)
		update_rate(progress, sum_up(progress).done, now);
	if (append_display(&screen, progress, &lines) < 0)
		return;
	bfs_write_all(STDERR_FILENO, screen.data, screen.length);
	progress->drawn = lines;
}

/* Called by the log, under its lock, around each line it prints. */
static void lift(void *context, bool before)
{
	struct bfs_progress *progress = context;

	pthread_mutex_lock(&progress->lock);
	if (before)
		erase(progress);
	progress->lifted = before;
	if (!before)
		draw(progress, true);
	pthread_mutex_unlock(&progress->lock);
}

/* ---- the interface ---- */

static bool has_display(bool quiet)
{
	const char *term = getenv("TERM");

	return !quiet && term && *term && strcmp(term, "dumb") != 0 && isatty(STDOUT_FILENO) &&
	       isatty(STDERR_FILENO);
}

/* POSIX locale: the first of these that is set and not empty decides. */
static bool locale_is_utf8(void)
{
	static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(names); i++) {
		const char *value = getenv(names[i]);

		if (value && *value)
			return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
	}
	return false;
}

int bfs_progress_new(const char *title, bool quiet, struct bfs_progress **ret_progress)
{
	struct bfs_progress *progress;

	if (!has_display(quiet)) {
		*ret_progress = NULL;
		return 0;
	}
	progress = calloc(1, sizeof(*progress));
	if (!progress)
		return -ENOMEM;
	progress->title = strdup(title);
	if (!progress->title) {
		free(progress);
		return -ENOMEM;
	}
	pthread_mutex_init(&progress->lock, NULL);
	progress->utf8 = locale_is_utf8();
	progress->colour = bfs_log_has_colour(stderr);
	progress->last_draw = now_ns();
	bfs_log_set_progress_hook(lift, progress);
	*ret_progress = progress;
	return 0;
}

static void free_bar(struct bfs_progress_bar *bar)
{
	free(bar->label);
	free(bar);
}

void bfs_progress_free(struct bfs_progress *progress)
{
	if (!progress)
		return;
	bfs_log_set_progress_hook(NULL, NULL);
	erase(progress);
	while (progress->first) {
		struct bfs_progress_bar *bar = progress->first;

		progress->first = bar->next;
		free_bar(bar);
	}
	pthread_mutex_destroy(&progress->lock);
	free(progress->title);
	free(progress);
}

struct bfs_progress_bar *bfs_progress_add(
	struct bfs_progress *progress, const char *label, int64_t total)
{
	struct bfs_progress_bar *bar = progress ? calloc(1, sizeof(*bar)) : NULL;

	if (!bar)
		return NULL;
	bar->progress = progress;
	bar->total = total;
	bar->label = strdup(label);
	if (!bar->label) {
		free(bar);
		return NULL;
	}
	pthread_mutex_lock(&progress->lock);
	bar->previous = progress->last;
	if (progress->last)
		progress->last->next = bar;
	else
		progress->first = bar;
	progress->last = bar;
	progress->count++;
	draw(progress, false);
	pthread_mutex_unlock(&progress->lock);
	return bar;
}

void bfs_progress_bar_set_total(struct bfs_progress_bar *bar, int64_t total)
{
	if (!bar)
		return;
	pthread_mutex_lock(&bar->progress->lock);
	bar->total = total;
	pthread_mutex_unlock(&bar->progress->lock);
}

void bfs_progress_bar_advance(struct bfs_progress_bar *bar, int64_t bytes)
{
	if (!bar)
		return;
	pthread_mutex_lock(&bar->progress->lock);
	bar->done += bytes;
	draw(bar->progress, false);
	pthread_mutex_unlock(&bar->progress->lock);
}

void bfs_progress_bar_finish(struct bfs_progress_bar *bar)
{
	struct bfs_progress *progress;

	if (!bar)
		return;
	progress = bar->progress;
	pthread_mutex_lock(&progress->lock);
	if (bar->previous)
		bar->previous->next = bar->next;
	else
		progress->first = bar->next;
	if (bar->next)
		bar->next->previous = bar->previous;
	else
		progress->last = bar->previous;
	progress->finished++;
	progress->finished_bytes += bar->done;
	draw(progress, false);
	pthread_mutex_unlock(&progress->lock);
	free_bar(bar);
}
