// SPDX-License-Identifier: MIT
/*
 * The registry: a sorted array of names and a tree of users. There are at most thousands of names.
 * Their order is also the order of lists.
 */
#include <assert.h>
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "registry.h"

/* A name with an owner, with a queue, or with waiters. */
struct slot {
	char name[REGISTRY_NAME_MAX + 1];
	struct registry_entry *owner;
	struct registry_entry *queue;	 /* in the order they came */
	struct registry_waiter *waiters; /* in the order they came */
};

/* Kinds of objects that are counted. */
enum kind { NAMES, WAITERS, WATCHES, KINDS };

static const struct {
	size_t user, all;
} limits[KINDS] = {
	[NAMES] = { REGISTRY_USER_NAMES, REGISTRY_NAMES },
	[WAITERS] = { REGISTRY_USER_WAITERS, REGISTRY_WAITERS },
	[WATCHES] = { REGISTRY_USER_WATCHES, REGISTRY_WATCHES },
};

/* A user with at least one counted object. */
struct user {
	uid_t uid;
	size_t counts[KINDS];
};

struct registry {
	struct slot **slots; /* by name */
	size_t n_slots;
	size_t slots_size;
	void *users; /* by uid: tsearch(3) */
	size_t counts[KINDS];
	struct registry_watch *watches;
};

/* --- Rules for names ---------------------------------------------------------- */

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

static bool consists_of(const char *string, const char *accept, size_t max)
{
	size_t length = strspn(string, accept);

	return !string[length] && length <= max;
}

/* Names are used as arguments and paths, so a part must not begin with '-' and must not be "." or
 * "..". */
bool registry_prefix_is_valid(const char *prefix)
{
	for (const char *p = prefix; *p; p++)
		if (strchr("./-", *p) && (p == prefix || p[-1] == '/'))
			return false;

	return consists_of(prefix, LETTERS "0123456789_./-", REGISTRY_NAME_MAX);
}

bool registry_name_is_valid(const char *name)
{
	size_t size = strlen(name);

	return size && name[size - 1] != '/' && registry_prefix_is_valid(name);
}

bool registry_interface_is_valid(const char *interface)
{
	return consists_of(interface, LETTERS "0123456789_.", REGISTRY_INTERFACE_MAX);
}

/* --- Names and users ------------------------------------------------------------ */

static size_t slot_position(const struct registry *registry, const char *name)
{
	size_t low = 0, high = registry->n_slots;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(registry->slots[middle]->name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}

	return low;
}

static struct slot *slot_find(const struct registry *registry, const char *name)
{
	size_t i = slot_position(registry, name);

	if (i == registry->n_slots || strcmp(registry->slots[i]->name, name))
		return NULL;

	return registry->slots[i];
}

static struct slot *slot_get(struct registry *registry, const char *name)
{
	struct slot *slot = slot_find(registry, name);
	size_t i;

	if (slot)
		return slot;

	if (registry->n_slots == registry->slots_size) {
		size_t size = registry->slots_size ? 2 * registry->slots_size : 16;
		struct slot **slots = reallocarray(registry->slots, size, sizeof(*slots));

		if (!slots)
			return NULL;
		registry->slots = slots;
		registry->slots_size = size;
	}

	slot = calloc(1, sizeof(*slot));
	if (!slot)
		return NULL;

	strcpy(slot->name, name);
	i = slot_position(registry, name);
	memmove(&registry->slots[i + 1], &registry->slots[i],
		(registry->n_slots - i) * sizeof(*registry->slots));
	registry->slots[i] = slot;
	registry->n_slots++;
	return slot;
}

/* If the slot is empty, frees it. */
static void slot_put(struct registry *registry, struct slot *slot)
{
	size_t i;

	if (slot->owner || slot->queue || slot->waiters)
		return;

	i = slot_position(registry, slot->name);
	registry->n_slots--;
	memmove(&registry->slots[i], &registry->slots[i + 1],
		(registry->n_slots - i) * sizeof(*registry->slots));
	free(slot);
}

static int compare_users(const void *a, const void *b)
{
	const struct user *x = a, *y = b;

	return (x->uid > y->uid) - (x->uid < y->uid);
}

/* Returns NULL if the user has no counted objects. */
static struct user *user_find(const struct registry *registry, uid_t uid)
{
	struct user key = { .uid = uid };
	struct user **found = tfind(&key, &registry->users, compare_users);

	return found ? *found : NULL;
}

static struct user *user_get(struct registry *registry, uid_t uid)
{
	struct user *user = user_find(registry, uid);

	if (user)
		return user;

	user = calloc(1, sizeof(*user));
	if (!user)
		return NULL;
	user->uid = uid;
	if (!tsearch(user, &registry->users, compare_users)) {
		free(user);
		return NULL;
	}

	return user;
}

/* If the user has no counted objects, frees it. */
static void user_put(struct registry *registry, struct user *user)
{
	for (size_t i = 0; i < KINDS; i++)
		if (user->counts[i])
			return;

	tdelete(user, &registry->users, compare_users);
	free(user);
}

/* --- The registry ------------------------------------------------------------------ */

struct registry *registry_new(void)
{
	return calloc(1, sizeof(struct registry));
}

struct registry *registry_free(struct registry *registry)
{
	if (!registry)
		return NULL;

	assert(!registry->n_slots && !registry->users && !registry->watches);
	free(registry->slots);
	free(registry);
	return NULL;
}

/* Increments the counts of the user and of all users. discharge() undoes it. */
static int charge(struct registry *registry, uid_t uid, enum kind kind)
{
	struct user *user = user_get(registry, uid);

	if (!user)
		return -ENOMEM;

	/* A person may have thousands of uids, and reach the limit of all users with them. Root
	 * must still be able to register names. */
	if (user->counts[kind] >= limits[kind].user ||
	    (uid && registry->counts[kind] >= limits[kind].all)) {
		user_put(registry, user);
		return -EDQUOT;
	}

	user->counts[kind]++;
	registry->counts[kind]++;
	return 0;
}

static void discharge(struct registry *registry, uid_t uid, enum kind kind)
{
	struct user *user = user_find(registry, uid);

	user->counts[kind]--;
	registry->counts[kind]--;
	user_put(registry, user);
}

/* Does the entry take the name from an entry of the same user? */
static bool replaces(const struct registry_entry *entry, const struct registry_entry *old,
		     unsigned int flags)
{
	if (flags & REGISTRY_REPLAY)
		return entry->number > old->number;

	return flags & REGISTRY_REPLACE;
}

/* Returns 0 if the entry gets the name, 1 if it must wait in the queue, or the error. */
static int decide(const struct slot *slot, const struct registry_entry *entry, unsigned int flags)
{
	const struct registry_entry *old = slot ? slot->owner : NULL;

	if (old && old->uid != entry->uid)
		return -EEXIST;
	if (slot && slot->queue && slot->queue->uid != entry->uid)
		return -EEXIST;
	if (old ? replaces(entry, old, flags) : flags & (REGISTRY_REPLAY | REGISTRY_REPLACE))
		return 0;
	if (!old && !(slot && slot->queue) && !(flags & REGISTRY_WAIT))
		return 0;
	if (flags & REGISTRY_REPLAY)
		return -ESTALE;

	return flags & REGISTRY_QUEUE ? 1 : -EEXIST;
}

/* Links the entry as the owner, or at the end of the queue. Returns the owner before. */
static struct registry_entry *enter(struct slot *slot, struct registry_entry *entry, bool queued)
{
	struct registry_entry *old = slot->owner, **link = &slot->queue;

	entry->next = NULL;
	if (!queued) {
		slot->owner = entry;
		return old;
	}
	while (*link)
		link = &(*link)->next;
	*link = entry;
	return NULL;
}

int registry_register(struct registry *registry, struct registry_entry *entry, unsigned int flags,
		      struct registry_entry **ret_replaced)
{
	struct slot *slot = slot_find(registry, entry->name);
	int queued = decide(slot, entry, flags), r = 0;

	if (queued < 0)
		return queued;
	/* An entry that is replaced is counted already. */
	if (!(slot && slot->owner && !queued))
		r = charge(registry, entry->uid, NAMES);
	if (r < 0)
		return r;

	slot = slot_get(registry, entry->name);
	if (!slot) {
		discharge(registry, entry->uid, NAMES);
		return -ENOMEM;
	}

	*ret_replaced = enter(slot, entry, queued);
	return queued;
}

struct registry_entry *registry_queue(const struct registry *registry, const char *name)
{
	struct slot *slot = slot_find(registry, name);

	return slot ? slot->queue : NULL;
}

struct registry_entry *registry_queue_after(const struct registry *registry, const char *name)
{
	for (size_t i = slot_position(registry, name); i < registry->n_slots; i++)
		if (registry->slots[i]->queue && strcmp(registry->slots[i]->name, name))
			return registry->slots[i]->queue;

	return NULL;
}

struct registry_entry *registry_promote(struct registry *registry, const char *name)
{
	struct slot *slot = slot_find(registry, name);

	if (!slot || slot->owner || !slot->queue)
		return NULL;
	slot->owner = slot->queue;
	slot->queue = slot->owner->next;
	slot->owner->next = NULL;
	return slot->owner;
}

int registry_charge(struct registry *registry, uid_t uid)
{
	return charge(registry, uid, NAMES);
}

void registry_uncharge(struct registry *registry, uid_t uid)
{
	discharge(registry, uid, NAMES);
}

struct registry_entry *registry_find(const struct registry *registry, const char *name)
{
	struct slot *slot = slot_find(registry, name);

	return slot ? slot->owner : NULL;
}

void registry_unregister(struct registry *registry, struct registry_entry *entry)
{
	struct slot *slot = slot_find(registry, entry->name);
	struct registry_entry **link;

	assert(slot);
	for (link = &slot->queue; *link && *link != entry; link = &(*link)->next)
		;
	if (*link) {
		*link = entry->next;
	} else {
		assert(slot->owner == entry);
		slot->owner = NULL;
	}

	discharge(registry, entry->uid, NAMES);
	slot_put(registry, slot);
}

/* Names with the prefix follow each other, beginning at the position of the prefix. */
struct registry_entry *registry_next(const struct registry *registry, const char *prefix,
				     const char *after)
{
	size_t i = slot_position(registry, strcmp(after, prefix) > 0 ? after : prefix);

	for (; i < registry->n_slots; i++) {
		const struct slot *slot = registry->slots[i];

		if (strncmp(slot->name, prefix, strlen(prefix)))
			return NULL;
		if (slot->owner && strcmp(slot->name, after) > 0)
			return slot->owner;
	}

	return NULL;
}

/* --- Waiting -------------------------------------------------------------------------- */

int registry_wait(struct registry *registry, struct registry_waiter *waiter)
{
	struct registry_waiter **link;
	struct slot *slot;
	int r;

	r = charge(registry, waiter->uid, WAITERS);
	if (r < 0)
		return r;

	slot = slot_get(registry, waiter->name);
	if (!slot) {
		discharge(registry, waiter->uid, WAITERS);
		return -ENOMEM;
	}

	for (link = &slot->waiters; *link; link = &(*link)->next)
		;
	waiter->next = NULL;
	*link = waiter;
	return 0;
}

void registry_unwait(struct registry *registry, struct registry_waiter *waiter)
{
	struct slot *slot = slot_find(registry, waiter->name);
	struct registry_waiter **link;

	assert(slot);
	for (link = &slot->waiters; *link != waiter; link = &(*link)->next)
		assert(*link);

	*link = waiter->next;
	slot_put(registry, slot);
	discharge(registry, waiter->uid, WAITERS);
}

struct registry_waiter *registry_waiters(const struct registry *registry, const char *name)
{
	struct slot *slot = slot_find(registry, name);

	return slot ? slot->waiters : NULL;
}

struct registry_waiter *registry_waiters_after(const struct registry *registry, const char *name)
{
	for (size_t i = slot_position(registry, name); i < registry->n_slots; i++)
		if (registry->slots[i]->waiters && strcmp(registry->slots[i]->name, name))
			return registry->slots[i]->waiters;

	return NULL;
}

/* --- Watching -------------------------------------------------------------------------- */

int registry_watch(struct registry *registry, struct registry_watch *watch)
{
	int r = charge(registry, watch->uid, WATCHES);

	if (r < 0)
		return r;

	watch->next = registry->watches;
	watch->link = &registry->watches;
	if (watch->next)
		watch->next->link = &watch->next;
	registry->watches = watch;
	return 0;
}

static void watch_unlink(struct registry_watch *watch)
{
	*watch->link = watch->next;
	if (watch->next)
		watch->next->link = watch->link;
}

void registry_unwatch(struct registry *registry, struct registry_watch *watch)
{
	watch_unlink(watch);
	discharge(registry, watch->uid, WATCHES);
}

void registry_watch_last(struct registry *registry, struct registry_watch *watch)
{
	struct registry_watch **link;

	watch_unlink(watch);
	for (link = &registry->watches; *link; link = &(*link)->next)
		;
	watch->next = NULL;
	watch->link = link;
	*link = watch;
}

bool registry_watches(const struct registry_watch *watch, const char *name)
{
	if (watch->prefix)
		return !strncmp(name, watch->name, strlen(watch->name));

	return !strcmp(name, watch->name);
}

struct registry_watch *registry_next_watch(const struct registry *registry,
					   const struct registry_watch *before)
{
	return before ? before->next : registry->watches;
}
