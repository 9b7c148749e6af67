// SPDX-License-Identifier: MIT
/*
 * The server's half of X.ipc.c: functions that pass an unpacked request to the handler in its own
 * type, and the table with which libipc finds these functions.
 */
#include <inttypes.h>

#include "emit.h"
#include "names.h"

static void emit_invoke(struct emitter *e, const struct service *s, const struct method *m)
{
	const char *unused = m->has_request ? "" : "\t(void)request;\n";

	text_params(e->out, 0, arena_printf(e->arena, "static int %s_invoke_%s", s->prefix, m->snake),
		    (const char *const[]){ "struct ipc_call *call", "const ProtobufCMessage *request",
					   "const void *ops", "void *userdata", NULL },
		    "\n{\n");
	emit(e, "\tconst struct %s_ops *handlers = ops;\n\n%s", s->prefix, unused);
	emit(e, "\tif (!handlers->%s)\n", m->member);
	text_params(e->out, 2, "return ipc_call_fail",
		    (const char *const[]){ "call", "EOPNOTSUPP", "NULL",
					   arena_printf(e->arena, "\"%s is not implemented\"",
							m->full_name), NULL },
		    ";\n\n");
	if (m->has_request)
		emit(e, "\treturn handlers->%s(call, (const %s *)request, userdata);\n}\n\n",
		     m->member, emit_class(e, m->request));
	else
		emit(e, "\treturn handlers->%s(call, userdata);\n}\n\n", m->member);
}

/* --- The method table -------------------------------------------------------------- */

static void emit_indices(struct emitter *e, const struct service *s)
{
	emit(e, "/* Indices into the table below, which is sorted by number. */\nenum {\n");
	for (size_t i = 0; i < s->n_methods; i++)
		emit(e, "\t%s,\n", s->by_number[i]->index);
	emit(e, "};\n\n");
}

static void emit_flags(struct emitter *e, const struct method *m)
{
	const struct {
		bool set;
		const char *name;
	} flags[] = {
		{ m->oneway, "IPC_METHOD_ONEWAY" },
		{ m->request->holds & TYPE_HOLDS_OBJECTS, "IPC_METHOD_REQUEST_OBJECTS" },
		{ m->reply->holds & TYPE_HOLDS_OBJECTS, "IPC_METHOD_REPLY_OBJECTS" },
		{ m->request->holds & TYPE_HOLDS_BYTES, "IPC_METHOD_REQUEST_BYTES" },
		{ m->reply->holds & TYPE_HOLDS_BYTES, "IPC_METHOD_REPLY_BYTES" },
		{ m->copy, "IPC_METHOD_COPY" },
		{ m->sends, "IPC_METHOD_REQUEST_STREAM" },
		{ m->pushes, "IPC_METHOD_REPLY_STREAM" },
	};
	bool any = false;

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (!flags[i].set)
			continue;
		emit(e, "%s%s", any ? " |\n\t\t\t " : "\t\t.flags = ", flags[i].name);
		any = true;
	}

	if (any)
		emit(e, ",\n");
}

static void emit_entry(struct emitter *e, const struct service *s, const struct method *m)
{
	emit(e, "\t[%s] = {\n", m->index);
	emit(e, m->number & 0x80000000 ? "\t\t.number = 0x%08x,\n" : "\t\t.number = %u,\n",
	     m->number);
	emit_flags(e, m);
	emit(e, "\t\t.name = \"%s\",\n", m->name);
	emit(e, "\t\t.request = &%s__descriptor,\n", name_c_lower(e->arena, m->request->pb_name));
	emit(e, "\t\t.reply = &%s__descriptor,\n", name_c_lower(e->arena, m->reply->pb_name));
	if (m->streams)
		emit(e, "\t\t.invoke = ipc_rpc_invoke_stream,\n\t\t.open = %s_start_%s,\n"
			"\t\t.handler = offsetof(struct %s_ops, %s),\n",
		     s->prefix, m->snake, s->prefix, m->member);
	else
		emit(e, "\t\t.invoke = %s_invoke_%s,\n", s->prefix, m->snake);
	if (m->timeout_ms)
		emit(e, "\t\t.timeout_usec = %" PRIu64 ",\n", (uint64_t)m->timeout_ms * 1000);
	if (m->request_codec)
		emit(e, "\t\t.request_codec = &%s__codec,\n", m->request_codec->name);
	if (m->reply_codec)
		emit(e, "\t\t.reply_codec = &%s__codec,\n", m->reply_codec->name);
	emit(e, "\t},\n");
}

static void emit_table(struct emitter *e, const struct service *s)
{
	if (!s->n_methods)
		return;
	emit_indices(e, s);
	emit(e, "static const struct ipc_method %s_method_table[] = {\n", s->prefix);
	for (size_t i = 0; i < s->n_methods; i++)
		emit_entry(e, s, s->by_number[i]);
	emit(e, "};\n\n");
}

static void emit_interface(struct emitter *e, const struct service *s)
{
	emit(e, "const struct ipc_interface %s_interface = {\n", s->prefix);
	emit(e, "\t.size = sizeof(struct ipc_interface),\n");
	emit(e, "\t.name = \"%s\",\n", s->full_name);
	if (s->n_methods)
		emit(e, "\t.methods = %s_method_table,\n\t.n_methods = %zu,\n", s->prefix,
		     s->n_methods);
	emit(e, "\t.method_size = sizeof(struct ipc_method),\n");
	emit(e, "\t.descriptor = file_descriptor_set,\n");
	emit(e, "\t.descriptor_size = sizeof(file_descriptor_set),\n};\n\n");
}

/* --- Functions --------------------------------------------------------------------- */

static void emit_reply(struct emitter *e, const struct service *s, const struct method *m)
{
	const char *reply = m->has_reply ? "(const ProtobufCMessage *)reply" : "&none.base";

	sign_reply(e, s, m, "\n{\n");
	if (!m->has_reply)
		emit(e, "\tstatic const Ipc__None none = IPC__NONE__INIT;\n\n");

	text_params(e->out, 1, "return ipc_rpc_reply",
		    (const char *const[]){ "call", emit_method(e, s, m), reply, NULL },
		    ";\n}\n\n");
}

static void emit_object(struct emitter *e, const struct service *s)
{
	const char *interface = arena_printf(e->arena, "&%s_interface", s->prefix);

	sign_object_new(e, s, "\n{\n");
	text_params(e->out, 1, "return ipc_object_new",
		    (const char *const[]){ "ipc", interface, "ops", "userdata", "destroy",
					   "ret_object", NULL },
		    ";\n}\n\n");

	sign_register(e, s, "\n{\n");
	text_params(e->out, 1, "return ipc_rpc_register",
		    (const char *const[]){ "ipc", "name", interface, "ops", "userdata",
					   "/* flags= */ 0", NULL },
		    ";\n}\n\n");

	sign_register_with(e, s, "\n{\n");
	text_params(e->out, 1, "return ipc_rpc_register",
		    (const char *const[]){ "ipc", "name", interface, "ops", "userdata", "flags",
					   NULL },
		    ";\n}\n\n");
}

void emit_server(struct emitter *e, const struct service *s)
{
	for (size_t i = 0; i < s->n_methods; i++) {
		if (s->methods[i].streams)
			emit_stream_start(e, s, &s->methods[i]);
		else
			emit_invoke(e, s, &s->methods[i]);
	}

	emit_table(e, s);
	emit_interface(e, s);

	for (size_t i = 0; i < s->n_methods; i++) {
		if (s->methods[i].streams)
			emit_stream_server(e, s, &s->methods[i], true);
		else if (!s->methods[i].oneway)
			emit_reply(e, s, &s->methods[i]);
	}

	emit_object(e, s);
}
