#include "fs/elders.h"

#include "lib/log.h"

#include <string.h>

struct elder {
	struct bfs_loaded *loaded; /* owned by the lineage */
	struct bfs_inos survivors;
	bool asked;	 /* for names, since the survivors were listed: there may be more */
	bool incomplete; /* the same, and they cannot be listed: kept until there is no room */
};

struct bfs_elders {
	struct bfs_lineage *lineage;
	struct fuse_session *session;
	struct bfs_stats *stats;
	struct elder *elders; /* the oldest first */
	size_t count;
};

int bfs_elders_new(struct bfs_lineage *lineage, struct fuse_session *session,
	struct bfs_stats *stats, struct bfs_elders **ret_elders)
{
	struct bfs_elders *elders = calloc(1, sizeof(*elders));

	if (!elders)
		return -ENOMEM;
	elders->lineage = lineage;
	elders->session = session;
	elders->stats = stats;
	*ret_elders = elders;
	return 0;
}

void bfs_elders_free(struct bfs_elders *elders)
{
	if (!elders)
		return;
	for (size_t i = 0; i < elders->count; i++)
		free(elders->elders[i].survivors.inos);
	free(elders->elders);
	free(elders);
}

int bfs_elders_reserve(struct bfs_elders *elders)
{
	struct elder *grown =
		reallocarray(elders->elders, elders->count + 1, sizeof(*elders->elders));

	if (!grown)
		return -ENOMEM;
	elders->elders = grown;
	return 0;
}

static void drop(struct bfs_elders *elders, size_t i)
{
	bfs_lineage_drop(elders->lineage, elders->elders[i].loaded);
	free(elders->elders[i].survivors.inos);
	memmove(elders->elders + i, elders->elders + i + 1,
		(elders->count - i - 1) * sizeof(*elders->elders));
	elders->count--;
}

/* Whether the current generation has the inode. An error is as good as a no: it is looked at again.
 */
static bool is_current(struct bfs_elders *elders, uint64_t ino)
{
	struct bfs_loaded *current = bfs_lineage_at(elders->lineage, 0);
	struct bfs_attributes attributes;
	struct bfs_tree *tree;
	int r;

	if (ino >= BFS_TREE_INO_LIMIT)
		return bfs_host_find(bfs_loaded_host(current), ino) != NULL;
	if (bfs_loaded_acquire(current, &tree) < 0)
		return false;
	r = bfs_tree_stat(tree, ino, &attributes);
	bfs_loaded_release(current, tree);
	return r == 0;
}

/*
 * An inode that had gone and is there again, since a ref can be moved back. The kernel knows it,
 * and if it is a directory, names in it, as they were when it went; nobody told it of changes
 * since.
 */
static void welcome(struct bfs_elders *elders, struct bfs_loaded *loaded, uint64_t ino)
{
	_cleanup_free_ char **names = NULL;
	struct bfs_tree *tree;

	bfs_invalidation_probe(elders->session, ino);
	if (ino >= BFS_TREE_INO_LIMIT || bfs_loaded_acquire(loaded, &tree) < 0)
		return;
	/* The connection is given back before the kernel is told, which may wait for someone who
	 * needs it. */
	if (bfs_tree_list(tree, ino, &names) < 0)
		names = NULL;
	bfs_loaded_release(loaded, tree);
	if (names)
		bfs_invalidation_send_directory(elders->session, elders->stats, ino, names);
}

static void welcome_returned(struct bfs_elders *elders, struct elder *elder)
{
	struct bfs_inos *survivors = &elder->survivors;

	for (size_t i = 0; i < survivors->count;) {
		uint64_t ino = survivors->inos[i];

		if (!is_current(elders, ino)) {
			i++;
			continue;
		}
		welcome(elders, elder->loaded, ino);
		survivors->inos[i] = survivors->inos[--survivors->count];
	}
}

void bfs_elders_add(
	struct bfs_elders *elders, struct bfs_loaded *loaded, struct bfs_invalidation *invalidation)
{
	struct elder *elder = &elders->elders[elders->count];
	int r;

	for (size_t i = 0; i < elders->count; i++)
		welcome_returned(elders, &elders->elders[i]);
	*elder = (struct elder){.loaded = loaded};
	r = bfs_invalidation_send(invalidation, elders->session, elders->stats, &elder->survivors);
	elder->incomplete = r < 0;
	elders->count++;
}

static void forget_gone(struct bfs_elders *elders, struct bfs_inos *survivors)
{
	for (size_t i = 0; i < survivors->count;) {
		if (bfs_invalidation_probe(elders->session, survivors->inos[i]))
			i++;
		else
			survivors->inos[i] = survivors->inos[--survivors->count];
	}
}

static void forget_answer(void *context, uint64_t directory, const char *name, size_t length)
{
	struct bfs_elders *elders = context;

	bfs_invalidation_send_name(elders->session, elders->stats, directory, name, length);
}

/*
 * Whether nothing of it is left. Once its last known inode has gone, so has its last directory, and
 * it will not be asked for names any more; if it was since the list was made, there may be inodes
 * that are not on the list.
 */
static bool is_forgotten(struct bfs_elders *elders, struct elder *elder)
{
	int r;

	if (bfs_loaded_take_answers(elder->loaded, forget_answer, elders))
		elder->asked = true;
	forget_gone(elders, &elder->survivors);
	if (elder->survivors.count || elder->incomplete)
		return false;
	/* The order counts: names that were asked for in the meantime are noted by now. */
	if (bfs_loaded_take_answers(elder->loaded, forget_answer, elders))
		elder->asked = true;
	if (!elder->asked)
		return true;
	elder->asked = false;
	free(bfs_steal(&elder->survivors.inos));
	r = bfs_invalidation_find_survivors(elder->loaded, bfs_lineage_at(elders->lineage, 0),
		elders->session, &elder->survivors);
	elder->incomplete = r < 0;
	return r == 0 && elder->survivors.count == 0;
}

bool bfs_elders_prune(struct bfs_elders *elders)
{
	size_t before = elders->count;

	for (size_t i = 0; i < elders->count;) {
		if (is_forgotten(elders, &elders->elders[i]))
			drop(elders, i);
		else
			i++;
	}
	while (elders->count > BFS_LINEAGE_MAX) {
		bfs_log_warning("files of generation %llu are still open, but %d later ones are "
				"held as well: they can no longer be read",
			(unsigned long long)bfs_loaded_generation(elders->elders[0].loaded)->number,
			BFS_LINEAGE_MAX);
		drop(elders, 0);
	}
	return elders->count != before;
}
