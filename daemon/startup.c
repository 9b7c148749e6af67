// SPDX-License-Identifier: GPL-2.0-only
/*
 * State that the daemon inherits: the listening socket of systemd, limits, signals and /proc. Also
 * starts the command, with the original state.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client.h"
#include "closer.h"

/* PAGE_SIZE of the driver's sources (shim/kernel.h), which place memory that the kernel maps. */
#define PAGE 4096

/* The original limits; rlim_max is 0 if the limit was not raised. */
static struct rlimit files, file_size, address_space;

/* --- The socket ---------------------------------------------------------------------- */

/* Returns the number in an environment variable, or -1. */
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
		*ret_problem = "systemd passed more than one socket";
	else if (!listens_as_ours(first))
		*ret_problem = "systemd passed a wrong socket: use ListenSequentialPacket=";
	else if (fcntl(first, F_SETFD, FD_CLOEXEC) || fcntl(first, F_SETFL, O_NONBLOCK))
		*ret_problem = "cannot set flags of systemd's socket";
	return first;
}

/* --- Limits and /proc ----------------------------------------------------------------- */

void system_check(void)
{
	long page = sysconf(_SC_PAGESIZE);
	char self[16] = "";

	if (page != PAGE) {
		fprintf(stderr,
			"ipcbusd: pages of this kernel have %ld bytes; ipcbusd needs pages of %d bytes\n",
			page, PAGE);
		exit(1);
	}
	/* /proc may show another PID namespace. */
	if (readlink("/proc/self", self, sizeof(self) - 1) > 0 && atoi(self) == getpid())
		return;
	fputs("ipcbusd: /proc does not show this process, and is needed to identify clients\n"
	      "ipcbusd: mount it: mount -t proc proc /proc\n",
	      stderr);
	exit(1);
}

/* Raises the soft limit to the hard limit, but at most to @most. Returns the new soft limit. */
static unsigned long raise_limit(__rlimit_resource_t resource, rlim_t most,
				 struct rlimit *ret_before)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit))
		return RLIM_INFINITY;
	*ret_before = limit;
	limit.rlim_cur = limit.rlim_max < most ? limit.rlim_max : most;
	setrlimit(resource, &limit);
	return limit.rlim_cur;
}

unsigned long limits_raise(void)
{
	/* The memory of clients is in memfds. If a memfd exceeds the limit, the client gets
	 * EFBIG. */
	signal(SIGXFSZ, SIG_IGN);
	/* If the reader of standard error is gone, a message must not end the bus. */
	signal(SIGPIPE, SIG_IGN);
	if (raise_limit(RLIMIT_FSIZE, RLIM_INFINITY, &file_size) != RLIM_INFINITY)
		fputs("ipcbusd: RLIMIT_FSIZE (ulimit -f) limits the memory of connections, which is in files: "
		      "opening the bus fails with EFBIG if it is too small\n", stderr);
	if (raise_limit(RLIMIT_AS, RLIM_INFINITY, &address_space) != RLIM_INFINITY)
		fputs("ipcbusd: RLIMIT_AS (ulimit -v) limits the address space of the daemon: one user can "
		      "use all of it, and others then get ENOMEM; limit its memory with a cgroup instead\n",
		      stderr);
	return raise_limit(RLIMIT_NOFILE, CLOSER_MAX_FDS, &files);
}

/* --- The command ---------------------------------------------------------------------- */

/* The command starts with default signal handling, even if the daemon's parent ignores signals. */
int command_start(char **argv, const char *bus)
{
	sigset_t none;
	pid_t pid = fork();

	if (pid)
		return pid;
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (files.rlim_max)
		setrlimit(RLIMIT_NOFILE, &files);
	if (file_size.rlim_max)
		setrlimit(RLIMIT_FSIZE, &file_size);
	if (address_space.rlim_max)
		setrlimit(RLIMIT_AS, &address_space);
	setenv("IPCBUS_BUS", bus, 1);
	execvp(argv[0], argv);
	fprintf(stderr, "ipcbusd: cannot start %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}
