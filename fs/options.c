#include "fs/options.h"

#include "fs/features.h"
#include "index/efs.h"
#include "index/session.h"
#include "lib/log.h"
#include "lib/text.h"

#include <limits.h>
#include <string.h>

#define INTERVAL_DEFAULT 1000 /* ms */
/*
 * KiB. A file read in order is as fast with more; a page fault at random reads as much around it,
 * and most of that for nothing.
 */
#define READAHEAD_DEFAULT 512

/* Options of mount(8) that libfuse passes on to the kernel. */
static const char *const kernel_options[] = {
	"suid", "nosuid", "dev", "nodev", "exec", "noexec", "sync", "async", "dirsync", NULL};

/*
 * Options that say something to mount(8), systemd or a boot script, or that hold here in any case:
 * a mount that is read-only keeps no access times.
 */
static const char *const ignored_options[] = {"defaults", "auto", "noauto", "user", "nouser",
	"users", "nousers", "owner", "noowner", "group", "nogroup", "_netdev", "nofail",
	"default_permissions", "nonempty", "lazytime", "nolazytime", "iversion", "noiversion",
	"silent", "loud", "mand", "nomand", "atime", "noatime", "diratime", "nodiratime",
	"relatime", "norelatime", "strictatime", "nostrictatime", NULL};

static const char *const ignored_prefixes[] = {
	"x-", "X-", "comment=", "fsname=", "subtype=", "setuid=", "context=", "vers=", NULL};

void bfs_mount_options_init(struct bfs_mount_options *options)
{
	*options = (struct bfs_mount_options){
		.uid = geteuid(),
		.gid = getegid(),
		.allow_other = geteuid() == 0,
		.threads = BFS_THREADS_DEFAULT,
		.interval = INTERVAL_DEFAULT,
		.readahead = READAHEAD_DEFAULT,
		.features = BFS_FEATURES_DEFAULT,
	};
}

void bfs_mount_options_release(struct bfs_mount_options *options)
{
	free(options->ref);
	free(options->session);
	bfs_buffer_release(&options->kernel);
	bfs_buffer_release(&options->efs);
}

static bool is_listed(const char *const *list, const char *option)
{
	while (*list && strcmp(*list, option) != 0)
		list++;
	return *list != NULL;
}

static bool has_listed_prefix(const char *const *list, const char *option)
{
	while (*list && strncmp(*list, option, strlen(*list)) != 0)
		list++;
	return *list != NULL;
}

/* The part after "name=", or NULL where the option is another one. */
static const char *value_of(const char *option, const char *name)
{
	size_t length = strlen(name);

	return strncmp(option, name, length) == 0 && option[length] == '=' ? option + length + 1
									   : NULL;
}

static int parse_number(const char *option, const char *value, unsigned long minimum,
	unsigned long maximum, unsigned *ret_number, struct bfs_error *error)
{
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(value, &end, 10);
	if (errno || end == value || *end || *value == '-' || number < minimum || number > maximum)
		return bfs_error_set(error, -EINVAL, "reading the mount options", option,
			"a number from %lu to %lu is needed", minimum, maximum);
	*ret_number = (unsigned)number;
	return 0;
}

/* 1 where the option is one that takes a number, 0 where not. */
static int parse_numeric(
	struct bfs_mount_options *options, const char *option, struct bfs_error *error)
{
	const struct {
		const char *name;
		unsigned long minimum, maximum;
		unsigned *field;
	} numbers[] = {
		{"uid", 0, UINT_MAX - 1, &options->uid},
		{"gid", 0, UINT_MAX - 1, &options->gid},
		{"threads", 1, BFS_THREADS_MAX, &options->threads},
		{"interval", 10, 86400000, &options->interval},
		{"readahead", 0, 1024 * 1024, &options->readahead},
		{"wait", 0, 86400, &options->wait},
	};

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(numbers); i++) {
		const char *value = value_of(option, numbers[i].name);
		int r;

		if (!value)
			continue;
		r = parse_number(option, value, numbers[i].minimum, numbers[i].maximum,
			numbers[i].field, error);
		return r < 0 ? r : 1;
	}
	return 0;
}

static int set_string(char **field, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	free(*field);
	*field = copy;
	return 1;
}

/* "off", "on", "auto", or how much may be kept: "512M", "20G". */
static int set_cache(struct bfs_mount_options *options, const char *value, struct bfs_error *error)
{
	static const char *const words[] = {"auto", "off", "on"};

	options->cache_quota = 0;
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(words); i++)
		if (strcmp(value, words[i]) == 0) {
			options->cache = (enum bfs_cache_use)i;
			return 1;
		}
	if (bfs_size_parse(value, &options->cache_quota) < 0)
		return bfs_error_set(error, -EINVAL, "reading the mount options", value,
			"cache is auto, on, off, or a size such as 512M or 20G");
	options->cache = BFS_CACHE_ON;
	return 1;
}

/* "no_NAME" and "NAME" of features; "answer_open" and "answer_opendir", what turning the first two
 * off means. */
static int parse_feature(struct bfs_mount_options *options, const char *option)
{
	bool off = strncmp(option, "no_", 3) == 0;
	const char *name = off ? option + 3 : option;
	enum bfs_feature feature;

	if (strncmp(option, "answer_", 7) == 0) {
		name = strcmp(option, "answer_open") == 0      ? "zero_open"
		       : strcmp(option, "answer_opendir") == 0 ? "zero_opendir"
							       : "";
		off = true;
	}
	feature = bfs_feature_find(name, strlen(name));
	if (feature == BFS_FEATURE_COUNT)
		return 0;
	if (off)
		options->features &= ~BFS_FEATURE_BIT(feature);
	else
		options->features |= BFS_FEATURE_BIT(feature);
	return 1;
}

static int parse_flag(
	struct bfs_mount_options *options, const char *option, struct bfs_error *error)
{
	int r;

	if (strcmp(option, "allow_other") == 0 || strcmp(option, "noallow_other") == 0)
		options->allow_other = *option == 'a';
	else if (strcmp(option, "rw") == 0 || strcmp(option, "ro") == 0)
		options->writable = option[1] == 'w';
	else if (strcmp(option, "debug") == 0)
		options->debug = true;
	else if (strcmp(option, "cache_verify") == 0)
		options->cache_verify = true;
	else if (is_listed(kernel_options, option)) {
		r = bfs_buffer_append_format(&options->kernel, ",%s", option);
		return r < 0 ? r : 1;
	} else if (!is_listed(ignored_options, option) &&
		   !has_listed_prefix(ignored_prefixes, option))
		return bfs_error_set(
			error, -EINVAL, "reading the mount options", option, "no such option");
	return 1;
}

/* 1 where the option is one that takes text, 0 where not. */
static int parse_text(
	struct bfs_mount_options *options, const char *option, struct bfs_error *error)
{
	const char *ref = value_of(option, "ref"), *cache = value_of(option, "cache");
	const char *session = value_of(option, "session");

	if (ref)
		return set_string(&options->ref, ref);
	if (cache)
		return set_cache(options, cache, error);
	if (bfs_efs_is_option(option)) {
		int r = bfs_buffer_append_format(
			&options->efs, "%s%s", options->efs.length ? "," : "", option);

		return r < 0 ? r : 1;
	}
	if (!session)
		return 0;
	if (!bfs_session_name_is_valid(session))
		return bfs_error_set(error, -EINVAL, "reading the mount options", option,
			"not a name for a session");
	return set_string(&options->session, session);
}

static int parse_option(
	struct bfs_mount_options *options, const char *option, struct bfs_error *error)
{
	int r = parse_text(options, option, error);

	if (r == 0)
		r = parse_numeric(options, option, error);
	if (r == 0)
		r = parse_feature(options, option);
	if (r == 0)
		r = parse_flag(options, option, error);
	return r;
}

/* Takes the next option off the text, its backslashes resolved. 1, or 0 where there is none. */
static int next_option(const char **text, struct bfs_buffer *option)
{
	const char *c = *text;
	int r = 0;

	bfs_buffer_clear(option);
	if (!*c)
		return 0;
	for (; r == 0 && *c && *c != ','; c++) {
		if (*c == '\\' && c[1])
			c++;
		r = bfs_buffer_append(option, c, 1);
	}
	*text = *c ? c + 1 : c;
	return r < 0 ? r : 1;
}

int bfs_mount_options_parse(
	struct bfs_mount_options *options, const char *text, struct bfs_error *error)
{
	_cleanup_buffer_ struct bfs_buffer option = BFS_BUFFER_INIT;
	int r;

	while ((r = next_option(&text, &option)) > 0) {
		if (option.length > 0)
			r = parse_option(options, option.data, error);
		if (r < 0)
			return r;
	}
	if (r == 0 && options->session && !options->writable)
		return bfs_error_set(error, -EINVAL, "reading the mount options", options->session,
			"a session is mounted rw");
	return r;
}
