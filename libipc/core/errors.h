/* SPDX-License-Identifier: MIT */
/*
 * struct ipc_error, the user's, and ipc.Error, which travels of it: in the reply of a
 * call and at the end of a stream. The encoding is protobuf's; see wire.h for why it
 * is done by hand.
 */
#ifndef IPC_ERRORS_H
#define IPC_ERRORS_H

#include "private.h"
#include "wire.h"

#define ERRNO_MAX	4095

/* What a failed call leaves in error, if that is not NULL: returns code. */
int error_set(struct ipc_error *error, int code);
/* The same with what explains it, the bytes of an ipc.Error. If they are none, or there
 * is no memory for them, the code must do. */
int error_decode(struct ipc_error *error, int code, struct wire explained);
/* The same with what explains another. */
int error_copy(struct ipc_error *error, const struct ipc_error *from);

/* The bytes of an ipc.Error: writes at most error_size() of them, and says how many. */
size_t error_size(const struct ipc_error *error);
size_t error_encode(const struct ipc_error *error, uint8_t *to);

/* The negative errno of an error that a program raises, if it may: else -EINVAL. */
int error_check(const struct ipc_error *error, int *ret_code);

#endif /* IPC_ERRORS_H */
