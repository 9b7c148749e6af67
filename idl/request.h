/* SPDX-License-Identifier: MIT */
/*
 * The files of a CodeGeneratorRequest with all their imports. protoc guarantees that names are
 * identifiers and that types exist, so the generator does not check that.
 */
#ifndef IDL_REQUEST_H
#define IDL_REQUEST_H

#include <stdbool.h>

#include "parameters.h"
#include "types.h"

struct request {
	struct arena *arena;
	Google__Protobuf__FileDescriptorProto *const *files; /* imports precede their importers */
	size_t n_files;
	/* The files as protoc sent them, for request_file_set(). files is the same, or the copies
	 * of c_files(). */
	Google__Protobuf__FileDescriptorProto *const *originals;
	struct parameters *parameters; /* set by the user */
	struct types types;
};

/*
 * Collects the types of the files. Returns NULL, or an error. The request borrows the
 * parameters.
 */
const char *request_init(struct request *request, struct arena *arena,
			 struct parameters *parameters,
			 Google__Protobuf__FileDescriptorProto *const *files, size_t n_files);

const Google__Protobuf__FileDescriptorProto *request_file(const struct request *request,
							  const char *name);

/*
 * Returns a serialized FileDescriptorSet of the file and all its imports, imports first, without
 * positions. It has the comments above the declarations of the file. descriptor.proto is omitted,
 * because every implementation of protobuf has it.
 */
const uint8_t *request_file_set(const struct request *request,
				const Google__Protobuf__FileDescriptorProto *file,
				size_t *ret_size);

#endif /* IDL_REQUEST_H */
