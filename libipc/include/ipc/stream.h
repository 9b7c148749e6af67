/* SPDX-License-Identifier: MIT */
/*
 * Methods with streams. Included by <ipc/ipc.h>, whose rules and error list apply.
 *
 * A method with `stream` in its .proto file is opened by a client. Client and server then
 * have one end each, a struct ipc_stream. Generated functions send and receive messages of
 * the right type; each of them uses the rules here.
 *
 * Sending: 0 if the message is on its way. Messages arrive in order. The receiver grants
 * credit for at most 16 messages; without credit, or without space in the receiver's
 * region, a sender waits for at most timeout_usec microseconds (0: not at all).
 *
 *   -EAGAIN      There is no credit or space, and the time is over. Try again later.
 *   -EPIPE       This side has ended its sending, or the server has ended the stream.
 *   Others       The error with which the server ended the stream.
 *
 * Receiving: 1 and a message, or 0 at the end of the stream. The stream owns the message;
 * it is valid until the next receive function is called on the stream, or the stream is
 * closed. Messages that were sent before an end or error arrive before it. With timeout_usec
 * 0 a receive function does not wait.
 *
 *   -EAGAIN      No message arrived in time.
 *   -ENOMSG      The server released its end without ending the stream.
 *   Others       The error with which the other side ended its sending; -EREMOTEIO in place
 *                of -EAGAIN, -EPIPE, and the errnos that enum ipc_origin lists.
 *
 * Both:
 *
 *   -ECANCELED   One side canceled the stream, or its parent or its cancellation was canceled.
 *                The origin of the error is IPC_ORIGIN_PEER if the other side did.
 *   -ETIMEDOUT   The time limit of the stream expired. This is no limit of a single function.
 *   -EOWNERDEAD  The other side died.
 *   -ECONNRESET  The bus has ended.
 *   -EPROTO      The other side violates the protocol of streams.
 *   -EBADMSG     A message of the stream, or its end, is malformed.
 *   -EMSGSIZE    A message is larger than the receiver allows.
 *   -EDQUOT      Messages that waited to be received took more memory, or contained more files and
 *                objects, than the receiver allows: see <ipc/limits.h>. Receive sooner, or send
 *                less at a time.
 *   -ENOMEM      Try again. If a message was lost for lack of memory, it stays so.
 *
 * A side that breaks the stream off because of what the other side sent says why: both sides get
 * the error, with IPC_ORIGIN_HERE where it was noticed and IPC_ORIGIN_PEER at the other side.
 *
 * There are two ways to use a stream: callbacks (ipc_stream_set_ops()), or threads that wait.
 *
 * Threads. At most one thread receives at a time. Others may send meanwhile, each a message
 * of its own. A thread that waits for a stream serves nobody: no handler and no callback runs on
 * its stack, and messages to other objects of the connection stay until a thread serves. In a
 * handler or callback, a thread that has waited counts as busy until the outermost handler or
 * callback on it returns. One of the threads of ipc_set_threads() must be left to serve: with
 * N threads, N - 1 can be in handlers that wait. So a connection with one thread needs
 * callbacks.
 *
 *   -EDEADLK     In a handler or callback: no thread would be left to serve. If the handler
 *                returns that, the client receives it.
 *   -ESHUTDOWN   In a handler or callback: ipc_stop() was called.
 *
 * A received message with blobs blocks the messages behind it until the next receive, or
 * until on_message returns.
 *
 * Closing. A handler may use its stream until it returns. With ipc_stream_ref() it may keep
 * it and use it from any thread. If the handler returns a negative errno, the server's sending
 * ends with it at once. If it returns 0, there are no callbacks, nobody has a reference of the
 * server's end at that moment, and no other thread has dropped one before, the stream ends well. In
 * every other case the server must end the stream: if the last reference of the server's end goes
 * without an end, the client receives -ENOMSG after all messages. When the last reference of a
 * client's end without callbacks goes, a stream that is not over is canceled. A connection keeps at
 * most 1024 closed ends for servers that do not release theirs. A stream holds a reference of its
 * connection.
 *
 * Over. A client's end is over when the server's end of the stream has arrived. From then on the
 * client can receive the messages that are left, whatever becomes of the server, and nothing but
 * ipc_stream_cancel() breaks the stream off. A server's end is over when the server has ended it.
 *
 * Calls for a stream. What a handler or callback of a stream calls does not depend on the stream,
 * unless its options say so: parent_stream in struct ipc_options. It needs a reference of the
 * stream until the function that makes the call or opens the stream returns, and no longer. After
 * the other side has ended a stream, such calls go on: messages may be left to receive.
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

/* Take or drop a reference. The last ipc_stream_unref() closes the end, as described above. It
 * does not wait. */
struct ipc_stream *ipc_stream_ref(struct ipc_stream *stream);
struct ipc_stream *ipc_stream_unref(struct ipc_stream *stream);

/* Return the connection, without a reference. */
struct ipc *ipc_stream_ipc(const struct ipc_stream *stream);

/*
 * End the sending of this side. A server's end ends the whole stream; a client may still
 * receive. For a client whose server has ended the stream already, nothing is sent, and the result
 * is 0. If the receiver has no space for the end, it is sent when there is space, as long
 * as the connection is open and somebody serves it or waits for a stream.
 *
 * ipc_stream_fail() and ipc_stream_raise() end it with an error, which the other side
 * receives after all messages. code is an errno, positive or negative; with a name it is
 * -EREMOTEIO. The text is formatted like printf(); name and format may be NULL.
 * ipc_stream_raise() sends all fields of a struct ipc_error, as ipc_call_raise().
 *
 *   -EALREADY   This side has already ended its sending.
 *   -EINVAL     ipc_stream_fail(): code is no errno.
 *   Others      As sending. The end may be tried again.
 */
int ipc_stream_end(struct ipc_stream *stream);
int ipc_stream_fail(struct ipc_stream *stream, int code, const char *name,
		    const char *format, ...) __attribute__((format(printf, 4, 5)));
int ipc_stream_raise(struct ipc_stream *stream, const struct ipc_error *error);

/* End both directions on both sides at once. Messages that were not received are dropped;
 * sending and receiving fail with -ECANCELED. NULL is allowed. */
void ipc_stream_cancel(struct ipc_stream *stream);

/*
 * Callbacks of one stream. Each may be NULL.
 *
 *   on_message   A message can be received. Receive it with timeout 0; it is valid until
 *                on_message returns. It is called once for each message. If it receives
 *                nothing, the sender is slowed down, and on_message comes again with the
 *                next message, or after ipc_stream_resume(). Without it, a message ends the
 *                stream with -EPROTO.
 *   on_writable  A send that failed with -EAGAIN may be tried again. Once for each such
 *                failure; it may fail again.
 *   on_end       The other side has ended its sending, and all messages were received: result
 *                is 0 or its error. Or the stream has broken off: -ECANCELED, -ETIMEDOUT,
 *                -EOWNERDEAD, -EPROTO, -EBADMSG, -EMSGSIZE, -EDQUOT, -ENOMEM. error explains
 *                result and is valid during the callback. At most once. Not called after a server
 *                has ended the stream itself, nor with 0 for a client that sends one request.
 *   destroy      The stream is over: nothing can be received or sent. Called exactly once,
 *                when no callback of the stream runs or will run. Frees userdata.
 *
 * A client's stream is over after on_end. A server's stream is over when the server has ended
 * it, or when it has broken off.
 *
 * The callbacks of a stream, and the handler that opened it, never run at the same time. They
 * run on serving threads only, never inside a function that the program called. They may call
 * any function on the stream. If one waits, its thread counts as a waiting one: see Threads
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
 * Set the callbacks of a stream. ops is copied. What arrived before is reported as well. From here
 * on the stream lives until it is over, whoever holds references, and the pointer is valid until
 * destroy has returned. To end it earlier, use ipc_stream_cancel(), or in a server
 * ipc_stream_end() and the like. If a handler sets callbacks and then returns a negative errno,
 * destroy runs. If this function fails, destroy does not run.
 *
 *   -EALREADY   The stream has callbacks.
 *   -EINVAL     ops->size is too small.
 *   -E2BIG      A member that this library does not know is not NULL.
 *   -EMFILE     The stream has a time limit, and this process cannot open more files.
 */
int ipc_stream_set_ops(struct ipc_stream *stream, const struct ipc_stream_ops *ops,
		       void *userdata);

/*
 * Ask for on_message again, for a message that on_message has left. Any thread may call it. If a
 * message waits, on_message runs once for each of them, on a serving thread and never inside this
 * function. If none waits, or the stream has no callbacks, nothing happens.
 *
 * So a program that hands messages on leaves them while its own receiver is busy, which slows the
 * sender down, and resumes when its receiver takes more.
 */
int ipc_stream_resume(struct ipc_stream *stream);

/*
 * Return the microseconds until the time limit; 0 if it has expired; IPC_NEVER if there is
 * none. The client sets it when it opens the stream: timeout_usec and parent in struct
 * ipc_options, or timeout_ms of the method. Both ends know it and break off by themselves:
 * what arrived before can still be received, also if no thread has served the connection since,
 * and everything else fails with -ETIMEDOUT. As long as
 * a stream with a time limit has callbacks, serving the connection takes one system
 * call more for each event.
 */
uint64_t ipc_stream_remaining(const struct ipc_stream *stream);

/*
 * Return 1 if the stream has broken off: one side canceled it, the time limit expired, the
 * other side died or violates the protocol, or the bus has ended. Return 0 otherwise, also after
 * an end. What the other side did is known when some thread has served it, so a handler on the
 * only thread sees nothing but the time limit and the end of the bus here.
 */
int ipc_stream_canceled(struct ipc_stream *stream);

/* Return what the call that opened the stream brought, as ipc_call_metadata() and
 * ipc_call_label(). For the server; valid as long as the stream. NULL for a client's end. */
const char *ipc_stream_metadata(const struct ipc_stream *stream, const char *name);
const char *ipc_stream_label(const struct ipc_stream *stream);

/* Return the identity of the client that opened the stream, as ipc_call_uid() and the like.
 * For the server; 0 for a client's end. */
uid_t ipc_stream_uid(const struct ipc_stream *stream);
gid_t ipc_stream_gid(const struct ipc_stream *stream);
pid_t ipc_stream_pid(const struct ipc_stream *stream);

/*
 * Return a new pidfd of the client's process, O_CLOEXEC, that the caller closes. For the server.
 * It never refers to a process that reuses the number. The process may run another program by
 * now, or be gone.
 *
 *   -EINVAL   The stream is a client's end, or its object does not have IPC_OBJECT_PIDFD.
 *   -ESRCH    The process was gone when the stream was opened.
 *   -ENOENT   The process is not visible from here.
 *   -EMFILE   This process cannot open more files, or could not when the stream was opened.
 */
int ipc_stream_pidfd(const struct ipc_stream *stream);

#ifdef __cplusplus
}
#endif

#endif /* IPC_PUBLIC_STREAM_H */
