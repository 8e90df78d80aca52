# Tests speak TAP. C_TESTS are programs built from one file each; SCRIPT_TESTS run as they are.
C_TESTS = \
	tests/index/test-tree \
	tests/installer/test-bottle \
	tests/installer/test-bottle-hostile \
	tests/installer/test-bottle-members \
	tests/installer/test-formula \
	tests/installer/test-jws \
	tests/installer/test-relocate \
	tests/lib/test-byte-queue \
	tests/lib/test-gunzip \
	tests/lib/test-gunzip-zlib

SCRIPT_TESTS = \
	tests/world/test-world.py

tests_index_test_tree_SOURCES = tests/index/test-tree.c
tests_installer_test_bottle_SOURCES = tests/installer/test-bottle.c tests/installer/bottle_fixture.h
tests_installer_test_bottle_hostile_SOURCES = tests/installer/test-bottle-hostile.c \
	tests/installer/bottle_fixture.h tests/installer/tar_maker.h
tests_installer_test_bottle_members_SOURCES = tests/installer/test-bottle-members.c \
	tests/installer/bottle_fixture.h tests/installer/tar_maker.h
tests_lib_test_byte_queue_SOURCES = tests/lib/test-byte-queue.c
tests_lib_test_gunzip_SOURCES = tests/lib/test-gunzip.c
tests_lib_test_gunzip_zlib_SOURCES = tests/lib/test-gunzip-zlib.c
tests_installer_test_formula_SOURCES = tests/installer/test-formula.c
tests_installer_test_jws_SOURCES = tests/installer/test-jws.c tests/installer/signing.h
tests_installer_test_relocate_SOURCES = tests/installer/test-relocate.c
