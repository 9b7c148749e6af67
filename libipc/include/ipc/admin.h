/* SPDX-License-Identifier: MIT */
/*
 * Administration: freezing processes, and the service manager. Included by <ipc/ipc.h>, whose
 * rules and error list apply.
 */
#ifndef IPC_PUBLIC_ADMIN_H
#define IPC_PUBLIC_ADMIN_H

#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ipc;
struct ipc_object;
struct ipc_proxy;

/*
 * Freeze a process, given by its pid as seen from here: calls to it fail with -EHOSTDOWN,
 * oneways are queued until ipc_thaw(). Blocks until calls that it already has are
 * finished, for at most timeout_msec milliseconds. Freezing a frozen process changes
 * nothing. Needs the same effective user or CAP_KILL.
 *
 *   -EAGAIN   Calls were left when the time was over. The process is not frozen.
 *   -EBUSY    Another process is freezing it.
 *   -ESRCH    The process is not on this bus.
 *   -EPERM    The process belongs to another user.
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

/* Get the proxy of the service manager, which the caller unrefs. Works before there is
 * one; calls fail with -EOWNERDEAD or -ENOTCONN then. */
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

#ifdef __cplusplus
}
#endif

#endif /* IPC_PUBLIC_ADMIN_H */
