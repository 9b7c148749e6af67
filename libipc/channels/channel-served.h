/* SPDX-License-Identifier: MIT */
/*
 * Internals of the server's side of direct channels, and of the threads that serve channels of
 * either side: see channel-server.h.
 *
 *   channels.c         the connection's channels, buffers, and files of peers
 *   channel-server.c   references and the end of channels
 *   channel-door.c     the door: set-up, fetching and canceling; chains of calls
 *   channel-serve.c    serving threads: take calls and reply
 *   channel-loop.c     how serving threads wait, also in an event loop
 *   channel-oneways.c  oneways
 *
 * The connection has a table of channels. Each serving thread has a copy of the table, its
 * *view*, with a reference to each channel. If the generation of the table has changed, the thread
 * makes a new view. So a thread looks for calls without a lock. The lock protects the table and the
 * rare state of calls, such as a reply that is too large for the channel.
 *
 * After the end of a channel, calls that were already taken are still served and replied to. All
 * other calls are refused, and the client repeats them through the bus. Oneways that were sent
 * before are still served.
 *
 * The thread that has the object's turn (turn.h) is the only one that takes oneways from the
 * object's channels.
 */
#ifndef IPC_CHANNEL_SERVED_H
#define IPC_CHANNEL_SERVED_H

#include "shm/channel-memory.h"
#include "channel-round.h"
#include "channel-server.h"
#include "conn/backlog.h"
#include "core/object.h"
#include "conn/timer.h"

/* The id of a call consists of the channel's id, the cell, and the number in the cell. */
#define ID_BITS		26
#define CALL_OF(id, cell, number) \
	(ROUTE_CALL_BIT | (uint64_t)(id) << 37 | (uint64_t)(cell) << 32 | (number))
#define ID_OF(call)	((uint32_t)((call) >> 37) & ((1U << ID_BITS) - 1))
#define CELL_OF(call)	((unsigned int)((call) >> 32) & 31U)
#define NUMBER_OF(call) ((uint32_t)(call))

#define UNJOINED_MAX	16U

struct unjoined {
	uid_t uid;
	bool refused;			/* it gets no channels any more */
	uint64_t until;			/* when its waits are paid off */
};

/* A serving thread sleeps for at most that long, then checks what no event reports. */
#define SLEEP_MAX_NS	((uint64_t)1000000000)

/* Rare state of the calls of a cell. Under the lock, except for join and nested, which the thread
 * that serves the call writes. */
struct served_cell {
	_Atomic uint64_t join;		/* id of the bus's call by which the client joined, or 0 */
	atomic_uint nested;		/* number of the last call whose client was asked to join */
	uint32_t later_number;		/* number of the call that ended with CHANNEL_LATER */
	struct channel_end later;
	uint8_t *later_data;		/* or NULL */
	size_t later_size;
};

/* An opened channel on the server's side. */
struct served {
	atomic_uint refs;
	struct channels *channels;
	struct channel_callee callee;
	uint64_t owner;			/* device_process() that mapped it, not a child */
	atomic_bool extends;		/* the client has sent an extension, perhaps a wrong one */
	atomic_uint open;		/* a bit for each cell whose call has no reply yet */
	_Atomic uint64_t unjoined_ns;	/* total of the waits for joins that did not come */
	atomic_uint canceled[CHANNEL_CELLS]; /* number of the last call that the bus reported as
	                                      * canceled */
	uint32_t id;			/* its low bits are the index in the table */
	uint64_t cookie;		/* of the object */
	struct ipc_object *object;	/* a reference, until the channel is removed: oneways in the
	                          	 * ring may outlive the client's handle */
	uid_t uid;
	gid_t gid;
	pid_t pid;
	int pidfd;
	atomic_int bell;		/* a timerfd that wakes the client, or -1 */
	int own_bell;			/* a timerfd that wakes this program's event loop, or -1 */
	struct ipc_proxy *life;		/* the client's object, which ends with the channel */
	atomic_bool ended;		/* written under the lock */
	atomic_bool dying;		/* likewise: the client is gone, but not all of its oneways
	                   		 * are served */
	uint64_t died_at;		/* constant if dying: when that was found, */
	uint32_t last_fence;		/* and served_last_fence() */
	atomic_uint retries;		/* of serving its rest: see is_abandoned() */
	atomic_uint epoch;		/* of the oneways that may be served. Only for the thread
	                   		 * with the turn: */
	uint64_t forced_ends;		/* ipc->forced_ends when the object had not ended */
	struct backlog_work work;	/* serves the rest after the end */
	atomic_bool queued;		/* the work is in the backlog, with a reference */
	/* Under the lock: the next of channels->removed, or NULL, and whether this one is there. */
	struct served *next_removed;
	bool removed;
	atomic_bool held;		/* removed, with a reference: handlers keep calls with the
	           			 * id in their numbers */
	/* Under the lock: calls and bytes of oneways so far, and when that sum was first seen. */
	uint32_t noted_calls;
	uint64_t noted_at;
	struct served_cell cells[CHANNEL_CELLS];
};

struct channels {
	struct ipc *ipc;
	pthread_mutex_t lock;
	atomic_uint generation;		/* of the table */
	atomic_uint sleepers;		/* threads that sleep */
	atomic_uint n;			/* channels of both tables that have not ended */
	struct served *table[CHANNEL_MAX_WAIT];
	struct served *removed;		/* those that threads still refer to: no references */
	/* Channels of this client with async calls. No references: a channel that closes leaves. */
	struct channel *opened[CHANNEL_MAX_CALLERS];
	struct timer late;		/* if the program polls: expires at a deadline of an async
	                   		 * call, or to look for late calls of stopped clients */
	uint32_t last_id;
	struct device_words words;	/* the bell: threads must look again */
	struct channel_spin spin;
	_Atomic uint64_t checked;	/* time of the last check() in channel-serve.c */
	struct ipc_object *_Atomic door;
	/* Users whose clients did not join. Under the lock. */
	struct unjoined unjoined[UNJOINED_MAX];
	unsigned int n_unjoined;	/* total; the latest replaces the oldest */
	uint64_t stalls_until;		/* when joins that did not come are paid off; likewise */
	uint64_t ended_at;		/* when a channel ended for another client; likewise */
	struct round round;		/* of all serving threads; likewise */
};

struct channel_view {
	uint32_t generation;		/* of the table, when the view was made */
	uint32_t bell;			/* value of words.bell before the last look */
	uint32_t wakes;			/* value of words.wakes of the last interruption */
	unsigned int share;		/* channels left to look at in this round; 0: the bus has
	                    		 * its part */
	unsigned int looks;		/* channels to look at before the thread may sleep */
	unsigned int space_ns;		/* the last pause before a look for space */
	bool call_next;			/* the last message was a reply: calls come first */
	/* Bits of channels: */
	uint64_t oneways_last;		/* the last message was a oneway: calls come first */
	uint64_t again;			/* the last look found a call: there may be another */
	unsigned int n;
	unsigned int next;		/* index of the channel to examine first */
	struct served *served[CHANNEL_MAX_WAIT];
	struct channel_callee *callees[CHANNEL_MAX_WAIT];
	uint32_t tails[CHANNEL_MAX_WAIT];	/* of the clients, before the last look */
	unsigned int n_opened;
	unsigned int next_opened;	/* as next */
	struct channel *opened[CHANNEL_MAX_CALLERS];
	struct channel_caller *callers[CHANNEL_MAX_CALLERS];
	uint32_t answered[CHANNEL_MAX_CALLERS];	/* channel_answers() before the last look */
	struct served *last;		/* channel of the last served message, or NULL */
	unsigned int calls;		/* messages served so far, for channels_reap() */
	unsigned int last_cell;		/* of that message, or CHANNEL_ONEWAYS */
	struct served *left;		/* channel whose turn this thread had last, and that may
	                     		 * have more oneways; or NULL */
};

/* Gets the connection's channels, which the first caller allocates. Returns 0, -ENOMEM, or an error
 * of device_poll_words(): -EOPNOTSUPP if the bus is the driver's. */
int channels_get(struct ipc *ipc, struct channels **ret_channels);
/* Counts a new channel of a table. The first makes threads that wait in the bus wait for channels.
 * Must be called with the lock held, the functions below without it. */
static inline void channels_count(struct channels *channels)
{
	if (!atomic_fetch_add(&channels->n, 1))
		device_wake(&channels->ipc->device);
}

/* Marks the channels in opened as not listed: the table is freed with the connection. */
void channels_unlist_all(struct channels *channels);
void served_unref(struct served *served);
/* Wakes the client after a reply to an async call. */
void served_notify(struct served *served);
/* Ends the channel, once: takes no more calls. Calls served_finish(). The channel stays in the
 * table until served_remove(), because handlers may still reply to calls that were taken before. */
void served_end(struct served *served);
/* Ends the channel and removes it from the table. Drops its reference of the object, and the
 * table's of the channel unless calls are open. Oneways that are left in the ring are lost. */
void served_remove(struct served *served);
/* Notes the end of the call in that cell. If it was the last open call of a removed channel, drops
 * the reference that open calls keep. */
void served_let_go(struct served *served, unsigned int cell);
/* Returns a channel that was removed, and that threads or calls still refer to, or NULL. */
struct served *served_removed_locked(const struct channels *channels, uint32_t id);
/* These return the channel with a reference, or NULL. index: of the table. */
struct served *served_find(struct channels *channels, uint32_t id);
struct served *served_at(struct channels *channels, unsigned int index);
/* Returns the object's turn.handled after the last fence of a client that is dead now. */
uint32_t served_last_fence(struct served *served);
/* Removes a dying channel whose oneways wait for a fence that never comes. */
void served_remove_stale(struct served *served);
/* Whether a call of a channel, which may have ended, has no reply yet. */
bool channels_have_open(struct channels *channels);
/* Ends the channels of dead clients, which are then dying, and removes stale ones. The life object
 * does not suffice: a hostile client may send another process's. */
void channels_reap(struct channels *channels);
/* Frees the structure and its door. No thread may use it. Keeps the references in the table. */
void channels_free(struct channels *channels);
/* Drops the oneways in the ring, and ends the channel. */
void served_drop_oneways(struct served *served);
/* Makes a serving thread serve the rest of the oneways of a channel that has ended. Then, or if
 * there are none, removes the channel if it is dying. */
void served_finish(struct served *served);
/* Makes an event of the channel, without a message. call: its number. */
static inline void served_event(const struct thread *t, const struct served *served, uint32_t kind,
				uint64_t call, struct ipcbus_event *event)
{
	*event = (struct ipcbus_event){
		.kind = kind,
		.call = call,
		.cookie = served->cookie,
		.thread = t->number,
		.pid = (uint32_t)served->pid,
		.uid = served->uid,
		.gid = served->gid,
	};
}

/* Makes it the event of a message that was taken from the channel. */
static inline void served_event_take(const struct thread *t, const struct channel_taken *taken,
				     void *buffer, struct ipcbus_event *event)
{
	event->code = taken->code;
	channel_buffer_event(t, buffer, taken->size, event);
}

/* Makes an event of the channel's oneways. It has a reference of the channel. */
void channel_event(struct served *served, struct ipcbus_event *event);
/* Whether messages of other channels, or events of the bus, may wait for this thread. The first
 * does not look at the channels. The view has only channels that have not ended. */
static inline bool channels_others_may_wait(const struct thread *t, const struct served *served)
{
	const struct channel_view *view = t->channels;

	return view && (view->n > !atomic_load(&served->ended) || view->n_opened ||
			atomic_load(t->ipc->channels->words.event));
}

bool channels_others_wait(const struct thread *t, const struct served *served);
/* How serving threads wait: channel-loop.c. */
/* Lets a server on this CPU that has async calls run once. Returns whether there are replies. */
bool channels_yield(struct thread *t);
/* Waits for messages until that time. Returns 0 or -EINTR. */
int channels_wait(struct thread *t, uint64_t until);
/* For a thread that may not sleep. After a message, waits shortly for the next message. Returns 0,
 * or -EAGAIN if there is none. */
int channels_wait_shortly(struct thread *t);
/* Makes serving threads look at the table again. */
void channels_wake(struct channels *channels);
/* Asks the client of the call to join through the bus, once, and blocks until it has. Returns the
 * id of the bus's call, or 0 if the client did not join by the deadline (deadline.h) or within a
 * second, or 100 ms if its user is refused. If such waits of the channel took 100 ms in total,
 * returns 0 at once. Uses neither the scratch buffer nor the stash. */
uint64_t served_join(struct thread *t, struct served *served, uint64_t call, uint64_t deadline);
/* Replies to a call of the bus without a payload. If that fails, the caller has died. Uses neither
 * the scratch buffer nor the stash of the thread. */
void reply_by_bus(struct thread *t, uint64_t call);

#endif /* IPC_CHANNEL_SERVED_H */
