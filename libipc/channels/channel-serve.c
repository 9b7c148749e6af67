// SPDX-License-Identifier: MIT
/* Serving threads take calls and reply: see channel-served.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "channel-opened.h"
#include "channel-served.h"
#include "core/cancel.h"
#include "base/deadline.h"
#include "core/dispatch.h"

/* Bytes of replies that a channel keeps for its client. Larger replies go by the bus. */
#define KEPT_MAX ((size_t)256 << 10)

/* Serving threads look for dead clients after so many calls of a thread, and in check(). */
#define REAP_CALLS 4096U
/* Maximum of further oneways in a batch of the bus, if channels have messages. */
#define MORE_MAX 2U
/* Limits of the pauses between two looks for space, which only poll() reports. */
#define SPACE_MIN_NS 100000U
#define SPACE_MAX_NS 10000000U

/* --- Calls -------------------------------------------------------------------------- */

static void view_clear(struct channel_view *view)
{
	for (unsigned int i = 0; i < view->n; i++)
		served_unref(view->served[i]);
	for (unsigned int i = 0; i < view->n_opened; i++)
		channel_unref(view->opened[i]);
	view->n = view->n_opened = view->next_opened = 0;
	view->oneways_last = view->again = 0;
	view->last = view->left = NULL;
}

void channels_view_free(struct channel_view *view)
{
	view_clear(view);
	free(view);
}

/* Refreshes the thread's view. Returns 0 or -ENOMEM. */
static int view_update(struct thread *t, struct channels *channels, uint32_t generation)
{
	struct channel_view *view = t->channels;

	if (!view) {
		view = t->channels = calloc(1, sizeof(*view));
		if (!view)
			return -ENOMEM;
		/* Like the driver, interrupts the first wait of a thread, which may have looked
		 * for ipc_stop() just before. */
		view->wakes = atomic_load(channels->words.wakes) - 1;
	}
	view_clear(view);
	pthread_mutex_lock(&channels->lock);
	for (unsigned int i = 0; i < CHANNEL_MAX_WAIT; i++) {
		struct served *served = channels->table[i];

		if (!served || atomic_load(&served->ended))
			continue;
		refs_take(&served->refs);
		/* The thread has not looked there. */
		view->tails[view->n] = peer_tail(served->callee.peer) - 1;
		view->callees[view->n] = &served->callee;
		view->served[view->n++] = served;
	}
	for (unsigned int i = 0; i < CHANNEL_MAX_CALLERS; i++) {
		struct channel *channel = channels->opened[i];

		if (!channel)
			continue;
		refs_take(&channel->refs);
		view->answered[view->n_opened] = channel_answers(&channel->caller) - 1;
		view->callers[view->n_opened] = &channel->caller;
		view->opened[view->n_opened++] = channel;
	}
	pthread_mutex_unlock(&channels->lock);
	if (view->next >= view->n)
		view->next = 0;
	view->generation = generation;
	return 0;
}

static void to_event(struct thread *t, struct served *served, const struct channel_taken *taken,
		     void *buffer, struct ipcbus_event *event)
{
	served_event(t, served, IPCBUS_EVENT_CALL,
		     CALL_OF(served->id, taken->cell, taken->number), event);
	served_event_take(t, taken, buffer, event);
	/* A client may send any time: it affects only its own call. */
	event->deadline = device_time_in(&t->ipc->device, taken->deadline);
}

static void refuse(struct served *served, const struct channel_taken *taken)
{
	const struct channel_end end = { .kind = CHANNEL_REFUSED };

	atomic_fetch_and(&served->open, ~(1U << taken->cell));
	if (channel_answer(&served->callee, taken->cell, taken->number, &end, NULL))
		served_notify(served);
	if (unlikely(atomic_load(&served->held)))
		served_let_go(served, taken->cell);
}

/* Takes the object's turn for the oneways of a channel, and makes an event of them. Returns false
 * if no oneway may be served now, or another thread has the turn. */
static bool take_oneways(struct thread *t, struct served *served, struct ipcbus_event *event)
{
	uint32_t epoch = atomic_load_explicit(&served->epoch, memory_order_relaxed);
	struct ipc_object *object;

	if (!channel_has_oneway(&served->callee, epoch))
		return false;
	object = object_served(t, served->cookie);
	if (!object) {
		served_end(served);
		return false;
	}
	if (!turn_enter(object)) {
		ipc_object_unref(object);
		return false;
	}
	channel_event(served, event);
	event->call = (uintptr_t)object;
	return true;
}

/* Takes a reply to an async call, or ends one that is late. Reduces *until to the next deadline. */
static bool take_answer(struct thread *t, uint64_t *until, struct ipcbus_event *event)
{
	struct channel_view *view = t->channels;

	for (unsigned int i = 0; i < view->n_opened; i++) {
		unsigned int at = view->next_opened;
		struct channel *channel = view->opened[at];
		uint32_t answers = channel_answers(&channel->caller);

		view->next_opened = at + 1 == view->n_opened ? 0 : at + 1;
		/* First, because there may always be replies. */
		if (channel_take_late(t, channel, until, event))
			goto found;
		if (answers != view->answered[at]) {
			if (channel_take_answer(t, channel, event))
				goto found;
			view->answered[at] = answers;
		}
	}
	return false;
found:
	view->call_next = true;
	view->share -= !!view->share;
	return true;
}

/* Takes a call or oneways of a channel. Returns false if there is none in this round. */
static bool take_call(struct thread *t, struct ipcbus_event *event)
{
	struct channel_view *view = t->channels;
	struct channel_taken taken;
	void *buffer;

	for (; view->looks && view->share; view->looks--) {
		unsigned int at = view->next;
		struct served *served = view->served[at];
		uint64_t bit = 1ULL << at;
		bool oneways_first = !(view->oneways_last & bit);
		int r;

		view->share--;
		view->next = at + 1 == view->n ? 0 : at + 1;
		view->oneways_last &= ~bit;
		view->again &= ~bit;
		view->tails[at] = peer_tail(served->callee.peer);
		if (oneways_first && take_oneways(t, served, event))
			goto oneways;
		r = channel_take(&served->callee, &taken);
		if (r < 0) {
			served_end(served);
			continue;
		}
		if (!r && !oneways_first && take_oneways(t, served, event))
			goto oneways;
		if (!r)
			continue;
		/* served_end() sees the bit, or this thread sees that the channel has ended. */
		atomic_fetch_or(&served->open, 1U << taken.cell);
		buffer = likely(!atomic_load(&served->ended)) ? channel_buffer_get(t, taken.size) :
								NULL;
		if (unlikely(!buffer)) {
			refuse(served, &taken);
			continue;
		}
		channel_copy_request(&served->callee, &taken, buffer);
		view->again |= bit;
		view->last = served;
		view->last_cell = taken.cell;
		to_event(t, served, &taken, buffer, event);
		return true;
oneways:
		view->left = NULL;
		view->oneways_last |= bit;
		view->last = served;
		view->last_cell = CHANNEL_ONEWAYS;
		return true;
	}
	return false;
}

/* Takes a reply or a call: by turns, if there are both. */
static inline __attribute__((always_inline)) bool
take_message(struct thread *t, uint64_t *until, struct ipcbus_event *event)
{
	struct channel_view *view = t->channels;
	bool call_first = view->call_next;

	view->call_next = false;
	return (unlikely(view->n_opened) && !call_first && take_answer(t, until, event)) ||
	       take_call(t, event) || (unlikely(call_first) && take_answer(t, until, event));
}

static bool has_answers(const struct channel_view *view)
{
	for (unsigned int i = 0; i < view->n_opened; i++)
		if (channel_answers(view->callers[i]) != view->answered[i])
			return true;
	return false;
}

static bool has_more(const struct channel_view *view)
{
	const struct served *left = view->left;

	for (unsigned int i = 0; i < view->n; i++)
		if (channel_has_call(view->callees[i], view->tails[i]) ||
		    channel_has_posted(view->callees[i]))
			return true;
	return has_answers(view) ||
	       (left && channel_has_oneway(&left->callee, atomic_load(&left->epoch)));
}

/* Whether there may be a reply, or a message of another channel. Cheaper than has_more(). */
static bool may_have_more(const struct channel_view *view, const struct served *but)
{
	for (unsigned int i = 0; i < view->n; i++)
		if ((view->again >> i & 1 ||
		     channel_has_call(view->callees[i], view->tails[i])) &&
		    view->served[i] != but)
			return true;
	return has_answers(view);
}

static bool has_work(const struct channel_view *view)
{
	return view->left || may_have_more(view, /* but= */ NULL);
}

bool channels_others_wait(const struct thread *t, const struct served *served)
{
	const struct channel_view *view = t->channels;

	return view && (atomic_load(t->ipc->channels->words.event) ||
			may_have_more(view, served));
}

/* Wakes another thread if there are more messages: this thread may have taken their wake-up, and
 * its work may take long. Also wakes threads that poll since before the first channel. */
static inline void pass_on(struct channels *channels, const struct channel_view *view)
{
	if (likely(!(atomic_load(&channels->sleepers) | atomic_load(&channels->ipc->pool.polling))))
		return;
	if (atomic_load(&channels->ipc->pool.polling))
		backlog_wake(channels->ipc);
	if (atomic_load(&channels->sleepers) && has_more(view))
		channel_wake_private(channels->words.bell, 1);
}

/* Returns the channel with that id if it is in the view, which has nearly all channels that a
 * thread replies to, or NULL. The view keeps its reference until the thread waits again. */
static struct served *viewed(const struct channel_view *view, uint32_t id)
{
	if (view && view->last && view->last->id == id)
		return view->last;
	for (unsigned int i = 0; view && i < view->n; i++)
		if (view->served[i]->id == id)
			return view->served[i];
	return NULL;
}

static size_t kept_bytes_locked(const struct served *served)
{
	size_t bytes = 0;

	for (unsigned int i = 0; i < CHANNEL_CELLS; i++)
		bytes += served->cells[i].later_data ? served->cells[i].later_size : 0;
	return bytes;
}

/* Keeps a reply that does not fit, until the client fetches it through the bus. Returns -EDQUOT if
 * the channel keeps too many of them: a client need not fetch them. */
static int keep_reply(struct served *served, unsigned int cell, uint32_t number,
		      const struct ipcbus_send *send, const struct channel_end *end)
{
	struct served_cell *kept = &served->cells[cell];
	uint8_t *data = malloc(send->data_size), *old;
	int r = data ? channel_gather(send, data) : -ENOMEM;

	pthread_mutex_lock(&served->channels->lock);
	old = kept->later_data;
	/* The client has fetched that, or never will. */
	kept->later_data = NULL;
	if (r == 0 && send->data_size > KEPT_MAX - kept_bytes_locked(served))
		r = -EDQUOT;
	if (r < 0) {
		pthread_mutex_unlock(&served->channels->lock);
		free(old);
		free(data);
		return r;
	}
	kept->later_data = data;
	kept->later_size = send->data_size;
	kept->later_number = number;
	kept->later = *end;
	pthread_mutex_unlock(&served->channels->lock);
	free(old);
	return 0;
}

/* Takes the call by which the client joined. Returns its id, or 0. Must precede channel_answer(),
 * after which the cell may belong to the next call. */
static uint64_t take_joined(struct served *served, unsigned int cell)
{
	_Atomic uint64_t *join = &served->cells[cell].join;

	return unlikely(atomic_load(join)) ? atomic_exchange(join, 0) : 0;
}

/* Replies through the bus, for which the client must join. */
static int join_and_reply(struct thread *t, struct served *served, const struct ipcbus_send *send)
{
	const struct channel_end end = { .kind = CHANNEL_BUS };
	struct ipcbus_exchange x = { .send = *send };
	unsigned int cell = CELL_OF(send->call);
	int r;

	x.send.call = served_join(t, served, send->call, /* deadline= */ 0);
	if (!x.send.call) {
		/* The client is stopped, or violates the protocol. */
		served_end(served);
		return -ETIMEDOUT;
	}
	r = thread_exchange_bus(t, &x);
	if (r < 0)
		return r;
	atomic_store(&served->cells[cell].join, 0);
	channel_answer(&served->callee, cell, NUMBER_OF(send->call), &end, NULL);
	return 0;
}

/* Sends the reply to an async call to the client's object. */
static int reply_to_life(struct thread *t, struct served *served, const struct ipcbus_send *send)
{
	const struct life_reply reply = {
		.cell = CELL_OF(send->call),
		.number = NUMBER_OF(send->call),
		.error = send->kind == IPCBUS_SEND_ERROR ? send->code : 0,
	};
	struct ipcbus_exchange x = {
		.send = {
			.kind = IPCBUS_SEND_ONEWAY,
			.handle = served->life->handle,
			.code = LIFE_REPLY,
			.data_size = send->data_size + sizeof(reply),
			.objects = send->objects,
			.object_count = send->object_count,
		},
	};
	uint8_t *data = malloc(send->data_size + sizeof(reply));
	int r;

	if (!data)
		return -ENOMEM;
	r = channel_gather(send, data);
	memcpy(data + send->data_size, &reply, sizeof(reply));
	x.send.data = (uintptr_t)data;
	channel_free(&served->callee, reply.cell);
	if (r == 0)
		r = thread_exchange_bus(t, &x);
	free(data);
	/* The error of a reply for which the client has no space. */
	return r == -EAGAIN ? -ENOSPC : r;
}

/* Sends a reply through the bus, because it has objects or does not fit. Returns -ESRCH if the call
 * has a reply already. On other errors, the call stays open. */
static int answer_by_bus(struct thread *t, struct served *served, const struct ipcbus_send *send)
{
	unsigned int cell = CELL_OF(send->call), bit = 1U << cell;
	int r;

	if (!(atomic_fetch_and(&served->open, ~bit) & bit))
		return -ESRCH;
	/* The end of the channel may run code of the program, which may update the view. */
	refs_take(&served->refs);
	r = channel_call_is_async(&served->callee, cell) ? reply_to_life(t, served, send) :
							   join_and_reply(t, served, send);
	/* The call stays open for another reply. */
	if (r < 0)
		atomic_fetch_or(&served->open, bit);
	served_unref(served);
	return r;
}

static int answer(struct thread *t, struct served *served, const struct ipcbus_send *send)
{
	unsigned int cell = CELL_OF(send->call), bit = 1U << cell;
	uint32_t number = NUMBER_OF(send->call);
	struct channel_end end = { .kind = CHANNEL_REPLY, .size = (uint32_t)send->data_size };
	uint64_t join;
	bool fits;
	int r;

	if (atomic_load(&served->callee.seen[cell]) != number ||
	    !(atomic_load(&served->open) & bit))
		return -ESRCH;
	fits = send->data_size <= channel_data_max(cell);
	if (unlikely(send->object_count) ||
	    unlikely(!fits && channel_call_is_async(&served->callee, cell)))
		return answer_by_bus(t, served, send);
	if (send->kind == IPCBUS_SEND_ERROR) {
		end.kind = CHANNEL_ERROR;
		end.error = -(int32_t)send->code;
	}
	if (unlikely(!fits)) {
		r = keep_reply(served, cell, number, send, &end);
		if (r == -EDQUOT)
			return answer_by_bus(t, served, send);
		end = (struct channel_end){ .kind = CHANNEL_LATER };
	} else {
		r = channel_gather(send, channel_reply_payload(&served->callee, cell));
	}
	if (r < 0)
		return r;
	if (!(atomic_fetch_and(&served->open, ~bit) & bit))
		return -ESRCH;
	join = take_joined(served, cell);
	if (unlikely(channel_answer(&served->callee, cell, number, &end, NULL)))
		served_notify(served);
	/* Ends the client's call by which it joined. */
	if (unlikely(join))
		reply_by_bus(t, join);
	return 0;
}

/* Replies to a call of a channel. On failure, also makes an event of it. Drops the reply if the
 * channel was removed, as the bus does for a canceled call. */
static int reply(struct thread *t, struct ipcbus_exchange *x)
{
	uint32_t id = ID_OF(x->send.call);
	struct served *served = viewed(t->channels, id), *found = NULL;
	int r = 0;

	if (unlikely(!served))
		served = found = served_find(t->ipc->channels, id);
	if (likely(served && !atomic_load(&served->held)))
		r = answer(t, served, &x->send);
	if (unlikely(served && atomic_load(&served->held)))
		served_let_go(served, CELL_OF(x->send.call));
	if (unlikely(found))
		served_unref(found);
	if (r < 0)
		x->event = (struct ipcbus_event){
			.kind = IPCBUS_EVENT_FAILED,
			.error = r,
			.stage = IPCBUS_STAGE_TARGET,
		};
	return r;
}

/* --- Waiting ------------------------------------------------------------------------ */

/* Sends a reply to a call of the bus in the channels' part of a round, without taking an event. */
static int send_reply(struct thread *t, struct ipcbus_exchange *x)
{
	uint32_t flags = x->flags;
	int r;

	x->flags = 0;
	r = thread_exchange_bus(t, x);
	x->flags = flags;
	if (r == 0)
		x->send = (struct ipcbus_send){ .kind = IPCBUS_SEND_NONE };
	return r;
}

/* Sends x->send, and takes an event of the bus, without a wait. The event counts in the round. */
static int take_event(struct thread *t, struct channels *channels, struct ipcbus_exchange *x)
{
	struct channel_view *view = t->channels;
	struct round *round = &channels->round;
	uint32_t flags = x->flags;
	bool over = true;
	int r;

	x->flags |= IPCBUS_NONBLOCK;
	if (flags & IPCBUS_MORE && x->more_count > MORE_MAX && has_work(view))
		x->more_count = MORE_MAX;
	r = thread_exchange_bus(t, x);
	x->flags = flags;
	/* On failure, the caller sends the message in another way. */
	if (r < 0)
		return r;
	x->send = (struct ipcbus_send){ .kind = IPCBUS_SEND_NONE };
	pthread_mutex_lock(&channels->lock);
	if (x->event.kind)
		over = round_note(round, round_sender(round, &x->event, view->n));
	else
		round_end(round);
	pthread_mutex_unlock(&channels->lock);
	if (over)
		view->share = view->n + view->n_opened;
	if (!x->event.kind)
		return 0;
	/* The daemon has woken all threads. */
	if (atomic_load(channels->words.event))
		channel_wake(channels->words.event, 1);
	pass_on(channels, view);
	return 0;
}

/* Looks for dead clients, and if late for late calls of stopped clients. May run code of the
 * program, like dispatch(), which may free the view. */
static void reap(struct thread *t, struct channels *channels, bool late)
{
	thread_enter(t);
	channels_reap(channels);
	if (late)
		calls_canceled(t->ipc, /* late= */ true);
	thread_leave_handler(t);
}

/* Checks what no event reports: the end of the bus, like a thread that waits in the bus, dead
 * clients, and late calls of stopped clients. May free the view. */
static int check(struct thread *t, struct channels *channels, uint64_t now)
{
	if (device_has_ended(&t->ipc->device))
		return -ECONNRESET;
	atomic_store(&channels->checked, now);
	reap(t, channels, /* late= */ true);
	if (!t->in_loop)
		thread_idle(t);
	return 0;
}

/* Releases the thread's buffers: the bus delivers the next oneway of an object only then. */
static __attribute__((noinline)) void release_buffers(struct thread *t)
{
	struct ipcbus_exchange x = { .send = { .kind = IPCBUS_SEND_NONE } };

	thread_exchange_bus(t, &x);
}

/* Prepares for the handler of a message, which may take long: passes on other messages, releases
 * buffers, and now and then looks for dead clients. */
static void begin_work(struct thread *t, struct channels *channels)
{
	struct channel_view *view = t->channels;

	if (unlikely(!(++view->calls % REAP_CALLS))) {
		reap(t, channels, /* late= */ false);
		view = t->channels;
	}
	if (likely(view)) {
		pass_on(channels, view);
		view->left = view->last && view->last_cell == CHANNEL_ONEWAYS ? view->last : NULL;
	}
	if (unlikely(t->n_release))
		release_buffers(t);
}

/* Whether the thread must wait for replies to async calls. Calls that were sent before the process
 * could not wait any more may be pending. */
static bool has_callers(const struct channel_view *view)
{
	for (unsigned int i = 0; i < view->n_opened; i++)
		if (!channel_cannot_wait() || atomic_load(&view->opened[i]->asyncs))
			return true;
	return false;
}

/* Takes a message in this round. If the bus has no events, also begins the next round. */
static inline __attribute__((always_inline)) bool
take_in_round(struct thread *t, struct channels *channels, uint64_t *until,
	      struct ipcbus_event *event)
{
	struct channel_view *view = t->channels;

	view->looks = view->n;
	do {
		if (!view->share)
			view->share = view->n + view->n_opened;
		if (take_message(t, until, event)) {
			begin_work(t, channels);
			return true;
		}
	} while (view->looks && !atomic_load(channels->words.event));
	view->share = 0;
	view->left = NULL;
	return false;
}

/* Returns when a thread that sleeps now must look for more than messages: @until at the latest. */
static uint64_t next_look(struct thread *t, uint64_t now, uint64_t until)
{
	struct channel_view *view = t->channels;
	bool full = atomic_load(&t->ipc->attention) & ATTEND_WRITABLE;

	view->space_ns = !full ? SPACE_MIN_NS :
			 view->space_ns < SPACE_MAX_NS ? 2 * view->space_ns : SPACE_MAX_NS;
	now += full ? view->space_ns : SLEEP_MAX_NS;
	return deadline_earlier(until < now ? until : now, atomic_load(&t->ipc->timers.next));
}

static inline int no_event(struct ipcbus_exchange *x)
{
	x->event = (struct ipcbus_event){ .kind = IPCBUS_EVENT_NONE };
	return 0;
}

/* The exchange of a thread that serves: returns as channels_exchange(). */
static int serve(struct thread *t, struct channels *channels, struct ipcbus_exchange *x)
{
	struct channel_view *view = t->channels;
	bool interrupted = false;
	int r;

	for (;;) {
		uint32_t bell = atomic_load(channels->words.bell);
		uint32_t generation = atomic_load(&channels->generation);
		uint32_t wakes = atomic_load_explicit(channels->words.wakes, memory_order_relaxed);
		uint64_t until = UINT64_MAX, now;

		if (!view || view->generation != generation) {
			r = view_update(t, channels, generation);
			if (r < 0)
				return r;
			view = t->channels;
		}
		view->bell = bell;
		/* Open calls may become late. */
		if (!view->n && !has_callers(view) && !channels_have_open(channels))
			return 1;
		if (unlikely(is_monitored(t->ipc) || channel_cannot_wait()) && view->n) {
			channels_end(t->ipc);
			continue;
		}
		if (x->send.kind && view->share && has_work(view)) {
			r = send_reply(t, x);
			if (r < 0)
				return r;
		} else if (x->send.kind ||
			   (!view->share &&
			    (atomic_load(channels->words.event) || t->n_release))) {
			r = take_event(t, channels, x);
			if (r < 0 || x->event.kind)
				return r;
		}
		/* Only after the reply was sent: the caller takes an event as proof of that. */
		if (interrupted || view->wakes != wakes) {
			view->wakes = wakes;
			x->event = (struct ipcbus_event){ .kind = IPCBUS_EVENT_INTERRUPTED };
			return 0;
		}
		if (take_in_round(t, channels, &until, &x->event))
			return 0;
		if (atomic_load(channels->words.event))
			continue;
		if (unlikely(view->n_opened) && channels_yield(t))
			continue;
		/* Release buffers before the wait, which may be long. */
		if (t->n_release)
			continue;
		if (x->flags & IPCBUS_NONBLOCK && !view->n) {
			if (channels_wait_shortly(t) < 0)
				return no_event(x);
			continue;
		}
		now = time_now();
		if (now - atomic_load_explicit(&channels->checked, memory_order_relaxed) >=
		    SLEEP_MAX_NS) {
			r = check(t, channels, now);
			if (r < 0)
				return r;
			view = t->channels;
			continue;
		}
		r = x->flags & IPCBUS_NONBLOCK ? channels_wait_shortly(t) :
						 channels_wait(t, next_look(t, now, until));
		if (r == -EAGAIN)
			return no_event(x);
		if (r < 0 && r != -EINTR)
			return r;
		/* Timers and space are the caller's. */
		interrupted = r == -EINTR || atomic_load(&t->ipc->attention) & ATTEND_POLL;
	}
}

int channels_exchange(struct thread *t, struct ipcbus_exchange *x)
{
	struct channels *channels = atomic_load_explicit(&t->ipc->channels, memory_order_acquire);
	bool serves = x->flags & IPCBUS_SERVE && x->flags & IPCBUS_WAIT;
	bool is_reply = x->send.kind == IPCBUS_SEND_REPLY || x->send.kind == IPCBUS_SEND_ERROR;
	int r;

	/* The memory of channels is not mapped there. */
	if (unlikely(t->ipc->foreign))
		return 1;
	if (is_reply && is_route_call(x->send.call)) {
		r = reply(t, x);
		if (r < 0)
			return r;
		x->send = (struct ipcbus_send){ .kind = IPCBUS_SEND_NONE };
		if (!(x->flags & IPCBUS_WAIT)) {
			x->event = (struct ipcbus_event){ .kind = IPCBUS_EVENT_NONE };
			return 0;
		}
	}
	if (!serves)
		return 1;
	if (!atomic_load_explicit(&channels->n, memory_order_relaxed) &&
	    !(t->channels && channels_have_open(channels))) {
		/* A thread that waits in the bus must not keep the memory of dead clients. */
		if (t->channels)
			channels_view_free(t->channels);
		t->channels = NULL;
		return 1;
	}
	return serve(t, channels, x);
}
