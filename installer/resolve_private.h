/*
 * The graph that a resolution is made of: resolve_graph.c builds it, resolve_decide.c says what is
 * to be done with each formula, resolve.c makes the result.
 */
#ifndef BFS_INSTALLER_RESOLVE_PRIVATE_H
#define BFS_INSTALLER_RESOLVE_PRIVATE_H

#include "installer/resolve.h"

struct bfs_resolve_edge {
	size_t node;
	bool implicit; /* on glibc or gcc, undeclared */
};

struct bfs_resolve_node {
	const struct bfs_formula *formula;
	struct bfs_resolve_edge *edges; /* to its dependencies, in order */
	size_t edge_count, edge_capacity;
	bool on_stack;
	size_t origin; /* the request that led here first */
	const struct bfs_resolve_request *request;
	struct bfs_installed installed;
	struct bfs_error
		missing;  /* why its first dependency that was not found was not; code 0: none */
	bool needed;	  /* by a request or a needed dependent */
	bool unsatisfied; /* a needed dependent wants a newer one than is there */
	enum bfs_resolve_action action;
	size_t mark; /* of the last walk that came by */
};

struct bfs_resolve_graph {
	const struct bfs_resolve_order *order;
	struct bfs_resolve_node *nodes; /* in the order they were met */
	size_t count, capacity;
	size_t *sequence; /* nodes, dependencies before dependents; `count` of them when complete */
	size_t sequence_count;
	size_t glibc, gcc;     /* nodes of these, or BFS_RESOLVE_NONE */
	bool in_glibc, in_gcc; /* while their own trees are walked */
	size_t origin;	       /* the request being walked */
	unsigned depth;
	size_t marks;
	bfs_strings warnings;
	struct bfs_error *error;
};

#define BFS_RESOLVE_NONE SIZE_MAX

/* Walks from all requests. On failure graph->origin is the culprit. */
int bfs_resolve_build(struct bfs_resolve_graph *graph);
/* Sets needed, unsatisfied and action, and finds what forbids to carry it out. The same. */
int bfs_resolve_decide(struct bfs_resolve_graph *graph);
/* Adds a warning. */
int bfs_resolve_warn(struct bfs_resolve_graph *graph, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void bfs_resolve_graph_release(struct bfs_resolve_graph *graph);

#endif
