/* SPDX-License-Identifier: MIT */
/*
 * What servicemanager keeps, shared by the files of its service and by nobody
 * else:
 *
 *   service.c  the object behind handle 0; adding and removing names
 *   lookup.c   getting, checking, waiting for and listing names
 *   watch.c    telling those who watch names
 *   access.c   asking the policy, policy.c, for a caller
 *
 * All of it belongs to one thread.
 */
#ifndef SERVICEMANAGER_STATE_H
#define SERVICEMANAGER_STATE_H

#include <stddef.h>

#include "caller.h"
#include "registry.h"
#include "service.h"
#include "servicemanager.ipc.h"

#define container_of(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))

#define BAD_NAME "a name is 1 to 127 letters, digits and any of _ . / -"

struct service {
	struct ipc *ipc;
	struct registry *registry;
	const struct policy *policy;
	struct ipc_object *object;
	struct waiter *waiters; /* all of them */
	uint64_t started_at;	/* usec of the monotonic clock, as all times here */
	uint64_t settled_at;	/* a name that is missing then is missing */
	bool settled;
	bool wants_room;	/* a watch has more to tell than there was room for */
	bool wants_time;	/* or could not be told for now */
	int epoll;
	bool verbose;
};

/* Who has a name. */
struct owner {
	struct registry_entry entry;
	struct service *service;
	struct ipc_proxy *proxy;
	uint64_t death;
	bool dropped; /* no longer in the registry; its death watch frees it */
};

static inline struct owner *owner_of(struct registry_entry *entry)
{
	return container_of(entry, struct owner, entry);
}

/* With --verbose. Names and interfaces were checked: nothing odd gets onto the
 * terminal. */
void say(const struct service *service, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Answers -EDQUOT with a text about what there is too much of; passes others on. */
int answer_failure(struct ipc_call *call, int r, const char *what);
int answer_unknown(struct ipc_call *call);

/* The entry as a message; what it points to stays the entry's. */
void entry_message(Ipc__Manager__Entry *message, const struct registry_entry *entry);

/* --- access.c ------------------------------------------------------------------ */

/* Whether the caller may do all of this (enum policy_right, or'ed) with the name; the
 * first right that it has not decides. */
struct policy_decision access_decide(const struct service *service, const struct caller *caller,
				     unsigned int rights, const char *name);
bool access_allows(const struct service *service, const struct caller *caller,
		   unsigned int rights, const char *name);
/* Answers that it may not, and says why. */
int answer_denied(struct ipc_call *call, const struct policy_decision *decision,
		  const char *name);

int handle_check_policy(struct ipc_call *call, const Ipc__Manager__CheckPolicyRequest *request,
			void *userdata);

/* --- lookup.c ------------------------------------------------------------------ */

int handle_get(struct ipc_call *call, const Ipc__Manager__GetRequest *request, void *userdata);
int handle_wait(struct ipc_call *call, const Ipc__Manager__WaitRequest *request, void *userdata);
int handle_check(struct ipc_call *call, const Ipc__Manager__CheckRequest *request,
		 void *userdata);
int handle_list(struct ipc_call *call, const Ipc__Manager__ListRequest *request, void *userdata);

/* The name is there: answers those who wait for it. */
void lookup_appeared(struct service *service, const struct owner *owner);
/* There is another policy: who waits may have the name now. */
void lookup_policy_changed(struct service *service);
/* Missing names are missing from here on: answers those who only asked. */
void lookup_settle(struct service *service);
/* Answers all who wait with an error. */
void lookup_end(struct service *service);

/* --- watch.c ------------------------------------------------------------------- */

int handle_watch(struct ipc_call *call, const Ipc__Manager__WatchRequest *request,
		 void *userdata);
int handle_unwatch(struct ipc_call *call, const Ipc__Manager__WatchRequest *request,
		   void *userdata);

/* The name came, came again or went. */
void watch_changed(struct service *service, const char *name);
/* There is another policy: everybody is told what is there now, for him. */
void watch_policy_changed(struct service *service);
/* Goes on telling those who are behind. */
void watch_continue(struct service *service);
void watch_end(struct service *service);

#endif /* SERVICEMANAGER_STATE_H */
