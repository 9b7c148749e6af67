// SPDX-License-Identifier: MIT
/*
 * A connection to the daemon without libipc; see peer.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "messages.h"
#include "peer.h"

/* How often a client tries to wake a worker that is about to sleep: for a second. The first tries
 * only yield. A worker that has not slept until then belongs to a daemon that is stopped. */
#define MAX_WAKES 2000
#define YIELDS	  50

static int say_hello(struct peer *peer)
{
	struct ipcbusd_message message = { .kind = IPCBUSD_HELLO }, welcome;
	int r = receive_all(peer->socket, &welcome, peer->fds);

	if (r)
		return r;
	message.nonce = welcome.nonce;
	message.base = (uintptr_t)peer->area;
	message.size = peer->size;
	send_message(peer->socket, &message, -1);
	r = receive_all(peer->socket, &message, peer->fds);
	peer->number = message.number;
	return r;
}

static int map_region(struct peer *peer)
{
	struct ipcbusd_message message = { .kind = IPCBUSD_MAP, .size = PEER_REGION };
	void *region;
	int fds[4], r;

	send_message(peer->socket, &message, -1);
	r = receive_message(peer->socket, &message, fds);
	if (r)
		return r;
	peer->region_fd = fds[0];
	region = mmap(NULL, PEER_REGION, PROT_READ, MAP_SHARED, fds[0], 0);
	if (region == MAP_FAILED)
		return -errno;
	peer->region = region;
	return 0;
}

static int map_shared(struct peer *peer)
{
	void *bell, *status;

	if (mmap(peer->area, peer->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		 peer->fds[0], 0) == MAP_FAILED)
		return -errno;
	bell = mmap(NULL, sizeof(*peer->bell), PROT_READ | PROT_WRITE, MAP_SHARED, peer->fds[1],
		    0);
	if (bell == MAP_FAILED)
		return -errno;
	peer->bell = bell;
	status = mmap(NULL, sizeof(*peer->status), PROT_READ, MAP_SHARED, peer->fds[4], 0);
	if (status == MAP_FAILED)
		return -errno;
	peer->status = status;
	return 0;
}

static void peer_release(struct peer *peer)
{
	for (int i = 0; i < IPCBUSD_MAX_FDS; i++)
		if (peer->fds[i] >= 0)
			close(peer->fds[i]);
	if (peer->region_fd >= 0)
		close(peer->region_fd);
	if (peer->region)
		munmap((void *)peer->region, PEER_REGION);
	if (peer->bell)
		munmap(peer->bell, sizeof(*peer->bell));
	if (peer->status)
		munmap((void *)peer->status, sizeof(*peer->status));
	if (peer->area)
		munmap(peer->area, peer->size);
}

int peer_open(struct peer *peer, const char *path, size_t send_size)
{
	void *area;
	int r;

	*peer = (struct peer){
		.fds = { -1, -1, -1, -1, -1 },
		.region_fd = -1,
		.size = IPCBUSD_SEND_AREA + send_size,
	};
	peer->socket = bus_connect(path);
	if (peer->socket < 0)
		return -ENXIO;
	area = mmap(NULL, peer->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		    0);
	if (area == MAP_FAILED)
		return -errno;
	peer->area = area;
	r = say_hello(peer);
	if (!r)
		r = map_shared(peer);
	if (!r)
		r = map_region(peer);
	if (!r)
		return 0;
	peer_release(peer);
	*peer = (struct peer){ .socket = peer->socket };
	return r;
}

void peer_close(struct peer *peer)
{
	if (peer->socket >= 0)
		close(peer->socket);
	if (peer->area)
		peer_release(peer);
	*peer = (struct peer){ .socket = -1 };
}

bool peer_is_sealed(const struct peer *peer)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, peer->region_fd, 0) ==
		       MAP_FAILED &&
	       ftruncate(peer->region_fd, 0) && ftruncate(peer->fds[0], 0) &&
	       ftruncate(peer->fds[1], 0) && ftruncate(peer->fds[4], 0) &&
	       mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, peer->fds[4], 0) == MAP_FAILED;
}

struct ipcbusd_cell *peer_cell(const struct peer *peer, unsigned int number)
{
	return (void *)(peer->area + IPCBUSD_FIRST_CELL + number * IPCBUSD_CELL_SIZE);
}

void peer_ring(const struct peer *peer, unsigned int cell)
{
	struct ipcbusd_client *page = (void *)peer->area;

	__atomic_fetch_or(&page->submitted[cell / 64], 1ULL << cell % 64, __ATOMIC_SEQ_CST);
	__atomic_fetch_or(&page->summary, 1ULL << cell / 64, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&peer->bell->rings[peer->number], 1, __ATOMIC_SEQ_CST);
	/* The worker may be about to sleep. If the daemon is stopped, it never does. */
	for (int i = 0; i < MAX_WAKES && __atomic_load_n(&peer->status->asleep, __ATOMIC_SEQ_CST) &&
			syscall(SYS_futex, &peer->status->asleep, FUTEX_WAKE, 1, NULL, NULL, 0) < 1;
	     i++)
		if (i < YIELDS)
			sched_yield();
		else
			usleep(500);
}
