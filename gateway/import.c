// SPDX-License-Identifier: MIT
/*
 * Imports: see import.h.
 *
 * A passage is one call on both sides. The callbacks of the network and that of the cancellation
 * can run at any time after the request was started, and own a reference each. The function that
 * replies ends the slot of the cancellation.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ipc/raw.h>

#include "config.h"
#include "import-stream.h"
#include "import.h"
#include "log.h"
#include "metadata.h"
#include "relay.h"
#include "schema/schema.h"
#include "status.h"
#include "export-target.h"
#include "schema/wire.h"

/* Timeout of a oneway. Later oneways of the same object wait behind it. */
#define ONEWAY_USEC 30000000

struct import {
	struct import *next;
	struct imports *of;
	char *name;
	struct net_counts counts;
	struct net_channel *channel;
	struct schema *schema;
	struct ipc_raw_ops ops;
	struct ipc_object *object;
	bool dropping; /* the last oneway failed; only for the network's thread */
};

struct imports {
	struct ipc *ipc;
	struct net *net;
	struct import_options options;
	char *set;
	size_t set_size;
	struct import *first; /* does not change while metrics are printed */
};

/*
 * One call on both sides. A oneway has no user. The bus delivers the next oneway when the call of
 * this one is released, so oneways arrive in order, and wait in the sender's queue.
 */
struct passage {
	struct import *import;
	struct peer *user;
	struct ipc_call *call;
	bool oneway;
	bool over; /* the call has its reply; used by the network's thread */
	unsigned int refs; /* atomic */
	pthread_mutex_t lock;
	struct net_call *request; /* NULL: not started */
	struct ipc_slot *slot;
};

/* --- Counting open calls ------------------------------------------------------------------- */

/* Begins a call or stream of a user. On failure sets text to the reason. */
static int begin(const struct imports *imports, uid_t uid, struct peer **ret_user, char *text)
{
	struct peers *users = imports->options.users;
	int r = peers_begin(users, peers_user_key(uid), ret_user);

	if (r < 0)
		peers_explain(users, r, text);
	return r == -EUSERS ? -EDQUOT : r;
}

static void end(void *userdata)
{
	peers_end(userdata);
}

/* --- Passages -------------------------------------------------------------------------- */

static void passage_put(void *userdata)
{
	struct passage *passage = userdata;

	if (__atomic_sub_fetch(&passage->refs, 1, __ATOMIC_ACQ_REL))
		return;
	net_call_unref(passage->request);
	ipc_call_unref(passage->call);
	pthread_mutex_destroy(&passage->lock);
	free(passage);
}

/* Ends the passage for its client and its limits. Must be called before the reply: the client can
 * call again at once. */
static void leave(struct passage *passage)
{
	struct ipc_slot *slot;

	pthread_mutex_lock(&passage->lock);
	slot = passage->slot;
	passage->slot = NULL;
	pthread_mutex_unlock(&passage->lock);
	peers_end(passage->user);
	passage->over = true;
	ipc_slot_end_async(slot);
}

static void received(void *userdata, const struct net_message *message)
{
	const struct ipc_raw_message reply = { .parts = message->parts,
					       .n_parts = message->n_parts };
	struct passage *passage = userdata;
	int r;

	if (passage->oneway)
		return;
	leave(passage);
	if (!relay_is_message(message))
		r = ipc_call_fail(passage->call, -EBADMSG, NULL, "the server's reply is not a valid message");
	else
		r = ipc_raw_reply(passage->call, &reply);
	if (r < 0)
		ipc_call_fail(passage->call, r, NULL, "the reply does not fit");
}

static void fail(struct ipc_call *call, const struct net_status *status)
{
	struct ipc_error error = IPC_ERROR_INIT;
	int r = status_to_error(status, &error);

	if (r == 0)
		ipc_call_fail_with(call, &error);
	else
		ipc_call_fail(call, r, NULL, NULL);
	ipc_error_done(&error);
}

static void log_oneway(struct import *import, const struct net_status *status)
{
	if (status->code != NET_OK && !import->dropping)
		log_line("dropping oneways to %s: %s: %s", import->name, status_name(status->code),
			 status->message ?: "");
	import->dropping = status->code != NET_OK;
}

/* Replies with the status of the server, unless the client has a reply. */
static void status_arrived(void *userdata)
{
	struct passage *passage = userdata;
	struct net_status status;

	/* passage_start() may not have set the request yet. */
	pthread_mutex_lock(&passage->lock);
	net_call_status(passage->request, &status);
	pthread_mutex_unlock(&passage->lock);
	if (passage->oneway) {
		log_oneway(passage->import, &status);
	} else if (!passage->over) {
		if (status.code == NET_OK)
			status = (struct net_status){ .code = NET_UNIMPLEMENTED,
						      .message = "the server sent no reply" };
		leave(passage);
		fail(passage->call, &status);
	}
}

static const struct net_call_ops ops = {
	.received = received,
	.canceled = status_arrived,
	.ended = passage_put,
};

static void canceled(struct ipc_call *call, void *userdata)
{
	struct passage *passage = userdata;

	(void)call;
	pthread_mutex_lock(&passage->lock);
	if (passage->request)
		net_call_cancel(passage->request);
	pthread_mutex_unlock(&passage->lock);
}

/* Starts the request. Registers the slot before that, so that no cancellation is missed. user: NULL
 * for a oneway, which cannot be canceled. */
static int passage_start(struct import *import, struct ipc_call *call, struct peer *user,
			 const struct net_head *head, const struct iovec *data)
{
	struct passage *passage = calloc(1, sizeof(*passage));
	int r = 0;

	if (!passage)
		return -ENOMEM;
	passage->import = import;
	passage->user = user;
	passage->oneway = !user;
	passage->call = ipc_call_ref(call);
	passage->refs = 2; /* the network's, and this function's */
	pthread_mutex_init(&passage->lock, NULL);
	pthread_mutex_lock(&passage->lock);
	if (user)
		r = ipc_call_on_cancel(call, canceled, passage, &passage->slot);
	if (passage->slot) {
		passage->refs++;
		ipc_slot_set_destroy(passage->slot, passage_put);
	}
	if (r == 0)
		r = net_call_open(import->channel, head, data, &ops, passage, &passage->request);
	if (r < 0)
		passage->slot = ipc_slot_end_async(passage->slot);
	pthread_mutex_unlock(&passage->lock);
	/* The network has no reference then. */
	if (r < 0)
		__atomic_sub_fetch(&passage->refs, 1, __ATOMIC_RELAXED);
	passage_put(passage);
	return r;
}

/* --- Serving ------------------------------------------------------------------------------ */

static int describe(struct import *import, struct ipc_call *call)
{
	const char *interface = schema_interface(import->schema);
	struct wire_buffer description = { 0 };
	int r;

	wire_put_field(&description, 1, interface, strlen(interface));
	wire_put_field(&description, 2, import->of->set, import->of->set_size);
	r = description.failed ?
		    -ENOMEM :
		    ipc_raw_reply(call, &(struct ipc_raw_message){ .data = description.data,
							     .size = description.size });
	free(description.data);
	return r;
}

/* The head of a call on the network, made of a call or stream on the bus. */
struct outgoing {
	struct net_head head;
	char *path;
	struct net_metadata *metadata;
	char text[200]; /* the reason of a failure */
};

static void outgoing_done(struct outgoing *outgoing)
{
	free(outgoing->metadata);
	free(outgoing->path);
}

/* Fills in the path and the metadata of a request to the server, which comes from call or stream;
 * the other is NULL. The caller must call outgoing_done(), also after a failure. */
static int outgoing_init(struct outgoing *outgoing, const struct import *import,
			 const struct schema_method *method, const struct ipc_call *call,
			 const struct ipc_stream *stream)
{
	const char *bad = NULL;
	int r = -ENOMEM;

	*outgoing = (struct outgoing){ 0 };
	if (asprintf(&outgoing->path, "/%s/%s", schema_interface(import->schema), method->name) < 0)
		outgoing->path = NULL;
	else
		r = metadata_to_head(call, stream, &outgoing->head, &outgoing->metadata, &bad);
	outgoing->head.path = outgoing->path;
	if (r == -EINVAL)
		snprintf(outgoing->text, sizeof(outgoing->text),
			 "gRPC cannot carry the metadata '%s'", bad);
	else if (r == -EMSGSIZE)
		snprintf(outgoing->text, sizeof(outgoing->text),
			 "there are more than %zu bytes of metadata", METADATA_MAX);
	else if (r < 0)
		snprintf(outgoing->text, sizeof(outgoing->text), "%s", ipc_strerror(r));
	return r;
}

static int serve_call(struct import *import, const struct schema_method *method,
		      struct ipc_call *call, const struct iovec *message)
{
	struct outgoing outgoing;
	struct peer *user;
	int r = outgoing_init(&outgoing, import, method, call, NULL);

	if (r == 0)
		r = begin(import->of, ipc_call_uid(call), &user, outgoing.text);
	if (r < 0) {
		r = ipc_call_fail(call, r, NULL, "%s", outgoing.text);
	} else {
		outgoing.head.remaining = ipc_call_remaining(call);
		r = passage_start(import, call, user, &outgoing.head, message);
		if (r < 0)
			peers_end(user);
	}
	outgoing_done(&outgoing);
	return r;
}

static int serve_oneway(struct import *import, const struct schema_method *method,
			struct ipc_call *call, const struct iovec *message)
{
	struct outgoing outgoing;
	int r = outgoing_init(&outgoing, import, method, call, NULL);

	outgoing.head.remaining = ONEWAY_USEC;
	if (r == 0)
		r = passage_start(import, call, NULL, &outgoing.head, message);
	if (r < 0)
		log_line("discarded a oneway to %s: %s", import->name,
			 *outgoing.text ? outgoing.text : ipc_strerror(r));
	outgoing_done(&outgoing);
	return r;
}

static int serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	const struct schema_method *method;
	struct import *import = userdata;
	const void *message;
	size_t size;
	int r;

	if (request->method == IPC_NUMBER_DESCRIBE)
		return describe(import, call);
	method = schema_find_number(import->schema, request->method);
	if (!method)
		return -EOPNOTSUPP;
	if (method->streams_in || method->streams_out ||
	    method->oneway != (bool)ipc_call_is_oneway(call))
		return -EPROTO;
	if (request->n_entries)
		return ipc_call_fail(call, -EPERM, NULL,
				     "objects and files cannot leave the machine");
	r = ipc_payload_message(request->data, request->size, &message, &size);
	if (r < 0)
		return r;
	return (method->oneway ? serve_oneway : serve_call)(
		import, method, call, &(struct iovec){ (void *)message, size });
}

static int serve_stream(struct ipc_stream *stream, uint32_t number, void *userdata)
{
	struct import *import = userdata;
	const struct schema_method *method = schema_find_number(import->schema, number);
	struct outgoing outgoing;
	struct peer *user;
	int r;

	if (!method || (!method->streams_in && !method->streams_out))
		return -EOPNOTSUPP;
	r = outgoing_init(&outgoing, import, method, NULL, stream);
	if (r == 0)
		r = begin(import->of, ipc_stream_uid(stream), &user, outgoing.text);
	if (r < 0)
		r = ipc_stream_fail(stream, r, NULL, "%s", outgoing.text);
	else
		r = import_stream_start(stream, import->channel, &outgoing.head, method, end, user);
	outgoing_done(&outgoing);
	return r;
}

/* --- Setting up --------------------------------------------------------------------------- */

static struct import *import_free(struct import *import)
{
	ipc_object_unref(import->object);
	net_channel_free(import->channel);
	schema_free(import->schema);
	free(import->name);
	free(import);
	return NULL;
}

/* Reads the service's interface. The reason of a failure is logged. */
static int import_read(struct import *import, const char *name, const char *service)
{
	char *text = NULL;
	size_t length;
	FILE *why = open_memstream(&text, &length);
	int r;

	if (!why)
		return -ENOMEM;
	r = schema_new(import->of->set, import->of->set_size, service, &import->schema);
	if (r < 0)
		fputs(r == -ENOENT ? "the descriptor set has no such service" :
				     "the descriptor set is not usable",
		      why);
	else
		r = target_check(import->schema, why);
	if (fclose(why))
		r = -ENOMEM;
	if (r < 0)
		log_line("cannot import %s: %s", name, r == -ENOMEM ? ipc_strerror(r) : text);
	free(text);
	return r;
}

static int import_open(struct import *import, const char *name, const char *target,
		       const char *service)
{
	const struct import_options *options = &import->of->options;
	const struct ipc_object_limits limits = { .size = sizeof(limits),
						  .message_size = options->message_size,
						  .streams = options->max_calls,
						  .calls = options->max_calls };
	bool tls = !strncmp(target, "tls:", 4);
	int r;

	for (const struct import *other = import->of->first; other; other = other->next)
		if (!strcmp(other->name, name)) {
			log_line("cannot import %s: it is imported already", name);
			return -EEXIST;
		}
	r = import_read(import, name, service);
	if (r < 0)
		return r;
	import->name = strdup(name);
	if (!import->name)
		return -ENOMEM;
	import->ops.interface = schema_interface(import->schema);
	import->ops.serve = serve;
	import->ops.stream = serve_stream;
	r = net_channel_new(
		import->of->net,
		&(struct net_channel_options){ .target = tls ? target + 4 : target,
					       .pem = tls ? options->pem : NULL,
					       .message_size = options->message_size,
					       .counts = &import->counts,
					       .keepalive_msec = options->keepalive_msec },
		&import->channel);
	if (r == 0)
		r = ipc_raw_object_new(import->of->ipc, &import->ops, import, &import->object);
	if (r == 0)
		r = ipc_object_set_limits(import->object, &limits);
	if (r == 0)
		r = ipc_register_name(import->of->ipc, name, import->object, NULL);
	if (r < 0)
		log_line("cannot import %s: %s", name, ipc_strerror(r));
	else
		log_line("importing %s as %s from %s", service, name, target);
	return r;
}

int imports_add(struct imports *imports, const char *what)
{
	struct import *import = calloc(1, sizeof(*import));
	char *name = strdup(what), *target = NULL, *service = NULL;
	int r = -ENOMEM;

	if (import && name) {
		import->of = imports;
		target = strchr(name, '=');
		service = target ? strrchr(target, '/') : NULL;
		r = service ? 0 : -EINVAL;
	}
	if (r == 0) {
		*target++ = 0;
		*service++ = 0;
		r = import_open(import, name, target, service);
	} else if (r == -EINVAL) {
		log_line("cannot import %s: it is not NAME=TARGET/package.Service", what);
	}
	free(name);
	if (r < 0 && import)
		import_free(import);
	if (r < 0)
		return r;
	import->next = imports->first;
	imports->first = import;
	return 0;
}

static int keep_set(void *userdata, const char *path, const char *text, size_t size)
{
	struct imports *imports = userdata;

	(void)path;
	imports->set = malloc(size + 1);
	if (!imports->set)
		return -ENOMEM;
	memcpy(imports->set, text, size);
	imports->set_size = size;
	return 0;
}

int imports_new(struct imports **ret_imports, struct ipc *ipc, struct net *net,
		const struct import_options *options)
{
	struct imports *imports = calloc(1, sizeof(*imports));
	int r;

	if (!imports)
		return -ENOMEM;
	imports->ipc = ipc;
	imports->net = net;
	imports->options = *options;
	r = config_load_file(options->descriptor_set, keep_set, imports);
	if (r < 0) {
		free(imports);
		return r;
	}
	*ret_imports = imports;
	return 0;
}

void imports_metrics(const struct imports *imports, FILE *file, metrics_printer *print)
{
	for (const struct import *import = imports->first; import; import = import->next)
		print(file, "import", import->name, &import->counts);
}

struct imports *imports_free(struct imports *imports)
{
	struct import *next;

	if (!imports)
		return NULL;
	for (struct import *import = imports->first; import; import = next) {
		next = import->next;
		import_free(import);
	}
	free(imports->set);
	free(imports);
	return NULL;
}
