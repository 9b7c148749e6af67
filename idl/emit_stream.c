// SPDX-License-Identifier: MIT
/*
 * Methods with streams, in header and source: functions that open, send and receive, or set
 * callbacks, and the function that calls the handler. Both files use the same list of functions, so
 * they cannot differ.
 */
#include "emit.h"

/* A generated function: its signature, and its body for the source. */
struct function {
	const char *lead;		    /* return type and name */
	const char *params[PARAMS_MAX + 1]; /* ends with NULL */
	const char *body;		    /* between the braces */
};

struct stream_emitter {
	struct emitter *e;
	const struct service *s;
	const struct method *m;
	bool source; /* write definitions; otherwise declarations */
};

#define format(se, ...) arena_printf((se)->e->arena, __VA_ARGS__)

static void emit_function(struct stream_emitter *se, const struct function *f)
{
	text_params(se->e->out, 0, f->lead, f->params, se->source ? "\n{\n" : ";\n");
	if (se->source)
		emit(se->e, "%s}\n\n", f->body);
}

/* Calls a function of libipc that returns a message, and converts the message to its type if the
 * condition is true in the generated code. */
static const char *receiving_body(struct stream_emitter *se, const char *function,
				  const char *condition, const char *class, const char *ret)
{
	struct text text = { 0 };
	const char *body;

	text_add(&text, "\tconst ProtobufCMessage *message;\n\tint r;\n\n");
	text_params(&text, 1, format(se, "r = %s", function),
		    (const char *const[]){ "stream", emit_method(se->e, se->s, se->m),
					   "timeout_usec",
					   format(se, "%s ? &message : NULL", ret), "error", NULL },
		    ";\n");
	text_add(&text, format(se, "\tif (%s)\n\t\t*%s = (const %s *)message;\n\n\treturn r;\n",
			       condition, ret, class));
	body = arena_strndup(se->e->arena, text.data, text.size);
	text_done(&text);
	return body;
}

static const char *sending_body(struct stream_emitter *se, const char *const *params,
				const char *function)
{
	struct text text = { 0 };
	const char *body;

	text_params(&text, 1, format(se, "return %s", function), params, ";\n");
	body = arena_strndup(se->e->arena, text.data, text.size);
	text_done(&text);
	return body;
}

/* Returns "int prefix_METHOD_verb" for the client, or "int prefix_verb_METHOD" for the server. */
static const char *name(struct stream_emitter *se, bool client, const char *verb)
{
	return client ? format(se, "int %s_%s_%s", se->s->prefix, se->m->snake, verb) :
			format(se, "int %s_%s_%s", se->s->prefix, verb, se->m->snake);
}

static void emit_sending(struct stream_emitter *se, bool client, const struct type *type)
{
	const char *const args[] = { "stream", emit_method(se->e, se->s, se->m), "timeout_usec",
				     "(const ProtobufCMessage *)message", NULL };
	struct function f = {
		.lead = name(se, client, "send"),
		.params = { "struct ipc_stream *stream", "uint64_t timeout_usec",
			    format(se, "const %s *message", emit_class(se->e, type)) },
		.body = sending_body(se, args, "ipc_rpc_stream_send"),
	};

	emit_function(se, &f);
}

static void emit_receiving(struct stream_emitter *se, bool client, const struct type *type)
{
	const char *class = emit_class(se->e, type);
	struct function f = {
		.lead = name(se, client, "receive"),
		.params = { "struct ipc_stream *stream", "uint64_t timeout_usec",
			    format(se, "const %s **ret_message", class),
			    "struct ipc_error *error" },
		.body = receiving_body(se, "ipc_rpc_stream_receive", "r > 0", class,
				       "ret_message"),
	};

	emit_function(se, &f);
}

static void emit_finish(struct stream_emitter *se)
{
	const char *class = emit_class(se->e, se->m->reply);
	struct function f = {
		.lead = name(se, true, "finish"),
		.params = { "struct ipc_stream *stream", "uint64_t timeout_usec",
			    format(se, "const %s **ret_reply", class), "struct ipc_error *error" },
		.body = receiving_body(se, "ipc_rpc_stream_finish", "r == 0 && ret_reply", class,
				       "ret_reply"),
	};

	emit_function(se, &f);
}

static void emit_reply(struct stream_emitter *se)
{
	const char *const args[] = { "stream", emit_method(se->e, se->s, se->m),
				     "(const ProtobufCMessage *)reply", NULL };
	struct function f = {
		.lead = name(se, false, "reply"),
		.params = { "struct ipc_stream *stream",
			    format(se, "const %s *reply", emit_class(se->e, se->m->reply)) },
		.body = sending_body(se, args, "ipc_rpc_stream_reply"),
	};

	emit_function(se, &f);
}

/* Writes the type of a callback for messages, and the function that sets it. In the source, also
 * writes a trampoline: libipc calls it, and it calls the callback with the message's type. */
static void emit_set_ops(struct stream_emitter *se, bool client, const struct type *type)
{
	const char *prefix = se->s->prefix, *snake = se->m->snake, *class = emit_class(se->e, type);
	const char *verb = se->m->pushes ? "receive" : "finish";
	const char *cb = client ? format(se, "%s_%s_%s_cb", prefix, snake, verb) :
				  format(se, "%s_receive_%s_cb", prefix, snake);
	const char *trampoline = client ? format(se, "%s_received_%s", prefix, snake) :
					  format(se, "%s_requested_%s", prefix, snake);
	const char *const args[] = { "stream", emit_method(se->e, se->s, se->m), trampoline,
				     "(ipc_rpc_cb)on_message", "ops", "userdata", NULL };
	struct function f = {
		.lead = name(se, client, "set_ops"),
		.params = { "struct ipc_stream *stream", format(se, "%s on_message", cb),
			    "const struct ipc_stream_ops *ops", "void *userdata" },
		.body = sending_body(se, args, "ipc_rpc_stream_set_ops"),
	};

	if (se->source) {
		text_params(se->e->out, 0, format(se, "static void %s", trampoline),
			    (const char *const[]){ "struct ipc_stream *stream",
						   "const ProtobufCMessage *message",
						   "ipc_rpc_cb cb", "void *userdata", NULL },
			    "\n{\n");
		emit(se->e, "\t((%s)cb)(stream, (const %s *)message, userdata);\n}\n\n", cb, class);
	} else {
		text_params(se->e->out, 0, format(se, "typedef void (*%s)", cb),
			    (const char *const[]){ "struct ipc_stream *stream",
						   format(se, "const %s *message", class),
						   "void *userdata", NULL },
			    ";\n");
	}
	emit_function(se, &f);
}

static void emit_open(struct stream_emitter *se, bool async)
{
	const struct method *m = se->m;
	bool request = !m->sends && m->has_request;
	const char *message = m->sends ? "NULL" :
			      request  ? "(const ProtobufCMessage *)request" :
					 "&none.base";
	const char *args[PARAMS_MAX + 1] = {
		format(se, "%s_proxy(%s)", se->s->prefix, se->s->self),
		emit_method(se->e, se->s, m),
		"options",
		message,
	};
	struct function f = {
		.lead = name(se, true, async ? "open_async" : "open"),
		.params = { format(se, "struct %s *%s", se->s->prefix, se->s->self),
			    "const struct ipc_options *options" },
	};
	size_t n = 2, n_args = 4;

	if (request)
		f.params[n++] = format(se, "const %s *request", emit_class(se->e, m->request));
	if (async) {
		f.params[n++] = "ipc_stream_cb cb";
		f.params[n++] = "void *userdata";
		f.params[n++] = "struct ipc_slot **ret_slot";
		args[n_args++] = "cb";
		args[n_args++] = "userdata";
		args[n_args++] = "ret_slot";
	} else {
		f.params[n++] = "struct ipc_stream **ret_stream";
		f.params[n++] = "struct ipc_error *error";
		args[n_args++] = "ret_stream";
		args[n_args++] = "error";
	}
	f.body = format(se, "%s%s",
			m->sends || request ? "" :
					      "\tstatic const Ipc__None none = IPC__NONE__INIT;\n\n",
			sending_body(se, args,
				     async ? "ipc_rpc_stream_open_async" : "ipc_rpc_stream_open"));
	emit_function(se, &f);
}

static void emit_client_end(struct stream_emitter *se)
{
	emit_open(se, /* async= */ false);
	emit_open(se, /* async= */ true);
	if (se->m->sends)
		emit_sending(se, true, se->m->request);
	if (se->m->pushes)
		emit_receiving(se, true, se->m->reply);
	else
		emit_finish(se);
	emit_set_ops(se, true, se->m->reply);
}

static void emit_server_end(struct stream_emitter *se)
{
	if (se->m->sends) {
		emit_receiving(se, false, se->m->request);
		emit_set_ops(se, false, se->m->request);
	}
	if (se->m->pushes)
		emit_sending(se, false, se->m->reply);
	else
		emit_reply(se);
}

void emit_stream_client(struct emitter *e, const struct service *s, const struct method *m,
			bool source)
{
	emit_client_end(&(struct stream_emitter){ e, s, m, source });
}

void emit_stream_server(struct emitter *e, const struct service *s, const struct method *m,
			bool source)
{
	emit_server_end(&(struct stream_emitter){ e, s, m, source });
}

void sign_stream_handler(struct emitter *e, const struct method *m, const char *tail)
{
	const char *params[] = { "struct ipc_stream *stream", "void *userdata", NULL, NULL };

	if (!m->sends && m->has_request) {
		params[1] = arena_printf(e->arena, "const %s *request", emit_class(e, m->request));
		params[2] = "void *userdata";
	}
	text_params(e->out, 1, arena_printf(e->arena, "int (*%s)", m->member), params, tail);
}

void emit_stream_start(struct emitter *e, const struct service *s, const struct method *m)
{
	bool request = !m->sends && m->has_request;

	text_params(e->out, 0, arena_printf(e->arena, "static int %s_start_%s", s->prefix, m->snake),
		    (const char *const[]){ "struct ipc_stream *stream",
					   "const ProtobufCMessage *request", "const void *ops",
					   "void *userdata", NULL },
		    "\n{\n");
	emit(e, "\tconst struct %s_ops *handlers = ops;\n\n%s", s->prefix,
	     request ? "" : "\t(void)request;\n");
	if (request)
		emit(e, "\treturn handlers->%s(stream, (const %s *)request, userdata);\n}\n\n",
		     m->member, emit_class(e, m->request));
	else
		emit(e, "\treturn handlers->%s(stream, userdata);\n}\n\n", m->member);
}
