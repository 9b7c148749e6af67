// SPDX-License-Identifier: MIT
/*
 * Calls that wait for a name: see manager.h.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manager.h"

/* The request of a waiting call stays in the region of servicemanager for as long as it waits. */
#define WAIT_PAYLOAD_MAX 512

struct waiter {
	struct registry_waiter entry;
	struct manager *manager;
	char interface[REGISTRY_INTERFACE_MAX + 1]; /* empty: any interface */
	struct caller caller;
	bool get; /* Get(), not Wait() */
	struct ipc_call *call;
	struct ipc_slot *on_cancel;
};

static void waiter_free(struct waiter *waiter)
{
	ipc_slot_end_async(waiter->on_cancel);
	caller_done(&waiter->caller);
	ipc_call_unref(waiter->call);
	free(waiter);
}

/* Removes a waiter. Its call must have a reply, or need none. */
static void waiter_end(struct manager *manager, struct waiter *waiter, const char *how)
{
	log_verbose(manager, "stopped waiting for %s: %s: pid %d", waiter->entry.name, how,
		    ipc_call_pid(waiter->call));
	registry_unwait(manager->registry, &waiter->entry);
	waiter_free(waiter);
}

/* Removes the waiter of a caller that died or canceled the call, or whose deadline passed. */
static void call_canceled(struct ipc_call *call, void *userdata)
{
	struct waiter *waiter = userdata;

	waiter_end(waiter->manager, waiter,
		   ipc_call_remaining(call) ? "canceled" : "the timeout expired");
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

	r = ipc_call_on_cancel(waiter->call, call_canceled, waiter, &waiter->on_cancel);
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

static void waiter_reply(struct manager *manager, struct waiter *waiter, const struct owner *owner)
{
	struct policy_decision decision = access_decide(
		manager, &waiter->caller, POLICY_FIND | POLICY_CALL, owner->entry.name);
	int r;

	/* For this caller the name is not registered. */
	if (decision.verdict == POLICY_HIDE)
		return;

	if (decision.verdict == POLICY_ALLOW)
		r = reply_object(waiter->call, owner, waiter->interface, waiter->get);
	else
		r = reply_denied(waiter->call, &decision, owner->entry.name);
	if (r < 0)
		ipc_call_fail(waiter->call, -r, NULL, "cannot send the object");
	waiter_end(manager, waiter,
		   decision.verdict == POLICY_ALLOW ? "registered" : "refused by the policy");
}

void waiters_reply(struct manager *manager, const struct owner *owner)
{
	struct registry_waiter *next, *entry;

	for (entry = registry_waiters(manager->registry, owner->entry.name); entry; entry = next) {
		next = entry->next;
		waiter_reply(manager, container_of(entry, struct waiter, entry), owner);
	}
}

void waiters_fail(struct manager *manager, const char *name, bool gets_only, int code,
		  const char *format, ...)
{
	struct registry_waiter *next, *entry;
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	for (entry = registry_waiters(manager->registry, name); entry; entry = next) {
		struct waiter *waiter = container_of(entry, struct waiter, entry);

		next = entry->next;
		if (gets_only && !waiter->get)
			continue;
		ipc_call_fail(waiter->call, code, NULL, "%s", text);
		waiter_end(manager, waiter, text);
	}
}

void waiters_end(struct manager *manager)
{
	const struct registry_waiter *first;

	while (manager->registry && (first = registry_waiters_after(manager->registry, "")))
		waiters_fail(manager, first->name, /* gets_only= */ false, ENOTCONN,
			     "the service manager exits");
}
