/*
 * The ELF editor on real programs and libraries: linked in the ways that bottles are, edited, then
 * run, loaded by dlopen, stripped and run again, and read by the usual tools, which may not find
 * more to complain about than before.
 *
 * Needs a compiler (CC, default cc) and binutils; other compilers, linkers and tools are used where
 * they are installed, and skipped with a word where not.
 */
#include "installer/elf.h"
#include "installer/elf_edit.h"
#include "installer/elf_image.h"
#include "lib/file.h"

#include "tests/tap.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define PLACE "@@HOMEBREW_PREFIX@@"

/* TLS, a constructor, versioned symbols, IFUNC, and a library it finds by its own RPATH. */
static const char library_source[] =
	"extern int dep_value(void);\n"
	"__thread int tls_value = 7;\n"
	"static int constructed;\n"
	"__attribute__((constructor)) static void start(void) { constructed = 1; }\n"
	"static int impl(void) { return 39; }\n"
	"#ifdef NO_IFUNC\n"
	"int chosen(void) { return impl(); }\n"
	"#else\n"
	"static void *resolve(void) { return (void *)impl; }\n"
	"int chosen(void) __attribute__((ifunc(\"resolve\")));\n"
	"#endif\n"
	"int lib_answer(void) { return chosen() + constructed + (tls_value == 7) + dep_value(); "
	"}\n";

/* Reads the notes through its program headers, a large .bss, the heap behind the segments. */
static const char program_source[] =
	"#define _GNU_SOURCE\n"
	"#include <link.h>\n"
	"#include <stdio.h>\n"
	"#include <stdlib.h>\n"
	"#include <string.h>\n"
	"extern int lib_answer(void);\n"
	"__thread int mine = 3;\n"
	"static volatile char zeroes[300000];\n"
	"static int notes;\n"
	"static int count(struct dl_phdr_info *info, size_t size, void *data)\n"
	"{\n"
	"	for (int i = 0; i < info->dlpi_phnum; i++)\n"
	"		if (info->dlpi_phdr[i].p_type == PT_NOTE)\n"
	"			notes += *(const int *)(info->dlpi_addr + "
	"info->dlpi_phdr[i].p_vaddr);\n"
	"	return (int)(size - size) + (data != 0);\n"
	"}\n"
	"int main(void)\n"
	"{\n"
	"	char *heap = malloc(1 << 20);\n"
	"	memset(heap, 1, 1 << 20);\n"
	"	for (int i = 0; i < 300000; i++)\n"
	"		if (zeroes[i])\n"
	"			return 2;\n"
	"	dl_iterate_phdr(count, 0);\n"
	"	printf(\"%d %d %d\\n\", lib_answer(), mine, notes > 0);\n"
	"	return 0;\n"
	"}\n";

enum how {
	PLAIN = 0,
	STRIPPED = 1,	 /* before the edit */
	SECTIONLESS = 2, /* no section headers */
	BOTTLE = 4,	 /* linked for the prefix, then made a bottle as patchelf.rb does */
	NEEDS_MANY = 8,	 /* 60 more needed libraries */
	SHORT = 16,	 /* the prefix is shorter than the placeholder */
};

struct variant {
	const char *name, *compiler, *both, *program;
	unsigned how;
};

static const struct variant variants[] = {
	{"position-independent", "$CC", "-Wl,-z,separate-code", "-pie", PLAIN},
	{"fixed address", "$CC", "-Wl,-z,noseparate-code", "-no-pie", PLAIN},
	{"shorter prefix", "$CC", "", "-pie", SHORT},
	{"old tags", "$CC", "-Wl,--disable-new-dtags -Wl,-z,relro,-z,now", "-pie", PLAIN},
	{"both hashes", "$CC", "-Wl,--hash-style=both -Wl,--build-id=none", "-pie", PLAIN},
	{"stripped", "$CC", "", "-pie", STRIPPED},
	{"stripped, fixed", "$CC", "", "-no-pie", STRIPPED},
	{"no section headers", "$CC", "", "-pie", SECTIONLESS},
	{"no section headers, fixed", "$CC", "", "-no-pie", SECTIONLESS},
	{"bottle", "$CC", "-Wl,--disable-new-dtags", "-pie", BOTTLE},
	{"bottle, fixed and stripped", "$CC", "", "-no-pie", BOTTLE | STRIPPED},
	{"60 needed", "$CC", "", "-pie", NEEDS_MANY},
	{"2 MiB pages", "$CC", "-Wl,-z,max-page-size=0x200000", "-no-pie", PLAIN},
	{"clang", "clang", "-O2", "-pie", PLAIN},
	{"gold", "$CC", "-fuse-ld=gold", "-pie", PLAIN},
	{"lld", "$CC", "-fuse-ld=lld", "-pie", PLAIN},
	{"lld, fixed", "$CC", "-fuse-ld=lld", "-no-pie", PLAIN},
	{"mold", "$CC", "-fuse-ld=mold", "-pie", PLAIN},
};

struct bench {
	char directory[32];
	char *prefix; /* the one in use */
	char *loader; /* this machine's */
};

/* Runs a command in the directory; what it says goes to the file `said`. */
static __attribute__((format(printf, 2, 3))) bool shell(
	struct bench *bench, const char *format, ...)
{
	_cleanup_free_ char *command = NULL, *full = NULL;
	va_list args;
	int n;

	va_start(args, format);
	n = vasprintf(&command, format, args);
	va_end(args);
	if (n < 0)
		return false;
	full = bfs_format("cd %s && P='%s' && CC=${CC:-cc} && { %s; } >said 2>&1", bench->directory,
		bench->prefix ? bench->prefix : "", command);
	return full && system(full) == 0;
}

static bool check(struct bench *bench, bool passed, const char *variant, const char *says)
{
	_cleanup_buffer_ struct bfs_buffer said = BFS_BUFFER_INIT;
	_cleanup_free_ char *path = bfs_format("%s/said", bench->directory);

	if (ok(passed, "%s: %s", variant, says))
		return true;
	if (path && bfs_read_file(AT_FDCWD, path, 1 << 16, &said) == 0 && said.length > 0)
		printf("# %s\n", said.data);
	return false;
}

static bool has(struct bench *bench, const char *tool)
{
	return shell(bench, "command -v %s", tool);
}

static void skip(const char *what, const char *reason)
{
	ok(true, "%s # SKIP %s", what, reason);
}

/* Edits a file in place. 1: edited, 0: nothing to do. */
static int edit(const char *path, const char *prefix, uint64_t *ret_growth)
{
	struct bfs_elf_policy policy = {.prefix = prefix};
	_cleanup_elf_patch_ struct bfs_elf_patch *patch = NULL;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	_cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;
	uint8_t *data;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return -errno;
	r = bfs_elf_relocate(data, (size_t)st.st_size, &policy, &patch, &error);
	munmap(data, (size_t)st.st_size);
	if (r < 0)
		printf("# %s: %s\n", path, bfs_error_message(&error, r));
	if (r < 0 || !patch)
		return r;
	*ret_growth = bfs_elf_patch_new_size(patch) - bfs_elf_patch_old_size(patch);
	r = bfs_elf_patch_apply_fd(patch, fd);
	return r < 0 ? r : 1;
}

/* What patchelf.rb leaves of a string when it puts a shorter one there: X bytes behind its NUL. */
static void shorten(char *string, const char *prefix, char fill)
{
	_cleanup_free_ char *old = strdup(string);
	size_t length = strlen(old);
	char *out = string;

	memset(string, fill, length);
	for (const char *in = old; *in;) {
		if (strncmp(in, prefix, strlen(prefix)) == 0) {
			memcpy(out, PLACE, strlen(PLACE));
			out += strlen(PLACE);
			in += strlen(prefix);
		} else {
			*out++ = *in++;
		}
	}
	*out = '\0';
}

/* Makes a bottle's file of one that was linked for the prefix. */
static bool make_bottle(const char *path, const char *prefix)
{
	_cleanup_buffer_ struct bfs_buffer content = BFS_BUFFER_INIT;
	_cleanup_elf_image_ struct bfs_elf_image image = {.data = NULL};
	const char *rpath = NULL, *runpath = NULL;

	if (bfs_read_file(AT_FDCWD, path, 1 << 24, &content) < 0 ||
		bfs_elf_image_open((uint8_t *)content.data, content.length, &image, NULL) < 0 ||
		bfs_elf_image_dynamic_string(&image, DT_RPATH, 4096, &rpath, NULL) < 0 ||
		bfs_elf_image_dynamic_string(&image, DT_RUNPATH, 4096, &runpath, NULL) < 0)
		return false;
	shorten(content.data + ((rpath ? rpath : runpath) - content.data), prefix, 'X');
	if (image.interpreter)
		shorten(content.data + (image.interpreter - content.data), prefix, '\0');
	return bfs_replace_file(AT_FDCWD, path, content.data, content.length, 0755) == 0;
}

/* Builds the library and the program where they will be used. */
static bool build(struct bench *bench, const struct variant *variant)
{
	const char *p = variant->how & BOTTLE ? bench->prefix : PLACE;
	const char *many = variant->how & NEEDS_MANY ? "-Wl,--no-as-needed many/*.so" : "";

	return shell(bench,
		       "rm -rf $P/opt && mkdir -p $P/opt/x/lib && "
		       "%s -shared -fPIC -O1 library.c $P/lib/libdep.so.1 -Wl,-soname,liba.so.1 "
		       "-Wl,--version-script=versions %s -Wl,-rpath=%s/lib:/usr/lib/none:'$ORIGIN' "
		       "-o $P/opt/x/lib/liba.so.1",
		       variant->compiler, variant->both, p) &&
	       shell(bench,
		       "%s -O1 program.c $P/opt/x/lib/liba.so.1 -Wl,-rpath-link=$P/lib %s %s "
		       "-Wl,-rpath=%s/opt/x/lib:%s/lib -Wl,--dynamic-linker=%s/lib/ld.so "
		       "%s -o $P/opt/x/program",
		       variant->compiler, variant->both, variant->program, p, p, p, many);
}

static bool prepare(struct bench *bench, const struct variant *variant, char *const paths[2])
{
	for (size_t i = 0; i < 2; i++) {
		if ((variant->how & STRIPPED) && !shell(bench, "strip %s", paths[i]))
			return false;
		if ((variant->how & BOTTLE) && !make_bottle(paths[i], bench->prefix))
			return false;
		if ((variant->how & SECTIONLESS) &&
			!shell(bench,
				"f=%s; "
				"dd if=/dev/zero of=$f bs=1 seek=40 count=8 conv=notrunc && "
				"dd if=/dev/zero of=$f bs=1 seek=60 count=4 conv=notrunc",
				paths[i]))
			return false;
	}
	return true;
}

/* The same complaints as before, but for the numbers of program headers. */
static void check_tools(
	struct bench *bench, const char *before, const char *after, const char *name)
{
	check(bench,
		shell(bench,
			"nm -D %s | sort >a; nm -D %s | sort >b; cmp a b && readelf -aW %s >a "
			"2>b1; "
			"readelf -aW %s >b 2>b2; sed 's/.*readelf//' b1 >a; sed 's/.*readelf//' b2 "
			">b; "
			"diff a b",
			before, after, before, after),
		name, "nm and readelf read it as before");
	if (!has(bench, "eu-elflint"))
		return skip(name, "eu-elflint is not installed");
	check(bench,
		shell(bench,
			"for f in %s %s; do ln -sf $f lint; eu-elflint --gnu-ld lint | "
			"sed 's/phdr[[][0-9]*[]]//' | sort >$(basename $f).lint; done; "
			"! comm -13 $(basename %s).lint $(basename %s).lint | grep .",
			before, after, before, after),
		name, "eu-elflint finds no more than before");
}

static void check_run(struct bench *bench, const char *name, const char *says)
{
	check(bench, shell(bench, "$P/opt/x/program && grep -qx '42 3 1' said"), name, says);
}

/* In a process of its own, which has no RPATH: the library finds the other one by its own. */
static void check_dlopen(struct bench *bench, const char *path, const char *name)
{
	pid_t child = fork();
	int status = 1;

	if (child == 0) {
		void *library = dlopen(path, RTLD_NOW);
		int (*answer)(void);

		if (!library)
			_exit(2);
		*(void **)&answer = dlsym(library, "lib_answer");
		_exit(answer && answer() == 42 ? 0 : 3);
	}
	waitpid(child, &status, 0);
	check(bench, child > 0 && status == 0, name, "the library is loaded by dlopen");
}

static void check_query(struct bench *bench, const char *path, const char *rpath, const char *name)
{
	_cleanup_buffer_ struct bfs_buffer content = BFS_BUFFER_INIT;
	_cleanup_elf_info_ struct bfs_elf_info info = BFS_ELF_INFO_INIT;
	uint64_t growth;

	if (bfs_read_file(AT_FDCWD, path, 1 << 24, &content) < 0 ||
		!ok(bfs_elf_query((uint8_t *)content.data, content.length, &info, NULL) == 0,
			"%s: the result is sound", name))
		return;
	is_str(info.rpath, rpath, "%s: RPATH", name);
	ok(!info.runpath && !info.has_placeholder, "%s: no RUNPATH and no placeholder", name);
	is_int(edit(path, bench->prefix, &growth), 0, "%s: a second edit has nothing to do", name);
}

/* Stripped by whatever there is, it still runs. */
static void check_strip(struct bench *bench, const char *name)
{
	static const char *const tools[] = {"strip", "strip -g", "eu-strip", "llvm-strip"};

	shell(bench, "cp -a $P/opt edited");
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(tools); i++) {
		_cleanup_free_ char *title = bfs_format("it runs after %s", tools[i]);

		if (!has(bench, tools[i]))
			continue;
		check(bench,
			shell(bench,
				"rm -rf $P/opt; cp -a edited $P/opt; "
				"for f in $P/opt/x/program $P/opt/x/lib/liba.so.1; do %s $f; done; "
				"! grep -v '^+' said",
				tools[i]),
			name, "strip does not complain");
		check_run(bench, name, title);
	}
	shell(bench, "rm -rf edited");
}

static void test_variant(struct bench *bench, const struct variant *variant)
{
	_cleanup_free_ char *library = bfs_format("%s/opt/x/lib/liba.so.1", bench->prefix);
	_cleanup_free_ char *program = bfs_format("%s/opt/x/program", bench->prefix);
	_cleanup_free_ char *rpath = bfs_format("%s/lib:$ORIGIN", bench->prefix);
	_cleanup_free_ char *program_rpath =
		bfs_format("%s/opt/x/lib:%s/lib", bench->prefix, bench->prefix);
	char *const paths[2] = {library, program};
	uint64_t growth[2] = {0, 0};

	if (!build(bench, variant) || !prepare(bench, variant, paths))
		return skip(variant->name, "it cannot be built here");
	shell(bench, "cp %s before.so; cp %s before", library, program);
	for (size_t i = 0; i < 2; i++)
		is_int(edit(paths[i], bench->prefix, &growth[i]), 1, "%s: %s is edited",
			variant->name, i ? "the program" : "the library");
	if (variant->how & (BOTTLE | SHORT))
		is_int(growth[0], 0, "%s: the library is edited in place", variant->name);
	check_query(bench, library, rpath, variant->name);
	check_query(bench, program, program_rpath, variant->name);
	check_run(bench, variant->name, "the program runs");
	check_dlopen(bench, library, variant->name);
	check(bench, shell(bench, "ldd $P/opt/x/program | grep liba.so.1"), variant->name, "ldd");
	check(bench, shell(bench, "/sbin/ldconfig -n $P/opt/x/lib"), variant->name, "ldconfig");
	if (variant->how & SECTIONLESS)
		return;
	check_tools(bench, "before.so", library, variant->name);
	check_tools(bench, "before", program, variant->name);
	check_strip(bench, variant->name);
}

/* Files that have no business with the editor. */
static void test_left_alone(struct bench *bench)
{
	static const struct {
		const char *says, *command;
	} cases[] = {
		{"a static program", "$CC -static empty.c -o x"},
		{"an object file", "$CC -c empty.c -o x"},
		{"a program's split debug information", "$CC -g empty.c -Wl,-rpath=" PLACE
							" -o y && objcopy --only-keep-debug y x"},
		{"debug information split off by eu-strip",
			"$CC -g empty.c -Wl,-rpath=" PLACE " -o y && eu-strip -f x y"},
		{"a library without RPATH", "$CC -shared -fPIC empty.c -o x"},
		{"a static archive", "$CC -c empty.c -o y && rm -f x && ar rc x y"},
	};
	_cleanup_free_ char *path = bfs_format("%s/x", bench->directory);
	uint64_t growth;

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(cases); i++) {
		if (!shell(bench, "%s", cases[i].command))
			skip(cases[i].says, "it cannot be built here");
		else
			is_int(edit(path, bench->prefix, &growth), 0, "%s is left alone",
				cases[i].says);
	}
	if (shell(bench, "$CC -static-pie empty.c -Wl,-rpath=" PLACE "/lib -o x && cp x before"))
		check(bench,
			edit(path, bench->prefix, &growth) == 1 &&
				shell(bench, "readelf -d x | grep \"$P/lib\""),
			"a static position-independent program", "its RPATH is edited");
	else
		skip("a static position-independent program", "it cannot be built here");
}

/* Other machines: built here, run only where an emulator or the kernel can. */
static void test_machine(struct bench *bench, const char *name, const char *compiler,
	const char *loader, const char *run)
{
	_cleanup_free_ char *library = bfs_format("%s/opt/x/lib/liba.so.1", bench->prefix);
	_cleanup_free_ char *program = bfs_format("%s/opt/x/program", bench->prefix);
	_cleanup_free_ char *full = bfs_format("%s -DNO_IFUNC", compiler);
	struct variant variant = {name, full, "", "", PLAIN};
	uint64_t growth = 0;

	if (!shell(bench,
		    "ln -sf %s $P/lib/ld.so && %s -shared -fPIC dep.c -Wl,-soname,libdep.so.1 "
		    "-o $P/lib/libdep.so.1",
		    loader, compiler) ||
		!build(bench, &variant))
		return skip(name, "no compiler for it");
	shell(bench, "cp %s before.so; cp %s before", library, program);
	is_int(edit(library, bench->prefix, &growth), 1, "%s: the library is edited", name);
	is_int(edit(program, bench->prefix, &growth), 1, "%s: the program is edited", name);
	check_tools(bench, "before.so", library, name);
	check_tools(bench, "before", program, name);
	if (strcmp(run, "") != 0 && !has(bench, run))
		return skip(name, "no emulator to run it");
	check(bench, shell(bench, "%s $P/opt/x/program && grep -qx '42 3 1' said", run), name,
		"the program runs");
}

/* The interpreter of the compiler's own programs: this machine's loader. */
static bool find_loader(struct bench *bench)
{
	_cleanup_buffer_ struct bfs_buffer content = BFS_BUFFER_INIT;
	_cleanup_elf_info_ struct bfs_elf_info info = BFS_ELF_INFO_INIT;
	_cleanup_free_ char *path = bfs_format("%s/empty", bench->directory);

	if (!shell(bench, "$CC empty.c -o empty") ||
		bfs_read_file(AT_FDCWD, path, 1 << 24, &content) < 0 ||
		bfs_elf_query((uint8_t *)content.data, content.length, &info, NULL) < 0)
		return false;
	bench->loader = bfs_steal(&info.interpreter);
	return bench->loader;
}

static bool write_source(struct bench *bench, const char *name, const char *text)
{
	_cleanup_free_ char *path = bfs_format("%s/%s", bench->directory, name);

	return path && bfs_replace_file(AT_FDCWD, path, text, strlen(text), 0644) == 0;
}

static bool bench_setup(struct bench *bench)
{
	return mkdtemp(bench->directory) && write_source(bench, "library.c", library_source) &&
	       write_source(bench, "program.c", program_source) &&
	       write_source(bench, "dep.c", "int dep_value(void) { return 1; }\n") &&
	       write_source(bench, "empty.c", "int main(void) { return 0; }\n") &&
	       write_source(bench, "versions",
		       "V1 { global: lib_answer; chosen; tls_value; local: *; };\n") &&
	       find_loader(bench);
}

static bool use_prefix(struct bench *bench, const char *name)
{
	free(bench->prefix);
	bench->prefix = bfs_format("%s/%s", bench->directory, name);
	return shell(bench,
		"mkdir -p $P/lib many && ln -sf %s $P/lib/ld.so && "
		"$CC -shared -fPIC dep.c -Wl,-soname,libdep.so.1 -o $P/lib/libdep.so.1 && "
		"if [ ! -e many/libn60.so ]; then $CC -c -fPIC dep.c -Ddep_value=unused -o dep.o; "
		"for i in $(seq 60); do ld -shared -soname libn$i.so dep.o -o many/libn$i.so; "
		"done; fi; "
		"cp many/* $P/lib",
		bench->loader);
}

static void test_variants(struct bench *bench)
{
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(variants); i++) {
		bool is_short = variants[i].how & SHORT;

		if (check(bench,
			    use_prefix(bench,
				    is_short ? "p" : "a-prefix-longer-than-the-placeholder-is"),
			    variants[i].name, "a prefix is made"))
			test_variant(bench, &variants[i]);
	}
}

int main(void)
{
	struct bench bench = {.directory = "/tmp/bfs-XXXXXX"};

	if (!bench_setup(&bench)) {
		printf("1..0 # SKIP no C compiler that makes dynamic programs\n");
	} else {
		test_variants(&bench);
		test_left_alone(&bench);
		test_machine(&bench, "32 bits", "${CC:-cc} -m32", "/lib/ld-linux.so.2", "");
		test_machine(&bench, "aarch64", "aarch64-linux-gnu-gcc",
			"/usr/aarch64-linux-gnu/lib/ld-linux-aarch64.so.1",
			"qemu-aarch64-static -E LD_LIBRARY_PATH=/usr/aarch64-linux-gnu/lib");
	}
	bfs_remove_tree(AT_FDCWD, bench.directory);
	free(bench.prefix);
	free(bench.loader);
	return tap_count ? done() : 0;
}
