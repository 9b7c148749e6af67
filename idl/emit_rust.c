// SPDX-License-Identifier: MIT
/*
 * X.ipc.rs: the messages, and for each service a trait to implement, a server based on it and a
 * client. It uses the module typed of the crate ipcbus.
 */
#include "c_messages.h"
#include "emit_rust.h"

#include <string.h>

#include "names.h"

#define BYTES_PER_LINE 16

static bool carries(const struct type *type)
{
	return type->holds & TYPE_HOLDS_OBJECTS;
}

/* Returns the type in which a message is passed. */
static const char *passed(struct emitter *e, const struct type *type)
{
	const char *path = rust_path(e, type->full_name);

	return carries(type) ? arena_printf(e->arena, "::ipcbus::typed::With<%s>", path) : path;
}

static const char *request_of(struct emitter *e, const struct method *m)
{
	return m->has_request ? passed(e, m->request) : "()";
}

static const char *reply_of(struct emitter *e, const struct method *m)
{
	return m->has_reply ? passed(e, m->reply) : "()";
}

/* Returns true if rustdoc would treat a part of the text as code and test it: a line indented by
 * four columns, or a fence. */
static bool has_code(const char *text)
{
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		/* protoc keeps the blank after the slashes. Lists and quotes can be nested. */
		size_t mark = strspn(line, " \t>*+-.)0123456789");
		const char *wide = strstr(line, "    "), *tab = strchr(line, '\t');

		if ((wide && wide < line + mark) || (tab && tab < line + mark) ||
		    !strncmp(line + mark, "```", 3) || !strncmp(line + mark, "~~~", 3))
			return true;
	}
	return false;
}

static void emit_comment(struct emitter *e, const char *lead, const char *comment)
{
	size_t fence = 3;

	if (!has_code(comment)) {
		text_quote(e->out, lead, comment);
		return;
	}
	for (const char *c = comment; *c; c++) {
		size_t run = strspn(c, "`");

		fence = run >= fence ? run + 1 : fence;
		c += run ? run - 1 : 0;
	}
	for (int i = 0; i < 2; i++) {
		emit(e, "%s", lead);
		for (size_t j = 0; j < fence; j++)
			emit(e, "`");
		emit(e, i ? "\n" : "text\n");
		if (!i)
			text_quote(e->out, lead, comment);
	}
}

static void note(struct emitter *e, const char *lead, const char *comment, const char *more)
{
	if (comment) {
		emit_comment(e, lead, comment);
		if (more)
			emit(e, "%.*s\n", (int)strlen(lead) - 1, lead);
	}
	if (more)
		text_fill(e->out, lead, more);
}

static const char *constant(struct emitter *e, const struct service *s)
{
	return arena_printf(e->arena, "IPC_%s", s->ident);
}

static void emit_interface(struct emitter *e, const struct service *s)
{
	bool accept_fds = false;

	for (size_t i = 0; i < s->n_methods; i++)
		accept_fds |= (s->methods[i].request->holds & TYPE_MAY_BRING_FILES) != 0;
	rust_allow(e);
	emit(e, "static %s: ::ipcbus::typed::Interface = ::ipcbus::typed::Interface {\n",
	     constant(e, s));
	emit(e, "    name: \"%s\",\n    descriptor: &IPC_%s,\n", s->full_name,
	     e->unit->identifier);
	emit(e, "    accept_fds: %s,\n};\n\n", accept_fds ? "true" : "false");
}

static const char *method_of(struct emitter *e, const struct method *m)
{
	bool accept_fds = m->reply->holds & TYPE_MAY_BRING_FILES;

	return arena_printf(
		e->arena, "&::ipcbus::typed::Method { number: 0x%x, timeout_ms: %u, accept_fds: %s }",
		m->number, m->timeout_ms, accept_fds ? "true" : "false");
}

/* --- Client ----------------------------------------------------------------------------- */

static const Google__Protobuf__ServiceDescriptorProto *service_of(struct emitter *e,
								    const struct path *place)
{
	return e->unit->proto->service[place->steps[1]];
}

/* Writes fn NAME(&self, request: ..., options: ...) -> RESULT {. If the result borrows the request,
 * the type of the request begins with the lifetime 'r. */
static void sign(struct emitter *e, const struct method *m, const char *suffix, const char *request,
		 bool options, const char *result)
{
	const char *whole = arena_printf(e->arena, "%s%s", *suffix ? m->ident : m->plain, suffix);
	const Google__Protobuf__MethodDescriptorProto *proto =
		service_of(e, &m->place)->method[m->place.steps[3]];

	rust_deprecated(e, "    ", proto->options && proto->options->deprecated);
	emit(e, "    pub fn %s%s(&self", rust_identifier(e->arena, whole),
	     request && *request == '\'' ? "<'r>" : "");
	if (request)
		emit(e, ", request: &%s", request);
	emit(e, "%s) -> ::ipcbus::Result<%s> {\n",
	     options ? ", options: &::ipcbus::Options<'_>" : "", result);
}

static void emit_call(struct emitter *e, const struct method *m)
{
	const char *request = m->has_request ? passed(e, m->request) : NULL;
	const char *argument = m->has_request ? "request" : "&()", *reply = reply_of(e, m);
	const char *function = m->oneway ? "send" : "call";

	note(e, "    " DOC " ", m->comment,
	     m->oneway ? "Sends the oneway: see `Proxy::oneway()`." :
			 "Calls, and blocks until the reply.");
	sign(e, m, "", request, false, reply);
	emit(e, "        self.%s_with(%s&::ipcbus::Options::new())\n    }\n\n", m->ident,
	     m->has_request ? "request, " : "");
	emit(e, "    " DOC " The same with options.\n");
	sign(e, m, "_with", request, true, reply);
	emit(e, "        ::ipcbus::typed::%s(&self.proxy, %s, %s, options)\n    }\n\n", function,
	     method_of(e, m), argument);
	if (m->oneway)
		return;
	emit(e, "    " DOC " Starts the call, and returns a future of the reply.\n");
	sign(e, m, "_async", request, true,
	     arena_printf(e->arena, "::ipcbus::typed::ReplyFuture<%s>", reply));
	emit(e, "        ::ipcbus::typed::call_async(&self.proxy, %s, %s, options)\n    }\n\n",
	     method_of(e, m), argument);
}

static void emit_open(struct emitter *e, const struct method *m)
{
	const char *function = m->sends ? "open" : "open_with";
	const char *sent = m->sends ? request_of(e, m) : "()";
	const char *request = !m->sends && m->has_request ? passed(e, m->request) : NULL;
	const char *end = arena_printf(e->arena, "::ipcbus::typed::StreamOf<%s, %s>", sent,
				       passed(e, m->reply));
	const char *future = arena_printf(
		e->arena, "impl ::core::future::Future<Output = ::ipcbus::Result<%s>>%s", end,
		request ? " + 'r" : "");
	const char *argument = m->sends ? "" : request ? "request, " : "&(), ";

	note(e, "    " DOC " ", m->comment,
	     m->pushes ?
		     "Opens the stream, and blocks until the server has accepted it." :
		     "Opens the stream, and blocks until the server has accepted it. `finish()` "
		     "returns the reply.");
	sign(e, m, "", request, true, end);
	emit(e, "        ::ipcbus::typed::%s(&self.proxy, %s, %soptions)\n    }\n\n", function,
	     method_of(e, m), argument);
	emit(e, "    " DOC " Starts to open the stream, and returns a future of it.\n");
	sign(e, m, "_async", request ? arena_printf(e->arena, "'r %s", request) : NULL, true, future);
	emit(e, "        ::ipcbus::typed::%s_async(&self.proxy, %s, %soptions)\n    }\n\n", function,
	     method_of(e, m), argument);
}

static void emit_client_struct(struct emitter *e, const struct service *s)
{
	note(e, DOC " ", s->comment,
	     arena_printf(e->arena,
			  "An object of another process that has the interface `%s`. Clones are "
			  "the same object.",
			  s->full_name));
	rust_deprecated(e, "", service_of(e, &s->place)->options &&
				       service_of(e, &s->place)->options->deprecated);
	emit(e, "#[derive(Clone, Debug, PartialEq, Eq)]\n");
	rust_allow(e);
	emit(e, "pub struct %sProxy {\n", s->ident);
	emit(e, "    proxy: ::ipcbus::Proxy,\n}\n\n");
	rust_allow(e);
	emit(e, "impl %sProxy {\n", s->ident);
	emit(e, "    " DOC " Wraps a proxy.\n    pub fn new(proxy: ::ipcbus::Proxy) -> Self {\n");
	emit(e, "        Self { proxy }\n    }\n\n");
	emit(e, "    " DOC " Finds the object under a name: see `Connection::get()`. `EPROTOTYPE`: it has another\n    "
		DOC " interface.\n");
	emit(e,
	     "    pub fn get(connection: &::ipcbus::Connection, name: &str) -> ::ipcbus::Result<Self> {\n");
	emit(e, "        ::ipcbus::typed::get(connection, name, &%s).map(Self::new)\n    }\n\n",
	     constant(e, s));
	emit(e, "    " DOC " Waits for the name: see `Connection::wait()`. `EPROTOTYPE`: as above.\n");
	emit(e,
	     "    pub fn wait(\n        connection: &::ipcbus::Connection,\n        name: &str,\n"
	     "        timeout: ::core::option::Option<::std::time::Duration>,\n"
	     "    ) -> ::ipcbus::Result<Self> {\n");
	emit(e,
	     "        ::ipcbus::typed::wait(connection, name, timeout, &%s).map(Self::new)\n    }\n\n",
	     constant(e, s));
	emit(e, "    " DOC " What every proxy has, such as `on_death()`.\n");
	emit(e, "    pub fn proxy(&self) -> &::ipcbus::Proxy {\n        &self.proxy\n    }\n\n");
	for (size_t i = 0; i < s->n_methods; i++) {
		if (s->methods[i].streams)
			emit_open(e, &s->methods[i]);
		else
			emit_call(e, &s->methods[i]);
	}
	emit(e, "}\n\n");
	rust_allow(e);
	emit(e, "impl ::core::convert::From<::ipcbus::Proxy> for %sProxy {\n", s->ident);
	emit(e, "    fn from(proxy: ::ipcbus::Proxy) -> Self {\n        Self::new(proxy)\n    }\n}\n\n");
}

/* --- Server ---------------------------------------------------------------------------- */

static const char *server_end(struct emitter *e, const struct method *m)
{
	return arena_printf(e->arena, "::ipcbus::typed::StreamOf<%s, %s>", passed(e, m->reply),
			    m->sends ? request_of(e, m) : "()");
}

static void emit_handler(struct emitter *e, const char *trait, const struct method *m)
{
	const char *request =
		m->has_request ? arena_printf(e->arena, ", request: %s", passed(e, m->request)) :
				 "";
	const char *name = rust_identifier(e->arena, m->ident);

	note(e, "    " DOC " ", m->comment, NULL);
	if (m->streams) {
		emit(e, "    fn %s(&self%s, stream: %s) -> ::ipcbus::Result<()> {\n", name,
		     m->sends ? "" : request, server_end(e, m));
		emit(e, "        let _ = %s;\n        ::core::result::Result::Err(::ipcbus::typed::unserved(\"%s is not implemented\"))\n    }\n\n",
		     !m->sends && m->has_request ? "(request, stream)" : "stream", m->full_name);
		return;
	}
	emit(e, "    fn %s(&self%s, call: &::ipcbus::Call) -> ::ipcbus::Result<%s> {\n", name,
	     request, reply_of(e, m));
	emit(e, "        let _ = %s;\n        ::core::result::Result::Err(::ipcbus::typed::unserved(\"%s is not implemented\"))\n    }\n\n",
	     m->has_request ? "(request, call)" : "call", m->full_name);
	if (m->oneway)
		return;
	emit(e, "    " DOC " The same for a handler that replies later.\n");
	emit(e,
	     "    fn %s_call(&self%s, call: ::ipcbus::typed::CallFor<%s>) -> ::ipcbus::Result<()> {\n",
	     m->ident, request, reply_of(e, m));
	emit(e, "        call.reply_with(|call| <Self as %s>::%s(self, %scall))\n    }\n\n",
	     trait, name, m->has_request ? "request, " : "");
}

static void emit_trait(struct emitter *e, const struct service *s)
{
	note(e, DOC " ", s->comment,
	     "What serves it. Of each method override the function of its name, which returns the reply "
	     "or an error, or the one with `_call`, which may move the call elsewhere and reply later. "
	     "Methods that are left fail with `EOPNOTSUPP`. Handlers run on serving threads.");
	rust_allow(e);
	emit(e, "#[allow(unused_variables)]\npub trait %s: ::core::marker::Send + ::core::marker::Sync + 'static {\n", s->ident);
	for (size_t i = 0; i < s->n_methods; i++)
		emit_handler(e, s->ident, &s->methods[i]);
	emit(e, "}\n\n");
}

static void emit_case(struct emitter *e, const char *trait, const struct method *m)
{
	const char *name = rust_identifier(e->arena, m->ident);

	if (m->streams)
		return;
	emit(e, "            0x%x => ::ipcbus::typed::serve%s(call, |request: %s, call| ", m->number,
	     m->oneway ? "_oneway" : "", request_of(e, m));
	if (!m->has_request)
		emit(e, "{\n                let () = request;\n                ");
	if (m->oneway)
		emit(e, "<IpcService as %s>::%s(&self.0, %scall)", trait, name, m->has_request ? "request, " : "");
	else
		emit(e, "<IpcService as %s>::%s_call(&self.0, %scall)", trait, m->ident, m->has_request ? "request, " : "");
	emit(e, "%s),\n", m->has_request ? "" : "\n            }");
}

static void emit_stream_case(struct emitter *e, const char *trait, const struct method *m)
{
	const char *name = rust_identifier(e->arena, m->ident);

	if (m->sends)
		emit(e, "            0x%x => <IpcService as %s>::%s(\n                &self.0,\n                ::ipcbus::typed::serve_stream(stream),\n            ),\n",
		     m->number, trait, name);
	else
		emit(e,
		     "            0x%x => {\n                let service = self.0.clone();\n"
		     "                ::ipcbus::typed::serve_replies(stream, \"%s\", move |%s, stream| {\n"
		     "                    <IpcService as %s>::%s(&service, %sstream)\n                })\n            }\n",
		     m->number, m->full_name, m->has_request ? "request" : "()", trait, name,
		     m->has_request ? "request, " : "");
}

/* Names of methods for the log. */
static void emit_method_names(struct emitter *e, const struct service *s)
{
	emit(e, "\n    fn method_name(&self, method: u32) -> ::core::option::Option<&'static str> {\n");
	emit(e, "        match method {\n");
	for (size_t i = 0; i < s->n_methods; i++)
		emit(e, "            0x%x => ::core::option::Option::Some(\"%s\"),\n",
		     s->methods[i].number, s->methods[i].full_name);
	emit(e, "            _ => ::core::option::Option::None,\n        }\n    }\n");
}

static void emit_server_struct(struct emitter *e, const struct service *s)
{
	bool streams = false;

	for (size_t i = 0; i < s->n_methods; i++)
		streams |= s->methods[i].streams;
	emit(e, DOC " A service of bytes over [`%s`]: makes objects of it.\n", s->ident);
	emit(e, "#[derive(Debug)]\n");
	rust_allow(e);
	emit(e, "pub struct %sServer<IpcService>(::std::sync::Arc<IpcService>);\n\n", s->ident);
	rust_allow(e);
	emit(e, "impl<IpcService: %s> %sServer<IpcService> {\n", s->ident, s->ident);
	emit(e,
	     "    " DOC " For `ObjectBuilder::create()`.\n    pub fn new(service: IpcService) -> Self {\n");
	emit(e, "        Self(::std::sync::Arc::new(service))\n    }\n\n");
	emit(e,
	     "    " DOC
	     " Creates an object.\n    pub fn object(\n        connection: &::ipcbus::Connection,\n"
	     "        service: IpcService,\n    ) -> ::ipcbus::Result<::ipcbus::Object> {\n");
	emit(e, "        ::ipcbus::typed::object(connection, &%s, Self::new(service))\n    }\n\n",
	     constant(e, s));
	emit(e,
	     "    " DOC " Creates an object, and registers it under a name.\n    pub fn register(\n"
	     "        connection: &::ipcbus::Connection,\n        name: &str,\n        service: IpcService,\n"
	     "    ) -> ::ipcbus::Result<::ipcbus::Object> {\n");
	emit(e, "        let object = Self::object(connection, service)?;\n");
	emit(e,
	     "        connection.register_name(name, &object)?;\n        Ok(object)\n    }\n}\n\n");

	rust_allow(e);
	emit(e, "impl<IpcService: %s> ::ipcbus::Service for %sServer<IpcService> {\n", s->ident, s->ident);
	emit(e, "    fn serve(&self, call: ::ipcbus::Call) -> ::ipcbus::Result<()> {\n");
	emit(e, "        match call.method() {\n");
	for (size_t i = 0; i < s->n_methods; i++)
		emit_case(e, s->ident, &s->methods[i]);
	emit(e, "            _ => ::ipcbus::typed::unknown(call, &%s),\n        }\n    }\n",
	     constant(e, s));
	emit_method_names(e, s);
	if (streams) {
		emit(e, "\n    fn has_streams(&self) -> bool {\n        true\n    }\n\n");
		emit(e,
		     "    fn serve_stream(&self, stream: ::ipcbus::Stream, method: u32) -> ::ipcbus::Result<()> {\n");
		emit(e, "        match method {\n");
		for (size_t i = 0; i < s->n_methods; i++)
			if (s->methods[i].streams)
				emit_stream_case(e, s->ident, &s->methods[i]);
		emit(e, "            _ => ::core::result::Result::Err(::ipcbus::typed::unserved(\"%s has no such stream\")),\n        }\n    }\n",
		     s->full_name);
	}
	emit(e, "}\n\n");
}

/* --- The file --------------------------------------------------------------------------- */

static void emit_services(struct emitter *e)
{
	const struct unit *unit = e->unit;

	emit(e, DOC " A `FileDescriptorSet` of the file and its imports.\n");
	rust_allow(e);
	emit(e, "static IPC_%s: [u8; %zu] = [", unit->identifier, unit->set_size);
	for (size_t i = 0; i < unit->set_size; i++)
		emit(e, "%s%u,", i % BYTES_PER_LINE ? " " : "\n    ", unit->set[i]);
	emit(e, "\n];\n\n");
	for (size_t i = 0; i < unit->n_services; i++) {
		const struct service *s = &unit->services[i];

		emit_interface(e, s);
		emit_client_struct(e, s);
		emit_trait(e, s);
		emit_server_struct(e, s);
	}
}

/* Lists the other files whose types the file uses. */
static void emit_needs(struct emitter *e)
{
	const char **names = arena_array(e->arena, e->request->n_files + 1, sizeof(*names));
	size_t n = 0;

	c_messages_imports(e->request, e->unit->file, names, &n);
	for (size_t i = 0; i < n; i++)
		if (!rust_crate_has(names[i]))
			emit(e, "// It needs %s.ipc.rs.\n", name_file_base(e->arena, names[i]));
}

void emit_rust(struct emitter *e)
{
	const struct unit *unit = e->unit;

	if (unit->license)
		emit(e, "// SPDX-License-Identifier: %s\n", unit->license);
	emit(e, "// Generated by protoc-gen-ipc from %s. Do not edit.\n", unit->file);
	emit_needs(e);
	emit(e, "\n");
	e->module = rust_package(unit->rust, unit->proto->package);
	rust_types(e);
	if (unit->n_services)
		emit_services(e);
	/* An empty line follows each item except the last. */
	e->out->data[--e->out->size] = '\0';
}
