/* SPDX-License-Identifier: MIT */
/*
 * Limits on messages and resources of peers. Included by <ipc/ipc.h>; its rules and error list
 * apply. The size of the region, see ipc_open_sized(), limits the bytes of all messages that are
 * waiting.
 */
#ifndef IPC_LIMITS_H
#define IPC_LIMITS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ipc;
struct ipc_object;

/*
 * Limit the resources of an object that all processes of a user may hold together. 0 leaves a limit
 * unchanged. Set-up only.
 *
 *   streams       Streams that are open or still referenced by a client: 1024 without a setting.
 *                 Each stream costs this process two kernel objects. Beyond the limit, opening
 *                 fails with -EDQUOT.
 *   calls         Calls and oneways that handlers have or keep: without a setting, only the kernel
 *                 limits them. Another call fails with -EDQUOT; a oneway is discarded.
 *   message_size  Bytes of a request, or of a message of a stream. A larger
 *                 request fails with -EMSGSIZE before it is unpacked; a larger oneway is discarded;
 *                 a larger message ends its stream. A message with many small fields can take
 *                 thirty times its size in memory while it is handled. Without a setting, only
 *                 ipc_set_message_max() limits it.
 *   waiting_bytes Bytes of memory of stream messages that have arrived and that the program has not
 *                 received: 64 MiB without a setting. Each message counts with its unpacked size
 *                 and about 3 KiB. A message beyond it ends its stream with -EDQUOT on both sides.
 *                 If no other message of the user is waiting, a message always fits.
 *                 256 files and objects of these messages are a limit of the same kind.
 *   window        Messages that a client may send ahead in a stream, 1 to 16: 16 without a setting.
 *                 See <ipc/stream.h>.
 *
 * A user is the effective uid of a client, see ipc_call_uid().
 *
 *   -EBUSY    The object is already in use.
 *   -EINVAL   The window is more than 16.
 */
struct ipc_object_limits {
	size_t size;			/* sizeof(struct ipc_object_limits) */
	size_t message_size;
	uint32_t streams;
	uint32_t calls;
	uint32_t waiting_bytes;
	uint32_t window;
};

int ipc_object_set_limits(struct ipc_object *object, const struct ipc_object_limits *limits);

/* The maximum of bytes of a message that arrives as a file. */
#define IPC_MESSAGE_MAX		((size_t)1 << 30)

/*
 * Limit the bytes of messages that this connection receives: replies to generated functions,
 * messages of streams that it opened, and requests that arrive as files because they do not fit
 * into the region. In generated C, also limit the bytes of the files of shared memory in one
 * message. Without a call, the limit is IPC_MESSAGE_MAX. A larger message is not unpacked, and its
 * handler does not run: the call fails with -EMSGSIZE, and a stream ends with -EMSGSIZE. The limit
 * does not apply to replies of bytes (raw.h) that fit into the region.
 *
 * Unpacking takes at most 64 times the size of a message in memory; for the part of a message
 * beyond 4 MiB, at most its size. If the deadline of the call passes in the meantime, the call
 * fails with -ETIMEDOUT. Messages of a stream that have arrived and that the program has not
 * received take at most 16 * (size + 4096) bytes of memory, and at most 64 MiB, and contain at most
 * 256 files and objects. A message beyond that ends its stream with -EDQUOT, but a single message
 * always fits. At most 16 messages of bytes may wait in a stream, of any size.
 *
 *   -EINVAL  size is 0 or more than IPC_MESSAGE_MAX.
 */
int ipc_set_message_max(struct ipc *ipc, size_t size);

#ifdef __cplusplus
}
#endif

#endif /* IPC_LIMITS_H */
