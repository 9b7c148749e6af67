// SPDX-License-Identifier: MIT
/*
 * The effects of a process that dies or forks.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

static int deaths;

static void note_death(struct ipc_proxy *proxy, void *userdata)
{
	ck_assert_ptr_eq(proxy, userdata);
	deaths++;
}

static int say(struct client *client)
{
	E2e__SayRequest request = E2E__SAY_REQUEST__INIT;

	request.text = "x";
	return server_say(client->server, &request, NULL, NULL);
}

/* Handles events until @count deaths were reported. */
static void wait_deaths(struct client *client, int count)
{
	while (deaths < count) {
		int r = ipc_wait_event(client->ipc, IPC_NEVER);

		ck_assert_int_eq(r, 1);
		while ((r = ipc_process(client->ipc)) > 0)
			;
		ck_assert_int_eq(r, 0);
	}
	ck_assert_int_eq(deaths, count);
}

START_TEST(a_killed_server)
{
	struct ipc_slot *slot;

	client_start(&one_thread);
	ck_assert_int_eq(say(&client), 0);
	ck_assert_int_eq(server_on_death(client.server, note_death, server_proxy(client.server),
					 &slot), 0);
	ck_assert_int_eq(ipc_process(client.ipc), 0);
	client_kill_server();
	wait_deaths(&client, 1);
	ipc_slot_end(slot);
	/* Handle 0 is free for the next manager. */
	ck_assert_int_eq(say(&client), -ENOTCONN);

	/* A watch on a dead object fires as well: there is no manager now. */
	client.pid = start_server(&one_thread);
	ck_assert_int_eq(say(&client), 0);
}
END_TEST

START_TEST(a_frozen_server)
{
	client_start(&one_thread);
	ck_assert_int_eq(say(&client), 0);
	ck_assert_int_eq(ipc_get_frozen(client.ipc, client.pid), 0);
	ck_assert_int_eq(ipc_freeze(client.ipc, client.pid, 1000000), 0);
	ck_assert_int_eq(ipc_get_frozen(client.ipc, client.pid), 1);
	kill(client.pid, SIGSTOP);
	ck_assert_int_eq(say(&client), -EHOSTDOWN);
	ck_assert_int_eq(ipc_thaw(client.ipc, client.pid), IPC_FROZEN_CALL);
	ck_assert_int_eq(ipc_get_frozen(client.ipc, client.pid), 0);
	kill(client.pid, SIGCONT);
	ck_assert_int_eq(say(&client), 0);
	ck_assert_int_eq(ipc_freeze(client.ipc, 0, 0), -ESRCH);
	ck_assert_int_eq(ipc_get_frozen(client.ipc, 0), -ESRCH);
	ck_assert_int_eq(ipc_freeze(client.ipc, client.pid, IPC_NEVER), 0);
	ck_assert_int_eq(ipc_thaw(client.ipc, client.pid), 0);
	ck_assert_int_eq(ipc_freeze(client.ipc, client.pid, 1), 0);
	ck_assert_int_eq(ipc_thaw(client.ipc, client.pid), 0);
	ck_assert_int_eq(ipc_freeze(NULL, client.pid, 0), -EINVAL);
}
END_TEST

START_TEST(a_server_that_dies_over_a_call)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;

	client_start(&one_thread);
	ck_assert_int_eq(server_die(client.server, &error), -EOWNERDEAD);
	ck_assert_int_eq(error.code, -EOWNERDEAD);
	wait_server(client.pid);
	client.pid = 0;
}
END_TEST

static struct counter *new_counter(struct client *client)
{
	ipc_auto(server_new_counter_reply_free) E2e__NewCounterReply *reply = NULL;
	struct counter *counter;

	ck_assert_int_eq(server_new_counter(client->server, &reply, NULL), 0);
	ck_assert_int_eq(counter_take(client->ipc, reply->counter, &counter), 0);
	return counter;
}

START_TEST(objects_of_a_dead_server)
{
	E2e__AddRequest request = E2E__ADD_REQUEST__INIT;
	struct counter *watched, *later;
	struct ipc_slot *first;

	client_start(&one_thread);
	watched = new_counter(&client);
	later = new_counter(&client);
	ck_assert_int_eq(counter_on_death(watched, note_death, counter_proxy(watched), &first), 0);
	ck_assert_int_eq(counter_on_death(watched, note_death, counter_proxy(watched), NULL), 0);
	ck_assert_int_eq(counter_on_death(watched, note_death, counter_proxy(watched), NULL), 0);
	ipc_slot_end(first);
	client_kill_server();
	wait_deaths(&client, 2);
	ck_assert_int_eq(counter_add(watched, &request, NULL, NULL), -EOWNERDEAD);
	ck_assert_int_eq(counter_add(later, &request, NULL, NULL), -EOWNERDEAD);

	/* A watch fires at once on a dead object, even if the death was already reported. */
	ck_assert_int_eq(counter_on_death(later, note_death, counter_proxy(later), NULL), 0);
	wait_deaths(&client, 3);
	ck_assert_int_eq(counter_on_death(watched, note_death, counter_proxy(watched), NULL), 0);
	wait_deaths(&client, 4);
	counter_unref(watched);
	counter_unref(later);
}
END_TEST

START_TEST(a_watch_that_is_taken_back)
{
	struct counter *counter;
	struct ipc_slot *slot;

	client_start(&one_thread);
	counter = new_counter(&client);
	for (int i = 0; i < 100; i++) {
		ck_assert_int_eq(counter_on_death(counter, note_death, NULL, &slot), 0);
		if (i % 2)
			ipc_slot_end(slot);
		else
			ipc_slot_end_async(slot);
	}
	client_kill_server();
	ck_assert_int_eq(ipc_wait_event(client.ipc, 200000), 0);
	ck_assert_int_eq(ipc_process(client.ipc), 0);
	/* The watch is removed after it fired, but before its event was handled. */
	ck_assert_int_eq(counter_on_death(counter, note_death, NULL, &slot), 0);
	ipc_slot_end(slot);
	ck_assert_int_eq(ipc_process(client.ipc), 0);
	ck_assert_int_eq(deaths, 0);
	counter_unref(counter);
}
END_TEST

static int call_and_die(void *data)
{
	E2e__LaterRequest request = E2E__LATER_REQUEST__INIT;
	pid_t caller = getpid();
	struct client client;

	(void)data;
	client_open(&client);
	request.text = "without a caller";
	request.delay_ms = 100;
	alarm(0);
	signal(SIGALRM, SIG_DFL);
	if (fork() == 0) {
		/* Kills the caller during its call. */
		sleep_ms(30);
		if (getppid() == caller)
			kill(caller, SIGKILL);
		_exit(0);
	}
	server_later(client.server, &request, NULL, NULL);
	return 1;
}

START_TEST(a_caller_that_dies)
{
	int status, killed = 0;

	client_start(&one_thread);
	/* On a busy machine the reply may arrive before the signal. */
	for (int tries = 0; killed < 5; tries++) {
		pid_t child = fork();

		if (!child)
			_exit(call_and_die(NULL));
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		killed += WIFSIGNALED(status);
		ck_assert_int_lt(tries, 100);
	}
	sleep_ms(200);
	ck_assert_int_eq(say(&client), 0);
}
END_TEST

/* --- Fork ------------------------------------------------------------------------- */

static int use_parents(void *data)
{
	struct client *client = data;
	struct client own;

	if (say(client) != -ECHILD || ipc_process(client->ipc) != -ECHILD ||
	    ipc_get_fd(client->ipc) != -ECHILD)
		return 1;
	client_close(client);

	client_open(&own);
	if (say(&own) < 0)
		return 2;
	client_close(&own);
	return 0;
}

START_TEST(a_child_opens_its_own)
{
	struct counter *counter;

	client_start(&one_thread);
	counter = new_counter(&client);
	for (int i = 0; i < 5; i++) {
		ck_assert_int_eq(say(&client), 0);
		run_child(use_parents, &client);
	}
	ck_assert_int_eq(say(&client), 0);
	counter_unref(counter);
}
END_TEST

int main(void)
{
	return RUN_TESTS("death", a_killed_server, a_frozen_server, a_server_that_dies_over_a_call,
			 objects_of_a_dead_server, a_watch_that_is_taken_back, a_caller_that_dies,
			 a_child_opens_its_own);
}
