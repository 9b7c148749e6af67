// SPDX-License-Identifier: MIT
/*
 * Names of services: calls of the servicemanager behind handle 0, through the
 * stub that is generated from its .proto like anybody's.
 *
 * A bad name is refused here, without asking. What fails at the manager is
 * translated in one place, manager_result().
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "name.h"
#include "object.h"
#include "servicemanager.ipc.h"

#define NAME_MAX_SIZE	127

/* Keeps an object alive while it has a name. */
struct name {
	struct name *next;
	struct ipc_object *object;
	char text[];
};

static int check_name(const char *name)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789_./-";
	size_t size = name ? strspn(name, allowed) : 0;

	return size && size <= NAME_MAX_SIZE && !name[size] ? 0 : -EINVAL;
}

/* A manager that died, or never was, is no manager; the rest is its answer. */
static int manager_result(int r)
{
	return r == -EOWNERDEAD ? -ENOTCONN : r;
}

static int manager_get(struct ipc *ipc, const char *name, struct service_manager **ret_manager)
{
	struct ipc_proxy *proxy;
	int r;

	if (!ipc)
		return -EINVAL;
	r = check_name(name);
	if (r < 0)
		return r;
	r = ipc_get_manager(ipc, &proxy);
	if (r < 0)
		return r;

	*ret_manager = service_manager_from_proxy(proxy);
	return 0;
}

/* --- Adding --------------------------------------------------------------------- */

static struct name *name_new(const char *text, struct ipc_object *object)
{
	size_t size = strlen(text) + 1;
	struct name *name;

	name = malloc(sizeof(*name) + size);
	if (!name)
		return NULL;

	name->object = ipc_object_ref(object);
	memcpy(name->text, text, size);
	return name;
}

static void name_free(struct name *name)
{
	if (!name)
		return;
	ipc_object_unref(name->object);
	free(name);
}

static struct name *name_take_locked(struct ipc *ipc, const char *text)
{
	for (struct name **link = &ipc->names; *link; link = &(*link)->next) {
		struct name *name = *link;

		if (strcmp(name->text, text))
			continue;
		*link = name->next;
		return name;
	}
	return NULL;
}

/* Takes the place of what had the name before. */
static void name_keep(struct ipc *ipc, struct name *name)
{
	struct name *old;

	ipc_lock(ipc);
	old = name_take_locked(ipc, name->text);
	name->next = ipc->names;
	ipc->names = name;
	ipc_unlock(ipc);
	name_free(old);
}

static int manager_add(struct service_manager *manager, const char *text,
		       struct ipc_object *object)
{
	Ipc__Manager__AddRequest request = IPC__MANAGER__ADD_REQUEST__INIT;
	Ipc__Object id = IPC__OBJECT__INIT;
	int r;

	r = object_get_id(object, &id.id);
	if (r < 0)
		return r;
	request.name = (char *)text;
	request.object = &id;
	request.interface = (char *)object->interface->name;
	return manager_result(service_manager_add(manager, &request, /* error= */ NULL));
}

int ipc_add_name(struct ipc *ipc, const char *name, struct ipc_object *object)
{
	ipc_auto(service_manager_unref) struct service_manager *manager = NULL;
	struct name *kept;
	int r;

	if (!object || object->ipc != ipc)
		return -EINVAL;
	r = manager_get(ipc, name, &manager);
	if (r < 0)
		return r;

	/* First, so that nothing can fail once the name is out. */
	kept = name_new(name, object);
	if (!kept)
		return -ENOMEM;
	r = manager_add(manager, name, object);
	if (r < 0) {
		name_free(kept);
		return r;
	}

	name_keep(ipc, kept);
	return 0;
}

int ipc_remove_name(struct ipc *ipc, const char *name)
{
	ipc_auto(service_manager_unref) struct service_manager *manager = NULL;
	Ipc__Manager__RemoveRequest request = IPC__MANAGER__REMOVE_REQUEST__INIT;
	struct name *kept;
	int r;

	r = manager_get(ipc, name, &manager);
	if (r < 0)
		return r;
	request.name = (char *)name;
	r = manager_result(service_manager_remove(manager, &request, /* error= */ NULL));
	if (r < 0)
		return r;

	ipc_lock(ipc);
	kept = name_take_locked(ipc, name);
	ipc_unlock(ipc);
	name_free(kept);
	return 0;
}

void names_close(struct ipc *ipc)
{
	while (ipc->names) {
		struct name *name = ipc->names;

		ipc->names = name->next;
		name_free(name);
	}
}

/* --- Finding -------------------------------------------------------------------- */

/* A manager that answers without an object has none of that name. */
static int take_found(struct ipc *ipc, Ipc__Object *object, struct ipc_proxy **ret_proxy)
{
	return object ? ipc_take_proxy(ipc, &object->id, ret_proxy) : -ENOENT;
}

int ipc_get_name(struct ipc *ipc, const char *name, struct ipc_proxy **ret_proxy)
{
	ipc_auto(service_manager_unref) struct service_manager *manager = NULL;
	ipc_auto(service_manager_get_reply_free) Ipc__Manager__GetReply *reply = NULL;
	Ipc__Manager__GetRequest request = IPC__MANAGER__GET_REQUEST__INIT;
	int r;

	if (!ret_proxy)
		return -EINVAL;
	r = manager_get(ipc, name, &manager);
	if (r < 0)
		return r;
	request.name = (char *)name;
	r = manager_result(service_manager_get(manager, &request, &reply, /* error= */ NULL));
	if (r < 0)
		return r;

	return take_found(ipc, reply->object, ret_proxy);
}

int ipc_wait_name(struct ipc *ipc, const char *name, struct ipc_proxy **ret_proxy)
{
	ipc_auto(service_manager_unref) struct service_manager *manager = NULL;
	ipc_auto(service_manager_wait_reply_free) Ipc__Manager__WaitReply *reply = NULL;
	Ipc__Manager__WaitRequest request = IPC__MANAGER__WAIT_REQUEST__INIT;
	int r;

	if (!ret_proxy)
		return -EINVAL;
	r = manager_get(ipc, name, &manager);
	if (r < 0)
		return r;
	request.name = (char *)name;
	r = manager_result(service_manager_wait(manager, &request, &reply, /* error= */ NULL));
	if (r < 0)
		return r;

	return take_found(ipc, reply->object, ret_proxy);
}
