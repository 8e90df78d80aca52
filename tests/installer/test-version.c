/* The order of versions is Homebrew's: version.rb and pkg_version.rb. */
#include "installer/version.h"

#include "tests/tap.h"

#include <stdlib.h>

static int sign(int order)
{
	return (order > 0) - (order < 0);
}

static const char *word(int order)
{
	return order < 0 ? "<" : order > 0 ? ">" : "=";
}

/* What Homebrew's own specification of its versions says, and the corners of its rules. */
static const struct {
	const char *a;
	int order;
	const char *b;
} versions[] = {
	{"0.1", 0, "0.1.0"},
	{"0.1", -1, "0.2"},
	{"1.2.3", 1, "1.2.2"},
	{"1.2.4", -1, "1.2.4.1"},
	{"1.10", 1, "1.9"},
	{"1.2.3", 1, "1.2.3alpha4"},
	{"1.2.3", 1, "1.2.3beta2"},
	{"1.2.3", 1, "1.2.3rc3"},
	{"1.2.3", -1, "1.2.3-p34"},
	{"HEAD", 1, "1.2.3"},
	{"HEAD-abcdef", 1, "1.2.3"},
	{"1.2.3", -1, "HEAD"},
	{"HEAD-abcdef", 0, "HEAD-fedcba"},
	{"HEAD", 0, "HEAD-fedcba"},
	{"HEADS", -1, "1"},
	{"1.2.3alpha", -1, "1.2.3"},
	{"1.2.3", -1, "1.2.3a"},
	{"1.2.3alpha4", 0, "1.2.3a4"},
	{"1.2.3alpha4", 0, "1.2.3A4"},
	{"1.2.3alpha4", 1, "1.2.3alpha3"},
	{"1.2.3alpha4", -1, "1.2.3alpha10"},
	{"1.2.3alpha4", -1, "1.2.3beta2"},
	{"1.2.3alpha4", -1, "1.2.3rc3"},
	{"1.2.3alpha4", -1, "1.2.3-p34"},
	{"1.2.3beta2", 0, "1.2.3b2"},
	{"1.2.3beta2", 0, "1.2.3B2"},
	{"1.2.3beta2", -1, "1.2.3beta10"},
	{"1.2.3beta2", -1, "1.2.3rc3"},
	{"1.2.3beta2", -1, "1.2.3-p34"},
	{"1.2.3pre9", 0, "1.2.3PRE9"},
	{"1.2.3pre9", -1, "1.2.3pre10"},
	{"1.2.3pre3", 1, "1.2.3alpha4"},
	{"1.2.3pre3", 1, "1.2.3beta5"},
	{"1.2.3pre3", -1, "1.2.3rc2"},
	{"1.2.3pre3", -1, "1.2.3"},
	{"1.2.3pre3", -1, "1.2.3-p2"},
	{"1.2.3rc3", 0, "1.2.3RC3"},
	{"1.2.3rc3", -1, "1.2.3rc10"},
	{"1.2.3rc3", -1, "1.2.3-p34"},
	{"1.2.3-p34", 0, "1.2.3-P34"},
	{"1.2.3-p34", 1, "1.2.3-p9"},
	{"1.2.3-p34", 1, "1.2.3"},
	{"1.2.3.post34", 1, "1.2.3.post33"},
	{"1.2.3.post34", 1, "1.2.3rc35"},
	{"1.2.3.post34", 1, "1.2.3"},
	{"2.1.0-p194", -1, "2.1-p195"},
	{"2.1-p195", 1, "2.1.0-p194"},
	{"2.1-p194", -1, "2.1.0-p195"},
	{"2-p194", -1, "2.1-p195"},
	/* Strings are below numbers, and compared as text. */
	{"1.foo", -1, "1.1"},
	{"1.foo", -1, "1.goo"},
	{"9e", -1, "9f"},
	{"1.a", -1, "1.b"},
	{"1.2", -1, "1.2a"},
	{"R16B", 1, "R15B03-1"},
	{"R15B03-1", 1, "R15B03"},
	{"R13B02-1", 1, "R13B02"},
	/* A patch level against a post level is text against text: p comes after the dot. */
	{"1-p1", 1, "1.post9"},
	{"1.post9", -1, "1-p1"},
	/* The dot of .post is any character, also a digit. */
	{"1.0post1", 0, "1.xpost0"},
	/* Zeros are passed over where the other side has no number. */
	{"1.0.0", 0, "1"},
	{"1", 0, "1.0.0"},
	{"1.0.1", 1, "1"},
	{"1.0.0-rc1", 0, "1-rc1"},
	/* Numbers of any size, with any zeros. */
	{"20240102030405060708091011121314", -1, "20240102030405060708091011121315"},
	{"99999999999999999999", 1, "9999999999999999999"},
	{"1.007", 0, "1.7"},
	{"2024.01.02", 0, "2024-1-2"},
	{"", 0, ""},
	{"", -1, "1"},
	{"...", 0, "-"},
	{"3.53.0", 0, "3.53.0"},
};

static void test_versions(void)
{
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		const char *a = versions[i].a, *b = versions[i].b;
		int order = sign(bfs_version_compare(a, b)), back;

		back = sign(bfs_version_compare(b, a));
		ok(order == versions[i].order && back == -order,
			"version '%s' %s '%s' (got %s, and the other way %s)", a,
			word(versions[i].order), b, word(order), word(back));
	}
}

static const struct {
	const char *a;
	int order;
	const char *b;
} pkg_versions[] = {
	{"1.0", -1, "1.0_1"},
	{"1.0_1", -1, "1.0_2"},
	{"1.0_9", -1, "1.0_10"},
	{"1.0_2", -1, "1.1"},
	{"1.0_0", 0, "1.0"},
	{"1.0.0_1", 0, "1.0_1"},
	{"1_2_3", 1, "1_2_2"},
	{"1_2_3", -1, "1_3_1"},
	{"HEAD-abc_1", 1, "HEAD-def"},
	{"_3", 0, "3"},
	{"1.2.3_18446744073709551617", 1, "1.2.3_18446744073709551616"},
	{"7.0_1", 0, "7.0_1"},
};

static void test_pkg_versions(void)
{
	for (size_t i = 0; i < sizeof(pkg_versions) / sizeof(pkg_versions[0]); i++) {
		const char *a = pkg_versions[i].a, *b = pkg_versions[i].b;
		int order = sign(bfs_pkg_version_compare(a, b)), back;

		back = sign(bfs_pkg_version_compare(b, a));
		ok(order == pkg_versions[i].order && back == -order,
			"keg version '%s' %s '%s' (got %s, and the other way %s)", a,
			word(pkg_versions[i].order), b, word(order), word(back));
	}
}

static void test_schemes(void)
{
	ok(bfs_scheme_version_compare(1, "1.0", 0, "2024.1") > 0,
		"a higher version_scheme makes a smaller version newer");
	ok(bfs_scheme_version_compare(0, "2.0", 1, "1.0") < 0, "and the other way round");
	ok(bfs_scheme_version_compare(1, "1.0_1", 1, "1.0") > 0,
		"within a scheme the version and revision decide");
}

/* Any bytes have an order, and it is the same both ways. */
static void test_any_bytes(void)
{
	static const char alphabet[] = "019ab.p-_rcePOSTost\n\xff\xc3H";
	int wrong = 0;

	srandom(1);
	for (int round = 0; round < 20000; round++) {
		char text[2][12];

		for (int side = 0; side < 2; side++) {
			size_t length = (size_t)random() % (sizeof(text[side]) - 1);

			for (size_t i = 0; i < length; i++)
				text[side][i] = alphabet[(size_t)random() % (sizeof(alphabet) - 1)];
			text[side][length] = '\0';
		}
		if (sign(bfs_pkg_version_compare(text[0], text[0])) != 0 ||
			sign(bfs_pkg_version_compare(text[1], text[1])) != 0)
			wrong++;
		bfs_pkg_version_compare(text[0], text[1]);
	}
	is_int(wrong, 0, "any bytes are equal to themselves, and comparing them ends");
}

int main(void)
{
	test_versions();
	test_pkg_versions();
	test_schemes();
	test_any_bytes();
	return done();
}
