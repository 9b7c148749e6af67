// SPDX-License-Identifier: MIT
/*
 * Replays at a new service manager, their failures, and the end of names, on the fake device. The
 * test chooses the manager's replies.
 */
#include <errno.h>
#include <ipc/raw.h>
#include <ipc/rpc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include "fake-device.h"
#include "channels/channel-server.h"
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

/* Sets the manager's next reply. cookie: 0, or that of an async request. */
static void push_reply_to(uint64_t cookie, int r)
{
	struct ipcbus_event event = { .kind = r ? IPCBUS_EVENT_ERROR : IPCBUS_EVENT_REPLY,
				      .error = r, .buffer = 70, .cookie = cookie };

	/* These errors come from the bus. */
	if (r == -ETIMEDOUT || r == -ENOTCONN || r == -ECONNRESET || r == -ECANCELED || r == -EINTR)
		event.kind = IPCBUS_EVENT_FAILED;
	fake_push(event, "", 0, NULL, 0);
}

static void push_reply(int r)
{
	push_reply_to(0, r);
}

/* The manager replies to the last request, which is async. */
static void reply_async(int r)
{
	ck_assert(fake_last()->send.flags & IPCBUS_SEND_ASYNC);
	push_reply_to(fake_last()->send.cookie, r);
	ck_assert_int_eq(ipc_process(ipc), 1);
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
	ck_assert_int_eq(ipc_process(ipc), 1);
	reply_async(r);
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
	/* The connection closes during the replay. */
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_MANAGER }, NULL, 0, NULL, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
	end();
	ck_assert_int_eq(lines, 2);
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

/* --- Async forms -------------------------------------------------------------------------- */

static unsigned int n_done;
static int result;

static void on_done(int r, void *userdata)
{
	ck_assert_ptr_eq(userdata, &n_done);
	n_done++;
	result = r;
}

static void on_found(int r, struct ipc_proxy *proxy, void *userdata)
{
	ck_assert_int_eq(!proxy, r < 0);
	ipc_proxy_unref(proxy);
	on_done(r, userdata);
}

static void on_info(int r, const struct ipc_name_info *info, void *userdata)
{
	ck_assert_int_eq(!info, r < 0);
	on_done(r, userdata);
}

static void on_infos(int r, struct ipc_name_info **infos, void *userdata)
{
	ck_assert_int_eq(!infos, r < 0);
	free(infos);
	on_done(r, userdata);
}

enum function { GET, WAIT, CHECK, LIST, REGISTER, UNREGISTER, WATCH, N_FUNCTIONS };

/* Starts a function. UNREGISTER needs "name". */
static int start(enum function function, const struct ipc_options *options,
		 struct ipc_slot **ret_slot)
{
	switch (function) {
	case GET:
		return ipc_proxy_get_async(ipc, "x", NULL, options, on_found, &n_done, ret_slot);
	case WAIT:
		return ipc_proxy_wait_async(ipc, "x", NULL, IPC_NEVER, options, on_found, &n_done,
					    ret_slot);
	case CHECK:
		return ipc_check_name_async(ipc, "x", options, on_info, &n_done, ret_slot);
	case LIST:
		return ipc_list_names_async(ipc, "*", options, on_infos, &n_done, ret_slot);
	case REGISTER:
		return ipc_register_name_async(ipc, "x", object, 0, options, on_done, &n_done,
					       ret_slot);
	case UNREGISTER:
		return ipc_unregister_name_async(ipc, "name", options, on_done, &n_done, ret_slot);
	default:
		return ipc_watch_names_async(ipc, "x.*", on_change, options, on_done, &n_done,
					     ret_slot);
	}
}

START_TEST(async_functions_report_results_on_a_serving_thread)
{
	for (int i = 0; i < N_FUNCTIONS; i++) {
		struct ipc_slot *slot = NULL;

		begin_with("name");
		n_done = 0;
		ck_assert_int_eq(start(i, NULL, &slot), 0);
		ck_assert_ptr_nonnull(slot);
		ck_assert(fake_last()->send.flags & IPCBUS_SEND_DETACHED);
		ck_assert_uint_eq(n_done, 0);
		reply_async(-EIO);
		ck_assert_uint_eq(n_done, 1);
		ck_assert_int_eq(result, -EIO);
		ipc_slot_end_async(slot);
		end();
	}
}
END_TEST

/* The result of a request without a reply, and wrong options. */
START_TEST(async_functions_that_cannot_be_sent_report_nothing)
{
	const char *const metadata[] = { "a", "b", NULL };
	const struct ipc_options wrong[] = { { .metadata = metadata }, { .flags = IPC_REPLACE },
					     { .reserved = { 1 } } };

	for (int i = 0; i < N_FUNCTIONS; i++) {
		struct ipc_slot *slot = NULL;
		unsigned int sent;

		begin_with("name");
		n_done = 0;
		sent = fake.n_sent;
		for (size_t j = 0; j < sizeof(wrong) / sizeof(wrong[0]); j++)
			ck_assert_int_eq(start(i, &wrong[j], &slot), -EINVAL);
		fake.send_error = -ENOSPC;
		fake.send_error_kind = IPCBUS_SEND_CALL;
		ck_assert_int_eq(start(i, NULL, &slot), -ENOSPC);
		ck_assert_ptr_null(slot);
		/* The failed message is counted as well. */
		ck_assert_uint_le(fake.n_sent, sent + 1);
		end();
		ck_assert_uint_eq(n_done, 0);
	}
}
END_TEST

/* The request is canceled or undone, and its end finds no callback. */
START_TEST(ended_slot_cancels_an_async_function)
{
	for (int i = 0; i < N_FUNCTIONS; i++) {
		struct ipc_slot *slot = NULL;
		unsigned int canceled;
		uint64_t request;

		begin_with("name");
		n_done = 0;
		canceled = fake.n_cancels;
		ck_assert_int_eq(start(i, NULL, &slot), 0);
		request = fake_last()->send.cookie;
		ipc_slot_end_async(slot);
		if (i < REGISTER) {
			ck_assert_uint_eq(fake.n_cancels, canceled + 1);
			ck_assert_uint_eq(fake.canceled, request);
		} else if (i == REGISTER) {
			ck_assert_uint_eq(fake_last()->send.code, code_of("UnregisterName"));
		} else if (i == WATCH) {
			ck_assert_uint_eq(fake_last()->send.code, code_of("Unwatch"));
		}
		push_reply_to(request, i < REGISTER ? -ECANCELED : 0);
		ck_assert_int_eq(ipc_process(ipc), 1);
		if (i == REGISTER || i == WATCH)
			reply_async(0);
		ck_assert_uint_eq(n_done, 0);
		end();
		ck_assert_uint_eq(n_done, 0);
	}
}
END_TEST

START_TEST(closed_connection_cancels_async_functions)
{
	for (int i = 0; i < N_FUNCTIONS; i++) {
		begin_with("name");
		n_done = 0;
		ck_assert_int_eq(start(i, NULL, NULL), 0);
		end();
		ck_assert_uint_eq(n_done, 1);
		ck_assert_int_eq(result, -ECANCELED);
	}
}
END_TEST

/* Without a manager, the call waits for the next one, also if the bus does not report it yet. */
START_TEST(async_wait_waits_for_a_manager)
{
	struct ipc_slot *slot;
	unsigned int sent;

	begin();
	n_done = 0;
	ck_assert_int_eq(start(WAIT, NULL, NULL), 0);
	reply_async(-ENOTCONN);
	sent = fake.n_sent;
	ck_assert_int_eq(fake.manager_watches, 1);
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_MANAGER }, NULL, 0, NULL, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
	ck_assert_uint_eq(fake.n_sent, sent + 1);
	reply_async(-EACCES);
	ck_assert_uint_eq(n_done, 1);
	ck_assert_int_eq(result, -EACCES);

	/* The end of the slot, and of the connection. */
	ck_assert_int_eq(start(WAIT, NULL, &slot), 0);
	reply_async(-ENOTCONN);
	ipc_slot_end_async(slot);
	ck_assert_int_eq(start(WAIT, NULL, NULL), 0);
	reply_async(-ENOTCONN);
	ck_assert_uint_eq(n_done, 1);
	end();
	ck_assert_uint_eq(n_done, 2);
	ck_assert_int_eq(result, -ECANCELED);
}
END_TEST

START_TEST(blocking_flag_ends_the_function_on_the_thread)
{
	const struct ipc_options options = { .flags = IPC_RAW_BLOCK };

	for (int i = 0; i < N_FUNCTIONS; i++) {
		begin_with("name");
		n_done = 0;
		push_reply(-EIO);
		ck_assert_int_eq(start(i, &options, NULL), 0);
		ck_assert(!(fake_last()->send.flags & IPCBUS_SEND_ASYNC));
		ck_assert_uint_eq(n_done, 1);
		ck_assert_int_eq(result, -EIO);
		end();
	}
}
END_TEST

START_TEST(canceled_functions_send_nothing)
{
	struct ipc_options options = { .flags = IPC_RAW_BLOCK };
	unsigned int sent;

	for (int i = 0; i < N_FUNCTIONS; i++) {
		begin_with("name");
		ck_assert_int_eq(ipc_cancellation_new(ipc, &options.cancellation), 0);
		ck_assert_int_eq(ipc_cancel(options.cancellation), 0);
		sent = fake.n_sent;
		n_done = 0;
		ck_assert_int_eq(start(i, &options, NULL), 0);
		ck_assert_uint_eq(n_done, 1);
		ck_assert_int_eq(result, -ECANCELED);
		ck_assert_uint_eq(fake.n_sent, sent);
		ipc_cancellation_unref(options.cancellation);
		end();
	}
}
END_TEST

/* A manager that started after the request was sent does not know the registration. */
START_TEST(registration_of_the_old_manager_is_renewed)
{
	uint64_t request;

	begin_with("name");
	manager_comes(0);
	n_done = 0;
	ck_assert_int_eq(start(REGISTER, NULL, NULL), 0);
	request = fake_last()->send.cookie;
	/* The replay leaves it out until the reply of the old manager has been served. */
	manager_comes(0);
	push_reply_to(request, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
	ck_assert_uint_eq(n_done, 1);
	ck_assert_uint_eq(fake_last()->send.code, code_of("RegisterName"));
	reply_async(0);
	end();
}
END_TEST

/* The manager may get the replay after the request to unregister the name. */
START_TEST(replay_does_not_bring_an_ended_name_back)
{
	uint64_t replay, unregister;

	for (int replay_is_first = 0; replay_is_first < 2; replay_is_first++) {
		begin_with("name");
		fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_MANAGER }, NULL, 0, NULL, 0);
		ck_assert_int_eq(ipc_process(ipc), 1);
		ck_assert_uint_eq(fake_last()->send.code, code_of("RegisterName"));
		replay = fake_last()->send.cookie;
		n_done = 0;
		ck_assert_int_eq(ipc_unregister_name_async(ipc, "name", NULL, on_done, &n_done,
				/* ret_slot= */ NULL), 0);
		unregister = fake_last()->send.cookie;
		push_reply_to(replay_is_first ? replay : unregister, 0);
		ck_assert_int_eq(ipc_process(ipc), 1);
		ck_assert_uint_eq(fake_last()->send.cookie, unregister);
		push_reply_to(replay_is_first ? unregister : replay, 0);
		ck_assert_int_eq(ipc_process(ipc), 1);
		ck_assert_uint_eq(n_done, 1);
		ck_assert_uint_ne(fake_last()->send.cookie, unregister);
		ck_assert_uint_eq(fake_last()->send.code, code_of("UnregisterName"));
		reply_async(-ENOENT);
		ck_assert_str_eq(failures, "");
		end();
	}
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
	return RUN_TESTS("name", async_functions_report_results_on_a_serving_thread,
			 async_functions_that_cannot_be_sent_report_nothing,
			 ended_slot_cancels_an_async_function,
			 closed_connection_cancels_async_functions,
			 async_wait_waits_for_a_manager,
			 blocking_flag_ends_the_function_on_the_thread,
			 canceled_functions_send_nothing,
			 registration_of_the_old_manager_is_renewed,
			 replay_does_not_bring_an_ended_name_back,
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
