// SPDX-License-Identifier: MIT
/*
 * Registering names. See name.h.
 *
 * The manager identifies a registration by the connection's Registrant, which it notifies of names
 * that are gained and lost, and by a cookie. Each registration keeps the number that the manager
 * gave it. The replay sends the number, so that the last of several owners gets the name.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "name.h"

static const struct registration_type name_type;

/* Keeps an object alive while it has a name. */
struct name {
	struct registration base;
	struct ipc_object *object;
	unsigned int flags;	/* enum ipc_register_flags */
	uint64_t cookie;
	/* Under ipc->lock. */
	uint64_t number;	/* from the manager; 0: it does not have the name yet */
	bool queued;
	bool gained;		/* the manager reported it since the last request was sent */
};

static struct name *name_of(struct registration *registration)
{
	return (struct name *)registration;
}

/* --- Gaining and losing names ------------------------------------------------------ */

static struct name *find_cookie_locked(struct names *names, uint64_t cookie)
{
	struct registration *i = names_first_locked(names);

	while (i && (i->type != &name_type || name_of(i)->cookie != cookie))
		i = names_next_locked(i);
	return name_of(i);
}

/* The caller is a manager, because no other process has a handle of this object. */
static int handle_registrant_changed(struct ipc_call *call,
				     const Ipc__Manager__RegistrationChange *change, void *userdata)
{
	struct names *names = userdata;
	bool lost = false;
	struct name *name;

	(void)call;
	ipc_lock(names->ipc);
	name = find_cookie_locked(names, change->cookie);
	if (name && change->number) {
		name->base.acquired |= name->queued;
		name->queued = false;
		name->gained = true;
		name->number = change->number;
	} else if (name) {
		lost = true;
		name->base.failure = -ESTALE;
		name->base.slot.refs++;
	}
	ipc_unlock(names->ipc);
	/* The name may have been registered at a new manager since. */
	if (lost) {
		registration_withdraw(&name->base, /* blocks= */ false);
		slot_put(&name->base.slot);
	}
	names_report(names);
	return 0;
}

static const struct registrant_ops ops = { .changed = handle_registrant_changed };

/* Makes the connection's Registrant, if it has none. Another thread may do it at the same time. */
static int registrant_id(struct names *names, uint64_t *ret_id)
{
	struct ipc_object *object;
	int r = 0;

	ipc_lock(names->ipc);
	object = names->registrant;
	ipc_unlock(names->ipc);
	if (!object) {
		r = registrant_object_new(names->ipc, &ops, names, /* destroy= */ NULL, &object);
		if (r < 0)
			return r;
		ipc_lock(names->ipc);
		if (!names->registrant) {
			names->registrant = object;
			object = NULL;
		}
		ipc_unlock(names->ipc);
		ipc_object_unref(object);
		object = names->registrant;
	}
	return ipc_object_id(object, ret_id);
}

/* --- Registering -------------------------------------------------------------------- */

static int name_send(struct registration *registration, struct name_call *call)
{
	Ipc__Manager__RegisterNameRequest request = IPC__MANAGER__REGISTER_NAME_REQUEST__INIT;
	Ipc__Object id = IPC__OBJECT__INIT, registrant = IPC__OBJECT__INIT;
	struct name *name = name_of(registration);
	int r;

	r = registrant_id(registration->names, &registrant.id);
	if (r == 0)
		r = ipc_object_id(name->object, &id.id);
	if (r < 0)
		return r;
	request.name = registration->text;
	request.object = &id;
	request.interface = (char *)(name->object->interface ?: "");
	request.replace = name->flags & IPC_NAME_REPLACE;
	request.queue = name->flags & IPC_NAME_QUEUE;
	request.idle_exit = name->flags & IPC_NAME_IDLE_EXIT;
	request.registrant = &registrant;
	request.cookie = name->cookie;
	ipc_lock(registration->slot.ipc);
	request.number = name->number;
	name->gained = false;
	ipc_unlock(registration->slot.ipc);
	return name_call_request(call, "RegisterName", &request.base);
}

static int name_withdraw(struct registration *registration, struct name_call *call)
{
	Ipc__Manager__UnregisterNameRequest request = IPC__MANAGER__UNREGISTER_NAME_REQUEST__INIT;
	Ipc__Object id = IPC__OBJECT__INIT;
	int r;

	r = registrant_id(registration->names, &id.id);
	if (r < 0)
		return r;
	request.name = registration->text;
	request.registrant = &id;
	request.cookie = name_of(registration)->cookie;
	return name_call_request(call, "UnregisterName", &request.base);
}

/* Takes the manager's reply, unless a later report of the manager was served before it. Returns 1
 * if the name waits in the queue. */
static int name_take_locked(struct registration *registration, const ProtobufCMessage *message)
{
	uint64_t number = ((const Ipc__Manager__RegisterNameReply *)message)->number;
	struct name *name = name_of(registration);

	if (name->gained)
		return 0;
	name->base.acquired |= name->queued && number;
	name->queued = name->flags & IPC_NAME_QUEUE && !number;
	name->number = number;
	return name->queued;
}

/* Returns the newest registration of the name, besides one, that is not pending; or NULL. */
static struct name *name_find_locked(struct names *names, const char *text,
				     const struct name *besides)
{
	struct name *found = NULL, *name;

	for (struct registration *i = names_first_locked(names); i; i = names_next_locked(i)) {
		name = name_of(i);
		if (i->type == &name_type && !i->pending && !i->leaves && name != besides &&
		    !strcmp(i->text, text) && (!found || name->cookie > found->cookie))
			found = name;
	}
	return found;
}

/* Returns the older of two registrations of the name, which ends: the manager has replaced it, or
 * it was of the same object. Replies to two requests may be taken in the other order. */
static struct registration *added_locked(struct registration *registration)
{
	struct name *name = name_of(registration), *old;

	old = name->queued ? NULL : name_find_locked(registration->names, registration->text, name);
	if (!old)
		return NULL;
	return old->number > name->number ? registration : &old->base;
}

/* Unregisters a name that the manager may have registered although its reply did not arrive. If
 * this connection has the name already, the manager gave the new cookie to that registration, which
 * must stay. */
static void name_failed(struct registration *registration, int r, bool blocks)
{
	bool has_name;

	if (r != -ENOMEM && r != -ENOSPC && r != -EINTR)
		return;
	ipc_lock(registration->slot.ipc);
	has_name = name_find_locked(registration->names, registration->text, NULL);
	ipc_unlock(registration->slot.ipc);
	if (!has_name)
		registration_withdraw(registration, blocks);
}

static const struct registration_type name_type = {
	.send = name_send,
	.withdraw = name_withdraw,
	.take_locked = name_take_locked,
	.added_locked = added_locked,
	.failed = name_failed,
};

static void slot_release(struct ipc_slot *slot)
{
	ipc_object_unref(name_of(registration_of(slot))->object);
}

static const struct slot_type name_slot_type = {
	.size = sizeof(struct name), .end = registration_end, .release = slot_release,
};

static int name_new(struct ipc *ipc, const char *text, struct ipc_object *object,
		    unsigned int flags, void *userdata, struct name **ret_name)
{
	struct names *names;
	struct ipc_slot *slot;
	struct name *name;
	int r;

	if (!object || object->ipc != ipc ||
	    flags & ~(IPC_NAME_REPLACE | IPC_NAME_QUEUE | IPC_NAME_IDLE_EXIT) ||
	    (flags & IPC_NAME_REPLACE && flags & IPC_NAME_QUEUE))
		return -EINVAL;
	r = names_get_for(ipc, text, &names);
	if (r == 0)
		r = slot_new(ipc, &name_slot_type, userdata, &slot);
	if (r < 0)
		return r;
	name = (struct name *)slot;
	name->base.type = &name_type;
	strcpy(name->base.text, text);
	name->base.names = names;
	name->object = ipc_object_ref(object);
	name->flags = flags;
	ipc_lock(ipc);
	name->cookie = ++names->last_cookie;
	ipc_unlock(ipc);
	*ret_name = name;
	return 0;
}

int ipc_register_name_async(struct ipc *ipc, const char *name, struct ipc_object *object,
			    unsigned int flags, const struct ipc_options *options,
			    ipc_name_done_cb cb, void *userdata, struct ipc_slot **ret_slot)
{
	struct name *kept;
	int r = cb ? name_new(ipc, name, object, flags, userdata, &kept) : -EINVAL;

	return r < 0 ? r : registration_add(&kept->base, options, cb, userdata, ret_slot);
}

int ipc_register_name_with(struct ipc *ipc, const char *name, struct ipc_object *object,
			   unsigned int flags, struct ipc_slot **ret_slot)
{
	struct name *kept;
	int r = name_new(ipc, name, object, flags, /* userdata= */ NULL, &kept);

	return r < 0 ? r : registration_add_now(&kept->base, ret_slot);
}

int ipc_register_name(struct ipc *ipc, const char *name, struct ipc_object *object,
		      struct ipc_slot **ret_slot)
{
	return ipc_register_name_with(ipc, name, object, /* flags= */ 0, ret_slot);
}

/* --- Unregistering ------------------------------------------------------------------ */

/* Finds a registration of this connection, with a reference. It counts as leaving until
 * stop_leaving(), so that the replay does not send it. */
static int begin_leaving(struct names *names, const char *text, unsigned int flags,
			 struct name **ret_name)
{
	struct name *name;

	ipc_lock(names->ipc);
	name = name_find_locked(names, text, NULL);
	if (name && (name->flags & flags) != flags)
		name = NULL;
	if (name) {
		name->base.leaves = true;
		name->base.slot.refs++;
	}
	ipc_unlock(names->ipc);
	*ret_name = name;
	return name ? 0 : -ENOENT;
}

static void stop_leaving(struct name *name, bool ends)
{
	struct ipc_slot *slot = &name->base.slot;
	bool listed, revived;

	ipc_lock(slot->ipc);
	revived = ends && name->base.revived;
	name->base.leaves = name->base.revived = false;
	listed = ends && slots_remove_locked(slot);
	ipc_unlock(slot->ipc);
	/* The manager may have got the other request later. */
	if (revived)
		registration_withdraw(&name->base, /* blocks= */ false);
	if (listed)
		slot_drop(slot);
	slot_put(slot);
}

struct unregister {
	struct name_call base;
	struct name *name;	/* leaving */
};

static int unregister_send(struct name_call *call)
{
	return name_withdraw(&((struct unregister *)call)->name->base, call);
}

static int unregister_settle(struct name_call *call, int r)
{
	struct unregister *unregister = (struct unregister *)call;
	/* After any other error the manager may still have our registration, so it stays. */
	bool ends = r == 0 || r == -ENOENT || r == -EPERM || r == -ENOTCONN || r == -ECONNRESET;

	stop_leaving(unregister->name, ends);
	unregister->name = NULL;
	names_replay(call->names);
	return ends ? 0 : r;
}

static void unregister_report(struct name_call *call, int r)
{
	((ipc_name_done_cb)call->cb)(r, call->slot.userdata);
}

/* Keeps the registration if the request could not be sent. */
static void unregister_done(struct name_call *call)
{
	struct unregister *unregister = (struct unregister *)call;

	if (unregister->name)
		stop_leaving(unregister->name, /* ends= */ false);
}

static const struct name_call_type unregister_type = {
	.slot = NAME_CALL_TYPE(struct unregister),
	.send = unregister_send,
	.settle = unregister_settle,
	.report = unregister_report,
	.done = unregister_done,
	.goes_on = true,
};

int ipc_unregister_name_async(struct ipc *ipc, const char *name, const struct ipc_options *options,
			      ipc_name_done_cb cb, void *userdata, struct ipc_slot **ret_slot)
{
	struct name_call *call;
	int r;

	r = name_call_new_for(ipc, name, &unregister_type, options, (void (*)(void))cb, userdata,
			      &call);
	if (r < 0)
		return r;
	r = begin_leaving(call->names, name, /* flags= */ 0, &((struct unregister *)call)->name);
	if (r < 0) {
		slot_drop(&call->slot);
		return r;
	}
	return name_call_start(call, ret_slot);
}

int ipc_unregister_name(struct ipc *ipc, const char *name)
{
	int r, result = 0;

	r = ipc_unregister_name_async(ipc, name, &name_blocks, name_store_result, &result,
				      /* ret_slot= */ NULL);
	return r < 0 ? r : result;
}

/* Returns whether the object has ended, or an error. */
static int idle_exit(struct name *name)
{
	struct ipc_object_info info = { .size = sizeof(info) };
	int left, r;

	/* The manager has one reference. */
	r = ipc_object_info(name->object, &info);
	if (r < 0 || info.refs > 1)
		return r < 0 ? r : -EBUSY;
	r = left = registration_withdraw(&name->base, /* blocks= */ true);
	/* No client can get the object from the manager: it is not running, or does not have this
	 * registration. */
	if (left == 0 || left == -ENOTCONN || left == -ENOENT)
		r = object_end_if_idle(name->object);
	if (r < 0)
		registration_renew(&name->base);
	return r;
}

int ipc_idle_exit(struct ipc *ipc, const char *name)
{
	struct names *names;
	struct name *kept = NULL;
	int r;

	r = names_get_for(ipc, name, &names);
	if (r == 0)
		r = begin_leaving(names, name, IPC_NAME_IDLE_EXIT, &kept);
	if (r < 0)
		return r;
	r = idle_exit(kept);
	stop_leaving(kept, /* ends= */ r == 0);
	names_replay(names);
	return r;
}
