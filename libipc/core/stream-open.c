// SPDX-License-Identifier: MIT
/*
 * Opening a stream: how its sides find each other, and the properties of the call that opens it:
 * the client's identity, the deadline, the cancellation, and the parent, which is a call or another
 * stream of the client. See stream.h. The other side is not trusted.
 *
 * Request and reply are StreamOpen of ipc.proto. Both sides know the deadline and look at the clock
 * themselves.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/deadline.h"
#include "base/wire.h"
#include "call.h"
#include "errors.h"
#include "object.h"
#include "proxy.h"
#include "raw.h"
#include "stream.h"

enum { OPEN_METHOD = 1, OPEN_DATA, OPEN_CONTROL, OPEN_WINDOW, OPEN_DEADLINE };
enum { OBJECT_ID = 1 };

/* A StreamOpen of this side. Holds its objects until it was sent. */
struct introduction {
	struct ipc_raw_message message;
	struct ipc_raw_entry entries[2];
	uint8_t data[5 * WIRE_FIELD_MAX];
};

static int introduce_object(struct ipc_object *object, uint32_t field, uint8_t **at,
			    struct ipc_raw_entry *entry)
{
	uint8_t id[WIRE_FIELD_MAX];
	uint64_t tag;
	int r;

	r = ipc_object_id(object, &tag);
	if (r < 0)
		return r;
	*at = wire_put_bytes(*at, field, id, (size_t)(wire_put_fixed64(id, OBJECT_ID, tag) - id));
	*entry = (struct ipc_raw_entry){ .tag = tag, .type = IPC_RAW_OBJECT, .object = object };
	return 0;
}

/* Makes a StreamOpen of the stream's objects, and takes them over. method: 0 in the reply. */
static int introduce(struct introduction *i, struct ipc_stream *stream, uint32_t method)
{
	uint8_t *at = i->data;
	int r;

	if (method)
		at = wire_put_number(at, OPEN_METHOD, method);
	r = introduce_object(stream->data, OPEN_DATA, &at, &i->entries[0]);
	if (r == 0)
		r = introduce_object(stream->control, OPEN_CONTROL, &at, &i->entries[1]);
	if (r < 0)
		return r;
	at = wire_put_number(at, OPEN_WINDOW, stream->window);
	if (method) {
		stream->cookies[0] = stream->data->wants.cookie;
		stream->cookies[1] = stream->control->wants.cookie;
	}
	if (method && stream->deadline)
		at = wire_put_fixed64(at, OPEN_DEADLINE,
				      device_time_out(&stream->ipc->device, stream->deadline));
	i->message = (struct ipc_raw_message){
		.method = method ? IPC_NUMBER_STREAM : 0,
		.data = i->data,
		.size = (size_t)(at - i->data),
		.entries = i->entries,
		.n_entries = 2,
	};
	stream->data = NULL;
	stream->control = NULL;
	return 0;
}

/* Drops the objects, which the message holds now. If it was not sent, they end here. */
static void introduced(struct introduction *i)
{
	ipc_object_unref(i->entries[0].object);
	ipc_object_unref(i->entries[1].object);
}

struct open {
	uint32_t method;
	uint32_t window;
	uint64_t deadline; /* 0: none */
	uint64_t data; /* ids */
	uint64_t control;
};

static int parse_object(struct wire bytes, uint64_t *ret_id)
{
	static const uint8_t types[] = { [OBJECT_ID] = WIRE_64BIT };
	struct wire_field fields[OBJECT_ID + 1];
	int r;

	r = wire_fields(bytes, types, OBJECT_ID + 1, fields);
	*ret_id = fields[OBJECT_ID].value;
	return r;
}

static int parse_open(const struct ipc_raw_message *message, struct open *ret_open)
{
	static const uint8_t types[] = {
		[OPEN_METHOD] = WIRE_VARINT, [OPEN_DATA] = WIRE_BYTES,
		[OPEN_CONTROL] = WIRE_BYTES, [OPEN_WINDOW] = WIRE_VARINT,
		[OPEN_DEADLINE] = WIRE_64BIT,
	};
	struct wire_field fields[OPEN_DEADLINE + 1];
	int r;

	r = stream_payload_fields(message->data, message->size, types, OPEN_DEADLINE + 1, fields);
	if (r < 0)
		return r;
	if (!fields[OPEN_DATA].number || !fields[OPEN_CONTROL].number)
		return -EBADMSG;
	*ret_open = (struct open){
		.method = (uint32_t)fields[OPEN_METHOD].value,
		.window = (uint32_t)fields[OPEN_WINDOW].value,
		.deadline = fields[OPEN_DEADLINE].value,
	};
	r = parse_object(fields[OPEN_DATA].bytes, &ret_open->data);
	if (r == 0)
		r = parse_object(fields[OPEN_CONTROL].bytes, &ret_open->control);
	if (r == 0 && fields[OPEN_WINDOW].value > STREAM_WINDOW)
		r = -EPROTO;
	return r;
}

/* Takes a reference of the proxy with that tag. The object must be another process's. */
static int find_proxy(const struct ipc_raw_message *message, uint64_t tag,
		      struct ipc_proxy **ret_proxy)
{
	for (size_t i = 0; i < message->n_entries; i++) {
		const struct ipc_raw_entry *entry = &message->entries[i];

		if (entry->tag != tag || entry->type == IPC_RAW_FD)
			continue;
		if (entry->type != IPC_RAW_PROXY)
			return -EXDEV;
		*ret_proxy = ipc_proxy_ref(entry->proxy);
		return 0;
	}
	return -EBADMSG;
}

/* Takes the proxies of the other side, and its credit, from its StreamOpen. */
static int meet(struct ipc_stream *stream, const struct ipc_raw_message *message,
		const struct open *open)
{
	int r;

	r = find_proxy(message, open->data, &stream->peer_data);
	if (r == 0)
		r = find_proxy(message, open->control, &stream->peer_control);
	if (r < 0)
		return r;
	/* They never get channels. */
	atomic_store(&stream->peer_data->calls, CHANNEL_NEVER);
	atomic_store(&stream->peer_control->calls, CHANNEL_NEVER);
	stream->credit = open->window;
	return 0;
}

/* --- Server --------------------------------------------------------------------------- */

static int take_metadata(struct ipc_stream *stream, struct ipc_call *call)
{
	const uint8_t *data = call->payload;
	size_t size = call->size;
	struct frame frame;
	char *metadata;
	int r;

	if (!unlikely_frame(data, size))
		return 0;
	r = frame_parse(&frame, &data, &size);
	if (r == -EMSGSIZE) {
		ipc_call_fail(call, r, NULL, "a stream has at most %zu bytes of metadata",
			      METADATA_MAX);
		return r;
	}
	if (r < 0 || !frame.metadata_size)
		return 0;
	metadata = malloc(frame.metadata_size);
	if (!metadata)
		return -ENOMEM;
	memcpy(metadata, frame.metadata, frame.metadata_size);
	stream->frame.metadata = metadata;
	stream->frame.metadata_size = frame.metadata_size;
	return 0;
}

/* Copies identity, label and metadata of the call, before its reply. */
static int take_opening(struct ipc_stream *stream, struct ipc_call *call)
{
	const char *label = ipc_call_label(call);

	stream->service = ipc_object_ref(call->object);
	stream->uid = call->uid;
	stream->gid = call->gid;
	stream->pid = call->pid;
	if (label) {
		stream->label = strdup(label);
		if (!stream->label)
			return -ENOMEM;
	}
	return take_metadata(stream, call);
}

/* Makes the server's side. It counts for its user until both sides have released it. */
static int new_served_stream(struct ipc_call *call, uint32_t method, struct ipc_stream **ret_stream)
{
	struct peer *peer;
	int r;

	r = peer_add(call->object, call->uid, PEER_STREAMS, 1, &peer);
	if (r == -EDQUOT)
		ipc_call_fail(call, r, NULL, "%s has %u streams of one user at a time",
			      call->object->interface ?: "the object",
			      call->object->limits[PEER_STREAMS]);
	if (r < 0)
		return r;
	r = call->object->type->new_stream(call, method, ret_stream);
	if (r == 0) {
		(*ret_stream)->peer = peer;
		(*ret_stream)->waiting = &peer->waiting;
		(*ret_stream)->max_message = call->object->max_message;
		(*ret_stream)->window = call->object->window;
		(*ret_stream)->max_waiting_bytes = call->object->max_waiting_bytes;
		return 0;
	}
	peer_remove(call->ipc, peer, PEER_STREAMS, 1);
	return r;
}

/* Accepts the stream. After the reply another thread may use it already. */
static int accept_stream(struct ipc_call *call, struct ipc_stream *stream,
			 struct introduction *reply)
{
	bool deferred = stream->of.defer;
	int r;

	if (deferred) {
		/* The program gets the stream when its handler starts. */
		atomic_store(&stream->users, 0);
		atomic_store(&stream->deferred, true);
		ipc_unref(stream->ipc);
	}
	r = ipc_raw_reply(call, &reply->message);
	introduced(reply);
	if (!deferred && r == 0)
		stream_start_handler(stream, NULL);
	else if (!deferred)
		ipc_stream_unref(stream);
	else if (r < 0 && stream_take_deferred(stream))
		stream_abandon(stream);
	return r;
}

int stream_serve(struct ipc_call *call, const struct ipc_raw_message *message)
{
	struct introduction reply;
	struct ipc_stream *stream;
	struct open open;
	int r;

	r = parse_open(message, &open);
	if (r == -EPROTO)
		ipc_call_fail(call, r, NULL, "a stream grants credit for at most %u messages",
			      STREAM_WINDOW);
	if (r == 0)
		r = new_served_stream(call, open.method, &stream);
	if (r < 0)
		return r;
	stream->deadline = device_time_in(&stream->ipc->device, open.deadline);
	r = take_opening(stream, call);
	if (r == 0)
		r = meet(stream, message, &open);
	if (r == 0)
		r = introduce(&reply, stream, /* method= */ 0);
	if (r == 0)
		return accept_stream(call, stream, &reply);
	ipc_stream_unref(stream);
	return r;
}

/* --- Client --------------------------------------------------------------------------- */

/* Sets window and deadline, and makes the call that opens the stream. The options for the call are
 * a copy of options, which may be NULL. */
static int prepare(struct ipc_stream *stream, const struct ipc_options *options,
		   struct ipc_options *ret_opening, struct introduction *question)
{
	uint64_t deadline = 0;

	*ret_opening = options ? *options : (struct ipc_options){ .parent = NULL };
	ret_opening->flags &= ~stream->of.own_flags;
	if (ret_opening->window > STREAM_WINDOW)
		return -EINVAL;
	if (ret_opening->window)
		stream->window = ret_opening->window;
	ret_opening->window = 0;
	if (!ret_opening->timeout_usec)
		ret_opening->timeout_usec = stream->of.timeout_usec;
	if (ret_opening->timeout_usec)
		deadline = deadline_after(ret_opening->timeout_usec);
	if (ret_opening->parent)
		deadline = deadline_earlier(deadline, ret_opening->parent->deadline);
	if (ret_opening->parent_stream)
		deadline = deadline_earlier(deadline, ret_opening->parent_stream->deadline);
	stream->deadline = deadline;
	return introduce(question, stream, stream->of.number);
}

/* From now on cancels the stream with its parent, and with its cancellation. -ECANCELED: the parent
 * or the cancellation is canceled already. */
static int follow(struct ipc_stream *stream, const struct ipc_options *options)
{
	int r;

	stream->dependence.of_parent.stream = stream;
	stream->dependence.of_cancellation.stream = stream;
	stream->dependence.of_parent.cancel = stream_cancel_with;
	stream->dependence.of_cancellation.cancel = stream_cancel_with;
	r = dependence_begin(stream->ipc, options, /* serving= */ NULL, &stream->dependence);
	/* A reply to the parent does not end the stream. */
	return r == -EINVAL ? 0 : r;
}

static int take_opening_reply(struct ipc_stream *stream, const struct ipc_raw_message *reply,
			      const struct ipc_options *options)
{
	struct open open;
	int r;

	r = parse_open(reply, &open);
	if (r == 0)
		r = meet(stream, reply, &open);
	if (r == 0)
		r = stream_watch(stream);
	return r < 0 ? r : follow(stream, options);
}

int stream_open(struct ipc_stream *stream, struct ipc_proxy *proxy,
		const struct ipc_options *options, struct ipc_error *error)
{
	struct ipc_raw_message *reply;
	struct introduction question;
	struct ipc_options opening;
	int r;

	r = prepare(stream, options, &opening, &question);
	if (r < 0)
		return error_set(error, r);
	r = ipc_raw_call(proxy, &question.message, &opening, &reply, error);
	introduced(&question);
	if (r < 0)
		return r;
	r = take_opening_reply(stream, reply, &opening);
	ipc_raw_free(reply);
	return r < 0 ? error_set(error, r) : 0;
}

/* An opening that does not block. Its call always completes: the end of the slot only cancels it.
 * An opening uses no channel. */
struct opening {
	struct ipc_slot slot;
	struct ipc_stream *stream;	/* NULL: the program's */
	struct ipc_options options;	/* holds their objects: the stream depends on them later */
	ipc_stream_cb cb;
	uint64_t id;			/* of the call, under ipc->lock */
};

static void cancel_opening(struct opening *opening)
{
	struct ipc *ipc = opening->slot.ipc;
	uint64_t id;

	ipc_lock(ipc);
	id = opening->id;
	ipc_unlock(ipc);
	device_cancel(&ipc->device, id);
}

static void opening_end(struct ipc_slot *slot, bool waits)
{
	(void)waits;
	/* In a forked child, the call is the parent's. */
	if (!slot->ipc->foreign)
		cancel_opening((struct opening *)slot);
}

static void opening_free(struct ipc_slot *slot)
{
	struct opening *opening = (struct opening *)slot;

	ipc_cancellation_unref(opening->options.cancellation);
	ipc_call_unref(opening->options.parent);
	ipc_stream_unref(opening->options.parent_stream);
	ipc_stream_unref(opening->stream);
	free(opening);
}

static const struct slot_type opening_type = {
	.size = sizeof(struct opening), .end = opening_end, .free = opening_free,
};

static int opening_new(struct ipc_stream *stream, const struct ipc_options *options,
		       ipc_stream_cb cb, void *userdata, struct opening **ret_opening)
{
	struct opening *opening;
	struct ipc_slot *slot;
	int r;

	r = slot_new(stream->ipc, &opening_type, userdata, &slot);
	if (r < 0)
		return r;
	opening = (struct opening *)slot;
	opening->stream = stream;
	opening->cb = cb;
	if (options)
		opening->options = *options;
	ipc_cancellation_ref(opening->options.cancellation);
	ipc_call_ref(opening->options.parent);
	ipc_stream_ref(opening->options.parent_stream);
	*ret_opening = opening;
	return 0;
}

static void opening_replied(int result, struct ipc_raw_message *reply,
			    const struct ipc_error *error, void *userdata)
{
	ipc_auto(ipc_error_done) struct ipc_error own = IPC_ERROR_INIT;
	struct opening *opening = userdata;
	struct ipc_stream *stream = opening->stream;
	struct slot_frame frame;
	bool wanted = slot_enter(&opening->slot, &frame);
	int r = result;

	if (r == 0)
		r = take_opening_reply(stream, reply, &opening->options);
	if (stream->of.type->opened)
		r = stream->of.type->opened(stream, wanted ? r : -ECANCELED);
	if (result == 0 && r < 0) {
		error_set(&own, r);
		error = &own;
	}
	if (wanted) {
		if (r == 0)
			opening->stream = NULL;
		opening->cb(r, r == 0 ? stream : NULL, error, opening->slot.userdata);
		slot_leave(&frame);
	}
	slot_drop(&opening->slot);
}

static int send_opening(struct opening *opening, struct ipc_proxy *proxy)
{
	struct ipc *ipc = opening->slot.ipc;
	struct introduction question;
	struct ipc_options options;
	bool ended;
	int r;

	r = prepare(opening->stream, &opening->options, &options, &question);
	if (r < 0)
		return r;
	/* Another thread may complete it before this function returns. */
	slot_hold(&opening->slot);
	r = raw_call_async(proxy, &question.message, &options, opening_replied, opening,
			   &opening->id,
			   /* ret_slot= */ NULL);
	introduced(&question);
	ipc_lock(ipc);
	ended = opening->slot.ended;
	ipc_unlock(ipc);
	if (r == 0 && ended)
		cancel_opening(opening);
	slot_put(&opening->slot);
	return r;
}

int stream_open_async(struct ipc_stream *stream, struct ipc_proxy *proxy,
		      const struct ipc_options *options, ipc_stream_cb cb, void *userdata,
		      struct ipc_slot **ret_slot)
{
	struct ipc_slot *before = ret_slot ? *ret_slot : NULL;
	struct opening *opening;
	int r;

	r = opening_new(stream, options, cb, userdata, &opening);
	if (r < 0)
		return r;
	slot_give(&opening->slot, ret_slot);
	r = send_opening(opening, proxy);
	if (r < 0) {
		if (ret_slot)
			*ret_slot = before;
		opening->stream = NULL;
		slot_abandon(&opening->slot, /* given= */ ret_slot);
	}
	return r;
}

/* --- Identity ------------------------------------------------------------------------- */

struct ipc *ipc_stream_ipc(const struct ipc_stream *stream)
{
	return stream->ipc;
}

uid_t ipc_stream_uid(const struct ipc_stream *stream)
{
	return stream->uid;
}

gid_t ipc_stream_gid(const struct ipc_stream *stream)
{
	return stream->gid;
}

pid_t ipc_stream_pid(const struct ipc_stream *stream)
{
	return stream->pid;
}

const char *ipc_stream_metadata(const struct ipc_stream *stream, const char *name)
{
	return stream->frame.metadata ? frame_metadata(&stream->frame, name) : NULL;
}

const char *ipc_raw_stream_next_metadata(const struct ipc_stream *stream, const char *name,
					 const char **ret_value)
{
	return stream->frame.metadata ? frame_next_metadata(&stream->frame, name, ret_value) : NULL;
}

const char *ipc_stream_label(const struct ipc_stream *stream)
{
	return stream->label;
}
