/* SPDX-License-Identifier: MIT */
/*
 * The emitters: from the model to C. One file for each part of the output:
 *
 *   emit_header.c   X.ipc.h, from the first line to the last
 *   emit_source.c   X.ipc.c: its frame, and the embedded descriptors
 *   emit_codec.c      the codecs of its messages
 *   emit_server.c     the server: handlers' trampolines, method table, replies
 *   emit_client.c     the client: the proxy's functions
 *   emit_stream.c   methods with streams, in both files
 *   emit_sign.c     the functions' signatures, for header and source alike
 *   emit_cpp.c      X.ipc.hpp, for lang=cpp
 *
 *   emit_python.c        X_ipc.py, and names in Python
 *   emit_python_types.c  X_ipc.pyi
 *
 *   emit_rust.c        X.ipc.rs: clients and services
 *   emit_rust_types.c    its messages
 *   rust_files.c         ipc.rs, with the modules of all files
 *
 * Add every new name to the naming_*.c of the language too.
 */
#ifndef IDL_EMIT_H
#define IDL_EMIT_H

#include "model.h"
#include "text.h"

struct emitter {
	struct arena *arena;
	const struct unit *unit;
	const struct types *types; /* all types of the request */
	const struct request *request;
	struct text *out;
	const struct rust_module *module; /* lang=rust: the module that is being written */
};

/* Maximum number of parameters of a function. */
#define PARAMS_MAX 8

#define emit(e, ...) text_printf((e)->out, __VA_ARGS__)

/* The files. */
void emit_header(struct emitter *e);
void emit_source(struct emitter *e);
void emit_cpp(struct emitter *e);

/* The codecs of the messages, and the class name of a message. */
void emit_cpp_codecs(struct emitter *e);
const char *cpp_class(struct emitter *e, const struct type *type);

/* lang=python: X_ipc.py, and X_ipc.pyi with the types. */
void emit_python(struct emitter *e);
void emit_python_types(struct emitter *e);

/* lang=rust: X.ipc.rs; and ipc.rs, with a module for each package. */
void emit_rust(struct emitter *e);
void emit_rust_modules(struct text *out, const struct unit *units, size_t n_units);

/* Parts of the source. */
void emit_codecs(struct emitter *e);
void emit_server(struct emitter *e, const struct service *service);
void emit_client(struct emitter *e, const struct service *service);

/* Methods with streams: declarations for the header, or definitions for the source. */
void emit_stream_client(struct emitter *e, const struct service *service,
			const struct method *method, bool source);
void emit_stream_server(struct emitter *e, const struct service *service,
			const struct method *method, bool source);
/* For the source only: the function that libipc calls for a new stream. It calls the handler. */
void emit_stream_start(struct emitter *e, const struct service *service,
		       const struct method *method);
/* For the header only: as sign_handler(). */
void sign_stream_handler(struct emitter *e, const struct method *method, const char *tail);

/* Writes a heading: "=== title ====..." between services, or "--- title ---...". */
void emit_title(struct emitter *e, char rule, const char *title);

/* --- Signatures; tail is ";\n" or "\n{\n" ------------------------------------ */

void sign_get(struct emitter *e, const struct service *service, const char *tail);
void sign_wait(struct emitter *e, const struct service *service, const char *tail);
void sign_take(struct emitter *e, const struct service *service, const char *tail);
void sign_from_proxy(struct emitter *e, const struct service *service, const char *tail);
void sign_ref(struct emitter *e, const struct service *service, const char *tail);
void sign_unref(struct emitter *e, const struct service *service, const char *tail);
void sign_proxy(struct emitter *e, const struct service *service, const char *tail);
void sign_on_death(struct emitter *e, const struct service *service, const char *tail);
void sign_call(struct emitter *e, const struct service *service, const struct method *method,
	       const char *tail);
void sign_call_with(struct emitter *e, const struct service *service,
		    const struct method *method, const char *tail);
void sign_cb(struct emitter *e, const struct service *service, const struct method *method,
	     const char *tail);
void sign_async(struct emitter *e, const struct service *service, const struct method *method,
		const char *tail);
void sign_reply_free(struct emitter *e, const struct service *service,
		     const struct method *method, const char *tail);
void sign_reply_keep(struct emitter *e, const struct service *service,
		     const struct method *method, const char *tail);

/* Writes the handler as a member of the ops, indented by a tab. */
void sign_handler(struct emitter *e, const struct method *method, const char *tail);
void sign_reply(struct emitter *e, const struct service *service, const struct method *method,
		const char *tail);
void sign_object_new(struct emitter *e, const struct service *service, const char *tail);
void sign_register(struct emitter *e, const struct service *service, const char *tail);
void sign_register_with(struct emitter *e, const struct service *service, const char *tail);

/* --- Expressions --------------------------------------------------------------- */

/* "Echo__SayRequest" */
const char *emit_class(struct emitter *e, const struct type *type);

/* "&echo_method_table[ECHO_METHOD_SAY]" */
const char *emit_method(struct emitter *e, const struct service *service,
			const struct method *method);

#endif /* IDL_EMIT_H */
