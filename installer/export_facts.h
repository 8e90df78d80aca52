/*
 * What an export has to know of a content, whatever file has it: whether it holds the prefix, and,
 * of a program, library or script, what it asks of others. Found once by reading all of it, then
 * remembered under its digest as a small JSON text (installer/export_cache.h).
 */
#ifndef BFS_INSTALLER_EXPORT_FACTS_H
#define BFS_INSTALLER_EXPORT_FACTS_H

#include "lib/json.h"

#include <stddef.h>
#include <stdint.h>

/* Strings are borrowed from `document`; NULL where there is none. */
struct bfs_export_facts {
	json_t *document;
	bool has_prefix;      /* the prefix occurs in its bytes */
	bool finds_itself;    /* it looks for files beside its own: "/proc/self/exe", "$ORIGIN",
				 libpython */
	bool is_elf;	      /* dynamically linked; what follows is of such files alone */
	int64_t machine;      /* EM_X86_64... */
	bool opens_libraries; /* it may call dlopen(), which goes by its RPATH as well */
	bool is_program;      /* it has an interpreter */
	const char *soname;
	const char *rpath;	 /* the one the loader reads: DT_RUNPATH, else DT_RPATH */
	const json_t *needed;	 /* array of strings */
	const json_t *versions;	 /* array of "libc.so.6 GLIBC_2.38": of each library and family the
				    newest one it needs */
	const char *interpreter; /* of a script: where its "#!" leads, absolute */
};

/* Reads the bytes of a content. `prefix` is absolute. -ENOMEM. */
int bfs_export_facts_find(
	const void *data, size_t length, const char *prefix, struct bfs_export_facts *ret_facts);

/* From the JSON text that bfs_export_facts_text() gave. -EBADMSG, -ENOMEM. */
int bfs_export_facts_parse(const char *text, struct bfs_export_facts *ret_facts);

/* One line; allocated, NULL when out of memory. */
char *bfs_export_facts_text(const struct bfs_export_facts *facts);

void bfs_export_facts_release(struct bfs_export_facts *facts);
#define _cleanup_export_facts_ BFS_CLEANUP(bfs_export_facts_release)

#endif
