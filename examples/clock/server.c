// SPDX-License-Identifier: MIT
/*
 * demo.clock: one timer for each listener, all in one epoll loop. A slow listener misses
 * ticks, and the next tick says how many. It never delays the clock.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "clock.ipc.h"

struct listener {
	struct ipc_stream *stream;
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

static struct listener *listener_free(struct listener *listener)
{
	ipc_stream_unref(listener->stream);
	if (listener->timer >= 0)
		close(listener->timer);
	free(listener);
	return NULL;
}

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

static int watch(struct ipc_stream *stream, const Clock__WatchRequest *request, void *userdata)
{
	struct listener *listener;
	int r;

	(void)userdata;
	if (!request->period_ms)
		return ipc_stream_fail(stream, 0, "clock.NoPeriod", "the period is zero");
	listener = calloc(1, sizeof(*listener));
	if (!listener)
		return -ENOMEM;
	listener->timer = -1;
	listener->stream = ipc_stream_ref(stream);
	r = start_timer(listener, request->period_ms);
	if (r < 0)
		listener_free(listener);
	return r;
}

static void tick(struct listener *listener)
{
	Clock__Tick message = CLOCK__TICK__INIT;
	uint64_t periods;
	int r;

	if (read(listener->timer, &periods, sizeof(periods)) != sizeof(periods))
		return;
	message.number = ++listener->number;
	message.usec = now_usec();
	message.missed = listener->missed;
	r = tower_push_watch(listener->stream, /* timeout_usec= */ 0, &message);
	if (r == -EAGAIN)
		listener->missed++;
	else if (r < 0)
		listener_free(listener);
}

/* The handler waits for messages. The library serves other calls meanwhile. */
static int compare(struct ipc_stream *stream, void *userdata)
{
	Clock__Verdict verdict = CLOCK__VERDICT__INIT;
	const Clock__Tick *other;
	int r;

	(void)userdata;
	while ((r = tower_pull_compare(stream, 10000000, &other, NULL)) > 0) {
		int64_t off = (int64_t)(other->usec - now_usec());

		verdict.clocks++;
		if (llabs(off) > llabs(verdict.worst_usec))
			verdict.worst_usec = off;
	}
	return r < 0 ? r : tower_reply_compare(stream, &verdict);
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
	r = ipc_open(&ipc, /* device= */ NULL);
	if (r < 0)
		return ipc_fail("open /dev/ipcbus", r, NULL);
	r = tower_register(ipc, "demo.clock", &ops, /* userdata= */ NULL);
	if (r < 0)
		return ipc_fail("register demo.clock", r, NULL);
	r = loop(ipc);
	return r < 0 ? ipc_fail("serve demo.clock", r, NULL) : 0;
}
