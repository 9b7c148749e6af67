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

/* An ioctl of ipcbus.h. Returns its result, as 0 or -errno; waits as it does. */
int daemon_ioctl(struct daemon_link *link, unsigned long request, void *arg);
/* The same, but fails with -ECONNRESET if the link has another generation. 0 matches all
 * generations. */
int daemon_ioctl_of(struct daemon_link *link, uint64_t generation, unsigned long request,
		    void *arg);
/* Ends the waits of all threads. Async-signal-safe. */
void daemon_wake(struct daemon_link *link);

/* The fd that is readable while an event is queued, or while a refused oneway may be sent
 * again; the link's. Only conditions that daemon_set_poll() chose are reported. */
int daemon_event_fd(const struct daemon_link *link);
int daemon_writable_fd(const struct daemon_link *link);
/* The fd that hangs up when the daemon is gone. */
int daemon_socket(const struct daemon_link *link);
/* Returns whether the daemon is gone. If so, later ioctls fail at once. */
bool daemon_is_gone(struct daemon_link *link);
/* Reports events, and the end of a shortage of space if writable is true. */
int daemon_set_poll(struct daemon_link *link, bool writable);
/*
 * Connects a link whose daemon is gone to the daemon that now listens at path. The fds keep their
 * numbers, and addresses in the old region stay valid. Waits until no thread is in an ioctl of the
 * old daemon. Ioctls fail with -ECONNRESET until daemon_resume(), which sets the generation, an
 * increasing number. Only one thread at a time may call it.
 */
int daemon_reopen(struct daemon_link *link, const char *path);
void daemon_resume(struct daemon_link *link, uint64_t generation);
/* Whether the address is in the region of an earlier daemon. */
bool daemon_is_old(const struct daemon_link *link, const void *at);

/* Two futex words, valid until the link is closed: *ret_event is not 0 while an event is queued,
 * and *ret_wakes counts the calls of daemon_wake(). */
int daemon_poll_words(struct daemon_link *link, const uint32_t **ret_event,
		      const uint32_t **ret_wakes);
/* The number of monitors of the bus, which changes at any time. */
const uint32_t *daemon_monitors(const struct daemon_link *link);
/* Reports events, and leaves the other choice as it is. */
int daemon_poll_events(struct daemon_link *link);

#endif /* IPC_DEVICE_DAEMON_H */
