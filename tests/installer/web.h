/*
 * Starts tests/installer/server.py for a C test. The server ends when the test does, however that
 * ends: its standard input is a pipe from the test.
 */
#ifndef BFS_TESTS_INSTALLER_WEB_H
#define BFS_TESTS_INSTALLER_WEB_H

#include "lib/buffer.h"
#include "lib/file.h"
#include "lib/json.h"

#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

struct web {
	pid_t pid;
	int input; /* closed to end it */
	json_t *facts;
};

static inline __attribute__((unused)) int web_port(const struct web *web, const char *name)
{
	return (int)json_integer_value(json_object_get(web->facts, name));
}

static inline __attribute__((unused)) const char *web_file(const struct web *web, const char *name)
{
	return json_string_value(json_object_get(web->facts, name));
}

/* Returns false, having said why, where there is no Python to run it. */
static inline __attribute__((unused)) bool web_start(struct web *web, const char *option)
{
	const char *srcdir = getenv("srcdir") ? getenv("srcdir") : ".";
	_cleanup_free_ char *script = bfs_format("%s/tests/installer/server.py", srcdir);
	int input[2], output[2];
	char line[4096] = "";
	FILE *stream;

	if (pipe2(input, O_CLOEXEC) < 0 || pipe2(output, O_CLOEXEC) < 0)
		return false;
	web->pid = fork();
	if (web->pid == 0) {
		dup2(input[0], STDIN_FILENO);
		dup2(output[1], STDOUT_FILENO);
		execlp("python3", "python3", script, option, (char *)NULL);
		_exit(127);
	}
	close(input[0]);
	close(output[1]);
	web->input = input[1];
	stream = fdopen(output[0], "r");
	if (!fgets(line, sizeof(line), stream))
		line[0] = '\0';
	fclose(stream);
	web->facts = json_loads(line, 0, NULL);
	return web->facts != NULL;
}

static inline __attribute__((unused)) void web_stop(struct web *web)
{
	int status;

	close(web->input);
	waitpid(web->pid, &status, 0);
	json_decref(web->facts);
}

/* The requests since the last call, as an array; to be freed. */
static inline __attribute__((unused)) json_t *web_take_log(const struct web *web)
{
	const char *path = web_file(web, "log");
	json_t *requests = json_array();
	FILE *file = fopen(path, "r");
	char line[8192];

	while (file && fgets(line, sizeof(line), file))
		json_array_append_new(requests, json_loads(line, 0, NULL));
	if (file)
		fclose(file);
	if (truncate(path, 0) < 0)
		abort();
	return requests;
}

#endif
