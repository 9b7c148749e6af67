// SPDX-License-Identifier: MIT
/*
 * Connects to the socket of a bus and reads the first message of the daemon: see daemon.h. That
 * makes no connection to the bus yet.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon.h"
#include "ipcbus-daemon.h"

static int connect_to(int fd, const char *path, int timeout_ms)
{
	struct timeval limit = { timeout_ms / 1000, timeout_ms % 1000 * 1000 };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int n = snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	int r;

	if (n < 0 || (size_t)n >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)
		return -errno;
	/* A full queue of connections that stays full ends the wait with EAGAIN. */
	while ((r = connect(fd, (struct sockaddr *)&address, sizeof(address))) < 0 &&
	       errno == EINTR)
		;
	return r == 0 ? 0 : errno == EAGAIN ? -ETIMEDOUT : -errno;
}

static int read_welcome(int fd, int timeout_ms, uint32_t *ret_version)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	struct ipcbusd_message message;
	ssize_t n;
	int r;

	do
		r = poll(&readable, 1, timeout_ms);
	while (r < 0 && errno == EINTR);
	if (r <= 0)
		return r < 0 ? -errno : -ETIMEDOUT;
	n = recv(fd, &message, sizeof(message), MSG_TRUNC | MSG_DONTWAIT);
	if (n < 0)
		return -errno;
	if (n != sizeof(message) || message.magic != IPCBUSD_MAGIC)
		return -EPROTO;
	*ret_version = message.version;
	if (message.version != IPCBUSD_VERSION)
		return 0;
	return message.kind == IPCBUSD_WELCOME ? message.error : -EPROTO;
}

void daemon_ask(const char *path, int timeout_ms, struct daemon_peer *peer)
{
	struct ucred ucred = { 0 };
	socklen_t size = sizeof(ucred);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	*peer = (struct daemon_peer){ 0 };
	peer->connect_error = fd < 0 ? -errno : connect_to(fd, path, timeout_ms);
	if (!peer->connect_error && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &ucred, &size) < 0)
		peer->connect_error = -errno;
	if (!peer->connect_error) {
		peer->pid = ucred.pid;
		peer->uid = ucred.uid;
		peer->welcome_error = read_welcome(fd, timeout_ms, &peer->version);
	}
	if (fd >= 0)
		close(fd);
}
