// SPDX-License-Identifier: MIT
/*
 * Adding and removing names, and the life of the service. Each handler checks
 * what the caller sent, asks or changes the registry and answers; none of them
 * calls anybody, so none can be kept waiting. The other handlers are in
 * lookup.c and watch.c; what is kept for a name is a struct owner (state.h).
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "state.h"

/* After a restart owners add their names again within milliseconds. That is over
 * after a moment in which none did, but not never. */
#define SETTLE_QUIET_USEC	300000
#define SETTLE_MAX_USEC		3000000

void say(const struct service *service, const char *format, ...)
{
	va_list args;

	if (!service->verbose)
		return;

	va_start(args, format);
	fputs("servicemanager: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
}

/* --- Owners -------------------------------------------------------------------- */

static void owner_free(struct owner *owner)
{
	ipc_proxy_unref(owner->proxy);
	free(owner);
}

/* The owner is not in the registry, or not any more. */
static void owner_drop(struct owner *owner)
{
	if (owner->death && ipc_proxy_off_death(owner->proxy, owner->death) < 0) {
		/* It died just now and owner_died() is about to come. */
		owner->dropped = true;
		return;
	}

	owner_free(owner);
}

static void owner_died(struct ipc_proxy *proxy, void *userdata)
{
	struct owner *owner = userdata;

	(void)proxy;
	if (!owner->dropped) {
		registry_remove(owner->service->registry, &owner->entry);
		say(owner->service, "%s is gone: its owner died (pid %d, uid %u)",
		    owner->entry.name, owner->entry.pid, owner->entry.uid);
		watch_changed(owner->service, owner->entry.name);
	}

	owner_free(owner);
}

/* Takes the proxy over, also when it fails. */
static int owner_new(struct service *service, struct ipc_call *call,
		     const Ipc__Manager__RegisterNameRequest *request, struct ipc_proxy *proxy,
		     struct owner **ret_owner)
{
	struct owner *owner = calloc(1, sizeof(*owner));
	int r;

	if (!owner) {
		ipc_proxy_unref(proxy);
		return -ENOMEM;
	}

	strcpy(owner->entry.name, request->name);
	strcpy(owner->entry.interface, request->interface);
	owner->entry.pid = ipc_call_pid(call);
	owner->entry.uid = ipc_call_uid(call);
	owner->service = service;
	owner->proxy = proxy;
	r = request->provider ? provide_cookie(&owner->cookie) : 0;
	if (r == 0)
		r = ipc_proxy_on_death(proxy, owner_died, owner, &owner->death);
	if (r < 0) {
		owner_free(owner);
		return r;
	}

	*ret_owner = owner;
	return 0;
}

/* --- Adding ---------------------------------------------------------------------- */

/* The object, or what provides it: one of them. */
static Ipc__Object *added_object(const Ipc__Manager__RegisterNameRequest *request)
{
	bool object = request->object && request->object->id;
	bool provider = request->provider && request->provider->id;

	if (object == provider)
		return NULL;

	return object ? request->object : request->provider;
}

static const char *add_problem(const Ipc__Manager__RegisterNameRequest *request)
{
	if (!registry_name_is_valid(request->name))
		return BAD_NAME;
	if (!registry_interface_is_valid(request->interface))
		return BAD_INTERFACE;
	if (!added_object(request))
		return "there is no object to add, or there are two";

	return NULL;
}

int answer_failure(struct ipc_call *call, int r, const char *what)
{
	if (r != -EDQUOT)
		return r;

	return ipc_call_errno(call, EDQUOT, "there are too many %s, yours or all together", what);
}

static int answer_taken(struct ipc_call *call, const struct registry_entry *entry)
{
	return ipc_call_errno(call, EEXIST, "%s belongs to a living object of uid %u", entry->name,
			      entry->uid);
}

/* The owner says again what is so already, as after each restart of ours. */
static struct owner *find_added(const struct service *service, const struct owner *owner)
{
	struct registry_entry *entry = registry_find(service->registry, owner->entry.name);

	if (!entry || owner_of(entry)->proxy != owner->proxy || entry->uid != owner->entry.uid ||
	    entry->pid != owner->entry.pid || strcmp(entry->interface, owner->entry.interface) ||
	    !owner_of(entry)->cookie != !owner->cookie)
		return NULL;

	return owner_of(entry);
}

static int added_again(struct service *service, struct ipc_call *call, struct owner *owner)
{
	/* It was about to leave and does not. */
	if (owner->leaving)
		provide_appeared(service, owner);
	return service_manager_reply_register_name(call);
}

static void settle_later(struct service *service)
{
	uint64_t latest = service->started_at + SETTLE_MAX_USEC;
	uint64_t at = now_usec() + SETTLE_QUIET_USEC;

	if (at > latest)
		at = latest;
	if (at > service->settled_at)
		service->settled_at = at;
}

static void added(struct service *service, struct owner *owner, struct registry_entry *old)
{
	say(service, "%s is there: %s (pid %d, uid %u)", owner->entry.name,
	    *owner->entry.interface ? owner->entry.interface : "an object", owner->entry.pid,
	    owner->entry.uid);
	if (old)
		owner_drop(owner_of(old));
	if (!service->settled)
		settle_later(service);
	activation_appeared(service, owner->entry.name);
	lookup_appeared(service, owner);
	watch_changed(service, owner->entry.name);
}

/* Takes the owner over. */
static int add(struct service *service, struct ipc_call *call, struct owner *owner)
{
	struct owner *same = find_added(service, owner);
	const char *name = owner->entry.name;
	struct registry_entry *old;
	int r;

	if (same) {
		owner_drop(owner);
		return added_again(service, call, same);
	}

	r = registry_add(service->registry, &owner->entry, &old);
	if (r == -EEXIST)
		r = answer_taken(call, registry_find(service->registry, name));
	else if (r < 0)
		r = answer_failure(call, r, "names");
	else
		return added(service, owner, old), service_manager_reply_register_name(call);

	owner_drop(owner);
	return r;
}

/* 0, or an answer was given: what came of it, or 1. */
static int may_add(const struct service *service, struct ipc_call *call, const char *name)
{
	struct policy_decision decision;
	struct caller caller;
	int r = caller_init(&caller, call, service->policy);

	if (r < 0)
		return r;

	decision = access_decide(service, &caller, POLICY_ADD, name);
	caller_done(&caller);
	if (decision.verdict == POLICY_ALLOW)
		return 0;

	r = answer_denied(call, &decision, name);
	return r < 0 ? r : 1;
}

static int handle_add(struct ipc_call *call, const Ipc__Manager__RegisterNameRequest *request,
		      void *userdata)
{
	const char *problem = add_problem(request);
	struct service *service = userdata;
	struct ipc_proxy *proxy;
	struct owner *owner;
	int r;

	if (problem)
		return ipc_call_errno(call, EINVAL, "%s", problem);

	r = may_add(service, call, request->name);
	if (r != 0)
		return r < 0 ? r : 0;
	r = ipc_take_proxy(service->ipc, &added_object(request)->id, &proxy);
	if (r == -EXDEV)
		return ipc_call_errno(call, EINVAL, "servicemanager itself cannot be added");
	if (r < 0)
		return r;

	r = owner_new(service, call, request, proxy, &owner);
	if (r < 0)
		return r;

	return add(service, call, owner);
}

/* --- Removing ----------------------------------------------------------------------- */

static void remove_owner(struct service *service, struct owner *owner)
{
	registry_remove(service->registry, &owner->entry);
	watch_changed(service, owner->entry.name);
	owner_drop(owner);
}

static bool has_left(const struct ipc_call *call, const struct owner *owner)
{
	return owner->leaving && owner->entry.pid == ipc_call_pid(call);
}

static int handle_remove(struct ipc_call *call, const Ipc__Manager__UnregisterNameRequest *request,
			 void *userdata)
{
	struct service *service = userdata;
	struct registry_entry *entry;

	if (!registry_name_is_valid(request->name))
		return ipc_call_errno(call, EINVAL, BAD_NAME);

	entry = registry_find(service->registry, request->name);
	if (!entry || (request->left && !has_left(call, owner_of(entry))))
		return answer_unknown(call);
	if (registry_may_remove(entry, ipc_call_uid(call)) < 0)
		return ipc_call_errno(call, EPERM, "%s belongs to uid %u", entry->name, entry->uid);

	say(service, "%s is gone: removed by pid %d, uid %u", entry->name, ipc_call_pid(call),
	    ipc_call_uid(call));
	remove_owner(service, owner_of(entry));
	return service_manager_reply_unregister_name(call);
}

/* --- The service ---------------------------------------------------------------------- */

static const struct service_manager_ops ops = {
	.register_name = handle_add,
	.get = handle_get,
	.wait = handle_wait,
	.check = handle_check,
	.list = handle_list,
	.unregister_name = handle_remove,
	.watch = handle_watch,
	.unwatch = handle_unwatch,
	.check_policy = handle_check_policy,
	.provide = handle_provide,
	.idle_exit = handle_leave,
};

/* With an old driver no caller has a label. */
static int ask_for_labels(struct ipc_object *object)
{
	int r = ipc_object_set_flags(object, IPC_OBJECT_LABEL);

	return r == -EOPNOTSUPP ? 0 : r;
}

int service_new(struct ipc *ipc, const struct service_options *options,
		struct service **ret_service)
{
	struct service *service = calloc(1, sizeof(*service));
	int r;

	if (!service)
		return -ENOMEM;

	service->ipc = ipc;
	service->epoll = options->epoll;
	service->verbose = options->verbose;
	service->policy = options->policy;
	service->device = options->device;
	service->settled = !options->settle_msec;
	service->started_at = now_usec();
	service->settled_at = service->started_at + options->settle_msec * 1000ULL;
	service->registry = registry_new();
	r = service->registry ? 0 : -ENOMEM;
	if (r == 0)
		r = service_manager_object_new(ipc, &ops, service, /* destroy= */ NULL,
					       &service->object);
	if (r == 0)
		r = ask_for_labels(service->object);
	if (r == 0)
		r = ipc_set_manager(ipc, service->object);
	if (r < 0) {
		service_free(service);
		return r;
	}

	*ret_service = service;
	return 0;
}

void service_set_policy(struct service *service, const struct policy *policy)
{
	service->policy = policy;
	lookup_policy_changed(service);
	watch_policy_changed(service);
}

void service_event(struct service *service, void *data)
{
	struct source *source = data;

	source->ready(service, source);
}

void service_forget_fd(const struct service *service, int fd)
{
	epoll_ctl(service->epoll, EPOLL_CTL_DEL, fd, /* event= */ NULL);
}

static int settle_in_msec(struct service *service)
{
	uint64_t now = now_usec();

	if (service->settled)
		return -1;
	if (now < service->settled_at)
		return (int)((service->settled_at - now) / 1000) + 1;

	service->settled = true;
	lookup_settle(service);
	watch_continue(service);
	return -1;
}

int service_work(struct service *service)
{
	int timeout = earlier(settle_in_msec(service), units_work(service));

	timeout = earlier(timeout, activation_work(service));
	/* What came before may have given it something to do. */
	return earlier(timeout, watch_work(service));
}

bool service_wants_room(const struct service *service)
{
	return service->wants_room;
}

void service_room(struct service *service)
{
	watch_continue(service);
}

struct service *service_free(struct service *service)
{
	struct registry_entry *entry;
	size_t position = 0;

	if (!service)
		return NULL;

	lookup_end(service);
	activations_end(service);
	units_end(service);
	watch_end(service);
	while (service->registry && (entry = registry_next(service->registry, "", &position))) {
		registry_remove(service->registry, entry);
		owner_drop(owner_of(entry));
		position = 0;
	}

	registry_free(service->registry);
	ipc_object_unref(service->object);
	free(service);
	return NULL;
}
