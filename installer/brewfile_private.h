/*
 * What the files of the Brewfile share: brewfile.c (files, memory, report), brewfile_parse.c
 * (statements), brewfile_entry.c (what a call means).
 */
#ifndef BFS_INSTALLER_BREWFILE_PRIVATE_H
#define BFS_INSTALLER_BREWFILE_PRIVATE_H

#include "installer/brewfile.h"
#include "installer/ruby_text.h"

/* A call that is to be carried out: `brew "x", link: false`. */
struct bfs_brewfile_call {
	enum bfs_brewfile_kind kind;
	size_t position;    /* of the method's name */
	json_t *positional; /* array; borrowed */
	json_t *options;    /* object; borrowed */
};

/* The kind of that method's entries. Whether there is one. */
bool bfs_brewfile_kind_find(const char *method, size_t length, enum bfs_brewfile_kind *ret_kind);

/* Checks the call's arguments and adds its entry. -EBADMSG as bfs_ruby_fail(). */
int bfs_brewfile_add(struct bfs_brewfile *brewfile, struct bfs_ruby_text *text,
	const struct bfs_brewfile_call *call);

void bfs_brewfile_entry_release(struct bfs_brewfile_entry *entry);

#endif
