// SPDX-License-Identifier: MIT
/*
 * The server's side of the methods that every object serves; see builtin.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <unistd.h>

#include "builtin.h"
#include "typed.h"

static const Ipc__None none = IPC__NONE__INIT;

static int ping(struct ipc_call *call, const ProtobufCMessage *request, const void *ops,
		void *userdata)
{
	(void)request, (void)ops, (void)userdata;
	return ipc_rpc_reply(call, call->method, &none.base);
}

static int describe(struct ipc_call *call, const ProtobufCMessage *request, const void *ops,
		    void *userdata)
{
	const struct ipc_interface *interface = typed_object(call->object)->interface;
	Ipc__Description reply = IPC__DESCRIPTION__INIT;

	(void)request, (void)ops, (void)userdata;
	reply.interface = (char *)interface->name;
	reply.has_hash = true;
	reply.hash = interface->hash;
	reply.has_descriptor_set = true;
	reply.descriptor_set.data = (uint8_t *)interface->descriptor;
	reply.descriptor_set.len = interface->descriptor_size;
	return ipc_rpc_reply(call, call->method, &reply.base);
}

static int dump(struct ipc_call *call, const ProtobufCMessage *message, const void *ops,
		void *userdata)
{
	const Ipc__DumpRequest *request = (const Ipc__DumpRequest *)message;
	ipc_dump_cb cb = typed_object(call->object)->dump;
	const char *name = call->object->interface;
	int r;

	(void)ops;
	if (!cb)
		return ipc_call_errno(call, EOPNOTSUPP, "%s has nothing to dump", name);
	if (call->uid != 0 && call->uid != geteuid())
		return ipc_call_errno(call, EPERM, "%s shows its inside to root and user %u only",
				      name, (unsigned int)geteuid());
	if (!request->fd || request->fd->fd < 0)
		return ipc_call_errno(call, EBADF, "dump needs a file to write to");

	r = cb(call, request->fd->fd, request->args, request->n_args, userdata);
	if (r < 0 || call->replied)
		return r;
	return ipc_rpc_reply(call, call->method, &none.base);
}

static const struct ipc_method methods[] = {
	{
		.code = IPC_CODE_PING,
		.name = "ping",
		.request = &ipc__none__descriptor,
		.reply = &ipc__none__descriptor,
		.invoke = ping,
	},
	{
		.code = IPC_CODE_DESCRIBE,
		.name = "describe",
		.request = &ipc__none__descriptor,
		.reply = &ipc__description__descriptor,
		.invoke = describe,
	},
	{
		.code = IPC_CODE_DUMP,
		.flags = IPC_METHOD_REQUEST_OBJECTS,
		.name = "dump",
		.request = &ipc__dump_request__descriptor,
		.reply = &ipc__none__descriptor,
		.invoke = dump,
	},
};

const struct ipc_method *builtin_find(uint32_t code)
{
	uint32_t i = code - IPC_CODE_BUILTIN;

	return i < sizeof(methods) / sizeof(methods[0]) ? &methods[i] : NULL;
}

int ipc_object_set_dump(struct ipc_object *object, ipc_dump_cb cb)
{
	if (!object || (object->type != &typed_type && object->type != typed_type.limited))
		return -EINVAL;
	typed_object(object)->dump = cb;
	/* A dump request carries the file that the callback writes to. */
	if (cb)
		object->wants.flags |= IPCBUS_NODE_ACCEPT_FDS;
	return 0;
}
