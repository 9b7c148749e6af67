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

#include "test.ipc.h"

#include "../../kernel/fixture.h"

#define ROUNDS 200
#define CLIENTS 3

static int echo(struct ipc_call *call, const Ipc__Test__EchoRequest *request, void *userdata)
{
	Ipc__Test__EchoReply reply = IPC__TEST__ECHO_REPLY__INIT;

	(void)userdata;
	reply.text = request->text;
	return test_reply_echo(call, &reply);
}

static uint32_t logged;

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

static const struct test_ops ops = { .echo = echo, .log = take_log, .poke = poke };

static int serve(struct peer *self, void *arg)
{
	ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;

	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(test_object_new(ipc, &ops, ipc, NULL, &object), 0);
	ck_assert_int_eq(ipc_set_threads(ipc, *(int *)arg), 0);
	ck_assert_int_eq(ipc_set_manager(ipc, object), 0);
	peer_tell(self, 1);
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
	/* A server that stops may be gone before its answer is. */
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

int main(void)
{
	Suite *suite = suite_create("library");
	TCase *tc = add_case(suite, "calls", setup_bare);

	tcase_add_loop_test(tc, calls_through_stub_driver_and_skeleton, 1, 4);
	return suite_main(suite);
}
