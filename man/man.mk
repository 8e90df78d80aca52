# Manual pages: one for each command of the table in brewfs.c, which tests/man checks; and shell completion.
dist_man_MANS = \
	man/brewfs.1 \
	man/brewfs-deps.1 \
	man/brewfs-doctor.1 \
	man/brewfs-du.1 \
	man/brewfs-env.1 \
	man/brewfs-export.1 \
	man/brewfs-fetch.1 \
	man/brewfs-format.5 \
	man/brewfs-fsck.1 \
	man/brewfs-gc.1 \
	man/brewfs-help.1 \
	man/brewfs-import.1 \
	man/brewfs-info.1 \
	man/brewfs-install.1 \
	man/brewfs-list.1 \
	man/brewfs-log.1 \
	man/brewfs-mount.1 \
	man/brewfs-postinstall.1 \
	man/brewfs-rollback.1 \
	man/brewfs-session.1 \
	man/brewfs-shell.1 \
	man/brewfs-status.1 \
	man/brewfs-trace.1 \
	man/brewfs-umount.1 \
	man/brewfs-warm.1

bashcompletiondir = $(datadir)/bash-completion/completions
dist_bashcompletion_DATA = completions/brewfs
