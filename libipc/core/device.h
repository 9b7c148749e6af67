/* SPDX-License-Identifier: MIT */
/*
 * The device as the rest of the library sees it: one function per thing that
 * the driver can do, in plain types.
 *
 * device.c is the only file that knows the driver's own header and the only
 * one that calls the kernel for the device. Tests put fake-device.c in its
 * place. Nothing here takes a lock or keeps state besides struct device.
 */
#ifndef IPC_DEVICE_H
#define IPC_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The most entries that the object table of one message can have. */
#define DEVICE_MAX_OBJECTS	64

/* One open device with its region. */
struct device {
	int fd;
	int wake_fd;		/* a second fd of the same file, for device_wake() */
	int poll_fd;		/* readable when there is what polls says; -1: not made */
	unsigned int polls;	/* DEVICE_POLL_*: device_set_poll() */
	const uint8_t *region;
	size_t region_size;
	uint64_t features;	/* IPCBUS_FEATURE_* of the driver */
	uint32_t send_flags;	/* of all messages */
};

enum device_send_kind {
	DEVICE_SEND_NONE,
	DEVICE_SEND_CALL,
	DEVICE_SEND_ONEWAY,
	DEVICE_SEND_REPLY,
	DEVICE_SEND_ERROR,
};

enum device_object_type {
	DEVICE_OBJECT_NODE = 1,
	DEVICE_OBJECT_HANDLE,
	DEVICE_OBJECT_FD,
};

struct device_object {
	enum device_object_type type;
	uint64_t value;		/* node id, handle or fd */
	uint64_t cookie;	/* received: of a node that came home */
	uint64_t tag;
};

/* One part of a message in memory. */
struct device_part {
	uint64_t base;		/* address */
	uint64_t size;
};

struct device_send {
	enum device_send_kind kind;
	bool accept_fds;	/* CALL: the reply may bring fds */
	bool async;		/* CALL: its end comes as an event with the cookie */
	bool replace;		/* ONEWAY: instead of an older one */
	uint32_t handle;	/* CALL, ONEWAY */
	uint32_t code;		/* method; ERROR: errno */
	uint64_t call;		/* REPLY, ERROR */
	const void *data;
	size_t size;
	const struct device_object *objects;
	unsigned int n_objects;
	const struct device_part *parts; /* instead of data; their sizes are size together */
	unsigned int n_parts;	/* 0: data */
	uint64_t deadline;	/* CALL, ONEWAY: of the monotonic clock, ns; 0: none */
	uint64_t cookie;	/* CALL: for device_cancel(); 0: none */
};

enum device_event_kind {
	DEVICE_EVENT_NONE,
	DEVICE_EVENT_INTERRUPTED,
	DEVICE_EVENT_CALL,
	DEVICE_EVENT_ONEWAY,
	DEVICE_EVENT_REPLY,
	DEVICE_EVENT_ERROR,
	DEVICE_EVENT_FAILED,
	DEVICE_EVENT_DEAD,
	DEVICE_EVENT_IDLE,
	DEVICE_EVENT_CANCELED,
	DEVICE_EVENT_FROZEN,
	DEVICE_EVENT_THAWED,
	DEVICE_EVENT_RECORD,
	DEVICE_EVENT_MANAGER = 13,
};

struct device_event {
	enum device_event_kind kind;
	bool spawn;		/* the driver asks for one more serving thread */
	bool accept_fds;	/* CALL: the reply may bring fds */
	uint32_t code;
	uint64_t call;
	uint64_t cookie;
	uint64_t buffer;	/* to give back; 0: nothing came */
	const uint8_t *payload;	/* in the region, until then */
	size_t size;
	uint64_t objects;	/* for device_objects() */
	unsigned int n_objects;
	int error;		/* ERROR, FAILED: -errno */
	pid_t pid;
	pid_t tid;
	uid_t uid;
	gid_t gid;
	uint64_t deadline;	/* CALL */
	uint64_t label;		/* CALL, ONEWAY: in the region, with a 0 at its end */
	uint32_t label_size;	/* 0: none */
};

#define DEVICE_WAIT		(1U << 0)
#define DEVICE_SERVE		(1U << 1)
#define DEVICE_NONBLOCK		(1U << 2)

struct device_exchange {
	unsigned int flags;	/* DEVICE_WAIT | ... */
	uint32_t thread;	/* in and out: the driver's number of this thread */
	const uint64_t *release;
	unsigned int n_release;
	unsigned int n_released;	/* out: how many of them were dealt with */
	struct device_send send;
};

/* Opens the device and maps a region of that many bytes. */
int device_open(struct device *device, const char *path, size_t region_size);
/* Whether receivers wipe from here on what they are sent. -EOPNOTSUPP: the driver
 * does not know how. */
int device_set_clear(struct device *device, bool clear);
/* mapped: false in a forked child, which has the fd but not the region. */
void device_close(struct device *device, bool mapped);

/*
 * Gives buffers back, sends, waits, in this order. When it fails, nothing was
 * sent; n_released buffers (or bad ids) are off the caller's hands.
 */
int device_exchange(const struct device *device, struct device_exchange *exchange,
		    struct device_event *ret_event);

/* Copies the event's n_objects entries of the object table out of the region. */
void device_objects(const struct device *device, const struct device_event *event,
		    struct device_object *ret_objects);

/*
 * Makes each thread's present wait, or if it does not wait its next one, end
 * with DEVICE_EVENT_INTERRUPTED. Async-signal-safe.
 */
void device_wake(const struct device *device);

/* What an fd can be readable for. */
#define DEVICE_POLL_EVENT	(1U << 0)	/* an event is there */
#define DEVICE_POLL_WRITABLE	(1U << 1)	/* a oneway that was refused may find room */

/* Makes device->poll_fd, if it is not there, and what it is readable for. Nothing is
 * slower for one that polls for nothing. Under a lock of the caller's. */
int device_set_poll(struct device *device, unsigned int polls);

/* Waits for an event, for what poll_fd is there for, or until another fd (-1: none)
 * is readable: DEVICE_POLL_*, 0 after the time or for the other fd, -EINTR, -errno.
 * News of room are told once: who gets them acts on them. */
int device_poll(const struct device *device, int other, uint64_t timeout_usec);

/* Waits for the bus to have a manager: as device_poll(), by a file of its own. */
int device_wait_manager(const char *path, uint64_t timeout_usec);

/* What the owner of a node wants of the driver. */
struct device_node {
	uint64_t cookie;
	bool accept_fds;
	bool want_label;
	bool has_priority;
	int policy;
	int priority;
};

int device_node_create(const struct device *device, const struct device_node *node,
		       uint64_t *ret_node);
/* -EBUSY: somebody refers to it. */
int device_node_destroy_idle(const struct device *device, uint64_t node);
int device_set_manager(const struct device *device, uint64_t node);

/* Who is interested in a node of ours. */
struct device_node_info {
	unsigned int refs;
	unsigned int pending;
	unsigned int oneways;
	unsigned int watches;
};

int device_node_info(const struct device *device, uint64_t node,
		     struct device_node_info *ret_info);

int device_handle_put(const struct device *device, uint32_t handle, uint32_t count);
/* frozen: FROZEN and THAWED events besides DEAD. */
int device_watch(const struct device *device, uint32_t handle, uint64_t cookie, bool frozen);
int device_unwatch(const struct device *device, uint32_t handle);

/* DEVICE_EVENT_MANAGER comes whenever the bus gets a manager, and at once if it has
 * one. -EOPNOTSUPP: the driver is too old. */
int device_watch_manager(const struct device *device);

/* Ends our own calls with that cookie; -ENOENT. */
int device_cancel(const struct device *device, uint64_t cookie);
/* Whether nobody waits for a call that we took: 1, 0; -ESRCH: it is not open. */
int device_call_canceled(const struct device *device, uint64_t call);

/* Who sent a call, or if that is 0 the oneway in a buffer: 1 and the process id
 * here (0: cannot be seen), 0: gone, -errno. */
int device_caller(const struct device *device, uint64_t call, uint64_t buffer, pid_t *ret_pid);

/* What came since: DEVICE_CAME_*, or -errno. thaw: instead of freezing it. */
#define DEVICE_CAME_CALL	(1U << 0)
#define DEVICE_CAME_ONEWAY	(1U << 1)
int device_freeze(const struct device *device, pid_t pid, bool thaw, unsigned int timeout_msec);

struct ipc_record;
struct ipc_record_object;

/* Records of what happens on the bus from here on, as TAP events; flags 0: none. */
int device_monitor(const struct device *device, unsigned int flags, pid_t pid, size_t max_data);
/* Takes a record apart, whoever wrote it; objects: room for DEVICE_MAX_OBJECTS. -EBADMSG. */
int device_record(const void *record, size_t size, struct ipc_record *ret_record,
	       struct ipc_record_object *ret_objects);

int device_set_threads(const struct device *device, unsigned int max);
int device_thread_exit(const struct device *device);

#endif /* IPC_DEVICE_H */
