/* SPDX-License-Identifier: MIT */
/*
 * The state of an opened channel on the client's side, which four files share:
 *
 *   channel-open.c    set-up and the end
 *   channel-client.c  calls
 *   channel-async.c   async calls
 *   channel-send.c    oneways
 */
#ifndef IPC_CHANNEL_OPENED_H
#define IPC_CHANNEL_OPENED_H

#include "channel-client.h"
#include "channel-server.h"
#include "conn/backlog.h"
#include "core/object.h"

/* Oneways through the bus before the client uses the ring again. */
#define BUS_ONEWAYS 4U

enum channel_extension {
	EXTENSION_NONE,
	EXTENSION_MADE,		/* the client has it, but the server does not */
	EXTENSION_PENDING,	/* a thread does a step, or the server must answer */
	EXTENSION_DONE,
	EXTENSION_FAILED,	/* forever */
};

struct channel {
	struct channel_caller caller;
	uint64_t id;			/* the server's */
	atomic_bool ended;		/* later calls go through the bus */
	atomic_bool forgotten;		/* and no call is pending: life was ended, and so the
	                      		 * server notified. The proxy may get another channel */
	struct ipc_proxy *door;
	/* If 0, the bus has no event that could report the death of the door: the word of
	 * device_poll_words(), but not_watched before channel_watch_door(). */
	const atomic_uint *_Atomic event;
	_Atomic uint64_t asked;		/* time of the last channel_server_died() that asked */
	struct ipc_object *life;	/* dies with the channel */
	uint64_t owner;			/* device_process() that mapped it, not a child */
	atomic_uint extension;		/* enum channel_extension */
	atomic_uint refs;		/* of the proxy, and of serving threads */
	/* The set-up, and that of the extension. */
	struct ipc_proxy *proxy;	/* that gets the channel; with a reference while the server
	                        	 * must answer, and must call this: */
	void (*on_answer)(struct channel *channel, int r, struct ipc_raw_message *reply);
	int fd;				/* of both parts, or -1 */
	struct channel *before;		/* the proxy's previous channel, or NULL: other threads may
	                       		 * still look there, until the proxy is freed */
	/* Async calls. */
	atomic_bool listed;		/* serving threads look for replies; channels->lock */
	atomic_uint asyncs;		/* a bit for each cell with a call */
	atomic_uint next;		/* the cell to look at first for a reply */
	atomic_uint limited;		/* likewise, for calls with a deadline; a bit may stay */
	_Atomic uint64_t ids[CHANNEL_CELLS];	/* of struct async, or 0: see channel-async.c */
	_Atomic uint64_t deadlines[CHANNEL_CELLS];
	uint32_t codes[CHANNEL_CELLS], sizes[CHANNEL_CELLS];	/* for the owner of the call */
	atomic_bool has_bell;		/* the server got the timer that wakes this client */
	struct backlog_work death;	/* ends all calls after the server's death */
	atomic_bool death_queued;	/* with a reference */
	/* See channel_note_unfit(): a count, and the client's tail at the last check. */
	atomic_uint unfit;
	atomic_uint checked_tail;
	/* Oneways. Under the lock. */
	atomic_uint lock;		/* 0: free; 1: taken; 2: threads may sleep */
	bool in_ring;			/* oneways use the ring; otherwise the bus */
	bool fenced;			/* no oneway used the bus after the last fence */
	unsigned int by_bus;		/* small oneways through the bus since a large oneway */
	unsigned int wait_after;	/* so many before the next wait for the ring */
	uint32_t epoch;			/* of the last fence */
};

static inline bool channel_is_unusable(const struct channel *channel, const struct ipc *ipc)
{
	return unlikely(atomic_load_explicit(&channel->ended, memory_order_relaxed)) ||
	       unlikely(channel_is_ended(&channel->caller)) ||
	       unlikely(is_monitored(ipc)) || channel_cannot_wait();
}

/* Whether the bus need not know the message, and it has at most max bytes. */
static inline bool request_is_plain(const struct request *request, size_t max)
{
	const struct ipcbus_send *send = &request->x.send;

	return !(send->flags & ~IPCBUS_SEND_IOV) &&
	       !request->t->ipc->device.send_flags && !send->object_count && !send->cookie &&
	       send->data_size <= max &&
	       (send->code < IPC_NUMBER_BUILTIN || send->code >= IPC_NUMBER_BUILTIN + 16 ||
		send->code == IPC_NUMBER_PING);
}

void channel_unref(struct channel *channel);
void channel_wake_by_bus(struct channel *channel, struct thread *t);
/* Must be called after each message: wakes the server if this process cannot ring its bell. */
static inline void channel_sent_message(struct channel *channel, struct thread *t)
{
	if (unlikely(atomic_load_explicit(&channel->caller.unheard, memory_order_relaxed)))
		channel_wake_by_bus(channel, t);
}
/* Makes the proxy ask for a channel again after many messages, and after more each time, because a
 * channel was refused or has ended. busy: the server may have had no time. */
void channel_ask_later(struct ipc_proxy *proxy, bool busy);
/* Does a step to make the extension, for a call that does not fit into a large cell. */
void channel_extend(struct channel *channel, struct thread *t);
/* Initializes channel->event: the door's death is not reported yet. */
void channel_init_watch(struct channel *channel);
/* Requests the report of the server's death, once. */
int channel_watch_door(struct channel *channel, struct ipc *ipc);
/* Makes the object that dies with the channel, and that receives the server's messages. */
int channel_make_life(struct channel *channel, struct ipc *ipc);
/* Removes the channel from the table, so that serving threads no longer look for its replies. */
void channel_unlist(struct channel *channel);

/* Whether there is a reply to an async call. arms: also announces that the program polls. */
bool channels_answered(struct ipc *ipc, bool arms);

extern const struct object_type life_type;

/* Takes a reply to an async call: true, with the event that ends the call. A call that the server
 * has refused goes through the bus. */
bool channel_take_answer(struct thread *t, struct channel *channel, struct ipcbus_event *event);
/* Ends a call whose deadline has passed: true, with the event, which may be its reply.
 * Otherwise reduces *until to the next deadline. */
bool channel_take_late(struct thread *t, struct channel *channel, uint64_t *until,
		       struct ipcbus_event *event);

/* Whether the channel has ended, or messages must use the bus for another reason. */
bool channel_has_ended(struct channel *channel, const struct request *request);
/* Whether the channel may carry the call. Does a step to make the extension if the call is not
 * async and needs it. Releases the thread's buffers, which the next exchange would do otherwise. */
bool channel_may_carry(struct channel *channel, struct request *request, bool async);
/* Returns the time until the deadline, or 0 if it is over or nearly over: a timeout of 0 in other
 * languages is a microsecond here, and such a call must time out, as through the bus. */
uint64_t channel_time_left(uint64_t deadline);

/* Must be called when a message or its reply does not fit into the channel and goes through the
 * bus. Ends the channel if that happens often. A server that waits for channels needs more time for
 * a message of the bus: one such message costs as much as several messages in the channel save. */
void channel_note_unfit(struct channel *channel);


#endif /* IPC_CHANNEL_OPENED_H */
