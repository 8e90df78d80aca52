/*
 * brewfs: the command table, and nothing else.
 */
#include "config.h"

#include "lib/command.h"
#include "lib/log.h"

#include <stdio.h>
#include <string.h>

static const struct bfs_command *const commands[] = {
	NULL,
};

int main(int argc, char **argv)
{
	(void)argc, (void)argv;
	(void)commands;
	return BFS_EXIT_USAGE;
}
