// SPDX-License-Identifier: MIT
/*
 * Resending a recording: see resend.h. Messages are sent as the recorded bytes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include <ipc/rpc.h>

#include "base64.h"
#include "bus.h"
#include "capture.h"
#include "clock.h"
#include "ipcctl.h"
#include "out.h"
#include "resend.h"
#include "text.h"

/* Limit for a reply, and for a receiver to have space for a oneway. */
#define TIMEOUT_USEC 10000000

enum result { EQUAL, DIFFERS, FAILED, SENT, SKIPPED, N_RESULTS };

static const char *const results[] = { "equal", "differs", "error", "sent", "skipped" };

/**
 * struct recorded_call - a call of the recording, and its end
 * @id: id of the call
 * @resent: it was resent
 * @kind: of the record of its end (enum ipc_record_kind); 0: there is none
 * @time: of that record
 * @error: -errno, or 0
 * @data: protobuf bytes of the reply, @size of them; NULL: they cannot be compared
 */
struct recorded_call {
	uint64_t id;
	bool resent;
	uint32_t kind;
	uint64_t time;
	int error;
	void *data;
	size_t size;
};

/* The service that has a name now; @error: -errno if there is none. */
struct target {
	char *name;
	struct ipc_proxy *proxy;
	int error;
};

struct resend {
	struct ipc *ipc;
	void *calls; /* a tree (tsearch) */
	struct target *targets;
	size_t n_targets;
	const char *path;
	bool manager;
	unsigned long counts[N_RESULTS];
	unsigned long unnamed;
};

/* --- The recorded calls --------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
	const struct recorded_call *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static struct recorded_call *recorded_find(const struct resend *resend, uint64_t id)
{
	struct recorded_call key = { .id = id };
	struct recorded_call *const *found = id ? tfind(&key, &resend->calls, by_id) : NULL;

	return found ? *found : NULL;
}

/* The call with this id; a new one if there is none. NULL: no memory. */
static struct recorded_call *recorded_get(struct resend *resend, uint64_t id)
{
	struct recorded_call *recorded = recorded_find(resend, id);

	if (recorded)
		return recorded;
	recorded = calloc(1, sizeof(*recorded));
	if (!recorded)
		return NULL;
	recorded->id = id;
	if (tsearch(recorded, &resend->calls, by_id))
		return recorded;
	free(recorded);
	return NULL;
}

static void recorded_free(void *node)
{
	struct recorded_call *recorded = node;

	free(recorded->data);
	free(recorded);
}

/* Whether the payload is a message alone: complete, without objects and metadata. */
static bool is_plain(const struct ipc_record *record)
{
	const void *message;
	size_t size;

	return !record->n_objects && record->data_kept == record->data_size &&
	       ipc_payload_message(record->data, record->data_kept, &message, &size) == 0 &&
	       size == record->data_kept;
}

static int note_reply(struct resend *resend, const struct ipc_record *record)
{
	struct recorded_call *recorded;

	if (!record->id || (record->kind != IPC_RECORD_REPLY && record->kind != IPC_RECORD_ERROR &&
			    record->kind != IPC_RECORD_FAILED))
		return 0;
	recorded = recorded_get(resend, record->id);
	if (!recorded || recorded->kind)
		return recorded ? 0 : -ENOMEM;
	recorded->kind = record->kind;
	recorded->time = record->time;
	recorded->error = record->kind == IPC_RECORD_REPLY ? 0 : record->error;
	if (!is_plain(record))
		return 0;
	recorded->data = malloc(record->data_kept + 1);
	if (!recorded->data)
		return -ENOMEM;
	recorded->size = record->data_kept;
	memcpy(recorded->data, record->data, recorded->size);
	return 0;
}

static int read_replies(struct resend *resend)
{
	struct capture *capture = NULL;
	struct names *names = NULL;
	struct ipc_record record;
	int status, r = 0;

	status = capture_open(&capture, resend->path, &names);
	while (!status && (r = capture_read(capture, &record)) > 0)
		if (note_reply(resend, &record) < 0)
			status = fail_memory();
	if (r < 0)
		status = fail_with(STATUS_FAILED, NULL, "%s is damaged", resend->path);
	names_free(names);
	capture_close(capture);
	return status;
}

int resend_open(struct resend **ret_resend, const char *path, bool manager)
{
	struct resend *resend = calloc(1, sizeof(*resend));
	int status;

	if (!resend)
		return fail_memory();
	resend->path = path;
	resend->manager = manager;
	status = read_replies(resend);
	if (!status)
		status = bus_open(&resend->ipc);
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
	for (size_t i = 0; i < resend->n_targets; i++) {
		ipc_proxy_unref(resend->targets[i].proxy);
		free(resend->targets[i].name);
	}
	free(resend->targets);
	tdestroy(resend->calls, recorded_free);
	ipc_unref(resend->ipc);
	free(resend);
	return NULL;
}

/* --- Reasons to skip one -------------------------------------------------------------- */

bool resend_accepts(struct resend *resend, const struct ipc_record *record, const char *service)
{
	if (record->kind != IPC_RECORD_CALL && record->kind != IPC_RECORD_ONEWAY)
		return false;
	if (!service)
		resend->unnamed++;
	return service;
}

/* NULL: the message can be resent. */
static const char *skip_reason(const struct resend *resend, const struct ipc_record *record,
			       const char *service)
{
	const struct recorded_call *parent = recorded_find(resend, record->parent);

	if (record->n_objects)
		return "it has objects or files";
	if (record->flags & IPC_RECORD_CLEAR)
		return "its content was secret (IPC_CLEAR)";
	if (record->data_kept < record->data_size)
		return "it is recorded in part only: use a larger --max-data with --write";
	if (!is_plain(record))
		return "it has metadata";
	if (!strcmp(service, "servicemanager") && !resend->manager)
		return "it went to the service manager: --name servicemanager resends it";
	if (parent && parent->resent)
		return "a service sends it while it serves a call that was resent";
	return NULL;
}

/* Looks up each name once. NULL: no memory. */
static const struct target *target_of(struct resend *resend, const char *name)
{
	struct target *target;

	for (size_t i = 0; i < resend->n_targets; i++)
		if (!strcmp(resend->targets[i].name, name))
			return &resend->targets[i];
	target = reallocarray(resend->targets, resend->n_targets + 1, sizeof(*target));
	if (!target)
		return NULL;
	resend->targets = target;
	target += resend->n_targets;
	*target = (struct target){ .name = strdup(name) };
	if (!target->name)
		return NULL;
	target->error = bus_proxy(resend->ipc, name, &target->proxy);
	resend->n_targets++;
	return target;
}

/* --- Sending ---------------------------------------------------------------------- */

/* 0 or -errno; error: what the service says about it. */
static int transmit(const struct ipc_record *record, struct ipc_proxy *proxy,
		    struct ipc_raw_message **ret_reply, struct ipc_error *error)
{
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

	return oneway ? ipc_raw_oneway(proxy, &request, &options) :
			ipc_raw_call(proxy, &request, &options, ret_reply, error);
}

/* --- Comparing -------------------------------------------------------------------- */

/* Whether the recorded error and this one have the same name. */
static bool same_name(const struct recorded_call *recorded, const char *name)
{
	Ipc__Error *then =
		recorded->data ? ipc__error__unpack(NULL, recorded->size, recorded->data) : NULL;
	bool same = !strcmp(then && then->name ? then->name : "", name ? name : "");

	if (then)
		ipc__error__free_unpacked(then, NULL);
	return same;
}

static enum result compare_error(const struct recorded_call *recorded, int r,
				 const struct ipc_error *error)
{
	return recorded->kind && recorded->error == r && same_name(recorded, error->name) ? EQUAL :
											    FAILED;
}

static int set(json_t *row, const char *key, json_t *value)
{
	return json_object_set_new(row, key, value) < 0 ? -ENOMEM : 0;
}

/* Adds a reply as JSON; in base64 if its type is unknown. */
static int set_reply(json_t *row, const char *key, const struct ipc_record *record,
		     const struct names *names, const void *data, size_t size)
{
	json_t *json = names_decode(names, record->to_pid, record->node, record->code,
				    IPC_RECORD_REPLY, data, size);

	return set(row, key, json ? json : base64_encode(data, size));
}

/* Compares a reply with the recorded one, and adds both to row if they differ. */
static int compare_reply(const struct recorded_call *recorded, const struct ipc_record *record,
			 const struct names *names, const struct ipc_raw_message *reply,
			 json_t *row, enum result *ret_result)
{
	const void *data;
	size_t size;
	int r;

	r = ipc_payload_message(reply->data, reply->size, &data, &size);
	if (r < 0)
		return r;
	*ret_result = SENT;
	if (recorded->error)
		*ret_result = DIFFERS;
	else if (recorded->data)
		*ret_result = recorded->size == size &&
					      (!size || !memcmp(recorded->data, data, size)) ?
				      EQUAL : DIFFERS;
	if (*ret_result != DIFFERS)
		return 0;
	r = set_reply(row, "reply", record, names, data, size);
	if (r < 0)
		return r;
	return recorded->error ? set(row, "reason", json_string("it failed in the recording")) :
				 set_reply(row, "recorded", record, names, recorded->data,
					   recorded->size);
}

static int set_result(struct resend *resend, json_t *row, enum result result, const char *reason)
{
	int r = set(row, "result", json_string(results[result]));

	resend->counts[result]++;
	return r == 0 && reason ? set(row, "reason", text_json(reason)) : r;
}

static int set_error(struct resend *resend, json_t *row, enum result result, int error,
		     const char *name)
{
	int r = set_result(resend, row, result, name ? name : ipc_strerror(error));

	return r == 0 ? set(row, "error", json_integer(error)) : r;
}

static int resend_call(struct resend *resend, const struct ipc_record *record,
		       const struct names *names, struct ipc_proxy *proxy, json_t *row)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	struct recorded_call *recorded = recorded_get(resend, record->id);
	ipc_auto(ipc_raw_free) struct ipc_raw_message *reply = NULL;
	enum result result;
	uint64_t begin;
	int sent, r;

	if (!recorded)
		return -ENOMEM;
	recorded->resent = true;
	begin = clock_ns();
	sent = transmit(record, proxy, &reply, &error);
	r = set(row, "took_us", json_real((double)(clock_ns() - begin) / 1000));
	if (r == 0 && recorded->kind)
		r = set(row, "recorded_us",
			json_real((double)(recorded->time - record->time) / 1000));
	if (r < 0)
		return r;
	if (sent == 0) {
		r = compare_reply(recorded, record, names, reply, row, &result);
		if (r != -EBADMSG)
			return r < 0 ? r : set_result(resend, row, result, NULL);
		sent = r;
	}
	return set_error(resend, row, compare_error(recorded, sent, &error), sent, error.name);
}

int resend_message(struct resend *resend, const struct ipc_record *record, struct names *names,
		   const char *service, json_t *row)
{
	const char *reason = skip_reason(resend, record, service);
	const struct target *target;
	int r;

	if (reason)
		return set_result(resend, row, SKIPPED, reason);
	target = target_of(resend, service);
	if (!target)
		return -ENOMEM;
	if (target->error)
		return set_error(resend, row, FAILED, target->error, NULL);
	if (record->kind == IPC_RECORD_CALL)
		return resend_call(resend, record, names, target->proxy, row);
	r = transmit(record, target->proxy, NULL, NULL);
	return r < 0 ? set_error(resend, row, FAILED, r, NULL) :
		       set_result(resend, row, SENT, NULL);
}

/* --- Sums ----------------------------------------------------------------------- */

static int put_sums(const struct resend *resend)
{
	const unsigned long *n = resend->counts;

	if (ctl.json)
		return out_line(
			json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "kind", "sum", "equal",
				  (json_int_t)n[EQUAL], "differs", (json_int_t)n[DIFFERS], "error",
				  (json_int_t)n[FAILED], "sent", (json_int_t)n[SENT], "skipped",
				  (json_int_t)n[SKIPPED], "unnamed", (json_int_t)resend->unnamed));
	printf("%lu equal, %lu differ, %lu failed, %lu sent without a reply to compare; %lu skipped; "
	       "%lu to objects without a name\n",
	       n[EQUAL], n[DIFFERS], n[FAILED], n[SENT], n[SKIPPED], resend->unnamed);
	return STATUS_OK;
}

int resend_sum(const struct resend *resend)
{
	const unsigned long *n = resend->counts;
	unsigned long others = n[DIFFERS] + n[FAILED], all = others + n[EQUAL] + n[SENT];
	int status = put_sums(resend);

	if (status)
		return status;
	if (!all)
		return fail_with(STATUS_FAILED, "ipcctl monitor --read FILE prints its content",
				 "%s has no message that can be resent", resend->path);
	if (others)
		return fail_with(STATUS_DIFFERS, NULL, "%lu of %lu messages did not end as in %s",
				 others, all, resend->path);
	return STATUS_OK;
}
