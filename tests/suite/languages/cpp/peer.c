// SPDX-License-Identifier: MIT
/*
 * desk.proto with C stubs: peer --serve or --call, as typed does in C++.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ipc/rpc.h>

#include "desk.ipc.h"

#define CHECK(condition)                                                              \
	do {                                                                          \
		if (!(condition)) {                                                   \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			exit(1);                                                      \
		}                                                                     \
	} while (0)

/* --- Serving ------------------------------------------------------------------------ */

static int64_t poked;

static int64_t add_up(const Desk__App__Numbers *numbers)
{
	int64_t sum = 0;

	for (size_t i = 0; i < numbers->n_numbers; i++)
		sum += numbers->numbers[i];
	return sum;
}

static int add(struct ipc_call *call, const Desk__App__Numbers *request, void *userdata)
{
	Desk__App__Sum reply = DESK__APP__SUM__INIT;
	struct ipc_error error = IPC_ERROR_INIT;

	(void)userdata;
	if (request->n_numbers > 100) {
		error.name = "desk.TooMany";
		error.message = "more than 100 numbers";
		error.number = (int)request->n_numbers;
		return ipc_call_raise(call, &error);
	}
	reply.sum = add_up(request);
	return desk_reply_add(call, &reply);
}

static int fail(struct ipc_call *call, const Desk__App__Failure *request, void *userdata)
{
	(void)userdata;
	if (request->code)
		return ipc_call_errno(call, request->code, "%s", request->text);
	return ipc_call_error(call, request->name, "%s", request->text);
}

static int nap(struct ipc_call *call, void *userdata)
{
	(void)userdata;
	usleep(300000);
	return desk_reply_nap(call);
}

static int poke(struct ipc_call *call, const Desk__App__Numbers *request, void *userdata)
{
	(void)call, (void)userdata;
	poked += add_up(request);
	return 0;
}

static int get_poked(struct ipc_call *call, void *userdata)
{
	Desk__App__Sum reply = DESK__APP__SUM__INIT;

	(void)userdata;
	reply.sum = poked;
	return desk_reply_poked(call, &reply);
}

static int name(struct ipc_call *call, void *userdata)
{
	Desk__App__VisitorName reply = DESK__APP__VISITOR_NAME__INIT;

	reply.name = userdata;
	return visitor_reply_name(call, &reply);
}

static const struct visitor_ops visitor_ops = { .name = name };

static int visit(struct ipc_call *call, const Desk__App__VisitRequest *request, void *userdata)
{
	ipc_auto(visitor_name_reply_free) Desk__App__VisitorName *said = NULL;
	ipc_auto(ipc_object_unref) struct ipc_object *host = NULL;
	ipc_auto(visitor_unref) struct visitor *visitor = NULL;
	Desk__App__VisitReply reply = DESK__APP__VISIT_REPLY__INIT;
	Ipc__Object object = IPC__OBJECT__INIT;
	Ipc__Fd note = IPC__FD__INIT;
	char greeting[100];
	int r;

	(void)userdata;
	r = visitor_take(ipc_call_ipc(call), request->visitor, &visitor);
	if (r == 0)
		r = visitor_name(visitor, &said, NULL);
	if (r == 0)
		r = visitor_object_new(ipc_call_ipc(call), &visitor_ops, "the host", NULL, &host);
	if (r == 0)
		r = ipc_object_id(host, &object.id);
	if (r < 0 || !said)
		return r;
	snprintf(greeting, sizeof(greeting), "Hello, %s", said->name);
	reply.greeting = greeting;
	reply.host = &object;
	if (request->note) {
		note.fd = request->note->fd;
		reply.note = &note;
	}
	return desk_reply_visit(call, &reply);
}

static int count(struct ipc_stream *stream, const Desk__App__Numbers *request, void *userdata)
{
	Desk__App__Sum reply = DESK__APP__SUM__INIT;
	int r = 0;

	(void)userdata;
	for (size_t i = 0; r == 0 && i < request->n_numbers; i++) {
		reply.sum = request->numbers[i];
		if (reply.sum < 0)
			return ipc_stream_fail(stream, -EREMOTEIO, "desk.Negative",
					       "a number is negative");
		r = desk_push_count(stream, IPC_NEVER, &reply);
	}
	return r;
}

static int total(struct ipc_stream *stream, void *userdata)
{
	Desk__App__Sum reply = DESK__APP__SUM__INIT;
	const Desk__App__Numbers *numbers;
	int r;

	(void)userdata;
	while ((r = desk_pull_total(stream, IPC_NEVER, &numbers, NULL)) > 0)
		reply.sum += add_up(numbers);
	return r < 0 ? r : desk_reply_total(stream, &reply);
}

static int running(struct ipc_stream *stream, void *userdata)
{
	Desk__App__Sum reply = DESK__APP__SUM__INIT;
	const Desk__App__Numbers *numbers;
	int r;

	(void)userdata;
	while ((r = desk_pull_running(stream, IPC_NEVER, &numbers, NULL)) > 0) {
		reply.sum += add_up(numbers);
		r = desk_push_running(stream, IPC_NEVER, &reply);
		if (r < 0)
			return r;
	}
	return r;
}

static const struct desk_ops desk_ops = {
	.add = add,
	.fail = fail,
	.nap = nap,
	.poke = poke,
	.poked = get_poked,
	.visit = visit,
	.count = count,
	.total = total,
	.running = running,
};

/* --- Calling ---------------------------------------------------------------------------- */

static void call_add(struct desk *desk)
{
	ipc_auto(desk_add_reply_free) Desk__App__Sum *sum = NULL;
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	Desk__App__Numbers request = DESK__APP__NUMBERS__INIT;
	int64_t numbers[101] = { 1, 2, -5 };

	request.numbers = numbers;
	request.n_numbers = 3;
	CHECK(desk_add(desk, &request, &sum, NULL) == 0 && sum->sum == -2);
	request.n_numbers = 101;
	CHECK(desk_add(desk, &request, NULL, &error) == -EREMOTEIO);
	CHECK(!strcmp(error.name, "desk.TooMany") && error.number == 101);
	CHECK(!strcmp(error.message, "more than 100 numbers"));
}

static void call_others(struct desk *desk)
{
	struct ipc_options patient = { .timeout_usec = 10000000 };
	ipc_auto(desk_poked_reply_free) Desk__App__Sum *sum = NULL;
	Desk__App__Failure failure = DESK__APP__FAILURE__INIT;
	Desk__App__Numbers request = DESK__APP__NUMBERS__INIT;
	int64_t before;

	failure.code = ENOENT;
	CHECK(desk_fail(desk, &failure, NULL) == -ENOENT);
	CHECK(desk_nap(desk, NULL) == -ETIMEDOUT);
	CHECK(desk_nap_with(desk, &patient, NULL) == 0);

	CHECK(desk_poked(desk, &sum, NULL) == 0);
	before = sum->sum;
	request.numbers = (int64_t[]){ 3, 4 };
	request.n_numbers = 2;
	CHECK(desk_poke(desk, &request) == 0);
	for (int i = 0; i < 500 && sum->sum == before; i++) {
		usleep(10000);
		desk_poked_reply_free(sum);
		sum = NULL;
		CHECK(desk_poked(desk, &sum, NULL) == 0);
	}
	CHECK(sum->sum == before + 7);
}

static void call_visit(struct ipc *ipc, struct desk *desk)
{
	ipc_auto(ipc_object_unref) struct ipc_object *self = NULL;
	ipc_auto(desk_visit_reply_free) Desk__App__VisitReply *reply = NULL;
	ipc_auto(visitor_name_reply_free) Desk__App__VisitorName *host_name = NULL;
	ipc_auto(visitor_unref) struct visitor *host = NULL;
	Desk__App__VisitRequest request = DESK__APP__VISIT_REQUEST__INIT;
	Ipc__Object object = IPC__OBJECT__INIT;
	Ipc__Fd note = IPC__FD__INIT;
	char text[16] = "";
	int pipe_fds[2];

	CHECK(pipe(pipe_fds) == 0 && write(pipe_fds[1], "remember", 8) == 8);
	CHECK(visitor_object_new(ipc, &visitor_ops, "a visitor", NULL, &self) == 0);
	CHECK(ipc_object_id(self, &object.id) == 0);
	note.fd = pipe_fds[0];
	request.visitor = &object;
	request.note = &note;
	CHECK(desk_visit(desk, &request, &reply, NULL) == 0);
	CHECK(!strcmp(reply->greeting, "Hello, a visitor"));
	CHECK(visitor_take(ipc, reply->host, &host) == 0);
	CHECK(visitor_name(host, &host_name, NULL) == 0 && !strcmp(host_name->name, "the host"));
	CHECK(read(reply->note->fd, text, sizeof(text)) == 8 && !strcmp(text, "remember"));
	CHECK(close(pipe_fds[0]) == 0 && close(pipe_fds[1]) == 0);
}

static void call_streams(struct desk *desk)
{
	ipc_auto(ipc_stream_unref) struct ipc_stream *counting = NULL;
	ipc_auto(ipc_stream_unref) struct ipc_stream *adding = NULL;
	ipc_auto(ipc_stream_unref) struct ipc_stream *both = NULL;
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	Desk__App__Numbers request = DESK__APP__NUMBERS__INIT;
	int64_t numbers[101];
	const Desk__App__Sum *sum;

	for (int i = 0; i < 100; i++)
		numbers[i] = i + 1;
	numbers[100] = -1;
	request.numbers = numbers;
	request.n_numbers = 101;
	CHECK(desk_count_open(desk, NULL, &request, &counting, NULL) == 0);
	for (int i = 0; i < 100; i++)
		CHECK(desk_count_receive(counting, IPC_NEVER, &sum, NULL) == 1 &&
		      sum->sum == i + 1);
	CHECK(desk_count_receive(counting, IPC_NEVER, &sum, &error) == -EREMOTEIO);
	CHECK(!strcmp(error.name, "desk.Negative"));

	request.n_numbers = 2;
	CHECK(desk_total_open(desk, NULL, &adding, NULL) == 0);
	for (int i = 0; i < 100; i++)
		CHECK(desk_total_send(adding, IPC_NEVER, &request) == 0);
	CHECK(desk_total_finish(adding, IPC_NEVER, &sum, NULL) == 0 && sum->sum == 300);

	CHECK(desk_running_open(desk, NULL, &both, NULL) == 0);
	for (int i = 1; i <= 20; i++) {
		CHECK(desk_running_send(both, IPC_NEVER, &request) == 0);
		CHECK(desk_running_receive(both, IPC_NEVER, &sum, NULL) == 1 &&
		      sum->sum == 3 * i);
	}
	CHECK(ipc_stream_end(both) == 0);
	CHECK(desk_running_receive(both, IPC_NEVER, &sum, NULL) == 0);
}

/* For measure. */
static void repeat(struct desk *desk, int times)
{
	for (int i = times; i > 0; i--) {
		ipc_auto(desk_add_reply_free) Desk__App__Sum *sum = NULL;
		Desk__App__Numbers request = DESK__APP__NUMBERS__INIT;
		int64_t numbers[] = { i, 1 };

		request.numbers = numbers;
		request.n_numbers = 2;
		CHECK(desk_add(desk, &request, &sum, NULL) == 0 && sum->sum == i + 1);
	}
}

int main(int argc, char **argv)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	ipc_auto(desk_unref) struct desk *desk = NULL;

	CHECK(argc == 2 || (argc == 3 && !strcmp(argv[1], "--repeat")));
	CHECK(ipc_open(&ipc, NULL) == 0);
	if (!strcmp(argv[1], "--serve")) {
		CHECK(ipc_set_threads(ipc, 4) == 0);
		CHECK(desk_register(ipc, "test.peer", &desk_ops, NULL) == 0);
		CHECK(ipc_run(ipc) == 0);
		return 0;
	}
	CHECK(desk_await(ipc, "test.peer", 10000000, &desk) == 0);
	if (argc == 3) {
		repeat(desk, atoi(argv[2]));
		return 0;
	}
	CHECK(ipc_rpc_check(desk_proxy(desk), &desk_interface, NULL) == 0);
	call_add(desk);
	call_others(desk);
	call_visit(ipc, desk);
	call_streams(desk);
	return 0;
}
