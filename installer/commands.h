/*
 * The commands of this folder, for the table in brewfs.c.
 */
#ifndef BFS_INSTALLER_COMMANDS_H
#define BFS_INSTALLER_COMMANDS_H

#include "lib/command.h"

extern const struct bfs_command bfs_cmd_fetch;
extern const struct bfs_command bfs_cmd_env;
extern const struct bfs_command bfs_cmd_export;
extern const struct bfs_command bfs_cmd_import;
extern const struct bfs_command bfs_cmd_install;
extern const struct bfs_command bfs_cmd_postinstall;
extern const struct bfs_command bfs_cmd_trace;

#endif
