// SPDX-License-Identifier: MIT
/*
 * X.ipc.hpp: services for C++, based on <ipc/cpp/protobuf.hpp>. A service becomes a class with its
 * name in the namespace of its package. The class contains a class Proxy for clients and a class
 * Service to derive from. The messages come from protoc --cpp_out.
 */
#include <string.h>

#include "emit.h"
#include "names.h"

#define BYTES_PER_LINE 12

/* Converts "a.b.C" to "::a::b::C". protoc appends '_' to keywords, and changes no other valid
 * names. */
static const char *scoped(struct emitter *e, const char *full_name)
{
	struct text text = { 0 };
	const char *name;

	while (*full_name) {
		size_t length = strcspn(full_name, ".");
		const char *part = arena_strndup(e->arena, full_name, length);

		text_printf(&text, "::%s%s", part, name_is_keyword(part) ? "_" : "");
		full_name += length + (full_name[length] == '.');
	}
	name = arena_strndup(e->arena, text.data ?: "", text.size);
	text_done(&text);
	return name;
}

const char *cpp_class(struct emitter *e, const struct type *type)
{
	return scoped(e, type->full_name);
}

/* The last parameter of functions that call a method. */
#define WITH "const ::ipc::options &with = ::ipc::no_options"

static bool carries(const struct type *type)
{
	return type->holds & TYPE_HOLDS_OBJECTS;
}

/* Returns the type in which a message is passed. */
static const char *passed(struct emitter *e, const struct type *type)
{
	return carries(type) ? arena_printf(e->arena, "::ipc::with_objects<%s>", cpp_class(e, type)) :
			       cpp_class(e, type);
}

static const char *reply_of(struct emitter *e, const struct method *m)
{
	return m->has_reply ? passed(e, m->reply) : "void";
}

/* Writes a comment, filled and indented by tabs. */
static void note(struct emitter *e, const char *tabs, const char *comment, const char *string)
{
	emit(e, "%s/*\n", tabs);
	if (comment) {
		text_quote(e->out, arena_printf(e->arena, "%s * ", tabs), comment);
		emit(e, "%s *\n", tabs);
	}
	for (;;) {
		const char *end = strstr(string, "\n\n");
		size_t length = end ? (size_t)(end - string) : strlen(string);

		text_fill(e->out, arena_printf(e->arena, "%s * ", tabs),
			  arena_strndup(e->arena, string, length));
		if (!end)
			break;
		emit(e, "%s *\n", tabs);
		string = end + 2;
	}
	emit(e, "%s */\n", tabs);
}

/* --- The description ------------------------------------------------------------- */

static const char *set_name(struct emitter *e)
{
	return arena_printf(e->arena, "ipc_descriptor_set_%s", e->unit->identifier);
}

static void emit_set(struct emitter *e)
{
	const struct unit *unit = e->unit;

	emit(e, "/* A google.protobuf.FileDescriptorSet of the file and its imports. */\n");
	emit(e, "inline constexpr unsigned char %s[%zu] = {", set_name(e), unit->set_size);
	for (size_t i = 0; i < unit->set_size; i++)
		emit(e, "%s0x%02x,", i % BYTES_PER_LINE ? " " : "\n\t", unit->set[i]);
	emit(e, "\n};\n\n");
}

static bool takes_fds(const struct service *s)
{
	for (size_t i = 0; i < s->n_methods; i++)
		if (s->methods[i].request->holds & TYPE_MAY_BRING_FILES)
			return true;
	return false;
}

static void emit_interface(struct emitter *e, const struct service *s)
{
	emit(e, "\t/* What libipc and tools know of the interface. */\n");
	emit(e, "\tstatic constexpr ::ipc::interface ipc_interface = {\n\t\t\"%s\",\n\t\t%s,\n",
	     s->full_name, set_name(e));
	emit(e, "\t\tsizeof(%s),\n\t\t%s,\n\t};\n\n", set_name(e),
	     takes_fds(s) ? "true" : "false");
}

/* Returns a method's number, timeout and possible content of its reply. */
static const char *method_of(struct emitter *e, const struct method *m)
{
	return arena_printf(e->arena, "::ipc::method{ 0x%xU, %uU, %s }", m->number, m->timeout_ms,
			    m->reply->holds & TYPE_MAY_BRING_FILES ? "true" : "false");
}

/* --- Client ------------------------------------------------------------------------ */

static const char *request_param(struct emitter *e, const struct method *m)
{
	return m->has_request ?
		       arena_printf(e->arena, "const %s &request, ", passed(e, m->request)) :
		       "";
}

static const char *request_arg(const struct method *m)
{
	return m->has_request ? "request" : "::ipc::no_message()";
}

static void emit_oneway(struct emitter *e, const struct method *m)
{
	note(e, "\t\t", m->comment, "Send the oneway. See ipc::proxy::oneway().");
	emit(e, "\t\t::ipc::outcome<void> %s(%s" WITH ") const\n\t\t{\n",
	     m->ident, request_param(e, m));
	emit(e, "\t\t\treturn ::ipc::typed::send(ipc_proxy, %s, %s, with);\n\t\t}\n\n",
	     method_of(e, m), request_arg(m));
}

static void emit_call(struct emitter *e, const struct method *m)
{
	const char *reply = reply_of(e, m), *request = request_param(e, m);
	const char *args = arena_printf(e->arena, "ipc_proxy, %s, %s", method_of(e, m),
					request_arg(m));

	note(e, "\t\t", m->comment, "Call and block until the reply. See ipc::proxy::call().");
	emit(e, "\t\t::ipc::outcome<%s> %s(%s" WITH ") const\n\t\t{\n", reply,
	     m->ident, request);
	emit(e, "\t\t\treturn ::ipc::typed::call<%s>(%s, with);\n\t\t}\n", reply, args);

	emit(e, "\t\ttemplate <typename F>\n");
	emit(e, "\t\t::ipc::outcome<void> %s_async(%sF function,\n", m->ident, request);
	emit(e, "\t\t\t" WITH ") const\n\t\t{\n");
	emit(e, "\t\t\treturn ::ipc::typed::call_async<%s>(%s, ::std::move(function), with);\n\t\t}\n",
	     reply, args);

	emit(e, "\t\t::std::future<::ipc::outcome<%s>> %s_future(%s" WITH ") const\n\t\t{\n",
	     reply, m->ident, request);
	emit(e, "\t\t\treturn ::ipc::typed::call_future<%s>(%s, with);\n\t\t}\n", reply, args);

	emit(e, "#ifdef __cpp_impl_coroutine\n");
	emit(e, "\t\tauto %s_await(%s" WITH ") const\n\t\t{\n", m->ident,
	     request);
	emit(e, "\t\t\treturn ::ipc::typed::call_await<%s>(%s, with);\n\t\t}\n#endif\n\n", reply,
	     args);
}

/* Returns the template arguments of a stream end's type: the types that it sends and receives. */
static const char *client_end(struct emitter *e, const struct method *m)
{
	return arena_printf(e->arena, "%s, %s", m->sends ? passed(e, m->request) : "::ipc::no_message",
			    passed(e, m->reply));
}

static const char *server_end(struct emitter *e, const struct method *m)
{
	return arena_printf(e->arena, "%s, %s", passed(e, m->reply),
			    m->sends ? passed(e, m->request) : "::ipc::no_message");
}

/* Writes the functions that open a stream without blocking. Moves arguments, because the stream is
 * opened after they have returned. A method without a request takes no_message. */
static void emit_open_later(struct emitter *e, const struct method *m)
{
	const char *with = m->sends ? "" : "_with", *end = client_end(e, m);
	const char *types = m->sends ? end : passed(e, m->reply);
	const char *param = "", *args = arena_printf(e->arena, "ipc_proxy, %s", method_of(e, m));

	if (!m->sends && m->has_request) {
		param = arena_printf(e->arena, "%s request, ", passed(e, m->request));
		args = arena_printf(e->arena, "%s, ::std::move(request)", args);
	} else if (!m->sends) {
		args = arena_printf(e->arena, "%s, ::ipc::no_message()", args);
	}
	emit(e, "\t\ttemplate <typename F>\n");
	emit(e, "\t\t::ipc::outcome<void> %s_async(%sF function,\n", m->ident, param);
	emit(e, "\t\t\t" WITH ") const\n\t\t{\n");
	emit(e, "\t\t\treturn ::ipc::typed::open%s_async<%s>(%s, ::std::move(function), with);\n\t\t}\n",
	     with, types, args);
	emit(e, "\t\t::std::future<::ipc::outcome<::ipc::stream_of<%s>>> %s_future(%s" WITH ") const\n\t\t{\n",
	     end, m->ident, param);
	emit(e, "\t\t\treturn ::ipc::typed::open%s_future<%s>(%s, with);\n\t\t}\n", with, types,
	     args);
	emit(e, "#ifdef __cpp_impl_coroutine\n");
	emit(e, "\t\tauto %s_await(%s" WITH ") const\n\t\t{\n", m->ident,
	     param);
	emit(e, "\t\t\treturn ::ipc::typed::open%s_await<%s>(%s, with);\n\t\t}\n#endif\n\n", with,
	     types, args);
}

static void emit_open(struct emitter *e, const struct method *m)
{
	bool request = !m->sends && m->has_request;

	note(e, "\t\t", m->comment,
	     m->pushes ? "Open the stream, and block until the server has accepted it." :
			 "Open the stream, and block until the server has accepted it. finish() gets "
			 "the reply.");
	emit(e, "\t\t::ipc::outcome<::ipc::stream_of<%s>> %s(%s" WITH ") const\n\t\t{\n",
	     client_end(e, m), m->ident, request ? request_param(e, m) : "");
	if (m->sends)
		emit(e, "\t\t\treturn ::ipc::typed::open<%s>(ipc_proxy, %s, with);\n\t\t}\n",
		     client_end(e, m), method_of(e, m));
	else
		emit(e, "\t\t\treturn ::ipc::typed::open_with<%s>(ipc_proxy, %s, %s, with);\n\t\t}\n",
		     passed(e, m->reply), method_of(e, m), request_arg(m));
	emit_open_later(e, m);
}

static void emit_proxy(struct emitter *e, const struct service *s)
{
	note(e, "\t", NULL,
	     "An object of another process that has the interface: bus.get<INTERFACE>(NAME) finds "
	     "one. Copies are the same object. Use -> for what every proxy has, such as on_death().\n"
	     "\n"
	     "METHOD() calls and blocks. METHOD_async() calls function(ipc::result<REPLY>) on a "
	     "serving thread, METHOD_future() returns a future, and co_await METHOD_await() resumes on "
	     "a serving thread. The REPLY of a method with streams is the client's side, an ipc::stream_of. If "
	     "such a method has one request, that is sent when the stream is open, without a wait for "
	     "space: EAGAIN.");
	emit(e, "\tclass Proxy {\n\tpublic:\n");
	emit(e, "\t\texplicit Proxy(::ipc::proxy p) : ipc_proxy(::std::move(p)) {}\n");
	emit(e, "\t\tconst ::ipc::proxy *operator->() const noexcept { return &ipc_proxy; }\n");
	emit(e, "\t\tconst ::ipc::proxy &operator*() const noexcept { return ipc_proxy; }\n\n");
	for (size_t i = 0; i < s->n_methods; i++) {
		const struct method *m = &s->methods[i];

		if (m->streams)
			emit_open(e, m);
		else if (m->oneway)
			emit_oneway(e, m);
		else
			emit_call(e, m);
	}
	emit(e, "\tprivate:\n\t\t::ipc::proxy ipc_proxy;\n\t};\n\n");
}

/* --- Server ------------------------------------------------------------------------ */

static const char *handler_request(struct emitter *e, const struct method *m, bool named)
{
	return m->has_request ? arena_printf(e->arena, "const %s &%s, ", passed(e, m->request),
					     named ? "request" : "") :
				"";
}

static void emit_handler(struct emitter *e, const struct method *m)
{
	const char *reply = reply_of(e, m);

	if (m->comment) {
		emit(e, "\t\t/*\n");
		text_quote(e->out, "\t\t * ", m->comment);
		emit(e, "\t\t */\n");
	}
	emit(e, "\t\tvirtual ::ipc::outcome<%s> %s(%sconst ::ipc::call &)\n\t\t{\n", reply, m->ident,
	     handler_request(e, m, false));
	emit(e, "\t\t\treturn ::ipc::typed::unserved<%s>(\"%s\");\n\t\t}\n", reply, m->full_name);
	if (m->oneway) {
		emit(e, "\n");
		return;
	}
	emit(e, "\t\tvirtual ::ipc::outcome<void> %s(%s::ipc::call_for<%s> call)\n\t\t{\n", m->ident,
	     handler_request(e, m, true), reply);
	emit(e, "\t\t\treturn ::ipc::typed::reply_with(::std::move(call), [&](const ::ipc::call &c) {\n");
	emit(e, "\t\t\t\treturn this->%s(%sc);\n\t\t\t});\n\t\t}\n\n", m->ident,
	     m->has_request ? "request, " : "");
}

static void emit_stream_handler(struct emitter *e, const struct method *m)
{
	if (m->comment) {
		emit(e, "\t\t/*\n");
		text_quote(e->out, "\t\t * ", m->comment);
		emit(e, "\t\t */\n");
	}
	emit(e, "\t\tvirtual ::ipc::outcome<void> %s(%s::ipc::stream_of<%s>)\n\t\t{\n", m->ident,
	     m->sends ? "" : handler_request(e, m, false), server_end(e, m));
	emit(e, "\t\t\treturn ::ipc::typed::unserved<void>(\"%s\");\n\t\t}\n\n", m->full_name);
}

static void emit_stream_case(struct emitter *e, const struct method *m)
{
	emit(e, "\t\t\tcase 0x%xU:\n", m->number);
	if (m->sends)
		emit(e, "\t\t\t\treturn ::ipc::typed::serve_requests<%s, %s>(::std::move(s),\n"
			"\t\t\t\t\t[this](auto &&end) { return this->%s(::std::move(end)); });\n",
		     passed(e, m->request), passed(e, m->reply), m->ident);
	else
		emit(e, "\t\t\t\treturn ::ipc::typed::serve_replies<%s, %s>(::std::move(s), from, \"%s\",\n"
			"\t\t\t\t\t[this](auto &%s, auto &&end) { return this->%s(%s::std::move(end)); });\n",
		     m->has_request ? passed(e, m->request) : "::ipc::ignored", passed(e, m->reply),
		     m->full_name, m->has_request ? "request" : "", m->ident,
		     m->has_request ? "request, " : "");
}

/* Writes has_request(): whether a method has a single request and a stream of replies. */
static void emit_has_request(struct emitter *e, const struct service *s)
{
	emit(e, "\t\tbool has_request(::std::uint32_t method) const noexcept final\n\t\t{\n");
	emit(e, "\t\t\tswitch (method) {\n");
	for (size_t i = 0; i < s->n_methods; i++)
		if (s->methods[i].streams && !s->methods[i].sends)
			emit(e, "\t\t\tcase 0x%xU:\n", s->methods[i].number);
	emit(e, "\t\t\t\treturn true;\n\t\t\t}\n\t\t\treturn false;\n\t\t}\n\n");
}

/* Writes ipc_open(). Handlers run only while the object, which holds the service, lives. */
static void emit_streams(struct emitter *e, const struct service *s)
{
	bool any = false, any_request = false;

	for (size_t i = 0; i < s->n_methods; i++) {
		any |= s->methods[i].streams;
		any_request |= s->methods[i].streams && !s->methods[i].sends;
	}
	if (!any)
		return;
	if (any_request)
		emit_has_request(e, s);
	emit(e, "\t\t::ipc::outcome<void> ipc_open(::ipc::stream s, ::std::uint32_t method,\n"
		"\t\t\t\t\t     const ::ipc::item *from) final\n\t\t{\n");
	emit(e, "\t\t\tswitch (method) {\n");
	for (size_t i = 0; i < s->n_methods; i++)
		if (s->methods[i].streams)
			emit_stream_case(e, &s->methods[i]);
	emit(e, "\t\t\t}\n\t\t\treturn ::ipc::typed_service::ipc_open(::std::move(s), method, from);\n\t\t}\n\n");
}

static void emit_case(struct emitter *e, const struct method *m)
{
	const char *request = m->has_request ? passed(e, m->request) : "void";

	emit(e, "\t\t\tcase 0x%xU:\n", m->number);
	if (m->streams) {
		emit(e, "\t\t\t\treturn ::ipc::typed::serve_called(::std::move(c), \"%s\");\n", m->full_name);
		return;
	}
	if (m->oneway)
		emit(e, "\t\t\t\treturn ::ipc::typed::serve_oneway<%s>(::std::move(c), \"%s\",\n",
		     request, m->full_name);
	else
		emit(e, "\t\t\t\treturn ::ipc::typed::serve<%s, %s>(::std::move(c), \"%s\",\n",
		     request, reply_of(e, m), m->full_name);
	emit(e, "\t\t\t\t\t[this](%sauto &&call) { return this->%s(%s", m->has_request ? "auto &request, " : "",
	     m->ident, m->has_request ? "request, " : "");
	emit(e, "::std::forward<decltype(call)>(call)); });\n");
}

/* Writes ipc_method_name(), for the log. */
static void emit_method_names(struct emitter *e, const struct service *s)
{
	emit(e, "\t\tconst char *ipc_method_name(::std::uint32_t method) const noexcept final\n\t\t{\n");
	emit(e, "\t\t\tswitch (method) {\n");
	for (size_t i = 0; i < s->n_methods; i++)
		emit(e, "\t\t\tcase 0x%xU:\n\t\t\t\treturn \"%s\";\n", s->methods[i].number,
		     s->methods[i].full_name);
	emit(e, "\t\t\t}\n\t\t\treturn nullptr;\n\t\t}\n\n");
}

static void emit_service_class(struct emitter *e, const struct service *s)
{
	note(e, "\t", NULL,
	     "What serves it: derive from it, and override one of the two functions of each method. "
	     "Methods that are left fail with EOPNOTSUPP.\n"
	     "\n"
	     "The first returns the reply, or throws an ipc::error. The second gets a call that it may "
	     "move elsewhere and reply to later; the request is valid until it returns. Handlers run on "
	     "serving threads, on several at once if several threads serve.");
	emit(e, "\tclass Service : public ::ipc::typed_service {\n\tpublic:\n");
	for (size_t i = 0; i < s->n_methods; i++) {
		if (s->methods[i].streams)
			emit_stream_handler(e, &s->methods[i]);
		else
			emit_handler(e, &s->methods[i]);
	}
	emit(e, "\t\tconst ::ipc::interface &ipc_served() const noexcept final { return ipc_interface; }\n\n");
	emit_method_names(e, s);
	emit(e, "\tprivate:\n");
	emit_streams(e, s);
	emit(e, "\t\t::ipc::outcome<void> ipc_dispatch(::ipc::call c) final\n\t\t{\n");
	emit(e, "\t\t\tswitch (c.request().method()) {\n");
	for (size_t i = 0; i < s->n_methods; i++)
		emit_case(e, &s->methods[i]);
	emit(e, "\t\t\t}\n\t\t\treturn ::ipc::typed::unknown(::std::move(c), ipc_interface);\n\t\t}\n\t};\n");
}

/* --- The file ------------------------------------------------------------------------ */

static void list_imports(struct emitter *e, const char *name, bool *seen)
{
	for (size_t i = 0; i < e->request->n_files; i++) {
		const Google__Protobuf__FileDescriptorProto *file = e->request->files[i];

		if (seen[i] || strcmp(file->name, name) ||
		    !strncmp(name, "google/protobuf/", strlen("google/protobuf/")))
			continue;
		seen[i] = true;
		for (size_t j = 0; j < file->n_dependency; j++)
			list_imports(e, file->dependency[j], seen);
		if (file != e->unit->proto)
			emit(e, " *   %s\n", name);
	}
}

/* Lists the other files to generate, which the header alone must tell the user. libprotobuf
 * contains the files of google/protobuf. */
static void emit_imports(struct emitter *e)
{
	size_t start = e->out->size;
	size_t head;

	emit(e, "/*\n * Generate and compile the messages of these as well, with protoc --cpp_out:\n");
	head = e->out->size;
	list_imports(e, e->unit->file,
		     arena_array(e->arena, e->request->n_files + 1, sizeof(bool)));
	if (e->out->size > head) {
		emit(e, " */\n");
		return;
	}
	e->out->size = start;
	e->out->data[start] = '\0';
}

void emit_cpp(struct emitter *e)
{
	const struct unit *unit = e->unit;
	const char *space = scoped(e, unit->proto->package ?: "");

	if (unit->license)
		emit(e, "// SPDX-License-Identifier: %s\n", unit->license);
	emit(e, "/* Generated by protoc-gen-ipc from %s. Do not edit. */\n", unit->file);
	emit_imports(e);
	emit(e, "#ifndef IPC_STUB_%s_HPP\n#define IPC_STUB_%s_HPP\n\n", unit->identifier,
	     unit->identifier);
	emit(e, "#include <ipc/cpp/protobuf.hpp>\n\n#include \"%s.pb.h\"\n\n", unit->base);
	emit_cpp_codecs(e);
	if (*space)
		emit(e, "namespace %s {\n\n", space + 2);
	emit_set(e);
	for (size_t i = 0; i < unit->n_services; i++) {
		const struct service *s = &unit->services[i];

		note(e, "", s->comment,
		     arena_printf(e->arena,
				  "The interface %s: Proxy for clients, Service for servers.",
				  s->full_name));
		emit(e, "class %s final {\npublic:\n", s->ident);
		emit_interface(e, s);
		emit_proxy(e, s);
		emit_service_class(e, s);
		emit(e, "};\n\n");
	}
	if (*space)
		emit(e, "} /* namespace %s */\n\n", space + 2);
	emit(e, "#endif /* IPC_STUB_%s_HPP */\n", unit->identifier);
}
