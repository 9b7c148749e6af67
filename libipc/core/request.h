/* SPDX-License-Identifier: MIT */
/*
 * A request on its way out: from the message and the options of its call to
 * what the driver is given. Called by client.c and async.c.
 */
#ifndef IPC_REQUEST_H
#define IPC_REQUEST_H

#include "typed/blob.h"
#include "typed/table.h"
#include "thread.h"

struct request {
	struct thread *t;
	struct device_send send;
	struct table table;		/* in use if send.n_objects */
	struct parts parts;		/* n_files says what is held */
};

/*
 * Packs a request into the thread's scratch. kind: CALL or ONEWAY. On failure
 * nothing is held; on success it is to be sent, and done. -EINVAL: not the
 * method's message, or options that are none.
 */
int request_init(struct request *request, enum device_send_kind kind, struct ipc_proxy *proxy,
		 const struct ipc_method *method, const struct ipc_options *options,
		 const ProtobufCMessage *message);

/* It was sent, or not after all. */
static inline void request_done(struct request *request, bool sent)
{
	if (unlikely(!sent && request->send.n_objects))
		table_unsent(&request->table, request->t->ipc);
	if (unlikely(request->parts.n_files))
		parts_done(&request->parts);
}

/*
 * It failed with r. If that is because it does not fit where it is to go, packs it once
 * more, with blobs as files: 1: send it again; else what it failed with in the end. To
 * be done all the same.
 */
int request_shrink(struct request *request, const struct ipc_method *method,
		   const struct ipc_options *options, const ProtobufCMessage *message, int r);

#endif /* IPC_REQUEST_H */
