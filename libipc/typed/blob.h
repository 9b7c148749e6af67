/* SPDX-License-Identifier: MIT */
/*
 * Blobs in messages: from the sender's memory into a frame (frame.h) or a file of
 * memory, and from there to the receiver's fields.
 */
#ifndef IPC_BLOBS_H
#define IPC_BLOBS_H

#include <errno.h>

#include "memory.h"
#include "table.h"
#include "core/thread.h"

/* A payload in parts. */
struct parts {
	unsigned int n;
	unsigned int n_files;		/* made for it, closed when it was sent */
	size_t large;			/* bytes from which on a blob is a file */
	/* The scratch, then each blob and what fills up to 8 behind it. */
	struct device_part parts[1 + 2 * IPC_BLOBS_MAX];
	int files[IPC_BLOBS_MAX];
};

/*
 * Packs a message that has blobs or metadata (NULL: none) into parts, the first of
 * which is the thread's scratch; blobs that travel as files go to the table, behind
 * what it holds. If there is neither, *ret_parts is NULL and the scratch is the
 * payload. On failure nothing is held. -EINVAL: a blob that was not made with
 * ipc_blob_set(); -E2BIG: too many; -EMSGSIZE: over 4 GiB.
 */
int blobs_pack(struct parts *parts, struct thread *t, const ProtobufCMessage *message,
	       bool has_blobs, const char *const *metadata, struct table *table,
	       struct device_send *send);

/* The receiver has not so much room in its region: ever, or now. */
static inline bool lacks_space(int r)
{
	return r == -EMSGSIZE || r == -ENOSPC;
}

/* Then: whether it is worth packing again, after parts_done(), with parts->large set
 * to BLOB_AGAIN. */
bool blobs_shrink(const struct parts *parts);
#define BLOB_AGAIN	((size_t)4096)
/* The message was sent, or will not be. */
void parts_done(struct parts *parts);

/* Gives each blob of a received message its bytes: before claims_bind(). */
int blobs_bind(struct message *message);

#endif /* IPC_BLOBS_H */
