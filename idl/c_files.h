/* SPDX-License-Identifier: MIT */
/*
 * The files of a request with names that are valid in C. protoc-gen-c derives C names from the
 * names in a file, and changes only keywords of C++. So names that would clash in C, or that are
 * macros, are changed before protoc-gen-c reads the file. protoc-gen-c does not support optional
 * fields in proto3, but it supports the oneof that protoc creates for each of them.
 */
#ifndef IDL_C_FILES_H
#define IDL_C_FILES_H

#include "diag.h"
#include "request.h"

/*
 * Returns copies of the files of the request, in the same order. Names are changed where C requires
 * it, and proto3_optional is removed. Fields, oneofs and enum values get trailing underscores.
 * Messages and enums get a trailing T, because protoc-gen-c drops underscores of types. The names
 * of a file depend only on the file and its imports. Reports an error if types of two imports have
 * the same name in C.
 */
Google__Protobuf__FileDescriptorProto **c_files(const struct request *request, struct diag *diag);

#endif /* IDL_C_FILES_H */
