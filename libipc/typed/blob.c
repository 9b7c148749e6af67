// SPDX-License-Identifier: MIT
/*
 * Blobs as they arrive: see blob.h. Called by rpc.c and serve.c. Nothing that a blob says of itself
 * is trusted; all its fields are set anew.
 */
#include <errno.h>

#include <ipc/blob.h>

#include "blob.h"
#include "walk.h"

struct blob_binder {
	struct visitor visitor;
	struct message *message;
};

static int bind_bytes(struct message *message, Ipc__Blob *blob, size_t size)
{
	struct frame *frame = &message->frame;
	size_t left = message->framed ? (size_t)(frame->end - frame->blobs) : 0;

	if (size > left)
		return -EBADMSG;
	ipc_blob_set(blob, frame->blobs, size);
	frame->blobs += FRAME_ALIGN(size) < left ? FRAME_ALIGN(size) : left;
	return 0;
}

static int bind_blob(struct visitor *visitor, Ipc__Blob *blob)
{
	struct blob_binder *binder = (struct blob_binder *)visitor;
	struct message *message = binder->message;
	uint64_t size = blob->has_size ? blob->size : 0;

	if (blob->has_data || !size) {
		ipc_blob_set(blob, blob->data.data, blob->has_data ? blob->data.len : 0);
		return 0;
	}
	return size > SIZE_MAX / 2 ? -EBADMSG : bind_bytes(message, blob, size);
}

int blobs_bind(struct message *message)
{
	struct blob_binder binder = {
		.visitor = { .blob = bind_blob },
		.message = message,
	};

	return message_walk(message->root, &binder.visitor);
}
