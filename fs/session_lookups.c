#include "fs/session_lookups.h"

#include "index/tree.h"

#include <pthread.h>

/* So that responders rarely wait for each other; a power of two. */
#define SHARDS 16

#define FIRST_CAPACITY 64 /* a power of two */

struct entry {
	uint64_t ino; /* 0: free */
	uint32_t lookups;
	bool doomed;
};

/* A hash table with linear probing, at most three quarters full. */
struct shard {
	pthread_mutex_t lock; /* protects the rest */
	struct entry *entries;
	size_t capacity, count;
};

struct bfs_lookups {
	struct shard shards[SHARDS];
};

int bfs_lookups_new(struct bfs_lookups **ret_table)
{
	struct bfs_lookups *table = calloc(1, sizeof(*table));

	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < SHARDS; i++)
		pthread_mutex_init(&table->shards[i].lock, NULL);
	*ret_table = table;
	return 0;
}

void bfs_lookups_free(struct bfs_lookups *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < SHARDS; i++) {
		pthread_mutex_destroy(&table->shards[i].lock);
		free(table->shards[i].entries);
	}
	free(table);
}

static struct shard *lock_shard(struct bfs_lookups *table, uint64_t ino)
{
	struct shard *shard = &table->shards[ino % SHARDS];

	pthread_mutex_lock(&shard->lock);
	return shard;
}

/* Numbers follow each other, so they are spread by a multiplication (Knuth, 6.4). */
static size_t place_of(const struct shard *shard, uint64_t ino)
{
	return (size_t)((ino / SHARDS) * UINT64_C(0x9e3779b97f4a7c15) >> 32) &
	       (shard->capacity - 1);
}

/* The inode's entry, or the free one where it would be. There is always a free one. */
static struct entry *find(const struct shard *shard, uint64_t ino)
{
	size_t i = place_of(shard, ino);

	while (shard->entries[i].ino && shard->entries[i].ino != ino)
		i = (i + 1) & (shard->capacity - 1);
	return &shard->entries[i];
}

static int resize(struct shard *shard, size_t capacity)
{
	struct shard old = *shard;

	shard->entries = calloc(capacity, sizeof(*shard->entries));
	if (!shard->entries) {
		shard->entries = old.entries;
		return -ENOMEM;
	}
	shard->capacity = capacity;
	for (size_t i = 0; i < old.capacity; i++)
		if (old.entries[i].ino)
			*find(shard, old.entries[i].ino) = old.entries[i];
	free(old.entries);
	return 0;
}

/* Room for one more. */
static int grow(struct shard *shard)
{
	if (shard->capacity == 0)
		return resize(shard, FIRST_CAPACITY);
	return (shard->count + 1) * 4 > shard->capacity * 3 ? resize(shard, shard->capacity * 2)
							    : 0;
}

/* Closes the gap: what was displaced past it moves back (Knuth, algorithm 6.4R). */
static void remove_entry(struct shard *shard, struct entry *entry)
{
	size_t mask = shard->capacity - 1;
	size_t gap = (size_t)(entry - shard->entries);

	for (size_t i = (gap + 1) & mask; shard->entries[i].ino; i = (i + 1) & mask) {
		size_t home = place_of(shard, shard->entries[i].ino);

		if (((i - home) & mask) < ((i - gap) & mask))
			continue;
		shard->entries[gap] = shard->entries[i];
		gap = i;
	}
	shard->entries[gap] = (struct entry){0};
	shard->count--;
	/* After a big tree was removed; failing to shrink does no harm. */
	if (shard->capacity > FIRST_CAPACITY && shard->count * 8 < shard->capacity)
		resize(shard, shard->capacity / 2);
}

int bfs_lookups_add(struct bfs_lookups *table, uint64_t ino)
{
	struct shard *shard;
	struct entry *entry;
	int r;

	if (ino == BFS_TREE_ROOT)
		return 0;
	shard = lock_shard(table, ino);
	r = grow(shard);
	if (r == 0) {
		entry = find(shard, ino);
		shard->count += entry->ino == 0;
		entry->ino = ino;
		entry->lookups++;
	}
	pthread_mutex_unlock(&shard->lock);
	return r;
}

bool bfs_lookups_forget(struct bfs_lookups *table, uint64_t ino, uint64_t count)
{
	struct shard *shard;
	bool gone = false;

	if (ino == BFS_TREE_ROOT)
		return false;
	shard = lock_shard(table, ino);
	if (shard->capacity) {
		struct entry *entry = find(shard, ino);

		if (entry->ino && entry->lookups > count) {
			entry->lookups -= (uint32_t)count;
		} else if (entry->ino) {
			gone = entry->doomed;
			remove_entry(shard, entry);
		}
	}
	pthread_mutex_unlock(&shard->lock);
	return gone;
}

bool bfs_lookups_doom(struct bfs_lookups *table, uint64_t ino)
{
	struct shard *shard = lock_shard(table, ino);
	struct entry *entry = shard->capacity ? find(shard, ino) : NULL;
	bool is_known = entry && entry->ino;

	if (is_known)
		entry->doomed = true;
	pthread_mutex_unlock(&shard->lock);
	return is_known;
}

uint64_t bfs_lookups_count(struct bfs_lookups *table)
{
	uint64_t count = 0;

	for (size_t i = 0; i < SHARDS; i++) {
		pthread_mutex_lock(&table->shards[i].lock);
		count += table->shards[i].count;
		pthread_mutex_unlock(&table->shards[i].lock);
	}
	return count;
}
