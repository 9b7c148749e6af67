// SPDX-License-Identifier: MIT
/*
 * Resending a recording: see resend.h. Messages are sent as the recorded bytes. An outcome, of a
 * call now or in the recording, is the reply as JSON, or {"error", "name"}.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ipc/rpc.h>

#include "bus.h"
#include "deadline.h"
#include "ipcctl.h"
#include "json.h"
#include "output.h"
#include "resend.h"
#include "text.h"

/* Limit for a reply, and for a receiver to have space for a oneway. */
#define TIMEOUT_USEC 10000000

enum result { EQUAL, DIFFERS, SENT, SKIPPED, N_RESULTS };

/**
 * struct resend - state of a run
 * @ipc: the connection
 * @manager: also resend messages to the service manager
 * @open: rows of calls that were resent and whose end is still to be read, by id as text
 * @counts: number of messages by result
 */
struct resend {
	struct ipc *ipc;
	bool manager;
	json_t *open;
	unsigned long counts[N_RESULTS];
};

int resend_open(struct resend **ret_resend, bool manager)
{
	struct resend *resend = calloc(1, sizeof(*resend));
	int status;

	if (!resend)
		return fail_memory();
	resend->manager = manager;
	resend->open = json_object();
	status = resend->open ? bus_open(&resend->ipc) : fail_memory();
	if (status)
		resend_close(resend);
	else
		*ret_resend = resend;
	return status;
}

struct resend *resend_close(struct resend *resend)
{
	if (!resend)
		return NULL;
	json_decref(resend->open);
	ipc_unref(resend->ipc);
	free(resend);
	return NULL;
}

static json_t *set_result(struct resend *resend, json_t *row, enum result result)
{
	static const char *const names[] = { "equal", "differs", "sent", "skipped" };

	resend->counts[result]++;
	return value_set(row, "result", json_string(names[result]));
}

/* --- Sending ---------------------------------------------------------------------- */

static const char *key_of(char *key, size_t size, uint64_t id)
{
	snprintf(key, size, "%" PRIu64, id);
	return key;
}

/* Returns whether the payload is a complete message alone, without objects, blobs and metadata. */
static bool is_plain(const struct ipc_record *record)
{
	const void *message;
	size_t size;

	return !record->n_objects && record->data_kept == record->data_size &&
	       ipc_payload_message(record->data, record->data_kept, &message, &size) == 0 &&
	       size == record->data_kept;
}

/* NULL: the message can be resent. */
static const char *skip_reason(const struct resend *resend, const struct ipc_record *record,
			       const char *service)
{
	char parent[24];

	if (record->flags & IPC_RECORD_CLEAR)
		return "its content was secret (IPC_CLEAR)";
	if (record->data_kept < record->data_size)
		return "it is recorded in part only: use a larger --max-data with --write";
	if (!is_plain(record))
		return "it has objects, files, blobs or metadata";
	if (!strcmp(service, "servicemanager") && !resend->manager)
		return "it went to the service manager: --name servicemanager resends it";
	if (json_object_get(resend->open, key_of(parent, sizeof(parent), record->parent)))
		return "a service sends it while it serves a call that was resent";
	return NULL;
}

static json_t *error_outcome(int error, const char *name)
{
	return json_pack("{s:i, s:o*}", "error", error, "name", name ? text_json(name) : NULL);
}

static json_t *reply_outcome(const struct names *names, const struct ipc_record *call,
			     const struct ipc_raw_message *reply)
{
	json_t *json = names_decode(names, call->to_pid, call->node, call->code, IPC_RECORD_REPLY,
				    reply->data, reply->size);

	return json ?: base64_encode(reply->data, reply->size);
}

/* Sends the message, and sets "reply" to the outcome of a call or of a failure. */
static json_t *transmit(struct resend *resend, const struct ipc_record *record,
			const struct names *names, const char *service, json_t *row)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	ipc_auto(ipc_raw_free) struct ipc_raw_message *reply = NULL;
	ipc_auto(ipc_proxy_unref) struct ipc_proxy *proxy = NULL;
	bool oneway = record->kind == IPC_RECORD_ONEWAY;
	const struct ipc_raw_message request = {
		.code = record->code,
		.flags = oneway ? 0 : IPC_RAW_ACCEPT_FDS,
		.data = record->data,
		.size = record->data_kept,
	};
	const struct ipc_options options = {
		.timeout_usec = TIMEOUT_USEC,
		.flags = oneway && (record->flags & IPC_RECORD_REPLACE) ? IPC_REPLACE : 0,
	};
	uint64_t begin = clock_ns();
	int r = bus_proxy(resend->ipc, service, &proxy);

	if (r == 0)
		r = oneway ? ipc_raw_oneway(proxy, &request, &options) :
			     ipc_raw_call(proxy, &request, &options, &reply, &error);
	if (r < 0)
		return value_set(row, "reply", error_outcome(r, error.name));
	if (oneway)
		return row;
	row = value_set(row, "took_us", json_real((double)(clock_ns() - begin) / 1000));
	return value_set(row, "reply", reply_outcome(names, record, reply));
}

/* Takes the row. *ret_row becomes the row to print, or NULL if the call is open now. */
static int resend_message(struct resend *resend, const struct ipc_record *record,
			  const struct names *names, const char *service, json_t *row,
			  json_t **ret_row)
{
	const char *reason = skip_reason(resend, record, service);
	char id[24];

	if (reason) {
		row = value_set(row, "reason", json_string(reason));
		*ret_row = set_result(resend, row, SKIPPED);
		return *ret_row ? STATUS_OK : fail_memory();
	}
	row = transmit(resend, record, names, service, row);
	if (record->kind == IPC_RECORD_ONEWAY) {
		*ret_row = set_result(resend, row, json_object_get(row, "reply") ? DIFFERS : SENT);
		return *ret_row ? STATUS_OK : fail_memory();
	}
	resend->open = value_set(resend->open, key_of(id, sizeof(id), record->id), row);
	return resend->open ? STATUS_OK : fail_memory();
}

/* --- Comparing -------------------------------------------------------------------- */

/* The recorded outcome. payload: of the record, as JSON, or NULL. */
static json_t *recorded_outcome(const struct ipc_record *record, const json_t *payload)
{
	if (record->kind != IPC_RECORD_REPLY)
		return error_outcome(record->error, value_text(payload, "name"));
	return payload ? json_deep_copy(payload) : base64_encode(record->data, record->data_kept);
}

/* Ends the open call. */
static json_t *compare(struct resend *resend, const struct ipc_record *record, json_t *row,
		       const json_t *payload)
{
	json_t *recorded;

	/* A part of a reply, or one with objects, cannot be compared. */
	if (record->kind == IPC_RECORD_REPLY && !is_plain(record))
		return set_result(resend, row, SENT);
	recorded = recorded_outcome(record, payload);
	if (recorded && json_equal(recorded, json_object_get(row, "reply"))) {
		json_decref(recorded);
		return set_result(resend, row, EQUAL);
	}
	return set_result(resend, value_set(row, "recorded", recorded), DIFFERS);
}

/* Takes the row of a call out of the open ones. */
static json_t *take_open(struct resend *resend, const char *id)
{
	json_t *row = json_incref(json_object_get(resend->open, id));

	json_object_del(resend->open, id);
	return row;
}

int resend_record(struct resend *resend, const struct ipc_record *record, const struct names *names,
		  const char *service, json_t *row, json_t **ret_row)
{
	bool sends = record->kind == IPC_RECORD_CALL || record->kind == IPC_RECORD_ONEWAY;
	char id[24];
	json_t *call;

	*ret_row = NULL;
	if (sends && service)
		return resend_message(resend, record, names, service, row, ret_row);
	call = sends ? NULL : take_open(resend, key_of(id, sizeof(id), record->id));
	if (call)
		*ret_row = compare(resend, record, call, json_object_get(row, "payload"));
	json_decref(row);
	return call && !*ret_row ? fail_memory() : STATUS_OK;
}

json_t *resend_rest(struct resend *resend)
{
	const char *id = json_object_iter_key(json_object_iter(resend->open));

	return id ? set_result(resend, take_open(resend, id), SENT) : NULL;
}

/* --- Sums ----------------------------------------------------------------------- */

int resend_sum(const struct resend *resend)
{
	const unsigned long *n = resend->counts;
	int status = STATUS_OK;

	if (ctl.json)
		status = out_line(json_pack("{s:s, s:I, s:I, s:I, s:I}", "kind", "sum", "equal",
					    (json_int_t)n[EQUAL], "differs", (json_int_t)n[DIFFERS],
					    "sent", (json_int_t)n[SENT], "skipped",
					    (json_int_t)n[SKIPPED]));
	else
		printf("%lu equal, %lu differ, %lu sent without a reply to compare; %lu skipped\n",
		       n[EQUAL], n[DIFFERS], n[SENT], n[SKIPPED]);
	if (status)
		return status;
	if (!n[EQUAL] && !n[DIFFERS] && !n[SENT])
		return fail_with(STATUS_FAILED, "ipcctl monitor --read FILE prints its content",
				 "the file has no message that can be resent");
	if (n[DIFFERS])
		return fail_with(STATUS_DIFFERS, NULL, "%lu messages did not end as recorded",
				 n[DIFFERS]);
	return STATUS_OK;
}
