// SPDX-License-Identifier: MIT
/*
 * Names of services: calls of the servicemanager behind handle 0, through the
 * stub that is generated from its .proto like anybody's.
 *
 * A bad name is refused here, without asking. What fails at the manager is
 * translated in one place, manager_result(). What this connection has added is
 * remembered, for the next manager.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "name.h"

#define NAME_MAX_SIZE	127

size_t name_length(const char *text)
{
	return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./-");
}

static int check_name(const char *name)
{
	size_t size = name ? name_length(name) : 0;

	return size && size <= NAME_MAX_SIZE && !name[size] ? 0 : -EINVAL;
}

int manager_result(int r)
{
	return r == -EOWNERDEAD ? -ENOTCONN : r;
}

int manager_get(struct ipc *ipc, struct service_manager **ret_manager)
{
	struct ipc_proxy *proxy;
	int r;

	if (!ipc)
		return -EINVAL;
	r = names_make(ipc);
	if (r == 0)
		r = ipc_get_manager(ipc, &proxy);
	if (r)
		return r;

	*ret_manager = service_manager_from_proxy(proxy);
	return 0;
}

int manager_get_for(struct ipc *ipc, const char *name, struct service_manager **ret_manager)
{
	int r = check_name(name);

	return r < 0 ? r : manager_get(ipc, ret_manager);
}

/* --- What this connection has added ------------------------------------------------ */

static void names_close(struct upper *upper)
{
	struct names *names = (struct names *)upper;

	while (names->list) {
		struct name *name = names->list;

		names->list = name->next;
		name_free(name);
	}
	name_watches_close(names->ipc);
	pthread_mutex_destroy(&names->lock);
	free(names);
}

static void names_manager_came(struct upper *upper)
{
	names_replay(((struct names *)upper)->ipc);
}

int names_make(struct ipc *ipc)
{
	struct upper *none = NULL;
	struct names *names;

	if (ipc->foreign)
		return -ECHILD;
	if (likely(names_of(ipc)))
		return 0;
	names = calloc(1, sizeof(*names));
	if (!names)
		return -ENOMEM;
	names->upper.manager_came = names_manager_came;
	names->upper.close = names_close;
	names->ipc = ipc;
	pthread_mutex_init(&names->lock, NULL);

	/* Another thread may be making them. */
	if (!atomic_compare_exchange_strong(&ipc->upper, &none, &names->upper)) {
		pthread_mutex_destroy(&names->lock);
		free(names);
	}
	return 0;
}

struct name *name_new(const char *text, struct ipc_object *object)
{
	size_t size = strlen(text) + 1;
	struct name *name;

	name = malloc(sizeof(*name) + size);
	if (!name)
		return NULL;

	*name = (struct name){ .object = ipc_object_ref(object) };
	memcpy(name->text, text, size);
	return name;
}

void name_free(struct name *name)
{
	if (!name)
		return;
	ipc_object_unref(name->provider);
	ipc_object_unref(name->object);
	free(name);
}

struct name *name_find_locked(struct ipc *ipc, const char *text)
{
	struct name *name = names_of(ipc)->list;

	while (name && strcmp(name->text, text))
		name = name->next;
	return name;
}

struct name *name_take_locked(struct ipc *ipc, const char *text)
{
	for (struct name **link = &names_of(ipc)->list; *link; link = &(*link)->next) {
		struct name *name = *link;

		if (strcmp(name->text, text))
			continue;
		*link = name->next;
		return name;
	}
	return NULL;
}

struct name *name_keep_locked(struct ipc *ipc, struct name *name)
{
	struct name *old = name_take_locked(ipc, name->text);

	name->next = names_of(ipc)->list;
	names_of(ipc)->list = name;
	return old;
}

/* --- Adding --------------------------------------------------------------------- */

int name_register_locked(struct service_manager *manager, const struct name *name)
{
	Ipc__Manager__RegisterNameRequest request = IPC__MANAGER__REGISTER_NAME_REQUEST__INIT;
	Ipc__Object id = IPC__OBJECT__INIT;
	int r;

	r = object_get_id(name->provider ? name->provider : name->object, &id.id);
	if (r < 0)
		return r;
	request.name = (char *)name->text;
	if (name->provider)
		request.provider = &id;
	else
		request.object = &id;
	request.interface = (char *)(name->object->interface ?: "");
	return manager_result(service_manager_register_name(manager, &request, /* error= */ NULL));
}

/* With an old driver names are not added again; nothing else depends on it. */
int names_expect_manager_locked(struct ipc *ipc)
{
	int r;

	if (names_of(ipc)->watches_manager)
		return 0;

	r = device_watch_manager(&ipc->device);
	names_of(ipc)->watches_manager = r == 0;
	return r == -EOPNOTSUPP ? 0 : r;
}

int name_add_locked(struct ipc *ipc, struct service_manager *manager, const struct name *name)
{
	int r = names_expect_manager_locked(ipc);

	return r < 0 ? r : name_register_locked(manager, name);
}

int ipc_register_name(struct ipc *ipc, const char *name, struct ipc_object *object)
{
	ipc_auto(service_manager_unref) struct service_manager *manager = NULL;
	struct name *kept;
	int r;

	if (!object || object->ipc != ipc)
		return -EINVAL;
	r = manager_get_for(ipc, name, &manager);
	if (r < 0)
		return r;

	/* First, so that nothing can fail once the name is out. */
	kept = name_new(name, object);
	if (!kept)
		return -ENOMEM;
	pthread_mutex_lock(&names_of(ipc)->lock);
	r = name_add_locked(ipc, manager, kept);
	if (r == 0)
		kept = name_keep_locked(ipc, kept);
	pthread_mutex_unlock(&names_of(ipc)->lock);

	name_free(kept);
	return r;
}

/* Is the name not ours any more, at the manager? */
static bool is_removed(int r)
{
	return r == 0 || r == -ENOENT || r == -EPERM || r == -ENOTCONN;
}

int ipc_unregister_name(struct ipc *ipc, const char *name)
{
	ipc_auto(service_manager_unref) struct service_manager *manager = NULL;
	Ipc__Manager__UnregisterNameRequest request = IPC__MANAGER__UNREGISTER_NAME_REQUEST__INIT;
	struct name *kept = NULL;
	int r;

	r = manager_get_for(ipc, name, &manager);
	if (r < 0)
		return r;
	request.name = (char *)name;
	pthread_mutex_lock(&names_of(ipc)->lock);
	r = manager_result(service_manager_unregister_name(manager, &request, /* error= */ NULL));
	if (is_removed(r))
		kept = name_take_locked(ipc, name);
	pthread_mutex_unlock(&names_of(ipc)->lock);

	/* It was still to be added again. */
	if (kept && (r == -ENOENT || r == -ENOTCONN))
		r = 0;
	name_free(kept);
	return r;
}

/* --- Finding -------------------------------------------------------------------- */

/* A manager that replies without an object has none of that name. */
static int take_found(struct ipc *ipc, Ipc__Object *object, struct ipc_proxy **ret_proxy)
{
	return object ? ipc_take_proxy(ipc, &object->id, ret_proxy) : -ENOENT;
}

static int get(struct ipc *ipc, const char *name, const char *interface,
	       struct ipc_proxy **ret_proxy)
{
	ipc_auto(service_manager_unref) struct service_manager *manager = NULL;
	ipc_auto(service_manager_get_reply_free) Ipc__Manager__GetReply *reply = NULL;
	Ipc__Manager__GetRequest request = IPC__MANAGER__GET_REQUEST__INIT;
	int r;

	if (!ret_proxy)
		return -EINVAL;
	r = manager_get_for(ipc, name, &manager);
	if (r < 0)
		return r;
	request.name = (char *)name;
	request.interface = (char *)interface;
	r = manager_result(service_manager_get(manager, &request, &reply, /* error= */ NULL));
	if (r < 0)
		return r;

	return take_found(ipc, reply->object, ret_proxy);
}

static int wait_once(struct ipc *ipc, const char *name, const char *interface,
		     uint64_t timeout_usec, struct ipc_proxy **ret_proxy)
{
	ipc_auto(service_manager_unref) struct service_manager *manager = NULL;
	ipc_auto(service_manager_wait_reply_free) Ipc__Manager__WaitReply *reply = NULL;
	Ipc__Manager__WaitRequest request = IPC__MANAGER__WAIT_REQUEST__INIT;
	struct ipc_options options = { .timeout_usec = timeout_usec };
	int r;

	if (!ret_proxy)
		return -EINVAL;
	r = manager_get_for(ipc, name, &manager);
	if (r < 0)
		return r;
	request.name = (char *)name;
	request.interface = (char *)interface;
	r = manager_result(service_manager_wait_with(manager, &options, &request, &reply,
						     /* error= */ NULL));
	if (r < 0)
		return r;

	return take_found(ipc, reply->object, ret_proxy);
}

static uint64_t now_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* What is left until a moment; at least something, of which 0 would be the contrary. */
static uint64_t left_until(uint64_t deadline)
{
	uint64_t now = now_usec();

	if (deadline == IPC_NEVER)
		return IPC_NEVER;
	return deadline > now ? deadline - now : 1;
}

/* A manager that ends while we wait leaves us waiting for the next one. */
static int wait_for(struct ipc *ipc, const char *name, const char *interface,
		    uint64_t timeout_usec, struct ipc_proxy **ret_proxy)
{
	uint64_t now = now_usec();
	uint64_t deadline = timeout_usec < IPC_NEVER - now ? now + timeout_usec : IPC_NEVER;
	int r;

	while ((r = wait_once(ipc, name, interface, left_until(deadline), ret_proxy)) ==
	       -ENOTCONN) {
		r = device_wait_manager(ipc->path, left_until(deadline));
		if (r == 0)
			return -ETIMEDOUT;
		if (r < 0 && r != -EINTR)
			return r;
	}
	return r;
}

int ipc_get_name(struct ipc *ipc, const char *name, struct ipc_proxy **ret_proxy)
{
	return get(ipc, name, /* interface= */ "", ret_proxy);
}

int ipc_wait_name(struct ipc *ipc, const char *name, struct ipc_proxy **ret_proxy)
{
	return wait_for(ipc, name, /* interface= */ "", IPC_NEVER, ret_proxy);
}

int ipc_wait_name_timeout(struct ipc *ipc, const char *name, uint64_t timeout_usec,
			  struct ipc_proxy **ret_proxy)
{
	return wait_for(ipc, name, /* interface= */ "", timeout_usec, ret_proxy);
}

int ipc_rpc_connect(struct ipc *ipc, const char *name, const struct ipc_interface *interface,
		    int for_it, struct ipc_proxy **ret_proxy)
{
	if (!interface)
		return -EINVAL;
	if (for_it)
		return wait_for(ipc, name, interface->name, IPC_NEVER, ret_proxy);
	return get(ipc, name, interface->name, ret_proxy);
}

/* --- Asking ---------------------------------------------------------------------- */

int name_info_take(const Ipc__Manager__Entry *entry, struct ipc_name_info *ret_info)
{
	if (!entry || strlen(entry->name) >= sizeof(ret_info->name) ||
	    strlen(entry->interface) >= sizeof(ret_info->interface))
		return -EBADMSG;

	*ret_info = (struct ipc_name_info){ .pid = (pid_t)entry->pid, .uid = entry->uid };
	strcpy(ret_info->name, entry->name);
	strcpy(ret_info->interface, entry->interface);
	return 0;
}

int ipc_check_name(struct ipc *ipc, const char *name, struct ipc_name_info *ret_info)
{
	ipc_auto(service_manager_unref) struct service_manager *manager = NULL;
	ipc_auto(service_manager_check_reply_free) Ipc__Manager__CheckReply *reply = NULL;
	Ipc__Manager__CheckRequest request = IPC__MANAGER__CHECK_REQUEST__INIT;
	struct ipc_name_info info;
	int r;

	r = manager_get_for(ipc, name, &manager);
	if (r < 0)
		return r;
	request.name = (char *)name;
	r = manager_result(service_manager_check(manager, &request, &reply, /* error= */ NULL));
	if (r < 0)
		return r;
	return name_info_take(reply->entry, ret_info ? ret_info : &info);
}

static int infos_take(const Ipc__Manager__ListReply *reply, struct ipc_name_info **ret_infos)
{
	struct ipc_name_info *infos = calloc(reply->n_entries + 1, sizeof(*infos));
	int r = 0;

	if (!infos)
		return -ENOMEM;
	for (size_t i = 0; i < reply->n_entries && r == 0; i++)
		r = name_info_take(reply->entries[i], &infos[i]);
	if (r < 0) {
		free(infos);
		return r;
	}

	*ret_infos = infos;
	return (int)reply->n_entries;
}

int ipc_list_names(struct ipc *ipc, const char *prefix, struct ipc_name_info **ret_infos)
{
	ipc_auto(service_manager_unref) struct service_manager *manager = NULL;
	ipc_auto(service_manager_list_reply_free) Ipc__Manager__ListReply *reply = NULL;
	Ipc__Manager__ListRequest request = IPC__MANAGER__LIST_REQUEST__INIT;
	int r;

	if (!ret_infos)
		return -EINVAL;
	r = manager_get(ipc, &manager);
	if (r < 0)
		return r;
	if (prefix)
		request.prefix = (char *)prefix;
	r = manager_result(service_manager_list(manager, &request, &reply, /* error= */ NULL));
	if (r < 0)
		return r;
	return infos_take(reply, ret_infos);
}
