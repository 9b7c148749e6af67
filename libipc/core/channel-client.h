/* SPDX-License-Identifier: MIT */
/*
 * The client's side of direct channels: see channel-server.h for the protocol.
 *
 * A proxy gets a channel once it is called often. A call takes it if it is plain bytes that fit,
 * and has nothing that the bus has to know of: no objects or files in either direction, no parent,
 * no cancellation. Nor does a call from within a handler, because the bus follows chains of calls.
 *
 * A oneway or an async call goes by the bus. The next call follows it there, or it could overtake
 * it: the *fence*.
 */
#ifndef IPC_CHANNEL_CLIENT_H
#define IPC_CHANNEL_CLIENT_H

#include "channel.h"
#include "proxy.h"
#include "request.h"

/* Calls of a proxy before it gets a channel. */
#define CHANNEL_AFTER 16U

/* A call of the proxy is about to be made: returns its channel, which it opens if it is time, or
 * NULL. Not to be called while the thread's scratch buffer is in use. */
struct channel *channel_of_proxy(struct ipc_proxy *proxy);

/* Makes the call by the channel. Returns 1 if the bus has to do it; otherwise as request_call(). */
int channel_call(struct channel *channel, struct request *request);
/* A oneway or an async call is about to be sent by the bus. */
void channel_fence(struct channel *channel);

/* The last reference of the proxy is gone, or its connection is closed. channel may be NULL. */
void channel_close(struct channel *channel);

#endif /* IPC_CHANNEL_CLIENT_H */
