// SPDX-License-Identifier: MIT
/*
 * The library on the driver, in one process and under sanitizers: client stub,
 * driver, server skeleton. The sources of both are as they are; device.c of the
 * library opens the device of posix.c.
 */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <ipc/ipc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <ipc/blob.h>
#include <ipc/rpc.h>

#include "test.ipc.h"

#include "../../../suite/kernel/fixture.h"

#define ROUNDS 200
#define CLIENTS 3

static int echo(struct ipc_call *call, const Ipc__Test__EchoRequest *request, void *userdata)
{
	Ipc__Test__EchoReply reply = IPC__TEST__ECHO_REPLY__INIT;

	(void)userdata;
	reply.text = request->text;
	return test_reply_echo(call, &reply);
}

static uint32_t logged, hanging;

static int take_log(struct ipc_call *call, const Ipc__Test__EchoRequest *request, void *userdata)
{
	(void)call;
	(void)userdata;
	__atomic_add_fetch(&logged, request->number, __ATOMIC_SEQ_CST);
	return 0;
}

/* The last call of all. */
static int poke(struct ipc_call *call, const Ipc__Test__EchoRequest *request, void *userdata)
{
	(void)request;
	ipc_stop(userdata);
	return test_reply_poke(call);
}

/* Replied to when nobody waits any more. */
static void let_go(struct ipc_call *call, void *userdata)
{
	(void)userdata;
	__atomic_sub_fetch(&hanging, 1, __ATOMIC_SEQ_CST);
	ipc_call_unref(call);
}

static int carry(struct ipc_call *call, const Ipc__Test__Cargo *cargo, void *userdata)
{
	int r;

	(void)cargo;
	(void)userdata;
	ipc_call_ref(call);
	__atomic_add_fetch(&hanging, 1, __ATOMIC_SEQ_CST);
	r = ipc_call_on_cancel(call, let_go, NULL, /* ret_slot= */ NULL);
	if (r < 0)
		let_go(call, NULL);
	return r;
}

/* Two slots of a call. The first that ends, with the call, ends the other. */
struct couple {
	struct ipc_slot *slots[2];
	bool is_over;
};

static void never_canceled(struct ipc_call *call, void *userdata)
{
	(void)call, (void)userdata;
	abort();
}

static void end_both(void *userdata)
{
	struct couple *couple = userdata;

	if (couple->is_over) {
		free(couple);
		return;
	}
	couple->is_over = true;
	for (int i = 0; i < 2; i++)
		ipc_slot_end_async(couple->slots[i]);
}

static int ship(struct ipc_call *call, const Ipc__Test__Crate *crate, void *userdata)
{
	struct couple *couple = calloc(1, sizeof(*couple));

	(void)userdata;
	ck_assert_ptr_nonnull(couple);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(ipc_call_on_cancel(call, never_canceled, couple,
						    &couple->slots[i]), 0);
		ipc_slot_set_destroy(couple->slots[i], end_both);
	}
	return test_reply_ship(call, crate);
}

static const struct test_ops ops = {
	.echo = echo, .log = take_log, .poke = poke, .carry = carry, .ship = ship,
};

static int serve(struct peer *self, void *arg)
{
	ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;

	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(test_object_new(ipc, &ops, ipc, NULL, &object), 0);
	ck_assert_int_eq(ipc_set_threads(ipc, *(int *)arg), 0);
	ck_assert_int_eq(ipc_set_manager(ipc, object), 0);
	peer_notify(self, 1);
	return ipc_run(ipc);
}

static void open_client(struct ipc **ret_ipc, struct test **ret_test)
{
	struct ipc_proxy *proxy;

	ck_assert_int_eq(ipc_open(ret_ipc, NULL), 0);
	ck_assert_int_eq(ipc_get_manager(*ret_ipc, &proxy), 0);
	*ret_test = test_from_proxy(proxy);
}

static void call_echo(struct test *test, size_t size)
{
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;
	ipc_auto(test_echo_reply_free) Ipc__Test__EchoReply *reply = NULL;
	char *text = malloc(size + 1);

	memset(text, 'e', size);
	text[size] = 0;
	request.text = text;
	ck_assert_int_eq(test_echo(test, &request, &reply, NULL), 0);
	ck_assert_str_eq(reply->text, text);
	free(text);
}

static int be_client(struct peer *self, void *unused)
{
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;
	ipc_auto(test_unref) struct test *test = NULL;
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;

	(void)self;
	(void)unused;
	open_client(&ipc, &test);
	for (int i = 0; i < ROUNDS; i++)
		call_echo(test, i * 101 % 20000);
	request.number = 1;
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(test_log(test, &request), 0);
	return 0;
}

static void stop_server(struct peer *server)
{
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;
	ipc_auto(test_unref) struct test *test = NULL;
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;

	open_client(&ipc, &test);
	/* A server that stops may be gone before its reply is. */
	(void)test_poke(test, &request, NULL);
	peer_end(server);
}

START_TEST(calls_through_stub_driver_and_skeleton)
{
	int threads = _i;
	struct peer server, clients[CLIENTS];

	logged = 0;
	peer_start(&server, serve, &threads);
	peer_hear(&server);
	for (int i = 0; i < CLIENTS; i++)
		peer_start(&clients[i], be_client, NULL);
	for (int i = 0; i < CLIENTS; i++)
		peer_end(&clients[i]);
	while (__atomic_load_n(&logged, __ATOMIC_SEQ_CST) < 10 * CLIENTS)
		sched_yield();
	stop_server(&server);
}
END_TEST

/* --- Without waiting ------------------------------------------------------------- */

#define ASYNC 60

/* A connection whose completions run on two threads. */
struct waiter {
	struct ipc *ipc;
	struct test *test;
	struct ipc_cancellation *cancellation;
	uint32_t ended, good, stopped;
};

static void ended(int result, ProtobufCMessage *reply, const struct ipc_error *error,
		  ipc_rpc_cb cb, void *userdata)
{
	struct waiter *w = userdata;

	(void)error;
	(void)cb;
	if (reply && result == 0)
		__atomic_add_fetch(&w->good, 1, __ATOMIC_SEQ_CST);
	else
		ck_assert(result == -ECANCELED || result == -ETIMEDOUT);
	__atomic_add_fetch(&w->ended, 1, __ATOMIC_SEQ_CST);
}

static const struct ipc_method *method(const char *name)
{
	for (size_t i = 0; i < test_interface.n_methods; i++)
		if (!strcmp(test_interface.methods[i].name, name))
			return &test_interface.methods[i];
	abort();
}

static void *run(void *data)
{
	struct waiter *w = data;

	ck_assert_int_eq(ipc_run(w->ipc), 0);
	__atomic_add_fetch(&w->stopped, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void *cancel_all(void *data)
{
	struct waiter *w = data;

	/* Some were sent before, others come after. */
	while (__atomic_load_n(&w->ended, __ATOMIC_SEQ_CST) < ASYNC / 6)
		sched_yield();
	ck_assert_int_eq(ipc_cancel(w->cancellation), 0);
	return NULL;
}

/* One third is replied to, one is cancelled, one runs out of time. */
static void call_async(struct waiter *w)
{
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;
	Ipc__Test__Cargo cargo = IPC__TEST__CARGO__INIT;

	for (int i = 0; i < ASYNC; i++) {
		struct ipc_options options = { .timeout_usec = i % 3 == 2 ? 20000 : 0 };
		int r;

		if (i % 3 == 1)
			options.cancellation = w->cancellation;
		request.text = "async";
		r = ipc_rpc_call_async(test_proxy(w->test), method(i % 3 ? "Carry" : "Echo"),
				       &options, i % 3 ? &cargo.base : &request.base, ended, NULL,
				       w, NULL);
		/* It may be over before it was sent. */
		ck_assert(r == 0 || r == (i % 3 == 1 ? -ECANCELED : -ETIMEDOUT));
		if (r < 0)
			__atomic_add_fetch(&w->ended, 1, __ATOMIC_SEQ_CST);
	}
}

static int be_waiter(struct peer *self, void *unused)
{
	struct waiter w = { 0 };
	pthread_t threads[3];

	(void)self;
	(void)unused;
	open_client(&w.ipc, &w.test);
	ck_assert_int_eq(ipc_cancellation_new(w.ipc, &w.cancellation), 0);
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, i < 2 ? run : cancel_all, &w);
	call_async(&w);
	while (__atomic_load_n(&w.ended, __ATOMIC_SEQ_CST) < ASYNC)
		sched_yield();
	ck_assert_uint_eq(w.good, ASYNC / 3);
	/* Who comes to ipc_run() after the other one has returned serves anew. */
	while (__atomic_load_n(&w.stopped, __ATOMIC_SEQ_CST) < 2) {
		ipc_stop(w.ipc);
		sched_yield();
	}
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	ipc_cancellation_unref(w.cancellation);
	test_unref(w.test);
	ipc_unref(w.ipc);
	return 0;
}

START_TEST(calls_that_nobody_waits_for)
{
	int threads = _i;
	struct peer server, clients[2];

	hanging = 0;
	peer_start(&server, serve, &threads);
	peer_hear(&server);
	for (int i = 0; i < 2; i++)
		peer_start(&clients[i], be_waiter, NULL);
	for (int i = 0; i < 2; i++)
		peer_end(&clients[i]);
	while (__atomic_load_n(&hanging, __ATOMIC_SEQ_CST))
		sched_yield();
	stop_server(&server);
}
END_TEST

/* --- Canceled together ------------------------------------------------------------ */

#define CANCELED 4

struct canceled {
	struct ipc *ipc;
	struct test *test;
	struct ipc_cancellation *cancellation;
	uint32_t begun;
};

/* Every second call is one that nobody replies to. */
static void *call_until_canceled(void *data)
{
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;
	Ipc__Test__Cargo cargo = IPC__TEST__CARGO__INIT;
	struct canceled *c = data;
	struct ipc_options options = { .cancellation = ipc_cancellation_ref(c->cancellation) };
	int r = 0;

	request.text = "canceled";
	for (unsigned int i = 0; r == 0; i++) {
		__atomic_add_fetch(&c->begun, 1, __ATOMIC_SEQ_CST);
		r = i % 2 ? test_carry_with(c->test, &options, &cargo, NULL, NULL) :
			    test_echo_with(c->test, &options, &request, NULL, NULL);
	}
	ck_assert_int_eq(r, -ECANCELED);
	ck_assert_int_eq(ipc_is_canceled(options.cancellation), 1);
	ck_assert_int_eq(test_echo_with(c->test, &options, &request, NULL, NULL), -ECANCELED);
	ipc_cancellation_unref(options.cancellation);
	/* The connection is as good as before. */
	ck_assert_int_eq(test_echo(c->test, &request, NULL, NULL), 0);
	return NULL;
}

static int be_canceled(struct peer *self, void *arg)
{
	pthread_t threads[CANCELED];
	struct canceled c = { 0 };

	(void)self;
	open_client(&c.ipc, &c.test);
	for (uint32_t round = 0; round < 20; round++) {
		c.begun = 0;
		ck_assert_int_eq(ipc_cancellation_new(c.ipc, &c.cancellation), 0);
		for (int i = 0; i < CANCELED; i++)
			pthread_create(&threads[i], NULL, call_until_canceled, &c);
		/* At every moment: before the first call, and with each of them under way. */
		while (__atomic_load_n(&c.begun, __ATOMIC_SEQ_CST) <
		       (round + *(uint32_t *)arg) % (2 * CANCELED))
			sched_yield();
		ck_assert_int_eq(ipc_cancel(c.cancellation), 0);
		for (int i = 0; i < CANCELED; i++)
			pthread_join(threads[i], NULL);
		ck_assert_int_eq(ipc_is_canceled(c.cancellation), 1);
		ipc_cancellation_unref(c.cancellation);
	}
	test_unref(c.test);
	ipc_unref(c.ipc);
	return 0;
}

START_TEST(one_cancellation_for_many_threads)
{
	struct peer server, clients[2];
	uint32_t offsets[2] = { 0, 1 };
	int threads = 4;

	hanging = 0;
	peer_start(&server, serve, &threads);
	peer_hear(&server);
	for (int i = 0; i < 2; i++)
		peer_start(&clients[i], be_canceled, &offsets[i]);
	for (int i = 0; i < 2; i++)
		peer_end(&clients[i]);
	while (__atomic_load_n(&hanging, __ATOMIC_SEQ_CST))
		sched_yield();
	stop_server(&server);
}
END_TEST

/* --- Blobs ------------------------------------------------------------------------ */

static void check_ship(struct test *test, size_t size)
{
	ipc_auto(test_ship_reply_free) Ipc__Test__Crate *reply = NULL;
	Ipc__Test__Crate crate = IPC__TEST__CRATE__INIT;
	Ipc__Blob blob = IPC__BLOB__INIT;
	uint8_t *data = malloc(size + 1);

	memset(data, (int)size, size);
	ipc_blob_set(&blob, data, size);
	crate.blob = &blob;
	ck_assert_int_eq(test_ship(test, &crate, &reply, NULL), 0);
	ck_assert_uint_eq(ipc_blob_size(reply->blob), size);
	if (size)
		ck_assert_mem_eq(ipc_blob_data(reply->blob), data, size);
	free(data);
}

static int be_shipper(struct peer *self, void *unused)
{
	ipc_auto(test_unref) struct test *test = NULL;
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;

	(void)self;
	(void)unused;
	open_client(&ipc, &test);
	for (size_t i = 0; i < 40; i++)
		check_ship(test, i * 4099);
	return 0;
}

START_TEST(blobs_there_and_back)
{
	struct peer server, clients[2];
	int threads = 2;

	peer_start(&server, serve, &threads);
	peer_hear(&server);
	for (int i = 0; i < 2; i++)
		peer_start(&clients[i], be_shipper, NULL);
	for (int i = 0; i < 2; i++)
		peer_end(&clients[i]);
	stop_server(&server);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("library");
	TCase *tc = add_case(suite, "calls", setup_bare);

	tcase_add_loop_test(tc, calls_through_stub_driver_and_skeleton, 1, 4);
	tcase_add_loop_test(tc, calls_that_nobody_waits_for, 1, 4);
	tcase_add_test(tc, one_cancellation_for_many_threads);
	tcase_add_test(tc, blobs_there_and_back);
	return suite_main(suite);
}
