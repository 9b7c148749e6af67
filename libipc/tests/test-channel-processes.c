// SPDX-License-Identifier: MIT
/*
 * Processes with direct channels that fork, execute another program, change their user, are frozen,
 * and use a closed connection.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ipc/admin.h>

#include "channel-run.h"
#include "channels/channel-client.h"

#define NOBODY 65534

/* Must be called in a forked child: opens a connection of its own with a channel. */
static void open_channel(void)
{
	connect_again();
	for (unsigned int i = 0; i < CHANNEL_AFTER; i++)
		get(WHERE);
	if (get(WHERE) != 1)
		_exit(1);
}

static void wait_for_parts(unsigned int parts)
{
	/* The test fails if this never ends. */
	while (count_parts() != parts)
		usleep(1000);
}

START_TEST(exec_ends_the_channel)
{
	unsigned int before;
	int status, go[2];
	char byte = 0;
	pid_t pid;

	begin(1);
	ck_assert_int_eq(pipe(go), 0);
	before = count_parts();
	ck_assert_uint_eq(before, 2);
	pid = fork();
	if (!pid) {
		open_channel();
		if (count_parts() != before + 2 || read(go[0], &byte, 1) != 1)
			_exit(2);
		execlp("sleep", "sleep", "1000", (char *)NULL);
		_exit(3);
	}
	wait_for_parts(before + 2);
	ck_assert_int_eq(write(go[1], &byte, 1), 1);
	close(go[0]);
	close(go[1]);
	wait_for_parts(before);
	ck_assert_int_eq(waitpid(pid, &status, WNOHANG), 0);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	ck_assert_uint_eq(get(WHERE), 1);
	end();
}
END_TEST

/* Continues in a child, which has pid 1 if this process is root. */
static void fork_and_wait(void)
{
	int status = unshare(CLONE_NEWPID);
	pid_t pid = fork();

	if (pid)
		_exit(waitpid(pid, &status, 0) != pid || status);
}

/* The child has neither the connection nor the memory, and its end does not end the channel. */
START_TEST(forked_child_cannot_use_the_channel)
{
	uint32_t number;
	int status, r;
	void *part;
	pid_t pid;

	begin(1);
	pid = fork();
	if (!pid) {
		fork_and_wait();
		open_channel();
		part = ((struct channel_caller *)proxy->channel)->own;
		fork_and_wait();
		mmap(part, 1, PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		r = call_for(WHERE, NULL, 0, &number);
		ipc_proxy_unref(proxy);
		ipc_unref(ipc);
		*(char *)part = 1;
		_exit(r == -ECHILD ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	wait_for_parts(2);
	ck_assert_uint_eq(get(WHERE), 1);
	end();
}
END_TEST

START_TEST(child_of_a_handler_cannot_use_the_channel)
{
	begin(1);
	ck_assert_uint_eq(get(FORK), 0);
	ck_assert_uint_eq(get(WHERE), 1);
	end();
}
END_TEST

static int status_of_child = -1;

static int fork_once(struct ipc_call *call, const struct ipc_raw_message *request, void *unused)
{
	(void)request, (void)unused;
	if (status_of_child == -1) {
		pid_t pid = fork();

		/* The child returns to the call that its thread waits for. */
		if (!pid)
			return 0;
		waitpid(pid, &status_of_child, 0);
	}
	return reply_number(call, 1);
}

START_TEST(child_of_a_nested_handler_cannot_use_the_channel)
{
	static const struct ipc_raw_ops ops = { .serve = fork_once };
	struct ipc_raw_entry entry = { .type = IPC_RAW_OBJECT };
	pid_t parent = getpid();
	uint32_t number;
	int r;

	begin(1);
	ck_assert_int_eq(ipc_raw_object_new(ipc, &ops, NULL, &entry.object), 0);
	ck_assert_int_eq(ipc_raw_call(proxy, &(struct ipc_raw_message){ .method = SET_BACK,
									.entries = &entry,
									.n_entries = 1 },
				      NULL, NULL, NULL), 0);
	r = call_for(CALL_BACK, NULL, 0, &number);
	if (getpid() != parent)
		_exit(r == -ECHILD ? 0 : 1);
	ck_assert_int_eq(r, 0);
	ck_assert_int_eq(status_of_child, 0);
	ipc_object_unref(entry.object);
	end();
}
END_TEST

/* As with the bus, the server sees the user that opened it. */
START_TEST(setuid_does_not_change_the_caller)
{
	struct ipc_raw_message *reply;
	uint32_t who[4];
	int status;
	pid_t pid;

	if (geteuid() != 0)
		return;
	begin(1);
	pid = fork();
	if (!pid) {
		open_channel();
		if (setuid(NOBODY) < 0 || get(WHERE) != 1 ||
		    ipc_raw_call(proxy, &(struct ipc_raw_message){ .method = WHO }, NULL, &reply,
				 NULL) < 0)
			_exit(2);
		memcpy(who, reply->data, sizeof(who));
		_exit(who[0] == 0 && who[2] == (uint32_t)getpid() ? 0 : 3);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	end();
}
END_TEST

/* A frozen server is usually stopped. Its channel works again afterwards. */
START_TEST(call_to_a_frozen_server_fails)
{
	uint32_t number;

	begin(1);
	ck_assert_int_eq(ipc_freeze(ipc, server, 1000), 0);
	stop_server();
	ck_assert_int_eq(call_for(WHERE, NULL, 0, &number), -EHOSTDOWN);
	ck_assert_int_eq(call_for(WHERE, NULL, 0, &number), -EHOSTDOWN);
	kill(server, SIGCONT);
	ck_assert_int_ge(ipc_thaw(ipc, server), 0);
	ck_assert_uint_eq(get(WHERE), 1);
	end();
}
END_TEST

static int results[4];

/* Runs while the connection is closed. */
static void use_closed(int code, struct ipc_raw_message *reply, const struct ipc_error *error,
		       void *userdata)
{
	const struct ipc_raw_message request = { .method = WHERE };

	(void)reply, (void)error, (void)userdata;
	results[0] = code;
	results[1] = ipc_raw_call(proxy, &request, NULL, NULL, NULL);
	results[2] = ipc_raw_call_async(proxy, &request, NULL, use_closed, NULL, NULL);
	results[3] = ipc_raw_oneway(proxy, &request, NULL);
	ipc_proxy_unref(proxy);
}

START_TEST(callback_may_use_a_closed_connection)
{
	const struct ipc_raw_message request = { .method = CANCELS };

	begin(2);
	ck_assert_int_eq(ipc_raw_call_async(proxy, &request, NULL, use_closed, NULL, NULL), 0);
	ipc_proxy_ref(proxy);
	connect_again();
	ck_assert_int_eq(results[0], -ECANCELED);
	for (unsigned int i = 1; i < 4; i++)
		ck_assert_int_lt(results[i], 0);
	end();
}
END_TEST

/* --- A reply to a stopped client -------------------------------------------------------------- */

enum { TAKE = 1000, KEEP, CALL_CLIENT, REPLY_TO_KEPT };

static struct ipc_proxy *client_object;
static struct ipc_call *kept;

/* Replies with the errno of a call to the client's object. */
static int call_client(struct ipc_call *call)
{
	const struct ipc_raw_message request = { .method = WHERE };
	const struct ipc_options options = { .timeout_usec = 300000 };
	int r = ipc_raw_call(client_object, &request, &options, NULL, NULL);

	return reply_number(call, (uint32_t)-r);
}

static int serve_kept(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	struct ipc_raw_entry entry = { .type = IPC_RAW_PROXY, .proxy = client_object };

	(void)userdata;
	switch (request->method) {
	case TAKE:
		client_object = ipc_proxy_ref(request->entries[0].proxy);
		break;
	case KEEP:
		kept = ipc_call_ref(call);
		kill(ipc_call_pid(call), SIGSTOP);
		return 0;
	case CALL_CLIENT:
		return call_client(call);
	case REPLY_TO_KEPT:
		ipc_raw_reply(kept, &(struct ipc_raw_message){ .entries = &entry, .n_entries = 1 });
		break;
	}
	return reply_number(call, 0);
}

static const struct ipc_raw_ops kept_ops = { .serve = serve_kept };

static int reply_to_kept(struct ipc_call *call, const struct ipc_raw_message *request,
			 void *userdata)
{
	uint32_t number;
	int r;

	(void)request, (void)userdata;
	/* Has the deadline of the call that is served here, whose end cancels it. */
	r = call_for(REPLY_TO_KEPT, NULL, 0, &number);
	ck_assert(r == -ETIMEDOUT || (r == -ECANCELED && ipc_call_is_canceled(call)));
	return reply_number(call, 0);
}

static const struct ipc_raw_ops client_ops = { .serve = reply_to_kept };

static pid_t start_client(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	connect_again();
	for (unsigned int i = 0; i < CHANNEL_AFTER + 3; i++)
		get(WHERE);
	get(KEEP);
	_exit(0);
}

/* The handler's thread waits for the stopped client when its own call ends. */
START_TEST(a_call_ends_while_its_callback_waits_for_a_join)
{
	struct ipc_raw_entry entry = { .type = IPC_RAW_OBJECT };
	const struct ipc_raw_message request = { .method = TAKE,
						 .entries = &entry,
						 .n_entries = 1 };
	int status;
	pid_t pid;

	begin_ops(1, "1", &kept_ops);
	pid = start_client();
	ck_assert_int_eq(waitpid(pid, &status, WUNTRACED), pid);
	ck_assert(WIFSTOPPED(status));
	ck_assert_int_eq(ipc_raw_object_new(ipc, &client_ops, NULL, &entry.object), 0);
	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, NULL, NULL), 0);
	ck_assert_uint_eq(get(CALL_CLIENT), ETIMEDOUT);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ipc_object_unref(entry.object);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("channel-processes", a_call_ends_while_its_callback_waits_for_a_join,
			 callback_may_use_a_closed_connection,
			 exec_ends_the_channel,
			 forked_child_cannot_use_the_channel,
			 child_of_a_handler_cannot_use_the_channel,
			 child_of_a_nested_handler_cannot_use_the_channel,
			 setuid_does_not_change_the_caller, call_to_a_frozen_server_fails);
}
