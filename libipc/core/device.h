/* SPDX-License-Identifier: MIT */
/*
 * The seam between the library and the driver: a function for each thing that the
 * driver does. The structures are the driver's own, from ipcbus.h.
 *
 * device.c alone calls the kernel for the device. Tests link fake-device.c in its
 * place. Nothing here takes a lock or keeps state besides struct device. All functions
 * return 0, or what their comment says, or -errno.
 */
#ifndef IPC_DEVICE_H
#define IPC_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "ipcbus.h"

/* One open device with its region. */
struct device {
	int fd;
	int wake_fd;		/* a second fd of the same file, for device_wake() */
	int poll_fd;		/* readable for what polls names; -1: not made */
	unsigned int polls;	/* DEVICE_POLL_*: device_set_poll() */
	const uint8_t *region;
	size_t region_size;
	uint64_t features;	/* IPCBUS_FEATURE_* of the driver */
	uint32_t send_flags;	/* IPCBUS_SEND_* of all messages */
};

/* What lies at an offset of the region: a payload, an object table, a label. */
static inline const void *device_at(const struct device *device, uint64_t offset)
{
	return (const void *)((uintptr_t)device->region + (uintptr_t)offset);
}

/* Opens the device and maps a region of that many bytes. */
int device_open(struct device *device, const char *path, size_t region_size);
/* Whether receivers wipe what they are sent from now on. -EOPNOTSUPP: the driver is
 * too old. */
int device_set_clear(struct device *device, bool clear);
/* mapped: false in a forked child, which has the fd but not the region. */
void device_close(struct device *device, bool mapped);

/*
 * Releases, sends and waits, in this order. The caller sets all but size. If it fails,
 * nothing was sent, and event.stage and .index say how far it came; stage is 0 if the
 * driver did not say.
 */
int device_exchange(const struct device *device, struct ipcbus_exchange *x);

/*
 * Makes each thread's present wait, or if it does not wait its next one, end
 * with IPCBUS_EVENT_INTERRUPTED. Async-signal-safe.
 */
void device_wake(const struct device *device);

/* What an fd can be readable for. */
#define DEVICE_POLL_EVENT	(1U << 0)	/* an event is there */
#define DEVICE_POLL_WRITABLE	(1U << 1)	/* a oneway that was refused may find space */

/* Makes device->poll_fd, if it is not there, and what it is readable for. Nothing is
 * slower for one that polls for nothing. Under a lock of the caller's. */
int device_set_poll(struct device *device, unsigned int polls);

/* Waits for an event, for what poll_fd is there for, or until another fd (-1: none)
 * is readable. Returns DEVICE_POLL_*, 0 after the time or for the other fd, or -EINTR.
 * Each change to writable is reported once, so the caller must act on it. */
int device_poll(const struct device *device, int other, uint64_t timeout_usec);

/* Waits for the bus to have a manager: as device_poll(), by a file of its own. */
int device_wait_manager(const char *path, uint64_t timeout_usec);

/* Makes a node of flags, cookie, policy and priority, and sets node->node. */
int device_node_create(const struct device *device, struct ipcbus_node *node);
/* -EBUSY: somebody refers to it. */
int device_node_destroy_idle(const struct device *device, uint64_t node);
int device_set_manager(const struct device *device, uint64_t node);
/* Who is interested in info->node, a node of ours. */
int device_node_info(const struct device *device, struct ipcbus_node_info *info);

int device_handle_put(const struct device *device, uint32_t handle, uint32_t count);
/* frozen: FROZEN and THAWED events besides DEAD. */
int device_watch(const struct device *device, uint32_t handle, uint64_t cookie, bool frozen);
int device_unwatch(const struct device *device, uint32_t handle);

/* IPCBUS_EVENT_MANAGER comes whenever the bus gets a manager, and at once if it has
 * one. -EOPNOTSUPP: the driver is too old. */
int device_watch_manager(const struct device *device);

/* Ends our own calls with that cookie; -ENOENT. */
int device_cancel(const struct device *device, uint64_t cookie);
/* Whether nobody waits for a call that we took: 1, 0; -ESRCH: it is not open. */
int device_call_canceled(const struct device *device, uint64_t call);
/* Whether the sender of info->call, or of the oneway in info->buffer, is still there. */
int device_sender_info(const struct device *device, struct ipcbus_sender_info *info);
int device_freeze(const struct device *device, struct ipcbus_freeze *freeze);

struct ipcbus_monitor;

/* Records of what happens on the bus from here on, as RECORD events; flags 0: none. */
int device_monitor(const struct device *device, struct ipcbus_monitor *monitor);

int device_set_threads(const struct device *device, unsigned int max);
int device_thread_exit(const struct device *device);

#endif /* IPC_DEVICE_H */
