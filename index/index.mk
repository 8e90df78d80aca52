# The store: objects, packs, trees, generations. No FUSE, no curl.
INDEX_SOURCES = \
	index/cache.c index/cache.h \
	index/cache_room.c index/cache_room.h \
	index/changes.c index/changes.h \
	index/check.c index/check.h \
	index/check_file.c index/check_file.h \
	index/check_files.c index/check_files.h \
	index/check_prefix.c index/check_prefix.h \
	index/check_store.c index/check_store.h \
	index/check_tree.c index/check_tree.h \
	index/check_unused.c index/check_unused.h \
	index/cmd_deps.c index/commands.h \
	index/cmd_du.c \
	index/cmd_fsck.c \
	index/cmd_gc.c \
	index/cmd_info.c \
	index/cmd_list.c \
	index/cmd_log.c \
	index/cmd_rollback.c \
	index/cmd_warm.c \
	index/commit.c index/commit.h \
	index/commit_kegs.c index/commit_kegs.h \
	index/commit_mark.c index/commit_mark.h \
	index/commit_put.c index/commit_put.h \
	index/commit_view.c index/commit_view.h \
	index/content.c index/content.h \
	index/delta.c index/delta.h \
	index/diff.c index/diff.h \
	index/fetch.c index/fetch.h \
	index/fetch_blocks.c index/fetch_blocks.h \
	index/efs.c index/efs.h \
	index/efs_mount.c index/efs_mount.h \
	index/efs_mounted.c index/efs_mounted.h \
	index/efs_region.c \
	index/flatten.c index/flatten.h \
	index/gc.c index/gc.h \
	index/gc_lock.c index/gc_lock.h \
	index/gc_mark.c \
	index/gc_sweep.c \
	index/ignore.c index/ignore.h \
	index/import.c index/import.h \
	index/import_scan.c index/import_scan.h \
	index/keg.c index/keg.h \
	index/known.c index/known.h \
	index/metadata.c index/metadata.h \
	index/lease.c index/lease.h \
	index/merge.c index/merge.h index/merge_private.h \
	index/merge_conflict.c \
	index/merge_leaf.c \
	index/merge_nodes.c index/merge_nodes.h \
	index/merge_place.c \
	index/merge_side.c index/merge_side.h \
	index/pack.c index/pack.h \
	index/publish.c index/publish.h \
	index/publish_delta.c index/publish_delta.h \
	index/put.c index/put.h \
	index/put_files.c index/put_files.h \
	index/rack.c index/rack.h \
	index/reading.c index/reading.h \
	index/rebuild.c index/rebuild.h \
	index/receipt.c index/receipt.h \
	index/ref.c index/ref.h \
	index/references.c index/references.h \
	index/schema.c index/schema.h \
	index/selection.c index/selection.h \
	index/session_update.c index/session_update.h \
	index/session.c index/session.h index/session_private.h \
	index/session_create.c \
	index/session_record.c \
	index/snapshot.c index/snapshot.h \
	index/store.c index/store.h \
	index/tree.c index/tree.h index/tree_private.h \
	index/tree_change.c \
	index/tree_graft.c \
	index/tree_path.c index/tree_path.h \
	index/tree_transaction.c \
	index/usage.c index/usage.h \
	index/worktree.c index/worktree.h index/worktree_private.h \
	index/worktree_attribute.c \
	index/worktree_background.c \
	index/worktree_check.c \
	index/worktree_commit.c \
	index/worktree_data.c \
	index/worktree_file.c \
	index/worktree_host.c \
	index/worktree_inode.c \
	index/worktree_log.c \
	index/worktree_name.c \
	index/worktree_query.c \
	index/worktree_recover.c \
	index/worktree_statement.c \
	index/worktree_sync.c \
	index/worktree_xattr.c \
	index/writer.c index/writer.h
