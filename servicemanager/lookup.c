// SPDX-License-Identifier: MIT
/*
 * Getting, checking, waiting for and listing names.
 *
 * A call that is not answered yet is a struct waiter: one of Wait(), or one of
 * Get() for a name whose owner may be about to add it again, because
 * servicemanager came a moment ago.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

/* A call that waits is kept with its request, which stays in our region. */
#define WAIT_PAYLOAD_MAX 512

struct waiter {
	struct registry_waiter entry;
	struct service *service;
	char interface[REGISTRY_INTERFACE_MAX + 1]; /* wanted, or empty */
	struct caller caller;
	bool get; /* Get(), not Wait() */
	struct waiter *next, **link; /* in service.waiters */
	struct ipc_call *call;
};

/* What a caller asks for. */
struct wanted {
	struct ipc_call *call;
	const char *name;
	const char *interface; /* empty: any */
	bool get; /* Get(), not Wait() */
	struct caller caller;
};

int answer_unknown(struct ipc_call *call)
{
	return ipc_call_errno(call, ENOENT, "nobody has that name");
}

void entry_message(Ipc__Manager__Entry *message, const struct registry_entry *entry)
{
	ipc__manager__entry__init(message);
	message->name = (char *)entry->name;
	message->interface = (char *)entry->interface;
	message->pid = (uint32_t)entry->pid;
	message->uid = entry->uid;
	message->idle_exit = owner_of((struct registry_entry *)entry)->cookie;
}

/* --- Answering ------------------------------------------------------------------- */

/* Is the object what the caller wants? */
static bool has_interface(const struct registry_entry *entry, const char *interface)
{
	return !*interface || !*entry->interface || !strcmp(interface, entry->interface);
}

static int answer_other_interface(struct ipc_call *call, const struct registry_entry *entry,
				  const char *wanted)
{
	return ipc_call_errno(call, EPROTOTYPE, "%s is a %s and no %s", entry->name,
			      entry->interface, wanted);
}

static int reply_get(struct ipc_call *call, Ipc__Object *object)
{
	Ipc__Manager__GetReply reply = IPC__MANAGER__GET_REPLY__INIT;

	reply.object = object;
	return service_manager_reply_get(call, &reply);
}

static int reply_wait(struct ipc_call *call, Ipc__Object *object)
{
	Ipc__Manager__WaitReply reply = IPC__MANAGER__WAIT_REPLY__INIT;

	reply.object = object;
	return service_manager_reply_wait(call, &reply);
}

static int hand_over(struct ipc_call *call, const struct owner *owner,
		     const struct ipc_proxy *proxy, const char *interface, bool get)
{
	Ipc__Object object = IPC__OBJECT__INIT;

	if (!has_interface(&owner->entry, interface))
		return answer_other_interface(call, &owner->entry, interface);

	object.id = ipc_proxy_id(proxy);
	return get ? reply_get(call, &object) : reply_wait(call, &object);
}

/* --- Waiters -------------------------------------------------------------------- */

static void waiter_free(struct waiter *waiter)
{
	*waiter->link = waiter->next;
	if (waiter->next)
		waiter->next->link = waiter->link;

	/* It may have been answered; then nothing comes of it any more. */
	ipc_call_on_cancel(waiter->call, /* cb= */ NULL, /* userdata= */ NULL);
	caller_done(&waiter->caller);
	ipc_call_unref(waiter->call);
	free(waiter);
}

static void waiter_end(struct service *service, struct waiter *waiter)
{
	registry_unwait(service->registry, &waiter->entry);
	waiter_free(waiter);
}

/* It ended, or its time is over. */
static void caller_gave_up(struct ipc_call *call, void *userdata)
{
	struct waiter *waiter = userdata;

	say(waiter->service, "pid %d waits for %s no more", ipc_call_pid(call),
	    waiter->entry.name);
	waiter_end(waiter->service, waiter);
}

/* Takes over what wanted has of the caller, if it succeeds. */
static int waiter_new(struct service *service, struct wanted *wanted,
		      struct waiter **ret_waiter)
{
	struct waiter *waiter = calloc(1, sizeof(*waiter));
	int r;

	if (!waiter)
		return -ENOMEM;

	waiter->service = service;
	strcpy(waiter->entry.name, wanted->name);
	strcpy(waiter->interface, wanted->interface);
	waiter->get = wanted->get;
	waiter->entry.uid = ipc_call_uid(wanted->call);
	waiter->call = ipc_call_ref(wanted->call);
	waiter->link = &service->waiters;
	waiter->next = service->waiters;
	if (waiter->next)
		waiter->next->link = &waiter->next;
	service->waiters = waiter;

	r = ipc_call_on_cancel(waiter->call, caller_gave_up, waiter);
	if (r < 0) {
		waiter_free(waiter);
		return r;
	}

	waiter->caller = wanted->caller;
	wanted->caller = (struct caller){ .groups = NULL };
	*ret_waiter = waiter;
	return 0;
}

/* The call stays open until somebody has the name. */
static int keep_waiting(struct service *service, struct wanted *wanted)
{
	struct ipc_call *call = wanted->call;
	struct waiter *waiter;
	size_t size;
	int r;

	ipc_call_payload(call, &size);
	if (size > WAIT_PAYLOAD_MAX)
		return -EMSGSIZE;

	r = waiter_new(service, wanted, &waiter);
	if (r < 0)
		return r;

	r = registry_wait(service->registry, &waiter->entry);
	if (r < 0) {
		waiter_free(waiter);
		return answer_failure(call, r, "waiting calls");
	}

	say(service, "pid %d, uid %u waits for %s", ipc_call_pid(call), ipc_call_uid(call),
	    waiter->entry.name);
	return 0;
}

bool lookup_is_awaited(const struct service *service, const char *name)
{
	struct registry_waiter *entry = registry_waiters(service->registry, name);

	for (; entry; entry = entry->next) {
		const struct waiter *waiter = container_of(entry, struct waiter, entry);

		if (access_allows(service, &waiter->caller, POLICY_FIND | POLICY_CALL, name))
			return true;
	}

	return false;
}

static void waiter_answer(struct service *service, struct waiter *waiter,
			  const struct owner *owner, const struct ipc_proxy *object)
{
	struct policy_decision decision =
		access_decide(service, &waiter->caller, POLICY_FIND | POLICY_CALL,
			      owner->entry.name);
	int r;

	/* For this one it is not there. */
	if (decision.verdict == POLICY_HIDE)
		return;

	if (decision.verdict == POLICY_ALLOW)
		r = hand_over(waiter->call, owner, object, waiter->interface, waiter->get);
	else
		r = answer_denied(waiter->call, &decision, owner->entry.name);
	if (r < 0)
		ipc_call_errno(waiter->call, -r, "the object cannot be handed over");
	waiter_end(service, waiter);
}

void lookup_provided(struct service *service, const struct owner *owner,
		     const struct ipc_proxy *object)
{
	struct registry_waiter *next, *entry;

	for (entry = registry_waiters(service->registry, owner->entry.name); entry; entry = next) {
		next = entry->next;
		waiter_answer(service, container_of(entry, struct waiter, entry), owner, object);
	}
}

void lookup_appeared(struct service *service, struct owner *owner)
{
	if (owner->cookie)
		provide_appeared(service, owner);
	else
		lookup_provided(service, owner, owner->proxy);
}

void lookup_failed(struct service *service, const char *name, int code, const char *text)
{
	struct registry_waiter *next, *entry;

	for (entry = registry_waiters(service->registry, name); entry; entry = next) {
		struct waiter *waiter = container_of(entry, struct waiter, entry);

		next = entry->next;
		ipc_call_errno(waiter->call, code, "%s: %s", name, text);
		waiter_end(service, waiter);
	}
}

int answer_unreachable(struct ipc_call *call, const char *name, const char *problem)
{
	return ipc_call_errno(call, EHOSTUNREACH, "%s: its service does not start: %s", name,
			      problem);
}

void lookup_unreachable(struct service *service, const char *name, const char *problem)
{
	struct registry_waiter *next, *entry;

	for (entry = registry_waiters(service->registry, name); entry; entry = next) {
		struct waiter *waiter = container_of(entry, struct waiter, entry);

		next = entry->next;
		if (!waiter->get)
			continue;
		answer_unreachable(waiter->call, name, problem);
		waiter_end(service, waiter);
	}
}

void lookup_policy_changed(struct service *service)
{
	struct registry_entry *entry;
	size_t position = 0;

	while ((entry = registry_next(service->registry, "", &position))) {
		struct owner *owner = owner_of(entry);

		if (owner->cookie)
			provide_wanted(service, owner);
		else
			lookup_provided(service, owner, owner->proxy);
	}
}

/* Is the name one that nobody has, and for which nobody will be started? */
static bool is_missing(const struct service *service, const char *name)
{
	return !registry_find(service->registry, name) && !activation_find(service, name);
}

void lookup_settle(struct service *service)
{
	struct waiter *next;

	for (struct waiter *waiter = service->waiters; waiter; waiter = next) {
		next = waiter->next;
		if (!waiter->get || !is_missing(service, waiter->entry.name))
			continue;
		answer_unknown(waiter->call);
		waiter_end(service, waiter);
	}
}

void lookup_end(struct service *service)
{
	while (service->waiters) {
		ipc_call_errno(service->waiters->call, ENOTCONN, "servicemanager ends");
		waiter_end(service, service->waiters);
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

/*
 * What a question about a name leads to: the owner, or NULL if for this caller nobody
 * has it. Or an answer was given, and r is what the handler is to return.
 */
struct finding {
	bool answered;
	bool hidden;
	int r;
	struct owner *owner;
};

static struct finding answered(int r)
{
	return (struct finding){ .answered = true, .r = r };
}

static struct finding find(const struct service *service, struct wanted *wanted,
			   unsigned int rights)
{
	const char *problem = lookup_problem(wanted->name, wanted->interface);
	struct policy_decision decision;
	struct registry_entry *entry;
	int r;

	if (problem)
		return answered(ipc_call_errno(wanted->call, EINVAL, "%s", problem));
	r = caller_init(&wanted->caller, wanted->call, service->policy);
	if (r < 0)
		return answered(r);

	decision = access_decide(service, &wanted->caller, rights, wanted->name);
	if (decision.verdict == POLICY_REFUSE)
		return answered(answer_denied(wanted->call, &decision, wanted->name));

	entry = registry_find(service->registry, wanted->name);
	if (!entry || decision.verdict == POLICY_HIDE)
		return (struct finding){ .hidden = decision.verdict == POLICY_HIDE };
	return (struct finding){ .owner = owner_of(entry) };
}

static int wait_for_start(struct service *service, struct wanted *wanted,
			  struct activation *activation)
{
	const char *problem = activation_problem(activation);
	int r;

	if (wanted->get && problem)
		return answer_unreachable(wanted->call, wanted->name, problem);

	r = keep_waiting(service, wanted);
	if (r == 0)
		activation_wanted(activation);
	return r;
}

static int wait_for_name(struct service *service, struct wanted *wanted)
{
	struct activation *activation = activation_find(service, wanted->name);

	if (activation)
		return wait_for_start(service, wanted, activation);
	if (wanted->get && service->settled)
		return answer_unknown(wanted->call);

	return keep_waiting(service, wanted);
}

static int wait_for_object(struct service *service, struct wanted *wanted, struct owner *owner)
{
	int r;

	if (!has_interface(&owner->entry, wanted->interface))
		return answer_other_interface(wanted->call, &owner->entry, wanted->interface);

	r = keep_waiting(service, wanted);
	if (r == 0)
		provide_wanted(service, owner);
	return r;
}

static int get_or_wait(struct service *service, struct wanted *wanted)
{
	struct finding finding = find(service, wanted, POLICY_FIND | POLICY_CALL);
	struct owner *owner = finding.owner;
	int r;

	if (finding.answered)
		r = finding.r;
	else if (!owner && finding.hidden)
		r = wanted->get ? answer_unknown(wanted->call) : keep_waiting(service, wanted);
	else if (!owner)
		r = wait_for_name(service, wanted);
	else if (owner->cookie)
		r = wait_for_object(service, wanted, owner);
	else
		r = hand_over(wanted->call, owner, owner->proxy, wanted->interface, wanted->get);

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

int handle_check(struct ipc_call *call, const Ipc__Manager__CheckRequest *request,
		 void *userdata)
{
	struct wanted wanted = { call, request->name, request->interface, .get = false };
	struct finding finding = find(userdata, &wanted, POLICY_FIND);
	int r;

	if (finding.answered)
		r = finding.r;
	else if (!finding.owner)
		r = answer_unknown(call);
	else if (!has_interface(&finding.owner->entry, request->interface))
		r = answer_other_interface(call, &finding.owner->entry, request->interface);
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

static void listing_fill(struct listing *listing, const struct service *service,
			 const struct caller *caller, const char *prefix)
{
	struct registry_entry *entry;
	size_t position = 0;

	while ((entry = registry_next(service->registry, prefix, &position))) {
		Ipc__Manager__Entry *line = &listing->entries[listing->count];

		if (!access_allows(service, caller, POLICY_LIST, entry->name))
			continue;
		entry_message(line, entry);
		listing->pointers[listing->count++] = line;
	}
}

/* All that there may be on it. */
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
	struct service *service = userdata;
	struct listing listing;
	struct caller caller;
	int r;

	if (!registry_prefix_is_valid(request->prefix))
		return ipc_call_errno(call, EINVAL, "no name has that prefix: " BAD_NAME);

	r = caller_init(&caller, call, service->policy);
	if (r < 0)
		return r;
	r = listing_init(&listing, service->registry, request->prefix);
	if (r < 0) {
		caller_done(&caller);
		return r;
	}

	listing_fill(&listing, service, &caller, request->prefix);
	caller_done(&caller);
	reply.entries = listing.pointers;
	reply.n_entries = listing.count;
	r = service_manager_reply_list(call, &reply);
	listing_done(&listing);
	return r;
}
