// SPDX-License-Identifier: MIT
/*
 * The server's side of direct channels: see channel-server.h.
 *
 * The connection has a table of channels. A thread keeps a copy of it, its *view*, with a reference
 * to each channel, and makes a new one when the table's generation has changed. So it looks for
 * calls without a lock. The lock is for the table, and for what is rare about a call: that it is
 * watched, or that its reply is too large.
 *
 * A channel ends when its client's object dies, when the client breaks the protocol, when serving
 * threads have to poll, and when a handler of the object makes a call. Calls that were taken are
 * still served, and their replies written. The client makes the others again by the bus.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "call.h"
#include "channel-memory.h"
#include "channel-server.h"
#include "deadline.h"
#include "loop.h"
#include "object.h"
#include "proxy.h"
#include "raw.h"

/* Channels of one user to one connection. */
#define USER_MAX	16U
/* An idle thread spins so long: what a wake-up on another CPU takes. */
#define SPIN_NS		50000U

/* A number of a call: of the channel, of the slot, and in the slot. */
#define ID_BITS		27
#define CALL_OF(id, slot, number) \
	(CHANNEL_CALL_BIT | (uint64_t)(id) << 36 | (uint64_t)(slot) << 32 | (number))
#define ID_OF(call)	((uint32_t)((call) >> 36) & ((1U << ID_BITS) - 1))
#define SLOT_OF(call)	((unsigned int)((call) >> 32) & 15U)
#define NUMBER_OF(call) ((uint32_t)(call))

/* What is rare about the calls of a slot. Under the lock. */
struct served_slot {
	_Atomic uint64_t watch;		/* the bus's call that waits for the end, or 0 */
	uint32_t watch_number;		/* of which call */
	uint32_t later_number;		/* the call that ended with CHANNEL_LATER */
	struct channel_end later;
	uint8_t *later_data;		/* or NULL */
	size_t later_size;
};

/* A channel. */
struct served {
	atomic_uint refs;
	struct channels *channels;
	struct channel_callee callee;
	pid_t owner;			/* the process that mapped it, not a child */
	atomic_uint open;		/* a bit for each slot whose call is to be replied to */
	atomic_uint done[CHANNEL_SLOTS]; /* the last call that was replied to */
	atomic_uint canceled[CHANNEL_SLOTS]; /* the last that the bus reported as canceled */
	uint32_t id;			/* its last bits are the place in the table */
	uint64_t cookie;		/* of the object */
	uid_t uid;
	gid_t gid;
	pid_t pid;
	int pidfd;
	atomic_bool ended;		/* written under the lock */
	struct served_slot slots[CHANNEL_SLOTS];
};

struct channels {
	struct ipc *ipc;
	pthread_mutex_t lock;
	atomic_uint generation;		/* of the table; a futex */
	atomic_uint n;
	struct served *table[CHANNEL_MAX_WAIT];
	uint32_t last_id;
	const atomic_uint *event;	/* words of device_poll_words() */
	const atomic_uint *wakes;
	struct channel_spin spin;
	atomic_bool asked;		/* for one more thread, which has not come yet */
	struct ipc_object *door;
};

/* The table, as a thread sees it. */
struct channel_view {
	uint32_t generation;
	uint32_t wakes;
	bool bus_next;			/* by turns, so that neither side starves */
	unsigned int n;
	unsigned int next;		/* where to look first */
	struct served *served[CHANNEL_MAX_WAIT];
	struct channel_callee *callees[CHANNEL_MAX_WAIT];
	uint32_t tails[CHANNEL_MAX_WAIT];
	struct served *last;		/* whose call was served last, or NULL */
	unsigned int last_slot;
};

/* --- Buffers ------------------------------------------------------------------------ */

void *channel_buffer_get(struct thread *t)
{
	void *buffer = t->channel_buffer;

	t->channel_buffer = NULL;
	return buffer ? buffer : malloc(CHANNEL_DATA_MAX);
}

void channel_buffer_put(struct thread *t, void *buffer)
{
	if (t->channel_buffer)
		free(buffer);
	else
		t->channel_buffer = buffer;
}

/* An id is the address, in units of its alignment, around the bit. */
static uint64_t buffer_id(const void *buffer)
{
	uint64_t at = (uintptr_t)buffer >> 3;

	return (at & (CHANNEL_BUFFER_BIT - 1)) | CHANNEL_BUFFER_BIT | at >> 31 << 32;
}

void channel_buffer_release(struct thread *t, uint64_t id)
{
	uint64_t at = (id & (CHANNEL_BUFFER_BIT - 1)) | id >> 32 << 31;

	channel_buffer_put(t, (void *)(uintptr_t)(at << 3));
}

void channel_buffer_event(const struct thread *t, void *buffer, size_t size,
			  struct ipcbus_event *event)
{
	event->buffer = buffer_id(buffer);
	event->offset = (uintptr_t)buffer - (uintptr_t)t->ipc->device.region;
	event->data_size = size;
}

/* --- Life --------------------------------------------------------------------------- */

static void served_unref(struct served *served)
{
	if (!refs_drop(&served->refs))
		return;
	for (unsigned int i = 0; i < CHANNEL_SLOTS; i++)
		free(served->slots[i].later_data);
	if (served->owner == getpid()) {
		channel_memory_unmap(served->callee.own);
		channel_memory_unmap(served->callee.peer);
	}
	if (served->pidfd >= 0)
		close(served->pidfd);
	free(served);
}

/* A reply by the bus, from any place of the library. If it fails, the caller is gone. */
static void reply_by_bus(struct thread *t, uint64_t call, uint32_t status)
{
	struct ipcbus_exchange x = {
		.send = {
			.kind = IPCBUS_SEND_REPLY,
			.call = call,
			.data = (uintptr_t)&status,
			.data_size = sizeof(status),
		},
	};

	thread_exchange_bus(t, &x);
}

static void wake_threads(struct channels *channels)
{
	atomic_fetch_add(&channels->generation, 1);
	channel_wake(&channels->generation, INT_MAX);
}

/* Calls that no thread took are not served, which those hear who watch them. */
static void refuse_untaken(struct thread *t, struct served *served)
{
	for (unsigned int i = 0; i < CHANNEL_SLOTS; i++) {
		uint64_t watch = 0;

		pthread_mutex_lock(&served->channels->lock);
		if (served->slots[i].watch_number != atomic_load(&served->callee.seen[i]))
			watch = atomic_exchange(&served->slots[i].watch, 0);
		pthread_mutex_unlock(&served->channels->lock);
		if (watch)
			reply_by_bus(t, watch, CHANNEL_NOT_RUN);
	}
}

/* No call of it is taken any more. It stays in the table for those that were, until the client
 * gives it up. */
static void served_end(struct served *served)
{
	struct channels *channels = served->channels;
	struct thread *t;
	bool before;

	pthread_mutex_lock(&channels->lock);
	before = atomic_exchange(&served->ended, true);
	if (!before)
		atomic_fetch_sub(&channels->n, 1);
	pthread_mutex_unlock(&channels->lock);
	if (before)
		return;
	wake_threads(channels);
	atomic_store(&served->callee.own->ended, 1);
	if (thread_get(channels->ipc, &t) == 0)
		refuse_untaken(t, served);
}

/* The client has given it up, or died. */
static void served_remove(struct served *served)
{
	struct channels *channels = served->channels;
	struct served **place = &channels->table[served->id % CHANNEL_MAX_WAIT];
	bool was_there;

	served_end(served);
	pthread_mutex_lock(&channels->lock);
	was_there = *place == served;
	if (was_there)
		*place = NULL;
	pthread_mutex_unlock(&channels->lock);
	if (was_there)
		served_unref(served);
}

/* With a reference, or NULL. */
static struct served *find(struct channels *channels, uint32_t id)
{
	struct served *served;

	pthread_mutex_lock(&channels->lock);
	served = channels->table[id % CHANNEL_MAX_WAIT];
	if (served && served->id == id)
		refs_take(&served->refs);
	else
		served = NULL;
	pthread_mutex_unlock(&channels->lock);
	return served;
}

/* Nobody waits for the replies to the calls that are being served. */
static void cancel_calls(struct served *served)
{
	unsigned int open = atomic_load(&served->open);

	for (; open; open &= open - 1) {
		unsigned int slot = (unsigned int)__builtin_ctz(open);

		call_canceled(served->channels->ipc,
			      CALL_OF(served->id, slot, atomic_load(&served->callee.seen[slot])));
	}
}

/* The client's object. A channel that ended otherwise is not found. */
static void client_died(struct ipc_proxy *proxy, void *userdata)
{
	struct channels *channels = proxy->ipc->channels;
	struct served *served = find(channels, (uint32_t)(uintptr_t)userdata);

	if (!served)
		return;
	served_remove(served);
	cancel_calls(served);
	served_unref(served);
}

/* --- Set-up ------------------------------------------------------------------------- */

static int door_serve(struct ipc_call *call, const struct ipc_raw_message *request,
		      void *userdata);

static const struct ipc_raw_ops door_ops = {
	.flags = IPC_RAW_ACCEPT_FDS,
	.serve = door_serve,
};

static int channels_new(struct ipc *ipc, struct channels **ret_channels)
{
	struct channels *channels = calloc(1, sizeof(*channels));
	const uint32_t *event, *wakes;
	int r;

	if (!channels)
		return -ENOMEM;
	channels->ipc = ipc;
	channels->spin.budget_ns = SPIN_NS;
	pthread_mutex_init(&channels->lock, NULL);
	r = device_poll_words(&ipc->device, &event, &wakes);
	if (r == 0)
		r = ipc_raw_object_new(ipc, &door_ops, NULL, &channels->door);
	if (r < 0) {
		pthread_mutex_destroy(&channels->lock);
		free(channels);
		return r;
	}
	channels->event = (const atomic_uint *)event;
	channels->wakes = (const atomic_uint *)wakes;
	*ret_channels = channels;
	return 0;
}

/* The connection's, made by the first that needs it. */
static int channels_get(struct ipc *ipc, struct channels **ret_channels)
{
	struct channels *channels = atomic_load(&ipc->channels), *none = NULL;
	int r;

	if (!channels) {
		r = channels_new(ipc, &channels);
		if (r < 0)
			return r;
		if (!atomic_compare_exchange_strong(&ipc->channels, &none, channels)) {
			ipc_object_unref(channels->door);
			pthread_mutex_destroy(&channels->lock);
			free(channels);
			channels = none;
		}
	}
	*ret_channels = channels;
	return 0;
}

/* Threads that poll, and programs with a loop of their own, do not hear of a channel's calls. */
static bool may_have_channels(struct ipc *ipc)
{
	return ipc->use_channels && pool_serves(ipc) && ipc->device.poll_fd < 0 &&
	       !(atomic_load(&ipc->attention) & ATTEND_POLL);
}

static bool may_have_channel(const struct ipc_object *object)
{
	return !object_is_passive(object) &&
	       !atomic_load_explicit(&object->nests, memory_order_relaxed);
}

int channel_serve(struct ipc_call *call, const struct ipcbus_event *event)
{
	const struct ipc_raw_message *request;
	struct ipc_raw_entry entry = { .type = IPC_RAW_OBJECT };
	struct ipc_raw_message reply = { .entries = &entry, .n_entries = 1 };
	struct channels *channels;
	int r;

	r = raw_receive(call, event, /* copy= */ false, &request);
	if (r < 0)
		return r;
	if (!may_have_channels(call->ipc) || !may_have_channel(call->object))
		return -EOPNOTSUPP;
	r = channels_get(call->ipc, &channels);
	if (r < 0)
		return r;
	entry.object = channels->door;
	return ipc_raw_reply(call, &reply);
}

static unsigned int count_user_locked(const struct channels *channels, uid_t uid)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < CHANNEL_MAX_WAIT; i++)
		n += channels->table[i] && channels->table[i]->uid == uid;
	return n;
}

static int served_add(struct channels *channels, struct served *served)
{
	uint32_t id = channels->last_id;
	int r = -EDQUOT;

	pthread_mutex_lock(&channels->lock);
	if (count_user_locked(channels, served->uid) < USER_MAX)
		for (unsigned int i = 0; r < 0 && i < CHANNEL_MAX_WAIT; i++) {
			id = (id + 1) & ((1U << ID_BITS) - 1);
			if (channels->table[id % CHANNEL_MAX_WAIT])
				continue;
			channels->last_id = served->id = id;
			channels->table[id % CHANNEL_MAX_WAIT] = served;
			refs_take(&served->refs);
			/* Threads that wait in the bus are to wait for channels. */
			if (!atomic_fetch_add(&channels->n, 1))
				device_wake(&channels->ipc->device);
			r = 0;
		}
	pthread_mutex_unlock(&channels->lock);
	if (r == 0)
		wake_threads(channels);
	return r;
}

/* Maps both parts. On failure served_unref() undoes it. */
static int served_map(struct served *served, int peer_fd, int *ret_fd)
{
	const void *peer;
	void *own;
	int r;

	r = channel_memory_map(peer_fd, &peer);
	if (r < 0)
		return r;
	served->callee.peer = peer;
	r = channel_memory_new(ret_fd, &own);
	if (r == 0)
		served->callee.own = own;
	return r;
}

static int open_channel(struct ipc_call *call, struct channels *channels,
			const struct ipc_raw_message *request)
{
	const struct ipc_raw_entry *entries = request->entries;
	struct ipc_raw_entry entry = { .type = IPC_RAW_FD, .fd = -1 };
	struct channel_ref ref = { 0 };
	struct ipc_raw_message reply = {
		.data = &ref,
		.size = sizeof(ref),
		.entries = &entry,
		.n_entries = 1,
	};
	struct served *served;
	bool added;
	int r;

	if (request->n_entries != 3 || entries[0].type != IPC_RAW_FD ||
	    entries[1].type != IPC_RAW_OBJECT || !entries[1].object ||
	    entries[2].type != IPC_RAW_PROXY || !may_have_channel(entries[1].object))
		return -EINVAL;
	if (!may_have_channels(call->ipc))
		return -EOPNOTSUPP;
	served = calloc(1, sizeof(*served));
	if (!served)
		return -ENOMEM;
	atomic_init(&served->refs, 1);
	served->channels = channels;
	served->owner = getpid();
	served->cookie = entries[1].object->wants.cookie;
	served->uid = call->uid;
	served->gid = call->gid;
	served->pid = call->pid;
	served->pidfd = ipc_call_pidfd(call);
	r = served->pidfd < 0 ? served->pidfd : served_map(served, entries[0].fd, &entry.fd);
	if (r == 0)
		r = served_add(channels, served);
	added = r == 0;
	if (r == 0)
		r = ipc_proxy_on_death(entries[2].proxy, client_died,
				       (void *)(uintptr_t)served->id, /* ret_slot= */ NULL);
	ref.id = served->id;
	if (r == 0)
		r = ipc_raw_reply(call, &reply);
	if (r < 0 && added)
		served_remove(served);
	if (entry.fd >= 0)
		close(entry.fd);
	served_unref(served);
	return r;
}

/* --- Watching and fetching ------------------------------------------------------------- */

/* The channel of a call of the door, with a reference, if it is the caller's. */
static struct served *served_of(const struct ipc_call *call, struct channels *channels,
				const struct ipc_raw_message *request,
				struct channel_ref *ret_ref)
{
	struct served *served;

	if (request->size != sizeof(*ret_ref))
		return NULL;
	memcpy(ret_ref, request->data, sizeof(*ret_ref));
	if (ret_ref->id >= 1U << ID_BITS || ret_ref->slot >= CHANNEL_SLOTS)
		return NULL;
	served = find(channels, (uint32_t)ret_ref->id);
	if (served && (served->uid != call->uid || served->pid != call->pid)) {
		served_unref(served);
		served = NULL;
	}
	return served;
}

/* 1: the thread that ends the call replies; 0: the call has ended, and this thread replies. */
static int keep_watch(struct served *served, const struct channel_ref *ref, struct ipc_call *call)
{
	struct served_slot *slot = &served->slots[ref->slot];
	uint32_t next = atomic_load(&served->callee.seen[ref->slot]) + 1;
	int r = 1;

	if (ref->number != next && ref->number != next - 1)
		return -EINVAL;
	pthread_mutex_lock(&served->channels->lock);
	if (atomic_load(&slot->watch)) {
		r = -EBUSY;
	} else if (ref->number == atomic_load(&served->callee.seen[ref->slot]) + 1 &&
		   atomic_load(&served->ended)) {
		r = -ESHUTDOWN;
	} else {
		slot->watch_number = ref->number;
		atomic_store(&slot->watch, call->number);
		/* answer() writes done first and looks at watch then. */
		if (atomic_load(&served->done[ref->slot]) == ref->number &&
		    atomic_exchange(&slot->watch, 0))
			r = 0;
	}
	pthread_mutex_unlock(&served->channels->lock);
	if (r > 0)
		atomic_store(&call->replied, true);
	return r;
}

static int reply_status(struct ipc_call *call, uint32_t status)
{
	const struct ipc_raw_message reply = { .data = &status, .size = sizeof(status) };
	return ipc_raw_reply(call, &reply);
}

static int watch_call(struct ipc_call *call, struct channels *channels,
		      const struct ipc_raw_message *request)
{
	struct channel_ref ref;
	struct served *served = served_of(call, channels, request, &ref);
	int r;

	if (!served)
		return reply_status(call, CHANNEL_NOT_RUN);
	r = keep_watch(served, &ref, call);
	served_unref(served);
	if (r == -ESHUTDOWN)
		return reply_status(call, CHANNEL_NOT_RUN);
	if (r)
		return r < 0 ? r : 0;
	return reply_status(call, CHANNEL_DONE);
}

static int fetch_reply(struct ipc_call *call, struct channels *channels,
		       const struct ipc_raw_message *request)
{
	struct channel_ref ref;
	struct served *served = served_of(call, channels, request, &ref);
	struct channel_end end = { 0 };
	uint8_t *data = NULL;
	size_t size = 0;
	int r;

	if (!served)
		return -ENOENT;
	pthread_mutex_lock(&channels->lock);
	if (served->slots[ref.slot].later_number == ref.number) {
		struct served_slot *slot = &served->slots[ref.slot];

		data = slot->later_data;
		size = slot->later_size;
		end = slot->later;
		slot->later_data = NULL;
		slot->later_number = 0;
	}
	pthread_mutex_unlock(&channels->lock);
	served_unref(served);
	if (!data)
		return -ENOENT;
	if (end.kind == CHANNEL_ERROR)
		r = ipc_raw_error(call, end.error, data, size);
	else
		r = ipc_raw_reply(call, &(struct ipc_raw_message){ .data = data, .size = size });
	free(data);
	return r;
}

static int cancel_call(struct ipc_call *call, struct channels *channels,
		       const struct ipc_raw_message *request)
{
	struct channel_ref ref;
	struct served *served = served_of(call, channels, request, &ref);

	if (!served)
		return 0;
	atomic_store(&served->canceled[ref.slot], ref.number);
	call_canceled(call->ipc, CALL_OF(served->id, ref.slot, ref.number));
	served_unref(served);
	return 0;
}

static int door_serve(struct ipc_call *call, const struct ipc_raw_message *request,
		      void *userdata)
{
	struct channels *channels = call->ipc->channels;

	(void)userdata;
	switch (request->code) {
	case CHANNEL_OPEN:
		return open_channel(call, channels, request);
	case CHANNEL_WATCH:
		return watch_call(call, channels, request);
	case CHANNEL_FETCH:
		return fetch_reply(call, channels, request);
	case CHANNEL_CANCEL:
		return cancel_call(call, channels, request);
	default:
		return -EOPNOTSUPP;
	}
}

uint64_t channel_watch_canceled(struct ipc *ipc, uint64_t watch)
{
	struct channels *channels = atomic_load(&ipc->channels);
	uint64_t call = 0;

	pthread_mutex_lock(&channels->lock);
	for (unsigned int i = 0; i < CHANNEL_MAX_WAIT * CHANNEL_SLOTS && !call; i++) {
		struct served *served = channels->table[i / CHANNEL_SLOTS];
		unsigned int slot = i % CHANNEL_SLOTS;

		if (!served || atomic_load(&served->slots[slot].watch) != watch)
			continue;
		/* A handler that asks from now on hears of it. */
		atomic_store(&served->canceled[slot], served->slots[slot].watch_number);
		call = CALL_OF(served->id, slot, served->slots[slot].watch_number);
	}
	pthread_mutex_unlock(&channels->lock);
	return call;
}

/* --- Calls -------------------------------------------------------------------------- */

/* Refreshes the thread's view. -ENOMEM. */
static int view_update(struct thread *t, struct channels *channels, uint32_t generation)
{
	struct channel_view *view = t->channels;

	if (!view) {
		view = t->channels = calloc(1, sizeof(*view));
		if (!view)
			return -ENOMEM;
		view->wakes = atomic_load(channels->wakes);
		atomic_store(&channels->asked, false);
	}
	for (unsigned int i = 0; i < view->n; i++)
		served_unref(view->served[i]);
	view->n = view->next = 0;
	view->last = NULL;
	pthread_mutex_lock(&channels->lock);
	for (unsigned int i = 0; i < CHANNEL_MAX_WAIT; i++) {
		struct served *served = channels->table[i];

		if (!served || atomic_load(&served->ended))
			continue;
		refs_take(&served->refs);
		view->callees[view->n] = &served->callee;
		view->served[view->n++] = served;
	}
	pthread_mutex_unlock(&channels->lock);
	view->generation = generation;
	return 0;
}

/* As the driver asks for one more thread: if no other one waits. */
static bool must_ask(const struct thread *t, struct served *served)
{
	struct channels *channels = served->channels;

	return __atomic_load_n(&t->ipc->pool.limit, __ATOMIC_RELAXED) > 1 &&
	       !atomic_load_explicit(&served->callee.own->waiting, memory_order_relaxed) &&
	       !atomic_exchange(&channels->asked, true);
}

static void to_event(struct thread *t, struct served *served, const struct channel_taken *taken,
		     void *buffer, struct ipcbus_event *event)
{
	*event = (struct ipcbus_event){
		.kind = IPCBUS_EVENT_CALL,
		.flags = must_ask(t, served) ? IPCBUS_EVENT_SPAWN : 0,
		.call = CALL_OF(served->id, taken->slot, taken->number),
		.cookie = served->cookie,
		.code = taken->code,
		.thread = t->number,
		.pid = (uint32_t)served->pid,
		.uid = served->uid,
		.gid = served->gid,
	};
	channel_buffer_event(t, buffer, taken->size, event);
	if (taken->time_ns) {
		event->deadline = time_now();
		if (__builtin_add_overflow(event->deadline, taken->time_ns, &event->deadline))
			event->deadline = 0;
	}
}

static void refuse(struct served *served, const struct channel_taken *taken)
{
	const struct channel_end end = { .kind = CHANNEL_REFUSED };

	atomic_fetch_and(&served->open, ~(1U << taken->slot));
	channel_answer(&served->callee, taken->slot, taken->number, &end, NULL);
}

/* Takes a call of any channel. Returns whether there was one. */
static bool take_call(struct thread *t, struct ipcbus_event *event)
{
	struct channel_view *view = t->channels;
	struct channel_taken taken;
	void *buffer = NULL;

	for (unsigned int i = 0; i < view->n; i++) {
		unsigned int at = view->next;
		struct served *served = view->served[at];
		int r;

		view->next = at + 1 == view->n ? 0 : at + 1;
		view->tails[at] = atomic_load(&served->callee.peer->tail);
		if (!buffer)
			buffer = channel_buffer_get(t);
		/* Without memory the call waits, and its caller calls the door. */
		r = buffer ? channel_take(&served->callee, buffer, &taken) : 0;
		if (r < 0) {
			served_end(served);
			continue;
		}
		if (!r)
			continue;
		/* Who ends the channel sees that the call was taken, or this thread that it has
		 * ended. */
		atomic_fetch_or(&served->open, 1U << taken.slot);
		if (unlikely(atomic_load(&served->ended))) {
			refuse(served, &taken);
			continue;
		}
		view->last = served;
		view->last_slot = taken.slot;
		to_event(t, served, &taken, buffer, event);
		return true;
	}
	if (buffer)
		channel_buffer_put(t, buffer);
	return false;
}

/* The thread's view has nearly all channels that it replies to. */
static struct served *served_by_id(struct thread *t, uint32_t id)
{
	struct channel_view *view = t->channels;

	if (view && view->last && view->last->id == id) {
		refs_take(&view->last->refs);
		return view->last;
	}
	for (unsigned int i = 0; view && i < view->n; i++)
		if (view->served[i]->id == id) {
			refs_take(&view->served[i]->refs);
			return view->served[i];
		}
	return find(t->ipc->channels, id);
}

/* Keeps a reply that does not fit, until it is fetched by the bus. */
static int keep_reply(struct served *served, unsigned int slot, uint32_t number,
		      const struct ipcbus_send *send, const struct channel_end *end)
{
	struct served_slot *kept = &served->slots[slot];
	uint8_t *data = malloc(send->data_size), *old;
	int r = data ? channel_gather(send, data) : -ENOMEM;

	if (r < 0) {
		free(data);
		return r;
	}
	pthread_mutex_lock(&served->channels->lock);
	old = kept->later_data;
	kept->later_data = data;
	kept->later_size = send->data_size;
	kept->later_number = number;
	kept->later = *end;
	pthread_mutex_unlock(&served->channels->lock);
	free(old);
	return 0;
}

/* The call has ended: whoever watches it hears that. */
static __attribute__((noinline)) void end_watch(struct thread *t, struct served *served,
						unsigned int slot)
{
	uint64_t watch = atomic_exchange(&served->slots[slot].watch, 0);

	if (watch)
		reply_by_bus(t, watch, CHANNEL_DONE);
}

static int answer(struct thread *t, struct served *served, const struct ipcbus_send *send)
{
	unsigned int slot = SLOT_OF(send->call), bit = 1U << slot;
	uint32_t number = NUMBER_OF(send->call);
	struct channel_end end = { .kind = CHANNEL_REPLY, .size = (uint32_t)send->data_size };
	int r;

	/* A channel carries bytes. */
	if (send->object_count)
		return -EOPNOTSUPP;
	if (atomic_load(&served->callee.seen[slot]) != number ||
	    !(atomic_load(&served->open) & bit))
		return -ESRCH;
	if (send->kind == IPCBUS_SEND_ERROR) {
		end.kind = CHANNEL_ERROR;
		end.error = -(int32_t)send->code;
	}
	if (unlikely(send->data_size > CHANNEL_DATA_MAX)) {
		r = keep_reply(served, slot, number, send, &end);
		end = (struct channel_end){ .kind = CHANNEL_LATER };
	} else {
		r = channel_gather(send, channel_reply_at(served->callee.own, slot)->data);
	}
	if (r < 0)
		return r;
	if (!(atomic_fetch_and(&served->open, ~bit) & bit))
		return -ESRCH;
	channel_answer(&served->callee, slot, number, &end, NULL);
	atomic_store(&served->done[slot], number);
	if (unlikely(atomic_load(&served->slots[slot].watch)))
		end_watch(t, served, slot);
	return 0;
}

/* As for the bus, a reply that nobody waits for any more is dropped. */
static int reply(struct thread *t, struct ipcbus_exchange *x)
{
	struct served *served = served_by_id(t, ID_OF(x->send.call));
	int r = 0;

	if (served) {
		r = answer(t, served, &x->send);
		served_unref(served);
	}
	if (r < 0)
		x->event = (struct ipcbus_event){
			.kind = IPCBUS_EVENT_FAILED,
			.error = r,
			.stage = IPCBUS_STAGE_TARGET,
		};
	return r;
}

/* --- Waiting ------------------------------------------------------------------------ */

static int take_event(struct thread *t, struct channels *channels, struct ipcbus_exchange *x)
{
	uint32_t flags = x->flags;
	int r;

	x->flags |= IPCBUS_NONBLOCK;
	r = thread_exchange_bus(t, x);
	x->flags = flags;
	x->send = (struct ipcbus_send){ .kind = IPCBUS_SEND_NONE };
	/* The daemon has woken all threads at the first event. */
	if (r == 0 && x->event.kind && atomic_load(channels->event))
		channel_wake(channels->event, 1);
	return r;
}

static int wait_for_call(struct thread *t, struct channels *channels)
{
	struct channel_view *view = t->channels;
	struct channel_wait wait = {
		.n = view->n,
		.callees = view->callees,
		.tails = view->tails,
		.words = { channels->event, channels->wakes, &channels->generation },
		.values = { 0, view->wakes, view->generation },
		.spin = &channels->spin,
		.last = view->last ? &view->last->callee : NULL,
		.last_slot = view->last_slot,
	};
	int r;

	/* As for the bus, look once a second whether it is gone. */
	r = channel_wait_call(&wait, time_now() + 1000000000);
	if (r == -ETIMEDOUT)
		r = device_has_ended(&t->ipc->device) ? -ECONNRESET : 0;
	return r;
}

static int serve(struct thread *t, struct channels *channels, struct ipcbus_exchange *x)
{
	struct channel_view *view = t->channels;
	int r = 0;

	for (;;) {
		uint32_t generation = atomic_load(&channels->generation);
		uint32_t wakes = atomic_load_explicit(channels->wakes, memory_order_relaxed);

		if (!view || view->generation != generation) {
			r = view_update(t, channels, generation);
			if (r < 0)
				return r;
			view = t->channels;
		}
		if (!view->n)
			return 1;
		if (r == -EINTR || view->wakes != wakes) {
			view->wakes = wakes;
			x->event = (struct ipcbus_event){ .kind = IPCBUS_EVENT_INTERRUPTED };
			return 0;
		}
		if (x->send.kind || (view->bus_next && atomic_load(channels->event))) {
			view->bus_next = false;
			r = take_event(t, channels, x);
			if (r < 0 || x->event.kind)
				return r;
		}
		view->bus_next = true;
		if (take_call(t, &x->event))
			return 0;
		if (atomic_load(channels->event))
			continue;
		if (x->flags & IPCBUS_NONBLOCK) {
			x->event = (struct ipcbus_event){ .kind = IPCBUS_EVENT_NONE };
			return 0;
		}
		/* What the thread still holds would wait for as long. */
		if (t->n_release) {
			r = take_event(t, channels, x);
			if (r < 0 || x->event.kind)
				return r;
			continue;
		}
		r = wait_for_call(t, channels);
		if (r < 0 && r != -EINTR)
			return r;
	}
}

int channels_exchange(struct thread *t, struct ipcbus_exchange *x)
{
	struct channels *channels = atomic_load_explicit(&t->ipc->channels, memory_order_acquire);
	bool is_reply = x->send.kind == IPCBUS_SEND_REPLY || x->send.kind == IPCBUS_SEND_ERROR;
	int r;

	if (is_reply && is_channel_call(x->send.call)) {
		r = reply(t, x);
		if (r < 0)
			return r;
		x->send = (struct ipcbus_send){ .kind = IPCBUS_SEND_NONE };
		if (!(x->flags & IPCBUS_WAIT)) {
			x->event = (struct ipcbus_event){ .kind = IPCBUS_EVENT_NONE };
			return 0;
		}
	}
	if (!(x->flags & IPCBUS_SERVE) || !(x->flags & IPCBUS_WAIT) ||
	    !atomic_load_explicit(&channels->n, memory_order_relaxed))
		return 1;
	return serve(t, channels, x);
}

/* --- About a call ---------------------------------------------------------------------- */

void channel_nests(struct ipc *ipc, uint64_t call)
{
	struct served *served = find(ipc->channels, ID_OF(call));

	if (!served)
		return;
	served_end(served);
	served_unref(served);
}

int channel_call_canceled(struct ipc *ipc, uint64_t call)
{
	struct served *served = find(ipc->channels, ID_OF(call));
	unsigned int slot = SLOT_OF(call);
	int r = 1;

	if (!served)
		return r;
	if (atomic_load(&served->callee.seen[slot]) != NUMBER_OF(call) ||
	    !(atomic_load(&served->open) & 1U << slot))
		r = -ESRCH;
	else
		r = channel_is_canceled(&served->callee, slot, NUMBER_OF(call)) ||
		    atomic_load(&served->canceled[slot]) == NUMBER_OF(call);
	served_unref(served);
	return r;
}

int channel_call_pidfd(struct ipc *ipc, uint64_t call)
{
	struct served *served = find(ipc->channels, ID_OF(call));
	int fd;

	if (!served)
		return -ESRCH;
	fd = fcntl(served->pidfd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	served_unref(served);
	return fd < 0 ? -errno : fd;
}

/* --- The end ------------------------------------------------------------------------ */

void channels_end(struct ipc *ipc)
{
	struct channels *channels = atomic_load(&ipc->channels);

	for (uint32_t i = 0; channels && i < CHANNEL_MAX_WAIT; i++) {
		struct served *served;

		pthread_mutex_lock(&channels->lock);
		served = channels->table[i];
		if (served)
			refs_take(&served->refs);
		pthread_mutex_unlock(&channels->lock);
		if (!served)
			continue;
		served_end(served);
		served_unref(served);
	}
}

void channels_thread_ends(struct thread *t)
{
	struct channel_view *view = t->channels;

	for (unsigned int i = 0; view && i < view->n; i++)
		served_unref(view->served[i]);
	free(view);
	free(t->channel_buffer);
}

void channels_close(struct ipc *ipc)
{
	struct channels *channels = atomic_load(&ipc->channels);

	if (!channels || ipc->foreign)
		return;
	for (unsigned int i = 0; i < CHANNEL_MAX_WAIT; i++)
		if (channels->table[i])
			served_unref(channels->table[i]);
	ipc_object_unref(channels->door);
	pthread_mutex_destroy(&channels->lock);
	free(channels);
	ipc->channels = NULL;
}
