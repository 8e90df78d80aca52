#include "installer/resolve_private.h"

#include "installer/prefix.h"

#include <string.h>

/* Whether it will be linked into the prefix. */
static bool will_link(const struct bfs_resolve_node *node)
{
	enum bfs_brewfile_link link =
		node->request ? node->request->link : BFS_BREWFILE_LINK_DEFAULT;

	if (link == BFS_BREWFILE_LINK_DEFAULT)
		return !node->formula->keg_only;
	return link != BFS_BREWFILE_LINK_NO;
}

/* Whether a Brewfile asks for links that an installed formula has not, or has and should not. */
static bool has_wrong_links(const struct bfs_resolve_node *node)
{
	return node->request && node->request->ensures_link &&
	       node->installed.linked != will_link(node);
}

static int forbid(struct bfs_resolve_graph *graph, const struct bfs_resolve_node *node, int code,
	const char *reason)
{
	graph->origin = node->origin;
	return bfs_error_set(graph->error, code, "resolving", node->formula->name, "%s", reason);
}

/* A pinned formula stays at its version: a request is passed over, a dependent cannot be poured. */
static int hold_pinned(struct bfs_resolve_graph *graph, struct bfs_resolve_node *node)
{
	node->action = BFS_RESOLVE_ALREADY;
	if (node->unsatisfied)
		return forbid(graph, node, -EPERM,
			"it is pinned, and its latest version is needed; unpin it first");
	return bfs_resolve_warn(graph, "%s %s is pinned and not upgraded to %s.",
		node->formula->name, node->installed.version, node->formula->pkg_version);
}

/* Nothing is poured; a requested formula may still need other links, or its kegs its new name. */
static enum bfs_resolve_action keep_version(const struct bfs_resolve_node *node)
{
	bool renamed = node->request && bfs_installed_has_old_name(&node->installed, node->formula);

	return renamed || has_wrong_links(node) ? BFS_RESOLVE_RELINK : BFS_RESOLVE_ALREADY;
}

static int choose_action(struct bfs_resolve_graph *graph, struct bfs_resolve_node *node)
{
	const struct bfs_installed *installed = &node->installed;
	bool wanted = node->unsatisfied || (node->request && !installed->current);

	if (!wanted)
		node->action = keep_version(node);
	else if (installed->latest)
		node->action = BFS_RESOLVE_RELINK;
	else if (!installed->version)
		node->action = BFS_RESOLVE_POUR;
	else if (installed->pinned)
		return hold_pinned(graph, node);
	else if (graph->order->no_upgrade && !node->unsatisfied && installed->opt) {
		node->action = keep_version(node);
		return bfs_resolve_warn(graph, "%s %s is installed and not upgraded to %s.",
			node->formula->name, installed->version, node->formula->pkg_version);
	} else
		node->action = BFS_RESOLVE_UPGRADE;
	return 0;
}

static bool is_poured(const struct bfs_resolve_node *node)
{
	return node->action == BFS_RESOLVE_POUR || node->action == BFS_RESOLVE_UPGRADE;
}

/*
 * Whether a bottle may be poured at the default prefix
 * (bottle_specification.rb#compatible_locations?). Documents made by a brew at the default prefix
 * have "/Cellar" for it.
 */
static bool cellar_fits(const char *cellar)
{
	return !cellar || *cellar == ':' || strcmp(cellar, "/" BFS_CELLAR) == 0 ||
	       strcmp(cellar, BFS_TREE_PREFIX_DEFAULT "/" BFS_CELLAR) == 0;
}

/* What is to be poured has to be one that can be. */
static int check_formula(struct bfs_resolve_graph *graph, const struct bfs_resolve_node *node)
{
	const struct bfs_formula *formula = node->formula;
	const char *why = formula->deprecation_reason;
	char reason[160];

	if (node->missing.code) {
		graph->origin = node->origin;
		bfs_error_set(graph->error, node->missing.code, "resolving", formula->name, "%s",
			node->missing.message);
		return node->missing.code;
	}
	if (formula->disabled) {
		graph->origin = node->origin;
		return bfs_error_set(graph->error, -ENOPKG, "resolving", formula->name,
			"it has been %s", why ? why : "disabled!");
	}
	if (formula->unmet_requirement) {
		graph->origin = node->origin;
		return bfs_error_set(graph->error, -ENOPKG, "resolving", formula->name,
			"it requires %s", formula->unmet_requirement);
	}
	if (!formula->has_bottle) {
		snprintf(reason, sizeof(reason), "there is no bottle of it for %s",
			graph->order->tag);
		return forbid(graph, node, -ENOPKG, reason);
	}
	if (!cellar_fits(formula->bottle_cellar)) {
		graph->origin = node->origin;
		return bfs_error_set(graph->error, -ENOPKG, "resolving", formula->name,
			"its bottle can only be poured into %s", formula->bottle_cellar);
	}
	if (formula->deprecated)
		return bfs_resolve_warn(
			graph, "%s has been %s", formula->name, why ? why : "deprecated!");
	return 0;
}

/*
 * A dependency of a keg that stays counts if its receipt knows of it: the catalog's formula may be
 * newer. Without a receipt it has to be there, whatever its version.
 */
static void follow_kept_edge(const struct bfs_resolve_node *node,
	const struct bfs_resolve_edge *edge, struct bfs_resolve_node *dependency)
{
	const json_t *tab = node->installed.record, *minimum;

	if (!edge->implicit && json_is_array(json_object_get(tab, "runtime_dependencies"))) {
		minimum = bfs_tab_dependency(tab, dependency->formula);
		if (!minimum)
			return;
		dependency->unsatisfied |= !bfs_installed_satisfies(
			&dependency->installed, dependency->formula, minimum);
	} else {
		dependency->unsatisfied |= !dependency->installed.opt;
	}
	dependency->needed = true;
}

static void follow_edges(struct bfs_resolve_graph *graph, const struct bfs_resolve_node *node)
{
	const struct bfs_resolve_order *order = graph->order;
	const json_t *tab =
		is_poured(node) && order->tab ? order->tab(order->context, node->formula) : NULL;

	for (size_t i = 0; i < node->edge_count; i++) {
		const struct bfs_resolve_edge *edge = &node->edges[i];
		struct bfs_resolve_node *dependency = &graph->nodes[edge->node];

		if (!is_poured(node)) {
			follow_kept_edge(node, edge, dependency);
			continue;
		}
		dependency->needed = true;
		dependency->unsatisfied |= !bfs_installed_satisfies(&dependency->installed,
			dependency->formula, bfs_tab_dependency(tab, dependency->formula));
	}
}

static bool is_called(const struct bfs_formula *formula, const char *name)
{
	const char *slash = strrchr(name, '/');

	if (slash)
		name = slash + 1;
	return strcmp(formula->name, name) == 0 || bfs_strings_contains(formula->aliases, name) ||
	       bfs_strings_contains(formula->old_names, name);
}

/* Two formulae of the list that cannot both be linked. */
static int check_conflict_in_list(struct bfs_resolve_graph *graph,
	const struct bfs_resolve_node *node, const struct bfs_conflict *conflict)
{
	for (size_t i = 0; i < graph->count; i++) {
		const struct bfs_resolve_node *other = &graph->nodes[i];

		if (other == node || !other->needed || other->action == BFS_RESOLVE_ALREADY ||
			!will_link(other) || !is_called(other->formula, conflict->name))
			continue;
		graph->origin = node->origin > other->origin ? node->origin : other->origin;
		return bfs_error_set(graph->error, -EEXIST, "resolving", node->formula->name,
			"it conflicts with %s%s%s, and both are to be linked", other->formula->name,
			conflict->reason ? " because " : "",
			conflict->reason ? conflict->reason : "");
	}
	return 0;
}

static int check_conflicts(struct bfs_resolve_graph *graph, const struct bfs_resolve_node *node)
{
	const struct bfs_formula *formula = node->formula;
	int r = 0;

	if (graph->order->force || !will_link(node) || node->action == BFS_RESOLVE_ALREADY)
		return 0;
	for (size_t i = 0; r == 0 && i < formula->conflict_count; i++)
		r = check_conflict_in_list(graph, node, &formula->conflicts[i]);
	if (r < 0 || !graph->order->tree || (node->request && node->request->unlinks_conflicts))
		return r;
	graph->origin = node->origin;
	return bfs_formula_check_conflicts(graph->order->tree, formula, graph->error);
}

int bfs_resolve_decide(struct bfs_resolve_graph *graph)
{
	int r = 0;

	/*
	 * Dependents before their dependencies, so that all that want something of one have spoken.
	 */
	for (size_t i = graph->sequence_count; r == 0 && i-- > 0;) {
		struct bfs_resolve_node *node = &graph->nodes[graph->sequence[i]];

		if (!node->request && !node->needed)
			continue;
		node->needed = true;
		r = choose_action(graph, node);
		if (r == 0 && is_poured(node))
			r = check_formula(graph, node);
		if (r == 0)
			follow_edges(graph, node);
	}
	for (size_t i = 0; r == 0 && i < graph->sequence_count; i++)
		if (graph->nodes[graph->sequence[i]].needed)
			r = check_conflicts(graph, &graph->nodes[graph->sequence[i]]);
	return r;
}
