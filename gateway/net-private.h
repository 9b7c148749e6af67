/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the engine share: net.c, servers, net-client.c, clients, net-call.c, calls of
 * both, net-accept.c, the limit of connections, net-tls.c,
 * certificates, and net-vsock.c, connections of virtual machines.
 */
#ifndef GATEWAY_NET_PRIVATE_H
#define GATEWAY_NET_PRIVATE_H

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <pthread.h>
#include <sys/socket.h>

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
	struct vsock_listener *vsock;
	bool over;		/* net_run() has returned */
	struct net_counts uncounted;
	unsigned int open;	/* atomic: calls of the server that are not over */

	pthread_t thread; /* the one in net_run() */
	pthread_mutex_t callbacks; /* held while callbacks run */

	uint64_t tick_usec; /* of the clock for young calls */
	pthread_mutex_t young_lock; /* of what follows */
	struct net_call *oldest, *newest; /* calls whose close nobody waits for yet */

	pthread_mutex_t lock;	/* of what follows */
	bool stopping;
	bool server_over;
	struct net_call *calls;	/* of net_call_open(), that are not over */
	struct net_pem pem;	/* copies */
	unsigned int version;	/* of them; 0: there are none */
};

/* A call: of a client that was accepted, or one that net_call_open() made. */
struct net_call {
	struct net *net;
	grpc_call *call;
	grpc_call_details details;
	grpc_metadata_array metadata;
	char *path;
	unsigned int refs;	/* atomic */
	const struct net_call_ops *ops;
	void *userdata;
	void (*leaves)(void *userdata); /* NULL, as is over: nobody wants to know */
	void (*over)(void *userdata, bool left);
	void *over_userdata;

	pthread_mutex_t lock;	/* of what follows */
	unsigned int pending;	/* ops under way */
	bool closing;		/* the core was asked for the close */
	bool closes;		/* with the op finish */
	bool closed;		/* the core has reported the close, or the status */
	bool close_late;	/* receive_done() ends the close */
	bool close_ok;
	bool opened;		/* initial metadata were sent */
	bool finished;		/* a status was sent */
	bool left;		/* it does not count as open any more */
	bool receiving;
	bool sending;

	struct net_counts *counts; /* NULL: it is not counted */
	enum net_code code;	/* of a server's call that is finished */

	struct op receive;
	struct op send;
	struct op finish;
	struct op close;
	int canceled;		/* for the close */
	grpc_byte_buffer *arrived;
	grpc_byte_buffer *leaving;
	grpc_slice message;
	grpc_metadata details_bin;

	/* Of a server's call, while it is young; under the engine's young_lock. */
	struct net_call *older, *younger;
	bool young;
	uint64_t young_until;	/* microseconds of the monotonic clock */

	/* Of a client. */
	bool client;
	struct net_call *next, **at; /* in the engine's list */
	char *text;		/* the message of the status, when it has come */
	struct op open;
	grpc_metadata_array initial;
	grpc_status_code status;
};

/* The core inflates a message before it looks at its size, and counts it nowhere: a mebibyte may
 * become a gibibyte. So nobody may send any that is compressed. */
#define NET_NO_COMPRESSION                                                                         \
	{                                                                                          \
		.type = GRPC_ARG_INTEGER,                                                          \
		.key = (char *)GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET,                 \
		.value.integer = 1 << GRPC_COMPRESS_NONE,                                          \
	}

/* net.c. */
void net_count_begin(struct net_counts *counts);
void net_count_end(struct net_counts *counts, int code);

/* net-call.c: a call of the engine, without one of the core yet. */
struct net_call *net_call_new(struct net *net);
void net_young_init(struct net *net);
/* A call that was accepted: its close is waited for later, if the thread in net_run() knows. */
void net_call_accepted(struct net_call *call);
/* Wait for the close of calls that are not young any more. Returns until when the oldest is. */
gpr_timespec net_wait_for_closes(struct net *net);
/* Run what an op says, and what the core completes on this thread meanwhile. */
void net_run_op(struct net *net, struct op *op, bool ok);
/* Starts ops that complete together. */
int net_call_start_locked(struct net_call *call, const grpc_op *ops, size_t n, struct op *op);
/* Ends an op. The last one after the close ends the call. */
void net_call_op_over(struct net_call *call);

/* net-tls.c: what "tls:" addresses take. NULL: no memory. */
grpc_server_credentials *net_tls_credentials(struct net *net);
void net_pem_done(struct net_pem *pem);

/* net-vsock.c. Listen at a "vsock:" address: the port, or 0 for an address of another kind. Accept
 * from the start to the stop. */
int net_vsock_listen(struct net *net, const char *address);
int net_vsock_start(struct net *net);
void net_vsock_stop(struct net *net);
void net_vsock_free(struct net *net);
/* "vsock:CID:", which the caller frees, for what the core calls a peer; else NULL. */
char *net_vsock_address(const char *peer);

/* A channel to a "vsock:" target; NULL for a target of another kind. -EINVAL: it is malformed, or
 * with TLS, for which the core takes no files. */
struct vsock_channel;
int net_vsock_channel_new(const struct net_channel_options *options, const grpc_channel_args *args,
			  struct vsock_channel **ret_channel);
struct vsock_channel *net_vsock_channel_free(struct vsock_channel *channel);
/* The core's channel for a call that begins now, until it is released. */
grpc_channel *net_vsock_hold(struct vsock_channel *channel);
void net_vsock_release(struct vsock_channel *channel);

/* Between two attempts to connect. */
#define NET_BACKOFF_MIN_MSEC 200
#define NET_BACKOFF_MAX_MSEC 30000

/* net-client.c: all calls of clients. */
void net_cancel_calls(struct net *net);
/* A call of a client is over. */
void net_client_over(struct net_call *call);
/* net.c: the server is over, or a call of a client. The last of them ends the queue. */
void net_end_queue(struct net *net);

#endif /* GATEWAY_NET_PRIVATE_H */
