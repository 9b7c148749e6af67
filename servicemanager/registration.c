// SPDX-License-Identifier: MIT
/*
 * Registering and unregistering names. A registered name has a struct owner, until the name is
 * unregistered, another object replaces the object, or the object dies. Registrations in the queue
 * of a name are struct owner as well.
 *
 * The number of an owner is the time at which it got the name. So the numbers of a manager are
 * higher than those of the managers before it. Until owners from before our start have registered
 * again, a new owner has the number PROVISIONAL.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "manager.h"

/* After a restart, owners register their names again within milliseconds. The manager waits until
 * no owner has registered a name for SETTLE_QUIET_USEC, but at most SETTLE_MAX_USEC. */
#define SETTLE_QUIET_USEC 300000
#define SETTLE_MAX_USEC	  3000000

/* --- Owners -------------------------------------------------------------------- */

#define PROVISIONAL 1

static uint64_t next_number(struct manager *manager)
{
	uint64_t now = now_usec();

	manager->last_number = now > manager->last_number ? now : manager->last_number + 1;
	return manager->last_number;
}

static void has_name(struct manager *manager, struct owner *owner)
{
	log_verbose(manager, "registered %s: %s (pid %d, uid %u)", owner->entry.name,
		    *owner->entry.interface ? owner->entry.interface : "an object",
		    owner->entry.pid, owner->entry.uid);
	activation_registered(manager, owner->entry.name);
	waiters_reply(manager, owner);
	watch_changed(manager, owner->entry.name);
}

/* The name may have lost its owner: the first in its queue gets it. */
static void name_changed(struct manager *manager, const char *name)
{
	struct registry_entry *next = registry_promote(manager->registry, name);

	if (!next) {
		watch_changed(manager, name);
		return;
	}
	next->number = next_number(manager);
	owner_of(next)->queued = false;
	has_name(manager, owner_of(next));
	registrant_notify(manager, owner_of(next));
}

/* Ends a registration. The caller frees the owner. */
static void unregister(struct manager *manager, struct owner *owner)
{
	registry_unregister(manager->registry, &owner->entry);
	if (!owner->queued)
		name_changed(manager, owner->entry.name);
}

static void owner_died(struct ipc_proxy *proxy, void *userdata)
{
	struct owner *owner = userdata;
	struct manager *manager = owner->manager;

	(void)proxy;
	if (!owner->lost) {
		log_verbose(manager, "unregistered %s: its object or the bus ended (pid %d, uid %u)",
			    owner->entry.name, owner->entry.pid, owner->entry.uid);
		unregister(manager, owner);
	}
	owner_free(owner);
}

/* Takes the Registrant out of a request, if there is any. */
static int take_registrant(struct manager *manager, Ipc__Object *object,
			   struct registrant **ret_registrant)
{
	return object && object->id ? registrant_take(manager->ipc, object, ret_registrant) : 0;
}

/* Takes the proxy over, even on failure. */
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
	owner->registrant_cookie = request->cookie;
	owner->idle_exit = request->idle_exit;
	r = take_registrant(manager, request->registrant, &owner->registrant);
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

static const char *register_problem(const Ipc__Manager__RegisterNameRequest *request)
{
	if (!registry_name_is_valid(request->name))
		return BAD_NAME;
	if (!strcmp(request->name, "servicemanager"))
		return "the name servicemanager means the service manager itself";
	if (!registry_interface_is_valid(request->interface))
		return BAD_INTERFACE;
	if (!request->object || !request->object->id)
		return "the request needs an object";

	return NULL;
}

static bool is_same(const struct owner *a, const struct owner *b)
{
	return a->proxy == b->proxy && a->registrant == b->registrant &&
	       a->entry.uid == b->entry.uid && a->entry.pid == b->entry.pid &&
	       !strcmp(a->entry.interface, b->entry.interface) && a->idle_exit == b->idle_exit;
}

/* Returns the registration that the request repeats: after each of our restarts every owner
 * registers its names again. */
static struct owner *find_same(const struct manager *manager, const struct owner *owner)
{
	struct registry_entry *entry = registry_find(manager->registry, owner->entry.name);

	if (entry && is_same(owner_of(entry), owner))
		return owner_of(entry);
	entry = registry_queue(manager->registry, owner->entry.name);
	while (entry && !is_same(owner_of(entry), owner))
		entry = entry->next;

	return entry ? owner_of(entry) : NULL;
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

static int reply_registered(struct ipc_call *call, const struct owner *owner)
{
	Ipc__Manager__RegisterNameReply reply = IPC__MANAGER__REGISTER_NAME_REPLY__INIT;

	reply.number = owner->queued ? 0 : owner->entry.number;
	return service_manager_reply_register_name(call, &reply);
}

static int reply_taken(struct manager *manager, struct ipc_call *call, const char *name, int r)
{
	const struct registry_entry *old = registry_find(manager->registry, name) ?:
					   registry_queue(manager->registry, name);

	if (r == -ESTALE)
		return ipc_call_fail(call, ESTALE, NULL, "pid %d has replaced the registration of %s",
				      old->pid, name);
	if (r != -EEXIST)
		return reply_failure(call, r, "names");
	if (old->uid != ipc_call_uid(call))
		return ipc_call_fail(call, EEXIST, NULL, "%s belongs to a living object of uid %u", name,
				      old->uid);

	return ipc_call_fail(call, EEXIST, NULL, "%s belongs to the living object of your pid %d",
			      name, old->pid);
}

/* Sets the number of a new owner, and returns the flags for the registry. */
static unsigned int registry_flags(struct manager *manager, struct owner *owner,
				   const Ipc__Manager__RegisterNameRequest *request)
{
	unsigned int flags = (request->queue ? REGISTRY_QUEUE : 0) |
			     (request->replace ? REGISTRY_REPLACE : 0);

	owner->entry.number = next_number(manager);
	if (request->number && request->number < owner->entry.number) {
		/* A replay has priority over a new owner. */
		owner->entry.number = request->number > PROVISIONAL ? request->number :
								      PROVISIONAL + 1;
		return flags | REGISTRY_REPLAY;
	}
	if (manager->settled || request->replace)
		return flags;
	owner->entry.number = PROVISIONAL;
	return flags | (request->queue ? REGISTRY_WAIT : 0);
}

/* Takes the owner over. */
static int register_owner(struct manager *manager, struct ipc_call *call, struct owner *owner,
			  const Ipc__Manager__RegisterNameRequest *request)
{
	struct owner *same = find_same(manager, owner);
	struct registry_entry *old = NULL;
	int r;

	if (same) {
		same->registrant_cookie = owner->registrant_cookie;
		owner_free(owner);
		return reply_registered(call, same);
	}

	r = registry_register(manager->registry, &owner->entry,
			      registry_flags(manager, owner, request), &old);
	if (r < 0) {
		owner_free(owner);
		return reply_taken(manager, call, request->name, r);
	}
	if (!manager->settled)
		settle_later(manager);
	owner->queued = r;
	if (r == 0)
		has_name(manager, owner);
	r = reply_registered(call, owner);
	if (old) {
		owner_of(old)->lost = true;
		registrant_notify(manager, owner_of(old));
	}
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
	r = ipc_take_proxy(manager->ipc, &request->object->id, &proxy);
	if (r == -EXDEV)
		return ipc_call_fail(call, EINVAL, NULL,
				     "the service manager's own object cannot be registered");
	if (r < 0)
		return r;

	r = owner_new(manager, call, request, proxy, &owner);
	if (r < 0)
		return r;

	return register_owner(manager, call, owner, request);
}

/* --- Unregistering --------------------------------------------------------------- */

static bool may_unregister(const struct ipc_call *call, const struct registry_entry *entry)
{
	return !ipc_call_uid(call) || ipc_call_uid(call) == entry->uid;
}

/* Returns 0 and the registration that the request means, or NULL if there is none. */
static int find_registration(struct manager *manager,
			     const Ipc__Manager__UnregisterNameRequest *request,
			     struct registry_entry **ret_entry)
{
	struct registry_entry *entry = registry_find(manager->registry, request->name);
	struct registrant *registrant = NULL;
	int r = take_registrant(manager, request->registrant, &registrant);

	if (r < 0)
		return r;
	if (registrant && !(entry && owner_of(entry)->registrant == registrant &&
			    owner_of(entry)->registrant_cookie == request->cookie)) {
		entry = registry_queue(manager->registry, request->name);
		while (entry && (owner_of(entry)->registrant != registrant ||
				 owner_of(entry)->registrant_cookie != request->cookie))
			entry = entry->next;
	}
	registrant_unref(registrant);
	*ret_entry = entry;
	return 0;
}

/* The owner is notified, unless the request came from its own connection. */
static void end_registration(struct manager *manager, struct ipc_call *call, struct owner *owner,
			     bool by_registrant)
{
	log_verbose(manager, "unregistered %s: request of pid %d, uid %u", owner->entry.name,
		    ipc_call_pid(call), ipc_call_uid(call));
	unregister(manager, owner);
	if (by_registrant) {
		owner_free(owner);
		return;
	}
	owner->lost = true;
	registrant_notify(manager, owner);
}

int handle_unregister_name(struct ipc_call *call,
			   const Ipc__Manager__UnregisterNameRequest *request, void *userdata)
{
	/* Taking the Registrant clears the field. */
	bool by_registrant = request->registrant && request->registrant->id;
	struct manager *manager = userdata;
	struct registry_entry *entry;
	int r;

	if (!registry_name_is_valid(request->name))
		return ipc_call_fail(call, EINVAL, NULL, BAD_NAME);

	r = find_registration(manager, request, &entry);
	if (r < 0)
		return r;
	if (!entry || !may_unregister(call, entry)) {
		r = access_reply_unseen(manager, call, request->name);
		if (r <= 0)
			return r;
	}
	if (!entry)
		return reply_unknown(call);
	if (!may_unregister(call, entry))
		return ipc_call_fail(call, EPERM, NULL, "%s belongs to uid %u", entry->name,
				     entry->uid);

	end_registration(manager, call, owner_of(entry), by_registrant);
	return service_manager_reply_unregister_name(call);
}

void registrations_settle(struct manager *manager)
{
	struct registry_entry *entry = NULL;
	char name[REGISTRY_NAME_MAX + 1] = "";
	const struct registry_entry *first;

	while ((entry = registry_next(manager->registry, "", entry ? entry->name : ""))) {
		if (entry->number > PROVISIONAL + 1)
			continue;
		entry->number = next_number(manager);
		registrant_notify(manager, owner_of(entry));
	}
	while ((first = registry_queue_after(manager->registry, name))) {
		strcpy(name, first->name);
		if (!registry_find(manager->registry, name))
			name_changed(manager, name);
	}
}

void registrations_end(struct manager *manager)
{
	struct registry_entry *entry;

	while (manager->registry && ((entry = registry_next(manager->registry, "", "")) ||
				     (entry = registry_queue_after(manager->registry, "")))) {
		registry_unregister(manager->registry, entry);
		owner_free(owner_of(entry));
	}
}
