/* SPDX-License-Identifier: MIT */
/*
 * The gateway, without its command line. Its files, each of which calls only files below it; the
 * files of a subject count as one:
 *
 *   main.c           the command line
 *   gateway.c        starts and stops all parts
 *   link.c           links between gateways (link-private.h): link-call.c calls, link-oneway.c
 *                    oneways, link-name.c names, link-table.c objects, link-queue.c queued frames
 *   link-frame.c     the frames of a link as bytes
 *   import.c         services of gRPC servers on the bus; import-stream.c their streams
 *   builtin.c        health, and reflection for gRPC clients
 *   reflection.c     the descriptions that reflection returns
 *   export.c         services of the bus for gRPC clients
 *   relay.c          their calls with a single request and reply; stream.c calls with streams
 *   export-target.c  the object behind an export, and its description
 *   peer-limits.c    limits of open calls; peer-policy.c which peers may call
 *   metrics.c        counters for Prometheus
 *   metadata.c       metadata of calls; status.c errnos and gRPC's statuses
 *   net.c            the engine on gRPC's C core (net-private.h): net-call.c calls, net-client.c
 *                    clients
 *   net-tls.c        TLS, and identities of peers
 *   net-vsock.c      virtual machines; net-accept.c the limit of connections
 *   log.c            the log
 */
#ifndef GATEWAY_GATEWAY_H
#define GATEWAY_GATEWAY_H

#include <stddef.h>

#include "net.h"

struct gateway_list {
	char **all;
	size_t n;
};

struct gateway_options {
	const char *bus;
	struct gateway_list exports; /* names */
	struct gateway_list imports; /* NAME=TARGET/package.Service */
	const char *descriptor_set; /* for imports; a path */
	struct gateway_list shared; /* names */
	struct gateway_list links;  /* NAME[=REMOTE]@TARGET */
	struct gateway_list listen; /* addresses */
	/* Paths of PEM files; NULL: none. */
	const char *certificate;
	const char *key;
	const char *client_ca;
	const char *server_ca; /* of imports and links */
	const char *policy; /* a path; NULL: every client may call */
	const char *metrics; /* path of a socket; NULL: none */
	struct net_limits limits;
	unsigned int max_connections; /* of clients */
	unsigned int max_calls;
	unsigned int peer_calls; /* of a peer; 0: max_calls */
	unsigned int user_calls; /* of a user of the bus; 0: half of max_calls */
	unsigned int keepalive_seconds; /* of imports */
	unsigned int drain_seconds;
};

/* Run the gateway until SIGTERM or SIGINT. Returns the exit status. */
int gateway_run(const struct gateway_options *options);

#endif /* GATEWAY_GATEWAY_H */
