// SPDX-License-Identifier: MIT
/*
 * Looking names up: see lookup.h. A call that gets no reply at once is kept in waiter.c:
 * Wait() for a name that nobody has; Get() while the service of the name is being started,
 * while its Provider is asked for the object, or shortly after our start, when its owner
 * may be about to register it again.
 */
#include <errno.h>
#include <stdlib.h>

#include "access.h"
#include "activation.h"
#include "idle-exit.h"
#include "lookup.h"
#include "reply.h"
#include "state.h"
#include "waiter.h"

void lookup_registered(struct manager *manager, struct owner *owner)
{
	if (owner->cookie)
		idle_exit_registered(manager, owner);
	else
		waiters_reply(manager, owner, owner->proxy);
}

void lookup_policy_changed(struct manager *manager)
{
	struct registry_entry *entry;
	size_t position = 0;

	while ((entry = registry_next(manager->registry, "", &position))) {
		struct owner *owner = owner_of(entry);

		if (owner->cookie)
			idle_exit_wanted(manager, owner);
		else
			waiters_reply(manager, owner, owner->proxy);
	}
}

/* Nobody has the name, and no service is configured for it. */
static bool is_missing(const struct manager *manager, const char *name)
{
	return !registry_find(manager->registry, name) && !activation_find(manager, name);
}

void lookup_settle(struct manager *manager)
{
	struct waiter *next;

	for (struct waiter *waiter = manager->waiters; waiter; waiter = next) {
		next = waiter->next;
		if (!waiter->get || !is_missing(manager, waiter->entry.name))
			continue;
		reply_unknown(waiter->call);
		waiter_end(manager, waiter);
	}
}

/* --- Getting and waiting ----------------------------------------------------------- */

static const char *lookup_problem(const char *name, const char *interface)
{
	if (!registry_name_is_valid(name))
		return BAD_NAME;
	if (!registry_interface_is_valid(interface))
		return BAD_INTERFACE;

	return NULL;
}

/* What looking a name up leads to. */
struct finding {
	bool replied; /* the reply was sent, and the handler returns r */
	int r;
	bool hidden;	     /* the policy hides the name from the caller */
	struct owner *owner; /* NULL: for this caller nobody has the name */
};

static struct finding replied(int r)
{
	return (struct finding){ .replied = true, .r = r };
}

static struct finding find(const struct manager *manager, struct wanted *wanted,
			   unsigned int rights)
{
	const char *problem = lookup_problem(wanted->name, wanted->interface);
	struct policy_decision decision;
	struct registry_entry *entry;
	int r;

	if (problem)
		return replied(ipc_call_errno(wanted->call, EINVAL, "%s", problem));
	r = caller_init(&wanted->caller, wanted->call, manager->policy);
	if (r < 0)
		return replied(r);

	decision = access_decide(manager, &wanted->caller, rights, wanted->name);
	if (decision.verdict == POLICY_REFUSE)
		return replied(reply_denied(wanted->call, &decision, wanted->name));

	entry = registry_find(manager->registry, wanted->name);
	if (!entry || decision.verdict == POLICY_HIDE)
		return (struct finding){ .hidden = decision.verdict == POLICY_HIDE };
	return (struct finding){ .owner = owner_of(entry) };
}

static int wait_for_start(struct manager *manager, struct wanted *wanted,
			  struct activation *activation)
{
	const char *problem = activation_problem(activation);
	int r;

	if (wanted->get && problem)
		return reply_unreachable(wanted->call, wanted->name, problem);

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

static int wait_for_object(struct manager *manager, struct wanted *wanted, struct owner *owner)
{
	int r;

	if (!has_interface(&owner->entry, wanted->interface))
		return reply_other_interface(wanted->call, &owner->entry, wanted->interface);

	r = waiter_add(manager, wanted);
	if (r == 0)
		idle_exit_wanted(manager, owner);
	return r;
}

static int get_or_wait(struct manager *manager, struct wanted *wanted)
{
	struct finding finding = find(manager, wanted, POLICY_FIND | POLICY_CALL);
	struct owner *owner = finding.owner;
	int r;

	if (finding.replied)
		r = finding.r;
	else if (!owner && finding.hidden)
		r = wanted->get ? reply_unknown(wanted->call) : waiter_add(manager, wanted);
	else if (!owner)
		r = wait_for_name(manager, wanted);
	else if (owner->cookie)
		r = wait_for_object(manager, wanted, owner);
	else
		r = reply_object(wanted->call, owner, owner->proxy, wanted->interface, wanted->get);

	caller_done(&wanted->caller);
	return r;
}

int handle_get(struct ipc_call *call, const Ipc__Manager__GetRequest *request, void *userdata)
{
	struct wanted wanted = { call, request->name, request->interface, .get = true };

	return get_or_wait(userdata, &wanted);
}

int handle_wait(struct ipc_call *call, const Ipc__Manager__WaitRequest *request, void *userdata)
{
	struct wanted wanted = { call, request->name, request->interface, .get = false };

	return get_or_wait(userdata, &wanted);
}

static int reply_check(struct ipc_call *call, const struct owner *owner)
{
	Ipc__Manager__CheckReply reply = IPC__MANAGER__CHECK_REPLY__INIT;
	Ipc__Manager__Entry entry;

	entry_message(&entry, &owner->entry);
	reply.entry = &entry;
	return service_manager_reply_check(call, &reply);
}

int handle_check(struct ipc_call *call, const Ipc__Manager__CheckRequest *request, void *userdata)
{
	struct wanted wanted = { call, request->name, request->interface, .get = false };
	struct finding finding = find(userdata, &wanted, POLICY_FIND);
	int r;

	if (finding.replied)
		r = finding.r;
	else if (!finding.owner)
		r = reply_unknown(call);
	else if (!has_interface(&finding.owner->entry, request->interface))
		r = reply_other_interface(call, &finding.owner->entry, request->interface);
	else
		r = reply_check(call, finding.owner);

	caller_done(&wanted.caller);
	return r;
}

/* --- Listing ------------------------------------------------------------------------ */

struct listing {
	Ipc__Manager__Entry *entries;
	Ipc__Manager__Entry **pointers;
	size_t count;
};

static void listing_done(struct listing *listing)
{
	free(listing->entries);
	free(listing->pointers);
}

static void listing_fill(struct listing *listing, const struct manager *manager,
			 const struct caller *caller, const char *prefix)
{
	struct registry_entry *entry;
	size_t position = 0;

	while ((entry = registry_next(manager->registry, prefix, &position))) {
		Ipc__Manager__Entry *line = &listing->entries[listing->count];

		if (!access_allows(manager, caller, POLICY_LIST, entry->name))
			continue;
		entry_message(line, entry);
		listing->pointers[listing->count++] = line;
	}
}

/* With space for every name, whether the caller may list it or not. */
static int listing_init(struct listing *listing, const struct registry *registry,
			const char *prefix)
{
	size_t position = 0, count = 0;

	while (registry_next(registry, prefix, &position))
		count++;

	listing->count = 0;
	listing->entries = calloc(count + 1, sizeof(*listing->entries));
	listing->pointers = calloc(count + 1, sizeof(*listing->pointers));
	if (!listing->entries || !listing->pointers) {
		listing_done(listing);
		return -ENOMEM;
	}

	return 0;
}

int handle_list(struct ipc_call *call, const Ipc__Manager__ListRequest *request, void *userdata)
{
	Ipc__Manager__ListReply reply = IPC__MANAGER__LIST_REPLY__INIT;
	struct manager *manager = userdata;
	struct listing listing;
	struct caller caller;
	int r;

	if (!registry_prefix_is_valid(request->prefix))
		return ipc_call_errno(call, EINVAL, "invalid prefix: " BAD_NAME);

	r = caller_init(&caller, call, manager->policy);
	if (r < 0)
		return r;
	r = listing_init(&listing, manager->registry, request->prefix);
	if (r < 0) {
		caller_done(&caller);
		return r;
	}

	listing_fill(&listing, manager, &caller, request->prefix);
	caller_done(&caller);
	reply.entries = listing.pointers;
	reply.n_entries = listing.count;
	r = service_manager_reply_list(call, &reply);
	listing_done(&listing);
	return r;
}
