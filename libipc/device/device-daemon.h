/* SPDX-License-Identifier: MIT */
/*
 * Access to ipcbusd, which device.c calls instead of the kernel. The protocol is in
 * ipcbus-daemon.h.
 *
 * A link is a connection. Unless noted, any number of threads may call each function at once.
 */
#ifndef IPC_DEVICE_DAEMON_H
#define IPC_DEVICE_DAEMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct daemon_link;

/* Connects to the socket at path. Returns 0 or -errno. */
int daemon_open(const char *path, struct daemon_link **ret_link);
/* Maps a region of that size for reading. Returns 0 or -errno. */
int daemon_map(struct daemon_link *link, size_t size, const void **ret_region);
/* Returns an fd with the text of a file that the driver has in debugfs, or -errno. Needs no
 * link. */
int daemon_open_state(const char *path, const char *name);
/* A forked child, which does not inherit the mappings, must pass mapped as false. */
void daemon_close(struct daemon_link *link, bool mapped);

/* An ioctl of ipcbus.h. Returns its result, as 0 or -errno; waits as it does. Fails with
 * -ECONNRESET if the link has another generation. 0 matches all generations. */
int daemon_ioctl_of(struct daemon_link *link, uint64_t generation, unsigned long request,
		    void *arg);
/* Ends the waits of all threads. Async-signal-safe. */
void daemon_wake(struct daemon_link *link);

/* Returns whether the daemon is gone. If so, later ioctls fail at once. */
bool daemon_is_gone(struct daemon_link *link);
/* Adds conditions to report, and removes others: IPCBUSD_POLL_*. */
int daemon_change_poll(struct daemon_link *link, unsigned int add, unsigned int remove);
/* Reports events, and the end of a shortage of space if writable is true. */
int daemon_set_poll(struct daemon_link *link, bool writable);
/*
 * Connects a link whose daemon is gone to the daemon that now listens at path. The fds keep their
 * numbers. The old region stays mapped until the program has released all of its buffers. Waits
 * until no thread is in an ioctl of the old daemon. Ioctls fail with -ECONNRESET until the caller
 * sets the generation of the link and clears gone. Only one thread at a time may call it.
 */
int daemon_reopen(struct daemon_link *link, const char *path);

/* The program no longer uses a buffer that was received. */
void daemon_released(struct daemon_link *link, uint64_t buffer);

/* Returns whether the address is in the region of an earlier daemon. */
bool daemon_is_old(struct daemon_link *link, const void *at);

#endif /* IPC_DEVICE_DAEMON_H */
