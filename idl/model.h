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
	const char *snake;   /* "say": echo_say(), echo_reply_say(), ops.say */
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
	bool shared;	  /* messages of its streams go through shared memory */
	bool sends;	  /* a stream of requests */
	bool streams;	  /* either */
	bool pushes;	  /* a stream of replies */
	uint32_t code;
	uint32_t timeout_ms; /* 0: none */
	struct path place;
};

struct service {
	const char *name;      /* "Echo" */
	const char *full_name; /* "echo.Echo" */
	const char *pb_name;   /* from which protoc-c makes C names; differs with c_package */
	const char *prefix;    /* "echo" */
	const char *self;      /* "echo", the parameter's name */
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
	const char *base; /* "dir/echo" */
	const char *identifier; /* "dir_2fecho_2eproto" */
	const char *license; /* "MIT", by the author's SPDX line, or NULL */
	struct service *services;
	size_t n_services;
	struct codecs codecs; /* of the methods' messages */
	const uint8_t *set; /* FileDescriptorSet */
	size_t set_size;
};

/* Builds the unit of one file. Its C names must not be those of the earlier units. Errors of
 * its author go to diag; then the unit must not be used. */
void unit_build(struct unit *unit, const struct request *request,
		const Google__Protobuf__FileDescriptorProto *file, const struct unit *earlier,
		size_t n_earlier, struct diag *diag);

#endif /* IDL_MODEL_H */
