/* SPDX-License-Identifier: MIT */
/*
 * A device controlled by the test: it replaces device.c in unit tests.
 *
 * A test queues the events that waits will return, and examines sent messages and requests. There
 * is a single fake for all connections, and a single thread unless a test starts more. If a wait
 * finds no event, it calls on_empty and is interrupted. Without on_empty it fails with -EPIPE and
 * does not send: a test never waits forever.
 */
#ifndef IPC_FAKE_DEVICE_H
#define IPC_FAKE_DEVICE_H

#include "device/device.h"

#define FAKE_MAX	64
#define FAKE_PAYLOAD	65536

/* A sent message. */
struct fake_sent {
	struct ipcbus_send send;	/* as sent: data and objects are below */
	unsigned int flags;		/* of its exchange */
	unsigned int n_release;		/* buffers that were released with it */
	uint8_t data[FAKE_PAYLOAD];
	struct ipcbus_object objects[IPCBUS_MAX_OBJECTS];
};

struct fake {
	unsigned int exchanges;
	unsigned int n_more;		/* exchanges that requested more events */
	unsigned int n_sent;
	struct fake_sent sent[FAKE_MAX];

	unsigned int n_released;		/* buffers that were released */
	uint64_t released[FAKE_MAX];

	bool keep_fds;			/* sent fds are duplicated, for fake_close_fds() */
	int send_error;			/* the next message of this kind fails with it */
	uint32_t send_error_kind;
	unsigned int send_error_more;	/* this many messages after it fail, too */
	size_t send_max;		/* larger messages fail with -EMSGSIZE; 0: none do */
	int poll_error;			/* device_set_poll() fails with it */
	void (*on_empty)(void);
	void (*on_send)(void);		/* runs once, before the next message is visible */

	unsigned int n_nodes;		/* ids from 1 */
	struct ipcbus_node node;	/* the newest */
	uint64_t cookie;		/* its */
	unsigned int n_settled;		/* calls of device_node_destroy() with if_idle */
	int settle_error;
	unsigned int n_destroyed;	/* and without */

	unsigned int n_puts;
	uint32_t put_handle;
	uint32_t put_count;
	int watches;			/* set minus removed */
	uint64_t watch_cookie;
	int manager_watches;			/* number of watches for a manager */
	int unwatch_error;
	unsigned int woken;
	bool ended;			/* device_has_ended() */
	bool interruptible;		/* device_set_interruptible() */
	unsigned int n_interruptible;	/* waits while it was set */
	unsigned int n_cancels;		/* calls canceled by device_cancel() */
	uint64_t canceled;		/* the last canceled cookie */
	int cancel_error;
	unsigned int n_asked;		/* requests of CALL_INFO */
	uint64_t canceled_call;		/* of which that says yes */
	int sender_error;		/* result of SENDER_INFO */
	uint32_t sender_flags;
	uint32_t sender_pid;
};

extern struct fake fake;

void fake_reset(void);
/* The next wait returns this event. Payload and objects are copied into the region. */
void fake_push(struct ipcbus_event event, const void *payload, size_t size,
	       const struct ipcbus_object *objects, unsigned int n_objects);
/* Closes the duplicated fds of the last sent message. */
void fake_close_fds(void);
/* Returns the last sent message. */
const struct fake_sent *fake_last(void);

#endif /* IPC_FAKE_DEVICE_H */
