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

static int send_unregister(struct names *names, const struct name *name)
{
	Ipc__Manager__UnregisterNameRequest request = IPC__MANAGER__UNREGISTER_NAME_REQUEST__INIT;
	struct ipc_options options = names_options(names);
	Ipc__Object id = IPC__OBJECT__INIT;
	int r;

	r = ipc_object_id(names->registrant, &id.id);
	if (r < 0)
		return r;
	request.name = (char *)name->base.text;
	request.registrant = &id;
	request.cookie = name->cookie;
	return manager_result(service_manager_unregister_name_with(names_manager(names), &options,
								   &request, /* error= */ NULL));
}

static int withdraw(struct registration *registration)
{
	return send_unregister(registration->names, (struct name *)registration);
}

static void slot_release(struct ipc_slot *slot)
{
	ipc_object_unref(((struct name *)slot)->object);
}

static const struct slot_type name_slot_type = {
	.size = sizeof(struct name), .end = registration_end, .release = slot_release,
};

/* Ends a name that is not on the list (any more). */
static void name_drop(struct name *name)
{
	if (name)
		slot_drop(&name->base.slot);
}

/* --- Gaining and losing names ------------------------------------------------------ */

static struct name *find_cookie_locked(struct names *names, uint64_t cookie)
{
	struct registration *i = names_first_locked(names);

	while (i && (i->type != &name_type || ((struct name *)i)->cookie != cookie))
		i = names_next_locked(i);
	return (struct name *)i;
}

/* The caller is a manager, because no other process has a handle of this object. */
static int handle_changed(struct ipc_call *call, const Ipc__Manager__RegistrationChange *change,
			  void *userdata)
{
	struct names *names = userdata;
	struct name *name;

	(void)call;
	pthread_mutex_lock(&names->lock);
	name = find_cookie_locked(names, change->cookie);
	if (name && change->number) {
		name->base.acquired |= name->queued;
		name->queued = false;
		name->number = change->number;
	} else if (name) {
		name->base.failure = -ESTALE;
		/* The name may have been registered at a new manager since. */
		send_unregister(names, name);
	}
	pthread_mutex_unlock(&names->lock);
	names_report(names);
	return 0;
}

static const struct registrant_ops ops = { .changed = handle_changed };

static int registrant_id_locked(struct names *names, uint64_t *ret_id)
{
	int r = 0;

	if (!names->registrant)
		r = registrant_object_new(names->ipc, &ops, names, /* destroy= */ NULL,
					  &names->registrant);
	return r < 0 ? r : ipc_object_id(names->registrant, ret_id);
}

/* --- Registering -------------------------------------------------------------------- */

static int send(struct registration *registration)
{
	ipc_auto(service_manager_register_name_reply_free)
		Ipc__Manager__RegisterNameReply *reply = NULL;
	Ipc__Manager__RegisterNameRequest request = IPC__MANAGER__REGISTER_NAME_REQUEST__INIT;
	Ipc__Object id = IPC__OBJECT__INIT, registrant = IPC__OBJECT__INIT;
	struct name *name = (struct name *)registration;
	struct names *names = registration->names;
	struct ipc_options options = names_options(names);
	int r;

	r = registrant_id_locked(names, &registrant.id);
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
	request.number = name->number;
	request.registrant = &registrant;
	request.cookie = name->cookie;
	r = service_manager_register_name_with(names_manager(names), &options, &request, &reply,
					       /* error= */ NULL);
	if (r < 0)
		return manager_result(r);
	name->base.acquired |= name->queued && reply->number;
	name->queued = name->flags & IPC_NAME_QUEUE && !reply->number;
	name->number = reply->number;
	return 0;
}

static const struct registration_type name_type = { .send = send, .withdraw = withdraw };

static int name_new(struct names *names, const char *text, struct ipc_object *object,
		    unsigned int flags, struct name **ret_name)
{
	struct ipc_slot *slot;
	struct name *name;
	int r;

	r = slot_new(names->ipc, &name_slot_type, /* userdata= */ NULL, &slot);
	if (r < 0)
		return r;
	name = (struct name *)slot;
	name->base.type = &name_type;
	strcpy(name->base.text, text);
	name->base.names = names;
	name->object = ipc_object_ref(object);
	name->flags = flags;
	*ret_name = name;
	return 0;
}

/* Returns the newest registration of the name, or NULL. */
static struct name *find_locked(struct names *names, const char *text)
{
	struct registration *found = NULL;

	for (struct registration *i = names_first_locked(names); i; i = names_next_locked(i))
		if (i->type == &name_type && !strcmp(i->text, text))
			found = i;
	return (struct name *)found;
}

/* Returns 1 if it is in the queue of the name. Takes ownership of name, also on failure. */
static int register_name(struct names *names, struct name *name, struct ipc_slot **ret_slot)
{
	struct ipc_slot *before = ret_slot ? *ret_slot : NULL;
	struct name *old = NULL;
	bool queued;
	int r;

	/* Before other threads can find the slot. */
	slot_give(&name->base.slot, ret_slot);
	pthread_mutex_lock(&names->lock);
	name->cookie = ++names->last_cookie;
	r = registration_send_locked(&name->base);
	queued = name->queued;
	if (r == 0) {
		/* The manager has replaced the registration, or it was of the same object. */
		if (!queued)
			old = find_locked(names, name->base.text);
		if (old)
			slots_remove(&old->base.slot);
		registration_add_locked(&name->base);
	} else if ((r == -ENOMEM || r == -ENOSPC || r == -EINTR) &&
		   !find_locked(names, name->base.text)) {
		/* The manager may have registered it, and the reply did not arrive. If this
		 * connection has the name already, the manager gave the new cookie to that
		 * registration, which must stay. */
		send_unregister(names, name);
	}
	pthread_mutex_unlock(&names->lock);
	name_drop(old);
	if (r == 0)
		return queued;
	if (ret_slot)
		*ret_slot = before;
	slot_abandon(&name->base.slot, /* given= */ ret_slot);
	return r;
}

int ipc_register_name_with(struct ipc *ipc, const char *name, struct ipc_object *object,
			   unsigned int flags, struct ipc_slot **ret_slot)
{
	struct name *kept = NULL;
	struct names *names;
	int r;

	if (!object || object->ipc != ipc ||
	    flags & ~(IPC_NAME_REPLACE | IPC_NAME_QUEUE | IPC_NAME_IDLE_EXIT) ||
	    (flags & IPC_NAME_REPLACE && flags & IPC_NAME_QUEUE))
		return -EINVAL;
	r = names_get_for(ipc, name, &names);
	if (r == 0)
		r = name_new(names, name, object, flags, &kept);
	if (r < 0)
		return r;
	return register_name(names, kept, ret_slot);
}

int ipc_register_name(struct ipc *ipc, const char *name, struct ipc_object *object,
		      struct ipc_slot **ret_slot)
{
	return ipc_register_name_with(ipc, name, object, /* flags= */ 0, ret_slot);
}

/* Finds a name that this connection has registered, or NULL. On success locks the names. */
static int lock_and_find(struct ipc *ipc, const char *text, struct names **ret_names,
			 struct name **ret_name)
{
	int r = names_get_for(ipc, text, ret_names);

	if (r < 0)
		return r;
	pthread_mutex_lock(&(*ret_names)->lock);
	*ret_name = find_locked(*ret_names, text);
	return 0;
}

int ipc_unregister_name(struct ipc *ipc, const char *name)
{
	struct names *names;
	struct name *kept;
	int r;

	r = lock_and_find(ipc, name, &names, &kept);
	if (r < 0)
		return r;
	r = kept ? send_unregister(names, kept) : -ENOENT;
	/* After any other error the manager may still have our registration, so it stays. */
	if (r != 0 && r != -ENOENT && r != -EPERM && r != -ENOTCONN && r != -ECONNRESET)
		kept = NULL;
	if (kept)
		slots_remove(&kept->base.slot);
	pthread_mutex_unlock(&names->lock);

	r = kept ? 0 : r;
	name_drop(kept);
	return r;
}

static int idle_exit_locked(struct names *names, struct name *name)
{
	struct ipc_object_info info = { .size = sizeof(info) };
	int left, r;

	/* The manager has one reference. */
	r = ipc_object_info(name->object, &info);
	if (r < 0 || info.refs > 1)
		return r < 0 ? r : -EBUSY;
	r = left = send_unregister(names, name);
	/* No client can get the object from the manager: it is not running, or does not have this
	 * registration. */
	if (left == 0 || left == -ENOTCONN || left == -ENOENT)
		r = object_end_if_idle(name->object);
	if (r == 0)
		slots_remove(&name->base.slot);
	else
		registration_resend_locked(&name->base);
	return r;
}

int ipc_idle_exit(struct ipc *ipc, const char *name)
{
	struct names *names;
	struct name *kept;
	int r;

	r = lock_and_find(ipc, name, &names, &kept);
	if (r < 0)
		return r;
	r = kept && kept->flags & IPC_NAME_IDLE_EXIT ? idle_exit_locked(names, kept) : -ENOENT;
	pthread_mutex_unlock(&names->lock);
	if (r == 0)
		name_drop(kept);
	else
		names_report(names);
	return r;
}
