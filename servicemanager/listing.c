// SPDX-License-Identifier: MIT
/*
 * Listing names: see manager.h. A reply has one page of the list, so that a request takes a
 * bounded time.
 */
#include <errno.h>

#include "manager.h"

/* Maximum number of entries in one reply. */
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
		return ipc_call_errno(call, EINVAL, "invalid prefix: " BAD_NAME);
	r = caller_init(&caller, call, manager->options.policy);
	if (r < 0)
		return r;

	r = (request->activatable ? reply_activatable : reply_registered)(manager, call, request,
									  &caller);
	caller_done(&caller);
	return r;
}
