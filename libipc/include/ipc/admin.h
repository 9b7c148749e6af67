/* SPDX-License-Identifier: MIT */
/*
 * Administration: which bus is found and what it offers, freezing processes, and the service
 * manager. Included by <ipc/ipc.h>, whose rules and error list apply.
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

/* What is at the path of a bus. New values may be added, here and below. */
enum ipc_bus_kind {
	IPC_BUS_NONE = 0,	/* nothing */
	IPC_BUS_DEVICE = 1,	/* a device: the driver of the kernel */
	IPC_BUS_DAEMON = 2,	/* a socket: ipcbusd(8) */
	IPC_BUS_UNKNOWN = 3	/* neither, or something that the caller may not look at */
};

/* Why it is this path. */
enum ipc_bus_reason {
	IPC_BUS_BY_ARGUMENT = 0,	/* the caller named it */
	IPC_BUS_BY_ENVIRONMENT = 1,	/* $IPCBUS_DEVICE names it */
	IPC_BUS_BY_DEVICE = 2,		/* /dev/ipcbus exists */
	IPC_BUS_BY_USER_DAEMON = 3,	/* so does $XDG_RUNTIME_DIR/ipcbus/bus */
	IPC_BUS_BY_SYSTEM_DAEMON = 4,	/* so does /run/ipcbus/bus */
	IPC_BUS_NOT_FOUND = 5		/* none of these; the path is /dev/ipcbus */
};

/*
 * Find the bus that ipc_open() with this device would open. Nothing is opened: whether a daemon
 * listens, and whether the caller may connect, ipc_open() finds out.
 *
 * device is a path, or NULL. The first of these decides: device, if it is not NULL; then
 * $IPCBUS_DEVICE, if it is set; then /dev/ipcbus, $XDG_RUNTIME_DIR/ipcbus/bus and
 * /run/ipcbus/bus, each if it exists. Set-user-ID programs ignore both variables. The
 * caller frees *ret_path with free(). ret_kind and ret_reason may be NULL.
 */
int ipc_find_bus(const char *device, char **ret_path, enum ipc_bus_kind *ret_kind,
		 enum ipc_bus_reason *ret_reason);

/*
 * Get the version and the features of the driver or daemon behind the connection. The version is
 * that of the interface: IPCBUS_VERSION of ipcbus.h, the driver's header. The features, which only
 * some buses have, are bits IPCBUS_FEATURE_* there.
 */
int ipc_get_driver(struct ipc *ipc, uint32_t *ret_version, uint64_t *ret_features);

/*
 * Freeze a process, given by its pid as seen from here: calls to it fail with -EHOSTDOWN,
 * oneways are queued until ipc_thaw(). Blocks until calls that it already has are
 * finished, for at most timeout_msec milliseconds. Freezing a frozen process changes
 * nothing. Needs the same effective user or CAP_KILL.
 *
 *   -EAGAIN   Calls were left when the time was over. The process is not frozen.
 *   -EBUSY    Another process is freezing it.
 *   -ESRCH    The process is not on this bus.
 *   -EPERM    The process belongs to another user. On a bus of ipcbusd, the user who runs it may.
 *   -EINTR    A signal arrived. The process is not frozen.
 */
int ipc_freeze(struct ipc *ipc, pid_t pid, unsigned int timeout_msec);

/*
 * Thaw a process. Returns what was sent to it while it was frozen: 0, IPC_FROZEN_CALL (a
 * call, which failed), IPC_FROZEN_ONEWAY (a oneway, which is delivered now), or both.
 *
 *   -ESRCH, -EPERM  As ipc_freeze().
 */
#define IPC_FROZEN_CALL		1
#define IPC_FROZEN_ONEWAY	2
int ipc_thaw(struct ipc *ipc, pid_t pid);

/*
 * Make an object the service manager of the bus, for servicemanager itself. The connection
 * keeps a reference.
 *
 *   -EBUSY    The bus has a service manager.
 *   -EPERM    The administrator did not name this user (ipcbus(4), manager_uid).
 */
int ipc_set_manager(struct ipc *ipc, struct ipc_object *object);

/* Get the proxy of the service manager, which the caller unrefs. Works before there is one: calls
 * fail with -ENOTCONN then, and with -EOWNERDEAD after it has ended. */
int ipc_get_manager(struct ipc *ipc, struct ipc_proxy **ret_proxy);

/*
 * Block until a service manager serves the bus behind device (as ipc_open()), and return
 * 1. Returns 0 after timeout_usec microseconds. Needs no connection. The manager may be
 * gone again when this returns.
 *
 *   -ENOENT, -EACCES  As ipc_open().
 *   -EINTR            A signal arrived.
 */
int ipc_wait_manager(const char *device, uint64_t timeout_usec);

/*
 * Open one of the text files that the driver keeps about the bus behind device (as
 * ipc_open()): "state" says what is on it, "stats" counts the driver's own objects. Others and
 * their lines: docs/tracing.md. Returns a file descriptor, open for reading, which the caller
 * closes. Needs no connection, and is on no bus. Those of a
 * mounted bus are for who owns the mount, those of /dev/ipcbus for root, and those of a daemon
 * for root and the user who runs it: what is read then is from the moment of the call.
 *
 *   -ENOENT   There is no such bus, or no such file; debugfs may not be mounted.
 *   -EACCES   They are for other users.
 *   -EINVAL   The name is NULL or has a '/'.
 */
int ipc_open_state(const char *device, const char *name);

/* --- The end of the bus -------------------------------------------------------- */

/* What happens to the bus of a connection with ipc_set_reconnect(). */
enum ipc_bus_event {
	IPC_BUS_LOST = 1,	/* the bus has ended */
	IPC_BUS_BACK = 2,	/* the connection is open again */
};

/*
 * Open the bus again after its end. ipcbusd may end and start again at the same path; the bus of
 * the kernel does not end. After this call the connection survives that, with its objects, slots
 * and file descriptor. Set-up only. cb may be NULL, and ret_slot is NULL then. Each call adds a
 * callback. The connection goes on to open the bus when its slot has ended. It uses no direct
 * channels (docs/channels.md): its calls always go through the daemon.
 *
 * When the bus ends, what is described under "End of the bus" happens, with these differences:
 * ipc_run() and ipc_process() do not return -ECONNRESET, and cb is called first, with
 * IPC_BUS_LOST. While the bus is away, calls fail with -ECONNRESET at once.
 * The serving threads try to open the bus, with pauses of 50 milliseconds to a second, until that
 * succeeds or ipc_stop() is called. In an event loop, ipc_process() does, and the file descriptor
 * of ipc_get_fd() is readable when it is time for that. If no thread is in ipc_run(), and
 * ipc_get_fd() was never called, the next call or search of a name opens the bus, on its own
 * thread, and runs these callbacks there.
 *
 * When the bus is open, cb is called with IPC_BUS_BACK on a serving thread:
 *   - Objects have no clients. Their ids and those of proxies have changed: read them again.
 *   - Names, and watches of names, are registered as soon as a service manager is there. Failures
 *     are reported as those of a replay, see <ipc/name.h>. The object of ipc_set_manager() is
 *     the manager again.
 *   - A proxy that was obtained by name, after ipc_set_reconnect(), is found again by its next
 *     call or watch, with the same name and interface. The call blocks for that, also a oneway or
 *     an async call, and fails with -ENOTCONN while nobody has the name. Such a proxy and a proxy
 *     of the same object that comes in a message are two pointers then.
 *   - Other proxies stay dead: calls fail with -EOWNERDEAD, and so does watching them.
 *   - A reply to a call that came before is dropped. The request stays valid as usual.
 *   - Death watches and monitors have ended with the bus. Watch again.
 *
 * cb runs once for each event, without locks of the library, and may call any function. The
 * region of the old bus stays mapped until the connection closes.
 *
 *   -EMFILE   This process cannot open more files.
 */
typedef void (*ipc_reconnect_cb)(struct ipc *ipc, enum ipc_bus_event event, void *userdata);
int ipc_set_reconnect(struct ipc *ipc, ipc_reconnect_cb cb, void *userdata,
		      struct ipc_slot **ret_slot);

#ifdef __cplusplus
}
#endif

#endif /* IPC_PUBLIC_ADMIN_H */
