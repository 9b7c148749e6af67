// SPDX-License-Identifier: MIT
/*
 * The client's side of direct channels: async calls. See channel.h for the memory.
 *
 * An async call takes a cell like a call, but no thread waits for the reply there. Serving threads
 * look for replies in the listed channels (channel-serve.c), and get the same events as from the
 * bus. If the program polls instead, the server wakes it by a bell (backlog.h). Until it has the
 * bell, it sends a message to the channel's object: LIFE_BELL. A reply that does not fit
 * into the cell, or has objects, is a message to this object as well.
 *
 * The thread that replaces the id in channel->ids by 0 ends the call: with the reply, at the
 * deadline, when the program cancels it, or after the death of the server.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shm/channel-memory.h"
#include "channel-opened.h"
#include "channel-served.h"
#include "core/async.h"
#include "base/deadline.h"
#include "core/entry.h"
#include "core/dispatch.h"

/* --- Waking a program that polls ------------------------------------------------------ */

static bool polls(struct ipc *ipc)
{
	return ipc->device.poll_fd >= 0 || atomic_load(&ipc->attention) & ATTEND_POLL;
}

/* Makes the server ring for its next reply. Look for replies once more after that. */
static void arm(struct channel *channel)
{
	atomic_fetch_add(&channel->caller.own->polls, 1);
}

/* Gives a bell to the server. If that fails, the next call tries again. */
static void give_bell(struct channel *channel, struct ipc *ipc)
{
	struct channel_ref ref = { .id = channel->id };
	struct ipc_raw_entry entry = { .type = IPC_RAW_FD };
	const struct ipc_raw_message message = {
		.method = CHANNEL_BELL,
		.data = &ref,
		.size = sizeof(ref),
		.entries = &entry,
		.n_entries = 1,
	};

	if (atomic_exchange(&channel->has_bell, true))
		return;
	entry.fd = backlog_new_bell(ipc);
	if (entry.fd < 0 || ipc_raw_oneway(channel->door, &message, /* options= */ NULL) < 0)
		atomic_store(&channel->has_bell, false);
	if (entry.fd >= 0)
		close(entry.fd);
}

static bool has_answer(const struct channel *channel)
{
	unsigned int asyncs = atomic_load(&channel->asyncs);

	for (; asyncs; asyncs &= asyncs - 1) {
		unsigned int cell = (unsigned int)__builtin_ctz(asyncs);

		if (atomic_load(&channel->ids[cell]) &&
		    channel_is_answered(&channel->caller, cell))
			return true;
	}
	return false;
}

static uint64_t next_deadline(const struct channel *channel)
{
	unsigned int cells = atomic_load(&channel->limited) & atomic_load(&channel->asyncs);
	uint64_t next = UINT64_MAX;

	for (; cells; cells &= cells - 1) {
		uint64_t deadline = atomic_load(&channel->deadlines[__builtin_ctz(cells)]);

		if (deadline && deadline < next)
			next = deadline;
	}
	return next;
}

/* Makes a serving thread, or the event loop, look at the deadline of a call that is sent next.
 * Returns 0 or a negative errno. */
static int limit(struct ipc *ipc, uint64_t deadline)
{
	struct channels *channels = atomic_load(&ipc->channels);

	/* A serving thread that sleeps does not know the deadline. */
	if (!polls(ipc)) {
		if (deadline > time_now() + SLEEP_MAX_NS)
			return 0;
		atomic_fetch_add(channels->words.bell, 1);
		if (atomic_load(&channels->sleepers))
			channel_wake_private(channels->words.bell, 1);
		return 0;
	}
	return timer_set_earlier(ipc, &channels->late, deadline);
}

bool channels_answered(struct ipc *ipc, bool arms)
{
	struct channels *channels = atomic_load(&ipc->channels);
	uint64_t deadline = UINT64_MAX;
	bool any = false;

	pthread_mutex_lock(&channels->lock);
	for (unsigned int i = 0; i < CHANNEL_MAX_CALLERS; i++) {
		struct channel *channel = channels->opened[i];
		uint64_t next;

		if (!channel || !atomic_load(&channel->asyncs))
			continue;
		if (arms)
			arm(channel);
		atomic_thread_fence(memory_order_seq_cst);
		any = any || has_answer(channel);
		next = next_deadline(channel);
		if (next < deadline)
			deadline = next;
	}
	pthread_mutex_unlock(&channels->lock);
	/* Not under the lock: see private.h. */
	if (unlikely(deadline != UINT64_MAX) && arms)
		timer_set_earlier(ipc, &channels->late, deadline);
	/* A call that is late must be ended at once. */
	return any || (unlikely(deadline != UINT64_MAX) && deadline <= time_now());
}

/* --- Listing -------------------------------------------------------------------------- */

/* Adds the channel to the table of channels with async calls, once. -EDQUOT: the table is full. */
static int list(struct channel *channel, struct ipc *ipc)
{
	struct channels *channels;
	int r;

	r = channel_watch_door(channel, ipc);
	if (r == 0)
		r = channels_get(ipc, &channels);
	if (r < 0)
		return r;
	r = -EDQUOT;
	pthread_mutex_lock(&channels->lock);
	for (unsigned int i = 0; i < CHANNEL_MAX_CALLERS && r < 0; i++) {
		if (channels->opened[i] && !atomic_load(&channel->listed))
			continue;
		r = 0;
		if (atomic_load(&channel->listed))
			break;
		channels->opened[i] = channel;
		atomic_store(&channel->listed, true);
		channels_count(channels);
	}
	pthread_mutex_unlock(&channels->lock);
	if (r == 0)
		channels_wake(channels);
	return r;
}

void channel_unlist(struct channel *channel)
{
	struct channels *channels;

	/* In a forked child the table is the parent's. */
	if (!atomic_load(&channel->listed) || channel->owner != device_process())
		return;
	channels = atomic_load(&channel->door->ipc->channels);
	pthread_mutex_lock(&channels->lock);
	for (unsigned int i = 0; i < CHANNEL_MAX_CALLERS; i++)
		if (channels->opened[i] == channel)
			channels->opened[i] = NULL;
	atomic_store(&channel->listed, false);
	atomic_fetch_sub(&channels->n, 1);
	pthread_mutex_unlock(&channels->lock);
	channels_wake(channels);
}

void channels_unlist_all(struct channels *channels)
{
	for (unsigned int i = 0; i < CHANNEL_MAX_CALLERS; i++)
		if (channels->opened[i])
			atomic_store(&channels->opened[i]->listed, false);
}

/* Returns the channel of that object with a reference, or NULL. */
static struct channel *find_by_life(struct ipc *ipc, const struct ipc_object *life)
{
	struct channels *channels = atomic_load(&ipc->channels);
	struct channel *found = NULL;

	pthread_mutex_lock(&channels->lock);
	for (unsigned int i = 0; i < CHANNEL_MAX_CALLERS && !found; i++)
		if (channels->opened[i] && channels->opened[i]->life == life)
			found = channels->opened[i];
	if (found)
		refs_take(&found->refs);
	pthread_mutex_unlock(&channels->lock);
	return found;
}

/* --- Sending -------------------------------------------------------------------------- */

/* Makes the calling thread the only thread that may end the call. Returns false if another is. */
static bool own_end(struct channel *channel, unsigned int cell, uint64_t id)
{
	if (!id || !atomic_compare_exchange_strong(&channel->ids[cell], &id, 0))
		return false;
	atomic_fetch_and(&channel->asyncs, ~(1U << cell));
	return true;
}

int channel_reserve_async(struct channel *channel, struct request *request, uint64_t deadline,
			  struct channel_call *ret_call, unsigned int *ret_cell)
{
	const struct ipcbus_send *send = &request->x.send;
	struct ipc *ipc = request->t->ipc;
	int cell;

	*ret_call = (struct channel_call){
		.code = send->code, .size = send->data_size, .async = true,
	};
	if (!channel_may_carry(channel, request, /* async= */ true))
		return 1;
	if (unlikely(deadline) && !channel_time_left(deadline))
		return 1;
	ret_call->deadline = device_time_out(&ipc->device, deadline);
	if (unlikely(!atomic_load_explicit(&channel->listed, memory_order_acquire)) &&
	    list(channel, ipc) < 0)
		return 1;
	cell = channel_take_async_cell(&channel->caller, send->data_size);
	if (unlikely(cell < 0))
		return 1;
	if (unlikely(channel_gather(send, channel_payload(&channel->caller, (unsigned int)cell)) <
			     0 ||
		     atomic_load(&channel->ended))) {
		channel_put_cell(&channel->caller, (unsigned int)cell);
		return 1;
	}
	atomic_store_explicit(&channel->deadlines[cell], deadline, memory_order_relaxed);
	channel_begin_async(&channel->caller, (unsigned int)cell);
	*ret_cell = (unsigned int)cell;
	return 0;
}

/* Sends the call of the cell, which no thread of the server takes, through the bus. Returns
 * -ECANCELED if the program has canceled the call. */
static int send_by_bus(struct thread *t, struct channel *channel, unsigned int cell, uint64_t id)
{
	struct ipcbus_exchange x = {
		.send = {
			.kind = IPCBUS_SEND_CALL,
			.flags = IPCBUS_SEND_ASYNC,
			.cookie = id,
			.code = channel->codes[cell],
			.data = (uintptr_t)channel_payload(&channel->caller, cell),
			.data_size = channel->sizes[cell],
			.deadline = atomic_load(&channel->deadlines[cell]),
		},
	};
	struct ipc_proxy *proxy = async_use_bus(t->ipc, id);
	int r;

	if (!proxy)
		return -ECANCELED;
	x.send.handle = proxy->handle;
	r = thread_exchange_bus(t, &x);
	ipc_proxy_unref(proxy);
	if (r == 0)
		async_sent(t->ipc, id);
	return r;
}

int channel_send_async(struct channel *channel, struct thread *t, unsigned int cell,
		       const struct channel_call *call, uint64_t id)
{
	bool first;
	int r;

	if (unlikely(polls(t->ipc)) &&
	    !atomic_load_explicit(&channel->has_bell, memory_order_relaxed))
		give_bell(channel, t->ipc);
	if (unlikely(call->deadline))
		atomic_fetch_or(&channel->limited, 1U << cell);
	channel->codes[cell] = call->code;
	channel->sizes[cell] = (uint32_t)call->size;
	/* Before the id, with which another thread may end the call and clear the bit. */
	first = !atomic_fetch_or(&channel->asyncs, 1U << cell);
	atomic_store(&channel->ids[cell], id);
	/* While there were no calls, the channel may not have been armed. */
	if (first && polls(t->ipc))
		arm(channel);
	/* If that fails, the call ends late. */
	if (unlikely(call->deadline))
		limit(t->ipc, atomic_load(&channel->deadlines[cell]));
	channel_post(&channel->caller, cell, call);
	channel_sent_message(channel, t);
	/* Serving threads may wait in the bus: see has_callers(). */
	if (channel_cannot_wait())
		device_wake(&t->ipc->device);
	/* The server may have looked for the last time before, or its death was reported. */
	if (likely(!channel_is_refused(&channel->caller, cell) &&
		   !atomic_load(&channel->door->died)) ||
	    !own_end(channel, cell, id))
		return 0;
	r = send_by_bus(t, channel, cell, id);
	channel_abandon(&channel->caller, cell);
	return r == -ECANCELED ? 0 : r;
}

/* --- Ends ----------------------------------------------------------------------------- */

static void fail_event(struct ipcbus_event *event, uint64_t id, int error)
{
	*event = (struct ipcbus_event){
		.kind = IPCBUS_EVENT_FAILED,
		.cookie = id,
		.error = error,
		.stage = IPCBUS_STAGE_REPLY,
	};
}

/* Sends a call that the server has refused through the bus, and frees its cell. Returns 0, or 1
 * with an event that ends the call if that fails. */
static int repeat(struct thread *t, struct channel *channel, unsigned int cell, uint64_t id,
		  struct ipcbus_event *event)
{
	int r = send_by_bus(t, channel, cell, id);

	channel_put_cell(&channel->caller, cell);
	if (r < 0)
		fail_event(event, id, r);
	return r < 0 && r != -ECANCELED;
}

/* Takes the reply in a cell whose call this thread ends. Returns 1 with an event, or 0. */
static int take_async_end(struct thread *t, struct channel *channel, unsigned int cell, uint64_t id,
			  struct ipcbus_event *event)
{
	struct channel_end end = { 0 };
	void *buffer = NULL;
	int r = channel_take_end(&channel->caller, cell, &end);

	if (likely(r == 0)) {
		buffer = channel_buffer_get(t, end.size);
		if (unlikely(!buffer)) {
			channel_abandon(&channel->caller, cell);
			fail_event(event, id, -ENOMEM);
			return 1;
		}
		channel_take_reply(&channel->caller, cell, &end, buffer);
	}
	if (likely(r == 0 && (end.kind == CHANNEL_REPLY ||
			      (end.kind == CHANNEL_ERROR && end.error < 0 &&
			       end.error >= -4095)))) {
		*event = (struct ipcbus_event){
			.kind = end.kind == CHANNEL_REPLY ? IPCBUS_EVENT_REPLY :
							    IPCBUS_EVENT_ERROR,
			.cookie = id,
			.thread = t->number,
			.error = end.kind == CHANNEL_REPLY ? 0 : end.error,
		};
		channel_buffer_event(t, buffer, end.size, event);
		return 1;
	}
	channel_buffer_put(t, buffer, end.size);
	if (r == 0 && end.kind == CHANNEL_REFUSED)
		return repeat(t, channel, cell, id, event);
	atomic_store(&channel->ended, true);
	fail_event(event, id, -EPROTO);
	return 1;
}

bool channel_take_answer(struct thread *t, struct channel *channel, struct ipcbus_event *event)
{
	unsigned int next = atomic_load_explicit(&channel->next, memory_order_relaxed);
	unsigned int asyncs = atomic_load(&channel->asyncs), cell;

	for (; asyncs; asyncs &= ~(1U << cell)) {
		uint64_t id;

		cell = (unsigned int)__builtin_ctz(asyncs >> next ? asyncs >> next << next :
								    asyncs);
		id = atomic_load(&channel->ids[cell]);
		if (channel_is_answered(&channel->caller, cell) && own_end(channel, cell, id) &&
		    take_async_end(t, channel, cell, id, event)) {
			atomic_store_explicit(&channel->next, cell + 1, memory_order_relaxed);
			return true;
		}
	}
	return false;
}

bool channel_take_late(struct thread *t, struct channel *channel, uint64_t *until,
		       struct ipcbus_event *event)
{
	unsigned int cells = atomic_load(&channel->limited) & atomic_load(&channel->asyncs);
	uint64_t now = cells ? time_now() : 0;

	for (; cells; cells &= cells - 1) {
		unsigned int cell = (unsigned int)__builtin_ctz(cells);
		uint64_t id = atomic_load(&channel->ids[cell]);
		uint64_t deadline = atomic_load(&channel->deadlines[cell]);

		if (!deadline || deadline > now) {
			if (deadline && *until > deadline)
				*until = deadline;
			continue;
		}
		if (!own_end(channel, cell, id))
			continue;
		if (channel_is_answered(&channel->caller, cell)) {
			if (take_async_end(t, channel, cell, id, event))
				return true;
			continue;
		}
		fail_event(event, id, -ETIMEDOUT);
		event->code = cell;
		event->call = channel->caller.posted[cell];
		channel_abandon(&channel->caller, cell);
		return true;
	}
	return false;
}

/* Informs the server that no thread waits for the call. */
static void send_cancel(struct channel *channel, unsigned int cell, uint32_t number)
{
	struct channel_ref ref = { .id = channel->id, .cell = cell, .number = number };

	ipc_raw_oneway(channel->door,
		       &(struct ipc_raw_message){
			       .method = CHANNEL_CANCEL, .data = &ref, .size = sizeof(ref),
		       },
		       /* options= */ NULL);
}

void channel_async_is_late(struct channel *channel, const struct ipcbus_event *event)
{
	send_cancel(channel, event->code, (uint32_t)event->call);
}

void channel_cancel_async(struct channel *channel, unsigned int cell, uint64_t id)
{
	uint32_t number;

	if (!own_end(channel, cell, id))
		return;
	number = channel->caller.posted[cell];
	channel_abandon(&channel->caller, cell);
	send_cancel(channel, cell, number);
}

/* --- Messages of the server ----------------------------------------------------------- */

static void discard_message(struct thread *t, const struct ipcbus_event *event)
{
	event_refuse(t->ipc, event);
	thread_release_next(t, event->buffer);
}

/* Copies the message to memory of its own, and releases the buffer: the program may keep the reply,
 * and the bus delivers the next oneway only after the release. */
static int copy_message(struct thread *t, struct ipcbus_event *event)
{
	size_t objects = event->object_count * sizeof(struct ipcbus_object);
	size_t size = event->data_size, at = (size + 15) & ~(size_t)15;
	uint8_t *copy = malloc(at + objects + 1);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, device_at(&t->ipc->device, event->offset), size);
	if (objects)
		memcpy(copy + at, event_objects(t->ipc, event), objects);
	thread_release_next(t, event->buffer);
	channel_buffer_event(t, copy, size, event);
	event->buffer |= CHANNEL_BUFFER_LARGE;
	event->objects = event->offset + at;
	return 0;
}

/* Ends an async call with the reply that came through the bus, a LIFE_REPLY. */
static void end_by_bus(struct thread *t, struct channel *channel, const struct ipcbus_event *event)
{
	struct ipcbus_exchange x = { .send = { .kind = IPCBUS_SEND_NONE } };
	struct ipcbus_event end = *event;
	struct life_reply reply;
	uint64_t id;
	int r;

	if (end.data_size < sizeof(reply)) {
		discard_message(t, event);
		return;
	}
	end.data_size -= sizeof(reply);
	memcpy(&reply, device_at(&t->ipc->device, end.offset) + end.data_size, sizeof(reply));
	id = reply.cell < CHANNEL_CELLS ? atomic_load(&channel->ids[reply.cell]) : 0;
	if (!own_end(channel, reply.cell, id)) {
		if (reply.cell < CHANNEL_CELLS)
			channel_recover_cell(&channel->caller, reply.cell);
		discard_message(t, event);
		return;
	}
	r = -EPROTO;
	if (reply.number == channel->caller.posted[reply.cell] && reply.error <= 4095)
		r = copy_message(t, &end);
	if (r == -EPROTO)
		atomic_store(&channel->ended, true);
	else
		channel_put_cell(&channel->caller, reply.cell);
	if (r < 0) {
		discard_message(t, event);
		fail_event(&end, id, r);
		async_end(t, &end);
		return;
	}
	channel_note_unfit(channel);
	end.kind = reply.error ? IPCBUS_EVENT_ERROR : IPCBUS_EVENT_REPLY;
	end.error = -(int32_t)reply.error;
	end.cookie = id;
	end.call = 0;
	/* Releases the buffer before the callback, which may take long. The buffer keeps objects of
	 * this connection alive: then the next exchange releases it. */
	if (!event_has_own(t->ipc, &end))
		thread_exchange_bus(t, &x);
	async_end(t, &end);
}

bool channel_take_message(struct thread *t, const struct ipc_object *object,
			  const struct ipcbus_event *event)
{
	struct channel *channel;

	if (object->type != &life_type)
		return false;
	channel = find_by_life(t->ipc, object);
	/* After LIFE_BELL, which has no payload, this thread looks for replies. */
	if (channel && event->code == LIFE_REPLY)
		end_by_bus(t, channel, event);
	else
		discard_message(t, event);
	if (channel)
		channel_unref(channel);
	return true;
}

/* --- The death of the server ---------------------------------------------------------- */

static void run_death(struct thread *t, struct backlog_work *work)
{
	struct channel *channel =
		(struct channel *)((char *)work - offsetof(struct channel, death));
	unsigned int asyncs;
	struct ipcbus_event event;

	/* The death is also reported when the bus has ended. */
	int error = device_has_ended(&t->ipc->device) ? -ECONNRESET : -EOWNERDEAD;

	atomic_store(&channel->death_queued, false);
	thread_enter(t);
	while (channel_take_answer(t, channel, &event))
		async_end(t, &event);
	asyncs = atomic_load(&channel->asyncs);
	for (; asyncs; asyncs &= asyncs - 1) {
		unsigned int cell = (unsigned int)__builtin_ctz(asyncs);
		uint64_t id = atomic_load(&channel->ids[cell]);

		if (!own_end(channel, cell, id))
			continue;
		channel_abandon(&channel->caller, cell);
		fail_event(&event, id, error);
		async_end(t, &event);
	}
	thread_leave_handler(t);
	channel_unref(channel);
}

static void drop_death(struct ipc *ipc, struct backlog_work *work)
{
	(void)ipc;
	channel_unref((struct channel *)((char *)work - offsetof(struct channel, death)));
}

void channels_server_died(struct ipc *ipc, const struct ipc_proxy *door)
{
	struct channels *channels = atomic_load(&ipc->channels);

	for (unsigned int i = 0; channels && i < CHANNEL_MAX_CALLERS; i++) {
		struct channel *channel;

		pthread_mutex_lock(&channels->lock);
		channel = channels->opened[i];
		if (channel && channel->door == door && atomic_load(&channel->asyncs) &&
		    !atomic_exchange(&channel->death_queued, true))
			refs_take(&channel->refs);
		else
			channel = NULL;
		pthread_mutex_unlock(&channels->lock);
		if (!channel)
			continue;
		channel->death = (struct backlog_work){ .run = run_death, .drop = drop_death };
		backlog_add(ipc, &channel->death, /* wake= */ true);
	}
}

/* --- The channel's object ------------------------------------------------------------- */

static int serve_life(struct ipc_call *call, const struct ipcbus_event *event)
{
	event_refuse(call->ipc, event);
	return -EOPNOTSUPP;
}

const struct object_type life_type = { .serve = serve_life };

int channel_make_life(struct channel *channel, struct ipc *ipc)
{
	return object_new(ipc, &life_type, sizeof(struct ipc_object), /* flags= */ 0,
			  /* userdata= */ NULL, &channel->life);
}
