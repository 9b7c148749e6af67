/* SPDX-License-Identifier: MIT */
/*
 * A run of the plugin without its process: takes the request's bytes and returns the response's
 * bytes. The files of the generator, in the order in which they run:
 *
 *   main.c        the command line; check.c --check, which compares two versions of an interface
 *   plugin.c      a run: request, model, files
 *   parameters.c  the parameters of --ipc_out
 *   request.c     the .proto files of the request; source.c their comments and positions
 *   options.c     the options of ipc/options.proto
 *   types.c       properties of message types; codec.c which of them get a codec
 *   model.c       services and methods with all names, checked; diag.c errors for the author
 *   naming_*.c    names of services and methods in each language; names.c from .proto to C
 *   c_files.c     names in C of messages; c_messages.c their code, by protoc-gen-c
 *   rust_names.c  names in Rust of messages; rust_files.c modules of packages
 *   emit_*.c      the code: see emit.h
 *   scope.c       names that are taken; cpp_macros.c macros that cannot be names in C++
 *   text.c        growing text; arena.c memory; wire.c protobuf's wire format
 */
#ifndef IDL_PLUGIN_H
#define IDL_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#include "arena.h"

/*
 * Creates the CodeGeneratorResponse to a CodeGeneratorRequest. Errors in the .proto files are part
 * of the response. Returns NULL, or an error in the request itself, which protoc never sends.
 */
const char *plugin_run(struct arena *arena, const uint8_t *data, size_t size,
		       uint8_t **ret_response, size_t *ret_size);

#endif /* IDL_PLUGIN_H */
