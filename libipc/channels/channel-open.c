// SPDX-License-Identifier: MIT
/*
 * The client's side of direct channels: set-up and the end. See "Set-up" in channel-server.h.
 *
 * A call of the proxy waits for the set-up, because it waits for the server anyway. An async call
 * does not: the set-up then consists of two async calls.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shm/channel-memory.h"
#include "channel-opened.h"
#include "base/deadline.h"
#include "core/raw.h"

/* How long the set-up waits for the server. */
#define OPEN_USEC      ((uint64_t)1000000)
/* The same after a oneway, which should not wait. */
#define OPEN_ONEWAY_USEC ((uint64_t)5000)
/* Messages through the bus after a refusal or the end of a channel, or if the server is busy,
 * before the client asks for a channel again. Each refusal or end quadruples it: a hostile server
 * can refuse a channel and keep its memory, 128 KB. */
#define ASK_AGAIN      4096U
#define ASK_BUSY_AGAIN 1024U
#define REFUSALS_MAX   9U

static const struct ipc_options open_options = { .timeout_usec = OPEN_USEC };
static const struct ipc_raw_message door_request = { .method = IPC_NUMBER_CHANNEL };

struct opening {
	struct ipc_proxy *proxy;	/* its previous channel is channel->before */
	struct channel *channel;
	int fds[2];	/* of the client's part, and of the server's */
};

void channel_unref(struct channel *channel)
{
	if (!refs_drop(&channel->refs))
		return;
	if (channel->owner == device_process()) {
		channel_memory_unmap(channel->caller.own, CHANNEL_PART_SIZE);
		channel_memory_unmap(channel->caller.peer, CHANNEL_PART_SIZE);
		channel_memory_unmap(channel->caller.own_huge, CHANNEL_HUGE_MAX);
		channel_memory_unmap(channel->caller.peer_huge, CHANNEL_HUGE_MAX);
	}
	ipc_object_unref(channel->life);
	ipc_proxy_unref(channel->door);
	free(channel);
}

static void close_one(struct channel *channel)
{
	channel_unlist(channel);
	/* The server is notified of its end. */
	if (channel->life && channel->life->ipc)
		ipc_object_end(channel->life);
	channel_unref(channel);
}

void channel_close(struct channel *channel)
{
	while (channel) {
		struct channel *before = channel->before;

		close_one(channel);
		channel = before;
	}
}

/* --- Steps -------------------------------------------------------------------------- */

static int opening_begin(struct opening *opening, struct ipc_proxy *proxy)
{
	struct channel *channel = calloc(1, sizeof(*channel));

	if (!channel)
		return -ENOMEM;
	atomic_init(&channel->refs, 1);
	channel->by_bus = channel->wait_after = BUS_ONEWAYS;
	channel->owner = device_process();
	channel->caller.spin.budget_ns = CHANNEL_SPIN_NS;
	channel_init_watch(channel);
	channel->before = atomic_load(&proxy->channel);
	*opening = (struct opening){
		.proxy = proxy, .channel = channel, .fds = { -1, -1 },
	};
	return 0;
}

static int take_door(struct opening *opening, const struct ipc_raw_message *reply)
{
	struct channel *channel = opening->channel;

	if (reply->n_entries != 1 || reply->entries[0].type != IPC_RAW_PROXY)
		return -EPROTO;
	channel->door = ipc_proxy_ref(reply->entries[0].proxy);
	/* The door never gets a channel. */
	atomic_store(&channel->door->calls, CHANNEL_AFTER);
	return 0;
}

static int make_memory(struct opening *opening)
{
	struct channel *channel = opening->channel;
	const void *peer;
	void *own;
	int r;

	r = channel_make_life(channel, opening->proxy->ipc);
	if (r < 0)
		return r;
	r = channel_memory_make(CHANNEL_PART_SIZE, opening->fds, &own, &peer);
	if (r < 0)
		return r;
	channel->caller.own = own;
	channel->caller.peer = peer;
	return 0;
}

/* The request CHANNEL_OPEN. Its message points to its entries, so it must not be copied. */
struct open_request {
	struct ipc_raw_entry entries[4];
	struct ipc_raw_message message;
};

static void open_request(const struct opening *opening, struct open_request *ret_request)
{
	*ret_request = (struct open_request){
		.entries = {
			{ .type = IPC_RAW_FD, .fd = opening->fds[0] },
			{ .type = IPC_RAW_FD, .fd = opening->fds[1] },
			{ .type = IPC_RAW_PROXY, .proxy = opening->proxy },
			{ .type = IPC_RAW_OBJECT, .object = opening->channel->life },
		},
		.message = {
			.method = CHANNEL_OPEN,
			.entries = ret_request->entries,
			.n_entries = 4,
		},
	};
}

/* A server that has not sealed its part, or has punched holes before, gets no calls. */
static int take_id(struct opening *opening, const struct ipc_raw_message *reply)
{
	struct channel_ref ref;

	if (reply->size != sizeof(ref))
		return -EPROTO;
	memcpy(&ref, reply->data, sizeof(ref));
	opening->channel->id = ref.id;
	return channel_memory_check(opening->fds[1], CHANNEL_PART_SIZE);
}

void channel_ask_later(struct ipc_proxy *proxy, bool busy)
{
	unsigned int refusals = atomic_load(&proxy->refusals);
	unsigned int messages = busy ? ASK_BUSY_AGAIN : ASK_AGAIN;

	if (refusals < REFUSALS_MAX)
		atomic_store(&proxy->refusals, refusals + 1);
	atomic_store(&proxy->calls, CHANNEL_AFTER - (messages << 2 * refusals));
}

/* Gives the channel to the proxy, or drops it. busy: the server may have had no time. */
static void opening_end(struct opening *opening, int r, bool busy)
{
	struct ipc_proxy *proxy = opening->proxy;
	struct channel *before = opening->channel->before;

	channel_memory_close(opening->fds);
	if (r == 0 && before)
		r = channel_leave(before, proxy);
	if (r == 0 && atomic_compare_exchange_strong(&proxy->channel, &before, opening->channel)) {
		if (before)
			channel_unlist(before);
		return;
	}
	close_one(opening->channel);
	if (r < 0)
		channel_ask_later(proxy, busy);
}

/* --- For calls and oneways ---------------------------------------------------------- */

/* A step of the set-up lasts at most that long, and until the deadline of the message. */
static int call_door(struct ipc_proxy *proxy, const struct ipc_raw_message *request, uint64_t usec,
		     uint64_t deadline, struct ipc_raw_message **ret_reply)
{
	uint64_t left = deadline ? time_until(deadline) : usec;
	const struct ipc_options options = { .timeout_usec = left < usec ? left : usec };

	if (!left)
		return -ETIMEDOUT;
	return ipc_raw_call(proxy, request, &options, ret_reply, NULL);
}

static int open_channel(struct opening *opening, uint64_t usec, uint64_t deadline)
{
	struct ipc_raw_message *reply;
	struct open_request request;
	int r;

	r = call_door(opening->proxy, &door_request, usec, deadline, &reply);
	if (r < 0)
		return r;
	r = take_door(opening, reply);
	ipc_raw_free(reply);
	if (r == 0)
		r = make_memory(opening);
	if (r < 0)
		return r;
	open_request(opening, &request);
	r = call_door(opening->channel->door, &request.message, usec, deadline, &reply);
	if (r < 0)
		return r;
	r = take_id(opening, reply);
	ipc_raw_free(reply);
	return r;
}

static __attribute__((noinline)) struct channel *try_open(struct ipc_proxy *proxy, bool oneway,
							  uint64_t deadline)
{
	struct opening opening;
	int r;

	if (is_monitored(proxy->ipc) || !channel_can_wait()) {
		atomic_store(&proxy->calls, CHANNEL_AFTER - ASK_BUSY_AGAIN);
	} else if (opening_begin(&opening, proxy) == 0) {
		r = open_channel(&opening, oneway ? OPEN_ONEWAY_USEC : OPEN_USEC, deadline);
		opening_end(&opening, r, (oneway || deadline) && r == -ETIMEDOUT);
	}
	return atomic_load(&proxy->channel);
}

static bool may_open(const struct channel *channel)
{
	return unlikely(!channel) ||
	       unlikely(atomic_load_explicit(&channel->forgotten, memory_order_relaxed));
}

/* Only the thread whose call reaches the number asks the server; other threads use the bus
 * meanwhile. */
static bool is_due(struct ipc_proxy *proxy)
{
	return atomic_fetch_add_explicit(&proxy->calls, 1, memory_order_relaxed) + 1 ==
	       (proxy->ipc->channels_random ? 1 : CHANNEL_AFTER);
}

struct channel *channel_of_proxy(struct ipc_proxy *proxy, bool oneway, uint64_t deadline)
{
	struct channel *channel = atomic_load_explicit(&proxy->channel, memory_order_acquire);

	if (!may_open(channel))
		return channel;
	return is_due(proxy) ? try_open(proxy, oneway, deadline) : channel;
}

/* --- The extension ------------------------------------------------------------------ */

static int send_extension(struct channel *channel, const int fds[2], uint64_t deadline)
{
	const struct channel_ref ref = { .id = channel->id };
	struct ipc_raw_entry entries[] = {
		{ .type = IPC_RAW_FD, .fd = fds[0] },
		{ .type = IPC_RAW_FD, .fd = fds[1] },
	};
	const struct ipc_raw_message request = {
		.method = CHANNEL_EXTEND,
		.data = &ref,
		.size = sizeof(ref),
		.entries = entries,
		.n_entries = 2,
	};
	int r;

	r = call_door(channel->door, &request, OPEN_USEC, deadline, NULL);
	return r < 0 ? r : channel_memory_check(fds[1], CHANNEL_HUGE_MAX);
}

static int make_extension(struct channel *channel, uint64_t deadline)
{
	const void *peer;
	void *own;
	int fds[2], r;

	r = channel_memory_make(CHANNEL_HUGE_MAX, fds, &own, &peer);
	if (r == 0) {
		r = send_extension(channel, fds, deadline);
		/* A handler on this thread has forked: the memory is not mapped in the child. */
		if (channel->owner != device_process()) {
			r = -ECHILD;
		} else if (r == 0) {
			channel->caller.own_huge = own;
			channel->caller.peer_huge = peer;
		} else {
			channel_memory_unmap(own, CHANNEL_HUGE_MAX);
			channel_memory_unmap(peer, CHANNEL_HUGE_MAX);
		}
	}
	channel_memory_close(fds);
	return r;
}

void channel_extend(struct channel *channel, struct thread *t, uint64_t deadline)
{
	struct scratch scratch = t->scratch;
	unsigned int none = EXTENSION_NONE;
	int r;

	if (!atomic_compare_exchange_strong(&channel->extension, &none, EXTENSION_PENDING))
		return;
	/* The request may lie in the scratch buffer, which this call may use, too. */
	t->scratch = (struct scratch){ 0 };
	r = make_extension(channel, deadline);
	free(t->scratch.data);
	t->scratch = scratch;
	/* In a child, which must not touch the channel's memory, it stays pending. After the
	 * deadline of a call, the next call tries again: the server has dropped the request, or
	 * refuses another. */
	if (r != -ECHILD)
		atomic_store(&channel->extension, r == 0 ? EXTENSION_DONE :
						  r == -ETIMEDOUT && deadline ? EXTENSION_NONE :
										EXTENSION_FAILED);
}

/* --- For async calls ---------------------------------------------------------------- */

static void end_async(struct opening *opening, int r)
{
	opening_end(opening, r, r == -ETIMEDOUT);
	ipc_proxy_unref(opening->proxy);
	free(opening);
}

static void opened(int code, struct ipc_raw_message *reply, const struct ipc_error *error,
		   void *userdata)
{
	struct opening *opening = userdata;

	(void)error;
	end_async(opening, code < 0 ? code : take_id(opening, reply));
}

static void door_came(int code, struct ipc_raw_message *reply, const struct ipc_error *error,
		      void *userdata)
{
	struct opening *opening = userdata;
	struct open_request request;
	int r;

	(void)error;
	r = code < 0 ? code : take_door(opening, reply);
	if (r == 0)
		r = make_memory(opening);
	if (r == 0) {
		open_request(opening, &request);
		r = ipc_raw_call_async(opening->channel->door, &request.message, &open_options,
				       opened, opening, NULL);
	}
	if (r < 0)
		end_async(opening, r);
}

static __attribute__((noinline)) void open_async(struct ipc_proxy *proxy)
{
	struct opening *opening;

	if (is_monitored(proxy->ipc) || !channel_can_wait()) {
		atomic_store(&proxy->calls, CHANNEL_AFTER - ASK_BUSY_AGAIN);
		return;
	}
	opening = malloc(sizeof(*opening));
	if (!opening)
		return;
	if (opening_begin(opening, proxy) < 0) {
		free(opening);
		return;
	}
	ipc_proxy_ref(proxy);
	if (ipc_raw_call_async(proxy, &door_request, &open_options, door_came, opening, NULL) < 0)
		end_async(opening, -EAGAIN);
}

struct channel *channel_of_async(struct ipc_proxy *proxy)
{
	struct channel *channel = atomic_load_explicit(&proxy->channel, memory_order_acquire);

	if (may_open(channel) && is_due(proxy))
		open_async(proxy);
	return channel;
}
