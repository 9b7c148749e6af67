/* SPDX-License-Identifier: MIT */
/*
 * The model: everything that the emitters need, with all names and numbers computed and
 * checked. model.c builds it from descriptors. Emitters cannot fail.
 */
#ifndef IDL_MODEL_H
#define IDL_MODEL_H

#include <stdbool.h>

#include "codec.h"
#include "diag.h"
#include "request.h"

struct method {
	const char *name;    /* "Say" */
	const char *path;    /* "echo.Echo/Say" */
	const char *called;  /* "Say", or what (ipc.name) or parameter name chose in its place */
	const char *ident;   /* C++, Python and Rust: its name, by the language's naming */
	const char *snake;   /* C: "say", for echo_say() and echo_reply_say() */
	const char *member;  /* C: "say", for ops.say; differs from snake for keywords */
	const char *index;   /* "ECHO_METHOD_SAY", its place in the method table */
	const char *comment; /* the author's, or NULL */
	const struct type *request;
	const struct type *reply;
	const struct codec *request_codec; /* or NULL */
	const struct codec *reply_codec;   /* or NULL */
	bool has_request; /* not ipc.None */
	bool has_reply;	  /* neither ipc.None nor a oneway */
	bool oneway;
	bool copy;	     /* received bytes are copied */
	bool sends;	  /* a stream of requests */
	bool streams;	  /* either */
	bool pushes;	  /* a stream of replies */
	uint32_t code;
	bool explicit_code; /* by (ipc.id) */
	uint32_t timeout_ms; /* 0: none */
	struct path place;
};

struct service {
	const char *name;      /* "Echo" */
	const char *full_name; /* "echo.Echo" */
	const char *pb_name;   /* from which protoc-c makes C names; differs with c_package */
	const char *ident;     /* C++, Python and Rust: its class, by the language's naming */
	const char *prefix;    /* C: "echo" */
	bool explicit_prefix;  /* the author or the user chose it */
	const char *self;      /* C: "echo", the parameter's name */
	const char *comment;   /* the author's, or NULL */
	struct method *methods; /* as in the file */
	size_t n_methods;
	const struct method **by_code; /* sorted */
	uint64_t hash; /* of its shape */
	struct path place;
};

/* One .proto file with services: one header, one source. */
struct unit {
	const char *file; /* "dir/echo.proto" */
	const struct request *request;
	const Google__Protobuf__FileDescriptorProto *proto;
	const char *base; /* "dir/echo" */
	const char *identifier; /* "dir_2fecho_2eproto" */
	const char *license; /* "MIT", by the author's SPDX line, or NULL */
	struct service *services;
	size_t n_services;
	struct codecs codecs; /* of the methods' messages */
	const uint8_t *set; /* FileDescriptorSet */
	size_t set_size;
	const struct rust_names *rust; /* lang=rust: the names of all types */
};

/* Builds the unit of one file, without the names that depend on the language: see naming.h.
 * Errors of its author go to diag; then the unit must not be used. */
void unit_build(struct unit *unit, const struct request *request,
		const Google__Protobuf__FileDescriptorProto *file, struct diag *diag);

#endif /* IDL_MODEL_H */
