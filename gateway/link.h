/* SPDX-License-Identifier: MIT */
/*
 * Links: two gateways join two buses. What is said is in link.proto, what it means to programs in
 * docs/gateway.md.
 *
 * A side offers names, which the other side may use. Of each used name, this side registers an
 * object of its own, and calls of it go to the other side. Objects in messages become objects of
 * the gateway on the other bus, and return as what they were.
 */
#ifndef GATEWAY_LINK_H
#define GATEWAY_LINK_H

#include "net.h"
#include "peer-policy.h"
#include "peers.h"

struct links;

struct link_options {
	const char *device;
	size_t region_size;
	char **shared;	/* names */
	size_t n_shared;
	char **uses;	/* NAME[=REMOTE]@[tls:]TARGET */
	size_t n_uses;
	size_t message_size;
	unsigned int max_calls;	/* to one other side, and from all together */
	struct peer_policy *policy; /* who may use what is shared */
	struct peers *peers;	/* what one other side may call on this bus */
	struct peers *users;	/* what one user of this bus may call on the other side */
	const struct net_pem *pem; /* of "tls:" targets; copied by the engine */
};

/* Create the links of a gateway, which connect when links_start() was called. The options and what
 * they point to, except pem, must stay valid. The reason of a failure is logged. */
int links_new(struct links **ret_links, struct net *net, const struct link_options *options);
int links_start(struct links *links);

/* The policy has changed: break links over which a name is used that the peer may not call any
 * more. On any thread. */
void links_review(struct links *links);

/* End all links and wait for that. Before net_stop(), while net_run() runs. */
void links_stop(struct links *links);

/* Free them, after links_stop() and net_run(). NULL is allowed. */
struct links *links_free(struct links *links);

/* The counts of all links: each is one call. */
const struct net_counts *links_counts(const struct links *links);

/* In net_accept: take the call if it opens a link. False: it is another call. */
bool links_accept(struct links *links, struct net_call *call);

#endif /* GATEWAY_LINK_H */
