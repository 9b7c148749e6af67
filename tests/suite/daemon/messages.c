// SPDX-License-Identifier: MIT
/*
 * Messages on the daemon's socket, without libipc; see messages.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "messages.h"

int send_message(int fd, struct ipcbusd_message *message, int pass)
{
	char space[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec part = { message, sizeof(*message) };
	struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1 };
	struct cmsghdr *header;

	message->magic = IPCBUSD_MAGIC;
	message->version = IPCBUSD_VERSION;
	if (pass >= 0) {
		msg.msg_control = space;
		msg.msg_controllen = sizeof(space);
		header = CMSG_FIRSTHDR(&msg);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &pass, sizeof(pass));
	}
	return sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

int receive_message(int fd, struct ipcbusd_message *message, int fds[4])
{
	int all[IPCBUSD_MAX_FDS], r = receive_all(fd, message, all);

	memcpy(fds, all, 4 * sizeof(int));
	if (all[4] >= 0)
		close(all[4]);
	return r;
}

int receive_all(int fd, struct ipcbusd_message *message, int fds[IPCBUSD_MAX_FDS])
{
	char space[CMSG_SPACE(IPCBUSD_MAX_FDS * sizeof(int))];
	struct iovec part = { message, sizeof(*message) };
	struct msghdr msg = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = space,
		.msg_controllen = sizeof(space),
	};
	struct cmsghdr *header;

	for (int i = 0; i < IPCBUSD_MAX_FDS; i++)
		fds[i] = -1;
	if (recvmsg(fd, &msg, MSG_CMSG_CLOEXEC) != sizeof(*message))
		return -EPROTO;
	header = CMSG_FIRSTHDR(&msg);
	if (header)
		memcpy(fds, CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
	return message->error;
}

int bus_connect(const char *path)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd >= 0 && bus_connect_by(fd, path) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

int bus_connect_by(int fd, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return connect(fd, (struct sockaddr *)&address, sizeof(address));
}
