// SPDX-License-Identifier: MIT
/*
 * Event loops that are not ours: see loops.h.
 */
#include <errno.h>
#include <ipc/rpc.h>
#include <string.h>
#include <unistd.h>

#include "loops.h"

#define CALLS	100

static run_loop_fn run_loop;

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
						    NULL, &request.base, count, NULL, &ended, NULL),
				 0);
	ck_assert_int_eq(run_loop(client.ipc, all_ended, &ended), 0);
	ck_assert_uint_eq(ended, CALLS);
	client_close(&client);
	kill_server(pid);
}
END_TEST

int test_loop(const char *name, run_loop_fn run)
{
	run_loop = run;
	return RUN_TESTS(name, a_server_in_the_loop, a_client_in_the_loop);
}
