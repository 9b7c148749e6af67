// SPDX-License-Identifier: MIT
/*
 * Streams with a receiver that grants credit but has no space left: the sender is called back as
 * soon as there is space, in every way of serving, and never waits forever.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "stream-client.h"

/* The number of callbacks of a stream of requests, and the reply. */
struct sums {
	unsigned int writable;
	uint64_t total;
	bool destroyed;
};

static void on_writable(struct ipc_stream *stream, void *userdata)
{
	ck_assert_ptr_eq(ipc_stream_ipc(stream), ipc);
	((struct sums *)userdata)->writable++;
}

static void on_reply(struct ipc_stream *stream, void *userdata)
{
	const Stream__Number *total;

	ck_assert_int_eq(streams_sum_finish(stream, 0, &total, NULL), 0);
	((struct sums *)userdata)->total = total->value;
}

static void on_destroy(void *userdata)
{
	((struct sums *)userdata)->destroyed = true;
}

static const struct ipc_stream_ops sums_ops = {
	.size = sizeof(sums_ops),
	.on_message = on_reply,
	.on_writable = on_writable,
	.destroy = on_destroy,
};

static void serve_until(const bool *done)
{
	while (!*done) {
		ck_assert_int_eq(ipc_wait_event(ipc, SECONDS(10)), 1);
		while (ipc_process(ipc) > 0)
			;
	}
}

static void offered_to(unsigned int threads)
{
	Stream__CountRequest request = STREAM__COUNT_REQUEST__INIT;
	const Stream__Number *number;
	struct ipc_stream *stream;
	uint64_t got = 0;
	int r;

	begin(threads);
	with_small_region();
	request.count = 60;
	request.ballast = 50000;
	ck_assert_int_eq(streams_offer_open(streams, NULL, &request, &stream, NULL), 0);
	/* Until the sender has noticed that there is space for two messages. */
	usleep(50000);
	while ((r = streams_offer_receive(stream, SECONDS(10), &number, NULL)) > 0)
		ck_assert_uint_eq(number->value, ++got);
	ck_assert_int_eq(r, 0);
	ck_assert_uint_eq(got, 60);
	ipc_stream_unref(stream);
	look_until(0, 0);
	end();
}

START_TEST(called_back_when_there_is_space)
{
	offered_to(1);
}
END_TEST

START_TEST(called_back_in_a_pool)
{
	offered_to(4);
}
END_TEST

START_TEST(called_back_after_a_wait)
{
	offered_to(BY_WAIT);
}
END_TEST

START_TEST(called_back_by_an_event_loop)
{
	offered_to(0);
}
END_TEST

/* The sender fills the space, and from then on only the callback reports more space. */
START_TEST(an_event_loop_sends_much)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	Stream__Number number = STREAM__NUMBER__INIT;
	struct sums sums = { 0 };
	struct ipc_stream *stream;
	unsigned int refused = 0;
	int r;

	begin(1);
	ck_assert_int_eq(epoll_ctl(epoll, EPOLL_CTL_ADD, ipc_get_fd(ipc), &event), 0);
	ck_assert_int_eq(streams_sum_open(streams, NULL, &stream, NULL), 0);
	ck_assert_int_eq(ipc_stream_set_ops(stream, &sums_ops, &sums), 0);
	number.ballast.len = 1000000;
	number.ballast.data = calloc(1, number.ballast.len);
	for (number.value = 1; number.value <= 60; number.value++) {
		sums.writable = 0;
		while ((r = streams_sum_send(stream, 0, &number)) == -EAGAIN) {
			refused++;
			while (!sums.writable) {
				ck_assert_int_eq(epoll_wait(epoll, &event, 1, 10000), 1);
				while ((r = ipc_process(ipc)) > 0)
					;
				ck_assert_int_eq(r, 0);
			}
			sums.writable = 0;
		}
		ck_assert_int_eq(r, 0);
	}
	ck_assert_uint_gt(refused, 0);
	free(number.ballast.data);
	ck_assert_int_eq(ipc_stream_end(stream), 0);
	ipc_stream_unref(stream);
	serve_until(&sums.destroyed);
	ck_assert_uint_eq(sums.total, 60 * 61 / 2);
	close(epoll);
	end();
}
END_TEST

/* Each side has filled the other's region, and receives messages while it waits. */
START_TEST(both_send_more_than_there_is_space_for)
{
	Stream__Number number = STREAM__NUMBER__INIT;
	const Stream__Number *reply;
	struct ipc_stream *stream;

	begin(1);
	ck_assert_int_eq(streams_twice_open(streams, NULL, &stream, NULL), 0);
	number.ballast.len = 900000;
	number.ballast.data = calloc(1, number.ballast.len);
	for (number.value = 1; number.value <= 24; number.value++)
		ck_assert_int_eq(streams_twice_send(stream, SECONDS(5), &number), 0);
	free(number.ballast.data);
	ck_assert_int_eq(ipc_stream_end(stream), 0);
	for (uint64_t i = 1; i <= 24; i++) {
		ck_assert_int_eq(streams_twice_receive(stream, SECONDS(5), &reply, NULL), 1);
		ck_assert_uint_eq(reply->value, 2 * i);
		ck_assert_uint_eq(reply->ballast.len, 900000);
	}
	ck_assert_int_eq(streams_twice_receive(stream, SECONDS(5), &reply, NULL), 0);
	ipc_stream_unref(stream);
	end();
}
END_TEST

/* A sender that waits for space ends with its stream, and does not delay ipc_stop(). */
static void *stop_later(void *unused)
{
	usleep(50000);
	ipc_stop(ipc);
	return unused;
}

START_TEST(stops_while_there_is_no_space)
{
	Stream__Number number = STREAM__NUMBER__INIT;
	struct sums sums = { 0 };
	struct ipc_stream *stream;
	pthread_t thread;
	int r;

	begin(1);
	ck_assert_int_eq(streams_sum_open(streams, NULL, &stream, NULL), 0);
	ck_assert_int_eq(ipc_stream_set_ops(stream, &sums_ops, &sums), 0);
	kill(server, SIGSTOP);
	number.ballast.len = 1000000;
	number.ballast.data = calloc(1, number.ballast.len);
	while ((r = streams_sum_send(stream, 0, &number)) == 0)
		;
	free(number.ballast.data);
	ck_assert_int_eq(r, -EAGAIN);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(pthread_create(&thread, NULL, stop_later, NULL), 0);
		ck_assert_int_eq(ipc_run(ipc), 0);
		ck_assert_int_eq(pthread_join(thread, NULL), 0);
	}
	kill(server, SIGCONT);
	ipc_stream_cancel(stream);
	ipc_stream_unref(stream);
	serve_until(&sums.destroyed);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("stream-space", called_back_when_there_is_space, called_back_in_a_pool,
			 called_back_after_a_wait, called_back_by_an_event_loop,
			 an_event_loop_sends_much, both_send_more_than_there_is_space_for,
			 stops_while_there_is_no_space);
}
