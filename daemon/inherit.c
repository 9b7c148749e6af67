// SPDX-License-Identifier: GPL-2.0-only
/*
 * The socket that systemd listens at for us.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client.h"

/* A number of the environment, or -1. */
static long number_of(const char *name)
{
	const char *text = getenv(name);
	char *end;
	long number;

	if (!text || !*text)
		return -1;
	errno = 0;
	number = strtol(text, &end, 10);
	return errno || *end || number < 0 ? -1 : number;
}

static bool listens_as_ours(int fd)
{
	int type = 0, listens = 0;
	socklen_t type_size = sizeof(type), listens_size = sizeof(listens);
	struct sockaddr_un address = { 0 };
	socklen_t size = sizeof(address);

	return !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) && type == SOCK_SEQPACKET &&
	       !getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &listens_size) && listens &&
	       !getsockname(fd, (struct sockaddr *)&address, &size) &&
	       address.sun_family == AF_UNIX;
}

int socket_inherited(const char **ret_problem)
{
	static const int first = 3;
	long n = number_of("LISTEN_PID") == getpid() ? number_of("LISTEN_FDS") : -1;

	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (n <= 0)
		return -1;
	if (n > 1)
		*ret_problem = "more than one socket of systemd";
	else if (!listens_as_ours(first))
		*ret_problem = "the socket of systemd: ListenSequentialPacket= makes one";
	else if (fcntl(first, F_SETFD, FD_CLOEXEC) || fcntl(first, F_SETFL, O_NONBLOCK))
		*ret_problem = "the socket of systemd";
	return first;
}
