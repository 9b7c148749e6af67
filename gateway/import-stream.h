/* SPDX-License-Identifier: MIT */
/*
 * One stream on both sides: from a program on the bus to a gRPC server.
 */
#ifndef GATEWAY_IMPORT_STREAM_H
#define GATEWAY_IMPORT_STREAM_H

#include <ipc/raw.h>

#include "net.h"
#include "schema.h"

/*
 * Start to pass a stream on, inside the handler that it opened. The head's path and the method are
 * those of the server, and the time that is left is the stream's own. The method stays valid until
 * the network is not served any more. Whoever ends one side ends the other. over runs once, on any
 * thread, when both sides are over and nothing waits any more, also if this function fails.
 *
 *   -ETIMEDOUT  The time limit has passed.
 *   -ESHUTDOWN  The gateway stops.
 */
int import_stream_start(struct ipc_stream *stream, struct net_channel *channel,
			const struct net_head *head, const struct schema_method *method,
			void (*over)(void *userdata), void *userdata);

#endif /* GATEWAY_IMPORT_STREAM_H */
