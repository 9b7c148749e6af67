// SPDX-License-Identifier: MIT
/*
 * Watches of names: see manager.h. Calls never wait for a watcher. While the region of a watcher is
 * full, its notifications are kept until the driver reports space. If there are too many to keep,
 * the watch is replayed from the beginning. In each turn of the loop, at most NAMES_AT_ONCE names
 * are handled, one watch after another.
 *
 * A watch sends, in this order:
 *
 *   REPLAY    if it missed a change
 *   PRESENT   for every name after the cursor, which passes all names when the watch begins,
 *             and again after REPLAY
 *   PRESENT, GONE  once for each name that changed behind the cursor; a change ahead of the
 *             cursor needs no notification of its own
 *   SETTLED   once, but not while owners may be about to register their names again
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "manager.h"

/* Maximum number of changed names that a watch keeps before it is replayed. */
#define PENDING_MAX 256

/* Maximum number of names handled in a turn of the loop. */
#define NAMES_AT_ONCE 512

/* If a watch lacked a resource, it tries again after this delay. */
#define RETRY_MSEC 20

/* A changed name of which the watcher has not been notified. */
struct pending {
	struct pending *next;
	char name[];
};

struct watch {
	struct registry_watch entry;
	struct manager *manager;
	struct watcher *watcher;
	uint64_t cookie; /* chosen by the watcher */
	struct caller caller;
	struct ipc_slot *death;
	struct pending *pending;
	size_t n_pending;
	char cursor[REGISTRY_NAME_MAX + 1];
	bool passed;  /* the cursor is behind the last name */
	bool settled; /* SETTLED was sent */
	bool stuck;   /* a notification failed; until watch_continue() */
	bool replay;  /* REPLAY must be sent first */
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

/* The watch must not be in the registry. */
static void watch_free(struct watch *watch)
{
	ipc_slot_end_async(watch->death);
	forget_pending(watch);
	caller_done(&watch->caller);
	watcher_unref(watch->watcher);
	free(watch);
}

static void watcher_died(struct ipc_proxy *proxy, void *userdata)
{
	struct watch *watch = userdata;

	(void)proxy;
	registry_unwatch(watch->manager->registry, &watch->entry);
	watch_free(watch);
}

/* Takes ownership of the proxy, even on failure. */
static int watch_new(struct manager *manager, struct ipc_call *call,
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
	watch->manager = manager;
	watch->watcher = watcher_from_proxy(proxy);
	r = caller_init(&watch->caller, call, manager->options.policy);
	if (r == 0)
		r = ipc_proxy_on_death(proxy, watcher_died, watch, &watch->death);
	if (r < 0) {
		watch_free(watch);
		return r;
	}

	*ret_watch = watch;
	return 0;
}

/* --- Notifications ----------------------------------------------------------------- */

static int notify(struct watch *watch, Ipc__Manager__ChangeKind kind, Ipc__Manager__Entry *entry,
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
	return access_allows(watch->manager, &watch->caller, right, name);
}

static int notify_present(struct watch *watch, struct registry_entry *entry)
{
	bool callable = !owner_of(entry)->idle_exit && may(watch, POLICY_CALL, entry->name);
	Ipc__Object object = IPC__OBJECT__INIT;
	Ipc__Manager__Entry message;

	entry_message(&message, entry);
	object.id = ipc_proxy_id(owner_of(entry)->proxy);
	return notify(watch, IPC__MANAGER__CHANGE_KIND__CHANGE_PRESENT, &message,
		      callable ? &object : NULL);
}

/* If this turn of the loop has handled enough names, returns -EINPROGRESS. */
static int notify_name(struct watch *watch, const char *name)
{
	struct registry_entry *entry = registry_find(watch->manager->registry, name);
	Ipc__Manager__Entry gone = IPC__MANAGER__ENTRY__INIT;

	if (watch->manager->notified == NAMES_AT_ONCE)
		return -EINPROGRESS;
	watch->manager->notified++;
	if (!may(watch, POLICY_FIND, name))
		return 0;
	if (entry)
		return notify_present(watch, entry);

	gone.name = (char *)name;
	return notify(watch, IPC__MANAGER__CHANGE_KIND__CHANGE_GONE, &gone, /* object= */ NULL);
}

/* Returns the first watched entry after the cursor, or NULL. */
static struct registry_entry *next_entry(const struct watch *watch)
{
	const struct registry *registry = watch->manager->registry;

	if (watch->entry.prefix)
		return registry_next(registry, watch->entry.name, watch->cursor);
	return *watch->cursor ? NULL : registry_find(registry, watch->entry.name);
}

static int notify_from_cursor(struct watch *watch)
{
	struct registry_entry *entry;

	while ((entry = next_entry(watch))) {
		int r = notify_name(watch, entry->name);

		if (r < 0)
			return r;
		strcpy(watch->cursor, entry->name);
	}

	watch->passed = true;
	return 0;
}

static int notify_pending(struct watch *watch)
{
	while (watch->pending) {
		struct pending *pending = watch->pending;
		int r = notify_name(watch, pending->name);

		if (r < 0)
			return r;
		watch->pending = pending->next;
		watch->n_pending--;
		free(pending);
	}

	return 0;
}

static int notify_mark(struct watch *watch, Ipc__Manager__ChangeKind kind)
{
	return notify(watch, kind, /* entry= */ NULL, /* object= */ NULL);
}

static int notify_watcher(struct watch *watch)
{
	int r = 0;

	if (watch->replay) {
		r = notify_mark(watch, IPC__MANAGER__CHANGE_KIND__CHANGE_REPLAY);
		watch->replay = r < 0;
	}
	if (r == 0 && !watch->passed)
		r = notify_from_cursor(watch);
	if (r == 0)
		r = notify_pending(watch);
	if (r == 0 && !watch->settled && watch->manager->settled) {
		r = notify_mark(watch, IPC__MANAGER__CHANGE_KIND__CHANGE_SETTLED);
		watch->settled = r == 0;
	}

	return r;
}

static void became_writable(struct ipc *ipc, void *userdata)
{
	struct manager *manager = userdata;

	(void)ipc;
	manager->writable = ipc_slot_end_async(manager->writable);
	watch_continue(manager);
}

/* Requests a report from the driver when a receiver has space again. */
static int await_space(struct manager *manager)
{
	return manager->writable ? 0 : ipc_on_writable(manager->ipc, became_writable, manager,
						       &manager->writable);
}

/* Sends the notifications that are due. If the watcher died or accepts no objects, ends the
 * watch. */
static void continue_watch(struct watch *watch)
{
	struct manager *manager = watch->manager;
	int r = watch->stuck ? 0 : notify_watcher(watch);

	if (r == 0)
		return;
	if (r == -EINPROGRESS) {
		/* The first watch that stops here has had its turn; later watches keep their
		 * place. */
		if (!manager->wants_turn)
			registry_watch_last(manager->registry, &watch->entry);
		manager->wants_turn = true;
		return;
	}
	/* A retry may succeed. Only after -EAGAIN does the driver report when. */
	if (r == -EAGAIN || r == -ENOSPC || r == -EDQUOT || r == -ENOMEM) {
		watch->stuck = true;
		if (r == -EAGAIN)
			r = await_space(manager);
		manager->wants_time |= r < 0;
		return;
	}

	if (r != -EOWNERDEAD)
		log_verbose(manager, "stopped watching %s%s for uid %u: %s", watch->entry.name,
			    watch->entry.prefix ? "*" : "", watch->entry.uid, ipc_strerror(r));
	registry_unwatch(manager->registry, &watch->entry);
	watch_free(watch);
}

static void continue_all(struct manager *manager, bool stuck_too)
{
	struct registry_watch *next, *entry = registry_next_watch(manager->registry, NULL);

	manager->wants_turn = false;
	for (; entry; entry = next) {
		next = registry_next_watch(manager->registry, entry);
		if (stuck_too)
			watch_of(entry)->stuck = false;
		continue_watch(watch_of(entry));
	}
}

void watch_continue(struct manager *manager)
{
	manager->wants_time = false;
	continue_all(manager, /* stuck_too= */ true);
}

int watch_work(struct manager *manager)
{
	manager->notified = 0;
	if (manager->wants_time)
		watch_continue(manager);
	else if (manager->wants_turn)
		continue_all(manager, /* stuck_too= */ false);
	if (manager->wants_turn)
		return 0;

	return manager->wants_time ? RETRY_MSEC : -1;
}

/* Starts again from the first name. Pending changes are discarded, because all names are reported
 * again. */
static void restart(struct watch *watch)
{
	forget_pending(watch);
	watch->cursor[0] = '\0';
	watch->passed = watch->settled = false;
	watch->replay = true;
}

void watch_policy_changed(struct manager *manager)
{
	struct registry_watch *entry = NULL;

	while ((entry = registry_next_watch(manager->registry, entry)))
		restart(watch_of(entry));
	watch_continue(manager);
}

static void append_pending(struct watch *watch, const char *name)
{
	struct pending **link = &watch->pending, *pending;

	for (; *link; link = &(*link)->next)
		if (!strcmp((*link)->name, name))
			return;

	pending =
		watch->n_pending < PENDING_MAX ? malloc(sizeof(*pending) + strlen(name) + 1) : NULL;
	if (!pending) {
		restart(watch);
		return;
	}

	strcpy(pending->name, name);
	pending->next = NULL;
	*link = pending;
	watch->n_pending++;
}

void watch_changed(struct manager *manager, const char *name)
{
	struct registry_watch *next, *entry = registry_next_watch(manager->registry, NULL);

	for (; entry; entry = next) {
		struct watch *watch = watch_of(entry);

		next = registry_next_watch(manager->registry, entry);
		if (!registry_watches(entry, name))
			continue;
		if (watch->passed || strcmp(name, watch->cursor) <= 0)
			append_pending(watch, name);
		continue_watch(watch);
	}
}

/* --- Handlers --------------------------------------------------------------------- */

static const char *watch_problem(const Ipc__Manager__WatchRequest *request)
{
	if (request->prefix && !registry_prefix_is_valid(request->name))
		return "invalid prefix: " BAD_NAME;
	if (!request->prefix && !registry_name_is_valid(request->name))
		return BAD_NAME;
	if (!request->watcher || !request->watcher->id)
		return "no watcher in the request";

	return NULL;
}

static int take_watcher(struct manager *manager, struct ipc_call *call,
			const Ipc__Manager__WatchRequest *request, struct ipc_proxy **ret_proxy)
{
	const char *problem = watch_problem(request);

	if (problem) {
		ipc_call_fail(call, EINVAL, NULL, "%s", problem);
		return -EINVAL;
	}

	return ipc_take_proxy(manager->ipc, &request->watcher->id, ret_proxy);
}

static struct watch *find_watch(const struct manager *manager, const struct ipc_proxy *proxy,
				const Ipc__Manager__WatchRequest *request)
{
	struct registry_watch *entry = NULL;

	while ((entry = registry_next_watch(manager->registry, entry)))
		if (entry->prefix == !!request->prefix && !strcmp(entry->name, request->name) &&
		    watcher_proxy(watch_of(entry)->watcher) == proxy)
			return watch_of(entry);

	return NULL;
}

int handle_watch(struct ipc_call *call, const Ipc__Manager__WatchRequest *request, void *userdata)
{
	struct manager *manager = userdata;
	struct policy_decision decision;
	struct ipc_proxy *proxy;
	struct watch *watch;
	int r;

	r = take_watcher(manager, call, request, &proxy);
	if (r < 0)
		return r;
	if (find_watch(manager, proxy, request)) {
		ipc_proxy_unref(proxy);
		return service_manager_reply_watch(call);
	}

	r = watch_new(manager, call, request, proxy, &watch);
	if (r < 0)
		return r;
	decision = access_decide(manager, &watch->caller, POLICY_FIND, request->name);
	if (!request->prefix && decision.verdict == POLICY_REFUSE) {
		watch_free(watch);
		return reply_denied(call, &decision, request->name);
	}
	r = registry_watch(manager->registry, &watch->entry);
	if (r < 0) {
		watch_free(watch);
		return reply_failure(call, r, "watches");
	}

	log_verbose(manager, "watching %s%s: pid %d, uid %u", request->name,
		    request->prefix ? "*" : "", ipc_call_pid(call), ipc_call_uid(call));
	continue_watch(watch);
	return service_manager_reply_watch(call);
}

int handle_unwatch(struct ipc_call *call, const Ipc__Manager__WatchRequest *request, void *userdata)
{
	struct manager *manager = userdata;
	struct ipc_proxy *proxy;
	struct watch *watch;
	int r;

	r = take_watcher(manager, call, request, &proxy);
	if (r < 0)
		return r;
	watch = find_watch(manager, proxy, request);
	ipc_proxy_unref(proxy);
	if (!watch || watch->entry.uid != ipc_call_uid(call))
		return ipc_call_fail(call, ENOENT, NULL, "your user has no such watch");

	registry_unwatch(manager->registry, &watch->entry);
	watch_free(watch);
	return service_manager_reply_unwatch(call);
}

void watch_end(struct manager *manager)
{
	struct registry_watch *entry;

	manager->writable = ipc_slot_end_async(manager->writable);
	while (manager->registry && (entry = registry_next_watch(manager->registry, NULL))) {
		registry_unwatch(manager->registry, entry);
		watch_free(watch_of(entry));
	}
}
