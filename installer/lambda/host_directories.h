/*
 * Where a host's own loader looks at last, without being told (ld.so(8)): what is to be named in a
 * library path before the export's lib, so that the host's libraries stay the host's. Directories
 * that are not there do no harm.
 */
#ifndef BFS_LAMBDA_HOST_DIRECTORIES_H
#define BFS_LAMBDA_HOST_DIRECTORIES_H

#if defined(__aarch64__)
#define BFS_LAMBDA_MULTIARCH "aarch64-linux-gnu"
#else
#define BFS_LAMBDA_MULTIARCH "x86_64-linux-gnu"
#endif

#define BFS_LAMBDA_HOST_DIRECTORIES                                                                \
	"/lib64:/usr/lib64:/lib/" BFS_LAMBDA_MULTIARCH ":/usr/lib/" BFS_LAMBDA_MULTIARCH           \
	":/lib:/usr/lib"

#endif
