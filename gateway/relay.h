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

/* Start to relay a call, inside net_accept. It takes references of what it needs. When the call is
 * over, exports_call_over() is called. After -ENOMEM, the caller ends the call. */
int relay_start(struct exports *exports, struct net_call *call, struct target *target,
		const struct schema_method *method);

#endif /* GATEWAY_RELAY_H */
