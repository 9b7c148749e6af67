// SPDX-License-Identifier: MIT
/*
 * Relays of methods with streams: see relay.h.
 *
 *	client -- HTTP/2 flow control --> pending -- credit of the stream --> service
 *	client <-- HTTP/2 flow control -- queue <--- credit of the stream --- service
 *
 * Toward the service, at most one message waits here. The next message is requested when the stream
 * has taken the pending message. Toward the client, a few small messages wait in the queue while a
 * message is leaving. If the queue is full, on_message leaves messages in the stream, so the
 * service gets no credit until the engine has sent half of the queue.
 *
 * If the call ends on one side, it is canceled on the other side: the cancellation ends the opening
 * and the stream, net_call_finish() the client's side. A relay has three owners: the engine until
 * ended(), the opening until its callback, and the stream until destroy(). The lock protects all
 * members that change. Functions of the engine and of the bus may be called under it, because they
 * run no callbacks of the relay.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "metadata.h"
#include "relay.h"
#include "status.h"

/* The queue is full if it has this many messages or this many bytes. */
#define QUEUE_MAX 8
#define QUEUE_BYTES 65536

struct bytes {
	void *data;
	size_t size;
};

struct relay {
	struct net_call *call;
	struct target *target;
	const struct schema_method *method;
	unsigned int refs; /* atomic */
	struct ipc_cancellation *cancellation;

	pthread_mutex_t lock;
	struct ipc_stream *stream; /* NULL before it is open */
	struct bytes pending;	   /* a request that the stream did not take; no data: none */
	bool requested;		   /* the client's single request has arrived */
	bool leaving;		   /* a message is in flight to the client */
	bool paused;		   /* on_message has left a message in the stream */
	struct bytes queue[QUEUE_MAX];
	size_t first, n_queued, queued_bytes;
	bool over;		   /* the service has ended the call, with this status; sent when
				    * the queue is empty */
	struct status status;
};

static void relay_hold(struct relay *relay)
{
	__atomic_add_fetch(&relay->refs, 1, __ATOMIC_RELAXED);
}

static void relay_put(void *userdata)
{
	struct relay *relay = userdata;

	if (__atomic_sub_fetch(&relay->refs, 1, __ATOMIC_ACQ_REL))
		return;
	ipc_stream_unref(relay->stream);
	ipc_cancellation_unref(relay->cancellation);
	for (; relay->n_queued; relay->n_queued--, relay->first++)
		free(relay->queue[relay->first % QUEUE_MAX].data);
	free(relay->pending.data);
	status_done(&relay->status);
	target_unref(relay->target);
	net_call_unref(relay->call);
	pthread_mutex_destroy(&relay->lock);
	free(relay);
}

static void lock(struct relay *relay)
{
	pthread_mutex_lock(&relay->lock);
}

static void unlock(struct relay *relay)
{
	pthread_mutex_unlock(&relay->lock);
}

/* Ends the client's side after the queued messages, because the service has ended its side. */
static void end_locked(struct relay *relay, int r, const struct ipc_error *error)
{
	if (relay->over)
		return;
	relay->over = true;
	relay->status = status_of(r, error, schema_interface(relay->target->schema));
	if (!relay->leaving && !relay->n_queued)
		net_call_finish(relay->call, &relay->status.is);
}

/* Ends both sides at once. */
static void fail_locked(struct relay *relay, int r, const struct ipc_error *error)
{
	ipc_cancel(relay->cancellation);
	end_locked(relay, r, error);
}

/* --- To the client ------------------------------------------------------------------------ */

static bool is_full(const struct relay *relay)
{
	return relay->n_queued == QUEUE_MAX || relay->queued_bytes >= QUEUE_BYTES;
}

static int forward_locked(struct relay *relay, const void *data, size_t size)
{
	struct bytes *at = &relay->queue[(relay->first + relay->n_queued) % QUEUE_MAX];
	int r;

	if (!relay->leaving) {
		r = net_call_send(relay->call, data, size);
		relay->leaving = r == 0;
		return r;
	}
	at->data = malloc(size + 1);
	if (!at->data)
		return -ENOMEM;
	if (size)
		memcpy(at->data, data, size);
	at->size = size;
	relay->n_queued++;
	relay->queued_bytes += size;
	return 0;
}

static void on_message(struct ipc_stream *stream, void *userdata)
{
	const struct ipc_raw_message *message;
	struct relay *relay = userdata;
	const void *data;
	size_t size;
	int r;

	lock(relay);
	relay->paused = is_full(relay);
	if (!relay->paused) {
		r = ipc_raw_stream_receive(stream, 0, &message, NULL);
		if (r == 1) {
			r = ipc_payload_message(message->data, message->size, &data, &size);
			r = r < 0 ? r : forward_locked(relay, data, size);
			/* The message is malformed, the client is gone, or memory is short. */
			if (r < 0)
				fail_locked(relay, r, NULL);
		}
	}
	unlock(relay);
}

static void sent(void *userdata, bool ok)
{
	struct relay *relay = userdata;
	struct bytes next;

	lock(relay);
	relay->leaving = false;
	if (ok && relay->n_queued) {
		next = relay->queue[relay->first % QUEUE_MAX];
		relay->first++;
		relay->n_queued--;
		relay->queued_bytes -= next.size;
		relay->leaving = net_call_send(relay->call, next.data, next.size) == 0;
		free(next.data);
	}
	if (relay->paused && relay->n_queued <= QUEUE_MAX / 2 && !is_full(relay)) {
		relay->paused = false;
		ipc_stream_resume(relay->stream);
	}
	if (relay->over && !relay->leaving)
		net_call_finish(relay->call, &relay->status.is);
	unlock(relay);
}

static void on_end(struct ipc_stream *stream, int result, const struct ipc_error *error,
		   void *userdata)
{
	struct relay *relay = userdata;

	(void)stream;
	lock(relay);
	end_locked(relay, result, error);
	unlock(relay);
}

/* --- To the service ------------------------------------------------------------------------- */

/* Ends the requests to the service. If the stream is already over, its end is reported
 * separately. */
static void end_requests_locked(struct relay *relay)
{
	int r = ipc_stream_end(relay->stream);

	if (r == -ENOMEM)
		fail_locked(relay, r, NULL);
}

/* The stream has taken a request: requests the next message, or ends the requests. */
static void next_locked(struct relay *relay)
{
	if (relay->method->streams_in)
		net_call_receive(relay->call);
	else
		end_requests_locked(relay);
}

/* Returns true if the message cannot be sent but the stream continues. If the service has ended the
 * stream, the stream itself reports the reason. */
static bool is_own(int r)
{
	static const int own[] = { EINVAL, E2BIG, EBADF, EFAULT, EMSGSIZE, EDQUOT, ENOSPC,
				   ENOMEM, EPERM, EMFILE, ENOBUFS, ELOOP };

	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
		if (r == -own[i])
			return true;
	return false;
}

/* Handles the result of passing a request to the stream. If the stream is over, it reports its end
 * itself. */
static void taken_locked(struct relay *relay, int r)
{
	if (r == 0)
		next_locked(relay);
	else if (is_own(r))
		fail_locked(relay, r, NULL);
}

static void keep_locked(struct relay *relay, const struct net_message *message)
{
	relay->pending.data = net_message_copy(message);
	relay->pending.size = message->size;
	if (!relay->pending.data)
		fail_locked(relay, -ENOMEM, NULL);
}

static void on_writable(struct ipc_stream *stream, void *userdata)
{
	struct relay *relay = userdata;
	struct ipc_raw_message message;
	int r;

	lock(relay);
	if (relay->pending.data) {
		message = (struct ipc_raw_message){ .data = relay->pending.data,
						    .size = relay->pending.size };
		r = ipc_raw_stream_send(stream, &message, 0);
		if (r != -EAGAIN) {
			free(relay->pending.data);
			relay->pending.data = NULL;
			taken_locked(relay, r);
		}
	}
	unlock(relay);
}

static void received(void *userdata, const struct net_message *message)
{
	struct relay *relay = userdata;
	const struct ipc_raw_message request = {
		.parts = message ? message->parts : NULL,
		.n_parts = message ? message->n_parts : 0,
	};
	int r;

	lock(relay);
	if (!message && !relay->method->streams_in && !relay->requested) {
		ipc_cancel(relay->cancellation);
		status_say(relay->call, NET_UNIMPLEMENTED, "this method accepts a single request");
	} else if (!message) {
		end_requests_locked(relay);
	} else if (!relay_is_message(message)) {
		ipc_cancel(relay->cancellation);
		status_refuse_message(relay->call);
	} else {
		relay->requested = true;
		r = ipc_raw_stream_send(relay->stream, &request, 0);
		if (r == -EAGAIN)
			keep_locked(relay, message);
		else
			taken_locked(relay, r);
	}
	unlock(relay);
}

/* --- Life ---------------------------------------------------------------------------------- */

static const struct ipc_stream_ops stream_ops = {
	.size = sizeof(stream_ops),
	.on_message = on_message,
	.on_writable = on_writable,
	.on_end = on_end,
	.destroy = relay_put,
};

/* Begins the relay of a stream that the service accepted, or ends the call. The reference of the
 * opening passes to the stream. */
static void opened(int result, struct ipc_stream *stream, const struct ipc_error *error,
		   void *userdata)
{
	struct relay *relay = userdata;
	int r = result;

	lock(relay);
	relay->stream = stream;
	if (r == 0)
		r = ipc_stream_set_ops(stream, &stream_ops, relay);
	if (r == 0)
		net_call_receive(relay->call);
	else
		end_locked(relay, r, result < 0 ? error : NULL);
	unlock(relay);
	if (r < 0)
		relay_put(relay);
}

static void canceled(void *userdata)
{
	struct relay *relay = userdata;

	ipc_cancel(relay->cancellation);
}

static const struct net_call_ops net_ops = {
	.received = received,
	.sent = sent,
	.canceled = canceled,
	.ended = relay_put,
};

static void open_stream(struct relay *relay)
{
	struct ipc_options options = {
		.timeout_usec = net_call_remaining(relay->call),
		.cancellation = relay->cancellation,
		/* Messages that do not fit into the region exceed the limits of clients. */
		.flags = IPC_RAW_REFUSE_FDS,
	};
	const char **metadata = NULL;
	int r = -ETIMEDOUT;

	if (options.timeout_usec)
		r = metadata_of(relay->call, &metadata);
	options.metadata = metadata;
	relay_hold(relay);
	if (r == 0)
		r = ipc_raw_stream_open_async(relay->target->proxy, relay->method->number, &options,
					      opened, relay);
	free(metadata);
	if (r == 0)
		return;
	lock(relay);
	end_locked(relay, r, NULL);
	unlock(relay);
	relay_put(relay);
}

int stream_start(struct net_call *call, struct target *target, const struct schema_method *method)
{
	struct relay *relay = calloc(1, sizeof(*relay));

	if (!relay)
		return -ENOMEM;
	if (ipc_cancellation_new(ipc_proxy_ipc(target->proxy), &relay->cancellation) < 0) {
		free(relay);
		return -ENOMEM;
	}
	relay->call = net_call_ref(call);
	relay->target = target_ref(target);
	relay->method = method;
	relay->refs = 1;
	pthread_mutex_init(&relay->lock, NULL);
	net_call_begin(call, &net_ops, relay);
	open_stream(relay);
	return 0;
}
