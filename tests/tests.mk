# Tests speak TAP. C_TESTS are programs built from one file each; SCRIPT_TESTS run as they are.
C_TESTS = \
	tests/index/test-tree

SCRIPT_TESTS =

tests_index_test_tree_SOURCES = tests/index/test-tree.c
