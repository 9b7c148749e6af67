// SPDX-License-Identifier: MIT
/*
 * When the buffer of an async reply is released, on a fake device: with the thread's next exchange,
 * unless another process may wait for the release.
 */
#include <errno.h>
#include <ipc/rpc.h>

#include "core/call.h"
#include "fake-device.h"
#include "method.h"
#include "pair.h"
#include "test-run.h"
#include "test.ipc.h"

#define CALL_BUFFER 50
#define REPLY_BUFFER 70

PAIR_OF(test)
static unsigned int n_completed;
static struct ipc_call *kept;

static int log_later(struct ipc_call *call, const Ipc__Test__EchoRequest *request, void *userdata)
{
	(void)request;
	(void)userdata;
	kept = ipc_call_ref(call);
	return 0;
}

static const struct test_ops ops = { .log = log_later };

static void begin(void)
{
	n_completed = 0;
	kept = NULL;
	begin_pair(&ops, IPC_REGION_DEFAULT);
}

static void unused(void)
{
}

/* Also releases the previous oneway, if there was any. */
static void complete(int result, ProtobufCMessage *reply, const struct ipc_error *error,
		     ipc_rpc_cb cb, void *userdata)
{
	(void)result;
	(void)reply;
	(void)error;
	(void)cb;
	(void)userdata;
	n_completed++;
	ipc_call_unref(kept);
}

/* Returns the cookie that identifies the call for the driver. */
static uint64_t call_async(void)
{
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;

	ck_assert_int_eq(ipc_rpc_call_async(test_proxy(peer), method_of(&test_interface, "Echo"),
					    NULL, &request.base, complete, unused, NULL, NULL), 0);
	return fake_last()->send.cookie;
}

static void push_end(uint32_t kind, uint64_t cookie, int error, const struct ipcbus_object *object)
{
	struct ipcbus_event event = {
		.kind = kind,
		.cookie = cookie,
		.error = error,
		.buffer = REPLY_BUFFER,
	};

	fake_push(event, NULL, 0, object, object ? 1 : 0);
}

static void serve_one(void)
{
	ck_assert_int_eq(ipc_process(ipc), 1);
}

/* Like that of a blocking call. */
START_TEST(with_the_next_exchange)
{
	unsigned int before;
	uint64_t id[2];

	begin();
	for (int i = 0; i < 2; i++)
		id[i] = call_async();
	push_end(IPCBUS_EVENT_REPLY, id[0], 0, NULL);
	push_end(IPCBUS_EVENT_ERROR, id[1], -EIO, NULL);
	before = fake.exchanges;
	serve_one();
	ck_assert_uint_eq(fake.n_released, 0);
	serve_one();
	ck_assert_uint_eq(fake.n_released, 1);
	ck_assert_int_eq(ipc_process(ipc), 0);
	ck_assert_uint_eq(fake.n_released, 2);
	ck_assert_uint_eq(fake.exchanges, before + 3);
	ck_assert_uint_eq(n_completed, 2);
	end();
}
END_TEST

/* Their owners wait until all references are dropped. */
START_TEST(with_objects_at_once)
{
	struct ipcbus_object object = { .type = IPCBUS_OBJECT_HANDLE, .value = 9 };

	begin();
	push_end(IPCBUS_EVENT_REPLY, call_async(), 0, &object);
	serve_one();
	ck_assert_uint_eq(fake.n_released, 1);
	ck_assert_uint_eq(n_completed, 1);
	end();
}
END_TEST

/* Other buffers that a completion releases may delay another sender, such as the next oneway. */
START_TEST(with_another_at_once)
{
	struct ipcbus_event event = {
		.kind = IPCBUS_EVENT_ONEWAY,
		.code = method_of(&test_interface, "Log")->number,
		.buffer = CALL_BUFFER,
	};

	begin();
	event.cookie = fake.cookie;
	fake_push(event, NULL, 0, NULL, 0);
	serve_one();
	ck_assert_uint_eq(fake.n_released, 0);
	push_end(IPCBUS_EVENT_REPLY, call_async(), 0, NULL);
	serve_one();
	ck_assert_uint_eq(fake.n_released, 2);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("async-release", with_the_next_exchange, with_objects_at_once,
			 with_another_at_once);
}
