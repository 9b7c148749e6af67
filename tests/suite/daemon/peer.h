/* SPDX-License-Identifier: MIT */
/*
 * A connection to the daemon without libipc, for programs that use it in ways that no library does.
 */
#ifndef DAEMON_PEER_H
#define DAEMON_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipcbus-daemon.h"

#define PEER_REGION (1UL << 20)

/**
 * struct peer - a connection
 * @socket: to the daemon
 * @area: mapped; cells, then the send area
 * @size: of the area
 * @region: mapped for reading
 * @bell: of the user
 * @status: of the user
 * @number: index in the bell
 * @fds: area, bell, the two to poll, and status
 * @region_fd: of the region
 */
struct peer {
	int socket;
	uint8_t *area;
	size_t size;
	const uint8_t *region;
	struct ipcbusd_bell *bell;
	const struct ipcbusd_status *status;
	unsigned int number;
	int fds[IPCBUSD_MAX_FDS];
	int region_fd;
};

/*
 * Connects, sends HELLO, and maps a region of PEER_REGION bytes. send_size: of the send area.
 * Returns 0, -ENXIO if no daemon listens, or another -errno with which the daemon refused. After an
 * error only the socket is valid, or -1.
 */
int peer_open(struct peer *peer, const char *path, size_t send_size);
/* Closes everything that peer_open() opened. */
void peer_close(struct peer *peer);
/* Returns whether only the daemon can write or resize its memory. */
bool peer_is_sealed(const struct peer *peer);

struct ipcbusd_cell *peer_cell(const struct peer *peer, unsigned int number);
/* Tells the daemon to check the cell. */
void peer_ring(const struct peer *peer, unsigned int cell);

#endif
