// SPDX-License-Identifier: MIT
/* Objects of bytes: <ipc/raw.h>. */
#include <errno.h>

#include "call.h"
#include "errors.h"
#include "object.h"
#include "raw.h"
#include "stream.h"

static int raw_serve(struct ipc_call *call, const struct ipcbus_event *event)
{
	static const struct ipc_raw_message empty = { .size = 0 };
	const struct ipc_raw_ops *ops = raw_object_ops(call->object);
	bool is_stream = call->code == IPC_NUMBER_STREAM && ops->stream;
	const struct ipc_raw_message *message;
	int r;

	r = raw_receive(call, event, /* copy= */ false, &message);
	if (r == 0 && is_stream)
		return stream_serve(call, message);
	if (r < 0 && call->oneway) {
		log_failure(call->ipc, FAILURE_ONEWAY, r, call->object->interface);
		return 0;
	}
	if (r < 0)
		return r;
	if (call->code == IPC_NUMBER_PING && !call->oneway)
		return ipc_raw_reply(call, &empty);
	if (call->code >= RAW_NUMBER_OWN && call->code < RAW_NUMBER_OWN_END &&
	    !(ops->flags & RAW_SERVE_OWN))
		return -EOPNOTSUPP;
	return ops->serve(call, message, call->object->userdata);
}

static const struct object_type raw_type = {
	.serve = raw_serve,
	.new_stream = raw_stream_new,
};

int ipc_raw_object_new(struct ipc *ipc, const struct ipc_raw_ops *ops, void *userdata,
		       struct ipc_object **ret_object)
{
	const uint32_t flags = IPC_RAW_ACCEPT_FDS | IPC_RAW_STREAM_REQUESTS | RAW_SERVE_OWN;
	struct ipc_object *object;
	int r;

	if (!ipc || !ops || !ops->serve || ops->flags & ~flags || ops->reserved || !ret_object)
		return -EINVAL;
	if (ops->flags & IPC_RAW_STREAM_REQUESTS &&
	    (!ops->stream || !ops->has_request || !ops->stream_request))
		return -EINVAL;
	r = object_new(ipc, &raw_type, sizeof(struct raw_object),
		       ops->flags & IPC_RAW_ACCEPT_FDS ? IPCBUS_NODE_ACCEPT_FDS : 0, userdata,
		       &object);
	if (r < 0)
		return r;
	object->interface = ops->interface;
	object->destroy = ops->destroy;
	((struct raw_object *)object)->ops = ops;
	*ret_object = object;
	return 0;
}
