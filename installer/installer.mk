# From a formula's name to a keg in the tree. No FUSE.
INSTALLER_SOURCES = \
	installer/bottle.c installer/bottle.h \
	installer/bottle_deferred.c installer/bottle_deferred.h \
	installer/bottle_member.c installer/bottle_member.h \
	installer/bottle_unpack.c installer/bottle_unpack.h \
	installer/keg_builder.c installer/keg_builder.h \
	installer/payload.c installer/payload.h \
	installer/relocate_link.c installer/relocate_link.h \
	installer/relocate_scope.c installer/relocate_scope.h \
	installer/relocate_text.c installer/relocate_text.h
