// SPDX-License-Identifier: MIT
/*
 * Requests: see request.h. The usual one has no options and no time limit, and
 * pays for neither.
 */
#define _GNU_SOURCE
#include <errno.h>

#include "call.h"
#include "deadline.h"
#include "proxy.h"
#include "request.h"

static int check(const struct ipc_proxy *proxy, const struct ipc_method *method,
		 const ProtobufCMessage *message)
{
	if (unlikely(!proxy || !proxy->ipc || !method || !message ||
		     message->descriptor != method->request))
		return -EINVAL;
	return 0;
}

/* --- Time and options ------------------------------------------------------------ */

static uint64_t timeout_get(const _Atomic uint64_t *timeout)
{
	return atomic_load_explicit(timeout, memory_order_relaxed);
}

/* The first that says something: the proxy, the method, the connection. */
static uint64_t timeout_default(const struct ipc_proxy *proxy, const struct ipc_method *method)
{
	uint64_t usec = timeout_get(&proxy->timeout_usec);

	if (!usec)
		usec = method->timeout_usec;
	return usec ? usec : timeout_get(&proxy->ipc->timeout_usec);
}

static __attribute__((noinline)) void apply_timeout(struct device_send *send, uint64_t usec)
{
	send->deadline = deadline_after(usec);
}

static int check_options(const struct ipc_options *options, enum device_send_kind kind)
{
	for (size_t i = 0; i < sizeof(options->reserved) / sizeof(options->reserved[0]); i++)
		if (options->reserved[i])
			return -EINVAL;
	if (options->flags & ~IPC_REPLACE)
		return -EINVAL;
	/* What only a oneway can be, and what it cannot have. */
	if (kind == DEVICE_SEND_ONEWAY)
		return options->id || options->parent ? -EINVAL : 0;
	return options->flags ? -EINVAL : 0;
}

static __attribute__((noinline)) int apply_options(struct device_send *send,
						   const struct ipc_proxy *proxy,
						   const struct ipc_options *options)
{
	const struct ipc_call *parent = options->parent;
	int r;

	r = check_options(options, send->kind);
	if (r < 0)
		return r;
	if (parent && parent->ipc != proxy->ipc)
		return -EINVAL;

	if (options->timeout_usec)
		send->deadline = deadline_after(options->timeout_usec);
	if (parent && parent->deadline && (!send->deadline || parent->deadline < send->deadline))
		send->deadline = parent->deadline;
	send->cookie = options->id;
	send->replace = options->flags & IPC_REPLACE;
	return 0;
}

/* --- The message ------------------------------------------------------------------- */

/* What only methods that can carry more than bytes have, or calls with metadata. */
static __attribute__((noinline)) int fill_more(struct request *request,
					       const struct ipc_method *method,
					       const ProtobufCMessage *message,
					       const char *const *metadata)
{
	int r = 0;

	request->send.objects = NULL;
	request->send.n_objects = 0;
	request->send.n_parts = 0;
	request->table.n = 0;
	if (method->flags & IPC_METHOD_REQUEST_OBJECTS)
		r = table_build(&request->table, request->t->ipc, message);
	if (r < 0)
		return r;

	r = blobs_pack(&request->parts, request->t, message,
		       method->flags & IPC_METHOD_REQUEST_BLOBS, metadata, &request->table,
		       &request->send);
	if (r < 0) {
		table_unsent(&request->table, request->t->ipc);
		return r;
	}
	request->send.objects = request->table.objects;
	request->send.n_objects = request->table.n;
	return 0;
}

static int fill(struct request *request, const struct ipc_method *method,
		const ProtobufCMessage *message, const char *const *metadata)
{
	int r;

	request->parts.n = 0;
	request->parts.n_files = 0;
	request->parts.large = IPC_BLOB_LARGE;
	if (method->flags & (IPC_METHOD_REQUEST_OBJECTS | IPC_METHOD_REQUEST_BLOBS) || metadata)
		return fill_more(request, method, message, metadata);

	r = thread_pack(request->t, message, &request->send.size);
	request->send.data = request->t->scratch.data;
	return r;
}

int request_init(struct request *request, enum device_send_kind kind, struct ipc_proxy *proxy,
		 const struct ipc_method *method, const struct ipc_options *options,
		 const ProtobufCMessage *message)
{
	uint64_t usec;
	int r;

	request->send = (struct device_send){ .kind = kind };
	r = check(proxy, method, message);
	if (unlikely(r < 0))
		return r;
	r = thread_get(proxy->ipc, &request->t);
	if (unlikely(r < 0))
		return r;

	request->send.handle = proxy->handle;
	request->send.code = method->code;
	request->send.accept_fds = method->flags &
				   (IPC_METHOD_REPLY_OBJECTS | IPC_METHOD_REPLY_BLOBS);
	usec = kind == DEVICE_SEND_CALL ? timeout_default(proxy, method) : 0;
	if (unlikely(usec))
		apply_timeout(&request->send, usec);
	if (unlikely(options)) {
		r = apply_options(&request->send, proxy, options);
		if (r < 0)
			return r;
	}

	r = thread_flush_stash(request->t);
	if (unlikely(r < 0))
		return r;
	return fill(request, method, message, unlikely(options) ? options->metadata : NULL);
}

int request_shrink(struct request *request, const struct ipc_method *method,
		   const struct ipc_options *options, const ProtobufCMessage *message, int r)
{
	if (!lacks_space(r) || !blobs_shrink(&request->parts))
		return r;
	request_done(request, /* sent= */ false);
	request->parts.large = BLOB_AGAIN;
	r = fill_more(request, method, message, options ? options->metadata : NULL);
	if (r < 0) {
		request->send.n_objects = 0;
		request->parts.n_files = 0;
		return r;
	}
	return 1;
}
