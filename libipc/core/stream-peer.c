// SPDX-License-Identifier: MIT
/*
 * The messages between the two sides of a stream: the two objects of each side, and their methods.
 * See stream.h. The other side is not trusted. It may send any message at any time.
 *
 * The messages are StreamCredit and StreamEnd of ipc.proto.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/wire.h"
#include "call.h"
#include "conn/frame.h"
#include "entry.h"
#include "errors.h"
#include "object.h"
#include "proxy.h"
#include "raw.h"
#include "stream-ring.h"
#include "stream.h"

enum { CREDIT_MESSAGES = 1 };
enum { END_CODE = 1, END_ERROR };

static const char control_interface[] = "ipc.StreamControl";

int stream_payload_fields(const void *payload, size_t size, const uint8_t *types, uint32_t n,
			  struct wire_field *ret)
{
	const void *data;
	int r;

	r = ipc_payload_message(payload, size, &data, &size);
	return r < 0 ? r : wire_fields(wire_of(data, size), types, n, ret);
}

/* --- Messages ---------------------------------------------------------------------- */

/* Queues a message for the receiver. -EPIPE: it takes none any more; -EPROTO: without credit. */
static int keep_message(struct ipc_stream *stream, struct ipc_call *call, const void *message,
			unsigned int entries)
{
	struct stream_item *item = malloc(sizeof(*item));
	int r;

	if (!item)
		return -ENOMEM;
	*item = (struct stream_item){
		.call = ipc_call_ref(call),
		.message = message,
		.bytes = sizeof(*item) + sizeof(*call) + stream->of.type->memory(call),
		.entries = entries,
	};
	r = stream_count_item(stream, item);

	stream_lock(stream);
	if (r == 0 && (stream->closed || stream->in_ended || stream->broken)) {
		stream->lost |= !stream->in_ended;
		r = -EPIPE;
	}
	if (r == 0 && stream->n_items >= stream->window)
		r = -EPROTO;
	if (r == 0) {
		*stream->last = item;
		stream->last = &item->next;
		stream->n_items++;
		stream->message_due = true;
		stream_wake_receiver_locked(stream);
	}
	stream_unlock(stream);
	if (r < 0)
		stream_free_items(stream, item);
	return r;
}

/* Ends the stream because a message is lost. The other side gets the error, and its own end of the
 * stream, if it follows, is no good end. */
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
		stream_start_handler(stream, message);
		return;
	}
	r = keep_message(stream, call, message, entries);
	if (r == 0)
		stream_kick(stream);
	else if (r != -EPIPE)
		lose_message(stream, r);
}

/* --- Ends, credit and canceling ---------------------------------------------------- */

static void end_came(struct ipc_stream *stream, int code, struct wire error)
{
	/* For a receiver these two mean that it must wait, and that it cannot grant credit. */
	if (code == -EAGAIN || code == -EPIPE)
		code = -EREMOTEIO;
	if (code < -ERRNO_MAX || code > 0)
		code = -EPROTO;
	if (error.end - error.at > (ptrdiff_t)STREAM_MAX_EXPLANATION)
		error = (struct wire){ 0 };
	stream_lock(stream);
	if (!stream->in_ended) {
		stream->in_ended = true;
		/* close_locked() has freed the error of a closed side. */
		if (code && !stream->closed)
			error_decode(&stream->in_error, code, error);
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

static int take_end(struct ipc_stream *stream, struct ipc_call *call)
{
	static const uint8_t types[] = { [END_CODE] = WIRE_VARINT, [END_ERROR] = WIRE_BYTES };
	struct wire_field fields[END_ERROR + 1];
	int r;

	r = stream_payload_fields(call->payload, call->size, types, END_ERROR + 1, fields);
	if (r == 0)
		end_came(stream, (int)wire_unzigzag((uint32_t)fields[END_CODE].value),
			 fields[END_ERROR].bytes);
	return r;
}

static void credit_came(struct ipc_stream *stream, uint64_t messages)
{
	bool lie;

	stream_lock(stream);
	/* A send that fails gives its credit back, so the credit may exceed the limit by one. */
	lie = messages > STREAM_WINDOW || stream->credit > STREAM_WINDOW - messages;
	if (!lie) {
		stream->credit += (unsigned int)messages;
		ring_count_credit_locked(stream, (unsigned int)messages);
	}
	stream_wake_sender_locked(stream);
	stream_unlock(stream);

	if (lie)
		stream_refuse(stream, -EPROTO);
	else
		stream_kick_writable(stream);
}

static int take_credit(struct ipc_stream *stream, struct ipc_call *call)
{
	static const uint8_t types[] = { [CREDIT_MESSAGES] = WIRE_VARINT };
	struct wire_field fields[CREDIT_MESSAGES + 1];
	int r;

	r = stream_payload_fields(call->payload, call->size, types, CREDIT_MESSAGES + 1, fields);
	if (r == 0)
		credit_came(stream, fields[CREDIT_MESSAGES].value);
	return r;
}

/* --- The two objects ------------------------------------------------------------------ */

/* Ends the stream after a lost oneway to the object, but ignores methods of later versions. */
static void message_lost(struct ipc_object *object, int error)
{
	if (error != -EOPNOTSUPP)
		lose_message(object->userdata, error);
}

static int take_message(struct ipc_stream *stream, struct ipc_call *call,
			const struct ipcbus_event *event)
{
	const void *message;
	int r;

	if (call->size > stream->max_message) {
		event_refuse(call->ipc, event);
		return -EMSGSIZE;
	}
	r = stream->of.type->unpack(stream, call, event, &message);
	if (r < 0)
		return r;
	message_came(stream, call, message, event->object_count);
	return 0;
}

static int take_data(struct ipc_stream *stream, struct ipc_call *call,
		     const struct ipcbus_event *event)
{
	if (call->code == STREAM_MESSAGE && call->oneway)
		return take_message(stream, call, event);
	event_refuse(call->ipc, event);
	if (!call->oneway)
		return -EPROTO;
	if (call->code == STREAM_SWITCH)
		return ring_switch_came(stream);
	return call->code == STREAM_END ? take_end(stream, call) : -EOPNOTSUPP;
}

static int take_control(struct ipc_stream *stream, struct ipc_call *call,
			const struct ipcbus_event *event)
{
	if (call->code == STREAM_RING && call->oneway)
		return ring_offered(stream, call, event);
	event_refuse(call->ipc, event);
	if (!call->oneway)
		return -EPROTO;
	if (call->code == STREAM_CREDIT)
		return take_credit(stream, call);
	if (call->code == STREAM_BELL) {
		ring_bell_came(stream);
		return 0;
	}
	if (call->code != STREAM_CANCEL)
		return -EOPNOTSUPP;
	stream_break_by(stream, IPC_ORIGIN_PEER, -ECANCELED);
	return 0;
}

static bool is_control(const struct ipc_object *object)
{
	return object->interface == control_interface;
}

static int serve_peer(struct ipc_call *call, const struct ipcbus_event *event)
{
	struct ipc_stream *stream = call->object->userdata;
	int r = is_control(call->object) ? take_control(stream, call, event) :
					   take_data(stream, call, event);

	if (r < 0 && call->oneway) {
		message_lost(call->object, r);
		return 0;
	}
	return r;
}

/* Returns false if the next message may be a request, which runs the handler. */
static bool is_passive(const struct ipc_object *object)
{
	const struct ipc_stream *stream = object->userdata;

	return is_control(object) || !atomic_load(&stream->deferred);
}

static const struct object_type end_type = {
	.serve = serve_peer, .lost = message_lost, .is_passive = is_passive,
};

/* Handles the other side's release of an object, or death. The last breaks the stream off. */
static void object_gone(void *userdata)
{
	struct ipc_stream *stream = userdata;

	if (refs_drop(&stream->objects))
		stream_break(stream, -EOWNERDEAD);
	stream_put(stream);
}

static int make_object(struct ipc_stream *stream, const char *interface, bool accept_fds,
		       struct ipc_object **ret_object)
{
	int r;

	r = object_new(stream->ipc, &end_type, sizeof(struct ipc_object),
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

	r = make_object(stream, "ipc.StreamData", stream->of.accept_fds, &stream->data);
	if (r < 0)
		return r;
	/* A client offers files of memory. */
	return make_object(stream, control_interface, /* accept_fds= */ stream->of.server,
			   &stream->control);
}

/* --- Messages to the other side --------------------------------------------------------- */

int stream_say(struct ipc_proxy *proxy, uint32_t method, const uint8_t *data, size_t size)
{
	const struct ipc_raw_message message = { .method = method, .data = data, .size = size };

	return ipc_raw_oneway(proxy, &message, /* options= */ NULL);
}

int stream_send_credit(struct ipc_stream *stream, uint32_t messages)
{
	uint8_t data[WIRE_FIELD_MAX];
	size_t size = (size_t)(wire_put_number(data, CREDIT_MESSAGES, messages) - data);

	return stream_say(stream->peer_control, STREAM_CREDIT, data, size);
}

int stream_send_cancel(struct ipc_stream *stream)
{
	return stream_say(stream->peer_control, STREAM_CANCEL, /* data= */ NULL, /* size= */ 0);
}

static uint8_t *put_code(uint8_t *to, int code)
{
	return wire_put_number(to, END_CODE, wire_zigzag(code));
}

int stream_send_end(struct ipc_stream *stream)
{
	const struct stream_last *last = &stream->last_words;
	uint8_t bare[WIRE_FIELD_MAX];
	int r = -ENOMEM;

	if (last->data)
		r = stream_say(stream->peer_data, STREAM_END, last->data, last->size);
	if (r < 0 && r != -EAGAIN)
		r = stream_say(stream->peer_data, STREAM_END, bare,
			(size_t)(put_code(bare, last->code) - bare));
	return r;
}

uint8_t *stream_explain_end(int code, const struct ipc_error *error, size_t *ret_size)
{
	size_t size = error_size(error);
	uint8_t *explained = malloc(size), *data = malloc(size + 2 * WIRE_FIELD_MAX), *at;

	if (explained && data) {
		at = put_code(data, code);
		at = wire_put_bytes(at, END_ERROR, explained, error_encode(error, explained));
		*ret_size = (size_t)(at - data);
	} else {
		free(data);
		data = NULL;
	}
	free(explained);
	return data;
}
