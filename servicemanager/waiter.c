// SPDX-License-Identifier: MIT
/*
 * Calls that wait for a name: see waiter.h. Each is in two lists: that of its name in the
 * registry, and that of all waiters in the manager.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "reply.h"
#include "state.h"
#include "waiter.h"

/* The request of a call that waits stays in our region for as long. */
#define WAIT_PAYLOAD_MAX 512

static void waiter_free(struct waiter *waiter)
{
	*waiter->link = waiter->next;
	if (waiter->next)
		waiter->next->link = waiter->link;

	/* If it was replied to, this fails, and is not needed. */
	ipc_call_on_cancel(waiter->call, /* cb= */ NULL, /* userdata= */ NULL);
	caller_done(&waiter->caller);
	ipc_call_unref(waiter->call);
	free(waiter);
}

void waiter_end(struct manager *manager, struct waiter *waiter)
{
	registry_unwait(manager->registry, &waiter->entry);
	waiter_free(waiter);
}

/* The caller died, canceled the call, or its deadline passed. */
static void call_canceled(struct ipc_call *call, void *userdata)
{
	struct waiter *waiter = userdata;

	log_verbose(waiter->manager, "stopped waiting for %s: canceled by pid %d",
		    waiter->entry.name, ipc_call_pid(call));
	waiter_end(waiter->manager, waiter);
}

static int waiter_new(struct manager *manager, struct wanted *wanted, struct waiter **ret_waiter)
{
	struct waiter *waiter = calloc(1, sizeof(*waiter));
	int r;

	if (!waiter)
		return -ENOMEM;

	waiter->manager = manager;
	strcpy(waiter->entry.name, wanted->name);
	strcpy(waiter->interface, wanted->interface);
	waiter->get = wanted->get;
	waiter->entry.uid = ipc_call_uid(wanted->call);
	waiter->call = ipc_call_ref(wanted->call);
	waiter->link = &manager->waiters;
	waiter->next = manager->waiters;
	if (waiter->next)
		waiter->next->link = &waiter->next;
	manager->waiters = waiter;

	r = ipc_call_on_cancel(waiter->call, call_canceled, waiter);
	if (r < 0) {
		waiter_free(waiter);
		return r;
	}

	waiter->caller = wanted->caller;
	wanted->caller = (struct caller){ .groups = NULL };
	*ret_waiter = waiter;
	return 0;
}

int waiter_add(struct manager *manager, struct wanted *wanted)
{
	struct ipc_call *call = wanted->call;
	struct waiter *waiter;
	size_t size;
	int r;

	ipc_call_payload(call, &size);
	if (size > WAIT_PAYLOAD_MAX)
		return -EMSGSIZE;

	r = waiter_new(manager, wanted, &waiter);
	if (r < 0)
		return r;

	r = registry_wait(manager->registry, &waiter->entry);
	if (r < 0) {
		waiter_free(waiter);
		return reply_failure(call, r, "waiting calls");
	}

	log_verbose(manager, "waiting for %s: pid %d, uid %u", waiter->entry.name,
		    ipc_call_pid(call), ipc_call_uid(call));
	return 0;
}

bool waiters_exist(const struct manager *manager, const char *name)
{
	struct registry_waiter *entry = registry_waiters(manager->registry, name);

	for (; entry; entry = entry->next) {
		const struct waiter *waiter = container_of(entry, struct waiter, entry);

		if (access_allows(manager, &waiter->caller, POLICY_FIND | POLICY_CALL, name))
			return true;
	}

	return false;
}

static void waiter_reply(struct manager *manager, struct waiter *waiter, const struct owner *owner,
			 const struct ipc_proxy *object)
{
	struct policy_decision decision = access_decide(
		manager, &waiter->caller, POLICY_FIND | POLICY_CALL, owner->entry.name);
	int r;

	/* For this caller nobody has the name. */
	if (decision.verdict == POLICY_HIDE)
		return;

	if (decision.verdict == POLICY_ALLOW)
		r = reply_object(waiter->call, owner, object, waiter->interface, waiter->get);
	else
		r = reply_denied(waiter->call, &decision, owner->entry.name);
	if (r < 0)
		ipc_call_errno(waiter->call, -r, "cannot send the object");
	waiter_end(manager, waiter);
}

void waiters_reply(struct manager *manager, const struct owner *owner,
		   const struct ipc_proxy *object)
{
	struct registry_waiter *next, *entry;

	for (entry = registry_waiters(manager->registry, owner->entry.name); entry; entry = next) {
		next = entry->next;
		waiter_reply(manager, container_of(entry, struct waiter, entry), owner, object);
	}
}

void waiters_fail(struct manager *manager, const char *name, int code, const char *text)
{
	struct registry_waiter *next, *entry;

	for (entry = registry_waiters(manager->registry, name); entry; entry = next) {
		struct waiter *waiter = container_of(entry, struct waiter, entry);

		next = entry->next;
		ipc_call_errno(waiter->call, code, "%s: %s", name, text);
		waiter_end(manager, waiter);
	}
}

void waiters_fail_gets(struct manager *manager, const char *name, const char *problem)
{
	struct registry_waiter *next, *entry;

	for (entry = registry_waiters(manager->registry, name); entry; entry = next) {
		struct waiter *waiter = container_of(entry, struct waiter, entry);

		next = entry->next;
		if (!waiter->get)
			continue;
		reply_unreachable(waiter->call, name, problem);
		waiter_end(manager, waiter);
	}
}

void waiters_end(struct manager *manager)
{
	while (manager->waiters) {
		ipc_call_errno(manager->waiters->call, ENOTCONN, "servicemanager exits");
		waiter_end(manager, manager->waiters);
	}
}
