/* SPDX-License-Identifier: MIT */
/*
 * Who listens at the socket of a bus.
 */
#ifndef IPCCTL_DAEMON_H
#define IPCCTL_DAEMON_H

#include <stdint.h>
#include <sys/types.h>

/**
 * struct daemon_peer - the daemon behind a socket
 * @connect_error: 0, or -errno of connect(), -ETIMEDOUT if the queue of new connections stays
 *	full; what follows is then 0
 * @pid: who began to listen: the daemon, or systemd, which started it
 * @uid: likewise
 * @welcome_error: 0; -ETIMEDOUT: it does not reply; -EPROTO: it is no ipcbusd; or why it
 *	refuses this client
 * @version: of the protocol that it speaks; 0: unknown
 */
struct daemon_peer {
	int connect_error;
	pid_t pid;
	uid_t uid;
	int welcome_error;
	uint32_t version;
};

/* Connects, and waits for at most timeout_ms for that, and then for the reply. */
void daemon_ask(const char *path, int timeout_ms, struct daemon_peer *peer);

#endif
