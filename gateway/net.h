/* SPDX-License-Identifier: MIT */
/*
 * gRPC, and nothing of ipcbus: a server with its calls, clients with theirs, and the thread that
 * all need. Only net*.c know gRPC's C core.
 *
 * Threads. Callbacks run on the thread that is in net_run(), or inside net_call_reply() on any
 * thread, one at a time. Functions of a call may be called from any thread while the caller holds
 * a reference. No function but net_run() waits, but for a callback.
 *
 * Results. 0 or a negative errno. A function that fails has changed nothing.
 */
#ifndef GATEWAY_NET_H
#define GATEWAY_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* The numbers of gRPC's status codes, as they are on the wire. */
enum net_code {
	NET_OK = 0,
	NET_CANCELLED = 1,
	NET_UNKNOWN = 2,
	NET_INVALID_ARGUMENT = 3,
	NET_DEADLINE_EXCEEDED = 4,
	NET_NOT_FOUND = 5,
	NET_ALREADY_EXISTS = 6,
	NET_PERMISSION_DENIED = 7,
	NET_RESOURCE_EXHAUSTED = 8,
	NET_FAILED_PRECONDITION = 9,
	NET_ABORTED = 10,
	NET_OUT_OF_RANGE = 11,
	NET_UNIMPLEMENTED = 12,
	NET_INTERNAL = 13,
	NET_UNAVAILABLE = 14,
	NET_DATA_LOSS = 15,
	NET_UNAUTHENTICATED = 16,
};

#define NET_CODES	17

/* Calls of one service. The engine updates the counts with atomic operations, as long as calls or a
 * channel refer to them. */
struct net_counts {
	uint64_t ended[NET_CODES]; /* calls, by their status */
	uint64_t open;
};

/* How a call ends. details are the bytes of a google.rpc.Status, for grpc-status-details-bin. */
struct net_status {
	enum net_code code;
	const char *message;	/* UTF-8; NULL: none */
	const void *details;	/* NULL: none */
	size_t details_size;
};

/* A message that arrived. It belongs to the engine and is valid during the callback. */
#define NET_PARTS_MAX	32
struct net_message {
	struct iovec parts[NET_PARTS_MAX]; /* none is empty */
	size_t n_parts;
	size_t size;	/* of all parts */
};

/* Limits of a server. */
struct net_limits {
	size_t message_size;	/* bytes of a message that arrives */
	size_t memory;		/* bytes that the engine may use for what it receives and sends */
	unsigned int streams;	/* calls of one connection at the same time */
};

/* Copy the bytes of a message. The caller frees them. NULL: no memory. */
void *net_message_copy(const struct net_message *message);

struct net;
struct net_call;

/* What happens to a call. */
struct net_call_ops {
	/* The message that net_call_receive() asked for; NULL: the peer has ended its sending, and
	 * has not canceled the call. Does not come for a call that is over. */
	void (*received)(void *userdata, const struct net_message *message);
	/* The message of net_call_send() has left, so the next one may be sent; not ok: the call
	 * is over. */
	void (*sent)(void *userdata, bool ok);
	/* The peer canceled the call, or its deadline passed, or its connection broke. A
	 * client's: the server has ended it, in whatever way. */
	void (*canceled)(void *userdata);
	/* The last callback of the call. */
	void (*ended)(void *userdata);
};

/* A client calls. The callback sets net_call_begin(), or ends the call with net_call_finish(). */
typedef void (*net_accept)(struct net_call *call, void *userdata);

/* Let clients have at most this many connections, or half of the files that the process may open, for
 * which its limit is raised. Others are closed at once. Call it when all other files are open that the
 * process needs for long, before net_start(). The limit is the process's. */
int net_limit_connections(unsigned int max);

/* Create an engine with one server. */
int net_new(struct net **ret_net, const struct net_limits *limits, net_accept accept,
	    void *userdata);

/* Free the engine, after net_run() has returned, or if it was never called. NULL is allowed. */
struct net *net_free(struct net *net);

/*
 * Listen at an address, before net_start(): "unix:PATH", "HOST:PORT", "vsock:CID:PORT", where CID is
 * a number or "any", or, after net_set_pem(), "tls:HOST:PORT". Returns the port, which the system
 * chooses for port 0; 1 for a path.
 *
 *   -EREMOTEIO  The core has failed, and logged the reason.
 *   -EINVAL     The address is malformed.
 *   Others of socket(2), bind(2) and listen(2).
 */
int net_listen(struct net *net, const char *address);

/*
 * Set the certificates of "tls:HOST:PORT" addresses, in PEM: of the server, and of the authorities
 * that sign clients' certificates. Clients need no certificate if client_ca is NULL. Called again,
 * on any thread, new connections use the new ones. The texts are copied.
 */
struct net_pem {
	const char *certificate;
	const char *key;
	const char *client_ca;
};

int net_set_pem(struct net *net, const struct net_pem *pem);

/* Whether a text in PEM has certificates, and none that is malformed. */
bool net_pem_is_valid(const char *pem);

int net_start(struct net *net);

/* Run callbacks until net_stop() was called and all calls are over. */
void net_run(struct net *net);

/* Refuse new connections and calls; calls that are there go on. net_cancel_all(), afterwards,
 * ends these too, and connections without calls, whose clients may take long to close them. Any
 * thread may call both. */
void net_stop(struct net *net);
void net_cancel_all(struct net *net);

/* Whether no call is open, on either side. On any thread. */
bool net_is_idle(struct net *net);

/* --- A call ----------------------------------------------------------------------- */

struct net_call *net_call_ref(struct net_call *call);
struct net_call *net_call_unref(struct net_call *call);

/* "/package.Service/Method". Valid as long as the call. */
const char *net_call_path(const struct net_call *call);

/* The first of the names in the client's certificate: see net_call_names(). NULL: there is none, or no
 * memory. It may have any bytes but 0. The caller frees it. */
char *net_call_peer(const struct net_call *call);

/* The names in the peer's certificate: its alternative names, or the common name if it has none. A
 * name with a byte 0 is left out. NULL is behind the last one. The caller frees the array, which
 * holds the texts. NULL: no memory. The call may be one of net_call_open(), whose peer is the
 * server. */
char **net_call_names(const struct net_call *call);

/* Where the client's end of the connection is, as gRPC says it: "ipv4:192.0.2.1:4711",
 * "ipv6:%5B2001:db8::1%5D:4711", or "unix:" and a path that the client may have chosen. Or
 * "vsock:3:", without the port. NULL: no memory. The caller frees it. */
char *net_call_address(const struct net_call *call);

/* Microseconds until its deadline; 0: it has passed; UINT64_MAX: it has none. */
uint64_t net_call_remaining(const struct net_call *call);

/* The metadata number i: false if there are not so many. The strings belong to the call. Bytes of
 * a name that ends in "-bin" may be anything. */
bool net_call_metadata(const struct net_call *call, size_t i, struct iovec *ret_name,
		       struct iovec *ret_value);

/* Count the call, once, in net_accept. What is not counted there is in net_uncounted(), with its
 * status alone. */
void net_call_count(struct net_call *call, struct net_counts *counts);
const struct net_counts *net_uncounted(const struct net *net);

/* Set the callbacks, once, in net_accept. From here on canceled() and ended() will come. */
void net_call_begin(struct net_call *call, const struct net_call_ops *ops, void *userdata);

/*
 * Set what runs in the life of a call, once in net_accept. leaves() runs just before its status
 * leaves, on any thread, under a lock: it may call no function of the engine. over() runs when the
 * call is over, after all its other callbacks. left: leaves() has run.
 */
void net_call_at_end(struct net_call *call, void (*leaves)(void *userdata),
		     void (*over)(void *userdata, bool left), void *userdata);

/* Ask for a message. -EBUSY: the last one has not come yet; -ECANCELED: the call is over. */
int net_call_receive(struct net_call *call);

/* Send a message. The bytes are copied. -EBUSY: the last one has not left; -ECANCELED: the call is
 * over. */
int net_call_send(struct net_call *call, const void *data, size_t size);

/* Send the last message, data, and NET_OK. Outside of a callback it may run some itself, of this
 * call and of others, so the caller holds no lock that these take. */
int net_call_reply(struct net_call *call, const void *data, size_t size);

/* End the call with a status. -EALREADY: it has one. -ECANCELED: the call is over. */
int net_call_finish(struct net_call *call, const struct net_status *status);

/* Break a call off, on either side. Callbacks come as for one that the peer cancels. */
void net_call_cancel(struct net_call *call);

/* --- Clients ---------------------------------------------------------------------- */

struct net_channel;

/* How long nothing may come before the other side is asked whether it is there, and how long it may
 * take to say so: of the server's connections, and of channels between gateways. */
#define NET_KEEPALIVE_MSEC 10000

struct net_channel_options {
	const char *target;	  /* of a server, such as "dns:///host:50051", or "vsock:2:50051" */
	/* NULL: no TLS. client_ca is who signs the server's certificate (NULL: the authorities of
	 * this system); certificate and key are the client's, or NULL. */
	const struct net_pem *pem;
	size_t message_size;	  /* bytes of a message that arrives */
	struct net_counts *counts; /* of the channel's calls */
	/* While there are calls, and nothing comes for so long, the server is asked whether it is
	 * there, and has NET_KEEPALIVE_MSEC to say so. Servers end the connection of whoever asks
	 * more often than they allow, which is once in five minutes with the defaults of gRPC. */
	unsigned int keepalive_msec;
};

/* Create a channel to a server. It connects when it is first used, and again with back-off from
 * 0.2 s to 30 s. One to a "vsock:" target connects at once, for which this may wait 2 s, and stays
 * connected. The caller frees it after net_run() has returned, and before net_free(). */
int net_channel_new(struct net *net, const struct net_channel_options *options,
		    struct net_channel **ret_channel);
struct net_channel *net_channel_free(struct net_channel *channel);

/* Metadata that leave. Bytes of a name that ends in "-bin" may be anything. */
struct net_metadata {
	const char *name;
	const void *value;
	size_t size;
};

/* Whether gRPC lets a program send it: the name has letters, digits and "-_.", no capitals, and the
 * value printable ASCII. */
bool net_metadata_is_legal(const struct net_metadata *metadata);

/* How a call of a client begins. All is copied. */
struct net_head {
	const char *path;	/* "/package.Service/Method" */
	uint64_t remaining;	/* microseconds, or UINT64_MAX */
	const struct net_metadata *metadata;
	size_t n_metadata;
};

/*
 * Open a call, on any thread. It does not block: if there is no connection, the call is canceled soon.
 * With a request, the bytes are copied and sent once, and this side sends nothing more. The reply is
 * then received without net_call_receive(), with a status of NET_OK. Without one, the call has a
 * stream in each direction, and messages may be sent from the beginning. The caller has a reference of
 * *ret_call, which may have callbacks before this returns. net_run() returns when such calls are over
 * too, and net_cancel_all() ends them.
 *
 *   -ESHUTDOWN  net_stop() was called.
 */
int net_call_open(struct net_channel *channel, const struct net_head *head,
		  const struct iovec *request, const struct net_call_ops *ops, void *userdata,
		  struct net_call **ret_call);

/* End the sending of this side of such a call. -EBUSY: the last message has not left; -EALREADY: it
 * was ended; -ECANCELED: the call is over. */
int net_call_end(struct net_call *call);

/* How such a call has ended: from canceled() on. The strings belong to the call. net_call_why()
 * returns the message alone: text that the caller frees, or NULL without memory. */
void net_call_status(const struct net_call *call, struct net_status *ret_status);
char *net_call_why(struct net_call *call);

#endif /* GATEWAY_NET_H */
