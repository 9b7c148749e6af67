// SPDX-License-Identifier: MIT
/* The server's side of direct channels: references, and the end. See channel-served.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "channel-served.h"
#include "core/call.h"
#include "base/deadline.h"
#include "core/dispatch.h"
#include "core/proxy.h"

/* --- Life --------------------------------------------------------------------------- */

/* Removes a channel without references from the list, but not in a forked child, where another
 * thread may have the lock for ever. */
static void forget_removed(struct served *served)
{
	struct channels *channels = served->channels;
	struct served **place;

	if (!channels || served->owner != device_process())
		return;
	pthread_mutex_lock(&channels->lock);
	for (place = &channels->removed; served->removed; place = &(*place)->next_removed) {
		if (*place != served)
			continue;
		*place = served->next_removed;
		break;
	}
	pthread_mutex_unlock(&channels->lock);
}

void served_unref(struct served *served)
{
	if (!refs_drop(&served->refs))
		return;
	forget_removed(served);
	for (unsigned int i = 0; i < CHANNEL_CELLS; i++)
		free(served->cells[i].later_data);
	if (served->owner == device_process()) {
		channel_memory_unmap(served->callee.own, CHANNEL_PART_SIZE);
		channel_memory_unmap(served->callee.peer, CHANNEL_PART_SIZE);
		channel_memory_unmap(served->callee.own_huge, CHANNEL_HUGE_MAX);
		channel_memory_unmap(served->callee.peer_huge, CHANNEL_HUGE_MAX);
	}
	if (served->pidfd >= 0)
		close(served->pidfd);
	if (served->bell >= 0)
		close(served->bell);
	/* The client has a copy, so the bell must be removed, unless the connection closes. */
	if (served->own_bell >= 0 && served->channels && served->owner == device_process())
		backlog_remove_bell(served->channels->ipc, served->own_bell);
	if (served->own_bell >= 0)
		close(served->own_bell);
	ipc_proxy_unref(served->life);
	ipc_object_unref(served->object);
	free(served);
}

void reply_by_bus(struct thread *t, uint64_t call)
{
	struct ipcbus_exchange x = { .send = { .kind = IPCBUS_SEND_REPLY, .call = call } };

	thread_exchange_bus(t, &x);
}

void served_end(struct served *served)
{
	struct channels *channels = served->channels;
	bool before;

	pthread_mutex_lock(&channels->lock);
	before = atomic_exchange(&served->ended, true);
	if (!before) {
		atomic_fetch_sub(&channels->n, 1);
		channel_end(&served->callee);
	}
	pthread_mutex_unlock(&channels->lock);
	if (before)
		return;
	channels_wake(channels);
	served_notify(served);
	served_finish(served);
}

void served_notify(struct served *served)
{
	struct ipcbus_exchange x = {
		.send = {
			.kind = IPCBUS_SEND_ONEWAY,
			.handle = served->life->handle,
			.code = LIFE_BELL,
		},
	};
	int bell = atomic_load(&served->bell);
	struct thread *t;

	if (!channel_notify(&served->callee))
		return;
	if (bell >= 0 && channel_ring(bell))
		return;
	/* If the client's region is full, the client finds the reply after its events. */
	if (thread_get(served->channels->ipc, &t) == 0)
		thread_exchange_bus(t, &x);
}

void served_remove(struct served *served)
{
	struct ipc_object *object = NULL;
	struct channels *channels = served->channels;
	struct served **place = &channels->table[served->id % CHANNEL_MAX_WAIT];
	bool was_there, held = false;

	served_end(served);
	pthread_mutex_lock(&channels->lock);
	was_there = *place == served;
	if (was_there) {
		/* A thread that replies clears the bit first, then looks. */
		atomic_store(&served->held, true);
		held = atomic_load(&served->open);
		atomic_store(&served->held, held);
		*place = NULL;
		object = served->object;
		served->object = NULL;
		served->removed = true;
		served->next_removed = channels->removed;
		channels->removed = served;
	}
	pthread_mutex_unlock(&channels->lock);
	if (was_there && !held)
		served_unref(served);
	/* Not in served_unref(): threads may keep the channel for longer. */
	ipc_object_unref(object);
}

void served_let_go(struct served *served, unsigned int cell)
{
	bool last;

	atomic_fetch_and(&served->open, ~(1U << cell));
	pthread_mutex_lock(&served->channels->lock);
	last = atomic_load(&served->held) && !atomic_load(&served->open);
	if (last)
		atomic_store(&served->held, false);
	pthread_mutex_unlock(&served->channels->lock);
	if (last)
		served_unref(served);
}

struct served *served_removed_locked(const struct channels *channels, uint32_t id)
{
	struct served *served = channels->removed;

	while (served && served->id != id)
		served = served->next_removed;
	return served;
}

static struct served *find_locked(struct channels *channels, uint32_t id)
{
	struct served *served = channels->table[id % CHANNEL_MAX_WAIT];

	if (likely(served && served->id == id))
		return served;
	served = served_removed_locked(channels, id);
	return served && atomic_load(&served->held) ? served : NULL;
}

struct served *served_find(struct channels *channels, uint32_t id)
{
	struct served *served;

	pthread_mutex_lock(&channels->lock);
	served = find_locked(channels, id);
	if (served)
		refs_take(&served->refs);
	pthread_mutex_unlock(&channels->lock);
	return served;
}

/* --- About a call ---------------------------------------------------------------------- */

int channel_call_canceled(struct ipc *ipc, uint64_t call)
{
	struct channels *channels = ipc->channels;
	struct served *served;
	unsigned int cell = CELL_OF(call);
	int r;

	/* Without a reference, which may be the last: the caller may hold ipc->lock. */
	pthread_mutex_lock(&channels->lock);
	served = find_locked(channels, ID_OF(call));
	if (!served || atomic_load(&served->held))
		r = 1;
	else if (atomic_load(&served->callee.seen[cell]) != NUMBER_OF(call) ||
		 !(atomic_load(&served->open) & 1U << cell))
		r = -ESRCH;
	else
		r = channel_is_canceled(&served->callee, cell, NUMBER_OF(call)) ||
		    atomic_load(&served->canceled[cell]) == NUMBER_OF(call);
	pthread_mutex_unlock(&channels->lock);
	return r;
}

int channel_call_pidfd(struct ipc *ipc, uint64_t call)
{
	struct served *served = served_find(ipc->channels, ID_OF(call));
	int fd;

	if (!served)
		return -ESRCH;
	/* Other errors do not say that the process is gone. */
	if (syscall(SYS_pidfd_send_signal, served->pidfd, 0, NULL, 0) < 0 && errno == ESRCH)
		fd = -ESRCH;
	else if ((fd = fcntl(served->pidfd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)) < 0)
		fd = -errno;
	served_unref(served);
	return fd;
}

/* --- The end ------------------------------------------------------------------------ */

struct served *served_at(struct channels *channels, unsigned int index)
{
	struct served *served;

	pthread_mutex_lock(&channels->lock);
	served = channels->table[index];
	if (served)
		refs_take(&served->refs);
	pthread_mutex_unlock(&channels->lock);
	return served;
}

static void client_died(struct served *served)
{
	unsigned int open;
	uint32_t last_fence;
	bool before;

	if (atomic_load(&served->dying))
		return;
	last_fence = served_last_fence(served);
	pthread_mutex_lock(&served->channels->lock);
	before = atomic_load(&served->dying);
	if (!before) {
		served->died_at = time_now();
		served->last_fence = last_fence;
	}
	/* Includes oneways that the client sent after the end of the channel, without a drain. */
	if (!before && atomic_load(&served->ended))
		channel_close_ring(&served->callee);
	atomic_store(&served->dying, true);
	pthread_mutex_unlock(&served->channels->lock);
	if (before)
		return;
	served_end(served);
	/* If the channel had ended before, served_end() did nothing. */
	served_finish(served);
	open = atomic_load(&served->open);
	for (; open; open &= open - 1) {
		unsigned int cell = (unsigned int)__builtin_ctz(open);

		call_canceled(served->channels->ipc,
			      CALL_OF(served->id, cell, atomic_load(&served->callee.seen[cell])));
	}
}

void channels_client_died(struct ipc *ipc, const struct ipc_proxy *life)
{
	struct channels *channels = atomic_load(&ipc->channels);

	for (unsigned int i = 0; channels && i < CHANNEL_MAX_WAIT; i++) {
		struct served *served = served_at(channels, i);

		if (!served)
			continue;
		if (served->life == life)
			client_died(served);
		served_unref(served);
	}
}

void channels_reap(struct channels *channels)
{
	for (unsigned int i = 0; i < CHANNEL_MAX_WAIT; i++) {
		struct served *served = served_at(channels, i);
		struct pollfd fd = { .events = POLLIN };

		if (!served)
			continue;
		fd.fd = served->pidfd;
		if (atomic_load(&served->dying))
			served_remove_stale(served);
		else if (poll(&fd, 1, 0) > 0)
			client_died(served);
		served_unref(served);
	}
}

bool channels_have_open(struct channels *channels)
{
	bool any = false;

	pthread_mutex_lock(&channels->lock);
	for (unsigned int i = 0; i < CHANNEL_MAX_WAIT && !any; i++)
		any = channels->table[i] && atomic_load(&channels->table[i]->open);
	pthread_mutex_unlock(&channels->lock);
	return any;
}

bool channels_have_work(struct ipc_object *object)
{
	struct channels *channels = atomic_load(&object->ipc->channels);
	bool any = atomic_load(&object->turn.state);

	if (!channels)
		return any;
	pthread_mutex_lock(&channels->lock);
	for (unsigned int i = 0; i < CHANNEL_MAX_WAIT && !any; i++) {
		struct served *served = channels->table[i];

		any = served && served->cookie == object->wants.cookie &&
		      (atomic_load(&served->open) ||
		       channel_sent(&served->callee) != atomic_load(&served->callee.drained));
	}
	pthread_mutex_unlock(&channels->lock);
	/* A thread may have taken the last oneway in the meantime. */
	return any || atomic_load(&object->turn.state);
}

/* Ends the channels of the object with that cookie, or all channels if it is 0. */
static void end_channels(struct ipc *ipc, uint64_t object)
{
	struct channels *channels = atomic_load(&ipc->channels);

	for (unsigned int i = 0; channels && i < CHANNEL_MAX_WAIT; i++) {
		struct served *served = served_at(channels, i);

		if (!served)
			continue;
		if (!object || served->cookie == object)
			served_end(served);
		served_unref(served);
	}
}

bool channels_serve(struct ipc *ipc)
{
	struct channels *channels = atomic_load(&ipc->channels);

	return channels && atomic_load(&channels->n);
}

unsigned int channels_viewed(const struct thread *t)
{
	return t->channels ? t->channels->n : 0;
}

void channels_end(struct ipc *ipc)
{
	end_channels(ipc, 0);
}

void channels_end_object(struct ipc *ipc, uint64_t cookie)
{
	end_channels(ipc, cookie);
}

void channels_lose_device(struct ipc *ipc)
{
	static atomic_uint no_bell;
	struct channels *channels = atomic_load(&ipc->channels);

	ipc->may_route = false;
	if (channels)
		channels->words = (struct device_words){ .bell = &no_bell };
}

void channels_close(struct ipc *ipc)
{
	struct channels *channels = atomic_load(&ipc->channels);

	if (!channels || ipc->foreign)
		return;
	/* Events that are dropped later may have the last references. */
	for (struct served *served = channels->removed, *next; served; served = next) {
		next = served->next_removed;
		served->channels = NULL;
		if (atomic_load(&served->held))
			served_unref(served);
	}
	for (unsigned int i = 0; i < CHANNEL_MAX_WAIT; i++) {
		struct served *served = channels->table[i];

		if (!served)
			continue;
		served->channels = NULL;
		served_unref(served);
	}
	channels_unlist_all(channels);
	timer_forget(ipc, &channels->late);
	channels_free(channels);
	ipc->channels = NULL;
}
