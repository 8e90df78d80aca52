/*
 * The commands that need nothing but the index.
 */
#ifndef BFS_INDEX_COMMANDS_H
#define BFS_INDEX_COMMANDS_H

#include "lib/command.h"

extern const struct bfs_command bfs_cmd_deps;
extern const struct bfs_command bfs_cmd_du;
extern const struct bfs_command bfs_cmd_fsck;
extern const struct bfs_command bfs_cmd_gc;
extern const struct bfs_command bfs_cmd_info;
extern const struct bfs_command bfs_cmd_list;
extern const struct bfs_command bfs_cmd_log;
extern const struct bfs_command bfs_cmd_rollback;
extern const struct bfs_command bfs_cmd_warm;

#endif
