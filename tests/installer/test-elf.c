/*
 * The ELF editor on files made in memory (both classes and byte orders, elf_sample.h), on malformed
 * ones, and on the bottles that the real Homebrew poured: BREWFS_ORACLE names the directory with
 * elf.tsv and the bottles, by default tests/oracle in the sources.
 */
#include "installer/elf.h"
#include "installer/elf_edit.h"
#include "installer/elf_image.h"
#include "installer/elf_rpath.h"
#include "lib/file.h"

#include "tests/installer/elf_sample.h"
#include "tests/tap.h"

#include <fcntl.h>

#define PREFIX "/home/linuxbrew/.linuxbrew"
#define PLACE  "@@HOMEBREW_PREFIX@@"

static const struct bfs_elf_policy policy = {.prefix = PREFIX};
static const struct bfs_elf_policy gcc_policy = {.prefix = PREFIX, .keep_gcc_version = true};

/* The content after the edit, in memory of just that size; NULL where there is none. */
static uint8_t *edited(
	const uint8_t *data, size_t length, const char *prefix, size_t *ret_length, int *ret_code)
{
	struct bfs_elf_policy here = {.prefix = prefix};
	_cleanup_elf_patch_ struct bfs_elf_patch *patch = NULL;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	uint8_t *copy;

	*ret_code = bfs_elf_relocate(data, length, &here, &patch, &error);
	if (*ret_code < 0 || !patch) {
		if (error.message)
			printf("# %s\n", error.message);
		return NULL;
	}
	*ret_length = bfs_elf_patch_new_size(patch);
	copy = malloc(*ret_length);
	if (!copy)
		return NULL;
	memcpy(copy, data, length);
	*ret_code = bfs_elf_patch_apply(patch, copy, *ret_length);
	return copy;
}

static void test_rpath_rules(void)
{
	static const struct {
		const char *old, *expected, *says;
		bool is_gcc;
	} cases[] = {
		{PLACE "/lib", PREFIX "/lib", "the placeholder", false},
		{"", PREFIX "/lib", "nothing", false},
		{"@@HOMEBREW_CELLAR@@/x/1/lib", PREFIX "/Cellar/x/1/lib:" PREFIX "/lib",
			"the Cellar", false},
		{PLACE "/opt/a/lib:/usr/lib:" PLACE "/lib", PREFIX "/opt/a/lib:" PREFIX "/lib",
			"a foreign directory", false},
		{"$ORIGIN/../lib:lib:./x", "$ORIGIN/../lib:" PREFIX "/lib", "relative directories",
			false},
		{"::" PREFIX "/lib:", PREFIX "/lib", "empty entries", false},
		{PREFIX "/lib:" PREFIX "/opt/b/lib", PREFIX "/lib:" PREFIX "/opt/b/lib",
			"an RPATH that is right", false},
		{PLACE "/opt/gcc/lib/gcc/13", PREFIX "/opt/gcc/lib/gcc/current:" PREFIX "/lib",
			"a GCC version", false},
		{PLACE "/opt/gcc/lib/gcc/13", PREFIX "/opt/gcc/lib/gcc/13:" PREFIX "/lib",
			"a GCC version in gcc itself", true},
		{PLACE "/lib/gcc/13/x:" PLACE "/lib/gcc/",
			PREFIX "/lib/gcc/13/x:" PREFIX "/lib/gcc/:" PREFIX "/lib",
			"what only looks like a GCC version", false},
		{PREFIX "-other/lib", PREFIX "-other/lib:" PREFIX "/lib",
			"a directory beside the prefix, as Homebrew keeps it", false},
		{PLACE "/a/" PLACE, PREFIX "/a/" PREFIX ":" PREFIX "/lib", "two placeholders",
			false},
	};

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(cases); i++) {
		_cleanup_free_ char *rpath = NULL;

		if (bfs_elf_rpath_relocate(
			    cases[i].is_gcc ? &gcc_policy : &policy, cases[i].old, &rpath) == 0)
			is_str(rpath, cases[i].expected, "the RPATH rule for %s", cases[i].says);
	}
}

/* Loads what the edit made and compares it with what it has to be; it has to be final, too. */
static void check_result(const uint8_t *data, size_t length, const char *prefix,
	const char *expected_rpath, bool has_interpreter, const char *says)
{
	_cleanup_elf_info_ struct bfs_elf_info info = BFS_ELF_INFO_INIT;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	_cleanup_elf_patch_ struct bfs_elf_patch *again = NULL;
	_cleanup_free_ char *interpreter = bfs_format("%s/lib/ld.so", prefix);
	struct bfs_elf_policy here = {.prefix = prefix};
	int r = bfs_elf_query(data, length, &info, &error);

	if (!ok(r == 0, "%s: the result is sound (%s)", says, bfs_error_message(&error, r)))
		return;
	is_str(info.rpath, expected_rpath, "%s: DT_RPATH is the new one", says);
	ok(!info.runpath, "%s: there is no DT_RUNPATH", says);
	ok(!info.has_placeholder, "%s: no placeholder is left", says);
	if (has_interpreter)
		is_str(info.interpreter, interpreter, "%s: the interpreter is the prefix's", says);
	is_str(info.soname, "libsample.so.1", "%s: the SONAME is what it was", says);
	ok(info.needed_count == 1 && strcmp(info.needed[0], "libc.so.6") == 0,
		"%s: the needed library is what it was", says);
	ok(bfs_elf_relocate(data, length, &here, &again, NULL) == 0 && !again,
		"%s: a second edit has nothing to do", says);
}

/* Loadable segments as kernels want them, also those before 5.18 (see elf_layout.h). */
static void check_segments(const uint8_t *data, size_t length, const char *says)
{
	_cleanup_elf_image_ struct bfs_elf_image image = {.data = NULL};
	const struct bfs_elf_segment *first = NULL, *table = NULL;
	bool congruent = true, in_step = true;
	uint64_t offset;

	if (bfs_elf_image_open(data, length, &image, NULL) < 0)
		return;
	for (size_t i = 0; i < image.segment_count; i++) {
		const struct bfs_elf_segment *segment = &image.segments[i];

		if (segment->type == PT_PHDR)
			table = segment;
		if (segment->type != PT_LOAD)
			continue;
		first = first ? first : segment;
		congruent = congruent && (segment->address - segment->offset) % 4096 == 0;
	}
	for (size_t i = 0; i < image.section_count; i++) {
		const struct bfs_elf_section *section = &image.sections[i];

		if (section->flags & SHF_ALLOC)
			in_step = in_step &&
				  bfs_elf_image_offset(
					  &image, section->address, section->size, &offset) == 0 &&
				  offset == section->offset;
	}
	ok(congruent, "%s: segments can be mapped", says);
	ok(in_step, "%s: sections are where segments load them", says);
	ok(table && table->offset == image.header.segment_table &&
			table->address == first->address - first->offset + table->offset &&
			table->file_size == image.segment_count * bfs_elf_record_size(&image.format,
									  BFS_ELF_SEGMENT) &&
			bfs_elf_image_offset(&image, table->address, table->file_size, &offset) ==
				0,
		"%s: PT_PHDR, e_phoff and the kernel's address of the table agree", says);
}

static void test_sample(const struct sample_options *options, const char *prefix,
	const char *expected, const char *says)
{
	_cleanup_free_ struct sample *sample = sample_new(options);
	_cleanup_free_ uint8_t *result = NULL;
	_cleanup_free_ char *title = bfs_format("%s, %d bits, %s-endian%s%s", says,
		options->wide ? 64 : 32, options->big ? "big" : "little",
		options->has_sections ? "" : ", no section headers",
		options->is_fixed ? ", fixed address" : "");
	size_t length;
	int r;

	result = edited(sample->data, sample->length, prefix, &length, &r);
	if (!ok(r == 0 && result, "%s: is edited", title))
		return;
	check_result(result, length, prefix, expected, options->interpreter, title);
	check_segments(result, length, title);
}

static void test_samples(void)
{
	static const char longer[] = PREFIX "/that/is/longer";

	for (int i = 0; i < 16; i++) {
		struct sample_options o = {.wide = i & 1,
			.big = i & 2,
			.has_sections = i & 4,
			.is_fixed = i & 8,
			.interpreter = PLACE "/lib/ld.so",
			.rpath = PLACE "/lib",
			.bss = 5000};

		test_sample(&o, longer, PREFIX "/that/is/longer/lib", "all grows");
		test_sample(&o, "/p", "/p/lib", "all shrinks");
		o.slack = 60;
		o.has_room = true;
		test_sample(&o, longer, PREFIX "/that/is/longer/lib", "only the interpreter grows");
		o.lends_tail = true;
		test_sample(
			&o, longer, PREFIX "/that/is/longer/lib", "a symbol uses the string's end");
		o = (struct sample_options){.wide = i & 1,
			.big = i & 2,
			.has_sections = i & 4,
			.is_fixed = i & 8,
			.rpath = PLACE "/old",
			.runpath = PLACE "/new:/usr/lib"};
		test_sample(&o, longer, PREFIX "/that/is/longer/new:" PREFIX "/that/is/longer/lib",
			"RUNPATH wins over RPATH");
		o.runpath = "/p/lib";
		test_sample(&o, "/p", "/p/lib", "RUNPATH is right, RPATH is removed");
	}
}

/* Only the bytes that have to be different are. */
static void test_bytes(void)
{
	struct sample_options o = {.wide = true,
		.has_sections = true,
		.rpath = PLACE "/lib:" PLACE "/opt/x/lib",
		.slack = 2 * 7};
	_cleanup_free_ struct sample *sample = sample_new(&o);
	_cleanup_elf_patch_ struct bfs_elf_patch *patch = NULL;
	const struct bfs_elf_edit *edits;
	size_t count = 0;

	ok(bfs_elf_relocate(sample->data, sample->length, &policy, &patch, NULL) == 0 && patch,
		"an RPATH with Homebrew's slack is edited");
	edits = bfs_elf_patch_edits(patch, &count);
	is_int(count, 1, "and that is one edit");
	is_int(bfs_elf_patch_new_size(patch), sample->length, "in place");
	ok(edits[0].length == strlen(PREFIX "/lib:" PREFIX "/opt/x/lib") + 1,
		"which takes the whole slack");
	is_int(bfs_elf_patch_apply(patch, sample->data, sample->length - 1), -ENOBUFS,
		"a buffer that is too small is refused");
}

/* A symbol that uses the end of the RPATH string still has its name. */
static void test_shared_tail(void)
{
	struct sample_options o = {
		.wide = true, .has_sections = true, .rpath = PLACE "/lib", .lends_tail = true};
	_cleanup_free_ struct sample *sample = sample_new(&o);
	_cleanup_elf_image_ struct bfs_elf_image image = {.data = NULL};
	_cleanup_free_ uint8_t *result = NULL;
	struct bfs_elf_symbol symbol;
	const char *name = "";
	uint64_t offset;
	size_t length;
	int r;

	result = edited(sample->data, sample->length, "/p", &length, &r);
	if (!ok(result && bfs_elf_image_open(result, length, &image, NULL) == 0,
		    "a string that a symbol shares is edited"))
		return;
	bfs_elf_image_offset(
		&image, image.dynamic[bfs_elf_image_dynamic(&image, DT_SYMTAB)].value, 1, &offset);
	bfs_elf_record_read(&image.format, BFS_ELF_SYMBOL, result + offset + 24, &symbol);
	bfs_elf_image_string(&image, symbol.name, 100, &name, NULL);
	is_str(name, &(PLACE "/lib")[3], "and the symbol's name is what it was");
}

static void test_not_edited(void)
{
	struct sample_options o = {.wide = true, .has_sections = true, .rpath = PLACE "/lib"};
	_cleanup_free_ struct sample *sample = sample_new(&o);
	static const struct {
		size_t offset;
		uint8_t value;
		const char *says;
	} cases[] = {
		{0, 'x', "no ELF"},
		{EI_OSABI, ELFOSABI_FREEBSD, "another operating system's ABI"},
		{EI_CLASS, 3, "an unknown class"},
		{EI_DATA, 0, "an unknown byte order"},
		{16, ET_REL, "an object file"},
		{16, ET_CORE, "a core dump"},
		{56, 0, "a file without program headers"},
	};

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(cases); i++) {
		struct bfs_elf_info info;
		struct bfs_elf_patch *patch = NULL;
		uint8_t saved = sample->data[cases[i].offset];

		sample->data[cases[i].offset] = cases[i].value;
		ok(bfs_elf_relocate(sample->data, sample->length, &policy, &patch, NULL) == 0 &&
				!patch,
			"%s is left alone", cases[i].says);
		is_int(bfs_elf_query(sample->data, sample->length, &info, NULL), -ENOEXEC,
			"%s has nothing to ask for", cases[i].says);
		sample->data[cases[i].offset] = saved;
	}
	sample->data[EI_OSABI] = ELFOSABI_GNU;
	{
		_cleanup_elf_patch_ struct bfs_elf_patch *patch = NULL;

		ok(bfs_elf_relocate(sample->data, sample->length, &policy, &patch, NULL) == 0 &&
				patch,
			"the ABI of GNU is edited");
		patch = (bfs_elf_patch_free(patch), NULL);
		ok(bfs_elf_relocate(sample->data, 8, &policy, &patch, NULL) == 0 && !patch,
			"eight bytes are left alone");
	}
	for (size_t i = 0; i < 4; i++) {
		static const char *const prefixes[] = {"", "/", "relative/prefix", "/a:b"};
		struct bfs_elf_policy here = {.prefix = prefixes[i]};
		struct bfs_elf_patch *patch = NULL;

		is_int(bfs_elf_relocate(sample->data, sample->length, &here, &patch, NULL), -EINVAL,
			"the prefix '%s' is refused", prefixes[i]);
	}
}

/* Puts an integer of `width` bytes at an offset of a 64-bit little-endian sample. */
static void put(struct sample *sample, size_t offset, uint64_t value, size_t width)
{
	for (size_t i = 0; i < width; i++)
		sample->data[offset + i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get(const struct sample *sample, size_t offset)
{
	return bfs_elf_integer_read(&sample->format, sample->data + offset, 8);
}

/* File offset of the value of a dynamic tag. */
static size_t tag_value(const struct sample *sample, uint64_t tag)
{
	for (size_t i = 0;; i++) {
		size_t at = sample->segments[4].offset + i * 16;

		if (get(sample, at) == tag)
			return at + 8;
	}
}

/* Segments of the sample: 0 PHDR, 1 INTERP, 2 NOTE, 3 and 4 LOAD, 5 DYNAMIC, 6 GNU_STACK. */
static size_t segment_member(size_t index, size_t member)
{
	return 64 + index * 56 + member;
}

enum { P_OFFSET = 8, P_VADDR = 16, P_FILESZ = 32, P_MEMSZ = 40, P_ALIGN = 48 };

static void test_malformed(void)
{
	struct sample_options o = {.wide = true,
		.has_sections = true,
		.interpreter = PLACE "/lib/ld.so",
		.rpath = PLACE "/lib"};
	_cleanup_free_ struct sample *good = sample_new(&o);
	size_t sections = get(good, 40);
	const struct {
		const char *says;
		size_t offset;
		uint64_t value;
		size_t width;
	} cases[] = {
		{"program headers of a wrong size", 54, 57, 2},
		{"65535 program headers", 56, 65535, 2},
		{"program headers far outside", 32, UINT64_MAX - 10, 8},
		{"program headers beyond the end", 32, good->length - 10, 8},
		{"section headers of a wrong size", 58, 1, 2},
		{"section headers outside", 40, UINT64_MAX - 100, 8},
		{"65279 section headers", 60, 65279, 2},
		{"a section outside", sections + 64 * 3 + 24, UINT64_MAX - 5, 8},
		{"a section of a wild size", sections + 64 * 3 + 32, UINT64_MAX, 8},
		{"a segment outside", segment_member(2, P_OFFSET), 1 << 30, 8},
		{"a segment whose end wraps", segment_member(3, P_FILESZ), UINT64_MAX, 8},
		{"less memory than content", segment_member(3, P_MEMSZ), 1, 8},
		{"memory that wraps", segment_member(4, P_MEMSZ), UINT64_MAX, 8},
		{"overlapping segments", segment_member(4, P_VADDR), 0, 8},
		{"an impossible alignment", segment_member(4, P_ALIGN), 5000, 8},
		{"a dynamic section elsewhere", segment_member(5, P_VADDR), 0x5000, 8},
		{"a dynamic section outside", segment_member(5, P_OFFSET), good->length, 8},
		{"a dynamic section without end", segment_member(5, P_FILESZ), 16, 8},
		{"an interpreter without NUL", segment_member(1, P_FILESZ), 29, 8},
		{"an empty interpreter", segment_member(1, P_FILESZ), 1, 8},
		{"an interpreter not loaded there", segment_member(1, P_VADDR), 0x99, 8},
		{"two interpreters", segment_member(2, 0), PT_INTERP, 4},
		{"PT_PHDR elsewhere", segment_member(0, P_OFFSET), 128, 8},
		{"a string table outside", tag_value(good, DT_STRTAB), 0xffffff, 8},
		{"a string table of a wild size", tag_value(good, DT_STRSZ), UINT64_MAX, 8},
		{"a string table without NUL", tag_value(good, DT_STRSZ), 20, 8},
		{"an RPATH outside the strings", tag_value(good, DT_RPATH), 1 << 20, 8},
		{"two string tables", tag_value(good, DT_SYMTAB) - 8, DT_STRTAB, 8},
		{"versions outside", tag_value(good, DT_VERNEED), 0x777777, 8},
	};

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(cases); i++) {
		_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
		_cleanup_free_ struct sample *bad = malloc(sizeof(*bad));
		struct bfs_elf_patch *patch = NULL;

		memcpy(bad, good, sizeof(*bad));
		put(bad, cases[i].offset, cases[i].value, cases[i].width);
		is_int(bfs_elf_relocate(bad->data, bad->length, &policy, &patch, &error), -EBADMSG,
			"%s: the file is refused", cases[i].says);
		ok(!patch && error.message, "with the message '%s'",
			error.message ? error.message : "(none)");
		bfs_elf_patch_free(patch);
	}
	for (size_t length = 17; length < good->length; length += 7) {
		_cleanup_free_ uint8_t *start = malloc(length);
		struct bfs_elf_patch *patch = NULL;

		memcpy(start, good->data, length);
		if (bfs_elf_relocate(start, length, &policy, &patch, NULL) != -EBADMSG) {
			ok(false, "the file cut at %zu bytes is refused", length);
			bfs_elf_patch_free(patch);
		}
	}
}

/* A patch does the same to a file as to memory. */
static void test_apply_fd(void)
{
	struct sample_options o = {.wide = true,
		.has_sections = true,
		.interpreter = PLACE "/lib/ld.so",
		.rpath = PLACE "/lib"};
	_cleanup_free_ struct sample *sample = sample_new(&o);
	_cleanup_elf_patch_ struct bfs_elf_patch *patch = NULL;
	_cleanup_free_ uint8_t *memory = NULL, *file = NULL;
	_cleanup_close_ int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	size_t length;
	int r;

	if (fd < 0) {
		ok(true, "# SKIP a temporary file: %s", strerror(errno));
		return;
	}
	memory = edited(sample->data, sample->length, PREFIX, &length, &r);
	bfs_elf_relocate(sample->data, sample->length, &policy, &patch, NULL);
	is_int(bfs_elf_patch_apply_fd(patch, fd), -EINVAL, "a file of another size is refused");
	is_int(bfs_pwrite_all(fd, sample->data, sample->length, 0), 0, "(the file is written)");
	is_int(bfs_elf_patch_apply_fd(patch, fd), 0, "the patch is applied to a file");
	file = calloc(1, length);
	ok(memory && bfs_pread_all(fd, file, length, 0) == 0 && memcmp(file, memory, length) == 0,
		"which becomes what the buffer becomes");
}

/* One field of a tab-separated line; the line continues after it. */
static char *field(char **line)
{
	return strsep(line, "\t");
}

static void check_oracle_file(const char *directory, char *line)
{
	_cleanup_buffer_ struct bfs_buffer content = BFS_BUFFER_INIT;
	_cleanup_elf_info_ struct bfs_elf_info info = BFS_ELF_INFO_INIT;
	_cleanup_free_ uint8_t *result = NULL;
	const char *name = field(&line), *where = field(&line);
	_cleanup_free_ char *path = bfs_format("%s/%s", directory, name);
	const char *interpreter, *rpath;
	size_t length;
	int r;

	if (strcmp(where, "poured") != 0)
		return;
	field(&line);
	field(&line);
	interpreter = field(&line);
	rpath = field(&line);
	if (!ok(bfs_read_file(AT_FDCWD, path, 1 << 24, &content) == 0, "%s is in its bottle", name))
		return;
	result = edited((uint8_t *)content.data, content.length, PREFIX, &length, &r);
	if (!ok(r == 0 && result && bfs_elf_query(result, length, &info, NULL) == 0, "%s is edited",
		    name))
		return;
	is_str(info.interpreter ? info.interpreter : "-", interpreter, "%s: brew's interpreter",
		name);
	is_str(info.rpath ? info.rpath : "-", rpath, "%s: brew's RPATH", name);
	is_str(info.runpath ? info.runpath : "-", field(&line), "%s: brew's RUNPATH", name);
	is_str(info.soname ? info.soname : "-", field(&line), "%s: brew's SONAME", name);
	ok(!info.has_placeholder, "%s: no placeholder is left", name);
}

static void test_oracle(void)
{
	const char *source = getenv("srcdir"), *named = getenv("BREWFS_ORACLE");
	_cleanup_free_ char *oracle =
		named ? strdup(named) : bfs_format("%s/tests/oracle", source ? source : ".");
	_cleanup_free_ char *list = bfs_format("%s/elf.tsv", oracle);
	_cleanup_free_ char *command = NULL, *line = NULL;
	char directory[] = "/tmp/bfs-elf-XXXXXX";
	_cleanup_fclose_ FILE *stream = fopen(list, "r");
	size_t capacity = 0;
	ssize_t length;

	if (!stream) {
		ok(true, "# SKIP the bottles of the real Homebrew: no %s", list);
		return;
	}
	if (!ok(mkdtemp(directory) != NULL, "a temporary directory is made"))
		return;
	command = bfs_format(
		"for b in '%s'/bottles/*.tar.gz; do case $b in *bfo-big*) ;; *) tar -C %s "
		"-xzf \"$b\" || exit 1;; esac; done",
		oracle, directory);
	ok(system(command) == 0, "the bottles are unpacked");
	while ((length = getline(&line, &capacity, stream)) > 0) {
		if (line[length - 1] == '\n')
			line[length - 1] = '\0';
		check_oracle_file(directory, line);
	}
	free(command);
	command = bfs_format("chmod -R u+w %s", directory);
	ok(system(command) == 0 && bfs_remove_tree(AT_FDCWD, directory) == 0, "all is tidied up");
}

int main(void)
{
	test_rpath_rules();
	test_samples();
	test_bytes();
	test_shared_tail();
	test_not_edited();
	test_malformed();
	test_apply_fd();
	test_oracle();
	return done();
}
