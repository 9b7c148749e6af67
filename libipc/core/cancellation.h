/* SPDX-License-Identifier: MIT */
/*
 * Cancellations: what ends calls and streams that this process makes, for request.c, async.c
 * and stream-call.c.
 */
#ifndef IPC_CANCELLATION_H
#define IPC_CANCELLATION_H

#include "dependents.h"

struct ipc_cancellation {
	atomic_uint refs;
	struct ipc *ipc;		/* held */
	struct dependents dependents;
};

#endif /* IPC_CANCELLATION_H */
