// SPDX-License-Identifier: MIT
/*
 * Objects of generated code: method -> handler -> reply.
 *
 * The request is not trusted. A request that cannot be passed to a handler is refused with an
 * explained error; a oneway is discarded instead:
 *   -EOPNOTSUPP   the object's interface has no method with this number
 *   -EPROTO       called for a reply where the method is oneway, or the
 *                 reverse: the two sides were built from different files
 *   -EBADMSG      not a request of this method
 */
#include <errno.h>

#include "base/sized.h"
#include "core/errors.h"
#include "core/raw.h"
#include "core/request.h"
#include "core/stream.h"
#include "pack.h"
#include "table.h"
#include "typed.h"

static const struct ipc_method *method_find(const struct ipc_interface *interface,
					    uint32_t number)
{
	size_t low = 0;
	size_t high = interface->n_methods;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (method_at(interface, middle)->number < number)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == interface->n_methods || method_at(interface, low)->number != number)
		return builtin_find(number);
	return method_at(interface, low);
}

/* Returns the method with the number, which is usually that of the previous call; or NULL. */
static inline const struct ipc_method *method_called(struct typed_object *object, uint32_t number)
{
	const struct ipc_method *method =
		atomic_load_explicit(&object->last, memory_order_relaxed);

	if (likely(method && method->number == number))
		return method;
	method = method_find(object->interface, number);
	atomic_store_explicit(&object->last, method, memory_order_relaxed);
	return method;
}

/* Fails a call with the errno r and a text: handlers may return the same errnos. Logs a oneway. */
static int refuse_request(struct ipc_call *call, int r)
{
	const char *interface = call->object->interface;

	if (call->oneway) {
		log_failure(call->ipc, FAILURE_ONEWAY, r, interface);
		return 0;
	}
	switch (r) {
	case -EOPNOTSUPP:
		ipc_call_fail(call, r, NULL, "%s has no method with the number 0x%x", interface,
			      call->code);
		break;
	case -EPROTO:
		ipc_call_fail(call, r, NULL, "%s.%s is oneway: it has no reply", interface,
			      call->method->name);
		break;
	case -EBADMSG:
		ipc_call_fail(call, r, NULL, "%s.%s: the request is not a valid %s", interface,
			      call->method->name, call->method->request->name);
		break;
	default:
		break;
	}
	return r;
}

static int serve_stream(struct ipc_call *call, const struct ipcbus_event *event)
{
	const struct ipc_raw_message *message;
	int r;

	r = raw_receive(call, event, /* copy= */ false, &message);
	if (r < 0)
		return r;
	r = stream_serve(call, message);
	if (r == -EBADMSG)
		ipc_call_fail(call, r, NULL, "%s.stream: the request is not a valid ipc.StreamOpen",
			      call->object->interface);
	return r;
}

/* Opens a stream, or refuses a request: the interface has no such method, or a method
 * of another kind. */
static __attribute__((noinline)) int serve_other(struct ipc_call *call,
						 const struct ipcbus_event *event)
{
	if (!call->method && call->code == IPC_NUMBER_STREAM && !call->oneway)
		return serve_stream(call, event);
	event_refuse(call->ipc, event);
	return refuse_request(call, call->method ? -EPROTO : -EOPNOTSUPP);
}

static int serve_typed(struct ipc_call *call, const struct ipcbus_event *event)
{
	struct typed_object *object = typed_object(call->object);
	const struct ipc_method *method = method_called(object, call->code);
	ProtobufCMessage *request;
	int r;

	call->method = method;
	if (unlikely(!method || call->oneway != !!(method->flags & IPC_METHOD_ONEWAY)))
		return serve_other(call, event);
	r = typed_unpack(call, event, method, &request);
	if (unlikely(r < 0))
		return refuse_request(call, r);
	return method->invoke(call, request, object->ops, object->base.userdata);
}

static const char *method_name(const struct ipc_call *call)
{
	return call->method->name;
}

static const struct object_type typed_type = {
	.serve = serve_typed,
	.method_name = method_name,
	.new_stream = typed_stream_new,
};

/* --- Objects --------------------------------------------------------------------- */

/* Files go only to objects whose methods can take objects, bytes or shared memory. */
static unsigned int node_flags(const struct ipc_interface *interface)
{
	for (size_t i = 0; i < interface->n_methods; i++)
		if (method_at(interface, i)->flags &
		    (IPC_METHOD_REQUEST_OBJECTS | IPC_METHOD_REQUEST_BYTES))
			return IPCBUS_NODE_ACCEPT_FDS;
	return 0;
}

int ipc_object_new(struct ipc *ipc, const struct ipc_interface *interface, const void *ops,
		   void *userdata, void (*destroy)(void *userdata),
		   struct ipc_object **ret_object)
{
	struct ipc_object *object;
	int r;

	if (!ipc || !ret_object || !interface ||
	    interface->method_size < sizeof(struct ipc_method) || (!ops && interface->n_methods))
		return -EINVAL;
	r = sized_check(sizeof(*interface), interface);
	if (r < 0)
		return r;
	r = object_new(ipc, &typed_type, sizeof(struct typed_object), node_flags(interface),
		       userdata, &object);
	if (r < 0)
		return r;
	object->interface = interface->name;
	object->destroy = destroy;
	typed_object(object)->interface = interface;
	typed_object(object)->ops = ops;
	*ret_object = object;
	return 0;
}

int ipc_rpc_register(struct ipc *ipc, const char *name, const struct ipc_interface *interface,
		     const void *ops, void *userdata, unsigned int flags)
{
	ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;
	int r;

	r = ipc_object_new(ipc, interface, ops, userdata, /* destroy= */ NULL, &object);
	if (r < 0)
		return r;
	return ipc_register_name_with(ipc, name, object, flags, /* ret_slot= */ NULL);
}

int ipc_object_set_dump(struct ipc_object *object, ipc_dump_cb cb)
{
	struct ipcbus_node wants;
	int r;

	if (!object || object->type != &typed_type)
		return -EINVAL;
	wants = object->wants;
	/* A dump request carries the file that the callback writes to. */
	if (cb)
		wants.flags |= IPCBUS_NODE_ACCEPT_FDS;
	r = object_want(object, &wants);
	if (r == 0)
		typed_object(object)->dump = cb;
	return r;
}
