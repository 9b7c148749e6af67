/* SPDX-License-Identifier: MIT */
/*
 * Limits of open calls: of all peers together, and of each peer. A peer is identified by the name
 * in the certificate of a client. Without a certificate it is an IPv4 address, the first 64 bits of
 * an IPv6 address, or a virtual machine. All Unix sockets are a single peer. On the bus a peer is a
 * user.
 */
#ifndef GATEWAY_PEER_LIMITS_H
#define GATEWAY_PEER_LIMITS_H

#include <sys/types.h>

#include "net.h"

/* Maximum numbers of open calls. */
struct peer_limits {
	const char *who; /* for messages: "peer" or "user" */
	unsigned int all;
	unsigned int each; /* all or more: no limit of each peer, and keys are not used */
};

struct peers;
struct peer;

/* limits are copied. Returns 0 or -ENOMEM. */
int peers_new(struct peers **ret_peers, const struct peer_limits *limits);

/* Free it. All calls must have ended. peers may be NULL. */
struct peers *peers_free(struct peers *peers);

/*
 * Begin a call of the peer with this key, on any thread, until peers_end(), which accepts NULL.
 * Takes ownership of key.
 *
 *   -EDQUOT  The peer has reached its limit.
 *   -EUSERS  All peers together have reached their limit.
 *   -ENOMEM  Also if key is NULL and keys are used.
 */
int peers_begin(struct peers *peers, char *key, struct peer **ret_peer);
void peers_end(struct peer *peer);

/* Describe a failure of peers_begin(). */
#define PEERS_TEXT_MAX 80
void peers_explain(const struct peers *peers, int r, char text[PEERS_TEXT_MAX]);

/* Return the key of the peer of a call, or of a user of the bus. The caller must free it. If memory
 * is short, return NULL. */
char *peers_key(const struct net_call *call);
char *peers_user_key(uid_t uid);

/* Begin a call of a client, in net_accept. The call is open until it has a status, so a client that
 * has received its reply can call again at once. If the call is refused, ends it with a status and
 * returns false. */
bool peers_admit(struct peers *peers, struct net_call *call);

#endif /* GATEWAY_PEER_LIMITS_H */
