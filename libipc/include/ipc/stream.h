/* SPDX-License-Identifier: MIT */
/*
 * Methods with streams. Included by <ipc/ipc.h>; its rules and error list apply.
 *
 * A client opens a method with `stream` in its .proto file. Generated functions _open() block until
 * the server has accepted the stream, and fail like a call, with -EDQUOT if the user has too many
 * streams of the object (ipc_object_set_limits()). If the method has a single request, they then
 * wait up to 5 seconds for space (-EAGAIN). The server's handler runs when the request has arrived.
 * A call that the client makes after _open() may be served before that: the first message of the
 * stream tells the client that the handler has begun.
 *
 * Generated functions _open_async() start to open a stream and return: use them on an event loop.
 * cb runs once on a serving thread. The single request is copied, with its objects and files, and
 * sent before cb runs, without a wait for space: cb gets -EAGAIN if there is none. *ret_slot is set
 * before cb can run; NULL is allowed. Ending the slot before cb runs cancels the opening, and cb
 * does not run. Until then the opening holds a reference of the connection.
 *
 * Client and server have a side each, a struct ipc_stream. The client owns a reference of its side,
 * and drops it with ipc_stream_unref(). The server's handler gets its side without a reference.
 * Generated functions send and receive messages of the right type, by the rules below: FILE.ipc.h
 * lists them. For streams of bytes see ipc_raw_stream_open() and the next functions in <ipc/raw.h>.
 *
 *	ipc_auto(ipc_stream_unref) struct ipc_stream *stream = NULL;
 *
 *	r = echo_watch_open(echo, NULL, &request, &stream, &error);
 *	while (r >= 0 && (r = echo_watch_receive(stream, IPC_NEVER, &tick, &error)) > 0)
 *		show(tick);
 *
 * Sending: 0 if the message was sent. Messages arrive in order. The receiver grants credit for at
 * most 16 messages. Without credit, or without space in the receiver's region, a sender waits for
 * at most timeout_usec microseconds (0: not at all).
 *
 * The window is how many messages the other side may send ahead of a receiver: 16, or fewer. A
 * client chooses its window in struct ipc_options, a server in struct ipc_object_limits. A message
 * counts until the receiver's next receive function, or until its on_message has returned. So with
 * a window of 1, a slow receiver gets a message that was sent after it asked for one. Each message
 * then waits for its credit, which takes several times as long.
 *
 *   -EAGAIN      There was no credit or space in time. Try again later.
 *   -EPIPE       This side has ended its messages, or the server has ended the stream.
 *   Others       The error with which the server ended the stream.
 *
 * Receiving: 1 and a message, or 0 at the end of the stream. The stream owns the message. It is
 * valid until the next receive function is called on the stream, or the side is dropped. Messages
 * that were sent before an end or error arrive before it. With timeout_usec 0 a receive function
 * does not wait.
 *
 *   -EAGAIN      No message arrived in time.
 *   -ENOMSG      The server dropped its side without ending the stream.
 *   Others       The error with which the other side ended its messages; -EREMOTEIO instead of
 *                -EAGAIN, -EPIPE, and the errnos that enum ipc_origin lists.
 *
 * Both:
 *
 *   -ECANCELED   Either side canceled the stream, or its parent or its cancellation was canceled.
 *                The origin of the error is IPC_ORIGIN_PEER if the other side did.
 *   -ETIMEDOUT   The timeout of the stream expired. It is not that of a single function.
 *   -EOWNERDEAD  The other side died. Messages that had arrived can be received first. Messages and
 *                an end that it sent just before it exited may be lost. A process must exit only
 *                after the other side has confirmed the last message.
 *   -ECONNRESET  The bus has ended.
 *   -EPROTO      The other side violates the protocol of streams.
 *   -EBADMSG     A message of the stream, or its end, is malformed.
 *   -EMSGSIZE    A message is larger than the receiver allows (<ipc/limits.h>), and the stream
 *                breaks off. If a message can never fit into the receiver's region, only the send
 *                fails, and the stream stays usable.
 *   -EDQUOT      The messages that waited to be received took more memory, or contained more files
 *                and objects, than the receiver allows: see <ipc/limits.h>. Receive sooner, or send
 *                less at a time.
 *   -EMFILE      A function that waits cannot open more files. The stream stays usable.
 *   -ENOMEM      Try again, unless the stream has broken off because a message was lost for lack of
 *                memory.
 *
 * If a side breaks the stream off because of a message of the other side, both sides get the error.
 * A server that only sends gets it when the client drops its side; its messages are lost till then.
 * Its origin is IPC_ORIGIN_HERE at the side that broke the stream off, and IPC_ORIGIN_PEER at the
 * other side.
 *
 * There are two ways to use a stream: callbacks, or threads that wait. A side that receives sets
 * callbacks with the generated echo_watch_set_ops() (client) or echo_set_ops_watch() (server), any
 * side with ipc_stream_set_ops().
 *
 * Threads. At most one thread may receive at a time, and any number may send. While a thread waits
 * for a stream, no handler and no callback runs on it. Messages to other objects of the connection
 * wait until a thread serves; outside of handlers and callbacks, the stream needs none. If a
 * handler or callback waits, its thread counts as busy until the outermost one returns. At least
 * one thread of ipc_set_threads() must be left to serve: with N threads, N - 1 can be in handlers
 * that wait. With a single thread, no handler can wait: use callbacks.
 *
 *   -EDEADLK     In a handler or callback: no thread would be left to serve. If the handler
 *                returns this error, the client receives it.
 *   -ESHUTDOWN   In a handler or callback: ipc_stop() was called.
 *
 * Dropping a side. A handler may use its stream until it returns. To use the stream afterwards,
 * from any thread, it must take a reference with ipc_stream_ref(). If the handler returns a
 * negative errno, the server's sending ends with that error at once. If it returns 0, the stream
 * ends well, but only if the stream has no callbacks, the handler has the only reference, and no
 * other thread has dropped a reference before. In every other case the server must end the stream:
 * if the last reference of the server's side is dropped without that, the client receives -ENOMSG
 * after all messages. If the last reference of a client's side without callbacks is dropped, a
 * stream that is not over is canceled. A stream holds a reference of its connection, and a server's
 * side one of its object. A client may drop the proxy.
 *
 * Over. A client's side is over when the end of the stream has arrived. From then on the
 * client can receive the messages that are left, also if the server dies. Only ipc_stream_cancel()
 * breaks the stream off. A server's side is over when the server has ended the stream.
 *
 * Calls for a stream. The calls of a handler or callback of a stream do not depend on the stream,
 * unless their options have it as parent_stream (struct ipc_options). The caller must hold a
 * reference of the stream until the function that makes the call or opens the stream returns. After
 * the other side has ended a stream, such calls go on, because messages may be left to receive.
 */
#ifndef IPC_PUBLIC_STREAM_H
#define IPC_PUBLIC_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ipc;
struct ipc_error;
struct ipc_stream;

/* The cb of functions that open a stream without blocking. It gets 0 and the stream, of which the
 * program has a reference from then on, or a negative errno, NULL and an error that is never
 * NULL. */
typedef void (*ipc_stream_cb)(int result, struct ipc_stream *stream,
			      const struct ipc_error *error, void *userdata);

/* Take or drop a reference. The last ipc_stream_unref() drops the side, as described above. It
 * does not wait. */
struct ipc_stream *ipc_stream_ref(struct ipc_stream *stream);
struct ipc_stream *ipc_stream_unref(struct ipc_stream *stream);

/* Return the connection, without a reference. */
struct ipc *ipc_stream_ipc(const struct ipc_stream *stream);

/*
 * End the messages of this side. A server ends the stream with that; a client may still receive. If
 * the server has ended the stream already, a client's end is not sent, and the result is 0. If the
 * receiver has no space for the end, it is sent when there is space, as long as the connection is
 * open and a thread serves it or waits for a stream.
 *
 * ipc_stream_fail() and ipc_stream_fail_with() do so with an error, which the other side receives
 * after all messages. See ipc_call_fail() and ipc_call_fail_with() for their arguments. If
 * name, text and details exceed 64 KiB, the other side receives only the errno.
 *
 *   -EALREADY   This side has already ended its messages.
 *   -EINVAL     code is no errno, or both code and name are missing.
 *   Others      As sending. Unless the stream has broken off, call the function again later.
 */
int ipc_stream_end(struct ipc_stream *stream);
int ipc_stream_fail(struct ipc_stream *stream, int code, const char *name,
		    const char *format, ...) __attribute__((format(printf, 4, 5)));
int ipc_stream_fail_with(struct ipc_stream *stream, const struct ipc_error *error);

/* End both directions on both sides at once. This side discards messages that it has not received.
 * The other side can still receive those that had arrived there. Sending and receiving fail with
 * -ECANCELED. NULL is allowed. */
void ipc_stream_cancel(struct ipc_stream *stream);

/*
 * Callbacks of a stream. Each may be NULL.
 *
 *   on_message   A message can be received. Receive it with timeout 0. It is valid until
 *                on_message returns. The callback runs once for each message. If it does not
 *                receive the message, the sender is slowed down, and on_message runs again with
 *                the next message, or after ipc_stream_resume(). Without this callback, a message
 *                ends the stream with -EPROTO.
 *   on_writable  A send with timeout_usec 0 that failed with -EAGAIN may be tried again. Runs once
 *                for all such failures since its last run. The send may fail again.
 *   on_end       The other side has ended its messages, and all were received: result
 *                is 0 or its error. Or the stream has broken off: -ECANCELED, -ETIMEDOUT,
 *                -EOWNERDEAD, -ECONNRESET, -EPROTO, -EBADMSG, -EMSGSIZE, -EDQUOT, -ENOMEM. error
 *                explains result and is valid during the callback. Runs at most once. At a server,
 *                does not run after the server has ended the stream, nor with 0 if the client sends
 *                a single request.
 *   destroy      Runs exactly once, when no callback of the stream runs or will run: at a client
 *                after on_end; at a server after it has ended the stream, or after on_end if the
 *                stream has broken off. Must free userdata.
 *
 * The callbacks of a stream, and the handler that opened it, never run at the same time. They
 * run on serving threads only, never inside a function that the program called. They may call
 * any function on the stream. If a callback waits, its thread is a waiting thread: see Threads
 * above.
 */
struct ipc_stream_ops {
	size_t size;		/* sizeof(struct ipc_stream_ops) */
	void (*on_message)(struct ipc_stream *stream, void *userdata);
	void (*on_writable)(struct ipc_stream *stream, void *userdata);
	void (*on_end)(struct ipc_stream *stream, int result, const struct ipc_error *error,
		       void *userdata);
	void (*destroy)(void *userdata);
};

/*
 * Set the callbacks of a stream. ops is copied. Any thread may call this function, once. No other
 * thread may be receiving from the stream then or later. Messages that arrived before are reported
 * as well. From here on the stream lives until destroy has returned, also without other references.
 * To end the stream earlier, use ipc_stream_cancel(), or in a server ipc_stream_end() and the like.
 * If a handler sets callbacks and then returns a negative errno, destroy runs. If this function
 * fails, destroy does not run.
 *
 *   -EALREADY   The stream has callbacks.
 *   -EMFILE     The stream has a timeout, and this process cannot open more files.
 */
int ipc_stream_set_ops(struct ipc_stream *stream, const struct ipc_stream_ops *ops,
		       void *userdata);

/*
 * Make on_message run again for messages that it did not receive. Any thread may call this
 * function. on_message runs once for each message that waits, on a serving thread and never inside
 * this function. If no message waits, or the stream has no callbacks, this function has no effect.
 *
 * A program that forwards messages does not receive them while its own receiver is busy, which
 * slows the sender down. It resumes when its receiver takes more.
 */
int ipc_stream_resume(struct ipc_stream *stream);

/*
 * Return the microseconds until the deadline of the stream, 0 if it has passed, or IPC_NEVER if
 * there is none. The client sets it when it opens the stream: timeout_usec, parent and
 * parent_stream in struct ipc_options, or timeout_ms of the method. Both sides know it and break
 * off by themselves. Then sending fails with -ETIMEDOUT, and so does receiving after the messages
 * that this connection took from the bus before.
 */
uint64_t ipc_stream_remaining(const struct ipc_stream *stream);

/*
 * Return 1 if no message is needed any more: either side canceled the stream, it has expired, the
 * other side died or sent a message that this side refused, or the bus has ended; also in a forked
 * child. Return 0 otherwise, also after an end. Messages of the other side are known only after a
 * thread has served them. So a handler on the only thread notices only the timeout and the end of
 * the bus here.
 */
int ipc_stream_is_canceled(struct ipc_stream *stream);

/* Return the metadata and the label of the call that opened the stream, as ipc_call_metadata() and
 * ipc_call_label(). They are valid as long as the stream. A client's side has none: NULL. */
const char *ipc_stream_metadata(const struct ipc_stream *stream, const char *name);
const char *ipc_stream_label(const struct ipc_stream *stream);

/* Return the identity of the client that opened the stream, as ipc_call_uid() and the like. On a
 * client's side they return 0. */
uid_t ipc_stream_uid(const struct ipc_stream *stream);
gid_t ipc_stream_gid(const struct ipc_stream *stream);
pid_t ipc_stream_pid(const struct ipc_stream *stream);

#ifdef __cplusplus
}
#endif

#endif /* IPC_PUBLIC_STREAM_H */
