// SPDX-License-Identifier: MIT
/*
 * Registrations with idle exit: services that exit when nobody uses them.
 *
 * servicemanager gets a Provider in the object's place. When somebody wants the name, it
 * asks the provider, which hands over the object; servicemanager passes that on and keeps
 * nothing. So the driver's IDLE event means that no client is left. Idle exit takes three
 * steps, so that no call is lost:
 *
 *   IdleExit        servicemanager keeps new clients waiting; refused while one waits
 *   end             the driver ends the object if nobody refers to it and no call is on its
 *                   way; else RegisterName once more, and the service goes on
 *   UnregisterName  servicemanager starts the service again for those who wait
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "name.h"

/* Belongs to the provider (destroy). */
struct idle_name {
	struct ipc *ipc;
	struct ipc_object *object;
	ipc_idle_cb idle;
	void *userdata;
	char name[];
};

static void idle_name_free(void *userdata)
{
	struct idle_name *idle_name = userdata;

	ipc_object_unref(idle_name->object);
	free(idle_name);
}

static int provide(const struct idle_name *idle_name, uint64_t cookie)
{
	ipc_auto(service_manager_unref) struct service_manager *manager = NULL;
	Ipc__Manager__ProvideRequest request = IPC__MANAGER__PROVIDE_REQUEST__INIT;
	Ipc__Object id = IPC__OBJECT__INIT;
	int r;

	r = manager_get(idle_name->ipc, &manager);
	if (r == 0)
		r = object_get_id(idle_name->object, &id.id);
	if (r < 0)
		return r;

	request.name = (char *)idle_name->name;
	request.cookie = cookie;
	request.object = &id;
	return manager_result(service_manager_provide(manager, &request, /* error= */ NULL));
}

/* What is not provided now, for want of memory, those who wait do not get; they may
 * give up, and others ask again. */
static int handle_need(struct ipc_call *call, const Ipc__Manager__NeedRequest *request,
		       void *userdata)
{
	const struct idle_name *idle_name = userdata;

	(void)call;
	if (request->cookie)
		return provide(idle_name, request->cookie);

	idle_name->idle(idle_name->ipc, idle_name->name, idle_name->userdata);
	return 0;
}

static const struct provider_ops ops = { .need = handle_need };

/* The driver's word. The name may be gone, or another object's, by now. */
static void object_is_idle(struct ipc_object *object)
{
	struct ipc *ipc = object->ipc;
	struct ipc_object *provider = NULL;
	struct idle_name *idle_name;

	pthread_mutex_lock(&names_of(ipc)->lock);
	for (struct name *name = names_of(ipc)->list; name && !provider; name = name->next)
		if (name->object == object)
			provider = ipc_object_ref(name->provider);
	pthread_mutex_unlock(&names_of(ipc)->lock);
	if (!provider)
		return;

	idle_name = ipc_object_userdata(provider);
	idle_name->idle(ipc, idle_name->name, idle_name->userdata);
	ipc_object_unref(provider);
}

static int idle_name_new(struct ipc *ipc, const char *name, struct ipc_object *object,
		      ipc_idle_cb idle, void *userdata, struct ipc_object **ret_provider)
{
	size_t size = strlen(name) + 1;
	struct idle_name *idle_name = malloc(sizeof(*idle_name) + size);
	int r;

	if (!idle_name)
		return -ENOMEM;

	*idle_name = (struct idle_name){
		.ipc = ipc,
		.object = ipc_object_ref(object),
		.idle = idle,
		.userdata = userdata,
	};
	memcpy(idle_name->name, name, size);
	r = provider_object_new(ipc, &ops, idle_name, idle_name_free, ret_provider);
	if (r < 0)
		idle_name_free(idle_name);
	return r;
}

int ipc_register_idle_exit(struct ipc *ipc, const char *name, struct ipc_object *object,
			   ipc_idle_cb idle, void *userdata)
{
	ipc_auto(service_manager_unref) struct service_manager *manager = NULL;
	struct name *kept;
	int r;

	if (!object || object->ipc != ipc || !idle)
		return -EINVAL;
	r = manager_get_for(ipc, name, &manager);
	if (r < 0)
		return r;

	kept = name_new(name, object);
	if (!kept)
		return -ENOMEM;
	r = idle_name_new(ipc, name, object, idle, userdata, &kept->provider);
	if (r < 0) {
		name_free(kept);
		return r;
	}

	/* Once: who finds it set under the lock looks at it without. */
	ipc_lock(ipc);
	if (!object->idle)
		object->idle = object_is_idle;
	ipc_unlock(ipc);
	pthread_mutex_lock(&names_of(ipc)->lock);
	r = name_add_locked(ipc, manager, kept);
	if (r == 0)
		kept = name_keep_locked(ipc, kept);
	pthread_mutex_unlock(&names_of(ipc)->lock);
	name_free(kept);
	return r;
}

/* --- Leaving --------------------------------------------------------------------- */

static int send_idle_exit(struct service_manager *manager, const char *name)
{
	Ipc__Manager__IdleExitRequest request = IPC__MANAGER__IDLE_EXIT_REQUEST__INIT;

	request.name = (char *)name;
	return manager_result(service_manager_idle_exit(manager, &request, /* error= */ NULL));
}

static int send_unregister(struct service_manager *manager, const char *name)
{
	Ipc__Manager__UnregisterNameRequest request = IPC__MANAGER__UNREGISTER_NAME_REQUEST__INIT;
	int r;

	request.name = (char *)name;
	request.idle_exit = true;
	r = service_manager_unregister_name(manager, &request, /* error= */ NULL);
	return manager_result(r);
}

/* Without a manager nobody can come through it; one that comes will not hear of the
 * name from us. -ENOENT: there is one that has not yet. -EPERM: another process of this
 * user has the name by now. */
static bool may_exit(int r)
{
	return r == 0 || r == -ENOTCONN || r == -ENOENT || r == -EPERM;
}

static int idle_exit_locked(struct ipc *ipc, struct service_manager *manager, struct name *name)
{
	int left = send_idle_exit(manager, name->text), r;

	if (!may_exit(left))
		return left;

	r = object_end_if_idle(name->object);
	if (r < 0) {
		/* One that is not there now is notified with all others when it comes. */
		if (left != -EPERM)
			name_add_locked(ipc, manager, name);
		return r;
	}

	/* What it says does not matter: the name ends with the provider too. */
	send_unregister(manager, name->text);
	return 0;
}

int ipc_idle_exit(struct ipc *ipc, const char *name)
{
	ipc_auto(service_manager_unref) struct service_manager *manager = NULL;
	struct name *kept;
	int r;

	r = manager_get_for(ipc, name, &manager);
	if (r < 0)
		return r;

	pthread_mutex_lock(&names_of(ipc)->lock);
	kept = name_find_locked(ipc, name);
	r = kept && kept->provider ? idle_exit_locked(ipc, manager, kept) : -ENOENT;
	kept = r == 0 ? name_take_locked(ipc, name) : NULL;
	pthread_mutex_unlock(&names_of(ipc)->lock);
	name_free(kept);
	return r;
}
