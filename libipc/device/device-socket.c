// SPDX-License-Identifier: MIT
/* The socket of ipcbusd: see device-socket.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/deadline.h"
#include "base/descriptor.h"
#include "device-daemon.h"
#include "device-socket.h"
#include "ipcbus-daemon.h"

/* How long a daemon may take to accept a connection, and to reply on its socket. */
#define CONNECT_SECONDS 30

union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(IPCBUSD_MAX_FDS * sizeof(int))];
};

/* The socket's own timeout expires with -EAGAIN. */
static int error_of_wait(void)
{
	return errno == EAGAIN ? -ETIMEDOUT : -errno;
}

int socket_send(int socket, struct ipcbusd_message *message, const int *fd)
{
	union control control = { 0 };
	struct iovec part = { message, sizeof(*message) };
	struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1 };

	message->magic = IPCBUSD_MAGIC;
	message->version = IPCBUSD_VERSION;
	if (fd) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), fd, sizeof(int));
	}
	while (sendmsg(socket, &msg, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return errno == EPIPE ? -ECONNRESET : error_of_wait();
	return 0;
}

/*
 * A connected socket has the address of the listening socket, and the credentials of the process
 * that created the listening socket.
 */
struct origin {
	struct sockaddr_un address;
	struct ucred maker;
};

static bool get_origin(int socket, struct origin *ret_origin)
{
	socklen_t size = sizeof(ret_origin->address), maker_size = sizeof(ret_origin->maker);
	socklen_t domain_size = sizeof(int);
	int domain = 0;

	memset(ret_origin, 0, sizeof(*ret_origin));
	return !getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &domain_size) &&
	       domain == AF_UNIX &&
	       !getpeername(socket, (struct sockaddr *)&ret_origin->address, &size) &&
	       !getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &ret_origin->maker, &maker_size);
}

bool socket_is_of_bus(int fd, int socket)
{
	struct origin origin, bus;

	return get_origin(fd, &origin) && get_origin(socket, &bus) &&
	       !memcmp(&origin, &bus, sizeof(bus));
}

/* Checks a message of n bytes. Returns its error, or 0. */
static int judge(const struct ipcbusd_message *message, ssize_t n, const struct msghdr *msg)
{
	if (!n)
		return -ECONNRESET;
	if (n != sizeof(*message) || message->magic != IPCBUSD_MAGIC ||
	    message->version != IPCBUSD_VERSION || message->error > 0)
		return -EPROTO;
	/* The kernel drops fds for which there is no number. */
	return msg->msg_flags & MSG_CTRUNC ? -EMFILE : message->error;
}

int socket_receive(int socket, struct ipcbusd_message *message, int fds[IPCBUSD_MAX_FDS])
{
	union control control;
	struct iovec part = { message, sizeof(*message) };
	struct msghdr msg = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header;
	ssize_t n;
	int r;

	for (int i = 0; i < IPCBUSD_MAX_FDS; i++)
		fds[i] = -1;
	while ((n = recvmsg(socket, &msg, MSG_CMSG_CLOEXEC)) < 0)
		if (errno != EINTR)
			return error_of_wait();
	header = CMSG_FIRSTHDR(&msg);
	if (header && header->cmsg_type == SCM_RIGHTS)
		memcpy(fds, CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
	r = judge(message, n, &msg);
	for (int i = 0; i < IPCBUSD_MAX_FDS; i++) {
		bool came = fds[i] >= 0;

		fds[i] = descriptor_move(fds[i]);
		if (came && fds[i] < 0 && r == 0)
			r = -errno;
	}
	for (int i = 0; r < 0 && i < IPCBUSD_MAX_FDS; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
	return r;
}

/* A signal handler may end connect() while the daemon's queue of connections is full. The kernel
 * then has not begun to connect. */
static int connect_until(int fd, const struct sockaddr_un *address, uint64_t deadline)
{
	while (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0) {
		if (errno == EINTR && time_now() < deadline)
			continue;
		/* A socket of another type. */
		if (errno == EPROTOTYPE)
			return -ENOTTY;
		return errno == EINTR ? -ETIMEDOUT : error_of_wait();
	}
	return 0;
}

int socket_connect(const char *path)
{
	static const struct timeval limit = { .tv_sec = CONNECT_SECONDS };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, r;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	fd = descriptor_move(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
	if (fd < 0)
		return -errno;
	r = setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0 ||
			    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ?
		    -errno :
		    connect_until(fd, &address, deadline_after(CONNECT_SECONDS * 1000000ULL));
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

int socket_administer(const char *path, struct ipcbusd_message *message, int fds[IPCBUSD_MAX_FDS])
{
	struct ipcbusd_message welcome;
	int socket = socket_connect(path), r;

	if (socket < 0)
		return socket;
	r = socket_receive(socket, &welcome, fds);
	if (r == 0) {
		message->nonce = welcome.nonce;
		r = socket_send(socket, message, NULL);
	}
	if (r == 0)
		r = socket_receive(socket, message, fds);
	close(socket);
	return r;
}

int daemon_open_state(const char *path, const char *name)
{
	struct ipcbusd_message message = { .kind = IPCBUSD_READ };
	int fds[IPCBUSD_MAX_FDS], r;

	if (strlen(name) > sizeof(message.name))
		return -ENOENT;
	memcpy(message.name, name, strlen(name));
	r = socket_administer(path, &message, fds);
	return r < 0 ? r : fds[0] < 0 ? -EPROTO : fds[0];
}
