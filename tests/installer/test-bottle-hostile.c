/*
 * Bottles that want harm, or are broken: each is refused with a message that says why, and nothing
 * of it gets into the store. Then thousands of mutated ones, for the sanitizers.
 */
#include "tests/installer/bottle_fixture.h"
#include "tests/installer/tar_maker.h"

#include <time.h>

#define P "/home/linuxbrew/.linuxbrew"

static struct fixture fixture;
static const struct bfs_bottle_order plain = {
	.name = "x", .version = "1", .prefix = P, .size_limit = 100 * 1024 * 1024};

/* The bytes are refused with -EBADMSG and a message that has `reason` in it. */
static void refuses_bytes(const struct bfs_buffer *bytes, const struct bfs_bottle_order *order,
	const char *reason, const char *what)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	struct bfs_keg_tree keg = {.tree = NULL};
	int r = fixture_pour(&fixture, order, bytes->data, bytes->length, 777, &keg, &error);
	const char *message = bfs_error_message(&error, r);

	if (!ok(r == -EBADMSG && strstr(message, reason), "%s is refused", what))
		printf("# %d: %s\n", r, message);
	if (r == 0)
		keg_release(&keg);
	if (fixture_count(&fixture, "staging") || fixture_count(&fixture, "packs"))
		ok(false, "%s leaves nothing in the store", what);
}

static void refuses_tar(struct bfs_buffer *tar, const char *reason, const char *what)
{
	_cleanup_buffer_ struct bfs_buffer gzip = BFS_BUFFER_INIT;

	tar_gzip(tar->data, tar->length, &gzip);
	refuses_bytes(&gzip, &plain, reason, what);
	bfs_buffer_release(tar);
}

static void refuses_members(
	const struct tar_member *members, size_t count, const char *reason, const char *what)
{
	struct bfs_buffer tar = BFS_BUFFER_INIT;

	for (size_t i = 0; i < count; i++)
		tar_add(&tar, &members[i]);
	tar_end(&tar);
	refuses_tar(&tar, reason, what);
}

#define REFUSES(reason, what, ...)                                                                 \
	refuses_members((const struct tar_member[]){__VA_ARGS__},                                  \
		sizeof((const struct tar_member[]){__VA_ARGS__}) / sizeof(struct tar_member),      \
		reason, what)

static void test_names(void)
{
	static const char *const names[] = {"../x/1/a", "x/1/../../../etc/passwd", "x/1/..",
		"x/1/a/../b", "/etc/passwd", "/x/1/a", "./x/1/a", "x/./1/a", "x/1/./a", "x//1/a",
		"x/1//a", "x/1/a//", "x/1/.", "..", "/", "//"};

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(names); i++)
		REFUSES("the name is absolute, or has a component", names[i],
			{.name = "x/1/fine", .content = "x"},
			{.name = names[i], .type = '0', .content = "x"});
}

static void test_other_kegs(void)
{
	static const char *const names[] = {
		"y/1/a", "x/2/a", "x/10/a", "xx/1/a", "x/1a", "x", "x/", "a"};

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(names); i++)
		REFUSES("outside the keg x/1", names[i], {.name = "x/1/fine", .content = "x"},
			{.name = names[i], .content = "x"});
	REFUSES("the keg itself is not a directory", "a keg that is a file", {.name = "x/1"});
	REFUSES("the keg itself is not a directory", "a keg that is a link",
		{.name = "x/1", .type = '2', .link = "/etc"});
}

static void test_types(void)
{
	static const char types[] = "346";

	for (const char *type = types; *type; type++)
		REFUSES("a device, fifo or socket", "a device or fifo",
			{.name = "x/1/d", .type = *type});
}

static void test_hardlinks(void)
{
	REFUSES("outside the keg", "a hardlink to an absolute name",
		{.name = "x/1/a", .type = '1', .link = "/etc/passwd"});
	REFUSES("outside the keg", "a hardlink up and out",
		{.name = "x/1/a", .type = '1', .link = "x/1/../../../etc/passwd"});
	REFUSES("outside the keg", "a hardlink to another keg",
		{.name = "x/1/a", .type = '1', .link = "y/1/a"});
	REFUSES("does not come before it", "a hardlink to nothing",
		{.name = "x/1/a", .type = '1', .link = "x/1/b"}, {.name = "x/1/b"});
	REFUSES("a hardlink to a directory", "a hardlink to a directory", {.name = "x/1/d/"},
		{.name = "x/1/a", .type = '1', .link = "x/1/d"});
	REFUSES("a hardlink to a directory", "a hardlink to the keg", {.name = "x/1/d/"},
		{.name = "x/1/a", .type = '1', .link = "x/1"});
	REFUSES("pass through a symlink", "a hardlink through a symlink",
		{.name = "x/1/d", .type = '2', .link = "/etc"},
		{.name = "x/1/a", .type = '1', .link = "x/1/d/passwd"});
}

static void test_symlinks(void)
{
	char longest[4097];

	REFUSES("pass through a symlink", "a file through a symlink",
		{.name = "x/1/d", .type = '2', .link = "/tmp"},
		{.name = "x/1/d/evil", .content = "evil"});
	REFUSES("pass through a symlink", "a directory through a symlink within the keg",
		{.name = "x/1/e/"}, {.name = "x/1/d", .type = '2', .link = "e"},
		{.name = "x/1/d/f/"});
	REFUSES("pass through a symlink", "a file through a hardlink to a symlink",
		{.name = "x/1/d", .type = '2', .link = "/tmp"},
		{.name = "x/1/h", .type = '1', .link = "x/1/d"},
		{.name = "x/1/h/evil", .content = "evil"});
	REFUSES("without a target", "a symlink to nothing", {.name = "x/1/d", .type = '2'});
	for (int too_long = 4081; too_long < 4097; too_long += 15) {
		struct bfs_buffer tar = BFS_BUFFER_INIT, pax = BFS_BUFFER_INIT;

		memset(longest, 'l', sizeof(longest));
		tar_pax_record(&pax, "linkpath", longest, (size_t)too_long);
		tar_add_pax(&tar, &pax);
		tar_add(&tar, &(struct tar_member){.name = "x/1/l", .type = '2', .link = "l"});
		refuses_tar(
			&tar, "target of the symlink is too long", "a target of too many bytes");
	}
}

static void test_structure(void)
{
	struct bfs_buffer tar = BFS_BUFFER_INIT, pax = BFS_BUFFER_INIT;
	char name[6000] = "x/1/";

	REFUSES("below something that is no directory", "a file below a file", {.name = "x/1/a"},
		{.name = "x/1/a/b"});
	REFUSES("replace a directory that is not empty", "a file over a full directory",
		{.name = "x/1/a/b"}, {.name = "x/1/a"});
	REFUSES("replace a directory that is not empty", "a hardlink over a full directory",
		{.name = "x/1/a/b"}, {.name = "x/1/a", .type = '1', .link = "x/1/a/b"});
	memset(name + 4, 'n', 256);
	tar_pax_record(&pax, "path", name, 4 + 256);
	tar_add_pax(&tar, &pax);
	tar_add(&tar, &(struct tar_member){.name = "x/1/a"});
	refuses_tar(&tar, "a component that is empty, too long", "a name of 256 bytes");
	for (size_t i = 4; i < sizeof(name) - 1; i++)
		name[i] = i % 100 ? 'n' : '/';
	tar_pax_record(&pax, "path", name, 4097);
	tar_add_pax(&tar, &pax);
	tar_add(&tar, &(struct tar_member){.name = "x/1/a"});
	refuses_tar(&tar, "the name is too long", "a path of more than 4,095 bytes");
}

static void test_sizes(void)
{
	struct bfs_buffer tar = BFS_BUFFER_INIT, content = BFS_BUFFER_INIT;
	struct bfs_bottle_order order = plain;
	_cleanup_buffer_ struct bfs_buffer gzip = BFS_BUFFER_INIT;

	REFUSES("more than 104857600 bytes", "a claim of 2 GiB beyond the limit",
		{.name = "x/1/a", .content = "little", .claim = 2147483648});
	order.size_limit = 0;
	tar_add(&tar,
		&(struct tar_member){.name = "x/1/a", .content = "little", .claim = 2147483648});
	tar_gzip(tar.data, tar.length, &gzip);
	refuses_bytes(&gzip, &order, "runcated", "a claim of 2 GiB with 6 bytes behind it");
	bfs_buffer_clear(&tar);
	bfs_buffer_clear(&gzip);
	while (content.length < 200000)
		bfs_buffer_append(&content, "zeros would do as well", 22);
	for (int i = 0; i < 10; i++)
		tar_add(&tar, &(struct tar_member){.name = "x/1/a",
				      .content = content.data,
				      .length = content.length});
	tar_gzip(tar.data, tar.length, &gzip);
	order.size_limit = 9 * content.length;
	refuses_bytes(&gzip, &order, "unpack to more than", "a bomb against the declared size");
	bfs_buffer_release(&tar);
	bfs_buffer_release(&content);
	REFUSES("", "a negative size", {.name = "x/1/a", .claim = -1});
}

static void test_overhead(void)
{
	static const char zeros[1024 * 1024];
	struct bfs_buffer tar = BFS_BUFFER_INIT;

	tar_add(&tar, &(struct tar_member){.name = "x/1/a"});
	tar_end(&tar);
	for (int i = 0; i < 70; i++)
		bfs_buffer_append(&tar, zeros, sizeof(zeros));
	refuses_tar(&tar, "far more", "a bomb behind the archive");
}

static void test_archives(void)
{
	struct bfs_buffer tar = BFS_BUFFER_INIT;
	char block[2048] = "";

	refuses_tar(&tar, "", "a gzip of nothing");
	tar_end(&tar);
	refuses_tar(&tar, "", "an empty tar");
	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (char)(i * 7);
	bfs_buffer_append(&tar, block, sizeof(block));
	refuses_tar(&tar, "", "what is no tar");
	tar_add(&tar, &(struct tar_member){.name = "x/1/a", .content = "a"});
	tar_add(&tar, &(struct tar_member){.name = "x/1/b", .content = "b"});
	tar.data[1024] ^= 1;
	refuses_tar(&tar, "", "a header with a wrong checksum");
	tar_add(&tar, &(struct tar_member){.name = "x/1/a", .content = "a"});
	tar_add(&tar,
		&(struct tar_member){.name = "x/1/b", .content = block, .length = sizeof(block)});
	tar.length -= 600;
	refuses_tar(&tar, "runcated", "a tar that ends within a file");
	tar_add(&tar, &(struct tar_member){.name = "x/1/a", .content = "a"});
	bfs_buffer_append(&tar, "PK\3\4 and so on", 14);
	refuses_tar(&tar, "", "a tar that turns into something else");
}

static void test_gzip(void)
{
	static const struct tar_member member = {.name = "x/1/a", .content = "content"};
	_cleanup_buffer_ struct bfs_buffer gzip = BFS_BUFFER_INIT, other = BFS_BUFFER_INIT;
	struct bfs_bottle_order order = plain;

	tar_bottle(&member, 1, &gzip);
	bfs_digest_of("something else", 14, &order.digest);
	refuses_bytes(&gzip, &order, "the bottle's SHA-256 is", "a bottle with another digest");
	gzip.length -= 3;
	refuses_bytes(&gzip, &plain, "ends too early", "a truncated bottle whose digest is right");
	refuses_bytes(&gzip, &order, "the bottle's SHA-256 is", "a truncated bottle");
	gzip.length += 3;
	gzip.data[20] ^= 4;
	refuses_bytes(&gzip, &plain, "", "a damaged bottle whose digest is right");
	refuses_bytes(&gzip, &order, "expected", "a damaged bottle");
	gzip.data[20] ^= 4;
	bfs_buffer_append(&gzip, "garbage", 7);
	refuses_bytes(&gzip, &plain, "follow the end", "garbage behind a bottle");
	bfs_buffer_append_string(&other, "<html>503</html>");
	refuses_bytes(&other, &plain, "this is not gzip", "an error page");
	refuses_bytes(&other, &order, "the bottle's SHA-256 is", "an error page, by its digest");
	bfs_buffer_clear(&other);
	refuses_bytes(&other, &plain, "there is no data", "an empty download");
	REFUSES("outside the keg", "a bottle whose digest is right", {.name = "y/1/a"});
	bfs_buffer_clear(&other);
	tar_bottle(&(struct tar_member){.name = "y/1/a"}, 1, &other);
	refuses_bytes(&other, &order, "the bottle's SHA-256 is", "another formula's bottle");
}

static void test_receipts(void)
{
	REFUSES("parsing JSON", "a receipt that is no JSON",
		{.name = "x/1/INSTALL_RECEIPT.json", .content = "{\"a\": "});
	REFUSES("changed_files", "a receipt with a wrong list",
		{.name = "x/1/INSTALL_RECEIPT.json", .content = "{\"changed_files\": 1}"});
	REFUSES("changed_files", "a receipt that is no object",
		{.name = "x/1/INSTALL_RECEIPT.json", .content = "[]"});
	REFUSES("it comes twice", "two receipts",
		{.name = "x/1/INSTALL_RECEIPT.json", .content = "{}"},
		{.name = "x/1/INSTALL_RECEIPT.json", .content = "{}"});
}

static void test_malformed_elf(void)
{
	char elf[200] = "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\3\0\76\0\1\0\0\0";

	elf[33] = 'x';
	elf[54] = 56;
	elf[56] = 1;
	strcpy(elf + 100, "@@HOMEBREW_PREFIX@@/lib");
	REFUSES("reading the ELF file", "a malformed ELF file with placeholders",
		{.name = "x/1/bin/elf", .content = elf, .length = sizeof(elf)});
}

/* A store that fails is no bad bottle: it is told at once. */
static void test_full_store(void)
{
	static const struct tar_member member = {.name = "x/1/a", .content = "content"};
	_cleanup_buffer_ struct bfs_buffer gzip = BFS_BUFFER_INIT;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	_cleanup_free_ char *staging = bfs_format("%s/store/staging", fixture.directory);
	struct bfs_keg_tree keg;

	tar_bottle(&member, 1, &gzip);
	bfs_remove_tree(AT_FDCWD, staging);
	close(open(staging, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	ok(fixture_pour(&fixture, &plain, gzip.data, gzip.length, 100, &keg, &error) == -ENOTDIR &&
			error.message,
		"a store that cannot be written to is told: %s",
		bfs_error_message(&error, -ENOTDIR));
	unlink(staging);
	mkdir(staging, 0755);
}

static void test_given_up(void)
{
	_cleanup_buffer_ struct bfs_buffer gzip = BFS_BUFFER_INIT, content = BFS_BUFFER_INIT;
	struct bfs_bottle *bottle = NULL;
	int written;

	for (int i = 0; i < 700000; i++)
		bfs_buffer_append_format(&content, "%d %d ", i, i * 7 % 10007);
	tar_bottle(&(struct tar_member){.name = "x/1/a", .content = content.data}, 1, &gzip);
	for (size_t part = 0; part < 5; part++) {
		bfs_bottle_new(fixture.store, NULL, &plain, &bottle, NULL);
		written = bfs_bottle_write(bottle, gzip.data, gzip.length * part / 4, NULL);
		bfs_bottle_free(bottle);
		ok(written == 0 && fixture_count(&fixture, "staging") == 0,
			"a bottle given up after %zu quarters leaves nothing", part);
	}
}

/* --- mutations --- */

static uint32_t random_state = 20261124;

static uint32_t next_random(void)
{
	random_state = random_state * 1664525 + 1013904223;
	return random_state >> 8;
}

/* One of everything. */
static void make_rich_tar(struct bfs_buffer *tar)
{
	static const char sparse[514] = "1\n1000\n2\n";
	struct bfs_buffer pax = BFS_BUFFER_INIT;

	tar_add(tar, &(struct tar_member){.name = "x/1/", .mtime = 1});
	tar_add(tar, &(struct tar_member){.name = "x/1/bin/", .mode = 0555});
	tar_add(tar, &(struct tar_member){
			     .name = "x/1/bin/a", .content = "#!@@HOMEBREW_PREFIX@@/bin/sh"});
	tar_add(tar, &(struct tar_member){.name = "x/1/bin/b", .type = '1', .link = "x/1/bin/a"});
	tar_add(tar, &(struct tar_member){.name = "x/1/s", .type = '2', .link = P "/opt/y"});
	tar_pax_record(&pax, "path", "x/1/long name", 13);
	tar_pax_record(&pax, "mtime", "1700000000.5", 12);
	tar_pax_record(&pax, "SCHILY.xattr.user.a", "b", 1);
	tar_add_pax(tar, &pax);
	tar_add(tar, &(struct tar_member){.name = "x/1/l", .content = "long"});
	tar_pax_record(&pax, "GNU.sparse.major", "1", 1);
	tar_pax_record(&pax, "GNU.sparse.minor", "0", 1);
	tar_pax_record(&pax, "GNU.sparse.name", "x/1/sparse", 10);
	tar_pax_record(&pax, "GNU.sparse.realsize", "2000", 4);
	tar_add_pax(tar, &pax);
	tar_add(tar, &(struct tar_member){
			     .name = "x/1/sparse", .content = sparse, .length = sizeof(sparse)});
	tar_add(tar,
		&(struct tar_member){.name = "././@LongLink", .type = 'L', .content = "x/1/gnu"});
	tar_add(tar, &(struct tar_member){.name = "x/1/g", .content = "gnu"});
	tar_add(tar, &(struct tar_member){.name = "x/1/INSTALL_RECEIPT.json",
			     .content = "{\"changed_files\": [\"bin/b\"], \"homebrew_version\": "
					"\"5.0.0\"}"});
	tar_end(tar);
}

/* Recomputes the checksums of what still looks like a header, so that mutations get further than
 * them. */
static void mend_checksums(struct bfs_buffer *tar)
{
	for (size_t at = 0; at + 512 <= tar->length; at += 512) {
		char *header = tar->data + at;
		unsigned sum = 0;

		if (memcmp(header + 257, "ustar", 5) != 0)
			continue;
		memset(header + 148, ' ', 8);
		for (int i = 0; i < 512; i++)
			sum += (uint8_t)header[i];
		snprintf(header + 148, 8, "%06o", sum);
	}
}

static void mutate(struct bfs_buffer *bytes)
{
	for (uint32_t n = 1 + next_random() % 4; n > 0; n--) {
		size_t at = next_random() % bytes->length;

		switch (next_random() % 4) {
		case 0:
			bytes->data[at] ^= (char)(1 << next_random() % 8);
			break;
		case 1:
			bytes->data[at] = (char)next_random();
			break;
		case 2: /* text that means something somewhere */
			bytes->data[at] = "/.0127xLKg\n=@"[next_random() % 13];
			break;
		default: /* a piece from elsewhere */
			memmove(bytes->data + at,
				bytes->data + next_random() % (bytes->length - 100),
				bytes->length - at < 100 ? bytes->length - at : 100);
		}
	}
	if (next_random() % 8 == 0)
		bytes->length = next_random() % bytes->length + 1;
}

static void test_mutations(void)
{
	_cleanup_buffer_ struct bfs_buffer original = BFS_BUFFER_INIT;
	int tried = 0, poured = 0, refused = 0, limit = 0;
	time_t start = time(NULL);
	char *seconds = getenv("BREWFS_FUZZ_SECONDS");

	limit = seconds ? atoi(seconds) : 3;
	make_rich_tar(&original);
	for (; time(NULL) - start < limit; tried++) {
		_cleanup_buffer_ struct bfs_buffer tar = BFS_BUFFER_INIT, gzip = BFS_BUFFER_INIT;
		struct bfs_keg_tree keg = {.tree = NULL};
		int r;

		bfs_buffer_append(&tar, original.data, original.length);
		if (tried > 0 && tried % 16)
			mutate(&tar);
		mend_checksums(&tar);
		tar_gzip(tar.data, tar.length, &gzip);
		if (tried > 0 && tried % 16 == 0)
			mutate(&gzip);
		r = fixture_pour(&fixture, &plain, gzip.data, gzip.length,
			1 + next_random() % gzip.length, &keg, NULL);
		poured += r == 0;
		refused += r == -EBADMSG;
		if (r == 0)
			keg_release(&keg);
		else if (r != -EBADMSG)
			printf("# mutation %d gives %d\n", tried, r);
	}
	is_int(poured + refused, tried, "%d mutated bottles pour (%d) or are refused", tried,
		poured);
	ok(poured > 0 && refused > 0, "some of each");
	is_int(fixture_count(&fixture, "staging"), 0, "nothing is left under staging/");
}

int main(void)
{
	if (ok(fixture_open(&fixture), "a store is made")) {
		test_names();
		test_other_kegs();
		test_types();
		test_hardlinks();
		test_symlinks();
		test_structure();
		test_sizes();
		test_overhead();
		test_archives();
		test_gzip();
		test_receipts();
		test_malformed_elf();
		test_full_store();
		test_given_up();
		test_mutations();
	}
	fixture_close(&fixture);
	return done();
}
