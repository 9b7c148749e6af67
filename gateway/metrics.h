/* SPDX-License-Identifier: MIT */
/*
 * Metrics: what the gateway counts, as OpenMetrics text on a Unix socket. A reader connects, sends
 * an HTTP request "GET /metrics", and gets the text. Labels have names of the command line and
 * words of the gateway's own, so there are as many as these; no label has a text of a peer.
 */
#ifndef GATEWAY_METRICS_H
#define GATEWAY_METRICS_H

#include <stdint.h>

#include "net.h"

/* Why the gateway refused something. */
enum metrics_refusal {
	REFUSED_CALLS,	 /* as many calls are open as may be */
	REFUSED_SERVICE, /* nobody exports the service */
	REFUSED_METHOD,	 /* the service has no such method */
	REFUSED_MESSAGE, /* what was sent is no message */
	REFUSED_POLICY,	 /* the policy does not let the gateway call the service */
	REFUSED_NAME,	 /* a linked side wants a name that is not shared */
	REFUSED_LINKS,	 /* as many links are open as may be */
	REFUSED_GUARD,	 /* the gateway's policy does not let a peer do it */
	REFUSED_CONNECTIONS, /* there are too many, or too many of a peer */
	REFUSED_PEER,	 /* one peer has as many calls as it may, or makes them too fast */
	N_REFUSALS
};

/* Count a refusal, on any thread. */
void metrics_refused(enum metrics_refusal why);

/* What is printed. */
struct metrics_sheet;

/* Add the counts of a service. direction and name are copied; the direction is a word of the
 * gateway's own, the name one of its command line or "". */
void metrics_add(struct metrics_sheet *sheet, const char *direction, const char *name,
		 const struct net_counts *counts);
void metrics_set_links(struct metrics_sheet *sheet, unsigned int links);

/* Add the time when the certificates of an option ("tls-cert") end, in seconds since 1970. */
void metrics_add_expiry(struct metrics_sheet *sheet, const char *option, int64_t seconds);

struct metrics;

/*
 * Listen at the path and reply on a thread of its own. collect fills the sheet for each reader, on
 * that thread. The socket is for the gateway's user alone. A socket at which nobody listens any
 * more is replaced. The reason of a failure is logged.
 *
 *   -EADDRINUSE    Another program listens there, or what is there is no socket.
 *   -ENAMETOOLONG  The path does not fit into an address.
 */
int metrics_new(struct metrics **ret_metrics, const char *path,
		void (*collect)(struct metrics_sheet *sheet, void *userdata), void *userdata);

/* End the thread and remove the socket. NULL is allowed. */
struct metrics *metrics_free(struct metrics *metrics);

/* Find when the first of the certificates in a PEM text ends, in seconds since 1970. -EBADMSG:
 * there is none, or one is malformed. certificate.c. */
int certificate_expiry(const char *pem, int64_t *ret_seconds);

#endif /* GATEWAY_METRICS_H */
