/* SPDX-License-Identifier: MIT */
/*
 * A relay is one call on both sides: from a gRPC client to an object of the bus.
 */
#ifndef GATEWAY_RELAY_H
#define GATEWAY_RELAY_H

#include <ipc/raw.h>

#include "net.h"
#include "target.h"

/* Start to relay a call, inside net_accept. It takes references of what it needs. After
 * -ENOMEM, the caller ends the call. */
int relay_start(struct net_call *call, struct target *target, const struct schema_method *method);

/* The same for a method with streams; stream.c. */
int stream_start(struct net_call *call, struct target *target, const struct schema_method *method);

/* Whether bytes of a client may go onto the bus. There, the byte 7 at the beginning of a payload
 * marks a frame with metadata, which clients must not make. No message begins with it. */
static inline bool relay_is_message(const struct net_message *message)
{
	return !message->size || *(const unsigned char *)message->parts[0].iov_base != 7;
}

/* End a call whose request is none. */
void relay_refuse_message(struct net_call *call);

#endif /* GATEWAY_RELAY_H */
