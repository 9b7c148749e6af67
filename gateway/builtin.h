/* SPDX-License-Identifier: MIT */
/*
 * The services that a gRPC server provides itself: Check of grpc.health.v1.Health, and
 * ServerReflection of grpc.reflection.v1 and v1alpha.
 */
#ifndef GATEWAY_BUILTIN_H
#define GATEWAY_BUILTIN_H

#include "export.h"
#include "net.h"
#include "schema/wire.h"

/* Serve a call, inside net_accept. Returns false if the call is of another service. */
bool builtin_accept(struct exports *exports, struct net_counts *counts, struct net_call *call);

/* reflection.c: writes the reply to a request of a call. */
void reflection_reply(struct exports *exports, const struct net_call *call, const void *request,
		      size_t size, struct wire_buffer *reply);

#endif /* GATEWAY_BUILTIN_H */
