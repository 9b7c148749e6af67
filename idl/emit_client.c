// SPDX-License-Identifier: MIT
/*
 * The calling half of X.ipc.c: a proxy with a type, and a function per method.
 * A reply is received as a ProtobufCMessage and handed out as what it is: never
 * stored through a pointer of another type, which the compiler may assume not
 * to happen.
 */
#include "emit.h"

/* --- Finding and keeping ---------------------------------------------------------- */

/* The end of a function that got a proxy by the call; r and proxy are declared. */
static void emit_get(struct emitter *e, const struct service *s, const char *call)
{
	emit(e, "\tr = %s;\n\tif (r < 0)\n\t\treturn r;\n\n", call);
	emit(e, "\t*ret_%s = %s_from_proxy(proxy);\n\treturn 0;\n}\n\n", s->prefix, s->prefix);
}

static void emit_finding(struct emitter *e, const struct service *s)
{
	static const char locals[] = "\tstruct ipc_proxy *proxy;\n\tint r;\n\n";

	sign_connect(e, s, "\n{\n");
	emit(e, locals);
	emit_get(e, s, "ipc_get_name(ipc, name, &proxy)");

	sign_await(e, s, "\n{\n");
	emit(e, locals);
	emit_get(e, s, "ipc_wait_name(ipc, name, &proxy)");

	sign_take(e, s, "\n{\n");
	emit(e, locals);
	emit(e, "\tif (!field)\n\t\treturn -ENOENT;\n\n");
	emit_get(e, s, "ipc_take_proxy(ipc, &field->id, &proxy)");

	sign_from_proxy(e, s, "\n{\n");
	emit(e, "\treturn (struct %s *)proxy;\n}\n\n", s->prefix);
}

static void emit_keeping(struct emitter *e, const struct service *s)
{
	sign_ref(e, s, "\n{\n");
	emit(e, "\tipc_proxy_ref(%s_proxy(%s));\n\treturn %s;\n}\n\n", s->prefix, s->self, s->self);

	sign_unref(e, s, "\n{\n");
	emit(e, "\tipc_proxy_unref(%s_proxy(%s));\n\treturn NULL;\n}\n\n", s->prefix, s->self);

	sign_proxy(e, s, "\n{\n");
	emit(e, "\treturn (struct ipc_proxy *)%s;\n}\n\n", s->self);

	sign_on_death(e, s, "\n{\n");
	text_params(e->out, 1, "return ipc_proxy_on_death",
		    (const char *const[]){
			    arena_printf(e->arena, "%s_proxy(%s)", s->prefix, s->self), "cb",
			    "userdata", "ret_id", NULL },
		    ";\n}\n\n");

	sign_off_death(e, s, "\n{\n");
	emit(e, "\treturn ipc_proxy_off_death(%s_proxy(%s), id);\n}\n\n", s->prefix, s->self);
}

/* --- Calling ------------------------------------------------------------------------ */

/* lead calls function with proxy, method, request and, for a call, where the
 * reply and the error go. */
static void emit_rpc(struct emitter *e, const struct service *s, const struct method *m,
		     const char *lead, const char *reply, const char *tail)
{
	const char *params[] = {
		arena_printf(e->arena, "%s_proxy(%s)", s->prefix, s->self),
		emit_method(e, s, m),
		m->has_request ? "(const ProtobufCMessage *)request" : "&none.base",
		reply,
		"error",
		NULL,
	};

	text_params(e->out, 1, lead, params, tail);
}

static void emit_call(struct emitter *e, const struct service *s, const struct method *m)
{
	sign_call(e, s, m, "\n{\n");
	if (!m->has_request)
		emit(e, "\tstatic const Ipc__None none = IPC__NONE__INIT;\n");

	if (!m->has_reply) {
		emit(e, "%s", m->has_request ? "" : "\n");
		emit_rpc(e, s, m, m->oneway ? "return ipc_rpc_oneway" : "return ipc_rpc_call",
			 m->oneway ? NULL : "NULL", ";\n}\n\n");
		return;
	}

	emit(e, "\tProtobufCMessage *reply = NULL;\n\tint r;\n\n");
	emit_rpc(e, s, m, "r = ipc_rpc_call", "ret_reply ? &reply : NULL", ";\n");
	emit(e, "\tif (r < 0)\n\t\treturn r;\n\n");
	emit(e, "\tif (ret_reply)\n\t\t*ret_reply = (%s *)reply;\n\n", emit_class(e, m->reply));
	emit(e, "\treturn r;\n}\n\n");

	sign_reply_free(e, s, m, "\n{\n");
	emit(e, "\tipc_rpc_free((ProtobufCMessage *)reply);\n}\n\n");
}

void emit_client(struct emitter *e, const struct service *s)
{
	emit_finding(e, s);
	emit_keeping(e, s);
	for (size_t i = 0; i < s->n_methods; i++)
		emit_call(e, s, &s->methods[i]);
}
