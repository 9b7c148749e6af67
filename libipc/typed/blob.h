/* SPDX-License-Identifier: MIT */
/*
 * Blobs in messages. A blob travels in the frame of the payload (frame.h), which the driver
 * copies, or as a sealed file, which the receiver maps.
 */
#ifndef IPC_BLOBS_H
#define IPC_BLOBS_H

#include <errno.h>

#include "core/thread.h"
#include "gather.h"
#include "memory.h"
#include "table.h"
#include "typed.h"

/* A payload that is sent from several places. */
struct parts {
	unsigned int n;
	unsigned int n_files;		/* in files[] */
	size_t large;			/* blobs of this many bytes or more become files */
	uint64_t deadline;		/* for making the files; 0: none */
	/* The scratch buffer; then each blob, and bytes that pad it to a multiple of 8. */
	struct ipcbus_iovec parts[1 + 2 * IPC_BLOBS_MAX];
	int files[IPC_BLOBS_MAX];	/* made for this message; packed_done() closes them */
};

/* A message that will be sent, of a type that may have objects or blobs. */
struct packed {
	struct table table;
	struct parts parts;
};

_Static_assert(IPC_METHOD_REPLY_OBJECTS == IPC_METHOD_REQUEST_OBJECTS << 1 &&
	       IPC_METHOD_REPLY_BLOBS == IPC_METHOD_REQUEST_BLOBS << 1 &&
	       IPC_METHOD_REPLY_BYTES == IPC_METHOD_REQUEST_BYTES << 1, "reply_flags()");

/* The flags of a method's reply, as those of a request. */
static inline uint32_t reply_flags(const struct ipc_method *method)
{
	return method->flags >> 1;
}

/*
 * Packs a message and makes it the content of *send. flags say what its type can have:
 * IPC_METHOD_REQUEST_OBJECTS, _BLOBS and _BYTES. Objects go into the table. Blobs and metadata
 * (NULL: none) go into parts; blobs of large bytes or more become files in the table. *send
 * refers to *packed, to the thread's scratch buffer, to the caller's blobs and, of a message
 * without blobs and metadata, to its large bytes. The caller must call packed_done(). On
 * failure there is nothing to undo:
 *
 *   -EBADF     a field has a negative fd, or an object of another connection
 *   -EINVAL    a blob was not set with ipc_blob_set() or ipc_blob_set_memory()
 *   -E2BIG     there are too many blobs or objects
 *   -EMSGSIZE  the message exceeds 4 GiB, its metadata METADATA_MAX, or its files IPC_MESSAGE_MAX
 *   -ETIMEDOUT the deadline (0: none) passed while files were made
 *
 * and errors of memory and files.
 */
int packed_init(struct packed *packed, struct thread *t, const ProtobufCMessage *message,
		uint32_t flags, const char *const *metadata, size_t large, uint64_t deadline,
		struct ipcbus_send *send);
/* Closes files that packed_init() made. If the message was not sent, also takes back its
 * objects. */
void packed_done(struct packed *packed, struct ipc *ipc, bool sent);

/* Whether a send failed because the receiver's region is too small, or full now. */
static inline bool lacks_space(int r)
{
	return r == -EMSGSIZE || r == -ENOSPC;
}

/* For a message that lacks space: whether it needs less if the caller calls packed_done()
 * and packs it again with BLOB_AGAIN as large. */
bool blobs_shrink(const struct parts *parts);
#define BLOB_AGAIN	((size_t)4096)

/* Gives each blob of a received message its bytes: before claims_bind(). -EMSGSIZE: the files
 * are larger than ipc_set_message_max() allows. -EBADMSG: a blob's bytes are missing, or its file
 * has holes. */
int blobs_bind(struct ipc *ipc, struct message *message);

#endif /* IPC_BLOBS_H */
