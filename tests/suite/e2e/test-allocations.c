// SPDX-License-Identifier: MIT
/*
 * How often memory is asked for: not at all per call, once caller and server are
 * under way. This program counts what the library and protobuf-c ask of malloc(),
 * its own asking included (so there is no ck_assert in a round, which asks too); the
 * server reports its count in its replies.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <ipc/blob.h>
#include <ipc/rpc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

/* --- Counting --------------------------------------------------------------------- */

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *old, size_t size);

static atomic_uint allocations;

void *malloc(size_t size)
{
	atomic_fetch_add(&allocations, 1);
	return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	atomic_fetch_add(&allocations, 1);
	return __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
	atomic_fetch_add(&allocations, 1);
	return __libc_realloc(old, size);
}

/* --- Both sides ------------------------------------------------------------------- */

/* Replies with how often this process asked for memory. */
static int notify(struct ipc_call *call, const E2e__AddRequest *request, void *userdata)
{
	E2e__AddReply reply = E2E__ADD_REPLY__INIT;

	(void)request;
	(void)userdata;
	reply.sum = atomic_load(&allocations);
	return counter_reply_add(call, &reply);
}

static int take(struct ipc_call *call, const E2e__AddRequest *request, void *userdata)
{
	(void)call;
	(void)request;
	(void)userdata;
	return 0;
}

static int swallow(struct ipc_call *call, const E2e__Parcel *parcel, void *userdata)
{
	E2e__AddReply reply = E2E__ADD_REPLY__INIT;

	(void)userdata;
	reply.sum = (uint32_t)ipc_blob_size(parcel->blob);
	return counter_reply_weigh(call, &reply);
}

static const struct counter_ops handlers = { .add = notify, .bump = take, .weigh = swallow };

static int serve(struct ipc *ipc)
{
	struct ipc_object *object;
	int r;

	r = counter_object_new(ipc, &handlers, NULL, NULL, &object);
	if (r < 0)
		return r;
	return ipc_set_manager(ipc, object);
}

struct world {
	struct ipc *ipc;
	struct counter *counter;
	unsigned int ended;
	uint32_t there;		/* the server's count, at its last reply */
};

static const struct ipc_method *method_of(const char *name)
{
	for (size_t i = 0; i < counter_interface.n_methods; i++)
		if (!strcmp(counter_interface.methods[i].name, name))
			return &counter_interface.methods[i];
	abort();
}

static int call(struct world *world)
{
	ipc_auto(counter_add_reply_free) E2e__AddReply *reply = NULL;
	E2e__AddRequest request = E2E__ADD_REQUEST__INIT;
	int r;

	r = counter_add(world->counter, &request, &reply, NULL);
	if (r == 0)
		world->there = reply->sum;
	return r;
}

static int rounds(struct world *world, int (*round)(struct world *world), int n)
{
	int r = 0;

	for (int i = 0; r == 0 && i < n; i++)
		r = round(world);
	return r == 0 ? call(world) : r;
}

/* Both sides' counts over many rounds, after a few to get under way. */
static void check_rounds(int (*round)(struct world *world))
{
	struct world world = { 0 };
	pid_t pid = start_serving(serve);
	struct ipc_proxy *proxy;
	unsigned int here;
	uint32_t there;
	int r;

	ck_assert_int_eq(ipc_open(&world.ipc, NULL), 0);
	ck_assert_int_eq(ipc_get_manager(world.ipc, &proxy), 0);
	world.counter = counter_from_proxy(proxy);
	/* The server replies before it has asked for what its first reply needs. */
	ck_assert_int_eq(call(&world), 0);
	ck_assert_int_eq(rounds(&world, round, 20), 0);

	there = world.there;
	here = atomic_load(&allocations);
	r = rounds(&world, round, 1000);
	here = atomic_load(&allocations) - here;
	ck_assert_int_eq(r, 0);
	ck_assert_uint_eq(here, 0);
	ck_assert_uint_eq(world.there, there);
	counter_unref(world.counter);
	ipc_unref(world.ipc);
	kill_server(pid);
}

/* --- Rounds ----------------------------------------------------------------------- */

START_TEST(a_call)
{
	check_rounds(call);
}
END_TEST

static int call_with_everything(struct world *world)
{
	static const char *const metadata[] = { "trace", "0123456789", NULL };
	struct ipc_options options = { .timeout_usec = 10000000, .metadata = metadata };
	E2e__AddRequest request = E2E__ADD_REQUEST__INIT;
	ProtobufCMessage *reply = NULL;
	int r;

	r = ipc_rpc_call_with(counter_proxy(world->counter), method_of("Add"), &options,
			      &request.base, &reply, NULL);
	ipc_rpc_free(reply);
	return r;
}

START_TEST(a_call_with_time_and_metadata)
{
	check_rounds(call_with_everything);
}
END_TEST

static int send_oneway(struct world *world)
{
	struct ipc_options patient = { .timeout_usec = 10000000 };
	E2e__AddRequest request = E2E__ADD_REQUEST__INIT;

	return ipc_rpc_oneway_with(counter_proxy(world->counter), method_of("Bump"), &patient,
				   &request.base);
}

START_TEST(a_oneway)
{
	check_rounds(send_oneway);
}
END_TEST

static int send_blob(struct world *world)
{
	static const uint8_t data[65536];
	ipc_auto(counter_weigh_reply_free) E2e__AddReply *reply = NULL;
	E2e__Parcel parcel = E2E__PARCEL__INIT;
	Ipc__Blob blob = IPC__BLOB__INIT;
	int r;

	ipc_blob_set(&blob, data, sizeof(data));
	parcel.blob = &blob;
	r = counter_weigh(world->counter, &parcel, &reply, NULL);
	return r < 0 ? r : reply->sum != sizeof(data);
}

START_TEST(a_blob)
{
	check_rounds(send_blob);
}
END_TEST

static void ended(int result, ProtobufCMessage *reply, const struct ipc_error *error,
		  ipc_rpc_cb cb, void *userdata)
{
	struct world *world = userdata;

	(void)error;
	(void)cb;
	if (result == 0 && reply)
		world->ended++;
}

static int call_async(struct world *world)
{
	E2e__AddRequest request = E2E__ADD_REQUEST__INIT;
	int r = 0;

	world->ended = 0;
	for (int i = 0; r == 0 && i < 8; i++)
		r = ipc_rpc_call_async(counter_proxy(world->counter), method_of("Add"), NULL,
				       &request.base, ended, NULL, world, NULL);
	while (r == 0 && world->ended < 8) {
		r = ipc_wait(world->ipc, 20000000);
		if (r == 0)
			return -ETIME;
		while (r > 0)
			r = ipc_process(world->ipc);
	}
	return r;
}

START_TEST(an_async_call)
{
	check_rounds(call_async);
}
END_TEST

int main(void)
{
	return RUN_TESTS("allocations", a_call, a_call_with_time_and_metadata, a_oneway, a_blob,
			 an_async_call);
}
