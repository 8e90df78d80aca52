#include "installer/resolve_private.h"

#include "installer/version.h"
#include "lib/log.h"

#include <stdarg.h>
#include <string.h>

static int visit(
	struct bfs_resolve_graph *graph, const struct bfs_formula *formula, size_t *ret_node);

int bfs_resolve_warn(struct bfs_resolve_graph *graph, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;
	int length;

	va_start(args, format);
	length = vasprintf(&text, format, args);
	va_end(args);
	if (length < 0) {
		text = NULL;
		return -ENOMEM;
	}
	return bfs_strings_contains(graph->warnings, text)
		       ? 0
		       : bfs_strings_add(&graph->warnings, text);
}

/* A catalog hands out one formula by one pointer, whatever name it is asked for by. */
static size_t find_node(const struct bfs_resolve_graph *graph, const struct bfs_formula *formula)
{
	for (size_t i = 0; i < graph->count; i++)
		if (graph->nodes[i].formula == formula)
			return i;
	return BFS_RESOLVE_NONE;
}

static int reserve_node(struct bfs_resolve_graph *graph)
{
	size_t capacity = graph->capacity ? 2 * graph->capacity : 64;
	struct bfs_resolve_node *nodes;
	size_t *sequence;

	if (graph->count < graph->capacity)
		return 0;
	nodes = reallocarray(graph->nodes, capacity, sizeof(*nodes));
	if (!nodes)
		return -ENOMEM;
	graph->nodes = nodes;
	sequence = reallocarray(graph->sequence, capacity, sizeof(*sequence));
	if (!sequence)
		return -ENOMEM;
	graph->sequence = sequence;
	graph->capacity = capacity;
	return 0;
}

static int add_node(
	struct bfs_resolve_graph *graph, const struct bfs_formula *formula, size_t *ret_node)
{
	struct bfs_resolve_node node = {
		.formula = formula, .on_stack = true, .origin = graph->origin};
	int r = reserve_node(graph);

	if (r == 0)
		r = bfs_installed_read(graph->order->tree, formula, &node.installed, graph->error);
	if (r < 0)
		return r;
	graph->nodes[graph->count] = node;
	*ret_node = graph->count++;
	return 0;
}

static int add_edge(struct bfs_resolve_node *node, size_t to, bool implicit)
{
	for (size_t i = 0; i < node->edge_count; i++)
		if (node->edges[i].node == to)
			return 0;
	if (node->edge_count == node->edge_capacity) {
		size_t capacity = node->edge_capacity ? 2 * node->edge_capacity : 8;
		struct bfs_resolve_edge *edges =
			reallocarray(node->edges, capacity, sizeof(*edges));

		if (!edges)
			return -ENOMEM;
		node->edges = edges;
		node->edge_capacity = capacity;
	}
	node->edges[node->edge_count++] = (struct bfs_resolve_edge){to, implicit};
	return 0;
}

/* Whether the first version is known and older. */
static bool is_older(const char *version, const char *than)
{
	return *version && bfs_version_compare(version, than) < 0;
}

static bool needs_glibc(const struct bfs_resolve_graph *graph, const struct bfs_formula *formula)
{
	const struct bfs_resolve_order *order = graph->order;
	const char *built_with =
		order->built_with ? order->built_with(order->context, formula) : NULL;

	return is_older(order->runtime.glibc, built_with ? built_with : BFS_CI_GLIBC);
}

static int add_runtime_edge(
	struct bfs_resolve_graph *graph, size_t from, size_t runtime, const char *name)
{
	if (runtime != BFS_RESOLVE_NONE)
		return add_edge(&graph->nodes[from], runtime, true);
	return bfs_resolve_warn(graph,
		"The target's glibc or libstdc++ is older than the bottles' (%s, %s), and there is "
		"no %s "
		"to pour: programs may not start.",
		BFS_CI_GLIBC, BFS_CI_LIBSTDCXX, name);
}

/* The edges of `from` that no document declares. */
static int add_implicit_edges(struct bfs_resolve_graph *graph, size_t from)
{
	const struct bfs_formula *formula = graph->nodes[from].formula;
	bool glibc, gcc;
	int r = 0;

	if (graph->in_glibc || strncmp(formula->name, "glibc@", strlen("glibc@")) == 0)
		return 0;
	glibc = needs_glibc(graph, formula);
	gcc = glibc || is_older(graph->order->runtime.libstdcxx, BFS_CI_LIBSTDCXX);
	if (glibc)
		r = add_runtime_edge(graph, from, graph->glibc, "glibc");
	if (r == 0 && gcc && !graph->in_gcc)
		r = add_runtime_edge(graph, from, graph->gcc, "gcc");
	return r;
}

/* Keeps the first reason why one of the node's dependencies was not found. */
static void note_missing(
	struct bfs_resolve_node *node, const char *name, struct bfs_error *error, int code)
{
	if (node->missing.code == 0) {
		bfs_error_set(&node->missing, code, "resolving dependencies", node->formula->name,
			"its dependency %s: %s", name, bfs_error_message(error, code));
		node->missing.code = code;
	}
}

/* A formula that something depends on: what is installed will do where nothing else is known. */
static int find_needed(const struct bfs_resolve_graph *graph, const char *name,
	const struct bfs_formula **ret_formula, struct bfs_error *error)
{
	const struct bfs_resolve_order *order = graph->order;
	int r = order->find(order->find_context, name, ret_formula, error);

	if (r == 0 || r == -ENOMEM || r == -EKEYREJECTED || !order->find_installed)
		return r;
	return order->find_installed(order->find_context, name, ret_formula, NULL) == 0 ? 0 : r;
}

static int visit_dependency(struct bfs_resolve_graph *graph, size_t from, const char *name)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	const struct bfs_formula *formula;
	size_t to = BFS_RESOLVE_NONE;
	int r = find_needed(graph, name, &formula, &error);

	if (r == -ENOENT || r == -EREMOTE) {
		note_missing(&graph->nodes[from], name, &error, r);
		return 0;
	}
	if (r < 0)
		return bfs_error_set(graph->error, r, "resolving dependencies",
			graph->nodes[from].formula->name, "its dependency %s: %s", name,
			bfs_error_message(&error, r));
	r = visit(graph, formula, &to);
	if (r < 0)
		return r;
	if (graph->nodes[to].on_stack) {
		bfs_log_debug("%s depends on itself through %s, which is passed over",
			formula->name, graph->nodes[from].formula->name);
		return 0;
	}
	return add_edge(&graph->nodes[from], to, false);
}

/* The node of a formula, with everything it needs in the sequence before it. */
static int visit(
	struct bfs_resolve_graph *graph, const struct bfs_formula *formula, size_t *ret_node)
{
	size_t node = find_node(graph, formula);
	int r = 0;

	*ret_node = node;
	if (node != BFS_RESOLVE_NONE)
		return 0;
	if (graph->depth == BFS_RESOLVE_DEPTH_MAX)
		return bfs_error_set(graph->error, -ELOOP, "resolving dependencies", formula->name,
			"more than %d levels of dependencies", BFS_RESOLVE_DEPTH_MAX);
	r = add_node(graph, formula, &node);
	if (r < 0)
		return r;
	graph->depth++;
	r = add_implicit_edges(graph, node);
	for (char **name = formula->dependencies; r == 0 && name && *name; name++)
		r = visit_dependency(graph, node, *name);
	graph->depth--;
	graph->nodes[node].on_stack = false;
	graph->sequence[graph->sequence_count++] = node;
	*ret_node = node;
	return r;
}

/* glibc or gcc, if it can be found. A bottle file can do without the API, and so goes without. */
static int visit_runtime(struct bfs_resolve_graph *graph, const char *name, size_t *ret_node)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	const struct bfs_formula *formula;
	int r = find_needed(graph, name, &formula, &error);

	if (r == 0)
		return visit(graph, formula, ret_node);
	if (r != -ENOMEM && r != -EKEYREJECTED && r != -EBADMSG)
		return 0;
	return bfs_error_set(graph->error, r, "resolving dependencies", name, "%s",
		bfs_error_message(&error, r));
}

/* Whether any bottle could need a newer runtime than the target's; the hook may name any glibc. */
static bool target_is_old(const struct bfs_resolve_order *order)
{
	return (order->built_with && *order->runtime.glibc) ||
	       is_older(order->runtime.glibc, BFS_CI_GLIBC) ||
	       is_older(order->runtime.libstdcxx, BFS_CI_LIBSTDCXX);
}

static int visit_runtimes(struct bfs_resolve_graph *graph)
{
	const struct bfs_resolve_order *order = graph->order;
	int r = 0;

	graph->glibc = graph->gcc = BFS_RESOLVE_NONE;
	if (!target_is_old(order))
		return 0;
	graph->in_glibc = true;
	if (order->built_with || is_older(order->runtime.glibc, BFS_CI_GLIBC))
		r = visit_runtime(graph, "glibc", &graph->glibc);
	graph->in_glibc = false;
	graph->in_gcc = true;
	if (r == 0)
		r = visit_runtime(graph, "gcc", &graph->gcc);
	graph->in_gcc = false;
	return r;
}

int bfs_resolve_build(struct bfs_resolve_graph *graph)
{
	const struct bfs_resolve_order *order = graph->order;
	int r = order->count > 0 ? visit_runtimes(graph) : 0;

	for (size_t i = 0; r == 0 && i < order->count; i++) {
		const struct bfs_formula *formula;
		size_t node = BFS_RESOLVE_NONE;

		graph->origin = i;
		r = order->find(
			order->find_context, order->requests[i].name, &formula, graph->error);
		if (r == 0)
			r = visit(graph, formula, &node);
		if (r < 0)
			break;
		graph->nodes[node].request = &order->requests[i];
		graph->nodes[node].origin = i;
	}
	return r;
}

void bfs_resolve_graph_release(struct bfs_resolve_graph *graph)
{
	for (size_t i = 0; i < graph->count; i++) {
		free(graph->nodes[i].edges);
		bfs_installed_release(&graph->nodes[i].installed);
		bfs_error_clear(&graph->nodes[i].missing);
	}
	free(graph->nodes);
	free(graph->sequence);
	bfs_strings_free(graph->warnings);
}
