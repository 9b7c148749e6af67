/* SPDX-License-Identifier: MIT */
/*
 * Messages of bytes: libipc without protobuf. Gateways, other languages and tools use these
 * functions instead of generated code. The rules and the error list of <ipc/ipc.h> apply. Raw and
 * generated code can call each other.
 *
 * A message is a method number, bytes and entries. An entry is an object, a proxy or a file that
 * travels beside the bytes under a tag. Sender and receiver must agree on the meaning of bytes and
 * tags, which neither libipc nor the bus reads.
 *
 *	struct ipc_raw_message request = { .method = 1, .data = "ping", .size = 4 };
 *	struct ipc_raw_message *reply;
 *
 *	r = ipc_raw_call(proxy, &request, NULL, &reply, &error);
 *	if (r < 0)
 *		return r;
 *	fwrite(reply->data, 1, reply->size, stdout);
 *	ipc_raw_free(reply);
 *
 * Generated code sends raw messages too: the number is struct ipc_method.number, and the bytes
 * are protobuf. The bus calls the number ipcbus_send.code. Metadata may follow the bytes, see
 * ipc_payload_message(). A field of the type ipc.Object or ipc.Fd contains the tag of its entry.
 *
 * Only one thread at a time may use a message.
 */
#ifndef IPC_RAW_H
#define IPC_RAW_H

#include <ipc/ipc.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Messages ---------------------------------------------------------------- */

/* Maximum of entries and of parts in a message. If a message has more, sending fails with
 * -E2BIG. */
#define IPC_RAW_ENTRIES_MAX	64
#define IPC_RAW_PARTS_MAX	64

enum ipc_raw_type {
	IPC_RAW_OBJECT = 1,	/* an object of this process */
	IPC_RAW_PROXY = 2,	/* an object of another process */
	IPC_RAW_FD = 3,
};

/*
 * An entry of a message. An object of the sender arrives as a proxy. A proxy arrives as a
 * proxy, or as the object in the process that owns it. A message has an array of entries, so this
 * structure does not grow.
 */
struct ipc_raw_entry {
	uint64_t tag;			/* arrives unchanged */
	enum ipc_raw_type type;
	__extension__ union {
		struct ipc_object *object;	/* received: NULL if it ended in the meantime */
		struct ipc_proxy *proxy;
		int32_t fd;
	};
};

/*
 * A message of bytes. If all is 0, it is empty.
 *
 * A message to send stays the program's, with its contents, and must not change until the sending
 * function returns. The bus copies the bytes and takes its own reference for each entry.
 *
 * The contents of a received message belong to the message and are freed with it; until then they
 * occupy the region. The bytes are 8-byte aligned, and must not be written. The sender cannot
 * change them any more. To keep an object or proxy, take a reference. To keep a file descriptor,
 * call ipc_take_fd(&entry->fd).
 *
 * The structure has no size member. A new member is added at the end, with a flag. The library
 * reads it only if its flag is set. A message with an unknown flag fails with -EINVAL.
 */
struct ipc_raw_message {
	uint32_t method;		/* request: the number of the method; else 0 */
	uint32_t flags;			/* call: IPC_RAW_ACCEPT_FDS or 0; else 0 */
	const void *data;
	size_t size;			/* bytes of data */
	const struct iovec *parts;	/* sent: n_parts consecutive pieces instead of data (both:
	                          	 * -EINVAL) */
	size_t n_parts;			/* received: 0 */
	struct ipc_raw_entry *entries;
	size_t n_entries;
};

/* In a request: the reply may contain files. In an object's flags: its requests may.
 * Without the flag, the sender gets -EPERM. */
#define IPC_RAW_ACCEPT_FDS	(1U << 0)

/* In an object's flags: has_request and stream_request are set. */
#define IPC_RAW_STREAM_REQUESTS	(1U << 3)

/*
 * Numbers of methods in generated code. The number of a method without the option (ipc.id) is
 * the FNV-1a hash of "package.Service/Method" with the top bit set. Numbers of (ipc.id) are
 * below IPC_NUMBER_BUILTIN. Every object of generated code has the methods from
 * IPC_NUMBER_BUILTIN on.
 */
#define IPC_NUMBER_BUILTIN	0x10000U
#define IPC_NUMBER_DERIVED	0x80000000U
#define IPC_NUMBER_PING		(IPC_NUMBER_BUILTIN + 0) /* ipc.None -> ipc.None */
#define IPC_NUMBER_DESCRIBE	(IPC_NUMBER_BUILTIN + 1) /* ipc.None -> ipc.Description */
#define IPC_NUMBER_DUMP		(IPC_NUMBER_BUILTIN + 2) /* ipc.DumpRequest -> ipc.None */
#define IPC_NUMBER_STREAM	(IPC_NUMBER_BUILTIN + 3) /* ipc.StreamOpen -> ipc.StreamOpen */

/*
 * Find the message in the payload of a request or record, which metadata may follow. *ret_message
 * points into payload. Needs no connection.
 *
 *   -EBADMSG  The payload is malformed.
 *   -EMSGSIZE  The metadata is larger than 64 KiB.
 */
int ipc_payload_message(const void *payload, size_t size, const void **ret_message,
			size_t *ret_size);

/* The first byte of a payload with metadata. Any other payload is the message itself. Protobuf
 * never begins with this byte. Send other bytes that begin with it only with metadata: otherwise
 * functions that look for metadata take them for a frame. */
#define IPC_RAW_FRAME	7

/*
 * Walk the metadata that came with a call, or with the call that opened a stream. Returns the name
 * after name, which must be a pointer that this function returned, or the first name if name is
 * NULL. Returns NULL after the last name. *ret_value is the value of the returned name. A name may
 * occur twice. Names and values may have any bytes but 0, and are valid as long as the call or
 * stream.
 */
const char *ipc_raw_next_metadata(const struct ipc_call *call, const char *name,
				  const char **ret_value);
const char *ipc_raw_stream_next_metadata(const struct ipc_stream *stream, const char *name,
					 const char **ret_value);

/* The tag of the file of a message that does not fit into the receiver's region. libipc adds and
 * removes such a file. Programs must not use this tag for files. */
#define IPC_RAW_FILE_TAG	(UINT64_C(1) << 62)

/* Free the reply of a call, with the objects and files that were not taken. NULL is allowed. */
void ipc_raw_free(struct ipc_raw_message *reply);

/* --- Calls -------------------------------------------------------------------- */

/*
 * Call the object and block until its reply. The caller frees *ret_reply with ipc_raw_free().
 * ipc_set_timeout() describes the timeout. While the function waits, nested handlers (see
 * <ipc/ipc.h>) may run on this thread. The caller must not hold a lock that such a handler takes.
 *
 *   -EINVAL   A flag or the type of an entry is unknown.
 *   -E2BIG    The message has too many entries or parts.
 *   -EBADF    An entry is no open file descriptor, belongs to another connection or has ended.
 *   Others    Any error of a call in <ipc/ipc.h>, and any errno that the server reports.
 */
int ipc_raw_call(struct ipc_proxy *proxy, const struct ipc_raw_message *request,
		 const struct ipc_options *options, struct ipc_raw_message **ret_reply,
		 struct ipc_error *error);

/*
 * Start a call and return. If that succeeds, cb runs once on a serving thread: with 0 and the
 * reply, or with a negative errno, NULL and an error that is never NULL. The library frees
 * the reply when cb returns, unless cb has called ipc_raw_keep(); then the program frees it
 * with ipc_raw_free(). If the connection closes first, cb gets -ECANCELED, inside the last
 * ipc_unref(). Ending the slot before cb runs cancels the call, and cb does not run. Errors as
 * ipc_raw_call(), except those of the reply.
 */
typedef void (*ipc_raw_cb)(int result, struct ipc_raw_message *reply,
			   const struct ipc_error *error, void *userdata);
int ipc_raw_call_async(struct ipc_proxy *proxy, const struct ipc_raw_message *request,
		       const struct ipc_options *options, ipc_raw_cb cb, void *userdata,
		       struct ipc_slot **ret_slot);
void ipc_raw_keep(struct ipc_raw_message *reply);

/*
 * Send a message without a reply, and return when it is queued. Blocks only for space at the
 * receiver, and only if options have a timeout_usec. Errors as ipc_raw_call(), and:
 *
 *   -EAGAIN     The receiver has no space; see ipc_on_writable().
 *   -ETIMEDOUT  The receiver had no space in time.
 */
int ipc_raw_oneway(struct ipc_proxy *proxy, const struct ipc_raw_message *message,
		   const struct ipc_options *options);

/*
 * Make signals end waits. Without cb, a wait continues after a signal handler of the program has
 * run. With cb, the library first calls cb on the waiting thread, outside of the signal handler, so
 * cb may lock, allocate and print. If cb returns 0, the wait continues. If cb returns a negative
 * errno, the wait fails with it, and the server is notified that its call is canceled. If the reply
 * has already arrived, it is returned instead. This applies to
 *
 *   - calls that have options, which may be all 0, and openings of streams
 *   - oneways with a timeout_usec
 *   - functions of <ipc/name.h> that call the service manager, except ipc_idle_exit()
 *
 * SA_RESTART makes no difference. A signal that arrives before the wait has begun does not count.
 * Streams have timeouts instead: see <ipc/stream.h>. cb may run on several threads at once.
 * cb may also run without a signal, on a waiting thread: through ipcbusd at most once a second, and
 * repeatedly while a oneway waits.
 * NULL removes cb. Set-up only.
 */
typedef int (*ipc_raw_interrupt_cb)(void *userdata);
int ipc_raw_set_interrupt(struct ipc *ipc, ipc_raw_interrupt_cb cb, void *userdata);

/*
 * In the options of an _async function of <ipc/name.h>: block until the request has ended, and run
 * cb on the calling thread before the function returns. No serving thread is needed. So a binding
 * can have blocking functions of names with a timeout or a cancellation. If the cancellation is
 * canceled, the request fails with -ECANCELED within half a second. Unless the options have another
 * parent, the request depends on the call that the thread serves, as that of a blocking function.
 */
#define IPC_RAW_BLOCK	(1U << 3)

/* --- Serving ------------------------------------------------------------------- */

/* The functions of an object. Must stay valid as long as the object. The structure has no size
 * member: a new member is added at the end, with a flag. */
struct ipc_raw_ops {
	/* The name of its interface, for ipc_register_name() and tools; or NULL. */
	const char *interface;
	uint32_t flags;			/* IPC_RAW_ACCEPT_FDS, IPC_RAW_STREAM_REQUESTS */
	uint32_t reserved;		/* 0 */
	/*
	 * Serves a call or oneway, on a serving thread, by the rules in <ipc/call.h>. The library
	 * itself handles calls with IPC_NUMBER_PING, and IPC_NUMBER_STREAM if stream is set, and
	 * all messages with IPC_NUMBER_BUILTIN + 4 to + 31 (channels, streams). All others arrive
	 * here: return -EOPNOTSUPP for an unknown number. If the caller sent metadata, data is a
	 * frame around the bytes, and ipc_payload_message() finds them.
	 */
	int (*serve)(struct ipc_call *call, const struct ipc_raw_message *request,
		     void *userdata);
	/* Serves a stream that a client opens with this method number, on a serving thread, by
	 * the rules in <ipc/stream.h>; or NULL. */
	int (*stream)(struct ipc_stream *stream, uint32_t method, void *userdata);
	/* Runs when the object's last reference is gone, see ipc_object_new(); or NULL. */
	void (*destroy)(void *userdata);
	/* With IPC_RAW_STREAM_REQUESTS, and stream. Returns 1 if the client of a stream with this
	 * number sends a single request, and 0 otherwise. */
	int (*has_request)(uint32_t method, void *userdata);
	/* With IPC_RAW_STREAM_REQUESTS: serves such a stream in place of stream, when its request
	 * has arrived. request is valid until the function returns. If the client ends its messages
	 * without a request, it gets -ENOMSG. */
	int (*stream_request)(struct ipc_stream *stream, uint32_t method,
			      const struct ipc_raw_message *request, void *userdata);
};

/*
 * Create an object. The program drops *ret_object with ipc_object_unref(). Register it with
 * ipc_register_name(), or send it as an entry.
 *
 *   -EINVAL   ops has no serve, unknown flags, or not all functions of a flag.
 */
int ipc_raw_object_new(struct ipc *ipc, const struct ipc_raw_ops *ops, void *userdata,
		       struct ipc_object **ret_object);

/*
 * Reply to a call, once, from any thread. A reply without entries that the handler makes is copied,
 * and sent when the handler returns, or before it sends another message or waits for a stream. Any
 * other reply is sent at once; if that fails, the call stays open.
 *
 *   -EINVAL    The call is a oneway, or reply has a method; or as ipc_raw_call().
 *   -EALREADY  The call already has a reply. If the caller no longer waits, the function returns 0
 *              and discards the reply.
 *   Others     As ipc_raw_call(); the reply was not sent.
 */
int ipc_raw_reply(struct ipc_call *call, const struct ipc_raw_message *reply);

/*
 * Fail a call with an errno of either sign, as ipc_call_fail(), and the bytes of an ipc.Error. Use
 * it to forward the bytes of another error, and ipc_call_fail() otherwise. The bytes are not
 * checked: a receiver that cannot parse them gets the errno alone. Errors as ipc_raw_reply(), and
 * -EINVAL if code is 0 or no errno.
 */
int ipc_raw_fail(struct ipc_call *call, int code, const void *data, size_t size);

/* --- Streams -------------------------------------------------------------------- */

/*
 * Open a stream with the method number and block until the server has accepted it. The caller
 * drops *ret_stream with ipc_stream_unref(). All functions of <ipc/stream.h> work with it.
 * For a method with one request and a stream of replies, send the request and call
 * ipc_stream_end(). For a method with a stream of requests and one reply, the reply is the only
 * message to receive. If IPC_RAW_REFUSE_FDS is in the options' flags, the server's messages must
 * not contain files: sending fails with -EPERM. Errors as ipc_raw_call(), and:
 *
 *   -EINVAL      method is 0.
 *   -EOPNOTSUPP  A generated object has no such stream, or a raw object has no streams. A raw
 *                object with streams accepts every number, and its error arrives with the first
 *                receive.
 */
#define IPC_RAW_REFUSE_FDS	(1U << 2)
int ipc_raw_stream_open(struct ipc_proxy *proxy, uint32_t method,
			const struct ipc_options *options, struct ipc_stream **ret_stream,
			struct ipc_error *error);

/*
 * Start to open a stream and return. If that succeeds, cb runs once on a serving thread: with 0 and
 * the stream, of which the program has a reference from then on, or with a negative errno, NULL and
 * an error that is never NULL. A cancellation, parent or parent_stream in the options ends the
 * opening too; the library holds a reference of each until cb has run. There is no slot: use a
 * cancellation. Until cb has run, the opening holds a reference of the connection, which therefore
 * stays open after the program's last ipc_unref(). If the deadline has passed, cb gets
 * -ETIMEDOUT. Errors as ipc_raw_call_async(), and for cb as ipc_raw_stream_open().
 *
 *   -EINVAL      method is 0.
 */
int ipc_raw_stream_open_async(struct ipc_proxy *proxy, uint32_t method,
			      const struct ipc_options *options, ipc_stream_cb cb,
			      void *userdata);

/*
 * Send and receive a message by the rules of <ipc/stream.h>. method and flags of the message
 * are 0. ipc_raw_stream_receive() returns 1 and a message that belongs to the stream until the next
 * receive, or 0 at the end.
 *
 *   -EAGAIN   The receiver is not ready or has no space, or no message arrived, in time.
 *   -EPIPE    Sending: this side has ended its messages, or the server has ended the stream.
 *   Others    As <ipc/stream.h> and ipc_raw_oneway().
 */
int ipc_raw_stream_send(struct ipc_stream *stream, const struct ipc_raw_message *message,
			uint64_t timeout_usec);
int ipc_raw_stream_receive(struct ipc_stream *stream, uint64_t timeout_usec,
			   const struct ipc_raw_message **ret_message,
			   struct ipc_error *error);

/* For ipc_auto(). */
static inline void ipc_raw_freep(struct ipc_raw_message **p) { ipc_raw_free(*p); }

#ifdef __cplusplus
}
#endif

#endif /* IPC_RAW_H */
