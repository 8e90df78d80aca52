#include "index/fetch.h"

#include "index/fetch_blocks.h"
#include "lib/file.h"
#include "lib/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

/* Threads that read ahead: some MiB under way fill the line to one client of EFS. */
#define THREADS	  8
#define IDLE_LOAD 4 /* of them, when it is only for the cache's sake */
#define PACK_LOAD 4 /* of them, for one pack: others have some too */

/* Fetches under way at once; each has two files open. */
#define FETCHES_MAX 160

/* Without a reader that waits for this long, the store is free for what nobody waits for. */
#define IDLE_AFTER 100 /* ms */

#define GIVEN_UP     64 /* files remembered */
#define GIVEN_UP_FOR 60 /* seconds */

enum state {
	STATE_NEW,     /* wanted; nobody has opened it */
	STATE_OPENING, /* somebody is at it */
	STATE_OPEN,
	STATE_FINISHING, /* all is there; somebody checks it */
	STATE_KEPT,
	STATE_FAILED
};

struct bfs_fetch {
	struct bfs_fetcher *fetcher;
	struct bfs_content content; /* one that is in the file */
	struct bfs_fetch *next;	    /* in the fetcher's list while it is under way */
	enum state state;
	bool listed;
	bool urgent;	/* somebody waits until it is in the cache */
	int error;	/* of STATE_FAILED */
	unsigned users; /* the list is one */
	int from_fd, to_fd;
	char *staged;
	uint64_t size;
	struct bfs_blocks blocks;
	uint64_t want_offset, want_length; /* before it is open */
};

struct given_up {
	struct bfs_digest digest;
	int64_t until; /* seconds, monotonic */
};

struct bfs_fetcher {
	struct bfs_store *store;
	struct bfs_cache *cache;
	pthread_mutex_t lock;	/* protects everything below, and all of a fetch that changes */
	pthread_cond_t work;	/* there is something to do for a thread */
	pthread_cond_t arrived; /* blocks came, or a state changed */
	struct bfs_fetch *first;
	unsigned count;
	unsigned waiting;     /* readers in the store or waiting for it */
	int64_t last_waiting; /* ms, monotonic: when there last was one */
	unsigned filling;     /* threads at work for the cache's sake */
	struct given_up given_up[GIVEN_UP];
	unsigned next_given_up;
	bool stop;
	unsigned started;
	pthread_t threads[THREADS];
	struct bfs_fetch_counts counts;
};

static const struct bfs_digest *digest_of(const struct bfs_content *content)
{
	return content->packed ? &content->pack : &content->digest;
}

static bool is_same_file(const struct bfs_content *a, const struct bfs_content *b)
{
	return a->packed == b->packed && bfs_digest_equal(digest_of(a), digest_of(b));
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* --- making and freeing --- */

int bfs_fetcher_new(
	struct bfs_store *store, struct bfs_cache *cache, struct bfs_fetcher **ret_fetcher)
{
	struct bfs_fetcher *fetcher = calloc(1, sizeof(*fetcher));
	pthread_condattr_t attributes;

	if (!fetcher)
		return -ENOMEM;
	fetcher->store = store;
	fetcher->cache = cache;
	pthread_mutex_init(&fetcher->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&fetcher->work, &attributes);
	pthread_cond_init(&fetcher->arrived, NULL);
	pthread_condattr_destroy(&attributes);
	*ret_fetcher = fetcher;
	return 0;
}

static void free_fetch(struct bfs_fetch *fetch)
{
	if (fetch->from_fd >= 0)
		close(fetch->from_fd);
	if (fetch->to_fd >= 0)
		close(fetch->to_fd);
	bfs_blocks_release(&fetch->blocks);
	free(fetch->staged);
	free(fetch);
}

/* With the lock held. */
static void unuse(struct bfs_fetch *fetch)
{
	if (--fetch->users == 0)
		free_fetch(fetch);
}

/* With the lock held: out of the list, in one of its last two states. */
static void end(struct bfs_fetch *fetch, int error)
{
	struct bfs_fetcher *fetcher = fetch->fetcher;
	struct bfs_fetch **place = &fetcher->first;

	fetch->state = error ? STATE_FAILED : STATE_KEPT;
	fetch->error = error;
	if (error)
		fetcher->counts.failed++;
	else
		fetcher->counts.completed++;
	pthread_cond_broadcast(&fetcher->arrived);
	if (!fetch->listed)
		return;
	while (*place != fetch)
		place = &(*place)->next;
	*place = fetch->next;
	fetch->listed = false;
	fetcher->count--;
	unuse(fetch);
}

/* With the lock held: what cannot be kept is not tried again for a while. */
static void give_up(struct bfs_fetch *fetch, int error)
{
	struct bfs_fetcher *fetcher = fetch->fetcher;

	if (fetch->state == STATE_FAILED || fetch->state == STATE_KEPT)
		return;
	fetcher->given_up[fetcher->next_given_up++ % GIVEN_UP] =
		(struct given_up){*digest_of(&fetch->content), now_ms() / 1000 + GIVEN_UP_FOR};
	if (fetch->staged)
		bfs_cache_discard(fetcher->cache, fetch->staged);
	end(fetch, error);
}

static bool was_given_up(const struct bfs_fetcher *fetcher, const struct bfs_content *content)
{
	int64_t now = now_ms() / 1000;

	for (size_t i = 0; i < GIVEN_UP; i++)
		if (fetcher->given_up[i].until > now &&
			bfs_digest_equal(&fetcher->given_up[i].digest, digest_of(content)))
			return true;
	return false;
}

/* --- one file --- */

/* Without the lock, by whoever set STATE_OPENING. */
static int open_files(struct bfs_fetch *fetch)
{
	struct bfs_fetcher *fetcher = fetch->fetcher;
	char name[BFS_STORE_NAME_SIZE];
	struct statx st;
	int r;

	if (fetch->content.packed)
		bfs_store_pack_name(&fetch->content.pack, name);
	else
		bfs_store_object_name(&fetch->content, name);
	fetch->from_fd = bfs_store_open_file(
		fetcher->store, name, O_RDONLY | O_NOFOLLOW | O_NOATIME);
	if (fetch->from_fd == -EPERM)
		fetch->from_fd = bfs_store_open_file(fetcher->store, name, O_RDONLY | O_NOFOLLOW);
	if (fetch->from_fd < 0)
		return fetch->from_fd;
	/* The size alone: a network filesystem knows that from the opening. */
	if (statx(fetch->from_fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_SIZE, &st) < 0)
		return -errno;
	if (!S_ISREG(st.stx_mode) || (!fetch->content.packed && st.stx_size != fetch->content.size))
		return -EIO;
	fetch->size = st.stx_size;
	/* Each read asks for just what is wanted. */
	posix_fadvise(fetch->from_fd, 0, 0, POSIX_FADV_RANDOM);
	r = bfs_blocks_init(&fetch->blocks, fetch->size);
	return r < 0 ? r
		     : bfs_cache_stage(fetcher->cache, fetch->size, &fetch->to_fd, &fetch->staged);
}

/* With the lock held; lets it go meanwhile. */
static void open_fetch(struct bfs_fetch *fetch)
{
	struct bfs_fetcher *fetcher = fetch->fetcher;
	int r;

	fetch->state = STATE_OPENING;
	pthread_mutex_unlock(&fetcher->lock);
	r = open_files(fetch);
	pthread_mutex_lock(&fetcher->lock);
	if (r < 0) {
		give_up(fetch, r);
		return;
	}
	fetch->state = STATE_OPEN;
	if (fetch->content.packed) /* from what is asked for on */
		fetch->blocks.cursor = (size_t)(fetch->content.offset / BFS_BLOCK_SIZE);
	bfs_blocks_want(&fetch->blocks, fetch->want_offset, fetch->want_length);
	pthread_cond_broadcast(&fetcher->arrived);
	pthread_cond_broadcast(&fetcher->work);
}

static int copy(struct bfs_fetch *fetch, uint64_t offset, size_t length, bool *ret_is_local)
{
	void *bytes =
		mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int r;

	*ret_is_local = false;
	if (bytes == MAP_FAILED)
		return -ENOMEM;
	r = bfs_pread_all(fetch->from_fd, bytes, length, offset);
	if (r == 0) {
		r = bfs_pwrite_all(fetch->to_fd, bytes, length, offset);
		*ret_is_local = r < 0;
	}
	munmap(bytes, length);
	/* The local file's pages are enough. */
	posix_fadvise(fetch->from_fd, (off_t)offset, (off_t)length, POSIX_FADV_DONTNEED);
	return r == -ENODATA ? -EIO : r;
}

/* With the lock held, which it lets go meanwhile: brings a run of blocks that was taken. */
static int bring(struct bfs_fetch *fetch, struct bfs_run run)
{
	struct bfs_fetcher *fetcher = fetch->fetcher;
	uint64_t offset;
	size_t length = bfs_blocks_bytes(&fetch->blocks, run, &offset);
	bool is_local;
	int r;

	fetcher->counts.reads++;
	pthread_mutex_unlock(&fetcher->lock);
	r = copy(fetch, offset, length, &is_local);
	pthread_mutex_lock(&fetcher->lock);
	bfs_blocks_put(&fetch->blocks, run, r == 0);
	if (r == 0)
		fetcher->counts.bytes += length;
	if (is_local) /* the disk is full */
		give_up(fetch, r);
	if (bfs_blocks_complete(&fetch->blocks))
		pthread_cond_signal(&fetcher->work);
	pthread_cond_broadcast(&fetcher->arrived);
	return r;
}

/* With the lock held, which it lets go meanwhile. */
static void finish(struct bfs_fetch *fetch)
{
	struct bfs_fetcher *fetcher = fetch->fetcher;
	char hex[BFS_DIGEST_HEX_SIZE];
	int r;

	fetch->state = STATE_FINISHING;
	fetch->users++;
	pthread_mutex_unlock(&fetcher->lock);
	close(bfs_steal_fd(&fetch->from_fd));
	r = bfs_cache_keep(
		fetcher->cache, &fetch->content, fetch->to_fd, fetch->staged, fetch->size);
	if (r == -EBADMSG)
		bfs_log_error("the store is damaged: the SHA-256 of %s %s is another one",
			fetch->content.packed ? "pack" : "object",
			bfs_digest_to_hex(digest_of(&fetch->content), hex));
	pthread_mutex_lock(&fetcher->lock);
	if (r < 0)
		give_up(fetch, r);
	else
		end(fetch, 0);
	unuse(fetch);
}

/* --- the threads --- */

/* With the lock held: whether nobody has waited for a while. */
static bool is_idle(const struct bfs_fetcher *fetcher)
{
	return fetcher->waiting == 0 && now_ms() - fetcher->last_waiting >= IDLE_AFTER;
}

/* With the lock held: does one thing that somebody waits for, or soon will. */
static bool do_urgent(struct bfs_fetcher *fetcher)
{
	for (struct bfs_fetch *fetch = fetcher->first; fetch; fetch = fetch->next) {
		struct bfs_run run = {0};

		if (fetch->state == STATE_NEW) {
			fetch->users++;
			open_fetch(fetch);
			unuse(fetch);
			return true;
		}
		if (fetch->state != STATE_OPEN)
			continue;
		if (bfs_blocks_complete(&fetch->blocks) && fetch->urgent) {
			finish(fetch);
			return true;
		}
		run = bfs_blocks_take_wanted(&fetch->blocks);
		if (run.count == 0 && fetch->content.packed && fetch->blocks.flying < PACK_LOAD)
			run = bfs_blocks_take_next(&fetch->blocks);
		if (run.count > 0) {
			fetch->users++;
			if (bring(fetch, run) < 0)
				give_up(fetch, -EIO);
			unuse(fetch);
			return true;
		}
	}
	return false;
}

/* With the lock held: whether the fetch has something to do that nobody waits for. */
static bool has_filling(const struct bfs_fetch *fetch)
{
	return fetch->state == STATE_OPEN &&
	       (bfs_blocks_has_missing(&fetch->blocks) || bfs_blocks_complete(&fetch->blocks));
}

/* With the lock held: brings some of it, or checks and keeps it. */
static void fill(struct bfs_fetch *fetch)
{
	struct bfs_run run;

	if (bfs_blocks_complete(&fetch->blocks)) {
		finish(fetch);
		return;
	}
	run = bfs_blocks_take_next(&fetch->blocks);
	/* What the store does not give now it may give to a reader. */
	if (bring(fetch, run) < 0)
		give_up(fetch, -EIO);
}

/* With the lock held: does something for the cache's sake. `ret_later`: there is such work. */
static bool do_filling(struct bfs_fetcher *fetcher, bool *ret_later)
{
	*ret_later = false;
	for (struct bfs_fetch *fetch = fetcher->first; fetch; fetch = fetch->next) {
		if (!has_filling(fetch))
			continue;
		if (fetcher->filling >= IDLE_LOAD)
			return false;
		*ret_later = true;
		if (!is_idle(fetcher))
			return false;
		fetch->users++;
		fetcher->filling++;
		fill(fetch);
		fetcher->filling--;
		unuse(fetch);
		return true;
	}
	return false;
}

static void wait_for_work(struct bfs_fetcher *fetcher, bool later)
{
	struct timespec until;

	if (!later) {
		pthread_cond_wait(&fetcher->work, &fetcher->lock);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += IDLE_AFTER * 1000000L;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(&fetcher->work, &fetcher->lock, &until);
}

static void *run_thread(void *context)
{
	struct bfs_fetcher *fetcher = context;

	pthread_mutex_lock(&fetcher->lock);
	while (!fetcher->stop) {
		bool later;

		if (!do_urgent(fetcher) && !do_filling(fetcher, &later))
			wait_for_work(fetcher, later);
	}
	pthread_mutex_unlock(&fetcher->lock);
	return NULL;
}

/* With the lock held. Without threads readers bring what they need, and nothing is kept. */
static void start_threads(struct bfs_fetcher *fetcher)
{
	while (fetcher->started < THREADS &&
		pthread_create(&fetcher->threads[fetcher->started], NULL, run_thread, fetcher) == 0)
		fetcher->started++;
}

bool bfs_fetcher_stop(struct bfs_fetcher *fetcher, unsigned timeout)
{
	struct timespec until;

	pthread_mutex_lock(&fetcher->lock);
	fetcher->stop = true;
	pthread_cond_broadcast(&fetcher->work);
	pthread_mutex_unlock(&fetcher->lock);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += timeout / 1000 + 1;
	while (fetcher->started > 0) {
		if (pthread_timedjoin_np(fetcher->threads[fetcher->started - 1], NULL, &until) != 0)
			return false;
		fetcher->started--;
	}
	pthread_mutex_lock(&fetcher->lock);
	while (fetcher->first)
		give_up(fetcher->first, -ECANCELED);
	pthread_mutex_unlock(&fetcher->lock);
	return true;
}

void bfs_fetcher_free(struct bfs_fetcher *fetcher)
{
	if (!fetcher)
		return;
	pthread_cond_destroy(&fetcher->work);
	pthread_cond_destroy(&fetcher->arrived);
	pthread_mutex_destroy(&fetcher->lock);
	free(fetcher);
}

/* --- for its users --- */

/* With the lock held: the one under way, or a new one; NULL where there can be none. */
static struct bfs_fetch *find_or_add(struct bfs_fetcher *fetcher, const struct bfs_content *content)
{
	struct bfs_fetch *fetch = fetcher->first;

	while (fetch && !is_same_file(&fetch->content, content))
		fetch = fetch->next;
	if (fetch || fetcher->stop || fetcher->count >= FETCHES_MAX ||
		was_given_up(fetcher, content))
		return fetch;
	fetch = calloc(1, sizeof(*fetch));
	if (!fetch)
		return NULL;
	fetch->fetcher = fetcher;
	fetch->content = *content;
	fetch->from_fd = fetch->to_fd = -1;
	fetch->users = 1;
	fetch->listed = true;
	fetch->next = fetcher->first;
	fetcher->first = fetch;
	fetcher->count++;
	return fetch;
}

/* With the lock held: somebody waits, or no longer does. */
static void note_waiting(struct bfs_fetcher *fetcher, int change)
{
	fetcher->waiting += (unsigned)change;
	fetcher->last_waiting = now_ms();
}

int bfs_fetch_begin(struct bfs_fetcher *fetcher, const struct bfs_content *content,
	struct bfs_fetch **ret_fetch)
{
	struct bfs_fetch *fetch;
	int r = 0;

	pthread_mutex_lock(&fetcher->lock);
	fetch = find_or_add(fetcher, content);
	if (!fetch) {
		pthread_mutex_unlock(&fetcher->lock);
		return -EAGAIN;
	}
	start_threads(fetcher);
	fetch->users++;
	note_waiting(fetcher, 1);
	if (fetch->state == STATE_NEW)
		open_fetch(fetch);
	while (fetch->state == STATE_OPENING)
		pthread_cond_wait(&fetcher->arrived, &fetcher->lock);
	note_waiting(fetcher, -1);
	if (fetch->state == STATE_FAILED) {
		r = fetch->error;
		unuse(fetch);
	}
	pthread_mutex_unlock(&fetcher->lock);
	if (r == 0)
		*ret_fetch = fetch;
	return r;
}

void bfs_fetch_want(struct bfs_fetcher *fetcher, const struct bfs_content *content, uint64_t offset,
	uint64_t length)
{
	struct bfs_fetch *fetch;

	pthread_mutex_lock(&fetcher->lock);
	fetch = find_or_add(fetcher, content);
	if (fetch && fetch->state == STATE_OPEN) {
		bfs_blocks_want(&fetch->blocks, offset, length);
	} else if (fetch) {
		fetch->want_offset = offset;
		fetch->want_length = length;
	}
	start_threads(fetcher);
	pthread_cond_broadcast(&fetcher->work);
	pthread_mutex_unlock(&fetcher->lock);
}

int bfs_fetch_fd(const struct bfs_fetch *fetch)
{
	return fetch->to_fd;
}

uint64_t bfs_fetch_size(const struct bfs_fetch *fetch)
{
	return fetch->size;
}

/* With the lock held: brings or awaits the blocks of a range. */
static int wait_for_range(struct bfs_fetch *fetch, struct bfs_run range)
{
	struct bfs_fetcher *fetcher = fetch->fetcher;

	while (fetch->state != STATE_FAILED) {
		struct bfs_run run;
		int r;

		if (bfs_blocks_are_here(&fetch->blocks, range))
			return 0;
		run = bfs_blocks_take_first(&fetch->blocks, range);
		if (run.count == 0) {
			pthread_cond_wait(&fetcher->arrived, &fetcher->lock);
			continue;
		}
		if (bfs_blocks_read_ahead(&fetch->blocks, run) || fetch->content.packed)
			pthread_cond_broadcast(&fetcher->work);
		r = bring(fetch, run);
		if (r < 0)
			return r;
	}
	return fetch->error;
}

int bfs_fetch_wait(struct bfs_fetch *fetch, uint64_t offset, uint64_t length)
{
	struct bfs_fetcher *fetcher = fetch->fetcher;
	struct bfs_run range = bfs_blocks_range(&fetch->blocks, offset, length);
	int r;

	pthread_mutex_lock(&fetcher->lock);
	if (fetch->state == STATE_KEPT || bfs_blocks_are_here(&fetch->blocks, range)) {
		r = fetch->state == STATE_FAILED ? fetch->error : 0;
	} else {
		note_waiting(fetcher, 1);
		r = wait_for_range(fetch, range);
		note_waiting(fetcher, -1);
	}
	pthread_mutex_unlock(&fetcher->lock);
	return r;
}

int bfs_fetch_finish(struct bfs_fetch *fetch)
{
	struct bfs_fetcher *fetcher = fetch->fetcher;
	int r;

	pthread_mutex_lock(&fetcher->lock);
	fetch->urgent = true;
	bfs_blocks_want(&fetch->blocks, 0, fetch->size);
	pthread_cond_broadcast(&fetcher->work);
	while (fetch->state < STATE_KEPT) {
		struct bfs_run run = bfs_blocks_take_wanted(&fetch->blocks);

		r = run.count > 0 ? bring(fetch, run) : 0;
		if (r < 0)
			give_up(fetch, r);
		else if (run.count == 0)
			pthread_cond_wait(&fetcher->arrived, &fetcher->lock);
	}
	r = fetch->state == STATE_FAILED ? fetch->error : 0;
	pthread_mutex_unlock(&fetcher->lock);
	return r;
}

void bfs_fetch_release(struct bfs_fetch *fetch)
{
	struct bfs_fetcher *fetcher = fetch->fetcher;

	pthread_mutex_lock(&fetcher->lock);
	unuse(fetch);
	pthread_mutex_unlock(&fetcher->lock);
}

void bfs_fetcher_get_counts(struct bfs_fetcher *fetcher, struct bfs_fetch_counts *ret_counts)
{
	pthread_mutex_lock(&fetcher->lock);
	*ret_counts = fetcher->counts;
	ret_counts->under_way = fetcher->count;
	pthread_mutex_unlock(&fetcher->lock);
}
