// SPDX-License-Identifier: MIT
/*
 * The traffic; see actors.h. Each payload contains a pattern (pattern_fill), so that a misdirected
 * reply, call or page is detected.
 *
 * A sabotaged process loses its file or its region while its threads use it: an error then ends it,
 * and is not a failure.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "actors.h"

#define ACTOR_REGION (128 * 1024)
#define LARGEST 9000

struct board *board;

static const struct life *life;
static struct raw bus;
static uint64_t own_node;

/* The handle that some thread received last. Any thread may use or put it. */
static uint32_t friend;

/* The cookie of the last call. Any thread may cancel it. */
static uint64_t last_cookie;

/* A cookie contains the payload's seed and whether the call is async. */
#define ASYNC_COOKIE (1ULL << 32)
#define SYNC_COOKIE (1ULL << 33)

void complain(const char *what, long number)
{
	if (__atomic_fetch_add(&board->wrong, 1, __ATOMIC_SEQ_CST) == 0)
		snprintf(board->what, sizeof(board->what), "actor %d: %s (%ld)",
			 life ? life->index : -1, what, number);
}

/* With a limit: a new manager may find that the previous one still exists. */
void wait_for_traffic(void)
{
	uint64_t end = now_ms() + 2000;

	while (__atomic_load_n(&board->calls, __ATOMIC_RELAXED) == board->begun &&
	       now_ms() < end)
		usleep(100);
}

uint32_t below(uint32_t *seed, uint32_t n)
{
	return next_random(seed) % n;
}

/* An exchange without raw_exchange()'s assertions, which are not thread-safe. */
static int exchange(struct ipcbus_exchange *x)
{
	x->size = sizeof(*x);
	return dev_ioctl(bus.fd, IPCBUS_IOC_EXCHANGE, x);
}

/* Code and seed are sent beside the payload, so that a receiver can check it. */
static const uint8_t *payload(const struct ipcbus_event *ev)
{
	if (ev->offset > bus.size || ev->data_size > bus.size - ev->offset) {
		complain("a payload outside the region", ev->offset);
		_exit(1);
	}
	return bus.map + ev->offset;
}

static void check_payload(const struct ipcbus_event *ev, uint32_t seed, const char *what)
{
	if (!pattern_is(payload(ev), ev->data_size, seed) && !life->sabotage)
		complain(what, ev->data_size);
}

/* A received handle replaces the friend, files are closed, and other objects are ignored. */
static void take_objects(const struct ipcbus_event *ev)
{
	const struct ipcbus_object *o = (const void *)(bus.map + ev->objects);

	for (uint32_t i = 0; i < ev->object_count; i++) {
		uint32_t old;

		if (o[i].type == IPCBUS_OBJECT_FD)
			close(o[i].value);
		if (o[i].type != IPCBUS_OBJECT_HANDLE)
			continue;
		raw_watch(&bus, o[i].value, 1);
		old = __atomic_exchange_n(&friend, o[i].value, __ATOMIC_SEQ_CST);
		if (old)
			raw_put(&bus, old, 1);
	}
}

/* Replies with the received bytes, and sometimes an object. */
static void reply(const struct ipcbus_event *ev, uint32_t *seed)
{
	struct ipcbus_object o = below(seed, 2) && friend ? object_handle(friend) :
							    object_node(own_node);
	struct ipcbus_exchange x = { .send = {
		.kind = IPCBUS_SEND_REPLY, .call = ev->call, .data = PTR64(payload(ev)),
		.data_size = ev->data_size, .objects = PTR64(&o),
		.object_count = below(seed, 3) == 0,
	} };

	if (below(seed, 50) == 0)
		return; /* never replied to: a side must die first */
	if (!exchange(&x))
		return;
	x.send = (struct ipcbus_send){ .kind = IPCBUS_SEND_ERROR, .code = EAGAIN,
				       .call = ev->call };
	exchange(&x);
}

/* Returns whether the event belongs to a call of this process, by its cookie. */
static bool is_own(const struct ipcbus_event *ev)
{
	if (!(ev->cookie & (ASYNC_COOKIE | SYNC_COOKIE)))
		complain("an end of no call", ev->cookie);
	return ev->cookie & SYNC_COOKIE;
}

/* A canceled call must be reported as canceled while it is open. */
static void hear_of_cancel(const struct ipcbus_event *ev)
{
	struct ipcbus_call_info info = { .size = sizeof(info), .call = ev->call };

	if (!dev_ioctl(bus.fd, IPCBUS_IOC_CALL_INFO, &info) && !(info.flags & IPCBUS_CALL_CANCELED))
		complain("a cancelled call is not cancelled", ev->call);
}

/* Returns whether the call for which this thread waits has ended. */
static bool handle_event(const struct ipcbus_event *ev, uint32_t *rnd)
{
	bool over = false;

	switch (ev->kind) {
	case IPCBUS_EVENT_CALL:
		check_payload(ev, ev->code, "a call differs from the sent message");
		reply(ev, rnd);
		break;
	case IPCBUS_EVENT_ONEWAY:
		check_payload(ev, ev->code, "a oneway differs from the sent message");
		break;
	case IPCBUS_EVENT_REPLY:
		check_payload(ev, ev->cookie, "a reply differs from the sent message");
		__atomic_fetch_add(&board->replied, 1, __ATOMIC_RELAXED);
		over = is_own(ev);
		break;
	case IPCBUS_EVENT_ERROR:
	case IPCBUS_EVENT_FAILED:
		over = is_own(ev);
		break;
	case IPCBUS_EVENT_CANCELED:
		hear_of_cancel(ev);
		break;
	default:
		break;
	}
	if (ev->buffer) {
		struct ipcbus_exchange x = { .release_count = 1, .release = ev->buffer };

		take_objects(ev);
		exchange(&x);
	}
	return over;
}

/* Serves for a moment. Returns false if the file no longer works. */
static bool serve(uint32_t flags, uint32_t *rnd)
{
	struct ipcbus_exchange x;

	/* Replies to async calls arrive between served calls. */
	for (int i = 0; i < 3; i++) {
		x = (struct ipcbus_exchange){ .flags = IPCBUS_WAIT | IPCBUS_SERVE | flags };
		if (exchange(&x))
			return false;
		handle_event(&x.event, rnd);
		if (x.event.kind == IPCBUS_EVENT_NONE || !flags)
			break;
	}
	return true;
}

static void wait_for_reply(uint32_t *rnd)
{
	struct ipcbus_exchange x;

	do
		x = (struct ipcbus_exchange){ .flags = IPCBUS_WAIT };
	while (!exchange(&x) && !handle_event(&x.event, rnd));
}

/* Sometimes with a short deadline, and sometimes async. */
static void set_terms(struct ipcbus_send *send, uint32_t seed, uint32_t *rnd)
{
	bool async = below(rnd, 4) == 0;

	if (send->kind != IPCBUS_SEND_CALL)
		return;
	if (below(rnd, 3) == 0)
		send->deadline = deadline_in(0) + below(rnd, 3000000);
	send->cookie = seed | (async ? ASYNC_COOKIE : SYNC_COOKIE);
	if (async)
		send->flags |= IPCBUS_SEND_ASYNC;
	__atomic_store_n(&last_cookie, send->cookie, __ATOMIC_RELAXED);
}

static void cancel_last(void)
{
	struct ipcbus_cancel args = {
		.size = sizeof(args), .cookie = __atomic_load_n(&last_cookie, __ATOMIC_RELAXED),
	};

	dev_ioctl(bus.fd, IPCBUS_IOC_CANCEL, &args);
}

/* Sends a random message to a random target, with some objects. */
static void call(char *data, uint32_t *rnd)
{
	uint32_t seed = next_random(rnd);
	struct ipcbus_object o = below(rnd, 4) ? object_node(own_node) : object_fd(2);
	struct ipcbus_exchange x = { .send = {
		.kind = below(rnd, 4) ? IPCBUS_SEND_CALL : IPCBUS_SEND_ONEWAY,
		.handle = below(rnd, 2) ? friend : 0, .code = seed, .data = PTR64(data),
		.data_size = below(rnd, 4) ? below(rnd, 200) : below(rnd, LARGEST),
		.objects = PTR64(&o), .object_count = below(rnd, 3) == 0,
	} };

	pattern_fill(data, x.send.data_size, seed);
	set_terms(&x.send, seed, rnd);
	if (exchange(&x) || x.send.kind == IPCBUS_SEND_ONEWAY)
		return;
	__atomic_fetch_add(&board->calls, 1, __ATOMIC_RELAXED);
	if (below(rnd, 8) == 0)
		cancel_last();
	if (!(x.send.flags & IPCBUS_SEND_ASYNC))
		wait_for_reply(rnd);
}

static void *work(void *arg)
{
	uint32_t rnd = *(uint32_t *)arg;
	char *data = malloc(LARGEST);
	bool alive = data;

	while (alive && !board->wrong) {
		if (life->index == 0) {
			alive = serve(0, &rnd);
		} else {
			call(data, &rnd);
			alive = serve(IPCBUS_NONBLOCK, &rnd);
		}
	}
	free(data);
	return NULL;
}

/* Reading a region that was unmapped. */
static void gone(int signal)
{
	_exit(signal == SIGSEGV && life->sabotage ? 0 : 1);
}

static void interrupted(int signal)
{
	(void)signal;
}

int actor_main(struct peer *self, void *arg)
{
	uint32_t rnd[2];
	pthread_t thread[2];

	(void)self;
	peer_report_nothing();
	life = arg;
	signal(SIGSEGV, gone);
	sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = interrupted }, NULL);
	raw_open(&bus, ACTOR_REGION);
	own_node = raw_node(&bus, IPCBUS_NODE_ACCEPT_FDS, 1);
	if (life->index == 0 && raw_claim(&bus, own_node))
		return 0; /* the previous manager still exists */
	for (int i = 0; i < 2; i++) {
		rnd[i] = (life->seed + i * 7919) | 1;
		if (pthread_create(&thread[i], NULL, work, &rnd[i]))
			return 0;
	}
	if (life->sabotage) {
		wait_for_traffic();
		usleep(life->after_us);
		life->sabotage(&bus, &rnd[0]);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	return 0;
}
