/* SPDX-License-Identifier: MIT */
/*
 * The model: all data that the emitters need, with all names and numbers computed and checked.
 * model.c builds it from descriptors. Emitters cannot fail.
 */
#ifndef IDL_MODEL_H
#define IDL_MODEL_H

#include <stdbool.h>

#include "codec.h"
#include "diag.h"
#include "request.h"

struct method {
	const char *name;      /* "Say" */
	const char *full_name; /* "echo.Echo.Say" */
	const char *called;  /* "Say", or the name that (ipc.name) or parameter name chose */
	const char *ident;   /* C++, Python and Rust: its name, by the language's naming */
	const char *snake;   /* C: "say", for echo_reply_say() */
	const char *plain;   /* C: "say", for echo_say(); differs from snake in case of a clash.
			      * Rust: the client's function; likewise from ident */
	const char *with;    /* C: "say_with", for echo_say_with(); likewise */
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
	bool sends;	  /* has a stream of requests */
	bool streams;	  /* has a stream */
	bool pushes;	  /* has a stream of replies */
	uint32_t number;
	bool explicit_number; /* set by (ipc.id) */
	uint32_t timeout_ms; /* 0: no timeout */
	struct path place;
};

struct service {
	const char *name;      /* "Echo" */
	const char *full_name; /* "echo.Echo" */
	const char *pb_name;   /* from which protoc-c makes C names; differs with c_package */
	const char *ident;     /* C++, Python and Rust: its class, by the language's naming */
	const char *prefix;    /* C: "echo" */
	bool explicit_prefix;  /* the author or the user chose the prefix */
	struct path prefix_place; /* in the file: the option, or the name */
	const char *self;      /* C: "echo", the parameter's name */
	const char *comment;   /* the author's, or NULL */
	struct method *methods; /* in the order of the file */
	size_t n_methods;
	const struct method **by_number; /* sorted */
	struct path place;
};

/* A .proto file with services: one header, one source. */
struct unit {
	const char *file; /* "dir/echo.proto" */
	const struct request *request;
	const Google__Protobuf__FileDescriptorProto *proto;
	const char *base; /* "dir/echo" */
	const char *identifier; /* "dir_2fecho_2eproto" */
	const char *license; /* "MIT", from the author's SPDX line, or NULL */
	struct service *services;
	size_t n_services;
	struct codecs codecs; /* of the methods' messages */
	const uint8_t *set; /* FileDescriptorSet */
	size_t set_size;
	const struct rust_names *rust; /* lang=rust: the names of all types */
};

/* Builds the unit of a file, without the names that depend on the language: see naming.h. Appends
 * errors in the file to diag. If there are errors, the unit must not be used. */
void unit_build(struct unit *unit, const struct request *request,
		const Google__Protobuf__FileDescriptorProto *file, struct diag *diag);

#endif /* IDL_MODEL_H */
