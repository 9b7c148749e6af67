// SPDX-License-Identifier: MIT
/* Proxies and their watches: see proxy.h. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "dispatch.h"
#include "object.h"
#include "proxy.h"
#include "shm/channel-wait.h"

static void watch_stop_locked(struct ipc_proxy *proxy);

struct proxy_name {
	const char *interface;
	char name[];
};

/* Moves a proxy that is in no table to the list of lost proxies. */
static void lose_locked(struct ipc_proxy *proxy)
{
	proxy->handle = LOST_HANDLE;
	proxy->counts = 0;
	proxy->is_lost = true;
	LIST_INSERT_HEAD(&proxy->ipc->lost_proxies, proxy, lost);
}

static int proxy_new_locked(struct ipc *ipc, uint32_t handle, struct ipc_proxy **ret_proxy)
{
	struct ipc_proxy *proxy;
	int r;

	proxy = malloc(sizeof(*proxy));
	if (!proxy)
		return -ENOMEM;

	*proxy = (struct ipc_proxy){
		.ipc = ipc,
		.handle = handle,
		.generation = atomic_load(&ipc->generation),
		.watchers = TAILQ_HEAD_INITIALIZER(proxy->watchers),
	};
	if (handle == LOST_HANDLE) {
		lose_locked(proxy);
		*ret_proxy = proxy;
		return 0;
	}
	r = map_add(&ipc->proxies, handle, proxy);
	if (r < 0) {
		free(proxy);
		return r;
	}
	*ret_proxy = proxy;
	return 0;
}

/* entry: as of proxy_arrived_at() */
static int proxy_take(struct ipc *ipc, uint32_t handle, const void *entry, uint32_t counts,
		      struct ipc_proxy **ret_proxy)
{
	struct ipc_proxy *proxy;
	int r = 0;

	ipc_lock(ipc);
	if (handle != MANAGER_HANDLE &&
	    (atomic_load(&ipc->generation) == GENERATION_LOST ||
	     device_is_old(&ipc->device, entry))) {
		handle = LOST_HANDLE;
		counts = 0;
	}
	proxy = map_get(&ipc->proxies, handle);
	if (!proxy)
		r = proxy_new_locked(ipc, handle, &proxy);
	if (r == 0) {
		refs_take(&proxy->refs);
		proxy->counts += counts;
	}
	ipc_unlock(ipc);
	if (r < 0)
		return r;

	*ret_proxy = proxy;
	return 0;
}

int proxy_arrived_at(struct ipc *ipc, uint32_t handle, const void *entry,
		     struct ipc_proxy **ret_proxy)
{
	uint64_t generation = atomic_load(&ipc->generation);
	int r;

	/* The manager's handle has no counts. */
	r = proxy_take(ipc, handle, entry, handle != MANAGER_HANDLE, ret_proxy);
	if (r < 0 && handle != MANAGER_HANDLE)
		device_handle_put(&ipc->device, generation, handle, 1);
	return r;
}

void proxy_init_manager(struct ipc_proxy *proxy, struct ipc *ipc)
{
	*proxy = (struct ipc_proxy){ .refs = 1, .ipc = ipc, .handle = MANAGER_HANDLE };
	atomic_store(&proxy->calls, CHANNEL_AFTER);
}

int ipc_get_manager(struct ipc *ipc, struct ipc_proxy **ret_proxy)
{
	int r = ret_proxy ? ipc_check(ipc) : -EINVAL;

	return r < 0 ? r : proxy_take(ipc, MANAGER_HANDLE, NULL, /* counts= */ 0, ret_proxy);
}

int ipc_take_proxy(struct ipc *ipc, uint64_t *id, struct ipc_proxy **ret_proxy)
{
	struct ipc_proxy *proxy;

	if (!ipc || !id || !ret_proxy)
		return -EINVAL;
	if (!*id)
		return -ENOENT;
	if (id_is_object(*id))
		return -EXDEV;

	ipc_lock(ipc);
	proxy = ipc_proxy_ref(map_get(&ipc->proxies, id_handle(*id)));
	ipc_unlock(ipc);
	if (!proxy)
		return -EBADF;

	*id = 0;
	*ret_proxy = proxy;
	return 0;
}

struct ipc_proxy *ipc_proxy_ref(struct ipc_proxy *proxy)
{
	if (proxy)
		refs_take(&proxy->refs);
	return proxy;
}

static void drop_channels(struct ipc_proxy *proxy)
{
	if (unlikely(proxy->channel))
		proxy->ipc->route->close(proxy->channel);
	if (unlikely(proxy->opening))
		proxy->ipc->route->close(proxy->opening);
	proxy->channel = NULL;
	proxy->opening = NULL;
}

static void proxy_free(struct ipc_proxy *proxy)
{
	drop_channels(proxy);
	free(proxy->name);
	free(proxy);
}

static void proxy_unref_last(struct ipc_proxy *proxy)
{
	struct ipc *ipc = proxy->ipc;
	bool gone;

	if (!ipc) {
		if (refs_drop(&proxy->refs))
			proxy_free(proxy);
		return;
	}

	ipc_lock(ipc);
	gone = refs_drop(&proxy->refs);
	if (gone && proxy->is_lost)
		LIST_REMOVE(proxy, lost);
	else if (gone)
		map_remove(&ipc->proxies, proxy->handle);
	if (gone && proxy->watch)
		watch_stop_locked(proxy);
	ipc_unlock(ipc);
	if (!gone)
		return;

	ipc_proxy_unref(proxy->target);
	if (unlikely(proxy->channel) && !proxy->is_lost)
		ipc->route->leave(proxy->channel, proxy);
	/* Fails only in a forked child, whose handles are not its own, and after the end of the
	 * bus. */
	if (proxy->counts)
		device_handle_put(&ipc->device, proxy->generation, proxy->handle, proxy->counts);
	proxy_free(proxy);
}

struct ipc_proxy *ipc_proxy_unref(struct ipc_proxy *proxy)
{
	if (proxy && !refs_drop_unless_last(&proxy->refs))
		proxy_unref_last(proxy);
	return NULL;
}

uint64_t ipc_proxy_id(const struct ipc_proxy *proxy)
{
	return proxy ? id_of_handle(proxy->handle) : 0;
}

struct ipc *ipc_proxy_ipc(const struct ipc_proxy *proxy)
{
	return proxy->ipc;
}

int ipc_proxy_set_timeout(struct ipc_proxy *proxy, uint64_t timeout_usec)
{
	int r = proxy && timeout_usec ? ipc_check(proxy->ipc) : -EINVAL;

	if (r == 0)
		atomic_store_explicit(&proxy->timeout_usec,
				      timeout_usec == IPC_INHERIT ? 0 : timeout_usec,
				      memory_order_relaxed);
	return r;
}

/* --- The end of the bus ---------------------------------------------------------------- */

/* Takes the target of any lost proxy. Returns NULL if no lost proxy has a target. */
static struct ipc_proxy *take_target_locked(struct ipc *ipc)
{
	for (struct ipc_proxy *proxy = LIST_FIRST(&ipc->lost_proxies); proxy;
	     proxy = LIST_NEXT(proxy, lost)) {
		struct ipc_proxy *target = proxy->target;

		proxy->handle = LOST_HANDLE;
		proxy->target = NULL;
		if (target)
			return target;
	}
	return NULL;
}

/* The manager's handle is the same on every bus. */
void proxies_lost(struct ipc *ipc)
{
	struct ipc_proxy *manager, *proxy, *target;
	uint64_t handle;

	ipc_lock(ipc);
	manager = map_remove(&ipc->proxies, MANAGER_HANDLE);
	while ((proxy = map_first(&ipc->proxies, &handle))) {
		map_remove(&ipc->proxies, handle);
		lose_locked(proxy);
	}
	/* Cannot fail: the map had space for this entry. */
	if (manager)
		map_add(&ipc->proxies, MANAGER_HANDLE, manager);
	while ((target = take_target_locked(ipc))) {
		ipc_unlock(ipc);
		ipc_proxy_unref(target);
		ipc_lock(ipc);
	}
	ipc_unlock(ipc);
}

int proxy_set_name(struct ipc_proxy *proxy, const char *name, const char *interface)
{
	struct ipc *ipc = proxy->ipc;
	size_t size = strlen(name) + 1;
	struct proxy_name *kept;

	if (!ipc->reconnect.step)
		return 0;
	kept = malloc(sizeof(*kept) + size + strlen(interface) + 1);
	if (!kept)
		return -ENOMEM;
	memcpy(kept->name, name, size);
	kept->interface = strcpy(kept->name + size, interface);
	ipc_lock(ipc);
	if (!proxy->name) {
		proxy->name = kept;
		kept = NULL;
	}
	ipc_unlock(ipc);
	free(kept);
	return 0;
}

int proxy_renew(struct ipc_proxy *proxy)
{
	struct ipc *ipc = proxy->ipc;
	const struct proxy_name *name;
	struct ipc_proxy *target;
	int r;

	ipc_lock(ipc);
	name = proxy->name;
	ipc_unlock(ipc);
	if (!name)
		return -EOWNERDEAD;
	r = ipc->names_ops->get(ipc, name->name, name->interface, &target);
	if (r < 0)
		return r;

	ipc_lock(ipc);
	if (proxy->handle == LOST_HANDLE && target->handle != LOST_HANDLE) {
		proxy->handle = target->handle;
		proxy->target = target;
		target = NULL;
	}
	ipc_unlock(ipc);
	ipc_proxy_unref(target);
	return 0;
}

/* --- Watches ------------------------------------------------------------------------- */

/* While it is on the list proxy->watchers, it holds a reference of proxy. */
struct watcher {
	struct ipc_slot slot;
	struct ipc_proxy *proxy;	/* the program's proxy, or its target */
	struct ipc_proxy *shown;	/* the program's proxy, with a reference */
	uint64_t watch;		/* cookie of the driver's watch */
	ipc_death_cb cb;
};

static struct watcher *watcher_of(struct ipc_slot *slot)
{
	return (struct watcher *)slot;
}

static int watch_start_locked(struct ipc_proxy *proxy)
{
	struct ipc *ipc = proxy->ipc;
	uint64_t cookie = ipc_next_cookie_locked(ipc);
	struct ipcbus_handle watch = { .handle = proxy->handle, .cookie = cookie };
	int r;

	if (proxy->handle == LOST_HANDLE)
		return -EOWNERDEAD;
	r = map_add(&ipc->watches, cookie, proxy);
	if (r < 0)
		return r;

	/* If the event arrives at once, its thread waits for this lock and finds the watch. */
	r = device_request(&ipc->device, IPCBUS_IOC_WATCH, &watch);
	if (r < 0) {
		map_remove(&ipc->watches, cookie);
		return r;
	}
	proxy->watch = cookie;
	return 0;
}

static void watch_stop_locked(struct ipc_proxy *proxy)
{
	struct ipcbus_handle watch = { .handle = proxy->handle };

	/*
	 * On -ENOENT another thread is handling the event, and will find no watch for its cookie.
	 */
	if (!proxy->ipc->foreign)
		device_request(&proxy->ipc->device, IPCBUS_IOC_UNWATCH, &watch);
	map_remove(&proxy->ipc->watches, proxy->watch);
	proxy->watch = 0;
}

/* --- Ending a watch ------------------------------------------------------------------ */

static bool watch_is_used_locked(const struct ipc_proxy *proxy)
{
	struct ipc_slot *slot;

	TAILQ_FOREACH(slot, &proxy->watchers, link)
		if (watcher_of(slot)->watch == proxy->watch)
			return true;
	return false;
}

static void end_watcher(struct ipc_slot *slot, bool waits)
{
	struct ipc_proxy *proxy = watcher_of(slot)->proxy;
	bool listed;

	(void)waits;
	ipc_lock(slot->ipc);
	listed = slots_remove_locked(slot);
	if (listed && proxy->watch && !watch_is_used_locked(proxy))
		watch_stop_locked(proxy);
	ipc_unlock(slot->ipc);
	if (listed)
		slot_drop(slot);
}

static void release_watcher(struct ipc_slot *slot)
{
	ipc_proxy_unref(watcher_of(slot)->proxy);
	ipc_proxy_unref(watcher_of(slot)->shown);
}

static const struct slot_type watcher_type = {
	.size = sizeof(struct watcher),
	.end = end_watcher,
	.release = release_watcher,
};

/* --- Adding a watch ------------------------------------------------------------------ */

static int watcher_add_locked(struct watcher *watcher)
{
	struct ipc_proxy *proxy = watcher->proxy;
	int r = proxy->watch ? 0 : watch_start_locked(proxy);

	if (r < 0)
		return r;
	watcher->watch = proxy->watch;
	slots_append_locked(&proxy->watchers, &watcher->slot);
	return 0;
}

int ipc_proxy_on_death(struct ipc_proxy *proxy, ipc_death_cb cb, void *userdata,
		       struct ipc_slot **ret_slot)
{
	struct watcher *watcher;
	struct ipc_slot *slot;
	struct ipc *ipc;
	int r;

	r = proxy && cb ? ipc_check(proxy->ipc) : -EINVAL;
	if (r == 0 && proxy->handle == LOST_HANDLE)
		r = thread_reconnect(proxy->ipc) ?: proxy_renew(proxy);
	if (r < 0)
		return r;
	ipc = proxy->ipc;
	r = slot_new(ipc, &watcher_type, userdata, &slot);
	if (r < 0)
		return r;
	watcher = watcher_of(slot);
	watcher->shown = ipc_proxy_ref(proxy);
	watcher->cb = cb;

	ipc_lock(ipc);
	watcher->proxy = ipc_proxy_ref(proxy->target ?: proxy);
	r = watcher_add_locked(watcher);
	if (r == 0)
		slot_give(slot, ret_slot);
	ipc_unlock(ipc);
	if (r < 0)
		slot_abandon(slot, /* given= */ false);
	return r;
}

int proxy_watch(struct ipc_proxy *proxy)
{
	struct ipc *ipc = proxy->ipc;
	int r = 0;

	ipc_lock(ipc);
	if (atomic_load(&proxy->died))
		r = -EOWNERDEAD;
	else if (!proxy->watch)
		r = watch_start_locked(proxy);
	ipc_unlock(ipc);
	return r;
}

static void set_died(struct ipc_proxy *proxy)
{
	struct channel *channel = atomic_load(&proxy->channel);

	if (channel)
		proxy->ipc->route->object_died(channel);
	atomic_store(&proxy->died, 1);
	channel_wake_private(&proxy->died, INT_MAX);
}

void proxy_set_died(struct ipc_proxy *proxy)
{
	ipc_lock(proxy->ipc);
	if (proxy->watch)
		watch_stop_locked(proxy);
	ipc_unlock(proxy->ipc);
	set_died(proxy);
	proxy->ipc->route->proxy_died(proxy->ipc, proxy);
}

/* --- Events -------------------------------------------------------------------------- */

/* Moves the watchers with this watch to an empty list, for slots_close(). */
static void take_watchers_locked(struct ipc_proxy *proxy, uint64_t watch, struct slots *to)
{
	struct ipc_slot *slot, *next;

	for (slot = TAILQ_FIRST(&proxy->watchers); slot; slot = next) {
		next = TAILQ_NEXT(slot, link);
		if (watcher_of(slot)->watch == watch && slots_remove_locked(slot))
			TAILQ_INSERT_TAIL(to, slot, link);
	}
}

static void call_death(struct ipc_slot *slot, const void *event)
{
	(void)event;
	watcher_of(slot)->cb(watcher_of(slot)->shown, slot->userdata);
}

void watch_died(struct ipc *ipc, uint64_t cookie)
{
	struct slots watchers = TAILQ_HEAD_INITIALIZER(watchers);
	struct ipc_proxy *proxy;

	ipc_lock(ipc);
	proxy = map_remove(&ipc->watches, cookie);
	if (!proxy) {
		ipc_unlock(ipc);
		return;
	}
	proxy->watch = 0;
	refs_take(&proxy->refs);
	set_died(proxy);
	take_watchers_locked(proxy, cookie, &watchers);
	ipc_unlock(ipc);
	ipc->route->proxy_died(ipc, proxy);
	slots_call(ipc, &watchers, call_death, /* event= */ NULL);
	slots_close(&watchers);
	ipc_proxy_unref(proxy);
}

/* No thread adds a watch in the meantime, because the driver would have to accept it. */
void watches_died(struct ipc *ipc)
{
	uint64_t cookie;
	bool found;

	do {
		ipc_lock(ipc);
		found = map_first(&ipc->watches, &cookie);
		ipc_unlock(ipc);
		if (found)
			watch_died(ipc, cookie);
	} while (found);
}

static void cut_off(struct ipc_proxy *proxy)
{
	refs_take(&proxy->refs);
	drop_channels(proxy);
	proxy->ipc = NULL;
	slots_close(&proxy->watchers);
	ipc_proxy_unref(proxy);
}

void proxies_close(struct ipc *ipc)
{
	struct ipc_proxy *proxy, *target;
	uint64_t handle;

	while ((proxy = LIST_FIRST(&ipc->lost_proxies))) {
		LIST_REMOVE(proxy, lost);
		target = proxy->target;
		proxy->target = NULL;
		cut_off(proxy);
		ipc_proxy_unref(target);
	}
	while ((proxy = map_first(&ipc->proxies, &handle))) {
		map_remove(&ipc->proxies, handle);
		cut_off(proxy);
	}
}
