/* SPDX-License-Identifier: MIT */
/*
 * Peers: what one of them may have. Who has a certificate is known by the name in it, others by
 * their address: of IPv6 its first 64 bits, and all of this machine's Unix sockets are one. So one
 * peer does not take all that the gateway offers.
 */
#ifndef GATEWAY_PEERS_H
#define GATEWAY_PEERS_H

#include "net.h"

/* 0: as much as the peer wants. */
struct peer_limits {
	unsigned int calls; /* that are open at a time; a link is one */
	unsigned int rate;  /* calls in a second */
};

struct peers;

/* limits are copied. */
int peers_new(struct peers **ret_peers, const struct peer_limits *limits);

/* Free it, when no call is open. NULL is allowed. */
struct peers *peers_free(struct peers *peers);

/* Whether a peer may make this call, on the engine's thread. It is counted until it is over; or it
 * has ended with a status. */
bool peers_admit(struct peers *peers, struct net_call *call);

#endif /* GATEWAY_PEERS_H */
