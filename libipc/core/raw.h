/* SPDX-License-Identifier: MIT */
/* Raw messages inside the library. */
#ifndef IPC_RAWS_H
#define IPC_RAWS_H

#include <errno.h>

#include "object.h"
#include "own.h"

struct ipcbus_event;

static inline bool raw_is_plain(const struct ipc_raw_message *message)
{
	return likely(!(message->n_parts | message->n_entries));
}

int raw_check_parts(const struct ipc_raw_message *message);
/* Checks a message to send. Returns 0, -EINVAL or -E2BIG. */
static inline int raw_check(const struct ipc_raw_message *message, uint32_t flags)
{
	if (unlikely(!message || message->flags & ~flags || (message->size && !message->data)))
		return -EINVAL;
	return raw_is_plain(message) ? 0 : raw_check_parts(message);
}

/*
 * Makes a raw message of a request, in the memory of the call. Takes over the entries; the
 * call releases them. On failure (-ENOMEM, -EMFILE) nothing is held. copy: the bytes outlive
 * the buffer.
 */
int raw_receive(struct ipc_call *call, const struct ipcbus_event *event, bool copy,
		const struct ipc_raw_message **ret_message);

/* As ipc_raw_call_async(). *ret_id is set under ipc->lock before cb can run. device_cancel() takes
 * it, and cb runs all the same. NULL is allowed. */
int raw_call_async(struct ipc_proxy *proxy, const struct ipc_raw_message *request,
		   const struct ipc_options *options, ipc_raw_cb cb, void *userdata,
		   uint64_t *ret_id, struct ipc_slot **ret_slot);

/* raw-stream.c: object_type.new_stream of raw objects. */
int raw_stream_new(struct ipc_call *call, uint32_t method, struct ipc_stream **ret_stream);

struct raw_object {
	struct ipc_object base;
	const struct ipc_raw_ops *ops;	/* never NULL */
};

/* The object must be of ipc_raw_object_new(). */
static inline const struct ipc_raw_ops *raw_object_ops(const struct ipc_object *object)
{
	return ((const struct raw_object *)object)->ops;
}

#endif /* IPC_RAWS_H */
