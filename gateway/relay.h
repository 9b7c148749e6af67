/* SPDX-License-Identifier: MIT */
/*
 * A relay forwards a call from a gRPC client to an object of the bus.
 */
#ifndef GATEWAY_RELAY_H
#define GATEWAY_RELAY_H

#include <ipc/raw.h>

#include "net.h"
#include "export-target.h"

/* Start to relay a call, inside net_accept. Takes its own references. After -ENOMEM the caller must
 * end the call. */
int relay_start(struct net_call *call, struct target *target, const struct schema_method *method);

/* Like relay_start(), for a method with streams; in stream.c. */
int stream_start(struct net_call *call, struct target *target, const struct schema_method *method);

/* Returns true if a client's bytes may be sent on the bus. On the bus, a payload that begins with
 * byte 7 is a frame with metadata, which clients must never create. Valid messages never begin with
 * byte 7. */
static inline bool relay_is_message(const struct net_message *message)
{
	return !message->size || *(const unsigned char *)message->parts[0].iov_base != 7;
}

#endif /* GATEWAY_RELAY_H */
