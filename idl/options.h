/* SPDX-License-Identifier: MIT */
/*
 * The options of ipc/options.proto, which protobuf-c keeps as unknown fields. Options of
 * other packages are ignored. An unknown option of package ipc is an error, because the
 * generated code would not do what its author requests.
 */
#ifndef IDL_OPTIONS_H
#define IDL_OPTIONS_H

#include "arena.h"
#include "extensions.pb-c.h"
#include "google/protobuf/descriptor.pb-c.h"

/* An unknown option, or one with a value of the wrong type. */
struct bad_option {
	uint32_t number; /* 0: not known which */
	const char *problem;
};

/* Return NULL at a bad option and set *ret_bad. The names of options are looked up in files.
 * options may be NULL. */
const Extensions__Method *options_of_method(struct arena *arena,
					    const Google__Protobuf__MethodOptions *options,
					    Google__Protobuf__FileDescriptorProto *const *files,
					    size_t n_files, struct bad_option *ret_bad);
const Extensions__Service *options_of_service(struct arena *arena,
					      const Google__Protobuf__ServiceOptions *options,
					      Google__Protobuf__FileDescriptorProto *const *files,
					      size_t n_files, struct bad_option *ret_bad);
const Extensions__File *options_of_file(struct arena *arena,
					const Google__Protobuf__FileOptions *options,
					Google__Protobuf__FileDescriptorProto *const *files,
					size_t n_files, struct bad_option *ret_bad);

/* Option (pb_c_file).c_package; NULL: it is not set. */
const char *options_c_package(struct arena *arena,
			      const Google__Protobuf__FileOptions *options);

#endif /* IDL_OPTIONS_H */
