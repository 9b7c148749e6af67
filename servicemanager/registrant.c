// SPDX-License-Identifier: MIT
/*
 * Notifying owners that they got a name from its queue, or lost it: see manager.h.
 *
 * While the region of a receiver is full, its owners wait in the list manager->unnotified. An owner
 * that has lost its name counts as a name of its user while it waits, so the list is bounded.
 */
#include <errno.h>
#include <stdlib.h>

#include "manager.h"

#define RETRY_USEC 500000ULL

static void unlink_unnotified(struct owner *owner)
{
	struct owner **link = &owner->manager->unnotified;

	while (*link && *link != owner)
		link = &(*link)->next_unnotified;
	if (*link)
		*link = owner->next_unnotified;
}

void owner_free(struct owner *owner)
{
	unlink_unnotified(owner);
	if (owner->charged)
		registry_uncharge(owner->manager->registry, owner->entry.uid);
	ipc_slot_end_async(owner->death);
	registrant_unref(owner->registrant);
	ipc_proxy_unref(owner->proxy);
	free(owner);
}

static int send(const struct owner *owner)
{
	Ipc__Manager__RegistrationChange change = IPC__MANAGER__REGISTRATION_CHANGE__INIT;

	if (!owner->registrant)
		return 0;
	change.cookie = owner->registrant_cookie;
	change.number = owner->lost ? 0 : owner->entry.number;
	return registrant_changed(owner->registrant, &change);
}

static bool may_succeed_later(int r)
{
	return r == -EAGAIN || r == -ENOSPC || r == -EDQUOT || r == -ENOMEM;
}

/* Returns 0 if the owner may wait in the list. */
static int charge(struct manager *manager, struct owner *owner)
{
	int r = 0;

	if (owner->lost && !owner->charged)
		r = registry_charge(manager->registry, owner->entry.uid);
	owner->charged = owner->lost && r == 0;
	return r;
}

/* Notifies an owner that got or lost its name. If its region is full, adds the owner to the list of
 * owners to notify later, in which it must not be. */
static void notify(struct manager *manager, struct owner *owner)
{
	int r = send(owner);

	if (may_succeed_later(r) && charge(manager, owner) == 0) {
		owner->next_unnotified = manager->unnotified;
		manager->unnotified = owner;
		return;
	}
	if (r < 0 && r != -EOWNERDEAD)
		log_line("cannot notify pid %d that it %s %s: %s", owner->entry.pid,
			 owner->lost ? "lost" : "has", owner->entry.name, ipc_strerror(r));
	if (owner->lost)
		owner_free(owner);
}

void registrant_notify(struct manager *manager, struct owner *owner)
{
	unlink_unnotified(owner);
	notify(manager, owner);
	if (manager->unnotified && !manager->notify_at)
		manager->notify_at = now_usec() + RETRY_USEC;
}

int registrants_work(struct manager *manager)
{
	struct owner *owner, *next;

	if (!manager->notify_at)
		return -1;
	if (now_usec() >= manager->notify_at) {
		owner = manager->unnotified;
		manager->unnotified = NULL;
		for (; owner; owner = next) {
			next = owner->next_unnotified;
			notify(manager, owner);
		}
		manager->notify_at = manager->unnotified ? now_usec() + RETRY_USEC : 0;
	}
	return manager->notify_at ? timeout_until(manager->notify_at) : -1;
}

void registrants_end(struct manager *manager)
{
	while (manager->unnotified)
		owner_free(manager->unnotified);
}
