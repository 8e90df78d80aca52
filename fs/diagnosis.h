/*
 * What `brewfs doctor` looks at, and what it finds: checks, each of which says how it came out and,
 * where something is wrong, what exactly would mend it.
 *
 * A check never changes anything but a file that it makes and removes in the store's staging/.
 * Functions return -ENOMEM only; whatever else goes wrong is a finding.
 */
#ifndef BFS_FS_DIAGNOSIS_H
#define BFS_FS_DIAGNOSIS_H

#include "lib/buffer.h"
#include "lib/json.h"

enum bfs_check_outcome {
	BFS_OUTCOME_GOOD,
	BFS_OUTCOME_NOTE,    /* worth knowing, or cannot be known from here; no problem */
	BFS_OUTCOME_PROBLEM, /* exit status 1 */
};

struct bfs_diagnosis {
	/* Objects with check, outcome ("ok", "note", "problem"), what, and fix where there is one.
	 */
	json_t *checks;
	size_t problems;
	/* What is looked at. All may be NULL. */
	const char *store; /* path of the store */
	const char *ref;
	struct bfs_efs *efs; /* the EFS file system that was named, or the store is on; owned */
	char *efs_host;	     /* its DNS name, where the region is known; owned */
};

/*
 * Adds an outcome; `what` is a printf format, a sentence. The fix, NULL where there is nothing to
 * do, is a command or what to set.
 */
int bfs_diagnosis_add(struct bfs_diagnosis *diagnosis, const char *check,
	enum bfs_check_outcome outcome, const char *fix, const char *what, ...)
	__attribute__((format(printf, 5, 6)));

/* FUSE, its programs and rights: fs/diagnosis_host.c. */
int bfs_diagnosis_look_at_host(struct bfs_diagnosis *diagnosis);

/* The store: whether it is one, its rights, clock, space, glibc: fs/diagnosis_store.c. */
int bfs_diagnosis_look_at_store(struct bfs_diagnosis *diagnosis);

/*
 * The NFS mount that the store is on, and EFS: options, read-ahead, port 2049, efs-utils,
 * throughput: fs/diagnosis_nfs.c. Finds out about diagnosis->efs where the mount tells.
 */
int bfs_diagnosis_look_at_nfs(struct bfs_diagnosis *diagnosis);

#endif
