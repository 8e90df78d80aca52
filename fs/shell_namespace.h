/*
 * The namespaces of `brewfs shell`: what is mounted in them nobody else sees, and it goes with
 * them.
 *
 * An ordinary user gets a user namespace of his own, in which he is who he was; so he needs a
 * kernel that lets him make one (user_namespaces(7)).
 */
#ifndef BFS_FS_SHELL_NAMESPACE_H
#define BFS_FS_SHELL_NAMESPACE_H

#include "lib/error.h"

/*
 * Moves the calling process, which has no threads, into a mount namespace of its own. -EPERM where
 * the kernel does not let this user.
 */
int bfs_shell_namespace_enter(struct bfs_error *error);

/*
 * Makes sure that there is a directory at `path`, by mkdir(2) where the user may; else a tmpfs
 * takes the place of the deepest directory of the path that exists, in which all that was there
 * shows up again.
 */
int bfs_shell_namespace_make_room(const char *path, struct bfs_error *error);

/*
 * For a child that is to run one command apart from the machine: once more a mount namespace, in
 * which everything is read-only but `prefix` and a fresh /tmp; and no network. -ENOSYS before
 * Linux 5.12 (mount_setattr(2)).
 */
int bfs_shell_namespace_isolate(const char *prefix, struct bfs_error *error);

#endif
