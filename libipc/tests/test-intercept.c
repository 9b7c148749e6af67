// SPDX-License-Identifier: MIT
/*
 * Interceptors around calls of ours and calls that are served, on a fake device.
 */
#include <errno.h>
#include <ipc/rpc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake-device.h"
#include "core/frame.h"
#include "core/object.h"
#include "core/proxy.h"
#include "method.h"
#include "test-run.h"
#include "test.ipc.h"

static struct ipc *ipc;
static struct test *peer;
static struct ipc_object *object;
static struct ipc_call *kept;
static char story[256];
static int refusal;
static struct ipc_slot *slot_a;

static int echo(struct ipc_call *call, const Ipc__Test__EchoRequest *request, void *userdata)
{
	Ipc__Test__EchoReply reply = IPC__TEST__ECHO_REPLY__INIT;

	(void)userdata;
	strcat(story, "handler ");
	reply.text = "x";
	if (!strcmp(request->text, "keep")) {
		kept = ipc_call_ref(call);
		return 0;
	}
	return *request->text ? -EIO : test_reply_echo(call, &reply);
}

static const struct test_ops ops = { .echo = echo };

static void note(const char *what, const struct ipc_intercepted *step, const char *who)
{
	sprintf(story + strlen(story), "%s%s%s.%s%s ", what, who,
		step->outgoing ? ">" : "<", step->interface ? step->interface : "",
		step->method);
}

static int before(struct ipc_intercepted *step, void *userdata)
{
	static const char *const trace[] = { "trace", "1", NULL };

	note("+", step, userdata);
	ck_assert(step->outgoing ? step->proxy == test_proxy(peer) : step->call != NULL);
	if (step->outgoing && *(char *)userdata == 'b')
		step->metadata = trace;
	return *(char *)userdata == 'b' ? refusal : 0;
}

static void after(const struct ipc_intercepted *step, int result, void *userdata)
{
	note("-", step, userdata);
	sprintf(story + strlen(story) - 1, "=%d ", result);
}

static void begin(void)
{
	struct ipc_interceptor a = { .size = sizeof(a), .before = before, .after = after };
	struct ipc_interceptor b = { .size = sizeof(b), .before = before, .after = after };
	static const struct ipc_interceptor none = { .size = sizeof(none), .before = NULL };
	static const struct ipc_interceptor shorter = { .size = sizeof(none) - 1,
							.before = before };
	struct {
		struct ipc_interceptor interceptor;
		void (*later)(void);
	} newer = { .interceptor = { .size = sizeof(newer), .before = before }, .later = abort };
	struct ipc_proxy *proxy;

	fake_reset();
	*story = 0;
	refusal = 0;
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(ipc_add_interceptor(ipc, &none, NULL, NULL), -EINVAL);
	ck_assert_int_eq(ipc_add_interceptor(NULL, &a, NULL, NULL), -EINVAL);
	ck_assert_int_eq(ipc_add_interceptor(ipc, &shorter, NULL, NULL), -EINVAL);
	ck_assert_int_eq(ipc_add_interceptor(ipc, &newer.interceptor, NULL, NULL), -E2BIG);
	ck_assert_int_eq(ipc_add_interceptor(ipc, &a, "a", &slot_a), 0);
	ck_assert_int_eq(ipc_add_interceptor(ipc, &b, "b", NULL), 0);
	ck_assert_int_eq(proxy_arrived(ipc, 5, &proxy), 0);
	peer = test_from_proxy(proxy);
	ck_assert_int_eq(test_object_new(ipc, &ops, NULL, NULL, &object), 0);
	object_id(object);
}

static void end(void)
{
	ipc_slot_end(slot_a);
	test_unref(peer);
	ipc_object_unref(object);
	ipc_unref(ipc);
}

static void serve(const char *text)
{
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;
	struct ipcbus_event event = {
		.kind = IPCBUS_EVENT_CALL, .cookie = fake.cookie, .call = 100,
		.code = method_of(&test_interface, "Echo")->code,
	};
	uint8_t data[64];

	*story = 0;
	request.text = (char *)text;
	fake_push(event, data, ipc__test__echo_request__pack(&request, data), NULL, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
}

START_TEST(around_calls_of_ours)
{
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;

	begin();
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY }, NULL, 0, NULL, 0);
	ck_assert_int_eq(test_echo(peer, &request, NULL, NULL), 0);
	ck_assert_str_eq(story, "+a>.Echo +b>.Echo -b>.Echo=0 -a>.Echo=0 ");
	ck_assert_uint_eq(fake_last()->data[0], FRAME_MAGIC);

	*story = 0;
	fake.send_error = -EOWNERDEAD;
	fake.send_error_kind = IPCBUS_SEND_CALL;
	ck_assert_int_eq(test_echo(peer, &request, NULL, NULL), -EOWNERDEAD);
	ck_assert_str_eq(story, "+a>.Echo +b>.Echo -b>.Echo=-130 -a>.Echo=-130 ");

	*story = 0;
	ck_assert_int_eq(test_log(peer, &request), 0);
	ck_assert_str_eq(story, "+a>.Log +b>.Log -b>.Log=0 -a>.Log=0 ");
	end();
}
END_TEST

START_TEST(refused_here)
{
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;
	struct ipc_error error = IPC_ERROR_INIT;

	begin();
	refusal = -EACCES;
	ck_assert_int_eq(test_echo(peer, &request, NULL, &error), -EACCES);
	ck_assert_int_eq(error.code, -EACCES);
	ck_assert_str_eq(story, "+a>.Echo +b>.Echo -a>.Echo=-13 ");
	ck_assert_int_eq(test_log(peer, &request), -EACCES);
	ck_assert_uint_eq(fake.n_sent, 0);
	end();
}
END_TEST

static void complete(int result, ProtobufCMessage *reply, const struct ipc_error *error,
		     ipc_rpc_cb cb, void *userdata)
{
	(void)result;
	(void)reply;
	(void)error;
	(void)cb;
	(void)userdata;
	strcat(story, "complete ");
}

START_TEST(around_async_calls)
{
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;
	const struct ipc_method *method = method_of(&test_interface, "Echo");

	begin();
	ck_assert_int_eq(ipc_rpc_call_async(test_proxy(peer), method, NULL, &request.base, complete,
					    NULL, NULL, NULL), 0);
	ck_assert_str_eq(story, "+a>.Echo +b>.Echo ");
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_FAILED, .error = -EIO,
					 .cookie = fake_last()->send.cookie },
		  NULL, 0, NULL, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
	ck_assert_str_eq(story, "+a>.Echo +b>.Echo complete -b>.Echo=-5 -a>.Echo=-5 ");

	*story = 0;
	fake.send_error = -ENOSPC;
	fake.send_error_kind = IPCBUS_SEND_CALL;
	ck_assert_int_eq(ipc_rpc_call_async(test_proxy(peer), method, NULL, &request.base, complete,
					    NULL, NULL, NULL), -ENOSPC);
	ck_assert_str_eq(story, "+a>.Echo +b>.Echo -b>.Echo=-28 -a>.Echo=-28 ");
	refusal = -EACCES;
	ck_assert_int_eq(ipc_rpc_call_async(test_proxy(peer), method, NULL, &request.base, complete,
					    NULL, NULL, NULL), -EACCES);
	end();
}
END_TEST

#define NAME "ipc.test.Test"

START_TEST(around_what_is_served)
{
	begin();
	serve("");
	ck_assert_str_eq(story, "+a<." NAME "Echo +b<." NAME "Echo handler -b<." NAME "Echo=0 "
				"-a<." NAME "Echo=0 ");
	serve("fail");
	ck_assert_str_eq(story, "+a<." NAME "Echo +b<." NAME "Echo handler -b<." NAME "Echo=-5 "
				"-a<." NAME "Echo=-5 ");

	/* One that is replied to later ends later. */
	serve("keep");
	ck_assert_str_eq(story, "+a<." NAME "Echo +b<." NAME "Echo handler ");
	*story = 0;
	ck_assert_int_eq(ipc_call_error(kept, "a.B", NULL), 0);
	ipc_call_unref(kept);
	ck_assert_str_eq(story, "-b<." NAME "Echo=-121 -a<." NAME "Echo=-121 ");

	refusal = -EACCES;
	serve("");
	ck_assert_str_eq(story, "+a<." NAME "Echo +b<." NAME "Echo -a<." NAME "Echo=-13 ");
	ck_assert_uint_eq(fake_last()->send.kind, IPCBUS_SEND_ERROR);
	ck_assert_uint_eq(fake_last()->send.code, EACCES);
	end();
}
END_TEST

/* One that ended gets neither the end of what it began nor what begins. */
START_TEST(one_ends)
{
	begin();
	serve("keep");
	slot_a = ipc_slot_end(slot_a);
	*story = 0;
	ck_assert_int_eq(ipc_call_error(kept, "a.B", NULL), 0);
	ipc_call_unref(kept);
	ck_assert_str_eq(story, "-b<." NAME "Echo=-121 ");
	serve("");
	ck_assert_str_eq(story, "+b<." NAME "Echo handler -b<." NAME "Echo=0 ");
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("intercept", around_calls_of_ours, refused_here, around_async_calls,
			 around_what_is_served, one_ends);
}
