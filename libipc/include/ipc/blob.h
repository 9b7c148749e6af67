/* SPDX-License-Identifier: MIT */
/*
 * Large data in messages: fields of the types ipc.Blob and ipc.Memory. The rules and the
 * error list of <ipc/ipc.h> apply.
 *
 * A blob is 0 bytes to IPC_MESSAGE_MAX. The library does not copy it.
 *
 *   Sending     The bytes stay in the sender's memory. They must not change until the
 *               call, oneway, stream send or reply function returns. The kernel copies
 *               them from there. What was sent does not change afterwards.
 *   Receiving   The bytes lie in a read-only mapping as long as the message: a request's
 *               until its handler returns or the kept call is released, a reply's until it
 *               is freed, a stream's until the next receive.
 *   Limits      A message with blobs is as large as any message; see <ipc/limits.h>.
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
 * Shared memory is that of <ipc/memory.h>. A field of a message belongs to one thread at a time.
 */
#ifndef IPC_BLOB_H
#define IPC_BLOB_H

#include <ipc/ipc.pb-c.h>
#include <ipc/memory.h>
#include <ipc/raw.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Blobs --------------------------------------------------------------------- */

/* Maximum of non-empty blobs in one message; with more, sending fails with -E2BIG. */
#define IPC_BLOBS_MAX		64

/* Set a field that will be sent to size bytes at data. The bytes stay the caller's. */
static inline void ipc_blob_set(Ipc__Blob *blob, const void *data, size_t size)
{
	blob->has_size = 1;
	blob->size = size;
	blob->has_data = 0;
	blob->data.data = (uint8_t *)data;
	blob->data.len = size;
}

/* Return the bytes of a blob, or NULL if it has none. Received bytes are 8-byte aligned.
 * NULL is allowed. */
static inline const void *ipc_blob_data(const Ipc__Blob *blob)
{
	return blob && blob->data.len ? blob->data.data : NULL;
}

/* Return the number of bytes of a blob. NULL is allowed. */
static inline size_t ipc_blob_size(const Ipc__Blob *blob)
{
	return blob ? blob->data.len : 0;
}

/* --- Shared memory --------------------------------------------------------------- */

/* Set a field that will be sent to this memory. fd becomes part of the field. The caller
 * keeps fd and memory at least until the message is sent. */
static inline void ipc_memory_put(Ipc__Memory *field, Ipc__Fd *fd,
				  const struct ipc_memory *memory)
{
	fd->fd = ipc_memory_fd(memory);
	field->fd = fd;
}

/*
 * Take the memory out of a field of a received message and map it: for reading, or with
 * IPC_MEMORY_WRITE in flags for writing too. The field is empty afterwards. The caller owns
 * *ret_memory. One thread at a time for each message.
 *
 * A sender that may write can change the bytes at any time. Copy them before you check
 * them, unless ipc_memory_is_sealed(). The process that first touches a page allocates
 * it. So reading all of it may take as much memory as ipc_set_message_max() allows.
 *
 *   -ENOENT   The field is empty.
 *   -EBADMSG  The file is no memory file of fixed size.
 *   -EPERM    IPC_MEMORY_WRITE is set, but the sender permits reading only.
 */
int ipc_memory_take(Ipc__Memory *field, unsigned int flags, struct ipc_memory **ret_memory);

#ifdef __cplusplus
}
#endif

#endif /* IPC_BLOB_H */
