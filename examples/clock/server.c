// SPDX-License-Identifier: MIT
/*
 * demo.clock: a timer for each listener, all in one epoll loop. A slow listener misses ticks, and
 * the next tick contains their number. It never delays the clock.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "clock.ipc.h"

struct listener {
	struct ipc_stream *stream;	/* valid until listener_destroy() */
	int timer;
	uint64_t number;
	uint64_t missed;
};

static int epoll;

static uint64_t now_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Runs when the stream has ended because the listener has gone. */
static void listener_destroy(void *userdata)
{
	struct listener *listener = userdata;

	if (listener->timer >= 0)
		close(listener->timer);
	free(listener);
}

static const struct ipc_stream_ops listener_ops = {
	.size = sizeof(listener_ops),
	.destroy = listener_destroy,
};

static int start_timer(struct listener *listener, uint32_t period_ms)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = listener };
	struct itimerspec spec = { 0 };

	spec.it_interval.tv_sec = period_ms / 1000;
	spec.it_interval.tv_nsec = (long)(period_ms % 1000) * 1000000;
	spec.it_value = spec.it_interval;
	listener->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (listener->timer < 0 || timerfd_settime(listener->timer, 0, &spec, NULL) < 0 ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, listener->timer, &event) < 0)
		return -errno;
	return 0;
}

static int watch(struct ipc_stream *stream, const Clocks__WatchRequest *request, void *userdata)
{
	struct listener *listener;
	int r;

	(void)userdata;
	if (!request->period_ms)
		return ipc_stream_fail(stream, 0, "clock.BadPeriod", "the period is zero");
	listener = calloc(1, sizeof(*listener));
	if (!listener)
		return -ENOMEM;
	listener->timer = -1;
	listener->stream = stream;
	r = ipc_stream_set_ops(stream, &listener_ops, listener);
	if (r < 0) {
		listener_destroy(listener);
		return r;
	}
	/* If start_timer() fails, the stream ends, which destroys the listener. */
	return start_timer(listener, request->period_ms);
}

static void tick(struct listener *listener)
{
	Clocks__Tick message = CLOCKS__TICK__INIT;
	uint64_t periods;
	int r;

	if (read(listener->timer, &periods, sizeof(periods)) != sizeof(periods))
		return;
	message.number = ++listener->number;
	message.usec = now_usec();
	message.missed = listener->missed;
	r = tower_send_watch(listener->stream, /* timeout_usec= */ 0, &message);
	if (r == -EAGAIN)
		listener->missed++;
}

/* A clock to compare, from a stream of them. A callback receives it, so the thread never blocks. */
static void compare_message(struct ipc_stream *stream, const Clocks__Tick *other, void *userdata)
{
	int64_t off = (int64_t)(other->usec - now_usec());
	Clocks__Verdict *verdict = userdata;

	(void)stream;
	verdict->clocks++;
	if (llabs(off) > llabs(verdict->worst_usec))
		verdict->worst_usec = off;
}

static void compare_end(struct ipc_stream *stream, int result, const struct ipc_error *error,
			void *userdata)
{
	(void)error;
	if (result == 0)
		result = tower_reply_compare(stream, userdata);
	if (result < 0)
		ipc_stream_fail(stream, result, NULL, NULL);
}

static int compare(struct ipc_stream *stream, void *userdata)
{
	static const struct ipc_stream_ops compare_ops = {
		.size = sizeof(compare_ops),
		.on_end = compare_end,
		.destroy = free,
	};
	Clocks__Verdict *verdict = malloc(sizeof(*verdict));
	int r;

	(void)userdata;
	if (!verdict)
		return -ENOMEM;
	*verdict = (Clocks__Verdict)CLOCKS__VERDICT__INIT;
	r = tower_set_ops_compare(stream, compare_message, &compare_ops, verdict);
	if (r < 0)
		free(verdict);
	return r;
}

static const struct tower_ops ops = { .watch = watch, .compare = compare };

static int loop(struct ipc *ipc)
{
	struct epoll_event event = { .events = EPOLLIN };
	int r = 0;

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, ipc_get_fd(ipc), &event) < 0)
		return -errno;
	while (r == 0) {
		r = epoll_wait(epoll, &event, 1, -1);
		if (r < 0)
			return -errno;
		if (event.data.ptr) {
			tick(event.data.ptr);
			r = 0;
			continue;
		}
		while ((r = ipc_process(ipc)) > 0)
			;
	}
	return r;
}

int main(void)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	int r;

	epoll = epoll_create1(EPOLL_CLOEXEC);
	r = ipc_open(&ipc, /* bus= */ NULL);
	if (r < 0)
		return ipc_print_open_error(/* bus= */ NULL, r);
	r = tower_register(ipc, "demo.clock", &ops, /* userdata= */ NULL);
	if (r < 0)
		return ipc_print_error("register demo.clock", r, NULL);
	r = loop(ipc);
	return r < 0 ? ipc_print_error("serve demo.clock", r, NULL) : 0;
}
