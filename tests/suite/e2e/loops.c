// SPDX-License-Identifier: MIT
/*
 * Tests of third-party event loops; see loops.h.
 */
#include <errno.h>
#include <ipc/rpc.h>
#include <ipc/test.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loops.h"

#define CALLS	100

static run_loop_fn run_loop;
static run_to_end_fn run_loop_to_end;

static bool never(void *userdata)
{
	(void)userdata;
	return false;
}

static int serve_in_loop(struct ipc *ipc)
{
	return run_loop(ipc, never, NULL);
}

static void begin(struct client *client, pid_t *ret_pid)
{
	struct server_options options = { .loop = serve_in_loop };

	*ret_pid = start_server(&options);
	client_open(client);
}

START_TEST(a_server_in_the_loop)
{
	E2e__SayRequest request = E2E__SAY_REQUEST__INIT;
	struct client client;
	pid_t pid;

	begin(&client, &pid);
	request.text = "hello";
	for (int i = 0; i < CALLS; i++) {
		ipc_auto(server_say_reply_free) E2e__SayReply *reply = NULL;

		ck_assert_int_eq(server_say(client.server, &request, &reply, NULL), 0);
		ck_assert_str_eq(reply->text, "hello");
	}
	client_close(&client);
	kill_server(pid);
}
END_TEST

static const struct ipc_method *method_later(void)
{
	for (size_t i = 0; i < server_interface.n_methods; i++)
		if (!strcmp(server_interface.methods[i].name, "Later"))
			return &server_interface.methods[i];
	return NULL;
}

static void count(int result, ProtobufCMessage *reply, const struct ipc_error *error,
		  ipc_rpc_cb cb, void *userdata)
{
	(void)reply;
	(void)error;
	(void)cb;
	ck_assert_int_eq(result, 0);
	++*(unsigned int *)userdata;
}

static bool all_ended(void *userdata)
{
	return *(unsigned int *)userdata == CALLS;
}

START_TEST(a_client_in_the_loop)
{
	E2e__LaterRequest request = E2E__LATER_REQUEST__INIT;
	unsigned int ended = 0;
	struct client client;
	pid_t pid;

	begin(&client, &pid);
	request.text = "later";
	request.delay_ms = 20;
	for (int i = 0; i < CALLS; i++)
		ck_assert_int_eq(ipc_rpc_call_async(server_proxy(client.server), method_later(),
						    NULL, &request.base, count, (ipc_rpc_cb)count,
						    &ended, NULL), 0);
	ck_assert_int_eq(run_loop(client.ipc, all_ended, &ended), 0);
	ck_assert_uint_eq(ended, CALLS);
	client_close(&client);
	kill_server(pid);
}
END_TEST

/* Returns false in the guest, which has no daemon. */
static bool find_daemon(char *path, size_t size)
{
	const char *build = getenv("B");

	snprintf(path, size, "%s/daemon/ipcbusd", build ? build : "build");
	return access(path, X_OK) == 0;
}

/* Starts an ipcbusd for this test, whatever bus the other tests use. */
static struct ipc_test_bus *new_bus(void)
{
	char daemon[256];
	const struct ipc_test_options options = {
		.size = sizeof(options), .flags = IPC_TEST_NO_MANAGER, .ipcbusd = daemon,
	};
	struct ipc_test_bus *bus;

	ck_assert(find_daemon(daemon, sizeof(daemon)));
	ck_assert_int_eq(ipc_test_bus_new(&options, &bus), 0);
	return bus;
}

static void *kill_bus(void *bus)
{
	sleep_ms(50);
	ck_assert_int_eq(kill(ipc_test_bus_pid(bus), SIGKILL), 0);
	return NULL;
}

START_TEST(the_end_of_the_bus_ends_the_loop)
{
	struct ipc_test_bus *bus = new_bus();
	pthread_t killer;
	struct ipc *ipc;

	ck_assert_int_eq(ipc_open(&ipc, ipc_test_bus_path(bus)), 0);
	ck_assert_int_eq(pthread_create(&killer, NULL, kill_bus, bus), 0);
	ck_assert_int_eq(run_loop_to_end(ipc), -ECONNRESET);
	pthread_join(killer, NULL);
	ipc_unref(ipc);
	ipc_test_bus_free(bus);
}
END_TEST

int test_loop(const char *name, run_loop_fn run, run_to_end_fn run_to_end)
{
	char daemon[256];

	run_loop = run;
	run_loop_to_end = run_to_end;
	if (!find_daemon(daemon, sizeof(daemon)))
		return RUN_TESTS(name, a_server_in_the_loop, a_client_in_the_loop);
	return RUN_TESTS(name, a_server_in_the_loop, a_client_in_the_loop,
			 the_end_of_the_bus_ends_the_loop);
}
