// SPDX-License-Identifier: MIT
/*
 * Opening a stream: how the two ends find each other. See stream.h. The other end is not trusted.
 *
 * Request and reply are StreamOpen of ipc.proto.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "call.h"
#include "errors.h"
#include "object.h"
#include "peers.h"
#include "proxy.h"
#include "raw.h"
#include "stream.h"
#include "wire.h"

/* Numbers of the fields. */
enum { OPEN_METHOD = 1, OPEN_DATA, OPEN_CONTROL, OPEN_WINDOW, OPEN_DEADLINE, OPEN_SHARED };
enum { OBJECT_ID = 1 };
enum { SHARED_LAYOUT = 1, SHARED_CLIENT, SHARED_SERVER };
enum { FD_FD = 1 };

/* The bytes of a StreamOpen, without and with StreamShared. */
#define OPEN_SIZE   (5 * WIRE_FIELD_MAX)
#define SHARED_SIZE (7 * WIRE_FIELD_MAX)

/* A StreamOpen of this end. Holds its objects until it was sent. */
struct introduction {
	struct ipc_raw_message message;
	struct ipc_raw_entry entries[4];
	uint8_t data[OPEN_SIZE + SHARED_SIZE];
	size_t ordinary_size; /* without the offer to share memory */
	int fds[2];	      /* of the memory; -1: there is none */
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
	i->ordinary_size = i->message.size;
	i->fds[0] = -1;
	i->fds[1] = -1;
	stream->data = NULL;
	stream->control = NULL;
	return 0;
}

/* Both fields of files, whose entries have the number of the field as their tag. */
static uint8_t *put_files(uint8_t *at, struct introduction *i)
{
	for (unsigned int n = 0; n < 2; n++) {
		uint32_t field = n ? SHARED_SERVER : SHARED_CLIENT;
		uint8_t fd[WIRE_FIELD_MAX];
		uint8_t *end = wire_put_number(fd, FD_FD, wire_zigzag((int32_t)field));

		at = wire_put_bytes(at, field, fd, (size_t)(end - fd));
		i->entries[i->message.n_entries++] = (struct ipc_raw_entry){
			.tag = field,
			.type = IPC_RAW_FD,
			.fd = i->fds[n],
		};
	}
	return at;
}

/* Adds a StreamShared, with the files if this end is the client. */
static void introduce_shared(struct introduction *i, const struct ipc_stream *stream)
{
	uint8_t shared[SHARED_SIZE];
	uint8_t *at = wire_put_fixed64(shared, SHARED_LAYOUT, stream->of.layout);

	if (!stream->of.server)
		at = put_files(at, i);
	at = wire_put_bytes(i->data + i->message.size, OPEN_SHARED, shared, (size_t)(at - shared));
	i->message.size = (size_t)(at - i->data);
}

/* A client's. */
static int introduce_client(struct introduction *i, struct ipc_stream *stream)
{
	int r = introduce(i, stream, stream->of.code);

	if (r == 0 && stream_offer_rings(stream, i->fds))
		introduce_shared(i, stream);
	return r;
}

/* A server that does not take files does not share memory either. True: the message is without
 * them now. */
static bool introduce_ordinary(struct introduction *i, struct ipc_stream *stream)
{
	if (i->message.n_entries == 2)
		return false;
	stream_drop_rings(stream);
	i->message.n_entries = 2;
	i->message.size = i->ordinary_size;
	return true;
}

/* The message holds the objects of the stream now. If it was not sent, they end here. */
static void introduced(struct introduction *i)
{
	ipc_object_unref(i->entries[0].object);
	ipc_object_unref(i->entries[1].object);
	for (int n = 0; n < 2; n++)
		if (i->fds[n] >= 0)
			close(i->fds[n]);
}

/* A StreamOpen of the other end. */
struct open {
	uint32_t method;
	uint32_t window;
	uint64_t deadline; /* 0: none */
	bool has[2];	   /* data, control */
	uint64_t id[2];
	uint64_t layout;   /* of shared memory; 0: none */
	uint64_t files[2]; /* tags of the client's and the server's part; 0: none */
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

static int parse_file(struct wire bytes, uint64_t *ret_tag)
{
	struct wire_field field;
	int r;

	*ret_tag = 0;
	while ((r = wire_next(&bytes, &field)) > 0) {
		if (field.number != FD_FD)
			continue;
		if (field.type != WIRE_VARINT)
			return -EBADMSG;
		*ret_tag = (uint64_t)wire_unzigzag(field.value);
	}
	return r;
}

static int parse_shared(struct wire bytes, struct open *open)
{
	struct wire_field field;
	int r;

	while ((r = wire_next(&bytes, &field)) > 0) {
		if (field.number == SHARED_LAYOUT && field.type == WIRE_64BIT)
			open->layout = field.value;
		else if (field.number >= SHARED_CLIENT && field.number <= SHARED_SERVER &&
			 field.type == WIRE_BYTES)
			r = parse_file(field.bytes, &open->files[field.number - SHARED_CLIENT]);
		else if (field.number <= SHARED_SERVER)
			return -EBADMSG;
		if (r < 0)
			return r;
	}
	return r;
}

static int parse_field(struct open *open, const struct wire_field *field)
{
	static const unsigned int types[] = {
		[OPEN_METHOD] = WIRE_VARINT,  [OPEN_DATA] = WIRE_BYTES,
		[OPEN_CONTROL] = WIRE_BYTES,  [OPEN_WINDOW] = WIRE_VARINT,
		[OPEN_DEADLINE] = WIRE_64BIT, [OPEN_SHARED] = WIRE_BYTES,
	};
	unsigned int i = field->number - OPEN_DATA;

	if (field->number < OPEN_METHOD || field->number > OPEN_SHARED)
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
	case OPEN_SHARED:
		return parse_shared(field->bytes, open);
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

/* The message keeps it. -EBADMSG: it brings no such file. */
static int find_file(const struct ipc_raw_message *message, uint64_t tag, int *ret_fd)
{
	for (size_t i = 0; i < message->n_entries; i++) {
		const struct ipc_raw_entry *entry = &message->entries[i];

		if (entry->type == IPC_RAW_FD && entry->tag == tag) {
			*ret_fd = entry->fd;
			return 0;
		}
	}
	return -EBADMSG;
}

/* Of a server: takes the memory that the client offers, if it can. */
static int share(struct ipc_stream *stream, struct ipc_call *call,
		 const struct ipc_raw_message *message, const struct open *open)
{
	int fds[2] = { -1, -1 };
	int r;

	if (likely(!open->layout))
		return 0;
	r = find_file(message, open->files[0], &fds[0]);
	if (r == 0)
		r = find_file(message, open->files[1], &fds[1]);
	if (r == 0)
		r = stream_take_rings(stream, open->layout, fds);
	if (r == -EBADMSG)
		ipc_call_errno(call, r,
			       "the memory of the stream is not sealed, or of another size");
	return r;
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
	if (stream->rings)
		introduce_shared(&reply, stream);
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
		r = share(stream, call, message, &open);
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
	if (r == 0 && stream->rings && open.layout != stream->of.layout)
		stream_drop_rings(stream);
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
	r = introduce_client(&question, stream);
	if (r < 0)
		return error_set(error, r);
	do {
		r = ipc_raw_call(proxy, &question.message, &opening, &reply, error);
	} while (r == -EPERM && introduce_ordinary(&question, stream));
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
