/* SPDX-License-Identifier: MIT */
/*
 * Exports: names of the bus that gRPC clients may call. When an object is registered under the
 * name, the export requests its description, and serves calls while the object has the name.
 */
#ifndef GATEWAY_EXPORT_H
#define GATEWAY_EXPORT_H

#include <ipc/ipc.h>

#include "metrics.h"
#include "net.h"
#include "peer-policy.h"
#include "export-target.h"

struct exports;

/* Create an empty set of exports. The policy decides which clients may call; it must stay valid. */
int exports_new(struct exports **ret_exports, struct ipc *ipc, struct peer_policy *policy);

/* Free it. Must be called after the connection is no longer served and all calls have ended.
 * exports may be NULL. */
struct exports *exports_free(struct exports *exports);

/*
 * Add a name. Blocks until the service manager and, if the name is registered, the service have
 * replied. While the name is not registered, its calls fail with UNAVAILABLE. An interface belongs
 * to the export that had it first. Logs the reason of a failure.
 */
int exports_add(struct exports *exports, const char *name);

/* A net_accept; userdata is the struct exports. */
void exports_accept(struct net_call *call, void *userdata);

/* Return EXPORT_SERVED if a service with this interface is exported and registered, or EXPORT_WAITS
 * if it is exported but not registered now. If the interface was never seen, or the peer of the
 * call may not find it, return EXPORT_NONE. */
enum export_state { EXPORT_NONE, EXPORT_WAITS, EXPORT_SERVED };
enum export_state exports_has(struct exports *exports, const struct net_call *call,
			      const char *interface);

/* Call see for each registered service that the peer of the call may list. see must not block. */
void exports_each(struct exports *exports, const struct net_call *call,
		  void (*see)(const struct target *target, void *userdata), void *userdata);

/* Print the counts of each name. */
void exports_metrics(const struct exports *exports, FILE *file, metrics_printer *print);

#endif /* GATEWAY_EXPORT_H */
