#include "index/fetch_blocks.h"

enum {
	MISSING,
	WANTED, /* and missing */
	FLYING,
	HERE
};

int bfs_blocks_init(struct bfs_blocks *blocks, uint64_t size)
{
	size_t count = (size_t)((size + BFS_BLOCK_SIZE - 1) / BFS_BLOCK_SIZE);

	*blocks = (struct bfs_blocks){.size = size, .count = count, .missing = count};
	blocks->states = calloc(count ? count : 1, 1);
	return blocks->states ? 0 : -ENOMEM;
}

void bfs_blocks_release(struct bfs_blocks *blocks)
{
	free(blocks->states);
	*blocks = (struct bfs_blocks){0};
}

bool bfs_blocks_complete(const struct bfs_blocks *blocks)
{
	return blocks->here == blocks->count;
}

bool bfs_blocks_has_missing(const struct bfs_blocks *blocks)
{
	return blocks->missing > 0;
}

struct bfs_run bfs_blocks_range(const struct bfs_blocks *blocks, uint64_t offset, uint64_t length)
{
	struct bfs_run range = {0};
	uint64_t last;

	if (length == 0 || offset >= blocks->size)
		return range;
	last = length > blocks->size - offset ? blocks->size - 1 : offset + length - 1;
	range.first = (size_t)(offset / BFS_BLOCK_SIZE);
	range.count = (size_t)(last / BFS_BLOCK_SIZE) - range.first + 1;
	return range;
}

bool bfs_blocks_are_here(const struct bfs_blocks *blocks, struct bfs_run range)
{
	for (size_t i = range.first; i < range.first + range.count; i++)
		if (blocks->states[i] != HERE)
			return false;
	return true;
}

size_t bfs_blocks_bytes(const struct bfs_blocks *blocks, struct bfs_run run, uint64_t *ret_offset)
{
	uint64_t offset = (uint64_t)run.first * BFS_BLOCK_SIZE;
	uint64_t length = (uint64_t)run.count * BFS_BLOCK_SIZE;

	*ret_offset = offset;
	return (size_t)(length > blocks->size - offset ? blocks->size - offset : length);
}

static bool is_missing(const struct bfs_blocks *blocks, size_t i)
{
	return blocks->states[i] == MISSING || blocks->states[i] == WANTED;
}

static bool want_block(struct bfs_blocks *blocks, size_t i)
{
	if (blocks->states[i] != MISSING)
		return false;
	blocks->states[i] = WANTED;
	blocks->wanted++;
	if (i < blocks->wanted_from)
		blocks->wanted_from = i;
	return true;
}

void bfs_blocks_want(struct bfs_blocks *blocks, uint64_t offset, uint64_t length)
{
	struct bfs_run range = bfs_blocks_range(blocks, offset, length);

	for (size_t i = range.first; i < range.first + range.count; i++)
		want_block(blocks, i);
}

bool bfs_blocks_read_ahead(struct bfs_blocks *blocks, struct bfs_run run)
{
	size_t end = run.first + run.count;
	bool any = false;

	if (run.first == 0 || is_missing(blocks, run.first - 1))
		return false;
	for (size_t i = end; i < blocks->count && i < end + BFS_READ_AHEAD; i++)
		any = want_block(blocks, i) || any;
	return any;
}

/* Missing blocks from `first` on, before `end`. */
static struct bfs_run take(struct bfs_blocks *blocks, size_t first, size_t end)
{
	struct bfs_run run = {first, 0};

	while (run.count < BFS_RUN_MAX && first + run.count < end &&
		is_missing(blocks, first + run.count)) {
		uint8_t *state = &blocks->states[first + run.count++];

		if (*state == WANTED)
			blocks->wanted--;
		blocks->missing--;
		*state = FLYING;
	}
	if (run.count == 0)
		return run;
	blocks->flying++;
	blocks->cursor = first + run.count;
	return run;
}

struct bfs_run bfs_blocks_take_first(struct bfs_blocks *blocks, struct bfs_run range)
{
	size_t i, end;

	if (blocks->count <= BFS_RUN_MAX) /* all of a small file costs hardly more */
		range = (struct bfs_run){0, blocks->count};
	i = range.first;
	end = range.first + range.count;
	while (i < end && !is_missing(blocks, i))
		i++;
	return take(blocks, i, end);
}

struct bfs_run bfs_blocks_take_wanted(struct bfs_blocks *blocks)
{
	size_t i = blocks->wanted_from, end;

	if (blocks->wanted == 0)
		return (struct bfs_run){0};
	while (i < blocks->count && blocks->states[i] != WANTED)
		i++;
	blocks->wanted_from = i;
	for (end = i; end < blocks->count && blocks->states[end] == WANTED;)
		end++;
	return take(blocks, i, end);
}

struct bfs_run bfs_blocks_take_next(struct bfs_blocks *blocks)
{
	size_t i = blocks->cursor;

	if (blocks->missing == 0)
		return (struct bfs_run){0};
	while (i >= blocks->count || !is_missing(blocks, i))
		i = i + 1 < blocks->count ? i + 1 : 0;
	return take(blocks, i, blocks->count);
}

void bfs_blocks_put(struct bfs_blocks *blocks, struct bfs_run run, bool here)
{
	for (size_t i = run.first; i < run.first + run.count; i++)
		blocks->states[i] = here ? HERE : MISSING;
	if (here)
		blocks->here += run.count;
	else
		blocks->missing += run.count;
	blocks->flying--;
}
