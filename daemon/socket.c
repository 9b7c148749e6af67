// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages of the set-up socket, with fds.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "account.h"
#include "ipcbus-daemon.h"
#include "socket.h"

/* As many as the kernel lets anybody send: what does not fit it would close by itself, here. */
#define MAX_FDS 253

union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(MAX_FDS * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
};

int socket_send(int socket, struct ipcbusd_message *message, const int *fds, size_t n_fds)
{
	union control control = { 0 };
	struct iovec part = { message, sizeof(*message) };
	struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1 };

	message->magic = IPCBUSD_MAGIC;
	message->version = IPCBUSD_VERSION;
	if (n_fds) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, n_fds * sizeof(int));
	}
	if (sendmsg(socket, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return -errno;
	return 0;
}

/* All fds that came are the receiver's: the first one is used, others are closed. Returns how many
 * came. */
static int take_fds(struct msghdr *msg, struct account *account, int *ret_fd)
{
	int n_fds = 0;

	for (struct cmsghdr *header = CMSG_FIRSTHDR(msg); header;
	     header = CMSG_NXTHDR(msg, header)) {
		size_t n = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(fd));
			account_take_file(account);
			if (!n_fds++)
				*ret_fd = fd;
			else
				close_later(fd, account);
		}
	}
	return n_fds;
}

/* Whose message it is, if the socket asks for that. */
static int sender_of(struct msghdr *msg)
{
	struct ucred ucred = { 0 };

	for (struct cmsghdr *header = CMSG_FIRSTHDR(msg); header;
	     header = CMSG_NXTHDR(msg, header))
		if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_CREDENTIALS)
			memcpy(&ucred, CMSG_DATA(header), sizeof(ucred));
	return ucred.pid;
}

int socket_receive(int socket, struct account *account, struct ipcbusd_message *message,
		   int *ret_fd, int *ret_pid)
{
	union control control;
	struct iovec part = { message, sizeof(*message) };
	struct msghdr msg = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	int n_fds;
	ssize_t n;

	*ret_fd = -1;
	n = recvmsg(socket, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? -EAGAIN : 0;
	*ret_pid = sender_of(&msg);
	n_fds = take_fds(&msg, account, ret_fd);
	if (n_fds > 1 || (n && n != sizeof(*message)) || msg.msg_flags & MSG_TRUNC)
		return -EBADMSG;
	if (!n)
		return 0;
	return message->magic == IPCBUSD_MAGIC && message->version == IPCBUSD_VERSION ? 1 :
											 -EBADMSG;
}

/* Each message comes with its sender's credentials, so what comes without is the end. */
void socket_drain(int socket, struct account *account)
{
	static const int on = 1;
	char byte;

	setsockopt(socket, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
	for (;;) {
		union control control;
		struct iovec part = { &byte, sizeof(byte) };
		struct msghdr msg = {
			.msg_iov = &part,
			.msg_iovlen = 1,
			.msg_control = &control,
			.msg_controllen = sizeof(control),
		};
		int fd = -1;

		if (recvmsg(socket, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) < 0 ||
		    !msg.msg_controllen)
			return;
		take_fds(&msg, account, &fd);
		if (fd >= 0)
			close_later(fd, account);
	}
}
