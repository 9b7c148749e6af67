// SPDX-License-Identifier: MIT
/*
 * Calls: their results, and calls that do not wait.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

static int say(struct client *client, const char *text, E2e__SayReply **ret_reply)
{
	E2e__SayRequest request = E2E__SAY_REQUEST__INIT;

	request.text = (char *)text;
	return server_say(client->server, &request, ret_reply, /* error= */ NULL);
}

START_TEST(call_gets_its_reply)
{
	E2e__SayReply *reply;

	client_start(&one_thread);
	for (int i = 0; i < 1000; i++) {
		ck_assert_int_eq(say(&client, "hello", &reply), 0);
		ck_assert_str_eq(reply->text, "hello");
		server_say_reply_free(reply);
	}
	ck_assert_int_eq(say(&client, "", &reply), 0);
	ck_assert_str_eq(reply->text, "");
	server_say_reply_free(reply);
	ck_assert_int_eq(say(&client, "not visible", NULL), 0);
}
END_TEST

static char *long_text(size_t size)
{
	char *text = malloc(size + 1);

	ck_assert_ptr_nonnull(text);
	for (size_t i = 0; i < size; i++)
		text[i] = (char)('a' + i % 26);
	text[size] = 0;
	return text;
}

START_TEST(messages_of_every_size)
{
	static const size_t sizes[] = { 1, 127, 128, 4090, 4096, 65535, 65536, 1 << 20, 5 << 20 };
	E2e__SayReply *reply;

	client_start(&one_thread);
	ck_assert_int_eq(ipc_set_message_max(client.ipc, 6 << 20), 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *text = long_text(sizes[i]);

		ck_assert_int_eq(say(&client, text, &reply), 0);
		ck_assert_int_eq(strcmp(reply->text, text), 0);
		server_say_reply_free(reply);
		free(text);
	}
}
END_TEST

START_TEST(larger_than_the_region)
{
	struct server_options small = { .threads = 1, .region_size = 64 << 10 };
	E2e__SayReply *reply;
	char *text;

	client_start(&small);
	/* The object accepts files. So does the call, because its reply can contain files. */
	text = long_text(100000);
	ck_assert_int_eq(say(&client, text, &reply), 0);
	server_say_reply_free(reply);
	text[60000] = 0;
	ck_assert_int_eq(say(&client, text, &reply), 0);
	server_say_reply_free(reply);
	client_close(&client);

	/* The same limit applies to the caller's region. */
	ck_assert_int_eq(ipc_open_sized(&client.ipc, NULL, 32 << 10), 0);
	{
		struct ipc_proxy *proxy;

		ck_assert_int_eq(ipc_get_manager(client.ipc, &proxy), 0);
		client.server = server_from_proxy(proxy);
	}
	ck_assert_int_eq(say(&client, text, &reply), 0);
	ck_assert_int_eq(strcmp(reply->text, text), 0);
	server_say_reply_free(reply);
	free(text);
}
END_TEST

/* Only a process that reads the server's region can see a difference. */
START_TEST(secrets)
{
	E2e__SayReply *reply;

	client_start(&one_thread);
	ck_assert_int_eq(ipc_set_clear(client.ipc, 1), 0);
	ck_assert_int_eq(say(&client, "a secret", &reply), 0);
	server_say_reply_free(reply);
	ck_assert_int_eq(ipc_set_clear(client.ipc, 0), 0);
	ck_assert_int_eq(say(&client, "none", &reply), 0);
	server_say_reply_free(reply);
	ck_assert_int_eq(ipc_set_clear(NULL, 1), -EINVAL);
}
END_TEST

START_TEST(errors_that_the_server_raises)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	E2e__FailRequest request = E2E__FAIL_REQUEST__INIT;

	client_start(&one_thread);
	request.name = "e2e.Empty";
	request.text = "nothing to say";
	ck_assert_int_eq(server_fail(client.server, &request, &error), -EREMOTEIO);
	ck_assert_int_eq(error.code, -EREMOTEIO);
	ck_assert_str_eq(error.name, "e2e.Empty");
	ck_assert_str_eq(error.text, "nothing to say");
	ck_assert_int_eq(server_fail(client.server, &request, NULL), -EREMOTEIO);

	request.code = ENOENT;
	ck_assert_int_eq(server_fail(client.server, &request, &error), -ENOENT);
	ck_assert_int_eq(error.code, -ENOENT);
	ck_assert_ptr_null(error.name);
	ck_assert_str_eq(error.text, "nothing to say");
}
END_TEST

START_TEST(handlers_that_do_not_reply)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	E2e__FinishRequest request = E2E__FINISH_REQUEST__INIT;

	client_start(&one_thread);
	request.result = -EDOM;
	ck_assert_int_eq(server_finish(client.server, &request, NULL), -EDOM);
	request.result = 0;
	ck_assert_int_eq(server_finish(client.server, &request, NULL), -ENOMSG);
	ck_assert_int_eq(server_missing(client.server, &error), -EOPNOTSUPP);
	ck_assert_str_eq(error.text, "e2e.Server.Missing is not implemented");
}
END_TEST

/* The server's object is used with the stubs of another service. */
START_TEST(unknown_method_is_refused)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	E2e__AddRequest request = E2E__ADD_REQUEST__INIT;
	struct counter *counter;

	client_start(&one_thread);
	counter = counter_from_proxy(ipc_proxy_ref(server_proxy(client.server)));
	ck_assert_int_eq(counter_add(counter, &request, NULL, &error), -EOPNOTSUPP);
	ck_assert_int_eq(strncmp(error.text, "e2e.Server has no method", 24), 0);
	counter_unref(counter);
}
END_TEST

START_TEST(a_oneway_does_not_wait)
{
	E2e__LogRequest request = E2E__LOG_REQUEST__INIT;
	E2e__LoggedReply *reply;
	uint64_t begin;

	client_start(&one_thread);
	begin = now_ms();
	for (uint32_t i = 0; i < 20; i++) {
		request.number = i;
		request.sleep_ms = i ? 0 : 2000;
		ck_assert_int_eq(server_log(client.server, &request), 0);
	}
	ck_assert_uint_lt(now_ms() - begin, 1900);
	/* A call is handled after all these oneways, and finds them in order. */
	for (;;) {
		ck_assert_int_eq(server_logged(client.server, &reply, NULL), 0);
		if (reply->n_numbers >= 20)
			break;
		server_logged_reply_free(reply);
	}
	ck_assert_uint_eq(reply->n_numbers, 20);
	for (uint32_t i = 0; i < 20; i++)
		ck_assert_uint_eq(reply->numbers[i], i);
	server_logged_reply_free(reply);
}
END_TEST

START_TEST(too_many_oneways)
{
	struct server_options small = { .threads = 1, .region_size = 256 << 10 };
	E2e__LogRequest request = E2E__LOG_REQUEST__INIT;
	E2e__SayReply *reply;
	unsigned int sent = 0;
	char *ballast = long_text(10000);
	int r = 0;

	client_start(&small);
	request.ballast.data = (uint8_t *)ballast;
	request.ballast.len = 10000;
	/* The server takes messages more slowly than this process sends them on a busy machine. */
	request.sleep_ms = 20;
	for (; r == 0 && sent < 100; sent++)
		r = server_log(client.server, &request);
	ck_assert_int_eq(r, -EAGAIN);
	ck_assert_uint_gt(sent, 3);
	/* There is still space for a call, and for more oneways after it. */
	ck_assert_int_eq(say(&client, "still there?", &reply), 0);
	server_say_reply_free(reply);
	while (r == -EAGAIN) {
		sleep_ms(10);
		r = server_log(client.server, &request);
	}
	ck_assert_int_eq(r, 0);
	free(ballast);
}
END_TEST

START_TEST(replies_from_another_thread)
{
	E2e__LaterRequest request = E2E__LATER_REQUEST__INIT;
	E2e__SayReply *reply;

	client_start(&one_thread);
	request.text = "at last";
	for (uint32_t i = 0; i < 20; i++) {
		request.delay_ms = i % 5 * 5;
		ck_assert_int_eq(server_later(client.server, &request, &reply, NULL), 0);
		ck_assert_str_eq(reply->text, "at last");
		server_later_reply_free(reply);
	}
	request.forget = true;
	ck_assert_int_eq(server_later(client.server, &request, &reply, NULL), -ENOMSG);
}
END_TEST

/* The server's only thread is free while a deferred call waits for its reply. */
static int ask_later(void *data)
{
	E2e__LaterRequest request = E2E__LATER_REQUEST__INIT;
	struct client client;
	int r;

	(void)data;
	client_open(&client);
	request.text = "x";
	request.delay_ms = 2000;
	r = server_later(client.server, &request, NULL, NULL);
	client_close(&client);
	return r < 0;
}

START_TEST(deferred_call_does_not_block_other_calls)
{
	pid_t child;

	client_start(&one_thread);
	child = fork();
	if (!child)
		_exit(ask_later(NULL));
	sleep_ms(50);
	ck_assert_int_eq(say(&client, "quick", NULL), 0);
	/* The other caller still waits. */
	ck_assert_int_eq(waitpid(child, NULL, WNOHANG), 0);
	ck_assert_int_eq(wait_server(child), 0);
}
END_TEST

static int check_identity(void *data)
{
	uid_t uid = *(uid_t *)data;
	E2e__WhoReply *reply;
	struct client client;

	if (setresgid(900, 900, 900) < 0 || setresuid(uid, uid, uid) < 0)
		return 1;
	client_open(&client);
	if (server_who(client.server, &reply, NULL) < 0)
		return 2;
	if (reply->pid != (uint32_t)getpid() || reply->tid != (uint32_t)gettid() ||
	    reply->uid != uid || reply->gid != 900)
		return 3;
	if (reply->pidfd_pid != getpid())
		return 4;
	server_who_reply_free(reply);
	client_close(&client);
	return 0;
}

START_TEST(caller_identity)
{
	uid_t uid;

	client_start(&one_thread);
	uid = 0;
	run_child(check_identity, &uid);
	uid = 1000;
	run_child(check_identity, &uid);
}
END_TEST

START_TEST(without_a_server)
{
	struct client client;
	struct ipc_proxy *proxy;

	client_open(&client);
	ck_assert_int_eq(say(&client, "x", NULL), -ENOTCONN);
	ck_assert_int_eq(ipc_proxy_get(client.ipc, "x", NULL, &proxy), -ENOTCONN);
	client_close(&client);
}
END_TEST

int main(void)
{
	return RUN_TESTS("call", call_gets_its_reply, messages_of_every_size,
			 larger_than_the_region, secrets, errors_that_the_server_raises,
			 handlers_that_do_not_reply, unknown_method_is_refused,
			 a_oneway_does_not_wait, too_many_oneways, replies_from_another_thread,
			 deferred_call_does_not_block_other_calls, caller_identity,
			 without_a_server);
}
