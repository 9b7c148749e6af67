// SPDX-License-Identifier: MIT
/*
 * The cases of conform.proto and versions.proto in C: `client NAME CASE...` calls the server with
 * that NAME.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <ipc/raw.h>

#include "client.h"

/* --- Helpers for cases -------------------------------------------------------------------- */

void event_set(struct event *event, int result)
{
	pthread_mutex_lock(&event->lock);
	event->happened = 1;
	event->result = result;
	pthread_cond_broadcast(&event->changed);
	pthread_mutex_unlock(&event->lock);
}

int event_wait(struct event *event)
{
	struct timespec until;
	int r = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += LONG_USEC / 1000000;
	pthread_mutex_lock(&event->lock);
	while (r == 0 && !event->happened)
		r = pthread_cond_timedwait(&event->changed, &event->lock, &until);
	pthread_mutex_unlock(&event->lock);
	return r == 0 ? 0 : -1;
}

int get_hangs(struct bench *bench, int64_t *ret_waiting, int64_t *ret_canceled)
{
	ipc_auto(peer_hangs_reply_free) Conform__HangsReply *reply = NULL;

	CHECK(peer_hangs(bench->peer, &reply, NULL) == 0);
	*ret_waiting = reply->waiting;
	*ret_canceled = reply->canceled;
	return 0;
}

int wait_for_hangs(struct bench *bench, int64_t waiting, int64_t canceled)
{
	int64_t now[2] = { -1, -1 };

	for (int i = 0; i < 6000; i++) {
		CHECK(get_hangs(bench, &now[0], &now[1]) == 0);
		if (now[0] == waiting && now[1] == canceled)
			return 0;
		usleep(10000);
	}
	printf("# handlers: %lld wait, %lld were canceled; not %lld and %lld\n", (long long)now[0],
	       (long long)now[1], (long long)waiting, (long long)canceled);
	return -1;
}

int wait_for_calm(struct bench *bench, int64_t *ret_canceled)
{
	int64_t waiting = -1;

	for (int i = 0; i < 6000; i++) {
		CHECK(get_hangs(bench, &waiting, ret_canceled) == 0);
		if (waiting == 0)
			return 0;
		usleep(10000);
	}
	printf("# %lld handlers still wait\n", (long long)waiting);
	return -1;
}

static int ask(struct ipc_call *call, const Conform__Number *request, void *userdata)
{
	Conform__AskReply reply = CONFORM__ASK_REPLY__INIT;
	uint64_t left = ipc_call_remaining(call);

	(void)userdata;
	reply.number = request->number + 1;
	reply.left_ms = left == IPC_NEVER ? 0 : left / 1000;
	return visitor_reply_ask(call, &reply);
}

static int refuse(struct ipc_call *call, void *userdata)
{
	(void)userdata;
	return ipc_call_fail(call, 0, "visitor.Busy", "not now");
}

static void on_cancel(struct ipc_call *call, void *userdata)
{
	struct guest *guest = userdata;

	ipc_call_unref(call);
	event_set(&guest->left, 0);
}

static int stay(struct ipc_call *call, void *userdata)
{
	struct guest *guest = userdata;
	int r;

	ipc_call_ref(call);
	r = ipc_call_on_cancel(call, on_cancel, guest, NULL);
	if (r < 0)
		ipc_call_unref(call);
	event_set(&guest->entered, r);
	return r;
}

static const struct visitor_ops visitor_ops = { .ask = ask, .refuse = refuse, .stay = stay };

int guest_new(struct bench *bench, struct guest *guest)
{
	return visitor_object_new(bench->ipc, &visitor_ops, guest, NULL, &guest->object);
}

/* --- Calls -------------------------------------------------------------------------------- */

static void fill(Conform__Kinds *kinds)
{
	static char *names[] = { "", "\xc3\xa4\xe2\x82\xac" };
	static int32_t list[] = { 0, -1, INT32_MIN, INT32_MAX };

	kinds->i32 = INT32_MIN;
	kinds->i64 = INT64_MIN;
	kinds->u32 = UINT32_MAX;
	kinds->u64 = UINT64_MAX;
	kinds->s64 = -5;
	kinds->f32 = 0xfedcba98;
	kinds->sf64 = INT64_MIN + 1;
	kinds->single = 0.25f;
	kinds->both = -1e300;
	kinds->flag = 1;
	kinds->text = names[1];
	kinds->data.data = (uint8_t *)"\0\xff\n";
	kinds->data.len = 4;
	kinds->color = CONFORM__COLOR__BLUE;
	kinds->list = list;
	kinds->n_list = 4;
	kinds->names = names;
	kinds->n_names = 2;
	kinds->choice_case = CONFORM__KINDS__CHOICE_NUMBER;
}

static int test_calls(struct bench *bench)
{
	ipc_auto(peer_echo_reply_free) Conform__Kinds *reply = NULL, *none = NULL;
	Conform__Inner deep = CONFORM__INNER__INIT, inner = CONFORM__INNER__INIT;
	Conform__Kinds request = CONFORM__KINDS__INIT, empty = CONFORM__KINDS__INIT;
	Conform__Inner *more[] = { &deep, &deep };
	uint8_t expected[512], got[512];
	size_t size;

	deep.text = (char *)"deep";
	inner.more = more;
	inner.n_more = 2;
	fill(&request);
	request.inner = &inner;
	CHECK(peer_echo(bench->peer, &request, &reply, NULL) == 0);
	size = conform__kinds__get_packed_size(&request);
	CHECK(size <= sizeof(expected) && conform__kinds__get_packed_size(reply) == size);
	conform__kinds__pack(&request, expected);
	conform__kinds__pack(reply, got);
	CHECK(!memcmp(expected, got, size));
	CHECK(reply->choice_case == CONFORM__KINDS__CHOICE_NUMBER && reply->number == 0);
	CHECK(peer_echo(bench->peer, &empty, &none, NULL) == 0);
	CHECK(conform__kinds__get_packed_size(none) == 0);
	CHECK(ipc_proxy_ping(peer_proxy(bench->peer), NULL) == 0);
	return 0;
}

/* --- Errors --------------------------------------------------------------------------------- */

static int errors_of_the_service(struct bench *bench)
{
	ipc_auto(ipc_error_done) struct ipc_error odd = IPC_ERROR_INIT;
	ipc_auto(ipc_error_done) struct ipc_error plain = IPC_ERROR_INIT;
	ipc_auto(ipc_error_done) struct ipc_error behind = IPC_ERROR_INIT;
	Conform__Failure failure = CONFORM__FAILURE__INIT;

	failure.name = (char *)"conform.Odd";
	failure.text = (char *)"an odd \xc3\xa4";
	failure.number = -7;
	failure.details.data = (uint8_t *)"\0\xff\n";
	failure.details.len = 4;
	CHECK(peer_fail(bench->peer, &failure, &odd) == -EREMOTEIO);
	CHECK(!strcmp(odd.name, failure.name) && !strcmp(odd.text, failure.text));
	CHECK(odd.number == -7 && odd.details_size == 4 && !memcmp(odd.details, "\0\xff\n", 4));
	CHECK(odd.origin == IPC_ORIGIN_PEER);

	conform__failure__init(&failure);
	failure.code = ENOTEMPTY;
	failure.text = (char *)"something is left";
	CHECK(peer_fail(bench->peer, &failure, &plain) == -ENOTEMPTY);
	CHECK(!plain.name && !strcmp(plain.text, failure.text));
	CHECK(plain.origin == IPC_ORIGIN_PEER);

	/* A service cannot report that its own process is dead. */
	failure.code = EOWNERDEAD;
	CHECK(peer_fail(bench->peer, &failure, &behind) == -EREMOTEIO);
	CHECK(behind.origin == IPC_ORIGIN_BEHIND && behind.cause == -EOWNERDEAD);
	CHECK(peer_drop(bench->peer, NULL) == -ENOMSG);
	return 0;
}

static int test_errors(struct bench *bench)
{
	struct ipc_raw_message garbage = { .method = 9, .data = "\x0a\xff", .size = 2 };
	struct ipc_raw_message unknown = { .method = IPC_NUMBER_DERIVED + 1 };
	struct ipc_raw_message oneway = { .method = 8 };
	struct ipc_proxy *proxy = peer_proxy(bench->peer);
	struct visitor *visitor;
	struct peer *peer;

	CHECK(errors_of_the_service(bench) == 0);
	CHECK(ipc_raw_call(proxy, &garbage, NULL, NULL, NULL) == -EBADMSG);
	CHECK(ipc_raw_call(proxy, &unknown, NULL, NULL, NULL) == -EOPNOTSUPP);
	CHECK(ipc_raw_call(proxy, &oneway, NULL, NULL, NULL) == -EPROTO);
	CHECK(peer_get(bench->ipc, "conform.nobody", &peer) == -ENOENT);
	CHECK(visitor_get(bench->ipc, bench->name, &visitor) == -EPROTOTYPE);
	return 0;
}

/* --- Oneways, callbacks and death ----------------------------------------------------------- */

static int test_oneways(struct bench *bench)
{
	Conform__Number number = CONFORM__NUMBER__INIT;
	size_t n = 0;

	for (int i = 0; i < 50; i++) {
		number.number = i * 1000;
		CHECK(peer_note(bench->peer, &number) == 0);
	}
	/* Another thread may serve the last oneway. */
	for (int i = 0; i < 6000 && n < 50; i++) {
		ipc_auto(peer_notes_reply_free) Conform__Numbers *numbers = NULL;

		CHECK(peer_notes(bench->peer, &numbers, NULL) == 0);
		n = numbers->n_numbers;
		for (size_t j = 0; j < n; j++)
			CHECK(numbers->numbers[j] == (int64_t)j * 1000);
		if (n < 50)
			usleep(10000);
	}
	CHECK(n == 50);
	return 0;
}

static int test_callbacks(struct bench *bench)
{
	ipc_auto(peer_visit_reply_free) Conform__VisitReply *reply = NULL;
	ipc_auto(visitor_ask_reply_free) Conform__AskReply *said = NULL;
	ipc_auto(ipc_object_unref) struct ipc_object *back = NULL;
	ipc_auto(visitor_unref) struct visitor *host = NULL, *again = NULL;
	struct ipc_object *none;
	Conform__VisitRequest request = CONFORM__VISIT_REQUEST__INIT;
	Conform__Number number = CONFORM__NUMBER__INIT;
	Ipc__Object field = IPC__OBJECT__INIT;
	static struct guest guest = { NULL, EVENT_INIT, EVENT_INIT };

	CHECK(guest_new(bench, &guest) == 0 && ipc_object_id(guest.object, &field.id) == 0);
	request.visitor = &field;
	request.number = 41;
	request.refuse = 1;
	CHECK(peer_visit(bench->peer, &request, &reply, NULL) == 0);
	CHECK(reply->number == 42 && reply->left_ms == 0);
	CHECK(!strcmp(reply->refused, "visitor.Busy: not now"));
	/* The server's object, and the client's object, which came back. */
	CHECK(ipc_take_object(bench->ipc, &reply->host->id, &back) == -EXDEV);
	CHECK(visitor_take(bench->ipc, reply->host, &host) == 0);
	CHECK(visitor_take(bench->ipc, reply->host, &again) == -ENOENT);
	number.number = 7;
	CHECK(visitor_ask(host, &number, &said, NULL) == 0 && said->number == 8);
	CHECK(reply->back && ipc_take_object(bench->ipc, &reply->back->id, &back) == 0);
	CHECK(back == guest.object);
	CHECK(ipc_take_object(bench->ipc, &reply->back->id, &none) == -ENOENT);
	/* Without an object in the field. */
	request.visitor = NULL;
	CHECK(peer_visit(bench->peer, &request, NULL, NULL) == -ENOENT);
	ipc_object_unref(guest.object);
	return 0;
}

static void on_death(struct ipc_proxy *proxy, void *userdata)
{
	(void)proxy;
	event_set(userdata, 0);
}

static int test_death(struct bench *bench)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	Conform__Number number = CONFORM__NUMBER__INIT;
	static struct event died = EVENT_INIT;

	CHECK(peer_on_death(bench->peer, on_death, &died, NULL) == 0);
	CHECK(peer_hangs(bench->peer, NULL, NULL) == 0 && !died.happened);
	CHECK(peer_exit(bench->peer, &error) == -EOWNERDEAD && error.origin == IPC_ORIGIN_BUS);
	CHECK(event_wait(&died) == 0);
	CHECK(peer_hangs(bench->peer, NULL, NULL) == -EOWNERDEAD);
	CHECK(peer_note(bench->peer, &number) == -EOWNERDEAD);
	return 0;
}

/* --- The program --------------------------------------------------------------------- */

static const struct {
	const char *name;
	int (*run)(struct bench *bench);
} cases[] = {
	{ "calls", test_calls },
	{ "errors", test_errors },
	{ "oneways", test_oneways },
	{ "callbacks", test_callbacks },
	{ "fds", test_fds },
	{ "bytes", test_bytes },
	{ "streams", test_streams },
	{ "deadlines", test_deadlines },
	{ "cancellation", test_cancellation },
	{ "versions", test_versions },
	{ "death", test_death },
};

static int run_case(struct bench *bench, const char *name)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (strcmp(cases[i].name, name))
			continue;
		int r = cases[i].run(bench);

		printf("%s %s\n", r == 0 ? "ok" : "not ok", name);
		fflush(stdout);
		return r == 0 ? 0 : 1;
	}
	fprintf(stderr, "client: there is no case %s\n", name);
	return 1;
}

static void *serve(void *ipc)
{
	ipc_run(ipc);
	return NULL;
}

int main(int argc, char **argv)
{
	struct bench bench = { 0 };
	pthread_t server;
	int failed = 0;
	int r;

	if (argc < 2) {
		fprintf(stderr, "usage: %s NAME CASE...\n", argv[0]);
		return 2;
	}
	bench.name = argv[1];
	r = ipc_open(&bench.ipc, NULL);
	if (r == 0)
		r = ipc_set_threads(bench.ipc, 2);
	if (r == 0)
		r = peer_wait(bench.ipc, bench.name, LONG_USEC, &bench.peer);
	if (r < 0)
		return ipc_print_error("client", r, NULL);
	r = -pthread_create(&server, NULL, serve, bench.ipc);
	if (r < 0)
		return ipc_print_error("pthread_create", r, NULL);
	for (int i = 2; i < argc; i++)
		failed |= run_case(&bench, argv[i]);
	ipc_stop(bench.ipc);
	pthread_join(server, NULL);
	peer_unref(bench.peer);
	ipc_unref(bench.ipc);
	return failed;
}
