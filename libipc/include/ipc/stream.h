/* SPDX-License-Identifier: MIT */
/*
 * Methods with streams. Included by <ipc/ipc.h>, whose rules and error list apply.
 *
 * A method with `stream` in its .proto file is opened by a client. Client and server then
 * have one end each, a struct ipc_stream. Generated functions send and receive messages of
 * the right type; each of them uses the rules here.
 *
 * Sending: 0 if the message is on its way. Messages arrive in order. The receiver grants
 * credit for a number of messages; without credit, or without space in the receiver's
 * region, a sender waits for at most timeout_usec microseconds (0: not at all).
 *
 *   -EAGAIN      There is no credit or space, and the time is over. Try again later.
 *   -EPIPE       This side has ended its sending, or the server has ended the stream.
 *   Others       The error with which the server ended the stream.
 *
 * Receiving: 1 and a message, or 0 at the end of the stream. The stream owns the message;
 * it is valid until the next receive function is called on the stream, or the stream is
 * closed. Messages that were sent before an end or error arrive before it. With timeout_usec
 * 0 a receive function does not wait for a message, but may still wait up to 5 s for space
 * at the sender, to which it grants new credit.
 *
 *   -EAGAIN      No message arrived in time.
 *   -EPIPE       No credit could be granted to the sender.
 *   Others       The error with which the other side ended its sending.
 *
 * Both:
 *
 *   -ECANCELED   One side canceled the stream.
 *   -EOWNERDEAD  The other side died, or closed its end without ending it.
 *   -EPROTO      The other side violates the protocol of streams.
 *   -ENOMEM      Try again. If a message was lost for lack of memory, it stays so.
 *
 * Threads. One thread may send while another receives; only one thread may receive. A
 * thread that waits in one of these functions serves the connection meanwhile, so handlers
 * may run on its stack; a thread that waits for a reply further up its stack does not serve.
 * A received message with blobs blocks the messages behind it until the next receive.
 *
 * Closing. A handler may use its stream until it returns; with ipc_stream_ref() it may keep
 * it and use it from any thread. If the handler returns a negative errno, the server's sending
 * ends with it at once; else it ends when the last reference of the server's end goes. When
 * the last reference of a client's end goes, a stream that is not over is canceled. A stream
 * holds a reference of its connection.
 */
#ifndef IPC_PUBLIC_STREAM_H
#define IPC_PUBLIC_STREAM_H

#include <stddef.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ipc;
struct ipc_error;
struct ipc_stream;

/* Take or drop a reference. The last ipc_stream_unref() closes the end (see above), and may
 * wait up to 5 s for space at the other side. */
struct ipc_stream *ipc_stream_ref(struct ipc_stream *stream);
struct ipc_stream *ipc_stream_unref(struct ipc_stream *stream);

/* Return the connection, without a reference. */
struct ipc *ipc_stream_ipc(const struct ipc_stream *stream);

/*
 * End the sending of this side. A server's end ends the whole stream; a client may still
 * receive. May wait up to 5 s for space at the receiver, with an error up to 10 s.
 *
 * ipc_stream_fail() and ipc_stream_raise() end it with an error, which the other side
 * receives after all messages. code is a negative errno; with a name it is -EREMOTEIO. The
 * text is formatted like printf(); name and format may be NULL. ipc_stream_raise() sends all
 * fields of a struct ipc_error, as ipc_call_raise().
 *
 *   -EALREADY   This side has already ended its sending.
 *   -ETIMEDOUT  There was no space.
 *   Others      As sending. The end may be tried again.
 */
int ipc_stream_end(struct ipc_stream *stream);
int ipc_stream_fail(struct ipc_stream *stream, int code, const char *name,
		    const char *format, ...) __attribute__((format(printf, 4, 5)));
int ipc_stream_raise(struct ipc_stream *stream, const struct ipc_error *error);

/* End both directions on both sides at once. Messages that were not received are dropped;
 * sending and receiving fail with -ECANCELED. May wait up to 5 s for space at the other side,
 * and runs the callback of ipc_stream_on_ready() on this thread. NULL is allowed. */
void ipc_stream_cancel(struct ipc_stream *stream);

/*
 * For event loops. The file descriptor is readable when there may be something to receive:
 * receive with timeout 0 until -EAGAIN. The stream owns it. The connection must be served
 * as well, by a thread or by the loop.
 *
 *   -EMFILE   This process cannot open more files.
 */
int ipc_stream_get_fd(struct ipc_stream *stream);

/*
 * Set a callback, which runs on a serving thread, or in ipc_stream_cancel(), when there may be
 * something to receive,
 * and when a send that failed with -EAGAIN may be tried again. It may come without need,
 * and on several threads at once. A message that arrived before this call is not reported:
 * receive once after setting it, and set it before sending. NULL removes it; the previous
 * callback may still be running on another thread.
 */
typedef void (*ipc_stream_cb)(struct ipc_stream *stream, void *userdata);
void ipc_stream_on_ready(struct ipc_stream *stream, ipc_stream_cb cb, void *userdata);

/* For the server: the identity of the client that opened the stream, as ipc_call_uid() and
 * the like. 0 for a client's end. */
uid_t ipc_stream_uid(const struct ipc_stream *stream);
gid_t ipc_stream_gid(const struct ipc_stream *stream);
pid_t ipc_stream_pid(const struct ipc_stream *stream);

#ifdef __cplusplus
}
#endif

#endif /* IPC_PUBLIC_STREAM_H */
