/* SPDX-License-Identifier: MIT */
/*
 * Messages of bytes: libipc without protobuf. The rules and error list of <ipc/ipc.h> apply.
 *
 * A message is a code, bytes and entries. An entry is an object, a proxy or a file
 * descriptor that travels beside the bytes, under a tag. Bytes and tags mean what the two
 * sides agree on. Neither libipc nor the kernel looks at them. Gateways, bindings of other
 * languages and tools stand on this.
 *
 * Connections, serving threads, names, death watches, errors and the ends of streams are
 * those of <ipc/ipc.h>. They work with raw and with generated code alike: a raw client may
 * call an object of generated code, and the reverse.
 *
 *	struct ipc_raw_message request = { .code = 1, .data = "ping", .size = 4 };
 *	struct ipc_raw_message *reply;
 *
 *	r = ipc_raw_call(proxy, &request, NULL, &reply, &error);
 *	if (r < 0)
 *		return ipc_fail("ping", r, &error);
 *	fwrite(reply->data, 1, reply->size, stdout);
 *	ipc_raw_free(reply);
 *
 * How generated code uses messages: the code is struct ipc_method.code, and the bytes are
 * those of the protobuf message, perhaps inside a frame (ipc_payload_message()). A field of
 * type ipc.Object or ipc.Fd holds the tag of its entry.
 */
#ifndef IPC_RAW_H
#define IPC_RAW_H

#include <ipc/ipc.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Messages ---------------------------------------------------------------- */

/* The most entries, and the most parts, of one message. */
#define IPC_RAW_ENTRIES_MAX	64
#define IPC_RAW_PARTS_MAX	64

/*
 * Kinds of entries. The sender's own object arrives as a proxy. A proxy arrives as a proxy,
 * or in the process of its object as that object.
 */
enum ipc_raw_type {
	IPC_RAW_OBJECT = 1,
	IPC_RAW_PROXY = 2,
	IPC_RAW_FD = 3,
};

struct ipc_raw_entry {
	uint64_t tag;			/* arrives unchanged */
	enum ipc_raw_type type;
	__extension__ union {
		struct ipc_object *object; /* received: NULL if it was destroyed meanwhile */
		struct ipc_proxy *proxy;
		int32_t fd;
	};
};

/*
 * A message. All zeroes is a message without anything.
 *
 * Sending: everything stays the caller's. It must not change until the sending function
 * returns. The kernel copies the bytes and takes its own references of the entries.
 *
 * Receiving: everything belongs to the message, and ends with it. The bytes are read-only
 * and 8-byte aligned. To keep an object or proxy, take a reference. To keep a file
 * descriptor, take it with ipc_take_fd(&entry->fd).
 */
struct ipc_raw_message {
	uint32_t code;			/* request: the method; else 0 */
	uint32_t flags;			/* call: IPC_RAW_ACCEPT_FDS or 0; else 0 */
	const void *data;
	size_t size;			/* bytes of data */
	const struct iovec *parts;	/* sending: pieces in place of data, or NULL */
	size_t n_parts;
	struct ipc_raw_entry *entries;
	size_t n_entries;
};

/* Accept file descriptors: of a call, in its reply; of an object, in its requests. Without
 * it such a message fails with -EPERM at the sender. */
#define IPC_RAW_ACCEPT_FDS	(1U << 0)

/*
 * Codes of methods. A method without the option (ipc.id) has the FNV-1a hash of
 * "package.Service/Method" with the top bit set. Numbers of (ipc.id) are below
 * IPC_CODE_BUILTIN. Each object of generated code serves the four methods behind that.
 */
#define IPC_CODE_BUILTIN	0x10000U
#define IPC_CODE_DERIVED	0x80000000U
#define IPC_CODE_PING		(IPC_CODE_BUILTIN + 0)	/* ipc.None -> ipc.None */
#define IPC_CODE_DESCRIBE	(IPC_CODE_BUILTIN + 1)	/* ipc.None -> ipc.Description */
#define IPC_CODE_DUMP		(IPC_CODE_BUILTIN + 2)	/* ipc.DumpRequest -> ipc.None */
#define IPC_CODE_STREAM		(IPC_CODE_BUILTIN + 3)	/* ipc.StreamOpen -> ipc.StreamOpen */

/*
 * Find the message in the payload of a request, reply or record. Metadata of a call, and the
 * blobs of generated code, surround it with a frame; otherwise it is the whole payload.
 * *ret_message points into payload.
 *
 *   -EBADMSG  The frame is malformed.
 */
int ipc_payload_message(const void *payload, size_t size, const void **ret_message,
			size_t *ret_size);

/* Free a reply, with the entries that are left in it. NULL is allowed. */
void ipc_raw_free(struct ipc_raw_message *reply);

/* --- Calling ----------------------------------------------------------------- */

/*
 * Call an object and block until its reply. The caller frees *ret_reply with
 * ipc_raw_free(). ret_reply, options and error may be NULL; a reply that is not asked for is
 * dropped. Calls of the same chain that come back meanwhile are served on this thread.
 *
 * Metadata in the options surrounds the bytes with a frame, which an object of generated
 * code expects; a raw object sees the frame in its bytes.
 *
 *   -EINVAL  The message has both data and parts, an unknown flag, or an entry of no type.
 *   -E2BIG   The message has too many entries or parts.
 *   -EBADF   An entry is no open file descriptor, or belongs to another connection.
 *   Others   Any error of a call: see <ipc/ipc.h>.
 */
int ipc_raw_call(struct ipc_proxy *proxy, const struct ipc_raw_message *request,
		 const struct ipc_options *options, struct ipc_raw_message **ret_reply,
		 struct ipc_error *error);

/*
 * Call an object without waiting. cb runs once, on a serving thread, when the call has
 * ended: with 0 and the reply, or with a negative errno, NULL and the error (never NULL).
 * The library frees the reply when cb returns, unless cb calls ipc_raw_keep(); then the
 * program frees it. Calls that are open when the connection closes end with -ECANCELED,
 * inside the last ipc_unref(). *ret_id, for ipc_cancel(), is set before cb can run; options
 * and ret_id may be NULL. If the function fails, cb does not run.
 *
 *   Errors of sending as ipc_raw_call().
 */
typedef void (*ipc_raw_cb)(int result, struct ipc_raw_message *reply,
			   const struct ipc_error *error, void *userdata);
int ipc_raw_call_async(struct ipc_proxy *proxy, const struct ipc_raw_message *request,
		       const struct ipc_options *options, ipc_raw_cb cb, void *userdata,
		       uint64_t *ret_id);
void ipc_raw_keep(struct ipc_raw_message *reply);

/*
 * Send a oneway: a message without a reply. Return when the kernel has it. options may be
 * NULL; with a time limit in them, wait that long for space in the receiver's region.
 *
 *   -EAGAIN  The receiver has no space for it; see ipc_on_writable().
 *   Others   As ipc_raw_call().
 */
int ipc_raw_oneway(struct ipc_proxy *proxy, const struct ipc_raw_message *message,
		   const struct ipc_options *options);

/* --- Serving ----------------------------------------------------------------- */

/* What an object does. It must stay valid as long as the object. */
struct ipc_raw_ops {
	const char *interface;		/* name of its type, for names and tools; or NULL */
	uint32_t flags;			/* IPC_RAW_ACCEPT_FDS or 0 */
	uint32_t reserved;		/* 0 */

	/*
	 * Serve a call or oneway. Runs on a serving thread. The request is valid until
	 * serve returns or, with ipc_call_ref(), until the last ipc_call_unref(). Reply with
	 * ipc_raw_reply(), or with an error of <ipc/ipc.h>. What serve returns counts as
	 * in every handler, see there. It gets every code, but not IPC_CODE_PING, to which
	 * the library replies, and not IPC_CODE_STREAM if stream is set.
	 */
	int (*serve)(struct ipc_call *call, const struct ipc_raw_message *request,
		     void *userdata);

	/* Serve a stream that a client opened by the method with that code. Runs and returns
	 * as every handler of a stream, see <ipc/stream.h>. NULL: there are none. */
	int (*stream)(struct ipc_stream *stream, uint32_t code, void *userdata);

	/* The object is destroyed. Runs on any thread. May be NULL. */
	void (*destroy)(void *userdata);
};

/*
 * Create an object. The caller has the reference. Register the object under a name
 * (ipc_register_name()), or send it in an entry; then the kernel creates its node.
 *
 *   -EINVAL  serve is NULL, or there are unknown flags.
 */
int ipc_raw_object_new(struct ipc *ipc, const struct ipc_raw_ops *ops, void *userdata,
		       struct ipc_object **ret_object);

/*
 * Reply to a call, once. In the handler, a reply without entries is copied and leaves when
 * the handler returns. Another reply leaves at once; if that fails, the call stays open and
 * may get an error instead.
 *
 *   -EINVAL    The call is a oneway; or as ipc_raw_call().
 *   -EALREADY  The call has a reply.
 *   Others     Errors of sending as ipc_raw_call().
 */
int ipc_raw_reply(struct ipc_call *call, const struct ipc_raw_message *reply);

/*
 * End a call with an errno, 1 to 4095 or negative, and the bytes of an ipc.Error. Only for
 * those that forward the bytes of another error; use ipc_call_raise() otherwise. The bytes
 * are not checked: a receiver that cannot parse them sees the errno alone.
 *
 *   As ipc_raw_reply().
 */
int ipc_raw_error(struct ipc_call *call, int code, const void *data, size_t size);

/* --- Streams ------------------------------------------------------------------- */

/*
 * Open a stream by the method with that code, and block until the server has accepted it.
 * The caller releases it with ipc_stream_unref(). All functions of <ipc/stream.h> work on
 * it. Messages to this end may bring file descriptors. If the method takes one request and
 * streams replies, send the request first and call ipc_stream_end(). If it streams requests
 * and has one reply, that reply is the one message to receive. options and error may be
 * NULL.
 *
 *   -EOPNOTSUPP  The object has no such stream.
 *   Others       As ipc_raw_call().
 */
int ipc_raw_stream_open(struct ipc_proxy *proxy, uint32_t code,
			const struct ipc_options *options, struct ipc_stream **ret_stream,
			struct ipc_error *error);

/*
 * Send a message; its code and flags are 0. Wait for at most timeout_usec microseconds for
 * credit and space, and serve the connection meanwhile.
 *
 *   -EINVAL  This is a stream of generated code; or as ipc_raw_call().
 *   Others   As sending in <ipc/stream.h>.
 */
int ipc_raw_stream_send(struct ipc_stream *stream, const struct ipc_raw_message *message,
			uint64_t timeout_usec);

/*
 * Receive a message: return 1, or 0 at the end of the stream. The stream owns the message
 * until the next receive. Wait for at most timeout_usec microseconds, and serve the
 * connection meanwhile. error may be NULL. One thread at a time.
 *
 *   -EINVAL  This is a stream of generated code.
 *   Others   As receiving in <ipc/stream.h>.
 */
int ipc_raw_stream_receive(struct ipc_stream *stream, uint64_t timeout_usec,
			   const struct ipc_raw_message **ret_message,
			   struct ipc_error *error);

/* For ipc_auto(). */
static inline void ipc_raw_freep(struct ipc_raw_message **p) { ipc_raw_free(*p); }

#ifdef __cplusplus
}
#endif

#endif /* IPC_RAW_H */
