// SPDX-License-Identifier: MIT
/*
 * What a new servicemanager is notified of, what of that fails, and how names are left: on the
 * fake device, whose manager replies as a test says, and whose clock strikes when it says
 * so.
 */
#include <errno.h>
#include <ipc/rpc.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fake-device.h"
#include "core/private.h"
#include "servicemanager.ipc.h"
#include "test-run.h"
#include "test.ipc.h"

static const struct test_ops ops = { 0 };
static struct ipc *ipc;
static struct ipc_object *object;
static char failures[512];

static void on_failure(struct ipc *from, const char *name, int error, void *userdata)
{
	size_t size = strlen(failures);

	ck_assert_ptr_eq(from, ipc);
	ck_assert_ptr_eq(userdata, &failures);
	/* No lock is held. */
	ck_assert_int_eq(ipc_on_replay_failure(ipc, on_failure, userdata), 0);
	snprintf(failures + size, sizeof(failures) - size, "%s %d\n", name, error);
}

static void on_change(struct ipc *from, enum ipc_name_change change,
		      const struct ipc_name_info *info, struct ipc_proxy *proxy, void *userdata)
{
	(void)from, (void)change, (void)info, (void)proxy, (void)userdata;
}

/* The manager's next reply. */
static void push_reply(int r)
{
	struct ipcbus_event event = { .kind = r ? IPCBUS_EVENT_ERROR : IPCBUS_EVENT_REPLY,
				      .error = r, .buffer = 70 };

	fake_push(event, "", 0, NULL, 0);
}

static void begin(void)
{
	fake_reset();
	failures[0] = '\0';
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(test_object_new(ipc, &ops, NULL, NULL, &object), 0);
	ck_assert_int_eq(ipc_on_replay_failure(ipc, on_failure, &failures), 0);
}

static void begin_with(const char *name)
{
	begin();
	push_reply(0);
	ck_assert_int_eq(ipc_register_name(ipc, name, object), 0);
}

static void begin_watching(const char *pattern)
{
	begin();
	push_reply(0);
	ck_assert_int_eq(ipc_watch_names(ipc, pattern, on_change, NULL, NULL), 0);
}

static void end(void)
{
	ipc_object_unref(object);
	ipc_unref(ipc);
}

static uint32_t code_of(const char *method)
{
	for (size_t i = 0; i < service_manager_interface.n_methods; i++)
		if (!strcmp(service_manager_interface.methods[i].name, method))
			return service_manager_interface.methods[i].code;
	ck_abort_msg("no method %s", method);
}

/* Another manager comes, and replies to one thing that it is sent. */
static void manager_comes(int r)
{
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_MANAGER }, NULL, 0, NULL, 0);
	push_reply(r);
	ck_assert_int_eq(ipc_process(ipc), 1);
}

static bool clock_runs(void)
{
	return fake_last()->send.flags & IPCBUS_SEND_ASYNC && fake_last()->send.code == code_of("Wait");
}

/* The clock ends so, and the manager's next reply is the other. */
static void clock_ends(int how, int r)
{
	struct ipcbus_event event = { .kind = IPCBUS_EVENT_FAILED, .error = how };

	ck_assert(clock_runs());
	event.cookie = fake_last()->send.cookie;
	fake_push(event, NULL, 0, NULL, 0);
	if (r <= 0)
		push_reply(r);
	ck_assert_int_eq(ipc_process(ipc), 1);
}

#define NOTHING 1	/* is asked of the manager */

START_TEST(what_may_pass_is_tried_again)
{
	static const int errors[] = { -ENOMEM, -EAGAIN, -EDQUOT, -ENOSPC, -ETIMEDOUT };

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		begin_with("name");
		manager_comes(errors[i]);
		ck_assert(clock_runs());
		clock_ends(-ETIMEDOUT, errors[i]);
		clock_ends(-ETIMEDOUT, 0);
		ck_assert_uint_eq(fake_last()->send.code, code_of("RegisterName"));
		ck_assert_str_eq(failures, "");
		end();
	}
}
END_TEST

START_TEST(what_does_not_pass_is_reported)
{
	begin_with("name");
	manager_comes(-EEXIST);
	ck_assert(!clock_runs());
	ck_assert_str_eq(failures, "name -17\n");
	/* The next one is notified all the same. */
	manager_comes(-EACCES);
	ck_assert_str_eq(failures, "name -17\nname -13\n");
	manager_comes(0);
	ck_assert_str_eq(failures, "name -17\nname -13\n");
	end();
}
END_TEST

START_TEST(watches_are_tried_and_reported_too)
{
	begin_watching("some.*");
	manager_comes(-EDQUOT);
	clock_ends(-ETIMEDOUT, -EACCES);
	ck_assert_str_eq(failures, "some.* -13\n");
	manager_comes(-EEXIST);
	ck_assert(!clock_runs());
	ck_assert_str_eq(failures, "some.* -13\n");
	end();
}
END_TEST

START_TEST(each_time_it_takes_longer_and_not_for_ever)
{
	uint64_t began, before = 0, took;
	int tries = 0;

	begin_with("name");
	manager_comes(-EDQUOT);
	for (; clock_runs(); tries++) {
		struct timespec now;

		clock_gettime(CLOCK_MONOTONIC, &now);
		began = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
		took = fake_last()->send.deadline / 1000000 - began;
		ck_assert_uint_le(took, 10000);
		ck_assert_uint_ge(took + 100, before);
		before = took;
		clock_ends(-ETIMEDOUT, -EDQUOT);
	}
	ck_assert_int_eq(tries, 10);
	ck_assert_uint_gt(before, 9000);
	ck_assert_str_eq(failures, "name -122\n");
	end();
}
END_TEST

START_TEST(without_a_clock_it_is_tried_once_more)
{
	begin_with("name");
	manager_comes(-ENOMEM);
	clock_ends(-EDQUOT, -ENOMEM);
	ck_assert(!clock_runs());
	ck_assert_str_eq(failures, "name -12\n");
	end();
}
END_TEST

START_TEST(the_end_of_a_manager_stops_the_clock)
{
	unsigned int sent;

	begin_with("name");
	manager_comes(-ENOMEM);
	sent = fake.n_sent;
	clock_ends(-EOWNERDEAD, NOTHING);
	ck_assert_uint_eq(fake.n_sent, sent);
	ck_assert_str_eq(failures, "");
	manager_comes(0);
	ck_assert_str_eq(failures, "");
	end();
}
END_TEST

START_TEST(what_was_removed_is_not_tried)
{
	unsigned int sent;

	begin_with("name");
	manager_comes(-ENOMEM);
	sent = fake.n_sent;
	push_reply(-ENOENT);
	ck_assert_int_eq(ipc_unregister_name(ipc, "name"), 0);
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_FAILED, .error = -ETIMEDOUT,
					 .cookie = fake.sent[sent - 1].send.cookie },
		  NULL, 0, NULL, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
	ck_assert_uint_eq(fake.n_sent, sent + 1);
	end();
}
END_TEST

/* --- Leaving ------------------------------------------------------------------------ */

static void on_idle(struct ipc *from, const char *name, void *userdata)
{
	(void)from, (void)name, (void)userdata;
}

static void begin_idle_exit(void)
{
	begin();
	push_reply(0);
	ck_assert_int_eq(ipc_register_idle_exit(ipc, "name", object, on_idle, NULL), 0);
}

/* Another process of this user's has it by now: there is nothing to give up. */
START_TEST(what_is_anothers_is_left_alone)
{
	begin_idle_exit();
	push_reply(-EPERM);
	push_reply(-ENOENT);
	ck_assert_int_eq(ipc_idle_exit(ipc, "name"), 0);
	ck_assert_uint_eq(fake_last()->send.code, code_of("UnregisterName"));
	ck_assert_int_eq(ipc_idle_exit(ipc, "name"), -ENOENT);
	end();
}
END_TEST

/* Nor to take back. */
START_TEST(what_is_anothers_is_not_taken_back)
{
	begin_idle_exit();
	ck_assert_uint_ne(ipc_object_id(object), 0);
	fake.settle_error = -EBUSY;
	push_reply(-EPERM);
	ck_assert_int_eq(ipc_idle_exit(ipc, "name"), -EBUSY);
	ck_assert_uint_eq(fake_last()->send.code, code_of("IdleExit"));
	fake.settle_error = 0;
	end();
}
END_TEST

START_TEST(what_is_still_used_is_taken_back)
{
	begin_idle_exit();
	ck_assert_uint_ne(ipc_object_id(object), 0);
	fake.settle_error = -EBUSY;
	push_reply(0);
	push_reply(0);
	ck_assert_int_eq(ipc_idle_exit(ipc, "name"), -EBUSY);
	ck_assert_uint_eq(fake_last()->send.code, code_of("RegisterName"));
	fake.settle_error = 0;
	end();
}
END_TEST

/* The clock that runs ends with the connection, and touches nothing of it. */
START_TEST(a_connection_may_close_meanwhile)
{
	begin_with("name");
	manager_comes(-ENOMEM);
	ck_assert(clock_runs());
	end();
	ck_assert_str_eq(failures, "");
}
END_TEST

int main(void)
{
	return RUN_TESTS("name", what_may_pass_is_tried_again, what_does_not_pass_is_reported,
			 watches_are_tried_and_reported_too,
			 each_time_it_takes_longer_and_not_for_ever,
			 without_a_clock_it_is_tried_once_more,
			 the_end_of_a_manager_stops_the_clock, what_was_removed_is_not_tried,
			 a_connection_may_close_meanwhile, what_is_anothers_is_left_alone,
			 what_is_anothers_is_not_taken_back, what_is_still_used_is_taken_back);
}
