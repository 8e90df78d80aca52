/*
 * The commands around a mount, for the table in brewfs.c.
 */
#ifndef BFS_FS_COMMANDS_H
#define BFS_FS_COMMANDS_H

#include "lib/command.h"

extern const struct bfs_command bfs_cmd_doctor;
extern const struct bfs_command bfs_cmd_mount;
extern const struct bfs_command bfs_cmd_session;
extern const struct bfs_command bfs_cmd_shell;
extern const struct bfs_command bfs_cmd_status;
extern const struct bfs_command bfs_cmd_umount;

#endif
