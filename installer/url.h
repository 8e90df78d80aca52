/*
 * URLs as libcurl reads them, so that what is checked is what will be asked.
 */
#ifndef BFS_INSTALLER_URL_H
#define BFS_INSTALLER_URL_H

#include <stdbool.h>

/* Whether it is a URL of that scheme ("https"). */
bool bfs_url_has_scheme(const char *text, const char *scheme);

/* Whether it is a URL of scheme http or https. */
bool bfs_url_is_http(const char *text);

/* The same scheme, host and port: the only place where what authorises for the first may go. */
bool bfs_url_same_origin(const char *first, const char *second);

/*
 * The URL for messages and logs: without the secrets that user, password and a presigned query may
 * be. Allocated; NULL when out of memory.
 */
char *bfs_url_shown(const char *text);

/*
 * Percent-encodes all but letters, digits and "-._~" (RFC 3986). Allocated; NULL when out of
 * memory.
 */
char *bfs_url_escape(const char *component);

#endif
