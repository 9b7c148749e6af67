// SPDX-License-Identifier: MIT
/*
 * ipc_raw_call_look() on a fake device: the bytes that the function sees, the release of the reply,
 * and failures.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/proxy.h"
#include "fake-device.h"
#include "test-run.h"

static const struct ipc_raw_message request = { .code = 9, .data = "hello", .size = 5 };
static struct ipc *ipc;
static struct ipc_proxy *proxy;
static struct ipc_error error;
static unsigned int looked;
static int result;	/* the result of look() */

static void begin(void)
{
	fake_reset();
	looked = 0;
	result = 0;
	error = (struct ipc_error)IPC_ERROR_INIT;
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(proxy_arrived(ipc, 5, &proxy), 0);
}

static void end(void)
{
	ipc_error_done(&error);
	ipc_proxy_unref(proxy);
	ipc_unref(ipc);
}

static void push(uint32_t kind, uint64_t buffer, const char *text,
		 const struct ipcbus_object *object)
{
	struct ipcbus_event event = {
		.kind = kind,
		.buffer = buffer,
		.error = kind == IPCBUS_EVENT_REPLY ? 0 : -EIO,
	};

	fake_push(event, text, strlen(text), object, object ? 1 : 0);
}

static int look(const void *data, size_t size, void *userdata)
{
	ck_assert_uint_eq(size, strlen(userdata));
	ck_assert_mem_eq(data, userdata, size);
	looked++;
	return result;
}

static int call_and_look(const char *expected)
{
	return ipc_raw_call_look(proxy, &request, NULL, look, (void *)expected, &error);
}

START_TEST(a_reply_is_looked_at)
{
	struct ipcbus_object came = {
		IPCBUS_OBJECT_FD, .value = (uint64_t)open("/dev/null", O_RDONLY),
	};

	begin();
	push(IPCBUS_EVENT_REPLY, 50, "world", &came);
	/* A positive result is not a failure. */
	result = 7;
	ck_assert_int_eq(call_and_look("world"), 0);
	ck_assert_uint_eq(looked, 1);
	ck_assert_int_eq(error.code, 0);
	ck_assert_uint_eq(fake.exchanges, 1);
	ck_assert_uint_eq(fake_last()->send.kind, IPCBUS_SEND_CALL);
	ck_assert_uint_eq(fake_last()->send.code, 9);
	ck_assert_uint_eq(fake_last()->send.data_size, 5);
	ck_assert_mem_eq(fake_last()->data, "hello", 5);
	/* The file in the reply is closed. */
	ck_assert_int_eq(close((int)came.value), -1);

	/* Its buffer is released with the next exchange. */
	ck_assert_uint_eq(fake.n_released, 0);
	push(IPCBUS_EVENT_REPLY, 51, "", NULL);
	ck_assert_int_eq(call_and_look(""), 0);
	ck_assert_uint_eq(fake.n_released, 1);
	ck_assert_uint_eq(fake.released[0], 50);
	end();
}
END_TEST

START_TEST(failures)
{
	begin();
	result = -EBADMSG;
	push(IPCBUS_EVENT_REPLY, 50, "world", NULL);
	ck_assert_int_eq(call_and_look("world"), -EBADMSG);
	ck_assert_int_eq(error.code, -EBADMSG);
	ck_assert_int_eq(error.origin, IPC_ORIGIN_HERE);
	ipc_error_done(&error);

	/* The function is not called. */
	push(IPCBUS_EVENT_FAILED, 51, "", NULL);
	ck_assert_int_eq(call_and_look(""), -EIO);
	ck_assert_int_eq(error.code, -EIO);
	ck_assert_uint_eq(fake.n_released, 1);
	ck_assert_uint_eq(fake.released[0], 50);
	ipc_error_done(&error);
	push(IPCBUS_EVENT_ERROR, 52, "", NULL);
	ck_assert_int_lt(call_and_look(""), 0);
	ipc_error_done(&error);
	ck_assert_int_eq(ipc_raw_call_look(proxy, &request, NULL, NULL, NULL, &error), -EINVAL);
	ck_assert_int_eq(error.code, -EINVAL);
	ck_assert_int_eq(ipc_raw_call_look(NULL, &request, NULL, look, "", NULL), -EINVAL);
	ck_assert_int_eq(ipc_raw_call_look(proxy, NULL, NULL, look, "", NULL), -EINVAL);
	ck_assert_uint_eq(looked, 1);
	end();
}
END_TEST

/* The reply stays valid while the function makes a call. */
static int call_again(const void *data, size_t size, void *userdata)
{
	push(IPCBUS_EVENT_REPLY, 51, "inner", NULL);
	ck_assert_int_eq(call_and_look("inner"), 0);
	ck_assert_uint_eq(fake.n_released, 0);
	return look(data, size, userdata);
}

START_TEST(a_call_while_looking)
{
	begin();
	push(IPCBUS_EVENT_REPLY, 50, "outer", NULL);
	ck_assert_int_eq(ipc_raw_call_look(proxy, &request, NULL, call_again, "outer", &error), 0);
	ck_assert_uint_eq(looked, 2);
	push(IPCBUS_EVENT_REPLY, 52, "", NULL);
	ck_assert_int_eq(call_and_look(""), 0);
	ck_assert_uint_eq(fake.n_released, 2);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("look", a_reply_is_looked_at, failures, a_call_while_looking);
}
