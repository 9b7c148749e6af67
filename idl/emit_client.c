// SPDX-License-Identifier: MIT
/*
 * The client's half of X.ipc.c: typed proxies, and the functions of each method. A reply is
 * received as a ProtobufCMessage and converted to its own type. The code must never store it
 * through a pointer of another type, because compilers assume strict aliasing.
 */
#include "emit.h"

/* --- Finding and holding proxies -------------------------------------------------- */

/* Writes the body of a function that gets a proxy from a function of libipc with these arguments
 * and a pointer to the proxy. libipc refuses a NULL. */
static void emit_found(struct emitter *e, const struct service *s, const char *function,
		       const char *args, const char *check)
{
	emit(e, "\n{\n\tstruct ipc_proxy *proxy;\n\tint r;\n\n%s", check);
	text_params(e->out, 1, arena_printf(e->arena, "r = %s", function),
		    (const char *const[]){
			    args, arena_printf(e->arena, "ret_%s ? &proxy : NULL", s->prefix), NULL },
		    ";\n\tif (r < 0)\n\t\treturn r;\n\n");
	emit(e, "\t*ret_%s = %s_from_proxy(proxy);\n\treturn 0;\n}\n\n", s->prefix, s->prefix);
}

static void emit_finding(struct emitter *e, const struct service *s)
{
	const char *named = arena_printf(e->arena, "ipc, name, %s_interface.name", s->prefix);

	sign_get(e, s, "");
	emit_found(e, s, "ipc_proxy_get", named, "");

	sign_wait(e, s, "");
	emit_found(e, s, "ipc_proxy_wait", arena_printf(e->arena, "%s, timeout_usec", named), "");

	sign_take(e, s, "");
	emit_found(e, s, "ipc_take_proxy", "ipc, &field->id",
		   "\tif (!field)\n\t\treturn -ENOENT;\n\n");

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
			    "userdata", "ret_slot", NULL },
		    ";\n}\n\n");
}

/* --- Calling ------------------------------------------------------------------------ */

static void emit_none(struct emitter *e, const struct method *m)
{
	if (!m->has_request)
		emit(e, "\tstatic const Ipc__None none = IPC__NONE__INIT;\n\n");
}

/* Writes the call of a function of libipc that lead begins, with proxy, method, options, request
 * and `more`, a list that ends with NULL. */
static void emit_rpc(struct emitter *e, const struct service *s, const struct method *m,
		     const char *lead, const char *const *more, const char *tail)
{
	const char *params[PARAMS_MAX + 1] = {
		arena_printf(e->arena, "%s_proxy(%s)", s->prefix, s->self),
		emit_method(e, s, m),
		"options",
		m->has_request ? "(const ProtobufCMessage *)request" : "&none.base",
	};
	size_t n = 4;

	while (*more)
		params[n++] = *more++;
	text_params(e->out, 1, lead, params, tail);
}

/* Writes the blocking call and the oneway, with options. */
static void emit_call_with(struct emitter *e, const struct service *s, const struct method *m)
{
	sign_call_with(e, s, m, "\n{\n");
	if (m->oneway) {
		emit_none(e, m);
		emit_rpc(e, s, m, "return ipc_rpc_oneway_with", (const char *const[]){ NULL },
			 ";\n}\n\n");
		return;
	}
	if (!m->has_reply) {
		emit_none(e, m);
		emit_rpc(e, s, m, "return ipc_rpc_call_with",
			 (const char *const[]){ "NULL", "error", NULL }, ";\n}\n\n");
		return;
	}

	if (!m->has_request)
		emit(e, "\tstatic const Ipc__None none = IPC__NONE__INIT;\n");
	emit(e, "\tProtobufCMessage *reply = NULL;\n\tint r;\n\n");
	emit_rpc(e, s, m, "r = ipc_rpc_call_with",
		 (const char *const[]){ "ret_reply ? &reply : NULL", "error", NULL }, ";\n");
	emit(e, "\tif (r < 0)\n\t\treturn r;\n\n");
	emit(e, "\tif (ret_reply)\n\t\t*ret_reply = (%s *)reply;\n\n", emit_class(e, m->reply));
	emit(e, "\treturn r;\n}\n\n");
}

/* Writes the same functions without options. */
static void emit_call(struct emitter *e, const struct service *s, const struct method *m)
{
	const char *params[PARAMS_MAX + 1] = { s->self, "NULL" };
	size_t n = 2;

	if (m->has_request)
		params[n++] = "request";
	if (m->has_reply)
		params[n++] = "ret_reply";
	if (!m->oneway)
		params[n++] = "error";

	sign_call(e, s, m, "\n{\n");
	text_params(e->out, 1, arena_printf(e->arena, "return %s_%s", s->prefix, m->with),
		    params, ";\n}\n\n");
}

/* Writes the async call, and the function that calls the callback with the method's types. */
static void emit_async(struct emitter *e, const struct service *s, const struct method *m)
{
	const char *complete = arena_printf(e->arena, "%s_complete_%s", s->prefix, m->snake);

	text_params(e->out, 0, arena_printf(e->arena, "static void %s", complete),
		    (const char *const[]){ "int result", "ProtobufCMessage *reply",
					   "const struct ipc_error *error", "ipc_rpc_cb cb",
					   "void *userdata", NULL },
		    "\n{\n");
	if (m->has_reply)
		emit(e, "\t((%s_%s_cb)cb)(result, (%s *)reply, error, userdata);\n}\n\n", s->prefix,
		     m->snake, emit_class(e, m->reply));
	else
		emit(e, "\t(void)reply;\n\t((%s_%s_cb)cb)(result, error, userdata);\n}\n\n",
		     s->prefix, m->snake);

	sign_async(e, s, m, "\n{\n");
	emit_none(e, m);
	emit_rpc(e, s, m, "return ipc_rpc_call_async",
		 (const char *const[]){ complete, "(ipc_rpc_cb)cb", "userdata", "ret_slot", NULL },
		 ";\n}\n\n");
}

static void emit_method_calls(struct emitter *e, const struct service *s, const struct method *m)
{
	if (m->streams) {
		emit_stream_client(e, s, m, true);
		return;
	}
	emit_call_with(e, s, m);
	emit_call(e, s, m);
	if (m->oneway)
		return;

	emit_async(e, s, m);
	if (!m->has_reply)
		return;
	sign_reply_keep(e, s, m, "\n{\n");
	emit(e, "\tipc_rpc_keep((ProtobufCMessage *)reply);\n}\n\n");
	sign_reply_free(e, s, m, "\n{\n");
	emit(e, "\tipc_rpc_free((ProtobufCMessage *)reply);\n}\n\n");
}

void emit_client(struct emitter *e, const struct service *s)
{
	emit_finding(e, s);
	emit_keeping(e, s);
	for (size_t i = 0; i < s->n_methods; i++)
		emit_method_calls(e, s, &s->methods[i]);
}
