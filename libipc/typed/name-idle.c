// SPDX-License-Identifier: MIT
/*
 * Registrations with idle exit: services that exit when no client uses them.
 *
 * The service manager gets a Provider instead of the object. When a client asks for the name, the
 * manager calls the provider, which hands over the object. The manager passes the object on and
 * keeps no reference. So the driver's IDLE event means that no client has the object. Idle exit
 * takes three steps, so that no call is lost:
 *
 *   IdleExit        The manager makes new clients wait. It refuses if a client waits already.
 *   end             The driver ends the object if it has no references and no call is in flight.
 *   UnregisterName  The manager starts the service again for the clients that wait.
 *
 * If the second step fails, or if the result of the first step is unknown, RegisterName makes the
 * manager serve clients again.
 */
#include <errno.h>
#include <string.h>

#include "name.h"

/* Finds the name of an object or of its provider, and enters its slot, which holds both. Returns
 * NULL if the name is no longer registered. */
static struct name *enter(struct names *names, const struct ipc_object *object,
			  struct slot_frame *frame)
{
	struct name *found = NULL;

	pthread_mutex_lock(&names->lock);
	for (struct registration *i = names->list; i && !found; i = i->next) {
		struct name *name = (struct name *)i;

		if (i->type == &name_type && name->provider &&
		    (name->object == object || name->provider == object) &&
		    slot_enter(&name->base.slot, frame))
			found = name;
	}
	pthread_mutex_unlock(&names->lock);
	return found;
}

static void call_back(const struct name *name)
{
	name->idle(name->base.names->ipc, name->base.text, name->base.slot.userdata);
}

static int provide(struct names *names, const struct name *name, uint64_t cookie)
{
	Ipc__Manager__ProvideRequest request = IPC__MANAGER__PROVIDE_REQUEST__INIT;
	Ipc__Object id = IPC__OBJECT__INIT;
	int r;

	r = object_get_id(name->object, &id.id);
	if (r < 0)
		return r;
	request.name = (char *)name->base.text;
	request.cookie = cookie;
	request.object = &id;
	return manager_result(service_manager_provide(names_manager(names), &request,
						      /* error= */ NULL));
}

/* If the object cannot be provided now, the clients that wait run into their time limits, and the
 * next client makes the manager ask again. */
static int handle_need(struct ipc_call *call, const Ipc__Manager__NeedRequest *request,
		       void *userdata)
{
	struct slot_frame frame;
	struct name *name;
	int r = 0;

	name = enter(userdata, call->object, &frame);
	if (!name)
		return -ENOENT;
	if (request->cookie)
		r = provide(userdata, name, request->cookie);
	else
		call_back(name);
	slot_leave(&frame);
	return r;
}

static const struct provider_ops ops = { .need = handle_need };

/* The driver's IDLE event. */
static void object_is_idle(struct ipc_object *object)
{
	struct slot_frame frame;
	struct names *names;
	struct name *name;

	if (names_get(object->ipc, &names) < 0)
		return;
	name = enter(names, object, &frame);
	if (!name)
		return;
	call_back(name);
	slot_leave(&frame);
}

int ipc_register_idle_exit(struct ipc *ipc, const char *name, struct ipc_object *object,
			   ipc_idle_cb idle, void *userdata, struct ipc_slot **ret_slot)
{
	struct names *names;
	struct name *kept;
	int r;

	if (!object || object->ipc != ipc || !idle)
		return -EINVAL;
	r = names_get_for(ipc, name, &names);
	if (r == 0)
		r = name_new(names, name, object, &kept);
	if (r < 0)
		return r;
	kept->idle = idle;
	kept->base.slot.userdata = userdata;
	r = provider_object_new(ipc, &ops, names, /* destroy= */ NULL, &kept->provider);
	if (r < 0) {
		slot_abandon(&kept->base.slot, /* given= */ false);
		return r;
	}

	/* Set once, under the lock. Readers need no lock, because it never changes again. */
	ipc_lock(ipc);
	if (!object->idle)
		object->idle = object_is_idle;
	ipc_unlock(ipc);
	return name_register(names, kept, ret_slot);
}

static int send_idle_exit(struct names *names, const struct name *name)
{
	Ipc__Manager__IdleExitRequest request = IPC__MANAGER__IDLE_EXIT_REQUEST__INIT;

	request.name = (char *)name->base.text;
	return manager_result(service_manager_idle_exit(names_manager(names), &request,
							/* error= */ NULL));
}

static int exit_locked(struct names *names, struct name *name)
{
	int left = send_idle_exit(names, name), r = left;

	if (left == -EBUSY)
		return left;
	/* In these cases no client can get the object from the manager: no manager is running, the
	 * manager does not know the name yet, or another process of this user has the name. */
	if (left == 0 || left == -ENOTCONN || left == -ENOENT || left == -EPERM)
		r = object_end_if_idle(name->object);
	if (r == 0) {
		/* If this fails, the name ends when the provider does. */
		name_send_unregister(names, name, /* idle_exit= */ true);
		registration_remove_locked(names, &name->base);
	} else if (left != -EPERM) {
		registration_resend_locked(names, &name->base);
	}
	return r;
}

int ipc_idle_exit(struct ipc *ipc, const char *name)
{
	struct name *kept, *gone = NULL;
	struct names *names;
	int r;

	r = names_get_for(ipc, name, &names);
	if (r < 0)
		return r;

	pthread_mutex_lock(&names->lock);
	kept = name_find_locked(names, name);
	r = kept && kept->provider ? exit_locked(names, kept) : -ENOENT;
	if (r == 0)
		gone = kept;
	pthread_mutex_unlock(&names->lock);
	name_drop(gone);
	if (r < 0)
		names_report(names);
	return r;
}
