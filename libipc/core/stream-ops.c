// SPDX-License-Identifier: MIT
/* Callbacks of a stream: one after the other, on serving threads, until destroy(). See stream.h. */
#include <errno.h>
#include <string.h>

#include "base/sized.h"
#include "call.h"
#include "conn/thread.h"
#include "errors.h"
#include "object.h"
#include "stream-ring.h"
#include "stream.h"

/* The next step that is due; the first of these has priority. */
enum step { NOTHING, MESSAGE, END, DESTROY, WRITABLE };

/* Whether a server's program has ended the stream: then the client's messages do not matter. */
static bool is_ended_here_locked(const struct ipc_stream *stream)
{
	return stream->of.server && stream->out_ended && !stream->refused;
}

/* Whether the client's end is no event for the server, because it follows the only request. */
static bool is_end_expected_locked(const struct ipc_stream *stream)
{
	return stream->of.defer && !stream->in_error.code;
}

static bool is_in_over_locked(const struct ipc_stream *stream)
{
	if (stream->broken)
		return true;
	return stream->in_ended && !stream->lost && !stream_has_message_locked(stream) &&
	       !is_end_expected_locked(stream);
}

static bool is_over_locked(const struct ipc_stream *stream)
{
	if (is_ended_here_locked(stream))
		return true;
	return stream->end_called && (stream->broken || !stream->of.server);
}

static enum step next_locked(const struct ipc_stream *stream)
{
	if (!stream->has_ops || stream->strand == STRAND_OVER)
		return NOTHING;
	if (!is_ended_here_locked(stream)) {
		if (stream->message_due && stream_has_message_locked(stream))
			return MESSAGE;
		if (!stream->end_called && is_in_over_locked(stream))
			return END;
	}
	if (is_over_locked(stream))
		return DESTROY;
	return stream->writable_due && !stream->out_ended ? WRITABLE : NOTHING;
}

/* --- The callbacks ----------------------------------------------------------------- */

/* Calls on_message. If that does not receive the message, it runs again for the next message. */
static void run_message(struct ipc_stream *stream)
{
	unsigned int received;

	stream_lock(stream);
	stream->message_due = false;
	ring_notice_locked(stream);
	received = stream->n_received;
	stream_unlock(stream);
	if (!stream->ops.on_message) {
		stream_refuse(stream, -EPROTO);
		return;
	}
	stream->ops.on_message(stream, stream->userdata);
	stream_free_current(stream);
	/* Without memory for the credit, the next message tries again. */
	stream_grant_credit(stream);
	stream_lock(stream);
	stream->message_due |= stream->n_received != received &&
			       stream_has_message_locked(stream);
	stream_unlock(stream);
}

static void run_end(struct ipc_stream *stream)
{
	struct ipc_error error = IPC_ERROR_INIT;
	const struct ipc_error *reported = NULL;
	struct stream_item *items;
	enum ipc_origin origin;
	int result;
	bool left;

	stream_lock(stream);
	left = stream_has_message_locked(stream);
	items = stream_take_items_locked(stream);
	stream->end_called = true;
	if (stream->in_ended && !stream->lost && !left && !is_end_expected_locked(stream))
		reported = &stream->in_error;
	result = reported ? reported->code : stream->broken;
	origin = stream->broken_by;
	stream_unlock(stream);
	stream_free_items(stream, items);
	if (!reported) {
		error_from(&error, origin, result);
		reported = &error;
	}
	if (stream->ops.on_end)
		stream->ops.on_end(stream, result, reported, stream->userdata);
}

static void run_writable(struct ipc_stream *stream)
{
	stream_lock(stream);
	stream->writable_due = false;
	stream_unlock(stream);
	stream->ops.on_writable(stream, stream->userdata);
}

static void run_destroy(struct ipc_stream *stream)
{
	if (stream->ops.destroy)
		stream->ops.destroy(stream->userdata);
	stream_lock(stream);
	stream->strand = STRAND_OVER;
	stream_unlock(stream);
	ipc_stream_unref(stream);
}

static bool run_next(struct ipc_stream *stream)
{
	enum step step;

	stream_lock(stream);
	step = next_locked(stream);
	stream_unlock(stream);
	switch (step) {
	case MESSAGE:
		run_message(stream);
		return true;
	case END:
		run_end(stream);
		return true;
	case WRITABLE:
		run_writable(stream);
		return true;
	case DESTROY:
		run_destroy(stream);
		return false;
	case NOTHING:
		break;
	}
	return false;
}

/* --- When they run ------------------------------------------------------------------- */

/* Whether this thread returns to other work before it looks into the backlog. */
static bool is_busy(struct ipc *ipc)
{
	const struct ipc_call *call;
	struct thread *t;

	if (thread_get(ipc, &t) < 0)
		return true;
	call = t->serving;
	return t->depth != 1 || !call || !call->object || !call->object->type->is_passive;
}

/* Looks for messages in the ring, which no event announces. Returns whether a callback is due. */
static __attribute__((noinline)) bool rearm_locked(struct ipc_stream *stream)
{
	if (!stream->has_ops || stream->strand == STRAND_OVER || !ring_rearm_locked(stream))
		return false;
	stream->message_due = true;
	return next_locked(stream) != NOTHING;
}

static inline bool queue_locked(struct ipc_stream *stream)
{
	if (next_locked(stream) == NOTHING && (likely(!stream->ring) || !rearm_locked(stream)))
		return false;
	stream->strand = STRAND_QUEUED;
	return true;
}

void stream_kick(struct ipc_stream *stream)
{
	bool queued;

	stream_lock(stream);
	queued = stream->strand == STRAND_IDLE && queue_locked(stream);
	if (queued)
		stream_hold(stream);
	stream_unlock(stream);
	if (queued)
		backlog_add(stream->ipc, &stream->work, is_busy(stream->ipc));
}

void stream_kick_writable(struct ipc_stream *stream)
{
	stream_lock(stream);
	stream->writable_due |= stream->wants_writable;
	stream->wants_writable = false;
	stream_unlock(stream);
	stream_kick(stream);
}

/* Ends a run of callbacks, and queues the next. Takes over the caller's hold of the memory. */
static void strand_rest(struct ipc_stream *stream)
{
	bool queued = false;

	stream_lock(stream);
	if (stream->strand == STRAND_RUNNING) {
		stream->strand = STRAND_IDLE;
		queued = queue_locked(stream);
	}
	stream_unlock(stream);
	if (queued)
		backlog_add(stream->ipc, &stream->work, is_busy(stream->ipc));
	else
		stream_put(stream);
}

void stream_start_handler(struct ipc_stream *stream, const void *request)
{
	int r;

	stream_hold(stream);
	stream_lock(stream);
	stream->strand = STRAND_RUNNING;
	stream_unlock(stream);
	stream->handler = pthread_self();
	atomic_store(&stream->in_handler, true);

	r = stream_watch(stream);
	if (r == 0)
		r = stream->of.type->handle(stream, request);
	/* A handler that returns 0, and was the only user, has ended the stream well. */
	if (r < 0)
		ipc_stream_fail(stream, r, NULL, NULL);
	else if (atomic_load(&stream->users) == 1 && !atomic_load(&stream->dropped))
		stream->out_code = 0;
	atomic_store(&stream->in_handler, false);
	strand_rest(stream);
	ipc_stream_unref(stream);
}

/* Runs at most as many callbacks as there can be messages, then other work has its turn. */
void stream_run_work(struct thread *t, struct backlog_work *work)
{
	struct ipc_stream *stream = (void *)((char *)work - offsetof(struct ipc_stream, work));

	stream_lock(stream);
	stream->strand = STRAND_RUNNING;
	stream_unlock(stream);
	thread_enter(t);
	for (int i = 0; i < STREAM_WINDOW && run_next(stream); i++)
		;
	thread_leave_handler(t);
	strand_rest(stream);
}

/* --- Setting them ---------------------------------------------------------------------- */

int stream_set_ops(struct ipc_stream *stream, const struct ipc_stream_ops *ops, void *userdata,
		   void (*receive)(void), void (*cb)(void))
{
	struct ipc_stream_ops own;
	int r;

	r = sized_check(sizeof(own), ops);
	if (r < 0)
		return r;
	own = *ops;
	if (stream->ipc->foreign)
		return -ECHILD;
	if (receive && own.on_message)
		return -EINVAL;
	if (receive)
		own.on_message = stream->of.type->on_message;
	r = stream_set_timer(stream);
	if (r < 0)
		return r;
	stream_lock(stream);
	if (stream->has_ops) {
		r = -EALREADY;
	} else {
		stream->ops = own;
		stream->userdata = userdata;
		stream->receive = receive;
		stream->cb = cb;
		stream->has_ops = true;
		stream->message_due = stream_has_message_locked(stream);
		/* Before another thread can run the callbacks, which include destroy(). */
		refs_take(&stream->users);
	}
	stream_unlock(stream);
	if (r < 0)
		return r;
	stream_kick(stream);
	return 0;
}

int ipc_stream_set_ops(struct ipc_stream *stream, const struct ipc_stream_ops *ops, void *userdata)
{
	if (!stream || !ops)
		return -EINVAL;
	return stream_set_ops(stream, ops, userdata, /* receive= */ NULL, /* cb= */ NULL);
}

int ipc_stream_resume(struct ipc_stream *stream)
{
	int r = stream ? ipc_check(stream->ipc) : -EINVAL;

	if (r < 0)
		return r;
	stream_lock(stream);
	stream->message_due |= stream_has_message_locked(stream);
	stream_unlock(stream);
	stream_kick(stream);
	return 0;
}
