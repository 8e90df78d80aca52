# The benchmark: `make bench` takes some minutes, `make bench-full` some hours. Both need root. What they
# download and make is kept in $BREWFS_BENCH_DIR (/var/tmp/brewfs-bench); BENCH_FLAGS are arguments for
# bench.py.
EXTRA_PROGRAMS = $(BENCH_TOOLS)
BENCH_TOOLS = tests/bench/wl tests/bench/slowfs
tests_bench_wl_SOURCES = tests/bench/wl.c
tests_bench_wl_LDADD =
tests_bench_slowfs_SOURCES = \
	tests/bench/slowfs.c \
	tests/bench/slowfs.h \
	tests/bench/slowfs_delay.c \
	tests/bench/slowfs_delay.h \
	tests/bench/slowfs_file.c \
	tests/bench/slowfs_list.c \
	tests/bench/slowfs_node.c \
	tests/bench/slowfs_node.h \
	tests/bench/slowfs_tree.c
tests_bench_slowfs_LDADD = $(FUSE_LIBS)

BENCH_FILES = \
	tests/bench/bench.py \
	tests/bench/corpus.py \
	tests/bench/efs.py \
	tests/bench/exports.py \
	tests/bench/filesystems.py \
	tests/bench/installs.py \
	tests/bench/machine.py \
	tests/bench/million.py \
	tests/bench/mkcorpus.py \
	tests/bench/mkdebs.sh \
	tests/bench/mkindex.py \
	tests/bench/peers.py \
	tests/bench/results.py \
	tests/bench/start.py \
	tests/bench/writes.py
EXTRA_DIST += $(BENCH_FILES)
CLEANFILES += $(BENCH_TOOLS) bench.json bench-big.json

BENCH = python3 $(top_srcdir)/tests/bench/bench.py --brewfs $(abs_top_builddir)/brewfs \
	--tools $(abs_top_builddir)/tests/bench --json bench.json $(BENCH_FLAGS)

bench: brewfs $(BENCH_TOOLS) tests/fs/mktree
	$(BENCH)

bench-full: brewfs $(BENCH_TOOLS) tests/fs/mktree
	$(BENCH) --full

.PHONY: bench bench-full
