// SPDX-License-Identifier: MIT
/*
 * Streams of imported services: see import-stream.h.
 *
 * Credit. The next message of the server is requested when the client has taken the last message.
 * While a message is in flight to the server, on_message leaves further messages in the stream, so
 * the client gets no credit. So a stream holds one message in each direction, and the 16 messages
 * for which the bus gives credit.
 *
 * If one side ends, the other side ends too. A passage has two owners: the engine until ended(),
 * and the stream until destroy(). The lock protects all members that change. Functions of the
 * engine and of the bus may be called under it, because they run no callbacks of the passage.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "import-stream.h"
#include "relay.h"
#include "status.h"

/* The stream's deadline passes at about the same time as the server's, but has the better error. */
#define SAME_TIME_USEC 1000000

struct passage {
	const struct schema_method *method;
	void (*on_over)(void *userdata);
	void *userdata;
	unsigned int refs; /* atomic */

	pthread_mutex_t lock;
	struct net_call *call;	   /* NULL: over */
	struct ipc_stream *stream; /* NULL: over */
	void *pending;		   /* a reply that the stream did not take; NULL: none */
	size_t pending_size;
	bool replied;
	bool leaving; /* a request is in flight to the server */
	bool ended;   /* the client has ended its messages */
	bool over;    /* the server has ended the call, with this error; code 0: none */
	struct ipc_error error;
};

static void passage_put(struct passage *passage)
{
	if (__atomic_sub_fetch(&passage->refs, 1, __ATOMIC_ACQ_REL))
		return;
	ipc_error_done(&passage->error);
	free(passage->pending);
	pthread_mutex_destroy(&passage->lock);
	passage->on_over(passage->userdata);
	free(passage);
}

static void lock(struct passage *passage)
{
	pthread_mutex_lock(&passage->lock);
}

static void unlock(struct passage *passage)
{
	pthread_mutex_unlock(&passage->lock);
}

/* --- To the client -------------------------------------------------------------------------- */

/* When the stream has taken all messages, ends it with the result of the server. */
static void finish_locked(struct passage *passage)
{
	int r;

	if (!passage->over || !passage->stream || passage->pending)
		return;
	if (passage->error.code == -ETIMEDOUT &&
	    ipc_stream_remaining(passage->stream) < SAME_TIME_USEC)
		return;
	r = passage->error.code ? ipc_stream_fail_with(passage->stream, &passage->error) :
				  ipc_stream_end(passage->stream);
	/* Otherwise the client would wait for ever. */
	if (r < 0 && r != -EALREADY)
		ipc_stream_cancel(passage->stream);
}

static void over_locked(struct passage *passage, const struct net_status *status)
{
	if (passage->over)
		return;
	passage->over = true;
	if (status->code != NET_OK && status_to_error(status, &passage->error) < 0)
		passage->error.code = -ENOMEM;
	finish_locked(passage);
}

/* Ends both sides with an error of the gateway. */
static void fail_locked(struct passage *passage, enum net_code code, const char *message)
{
	over_locked(passage, &(struct net_status){ .code = code, .message = message });
	if (passage->call)
		net_call_cancel(passage->call);
}

static void keep_locked(struct passage *passage, const struct net_message *message)
{
	passage->pending = net_message_copy(message);
	passage->pending_size = message->size;
	if (!passage->pending)
		fail_locked(passage, NET_RESOURCE_EXHAUSTED, "the gateway has no memory");
}

/* Handles the result of sending a reply. If the stream is over, it reports that itself. */
static void taken_locked(struct passage *passage, int r)
{
	if (r == 0 && passage->call)
		net_call_receive(passage->call);
	else if (r < 0 && r != -EPIPE)
		fail_locked(passage, status_of_errno(r), "a message of the server does not fit");
}

static void received(void *userdata, const struct net_message *message)
{
	struct passage *passage = userdata;
	const struct ipc_raw_message reply = {
		.parts = message ? message->parts : NULL,
		.n_parts = message ? message->n_parts : 0,
	};
	int r;

	lock(passage);
	if (!message || !passage->stream || passage->over) {
		/* The status follows. */
	} else if (!relay_is_message(message)) {
		fail_locked(passage, NET_INTERNAL, "the server's reply is not a valid message");
	} else if (passage->replied && !passage->method->streams_out) {
		fail_locked(passage, NET_INTERNAL, "the server sent more than one reply");
	} else {
		passage->replied = true;
		r = ipc_raw_stream_send(passage->stream, &reply, 0);
		if (r == -EAGAIN)
			keep_locked(passage, message);
		else
			taken_locked(passage, r);
	}
	unlock(passage);
}

static void on_writable(struct ipc_stream *stream, void *userdata)
{
	struct passage *passage = userdata;
	struct ipc_raw_message message;
	int r;

	lock(passage);
	if (passage->pending) {
		message = (struct ipc_raw_message){ .data = passage->pending,
						    .size = passage->pending_size };
		r = ipc_raw_stream_send(stream, &message, 0);
		if (r != -EAGAIN) {
			free(passage->pending);
			passage->pending = NULL;
			taken_locked(passage, r);
			finish_locked(passage);
		}
	}
	unlock(passage);
}

/* --- To the server ---------------------------------------------------------------------------- */

static void on_message(struct ipc_stream *stream, void *userdata)
{
	const struct ipc_raw_message *message;
	struct passage *passage = userdata;
	const void *data;
	size_t size;
	int r;

	lock(passage);
	if (!passage->leaving && ipc_raw_stream_receive(stream, 0, &message, NULL) == 1) {
		r = ipc_payload_message(message->data, message->size, &data, &size);
		if (r == 0 && message->n_entries)
			r = -EPERM;
		if (r == 0 && passage->call)
			r = net_call_send(passage->call, data, size);
		passage->leaving = r == 0 && passage->call;
		/* A call that is over reports its status. */
		if (r < 0 && r != -ECANCELED)
			fail_locked(passage, status_of_errno(r),
				    r == -EPERM ? "objects and files cannot leave the machine" :
						  "the gateway cannot send the message");
	}
	unlock(passage);
}

static void sent(void *userdata, bool ok)
{
	struct passage *passage = userdata;

	lock(passage);
	passage->leaving = false;
	if (ok && passage->ended)
		net_call_end(passage->call);
	/* Also if the call is over: the messages that are left are discarded. */
	if (passage->stream)
		ipc_stream_resume(passage->stream);
	unlock(passage);
}

/* Ends the requests to the server, because the client has ended its messages. If the client failed,
 * cancels the call: a failure must never look like the end of the requests. */
static void on_end(struct ipc_stream *stream, int result, const struct ipc_error *error,
		   void *userdata)
{
	struct passage *passage = userdata;

	(void)stream;
	(void)error;
	lock(passage);
	if (passage->call && result < 0) {
		net_call_cancel(passage->call);
	} else if (passage->call) {
		passage->ended = true;
		if (!passage->leaving)
			net_call_end(passage->call);
	}
	unlock(passage);
}

/* --- Life ------------------------------------------------------------------------------- */

static void destroy(void *userdata)
{
	struct passage *passage = userdata;

	lock(passage);
	passage->stream = NULL;
	if (passage->call)
		net_call_cancel(passage->call);
	unlock(passage);
	passage_put(passage);
}

static const struct ipc_stream_ops stream_ops = {
	.size = sizeof(stream_ops),
	.on_message = on_message,
	.on_writable = on_writable,
	.on_end = on_end,
	.destroy = destroy,
};

/* Ends the stream with the status of the server, which has arrived. */
static void canceled(void *userdata)
{
	static const struct net_status no_reply = { .code = NET_UNIMPLEMENTED,
						    .message = "the server sent no reply" };
	struct passage *passage = userdata;
	struct net_status status;

	lock(passage);
	net_call_status(passage->call, &status);
	if (status.code == NET_OK && !passage->replied && !passage->method->streams_out)
		status = no_reply;
	over_locked(passage, &status);
	unlock(passage);
}

static void ended(void *userdata)
{
	struct passage *passage = userdata;

	lock(passage);
	net_call_unref(passage->call);
	passage->call = NULL;
	unlock(passage);
	passage_put(passage);
}

static const struct net_call_ops net_ops = {
	.received = received,
	.sent = sent,
	.canceled = canceled,
	.ended = ended,
};

/* Callbacks of the call run on the engine's thread, and wait for the lock. Callbacks of the stream
 * wait for the end of the handler. So no other thread changes refs here. */
static int open_call(struct passage *passage, struct net_channel *channel, struct net_head head)
{
	int r = -ETIMEDOUT;

	head.remaining = ipc_stream_remaining(passage->stream);
	lock(passage);
	passage->refs++;
	if (head.remaining)
		r = net_call_open(channel, &head, NULL, &net_ops, passage, &passage->call);
	if (r == 0) {
		net_call_receive(passage->call);
	} else {
		passage->call = NULL;
		passage->refs--;
	}
	unlock(passage);
	return r;
}

int import_stream_start(struct ipc_stream *stream, struct net_channel *channel,
			const struct net_head *head, const struct schema_method *method,
			void (*over)(void *userdata), void *userdata)
{
	struct passage *passage = calloc(1, sizeof(*passage));
	int r;

	if (!passage) {
		over(userdata);
		return -ENOMEM;
	}
	passage->method = method;
	passage->on_over = over;
	passage->userdata = userdata;
	passage->refs = 1;
	passage->stream = stream;
	passage->error = (struct ipc_error)IPC_ERROR_INIT;
	pthread_mutex_init(&passage->lock, NULL);
	/* The callbacks of the stream do not run before the handler returns. */
	r = ipc_stream_set_ops(stream, &stream_ops, passage);
	if (r < 0) {
		passage_put(passage);
		return r;
	}
	return open_call(passage, channel, *head);
}
