// SPDX-License-Identifier: MIT
/*
 * Streams on the fake device: when callbacks run, which messages a waiting thread serves, the use
 * of an inherited stream in a forked child, the errors with which the other side ends, and the
 * properties of the call that opened the stream.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/call.h"
#include "core/object.h"
#include "core/proxy.h"
#include "stream-run.h"

static struct ipc *ipc;
static struct ipc_proxy *peer;
static struct ipc_stream *stream;
static uint64_t data_cookie, control_cookie;
static unsigned int called;

static void begin_with(const struct ipc_options *options)
{
	fake_reset();
	called = 0;
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(proxy_arrived_at(ipc, 5, NULL, &peer), 0);
	push_opened();
	ck_assert_int_eq(ipc_raw_stream_open(peer, 1, options, &stream, NULL), 0);
	data_cookie = opened_cookie(0);
	control_cookie = opened_cookie(1);
}

static void begin(void)
{
	begin_with(NULL);
}

static void end(void)
{
	ipc_stream_unref(stream);
	ipc_proxy_unref(peer);
	ipc_unref(ipc);
}

static void arrive_at(uint64_t cookie, uint32_t code, const void *bytes, size_t size)
{
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_ONEWAY, .code = code,
					 .cookie = cookie, .buffer = 8 },
		  bytes, size, NULL, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
}

static void arrive(uint32_t code, const void *bytes, size_t size)
{
	arrive_at(data_cookie, code, bytes, size);
}

static void on_message(struct ipc_stream *ready, void *userdata)
{
	(void)ready, (void)userdata;
	called++;
}

/* --- After fork() -------------------------------------------------------------------- */

static int use_inherited(void)
{
	const struct ipc_raw_message *received;
	struct ipc_raw_message sent = { .size = 0 };
	unsigned int calls = called;

	alarm(20);
	if (ipc_raw_stream_receive(stream, 0, &received, NULL) != -ECHILD ||
	    ipc_raw_stream_send(stream, &sent, 0) != -ECHILD ||
	    ipc_stream_end(stream) != -ECHILD ||
	    ipc_stream_fail(stream, -EIO, NULL, NULL) != -ECHILD)
		return 1;
	ipc_stream_cancel(stream);
	end();
	return called == calls ? 0 : 2;
}

/* A thread of the parent uses the stream when another forks. */
START_TEST(a_forked_child_may_only_unref)
{
	static const struct ipc_stream_ops ops = { .size = sizeof(ops), .on_message = on_message };
	const struct ipc_raw_message *received;
	int status;
	pid_t pid;

	begin();
	ck_assert_int_eq(ipc_stream_set_ops(stream, &ops, NULL), 0);
	arrive(STREAM_MESSAGE, "message", 7);
	arrive(STREAM_MESSAGE, "another", 7);
	ck_assert_int_eq(ipc_raw_stream_receive(stream, 0, &received, NULL), 1);
	stream_lock(stream);
	pid = fork();
	if (!pid)
		_exit(use_inherited());
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	stream_unlock(stream);
	ck_assert_int_eq(status, 0);

	ck_assert_int_eq(ipc_raw_stream_receive(stream, 0, &received, NULL), 1);
	ck_assert_mem_eq(received->data, "another", 7);
	ipc_stream_cancel(stream);
	serve_all_of(ipc);
	end();
}
END_TEST

/* --- Credit -------------------------------------------------------------------------- */

/* The other side has no space for the credit. */
START_TEST(granting_credit_does_not_wait)
{
	const struct ipc_raw_message *received;

	begin();
	for (unsigned int i = 0; i < STREAM_WINDOW / 2; i++) {
		arrive(STREAM_MESSAGE, "message", 7);
		ck_assert_int_eq(ipc_raw_stream_receive(stream, 0, &received, NULL), 1);
	}
	fake.send_error = -EAGAIN;
	fake.send_error_kind = IPCBUS_SEND_ONEWAY;
	ck_assert_int_eq(ipc_raw_stream_receive(stream, 0, &received, NULL), -EAGAIN);
	ck_assert_int_eq(fake.send_error, 0);
	/* It checked once more after it had announced that it waits. */
	ck_assert_uint_eq(fake_last()->send.handle, 10);
	ck_assert_uint_eq(fake_last()->send.code, STREAM_CREDIT);
	ck_assert_uint_eq(fake_last()->send.deadline, 0);
	ck_assert_uint_eq(stream->owed, 0);
	end();
}
END_TEST

static void grant(uint32_t messages)
{
	Ipc__StreamCredit credit = IPC__STREAM_CREDIT__INIT;
	uint8_t bytes[16];

	credit.has_messages = true;
	credit.messages = messages;
	arrive_at(control_cookie, STREAM_CREDIT, bytes, ipc__stream_credit__pack(&credit, bytes));
}

/* Returns the number of sent messages. */
static unsigned int send_until_full(void)
{
	const struct ipc_raw_message message = { .size = 0 };
	unsigned int n = 0;

	while (n < 1000 && ipc_raw_stream_send(stream, &message, 0) == 0)
		n++;
	return n;
}

/* The other side grants too much: at once, gradually, and with a sum that overflows. */
START_TEST(credit_has_a_limit)
{
	static const struct {
		unsigned int already;
		uint32_t more;
		bool allowed;
	} cases[] = {
		{ 0, STREAM_WINDOW, true },
		{ 0, STREAM_WINDOW + 1, false },
		{ 1, STREAM_WINDOW - 1, true },
		{ 1, STREAM_WINDOW, false },
		{ STREAM_WINDOW, 0, true },
		{ STREAM_WINDOW, 1, false },
		{ STREAM_WINDOW, UINT32_MAX, false },
		{ 0, UINT32_MAX, false },
		/* As after a send that failed while the other side granted the maximum. */
		{ STREAM_WINDOW + 1, UINT32_MAX - 1, false },
		{ STREAM_WINDOW + 1, 1, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin();
		ck_assert_uint_eq(send_until_full(), STREAM_WINDOW);
		stream->credit = cases[i].already;
		grant(cases[i].more);
		ck_assert_int_eq(ipc_stream_is_canceled(stream), !cases[i].allowed);
		ck_assert_uint_eq(send_until_full(), cases[i].allowed ?
					  cases[i].already + cases[i].more : 0);
		ck_assert_int_eq(stream->broken, cases[i].allowed ? 0 : -EPROTO);
		end();
	}
}
END_TEST

/* The initial credit of a server's end exceeds the maximum. */
START_TEST(the_first_credit_has_a_limit)
{
	static const uint32_t windows[] = { STREAM_WINDOW, STREAM_WINDOW + 1, UINT32_MAX };

	for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
		begin();
		ipc_stream_unref(stream);
		push_open_of((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY, .buffer = 7 }, 0, 0,
			     windows[i]);
		stream = NULL;
		ck_assert_int_eq(ipc_raw_stream_open(peer, 1, NULL, &stream, NULL),
				 i ? -EPROTO : 0);
		if (!i)
			ck_assert_uint_eq(send_until_full(), windows[i]);
		end();
	}
}
END_TEST

/* --- Callbacks ----------------------------------------------------------------------- */

static unsigned int ends, destroys;
static int end_result;

static void on_end(struct ipc_stream *ended, int result, const struct ipc_error *error,
		   void *userdata)
{
	(void)ended, (void)userdata;
	ck_assert_int_eq(error->code, result);
	ck_assert_uint_eq(destroys, 0);
	end_result = result;
	ends++;
}

static void on_destroy(void *userdata)
{
	ck_assert_ptr_eq(userdata, &destroys);
	destroys++;
}

static void take_one(struct ipc_stream *ready, void *userdata)
{
	const struct ipc_raw_message *received;

	ck_assert_ptr_eq(userdata, &destroys);
	ck_assert_uint_eq(destroys, 0);
	called++;
	if (called <= 3)
		ck_assert_int_eq(ipc_raw_stream_receive(ready, 0, &received, NULL), 1);
}

static const struct ipc_stream_ops all_ops = {
	.size = sizeof(all_ops),
	.on_message = take_one,
	.on_end = on_end,
	.destroy = on_destroy,
};

static void begin_with_ops(void)
{
	begin();
	ends = destroys = 0;
	end_result = 1;
}

static void serve_all(void)
{
	serve_all_of(ipc);
}

START_TEST(earlier_arrivals_are_reported)
{
	begin_with_ops();
	arrive(STREAM_MESSAGE, "one", 3);
	arrive(STREAM_MESSAGE, "two", 3);
	ck_assert_int_eq(ipc_stream_set_ops(stream, &all_ops, &destroys), 0);
	/* Never inside a function that the program called. */
	ck_assert_uint_eq(called, 0);
	serve_all();
	ck_assert_uint_eq(called, 2);
	ck_assert_int_eq(ipc_stream_set_ops(stream, &all_ops, &destroys), -EALREADY);
	ipc_stream_cancel(stream);
	ck_assert_uint_eq(ends, 0);
	serve_all();
	ck_assert_uint_eq(ends, 1);
	ck_assert_int_eq(end_result, -ECANCELED);
	ck_assert_uint_eq(destroys, 1);
	serve_all();
	ck_assert_uint_eq(ends + destroys, 2);
	end();
}
END_TEST

/* A stream lives until it has ended, without a reference by the program. */
START_TEST(it_lives_until_it_is_over)
{
	begin_with_ops();
	ck_assert_int_eq(ipc_stream_set_ops(stream, &all_ops, &destroys), 0);
	ck_assert_ptr_null(ipc_stream_unref(stream));
	for (int i = 0; i < 3; i++)
		arrive(STREAM_MESSAGE, "message", 7);
	serve_all();
	ck_assert_uint_eq(called, 3);
	ck_assert_uint_eq(destroys, 0);
	arrive(STREAM_END, NULL, 0);
	serve_all();
	ck_assert_uint_eq(ends, 1);
	ck_assert_int_eq(end_result, 0);
	ck_assert_uint_eq(destroys, 1);
	stream = NULL;
	end();
}
END_TEST

/* A callback that does not receive slows the sender down, but does not keep a broken stream. */
START_TEST(callback_runs_once_per_unreceived_message)
{
	begin_with_ops();
	called = 3;
	ck_assert_int_eq(ipc_stream_set_ops(stream, &all_ops, &destroys), 0);
	arrive(STREAM_MESSAGE, "one", 3);
	serve_all();
	ck_assert_uint_eq(called, 4);
	arrive(STREAM_MESSAGE, "two", 3);
	serve_all();
	ck_assert_uint_eq(called, 5);
	arrive(STREAM_END, NULL, 0);
	serve_all();
	ck_assert_uint_eq(ends, 0);
	ipc_stream_cancel(stream);
	serve_all();
	ck_assert_uint_eq(ends, 1);
	ck_assert_int_eq(end_result, -ECANCELED);
	ck_assert_uint_eq(destroys, 1);
	end();
}
END_TEST

START_TEST(unwanted_message_ends_the_stream)
{
	static const struct ipc_stream_ops ops = {
		.size = sizeof(ops), .on_end = on_end, .destroy = on_destroy,
	};
	static const struct ipc_stream_ops shorter = { .size = sizeof(ops) - 1 };

	begin_with_ops();
	ck_assert_int_eq(ipc_stream_set_ops(stream, NULL, NULL), -EINVAL);
	ck_assert_int_eq(ipc_stream_set_ops(stream, &shorter, NULL), -EINVAL);
	ck_assert_int_eq(ipc_stream_set_ops(stream, &ops, &destroys), 0);
	arrive(STREAM_MESSAGE, "message", 7);
	serve_all();
	ck_assert_int_eq(end_result, -EPROTO);
	ck_assert_uint_eq(destroys, 1);
	end();
}
END_TEST

/* --- Waiting ------------------------------------------------------------------------- */

static unsigned int served;

static int count_call(struct ipc_call *call, const struct ipc_raw_message *request,
		      void *userdata)
{
	const struct ipc_raw_message reply = { .size = 0 };

	(void)request, (void)userdata;
	served++;
	return ipc_raw_reply(call, &reply);
}

/* A call to another object arrives first. It is left for a serving thread. */
START_TEST(wait_serves_no_other_objects)
{
	static const struct ipc_raw_ops ops = { .interface = "Other", .serve = count_call };
	const struct ipc_raw_message *received;
	struct ipc_object *object;
	uint64_t id;

	begin();
	served = 0;
	ck_assert_int_eq(ipc_raw_object_new(ipc, &ops, NULL, &object), 0);
	ck_assert_int_eq(ipc_object_id(object, &id), 0);
	for (uint64_t call = 50; call < 53; call++)
		fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_CALL, .call = call,
						 .code = 1, .cookie = object->wants.cookie,
						 .buffer = call }, "call", 4, NULL, 0);
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_ONEWAY, .code = STREAM_MESSAGE,
					 .cookie = data_cookie, .buffer = 8 },
		  "message", 7, NULL, 0);
	ck_assert_int_eq(ipc_raw_stream_receive(stream, 1000000, &received, NULL), 1);
	ck_assert_mem_eq(received->data, "message", 7);
	ck_assert_uint_eq(served, 0);
	ck_assert_int_eq(ipc_wait_event(ipc, 0), 1);
	serve_all();
	ck_assert_uint_eq(served, 3);
	ck_assert_int_eq(ipc_wait_event(ipc, 0), 0);

	/* Nor is it lost if the connection closes first. */
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_CALL, .call = 60, .code = 1,
					 .cookie = object->wants.cookie, .buffer = 60 },
		  "call", 4, NULL, 0);
	ck_assert_int_eq(ipc_raw_stream_receive(stream, 1000, &received, NULL), -EAGAIN);
	ipc_object_unref(object);
	end();
	ck_assert_uint_eq(served, 3);
}
END_TEST

static int wait_here(struct ipc_call *call, const struct ipc_raw_message *request,
		     void *userdata)
{
	const struct ipc_raw_message *received;

	(void)call, (void)request, (void)userdata;
	served++;
	return ipc_raw_stream_receive(stream, IPC_NEVER, &received, NULL);
}

/* The last serving thread does not wait. */
START_TEST(handler_of_a_single_thread_does_not_wait)
{
	static const struct ipc_raw_ops ops = { .interface = "Other", .serve = wait_here };
	struct ipc_object *object;
	uint64_t id;

	begin();
	served = 0;
	ck_assert_int_eq(ipc_raw_object_new(ipc, &ops, NULL, &object), 0);
	ck_assert_int_eq(ipc_object_id(object, &id), 0);
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_CALL, .call = 50, .code = 1,
					 .cookie = object->wants.cookie, .buffer = 9 },
		  "call", 4, NULL, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
	ck_assert_uint_eq(served, 1);
	ck_assert_uint_eq(fake_last()->send.kind, IPCBUS_SEND_ERROR);
	ck_assert_uint_eq(fake_last()->send.code, EDEADLK);
	ck_assert_uint_eq(ipc->pool.blocked, 0);
	ipc_object_unref(object);
	end();
}
END_TEST

/* --- Ends ---------------------------------------------------------------------------- */

/* The other side has no space for it: it is sent later, even if the stream is closed. */
START_TEST(ending_does_not_wait)
{
	begin();
	fake.send_error = -EAGAIN;
	fake.send_error_kind = IPCBUS_SEND_ONEWAY;
	ck_assert_int_eq(ipc_stream_fail(stream, -EIO, NULL, "%s", "explained"), 0);
	ck_assert_uint_eq(fake_last()->send.code, STREAM_END);
	ck_assert_uint_eq(fake_last()->send.deadline, 0);
	ck_assert_int_eq(ipc_stream_end(stream), -EALREADY);

	fake.send_error = -EAGAIN;
	stream = ipc_stream_unref(stream);
	ck_assert_uint_eq(fake_last()->send.code, STREAM_CANCEL);
	ck_assert_uint_eq(fake_last()->send.deadline, 0);
	end();
}
END_TEST

START_TEST(the_end_has_an_origin)
{
	static const struct {
		int sent, code, cause;
		enum ipc_origin origin;
	} cases[] = {
		{ -EDOM, -EDOM, 0, IPC_ORIGIN_PEER },
		{ -EOWNERDEAD, -EREMOTEIO, -EOWNERDEAD, IPC_ORIGIN_BEHIND },
		{ -ECANCELED, -EREMOTEIO, -ECANCELED, IPC_ORIGIN_BEHIND },
		/* These codes would tell the receiver to wait, or grant credit. */
		{ -EAGAIN, -EREMOTEIO, 0, IPC_ORIGIN_PEER },
		{ -EPIPE, -EREMOTEIO, 0, IPC_ORIGIN_PEER },
	};
	const struct ipc_raw_message *received;
	struct ipc_error error = IPC_ERROR_INIT;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		Ipc__StreamEnd said = IPC__STREAM_END__INIT;
		uint8_t bytes[32];

		begin();
		said.has_code = true;
		said.code = cases[i].sent;
		arrive(STREAM_END, bytes, ipc__stream_end__pack(&said, bytes));
		ck_assert_int_eq(ipc_raw_stream_receive(stream, 0, &received, &error),
				 cases[i].code);
		ck_assert_int_eq(error.code, cases[i].code);
		ck_assert_int_eq(error.cause, cases[i].cause);
		ck_assert_int_eq(error.origin, cases[i].origin);
		end();
	}
	ipc_error_done(&error);
}
END_TEST

/* --- The opening call ------------------------------------------------------------------- */

static uint64_t sent_deadline(void)
{
	const struct fake_sent *sent = fake_last();
	Ipc__StreamOpen *open;
	uint64_t deadline;

	open = ipc__stream_open__unpack(NULL, sent->send.data_size, sent->data);
	ck_assert_ptr_nonnull(open);
	deadline = open->has_deadline ? open->deadline : 0;
	ipc__stream_open__free_unpacked(open, NULL);
	return deadline;
}

START_TEST(without_a_limit_it_has_none)
{
	begin();
	ck_assert_uint_eq(sent_deadline(), 0);
	ck_assert_uint_eq(ipc_stream_remaining(stream), IPC_NEVER);
	ck_assert_int_eq(ipc_stream_is_canceled(stream), 0);
	ipc_stream_cancel(stream);
	ck_assert_int_eq(ipc_stream_is_canceled(stream), 1);
	ck_assert_int_eq(ipc_stream_is_canceled(NULL), 0);
	end();
}
END_TEST

START_TEST(no_messages_after_the_deadline)
{
	static const struct ipc_options options = { .timeout_usec = 1000000000 };
	const struct ipc_raw_message sent = { .size = 0 }, *received;
	struct ipc_error error = IPC_ERROR_INIT;
	unsigned int n_sent;

	begin_with(&options);
	ck_assert_uint_ne(stream->deadline, 0);
	ck_assert_uint_eq(sent_deadline(), stream->deadline);
	ck_assert_uint_gt(ipc_stream_remaining(stream), 0);
	ck_assert_uint_le(ipc_stream_remaining(stream), 1000000000);
	arrive(STREAM_MESSAGE, "message", 7);

	stream->deadline = time_now();
	ck_assert_uint_eq(ipc_stream_remaining(stream), 0);
	/* The other side noticed the deadline first. */
	stream_break(stream, -EOWNERDEAD);
	ck_assert_int_eq(ipc_stream_is_canceled(stream), 1);
	ck_assert_int_eq(ipc_raw_stream_send(stream, &sent, IPC_NEVER), -ETIMEDOUT);
	ck_assert_int_eq(ipc_stream_end(stream), -ETIMEDOUT);
	/* Messages that had arrived are still received. */
	ck_assert_int_eq(ipc_raw_stream_receive(stream, 0, &received, &error), 1);
	ck_assert_int_eq(ipc_raw_stream_receive(stream, 0, &received, &error), -ETIMEDOUT);
	ck_assert_int_eq(error.code, -ETIMEDOUT);
	ck_assert_int_eq(error.origin, IPC_ORIGIN_HERE);
	ipc_error_done(&error);
	/* The other side knows already. */
	n_sent = fake.n_sent;
	end();
	ck_assert_uint_eq(fake.n_sent, n_sent);
}
END_TEST

START_TEST(a_wait_ends_at_the_deadline)
{
	static const struct ipc_options options = { .timeout_usec = 20000 };
	const struct ipc_raw_message *received;

	begin_with(&options);
	ck_assert_int_eq(ipc_raw_stream_receive(stream, IPC_NEVER, &received, NULL), -ETIMEDOUT);
	ck_assert_uint_eq(ipc_stream_remaining(stream), 0);
	end();
}
END_TEST

static bool is_readable(int fd, int timeout_ms)
{
	struct pollfd polled = { .fd = fd, .events = POLLIN };

	return poll(&polled, 1, timeout_ms) == 1;
}

/* An event loop without other events wakes up. */
START_TEST(callbacks_learn_of_the_deadline)
{
	static const struct ipc_options options = { .timeout_usec = 20000 };
	int fd;

	begin_with(&options);
	ends = destroys = 0;
	fd = ipc_get_fd(ipc);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ipc_stream_set_ops(stream, &all_ops, &destroys), 0);
	ck_assert(is_readable(fd, 60000));
	serve_all();
	ck_assert_uint_eq(ends, 1);
	ck_assert_int_eq(end_result, -ETIMEDOUT);
	ck_assert_uint_eq(destroys, 1);
	ck_assert(!is_readable(fd, 0));
	ck_assert_uint_eq(atomic_load(&ipc->attention), 0);
	end();
}
END_TEST

static size_t count_timers(void)
{
	size_t n = 0;

	for (const struct timer *timer = LIST_FIRST(&ipc->timers.list); timer;
	     timer = LIST_NEXT(timer, link))
		n++;
	return n;
}

/* Closed before their deadlines, in another order than they would expire. */
START_TEST(timers_end_with_their_streams)
{
	static const struct ipc_stream_ops ops = { .size = sizeof(ops) };
	struct ipc_options options = { .timeout_usec = 0 };
	struct ipc_stream *streams[12];
	const size_t n = sizeof(streams) / sizeof(streams[0]);

	begin();
	for (size_t i = 0; i < n; i++) {
		options.timeout_usec = 1000000000 + 1000000000 * (i * 5 % n);
		push_opened();
		ck_assert_int_eq(ipc_raw_stream_open(peer, 1, &options, &streams[i], NULL), 0);
		ck_assert_int_eq(ipc_stream_set_ops(streams[i], &ops, NULL), 0);
		ck_assert_uint_eq(count_timers(), i + 1);
	}
	ck_assert_uint_eq(atomic_load(&ipc->attention), ATTEND_TIMER | ATTEND_POLL);
	for (size_t i = 0; i < n; i++) {
		ipc_stream_cancel(streams[i * 7 % n]);
		ipc_stream_unref(streams[i * 7 % n]);
		serve_all();
		ck_assert_uint_eq(count_timers(), n - 1 - i);
	}
	ck_assert_uint_eq(atomic_load(&ipc->attention), 0);
	end();
}
END_TEST

static uint64_t parent_deadline;
static struct ipc_call *kept;

/* Opens a stream for the call. The first call is canceled, later calls get a reply. */
static int open_for(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	static const struct ipc_raw_message reply = { .size = 0 };
	const struct ipc_options options = { .parent = call, .timeout_usec = 5000000000 };

	(void)request;
	push_opened();
	ck_assert_int_eq(ipc_raw_stream_open(peer, 1, &options, userdata, NULL), 0);
	parent_deadline = call->deadline;
	if (called++)
		return ipc_raw_reply(call, &reply);
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_CANCELED, .call = call->number },
		  NULL, 0, NULL, 0);
	kept = ipc_call_ref(call);
	return 0;
}

static void serve_parent(struct ipc_object *object, uint64_t number)
{
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_CALL, .call = number, .code = 1,
					 .cookie = object->wants.cookie, .buffer = number,
					 .deadline = time_now() + 1000000000000 },
		  "call", 4, NULL, 0);
	serve_all();
}

START_TEST(a_parent_limits_and_cancels_it)
{
	static const struct ipc_raw_ops ops = { .interface = "Other", .serve = open_for };
	const struct ipc_raw_message *received;
	struct ipc_stream *child = NULL;
	struct ipc_object *object;
	uint64_t id;

	begin();
	ck_assert_int_eq(ipc_raw_object_new(ipc, &ops, &child, &object), 0);
	ck_assert_int_eq(ipc_object_id(object, &id), 0);
	serve_parent(object, 50);
	ck_assert_uint_eq(child->deadline, parent_deadline);
	ck_assert_int_eq(ipc_raw_stream_receive(child, 0, &received, NULL), -ECANCELED);
	ipc_stream_unref(child);

	/* After its reply, the parent no longer cancels the stream. */
	serve_parent(object, 51);
	ck_assert_uint_eq(child->deadline, parent_deadline);
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_CANCELED, .call = 51 }, NULL, 0,
		  NULL, 0);
	serve_all();
	ck_assert_int_eq(ipc_stream_is_canceled(child), 0);
	ipc_stream_unref(child);
	ipc_call_unref(kept);
	ipc_object_unref(object);
	end();
}
END_TEST

static int refuse(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	(void)call, (void)request, (void)userdata;
	return -EOPNOTSUPP;
}

static int expect_client(struct ipc_stream *opened, uint32_t method, void *userdata)
{
	(void)userdata;
	ck_assert_uint_eq(method, 3);
	ck_assert_int_eq(ipc_stream_pid(opened), getpid());
	ck_assert_uint_eq(opened->deadline, 12345);
	ck_assert_uint_eq(ipc_stream_remaining(opened), 0);
	ck_assert_int_eq(ipc_stream_is_canceled(opened), 1);
	called++;
	return 0;
}

START_TEST(a_server_knows_its_client)
{
	static const struct ipc_raw_ops ops = {
		.interface = "Other", .serve = refuse, .stream = expect_client,
	};
	struct ipc_object *object;
	uint64_t id;

	begin();
	ck_assert_int_eq(ipc_raw_object_new(ipc, &ops, NULL, &object), 0);
	ck_assert_int_eq(ipc_object_id(object, &id), 0);
	push_open((struct ipcbus_event){ .kind = IPCBUS_EVENT_CALL, .call = 60,
					 .code = IPC_NUMBER_STREAM, .buffer = 60,
					 .pid = (uint32_t)getpid(),
					 .cookie = object->wants.cookie }, 3, 12345);
	serve_all();
	ck_assert_uint_eq(called, 1);
	ipc_object_unref(object);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("stream", a_forked_child_may_only_unref,
			 granting_credit_does_not_wait, credit_has_a_limit,
			 the_first_credit_has_a_limit, earlier_arrivals_are_reported,
			 it_lives_until_it_is_over,
			 callback_runs_once_per_unreceived_message,
			 unwanted_message_ends_the_stream, wait_serves_no_other_objects,
			 handler_of_a_single_thread_does_not_wait, ending_does_not_wait,
			 the_end_has_an_origin, without_a_limit_it_has_none,
			 no_messages_after_the_deadline, a_wait_ends_at_the_deadline,
			 callbacks_learn_of_the_deadline,
			 timers_end_with_their_streams, a_parent_limits_and_cancels_it,
			 a_server_knows_its_client);
}
