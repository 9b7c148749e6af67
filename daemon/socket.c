// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages of the set-up socket, with fds.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipcbus-daemon.h"
#include "socket.h"

union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(IPCBUSD_MAX_FDS * sizeof(int))];
};

int socket_send(int socket, struct ipcbusd_message *message, const int *fds, size_t n_fds)
{
	union control control = { 0 };
	struct iovec part = { message, sizeof(*message) };
	struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1 };

	message->magic = IPCBUSD_MAGIC;
	message->version = IPCBUSD_VERSION;
	/* The client would mistake EMFILE for its own limit. */
	if (message->error == -EMFILE)
		message->error = -ENFILE;
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

/* --- Receiving ---------------------------------------------------------------------- */

/*
 * If recvmsg() has no space or no descriptor for a file, the kernel closes the file, and that close
 * may block. So socket_receive() peeks at a message first. Then the process holds the installed
 * file while the queue still holds all files of the message. If the message has only that file,
 * taking the message without it closes nothing. Otherwise the connection ends.
 */

/* Credentials, then at most one file. */
union received {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(struct ucred)) + CMSG_LEN(sizeof(int))];
};

/**
 * struct look - result of peeking at a message
 * @size: bytes of data, or -1 with errno set
 * @is_message: the message has credentials, as every message has; false at the end of the queue
 * @pid: process that sent it
 * @fd: the first of its files, or -1
 * @has_more: it has files that were not installed
 */
struct look {
	ssize_t size;
	bool is_message;
	int pid;
	int fd;
	bool has_more;
};

/* Peeks at the next message. Installs files only if control_size includes space for them. */
static struct look look_at(int socket, void *data, size_t size, size_t control_size)
{
	union received control;
	struct iovec part = { data, size };
	struct msghdr msg = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = control_size,
	};
	struct look look = { .fd = -1 };
	struct ucred ucred;

	look.size = recvmsg(socket, &msg, MSG_PEEK | MSG_TRUNC | MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (look.size < 0)
		return look;
	look.has_more = msg.msg_flags & MSG_CTRUNC;
	for (struct cmsghdr *header = CMSG_FIRSTHDR(&msg); header;
	     header = CMSG_NXTHDR(&msg, header)) {
		if (header->cmsg_level != SOL_SOCKET)
			continue;
		if (header->cmsg_type == SCM_CREDENTIALS) {
			memcpy(&ucred, CMSG_DATA(header), sizeof(ucred));
			look.is_message = true;
			look.pid = ucred.pid;
		} else if (header->cmsg_type == SCM_RIGHTS) {
			memcpy(&look.fd, CMSG_DATA(header), sizeof(look.fd));
		}
	}
	return look;
}

/* Removes the next message from the queue. The kernel closes its files, which may block. */
static void take(int socket)
{
	(void)!recv(socket, NULL, 0, MSG_DONTWAIT);
}

int socket_receive(int socket, struct ipcbusd_message *message, int *ret_fd, int *ret_pid)
{
	struct look look =
		look_at(socket, message, sizeof(*message), sizeof(((union received *)0)->space));

	*ret_fd = look.fd;
	*ret_pid = look.pid;
	if (look.size < 0)
		return errno == EAGAIN || errno == EINTR ? -EAGAIN : 0;
	if (!look.is_message)
		return 0;
	if (look.has_more || look.size != sizeof(*message))
		return -EBADMSG;
	take(socket);
	return message->magic == IPCBUSD_MAGIC && message->version == IPCBUSD_VERSION ? 1 :
											 -EBADMSG;
}

bool socket_drain(int socket, bool with_files)
{
	struct look look;
	char byte;

	for (;;) {
		look = look_at(socket, &byte, sizeof(byte), CMSG_SPACE(sizeof(struct ucred)));
		if (look.size < 0 || !look.is_message)
			return true;
		if (look.has_more && !with_files)
			return false;
		take(socket);
	}
}

/* --- Options ------------------------------------------------------------------------ */

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

void socket_refuse_files(int listener)
{
	static const int off;

	setsockopt(listener, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off));
}

void socket_ask_for_senders(int socket)
{
	static const int on = 1;

	setsockopt(socket, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
}

void socket_accept_files(int socket)
{
	static const int on = 1;

	setsockopt(socket, SOL_SOCKET, SO_PASSRIGHTS, &on, sizeof(on));
}
