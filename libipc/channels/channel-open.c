// SPDX-License-Identifier: MIT
/*
 * The client's side of direct channels: set-up and the end. See "Set-up" in channel-server.h.
 *
 * No call waits for the set-up. It consists of two async calls and some work of the client, which
 * the next messages of the proxy do, each a step. While the server answers, the messages use the
 * bus. A thread that sends such a message takes the answer, if no other thread takes events. So
 * does a thread that makes calls over 4,416 bytes, for the extension.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shm/channel-memory.h"
#include "channel-opened.h"
#include "core/async.h"
#include "core/more.h"
#include "core/raw.h"

/* Steps of the set-up before the channel can be used. */
#define STEPS	       4
/* How long the client waits for each answer of the server. */
#define OPEN_USEC      ((uint64_t)1000000)
/* Messages through the bus after a refusal or the end of a channel, or if the server is busy,
 * before the client asks for a channel again. Each refusal or end quadruples it: a hostile server
 * can refuse a channel and keep its memory, 128 KB. */
#define ASK_AGAIN      4096U
#define ASK_BUSY_AGAIN 1024U
#define REFUSALS_MAX   9U

void channel_unref(struct channel *channel)
{
	if (!refs_drop(&channel->refs))
		return;
	channel_memory_close(&channel->fd);
	if (channel->owner == device_process()) {
		channel_memory_unmap(channel->caller.own, CHANNEL_PART_SIZE);
		channel_memory_unmap(channel->caller.peer, CHANNEL_PART_SIZE);
		channel_memory_unmap(channel->caller.own_huge, CHANNEL_HUGE_MAX);
		channel_memory_unmap(channel->caller.peer_huge, CHANNEL_HUGE_MAX);
	}
	if (channel->caller.bell >= 0)
		close(channel->caller.bell);
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

/* --- The server's answers -------------------------------------------------------------- */

static void answered(int code, struct ipc_raw_message *reply, const struct ipc_error *error,
		     void *userdata)
{
	struct channel *channel = userdata;

	(void)error;
	channel->on_answer(channel, code, reply);
}

/* Makes an async call of the set-up. Returns 0, and on_answer is called later, or -errno. */
static int ask(struct channel *channel, struct ipc_proxy *proxy,
	       const struct ipc_raw_message *request,
	       void (*on_answer)(struct channel *channel, int r, struct ipc_raw_message *reply))
{
	static const struct ipc_options options = { .timeout_usec = OPEN_USEC };

	channel->on_answer = on_answer;
	return ipc_raw_call_async(proxy, request, &options, answered, channel, NULL);
}

bool channel_has_asked(struct ipc *ipc, uint64_t id)
{
	return async_calls_back(ipc, id, (void (*)(void))answered);
}

/* Takes the answer, if it has come. If other threads serve, they take it. At the end of an object
 * of the set-up, another event comes first. */
static void take_answer(struct thread *t)
{
	struct device_words words;

	if (t->depth || pool_serves(t->ipc) || device_poll_words(&t->ipc->device, &words) < 0)
		return;
	for (int n = 0; n < 2 && atomic_load(words.event) && more_take_event(t) > 0; n++)
		thread_flush_stash(t);
}

/* --- Steps -------------------------------------------------------------------------- */

void channel_ask_later(struct ipc_proxy *proxy, bool busy)
{
	unsigned int refusals = atomic_load(&proxy->refusals);
	unsigned int messages = busy ? ASK_BUSY_AGAIN : ASK_AGAIN;

	if (refusals < REFUSALS_MAX)
		atomic_store(&proxy->refusals, refusals + 1);
	atomic_store(&proxy->calls, CHANNEL_AFTER - (messages << 2 * refusals));
}

/* Gives the channel to the proxy, or drops it. Drops the reference of the proxy. */
static void opening_end(struct channel *channel, int r)
{
	struct ipc_proxy *proxy = channel->proxy;
	struct channel *before = atomic_load(&proxy->channel);

	channel_memory_close(&channel->fd);
	if (r == 0 && before)
		r = channel_leave(before, proxy);
	channel->before = before;
	if (r == 0 && atomic_compare_exchange_strong(&proxy->channel, &before, channel)) {
		if (before)
			channel_unlist(before);
	} else {
		close_one(channel);
		if (r < 0)
			channel_ask_later(proxy, r == -ETIMEDOUT);
	}
	ipc_proxy_unref(proxy);
}

static int take_door(struct channel *channel, const struct ipc_raw_message *reply)
{
	if (reply->n_entries != 1 || reply->entries[0].type != IPC_RAW_PROXY)
		return -EPROTO;
	channel->door = ipc_proxy_ref(reply->entries[0].proxy);
	atomic_store(&channel->door->calls, CHANNEL_NEVER);
	return 0;
}

static void door_came(struct channel *channel, int r, struct ipc_raw_message *reply)
{
	struct ipc_proxy *proxy = channel->proxy;

	if (r == 0)
		r = take_door(channel, reply);
	if (r < 0) {
		opening_end(channel, r);
		return;
	}
	atomic_store(&proxy->opening, channel);
	ipc_proxy_unref(proxy);
}

static int make_memory(struct channel *channel)
{
	const void *peer;
	void *own;

	channel->fd = channel_memory_make(CHANNEL_PART_SIZE, &own, &peer);
	if (channel->fd < 0)
		return channel->fd;
	channel->caller.own = own;
	channel->caller.peer = peer;
	return 0;
}

/* Ends the set-up with the reply to CHANNEL_OPEN. A server that has not sealed the file, or has
 * punched holes before, gets no calls. */
static void opened(struct channel *channel, int r, struct ipc_raw_message *reply)
{
	struct channel_ref ref;

	if (r == 0 && reply->n_entries)
		r = channel->caller.bell = channels_take_bell(reply);
	if (r >= 0)
		r = reply->size == sizeof(ref) ? 0 : -EPROTO;
	if (r == 0) {
		memcpy(&ref, reply->data, sizeof(ref));
		channel->id = ref.id;
		r = channel_memory_check(channel->fd, CHANNEL_PART_SIZE);
	}
	opening_end(channel, r);
}

static int send_open(struct channel *channel)
{
	struct ipc_raw_entry entries[] = {
		{ .type = IPC_RAW_FD, .fd = channel->fd },
		{ .type = IPC_RAW_PROXY, .proxy = channel->proxy },
		{ .type = IPC_RAW_OBJECT },
	};
	const struct ipc_raw_message request = {
		.method = CHANNEL_OPEN,
		.flags = IPC_RAW_ACCEPT_FDS,
		.entries = entries,
		.n_entries = 3,
	};
	int r;

	r = channel_make_life(channel, channel->proxy->ipc);
	entries[2].object = channel->life;
	return r < 0 ? r : ask(channel, channel->door, &request, opened);
}

static void begin(struct ipc_proxy *proxy)
{
	static const struct ipc_raw_message request = { .method = IPC_NUMBER_CHANNEL };
	struct channel *channel;
	int r;

	if (is_monitored(proxy->ipc) || !channel_can_wait()) {
		atomic_store(&proxy->calls, CHANNEL_AFTER - ASK_BUSY_AGAIN);
		return;
	}
	channel = calloc(1, sizeof(*channel));
	if (!channel)
		return;
	atomic_init(&channel->refs, 1);
	channel->by_bus = channel->wait_after = BUS_ONEWAYS;
	channel->owner = device_process();
	channel->caller.bell = -1;
	channel->caller.spin.budget_ns = CHANNEL_SPIN_NS;
	channel_init_watch(channel);
	channel->fd = -1;
	channel->proxy = ipc_proxy_ref(proxy);
	r = ask(channel, proxy, &request, door_came);
	if (r < 0)
		opening_end(channel, -ETIMEDOUT);
}

/* Does a step of the set-up. */
static void proceed(struct thread *t, struct ipc_proxy *proxy)
{
	struct channel *channel = atomic_exchange(&proxy->opening, NULL);
	int r;

	if (!channel) {
		take_answer(t);
		return;
	}
	if (!channel->caller.own) {
		r = make_memory(channel);
		if (r == 0) {
			atomic_store(&proxy->opening, channel);
			return;
		}
		ipc_proxy_ref(proxy);
	} else {
		ipc_proxy_ref(proxy);
		r = send_open(channel);
	}
	if (r < 0)
		opening_end(channel, r);
}

/* For tests: does the steps of the set-up, so that the next message can use the channel. */
static void await_opening(struct thread *t, struct ipc_proxy *proxy)
{
	for (int i = 0; i < 1000 && !t->depth && !atomic_load(&proxy->channel) &&
			(int)atomic_load(&proxy->calls) > 0; i++) {
		proceed(t, proxy);
		usleep(10);
	}
}

static bool may_open(const struct channel *channel)
{
	return unlikely(!channel) ||
	       unlikely(atomic_load_explicit(&channel->forgotten, memory_order_relaxed));
}

struct channel *channel_of_proxy(struct thread *t, struct ipc_proxy *proxy)
{
	struct channel *channel = atomic_load_explicit(&proxy->channel, memory_order_acquire);
	int calls, due = proxy->ipc->channels_random ? 1 : (int)CHANNEL_AFTER - STEPS;

	if (!may_open(channel))
		return channel;
	calls = (int)(atomic_fetch_add_explicit(&proxy->calls, 1, memory_order_relaxed) + 1);
	if (likely(calls < due))
		return channel;
	/* A single thread begins. Other threads do the next steps. */
	if (calls == due)
		begin(proxy);
	else
		proceed(t, proxy);
	if (unlikely(proxy->ipc->channels_random))
		await_opening(t, proxy);
	return atomic_load(&proxy->channel);
}

/* --- The extension ------------------------------------------------------------------ */

/* Notes how a step to make the extension ended. In a forked child, which must not touch the
 * channel's memory, the extension stays pending. */
static void extension_end(struct channel *channel, int r)
{
	if (channel->owner == device_process())
		atomic_store(&channel->extension, r == 0	  ? EXTENSION_DONE :
						  r == -ETIMEDOUT ? EXTENSION_MADE :
								    EXTENSION_FAILED);
	if (r != -ETIMEDOUT)
		channel_memory_close(&channel->fd);
}

static void extended(struct channel *channel, int r, struct ipc_raw_message *reply)
{
	(void)reply;
	extension_end(channel, r < 0 ? r : channel_memory_check(channel->fd, CHANNEL_HUGE_MAX));
	channel_unref(channel);
}

static int make_extension(struct channel *channel)
{
	const void *peer;
	void *own;

	channel->fd = channel_memory_make(CHANNEL_HUGE_MAX, &own, &peer);
	if (channel->fd < 0)
		return channel->fd;
	channel->caller.own_huge = own;
	channel->caller.peer_huge = peer;
	return 0;
}

static int send_extension(struct channel *channel)
{
	const struct channel_ref ref = { .id = channel->id };
	struct ipc_raw_entry entries[] = {
		{ .type = IPC_RAW_FD, .fd = channel->fd },
	};
	const struct ipc_raw_message request = {
		.method = CHANNEL_EXTEND,
		.data = &ref,
		.size = sizeof(ref),
		.entries = entries,
		.n_entries = 1,
	};
	int r;

	refs_take(&channel->refs);
	r = ask(channel, channel->door, &request, extended);
	if (r < 0)
		channel_unref(channel);
	return r;
}

void channel_extend(struct channel *channel, struct thread *t)
{
	unsigned int none = EXTENSION_NONE, made = EXTENSION_MADE;
	struct scratch scratch = t->scratch;
	int r;

	/* The request may lie in the scratch buffer, which the steps may use, too. */
	t->scratch = (struct scratch){ 0 };
	if (atomic_compare_exchange_strong(&channel->extension, &none, EXTENSION_PENDING)) {
		r = make_extension(channel);
		if (r == 0)
			atomic_store(&channel->extension, EXTENSION_MADE);
		else
			extension_end(channel, r);
	} else if (atomic_compare_exchange_strong(&channel->extension, &made, EXTENSION_PENDING)) {
		r = send_extension(channel);
		if (r < 0)
			extension_end(channel, r);
	} else if (atomic_load(&channel->extension) == EXTENSION_PENDING) {
		take_answer(t);
	}
	free(t->scratch.data);
	t->scratch = scratch;
}
