// SPDX-License-Identifier: MIT
/*
 * Proxies: see proxy.h for their counts. Called by programs, and by entry.c for
 * handles that arrive in messages.
 */
#include <errno.h>
#include <stdlib.h>

#include "watch.h"
#include "object.h"
#include "proxy.h"

static int proxy_new_locked(struct ipc *ipc, uint32_t handle, struct ipc_proxy **ret_proxy)
{
	struct ipc_proxy *proxy;
	int r;

	proxy = malloc(sizeof(*proxy));
	if (!proxy)
		return -ENOMEM;

	*proxy = (struct ipc_proxy){ .ipc = ipc, .handle = handle };
	r = map_add(&ipc->proxies, handle, proxy);
	if (r < 0) {
		free(proxy);
		return r;
	}
	*ret_proxy = proxy;
	return 0;
}

/* The proxy of a handle, made if there is none, with a new reference. */
static int proxy_take(struct ipc *ipc, uint32_t handle, uint32_t counts,
		      struct ipc_proxy **ret_proxy)
{
	struct ipc_proxy *proxy;
	int r = 0;

	ipc_lock(ipc);
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

int proxy_arrived(struct ipc *ipc, uint32_t handle, struct ipc_proxy **ret_proxy)
{
	int r;

	/* The manager's handle has no counts. */
	r = proxy_take(ipc, handle, handle != MANAGER_HANDLE, ret_proxy);
	if (r < 0 && handle != MANAGER_HANDLE)
		device_handle_put(&ipc->device, handle, 1);
	return r;
}

int ipc_get_manager(struct ipc *ipc, struct ipc_proxy **ret_proxy)
{
	if (!ipc || !ret_proxy)
		return -EINVAL;
	if (ipc->foreign)
		return -ECHILD;

	return proxy_take(ipc, MANAGER_HANDLE, /* counts= */ 0, ret_proxy);
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

static void proxy_unref_last(struct ipc_proxy *proxy)
{
	struct ipc *ipc = proxy->ipc;
	bool gone;

	if (!ipc) {
		if (refs_drop(&proxy->refs))
			free(proxy);
		return;
	}

	ipc_lock(ipc);
	gone = refs_drop(&proxy->refs);
	if (gone)
		map_remove(&ipc->proxies, proxy->handle);
	ipc_unlock(ipc);
	if (!gone)
		return;

	/* Fails only in a forked child, whose handles are not its own. */
	if (proxy->counts)
		device_handle_put(&ipc->device, proxy->handle, proxy->counts);
	free(proxy);
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
	if (!proxy || !proxy->ipc || !timeout_usec)
		return -EINVAL;
	if (proxy->ipc->foreign)
		return -ECHILD;

	atomic_store_explicit(&proxy->timeout_usec, timeout_usec == IPC_INHERIT ? 0 : timeout_usec,
			      memory_order_relaxed);
	return 0;
}

void proxies_close(struct ipc *ipc)
{
	struct ipc_proxy *proxy;
	uint64_t handle;

	while ((proxy = map_first(&ipc->proxies, &handle))) {
		map_remove(&ipc->proxies, handle);
		refs_take(&proxy->refs);
		proxy->ipc = NULL;
		watches_close(proxy);
		ipc_proxy_unref(proxy);
	}
}
