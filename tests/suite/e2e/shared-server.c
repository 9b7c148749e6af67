// SPDX-License-Identifier: MIT
/*
 * A server of streams in shared memory: see shared-server.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>

#include "shared-server.h"

static _Atomic unsigned int handlers, shared;
static _Atomic int last_error;

Shared__Number number_of(uint64_t value)
{
	Shared__Number number = SHARED__NUMBER__INIT;

	number.value = value;
	number.odd = value & 1;
	number.kind = value > 100 ? SHARED__NUMBER__KIND__LARGE : SHARED__NUMBER__KIND__NEGATIVE;
	number.half = -(int32_t)(value / 2);
	number.real = (double)value / 7;
	number.check = ~value;
	number.third = (float)(value % 1000) / 3;
	return number;
}

bool number_is(const Shared__Number *number, uint64_t value)
{
	Shared__Number want = number_of(value);

	return number->value == want.value && number->odd == want.odd &&
	       number->kind == want.kind && number->half == want.half &&
	       number->check == want.check &&
	       !(number->real < want.real) && !(number->real > want.real) &&
	       !(number->third < want.third) && !(number->third > want.third);
}

static void begin_handler(const struct ipc_stream *stream)
{
	handlers++;
	shared += (unsigned int)ipc_stream_is_shared(stream);
}

static void end_handler(int error)
{
	last_error = error;
	handlers--;
}

/* --- With handlers that wait ----------------------------------------------------------- */

static int push_numbers(struct ipc_stream *stream, const Shared__CountRequest *request,
			int (*push)(struct ipc_stream *, uint64_t, const Shared__Number *))
{
	int r = 0;

	begin_handler(stream);
	for (uint64_t i = 1; i <= request->count && r == 0; i++) {
		Shared__Number number = number_of(i);

		r = push(stream, SECONDS(20), &number);
	}
	if (r == 0 && request->code)
		r = ipc_stream_fail(stream, request->code, NULL, "%s", request->text);
	end_handler(r);
	return r;
}

static int wait_count(struct ipc_stream *stream, const Shared__CountRequest *request,
		      void *userdata)
{
	(void)userdata;
	return push_numbers(stream, request, sharing_push_count);
}

static int wait_sum(struct ipc_stream *stream, void *userdata)
{
	Shared__Total total = SHARED__TOTAL__INIT;
	const Shared__Number *number;
	int r;

	(void)userdata;
	begin_handler(stream);
	while ((r = sharing_pull_sum(stream, SECONDS(20), &number, NULL)) > 0)
		total.value += number->value;
	total.text = (char *)"all";
	if (r == 0)
		r = sharing_reply_sum(stream, &total);
	end_handler(r);
	return r;
}

static int wait_twice(struct ipc_stream *stream, void *userdata)
{
	const Shared__Number *number;
	int r;

	(void)userdata;
	begin_handler(stream);
	while ((r = sharing_pull_twice(stream, SECONDS(20), &number, NULL)) > 0) {
		Shared__Number reply = number_of(2 * number->value);

		r = sharing_push_twice(stream, SECONDS(20), &reply);
		if (r < 0)
			break;
	}
	end_handler(r);
	return r;
}

/* --- With callbacks ------------------------------------------------------------------- */

/* What a stream has done so far, or still has to send. */
struct work {
	uint64_t value;
	uint64_t count;
	bool ended;
	int code;
};

static void work_destroy(void *userdata)
{
	free(userdata);
	handlers--;
}

static void feed(struct ipc_stream *stream, void *userdata)
{
	struct work *work = userdata;
	int r = 0;

	while (r == 0 && work->value < work->count) {
		Shared__Number number = number_of(work->value + 1);

		r = sharing_push_count(stream, 0, &number);
		work->value += r == 0;
	}
	if (r == -EAGAIN)
		return;
	last_error = r;
	if (work->code)
		ipc_stream_fail(stream, work->code, NULL, "%s", "as you wish");
	else
		ipc_stream_end(stream);
}

static void feed_end(struct ipc_stream *stream, int result, const struct ipc_error *error,
		     void *userdata)
{
	(void)stream, (void)error, (void)userdata;
	last_error = result;
}

static int count(struct ipc_stream *stream, const Shared__CountRequest *request, void *userdata)
{
	static const struct ipc_stream_ops ops = {
		.size = sizeof(ops),
		.on_writable = feed,
		.on_end = feed_end,
		.destroy = work_destroy,
	};
	struct work *work = calloc(1, sizeof(*work));

	(void)userdata;
	begin_handler(stream);
	work->count = request->count;
	work->code = request->code;
	ck_assert_int_eq(ipc_stream_set_ops(stream, &ops, work), 0);
	feed(stream, work);
	return 0;
}

static void sum_message(struct ipc_stream *stream, const Shared__Number *number, void *userdata)
{
	struct work *work = userdata;

	(void)stream;
	work->value += number->value;
}

static void sum_end(struct ipc_stream *stream, int result, const struct ipc_error *error,
		    void *userdata)
{
	struct work *work = userdata;
	Shared__Total total = SHARED__TOTAL__INIT;

	(void)error;
	last_error = result;
	total.value = work->value;
	total.text = (char *)"all";
	if (result == 0)
		sharing_reply_sum(stream, &total);
	else
		ipc_stream_fail(stream, result, NULL, NULL);
}

static int sum(struct ipc_stream *stream, void *userdata)
{
	static const struct ipc_stream_ops ops = {
		.size = sizeof(ops),
		.on_end = sum_end,
		.destroy = work_destroy,
	};

	(void)userdata;
	begin_handler(stream);
	return sharing_set_ops_sum(stream, sum_message, &ops, calloc(1, sizeof(struct work)));
}

/* value: received and not sent yet, or 0. Meanwhile messages are left. */
static void twice_more(struct ipc_stream *stream, void *userdata)
{
	struct work *work = userdata;
	const Shared__Number *number;

	for (;;) {
		if (work->value) {
			Shared__Number reply = number_of(2 * work->value);
			int r = sharing_push_twice(stream, 0, &reply);

			if (r == -EAGAIN)
				return;
			if (r < 0)
				last_error = r;
			work->value = 0;
		}
		if (sharing_pull_twice(stream, 0, &number, NULL) <= 0)
			break;
		work->value = number->value;
	}
	if (work->ended)
		ipc_stream_end(stream);
}

static void twice_end(struct ipc_stream *stream, int result, const struct ipc_error *error,
		      void *userdata)
{
	struct work *work = userdata;

	(void)error;
	last_error = result;
	work->ended = true;
	if (!work->value)
		ipc_stream_end(stream);
}

static int twice(struct ipc_stream *stream, void *userdata)
{
	static const struct ipc_stream_ops ops = {
		.size = sizeof(ops),
		.on_message = twice_more,
		.on_writable = twice_more,
		.on_end = twice_end,
		.destroy = work_destroy,
	};

	(void)userdata;
	begin_handler(stream);
	return ipc_stream_set_ops(stream, &ops, calloc(1, sizeof(struct work)));
}

static int look(struct ipc_call *call, void *userdata)
{
	Shared__LookReply reply = SHARED__LOOK_REPLY__INIT;

	(void)userdata;
	reply.handlers = handlers;
	reply.last_error = last_error;
	reply.shared = shared;
	return sharing_reply_look(call, &reply);
}

/* --- Both ------------------------------------------------------------------------------ */

static const struct sharing_ops with_callbacks = {
	.count = count, .sum = sum, .twice = twice, .look = look,
};

static const struct sharing_ops that_wait = {
	.count = wait_count, .sum = wait_sum, .twice = wait_twice, .look = look,
};

static int prepare(struct ipc *ipc, const struct sharing_ops *ops)
{
	ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;
	int r;

	r = sharing_object_new(ipc, ops, NULL, NULL, &object);
	return r < 0 ? r : ipc_set_manager(ipc, object);
}

int prepare_sharing(struct ipc *ipc)
{
	return prepare(ipc, &with_callbacks);
}

int prepare_waiting_sharing(struct ipc *ipc)
{
	return prepare(ipc, &that_wait);
}

/* --- Others ----------------------------------------------------------------------------- */

static int old_count(struct ipc_stream *stream, const Shared__CountRequest *request,
		     void *userdata)
{
	(void)userdata;
	return push_numbers(stream, request, old_push_count);
}

static int old_sum(struct ipc_stream *stream, void *userdata)
{
	Shared__Total total = SHARED__TOTAL__INIT;
	const Shared__Number *number;
	int r;

	(void)userdata;
	while ((r = old_pull_sum(stream, SECONDS(20), &number, NULL)) > 0)
		total.value += number->value;
	total.text = (char *)"all";
	return r < 0 ? r : old_reply_sum(stream, &total);
}

static int newer_count(struct ipc_stream *stream, const Shared__CountRequest *request,
		       void *userdata)
{
	(void)userdata;
	return push_numbers(stream, request, newer_push_count);
}

static int newer_sum(struct ipc_stream *stream, void *userdata)
{
	Shared__Total total = SHARED__TOTAL__INIT;
	const Shared__ShortNumber *number;
	int r;

	(void)userdata;
	while ((r = newer_pull_sum(stream, SECONDS(20), &number, NULL)) > 0)
		total.value += number->value;
	total.text = (char *)"all";
	return r < 0 ? r : newer_reply_sum(stream, &total);
}

int prepare_old_sharing(struct ipc *ipc)
{
	static const struct old_ops ops = { .count = old_count, .sum = old_sum };
	ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;
	int r;

	r = old_object_new(ipc, &ops, NULL, NULL, &object);
	return r < 0 ? r : ipc_set_manager(ipc, object);
}

int prepare_newer_sharing(struct ipc *ipc)
{
	static const struct newer_ops ops = { .count = newer_count, .sum = newer_sum };
	ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;
	int r;

	r = newer_object_new(ipc, &ops, NULL, NULL, &object);
	return r < 0 ? r : ipc_set_manager(ipc, object);
}
