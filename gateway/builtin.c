// SPDX-License-Identifier: MIT
/*
 * Health, and the calls of reflection: see builtin.h.
 *
 * A talk is one call. Those of Watch are in a list under the lock. Each of them sends when the
 * status that it has sent last is not the present one, one message at a time: a slow watcher
 * misses changes, and gets the latest.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "builtin.h"
#include "status.h"

/* Bytes of a request. */
#define REQUEST_MAX 4096

enum kind { CHECK, WATCH, REFLECTION, N_KINDS };

#define PATH_BEGIN "/grpc."

static const char *const paths[N_KINDS] = {
	[CHECK] = PATH_BEGIN "health.v1.Health/Check",
	[WATCH] = PATH_BEGIN "health.v1.Health/Watch",
	[REFLECTION] = PATH_BEGIN "reflection.v1alpha.ServerReflection/ServerReflectionInfo",
};

/* grpc.health.v1.HealthCheckResponse.ServingStatus */
enum health { UNSENT = 0, SERVING = 1, NOT_SERVING = 2, SERVICE_UNKNOWN = 3 };

struct talk {
	struct builtins *of;
	struct net_call *call;
	enum kind kind;
	struct talk *next; /* of Watch */
	char *service;	   /* of Watch, when the request has come */
	enum health sent;
	bool sending;
};

struct builtins {
	struct exports *exports;
	struct net_counts counts;
	pthread_mutex_t lock;
	struct talk *first;
};

/* --- Health ---------------------------------------------------------------------------- */

/* 0 bytes: the gateway itself. */
static enum health health_of(const struct talk *talk, const char *service)
{
	switch (*service ? exports_has(talk->of->exports, talk->call, service) : EXPORT_SERVED) {
	case EXPORT_SERVED:
		return SERVING;
	case EXPORT_WAITS:
		return NOT_SERVING;
	default:
		return SERVICE_UNKNOWN;
	}
}

static size_t put_health(uint8_t *to, enum health health)
{
	to[0] = 1 << 3 | WIRE_VARINT;
	to[1] = (uint8_t)health;
	return 2;
}

/* The service of a HealthCheckRequest. NULL: no memory, or malformed. */
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
		service = r < 0 ? NULL :
				  strndup((const char *)field.bytes.at,
					  (size_t)(field.bytes.end - field.bytes.at));
	}
	return service;
}

static void check(struct talk *talk, const char *service)
{
	enum health health = health_of(talk, service);
	uint8_t reply[2];

	if (health == SERVICE_UNKNOWN)
		status_say(talk->call, NET_NOT_FOUND, "no such service is exported here");
	else
		net_call_reply(talk->call, reply, put_health(reply, health));
}

static void watch_locked(struct talk *talk)
{
	enum health health;
	uint8_t reply[2];

	if (!talk->service || talk->sending)
		return;
	health = health_of(talk, talk->service);
	if (health == talk->sent)
		return;
	talk->sending = net_call_send(talk->call, reply, put_health(reply, health)) == 0;
	talk->sent = health;
}

void builtins_changed(struct builtins *builtins)
{
	pthread_mutex_lock(&builtins->lock);
	for (struct talk *talk = builtins->first; talk; talk = talk->next)
		watch_locked(talk);
	pthread_mutex_unlock(&builtins->lock);
}

void builtins_stop(struct builtins *builtins)
{
	pthread_mutex_lock(&builtins->lock);
	for (struct talk *talk = builtins->first; talk; talk = talk->next)
		status_say(talk->call, NET_UNAVAILABLE, "the gateway ends");
	pthread_mutex_unlock(&builtins->lock);
}

/* --- Calls ------------------------------------------------------------------------------ */

static void reflect(struct talk *talk, const void *request, size_t size)
{
	struct wire_buffer reply = { 0 };

	reflection_reply(talk->of->exports, talk->call, request, size, &reply);
	if (reply.failed || net_call_send(talk->call, reply.data, reply.size) < 0)
		status_say(talk->call, NET_RESOURCE_EXHAUSTED, "the gateway has no memory");
	free(reply.data);
}

static void serve(struct talk *talk, const void *request, size_t size)
{
	char *service;

	if (talk->kind == REFLECTION) {
		reflect(talk, request, size);
		return;
	}
	service = parse_service(request, size);
	if (!service) {
		status_say(talk->call, NET_INVALID_ARGUMENT, "the request is no message");
	} else if (talk->kind == CHECK) {
		check(talk, service);
		free(service);
	} else {
		pthread_mutex_lock(&talk->of->lock);
		talk->service = service;
		watch_locked(talk);
		pthread_mutex_unlock(&talk->of->lock);
	}
}

static void received(void *userdata, const struct net_message *message)
{
	struct talk *talk = userdata;
	char request[REQUEST_MAX];
	size_t size = 0;

	if (!message && talk->kind == REFLECTION) {
		net_call_finish(talk->call, &(struct net_status){ .code = NET_OK });
	} else if (!message) {
		status_say(talk->call, NET_UNIMPLEMENTED, "this method takes one request");
	} else if (message->size > sizeof(request)) {
		status_say(talk->call, NET_INVALID_ARGUMENT, "the request has more than %d bytes",
			   REQUEST_MAX);
	} else {
		for (size_t i = 0; i < message->n_parts; i++) {
			memcpy(request + size, message->parts[i].iov_base,
			       message->parts[i].iov_len);
			size += message->parts[i].iov_len;
		}
		serve(talk, request, size);
	}
}

static void sent(void *userdata, bool ok)
{
	struct talk *talk = userdata;

	if (talk->kind == REFLECTION && ok)
		net_call_receive(talk->call);
	pthread_mutex_lock(&talk->of->lock);
	talk->sending = false;
	if (talk->kind == WATCH && ok)
		watch_locked(talk);
	pthread_mutex_unlock(&talk->of->lock);
}

static void canceled(void *userdata)
{
	(void)userdata;
}

static void ended(void *userdata)
{
	struct talk *talk = userdata;
	struct builtins *builtins = talk->of;

	pthread_mutex_lock(&builtins->lock);
	for (struct talk **at = &builtins->first; *at; at = &(*at)->next)
		if (*at == talk) {
			*at = talk->next;
			break;
		}
	pthread_mutex_unlock(&builtins->lock);
	net_call_unref(talk->call);
	free(talk->service);
	free(talk);
}

static const struct net_call_ops ops = {
	.received = received,
	.sent = sent,
	.canceled = canceled,
	.ended = ended,
};

int builtins_start(struct builtins *builtins, struct net_call *call)
{
	const char *path = net_call_path(call);
	struct talk *talk;
	int kind = 0;

	if (strncmp(path, PATH_BEGIN, strlen(PATH_BEGIN)))
		return 0;
	while (kind < N_KINDS && strcmp(path, paths[kind]))
		kind++;
	if (kind == N_KINDS)
		return 0;
	talk = calloc(1, sizeof(*talk));
	if (!talk)
		return -ENOMEM;
	talk->of = builtins;
	talk->call = net_call_ref(call);
	talk->kind = (enum kind)kind;
	if (kind == WATCH) {
		pthread_mutex_lock(&builtins->lock);
		talk->next = builtins->first;
		builtins->first = talk;
		pthread_mutex_unlock(&builtins->lock);
	}
	net_call_count(call, &builtins->counts);
	net_call_begin(call, &ops, talk);
	net_call_receive(call);
	return 1;
}

const struct net_counts *builtins_counts(const struct builtins *builtins)
{
	return &builtins->counts;
}

int builtins_new(struct builtins **ret_builtins, struct exports *exports)
{
	struct builtins *builtins = calloc(1, sizeof(*builtins));

	if (!builtins)
		return -ENOMEM;
	builtins->exports = exports;
	pthread_mutex_init(&builtins->lock, NULL);
	*ret_builtins = builtins;
	return 0;
}

struct builtins *builtins_free(struct builtins *builtins)
{
	if (builtins) {
		pthread_mutex_destroy(&builtins->lock);
		free(builtins);
	}
	return NULL;
}
