/*
 * The text of a formula that every bottle carries, .brew/NAME.rb, as far as it is plain: Homebrew
 * lays formulae out one call a line, blocks by indentation (rubocop sees to it in homebrew-core).
 * It is Ruby, and nothing of it is executed.
 *
 *	depends_on, uses_from_macos	but what is for building or testing, or optional
 *	keg_only, link_overwrite, conflicts_with, version_scheme, compatibility_version, desc
 *	def post_install, post_install_steps do		that there is one
 *
 * at the top of the class and in on_linux, on_intel or on_arm as the tag says, and stable. What is
 * in other blocks and in methods is passed over.
 */
#ifndef BFS_INSTALLER_FORMULA_TEXT_H
#define BFS_INSTALLER_FORMULA_TEXT_H

#include "installer/formula.h"

/*
 * Fills what the text says into a formula, but for the dependencies, which are added to a list of
 * the caller's, each once. `tag` is the bottle's. -EBADMSG for a name that cannot be one.
 */
int bfs_formula_read_text(
	const char *text, const char *tag, struct bfs_formula *formula, bfs_strings *dependencies);

#endif
