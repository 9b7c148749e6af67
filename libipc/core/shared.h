/* SPDX-License-Identifier: MIT */
/*
 * The memory of the rings of one stream (ring.h): two files of memory, one for the part of each
 * side. The client makes both, so they count as its memory. It seals its own part against others'
 * writing and maps the server's read-only. The server maps its part, and then seals it in the same
 * way, so from then on each part has one writer. It checks both before: their size is exact and
 * sealed, and they have no holes, so that no access fails or takes memory.
 *
 * A client that keeps a writable mapping of the server's part damages only what itself reads.
 */
#ifndef IPC_SHARED_H
#define IPC_SHARED_H

#include "ring.h"

struct shared {
	struct ring_part *own;
	const struct ring_part *peer;
	size_t own_size;
	size_t peer_size;
};

/* Of a client: makes the memory. The caller closes the files, ret_fds[0] of its own part and [1] of
 * the server's, after it has sent them. */
int shared_new(struct shared *shared, size_t own_size, size_t peer_size, int ret_fds[2]);
/* Of a server: takes the memory of a client, in the same order, and leaves the fds to the caller.
 * Fails with -EBADMSG if they are not what a client makes. */
int shared_take(struct shared *shared, size_t own_size, size_t peer_size, const int fds[2]);
/* Unmaps it. Of one that was never mapped, or zero, too. */
void shared_done(struct shared *shared);

#endif /* IPC_SHARED_H */
