/* SPDX-License-Identifier: MIT */
/*
 * struct ipc_error, which programs see, and ipc.Error, which is sent: in the reply to a call
 * and at the end of a stream. wire.h says why core/ encodes it by hand.
 */
#ifndef IPC_ERRORS_H
#define IPC_ERRORS_H

#include "private.h"
#include "wire.h"

#define ERRNO_MAX	4095

/* Set *error, if error is not NULL, and return code. error_set() is for failures of this
 * side. */
int error_from(struct ipc_error *error, enum ipc_origin origin, int code);
int error_set(struct ipc_error *error, int code);
/*
 * Sets *error from what the peer reports: a code and the bytes of an ipc.Error. Returns the
 * code for the program, which is -EREMOTEIO if the peer cannot know what its code says. If
 * the bytes are malformed, or there is no memory for them, *error has only the code.
 */
int error_decode(struct ipc_error *error, int code, struct wire explained);
/* Sets *error to a copy of another, without the texts for which there is no memory. Returns
 * its code. */
int error_copy(struct ipc_error *error, const struct ipc_error *from);

/* Returns the most bytes that error_encode() writes. */
size_t error_size(const struct ipc_error *error);
/* Writes an ipc.Error; returns how many bytes it has. */
size_t error_encode(const struct ipc_error *error, uint8_t *to);

/* Sets *ret_code to the negative errno of an error that a program raises. Fails with -EINVAL
 * if a program may not raise it. */
int error_check(const struct ipc_error *error, int *ret_code);

#endif /* IPC_ERRORS_H */
