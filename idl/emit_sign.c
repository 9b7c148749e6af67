// SPDX-License-Identifier: MIT
/*
 * The signatures of generated functions. Header and source use the same strings, so they cannot
 * differ.
 */
#include <stdarg.h>
#include <string.h>

#include "emit.h"
#include "names.h"

#define format(e, ...) arena_printf((e)->arena, __VA_ARGS__)

/* Writes lead and the parameters up to NULL. */
static void sign(struct emitter *e, const char *tail, const char *lead, ...)
{
	const char *params[PARAMS_MAX + 1];
	va_list args;
	size_t n = 0;

	va_start(args, lead);
	do
		params[n] = va_arg(args, const char *);
	while (params[n] && ++n < PARAMS_MAX);
	va_end(args);

	params[n] = NULL;
	text_params(e->out, 0, lead, params, tail);
}

const char *emit_class(struct emitter *e, const struct type *type)
{
	return name_c_class(e->arena, type->pb_name);
}

const char *emit_method(struct emitter *e, const struct service *service,
			const struct method *method)
{
	return format(e, "&%s_method_table[%s]", service->prefix, method->index);
}

static const char *self_param(struct emitter *e, const struct service *service)
{
	return format(e, "struct %s *%s", service->prefix, service->self);
}

static const char *ret_param(struct emitter *e, const struct service *service)
{
	return format(e, "struct %s **ret_%s", service->prefix, service->prefix);
}

static const char *request_param(struct emitter *e, const struct method *method)
{
	return format(e, "const %s *request", emit_class(e, method->request));
}

/* --- Client --------------------------------------------------------------------- */

void sign_get(struct emitter *e, const struct service *service, const char *tail)
{
	sign(e, tail, format(e, "int %s_get", service->prefix), "struct ipc *ipc",
	     "const char *name", ret_param(e, service), NULL);
}

void sign_wait(struct emitter *e, const struct service *service, const char *tail)
{
	sign(e, tail, format(e, "int %s_wait", service->prefix), "struct ipc *ipc",
	     "const char *name", "uint64_t timeout_usec", ret_param(e, service), NULL);
}

void sign_take(struct emitter *e, const struct service *service, const char *tail)
{
	sign(e, tail, format(e, "int %s_take", service->prefix), "struct ipc *ipc",
	     "Ipc__Object *field", ret_param(e, service), NULL);
}

void sign_from_proxy(struct emitter *e, const struct service *service, const char *tail)
{
	sign(e, tail, format(e, "struct %s *%s_from_proxy", service->prefix, service->prefix),
	     "struct ipc_proxy *proxy", NULL);
}

void sign_ref(struct emitter *e, const struct service *service, const char *tail)
{
	sign(e, tail, format(e, "struct %s *%s_ref", service->prefix, service->prefix),
	     self_param(e, service), NULL);
}

void sign_unref(struct emitter *e, const struct service *service, const char *tail)
{
	sign(e, tail, format(e, "struct %s *%s_unref", service->prefix, service->prefix),
	     self_param(e, service), NULL);
}

void sign_proxy(struct emitter *e, const struct service *service, const char *tail)
{
	sign(e, tail, format(e, "struct ipc_proxy *%s_proxy", service->prefix),
	     self_param(e, service), NULL);
}

void sign_on_death(struct emitter *e, const struct service *service, const char *tail)
{
	sign(e, tail, format(e, "int %s_on_death", service->prefix), self_param(e, service),
	     "ipc_death_cb cb", "void *userdata", "struct ipc_slot **ret_slot", NULL);
}

/* Writes the signature of a call. options: the parameter's name and type, or NULL. */
static void sign_blocking(struct emitter *e, const struct service *service,
			  const struct method *method, const char *name, const char *options,
			  const char *tail)
{
	const char *params[PARAMS_MAX + 1];
	size_t n = 0;

	params[n++] = self_param(e, service);
	if (options)
		params[n++] = options;
	if (method->has_request)
		params[n++] = request_param(e, method);
	if (method->has_reply)
		params[n++] = format(e, "%s **ret_reply", emit_class(e, method->reply));
	if (!method->oneway)
		params[n++] = "struct ipc_error *error";
	params[n] = NULL;

	text_params(e->out, 0, format(e, "int %s_%s", service->prefix, name), params, tail);
}

#define OPTIONS_PARAM "const struct ipc_options *options"

void sign_call(struct emitter *e, const struct service *service, const struct method *method,
	       const char *tail)
{
	sign_blocking(e, service, method, method->plain, NULL, tail);
}

void sign_call_with(struct emitter *e, const struct service *service,
		    const struct method *method, const char *tail)
{
	sign_blocking(e, service, method, method->with, OPTIONS_PARAM, tail);
}

void sign_cb(struct emitter *e, const struct service *service, const struct method *method,
	     const char *tail)
{
	const char *params[PARAMS_MAX + 1];
	size_t n = 0;

	params[n++] = "int result";
	if (method->has_reply)
		params[n++] = format(e, "%s *reply", emit_class(e, method->reply));
	params[n++] = "const struct ipc_error *error";
	params[n++] = "void *userdata";
	params[n] = NULL;

	text_params(e->out, 0, format(e, "typedef void (*%s_%s_cb)", service->prefix, method->snake),
		    params, tail);
}

void sign_async(struct emitter *e, const struct service *service, const struct method *method,
		const char *tail)
{
	const char *params[PARAMS_MAX + 1];
	size_t n = 0;

	params[n++] = self_param(e, service);
	params[n++] = OPTIONS_PARAM;
	if (method->has_request)
		params[n++] = request_param(e, method);
	params[n++] = format(e, "%s_%s_cb cb", service->prefix, method->snake);
	params[n++] = "void *userdata";
	params[n++] = "struct ipc_slot **ret_slot";
	params[n] = NULL;

	text_params(e->out, 0, format(e, "int %s_%s_async", service->prefix, method->snake), params,
		    tail);
}

void sign_reply_free(struct emitter *e, const struct service *service,
		     const struct method *method, const char *tail)
{
	sign(e, tail, format(e, "void %s_%s_reply_free", service->prefix, method->snake),
	     format(e, "%s *reply", emit_class(e, method->reply)), NULL);
}

void sign_reply_keep(struct emitter *e, const struct service *service,
		     const struct method *method, const char *tail)
{
	sign(e, tail, format(e, "void %s_%s_reply_keep", service->prefix, method->snake),
	     format(e, "%s *reply", emit_class(e, method->reply)), NULL);
}

/* --- Server --------------------------------------------------------------------- */

void sign_handler(struct emitter *e, const struct method *method, const char *tail)
{
	const char *params[] = { "struct ipc_call *call", request_param(e, method),
				 "void *userdata", NULL };

	if (!method->has_request)
		memmove(&params[1], &params[2], 2 * sizeof(params[0]));

	text_params(e->out, 1, format(e, "int (*%s)", method->member), params, tail);
}

void sign_reply(struct emitter *e, const struct service *service, const struct method *method,
		const char *tail)
{
	sign(e, tail, format(e, "int %s_reply_%s", service->prefix, method->snake),
	     "struct ipc_call *call",
	     method->has_reply ? format(e, "const %s *reply", emit_class(e, method->reply)) : NULL,
	     NULL);
}

void sign_object_new(struct emitter *e, const struct service *service, const char *tail)
{
	sign(e, tail, format(e, "int %s_object_new", service->prefix), "struct ipc *ipc",
	     format(e, "const struct %s_ops *ops", service->prefix), "void *userdata",
	     "void (*destroy)(void *userdata)", "struct ipc_object **ret_object", NULL);
}

void sign_register(struct emitter *e, const struct service *service, const char *tail)
{
	sign(e, tail, format(e, "int %s_register", service->prefix), "struct ipc *ipc",
	     "const char *name", format(e, "const struct %s_ops *ops", service->prefix),
	     "void *userdata", NULL);
}

void sign_register_with(struct emitter *e, const struct service *service, const char *tail)
{
	sign(e, tail, format(e, "int %s_register_with", service->prefix), "struct ipc *ipc",
	     "const char *name", format(e, "const struct %s_ops *ops", service->prefix),
	     "void *userdata", "unsigned int flags", NULL);
}
