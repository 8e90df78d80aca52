/*
 * Where exported programs and libraries are to run, as far as it decides whether they do: which
 * versions of the symbols of glibc and libstdc++ there are.
 *
 * Homebrew's bottles are built for glibc 2.39 (BFS_CI_GLIBC), and Lambda's runtimes on Amazon Linux
 * 2023 have 2.34: what needs more than that runs there only under the brewed glibc.
 */
#ifndef BFS_INSTALLER_EXPORT_TARGET_H
#define BFS_INSTALLER_EXPORT_TARGET_H

#include "installer/export_needs.h"

/* Newest versions; an empty one is not known and not checked. */
struct bfs_export_target {
	char name[64];
	char glibc[16];	  /* "2.34" */
	char glibcxx[16]; /* "3.4.29" */
	char cxxabi[16];  /* "1.3.13" */
};

/*
 * "lambda-python3.13", "lambda-provided.al2023"..., or
 * "glibc=2.34[,glibcxx=3.4.29][,cxxabi=1.3.13]". -EINVAL for others; the message lists the names.
 */
int bfs_export_target_find(
	const char *name, struct bfs_export_target *ret_target, struct bfs_error *error);

/* Whether the target has "GLIBC_2.38", a version that a file needs of a library. */
bool bfs_export_target_has(const struct bfs_export_target *target, const char *version);

/*
 * Checks every ELF file of the plan but those of the brewed glibc. Versions of libraries that the
 * export has itself (libstdc++ of a brewed gcc) are met. The result is an array of {"path",
 * "needs": ["GLIBC_2.38"...]} of the files that need more, by path; each content once.
 */
int bfs_export_target_check(const struct bfs_export_target *target, struct bfs_export_needs *needs,
	json_t **ret_findings);

#endif
