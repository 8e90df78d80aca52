#include "index/session_private.h"

#include "lib/file.h"
#include "lib/json.h"
#include "lib/log.h"

#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define FORMAT	     1
#define RECORD_LIMIT 65536 /* bytes of session.json; some 500 are usual */
#define HOLDER_LIMIT 512

bool bfs_session_name_is_valid(const char *name)
{
	return bfs_ref_name_is_valid(name); /* the same rule */
}

void bfs_session_info_release(struct bfs_session_info *info)
{
	free(info->name);
	free(info->store);
	free(info->store_uuid);
	free(info->ref);
	*info = (struct bfs_session_info){0};
}

void session_record_release(struct session_record *record)
{
	bfs_session_info_release(&record->info);
	free(record->base);
	record->base = NULL;
}

int bfs_session_directory(char **ret_path, struct bfs_error *error)
{
	const char *given = getenv("BREWFS_SESSIONS"), *xdg = getenv("XDG_STATE_HOME"),
		   *home = getenv("HOME");
	_cleanup_free_ char *path = NULL;
	int r;

	if (given && *given)
		path = strdup(given);
	else if (geteuid() == 0)
		path = strdup("/var/lib/brewfs-sessions");
	else if (xdg && xdg[0] == '/')
		path = bfs_format("%s/brewfs/sessions", xdg);
	else if (home && *home)
		path = bfs_format("%s/.local/state/brewfs/sessions", home);
	else
		return bfs_error_set(error, -ENOENT, "finding the directory of sessions", NULL,
			"neither $BREWFS_SESSIONS nor $HOME is set");
	if (!path)
		return -ENOMEM;
	r = bfs_make_directories(AT_FDCWD, path, 0755);
	if (r < 0)
		return bfs_error_set(error, r, "making the directory of sessions", path, NULL);
	*ret_path = bfs_steal(&path);
	return 0;
}

int session_path(const char *name, char **ret_path, struct bfs_error *error)
{
	_cleanup_free_ char *directory = NULL;
	int r;

	if (!bfs_session_name_is_valid(name))
		return bfs_error_set(error, -EINVAL, "finding the session", name,
			"not a name for a session: 1 to 64 of A-Z a-z 0-9 . _ -");
	r = bfs_session_directory(&directory, error);
	if (r < 0)
		return r;
	*ret_path = bfs_format("%s/%s", directory, name);
	return *ret_path ? 0 : -ENOMEM;
}

char *session_hidden_path(const char *directory, const char *name, const char *suffix)
{
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return NULL;
	return bfs_format("%s/.%s.%016llx%s", directory, name, (unsigned long long)random, suffix);
}

/* --- session.json --- */

static int take_string(const json_t *document, const char *key, char **ret_value)
{
	const char *value;
	int r = bfs_json_get_string(document, key, &value);

	if (r < 0)
		return -EBADMSG;
	*ret_value = strdup(value);
	return *ret_value ? 0 : -ENOMEM;
}

static int parse_generation(const json_t *document, struct bfs_generation *ret_generation)
{
	int64_t number, size;
	const char *index;

	if (bfs_json_get_int(document, "generation", 0, INT64_MAX, &number) < 0)
		return -EBADMSG;
	*ret_generation = (struct bfs_generation){.number = (uint64_t)number};
	if (number == 0)
		return 0;
	if (bfs_json_get_string(document, "index", &index) < 0 ||
		bfs_digest_from_hex(index, &ret_generation->index) < 0 ||
		bfs_json_get_int(document, "index_size", 1, INT64_MAX, &size) < 0)
		return -EBADMSG;
	ret_generation->size = (uint64_t)size;
	return 0;
}

/* A name in the directory, and nothing else. */
static int parse_base(const json_t *document, char **ret_base)
{
	const char *base;
	int r = bfs_json_get_string(document, "base", &base);

	if (r == -ENOENT)
		return 0;
	if (r < 0 || strncmp(base, "base.", 5) != 0 || strchr(base, '/'))
		return -EBADMSG;
	*ret_base = strdup(base);
	return *ret_base ? 0 : -ENOMEM;
}

static int parse(const json_t *document, const char *name, struct session_record *record)
{
	struct bfs_session_info *info = &record->info;
	int64_t format;
	int r;

	if (bfs_json_get_int(document, "format", 1, INT64_MAX, &format) < 0)
		return -EBADMSG;
	if (format > FORMAT)
		return -EPROTONOSUPPORT;
	info->name = strdup(name);
	r = info->name ? take_string(document, "store", &info->store) : -ENOMEM;
	if (r == 0)
		r = take_string(document, "store_uuid", &info->store_uuid);
	if (r == 0)
		r = take_string(document, "ref", &info->ref);
	if (r == 0 && !bfs_ref_name_is_valid(info->ref))
		r = -EBADMSG;
	if (r == 0)
		r = parse_generation(document, &info->base);
	if (r == 0 && bfs_json_get_int(document, "created", 0, INT64_MAX, &info->created) < 0)
		r = -EBADMSG;
	return r < 0 ? r : parse_base(document, &record->base);
}

int session_record_read(
	int dir_fd, const char *name, struct session_record *ret_record, struct bfs_error *error)
{
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	_cleanup_json_ json_t *document = NULL;
	struct session_record record = {0};
	int r = bfs_read_file(dir_fd, SESSION_RECORD, RECORD_LIMIT, &text);

	if (r < 0)
		return bfs_error_set(error, r, "reading the session", name, NULL);
	r = bfs_json_parse(text.data, text.length, name, &document, error);
	if (r < 0)
		return r;
	r = parse(document, name, &record);
	if (r < 0) {
		session_record_release(&record);
		return bfs_error_set(error, r, "reading the session", name, "%s",
			r == -EPROTONOSUPPORT ? "a newer brewfs made it"
			: r == -ENOMEM	      ? strerror(ENOMEM)
					      : "its " SESSION_RECORD " is damaged");
	}
	*ret_record = record;
	return 0;
}

int session_record_write(int dir_fd, const struct session_record *record, struct bfs_error *error)
{
	const struct bfs_session_info *info = &record->info;
	char hex[BFS_DIGEST_HEX_SIZE];
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ json_t *document =
		json_pack("{s:i, s:s, s:s, s:s, s:I, s:s?, s:I, s:s?, s:I}", "format", FORMAT,
			"store", info->store, "store_uuid", info->store_uuid, "ref", info->ref,
			"generation", (json_int_t)info->base.number, "index",
			info->base.number ? bfs_digest_to_hex(&info->base.index, hex) : NULL,
			"index_size", (json_int_t)info->base.size, "base", record->base, "created",
			(json_int_t)info->created);
	int r;

	text = document ? json_dumps(document, JSON_INDENT(2)) : NULL;
	if (!text) /* out of memory, or the store's path is no UTF-8, which JSON cannot hold */
		return bfs_error_set(error, -EILSEQ, "writing the session", info->store,
			"its path cannot be written as JSON");
	r = bfs_replace_file(dir_fd, SESSION_RECORD, text, strlen(text), 0644);
	return r < 0 ? bfs_error_set(error, r, "writing the session", info->name, NULL) : 0;
}

int bfs_session_read_info(
	const char *name, struct bfs_session_info *ret_info, struct bfs_error *error)
{
	struct session_record record;
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;
	int r = session_path(name, &path, error);

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return bfs_error_set(error, -errno, "reading the session", name, "%s",
			errno == ENOENT ? "there is none of that name" : strerror(errno));
	r = session_record_read(fd, name, &record, error);
	if (r < 0)
		return r;
	free(record.base);
	*ret_info = record.info;
	return 0;
}

/* --- all sessions --- */

static int compare_infos(const void *a, const void *b)
{
	const struct bfs_session_info *x = a, *y = b;

	return strcmp(x->name, y->name);
}

void bfs_session_infos_free(struct bfs_session_info *infos, size_t count)
{
	for (size_t i = 0; i < count; i++)
		bfs_session_info_release(&infos[i]);
	free(infos);
}

static int append_info(const char *name, struct bfs_session_info **infos, size_t *count)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	struct bfs_session_info info, *grown;
	int r = bfs_session_read_info(name, &info, &error);

	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		bfs_log_warning("%s", bfs_error_message(&error, r));
		return 0;
	}
	grown = reallocarray(*infos, *count + 1, sizeof(*grown));
	if (!grown) {
		bfs_session_info_release(&info);
		return -ENOMEM;
	}
	*infos = grown;
	grown[(*count)++] = info;
	return 0;
}

int bfs_session_list(
	struct bfs_session_info **ret_infos, size_t *ret_count, struct bfs_error *error)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_closedir_ DIR *dir = NULL;
	struct bfs_session_info *infos = NULL;
	struct dirent *entry;
	size_t count = 0;
	int r = bfs_session_directory(&path, error);

	if (r < 0)
		return r;
	dir = opendir(path);
	if (!dir)
		return bfs_error_set(error, -errno, "listing the sessions", path, NULL);
	while (r == 0 && (entry = readdir(dir)))
		if (bfs_session_name_is_valid(entry->d_name))
			r = append_info(entry->d_name, &infos, &count);
	if (r < 0) {
		bfs_session_infos_free(infos, count);
		return bfs_error_set(error, r, "listing the sessions", path, NULL);
	}
	if (count)
		qsort(infos, count, sizeof(*infos), compare_infos);
	*ret_infos = infos;
	*ret_count = count;
	return 0;
}

/* --- the lock --- */

/* "process 12, mounted at /x", as the lock's file says. */
static void read_holder(int fd, char holder[HOLDER_LIMIT])
{
	ssize_t n = pread(fd, holder, HOLDER_LIMIT - 1, 0);

	holder[n > 0 ? n : 0] = '\0';
	holder[strcspn(holder, "\n")] = '\0';
}

int bfs_session_read_holder(const char *name, char **ret_holder)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	_cleanup_free_ char *path = NULL, *file = NULL;
	_cleanup_close_ int fd = -1;
	char holder[HOLDER_LIMIT];
	int r = session_path(name, &path, NULL);

	*ret_holder = NULL;
	if (r < 0)
		return r;
	file = bfs_format("%s/lock", path);
	if (!file)
		return -ENOMEM;
	fd = open(file, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fcntl(fd, F_OFD_GETLK, &lock) < 0)
		return -errno;
	if (lock.l_type == F_UNLCK)
		return 0;
	read_holder(fd, holder);
	*ret_holder = strdup(holder);
	return *ret_holder ? 0 : -ENOMEM;
}

static int refuse(int fd, const char *name, struct bfs_error *error)
{
	char holder[HOLDER_LIMIT];

	read_holder(fd, holder);
	return bfs_error_set(error, -EBUSY, "opening the session", name, "it is in use%s%s",
		*holder ? ": " : "", holder);
}

int session_lock(
	int dir_fd, const char *name, const char *holder, int *ret_fd, struct bfs_error *error)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char text[HOLDER_LIMIT];
	_cleanup_close_ int fd =
		openat(dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	int length, r;

	if (fd < 0)
		return bfs_error_set(error, -errno, "locking the session", name, NULL);
	if (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
		if (errno == EAGAIN || errno == EACCES)
			return refuse(fd, name, error);
		return bfs_error_set(error, -errno, "locking the session", name, NULL);
	}
	length = snprintf(text, sizeof(text), "process %d, %s\n", (int)getpid(), holder);
	if (length >= (int)sizeof(text))
		length = (int)sizeof(text) - 1;
	r = ftruncate(fd, 0) < 0 ? -errno : bfs_pwrite_all(fd, text, (size_t)length, 0);
	if (r < 0)
		return bfs_error_set(error, r, "locking the session", name, NULL);
	*ret_fd = bfs_steal_fd(&fd);
	return 0;
}

/* --- what is left of dead processes --- */

/* Between making its directory and taking the lock in it a process has this many seconds. */
#define SWEEP_AGE 60

static bool is_hidden_session(const char *name)
{
	size_t length = strlen(name);

	return name[0] == '.' && length > 5 &&
	       (strcmp(name + length - 4, ".new") == 0 || strcmp(name + length - 5, ".gone") == 0);
}

static void sweep_one(int directory_fd, const char *name)
{
	_cleanup_close_ int fd =
		openat(directory_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_close_ int lock_fd = -1;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return;
	if (faccessat(fd, "lock", F_OK, 0) < 0 && time(NULL) - st.st_ctime < SWEEP_AGE)
		return;
	if (session_lock(fd, name, "being removed", &lock_fd, NULL) == 0)
		bfs_remove_tree(directory_fd, name);
}

void session_sweep(const char *directory)
{
	_cleanup_closedir_ DIR *dir = opendir(directory);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (is_hidden_session(entry->d_name))
			sweep_one(dirfd(dir), entry->d_name);
}
