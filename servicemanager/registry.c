// SPDX-License-Identifier: MIT
/*
 * The registry: an array of names and an array of users, both sorted. There are thousands
 * of names at most, and their order is the order of lists.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "registry.h"

/* A name with an owner, waiters or both. */
struct slot {
	char name[REGISTRY_NAME_MAX + 1];
	struct registry_entry *owner;
	struct registry_waiter *waiters; /* in the order they came */
};

/* What is counted. */
enum kind { NAMES, WAITERS, WATCHES, KINDS };

static const struct {
	size_t user, all;
} limits[KINDS] = {
	[NAMES] = { REGISTRY_USER_NAMES, REGISTRY_NAMES },
	[WAITERS] = { REGISTRY_USER_WAITERS, REGISTRY_WAITERS },
	[WATCHES] = { REGISTRY_USER_WATCHES, REGISTRY_WATCHES },
};

/* A user who has something here. */
struct user {
	uid_t uid;
	size_t counts[KINDS];
};

struct registry {
	struct slot **slots; /* by name */
	size_t n_slots;
	size_t slots_size;
	struct user *users; /* by uid */
	size_t n_users;
	size_t users_size;
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

bool registry_prefix_is_valid(const char *prefix)
{
	return consists_of(prefix, LETTERS "0123456789_./-", REGISTRY_NAME_MAX);
}

bool registry_name_is_valid(const char *name)
{
	return *name && registry_prefix_is_valid(name);
}

bool registry_interface_is_valid(const char *interface)
{
	return consists_of(interface, LETTERS "0123456789_.", REGISTRY_INTERFACE_MAX);
}

/* --- Sorted arrays -------------------------------------------------------------- */

/* The array, which may have moved, with space for one more element; or NULL. */
static void *array_grow(void *array, size_t count, size_t *size, size_t element)
{
	size_t grown = *size ? 2 * *size : 16;
	void *p;

	if (count < *size)
		return array;

	p = reallocarray(array, grown, element);
	if (p)
		*size = grown;

	return p;
}

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
	struct slot **slots;
	size_t i;

	if (slot)
		return slot;

	slots = array_grow(registry->slots, registry->n_slots, &registry->slots_size,
			   sizeof(*slots));
	if (!slots)
		return NULL;

	registry->slots = slots;
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

/* Forgets the name if it has neither an owner nor waiters. */
static void slot_put(struct registry *registry, struct slot *slot)
{
	size_t i;

	if (slot->owner || slot->waiters)
		return;

	i = slot_position(registry, slot->name);
	registry->n_slots--;
	memmove(&registry->slots[i], &registry->slots[i + 1],
		(registry->n_slots - i) * sizeof(*registry->slots));
	free(slot);
}

static size_t user_position(const struct registry *registry, uid_t uid)
{
	size_t low = 0, high = registry->n_users;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (registry->users[middle].uid < uid)
			low = middle + 1;
		else
			high = middle;
	}

	return low;
}

static struct user *user_get(struct registry *registry, uid_t uid)
{
	size_t i = user_position(registry, uid);
	struct user *users;

	if (i < registry->n_users && registry->users[i].uid == uid)
		return &registry->users[i];

	users = array_grow(registry->users, registry->n_users, &registry->users_size,
			   sizeof(*users));
	if (!users)
		return NULL;

	registry->users = users;
	memmove(&registry->users[i + 1], &registry->users[i],
		(registry->n_users - i) * sizeof(*registry->users));
	registry->users[i] = (struct user){ .uid = uid };
	registry->n_users++;
	return &registry->users[i];
}

/* Forgets the user if nothing is counted. */
static void user_put(struct registry *registry, struct user *user)
{
	for (size_t i = 0; i < KINDS; i++)
		if (user->counts[i])
			return;

	registry->n_users--;
	memmove(user, user + 1,
		(size_t)(&registry->users[registry->n_users] - user) * sizeof(*user));
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

	assert(!registry->n_slots && !registry->n_users && !registry->watches);
	free(registry->slots);
	free(registry->users);
	free(registry);
	return NULL;
}

/* Counts one more for the user and for all users; discharge() undoes it. */
static int charge(struct registry *registry, uid_t uid, enum kind kind)
{
	struct user *user = user_get(registry, uid);

	if (!user)
		return -ENOMEM;

	/* One person may have thousands of uids, and so reach the limit of all users: root must
	 * still get in. */
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
	struct user *user = &registry->users[user_position(registry, uid)];

	user->counts[kind]--;
	registry->counts[kind]--;
	user_put(registry, user);
}

int registry_register(struct registry *registry, struct registry_entry *entry,
		 struct registry_entry **ret_replaced)
{
	struct registry_entry *old = registry_find(registry, entry->name);
	struct slot *slot;
	int r;

	if (old && old->uid != entry->uid)
		return -EEXIST;

	/* An entry that is replaced is counted already. */
	r = old ? 0 : charge(registry, entry->uid, NAMES);
	if (r < 0)
		return r;

	slot = slot_get(registry, entry->name);
	if (!slot) {
		discharge(registry, entry->uid, NAMES);
		return -ENOMEM;
	}

	slot->owner = entry;
	*ret_replaced = old;
	return 0;
}

struct registry_entry *registry_find(const struct registry *registry, const char *name)
{
	struct slot *slot = slot_find(registry, name);

	return slot ? slot->owner : NULL;
}

void registry_unregister(struct registry *registry, struct registry_entry *entry)
{
	struct slot *slot = slot_find(registry, entry->name);

	assert(slot && slot->owner == entry);
	slot->owner = NULL;
	slot_put(registry, slot);
	discharge(registry, entry->uid, NAMES);
}

int registry_may_unregister(const struct registry_entry *entry, uid_t uid)
{
	return uid == entry->uid || uid == 0 ? 0 : -EPERM;
}

struct registry_entry *registry_next(const struct registry *registry, const char *prefix,
				     size_t *position)
{
	size_t i = *position ? *position : slot_position(registry, prefix);

	for (; i < registry->n_slots; i++) {
		const struct slot *slot = registry->slots[i];

		if (strncmp(slot->name, prefix, strlen(prefix)))
			break;
		if (!slot->owner)
			continue;
		*position = i + 1;
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

void registry_unwatch(struct registry *registry, struct registry_watch *watch)
{
	*watch->link = watch->next;
	if (watch->next)
		watch->next->link = watch->link;
	discharge(registry, watch->uid, WATCHES);
}

void registry_watch_last(struct registry *registry, struct registry_watch *watch)
{
	struct registry_watch **link;

	*watch->link = watch->next;
	if (watch->next)
		watch->next->link = watch->link;
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

/* Watched names are neighbors, from the name of the watch on. */
struct registry_entry *registry_watched_after(const struct registry *registry,
					      const struct registry_watch *watch, const char *name)
{
	size_t i = slot_position(registry, strcmp(name, watch->name) > 0 ? name : watch->name);

	for (; i < registry->n_slots; i++) {
		const struct slot *slot = registry->slots[i];

		if (!registry_watches(watch, slot->name))
			return NULL;
		if (slot->owner && strcmp(slot->name, name) > 0)
			return slot->owner;
	}

	return NULL;
}

struct registry_watch *registry_next_watch(const struct registry *registry,
					   const struct registry_watch *before)
{
	return before ? before->next : registry->watches;
}
