/*
 * Homebrew's public key for its API documents, compiled in: what is trusted does not depend on a
 * file.
 */
#ifndef BFS_INSTALLER_HOMEBREW_KEY_H
#define BFS_INSTALLER_HOMEBREW_KEY_H

/* PEM, RSA, 4,096 bits. */
extern const char bfs_homebrew_key_pem[];

#endif
