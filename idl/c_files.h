/* SPDX-License-Identifier: MIT */
/*
 * The files of a request as C has them. protoc-gen-c makes C names of the names in a file, and it
 * changes only keywords of C++. So names that would clash in C, or are macros, are changed before
 * protoc-gen-c sees the file. It does not support optional fields in proto3 either, but it
 * supports the oneof that protoc makes of each.
 */
#ifndef IDL_C_FILES_H
#define IDL_C_FILES_H

#include "diag.h"
#include "request.h"

/*
 * Returns copies of the files of the request, in its order, with other names where C needs them
 * and without proto3_optional. Fields, oneofs and enum values get trailing underscores, messages
 * and enums a T, because protoc-gen-c drops underscores of types. The file's names depend on
 * the file and its imports only. Reports types of two imports that have one name in C.
 */
Google__Protobuf__FileDescriptorProto **c_files(const struct request *request, struct diag *diag);

/* Reports what protoc --c_out cannot generate as the stubs need it: for messages=no. copy is what
 * c_files() made of the file. */
void c_files_check(const Google__Protobuf__FileDescriptorProto *file,
		   const Google__Protobuf__FileDescriptorProto *copy, struct arena *arena,
		   struct diag *diag);

#endif /* IDL_C_FILES_H */
