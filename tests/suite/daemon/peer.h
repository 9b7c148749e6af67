/* SPDX-License-Identifier: MIT */
/*
 * A connection to the daemon by hand, without libipc: for programs that do with it what no
 * library does.
 */
#ifndef DAEMON_PEER_H
#define DAEMON_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipcbus-daemon.h"

#define PEER_REGION (1UL << 20)

/**
 * struct peer - one connection
 * @socket: to the daemon
 * @area: mapped; slots, then the send area
 * @size: of the area
 * @region: mapped for reading
 * @bell: of the user
 * @number: at the bell
 * @fds: area, bell, and the two to poll
 * @region_fd: the region's
 */
struct peer {
	int socket;
	uint8_t *area;
	size_t size;
	const uint8_t *region;
	struct ipcbusd_bell *bell;
	unsigned int number;
	int fds[4];
	int region_fd;
};

/* Connects, says HELLO, and maps a region of PEER_REGION bytes. send_size: of the send area. 0;
 * -ENXIO: nobody listens; or another -errno, with which the daemon refused. After an error the
 * socket, or -1, is all that there is. */
int peer_open(struct peer *peer, const char *path, size_t send_size);
/* Ends all that peer_open() made. */
void peer_close(struct peer *peer);
/* Whether nobody but the daemon can write or resize its memory. */
bool peer_is_sealed(const struct peer *peer);

struct ipcbusd_slot *peer_slot(const struct peer *peer, unsigned int number);
/* The daemon is to look at the slot. */
void peer_ring(const struct peer *peer, unsigned int slot);

#endif
