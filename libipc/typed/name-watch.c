// SPDX-License-Identifier: MIT
/*
 * Watching names: the Watcher object that servicemanager notifies of changes, and
 * what of that is new to the user.
 *
 * A watch remembers the names that are there, with their proxies. A manager that
 * comes after another reports them all again; only what differs is passed on. Each
 * Watch() of ours has a cookie of its own, higher than those before, so changes
 * that the old manager still reported are known.
 *
 *   cookie is new, or REPLAY   what is remembered is not sure any more
 *   PRESENT                   sure again; new if the object is another
 *   GONE                      new if it was remembered
 *   SETTLED                   what is still not sure is gone
 *
 * The driver delivers the messages to one object one after another, whatever the
 * number of serving threads, so callbacks of one watch do not meet. The table is
 * under ipc->lock all the same, for it is freed from elsewhere.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "name.h"

/* A name that is there, as far as we know. */
struct known {
	struct ipc_proxy *proxy;	/* NULL: it may not be called */
	bool sure;
	struct ipc_name_info info;
};

/* Belongs to its object (destroy), which the watch's place in the list refers to. */
struct name_watch {
	struct name_watch *next;	/* under names.lock */
	struct ipc_object *object;
	struct ipc *ipc;
	uint64_t id;
	uint64_t asked;			/* cookie of the newest Watch(); under names.lock */
	struct standing standing;	/* under names.lock */
	bool missed;			/* a change; under names.lock */
	bool prefix;
	char name[128];
	ipc_name_cb cb;
	void *userdata;

	/* Under ipc->lock. */
	bool ended;
	uint64_t cookie;		/* of the manager that notifies us */
	struct known **known;		/* by name */
	size_t n_known;
	size_t known_size;
	bool settled;			/* the user was notified */
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
	bool ended;

	ipc_lock(watch->ipc);
	ended = watch->ended;
	ipc_unlock(watch->ipc);
	if (!ended)
		watch->cb(watch->ipc, change, known ? &known->info : NULL,
			  known && change == IPC_NAME_PRESENT ? known->proxy : NULL,
			  watch->userdata);
}

/* Takes known over. Returns what took its place for the user's eyes: itself, or NULL
 * if it is not new. *ret_old is to be freed. */
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
	/* Without memory it is reported, but will be reported again. */
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

/* False: a manager that is gone still reported this. */
static bool is_current(struct name_watch *watch, const Ipc__Manager__Change *change)
{
	bool current;

	ipc_lock(watch->ipc);
	current = !watch->ended && change->cookie >= watch->cookie;
	if (current && (change->cookie > watch->cookie ||
			change->kind == IPC__MANAGER__CHANGE_KIND__CHANGE_REPLAY))
		doubt_all_locked(watch);
	if (current)
		watch->cookie = change->cookie;
	ipc_unlock(watch->ipc);
	return current;
}

typedef int (*watch_method)(struct service_manager *manager,
			    const Ipc__Manager__WatchRequest *request, struct ipc_error *error);

static int ask_locked(struct name_watch *watch, struct service_manager *manager,
		      watch_method method)
{
	Ipc__Manager__WatchRequest request = IPC__MANAGER__WATCH_REQUEST__INIT;
	Ipc__Object object = IPC__OBJECT__INIT;
	int r;

	r = object_get_id(watch->object, &object.id);
	if (r < 0)
		return r;
	request.name = watch->name;
	request.prefix = watch->prefix;
	request.watcher = &object;
	request.cookie = ++watch->asked;
	return manager_result(method(manager, &request, /* error= */ NULL));
}

/* A change could not be taken: everything is to be reported once more, when there may be
 * memory again. */
static void ask_again(struct name_watch *watch)
{
	pthread_mutex_lock(&names_of(watch->ipc)->lock);
	watch->missed = watch->standing.due = true;
	pthread_mutex_unlock(&names_of(watch->ipc)->lock);
	names_later(watch->ipc);
}

static int handle_changed(struct ipc_call *call, const Ipc__Manager__Change *change,
			  void *userdata)
{
	struct name_watch *watch = userdata;

	/* Whoever has the object is the manager, or was given it by the manager. */
	(void)call;
	if (!is_current(watch, change))
		return 0;

	switch (change->kind) {
	case IPC__MANAGER__CHANGE_KIND__CHANGE_PRESENT:
		if (present(watch, change) < 0)
			ask_again(watch);
		return 0;
	case IPC__MANAGER__CHANGE_KIND__CHANGE_GONE:
		if (change->entry)
			gone(watch, change->entry->name);
		return 0;
	case IPC__MANAGER__CHANGE_KIND__CHANGE_SETTLED:
		settled(watch);
		return 0;
	default:
		return 0;
	}
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

/* A name, or the beginning of names and a '*'. */
static int set_pattern(struct name_watch *watch, const char *pattern)
{
	size_t size = pattern ? name_length(pattern) : 0;

	if (!pattern || size >= sizeof(watch->name))
		return -EINVAL;
	watch->prefix = pattern[size] == '*';
	if (pattern[size + watch->prefix] || (!size && !watch->prefix))
		return -EINVAL;

	memcpy(watch->name, pattern, size);
	return 0;
}

static int watch_new(struct ipc *ipc, const char *pattern, struct name_watch **ret_watch)
{
	struct name_watch *watch = calloc(1, sizeof(*watch));
	int r;

	if (!watch)
		return -ENOMEM;
	watch->ipc = ipc;
	r = set_pattern(watch, pattern);
	if (r == 0)
		r = watcher_object_new(ipc, &ops, watch, watch_free, &watch->object);
	if (r < 0) {
		free(watch);
		return r;
	}

	ipc_lock(ipc);
	watch->id = ipc_next_cookie_locked(ipc);
	ipc_unlock(ipc);
	*ret_watch = watch;
	return 0;
}

void name_watches_due_locked(struct ipc *ipc)
{
	for (struct name_watch *watch = names_of(ipc)->watches; watch; watch = watch->next)
		watch->standing.due = true;
}

/* Of a manager that knows the watch already, -EEXIST, there is nothing to learn. */
static int watch_send_locked(struct name_watch *watch, struct service_manager *manager)
{
	int r;

	if (watch->missed) {
		r = ask_locked(watch, manager, service_manager_unwatch);
		if (r < 0 && r != -ENOENT)
			return r;
		watch->missed = false;
	}

	r = ask_locked(watch, manager, service_manager_watch);
	return r == -EEXIST ? 0 : r;
}

bool name_watches_send_locked(struct ipc *ipc, struct service_manager *manager, bool last)
{
	bool later = false;

	for (struct name_watch *watch = names_of(ipc)->watches; watch; watch = watch->next) {
		int r = watch->standing.due ? watch_send_locked(watch, manager) : 0;

		later |= standing_settle(&watch->standing, r, last);
	}
	return later;
}

int name_watches_take_failure_locked(struct ipc *ipc, char pattern[NAME_PATTERN_SIZE])
{
	for (struct name_watch *watch = names_of(ipc)->watches; watch; watch = watch->next) {
		int r = watch->standing.failure;

		if (r == 0)
			continue;
		watch->standing.failure = 0;
		stpcpy(stpcpy(pattern, watch->name), watch->prefix ? "*" : "");
		return r;
	}
	return 0;
}

static int watch_begin(struct name_watch *watch, struct service_manager *manager)
{
	struct ipc *ipc = watch->ipc;
	int r;

	pthread_mutex_lock(&names_of(ipc)->lock);
	r = names_expect_manager_locked(ipc);
	if (r == 0)
		r = ask_locked(watch, manager, service_manager_watch);
	/* Without a manager now: the one that comes will be asked. */
	if (r == -ENOTCONN && names_of(ipc)->watches_manager)
		r = 0;
	if (r == 0) {
		watch->next = names_of(ipc)->watches;
		names_of(ipc)->watches = watch;
	}
	pthread_mutex_unlock(&names_of(ipc)->lock);
	return r;
}

int ipc_watch_names(struct ipc *ipc, const char *pattern, ipc_name_cb cb, void *userdata,
		    uint64_t *ret_id)
{
	ipc_auto(service_manager_unref) struct service_manager *manager = NULL;
	struct name_watch *watch;
	uint64_t id;
	int r;

	if (!cb)
		return -EINVAL;
	r = manager_get(ipc, &manager);
	if (r < 0)
		return r;
	r = watch_new(ipc, pattern, &watch);
	if (r < 0)
		return r;

	/* Callbacks may come, and end the watch, before this returns. */
	watch->cb = cb;
	watch->userdata = userdata;
	id = watch->id;
	if (ret_id)
		*ret_id = id;
	r = watch_begin(watch, manager);
	if (r < 0)
		ipc_object_unref(watch->object);
	return r;
}

static struct name_watch *watch_take_locked(struct ipc *ipc, uint64_t id)
{
	for (struct name_watch **link = &names_of(ipc)->watches; *link; link = &(*link)->next) {
		struct name_watch *watch = *link;

		if (watch->id != id)
			continue;
		*link = watch->next;
		return watch;
	}
	return NULL;
}

int ipc_unwatch_names(struct ipc *ipc, uint64_t id)
{
	ipc_auto(service_manager_unref) struct service_manager *manager = NULL;
	struct name_watch *watch;
	int r;

	r = manager_get(ipc, &manager);
	if (r < 0)
		return r;

	pthread_mutex_lock(&names_of(ipc)->lock);
	watch = watch_take_locked(ipc, id);
	if (watch) {
		ipc_lock(ipc);
		watch->ended = true;
		ipc_unlock(ipc);
		/* What it says does not matter: with the object its watch ends too. */
		ask_locked(watch, manager, service_manager_unwatch);
	}
	pthread_mutex_unlock(&names_of(ipc)->lock);
	if (!watch)
		return -ENOENT;

	ipc_object_unref(watch->object);
	return 0;
}

void name_watches_close(struct ipc *ipc)
{
	while (names_of(ipc)->watches) {
		struct name_watch *watch = names_of(ipc)->watches;

		names_of(ipc)->watches = watch->next;
		ipc_object_unref(watch->object);
	}
}
