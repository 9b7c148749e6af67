/* SPDX-License-Identifier: MIT */
/*
 * What the two halves of the engine share: net.c, servers, and net-client.c, clients.
 */
#ifndef GATEWAY_NET_PRIVATE_H
#define GATEWAY_NET_PRIVATE_H

#include <grpc/grpc.h>
#include <pthread.h>

#include "net.h"

#define container_of(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))

/* How many calls the core may hand over before we have asked again. */
#define ACCEPTS 16

/* What the core completes. Its address is the tag. */
struct op {
	void (*done)(struct op *op, bool ok);
};

/* A request for the next call. */
struct acceptor {
	struct op op;
	struct net *net;
	struct net_call *call;
};

/* The certificates that a listening address has. */
struct listener {
	struct listener *next;
	struct net *net;
	unsigned int version; /* of the certificates that it has; 0: none */
};

struct net {
	grpc_completion_queue *queue;
	grpc_server *server;
	net_accept accept;
	void *userdata;
	struct op stopped;
	struct acceptor acceptors[ACCEPTS];
	struct listener *listeners;
	bool over;		/* net_run() has returned */

	pthread_mutex_t lock;	/* of what follows */
	bool stopping;
	struct net_pem pem;	/* copies */
	unsigned int version;	/* of them; 0: there are none */
	struct net_request *requests;
};

/* A message of too many parts is joined into one, which *ret_joined holds. */
int net_take_apart(grpc_byte_buffer *buffer, struct net_message *message, grpc_slice *ret_joined);

/* net-client.c */
void net_cancel_requests(struct net *net);

#endif /* GATEWAY_NET_PRIVATE_H */
