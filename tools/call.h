/* SPDX-License-Identifier: MIT */
/*
 * What verb-call.c and call-stream.c (methods with streams) share. Each function prints what
 * went wrong and returns an enum status.
 */
#ifndef IPCCTL_CALL_H
#define IPCCTL_CALL_H

#include "schema.h"

/* Makes a request of JSON, whose reference it takes. In any case, the caller ends with
 * schema_message_done(). */
int call_encode(const struct schema_method *method, json_t *json, struct schema_message *request);

/* The same of a text, or of standard input if that is "-"; NULL: {}. */
int call_encode_text(const struct schema_method *method, const char *text,
		     struct schema_message *request);

/* Prints where JSON is not valid. */
int call_bad_json(const json_error_t *error);

/* Prints a reply; as one line if more follow. */
int call_put_reply(const struct schema_method *method, const struct ipc_raw_message *reply,
		   bool line);

/* Prints why a call failed: r is its -errno. */
int call_failed(int r, const struct schema_method *method, const struct ipc_error *error);

/* For ipc_options: those of the command line; NULL, if there are none. */
const char *const *call_metadata(void);

/* Calls a method with streams. text: JSON, "-" or NULL, as on the command line. */
int call_stream(struct ipc *ipc, struct ipc_proxy *proxy, const struct schema_method *method,
		const char *text);

#endif
