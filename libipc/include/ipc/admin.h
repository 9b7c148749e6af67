/* SPDX-License-Identifier: MIT */
/*
 * Administration: finding a bus and its features, reconnection, freezing processes, and the service
 * manager. Included by <ipc/ipc.h>; its rules and error list apply.
 */
#ifndef IPC_PUBLIC_ADMIN_H
#define IPC_PUBLIC_ADMIN_H

#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ipc;
struct ipc_slot;
struct ipc_object;
struct ipc_proxy;

/* The kind of file at the path of a bus. New values may be added, here and below. */
enum ipc_bus_kind {
	IPC_BUS_NONE = 0,	/* nothing */
	IPC_BUS_DEVICE = 1,	/* a device: the driver, a kernel module */
	IPC_BUS_DAEMON = 2,	/* a socket: ipcbusd(8) */
	IPC_BUS_UNKNOWN = 3	/* another file, or no permission to examine it */
};

/* How the path was chosen. */
enum ipc_bus_reason {
	IPC_BUS_BY_ARGUMENT = 0,	/* the caller named it */
	IPC_BUS_BY_ENVIRONMENT = 1,	/* $IPCBUS_BUS names it */
	IPC_BUS_BY_DEVICE = 2,		/* /dev/ipcbus exists */
	IPC_BUS_BY_USER_DAEMON = 3,	/* so does $XDG_RUNTIME_DIR/ipcbus/bus */
	IPC_BUS_BY_SYSTEM_DAEMON = 4,	/* so does /run/ipcbus/bus */
	IPC_BUS_NOT_FOUND = 5		/* no bus exists; the path is /dev/ipcbus */
};

/*
 * Find the bus that ipc_open() with this path would open. The function opens no file. Only
 * ipc_open() finds out if a daemon listens and if the caller may connect.
 *
 * bus is a path, or NULL. The first of these decides: bus, if it is not NULL; then
 * $IPCBUS_BUS, if it is set; then /dev/ipcbus, $XDG_RUNTIME_DIR/ipcbus/bus and
 * /run/ipcbus/bus, each if it exists. Set-user-ID programs ignore both variables. The
 * caller frees *ret_path with free(). ret_kind and ret_reason may be NULL.
 */
int ipc_find_bus(const char *bus, char **ret_path, enum ipc_bus_kind *ret_kind,
		 enum ipc_bus_reason *ret_reason);

/*
 * Get the ABI version and the features of the bus. The ABI version is IPCBUS_VERSION of ipcbus.h.
 * The features are bits IPCBUS_FEATURE_*, which not all buses have.
 */
int ipc_get_features(struct ipc *ipc, uint32_t *ret_version, uint64_t *ret_features);

/*
 * Freeze a process, given by its pid as seen from here: calls to it fail with -EHOSTDOWN,
 * oneways are queued until ipc_thaw(). Calls through a direct channel continue. Blocks until the
 * process has finished the calls that it already has, for at most timeout_usec microseconds
 * (rounded up to milliseconds; at most 49 days). The process stays frozen until ipc_thaw(), even if
 * the caller exits. Its threads continue to run. Freezing a frozen process has no effect. The
 * caller must have the same effective user or CAP_KILL.
 *
 *   -EAGAIN   The process still had unfinished calls after timeout_usec. It is not frozen.
 *   -EBUSY    Another process is freezing it.
 *   -ESRCH    The process is not on this bus.
 *   -EPERM    The process belongs to another user. On a bus of ipcbusd, the user of ipcbusd may
 *             freeze any process.
 *   -EINTR    A signal arrived. The process is not frozen.
 */
int ipc_freeze(struct ipc *ipc, pid_t pid, uint64_t timeout_usec);

/*
 * Thaw a process. Returns the kinds of messages sent to it while it was frozen: 0, IPC_FROZEN_CALL
 * (a call, which failed), IPC_FROZEN_ONEWAY (a oneway, which is delivered now), or both.
 *
 *   -ESRCH, -EPERM  As ipc_freeze().
 */
#define IPC_FROZEN_CALL		1
#define IPC_FROZEN_ONEWAY	2
int ipc_thaw(struct ipc *ipc, pid_t pid);

/* Returns 1 if the process is frozen, 0 if not. Fails as ipc_thaw(). */
int ipc_get_frozen(struct ipc *ipc, pid_t pid);

/*
 * Make an object the service manager of the bus, for servicemanager itself. The connection
 * keeps a reference.
 *
 *   -EBUSY    The bus has a service manager.
 *   -EPERM    The administrator did not name this user (ipcbus(4), manager_uid).
 */
int ipc_set_manager(struct ipc *ipc, struct ipc_object *object);

/* Get the proxy of the service manager, which the caller must unref. If no service manager is
 * running yet, calls to the proxy fail with -ENOTCONN; after the manager has ended, with
 * -EOWNERDEAD. */
int ipc_get_manager(struct ipc *ipc, struct ipc_proxy **ret_proxy);

/*
 * Block until a service manager serves the bus at this path (as ipc_open()), and return
 * 1. Returns 0 after timeout_usec microseconds. Needs no connection. The manager may be
 * gone again when this returns.
 *
 *   -ENOENT, -EACCES  As ipc_open().
 *   -EINTR            A signal arrived.
 */
int ipc_wait_manager(const char *bus, uint64_t timeout_usec);

/*
 * Open a text file about the bus at this path (as ipc_open()): "state" lists the procs and their
 * nodes, "stats" has counters. docs/tracing.md describes all files. Returns a file descriptor,
 * open for reading, which the caller must close. Needs no connection. The user that mounted a bus
 * may open its files, root those of /dev/ipcbus, and root and the user of ipcbusd those of ipcbusd,
 * which are snapshots taken by this function.
 *
 *   -ENOENT   There is no such bus, or no such file; debugfs may not be mounted.
 *   -EACCES   The caller is not one of these users.
 *   -EINVAL   The name is NULL or has a '/'.
 */
int ipc_open_state(const char *bus, const char *name);

/* --- The end of the bus -------------------------------------------------------- */

/* Events of the bus of a connection with ipc_set_reconnect(). */
enum ipc_bus_event {
	IPC_BUS_DOWN = 1,	/* the bus has ended */
	IPC_BUS_UP = 2,		/* the connection is open again */
};

/*
 * Open the bus again after its end. ipcbusd may end and start again at the same path; the bus of
 * the kernel does not end. From then on the connection survives a restart of ipcbusd, with its
 * objects, slots and file descriptor. Set-up only. cb may be NULL; then ret_slot must be NULL. Each
 * call adds a callback. Ending the slot of a callback does not disable reconnection. The connection
 * uses no direct channels (docs/channels.md): its calls always go through the daemon.
 *
 * When the bus ends, the rules of "End of the bus" in <ipc/ipc.h> apply, with these differences:
 * ipc_run() and ipc_process() do not return -ECONNRESET, and cb is called first, with IPC_BUS_DOWN.
 * While the bus is away, calls fail with -ECONNRESET at once. The serving threads try to open the
 * bus, with pauses of 50 milliseconds to a second, until that succeeds or ipc_stop() is called. In
 * an event loop, ipc_process() tries it, and the file descriptor of ipc_get_fd() becomes readable
 * when the next attempt is due. If no thread is in ipc_run(), and ipc_get_fd() was never called,
 * the next call fails with -ECONNRESET, and the one after it, or a lookup of a name, opens the bus
 * and runs the callbacks on its own thread.
 *
 * When the bus is open, cb is called with IPC_BUS_UP on a serving thread:
 *   - Objects have no clients. The ids of objects and proxies have changed: read them again.
 *   - Names, and watches of names, are registered as soon as a service manager is running. Failures
 *     are reported like failures of a replay, see <ipc/name.h>. The object of ipc_set_manager() is
 *     the manager again.
 *   - If a proxy was obtained by name after ipc_set_reconnect(), its next call or watch looks up
 *     the same name and interface again. Even a oneway or an async call blocks for the lookup. It
 *     fails with the errors of ipc_proxy_get(): -ENOTCONN until a service manager runs, then
 *     -ENOENT until a service has the name. From then on, a proxy of the same object that arrives
 *     in a message is a different pointer.
 *   - Other proxies stay dead: calls fail with -EOWNERDEAD, and so does watching them.
 *   - A reply to a call received before the end is discarded. Replying fails with -ECONNRESET, but
 *     may return 0 while the handler of the call runs. The request stays valid as usual.
 *   - Death watches and monitors have ended with the bus. Watch again.
 *
 * cb runs once for each event, without locks of the library, and may call any function. The
 * region of the old bus stays mapped while the program keeps a request or reply in it.
 *
 *   -EBUSY    The connection has an object or a proxy. Call it first after ipc_open().
 *   -EMFILE   This process cannot open more files.
 */
typedef void (*ipc_reconnect_cb)(struct ipc *ipc, enum ipc_bus_event event, void *userdata);
int ipc_set_reconnect(struct ipc *ipc, ipc_reconnect_cb cb, void *userdata,
		      struct ipc_slot **ret_slot);

#ifdef __cplusplus
}
#endif

#endif /* IPC_PUBLIC_ADMIN_H */
