/* What an export does with bytes: the other prefix, facts of contents, targets, names in a trace.
 */
#include "installer/export_facts.h"
#include "installer/export_rewrite.h"
#include "installer/export_target.h"
#include "installer/export_trace.h"
#include "lib/file.h"
#include "tests/installer/elf_sample.h"
#include "tests/tap.h"

#include <fcntl.h>

#define FROM   "/home/linuxbrew/.linuxbrew"
#define PADDED "/mnt/efs/lambda_packages//"
#define ROUNDS 20000

static void check_padding(const char *to, int code, const char *expected)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	_cleanup_free_ char *padded = NULL;
	int r = bfs_export_rewrite_pad(FROM, to, &padded, &error);

	is_int(r, code, "%s %s", to, code < 0 ? "is refused" : "is a prefix");
	if (code == 0)
		is_str(padded, expected, "padded to the length of the old one");
	else
		ok(error.message && strstr(error.message, to), "with a message that names it");
}

static void test_padding(void)
{
	check_padding("/mnt/efs/lambda_packages", 0, PADDED);
	check_padding("/opt", 0, "/opt//////////////////////");
	check_padding(FROM, 0, FROM);
	check_padding("/mnt/efs/lambda_packages_of", -ENAMETOOLONG, NULL);
	check_padding("opt", -EINVAL, NULL);
	check_padding("/", -EINVAL, NULL);
	check_padding("/a:b", -EINVAL, NULL);
	check_padding("/a b", -EINVAL, NULL);
	check_padding("/a/../b", -EINVAL, NULL);
}

static void test_bytes(void)
{
	char text[] = FROM "/lib:" FROM "\0x" FROM FROM "/home/linuxbrew/.linuxbre";
	const char expected[] =
		PADDED "/lib:" PADDED "\0x" PADDED PADDED "/home/linuxbrew/.linuxbre";

	is_int(bfs_export_rewrite_bytes((uint8_t *)text, sizeof(text), FROM, PADDED), 4,
		"every occurrence is replaced");
	ok(memcmp(text, expected, sizeof(text)) == 0, "and nothing else changes");
	is_int(bfs_export_rewrite_bytes((uint8_t *)text, 0, FROM, PADDED), 0, "no bytes");
}

static void test_script(void)
{
	static const char script[] = "#! " FROM "/bin/python3 -s\nprint(1)\n";
	_cleanup_export_facts_ struct bfs_export_facts facts = {0}, again = {0};
	_cleanup_free_ char *text = NULL;

	is_int(bfs_export_facts_find(script, strlen(script), FROM, &facts), 0, "facts of a script");
	is_str(facts.interpreter, FROM "/bin/python3", "its interpreter");
	ok(facts.has_prefix && !facts.is_elf, "it holds the prefix and is no ELF file");
	text = bfs_export_facts_text(&facts);
	is_int(bfs_export_facts_parse(text ? text : "", &again), 0, "as text and back");
	is_str(again.interpreter, facts.interpreter, "the same");
	is_int(bfs_export_facts_parse("[]", &again), -EBADMSG, "what is no object is refused");
}

/* This program needs libc.so.6 and some version of it. */
static void test_program(void)
{
	_cleanup_buffer_ struct bfs_buffer self = BFS_BUFFER_INIT;
	_cleanup_export_facts_ struct bfs_export_facts facts = {0};
	bool needs_libc = false;
	json_t *item;
	size_t i;
	int r = bfs_read_file(AT_FDCWD, "/proc/self/exe", 1 << 30, &self);

	if (r == 0)
		r = bfs_export_facts_find(self.data, self.length, FROM, &facts);
	is_int(r, 0, "facts of this program");
	ok(facts.is_elf && facts.is_program && !facts.soname, "it is a program");
	json_array_foreach(facts.versions, i, item) needs_libc =
		needs_libc || strncmp(json_string_value(item), "libc.so.6 GLIBC_2.", 18) == 0;
	ok(needs_libc, "it needs a version of libc.so.6");
}

static uint64_t state = 1;

static uint64_t below(uint64_t limit)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % limit;
}

static void test_mutations(void)
{
	struct sample_options options = {.wide = true,
		.has_sections = true,
		.interpreter = FROM "/lib/ld.so",
		.rpath = FROM "/lib"};
	_cleanup_free_ struct sample *sample = sample_new(&options);
	unsigned elf = 0, other = 0;

	for (int i = 0; i < ROUNDS; i++) {
		size_t length = below(8) ? sample->length : 1 + below(sample->length);
		_cleanup_free_ uint8_t *data = malloc(length);
		_cleanup_export_facts_ struct bfs_export_facts facts = {0};

		memcpy(data, sample->data, length);
		for (uint64_t j = below(6); j > 0; j--)
			data[below(length)] = (uint8_t)below(256);
		if (bfs_export_facts_find(data, length, FROM, &facts) < 0)
			break;
		*(facts.is_elf ? &elf : &other) += 1;
	}
	is_int(elf + other, ROUNDS, "damaged ELF files are read or taken for data");
	ok(elf && other, "%u of them as ELF files", elf);
}

static void test_targets(void)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	struct bfs_export_target target;

	is_int(bfs_export_target_find("lambda-python3.13", &target, &error), 0,
		"a runtime of Lambda");
	ok(bfs_export_target_has(&target, "GLIBC_2.34") &&
			bfs_export_target_has(&target, "GLIBC_2.2.5"),
		"has glibc 2.34");
	ok(!bfs_export_target_has(&target, "GLIBC_2.35") &&
			!bfs_export_target_has(&target, "GLIBC_2.100"),
		"and nothing newer");
	ok(!bfs_export_target_has(&target, "GLIBC_ABI_DT_RELR"),
		"nor relative relocations of 2.36");
	ok(bfs_export_target_has(&target, "GLIBCXX_3.4.29") &&
			!bfs_export_target_has(&target, "GLIBCXX_3.4.30") &&
			!bfs_export_target_has(&target, "CXXABI_1.3.14"),
		"and GCC 11's libstdc++");
	ok(bfs_export_target_has(&target, "OPENSSL_3.0.0"), "other libraries are not its matter");
	is_int(bfs_export_target_find("glibc=2.36,glibcxx=3.4.30", &target, &error), 0, "a glibc");
	ok(bfs_export_target_has(&target, "GLIBC_ABI_DT_RELR") &&
			bfs_export_target_has(&target, "CXXABI_1.9.9"),
		"what is not told is not checked");
	is_int(bfs_export_target_find("glibc=", &target, &error), -EINVAL, "no version");
	is_int(bfs_export_target_find("glibcxx=3.4.30", &target, NULL), -EINVAL, "no glibc");
	is_int(bfs_export_target_find("glibc=2.34x", &target, NULL), -EINVAL, "no number");
}

static void test_trace(void)
{
	char *text = NULL;
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	is_int(bfs_export_trace_write(stream, "lib/a\\b\nc\303\274"), 0, "a name with odd bytes");
	fclose(stream);
	is_str(text, "lib/a\\134b\\012c\303\274\n", "is one line of a trace");
	free(text);
}

int main(void)
{
	test_padding();
	test_bytes();
	test_script();
	test_program();
	test_mutations();
	test_targets();
	test_trace();
	return done();
}
