#include "installer/file_mode.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define UMASK 022

static bool is_octal(const char *change)
{
	size_t length = strspn(change, "01234567");

	return length > 0 && length <= 5 && change[length] == '\0';
}

/* The bits of the classes named before the operator: all of them, less the umask, where none is. */
static mode_t take_who(const char **change, bool *ret_named)
{
	static const char letters[] = "ugoa";
	static const mode_t bits[] = {S_ISUID | 0700, S_ISGID | 0070, S_ISVTX | 0007, 07777};
	const char *letter;
	mode_t who = 0;

	while (**change && (letter = strchr(letters, **change))) {
		who |= bits[letter - letters];
		(*change)++;
	}
	*ret_named = who != 0;
	return who ? who : 07777;
}

/* rwxXst, or one of ugo, whose bits are copied to all classes. */
static mode_t take_permissions(const char **change, mode_t mode)
{
	mode_t permissions = 0;
	bool executable = S_ISDIR(mode) || (mode & 0111);

	for (;; (*change)++) {
		switch (**change) {
		case 'r':
			permissions |= 0444;
			break;
		case 'w':
			permissions |= 0222;
			break;
		case 'x':
			permissions |= 0111;
			break;
		case 'X':
			permissions |= executable ? 0111 : 0;
			break;
		case 's':
			permissions |= S_ISUID | S_ISGID;
			break;
		case 't':
			permissions |= S_ISVTX;
			break;
		case 'u':
			permissions |= (mode >> 6 & 7) * 0111;
			break;
		case 'g':
			permissions |= (mode >> 3 & 7) * 0111;
			break;
		case 'o':
			permissions |= (mode & 7) * 0111;
			break;
		default:
			return permissions;
		}
	}
}

/* One clause, up to a comma or the end. */
static int apply_clause(const char **change, mode_t *mode)
{
	bool named;
	mode_t who = take_who(change, &named);

	if (!**change || !strchr("+-=", **change))
		return -EINVAL;
	while (**change && strchr("+-=", **change)) {
		char sign = *(*change)++;
		mode_t bits = take_permissions(change, *mode) & who;

		if (!named)
			bits &= ~(mode_t)UMASK;
		if (sign == '=')
			*mode &= ~(who & 0777);
		if (sign == '-')
			*mode &= ~bits;
		else
			*mode |= bits;
	}
	return **change && **change != ',' ? -EINVAL : 0;
}

static int apply(const char *change, mode_t *mode)
{
	if (is_octal(change)) {
		mode_t bits = 0;

		for (; *change; change++)
			bits = bits << 3 | (mode_t)(*change - '0');
		if (bits > 07777)
			return -EINVAL;
		*mode = (*mode & S_IFMT) | bits;
		return 0;
	}
	for (;;) {
		int r = apply_clause(&change, mode);

		if (r < 0 || !*change)
			return r;
		change++;
	}
}

int bfs_file_mode_check(const char *change)
{
	mode_t mode = S_IFREG | 0644;

	return apply(change, &mode);
}

mode_t bfs_file_mode_apply(const char *change, mode_t mode)
{
	apply(change, &mode);
	return mode & 07777 & ~(mode_t)(S_ISUID | S_ISGID);
}
