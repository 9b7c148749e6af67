// SPDX-License-Identifier: MIT
/*
 * The limit of clients' connections: see net.h. The core of gRPC 1.51 accepts every connection. If
 * accept4() fails once because the process has no files left, the core never listens at that
 * address again. The core calls accept4() of the C library, so the function with that name here
 * replaces it. It closes connections beyond the limit, and hides temporary errors.
 *
 * The kernel gives each file the lowest free number. So the limit applies to the number of the
 * file, and the core need not report when it closes a connection.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"
#include "net-private.h"

/* Connections have numbers below this. Constant while connections are accepted. */
static int files_max = INT_MAX;

/* A spare file, which is closed if the process has no files left. */
static pthread_mutex_t reserve_lock = PTHREAD_MUTEX_INITIALIZER;
static int reserve = -1;

int net_limit_connections(unsigned int max)
{
	struct rlimit files;

	reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (reserve < 0)
		return -errno;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
		if (max > files.rlim_cur / 2)
			max = (unsigned int)(files.rlim_cur / 2);
	}
	files_max = reserve + 1 + (int)max;
	return 0;
}

static void refuse(int fd, const char *why)
{
	close(fd);
	log_line("refused a connection: %s", why);
}

/* Closes a waiting connection while the process has no files left. Otherwise the core would not be
 * notified of the next connection. If no connection waits, returns false. */
static bool refuse_waiting(int listener)
{
	int fd;

	pthread_mutex_lock(&reserve_lock);
	if (reserve >= 0)
		close(reserve);
	fd = (int)syscall(SYS_accept4, listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		refuse(fd, "the gateway has its maximum number of open files");
	reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
	pthread_mutex_unlock(&reserve_lock);
	return fd >= 0;
}

/* Called by the core and by net-vsock.c. */
int accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
	const socklen_t space = size ? *size : 0;
	int new;

	for (;;) {
		if (size)
			*size = space;
		new = (int)syscall(SYS_accept4, fd, address, size, flags);
		if (new >= 0 && new < files_max)
			return new;
		if (new >= 0) {
			refuse(new, "too many connections are open");
			continue;
		}
		switch (errno) {
		case EAGAIN:
		case EBADF:
		case EINVAL:
		case ENOTSOCK:
		case EFAULT:
			return -1;
		case EMFILE:
		case ENFILE:
			if (refuse_waiting(fd))
				break;
			/* fall through */
		case ENOBUFS:
		case ENOMEM:
			errno = EAGAIN;
			return -1;
		default:
			/* The connection ended in the meantime. */
			break;
		}
	}
}
