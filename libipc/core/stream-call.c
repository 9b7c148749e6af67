// SPDX-License-Identifier: MIT
/*
 * What a stream has of the call that opened it: who the client is, until when the stream may
 * last, and the parent, which is a call or another stream of the client, and its cancellation.
 * See stream.h.
 *
 * Both ends know the deadline and look at the clock themselves. After it, whatever breaks the
 * stream counts as -ETIMEDOUT: the other end may have been faster.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "deadline.h"
#include "frame.h"
#include "object.h"
#include "stream.h"

/* --- Server --------------------------------------------------------------------------- */

static int take_metadata(struct ipc_stream *stream, struct ipc_call *call)
{
	const uint8_t *data = call->payload;
	size_t size = call->size;
	struct frame frame;
	int r;

	if (!unlikely_frame(data, size))
		return 0;
	r = frame_parse(&frame, &data, &size);
	if (r == -EMSGSIZE) {
		ipc_call_errno(call, r, "a stream has at most %zu bytes of metadata", METADATA_MAX);
		return r;
	}
	if (r < 0 || !frame.metadata_size)
		return 0;
	stream->metadata = malloc(frame.metadata_size);
	if (!stream->metadata)
		return -ENOMEM;
	memcpy(stream->metadata, frame.metadata, frame.metadata_size);
	stream->metadata_size = frame.metadata_size;
	return 0;
}

int stream_take_call(struct ipc_stream *stream, struct ipc_call *call)
{
	const char *label = ipc_call_label(call);

	stream->service = ipc_object_ref(call->object);
	stream->uid = call->uid;
	stream->gid = call->gid;
	stream->pid = call->pid;
	/* If it fails, the program learns why when it wants it. */
	if (call->object->pidfds)
		stream->pidfd = ipc_call_pidfd(call);
	if (label) {
		stream->label = strdup(label);
		if (!stream->label)
			return -ENOMEM;
	}
	return take_metadata(stream, call);
}

/* --- Client --------------------------------------------------------------------------- */

void stream_take_options(struct ipc_stream *stream, const struct ipc_options *options,
			 struct ipc_options *ret_opening)
{
	uint64_t deadline = 0;

	*ret_opening = options ? *options : (struct ipc_options){ .parent = NULL };
	if (!ret_opening->timeout_usec)
		ret_opening->timeout_usec = stream->of.timeout_usec;
	if (ret_opening->timeout_usec)
		deadline = deadline_after(ret_opening->timeout_usec);
	if (ret_opening->parent)
		deadline = deadline_earlier(deadline, ret_opening->parent->deadline);
	if (ret_opening->parent_stream)
		deadline = deadline_earlier(deadline, ret_opening->parent_stream->deadline);
	stream_set_deadline(stream, deadline);
}

int stream_follow(struct ipc_stream *stream, const struct ipc_options *options)
{
	int r = 0;

	stream->of_parent.stream = stream;
	stream->of_cancellation.stream = stream;
	if (options->parent)
		r = call_add_dependent(options->parent, &stream->of_parent);
	else if (options->parent_stream)
		r = dependents_add(stream->ipc, &options->parent_stream->children,
				   &stream->of_parent);
	/* A reply to the parent does not end the stream. */
	if (r == -EINVAL)
		r = 0;
	if (r == 0 && options->cancellation)
		r = dependents_add(stream->ipc, &options->cancellation->dependents,
				   &stream->of_cancellation);
	return r;
}

/* What was made for it has no later deadline. After that, it fails with -ETIMEDOUT by itself. */
void stream_cancel_children(struct ipc_stream *stream)
{
	bool late;

	stream_lock(stream);
	late = stream->broken == -ETIMEDOUT;
	stream_unlock(stream);
	if (!late && !stream->ipc->foreign)
		dependents_cancel(stream->ipc, &stream->children);
}

/* --- The deadline --------------------------------------------------------------------- */

void stream_expired(struct timer *timer)
{
	struct ipc_stream *stream = (void *)((char *)timer - offsetof(struct ipc_stream, timer));

	stream_expire_now(stream);
	stream_put(stream);
}

int stream_set_timer(struct ipc_stream *stream)
{
	int r;

	if (!stream->deadline)
		return 0;
	stream_hold(stream);
	r = timer_set(stream->ipc, &stream->timer);
	if (r <= 0)
		stream_put(stream);
	return r < 0 ? r : 0;
}

void stream_forget_call(struct ipc_stream *stream)
{
	ipc_lock(stream->ipc);
	dependent_remove_locked(&stream->of_parent);
	dependent_remove_locked(&stream->of_cancellation);
	ipc_unlock(stream->ipc);
	if (timer_forget(stream->ipc, &stream->timer))
		stream_put(stream);
}

uint64_t ipc_stream_remaining(const struct ipc_stream *stream)
{
	return stream->deadline ? time_until(stream->deadline) : IPC_NEVER;
}

int ipc_stream_canceled(struct ipc_stream *stream)
{
	bool broken;

	if (!stream)
		return -EINVAL;
	if (stream->ipc->foreign)
		return -ECHILD;
	stream_expire(stream);
	/* Perhaps no thread serves, and notices it. */
	if (device_has_ended(&stream->ipc->device))
		stream_break(stream, -ECONNRESET);
	stream_lock(stream);
	broken = stream->broken && !stream->broken_late;
	stream_unlock(stream);
	return broken;
}

/* --- Identity ------------------------------------------------------------------------- */

struct ipc *ipc_stream_ipc(const struct ipc_stream *stream)
{
	return stream->ipc;
}

uid_t ipc_stream_uid(const struct ipc_stream *stream)
{
	return stream->uid;
}

gid_t ipc_stream_gid(const struct ipc_stream *stream)
{
	return stream->gid;
}

pid_t ipc_stream_pid(const struct ipc_stream *stream)
{
	return stream->pid;
}

int ipc_stream_pidfd(const struct ipc_stream *stream)
{
	int fd;

	if (!stream)
		return -EINVAL;
	if (stream->ipc->foreign)
		return -ECHILD;
	if (stream->pidfd < 0)
		return stream->pidfd;
	fd = fcntl(stream->pidfd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	return fd < 0 ? -errno : fd;
}

static struct frame frame_of(const struct ipc_stream *stream)
{
	return (struct frame){
		.metadata = stream->metadata,
		.metadata_size = stream->metadata_size,
	};
}

const char *ipc_stream_metadata(const struct ipc_stream *stream, const char *name)
{
	const struct frame frame = frame_of(stream);

	return stream->metadata ? frame_metadata(&frame, name) : NULL;
}

const char *ipc_raw_stream_next_metadata(const struct ipc_stream *stream, const char *name,
					 const char **ret_value)
{
	const struct frame frame = frame_of(stream);

	return stream->metadata ? frame_next_metadata(&frame, name, ret_value) : NULL;
}

const char *ipc_stream_label(const struct ipc_stream *stream)
{
	return stream->label;
}
