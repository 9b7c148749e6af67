// SPDX-License-Identifier: MIT
/*
 * Listing names: see listing.h. A list is what costs most, so nobody waits for those of
 * others: a reply has a page of the list, and in each turn of the loop one call gets its
 * reply, of one user after the other.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "activation.h"
#include "listing.h"
#include "reply.h"
#include "private.h"

/* Entries of one reply. */
#define PAGE 256

/* Calls that wait for their turn. */
#define USER_LISTINGS 64
#define ALL_LISTINGS  1024

/* A call that waits for its turn. */
struct listing {
	struct manager *manager;
	struct ipc_call *call;
	struct ipc_slot *on_cancel;
	const Ipc__Manager__ListRequest *request; /* lives as long as the call */
	struct listing *next, **link;
};

static void listing_free(struct listing *listing)
{
	*listing->link = listing->next;
	if (listing->next)
		listing->next->link = listing->link;
	ipc_slot_end_async(listing->on_cancel);
	ipc_call_unref(listing->call);
	free(listing);
}

static void call_canceled(struct ipc_call *call, void *userdata)
{
	(void)call;
	listing_free(userdata);
}

/* The end of the list; NULL: there are too many. */
static struct listing **find_end(struct manager *manager, uid_t uid)
{
	struct listing **link = &manager->listings;
	size_t own = 0, all = 0;

	for (; *link; link = &(*link)->next) {
		own += ipc_call_uid((*link)->call) == uid;
		all++;
	}

	return own < USER_LISTINGS && (all < ALL_LISTINGS || !uid) ? link : NULL;
}

int handle_list(struct ipc_call *call, const Ipc__Manager__ListRequest *request, void *userdata)
{
	struct manager *manager = userdata;
	struct listing **end = find_end(manager, ipc_call_uid(call)), *listing;
	int r;

	if (!registry_prefix_is_valid(request->prefix) || !registry_prefix_is_valid(request->after))
		return ipc_call_errno(call, EINVAL, "invalid prefix: " BAD_NAME);
	if (!end)
		return reply_failure(call, -EDQUOT, "lists at once");

	listing = calloc(1, sizeof(*listing));
	if (!listing)
		return -ENOMEM;

	listing->manager = manager;
	listing->call = ipc_call_ref(call);
	listing->request = request;
	listing->link = end;
	*end = listing;
	r = ipc_call_on_cancel(call, call_canceled, listing, &listing->on_cancel);
	if (r < 0)
		listing_free(listing);
	return r;
}

/* --- Replying ----------------------------------------------------------------------- */

struct page {
	Ipc__Manager__Entry entries[PAGE];
	Ipc__Manager__Entry *pointers[PAGE];
	Ipc__Manager__Activation activations[PAGE];
};

static int reply_activatable(const struct manager *manager, const struct listing *listing,
			     const struct caller *caller, struct page *page)
{
	Ipc__Manager__ListReply reply = IPC__MANAGER__LIST_REPLY__INIT;
	struct activation_name *names;
	size_t n;
	int r = activation_names(manager, listing->request->prefix, listing->request->after, &names,
				 &n);

	for (size_t i = 0; r == 0 && i < n; i++) {
		const struct registry_entry *owner =
			registry_find(manager->registry, names[i].name);
		Ipc__Manager__Entry *entry = &page->entries[reply.n_entries];

		if (!access_allows(manager, caller, POLICY_LIST, names[i].name))
			continue;
		reply.more = reply.n_entries == PAGE;
		if (reply.more)
			break;
		ipc__manager__entry__init(entry);
		entry->uid = names[i].uid;
		if (owner)
			entry_message(entry, owner);
		entry->name = (char *)names[i].name;
		entry->activation = &page->activations[reply.n_entries];
		activation_message(entry->activation, names[i].activation);
		page->pointers[reply.n_entries++] = entry;
	}

	reply.entries = page->pointers;
	if (r == 0) {
		r = service_manager_reply_list(listing->call, &reply);
		free(names);
	}
	return r;
}

static int reply_page(const struct manager *manager, const struct listing *listing,
		      const struct caller *caller, struct page *page)
{
	Ipc__Manager__ListReply reply = IPC__MANAGER__LIST_REPLY__INIT;
	struct registry_watch range = { .prefix = true };
	const char *after = listing->request->after;
	struct registry_entry *entry;

	strcpy(range.name, listing->request->prefix);
	while ((entry = registry_watched_after(manager->registry, &range, after))) {
		after = entry->name;
		if (!access_allows(manager, caller, POLICY_LIST, entry->name))
			continue;
		if (reply.n_entries == PAGE) {
			reply.more = true;
			break;
		}
		page->pointers[reply.n_entries] = &page->entries[reply.n_entries];
		entry_message(page->pointers[reply.n_entries++], entry);
	}

	reply.entries = page->pointers;
	return service_manager_reply_list(listing->call, &reply);
}

static void serve(struct manager *manager, const struct listing *listing)
{
	struct page *page = malloc(sizeof(*page));
	struct caller caller;
	int r = page ? caller_init(&caller, listing->call, manager->policy) : -ENOMEM;

	if (r == 0) {
		r = (listing->request->activatable ? reply_activatable :
						     reply_page)(manager, listing, &caller, page);
		caller_done(&caller);
	}
	if (r < 0)
		ipc_call_errno(listing->call, -r, "cannot list names");
	free(page);
}

/* The oldest call of the next user, in the order of their numbers. */
static struct listing *find_next(const struct manager *manager)
{
	struct listing *first = manager->listings, *next = NULL;

	for (struct listing *l = manager->listings; l; l = l->next) {
		uid_t uid = ipc_call_uid(l->call);

		if (uid < ipc_call_uid(first->call))
			first = l;
		if (uid > manager->listed && (!next || uid < ipc_call_uid(next->call)))
			next = l;
	}

	return next ?: first;
}

int listings_work(struct manager *manager)
{
	struct listing *listing = find_next(manager);

	if (!listing)
		return -1;

	manager->listed = ipc_call_uid(listing->call);
	serve(manager, listing);
	listing_free(listing);
	return manager->listings ? 0 : -1;
}

void listings_end(struct manager *manager)
{
	while (manager->listings) {
		ipc_call_errno(manager->listings->call, ENOTCONN, "servicemanager exits");
		listing_free(manager->listings);
	}
}
