// SPDX-License-Identifier: MIT
/*
 * Cases of the client in C: contents beside messages, streams, time, versions.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client.h"

/* --- Files and large bytes -------------------------------------------------------------- */

static int has_text(int fd, const char *text)
{
	char got[32] = "";

	CHECK(pread(fd, got, sizeof(got) - 1, 0) == (ssize_t)strlen(text));
	CHECK(!strcmp(got, text));
	return 0;
}

int test_fds(struct bench *bench)
{
	ipc_auto(peer_write_reply_free) Conform__WriteReply *reply = NULL;
	Conform__WriteRequest request = CONFORM__WRITE_REQUEST__INIT;
	Ipc__Fd file = IPC__FD__INIT;
	int fds[2];

	file.fd = memfd_create("file", MFD_CLOEXEC);
	CHECK(file.fd >= 0);
	request.file = &file;
	request.text = (char *)"by the server";
	CHECK(peer_write(bench->peer, &request, &reply, NULL) == 0);
	CHECK(has_text(file.fd, request.text) == 0);
	CHECK(reply->same && reply->other);
	fds[0] = ipc_take_fd(&reply->same->fd);
	fds[1] = ipc_take_fd(&reply->other->fd);
	CHECK(fds[0] >= 0 && has_text(fds[0], request.text) == 0);
	CHECK(fds[1] >= 0 && has_text(fds[1], request.text) == 0);
	CHECK(fcntl(fds[0], F_GETFD) == FD_CLOEXEC && fcntl(fds[1], F_GETFD) == FD_CLOEXEC);
	/* It is the same file, and the other is a different file. */
	CHECK(pwrite(file.fd, "BY", 2, 0) == 2 && has_text(fds[0], "BY the server") == 0);
	CHECK(has_text(fds[1], "by the server") == 0);
	CHECK(ipc_take_fd(&reply->same->fd) == -ENOENT);
	return close(fds[0]) + close(fds[1]) + close(file.fd);
}

int test_bytes(struct bench *bench)
{
	/* The last chunk is larger than a region. */
	static const size_t sizes[] = { 0, 5, 100001, 5000000, 3, 17 << 20 };
	enum { N = sizeof(sizes) / sizeof(*sizes) };
	ipc_auto(peer_turn_reply_free) Conform__Chunks *reply = NULL;
	static unsigned char bytes[(17 << 20) + N];
	Conform__Chunks request = CONFORM__CHUNKS__INIT;
	ProtobufCBinaryData chunks[N];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 7 ^ i >> 8);
	for (size_t i = 0; i < N; i++)
		chunks[i] = (ProtobufCBinaryData){ .len = sizes[i], .data = bytes + i };
	request.chunks = chunks;
	request.n_chunks = N;
	CHECK(peer_turn(bench->peer, &request, &reply, NULL) == 0);
	CHECK(reply->n_chunks == N);
	for (size_t i = 0; i < N; i++) {
		const ProtobufCBinaryData *chunk = &reply->chunks[N - 1 - i];

		CHECK(chunk->len == sizes[i]);
		CHECK(!sizes[i] || !memcmp(chunk->data, bytes + i, sizes[i]));
	}
	return 0;
}

/* --- Streams --------------------------------------------------------------------------------- */

static int receive_count(struct bench *bench, int64_t argument, int64_t last, const char *name)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	ipc_auto(ipc_stream_unref) struct ipc_stream *stream = NULL;
	Conform__Number request = CONFORM__NUMBER__INIT;
	const Conform__Number *number;

	request.number = argument;
	CHECK(peer_count_open(bench->peer, NULL, &request, &stream, NULL) == 0);
	for (int64_t i = 1; i <= last; i++)
		CHECK(peer_count_receive(stream, LONG_USEC, &number, NULL) == 1 &&
		      number->number == i);
	if (!name) {
		CHECK(peer_count_receive(stream, LONG_USEC, &number, &error) == 0);
		return 0;
	}
	CHECK(peer_count_receive(stream, LONG_USEC, &number, &error) == -EREMOTEIO);
	CHECK(!strcmp(error.name, name) && !strcmp(error.text, "it is negative"));
	return 0;
}

int test_streams(struct bench *bench)
{
	ipc_auto(ipc_stream_unref) struct ipc_stream *adding = NULL, *both = NULL;
	Conform__Number number = CONFORM__NUMBER__INIT;
	const Conform__Number *sum;

	CHECK(receive_count(bench, 100, 100, NULL) == 0);
	CHECK(receive_count(bench, 0, 0, NULL) == 0);
	CHECK(receive_count(bench, -3, 3, "conform.Negative") == 0);

	number.number = 3;
	CHECK(peer_total_open(bench->peer, NULL, &adding, NULL) == 0);
	for (int i = 0; i < 100; i++)
		CHECK(peer_total_send(adding, LONG_USEC, &number) == 0);
	CHECK(ipc_stream_end(adding) == 0 && ipc_stream_end(adding) == -EALREADY);
	CHECK(peer_total_finish(adding, LONG_USEC, &sum, NULL) == 0 && sum->number == 300);

	CHECK(peer_running_open(bench->peer, NULL, &both, NULL) == 0);
	for (int i = 1; i <= 50; i++) {
		CHECK(peer_running_send(both, LONG_USEC, &number) == 0);
		CHECK(peer_running_receive(both, LONG_USEC, &sum, NULL) == 1 &&
		      sum->number == 3 * i);
	}
	CHECK(ipc_stream_end(both) == 0);
	CHECK(peer_running_receive(both, LONG_USEC, &sum, NULL) == 0);
	return 0;
}

/* --- Time and cancellation ----------------------------------------------------------------- */

static int check_left(struct bench *bench)
{
	ipc_auto(peer_left_reply_free) Conform__Number *unlimited = NULL, *limited = NULL;
	struct ipc_options options = { .timeout_usec = LONG_USEC };

	CHECK(peer_left(bench->peer, &unlimited, NULL) == 0 && unlimited->number == 0);
	CHECK(peer_left_with(bench->peer, &options, &limited, NULL) == 0);
	CHECK(limited->number > 0 && limited->number <= LONG_USEC / 1000);
	return 0;
}

/* Calls by a handler inherit its deadline. */
static int check_left_behind(struct bench *bench)
{
	ipc_auto(peer_visit_reply_free) Conform__VisitReply *reply = NULL;
	Conform__VisitRequest request = CONFORM__VISIT_REQUEST__INIT;
	struct ipc_options options = { .timeout_usec = LONG_USEC };
	static struct guest guest = { NULL, EVENT_INIT, EVENT_INIT };
	Ipc__Object field = IPC__OBJECT__INIT;

	CHECK(guest_new(bench, &guest) == 0 && ipc_object_id(guest.object, &field.id) == 0);
	request.visitor = &field;
	CHECK(peer_visit_with(bench->peer, &options, &request, &reply, NULL) == 0);
	CHECK(reply->left_ms > 0 && reply->left_ms <= LONG_USEC / 1000);
	ipc_object_unref(guest.object);
	return 0;
}

int test_deadlines(struct bench *bench)
{
	ipc_auto(ipc_stream_unref) struct ipc_stream *both = NULL;
	struct ipc_options brief = { .timeout_usec = 100000 };
	const Conform__Number *sum;
	int64_t before, canceled;
	int r;

	CHECK(check_left(bench) == 0 && check_left_behind(bench) == 0);
	/* On a busy machine the timeout may pass before the handler begins. */
	CHECK(wait_for_calm(bench, &before) == 0);
	do {
		CHECK(brief.timeout_usec < LONG_USEC);
		CHECK(peer_hang_with(bench->peer, &brief, NULL) == -ETIMEDOUT);
		CHECK(wait_for_calm(bench, &canceled) == 0);
		brief.timeout_usec *= 4;
	} while (canceled == before);

	CHECK(peer_hang_briefly(bench->peer, NULL) == -ETIMEDOUT);

	brief.timeout_usec = 200000;
	while ((r = peer_running_open(bench->peer, &brief, &both, NULL)) == -ETIMEDOUT &&
	       brief.timeout_usec < LONG_USEC)
		brief.timeout_usec *= 4;
	CHECK(r == 0);
	CHECK(peer_running_receive(both, LONG_USEC, &sum, NULL) == -ETIMEDOUT);
	return wait_for_calm(bench, &canceled);
}

static void on_end(int result, const struct ipc_error *error, void *userdata)
{
	(void)error;
	event_set(userdata, result);
}

static int cancel_a_chain(struct bench *bench)
{
	ipc_auto(ipc_cancellation_unref) struct ipc_cancellation *cancellation = NULL;
	Conform__VisitRequest request = CONFORM__VISIT_REQUEST__INIT;
	static struct guest guest = { NULL, EVENT_INIT, EVENT_INIT };
	static struct event ended = EVENT_INIT;
	Ipc__Object field = IPC__OBJECT__INIT;
	struct ipc_options options = { 0 };

	CHECK(guest_new(bench, &guest) == 0 && ipc_object_id(guest.object, &field.id) == 0);
	request.visitor = &field;
	CHECK(ipc_cancellation_new(bench->ipc, &cancellation) == 0);
	options.cancellation = cancellation;
	CHECK(peer_host_async(bench->peer, &options, &request, on_end, &ended, NULL) == 0);
	CHECK(event_wait(&guest.entered) == 0 && guest.entered.result == 0);
	CHECK(ipc_cancel(cancellation) == 0);
	CHECK(event_wait(&ended) == 0 && ended.result == -ECANCELED);
	CHECK(event_wait(&guest.left) == 0);
	ipc_object_unref(guest.object);
	return 0;
}

int test_cancellation(struct bench *bench)
{
	ipc_auto(ipc_cancellation_unref) struct ipc_cancellation *cancellation = NULL;
	ipc_auto(ipc_stream_unref) struct ipc_stream *both = NULL;
	static struct event ended = EVENT_INIT;
	Conform__Number number = CONFORM__NUMBER__INIT;
	struct ipc_options options = { 0 };
	const Conform__Number *sum;
	int64_t canceled;

	CHECK(wait_for_calm(bench, &canceled) == 0);
	CHECK(ipc_cancellation_new(bench->ipc, &cancellation) == 0);
	options.cancellation = cancellation;
	CHECK(peer_hang_async(bench->peer, &options, on_end, &ended, NULL) == 0);
	CHECK(wait_for_hangs(bench, 1, canceled) == 0);
	CHECK(ipc_cancel(cancellation) == 0);
	CHECK(event_wait(&ended) == 0 && ended.result == -ECANCELED);
	CHECK(wait_for_hangs(bench, 0, canceled + 1) == 0);

	CHECK(peer_running_open(bench->peer, NULL, &both, NULL) == 0);
	CHECK(peer_running_send(both, LONG_USEC, &number) == 0);
	CHECK(peer_running_receive(both, LONG_USEC, &sum, NULL) == 1);
	ipc_stream_cancel(both);
	CHECK(peer_running_receive(both, LONG_USEC, &sum, NULL) == -ECANCELED);
	CHECK(wait_for_hangs(bench, 0, canceled + 2) == 0);
	return cancel_a_chain(bench);
}

/* --- Versions --------------------------------------------------------------------------------- */

static int call_older(struct older *older)
{
	ipc_auto(older_say_reply_free) Versions__Said *said = NULL;
	Versions__Said before = VERSIONS__SAID__INIT, request = VERSIONS__SAID__INIT;
	Versions__Said *pointers[] = { &before };

	before.text = (char *)"before";
	request.text = (char *)"hello";
	request.language = (char *)"en";
	request.before = pointers;
	request.n_before = 1;
	request.tone = VERSIONS__TONE__LOUD;
	CHECK(older_say(older, &request, &said, NULL) == 0);
	CHECK(!strcmp(said->text, "heard: hello") && said->tone == VERSIONS__TONE__LOUD);
	CHECK(!*said->language && said->n_before == 0);
	CHECK(older_shout(older, &request, NULL, NULL) == -EOPNOTSUPP);
	return 0;
}

int test_versions(struct bench *bench)
{
	ipc_auto(newer_ask_reply_free) Versions__Reply *reply = NULL;
	ipc_auto(older_unref) struct older *older = NULL;
	ipc_auto(newer_unref) struct newer *newer = NULL;
	Versions__Question question = VERSIONS__QUESTION__INIT;
	char name[100];

	snprintf(name, sizeof(name), "%s.older", bench->name);
	CHECK(older_get(bench->ipc, name, &older) == 0);
	CHECK(call_older(older) == 0);
	snprintf(name, sizeof(name), "%s.newer", bench->name);
	CHECK(newer_get(bench->ipc, name, &newer) == 0);
	question.text = (char *)"why";
	CHECK(newer_ask(newer, &question, &reply, NULL) == 0);
	CHECK(!strcmp(reply->text, "why, 0 times") && reply->tone == VERSIONS__TONE__GLAD);
	return 0;
}
