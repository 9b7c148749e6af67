/* SPDX-License-Identifier: MIT */
/*
 * The network's engine: a gRPC server with its calls, gRPC clients with their calls, and the thread
 * that both need. It does not depend on ipcbus. Only net*.c use gRPC's C core.
 *
 * Threads. Callbacks run one at a time: on the thread in net_run(), or on any thread inside
 * net_call_reply(). A thread that holds a reference to a call may use any function of that call.
 * The engine's own reference lasts until the call's last callback has returned. Except for
 * net_run() and net_channel_new(), functions wait at most for a callback.
 *
 * Results. Functions return 0 or a negative errno. If a function other than net_listen() or
 * net_start() fails, it has had no effect.
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

/* Counts of the calls of a service. The engine updates them with atomic operations, as long as
 * calls or a channel refer to them. */
struct net_counts {
	uint64_t ended[NET_CODES]; /* calls, by their status */
	uint64_t open;
};

/* How a call ends. details are the bytes of a google.rpc.Status, for grpc-status-details-bin. */
struct net_status {
	enum net_code code;
	const char *message;	/* UTF-8, or NULL */
	const void *details;	/* NULL: none */
	size_t details_size;
};

/* A message that arrived. The engine owns it. It is valid only during the callback. */
#define NET_PARTS_MAX	32
struct net_message {
	struct iovec parts[NET_PARTS_MAX]; /* none is empty */
	size_t n_parts;
	size_t size;	/* of all parts */
};

/* Copy the bytes of a message. The caller must free them. If memory is short, returns NULL. */
void *net_message_copy(const struct net_message *message);

/* Limits of a server. */
struct net_limits {
	size_t message_size;  /* bytes of a received message */
	size_t memory;	      /* bytes that the core may use for received and sent data */
	unsigned int streams; /* open calls of one connection */
};

struct net;
struct net_call;

/* The callbacks of a call. canceled may be NULL, and sent of a call without net_call_send(). */
struct net_call_ops {
	/* The message that net_call_receive() requested. NULL: the peer has ended its messages, and
	 * has not canceled the call. Does not run after the call is over. */
	void (*received)(void *userdata, const struct net_message *message);
	/* The message of net_call_send() has left, so the next message can be sent. If ok is false,
	 * the call is over. */
	void (*sent)(void *userdata, bool ok);
	/* On the server's side: the peer canceled the call, its deadline passed, or its connection
	 * broke. On the client's side: the status of the call has arrived. */
	void (*canceled)(void *userdata);
	/* The last of these callbacks. */
	void (*ended)(void *userdata);
};

/* Runs for each call of a client. It must call net_call_begin() or net_call_finish(). */
typedef void (*net_accept)(struct net_call *call, void *userdata);

/* Limit the connections of clients to this number, or to half of the files that the process may
 * open, if that is less. Raises the limit of files. Further connections are closed at once. The
 * limit applies to the process. Call this function before net_start(), when the process has opened
 * its other files. */
int net_limit_connections(unsigned int max);

/* Create an engine with one server. */
int net_new(struct net **ret_net, const struct net_limits *limits, net_accept accept,
	    void *userdata);

/* Free the engine. net_run() must have returned, or never have been called. net may be NULL. */
struct net *net_free(struct net *net);

/*
 * Listen at an address, before net_start(): "unix:PATH", "HOST:PORT", "vsock:CID:PORT", where CID
 * is a number or "any", or, after net_set_pem(), "tls:HOST:PORT". Returns the port, or 1 for a
 * path. If the port is 0, the system chooses one.
 *
 *   -EREMOTEIO  The core has failed, and logged the reason.
 *   -EINVAL     A "vsock:" address is malformed.
 *   -ENOMEM
 *   other       An error of socket(2), bind(2) or listen(2) for "vsock:".
 *
 * If net_listen() or net_start() fails, only net_free() may follow.
 */
int net_listen(struct net *net, const char *address);

/*
 * Set the certificates of "tls:HOST:PORT" addresses, in PEM: the server's certificate and key, and
 * the certificates of the authorities that sign clients' certificates. If client_ca is NULL at
 * net_listen(), clients of that address need no certificate. If the function is called again, on
 * any thread, new connections use the new certificates. The texts are copied.
 */
struct net_pem {
	const char *certificate;
	const char *key;
	const char *client_ca;
};

int net_set_pem(struct net *net, const struct net_pem *pem);

/* Returns true if a text in PEM has at least one certificate and all its certificates are
 * well-formed. */
bool net_pem_is_valid(const char *pem);

/* Begin to accept connections, before net_run(). */
int net_start(struct net *net);

/* Run callbacks. Returns after net_stop(), when all calls are over. */
void net_run(struct net *net);

/* Refuse new connections and calls. Open calls continue. May be called on any thread. */
void net_stop(struct net *net);

/* Cancel all open calls, after net_stop(), and close connections that have no calls. May be called
 * on any thread. */
void net_cancel_all(struct net *net);

/* Returns true if no call of the server or of a client is open. May be called on any thread. */
bool net_is_idle(struct net *net);

/* --- A call ----------------------------------------------------------------------- */

struct net_call *net_call_ref(struct net_call *call);
struct net_call *net_call_unref(struct net_call *call);

/* "/package.Service/Method". Valid as long as the call. */
const char *net_call_path(const struct net_call *call);

/* Returns the names in the certificate of the peer: its alternative names, or the common name if it
 * has none. Names that contain a NUL byte are omitted. The array ends with NULL. The caller must
 * free the array, which includes the texts. If memory is short, returns NULL. The peer of a
 * client's call is the server. */
char **net_call_names(const struct net_call *call);

/* For a call of the server: returns the first of these names, or NULL if there is none or memory is
 * short. The caller must free it. */
char *net_call_peer(const struct net_call *call);

/* Returns the address of the client in gRPC's notation: "ipv4:192.0.2.1:4711",
 * "ipv6:%5B2001:db8::1%5D:4711", or "unix:" and a path that the client may have chosen. For vsock
 * it is "vsock:3:", without the port. The caller must free it. If memory is short, returns NULL. */
char *net_call_address(const struct net_call *call);

/* Returns the microseconds until the deadline. If it has passed, returns 0; if there is none,
 * UINT64_MAX. */
uint64_t net_call_remaining(const struct net_call *call);

/* Get the metadata with index i. If there are fewer, returns false. The strings belong to the call.
 * If the name ends in "-bin", the value can have any bytes. */
bool net_call_metadata(const struct net_call *call, size_t i, struct iovec *ret_name,
		       struct iovec *ret_value);

/* Count the call. Must be called at most once, in net_accept. If a call is not counted there, it is
 * counted in net_uncounted() when it ends. */
void net_call_count(struct net_call *call, struct net_counts *counts);
const struct net_counts *net_uncounted(const struct net *net);

/* Set the callbacks. Must be called once, in net_accept. canceled() and ended() can run from here
 * on. */
void net_call_begin(struct net_call *call, const struct net_call_ops *ops, void *userdata);

/*
 * Set two more callbacks. May be called once, in net_accept. leaves() runs just before the status
 * of the call leaves, on any thread, under a lock: it must not call functions of the engine. over()
 * runs after all other callbacks. left is true if leaves() has run.
 */
void net_call_at_end(struct net_call *call, void (*leaves)(void *userdata),
		     void (*over)(void *userdata, bool left), void *userdata);

/* Request a message. If the last requested message has not arrived, returns -EBUSY. If the call is
 * over, returns -ECANCELED. */
int net_call_receive(struct net_call *call);

/* Send a message. The bytes are copied. If the last message has not left, returns -EBUSY. If the
 * call is over, returns -ECANCELED. */
int net_call_send(struct net_call *call, const void *data, size_t size);

/* Send the last message and NET_OK. Outside callbacks, this function may run callbacks of this call
 * and of other calls. The caller must not hold a lock that these callbacks take. Fails as
 * net_call_send() and net_call_finish(). */
int net_call_reply(struct net_call *call, const void *data, size_t size);

/* End a call of the server with a status. If it already has a status, returns -EALREADY. If it is
 * over, returns -ECANCELED. */
int net_call_finish(struct net_call *call, const struct net_status *status);

/* Cancel a call, of the server or of a client. The same callbacks run as if the peer canceled
 * it. */
void net_call_cancel(struct net_call *call);

/* --- Clients ---------------------------------------------------------------------- */

struct net_channel;

/* The interval of pings on silent connections of the server and of channels between gateways, and
 * the timeout of their replies. */
#define NET_KEEPALIVE_MSEC 10000

struct net_channel_options {
	const char *target;	  /* of a server, such as "dns:///host:50051", or "vsock:2:50051" */
	/* NULL: no TLS. client_ca are the authorities that sign the server's certificate, or NULL
	 * for those of the system. certificate and key are the client's, or NULL. */
	const struct net_pem *pem;
	size_t message_size;	   /* bytes of a received message */
	struct net_counts *counts; /* of the channel's calls */
	/* If calls are open and nothing arrives for this time, the engine sends a ping, which the
	 * server must answer within NET_KEEPALIVE_MSEC. A server closes the connection if pings
	 * come more often than it allows. By default, gRPC servers allow one ping in five
	 * minutes. */
	unsigned int keepalive_msec;
};

/* Create a channel to a server. It connects with the first call, and again with back-off from 0.2 s
 * to 30 s. A channel to a "vsock:" target connects at once and stays connected; the function may
 * block up to 2 s for that. The caller frees the channel after net_run() has returned, and before
 * net_free(). */
int net_channel_new(struct net *net, const struct net_channel_options *options,
		    struct net_channel **ret_channel);
struct net_channel *net_channel_free(struct net_channel *channel);

/* Metadata to send. If the name ends in "-bin", the value can have any bytes. */
struct net_metadata {
	const char *name;
	const void *value;
	size_t size;
};

/* Returns true if gRPC can carry the metadata: the name must consist of lower-case letters, digits
 * and "-_.", and the value of printable ASCII. */
bool net_metadata_is_legal(const struct net_metadata *metadata);

/* The beginning of a client's call. The engine copies all of it. */
struct net_head {
	const char *path;	/* "/package.Service/Method" */
	uint64_t remaining;	/* microseconds, or UINT64_MAX */
	const struct net_metadata *metadata;
	size_t n_metadata;
};

/*
 * Open a client's call, on any thread, without blocking. If there is no connection, the call ends
 * with a status soon.
 *
 * With a request, the engine copies and sends its bytes once, and this side sends no more messages.
 * If the status is NET_OK, received() gets the reply just before canceled(), without
 * net_call_receive(). Without a request, the call has a stream in each direction, and messages can
 * be sent at once.
 *
 * The caller owns a reference of *ret_call. Callbacks may run before the function returns.
 * net_run() waits for the end of such calls, and net_cancel_all() ends them.
 *
 *   -ESHUTDOWN  net_stop() was called.
 */
int net_call_open(struct net_channel *channel, const struct net_head *head,
		  const struct iovec *request, const struct net_call_ops *ops, void *userdata,
		  struct net_call **ret_call);

/* End the messages of this side of a client's call. If the last message has not left, returns
 * -EBUSY. If it has finished, returns -EALREADY. If the call is over, returns -ECANCELED. */
int net_call_end(struct net_call *call);

/* Get the status of a client's call, from canceled() on. The strings belong to the call. */
void net_call_status(const struct net_call *call, struct net_status *ret_status);

/* Returns the message of that status, or NULL if memory is short. The caller must free it. */
char *net_call_why(struct net_call *call);

#endif /* GATEWAY_NET_H */
