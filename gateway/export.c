// SPDX-License-Identifier: MIT
/*
 * Exports: see export.h. Changes of names arrive on the connection's only serving thread, calls on
 * the engine's thread. The lock of an export protects its target and reason. A change is logged
 * after it has taken effect.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ipc/raw.h>

#include "export.h"
#include "log.h"
#include "metrics.h"
#include "relay.h"
#include "status.h"

/* Timeout for a service to describe itself. */
#define DESCRIBE_USEC 5000000

struct export
{
	struct export *next;
	struct exports *of;
	char *name;
	struct net_counts counts;
	struct ipc_slot *watch;
	bool present; /* the last notification of the watch said that the name is registered */
	struct ipc_slot *describing;
	struct ipc_proxy *described; /* the object whose description is requested */
	struct ipc_proxy *unusable;  /* the object that look() found but could not export */
	pthread_mutex_t lock;
	struct target *target; /* NULL: none */
	char *why;	       /* why there is no target; NULL: the name is not registered */
	char *interface;       /* of the last target, or NULL. Two exports never have the same. */
};

struct exports {
	struct ipc *ipc;
	struct peer_policy *policy;
	struct export *first;
};

/* --- The target of a name -------------------------------------------------------------- */

/* Takes ownership of target and why. */
static void export_set(struct export *export, struct target *target, char *why)
{
	struct target *old;
	char *interface = NULL, *old_why;

	if (target)
		interface = strdup(schema_interface(target->schema));
	pthread_mutex_lock(&export->lock);
	old = export->target;
	old_why = export->why;
	export->target = target;
	export->why = why;
	if (interface) {
		free(export->interface);
		export->interface = interface;
	}
	pthread_mutex_unlock(&export->lock);
	target_unref(old);
	free(old_why);
}

/* Returns another export with the interface, or NULL. The first export keeps its interface, even
 * while its name is not registered. Otherwise a service could receive calls for another service. */
static const struct export *find_rival(const struct export *export, const char *interface)
{
	bool same;

	for (struct export *other = export->of->first; other; other = other->next) {
		if (other == export)
			continue;
		pthread_mutex_lock(&other->lock);
		same = other->interface && !strcmp(other->interface, interface);
		pthread_mutex_unlock(&other->lock);
		if (same)
			return other;
	}
	return NULL;
}

static void log_exported(const struct export *export)
{
	const struct target *target = export->target;
	const struct schema *schema = target->schema;

	log_line("exporting %s as %s", export->name, export->interface);
	for (size_t i = 0; i < schema_count(schema); i++) {
		const struct schema_method *method = schema_at(schema, i);
		const char *refusal = target_refusal(target, method);

		if (refusal)
			log_line("clients of %s cannot call %s: %s", export->name, method->name,
				 refusal);
	}
}

/* Handles the description of an object, or the failure r. */
static int export_describe(struct export *export, int r, struct ipc_proxy *proxy,
			   const struct ipc_raw_message *reply)
{
	const struct export *rival;
	struct target *target = NULL;
	char *why = NULL;
	bool ok;

	if (r == 0)
		r = target_new(proxy, reply->data, reply->size, &target, &why);
	else
		why = strdup(ipc_strerror(r));
	rival = target ? find_rival(export, schema_interface(target->schema)) : NULL;
	if (rival) {
		target = target_unref(target);
		r = -EEXIST;
		if (asprintf(&why, "%s has the same interface", rival->name) < 0)
			why = NULL;
	}
	ok = target;
	export_set(export, target, why);
	/* Only this thread changes the export, so the strings are still valid. */
	if (ok)
		log_exported(export);
	else
		log_line("cannot export %s: %s", export->name, export->why ?: ipc_strerror(r));
	return r;
}

static const struct ipc_raw_message describe = { .method = IPC_NUMBER_DESCRIBE };
static const struct ipc_options describe_options = { .timeout_usec = DESCRIBE_USEC };

static void described(int result, struct ipc_raw_message *reply, const struct ipc_error *error,
		      void *userdata)
{
	struct export *export = userdata;

	(void)error;
	export_describe(export, result, export->described, reply);
	export->described = ipc_proxy_unref(export->described);
	export->describing = ipc_slot_detach(export->describing);
}

static void introspect(struct export *export, struct ipc_proxy *proxy)
{
	int r;

	export->described = ipc_proxy_ref(proxy);
	r = ipc_raw_call_async(proxy, &describe, &describe_options, described, export,
			       &export->describing);
	if (r < 0) {
		export->described = ipc_proxy_unref(proxy);
		export_describe(export, r, NULL, NULL);
	}
}

static void changed(struct ipc *ipc, enum ipc_name_change change, const struct ipc_name_info *info,
		    struct ipc_proxy *proxy, void *userdata)
{
	struct export *export = userdata;
	bool same;

	(void)ipc;
	(void)info;
	/* The object that look() found may have ended before the watch began. */
	if (change == IPC_NAME_SETTLED) {
		if (export->present || !export->target)
			return;
		change = IPC_NAME_GONE;
	}
	export->present = change == IPC_NAME_PRESENT;
	pthread_mutex_lock(&export->lock);
	same = change == IPC_NAME_PRESENT && export->target && export->target->proxy == proxy;
	pthread_mutex_unlock(&export->lock);
	same = same || (proxy && proxy == export->unusable);
	export->unusable = ipc_proxy_unref(export->unusable);
	if (same)
		return;
	export->describing = ipc_slot_end_async(export->describing);
	export->described = ipc_proxy_unref(export->described);
	if (change == IPC_NAME_GONE) {
		export_set(export, NULL, NULL);
		log_line("%s is not registered any more; its clients get UNAVAILABLE",
			 export->name);
	} else if (!proxy) {
		export_set(export, NULL, strdup("the gateway may not call it"));
		log_line("cannot export %s: the policy does not let the gateway call it",
			 export->name);
	} else {
		introspect(export, proxy);
	}
}

/* --- Setting up -------------------------------------------------------------------------- */

int exports_new(struct exports **ret_exports, struct ipc *ipc, struct peer_policy *policy)
{
	struct exports *exports = calloc(1, sizeof(*exports));

	if (!exports)
		return -ENOMEM;
	exports->ipc = ipc;
	exports->policy = policy;
	*ret_exports = exports;
	return 0;
}

static struct export *export_free(struct export *export)
{
	ipc_slot_end(export->watch);
	ipc_slot_end(export->describing);
	ipc_proxy_unref(export->described);
	ipc_proxy_unref(export->unusable);
	target_unref(export->target);
	pthread_mutex_destroy(&export->lock);
	free(export->interface);
	free(export->why);
	free(export->name);
	free(export);
	return NULL;
}

struct exports *exports_free(struct exports *exports)
{
	struct export *next;

	if (!exports)
		return NULL;
	for (struct export *export = exports->first; export; export = next) {
		next = export->next;
		export_free(export);
	}
	free(exports);
	return NULL;
}

/* Looks up the name for the first time. A service that cannot be exported is only logged, as if it
 * came later: it must not end the other exports. */
static int look(struct export *export)
{
	ipc_auto(ipc_proxy_unref) struct ipc_proxy *proxy = NULL;
	ipc_auto(ipc_raw_free) struct ipc_raw_message *reply = NULL;
	int r;

	r = ipc_proxy_get(export->of->ipc, export->name, NULL, &proxy);
	if (r == -ENOENT || r == -ENOTCONN || r == -EHOSTUNREACH) {
		log_line("waiting for %s: %s", export->name, ipc_strerror(r));
		return 0;
	}
	if (r == 0)
		r = ipc_raw_call(proxy, &describe, &describe_options, &reply, NULL);
	if (export_describe(export, r, proxy, reply) < 0)
		export->unusable = ipc_proxy_ref(proxy);
	return 0;
}

int exports_add(struct exports *exports, const char *name)
{
	struct export *export;
	int r;

	for (const struct export *other = exports->first; other; other = other->next)
		if (!strcmp(other->name, name)) {
			log_line("cannot export %s: --export names it twice", name);
			return -EEXIST;
		}
	export = calloc(1, sizeof(*export));
	if (!export)
		return -ENOMEM;
	export->of = exports;
	pthread_mutex_init(&export->lock, NULL);
	export->name = strdup(name);
	r = export->name ? look(export) : -ENOMEM;
	if (r == 0) {
		r = ipc_watch_names(exports->ipc, export->name, changed, export, &export->watch);
		if (r < 0)
			log_line("cannot watch %s: %s", export->name, ipc_strerror(r));
	}
	if (r < 0) {
		export_free(export);
		return r;
	}
	export->next = exports->first;
	exports->first = export;
	return 0;
}

/* --- Calls --------------------------------------------------------------------------------- */

/* Returns the method after "/package.Service/", or NULL. */
static const char *method_of(const char *path, const char *interface)
{
	size_t n = strlen(interface);

	if (*path != '/' || strncmp(path + 1, interface, n) || path[n + 1] != '/')
		return NULL;
	return path + n + 2;
}

/* Returns the target of the export for a call. If there is none, ends the call and returns NULL. */
static struct target *get_target_locked(struct export *export, enum policy_verdict verdict,
					struct net_call *call)
{
	if (verdict != POLICY_ALLOW) {
		status_say(call, NET_PERMISSION_DENIED, "the gateway policy refuses this");
		return NULL;
	}
	if (export->target)
		return target_ref(export->target);
	status_say(call, NET_UNAVAILABLE, "%s: %s", export->name,
		   export->why ?: "no process has registered this name");
	return NULL;
}

/* Finds the target, or ends the call and returns NULL. */
static struct target *find(struct exports *exports, struct net_call *call, const char **ret_method,
			   struct net_counts **ret_counts)
{
	enum policy_verdict verdict = POLICY_HIDE;
	struct target *target = NULL;
	bool found = false;

	for (struct export *export = exports->first; export && !found; export = export->next) {
		pthread_mutex_lock(&export->lock);
		if (export->interface) {
			*ret_method = method_of(net_call_path(call), export->interface);
			found = *ret_method;
			*ret_counts = &export->counts;
		}
		if (found)
			verdict = peer_policy_ask(exports->policy, call, PEER_POLICY_CALL,
						  export->name);
		if (verdict != POLICY_HIDE)
			target = get_target_locked(export, verdict, call);
		pthread_mutex_unlock(&export->lock);
	}
	if (!found || verdict == POLICY_HIDE) {
		status_say(call, NET_UNIMPLEMENTED, "no such service is exported here");
	} else if (!target) {
		net_call_count(call, *ret_counts);
	}
	return target;
}

enum export_state exports_has(struct exports *exports, const struct net_call *call,
			      const char *interface)
{
	enum export_state state = EXPORT_NONE;

	for (struct export *export = exports->first; export; export = export->next) {
		pthread_mutex_lock(&export->lock);
		if (export->interface && !strcmp(export->interface, interface) &&
		    peer_policy_ask(exports->policy, call, POLICY_FIND, export->name) ==
			    POLICY_ALLOW)
			state = export->target ? EXPORT_SERVED : EXPORT_WAITS;
		pthread_mutex_unlock(&export->lock);
	}
	return state;
}

void exports_each(struct exports *exports, const struct net_call *call,
		  void (*see)(const struct target *target, void *userdata), void *userdata)
{
	for (struct export *export = exports->first; export; export = export->next) {
		pthread_mutex_lock(&export->lock);
		if (export->target && peer_policy_ask(exports->policy, call, POLICY_LIST,
						      export->name) == POLICY_ALLOW)
			see(export->target, userdata);
		pthread_mutex_unlock(&export->lock);
	}
}

void exports_metrics(const struct exports *exports, FILE *file, metrics_printer *print)
{
	for (const struct export *export = exports->first; export; export = export->next)
		print(file, "export", export->name, &export->counts);
}

/* Serves a call. After a failure the caller must end the call. */
static int begin(struct exports *exports, struct net_call *call)
{
	const struct schema_method *method;
	struct net_counts *counts = NULL;
	struct target *target;
	const char *name = NULL, *refusal;
	int r = 0;

	target = find(exports, call, &name, &counts);
	if (!target)
		return 0;
	method = schema_find(target->schema, name);
	refusal = method ? target_refusal(target, method) : NULL;
	net_call_count(call, counts);
	if (refusal) {
		status_say(call, NET_UNIMPLEMENTED, "%s", refusal);
	} else if (method) {
		r = relay_start(call, target, method);
	} else {
		status_say(call, NET_UNIMPLEMENTED, "%s has no method of this name",
			   schema_interface(target->schema));
	}
	target_unref(target);
	return r;
}

void exports_accept(struct net_call *call, void *userdata)
{
	if (begin(userdata, call) < 0)
		status_say(call, NET_RESOURCE_EXHAUSTED, "the gateway has no memory");
}
