/*
 * Streaming gunzip: members, padding, damage, truncation, in pieces of every size.
 * test-gunzip-zlib.c runs the same with zlib in isa-l's place.
 */
#include "lib/gunzip.h"
#include "lib/buffer.h"
#include "tests/tap.h"

#include <stdint.h>
#include <zlib.h>

static uint32_t random_state = 1;

static uint32_t next_random(void)
{
	random_state = random_state * 1664525 + 1013904223;
	return random_state >> 8;
}

/* Half of it compressible text, half noise. */
static void make_content(struct bfs_buffer *content, size_t length)
{
	while (content->length < length) {
		char text[64];
		int n = snprintf(
			text, sizeof(text), "line %u of a text that repeats\n", next_random() % 97);

		if (next_random() % 4 == 0)
			for (n = 0; n < 32; n++)
				text[n] = (char)next_random();
		bfs_buffer_append(content, text, (size_t)n);
	}
	content->length = length;
}

struct gzip_options {
	int level;
	int strategy;
	gz_header *header;
	const void *dictionary; /* what the member may refer back to, though it is not in it */
	size_t dictionary_length;
};

static void add_member(struct bfs_buffer *gzip, const void *data, size_t length,
	const struct gzip_options *options)
{
	z_stream stream = {.next_in = (Bytef *)data, .avail_in = (uInt)length};
	bool raw = options->dictionary != NULL;
	uint32_t trailer[2] = {(uint32_t)crc32(0, data, (uInt)length), (uint32_t)length};
	static const char plain_header[10] = {'\x1f', '\x8b', 8, 0, 0, 0, 0, 0, 0, 3};
	char block[4096];
	int code;

	deflateInit2(&stream, options->level, Z_DEFLATED, raw ? -15 : 31, 8, options->strategy);
	if (options->header)
		deflateSetHeader(&stream, options->header);
	if (raw) {
		deflateSetDictionary(
			&stream, options->dictionary, (uInt)options->dictionary_length);
		bfs_buffer_append(gzip, plain_header, sizeof(plain_header));
	}
	do {
		stream.next_out = (Bytef *)block;
		stream.avail_out = sizeof(block);
		code = deflate(&stream, Z_FINISH);
		bfs_buffer_append(gzip, block, sizeof(block) - stream.avail_out);
	} while (code == Z_OK);
	deflateEnd(&stream);
	if (raw)
		bfs_buffer_append(gzip, trailer, sizeof(trailer)); /* little-endian hosts only */
}

static void add_plain_member(struct bfs_buffer *gzip, const void *data, size_t length)
{
	struct gzip_options options = {.level = 6};

	add_member(gzip, data, length, &options);
}

/* Feeds `input` in pieces of `piece` bytes (0: all at once) and takes the output in pieces of
 * `room`. */
static int gunzip(const struct bfs_buffer *input, size_t piece, size_t room,
	struct bfs_buffer *output, struct bfs_error *error)
{
	_cleanup_gunzip_ struct bfs_gunzip *gz = NULL;
	_cleanup_free_ char *block = malloc(room);
	int r = bfs_gunzip_new(&gz);

	for (size_t done_bytes = 0; r == 0 && done_bytes < input->length;) {
		/* A copy of exactly the piece's size lets a sanitizer see reads past it. */
		size_t length = input->length - done_bytes;
		_cleanup_free_ char *copy = NULL;
		const void *data;
		size_t produced;

		if (piece && length > piece)
			length = piece;
		copy = malloc(length);
		memcpy(copy, input->data + done_bytes, length);
		done_bytes += length;
		data = copy;
		do {
			r = bfs_gunzip_run(gz, &data, &length, block, room, &produced, error);
			if (r == 0)
				bfs_buffer_append(output, block, produced);
		} while (r == 0 && (length > 0 || produced == room));
	}
	return r == 0 ? bfs_gunzip_finish(gz, error) : r;
}

static bool yields(const struct bfs_buffer *input, size_t piece, size_t room,
	const struct bfs_buffer *expected)
{
	_cleanup_buffer_ struct bfs_buffer output = BFS_BUFFER_INIT;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	int r = gunzip(input, piece, room, &output, &error);

	if (r < 0)
		printf("# %s\n", bfs_error_message(&error, r));
	return r == 0 && output.length == expected->length &&
	       (output.length == 0 || memcmp(output.data, expected->data, output.length) == 0);
}

/* Every way of cutting input and output. */
static bool yields_in_pieces(const struct bfs_buffer *input, const struct bfs_buffer *expected)
{
	static const size_t pieces[] = {1, 2, 3, 7, 100, 4096, 0};
	static const size_t rooms[] = {1, 13, 512, 65536};

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(pieces); i++)
		for (size_t j = 0; j < BFS_ARRAY_LENGTH(rooms); j++)
			if (!yields(input, pieces[i], rooms[j], expected)) {
				printf("# input in pieces of %zu, output in pieces of %zu\n",
					pieces[i], rooms[j]);
				return false;
			}
	return true;
}

static void fails(const struct bfs_buffer *input, const char *message, const char *what)
{
	_cleanup_buffer_ struct bfs_buffer output = BFS_BUFFER_INIT;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	_cleanup_error_ struct bfs_error piecewise = BFS_ERROR_INIT;
	int r = gunzip(input, 0, 65536, &output, &error);

	ok(r == -EBADMSG && strstr(bfs_error_message(&error, r), message), "%s is refused", what);
	if (r != -EBADMSG || !strstr(bfs_error_message(&error, r), message))
		printf("# got %d: %s\n", r, bfs_error_message(&error, r));
	is_int(gunzip(input, 1, 512, &output, &piecewise), -EBADMSG, "%s is refused, byte by byte",
		what);
}

static void test_kinds_of_member(void)
{
	static const struct {
		const char *name;
		struct gzip_options options;
	} kinds[] = {
		{"stored blocks", {.level = 0}},
		{"fixed codes", {.level = 6, .strategy = Z_FIXED}},
		{"fast compression", {.level = 1}},
		{"best compression", {.level = 9}},
		{"codes without references", {.level = 6, .strategy = Z_HUFFMAN_ONLY}},
	};
	_cleanup_buffer_ struct bfs_buffer content = BFS_BUFFER_INIT;

	make_content(&content, 30011);
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(kinds); i++) {
		_cleanup_buffer_ struct bfs_buffer input = BFS_BUFFER_INIT;

		add_member(&input, content.data, content.length, &kinds[i].options);
		ok(yields_in_pieces(&input, &content), "%s unpack, however they are cut",
			kinds[i].name);
	}
}

static void test_header_fields(void)
{
	static char extra[] = "some extra bytes", name[] = "a name", comment[] = "a comment";
	gz_header header = {.text = 1,
		.time = 1700000000,
		.os = 3,
		.extra = (Bytef *)extra,
		.extra_len = sizeof(extra),
		.name = (Bytef *)name,
		.comment = (Bytef *)comment,
		.hcrc = 1};
	struct gzip_options options = {.level = 6, .header = &header};
	_cleanup_buffer_ struct bfs_buffer content = BFS_BUFFER_INIT, input = BFS_BUFFER_INIT;

	make_content(&content, 1000);
	add_member(&input, content.data, content.length, &options);
	add_member(&input, content.data, 0, &options);
	ok(yields_in_pieces(&input, &content), "a header with every field is skipped, twice");
}

static void test_members(void)
{
	_cleanup_buffer_ struct bfs_buffer content = BFS_BUFFER_INIT, input = BFS_BUFFER_INIT;
	static const char zeros[1500];
	size_t cut = 0;

	make_content(&content, 20000);
	for (size_t length = 0; cut < content.length; length = length * 3 + 1) {
		if (length > content.length - cut)
			length = content.length - cut;
		add_plain_member(&input, content.data + cut, length);
		cut += length;
	}
	ok(yields_in_pieces(&input, &content), "members are joined, empty ones too");
	bfs_buffer_append(&input, zeros, 1);
	ok(yields_in_pieces(&input, &content), "a zero may follow");
	bfs_buffer_append(&input, zeros, sizeof(zeros));
	ok(yields_in_pieces(&input, &content), "many zeros may follow");
	bfs_buffer_append(&input, "\x1f", 1);
	fails(&input, "follow the end", "something after the zeros");
	input.length -= 1 + sizeof(zeros) + 1;
	bfs_buffer_append(&input, "garbage", 7);
	fails(&input, "follow the end", "garbage after the last member");
	input.length -= 7;
	bfs_buffer_append(&input, "\x1f\x8c", 2);
	fails(&input, "", "what only begins like a member");
}

static void test_reference_before_member(void)
{
	_cleanup_buffer_ struct bfs_buffer content = BFS_BUFFER_INIT, input = BFS_BUFFER_INIT;
	struct gzip_options options = {.level = 9};

	make_content(&content, 5000);
	add_plain_member(&input, content.data, content.length);
	options.dictionary = content.data;
	options.dictionary_length = content.length;
	add_member(&input, content.data, content.length, &options);
	fails(&input, "", "a member that refers back into the one before");
}

static void test_damage(void)
{
	_cleanup_buffer_ struct bfs_buffer content = BFS_BUFFER_INIT, input = BFS_BUFFER_INIT;
	_cleanup_buffer_ struct bfs_buffer empty = BFS_BUFFER_INIT, text = BFS_BUFFER_INIT;
	size_t accepted = 0;

	make_content(&content, 3000);
	add_plain_member(&input, content.data, content.length);
	input.data[input.length - 5] ^= 1;
	fails(&input, "", "a wrong CRC");
	input.data[input.length - 5] ^= 1;
	input.data[input.length - 1] ^= 1;
	fails(&input, "", "a wrong length");
	input.data[input.length - 1] ^= 1;
	input.data[2] = 7;
	fails(&input, "", "an unknown method");
	input.data[2] = 8;
	ok(yields(&input, 0, 65536, &content), "it unpacks without the damage");
	for (size_t whole = input.length; input.length-- > 1;) {
		_cleanup_buffer_ struct bfs_buffer output = BFS_BUFFER_INIT;

		accepted += gunzip(&input, 0, 4096, &output, NULL) != -EBADMSG;
		if (input.length < whole - 40 && input.length > 40)
			input.length -= 20;
	}
	is_int(accepted, 0, "it is refused wherever it is cut off");
	fails(&empty, "there is no data", "nothing at all");
	bfs_buffer_append_string(&text, "<html>not found</html>");
	fails(&text, "this is not gzip", "what is not gzip");
}

/* A mutated stream either fails, or yields what the original did. */
static void test_mutations(void)
{
	_cleanup_buffer_ struct bfs_buffer content = BFS_BUFFER_INIT, input = BFS_BUFFER_INIT;
	size_t wrong = 0, refused = 0;

	make_content(&content, 4000);
	add_plain_member(&input, content.data, 3000);
	add_plain_member(&input, content.data + 3000, 1000);
	for (int i = 0; i < 3000; i++) {
		_cleanup_buffer_ struct bfs_buffer copy = BFS_BUFFER_INIT, output = BFS_BUFFER_INIT;
		int flips = 1 + (int)(next_random() % 3);

		bfs_buffer_append(&copy, input.data, input.length);
		while (flips-- > 0)
			copy.data[next_random() % copy.length] ^= (char)(1 << next_random() % 8);
		if (gunzip(&copy, next_random() % 200, 1 + next_random() % 5000, &output, NULL) < 0)
			refused++;
		else
			wrong += output.length != content.length ||
				 memcmp(output.data, content.data, content.length) != 0;
	}
	is_int(wrong, 0, "3,000 damaged streams never unpack to something else");
	ok(refused > 2000, "nearly all of them are refused (%zu)", refused);
}

static void test_big(void)
{
	_cleanup_buffer_ struct bfs_buffer content = BFS_BUFFER_INIT, input = BFS_BUFFER_INIT;

	make_content(&content, 5 * 1024 * 1024);
	add_plain_member(&input, content.data, content.length);
	ok(yields(&input, 16 * 1024, 256 * 1024, &content), "5 MiB in network-sized pieces");
	ok(yields(&input, 0, 300, &content), "5 MiB into small pieces");
}

int main(void)
{
	printf("# backend: %s\n", bfs_gunzip_backend());
	test_kinds_of_member();
	test_header_fields();
	test_members();
	test_reference_before_member();
	test_damage();
	test_mutations();
	test_big();
	return done();
}
