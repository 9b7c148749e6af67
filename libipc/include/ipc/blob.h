/* SPDX-License-Identifier: MIT */
/*
 * Much data in messages: fields of the types ipc.Blob and ipc.Memory.
 *
 * A blob is bytes, from none to a gigabyte, with one meaning at every size. Sent,
 * they lie in the sender's memory, which must stay as it is until the call, the
 * oneway or the reply function returns; the kernel gathers them from there.
 * Received, they lie in the mapping where the message arrived, read-only, as long
 * as the message: a request's as long as its call, a reply's until it is freed.
 * From IPC_BLOB_LARGE bytes on, or if the receiver has no room for them in its region,
 * they travel as a sealed memory file that is mapped for the receiver; neither side
 * sees a difference but in time: fresh memory costs some ten times the copy. They
 * never change after they were sent, whatever the sender does.
 *
 *	Camera__Frame frame = CAMERA__FRAME__INIT;
 *	Ipc__Blob pixels = IPC__BLOB__INIT;
 *
 *	ipc_blob_set(&pixels, data, size);
 *	frame.pixels = &pixels;
 *	r = viewer_show(viewer, &frame);
 *
 *	static int show(struct ipc_call *call, const Camera__Frame *frame, void *userdata)
 *	{
 *		return draw(ipc_blob_data(frame->pixels), ipc_blob_size(frame->pixels));
 *
 * Memory is a file of memory that two processes have at once: what one writes the
 * other sees. Its size never changes. A stream of frames reuses a few of them: send
 * each once, then only say which one holds the next frame.
 *
 * Threads: a struct ipc_memory may be used from any number of threads; what lies in
 * it is the users' to agree about. Fields of messages are for one thread at a time.
 */
#ifndef IPC_BLOB_H
#define IPC_BLOB_H

#include <ipc/ipc.pb-c.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ipc_memory;

/* --- Blobs --------------------------------------------------------------------- */

/* From so many bytes on a blob travels as a file. */
#define IPC_BLOB_LARGE		((size_t)4 << 20)
/* The most blobs that are not empty in one message (-E2BIG). */
#define IPC_BLOBS_MAX		64

/* What a blob that is sent stands for. The bytes stay the caller's. */
static inline void ipc_blob_set(Ipc__Blob *blob, const void *data, size_t size)
{
	blob->has_size = 1;
	blob->size = size;
	blob->has_data = 0;
	blob->data.data = (uint8_t *)data;
	blob->data.len = size;
	blob->has_memory = 0;
	blob->memory = 0;
}

/* The bytes of a blob, 8-byte aligned if they were received; NULL if there are none. */
static inline const void *ipc_blob_data(const Ipc__Blob *blob)
{
	return blob && blob->data.len ? blob->data.data : NULL;
}

static inline size_t ipc_blob_size(const Ipc__Blob *blob)
{
	return blob ? blob->data.len : 0;
}

/*
 * The same for the first size bytes of sealed memory, which are not copied at all.
 * -EINVAL: it has not so many; -EBUSY: it is not sealed (ipc_memory_seal()).
 */
int ipc_blob_set_memory(Ipc__Blob *blob, struct ipc_memory *memory, size_t size);

/* --- Shared memory --------------------------------------------------------------- */

#define IPC_MEMORY_WRITE	(1U << 0)

/*
 * New memory of size bytes, all zero, mapped for reading and writing. flags:
 * IPC_MEMORY_WRITE: whoever receives it may write too; 0: may only read. -EINVAL:
 * size is 0; -ENOMEM; -EMFILE.
 */
int ipc_memory_new(size_t size, unsigned int flags, struct ipc_memory **ret_memory);
struct ipc_memory *ipc_memory_ref(struct ipc_memory *memory);
struct ipc_memory *ipc_memory_unref(struct ipc_memory *memory);
static inline void ipc_memory_unrefp(struct ipc_memory **p) { ipc_memory_unref(*p); }

/* Where it is mapped: the same address as long as there is a reference. */
void *ipc_memory_data(const struct ipc_memory *memory);
size_t ipc_memory_size(const struct ipc_memory *memory);

/*
 * Nobody can write any more, not here either: the memory stays as it is for ever.
 * -EBUSY: another process has it mapped for writing; here it cannot be written any
 * more all the same.
 */
int ipc_memory_seal(struct ipc_memory *memory);
/* Whether it is sealed: its contents can be trusted not to change. */
int ipc_memory_is_sealed(const struct ipc_memory *memory);

/* The file itself, still the memory's, or -EINVAL. */
int ipc_memory_fd(const struct ipc_memory *memory);

/* What a field that is sent stands for. fd becomes part of the field; it and the
 * memory stay the caller's, at least until the message is sent. */
static inline void ipc_memory_put(Ipc__Memory *field, Ipc__Fd *fd,
				  const struct ipc_memory *memory)
{
	fd->fd = ipc_memory_fd(memory);
	field->fd = fd;
}

/*
 * Takes the memory out of the field of a received message and maps it, for reading,
 * or with IPC_MEMORY_WRITE for writing too. -ENOENT: the field is empty; -EBADMSG: it
 * is no memory whose size is fixed; -EPERM: it may not be written.
 */
int ipc_memory_take(Ipc__Memory *field, unsigned int flags, struct ipc_memory **ret_memory);

/* --- Payloads, for tools ----------------------------------------------------------- */

/*
 * The protobuf message in a payload, which blobs and metadata may surround. 0 or
 * -EBADMSG.
 */
int ipc_payload_message(const void *payload, size_t size, const void **ret_message,
			size_t *ret_size);

#ifdef __cplusplus
}
#endif

#endif /* IPC_BLOB_H */
