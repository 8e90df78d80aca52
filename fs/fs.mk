# The FUSE driver and the commands around a mount. No curl.
FS_SOURCES = \
	fs/background.c fs/background.h \
	fs/cmd_mount.c \
	fs/cmd_status.c \
	fs/cmd_umount.c \
	fs/commands.h \
	fs/control.c fs/control.h \
	fs/daemon.c fs/daemon.h \
	fs/driver.c fs/driver.h \
	fs/elders.c fs/elders.h \
	fs/features.c fs/features.h \
	fs/follow.c fs/follow.h \
	fs/holders.c fs/holders.h \
	fs/host.c fs/host.h \
	fs/invalidation.c fs/invalidation.h \
	fs/lineage.c fs/lineage.h \
	fs/listing.c fs/listing.h \
	fs/loaded.c fs/loaded.h \
	fs/mountinfo.c fs/mountinfo.h \
	fs/mountpoint.c fs/mountpoint.h \
	fs/options.c fs/options.h \
	fs/published.c fs/published.h \
	fs/reads.c fs/reads.h \
	fs/reply.c fs/reply.h \
	fs/report.c fs/report.h \
	fs/responders.c fs/responders.h \
	fs/service.h \
	fs/stats.c fs/stats.h \
	fs/status.c fs/status.h
