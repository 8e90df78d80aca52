/*
 * Modes as chmod(1) takes them: octal ("0755") or symbolic ("u+w", "go=rX,a-x"), with a umask of
 * 022 where no one is named. setuid and setgid are never set: a store's files belong to whoever
 * mounts it.
 */
#ifndef BFS_INSTALLER_FILE_MODE_H
#define BFS_INSTALLER_FILE_MODE_H

#include <sys/stat.h>

/* Whether chmod would take it: 0, or -EINVAL. */
int bfs_file_mode_check(const char *change);

/*
 * The permission bits that a file of type and mode `mode` has after the change, which was checked.
 */
mode_t bfs_file_mode_apply(const char *change, mode_t mode);

#endif
