// SPDX-License-Identifier: MIT
/*
 * Looking up names: see manager.h. waiter.c keeps calls that cannot be answered at once: Wait() for
 * a name without an owner; Get() while the service of the name is being started, or shortly after
 * servicemanager started, when the owner may be about to register the name again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "manager.h"

void lookup_policy_changed(struct manager *manager)
{
	struct registry_entry *entry = NULL;

	while ((entry = registry_next(manager->registry, "", entry ? entry->name : "")))
		waiters_reply(manager, owner_of(entry));
}

void lookup_settle(struct manager *manager)
{
	char name[REGISTRY_NAME_MAX + 1] = "";
	const struct registry_waiter *first;

	while ((first = registry_waiters_after(manager->registry, name))) {
		strcpy(name, first->name);
		if (!registry_find(manager->registry, name) && !activation_find(manager, name))
			waiters_fail(manager, name, /* gets_only= */ true, ENOENT, NO_OWNER);
	}
}

/* --- Getting and waiting ----------------------------------------------------------- */

/* Looks up the name for a caller that needs these rights. Returns 1 and sets *ret_owner, to NULL if
 * the name has no owner or is hidden from the caller. Otherwise returns the result of the handler:
 * 0 if an error reply was sent, or -errno. */
static int find(const struct manager *manager, struct wanted *wanted, unsigned int rights,
		struct owner **ret_owner)
{
	struct policy_decision decision;
	struct registry_entry *entry;
	int r;

	if (!registry_name_is_valid(wanted->name))
		return ipc_call_fail(wanted->call, EINVAL, NULL, BAD_NAME);
	if (!registry_interface_is_valid(wanted->interface))
		return ipc_call_fail(wanted->call, EINVAL, NULL, BAD_INTERFACE);
	r = caller_init(&wanted->caller, wanted->call, manager->options.policy);
	if (r < 0)
		return r;

	decision = access_decide(manager, &wanted->caller, rights, wanted->name);
	if (decision.verdict == POLICY_REFUSE)
		return reply_denied(wanted->call, &decision, wanted->name);

	wanted->hidden = decision.verdict == POLICY_HIDE;
	entry = registry_find(manager->registry, wanted->name);
	*ret_owner = entry && !wanted->hidden ? owner_of(entry) : NULL;
	return 1;
}

static int wait_for_start(struct manager *manager, struct wanted *wanted,
			  struct activation *activation)
{
	const char *problem = activation_problem(activation);
	int r;

	if (wanted->get && problem)
		return ipc_call_fail(wanted->call, EHOSTUNREACH, NULL,
				     "cannot start the program of %s: %s", wanted->name, problem);

	r = waiter_add(manager, wanted);
	if (r == 0)
		activation_wanted(activation);
	return r;
}

static int wait_for_name(struct manager *manager, struct wanted *wanted)
{
	struct activation *activation = activation_find(manager, wanted->name);

	if (activation)
		return wait_for_start(manager, wanted, activation);
	if (wanted->get && manager->settled)
		return reply_unknown(wanted->call);

	return waiter_add(manager, wanted);
}

static int get_or_wait(struct manager *manager, struct wanted *wanted)
{
	struct owner *owner = NULL;
	int r = find(manager, wanted, POLICY_FIND | POLICY_CALL, &owner);

	if (r > 0 && wanted->hidden)
		r = wanted->get ? reply_unknown(wanted->call) : waiter_add(manager, wanted);
	else if (r > 0 && !owner)
		r = wait_for_name(manager, wanted);
	else if (r > 0)
		r = reply_object(wanted->call, owner, wanted->interface, wanted->get);

	caller_done(&wanted->caller);
	return r;
}

int handle_get(struct ipc_call *call, const Ipc__Manager__GetRequest *request, void *userdata)
{
	struct wanted wanted = { call, request->name, request->interface, .get = true };

	return get_or_wait(userdata, &wanted);
}

int handle_wait(struct ipc_call *call, const Ipc__Manager__GetRequest *request, void *userdata)
{
	struct wanted wanted = { call, request->name, request->interface, .get = false };

	return get_or_wait(userdata, &wanted);
}

int handle_check(struct ipc_call *call, const Ipc__Manager__CheckRequest *request, void *userdata)
{
	struct wanted wanted = { call, request->name, request->interface, .get = false };
	Ipc__Manager__CheckReply reply = IPC__MANAGER__CHECK_REPLY__INIT;
	Ipc__Manager__Entry entry;
	struct owner *owner = NULL;
	int r = find(userdata, &wanted, POLICY_FIND, &owner);

	if (r > 0 && !owner) {
		r = reply_unknown(call);
	} else if (r > 0 && !has_interface(&owner->entry, request->interface)) {
		r = reply_other_interface(call, &owner->entry, request->interface);
	} else if (r > 0) {
		entry_message(&entry, &owner->entry);
		reply.entry = &entry;
		r = service_manager_reply_check(call, &reply);
	}

	caller_done(&wanted.caller);
	return r;
}

/* --- Listing --------------------------------------------------------------------------- */

/* Maximum number of entries in a reply, so that a request takes a bounded time. */
#define PAGE 64

struct page {
	Ipc__Manager__Entry entries[PAGE];
	Ipc__Manager__Entry *pointers[PAGE];
	Ipc__Manager__Activation activations[PAGE];
};

static int reply_activatable(const struct manager *manager, struct ipc_call *call,
			     const Ipc__Manager__ListRequest *request, const struct caller *caller)
{
	Ipc__Manager__ListReply reply = IPC__MANAGER__LIST_REPLY__INIT;
	const char *name = request->after;
	const struct activation *activation;
	struct page page;

	while ((activation = activation_next(manager, request->prefix, name, &name))) {
		const struct registry_entry *owner = registry_find(manager->registry, name);
		Ipc__Manager__Entry *entry = &page.entries[reply.n_entries];

		if (!access_allows(manager, caller, POLICY_LIST, name))
			continue;
		if (reply.n_entries == PAGE) {
			reply.more = true;
			break;
		}
		ipc__manager__entry__init(entry);
		entry->uid = activation_uid(activation);
		if (owner)
			entry_message(entry, owner);
		entry->name = (char *)name;
		entry->activation = &page.activations[reply.n_entries];
		activation_message(entry->activation, activation);
		page.pointers[reply.n_entries++] = entry;
	}

	reply.entries = page.pointers;
	return service_manager_reply_list(call, &reply);
}

static int reply_registered(const struct manager *manager, struct ipc_call *call,
			    const Ipc__Manager__ListRequest *request, const struct caller *caller)
{
	Ipc__Manager__ListReply reply = IPC__MANAGER__LIST_REPLY__INIT;
	const char *after = request->after;
	struct registry_entry *entry;
	struct page page;

	while ((entry = registry_next(manager->registry, request->prefix, after))) {
		after = entry->name;
		if (!access_allows(manager, caller, POLICY_LIST, entry->name))
			continue;
		if (reply.n_entries == PAGE) {
			reply.more = true;
			break;
		}
		page.pointers[reply.n_entries] = &page.entries[reply.n_entries];
		entry_message(page.pointers[reply.n_entries++], entry);
	}

	reply.entries = page.pointers;
	return service_manager_reply_list(call, &reply);
}

int handle_list(struct ipc_call *call, const Ipc__Manager__ListRequest *request, void *userdata)
{
	const struct manager *manager = userdata;
	struct caller caller;
	int r;

	if (!registry_prefix_is_valid(request->prefix) || !registry_prefix_is_valid(request->after))
		return ipc_call_fail(call, EINVAL, NULL, "invalid prefix: " BAD_NAME);
	r = caller_init(&caller, call, manager->options.policy);
	if (r < 0)
		return r;

	r = (request->activatable ? reply_activatable : reply_registered)(manager, call, request,
									  &caller);
	caller_done(&caller);
	return r;
}
