/* SPDX-License-Identifier: MIT */
/*
 * What generated code (protoc-gen-ipc) uses of libipc, and nobody else.
 *
 * A method travels as its number, with the protobuf bytes of the message as
 * payload. Ipc__Object and Ipc__Fd fields keep their value in the bytes; the
 * driver's object table carries the thing itself under the same value as tag,
 * one entry a field, in the order of a walk over the message. An Ipc__Object of
 * 0 has no entry.
 *
 * An error travels with its errno and an Ipc__Error as payload, or none.
 */
#ifndef IPC_RPC_H
#define IPC_RPC_H

#include <ipc/ipc.h>
#include <ipc/ipc.pb-c.h>
#include <protobuf-c/protobuf-c.h>

#ifdef __cplusplus
extern "C" {
#endif

#define IPC_METHOD_ONEWAY		(1U << 0)
/* The message can hold an Ipc__Object or Ipc__Fd, at any depth. */
#define IPC_METHOD_REQUEST_OBJECTS	(1U << 1)
#define IPC_METHOD_REPLY_OBJECTS	(1U << 2)
/* The message's type can hold itself: its depth must be checked. */
#define IPC_METHOD_REQUEST_RECURSIVE	(1U << 3)
#define IPC_METHOD_REPLY_RECURSIVE	(1U << 4)
/* The message can hold an Ipc__Blob, at any depth. */
#define IPC_METHOD_REQUEST_BLOBS	(1U << 5)
#define IPC_METHOD_REPLY_BLOBS		(1U << 6)

/* Its requests or replies are a stream. */
#define IPC_METHOD_REQUEST_STREAM	(1U << 7)
#define IPC_METHOD_REPLY_STREAM		(1U << 8)

/*
 * One method. invoke calls the handler of ops with the request in its own type;
 * it returns what the handler does, or -EOPNOTSUPP if ops has none.
 */
struct ipc_method {
	uint32_t code;
	uint32_t flags;
	const char *name;
	const ProtobufCMessageDescriptor *request;
	const ProtobufCMessageDescriptor *reply;
	int (*invoke)(struct ipc_call *call, const ProtobufCMessage *request,
		      const void *ops, void *userdata);
	uint64_t timeout_usec;		/* option timeout_ms; 0: none */
	/* The same as invoke for one with streams; request is NULL if that is one. */
	int (*open)(struct ipc_stream *stream, const ProtobufCMessage *request,
		    const void *ops, void *userdata);
};

/*
 * One service. methods are sorted by code. descriptor is a serialised
 * google.protobuf.FileDescriptorSet with the service's file and its imports but
 * for descriptor.proto, which every protobuf implementation brings along.
 */
struct ipc_interface {
	const char *name;
	const struct ipc_method *methods;
	size_t n_methods;
	const uint8_t *descriptor;
	size_t descriptor_size;
	uint64_t hash;	/* of what both sides must agree about; 0: unknown */
};

/*
 * The number of a method without (ipc.id): FNV-1a of "package.Service/Method"
 * with the top bit set. Numbers below IPC_CODE_BUILTIN are explicit ones.
 */
#define IPC_CODE_BUILTIN	0x10000U
#define IPC_CODE_DERIVED	0x80000000U

/* What every object answers, whatever its interface: ipc.None -> ipc.None,
 * ipc.None -> ipc.Description, ipc.DumpRequest -> ipc.None. */
#define IPC_CODE_PING		(IPC_CODE_BUILTIN + 0)
#define IPC_CODE_DESCRIBE	(IPC_CODE_BUILTIN + 1)
#define IPC_CODE_DUMP		(IPC_CODE_BUILTIN + 2)
/* ipc.StreamOpen -> ipc.StreamOpen */
#define IPC_CODE_STREAM		(IPC_CODE_BUILTIN + 3)

/* Packs, calls, waits, unpacks. *ret_reply is to be freed with ipc_rpc_free();
 * ret_reply, then the reply is not looked at, and error may be NULL. -EINVAL:
 * request is not of the method's type. The _with functions take options, which may
 * be NULL (struct ipc_options); the others are the same without. */
int ipc_rpc_call(struct ipc_proxy *proxy, const struct ipc_method *method,
		 const ProtobufCMessage *request, ProtobufCMessage **ret_reply,
		 struct ipc_error *error);
int ipc_rpc_call_with(struct ipc_proxy *proxy, const struct ipc_method *method,
		      const struct ipc_options *options, const ProtobufCMessage *request,
		      ProtobufCMessage **ret_reply, struct ipc_error *error);
int ipc_rpc_oneway(struct ipc_proxy *proxy, const struct ipc_method *method,
		   const ProtobufCMessage *request);
int ipc_rpc_oneway_with(struct ipc_proxy *proxy, const struct ipc_method *method,
			const struct ipc_options *options, const ProtobufCMessage *request);

/*
 * Calls without waiting. When it returns 0, complete is called once, on a serving
 * thread, with what the call came to: 0 and the reply, or a negative errno, NULL
 * and what the server says of it (never NULL). cb and userdata are passed through;
 * cb is whatever function the stub's user gave, which complete turns back into its
 * own type. What the connection had outstanding when it closes ends with
 * -ECANCELED, inside the last ipc_unref(). options and ret_id may be NULL; *ret_id
 * is written before complete can run, and is for ipc_cancel().
 *
 * The reply is freed when complete returns, unless that called ipc_rpc_keep():
 * then it is to be freed with ipc_rpc_free(). Its fields may be taken out.
 */
typedef void (*ipc_rpc_cb)(void);
typedef void (*ipc_rpc_complete)(int result, ProtobufCMessage *reply,
				 const struct ipc_error *error, ipc_rpc_cb cb, void *userdata);
int ipc_rpc_call_async(struct ipc_proxy *proxy, const struct ipc_method *method,
		       const struct ipc_options *options, const ProtobufCMessage *request,
		       ipc_rpc_complete complete, ipc_rpc_cb cb, void *userdata,
		       uint64_t *ret_id);
void ipc_rpc_keep(ProtobufCMessage *reply);

/* -EINVAL if method is not the one that call is for. */
int ipc_rpc_reply(struct ipc_call *call, const struct ipc_method *method,
		  const ProtobufCMessage *reply);
/* Frees a reply with all that is left in it. NULL is allowed. */
void ipc_rpc_free(ProtobufCMessage *reply);

/* What the object says of itself; *ret_description is to be freed with
 * ipc_rpc_free(&(*ret_description)->base). */
int ipc_rpc_describe(struct ipc_proxy *proxy, Ipc__Description **ret_description,
		     struct ipc_error *error);
/* Asks whether the object has this interface, in a version that understands this
 * one: 0, or -EPROTOTYPE and what differs in error->message. Methods and fields
 * that only one side has are no difference. */
int ipc_rpc_check(struct ipc_proxy *proxy, const struct ipc_interface *interface,
		  struct ipc_error *error);

/* What a method with streams is invoked with when it is called like another: tells
 * the caller so. */
int ipc_rpc_invoke_stream(struct ipc_call *call, const ProtobufCMessage *request,
			  const void *ops, void *userdata);

/* Opens a stream; *ret_stream is the caller's to unref. request is NULL where that is
 * a stream itself. */
int ipc_rpc_stream_open(struct ipc_proxy *proxy, const struct ipc_method *method,
			const struct ipc_options *options, const ProtobufCMessage *request,
			struct ipc_stream **ret_stream, struct ipc_error *error);
/* See ipc.h; two threads must not receive, or finish, at once. -EINVAL: the message
 * is not what this end of the method sends, or the stream is of another method. */
int ipc_rpc_stream_send(struct ipc_stream *stream, const struct ipc_method *method,
			uint64_t timeout_usec, const ProtobufCMessage *message);
int ipc_rpc_stream_receive(struct ipc_stream *stream, const struct ipc_method *method,
			   uint64_t timeout_usec, const ProtobufCMessage **ret_message,
			   struct ipc_error *error);
/* The one message that answers a stream of requests: ends the sending, waits for it. */
int ipc_rpc_stream_finish(struct ipc_stream *stream, const struct ipc_method *method,
			  uint64_t timeout_usec, const ProtobufCMessage **ret_reply,
			  struct ipc_error *error);
/* Sends it, and ends. */
int ipc_rpc_stream_reply(struct ipc_stream *stream, const struct ipc_method *method,
			 const ProtobufCMessage *reply);

/* ipc_get_name(), or if wait ipc_wait_name(), of an object of this interface:
 * -EPROTOTYPE if it is known to be of another. */
int ipc_rpc_connect(struct ipc *ipc, const char *name, const struct ipc_interface *interface,
		    int wait, struct ipc_proxy **ret_proxy);

/* ipc_object_new() + ipc_register_name(); the connection owns the object. */
int ipc_rpc_register(struct ipc *ipc, const char *name,
		  const struct ipc_interface *interface, const void *ops,
		  void *userdata);

#ifdef __cplusplus
}
#endif

#endif /* IPC_RPC_H */
