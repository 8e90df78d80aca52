/*
 * The order of versions, as Homebrew sees it (version.rb, pkg_version.rb). Pure functions on text;
 *any bytes are allowed and two versions always have an order.
 *
 * A version is split into tokens; what is none (dots, dashes) only separates:
 *
 *	alpha	alpha[0-9]*|a[0-9]+	\
 *	beta	beta[0-9]*|b[0-9]+	 | case is ignored; the first that matches counts, so "pre"
 *	pre	pre[0-9]*		 | is never p followed by "re"
 *	rc	rc[0-9]*		 |
 *	patch	p[0-9]*			 |
 *	post	.post[0-9]+		/  the dot is any character
 *	number	[0-9]+			   of any size
 *	string	[a-z]+
 *
 * Tokens are compared pair by pair: alpha < beta < pre < rc < nothing < everything else, nothing =
 *0 < other numbers, string < number. Where a number meets none, zeros are passed over: 2.1-p195
 *> 2.1.0-p194. HEAD is above everything else, and equal to every other HEAD.
 */
#ifndef BFS_INSTALLER_VERSION_H
#define BFS_INSTALLER_VERSION_H

/*
 * Compares two versions of formulae, without their revisions ("3.5.0"): less than, equal to or
 * greater than 0. Equal does not mean the same text: 1.0 and 1.0.0 are equal.
 */
int bfs_version_compare(const char *a, const char *b);

/* Compares two versions of kegs, version[_revision]: "3.5.0" < "3.5.0_1". */
int bfs_pkg_version_compare(const char *a, const char *b);

/* Compares two kegs: first by their receipts' version_scheme, then as bfs_pkg_version_compare(). */
int bfs_scheme_version_compare(int scheme_a, const char *a, int scheme_b, const char *b);

#endif
