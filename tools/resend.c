// SPDX-License-Identifier: MIT
/*
 * Resending a recording: see resend.h. Messages are sent as the recorded bytes. The outcome of a
 * call, resent or recorded, is the reply as JSON, or {"error", "name"}.
 */
#define _GNU_SOURCE
#include <errno.h>
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
#include "schema.h"
#include "text.h"

/* Time limit for a reply, and for a oneway to wait for space at its receiver. */
#define TIMEOUT_USEC 10000000

enum result { EQUAL, DIFFERS, SENT, SKIPPED, N_RESULTS };

/**
 * struct resend - state of a run
 * @ipc: the connection
 * @manager: also resend messages to the service manager
 * @name: service of the last message; @proxy and @schema belong to it
 * @proxy: NULL if the service was not found
 * @schema: NULL if the service does not describe itself
 * @open: rows of resent calls whose recorded end has not been read, by id as text
 * @counts: number of messages by result
 */
struct resend {
	struct ipc *ipc;
	bool manager;
	char *name;
	struct ipc_proxy *proxy;
	struct schema *schema;
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

static void forget_service(struct resend *resend)
{
	free(resend->name);
	resend->name = NULL;
	resend->proxy = ipc_proxy_unref(resend->proxy);
	resend->schema = schema_free(resend->schema);
}

struct resend *resend_close(struct resend *resend)
{
	if (!resend)
		return NULL;
	forget_service(resend);
	json_decref(resend->open);
	ipc_unref(resend->ipc);
	free(resend);
	return NULL;
}

static json_t *set_result(struct resend *resend, json_t *row, enum result result)
{
	static const char *const names[] = { "equal", "differs", "sent", "skipped" };

	resend->counts[result]++;
	json_object_del(row, "bytes");
	json_object_del(row, "data");
	return value_set(row, "result", json_string(names[result]));
}

/* --- Sending ---------------------------------------------------------------------- */

static const char *key_of(char *key, size_t size, json_int_t id)
{
	snprintf(key, size, "%lld", (long long)id);
	return key;
}

/* Finds the service, unless it is the service of the last message. Returns 0 or -errno. */
static int find_service(struct resend *resend, const char *name)
{
	int r;

	if (resend->name && !strcmp(resend->name, name) && resend->proxy)
		return 0;
	forget_service(resend);
	resend->name = strdup(name);
	ipc_set_timeout(resend->ipc, TIMEOUT_USEC);
	r = resend->name ? bus_proxy(resend->ipc, name, &resend->proxy) : -ENOMEM;
	if (r == 0 && schema_introspect(resend->proxy, &resend->schema, /* error= */ NULL) < 0)
		resend->schema = NULL;
	return r;
}

/* Returns NULL if the message can be resent, otherwise the reason. */
static const char *skip_reason(const struct resend *resend, const json_t *row)
{
	char parent[24];

	if (!value_text(row, "data"))
		return "its bytes are not in the file: it has objects, files or metadata, was "
		       "secret, or is larger than --max-data";
	if (!strcmp(value_text(row, "service"), "servicemanager") && !resend->manager)
		return "it went to the service manager: --name servicemanager resends it";
	if (json_object_get(resend->open,
			    key_of(parent, sizeof(parent), value_number(row, "parent"))))
		return "a service sends it while it serves a call that was resent";
	return NULL;
}

static json_t *error_outcome(int error, const char *name)
{
	return json_pack("{s:i, s:o*}", "error", error, "name", name ? text_json(name) : NULL);
}

static json_t *reply_outcome(const struct resend *resend, uint32_t code,
			     const struct ipc_raw_message *reply)
{
	const struct schema_method *method =
		resend->schema ? schema_find_code(resend->schema, code) : NULL;
	json_t *json = method ? schema_decode(method->reply, reply->data, reply->size) : NULL;

	return json ?: base64_encode(reply->data, reply->size);
}

/* Sends the message. Returns the row with "reply", the outcome of a call or of a failure, and the
 * "bytes" of a reply. */
static json_t *transmit(struct resend *resend, bool oneway, const void *data, size_t size,
			json_t *row)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	ipc_auto(ipc_raw_free) struct ipc_raw_message *reply = NULL;
	const struct ipc_raw_message request = {
		.code = value_number(row, "code"),
		.flags = oneway ? 0 : IPC_RAW_ACCEPT_FDS,
		.data = data,
		.size = size,
	};
	const struct ipc_options options = { .timeout_usec = TIMEOUT_USEC };
	int r = find_service(resend, value_text(row, "service"));
	uint64_t begin = clock_ns();

	if (r == 0)
		r = oneway ? ipc_raw_oneway(resend->proxy, &request, &options) :
			     ipc_raw_call(resend->proxy, &request, &options, &reply, &error);
	/* Another process may have registered the name in the meantime. */
	if (r == -EOWNERDEAD)
		forget_service(resend);
	if (!oneway)
		row = value_set(row, "took_us", json_real((double)(clock_ns() - begin) / 1000));
	if (r < 0)
		return value_set(row, "reply", error_outcome(r, error.name));
	if (oneway)
		return row;
	row = value_set(row, "bytes", base64_encode(reply->data, reply->size));
	return value_set(row, "reply", reply_outcome(resend, request.code, reply));
}

/* Takes ownership of the row. Sets *ret_row to the row to print, or to NULL if the call is open. */
static int resend_message(struct resend *resend, bool oneway, json_t *row, json_t **ret_row)
{
	const char *reason = skip_reason(resend, row);
	size_t size = 0;
	void *data = reason ? NULL : base64_decode(json_object_get(row, "data"), &size);
	char id[24];

	if (!data) {
		row = value_set(row, "reason", json_string(reason ?: "its bytes are damaged"));
		*ret_row = set_result(resend, row, SKIPPED);
		return *ret_row ? STATUS_OK : fail_memory();
	}
	row = transmit(resend, oneway, data, size, row);
	free(data);
	if (oneway) {
		*ret_row = set_result(resend, row, json_object_get(row, "reply") ? DIFFERS : SENT);
		return *ret_row ? STATUS_OK : fail_memory();
	}
	key_of(id, sizeof(id), value_number(row, "id"));
	resend->open = value_set(resend->open, id, row);
	return resend->open ? STATUS_OK : fail_memory();
}

/* --- Comparing -------------------------------------------------------------------- */

/* call is the row of a resent call; takes ownership of it. end is the recorded end of the call. */
static json_t *compare(struct resend *resend, json_t *call, const json_t *end)
{
	const char *now = value_text(call, "bytes"), *then = value_text(end, "data");
	json_t *payload = json_object_get(end, "payload"), *recorded;

	if (strcmp(value_text(end, "kind"), "reply"))
		recorded = error_outcome((int)value_number(end, "error"),
					 value_text(payload, "name"));
	else if (!then)
		return set_result(resend, call, SENT);
	else
		recorded = payload ? json_incref(payload) : json_string(then);
	if ((now && then && !strcmp(now, then)) ||
	    (recorded && json_equal(recorded, json_object_get(call, "reply")))) {
		json_decref(recorded);
		return set_result(resend, call, EQUAL);
	}
	return set_result(resend, value_set(call, "recorded", recorded), DIFFERS);
}

/* Removes the row of a call from the open calls. */
static json_t *take_open(struct resend *resend, const char *id)
{
	json_t *row = json_incref(json_object_get(resend->open, id));

	json_object_del(resend->open, id);
	return row;
}

int resend_row(struct resend *resend, json_t *row, json_t **ret_row)
{
	bool oneway = !strcmp(value_text(row, "kind"), "oneway");
	bool sends = oneway || !strcmp(value_text(row, "kind"), "call");
	char id[24];
	json_t *call = NULL;

	*ret_row = NULL;
	if (sends && value_text(row, "service"))
		return resend_message(resend, oneway, row, ret_row);
	if (!sends)
		call = take_open(resend, key_of(id, sizeof(id), value_number(row, "id")));
	if (call)
		*ret_row = compare(resend, call, row);
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
	unsigned long all;
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
	all = n[EQUAL] + n[DIFFERS] + n[SENT];
	if (!all)
		return fail_with(STATUS_FAILED, "ipcctl monitor --read FILE prints its content",
				 "the file has no message that can be resent");
	if (n[DIFFERS])
		return fail_with(STATUS_DIFFERS, NULL, "%lu of %lu messages did not end as recorded",
				 n[DIFFERS], all);
	return STATUS_OK;
}
