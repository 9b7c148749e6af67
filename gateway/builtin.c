// SPDX-License-Identifier: MIT
/*
 * Health, and the calls of reflection: see builtin.h. If a client watches health, it gets
 * UNIMPLEMENTED, and then assumes that the service is healthy.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "builtin.h"
#include "status.h"

/* Maximum bytes of a request. */
#define REQUEST_MAX 4096

#define CHECK	   "/grpc.health.v1.Health/Check"

/* Clients try v1 first. Its messages are the same. */
#define REFLECTION	 "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
#define REFLECTION_ALPHA "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"

/* grpc.health.v1.HealthCheckResponse.ServingStatus */
enum health { SERVING = 1, NOT_SERVING = 2 };

/* A call of these services. */
struct talk {
	struct exports *exports;
	struct net_call *call;
	bool reflects;
};

/* Returns the service of a HealthCheckRequest. If the request is malformed or memory is short,
 * returns NULL. */
static char *parse_service(const void *request, size_t size)
{
	struct wire wire = wire_of(request, size);
	struct wire_field field;
	char *service = strdup("");
	int r;

	while (service && (r = wire_next(&wire, &field)) != 0) {
		if (r > 0 && (field.number != 1 || field.type != WIRE_BYTES))
			continue;
		free(service);
		service = r < 0 ? NULL : wire_text(field.bytes);
	}
	return service;
}

/* Replies with the health of a service. An empty name stands for the gateway itself. */
static void check(const struct talk *talk, const char *service)
{
	enum export_state state =
		*service ? exports_has(talk->exports, talk->call, service) : EXPORT_SERVED;
	const uint8_t reply[] = { 1 << 3 | WIRE_VARINT,
				  state == EXPORT_SERVED ? SERVING : NOT_SERVING };

	if (state == EXPORT_NONE)
		status_say(talk->call, NET_NOT_FOUND, "no such service is exported here");
	else
		net_call_reply(talk->call, reply, sizeof(reply));
}

static void reflect(const struct talk *talk, const void *request, size_t size)
{
	struct wire_buffer reply = { 0 };

	reflection_reply(talk->exports, talk->call, request, size, &reply);
	if (reply.failed || net_call_send(talk->call, reply.data, reply.size) < 0)
		status_say(talk->call, NET_RESOURCE_EXHAUSTED, "the gateway has no memory");
	free(reply.data);
}

static void serve(const struct talk *talk, const void *request, size_t size)
{
	char *service;

	if (talk->reflects) {
		reflect(talk, request, size);
		return;
	}
	service = parse_service(request, size);
	if (service)
		check(talk, service);
	else
		status_refuse_message(talk->call);
	free(service);
}

static void received(void *userdata, const struct net_message *message)
{
	const struct talk *talk = userdata;
	char request[REQUEST_MAX], *end = request;

	if (!message && talk->reflects) {
		net_call_finish(talk->call, &(struct net_status){ .code = NET_OK });
	} else if (!message) {
		status_say(talk->call, NET_UNIMPLEMENTED, "this method accepts a single request");
	} else if (message->size > sizeof(request)) {
		status_say(talk->call, NET_INVALID_ARGUMENT, "the request has more than %d bytes",
			   REQUEST_MAX);
	} else {
		for (size_t i = 0; i < message->n_parts; i++)
			end = mempcpy(end, message->parts[i].iov_base, message->parts[i].iov_len);
		serve(talk, request, (size_t)(end - request));
	}
}

static void sent(void *userdata, bool ok)
{
	const struct talk *talk = userdata;

	if (ok)
		net_call_receive(talk->call);
}

static void ended(void *userdata)
{
	struct talk *talk = userdata;

	net_call_unref(talk->call);
	free(talk);
}

static const struct net_call_ops ops = {
	.received = received,
	.sent = sent,
	.ended = ended,
};

bool builtin_accept(struct exports *exports, struct net_counts *counts, struct net_call *call)
{
	const bool reflects = !strcmp(net_call_path(call), REFLECTION) ||
			      !strcmp(net_call_path(call), REFLECTION_ALPHA);
	struct talk *talk;

	if (!reflects && strcmp(net_call_path(call), CHECK))
		return false;
	talk = malloc(sizeof(*talk));
	if (!talk) {
		status_say(call, NET_RESOURCE_EXHAUSTED, "the gateway has no memory");
		return true;
	}
	*talk = (struct talk){ exports, net_call_ref(call), reflects };
	net_call_count(call, counts);
	net_call_begin(call, &ops, talk);
	net_call_receive(call);
	return true;
}
