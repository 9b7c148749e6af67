// SPDX-License-Identifier: MIT
/*
 * Telling those who watch names. Nothing waits for them: what a watcher has no
 * room for is kept until the driver says that there is room again, and if that
 * gets too much, it is told from the beginning. Nor does anybody wait while they
 * are told: only so much is told at a time, to one watch after another.
 *
 * What a watch has to tell, in this order:
 *
 *   AGAIN     if it missed something
 *   PRESENT   of every name after the *cursor*, which goes through them all when
 *             the watch begins and after AGAIN
 *   PRESENT, GONE of the names that changed behind it, each once however often
 *   SETTLED   once, but not while owners may be about to add their names again
 *
 * A name that changes while the cursor has not reached it needs nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

/* More names than this are not remembered for one watch. */
#define PENDING_MAX 256

/* More names than this are not looked at between two turns of the loop. */
#define NAMES_AT_ONCE 512

/* Who could not be told for now is told then. */
#define RETRY_MSEC 20

/* A name whose change is still to be told. */
struct pending {
	struct pending *next;
	char name[];
};

struct watch {
	struct registry_watch entry;
	struct service *service;
	struct watcher *watcher;
	uint64_t cookie; /* the watcher's own */
	struct caller caller;
	uint64_t death;
	struct pending *pending;
	size_t n_pending;
	char cursor[REGISTRY_NAME_MAX + 1];
	bool through;	/* the cursor is */
	bool settled;	/* and that was told */
	bool stuck;	/* until watch_continue(): there is no room */
	bool again;	/* to be told first */
	bool dropped;	/* no longer in the registry; its death watch frees it */
};

static struct watch *watch_of(struct registry_watch *entry)
{
	return container_of(entry, struct watch, entry);
}

/* --- Watches --------------------------------------------------------------------- */

static void forget_pending(struct watch *watch)
{
	while (watch->pending) {
		struct pending *pending = watch->pending;

		watch->pending = pending->next;
		free(pending);
	}
	watch->n_pending = 0;
}

static void watch_free(struct watch *watch)
{
	forget_pending(watch);
	caller_done(&watch->caller);
	watcher_unref(watch->watcher);
	free(watch);
}

/* The watch is not in the registry, or not any more. */
static void watch_drop(struct watch *watch)
{
	if (watch->death &&
	    ipc_proxy_off_death(watcher_proxy(watch->watcher), watch->death) < 0) {
		/* It died just now and watcher_died() is about to come. */
		watch->dropped = true;
		return;
	}

	watch_free(watch);
}

static void watcher_died(struct ipc_proxy *proxy, void *userdata)
{
	struct watch *watch = userdata;

	(void)proxy;
	if (!watch->dropped)
		registry_unwatch(watch->service->registry, &watch->entry);
	watch_free(watch);
}

/* Takes the proxy over, also when it fails. */
static int watch_new(struct service *service, struct ipc_call *call,
		     const Ipc__Manager__WatchRequest *request, struct ipc_proxy *proxy,
		     struct watch **ret_watch)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	int r;

	if (!watch) {
		ipc_proxy_unref(proxy);
		return -ENOMEM;
	}

	strcpy(watch->entry.name, request->name);
	watch->entry.prefix = request->prefix;
	watch->entry.uid = ipc_call_uid(call);
	watch->cookie = request->cookie;
	watch->service = service;
	watch->watcher = watcher_from_proxy(proxy);
	r = caller_init(&watch->caller, call, service->policy);
	if (r == 0)
		r = ipc_proxy_on_death(proxy, watcher_died, watch, &watch->death);
	if (r < 0) {
		watch_free(watch);
		return r;
	}

	*ret_watch = watch;
	return 0;
}

/* --- Telling ---------------------------------------------------------------------- */

static int tell(struct watch *watch, Ipc__Manager__ChangeKind kind, Ipc__Manager__Entry *entry,
		Ipc__Object *object)
{
	Ipc__Manager__Change change = IPC__MANAGER__CHANGE__INIT;

	change.kind = kind;
	change.cookie = watch->cookie;
	change.entry = entry;
	change.object = object;
	return watcher_changed(watch->watcher, &change);
}

static bool may(const struct watch *watch, enum policy_right right, const char *name)
{
	return access_allows(watch->service, &watch->caller, right, name);
}

static int tell_present(struct watch *watch, struct registry_entry *entry)
{
	bool callable = !owner_of(entry)->cookie && may(watch, POLICY_CALL, entry->name);
	Ipc__Object object = IPC__OBJECT__INIT;
	Ipc__Manager__Entry message;

	entry_message(&message, entry);
	object.id = ipc_proxy_id(owner_of(entry)->proxy);
	return tell(watch, IPC__MANAGER__CHANGE_KIND__CHANGE_PRESENT, &message,
		    callable ? &object : NULL);
}

/* -EINPROGRESS: not now. */
static int tell_name(struct watch *watch, const char *name)
{
	struct registry_entry *entry = registry_find(watch->service->registry, name);
	Ipc__Manager__Entry gone = IPC__MANAGER__ENTRY__INIT;

	if (watch->service->told_now == NAMES_AT_ONCE)
		return -EINPROGRESS;
	watch->service->told_now++;
	if (!may(watch, POLICY_FIND, name))
		return 0;
	if (entry)
		return tell_present(watch, entry);

	gone.name = (char *)name;
	return tell(watch, IPC__MANAGER__CHANGE_KIND__CHANGE_GONE, &gone, /* object= */ NULL);
}

static int tell_from_cursor(struct watch *watch)
{
	struct registry_entry *entry;

	while ((entry = registry_watched_after(watch->service->registry, &watch->entry,
					       watch->cursor))) {
		int r = tell_name(watch, entry->name);

		if (r < 0)
			return r;
		strcpy(watch->cursor, entry->name);
	}

	watch->through = true;
	return 0;
}

static int tell_pending(struct watch *watch)
{
	while (watch->pending) {
		struct pending *pending = watch->pending;
		int r = tell_name(watch, pending->name);

		if (r < 0)
			return r;
		watch->pending = pending->next;
		watch->n_pending--;
		free(pending);
	}

	return 0;
}

static int tell_mark(struct watch *watch, Ipc__Manager__ChangeKind kind)
{
	return tell(watch, kind, /* entry= */ NULL, /* object= */ NULL);
}

static int tell_all(struct watch *watch)
{
	int r = 0;

	if (watch->again) {
		r = tell_mark(watch, IPC__MANAGER__CHANGE_KIND__CHANGE_REPLACED);
		watch->again = r < 0;
	}
	if (r == 0 && !watch->through)
		r = tell_from_cursor(watch);
	if (r == 0)
		r = tell_pending(watch);
	if (r == 0 && !watch->settled && watch->service->settled) {
		r = tell_mark(watch, IPC__MANAGER__CHANGE_KIND__CHANGE_SETTLED);
		watch->settled = r == 0;
	}

	return r;
}

/* Is this because of the moment? Only of -EAGAIN does the driver say when it is over. */
static bool is_passing(int r)
{
	return r == -EAGAIN || r == -ENOSPC || r == -EDQUOT || r == -ENOMEM;
}

/* May end the watch: nobody can be told who is gone, or takes no objects. */
static void continue_telling(struct watch *watch)
{
	struct service *service = watch->service;
	int r = watch->stuck ? 0 : tell_all(watch);

	if (r == 0)
		return;
	if (r == -EINPROGRESS) {
		/* It had its share, or comes first next time. */
		if (!service->wants_turn)
			registry_watch_last(service->registry, &watch->entry);
		service->wants_turn = true;
		return;
	}
	if (is_passing(r)) {
		watch->stuck = true;
		service->wants_room |= r == -EAGAIN;
		service->wants_time |= r != -EAGAIN;
		return;
	}

	if (r != -EOWNERDEAD)
		say(service, "uid %u watches %s%s no more: %s", watch->entry.uid,
		    watch->entry.name, watch->entry.prefix ? "*" : "", ipc_strerror(r));
	registry_unwatch(service->registry, &watch->entry);
	watch_drop(watch);
}

static void continue_all(struct service *service, bool stuck_too)
{
	struct registry_watch *next, *entry = registry_next_watch(service->registry, NULL);

	service->wants_turn = false;
	for (; entry; entry = next) {
		next = registry_next_watch(service->registry, entry);
		if (stuck_too)
			watch_of(entry)->stuck = false;
		continue_telling(watch_of(entry));
	}
}

void watch_continue(struct service *service)
{
	service->wants_room = service->wants_time = false;
	continue_all(service, /* stuck_too= */ true);
}

int watch_work(struct service *service)
{
	service->told_now = 0;
	if (service->wants_time)
		watch_continue(service);
	else if (service->wants_turn)
		continue_all(service, /* stuck_too= */ false);
	if (service->wants_turn)
		return 0;

	return service->wants_time ? RETRY_MSEC : -1;
}

/* Forgets what changed: everything is told again. */
static void start_again(struct watch *watch)
{
	forget_pending(watch);
	watch->cursor[0] = '\0';
	watch->through = watch->settled = false;
	watch->again = true;
}

void watch_policy_changed(struct service *service)
{
	struct registry_watch *entry = NULL;

	while ((entry = registry_next_watch(service->registry, entry)))
		start_again(watch_of(entry));
	watch_continue(service);
}

static void append_pending(struct watch *watch, const char *name)
{
	struct pending **link = &watch->pending, *pending;

	for (; *link; link = &(*link)->next)
		if (!strcmp((*link)->name, name))
			return;

	pending = watch->n_pending < PENDING_MAX ? malloc(sizeof(*pending) + strlen(name) + 1) :
						   NULL;
	if (!pending) {
		start_again(watch);
		return;
	}

	strcpy(pending->name, name);
	pending->next = NULL;
	*link = pending;
	watch->n_pending++;
}

void watch_changed(struct service *service, const char *name)
{
	struct registry_watch *next, *entry = registry_next_watch(service->registry, NULL);

	for (; entry; entry = next) {
		struct watch *watch = watch_of(entry);

		next = registry_next_watch(service->registry, entry);
		if (!registry_watches(entry, name))
			continue;
		if (watch->through || strcmp(name, watch->cursor) <= 0)
			append_pending(watch, name);
		continue_telling(watch);
	}
}

/* --- Handlers --------------------------------------------------------------------- */

static const char *watch_problem(const Ipc__Manager__WatchRequest *request)
{
	if (request->prefix && !registry_prefix_is_valid(request->name))
		return "no name has that prefix: " BAD_NAME;
	if (!request->prefix && !registry_name_is_valid(request->name))
		return BAD_NAME;
	if (!request->watcher || !request->watcher->id)
		return "there is no watcher";

	return NULL;
}

static int take_watcher(struct service *service, struct ipc_call *call,
			const Ipc__Manager__WatchRequest *request, struct ipc_proxy **ret_proxy)
{
	const char *problem = watch_problem(request);

	if (problem) {
		ipc_call_errno(call, EINVAL, "%s", problem);
		return -EINVAL;
	}

	return ipc_take_proxy(service->ipc, &request->watcher->id, ret_proxy);
}

static struct watch *find_watch(const struct service *service, const struct ipc_proxy *proxy,
				const Ipc__Manager__WatchRequest *request)
{
	struct registry_watch *entry = NULL;

	while ((entry = registry_next_watch(service->registry, entry)))
		if (entry->prefix == !!request->prefix && !strcmp(entry->name, request->name) &&
		    watcher_proxy(watch_of(entry)->watcher) == proxy)
			return watch_of(entry);

	return NULL;
}

int handle_watch(struct ipc_call *call, const Ipc__Manager__WatchRequest *request,
		 void *userdata)
{
	struct service *service = userdata;
	struct policy_decision decision;
	struct ipc_proxy *proxy;
	struct watch *watch;
	int r;

	r = take_watcher(service, call, request, &proxy);
	if (r < 0)
		return r;
	if (find_watch(service, proxy, request)) {
		ipc_proxy_unref(proxy);
		return ipc_call_errno(call, EEXIST, "it watches %s already", request->name);
	}

	r = watch_new(service, call, request, proxy, &watch);
	if (r < 0)
		return r;
	decision = access_decide(service, &watch->caller, POLICY_FIND, request->name);
	if (!request->prefix && decision.verdict == POLICY_REFUSE) {
		watch_drop(watch);
		return answer_denied(call, &decision, request->name);
	}
	r = registry_watch(service->registry, &watch->entry);
	if (r < 0) {
		watch_drop(watch);
		return answer_failure(call, r, "watches");
	}

	say(service, "pid %d, uid %u watches %s%s", ipc_call_pid(call), ipc_call_uid(call),
	    request->name, request->prefix ? "*" : "");
	continue_telling(watch);
	return service_manager_reply_watch(call);
}

int handle_unwatch(struct ipc_call *call, const Ipc__Manager__WatchRequest *request,
		   void *userdata)
{
	struct service *service = userdata;
	struct ipc_proxy *proxy;
	struct watch *watch;
	int r;

	r = take_watcher(service, call, request, &proxy);
	if (r < 0)
		return r;
	watch = find_watch(service, proxy, request);
	ipc_proxy_unref(proxy);
	if (!watch || watch->entry.uid != ipc_call_uid(call))
		return ipc_call_errno(call, ENOENT, "there is no such watch");

	registry_unwatch(service->registry, &watch->entry);
	watch_drop(watch);
	return service_manager_reply_unwatch(call);
}

void watch_end(struct service *service)
{
	struct registry_watch *entry;

	while (service->registry && (entry = registry_next_watch(service->registry, NULL))) {
		registry_unwatch(service->registry, entry);
		watch_drop(watch_of(entry));
	}
}
