/* brewfs env: the environment in which the programs and libraries of an export are found. */
#include "installer/commands.h"

#include "installer/export_manifest.h"
#include "installer/export_runtime.h"
#include "installer/lambda/host_directories.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/text.h"

#include <stddef.h>
#include <string.h>

/*
 * What Lambda's runtimes set (aws-lambda-base-images, the Dockerfiles of the runtimes; the same
 * since 2020). A function's own variables replace these, so they have to be repeated.
 */
#define LAMBDA_PATH "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin"
#define LAMBDA_LIBRARY_PATH                                                                        \
	"/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:"   \
	"/opt/lib"

#define HOST_DIRECTORIES BFS_LAMBDA_HOST_DIRECTORIES ":"

struct options {
	bool lambda;
	bool json;
};

static const struct bfs_option options_table[] = {
	{"lambda", 0, NULL, "For a Lambda function: with what its runtime sets by itself",
		offsetof(struct options, lambda)},
	{"json", 0, NULL, "Print JSON: the variables as an object", offsetof(struct options, json)},
	{0},
};

struct environment {
	char *prefix;  /* where the export is seen */
	char *wrapper; /* NULL where programs run without */
};

static void environment_release(struct environment *environment)
{
	free(environment->prefix);
	free(environment->wrapper);
}

/* What the export says of itself; of a directory that is none, its own path. */
static int read_environment(
	const char *dir, struct environment *environment, struct bfs_error *error)
{
	_cleanup_export_manifest_ struct bfs_export_manifest *manifest = NULL;
	_cleanup_free_ char *loader = NULL, *helper = NULL;
	int r = bfs_export_manifest_open(dir, &manifest);

	if (r < 0)
		return bfs_error_set(error, r, "looking for the export", dir,
			r == -ENOENT ? "there is no export; brewfs export makes one" : NULL);
	r = bfs_export_manifest_get(manifest, "prefix", &environment->prefix);
	if (r == 0)
		r = bfs_export_manifest_get(manifest, "loader", &loader);
	if (r == 0)
		r = bfs_export_manifest_get(manifest, "helper", &helper);
	if (r < 0)
		return bfs_error_set(error, r, "reading the export", dir, NULL);
	if (strcmp(loader, "brewed") != 0 || strcmp(helper, "yes") != 0)
		return 0;
	environment->wrapper = bfs_format("%s/bin/" BFS_EXPORT_HELPER, environment->prefix);
	return environment->wrapper ? 0 : -ENOMEM;
}

/* The whole value: what there is already, and the export's directory after it. */
static char *value_of(const struct environment *environment, const char *variable,
	const char *lambda, const char *between, const char *directory)
{
	const char *old = lambda ? lambda : getenv(variable);

	return old && *old ? bfs_format("%s:%s%s/%s", old, between, environment->prefix, directory)
			   : bfs_format("%s%s/%s", between, environment->prefix, directory);
}

static int print_json(const struct environment *environment, bool lambda)
{
	_cleanup_free_ char *path =
		value_of(environment, "PATH", lambda ? LAMBDA_PATH : NULL, "", "bin");
	_cleanup_free_ char *libraries = value_of(environment, "LD_LIBRARY_PATH",
		lambda ? LAMBDA_LIBRARY_PATH : NULL, lambda ? "" : HOST_DIRECTORIES, "lib");
	_cleanup_json_ json_t *document =
		path && libraries ? json_pack("{s:o, s:o}", "PATH", bfs_text_json(path),
					    "LD_LIBRARY_PATH", bfs_text_json(libraries))
				  : NULL;

	if (!document)
		return -ENOMEM;
	if (lambda && environment->wrapper &&
		json_object_set_new(document, "AWS_LAMBDA_EXEC_WRAPPER",
			bfs_text_json(environment->wrapper)) < 0)
		return -ENOMEM;
	return bfs_json_print(document);
}

/* Text between double quotes for a shell. */
static void print_quoted(const char *text)
{
	for (; *text; text++) {
		if (strchr("\\\"$`", *text))
			putchar('\\');
		putchar(*text);
	}
}

/* For eval in a shell: whatever the variable has when that is run comes first. */
static void print_export(
	const char *variable, const char *between, const char *prefix, const char *directory)
{
	printf("export %s=\"${%s:+$%s:}%s", variable, variable, variable, between);
	print_quoted(prefix);
	printf("/%s\"\n", directory);
}

static void print_lambda(const struct environment *environment)
{
	printf("PATH=" LAMBDA_PATH ":%s/bin\n", environment->prefix);
	printf("LD_LIBRARY_PATH=" LAMBDA_LIBRARY_PATH ":%s/lib\n", environment->prefix);
	if (environment->wrapper)
		printf("AWS_LAMBDA_EXEC_WRAPPER=%s\n", environment->wrapper);
}

static int print(const struct environment *environment, const struct options *options)
{
	if (options->json)
		return print_json(environment, options->lambda);
	if (options->lambda) {
		print_lambda(environment);
		return 0;
	}
	print_export("PATH", "", environment->prefix, "bin");
	print_export("LD_LIBRARY_PATH", HOST_DIRECTORIES, environment->prefix, "lib");
	return 0;
}

static int run(const void *fields, int count, char **operands)
{
	BFS_CLEANUP(environment_release) struct environment environment = {NULL, NULL};
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	int r = read_environment(operands[0], &environment, &error);

	(void)count;
	if (r == 0)
		r = print(&environment, fields);
	return r < 0 ? bfs_error_report(&error, r) : 0;
}

const struct bfs_command bfs_cmd_env = {
	.name = "env",
	.synopsis = "DIR",
	.summary = "Print the environment in which an export is found",
	.options = options_table,
	.options_size = sizeof(struct options),
	.minimum_operands = 1,
	.maximum_operands = 1,
	.run = run,
};
