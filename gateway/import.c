// SPDX-License-Identifier: MIT
/*
 * Imports: see import.h.
 *
 * A passage is one call on both sides. The callback of the network and that of the cancellation
 * may come at any time after the request was started; both own a reference. The slot of the
 * cancellation is ended by whoever replies.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ipc/raw.h>

#include "file.h"
#include "import.h"
#include "log.h"
#include "schema.h"
#include "status.h"
#include "wire.h"

struct import {
	struct import *next;
	struct imports *of;
	struct net_channel *channel;
	struct schema *schema;
	struct ipc_raw_ops ops;
	struct ipc_object *object;
};

struct imports {
	struct ipc *ipc;
	struct net *net;
	struct import_options options;
	char *set;
	size_t set_size;
	struct import *first;
};

struct passage {
	struct ipc_call *call;
	unsigned int refs; /* atomic */
	pthread_mutex_t lock;
	struct net_request *request; /* NULL: not started yet, or over */
	struct ipc_slot *slot;
	bool canceled;
	bool over;
};

/* --- Passages -------------------------------------------------------------------------- */

static void passage_put(struct passage *passage)
{
	if (__atomic_sub_fetch(&passage->refs, 1, __ATOMIC_ACQ_REL))
		return;
	ipc_call_unref(passage->call);
	pthread_mutex_destroy(&passage->lock);
	free(passage);
}

static void passage_release(void *userdata)
{
	passage_put(userdata);
}

/* An ipc.Error: that in the details, else one of name and message. */
static void put_error(struct wire_buffer *to, const struct net_status *status)
{
	const char *message = status->message ?: "";
	size_t begin;

	if (status_find_error(status, to))
		return;
	begin = to->size;
	wire_put(to, "grpc.", 5);
	wire_put(to, status_name(status->code), strlen(status_name(status->code)));
	wire_wrap(to, begin, 1);
	begin = to->size;
	wire_put(to, message, strlen(message));
	wire_wrap(to, begin, 2);
}

static void fail(struct ipc_call *call, const struct net_status *status)
{
	struct wire_buffer error = { 0 };

	put_error(&error, status);
	if (error.failed)
		error.size = 0;
	ipc_raw_error(call, status_to_errno(status->code), error.data, error.size);
	free(error.data);
}

static void succeed(struct ipc_call *call, const struct net_message *message)
{
	const struct ipc_raw_message reply = { .parts = message->parts,
					       .n_parts = message->n_parts };
	int r = ipc_raw_reply(call, &reply);

	if (r < 0)
		ipc_call_errno(call, r, "the reply does not fit");
}

static void replied(const struct net_status *status, const struct net_message *reply,
		    void *userdata)
{
	struct passage *passage = userdata;
	struct net_request *request;
	struct ipc_slot *slot;

	pthread_mutex_lock(&passage->lock);
	passage->over = true;
	request = passage->request;
	slot = passage->slot;
	passage->request = NULL;
	passage->slot = NULL;
	pthread_mutex_unlock(&passage->lock);
	if (reply)
		succeed(passage->call, reply);
	else
		fail(passage->call, status);
	ipc_slot_end_async(slot);
	net_request_unref(request);
	passage_put(passage);
}

static void canceled(struct ipc_call *call, void *userdata)
{
	struct passage *passage = userdata;

	(void)call;
	pthread_mutex_lock(&passage->lock);
	passage->canceled = true;
	if (passage->request)
		net_request_cancel(passage->request);
	pthread_mutex_unlock(&passage->lock);
}

/* The slot is registered before the request starts, so that neither end is missed. */
static int passage_start(struct import *import, struct ipc_call *call, const char *path,
			 const void *data, size_t size)
{
	struct passage *passage = calloc(1, sizeof(*passage));
	int r;

	if (!passage)
		return -ENOMEM;
	passage->call = ipc_call_ref(call);
	passage->refs = 2; /* the network's, and this function's */
	pthread_mutex_init(&passage->lock, NULL);
	pthread_mutex_lock(&passage->lock);
	r = ipc_call_on_cancel(call, canceled, passage, &passage->slot);
	if (r == 0) {
		passage->refs++;
		ipc_slot_set_destroy(passage->slot, passage_release);
		r = net_request_new(import->channel, path, ipc_call_remaining(call), data, size,
				    replied, passage, &passage->request);
		if (r < 0) {
			ipc_slot_end_async(passage->slot);
			passage->slot = NULL;
		}
	}
	pthread_mutex_unlock(&passage->lock);
	/* The network does not know it. */
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
	size_t begin;
	int r;

	wire_put(&description, interface, strlen(interface));
	wire_wrap(&description, 0, 1);
	begin = description.size;
	wire_put(&description, import->of->set, import->of->set_size);
	wire_wrap(&description, begin, 3);
	r = description.failed ? -ENOMEM :
				 ipc_raw_reply(call, &(struct ipc_raw_message){
							     .data = description.data,
							     .size = description.size });
	free(description.data);
	return r;
}

static int serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	const struct schema_method *method;
	struct import *import = userdata;
	const void *message;
	size_t size;
	char *path;
	int r;

	if (request->code == IPC_CODE_DESCRIBE)
		return describe(import, call);
	method = schema_find_code(import->schema, request->code);
	if (!method || method->oneway)
		return -EOPNOTSUPP;
	if (method->streams_in || method->streams_out)
		return -EPROTO;
	r = ipc_payload_message(request->data, request->size, &message, &size);
	if (r < 0)
		return r;
	if (asprintf(&path, "/%s/%s", schema_interface(import->schema), method->name) < 0)
		return -ENOMEM;
	r = passage_start(import, call, path, message, size);
	free(path);
	return r;
}

/* --- Setting up --------------------------------------------------------------------------- */

static struct import *import_free(struct import *import)
{
	ipc_object_unref(import->object);
	net_channel_free(import->channel);
	schema_free(import->schema);
	free(import);
	return NULL;
}

static int import_open(struct import *import, const char *name, const char *target,
		       const char *service)
{
	const struct import_options *options = &import->of->options;
	bool tls = !strncmp(target, "tls:", 4);
	int r;

	r = schema_new(import->of->set, import->of->set_size, service, &import->schema);
	if (r < 0) {
		log_line("cannot import %s: %s", name,
			 r == -ENOENT ? "the descriptor set has no such service" :
					"the descriptor set is not usable");
		return r;
	}
	import->ops.interface = schema_interface(import->schema);
	import->ops.serve = serve;
	r = net_channel_new(import->of->net, tls ? target + 4 : target, tls ? options->pem : NULL,
			    options->message_size, 0, &import->channel);
	if (r == 0)
		r = ipc_raw_object_new(import->of->ipc, &import->ops, import, &import->object);
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
	r = file_read(options->descriptor_set, &imports->set, &imports->set_size);
	if (r < 0) {
		log_line("cannot read %s: %s", options->descriptor_set, strerror(-r));
		free(imports);
		return r;
	}
	*ret_imports = imports;
	return 0;
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
