// SPDX-License-Identifier: MIT
/*
 * Clients on gRPC's C core: channels and calls. See net.h. Calls are in the engine's list, so that
 * net_cancel_all() finds them.
 */
#include <errno.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>
#include <stdlib.h>
#include <string.h>

#include "net-private.h"

struct net_channel {
	struct net *net;
	grpc_channel *channel;	     /* NULL if vsock is set */
	struct vsock_channel *vsock; /* or NULL */
	struct net_counts *counts;
};

/* --- Channels ---------------------------------------------------------------------------- */

static grpc_channel_credentials *credentials_of(const struct net_pem *pem)
{
	grpc_ssl_pem_key_cert_pair pair;

	if (!pem)
		return grpc_insecure_credentials_create();
	pair = (grpc_ssl_pem_key_cert_pair){ pem->key, pem->certificate };
	return grpc_ssl_credentials_create_ex(pem->client_ca, pem->certificate ? &pair : NULL, NULL,
					      NULL);
}

/* Retries are disabled, even those that the core considers safe: a call must never be sent
 * twice. */
int net_channel_new(struct net *net, const struct net_channel_options *options,
		    struct net_channel **ret_channel)
{
	struct net_channel *channel = calloc(1, sizeof(*channel));
	grpc_channel_credentials *credentials = credentials_of(options->pem);
	grpc_arg args[] = {
		NET_NO_COMPRESSION,
		NET_INTEGER(GRPC_ARG_ENABLE_RETRIES, 0),
		NET_INTEGER(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, options->message_size),
		NET_INTEGER(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, NET_BACKOFF_MIN_MSEC),
		NET_INTEGER(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, NET_BACKOFF_MIN_MSEC),
		NET_INTEGER(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, NET_BACKOFF_MAX_MSEC),
		NET_INTEGER(GRPC_ARG_KEEPALIVE_TIME_MS, options->keepalive_msec),
		NET_INTEGER(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, NET_KEEPALIVE_MSEC),
		NET_INTEGER(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0),
	};
	const grpc_channel_args all = { .num_args = sizeof(args) / sizeof(*args), .args = args };
	int r;

	if (!channel || !credentials) {
		grpc_channel_credentials_release(credentials);
		free(channel);
		return -ENOMEM;
	}
	channel->net = net;
	channel->counts = options->counts;
	r = net_vsock_channel_new(options, &all, &channel->vsock);
	if (r == 0 && !channel->vsock)
		channel->channel = grpc_channel_create(options->target, credentials, &all);
	grpc_channel_credentials_release(credentials);
	if (r < 0) {
		free(channel);
		return r;
	}
	*ret_channel = channel;
	return 0;
}

struct net_channel *net_channel_free(struct net_channel *channel)
{
	if (channel) {
		net_vsock_channel_free(channel->vsock);
		if (channel->channel)
			grpc_channel_destroy(channel->channel);
		free(channel);
	}
	return NULL;
}

static gpr_timespec deadline_of(uint64_t remaining)
{
	if (remaining > (uint64_t)INT64_MAX / 2)
		return gpr_inf_future(GPR_CLOCK_MONOTONIC);
	return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
			    gpr_time_from_micros((int64_t)remaining, GPR_TIMESPAN));
}

static grpc_call *create_call(struct net_channel *channel, const struct net_head *head)
{
	grpc_slice method = grpc_slice_from_copied_string(head->path);
	grpc_call *call;

	call = grpc_channel_create_call(
		channel->vsock ? net_vsock_hold(channel->vsock) : channel->channel, NULL, 0,
		channel->net->queue, method, NULL, deadline_of(head->remaining), NULL);
	if (channel->vsock)
		net_vsock_release(channel->vsock);
	grpc_slice_unref(method);
	return call;
}

/* --- Metadata ----------------------------------------------------------------------------- */

bool net_metadata_is_legal(const struct net_metadata *metadata)
{
	grpc_slice name = grpc_slice_from_static_string(metadata->name);
	grpc_slice value = grpc_slice_from_static_buffer(metadata->value, metadata->size);

	return grpc_header_key_is_legal(name) &&
	       (grpc_is_binary_header(name) || grpc_header_nonbin_value_is_legal(value));
}

/* Copies metadata for grpc_call_start_batch(). Afterwards the core has its own references. */
static int copy_metadata(const struct net_head *head, grpc_op *op)
{
	grpc_metadata *metadata = calloc(head->n_metadata + 1, sizeof(*metadata));

	if (!metadata)
		return -ENOMEM;
	for (size_t i = 0; i < head->n_metadata; i++) {
		const struct net_metadata *from = &head->metadata[i];

		metadata[i].key = grpc_slice_from_copied_string(from->name);
		metadata[i].value = grpc_slice_from_copied_buffer(from->value, from->size);
	}
	op->data.send_initial_metadata.metadata = metadata;
	op->data.send_initial_metadata.count = head->n_metadata;
	return 0;
}

static void drop_metadata(grpc_op *op)
{
	grpc_metadata *metadata = op->data.send_initial_metadata.metadata;

	for (size_t i = 0; i < op->data.send_initial_metadata.count; i++) {
		grpc_slice_unref(metadata[i].key);
		grpc_slice_unref(metadata[i].value);
	}
	free(metadata);
}

/* --- Calls ------------------------------------------------------------------------------- */

void net_cancel_calls(struct net *net)
{
	pthread_mutex_lock(&net->lock);
	for (struct net_call *call = net->calls; call; call = call->next)
		grpc_call_cancel(call->call, NULL);
	pthread_mutex_unlock(&net->lock);
}

static void find_details(const grpc_metadata_array *trailing, struct net_status *status)
{
	for (size_t i = 0; i < trailing->count; i++) {
		const grpc_metadata *metadata = &trailing->metadata[i];

		if (grpc_slice_str_cmp(metadata->key, "grpc-status-details-bin"))
			continue;
		status->details = GRPC_SLICE_START_PTR(metadata->value);
		status->details_size = GRPC_SLICE_LENGTH(metadata->value);
	}
}

static void opened(struct op *op, bool ok)
{
	(void)ok;
	net_call_op_over(container_of(op, struct net_call, open));
}

char *net_call_why(struct net_call *call)
{
	char *text = grpc_slice_to_c_string(call->message), *copy = strdup(text);

	gpr_free(text);
	return copy;
}

void net_call_status(const struct net_call *call, struct net_status *ret_status)
{
	*ret_status = (struct net_status){ .code = (enum net_code)call->status,
					   .message = call->text };
	find_details(&call->metadata, ret_status);
}

void net_client_over(struct net_call *call)
{
	struct net *net = call->net;

	pthread_mutex_lock(&net->lock);
	*call->at = call->next;
	if (call->next)
		call->next->at = call->at;
	pthread_mutex_unlock(&net->lock);
	net_end_queue(net);
}

static void link_call_locked(struct net *net, struct net_call *call)
{
	call->next = net->calls;
	call->at = &net->calls;
	if (call->next)
		call->next->at = &call->next;
	net->calls = call;
}

/* Adds a reference, which the last op drops. */
static void add_locked(struct net *net, struct net_call *call)
{
	net_call_ref(call);
	link_call_locked(net, call);
	call->opened = true;
}

static grpc_op status_op(struct net_call *call)
{
	return (grpc_op){
		.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
		.data.recv_status_on_client = { .trailing_metadata = &call->metadata,
						.status = &call->status,
						.status_details = &call->message },
	};
}

/* Starts a single batch, in which the reply arrives with the status. */
static int start_unary_locked(struct net_call *call, grpc_op begin, grpc_op initial)
{
	const grpc_op ops[] = {
		begin,
		{ .op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = call->leaving },
		{ .op = GRPC_OP_SEND_CLOSE_FROM_CLIENT },
		initial,
		{ .op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &call->arrived },
		status_op(call),
	};
	int r = net_call_start_locked(call, ops, sizeof(ops) / sizeof(*ops), &call->close);

	if (r == 0)
		add_locked(call->net, call);
	return r;
}

static int start_stream_locked(struct net_call *call, grpc_op begin, grpc_op initial)
{
	const grpc_op open[] = { begin, initial };
	const grpc_op close = status_op(call);
	int r = net_call_start_locked(call, &close, 1, &call->close);

	if (r < 0)
		return r;
	add_locked(call->net, call);
	if (net_call_start_locked(call, open, 2, &call->open) < 0)
		grpc_call_cancel(call->call, NULL);
	return 0;
}

static int start_call(struct net_call *call, const struct net_head *head)
{
	grpc_op begin = { .op = GRPC_OP_SEND_INITIAL_METADATA };
	const grpc_op initial = {
		.op = GRPC_OP_RECV_INITIAL_METADATA,
		.data.recv_initial_metadata.recv_initial_metadata = &call->initial,
	};
	struct net *net = call->net;
	int r = copy_metadata(head, &begin);

	if (r < 0)
		return r;
	r = -ESHUTDOWN;
	/* After net_stop() the queue may be shut down. */
	pthread_mutex_lock(&net->lock);
	pthread_mutex_lock(&call->lock);
	if (!net->stopping)
		r = call->leaving ? start_unary_locked(call, begin, initial) :
				    start_stream_locked(call, begin, initial);
	pthread_mutex_unlock(&call->lock);
	pthread_mutex_unlock(&net->lock);
	drop_metadata(&begin);
	return r;
}

int net_call_open(struct net_channel *channel, const struct net_head *head,
		  const struct iovec *request, const struct net_call_ops *ops, void *userdata,
		  struct net_call **ret_call)
{
	struct net_call *call = net_call_new(channel->net);
	grpc_slice bytes;
	int r;

	if (!call)
		return -ENOMEM;
	call->client = true;
	call->open.done = opened;
	net_call_begin(call, ops, userdata);
	call->call = create_call(channel, head);
	if (request) {
		bytes = grpc_slice_from_copied_buffer(request->iov_base ?: "", request->iov_len);
		call->leaving = grpc_raw_byte_buffer_create(&bytes, 1);
		grpc_slice_unref(bytes);
	}
	*ret_call = call;
	net_call_count(call, channel->counts);
	r = start_call(call, head);
	if (r < 0) {
		net_count_end(call->counts, NET_CANCELLED);
		*ret_call = net_call_unref(call);
	}
	return r;
}

int net_call_end(struct net_call *call)
{
	const grpc_op op = { .op = GRPC_OP_SEND_CLOSE_FROM_CLIENT };
	int r = -EALREADY;

	pthread_mutex_lock(&call->lock);
	if (call->sending)
		r = -EBUSY;
	else if (!call->finished)
		r = net_call_start_locked(call, &op, 1, &call->finish);
	call->finished |= r == 0;
	pthread_mutex_unlock(&call->lock);
	return r;
}
