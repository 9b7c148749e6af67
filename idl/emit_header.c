// SPDX-License-Identifier: MIT
/*
 * X.ipc.h: for each service the functions for clients, in the order of a proxy's life, then the
 * functions for servers. The comments are the manual of the stubs: this header alone must tell a
 * user how to call, serve, reply and stream. The .c file has the functions. sign_*() writes the
 * signatures of both files, so that they agree.
 */
#include <string.h>

#include "c_messages.h"
#include "emit.h"
#include "names.h"

/* Blanks before the text of items. The bullet or errno of an item replaces some of them. */
#define NOTE_ITEM  " *     "
#define NOTE_ERROR " *                  "

/*
 * Writes one line of a note: a paragraph, an empty line, or an indented item of a list, which
 * begins with "- " or with "-ENAME ".
 */
static void note_line(struct emitter *e, const char *line)
{
	bool is_error = line[0] == '-' && line[1] != ' ';
	size_t lead = line[0] != '-' ? 0 : is_error ? strcspn(line, " ") : 1;
	size_t start = e->out->size;

	if (!*line) {
		emit(e, " *\n");
		return;
	}
	text_fill(e->out, is_error ? NOTE_ERROR : lead ? NOTE_ITEM : " * ", line + lead);
	memcpy(e->out->data + start + strlen(" *   "), line, lead);
}

static void note_lines(struct emitter *e, const char *string)
{
	while (*string) {
		size_t length = strcspn(string, "\n");

		note_line(e, arena_strndup(e->arena, string, length));
		string += length + (string[length] == '\n');
	}
}

/* Writes a comment, on one line if it fits. */
static void note(struct emitter *e, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void note(struct emitter *e, const char *format, ...)
{
	char *string;
	va_list args;

	va_start(args, format);
	string = arena_vprintf(e->arena, format, args);
	va_end(args);

	if (!strchr(string, '\n') && strlen(string) + strlen("/*  */") < TEXT_MARGIN) {
		emit(e, "/* %s */\n", string);
		return;
	}

	emit(e, "/*\n");
	note_lines(e, string);
	emit(e, " */\n");
}

/* Writes a note, after the author's comment if there is one. */
static void author_note(struct emitter *e, const char *comment, const char *string)
{
	if (!comment) {
		note(e, "%s", string);
		return;
	}

	emit(e, "/*\n");
	text_quote(e->out, " * ", comment);
	emit(e, " *\n");
	note_lines(e, string);
	emit(e, " */\n");
}

/* --- Client ---------------------------------------------------------------------- */

static void emit_type(struct emitter *e, const struct service *s)
{
	author_note(e, s->comment,
		    arena_printf(e->arena,
				 "A proxy: an object of another process that has the interface %s. The "
				 "type is never defined; it is a struct ipc_proxy under another name, see "
				 "%s_proxy().\n"
				 "\n"
				 "Functions of type int return 0 on success or a negative errno, and write "
				 "ret_ outputs on success only. Any thread may call them. <ipc/ipc.h> has "
				 "the rules for all functions and the list of all errors.",
				 s->full_name, s->prefix));
	emit(e, "struct %s;\n\n", s->prefix);

	note(e, "The interface's description, for ipc_object_new().");
	emit(e, "extern const struct ipc_interface %s_interface;\n\n", s->prefix);
}

static void emit_finding(struct emitter *e, const struct service *s)
{
	emit_title(e, '-', "Client: finding an object");

	note(e,
	     "Find the object that is registered under a name. The program drops *ret_%s with "
	     "%s_unref(). Blocks until the service manager replies.\n"
	     "\n"
	     "-ENOENT No process has registered the name.\n"
	     "-EPROTOTYPE The object has another interface.\n"
	     "-EACCES The policy refuses it.\n"
	     "-EHOSTUNREACH Activation of the name failed.\n"
	     "-ENOTCONN No service manager is running.\n"
	     "-EXDEV The object belongs to this connection.",
	     s->prefix, s->prefix);
	sign_get(e, s, ";\n\n");

	note(e,
	     "The same, but wait until a process registers the name, and for a service manager, for "
	     "at most timeout_usec microseconds (IPC_NEVER: no timeout; 0: wait like %s_get()).\n"
	     "\n"
	     "-ETIMEDOUT No process registered the name in time.\n"
	     "-ENOTCONN The time is over, and no service manager is running.",
	     s->prefix);
	sign_wait(e, s, ";\n\n");

	note(e,
	     "Take the object out of a field of a received message, which is empty afterwards. The "
	     "program drops *ret_%s with %s_unref(). One thread at a time for each message.\n"
	     "\n"
	     "-ENOENT The field is NULL or empty.\n"
	     "-EXDEV The object belongs to this connection: see ipc_take_object().\n"
	     "-EBADF The object id is unknown to this connection.",
	     s->prefix, s->prefix);
	sign_take(e, s, ";\n\n");

	note(e,
	     "Convert a proxy, with its reference. NULL stays NULL. The interface is not checked: if "
	     "the object does not have it, calls fail with -EOPNOTSUPP.");
	sign_from_proxy(e, s, ";\n\n");
}

static void emit_keeping(struct emitter *e, const struct service *s)
{
	emit_title(e, '-', "Client: keeping it");

	note(e, "Take or drop a reference. Both accept NULL; %s_unref() returns NULL.", s->prefix);
	sign_ref(e, s, ";\n");
	sign_unref(e, s, ";\n");
	emit(e, "static inline void %s_unrefp(struct %s **p)\n{\n\t%s_unref(*p);\n}\n\n", s->prefix,
	     s->prefix, s->prefix);

	note(e,
	     "Return the struct ipc_proxy, without a new reference, for ipc_proxy_id() and other "
	     "functions of <ipc/ipc.h>.");
	sign_proxy(e, s, ";\n\n");

	note(e,
	     "Call cb once, on a serving thread, when the object is dead: its process has ended "
	     "it, or died; see ipc_proxy_on_death(). ret_slot may be NULL; *ret_slot is for "
	     "ipc_slot_end().");
	sign_on_death(e, s, ";\n\n");
}

static const char *stream_note(struct emitter *e, const struct service *s, const struct method *m)
{
	const char *kind = "requests", *finish = "";

	if (m->pushes)
		kind = m->sends ? "requests and one of replies" : "replies";
	else
		finish = arena_printf(e->arena,
				      " %s_%s_finish() ends the client's messages and waits for the reply, which "
				      "belongs to the stream; ret_reply may be NULL. With %s_%s_set_ops(), "
				      "on_message gets the reply after ipc_stream_end().",
				      s->prefix, m->snake, s->prefix, m->snake);
	return arena_printf(e->arena,
			    "Open a stream of %s. The program drops *ret_stream with "
			    "ipc_stream_unref(). options and error may be NULL.%s",
			    kind, finish);
}

/* Returns a note if the method has an underscore, because a function has its C name: naming_c.c. */
static const char *underscore_note(struct emitter *e, const struct service *s,
				   const struct method *m)
{
	size_t length = strlen(m->plain);

	if (m->plain[length - 1] != '_' || m->called[strlen(m->called) - 1] == '_')
		return "";
	return arena_printf(e->arena, " %s_%.*s() is another function, hence the underscore.",
			    s->prefix, (int)length - 1, m->plain);
}

static const char *call_note(struct emitter *e, const struct service *s, const struct method *m)
{
	if (m->streams)
		return stream_note(e, s, m);

	if (m->oneway)
		return arena_printf(e->arena, "Send the oneway %s.%s", m->name,
				    underscore_note(e, s, m));

	if (!m->has_reply)
		return arena_printf(e->arena,
				    "Call %s and block until it is done. error may be NULL.%s",
				    m->name, underscore_note(e, s, m));

	return arena_printf(e->arena,
			    "Call %s and block until the reply, which the caller frees with "
			    "%s_%s_reply_free(). ret_reply and error may be NULL.%s",
			    m->name, s->prefix, m->snake, underscore_note(e, s, m));
}

/* Writes all functions that call a method. */
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

/* The kinds of methods that a service has. Each kind is explained only if it occurs. */
struct kinds {
	bool calls;
	bool oneways;
	bool streams;
};

static struct kinds service_kinds(const struct service *s)
{
	struct kinds kinds = { false, false, false };

	for (size_t i = 0; i < s->n_methods; i++) {
		kinds.streams |= s->methods[i].streams;
		kinds.oneways |= s->methods[i].oneway;
		kinds.calls |= !s->methods[i].streams && !s->methods[i].oneway;
	}
	return kinds;
}

static void explain_calls(struct emitter *e, const struct service *s)
{
	note(e,
	     "Calls. Each method has three functions:\n"
	     "\n"
	     "- %s_METHOD() calls it and blocks until the reply.\n"
	     "- %s_METHOD_with() takes options besides, such as a timeout or a "
	     "cancellation: see struct ipc_options. NULL: none.\n"
	     "- %s_METHOD_async() starts the call and returns. If that succeeds, cb runs once, on a "
	     "serving thread: with 0 and the reply, or with a negative errno, no reply, and an error "
	     "that is never NULL. The library frees the reply when cb returns, unless cb called "
	     "_reply_keep(); then the program frees it with _reply_free(). ipc_slot_end() of "
	     "*ret_slot cancels the call, and cb does not run; ret_slot may be NULL. If the connection closes, cb gets -ECANCELED.\n"
	     "\n"
	     "The request stays the program's. error, which must be IPC_ERROR_INIT before, describes a "
	     "failure; free it with ipc_error_done(). The errors to expect are:\n"
	     "\n"
	     "-EREMOTEIO The server reports an error of its own: see error->name. It may report "
	     "any other errno as well.\n"
	     "-EOPNOTSUPP The object has no such method, or no handler for it.\n"
	     "-EOWNERDEAD The object is dead: its process has ended it, or died.\n"
	     "-EHOSTDOWN The object's process is frozen.\n"
	     "-ENOMSG The server ended the call without a reply.\n"
	     "-ETIMEDOUT The timeout expired.\n"
	     "-ECANCELED The call was canceled.\n"
	     "-ENOSPC The receiver's region is full at the moment.\n"
	     "-EMSGSIZE The message can never fit into the receiver's region.",
	     s->prefix, s->prefix, s->prefix);
	emit(e, "\n");
}

static void explain_oneways(struct emitter *e)
{
	note(e,
	     "Oneways. They return when the message is queued at the receiver. They do not wait for "
	     "space, unless options have a timeout_usec. Oneways to one object are handled in the "
	     "order in which they were sent.\n"
	     "\n"
	     "-EAGAIN The receiver has no space: see ipc_on_writable().\n"
	     "-ETIMEDOUT The receiver had no space in time.");
	emit(e, "\n");
}

static void explain_streams(struct emitter *e)
{
	note(e,
	     "Streams. _open() blocks until the server accepts the stream. The timeout in options "
	     "is that of the whole stream. Each other function waits for at most timeout_usec "
	     "microseconds; 0: not at all, IPC_NEVER: no timeout.\n"
	     "\n"
	     "- _open_async() returns at once, and cb runs once on a serving thread. If there is a "
	     "request, it is sent before that, without a wait for space (-EAGAIN). Ending the slot, which "
	     "may be NULL, cancels the opening: cb does not run. See <ipc/stream.h>.\n"
	     "- _send() returns 0 if the message is on its way. The message stays the program's.\n"
	     "- _receive() returns 1 and a message, or 0 at the end. The message belongs to the "
	     "stream and is valid until the next receive. Only one thread may receive.\n"
	     "- _set_ops() sets callbacks in place of that. on_message runs once for each message, on "
	     "a serving thread; the message is valid until it returns. ops has on_writable, on_end and "
	     "destroy(userdata), which runs last: see ipc_stream_set_ops(). Its on_message is NULL.\n"
	     "- ipc_stream_end() and ipc_stream_fail() end the messages of this side; those of a "
	     "server end the stream, and so does ipc_stream_cancel(): see <ipc/stream.h>.\n"
	     "\n"
	     "-EAGAIN The time is over: no message arrived, or the receiver has no space.\n"
	     "-EPIPE This side has ended its messages, or the server has ended the stream.\n"
	     "-ECANCELED The stream was canceled.\n"
	     "-ETIMEDOUT The timeout of the stream expired.\n"
	     "-EOWNERDEAD The other side died.\n"
	     "-ENOMSG The server dropped its side without ending the stream. _finish(): or it ended the "
	     "stream without a reply.");
	emit(e, "\n");
}

static void emit_calls(struct emitter *e, const struct service *s)
{
	struct kinds kinds = service_kinds(s);

	emit_title(e, '-', "Client: calling it");
	if (kinds.calls)
		explain_calls(e, s);
	if (kinds.oneways)
		explain_oneways(e);
	if (kinds.streams)
		explain_streams(e);
	for (size_t i = 0; i < s->n_methods; i++)
		emit_method_calls(e, s, &s->methods[i]);
}

/* --- Server ---------------------------------------------------------------------- */

static void emit_ops(struct emitter *e, const struct service *s)
{
	emit_title(e, '-', "Server");

	note(e,
	     "The handlers. A handler gets the call or stream, the request and the userdata of its "
	     "object. They belong to the library and are valid until the handler returns, or until "
	     "the last reference of the kept call or stream is dropped. A handler does one of the following:\n"
	     "\n"
	     "- It replies once, with the reply function of its method or with ipc_call_fail(), and "
	     "returns 0.\n"
	     "- It returns a negative errno, which the caller gets.\n"
	     "- It keeps the call with ipc_call_ref() and returns 0. Any thread may reply later, and "
	     "then drops it with ipc_call_unref(). ipc_call_is_canceled() returns 1 if no reply is needed "
	     "any more: canceled, expired, or the caller died.\n"
	     "\n"
	     "A caller that gets no reply gets -ENOMSG. A oneway has no reply. If a handler is NULL, "
	     "calls of its method fail with -EOPNOTSUPP%s. If several threads serve, handlers run concurrently.%s",
	     service_kinds(s).streams ? ", and so does its _open()" : "",
	     !service_kinds(s).streams ?
		     "" :
		     "\n\nA handler with a stream sets callbacks for it and returns, uses it until it "
		     "returns, or keeps it with ipc_stream_ref(). A negative errno that it returns ends the stream with that "
		     "error.");
	emit(e, "struct %s_ops {\n%s", s->prefix,
	     s->n_methods ? "" : "\tchar none; /* the interface has no methods yet */\n");
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
	if (!service_kinds(s).calls)
		return;

	note(e,
	     "Reply to a call of that method, from any thread. reply stays the program's.\n"
	     "\n"
	     "-EALREADY The call already has a reply.\n"
	     "-EINVAL The call is of another method.");
	for (size_t i = 0; i < s->n_methods; i++)
		if (!s->methods[i].oneway && !s->methods[i].streams)
			sign_reply(e, s, &s->methods[i], ";\n");
	emit(e, "\n");
}

static void emit_server_streams(struct emitter *e, const struct service *s)
{
	if (!service_kinds(s).streams)
		return;

	note(e,
	     "The server's sides of streams: send, receive and set_ops are like _send(), _receive() and "
	     "_set_ops() above. With one thread that serves, use callbacks: "
	     "a handler must not wait. reply sends the one reply to a stream of requests and ends the stream, without "
	     "waiting.\n"
	     "\n"
	     "-EINVAL The stream is of another method.");
	for (size_t i = 0; i < s->n_methods; i++)
		if (s->methods[i].streams)
			emit_stream_server(e, s, &s->methods[i], false);
	emit(e, "\n");
}

static void emit_objects(struct emitter *e, const struct service *s)
{
	note(e,
	     "Create an object with this interface. The program drops *ret_object with "
	     "ipc_object_unref(). The object lives until nobody here or elsewhere refers to it; then "
	     "destroy(userdata) runs, if destroy is not NULL. ops must stay valid until then. To send "
	     "it, set the id of an Ipc__Object in a message to ipc_object_id().");
	sign_object_new(e, s, ";\n\n");

	note(e,
	     "Create an object and register it under a name. The connection owns the object. Blocks "
	     "until the service manager replies. Then ipc_run() or ipc_process() runs the handlers.\n"
	     "\n"
	     "-EEXIST A living process has registered the name.\n"
	     "-EACCES The policy refuses it.\n"
	     "-ENOTCONN No service manager is running.");
	sign_register(e, s, ";\n\n");

	note(e,
	     "The same, with flags as of ipc_register_name_with(): IPC_NAME_REPLACE or "
	     "IPC_NAME_QUEUE. Returns 1 if the object waits in the queue of the name.");
	sign_register_with(e, s, ";\n\n");
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

/* Lists the other files to compile, which the header alone must tell the user. */
static void emit_imports(struct emitter *e)
{
	const char **names = arena_array(e->arena, e->request->n_files + 1, sizeof(*names));
	size_t n = 0;

	c_messages_imports(e->request, e->unit->file, names, &n);
	if (!n)
		return;
	emit(e, "/*\n * Compile these as well; protoc --ipc_out=imports:DIR writes them:\n");
	for (size_t i = 0; i < n; i++)
		emit(e, " *   %s.pb-c.c\n", name_file_base(e->arena, names[i]));
	emit(e, " */\n");
}

void emit_header(struct emitter *e)
{
	if (e->unit->license)
		emit(e, "/* SPDX-License-Identifier: %s */\n", e->unit->license);
	emit(e, "/* Generated by protoc-gen-ipc from %s. Do not edit. */\n", e->unit->file);
	emit_imports(e);
	emit(e, "#ifndef IPC_STUB_%s_H\n#define IPC_STUB_%s_H\n\n", e->unit->identifier,
	     e->unit->identifier);
	emit(e, "#include <ipc/ipc.h>\n#include <ipc/ipc.pb-c.h>\n\n#include \"%s.pb-c.h\"\n\n",
	     e->unit->base);
	emit(e, "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n");

	for (size_t i = 0; i < e->unit->n_services; i++)
		emit_service(e, &e->unit->services[i]);

	emit(e, "#ifdef __cplusplus\n}\n#endif\n\n");
	emit(e, "#endif /* IPC_STUB_%s_H */\n", e->unit->identifier);
}
