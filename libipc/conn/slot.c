// SPDX-License-Identifier: MIT
/*
 * Slots: see slot.h. Programs end them; the files of the registrations make them and run
 * their callbacks.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

/* The callbacks that run on this thread, innermost first. */
static __thread struct slot_frame *frames;

int slot_new(struct ipc *ipc, const struct slot_type *type, void *userdata,
	     struct ipc_slot **ret_slot)
{
	struct ipc_slot *slot;

	if (!atomic_load_explicit(&ipc->refs, memory_order_relaxed))
		return -ECANCELED;
	/* Not calloc(), which goes past the C library's cache of the thread. */
	slot = malloc(type->size);
	if (!slot)
		return -ENOMEM;
	*slot = (struct ipc_slot){ .ipc = ipc, .type = type, .userdata = userdata, .refs = 1 };
	memset(slot + 1, 0, type->size - sizeof(*slot));
	*ret_slot = slot;
	return 0;
}

void slot_give(struct ipc_slot *slot, struct ipc_slot **ret_slot)
{
	if (!ret_slot)
		return;
	slot->refs++;
	ipc_ref(slot->ipc);
	*ret_slot = slot;
}

static void slot_free(struct ipc_slot *slot)
{
	if (slot->type->free)
		slot->type->free(slot);
	else
		free(slot);
}

void slot_abandon(struct ipc_slot *slot, bool given)
{
	struct ipc *ipc = slot->ipc;

	if (slot->type->release)
		slot->type->release(slot);
	slot_free(slot);
	if (given)
		ipc_unref(ipc);
}

/* Drops the lock, and a reference. */
static void put_and_unlock(struct ipc_slot *slot)
{
	bool last = !--slot->refs;

	ipc_unlock(slot->ipc);
	if (last)
		slot_free(slot);
}

void slot_hold(struct ipc_slot *slot)
{
	ipc_lock(slot->ipc);
	slot->refs++;
	ipc_unlock(slot->ipc);
}

void slot_put(struct ipc_slot *slot)
{
	ipc_lock(slot->ipc);
	put_and_unlock(slot);
}

/* If the slot has ended and no callback of it runs, releases it and runs destroy. The caller has a
 * reference. Drops the lock in between. */
static void finish_locked(struct ipc_slot *slot)
{
	struct slot_frame frame = { .slot = slot, .outer = frames };
	struct ipc *ipc = slot->ipc;
	void (*destroy)(void *userdata);

	if (!slot->ended || slot->running || slot->finishing)
		return;
	slot->finishing = true;
	ipc_unlock(ipc);
	if (slot->type->release)
		slot->type->release(slot);
	ipc_lock(ipc);
	while ((destroy = slot->destroy)) {
		slot->destroy = NULL;
		ipc_unlock(ipc);
		frames = &frame;
		destroy(slot->userdata);
		frames = frame.outer;
		ipc_lock(ipc);
	}
	slot->finished = true;
	pthread_cond_broadcast(&ipc->slot_left);
}

void slot_drop(struct ipc_slot *slot)
{
	ipc_lock(slot->ipc);
	slot->ended = true;
	finish_locked(slot);
	put_and_unlock(slot);
}

bool slot_enter_locked(struct ipc_slot *slot, struct slot_frame *frame)
{
	if (slot->ended)
		return false;
	slot->running++;
	slot->refs++;
	*frame = (struct slot_frame){ .slot = slot, .outer = frames };
	frames = frame;
	return true;
}

bool slot_enter(struct ipc_slot *slot, struct slot_frame *frame)
{
	bool entered;

	ipc_lock(slot->ipc);
	entered = slot_enter_locked(slot, frame);
	ipc_unlock(slot->ipc);
	return entered;
}

void slot_leave(struct slot_frame *frame)
{
	struct ipc_slot *slot = frame->slot;

	frames = frame->outer;
	ipc_lock(slot->ipc);
	slot->running--;
	if (slot->ended)
		pthread_cond_broadcast(&slot->ipc->slot_left);
	finish_locked(slot);
	put_and_unlock(slot);
}

/* How many callbacks of this slot run on this thread, its destroy included. */
static unsigned int own_frames(const struct ipc_slot *slot)
{
	unsigned int n = 0;

	for (const struct slot_frame *frame = frames; frame; frame = frame->outer)
		n += frame->slot == slot;
	return n;
}

/* Waits until the slot is finished. In a callback of the slot, waits for the other threads only. In
 * a forked child there are none. */
static void wait_locked(struct ipc_slot *slot)
{
	unsigned int own = own_frames(slot);

	if (slot->ipc->foreign) {
		slot->running = own;
		return;
	}
	while (own ? slot->running > own : !slot->finished)
		pthread_cond_wait(&slot->ipc->slot_left, &slot->ipc->lock);
}

static void slot_end(struct ipc_slot *slot, bool waits)
{
	struct ipc *ipc = slot->ipc;

	ipc_lock(ipc);
	if (!slot->ended) {
		slot->ended = true;
		/* Nobody finishes it below the type's feet. */
		slot->running++;
		ipc_unlock(ipc);
		if (slot->type->end)
			slot->type->end(slot, waits);
		else if (slots_remove(slot))
			slot_drop(slot);
		ipc_lock(ipc);
		slot->running--;
	}
	if (ipc->foreign)
		wait_locked(slot);
	finish_locked(slot);
	if (waits && !ipc->foreign)
		wait_locked(slot);
	put_and_unlock(slot);
	ipc_unref(ipc);
}

struct ipc_slot *ipc_slot_end(struct ipc_slot *slot)
{
	if (slot)
		slot_end(slot, /* waits= */ true);
	return NULL;
}

struct ipc_slot *ipc_slot_end_async(struct ipc_slot *slot)
{
	if (slot)
		slot_end(slot, /* waits= */ false);
	return NULL;
}

struct ipc_slot *ipc_slot_detach(struct ipc_slot *slot)
{
	struct ipc *ipc;

	if (!slot)
		return NULL;
	ipc = slot->ipc;
	ipc_lock(ipc);
	put_and_unlock(slot);
	ipc_unref(ipc);
	return NULL;
}

void ipc_slot_set_destroy(struct ipc_slot *slot, void (*destroy)(void *userdata))
{
	bool finished;

	if (!slot)
		return;
	ipc_lock(slot->ipc);
	finished = slot->finished;
	if (!finished)
		slot->destroy = destroy;
	ipc_unlock(slot->ipc);
	if (finished && destroy)
		destroy(slot->userdata);
}

void slots_append_locked(struct slots *list, struct ipc_slot *slot)
{
	slot->id = ipc_next_cookie_locked(slot->ipc);
	slot->list = list;
	TAILQ_INSERT_TAIL(list, slot, link);
}

bool slots_remove_locked(struct ipc_slot *slot)
{
	if (!slot->list)
		return false;
	TAILQ_REMOVE(slot->list, slot, link);
	slot->list = NULL;
	return true;
}

bool slots_remove(struct ipc_slot *slot)
{
	bool listed;

	ipc_lock(slot->ipc);
	listed = slots_remove_locked(slot);
	ipc_unlock(slot->ipc);
	return listed;
}

void slots_take_locked(struct slots *list, struct slots *to)
{
	struct ipc_slot *slot;

	TAILQ_FOREACH(slot, list, link)
		slot->list = NULL;
	TAILQ_CONCAT(to, list, link);
}

/* Returns the first slot with a higher id that has not ended, or NULL. */
static struct ipc_slot *slot_next_locked(const struct slots *list, uint64_t id)
{
	struct ipc_slot *slot = TAILQ_FIRST(list);

	while (slot && (slot->id <= id || slot->ended))
		slot = TAILQ_NEXT(slot, link);
	return slot;
}

bool slots_call(struct ipc *ipc, struct slots *list,
		void (*call)(struct ipc_slot *slot, const void *event), const void *event)
{
	struct slot_frame frame;
	struct ipc_slot *slot;
	uint64_t id = 0, last;

	ipc_lock(ipc);
	last = ipc->last_cookie;
	while ((slot = slot_next_locked(list, id)) && slot->id <= last) {
		id = slot->id;
		slot_enter_locked(slot, &frame);
		ipc_unlock(ipc);
		call(slot, event);
		slot_leave(&frame);
		ipc_lock(ipc);
	}
	ipc_unlock(ipc);
	return id;
}

int callback_new(struct ipc *ipc, void (*cb)(void), void *userdata, struct ipc_slot **ret_slot)
{
	static const struct slot_type type = { .size = sizeof(struct callback) };
	int r = slot_new(ipc, &type, userdata, ret_slot);

	if (r == 0)
		((struct callback *)*ret_slot)->cb = cb;
	return r;
}

int slots_add(struct ipc *ipc, struct slots *list, void (*cb)(void), void *userdata,
	      struct ipc_slot **ret_slot)
{
	struct ipc_slot *slot;
	int r;

	r = callback_new(ipc, cb, userdata, &slot);
	if (r < 0)
		return r;
	ipc_lock(ipc);
	slots_append_locked(list, slot);
	slot_give(slot, ret_slot);
	ipc_unlock(ipc);
	return 0;
}

void slots_close(struct slots *list)
{
	struct ipc_slot *slot;

	while ((slot = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, slot, link);
		slot_drop(slot);
	}
}
