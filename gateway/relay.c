// SPDX-License-Identifier: MIT
/*
 * Relays of calls with one request and one reply: see relay.h.
 *
 * A relay has two owners: the engine and the slot of the async call. It is freed when both have
 * released it. Either the callback with the reply or a cancellation of the client takes the slot
 * out of the relay, under its lock. Only the function that took the slot may end it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metadata.h"
#include "relay.h"
#include "status.h"

struct relay {
	struct net_call *call;
	struct target *target;
	const struct schema_method *method;
	unsigned int refs;     /* atomic */
	pthread_mutex_t lock;  /* of the slot */
	struct ipc_slot *slot; /* of the pending call */
};

static void relay_unref(void *userdata)
{
	struct relay *relay = userdata;

	if (__atomic_sub_fetch(&relay->refs, 1, __ATOMIC_ACQ_REL))
		return;
	target_unref(relay->target);
	net_call_unref(relay->call);
	pthread_mutex_destroy(&relay->lock);
	free(relay);
}

static struct ipc_slot *take_slot(struct relay *relay)
{
	struct ipc_slot *slot;

	pthread_mutex_lock(&relay->lock);
	slot = relay->slot;
	relay->slot = NULL;
	pthread_mutex_unlock(&relay->lock);
	return slot;
}

static void fail(struct relay *relay, int r, const struct ipc_error *error)
{
	status_finish(relay->call, r, error, schema_interface(relay->target->schema));
}

static void replied(int result, struct ipc_raw_message *reply, const struct ipc_error *error,
		    void *userdata)
{
	struct relay *relay = userdata;
	const void *message = NULL;
	size_t size = 0;
	int r = result;

	ipc_slot_detach(take_slot(relay));
	if (r == 0)
		r = ipc_payload_message(reply->data, reply->size, &message, &size);
	if (r < 0)
		fail(relay, r, result < 0 ? error : NULL);
	else
		net_call_reply(relay->call, message, size);
}

/* Calls the service, under the lock, so that the callback finds the slot. */
static int call(struct relay *relay, const struct ipc_raw_message *request,
		const struct ipc_options *options)
{
	int r;

	pthread_mutex_lock(&relay->lock);
	r = ipc_raw_call_async(relay->target->proxy, request, options, replied, relay,
			       &relay->slot);
	if (r == 0) {
		__atomic_add_fetch(&relay->refs, 1, __ATOMIC_RELAXED);
		ipc_slot_set_destroy(relay->slot, relay_unref);
	}
	pthread_mutex_unlock(&relay->lock);
	return r;
}

static void send_request(struct relay *relay, const struct net_message *message)
{
	struct ipc_options options = { .timeout_usec = net_call_remaining(relay->call) };
	struct ipc_raw_message request = {
		.method = relay->method->number,
		/* A large reply is a file. A oneway has no reply. */
		.flags = relay->method->oneway ? 0 : IPC_RAW_ACCEPT_FDS,
		.parts = message->parts,
		.n_parts = message->n_parts,
	};
	const char **metadata;
	int r;

	if (!options.timeout_usec) {
		fail(relay, -ETIMEDOUT, NULL);
		return;
	}
	r = metadata_of(relay->call, &metadata);
	options.metadata = metadata;
	if (r == 0 && relay->method->oneway) {
		options.timeout_usec = 0;
		r = ipc_raw_oneway(relay->target->proxy, &request, &options);
		if (r == 0)
			net_call_reply(relay->call, NULL, 0);
	} else if (r == 0) {
		r = call(relay, &request, &options);
	}
	if (r < 0)
		fail(relay, r, NULL);
	free(metadata);
}

static void received(void *userdata, const struct net_message *message)
{
	struct relay *relay = userdata;

	if (!message)
		status_say(relay->call, NET_UNIMPLEMENTED, "this method accepts a single request");
	else if (!relay_is_message(message))
		status_refuse_message(relay->call);
	else
		send_request(relay, message);
}

static void canceled(void *userdata)
{
	ipc_slot_end_async(take_slot(userdata));
}

static const struct net_call_ops unary = {
	.received = received,
	.canceled = canceled,
	.ended = relay_unref,
};

int relay_start(struct net_call *call, struct target *target, const struct schema_method *method)
{
	struct relay *relay;

	if (method->streams_in || method->streams_out)
		return stream_start(call, target, method);
	/* malloc() for the same reason as in net_call_new(). */
	relay = malloc(sizeof(*relay));
	if (!relay)
		return -ENOMEM;
	*relay = (struct relay){
		.call = net_call_ref(call),
		.target = target_ref(target),
		.method = method,
		.refs = 1,
	};
	pthread_mutex_init(&relay->lock, NULL);
	net_call_begin(call, &unary, relay);
	net_call_receive(call);
	return 0;
}
