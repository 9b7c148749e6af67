/* SPDX-License-Identifier: MIT */
/*
 * The client's side of direct channels: see channel-server.h for the protocol.
 *
 * A proxy gets a channel at about its call number CHANNEL_AFTER. A call uses it only if the bus
 * need not know about it: plain bytes that fit, no objects or files in either direction, no parent,
 * no cancellation, and not in a handler, because the bus tracks chains of calls.
 *
 * Oneways of plain bytes that fit go through the channel as well, unless the ring is full. After a
 * oneway through the bus, the next oneways use the bus too, because each change costs a message:
 * see "Oneways" in channel-server.h.
 *
 * Async calls of plain bytes as well: see channel-async.c.
 */
#ifndef IPC_CHANNEL_CLIENT_H
#define IPC_CHANNEL_CLIENT_H

#include "shm/channel.h"
#include "core/proxy.h"
#include "core/request.h"

/* Returns the channel for the next call or oneway of the proxy, or NULL. When it is due, does a
 * step of the set-up, which does not wait for the server. Must not be called while the thread's
 * scratch buffer is in use. */
struct channel *channel_of_proxy(struct thread *t, struct ipc_proxy *proxy);
/* Whether the set-up of a channel waits for the end of the async call. */
bool channel_has_asked(struct ipc *ipc, uint64_t id);

/* Makes the call through the channel. Returns 1 if the bus must make it; otherwise as
 * request_call(). */
int channel_call(struct channel *channel, struct request *request);

/* Takes a cell for an async call, and writes the request there: 0. Returns 1 if the bus must send
 * the call. deadline: the absolute time, or 0. */
int channel_reserve_async(struct channel *channel, struct request *request, uint64_t deadline,
			  struct channel_call *ret_call, unsigned int *ret_cell);
/* Sends the call. From then on serving threads get the event that ends it. On failure it was not
 * sent. */
int channel_send_async(struct channel *channel, struct thread *t, unsigned int cell,
		       const struct channel_call *call, uint64_t id);
/* The program does not wait for the call with that id any more: informs the server, unless a thread
 * has the reply already. */
void channel_cancel_async(struct channel *channel, unsigned int cell, uint64_t id);
/* Informs the server after an event that ended a call because of its deadline. */
void channel_async_is_late(struct channel *channel, const struct ipcbus_event *event);
/* Handles a message to the object of a channel. Returns false if the object is another one. */
bool channel_take_message(struct thread *t, const struct ipc_object *object,
			  const struct ipcbus_event *event);
/* The owner of the door has died: ends its async calls. */
void channels_server_died(struct ipc *ipc, const struct ipc_proxy *door);
/* Must be called before a thread polls: from now on the fd for event loops reports replies to async
 * calls. Returns true if there are replies already. */
bool channels_arm(struct ipc *ipc);

/* Sends a oneway through the channel: 0. Returns 1 if the bus must send it. */
int channel_oneway(struct channel *channel, struct request *request);
/* Must be called before each try to send a oneway through the bus. On failure, with the errors of
 * sending, the oneway must not be sent. */
int channel_use_bus(struct channel *channel, struct request *request);
/* Must be called after a oneway was sent through the bus, also if the proxy got the channel only
 * meanwhile. */
void channel_used_bus(struct channel *channel, const struct request *request);

/* Whether the server of the channel has died. Cheap enough for each message: asks the bus only if
 * it has an event for this connection, and then at most every 10 ms. So the death is noticed within
 * about 10 ms, whether or not a thread of this connection takes events. The first call requests the
 * report of the death. Does not use the thread's scratch buffer. */
bool channel_server_died(struct channel *channel);

/* Must be called when the death of the called object is reported. Later messages go through the
 * bus, which reports it, too. */
void channel_object_died(struct channel *channel);

/* Must be called before the last handle of the object is dropped, and before the proxy gets
 * another channel. Until the server has served the oneways in the ring, a oneway through the bus
 * then keeps the object alive. If that fails, only the server's reference does. */
int channel_leave(struct channel *channel, struct ipc_proxy *proxy);

/* Closes the channels of a proxy that is freed or whose connection is closed. channel: the latest,
 * or NULL. */
void channel_close(struct channel *channel);

#endif /* IPC_CHANNEL_CLIENT_H */
