// SPDX-License-Identifier: MIT
/*
 * The messages between the two ends of a stream: the two objects of each end, their methods,
 * and opening. See stream.h. The other end is not trusted: it may send anything at any time.
 *
 * The messages are StreamOpen, StreamCredit and StreamEnd of ipc.proto.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "entry.h"
#include "errors.h"
#include "frame.h"
#include "object.h"
#include "proxy.h"
#include "raw.h"
#include "stream.h"
#include "wire.h"

/* Numbers of their fields. */
enum { OPEN_METHOD = 1, OPEN_DATA, OPEN_CONTROL, OPEN_WINDOW, OPEN_DEADLINE };
enum { OBJECT_ID = 1 };
enum { CREDIT_MESSAGES = 1 };
enum { END_CODE = 1, END_ERROR };

/* The fields of a payload, which metadata may surround. */
static int fields_of(const void *payload, size_t size, struct wire *ret_fields)
{
	const void *data;
	int r;

	r = ipc_payload_message(payload, size, &data, &size);
	if (r == 0)
		*ret_fields = wire_of(data, size);
	return r;
}

/* --- Messages ---------------------------------------------------------------------- */

/* Calls the handler. For a stream of replies that is when its request has arrived. */
static void start_handler(struct ipc_stream *stream, const void *request)
{
	int r;

	stream_begin_handler(stream);
	r = stream_watch(stream);
	if (r == 0)
		r = stream->of.type->handle(stream, request);
	if (r < 0)
		ipc_stream_fail(stream, r, NULL, NULL);
	stream_end_handler(stream);
	ipc_stream_unref(stream);
}

static int keep_message(struct ipc_stream *stream, struct ipc_call *call, const void *message,
			unsigned int entries)
{
	struct stream_item *item = malloc(sizeof(*item));
	int r;

	if (!item)
		return -ENOMEM;
	*item = (struct stream_item){
		.message = message,
		.bytes = sizeof(*item) + sizeof(*call) + stream->of.type->memory(call),
		.entries = entries,
	};
	r = stream_count_item(stream, item);
	if (r < 0) {
		free(item);
		return r;
	}
	item->call = ipc_call_ref(call);

	stream_lock(stream);
	if (stream->closed || stream->in_ended || stream->broken) {
		stream->lost |= !stream->in_ended;
		r = -EPIPE;
	} else if (stream->n_items == STREAM_WINDOW) {
		r = -EPROTO;
	} else {
		*stream->last = item;
		stream->last = &item->next;
		stream->n_items++;
		stream->message_due = true;
		stream_wake_receiver_locked(stream);
	}
	stream_unlock(stream);
	if (r < 0) {
		stream_uncount_item(stream, item);
		ipc_call_unref(call);
		free(item);
	}
	return r;
}

/* A message did not arrive, so the stream ends, and the other end learns why. What it says later
 * is no good end. */
static void lose_message(struct ipc_stream *stream, int error)
{
	stream_lock(stream);
	stream->lost |= !stream->in_ended;
	stream_unlock(stream);
	stream_refuse(stream, error);
}

static void message_came(struct ipc_stream *stream, struct ipc_call *call, const void *message,
			 unsigned int entries)
{
	int r;

	if (stream_take_deferred(stream)) {
		atomic_store(&stream->users, 1);
		ipc_ref(stream->ipc);
		start_handler(stream, message);
		return;
	}
	r = keep_message(stream, call, message, entries);
	if (r == 0)
		stream_kick(stream);
	else if (r != -EPIPE)
		lose_message(stream, r);
}

/* --- Ends, credit and canceling ---------------------------------------------------- */

struct end {
	int code;
	struct wire error;
};

static int parse_end(const struct ipc_call *call, struct end *ret_end)
{
	struct wire_field field;
	struct wire wire;
	int r;

	*ret_end = (struct end){ .code = 0 };
	r = fields_of(call->payload, call->size, &wire);
	while (r >= 0 && (r = wire_next(&wire, &field)) > 0) {
		if (field.number == END_CODE && field.type == WIRE_VARINT)
			ret_end->code = wire_unzigzag(field.value);
		else if (field.number == END_ERROR && field.type == WIRE_BYTES)
			ret_end->error = field.bytes;
		else if (field.number == END_CODE || field.number == END_ERROR)
			return -EBADMSG;
	}
	return r;
}

static void end_came(struct ipc_stream *stream, const struct end *end)
{
	int code = end->code >= -ERRNO_MAX && end->code <= 0 ? end->code : -EPROTO;
	size_t explained = (size_t)(end->error.end - end->error.at);

	/* For a receiver these two mean that it should wait, and that it cannot grant credit. */
	if (code == -EAGAIN || code == -EPIPE)
		code = -EREMOTEIO;
	stream_lock(stream);
	if (!stream->in_ended) {
		stream->in_ended = true;
		/* Nobody can read the error of an end that is closed. */
		if (code && !stream->closed)
			error_decode(&stream->in_error, code,
				     explained <= STREAM_MAX_EXPLANATION ? end->error :
									   (struct wire){ 0 });
	}
	stream_wake_receiver_locked(stream);
	stream_wake_sender_locked(stream);
	stream_unlock(stream);

	/* The client ended a stream of replies without a request. */
	if (stream_take_deferred(stream)) {
		ipc_stream_fail(stream, -ENOMSG, NULL, "the stream has no request");
		stream_abandon(stream);
	} else {
		stream_kick(stream);
	}
}

static int parse_credit(const struct ipc_call *call, uint32_t *ret_messages)
{
	struct wire_field field;
	struct wire wire;
	int r;

	*ret_messages = 0;
	r = fields_of(call->payload, call->size, &wire);
	while (r >= 0 && (r = wire_next(&wire, &field)) > 0) {
		if (field.number != CREDIT_MESSAGES)
			continue;
		if (field.type != WIRE_VARINT)
			return -EBADMSG;
		*ret_messages = (uint32_t)field.value;
	}
	return r;
}

static void credit_came(struct ipc_stream *stream, uint32_t messages)
{
	bool lie;

	stream_lock(stream);
	/* A send that fails gives its credit back, so there may be one too many already. */
	lie = messages > STREAM_MAX_CREDIT || stream->credit > STREAM_MAX_CREDIT - messages;
	if (!lie)
		stream->credit += messages;
	stream_wake_sender_locked(stream);
	stream_unlock(stream);

	if (lie)
		stream_refuse(stream, -EPROTO);
	else
		stream_kick_writable(stream);
}

/* --- The two objects ------------------------------------------------------------------ */

/* A message was lost, so the stream ends; the client of a lost request is notified. Methods
 * of later versions are ignored. */
static void message_lost(struct ipc_object *object, int error)
{
	struct ipc_stream *stream = object->userdata;

	if (error != -EOPNOTSUPP)
		lose_message(stream, error);
}

/* A client's limit is for what it unpacks, and blobs are not. */
static bool is_too_large(const struct ipc_stream *stream, const struct ipc_call *call)
{
	if (stream->of.server)
		return call->size > stream->max_message;
	return frame_message_size(call->payload, call->size) > stream->max_message;
}

static int take_data(struct ipc_stream *stream, struct ipc_call *call,
		     const struct ipcbus_event *event)
{
	const void *message;
	struct end end;
	int r;

	if (call->code == STREAM_MESSAGE && call->oneway && is_too_large(stream, call)) {
		event_refuse(call->ipc, event);
		return -EMSGSIZE;
	}
	if (call->code == STREAM_MESSAGE && call->oneway) {
		r = stream->of.type->unpack(stream, call, event, &message);
		if (r < 0)
			return r;
		r = call_intercept(call, stream->of.name);
		if (r == 0)
			message_came(stream, call, message, event->object_count);
		return 0;
	}
	event_refuse(call->ipc, event);
	if (!call->oneway)
		return -EPROTO;
	if (call->code != STREAM_END)
		return -EOPNOTSUPP;
	r = parse_end(call, &end);
	if (r == 0 && call_intercept(call, "end") == 0)
		end_came(stream, &end);
	return r;
}

static int take_control(struct ipc_stream *stream, struct ipc_call *call,
			const struct ipcbus_event *event)
{
	uint32_t messages;
	int r = 0;

	event_refuse(call->ipc, event);
	if (!call->oneway)
		return -EPROTO;
	switch (call->code) {
	case STREAM_CREDIT:
		r = parse_credit(call, &messages);
		if (r == 0 && call_intercept(call, "credit") == 0)
			credit_came(stream, messages);
		return r;
	case STREAM_CANCEL:
		if (call_intercept(call, "cancel") == 0)
			stream_break_by(stream, IPC_ORIGIN_PEER, -ECANCELED);
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

static int serve_data(struct ipc_call *call, const struct ipcbus_event *event)
{
	int r = take_data(call->object->userdata, call, event);

	if (r < 0 && call->oneway)
		message_lost(call->object, r);
	return r;
}

static int serve_control(struct ipc_call *call, const struct ipcbus_event *event)
{
	int r = take_control(call->object->userdata, call, event);

	if (r < 0 && call->oneway)
		message_lost(call->object, r);
	return r;
}

/* Unless the handler waits for its request. */
static bool is_data_passive(const struct ipc_object *object)
{
	const struct ipc_stream *stream = object->userdata;

	return !atomic_load(&stream->deferred);
}

static bool is_control_passive(const struct ipc_object *object)
{
	(void)object;
	return true;
}

static const struct object_type data_type = {
	.serve = serve_data, .lost = message_lost, .is_passive = is_data_passive,
};
static const struct object_type control_type = {
	.serve = serve_control, .lost = message_lost, .is_passive = is_control_passive,
};

/* The other end has released this object of ours, or died. */
static void object_gone(void *userdata)
{
	struct ipc_stream *stream = userdata;

	if (refs_drop(&stream->objects)) {
		stream_unleave(stream);
		stream_break(stream, -EOWNERDEAD);
	}
	stream_put(stream);
}

static int make_object(struct ipc_stream *stream, const struct object_type *type,
		       const char *interface, bool accept_fds, struct ipc_object **ret_object)
{
	int r;

	r = object_new(stream->ipc, type, sizeof(struct ipc_object),
		       accept_fds ? IPCBUS_NODE_ACCEPT_FDS : 0, stream, ret_object);
	if (r < 0)
		return r;
	stream_hold(stream);
	refs_take(&stream->objects);
	(*ret_object)->interface = interface;
	(*ret_object)->destroy = object_gone;
	return 0;
}

int stream_make_objects(struct ipc_stream *stream)
{
	int r;

	r = make_object(stream, &data_type, "ipc.StreamData", stream->of.accept_fds,
			&stream->data);
	return r < 0 ? r : make_object(stream, &control_type, "ipc.StreamControl",
				       /* accept_fds= */ false, &stream->control);
}

/* --- Messages to the other end --------------------------------------------------------- */

static int say(struct ipc_proxy *proxy, const char *method, uint32_t code, const uint8_t *data,
	       size_t size)
{
	static const struct ipc_options options;
	const struct ipc_raw_message message = { .code = code, .data = data, .size = size };

	return raw_oneway_as(proxy, method, &message, &options);
}

int stream_send_credit(struct ipc_stream *stream, uint32_t messages)
{
	uint8_t data[WIRE_FIELD_MAX];
	size_t size = (size_t)(wire_put_number(data, CREDIT_MESSAGES, messages) - data);

	return say(stream->peer_control, "credit", STREAM_CREDIT, data, size);
}

int stream_send_cancel(struct ipc_stream *stream)
{
	static const uint8_t nothing[1];

	return say(stream->peer_control, "cancel", STREAM_CANCEL, nothing, /* size= */ 0);
}

int stream_send_end(struct ipc_stream *stream, const uint8_t *data, size_t size)
{
	return say(stream->peer_data, "end", STREAM_END, data, size);
}

size_t stream_put_end(uint8_t *to, int code)
{
	return (size_t)(wire_put_number(to, END_CODE, wire_zigzag(code)) - to);
}

uint8_t *stream_explain_end(int code, const struct ipc_error *error, size_t *ret_size)
{
	size_t size = error_size(error);
	uint8_t *explained = malloc(size), *data = malloc(size + 2 * WIRE_FIELD_MAX), *at;

	if (!explained || !data) {
		free(explained);
		free(data);
		return NULL;
	}
	at = data + stream_put_end(data, code);
	at = wire_put_bytes(at, END_ERROR, explained, error_encode(error, explained));
	free(explained);
	*ret_size = (size_t)(at - data);
	return data;
}

/* --- Opening ---------------------------------------------------------------------------- */

/* A StreamOpen of this end. Holds its objects until it was sent. */
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

/* method: 0 in the reply. */
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
	at = wire_put_number(at, OPEN_WINDOW, STREAM_WINDOW);
	if (method) {
		stream->cookies[0] = stream->data->wants.cookie;
		stream->cookies[1] = stream->control->wants.cookie;
	}
	if (method && stream->deadline)
		at = wire_put_fixed64(at, OPEN_DEADLINE, stream->deadline);
	i->message = (struct ipc_raw_message){
		.code = method ? IPC_CODE_STREAM : 0,
		.data = i->data,
		.size = (size_t)(at - i->data),
		.entries = i->entries,
		.n_entries = 2,
	};
	stream->data = NULL;
	stream->control = NULL;
	return 0;
}

/* The message holds the objects of the stream now. If it was not sent, they end here. */
static void introduced(struct introduction *i)
{
	ipc_object_unref(i->entries[0].object);
	ipc_object_unref(i->entries[1].object);
}

/* A StreamOpen of the other end. */
struct open {
	uint32_t method;
	uint32_t window;
	uint64_t deadline;	/* 0: none */
	bool has[2];		/* data, control */
	uint64_t id[2];
};

static int parse_object(struct wire bytes, uint64_t *ret_id)
{
	struct wire_field field;
	int r;

	*ret_id = 0;
	while ((r = wire_next(&bytes, &field)) > 0) {
		if (field.number != OBJECT_ID)
			continue;
		if (field.type != WIRE_64BIT)
			return -EBADMSG;
		*ret_id = field.value;
	}
	return r;
}

static int parse_field(struct open *open, const struct wire_field *field)
{
	static const unsigned int types[] = {
		[OPEN_METHOD] = WIRE_VARINT,
		[OPEN_DATA] = WIRE_BYTES,
		[OPEN_CONTROL] = WIRE_BYTES,
		[OPEN_WINDOW] = WIRE_VARINT,
		[OPEN_DEADLINE] = WIRE_64BIT,
	};
	unsigned int i = field->number - OPEN_DATA;

	if (field->number < OPEN_METHOD || field->number > OPEN_DEADLINE)
		return 0;
	if (field->type != types[field->number])
		return -EBADMSG;
	switch (field->number) {
	case OPEN_METHOD:
		open->method = (uint32_t)field->value;
		return 0;
	case OPEN_WINDOW:
		open->window = (uint32_t)field->value;
		return 0;
	case OPEN_DEADLINE:
		open->deadline = field->value;
		return 0;
	default:
		open->has[i] = true;
		return parse_object(field->bytes, &open->id[i]);
	}
}

static int parse_open(const struct ipc_raw_message *message, struct open *ret_open)
{
	struct wire_field field;
	struct wire wire;
	int r;

	*ret_open = (struct open){ .method = 0 };
	r = fields_of(message->data, message->size, &wire);
	while (r >= 0 && (r = wire_next(&wire, &field)) > 0)
		r = parse_field(ret_open, &field);
	if (r < 0)
		return r;
	if (!ret_open->has[0] || !ret_open->has[1])
		return -EBADMSG;
	return ret_open->window <= STREAM_MAX_CREDIT ? 0 : -EPROTO;
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

/* Takes the other end's objects. */
static int meet(struct ipc_stream *stream, const struct ipc_raw_message *message,
		const struct open *open)
{
	int r;

	r = find_proxy(message, open->id[0], &stream->peer_data);
	if (r < 0)
		return r;
	r = find_proxy(message, open->id[1], &stream->peer_control);
	if (r < 0) {
		stream->peer_data = ipc_proxy_unref(stream->peer_data);
		return r;
	}
	stream->credit = open->window;
	return 0;
}

/* After the reply another thread may use the stream already. */
static int serve_reply(struct ipc_call *call, struct ipc_stream *stream)
{
	bool deferred = stream->of.defer;
	struct introduction reply;
	int r;

	r = introduce(&reply, stream, /* method= */ 0);
	if (r < 0) {
		ipc_stream_unref(stream);
		return r;
	}
	if (deferred) {
		/* The program has none of it until its handler starts. */
		atomic_store(&stream->users, 0);
		atomic_store(&stream->deferred, true);
		ipc_unref(stream->ipc);
	}
	r = ipc_raw_reply(call, &reply.message);
	if (r < 0 && deferred) {
		if (stream_take_deferred(stream))
			stream_abandon(stream);
	} else if (r < 0) {
		ipc_stream_unref(stream);
	}
	introduced(&reply);
	return r;
}

/* Counts it for its user until nothing of it is left, at the other end neither. */
static int new_stream(struct ipc_call *call, uint32_t method, struct ipc_stream **ret_stream)
{
	const char *name = call->object->interface ?: "the object";
	struct peer *peer;
	int r;

	r = peer_add(call->object, call->uid, PEER_STREAMS, 1, &peer);
	if (r == -EDQUOT)
		ipc_call_errno(call, r, "%s has %u streams of one user at a time", name,
			       call->object->limits[PEER_STREAMS]);
	if (r < 0)
		return r;
	r = call->object->type->new_stream(call, method, ret_stream);
	if (r == 0) {
		(*ret_stream)->peer = peer;
		(*ret_stream)->waiting = &peer->waiting;
		(*ret_stream)->max_message = call->object->max_message;
		(*ret_stream)->max_waiting_bytes = call->object->max_waiting_bytes;
		(*ret_stream)->max_waiting_entries = call->object->max_waiting_entries;
		return 0;
	}
	peer_remove(call->ipc, peer, PEER_STREAMS, 1);
	if (r == -EOPNOTSUPP)
		ipc_call_errno(call, r, "%s has no stream with the number 0x%x", name, method);
	return r;
}

int stream_serve(struct ipc_call *call, const struct ipc_raw_message *message)
{
	struct ipc_stream *stream;
	struct open open;
	bool deferred;
	int r;

	r = parse_open(message, &open);
	if (r == -EPROTO)
		ipc_call_errno(call, r, "a stream grants credit for at most %u messages",
			       STREAM_MAX_CREDIT);
	if (r == 0)
		r = new_stream(call, open.method, &stream);
	if (r < 0)
		return r;
	r = call_intercept(call, stream->of.name ?: "stream");
	if (r == 0)
		r = stream_take_call(stream, call);
	if (r == 0)
		r = meet(stream, message, &open);
	stream_set_deadline(stream, open.deadline);
	if (r < 0) {
		ipc_stream_unref(stream);
		return r;
	}
	deferred = stream->of.defer;
	r = serve_reply(call, stream);
	/* A deferred one waits for its request, which another thread may be serving already. */
	if (r == 0 && !deferred)
		start_handler(stream, NULL);
	return r;
}

int stream_opened(struct ipc_stream *stream, const struct ipc_raw_message *reply,
		  const struct ipc_options *options)
{
	struct open open;
	int r;

	r = parse_open(reply, &open);
	if (r == 0)
		r = meet(stream, reply, &open);
	if (r == 0)
		r = stream_watch(stream);
	return r < 0 ? r : stream_follow(stream, options);
}

int stream_open(struct ipc_stream *stream, struct ipc_proxy *proxy,
		const struct ipc_options *options, struct ipc_error *error)
{
	struct ipc_raw_message *reply;
	struct introduction question;
	struct ipc_options opening;
	int r;

	stream_take_options(stream, options, &opening);
	r = introduce(&question, stream, stream->of.code);
	if (r < 0)
		return error_set(error, r);
	r = raw_call_as(proxy, stream->of.name ?: "stream", &question.message, &opening, &reply,
			error);
	introduced(&question);
	if (r < 0)
		return r;
	r = stream_opened(stream, reply, &opening);
	ipc_raw_free(reply);
	return r < 0 ? error_set(error, r) : 0;
}

int stream_open_async(struct ipc_stream *stream, struct ipc_proxy *proxy,
		      const struct ipc_options *options, ipc_raw_cb cb, void *userdata)
{
	struct introduction question;
	struct ipc_options opening;
	int r;

	stream_take_options(stream, options, &opening);
	r = introduce(&question, stream, stream->of.code);
	if (r < 0)
		return r;
	r = raw_call_async_as(proxy, stream->of.name ?: "stream", &question.message, &opening, cb,
			      userdata, /* ret_slot= */ NULL);
	introduced(&question);
	return r;
}
