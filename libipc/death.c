// SPDX-License-Identifier: MIT
/*
 * Death watches: see death.h. Called by users to add and remove watchers, and
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
	ipc_death_cb cb;
	void *userdata;
};

static int watch_start_locked(struct ipc_proxy *proxy)
{
	struct ipc *ipc = proxy->ipc;
	uint64_t cookie = ipc_next_cookie_locked(ipc);
	int r;

	r = map_add(&ipc->watches, cookie, proxy);
	if (r < 0)
		return r;

	/* Should the event come at once, its thread finds us after this lock. */
	r = device_watch(&ipc->device, proxy->handle, cookie);
	if (r < 0) {
		map_remove(&ipc->watches, cookie);
		return r;
	}
	proxy->watch = cookie;
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

static void watcher_append_locked(struct ipc_proxy *proxy, struct watcher *watcher)
{
	struct watcher **link = &proxy->watchers;

	while (*link)
		link = &(*link)->next;
	*link = watcher;
	refs_take(&proxy->refs);
}

int ipc_proxy_on_death(struct ipc_proxy *proxy, ipc_death_cb cb, void *userdata,
		       uint64_t *ret_id)
{
	struct watcher *watcher;
	uint64_t id = 0;
	int r = 0;

	if (!proxy || !proxy->ipc || !cb)
		return -EINVAL;
	if (proxy->ipc->foreign)
		return -ECHILD;

	watcher = malloc(sizeof(*watcher));
	if (!watcher)
		return -ENOMEM;

	ipc_lock(proxy->ipc);
	if (!proxy->watch)
		r = watch_start_locked(proxy);
	if (r == 0) {
		id = ipc_next_cookie_locked(proxy->ipc);
		*watcher = (struct watcher){
			.id = id,
			.watch = proxy->watch,
			.cb = cb,
			.userdata = userdata,
		};
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

int ipc_proxy_off_death(struct ipc_proxy *proxy, uint64_t id)
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
