// SPDX-License-Identifier: MIT
/*
 * The door of a server: sets channels up, fetches and cancels their calls, and joins clients to
 * handlers that make calls. See channel-server.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "channel-served.h"
#include "core/call.h"
#include "base/deadline.h"
#include "core/dispatch.h"
#include "core/proxy.h"
#include "core/raw.h"

/* A user with so many channels to a connection leaves as many places free for other users. */
#define USER_SHARE	16U
/* Another user cannot take the place of an active channel from a user with at most so many. */
#define USER_KEPT	4U
/* Maximum of channels that have ended, of a user and in total, while handlers run on threads that
 * refer to them, or keep their calls: each has memory and a pidfd. */
#define REMOVED_MAX	64U
#define REMOVED_ALL	256U
/* Time without calls after which a channel may end in favor of another client. */
#define IDLE_NS		((uint64_t)10000000000)
/* The same for the removal of a channel that has ended. */
#define ENDED_NS	((uint64_t)1000000000)

/* --- Set-up ------------------------------------------------------------------------- */

static int door_serve(struct ipc_call *call, const struct ipc_raw_message *request,
		      void *userdata);

static const struct ipc_raw_ops door_ops = {
	.flags = IPC_RAW_ACCEPT_FDS | RAW_SERVE_OWN,
	.serve = door_serve,
};

/* Whether there may be channels now. With ipc_set_clear(), the bus must overwrite replies. */
static bool may_have_channels(struct ipc *ipc)
{
	return ipc->may_route && !is_monitored(ipc) && channel_can_wait() &&
	       !ipc->device.send_flags && (atomic_load(&ipc->pool.loops) || pool_serves(ipc));
}

static bool may_have_channel(const struct ipc_object *object)
{
	return !object_is_passive(object) &&
	       !atomic_load_explicit(&object->nests, memory_order_relaxed);
}

/* Makes the door, unless it exists: all clients get the same object. Returns 0 or -errno. */
static int make_door(struct channels *channels)
{
	struct ipc_object *door;
	int r;

	if (channels->door)
		return 0;
	r = ipc_raw_object_new(channels->ipc, &door_ops, NULL, &door);
	if (r < 0)
		return r;
	pthread_mutex_lock(&channels->lock);
	if (!channels->door) {
		channels->door = door;
		door = NULL;
	}
	pthread_mutex_unlock(&channels->lock);
	ipc_object_unref(door);
	return 0;
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
	r = make_door(channels);
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

static bool has_many_removed_locked(const struct channels *channels, uid_t uid)
{
	unsigned int n = 0, all = 0;

	for (const struct served *served = channels->removed; served;
	     served = served->next_removed, all++)
		n += served->uid == uid;
	return n >= REMOVED_MAX || all >= REMOVED_ALL;
}

static struct unjoined *find_unjoined_locked(struct channels *channels, uid_t uid)
{
	for (unsigned int i = 0; i < channels->n_unjoined && i < UNJOINED_MAX; i++)
		if (channels->unjoined[i].uid == uid)
			return &channels->unjoined[i];
	return NULL;
}

/*
 * The server cannot know which uids belong to the same user, and each uid can delay a handler. So
 * joins that do not come may take STALLS_NS at once, and in the long run 1/STALLS_SHARE of the
 * time. While they have taken more, the connection gets no more channels, and a handler waits as
 * for a refused user. So each channel can delay a handler once, by JOIN_SHORT_NS. Channels of
 * other users stay. The waits of a refused user do not count.
 */
#define STALLS_NS    ((uint64_t)1500000000)
#define STALLS_SHARE 64U

/* Whether the user gets no channels now, and handlers wait only shortly for its clients. */
static bool is_refused_locked(struct channels *channels, uid_t uid)
{
	const struct unjoined *user = find_unjoined_locked(channels, uid);

	return (user && user->refused) ||
	       channels->stalls_until > time_now() + STALLS_NS * STALLS_SHARE;
}

static bool is_refused(struct channels *channels, uid_t uid)
{
	bool is;

	pthread_mutex_lock(&channels->lock);
	is = is_refused_locked(channels, uid);
	pthread_mutex_unlock(&channels->lock);
	return is;
}

/* A user is refused if the waits for it have taken more than that at once, or 1/STALLS_SHARE of the
 * time in the long run. A last wait of JOIN_NS does not exceed STALLS_NS. */
#define USER_STALLS_NS ((uint64_t)250000000)

static void pay_off_later(uint64_t *until, uint64_t now, uint64_t ns)
{
	*until = (*until > now ? *until : now) + ns * STALLS_SHARE;
}

/* Charges the user of a client for the time by which the client has delayed a handler. refuse: the
 * user gets no more channels. */
static void note_stall(struct channels *channels, uid_t uid, uint64_t ns, bool refuse)
{
	uint64_t now = time_now();
	struct unjoined *user;

	pthread_mutex_lock(&channels->lock);
	user = find_unjoined_locked(channels, uid);
	if (!user) {
		user = &channels->unjoined[channels->n_unjoined++ % UNJOINED_MAX];
		*user = (struct unjoined){ .uid = uid };
	}
	if (!user->refused) {
		pay_off_later(&user->until, now, ns);
		user->refused = refuse || user->until > now + USER_STALLS_NS * STALLS_SHARE;
		pay_off_later(&channels->stalls_until, now, ns);
	}
	pthread_mutex_unlock(&channels->lock);
}

static bool has_place_locked(const struct channels *channels, uid_t uid)
{
	unsigned int kept = count_user_locked(channels, uid) < USER_SHARE ? 0 : USER_SHARE;
	unsigned int places = 0;

	for (unsigned int i = 0; i < CHANNEL_MAX_WAIT; i++)
		places += !channels->table[i];
	return places > kept;
}

/* Adds a channel to the table, with a reference and a new id. Returns 0 or -EDQUOT. */
static int add_locked(struct channels *channels, struct served *served)
{
	uint32_t id = channels->last_id;

	if (!has_place_locked(channels, served->uid))
		return -EDQUOT;
	for (unsigned int i = 0; i < CHANNEL_MAX_WAIT; i++) {
		/* Ids repeat. A thread or a call may still refer to the earlier channel. */
		id = (id + 1) & ((1U << ID_BITS) - 1);
		if (channels->table[id % CHANNEL_MAX_WAIT] || served_removed_locked(channels, id))
			continue;
		channels->last_id = served->id = id;
		channels->table[id % CHANNEL_MAX_WAIT] = served;
		refs_take(&served->refs);
		channels_count(channels);
		return 0;
	}
	return -EDQUOT;
}

/* Returns since when the channel has had no calls and oneways, as far as it is known. */
static uint64_t idle_since_locked(struct served *served, uint64_t now)
{
	uint32_t calls = atomic_load(&served->callee.drained);
	bool busy = atomic_load(&served->open) || channel_sent(&served->callee) != calls;

	for (unsigned int i = 0; i < CHANNEL_CELLS; i++) {
		calls += atomic_load(&served->callee.seen[i]);
		busy = busy || served->cells[i].later_data;
	}
	if (busy || !served->noted_at || calls != served->noted_calls) {
		served->noted_calls = calls;
		served->noted_at = now;
	}
	return served->noted_at;
}

/* Makes space for a user: ends the channel that has been idle for the longest time, or removes an
 * ended channel that is idle. If the user has its share, only its own channels count. Below its
 * share, a channel of a user with more channels counts as idle. An ended channel keeps its place
 * for ENDED_NS, because a oneway of its client may be on its way. */
static void end_idle(struct channels *channels, uid_t uid)
{
	uint64_t now = time_now(), longest = IDLE_NS;
	struct served *idle = NULL;
	bool below, pending;
	unsigned int n, more;

	pthread_mutex_lock(&channels->lock);
	n = count_user_locked(channels, uid);
	/* At equal numbers users would take places from each other for ever. */
	more = n + 1 > USER_KEPT ? n + 1 : USER_KEPT;
	below = n < USER_SHARE;
	/* Not until the place is free: a client can keep the place of an ended channel. */
	pending = now - channels->ended_at < ENDED_NS;
	for (unsigned int i = 0; i < CHANNEL_MAX_WAIT; i++) {
		struct served *served = channels->table[i];
		uint64_t ns;

		if (!served || !(below || served->uid == uid))
			continue;
		ns = now - idle_since_locked(served, now);
		if (atomic_load(&served->ended)) {
			if (ns < ENDED_NS)
				continue;
			idle = served;
			break;
		}
		if (below && !pending && count_user_locked(channels, served->uid) > more)
			ns += IDLE_NS;
		if (ns >= longest) {
			longest = ns;
			idle = served;
		}
	}
	if (idle) {
		idle->noted_at = now;
		if (!atomic_load(&idle->ended))
			channels->ended_at = now;
		refs_take(&idle->refs);
	}
	pthread_mutex_unlock(&channels->lock);
	if (!idle)
		return;
	if (atomic_load(&idle->ended))
		served_remove(idle);
	else
		served_end(idle);
	served_unref(idle);
}

static int try_add(struct channels *channels, struct served *served)
{
	int r;

	pthread_mutex_lock(&channels->lock);
	r = is_refused_locked(channels, served->uid) ||
			    has_many_removed_locked(channels, served->uid) ?
		    -EACCES :
		    add_locked(channels, served);
	pthread_mutex_unlock(&channels->lock);
	return r;
}

static int served_add(struct channels *channels, struct served *served)
{
	int r;

	channels_reap(channels);
	r = try_add(channels, served);
	if (r == -EDQUOT) {
		end_idle(channels, served->uid);
		r = try_add(channels, served);
	}
	if (r == 0)
		channels_wake(channels);
	return r;
}

static int open_channel(struct ipc_call *call, struct channels *channels,
			const struct ipc_raw_message *request)
{
	const struct ipc_raw_entry *entries = request->entries;
	struct channel_ref ref = { 0 };
	struct ipc_raw_entry bell = { .type = IPC_RAW_FD };
	struct ipc_raw_message reply = { .data = &ref, .size = sizeof(ref), .entries = &bell };
	struct served *served;
	const void *peer;
	void *own;
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
	atomic_store(&entries[1].object->turn.shared, true);
	served->channels = channels;
	atomic_init(&served->bell, -1);
	served->own_bell = -1;
	served->owner = device_process();
	served->object = ipc_object_ref(entries[1].object);
	served->cookie = served->object->wants.cookie;
	served->uid = call->uid;
	served->gid = call->gid;
	served->pid = call->pid;
	served->life = ipc_proxy_ref(entries[2].proxy);
	served->pidfd = ipc_call_pidfd(call);
	r = served->pidfd < 0 ? served->pidfd : 0;
	if (r == 0 && atomic_load(&call->ipc->pool.loops)) {
		bell.fd = served->own_bell = backlog_new_bell(call->ipc);
		reply.n_entries = 1;
		r = bell.fd < 0 ? bell.fd : 0;
	}
	if (r == 0)
		r = channel_memory_accept(entries[0].fd, CHANNEL_PART_SIZE, &peer, &own);
	if (r == 0) {
		served->callee.peer = peer;
		served->callee.own = own;
		r = served_add(channels, served);
	}
	added = r == 0;
	if (r == 0)
		r = proxy_watch(served->life);
	ref.id = served->id;
	if (r == 0)
		r = ipc_raw_reply(call, &reply);
	if (r < 0 && added)
		served_remove(served);
	served_unref(served);
	return r;
}

/* --- Fetching and canceling ------------------------------------------------------------- */

/* Returns the caller's channel that a call of the door names, with a reference, or NULL. */
static struct served *served_of(const struct ipc_call *call, struct channels *channels,
				const struct ipc_raw_message *request,
				struct channel_ref *ret_ref)
{
	struct served *served;

	if (request->size != sizeof(*ret_ref))
		return NULL;
	memcpy(ret_ref, request->data, sizeof(*ret_ref));
	if (ret_ref->id >= 1U << ID_BITS || ret_ref->cell >= CHANNEL_CELLS)
		return NULL;
	served = served_find(channels, (uint32_t)ret_ref->id);
	if (served && (served->uid != call->uid || served->pid != call->pid)) {
		served_unref(served);
		served = NULL;
	}
	return served;
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
	if (served->cells[ref.cell].later_number == ref.number) {
		struct served_cell *cell = &served->cells[ref.cell];

		data = cell->later_data;
		size = cell->later_size;
		end = cell->later;
		cell->later_data = NULL;
		cell->later_number = 0;
	}
	pthread_mutex_unlock(&channels->lock);
	served_unref(served);
	if (!data)
		return -ENOENT;
	if (end.kind == CHANNEL_ERROR)
		r = ipc_raw_fail(call, end.error, data, size);
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
	atomic_store(&served->canceled[ref.cell], ref.number);
	call_canceled(call->ipc, CALL_OF(served->id, ref.cell, ref.number));
	served_unref(served);
	return 0;
}

/* Takes the client's bell, once. It stays until the channel is freed: threads may be using it. */
static int take_bell(struct ipc_call *call, struct channels *channels,
		     const struct ipc_raw_message *request)
{
	struct channel_ref ref;
	struct served *served = served_of(call, channels, request, &ref);
	int none = -1, fd;

	if (!served)
		return 0;
	fd = channels_take_bell(request);
	if (fd >= 0 && !atomic_compare_exchange_strong(&served->bell, &none, fd))
		close(fd);
	served_unref(served);
	return 0;
}

static int extend_channel(struct ipc_call *call, struct channels *channels,
			  const struct ipc_raw_message *request)
{
	const struct ipc_raw_entry *entries = request->entries;
	struct channel_ref ref;
	struct served *served = served_of(call, channels, request, &ref);
	const void *peer;
	void *own;
	int r = -EINVAL;

	if (!served)
		return -ENOENT;
	if (request->n_entries == 1 && entries[0].type == IPC_RAW_FD &&
	    !atomic_exchange(&served->extends, true))
		r = channel_memory_accept(entries[0].fd, CHANNEL_HUGE_MAX, &peer, &own);
	if (r == 0) {
		served->callee.peer_huge = peer;
		served->callee.own_huge = own;
		atomic_store(&served->callee.is_extended, true);
	}
	served_unref(served);
	return r < 0 ? r : ipc_raw_reply(call, &(struct ipc_raw_message){ 0 });
}

static int serve_method(struct ipc_call *call, struct channels *channels,
			const struct ipc_raw_message *request)
{
	switch (request->method) {
	case CHANNEL_OPEN:
		return open_channel(call, channels, request);
	case CHANNEL_EXTEND:
		return extend_channel(call, channels, request);
	case CHANNEL_FETCH:
		return fetch_reply(call, channels, request);
	case CHANNEL_CANCEL:
		return cancel_call(call, channels, request);
	case CHANNEL_BELL:
		return take_bell(call, channels, request);
	default:
		return -EOPNOTSUPP;
	}
}

static int door_serve(struct ipc_call *call, const struct ipc_raw_message *request,
		      void *userdata)
{
	int r = serve_method(call, call->ipc->channels, request);

	(void)userdata;
	channels_drop_files(request);
	return r;
}

/* --- Chains of calls ---------------------------------------------------------------------- */

/* How long a handler waits for its client, and how often it checks if the client is alive. A client
 * that has not joined after JOIN_SHORT_NS may be hostile, or the machine busy. */
#define JOIN_NS		((uint64_t)1000000000)
#define JOIN_SHORT_NS	((uint64_t)100000000)
#define JOIN_STEP_NS	((uint64_t)20000000)

static bool is_join(const struct thread *t, const struct served *served, uint64_t call,
		    const struct ipcbus_event *event)
{
	struct channel_ref ref;

	if (event->code != CHANNEL_JOIN || event->cookie != served->channels->door->wants.cookie ||
	    event->uid != served->uid || (pid_t)event->pid != served->pid ||
	    event->object_count || event->data_size != sizeof(ref))
		return false;
	memcpy(&ref, device_at(&t->ipc->device, event->offset), sizeof(ref));
	return ref.id == served->id && ref.cell == CELL_OF(call) && ref.number == NUMBER_OF(call);
}

/* Handles an event while the thread waits for the join. Unexpected calls come from a program that
 * violates the protocol. Returns whether the client has joined. */
static bool take_join(struct thread *t, struct served *served, uint64_t call,
		      struct ipcbus_event *event)
{
	bool joins;

	/* A call of this thread ends, and this code runs in its callback: see wait_reply(). */
	if (t->waiting && (event->kind == IPCBUS_EVENT_REPLY ||
			   event->kind == IPCBUS_EVENT_ERROR ||
			   event->kind == IPCBUS_EVENT_FAILED)) {
		t->early = *event;
		t->early_waiting = t->waiting;
	}
	if (event->kind != IPCBUS_EVENT_CALL)
		return false;
	joins = is_join(t, served, call, event);
	if (!joins)
		event_refuse(t->ipc, event);
	thread_release_next(t, event->buffer);
	if (joins)
		atomic_store(&served->cells[CELL_OF(call)].join, event->call);
	else
		reply_by_bus(t, event->call);
	return joins;
}

static bool client_waits(struct served *served, uint64_t call)
{
	struct pollfd fd = { .fd = served->pidfd, .events = POLLIN };

	return !channel_is_canceled(&served->callee, CELL_OF(call), NUMBER_OF(call)) &&
	       poll(&fd, 1, 0) == 0;
}

/* Waits until the client has joined. If it does not, the handler's calls are in no chain, and a
 * callback to a client with a single thread, which waits, is not served. All waits without a join
 * count against the user: a hostile client chooses its deadline, cancels the call, or dies. */
static void wait_for_join(struct thread *t, struct served *served, uint64_t call,
			  uint64_t deadline)
{
	bool refused = is_refused(served->channels, served->uid);
	uint64_t start = time_now();
	uint64_t end = deadline_earlier(start + (refused ? JOIN_SHORT_NS : JOIN_NS), deadline);

	while (!t->early.kind && client_waits(served, call) && time_now() < end) {
		struct ipcbus_exchange x = {
			.flags = IPCBUS_WAIT,
			.send = { .deadline = deadline_earlier(end, time_now() + JOIN_STEP_NS) },
		};

		if (thread_exchange_bus(t, &x) < 0)
			break;
		if (take_join(t, served, call, &x.event))
			return;
	}
	start = time_now() - start;
	note_stall(served->channels, served->uid, start,
		   atomic_fetch_add(&served->unjoined_ns, start) + start >= JOIN_SHORT_NS);
}

uint64_t served_join(struct thread *t, struct served *served, uint64_t call, uint64_t deadline)
{
	struct served_cell *cell = &served->cells[CELL_OF(call)];
	struct ipcbus_exchange number = { 0 };

	if (atomic_load(&cell->nested) == NUMBER_OF(call))
		return atomic_load(&cell->join);
	/* Each call that was taken before the end of the channel would wait again. */
	if (atomic_load(&served->unjoined_ns) >= JOIN_SHORT_NS)
		return 0;
	atomic_store(&cell->nested, NUMBER_OF(call));
	/* A thread gets its number from its first exchange. */
	if (!t->number && thread_exchange_bus(t, &number) < 0)
		return 0;
	channel_ask_to_join(&served->callee, CELL_OF(call), NUMBER_OF(call), t->number);
	wait_for_join(t, served, call, deadline);
	return atomic_load(&cell->join);
}

static bool is_open(struct served *served, uint64_t call)
{
	unsigned int cell = CELL_OF(call);

	return atomic_load(&served->callee.seen[cell]) == NUMBER_OF(call) &&
	       atomic_load(&served->open) & 1U << cell;
}

void channel_nests(struct thread *t, uint64_t call, uint64_t deadline)
{
	struct served *served = served_find(t->ipc->channels, ID_OF(call));

	if (!served)
		return;
	served_end(served);
	/* The client of an async call has no thread that could join. */
	if (is_open(served, call) && !channel_call_is_async(&served->callee, CELL_OF(call)))
		served_join(t, served, call, deadline);
	served_unref(served);
}

uint64_t channel_join_canceled(struct ipc *ipc, uint64_t join)
{
	struct channels *channels = atomic_load(&ipc->channels);
	uint64_t call = 0;

	pthread_mutex_lock(&channels->lock);
	for (unsigned int i = 0; i < CHANNEL_MAX_WAIT * CHANNEL_CELLS && !call; i++) {
		struct served *served = channels->table[i / CHANNEL_CELLS];
		unsigned int cell = i % CHANNEL_CELLS;
		uint32_t number;

		if (!served || atomic_load(&served->cells[cell].join) != join)
			continue;
		/* The call may end meanwhile, and the cell's next call begin. */
		number = atomic_load(&served->cells[cell].nested);
		if (atomic_load(&served->cells[cell].join) != join)
			continue;
		/* The handler's later checks must see the cancellation too. */
		atomic_store(&served->canceled[cell], number);
		call = CALL_OF(served->id, cell, number);
	}
	pthread_mutex_unlock(&channels->lock);
	return call;
}
