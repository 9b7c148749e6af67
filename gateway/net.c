// SPDX-License-Identifier: MIT
/*
 * gRPC's C core behind net.h.
 *
 * What the core completes has a tag: the address of a struct op, which says what to do then. A
 * call counts its ops that are under way. It is over when the core has reported its close and no
 * op is left; then ended() runs.
 */
#include <errno.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>
#include <grpc/support/log.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "net-private.h"

/* --- Counting ----------------------------------------------------------------------- */

void net_count(struct net_counts *counts, uint64_t *number, uint64_t n)
{
	if (counts)
		__atomic_add_fetch(number, n, __ATOMIC_RELAXED);
}

void net_count_begin(struct net_counts *counts, bool streams)
{
	net_count(counts, &counts->open, 1);
	net_count(streams ? counts : NULL, &counts->streams, 1);
}

void net_count_end(struct net_counts *counts, bool streams, int code)
{
	net_count(counts, &counts->ended[code >= 0 && code < NET_CODES ? code : NET_UNKNOWN], 1);
	net_count(counts, &counts->open, (uint64_t)-1);
	net_count(streams ? counts : NULL, &counts->streams, (uint64_t)-1);
}

void net_call_count(struct net_call *call, struct net_counts *counts, bool streams)
{
	call->counts = counts;
	call->streams = streams;
	net_count_begin(counts, streams);
}

const struct net_counts *net_uncounted(const struct net *net)
{
	return &net->uncounted;
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
	if (call->counts)
		net_count_end(call->counts, call->streams, code_of(call));
	else if (!call->client)
		net_count(&call->net->uncounted, &call->net->uncounted.ended[code_of(call)], 1);
}

/* The core knows its sockets, and prints them as JSON. */
#define SOCKETS_PAGE 1000

unsigned long net_connections(void)
{
	static const char server[] = "\"serverId\":\"", connection[] = "\"socketId\":\"";
	char *text = grpc_channelz_get_servers(0);
	const char *at = text ? strstr(text, server) : NULL;
	intptr_t id = at ? strtol(at + strlen(server), NULL, 10) : 0, from = 0;
	unsigned long all = 0, n = SOCKETS_PAGE;

	gpr_free(text);
	while (id && n == SOCKETS_PAGE) {
		text = grpc_channelz_get_server_sockets(id, from, SOCKETS_PAGE);
		n = 0;
		for (at = text; at && (at = strstr(at, connection)); n++) {
			at += strlen(connection);
			from = strtol(at, NULL, 10) + 1;
		}
		gpr_free(text);
		all += n;
	}
	return all;
}

/* --- Ends of calls ------------------------------------------------------------------ */

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
		call->over(call->over_userdata);
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

/* --- Receiving ----------------------------------------------------------------------- */

int net_take_apart(grpc_byte_buffer *buffer, struct net_message *message, grpc_slice *ret_joined)
{
	grpc_byte_buffer_reader reader;
	grpc_slice *slice;

	message->size = grpc_byte_buffer_length(buffer);
	message->n_parts = 0;
	*ret_joined = grpc_empty_slice();
	if (!grpc_byte_buffer_reader_init(&reader, buffer))
		return -EBADMSG;
	/* Peers may send empty ones, which would hide the first byte. */
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

static void receive_done(struct op *op, bool ok)
{
	struct net_call *call = container_of(op, struct net_call, receive);
	grpc_byte_buffer *buffer = call->arrived;
	grpc_slice joined = grpc_empty_slice();
	struct net_message message;

	call->arrived = NULL;
	pthread_mutex_lock(&call->lock);
	call->receiving = false;
	pthread_mutex_unlock(&call->lock);
	if (ok && buffer && call->counts)
		net_count(call->counts, &call->counts->received, grpc_byte_buffer_length(buffer));
	/* A peer that is gone has not ended its sending: what it was saying is not complete. */
	if (ok && buffer && net_take_apart(buffer, &message, &joined) == 0)
		call->ops->received(call->userdata, &message);
	else if (ok && !buffer && !grpc_call_failed_before_recv_message(call->call))
		call->ops->received(call->userdata, NULL);
	/* The status of a client's call comes by itself. A cancellation might replace it. */
	else if (buffer || !call->client)
		grpc_call_cancel(call->call, NULL);
	grpc_slice_unref(joined);
	if (buffer)
		grpc_byte_buffer_destroy(buffer);
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

/* Copies: the region of a connection is no place for what waits for a slow client. */
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

static void count_sent(struct net_call *call, int r, size_t size)
{
	if (r == 0 && call->counts)
		net_count(call->counts, &call->counts->sent, size);
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
		count_sent(call, r, size);
	}
	pthread_mutex_unlock(&call->lock);
	return r;
}

static void finish_done(struct op *op, bool ok)
{
	(void)ok;
	net_call_op_over(container_of(op, struct net_call, finish));
}

static int finish(struct net_call *call, grpc_op *ops, size_t n, enum net_code code)
{
	int r = call->finished ? -EALREADY : net_call_start_locked(call, ops, n, &call->finish);

	if (r == 0)
		call->code = code;
	call->finished |= r == 0;
	call->opened |= r == 0;
	return r;
}

int net_call_reply(struct net_call *call, const void *data, size_t size)
{
	grpc_op ops[3];
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
		count_sent(call, r, size);
	}
	pthread_mutex_unlock(&call->lock);
	return r;
}

int net_call_finish(struct net_call *call, const struct net_status *status)
{
	grpc_op ops[2];
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

/* --- What a call is ---------------------------------------------------------------------- */

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

/* --- Accepting ---------------------------------------------------------------------------- */

static void close_done(struct op *op, bool ok)
{
	struct net_call *call = container_of(op, struct net_call, close);

	pthread_mutex_lock(&call->lock);
	call->closed = true;
	pthread_mutex_unlock(&call->lock);
	if (call->client)
		call->text = net_call_why(call);
	if (call->ops && (!ok || call->canceled || call->client))
		call->ops->canceled(call->userdata);
	net_call_op_over(call);
}

void net_call_begin(struct net_call *call, const struct net_call_ops *ops, void *userdata)
{
	call->ops = ops;
	call->userdata = userdata;
}

void net_call_at_end(struct net_call *call, void (*over)(void *userdata), void *userdata)
{
	call->over = over;
	call->over_userdata = userdata;
}

struct net_call *net_call_new(struct net *net)
{
	struct net_call *call = calloc(1, sizeof(*call));

	if (!call)
		return NULL;
	call->net = net;
	call->refs = 1;
	pthread_mutex_init(&call->lock, NULL);
	grpc_call_details_init(&call->details);
	grpc_metadata_array_init(&call->metadata);
	grpc_metadata_array_init(&call->initial);
	call->message = grpc_empty_slice();
	call->details_bin.value = grpc_empty_slice();
	call->receive.done = receive_done;
	call->send.done = send_done;
	call->finish.done = finish_done;
	call->close.done = close_done;
	return call;
}

/* Without memory for a call, the core keeps those that come, and asks again with the next. */
static void ask(struct acceptor *acceptor)
{
	struct net *net = acceptor->net;
	struct net_call *call = net_call_new(net);

	acceptor->call = NULL;
	if (!call)
		return;
	acceptor->call = call;
	if (grpc_server_request_call(net->server, &call->call, &call->details, &call->metadata,
				     net->queue, net->queue, &acceptor->op) != GRPC_CALL_OK)
		acceptor->call = net_call_unref(call);
}

static void begin(struct net *net, struct net_call *call)
{
	const grpc_op close = {
		.op = GRPC_OP_RECV_CLOSE_ON_SERVER,
		.data.recv_close_on_server.cancelled = &call->canceled,
	};
	const struct net_status no_memory = {
		.code = NET_RESOURCE_EXHAUSTED,
		.message = "the gateway has no memory",
	};
	int r;

	pthread_mutex_lock(&call->lock);
	r = net_call_start_locked(call, &close, 1, &call->close);
	pthread_mutex_unlock(&call->lock);
	if (r < 0) {
		net_call_unref(call);
		return;
	}
	__atomic_add_fetch(&net->open, 1, __ATOMIC_RELAXED);
	call->path = grpc_slice_to_c_string(call->details.method);
	if (call->path)
		net->accept(call, net->userdata);
	else
		net_call_finish(call, &no_memory);
}

static void accept_done(struct op *op, bool ok)
{
	struct acceptor *acceptor = container_of(op, struct acceptor, op);
	struct net *net = acceptor->net;
	struct net_call *call = acceptor->call;

	acceptor->call = NULL;
	if (!ok) {
		net_call_unref(call);
		return;
	}
	ask(acceptor);
	for (size_t i = 0; i < ACCEPTS; i++)
		if (!net->acceptors[i].call)
			ask(&net->acceptors[i]);
	begin(net, call);
}

/* --- The engine --------------------------------------------------------------------------- */

/* A queue that was shut down takes no ops, so it is not before the last call. Runs on one
 * thread. */
void net_end_queue(struct net *net)
{
	bool last;

	pthread_mutex_lock(&net->lock);
	last = net->server_over && !net->calls;
	pthread_mutex_unlock(&net->lock);
	if (last)
		grpc_completion_queue_shutdown(net->queue);
}

static void stopped(struct op *op, bool ok)
{
	struct net *net = container_of(op, struct net, stopped);

	(void)ok;
	pthread_mutex_lock(&net->lock);
	net->server_over = true;
	pthread_mutex_unlock(&net->lock);
	net_end_queue(net);
}

static grpc_server *server_new(const struct net_limits *limits)
{
	grpc_resource_quota *quota = grpc_resource_quota_create("gateway");
	grpc_arg args[] = {
		NET_NO_COMPRESSION,
		{ .type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH },
		{ .type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_MAX_CONCURRENT_STREAMS },
		{ .type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_ALLOW_REUSEPORT },
		{ .type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_KEEPALIVE_TIME_MS },
		{ .type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_KEEPALIVE_TIMEOUT_MS },
		{ .type = GRPC_ARG_INTEGER,
		  .key = (char *)GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS },
		{ .type = GRPC_ARG_POINTER, .key = (char *)GRPC_ARG_RESOURCE_QUOTA },
	};
	const grpc_channel_args all = { .num_args = sizeof(args) / sizeof(*args), .args = args };
	grpc_server *server;

	grpc_resource_quota_resize(quota, limits->memory);
	args[1].value.integer = (int)limits->message_size;
	args[2].value.integer = limits->streams;
	args[3].value.integer = 0;
	args[4].value.integer = NET_KEEPALIVE_MSEC;
	args[5].value.integer = NET_KEEPALIVE_MSEC;
	args[6].value.integer = NET_KEEPALIVE_MSEC / 2;
	args[7].value.pointer.p = quota;
	args[7].value.pointer.vtable = grpc_resource_quota_arg_vtable();
	server = grpc_server_create(&all, NULL);
	grpc_resource_quota_unref(quota);
	return server;
}

static void (*deaf)(void *userdata);
static void *deaf_userdata;

void net_on_deaf(void (*cb)(void *userdata), void *userdata)
{
	deaf = cb;
	deaf_userdata = userdata;
}

/* What the core reports has texts of peers, such as names and metadata. It does not clean them.
 * That accept4() failed it says here alone. */
static void log_core(gpr_log_func_args *args)
{
	log_line("gRPC: %s", args->message);
	if (deaf && !strncmp(args->message, "Failed accept4", 14))
		deaf(deaf_userdata);
}

int net_new(struct net **ret_net, const struct net_limits *limits, net_accept accept,
	    void *userdata)
{
	struct net *net = calloc(1, sizeof(*net));

	if (!net)
		return -ENOMEM;
	gpr_set_log_function(log_core);
	grpc_init();
	net->accept = accept;
	net->userdata = userdata;
	net->stopped.done = stopped;
	pthread_mutex_init(&net->lock, NULL);
	net->queue = grpc_completion_queue_create_for_next(NULL);
	net->server = server_new(limits);
	grpc_server_register_completion_queue(net->server, net->queue, NULL);
	*ret_net = net;
	return 0;
}

struct net *net_free(struct net *net)
{
	if (!net)
		return NULL;
	if (!net->over) {
		net_stop(net);
		net_run(net);
	}
	net_vsock_free(net);
	grpc_server_destroy(net->server);
	grpc_completion_queue_destroy(net->queue);
	for (struct listener *listener = net->listeners, *next; listener; listener = next) {
		next = listener->next;
		free(listener);
	}
	net_pem_done(&net->pem);
	pthread_mutex_destroy(&net->lock);
	free(net);
	grpc_shutdown();
	return NULL;
}

/* --- Running ------------------------------------------------------------------------------ */

int net_listen(struct net *net, const char *address)
{
	bool tls = !strncmp(address, "tls:", 4);
	grpc_server_credentials *credentials;
	int port = net_vsock_listen(net, address);

	if (port)
		return port;
	credentials = tls ? net_tls_credentials(net) : grpc_insecure_server_credentials_create();
	if (!credentials)
		return -ENOMEM;
	port = grpc_server_add_http2_port(net->server, tls ? address + 4 : address, credentials);
	grpc_server_credentials_release(credentials);
	return port > 0 ? port : -EADDRNOTAVAIL;
}

int net_start(struct net *net)
{
	grpc_server_start(net->server);
	for (size_t i = 0; i < ACCEPTS; i++) {
		net->acceptors[i].net = net;
		net->acceptors[i].op.done = accept_done;
		ask(&net->acceptors[i]);
		if (!net->acceptors[i].call)
			return -ENOMEM;
	}
	return net_vsock_start(net);
}

void net_run(struct net *net)
{
	grpc_event event;

	for (;;) {
		event = grpc_completion_queue_next(net->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC),
						   NULL);
		if (event.type == GRPC_QUEUE_SHUTDOWN) {
			net->over = true;
			return;
		}
		if (event.type == GRPC_OP_COMPLETE)
			((struct op *)event.tag)->done(event.tag, event.success);
	}
}

void net_stop(struct net *net)
{
	bool first;

	pthread_mutex_lock(&net->lock);
	first = !net->stopping;
	net->stopping = true;
	pthread_mutex_unlock(&net->lock);
	if (!first)
		return;
	net_vsock_stop(net);
	grpc_server_shutdown_and_notify(net->server, net->queue, &net->stopped);
}

bool net_is_idle(struct net *net)
{
	bool idle;

	pthread_mutex_lock(&net->lock);
	idle = !net->calls && !net->requests;
	pthread_mutex_unlock(&net->lock);
	return idle && !__atomic_load_n(&net->open, __ATOMIC_RELAXED);
}

void net_cancel_all(struct net *net)
{
	grpc_server_cancel_all_calls(net->server);
	net_cancel_requests(net);
}
