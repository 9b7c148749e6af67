// SPDX-License-Identifier: MIT
/*
 * Blobs as they arrive: see blob.h. Called by rpc.c and serve.c. Nothing that a blob says of itself
 * is trusted; all its fields are set anew.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "blob.h"
#include "table.h"
#include "walk.h"

struct blob_binder {
	struct visitor visitor;
	struct ipc *ipc;
	struct message *message;
	uint64_t index;
};

/* Maps the file that came for a blob until the message is released. */
static int bind_file(struct blob_binder *binder, Ipc__Blob *blob, size_t size, int fd)
{
	struct message *message = binder->message;
	struct frame_mapping *mapping;
	void *data;
	int r;

	r = memory_count(binder->ipc, &message->file_bytes, size);
	if (r < 0)
		return r;
	r = ipc_payload_check_blob(fd, size);
	if (r < 0)
		return r;
	mapping = arena_alloc(&message->arena, sizeof(*mapping));
	if (!mapping)
		return -ENOMEM;
	data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return -errno;

	/* A sender that uses <ipc/raw.h> may send files of blobs without a frame. */
	if (!message->framed) {
		message->frame = (struct frame){ 0 };
		message->framed = true;
	}
	*mapping = (struct frame_mapping){ message->frame.mappings, data, size };
	message->frame.mappings = mapping;
	ipc_blob_set(blob, data, size);
	return 0;
}

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
	int fd, r;

	if (blob->has_data || !size) {
		ipc_blob_set(blob, blob->data.data, blob->has_data ? blob->data.len : 0);
		return 0;
	}
	if (size > SIZE_MAX / 2)
		return -EBADMSG;

	fd = claims_take_fd(message->claims, IPC_RAW_BLOB_TAG | binder->index++);
	if (fd < 0)
		return bind_bytes(message, blob, size);
	r = bind_file(binder, blob, size, fd);
	close(fd);
	return r;
}

int blobs_bind(struct ipc *ipc, struct message *message)
{
	struct blob_binder binder = {
		.visitor = { .blob = bind_blob },
		.ipc = ipc,
		.message = message,
	};

	return message_walk(message->root, &binder.visitor);
}
