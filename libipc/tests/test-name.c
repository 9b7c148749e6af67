// SPDX-License-Identifier: MIT
/*
 * Replays at a new service manager, their failures, and the end of names, on the fake device. The
 * test chooses the manager's replies.
 */
#include <errno.h>
#include <ipc/raw.h>
#include <ipc/rpc.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include "fake-device.h"
#include "core/object.h"
#include "conn/private.h"
#include "method.h"
#include "servicemanager.ipc.h"
#include "test-run.h"
#include "test.ipc.h"

static const struct test_ops ops = { 0 };
static struct ipc *ipc;
static struct ipc_object *object;
static char failures[512];

static void on_event(struct ipc *from, const char *name, enum ipc_registration_event event,
		     int error, void *userdata)
{
	struct ipc_slot *slot;
	size_t size = strlen(failures);

	ck_assert_ptr_eq(from, ipc);
	ck_assert_ptr_eq(userdata, &failures);
	/* Checks that no lock is held. */
	ck_assert_int_eq(ipc_on_registration(ipc, on_event, userdata, &slot), 0);
	ipc_slot_end(slot);
	ck_assert_int_eq(error != 0, event == IPC_REGISTRATION_FAILED);
	snprintf(failures + size, sizeof(failures) - size, "%s %d\n", name, error);
}

static void on_change(struct ipc *from, enum ipc_name_change change,
		      const struct ipc_name_info *info, struct ipc_proxy *proxy, void *userdata)
{
	(void)from, (void)change, (void)info, (void)proxy, (void)userdata;
}

/* Sets the manager's next reply. */
static void push_reply(int r)
{
	struct ipcbus_event event = { .kind = r ? IPCBUS_EVENT_ERROR : IPCBUS_EVENT_REPLY,
				      .error = r, .buffer = 70 };

	/* These errors come from the bus. */
	if (r == -ETIMEDOUT || r == -ENOTCONN || r == -ECONNRESET || r == -ECANCELED || r == -EINTR)
		event.kind = IPCBUS_EVENT_FAILED;
	fake_push(event, "", 0, NULL, 0);
}

static void begin(void)
{
	fake_reset();
	failures[0] = '\0';
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(test_object_new(ipc, &ops, NULL, NULL, &object), 0);
	ck_assert_int_eq(ipc_on_registration(ipc, on_event, &failures,
			/* ret_slot= */ NULL), 0);
}

static void begin_with(const char *name)
{
	begin();
	push_reply(0);
	ck_assert_int_eq(ipc_register_name(ipc, name, object, /* ret_slot= */ NULL), 0);
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
	return method_of(&service_manager_interface, method)->number;
}

/* A new manager starts, and replies to a single request. */
static void manager_comes(int r)
{
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_MANAGER }, NULL, 0, NULL, 0);
	push_reply(r);
	ck_assert_int_eq(ipc_process(ipc), 1);
}

START_TEST(failed_replay_is_reported)
{
	begin_with("name");
	manager_comes(-EEXIST);
	ck_assert_str_eq(failures, "name -17\n");
	/* A later failure is reported as well. */
	manager_comes(-EACCES);
	ck_assert_str_eq(failures, "name -17\nname -13\n");
	manager_comes(0);
	ck_assert_str_eq(failures, "name -17\nname -13\n");
	end();
}
END_TEST

static void count_line(int priority, const char *line, void *userdata)
{
	ck_assert_int_eq(priority, LOG_WARNING);
	ck_assert_ptr_nonnull(strstr(line, "ipc: name: cannot register again: "));
	++*(int *)userdata;
}

START_TEST(failure_without_a_callback_is_logged)
{
	struct ipc_cancellation *canceled;
	int lines = 0;

	ipc_set_log(count_line, &lines);
	begin_with("name");
	manager_comes(-EEXIST);
	ck_assert_str_eq(failures, "name -17\n");
	ck_assert_int_eq(lines, 0);
	end();

	fake_reset();
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(test_object_new(ipc, &ops, NULL, NULL, &object), 0);
	push_reply(0);
	ck_assert_int_eq(ipc_register_name(ipc, "name", object, NULL), 0);
	manager_comes(-EEXIST);
	ck_assert_int_eq(lines, 1);
	manager_comes(-EINTR);
	ck_assert_int_eq(lines, 2);
	/* The connection closes. */
	manager_comes(-ECANCELED);
	ck_assert_int_eq(lines, 2);

	/* A canceled thread registers the names of its connection all the same. */
	ck_assert_int_eq(ipc_cancellation_new(ipc, &canceled), 0);
	ipc_cancel(canceled);
	ipc_raw_set_names_cancellation(canceled);
	manager_comes(-EEXIST);
	ck_assert_ptr_eq(ipc_raw_set_names_cancellation(NULL), canceled);
	ck_assert_int_eq(lines, 3);
	ipc_cancellation_unref(canceled);
	end();
	ipc_set_log(NULL, NULL);
}
END_TEST

START_TEST(failed_watches_are_reported_too)
{
	begin_watching("some.*");
	manager_comes(-EDQUOT);
	ck_assert_str_eq(failures, "some.* -122\n");
	manager_comes(0);
	ck_assert_str_eq(failures, "some.* -122\n");
	end();
}
END_TEST

/* Another process has the name now: this connection's request is fulfilled. */
START_TEST(name_of_another_process_is_not_registered_again)
{
	unsigned int sent;

	begin_with("name");
	push_reply(-EPERM);
	ck_assert_int_eq(ipc_unregister_name(ipc, "name"), 0);
	sent = fake.n_sent;
	ck_assert_int_eq(ipc_unregister_name(ipc, "name"), -ENOENT);
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_MANAGER }, NULL, 0, NULL, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
	ck_assert_uint_eq(fake.n_sent, sent);
	end();
}
END_TEST

/* The manager may have registered the name before the reply failed. */
START_TEST(a_registration_without_a_reply_is_undone)
{
	static const int lost[] = { -ENOMEM, -ENOSPC };
	static const int refused[] = { -EEXIST, -EACCES };
	uint32_t code = method_of(&service_manager_interface, "UnregisterName")->number;

	for (size_t i = 0; i < sizeof(lost) / sizeof(lost[0]); i++) {
		begin();
		push_reply(lost[i]);
		push_reply(0);
		ck_assert_int_eq(ipc_register_name(ipc, "name", object, NULL), lost[i]);
		ck_assert_uint_eq(fake_last()->send.code, code);
		push_reply(-ENOENT);
		ck_assert_int_eq(ipc_unregister_name(ipc, "name"), -ENOENT);
		end();
		begin();
		push_reply(refused[i]);
		ck_assert_int_eq(ipc_register_name(ipc, "name", object, NULL), refused[i]);
		ck_assert_uint_ne(fake_last()->send.code, code);
		end();
	}
}
END_TEST

/* There is no manager that knows it, and the next manager does not learn of it. */
START_TEST(a_name_goes_without_a_manager)
{
	static const int lost[] = { -ENOTCONN, -ECONNRESET };
	unsigned int sent;

	for (size_t i = 0; i < sizeof(lost) / sizeof(lost[0]); i++) {
		begin_with("name");
		push_reply(lost[i]);
		ck_assert_int_eq(ipc_unregister_name(ipc, "name"), 0);
		sent = fake.n_sent;
		ck_assert_int_eq(ipc_unregister_name(ipc, "name"), -ENOENT);
		fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_MANAGER }, NULL, 0, NULL, 0);
		ck_assert_int_eq(ipc_process(ipc), 1);
		ck_assert_uint_eq(fake.n_sent, sent);
		end();
	}
}
END_TEST

/* --- Idle exit -------------------------------------------------------------------------- */

static void begin_idle_exit(void)
{
	begin();
	push_reply(0);
	ck_assert_int_eq(ipc_register_name_with(ipc, "name", object, IPC_NAME_IDLE_EXIT,
			/* ret_slot= */ NULL), 0);
}

START_TEST(idle_name_is_given_up)
{
	begin_idle_exit();
	push_reply(-ENOENT);
	ck_assert_int_eq(ipc_idle_exit(ipc, "name"), 0);
	ck_assert_uint_eq(fake_last()->send.code, code_of("UnregisterName"));
	ck_assert_int_eq(ipc_idle_exit(ipc, "name"), -ENOENT);
	end();
}
END_TEST

START_TEST(used_name_is_taken_back)
{
	begin_idle_exit();
	/* A oneway of a channel is handled. */
	atomic_store(&object->turn.shared, turn_enter(object));
	push_reply(0);
	push_reply(0);
	ck_assert_int_eq(ipc_idle_exit(ipc, "name"), -EBUSY);
	ck_assert_uint_eq(fake_last()->send.code, code_of("RegisterName"));
	turn_leave(object);
	end();
}
END_TEST

/* After an unknown result, the name may have been given up, so it is registered again. */
START_TEST(name_is_taken_back_after_an_unknown_result)
{
	begin_idle_exit();
	push_reply(-ETIMEDOUT);
	push_reply(0);
	ck_assert_int_eq(ipc_idle_exit(ipc, "name"), -ETIMEDOUT);
	ck_assert_uint_eq(fake_last()->send.code, code_of("RegisterName"));
	ck_assert_str_eq(failures, "");
	end();
}
END_TEST

START_TEST(failure_to_take_back_is_reported)
{
	begin_idle_exit();
	object_id(object);
	fake.settle_error = -EBUSY;
	push_reply(0);
	push_reply(-EACCES);
	ck_assert_int_eq(ipc_idle_exit(ipc, "name"), -EBUSY);
	ck_assert_uint_eq(fake_last()->send.code, code_of("RegisterName"));
	ck_assert_str_eq(failures, "name -13\n");

	push_reply(0);
	push_reply(-EEXIST);
	ck_assert_int_eq(ipc_idle_exit(ipc, "name"), -EBUSY);
	ck_assert_str_eq(failures, "name -13\nname -17\n");
	fake.settle_error = 0;
	end();
}
END_TEST

START_TEST(idle_exit_needs_its_flag)
{
	begin();
	push_reply(0);
	ck_assert_int_eq(ipc_register_name(ipc, "name", object, /* ret_slot= */ NULL), 0);
	ck_assert_int_eq(ipc_idle_exit(ipc, "name"), -ENOENT);
	end();
}
END_TEST

START_TEST(canceled_thread_sends_no_names)
{
	struct ipc_cancellation *cancellation;
	struct ipc_name_info **infos;
	struct ipc_slot *slot = NULL;
	struct ipc_proxy *proxy;
	unsigned int sent;

	begin();
	push_reply(0);
	ck_assert_int_eq(ipc_register_name(ipc, "name", object, &slot), 0);
	ck_assert_int_eq(ipc_cancellation_new(ipc, &cancellation), 0);
	ck_assert_ptr_null(ipc_raw_set_names_cancellation(cancellation));
	push_reply(-EEXIST);
	ck_assert_int_eq(ipc_register_name(ipc, "other", object, NULL), -EEXIST);
	ck_assert_int_eq(ipc_cancel(cancellation), 0);
	sent = fake.n_sent;
	ck_assert_int_eq(ipc_register_name(ipc, "other", object, NULL), -ECANCELED);
	ck_assert_int_eq(ipc_unregister_name(ipc, "name"), -ECANCELED);
	ck_assert_int_eq(ipc_proxy_get(ipc, "name", NULL, &proxy), -ECANCELED);
	ck_assert_int_eq(ipc_proxy_wait(ipc, "name", NULL, IPC_NEVER, &proxy), -ECANCELED);
	ck_assert_int_eq(ipc_check_name(ipc, "name", NULL), -ECANCELED);
	ck_assert_int_eq(ipc_list_names(ipc, "*", &infos), -ECANCELED);
	ck_assert_int_eq(ipc_watch_names(ipc, "*", on_change, NULL, NULL), -ECANCELED);
	ipc_slot_end(slot);
	ck_assert_uint_eq(fake.n_sent, sent);

	ck_assert_ptr_eq(ipc_raw_set_names_cancellation(NULL), cancellation);
	ipc_cancellation_unref(cancellation);
	push_reply(0);
	ck_assert_int_eq(ipc_register_name(ipc, "other", object, NULL), 0);
	end();
}
END_TEST

/* For each function, records whether its message is detached from all calls. */
static int use_names(struct ipc_call *call, const struct ipc_raw_message *message, void *userdata)
{
	unsigned int *detached = userdata, first = fake.n_sent;
	struct ipc_proxy *proxy;

	(void)call, (void)message;
	push_reply(0);
	ck_assert_int_eq(ipc_register_name(ipc, "late", object, NULL), 0);
	push_reply(0);
	ck_assert_int_eq(ipc_unregister_name(ipc, "late"), 0);
	push_reply(-EIO);
	ck_assert_int_eq(ipc_proxy_get(ipc, "name", NULL, &proxy), -EIO);
	push_reply(-EIO);
	ck_assert_int_eq(ipc_proxy_wait(ipc, "name", NULL, IPC_NEVER, &proxy), -EIO);
	ck_assert_uint_eq(fake.n_sent, first + 4);
	*detached = 0;
	for (unsigned int i = first; i < fake.n_sent; i++)
		*detached = *detached << 1 |
			    !!(fake.sent[i].send.flags & IPCBUS_SEND_DETACHED);
	return 0;
}

START_TEST(handler_that_outlived_its_call_uses_names_detached)
{
	const struct ipc_raw_ops handler = { .serve = use_names };
	struct ipcbus_event request = { .kind = IPCBUS_EVENT_CALL, .call = 100, .buffer = 80 };
	struct ipc_object *served;
	unsigned int detached = 1;

	begin();
	ck_assert_int_eq(ipc_raw_object_new(ipc, &handler, &detached, &served), 0);
	object_id(served);
	request.cookie = fake.cookie;
	fake_push(request, "", 0, NULL, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
	ck_assert_uint_eq(detached, 0);

	fake.canceled_call = request.call;
	fake_push(request, "", 0, NULL, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
	ck_assert_uint_eq(detached, 0xf);
	ipc_object_unref(served);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("name", canceled_thread_sends_no_names,
			 handler_that_outlived_its_call_uses_names_detached,
			 failed_replay_is_reported, failure_without_a_callback_is_logged,
			 failed_watches_are_reported_too,
			 name_of_another_process_is_not_registered_again,
			 a_name_goes_without_a_manager,
			 a_registration_without_a_reply_is_undone,
			 name_is_taken_back_after_an_unknown_result,
			 failure_to_take_back_is_reported, idle_exit_needs_its_flag,
			 idle_name_is_given_up, used_name_is_taken_back);
}
