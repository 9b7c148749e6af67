/* SPDX-License-Identifier: MIT */
/*
 * Blobs in messages: from the sender's memory into a frame (frame.h) or a file of
 * memory, and from there to the receiver's fields.
 */
#ifndef IPC_BLOBS_H
#define IPC_BLOBS_H

#include <errno.h>

#include "core/thread.h"
#include "memory.h"
#include "table.h"

/* A payload in parts. */
struct parts {
	unsigned int n;
	unsigned int n_files;		/* made for it, closed when it was sent */
	size_t large;			/* bytes from which on a blob is a file */
	/* The scratch, then each blob and what fills up to 8 behind it. */
	struct ipcbus_iovec parts[1 + 2 * IPC_BLOBS_MAX];
	int files[IPC_BLOBS_MAX];
};

/* A message that can carry more than bytes, and is to be sent. */
struct packed {
	struct table table;
	struct parts parts;
};

/*
 * Packs it: its objects, if its type can have some, into the table; blobs likewise, and
 * metadata (NULL: none), into parts around it, or as files into the table. Blobs of large
 * bytes are files. Sets of *send what is sent. On failure nothing is held. -EBADF: a
 * negative fd, or an object of another connection; -EINVAL: a blob that was not made with
 * ipc_blob_set(); -E2BIG: too many; -EMSGSIZE: over 4 GiB.
 */
int packed_init(struct packed *packed, struct thread *t, const ProtobufCMessage *message,
		bool has_objects, bool has_blobs, const char *const *metadata, size_t large,
		struct ipcbus_send *send);
/* The message was sent, or not. */
void packed_done(struct packed *packed, struct ipc *ipc, bool sent);

/* The receiver has not so much space in its region: ever, or now. */
static inline bool lacks_space(int r)
{
	return r == -EMSGSIZE || r == -ENOSPC;
}

/* Then: whether it is worth packing again, after packed_done(), with
 * BLOB_AGAIN as large. */
bool blobs_shrink(const struct parts *parts);
#define BLOB_AGAIN	((size_t)4096)

/* Gives each blob of a received message its bytes: before claims_bind(). */
int blobs_bind(struct message *message);

#endif /* IPC_BLOBS_H */
