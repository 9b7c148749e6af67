// SPDX-License-Identifier: MIT
/*
 * Watching names: the Watcher object that the service manager notifies of changes, and the
 * changes that the program is notified of.
 *
 * A watch remembers the names that exist, with their proxies. A new manager reports all names
 * again, and the program is notified only of differences. Each Watch() call has a higher cookie
 * than the calls before it, so the watch recognizes late changes of an old manager.
 *
 *   new cookie, or REPLAY   All remembered names become uncertain.
 *   PRESENT                 The name is certain. The program is notified if the object is another.
 *   GONE                    The program is notified if the watch remembers the name.
 *   SETTLED                 Names that are still uncertain are gone.
 *
 * The driver delivers the messages to an object in sequence, for any number of serving threads. So
 * callbacks of a watch never overlap. At the end of the bus, the thread that notices it reports all
 * names as gone, or the thread that is serving a change does when it has finished. The list of
 * names is under ipc->lock.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "name.h"

/* A name that exists, as far as this watch knows. */
struct known {
	struct known *next;
	struct ipc_proxy *proxy;	/* NULL: an object of this connection, or this process
					 * may not call the object */
	bool certain;
	struct ipc_name_info info;
};

/* The destroy function of the object, watch_free(), frees this memory. The slot, which lies in it,
 * holds a reference to the object. */
struct name_watch {
	struct registration base;	/* text: the pattern */
	struct ipc_object *object;
	struct ipc *ipc;
	ipc_name_cb cb;

	/* Under ipc->lock. */
	uint64_t asked;			/* cookie of the newest request */
	bool busy;			/* a thread serves a change or ends the names: only that
					 * thread may free a known name */
	uint64_t cookie;		/* of the manager that notifies this watch */
	struct known *known;		/* in the order in which they were reported */
	bool settled;			/* SETTLED was reported to the program */
};

/* --- The names that exist --------------------------------------------------------- */

static void known_free(struct known *known)
{
	if (!known)
		return;
	ipc_proxy_unref(known->proxy);
	free(known);
}

/* Returns the link to the name, or the end of the list. */
static struct known **known_find_locked(struct name_watch *watch, const char *name)
{
	struct known **link = &watch->known;

	while (*link && strcmp((*link)->info.name, name))
		link = &(*link)->next;
	return link;
}

static struct known *known_take_locked(struct known **link)
{
	struct known *known = *link;

	if (known)
		*link = known->next;
	return known;
}

/* --- Changes --------------------------------------------------------------------- */

static void notify(struct name_watch *watch, enum ipc_name_change change,
		   const struct known *known)
{
	struct slot_frame frame;

	if (!slot_enter(&watch->base.slot, &frame))
		return;
	watch->cb(watch->ipc, change, known ? &known->info : NULL,
		  known && change == IPC_NAME_PRESENT ? known->proxy : NULL,
		  watch->base.slot.userdata);
	slot_leave(&frame);
}

/* Takes ownership of known. Returns it if the program must be notified, else NULL. The caller frees
 * *ret_old. */
static struct known *remember_locked(struct name_watch *watch, struct known *known,
				     struct known **ret_old)
{
	struct known **link = known_find_locked(watch, known->info.name), *old = *link;

	if (old && old->proxy == known->proxy && old->info.pid == known->info.pid) {
		old->certain = true;
		*ret_old = known;
		return NULL;
	}
	known->next = old ? old->next : NULL;
	*link = known;
	*ret_old = old;
	return known;
}

static int present(struct name_watch *watch, const Ipc__Manager__Change *change)
{
	struct known *known = calloc(1, sizeof(*known)), *old, *shown;
	int r;

	if (!known)
		return -ENOMEM;
	r = name_info_take(change->entry, &known->info);
	if (r < 0) {
		free(known);
		return r;
	}
	known->certain = true;
	if (change->object &&
	    ipc_take_proxy(watch->ipc, &change->object->id, &known->proxy) < 0)
		known->proxy = NULL;

	ipc_lock(watch->ipc);
	shown = remember_locked(watch, known, &old);
	ipc_unlock(watch->ipc);
	if (shown)
		notify(watch, IPC_NAME_PRESENT, shown);
	known_free(old);
	return 0;
}

static void gone(struct name_watch *watch, const char *name)
{
	struct known *known;

	ipc_lock(watch->ipc);
	known = known_take_locked(known_find_locked(watch, name));
	ipc_unlock(watch->ipc);
	if (known)
		notify(watch, IPC_NAME_GONE, known);
	known_free(known);
}

static struct known *take_uncertain(struct name_watch *watch)
{
	struct known **link = &watch->known, *known;

	ipc_lock(watch->ipc);
	while (*link && (*link)->certain)
		link = &(*link)->next;
	known = known_take_locked(link);
	ipc_unlock(watch->ipc);
	return known;
}

static void end_uncertain(struct name_watch *watch)
{
	struct known *known;

	while ((known = take_uncertain(watch))) {
		notify(watch, IPC_NAME_GONE, known);
		known_free(known);
	}
}

static void settled(struct name_watch *watch)
{
	bool first;

	end_uncertain(watch);
	ipc_lock(watch->ipc);
	first = !watch->settled;
	watch->settled = true;
	ipc_unlock(watch->ipc);
	if (first)
		notify(watch, IPC_NAME_SETTLED, NULL);
}

static void doubt_all_locked(struct name_watch *watch)
{
	for (struct known *known = watch->known; known; known = known->next)
		known->certain = false;
}

/* The bus has ended: reports all names as gone. If a change is being served, end_change() calls
 * this again on its thread. */
static void end_all_names(struct name_watch *watch)
{
	bool busy;

	ipc_lock(watch->ipc);
	busy = watch->busy;
	watch->busy = true;
	if (!busy)
		doubt_all_locked(watch);
	ipc_unlock(watch->ipc);
	if (busy)
		return;
	end_uncertain(watch);
	ipc_lock(watch->ipc);
	watch->busy = false;
	ipc_unlock(watch->ipc);
}

/* Returns false if the slot or the bus has ended, or if this is a late change of an old manager. */
static bool begin_change(struct name_watch *watch, const Ipc__Manager__Change *change)
{
	bool current;

	ipc_lock(watch->ipc);
	current = !watch->base.slot.ended && !watch->busy && change->cookie >= watch->cookie;
	if (current && (change->cookie > watch->cookie ||
			change->kind == IPC__MANAGER__CHANGE_KIND__CHANGE_REPLAY))
		doubt_all_locked(watch);
	if (current)
		watch->cookie = change->cookie;
	watch->busy |= current;
	ipc_unlock(watch->ipc);
	return current;
}

static void end_change(struct name_watch *watch)
{
	bool ended;

	ipc_lock(watch->ipc);
	watch->busy = false;
	ended = atomic_load(&watch->ipc->bus_ended);
	ipc_unlock(watch->ipc);
	if (ended)
		end_all_names(watch);
}

static int request(struct name_watch *watch, struct name_call *call, const char *method)
{
	Ipc__Manager__WatchRequest request = IPC__MANAGER__WATCH_REQUEST__INIT;
	char name[NAME_PATTERN_SIZE];
	Ipc__Object object = IPC__OBJECT__INIT;
	size_t size = name_length(watch->base.text);
	int r;

	r = object_get_id(watch->object, &object.id);
	if (r < 0)
		return r;
	*(char *)mempcpy(name, watch->base.text, size) = '\0';
	request.name = name;
	request.prefix = watch->base.text[size] == '*';
	request.watcher = &object;
	ipc_lock(watch->ipc);
	request.cookie = ++watch->asked;
	ipc_unlock(watch->ipc);
	return name_call_request(call, method, &request.base);
}

/* Reports to the program that it misses a change. */
static void change_lost(struct name_watch *watch, int r)
{
	ipc_lock(watch->ipc);
	watch->base.failure = r;
	ipc_unlock(watch->ipc);
	names_report(watch->base.names);
}

static int handle_watcher_changed(struct ipc_call *call, const Ipc__Manager__Change *change,
				  void *userdata)
{
	struct name_watch *watch = userdata;
	int r;

	/* The caller is the manager, because no other process has a handle of this object. */
	(void)call;
	if (!begin_change(watch, change))
		return 0;

	switch (change->kind) {
	case IPC__MANAGER__CHANGE_KIND__CHANGE_PRESENT:
		r = present(watch, change);
		if (r < 0)
			change_lost(watch, r);
		break;
	case IPC__MANAGER__CHANGE_KIND__CHANGE_GONE:
		if (change->entry)
			gone(watch, change->entry->name);
		break;
	case IPC__MANAGER__CHANGE_KIND__CHANGE_SETTLED:
		settled(watch);
		break;
	default:
		break;
	}
	end_change(watch);
	return 0;
}

/* --- Watches --------------------------------------------------------------------- */

static const struct watcher_ops ops = { .changed = handle_watcher_changed };

static void watch_free(void *userdata)
{
	struct name_watch *watch = userdata;

	while (watch->known)
		known_free(known_take_locked(&watch->known));
	free(watch);
}

static void name_watch_free(struct ipc_slot *slot)
{
	ipc_object_unref(((struct name_watch *)slot)->object);
}

static const struct slot_type watch_slot_type = {
	.size = sizeof(struct name_watch),
	.end = registration_end,
	.free = name_watch_free,
};

static int name_watch_withdraw(struct registration *registration, struct name_call *call)
{
	return request((struct name_watch *)registration, call, "Unwatch");
}

static int name_watch_send(struct registration *registration, struct name_call *call)
{
	return request((struct name_watch *)registration, call, "Watch");
}

/* The manager may know the watch nevertheless. Its changes must run no callback. */
static void name_watch_failed(struct registration *registration, int r, bool blocks)
{
	(void)r, (void)blocks;
	ipc_object_end(((struct name_watch *)registration)->object);
}

/* The bus has ended, and with it all names of the watch. */
static void watch_bus_ended(struct registration *registration)
{
	end_all_names((struct name_watch *)registration);
}

static const struct registration_type watch_type = {
	.send = name_watch_send,
	.withdraw = name_watch_withdraw,
	.failed = name_watch_failed,
	.bus_ended = watch_bus_ended,
	.waits_for_manager = true,
};

static int watch_new(struct ipc *ipc, const char *pattern, ipc_name_cb cb, void *userdata,
		     struct name_watch **ret_watch)
{
	struct name_watch *watch;
	struct ipc_slot *slot;
	struct names *names;
	int r;

	if (!cb || !name_pattern_is_valid(pattern))
		return -EINVAL;
	r = names_get(ipc, &names);
	if (r < 0)
		return r;

	r = slot_new(names->ipc, &watch_slot_type, userdata, &slot);
	if (r < 0)
		return r;
	watch = (struct name_watch *)slot;
	watch->base.type = &watch_type;
	strcpy(watch->base.text, pattern);
	watch->base.names = names;
	watch->ipc = names->ipc;
	watch->cb = cb;
	r = watcher_object_new(names->ipc, &ops, watch, watch_free, &watch->object);
	if (r < 0)
		free(watch);
	else
		*ret_watch = watch;
	return r;
}

int ipc_watch_names_async(struct ipc *ipc, const char *pattern, ipc_name_cb cb,
			  const struct ipc_options *options, ipc_name_done_cb done, void *userdata,
			  struct ipc_slot **ret_slot)
{
	struct name_watch *watch;
	int r = done ? watch_new(ipc, pattern, cb, userdata, &watch) : -EINVAL;

	return r < 0 ? r : registration_add(&watch->base, options, done, userdata, ret_slot);
}

int ipc_watch_names(struct ipc *ipc, const char *pattern, ipc_name_cb cb, void *userdata,
		    struct ipc_slot **ret_slot)
{
	struct name_watch *watch;
	int r = watch_new(ipc, pattern, cb, userdata, &watch);

	return r < 0 ? r : registration_add_now(&watch->base, ret_slot);
}
