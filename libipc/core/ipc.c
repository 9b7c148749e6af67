// SPDX-License-Identifier: MIT
/*
 * The connection: find the bus, open, count references, close, and handle fork(). Without a path,
 * all programs of a user find the same bus: the environment's, the kernel's, or a daemon's.
 *
 * All connections are in a list. Its lock must be taken before all other locks of core/
 * (private.h). It is taken when a connection opens or closes, when a thread first uses a connection
 * or ends, and around fork().
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "async.h"
#include "channels/channel-server.h"
#include "loop.h"
#include "object.h"
#include "proxy.h"
#include "raw.h"
#include "conn/thread.h"

#define REGION_MAX	((size_t)1 << 30)
#define DEVICE_PATH	"/dev/ipcbus"
#define DAEMON_PATH	"/run/ipcbus/bus"

static pthread_mutex_t connections_mutex = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(, ipc) connections = LIST_HEAD_INITIALIZER(connections);
static uint64_t last_id;

void connections_lock(void)
{
	pthread_mutex_lock(&connections_mutex);
}

void connections_unlock(void)
{
	pthread_mutex_unlock(&connections_mutex);
}

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

/* --- The path of the bus --------------------------------------------------------- */

/* Fills in the path of the socket of this user's daemon. False: it does not exist. */
static bool find_own_daemon(char *path, size_t size)
{
	const char *runtime = secure_getenv("XDG_RUNTIME_DIR");
	int n = runtime ? snprintf(path, size, "%s/ipcbus/bus", runtime) : -1;

	return n > 0 && (size_t)n < size && !access(path, F_OK);
}

/* Returns the path that device stands for: device itself, a constant, the environment's, or path,
 * which has size bytes and is then filled in. Sets *ret_reason. */
static const char *bus_choose(const char *bus, char *path, size_t size,
			      enum ipc_bus_reason *ret_reason)
{
	const char *variable;

	*ret_reason = IPC_BUS_BY_ARGUMENT;
	if (bus && *bus)
		return bus;
	/* An empty path is the default, whatever the environment says. */
	variable = bus ? NULL : secure_getenv("IPCBUS_BUS");
	*ret_reason = IPC_BUS_BY_ENVIRONMENT;
	if (variable && *variable)
		return variable;
	*ret_reason = IPC_BUS_BY_DEVICE;
	if (!access(DEVICE_PATH, F_OK))
		return DEVICE_PATH;
	*ret_reason = IPC_BUS_BY_USER_DAEMON;
	if (find_own_daemon(path, size))
		return path;
	*ret_reason = IPC_BUS_BY_SYSTEM_DAEMON;
	if (!access(DAEMON_PATH, F_OK))
		return DAEMON_PATH;
	/* Opening then fails with the error of the bus. */
	*ret_reason = IPC_BUS_NOT_FOUND;
	return DEVICE_PATH;
}

/* If the path cannot be examined, it may be a bus. Opening it then fails with the reason. */
static enum ipc_bus_kind kind_of(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR ? IPC_BUS_NONE : IPC_BUS_UNKNOWN;
	return S_ISSOCK(st.st_mode) ? IPC_BUS_DAEMON :
	       S_ISCHR(st.st_mode)  ? IPC_BUS_DEVICE :
				      IPC_BUS_UNKNOWN;
}

/* Meanings of errnos for opening a bus, because those of ipc_strerror() are about calls. Other
 * errnos have the system's text. */
static const struct {
	int code;
	const char *meaning;
} open_meanings[] = {
	{ ENOENT, "there is no bus" },
	{ EACCES, "its permissions do not let this user open it" },
	{ EPROTO, "it is not a socket of ipcbusd, or ipcbusd has another protocol version" },
	{ EINVAL, "the size of the region must be a multiple of the page size, up to 1 GiB" },
	{ ECONNREFUSED, "no daemon runs the bus: it has ended" },
	{ ECONNRESET, "ipcbusd ended, or closed the connection, before the bus was open" },
	{ EPIPE, "ipcbusd ended, or closed the connection, before the bus was open" },
	{ ETIMEDOUT, "ipcbusd does not reply: it is stopped or overloaded" },
	{ EAGAIN, "ipcbusd does not accept connections at the moment" },
	{ ENOTTY, "the path is not a bus" },
	{ EISDIR, "the path is a folder, not a bus" },
	{ ESRCH, "ipcbusd cannot see this process: it runs in another PID namespace" },
	{ EOVERFLOW, "this user is not mapped into the user namespace of ipcbusd" },
	{ EDQUOT, "this user has too many connections, or too many files or memory in them" },
	{ ENOSPC, "ipcbusd, or the system, has reached a limit, such as fs.epoll.max_user_watches" },
	{ ENOMEM, "this process, or ipcbusd, has no memory" },
	{ EMFILE, "this process has no free file descriptor; raise RLIMIT_NOFILE (ulimit -n)" },
	{ ENFILE, "ipcbusd, or the system, has no free file descriptor; raise RLIMIT_NOFILE of "
		  "ipcbusd" },
};

static const char *open_meaning(int code)
{
	for (size_t i = 0; i < sizeof(open_meanings) / sizeof(open_meanings[0]); i++)
		if (open_meanings[i].code == abs(code))
			return open_meanings[i].meaning;
	return strerrordesc_np(abs(code)) ?: "unknown error";
}

char *ipc_open_error_text(char *to, size_t size, const char *bus, int code)
{
	enum ipc_bus_reason reason;
	char found[PATH_MAX];
	const char *path = bus_choose(bus, found, sizeof(found), &reason);
	bool is_gone = code == -ENOENT || code == -ECONNREFUSED;
	bool may_be_device = code == -ENOENT && !strcmp(path, DEVICE_PATH);

	snprintf(to, size, "cannot open the bus %s%s: %s%s%s", path,
		 reason == IPC_BUS_BY_ENVIRONMENT ? ", which IPCBUS_BUS names" :
		 reason == IPC_BUS_NOT_FOUND	  ? ", and no ipcbusd was found" :
						    "",
		 open_meaning(code),
		 may_be_device	 ? "; start ipcbusd, or load the driver: modprobe ipcbus" :
		 is_gone	 ? "; start it: ipcbusd --bus " :
		 code == -EINVAL ? "" :
				   "; see ipcctl doctor",
		 is_gone && !may_be_device ? path : "");
	return to;
}

int ipc_print_open_error(const char *bus, int code)
{
	char text[IPC_ERROR_TEXT_MAX];

	fprintf(stderr, "%s\n", ipc_open_error_text(text, sizeof(text), bus, code));
	return 1;
}

int ipc_find_bus(const char *bus, char **ret_path, enum ipc_bus_kind *ret_kind,
		 enum ipc_bus_reason *ret_reason)
{
	enum ipc_bus_reason reason;
	char found[PATH_MAX], *path;

	if (!ret_path)
		return -EINVAL;
	path = strdup(bus_choose(bus, found, sizeof(found), &reason));
	if (!path)
		return -ENOMEM;
	*ret_path = path;
	if (ret_kind)
		*ret_kind = kind_of(path);
	if (ret_reason)
		*ret_reason = reason;
	return 0;
}

/* --- Opening -------------------------------------------------------------------- */

void connection_renew(struct ipc *ipc)
{
	uint64_t generation;

	connections_lock();
	generation = ++last_id;
	connections_unlock();
	ipc_lock(ipc);
	/* On failure the fd of ipc_get_fd() reports no events, until the next ipc_wait_event() or
	 * the next wait of a serving thread tries again. */
	device_resume(&ipc->device, generation);
	atomic_store(&ipc->bus_ended, false);
	atomic_fetch_and(&ipc->attention, ~ATTEND_LOST);
	atomic_store(&ipc->generation, generation);
	ipc_unlock(ipc);
}

static void init_channels(struct ipc *ipc)
{
	const char *value = getenv("IPC_CHANNELS");

	if (value && strcmp(value, "0") == 0)
		return;
	ipc->monitors = device_monitors(&ipc->device);
	ipc->channels_random = value && strcmp(value, "random") == 0;
}

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

/* After a failure, the caller must call ipc_free(). */
static int ipc_init(struct ipc *ipc, const char *bus, size_t region_size)
{
	enum ipc_bus_reason reason;
	char path[PATH_MAX];
	int r;

	*ipc = (struct ipc){
		.refs = 1,
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
	ipc->id = ++last_id;
	ipc->generation = ipc->id;
	LIST_INSERT_HEAD(&connections, ipc, link);
	connections_unlock();
	*ret_ipc = ipc;
	return 0;
}

int ipc_set_clear(struct ipc *ipc, int clear)
{
	int r = ipc_check(ipc);

	if (r == 0)
		ipc->device.send_flags = clear ? IPCBUS_SEND_CLEAR : 0;
	return r;
}

int ipc_get_features(struct ipc *ipc, uint32_t *ret_version, uint64_t *ret_features)
{
	if (!ipc || !ret_version || !ret_features)
		return -EINVAL;
	*ret_version = ipc->device.version;
	*ret_features = ipc->device.features;
	return 0;
}

int ipc_set_timeout(struct ipc *ipc, uint64_t timeout_usec)
{
	int r = timeout_usec && timeout_usec != IPC_INHERIT ? ipc_check(ipc) : -EINVAL;

	if (r == 0)
		atomic_store_explicit(&ipc->timeout_usec,
				      timeout_usec == IPC_NEVER ? 0 : timeout_usec,
				      memory_order_relaxed);
	return r;
}

int ipc_raw_set_interrupt(struct ipc *ipc, ipc_raw_interrupt_cb cb, void *userdata)
{
	int r = ipc_check(ipc);

	if (r < 0)
		return r;
	ipc->on_interrupt = cb;
	ipc->interrupt_userdata = userdata;
	return 0;
}

int ipc_set_message_max(struct ipc *ipc, size_t size)
{
	int r = size && size <= IPC_MESSAGE_MAX ? ipc_check(ipc) : -EINVAL;

	if (r == 0)
		atomic_store_explicit(&ipc->message_max, size, memory_order_relaxed);
	return r;
}

int ipc_open(struct ipc **ret_ipc, const char *bus)
{
	return ipc_open_sized(ret_ipc, bus, IPC_REGION_DEFAULT);
}

/* --- Closing -------------------------------------------------------------------- */

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
	names_close(ipc);
	if (ipc->manager)
		ipc_object_unref(ipc->manager);
	proxies_close(ipc);
	objects_close(ipc);
	ipc_free(ipc);
}

struct ipc *ipc_ref(struct ipc *ipc)
{
	if (ipc)
		refs_take(&ipc->refs);
	return ipc;
}

struct ipc *ipc_unref(struct ipc *ipc)
{
	if (ipc && refs_drop(&ipc->refs))
		ipc_close(ipc);
	return NULL;
}

/* --- The manager ---------------------------------------------------------------- */

int ipc_set_manager(struct ipc *ipc, struct ipc_object *object)
{
	struct ipcbus_node node = { 0 };
	struct ipc_object *old;
	uint64_t id;
	int r;

	if (!ipc || !object || object->ipc != ipc)
		return -EINVAL;
	r = ipc_object_id(object, &id);
	if (r < 0)
		return r;
	node.node = object->node;
	r = device_request(&ipc->device, IPCBUS_IOC_SET_MANAGER, &node);
	if (r < 0)
		return r;

	ipc_lock(ipc);
	old = ipc->manager;
	ipc->manager = ipc_object_ref(object);
	ipc_unlock(ipc);
	ipc_object_unref(old);
	return 0;
}

_Static_assert(IPC_FROZEN_CALL == IPCBUS_FROZEN_CALL &&
	       IPC_FROZEN_ONEWAY == IPCBUS_FROZEN_ONEWAY, "what came");

static int freeze(struct ipc *ipc, struct ipcbus_freeze *freeze)
{
	return ipc_check(ipc) ?: device_request(&ipc->device, IPCBUS_IOC_FREEZE, freeze);
}

int ipc_freeze(struct ipc *ipc, pid_t pid, uint64_t timeout_usec)
{
	uint64_t msec = timeout_usec / 1000 + !!(timeout_usec % 1000);
	struct ipcbus_freeze arg = {
		.pid = (uint32_t)pid,
		.timeout_ms = msec < UINT32_MAX ? (uint32_t)msec : UINT32_MAX,
	};

	return freeze(ipc, &arg);
}

int ipc_thaw(struct ipc *ipc, pid_t pid)
{
	struct ipcbus_freeze arg = { .pid = (uint32_t)pid, .flags = IPCBUS_FREEZE_THAW };
	int r = freeze(ipc, &arg);

	return r < 0 ? r : (int)(arg.received & (IPCBUS_FROZEN_CALL | IPCBUS_FROZEN_ONEWAY));
}

int ipc_get_frozen(struct ipc *ipc, pid_t pid)
{
	struct ipcbus_freeze arg = { .pid = (uint32_t)pid, .flags = IPCBUS_FREEZE_QUERY };
	int r = freeze(ipc, &arg);

	return r < 0 ? r : !!(arg.received & IPCBUS_FROZEN_NOW);
}

int ipc_wait_manager(const char *bus, uint64_t timeout_usec)
{
	enum ipc_bus_reason reason;
	char path[PATH_MAX];

	return device_wait_manager(bus_choose(bus, path, sizeof(path), &reason), timeout_usec);
}

int ipc_open_state(const char *bus, const char *name)
{
	enum ipc_bus_reason reason;
	char path[PATH_MAX];

	if (!name)
		return -EINVAL;
	return device_open_state(bus_choose(bus, path, sizeof(path), &reason), name);
}
