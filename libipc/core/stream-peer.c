// SPDX-License-Identifier: MIT
/*
 * What the ends of a stream say to each other: the two objects that each has, what
 * is called on them, and how a stream is opened. See stream.h. The other end is a
 * stranger: it may send what it likes, whenever it likes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "typed/builtin.h"
#include "call.h"
#include "object.h"
#include "proxy.h"
#include "reply.h"
#include "stream.h"

/* How long the other end may leave no room for credit, an end or a cancel. */
#define SPACE_USEC	5000000

/* --- Messages ---------------------------------------------------------------------- */

/* The request of a stream of replies: only now is the handler called. */
static void start_handler(struct ipc_stream *stream, const ProtobufCMessage *request)
{
	struct ipc_object *service = stream->service;
	int r;

	r = stream_watch(stream);
	if (r == 0)
		r = stream->method->open(stream, request, service->ops, service->userdata);
	if (r < 0)
		ipc_stream_fail(stream, r, NULL, NULL);
	ipc_stream_unref(stream);
}

static int keep_message(struct ipc_stream *stream, struct ipc_call *call,
			const ProtobufCMessage *message)
{
	struct stream_item *item = malloc(sizeof(*item));
	int r = 0;

	if (!item)
		return -ENOMEM;
	*item = (struct stream_item){ .call = ipc_call_ref(call), .message = message };
	call->detached = !(stream->in_methods[0].flags & IPC_METHOD_REQUEST_BLOBS);

	pthread_mutex_lock(&stream->lock);
	if (stream->closed || stream->in_ended || stream->broken) {
		stream->lost |= !stream->in_ended;
		r = -EPIPE;
	} else if (stream->n_items == STREAM_WINDOW) {
		r = -EPROTO;
	} else {
		*stream->last = item;
		stream->last = &item->next;
		stream->n_items++;
		stream_wake_receiver_locked(stream);
	}
	pthread_mutex_unlock(&stream->lock);
	if (r < 0) {
		ipc_call_unref(call);
		free(item);
	}
	return r;
}

static int message_came(struct ipc_call *call, const ProtobufCMessage *message, const void *ops,
			void *userdata)
{
	struct ipc_stream *stream = userdata;
	int r;

	(void)ops;
	if (stream_take_deferred(stream)) {
		ipc_ref(stream->ipc);
		start_handler(stream, message);
		return 0;
	}
	r = keep_message(stream, call, message);
	if (r == 0)
		stream_call_back(stream);
	else if (r != -EPIPE)
		stream_break(stream, r);
	return 0;
}

static int end_came(struct ipc_call *call, const ProtobufCMessage *message, const void *ops,
		    void *userdata)
{
	const Ipc__StreamEnd *end = (const Ipc__StreamEnd *)message;
	struct ipc_stream *stream = userdata;
	int code;

	(void)call, (void)ops;
	pthread_mutex_lock(&stream->lock);
	if (!stream->in_ended) {
		stream->in_ended = true;
		code = end->code >= -ERRNO_MAX && end->code <= 0 ? end->code : -EPROTO;
		if (code && end->error)
			error_explain(&stream->in_error, code, end->error);
		else
			error_set(&stream->in_error, code);
	}
	stream_wake_receiver_locked(stream);
	stream_wake_sender_locked(stream);
	pthread_mutex_unlock(&stream->lock);

	/* Opened, and ended before it said what it wants. */
	if (stream_take_deferred(stream)) {
		ipc_stream_fail(stream, -ENOMSG, NULL, "the stream has no request");
		stream_abandon(stream);
	} else {
		stream_call_back(stream);
	}
	return 0;
}

/* --- Credit and cancelling ------------------------------------------------------------ */

static int credit_came(struct ipc_call *call, const ProtobufCMessage *message, const void *ops,
		       void *userdata)
{
	const Ipc__StreamCredit *credit = (const Ipc__StreamCredit *)message;
	struct ipc_stream *stream = userdata;
	bool lie;

	(void)call, (void)ops;
	pthread_mutex_lock(&stream->lock);
	lie = credit->messages > STREAM_MAX_CREDIT - stream->credit;
	if (!lie)
		stream->credit += credit->messages;
	stream_wake_sender_locked(stream);
	pthread_mutex_unlock(&stream->lock);

	if (lie)
		stream_break(stream, -EPROTO);
	else
		stream_call_back(stream);
	return 0;
}

static int cancel_came(struct ipc_call *call, const ProtobufCMessage *message, const void *ops,
		       void *userdata)
{
	struct ipc_stream *stream = userdata;

	(void)call, (void)message, (void)ops;
	stream_break(stream, -ECANCELED);
	return 0;
}

static const struct ipc_method control_methods[] = {
	{
		.code = STREAM_CREDIT,
		.flags = IPC_METHOD_ONEWAY,
		.name = "credit",
		.request = &ipc__stream_credit__descriptor,
		.reply = &ipc__none__descriptor,
		.invoke = credit_came,
	},
	{
		.code = STREAM_CANCEL,
		.flags = IPC_METHOD_ONEWAY,
		.name = "cancel",
		.request = &ipc__none__descriptor,
		.reply = &ipc__none__descriptor,
		.invoke = cancel_came,
	},
};

static const struct ipc_interface control_interface = {
	.name = "ipc.StreamControl",
	.methods = control_methods,
	.n_methods = 2,
};

static const struct ipc_method end_method = {
	.code = STREAM_END,
	.flags = IPC_METHOD_ONEWAY,
	.name = "end",
	.request = &ipc__stream_end__descriptor,
	.reply = &ipc__none__descriptor,
	.invoke = end_came,
};

/* What could not be taken is missing for ever; of a request the client is told. What a
 * later version may say is none of our business. */
static void message_lost(void *userdata, int error)
{
	struct ipc_stream *stream = userdata;

	if (error == -EOPNOTSUPP)
		return;
	if (stream_take_deferred(stream)) {
		ipc_stream_fail(stream, error, NULL, NULL);
		stream_abandon(stream);
	} else {
		stream_break(stream, error);
	}
}

/* Nobody can say anything to this end any more: the other one let go of it, if it
 * could say so or not. */
static void object_gone(void *userdata)
{
	struct ipc_stream *stream = userdata;

	if (refs_drop(&stream->objects))
		stream_break(stream, -EOWNERDEAD);
	stream_put(stream);
}

static int make_object(struct ipc_stream *stream, const struct ipc_interface *interface,
		       struct ipc_object **ret_object)
{
	int r;

	stream_hold(stream);
	refs_take(&stream->objects);
	r = ipc_object_new(stream->ipc, interface, /* ops= */ NULL, stream, object_gone,
			   ret_object);
	if (r < 0) {
		refs_drop(&stream->objects);
		stream_put(stream);
		return r;
	}
	(*ret_object)->lost = message_lost;
	return 0;
}

int stream_make_objects(struct ipc_stream *stream)
{
	int r;

	stream->in_methods[0].invoke = message_came;
	stream->in_methods[1] = end_method;
	stream->in = (struct ipc_interface){
		.name = "ipc.StreamData",
		.methods = stream->in_methods,
		.n_methods = 2,
	};
	r = make_object(stream, &stream->in, &stream->data);
	return r < 0 ? r : make_object(stream, &control_interface, &stream->control);
}

int stream_send_credit(struct ipc_stream *stream, uint32_t messages)
{
	static const struct ipc_options options = { .timeout_usec = SPACE_USEC };
	Ipc__StreamCredit credit = IPC__STREAM_CREDIT__INIT;

	credit.has_messages = true;
	credit.messages = messages;
	return ipc_rpc_oneway_with(stream->peer_control, &control_methods[0], &options,
				   &credit.base);
}

int stream_send_end(struct ipc_stream *stream, int code, const struct ipc_error *error)
{
	static const struct ipc_options options = { .timeout_usec = SPACE_USEC };
	Ipc__StreamEnd end = IPC__STREAM_END__INIT;
	Ipc__Error explained;
	int r = -EAGAIN;

	end.has_code = true;
	end.code = code;
	if (error) {
		error_describe(error, &explained);
		end.error = &explained;
		r = ipc_rpc_oneway_with(stream->peer_data, &end_method, &options, &end.base);
	}
	/* Without memory or room for what explains it, the code must do. */
	end.error = NULL;
	if (r < 0)
		r = ipc_rpc_oneway_with(stream->peer_data, &end_method, &options, &end.base);
	return r;
}

void stream_send_cancel(struct ipc_stream *stream)
{
	static const struct ipc_options options = { .timeout_usec = SPACE_USEC };
	static const Ipc__None none = IPC__NONE__INIT;

	/* If it cannot be told it learns when this end's objects are gone. */
	ipc_rpc_oneway_with(stream->peer_control, &control_methods[1], &options, &none.base);
}

/* --- Opening ---------------------------------------------------------------------------- */

/* This end, as the other is told of it. Holds the objects until it was. */
struct introduction {
	Ipc__StreamOpen message;
	Ipc__Object data;
	Ipc__Object control;
	struct ipc_object *objects[2];
};

static int introduce(struct introduction *i, struct ipc_stream *stream)
{
	int r;

	ipc__stream_open__init(&i->message);
	ipc__object__init(&i->data);
	ipc__object__init(&i->control);
	r = object_get_id(stream->data, &i->data.id);
	if (r == 0)
		r = object_get_id(stream->control, &i->control.id);
	if (r < 0)
		return r;
	i->message.data = &i->data;
	i->message.control = &i->control;
	i->message.has_window = true;
	i->message.window = STREAM_WINDOW;
	i->objects[0] = stream->data;
	i->objects[1] = stream->control;
	stream->data = NULL;
	stream->control = NULL;
	return 0;
}

/* From now on the other end alone holds the objects, or nobody. */
static void introduced(struct introduction *i)
{
	ipc_object_unref(i->objects[0]);
	ipc_object_unref(i->objects[1]);
}

/* Takes the other end's objects out of its introduction. */
static int meet(struct ipc_stream *stream, const Ipc__StreamOpen *open)
{
	struct ipc_proxy *data, *control;
	int r;

	if (!open->data || !open->control)
		return -EBADMSG;
	r = ipc_take_proxy(stream->ipc, &open->data->id, &data);
	if (r < 0)
		return r;
	r = ipc_take_proxy(stream->ipc, &open->control->id, &control);
	if (r < 0) {
		ipc_proxy_unref(data);
		return r;
	}
	stream->peer_data = data;
	stream->peer_control = control;
	stream->credit = open->window < STREAM_MAX_CREDIT ? open->window : STREAM_MAX_CREDIT;
	return 0;
}

static const struct ipc_method *find_stream_method(const struct ipc_interface *interface,
						   uint32_t code)
{
	for (size_t i = 0; i < interface->n_methods; i++)
		if (interface->methods[i].code == code && interface->methods[i].open)
			return &interface->methods[i];
	return NULL;
}

/* Answers, after which the stream may be at work on another thread already. */
static int serve_reply(struct ipc_call *call, struct ipc_stream *stream)
{
	bool deferred = !(stream->method->flags & IPC_METHOD_REQUEST_STREAM);
	struct introduction answer;
	int r;

	r = introduce(&answer, stream);
	if (r < 0) {
		ipc_stream_unref(stream);
		return r;
	}
	if (deferred) {
		atomic_store(&stream->deferred, true);
		ipc_unref(stream->ipc);
	}
	r = ipc_rpc_reply(call, call->method, &answer.message.base);
	if (r < 0 && deferred) {
		if (stream_take_deferred(stream))
			stream_abandon(stream);
	} else if (r < 0) {
		ipc_stream_unref(stream);
	}
	introduced(&answer);
	return r;
}

static int serve_new(struct ipc_call *call, const struct ipc_method *method,
		     const Ipc__StreamOpen *open, struct ipc_stream **ret_stream)
{
	struct ipc_stream *stream;
	int r;

	r = stream_new(call->ipc, method, /* server= */ true, &stream);
	if (r < 0)
		return r;
	stream->service = ipc_object_ref(call->object);
	stream->uid = call->uid;
	stream->gid = call->gid;
	stream->pid = call->pid;
	r = meet(stream, open);
	if (r < 0) {
		ipc_stream_unref(stream);
		return r;
	}
	*ret_stream = stream;
	return serve_reply(call, stream);
}

int stream_serve(struct ipc_call *call, const ProtobufCMessage *request, const void *ops,
		 void *userdata)
{
	const Ipc__StreamOpen *open = (const Ipc__StreamOpen *)request;
	const struct ipc_method *method;
	struct ipc_stream *stream = NULL;
	int r;

	(void)ops, (void)userdata;
	method = find_stream_method(call->object->interface, open->method);
	if (!method)
		return ipc_call_errno(call, EOPNOTSUPP, "%s has no stream with the number 0x%x",
				      call->object->interface->name, open->method);
	r = serve_new(call, method, open, &stream);
	if (r < 0)
		return r;
	/* Otherwise it waits for the request, which may be on another thread already. */
	if (method->flags & IPC_METHOD_REQUEST_STREAM)
		start_handler(stream, NULL);
	return 0;
}

int ipc_rpc_invoke_stream(struct ipc_call *call, const ProtobufCMessage *request, const void *ops,
			  void *userdata)
{
	(void)request, (void)ops, (void)userdata;
	return ipc_call_errno(call, EPROTO, "%s.%s is a stream: it is opened, not called",
			      call->object->interface->name, call->method->name);
}

/* The request of a stream of replies is the one message of the other direction. */
static int send_request(struct ipc_stream *stream, const ProtobufCMessage *request)
{
	int r = ipc_rpc_stream_send(stream, stream->method, SPACE_USEC, request);

	return r < 0 ? r : ipc_stream_end(stream);
}

static int open_with(struct ipc_stream *stream, struct ipc_proxy *proxy,
		     const struct ipc_options *options, const ProtobufCMessage *request,
		     struct ipc_error *error)
{
	struct introduction question;
	ProtobufCMessage *answer;
	int r;

	r = introduce(&question, stream);
	if (r < 0)
		return error_set(error, r);
	question.message.has_method = true;
	question.message.method = stream->method->code;
	r = ipc_rpc_call_with(proxy, builtin_find(IPC_CODE_STREAM), options, &question.message.base,
			      &answer, error);
	introduced(&question);
	if (r < 0)
		return r;
	r = meet(stream, (Ipc__StreamOpen *)answer);
	ipc_rpc_free(answer);
	if (r == 0)
		r = stream_watch(stream);
	if (r == 0 && !(stream->method->flags & IPC_METHOD_REQUEST_STREAM))
		r = send_request(stream, request);
	return r < 0 ? error_set(error, r) : 0;
}

int ipc_rpc_stream_open(struct ipc_proxy *proxy, const struct ipc_method *method,
			const struct ipc_options *options, const ProtobufCMessage *request,
			struct ipc_stream **ret_stream, struct ipc_error *error)
{
	struct ipc_stream *stream;
	int r;

	if (!proxy || !proxy->ipc || !method || !method->open || !ret_stream ||
	    !request != !!(method->flags & IPC_METHOD_REQUEST_STREAM))
		return error_set(error, -EINVAL);
	r = stream_new(proxy->ipc, method, /* server= */ false, &stream);
	if (r < 0)
		return error_set(error, r);
	r = open_with(stream, proxy, options, request, error);
	if (r < 0) {
		ipc_stream_unref(stream);
		return r;
	}
	*ret_stream = stream;
	return 0;
}
