// SPDX-License-Identifier: MIT
/*
 * Opens and closes a connection, and handles fork(): the only file that knows all folders.
 *
 * All connections are in a list. Its lock must be taken before all other locks of core/
 * (conn/private.h). It is taken when a connection opens or closes, when a thread first uses a
 * connection or ends, and around fork().
 */
#define _GNU_SOURCE
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "channels/channel-server.h"
#include "conn/find.h"
#include "conn/thread.h"
#include "core/async.h"
#include "core/object.h"
#include "core/proxy.h"
#include "typed/typed.h"

#define REGION_MAX	((size_t)1 << 30)

static LIST_HEAD(, ipc) connections = LIST_HEAD_INITIALIZER(connections);

/* --- Fork ----------------------------------------------------------------------- */

static void fork_prepare(void)
{
	struct ipc *ipc;

	connections_lock();
	LIST_FOREACH(ipc, &connections, link) {
		ipc_lock(ipc);
		pthread_mutex_lock(&ipc->pool.lock);
	}
}

static void fork_done(void)
{
	struct ipc *ipc;

	LIST_FOREACH(ipc, &connections, link) {
		pthread_mutex_unlock(&ipc->pool.lock);
		ipc_unlock(ipc);
	}
	connections_unlock();
}

static void fork_child(void)
{
	struct ipc *ipc;

	LIST_FOREACH(ipc, &connections, link)
		ipc->foreign = true;
	threads_forget();
	fork_done();
}

static pthread_once_t fork_once = PTHREAD_ONCE_INIT;
static int fork_error;

static void fork_init(void)
{
	fork_error = -pthread_atfork(fork_prepare, fork_done, fork_child);
}

/* --- Closing -------------------------------------------------------------------- */

static void ipc_free(struct ipc *ipc)
{
	map_done(&ipc->cookies);
	map_done(&ipc->proxies);
	map_done(&ipc->watches);
	map_done(&ipc->calls);
	map_done(&ipc->asyncs);
	timers_done(ipc);
	pool_done(&ipc->pool);
	/* A forked child may have inherited waiters that do not exist there. */
	if (!ipc->foreign)
		pthread_cond_destroy(&ipc->slot_left);
	pthread_mutex_destroy(&ipc->lock);
	free(ipc->closed_streams);
	free(ipc->path);
	free(ipc);
}

/*
 * Closes the bus first, which ends all objects and calls of this connection, so that no event
 * can arrive any more. Then only memory is left to free. The completions of async calls run last,
 * and may still use the closed connection.
 */
static void ipc_close(struct ipc *ipc)
{
	backlog_close(ipc);
	/* From here on, threads that end do not use the device. */
	connections_lock();
	ipc->closing = true;
	threads_end_channels(ipc);
	connections_unlock();
	channels_lose_device(ipc);
	device_close(&ipc->device, /* mapped= */ !ipc->foreign);
	writable_close(ipc);
	asyncs_end(ipc, /* t= */ NULL, -ECANCELED);
	connections_lock();
	LIST_REMOVE(ipc, link);
	threads_detach(ipc);
	connections_unlock();
	channels_close(ipc);
	slots_close(&ipc->monitor);
	slots_close(&ipc->reconnect.slots);
	ipc->names_ops->close(ipc);
	if (ipc->manager)
		ipc_object_unref(ipc->manager);
	proxies_close(ipc);
	objects_close(ipc);
	ipc_free(ipc);
}

/* --- Opening -------------------------------------------------------------------- */

static void init_channels(struct ipc *ipc)
{
	const char *value = getenv("IPC_CHANNELS");

	if (value && strcmp(value, "0") == 0)
		return;
	ipc->monitors = device_monitors(&ipc->device);
	ipc->may_route = ipc->monitors;
	ipc->channels_random = value && strcmp(value, "random") == 0;
}

/* After a failure, the caller must call ipc_free(). */
static int ipc_init(struct ipc *ipc, const char *bus, size_t region_size)
{
	enum ipc_bus_reason reason;
	char path[PATH_MAX];
	int r;

	*ipc = (struct ipc){
		.refs = 1,
		.close = ipc_close,
		.names_ops = &names_ops,
		.route = &channels_route,
		.message_max = IPC_MESSAGE_MAX,
		.path = strdup(bus_choose(bus, path, sizeof(path), &reason)),
	};
	writable_init(ipc);
	backlog_init(ipc);
	timers_init(ipc);
	TAILQ_INIT(&ipc->reconnect.slots);
	TAILQ_INIT(&ipc->monitor);
	pthread_mutex_init(&ipc->lock, NULL);
	pthread_cond_init(&ipc->slot_left, NULL);
	r = pool_init(&ipc->pool);
	if (r == 0)
		r = ipc->path ? device_open(&ipc->device, ipc->path, region_size) : -ENOMEM;
	if (r == 0)
		init_channels(ipc);
	return r;
}

int ipc_open_sized(struct ipc **ret_ipc, const char *bus, size_t region_size)
{
	struct ipc *ipc;
	int r;

	if (!ret_ipc || !region_size || region_size > REGION_MAX ||
	    region_size % (size_t)sysconf(_SC_PAGESIZE))
		return -EINVAL;

	pthread_once(&fork_once, fork_init);
	if (fork_error)
		return fork_error;

	ipc = malloc(sizeof(*ipc));
	if (!ipc)
		return -ENOMEM;
	r = ipc_init(ipc, bus, region_size);
	if (r < 0) {
		ipc_free(ipc);
		return r;
	}

	connections_lock();
	ipc->id = connections_next_id();
	ipc->generation = ipc->id;
	LIST_INSERT_HEAD(&connections, ipc, link);
	connections_unlock();
	*ret_ipc = ipc;
	return 0;
}

int ipc_open(struct ipc **ret_ipc, const char *bus)
{
	return ipc_open_sized(ret_ipc, bus, IPC_REGION_DEFAULT);
}
