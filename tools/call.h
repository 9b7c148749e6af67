/* SPDX-License-Identifier: MIT */
/*
 * What the two halves of ipcctl call share: verb-call.c, and call-stream.c for
 * methods with streams.
 */
#ifndef IPCCTL_CALL_H
#define IPCCTL_CALL_H

#include "schema.h"

/* A request of JSON, whose reference it takes: a status, with what is wrong said. */
int call_make_request(const struct schema_method *method, json_t *json,
		      struct schema_context *context, ProtobufCMessage **ret_request);

/* Shows an answer, as a line if there are more. */
int call_put_reply(const ProtobufCMessage *reply, bool line);

/* Says why a call of what failed. */
int call_refused(int r, const char *what, const struct ipc_error *error);

/* All of a method with streams. text: the request, "-" or NULL as on the command line. */
int call_stream(struct ipc *ipc, struct ipc_proxy *proxy, const struct schema_method *method,
		const char *text);

#endif
