# Foundations: no word about Homebrew or FUSE.
LIB_SOURCES = \
	lib/buffer.c lib/buffer.h \
	lib/byte_queue.c lib/byte_queue.h \
	lib/cleanup.h \
	lib/command.c lib/command.h \
	lib/db.c lib/db.h \
	lib/digest.c lib/digest.h \
	lib/error.c lib/error.h \
	lib/file.c lib/file.h \
	lib/gunzip.c lib/gunzip.h \
	lib/help.c lib/help.h \
	lib/json.c lib/json.h \
	lib/json_walk.c lib/json_walk.h \
	lib/log.c lib/log.h \
	lib/mountinfo.c lib/mountinfo.h \
	lib/path.c lib/path.h \
	lib/program.c lib/program.h \
	lib/progress.c lib/progress.h \
	lib/suggest.c lib/suggest.h \
	lib/system.c lib/system.h \
	lib/tcp.c lib/tcp.h \
	lib/text.c lib/text.h \
	lib/workers.c lib/workers.h
