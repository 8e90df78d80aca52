#include "fs/reads.h"

#include "fs/reply.h"
#include "lib/file.h"

#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

/*
 * From this size, in bytes, two system calls for a splice cost less than copying once more, and a
 * read is one in order, whose pages will not be asked for again.
 */
#define BIG_READ (64 * 1024)

/* Bytes behind a big read between which pages are dropped. */
#define DROP_FROM (8 * 1024 * 1024)
#define DROP_TO	  (2 * 1024 * 1024)

struct job {
	struct job *next;
	fuse_req_t request;
	struct bfs_content content;
	uint64_t offset;
	size_t size;
	uint64_t started;
};

struct bfs_reads {
	struct bfs_foresight *foresight; /* NULL for none */
	struct bfs_content_reader *reader;
	struct bfs_stats *stats;
	bool splice, single_cache;
	pthread_mutex_t lock; /* protects everything below */
	unsigned places;      /* free */
	struct job *first;    /* waiting; any only while places is 0 */
	struct job **last;
};

int bfs_reads_new(struct bfs_content_reader *reader, struct bfs_stats *stats, unsigned places,
	struct bfs_reads **ret_reads)
{
	struct bfs_reads *reads = calloc(1, sizeof(*reads));

	if (!reads)
		return -ENOMEM;
	reads->reader = reader;
	reads->stats = stats;
	reads->places = places;
	reads->last = &reads->first;
	pthread_mutex_init(&reads->lock, NULL);
	*ret_reads = reads;
	return 0;
}

void bfs_reads_free(struct bfs_reads *reads)
{
	if (!reads)
		return;
	while (reads->first) {
		struct job *job = reads->first;

		reads->first = job->next;
		bfs_reply_error(job->request, -ENODEV);
		free(job);
	}
	pthread_mutex_destroy(&reads->lock);
	free(reads);
}

void bfs_reads_configure(struct bfs_reads *reads, bool splice, bool single_cache)
{
	reads->splice = splice;
	reads->single_cache = single_cache;
}

void bfs_reads_set_foresight(struct bfs_reads *reads, struct bfs_foresight *foresight)
{
	reads->foresight = foresight;
}

/* The beginning of a program or a library: what it needs comes next. */
static void foresee(struct bfs_reads *reads, const struct job *job, int fd, uint64_t position)
{
	char magic[SELFMAG];

	if (job->offset == 0 && reads->foresight && job->size > SELFMAG &&
		pread(fd, magic, SELFMAG, (off_t)position) == SELFMAG &&
		memcmp(magic, ELFMAG, SELFMAG) == 0)
		bfs_foresight_note(reads->foresight, &job->content);
}

/* A file that is too short would leave zeros behind in the kernel's page, without an error. */
static int check_size(int fd, uint64_t end)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	return (uint64_t)st.st_size < end ? -EIO : 0;
}

static int reply_spliced(const struct job *job, int fd, uint64_t position)
{
	struct fuse_bufvec vector = FUSE_BUFVEC_INIT(job->size);
	int r = check_size(fd, position + job->size);

	if (r < 0)
		return r;
	vector.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
	vector.buf[0].fd = fd;
	vector.buf[0].pos = (off_t)position;
	fuse_reply_data(job->request, &vector, FUSE_BUF_SPLICE_MOVE);
	return 0;
}

static int reply_copied(
	struct bfs_responder *responder, const struct job *job, int fd, uint64_t position)
{
	struct bfs_buffer *scratch = &responder->scratch;
	int r;

	bfs_buffer_clear(scratch);
	r = bfs_buffer_reserve(scratch, job->size);
	if (r == 0)
		r = bfs_pread_all(fd, scratch->data, job->size, position);
	if (r < 0)
		return r == -ENODATA ? -EIO : r;
	fuse_reply_buf(job->request, scratch->data, job->size);
	return 0;
}

/*
 * What lies a little behind a read in order has been handed over and will not be asked for again:
 * the kernel holds it as the mount's. Behind, since reads of one file overtake each other; and some
 * way back, since the kernel gives up only whole folios, of at most 2 MiB.
 */
static void drop_behind(const struct job *job, int fd, uint64_t position)
{
	uint64_t from = position > DROP_FROM ? position - DROP_FROM : 0;
	uint64_t to = position > DROP_TO ? position - DROP_TO : 0;
	bool last = job->offset + job->size == job->content.size;

	if (last || to > from) /* a length of 0 is all that is left */
		posix_fadvise(fd, (off_t)from, last ? 0 : (off_t)(to - from), POSIX_FADV_DONTNEED);
}

static int reply(struct bfs_reads *reads, struct bfs_responder *responder, const struct job *job)
{
	bool big = job->size >= BIG_READ;
	uint64_t position;
	void *handle;
	int fd, r;

	r = bfs_content_open(
		reads->reader, &job->content, job->offset, job->size, &fd, &position, &handle);
	if (r < 0)
		return r;
	foresee(reads, job, fd, position);
	if (reads->splice && big)
		r = reply_spliced(job, fd, position);
	else
		r = reply_copied(responder, job, fd, position);
	/* A pack holds neighbours that will be asked for next; an object is read once. */
	if (reads->single_cache && big && !job->content.packed)
		drop_behind(job, fd, position);
	bfs_content_close(reads->reader, handle);
	return r;
}

static void perform(struct bfs_reads *reads, struct bfs_responder *responder, const struct job *job)
{
	uint64_t started = bfs_stats_now();
	int r = reply(reads, responder, job);

	if (r < 0)
		bfs_reply_error(job->request, r);
	bfs_stats_add(reads->stats, BFS_OP_STORE_READ, started, r, r < 0 ? 0 : job->size);
	bfs_stats_add(reads->stats, BFS_OP_READ, job->started, r, r < 0 ? 0 : job->size);
}

/* Takes a place, or queues a copy of the job: 1, 0, or -ENOMEM. */
static int enter(struct bfs_reads *reads, const struct job *job)
{
	struct job *copy;
	int r = 1;

	pthread_mutex_lock(&reads->lock);
	if (reads->places > 0) {
		reads->places--;
	} else if ((copy = malloc(sizeof(*copy)))) {
		*copy = *job;
		*reads->last = copy;
		reads->last = &copy->next;
		atomic_fetch_add(&reads->stats->queued_reads, 1);
		r = 0;
	} else {
		r = -ENOMEM;
	}
	pthread_mutex_unlock(&reads->lock);
	return r;
}

/* The next job that waits; NULL, and the place is free again, where there is none. */
static struct job *next_or_leave(struct bfs_reads *reads)
{
	struct job *job;

	pthread_mutex_lock(&reads->lock);
	job = reads->first;
	if (job) {
		reads->first = job->next;
		if (!reads->first)
			reads->last = &reads->first;
	} else {
		reads->places++;
	}
	pthread_mutex_unlock(&reads->lock);
	return job;
}

void bfs_reads_submit(struct bfs_reads *reads, struct bfs_responder *responder, fuse_req_t request,
	const struct bfs_content *content, uint64_t offset, size_t size, uint64_t started)
{
	struct job first = {.request = request,
		.content = *content,
		.offset = offset,
		.size = size,
		.started = started};
	struct job *job;
	int r = enter(reads, &first);

	if (r < 0) {
		bfs_reply_error(request, r);
		bfs_stats_add(reads->stats, BFS_OP_READ, started, r, 0);
	}
	if (r <= 0)
		return;
	perform(reads, responder, &first);
	while ((job = next_or_leave(reads))) {
		perform(reads, responder, job);
		free(job);
	}
}
