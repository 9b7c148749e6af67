// SPDX-License-Identifier: MIT
/*
 * X.ipc.h: for each service what a client needs, in the order of a proxy's
 * life, then what a server needs. The comments are the manual of the stubs.
 */
#include <string.h>

#include "emit.h"

/* A comment; on one line if it fits. */
static void note(struct emitter *e, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void note(struct emitter *e, const char *format, ...)
{
	char *string;
	va_list args;

	va_start(args, format);
	string = arena_vprintf(e->arena, format, args);
	va_end(args);

	if (strlen(string) + strlen("/*  */") < TEXT_MARGIN) {
		emit(e, "/* %s */\n", string);
		return;
	}

	emit(e, "/*\n");
	text_fill(e->out, " * ", string);
	emit(e, " */\n");
}

/* The author's comment, if there is one, in front of a note. */
static void author_note(struct emitter *e, const char *comment, const char *string)
{
	if (!comment) {
		note(e, "%s", string);
		return;
	}

	emit(e, "/*\n");
	text_quote(e->out, " * ", comment);
	emit(e, " *\n");
	text_fill(e->out, " * ", string);
	emit(e, " */\n");
}

/* --- Client ---------------------------------------------------------------------- */

static void emit_type(struct emitter *e, const struct service *s)
{
	author_note(e, s->comment,
		    arena_printf(e->arena,
				 "A proxy of somebody's %s. Never defined: it is a struct ipc_proxy "
				 "under a name of its own, see %s_proxy(). Functions return 0 or a "
				 "negative errno (<ipc/ipc.h> lists them) and write ret_ outputs on "
				 "success only.",
				 s->full_name, s->prefix));
	emit(e, "struct %s;\n\n", s->prefix);

	note(e, "What libipc and tools know of the service; %s_object_new() passes it on.",
	     s->prefix);
	emit(e, "extern const struct ipc_interface %s_interface;\n\n", s->prefix);
}

static void emit_finding(struct emitter *e, const struct service *s)
{
	emit_title(e, '-', "Client: finding an object");

	note(e,
	     "Gets the object that is registered under a name. *ret_%s is the caller's to unref. "
	     "-ENOENT: nobody has the name; -EPROTOTYPE: somebody has who is no %s.",
	     s->prefix, s->full_name);
	sign_connect(e, s, ";\n\n");

	note(e, "The same, but waits until somebody has the name.");
	sign_await(e, s, ";\n\n");

	note(e,
	     "Takes the object out of a field of a received message, where it leaves none. "
	     "*ret_%s is the caller's to unref. -ENOENT: there is none, or no field; -EXDEV: it is "
	     "an object of this process.",
	     s->prefix);
	sign_take(e, s, ";\n\n");

	note(e,
	     "Turns a proxy into one of this service, reference and all; NULL stays NULL. Whether "
	     "the object has the service shows with the first call (-EOPNOTSUPP).");
	sign_from_proxy(e, s, ";\n\n");
}

static void emit_keeping(struct emitter *e, const struct service *s)
{
	emit_title(e, '-', "Client: keeping it");

	note(e, "One reference more, and one less: that returns NULL. Both take NULL.");
	sign_ref(e, s, ";\n");
	sign_unref(e, s, ";\n");
	emit(e, "static inline void %s_unrefp(struct %s **p)\n{\n\t%s_unref(*p);\n}\n\n", s->prefix,
	     s->prefix, s->prefix);

	note(e,
	     "The proxy itself, still %s's: for ipc_proxy_id() and everything else that <ipc/ipc.h> "
	     "does with one.",
	     s->self);
	sign_proxy(e, s, ";\n\n");

	note(e,
	     "Calls cb once, with the proxy and userdata, when the object is dead; *ret_id, if "
	     "ret_id is not NULL, is for %s_off_death(), which takes that back (-ENOENT: cb was "
	     "called). See ipc_proxy_on_death().",
	     s->prefix);
	sign_on_death(e, s, ";\n");
	sign_off_death(e, s, ";\n\n");
}

static const char *call_note(struct emitter *e, const struct service *s, const struct method *m)
{
	if (m->oneway)
		return arena_printf(e->arena,
				    "Sends %s and returns once it is queued; nothing comes back. "
				    "-EAGAIN: the receiver is too far behind.",
				    m->name);

	if (m->streams)
		return arena_printf(e->arena,
				    "Opens a stream of %s. *ret_stream is the caller's, for "
				    "ipc_stream_unref() and what else <ipc/ipc.h> does with streams; it "
				    "tells about sending and receiving too.",
				    !m->pushes	? "requests; the finish ends it and waits for the reply" :
				    !m->sends ? "replies" :
						"requests and one of replies");

	if (!m->has_reply)
		return arena_printf(e->arena,
				    "Calls %s and waits until it is done. error, if it is not NULL, "
				    "tells more about a failure.",
				    m->name);

	return arena_printf(e->arena,
			    "Calls %s and waits for the reply. *ret_reply is the caller's, to free with "
			    "%s_%s_reply_free(); ret_reply may be NULL. error, if it is not NULL, tells "
			    "more about a failure.",
			    m->name, s->prefix, m->snake);
}

/* Everything that calls one method. */
static void emit_method_calls(struct emitter *e, const struct service *s, const struct method *m)
{
	author_note(e, m->comment, call_note(e, s, m));
	if (m->streams) {
		emit_stream_client(e, s, m, false);
		emit(e, "\n");
		return;
	}
	sign_call(e, s, m, ";\n");
	sign_call_with(e, s, m, ";\n");
	if (!m->oneway) {
		sign_cb(e, s, m, ";\n");
		sign_async(e, s, m, ";\n");
	}
	if (m->has_reply) {
		sign_reply_keep(e, s, m, ";\n");
		sign_reply_free(e, s, m, ";\n");
		emit(e, "static inline void %s_%s_reply_freep(%s **p)\n{\n", s->prefix, m->snake,
		     emit_class(e, m->reply));
		emit(e, "\t%s_%s_reply_free(*p);\n}\n", s->prefix, m->snake);
	}
	emit(e, "\n");
}

static void emit_calls(struct emitter *e, const struct service *s)
{
	emit_title(e, '-', "Client: calling it");

	note(e,
	     "Each method can be called in three ways. %s_METHOD() waits. %s_METHOD_with() does the "
	     "same with options, such as a timeout or an id to cancel it by (struct ipc_options; "
	     "NULL: none). %s_METHOD_async() does not wait: if it returns 0, cb is called once, on a "
	     "serving thread, with 0 and the reply, or with a negative errno, no reply and what the "
	     "server says (error is never NULL). The reply is freed afterwards unless cb keeps it "
	     "with _reply_keep(), for _reply_free() later. *ret_id is for ipc_cancel(); ret_id may "
	     "be NULL. A oneway does not wait either, and nothing comes back.",
	     s->prefix, s->prefix, s->prefix);
	emit(e, "\n");
	for (size_t i = 0; i < s->n_methods; i++)
		emit_method_calls(e, s, &s->methods[i]);
}

/* --- Server ---------------------------------------------------------------------- */

static void emit_ops(struct emitter *e, const struct service *s)
{
	emit_title(e, '-', "Server");

	note(e,
	     "The handlers. Each gets the call, the request, which is the library's, and the "
	     "object's userdata. It answers once, by the reply function of its method or by "
	     "ipc_call_error(), or returns a negative errno instead; <ipc/ipc.h> tells how to "
	     "answer later. Oneways are not answered. NULL: callers get -EOPNOTSUPP.");
	emit(e, "struct %s_ops {\n", s->prefix);
	for (size_t i = 0; i < s->n_methods; i++) {
		if (s->methods[i].streams)
			sign_stream_handler(e, &s->methods[i], ";\n");
		else
			sign_handler(e, &s->methods[i], ";\n");
	}
	emit(e, "};\n\n");
}

static void emit_replies(struct emitter *e, const struct service *s)
{
	bool any = false;

	for (size_t i = 0; i < s->n_methods; i++) {
		if (s->methods[i].oneway || s->methods[i].streams)
			continue;
		if (!any)
			note(e,
			     "Answer a call of that method; reply stays the caller's. -EINVAL: the call is "
			     "of another method; -EALREADY: it is answered.");
		sign_reply(e, s, &s->methods[i], ";\n");
		any = true;
	}

	if (any)
		emit(e, "\n");
}

static void emit_server_streams(struct emitter *e, const struct service *s)
{
	bool any = false;

	for (size_t i = 0; i < s->n_methods; i++) {
		if (!s->methods[i].streams)
			continue;
		if (!any)
			note(e,
			     "The server's ends of streams, in the handler or wherever it keeps them: pull "
			     "receives what the client sends, push sends to it, reply sends the one reply "
			     "to a stream of requests and ends it. -EINVAL: the stream is of another "
			     "method.");
		emit_stream_server(e, s, &s->methods[i], false);
		any = true;
	}

	if (any)
		emit(e, "\n");
}

static void emit_objects(struct emitter *e, const struct service *s)
{
	note(e,
	     "A new object with this service. *ret_object is the caller's to unref; when nobody "
	     "refers to it any more, here or elsewhere, destroy, if it is not NULL, is called with "
	     "userdata. ops must stay valid until then.");
	sign_object_new(e, s, ";\n\n");

	note(e,
	     "The same, and registers the object under a name: it lives as long as the connection. "
	     "-EEXIST: a living object of another user has the name.");
	sign_register(e, s, ";\n\n");
}

/* --- The file -------------------------------------------------------------------- */

static void emit_service(struct emitter *e, const struct service *s)
{
	emit_title(e, '=', s->full_name);
	emit_type(e, s);
	emit_finding(e, s);
	emit_keeping(e, s);
	emit_calls(e, s);
	emit_ops(e, s);
	emit_replies(e, s);
	emit_server_streams(e, s);
	emit_objects(e, s);
}

/* Then <ipc/blob.h> is of use, which fills and reads them. */
static bool has_blobs(const struct unit *unit)
{
	for (size_t i = 0; i < unit->n_services; i++) {
		const struct service *s = &unit->services[i];

		for (size_t j = 0; j < s->n_methods; j++)
			if ((s->methods[j].request->holds | s->methods[j].reply->holds) &
			    TYPE_HOLDS_BLOBS)
				return true;
	}
	return false;
}

void emit_header(struct emitter *e)
{
	if (e->unit->licence)
		emit(e, "/* SPDX-License-Identifier: %s */\n", e->unit->licence);
	emit(e, "/* Generated by protoc-gen-ipc from %s. Do not edit. */\n", e->unit->file);
	emit(e, "#ifndef IPC_STUB_%s_H\n#define IPC_STUB_%s_H\n\n", e->unit->identifier,
	     e->unit->identifier);
	emit(e, "%s#include <ipc/ipc.h>\n#include <ipc/ipc.pb-c.h>\n\n#include \"%s.pb-c.h\"\n\n",
	     has_blobs(e->unit) ? "#include <ipc/blob.h>\n" : "", e->unit->base);
	emit(e, "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n");

	for (size_t i = 0; i < e->unit->n_services; i++)
		emit_service(e, &e->unit->services[i]);

	emit(e, "#ifdef __cplusplus\n}\n#endif\n\n");
	emit(e, "#endif /* IPC_STUB_%s_H */\n", e->unit->identifier);
}
