#include "lib/suggest.h"

#include <string.h>

#define NAME_SIZE 64 /* longer names are not compared */

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/*
 * Characters inserted, left out, replaced or exchanged with their neighbour to make one name of the
 * other (the optimal string alignment distance); some number above `limit` where it is more.
 */
static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length, size_t limit)
{
	size_t rows[3][NAME_SIZE + 1];
	size_t *before = rows[0], *above = rows[1], *row = rows[2];

	for (size_t j = 0; j <= b_length; j++)
		above[j] = j;
	for (size_t i = 1; i <= a_length; i++) {
		size_t *oldest = before, best = row[0] = i;

		for (size_t j = 1; j <= b_length; j++) {
			row[j] = least(least(above[j], row[j - 1]) + 1,
				above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], before[j - 2] + 1);
			best = least(best, row[j]);
		}
		if (best > limit)
			return best;
		before = above;
		above = row;
		row = oldest;
	}
	return above[b_length];
}

void bfs_suggest_begin(struct bfs_suggestions *suggestions, const char *wanted)
{
	memset(suggestions, 0, sizeof(*suggestions));
	suggestions->wanted = wanted;
	/* A third of it may be wrong, and two letters of a short one are already another word. */
	suggestions->limit = strlen(wanted) < 5 ? 1 : strlen(wanted) / 3;
}

void bfs_suggest_release(struct bfs_suggestions *suggestions)
{
	for (size_t i = 0; i < suggestions->count; i++)
		free(suggestions->found[i].name);
	suggestions->count = 0;
}

static int insert(struct bfs_suggestions *suggestions, const char *name, size_t far)
{
	size_t at = suggestions->count;
	char *copy = strdup(name);

	if (!copy)
		return -ENOMEM;
	if (at == BFS_SUGGESTIONS)
		free(suggestions->found[--at].name);
	else
		suggestions->count++;
	for (; at > 0 && suggestions->found[at - 1].distance > far; at--)
		suggestions->found[at] = suggestions->found[at - 1];
	suggestions->found[at].name = copy;
	suggestions->found[at].distance = far;
	return 0;
}

int bfs_suggest_offer(struct bfs_suggestions *suggestions, const char *name)
{
	size_t wanted_length = strlen(suggestions->wanted), length = strlen(name), far;

	if (wanted_length > NAME_SIZE || length > NAME_SIZE ||
		(length > wanted_length ? length - wanted_length : wanted_length - length) >
			suggestions->limit)
		return 0;
	far = distance(suggestions->wanted, wanted_length, name, length, suggestions->limit);
	if (far > suggestions->limit ||
		(suggestions->count == BFS_SUGGESTIONS &&
			suggestions->found[BFS_SUGGESTIONS - 1].distance <= far))
		return 0;
	return insert(suggestions, name, far);
}

int bfs_suggest_append(const struct bfs_suggestions *suggestions, struct bfs_buffer *text)
{
	int r = 0;

	for (size_t i = 0; i < suggestions->count && r == 0; i++) {
		const char *before = " Did you mean ";

		if (i > 0)
			before = i + 1 == suggestions->count ? " or " : ", ";
		r = bfs_buffer_append_format(text, "%s%s", before, suggestions->found[i].name);
	}
	if (r == 0 && suggestions->count > 0)
		r = bfs_buffer_append_string(text, "?");
	return r;
}
