// SPDX-License-Identifier: MIT
/*
 * Watches of proxies: see death.h. Called by users to add and remove watchers, and
 * by dispatch.c when a watch fired.
 */
#include <errno.h>
#include <stdlib.h>

#include "death.h"
#include "proxy.h"

struct watcher {
	struct watcher *next;
	uint64_t id;
	uint64_t watch;		/* cookie of the driver's watch */
	ipc_death_cb cb;	/* NULL: one for being frozen */
	ipc_freeze_cb freeze_cb;
	void *userdata;
};

static int watch_start_locked(struct ipc_proxy *proxy, bool frozen)
{
	struct ipc *ipc = proxy->ipc;
	uint64_t cookie = ipc_next_cookie_locked(ipc);
	int r;

	r = map_add(&ipc->watches, cookie, proxy);
	if (r < 0)
		return r;

	/* Should the event come at once, its thread finds us after this lock. */
	r = device_watch(&ipc->device, proxy->handle, cookie, frozen);
	if (r < 0) {
		map_remove(&ipc->watches, cookie);
		return r;
	}
	proxy->watch = cookie;
	proxy->watch_frozen = frozen;
	proxy->freeze_count = 0;
	return 0;
}

static void watch_stop_locked(struct ipc_proxy *proxy)
{
	/*
	 * -ENOENT: the event is on its way in another thread, and will find no
	 * watch behind its cookie.
	 */
	device_unwatch(&proxy->ipc->device, proxy->handle);
	map_remove(&proxy->ipc->watches, proxy->watch);
	proxy->watch = 0;
}

/*
 * The driver's watch shall also report freezing: a new one takes the old one's
 * place, and its watchers. If the old one fired meanwhile nobody finds it, and the
 * new one fires at once.
 */
static int watch_widen_locked(struct ipc_proxy *proxy)
{
	uint64_t old = proxy->watch;
	int r;

	if (proxy->watch_frozen)
		return 0;
	watch_stop_locked(proxy);
	r = watch_start_locked(proxy, /* frozen= */ true);
	if (r < 0)
		return r;
	for (struct watcher *w = proxy->watchers; w; w = w->next)
		if (w->watch == old)
			w->watch = proxy->watch;
	return 0;
}

static void watcher_append_locked(struct ipc_proxy *proxy, struct watcher *watcher)
{
	struct watcher **link = &proxy->watchers;

	while (*link)
		link = &(*link)->next;
	*link = watcher;
	refs_take(&proxy->refs);
}

static int watch_add(struct ipc_proxy *proxy, const struct watcher *model, uint64_t *ret_id)
{
	struct watcher *watcher;
	uint64_t id = 0;
	int r = 0;

	if (!proxy || !proxy->ipc || (!model->cb && !model->freeze_cb))
		return -EINVAL;
	if (proxy->ipc->foreign)
		return -ECHILD;

	watcher = malloc(sizeof(*watcher));
	if (!watcher)
		return -ENOMEM;

	ipc_lock(proxy->ipc);
	if (!proxy->watch)
		r = watch_start_locked(proxy, model->freeze_cb);
	else if (model->freeze_cb)
		r = watch_widen_locked(proxy);
	if (r == 0) {
		id = ipc_next_cookie_locked(proxy->ipc);
		*watcher = *model;
		watcher->id = id;
		watcher->watch = proxy->watch;
		watcher_append_locked(proxy, watcher);
	}
	ipc_unlock(proxy->ipc);
	if (r < 0) {
		free(watcher);
		return r;
	}

	if (ret_id)
		*ret_id = id;
	return 0;
}

int ipc_proxy_on_death(struct ipc_proxy *proxy, ipc_death_cb cb, void *userdata,
		       uint64_t *ret_id)
{
	struct watcher watcher = { .cb = cb, .userdata = userdata };

	return watch_add(proxy, &watcher, ret_id);
}

int ipc_proxy_on_freeze(struct ipc_proxy *proxy, ipc_freeze_cb cb, void *userdata,
			uint64_t *ret_id)
{
	struct watcher watcher = { .freeze_cb = cb, .userdata = userdata };

	return watch_add(proxy, &watcher, ret_id);
}

/* Takes the first watcher with this id, or with this watch, off the list. */
static struct watcher *watcher_take_locked(struct ipc_proxy *proxy, uint64_t id, uint64_t watch)
{
	for (struct watcher **link = &proxy->watchers; *link; link = &(*link)->next) {
		struct watcher *watcher = *link;

		if (watcher->id != id && watcher->watch != watch)
			continue;
		*link = watcher->next;
		return watcher;
	}
	return NULL;
}

static bool watch_is_used_locked(const struct ipc_proxy *proxy)
{
	for (const struct watcher *w = proxy->watchers; w; w = w->next)
		if (w->watch == proxy->watch)
			return true;
	return false;
}

static int watch_remove(struct ipc_proxy *proxy, uint64_t id)
{
	struct watcher *watcher;

	if (!proxy || !proxy->ipc || !id)
		return -EINVAL;
	if (proxy->ipc->foreign)
		return -ECHILD;

	ipc_lock(proxy->ipc);
	watcher = watcher_take_locked(proxy, id, /* watch= */ 0);
	if (watcher && proxy->watch && !watch_is_used_locked(proxy))
		watch_stop_locked(proxy);
	ipc_unlock(proxy->ipc);
	if (!watcher)
		return -ENOENT;

	free(watcher);
	ipc_proxy_unref(proxy);
	return 0;
}

int ipc_proxy_off_death(struct ipc_proxy *proxy, uint64_t id)
{
	return watch_remove(proxy, id);
}

int ipc_proxy_off_freeze(struct ipc_proxy *proxy, uint64_t id)
{
	return watch_remove(proxy, id);
}

/* The first one after that id that is to hear of freezing, copied. */
static bool freeze_next_locked(const struct ipc_proxy *proxy, uint64_t id, struct watcher *ret_next)
{
	for (const struct watcher *w = proxy->watchers; w; w = w->next)
		if (w->id > id && w->watch == proxy->watch && w->freeze_cb) {
			*ret_next = *w;
			return true;
		}
	return false;
}

/* Two threads may come with two events of one watch: the later one counts. */
void freeze_fire(struct ipc *ipc, uint64_t cookie, bool frozen, uint32_t count)
{
	struct watcher next = { .id = 0 };
	struct ipc_proxy *proxy;

	ipc_lock(ipc);
	proxy = map_get(&ipc->watches, cookie);
	if (!proxy || (int32_t)(count - proxy->freeze_count) < 0) {
		ipc_unlock(ipc);
		return;
	}
	proxy->freeze_count = count;
	refs_take(&proxy->refs);
	while (freeze_next_locked(proxy, next.id, &next)) {
		ipc_unlock(ipc);
		next.freeze_cb(proxy, frozen, next.userdata);
		ipc_lock(ipc);
	}
	ipc_unlock(ipc);
	ipc_proxy_unref(proxy);
}

/*
 * One by one, because callbacks may take back others that were not called yet.
 * The proxy is kept by a reference of our own until all were.
 */
void death_fire(struct ipc *ipc, uint64_t cookie)
{
	struct watcher *watcher;
	struct ipc_proxy *proxy;

	ipc_lock(ipc);
	proxy = map_remove(&ipc->watches, cookie);
	if (!proxy) {
		ipc_unlock(ipc);
		return;
	}
	proxy->watch = 0;
	refs_take(&proxy->refs);
	while ((watcher = watcher_take_locked(proxy, /* id= */ 0, cookie))) {
		ipc_unlock(ipc);
		if (watcher->cb)
			watcher->cb(proxy, watcher->userdata);
		free(watcher);
		ipc_proxy_unref(proxy);
		ipc_lock(ipc);
	}
	ipc_unlock(ipc);
	ipc_proxy_unref(proxy);
}

void watchers_drop(struct ipc_proxy *proxy)
{
	while (proxy->watchers) {
		struct watcher *watcher = proxy->watchers;

		proxy->watchers = watcher->next;
		free(watcher);
		ipc_proxy_unref(proxy);
	}
}
