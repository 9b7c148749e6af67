/* SPDX-License-Identifier: MIT */
/*
 * Shared by the files of the engine: net.c, servers; net-client.c, clients; net-call.c, calls of
 * both; net-accept.c, the limit of connections; net-tls.c, certificates; and net-vsock.c,
 * connections of virtual machines.
 */
#ifndef GATEWAY_NET_PRIVATE_H
#define GATEWAY_NET_PRIVATE_H

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <pthread.h>
#include <sys/socket.h>

#include "net.h"

#define container_of(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))

/* Maximum number of calls that the core can hand over before the engine requests more. */
#define ACCEPTS 16

/* An operation of the core, part of the structure that it serves. Its address is the core's tag. ok
 * is false if the operation failed, as after a shutdown. */
struct op {
	void (*done)(struct op *op, bool ok);
};

/* A request for the next call. */
struct acceptor {
	struct op op;
	struct net *net;
	struct net_call *call; /* NULL: not requested */
};

/* A listening address with TLS. */
struct listener {
	struct listener *next;
	struct net *net;
	unsigned int version; /* of the certificates in use, under net->lock; 0: none */
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
	unsigned int open;	/* atomic: calls of the server */

	pthread_t thread; /* in net_run() */
	pthread_mutex_t callbacks; /* held while callbacks run */

	uint64_t tick_usec; /* of the clock for young calls */
	pthread_mutex_t young_lock; /* protects the members below */
	struct net_call *oldest, *newest; /* young calls */

	pthread_mutex_t lock;	/* protects the members below */
	bool stopping;
	bool server_over;
	struct net_call *calls;	/* of net_call_open() */
	struct net_pem pem;	/* copies */
	unsigned int version;	/* of pem; 0: none */
};

/* A call of the server, or a call of a client that net_call_open() made. */
struct net_call {
	struct net *net;
	grpc_call *call;
	grpc_call_details details;
	grpc_metadata_array metadata; /* of the request; on a client, of the status */
	char *path;
	unsigned int refs;	/* atomic */
	const struct net_call_ops *ops;
	void *userdata;
	void (*leaves)(void *userdata); /* NULL, as over: no callback */
	void (*over)(void *userdata, bool left);
	void *over_userdata;

	pthread_mutex_t lock;	/* protects the members below up to sending */
	unsigned int pending;	/* ops under way */
	bool closing;		/* the close was requested of the core */
	bool closes;		/* the op finish includes the close */
	bool closed;		/* the core has reported the close, or the status */
	bool close_late;	/* receive_done() must end the close */
	bool close_ok;
	bool opened;		/* initial metadata were sent */
	bool finished;		/* a status was sent */
	bool left;		/* no longer counts as open */
	bool receiving;
	bool sending;

	struct net_counts *counts; /* NULL: net->uncounted */
	enum net_code code;	/* of a finished call of the server */

	struct op receive;
	struct op send;
	struct op finish;
	struct op close;
	int canceled;		/* for the close */
	grpc_byte_buffer *arrived;
	grpc_byte_buffer *leaving;
	grpc_slice message;	/* of the status */
	grpc_metadata details_bin; /* of the sent status */

	/* Of a server's call, while it is young; under the engine's young_lock. */
	struct net_call *older, *younger;
	bool young;
	uint64_t young_until;	/* microseconds of the monotonic clock */

	/* Of a client. */
	bool client;
	struct net_call *next, **at; /* in the engine's list */
	char *text;		/* the message of the status that arrived */
	struct op open;
	grpc_metadata_array initial;
	grpc_status_code status;
};

/* An argument of the core. */
#define NET_INTEGER(name, number)                                                                \
	{                                                                                        \
		.type = GRPC_ARG_INTEGER, .key = (char *)(name), .value.integer = (int)(number), \
	}

/* The core inflates a message before it checks the size, and does not count it for the quota: a
 * mebibyte can become a gibibyte. So peers must not send compressed messages. */
#define NET_NO_COMPRESSION \
	NET_INTEGER(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1 << GRPC_COMPRESS_NONE)

/* net.c. */
void net_count_begin(struct net_counts *counts);
void net_count_end(struct net_counts *counts, int code);

/* net-call.c: create a call with one reference. The core does not know it yet. NULL without
 * memory. */
struct net_call *net_call_new(struct net *net);
void net_young_init(struct net *net);
/* Must be called for each accepted call. In net_run() the call becomes young: its close is
 * requested later. */
void net_call_accepted(struct net_call *call);
/* Request the close of calls that are no longer young. Returns the time until which the oldest call
 * is young. */
gpr_timespec net_wait_for_closes(struct net *net);
/* Run the callback of an op, and of further ops that the core completes on this thread, under
 * net->callbacks. */
void net_run_op(struct net *net, struct op *op, bool ok);
/* Start a batch of ops, under call->lock. They complete together, as op. Returns -ECANCELED if the
 * call is closed, or -EPROTO if the core refuses the batch. */
int net_call_start_locked(struct net_call *call, const grpc_op *ops, size_t n, struct op *op);
/* End an op, in a callback and without call->lock. The last op after the close ends the call: runs
 * its last callbacks and drops the engine's reference. */
void net_call_op_over(struct net_call *call);

/* net-tls.c: the credentials of a "tls:" address, before net_start(). The caller must release them.
 * NULL without memory. */
grpc_server_credentials *net_tls_credentials(struct net *net);
/* Free the texts, which are copies. */
void net_pem_done(struct net_pem *pem);

/* net-vsock.c. Listen at a "vsock:" address. Returns the port, 0 if the address is of a different
 * kind, or an error of net_listen(). Each address accepts connections on its own thread, from
 * net_vsock_start() to net_vsock_stop(). net_vsock_free() waits for the threads. */
int net_vsock_listen(struct net *net, const char *address);
int net_vsock_start(struct net *net);
void net_vsock_stop(struct net *net);
void net_vsock_free(struct net *net);
/* Convert the core's name of a peer to "vsock:CID:", which the caller frees. Returns NULL if the
 * peer is of a different kind. */
char *net_vsock_address(const char *peer);

/* Create a channel to a "vsock:" target; NULL if the target is of a different kind. Returns -EINVAL
 * if the target is malformed, or with TLS, which the core does not support for open files. */
struct vsock_channel;
int net_vsock_channel_new(const struct net_channel_options *options, const grpc_channel_args *args,
			  struct vsock_channel **ret_channel);
struct vsock_channel *net_vsock_channel_free(struct vsock_channel *channel);
/* Return the core's channel for a new call. It stays valid until net_vsock_release(), and the
 * channel's lock is held until then. */
grpc_channel *net_vsock_hold(struct vsock_channel *channel);
void net_vsock_release(struct vsock_channel *channel);

/* The time between two attempts to connect. */
#define NET_BACKOFF_MIN_MSEC 200
#define NET_BACKOFF_MAX_MSEC 30000

/* net-client.c: cancel all calls of clients. */
void net_cancel_calls(struct net *net);
/* Must be called when a call of a client is over. */
void net_client_over(struct net_call *call);
/* net.c: shut the queue down if the server and all calls of clients are over. */
void net_end_queue(struct net *net);

#endif /* GATEWAY_NET_PRIVATE_H */
