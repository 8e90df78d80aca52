#include "installer/steps_private.h"

#include "installer/ca_certificates.h"
#include "installer/ruby_regexp.h"
#include "lib/file.h"
#include "lib/path.h"

#include <string.h>

int bfs_steps_read(struct bfs_steps_runner *runner, const struct bfs_attributes *attributes,
	const char *path, struct bfs_buffer *bytes)
{
	struct bfs_content content;
	int r;

	if (!S_ISREG(attributes->mode))
		return bfs_steps_fail(
			runner, S_ISDIR(attributes->mode) ? -EISDIR : -EINVAL, path, NULL);
	r = bfs_tree_content(runner->order->tree, attributes->ino, &content);
	if (r < 0)
		return bfs_steps_fail(runner, r, path, NULL);
	if (content.size == 0)
		return bfs_buffer_reserve(bytes, 0);
	return bfs_content_load(
		runner->order->reader, &content, BFS_STEPS_READ_MAX, bytes, runner->error);
}

int bfs_steps_write(struct bfs_steps_runner *runner, const char *path, const void *data,
	size_t length, mode_t mode)
{
	struct bfs_content content = {0};
	int r = length ? bfs_writer_add(
				 runner->order->writer, data, length, mode, &content, runner->error)
		       : bfs_digest_of("", 0, &content.digest);

	if (r < 0)
		return r;
	runner->dirty |= length > 0;
	r = bfs_tree_write_path(runner->order->tree, path, mode, runner->order->mtime, &content);
	return r < 0 ? bfs_steps_fail(runner, r, path, NULL) : 0;
}

/* Pathname#atomic_write: a new file, with the mode of what a link or file there led to. */
static int write_over(
	struct bfs_steps_runner *runner, const char *path, const void *data, size_t length)
{
	struct bfs_attributes attributes;
	mode_t mode = 0644;
	int r = bfs_steps_check_writable(runner, path, false);

	if (r == 0)
		r = bfs_steps_find(runner, path, &attributes);
	if (r < 0)
		return r;
	if (r == 1 && S_ISDIR(attributes.mode))
		return bfs_steps_fail(runner, -EISDIR, path, NULL);
	if (r == 1)
		mode = attributes.mode & 07777;
	return bfs_steps_write(runner, path, data, length, mode);
}

int bfs_step_write(struct bfs_steps_runner *runner, const json_t *step)
{
	_cleanup_free_ char *path = NULL, *text = NULL;
	struct bfs_attributes attributes;
	const char *content;
	int r = bfs_steps_string(runner, step, "content", &content);

	if (r == 0)
		r = bfs_steps_locate_key(runner, step, "path", &path);
	if (r != 0)
		return r;
	r = bfs_steps_find(runner, path, &attributes);
	if (r < 0 || (r == 1 && !json_is_true(json_object_get(step, "overwrite"))))
		return r < 0 ? r : 0;
	r = bfs_steps_expand(runner, content, &text);
	if (r == 0)
		r = bfs_steps_make_parent(runner, path);
	return r != 0 ? r : write_over(runner, path, text, strlen(text));
}

/*
 * The pattern of an inreplace step, which is not only translated but has its templates filled in.
 */
static int make_regexp(
	struct bfs_steps_runner *runner, const json_t *step, struct bfs_regexp **ret_regexp)
{
	_cleanup_free_ char *before = NULL;
	bool literal = !json_is_true(json_object_get(step, "regexp"));
	int64_t options = 0;
	const char *source;
	int r = bfs_steps_string(runner, step, "before", &source);

	if (r == 0 && bfs_json_get_int(step, "regexp_options", 0, 255, &options) == -EBADMSG)
		r = bfs_steps_fail(runner, -EBADMSG, "regexp_options", "not a number");
	if (r == 0)
		r = bfs_steps_expand(runner, source, &before);
	if (r != 0)
		return r;
	r = bfs_regexp_new(before, literal, (int)options, ret_regexp);
	if (r == -EOPNOTSUPP)
		return bfs_steps_later(runner, "it takes Ruby to match /%s/", before);
	return r == -EINVAL ? bfs_steps_fail(runner, r, before, "not a regular expression") : r;
}

static int replace(struct bfs_steps_runner *runner, const json_t *step, const char *path,
	const struct bfs_regexp *regexp, const char *after)
{
	_cleanup_buffer_ struct bfs_buffer old = BFS_BUFFER_INIT, edited = BFS_BUFFER_INIT;
	bool all = !json_is_true(json_object_get(step, "first_only"));
	struct bfs_attributes attributes;
	int r = bfs_steps_find(runner, path, &attributes);

	if (r == 0)
		return bfs_steps_fail(runner, -ENOENT, path, NULL);
	if (r == 1)
		r = bfs_steps_read(runner, &attributes, path, &old);
	if (r < 0)
		return r;
	r = bfs_regexp_replace(regexp, old.data, old.length, after, all, &edited);
	if (r == -EOPNOTSUPP)
		return bfs_steps_later(runner, "it takes Ruby to replace by %s", after);
	if (r == 0 && !json_is_true(json_object_get(step, "skip_audit")))
		return bfs_steps_fail(
			runner, -ENODATA, path, "the text to be replaced is not there");
	return r < 0 ? r : write_over(runner, path, edited.data ? edited.data : "", edited.length);
}

int bfs_step_inreplace(struct bfs_steps_runner *runner, const json_t *step)
{
	_cleanup_regexp_ struct bfs_regexp *regexp = NULL;
	_cleanup_free_ char *path = NULL, *after = NULL;
	const char *replacement;
	int r = bfs_steps_locate_key(runner, step, "path", &path);

	if (r == 0)
		r = make_regexp(runner, step, &regexp);
	if (r == 0)
		r = bfs_steps_string(runner, step, "after", &replacement);
	if (r == 0)
		r = bfs_steps_expand(runner, replacement, &after);
	return r != 0 ? r : replace(runner, step, path, regexp, after);
}

int bfs_steps_make_certificates(struct bfs_steps_runner *runner)
{
	_cleanup_buffer_ struct bfs_buffer source = BFS_BUFFER_INIT, bundle = BFS_BUFFER_INIT;
	_cleanup_free_ char *path = bfs_path_join(runner->keg, BFS_CA_BUNDLE_IN_KEG);
	struct bfs_attributes attributes;
	int r = path ? bfs_steps_find(runner, path, &attributes) : -ENOMEM;

	if (r < 1)
		return r < 0 ? r : bfs_steps_fail(runner, -ENOENT, path, NULL);
	r = bfs_steps_read(runner, &attributes, path, &source);
	if (r == 0)
		r = bfs_ca_certificates_make(source.data, source.length, &bundle, runner->error);
	if (r == 0)
		r = bfs_steps_make_parent(runner, BFS_CA_BUNDLE);
	if (r == 0)
		r = bfs_steps_clear_name(runner, BFS_CA_BUNDLE);
	return r < 0 ? r : bfs_steps_write(runner, BFS_CA_BUNDLE, bundle.data, bundle.length, 0644);
}
