/*
 * A bottle on its way into a store: a stream of bytes goes through SHA-256, gunzip, tar,
 * relocation and the store's writer, and becomes a keg's tree. Nothing touches the local disk but
 * what SQLite spills.
 *
 *	bfs_bottle_new()
 *	bfs_bottle_write()	for each piece as it arrives from network or file, in order
 *	bfs_bottle_finish()	checks the digest, commits the contents, hands over the keg's tree
 *	bfs_bottle_free()
 *
 * Nothing becomes visible before the digest has matched: until bfs_bottle_finish() succeeds there
 * are only staged files, which bfs_bottle_free() removes.
 *
 * Every member must lie below NAME/VERSION/ and be a directory, file, symlink or hardlink to a
 * member of the same keg; no component may be "." or "..", no member may pass through a symlink.
 * setuid, setgid and sticky bits are dropped, the umask 022 applies (Homebrew extracts without
 * -p). A tar that breaks these rules is refused with -EBADMSG and the member's name. Several
 * members of one name: the last counts, as with tar.
 *
 * Threads: hashing and inflating happen in the thread that calls bfs_bottle_write(), which waits
 * when it is ahead; everything else in a thread of the bottle's own. One bottle belongs to one
 * thread at a time.
 *
 * Memory, whatever the bottle's size: 2 MiB of tar between the threads, a file's content (up to 8
 * MiB; a bigger one goes through a staged file) and once more that for an edited copy, what the
 * writer holds (index/writer.h), and 16 bytes a directory.
 */
#ifndef BFS_INSTALLER_BOTTLE_H
#define BFS_INSTALLER_BOTTLE_H

#include "index/writer.h"
#include "lib/json.h"

struct bfs_bottle_order {
	const char *name;		/* of the formula */
	const char *version;		/* of the keg (pkg_version) */
	const char *prefix;		/* placeholders become it */
	struct bfs_digest digest;	/* of the tar.gz, which must match */
	const json_t *tab;		/* from the registry; NULL: the receipt inside, else full relocation */
	const char *java_dependency;	/* named openjdk or openjdk@N; NULL: the tab's */
	bool skip_elf;			/* cellar :any_skip_relocation; counts for builders >= 5.1.15 */
	uint64_t size_limit;		/* bytes of content beyond which it is a bomb; 0: 64 GiB */
};

struct bfs_bottle;

/*
 * The order and what it points to must outlive the bottle. `base`, which may be NULL, as in
 * bfs_writer_new(); it is used by the bottle's own thread until the bottle is finished or freed,
 * so by nobody else in that time.
 */
int bfs_bottle_new(struct bfs_store *store, struct bfs_tree *base,
	const struct bfs_bottle_order *order, struct bfs_bottle **ret_bottle,
	struct bfs_error *error);

/*
 * 0 also where the bytes turn out to be a bad bottle: bfs_bottle_finish() tells so, since only
 * then it is known whether they are the bytes that were ordered. Until then they are merely
 * hashed. A failure of the store is returned at once; the bottle can only be freed after it.
 */
int bfs_bottle_write(struct bfs_bottle *bottle, const void *data, size_t length,
	struct bfs_error *error);

struct bfs_keg_tree {
	struct bfs_tree *tree;		/* its root is the keg directory; closed by the caller */
	json_t *tab;			/* the tab that counts (order's, or the receipt inside), to be
					 * dropped by json_decref(); NULL if there was none */
	uint64_t files;			/* regular files and symlinks, as Homebrew counts them */
	uint64_t bytes;			/* of regular files, each inode once */
};

/*
 * -EBADMSG, with the reason: another digest than the one ordered, else damaged gzip or tar, or a
 * member that is refused, or more content than the limit; else what the store said. The bottle can
 * only be freed afterwards.
 */
int bfs_bottle_finish(struct bfs_bottle *bottle, struct bfs_keg_tree *ret_keg,
	struct bfs_error *error);
void bfs_bottle_free(struct bfs_bottle *bottle);
BFS_DEFINE_CLEANUP(struct bfs_bottle *, bfs_cleanup_bottle, bfs_bottle_free)
#define _cleanup_bottle_ BFS_CLEANUP(bfs_cleanup_bottle)

#endif
