#include "fs/diagnosis.h"

#include "lib/file.h"
#include "lib/log.h"
#include "lib/program.h"
#include "lib/system.h"

#include <fcntl.h>
#include <stdarg.h>
#include <string.h>

#define STATUS_LIMIT	  65536		/* bytes of /proc/self/status */
#define FUSE_CONF_LIMIT	  (1024 * 1024) /* bytes */
#define CAP_SYS_ADMIN_BIT 21		/* linux/capability.h */

int bfs_diagnosis_add(struct bfs_diagnosis *diagnosis, const char *check,
	enum bfs_check_outcome outcome, const char *fix, const char *what, ...)
{
	static const char *const outcomes[] = {"ok", "note", "problem"};
	_cleanup_free_ char *text = NULL;
	json_t *entry;
	va_list args;

	va_start(args, what);
	if (vasprintf(&text, what, args) < 0)
		text = NULL;
	va_end(args);
	if (!text)
		return -ENOMEM;
	entry = json_pack(
		"{s:s, s:s, s:s}", "check", check, "outcome", outcomes[outcome], "what", text);
	if (entry && fix)
		json_object_set_new(entry, "fix", json_string(fix));
	diagnosis->problems += outcome == BFS_OUTCOME_PROBLEM;
	return entry && json_array_append_new(diagnosis->checks, entry) == 0 ? 0 : -ENOMEM;
}

static bool is_set(const char *name)
{
	const char *value = getenv(name);

	return value && *value;
}

static bool exists(const char *path)
{
	_cleanup_free_ char *place = bfs_system_path(path);

	return place && access(place, F_OK) == 0;
}

/* --- where this runs --- */

enum place {
	PLACE_MACHINE,
	PLACE_CODEBUILD, /* CodeBuild User Guide, "Environment variables in build environments" */
	PLACE_LAMBDA,
	PLACE_FARGATE,
	PLACE_CONTAINER,
};

static enum place find_place(void)
{
	const char *execution = getenv("AWS_EXECUTION_ENV");

	if (is_set("CODEBUILD_BUILD_ID"))
		return PLACE_CODEBUILD;
	if (is_set("AWS_LAMBDA_FUNCTION_NAME"))
		return PLACE_LAMBDA;
	if (execution && strcmp(execution, "AWS_ECS_FARGATE") == 0)
		return PLACE_FARGATE;
	return exists("/.dockerenv") || exists("/run/.containerenv") ? PLACE_CONTAINER
								     : PLACE_MACHINE;
}

static const char *how_to_get_fuse(enum place place)
{
	switch (place) {
	case PLACE_CODEBUILD:
		return "set PrivilegedMode: true in the project's Environment; or do without a "
		       "mount: install and export need none";
	case PLACE_LAMBDA:
	case PLACE_FARGATE:
		return "use a tree made by brewfs export: there is no FUSE in Lambda and Fargate";
	case PLACE_CONTAINER:
		return "docker run --device /dev/fuse --cap-add SYS_ADMIN ...";
	case PLACE_MACHINE:
		break;
	}
	return "modprobe fuse";
}

static int look_at_device(struct bfs_diagnosis *diagnosis, enum place place)
{
	_cleanup_free_ char *path = bfs_system_path("/dev/fuse");
	_cleanup_close_ int fd = path ? open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK) : -1;

	if (!path)
		return -ENOMEM;
	if (fd >= 0)
		return bfs_diagnosis_add(diagnosis, "fuse-device", BFS_OUTCOME_GOOD, NULL,
			"/dev/fuse can be opened");
	/* ENODEV, ENXIO: the node is there, and the kernel's module is not. */
	if (errno == EACCES || errno == EPERM)
		return bfs_diagnosis_add(diagnosis, "fuse-device", BFS_OUTCOME_PROBLEM,
			place == PLACE_MACHINE ? "chmod 666 /dev/fuse" : how_to_get_fuse(place),
			"/dev/fuse may not be opened by this user: %s", strerror(errno));
	return bfs_diagnosis_add(diagnosis, "fuse-device", BFS_OUTCOME_PROBLEM,
		how_to_get_fuse(place), "/dev/fuse cannot be opened: %s", strerror(errno));
}

/* --- rights --- */

/* Whether this process has CAP_SYS_ADMIN, which mounting takes; true where that is not known. */
static bool can_mount(void)
{
	_cleanup_free_ char *path = bfs_system_path("/proc/self/status");
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	const char *line;

	if (!path || bfs_read_file(AT_FDCWD, path, STATUS_LIMIT, &text) < 0 || !text.data)
		return true;
	line = strstr(text.data, "\nCapEff:");
	return !line || strtoull(line + 8, NULL, 16) & (1ULL << CAP_SYS_ADMIN_BIT);
}

static int look_at_rights(struct bfs_diagnosis *diagnosis, enum place place)
{
	if (geteuid() != 0)
		return 0;
	if (can_mount())
		return bfs_diagnosis_add(
			diagnosis, "privileges", BFS_OUTCOME_GOOD, NULL, "root may mount");
	return bfs_diagnosis_add(diagnosis, "privileges", BFS_OUTCOME_PROBLEM,
		place == PLACE_MACHINE ? "give the process CAP_SYS_ADMIN" : how_to_get_fuse(place),
		"root may not mount here%s",
		place == PLACE_CODEBUILD ? ": the build is unprivileged" : "");
}

static bool allows_others(const char *text)
{
	const char *line = text;

	while (line) {
		line += *line == '\n';
		line += strspn(line, " \t");
		if (strncmp(line, "user_allow_other", 16) == 0)
			return true;
		line = strchr(line, '\n');
	}
	return false;
}

/* What an ordinary user's mount needs besides. */
static int look_at_user(struct bfs_diagnosis *diagnosis)
{
	_cleanup_free_ char *fusermount = NULL, *path = bfs_system_path("/etc/fuse.conf");
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	int r;

	if (geteuid() == 0)
		return 0;
	if (!path)
		return -ENOMEM;
	r = bfs_program_find("fusermount3", &fusermount);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return bfs_diagnosis_add(diagnosis, "fusermount3", BFS_OUTCOME_PROBLEM,
			"apt-get install fuse3, or dnf install fuse3",
			"fusermount3, by which ordinary users mount, is not installed");
	r = bfs_diagnosis_add(
		diagnosis, "fusermount3", BFS_OUTCOME_GOOD, NULL, "%s is there", fusermount);
	if (r < 0)
		return r;
	r = bfs_read_file(AT_FDCWD, path, FUSE_CONF_LIMIT, &text);
	if (r == 0 && text.data && allows_others(text.data))
		return bfs_diagnosis_add(diagnosis, "user-allow-other", BFS_OUTCOME_GOOD, NULL,
			"a mount of this user can be made visible to others");
	return bfs_diagnosis_add(diagnosis, "user-allow-other", BFS_OUTCOME_NOTE,
		"echo user_allow_other | sudo tee -a /etc/fuse.conf",
		"a mount of this user is visible to that user alone, not even to root");
}

int bfs_diagnosis_look_at_host(struct bfs_diagnosis *diagnosis)
{
	enum place place = find_place();
	int r = look_at_device(diagnosis, place);

	if (r == 0)
		r = look_at_rights(diagnosis, place);
	return r == 0 ? look_at_user(diagnosis) : r;
}
