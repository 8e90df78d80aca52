# From a formula's name to a keg in the tree. No FUSE.
INSTALLER_SOURCES =
