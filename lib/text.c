#include "lib/text.h"

#include "lib/buffer.h"

#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#define DEFAULT_WIDTH 80 /* characters of a terminal that does not tell */
#define COLUMN_GAP    2	 /* Homebrew utils/formatter.rb */

char *bfs_size_text(uint64_t bytes, char ret_text[BFS_SIZE_TEXT_SIZE])
{
	static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
	double size = (double)bytes;
	size_t unit = 0;

	for (; size >= 1000 && unit < BFS_ARRAY_LENGTH(units) - 1; unit++)
		size /= 1000;
	/* No "1.0MB": a decimal that would be zero is left out. */
	if ((uint64_t)(size * 10) % 10 == 0)
		snprintf(ret_text, BFS_SIZE_TEXT_SIZE, "%.0f%s", size, units[unit]);
	else
		snprintf(ret_text, BFS_SIZE_TEXT_SIZE, "%.1f%s", size, units[unit]);
	return ret_text;
}

int bfs_size_parse(const char *text, uint64_t *ret_bytes)
{
	static const char units[] = "KMGT";
	const char *unit;
	uint64_t number;
	char *end;

	errno = 0;
	number = strtoull(text, &end, 10);
	unit = *end ? strchr(units, *end) : NULL;
	if (errno || *text < '0' || *text > '9' || !unit || end[1] || number == 0 ||
		number > UINT64_C(1) << 22)
		return -EINVAL;
	*ret_bytes = number << (10 * (unit - units + 1));
	return 0;
}

char *bfs_time_text(int64_t seconds, char ret_text[BFS_TIME_TEXT_SIZE])
{
	time_t time = (time_t)seconds;
	struct tm tm;

	if (!localtime_r(&time, &tm) ||
		strftime(ret_text, BFS_TIME_TEXT_SIZE, "%Y-%m-%d at %H:%M:%S", &tm) == 0)
		snprintf(ret_text, BFS_TIME_TEXT_SIZE, "%lld", (long long)seconds);
	return ret_text;
}

void bfs_text_print(FILE *stream, const char *text)
{
	if (!isatty(fileno(stream))) {
		fputs(text, stream);
		return;
	}
	for (; *text; text++)
		putc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, stream);
}

/* Length of the UTF-8 sequence at `text` (RFC 3629), 0 where there is none. */
static size_t utf8_length(const unsigned char *text)
{
	static const struct {
		unsigned char first_low, first_high, second_low, second_high;
		size_t length;
	} forms[] = {
		{0xc2, 0xdf, 0x80, 0xbf, 2},
		{0xe0, 0xe0, 0xa0, 0xbf, 3},
		{0xe1, 0xec, 0x80, 0xbf, 3},
		{0xed, 0xed, 0x80, 0x9f, 3},
		{0xee, 0xef, 0x80, 0xbf, 3},
		{0xf0, 0xf0, 0x90, 0xbf, 4},
		{0xf1, 0xf3, 0x80, 0xbf, 4},
		{0xf4, 0xf4, 0x80, 0x8f, 4},
	};
	size_t form = 0, i;

	if (text[0] < 0x80)
		return 1;
	while (form < BFS_ARRAY_LENGTH(forms) &&
		(text[0] < forms[form].first_low || text[0] > forms[form].first_high))
		form++;
	if (form == BFS_ARRAY_LENGTH(forms) || text[1] < forms[form].second_low ||
		text[1] > forms[form].second_high)
		return 0;
	for (i = 2; i < forms[form].length; i++)
		if (text[i] < 0x80 || text[i] > 0xbf)
			return 0;
	return forms[form].length;
}

json_t *bfs_text_json(const char *text)
{
	_cleanup_buffer_ struct bfs_buffer clean = BFS_BUFFER_INIT;
	json_t *string = text ? json_string(text) : json_null();

	if (string)
		return string;
	while (*text) {
		size_t length = utf8_length((const unsigned char *)text);
		int r = length ? bfs_buffer_append(&clean, text, length)
			       : bfs_buffer_append_string(&clean, "\xef\xbf\xbd");

		if (r < 0)
			return NULL;
		text += length ? length : 1;
	}
	return json_stringn(clean.data, clean.length);
}

static size_t terminal_width(void)
{
	struct winsize size;
	const char *columns = getenv("COLUMNS");

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return columns && atoi(columns) > 0 ? (size_t)atoi(columns) : DEFAULT_WIDTH;
}

/* Down the first column, then down the second, as ls(1) and Homebrew do. */
static void print_columns(char *const *strings, size_t count, size_t widest)
{
	size_t width = terminal_width() + COLUMN_GAP;
	size_t columns = width / (widest + COLUMN_GAP) ? width / (widest + COLUMN_GAP) : 1;
	size_t rows = (count + columns - 1) / columns;

	for (size_t row = 0; row < rows; row++) {
		for (size_t i = row; i < count; i += rows) {
			bfs_text_print(stdout, strings[i]);
			if (i + rows < count)
				printf("%*s", (int)(widest + COLUMN_GAP - strlen(strings[i])), "");
		}
		putchar('\n');
	}
}

void bfs_text_print_list(char *const *strings, bool one_per_line)
{
	size_t count = 0, widest = 0;

	for (; strings[count]; count++)
		if (strlen(strings[count]) > widest)
			widest = strlen(strings[count]);
	if (!one_per_line && count && isatty(STDOUT_FILENO)) {
		print_columns(strings, count, widest);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		bfs_text_print(stdout, strings[i]);
		putchar('\n');
	}
}
