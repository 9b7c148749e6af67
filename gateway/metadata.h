/* SPDX-License-Identifier: MIT */
/*
 * Metadata of gRPC as metadata of ipcbus.
 */
#ifndef GATEWAY_METADATA_H
#define GATEWAY_METADATA_H

#include "net.h"

/* The name in the client's certificate. */
#define METADATA_PEER "ipc-peer"

/*
 * Make the metadata of a struct ipc_options, or NULL in *ret_metadata if there are none. One
 * free() frees it. Names of the protocol (grpc-..., user-agent) and those that only the gateway
 * may set (ipc-...) are left out. Values of names that end in "-bin" become base64.
 *
 *   -ENOMEM
 */
int metadata_of(const struct net_call *call, const char ***ret_metadata);

#endif /* GATEWAY_METADATA_H */
