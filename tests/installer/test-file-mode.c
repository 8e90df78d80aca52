/*
 * Modes: what chmod(1) itself makes of a file is what is expected, but for setuid and setgid, which
 * are dropped.
 */
#include "installer/file_mode.h"
#include "lib/file.h"
#include "tests/tap.h"

#include <fcntl.h>

static const char *const changes[] = {"644", "0755", "1777", "00600", "u+w", "u-w,g+x", "a+x", "+x",
	"+w", "-w", "=r", "go=", "go=u", "o=g", "u=rwX", "a+X", "ug=rw,o=r", "u+x-w", "g+t", "+t",
	"a=rwx,o-rwx", "u=g,g=o"};
static const mode_t modes[] = {0644, 0755, 0444, 0400, 0600, 0000, 0777};

/* What chmod makes of it, or -1 where it will not. */
static int ask_chmod(const char *path, const char *change, mode_t mode)
{
	_cleanup_free_ char *command =
		bfs_format("umask 022; chmod -- '%s' '%s' 2>/dev/null", change, path);
	struct stat st;

	if (chmod(path, mode) < 0 || system(command) != 0 || stat(path, &st) < 0)
		return -1;
	return st.st_mode & 07777 & ~(S_ISUID | S_ISGID);
}

static void compare(const char *path, mode_t type)
{
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(changes); i++)
		for (size_t j = 0; j < BFS_ARRAY_LENGTH(modes); j++) {
			int expected = ask_chmod(path, changes[i], modes[j]);
			mode_t actual = bfs_file_mode_apply(changes[i], type | modes[j]);

			if (bfs_file_mode_check(changes[i]) < 0 || (int)actual != expected)
				ok(false, "%s of %04o is %04o (chmod: %04o)", changes[i], modes[j],
					actual, (unsigned)expected);
		}
	ok(true, "%zu changes of %zu modes are as chmod makes them", BFS_ARRAY_LENGTH(changes),
		BFS_ARRAY_LENGTH(modes));
}

int main(void)
{
	static const char *const bad[] = {"", "8", "77777", "u", "u+q", "x", "u+r,", ",u+r",
		"u+rw g", "123456", "+r;", "rwxr-xr-x"};
	char directory[] = "/tmp/test-file-mode-XXXXXX";
	_cleanup_free_ char *file = NULL;

	if (!mkdtemp(directory))
		return 1;
	file = bfs_format("%s/file", directory);
	bfs_replace_file(AT_FDCWD, file, "", 0, 0644);
	compare(file, S_IFREG);
	compare(directory, S_IFDIR);
	is_int(bfs_file_mode_apply("u+s", S_IFREG | 0755), 0755, "setuid is never set");
	is_int(bfs_file_mode_apply("6755", S_IFREG | 0644), 0755, "nor setgid, in octal either");
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(bad); i++)
		is_int(bfs_file_mode_check(bad[i]), -EINVAL, "'%s' is no mode", bad[i]);
	chmod(directory, 0755);
	bfs_remove_tree(AT_FDCWD, directory);
	return done();
}
