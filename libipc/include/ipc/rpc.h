/* SPDX-License-Identifier: MIT */
/*
 * Functions for generated code (protoc-gen-ipc). Programs must call only ipc_rpc_describe() and
 * ipc_rpc_free(). The rules and the error list of <ipc/ipc.h> apply.
 *
 * On the wire, a method is its number, and a message its protobuf bytes. Ipc__Object and Ipc__Fd
 * fields keep their value in the bytes. The object table carries the object or file, with
 * that value as its tag. It has an entry for each field, in the order of a walk over the message.
 * An Ipc__Object of 0 has no entry. An error is its errno, with or without an Ipc__Error as
 * payload.
 */
#ifndef IPC_RPC_H
#define IPC_RPC_H

#include <ipc/ipc.h>
#include <ipc/ipc.pb-c.h>
#include <ipc/raw.h>
#include <protobuf-c/protobuf-c.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Interfaces ---------------------------------------------------------------- */

#define IPC_METHOD_ONEWAY		(1U << 0)
/* The message can contain an Ipc__Object or Ipc__Fd, at any depth. */
#define IPC_METHOD_REQUEST_OBJECTS	(1U << 1)
#define IPC_METHOD_REPLY_OBJECTS	(1U << 2)
/* The requests or replies are a stream. */
#define IPC_METHOD_REQUEST_STREAM	(1U << 5)
#define IPC_METHOD_REPLY_STREAM		(1U << 6)
/* The message can contain a field of type bytes, at any depth. */
#define IPC_METHOD_REQUEST_BYTES	(1U << 7)
#define IPC_METHOD_REPLY_BYTES		(1U << 8)
/* Received bytes of any size are copies: option (ipc.copy). */
#define IPC_METHOD_COPY			(1U << 9)

/* Maximum bytes of a message that a codec packs or unpacks. */
#define IPC_CODEC_MAX			1024

/*
 * Straight-line code for messages of a type whose fields are single numbers, strings and bytes. Its
 * output equals that of libipc's generic code. If a function returns NULL, libipc uses the generic
 * code instead. The structure does not grow: new functions become members of struct ipc_method,
 * with a flag.
 */
struct ipc_codec {
	/*
	 * Packs a message without unknown fields into to, which ends at end and has space for
	 * IPC_CODEC_MAX bytes. Returns the end of its bytes, or NULL if it has too many bytes or
	 * text that is not ASCII.
	 */
	uint8_t *(*pack)(const ProtobufCMessage *message, uint8_t *to, const uint8_t *end);
	/*
	 * Unpacks at most IPC_CODEC_MAX bytes, from at to end, into the memory from *memory to
	 * memory_end. *memory must be aligned to 8 bytes. Returns the message, which begins at the
	 * old *memory, and sets *memory to the end of the used memory; or returns NULL.
	 */
	ProtobufCMessage *(*unpack)(const uint8_t *at, const uint8_t *end, uint8_t **memory,
				    const uint8_t *memory_end);
};

/* A method. Older programs pass smaller structures. So a new member is added at the end, with a
 * flag in flags. */
struct ipc_method {
	uint32_t number;
	uint32_t flags;			/* IPC_METHOD_* */
	const char *name;
	const ProtobufCMessageDescriptor *request;
	const ProtobufCMessageDescriptor *reply;
	/* Calls the handler in ops with the request in its own type. Returns the handler's result.
	 * If there is no handler, fails the call with -EOPNOTSUPP. */
	int (*invoke)(struct ipc_call *call, const ProtobufCMessage *request,
		      const void *ops, void *userdata);
	uint64_t timeout_usec;		/* option timeout_ms; 0: not set */
	/* Replaces invoke for a method with streams. request is NULL if the requests are a
	 * stream. */
	int (*open)(struct ipc_stream *stream, const ProtobufCMessage *request,
		    const void *ops, void *userdata);
	/* Codecs of the messages, or NULL. */
	const struct ipc_codec *request_codec;
	const struct ipc_codec *reply_codec;
	size_t handler;			/* with open: offset of the handler in ops */
};

/*
 * An interface. methods must be sorted by number. descriptor is a serialized
 * google.protobuf.FileDescriptorSet of the interface's file and its imports, without
 * descriptor.proto, which is part of every implementation of protobuf.
 */
struct ipc_interface {
	size_t size;			/* sizeof(struct ipc_interface) */
	const char *name;		/* "echo.Echo" */
	const struct ipc_method *methods;
	size_t n_methods;
	size_t method_size;		/* sizeof(struct ipc_method) */
	const uint8_t *descriptor;
	size_t descriptor_size;
};

/* --- Introspection --------------------------------------------------------------- */

/*
 * Get an object's description: its interface and descriptors. Blocks
 * like any call. The caller frees it with ipc_rpc_free(&(*ret_description)->base).
 */
int ipc_rpc_describe(struct ipc_proxy *proxy, Ipc__Description **ret_description,
		     struct ipc_error *error);

/* --- Calling ----------------------------------------------------------------------- */

/*
 * Call a method and block until its reply. The caller frees *ret_reply with
 * ipc_rpc_free(). If ret_reply is NULL, the reply is not parsed.
 *
 *   -EINVAL   request is not of the method's type, or options are invalid.
 */
int ipc_rpc_call_with(struct ipc_proxy *proxy, const struct ipc_method *method,
		      const struct ipc_options *options, const ProtobufCMessage *request,
		      ProtobufCMessage **ret_reply, struct ipc_error *error);

/*
 * Send a oneway. Returns when it is queued. Waits for space only if options have a timeout_usec.
 *
 *   -EAGAIN     The receiver has no space; options have no timeout_usec.
 *   -ETIMEDOUT  The receiver had no space in time.
 */
int ipc_rpc_oneway_with(struct ipc_proxy *proxy, const struct ipc_method *method,
			const struct ipc_options *options, const ProtobufCMessage *request);

/*
 * Start a call and return. If that succeeds, complete is called once on a serving thread:
 * with 0 and the reply, or with a negative errno, NULL and an error, which is never NULL. cb
 * and userdata are passed through; complete casts cb back to the type that the
 * program gave. When the connection closes, complete is called with -ECANCELED, inside the last
 * ipc_unref(). Ending the slot before complete runs cancels the call, and complete does not run.
 *
 * The library frees the reply when complete returns, unless complete has called
 * ipc_rpc_keep(); then the program frees it with ipc_rpc_free().
 */
typedef void (*ipc_rpc_cb)(void);
typedef void (*ipc_rpc_complete)(int result, ProtobufCMessage *reply,
				 const struct ipc_error *error, ipc_rpc_cb cb, void *userdata);
int ipc_rpc_call_async(struct ipc_proxy *proxy, const struct ipc_method *method,
		       const struct ipc_options *options, const ProtobufCMessage *request,
		       ipc_rpc_complete complete, ipc_rpc_cb cb, void *userdata,
		       struct ipc_slot **ret_slot);
void ipc_rpc_keep(ProtobufCMessage *reply);

/* Free a reply, with objects and files that were not taken. NULL is allowed. */
void ipc_rpc_free(ProtobufCMessage *reply);

/* --- Serving ----------------------------------------------------------------------- */

/*
 * Reply to a call. reply stays the program's. See <ipc/call.h>.
 *
 *   -EINVAL    The call is of another method, or a oneway, or reply is of another type.
 *   -EALREADY  The call already has a reply.
 */
int ipc_rpc_reply(struct ipc_call *call, const struct ipc_method *method,
		  const ProtobufCMessage *reply);

/* The invoke of a method with streams, which must be opened instead of called: replies with
 * -EPROTO. */
int ipc_rpc_invoke_stream(struct ipc_call *call, const ProtobufCMessage *request,
			  const void *ops, void *userdata);

/* --- Streams -------------------------------------------------------------------------- */

/*
 * Open a stream. Blocks as <ipc/stream.h> describes. request is NULL if the requests are a stream.
 * The caller must unref *ret_stream. A timeout in options or of the method covers the whole
 * stream, other timeouts only its opening.
 */
int ipc_rpc_stream_open(struct ipc_proxy *proxy, const struct ipc_method *method,
			const struct ipc_options *options, const ProtobufCMessage *request,
			struct ipc_stream **ret_stream, struct ipc_error *error);

/*
 * Start to open a stream, as <ipc/stream.h> describes. If the function fails, cb does not run.
 */
int ipc_rpc_stream_open_async(struct ipc_proxy *proxy, const struct ipc_method *method,
			      const struct ipc_options *options, const ProtobufCMessage *request,
			      ipc_stream_cb cb, void *userdata, struct ipc_slot **ret_slot);

/*
 * Send and receive as <ipc/stream.h> describes. ipc_rpc_stream_finish() ends a client's messages
 * and receives the single reply. It returns 0, or -ENOMSG if the stream ended without a reply.
 * After -EAGAIN it may be called again. ipc_rpc_stream_reply() sends that reply and ends the
 * stream, without blocking. Only one thread at a time may receive or finish.
 *
 *   -EINVAL    The stream is of another method, or this side sends messages of another type.
 *   -EALREADY  ipc_rpc_stream_finish() has returned the reply before.
 */
int ipc_rpc_stream_send(struct ipc_stream *stream, const struct ipc_method *method,
			uint64_t timeout_usec, const ProtobufCMessage *message);
int ipc_rpc_stream_receive(struct ipc_stream *stream, const struct ipc_method *method,
			   uint64_t timeout_usec, const ProtobufCMessage **ret_message,
			   struct ipc_error *error);
int ipc_rpc_stream_finish(struct ipc_stream *stream, const struct ipc_method *method,
			  uint64_t timeout_usec, const ProtobufCMessage **ret_reply,
			  struct ipc_error *error);
int ipc_rpc_stream_reply(struct ipc_stream *stream, const struct ipc_method *method,
			 const ProtobufCMessage *reply);

/*
 * ipc_stream_set_ops() with a callback that gets the message. The library receives it and calls
 * receive, which casts cb back to the type that the program gave.
 *
 *   -EINVAL   The stream is of another method, cb is NULL, or ops->on_message is not.
 *   Others    As ipc_stream_set_ops().
 */
typedef void (*ipc_rpc_receive)(struct ipc_stream *stream, const ProtobufCMessage *message,
				ipc_rpc_cb cb, void *userdata);
int ipc_rpc_stream_set_ops(struct ipc_stream *stream, const struct ipc_method *method,
			   ipc_rpc_receive receive, ipc_rpc_cb cb,
			   const struct ipc_stream_ops *ops, void *userdata);

/* --- Names --------------------------------------------------------------------------- */

/* ipc_object_new() and ipc_register_name_with(). The connection owns the object. */
int ipc_rpc_register(struct ipc *ipc, const char *name, const struct ipc_interface *interface,
		     const void *ops, void *userdata, unsigned int flags);

#ifdef __cplusplus
}
#endif

#endif /* IPC_RPC_H */
