/* SPDX-License-Identifier: MIT */
/*
 * The messages for C: the files X.pb-c.h and X.pb-c.c. The plugin runs protoc-gen-c on the files
 * from c_files().
 */
#ifndef IDL_C_MESSAGES_H
#define IDL_C_MESSAGES_H

#include "google/protobuf/compiler/plugin.pb-c.h"
#include "request.h"

/* Generates the messages of the named files. With parameter imports, also generates the messages of
 * the files that they need. The files of the request must come from c_files(). Returns NULL, or an
 * error message for the user. */
const char *c_messages(const struct request *request, char *const *names, size_t n_names,
		       Google__Protobuf__Compiler__CodeGeneratorResponse__File ***ret_files,
		       size_t *ret_n_files);

/* Appends to list the other files whose messages the named file needs in C. */
void c_messages_imports(const struct request *request, const char *name, const char **list,
			size_t *n);

#endif /* IDL_C_MESSAGES_H */
