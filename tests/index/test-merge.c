/*
 * Three-way merges of trees. Each case is a base, what ours and theirs did to it, and what is to
 * come of it; it runs as a session has it (numbers kept when bytes change, touched inodes known)
 * and as two plain trees, and with theirs numbered otherwise than the base. Then random ones.
 */
#include "index/check_tree.h"
#include "index/merge.h"
#include "index/tree_private.h"
#include "lib/path.h"
#include "tests/index/store_fixture.h"

/* A tree that is changed by a script; with nodes like a session's. */
struct side {
	struct bfs_tree *tree;
	struct bfs_merge_nodes nodes;
	bool session;
};

static struct bfs_content content_of(unsigned seed, mode_t mode)
{
	/* Seeds from 1000 on are objects. */
	struct bfs_content content = {.size = 10 + seed % 7, .packed = seed < 1000};

	if (!content.packed) {
		content.size = 100000;
		content.executable = (mode & 0111) != 0;
	} else {
		content.offset = 16 + seed;
	}
	bfs_digest_of(&seed, sizeof(seed), &content.digest);
	return content;
}

static uint64_t ino_of(struct side *side, const char *path, struct bfs_attributes *attributes)
{
	struct bfs_attributes ignored;
	struct bfs_attributes *found = attributes ? attributes : &ignored;

	if (bfs_tree_lstat_path(side->tree, path, found) < 0)
		return 0;
	return found->ino;
}

static void touch_ino(struct side *side, uint64_t ino)
{
	struct bfs_merge_node *node;

	if (side->session && ino && bfs_merge_nodes_add(&side->nodes, ino, &node) == 0)
		node->touched = true;
}

static void touch(struct side *side, const char *path)
{
	_cleanup_free_ char *parent = bfs_path_parent(path);

	touch_ino(side, ino_of(side, path, NULL));
	touch_ino(side, ino_of(side, parent, NULL));
}

/* New bytes under the old number, as a session has them: the row knows nothing of them. */
static int rewrite(struct side *side, uint64_t ino, unsigned seed, mode_t mode)
{
	_cleanup_free_ char *sql = bfs_format(
		"UPDATE inode SET size=0, object=NULL WHERE ino=%llu", (unsigned long long)ino);
	struct bfs_merge_node *node;
	int r = bfs_merge_nodes_add(&side->nodes, ino, &node);

	if (r < 0)
		return r;
	node->touched = node->local = node->known = node->placed = true;
	node->content = content_of(seed, mode);
	node->size = node->content.size;
	node->mtime = 2000;
	return bfs_db_exec(bfs_tree_db(side->tree), sql);
}

static int op_write(struct side *side, const char *path, unsigned seed)
{
	_cleanup_free_ char *parent = bfs_path_parent(path);
	struct bfs_content content = content_of(seed, 0644);
	struct bfs_attributes old;

	if (ino_of(side, path, &old) && S_ISREG(old.mode) && side->session)
		return rewrite(side, old.ino, seed, old.mode);
	if (bfs_tree_make_directories(side->tree, parent, &old) < 0)
		return -ENOENT;
	return bfs_tree_write_path(side->tree, path, 0644, 1000, &content);
}

/* A chmod of an object needs the other variant: the commit has put it. */
static void restore(struct side *side, uint64_t ino, mode_t mode)
{
	struct bfs_merge_node *node;
	struct bfs_content content;

	if (!side->session || bfs_tree_content(side->tree, ino, &content) < 0 || content.packed ||
		!content.size || content.executable == ((mode & 0111) != 0) ||
		bfs_merge_nodes_add(&side->nodes, ino, &node) < 0)
		return;
	content.executable = !content.executable;
	node->content = content;
	node->restored = node->known = node->placed = true;
}

static int op_mode(struct side *side, const char *path, mode_t mode)
{
	struct bfs_attributes attributes;

	if (!ino_of(side, path, &attributes))
		return -ENOENT;
	restore(side, attributes.ino, mode);
	return bfs_tree_set_mode(side->tree, attributes.ino, mode);
}

static int op_link(struct side *side, const char *from, const char *to)
{
	_cleanup_free_ char *parent = bfs_path_parent(to);
	struct bfs_attributes directory;
	const char *name = bfs_path_base(to);
	int r = bfs_tree_make_directories(side->tree, parent, &directory);

	return r < 0 ? r
		     : bfs_tree_link(side->tree, ino_of(side, from, NULL), directory.ino, name,
			       strlen(name));
}

static int op_symlink(struct side *side, const char *target, const char *path)
{
	_cleanup_free_ char *parent = bfs_path_parent(path);
	struct bfs_attributes directory;
	int r = bfs_tree_make_directories(side->tree, parent, &directory);

	return r < 0 ? r : bfs_tree_symlink_path(side->tree, target, path);
}

static int op_rename(struct side *side, const char *from, const char *to)
{
	_cleanup_free_ char *parent = bfs_path_parent(to);
	struct bfs_attributes directory;
	int r;

	touch(side, from);
	touch(side, to);
	r = bfs_tree_make_directories(side->tree, parent, &directory);
	return r < 0 ? r : bfs_tree_rename_path(side->tree, from, to);
}

/* Every directory above a path may have been made for it. */
static void touch_above(struct side *side, const char *path)
{
	_cleanup_free_ char *above = strdup(path);

	for (char *slash; above && (slash = strrchr(above, '/'));) {
		*slash = '\0';
		touch(side, above);
	}
	touch_ino(side, BFS_TREE_ROOT);
}

/* One command: "w PATH SEED", "m PATH MODE", "r PATH", "v FROM TO", "l FROM TO", "s TARGET PATH",
 * "d PATH". */
static int run_command(struct side *side, const char *command)
{
	char verb, a[256] = "", b[256] = "";
	int r = -EINVAL;

	if (sscanf(command, " %c %255s %255s", &verb, a, b) < 2)
		return -EINVAL;
	touch(side, a);
	if (*b && !strchr("wm", verb))
		touch(side, b);
	if (verb == 'w')
		r = op_write(side, a, (unsigned)strtoul(b, NULL, 10));
	else if (verb == 'm')
		r = op_mode(side, a, (mode_t)strtoul(b, NULL, 8));
	else if (verb == 'r')
		r = bfs_tree_remove_path(side->tree, a);
	else if (verb == 'v')
		r = op_rename(side, a, b);
	else if (verb == 'l')
		r = op_link(side, a, b);
	else if (verb == 's')
		r = op_symlink(side, a, b);
	else if (verb == 'd')
		r = bfs_tree_make_directories(side->tree, a, &(struct bfs_attributes){0});
	if (r == 0) {
		touch(side, a);
		touch_above(side, strchr("vls", verb) ? b : a);
		if (*b && !strchr("wm", verb))
			touch(side, b);
	}
	return r;
}

static void run_script(struct side *side, const char *script)
{
	_cleanup_free_ char *copy = strdup(script);

	for (char *state = NULL, *line = strtok_r(copy, ";", &state); line;
		line = strtok_r(NULL, ";", &state)) {
		int r = run_command(side, line);

		if (r < 0)
			printf("# script '%s': %s\n", line, strerror(-r));
	}
}

/* --- what a tree is, as text --- */

/* The first path with that inode is its group. */
struct groups {
	uint64_t inos[4096];
	size_t count;
};

static size_t group_of(struct groups *groups, uint64_t ino)
{
	size_t i = 0;

	while (i < groups->count && groups->inos[i] != ino)
		i++;
	if (i == groups->count && groups->count < BFS_ARRAY_LENGTH(groups->inos))
		groups->inos[groups->count++] = ino;
	return i;
}

static void dump_entry(const struct bfs_merge_side *side, const char *path,
	const struct bfs_attributes *attributes, struct groups *groups, struct bfs_buffer *text)
{
	char hex[BFS_DIGEST_HEX_SIZE];
	struct bfs_content content;

	if (S_ISDIR(attributes->mode)) {
		bfs_buffer_append_format(text, "%s/ %o\n", path, attributes->mode & 07777);
	} else if (S_ISLNK(attributes->mode)) {
		_cleanup_free_ char *target = NULL;

		bfs_tree_read_link(side->tree, attributes->ino, &target);
		bfs_buffer_append_format(text, "%s -> %s", path, target ? target : "?");
	} else {
		bfs_merge_side_content(side, attributes, &content);
		bfs_buffer_append_format(text, "%s %o %.8s %llu", path, attributes->mode & 07777,
			bfs_digest_to_hex(&content.digest, hex), (unsigned long long)content.size);
		if (content.size && !content.packed)
			bfs_buffer_append_string(text, content.executable ? " x" : " -");
	}
	if (!S_ISDIR(attributes->mode))
		bfs_buffer_append_format(text, " #%zu\n", group_of(groups, attributes->ino));
}

static void dump_directory(const struct bfs_merge_side *side, uint64_t ino, const char *path,
	struct groups *groups, struct bfs_buffer *text)
{
	_cleanup_merge_pairs_ struct bfs_merge_pairs pairs = {0};
	const struct bfs_merge_side nothing = {0};

	if (bfs_merge_pairs_read(&nothing, 0, side, ino, &pairs) < 0)
		bfs_buffer_append_format(text, "%s cannot be read\n", path);
	for (size_t i = 0; i < pairs.count; i++) {
		_cleanup_free_ char *child = bfs_path_join(path, pairs.pairs[i].name);

		dump_entry(side, child, &pairs.pairs[i].second, groups, text);
		if (S_ISDIR(pairs.pairs[i].second.mode))
			dump_directory(side, pairs.pairs[i].second.ino, child, groups, text);
	}
}

static char *dump(const struct bfs_merge_side *side)
{
	struct bfs_buffer text = BFS_BUFFER_INIT;
	struct groups *groups = calloc(1, sizeof(*groups));

	bfs_buffer_append_string(&text, "");
	dump_directory(side, BFS_TREE_ROOT, "", groups, &text);
	free(groups);
	return bfs_buffer_steal(&text);
}

static char *dump_tree(struct bfs_tree *tree)
{
	const struct bfs_merge_side side = {.tree = tree};

	return dump(&side);
}

/* Whether the tree is whole, by the rules of fsck. */
static bool is_whole(struct bfs_tree *tree)
{
	const char *path = fixture_path("check.sqlite");
	const struct bfs_check_origin origin = {0};
	_cleanup_check_ struct bfs_check *check = NULL;
	_cleanup_tree_ struct bfs_tree *copy = NULL;
	bool whole;

	unlink(path);
	if (bfs_tree_write_copy(tree, path, NULL) < 0 || bfs_check_new(&check) < 0 ||
		bfs_check_tree(check, &origin, path, false, &copy) < 0)
		return false;
	whole = bfs_check_problems(check) == 0;
	for (const struct bfs_finding *f = bfs_check_findings(check); f; f = f->next)
		printf("# %s %s: %s\n", f->what, f->path, f->detail);
	unlink(path);
	return whole;
}

/* --- a case --- */

static struct bfs_tree *copy_tree(struct bfs_tree *tree)
{
	static unsigned number;
	_cleanup_free_ char *path = strdup(fixture_path("tree.%u", number++));
	struct bfs_tree *copy = NULL;

	if (bfs_tree_write_copy(tree, path, NULL) < 0 ||
		bfs_tree_open(path, BFS_TREE_WRITE, &copy, NULL) < 0)
		printf("Bail out! a tree cannot be copied\n");
	unlink(path);
	return copy;
}

struct renumbering {
	struct bfs_tree *from, *to;
	struct bfs_merge_nodes map;
};

static void renumber(struct renumbering *state, uint64_t from, uint64_t to)
{
	_cleanup_merge_pairs_ struct bfs_merge_pairs pairs = {0};
	const struct bfs_merge_side nothing = {0}, side = {.tree = state->from};

	bfs_merge_pairs_read(&nothing, 0, &side, from, &pairs);
	for (size_t i = pairs.count; i > 0; i--) {
		const struct bfs_merge_pair *pair = &pairs.pairs[i - 1];
		const struct bfs_attributes *a = &pair->second;
		struct bfs_merge_node *node;
		struct bfs_content content;
		uint64_t ino = 0;

		bfs_merge_nodes_add(&state->map, a->ino, &node);
		if (S_ISDIR(a->mode)) {
			bfs_tree_make_directory(
				state->to, to, pair->name, pair->length, a->mode, a->mtime, &ino);
			renumber(state, a->ino, ino);
			bfs_tree_set_mtime(state->to, ino, a->mtime);
		} else if (node->published) {
			bfs_tree_link(state->to, node->published, to, pair->name, pair->length);
		} else if (S_ISLNK(a->mode)) {
			_cleanup_free_ char *target = NULL;

			bfs_tree_read_link(state->from, a->ino, &target);
			bfs_tree_make_symlink(state->to, to, pair->name, pair->length, target,
				strlen(target), a->mtime, &ino);
		} else {
			bfs_tree_content(state->from, a->ino, &content);
			bfs_tree_make_file(state->to, to, pair->name, pair->length, a->mode,
				a->mtime, &content, &ino);
		}
		if (ino && bfs_merge_nodes_add(&state->map, a->ino, &node) == 0)
			node->published = ino;
	}
}

/* The same tree under other numbers. */
static struct bfs_tree *renumbered_tree(struct bfs_tree *tree)
{
	struct renumbering state = {.from = tree, .map = BFS_MERGE_NODES_INIT};

	if (bfs_tree_open(NULL, BFS_TREE_NEW, &state.to, NULL) < 0)
		printf("Bail out! no tree can be made\n");
	renumber(&state, BFS_TREE_ROOT, BFS_TREE_ROOT);
	bfs_merge_nodes_release(&state.map);
	return state.to;
}

struct variant {
	bool session, renumbered;
};

struct world {
	struct bfs_tree *base;
	struct side ours, theirs;
	struct bfs_merge_result result;
	char *conflicts;
};

static void world_make(struct world *world, const char *base, struct variant variant)
{
	struct side side = {0};

	*world = (struct world){0};
	if (bfs_tree_open(NULL, BFS_TREE_NEW, &side.tree, NULL) < 0)
		printf("Bail out! no tree can be made\n");
	run_script(&side, base);
	world->base = side.tree;
	world->ours = (struct side){.tree = copy_tree(side.tree), .session = variant.session};
	world->theirs.tree = variant.renumbered ? renumbered_tree(side.tree) : copy_tree(side.tree);
}

static int world_merge(
	struct world *world, enum bfs_commit_side side, const struct bfs_ignore *ignore)
{
	struct bfs_merge_order order = {
		.base = world->base,
		.ours = {.tree = world->ours.tree,
			.nodes = world->ours.session ? &world->ours.nodes : NULL},
		.theirs = world->theirs.tree,
		.ignore = ignore,
		.side = side,
	};
	struct bfs_buffer text = BFS_BUFFER_INIT;
	int r = 0;

	if (world->ours.session)
		r = bfs_merge_nodes_enter(&world->ours.nodes, world->base, world->ours.tree);
	if (r == 0)
		r = bfs_merge_run(&order, &world->result, NULL);
	bfs_buffer_append_string(&text, "");
	for (size_t i = 0; i < world->result.conflict_count; i++) {
		const struct bfs_commit_conflict *c = &world->result.conflicts[i];

		bfs_buffer_append_format(
			&text, "%s%s: %s / %s", i ? "; " : "", c->path, c->ours, c->theirs);
	}
	world->conflicts = bfs_buffer_steal(&text);
	return r;
}

static void world_release(struct world *world)
{
	bfs_tree_close(world->base);
	bfs_tree_close(world->ours.tree);
	bfs_tree_close(world->theirs.tree);
	bfs_merge_nodes_release(&world->ours.nodes);
	bfs_merge_result_release(&world->result);
	free(world->conflicts);
}

struct merge_case {
	const char *what;
	const char *base, *ours, *theirs;
	const char *result;    /* a script that makes it from nothing; NULL: a conflict */
	const char *conflicts; /* "path: ours / theirs; ..." */
	const char *if_ours, *if_theirs;
	bool session_only; /* a write changes all names of a file */
};

#define BASE "w a 1; w d/f 2; w d/g 3; w d/e/h 4; s a l; w x/y/z 5"

static const struct merge_case cases[] = {
	{"nothing changed", BASE, "", "", BASE, NULL, NULL, NULL, false},
	{"ours adds", BASE, "w n 9; w d/n 8; s d m; d q", "", BASE "; w n 9; w d/n 8; s d m; d q",
		NULL, NULL, NULL, false},
	{"theirs adds", BASE, "", "w n 9; s x k", BASE "; w n 9; s x k", NULL, NULL, NULL, false},
	{"both add elsewhere", BASE, "w d/n 8", "w d/m 9", BASE "; w d/n 8; w d/m 9", NULL, NULL,
		NULL, false},
	{"ours modifies", BASE, "w a 11; w d/e/h 14", "", BASE "; w a 11; w d/e/h 14", NULL, NULL,
		NULL, false},
	{"one file each", BASE, "w a 11", "w d/f 12", BASE "; w a 11; w d/f 12", NULL, NULL, NULL,
		false},
	{"ours removes", BASE, "r a; r l; r x", "", "w d/f 2; w d/g 3; w d/e/h 4", NULL, NULL, NULL,
		false},
	{"theirs removes", BASE, "w n 1", "r a; r x", "w d/f 2; w d/g 3; w d/e/h 4; s a l; w n 1",
		NULL, NULL, NULL, false},
	{"both remove", BASE, "r a; r d", "r a; r d", "s a l; w x/y/z 5", NULL, NULL, NULL, false},
	{"ours changes permissions", BASE, "m a 755; m d 700; m x/y/z 400", "",
		BASE "; m a 755; m d 700; m x/y/z 400", NULL, NULL, NULL, false},
	{"permissions here, bytes there", BASE, "m a 755", "w a 6", BASE "; w a 6; m a 755", NULL,
		NULL, NULL, false},
	{"bytes here, permissions there", BASE, "w a 6", "m a 755", BASE "; w a 6; m a 755", NULL,
		NULL, NULL, false},
	{"both add the same", BASE, "w n/m 7; s a k", "w n/m 7; s a k", BASE "; w n/m 7; s a k",
		NULL, NULL, NULL, false},
	{"both modify to the same", BASE, "w a 9; m d 711", "w a 9; m d 711",
		BASE "; w a 9; m d 711", NULL, NULL, NULL, false},
	{"both add to a new directory", BASE, "w n/a 7", "w n/b 8", BASE "; w n/a 7; w n/b 8", NULL,
		NULL, NULL, false},
	{"a file becomes a link", BASE, "r a; s l2 a", "w d/f 9", BASE "; r a; s l2 a; w d/f 9",
		NULL, NULL, NULL, false},
	{"a link becomes a directory", BASE, "r l; w l/in 6", "", BASE "; r l; w l/in 6", NULL,
		NULL, NULL, false},
	{"a directory becomes a file", BASE, "r d; w d 6", "", BASE "; r d; w d 6", NULL, NULL,
		NULL, false},
	{"a directory becomes a link", BASE, "v d e2; s e2 d", "", BASE "; v d e2; s e2 d", NULL,
		NULL, NULL, false},
	{"ours retargets", BASE, "r l; s d l", "", BASE "; r l; s d l", NULL, NULL, NULL, false},
	{"ours renames a file", BASE, "v a b", "w d/f 9", BASE "; v a b; w d/f 9", NULL, NULL, NULL,
		false},
	{"ours renames a directory", BASE, "v d dd", "w n 9", BASE "; v d dd; w n 9", NULL, NULL,
		NULL, false},
	{"a renamed directory is changed", BASE, "v d x/dd; w x/dd/f 19; r x/dd/g; w x/dd/k 8", "",
		BASE "; v d x/dd; w x/dd/f 19; r x/dd/g; w x/dd/k 8", NULL, NULL, NULL, false},
	{"directories change places", BASE, "v d t; v x d; v t x", "", BASE "; v d t; v x d; v t x",
		NULL, NULL, NULL, false},
	{"a directory moves out of one that goes", BASE, "v d/e ee; r d", "",
		"w a 1; w ee/h 4; s a l; w x/y/z 5", NULL, NULL, NULL, false},
	{"a file moves out of one that goes", BASE, "v d/e/h hh; r d", "",
		"w a 1; w hh 4; s a l; w x/y/z 5", NULL, NULL, NULL, false},
	{"a directory moves into its sibling's place", BASE, "r x; v d x", "",
		"w a 1; w x/f 2; w x/g 3; w x/e/h 4; s a l", NULL, NULL, NULL, false},
	{"ours links", BASE, "l a a2; l a d/a3", "", BASE "; l a a2; l a d/a3", NULL, NULL, NULL,
		false},
	{"names of a new file", BASE, "w n 7; l n d/n2; l n n3", "",
		BASE "; w n 7; l n d/n2; l n n3", NULL, NULL, NULL, false},
	{"a new name of an old file whose first goes", BASE, "l a d/a2; r a", "", BASE "; v a d/a2",
		NULL, NULL, NULL, false},
	{"an old link gets a second name", BASE, "l l l2", "", BASE "; l l l2", NULL, NULL, NULL,
		false},
	{"bytes change through one name", BASE "; l a a2; l a d/a3", "w a2 21", "",
		"w a 21; w d/f 2; w d/g 3; w d/e/h 4; s a l; w x/y/z 5; l a a2; l a d/a3", NULL,
		NULL, NULL, true},
	{"permissions change through one name", BASE "; l a a2", "m a2 600", "",
		BASE "; l a a2; m a 600", NULL, NULL, NULL, false},
	{"a name is taken out of a group", BASE "; l a a2", "r a2; w a2 1", "", BASE "; w a2 1",
		NULL, NULL, NULL, false},
	{"a group is moved apart and grows", BASE "; l a a2", "v a2 x/a2; l a x/a3", "",
		BASE "; l a x/a2; l a x/a3", NULL, NULL, NULL, false},
	{"a link is added here, one there", BASE, "l a a2", "l a a3", BASE "; l a a2; l a a3", NULL,
		NULL, NULL, false},
	{"a group loses a name in each", BASE "; l a a2; l a a3", "r a2", "r a3", BASE, NULL, NULL,
		NULL, false},
	{"a deep tree", "w 1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/f 3",
		"w 1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/g 4",
		"w 1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/h 5",
		"w 1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/f 3;"
		"w 1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/g 4;"
		"w 1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/h 5",
		NULL, NULL, NULL, false},
	{"an object becomes executable", "w o 1000; w p 1001", "m o 755", "", NULL, NULL, NULL,
		NULL, true},
	{"from nothing", "", "w a 1; s a b; d c", "w z 2", "w a 1; s a b; d c; w z 2", NULL, NULL,
		NULL, false},

	{"both modify", BASE, "w a 11; w d/n 5", "w a 12; w d/m 6", NULL, "a: modified / modified",
		BASE "; w a 11; w d/n 5; w d/m 6", BASE "; w a 12; w d/n 5; w d/m 6", false},
	{"modified and removed", BASE, "w a 11", "r a", NULL, "a: modified / removed",
		BASE "; w a 11", BASE "; r a", false},
	{"removed and modified", BASE, "r a", "w a 11", NULL, "a: removed / modified", BASE "; r a",
		BASE "; w a 11", false},
	{"both add, not the same", BASE, "w n 7", "w n 8", NULL,
		"n: a file was added / a file was added", BASE "; w n 7", BASE "; w n 8", false},
	{"a file and a directory", BASE, "w n 7", "w n/m 8", NULL,
		"n: a file was added / a directory was added", BASE "; w n 7", BASE "; w n/m 8",
		false},
	{"a directory and a link", BASE, "w n/m/o 7", "s a n", NULL,
		"n: a directory was added / a link was added", BASE "; w n/m/o 7", BASE "; s a n",
		false},
	{"permissions of both", BASE, "m a 755", "m a 600", NULL,
		"a: permissions 0755 / permissions 0600", BASE "; m a 755", BASE "; m a 600",
		false},
	{"permissions of a directory", BASE, "m d 711; w d/n 8", "m d 700", NULL,
		"d: permissions 0711 / permissions 0700", BASE "; m d 711; w d/n 8",
		BASE "; m d 700; w d/n 8", false},
	{"ours removes a directory, theirs changes in it", BASE, "r d",
		"w d/e/h 14; w d/n 6; r d/g", NULL,
		"d/e/h: its directory was removed / modified;"
		" d/g: its directory was removed / removed;"
		" d/n: its directory was removed / a file was added",
		BASE "; r d", BASE "; w d/e/h 14; w d/n 6; r d/g", false},
	{"theirs removes a directory, ours changes in it", BASE, "w d/e/h 14; w d/n 6", "r d", NULL,
		"d/e/h: modified / its directory was removed;"
		" d/n: a file was added / its directory was removed",
		BASE "; w d/e/h 14; w d/n 6", BASE "; r d", false},
	{"theirs replaces a directory, ours changes in it", BASE, "w d/f 14", "r d; s x d", NULL,
		"d/f: modified / its directory was replaced by a link", BASE "; w d/f 14",
		BASE "; r d; s x d", false},
	{"ours replaces a directory, theirs changes in it", BASE, "r d; w d 6", "w d/f 12", NULL,
		"d/f: its directory was replaced by a file / modified", BASE "; r d; w d 6",
		BASE "; w d/f 12", false},
	{"ours renames a directory, theirs changes in it", BASE, "v d dd", "w d/f 12", NULL,
		"d/f: its directory was removed / modified", BASE "; v d dd",
		BASE "; w d/f 12; w dd/f 2; w dd/g 3; w dd/e/h 4", false},
	{"a file that becomes a directory, and changes", BASE, "r a; w a/b 6", "w a 7", NULL,
		"a: replaced by a directory / modified", BASE "; r a; w a/b 6", BASE "; w a 7",
		false},
	{"a link that both retarget", BASE, "r l; s d l", "r l; s x l", NULL,
		"l: modified / modified", BASE "; r l; s d l", BASE "; r l; s x l", false},
	{"an untouched directory may go", BASE, "w n 4", "r d", "w a 1; s a l; w x/y/z 5; w n 4",
		NULL, NULL, NULL, false},
};

static char *dump_script(const char *script)
{
	struct side side = {0};
	char *text;

	if (bfs_tree_open(NULL, BFS_TREE_NEW, &side.tree, NULL) < 0)
		return NULL;
	run_script(&side, script);
	text = dump_tree(side.tree);
	bfs_tree_close(side.tree);
	return text;
}

static const char *variant_name(struct variant variant)
{
	return variant.session	    ? variant.renumbered ? "session, other numbers" : "session"
	       : variant.renumbered ? "trees, other numbers"
				    : "trees";
}

static void expect_tree(struct bfs_tree *tree, const char *script, const char *what)
{
	_cleanup_free_ char *got = dump_tree(tree), *wanted = dump_script(script);

	if (!ok(strcmp(got, wanted) == 0, "%s", what))
		printf("# got:\n%s# expected:\n%s", got, wanted);
}

static void run_case(
	const struct merge_case *test, struct variant variant, enum bfs_commit_side side)
{
	const char *expected = test->result		 ? test->result
			       : side == BFS_COMMIT_OURS ? test->if_ours
							 : test->if_theirs;
	_cleanup_free_ char *what = bfs_format("%s (%s%s)", test->what, variant_name(variant),
		side == BFS_COMMIT_OURS	    ? ", ours"
		: side == BFS_COMMIT_THEIRS ? ", theirs"
					    : "");
	_cleanup_free_ char *before = NULL;
	struct world world;
	int r;

	world_make(&world, test->base, variant);
	run_script(&world.ours, test->ours);
	run_script(&world.theirs, test->theirs);
	before = dump_tree(world.theirs.tree);
	r = world_merge(&world, side, NULL);
	if (test->conflicts && side == BFS_COMMIT_REFUSE) {
		_cleanup_free_ char *after = dump_tree(world.theirs.tree);

		is_int(r, -ENOTUNIQ, "%s: refused", what);
		is_str(after, before, "and nothing changed");
	} else {
		is_int(r, 0, "%s: merged", what);
	}
	is_str(world.conflicts, test->conflicts ? test->conflicts : "", "with these conflicts");
	if (expected && !(test->conflicts && side == BFS_COMMIT_REFUSE))
		expect_tree(world.theirs.tree, expected, "and this is what comes of it");
	ok(is_whole(world.theirs.tree), "the tree is whole");
	world_release(&world);
}

static void test_cases(void)
{
	static const struct variant variants[] = {
		{true, false}, {false, false}, {true, true}, {false, true}};

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(cases); i++)
		for (size_t v = 0; v < BFS_ARRAY_LENGTH(variants); v++) {
			if (cases[i].session_only && !variants[v].session)
				continue;
			run_case(&cases[i], variants[v], BFS_COMMIT_REFUSE);
			if (!cases[i].conflicts)
				continue;
			run_case(&cases[i], variants[v], BFS_COMMIT_OURS);
			run_case(&cases[i], variants[v], BFS_COMMIT_THEIRS);
		}
}

/* --- what is ignored, times, depth --- */

static void test_ignored(void)
{
	static const char rules[] = "*.o\nbuild/\nkept/x\n";
	_cleanup_ignore_ struct bfs_ignore *ignore = NULL;
	struct world world;

	bfs_ignore_new(BFS_TREE_PREFIX_DEFAULT, rules, strlen(rules), &ignore);
	world_make(&world, BASE "; w old.o 3; w build/y 4; w kept/x 5; w kept/z 6",
		(struct variant){true, false});
	run_script(&world.ours,
		"w a.o 1; w d/b.o 2; w build/x 3; w old.o 9; r build/y; w d/n 4; w new/c.o 5;"
		"w new/ok 6; r kept; w Homebrew/x 7; s ../Homebrew/b bin/brew");
	run_script(&world.theirs, "w d/b.o 8; w kept/x 7");
	is_int(world_merge(&world, BFS_COMMIT_REFUSE, ignore), 0, "ignored paths do not conflict");
	expect_tree(world.theirs.tree,
		BASE "; w old.o 3; w build/y 4; w d/b.o 8; w d/n 4; w new/ok 6; d bin",
		"and are as theirs has them, but for those that go with their directory");
	world_release(&world);

	world_make(&world, BASE "; w old.o 3", (struct variant){true, false});
	run_script(&world.ours, "w a.o 1; w old.o 4");
	is_int(world_merge(&world, BFS_COMMIT_REFUSE, ignore), 0, "only ignored changes");
	ok(!world.result.changed, "are none");
	world_release(&world);
}

/* Rules that were taken back: what they covered is new, although the base has it. */
static void test_rules_taken_back(void)
{
	_cleanup_ignore_ struct bfs_ignore *old_rules = NULL, *rules = NULL;
	struct bfs_merge_result result;
	struct world world;
	struct bfs_merge_order order;

	bfs_ignore_new(BFS_TREE_PREFIX_DEFAULT, "*.o", 3, &old_rules);
	bfs_ignore_new(BFS_TREE_PREFIX_DEFAULT, NULL, 0, &rules);
	world_make(&world, BASE "; w a.o 3; w d/b.o 4", (struct variant){true, true});
	run_script(&world.theirs, "r a.o; r d/b.o"); /* it never had them */
	order = (struct bfs_merge_order){.base = world.base,
		.ours = {.tree = world.ours.tree, .nodes = &world.ours.nodes},
		.theirs = world.theirs.tree,
		.ignore = rules,
		.base_ignore = old_rules};
	is_int(bfs_merge_run(&order, &result, NULL), 0, "merged by other rules");
	expect_tree(world.theirs.tree, BASE "; w a.o 3; w d/b.o 4", "what they ignored is there");
	bfs_merge_result_release(&result);
	world_release(&world);
}

static int64_t mtime_of(struct bfs_tree *tree, const char *path)
{
	struct bfs_attributes attributes = {0};

	bfs_tree_lstat_path(tree, path, &attributes);
	return attributes.mtime;
}

static void set_mtime(struct side *side, const char *path, int64_t mtime)
{
	bfs_tree_set_mtime(side->tree, ino_of(side, path, NULL), mtime);
	touch_ino(side, ino_of(side, path, NULL));
}

static void test_times(void)
{
	struct world world;

	world_make(&world, BASE, (struct variant){true, true});
	set_mtime(&world.ours, "a", 77);
	set_mtime(&world.ours, "x", 78);
	set_mtime(&world.ours, "", 79);
	is_int(world_merge(&world, BFS_COMMIT_REFUSE, NULL), 0, "times are merged");
	ok(!world.result.changed, "but are no change");
	world_release(&world);

	world_make(&world, BASE, (struct variant){true, true});
	set_mtime(&world.theirs, "d", 10);
	set_mtime(&world.theirs, "", 11);
	run_script(&world.ours, "w n/m/o 9; w d/n 8; r x; m a 600");
	set_mtime(&world.ours, "a", 77);
	set_mtime(&world.ours, "n", 78);
	set_mtime(&world.ours, "n/m", 80);
	set_mtime(&world.ours, "d", 81);
	is_int(world_merge(&world, BFS_COMMIT_REFUSE, NULL), 0, "changes are merged");
	ok(world.result.changed, "and there are some");
	is_int(mtime_of(world.theirs.tree, "n"), 78, "a new directory has the time it had");
	is_int(mtime_of(world.theirs.tree, "n/m"), 80, "another one too");
	is_int(mtime_of(world.theirs.tree, "d"), 81, "of two new times the later one");
	is_int(mtime_of(world.theirs.tree, "n/m/o"), 1000, "a file its own");
	is_int(mtime_of(world.theirs.tree, ""), mtime_of(world.ours.tree, ""), "the root its own");
	ok(bfs_tree_lstat_path(world.theirs.tree, ".brewfs-merge.0", &(struct bfs_attributes){0}) ==
			-ENOENT,
		"what the merge made for itself is gone");
	world_release(&world);
}

static void test_depth(void)
{
	struct world world;
	uint64_t parent = BFS_TREE_ROOT;

	world_make(&world, "", (struct variant){false, false});
	for (unsigned i = 0; i < BFS_MERGE_DEPTH_MAX; i++)
		bfs_tree_make_directory(world.ours.tree, parent, "d", 1, 0755, 0, &parent);
	is_int(world_merge(&world, BFS_COMMIT_REFUSE, NULL), 0, "a thousand levels are merged");
	free(bfs_steal(&world.conflicts));
	bfs_merge_result_release(&world.result);
	bfs_tree_make_directory(world.ours.tree, parent, "d", 1, 0755, 0, &parent);
	is_int(world_merge(&world, BFS_COMMIT_REFUSE, NULL), -ENAMETOOLONG, "one more is not");
	world_release(&world);
}

/* What theirs has from an earlier commit of ours is no change of theirs. */
static void test_committed(void)
{
	static const struct {
		const char *committed, *theirs, *ours, *result, *conflicts;
	} rows[] = {
		{"w a 11", "", "w a 12", BASE "; w a 12", ""},
		{"w n 7", "", "w n 8", BASE "; w n 8", ""},
		{"r a", "", "w a 12", BASE "; w a 12", ""},
		{"w d/n 7", "", "r d", "w a 1; s a l; w x/y/z 5", ""},
		{"r d", "", "w d/f 9", BASE "; w d/f 9", ""},
		{"r d; w d 3", "", "w d/f 9", BASE "; w d/f 9", ""},
		{"w a 11", "w a 13", "w a 12", NULL, "a: modified / modified"},
		{"w d/n 7", "w d/m 8", "r d", NULL,
			"d/m: its directory was removed / a file was added"},
	};

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(rows); i++) {
		_cleanup_tree_ struct bfs_tree *committed = NULL;
		struct bfs_merge_order order;
		struct world world;
		int r;

		world_make(&world, BASE, (struct variant){true, false});
		run_script(&world.theirs, rows[i].committed);
		committed = copy_tree(world.theirs.tree);
		run_script(&world.theirs, rows[i].theirs);
		run_script(&world.ours, rows[i].ours);
		bfs_merge_nodes_enter(&world.ours.nodes, world.base, world.ours.tree);
		order = (struct bfs_merge_order){.base = world.base,
			.ours = {.tree = world.ours.tree, .nodes = &world.ours.nodes},
			.theirs = world.theirs.tree,
			.committed = committed};
		r = bfs_merge_run(&order, &world.result, NULL);
		is_int(r, rows[i].result ? 0 : -ENOTUNIQ, "after '%s' was committed, '%s'",
			rows[i].committed, rows[i].ours);
		is_int(world.result.conflict_count, rows[i].result ? 0 : 1, "%s",
			rows[i].result ? "is no conflict" : "is one with what others did");
		if (rows[i].result)
			expect_tree(world.theirs.tree, rows[i].result, "and is what comes of it");
		else if (world.result.conflict_count)
			ok(strncmp(world.result.conflicts[0].path, rows[i].conflicts,
				   strlen(world.result.conflicts[0].path)) == 0,
				"of that path");
		world_release(&world);
	}
}

/* --- random ones --- */

static unsigned draw(uint64_t *state, unsigned limit)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(*state >> 33) % limit;
}

/* A path of up to four components from few names, so that paths meet. */
static void draw_path(uint64_t *state, char path[64])
{
	unsigned depth = 1 + draw(state, 4);

	*path = '\0';
	for (unsigned i = 0; i < depth; i++)
		sprintf(path + strlen(path), "%s%c", i ? "/" : "", 'a' + (char)draw(state, 4));
}

/* Runs commands, most of which do something; those that cannot be done do nothing. */
static void run_random(struct side *side, uint64_t *state, unsigned count)
{
	static const char verbs[] = "wwwwwmrvvvllsd";

	for (unsigned i = 0; i < count; i++) {
		char command[256], a[64], b[64];
		char verb = verbs[draw(state, sizeof(verbs) - 1)];

		draw_path(state, a);
		draw_path(state, b);
		if (verb == 'w')
			snprintf(b, sizeof(b), "%u", 1 + draw(state, 1002));
		if (verb == 'm')
			snprintf(b, sizeof(b), "%o", draw(state, 2) ? 0755 : 0600);
		snprintf(
			command, sizeof(command), "%c %s %s", verb, a, strchr("rd", verb) ? "" : b);
		bfs_tree_begin(side->tree);
		if (run_command(side, command) < 0)
			bfs_tree_rollback(side->tree);
		else
			bfs_tree_commit(side->tree);
	}
}

/* Theirs is as the base: what comes of it is ours, whatever that is. */
static bool random_alone(uint64_t seed, struct variant variant)
{
	_cleanup_free_ char *ours = NULL, *theirs = NULL;
	struct bfs_merge_side side;
	struct world world;
	uint64_t state = seed;
	bool right;

	world_make(&world, BASE "; w a/x 3", variant);
	world.ours.session = false;
	run_random(&world.ours, &state, 60);
	bfs_tree_close(world.base);
	bfs_tree_close(world.theirs.tree);
	world.base = copy_tree(world.ours.tree);
	world.theirs.tree =
		variant.renumbered ? renumbered_tree(world.base) : copy_tree(world.base);
	world.ours.session = variant.session;
	run_random(&world.ours, &state, 40);
	side = (struct bfs_merge_side){
		.tree = world.ours.tree, .nodes = variant.session ? &world.ours.nodes : NULL};
	ours = dump(&side);
	right = world_merge(&world, BFS_COMMIT_REFUSE, NULL) == 0;
	theirs = dump_tree(world.theirs.tree);
	right = right && strcmp(ours, theirs) == 0 && is_whole(world.theirs.tree);
	if (!right)
		printf("# seed %llu (%s), conflicts '%s', ours:\n%s# merged:\n%s",
			(unsigned long long)seed, variant_name(variant), world.conflicts, ours,
			theirs);
	world_release(&world);
	return right;
}

static void test_random(void)
{
	unsigned wrong = 0, count = 0;

	for (uint64_t seed = 1; seed <= 60 && wrong < 3; seed++)
		for (unsigned v = 0; v < 4; v++, count++)
			wrong += !random_alone(seed, (struct variant){v & 1, v & 2});
	is_int(wrong, 0, "%u random changes alone come out as they are", count);
}

int main(void)
{
	fixture_begin();
	test_cases();
	test_ignored();
	test_rules_taken_back();
	test_times();
	test_depth();
	test_committed();
	test_random();
	fixture_end();
	return done();
}
