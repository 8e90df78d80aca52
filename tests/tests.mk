# Tests speak TAP. C_TESTS are programs built from one file each; SCRIPT_TESTS run as they are.
C_TESTS = \
	tests/fs/test-elf-needs \
	tests/fs/test-mountinfo \
	tests/fs/test-options \
	tests/index/test-cache \
	tests/index/test-check \
	tests/index/test-commit \
	tests/index/test-delta \
	tests/index/test-diff \
	tests/index/test-gc \
	tests/index/test-ignore \
	tests/index/test-lease \
	tests/index/test-merge \
	tests/index/test-publish \
	tests/index/test-session \
	tests/index/test-store \
	tests/index/test-tree \
	tests/index/test-worktree \
	tests/index/test-worktree-crash \
	tests/index/test-worktree-model \
	tests/index/test-worktree-power \
	tests/index/test-worktree-threads \
	tests/installer/elf-fuzz \
	tests/installer/test-bottle \
	tests/installer/test-bottle-hostile \
	tests/installer/test-bottle-members \
	tests/installer/test-brewfile \
	tests/installer/test-ca-certificates \
	tests/installer/test-catalog \
	tests/installer/test-download \
	tests/installer/test-elf \
	tests/installer/test-elf-run \
	tests/installer/test-etc \
	tests/installer/test-export \
	tests/installer/test-file-mode \
	tests/installer/test-formula \
	tests/installer/test-jws \
	tests/installer/test-link \
	tests/installer/test-link-conflict \
	tests/installer/test-link-oracle \
	tests/installer/test-link-rules \
	tests/installer/test-prefix \
	tests/installer/test-registry \
	tests/installer/test-relocate \
	tests/installer/test-resolve \
	tests/installer/test-ruby-regexp \
	tests/installer/test-steps \
	tests/installer/test-steps-order \
	tests/installer/test-step-script \
	tests/installer/test-tab \
	tests/installer/test-tree-glob \
	tests/installer/test-unlink \
	tests/installer/test-version \
	tests/lib/test-byte-queue \
	tests/lib/test-gunzip \
	tests/lib/test-gunzip-zlib \
	tests/lib/test-progress

# Programs that tests run, and that are no tests themselves.
TEST_HELPERS = \
	tests/bench/slowfs \
	tests/fs/mktree \
	tests/fs/stuckfs \
	tests/index/mkstore \
	tests/posix/posix

SCRIPT_TESTS = \
	tests/fs/test-cache.sh \
	tests/fs/test-commands.sh \
	tests/fs/test-follow.sh \
	tests/fs/test-gc.sh \
	tests/fs/test-mount.sh \
	tests/fs/test-session.sh \
	tests/fs/test-stuck.sh \
	tests/index/test-commands.sh \
	tests/man/test-man.sh \
	tests/posix/test-posix.py \
	tests/system/test-aws.py \
	tests/system/test-doctor.py \
	tests/system/test-commit.py \
	tests/system/test-efs.py \
	tests/system/test-fetch.py \
	tests/system/test-export.py \
	tests/system/test-export-efs.py \
	tests/system/test-fresh.py \
	tests/system/test-hostile.py \
	tests/system/test-import.py \
	tests/system/test-kill.py \
	tests/system/test-lambda.py \
	tests/system/test-links.py \
	tests/system/test-local.py \
	tests/system/test-main.py \
	tests/system/test-metadata.py \
	tests/system/test-oracle.py \
	tests/system/test-registry.py \
	tests/system/test-shell.py \
	tests/system/test-session-apps.py \
	tests/system/test-session-commit.py \
	tests/system/test-session-kill.py \
	tests/system/test-session-model.py \
	tests/system/test-steps.py \
	tests/system/test-upgrade.py \
	tests/world/test-world.py

tests_fs_mktree_SOURCES = tests/fs/mktree.c
tests_fs_stuckfs_SOURCES = tests/fs/stuckfs.c
tests_fs_test_elf_needs_SOURCES = tests/fs/test-elf-needs.c
tests_fs_test_mountinfo_SOURCES = tests/fs/test-mountinfo.c
tests_fs_test_options_SOURCES = tests/fs/test-options.c
tests_index_test_diff_SOURCES = tests/index/test-diff.c
tests_index_test_lease_SOURCES = tests/index/test-lease.c
tests_index_test_ignore_SOURCES = tests/index/test-ignore.c
tests_index_test_commit_SOURCES = tests/index/test-commit.c tests/index/session_fixture.h tests/index/store_fixture.h
tests_index_test_merge_SOURCES = tests/index/test-merge.c tests/index/store_fixture.h
tests_index_mkstore_SOURCES = tests/index/mkstore.c
tests_index_test_cache_SOURCES = tests/index/test-cache.c tests/index/store_fixture.h
tests_index_test_check_SOURCES = tests/index/test-check.c tests/index/store_fixture.h
tests_index_test_publish_SOURCES = tests/index/test-publish.c tests/index/store_fixture.h
tests_index_test_store_SOURCES = tests/index/test-store.c tests/index/store_fixture.h
tests_index_test_tree_SOURCES = tests/index/test-tree.c
tests_index_test_session_SOURCES = tests/index/test-session.c tests/index/session_fixture.h \
	tests/index/store_fixture.h
tests_index_test_worktree_crash_SOURCES = tests/index/test-worktree-crash.c \
	tests/index/session_fixture.h tests/index/store_fixture.h
tests_index_test_worktree_model_SOURCES = tests/index/test-worktree-model.c \
	tests/index/session_fixture.h tests/index/store_fixture.h
tests_index_test_worktree_power_SOURCES = tests/index/test-worktree-power.c \
	tests/index/session_fixture.h tests/index/store_fixture.h
tests_index_test_worktree_threads_SOURCES = tests/index/test-worktree-threads.c \
	tests/index/session_fixture.h tests/index/store_fixture.h
tests_index_test_worktree_SOURCES = tests/index/test-worktree.c tests/index/session_fixture.h \
	tests/index/store_fixture.h
tests_installer_test_bottle_SOURCES = tests/installer/test-bottle.c tests/installer/bottle_fixture.h
tests_installer_test_bottle_hostile_SOURCES = tests/installer/test-bottle-hostile.c \
	tests/installer/bottle_fixture.h tests/installer/tar_maker.h
tests_installer_test_bottle_members_SOURCES = tests/installer/test-bottle-members.c \
	tests/installer/bottle_fixture.h tests/installer/tar_maker.h
tests_installer_elf_fuzz_SOURCES = tests/installer/elf-fuzz.c tests/installer/elf_sample.h
tests_installer_test_elf_SOURCES = tests/installer/test-elf.c tests/installer/elf_sample.h
tests_installer_test_elf_run_SOURCES = tests/installer/test-elf-run.c
tests_lib_test_byte_queue_SOURCES = tests/lib/test-byte-queue.c
tests_lib_test_gunzip_SOURCES = tests/lib/test-gunzip.c
tests_lib_test_gunzip_zlib_SOURCES = tests/lib/test-gunzip-zlib.c
tests_installer_test_formula_SOURCES = tests/installer/test-formula.c
tests_installer_test_jws_SOURCES = tests/installer/test-jws.c tests/installer/signing.h
tests_installer_test_relocate_SOURCES = tests/installer/test-relocate.c
tests_installer_test_export_SOURCES = tests/installer/test-export.c tests/installer/elf_sample.h
tests_installer_test_etc_SOURCES = tests/installer/test-etc.c tests/installer/tree_fixture.h
tests_installer_test_link_SOURCES = tests/installer/test-link.c tests/installer/tree_fixture.h
tests_installer_test_link_conflict_SOURCES = tests/installer/test-link-conflict.c tests/installer/tree_fixture.h
tests_installer_test_link_oracle_SOURCES = tests/installer/test-link-oracle.c tests/installer/tree_fixture.h
tests_installer_test_link_rules_SOURCES = tests/installer/test-link-rules.c tests/installer/tree_fixture.h
tests_installer_test_prefix_SOURCES = tests/installer/test-prefix.c tests/installer/tree_fixture.h
tests_installer_test_unlink_SOURCES = tests/installer/test-unlink.c tests/installer/tree_fixture.h
tests_installer_test_version_SOURCES = tests/installer/test-version.c tests/installer/tree_fixture.h
tests_installer_test_brewfile_SOURCES = tests/installer/test-brewfile.c
tests_installer_test_ca_certificates_SOURCES = tests/installer/test-ca-certificates.c
tests_installer_test_file_mode_SOURCES = tests/installer/test-file-mode.c
tests_installer_test_resolve_SOURCES = tests/installer/test-resolve.c tests/installer/tree_fixture.h
tests_installer_test_ruby_regexp_SOURCES = tests/installer/test-ruby-regexp.c
tests_installer_test_steps_SOURCES = tests/installer/test-steps.c tests/installer/steps_fixture.h tests/installer/tree_fixture.h
tests_installer_test_steps_order_SOURCES = tests/installer/test-steps-order.c tests/installer/steps_fixture.h tests/installer/tree_fixture.h
tests_installer_test_step_script_SOURCES = tests/installer/test-step-script.c tests/installer/tree_fixture.h
tests_installer_test_tab_SOURCES = tests/installer/test-tab.c
tests_installer_test_tree_glob_SOURCES = tests/installer/test-tree-glob.c tests/installer/tree_fixture.h
tests_installer_test_download_SOURCES = tests/installer/test-download.c tests/installer/web.h
tests_installer_test_registry_SOURCES = tests/installer/test-registry.c tests/installer/web.h
tests_installer_test_catalog_SOURCES = tests/installer/test-catalog.c tests/installer/signing.h tests/installer/web.h
tests_lib_test_progress_SOURCES = tests/lib/test-progress.c

# The system calls, on ext4, overlayfs and a session alike.
tests_posix_posix_SOURCES = \
	tests/posix/access.c \
	tests/posix/chmod.c \
	tests/posix/chown.c \
	tests/posix/copy.c \
	tests/posix/create.c \
	tests/posix/deep.c \
	tests/posix/errors.c \
	tests/posix/exec.c \
	tests/posix/fixture.c \
	tests/posix/io.c \
	tests/posix/link.c \
	tests/posix/locks.c \
	tests/posix/lower.c \
	tests/posix/lower.h \
	tests/posix/mmap.c \
	tests/posix/names.c \
	tests/posix/open.c \
	tests/posix/paths.c \
	tests/posix/paths.h \
	tests/posix/posix.c \
	tests/posix/posix.h \
	tests/posix/readdir.c \
	tests/posix/readonly.c \
	tests/posix/rename.c \
	tests/posix/rename_flags.c \
	tests/posix/setgid.c \
	tests/posix/sockets.c \
	tests/posix/sparse.c \
	tests/posix/sticky.c \
	tests/posix/symlink.c \
	tests/posix/sync.c \
	tests/posix/truncate.c \
	tests/posix/union_directories.c \
	tests/posix/union_files.c \
	tests/posix/union_names.c \
	tests/posix/unlink.c \
	tests/posix/unlinked.c \
	tests/posix/utimens.c \
	tests/posix/xattr.c
tests_posix_posix_LDADD =
# Calls whose effect is checked afterwards need no check of their own. A sanitizer's wrappers would
# read the addresses that the kernel is to refuse.
tests_posix_posix_CFLAGS = -std=gnu11 -pthread $(WARNING_FLAGS) -Wno-unused-result
tests_posix_posix_LDFLAGS = -pthread
