// SPDX-License-Identifier: MIT
/*
 * Opening a stream: how the two ends find each other. See stream.h. The other end is not trusted.
 *
 * Request and reply are StreamOpen of ipc.proto.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "call.h"
#include "errors.h"
#include "object.h"
#include "peers.h"
#include "proxy.h"
#include "raw.h"
#include "stream.h"
#include "wire.h"

/* Numbers of the fields. */
enum { OPEN_METHOD = 1, OPEN_DATA, OPEN_CONTROL, OPEN_WINDOW, OPEN_DEADLINE };
enum { OBJECT_ID = 1 };

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
	uint64_t deadline; /* 0: none */
	bool has[2];	   /* data, control */
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
		[OPEN_METHOD] = WIRE_VARINT,  [OPEN_DATA] = WIRE_BYTES,
		[OPEN_CONTROL] = WIRE_BYTES,  [OPEN_WINDOW] = WIRE_VARINT,
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
	r = stream_fields(message->data, message->size, &wire);
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
		stream_start_handler(stream, NULL);
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
	r = ipc_raw_call(proxy, &question.message, &opening, &reply, error);
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
	r = ipc_raw_call_async(proxy, &question.message, &opening, cb, userdata,
			       /* ret_slot= */ NULL);
	introduced(&question);
	return r;
}
