/* SPDX-License-Identifier: MIT */
/*
 * What servicemanager keeps, shared by the files of its service and by nobody
 * else:
 *
 *   service.c  the object behind handle 0; adding and removing names
 *   lookup.c   getting, checking, waiting for and listing names
 *   watch.c    telling those who watch names
 *   access.c   asking the policy, policy.c, for a caller
 *   provide.c  names whose object comes when it is wanted
 *   activation.c  starting services that are wanted
 *   unit.c     having systemd start them
 *
 * All of it belongs to one thread.
 */
#ifndef SERVICEMANAGER_STATE_H
#define SERVICEMANAGER_STATE_H

#include <stddef.h>
#include <time.h>

#include "caller.h"
#include "registry.h"
#include "service.h"
#include "servicemanager.ipc.h"

#define container_of(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))

#define BAD_NAME "a name is 1 to 127 letters, digits and any of _ . / -"
#define BAD_INTERFACE "an interface is up to 255 letters, digits and any of _ ."

/* What the epoll's events point to. */
struct source {
	void (*ready)(struct service *service, struct source *source);
};

struct service {
	struct ipc *ipc;
	const char *device; /* its path, or NULL: the usual one */
	struct registry *registry;
	const struct policy *policy;
	struct ipc_object *object;
	struct waiter *waiters; /* all of them */
	struct activation *activations;
	struct units *units;	/* systemd, while it starts units for us; or NULL */
	uint64_t started_at;	/* usec of the monotonic clock, as all times here */
	uint64_t settled_at;	/* a name that is missing then is missing */
	bool settled;
	bool wants_room;	/* a watch has more to tell than there was room for */
	bool wants_time;	/* or could not be told for now */
	bool wants_turn;	/* or than is told at a time */
	unsigned int told_now;	/* names, in this turn of the loop */
	int epoll;
	bool verbose;
};

/* Who has a name. */
struct owner {
	struct registry_entry entry;
	struct service *service;
	struct ipc_proxy *proxy;
	uint64_t death;
	uint64_t cookie; /* not 0: the proxy is a Provider, and this is for Provide() */
	bool asked;	/* it was told that somebody wants the object */
	bool leaving;	/* it called Leave() */
	bool dropped; /* no longer in the registry; its death watch frees it */
};

static inline struct owner *owner_of(struct registry_entry *entry)
{
	return container_of(entry, struct owner, entry);
}

static inline uint64_t now_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Before an fd is closed that is in the epoll: a child between fork() and exec() has it
 * too, and would keep it there. */
void service_forget_fd(const struct service *service, int fd);

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

/* Does somebody wait for the name who may have it? */
bool lookup_is_awaited(const struct service *service, const char *name);
/* The object of a name on demand has come: answers those who wait for it. */
void lookup_provided(struct service *service, const struct owner *owner,
		     const struct ipc_proxy *object);
/* The name cannot be had: answers those who wait for it, or only get it. */
void lookup_failed(struct service *service, const char *name, int code, const char *text);
/* Its service does not start, for that reason: answers those who only get it. */
void lookup_unreachable(struct service *service, const char *name, const char *problem);
int answer_unreachable(struct ipc_call *call, const char *name, const char *problem);
/* The name is there: answers those who wait for it, or sees to it. */
void lookup_appeared(struct service *service, struct owner *owner);
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
/* As activation_work(). */
int watch_work(struct service *service);
void watch_end(struct service *service);

/* --- provide.c ----------------------------------------------------------------- */

int handle_provide(struct ipc_call *call, const Ipc__Manager__ProvideRequest *request,
		   void *userdata);
int handle_leave(struct ipc_call *call, const Ipc__Manager__IdleExitRequest *request,
		 void *userdata);

int provide_cookie(uint64_t *ret_cookie);
/* The name came, or its owner stays after all. */
void provide_appeared(struct service *service, struct owner *owner);
/* Somebody waits for it. */
void provide_wanted(struct service *service, struct owner *owner);

/* --- activation.c -------------------------------------------------------------- */

struct activation;

/* NULL: nobody is to be started for the name. */
struct activation *activation_find(const struct service *service, const char *name);
/* It failed, and it is too early to try again: why it did; else NULL. */
const char *activation_problem(const struct activation *activation);
/* Somebody waits for a name of its that nobody has. */
void activation_wanted(struct activation *activation);
/* The name is there. */
void activation_appeared(struct service *service, const char *name);
/* Does what is due: in so many milliseconds something is again; -1: nothing. */
int activation_work(struct service *service);
void activations_end(struct service *service);

/* --- unit.c -------------------------------------------------------------------- */

#define UNIT_PROBLEM_MAX 256

struct unit_job;

/* The job ended; problem is NULL, or says in words of which unit it is and what is wrong.
 * Not called from within unit_start(), nor after unit_job_free(). */
typedef void unit_done(void *userdata, const char *problem);

/* Has systemd start the unit. -errno: there is no way to systemd. The job is valid until
 * done was called; to free it before is to hear no more of it. */
int unit_start(struct service *service, const char *unit, unit_done *done, void *userdata,
	       struct unit_job **ret_job);
struct unit_job *unit_job_free(struct unit_job *job);
/* As activation_work(); ends connections that nobody needs. */
int units_work(struct service *service);
void units_end(struct service *service);

#endif /* SERVICEMANAGER_STATE_H */
