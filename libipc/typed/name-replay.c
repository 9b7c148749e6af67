// SPDX-License-Identifier: MIT
/*
 * Replaying the registrations of a connection: at a new manager (dispatch.c), and if a
 * watch missed a change (name-watch.c) or an idle exit failed (name-idle.c). Each
 * registration that is *due* is sent.
 *
 * If that fails for lack of a resource, the registration stays due and is sent later. If it
 * fails in another way, or too often, the program is notified. In any case the next manager
 * gets all registrations.
 *
 * The clock is an async Wait() call for a name that nobody registers. The driver ends it
 * after its time limit, whatever loop the program has. If it ends in another way, there is
 * no clock, and the present try is the last.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "name.h"

#define NEVER_NAME	"ipc.never"
#define RETRY_USEC	100000ULL
#define RETRY_MAX_USEC	10000000ULL
#define TRIES_MAX	10

static bool may_pass(int r)
{
	return r == -ENOMEM || r == -EAGAIN || r == -EDQUOT || r == -ENOSPC || r == -ETIMEDOUT ||
	       r == -EHOSTDOWN;
}

/* Without a manager the next one gets all. */
bool registration_sent_locked(struct registration *registration, int r, bool last)
{
	registration->due = may_pass(r) && !last;
	registration->failure = registration->due || r == -ENOTCONN ? 0 : r;
	return registration->due;
}

/* True: something is due later. */
static bool send_due_locked(struct names *names)
{
	bool last = ++names->tries > TRIES_MAX, later = false;

	for (struct registration *i = names->list; i; i = i->next)
		if (i->due)
			later |= registration_sent_locked(i, i->type->send(names, i), last);
	if (!later)
		names->tries = 0;
	return later;
}

/* --- The clock ------------------------------------------------------------------- */

static void try_again(struct names *names);

static void on_clock(int r, Ipc__Manager__WaitReply *reply, const struct ipc_error *error,
		     void *userdata)
{
	struct names *names = userdata;

	(void)reply, (void)error;
	/* The manager died, or the connection is closed. */
	if (r == -EOWNERDEAD || !atomic_load(&names->ipc->refs))
		return;
	/* In a handler the clock is canceled with the call that is served there. */
	if (r != -ETIMEDOUT && r != -ECANCELED) {
		pthread_mutex_lock(&names->lock);
		names->tries = TRIES_MAX;
		pthread_mutex_unlock(&names->lock);
	}
	try_again(names);
}

static int start_clock_locked(struct names *names)
{
	Ipc__Manager__WaitRequest request = IPC__MANAGER__WAIT_REQUEST__INIT;
	uint64_t usec = RETRY_USEC << names->tries;
	struct ipc_options options = {
		.timeout_usec = usec < RETRY_MAX_USEC ? usec : RETRY_MAX_USEC,
	};

	request.name = (char *)NEVER_NAME;
	return service_manager_wait_async(names_manager(names), &options, &request, on_clock,
					  names, /* ret_slot= */ NULL);
}

/* --- Failures ---------------------------------------------------------------------- */

struct failure_slot {
	struct ipc_slot base;
	ipc_replay_failure_cb cb;
};

static void slot_end(struct ipc_slot *slot)
{
	struct names *names = (struct names *)atomic_load(&slot->ipc->upper);
	bool listed;

	ipc_lock(slot->ipc);
	listed = slots_remove_locked(&names->failure_slots, slot);
	ipc_unlock(slot->ipc);
	if (listed)
		slot_drop(slot);
}

static const struct slot_type failure_slot_type = {
	.size = sizeof(struct failure_slot), .end = slot_end,
};

static void call_back(struct names *names, const char *text, int r)
{
	struct slot_frame frame;
	struct ipc_slot *slot;
	uint64_t id = 0, last;

	ipc_lock(names->ipc);
	/* One that is added by a callback gets the next failure. */
	last = names->ipc->last_cookie;
	while ((slot = slots_next_locked(names->failure_slots, id)) && slot->id <= last) {
		id = slot->id;
		slot_enter_locked(slot, &frame);
		ipc_unlock(names->ipc);
		((struct failure_slot *)slot)->cb(names->ipc, text, r, slot->userdata);
		slot_leave(&frame);
		ipc_lock(names->ipc);
	}
	ipc_unlock(names->ipc);
}

/* One failure after the other, because the callback runs without the lock. */
static void report(struct names *names)
{
	char text[NAME_PATTERN_SIZE];
	int r;

	do {
		r = 0;
		pthread_mutex_lock(&names->lock);
		for (struct registration *i = names->list; i && r == 0; i = i->next) {
			r = i->failure;
			i->failure = 0;
			strcpy(text, i->text);
		}
		pthread_mutex_unlock(&names->lock);
		if (r < 0)
			call_back(names, text, r);
	} while (r < 0);
}

int ipc_on_replay_failure(struct ipc *ipc, ipc_replay_failure_cb cb, void *userdata,
			  struct ipc_slot **ret_slot)
{
	struct ipc_slot *slot;
	struct names *names;
	int r;

	if (!cb)
		return -EINVAL;
	r = names_get(ipc, &names);
	if (r < 0)
		return r;
	r = slot_new(ipc, &failure_slot_type, userdata, &slot);
	if (r < 0)
		return r;
	((struct failure_slot *)slot)->cb = cb;
	ipc_lock(ipc);
	slots_append_locked(&names->failure_slots, slot);
	slot_give(slot, ret_slot);
	ipc_unlock(ipc);
	return 0;
}

/* --- Replaying ------------------------------------------------------------------------- */

/* Without a clock it is the last try. */
static void try_again(struct names *names)
{
	pthread_mutex_lock(&names->lock);
	while (send_due_locked(names) && start_clock_locked(names) < 0)
		names->tries = TRIES_MAX;
	pthread_mutex_unlock(&names->lock);
	report(names);
}

void names_replay(struct names *names)
{
	pthread_mutex_lock(&names->lock);
	names->tries = 0;
	for (struct registration *i = names->list; i; i = i->next)
		i->due = true;
	pthread_mutex_unlock(&names->lock);
	try_again(names);
}

void names_later(struct names *names)
{
	bool due = false;
	int r = 0;

	pthread_mutex_lock(&names->lock);
	for (struct registration *i = names->list; i; i = i->next)
		due |= i->due;
	if (due)
		r = start_clock_locked(names);
	if (r < 0)
		names->tries = TRIES_MAX;
	pthread_mutex_unlock(&names->lock);
	if (r < 0)
		try_again(names);
	else
		report(names);
}
