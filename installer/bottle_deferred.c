#include "installer/bottle_deferred.h"

#include "installer/relocate_link.h"
#include "lib/file.h"
#include "lib/path.h"

#include <string.h>
#include <sys/mman.h>

struct name {
	struct name *next;
	char path[];
};

struct deferred {
	struct bfs_deferred_file file;
	bool is_symlink;
	struct name *names;
	struct name **last; /* where the next name goes */
};

struct bfs_bottle_deferred {
	struct bfs_writer *writer;
	struct deferred **members; /* by inode, ascending */
	size_t count, capacity;
	size_t names_size;
	int fd; /* staged file with the contents, -1 before the first */
	char *staged;
	uint64_t size; /* of it */
};

int bfs_bottle_deferred_new(struct bfs_writer *writer, struct bfs_bottle_deferred **ret_deferred)
{
	struct bfs_bottle_deferred *deferred = calloc(1, sizeof(*deferred));

	if (!deferred)
		return -ENOMEM;
	deferred->writer = writer;
	deferred->fd = -1;
	*ret_deferred = deferred;
	return 0;
}

static void free_member(struct deferred *member)
{
	while (member->names) {
		struct name *name = member->names;

		member->names = name->next;
		free(name);
	}
	free(member);
}

void bfs_bottle_deferred_free(struct bfs_bottle_deferred *deferred)
{
	if (!deferred)
		return;
	for (size_t i = 0; i < deferred->count; i++)
		free_member(deferred->members[i]);
	free(deferred->members);
	if (deferred->fd >= 0)
		close(deferred->fd);
	free(deferred->staged);
	free(deferred);
}

int bfs_bottle_deferred_keep(struct bfs_bottle_deferred *deferred,
	const struct bfs_payload *payload, uint64_t *ret_place, struct bfs_error *error)
{
	/* A mapping starts at a page, of 64 KiB at most. */
	uint64_t place = (deferred->size + 65535) / 65536 * 65536;
	int r = 0;

	if (payload->length < 65536)
		place = deferred->size;
	if (deferred->fd < 0)
		r = bfs_writer_stage(deferred->writer, &deferred->fd, &deferred->staged, error);
	if (r == 0)
		r = bfs_pwrite_all(deferred->fd, payload->data, payload->length, place);
	if (r < 0)
		return bfs_error_set(error, r, "staging a file", deferred->staged, NULL);
	deferred->size = place + payload->length;
	*ret_place = place;
	return 0;
}

static int reserve_member(struct bfs_bottle_deferred *deferred)
{
	size_t capacity = deferred->capacity ? 2 * deferred->capacity : 64;
	void *members;

	if (deferred->count < deferred->capacity)
		return 0;
	members = reallocarray(deferred->members, capacity, sizeof(*deferred->members));
	if (!members)
		return -ENOMEM;
	deferred->members = members;
	deferred->capacity = capacity;
	return 0;
}

static int add_name(struct bfs_bottle_deferred *deferred, struct deferred *member, const char *path,
	struct bfs_error *error)
{
	size_t size = sizeof(struct name) + strlen(path) + 1;
	struct name *name;

	if (deferred->names_size + size > BFS_DEFERRED_NAMES_SIZE)
		return bfs_error_set(error, -EBADMSG, "unpacking", path,
			"too many files with placeholders that no list names");
	name = malloc(size);
	if (!name)
		return -ENOMEM;
	deferred->names_size += size;
	memcpy(name->path, path, strlen(path) + 1);
	name->next = NULL;
	*member->last = name;
	member->last = &name->next;
	return 0;
}

static int add_member(struct bfs_bottle_deferred *deferred, const struct bfs_deferred_file *file,
	bool is_symlink, const char *path, struct bfs_error *error)
{
	struct deferred *member;
	int r = reserve_member(deferred);

	if (r < 0)
		return r;
	member = calloc(1, sizeof(*member));
	if (!member)
		return -ENOMEM;
	member->file = *file;
	member->is_symlink = is_symlink;
	member->last = &member->names;
	deferred->members[deferred->count++] = member;
	return add_name(deferred, member, path, error);
}

int bfs_bottle_deferred_add_file(struct bfs_bottle_deferred *deferred,
	const struct bfs_deferred_file *file, const char *path, struct bfs_error *error)
{
	return add_member(deferred, file, false, path, error);
}

int bfs_bottle_deferred_add_symlink(struct bfs_bottle_deferred *deferred, uint64_t ino,
	const char *path, struct bfs_error *error)
{
	struct bfs_deferred_file file = {.ino = ino};

	return add_member(deferred, &file, true, path, error);
}

static struct deferred *find(const struct bfs_bottle_deferred *deferred, uint64_t ino)
{
	size_t low = 0, high = deferred->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (deferred->members[middle]->file.ino < ino)
			low = middle + 1;
		else
			high = middle;
	}
	return low < deferred->count && deferred->members[low]->file.ino == ino
		       ? deferred->members[low]
		       : NULL;
}

int bfs_bottle_deferred_add_name(struct bfs_bottle_deferred *deferred, uint64_t ino,
	const char *path, struct bfs_error *error)
{
	struct deferred *member = find(deferred, ino);

	return member ? add_name(deferred, member, path, error) : 0;
}

/* Drops the names under which the tar later had something else. */
static int drop_lost_names(struct deferred *member, struct bfs_keg_builder *builder)
{
	struct name **link = &member->names;

	while (*link) {
		struct name *name = *link;
		struct bfs_attributes attributes;
		int r = bfs_keg_builder_find(builder, name->path, &attributes);

		if (r == 0 && attributes.ino == member->file.ino) {
			link = &name->next;
			continue;
		}
		if (r < 0 && r != -ENOENT && r != -ENOTDIR && r != -ELOOP)
			return r;
		*link = name->next;
		free(name);
	}
	return 0;
}

static int edit(const struct deferred *member, struct bfs_payload *payload,
	const struct bfs_bottle_relocation *relocation, struct bfs_error *error)
{
	const char *path = member->names->path;
	bool covered = false;
	int r = 0;

	if (!member->file.elf_done &&
		bfs_relocate_scope_edits_elf(relocation->scope) == BFS_SCOPE_YES)
		r = bfs_payload_edit_elf(payload, &relocation->elf, path, error);
	for (const struct name *name = member->names; r == 0 && name && !covered; name = name->next)
		covered = bfs_relocate_scope_covers_text(relocation->scope, name->path,
				  payload->data, payload->length) == BFS_SCOPE_YES;
	if (r == 0 && covered)
		r = bfs_payload_edit_text(payload, relocation->text, path, error);
	return r;
}

/* Puts the file with its content in the place of the empty one, under all its names. */
static int replace_file(const struct deferred *member, struct bfs_keg_builder *builder,
	const struct bfs_content *content, struct bfs_error *error)
{
	const struct name *first = member->names;
	uint64_t ino;
	int r = bfs_keg_builder_add_file(
		builder, first->path, member->file.mode, member->file.mtime, content, &ino, error);

	for (const struct name *name = first->next; r == 0 && name; name = name->next)
		r = bfs_keg_builder_add_hardlink(
			builder, name->path, first->path, member->file.mtime, &ino, error);
	return r;
}

static int settle_content(const struct deferred *member, struct bfs_payload *payload,
	struct bfs_keg_builder *builder, const struct bfs_bottle_relocation *relocation,
	struct bfs_error *error)
{
	struct bfs_content content;
	int r = edit(member, payload, relocation, error);

	if (r == 0)
		r = bfs_payload_put(
			payload, member->file.mode, &content, member->names->path, error);
	return r < 0 ? r : replace_file(member, builder, &content, error);
}

static int settle_file(struct bfs_bottle_deferred *deferred, const struct deferred *member,
	struct bfs_keg_builder *builder, const struct bfs_bottle_relocation *relocation,
	struct bfs_error *error)
{
	_cleanup_free_ uint8_t *memory = NULL;
	void *mapping = MAP_FAILED;
	struct bfs_payload payload;
	size_t length = member->file.length;
	int r = 0;

	if (length < 65536) {
		memory = malloc(length + 1);
		r = memory ? bfs_pread_all(deferred->fd, memory, length, member->file.place)
			   : -ENOMEM;
	} else {
		mapping = mmap(NULL, length, PROT_READ, MAP_SHARED, deferred->fd,
			(off_t)member->file.place);
		r = mapping == MAP_FAILED ? -errno : 0;
	}
	if (r < 0)
		return bfs_error_set(error, r, "reading a staged file", deferred->staged, NULL);
	bfs_payload_init(&payload, deferred->writer);
	bfs_payload_borrow(&payload, memory ? memory : mapping, length);
	r = settle_content(member, &payload, builder, relocation, error);
	bfs_payload_release(&payload);
	if (mapping != MAP_FAILED)
		munmap(mapping, length);
	return r;
}

static int settle_link(struct bfs_keg_builder *builder, const char *path, const char *target,
	int64_t mtime, const struct bfs_bottle_relocation *relocation, struct bfs_error *error)
{
	_cleanup_free_ char *parent = bfs_path_parent(path), *directory = NULL, *text = NULL;
	uint64_t ino;
	int r;

	directory = parent && *parent ? bfs_path_join(relocation->keg, parent)
				      : strdup(relocation->keg);
	if (!parent || !directory)
		return -ENOMEM;
	r = bfs_link_relocate(relocation->elf.prefix, directory, target, &text);
	if (r < 0 || !text)
		return r;
	return bfs_keg_builder_add_symlink(builder, path, text, mtime, &ino, error);
}

static int settle_symlink(const struct deferred *member, struct bfs_keg_builder *builder,
	struct bfs_tree *tree, const struct bfs_bottle_relocation *relocation,
	struct bfs_error *error)
{
	_cleanup_free_ char *target = NULL;
	struct bfs_attributes attributes;
	int r;

	if (bfs_relocate_scope_edits_links(relocation->scope) != BFS_SCOPE_YES)
		return 0;
	r = bfs_tree_stat(tree, member->file.ino, &attributes);
	if (r == 0)
		r = bfs_tree_read_link(tree, member->file.ino, &target);
	for (const struct name *name = member->names; r == 0 && name; name = name->next)
		r = settle_link(builder, name->path, target, attributes.mtime, relocation, error);
	return r;
}

int bfs_bottle_deferred_settle(struct bfs_bottle_deferred *deferred,
	struct bfs_keg_builder *builder, struct bfs_tree *tree,
	const struct bfs_bottle_relocation *relocation, struct bfs_error *error)
{
	for (size_t i = 0; i < deferred->count; i++) {
		struct deferred *member = deferred->members[i];
		int r = drop_lost_names(member, builder);

		if (r == 0 && member->names)
			r = member->is_symlink
				    ? settle_symlink(member, builder, tree, relocation, error)
				    : settle_file(deferred, member, builder, relocation, error);
		if (r < 0)
			return bfs_error_set(error, r, "relocating",
				member->names ? member->names->path : NULL, NULL);
	}
	return 0;
}
