// SPDX-License-Identifier: MIT
/*
 * Blobs, sent and received; see blob.h. Called by rpc.c and serve.c.
 *
 * A blob has three fields: size, data and memory. In a message that is sent, only size is
 * marked as present, so protobuf-c packs nothing else; data and memory have the place of
 * the bytes. In a received message none of the three is trusted; all are set anew.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "blob.h"
#include "core/deadline.h"
#include "core/frame.h"
#include "gather.h"
#include "typed.h"
#include "walk.h"

/* Copying a blob of up to so many bytes costs less than a part of its own. */
#define BLOB_SMALL	512
/* Between two writes of so many bytes the time limit is checked. */
#define WRITE_AT_ONCE	((size_t)16 << 20)

/* --- Sending ------------------------------------------------------------------ */

struct collector {
	struct visitor visitor;
	unsigned int n;			/* blobs that are not empty */
	const Ipc__Blob *blobs[IPC_BLOBS_MAX];
};

static int collect(struct visitor *visitor, Ipc__Blob *blob)
{
	struct collector *collector = (struct collector *)visitor;
	uint64_t size = blob->has_size ? blob->size : 0;

	/* protobuf-c packs bytes that are in the message itself. */
	if (blob->has_data || !size)
		return size && size != blob->data.len ? -EINVAL : 0;
	if (blob->has_memory || size != blob->data.len || !blob->data.data)
		return -EINVAL;
	if (collector->n == IPC_BLOBS_MAX)
		return -E2BIG;
	collector->blobs[collector->n++] = blob;
	return 0;
}

/* Signals do not interrupt a write to a file of memory. */
static int write_all(int fd, const uint8_t *data, size_t size, uint64_t deadline)
{
	while (size) {
		ssize_t n = write(fd, data, size < WRITE_AT_ONCE ? size : WRITE_AT_ONCE);

		if (n < 0)
			return -errno;
		data += n;
		size -= (size_t)n;
		if (deadline && time_now() >= deadline)
			return -ETIMEDOUT;
	}
	return 0;
}

/* Returns a sealed file with the bytes. */
static int blob_file(const uint8_t *data, size_t size, uint64_t deadline)
{
	int fd, r;

	fd = memory_file(size);
	if (fd < 0)
		return fd;
	r = write_all(fd, data, size, deadline);
	if (r == 0)
		r = memory_seal_write(fd, F_SEAL_SEAL, deadline);
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

int ipc_payload_make_blob(const void *data, size_t size, uint64_t timeout_usec)
{
	if (!data || !size)
		return -EINVAL;
	if (size > IPC_MESSAGE_MAX)
		return -EMSGSIZE;
	return blob_file(data, size, deadline_after(timeout_usec));
}

static int add_file(struct parts *parts, struct table *table, const Ipc__Blob *blob,
		    unsigned int index)
{
	int fd = (int)blob->memory - 1;

	if (!blob->memory) {
		fd = blob_file(blob->data.data, blob->data.len, parts->deadline);
		if (fd < 0)
			return fd;
		parts->files[parts->n_files++] = fd;
	}
	return table_append(table, IPCBUS_OBJECT_FD, (uint64_t)fd, IPC_RAW_BLOB_TAG | index);
}

static bool is_file(const struct parts *parts, const Ipc__Blob *blob)
{
	return blob->memory || blob->data.len >= parts->large;
}

bool blobs_shrink(const struct parts *parts)
{
	if (parts->large <= BLOB_AGAIN)
		return false;
	for (unsigned int i = 1; i < parts->n; i++)
		if (parts->parts[i].size >= BLOB_AGAIN)
			return true;
	return false;
}

static void add_part(struct parts *parts, const void *data, size_t size)
{
	if (size)
		parts->parts[parts->n++] = (struct ipcbus_iovec){ (uintptr_t)data, size };
}

/* Adds the next blob. A small one is copied behind the message, unless a part of its own
 * stands between. */
static void add_bytes(struct parts *parts, const Ipc__Blob *blob)
{
	static const uint64_t zero;
	struct ipcbus_iovec *scratch = &parts->parts[0];
	size_t size = blob->data.len;
	size_t fill = FRAME_ALIGN(size) - size;

	if (parts->n == 1 && size <= BLOB_SMALL) {
		memcpy((uint8_t *)(uintptr_t)scratch->base + scratch->size, blob->data.data, size);
		memset((uint8_t *)(uintptr_t)scratch->base + scratch->size + size, 0, fill);
		scratch->size += size + fill;
		return;
	}
	add_part(parts, blob->data.data, size);
	add_part(parts, &zero, fill);
}

/* Packs header, message and metadata, and reserves small bytes behind them for add_bytes(). */
static int pack_scratch(struct parts *parts, struct thread *t, const ProtobufCMessage *message,
			const char *const *metadata, size_t small)
{
	size_t extra = metadata_size(metadata);
	struct measure measure = { .large_min = SIZE_MAX };
	struct encoder encoder = { .large_min = SIZE_MAX };
	struct frame_header header;
	size_t size, all;
	uint8_t *at;
	int r;

	r = encode_measure(message, &measure);
	if (r < 0)
		return r;
	size = measure.size;
	if (size > UINT32_MAX || extra > METADATA_MAX)
		return -EMSGSIZE;
	header = (struct frame_header){
		.magic = FRAME_MAGIC,
		.message_size = (uint32_t)size,
		.metadata_size = (uint32_t)extra,
	};
	all = sizeof(header) + FRAME_ALIGN(size) + FRAME_ALIGN(extra);
	r = thread_reserve(t, all + small);
	if (r < 0)
		return r;

	/* The padding must not show the receiver bytes of older messages. */
	at = t->scratch.data;
	memset(at + all - FRAME_ALIGN(extra) - 8, 0, 8);
	memcpy(at, &header, sizeof(header));
	encoder.at = at + sizeof(header) + size;
	encode(&encoder, message);
	at += sizeof(header) + FRAME_ALIGN(size);
	if (extra) {
		memset(at + FRAME_ALIGN(extra) - 8, 0, 8);
		metadata_copy(at, metadata);
	}
	add_part(parts, t->scratch.data, all);
	return 0;
}

/* No receiver takes more, so no file is made. */
static bool files_are_too_large(const struct parts *parts, const struct collector *found)
{
	size_t size = 0;

	for (unsigned int i = 0; i < found->n; i++) {
		if (!is_file(parts, found->blobs[i]))
			continue;
		if (found->blobs[i]->data.len > IPC_MESSAGE_MAX - size)
			return true;
		size += found->blobs[i]->data.len;
	}
	return false;
}

static int pack_parts(struct parts *parts, struct thread *t, const ProtobufCMessage *message,
		      const char *const *metadata, const struct collector *found,
		      struct table *table)
{
	int r;

	if (files_are_too_large(parts, found))
		return -EMSGSIZE;
	r = pack_scratch(parts, t, message, metadata, (size_t)found->n * FRAME_ALIGN(BLOB_SMALL));
	for (unsigned int i = 0; r == 0 && i < found->n; i++) {
		if (is_file(parts, found->blobs[i]))
			r = add_file(parts, table, found->blobs[i], i);
		else
			add_bytes(parts, found->blobs[i]);
	}
	return r;
}

static void parts_done(struct parts *parts)
{
	while (parts->n_files)
		close(parts->files[--parts->n_files]);
}

static int pack(struct packed *packed, struct thread *t, const ProtobufCMessage *message,
		uint32_t flags, const char *const *metadata, struct ipcbus_send *send)
{
	struct collector found = { .visitor = { .blob = collect } };
	struct parts *parts = &packed->parts;
	int r = 0;

	if (flags & IPC_METHOD_REQUEST_BLOBS)
		r = message_walk(message, &found.visitor);
	if (r < 0)
		return r;
	if (!found.n && !(metadata && *metadata))
		/* Such a message may be a reply. */
		return message_pack(t, message, flags & IPC_METHOD_REQUEST_BYTES ?
				    GATHER_REPLY_MIN : GATHER_NOTHING, parts->parts, send);

	r = pack_parts(parts, t, message, metadata, &found, &packed->table);
	if (r < 0) {
		parts_done(parts);
		return r;
	}
	send->flags |= IPCBUS_SEND_IOV;
	send->data = (uintptr_t)parts->parts;
	send->iov_count = parts->n;
	send->data_size = 0;
	for (unsigned int i = 0; i < parts->n; i++)
		send->data_size += parts->parts[i].size;
	return 0;
}

int packed_init(struct packed *packed, struct thread *t, const ProtobufCMessage *message,
		uint32_t flags, const char *const *metadata, size_t large, uint64_t deadline,
		struct ipcbus_send *send)
{
	int r = 0;

	packed->table.n = 0;
	packed->parts.n = 0;
	packed->parts.n_files = 0;
	packed->parts.large = large;
	packed->parts.deadline = deadline;
	if (flags & IPC_METHOD_REQUEST_OBJECTS)
		r = table_build(&packed->table, t->ipc, message);
	if (r < 0)
		return r;
	r = pack(packed, t, message, flags, metadata, send);
	if (r < 0)
		table_unsent(&packed->table, t->ipc);
	else
		table_attach(&packed->table, send);
	return r;
}

void packed_done(struct packed *packed, struct ipc *ipc, bool sent)
{
	if (!sent)
		table_unsent(&packed->table, ipc);
	parts_done(&packed->parts);
}

int ipc_blob_set_memory(Ipc__Blob *blob, struct ipc_memory *memory, size_t size)
{
	if (!blob || !memory || size > ipc_memory_size(memory))
		return -EINVAL;
	if (!ipc_memory_is_sealed(memory))
		return -EBUSY;
	memory_fill(memory, size);

	ipc_blob_set(blob, ipc_memory_data(memory), size);
	blob->memory = (uint32_t)ipc_memory_fd(memory) + 1;
	return 0;
}

/* --- Receiving ---------------------------------------------------------------- */

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
