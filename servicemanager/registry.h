/* SPDX-License-Identifier: MIT */
/*
 * The registry: names, their owners, the calls that wait for a name, and the watches of names.
 *
 * The registry is pure: it calls no other file, and uses no connections, clocks or locks. Entries,
 * waiters and watches belong to registration.c, waiter.c and watch.c, which embed them in their own
 * structures and set all but the links. The registry links them, and counts them for each user.
 *
 * A name can have an owner and waiters, also both: waiters that may not have the object. A name can
 * have a queue of entries, all of one user, of which the first gets the name when its owner leaves.
 * A name with none of these is forgotten.
 */
#ifndef SERVICEMANAGER_REGISTRY_H
#define SERVICEMANAGER_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define REGISTRY_NAME_MAX      127
#define REGISTRY_INTERFACE_MAX 255

/* Limits of each user, and of all users together. Root may exceed the latter. They are below the
 * driver's limits for a process, so that a user reaches a limit before servicemanager does. */
#define REGISTRY_USER_NAMES   1024
#define REGISTRY_USER_WAITERS 1024
#define REGISTRY_USER_WATCHES 256
#define REGISTRY_NAMES	      16384
#define REGISTRY_WAITERS      8192
#define REGISTRY_WATCHES      4096

struct registry_entry {
	char name[REGISTRY_NAME_MAX + 1];
	char interface[REGISTRY_INTERFACE_MAX + 1];
	pid_t pid;
	uid_t uid;
	uint64_t number;	     /* rises with each owner of a name */
	struct registry_entry *next; /* in the queue of the name */
};

enum registry_flags {
	REGISTRY_REPLACE = 1, /* the owner loses the name */
	REGISTRY_QUEUE = 2,   /* wait for the end of the owner */
	REGISTRY_REPLAY = 4,  /* the entry had the name at an earlier manager: the number decides */
	REGISTRY_WAIT = 8,    /* with REGISTRY_QUEUE: wait for registry_promote(), even if no entry
				 has the name */
};

struct registry_waiter {
	char name[REGISTRY_NAME_MAX + 1];
	uid_t uid;
	struct registry_waiter *next; /* of the same name */
};

/* A watch of a single name, or of all names with a prefix. */
struct registry_watch {
	char name[REGISTRY_NAME_MAX + 1];
	bool prefix;
	uid_t uid;
	struct registry_watch *next, **link; /* in the list of all watches */
};

struct registry;

/* A valid name is 1 to 127 characters of [A-Za-z0-9_./-]: parts with '/' between them, each of
 * which begins with a letter, a digit or '_'. A valid prefix is empty, or the beginning of a
 * name. */
bool registry_name_is_valid(const char *name);
bool registry_prefix_is_valid(const char *prefix);
/* A valid interface is up to 255 characters of [A-Za-z0-9_.]. */
bool registry_interface_is_valid(const char *interface);

/* registry_new() returns NULL if memory is short. Only an empty registry may be freed. */
struct registry *registry_new(void);
struct registry *registry_free(struct registry *registry);

/*
 * Registers the entry under its name. Returns 0 if it has the name, or 1 if it is in the queue. If
 * it replaced an entry of the same user, that becomes *ret_replaced and belongs to the caller
 * again; else, on success, *ret_replaced is NULL. flags are of enum registry_flags.
 *
 *   -EEXIST  another user has the name or its queue; or any entry has, and no flag applies
 *   -ESTALE  with REGISTRY_REPLAY: a newer entry of the same user has the name
 *   -EDQUOT  the user, or all users together, have too many names
 *   -ENOMEM
 */
int registry_register(struct registry *registry, struct registry_entry *entry, unsigned int flags,
		      struct registry_entry **ret_replaced);

/* Returns NULL if the name has no owner. */
struct registry_entry *registry_find(const struct registry *registry, const char *name);

/* Returns the first entry in the queue of the name, or NULL. */
struct registry_entry *registry_queue(const struct registry *registry, const char *name);
/* Returns the first entry in the queue of the first name with a queue that sorts after the given
 * name, or NULL. */
struct registry_entry *registry_queue_after(const struct registry *registry, const char *name);

/* If the name has no owner, its first entry in the queue becomes the owner. Returns it, or NULL. */
struct registry_entry *registry_promote(struct registry *registry, const char *name);

/* Removes an entry that has its name or is in the queue of it. The caller must call
 * registry_promote(). */
void registry_unregister(struct registry *registry, struct registry_entry *entry);

/* Count an entry outside the registry as a name of the user, and undo that. registry_charge()
 * returns 0, -EDQUOT or -ENOMEM. */
int registry_charge(struct registry *registry, uid_t uid);
void registry_uncharge(struct registry *registry, uid_t uid);

/* Returns the first entry with the prefix whose name sorts after `after`, or NULL. If `after` is
 * empty, begins with the first entry. */
struct registry_entry *registry_next(const struct registry *registry, const char *prefix,
				     const char *after);

/* Adds a waiter for its name. If there are too many waiters, returns -EDQUOT; if memory is short,
 * -ENOMEM. */
int registry_wait(struct registry *registry, struct registry_waiter *waiter);

/* The waiter must be in the registry. */
void registry_unwait(struct registry *registry, struct registry_waiter *waiter);

/* Returns the waiters of the name, the oldest first, or NULL. */
struct registry_waiter *registry_waiters(const struct registry *registry, const char *name);
/* Returns the waiters of the first name with waiters that sorts after the given name, or NULL. */
struct registry_waiter *registry_waiters_after(const struct registry *registry, const char *name);

/* If there are too many watches, returns -EDQUOT; if memory is short, -ENOMEM. */
int registry_watch(struct registry *registry, struct registry_watch *watch);

/* The watch must be in the registry. */
void registry_unwatch(struct registry *registry, struct registry_watch *watch);

/* Moves the watch to the end of the list. It must be in the registry. */
void registry_watch_last(struct registry *registry, struct registry_watch *watch);

/* Returns true if the watch includes the name. */
bool registry_watches(const struct registry_watch *watch, const char *name);

/* Returns the next watch, the first if before is NULL, or NULL at the end of the list. */
struct registry_watch *registry_next_watch(const struct registry *registry,
					   const struct registry_watch *before);

#endif /* SERVICEMANAGER_REGISTRY_H */
