// SPDX-License-Identifier: MIT
/*
 * Counters and notifications of the driver: references, deaths, freezing, and all messages for a
 * monitor. The monitor needs CAP_SYS_ADMIN, or the user of ipcbusd.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <ipc/monitor.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

static void process_all(struct ipc *ipc)
{
	while (ipc_process(ipc) > 0)
		;
}

static struct ipc_object_info info_of(const struct ipc_object *object)
{
	struct ipc_object_info info = { .size = sizeof(info) };

	ck_assert_int_eq(ipc_object_info(object, &info), 0);
	return info;
}

/* --- References -------------------------------------------------------------------- */

#define ROUNDS 1000

static void bounce(struct client *client, struct ipc_object *object)
{
	ipc_auto(server_bounce_reply_free) E2e__BounceReply *reply = NULL;
	E2e__BounceRequest request = E2E__BOUNCE_REQUEST__INIT;
	ipc_auto(ipc_object_unref) struct ipc_object *home = NULL;
	Ipc__Object id = IPC__OBJECT__INIT;

	id.id = object_id(object);
	request.object = &id;
	ck_assert_int_eq(server_bounce(client->server, &request, &reply, NULL), 0);
	ck_assert_int_eq(ipc_take_object(client->ipc, &reply->object->id, &home), 0);
	ck_assert_ptr_eq(home, object);
}

static void destroyed(void *userdata)
{
	++*(int *)userdata;
}

START_TEST(counts_are_exact)
{
	static const struct counter_ops no_ops;
	E2e__LoggedReply *reply;
	struct ipc_object *object;
	int gone = 0;

	client_start(&one_thread);
	ck_assert_int_eq(counter_object_new(client.ipc, &no_ops, &gone, destroyed, &object), 0);
	ck_assert_uint_eq(info_of(object).refs, 0);
	for (int i = 0; i < ROUNDS; i++)
		bounce(&client, object);

	/* A call releases the buffer of the previous reply, which refers to the object. */
	ck_assert_int_eq(server_logged(client.server, &reply, NULL), 0);
	server_logged_reply_free(reply);
	for (int i = 0; info_of(object).refs && i < 500; i++)
		sleep_ms(10);
	ck_assert_uint_eq(info_of(object).refs, 0);
	ck_assert_uint_eq(info_of(object).pending, 0);
	process_all(client.ipc);
	ck_assert_int_eq(gone, 0);
	ipc_object_unref(object);
	ck_assert_int_eq(gone, 1);
}
END_TEST

START_TEST(counters_come_and_go)
{
	ipc_auto(server_alive_reply_free) E2e__AliveReply *alive = NULL;

	client_start(&one_thread);
	for (int i = 0; i < ROUNDS; i++) {
		ipc_auto(server_new_counter_reply_free) E2e__NewCounterReply *reply = NULL;
		ipc_auto(counter_unref) struct counter *counter = NULL;

		ck_assert_int_eq(server_new_counter(client.server, &reply, NULL), 0);
		ck_assert_int_eq(counter_take(client.ipc, reply->counter, &counter), 0);
	}
	for (int i = 0; i < 500; i++) {
		server_alive_reply_free(alive);
		ck_assert_int_eq(server_alive(client.server, &alive, NULL), 0);
		if (!alive->counters)
			break;
		sleep_ms(10);
	}
	ck_assert_uint_eq(alive->counters, 0);
}
END_TEST

/* --- Deaths ------------------------------------------------------------------------ */

#define WATCHERS 200

static void count(struct ipc_proxy *proxy, void *userdata)
{
	(void)proxy;
	++*(int *)userdata;
}

START_TEST(many_watchers_of_one_proxy)
{
	int counts[WATCHERS] = { 0 };
	struct ipc_slot *slots[WATCHERS];

	client_start(&one_thread);
	for (int i = 0; i < WATCHERS; i++)
		ck_assert_int_eq(server_on_death(client.server, count, &counts[i], &slots[i]), 0);
	for (int i = 0; i < WATCHERS; i += 2)
		slots[i] = ipc_slot_end(slots[i]);
	client_kill_server();
	ck_assert_int_eq(ipc_wait_event(client.ipc, 20000000), 1);
	process_all(client.ipc);
	for (int i = 0; i < WATCHERS; i++)
		ck_assert_int_eq(counts[i], i % 2);
	for (int i = 0; i < WATCHERS; i++)
		ipc_slot_end(slots[i]);
}
END_TEST

/* --- Monitors -------------------------------------------------------------------------- */

struct seen {
	uint64_t call; /* the last */
	int calls;
	int replies;
	int text; /* calls that contain "watched" */
	int failures;
};

static void see(struct ipc *ipc, const struct ipc_record *record, void *userdata)
{
	struct seen *seen = userdata;

	(void)ipc;
	if (record->kind == IPC_RECORD_CALL) {
		seen->calls++;
		seen->call = record->id;
		ck_assert_int_eq(record->from_pid, getpid());
		if (record->data_kept && memmem(record->data, record->data_kept, "watched", 7))
			seen->text++;
		ck_assert_uint_le(record->data_kept, 64);
	} else if (record->kind == IPC_RECORD_REPLY) {
		seen->replies++;
		ck_assert_uint_eq(record->id, seen->call);
	} else if (record->kind == IPC_RECORD_FAILED) {
		seen->failures++;
	}
}

START_TEST(monitor_records_calls_and_replies)
{
	E2e__SayRequest request = E2E__SAY_REQUEST__INIT;
	struct seen seen = { 0 };
	struct ipc_slot *slot;
	struct ipc *monitor;

	client_start(&one_thread);
	ck_assert_int_eq(ipc_open(&monitor, NULL), 0);
	ck_assert_int_eq(ipc_monitor(monitor, IPC_MONITOR_MESSAGES, 0, 64, NULL, NULL,
				     /* ret_slot= */ NULL),
			 -EINVAL);
	ck_assert_int_eq(ipc_monitor(monitor, IPC_MONITOR_MESSAGES | IPC_MONITOR_FAILURES, 0, 64,
				     see, &seen, &slot),
			 0);
	request.text = "watched";
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(server_say(client.server, &request, NULL, NULL), 0);
	process_all(monitor);
	ck_assert_int_eq(seen.calls, 10);
	ck_assert_int_eq(seen.replies, 10);
	ck_assert_int_eq(seen.text, 10);
	ck_assert_int_eq(seen.failures, 0);

	ipc_slot_end(slot);
	ck_assert_int_eq(server_say(client.server, &request, NULL, NULL), 0);
	process_all(monitor);
	ck_assert_int_eq(seen.calls, 10);
	ck_assert_int_eq(ipc_monitor(monitor, 0, 0, 0, see, NULL, NULL), -EINVAL);
	ck_assert_int_eq(ipc_monitor(NULL, 0, 0, 0, NULL, NULL, /* ret_slot= */ NULL), -EINVAL);
	ipc_unref(monitor);
}
END_TEST

int main(void)
{
	return RUN_TESTS("watch", counts_are_exact, counters_come_and_go,
			 many_watchers_of_one_proxy, monitor_records_calls_and_replies);
}
