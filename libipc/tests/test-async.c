// SPDX-License-Identifier: MIT
/* Async calls, timeouts and canceling on a fake device: each completion runs exactly once. */
#include <errno.h>
#include <ipc/rpc.h>
#include <string.h>

#include "core/async.h"
#include "core/call.h"
#include "fake-device.h"
#include "method.h"
#include "pair.h"
#include "test-run.h"
#include "test.ipc.h"

PAIR_OF(test)
static struct ipc_call *kept;

/* The results that the completions got. */
static struct {
	unsigned int count;
	int result;
	int code;
	char text[64];
	ProtobufCMessage *reply;
	void *userdata;
} end_of;

static int (*on_echo)(struct ipc_call *call);

static int echo(struct ipc_call *call, const Ipc__Test__EchoRequest *request, void *userdata)
{
	(void)request;
	(void)userdata;
	return on_echo(call);
}

static const struct test_ops ops = { .echo = echo, .log = echo };

static const struct ipc_method *method(const char *name)
{
	return method_of(&test_interface, name);
}

static void begin(void)
{
	memset(&end_of, 0, sizeof(end_of));
	begin_pair(&ops, IPC_REGION_DEFAULT);
}

static void completed(void)
{
	ck_abort_msg("not to be called");
}

static void complete(int result, ProtobufCMessage *reply, const struct ipc_error *error,
		     ipc_rpc_cb cb, void *userdata)
{
	ck_assert(cb == completed);
	ck_assert_ptr_nonnull(error);
	end_of.count++;
	end_of.result = result;
	end_of.code = error->code;
	end_of.reply = reply;
	end_of.userdata = userdata;
	if (reply)
		strcpy(end_of.text, ((Ipc__Test__EchoReply *)reply)->text);
	else if (error->text)
		strcpy(end_of.text, error->text);
}

static int call_with_slot(struct ipc_slot **ret_slot)
{
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;

	return ipc_rpc_call_async(test_proxy(peer), method("Echo"), NULL, &request.base, complete,
				  completed, &end_of, ret_slot);
}

/* *ret_id: the cookie that identifies the call for the driver. */
static int call_async(const struct ipc_options *options, uint64_t *ret_id)
{
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;
	int r;

	r = ipc_rpc_call_async(test_proxy(peer), method("Echo"), options, &request.base, complete,
			       completed, &end_of, NULL);
	if (r == 0 && ret_id)
		*ret_id = fake_last()->send.cookie;
	return r;
}

static int call_now(const struct ipc_options *options)
{
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;

	return ipc_rpc_call_with(test_proxy(peer), method("Echo"), options, &request.base, NULL,
				 NULL);
}

static int log_with(const struct ipc_options *options)
{
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;

	return ipc_rpc_oneway_with(test_proxy(peer), method("Log"), options, &request.base);
}

static void push_end(uint32_t kind, uint64_t cookie, int error)
{
	Ipc__Test__EchoReply reply = IPC__TEST__ECHO_REPLY__INIT;
	Ipc__Error explained = IPC__ERROR__INIT;
	const ProtobufCMessage *message = kind == IPCBUS_EVENT_REPLY ? &reply.base :
								       &explained.base;
	struct ipcbus_event event = { .kind = kind, .cookie = cookie, .error = error };
	uint8_t data[256] = { 0 };
	size_t size = 0;

	reply.text = "late";
	explained.text = "no";
	if (kind != IPCBUS_EVENT_FAILED) {
		size = protobuf_c_message_pack(message, data);
		event.buffer = 70;
	}
	fake_push(event, data, size, NULL, 0);
}

static void push_call(uint32_t kind)
{
	struct ipcbus_event event = {
		.kind = kind,
		.cookie = fake.cookie,
		.code = method(kind == IPCBUS_EVENT_CALL ? "Echo" : "Log")->number,
		.call = kind == IPCBUS_EVENT_CALL ? 100 : 0,
		.buffer = 50,
		.deadline = kind == IPCBUS_EVENT_CALL ? 5000 : 0,
	};

	fake_push(event, NULL, 0, NULL, 0);
}

static void push_canceled(void)
{
	struct ipcbus_event event = { .kind = IPCBUS_EVENT_CANCELED, .call = 100 };

	fake.canceled_call = 100;
	fake_push(event, NULL, 0, NULL, 0);
}

static void serve_one(void)
{
	ck_assert_int_eq(ipc_process(ipc), 1);
}

/* --- Async ---------------------------------------------------------------------- */

START_TEST(a_reply_completes)
{
	uint64_t id = 0;

	begin();
	ck_assert_int_eq(call_async(NULL, &id), 0);
	ck_assert_uint_ne(id, 0);
	ck_assert(fake_last()->send.flags & IPCBUS_SEND_ASYNC);
	ck_assert_uint_eq(fake_last()->send.cookie, id);
	ck_assert_uint_eq(fake_last()->flags, 0);
	ck_assert_uint_eq(end_of.count, 0);

	push_end(IPCBUS_EVENT_REPLY, id, 0);
	serve_one();
	ck_assert_uint_eq(end_of.count, 1);
	ck_assert_int_eq(end_of.result, 0);
	ck_assert_str_eq(end_of.text, "late");
	ck_assert_ptr_eq(end_of.userdata, &end_of);

	/* A second report, which the driver never sends, must be ignored. */
	push_end(IPCBUS_EVENT_REPLY, id, 0);
	serve_one();
	ck_assert_uint_eq(end_of.count, 1);
	end();
	ck_assert_uint_eq(end_of.count, 1);
}
END_TEST

static void complete_and_keep(int result, ProtobufCMessage *reply, const struct ipc_error *error,
			      ipc_rpc_cb cb, void *userdata)
{
	complete(result, reply, error, cb, userdata);
	ipc_rpc_keep(reply);
}

START_TEST(a_reply_may_be_kept)
{
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;

	begin();
	ck_assert_int_eq(ipc_rpc_call_async(test_proxy(peer), method("Echo"), NULL, &request.base,
					    complete_and_keep, completed, &end_of, NULL), 0);
	push_end(IPCBUS_EVENT_REPLY, fake_last()->send.cookie, 0);
	serve_one();
	ck_assert_str_eq(((Ipc__Test__EchoReply *)end_of.reply)->text, "late");
	ipc_rpc_free(end_of.reply);
	ipc_rpc_keep(NULL);
	end();
}
END_TEST

START_TEST(failures_complete)
{
	uint64_t id;

	begin();
	ck_assert_int_eq(call_async(NULL, &id), 0);
	push_end(IPCBUS_EVENT_ERROR, id, -EIO);
	serve_one();
	ck_assert_int_eq(end_of.result, -EIO);
	ck_assert_int_eq(end_of.code, -EIO);
	ck_assert_str_eq(end_of.text, "no");
	ck_assert_ptr_null(end_of.reply);

	ck_assert_int_eq(call_async(NULL, &id), 0);
	push_end(IPCBUS_EVENT_FAILED, id, -EOWNERDEAD);
	serve_one();
	ck_assert_int_eq(end_of.result, -EOWNERDEAD);
	ck_assert_uint_eq(end_of.count, 2);
	end();
}
END_TEST

START_TEST(failed_send_does_not_complete)
{
	struct ipc_options options = { .reserved = { 1 } };
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;

	begin();
	fake.send_error = -ENOSPC;
	fake.send_error_kind = IPCBUS_SEND_CALL;
	ck_assert_int_eq(call_async(NULL, NULL), -ENOSPC);
	ck_assert_int_eq(call_async(&options, NULL), -EINVAL);
	options = (struct ipc_options){ .flags = IPC_REPLACE };
	ck_assert_int_eq(call_async(&options, NULL), -EINVAL);
	ck_assert_int_eq(ipc_rpc_call_async(test_proxy(peer), method("Echo"), NULL, &request.base,
					    NULL, completed, NULL, NULL), -EINVAL);
	ck_assert_int_eq(ipc_rpc_call_async(test_proxy(peer), method("Carry"), NULL, &request.base,
					    complete, completed, NULL, NULL), -EINVAL);
	ck_assert_int_eq(test_echo_async(peer, NULL, &request, NULL, NULL, NULL), -EINVAL);
	end();
	ck_assert_uint_eq(end_of.count, 0);
}
END_TEST

/* A completion that frees an object still runs at the end of the connection. */
START_TEST(the_end_of_the_connection_completes)
{
	begin();
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(call_async(NULL, NULL), 0);
	end();
	ck_assert_uint_eq(end_of.count, 100);
	ck_assert_int_eq(end_of.result, -ECANCELED);
	ck_assert_int_eq(end_of.code, -ECANCELED);
}
END_TEST

static unsigned int ended;

static void count_ended(void *userdata)
{
	ck_assert_ptr_eq(userdata, &end_of);
	ended++;
}

/* The call's end still arrives, and frees its resources. */
START_TEST(a_slot_ends_a_call)
{
	struct ipc_slot *slot = NULL;
	uint64_t id;

	begin();
	ended = 0;
	ck_assert_int_eq(call_with_slot(&slot), 0);
	id = fake_last()->send.cookie;
	ipc_slot_set_destroy(slot, count_ended);
	ipc_slot_end(slot);
	ck_assert_uint_eq(fake.canceled, id);
	ck_assert_uint_eq(ended, 1);
	push_end(IPCBUS_EVENT_REPLY, id, 0);
	serve_one();
	ck_assert_uint_eq(end_of.count, 0);

	/* The call has completed: set_destroy() comes late, and runs the function now. */
	ck_assert_int_eq(call_with_slot(&slot), 0);
	push_end(IPCBUS_EVENT_REPLY, fake_last()->send.cookie, 0);
	serve_one();
	ck_assert_uint_eq(end_of.count, 1);
	ipc_slot_set_destroy(slot, count_ended);
	ck_assert_uint_eq(ended, 2);
	ipc_slot_end_async(slot);
	ck_assert_uint_eq(ended, 2);

	/* A released slot, and a call that cannot be sent. */
	ck_assert_int_eq(call_with_slot(&slot), 0);
	ipc_slot_set_destroy(slot, count_ended);
	ipc_slot_detach(slot);
	slot = NULL;
	fake.send_error = -ENOSPC;
	fake.send_error_kind = IPCBUS_SEND_CALL;
	ck_assert_int_eq(call_with_slot(&slot), -ENOSPC);
	ck_assert_ptr_null(slot);
	end();
	ck_assert_uint_eq(end_of.count, 2);
	ck_assert_uint_eq(ended, 3);
}
END_TEST

static struct ipc_slot *early;

static void end_early(void)
{
	fake.cancel_error = -ENOENT;
	ipc_slot_end(early);
	fake.cancel_error = 0;
}

/* On another thread, while this thread is sending. */
START_TEST(a_slot_ends_before_the_driver_knows)
{
	begin();
	fake.on_send = end_early;
	ck_assert_int_eq(call_with_slot(&early), 0);
	/* The cancel before the send had no effect, so it is repeated afterwards. */
	ck_assert_uint_eq(fake.n_cancels, 2);
	ck_assert_uint_eq(fake.canceled, fake_last()->send.cookie);
	push_end(IPCBUS_EVENT_FAILED, fake.canceled, -ECANCELED);
	serve_one();
	ck_assert_uint_eq(end_of.count, 0);
	end();
}
END_TEST

/* --- Time ----------------------------------------------------------------------- */

/* Returns the approximate remaining time of the last message, in microseconds. */
static uint64_t time_left(void)
{
	struct timespec now;
	uint64_t ns;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	ck_assert_uint_gt(fake_last()->send.deadline, ns);
	return (fake_last()->send.deadline - ns) / 1000;
}

#define SECOND	UINT64_C(1000000)

static void check_time(uint64_t usec)
{
	ck_assert_uint_le(time_left(), usec);
	ck_assert_uint_gt(time_left(), usec - SECOND * 100);
}

START_TEST(the_nearest_limit_counts)
{
	struct ipc_options options = { .timeout_usec = 1000 * SECOND };
	struct ipc_method limited = *method("Echo");
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;

	begin();
	ck_assert_int_eq(call_async(NULL, NULL), 0);
	ck_assert_uint_eq(fake_last()->send.deadline, 0);

	ck_assert_int_eq(ipc_set_timeout(ipc, 4000 * SECOND), 0);
	ck_assert_int_eq(call_async(NULL, NULL), 0);
	check_time(4000 * SECOND);

	limited.timeout_usec = 3000 * SECOND;
	ck_assert_int_eq(ipc_proxy_set_timeout(test_proxy(peer), 2000 * SECOND), 0);
	ck_assert_int_eq(call_async(NULL, NULL), 0);
	check_time(2000 * SECOND);
	ck_assert_int_eq(ipc_rpc_call_async(test_proxy(peer), &limited, NULL, &request.base,
					    complete, completed, NULL, NULL), 0);
	check_time(3000 * SECOND);

	ck_assert_int_eq(call_async(&options, NULL), 0);
	check_time(1000 * SECOND);
	push_end(IPCBUS_EVENT_REPLY, 0, 0);
	ck_assert_int_eq(call_now(&options), 0);
	check_time(1000 * SECOND);

	/* IPC_INHERIT uses the next level; IPC_NEVER ends the inheritance. */
	options.timeout_usec = IPC_NEVER;
	ck_assert_int_eq(ipc_proxy_set_timeout(test_proxy(peer), IPC_INHERIT), 0);
	ck_assert_int_eq(ipc_set_timeout(ipc, IPC_NEVER), 0);
	ck_assert_int_eq(call_async(NULL, NULL), 0);
	ck_assert_uint_eq(fake_last()->send.deadline, 0);
	ck_assert_int_eq(ipc_set_timeout(ipc, SECOND), 0);
	ck_assert_int_eq(call_async(&options, NULL), 0);
	ck_assert_uint_eq(fake_last()->send.deadline, 0);

	ck_assert_int_eq(ipc_set_timeout(NULL, 1), -EINVAL);
	ck_assert_int_eq(ipc_proxy_set_timeout(NULL, 1), -EINVAL);
	/* 0 is not a valid timeout. */
	ck_assert_int_eq(ipc_set_timeout(ipc, 0), -EINVAL);
	ck_assert_int_eq(ipc_set_timeout(ipc, IPC_INHERIT), -EINVAL);
	ck_assert_int_eq(ipc_proxy_set_timeout(test_proxy(peer), 0), -EINVAL);
	end();
}
END_TEST

START_TEST(oneways_wait_only_when_asked)
{
	struct ipc_options options = { .timeout_usec = 1000 * SECOND };

	begin();
	ck_assert_int_eq(ipc_set_timeout(ipc, SECOND), 0);
	ck_assert_int_eq(log_with(NULL), 0);
	ck_assert_uint_eq(fake_last()->send.deadline, 0);
	ck_assert(!(fake_last()->send.flags & IPCBUS_SEND_REPLACE));
	fake.send_error = -EAGAIN;
	fake.send_error_kind = IPCBUS_SEND_ONEWAY;
	ck_assert_int_eq(log_with(NULL), -EAGAIN);

	options = (struct ipc_options){ .flags = IPC_REPLACE };
	ck_assert_int_eq(log_with(&options), 0);
	ck_assert(fake_last()->send.flags & IPCBUS_SEND_REPLACE);
	ck_assert_int_eq(ipc_cancellation_new(ipc, &options.cancellation), 0);
	ck_assert_int_eq(log_with(&options), -EINVAL);
	ipc_cancellation_unref(options.cancellation);
	options = (struct ipc_options){ .flags = 2 };
	ck_assert_int_eq(log_with(&options), -EINVAL);
	end();
}
END_TEST

/* --- The served call's end ---------------------------------------------------------- */

static int keep(struct ipc_call *call)
{
	kept = ipc_call_ref(call);
	return 0;
}

static unsigned int notified;
static int notified_result;

static void on_cancel(struct ipc_call *call, void *userdata)
{
	ck_assert_ptr_eq(userdata, &notified);
	notified++;
	notified_result = ipc_call_is_canceled(call);
}

START_TEST(queries_of_a_handler)
{
	begin();
	on_echo = keep;
	push_call(IPCBUS_EVENT_CALL);
	serve_one();
	ck_assert_uint_eq(ipc_call_remaining(kept), 0);
	ck_assert_int_eq(ipc_call_is_canceled(kept), 0);
	fake.canceled_call = 100;
	ck_assert_int_eq(ipc_call_is_canceled(kept), 1);
	ck_assert_int_eq(ipc_call_fail(kept, EIO, NULL, NULL), 0);
	ck_assert_int_eq(ipc_call_is_canceled(kept), 0);
	ck_assert_int_eq(ipc_call_on_cancel(kept, on_cancel, NULL, /* ret_slot= */ NULL), -EINVAL);
	ck_assert_ptr_null(ipc_call_label(kept));
	ipc_call_unref(kept);

	push_call(IPCBUS_EVENT_ONEWAY);
	serve_one();
	ck_assert_uint_eq(ipc_call_remaining(kept), IPC_NEVER);
	ck_assert_int_eq(ipc_call_is_canceled(kept), 0);
	ck_assert_int_eq(ipc_call_on_cancel(kept, on_cancel, NULL, /* ret_slot= */ NULL), -EINVAL);
	ipc_call_unref(kept);
	ck_assert_int_eq(ipc_call_is_canceled(NULL), 0);
	ck_assert_int_eq(ipc_call_is_oneway(NULL), 0);
	ck_assert_int_eq(ipc_call_on_cancel(NULL, on_cancel, NULL, /* ret_slot= */ NULL), -EINVAL);
	end();
}
END_TEST

static unsigned int destroyed;

static void count_destroyed(void *userdata)
{
	(void)userdata;
	destroyed++;
}

START_TEST(notified_of_the_end)
{
	struct ipc_slot *slot;

	begin();
	notified = destroyed = 0;
	on_echo = keep;
	push_call(IPCBUS_EVENT_CALL);
	serve_one();

	/* The slot was ended: the callback does not run. */
	ck_assert_int_eq(ipc_call_on_cancel(kept, on_cancel, &notified, &slot), 0);
	ipc_slot_set_destroy(slot, count_destroyed);
	ipc_slot_end(slot);
	ck_assert_uint_eq(destroyed, 1);
	ck_assert_int_eq(ipc_call_on_cancel(kept, NULL, NULL, /* ret_slot= */ NULL), -EINVAL);
	ck_assert_int_eq(ipc_call_on_cancel(kept, on_cancel, &notified, /* ret_slot= */ NULL), 0);
	push_canceled();
	serve_one();
	ck_assert_uint_eq(notified, 1);
	ck_assert_int_eq(notified_result, 1);
	ck_assert_int_eq(ipc_call_on_cancel(kept, on_cancel, &notified,
			/* ret_slot= */ NULL), -ECANCELED);

	/* Again, and for a call that no longer exists. */
	push_canceled();
	serve_one();
	ipc_call_unref(kept);
	push_canceled();
	serve_one();
	ck_assert_uint_eq(notified, 1);
	end();
}
END_TEST

static struct ipc_slot *of_call[3];

static void end_others(void *userdata)
{
	(void)userdata;
	if (destroyed++)
		return;
	for (int i = 0; i < 3; i++)
		ipc_slot_end_async(of_call[i]);
}

/* Slots end with their call, and the destroy function of a slot may end other slots. */
START_TEST(slots_end_with_their_call)
{
	begin();
	notified = destroyed = 0;
	on_echo = keep;
	push_call(IPCBUS_EVENT_CALL);
	serve_one();
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(ipc_call_on_cancel(kept, on_cancel, &notified, &of_call[i]), 0);
		ipc_slot_set_destroy(of_call[i], end_others);
	}
	ipc_call_unref(kept);
	ck_assert_uint_eq(destroyed, 3);
	ck_assert_uint_eq(notified, 0);
	end();
}
END_TEST

START_TEST(notified_too_late)
{
	struct ipc_options options = { 0 };

	begin();
	notified = 0;
	on_echo = keep;
	push_call(IPCBUS_EVENT_CALL);
	serve_one();
	/* The event arrived before a callback was set. */
	push_canceled();
	serve_one();
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(ipc_call_on_cancel(kept, on_cancel, &notified,
				/* ret_slot= */ NULL), -ECANCELED);
	options.parent = kept;
	ck_assert_int_eq(call_now(&options), -ECANCELED);
	ck_assert_uint_eq(notified, 0);
	ipc_call_unref(kept);
	end();
}
END_TEST

/* --- Calls on behalf of it ---------------------------------------------------------- */

static uint64_t child_id;

static int call_and_keep(struct ipc_call *call)
{
	ck_assert_int_eq(call_async(NULL, &child_id), 0);
	return keep(call);
}

START_TEST(a_handlers_calls_end_with_it)
{
	begin();
	on_echo = call_and_keep;
	push_call(IPCBUS_EVENT_CALL);
	serve_one();
	push_canceled();
	serve_one();
	ck_assert_uint_eq(fake.n_cancels, 1);
	ck_assert_uint_eq(fake.canceled, child_id);
	push_end(IPCBUS_EVENT_FAILED, child_id, -ECANCELED);
	serve_one();
	ck_assert_int_eq(end_of.result, -ECANCELED);
	ipc_call_unref(kept);
	end();
}
END_TEST

static int call_detached(struct ipc_call *call)
{
	struct ipc_options options = { .flags = IPC_DETACHED };
	Ipc__Error explained = IPC__ERROR__INIT;
	uint8_t data[64] = { 0 };
	size_t size = protobuf_c_message_pack(&explained.base, data);

	ck_assert_int_eq(call_async(&options, &child_id), 0);
	ck_assert(fake_last()->send.flags & IPCBUS_SEND_DETACHED);
	ck_assert_uint_eq(fake_last()->send.deadline, 0);

	/* The deadline of the served call has passed, but does not apply to this call. */
	push_end(IPCBUS_EVENT_REPLY, 0, 0);
	ck_assert_int_eq(call_now(&options), 0);
	ck_assert(fake_last()->send.flags & IPCBUS_SEND_DETACHED);
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_ERROR, .error = -ETIMEDOUT },
		  data, size, NULL, 0);
	ck_assert_int_eq(call_now(&options), -EREMOTEIO);
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_ERROR, .error = -ETIMEDOUT },
		  data, size, NULL, 0);
	ck_assert_int_eq(call_now(NULL), -ETIMEDOUT);

	options.parent = call;
	ck_assert_int_eq(call_now(&options), -EINVAL);
	options = (struct ipc_options){ .flags = IPC_DETACHED | IPC_REPLACE };
	ck_assert_int_eq(call_now(&options), -EINVAL);
	options = (struct ipc_options){ .flags = IPC_DETACHED };
	ck_assert_int_eq(log_with(&options), -EINVAL);
	return keep(call);
}

START_TEST(detached_call_does_not_end_with_the_served_call)
{
	begin();
	on_echo = call_detached;
	push_call(IPCBUS_EVENT_CALL);
	serve_one();
	push_canceled();
	serve_one();
	ck_assert_uint_eq(fake.n_cancels, 0);
	push_end(IPCBUS_EVENT_REPLY, child_id, 0);
	serve_one();
	ck_assert_int_eq(end_of.result, 0);
	ipc_call_unref(kept);
	end();
}
END_TEST

START_TEST(calls_outlive_a_finished_parent)
{
	begin();
	on_echo = call_and_keep;
	push_call(IPCBUS_EVENT_CALL);
	serve_one();
	ck_assert_int_eq(ipc_call_fail(kept, EIO, NULL, NULL), 0);
	ipc_call_unref(kept);
	push_canceled();
	serve_one();
	ck_assert_uint_eq(fake.n_cancels, 0);
	push_end(IPCBUS_EVENT_REPLY, child_id, 0);
	serve_one();
	ck_assert_uint_eq(end_of.count, 1);
	ck_assert_int_eq(end_of.result, 0);
	end();
}
END_TEST

START_TEST(calls_for_a_kept_parent)
{
	struct ipc_options options = { .timeout_usec = 1000 * SECOND };
	uint64_t id;

	begin();
	on_echo = keep;
	push_call(IPCBUS_EVENT_CALL);
	serve_one();
	options.parent = kept;
	ck_assert_int_eq(call_async(&options, &id), 0);
	ck_assert_uint_eq(fake_last()->send.deadline, 5000);

	/* A blocking call gets a number, by which it can be canceled. */
	push_end(IPCBUS_EVENT_REPLY, 0, 0);
	ck_assert_int_eq(call_now(&options), 0);
	ck_assert_uint_eq(fake_last()->send.deadline, 5000);
	ck_assert_uint_ne(fake_last()->send.cookie, 0);
	/* The driver was asked once: later cancels arrive as events. */
	ck_assert_uint_eq(fake.n_asked, 1);

	push_canceled();
	serve_one();
	ck_assert_uint_eq(fake.n_cancels, 1);
	ck_assert_uint_eq(fake.canceled, id);
	ck_assert_int_eq(call_async(&options, NULL), -ECANCELED);
	ck_assert_int_eq(call_now(&options), -ECANCELED);
	ipc_call_unref(kept);
	end();
	ck_assert_uint_eq(end_of.count, 1);
}
END_TEST

/* Whether it was queried before its end makes no difference. */
START_TEST(no_calls_for_a_finished_parent)
{
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;
	struct ipc_error error = IPC_ERROR_INIT;
	struct ipc_options options = { 0 };
	struct ipc_call *first;

	begin();
	on_echo = keep;
	for (int watched = 0; watched < 2; watched++) {
		push_call(IPCBUS_EVENT_CALL);
		serve_one();
		options.parent = kept;
		if (watched)
			ck_assert_int_eq(ipc_call_on_cancel(kept, on_cancel, &notified,
					/* ret_slot= */ NULL), 0);
		ck_assert_int_eq(ipc_call_fail(kept, EIO, NULL, NULL), 0);
		for (int i = 0; i < 2; i++)
			ck_assert_int_eq(call_now(&options), -EINVAL);
		/* It was not sent, so the origin is not the driver. */
		ck_assert_int_eq(ipc_rpc_call_with(test_proxy(peer), method("Echo"), &options,
						   &request.base, NULL, &error), -EINVAL);
		ck_assert_int_eq(error.origin, IPC_ORIGIN_HERE);
		ipc_error_done(&error);
		ipc_call_unref(kept);
	}

	/* Oneways have no number: several must not replace each other. */
	push_call(IPCBUS_EVENT_ONEWAY);
	serve_one();
	first = kept;
	push_call(IPCBUS_EVENT_ONEWAY);
	serve_one();
	for (int i = 0; i < 4; i++) {
		options.parent = i % 2 ? first : kept;
		ck_assert_int_eq(call_now(&options), -EINVAL);
	}
	ipc_call_unref(first);
	ipc_call_unref(kept);
	end();
}
END_TEST

/* The actions of another thread that takes the event. */
static void canceled_elsewhere(void)
{
	fake.cancel_error = -ENOENT;
	call_canceled(ipc, 100);
	fake.cancel_error = 0;
}

START_TEST(canceled_before_the_driver_knows)
{
	struct ipc_options options = { 0 };
	uint64_t id;

	for (int async = 0; async < 2; async++) {
		begin();
		on_echo = keep;
		push_call(IPCBUS_EVENT_CALL);
		serve_one();
		options.parent = kept;
		id = ipc->last_cookie + 1;
		fake.on_send = canceled_elsewhere;
		push_end(IPCBUS_EVENT_FAILED, id, -ECANCELED);
		if (async)
			ck_assert_int_eq(call_async(&options, NULL), 0);
		else
			ck_assert_int_eq(call_now(&options), -ECANCELED);
		/* The cancel before the send had no effect, so it is repeated afterwards. */
		ck_assert_uint_eq(fake.n_cancels, 2);
		ck_assert_uint_eq(fake.canceled, id);
		if (async)
			serve_one();
		ipc_call_unref(kept);
		end();
	}
}
END_TEST

int main(void)
{
	return RUN_TESTS("async", a_reply_completes, a_reply_may_be_kept, failures_complete,
			 failed_send_does_not_complete, the_end_of_the_connection_completes,
			 a_slot_ends_a_call, a_slot_ends_before_the_driver_knows,
			 the_nearest_limit_counts, oneways_wait_only_when_asked,
			 queries_of_a_handler, notified_of_the_end, slots_end_with_their_call,
			 notified_too_late, a_handlers_calls_end_with_it,
			 detached_call_does_not_end_with_the_served_call,
			 calls_outlive_a_finished_parent, calls_for_a_kept_parent,
			 no_calls_for_a_finished_parent, canceled_before_the_driver_knows);
}
