/*
 * Mutated ELF files: whatever they hold, the editor and the queries answer without reading outside
 * them, and what the editor makes of them can be read again in the same way.
 *
 * Deterministic: BREWFS_FUZZ_SEED (default 1) starts the random numbers, BREWFS_FUZZ_ROUNDS
 * (default 200000) says how many files there are. The file ends where a page without access begins,
 * so that a byte read too far is a crash even without a sanitizer.
 */
#include "installer/elf.h"
#include "installer/elf_edit.h"
#include "lib/file.h"

#include "tests/installer/elf_sample.h"
#include "tests/tap.h"

#include <fcntl.h>
#include <sys/mman.h>

#define PLACE "@@HOMEBREW_PREFIX@@"

enum {
	PAGE = 65536,		/* no page is larger where tests run */
	RESULT_LIMIT = 1 << 22, /* a longer result (a hole) is not read again */
	SEED_LIMIT = 1 << 20,	/* of a seed file */
};

struct seed {
	uint8_t *data;
	size_t length;
	size_t hot; /* bytes at the start that hold most of the tables */
};

struct tally {
	size_t refused, left_alone, edited, read_again;
};

static uint64_t state;

/* splitmix64 */
static uint64_t next(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static uint64_t below(uint64_t limit)
{
	return next() % limit;
}

/* A number that breaks careless arithmetic, or one that is just a little wrong. */
static uint64_t nasty(size_t length)
{
	static const uint64_t numbers[] = {0, 1, 2, 7, 8, 0x18, 0x38, 0x40, 0xff, 0x1000, 0xfffe,
		0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, INT64_MAX,
		INT64_MIN, UINT64_MAX - 7, UINT64_MAX};

	switch (below(3)) {
	case 0:
		return numbers[below(BFS_ARRAY_LENGTH(numbers))];
	case 1:
		return length - 16 + below(32);
	default:
		return below(length);
	}
}

static void mutate(uint8_t *data, size_t length, const struct seed *seed)
{
	size_t hot = seed->hot < length ? seed->hot : length;
	size_t at = below(4) ? below(hot) : below(length);
	size_t width = (size_t)1 << below(4);
	uint64_t value = nasty(length);
	bool big = seed->data[EI_DATA] == ELFDATA2MSB;

	switch (below(4)) {
	case 0:
		data[at] ^= (uint8_t)(1 << below(8));
		break;
	case 1:
		data[at] = (uint8_t)next();
		break;
	case 2:
		at = at / width * width;
		for (size_t i = 0; i < width && at + i < length; i++)
			data[at + i] = (uint8_t)(value >> (8 * (big ? width - 1 - i : i)));
		break;
	default:
		width = below(64) + 1;
		if (width >= length)
			break;
		at = below(length - width);
		memmove(data + at, data + below(length - width), width);
	}
}

static void read_again(const uint8_t *data, size_t length, const struct bfs_elf_policy *policy,
	const struct bfs_elf_patch *patch, struct tally *tally)
{
	_cleanup_elf_info_ struct bfs_elf_info info = BFS_ELF_INFO_INIT;
	_cleanup_elf_patch_ struct bfs_elf_patch *again = NULL;
	uint64_t size = bfs_elf_patch_new_size(patch);
	_cleanup_free_ uint8_t *result = NULL;

	if (size > RESULT_LIMIT)
		return;
	result = malloc(size);
	if (!result)
		return;
	memcpy(result, data, length);
	bfs_elf_patch_apply(patch, result, size);
	bfs_elf_query(result, size, &info, NULL);
	bfs_elf_relocate(result, size, policy, &again, NULL);
	tally->read_again++;
}

static void try_one(const uint8_t *data, size_t length, struct tally *tally)
{
	static const char *const prefixes[] = {"/p", "/home/linuxbrew/.linuxbrew"};
	_cleanup_elf_info_ struct bfs_elf_info info = BFS_ELF_INFO_INIT;
	_cleanup_elf_patch_ struct bfs_elf_patch *patch = NULL;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	struct bfs_elf_policy policy = {.prefix = prefixes[below(2)]};
	int r = bfs_elf_relocate(data, length, &policy, &patch, &error);

	if (r < 0 && !error.message)
		ok(false, "a file is refused with a message, not just %d", r);
	if (r < 0)
		tally->refused++;
	else if (!patch)
		tally->left_alone++;
	else
		tally->edited++;
	bfs_elf_query(data, length, &info, NULL);
	if (patch)
		read_again(data, length, &policy, patch, tally);
}

/* Room for a file that ends at a page without access; NULL if there is none. */
static uint8_t *guarded_room(void)
{
	uint8_t *room = mmap(NULL, SEED_LIMIT + PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (room == MAP_FAILED || mprotect(room + SEED_LIMIT, PAGE, PROT_NONE) < 0)
		return NULL;
	return room;
}

static void fuzz(const struct seed *seed, size_t rounds, uint8_t *room, const char *says)
{
	struct tally tally = {.refused = 0};

	for (size_t i = 0; i < rounds; i++) {
		size_t length = below(20) ? seed->length : 1 + below(seed->length);
		uint8_t *data = room + SEED_LIMIT - length;

		memcpy(data, seed->data, length);
		for (uint64_t j = below(6) + (i > 0); j > 0; j--)
			mutate(data, length, seed);
		try_one(data, length, &tally);
	}
	ok(tally.refused > 0 && tally.edited > 0,
		"%zu mutations of %s: %zu refused, %zu left alone, %zu edited, %zu of them read "
		"again",
		rounds, says, tally.refused, tally.left_alone, tally.edited, tally.read_again);
}

static void fuzz_samples(size_t rounds, uint8_t *room)
{
	for (int i = 0; i < 16; i++) {
		struct sample_options o = {.wide = i & 1,
			.big = i & 2,
			.has_sections = i & 4,
			.is_fixed = i & 8,
			.has_room = i & 8,
			.interpreter = PLACE "/lib/ld.so",
			.rpath = PLACE "/lib:" PLACE "/opt/x/lib",
			.runpath = i & 4 ? PLACE "/new" : NULL,
			.slack = i & 8 ? 40 : 0,
			.bss = 100};
		_cleanup_free_ struct sample *sample = sample_new(&o);
		_cleanup_free_ char *says = bfs_format("sample %d", i);
		struct seed seed = {
			.data = sample->data, .length = sample->length, .hot = sample->length};

		fuzz(&seed, rounds, room, says);
	}
}

/* A real one: this program itself, with its interpreter to be replaced. */
static void fuzz_self(size_t rounds, uint8_t *room)
{
	_cleanup_buffer_ struct bfs_buffer self = BFS_BUFFER_INIT;
	struct seed seed;

	if (bfs_read_file(AT_FDCWD, "/proc/self/exe", SEED_LIMIT, &self) < 0) {
		ok(true, "# SKIP this program as a sample: it is too large or cannot be read");
		return;
	}
	seed = (struct seed){.data = (uint8_t *)self.data, .length = self.length, .hot = 4096};
	fuzz(&seed, rounds, room, "this program");
}

static size_t number(const char *name, size_t otherwise)
{
	const char *value = getenv(name);

	return value ? strtoul(value, NULL, 10) : otherwise;
}

int main(void)
{
	size_t rounds = number("BREWFS_FUZZ_ROUNDS", 200000);
	uint8_t *room = guarded_room();

	state = number("BREWFS_FUZZ_SEED", 1);
	alarm(60 + (unsigned)(rounds / 1000));
	if (!ok(room != NULL, "there is memory that ends at a guard page"))
		return done();
	fuzz_samples(rounds / 17, room);
	fuzz_self(rounds / 170, room);
	return done();
}
