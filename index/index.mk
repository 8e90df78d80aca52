# The store: objects, packs, trees, generations. No FUSE, no curl.
INDEX_SOURCES = \
	index/content.c index/content.h \
	index/keg.c index/keg.h \
	index/known.c index/known.h \
	index/pack.c index/pack.h \
	index/publish.c index/publish.h \
	index/put.c index/put.h \
	index/ref.c index/ref.h \
	index/schema.c index/schema.h \
	index/snapshot.c index/snapshot.h \
	index/store.c index/store.h \
	index/tree.c index/tree.h index/tree_private.h \
	index/tree_change.c \
	index/tree_graft.c \
	index/tree_path.c index/tree_path.h \
	index/writer.c index/writer.h
