/* SPDX-License-Identifier: MIT */
/*
 * The service manager: the object behind handle 0 of a bus, with the methods of
 * servicemanager.proto. main.c runs it on one thread.
 *
 * Each file implements one section of this header. A file may call functions of earlier sections
 * only; tests/suite/static/calls checks that. registry.c, policy.c and unit.c have their own
 * headers, because they do not use the manager.
 *
 * The handlers, handle_*(), validate the request, read or change the registry, and reply or keep
 * the call. Handlers never call another process, so no process can block them.
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
	size_t rules, activations; /* in force now */
	bool policy_refused, activations_refused;
};

struct manager_options {
	/* The manager adds its own files to this epoll. The data.ptr of an event is a
	 * struct source. */
	int epoll;
	/* Get() waits at most this long for a name without an owner, because the owner may be about
	 * to register the name again. Each registration in that time extends it. */
	unsigned int settle_msec;
	bool verbose;
	/* Path of the bus for services that the manager starts. NULL: the default bus. */
	const char *bus;
	/* The caller may free the policy after manager_free(), or after manager_set_policy()
	 * with another policy. */
	const struct policy *policy;
	/* For Reload(): reads the files again, and calls manager_set_policy(). */
	void (*reload)(struct manager_reload *ret_reload, void *userdata);
	void *userdata;
	/* Problems of the last reload, and whether it refused the policy or the activation files.
	 * They belong to the caller and may be NULL. */
	const struct log_copy *problems;
	const bool *outdated;
	const bool *activations_outdated;
};

struct manager {
	struct ipc *ipc;
	struct manager_options options;
	struct registry *registry;
	struct ipc_object *object;
	struct activation *activations;
	uint64_t started_at;
	uint64_t settled_at; /* from this time, names without an owner are missing */
	bool settled;
	struct ipc_slot *writable; /* not NULL while a watch waits for space at its receiver */
	bool wants_time;	   /* a watch is behind for lack of another resource */
	bool wants_turn;	   /* a watch is behind: NAMES_AT_ONCE was reached */
	unsigned int notified;	   /* names, in this turn of the loop */
	uint64_t last_number;	   /* of a registration */
	struct owner *unnotified;  /* their Registrants could not be notified yet */
	uint64_t notify_at;	   /* then they are notified again */
};

/* The process that registered a name, and the object that it registered. It has the name, is in the
 * queue of the name, or has lost the name without having been notified yet. */
struct owner {
	struct registry_entry entry;
	struct manager *manager;
	struct ipc_proxy *proxy;
	struct registrant *registrant; /* NULL: is not notified */
	uint64_t registrant_cookie;
	struct owner *next_unnotified;
	bool queued;
	bool lost;    /* it is no longer in the registry */
	bool charged; /* it is lost and counts as a name of its user */
	struct ipc_slot *death;
	bool idle_exit; /* watchers do not get the object */
};

static inline struct owner *owner_of(struct registry_entry *entry)
{
	return container_of(entry, struct owner, entry);
}

/* Logs only with --verbose. */
#define log_verbose(manager, ...) \
	((manager)->options.verbose ? log_line(__VA_ARGS__) : (void)0)

/* --- reply.c: replies of several handlers -------------------------------------------------- */

/* Each reply_*() returns the result of ipc_call_fail() or of the generated reply function, which
 * the handler returns: 0 if the call has its reply, or -errno; then the call is still open. */

#define NO_OWNER "that name is not registered"
#define BAD_NAME \
	"a name is 1 to 127 letters, digits and any of _ . / -, and each of its parts begins with " \
	"a letter, a digit or _"
#define BAD_INTERFACE "an interface is up to 255 letters, digits and any of _ ."

/* If r is -EDQUOT, replies that there are too many of `what`. For another error returns r, and the
 * call stays open. */
int reply_failure(struct ipc_call *call, int r, const char *what);
int reply_unknown(struct ipc_call *call);
int reply_denied(struct ipc_call *call, const struct policy_decision *decision, const char *name);

/* Returns true if the object has the interface. On both sides, "" matches any interface. */
bool has_interface(const struct registry_entry *entry, const char *interface);
int reply_other_interface(struct ipc_call *call, const struct registry_entry *entry,
			  const char *wanted);

/* Replies to Get() or Wait() with the object, or with an error if the object has another
 * interface. */
int reply_object(struct ipc_call *call, const struct owner *owner, const char *interface, bool get);

/* Fills in the message, which borrows the strings of the entry. */
void entry_message(Ipc__Manager__Entry *message, const struct registry_entry *entry);

/* --- access.c: callers, and their rights under the policy ---------------------------------- */

/* A caller as the policy sees it: ids and label, which the kernel reports. If a rule is about
 * groups, also the supplementary groups. Waiting calls and watches keep their caller, because the
 * policy decides again for each object and each notification. */
struct caller {
	struct policy_subject subject;
	gid_t *groups;
	char *label;
};

/* If the caller has died, returns -ESRCH. If the groups cannot be read, returns the error; or
 * -ENOMEM. */
int caller_init(struct caller *caller, const struct ipc_call *call, const struct policy *policy);
void caller_done(struct caller *caller);

/* Decides whether the caller has all these rights (enum policy_right, or'ed) on the name. The
 * decision is about the first missing right. */
struct policy_decision access_decide(const struct manager *manager, const struct caller *caller,
				     unsigned int rights, const char *name);
bool access_allows(const struct manager *manager, const struct caller *caller, unsigned int rights,
		   const char *name);
/* Like access_decide(), for the caller of a method. Returns errors of caller_init(). */
int access_decide_call(const struct manager *manager, const struct ipc_call *call,
		       enum policy_right right, const char *name,
		       struct policy_decision *ret_decision);
/* For a request about a name of another user: if the policy hides the name or refuses to find it,
 * sends that reply. If the call is still open, returns 1. */
int access_reply_unseen(const struct manager *manager, struct ipc_call *call, const char *name);

/* Questions about the policy, and reloading the files. */
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
	const char *interface; /* empty: any interface */
	bool get;	       /* Get(), not Wait() */
	bool hidden;	       /* the policy hides the name from the caller */
	struct caller caller;
};

/* Keeps the call open until a function below ends it. On success moves the caller out of *wanted.
 * If the request is too large to keep, returns -EMSGSIZE; if memory is short, -ENOMEM. If the user
 * has too many waiting calls, sends that reply. */
int waiter_add(struct manager *manager, struct wanted *wanted);
/* Returns true if a call waits for the name and its caller may have the object. */
bool waiters_exist(const struct manager *manager, const char *name);
/* Sends the object to the callers that wait for the owner's name and may have the object. */
void waiters_reply(struct manager *manager, const struct owner *owner);
/* Ends all calls that wait for the name, or only its Get() calls, with the error. */
void waiters_fail(struct manager *manager, const char *name, bool gets_only, int code,
		  const char *format, ...) __attribute__((format(printf, 5, 6)));
void waiters_end(struct manager *manager);

/* --- activation.c: starting the service of a requested name without an owner --------------- */

/* Replaces the activations. Moves them out of the list and leaves NULL. Running programs continue.
 * If memory is short, returns -ENOMEM, and some activations are missing. */
int activations_set(struct manager *manager, struct activation_configs *configs);
/* Frees all activations. The services continue to run, and their exits go unnoticed. */
void activations_end(struct manager *manager);

/* Returns NULL if no service is configured for the name. */
struct activation *activation_find(const struct manager *manager, const char *name);
/* Returns true if the user may register the name. If an activation file has the name, only root
 * and the user of that service may register it. */
bool activation_allows(const struct manager *manager, const char *name, uid_t uid);
/* If the last start failed and it is too early to try again, returns the reason; otherwise NULL. */
const char *activation_problem(const struct activation *activation);
/* Returns the activation with the first name that has the prefix and sorts after `after`, or NULL.
 * *ret_name is valid until activations_set(). */
const struct activation *activation_next(const struct manager *manager, const char *prefix,
					 const char *after, const char **ret_name);
uid_t activation_uid(const struct activation *activation);
/* Fills in the message, which borrows the strings of the activation. */
void activation_message(Ipc__Manager__Activation *message, const struct activation *activation);
/* Must be called when a call waits for one of its names and the name has no owner. */
void activation_wanted(struct activation *activation);
/* Must be called after the name was registered. */
void activation_registered(struct manager *manager, const char *name);
/* Does the work that is due. Returns the timeout until the next call, in ms, or -1. */
int activation_work(struct manager *manager);

/* --- lookup.c: getting, awaiting, checking and listing names -------------------------------- */

int handle_get(struct ipc_call *call, const Ipc__Manager__GetRequest *request, void *userdata);
int handle_wait(struct ipc_call *call, const Ipc__Manager__GetRequest *request, void *userdata);
int handle_check(struct ipc_call *call, const Ipc__Manager__CheckRequest *request, void *userdata);
int handle_list(struct ipc_call *call, const Ipc__Manager__ListRequest *request, void *userdata);

/* Must be called after the policy changed: waiting callers may now have the object. */
void lookup_policy_changed(struct manager *manager);
/* Ends the Get() calls that wait for a name without an owner and without an activation file. */
void lookup_settle(struct manager *manager);

/* --- watch.c: notifying watchers of names -------------------------------------------------- */

int handle_watch(struct ipc_call *call, const Ipc__Manager__WatchRequest *request, void *userdata);
int handle_unwatch(struct ipc_call *call, const Ipc__Manager__WatchRequest *request,
		   void *userdata);

/* Must be called after the name was registered, replaced or removed. */
void watch_changed(struct manager *manager, const char *name);
/* Must be called after the policy changed. Reports to each watcher again the names that its user
 * may see now. */
void watch_policy_changed(struct manager *manager);
/* Notifies all watchers that are behind. */
void watch_continue(struct manager *manager);
/* As activation_work(). */
int watch_work(struct manager *manager);
void watch_end(struct manager *manager);

/* --- registrant.c: owners that get or lose a name ------------------------------------------- */

/* Notifies the owner's Registrant that the owner has the name now, or of its loss. If the
 * Registrant cannot take the notification now, tries again later. An owner that has lost its name
 * waits for that only while its user may have another name; else it is not notified. Frees an owner
 * that has lost its name, at once or after it was notified. */
void registrant_notify(struct manager *manager, struct owner *owner);
/* The owner's registration has ended without a notification. */
void owner_free(struct owner *owner);
/* As activation_work(). */
int registrants_work(struct manager *manager);
/* Frees the owners that have lost their names. */
void registrants_end(struct manager *manager);

/* --- registration.c: registering and unregistering names ----------------------------------- */

int handle_register_name(struct ipc_call *call, const Ipc__Manager__RegisterNameRequest *request,
			 void *userdata);
int handle_unregister_name(struct ipc_call *call,
			   const Ipc__Manager__UnregisterNameRequest *request, void *userdata);

/* Owners from before our start have registered again. Other owners get a number, and names that are
 * free go to their queues. */
void registrations_settle(struct manager *manager);
/* Removes all names, without notifications. */
void registrations_end(struct manager *manager);

/* --- manager.c: the object behind handle 0 ------------------------------------------------- */

/* Becomes the manager of the bus. Returns 0, -ENOMEM, or an error of ipc_set_manager(). */
int manager_new(struct ipc *ipc, const struct manager_options *options,
		struct manager **ret_manager);
/* Drops all names. Waiting calls end with an error. */
struct manager *manager_free(struct manager *manager);

/* Applies the policy from now on, also to waiting calls and to watches. */
void manager_set_policy(struct manager *manager, const struct policy *policy);

/* Does the work that is due. Returns the milliseconds until the next call, or -1 for no timeout. */
int manager_work(struct manager *manager);

#endif /* SERVICEMANAGER_MANAGER_H */
