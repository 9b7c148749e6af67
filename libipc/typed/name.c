// SPDX-License-Identifier: MIT
/*
 * The names of a connection: see name.h. Registrations, reports of their events, and the replay.
 *
 * The replay sends one registration at a time. The current manager may not know a registration if
 * the last request of the registration was sent before that manager was reported.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "core/entry.h"
#include "name.h"

#define NAME_MAX_SIZE	127

size_t name_length(const char *text)
{
	return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./-");
}

bool name_pattern_is_valid(const char *pattern)
{
	size_t size = pattern ? name_length(pattern) : 0;

	return pattern && size <= NAME_PATTERN_SIZE - 3 &&
	       !strcmp(pattern + size, size && !pattern[size] ? "" : "*");
}

/* --- Reports ------------------------------------------------------------------------ */

struct event {
	char text[NAME_PATTERN_SIZE];
	enum ipc_registration_event kind;
	int error;
	struct registration *lost;
};

static void call_event_slot(struct ipc_slot *slot, const void *data)
{
	ipc_registration_cb cb = (ipc_registration_cb)((struct callback *)slot)->cb;
	const struct event *event = data;
	int error = event->kind == IPC_REGISTRATION_FAILED ? event->error : 0;

	cb(slot->ipc, event->text, event->kind, error, slot->userdata);
}

/* Takes the next event off a registration, and a registration that has lost its name off the list.
 * Returns false if there is none. The program does not know a pending registration yet. */
static bool take_name_event(struct names *names, struct event *event)
{
	struct registration *i;

	*event = (struct event){ 0 };
	ipc_lock(names->ipc);
	i = names_first_locked(names);
	while (i && (i->pending || (!i->acquired && !i->failure)))
		i = names_next_locked(i);
	if (i) {
		strcpy(event->text, i->text);
		event->kind = IPC_REGISTRATION_ACQUIRED;
	}
	if (i && i->acquired) {
		i->acquired = false;
	} else if (i) {
		event->kind = IPC_REGISTRATION_FAILED;
		event->error = i->failure;
		i->failure = 0;
	}
	if (event->error == -ESTALE) {
		event->kind = IPC_REGISTRATION_LOST;
		slots_remove_locked(&i->slot);
		event->lost = i;
	}
	ipc_unlock(names->ipc);
	return i;
}

/* Reports the events singly, because the callbacks run without the lock. */
void names_report(struct names *names)
{
	struct event event;

	/* A closing connection cancels its calls. */
	while (atomic_load(&names->ipc->refs) && take_name_event(names, &event)) {
		if (event.lost)
			slot_drop(&event.lost->slot);
		if (slots_call(names->ipc, &names->event_slots, call_event_slot, &event))
			continue;
		if (event.error)
			ipc_log(LOG_WARNING, "ipc: %s: %s%s", event.text,
				event.lost ? "" : "cannot register again: ",
				ipc_strerror(event.error));
	}
}

int ipc_on_registration(struct ipc *ipc, ipc_registration_cb cb, void *userdata,
			struct ipc_slot **ret_slot)
{
	struct names *names;
	int r;

	if (!cb)
		return -EINVAL;
	r = names_get(ipc, &names);
	if (r < 0)
		return r;
	return slots_add(ipc, &names->event_slots, (void (*)(void))cb, userdata, ret_slot);
}

/* --- Requests of registrations ---------------------------------------------------------- */

enum task {
	TASK_ADD,		/* the first request */
	TASK_RENEW,
	TASK_REPLAY,		/* the same, of the replay */
	TASK_WITHDRAW,
};

struct registration_call {
	struct name_call base;
	enum task task;
	struct registration *registration;	/* holds its memory */
	struct registration *ends;		/* to be dropped after the report, or NULL */
};

static struct registration_call *registration_call(struct name_call *call)
{
	return (struct registration_call *)call;
}

static int send_request(struct name_call *call)
{
	struct registration *registration = registration_call(call)->registration;

	if (registration_call(call)->task == TASK_WITHDRAW)
		return registration->type->withdraw(registration, call);
	ipc_lock(call->slot.ipc);
	registration->managers = call->managers;
	ipc_unlock(call->slot.ipc);
	return registration->type->send(registration, call);
}

static int registration_take(struct name_call *call, int r, ProtobufCMessage *reply,
			     const struct ipc_error *error)
{
	struct registration *registration = registration_call(call)->registration;

	(void)error;
	if (r < 0 || registration_call(call)->task == TASK_WITHDRAW ||
	    !registration->type->take_locked)
		return r;
	ipc_lock(call->slot.ipc);
	r = registration->type->take_locked(registration, reply);
	ipc_unlock(call->slot.ipc);
	return r;
}

/* Ends the registration whose first request failed, or the older one that it replaced. The program
 * may have ended the slot in the meantime. */
static int settle_added(struct registration_call *call, int r)
{
	struct registration *registration = call->registration;
	const struct registration_type *type = registration->type;

	if (r == -ENOTCONN && type->waits_for_manager)
		r = 0;
	ipc_lock(registration->slot.ipc);
	registration->pending = false;
	if (registration->slot.list && r < 0)
		call->ends = registration;
	else if (registration->slot.list && type->added_locked)
		call->ends = type->added_locked(registration);
	if (call->ends)
		slots_remove_locked(&call->ends->slot);
	ipc_unlock(registration->slot.ipc);
	if (r < 0 && call->ends && type->failed)
		type->failed(registration, r, call->base.blocks);
	return r;
}

/* Stores the result of a renewal that has ended, or could not be sent. */
static void settle_renewed(struct registration *registration, enum task task, int r)
{
	struct names *names = registration->names;
	bool ended;

	ipc_lock(names->ipc);
	/* If there is no manager, the next manager gets all registrations. A loss that the manager
	 * has reported stays to be reported to the program. */
	if (registration->failure != -ESTALE)
		registration->failure = r == -ENOTCONN || r > 0 ? 0 : r;
	if (task == TASK_REPLAY)
		names->replays = false;
	registration->revived = registration->leaves && r >= 0;
	ended = !registration->slot.list && r >= 0;
	ipc_unlock(names->ipc);
	/* The manager may have got this request after the request to withdraw it. */
	if (ended)
		registration_withdraw(registration, /* blocks= */ false);
}

static int settle(struct name_call *base, int r)
{
	struct registration_call *call = registration_call(base);

	switch (call->task) {
	case TASK_ADD:
		return settle_added(call, r);
	case TASK_RENEW:
	case TASK_REPLAY:
		settle_renewed(call->registration, call->task, r);
		break;
	case TASK_WITHDRAW:
		break;
	}
	return r;
}

static void report(struct name_call *base, int r)
{
	struct registration_call *call = registration_call(base);
	struct registration *registration = call->registration;
	struct names *names = base->names;
	ipc_name_done_cb cb = (ipc_name_done_cb)base->cb;
	struct slot_frame frame;

	if (call->task != TASK_ADD) {
		cb(r, base->slot.userdata);
	} else if (slot_enter(&registration->slot, &frame)) {
		cb(r, base->slot.userdata);
		slot_leave(&frame);
	}
	if (call->ends)
		slot_drop(&call->ends->slot);
	names_report(names);
	names_replay(names);
}

static void registration_done(struct name_call *call)
{
	slot_put(&registration_call(call)->registration->slot);
}

static const struct name_call_type registration_call_type = {
	.slot = NAME_CALL_TYPE(struct registration_call),
	.send = send_request,
	.take = registration_take,
	.settle = settle,
	.report = report,
	.done = registration_done,
};

static int new_call(struct registration *registration, enum task task,
		    const struct ipc_options *options, ipc_name_done_cb cb, void *userdata,
		    struct name_call **ret_call)
{
	int r = name_call_new(registration->names, &registration_call_type, options,
			      (void (*)(void))cb, userdata, ret_call);

	if (r < 0)
		return r;
	slot_hold(&registration->slot);
	registration_call(*ret_call)->registration = registration;
	registration_call(*ret_call)->task = task;
	return 0;
}

int registration_add(struct registration *registration, const struct ipc_options *options,
		     ipc_name_done_cb cb, void *userdata, struct ipc_slot **ret_slot)
{
	struct ipc_slot *before = ret_slot ? *ret_slot : NULL;
	struct names *names = registration->names;
	struct name_call *call = NULL;
	bool listed;
	int r;

	r = names_watch_manager(names);
	if (r == 0)
		r = new_call(registration, TASK_ADD, options, cb, userdata, &call);
	if (r < 0) {
		slot_drop(&registration->slot);
		return r;
	}
	registration->pending = true;
	ipc_lock(names->ipc);
	slots_append_locked(&names->list, &registration->slot);
	slot_give(&registration->slot, ret_slot);
	ipc_unlock(names->ipc);
	r = name_call_start(call, /* ret_slot= */ NULL);
	if (r == 0)
		return 0;

	listed = slots_remove(&registration->slot);
	if (ret_slot) {
		ipc_slot_detach(*ret_slot);
		*ret_slot = before;
	}
	if (listed)
		slot_drop(&registration->slot);
	return r;
}

int registration_add_now(struct registration *registration, struct ipc_slot **ret_slot)
{
	struct ipc_slot *before = ret_slot ? *ret_slot : NULL, *slot = NULL;
	struct ipc_slot **place = ret_slot ?: &slot;
	int r, result = 0;

	r = registration_add(registration, &name_blocks, name_store_result, &result, place);
	if (r == 0 && result < 0) {
		/* No callback runs after a failure. */
		ipc_slot_end(*place);
		*place = before;
		r = result;
	}
	ipc_slot_detach(slot);
	return r < 0 ? r : result;
}

static void ignore(int r, void *userdata)
{
	(void)r, (void)userdata;
}

int registration_withdraw(struct registration *registration, bool blocks)
{
	struct name_call *call;
	int r, result = 0;

	r = new_call(registration, TASK_WITHDRAW, blocks ? &name_blocks : &name_detached,
		     blocks ? name_store_result : ignore, &result, &call);
	if (r == 0)
		r = name_call_start(call, /* ret_slot= */ NULL);
	return r < 0 ? r : result;
}

void registration_renew(struct registration *registration)
{
	struct name_call *call;
	int r;

	r = new_call(registration, TASK_RENEW, &name_blocks, ignore, NULL, &call);
	if (r == 0)
		r = name_call_start(call, /* ret_slot= */ NULL);
	if (r == 0)
		return;
	settle_renewed(registration, TASK_RENEW, r);
	names_report(registration->names);
}

/* In a forked child, the registration is the parent's. */
void registration_end(struct ipc_slot *slot, bool waits)
{
	if (slot->ipc->foreign || !slots_remove(slot))
		return;
	registration_withdraw(registration_of(slot), waits);
	slot_drop(slot);
}

/* --- The replay --------------------------------------------------------------------- */

/* Starts a turn of the replay: returns the next registration, with a reference, or NULL. */
static struct registration *begin_replay(struct names *names)
{
	struct registration *i = NULL;

	ipc_lock(names->ipc);
	if (!names->replays && atomic_load(&names->ipc->refs))
		i = names_first_locked(names);
	while (i && (i->pending || i->leaves || i->managers == names->managers))
		i = names_next_locked(i);
	if (i) {
		names->replays = true;
		i->managers = names->managers;
		i->slot.refs++;
	}
	ipc_unlock(names->ipc);
	return i;
}

void names_replay(struct names *names)
{
	struct registration *registration;
	struct name_call *call;
	int r = -1;

	while (r < 0 && (registration = begin_replay(names))) {
		r = new_call(registration, TASK_REPLAY, &name_detached, ignore, NULL, &call);
		if (r == 0)
			r = name_call_start(call, /* ret_slot= */ NULL);
		if (r < 0) {
			settle_renewed(registration, TASK_REPLAY, r);
			names_report(names);
		}
		slot_put(&registration->slot);
	}
}

/* Ends each call that is parked now with r, or sends its request again if r is NAME_AGAIN. */
static void unpark_all(struct names *names, int r)
{
	struct slots calls = TAILQ_HEAD_INITIALIZER(calls);
	struct ipc_slot *slot;

	ipc_lock(names->ipc);
	slots_take_locked(&names->parked, &calls);
	ipc_unlock(names->ipc);
	while ((slot = TAILQ_FIRST(&calls))) {
		TAILQ_REMOVE(&calls, slot, link);
		/* In a forked child, the call is the parent's. */
		if (names->ipc->foreign)
			slot_drop(slot);
		else
			name_call_unpark((struct name_call *)slot, r);
	}
}

static void names_manager_came(struct ipc *ipc)
{
	struct names *names = atomic_load(&ipc->names);

	if (!names)
		return;
	ipc_lock(ipc);
	names->managers++;
	ipc_unlock(ipc);
	unpark_all(names, NAME_AGAIN);
	names_replay(names);
}

static void end_registration_names(struct ipc_slot *slot, const void *event)
{
	struct registration *registration = registration_of(slot);

	(void)event;
	if (registration->type->bus_ended)
		registration->type->bus_ended(registration);
}

static void names_bus_ended(struct ipc *ipc)
{
	struct names *names = atomic_load(&ipc->names);

	if (!names)
		return;
	slots_call(ipc, &names->list, end_registration_names, /* event= */ NULL);
	unpark_all(names, -ECONNRESET);
}

/* IPCBUS_EVENT_MANAGER comes whenever the bus gets a manager, and at once if it has a manager. */
int names_watch_manager(struct names *names)
{
	struct ipcbus_handle watch = { .flags = IPCBUS_WATCH_MANAGER };
	int r;

	if (atomic_exchange(&names->watches_manager, true))
		return 0;
	r = device_request(&names->ipc->device, IPCBUS_IOC_WATCH, &watch);
	if (r < 0)
		atomic_store(&names->watches_manager, false);
	return r;
}

/* The report of the current or next manager starts the replay. If the bus refuses the watch, the
 * program is notified like of a failed replay. */
static void names_bus_came_back(struct ipc *ipc)
{
	struct names *names = atomic_load(&ipc->names);
	bool used;
	int r;

	if (!names)
		return;
	ipc_lock(ipc);
	used = !TAILQ_EMPTY(&names->list) || !TAILQ_EMPTY(&names->parked);
	ipc_unlock(ipc);
	atomic_store(&names->watches_manager, false);
	r = used ? names_watch_manager(names) : 0;
	ipc_lock(ipc);
	for (struct registration *i = names_first_locked(names); i; i = names_next_locked(i))
		i->failure = r == -ECONNRESET ? 0 : r;
	ipc_unlock(ipc);
	names_report(names);
}

/* --- The names of a connection ------------------------------------------------------ */

static void names_close(struct ipc *ipc)
{
	struct names *names = ipc->names;

	if (!names)
		return;
	unpark_all(names, -ECANCELED);
	slots_close(&names->list);
	ipc_object_unref(names->registrant);
	slots_close(&names->event_slots);
	free(names);
}

int names_get(struct ipc *ipc, struct names **ret_names)
{
	struct names *names, *other = NULL;
	int r = ipc_check(ipc);

	if (r < 0)
		return r;
	/* While the bus is away, the call of the manager fails. */
	thread_reconnect(ipc);
	*ret_names = atomic_load(&ipc->names);
	if (likely(*ret_names))
		return 0;

	names = calloc(1, sizeof(*names));
	if (!names)
		return -ENOMEM;
	names->ipc = ipc;
	proxy_init_manager(&names->manager, ipc);
	TAILQ_INIT(&names->list);
	TAILQ_INIT(&names->parked);
	TAILQ_INIT(&names->event_slots);
	*ret_names = names;

	/* Another thread may have set it in the meantime. */
	if (!atomic_compare_exchange_strong(&ipc->names, &other, names)) {
		*ret_names = other;
		free(names);
	}
	return 0;
}

int names_get_for(struct ipc *ipc, const char *name, struct names **ret_names)
{
	size_t size = name ? name_length(name) : 0;

	if (!size || size > NAME_MAX_SIZE || name[size])
		return -EINVAL;
	return names_get(ipc, ret_names);
}

const struct names_ops names_ops = {
	.manager_came = names_manager_came,
	.bus_ended = names_bus_ended,
	.bus_came_back = names_bus_came_back,
	.close = names_close,
	.get = ipc_proxy_get,
};
