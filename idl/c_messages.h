/* SPDX-License-Identifier: MIT */
/*
 * The messages for C: the files X.pb-c.h and X.pb-c.c of protoc-gen-c, which the plugin runs on
 * the files that c_files() made.
 */
#ifndef IDL_C_MESSAGES_H
#define IDL_C_MESSAGES_H

#include "google/protobuf/compiler/plugin.pb-c.h"
#include "request.h"

/*
 * Returns whether protoc runs protoc-gen-c itself: its command line has --c_out. protoc tells no
 * plugin about the others, and fails if two of them write one file.
 */
bool c_generator_is_beside(void);

/* Generates the messages of the files that are named, and with parameter imports of those that
 * they need. The files of the request are those of c_files(). Returns NULL, or an error for the
 * user. */
const char *c_messages(const struct request *request, char *const *names, size_t n_names,
		       Google__Protobuf__Compiler__CodeGeneratorResponse__File ***ret_files,
		       size_t *ret_n_files);

/* Appends to list the names of the files, besides the one named, of which C needs the messages. */
void c_messages_imports(const struct request *request, const char *name, const char **list,
			size_t *n);

#endif /* IDL_C_MESSAGES_H */
