// SPDX-License-Identifier: MIT
/* Calls, from both sides, on a fake device. */
#include <errno.h>
#include <ipc/rpc.h>
#include <string.h>
#include <unistd.h>

#include "fake-device.h"
#include "method.h"
#include "pair.h"
#include "test-run.h"
#include "test.ipc.h"
#include "conn/thread.h"

PAIR_OF(test)
static struct ipc_call *kept;
static int (*on_echo)(struct ipc_call *call, const Ipc__Test__EchoRequest *request);
static int logged;

static int echo(struct ipc_call *call, const Ipc__Test__EchoRequest *request, void *userdata)
{
	(void)userdata;
	return on_echo(call, request);
}

static int log_line(struct ipc_call *call, const Ipc__Test__EchoRequest *request, void *userdata)
{
	(void)userdata;
	ck_assert_int_eq(test_reply_poke(call), -EINVAL);
	ck_assert_str_eq(request->text, "line");
	logged++;
	return -EIO;
}

static int carry(struct ipc_call *call, const Ipc__Test__Cargo *request, void *userdata)
{
	Ipc__Test__Cargo reply = IPC__TEST__CARGO__INIT;

	(void)request, (void)userdata;
	ck_assert_int_eq(test_reply_carry(call, &reply), 0);
	ck_assert_int_eq(test_reply_carry(call, &reply), -EALREADY);
	return 0;
}

static const struct test_ops ops = { .echo = echo, .log = log_line, .carry = carry };

static void begin(void)
{
	logged = 0;
	begin_pair(&ops, IPC_REGION_DEFAULT);
}

static uint32_t code_of(const char *method)
{
	return method_of(&test_interface, method)->number;
}

static void push_packed(struct ipcbus_event event, const ProtobufCMessage *message)
{
	uint8_t data[1024];
	size_t size = message ? protobuf_c_message_pack(message, data) : 0;

	fake_push(event, data, size, NULL, 0);
}

static void push_reply(const char *text, uint64_t buffer)
{
	Ipc__Test__EchoReply reply = IPC__TEST__ECHO_REPLY__INIT;

	reply.text = (char *)text;
	push_packed((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY, .buffer = buffer },
		    &reply.base);
}

static void push_request(uint32_t kind, const char *method, const char *text)
{
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;
	struct ipcbus_event event = {
		.kind = kind,
		.cookie = fake.cookie,
		.code = code_of(method),
		.call = kind == IPCBUS_EVENT_CALL ? 100 : 0,
		.buffer = 50,
		.pid = 1,
		.tid = 2,
		.uid = 3,
		.gid = 4,
	};

	request.text = (char *)text;
	push_packed(event, &request.base);
}

/* Checks the contents of the last error reply. */
static void check_error(int code, const char *name, const char *text)
{
	const struct fake_sent *sent = fake_last();
	Ipc__Error *error = ipc__error__unpack(NULL, sent->send.data_size, sent->data);

	ck_assert_uint_eq(sent->send.kind, IPCBUS_SEND_ERROR);
	ck_assert_uint_eq(sent->send.call, 100);
	ck_assert_uint_eq(sent->send.code, (uint32_t)code);
	ck_assert_ptr_nonnull(error);
	if (name)
		ck_assert_str_eq(error->name, name);
	if (text)
		ck_assert_str_eq(error->text, text);
	else
		ck_assert_uint_eq(sent->send.data_size, 0);
	ipc__error__free_unpacked(error, NULL);
}

static void check_reply(const char *text)
{
	const struct fake_sent *sent = fake_last();
	Ipc__Test__EchoReply *reply = ipc__test__echo_reply__unpack(NULL, sent->send.data_size,
								    sent->data);

	ck_assert_uint_eq(sent->send.kind, IPCBUS_SEND_REPLY);
	ck_assert_uint_eq(sent->send.call, 100);
	ck_assert_ptr_nonnull(reply);
	ck_assert_str_eq(reply->text, text);
	ipc__test__echo_reply__free_unpacked(reply, NULL);
}

/* --- The caller's side -------------------------------------------------------- */

static int call_echo(const char *text, Ipc__Test__EchoReply **ret_reply, struct ipc_error *error)
{
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;

	request.text = (char *)text;
	return test_echo(peer, &request, ret_reply, error);
}

START_TEST(a_call_is_one_exchange)
{
	Ipc__Test__EchoReply *reply = NULL;
	struct ipc_error error = IPC_ERROR_INIT;

	begin();
	push_reply("world", 31);
	ck_assert_int_eq(call_echo("hello", &reply, &error), 0);
	ck_assert_str_eq(reply->text, "world");
	ck_assert_int_eq(error.code, 0);
	ck_assert_uint_eq(fake.exchanges, 1);
	ck_assert_uint_eq(fake.sent[0].send.handle, 5);
	ck_assert_uint_eq(fake.sent[0].send.code, code_of("Echo"));
	ck_assert_uint_eq(fake.sent[0].flags, IPCBUS_WAIT);
	ck_assert(!(fake.sent[0].send.flags & IPCBUS_SEND_ACCEPT_FDS));
	test_echo_reply_free(reply);
	test_echo_reply_free(NULL);

	/* The reply's buffer is released with the next exchange. */
	push_reply("", 32);
	ck_assert_int_eq(call_echo("again", NULL, NULL), 0);
	ck_assert_uint_eq(fake.exchanges, 2);
	ck_assert_uint_eq(fake.sent[1].n_release, 1);
	ck_assert_uint_eq(fake.released[0], 31);
	end();
}
END_TEST

START_TEST(buffers_to_give_back_do_not_pile_up)
{
	const unsigned int n = 2 * THREAD_MAX_RELEASE + 4;
	struct thread *t;

	begin();
	ck_assert_int_eq(thread_get(ipc, &t), 0);
	for (uint64_t i = 1; i <= n; i++) {
		thread_release_later(t, i, 8);
		ck_assert_uint_lt(t->n_release, THREAD_MAX_RELEASE);
	}
	ck_assert_uint_eq(fake.n_released, n - 4);
	/* A large buffer is released at once. */
	thread_release_later(t, n + 1, 1 << 20);
	ck_assert_uint_eq(fake.n_released, n + 1);
	ck_assert_uint_eq(t->n_release, 0);
	/* Buffer 0 does not exist. */
	thread_release_later(t, 0, 0);
	ck_assert_uint_eq(t->n_release, 0);
	end();
}
END_TEST

START_TEST(signals_do_not_end_a_call)
{
	Ipc__Test__EchoReply *reply = NULL;

	begin();
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_INTERRUPTED }, NULL, 0, NULL, 0);
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_INTERRUPTED }, NULL, 0, NULL, 0);
	push_reply("world", 31);
	ck_assert_int_eq(call_echo("hello", &reply, NULL), 0);
	ck_assert_uint_eq(fake.n_sent, 1);
	ck_assert_uint_eq(fake.exchanges, 3);
	test_echo_reply_free(reply);
	end();
}
END_TEST

START_TEST(errors_of_the_driver)
{
	struct ipc_error error = IPC_ERROR_INIT;
	Ipc__Test__EchoReply *reply = (void *)1;

	begin();
	fake.send_error = -EOWNERDEAD;
	fake.send_error_kind = IPCBUS_SEND_CALL;
	ck_assert_int_eq(call_echo("hello", &reply, &error), -EOWNERDEAD);
	ck_assert_int_eq(error.code, -EOWNERDEAD);
	ck_assert_ptr_eq(reply, (void *)1);

	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_FAILED, .error = -EMFILE }, NULL, 0,
		  NULL, 0);
	ck_assert_int_eq(call_echo("hello", &reply, &error), -EMFILE);
	ck_assert_int_eq(error.code, -EMFILE);
	ck_assert_ptr_null(error.text);
	end();
}
END_TEST

START_TEST(errors_of_the_server)
{
	Ipc__Error sent = IPC__ERROR__INIT;
	struct ipc_error error = IPC_ERROR_INIT;
	struct ipcbus_event event = {
		.kind = IPCBUS_EVENT_ERROR,
		.error = -EREMOTEIO,
		.buffer = 9,
	};

	begin();
	sent.name = "echo.Empty";
	sent.text = "nothing to say";
	push_packed(event, &sent.base);
	ck_assert_int_eq(call_echo("", NULL, &error), -EREMOTEIO);
	ck_assert_int_eq(error.code, -EREMOTEIO);
	ck_assert_str_eq(error.name, "echo.Empty");
	ck_assert_str_eq(error.text, "nothing to say");

	/* The next failure replaces the error; its explanation is invalid. */
	event.error = -EIO;
	fake_push(event, "\xff\xff\xff", 3, NULL, 0);
	ck_assert_int_eq(call_echo("", NULL, &error), -EIO);
	ck_assert_int_eq(error.code, -EIO);
	ck_assert_ptr_null(error.name);
	ck_assert_ptr_null(error.text);
	end();
}
END_TEST

static void wait_a_moment(void)
{
	usleep(1000);
}

/* Each error has an origin, whichever side reports it. */
START_TEST(errors_have_an_origin)
{
	static const struct {
		uint32_t kind;
		int sent, code, cause;
		enum ipc_origin origin;
	} cases[] = {
		{ IPCBUS_EVENT_FAILED, -EOWNERDEAD, -EOWNERDEAD, 0, IPC_ORIGIN_BUS },
		{ IPCBUS_EVENT_FAILED, -ETIMEDOUT, -ETIMEDOUT, 0, IPC_ORIGIN_BUS },
		{ IPCBUS_EVENT_ERROR, -ENOENT, -ENOENT, 0, IPC_ORIGIN_PEER },
		{ IPCBUS_EVENT_ERROR, -EREMOTEIO, -EREMOTEIO, 0, IPC_ORIGIN_PEER },
		{ IPCBUS_EVENT_ERROR, -EOWNERDEAD, -EREMOTEIO, -EOWNERDEAD, IPC_ORIGIN_BEHIND },
		{ IPCBUS_EVENT_ERROR, -EHOSTDOWN, -EREMOTEIO, -EHOSTDOWN, IPC_ORIGIN_BEHIND },
		{ IPCBUS_EVENT_ERROR, -ETIMEDOUT, -EREMOTEIO, -ETIMEDOUT, IPC_ORIGIN_BEHIND },
		{ IPCBUS_EVENT_ERROR, -ECANCELED, -EREMOTEIO, -ECANCELED, IPC_ORIGIN_BEHIND },
		{ IPCBUS_EVENT_ERROR, -ENOTCONN, -EREMOTEIO, -ENOTCONN, IPC_ORIGIN_BEHIND },
		{ IPCBUS_EVENT_ERROR, -ECHILD, -EREMOTEIO, -ECHILD, IPC_ORIGIN_BEHIND },
	};
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;

	begin();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ipcbus_event event = { .kind = cases[i].kind, .error = cases[i].sent };

		fake_push(event, NULL, 0, NULL, 0);
		ck_assert_int_eq(call_echo("", NULL, &error), cases[i].code);
		ck_assert_int_eq(error.code, cases[i].code);
		ck_assert_int_eq(error.origin, cases[i].origin);
		ck_assert_int_eq(error.cause, cases[i].cause);
		fake_push(event, NULL, 0, NULL, 0);
		ck_assert_int_eq(call_echo("", NULL, NULL), cases[i].code);
	}
	/* A nested call inherits the served call's deadline. */
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_ERROR, .error = -ETIMEDOUT }, NULL,
		  0, NULL, 0);
	ck_assert_int_eq(ipc_set_timeout(ipc, 1), 0);
	fake.on_send = wait_a_moment;
	ck_assert_int_eq(call_echo("", NULL, &error), -ETIMEDOUT);
	ck_assert_int_eq(error.origin, IPC_ORIGIN_BUS);
	ck_assert_int_eq(ipc_set_timeout(ipc, IPC_NEVER), 0);

	fake.send_error = -EOWNERDEAD;
	fake.send_error_kind = IPCBUS_SEND_CALL;
	ck_assert_int_eq(call_echo("", NULL, &error), -EOWNERDEAD);
	ck_assert_int_eq(error.origin, IPC_ORIGIN_BUS);
	ck_assert_int_eq(test_echo(NULL, NULL, NULL, &error), -EINVAL);
	ck_assert_int_eq(error.origin, IPC_ORIGIN_HERE);
	end();
}
END_TEST

START_TEST(a_reply_that_is_none)
{
	Ipc__Test__EchoReply *reply = (void *)1;
	struct ipcbus_object handle = { IPCBUS_OBJECT_HANDLE, .value = 9, .tag = 4 };

	begin();
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY, .buffer = 7 }, "\x0a\x05", 2,
		  &handle, 1);
	ck_assert_int_eq(call_echo("", &reply, NULL), -EBADMSG);
	ck_assert_ptr_eq(reply, (void *)1);
	/* Handles of the reply are put, including a handle that no field of the reply names. */
	ck_assert_uint_eq(fake.n_puts, 1);
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY, .buffer = 8 }, NULL, 0,
		  &handle, 1);
	ck_assert_int_eq(call_echo("", NULL, NULL), 0);
	ck_assert_uint_eq(fake.n_puts, 2);
	end();
}
END_TEST

START_TEST(text_that_is_not_utf8_is_not_sent)
{
	static const uint8_t with_nul[] = { 0x0a, 4, 'a', 0, 'b', 'c' };
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	Ipc__Test__EchoReply *reply = NULL;

	begin();
	ck_assert_int_eq(call_echo("12345678\xff", NULL, &error), -EINVAL);
	ck_assert_str_eq(error.text, "ipc.test.EchoRequest: the field text is not valid UTF-8");
	ck_assert_uint_eq(fake.exchanges, 0);
	/* Text with a NUL is refused, not truncated. */
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY, .buffer = 7 }, with_nul,
		  sizeof(with_nul), NULL, 0);
	ck_assert_int_eq(call_echo("\xc3\xa4", &reply, NULL), -EBADMSG);
	ck_assert_ptr_null(reply);
	end();
}
END_TEST

START_TEST(not_the_methods_request)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	Ipc__Test__EchoReply wrong = IPC__TEST__ECHO_REPLY__INIT;

	begin();
	ck_assert_int_eq(test_echo(peer, (void *)&wrong, NULL, &error), -EINVAL);
	ck_assert_int_eq(test_echo(peer, &(Ipc__Test__EchoRequest){ 0 }, NULL, &error), -EINVAL);
	ck_assert_int_eq(test_log(NULL, NULL), -EINVAL);
	ck_assert_uint_eq(fake.exchanges, 0);
	end();
}
END_TEST

/* --- The server's side -------------------------------------------------------- */

static void serve_one(void)
{
	ck_assert_int_eq(ipc_process(ipc), 1);
}

static void stop(void)
{
	ipc_stop(ipc);
}

/* Serves until the queue is empty. */
static void run(void)
{
	fake.on_empty = stop;
	ck_assert_int_eq(ipc_run(ipc), 0);
	ck_assert_uint_eq(fake.woken, 1);
}

/* Process 1 exists, if it is the caller. */
static void ask_for_a_pidfd(struct ipc_call *call)
{
	int first = dup(0), stdin_again = dup(0), fd;

	ck_assert_int_ge(stdin_again, 0);
	fake.sender_flags = IPCBUS_SENDER_ALIVE;
	fake.sender_pid = 1;
	/* The fd is never that of a standard stream. */
	close(0);
	fd = ipc_call_pidfd(call);
	ck_assert_int_gt(fd, STDERR_FILENO);
	close(fd);
	ck_assert_int_eq(dup2(stdin_again, 0), 0);
	close(stdin_again);
	fake.sender_flags = 0;
	ck_assert_int_eq(ipc_call_pidfd(call), -ESRCH);
	fake.sender_flags = IPCBUS_SENDER_ALIVE;
	fake.sender_pid = 2;
	ck_assert_int_eq(ipc_call_pidfd(call), -ESRCH);
	fake.sender_error = -ENOTTY;
	ck_assert_int_eq(ipc_call_pidfd(call), -ENOTTY);
	ck_assert_int_eq(ipc_call_pidfd(NULL), -EINVAL);
	/* No fd is left open. */
	ck_assert_int_eq(dup(0), stdin_again);
	close(stdin_again);
	close(first);
}

static int reply_now(struct ipc_call *call, const Ipc__Test__EchoRequest *request)
{
	Ipc__Test__EchoReply reply = IPC__TEST__ECHO_REPLY__INIT;
	size_t size;

	ck_assert_int_eq(ipc_call_pid(call), 1);
	ck_assert_int_eq(ipc_call_tid(call), 2);
	ck_assert_uint_eq(ipc_call_uid(call), 3);
	ck_assert_uint_eq(ipc_call_gid(call), 4);
	ask_for_a_pidfd(call);
	ck_assert_ptr_eq(ipc_call_ipc(call), ipc);
	ck_assert_ptr_nonnull(ipc_call_payload(call, &size));
	ck_assert_uint_gt(size, 0);

	/* A call that fails before the reply is sent stays open. */
	ck_assert_int_eq(test_reply_poke(call), -EINVAL);
	ck_assert_int_eq(test_reply_echo(call, NULL), -EINVAL);
	ck_assert_int_eq(ipc_call_fail(call, 0, NULL, NULL), -EINVAL);
	ck_assert_int_eq(ipc_call_fail(call, 4096, NULL, NULL), -EINVAL);
	ck_assert_int_eq(ipc_call_fail(call, 0, NULL, NULL), -EINVAL);

	reply.text = request->text;
	ck_assert_int_eq(test_reply_echo(call, &reply), 0);
	ck_assert_int_eq(test_reply_echo(call, &reply), -EALREADY);
	ck_assert_int_eq(ipc_call_fail(call, 0, "x", NULL), -EALREADY);
	/* The reply is sent only after the handler returns. */
	ck_assert_uint_eq(fake.n_sent, 0);
	return -EIO;
}

START_TEST(a_served_call_is_one_exchange)
{
	begin();
	on_echo = reply_now;
	push_request(IPCBUS_EVENT_CALL, "Echo", "hello");
	run();
	check_reply("hello");
	ck_assert_uint_eq(fake.n_sent, 1);
	/* The wait for the call, and the reply with the release and the next wait. */
	ck_assert_uint_eq(fake.exchanges, 2);
	ck_assert_uint_eq(fake_last()->flags, IPCBUS_WAIT | IPCBUS_SERVE);
	ck_assert_uint_eq(fake_last()->n_release, 1);
	ck_assert_uint_eq(fake.released[0], 50);
	end();
}
END_TEST

START_TEST(an_event_loop_does_not_keep_the_reply)
{
	begin();
	on_echo = reply_now;
	ck_assert_int_eq(ipc_wait_event(ipc, 0), 0);
	ck_assert_uint_eq(ipc->device.polls, 0);
	ck_assert_int_eq(ipc_process(ipc), 0);
	push_request(IPCBUS_EVENT_CALL, "Echo", "hello");
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_INTERRUPTED }, NULL, 0, NULL, 0);
	ck_assert_int_eq(ipc_wait_event(ipc, 0), 1);
	serve_one();
	check_reply("hello");
	ck_assert_int_eq(ipc_process(ipc), 0);
	end();
}
END_TEST

/* The reply's type may contain objects, but this reply has none. */
START_TEST(a_reply_without_objects)
{
	begin();
	push_request(IPCBUS_EVENT_CALL, "Carry", "");
	run();
	ck_assert_uint_eq(fake.n_sent, 1);
	ck_assert_uint_eq(fake_last()->send.kind, IPCBUS_SEND_REPLY);
	ck_assert_uint_eq(fake_last()->send.data_size, 0);
	ck_assert_uint_eq(fake_last()->flags, IPCBUS_WAIT | IPCBUS_SERVE);
	end();
}
END_TEST

static int return_error(struct ipc_call *call, const Ipc__Test__EchoRequest *request)
{
	(void)call;
	(void)request;
	return -EDOM;
}

static int return_nothing(struct ipc_call *call, const Ipc__Test__EchoRequest *request)
{
	(void)call;
	(void)request;
	return 0;
}

static int return_odd(struct ipc_call *call, const Ipc__Test__EchoRequest *request)
{
	(void)call;
	(void)request;
	return -100000;
}

static int raise_error(struct ipc_call *call, const Ipc__Test__EchoRequest *request)
{
	return ipc_call_fail(call, 0, "echo.Empty", "nothing to %s", request->text);
}

static int raise_errno(struct ipc_call *call, const Ipc__Test__EchoRequest *request)
{
	(void)request;
	return ipc_call_fail(call, ENOENT, NULL, "no %d", 7);
}

START_TEST(ways_to_end_a_handler)
{
	static const struct {
		int (*handler)(struct ipc_call *call, const Ipc__Test__EchoRequest *request);
		int code;
		const char *name;
		const char *text;
	} ends[] = {
		{ return_error, EDOM, NULL, NULL },
		{ return_nothing, ENOMSG, NULL, NULL },
		{ return_odd, EIO, NULL, NULL },
		{ raise_error, EREMOTEIO, "echo.Empty", "nothing to say" },
		{ raise_errno, ENOENT, NULL, "no 7" },
	};

	begin();
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		on_echo = ends[i].handler;
		push_request(IPCBUS_EVENT_CALL, "Echo", "say");
		serve_one();
		check_error(ends[i].code, ends[i].name, ends[i].text);
		ck_assert_uint_eq(fake.n_sent, i + 1);
	}
	end();
}
END_TEST

START_TEST(invalid_requests_do_not_reach_a_handler)
{
	begin();
	/* No handler. */
	push_request(IPCBUS_EVENT_CALL, "Poke", "x");
	serve_one();
	check_error(EOPNOTSUPP, NULL, "ipc.test.Test.Poke is not implemented");
	/* No such method. */
	push_packed((struct ipcbus_event){ .kind = IPCBUS_EVENT_CALL, .call = 100, .code = 4711,
					   .cookie = fake.cookie }, NULL);
	serve_one();
	check_error(EOPNOTSUPP, NULL, "ipc.test.Test has no method with the number 0x1267");
	/* A oneway method called, and a method with reply sent as a oneway. */
	push_request(IPCBUS_EVENT_CALL, "Log", "line");
	serve_one();
	check_error(EPROTO, NULL, "ipc.test.Test.Log is oneway: it has no reply");
	on_echo = reply_now;
	push_request(IPCBUS_EVENT_ONEWAY, "Echo", "x");
	serve_one();
	ck_assert_uint_eq(fake.n_sent, 3);
	/* Not a valid request. */
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_CALL, .call = 100, .buffer = 3,
					 .code = code_of("Echo"), .cookie = fake.cookie },
		  "\x0a\x7f", 2, NULL, 0);
	serve_one();
	check_error(EBADMSG, NULL,
		    "ipc.test.Test.Echo: the request is not a valid ipc.test.EchoRequest");
	/* The object no longer exists. */
	push_packed((struct ipcbus_event){ .kind = IPCBUS_EVENT_CALL, .call = 100,
					   .cookie = 4711 }, NULL);
	serve_one();
	check_error(EOWNERDEAD, NULL, NULL);
	ck_assert_int_eq(logged, 0);
	end();
}
END_TEST

START_TEST(a_oneway_has_no_reply)
{
	begin();
	push_request(IPCBUS_EVENT_ONEWAY, "Log", "line");
	serve_one();
	ck_assert_int_eq(logged, 1);
	ck_assert_uint_eq(fake.n_sent, 0);
	/* Its buffer is released. Otherwise the next oneway would not arrive. */
	ck_assert_uint_eq(fake.released[0], 50);
	end();
}
END_TEST

static int reply_and_call(struct ipc_call *call, const Ipc__Test__EchoRequest *request)
{
	Ipc__Test__EchoReply reply = IPC__TEST__ECHO_REPLY__INIT;

	(void)request;
	reply.text = "first";
	ck_assert_int_eq(test_reply_echo(call, &reply), 0);
	ck_assert_uint_eq(fake.n_sent, 0);
	push_reply("inner", 60);
	ck_assert_int_eq(call_echo("second", NULL, NULL), 0);
	ck_assert_uint_eq(fake.n_sent, 2);
	return 0;
}

START_TEST(the_reply_leaves_before_another_call)
{
	begin();
	on_echo = reply_and_call;
	push_request(IPCBUS_EVENT_CALL, "Echo", "x");
	serve_one();
	ck_assert_uint_eq(fake.sent[0].send.kind, IPCBUS_SEND_REPLY);
	ck_assert_uint_eq(fake.sent[1].send.kind, IPCBUS_SEND_CALL);
	ck_assert_uint_eq(fake.n_sent, 2);
	end();
}
END_TEST

/* A call back into a waiting caller is served by the waiting thread. */
START_TEST(a_call_inside_a_call)
{
	Ipc__Test__EchoReply *reply = NULL;

	begin();
	on_echo = raise_errno;
	push_request(IPCBUS_EVENT_CALL, "Echo", "callback");
	push_reply("outer", 61);
	ck_assert_int_eq(call_echo("x", &reply, NULL), 0);
	ck_assert_str_eq(reply->text, "outer");
	test_echo_reply_free(reply);
	ck_assert_uint_eq(fake.n_sent, 2);
	/* The reply is sent in the exchange that continues the wait. */
	ck_assert_uint_eq(fake.exchanges, 2);
	ck_assert_uint_eq(fake_last()->flags, IPCBUS_WAIT);
	check_error(ENOENT, NULL, "no 7");
	end();
}
END_TEST

static int try_to_serve(struct ipc_call *call, const Ipc__Test__EchoRequest *request)
{
	ck_assert_int_eq(ipc_process(ipc), -EDEADLK);
	ck_assert_int_eq(ipc_run(ipc), -EDEADLK);
	return raise_errno(call, request);
}

START_TEST(no_serving_while_a_reply_is_due)
{
	begin();
	on_echo = try_to_serve;
	push_request(IPCBUS_EVENT_CALL, "Echo", "callback");
	push_reply("outer", 61);
	ck_assert_int_eq(call_echo("x", NULL, NULL), 0);
	end();
}
END_TEST

START_TEST(a_reply_that_cannot_be_sent)
{
	begin();
	on_echo = reply_now;
	fake.send_error = -ENOSPC;
	fake.send_error_kind = IPCBUS_SEND_REPLY;
	push_request(IPCBUS_EVENT_CALL, "Echo", "x");
	serve_one();
	check_error(ENOSPC, NULL, NULL);

	/* If an error does not fit, its explanation is left out. */
	on_echo = raise_errno;
	fake.send_error = -ENOSPC;
	fake.send_error_kind = IPCBUS_SEND_ERROR;
	push_request(IPCBUS_EVENT_CALL, "Echo", "x");
	serve_one();
	check_error(ENOENT, NULL, NULL);

	/* Another thread has replied: this thread sends no more. */
	fake.send_error = -ESRCH;
	push_request(IPCBUS_EVENT_CALL, "Echo", "x");
	serve_one();
	ck_assert_uint_eq(fake.n_sent, 2);
	end();
}
END_TEST

/* --- Later -------------------------------------------------------------------- */

static int keep(struct ipc_call *call, const Ipc__Test__EchoRequest *request)
{
	ck_assert_str_eq(request->text, "x");
	kept = ipc_call_ref(call);
	return 0;
}

START_TEST(replied_to_later)
{
	Ipc__Test__EchoReply reply = IPC__TEST__ECHO_REPLY__INIT;

	begin();
	on_echo = keep;
	push_request(IPCBUS_EVENT_CALL, "Echo", "x");
	serve_one();
	ck_assert_uint_eq(fake.n_sent, 0);
	ck_assert_uint_eq(fake.n_released, 0);
	ck_assert_uint_gt(((const char *)ipc_call_payload(kept, NULL))[0], 0);

	/* Memory of the loop's own calls is separate from this call's memory. */
	on_echo = raise_errno;
	push_request(IPCBUS_EVENT_CALL, "Echo", "y");
	serve_one();
	ck_assert_uint_eq(fake.n_sent, 1);

	/* The first send fails and leaves the call open. The second succeeds at once. */
	reply.text = "late";
	fake.send_error = -ENOSPC;
	fake.send_error_kind = IPCBUS_SEND_REPLY;
	ck_assert_int_eq(test_reply_echo(kept, &reply), -ENOSPC);
	ck_assert_int_eq(test_reply_echo(kept, &reply), 0);
	check_reply("late");
	ck_assert_int_eq(test_reply_echo(kept, &reply), -EALREADY);
	ck_assert_uint_eq(fake.n_released, 1);
	ck_assert_ptr_null(ipc_call_unref(kept));
	ck_assert_uint_eq(fake.n_sent, 2);
	ck_assert_uint_eq(fake.n_released, 2);
	end();
}
END_TEST

/* Otherwise a caller could make the server keep arbitrary objects for as long as the call. */
START_TEST(kept_call_releases_objects_without_a_field)
{
	struct ipcbus_object handles[3] = {
		{ IPCBUS_OBJECT_HANDLE, .value = 7, .tag = 1 },
		{ IPCBUS_OBJECT_HANDLE, .value = 8, .tag = 2 },
		{ IPCBUS_OBJECT_HANDLE, .value = 9, .tag = 3 },
	};
	struct ipcbus_event event = { .kind = IPCBUS_EVENT_CALL, .call = 100, .buffer = 50 };

	begin();
	on_echo = keep;
	event.cookie = fake.cookie;
	event.code = code_of("Echo");
	fake_push(event, "\x0a\x01x", 3, handles, 3);
	serve_one();
	ck_assert_uint_eq(fake.n_puts, 3);
	ck_assert_int_eq(ipc_call_fail(kept, EIO, NULL, NULL), 0);
	ipc_call_unref(kept);
	ck_assert_uint_eq(fake.n_puts, 3);
	end();
}
END_TEST

START_TEST(never_replied_to)
{
	begin();
	on_echo = keep;
	push_request(IPCBUS_EVENT_CALL, "Echo", "x");
	serve_one();
	ck_assert_ptr_null(ipc_call_unref(kept));
	check_error(ENOMSG, NULL, NULL);
	ck_assert_ptr_null(ipc_call_unref(NULL));
	ck_assert_ptr_null(ipc_call_ref(NULL));
	end();
}
END_TEST

START_TEST(a_kept_call_keeps_the_connection)
{
	begin();
	on_echo = keep;
	push_request(IPCBUS_EVENT_CALL, "Echo", "x");
	serve_one();
	end();
	ck_assert_int_eq(ipc_call_fail(kept, ENOENT, NULL, "late"), 0);
	check_error(ENOENT, NULL, "late");
	ipc_call_unref(kept);
}
END_TEST

int main(void)
{
	return RUN_TESTS("call", a_call_is_one_exchange, buffers_to_give_back_do_not_pile_up,
			 signals_do_not_end_a_call, errors_of_the_driver, errors_of_the_server,
			 errors_have_an_origin, a_reply_that_is_none,
			 text_that_is_not_utf8_is_not_sent, not_the_methods_request,
			 a_reply_without_objects, a_served_call_is_one_exchange,
			 an_event_loop_does_not_keep_the_reply, ways_to_end_a_handler,
			 invalid_requests_do_not_reach_a_handler, a_oneway_has_no_reply,
			 the_reply_leaves_before_another_call, a_call_inside_a_call,
			 no_serving_while_a_reply_is_due, a_reply_that_cannot_be_sent,
			 replied_to_later, never_replied_to, a_kept_call_keeps_the_connection,
			 kept_call_releases_objects_without_a_field);
}
