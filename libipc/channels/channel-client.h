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
 * So do async calls of plain bytes that fit: see channel-async.c.
 */
#ifndef IPC_CHANNEL_CLIENT_H
#define IPC_CHANNEL_CLIENT_H

#include "shm/channel.h"
#include "core/proxy.h"
#include "core/request.h"

/* Functions of channels_route: see conn/route.h. */
struct channel *channel_of_proxy(struct thread *t, struct ipc_proxy *proxy);
bool channel_has_asked(struct ipc *ipc, uint64_t id);
int channel_call(struct channel *channel, struct request *request);
int channel_reserve_async(struct channel *channel, struct request *request, uint64_t deadline,
			  struct channel_call *ret_call, unsigned int *ret_cell);
int channel_send_async(struct channel *channel, struct thread *t, unsigned int cell,
		       const struct channel_call *call, uint64_t id);
void channel_cancel_async(struct channel *channel, unsigned int cell, uint64_t id);
void channel_async_is_late(struct channel *channel, const struct ipcbus_event *event);
int channel_oneway(struct channel *channel, struct request *request);
int channel_use_bus(struct channel *channel, struct request *request);
void channel_used_bus(struct channel *channel, const struct request *request);
void channel_object_died(struct channel *channel);
/* Must also be called before the proxy gets another channel. */
int channel_leave(struct channel *channel, struct ipc_proxy *proxy);
/* Closes all channels of a proxy. channel: the latest, or NULL. */
void channel_close(struct channel *channel);
bool channels_arm(struct ipc *ipc, struct thread *t);
bool channels_ready(struct ipc *ipc, struct thread *t);
void channels_awake(struct thread *t);
bool channel_take_message(struct thread *t, const struct ipc_object *object,
			  const struct ipcbus_event *event);

/* Ends the async calls to the owner of the door, which has died. */
void channels_server_died(struct ipc *ipc, const struct ipc_proxy *door);
/* Whether the server of the channel has died. Cheap enough for each message: asks the bus only if
 * it has an event for this connection, and then at most every 10 ms. So the death is noticed within
 * about 10 ms, whether or not a thread of this connection takes events. The first call requests the
 * report of the death. Does not use the thread's scratch buffer. */
bool channel_server_died(struct channel *channel);

#endif /* IPC_CHANNEL_CLIENT_H */
