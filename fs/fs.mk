# The FUSE driver and the commands around a mount. No curl.
FS_SOURCES = \
	fs/background.c fs/background.h \
	fs/cmd_doctor.c \
	fs/cmd_mount.c \
	fs/cmd_session.c \
	fs/cmd_shell.c \
	fs/cmd_status.c \
	fs/cmd_umount.c \
	fs/commands.h \
	fs/control.c fs/control.h \
	fs/daemon.c fs/daemon.h \
	fs/diagnosis.h \
	fs/diagnosis_host.c \
	fs/diagnosis_nfs.c \
	fs/diagnosis_store.c \
	fs/driver.c fs/driver.h \
	fs/elders.c fs/elders.h \
	fs/features.c fs/features.h \
	fs/elf_needs.c fs/elf_needs.h \
	fs/follow.c fs/follow.h \
	fs/foresight.c fs/foresight.h \
	fs/handshake.c fs/handshake.h \
	fs/holders.c fs/holders.h \
	fs/host.c fs/host.h \
	fs/invalidation.c fs/invalidation.h \
	fs/lineage.c fs/lineage.h \
	fs/listing.c fs/listing.h \
	fs/loaded.c fs/loaded.h \
	fs/mount_helper.c fs/mount_helper.h \
	fs/mountinfo.h \
	fs/mountpoint.c fs/mountpoint.h \
	fs/options.c fs/options.h \
	fs/passthrough.c fs/passthrough.h \
	fs/published.c fs/published.h \
	fs/reads.c fs/reads.h \
	fs/reply.c fs/reply.h \
	fs/report.c fs/report.h \
	fs/responders.c fs/responders.h \
	fs/service.h \
	fs/session_attributes.c \
	fs/session_calls.h \
	fs/session_data.c \
	fs/session_driver.c fs/session_driver.h \
	fs/session_host.c fs/session_host.h \
	fs/session_jobs.c fs/session_jobs.h \
	fs/session_lookups.c fs/session_lookups.h \
	fs/session_lease.c fs/session_lease.h \
	fs/session_listing.c \
	fs/session_names.c \
	fs/session_parking.c fs/session_parking.h \
	fs/session_access.c fs/session_access.h \
	fs/session_request.c fs/session_request.h \
	fs/session_service.c fs/session_service.h \
	fs/shell_daemon.c fs/shell_daemon.h \
	fs/shell_namespace.c fs/shell_namespace.h \
	fs/shell_process.c fs/shell_process.h \
	fs/stats.c fs/stats.h \
	fs/status.c fs/status.h

# mount(8) looks for mount.brewfs in /sbin: `make install mounthelperdir=/sbin`, where sbindir is another.
mounthelperdir = $(sbindir)
install-exec-hook:
	$(MKDIR_P) '$(DESTDIR)$(mounthelperdir)'
	ln -sf '$(bindir)/brewfs' '$(DESTDIR)$(mounthelperdir)/mount.brewfs'
uninstall-hook:
	rm -f '$(DESTDIR)$(mounthelperdir)/mount.brewfs'

SYSTEMD_UNITS = fs/systemd/brewfs@.service fs/systemd/home-linuxbrew-.linuxbrew.mount
systemddir = $(prefix)/lib/systemd/system
nodist_systemd_DATA = $(SYSTEMD_UNITS)
EXTRA_DIST += fs/systemd/brewfs@.service.in fs/systemd/home-linuxbrew-.linuxbrew.mount.in
CLEANFILES += $(SYSTEMD_UNITS)
make_unit = $(AM_V_GEN)$(MKDIR_P) fs/systemd && sed 's|@bindir[@]|$(bindir)|g' '$(srcdir)/$@.in' >'$@.new' && mv '$@.new' '$@'
fs/systemd/brewfs@.service: fs/systemd/brewfs@.service.in Makefile
	$(make_unit)
fs/systemd/home-linuxbrew-.linuxbrew.mount: fs/systemd/home-linuxbrew-.linuxbrew.mount.in Makefile
	$(make_unit)
