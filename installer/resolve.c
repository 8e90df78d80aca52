#include "installer/resolve.h"

#include "installer/resolve_private.h"

#include <string.h>

/* A place in the walk through what a node needs: the edge to follow next. */
struct place {
	size_t node, edge;
};

/*
 * Lists what a node needs, dependencies first: a walk in depth, each node once. Both arrays have
 * room for all nodes.
 */
static size_t collect(
	struct bfs_resolve_graph *graph, size_t from, size_t *list, struct place *stack)
{
	size_t count = 0, depth = 0;

	graph->nodes[from].mark = ++graph->marks;
	stack[0] = (struct place){from, 0};
	for (;;) {
		struct place *place = &stack[depth];
		const struct bfs_resolve_node *node = &graph->nodes[place->node];

		if (place->edge < node->edge_count) {
			size_t next = node->edges[place->edge++].node;

			if (graph->nodes[next].mark == graph->marks)
				continue;
			graph->nodes[next].mark = graph->marks;
			stack[++depth] = (struct place){next, 0};
		} else if (depth > 0) {
			list[count++] = place->node;
			depth--;
		} else {
			return count;
		}
	}
}

static bool is_declared(const struct bfs_resolve_node *node, size_t dependency)
{
	for (size_t i = 0; i < node->edge_count; i++)
		if (node->edges[i].node == dependency)
			return true;
	return false;
}

static int set_dependencies(struct bfs_resolve_graph *graph, size_t node, struct bfs_resolved *item)
{
	_cleanup_free_ size_t *list = calloc(graph->count, sizeof(*list));
	_cleanup_free_ struct place *stack = calloc(graph->count, sizeof(*stack));
	size_t count;

	if (!list || !stack)
		return -ENOMEM;
	count = collect(graph, node, list, stack);
	if (count == 0)
		return 0;
	item->dependencies = calloc(count, sizeof(*item->dependencies));
	if (!item->dependencies)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		item->dependencies[i] = (struct bfs_resolved_dependency){
			graph->nodes[list[i]].formula, is_declared(&graph->nodes[node], list[i])};
	item->dependency_count = count;
	return 0;
}

static bool was_on_request(const json_t *record)
{
	bool on_request = false;

	bfs_json_get_bool(record, "installed_on_request", &on_request);
	return on_request;
}

static int make_item(struct bfs_resolve_graph *graph, size_t index, struct bfs_resolved *item)
{
	struct bfs_resolve_node *node = &graph->nodes[index];
	const json_t *record = node->installed.record;

	item->formula = node->formula;
	item->action = node->action;
	item->request = node->request;
	item->requested = node->request && !node->request->is_dependent;
	item->installed = bfs_steal(&node->installed.version);
	if (node->action != BFS_RESOLVE_ALREADY && bfs_installed_has_old_name(&node->installed,
						    node->formula))
		item->old_name = bfs_steal(&node->installed.rack);
	item->on_request = item->requested || was_on_request(record);
	item->marks_request =
		item->requested && record && !was_on_request(record) &&
		(node->action == BFS_RESOLVE_ALREADY || node->action == BFS_RESOLVE_RELINK);
	return set_dependencies(graph, index, item);
}

static int make_resolution(struct bfs_resolve_graph *graph, struct bfs_resolution **ret_resolution)
{
	_cleanup_resolution_ struct bfs_resolution *resolution = calloc(1, sizeof(*resolution));
	int r = 0;

	if (!resolution)
		return -ENOMEM;
	resolution->items = calloc(graph->count ? graph->count : 1, sizeof(*resolution->items));
	resolution->warnings = graph->warnings ? bfs_steal(&graph->warnings)
					       : calloc(1, sizeof(*resolution->warnings));
	if (!resolution->items || !resolution->warnings)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < graph->sequence_count; i++) {
		size_t node = graph->sequence[i];

		if (graph->nodes[node].needed)
			r = make_item(graph, node, &resolution->items[resolution->count++]);
	}
	if (r == 0)
		*ret_resolution = bfs_steal(&resolution);
	return r;
}

int bfs_resolve(const struct bfs_resolve_order *order, struct bfs_resolution **ret_resolution,
	size_t *ret_culprit, struct bfs_error *error)
{
	struct bfs_resolve_graph graph = {.order = order, .error = error};
	int r = bfs_resolve_build(&graph);

	if (r == 0)
		r = bfs_resolve_decide(&graph);
	if (r == 0)
		r = make_resolution(&graph, ret_resolution);
	if (r < 0 && ret_culprit)
		*ret_culprit = graph.origin;
	bfs_resolve_graph_release(&graph);
	return r;
}

bool bfs_resolution_is_empty(const struct bfs_resolution *resolution)
{
	for (size_t i = 0; i < resolution->count; i++)
		if (resolution->items[i].action != BFS_RESOLVE_ALREADY ||
			resolution->items[i].marks_request)
			return false;
	return true;
}

void bfs_resolution_free(struct bfs_resolution *resolution)
{
	if (!resolution)
		return;
	for (size_t i = 0; resolution->items && i < resolution->count; i++) {
		free(resolution->items[i].installed);
		free(resolution->items[i].old_name);
		free(resolution->items[i].dependencies);
	}
	free(resolution->items);
	bfs_strings_free(resolution->warnings);
	free(resolution);
}
