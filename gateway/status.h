/* SPDX-License-Identifier: MIT */
/*
 * Converts errors of ipcbus to gRPC statuses and back: the table of docs/gateway.md.
 *
 * The details of a status are a google.rpc.Status. It has a google.rpc.ErrorInfo with errno, name
 * and number as texts, and the ipc.Error of the server.
 */
#ifndef GATEWAY_STATUS_H
#define GATEWAY_STATUS_H

#include <ipc/ipc.h>

#include "net.h"

/* Clients accept 8 KiB of headers. A longer message is truncated. If the details make the status
 * too long, they are omitted. */
#define STATUS_MESSAGE_MAX	512
#define STATUS_DETAILS_MAX	4096

enum net_code status_of_errno(int code);

/* Returns the negative errno of a status, or 0 for NET_OK. */
int status_to_errno(enum net_code code);

/* Return the name of an errno ("EINVAL") or of a status ("INVALID_ARGUMENT"), or "" if it has
 * none. */
const char *status_errno_name(int code);
const char *status_name(enum net_code code);

/* A status and the memory it points to. */
struct status {
	struct net_status is;
	char *message;
	uint8_t *details;
};

/* Convert the error r, which may be 0, to a status. error may be NULL. interface is the interface
 * of the service. If memory is short, the status has only its code. */
struct status status_of(int r, const struct ipc_error *error, const char *interface);
void status_done(struct status *status);

/* Append an error as the bytes of an ipc.Error of idl/ipc/ipc.proto. */
struct wire_buffer;
void status_put_error(struct wire_buffer *to, const struct ipc_error *error);

/* Convert a status to an error: the ipc.Error in its details. If there is none or it is malformed,
 * the error has the name of the status ("grpc.ABORTED") and its message. The caller must free
 * *ret_error with ipc_error_done(). If memory is short, returns -ENOMEM. */
int status_to_error(const struct net_status *status, struct ipc_error *ret_error);

/* End the call with the error r. */
void status_finish(struct net_call *call, int r, const struct ipc_error *error,
		   const char *interface);

/* End the call with an error of the gateway itself. */
void status_say(struct net_call *call, enum net_code code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* End a call whose request is not a valid message. */
void status_refuse_message(struct net_call *call);

#endif /* GATEWAY_STATUS_H */
