/* SPDX-License-Identifier: MIT */
/*
 * The state of an opened channel on the client's side, which two files share:
 *
 *   channel-client.c  set-up, calls, the end
 *   channel-send.c    oneways
 */
#ifndef IPC_CHANNEL_OPENED_H
#define IPC_CHANNEL_OPENED_H

#include "channel-client.h"
#include "channel-server.h"
#include "object.h"

/* Oneways through the bus before the client uses the ring again. */
#define BUS_ONEWAYS 4U

struct channel {
	struct channel_caller caller;
	uint64_t id;			/* the server's */
	atomic_bool ended;		/* later calls go through the bus */
	atomic_bool forgotten;		/* and the server was informed that the last call has
	                      		 * ended */
	struct ipc_proxy *door;
	/* A word of device_poll_words() once the death of the door is reported, before that
	 * not_watched. */
	const atomic_uint *_Atomic event;
	_Atomic uint64_t asked;		/* time of the last channel_server_died() that asked */
	struct ipc_object *life;	/* dies with the channel */
	pid_t owner;			/* the process that mapped it, not a child */
	/* See channel_note_unfit(): a count, and the client's tail at the last check. */
	atomic_uint unfit;
	atomic_uint checked_tail;
	/* Oneways. Under the lock. */
	atomic_uint lock;		/* 0: free; 1: taken; 2: threads may sleep */
	bool in_ring;			/* oneways use the ring; otherwise the bus */
	bool fenced;			/* no oneway used the bus after the last fence */
	unsigned int by_bus;		/* small oneways through the bus since a large oneway */
	uint32_t epoch;			/* of the last fence */
};

static inline bool channel_is_unusable(const struct channel *channel, const struct ipc *ipc)
{
	return unlikely(atomic_load_explicit(&channel->ended, memory_order_relaxed)) ||
	       unlikely(channel_is_ended(&channel->caller)) ||
	       unlikely(is_monitored(ipc));
}

/* Whether the bus need not know the message. */
static inline bool request_is_plain(const struct request *request)
{
	const struct ipcbus_send *send = &request->x.send;

	return !(send->flags & ~IPCBUS_SEND_IOV) &&
	       !request->t->ipc->device.send_flags && !send->object_count && !send->cookie &&
	       send->data_size <= CHANNEL_DATA_MAX &&
	       (send->code < IPC_CODE_BUILTIN || send->code >= IPC_CODE_BUILTIN + 16 ||
		send->code == IPC_CODE_PING);
}

/* Must be called when a message or its reply does not fit into the channel and goes through the
 * bus. Ends the channel if that happens often. A server that waits for channels needs more time for
 * a message of the bus: one such message costs as much as several messages in the channel save. */
void channel_note_unfit(struct channel *channel);

/* For tests: an irregular sequence. */
bool channel_choose_bus(void);

#endif /* IPC_CHANNEL_OPENED_H */
