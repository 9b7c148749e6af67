/* SPDX-License-Identifier: MIT */
/*
 * The gateway, without its command line.
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
