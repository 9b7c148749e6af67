/* SPDX-License-Identifier: MIT */
/*
 * Converts metadata between gRPC and ipcbus.
 */
#ifndef GATEWAY_METADATA_H
#define GATEWAY_METADATA_H

#include <ipc/raw.h>

#include "net.h"

/* Name of the metadata that has the name in the client's certificate as its value. */
#define METADATA_PEER "ipc-peer"

/*
 * Convert the metadata of a client's call for a struct ipc_options, and add METADATA_PEER if the
 * client has a certificate. If there are none, *ret_metadata is NULL. The caller must free it with
 * a single free(). Names that the protocol reserves (such as grpc-... and user-agent) or that only
 * the gateway may set (ipc-...) are omitted. If a name ends in "-bin", its value becomes base64.
 *
 *   -ENOMEM
 */
int metadata_of(const struct net_call *call, const char ***ret_metadata);

/* Maximum bytes of metadata of a call of an imported service: names and values, each with a 0. */
#define METADATA_MAX ((size_t)64 << 10)

/*
 * Convert the metadata of a call or a stream on the bus for a head. One of call and stream must be
 * NULL. The head refers to *ret_metadata, which the caller frees with a single free(), and to the
 * call or stream. If there are none, *ret_metadata is NULL and the head is unchanged. If a name
 * ends in "-bin", its value must be base64 with padding.
 *
 *   -EINVAL    gRPC cannot carry a name or its value, or reserves the name. *ret_bad is the name.
 *   -EMSGSIZE  The metadata have more than METADATA_MAX bytes.
 *   -ENOMEM
 */
int metadata_to_head(const struct ipc_call *call, const struct ipc_stream *stream,
		     struct net_head *head, struct net_metadata **ret_metadata,
		     const char **ret_bad);

#endif /* GATEWAY_METADATA_H */
