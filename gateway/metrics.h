/* SPDX-License-Identifier: MIT */
/*
 * Metrics: the calls of each service, as OpenMetrics text on a Unix socket. A reader connects,
 * sends the HTTP request "GET /metrics", and gets the text. Labels are names of the command line
 * and words of the gateway, never texts of a peer.
 */
#ifndef GATEWAY_METRICS_H
#define GATEWAY_METRICS_H

#include <stdio.h>

#include "net.h"

/* Prints the counts of a service. direction is a keyword of the gateway. name is a name on the
 * command line or "". */
typedef void metrics_printer(FILE *file, const char *direction, const char *name,
			     const struct net_counts *counts);

/* Calls print for each service. */
typedef void metrics_source(FILE *file, metrics_printer *print, void *userdata);

struct metrics;

/*
 * Listen at the path and reply on a separate thread, which calls source for each reader. Only the
 * gateway's user can connect. If a socket exists at the path, it is replaced. Logs the reason of a
 * failure.
 *
 *   -EADDRINUSE    The path exists and is not a socket.
 *   -ENAMETOOLONG  The path does not fit into an address.
 */
int metrics_new(struct metrics **ret_metrics, const char *path, metrics_source *source,
		void *userdata);

/* End the thread and remove the socket. NULL is allowed. */
struct metrics *metrics_free(struct metrics *metrics);

#endif /* GATEWAY_METRICS_H */
