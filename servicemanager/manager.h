/* SPDX-License-Identifier: MIT */
/*
 * The service manager: the object behind handle 0 of a bus, with the methods of
 * servicemanager.proto. main.c runs it on one thread.
 *
 * Each file implements one section of this header. A file calls files of sections before its
 * own, never of later ones; tests/suite/static/calls checks that. registry.c, policy.c and
 * unit.c have headers of their own, because they know no manager.
 *
 * The handlers, handle_*(), validate the request, read or change the registry, and reply or
 * keep the call. No handler calls another process, so none can be kept waiting.
 */
#ifndef SERVICEMANAGER_MANAGER_H
#define SERVICEMANAGER_MANAGER_H

#include <stdbool.h>
#include <stdint.h>

#include <ipc/ipc.h>

#include "log.h"
#include "loop.h"
#include "policy.h"
#include "registry.h"
#include "servicemanager.ipc.h"

struct activation;
struct activation_configs;

/* The result of reading the files again. */
struct manager_reload {
	size_t rules, services; /* that are in force now */
	bool policy_refused, services_refused;
};

struct manager_options {
	/* The manager adds its own files to this epoll. The data.ptr of an event is a
	 * struct source. */
	int epoll;
	/* For this long, Get() waits for a name without an owner: the owner may be about to
	 * register the name again. The time grows while other owners still do so. */
	unsigned int settle_msec;
	bool verbose;
	/* Path of the bus, for services that the manager starts; NULL: the default bus. */
	const char *device;
	/* The caller may free the policy after manager_free(), or after manager_set_policy()
	 * with another policy. */
	const struct policy *policy;
	/* For Reload(): reads the files again, and calls manager_set_policy(). */
	void (*reload)(struct manager_reload *ret_reload, void *userdata);
	void *userdata;
	/* Problems of the last reload, and whether it refused the policy. Both belong to the
	 * caller. May be NULL. */
	const struct log_copy *problems;
	const bool *outdated;
};

struct manager {
	struct ipc *ipc;
	struct manager_options options;
	struct registry *registry;
	struct ipc_object *object;
	struct activation *activations;
	uint64_t started_at;
	uint64_t settled_at; /* from then on a name without an owner is missing */
	bool settled;
	uint64_t expire_at;	   /* end of the next reservation; 0: no name is reserved */
	struct ipc_slot *writable; /* not NULL: a watch waits for space at its receiver */
	bool wants_time;	   /* a watch is behind for lack of another resource */
	bool wants_turn;	   /* a watch is behind: NAMES_AT_ONCE was reached */
	unsigned int notified;	   /* names, in this turn of the loop */
};

/* The process that registered a name, and the object or Provider that it registered. */
struct owner {
	struct registry_entry entry;
	struct manager *manager;
	struct ipc_proxy *proxy;
	struct ipc_slot *death;
	uint64_t cookie; /* for Provide(); 0: the proxy is the object, not a Provider */
	bool asked;	 /* the Provider was asked for the object */
	bool exiting;	 /* it called IdleExit() */
};

static inline struct owner *owner_of(struct registry_entry *entry)
{
	return container_of(entry, struct owner, entry);
}

/* With --verbose. */
#define log_verbose(manager, ...) \
	((manager)->options.verbose ? log_line(__VA_ARGS__) : (void)0)

/* --- reply.c: replies of several handlers -------------------------------------------------- */

/* Each function ends the call and returns the result of ipc_call_fail() or of the generated
 * reply function. */

#define NO_OWNER "nobody has that name"
#define BAD_NAME \
	"a name is 1 to 127 letters, digits and any of _ . / -, and each of its parts begins with " \
	"a letter, a digit or _"
#define BAD_INTERFACE "an interface is up to 255 letters, digits and any of _ ."

/* Replies to -EDQUOT: too many of what. Returns any other error, and the call stays open. */
int reply_failure(struct ipc_call *call, int r, const char *what);
int reply_unknown(struct ipc_call *call);
int reply_denied(struct ipc_call *call, const struct policy_decision *decision, const char *name);

/* Does the object have the interface? An empty interface matches any. */
bool has_interface(const struct registry_entry *entry, const char *interface);
int reply_other_interface(struct ipc_call *call, const struct registry_entry *entry,
			  const char *wanted);

/* Replies to Get() or Wait() with the object; or with an error if the object has another
 * interface. */
int reply_object(struct ipc_call *call, const struct owner *owner, const struct ipc_proxy *object,
		 const char *interface, bool get);

/* Fills in the message, which borrows the strings of the entry. */
void entry_message(Ipc__Manager__Entry *message, const struct registry_entry *entry);

/* --- access.c: callers, and what the policy allows them ------------------------------------ */

/* A caller as the policy sees it: ids and label, which the kernel reports, and the
 * supplementary groups if a rule is about groups. Waiting calls and watches keep their
 * caller, because the policy decides again for each object and each notification. */
struct caller {
	struct policy_subject subject;
	gid_t *groups;
	char *label;
};

/* -ENOMEM, or why the groups cannot be read; -ESRCH: the caller has died. */
int caller_init(struct caller *caller, const struct ipc_call *call, const struct policy *policy);
void caller_done(struct caller *caller);

/* Decides whether the caller has all these rights (enum policy_right, or'ed) on the name. The
 * first missing right decides. */
struct policy_decision access_decide(const struct manager *manager, const struct caller *caller,
				     unsigned int rights, const char *name);
bool access_allows(const struct manager *manager, const struct caller *caller, unsigned int rights,
		   const char *name);
/* As access_decide(), for the caller of a method. Returns errors of caller_init(). */
int access_decide_call(const struct manager *manager, const struct ipc_call *call,
		       enum policy_right right, const char *name,
		       struct policy_decision *ret_decision);
/* For a request about a name that is not the caller's: if the policy hides the name or refuses
 * to find it, sends that reply. Returns 1 if the call is still open. */
int access_reply_unseen(const struct manager *manager, struct ipc_call *call, const char *name);

/* Questions about the policy, and reading the files again. */
int handle_check_policy(struct ipc_call *call, const Ipc__Manager__CheckPolicyRequest *request,
			void *userdata);
int handle_show_policy(struct ipc_call *call, const Ipc__Manager__ShowPolicyRequest *request,
		       void *userdata);
int handle_reload(struct ipc_call *call, const Ipc__Manager__ReloadRequest *request,
		  void *userdata);

/* --- waiter.c: calls that wait for a name -------------------------------------------------- */

/* The request of a call that may have to wait. */
struct wanted {
	struct ipc_call *call;
	const char *name;
	const char *interface; /* empty: any */
	bool get;	       /* Get(), not Wait() */
	bool hidden;	       /* the policy hides the name from the caller */
	struct caller caller;
};

/* Keeps the call open until one of the functions below ends it. On success takes the caller out
 * of *wanted. -EMSGSIZE: the request is too large to be kept; -ENOMEM. If the user has too many
 * waiting calls, sends that reply. */
int waiter_add(struct manager *manager, struct wanted *wanted);
/* Does a call wait for the name whose caller may have the object? */
bool waiters_exist(const struct manager *manager, const char *name);
/* Sends the object to the callers that wait for the owner's name and may have the object. */
void waiters_reply(struct manager *manager, const struct owner *owner,
		   const struct ipc_proxy *object);
/* Ends the calls that wait for the name, or only the Get() calls, with the error. */
void waiters_fail(struct manager *manager, const char *name, bool gets_only, int code,
		  const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Ends all waiting calls. */
void waiters_end(struct manager *manager);

/* --- activation.c: starting the service of a name that is wanted and has no owner ---------- */

/* Replaces the services to activate. Takes them out of the list, leaving NULL. Running services
 * continue. -ENOMEM: some are missing. */
int activations_set(struct manager *manager, struct activation_configs *configs);
void activations_end(struct manager *manager);

/* Returns NULL if no service is configured for the name. */
struct activation *activation_find(const struct manager *manager, const char *name);
/* May the user register the name? If a service file has the name, only root and the user of that
 * service may. */
bool activation_allows(const struct manager *manager, const char *name, uid_t uid);
/* Returns why the last start failed while it is too early to try again, otherwise NULL. */
const char *activation_problem(const struct activation *activation);
/* Returns the activation with the first name that has the prefix and sorts after `after`, or
 * NULL. *ret_name is valid until activations_set(). */
const struct activation *activation_next(const struct manager *manager, const char *prefix,
					 const char *after, const char **ret_name);
uid_t activation_uid(const struct activation *activation);
/* Fills in the message, which borrows the strings of the activation. */
void activation_message(Ipc__Manager__Activation *message, const struct activation *activation);
/* A call waits for one of its names, which has no owner. */
void activation_wanted(struct activation *activation);
/* The name was registered. */
void activation_registered(struct manager *manager, const char *name);
/* Does the work that is due. Returns the timeout until the next call. */
int activation_work(struct manager *manager);

/* --- idle-exit.c: names whose service exits when no client has the object ------------------ */

int handle_provide(struct ipc_call *call, const Ipc__Manager__ProvideRequest *request,
		   void *userdata);
int handle_idle_exit(struct ipc_call *call, const Ipc__Manager__IdleExitRequest *request,
		     void *userdata);

/* Makes a random number for Provide(), never 0. */
int idle_exit_cookie(uint64_t *ret_cookie);
/* The name was registered, or its owner registered it again and does not exit. */
void idle_exit_registered(struct manager *manager, struct owner *owner);
/* Asks the Provider for the object if a call waits for the name. */
void idle_exit_wanted(struct manager *manager, struct owner *owner);

/* --- lookup.c: getting, awaiting, checking and listing names -------------------------------- */

int handle_get(struct ipc_call *call, const Ipc__Manager__GetRequest *request, void *userdata);
int handle_wait(struct ipc_call *call, const Ipc__Manager__WaitRequest *request, void *userdata);
int handle_check(struct ipc_call *call, const Ipc__Manager__CheckRequest *request, void *userdata);
int handle_list(struct ipc_call *call, const Ipc__Manager__ListRequest *request, void *userdata);

/* The name was registered: the calls that wait for it get its object. */
void lookup_registered(struct manager *manager, struct owner *owner);
/* The policy changed: waiting callers may now have the object. */
void lookup_policy_changed(struct manager *manager);
/* Ends the Get() calls that wait for a name without an owner. */
void lookup_settle(struct manager *manager);

/* --- watch.c: notifying watchers of names -------------------------------------------------- */

int handle_watch(struct ipc_call *call, const Ipc__Manager__WatchRequest *request, void *userdata);
int handle_unwatch(struct ipc_call *call, const Ipc__Manager__WatchRequest *request,
		   void *userdata);

/* The name was registered, replaced or removed. */
void watch_changed(struct manager *manager, const char *name);
/* The policy changed: reports to each watcher again the names that its user may see now. */
void watch_policy_changed(struct manager *manager);
/* Notifies all watchers that are behind. */
void watch_continue(struct manager *manager);
/* Does the work that is due. Returns the timeout until the next call. */
int watch_work(struct manager *manager);
void watch_end(struct manager *manager);

/* --- registration.c: registering and unregistering names ----------------------------------- */

int handle_register_name(struct ipc_call *call, const Ipc__Manager__RegisterNameRequest *request,
			 void *userdata);
int handle_unregister_name(struct ipc_call *call,
			   const Ipc__Manager__UnregisterNameRequest *request, void *userdata);

/* Ends the reservations whose time has come. Returns the timeout until the next call. */
int registrations_work(struct manager *manager);
/* Removes all names, without notifications. */
void registrations_end(struct manager *manager);

/* --- manager.c: the object behind handle 0 ------------------------------------------------- */

/* Becomes the manager of the bus. -ENOMEM, or an error of ipc_set_manager(). */
int manager_new(struct ipc *ipc, const struct manager_options *options,
		struct manager **ret_manager);
/* Forgets all names. Waiting calls end with an error. */
struct manager *manager_free(struct manager *manager);

/* Applies the policy from now on, also to waiting calls and to watches. */
void manager_set_policy(struct manager *manager, const struct policy *policy);

/* Does the work that is due. Returns after how many milliseconds it must be called again, or -1
 * for no limit. */
int manager_work(struct manager *manager);

#endif /* SERVICEMANAGER_MANAGER_H */
