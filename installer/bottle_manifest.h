/*
 * What a registry tells about a bottle besides its bytes: the annotations of the bottle's entry in
 * the OCI image index (Homebrew github_packages.rb). Nobody vouches for it: it gives hints for the
 * pour; what is poured is decided by the digest in the formula.
 */
#ifndef BFS_INSTALLER_BOTTLE_MANIFEST_H
#define BFS_INSTALLER_BOTTLE_MANIFEST_H

#include "installer/formula.h"

/* Bytes of an image index: what registries accept (OCI distribution-spec). */
#define BFS_BOTTLE_MANIFEST_LIMIT (4 * 1024 * 1024)

struct bfs_bottle_manifest {
	json_t *tab;		     /* sh.brew.tab, an object; NULL where absent */
	int64_t bottle_size;	     /* bytes of the tar.gz; -1 where absent */
	int64_t installed_size;	     /* bytes unpacked; -1 where absent */
	char *glibc_version;	     /* "2.39", of the builder; NULL where absent */
	char *cpu_variant;	     /* "core2"; NULL where absent */
	bfs_strings path_exec_files; /* "bin/x", clean paths relative to the keg; never NULL */
};

/*
 * Picks the bottle's entry from the text of an image index: the one with the formula's digest and
 * the name VERSION.TAG[.REBUILD], for one digest may be listed under several tags. `name` is the
 * document's, for messages. -ENOENT where there is no such entry; -EBADMSG where the text is not an
 * image index, or a field of the entry has another type than it should.
 */
int bfs_bottle_manifest_parse(const char *text, size_t length, const char *name,
	const struct bfs_formula *formula, struct bfs_bottle_manifest **ret_manifest,
	struct bfs_error *error);

void bfs_bottle_manifest_free(struct bfs_bottle_manifest *manifest);
BFS_DEFINE_CLEANUP(
	struct bfs_bottle_manifest *, bfs_cleanup_bottle_manifest, bfs_bottle_manifest_free)
#define _cleanup_bottle_manifest_ BFS_CLEANUP(bfs_cleanup_bottle_manifest)

#endif
