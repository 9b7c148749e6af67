/* SPDX-License-Identifier: MIT */
/* A link to ipcbusd, for device*.c. */
#ifndef IPC_DEVICE_LINK_H
#define IPC_DEVICE_LINK_H

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/futex.h"
#include "ipcbus-daemon.h"
#include "ipcbus.h"

/* The send area: messages are sent from there, because the daemon has it mapped too. A thread takes
 * whole units of it. Unused memory is never allocated, but a process may have little address space.
 * Larger messages are sent as files. */
#define AREA_MAX	(sizeof(void *) > 4 ? (size_t)256 << 20 : (size_t)16 << 20)
#define AREA_MIN	((size_t)4 << 20)
#define UNIT		((size_t)64 << 10)
#define UNITS_MAX	(AREA_MAX / UNIT)
#define NO_CELL		UINT_MAX

/* In daemon_link.fds: memory, which is mapped and closed, then the fd that is readable while an
 * event is queued, or while a refused oneway may be sent again. Only conditions that
 * daemon_change_poll() chose are reported. */
#define LINK_AREA	0
#define LINK_BELL	1
#define LINK_EVENTS	2
#define LINK_WRITABLE	3
#define LINK_STATUS	4

/* Of daemon_link.tag. */
#define TAG_MAX		255
/* Of the tag in the number of a buffer: see device-daemon.c. */
#define BUFFER_TAG_SHIFT	24

struct daemon_thread {
	uint32_t tid;		/* 0: the cell is free */
	uint8_t *piece;		/* its part of the send area, or NULL */
	size_t piece_size;
	int received;		/* an fd that the daemon sent for it, or -errno; INT_MIN: none */
	bool inside;		/* its thread is in an ioctl, or about to be refused */
	struct __kernel_timespec look;	/* when it looks whether the daemon is gone */
	uint64_t again;		/* nanoseconds until it rings again, or 0 if it need not */
};

/* The region of an earlier daemon. Replies and kept calls of the program point into it. */
struct old_region {
	struct old_region *next;
	void *region;
	uint64_t tag;
};

struct daemon_link {
	uint64_t id;		/* of no other link before or after */
	unsigned int forks;	/* how often processes had forked when it was opened */
	int socket;
	ino_t inode;		/* of the socket */
	int fds[IPCBUSD_MAX_FDS]; /* of the reply to HELLO; LINK_* keep their numbers */
	unsigned int number;	/* at the bell */
	uint8_t *area;
	size_t size;
	size_t units;		/* of the send area in it */
	struct ipcbusd_bell *bell;
	const struct ipcbusd_status *status;
	void *region;
	size_t region_size;
	pthread_mutex_t lock;	/* the rest, but each cell's thread has its part to itself */
	unsigned int cells;	/* no cell from this on was ever used */
	struct daemon_thread thread[IPCBUSD_CELLS];
	uint8_t taken[UNITS_MAX];	/* of the send area; under the lock */
	pthread_mutex_t poll_lock;	/* held while polls changes, here and in the daemon */
	unsigned int polls;
	uint32_t wakes;		/* counts daemon_wake() */
	uint32_t wait_word;	/* changes with it: see struct device_words */
	int64_t clock_ahead;	/* of the daemon's clock, in nanoseconds: 0 in its time namespace */
	bool gone;		/* the daemon is */
	/* Since daemon_reopen(). They change only while gone is set and no thread is inside. */
	uint64_t generation;	/* 0: the first daemon */
	uint64_t tag;		/* in numbers of this daemon: 0 for the first daemon, else 1 to
	             		 * 255 */
	uint32_t held[TAG_MAX + 1];	/* received buffers that are not released, by tag */
	uint64_t shift;		/* from offsets of this region to offsets of the first one */
	void *first_region;
	struct old_region *old_regions;
};

/* Counts forks in daemon_forks from now on. Returns 0 or -errno. */
int daemon_count_forks(void);

static inline struct ipcbusd_client *first_page(const struct daemon_link *link)
{
	return (void *)link->area;
}

static inline struct ipcbusd_cell *cell_at(const struct daemon_link *link, unsigned int number)
{
	return (void *)(link->area + IPCBUSD_FIRST_CELL + (size_t)number * IPCBUSD_CELL_SIZE);
}

/* A time of this process's clock, or 0, on the clock of the daemon. */
static inline uint64_t link_time_out(const struct daemon_link *link, uint64_t time)
{
	return time ? time - (uint64_t)link->clock_ahead : 0;
}

static inline uint64_t link_time_in(const struct daemon_link *link, uint64_t time)
{
	return time ? time + (uint64_t)link->clock_ahead : 0;
}

static inline bool has_ended(uint32_t tid)
{
	return syscall(SYS_tgkill, getpid(), tid, 0) < 0 && errno == ESRCH;
}

#endif /* IPC_DEVICE_LINK_H */
