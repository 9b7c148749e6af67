/* SPDX-License-Identifier: MIT */
/*
 * The registry: which names there are, whose they are, who waits for one, and
 * who watches some.
 *
 * Pure: it takes plain arguments, calls nobody, knows no connection and no
 * clock. Entries, waiters and watches belong to the caller (service.c,
 * lookup.c, watch.c), which embeds them in what it keeps for each; the registry
 * links them, keeps copies of the names and counts what every user has.
 *
 * A name is in one of three states:
 *
 *   unknown   -- registry_add() -->  owned
 *   unknown   -- registry_wait() --> waited for
 *   waited for - registry_add() -->  owned, with waiters: the caller takes those
 *                                    out that may have it, and answers them
 *
 * and is forgotten when neither an owner nor a waiter is left.
 */
#ifndef SERVICEMANAGER_REGISTRY_H
#define SERVICEMANAGER_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define REGISTRY_NAME_MAX      127
#define REGISTRY_INTERFACE_MAX 255

/* What one user may have, and all together, to which root may add its own: less than the
 * driver allows to one process, so that it is a user who meets a limit and never
 * servicemanager. */
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
};

struct registry_waiter {
	char name[REGISTRY_NAME_MAX + 1];
	uid_t uid;
	struct registry_waiter *next; /* of those who wait for the name */
};

/* Of one name, or of all that start with it. */
struct registry_watch {
	char name[REGISTRY_NAME_MAX + 1];
	bool prefix;
	uid_t uid;
	struct registry_watch *next, **link; /* of all watches */
};

struct registry;

/* 1 to 127 characters of [A-Za-z0-9_./-]; a prefix of one, or none at all. */
bool registry_name_is_valid(const char *name);
bool registry_prefix_is_valid(const char *prefix);
/* Up to 255 characters of [A-Za-z0-9_.]. */
bool registry_interface_is_valid(const char *interface);

/* NULL: out of memory. Only an empty registry may be freed. */
struct registry *registry_new(void);
struct registry *registry_free(struct registry *registry);

/*
 * Gives the entry its name. *ret_replaced is the user's own entry that had it
 * before and is the caller's again, or NULL. -EEXIST: it is another user's;
 * -EDQUOT: too many names; -ENOMEM.
 */
int registry_register(struct registry *registry, struct registry_entry *entry,
		      struct registry_entry **ret_replaced);

/* NULL: nobody has the name. */
struct registry_entry *registry_find(const struct registry *registry, const char *name);

/* The entry has to be in the registry. */
void registry_unregister(struct registry *registry, struct registry_entry *entry);

/* May the user remove the entry? His own, or root any: 0, else -EPERM. */
int registry_may_unregister(const struct registry_entry *entry, uid_t uid);

/* The next entry in the order of names whose name starts with the prefix, from
 * *position, which is 0 at first; NULL at the end. */
struct registry_entry *registry_next(const struct registry *registry, const char *prefix,
				     size_t *position);

/* -EDQUOT: too many waiters; -ENOMEM. Nobody has the name. */
int registry_wait(struct registry *registry, struct registry_waiter *waiter);

/* The waiter has to be in the registry. */
void registry_unwait(struct registry *registry, struct registry_waiter *waiter);

/* Who waits for the name, the one that has waited longest first; NULL if nobody does. */
struct registry_waiter *registry_waiters(const struct registry *registry, const char *name);

/* -EDQUOT: too many watches; -ENOMEM. */
int registry_watch(struct registry *registry, struct registry_watch *watch);

/* The watch has to be in the registry. */
void registry_unwatch(struct registry *registry, struct registry_watch *watch);

/* Puts the watch, which has to be in the registry, after all others. */
void registry_watch_last(struct registry *registry, struct registry_watch *watch);

/* Is the name one that is watched? */
bool registry_watches(const struct registry_watch *watch, const char *name);

/* The first of the watched entries whose name comes after that one in the order of
 * names ("": of all); NULL if there is none. */
struct registry_entry *registry_watched_after(const struct registry *registry,
					      const struct registry_watch *watch, const char *name);

/* The watch after one, of all; NULL as the one before: the first. */
struct registry_watch *registry_next_watch(const struct registry *registry,
					   const struct registry_watch *before);

#endif /* SERVICEMANAGER_REGISTRY_H */
