/* test-gunzip.c with zlib, which is what machines without isa-l get. */
#define BFS_GUNZIP_FORCE_ZLIB
#include "lib/gunzip.c"

#undef STEP
#include "tests/lib/test-gunzip.c"
