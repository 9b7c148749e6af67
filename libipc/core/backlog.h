/* SPDX-License-Identifier: MIT */
/*
 * What a thread found and must not do itself. Serving threads do it before they wait for
 * events (loop.c). There are two kinds:
 *
 *   - the next callbacks of a stream (stream-ops.c), which run on serving threads only
 *   - events that a thread took while it waited for a stream (stream-wait.c), because it was
 *     the only one to take any. It serves nobody meanwhile.
 *
 * ATTEND_BACKLOG says that there is some. Its length needs no limit of its own: a stream is in
 * it once, and an event keeps what the driver counts against its sender.
 */
#ifndef IPC_BACKLOG_H
#define IPC_BACKLOG_H

#include <stdbool.h>

struct backlog_event;
struct ipc;
struct ipcbus_event;
struct thread;

/* Work: in the memory of whoever adds it, who may add it again once it runs. */
struct backlog_work {
	struct backlog_work *next;
	void (*run)(struct thread *t, struct backlog_work *work);
	/* The connection closes, and it will not run. */
	void (*drop)(struct ipc *ipc, struct backlog_work *work);
};

/* Of a connection; private.h. */
struct backlog {
	struct backlog_work *first;	/* oldest first */
	struct backlog_work **last;
	int fd;				/* an eventfd for those who poll, or -1 */
	int all_fd;			/* ipc_get_fd(): that one and the device's, or -1 */
};

void backlog_init(struct ipc *ipc);
/* Drops what is there. Before the device is closed. */
void backlog_close(struct ipc *ipc);

/* Adds work. wake: the caller does not come back to serve at once. */
void backlog_add(struct ipc *ipc, struct backlog_work *work, bool wake);
/* Memory for an event, so that none is taken which cannot be kept; or NULL. */
struct backlog_event *backlog_event_new(void);
void backlog_event_free(struct backlog_event *memory);
/* Adds an event that was taken, to be dispatched. Takes over the memory. */
void backlog_add_event(struct ipc *ipc, struct backlog_event *memory,
		       const struct ipcbus_event *event);
/* Runs the oldest work. False: there is none. */
bool backlog_run(struct thread *t);

/* Makes the eventfd, for a thread that is about to poll: 0 or -errno. */
int backlog_make_fd(struct ipc *ipc);
int backlog_make_fd_locked(struct ipc *ipc);
/* The fd for event loops, or -errno. */
int backlog_get_fd(struct ipc *ipc);

#endif /* IPC_BACKLOG_H */
