/* SPDX-License-Identifier: MIT */
/*
 * Peers: what one of many may have. A client that has a certificate is known by the name in it,
 * others by their address: of IPv6 its first 64 bits, and all of this machine's Unix sockets are
 * one. A user of the bus is known by their id. So nobody takes all that the gateway offers.
 */
#ifndef GATEWAY_PEERS_H
#define GATEWAY_PEERS_H

#include <sys/types.h>

#include "net.h"

/* 0: as much as the peer wants. */
struct peer_limits {
	unsigned int calls; /* that are open at a time: links, and each call over them, too */
	unsigned int rate;  /* calls in a second */
};

struct peers;

/* limits are copied. */
int peers_new(struct peers **ret_peers, const struct peer_limits *limits);

/* Free it, when no call is open. NULL is allowed. */
struct peers *peers_free(struct peers *peers);

/*
 * One more call of who is known by key, on any thread, until peers_end(), which allows NULL. Takes
 * over key.
 *
 *   -EDQUOT  There are as many already.
 *   -EAGAIN  There were as many in the last second.
 *   -ENOMEM  Also if key is NULL, or too many keys are remembered.
 */
struct peer;
int peers_begin(struct peers *peers, char *key, struct peer **ret_peer);
void peers_end(struct peer *peer);

/* By what the other side of a call is known. The caller frees it. NULL: no memory. */
char *peers_key(const struct net_call *call);

/* The same as peers_begin() for a key that stays the caller's. */
int peers_begin_call(struct peers *peers, const char *key, struct peer **ret_peer);

/* The same for a user of the bus. */
int peers_begin_user(struct peers *users, uid_t uid, struct peer **ret_peer);

/* Whether a peer may make this call, on the engine's thread. It is counted until it is over; or it
 * has ended with a status. */
bool peers_admit(struct peers *peers, struct net_call *call);

#endif /* GATEWAY_PEERS_H */
