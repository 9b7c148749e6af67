/* SPDX-License-Identifier: MIT */
/*
 * Links: two gateways join two buses. link.proto describes the frames, docs/gateway.md the behavior
 * that programs see.
 *
 * Each side shares names, which the other side may use. For each used name, this side registers its
 * own object and forwards calls of it to the other side. An object in a message becomes an object
 * of the gateway on the other bus. If it returns, it becomes the original object again.
 */
#ifndef GATEWAY_LINK_H
#define GATEWAY_LINK_H

#include "net.h"
#include "peer-policy.h"
#include "peer-limits.h"

struct links;

struct link_options {
	const char *bus;
	size_t region_size;
	char **shared;	/* names */
	size_t n_shared;
	char **uses;	/* NAME[=REMOTE]@[tls:]TARGET */
	size_t n_uses;
	size_t message_size;
	unsigned int max_calls;	/* open calls of this bus over one link */
	struct peer_policy *policy; /* for shared names */
	struct peers *peers;	/* limits calls of other sides on this bus */
	struct peers *users;	/* limits calls of users of this bus */
	const struct net_pem *pem; /* of "tls:" targets; copied by the engine */
};

/* Create the links of a gateway. They connect after links_start(). The options and the memory to
 * which they point, except pem, must stay valid. Logs the reason of a failure. */
int links_new(struct links **ret_links, struct net *net, const struct link_options *options);
int links_start(struct links *links);

/* Apply a changed policy: break each link for which the policy decides differently now. The link
 * connects again. May be called on any thread. */
void links_review(struct links *links);

/* End all links, and wait for their end. Must be called before net_stop(), while net_run() runs. */
void links_stop(struct links *links);

/* Free them, after links_stop() and net_run(). NULL is allowed. */
struct links *links_free(struct links *links);

/* The counts of all links: each is one call. */
const struct net_counts *links_counts(const struct links *links);

/* Take ownership of a call that opens a link, in net_accept. If it is another call, returns
 * false. */
bool links_accept(struct links *links, struct net_call *call);

#endif /* GATEWAY_LINK_H */
