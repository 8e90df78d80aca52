#include "installer/formula_private.h"

#include "lib/buffer.h"

#include <ctype.h>
#include <string.h>
#include <time.h>

#define DATE_SIZE 11 /* "2027-01-31" and the NUL */

/* What the symbols mean (Homebrew deprecate_disable.rb). */
static const struct {
	const char *symbol, *text;
} reasons[] = {
	{"does_not_build", "does not build"},
	{"no_license", "has no license"},
	{"repo_archived", "has an archived upstream repository"},
	{"repo_removed", "has a removed upstream repository"},
	{"unmaintained", "is not maintained upstream"},
	{"unsupported", "is not supported upstream"},
	{"deprecated_upstream", "is deprecated upstream"},
	{"versioned_formula", "is a versioned formula"},
	{"checksum_mismatch",
		"was built with an initially released source file that had a different checksum "
		"than the current one. Upstream's repository might have been compromised. We can "
		"re-package this once upstream has confirmed that they retagged their release"},
};

static const char *reason_text(const char *because)
{
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(reasons); i++)
		if (strcmp(reasons[i].symbol, because) == 0)
			return reasons[i].text;
	return because;
}

static bool date_is_valid(const char *date)
{
	static const char form[] = "dddd-dd-dd";

	if (strlen(date) != strlen(form))
		return false;
	for (size_t i = 0; form[i]; i++)
		if (form[i] == 'd' ? !isdigit((unsigned char)date[i]) : date[i] != form[i])
			return false;
	return true;
}

static void get_today(char today[DATE_SIZE])
{
	time_t now = time(NULL);
	struct tm parts;

	memset(&parts, 0, sizeof(parts));
	localtime_r(&now, &parts);
	strftime(today, DATE_SIZE, "%Y-%m-%d", &parts);
}

/* The same day of the next year; of 29 February, the 28th. */
static void add_year(const char *date, char ret_date[DATE_SIZE])
{
	unsigned int year = (unsigned int)strtoul(date, NULL, 10) + 1;

	memcpy(ret_date, date, DATE_SIZE);
	for (int i = 3; i >= 0; i--, year /= 10)
		ret_date[i] = (char)('0' + year % 10);
	if (strcmp(ret_date + 4, "-02-29") == 0)
		ret_date[9] = '8';
}

/* " It will be disabled on ...": a year after deprecation where no other date is given. */
static int append_date(struct bfs_buffer *text, const struct bfs_formula_event *deprecate,
	const struct bfs_formula_event *disable, const char *today)
{
	char year_later[DATE_SIZE] = "";
	const char *date = disable->given ? disable->date : NULL;

	if (!date && deprecate->given && deprecate->date) {
		add_year(deprecate->date, year_later);
		date = year_later;
	}
	if (!date)
		return 0;
	return bfs_buffer_append_format(
		text, " It %s disabled on %s.", strcmp(date, today) < 0 ? "was" : "will be", date);
}

static int append_message(struct bfs_buffer *text, bool disabled,
	const struct bfs_formula_event *deprecate, const struct bfs_formula_event *disable,
	const char *today)
{
	const struct bfs_formula_event *event = disabled || !deprecate->given ? disable : deprecate;
	int r = bfs_buffer_append_string(text, disabled ? "disabled" : "deprecated");

	if (r == 0 && event->because && *event->because)
		r = bfs_buffer_append_format(text, " because it %s", reason_text(event->because));
	if (r == 0)
		r = bfs_buffer_append_string(text, "!");
	if (r == 0)
		r = append_date(text, deprecate, disable, today);
	if (r == 0 && event->replacement && *event->replacement)
		r = bfs_buffer_append_format(
			text, "\nReplacement: brewfs install %s", event->replacement);
	return r;
}

int bfs_formula_set_lifecycle(const struct bfs_formula_reader *reader,
	const struct bfs_formula_event *deprecate, const struct bfs_formula_event *disable)
{
	struct bfs_formula *formula = reader->formula;
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	char today[DATE_SIZE] = "";
	struct bfs_formula_event past = *deprecate;
	int r;

	get_today(today);
	if (past.given && past.date && strcmp(past.date, today) > 0)
		past.given = false;
	formula->disabled = disable->given && (!disable->date || strcmp(disable->date, today) <= 0);
	/* What will be disabled is deprecated until then. */
	formula->deprecated = past.given || (disable->given && !formula->disabled);
	if (!formula->disabled && !formula->deprecated)
		return 0;
	r = append_message(&text, formula->disabled, &past, disable, today);
	if (r < 0)
		return r;
	formula->deprecation_reason = bfs_buffer_steal(&text);
	return formula->deprecation_reason ? 0 : -ENOMEM;
}

/* An argument under its plain or its symbol's name. NULL where absent. */
static int get_argument(const struct bfs_formula_reader *reader, const json_t *arguments,
	const char *key, const char **ret_text)
{
	const json_t *value = json_object_get(arguments, key + (reader->escaped ? 0 : 1));

	if (value && !json_is_string(value) && !json_is_null(value))
		return -EBADMSG;
	*ret_text = bfs_formula_text(reader, json_string_value(value));
	return 0;
}

int bfs_formula_read_event(const struct bfs_formula_reader *reader, const char *key,
	struct bfs_formula_event *ret_event)
{
	struct bfs_formula_event event = {false, NULL, NULL, NULL};
	json_t *arguments;
	int r = bfs_formula_read_object(reader, key, &arguments);

	if (r < 0)
		return r;
	event.given = json_object_size(arguments) > 0;
	r = get_argument(reader, arguments, ":date", &event.date);
	if (r == 0)
		r = get_argument(reader, arguments, ":because", &event.because);
	if (r == 0)
		r = get_argument(reader, arguments, ":replacement_formula", &event.replacement);
	if (r < 0 || (event.date && !date_is_valid(event.date)))
		return bfs_formula_fail(reader, key, "has an unexpected argument");
	*ret_event = event;
	return 0;
}
