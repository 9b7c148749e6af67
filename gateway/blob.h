/* SPDX-License-Identifier: MIT */
/*
 * Blobs in messages that leave the machine. On the bus their bytes lie beside the message, or in
 * files; on the network they are in it.
 */
#ifndef GATEWAY_BLOB_H
#define GATEWAY_BLOB_H

#include <ipc/raw.h>

#include "target.h"
#include "wire.h"

/*
 * Put the bytes of all blobs into a received message of this type. data and size are those of the
 * message in its payload. The caller frees to->data, also after a failure.
 *
 *   -EMSGSIZE  The blobs have more than max bytes.
 *   -EBADMSG   The message is malformed, or a blob is not what it says.
 */
int blob_inline(const struct target *target, const struct schema_type *type,
		const struct ipc_raw_message *received, size_t max, struct wire_buffer *to);

#endif /* GATEWAY_BLOB_H */
