// SPDX-License-Identifier: MIT
/*
 * The service that gRPC clients call in the tests: interop.proto. Registers "test.interop", or with
 * an argument "files" or "objects" a service of which a method or none can be called, or with "bare"
 * an object without a description.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ipc/raw.h>

#include "streams.h"

#define KEPT_MAX 2000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct ipc_call *kept[KEPT_MAX];
static uint32_t n_kept, canceled, numbered;
static uint64_t left_msec;
static char noted[256];

static const Interop__EmptyMessage nothing = INTEROP__EMPTY_MESSAGE__INIT;

static int empty(struct ipc_call *call, const Interop__EmptyMessage *request, void *userdata)
{
	(void)request;
	(void)userdata;
	return test_reply_empty(call, &nothing);
}

static int unary(struct ipc_call *call, const Interop__Request *request, void *userdata)
{
	Interop__Reply reply = INTEROP__REPLY__INIT;
	int r;

	(void)userdata;
	if (request->sleep_msec)
		usleep(request->sleep_msec * 1000);
	if (request->code || *request->name) {
		struct ipc_error error = IPC_ERROR_INIT;

		error.code = request->code;
		error.number = request->number;
		error.name = *request->name ? request->name : NULL;
		error.text = *request->message ? request->message : NULL;
		error.details = request->details.data;
		error.details_size = request->details.len;
		if (error.name)
			return ipc_call_fail_with(call, &error);
		return ipc_call_fail(call, request->code, NULL, "%s", request->message);
	}
	reply.request_size = request->body.len;
	reply.body.len = request->size;
	reply.body.data = calloc(1, request->size + 1);
	if (!reply.body.data)
		return -ENOMEM;
	r = test_reply_unary(call, &reply);
	free(reply.body.data);
	return r;
}

static void forget(struct ipc_call *call, void *userdata)
{
	(void)userdata;
	pthread_mutex_lock(&lock);
	canceled++;
	for (uint32_t i = 0; i < n_kept; i++)
		if (kept[i] == call) {
			kept[i] = kept[--n_kept];
			ipc_call_unref(call);
			break;
		}
	pthread_mutex_unlock(&lock);
}

static int keep(struct ipc_call *call, const Interop__EmptyMessage *request, void *userdata)
{
	uint64_t left = ipc_call_remaining(call);
	int r = -EDQUOT;

	(void)request;
	(void)userdata;
	pthread_mutex_lock(&lock);
	left_msec = left == IPC_NEVER ? 0 : left / 1000;
	if (n_kept < KEPT_MAX) {
		kept[n_kept++] = ipc_call_ref(call);
		r = 0;
	}
	pthread_mutex_unlock(&lock);
	if (r == 0 && ipc_call_on_cancel(call, forget, NULL, NULL) == -ECANCELED)
		forget(call, NULL);
	return r;
}

static int release(struct ipc_call *call, const Interop__EmptyMessage *request, void *userdata)
{
	(void)request;
	(void)userdata;
	pthread_mutex_lock(&lock);
	while (n_kept) {
		test_reply_keep(kept[--n_kept], &nothing);
		ipc_call_unref(kept[n_kept]);
	}
	pthread_mutex_unlock(&lock);
	return test_reply_release(call, &nothing);
}

static int look(struct ipc_call *call, const Interop__EmptyMessage *request, void *userdata)
{
	Interop__LookReply reply = INTEROP__LOOK_REPLY__INIT;
	int r;

	(void)request;
	(void)userdata;
	pthread_mutex_lock(&lock);
	reply.canceled = canceled;
	reply.kept = n_kept;
	reply.noted = noted;
	reply.left = left_msec;
	reply.numbered = numbered;
	streams_look(&reply);
	r = test_reply_look(call, &reply);
	pthread_mutex_unlock(&lock);
	return r;
}

static int metadata(struct ipc_call *call, const Interop__Text *request, void *userdata)
{
	Interop__Text reply = INTEROP__TEXT__INIT;
	const char *value = ipc_call_metadata(call, request->text);

	(void)userdata;
	if (!value)
		return ipc_call_fail(call, -ENOENT, NULL, "no metadata of this name");
	reply.text = (char *)value;
	return test_reply_metadata(call, &reply);
}

static int note(struct ipc_call *call, const Interop__Text *request, void *userdata)
{
	(void)call;
	(void)userdata;
	pthread_mutex_lock(&lock);
	snprintf(noted, sizeof(noted), "%s", request->text);
	pthread_mutex_unlock(&lock);
	return 0;
}

static int number(struct ipc_call *call, const Interop__EmptyMessage *request, void *userdata)
{
	(void)request;
	(void)userdata;
	numbered++;
	return test_reply_numbered(call, &nothing);
}

static int mark(struct ipc_call *call, const Interop__Marked *request, void *userdata)
{
	static uint32_t times[1 << 16];
	Interop__Marked reply = INTEROP__MARKED__INIT;

	(void)userdata;
	if (request->number >= sizeof(times) / sizeof(*times))
		return ipc_call_fail(call, EINVAL, NULL, "no such number");
	pthread_mutex_lock(&lock);
	if (!request->look)
		times[request->number]++;
	reply.number = request->number;
	reply.times = times[request->number];
	pthread_mutex_unlock(&lock);
	if (request->sleep_msec)
		usleep(request->sleep_msec * 1000);
	return test_reply_mark(call, &reply);
}

static const struct test_ops ops = {
	.empty = empty,
	.unary = unary,
	.keep = keep,
	.release = release,
	.look = look,
	.metadata = metadata,
	.note = note,
	.numbered = number,
	.mark = mark,
	.input = streams_input,
	.output = streams_output,
	.duplex = streams_duplex,
	.deaf = streams_deaf,
	.broken = streams_broken,
};

static int count(struct ipc_call *call, const Interop__Text *request, void *userdata)
{
	Interop__LookReply reply = INTEROP__LOOK_REPLY__INIT;

	(void)userdata;
	reply.kept = (uint32_t)strlen(request->text);
	return files_reply_count(call, &reply);
}

static const struct files_ops files = { .count = count };
static const struct objects_ops no_objects;

static int refuse(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	(void)request;
	(void)userdata;
	return ipc_call_fail(call, EOPNOTSUPP, NULL, NULL);
}

static const struct ipc_raw_ops bare = { .serve = refuse };

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "interop";
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;
	int r;

	r = ipc_open_sized(&ipc, NULL, (size_t)64 << 20);
	if (r < 0)
		return ipc_print_error("open the bus", r, NULL);
	ipc_set_threads(ipc, 32);
	if (!strcmp(what, "files"))
		r = files_register(ipc, "test.files", &files, NULL);
	else if (!strcmp(what, "objects"))
		r = objects_register(ipc, "test.objects", &no_objects, NULL);
	else if (!strcmp(what, "bare"))
		r = ipc_raw_object_new(ipc, &bare, NULL, &object) ?:
			    ipc_register_name(ipc, "test.bare", object, NULL);
	else
		r = test_register(ipc, "test.interop", &ops, NULL);
	if (r < 0)
		return ipc_print_error("register a name", r, NULL);
	puts("ready");
	fflush(stdout);
	r = ipc_run(ipc);
	return r < 0 ? ipc_print_error("serve", r, NULL) : 0;
}
