// SPDX-License-Identifier: MIT
/*
 * Watching names: the Watcher object that the service manager notifies of changes, and which
 * of them the program is notified of.
 *
 * A watch remembers the names that exist, with their proxies. A new manager reports all of
 * them again, and the program is notified only of differences. Each Watch() call has a
 * cookie that is higher than those before, so late changes of an old manager are recognized.
 *
 *   new cookie, or REPLAY   no remembered name is sure any more
 *   PRESENT                 the name is sure; new if the object is another
 *   GONE                    new if the name was remembered
 *   SETTLED                 names that are still not sure are gone
 *
 * The driver delivers messages to one object one after another, whatever the number of
 * serving threads, so callbacks of one watch never overlap. At the end of the bus, a thread that
 * serves reports all names as gone, unless a change is served at that moment: then the thread
 * that serves the change does. The table is under ipc->lock, because several threads use it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "name.h"

/* A name that exists, as far as this watch knows. */
struct known {
	struct ipc_proxy *proxy;	/* NULL: this process may not call it */
	bool sure;
	struct ipc_name_info info;
};

/* Belongs to its object (destroy), of which its slot has a reference. */
struct name_watch {
	struct registration base;	/* text: the pattern */
	struct ipc_slot slot;
	struct ipc_object *object;
	struct names *names;
	struct ipc *ipc;
	uint64_t asked;			/* cookie of the newest Watch(); under names.lock */
	bool missed;			/* a change; under names.lock */
	bool all_ended;			/* with the bus; under names.lock */
	ipc_name_cb cb;

	/* Under ipc->lock. */
	bool busy;			/* a thread runs its callback */
	uint64_t cookie;		/* of the manager that notifies this watch */
	struct known **known;		/* by name */
	size_t n_known;
	size_t known_size;
	bool settled;			/* the program was notified */
};

/* --- What is remembered ---------------------------------------------------------- */

static void known_free(struct known *known)
{
	if (!known)
		return;
	ipc_proxy_unref(known->proxy);
	free(known);
}

static size_t known_position_locked(const struct name_watch *watch, const char *name)
{
	size_t low = 0, high = watch->n_known;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(watch->known[middle]->info.name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct known *known_find_locked(const struct name_watch *watch, const char *name)
{
	size_t i = known_position_locked(watch, name);

	if (i == watch->n_known || strcmp(watch->known[i]->info.name, name))
		return NULL;
	return watch->known[i];
}

static struct known *known_take_at_locked(struct name_watch *watch, size_t i)
{
	struct known *known = watch->known[i];

	watch->n_known--;
	memmove(&watch->known[i], &watch->known[i + 1],
		(watch->n_known - i) * sizeof(struct known *));
	return known;
}

static int known_add_locked(struct name_watch *watch, struct known *known)
{
	size_t i = known_position_locked(watch, known->info.name);

	if (watch->n_known == watch->known_size) {
		size_t size = watch->known_size ? 2 * watch->known_size : 16;
		struct known **grown = reallocarray(watch->known, size, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		watch->known = grown;
		watch->known_size = size;
	}

	memmove(&watch->known[i + 1], &watch->known[i],
		(watch->n_known - i) * sizeof(struct known *));
	watch->known[i] = known;
	watch->n_known++;
	return 0;
}

static void doubt_all_locked(struct name_watch *watch)
{
	for (size_t i = 0; i < watch->n_known; i++)
		watch->known[i]->sure = false;
}

/* --- Changes --------------------------------------------------------------------- */

static void notify(struct name_watch *watch, enum ipc_name_change change,
		 const struct known *known)
{
	struct slot_frame frame;

	if (!slot_enter(&watch->slot, &frame))
		return;
	watch->cb(watch->ipc, change, known ? &known->info : NULL,
		  known && change == IPC_NAME_PRESENT ? known->proxy : NULL,
		  watch->slot.userdata);
	slot_leave(&frame);
}

/* Takes known over, and returns it if the program is to be notified of it, else NULL. The
 * caller frees *ret_old. */
static struct known *remember_locked(struct name_watch *watch, struct known *known,
				     struct known **ret_old)
{
	struct known *old = known_find_locked(watch, known->info.name);

	if (old && old->proxy == known->proxy && old->info.pid == known->info.pid) {
		old->sure = true;
		*ret_old = known;
		return NULL;
	}
	if (old) {
		watch->known[known_position_locked(watch, known->info.name)] = known;
		*ret_old = old;
		return known;
	}
	/* Without memory for the table, the program will be notified of it again. */
	*ret_old = known_add_locked(watch, known) < 0 ? known : NULL;
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
	known->sure = true;
	/* One's own object has no proxy. */
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
	known = known_find_locked(watch, name);
	if (known)
		known_take_at_locked(watch, known_position_locked(watch, name));
	ipc_unlock(watch->ipc);
	if (known)
		notify(watch, IPC_NAME_GONE, known);
	known_free(known);
}

static struct known *take_doubtful(struct name_watch *watch)
{
	struct known *known = NULL;

	ipc_lock(watch->ipc);
	for (size_t i = 0; i < watch->n_known && !known; i++)
		if (!watch->known[i]->sure)
			known = known_take_at_locked(watch, i);
	ipc_unlock(watch->ipc);
	return known;
}

static void settled(struct name_watch *watch)
{
	struct known *known;
	bool first;

	while ((known = take_doubtful(watch))) {
		notify(watch, IPC_NAME_GONE, known);
		known_free(known);
	}

	ipc_lock(watch->ipc);
	first = !watch->settled;
	watch->settled = true;
	ipc_unlock(watch->ipc);
	if (first)
		notify(watch, IPC_NAME_SETTLED, NULL);
}

/* The bus has ended. */
static void end_all_names(struct name_watch *watch)
{
	struct known *known;
	bool busy;

	ipc_lock(watch->ipc);
	busy = watch->busy;
	watch->busy = true;
	if (!busy)
		doubt_all_locked(watch);
	ipc_unlock(watch->ipc);
	if (busy)
		return;
	while ((known = take_doubtful(watch))) {
		notify(watch, IPC_NAME_GONE, known);
		known_free(known);
	}
	ipc_lock(watch->ipc);
	watch->busy = false;
	ipc_unlock(watch->ipc);
}

/* False: the change is a late one of an old manager, or the bus has ended. */
static bool is_current(struct name_watch *watch, const Ipc__Manager__Change *change)
{
	bool current;

	ipc_lock(watch->ipc);
	current = !watch->slot.ended && !watch->busy && change->cookie >= watch->cookie;
	if (current && (change->cookie > watch->cookie ||
			change->kind == IPC__MANAGER__CHANGE_KIND__CHANGE_REPLAY))
		doubt_all_locked(watch);
	if (current)
		watch->cookie = change->cookie;
	watch->busy |= current;
	ipc_unlock(watch->ipc);
	return current;
}

/* Ends what is_current() has begun. */
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

typedef int (*watch_method)(struct service_manager *manager, const struct ipc_options *options,
			    const Ipc__Manager__WatchRequest *request, struct ipc_error *error);

static int call_locked(struct name_watch *watch, watch_method method)
{
	Ipc__Manager__WatchRequest request = IPC__MANAGER__WATCH_REQUEST__INIT;
	char name[NAME_PATTERN_SIZE];
	Ipc__Object object = IPC__OBJECT__INIT;
	size_t size = name_length(watch->base.text);
	struct ipc_options options;
	int r;

	r = ipc_object_id(watch->object, &object.id);
	if (r < 0)
		return r;
	*(char *)mempcpy(name, watch->base.text, size) = '\0';
	request.name = name;
	request.prefix = watch->base.text[size] == '*';
	request.watcher = &object;
	request.cookie = ++watch->asked;
	options = names_options(watch->names);
	return manager_result(method(names_manager(watch->names), &options, &request,
				     /* error= */ NULL));
}

/* A change could not be taken: everything is to be reported once more, when there may be
 * memory again. */
static void watch_again(struct name_watch *watch)
{
	pthread_mutex_lock(&watch->names->lock);
	watch->missed = watch->base.due = true;
	pthread_mutex_unlock(&watch->names->lock);
	names_later(watch->names);
}

static int handle_changed(struct ipc_call *call, const Ipc__Manager__Change *change,
			  void *userdata)
{
	struct name_watch *watch = userdata;

	/* The caller is the manager: nobody else was handed this object. */
	(void)call;
	if (!is_current(watch, change))
		return 0;

	switch (change->kind) {
	case IPC__MANAGER__CHANGE_KIND__CHANGE_PRESENT:
		if (present(watch, change) < 0)
			watch_again(watch);
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

static const struct watcher_ops ops = { .changed = handle_changed };

static void watch_free(void *userdata)
{
	struct name_watch *watch = userdata;

	for (size_t i = 0; i < watch->n_known; i++)
		known_free(watch->known[i]);
	free(watch->known);
	free(watch);
}

static struct name_watch *watch_of(struct ipc_slot *slot)
{
	return (struct name_watch *)((char *)slot - offsetof(struct name_watch, slot));
}

static void slot_end(struct ipc_slot *slot)
{
	struct name_watch *watch = watch_of(slot);
	bool listed;

	/* In a forked child the lock may be another thread's for ever. */
	if (slot->ipc->foreign)
		return;
	pthread_mutex_lock(&watch->names->lock);
	listed = registration_remove_locked(watch->names, &watch->base);
	/* If this fails, the watch ends with its object. */
	if (listed)
		call_locked(watch, service_manager_unwatch_with);
	pthread_mutex_unlock(&watch->names->lock);
	if (listed)
		slot_drop(slot);
}

static void slot_free(struct ipc_slot *slot)
{
	ipc_object_unref(watch_of(slot)->object);
}

static const struct slot_type watch_slot_type = { .end = slot_end, .free = slot_free };

static void drop(struct registration *registration)
{
	slot_drop(&((struct name_watch *)registration)->slot);
}

/* From a manager that knows the watch already, -EEXIST, there is nothing to learn. */
static int send(struct names *names, struct registration *registration)
{
	struct name_watch *watch = (struct name_watch *)registration;
	int r;

	(void)names;
	if (watch->missed) {
		r = call_locked(watch, service_manager_unwatch_with);
		if (r < 0 && r != -ENOENT)
			return r;
		watch->missed = false;
	}
	r = call_locked(watch, service_manager_watch_with);
	return r == -EEXIST ? 0 : r;
}

static const struct registration_type watch_type = { .send = send, .drop = drop };

/* Returns the next watch whose names have not ended, with a reference of its object. */
static struct name_watch *next_watch(struct names *names)
{
	struct name_watch *watch = NULL;

	pthread_mutex_lock(&names->lock);
	for (struct registration *i = names->list; i && !watch; i = i->next) {
		if (i->type != &watch_type || ((struct name_watch *)i)->all_ended)
			continue;
		watch = (struct name_watch *)i;
		watch->all_ended = true;
		ipc_object_ref(watch->object);
	}
	pthread_mutex_unlock(&names->lock);
	return watch;
}

void name_watches_end(struct names *names)
{
	struct name_watch *watch;

	while ((watch = next_watch(names))) {
		end_all_names(watch);
		ipc_object_unref(watch->object);
	}
}

static int watch_new(struct names *names, const char *pattern, void *userdata,
		     struct name_watch **ret_watch)
{
	size_t size = pattern ? name_length(pattern) : 0;
	struct name_watch *watch;
	int r;

	/* A name, or a prefix, which may be empty, and a '*'. */
	if (!pattern || size > NAME_PATTERN_SIZE - 3 ||
	    strcmp(pattern + size, size && !pattern[size] ? "" : "*"))
		return -EINVAL;

	watch = calloc(1, sizeof(*watch));
	if (!watch)
		return -ENOMEM;
	watch->base.type = &watch_type;
	strcpy(watch->base.text, pattern);
	watch->names = names;
	watch->ipc = names->ipc;
	r = slot_init(&watch->slot, names->ipc, &watch_slot_type, userdata);
	if (r == 0)
		r = watcher_object_new(names->ipc, &ops, watch, watch_free, &watch->object);
	if (r < 0) {
		free(watch);
		return r;
	}
	*ret_watch = watch;
	return 0;
}

int ipc_watch_names(struct ipc *ipc, const char *pattern, ipc_name_cb cb, void *userdata,
		    struct ipc_slot **ret_slot)
{
	struct ipc_slot *before = ret_slot ? *ret_slot : NULL, *given = NULL;
	struct name_watch *watch;
	struct names *names;
	int r;

	if (!cb)
		return -EINVAL;
	r = names_get(ipc, &names);
	if (r < 0)
		return r;
	r = watch_new(names, pattern, userdata, &watch);
	if (r < 0)
		return r;

	/* Callbacks may come before this returns. */
	watch->cb = cb;
	slot_give(&watch->slot, ret_slot);
	if (ret_slot)
		given = *ret_slot;
	pthread_mutex_lock(&names->lock);
	r = registration_send_locked(names, &watch->base);
	/* The manager that comes gets it. */
	if (r == -ENOTCONN && names->watches_manager)
		r = 0;
	if (r == 0)
		registration_add_locked(names, &watch->base);
	pthread_mutex_unlock(&names->lock);
	if (r == 0)
		return 0;

	/* The manager may know the watch all the same: no callback may run any more. */
	if (ret_slot)
		*ret_slot = before;
	else
		slot_give(&watch->slot, &given);
	ipc_object_end(watch->object);
	ipc_slot_end(given);
	slot_drop(&watch->slot);
	return r;
}
