/* A read-only mount refuses every change with EROFS, and before that what would be refused anyway.
 */
#include "tests/posix/paths.h"

#include <sys/statvfs.h>
#include <sys/xattr.h>

/* What the caller put there, see lower.h. */
#define FILE_THERE	"plain"
#define DIRECTORY_THERE "dir"
#define LINK_THERE	"link"

static const char *there(enum posix_kind kind)
{
	return kind == DIRECTORY ? DIRECTORY_THERE : kind == SYMLINK ? LINK_THERE : FILE_THERE;
}

static void case_refused(const struct posix_call *call)
{
	const char *path = call->flags & CREATES ? "new" : there(call->needs);

	if (!(call->flags & CHANGES))
		return;
	/* Both ends of what has two names must be there. */
	if (strncmp(call->name, "link to", 7) == 0 || strncmp(call->name, "rename to", 9) == 0)
		return;
	fails(EROFS, call->run(path), "%s", call->name);
	if (call->flags & CREATES && !(call->flags & CREATES_FILE))
		fails(EEXIST, call->run(FILE_THERE), "%s of a name that is there", call->name);
}

void posix_area_readonly(const struct posix_place *place)
{
	struct statvfs st;

	if (!place->readonly || chdir(place->readonly) < 0) {
		ok(!place->readonly, "the read-only mount can be entered");
		return;
	}
	for (const struct posix_call *call = posix_calls; call->name; call++)
		case_refused(call);
	fails(EROFS, link(FILE_THERE, "new"), "link");
	fails(EROFS, rename(FILE_THERE, "new"), "rename");
	fails(EROFS, rename(FILE_THERE, LINK_THERE), "rename over a name");
	fails(EEXIST, open(FILE_THERE, O_CREAT | O_EXCL | O_WRONLY, 0644),
		"open with O_EXCL of a name that is there");
	fails(EROFS, open(FILE_THERE, O_RDWR), "open to read and write");
	fails(EROFS, access(FILE_THERE, W_OK), "access asks for the right to write");
	works(access(FILE_THERE, R_OK), "access asks for the right to read");
	fails(EROFS, chown(FILE_THERE, 1, 1), "chown to another");
	fails(EROFS, lremovexattr(FILE_THERE, "user.x"), "removexattr");
	works(statvfs(".", &st), "statvfs");
	ok(st.f_flag & ST_RDONLY, "statvfs shows that it is read-only");
	fails(EROFS, unlink("missing"), "unlink of a missing name");
	fails(EROFS, rename("missing", "new"), "rename of a missing name");
}
