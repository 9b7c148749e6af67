// SPDX-License-Identifier: MIT
/*
 * The client's side of direct channels: see channel-client.h.
 *
 * A thread waits in the channel. After some milliseconds it asks the bus whether the server is
 * still alive, and requests the report of the death of the server's door. Then it also waits for
 * this report, and for the word that is set while the bus has an event for this connection: the
 * report is such an event, and perhaps no thread takes it. So it asks again if there is an event.
 *
 * If the handler makes a call, the waiting thread joins it: it calls the server's door through the
 * bus, which delivers that call to the handler's thread. From then on the bus knows the chain of
 * calls and treats it like any other chain.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "channel-client.h"
#include "shm/channel-memory.h"
#include "channel-opened.h"
#include "channel-server.h"
#include "base/deadline.h"
#include "core/object.h"
#include "core/raw.h"

/* A waiting thread asks whether the server is alive, or tries to join, after an eighth of the time
 * that it has waited, between these limits. */
#define LOOK_MIN_NS    ((uint64_t)5000000)
#define LOOK_MAX_NS    ((uint64_t)1000000000)
/* While the bus has an event for the connection, the time between two questions. */
#define ASK_NS	       ((uint64_t)10000000)
/* Not a valid thread number. */
#define NO_THREAD      UINT64_MAX
/* After so many messages that did not fit, at least FITTING_MIN times as many must have fit. */
#define UNFIT_CHECK    16U
#define FITTING_MIN    4U

static const atomic_uint not_watched = 1;

void channel_init_watch(struct channel *channel)
{
	atomic_init(&channel->event, &not_watched);
}

/* --- Calls -------------------------------------------------------------------------- */

void channel_object_died(struct channel *channel)
{
	atomic_store(&channel->ended, true);
}

void channel_note_unfit(struct channel *channel)
{
	uint32_t tail;

	if (atomic_fetch_add(&channel->unfit, 1) % UNFIT_CHECK != UNFIT_CHECK - 1)
		return;
	/* A hostile server may have written there, and then ends only its own channel. */
	tail = atomic_load(&channel->caller.own->tail);
	if (tail - atomic_exchange(&channel->checked_tail, tail) < UNFIT_CHECK * FITTING_MIN)
		atomic_store(&channel->ended, true);
}

/* Ends the channel. If no call uses it any more, ends its object too, and lets the proxy ask for
 * another channel later. A call that begins now sees the end: see channel_call(). */
static __attribute__((noinline)) void forget(struct channel *channel, struct ipc_proxy *proxy)
{
	atomic_store(&channel->ended, true);
	if (atomic_load(&channel->forgotten) ||
	    atomic_load(&channel->caller.taken) != atomic_load(&channel->caller.lost) ||
	    atomic_exchange(&channel->forgotten, true))
		return;
	channel_ask_later(proxy, /* busy= */ false);
	ipc_object_end(channel->life);
}

bool channel_has_ended(struct channel *channel, const struct request *request)
{
	if (likely(!channel_is_unusable(channel, request->t->ipc)))
		return false;
	forget(channel, request->proxy);
	return true;
}

static void fail(struct request *request, int error, uint32_t stage)
{
	request->x.event = (struct ipcbus_event){
		.kind = IPCBUS_EVENT_FAILED,
		.error = error,
		.stage = stage,
		.thread = request->t->number,
	};
}

/* Calls the door on behalf of a call, as request_call(). thread: the only receiver, or 0. */
static int call_door(struct channel *channel, struct request *request, uint32_t code,
		     unsigned int cell, uint64_t thread, struct ipcbus_event *ret_event)
{
	struct channel_ref ref = {
		.id = channel->id,
		.cell = cell,
		.number = channel->caller.posted[cell],
	};
	struct request door;
	int r;

	r = request_init(&door, IPCBUS_SEND_CALL, channel->door, code, /* timeout_usec= */ 0,
			 /* options= */ NULL);
	if (r < 0)
		return r;
	door.x.send.call = thread;
	door.x.send.data = (uintptr_t)&ref;
	door.x.send.data_size = sizeof(ref);
	door.x.send.deadline = request->x.send.deadline;
	r = request_call(&door, /* options= */ NULL);
	*ret_event = door.x.event;
	return r;
}

static void give_up(struct channel *channel, unsigned int cell, bool ended)
{
	channel_abandon(&channel->caller, cell);
	if (ended)
		atomic_store(&channel->ended, true);
}

/* Drops the event that ended a call to the door, because it is not the reply. */
static void drop_joined(struct request *request)
{
	struct ipcbus_event *event = &request->x.event;

	if (event->kind == IPCBUS_EVENT_NONE)
		return;
	event_refuse(request->t->ipc, event);
	thread_release_later(request->t, event->buffer, event->data_size);
	event->kind = IPCBUS_EVENT_NONE;
}

/* Returns whether the error means that the server has died, or the bus has ended. */
static bool is_gone(int error)
{
	return error == -EOWNERDEAD || error == -ENOTCONN || error == -ECONNRESET;
}

/*
 * Joins the handler of the call, in that thread, until the call has ended. NO_THREAD: only checks
 * if the server is alive. Returns 0 if the reply is in the channel or will arrive there, or
 * -ECANCELED if the request has failed.
 */
static __attribute__((noinline)) int join_handler(struct channel *channel, struct request *request,
						  unsigned int cell, uint64_t thread)
{
	struct ipcbus_event event;
	int r;

	r = call_door(channel, request, CHANNEL_JOIN, cell, thread, &event);
	/* A handler on this thread has forked: the memory is not mapped in the child. */
	if (unlikely(request->t->ipc->foreign)) {
		fail(request, -ECHILD, /* stage= */ 0);
		return -ECANCELED;
	}
	if (r == 0 && event.kind != IPCBUS_EVENT_FAILED) {
		/* It may be the reply: the channel shows that. */
		drop_joined(request);
		request->x.event = event;
		return 0;
	}
	if (r == 0) {
		drop_joined(request);
		give_up(channel, cell, event.error != -ETIMEDOUT);
		request->x.event = event;
		return -ECANCELED;
	}
	/* A frozen process takes no new calls. */
	if (r == -EHOSTDOWN && channel_withdraw(&channel->caller, cell)) {
		drop_joined(request);
		fail(request, r, IPCBUS_STAGE_QUEUE);
		return -ECANCELED;
	}
	/* On other errors the handler does not wait for this thread, and continues without it. */
	if (!is_gone(r))
		return 0;
	drop_joined(request);
	give_up(channel, cell, /* ended= */ true);
	proxy_set_died(channel->door);
	fail(request, r == -ENOTCONN ? -EOWNERDEAD : r, IPCBUS_STAGE_REPLY);
	return -ECANCELED;
}

void channel_wake_by_bus(struct channel *channel, struct thread *t)
{
	struct ipcbus_exchange x = {
		.send = {
			.kind = IPCBUS_SEND_ONEWAY,
			.handle = channel->door->handle,
			.code = CHANNEL_BELL,
		},
	};

	atomic_store(&channel->caller.unheard, false);
	thread_exchange_bus(t, &x);
}

/* Gives up a call after its deadline, and tells the server: the bus does not know the call. */
static void cancel(struct channel *channel, unsigned int cell)
{
	struct channel_ref ref = {
		.id = channel->id,
		.cell = cell,
		.number = channel->caller.posted[cell],
	};

	/* First, so that a handler sees the cancellation even if the message does not find it. */
	give_up(channel, cell, /* ended= */ false);
	ipc_raw_oneway(channel->door,
		       &(struct ipc_raw_message){
			       .method = CHANNEL_CANCEL,
			       .data = &ref,
			       .size = sizeof(ref),
		       },
		       /* options= */ NULL);
}

static bool is_late(const struct request *request)
{
	return request->x.send.deadline && time_now() >= request->x.send.deadline;
}

int channel_watch_door(struct channel *channel, struct ipc *ipc)
{
	struct device_words words;
	int r;

	if (atomic_load(&channel->event) != &not_watched)
		return 0;
	r = device_poll_words(&ipc->device, &words);
	if (r == 0)
		r = proxy_watch(channel->door);
	if (r == 0)
		atomic_store(&channel->event, words.event);
	return r;
}

/* Returns whether the server has died or the bus has ended: calls the door in a thread that does
 * not exist. The call is detached, so that the end of the served call does not hide the result. */
static bool door_is_gone(struct channel *channel)
{
	struct request request;
	int r;

	r = request_init(&request, IPCBUS_SEND_CALL, channel->door, CHANNEL_JOIN,
			 /* timeout_usec= */ 0, /* options= */ NULL);
	if (r == 0) {
		request.x.send.flags = IPCBUS_SEND_DETACHED;
		request.x.send.call = NO_THREAD;
		r = request_call(&request, /* options= */ NULL);
	}
	return is_gone(r);
}

static __attribute__((noinline)) bool ask_whether_died(struct channel *channel)
{
	uint64_t now = time_now(), asked = atomic_load(&channel->asked);

	if (atomic_load(&channel->door->died))
		return true;
	channel_watch_door(channel, channel->door->ipc);
	if (now < asked + ASK_NS || !atomic_compare_exchange_strong(&channel->asked, &asked, now) ||
	    !door_is_gone(channel))
		return false;
	proxy_set_died(channel->door);
	return true;
}

bool channel_server_died(struct channel *channel)
{
	const atomic_uint *event = atomic_load_explicit(&channel->event, memory_order_acquire);

	if (likely(!atomic_load_explicit(event, memory_order_relaxed)))
		return atomic_load_explicit(&channel->door->died, memory_order_relaxed);
	return ask_whether_died(channel);
}

/* Returns ns, or less if the deadline comes earlier. */
static uint64_t until_deadline(const struct request *request, uint64_t ns)
{
	uint64_t deadline = request->x.send.deadline, now = deadline ? time_now() : 0;

	if (!deadline || deadline > now + ns)
		return ns;
	return deadline > now ? deadline - now : 1;
}

static uint64_t next_look(uint64_t waited)
{
	uint64_t ns = waited / 8;

	return ns < LOOK_MIN_NS ? LOOK_MIN_NS : ns > LOOK_MAX_NS ? LOOK_MAX_NS : ns;
}

/* Waits for a reason to ask whether the server is alive. Returns as channel_await(), or -EAGAIN. */
static int await_again(struct channel *channel, struct request *request, unsigned int cell,
		       uint64_t begin, uint64_t asked)
{
	int r = -EAGAIN;

	if (channel_watch_door(channel, request->t->ipc) == 0) {
		const atomic_uint *alarms[] = { channel->event, &channel->door->died };

		r = channel_await_alarms(&channel->caller, cell,
					 until_deadline(request, next_look(asked - begin)), alarms);
	}
	/* Other events may stay for long, or come often. */
	if (r == -EAGAIN && !atomic_load(&channel->door->died) && time_now() < asked + ASK_NS)
		r = channel_await(&channel->caller, cell, until_deadline(request, ASK_NS));
	return r;
}

/* As await(), for a wait that did not end at once. r: the result of channel_await(). */
static __attribute__((noinline)) int await_longer(struct channel *channel, struct request *request,
						  unsigned int cell, int r)
{
	uint64_t begin = time_now(), asked = begin, thread = NO_THREAD;
	uint32_t number;

	for (;;) {
		if (r == 0) {
			if (!channel_must_join(&channel->caller, cell, &number))
				return 0;
			thread = number;
		}
		if (r == -ESHUTDOWN) {
			give_up(channel, cell, /* ended= */ true);
			return 1;
		}
		if (is_late(request)) {
			drop_joined(request);
			cancel(channel, cell);
			fail(request, -ETIMEDOUT, IPCBUS_STAGE_REPLY);
			return -ECANCELED;
		}
		/* Signals must not end all waits before the thread has asked. */
		if (r != -EINTR || time_now() - asked >= next_look(asked - begin)) {
			asked = time_now();
			if (join_handler(channel, request, cell, thread) < 0)
				return -ECANCELED;
		}
		r = await_again(channel, request, cell, begin, asked);
	}
}

/* Waits for the reply. Returns 0 if it is in the channel, 1 if the bus must make the call, or
 * -ECANCELED if the request has failed. */
static int await(struct channel *channel, struct request *request, unsigned int cell)
{
	int r;

	r = channel_await(&channel->caller, cell, until_deadline(request, LOOK_MIN_NS));
	if (likely(r == 0 && channel_has_reply(&channel->caller, cell)))
		return 0;
	return await_longer(channel, request, cell, r);
}

/* Fetches a reply that was too large for the channel, by the bus. */
static __attribute__((noinline)) int fetch(struct channel *channel, struct request *request,
					   uint32_t cell)
{
	struct ipcbus_event event;
	int r;

	r = call_door(channel, request, CHANNEL_FETCH, cell, /* thread= */ 0, &event);
	channel_put_cell(&channel->caller, cell);
	if (r == 0)
		request->x.event = event;
	else
		fail(request, r, IPCBUS_STAGE_REPLY);
	return 0;
}

/* Returns a buffer with the payload of the reply, or NULL if the request has failed. */
static void *take_payload(struct channel *channel, struct request *request, unsigned int cell,
			  struct channel_end *ret_end)
{
	int r = channel_take_end(&channel->caller, cell, ret_end);
	void *buffer = likely(r == 0) ? channel_buffer_get(request->t, ret_end->size) : NULL;

	if (likely(buffer)) {
		channel_take_reply(&channel->caller, cell, ret_end, buffer);
		return buffer;
	}
	drop_joined(request);
	if (r == 0)
		give_up(channel, cell, /* ended= */ false);
	else
		atomic_store(&channel->ended, true);
	fail(request, r == 0 ? -ENOMEM : r, r == 0 ? IPCBUS_STAGE_DELIVER : IPCBUS_STAGE_REPLY);
	return NULL;
}

/* Takes the reply. Returns 0 with an event, or 1 if the bus must make the call. */
static int take_reply(struct channel *channel, struct request *request, unsigned int cell)
{
	struct channel_end end;
	void *buffer = take_payload(channel, request, cell, &end);

	if (unlikely(!buffer))
		return 0;
	if (unlikely(request->x.event.kind != IPCBUS_EVENT_NONE)) {
		if (end.kind == CHANNEL_BUS) {
			channel_buffer_put(request->t, buffer, end.size);
			return 0;
		}
		drop_joined(request);
	}
	if (likely(end.kind == CHANNEL_REPLY)) {
		request->x.event = (struct ipcbus_event){
			.kind = IPCBUS_EVENT_REPLY,
			.thread = request->t->number,
		};
		channel_buffer_event(request->t, buffer, end.size, &request->x.event);
		return 0;
	}
	if (end.kind == CHANNEL_ERROR && end.error < 0 && end.error >= -4095) {
		request->x.event = (struct ipcbus_event){
			.kind = IPCBUS_EVENT_ERROR,
			.thread = request->t->number,
			.error = end.error,
		};
		channel_buffer_event(request->t, buffer, end.size, &request->x.event);
		return 0;
	}
	channel_buffer_put(request->t, buffer, end.size);
	if (end.kind == CHANNEL_LATER) {
		channel_note_unfit(channel);
		return fetch(channel, request, cell);
	}
	if (end.kind == CHANNEL_REFUSED) {
		channel_put_cell(&channel->caller, cell);
		return 1;
	}
	atomic_store(&channel->ended, true);
	fail(request, -EPROTO, IPCBUS_STAGE_REPLY);
	return 0;
}

/* Whether the huge cell may carry a call that does not fit into other cells. */
static __attribute__((noinline)) bool may_carry_huge(struct channel *channel,
						     const struct request *request, bool async)
{
	unsigned int extension;

	if (request_is_plain(request, CHANNEL_HUGE_MAX)) {
		if (!async && atomic_load(&channel->extension) < EXTENSION_DONE)
			channel_extend(channel, request->t);
		extension = atomic_load(&channel->extension);
		/* Until it is made, calls do not count as unfit. */
		if (extension != EXTENSION_FAILED)
			return extension == EXTENSION_DONE;
	}
	channel_note_unfit(channel);
	return false;
}

bool channel_may_carry(struct channel *channel, struct request *request, bool async)
{
	if (channel_has_ended(channel, request))
		return false;
	if (unlikely(!request_is_plain(request, CHANNEL_DATA_MAX)) &&
	    !may_carry_huge(channel, request, async))
		return false;
	if (unlikely(request->t->ipc->channels_random) && route_chooses_bus())
		return false;
	/* A call through the channel has no exchange that would release buffers. */
	if (unlikely(request->t->n_release))
		thread_flush(request->t);
	return true;
}

uint64_t channel_time_left(uint64_t deadline)
{
	uint64_t now = time_now();

	return deadline > now + 1000 ? deadline - now : 0;
}

int channel_call(struct channel *channel, struct request *request)
{
	struct ipcbus_send *send = &request->x.send;
	struct channel_call call = {
		.code = send->code,
		.size = send->data_size,
	};
	int cell, r;

	if (!channel_may_carry(channel, request, /* async= */ false))
		return 1;
	if (unlikely(send->deadline) && !channel_time_left(send->deadline))
		return 1;
	call.deadline = device_time_out(&request->t->ipc->device, send->deadline);
	cell = channel_take_cell(&channel->caller, send->data_size);
	if (cell < 0)
		return 1;
	r = channel_gather(send, channel_payload(&channel->caller, (unsigned int)cell));
	if (unlikely(r < 0 || atomic_load(&channel->ended))) {
		channel_put_cell(&channel->caller, (unsigned int)cell);
		return 1;
	}
	request->x.event.kind = IPCBUS_EVENT_NONE;
	channel_post(&channel->caller, (unsigned int)cell, &call);
	channel_sent_message(channel, request->t);
	r = await(channel, request, (unsigned int)cell);
	if (likely(r == 0))
		return take_reply(channel, request, (unsigned int)cell);
	return r > 0 ? 1 : 0;
}
