#include "fs/follow.h"

#include "fs/elders.h"
#include "fs/invalidation.h"
#include "index/lease.h"
#include "index/snapshot.h"
#include "lib/log.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#define RETRY_MAXIMUM 15000 /* ms between attempts at something that keeps failing */

struct bfs_follow {
	struct bfs_follow_config config;
	struct bfs_elders *elders;
	struct bfs_lease *lease;
	unsigned delay;	  /* ms until the next look */
	uint64_t renewed; /* bfs_stats_now() of the last attempt at the lease; 0: due */
	pthread_t thread;
	pthread_mutex_t lock; /* protects everything below */
	pthread_cond_t wake;
	bool stop;
	bool ended;
	struct bfs_follow_state state;
};

static const struct bfs_generation *current_generation(struct bfs_follow *follow)
{
	return bfs_loaded_generation(bfs_lineage_at(follow->config.lineage, 0));
}

/* --- state, for status --- */

/* Notes a failure, or that all is well, and logs it if that is news. */
static void note(struct bfs_follow *follow, char *field, size_t size, const char *what,
	struct bfs_error *error, int result)
{
	const char *message = result < 0 ? bfs_error_message(error, result) : "";
	bool news;

	pthread_mutex_lock(&follow->lock);
	news = strncmp(field, message, size - 1) != 0;
	snprintf(field, size, "%s", message);
	pthread_mutex_unlock(&follow->lock);
	if (news && result < 0)
		bfs_log_warning("%s: %s", what, message);
	else if (news)
		bfs_log_info("%s: works again", what);
}

static void set_busy(struct bfs_follow *follow, bool busy)
{
	pthread_mutex_lock(&follow->lock);
	follow->state.busy = busy ? time(NULL) : 0;
	pthread_mutex_unlock(&follow->lock);
}

void bfs_follow_get_state(struct bfs_follow *follow, struct bfs_follow_state *ret_state)
{
	pthread_mutex_lock(&follow->lock);
	*ret_state = follow->state;
	pthread_mutex_unlock(&follow->lock);
}

/* --- the switch --- */

/* Everything that can fail, before anything is visible. */
static int load(struct bfs_follow *follow, const struct bfs_generation *generation,
	struct bfs_loaded **ret_loaded, struct bfs_error *error)
{
	const struct bfs_follow_config *config = &follow->config;
	const struct bfs_generation *current = current_generation(follow);
	_cleanup_loaded_ struct bfs_loaded *loaded = NULL;
	_cleanup_free_ char *path = NULL, *current_path = NULL;
	int r = bfs_snapshot_fetch(config->store, generation, &path, error);

	/* It is opened once more, to be compared, and may have gone from the cache. */
	if (r == 0 && current->number)
		r = bfs_snapshot_fetch(config->store, current, &current_path, error);
	if (r == 0)
		r = bfs_loaded_open(
			generation, path, bfs_store_prefix(config->store), &loaded, error);
	if (r == 0)
		*ret_loaded = bfs_steal(&loaded);
	return r;
}

/* So that the first statfs need not; if it fails, that one will say so. */
static void count(struct bfs_loaded *loaded)
{
	struct bfs_tree_counts counts;

	bfs_loaded_count(loaded, &counts);
}

static void note_switch(struct bfs_follow *follow, const struct bfs_generation *generation)
{
	bfs_log_info("%s: generation %llu of %s is mounted", follow->config.mountpoint,
		(unsigned long long)generation->number, follow->config.ref);
	atomic_fetch_add(&follow->config.stats->switches, 1);
	pthread_mutex_lock(&follow->lock);
	follow->state.switched = time(NULL);
	pthread_mutex_unlock(&follow->lock);
	follow->renewed = 0;
}

static int switch_to(
	struct bfs_follow *follow, const struct bfs_generation *generation, struct bfs_error *error)
{
	const struct bfs_follow_config *config = &follow->config;
	struct bfs_loaded *old_loaded = bfs_lineage_at(config->lineage, 0);
	_cleanup_loaded_ struct bfs_loaded *loaded = NULL;
	_cleanup_invalidation_ struct bfs_invalidation *invalidation = NULL;
	int r = load(follow, generation, &loaded, error);

	if (r == 0)
		r = bfs_invalidation_new(old_loaded, loaded, &invalidation);
	if (r == 0)
		r = bfs_invalidation_collect(invalidation, error);
	if (r == 0)
		r = bfs_elders_reserve(follow->elders);
	if (r < 0)
		return r;
	count(loaded);
	r = bfs_lineage_switch(config->lineage, loaded);
	if (r < 0)
		return r;
	bfs_steal(&loaded);
	bfs_elders_add(follow->elders, old_loaded, invalidation);
	note_switch(follow, generation);
	return 0;
}

static bool is_current(struct bfs_follow *follow, const struct bfs_generation *generation)
{
	const struct bfs_generation *current = current_generation(follow);

	return current->number == generation->number &&
	       bfs_digest_equal(&current->index, &generation->index);
}

static int look(struct bfs_follow *follow, struct bfs_error *error)
{
	struct bfs_generation generation;
	int r = bfs_ref_read(follow->config.store, follow->config.ref, &generation, error);

	if (r == -ENOENT && current_generation(follow)->number == 0)
		return 0; /* not published yet */
	if (r == 0 && !is_current(follow, &generation))
		r = switch_to(follow, &generation, error);
	return r;
}

static void look_and_note(struct bfs_follow *follow)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	int r = look(follow, &error);

	note(follow, follow->state.problem, sizeof(follow->state.problem), "following the ref",
		&error, r);
	if (r == 0) {
		pthread_mutex_lock(&follow->lock);
		follow->state.checked = time(NULL);
		pthread_mutex_unlock(&follow->lock);
		follow->delay = follow->config.interval;
	} else if (follow->delay < RETRY_MAXIMUM) {
		follow->delay *= 2;
	}
}

/* --- the lease --- */

static int renew_lease(struct bfs_follow *follow, struct bfs_error *error)
{
	struct bfs_generation generations[BFS_LINEAGE_MAX + 2];
	struct bfs_loaded *loaded;
	size_t count_held = 0;

	while (count_held < BFS_ARRAY_LENGTH(generations) &&
		(loaded = bfs_lineage_at(follow->config.lineage, count_held)))
		generations[count_held++] = *bfs_loaded_generation(loaded);
	return bfs_lease_renew(follow->lease, generations, count_held, error);
}

static void renew_lease_when_due(struct bfs_follow *follow)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	uint64_t now = bfs_stats_now();

	if (follow->renewed && now - follow->renewed < BFS_LEASE_INTERVAL * UINT64_C(1000000000))
		return;
	note(follow, follow->state.lease, sizeof(follow->state.lease), "renewing the lease", &error,
		renew_lease(follow, &error));
	follow->renewed = now;
}

/* --- the thread --- */

/* Returns whether to go on. */
static bool wait_for_next(struct bfs_follow *follow)
{
	struct timespec until;
	bool stop;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += follow->delay / 1000;
	until.tv_nsec += follow->delay % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&follow->lock);
	while (!follow->stop &&
		pthread_cond_timedwait(&follow->wake, &follow->lock, &until) != ETIMEDOUT)
		;
	stop = follow->stop;
	pthread_mutex_unlock(&follow->lock);
	return !stop;
}

static void *run_thread(void *context)
{
	struct bfs_follow *follow = context;

	bfs_loaded_read_ahead(bfs_lineage_at(follow->config.lineage, 0));
	set_busy(follow, true);
	renew_lease_when_due(follow);
	set_busy(follow, false);
	count(bfs_lineage_at(follow->config.lineage, 0));
	while (wait_for_next(follow)) {
		set_busy(follow, true);
		look_and_note(follow);
		if (bfs_elders_prune(follow->elders))
			follow->renewed = 0;
		renew_lease_when_due(follow);
		set_busy(follow, false);
	}
	bfs_lease_free(bfs_steal(&follow->lease));
	pthread_mutex_lock(&follow->lock);
	follow->ended = true;
	pthread_cond_broadcast(&follow->wake);
	pthread_mutex_unlock(&follow->lock);
	return NULL;
}

static int make_wake(pthread_cond_t *ret_wake)
{
	pthread_condattr_t attributes;
	int r = pthread_condattr_init(&attributes);

	if (r)
		return -r;
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	r = pthread_cond_init(ret_wake, &attributes);
	pthread_condattr_destroy(&attributes);
	return -r;
}

int bfs_follow_start(const struct bfs_follow_config *config, struct bfs_follow **ret_follow)
{
	struct bfs_follow *follow = calloc(1, sizeof(*follow));
	int r;

	if (!follow)
		return -ENOMEM;
	follow->config = *config;
	follow->delay = config->interval;
	follow->ended = true; /* until the thread runs */
	follow->state.switched = follow->state.checked = time(NULL);
	pthread_mutex_init(&follow->lock, NULL);
	r = make_wake(&follow->wake);
	if (r == 0)
		r = bfs_elders_new(
			config->lineage, config->session, config->stats, &follow->elders);
	if (r == 0)
		r = bfs_lease_new(config->store, config->ref, config->mountpoint, &follow->lease);
	if (r == 0) {
		follow->ended = false;
		r = -pthread_create(&follow->thread, NULL, run_thread, follow);
	}
	if (r < 0) {
		bfs_follow_free(follow);
		return r;
	}
	*ret_follow = follow;
	return 0;
}

bool bfs_follow_stop(struct bfs_follow *follow, unsigned timeout)
{
	struct timespec until;
	bool ended;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout / 1000 + 1;
	pthread_mutex_lock(&follow->lock);
	follow->stop = true;
	pthread_cond_broadcast(&follow->wake);
	while (!follow->ended &&
		pthread_cond_timedwait(&follow->wake, &follow->lock, &until) != ETIMEDOUT)
		;
	ended = follow->ended;
	pthread_mutex_unlock(&follow->lock);
	if (ended)
		pthread_join(follow->thread, NULL);
	return ended;
}

void bfs_follow_free(struct bfs_follow *follow)
{
	if (!follow)
		return;
	bfs_elders_free(follow->elders);
	bfs_lease_free(follow->lease);
	pthread_cond_destroy(&follow->wake);
	pthread_mutex_destroy(&follow->lock);
	free(follow);
}
