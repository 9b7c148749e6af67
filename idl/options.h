/* SPDX-License-Identifier: MIT */
/*
 * The options of ipc/options.proto, which protobuf-c keeps as unknown fields. Options of other
 * packages are ignored. An unknown option of package ipc is an error, because the generated code
 * would not do what the author requests.
 */
#ifndef IDL_OPTIONS_H
#define IDL_OPTIONS_H

#include "arena.h"
#include "extensions.pb-c.h"
#include "google/protobuf/descriptor.pb-c.h"

/* An unknown option, or an option whose value has the wrong type. */
struct bad_option {
	uint32_t number; /* of the option; 0: not known which */
	const char *problem;
};

/* If there is a bad option, these functions set *ret_bad and return NULL. They recognize an option
 * by its declaration in files. If options is NULL, no option is set. */
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

/* Returns the options of a method of any descriptor set, which need not contain ipc/options.proto.
 * If the value of an option has the wrong type, returns NULL. options may be NULL. */
const Extensions__Method *options_of_any_method(struct arena *arena,
						const Google__Protobuf__MethodOptions *options);

/* Returns option (pb_c_file).c_package, or NULL if it is not set or malformed. */
const char *options_c_package(struct arena *arena,
			      const Google__Protobuf__FileOptions *options);

#endif /* IDL_OPTIONS_H */
