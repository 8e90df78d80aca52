/*
 * Leases: who has which generations of a store mounted, so that nothing which removes old
 *generations takes them away from under a reader, and so that `status` can tell.
 *
 * A lease is a small JSON file, leases/<host>.<pid>.<random>.json, that its holder rewrites every
 * BFS_LEASE_INTERVAL seconds and removes at the end. One that was not rewritten for BFS_LEASE_STALE
 *seconds has lost its holder. Clocks may differ between hosts, so both the time that the holder
 *wrote and the time that the filesystem noted must be that old.
 *
 *	bfs_lease_new()		chooses the name; writes nothing
 *	bfs_lease_renew()	writes it, any number of times
 *	bfs_lease_free()	removes it
 */
#ifndef BFS_INDEX_LEASE_H
#define BFS_INDEX_LEASE_H

#include "index/ref.h"

#define BFS_LEASE_INTERVAL 60  /* seconds between renewals */
#define BFS_LEASE_STALE	   600 /* seconds: ten renewals missed, longer than a server's failover */

struct bfs_lease;

/* Belongs to one thread at a time. The store must outlive it. `mountpoint` is copied. */
int bfs_lease_new(struct bfs_store *store, const char *ref, const char *mountpoint,
	struct bfs_lease **ret_lease);

/*
 * Says that the `count` generations are in use, the current one first. -EACCES or -EROFS where this
 * user may not write into the store: a mount works without a lease, at its own risk.
 */
int bfs_lease_renew(struct bfs_lease *lease, const struct bfs_generation *generations, size_t count,
	struct bfs_error *error);

void bfs_lease_free(struct bfs_lease *lease);

/* A lease as found in a store. */
struct bfs_lease_record {
	char *name; /* of the file in leases/ */
	char *ref;
	char *host;
	char *mountpoint;
	int64_t pid;
	int64_t time; /* of the last renewal, seconds since the epoch */
	bool stale;
	struct bfs_generation *generations; /* in use; the current one first; sizes are 0 */
	size_t count;			    /* at least 1 */
};

/* All leases sorted by name; what is no lease is left out. Freed by bfs_lease_records_free(). */
int bfs_lease_list(struct bfs_store *store, struct bfs_lease_record **ret_records,
	size_t *ret_count, struct bfs_error *error);
void bfs_lease_records_free(struct bfs_lease_record *records, size_t count);

#endif
