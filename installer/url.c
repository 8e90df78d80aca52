#include "installer/url.h"

#include "lib/cleanup.h"

#include <curl/curl.h>
#include <string.h>

BFS_DEFINE_CLEANUP(CURLU *, cleanup_url, curl_url_cleanup)

static void curl_free_string(char *string)
{
	curl_free(string);
}
BFS_DEFINE_CLEANUP(char *, cleanup_curl_string, curl_free_string)

static CURLU *parse_url(const char *text)
{
	CURLU *url = curl_url();

	if (url && curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK) {
		curl_url_cleanup(url);
		return NULL;
	}
	return url;
}

static char *get_part(CURLU *url, CURLUPart part, unsigned int flags)
{
	char *value = NULL;

	return url && curl_url_get(url, part, &value, flags) == CURLUE_OK ? value : NULL;
}

bool bfs_url_has_scheme(const char *text, const char *scheme)
{
	BFS_CLEANUP(cleanup_url) CURLU *url = parse_url(text);
	BFS_CLEANUP(cleanup_curl_string) char *found = get_part(url, CURLUPART_SCHEME, 0);

	return found && strcasecmp(found, scheme) == 0;
}

char *bfs_url_shown(const char *text)
{
	BFS_CLEANUP(cleanup_url) CURLU *url = parse_url(text);
	BFS_CLEANUP(cleanup_curl_string) char *shown = NULL;

	if (!url)
		return strdup(strchr(text, '@') ? "(a malformed URL)" : text);
	curl_url_set(url, CURLUPART_USER, NULL, 0);
	curl_url_set(url, CURLUPART_PASSWORD, NULL, 0);
	curl_url_set(url, CURLUPART_QUERY, NULL, 0);
	curl_url_set(url, CURLUPART_FRAGMENT, NULL, 0);
	shown = get_part(url, CURLUPART_URL, 0);
	return shown ? strdup(shown) : NULL;
}

static bool parts_equal(CURLU *a, CURLU *b, CURLUPart part)
{
	BFS_CLEANUP(cleanup_curl_string) char *of_a = get_part(a, part, CURLU_DEFAULT_PORT);
	BFS_CLEANUP(cleanup_curl_string) char *of_b = get_part(b, part, CURLU_DEFAULT_PORT);

	return of_a && of_b && strcasecmp(of_a, of_b) == 0;
}

bool bfs_url_same_origin(const char *first, const char *second)
{
	BFS_CLEANUP(cleanup_url) CURLU *a = parse_url(first);
	BFS_CLEANUP(cleanup_url) CURLU *b = parse_url(second);

	return parts_equal(a, b, CURLUPART_SCHEME) && parts_equal(a, b, CURLUPART_HOST) &&
	       parts_equal(a, b, CURLUPART_PORT);
}

bool bfs_url_is_http(const char *text)
{
	return bfs_url_has_scheme(text, "https") || bfs_url_has_scheme(text, "http");
}

char *bfs_url_escape(const char *component)
{
	BFS_CLEANUP(cleanup_curl_string) char *escaped = curl_easy_escape(NULL, component, 0);

	return escaped ? strdup(escaped) : NULL;
}
