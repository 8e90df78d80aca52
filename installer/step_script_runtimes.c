#include "installer/step_script_private.h"

#include <string.h>

extern char **environ;

/* --- glibc --- */

/* "en_US" with "UTF-8" of "en_US.utf8"; the value of a variable, so only what a name may have. */
static bool is_locale(const char *value)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789_.@-";

	return *value && *value != '-' && strspn(value, letters) == strlen(value) &&
	       strcmp(value, "C") != 0 && strcmp(value, "POSIX") != 0;
}

/* The locales that whoever installs uses, and the one everybody has; sorted, each once. */
static int list_locales(bfs_strings *ret_locales)
{
	int r = bfs_strings_add(ret_locales, "en_US.UTF-8");

	for (char **variable = environ; r == 0 && *variable; variable++) {
		const char *value = strchr(*variable, '=');

		if (!value ||
			(strncmp(*variable, "LANG=", 5) != 0 && strncmp(*variable, "LC_", 3) != 0))
			continue;
		if (is_locale(value + 1) && !bfs_strings_contains(*ret_locales, value + 1))
			r = bfs_strings_add(ret_locales, value + 1);
	}
	return r;
}

static int append_locale(const char *locale, struct bfs_buffer *script)
{
	const char *dot = strchr(locale, '.'), *charmap = dot ? dot + 1 : "";
	int language = dot ? (int)(dot - locale) : (int)strlen(locale);

	if (strcmp(charmap, "utf8") == 0)
		charmap = "UTF-8";
	return bfs_buffer_append_format(script,
		*charmap ? " &&\n\"$P/$K/bin/localedef\" -i '%.*s' -f '%s' '%s'"
			 : " &&\n\"$P/$K/bin/localedef\" -i '%.*s'%s '%s'",
		language, locale, charmap, locale);
}

/* Links to the host's own, where the host has it and the prefix has not. */
static const char host_links[] =
	" &&\n{ [ ! -e /etc/localtime ] || [ -e \"$P/etc/localtime\" ] ||"
	" ln -s /etc/localtime \"$P/etc/localtime\"; }"
	" &&\n{ [ ! -e /usr/share/zoneinfo ] || [ -e \"$P/$K/share/zoneinfo\" ] ||"
	" { mkdir -p \"$P/$K/share\" && ln -s /usr/share/zoneinfo \"$P/$K/share/zoneinfo\"; }; }";

int bfs_script_glibc_runtime(struct bfs_buffer *script)
{
	bfs_strings locales = NULL;
	int r = list_locales(&locales);

	if (r == 0)
		r = bfs_buffer_append_string(script, "mkdir -p \"$P/$K/lib/locale\"");
	for (char **locale = locales; r == 0 && locale && *locale; locale++)
		r = append_locale(*locale, script);
	bfs_strings_free(locales);
	return r < 0 ? r : bfs_buffer_append_string(script, host_links);
}

/* --- gcc --- */

/* The host's C library, or that of the prefix. */
static const char host_libc[] =
	"crt=$(dirname \"$(/usr/bin/cc -print-file-name=crti.o)\")\n"
	"headers=\"-idirafter $P/include -idirafter /usr/include/$(\"$gcc\" -print-multiarch)"
	" -idirafter /usr/include\"\n"
	"libgcc=+\n";
static const char brewed_libc[] =
	"crt=$P/opt/glibc/lib\n"
	"headers=\"-idirafter $P/include -idirafter $P/opt/glibc/include\"\n"
	"libgcc=\"-nostdlib -L$dir -L$crt\"\n";

static const char write_specs[] =
	"for o in \"$crt\"/*crt?.o; do [ ! -e \"$o\" ] || ln -sf \"$o\" \"$dir\"; done\n"
	"rm -f \"$dir/specs\" \"$dir/specs.orig\"\n"
	"\"$gcc\" -dumpspecs > \"$dir/specs.orig\"\n"
	"{ cat \"$dir/specs.orig\"\n"
	"printf '*cpp_unique_options:\\n+ -isysroot %s/nonexistent %s\\n\\n' \"$P\" \"$headers\"\n"
	"printf '*link_libgcc:\\n%s -L%s -L%s/lib\\n\\n' \"$libgcc\" \"$libraries\" \"$P\"\n"
	"printf '*link:\\n+ --dynamic-linker %s/lib/ld.so -rpath %s%s\\n\\n' \"$P\" "
	"\"$libraries\" \"$old_rpath\"\n";
/* From gcc 11 on, the prefix's own libraries come last in the RPATH. */
static const char new_rpath[] = "printf '*homebrew_rpath:\\n-rpath %s/lib\\n\\n' \"$P\"\n"
				"} | sed 's| %o |&%(homebrew_rpath) |g' > \"$dir/specs\"\n)";
static const char no_rpath[] = "echo\n} > \"$dir/specs\"\n)";

#define FIRST_WITH_RPATH 11 /* version of gcc */

int bfs_script_gcc_runtime(struct bfs_steps_runner *runner, struct bfs_buffer *script)
{
	const struct bfs_formula *formula = runner->order->formula;
	int digits = (int)strspn(formula->version, "0123456789");
	bool brewed = bfs_steps_is_directory(runner, "opt/glibc/lib") == 1;
	bool has_rpath = strtol(formula->version, NULL, 10) >= FIRST_WITH_RPATH;
	int r;

	if (digits == 0)
		return bfs_steps_fail(
			runner, -EBADMSG, formula->version, "gcc's version is no number");
	r = bfs_buffer_append_format(script,
		"(set -e\n"
		"gcc=$P/$K/bin/gcc-%.*s\n"
		"libraries=$P/lib/gcc/%.*s\n"
		"old_rpath=%s\n"
		"dir=$(dirname \"$(\"$gcc\" -print-libgcc-file-name)\")\n",
		digits, formula->version,
		strcmp(formula->name, "gcc") == 0 ? (int)strlen("current") : digits,
		strcmp(formula->name, "gcc") == 0 ? "current" : formula->version,
		has_rpath ? "" : "\" -rpath $P/lib\"");
	if (r == 0)
		r = bfs_buffer_append_string(script, brewed ? brewed_libc : host_libc);
	if (r == 0)
		r = bfs_buffer_append_string(script, write_specs);
	return r < 0 ? r : bfs_buffer_append_string(script, has_rpath ? new_rpath : no_rpath);
}
