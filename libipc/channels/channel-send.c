// SPDX-License-Identifier: MIT
/*
 * The client's side of direct channels: oneways. See "Oneways" in channel-server.h for their order
 * with oneways of the bus.
 */
#include <time.h>

#include "shm/channel-memory.h"
#include "channel-opened.h"
#include "base/deadline.h"

/* How long a oneway with a deadline waits at most for the ring, and how often it looks. */
#define FULL_NS	 10000000U
#define PAUSE_NS 50000

/* Maximum of oneways through the bus before the next wait. */
#define BUS_MAX	 65536U

/* The bus must send the oneway, but the server may soon have served half of the ring. */
#define RING_FULL 2

/* Takes the lock of oneways. A mutex would cost as much as the rest of a oneway. */
static inline void lock(struct channel *channel)
{
	unsigned int none = 0;

	if (likely(atomic_compare_exchange_strong(&channel->lock, &none, 1)))
		return;
	while (atomic_exchange(&channel->lock, 2))
		channel_sleep(&channel->lock, 2, /* until= */ 0);
}

static inline void unlock(struct channel *channel)
{
	if (unlikely(atomic_exchange(&channel->lock, 0) == 2))
		channel_wake(&channel->lock, 1);
}

/* Sends a fence or a drain to the object. */
static int send_switch_locked(struct channel *channel, const struct request *request,
			      uint32_t code, uint32_t number)
{
	const struct channel_ref ref = { .id = channel->id, .number = number };
	struct ipcbus_exchange x = {
		.send = {
			.kind = IPCBUS_SEND_ONEWAY,
			.handle = request->x.send.handle,
			.code = code,
			.data = (uintptr_t)&ref,
			.data_size = sizeof(ref),
		},
	};

	return thread_exchange_bus(request->t, &x);
}

static bool is_drained_locked(struct channel *channel)
{
	return !channel_used(&channel->caller);
}

/* Changes to the bus. The server serves the ring before it takes the next oneway from the bus. */
static int leave_ring_locked(struct channel *channel, const struct request *request)
{
	int r = 0;

	if (!channel->in_ring)
		return 0;
	/* If the ring is drained, the server may still handle the last oneway. The object's turn
	 * then delays the next oneway from the bus. */
	if (!is_drained_locked(channel))
		r = send_switch_locked(channel, request, CHANNEL_DRAIN, channel->caller.sent);
	if (r < 0)
		return r;
	channel->in_ring = false;
	channel->by_bus = 0;
	return 0;
}

/* Changes to the ring if that pays, or sends a new fence: other threads may have sent oneways
 * through the bus since the last. Returns 0, RING_FULL, or 1 if the bus must send the oneway. */
static int enter_ring_locked(struct channel *channel, const struct request *request)
{
	if (!channel->in_ring && channel->by_bus < BUS_ONEWAYS)
		return 1;
	if (!channel->in_ring && channel_used(&channel->caller) > CHANNEL_RING_SIZE / 2)
		return channel->by_bus < channel->wait_after ? 1 : RING_FULL;
	if (send_switch_locked(channel, request, CHANNEL_FENCE, channel->epoch + 1) < 0)
		return 1;
	channel->epoch++;
	channel->in_ring = channel->fenced = true;
	channel->wait_after = BUS_ONEWAYS;
	return 0;
}

static int send_locked(struct channel *channel, struct request *request)
{
	const struct ipcbus_send *send = &request->x.send;
	uint8_t *payload;
	int r;

	if (unlikely(!channel->in_ring || !channel->fenced)) {
		r = enter_ring_locked(channel, request);
		if (r)
			return r;
	}
	payload = channel_reserve_oneway(&channel->caller, send->data_size);
	if (unlikely(!payload))
		return RING_FULL;
	if (unlikely(channel_gather(send, payload) < 0))
		return 1;
	channel_send_oneway(&channel->caller, channel->epoch, send->code, send->data_size);
	channel_sent_message(channel, request->t);
	/* The server may have looked at the ring for the last time before this oneway. If the drain
	 * cannot be sent now, the next oneway sends it. */
	if (unlikely(channel_is_ended(&channel->caller)))
		leave_ring_locked(channel, request);
	return 0;
}

static int try_send(struct channel *channel, struct request *request)
{
	int r;

	lock(channel);
	r = send_locked(channel, request);
	unlock(channel);
	return r;
}

/*
 * Waits until the server has served half of the ring, and returns whether it has. A server that
 * keeps up does so soon, and then the ring costs less than the bus. Otherwise the bus sends twice
 * as many oneways before the next wait. While senders wait, the bus has few oneways before the
 * fences and drains, for which the server leaves oneways in the rings.
 */
static bool await_ring(struct channel *channel, const struct request *request)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	uint64_t until = deadline_earlier(time_now() + FULL_NS, request->x.send.deadline);
	bool full = true, waits;

	do {
		waits = time_now() < until && !channel_is_ended(&channel->caller);
		if (waits)
			nanosleep(&pause, NULL);
		lock(channel);
		full = channel_used(&channel->caller) > CHANNEL_RING_SIZE / 2;
		if (full && !waits && channel->wait_after < BUS_MAX)
			channel->wait_after *= 2;
		unlock(channel);
	} while (full && waits);
	return !full;
}

int channel_oneway(struct channel *channel, struct request *request)
{
	int r;

	if (channel_has_ended(channel, request) ||
	    unlikely(!request_is_plain(request, CHANNEL_DATA_MAX)) ||
	    (unlikely(request->t->ipc->channels_random) && route_chooses_bus()))
		return 1;
	/* The bus then refuses the oneway, with the right error. */
	if (unlikely(channel_server_died(channel)))
		return 1;
	/* A channel makes no exchange, which would release the thread's buffers. */
	if (unlikely(request->t->n_release))
		thread_flush(request->t);
	r = try_send(channel, request);
	/* Without a deadline a oneway does not wait. */
	if (unlikely(r == RING_FULL) && request->x.send.deadline && await_ring(channel, request))
		r = try_send(channel, request);
	return r;
}

int channel_use_bus(struct channel *channel, struct request *request)
{
	int r;

	lock(channel);
	r = leave_ring_locked(channel, request);
	unlock(channel);
	return r;
}

int channel_leave(struct channel *channel, struct ipc_proxy *proxy)
{
	struct request request = { .x.send.handle = proxy->handle };
	int r;

	r = thread_get(proxy->ipc, &request.t);
	return r < 0 ? r : channel_use_bus(channel, &request);
}

void channel_used_bus(struct channel *channel, const struct request *request)
{
	bool small = request_is_plain(request, CHANNEL_DATA_MAX);

	if (!small)
		channel_note_unfit(channel);
	lock(channel);
	channel->by_bus = small ? channel->by_bus + 1 : 0;
	channel->fenced = false;
	unlock(channel);
}
