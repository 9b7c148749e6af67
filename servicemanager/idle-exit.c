// SPDX-License-Identifier: MIT
/*
 * Names whose service exits when no client has the object: see manager.h. For such a name
 * servicemanager holds a Provider instead of the object. So only clients hold references to the
 * object, and the driver notifies the service when the last client drops its reference. If a caller
 * requests the object, the manager asks the Provider once, receives the object by Provide(), and
 * sends it to all waiting callers.
 *
 *   idle     no caller waits for the object
 *   asked    the Provider was asked; new callers wait with the others
 *   exiting  the service called IdleExit(); callers wait until it unregisters the name,
 *            registers it again, or dies
 */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "manager.h"

int idle_exit_cookie(uint64_t *ret_cookie)
{
	do {
		if (getrandom(ret_cookie, sizeof(*ret_cookie), /* flags= */ 0) < 0)
			return -errno;
	} while (!*ret_cookie);

	return 0;
}

static int notify_provider(const struct owner *owner, uint64_t cookie)
{
	Ipc__Manager__NeedRequest request = IPC__MANAGER__NEED_REQUEST__INIT;

	request.cookie = cookie;
	return provider_need(provider_from_proxy(owner->proxy), &request);
}

void idle_exit_wanted(struct manager *manager, struct owner *owner)
{
	int r;

	if (owner->exiting || owner->asked || !waiters_exist(manager, owner->entry.name))
		return;

	r = notify_provider(owner, owner->cookie);
	if (r == 0)
		owner->asked = true;
	else
		waiters_fail(manager, owner->entry.name, /* gets_only= */ false, -r,
			     "%s: its Provider cannot be notified", owner->entry.name);
}

/* If the Provider cannot be notified that no caller waits, it exits later. */
void idle_exit_registered(struct manager *manager, struct owner *owner)
{
	owner->exiting = false;
	if (waiters_exist(manager, owner->entry.name))
		idle_exit_wanted(manager, owner);
	else if (notify_provider(owner, /* cookie= */ 0) < 0)
		log_verbose(manager, "failed to notify the Provider of %s that no client waits for it",
			    owner->entry.name);
}

static struct owner *find_idle_exit(const struct manager *manager, const char *name)
{
	struct registry_entry *entry =
		registry_name_is_valid(name) ? registry_find(manager->registry, name) : NULL;

	return entry && owner_of(entry)->cookie ? owner_of(entry) : NULL;
}

int handle_provide(struct ipc_call *call, const Ipc__Manager__ProvideRequest *request,
		   void *userdata)
{
	struct manager *manager = userdata;
	struct owner *owner = find_idle_exit(manager, request->name);
	struct ipc_proxy *proxy;
	int r;

	/* Only the Provider knows the cookie. */
	if (!owner || !owner->asked || owner->cookie != request->cookie)
		return ipc_call_fail(
			call, ENOENT, NULL,
			"no client waits for the object of that name, or the cookie is wrong");
	if (!request->object)
		return ipc_call_fail(call, EINVAL, NULL, "no object in the request");
	r = ipc_take_proxy(manager->ipc, &request->object->id, &proxy);
	if (r < 0)
		return r;

	owner->asked = false;
	waiters_reply(manager, owner, proxy);
	ipc_proxy_unref(proxy);
	return service_manager_reply_provide(call);
}

int handle_idle_exit(struct ipc_call *call, const Ipc__Manager__IdleExitRequest *request,
		     void *userdata)
{
	struct manager *manager = userdata;
	struct owner *owner = find_idle_exit(manager, request->name);
	bool own = owner && owner->entry.uid == ipc_call_uid(call) &&
		   owner->entry.pid == ipc_call_pid(call);
	int r = 1;

	if (!registry_name_is_valid(request->name))
		return ipc_call_fail(call, EINVAL, NULL, BAD_NAME);
	if (!own)
		r = access_reply_unseen(manager, call, request->name);
	if (r <= 0)
		return r;
	if (!owner)
		return ipc_call_fail(call, ENOENT, NULL,
				     "that name is not registered with a Provider");
	if (!own)
		return ipc_call_fail(call, EPERM, NULL, "another process registered %s",
				     owner->entry.name);
	if (owner->asked || waiters_exist(manager, owner->entry.name))
		return ipc_call_fail(call, EBUSY, NULL, "a caller waits for %s", owner->entry.name);

	owner->exiting = true;
	return service_manager_reply_idle_exit(call);
}
