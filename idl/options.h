/* SPDX-License-Identifier: MIT */
/*
 * The options of ipc/options.proto. protobuf-c knows no extensions and keeps
 * them as unknown fields, from which they are read here. Options of other
 * packages are nobody's business; one of package ipc that this generator does
 * not know is an error, because ignoring it would generate something else than
 * was asked for.
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

/* One that is not known, or has a value of the wrong kind. */
struct bad_option {
	uint32_t number;
	const char *problem;
};

/* The files are searched for the names of unknown options. Return whether all
 * is well; *ret_bad is the first that is not. options may be NULL. */
bool options_of_method(struct arena *arena, struct method_options *ret,
		       const Google__Protobuf__MethodOptions *options,
		       Google__Protobuf__FileDescriptorProto *const *files, size_t n_files,
		       struct bad_option *ret_bad);
bool options_of_service(struct arena *arena, struct service_options *ret,
			const Google__Protobuf__ServiceOptions *options,
			Google__Protobuf__FileDescriptorProto *const *files, size_t n_files,
			struct bad_option *ret_bad);

#endif /* IDL_OPTIONS_H */
