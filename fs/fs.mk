# The FUSE driver and the commands around a mount. No curl.
FS_SOURCES =
