#include "index/check.h"

#include "index/rack.h"
#include "lib/path.h"

#include <stdarg.h>
#include <string.h>

#define KINDS_MAX 64 /* brewfs-fsck(1) lists fewer */

struct kind {
	const char *what;
	uint64_t count;
};

struct bfs_check {
	struct bfs_finding *first, **last;
	struct kind kinds[KINDS_MAX];
	size_t kind_count;
	uint64_t problems;
	int failure;
};

int bfs_check_new(struct bfs_check **ret_check)
{
	struct bfs_check *check = calloc(1, sizeof(*check));

	if (!check)
		return -ENOMEM;
	check->last = &check->first;
	*ret_check = check;
	return 0;
}

static void free_affected(struct bfs_affected *affected)
{
	while (affected) {
		struct bfs_affected *next = affected->next;

		free(affected->ref);
		free(affected->formula);
		free(affected->path);
		free(affected);
		affected = next;
	}
}

static void free_finding(struct bfs_finding *finding)
{
	free_affected(finding->affected);
	free(finding->path);
	free(finding->detail);
	free(finding);
}
BFS_DEFINE_CLEANUP(struct bfs_finding *, cleanup_finding, free_finding)

void bfs_check_free(struct bfs_check *check)
{
	if (!check)
		return;
	while (check->first) {
		struct bfs_finding *next = check->first->next;

		free_finding(check->first);
		check->first = next;
	}
	free(check);
}

/* Counts one more of a kind; whether it is to be kept. */
static bool count_kind(struct bfs_check *check, const char *what)
{
	size_t i = 0;

	while (i < check->kind_count && strcmp(check->kinds[i].what, what) != 0)
		i++;
	if (i == KINDS_MAX)
		return true;
	if (i == check->kind_count)
		check->kinds[check->kind_count++] = (struct kind){what, 0};
	return ++check->kinds[i].count <= BFS_CHECK_KEPT;
}

struct bfs_finding *bfs_check_add(struct bfs_check *check, enum bfs_check_severity severity,
	const char *what, const char *path, const char *format, ...)
{
	BFS_CLEANUP(cleanup_finding) struct bfs_finding *finding = NULL;
	va_list args;
	int length;

	check->problems += severity == BFS_CHECK_PROBLEM;
	if (!count_kind(check, what))
		return NULL;
	finding = calloc(1, sizeof(*finding));
	if (finding) {
		va_start(args, format);
		length = vasprintf(&finding->detail, format, args);
		va_end(args);
		if (length < 0)
			finding->detail = NULL;
		finding->path = strdup(path);
	}
	if (!finding || !finding->detail || !finding->path) {
		check->failure = -ENOMEM;
		return NULL;
	}
	finding->severity = severity;
	finding->what = what;
	*check->last = finding;
	check->last = &finding->next;
	return bfs_steal(&finding);
}

/* NAME of "Cellar/NAME/...", or NULL. */
static char *formula_of(const char *path)
{
	const char *keg = bfs_path_below(path, BFS_CELLAR_DIRECTORY);

	return keg && *keg ? strndup(keg, strcspn(keg, "/")) : NULL;
}

void bfs_check_affect(struct bfs_check *check, struct bfs_finding *finding,
	const struct bfs_check_origin *origin, const char *path)
{
	struct bfs_affected *affected, **last;

	if (!finding || ++finding->affected_count > BFS_CHECK_AFFECTED)
		return;
	affected = calloc(1, sizeof(*affected));
	if (!affected) {
		check->failure = -ENOMEM;
		return;
	}
	affected->ref = origin->ref ? strdup(origin->ref) : NULL;
	affected->generation = origin->generation;
	affected->formula = formula_of(path);
	affected->path = strdup(path);
	if (!affected->path || (origin->ref && !affected->ref))
		check->failure = -ENOMEM;
	for (last = &finding->affected; *last;)
		last = &(*last)->next;
	*last = affected;
}

const struct bfs_finding *bfs_check_findings(const struct bfs_check *check)
{
	return check->first;
}

uint64_t bfs_check_problems(const struct bfs_check *check)
{
	return check->problems;
}

void bfs_check_visit_dropped(const struct bfs_check *check,
	void (*visit)(void *context, const char *what, uint64_t dropped), void *context)
{
	for (size_t i = 0; i < check->kind_count; i++)
		if (check->kinds[i].count > BFS_CHECK_KEPT)
			visit(context, check->kinds[i].what,
				check->kinds[i].count - BFS_CHECK_KEPT);
}

int bfs_check_error(const struct bfs_check *check)
{
	return check->failure;
}
