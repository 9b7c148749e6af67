// SPDX-License-Identifier: MIT
/*
 * Cancellations on a fake device: which calls the driver is requested to end, and which are not
 * sent.
 */
#include <errno.h>
#include <limits.h>

#include "core/proxy.h"
#include "fake-device.h"
#include "test-run.h"

static struct ipc *ipc;
static struct ipc_proxy *peer;
static unsigned int ended;
static int result;

static void begin(void)
{
	fake_reset();
	ended = 0;
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(proxy_arrived_at(ipc, 5, NULL, &peer), 0);
}

static void end(void)
{
	ipc_proxy_unref(peer);
	ipc_unref(ipc);
}

static void on_end(int r, struct ipc_raw_message *reply, const struct ipc_error *error,
		   void *userdata)
{
	(void)reply, (void)userdata;
	ck_assert_int_eq(error->code, r);
	ended++;
	result = r;
}

/* *ret_id: the cookie that identifies the call for the driver. */
static int call_async(const struct ipc_options *options, uint64_t *ret_id)
{
	struct ipc_raw_message request = { .method = 1 };
	int r = ipc_raw_call_async(peer, &request, options, on_end, NULL, NULL);

	if (r == 0 && ret_id)
		*ret_id = fake_last()->send.cookie;
	return r;
}

static int call_now(const struct ipc_options *options)
{
	struct ipc_raw_message request = { .method = 1 };

	return ipc_raw_call(peer, &request, options, NULL, NULL);
}

static void push_end(uint32_t kind, uint64_t id, int error)
{
	fake_push((struct ipcbus_event){ .kind = kind, .cookie = id, .error = error }, NULL, 0,
		  NULL, 0);
}

START_TEST(canceling)
{
	struct ipc_options options = { 0 };
	uint64_t ids[2];

	begin();
	ck_assert_int_eq(ipc_cancellation_new(ipc, &options.cancellation), 0);
	ck_assert_int_eq(call_async(&options, &ids[0]), 0);
	ck_assert_int_eq(call_async(&options, &ids[1]), 0);
	ck_assert_int_eq(ipc_cancellation_is_canceled(options.cancellation), 0);
	ck_assert_int_eq(ipc_cancel(options.cancellation), 0);
	ck_assert_int_eq(ipc_cancellation_is_canceled(options.cancellation), 1);
	ck_assert_uint_eq(fake.n_cancels, 2);
	ck_assert_uint_eq(fake.canceled, ids[0]);
	/* The driver's event completes it. */
	ck_assert_uint_eq(ended, 0);
	push_end(IPCBUS_EVENT_FAILED, ids[0], -ECANCELED);
	ck_assert_int_eq(ipc_process(ipc), 1);
	ck_assert_int_eq(result, -ECANCELED);

	/* Calls that have ended are not canceled again. */
	ck_assert_int_eq(ipc_cancel(options.cancellation), 0);
	ck_assert_uint_eq(fake.n_cancels, 3);
	ck_assert_uint_eq(fake.canceled, ids[1]);

	/* It stays canceled: later calls are not sent, and their completions do not run. */
	fake.n_sent = 0;
	ck_assert_int_eq(call_async(&options, NULL), -ECANCELED);
	ck_assert_int_eq(call_now(&options), -ECANCELED);
	ck_assert_uint_eq(fake.n_sent, 0);
	ck_assert_uint_eq(ended, 1);
	ck_assert_uint_eq(ipc->asyncs.count, 1);
	push_end(IPCBUS_EVENT_FAILED, ids[1], -ECANCELED);
	ck_assert_int_eq(ipc_process(ipc), 1);
	ck_assert_uint_eq(ended, 2);
	ipc_cancellation_unref(options.cancellation);
	end();
}
END_TEST

START_TEST(references)
{
	struct ipc_options options = { 0 };
	struct ipc_cancellation *own;
	struct ipc *other;

	begin();
	ck_assert_int_eq(ipc_cancellation_new(NULL, &own), -EINVAL);
	ck_assert_int_eq(ipc_cancellation_new(ipc, NULL), -EINVAL);
	ck_assert_int_eq(ipc_cancel(NULL), -EINVAL);
	ck_assert_int_eq(ipc_cancellation_is_canceled(NULL), 0);
	ck_assert_ptr_null(ipc_cancellation_ref(NULL));
	ck_assert_ptr_null(ipc_cancellation_unref(NULL));

	/* A cancellation of another connection, which it keeps open. */
	ck_assert_int_eq(ipc_open(&other, NULL), 0);
	ck_assert_int_eq(ipc_cancellation_new(other, &options.cancellation), 0);
	ipc_unref(other);
	ck_assert_int_eq(call_now(&options), -EINVAL);
	ck_assert_int_eq(call_async(&options, NULL), -EINVAL);
	ipc_cancellation_unref(options.cancellation);

	/* An async call needs the cancellation only while it starts. */
	ck_assert_int_eq(ipc_cancellation_new(ipc, &own), 0);
	options.cancellation = ipc_cancellation_ref(own);
	ck_assert_int_eq(call_async(&options, NULL), 0);
	ck_assert_int_eq(call_async(&options, NULL), 0);
	ipc_cancellation_unref(own);
	push_end(IPCBUS_EVENT_REPLY, fake_last()->send.cookie, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
	ipc_cancellation_unref(options.cancellation);
	ck_assert_uint_eq(ended, 1);
	ck_assert_uint_eq(fake.n_cancels, 0);
	end();
	ck_assert_uint_eq(ended, 2);
}
END_TEST

static struct ipc_cancellation *current;

static void cancel_elsewhere(void)
{
	fake.cancel_error = -ENOENT;
	ck_assert_int_eq(ipc_cancel(current), 0);
	fake.cancel_error = 0;
}

/* Between the library's check and the send. */
START_TEST(canceled_while_it_is_sent)
{
	for (int async = 0; async < 2; async++) {
		struct ipc_options options = { 0 };
		uint64_t id;

		begin();
		ck_assert_int_eq(ipc_cancellation_new(ipc, &current), 0);
		options.cancellation = current;
		id = ipc->last_cookie + 1;
		fake.on_send = cancel_elsewhere;
		push_end(IPCBUS_EVENT_FAILED, id, -ECANCELED);
		if (async) {
			ck_assert_int_eq(call_async(&options, NULL), 0);
			ck_assert_int_eq(ipc_process(ipc), 1);
		} else {
			ck_assert_int_eq(call_now(&options), -ECANCELED);
		}
		ck_assert_uint_eq(fake.n_cancels, 2);
		ck_assert_uint_eq(fake.canceled, id);
		/* The call has left no reference. */
		ck_assert_int_eq(ipc_cancel(current), 0);
		ck_assert_uint_eq(fake.n_cancels, 2);
		ipc_cancellation_unref(current);
		end();
	}
}
END_TEST

static unsigned int asked, waits_on;

static int ask(void *userdata)
{
	ck_assert_ptr_eq(userdata, &asked);
	return asked++ < waits_on ? 1 : -EINTR;
}

static void push_signals(unsigned int n)
{
	while (n--)
		push_end(IPCBUS_EVENT_INTERRUPTED, 0, 0);
}

static void refuse(unsigned int n)
{
	fake.send_error = -EAGAIN;
	fake.send_error_kind = IPCBUS_SEND_ONEWAY;
	fake.send_error_more = n - 1;
}

/* If a signal interrupts a call, the program may end the call. */
START_TEST(interrupted)
{
	struct ipc_raw_message oneway = { .method = 1 };
	struct ipc_options options = { 0 };

	begin();
	ck_assert_int_eq(ipc_raw_set_interrupt(NULL, ask, NULL), -EINVAL);
	ck_assert_int_eq(ipc_raw_set_interrupt(ipc, ask, &asked), 0);

	/* The call continues twice, and is canceled with the third signal. */
	asked = 0;
	waits_on = 2;
	push_signals(3);
	push_end(IPCBUS_EVENT_FAILED, 0, -ECANCELED);
	ck_assert_int_eq(call_now(&options), -EINTR);
	ck_assert_uint_eq(asked, 3);
	ck_assert_uint_eq(fake.n_cancels, 1);
	ck_assert_uint_ne(fake.canceled, 0);
	ck_assert_uint_eq(fake.n_interruptible, 4);
	ck_assert(!fake.interruptible);

	/* A reply that has arrived is the result, and so is another failure. */
	asked = waits_on = 0;
	push_signals(1);
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY }, NULL, 0, NULL, 0);
	ck_assert_int_eq(call_now(&options), 0);
	push_signals(1);
	push_end(IPCBUS_EVENT_FAILED, 0, -EOWNERDEAD);
	ck_assert_int_eq(call_now(&options), -EOWNERDEAD);
	ck_assert_uint_eq(fake.n_cancels, 3);

	/* Without options, the call has no number for the driver. */
	asked = 0;
	fake.n_interruptible = 0;
	push_signals(1);
	push_end(IPCBUS_EVENT_FAILED, 0, -ECANCELED);
	ck_assert_int_eq(call_now(NULL), -ECANCELED);
	ck_assert_uint_eq(asked, 0);

	waits_on = 1;
	options.timeout_usec = IPC_NEVER;
	refuse(1);
	ck_assert_int_eq(ipc_raw_oneway(peer, &oneway, &options), 0);
	refuse(1);
	ck_assert_int_eq(ipc_raw_oneway(peer, &oneway, &options), -EINTR);
	options.timeout_usec = 0;
	ck_assert_uint_eq(asked, 2);

	/* Without the callback, signals do not end calls. */
	ck_assert_int_eq(ipc_raw_set_interrupt(ipc, NULL, NULL), 0);
	push_signals(1);
	push_end(IPCBUS_EVENT_FAILED, 0, -ECANCELED);
	ck_assert_int_eq(call_now(&options), -ECANCELED);
	ck_assert_uint_eq(asked, 2);
	ck_assert_uint_eq(fake.n_interruptible, 0);
	end();
}
END_TEST

START_TEST(oneways_wait_for_space)
{
	struct ipc_options options = { .timeout_usec = IPC_NEVER };
	struct ipc_raw_message oneway = { .method = 1 };

	begin();
	refuse(5);
	ck_assert_int_eq(ipc_raw_oneway(peer, &oneway, &options), 0);
	ck_assert_int_eq(fake.send_error, 0);
	/* The driver itself does not wait. */
	ck_assert_uint_eq(fake_last()->send.deadline, 0);

	options.timeout_usec = 20000;
	refuse(UINT_MAX);
	ck_assert_int_eq(ipc_raw_oneway(peer, &oneway, &options), -ETIMEDOUT);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("cancellation", canceling, references, canceled_while_it_is_sent,
			 interrupted, oneways_wait_for_space);
}
