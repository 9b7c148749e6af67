/* SPDX-License-Identifier: MIT */
/*
 * Work that a thread must leave to serving threads, which do it before they wait for events
 * (loop.c), for example:
 *
 *   - the next callbacks of a stream (stream-ops.c), which run on serving threads only
 *   - events that a thread took while it waited for a stream (stream-wait.c), because no other
 *     thread took events. It does not serve in the meantime.
 *   - parked oneways that have their object's turn (channels/turn.c)
 *
 * ATTEND_BACKLOG is set while the backlog is not empty. Its length needs no limit: a stream or
 * channel is in it at most once, and an event stays charged to its sender.
 */
#ifndef IPC_BACKLOG_H
#define IPC_BACKLOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/queue.h>

struct ipc;
struct thread;

/* Work. The owner of the memory may add it again after it has begun to run. */
struct backlog_work {
	STAILQ_ENTRY(backlog_work) link;
	void (*run)(struct thread *t, struct backlog_work *work);
	/* Called instead of run if the connection closes. */
	void (*drop)(struct ipc *ipc, struct backlog_work *work);
};

/* Of a connection; private.h. */
struct backlog {
	STAILQ_HEAD(, backlog_work) list;	/* oldest first */
	/* For threads that poll, or -1: readable while there is work, and after a bell. */
	int fd;
	int work_fd;			/* an eventfd: readable while there is work, or rung */
	atomic_bool rung;
	int all_fd;			/* ipc_get_fd(): fd and the device's poll_fd, or -1 */
};

void backlog_init(struct ipc *ipc);
/* Drops all work. Must be called before the device is closed. */
void backlog_close(struct ipc *ipc);

/* Adds work. wake: wake a serving thread, because the caller does not serve at once. */
void backlog_add(struct ipc *ipc, struct backlog_work *work, bool wake);
/* Makes the fd for event loops readable, with a new edge, and wakes threads that poll, until the
 * next backlog_run(). */
void backlog_wake(struct ipc *ipc);
/* Runs the oldest work. Returns false if the backlog is empty. */
bool backlog_run(struct thread *t);

/* Makes fd, for a thread that is about to poll: 0 or -errno. */
int backlog_make_fd(struct ipc *ipc);
int backlog_make_fd_locked(struct ipc *ipc);
/* Makes the threads of ipc_run() poll instead of waiting in the driver. Returns 1 if the
 * caller must wake them for that, 0 if they poll already, or -errno. */
int backlog_poll_locked(struct ipc *ipc);
/* Makes a bell: a timer that makes fd readable when it expires. It works until the last process
 * that has it closes it. Another process can do nothing with it that makes this process, or a
 * process that rings it, block or miss other bells. A pipe, a socket or an eventfd is not safe: the
 * peer can hold the pipe's lock, pass files, and make a write block. Returns the descriptor, which
 * the caller must close, or -errno. */
int backlog_new_bell(struct ipc *ipc);
/* Another process has the bell too, so it must be removed before it is closed. */
void backlog_remove_bell(const struct ipc *ipc, int bell);
/* Must be called before the last look for messages: fd is readable after later bells only. */
void backlog_forget_bells(struct ipc *ipc);
/* Makes fd readable until then: serving threads must look for messages that nobody rings for. */
void backlog_ring(struct ipc *ipc);
/* The fd for event loops, or -errno. */
int backlog_get_fd(struct ipc *ipc);

#endif /* IPC_BACKLOG_H */
