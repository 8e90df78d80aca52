# From a formula's name to a keg in the tree. No FUSE.
INSTALLER_SOURCES = \
	installer/bottle.c installer/bottle.h \
	installer/bottle_deferred.c installer/bottle_deferred.h \
	installer/bottle_manifest.c installer/bottle_manifest.h \
	installer/bottle_member.c installer/bottle_member.h \
	installer/bottle_unpack.c installer/bottle_unpack.h \
	installer/brewfile.c installer/brewfile.h \
	installer/brewfile_entry.c installer/brewfile_private.h \
	installer/brewfile_parse.c \
	installer/ca_certificates.c installer/ca_certificates.h \
	installer/catalog.c installer/catalog.h \
	installer/catalog_convert.c installer/catalog_private.h \
	installer/catalog_depot.c \
	installer/catalog_packages.c \
	installer/catalog_single.c \
	installer/checkpoint.c installer/checkpoint.h \
	installer/cmd_env.c \
	installer/cmd_export.c \
	installer/cmd_fetch.c \
	installer/cmd_import.c \
	installer/cmd_install.c \
	installer/cmd_postinstall.c \
	installer/cmd_trace.c \
	installer/commands.h \
	installer/depot.c installer/depot.h \
	installer/dependents.c installer/dependents.h \
	installer/download.c installer/transport_private.h \
	installer/download_verdict.c \
	installer/elf.c installer/elf.h \
	installer/elf_edit.c installer/elf_edit.h \
	installer/elf_format.c installer/elf_format.h \
	installer/elf_grow.c installer/elf_grow.h \
	installer/elf_image.c installer/elf_image.h \
	installer/elf_layout.c installer/elf_layout.h \
	installer/elf_patch.c installer/elf_patch.h \
	installer/elf_rpath.c installer/elf_rpath.h \
	installer/elf_strings.c installer/elf_strings.h \
	installer/elf_versions.c installer/elf_versions.h \
	installer/export.c installer/export.h \
	installer/export_cache.c installer/export_cache.h \
	installer/export_contents.c installer/export_contents.h \
	installer/export_facts.c installer/export_facts.h \
	installer/export_file.c installer/export_file.h \
	installer/export_libraries.c installer/export_libraries.h \
	installer/export_manifest.c installer/export_manifest.h \
	installer/export_names.c installer/export_names.h \
	installer/export_needs.c installer/export_needs.h \
	installer/export_place.c installer/export_place.h \
	installer/export_plan.c installer/export_plan.h \
	installer/export_rewrite.c installer/export_rewrite.h \
	installer/export_runtime.c installer/export_runtime.h \
	installer/export_select.c installer/export_select.h \
	installer/export_target.c installer/export_target.h \
	installer/export_trace.c installer/export_trace.h \
	installer/export_walk.c installer/export_walk.h \
	installer/export_write.c installer/export_write.h \
	installer/etc.c installer/etc.h \
	installer/family.c installer/family.h \
	installer/fetch.c installer/fetch.h \
	installer/fetch_bottle.c installer/fetch_bottle.h \
	installer/file_mode.c installer/file_mode.h \
	installer/finder.c installer/finder.h \
	installer/finish.c installer/finish.h \
	installer/formula.c installer/formula.h \
	installer/formula_fields.c installer/formula_private.h \
	installer/formula_installed.c installer/formula_installed.h \
	installer/formula_internal.c \
	installer/formula_lifecycle.c \
	installer/formula_public.c \
	installer/formula_rules.c \
	installer/formula_text.c installer/formula_text.h \
	installer/homebrew_key.c installer/homebrew_key.h \
	installer/install.c installer/install.h \
	installer/installed.c installer/installed.h \
	installer/jws.c installer/jws.h \
	installer/keg_builder.c installer/keg_builder.h \
	installer/keg_note.c installer/keg_note.h \
	installer/link.c installer/link.h \
	installer/link_rules.c installer/link_rules.h \
	installer/link_walk.c installer/link_walk.h \
	installer/listing.c installer/listing.h \
	installer/local_bottle.c installer/local_bottle.h \
	installer/migrate.c installer/migrate.h \
	installer/missing.c installer/missing.h \
	installer/opt.c installer/opt.h \
	installer/payload.c installer/payload.h \
	installer/pour.c installer/pour.h \
	installer/prefix.c installer/prefix.h \
	installer/registry.c installer/registry.h \
	installer/registry_places.c installer/registry_places.h \
	installer/relocate_link.c installer/relocate_link.h \
	installer/relocate_scope.c installer/relocate_scope.h \
	installer/relocate_text.c installer/relocate_text.h \
	installer/resolve.c installer/resolve.h \
	installer/resolve_decide.c installer/resolve_private.h \
	installer/resolve_graph.c \
	installer/ruby_regexp.c installer/ruby_regexp.h \
	installer/ruby_string.c installer/ruby_string.h \
	installer/ruby_text.c installer/ruby_text.h \
	installer/ruby_value.c installer/ruby_value.h \
	installer/steps.c installer/steps.h \
	installer/steps_copy.c installer/steps_private.h \
	installer/steps_files.c \
	installer/steps_gunzip.c \
	installer/steps_links.c \
	installer/steps_paths.c \
	installer/steps_text.c \
	installer/steps_values.c \
	installer/programs.c installer/programs.h \
	installer/program_process.c installer/program_process.h \
	installer/step_script.c installer/step_script.h \
	installer/step_script_runtimes.c installer/step_script_private.h \
	installer/tab.c installer/tab.h \
	installer/tab_check.c \
	installer/tab_source.c installer/tab_source.h \
	installer/target.c installer/target.h \
	installer/trace.c installer/trace.h \
	installer/transport.c installer/transport.h \
	installer/tree_glob.c installer/tree_glob.h \
	installer/unlink.c installer/unlink.h \
	installer/url.c installer/url.h \
	installer/version.c installer/version.h \
	installer/wanted.c installer/wanted.h

# What an export carries for Lambda: one program without anything of ours, static where that can be linked.
pkglibexec_PROGRAMS = brewfs-lambda
brewfs_lambda_SOURCES = \
	installer/lambda/elf.c \
	installer/lambda/host_directories.h \
	installer/lambda/lambda.h \
	installer/lambda/linker.c \
	installer/lambda/main.c \
	installer/lambda/run.c
brewfs_lambda_CFLAGS = -std=gnu11 $(WARNING_FLAGS)
brewfs_lambda_CPPFLAGS = -D_GNU_SOURCE -I$(top_srcdir)
brewfs_lambda_LDFLAGS = $(STATIC_FLAG) -s
brewfs_lambda_LDADD =
