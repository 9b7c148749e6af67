// SPDX-License-Identifier: MIT
/*
 * Oneways across a link: see link-private.h. A limited number of oneways is in flight to an object,
 * or waits for space of its receiver on the other bus. Beyond that, the next oneway is held, and
 * its sender waits on this bus.
 */
#include <errno.h>
#include <stdlib.h>

#include "link-private.h"

/* --- Oneways from the bus ----------------------------------------------------------------- */

static bool may_send(const struct remote *remote, size_t size)
{
	const struct link *link = remote->link;

	if (link->out_bytes > OUT_BYTES_MAX)
		return false;
	/* The other side may have delivered that many oneways without a TAKEN yet: see
	 * took_locked(). */
	if (remote->oneways < ONEWAYS_MAX / 2 && remote->oneway_bytes < ONEWAY_BYTES_MAX / 2)
		return true;
	return remote->oneways < ONEWAYS_MAX && remote->oneway_bytes + size <= ONEWAY_BYTES_MAX;
}

static void send_oneway_locked(struct remote *remote, const struct ipc_raw_message *message)
{
	struct link_frame frame = { .kind = LINK_ONEWAY,
				    .target = remote->number,
				    .method = message->method,
				    .data = message->data,
				    .data_size = message->size };
	int r = table_put_locked(remote->link, &frame, message->entries, message->n_entries);

	/* The other side holds too many objects: discard the oneway. */
	if (r == -EDQUOT)
		return;
	if (r < 0) {
		link_break_locked(remote->link, "no memory");
		return;
	}
	remote->oneways++;
	remote->oneway_bytes += message->size;
	link_send_locked(remote->link, &frame);
	table_sent_locked(remote->link, &frame);
}

/* Sends a oneway, or keeps its call until there is space: then the bus delivers no next oneway. */
int remote_serve_oneway(struct remote *remote, struct ipc_call *call,
			const struct ipc_raw_message *message)
{
	struct link *link = remote->link;

	pthread_mutex_lock(&link->lock);
	if (message->size + LINK_FRAME_EXTRA > link->peer_size) {
		/* Too large: discard the oneway. */
	} else if (may_send(remote, message->size)) {
		send_oneway_locked(remote, message);
	} else if (!link->broken) {
		remote->held = ipc_call_ref(call);
		remote->held_message = message;
		link->held++;
	}
	pthread_mutex_unlock(&link->lock);
	return 0;
}

static struct ipc_call *send_held_locked(struct link *link)
{
	struct remote *remote;
	struct ipc_call *call;

	for (size_t i = 0; link->held && i < link->remotes.n_slots; i++) {
		remote = link->remotes.slots[i].value;
		if (!remote || !remote->held || link->broken ||
		    !may_send(remote, remote->held_message->size))
			continue;
		send_oneway_locked(remote, remote->held_message);
		call = remote->held;
		remote->held = NULL;
		link->held--;
		return call;
	}
	return NULL;
}

void oneways_send_held(struct link *link)
{
	struct ipc_call *call;

	do {
		pthread_mutex_lock(&link->lock);
		call = send_held_locked(link);
		pthread_mutex_unlock(&link->lock);
		ipc_call_unref(call);
	} while (call);
}

void taken_arrived(struct link *link, const struct link_frame *frame)
{
	struct remote *remote;

	pthread_mutex_lock(&link->lock);
	remote = map_get(&link->remotes, frame->target);
	/* If the remote is gone, no oneway waits for it. */
	if (remote) {
		if (frame->count > remote->oneways || frame->size > remote->oneway_bytes) {
			link_break_locked(link, "it took oneways that were not sent");
		} else {
			remote->oneways -= (unsigned int)frame->count;
			remote->oneway_bytes -= frame->size;
		}
	}
	pthread_mutex_unlock(&link->lock);
	oneways_send_held(link);
}

/* --- Oneways from the other side ---------------------------------------------------------- */

/* Returns 0 if the oneway was sent or discarded, and -EAGAIN if the receiver has no space. */
static int pass_oneway(struct ipc_proxy *proxy, struct arrived *arrived)
{
	const struct ipc_raw_message message = { .method = arrived->frame.method,
						 .data = arrived->frame.data,
						 .size = arrived->frame.data_size,
						 .entries = arrived->entries.all,
						 .n_entries = arrived->entries.n };

	return ipc_raw_oneway(proxy, &message, NULL) == -EAGAIN ? -EAGAIN : 0;
}

/* Sends TAKEN for each half of the oneways that may be in flight. */
static void took_locked(struct export *export, size_t size)
{
	export->taken++;
	export->taken_bytes += size;
	if (export->released)
		return;
	if (export->taken < ONEWAYS_MAX / 2 && export->taken_bytes < ONEWAY_BYTES_MAX / 2)
		return;
	link_send_locked(export->link, &(struct link_frame){ .kind = LINK_TAKEN,
							     .target = export->number,
							     .count = export->taken,
							     .size = export->taken_bytes });
	export->taken = 0;
	export->taken_bytes = 0;
}

static size_t cost_of(const struct arrived *arrived)
{
	return arrived->frame.data_size + sizeof(*arrived);
}

/* Sends the oldest waiting oneway of an export. Returns 0, -EAGAIN if the receiver has no space, or
 * -ENOENT if no oneway waits. */
static int retry(struct link *link, uint64_t number)
{
	struct arrived *arrived = NULL;
	struct export *export;
	bool gone = false;
	int r = -ENOENT;

	pthread_mutex_lock(&link->lock);
	export = map_get(&link->exports, number);
	arrived = export ? export->waiting : NULL;
	if (arrived)
		r = pass_oneway(export->proxy, arrived);
	if (arrived && r == 0) {
		export->waiting = arrived->next;
		if (!export->waiting)
			export->last_waiting = &export->waiting;
		export->n_waiting--;
		export->waiting_bytes -= arrived->frame.data_size;
		link->oneway_bytes -= cost_of(arrived);
		took_locked(export, arrived->frame.data_size);
		gone = table_drained_locked(link, export);
	} else {
		arrived = NULL;
	}
	pthread_mutex_unlock(&link->lock);
	arrived_free(arrived);
	if (gone)
		export_drop(export);
	return r;
}

static void writable(struct ipc *ipc, void *userdata);

static void want_writable_locked(struct link *link)
{
	if (link->wants_writable)
		return;
	link->wants_writable = ipc_on_writable(link->ipc, writable, link, NULL) == 0;
	if (!link->wants_writable)
		link_break_locked(link, "no memory");
}

/* Retries all exports, because the driver does not report which receiver has space. */
static void retry_all(struct link *link)
{
	size_t n = 0;
	uint64_t *numbers;
	bool waiting = false;

	pthread_mutex_lock(&link->lock);
	numbers = calloc(link->exports.count + 1, sizeof(*numbers));
	for (size_t i = 0; numbers && i < link->exports.n_slots; i++) {
		const struct export *export = link->exports.slots[i].value;

		if (export && export->waiting)
			numbers[n++] = export->number;
	}
	pthread_mutex_unlock(&link->lock);
	for (size_t i = 0; i < n; i++) {
		int r;

		while ((r = retry(link, numbers[i])) == 0)
			;
		waiting |= r == -EAGAIN;
	}
	if (waiting || !numbers) {
		pthread_mutex_lock(&link->lock);
		want_writable_locked(link);
		pthread_mutex_unlock(&link->lock);
	}
	free(numbers);
}

static void writable(struct ipc *ipc, void *userdata)
{
	struct link *link = userdata;

	(void)ipc;
	pthread_mutex_lock(&link->lock);
	link->wants_writable = false;
	pthread_mutex_unlock(&link->lock);
	retry_all(link);
}

void oneway_arrived(struct link *link, struct arrived *arrived)
{
	bool waits = false, first = false;
	struct export *export;

	pthread_mutex_lock(&link->lock);
	export = table_find_locked(link, arrived->frame.target);
	if (!export) {
		link_break_locked(link, "it called an object that it does not hold");
	} else if (export->n_waiting >= ONEWAYS_MAX || export->waiting_bytes >= ONEWAY_BYTES_MAX) {
		link_break_locked(link, "it sends more than it may");
	} else if (link->oneway_bytes >= WAITING_BYTES_MAX) {
		link_break_locked(link, "too many of its oneways wait");
	} else if (export->waiting || pass_oneway(export->proxy, arrived) < 0) {
		first = !export->waiting;
		waits = true;
		*export->last_waiting = arrived;
		export->last_waiting = &arrived->next;
		export->n_waiting++;
		export->waiting_bytes += arrived->frame.data_size;
		link->oneway_bytes += cost_of(arrived);
		want_writable_locked(link);
	} else {
		took_locked(export, arrived->frame.data_size);
	}
	pthread_mutex_unlock(&link->lock);
	if (!waits)
		arrived_free(arrived);
	/* Space may have become free before want_writable_locked(). */
	if (first)
		retry_all(link);
}
