/* SPDX-License-Identifier: MIT */
/*
 * What each user's peers hold of an object: streams and messages that wait in them, calls that were
 * not released, and other objects that its replies gave away. The counts of a user are in a struct
 * peer, which exists while one of them is not 0. The peers of an object exist until both the object
 * and the last of them are gone, because a stream may outlive its object. All of it is under
 * ipc->lock, except what waits.
 */
#ifndef IPC_PEERS_H
#define IPC_PEERS_H

#include "private.h"

/* Of a user, unless ipc_object_set_limits() says something else. */
#define LIMIT_STREAMS	1024
#define LIMIT_OBJECTS	16384
#define LIMIT_WAITING_BYTES	((size_t)64 << 20)
#define LIMIT_WAITING_ENTRIES	256
/* Of a stream that this side opened: as many as one message has. */
#define LIMIT_STREAM_ENTRIES	64

struct peers;

enum peer_kind {
	PEER_STREAMS,
	PEER_CALLS,
	PEER_OBJECTS,		/* that replies gave away */
	PEER_KINDS,
};

/* What messages of streams take that arrived and were not received yet. */
struct waiting {
	atomic_size_t bytes;
	atomic_uint entries;
};

struct peer {
	struct peers *peers;
	uid_t uid;
	unsigned int counts[PEER_KINDS];
	/* Of all its streams. Without the lock: each of them keeps the peer. */
	struct waiting waiting;
};

/*
 * Counts n more of that kind for the user: -EDQUOT if it may not have as many, -ENOMEM. A peer
 * of which the caller has counted nothing may be gone afterwards.
 */
int peer_add(struct ipc_object *object, uid_t uid, enum peer_kind kind, unsigned int n,
	     struct peer **ret_peer);
int peer_add_locked(struct ipc_object *object, uid_t uid, enum peer_kind kind, unsigned int n,
		    struct peer **ret_peer);
/* They are gone. ipc: NULL if the connection is closed. */
void peer_remove(struct ipc *ipc, struct peer *peer, enum peer_kind kind, unsigned int n);
void peer_remove_locked(struct peer *peer, enum peer_kind kind, unsigned int n);

/* The object is gone. ipc: NULL if its connection is closed. */
void peers_leave(struct ipc *ipc, struct peers *peers);

#endif /* IPC_PEERS_H */
