/* SPDX-License-Identifier: MIT */
/*
 * struct ipc_error, the user's, and what travels of it, ipc.Error: in the answer of a
 * call (call.c, reply.c) and at the end of a stream (stream.c, stream-peer.c).
 */
#ifndef IPC_ERRORS_H
#define IPC_ERRORS_H

#include "private.h"

#define ERRNO_MAX	4095

/* What a failed call leaves in error, if that is not NULL: returns code. */
int error_set(struct ipc_error *error, int code);
/* The same with what explains it, but for what there is no memory for: then the code
 * must do. */
int error_explain(struct ipc_error *error, int code, const Ipc__Error *explained);
/* How it travels; points into error. */
void error_describe(const struct ipc_error *error, Ipc__Error *ret_explained);

/* The negative errno of an error that a program raises, if it may: else -EINVAL. */
int error_check(const struct ipc_error *error, int *ret_code);

#endif /* IPC_ERRORS_H */
