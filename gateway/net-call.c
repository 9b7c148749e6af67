// SPDX-License-Identifier: MIT
/*
 * Calls on the C core, of the server and of clients: see net.h and net-private.h.
 *
 * A call counts its pending ops. When the core has reported the close and no op is pending, the
 * call is over, and ended() runs.
 *
 * Two optimizations make small calls cheap. First, the close of a call is requested together with
 * its reply. If the reply does not come soon, the close is requested alone; until then a
 * cancellation is not noticed. Second, a thread that sends a reply handles the completions that
 * result, instead of waking the thread in net_run().
 */
#define _GNU_SOURCE
#include <errno.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/support/alloc.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "net-private.h"

/* --- Beginnings and ends ------------------------------------------------------------- */

struct net_call *net_call_ref(struct net_call *call)
{
	__atomic_add_fetch(&call->refs, 1, __ATOMIC_RELAXED);
	return call;
}

struct net_call *net_call_unref(struct net_call *call)
{
	if (!call || __atomic_sub_fetch(&call->refs, 1, __ATOMIC_ACQ_REL))
		return NULL;
	if (call->leaving)
		grpc_byte_buffer_destroy(call->leaving);
	if (call->arrived)
		grpc_byte_buffer_destroy(call->arrived);
	grpc_slice_unref(call->message);
	grpc_slice_unref(call->details_bin.value);
	grpc_metadata_array_destroy(&call->metadata);
	grpc_metadata_array_destroy(&call->initial);
	grpc_call_details_destroy(&call->details);
	if (call->call)
		grpc_call_unref(call->call);
	pthread_mutex_destroy(&call->lock);
	free(call->path);
	free(call->text);
	free(call);
	return NULL;
}

static int code_of(const struct net_call *call)
{
	if (call->client)
		return (int)call->status;
	if (call->finished)
		return call->code;
	return net_call_remaining(call) ? NET_CANCELLED : NET_DEADLINE_EXCEEDED;
}

static void count_end(struct net_call *call)
{
	if (!call->counts)
		net_call_count(call, &call->net->uncounted);
	net_count_end(call->counts, code_of(call));
}

void net_call_op_over(struct net_call *call)
{
	bool over;

	pthread_mutex_lock(&call->lock);
	over = --call->pending == 0 && call->closed;
	pthread_mutex_unlock(&call->lock);
	if (!over)
		return;
	count_end(call);
	if (call->ops)
		call->ops->ended(call->userdata);
	if (call->over)
		call->over(call->over_userdata, call->left);
	if (call->client)
		net_client_over(call);
	else
		__atomic_sub_fetch(&call->net->open, 1, __ATOMIC_RELAXED);
	net_call_unref(call);
}

int net_call_start_locked(struct net_call *call, const grpc_op *ops, size_t n, struct op *op)
{
	if (call->closed)
		return -ECANCELED;
	if (grpc_call_start_batch(call->call, ops, n, op, NULL) != GRPC_CALL_OK)
		return -EPROTO;
	call->pending++;
	return 0;
}

static bool deliver(struct net_call *call);

static void end_close(struct net_call *call, bool ok)
{
	if (call->client)
		call->text = net_call_why(call);
	/* The reply of a call with one request arrives with the status. */
	if (call->client && call->arrived && call->status == GRPC_STATUS_OK)
		deliver(call);
	if (call->ops && call->ops->canceled && (!ok || call->canceled || call->client))
		call->ops->canceled(call->userdata);
	net_call_op_over(call);
}

/* Ends the call after the op of its close. If a message has arrived, leaves the end to the op of
 * that message, which must run first but may be queued behind this op. */
static void close_done(struct op *op, bool ok)
{
	struct net_call *call = container_of(op, struct net_call, close);
	bool late;

	pthread_mutex_lock(&call->lock);
	call->closed = true;
	call->close_ok = ok;
	late = call->close_late = call->receiving;
	pthread_mutex_unlock(&call->lock);
	if (!late)
		end_close(call, ok);
}

/* --- Young calls of the server ------------------------------------------------------- */

/* A call is young for this time, and for up to two ticks of the clock more. Most calls end by
 * then. */
#define YOUNG_USEC 1000

static uint64_t usec_of(const struct timespec *time)
{
	return (uint64_t)time->tv_sec * 1000000 + (uint64_t)time->tv_nsec / 1000;
}

/* A clock that is cheap to read. It may be late by a tick. */
static uint64_t now_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return usec_of(&now);
}

static uint64_t tick_usec(void)
{
	struct timespec tick;

	clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	return usec_of(&tick);
}

void net_young_init(struct net *net)
{
	pthread_mutex_init(&net->young_lock, NULL);
	net->tick_usec = tick_usec();
}

static void be_young(struct net_call *call)
{
	struct net *net = call->net;

	call->young = true;
	call->young_until = now_usec() + YOUNG_USEC + net->tick_usec;
	pthread_mutex_lock(&net->young_lock);
	call->older = net->newest;
	if (net->newest)
		net->newest->younger = call;
	else
		net->oldest = call;
	net->newest = call;
	pthread_mutex_unlock(&net->young_lock);
}

static void grow_up_locked(struct net_call *call)
{
	struct net *net = call->net;

	if (!call->young)
		return;
	call->young = false;
	if (call->older)
		call->older->younger = call->younger;
	else
		net->oldest = call->younger;
	if (call->younger)
		call->younger->older = call->older;
	else
		net->newest = call->older;
}

static void grow_up(struct net_call *call)
{
	pthread_mutex_lock(&call->net->young_lock);
	grow_up_locked(call);
	pthread_mutex_unlock(&call->net->young_lock);
}

static grpc_op close_op(struct net_call *call)
{
	return (grpc_op){
		.op = GRPC_OP_RECV_CLOSE_ON_SERVER,
		.data.recv_close_on_server.cancelled = &call->canceled,
	};
}

/* --- Callbacks ------------------------------------------------------------------------ */

static _Thread_local bool in_callback;

void net_run_op(struct net *net, struct op *op, bool ok)
{
	void *tag = op;
	int success = ok;

	pthread_mutex_lock(&net->callbacks);
	in_callback = true;
	do {
		grpc_completion_queue_thread_local_cache_init(net->queue);
		op = tag;
		op->done(op, success);
	} while (grpc_completion_queue_thread_local_cache_flush(net->queue, &tag, &success));
	in_callback = false;
	pthread_mutex_unlock(&net->callbacks);
}

/* Collects completions of this thread from here on, so that they do not wake the thread in
 * net_run(). Returns whether the caller must call run_taken(). */
static bool take_completions(struct net *net)
{
	if (!in_callback)
		grpc_completion_queue_thread_local_cache_init(net->queue);
	return !in_callback;
}

static void run_taken(struct net *net)
{
	void *tag;
	int ok;

	if (grpc_completion_queue_thread_local_cache_flush(net->queue, &tag, &ok))
		net_run_op(net, tag, ok);
}

/* --- When calls are not young any more ---------------------------------------------------- */

static void start_close(struct net_call *call)
{
	const bool takes = take_completions(call->net);
	const grpc_op close = close_op(call);

	pthread_mutex_lock(&call->lock);
	if (!call->closing)
		call->closing = net_call_start_locked(call, &close, 1, &call->close) == 0;
	pthread_mutex_unlock(&call->lock);
	/* The call may have been canceled already. */
	if (takes)
		run_taken(call->net);
}

void net_call_accepted(struct net_call *call)
{
	if (pthread_equal(pthread_self(), call->net->thread))
		be_young(call);
	else
		start_close(call);
}

gpr_timespec net_wait_for_closes(struct net *net)
{
	uint64_t until = UINT64_MAX;
	struct net_call *call;

	for (;;) {
		pthread_mutex_lock(&net->young_lock);
		call = net->oldest;
		until = call ? call->young_until : UINT64_MAX;
		if (call && until <= now_usec())
			grow_up_locked(net_call_ref(call));
		else
			call = NULL;
		pthread_mutex_unlock(&net->young_lock);
		if (!call)
			break;
		start_close(call);
		net_call_unref(call);
	}
	if (until == UINT64_MAX)
		return gpr_inf_future(GPR_CLOCK_MONOTONIC);
	/* The coarse clock may be late by a tick. */
	until += net->tick_usec;
	return (gpr_timespec){ .tv_sec = (int64_t)(until / 1000000),
			       .tv_nsec = (int32_t)(until % 1000000) * 1000,
			       .clock_type = GPR_CLOCK_MONOTONIC };
}

/* --- Receiving ----------------------------------------------------------------------- */

static int take_apart(grpc_byte_buffer *buffer, struct net_message *message, grpc_slice *ret_joined)
{
	grpc_byte_buffer_reader reader;
	grpc_slice *slice;

	message->size = grpc_byte_buffer_length(buffer);
	message->n_parts = 0;
	*ret_joined = grpc_empty_slice();
	if (!grpc_byte_buffer_reader_init(&reader, buffer))
		return -EBADMSG;
	/* Peers can send empty slices. They would hide the first byte. */
	while (message->n_parts < NET_PARTS_MAX && grpc_byte_buffer_reader_peek(&reader, &slice))
		if (GRPC_SLICE_LENGTH(*slice))
			message->parts[message->n_parts++] = (struct iovec){
				.iov_base = GRPC_SLICE_START_PTR(*slice),
				.iov_len = GRPC_SLICE_LENGTH(*slice),
			};
	if (message->n_parts == NET_PARTS_MAX) {
		grpc_byte_buffer_reader_destroy(&reader);
		if (!grpc_byte_buffer_reader_init(&reader, buffer))
			return -EBADMSG;
		*ret_joined = grpc_byte_buffer_reader_readall(&reader);
		message->parts[0].iov_base = GRPC_SLICE_START_PTR(*ret_joined);
		message->parts[0].iov_len = GRPC_SLICE_LENGTH(*ret_joined);
		message->n_parts = 1;
	}
	grpc_byte_buffer_reader_destroy(&reader);
	return 0;
}

void *net_message_copy(const struct net_message *message)
{
	char *copy = malloc(message->size + 1), *at = copy;

	for (size_t i = 0; copy && i < message->n_parts; i++)
		at = mempcpy(at, message->parts[i].iov_base, message->parts[i].iov_len);
	return copy;
}

/* Passes the arrived message to received(). Returns false if there is none. */
static bool deliver(struct net_call *call)
{
	grpc_byte_buffer *buffer = call->arrived;
	struct net_message message;
	grpc_slice joined;
	bool ok = false;

	call->arrived = NULL;
	if (!buffer)
		return ok;
	ok = take_apart(buffer, &message, &joined) == 0;
	if (ok)
		call->ops->received(call->userdata, &message);
	grpc_slice_unref(joined);
	grpc_byte_buffer_destroy(buffer);
	return ok;
}

static void receive_done(struct op *op, bool ok)
{
	struct net_call *call = container_of(op, struct net_call, receive);
	const bool is_end = !call->arrived;
	bool late;

	pthread_mutex_lock(&call->lock);
	call->receiving = false;
	pthread_mutex_unlock(&call->lock);
	/* If the peer is gone, it has not ended its messages: the last message is incomplete. */
	if (ok && is_end && !grpc_call_failed_before_recv_message(call->call))
		call->ops->received(call->userdata, NULL);
	/* The status of a client's call comes by itself. A cancellation might replace it. */
	else if (!(ok && deliver(call)) && !(is_end && call->client))
		grpc_call_cancel(call->call, NULL);
	pthread_mutex_lock(&call->lock);
	late = call->close_late;
	pthread_mutex_unlock(&call->lock);
	if (late)
		end_close(call, call->close_ok);
	net_call_op_over(call);
}

int net_call_receive(struct net_call *call)
{
	const grpc_op op = {
		.op = GRPC_OP_RECV_MESSAGE,
		.data.recv_message.recv_message = &call->arrived,
	};
	int r = -EBUSY;

	pthread_mutex_lock(&call->lock);
	if (!call->receiving) {
		r = net_call_start_locked(call, &op, 1, &call->receive);
		call->receiving = r == 0;
	}
	pthread_mutex_unlock(&call->lock);
	return r;
}

/* --- Sending --------------------------------------------------------------------------- */

static size_t open_op(const struct net_call *call, grpc_op *op)
{
	if (call->opened)
		return 0;
	*op = (grpc_op){ .op = GRPC_OP_SEND_INITIAL_METADATA };
	return 1;
}

/* Copies the bytes: a message for a slow client must not occupy the region of the connection. */
static int message_op(struct net_call *call, const void *data, size_t size, grpc_op *op)
{
	grpc_slice slice = grpc_slice_from_copied_buffer(data ?: "", size);

	if (call->leaving)
		grpc_byte_buffer_destroy(call->leaving);
	call->leaving = grpc_raw_byte_buffer_create(&slice, 1);
	grpc_slice_unref(slice);
	*op = (grpc_op){
		.op = GRPC_OP_SEND_MESSAGE,
		.data.send_message.send_message = call->leaving,
	};
	return call->leaving ? 0 : -ENOMEM;
}

static void send_done(struct op *op, bool ok)
{
	struct net_call *call = container_of(op, struct net_call, send);

	pthread_mutex_lock(&call->lock);
	call->sending = false;
	pthread_mutex_unlock(&call->lock);
	call->ops->sent(call->userdata, ok);
	net_call_op_over(call);
}

int net_call_send(struct net_call *call, const void *data, size_t size)
{
	grpc_op ops[2];
	size_t n;
	int r;

	pthread_mutex_lock(&call->lock);
	if (call->finished || call->closed) {
		r = -ECANCELED;
	} else if (call->sending) {
		r = -EBUSY;
	} else {
		n = open_op(call, ops);
		r = message_op(call, data, size, &ops[n++]);
		r = r < 0 ? r : net_call_start_locked(call, ops, n, &call->send);
		call->sending = r == 0;
		call->opened |= r == 0;
	}
	pthread_mutex_unlock(&call->lock);
	return r;
}

static void finish_done(struct op *op, bool ok)
{
	struct net_call *call = container_of(op, struct net_call, finish);

	if (call->closes)
		close_done(&call->close, ok);
	else
		net_call_op_over(call);
}

/* Calls leaves() once. Must come before the client can see the status and call again. A closed call
 * may be over already. */
static void leave_locked(struct net_call *call)
{
	if (call->left || call->closed)
		return;
	call->left = true;
	if (call->leaves)
		call->leaves(call->over_userdata);
}

/* Starts the last ops of a call, with its status. ops must have space for another op. */
static int finish(struct net_call *call, grpc_op *ops, size_t n, enum net_code code)
{
	bool closes = !call->closing;
	int r = -EALREADY;

	if (call->finished)
		return r;
	if (closes)
		ops[n++] = close_op(call);
	/* Set before the start, because finish_done() may run at once. */
	call->code = code;
	call->closes = closes;
	leave_locked(call);
	r = net_call_start_locked(call, ops, n, &call->finish);
	if (r == 0 && closes) {
		call->closing = true;
		grow_up(call);
	}
	call->finished |= r == 0;
	call->opened |= r == 0;
	return r;
}

int net_call_reply(struct net_call *call, const void *data, size_t size)
{
	const bool takes = take_completions(call->net);
	grpc_op ops[4];
	size_t n;
	int r;

	pthread_mutex_lock(&call->lock);
	if (call->sending) {
		r = -EBUSY;
	} else {
		n = open_op(call, ops);
		r = message_op(call, data, size, &ops[n++]);
		ops[n++] = (grpc_op){
			.op = GRPC_OP_SEND_STATUS_FROM_SERVER,
			.data.send_status_from_server.status = GRPC_STATUS_OK,
		};
		r = r < 0 ? r : finish(call, ops, n, NET_OK);
	}
	pthread_mutex_unlock(&call->lock);
	if (takes)
		run_taken(call->net);
	return r;
}

int net_call_finish(struct net_call *call, const struct net_status *status)
{
	grpc_op ops[3];
	size_t n;
	int r;

	pthread_mutex_lock(&call->lock);
	if (call->finished) {
		pthread_mutex_unlock(&call->lock);
		return -EALREADY;
	}
	grpc_slice_unref(call->message);
	grpc_slice_unref(call->details_bin.value);
	call->message = grpc_slice_from_copied_string(status->message ?: "");
	call->details_bin.key = grpc_slice_from_static_string("grpc-status-details-bin");
	call->details_bin.value = grpc_slice_from_copied_buffer(status->details ?: "",
								status->details_size);
	n = open_op(call, ops);
	ops[n++] = (grpc_op){
		.op = GRPC_OP_SEND_STATUS_FROM_SERVER,
		.data.send_status_from_server = {
			.status = (grpc_status_code)status->code,
			.status_details = &call->message,
			.trailing_metadata = &call->details_bin,
			.trailing_metadata_count = status->details_size ? 1 : 0,
		},
	};
	r = finish(call, ops, n, status->code);
	pthread_mutex_unlock(&call->lock);
	return r;
}

/* --- Properties of a call -------------------------------------------------------------- */

const char *net_call_path(const struct net_call *call)
{
	return call->path;
}

void net_call_cancel(struct net_call *call)
{
	grpc_call_cancel(call->call, NULL);
}

uint64_t net_call_remaining(const struct net_call *call)
{
	gpr_timespec deadline = call->details.deadline;
	gpr_timespec left;

	if (gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0)
		return UINT64_MAX;
	left = gpr_time_sub(deadline, gpr_now(deadline.clock_type));
	if (left.tv_sec < 0)
		return 0;
	return (uint64_t)left.tv_sec * 1000000 + (uint64_t)left.tv_nsec / 1000;
}

static struct iovec bytes_of(grpc_slice *slice)
{
	return (struct iovec){
		.iov_base = GRPC_SLICE_START_PTR(*slice),
		.iov_len = GRPC_SLICE_LENGTH(*slice),
	};
}

bool net_call_metadata(const struct net_call *call, size_t i, struct iovec *ret_name,
		       struct iovec *ret_value)
{
	if (i >= call->metadata.count)
		return false;
	*ret_name = bytes_of(&call->metadata.metadata[i].key);
	*ret_value = bytes_of(&call->metadata.metadata[i].value);
	return true;
}

/* --- New calls ------------------------------------------------------------------------- */

void net_call_begin(struct net_call *call, const struct net_call_ops *ops, void *userdata)
{
	call->ops = ops;
	call->userdata = userdata;
}

void net_call_at_end(struct net_call *call, void (*leaves)(void *userdata),
		     void (*over)(void *userdata, bool left), void *userdata)
{
	call->leaves = leaves;
	call->over = over;
	call->over_userdata = userdata;
}

struct net_call *net_call_new(struct net *net)
{
	/* Not calloc(), which bypasses the thread's cache of the C library. */
	struct net_call *call = malloc(sizeof(*call));

	if (!call)
		return NULL;
	*call = (struct net_call){
		.net = net,
		.refs = 1,
		.message = grpc_empty_slice(),
		.details_bin.value = grpc_empty_slice(),
		.receive.done = receive_done,
		.send.done = send_done,
		.finish.done = finish_done,
		.close.done = close_done,
	};
	pthread_mutex_init(&call->lock, NULL);
	grpc_call_details_init(&call->details);
	grpc_metadata_array_init(&call->metadata);
	grpc_metadata_array_init(&call->initial);
	return call;
}
