// SPDX-License-Identifier: MIT
/*
 * Clients on gRPC's C core: channels and requests. See net.h.
 *
 * A request is one batch of the core, with one completion. It has a reference until then, and is in
 * the engine's list, so that net_cancel_all() finds it.
 */
#include <errno.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>
#include <stdlib.h>
#include <string.h>

#include "net-private.h"

struct net_channel {
	struct net *net;
	grpc_channel *channel;	     /* NULL: it has vsock */
	struct vsock_channel *vsock;
	struct net_counts *counts;
};

struct net_request {
	struct net_request *next; /* in the engine's list */
	struct net *net;
	grpc_call *call;
	struct op op;
	struct net_counts *counts;
	unsigned int refs; /* atomic */
	net_reply_cb cb;
	void *userdata;

	grpc_byte_buffer *request;
	grpc_byte_buffer *reply;
	grpc_metadata_array initial;
	grpc_metadata_array trailing;
	grpc_status_code status;
	grpc_slice message;
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

/* Without retries, not even those that the core takes for harmless: no request goes twice. */
int net_channel_new(struct net *net, const struct net_channel_options *options,
		    struct net_channel **ret_channel)
{
	struct net_channel *channel = calloc(1, sizeof(*channel));
	grpc_channel_credentials *credentials = credentials_of(options->pem);
	grpc_arg args[] = {
		NET_NO_COMPRESSION,
		{ .key = (char *)GRPC_ARG_ENABLE_RETRIES, .value.integer = 0 },
		{ .key = (char *)GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH,
		  .value.integer = (int)options->message_size },
		{ .key = (char *)GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS,
		  .value.integer = NET_BACKOFF_MIN_MSEC },
		{ .key = (char *)GRPC_ARG_MIN_RECONNECT_BACKOFF_MS,
		  .value.integer = NET_BACKOFF_MIN_MSEC },
		{ .key = (char *)GRPC_ARG_MAX_RECONNECT_BACKOFF_MS,
		  .value.integer = NET_BACKOFF_MAX_MSEC },
		{ .key = (char *)GRPC_ARG_KEEPALIVE_TIME_MS,
		  .value.integer = (int)options->keepalive_msec },
		{ .key = (char *)GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
		  .value.integer = NET_KEEPALIVE_MSEC },
		{ .key = (char *)GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, .value.integer = 0 },
	};
	const grpc_channel_args all = { .num_args = sizeof(args) / sizeof(*args), .args = args };

	int r;

	for (size_t i = 0; i < all.num_args; i++)
		args[i].type = GRPC_ARG_INTEGER;
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

/* For grpc_call_start_batch(), after which the core has references of its own. */
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

/* --- Requests ----------------------------------------------------------------------------- */

struct net_request *net_request_unref(struct net_request *request)
{
	if (!request || __atomic_sub_fetch(&request->refs, 1, __ATOMIC_ACQ_REL))
		return NULL;
	if (request->request)
		grpc_byte_buffer_destroy(request->request);
	if (request->reply)
		grpc_byte_buffer_destroy(request->reply);
	grpc_metadata_array_destroy(&request->initial);
	grpc_metadata_array_destroy(&request->trailing);
	grpc_slice_unref(request->message);
	if (request->call)
		grpc_call_unref(request->call);
	free(request);
	return NULL;
}

void net_request_cancel(struct net_request *request)
{
	grpc_call_cancel(request->call, NULL);
}

void net_cancel_requests(struct net *net)
{
	pthread_mutex_lock(&net->lock);
	for (struct net_request *request = net->requests; request; request = request->next)
		grpc_call_cancel(request->call, NULL);
	for (struct net_call *call = net->calls; call; call = call->next)
		grpc_call_cancel(call->call, NULL);
	pthread_mutex_unlock(&net->lock);
}

static void unlink_request(struct net_request *request)
{
	struct net *net = request->net;

	pthread_mutex_lock(&net->lock);
	for (struct net_request **at = &net->requests; *at; at = &(*at)->next)
		if (*at == request) {
			*at = request->next;
			break;
		}
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

static void request_done(struct op *op, bool ok)
{
	struct net_request *request = container_of(op, struct net_request, op);
	struct net_status status = { .code = (enum net_code)request->status };
	grpc_slice joined = grpc_empty_slice();
	struct net_message message;
	char *text = NULL;

	message.size = 0;
	unlink_request(request);
	if (!ok)
		status.code = NET_INTERNAL;
	if (status.code == NET_OK &&
	    (!request->reply || net_take_apart(request->reply, &message, &joined) < 0)) {
		status.code = NET_UNIMPLEMENTED;
		status.message = "the server sent no reply";
	} else if (status.code != NET_OK) {
		text = grpc_slice_to_c_string(request->message);
		status.message = text;
		find_details(&request->trailing, &status);
	}
	net_count_end(request->counts, status.code);
	request->cb(&status, status.code == NET_OK ? &message : NULL, request->userdata);
	gpr_free(text);
	grpc_slice_unref(joined);
	net_request_unref(request);
}

static int start(struct net_request *request, const struct net_head *head)
{
	grpc_op ops[] = {
		{ .op = GRPC_OP_SEND_INITIAL_METADATA },
		{ .op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = request->request },
		{ .op = GRPC_OP_SEND_CLOSE_FROM_CLIENT },
		{ .op = GRPC_OP_RECV_INITIAL_METADATA,
		  .data.recv_initial_metadata.recv_initial_metadata = &request->initial },
		{ .op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &request->reply },
		{ .op = GRPC_OP_RECV_STATUS_ON_CLIENT,
		  .data.recv_status_on_client = { .trailing_metadata = &request->trailing,
						  .status = &request->status,
						  .status_details = &request->message } },
	};
	struct net *net = request->net;
	int r = copy_metadata(head, &ops[0]);

	if (r < 0)
		return r;
	r = -ESHUTDOWN;
	/* After net_stop() the queue may take nothing more. */
	pthread_mutex_lock(&net->lock);
	if (!net->stopping) {
		request->next = net->requests;
		net->requests = request;
		request->refs++;
		r = 0;
		if (grpc_call_start_batch(request->call, ops, sizeof(ops) / sizeof(*ops),
					  &request->op, NULL) != GRPC_CALL_OK) {
			net->requests = request->next;
			request->refs--;
			r = -EPROTO;
		}
	}
	pthread_mutex_unlock(&net->lock);
	drop_metadata(&ops[0]);
	return r;
}

int net_request_new(struct net_channel *channel, const struct net_head *head, const void *data,
		    size_t size, net_reply_cb cb, void *userdata,
		    struct net_request **ret_request)
{
	struct net_request *request = calloc(1, sizeof(*request));
	grpc_slice bytes;
	int r;

	if (!request)
		return -ENOMEM;
	request->net = channel->net;
	request->refs = 1;
	request->cb = cb;
	request->userdata = userdata;
	request->op.done = request_done;
	request->message = grpc_empty_slice();
	grpc_metadata_array_init(&request->initial);
	grpc_metadata_array_init(&request->trailing);
	bytes = grpc_slice_from_copied_buffer(data ?: "", size);
	request->request = grpc_raw_byte_buffer_create(&bytes, 1);
	grpc_slice_unref(bytes);
	request->call = create_call(channel, head);
	*ret_request = request;
	request->counts = channel->counts;
	net_count_begin(request->counts);
	r = start(request, head);
	if (r < 0)
		net_count_end(request->counts, NET_CANCELLED);
	if (r < 0)
		*ret_request = net_request_unref(request);
	return r;
}

/* --- Calls with streams ------------------------------------------------------------------- */

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

static int start_call(struct net_call *call, const struct net_head *head)
{
	grpc_op open[] = {
		{ .op = GRPC_OP_SEND_INITIAL_METADATA },
		{ .op = GRPC_OP_RECV_INITIAL_METADATA,
		  .data.recv_initial_metadata.recv_initial_metadata = &call->initial },
	};
	const grpc_op close = {
		.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
		.data.recv_status_on_client = { .trailing_metadata = &call->metadata,
						.status = &call->status,
						.status_details = &call->message },
	};
	struct net *net = call->net;
	int r = copy_metadata(head, &open[0]);

	if (r < 0)
		return r;
	r = -ESHUTDOWN;
	pthread_mutex_lock(&net->lock);
	pthread_mutex_lock(&call->lock);
	if (!net->stopping)
		r = net_call_start_locked(call, &close, 1, &call->close);
	if (r == 0) {
		/* The last op gives up one reference, the caller the other. */
		net_call_ref(call);
		link_call_locked(net, call);
		call->opened = true;
		if (net_call_start_locked(call, open, 2, &call->open) < 0)
			grpc_call_cancel(call->call, NULL);
	}
	pthread_mutex_unlock(&call->lock);
	pthread_mutex_unlock(&net->lock);
	drop_metadata(&open[0]);
	return r;
}

int net_call_open(struct net_channel *channel, const struct net_head *head,
		  const struct net_call_ops *ops, void *userdata, struct net_call **ret_call)
{
	struct net_call *call = net_call_new(channel->net);
	int r;

	if (!call)
		return -ENOMEM;
	call->client = true;
	call->open.done = opened;
	net_call_begin(call, ops, userdata);
	call->call = create_call(channel, head);
	*ret_call = call;
	net_call_count(call, channel->counts);
	r = start_call(call, head);
	if (r < 0)
		net_count_end(call->counts, NET_CANCELLED);
	if (r < 0)
		*ret_call = net_call_unref(call);
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
