// SPDX-License-Identifier: MIT
/*
 * Registering and unregistering names. Each registered name has a struct owner, until the name is
 * unregistered, another object replaces the object, or the object dies.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "manager.h"

/* After a restart, owners register their names again within milliseconds. The manager waits until
 * no owner has registered a name for SETTLE_QUIET_USEC, but at most SETTLE_MAX_USEC. */
#define SETTLE_QUIET_USEC 300000
#define SETTLE_MAX_USEC	  3000000

/* After its object died, a name is reserved for its user for this time. */
#define RESERVED_USEC 10000000ULL
/* Reservations expire in batches, at most one batch in this time. */
#define EXPIRE_USEC   1000000ULL

/* Returns the end of the reservation of a name that loses its owner now. */
static uint64_t reservation_time(struct manager *manager)
{
	uint64_t until = now_usec() + RESERVED_USEC;

	if (!manager->expire_at)
		manager->expire_at = until;
	return until;
}

/* --- Owners -------------------------------------------------------------------- */

/* The owner must not be in the registry. */
static void owner_free(struct owner *owner)
{
	ipc_slot_end_async(owner->death);
	ipc_proxy_unref(owner->proxy);
	free(owner);
}

static void owner_died(struct ipc_proxy *proxy, void *userdata)
{
	struct owner *owner = userdata;

	(void)proxy;
	registry_unregister(owner->manager->registry, &owner->entry,
			    reservation_time(owner->manager));
	log_verbose(owner->manager, "unregistered %s: its object died (pid %d, uid %u)",
		    owner->entry.name, owner->entry.pid, owner->entry.uid);
	watch_changed(owner->manager, owner->entry.name);
	owner_free(owner);
}

/* Takes ownership of the proxy, even on failure. */
static int owner_new(struct manager *manager, struct ipc_call *call,
		     const Ipc__Manager__RegisterNameRequest *request, struct ipc_proxy *proxy,
		     struct owner **ret_owner)
{
	struct owner *owner = calloc(1, sizeof(*owner));
	int r;

	if (!owner) {
		ipc_proxy_unref(proxy);
		return -ENOMEM;
	}

	strcpy(owner->entry.name, request->name);
	strcpy(owner->entry.interface, request->interface);
	owner->entry.pid = ipc_call_pid(call);
	owner->entry.uid = ipc_call_uid(call);
	owner->manager = manager;
	owner->proxy = proxy;
	r = request->provider ? idle_exit_cookie(&owner->cookie) : 0;
	if (r == 0)
		r = ipc_proxy_on_death(proxy, owner_died, owner, &owner->death);
	if (r < 0) {
		owner_free(owner);
		return r;
	}

	*ret_owner = owner;
	return 0;
}

/* --- Registering ----------------------------------------------------------------- */

/* Returns the object or its Provider, or NULL if the request has neither or both. */
static Ipc__Object *registered_object(const Ipc__Manager__RegisterNameRequest *request)
{
	bool object = request->object && request->object->id;
	bool provider = request->provider && request->provider->id;

	if (object == provider)
		return NULL;

	return object ? request->object : request->provider;
}

static const char *register_problem(const Ipc__Manager__RegisterNameRequest *request)
{
	if (!registry_name_is_valid(request->name))
		return BAD_NAME;
	if (!registry_interface_is_valid(request->interface))
		return BAD_INTERFACE;
	if (!registered_object(request))
		return "the request needs either an object or a provider";

	return NULL;
}

/* If the name is already registered in the same way, returns its owner. After each restart of
 * servicemanager, owners register their names again. */
static struct owner *find_same(const struct manager *manager, const struct owner *owner)
{
	struct registry_entry *entry = registry_find(manager->registry, owner->entry.name);

	if (!entry || owner_of(entry)->proxy != owner->proxy || entry->uid != owner->entry.uid ||
	    entry->pid != owner->entry.pid || strcmp(entry->interface, owner->entry.interface) ||
	    !owner_of(entry)->cookie != !owner->cookie)
		return NULL;

	return owner_of(entry);
}

static void settle_later(struct manager *manager)
{
	uint64_t latest = manager->started_at + SETTLE_MAX_USEC;
	uint64_t at = now_usec() + SETTLE_QUIET_USEC;

	if (at > latest)
		at = latest;
	if (at > manager->settled_at)
		manager->settled_at = at;
}

static void registered(struct manager *manager, struct owner *owner, struct registry_entry *old)
{
	log_verbose(manager, "registered %s: %s (pid %d, uid %u)", owner->entry.name,
		    *owner->entry.interface ? owner->entry.interface : "an object",
		    owner->entry.pid, owner->entry.uid);
	if (old)
		owner_free(owner_of(old));
	if (!manager->settled)
		settle_later(manager);
	activation_registered(manager, owner->entry.name);
	lookup_registered(manager, owner);
	watch_changed(manager, owner->entry.name);
}

/* Takes ownership of the owner. */
static int register_owner(struct manager *manager, struct ipc_call *call, struct owner *owner)
{
	struct owner *same = find_same(manager, owner);
	const char *name = owner->entry.name;
	struct registry_entry *old;
	int r;

	if (same) {
		owner_free(owner);
		/* The service was about to exit and continues to run. */
		if (same->exiting)
			idle_exit_registered(manager, same);
		return service_manager_reply_register_name(call);
	}

	r = registry_register(manager->registry, &owner->entry, &old);
	if (r == 0) {
		registered(manager, owner, old);
		return service_manager_reply_register_name(call);
	}

	if (r == -EEXIST)
		r = ipc_call_fail(call, EEXIST, NULL, "%s belongs to a living object of uid %u",
				  name, registry_find(manager->registry, name)->uid);
	else if (r == -EBUSY)
		r = ipc_call_fail(call, EEXIST, NULL,
				  "%s is reserved for another user, whose object died", name);
	else
		r = reply_failure(call, r, "names");
	owner_free(owner);
	return r;
}

int handle_register_name(struct ipc_call *call, const Ipc__Manager__RegisterNameRequest *request,
			 void *userdata)
{
	const char *problem = register_problem(request);
	struct policy_decision decision;
	struct manager *manager = userdata;
	struct ipc_proxy *proxy;
	struct owner *owner;
	int r;

	if (problem)
		return ipc_call_fail(call, EINVAL, NULL, "%s", problem);

	r = access_decide_call(manager, call, POLICY_REGISTER, request->name, &decision);
	if (r < 0)
		return r;
	if (decision.verdict != POLICY_ALLOW)
		return reply_denied(call, &decision, request->name);

	if (!activation_allows(manager, request->name, ipc_call_uid(call)))
		return ipc_call_fail(call, EACCES, NULL,
				     "%s is reserved for the service that is started for it",
				     request->name);
	r = ipc_take_proxy(manager->ipc, &registered_object(request)->id, &proxy);
	if (r == -EXDEV)
		return ipc_call_fail(call, EINVAL, NULL,
				     "servicemanager's own object cannot be registered");
	if (r < 0)
		return r;

	r = owner_new(manager, call, request, proxy, &owner);
	if (r < 0)
		return r;

	return register_owner(manager, call, owner);
}

/* --- Unregistering --------------------------------------------------------------- */

static bool may_unregister(const struct ipc_call *call, const struct registry_entry *entry)
{
	return !ipc_call_uid(call) || ipc_call_uid(call) == entry->uid;
}

int handle_unregister_name(struct ipc_call *call,
			   const Ipc__Manager__UnregisterNameRequest *request, void *userdata)
{
	struct manager *manager = userdata;
	struct registry_entry *entry;
	int r;

	if (!registry_name_is_valid(request->name))
		return ipc_call_fail(call, EINVAL, NULL, BAD_NAME);

	entry = registry_find(manager->registry, request->name);
	if (!entry || !may_unregister(call, entry)) {
		r = access_reply_unseen(manager, call, request->name);
		if (r <= 0)
			return r;
	}
	if (!entry || (request->idle_exit && (!owner_of(entry)->exiting ||
					      entry->pid != ipc_call_pid(call))))
		return reply_unknown(call);
	if (!may_unregister(call, entry))
		return ipc_call_fail(call, EPERM, NULL, "%s belongs to uid %u", entry->name,
				     entry->uid);

	log_verbose(manager, "unregistered %s: request of pid %d, uid %u", entry->name,
		    ipc_call_pid(call), ipc_call_uid(call));
	/* A service that exits when idle is started again, so its name stays reserved for its
	 * user. */
	registry_unregister(manager->registry, entry,
			    request->idle_exit ? reservation_time(manager) : 0);
	watch_changed(manager, entry->name);
	owner_free(owner_of(entry));
	return service_manager_reply_unregister_name(call);
}

int registrations_work(struct manager *manager)
{
	uint64_t now = now_usec(), next;

	if (manager->expire_at && now >= manager->expire_at) {
		next = registry_expire(manager->registry, now);
		manager->expire_at = next ? next + EXPIRE_USEC : 0;
	}
	return manager->expire_at ? timeout_until(manager->expire_at) : -1;
}

void registrations_end(struct manager *manager)
{
	struct registry_entry *entry;

	while (manager->registry && (entry = registry_next(manager->registry, "", ""))) {
		registry_unregister(manager->registry, entry, 0);
		owner_free(owner_of(entry));
	}
	if (manager->registry)
		registry_expire(manager->registry, UINT64_MAX);
}
