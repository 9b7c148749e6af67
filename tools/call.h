/* SPDX-License-Identifier: MIT */
/*
 * What verb-call.c and call-stream.c (methods with streams) share. Each function prints what
 * went wrong and returns an enum status.
 */
#ifndef IPCCTL_CALL_H
#define IPCCTL_CALL_H

#include "schema.h"

/* Parses a text, or standard input if it is "-". */
int call_read_json(const char *text, json_t **ret_json);

/* Prints where JSON is not valid. */
int call_bad_json(const json_error_t *error);

/* Makes a request of JSON, whose reference it takes. */
int call_make_request(const struct schema_method *method, json_t *json,
		      struct schema_context *context, ProtobufCMessage **ret_request);

/* Prints a reply; as one line if more follow. */
int call_put_reply(const ProtobufCMessage *reply, bool line);

/* Prints why a call failed: r is its -errno, what the method. */
int call_failed(int r, const char *what, const struct ipc_error *error);

/* Calls a method with streams. text: JSON, "-" or NULL, as on the command line. */
int call_stream(struct ipc *ipc, struct ipc_proxy *proxy, const struct schema_method *method,
		const char *text);

#endif
