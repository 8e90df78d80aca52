#include "installer/bottle_unpack.h"

#include "installer/bottle_deferred.h"
#include "installer/bottle_member.h"
#include "installer/keg_builder.h"
#include "installer/payload.h"
#include "installer/relocate_scope.h"
#include "lib/file.h"
#include "lib/log.h"

#include <locale.h>
#include <string.h>

#define RECEIPT "INSTALL_RECEIPT.json"

/* Ten times what the largest Homebrew formulae unpack to. */
#define DEFAULT_SIZE_LIMIT (UINT64_C(64) << 30)

/* The largest formulae have some 100,000 files; each costs a row or two of the index. */
#define MEMBER_LIMIT 2000000

/*
 * What a tar may hold beside contents: headers (a member with the longest names in pax form takes
 * less than 16 KiB), padding, and what is no member's. More is a bomb.
 */
#define OVERHEAD_LIMIT	    (UINT64_C(64) << 20)
#define OVERHEAD_PER_MEMBER (16 * 1024)

/* So much of a file tells whether it can be text. */
#define TEXT_SAMPLE 4096

struct bfs_bottle_unpack {
	const struct bfs_bottle_order *order;
	struct bfs_writer *writer;
	char *keg; /* "NAME/VERSION" */
	struct bfs_tree *tree;
	struct bfs_keg_builder *builder;
	struct bfs_bottle_deferred *deferred;
	struct bfs_relocate_scope *scope;
	struct bfs_text_relocation *text; /* once the tab is known */
	struct bfs_elf_policy elf;
	json_t *tab;
	struct bfs_byte_queue *queue;
	int queue_code; /* the error that the queue ended with */
	uint64_t size_limit;
	uint64_t stream_bytes;	/* of the tar, so far */
	uint64_t content_bytes; /* of files, by their headers */
	uint64_t members;
};

/* The tab, or its absence, settles what is relocated. */
static int set_tab(struct bfs_bottle_unpack *unpack, json_t *tab, struct bfs_error *error)
{
	_cleanup_free_ char *java = NULL;
	const char *dependency = unpack->order->java_dependency;
	int r = bfs_relocate_scope_set_tab(unpack->scope, tab, error);

	if (r == 0 && !dependency) {
		r = bfs_tab_java_dependency(tab, &java);
		dependency = java;
	}
	if (r == 0)
		r = bfs_text_relocation_new(unpack->order->prefix, dependency, &unpack->text);
	if (r == 0)
		unpack->tab = json_incref(tab);
	return r;
}

static bool is_formula(const char *name, const char *formula)
{
	size_t length = strlen(formula);

	return strncmp(name, formula, length) == 0 && (name[length] == '\0' || name[length] == '@');
}

static int prepare(struct bfs_bottle_unpack *unpack, struct bfs_error *error)
{
	const struct bfs_bottle_order *order = unpack->order;
	int r = bfs_tree_open(NULL, BFS_TREE_NEW, &unpack->tree, error);

	if (r == 0)
		r = bfs_keg_builder_new(unpack->tree, &unpack->builder);
	if (r == 0)
		r = bfs_bottle_deferred_new(unpack->writer, &unpack->deferred);
	if (r == 0)
		r = bfs_relocate_scope_new(order->name, order->skip_elf, &unpack->scope);
	if (r == 0 && order->tab)
		r = set_tab(unpack, (json_t *)order->tab, error);
	return r;
}

int bfs_bottle_unpack_new(const struct bfs_bottle_order *order, struct bfs_writer *writer,
	struct bfs_bottle_unpack **ret_unpack, struct bfs_error *error)
{
	_cleanup_bottle_unpack_ struct bfs_bottle_unpack *unpack = calloc(1, sizeof(*unpack));
	int r;

	if (!unpack)
		return -ENOMEM;
	unpack->order = order;
	unpack->writer = writer;
	unpack->size_limit = order->size_limit ? order->size_limit : DEFAULT_SIZE_LIMIT;
	unpack->elf.prefix = order->prefix;
	unpack->elf.keep_gcc_version = is_formula(order->name, "gcc");
	unpack->keg = bfs_format("%s/%s", order->name, order->version);
	r = unpack->keg ? prepare(unpack, error) : -ENOMEM;
	if (r < 0)
		return r;
	*ret_unpack = bfs_steal(&unpack);
	return 0;
}

void bfs_bottle_unpack_free(struct bfs_bottle_unpack *unpack)
{
	if (!unpack)
		return;
	bfs_keg_builder_free(unpack->builder);
	bfs_bottle_deferred_free(unpack->deferred);
	bfs_relocate_scope_free(unpack->scope);
	bfs_text_relocation_free(unpack->text);
	bfs_tree_close(unpack->tree);
	json_decref(unpack->tab);
	free(unpack->keg);
	free(unpack);
}

static bool is_bomb(const struct bfs_bottle_unpack *unpack)
{
	return unpack->stream_bytes >
	       unpack->content_bytes + OVERHEAD_LIMIT + unpack->members * OVERHEAD_PER_MEMBER;
}

/* libarchive's callback: the next block of the tar. */
static la_ssize_t read_block(struct archive *archive, void *context, const void **ret_block)
{
	struct bfs_bottle_unpack *unpack = context;
	ssize_t n = bfs_byte_queue_take(unpack->queue, ret_block);

	if (n < 0) {
		unpack->queue_code = (int)n;
		archive_set_error(archive, (int)-n, "the data could not be read");
		return -1;
	}
	unpack->stream_bytes += (uint64_t)n;
	if (is_bomb(unpack)) {
		archive_set_error(archive, EFBIG, "the archive holds far more than its files");
		return -1;
	}
	return n;
}

static int read_receipt(struct bfs_bottle_unpack *unpack, const struct bfs_payload *payload,
	struct bfs_error *error)
{
	_cleanup_json_ json_t *tab = NULL;
	int r;

	if (unpack->order->tab)
		return 0;
	if (bfs_relocate_scope_has_tab(unpack->scope))
		return bfs_error_set(error, -EBADMSG, "unpacking", RECEIPT, "it comes twice");
	if (payload->length > BFS_PAYLOAD_MEMORY)
		return bfs_error_set(error, -EBADMSG, "unpacking", RECEIPT, "it is too big");
	r = bfs_json_parse((const char *)payload->data, payload->length, RECEIPT, &tab, error);
	return r < 0 ? r : set_tab(unpack, tab, error);
}

static bool is_elf(const struct bfs_payload *payload)
{
	return payload->length >= 4 && memcmp(payload->data, "\177ELF", 4) == 0;
}

/* A file that Homebrew may list or find as text: file(1) calls nothing text that has a NUL near its
 * beginning. */
static bool may_be_text(const struct bfs_payload *payload)
{
	size_t sample = payload->length < TEXT_SAMPLE ? payload->length : TEXT_SAMPLE;

	if (sample >= 2 && payload->data[0] == '#' && payload->data[1] == '!')
		return true;
	return !memchr(payload->data, '\0', sample);
}

/* Edits what can be edited now; *ret_defer tells whether the rest has to wait. */
static int relocate(struct bfs_bottle_unpack *unpack, const char *path, struct bfs_payload *payload,
	bool *ret_elf_done, bool *ret_defer, struct bfs_error *error)
{
	enum bfs_scope_answer elf = bfs_relocate_scope_edits_elf(unpack->scope), text;
	int r = 0;

	*ret_elf_done = elf != BFS_SCOPE_UNKNOWN;
	*ret_defer = !*ret_elf_done && is_elf(payload);
	if (elf == BFS_SCOPE_YES && is_elf(payload))
		r = bfs_payload_edit_elf(payload, &unpack->elf, path, error);
	if (r < 0 || *ret_defer)
		return r;
	text = bfs_relocate_scope_covers_text(unpack->scope, path, payload->data, payload->length);
	if (text == BFS_SCOPE_YES)
		return bfs_payload_edit_text(payload, unpack->text, path, error);
	*ret_defer =
		may_be_text(payload) && bfs_text_has_placeholder(payload->data, payload->length);
	return 0;
}

static int add_deferred_file(struct bfs_bottle_unpack *unpack, const struct bfs_member *member,
	const struct bfs_payload *payload, bool elf_done, struct bfs_error *error)
{
	static const struct bfs_content empty = {.size = 0};
	struct bfs_deferred_file file = {.length = payload->length,
		.mode = member->mode,
		.mtime = member->mtime,
		.elf_done = elf_done};
	int r = bfs_bottle_deferred_keep(unpack->deferred, payload, &file.place, error);

	if (r == 0)
		r = bfs_keg_builder_add_file(unpack->builder, member->path, member->mode,
			member->mtime, &empty, &file.ino, error);
	if (r == 0)
		r = bfs_bottle_deferred_add_file(unpack->deferred, &file, member->path, error);
	return r;
}

static int store_file(struct bfs_bottle_unpack *unpack, const struct bfs_member *member,
	struct bfs_payload *payload, struct bfs_error *error)
{
	struct bfs_content content;
	bool elf_done, defer;
	uint64_t ino;
	int r = relocate(unpack, member->path, payload, &elf_done, &defer, error);

	if (r < 0)
		return r;
	if (defer)
		return add_deferred_file(unpack, member, payload, elf_done, error);
	r = bfs_payload_put(payload, member->mode, &content, member->path, error);
	if (r < 0)
		return r;
	return bfs_keg_builder_add_file(
		unpack->builder, member->path, member->mode, member->mtime, &content, &ino, error);
}

static int add_file(struct bfs_bottle_unpack *unpack, struct archive *archive,
	const struct bfs_member *member, struct bfs_error *error)
{
	struct bfs_payload payload;
	int r;

	if (member->size > unpack->size_limit - unpack->content_bytes)
		return bfs_error_set(error, -EBADMSG, "unpacking", member->path,
			"with it the bottle would unpack to more than %ju bytes",
			(uintmax_t)unpack->size_limit);
	unpack->content_bytes += member->size;
	bfs_payload_init(&payload, unpack->writer);
	r = bfs_payload_read(&payload, archive, member->size, member->path, error);
	if (r == 0 && strcmp(member->path, RECEIPT) == 0)
		r = read_receipt(unpack, &payload, error);
	if (r == 0)
		r = store_file(unpack, member, &payload, error);
	bfs_payload_release(&payload);
	return r;
}

static int add_symlink(
	struct bfs_bottle_unpack *unpack, const struct bfs_member *member, struct bfs_error *error)
{
	uint64_t ino;
	int r = bfs_keg_builder_add_symlink(
		unpack->builder, member->path, member->link, member->mtime, &ino, error);

	if (r == 0 && member->link[0] == '/')
		r = bfs_bottle_deferred_add_symlink(unpack->deferred, ino, member->path, error);
	return r;
}

static int add_hardlink(
	struct bfs_bottle_unpack *unpack, const struct bfs_member *member, struct bfs_error *error)
{
	uint64_t ino;
	int r = bfs_keg_builder_add_hardlink(
		unpack->builder, member->path, member->link, member->mtime, &ino, error);

	return r < 0 ? r : bfs_bottle_deferred_add_name(unpack->deferred, ino, member->path, error);
}

static int add_member(struct bfs_bottle_unpack *unpack, struct archive *archive,
	struct archive_entry *entry, struct bfs_error *error)
{
	_cleanup_member_ struct bfs_member member = BFS_MEMBER_INIT;
	int r = bfs_member_read(entry, unpack->keg, &member, error);

	if (r < 0)
		return r;
	if (++unpack->members > MEMBER_LIMIT)
		return bfs_error_set(error, -EBADMSG, "unpacking", member.path,
			"the bottle has more than %d members", MEMBER_LIMIT);
	switch (member.type) {
	case BFS_MEMBER_DIRECTORY:
		return bfs_keg_builder_add_directory(
			unpack->builder, member.path, member.mode, member.mtime, error);
	case BFS_MEMBER_SYMLINK:
		return add_symlink(unpack, &member, error);
	case BFS_MEMBER_HARDLINK:
		return add_hardlink(unpack, &member, error);
	case BFS_MEMBER_FILE:
		break;
	}
	return add_file(unpack, archive, &member, error);
}

static int fail_archive(struct archive *archive, struct bfs_error *error)
{
	const char *reason = archive_error_string(archive);

	return bfs_error_set(error, -EBADMSG, "reading the tar archive", NULL, "%s",
		reason ? reason : "it is damaged");
}

static int read_members(
	struct bfs_bottle_unpack *unpack, struct archive *archive, struct bfs_error *error)
{
	struct archive_entry *entry;
	int code, r = 0;

	while (r == 0 && (code = archive_read_next_header(archive, &entry)) != ARCHIVE_EOF) {
		if (code != ARCHIVE_OK && code != ARCHIVE_WARN)
			return fail_archive(archive, error);
		/* Names that are no UTF-8 (they are used as they are), unknown kinds of attributes.
		 */
		if (code == ARCHIVE_WARN)
			bfs_log_debug("%s: %s", unpack->keg, archive_error_string(archive));
		r = add_member(unpack, archive, entry, error);
	}
	if (r == 0 && unpack->members == 0)
		r = bfs_error_set(error, -EBADMSG, "reading the tar archive", NULL, "it is empty");
	return r;
}

static int open_archive(
	struct bfs_bottle_unpack *unpack, struct archive *archive, struct bfs_error *error)
{
	if (archive_read_support_format_tar(archive) != ARCHIVE_OK ||
		/* An AppleDouble member ("._x") is a file like others, whatever this was built on.
		 */
		archive_read_set_format_option(archive, "tar", "mac-ext", NULL) != ARCHIVE_OK)
		return -ENOMEM;
	if (archive_read_open(archive, unpack, NULL, read_block, NULL) != ARCHIVE_OK)
		return fail_archive(archive, error);
	return 0;
}

static int read_archive(struct bfs_bottle_unpack *unpack, struct bfs_error *error)
{
	struct archive *archive = archive_read_new();
	int r = archive ? open_archive(unpack, archive, error) : -ENOMEM;

	if (r == 0)
		r = read_members(unpack, archive, error);
	archive_read_free(archive);
	return r;
}

/* What follows the end of the archive: padding, whose bytes count for the digest and the gzip
 * checksum only. */
static int drain(struct bfs_bottle_unpack *unpack, struct bfs_error *error)
{
	const void *block;
	ssize_t n;

	while ((n = bfs_byte_queue_take(unpack->queue, &block)) > 0) {
		unpack->stream_bytes += (uint64_t)n;
		if (is_bomb(unpack))
			return bfs_error_set(error, -EBADMSG, "reading the tar archive", NULL,
				"far more than the archive follows its end");
	}
	unpack->queue_code = (int)n;
	return (int)n;
}

int bfs_bottle_unpack_run(
	struct bfs_bottle_unpack *unpack, struct bfs_byte_queue *queue, struct bfs_error *error)
{
	_cleanup_error_ struct bfs_error reason = BFS_ERROR_INIT;
	locale_t plain, old = (locale_t)0;
	int r;

	unpack->queue = queue;
	/* In the C locale libarchive hands out names as they are; in UTF-8 ones it would normalise
	 * them. */
	plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (!plain)
		return -ENOMEM;
	old = uselocale(plain);
	r = read_archive(unpack, &reason);
	uselocale(old);
	freelocale(plain);
	if (r == 0)
		r = drain(unpack, &reason);
	if (unpack->queue_code < 0)
		return -ECANCELED;
	if (r < 0)
		return bfs_error_set(
			error, r, unpack->keg, NULL, "%s", bfs_error_message(&reason, r));
	return 0;
}

static int settle(struct bfs_bottle_unpack *unpack, struct bfs_error *error)
{
	_cleanup_free_ char *keg = bfs_format("Cellar/%s", unpack->keg);
	struct bfs_bottle_relocation relocation = {
		.scope = unpack->scope, .elf = unpack->elf, .keg = keg};
	int r = 0;

	if (!keg)
		return -ENOMEM;
	if (!bfs_relocate_scope_has_tab(unpack->scope))
		r = set_tab(unpack, NULL, error);
	relocation.text = unpack->text;
	if (r == 0)
		r = bfs_bottle_deferred_settle(
			unpack->deferred, unpack->builder, unpack->tree, &relocation, error);
	if (r == 0)
		r = bfs_keg_builder_finish(unpack->builder, error);
	return r;
}

int bfs_bottle_unpack_finish(
	struct bfs_bottle_unpack *unpack, struct bfs_keg_tree *ret_keg, struct bfs_error *error)
{
	struct bfs_tree_counts counts;
	int r = settle(unpack, error);

	if (r == 0)
		r = bfs_tree_count(unpack->tree, &counts);
	if (r < 0) {
		bfs_error_set(error, r, "building the keg", NULL, NULL);
		bfs_error_prefix(error, unpack->keg);
		return r;
	}
	*ret_keg = (struct bfs_keg_tree){
		.tree = bfs_steal(&unpack->tree),
		.tab = bfs_steal(&unpack->tab),
		/* The root is a directory without a name. */
		.files = (uint64_t)(counts.names - (counts.directories - 1)),
		.bytes = (uint64_t)counts.file_bytes,
	};
	return 0;
}
