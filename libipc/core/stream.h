/* SPDX-License-Identifier: MIT */
/*
 * Streams: messages one way or both, in order, no more on their way than the
 * receiver said it takes.
 *
 * Each end has two objects that only the other end calls, by oneways: one for what
 * is sent to it (messages, then the end), one for what has to overtake that (credit,
 * cancel). The driver keeps the order on each. Stream methods have no replies, so
 * nothing here ever waits inside a callback.
 *
 *   stream.c        an end's life; sending, receiving, waiting
 *   stream-peer.c   what the other end says: the two objects; opening
 *
 * References. The user's are counted apart (users): when the last goes, the end is
 * closed and what it holds of the other end is let go. The two objects are held by the
 * other end alone; they are gone when that lets go, dies, or when the connection is
 * closed. The memory stays until they and the users are gone.
 *
 * A server's end whose request has not come yet is *deferred*: it holds no connection,
 * so nobody's waiting client keeps that open, and it ends with its objects.
 */
#ifndef IPC_STREAM_H
#define IPC_STREAM_H

#include "private.h"

struct ipcbus_event;

/* Messages that an end takes before it gives credit; credit comes in halves. */
#define STREAM_WINDOW		16
/* More credit than this is a lie. */
#define STREAM_MAX_CREDIT	(1U << 20)

/* Numbers of the methods of both objects. */
#define STREAM_MESSAGE		1	/* data */
#define STREAM_END		2
#define STREAM_CREDIT		1	/* control */
#define STREAM_CANCEL		2

/* A message that came and was not received yet. */
struct stream_item {
	struct stream_item *next;
	struct ipc_call *call;		/* holds it */
	const void *message;
};

/* What its messages are: bytes (raw-stream.c) or protobuf (typed/streams.c). */
struct stream_type {
	/* Makes of a message that came what receive gives out, to live as long as the
	 * call. Takes over the entries that came with it. */
	int (*unpack)(struct ipc_stream *stream, struct ipc_call *call,
		      const struct ipcbus_event *event, const void **ret_message);
	/* Sends a message, a oneway, to stream->peer_data. */
	int (*send)(struct ipc_stream *stream, const void *message,
		    const struct ipc_options *options);
	/* Server: calls the handler; request: the deferred one, or NULL. */
	int (*handle)(struct ipc_stream *stream, const void *request);
};

/* What a stream is made with. */
struct stream_of {
	const struct stream_type *type;
	size_t size;			/* of its memory, with struct ipc_stream in front */
	uint32_t code;			/* of the method */
	const char *name;		/* of the method, or NULL */
	const struct ipc_method *method; /* typed/'s, or NULL */
	bool accept_fds;		/* messages that come may bring some */
	bool server;
	bool defer;			/* the handler waits for the request */
};

/* The first member of each type's. */
struct ipc_stream {
	atomic_uint refs;		/* memory: users together, two objects, the watch */
	atomic_uint users;
	atomic_uint objects;		/* that are not gone */
	struct ipc *ipc;		/* held, unless deferred */
	struct stream_of of;
	atomic_bool deferred;		/* server: the handler waits for its request, and
					 * whoever clears it owns the user that it will be */
	struct ipc_object *service;	/* server: whose handler runs */
	uid_t uid;
	gid_t gid;
	pid_t pid;

	struct ipc_object *data;
	struct ipc_object *control;
	struct ipc_proxy *peer_data;
	struct ipc_proxy *peer_control;
	uint64_t watch;			/* of the peer's death */

	pthread_mutex_t lock;
	/* Under the lock. */
	struct stream_item *first;	/* oldest first */
	struct stream_item **last;
	struct stream_item *current;	/* what receive gave out last */
	unsigned int n_items;
	unsigned int owed;		/* credit to grant */
	unsigned int credit;		/* messages that may be sent */
	bool out_ended;
	int out_code;			/* of an end that was said, but could not be sent */
	bool in_ended;
	bool closed;			/* no users left */
	int broken;			/* -errno that ended both directions, or 0 */
	bool lost;			/* messages were dropped for that: an end that came
					 * as well would hide it */
	struct ipc_error in_error;	/* of in_ended: code 0 is a good end */
	int receive_fd;			/* eventfds, or -1 */
	int send_fd;
	ipc_stream_cb cb;
	void *cb_userdata;

	struct writable_waiter writable;	/* has credit; while it waits it holds the memory */
};

/* A new end with one user; memory behind struct ipc_stream is 0. */
int stream_new(struct ipc *ipc, const struct stream_of *of, struct ipc_stream **ret_stream);
/* Opens one of ours at an object. On failure it is still the caller's to unref. */
int stream_open(struct ipc_stream *stream, struct ipc_proxy *proxy,
		const struct ipc_options *options, struct ipc_error *error);
/* A call of IPC_CODE_STREAM of an object whose type has new_stream(). */
int stream_serve(struct ipc_call *call, const struct ipc_raw_message *message);

/* As ipc_rpc_stream_send() and _receive(), with what unpack() and send() know. */
int stream_send(struct ipc_stream *stream, uint64_t timeout_usec, const void *message);
int stream_receive(struct ipc_stream *stream, uint64_t timeout_usec, const void **ret_message,
		   struct ipc_error *error);

/* Watches the life of the other end, which is known. */
int stream_watch(struct ipc_stream *stream);
/* A deferred end whose request will never come: the taker's to call. */
void stream_abandon(struct ipc_stream *stream);

static inline void stream_hold(struct ipc_stream *stream)
{
	refs_take(&stream->refs);
}

void stream_put(struct ipc_stream *stream);

/* True, once: the handler that waited for its request is the caller's to deal with. */
static inline bool stream_take_deferred(struct ipc_stream *stream)
{
	return atomic_exchange(&stream->deferred, false);
}

/* Both directions end with this error, unless something else ended them before. */
void stream_break(struct ipc_stream *stream, int code);
/* Something may have changed for whoever waits to receive, to send, or is called back. The
 * first two under the lock, the last without. */
void stream_wake_receiver_locked(struct ipc_stream *stream);
void stream_wake_sender_locked(struct ipc_stream *stream);
void stream_call_back(struct ipc_stream *stream);

/* The two objects; stream-peer.c. */
int stream_make_objects(struct ipc_stream *stream);
/* How long the other end may leave no space for a credit, an end or a cancel. */
#define STREAM_SPACE_USEC	5000000

/* Oneways to the other end. */
int stream_send_credit(struct ipc_stream *stream, uint32_t messages);
/* error: what explains the code, or NULL. */
int stream_send_end(struct ipc_stream *stream, int code, const struct ipc_error *error);
void stream_send_cancel(struct ipc_stream *stream);

#endif /* IPC_STREAM_H */
