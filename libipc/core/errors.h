/* SPDX-License-Identifier: MIT */
/*
 * struct ipc_error, which programs see, and ipc.Error, which is sent: in the reply to a call
 * and at the end of a stream. wire.h says why core/ encodes it by hand.
 */
#ifndef IPC_ERRORS_H
#define IPC_ERRORS_H

#include <stdarg.h>

#include "base/wire.h"
#include "conn/private.h"

#define ERRNO_MAX	4095

/* Set *error, if error is not NULL, and return code. error_set() is for failures of this
 * side. */
int error_from(struct ipc_error *error, enum ipc_origin origin, int code);
int error_set(struct ipc_error *error, int code);
/*
 * Sets *error from the peer's report: a code and the bytes of an ipc.Error. Returns the code for
 * the program, which is -EREMOTEIO if the peer cannot know such a code. If the bytes are malformed,
 * or there is no memory for them, *error has only the code.
 */
int error_decode(struct ipc_error *error, int code, struct wire explained);
/* Sets *error to a copy of another, without the texts for which there is no memory. Returns
 * its code. */
int error_copy(struct ipc_error *error, const struct ipc_error *from);

/* Returns the most bytes that error_encode() writes. */
size_t error_size(const struct ipc_error *error);
/* Writes an ipc.Error; returns how many bytes it has. */
size_t error_encode(const struct ipc_error *error, uint8_t *to);

/* Whether there is more to send than the code. */
static inline bool error_explains(const struct ipc_error *error)
{
	return error->name || error->text || error->number || error->details_size;
}

/* Sets *ret_code to the negative errno of an error with which a program fails a call or stream.
 * Fails with -EINVAL if it may not. */
int error_check(const struct ipc_error *error, int *ret_code);
/* Logs the failure of a oneway that a handler does not get, or of a stream: once for each kind,
 * code and connection. name is the object's interface or the stream's method; NULL is allowed. */
enum failure_kind { FAILURE_ONEWAY, FAILURE_STREAM };
void log_failure(struct ipc *ipc, enum failure_kind kind, int code, const char *name);

/* Returns the text for free(), or NULL without a format or memory. */
char *error_format(const char *format, va_list args);

#endif /* IPC_ERRORS_H */
