/* SPDX-License-Identifier: MIT */
/*
 * The services that a gRPC server has beside its own: health (grpc.health.v1.Health) and reflection
 * (grpc.reflection.v1alpha.ServerReflection), as their public definitions say.
 */
#ifndef GATEWAY_BUILTIN_H
#define GATEWAY_BUILTIN_H

#include <stdbool.h>

#include "export.h"
#include "net.h"
#include "wire.h"

struct builtins;

int builtins_new(struct builtins **ret_builtins, struct exports *exports);

/* Free it, when no call is open. NULL is allowed. */
struct builtins *builtins_free(struct builtins *builtins);

/* Serve a call, inside net_accept. 1: it is one of these services; 0: it is not. After -ENOMEM the
 * caller ends the call. */
int builtins_start(struct builtins *builtins, struct net_call *call);

/* What such calls did. */
const struct net_counts *builtins_counts(const struct builtins *builtins);

/* What is behind a name has changed, or who may find it. */
void builtins_changed(struct builtins *builtins);

/* End those that watch. */
void builtins_stop(struct builtins *builtins);

/* reflection.c: the reply to a request of a call. */
void reflection_reply(struct exports *exports, const struct net_call *call, const void *request,
		      size_t size, struct wire_buffer *reply);

#endif /* GATEWAY_BUILTIN_H */
