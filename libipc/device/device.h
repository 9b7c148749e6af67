/* SPDX-License-Identifier: MIT */
/*
 * The operations of the driver that the library uses. The structures are the driver's, from
 * ipcbus.h.
 *
 * Only device.c calls the kernel for the device. Tests link fake-device.c instead. struct device
 * has all of the state. A function takes no lock of the library; through ipcbusd it may take a lock
 * of the link (device-daemon.c). Unless a comment says otherwise, a function returns 0 or -errno
 * and does not wait for other processes. After the end of a daemon all functions fail with
 * -ECONNRESET.
 */
#ifndef IPC_DEVICE_H
#define IPC_DEVICE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

#include "ipcbus.h"

struct daemon_link;

/* An open device with its region. */
struct device {
	struct daemon_link *link; /* to ipcbusd, if that is the bus; NULL: the kernel's driver */
	int fd;			/* readable when an event is queued */
	int wake_fd;		/* a second fd of the same file, for device_wake() */
	int poll_fd;		/* readable if a condition of polls is true; -1 until it is
	            		 * created */
	unsigned int polls;	/* DEVICE_POLL_*, set by device_set_poll() */
	atomic_bool is_lost;	/* between device_lose() and device_resume() */
	const uint8_t *region;	/* the first region; base of all offsets */
	size_t region_size;
	uint32_t version;	/* IPCBUS_VERSION of the driver */
	uint64_t features;	/* IPCBUS_FEATURE_* of the driver */
	uint32_t send_flags;	/* IPCBUS_SEND_* that every message gets */
};

/* Returns the address of an offset of the region, where a payload, an object table or a
 * label begins. */
static inline const void *device_at(const struct device *device, uint64_t offset)
{
	return (const void *)((uintptr_t)device->region + (uintptr_t)offset);
}

/* Convert a time of CLOCK_MONOTONIC, or 0, between this process and the clock of the bus, by which
 * other processes of a daemon's bus know it. Processes of a time namespace have another clock. The
 * functions above do that by themselves. */
uint64_t device_time_out(const struct device *device, uint64_t time);
uint64_t device_time_in(const struct device *device, uint64_t time);

/* Opens the device, or connects to the daemon whose socket is at path, and maps a region of
 * region_size bytes. */
int device_open(struct device *device, const char *path, size_t region_size);
/* A forked child has the fd but not the region; it passes mapped as false. */
void device_close(struct device *device, bool mapped);

/*
 * Releases buffers, sends, and waits for an event, in this order. Blocks as
 * IPCBUS_IOC_EXCHANGE does. The caller sets all fields of x but size. On failure the message was
 * not sent; x->event.stage is the stage of the failure, or 0 if the driver did not report it. Fails
 * with -ECONNRESET if generation is not that of device_resume().
 */
int device_exchange(const struct device *device, uint64_t generation, struct ipcbus_exchange *x);

/* Must be called when a received buffer is no longer used, before it is released by an exchange or
 * forgotten. */
void device_released_slowly(const struct device *device, uint64_t buffer);

static inline void device_released(const struct device *device, uint64_t buffer)
{
	if (__builtin_expect(device->link != NULL, 0))
		device_released_slowly(device, buffer);
}

/* Sets whether waits of the calling thread for an event must not miss a signal. This also affects
 * waits of handlers that run on it in the meantime. Through a daemon, such waits may also end
 * without a signal, at most once a second. Returns the previous value. It is false in a forked
 * child. */
bool device_set_interruptible(bool on);

/*
 * Ends the current wait of every thread with IPCBUS_EVENT_INTERRUPTED. For a thread that
 * does not wait now, its next wait ends. Async-signal-safe.
 */
void device_wake(const struct device *device);

/* Counts fork() along the ancestry of this process: incremented in each forked child. */
extern unsigned int daemon_forks;

/* Identifies this process among its ancestors, after a bus of a daemon was opened. A pid does not
 * suffice: a child in a new PID namespace may have the number of its parent. */
static inline uint64_t device_process(void)
{
	return (uint64_t)daemon_forks << 32 | (uint32_t)getpid();
}

/* Returns an fd that hangs up when the bus ends, or -1 for a bus that does not end. */
int device_end_fd(const struct device *device);
/* Returns whether the bus has ended. Does not wait. */
bool device_has_ended(const struct device *device);

/*
 * Replaces a daemon that has ended: reconnect.c. device_lose() must be called under ipc->lock when
 * the end is noticed. From then on poll_fd is readable only for timers. device_reopen() connects
 * and waits for the daemon, without locks. Ioctls work again after device_resume(), under
 * ipc->lock, which sets the generation: an increasing number. On failure poll_fd does not report
 * all chosen conditions.
 */
void device_lose(struct device *device);
int device_reopen(struct device *device, const char *path);
int device_resume(struct device *device, uint64_t generation);
/* Whether the address is in the region of an earlier daemon. Under ipc->lock. */
bool device_is_old(const struct device *device, const void *at);

/* Conditions for which poll_fd can be readable. */
#define DEVICE_POLL_EVENT	(1U << 0)	/* an event is queued */
#define DEVICE_POLL_WRITABLE	(1U << 1)	/* a refused oneway may be sent again */
/* device_poll(): the other fd is readable. */
#define DEVICE_POLL_OTHER	(1U << 2)

/* Chooses the conditions for which device->poll_fd is readable, and creates the fd if needed. If
 * polls is 0, the driver does no work for the connection. The caller must hold a lock against
 * concurrent calls. */
int device_set_poll(struct device *device, unsigned int polls);

/* Whether the driver reports space since the last report or the last refused oneway. Each report of
 * space is true once, so the caller must act on it. Only while DEVICE_POLL_WRITABLE is chosen, and
 * under the lock of device_set_poll(). */
bool device_is_writable(const struct device *device);

/*
 * Blocks until a condition is true, either of two fds (-1: none) is readable, or the time is over.
 * Returns the DEVICE_POLL_* that may be true, which may be none, or -EINTR. polls is 0 for no
 * condition, or DEVICE_POLL_EVENT: an event is queued, or poll_fd is readable
 * (DEVICE_POLL_WRITABLE).
 */
int device_poll(const struct device *device, unsigned int polls, int other, int another,
		uint64_t timeout_usec);

/* For a thread that waits in futexes. */
struct device_words {
	const atomic_uint *event;	/* not 0 while an event is queued; a futex */
	const atomic_uint *wakes;	/* counts the calls of device_wake(); not a futex */
	atomic_uint *bell;		/* a private futex, which device_wake() increments after
	                  		 * wakes. The caller may do that too */
};
/* -EOPNOTSUPP: not with the driver. */
int device_poll_words(const struct device *device, struct device_words *ret_words);

/* The number of monitors of the bus, which changes at any time. NULL: with the driver. */
const uint32_t *device_monitors(const struct device *device);

/* Blocks until the bus has a manager or the time is over. Opens the device at path for
 * that. Returns as device_poll(). */
int device_wait_manager(const char *path, uint64_t timeout_usec);
/* Returns an fd of a text file of the driver about the bus behind path, or -errno. */
int device_open_state(const char *path, const char *name);

/* Fails with -EBUSY if the node is in use and if_idle is true. */
int device_node_destroy(const struct device *device, uint64_t node, bool if_idle);
/* Releases count references to a handle of that generation. */
int device_handle_put(const struct device *device, uint64_t generation, uint32_t handle,
		      uint32_t count);
/* Cancels the calls that this connection made with the cookie. Fails with -ENOENT if there
 * is none. */
int device_cancel(const struct device *device, uint64_t cookie);
/* Sets the size of *arg, the structure of any other ioctl, and makes the ioctl. FREEZE blocks for
 * at most its timeout_ms. */
int device_request(const struct device *device, unsigned long request, void *arg);

/* Ends the driver's record of the calling thread. */
int device_thread_exit(const struct device *device);

#endif /* IPC_DEVICE_H */
