/*
 * The Test Anything Protocol in a few macros, for the C tests: each check is one line of output and
 * says what it expected in a sentence. A test's main() ends with `return done();`.
 */
#ifndef BFS_TESTS_TAP_H
#define BFS_TESTS_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int tap_count, tap_failures;

static inline __attribute__((format(printf, 4, 5), unused)) bool tap_ok(bool passed,
	const char *file, int line, const char *format, ...)
{
	va_list args;

	tap_count++;
	printf("%sok %d - ", passed ? "" : "not ", tap_count);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	if (!passed) {
		tap_failures++;
		printf("# at %s:%d\n", file, line);
	}
	fflush(stdout);
	return passed;
}

#define ok(condition, ...) tap_ok((condition), __FILE__, __LINE__, __VA_ARGS__)

#define is_int(actual, expected, ...)                                                              \
	do {                                                                                       \
		long long actual_ = (long long)(actual), expected_ = (long long)(expected);        \
		if (!tap_ok(actual_ == expected_, __FILE__, __LINE__, __VA_ARGS__))                \
			printf("# got %lld, expected %lld\n", actual_, expected_);                 \
	} while (0)

#define is_str(actual, expected, ...)                                                              \
	do {                                                                                       \
		const char *actual_ = (actual), *expected_ = (expected);                           \
		if (!tap_ok(actual_ && expected_ && strcmp(actual_, expected_) == 0, __FILE__,     \
			    __LINE__, __VA_ARGS__))                                                \
			printf("# got '%s', expected '%s'\n", actual_ ? actual_ : "(null)",        \
				expected_ ? expected_ : "(null)");                                 \
	} while (0)

static inline __attribute__((unused)) int done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failures ? 1 : 0;
}

#endif
