#include "installer/pour.h"

#include "installer/checkpoint.h"
#include "lib/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define READ_SIZE (256 * 1024) /* bytes handed to a bottle at once */

/* While one bottle inflates, others wait for the network or for the store; each may hold 32 MiB. */
#define THREADS 16

/*
 * Seconds from the beginning on in which a keg that is complete is not remembered: that much work
 * an interrupted install may lose. To remember all would be half of the files that a small install
 * writes.
 */
#define NOT_REMEMBERED 1

/*
 * A bottle may unpack to twice what its registry says and this much more before it is taken for a
 * bomb: the registry's figure is a disk usage, not a sum of sizes.
 */
#define SIZE_SLACK (64 * 1024 * 1024)

struct pour {
	struct bfs_pour_request request;
	struct bfs_poured poured;
	struct bfs_error error;
	int result;
	bool done;
};

/* A pour and when it comes: large local bottles first, so that none is left alone at the end. */
struct turn {
	size_t which;
	off_t size; /* of the local file; 0 for others, whose size is not known yet */
};

struct bfs_pour_set {
	struct bfs_pour_target target;
	struct pour *pours;
	struct turn *turns;
	size_t count;
	int64_t begun;	      /* monotonic, ns */
	pthread_mutex_t lock; /* protects what follows, and `done` of each pour */
	pthread_cond_t changed;
	size_t next; /* the first turn that no thread has begun */
	bool cancelled;
	pthread_t threads[THREADS];
	size_t thread_count;
};

void bfs_poured_release(struct bfs_poured *poured)
{
	bfs_tree_close(poured->keg.tree);
	if (poured->keg.tab)
		json_decref(poured->keg.tab);
	*poured = (struct bfs_poured){0};
}

static bool is_cancelled(struct bfs_pour_set *set)
{
	bool cancelled;

	pthread_mutex_lock(&set->lock);
	cancelled = set->cancelled;
	pthread_mutex_unlock(&set->lock);
	return cancelled;
}

/* Where a bottle's bytes come from: a download or a local file. */
struct source {
	struct bfs_download *download;
	int fd;
	char *path;
};

static void source_release(struct source *source)
{
	bfs_download_free(source->download);
	if (source->fd >= 0)
		close(source->fd);
	free(source->path);
}

static ssize_t source_read(
	struct source *source, void *buffer, size_t length, struct bfs_error *error)
{
	ssize_t n;

	if (source->download)
		return bfs_download_read(source->download, buffer, length, error);
	do
		n = read(source->fd, buffer, length);
	while (n < 0 && errno == EINTR);
	return n < 0 ? bfs_error_set(error, -errno, "reading the bottle", source->path, NULL) : n;
}

static int source_open(struct bfs_pour_set *set, const struct bfs_pour_request *request,
	int64_t size, struct source *source, struct bfs_error *error)
{
	if (!request->path && !set->target.depot)
		return bfs_registry_start_bottle(set->target.registry, set->target.downloader,
			request->formula, size, 0, &source->download, error);
	source->path = request->path ? strdup(request->path)
				     : bfs_depot_bottle_path(
					       set->target.depot, &request->formula->bottle_digest);
	if (!source->path)
		return -ENOMEM;
	source->fd = open(source->path, O_RDONLY | O_CLOEXEC);
	if (source->fd < 0)
		return bfs_error_set(error, -errno, "opening the bottle", source->path, NULL);
	return 0;
}

/* Pumps the source through a bottle until its end. */
static int fill_bottle(struct bfs_pour_set *set, struct source *source, struct bfs_bottle *bottle,
	struct bfs_error *error)
{
	_cleanup_free_ void *block = malloc(READ_SIZE);

	if (!block)
		return -ENOMEM;
	while (!is_cancelled(set)) {
		ssize_t n = source_read(source, block, READ_SIZE, error);
		int r = n > 0 ? bfs_bottle_write(bottle, block, (size_t)n, error) : (int)n;

		if (n <= 0 || r < 0)
			return r;
	}
	return -ECANCELED;
}

static int pour_bottle(struct bfs_pour_set *set, const struct bfs_pour_request *request,
	const struct bfs_bottle_order *order, int64_t size, struct bfs_keg_tree *ret_keg,
	struct bfs_error *error)
{
	BFS_CLEANUP(source_release) struct source source = {.fd = -1};
	_cleanup_tree_ struct bfs_tree *base = NULL;
	_cleanup_bottle_ struct bfs_bottle *bottle = NULL;
	int r = source_open(set, request, size, &source, error);

	if (r == 0 && set->target.base_path)
		r = bfs_tree_open(set->target.base_path, BFS_TREE_READ, &base, error);
	if (r == 0)
		r = bfs_bottle_new(set->target.store, base, order, &bottle, error);
	if (r == 0)
		r = fill_bottle(set, &source, bottle, error);
	if (r == 0)
		r = bfs_bottle_finish(bottle, ret_keg, error);
	return r;
}

/* The registry's word about the bottle, if it has one. */
static int fetch_manifest(struct bfs_pour_set *set, const struct bfs_pour_request *request,
	struct bfs_bottle_manifest **ret_manifest, struct bfs_error *error)
{
	_cleanup_error_ struct bfs_error missing = BFS_ERROR_INIT;
	int r;

	if (request->path)
		return 0;
	if (set->target.depot)
		r = bfs_depot_read_manifest(
			set->target.depot, request->formula, ret_manifest, &missing);
	else
		r = bfs_registry_fetch_manifest(set->target.registry, set->target.downloader,
			request->formula, ret_manifest, &missing);
	if (r == -ENOENT) {
		bfs_log_debug("%s has no manifest: %s", request->formula->name,
			bfs_error_message(&missing, r));
		return 0;
	}
	if (r < 0 && error)
		*error = missing, missing = (struct bfs_error)BFS_ERROR_INIT;
	return r;
}

static struct bfs_bottle_order make_order(const struct bfs_pour_set *set,
	const struct bfs_pour_request *request, const struct bfs_bottle_manifest *manifest)
{
	const struct bfs_formula *formula = request->formula;
	struct bfs_bottle_order order = {
		.name = formula->name,
		.version = formula->pkg_version,
		.prefix = bfs_store_prefix(set->target.store),
		.digest = formula->bottle_digest,
		.tab = manifest && manifest->tab ? manifest->tab : request->tab,
		.java_dependency = request->java_dependency,
		.skip_elf = formula->bottle_cellar &&
			    strcmp(formula->bottle_cellar, ":any_skip_relocation") == 0,
	};

	if (manifest && manifest->installed_size > 0 && manifest->installed_size < INT64_MAX / 4)
		order.size_limit = 2 * (uint64_t)manifest->installed_size + SIZE_SLACK;
	return order;
}

static int64_t monotonic_time(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static int remember(struct bfs_pour_set *set, const struct bfs_digest *key, struct pour *pour)
{
	if (monotonic_time() - set->begun < NOT_REMEMBERED * INT64_C(1000000000))
		return 0;
	return bfs_checkpoint_save(set->target.store, key, &pour->poured.keg, &pour->error);
}

static int run_pour(struct bfs_pour_set *set, struct pour *pour)
{
	_cleanup_bottle_manifest_ struct bfs_bottle_manifest *manifest = NULL;
	struct bfs_bottle_order order;
	struct bfs_digest key;
	int r = fetch_manifest(set, &pour->request, &manifest, &pour->error);

	if (r < 0)
		return r;
	order = make_order(set, &pour->request, manifest);
	r = bfs_checkpoint_key(&order, &key);
	if (r < 0)
		return r;
	if (bfs_checkpoint_load(set->target.store, &key, &pour->poured.keg) == 0) {
		pour->poured.remembered = true;
		return 0;
	}
	r = pour_bottle(set, &pour->request, &order, manifest ? manifest->bottle_size : -1,
		&pour->poured.keg, &pour->error);
	if (r == 0)
		r = remember(set, &key, pour);
	return r;
}

static void *pour_some(void *argument)
{
	struct bfs_pour_set *set = argument;

	pthread_mutex_lock(&set->lock);
	while (set->next < set->count && !set->cancelled) {
		struct pour *pour = &set->pours[set->turns[set->next++].which];

		pthread_mutex_unlock(&set->lock);
		pour->result = run_pour(set, pour);
		if (pour->result < 0)
			bfs_error_prefix(&pour->error, pour->request.formula->name);
		pthread_mutex_lock(&set->lock);
		pour->done = true;
		pthread_cond_broadcast(&set->changed);
	}
	pthread_mutex_unlock(&set->lock);
	return NULL;
}

static int start_threads(struct bfs_pour_set *set)
{
	size_t wanted = set->count < THREADS ? set->count : THREADS;
	int code = 0;

	while (code == 0 && set->thread_count < wanted) {
		code = pthread_create(&set->threads[set->thread_count], NULL, pour_some, set);
		if (code == 0)
			set->thread_count++;
	}
	return set->thread_count || !wanted ? 0 : -code;
}

static int compare_turns(const void *a, const void *b)
{
	const struct turn *x = a, *y = b;

	if (x->size != y->size)
		return x->size > y->size ? -1 : 1;
	return x->which < y->which ? -1 : x->which > y->which;
}

static int choose_turns(struct bfs_pour_set *set)
{
	set->turns = calloc(set->count + 1, sizeof(*set->turns));
	if (!set->turns)
		return -ENOMEM;
	for (size_t i = 0; i < set->count; i++) {
		const char *path = set->pours[i].request.path;
		struct stat st;

		set->turns[i].which = i;
		set->turns[i].size = path && stat(path, &st) == 0 ? st.st_size : 0;
	}
	qsort(set->turns, set->count, sizeof(*set->turns), compare_turns);
	return 0;
}

int bfs_pour_set_new(const struct bfs_pour_target *target, const struct bfs_pour_request *requests,
	size_t count, struct bfs_pour_set **ret_set, struct bfs_error *error)
{
	_cleanup_pour_set_ struct bfs_pour_set *set = calloc(1, sizeof(*set));
	int r;

	if (!set)
		return -ENOMEM;
	pthread_mutex_init(&set->lock, NULL);
	pthread_cond_init(&set->changed, NULL);
	set->target = *target;
	set->begun = monotonic_time();
	set->pours = calloc(count + 1, sizeof(*set->pours));
	if (!set->pours)
		return -ENOMEM;
	set->count = count;
	for (size_t i = 0; i < count; i++)
		set->pours[i].request = requests[i];
	r = choose_turns(set);
	if (r == 0)
		r = start_threads(set);
	if (r < 0)
		return bfs_error_set(error, r, "starting threads", NULL, NULL);
	*ret_set = bfs_steal(&set);
	return 0;
}

int bfs_pour_set_take(struct bfs_pour_set *set, size_t which, struct bfs_poured *ret_poured,
	struct bfs_error *error)
{
	struct pour *pour = &set->pours[which];

	pthread_mutex_lock(&set->lock);
	while (!pour->done)
		pthread_cond_wait(&set->changed, &set->lock);
	pthread_mutex_unlock(&set->lock);
	if (pour->result < 0) {
		if (error && !error->message) {
			*error = pour->error;
			pour->error = (struct bfs_error)BFS_ERROR_INIT;
		}
		return pour->result;
	}
	*ret_poured = pour->poured;
	pour->poured = (struct bfs_poured){0};
	return 0;
}

void bfs_pour_set_free(struct bfs_pour_set *set)
{
	if (!set)
		return;
	pthread_mutex_lock(&set->lock);
	set->cancelled = true;
	pthread_mutex_unlock(&set->lock);
	for (size_t i = 0; i < set->thread_count; i++)
		pthread_join(set->threads[i], NULL);
	for (size_t i = 0; set->pours && i < set->count; i++) {
		bfs_poured_release(&set->pours[i].poured);
		bfs_error_clear(&set->pours[i].error);
	}
	free(set->pours);
	free(set->turns);
	pthread_cond_destroy(&set->changed);
	pthread_mutex_destroy(&set->lock);
	free(set);
}
