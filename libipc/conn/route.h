/* SPDX-License-Identifier: MIT */
/*
 * The route beside the bus: one table of functions, through which conn/ and core/ use it without
 * knowledge of what is behind it. channels/route.c fills the table for direct channels. The bus is
 * the other route: a function that returns 1 leaves the message to the bus.
 *
 * A message may take the route only if ipc->may_route is set. From its first channel on, a
 * connection has ipc->channels. A connection without either calls none of these functions, except
 * those of objects and proxies that have a channel.
 */
#ifndef IPC_ROUTE_H
#define IPC_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "ipcbus.h"

struct channel;
struct channel_call;
struct channel_view;
struct ipc;
struct ipc_call;
struct ipc_object;
struct ipc_proxy;
struct request;
struct thread;

struct route {
	/* --- Requests */

	/* Returns the channel for the next call or oneway of the proxy, or NULL. When it is due,
	 * does a step of the set-up, which does not wait for the server. Must not be called while
	 * the thread's scratch buffer is in use. */
	struct channel *(*of_proxy)(struct thread *t, struct ipc_proxy *proxy);
	/* Whether the set-up of a channel waits for the end of the async call. */
	bool (*has_asked)(struct ipc *ipc, uint64_t id);
	/* Makes the call: as request_call(), or 1. */
	int (*call)(struct channel *channel, struct request *request);
	/* Takes a cell for an async call, and writes the request there: 0, or 1. deadline: the
	 * absolute time, or 0. */
	int (*reserve_async)(struct channel *channel, struct request *request, uint64_t deadline,
			     struct channel_call *ret_call, unsigned int *ret_cell);
	/* Sends the call. From then on serving threads get the event that ends it. On failure it
	 * was not sent. */
	int (*send_async)(struct channel *channel, struct thread *t, unsigned int cell,
			  const struct channel_call *call, uint64_t id);
	/* The program does not wait for the call with that id any more: informs the server, unless
	 * a thread has the reply already. */
	void (*cancel_async)(struct channel *channel, unsigned int cell, uint64_t id);
	/* Informs the server after an event that ended a call because of its deadline. */
	void (*async_is_late)(struct channel *channel, const struct ipcbus_event *event);
	/* Sends a oneway: 0, or 1. */
	int (*oneway)(struct channel *channel, struct request *request);
	/* Must be called before each try to send a oneway through the bus. On failure, with the
	 * errors of sending, the oneway must not be sent. */
	int (*use_bus)(struct channel *channel, struct request *request);
	/* Must be called after a oneway was sent through the bus, also if the proxy got the channel
	 * only meanwhile. */
	void (*used_bus)(struct channel *channel, const struct request *request);

	/* --- Proxies */

	/* Must be called when the death of the called object is reported. Later messages go through
	 * the bus, which reports it, too. */
	void (*object_died)(struct channel *channel);
	/* A watched object has died: the door of a server, or the object of a client. */
	void (*proxy_died)(struct ipc *ipc, const struct ipc_proxy *proxy);
	/* The last handle of the object is about to be dropped. Until the server has served the
	 * oneways in the ring, a oneway through the bus then keeps the object alive. If that fails,
	 * only the server's reference does. */
	int (*leave)(struct channel *channel, struct ipc_proxy *proxy);
	/* Closes the channels of a proxy that is freed or whose connection is closed. */
	void (*close)(struct channel *channel);

	/* --- Serving */

	/* Does an exchange for channels: sends a reply to a call of a channel, and waits for calls
	 * and events. Returns the result of the exchange, or 1: the bus must do the rest of the
	 * exchange, without that reply. */
	int (*exchange)(struct thread *t, struct ipcbus_exchange *x);
	/* Releases a buffer for which is_route_buffer() is true. */
	void (*release)(struct thread *t, uint64_t buffer);
	/* Whether serving threads wait for channels. */
	bool (*is_served)(struct ipc *ipc);
	/* Returns the number of channels that the thread serves. */
	unsigned int (*n_served)(const struct thread *t);
	/* Must be called before a thread polls, or the program sleeps in its loop: from now on the
	 * fd for event loops reports replies to async calls, and if the program has called
	 * ipc_process(), also messages. Returns true if there are any already. t: the calling
	 * thread, or NULL. */
	bool (*arm)(struct ipc *ipc, struct thread *t);
	/* Must be called when a thread with t->asleep serves again. */
	void (*awake)(struct thread *t);
	/* Only looks. */
	bool (*ready)(struct ipc *ipc, struct thread *t);
	/* The last thread leaves ipc_run(): ends all channels, unless the program has a loop.
	 * Clients notice it at their next call. */
	void (*end)(struct ipc *ipc);
	/* Drops a thread's references of channels. The device must be open. */
	void (*free_view)(struct channel_view *view);

	/* --- Calls and events */

	/* Serves IPC_NUMBER_CHANNEL. Takes ownership of the objects and files of the call. */
	int (*serve)(struct ipc_call *call, const struct ipcbus_event *event);
	/* Handles a message to the object of a channel. Returns false if the object is another. */
	bool (*take_message)(struct thread *t, const struct ipc_object *object,
			     const struct ipcbus_event *event);
	/* Must be called before the handler of the route's call makes a call. */
	void (*nests)(struct thread *t, uint64_t call, uint64_t deadline);
	/* call_ask_canceled() for a call of the route. If the channel is gone, returns 1. */
	int (*call_canceled)(struct ipc *ipc, uint64_t call);
	/* Likewise ipc_call_pidfd(). */
	int (*call_pidfd)(struct ipc *ipc, uint64_t call);
	/* Returns the route's call that a canceled call of the bus had joined, or 0. */
	uint64_t (*join_canceled)(struct ipc *ipc, uint64_t join);
	/* Drops an event that is not served. ipc: NULL if the connection is closed. */
	void (*drop)(struct ipc *ipc, const struct ipcbus_event *event);

	/* --- Objects with a channel: turn.h */

	/* Runs an event in the turn that the thread has taken, and ends the turn. */
	void (*run)(struct thread *t, struct ipc_object *object, const struct ipcbus_event *event);
	/* Takes the turn and runs the event. If it is taken, parks a copy, or without memory drops
	 * it. */
	void (*run_or_park)(struct thread *t, struct ipc_object *object,
			    const struct ipcbus_event *event);
	/* A oneway's handler keeps its call, and returns: the call has the turn now. Returns
	 * whether the call must end the turn. */
	bool (*keep_turn)(struct thread *t, const struct ipc_call *call);
	/* Ends the turn. Takes ipc->lock, under which no handler runs. */
	void (*leave_turn)(struct ipc_object *object);
	/* Whether a message of a channel to the object waits or is handled. */
	bool (*has_work)(struct ipc_object *object);
	/* The object has ended: ends its channels. */
	void (*end_object)(struct ipc *ipc, uint64_t cookie);
};

/* Set in event.call if the call came by the route. Ids of the bus never reach this bit. */
#define ROUTE_CALL_BIT (1ULL << 63)
/* The same in event.buffer. In ids of the bus, the lower half is the number of a buffer. */
#define ROUTE_BUFFER_BIT (1ULL << 31)
static inline bool is_route_call(uint64_t call)
{
	return call & ROUTE_CALL_BIT;
}

static inline bool is_route_buffer(uint64_t buffer)
{
	return buffer & ROUTE_BUFFER_BIT;
}

/* Kind of an event that stands for oneways of a channel. The thread that takes it has the object's
 * turn. The driver never sets it. */
#define ROUTE_EVENT 0x10000U

/* Returns the object of a ROUTE_EVENT, which has a reference of it. */
static inline struct ipc_object *route_event_object(const struct ipcbus_event *event)
{
	return (struct ipc_object *)(uintptr_t)event->call;
}

#endif /* IPC_ROUTE_H */
