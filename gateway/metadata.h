/* SPDX-License-Identifier: MIT */
/*
 * Metadata of gRPC as metadata of ipcbus, and the other way round.
 */
#ifndef GATEWAY_METADATA_H
#define GATEWAY_METADATA_H

#include <ipc/raw.h>

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

/* Bytes of metadata that a call of an imported service may have. */
#define METADATA_MAX ((size_t)64 << 10)

/*
 * Make the metadata of a call or stream on the bus those of a head, which refers to them and to the
 * call. One of call and stream is NULL. One free() of *ret_metadata frees them. Values of names
 * that end in "-bin" are base64.
 *
 *   -EINVAL    The protocol does not allow a name or its value, or has the name for itself:
 *              *ret_bad.
 *   -EMSGSIZE  They have more than METADATA_MAX bytes.
 *   -ENOMEM
 */
int metadata_to_head(const struct ipc_call *call, const struct ipc_stream *stream,
		     struct net_head *head, struct net_metadata **ret_metadata,
		     const char **ret_bad);

#endif /* GATEWAY_METADATA_H */
