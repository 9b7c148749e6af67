/* SPDX-License-Identifier: MIT */
/*
 * One stream on both sides: from a program on the bus to a gRPC server.
 */
#ifndef GATEWAY_IMPORT_STREAM_H
#define GATEWAY_IMPORT_STREAM_H

#include <ipc/raw.h>

#include "net.h"
#include "schema/schema.h"

/*
 * Forward a stream to a server. Must be called in the handler of the stream, which must return the
 * result. Does not block. The deadline is the stream's, not the head's. The head may be freed
 * afterwards. method must stay valid as long as the network is served. If one side ends, the other
 * side ends too. over runs exactly once, on any thread, when both sides are over, also if this
 * function fails.
 *
 *   -ETIMEDOUT  The timeout has passed.
 *   -ESHUTDOWN  The gateway stops.
 *   -ENOMEM
 */
int import_stream_start(struct ipc_stream *stream, struct net_channel *channel,
			const struct net_head *head, const struct schema_method *method,
			void (*over)(void *userdata), void *userdata);

#endif /* GATEWAY_IMPORT_STREAM_H */
