// SPDX-License-Identifier: MIT
/*
 * Calls across a link: see link-private.h. Oneways are in link-oneway.c.
 *
 * A pending call comes from the bus. Its thread waits in the handler, and in the meantime makes the
 * calls of the other side that belong to the same chain. A served call comes from the other side. A
 * worker, or the thread of a pending call, makes it on the bus. If that thread gets a call while it
 * waits there, the new call belongs to the served call, and the frame has the id of the served call
 * as its chain.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "link-private.h"
#include "status.h"

/* Field of ipc.StreamOpen. */
#define STREAM_DEADLINE 5

/* If the deadline of a call is that near, the deadline ends the call, not a timeout of the other
 * side. */
#define NEAR_USEC 1000000

struct pending {
	struct link *link;
	uint64_t id;
	pthread_cond_t changed;
	bool canceled;
	struct peer *user;	/* until the call ends or is canceled */
	struct arrived *reply;
	struct served *nested;	/* calls that this thread must make */
	struct served **last_nested;
};

struct served {
	struct job job;		/* job.next also links a pending call's list */
	struct arrived *arrived;
	struct ipc_proxy *proxy;
	struct ipc_cancellation *cancellation;
	struct pending *outer;	/* the call of the same chain; NULL: none */
	bool started;		/* in the link's table */
	struct peer *peer;	/* until the call ends */
};

/* The served call that this thread makes. */
static _Thread_local struct served *current;

struct arrived *arrived_free(struct arrived *arrived)
{
	if (!arrived)
		return NULL;
	entries_release(&arrived->entries);
	free(arrived->bytes);
	free(arrived);
	return NULL;
}

/* Replies with an error, or with its cause, if the service reports that of another service. */
static void reply_error(struct link *link, uint64_t id, int r, const struct ipc_error *error)
{
	struct wire_buffer bytes = { 0 };
	struct link_frame frame = { .kind = LINK_REPLY, .id = id };

	if (error && error->origin == IPC_ORIGIN_BEHIND && error->cause)
		r = error->cause;
	frame.error = (uint32_t)-r;
	if (error)
		status_put_error(&bytes, error);
	if (!bytes.failed && bytes.size + LINK_FRAME_EXTRA <= link->peer_size) {
		frame.data = bytes.data;
		frame.data_size = bytes.size;
	}
	link_send(link, &frame);
	free(bytes.data);
}

/* Ends a served call for the limits of the link and the peer, which count open calls. */
static void served_end_locked(struct served *served)
{
	struct link *link = served->job.link;

	if (served->started) {
		map_remove(&link->serving, served->arrived->frame.id);
		link->serving_bytes -= served->arrived->frame.data_size;
		served->started = false;
	}
	peers_end(served->peer);
	served->peer = NULL;
}

/* Ends a call, then replies with an error: the other side can make the next call at once. */
static void reply_error_of(struct served *served, int r, const struct ipc_error *error)
{
	struct link *link = served->job.link;

	pthread_mutex_lock(&link->lock);
	served_end_locked(served);
	pthread_mutex_unlock(&link->lock);
	reply_error(link, served->arrived->frame.id, r, error);
}

/* --- Deadlines of streams ----------------------------------------------------------------- */

static uint64_t now_nsec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Converts a time of this clock to the remaining time, or back. */
static uint64_t shift(uint64_t value, bool leaves)
{
	uint64_t now = now_nsec();

	if (leaves)
		return value > now ? value - now : 1;
	return value > UINT64_MAX - now ? UINT64_MAX : value + now;
}

/* Converts the deadline of an opened stream, which is on the clock of the request's sender. */
static void shift_deadline(uint8_t *payload, size_t size, bool leaves)
{
	struct wire_field field;
	const void *message;
	struct wire wire;
	uint64_t value;

	if (ipc_payload_message(payload, size, &message, &size) < 0)
		return;
	wire = wire_of(message, size);
	while (wire_next(&wire, &field) > 0) {
		if (field.number != STREAM_DEADLINE || field.type != WIRE_64BIT || !field.value)
			continue;
		value = shift(field.value, leaves);
		for (size_t i = 0; i < 8; i++)
			payload[(size_t)(wire.at - payload) - 8 + i] = (uint8_t)(value >> 8 * i);
	}
}

static int copy_payload(const void *data, size_t size, bool leaves, uint8_t **ret_copy)
{
	uint8_t *copy = malloc(size + 1);

	if (!copy)
		return -ENOMEM;
	if (size)
		memcpy(copy, data, size);
	shift_deadline(copy, size, leaves);
	*ret_copy = copy;
	return 0;
}

/* --- Calls from the bus ------------------------------------------------------------------- */

static void canceled(struct ipc_call *call, void *userdata)
{
	struct pending *pending = userdata;
	struct link *link = pending->link;

	(void)call;
	pthread_mutex_lock(&link->lock);
	pending->canceled = true;
	/* Both at once: the thread may be in a nested call, which only the other side cancels. */
	peers_end(pending->user);
	pending->user = NULL;
	if (map_get(&link->waiting, pending->id) == pending)
		link_send_locked(link, &(struct link_frame){ .kind = LINK_CANCEL,
							     .id = pending->id });
	pthread_cond_broadcast(&pending->changed);
	pthread_cond_broadcast(&link->changed);
	pthread_mutex_unlock(&link->lock);
}

static struct served *next_nested_locked(struct pending *pending)
{
	struct served *served = pending->nested;

	if (!served)
		return NULL;
	pending->nested = (struct served *)served->job.next;
	if (!pending->nested)
		pending->last_nested = &pending->nested;
	return served;
}

/* Returns whether the other side reports a timeout just before the caller's own deadline, which
 * arrives as a cancellation. Then the reply is not the reason. */
static bool is_early(const struct pending *pending, uint64_t remaining)
{
	return pending->reply->frame.error == ETIMEDOUT && remaining < NEAR_USEC;
}

/* Returns false if the cancellation has not arrived in time. */
static bool wait_early_locked(struct pending *pending)
{
	const struct timespec until = link_time_in(2 * NEAR_USEC / 1000);

	return pthread_cond_clockwait(&pending->changed, &pending->link->lock, CLOCK_MONOTONIC,
				      &until) != ETIMEDOUT;
}

static void wait_locked(struct pending *pending, struct ipc_call *call)
{
	struct link *link = pending->link;
	struct served *served;

	while (!link->broken && !pending->canceled) {
		served = next_nested_locked(pending);
		if (served) {
			served->outer = pending;
			pthread_mutex_unlock(&link->lock);
			served->job.run(&served->job);
			pthread_mutex_lock(&link->lock);
		} else if (!pending->reply) {
			pthread_cond_wait(&pending->changed, &link->lock);
		} else if (!is_early(pending, ipc_call_remaining(call)) ||
			   !wait_early_locked(pending)) {
			return;
		}
	}
}

/* Ends a pending call. Workers make the nested calls that are left. */
static void leave_locked(struct pending *pending)
{
	struct link *link = pending->link;
	struct served *served;
	int r;

	if (map_get(&link->waiting, pending->id) == pending)
		map_remove(&link->waiting, pending->id);
	while ((served = next_nested_locked(pending))) {
		r = link_work_locked(link, &served->job);
		if (r < 0) {
			pthread_mutex_unlock(&link->lock);
			reply_error_of(served, r, NULL);
			served->job.drop(&served->job);
			pthread_mutex_lock(&link->lock);
		}
	}
}

static int send_locked(struct pending *pending, struct link_frame *frame,
		       const struct ipc_raw_message *request)
{
	struct link *link = pending->link;
	int r;

	while (link->out_bytes > OUT_BYTES_MAX && !link->broken && !pending->canceled)
		pthread_cond_wait(&link->changed, &link->lock);
	if (pending->canceled)
		return -ECANCELED;
	if (link->broken)
		return -EHOSTUNREACH;
	if (frame->data_size + LINK_FRAME_EXTRA > link->peer_size)
		return -EMSGSIZE;
	frame->id = pending->id = ++link->last_id;
	r = table_put_locked(link, frame, request->entries, request->n_entries);
	if (r == -ENOMEM)
		link_break_locked(link, "no memory");
	if (r == 0)
		r = map_add(&link->waiting, pending->id, pending);
	if (r < 0)
		return r;
	link_send_locked(link, frame);
	table_sent_locked(link, frame);
	return 0;
}

static int finish_call(struct pending *pending, struct ipc_call *call)
{
	const struct arrived *reply = pending->reply;
	struct ipc_raw_message message;

	if (!reply)
		return ipc_call_fail(call, EHOSTUNREACH, NULL,
				     "the link to the other bus broke; "
				     "the call may have been executed");
	if (reply->frame.error)
		return ipc_raw_fail(call, (int)reply->frame.error, reply->frame.data,
				     reply->frame.data_size);
	message = (struct ipc_raw_message){
		.data = reply->frame.data,
		.size = reply->frame.data_size,
		.entries = pending->reply->entries.all,
		.n_entries = reply->entries.n,
	};
	return ipc_raw_reply(call, &message);
}

static int pass_call(struct link *link, struct ipc_call *call, struct link_frame *frame,
		     const struct ipc_raw_message *request)
{
	struct pending pending = { .link = link, .last_nested = &pending.nested };
	struct ipc_slot *slot;
	int r;

	r = ipc_call_on_cancel(call, canceled, &pending, &slot);
	if (r < 0)
		return r;
	pthread_cond_init(&pending.changed, NULL);
	pthread_mutex_lock(&link->lock);
	r = -EDQUOT;
	/* Each call has a thread. Some threads must be left for cancellations. */
	if (link->calls++ < link->max_calls)
		r = peers_begin(link_options(link)->users, peers_user_key(ipc_call_uid(call)),
				&pending.user);
	if (r == 0)
		r = send_locked(&pending, frame, request);
	if (r == 0) {
		wait_locked(&pending, call);
		leave_locked(&pending);
	}
	link->calls--;
	/* Must come before the reply: the caller can call again at once. */
	peers_end(pending.user);
	pending.user = NULL;
	pthread_mutex_unlock(&link->lock);
	ipc_slot_end(slot);
	if (r == 0)
		r = pending.canceled ? -ECANCELED : finish_call(&pending, call);
	arrived_free(pending.reply);
	pthread_cond_destroy(&pending.changed);
	return r;
}

static int serve_call(struct link *link, struct ipc_call *call, struct link_frame *frame,
		      const struct ipc_raw_message *request)
{
	uint64_t remaining = ipc_call_remaining(call);
	uint8_t *copy = NULL;
	int r = 0;

	if (!remaining)
		return -ETIMEDOUT;
	frame->kind = LINK_CALL;
	frame->timeout = remaining == IPC_NEVER ? 0 : remaining;
	frame->chain = current && current->job.link == link ? current->arrived->frame.id : 0;
	if (frame->method == IPC_NUMBER_STREAM) {
		r = copy_payload(request->data, request->size, /* leaves= */ true, &copy);
		frame->data = copy;
	}
	if (r == 0)
		r = pass_call(link, call, frame, request);
	free(copy);
	return r;
}

int remote_serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	struct remote *remote = userdata;
	struct link_frame frame = { .target = remote->number,
				    .method = request->method,
				    .data = request->data,
				    .data_size = request->size };

	if (ipc_call_is_oneway(call))
		return remote_serve_oneway(remote, call, request);
	return serve_call(remote->link, call, &frame, request);
}

/* --- Calls from the other side ------------------------------------------------------------ */

static void served_free(struct served *served)
{
	ipc_cancellation_unref(served->cancellation);
	ipc_proxy_unref(served->proxy);
	arrived_free(served->arrived);
	free(served);
}

static void served_drop(struct job *job)
{
	struct served *served = (struct served *)job;
	struct link *link = job->link;

	pthread_mutex_lock(&link->lock);
	served_end_locked(served);
	pthread_mutex_unlock(&link->lock);
	served_free(served);
}

/* Returns whether the thread of a served call may wait for the peer. If the caller has canceled, a
 * peer that does not read must not occupy the thread. */
static bool may_wait(const struct served *served)
{
	return !served->job.link->broken && !(served->outer && served->outer->canceled);
}

static void reply_message(struct served *served, const struct ipc_raw_message *reply)
{
	struct link *link = served->job.link;
	uint64_t id = served->arrived->frame.id;
	struct link_frame frame = { .kind = LINK_REPLY,
				    .id = id,
				    .data = reply->data,
				    .data_size = reply->size };
	int r;

	pthread_mutex_lock(&link->lock);
	while (link->out_bytes > OUT_BYTES_MAX && may_wait(served))
		pthread_cond_wait(&link->changed, &link->lock);
	served_end_locked(served);
	r = table_put_locked(link, &frame, reply->entries, reply->n_entries);
	if (r == 0) {
		link_send_locked(link, &frame);
		table_sent_locked(link, &frame);
	} else if (r == -ENOMEM) {
		link_break_locked(link, "no memory");
	}
	pthread_mutex_unlock(&link->lock);
	if (r < 0)
		reply_error(link, id, r, NULL);
}

static bool served_run(struct job *job)
{
	struct served *served = (struct served *)job, *outer = current;
	struct arrived *arrived = served->arrived;
	struct ipc_raw_message request = { .method = arrived->frame.method,
					   .data = arrived->frame.data,
					   .size = arrived->frame.data_size,
					   .entries = arrived->entries.all,
					   .n_entries = arrived->entries.n };
	/* The other side sends the deadline and cancellations of this call. A call that is detached
	 * there must not end with the call that this thread serves here. */
	struct ipc_options options = { .timeout_usec = arrived->frame.timeout ?: IPC_NEVER,
				       .cancellation = served->cancellation,
				       .flags = IPC_DETACHED };
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	struct ipc_raw_message *reply = NULL;
	struct link *link = job->link;
	uint8_t *copy = NULL;
	bool has_objects;
	int r = 0;

	if (request.method == IPC_NUMBER_STREAM) {
		r = copy_payload(request.data, request.size, /* leaves= */ false, &copy);
		request.data = copy;
	}
	current = served;
	if (r == 0)
		r = ipc_raw_call(served->proxy, &request, &options, &reply, &error);
	current = outer;
	free(copy);
	if (r == 0 && reply->size + LINK_FRAME_EXTRA > link->peer_size)
		r = -EMSGSIZE;
	if (r < 0)
		reply_error_of(served, r, &error);
	else
		reply_message(served, reply);
	has_objects = reply && reply->n_entries;
	ipc_raw_free(reply);
	served_drop(job);
	return has_objects;
}

/* Passes the call to the thread that waits for it, or to a worker. */
static int start_locked(struct link *link, struct served *served)
{
	const struct link_frame *frame = &served->arrived->frame;
	struct pending *pending = map_get(&link->waiting, frame->chain);
	int r;

	if (link->serving.count >= link_options(link)->max_calls ||
	    link->serving_bytes + frame->data_size > SERVING_BYTES_MAX)
		return -EDQUOT;
	r = map_add(&link->serving, frame->id, served);
	if (r < 0)
		return r;
	if (pending && !pending->canceled) {
		served->job.next = NULL;
		*pending->last_nested = served;
		pending->last_nested = (struct served **)&served->job.next;
		pthread_cond_broadcast(&pending->changed);
	} else {
		r = link_work_locked(link, &served->job);
	}
	if (r < 0) {
		map_remove(&link->serving, frame->id);
	} else {
		served->started = true;
		link->serving_bytes += frame->data_size;
	}
	return r;
}

void call_arrived(struct link *link, struct arrived *arrived)
{
	struct served *served = calloc(1, sizeof(*served));
	uint64_t id = arrived->frame.id;
	struct export *export;
	int r = -ENOMEM;

	if (!served) {
		arrived_free(arrived);
		reply_error(link, id, r, NULL);
		return;
	}
	served->arrived = arrived;
	served->job = (struct job){ .link = link, .run = served_run, .drop = served_drop };
	r = ipc_cancellation_new(link->ipc, &served->cancellation);
	if (r == 0)
		r = link_begin_call(link, &served->peer);
	pthread_mutex_lock(&link->lock);
	export = table_find_locked(link, arrived->frame.target);
	if (!export || !id || map_get(&link->serving, id)) {
		link_break_locked(link, "it called an object that it does not hold");
		r = -EPROTO;
	}
	if (r == 0) {
		served->proxy = ipc_proxy_ref(export->proxy);
		r = start_locked(link, served);
	}
	if (r < 0)
		served_end_locked(served);
	pthread_mutex_unlock(&link->lock);
	if (r < 0) {
		served_free(served);
		reply_error(link, id, r, NULL);
	}
}

void cancel_arrived(struct link *link, const struct link_frame *frame)
{
	struct ipc_cancellation *cancellation = NULL;
	struct served *served;

	pthread_mutex_lock(&link->lock);
	served = map_get(&link->serving, frame->id);
	if (served)
		cancellation = ipc_cancellation_ref(served->cancellation);
	pthread_mutex_unlock(&link->lock);
	if (cancellation)
		ipc_cancel(cancellation);
	ipc_cancellation_unref(cancellation);
}

/* Hands a reply to its waiting thread. After a cancellation, frees it with its objects. */
void reply_arrived(struct link *link, struct arrived *arrived)
{
	struct pending *pending;

	pthread_mutex_lock(&link->lock);
	pending = map_remove(&link->waiting, arrived->frame.id);
	if (pending) {
		pending->reply = arrived;
		pthread_cond_broadcast(&pending->changed);
	}
	pthread_mutex_unlock(&link->lock);
	if (!pending)
		arrived_free(arrived);
}

/* --- The end ------------------------------------------------------------------------------ */

void calls_break_locked(struct link *link)
{
	for (size_t i = 0; i < link->waiting.n_slots; i++) {
		struct pending *pending = link->waiting.slots[i].value;

		if (pending)
			pthread_cond_broadcast(&pending->changed);
	}
	for (size_t i = 0; i < link->serving.n_slots; i++) {
		struct served *served = link->serving.slots[i].value;

		if (served)
			ipc_cancel(served->cancellation);
	}
}

void calls_drop(struct link *link)
{
	struct ipc_call *call;

	/* The release of a call may remove its remote from the table. */
	for (size_t i = 0; i < link->remotes.n_slots; i++) {
		struct remote *remote = link->remotes.slots[i].value;

		call = remote ? remote->held : NULL;
		if (!call)
			continue;
		remote->held = NULL;
		ipc_call_unref(call);
		i = SIZE_MAX;
	}
	map_done(&link->waiting);
	map_done(&link->serving);
}
