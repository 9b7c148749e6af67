/* SPDX-License-Identifier: MIT */
/*
 * Streams: ordered messages in one or both directions. The receiver grants credit for a
 * number of messages. The sender sends at most that many.
 *
 * Each side has two objects. Only the other side calls them, by oneways. The data object takes
 * messages and their end. The control object takes messages that must overtake them: credit and
 * cancellation. The driver keeps the order of each. Oneways have no replies, so no callback here
 * waits.
 *
 *   stream.c        life of a side; how it ends; its timeout
 *   stream-open.c   opening; the call that opened it: identity, parent, cancellation
 *   stream-wait.c   sending, receiving, and waiting for either
 *   stream-ops.c    callbacks
 *   stream-peer.c   messages of the other side, to the two objects
 *
 * References. The program's references are counted in users. When users drops to 0, the side is
 * closed and releases the other side's proxies. Only the other side holds the two objects. They
 * end when the other side releases them or dies, or when the connection is closed. The memory is
 * freed when the users and the objects are gone.
 *
 * A server's side may have to wait for its request first. It is *deferred* until then: it holds no
 * connection, so an idle client keeps no connection open. It ends with its objects.
 *
 * A client's side that is closed waits for the server to release its objects. A connection keeps at
 * most STREAM_MAX_CLOSED such sides.
 *
 * Callbacks. A stream with callbacks holds its own user until destroy() has run. Callbacks run
 * on serving threads only, in the order of enum strand, never concurrently. A thread that notices
 * that a callback is due puts the stream into the backlog. A handler counts as a callback.
 *
 * Ending a stream never waits. Without space for a cancel or an end, the stream keeps it (struct
 * stream_last) and sends it when there is space, also after it was closed.
 */
#ifndef IPC_STREAM_H
#define IPC_STREAM_H

#include <errno.h>

#include "base/deadline.h"
#include "base/wire.h"
#include "cancel.h"
#include "conn/frame.h"
#include "conn/private.h"
#include "object.h"

struct ipcbus_event;
struct stream_ring;
struct thread;

/* The most credit at a time, unless the receiver chooses less. Half of it is granted at once. More
 * would let the other side keep a handler busy that sends until -EAGAIN. */
#define STREAM_WINDOW		16

/* Bytes that explain an end. A larger text is left out, because it waits as long as the stream. */
#define STREAM_MAX_EXPLANATION	((size_t)64 << 10)

/* Maximum number of closed sides of a client whose objects are kept for the other side. A service
 * that never releases them must not use up this side's nodes. */
#define STREAM_MAX_CLOSED	1024

/* Numbers of the methods of both objects, of RAW_NUMBER_OWN: a hostile side may send the object of
 * another process. */
#define STREAM_MESSAGE		(IPC_NUMBER_BUILTIN + 16)	/* data */
#define STREAM_END		(IPC_NUMBER_BUILTIN + 17)
#define STREAM_CREDIT		(IPC_NUMBER_BUILTIN + 16)	/* control */
#define STREAM_CANCEL		(IPC_NUMBER_BUILTIN + 17)

/* A message that arrived and that the program has not received yet. */
struct stream_item {
	struct stream_item *next;
	struct ipc_call *call;		/* holds the message */
	const void *message;
	size_t bytes;			/* that count while the message waits */
	unsigned int entries;
};

/* The kind of its messages: bytes (raw-stream.c) or protobuf (typed/streams.c). */
struct stream_type {
	/* Unpacks a message for the receive function; the message lives as long as the call. Takes
	 * over the entries of the message. */
	int (*unpack)(struct ipc_stream *stream, struct ipc_call *call,
		      const struct ipcbus_event *event, const void **ret_message);
	/* Bytes of memory of an unpacked message, without its call. */
	size_t (*memory)(const struct ipc_call *call);
	/* Sends a message, a oneway, to stream->peer_data. */
	int (*send)(struct ipc_stream *stream, const void *message);
	/* Packs a message of plain bytes. Returns its size, or -1 if it is not plain, has more than
	 * max bytes, or cannot be packed. */
	ssize_t (*pack)(const struct ipc_stream *stream, const void *message, uint8_t *to,
			size_t max);
	/* Server: calls the handler; request: the deferred request, or NULL. */
	int (*handle)(struct ipc_stream *stream, const void *request);
	/* Client, or NULL: stream_open_async() has opened the stream, or failed with result.
	 * Returns result, or the error with which the opening fails instead. */
	int (*opened)(struct ipc_stream *stream, int result);
	/* Calls stream->receive for the next message, or NULL. */
	void (*on_message)(struct ipc_stream *stream, void *userdata);
};

struct stream_of {
	const struct stream_type *type;
	size_t size;			/* of its memory, with struct ipc_stream in front */
	uint32_t number;		/* of the method */
	const char *name;		/* its name, or NULL */
	const struct ipc_method *method; /* typed/'s, or NULL */
	uint64_t timeout_usec;		/* of the whole stream, unless the options have one */
	bool accept_fds;		/* of received messages */
	uint32_t own_flags;		/* of the options, unknown to the call that opens */
	bool server;
	bool defer;			/* the handler waits for the request */
};

enum strand {
	STRAND_IDLE,
	STRAND_QUEUED,		/* in the backlog */
	STRAND_RUNNING,		/* a callback or the handler */
	STRAND_OVER,		/* destroy() has run */
};

/* A cancellation replaces an end that waits. */
enum last_message { LAST_NONE, LAST_END, LAST_CANCEL };

/* The ring of the stream: due when the next function of the client opens it. */
enum ring_state { RING_NONE, RING_DUE, RING_OPEN };

/* The last message to the other side. */
struct stream_last {
	enum last_message due;	/* to be sent */
	bool sending;		/* by a thread */
	int code;		/* of the end */
	uint8_t *data;		/* the end with its explanation, or NULL */
	size_t size;
};

/* The first member of each type's structure. */
struct ipc_stream {
	atomic_uint refs;		/* memory: users together, two objects, the watch */
	atomic_uint users;
	atomic_uint objects;		/* that are not gone */
	struct ipc *ipc;		/* held, unless deferred */
	struct stream_of of;
	atomic_bool deferred;		/* server: the handler waits for its request. The thread
					 * that clears it owns the first user */
	struct ipc_object *service;	/* server: of the handler */
	uid_t uid;
	gid_t gid;
	pid_t pid;
	uint64_t deadline;		/* of the monotonic clock, ns; 0: never */
	struct frame frame;		/* server: the metadata of the call that opened it */
	char *label;			/* server: the caller's, or NULL */
	struct peer *peer;		/* server: the user that the stream counts for, or NULL */
	size_t max_message;		/* of received messages */
	struct waiting *waiting;	/* the peer's; of a client's side own_waiting */
	struct waiting own_waiting;
	size_t max_waiting_bytes;

	struct ipc_object *data;
	struct ipc_object *control;
	uint64_t cookies[2];		/* client: of both */
	struct ipc_proxy *peer_data;
	struct ipc_proxy *peer_control;
	struct ipc_slot *watch;		/* of the peer's death */
	struct dependence dependence;	/* client */
	struct dependents children;	/* calls and streams made for this stream */
	struct timer timer;		/* for the deadline. Holds the memory while it is set */

	pthread_mutex_t lock;
	/* Under the lock. */
	struct stream_item *first;	/* oldest first */
	struct stream_item **last;
	struct stream_item *current;	/* the message that the program received last */
	unsigned int n_items;
	unsigned int window;		/* the most credit that this side grants at a time */
	unsigned int owed;		/* credit to grant */
	unsigned int credit;		/* messages that may be sent */
	unsigned int sending;		/* if had_channels: threads that send through the bus now */
	bool had_channels;		/* the connection had channels when it was opened */
	unsigned int until_ring;	/* messages until the client opens the ring; 0: never */
	struct stream_ring *ring;	/* stream-ring.h; or NULL */
	atomic_uchar ring_state;	/* enum ring_state */
	bool out_ended;
	int out_code;			/* of the end that closing sends, unless it was sent */
	bool in_ended;
	bool closed;			/* no users left */
	int broken;			/* -errno that ended both directions, or 0 */
	enum ipc_origin broken_by;
	bool broken_late;		/* after the server had ended the stream */
	bool refused;			/* the library ended the messages, to report why */
	bool lost;			/* messages were discarded because of that, so the
					 * end of the other side does not count */
	struct ipc_error in_error;	/* of in_ended: code 0 is a good end */
	struct stream_last last_words;
	bool released;			/* the other side's objects are */
	int receive_fd;			/* eventfds of waiting threads, or -1 */
	int send_fd;
	bool receive_fd_set;		/* may have been written since it was last read */

	bool has_ops;
	struct ipc_stream_ops ops;
	void *userdata;
	void (*receive)(void);		/* typed/: of generated code; knows the type of cb */
	void (*cb)(void);		/* typed/: of the program */
	enum strand strand;
	pthread_t handler;		/* server: the thread that runs the handler, */
	atomic_bool in_handler;		/* while it does, */
	atomic_bool dropped;		/* and whether another thread dropped a reference */
	bool message_due;		/* the first message was not offered yet */
	bool wants_writable;		/* a send failed with -EAGAIN */
	bool writable_due;
	bool end_called;
	unsigned int n_received;
	struct backlog_work work;	/* holds the memory while it is queued */
	struct writable_waiter space;	/* for any message to the other side; likewise */
};

/* Makes a side with one user. Memory behind struct ipc_stream is 0. */
int stream_new(struct ipc *ipc, const struct stream_of *of, struct ipc_stream **ret_stream);
/* Opens a client's side at an object. On failure the caller still unrefs it. */
int stream_open(struct ipc_stream *stream, struct ipc_proxy *proxy,
		const struct ipc_options *options, struct ipc_error *error);
/* As stream_open(), without a wait: see ipc_rpc_stream_open_async(). On success, owns the
 * stream. */
int stream_open_async(struct ipc_stream *stream, struct ipc_proxy *proxy,
		      const struct ipc_options *options, ipc_stream_cb cb, void *userdata,
		      struct ipc_slot **ret_slot);
/* Serves a call of IPC_NUMBER_STREAM of an object whose type has new_stream(). */
int stream_serve(struct ipc_call *call, const struct ipc_raw_message *message);

/* As ipc_rpc_stream_send() and _receive(), for messages of the stream's type. */
int stream_send(struct ipc_stream *stream, uint64_t timeout_usec, const void *message);
int stream_receive(struct ipc_stream *stream, uint64_t timeout_usec, const void **ret_message,
		   struct ipc_error *error);

int stream_watch(struct ipc_stream *stream);
/* Frees a deferred side without a request. Only for the thread that took it. */
void stream_abandon(struct ipc_stream *stream);
/* Cancels the calls and streams made for a stream that is over, unless its deadline has passed. */
void stream_cancel_children(struct ipc_stream *stream);
/* Sets the timer for the deadline, if there is one, so that a callback reports it. */
int stream_set_timer(struct ipc_stream *stream);

/* Calls back when there may be space for a message to the other side: as writable_want(). */
int stream_want_space(struct ipc_stream *stream);
void stream_free_current(struct ipc_stream *stream);
/* Grants credit if half of the window is free again: 0, or -ENOMEM. The message that the program
 * received last is not free. */
int stream_grant_credit(struct ipc_stream *stream);

/* Callbacks: stream-ops.c. Puts the stream into the backlog if a callback is due. */
void stream_kick(struct ipc_stream *stream);
/* The same, after sending may have become possible. */
void stream_kick_writable(struct ipc_stream *stream);
/* Calls the handler, of a deferred stream after its request has arrived, then drops a user. */
void stream_start_handler(struct ipc_stream *stream, const void *request);
/* As ipc_stream_set_ops(). receive: NULL, or for the type's on_message, with cb. */
int stream_set_ops(struct ipc_stream *stream, const struct ipc_stream_ops *ops, void *userdata,
		   void (*receive)(void), void (*cb)(void));
void stream_run_work(struct thread *t, struct backlog_work *work);

/*
 * In a forked child no other thread uses the stream, and the lock may be held by a thread that
 * the child does not have.
 */
static inline void stream_lock(struct ipc_stream *stream)
{
	if (!stream->ipc->foreign)
		pthread_mutex_lock(&stream->lock);
}

static inline void stream_unlock(struct ipc_stream *stream)
{
	if (!stream->ipc->foreign)
		pthread_mutex_unlock(&stream->lock);
}

/* Whether the server has ended the stream, and this side knows. Messages may be left to receive. */
static inline bool stream_is_over_locked(const struct ipc_stream *stream)
{
	return !stream->broken && (stream->of.server ? stream->out_ended :
						       stream->in_ended && !stream->lost);
}

static inline void stream_hold(struct ipc_stream *stream)
{
	refs_take(&stream->refs);
}

void stream_put(struct ipc_stream *stream);

/* Returns true once: the caller must start the handler with the request, or free the side. */
static inline bool stream_take_deferred(struct ipc_stream *stream)
{
	return atomic_exchange(&stream->deferred, false);
}

/* Ends both directions with this error, unless they have ended before. After the deadline,
 * the error is -ETIMEDOUT. The client's side of a stream that is over does not break off by time,
 * by death of the other side, or with the bus. */
void stream_break_by(struct ipc_stream *stream, enum ipc_origin origin, int code);
static inline void stream_break(struct ipc_stream *stream, int code)
{
	bool by_bus = code == -EOWNERDEAD || code == -ECONNRESET;

	stream_break_by(stream, by_bus ? IPC_ORIGIN_BUS : IPC_ORIGIN_HERE, code);
}
/* Cancels a stream with its parent or cancellation. If its own time is over, or the bus has ended,
 * that is the error. */
void stream_cancel_with(struct ipc_stream *stream);
/* Breaks the stream off because of a message of the other side, which gets the error, and the limit
 * if it exceeded one. */
void stream_refuse(struct ipc_stream *stream, int code);

static inline bool stream_is_late(const struct ipc_stream *stream)
{
	return unlikely(stream->deadline) && time_now() >= stream->deadline;
}

/* Breaks off a stream whose deadline has passed. */
void stream_expire_now(struct ipc_stream *stream);
/* Must be called first by functions for programs: a side breaks off by itself at the deadline. */
static inline void stream_expire(struct ipc_stream *stream)
{
	if (stream_is_late(stream))
		stream_expire_now(stream);
}
void stream_wake_receiver_locked(struct ipc_stream *stream);
void stream_wake_sender_locked(struct ipc_stream *stream);
/* Removes all messages that wait, for stream_free_items() without the lock. */
struct stream_item *stream_take_items_locked(struct ipc_stream *stream);
void stream_free_items(struct ipc_stream *stream, struct stream_item *items);
/* Counts a waiting message. -EDQUOT: the waiting messages exceed a limit. */
int stream_count_item(struct ipc_stream *stream, struct stream_item *item);
void stream_uncount_item(struct ipc_stream *stream, struct stream_item *item);

/* Removes the first message of the list. */
static inline struct stream_item *stream_pop_locked(struct ipc_stream *stream)
{
	struct stream_item *item = stream->first;

	stream->first = item->next;
	if (!stream->first)
		stream->last = &stream->first;
	item->next = NULL;
	stream->n_items--;
	stream_uncount_item(stream, item);
	return item;
}

int stream_make_objects(struct ipc_stream *stream);
/* wire_fields() of a payload, which metadata may surround. */
int stream_payload_fields(const void *payload, size_t size, const uint8_t *types, uint32_t n,
			  struct wire_field *ret);

/* Oneways to the other side. They do not wait: -EAGAIN. data may be NULL. */
int stream_say(struct ipc_proxy *proxy, uint32_t method, const uint8_t *data, size_t size);
int stream_send_credit(struct ipc_stream *stream, uint32_t messages);
int stream_send_cancel(struct ipc_stream *stream);
/* Sends last_words. If the explanation cannot be sent, now or ever, the code goes alone. */
int stream_send_end(struct ipc_stream *stream);
/* Encodes an end with its explanation, for free(). NULL: no memory. */
uint8_t *stream_explain_end(int code, const struct ipc_error *error, size_t *ret_size);

#endif /* IPC_STREAM_H */
