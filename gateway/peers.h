/* SPDX-License-Identifier: MIT */
/*
 * How many calls may be open at a time: all together, and those of one peer. A client with a
 * certificate is known by the name in it, others by their address: by the first 64 bits of an IPv6
 * address, and all Unix sockets of this machine are one peer. A user of the bus is known by their
 * id.
 */
#ifndef GATEWAY_PEERS_H
#define GATEWAY_PEERS_H

#include <sys/types.h>

#include "net.h"

struct peer_limits {
	const char *who; /* a peer is one of, for messages: "peer" or "user" */
	unsigned int all;
	unsigned int each;
};

struct peers;
struct peer;

/* limits are copied. */
int peers_new(struct peers **ret_peers, const struct peer_limits *limits);

/* Free it, when no call is open. NULL is allowed. */
struct peers *peers_free(struct peers *peers);

/*
 * Begin a call of the peer with this key, on any thread, until peers_end(), which allows NULL.
 * Takes over key.
 *
 *   -EDQUOT  The peer has as many calls as it may.
 *   -EUSERS  All peers together have as many.
 *   -ENOMEM  Also if key is NULL.
 */
int peers_begin(struct peers *peers, char *key, struct peer **ret_peer);
void peers_end(struct peer *peer);

/* Describe a failure of peers_begin(). */
#define PEERS_TEXT_MAX 80
void peers_explain(const struct peers *peers, int r, char text[PEERS_TEXT_MAX]);

/* The key of the other side of a call, or of a user of the bus. The caller frees it. NULL: no
 * memory. */
char *peers_key(const struct net_call *call);
char *peers_user_key(uid_t uid);

/* Begin a call of a client, on the engine's thread. It is open until it has a status, so a client
 * that has its reply can call again at once. Returns false if the call was refused, and has its
 * status. */
bool peers_admit(struct peers *peers, struct net_call *call);

#endif /* GATEWAY_PEERS_H */
