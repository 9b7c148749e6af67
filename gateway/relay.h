/* SPDX-License-Identifier: MIT */
/*
 * A relay is one call on both sides: from a gRPC client to an object of the bus.
 */
#ifndef GATEWAY_RELAY_H
#define GATEWAY_RELAY_H

#include <ipc/raw.h>

#include "export.h"
#include "net.h"
#include "target.h"

/* Start to relay a call, inside net_accept. It takes references of what it needs. After
 * -ENOMEM, the caller ends the call. */
int relay_start(struct exports *exports, struct net_call *call, struct target *target,
		const struct schema_method *method);

/* The same for a method with streams; stream.c. */
int stream_start(struct exports *exports, struct net_call *call, struct target *target,
		 const struct schema_method *method);

/* Whether bytes of a client may go onto the bus. There, the byte 7 at the beginning of a payload
 * marks a frame with metadata and blobs, which clients must not make. No message begins with it. */
static inline bool relay_is_message(const struct net_message *message)
{
	return !message->size || *(const unsigned char *)message->parts[0].iov_base != 7;
}

/* What the client gets of a message of the service: *ret_data and *ret_size. The caller frees
 * *ret_made, also after a failure. If it fails, the caller frees *ret_error with ipc_error_done().
 *
 *   -EMSGSIZE  Its blobs are too large.
 *   -EBADMSG   It is malformed.
 */
int relay_message(const struct exports *exports, const struct target *target,
		  const struct schema_method *method, const struct ipc_raw_message *received,
		  const void **ret_data, size_t *ret_size, void **ret_made,
		  struct ipc_error *ret_error);

/* End a call whose request is none. */
void relay_refuse_message(struct net_call *call);

#endif /* GATEWAY_RELAY_H */
