// SPDX-License-Identifier: MIT
/*
 * Opens and closes links to ipcbusd, and reconnects them to another daemon: see device-daemon.h.
 *
 * A link that continues keeps its fds and the addresses of its area, its bell and its status. So
 * a thread that uses them at that moment, as daemon_wake() does in a signal handler, never finds
 * them missing.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/deadline.h"
#include "device-daemon.h"
#include "device-link.h"
#include "device-socket.h"
#include "device.h"

/* --- Memory ------------------------------------------------------------------------ */

/*
 * Maps size bytes of a file, or anonymous memory if fd is -1, at an address, in place of an earlier
 * mapping of this size, or anywhere. A concurrent access of another thread reaches either mapping.
 * Returns NULL with errno. After mlockall(MCL_FUTURE) the kernel locks each new mapping and
 * allocates all pages, or refuses the mapping. So a single page is mapped and unlocked, and then
 * grows: a mapping that grows stays unlocked.
 */
static void *map(int fd, void *at, size_t size, int prot)
{
	int flags = (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED) | MAP_NORESERVE;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *first = mmap(NULL, page, prot, flags, fd, 0), *memory;

	if (first == MAP_FAILED)
		return NULL;
	munlock(first, page);
	/* A forked child must not use it. */
	madvise(first, page, MADV_DONTFORK);
	madvise(first, page, MADV_DONTDUMP);
	memory = mremap(first, page, size, MREMAP_MAYMOVE | (at ? MREMAP_FIXED : 0), at);
	if (memory == MAP_FAILED) {
		munmap(first, page);
		return NULL;
	}
	/* This changes nothing for the kernel. Without it, valgrind reports each access beyond the
	 * first page. */
	mprotect(memory, size, prot);
	return memory;
}

/* Computes how far the clock of this process is ahead of the daemon's, which the daemon read after
 * sent and before now. If both may be equal, they are. Otherwise deadlines may be early by the time
 * of the reply. */
static void note_clock(struct daemon_link *link, uint64_t clock, uint64_t sent)
{
	uint64_t now = time_now();

	link->clock_ahead = clock && (clock < sent || clock > now) ? (int64_t)(now - clock) : 0;
}

/* Maps a file of the link and closes it, because a child would inherit it: the daemon takes the
 * mapping of the area as proof that this address space exists. Returns NULL with errno. */
static void *map_file(struct daemon_link *link, int which, const void *at, size_t size, int prot)
{
	void *memory = map(link->fds[which], (void *)(uintptr_t)at, size, prot);

	if (!memory)
		return NULL;
	close(link->fds[which]);
	link->fds[which] = -1;
	return memory;
}

/* old: the link to an earlier daemon, in whose place the memory is mapped; or NULL */
static int say_hello(struct daemon_link *link, const struct daemon_link *old)
{
	const int prot = PROT_READ | PROT_WRITE;
	uint8_t *area = old ? old->area : link->area;
	uint64_t sent = time_now();
	struct ipcbusd_message message, welcome;
	const struct ipcbusd_status *status;
	struct ipcbusd_bell *bell;
	int r;

	r = socket_receive(link->socket, &welcome, link->fds);
	if (r < 0)
		return r;
	message = (struct ipcbusd_message){
		.kind = IPCBUSD_HELLO,
		.nonce = welcome.nonce,
		.base = (uintptr_t)area,
		.size = link->size,
	};
	r = socket_send(link->socket, &message, NULL);
	if (r == 0)
		r = socket_receive(link->socket, &message, link->fds);
	if (r < 0)
		return r;
	link->number = message.number;
	note_clock(link, message.size, sent);
	/* First, because the daemon seals the area when a thread first rings. */
	if (!map_file(link, LINK_AREA, area, link->size, prot))
		return -errno;
	status = map_file(link, LINK_STATUS, old ? old->status : NULL, sizeof(*status), PROT_READ);
	if (!old)
		link->status = status;
	if (!status)
		return -errno;
	bell = map_file(link, LINK_BELL, old ? old->bell : NULL, sizeof(*bell), prot);
	if (!old)
		link->bell = bell;
	return bell ? 0 : -errno;
}

/* Reserves the address of the area, which the daemon must know. Takes at most 1/64 of a limited
 * address space. */
static int reserve_area(struct daemon_link *link, const struct daemon_link *old)
{
	size_t size = AREA_MAX;
	struct rlimit limit;

	if (old) {
		link->size = old->size;
		link->units = old->units;
		return 0;
	}
	if (getrlimit(RLIMIT_AS, &limit) == 0)
		while (size > AREA_MIN && size > limit.rlim_cur / 64)
			size /= 2;
	for (;; size /= 2) {
		link->size = IPCBUSD_SEND_AREA + size;
		link->units = size / UNIT;
		link->area = map(-1, NULL, link->size, PROT_NONE);
		if (link->area || size <= AREA_MIN)
			return link->area ? 0 : -errno;
	}
}

/* old: as of say_hello() */
static int open_link(const char *path, const struct daemon_link *old, struct daemon_link **ret_link)
{
	static uint64_t last_id;
	struct daemon_link *link;
	struct stat status;
	int r;

	r = daemon_count_forks();
	if (r < 0)
		return r;
	link = calloc(1, sizeof(*link));
	if (!link)
		return -ENOMEM;
	link->forks = daemon_forks;
	for (int i = 0; i < IPCBUSD_MAX_FDS; i++)
		link->fds[i] = -1;
	link->id = __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED);
	pthread_mutex_init(&link->lock, NULL);
	pthread_mutex_init(&link->poll_lock, NULL);
	link->socket = socket_connect(path);
	if (link->socket < 0) {
		r = link->socket;
		free(link);
		return r;
	}
	if (fstat(link->socket, &status) == 0)
		link->inode = status.st_ino;
	r = reserve_area(link, old);
	if (r == 0)
		r = say_hello(link, old);
	if (r < 0) {
		daemon_close(link, /* mapped= */ true);
		return r;
	}
	*ret_link = link;
	return 0;
}

int daemon_open(const char *path, struct daemon_link **ret_link)
{
	return open_link(path, /* old= */ NULL, ret_link);
}

int daemon_map(struct daemon_link *link, size_t size, const void **ret_region)
{
	struct ipcbusd_message message = { .kind = IPCBUSD_MAP, .size = size };
	int fds[IPCBUSD_MAX_FDS], r;

	r = socket_send(link->socket, &message, NULL);
	if (r < 0)
		return r;
	r = socket_receive(link->socket, &message, fds);
	if (r < 0)
		return r;
	link->region = map(fds[0], NULL, size, PROT_READ);
	r = -errno;
	close(fds[0]);
	if (!link->region)
		return r;
	link->region_size = size;
	link->first_region = link->region;
	*ret_region = link->region;
	return 0;
}

/* --- Another daemon ------------------------------------------------------------------ */

#define INSIDE_MSEC	3000

static bool is_inside(const struct daemon_link *link)
{
	for (unsigned int i = 0; i < IPCBUSD_CELLS; i++)
		if (__atomic_load_n(&link->thread[i].inside, __ATOMIC_SEQ_CST) &&
		    !has_ended(link->thread[i].tid))
			return true;
	return false;
}

/* Waits until no thread is inside. Such threads check every second if the daemon is gone. Returns
 * 0, or -EBUSY. */
static int wait_outside(const struct daemon_link *link)
{
	const struct timespec msec = { .tv_nsec = 1000000 };

	for (int i = 0; is_inside(link); i++) {
		if (i == INSIDE_MSEC)
			return -EBUSY;
		nanosleep(&msec, NULL);
	}
	return 0;
}

/* Moves the file to the fd number to, which may be in use. */
static int replace_fd(int *from, int to)
{
	while (dup3(*from, to, O_CLOEXEC) < 0)
		if (errno != EBUSY && errno != EINTR)
			return -errno;
	close(*from);
	*from = -1;
	return 0;
}

static void take_cells(struct daemon_link *link)
{
	pthread_mutex_lock(&link->lock);
	for (unsigned int i = 0; i < link->cells; i++) {
		link->thread[i].inside = false;
		link->thread[i].received = INT_MIN;
		cell_at(link, i)->tid = link->thread[i].tid;
	}
	pthread_mutex_unlock(&link->lock);
}

static void unmap_unused(struct daemon_link *link)
{
	struct old_region **next = &link->old_regions, *old;

	pthread_mutex_lock(&link->lock);
	while ((old = *next)) {
		if (__atomic_load_n(&link->held[old->tag], __ATOMIC_SEQ_CST)) {
			next = &old->next;
			continue;
		}
		*next = old->next;
		munmap(old->region, link->region_size);
		free(old);
	}
	pthread_mutex_unlock(&link->lock);
}

/* A thread that releases the last buffer, and take_over() on another thread: each first changes
 * held or the tag, and then reads the other. So at least one of them unmaps the region. */
void daemon_released(struct daemon_link *link, uint64_t buffer)
{
	uint64_t tag = buffer >> BUFFER_TAG_SHIFT & TAG_MAX;

	/* A forked child has no region. */
	if (link->forks != daemon_forks)
		return;
	if (!__atomic_sub_fetch(&link->held[tag], 1, __ATOMIC_SEQ_CST) &&
	    __atomic_load_n(&link->tag, __ATOMIC_SEQ_CST) != tag)
		unmap_unused(link);
}

bool daemon_is_old(struct daemon_link *link, const void *at)
{
	struct old_region *old;

	pthread_mutex_lock(&link->lock);
	for (old = link->old_regions; old; old = old->next)
		if ((uintptr_t)at - (uintptr_t)old->region < link->region_size)
			break;
	pthread_mutex_unlock(&link->lock);
	return old;
}

/* Moves the resources of the new link to link. Its area and bell are already in place. */
static int take_over(struct daemon_link *link, struct daemon_link *new, struct old_region *old)
{
	int r;

	r = replace_fd(&new->fds[LINK_EVENTS], link->fds[LINK_EVENTS]);
	if (r == 0)
		r = replace_fd(&new->fds[LINK_WRITABLE], link->fds[LINK_WRITABLE]);
	if (r == 0)
		r = replace_fd(&new->socket, link->socket);
	if (r < 0)
		return r;
	link->inode = new->inode;
	link->number = new->number;
	link->clock_ahead = new->clock_ahead;
	take_cells(link);
	*old = (struct old_region){
		.next = link->old_regions, .region = link->region, .tag = link->tag,
	};
	pthread_mutex_lock(&link->lock);
	link->old_regions = old;
	pthread_mutex_unlock(&link->lock);
	link->region = new->region;
	new->region = NULL;
	link->shift = (uintptr_t)link->region - (uintptr_t)link->first_region;
	__atomic_store_n(&link->tag, link->tag % TAG_MAX + 1, __ATOMIC_SEQ_CST);
	link->polls = 0;
	unmap_unused(link);
	return 0;
}

int daemon_reopen(struct daemon_link *link, const char *path)
{
	struct old_region *old;
	struct daemon_link *new;
	const void *region;
	int r;

	r = wait_outside(link);
	if (r < 0)
		return r;
	old = malloc(sizeof(*old));
	if (!old)
		return -ENOMEM;
	r = open_link(path, link, &new);
	if (r < 0) {
		free(old);
		return r;
	}
	r = daemon_map(new, link->region_size, &region);
	if (r == 0)
		r = take_over(link, new, old);
	if (r < 0) {
		free(old);
		daemon_close(new, /* mapped= */ true);
		return r;
	}
	pthread_mutex_destroy(&new->lock);
	pthread_mutex_destroy(&new->poll_lock);
	free(new);
	return 0;
}

/* Says goodbye, and waits until the daemon has released the connection, as after close() of a
 * device. */
static void say_bye(struct daemon_link *link)
{
	struct ipcbusd_message message = { .kind = IPCBUSD_BYE };
	int fds[IPCBUSD_MAX_FDS], r;

	if (socket_send(link->socket, &message, NULL) < 0)
		return;
	do {
		r = socket_receive(link->socket, &message, fds);
		for (int i = 0; i < IPCBUSD_MAX_FDS; i++)
			if (fds[i] >= 0)
				close(fds[i]);
	} while (r == 0 || r == -EMFILE);
}

void daemon_close(struct daemon_link *link, bool mapped)
{
	if (link->forks == daemon_forks)
		say_bye(link);
	if (mapped && link->region)
		munmap(link->region, link->region_size);
	while (link->old_regions) {
		struct old_region *old = link->old_regions;

		link->old_regions = old->next;
		if (mapped)
			munmap(old->region, link->region_size);
		free(old);
	}
	if (mapped && link->area)
		munmap(link->area, link->size);
	if (mapped && link->bell)
		munmap(link->bell, sizeof(*link->bell));
	if (mapped && link->status)
		munmap((void *)(uintptr_t)link->status, sizeof(*link->status));
	for (int i = 0; i < IPCBUSD_MAX_FDS; i++)
		if (link->fds[i] >= 0)
			close(link->fds[i]);
	if (link->socket >= 0)
		close(link->socket);
	pthread_mutex_destroy(&link->lock);
	pthread_mutex_destroy(&link->poll_lock);
	free(link);
}
