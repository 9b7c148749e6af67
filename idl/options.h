/* SPDX-License-Identifier: MIT */
/*
 * The options of ipc/options.proto. protobuf-c does not support extensions and keeps them
 * as unknown fields, from which they are read here. Options of other packages are ignored.
 * An unknown option of package ipc is an error, because the generated code would not do
 * what its author requests.
 */
#ifndef IDL_OPTIONS_H
#define IDL_OPTIONS_H

#include <stdbool.h>

#include "arena.h"
#include "google/protobuf/descriptor.pb-c.h"

struct method_options {
	bool oneway;
	bool has_id;
	uint64_t id;
	bool has_timeout;
	uint64_t timeout_ms;
};

struct service_options {
	const char *c_prefix; /* NULL if not given */
};

/* An unknown option, or one with a value of the wrong type. */
struct bad_option {
	uint32_t number;
	const char *problem;
};

/* Return false at the first bad option and set *ret_bad. The names of unknown options are
 * looked up in files. options may be NULL. */
bool options_of_method(struct arena *arena, struct method_options *ret,
		       const Google__Protobuf__MethodOptions *options,
		       Google__Protobuf__FileDescriptorProto *const *files, size_t n_files,
		       struct bad_option *ret_bad);
bool options_of_service(struct arena *arena, struct service_options *ret,
			const Google__Protobuf__ServiceOptions *options,
			Google__Protobuf__FileDescriptorProto *const *files, size_t n_files,
			struct bad_option *ret_bad);

#endif /* IDL_OPTIONS_H */
