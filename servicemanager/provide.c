// SPDX-License-Identifier: MIT
/*
 * Names whose service wants to know when nobody has its object any more. Of such a
 * name servicemanager holds a Provider and not the object, so that the driver's count
 * of who refers to the object is of clients alone. Who wants the object is kept
 * waiting; the provider is told once, gives it, and it is handed on.
 *
 *   idle     nobody waits for the object
 *   asked    the provider was told; whoever comes waits with the others
 *   leaving  the service gives the name up: who comes waits for what comes of that
 */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "state.h"

int provide_cookie(uint64_t *ret_cookie)
{
	do {
		if (getrandom(ret_cookie, sizeof(*ret_cookie), /* flags= */ 0) < 0)
			return -errno;
	} while (!*ret_cookie);

	return 0;
}

static int tell_provider(const struct owner *owner, uint64_t cookie)
{
	Ipc__Manager__NeedRequest request = IPC__MANAGER__NEED_REQUEST__INIT;

	request.cookie = cookie;
	return provider_need(provider_from_proxy(owner->proxy), &request);
}

void provide_wanted(struct service *service, struct owner *owner)
{
	int r;

	if (owner->leaving || owner->asked ||
	    !lookup_is_awaited(service, owner->entry.name))
		return;

	r = tell_provider(owner, owner->cookie);
	if (r == 0)
		owner->asked = true;
	else
		lookup_failed(service, owner->entry.name, -r, "its service cannot be asked for it");
}

/* That nobody wants it yet is of interest, and no more than that. */
void provide_appeared(struct service *service, struct owner *owner)
{
	owner->leaving = false;
	if (lookup_is_awaited(service, owner->entry.name))
		provide_wanted(service, owner);
	else if (tell_provider(owner, /* cookie= */ 0) < 0)
		say(service, "%s: its service does not know that nobody wants it",
		    owner->entry.name);
}

static struct owner *find_provided(const struct service *service, const char *name)
{
	struct registry_entry *entry =
		registry_name_is_valid(name) ? registry_find(service->registry, name) : NULL;

	return entry && owner_of(entry)->cookie ? owner_of(entry) : NULL;
}

int handle_provide(struct ipc_call *call, const Ipc__Manager__ProvideRequest *request,
		   void *userdata)
{
	struct service *service = userdata;
	struct owner *owner = find_provided(service, request->name);
	struct ipc_proxy *proxy;
	int r;

	/* Only the provider was told the number. */
	if (!owner || !owner->asked || owner->cookie != request->cookie)
		return ipc_call_errno(call, ENOENT, "nobody needs that");
	if (!request->object)
		return ipc_call_errno(call, EINVAL, "there is no object");
	r = ipc_take_proxy(service->ipc, &request->object->id, &proxy);
	if (r < 0)
		return r;

	owner->asked = false;
	lookup_provided(service, owner, proxy);
	ipc_proxy_unref(proxy);
	return service_manager_reply_provide(call);
}

int handle_leave(struct ipc_call *call, const Ipc__Manager__IdleExitRequest *request,
		 void *userdata)
{
	struct service *service = userdata;
	struct owner *owner = find_provided(service, request->name);

	if (!owner)
		return ipc_call_errno(call, ENOENT, "nobody has that name on demand");
	if (owner->entry.uid != ipc_call_uid(call) || owner->entry.pid != ipc_call_pid(call))
		return ipc_call_errno(call, EPERM, "%s belongs to another process",
				      owner->entry.name);
	if (owner->asked || lookup_is_awaited(service, owner->entry.name))
		return ipc_call_errno(call, EBUSY, "somebody waits for %s", owner->entry.name);

	owner->leaving = true;
	return service_manager_reply_idle_exit(call);
}
