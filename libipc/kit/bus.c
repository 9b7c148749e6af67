// SPDX-License-Identifier: MIT
/*
 * A private bus for a test: see <ipc/test.h>. The daemon watches a pidfd of this process (--until),
 * so it ends with it, and writes its path to a pipe (--print-path) once it listens.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <ipc/ipc.h>
#include <ipc/test.h>

#include "base/descriptor.h"
#include "device/device-socket.h"
#include "ipcbus-daemon.h"

#define KNOWN_FLAGS	(IPC_TEST_NO_MANAGER | IPC_TEST_MANUAL_CLOCK)
#define READY_MSEC	30000
#define PATH_SIZE	128	/* more than an address of a socket has */
#define CALLS_MAX	64	/* of a queue that the driver lists */

extern char **environ;

/**
 * struct ipc_test_bus - see <ipc/test.h>
 * @owner: the process that made it
 * @pid: of the daemon; 0: it was not started
 * @pidfd: the same
 * @flags: IPC_TEST_*
 * @path: of its socket, in a folder of its own
 */
struct ipc_test_bus {
	pid_t owner;
	pid_t pid;
	int pidfd;
	unsigned int flags;
	char path[PATH_SIZE];
};

/* --- Programs --------------------------------------------------------------------- */

/* An empty folder is the current folder. */
static bool is_in(const char *folder, size_t size, const char *name, char ret_path[PATH_MAX])
{
	int n;

	if (!size) {
		folder = ".";
		size = 1;
	}
	n = snprintf(ret_path, PATH_MAX, "%.*s/%s", (int)size, folder, name);
	return n > 0 && n < PATH_MAX && access(ret_path, X_OK) == 0;
}

static bool is_in_path(const char *name, char ret_path[PATH_MAX])
{
	const char *at = getenv("PATH"), *end;

	for (; at; at = *end ? end + 1 : NULL) {
		end = at + strcspn(at, ":");
		if (end - at < PATH_MAX && is_in(at, (size_t)(end - at), name, ret_path))
			return true;
	}
	return false;
}

/* Finds a program: the given path if it is not NULL, else the first in $PATH, else the one of this
 * installation. Fails with -ENOENT or -ENAMETOOLONG. */
static int program_find(const char *name, const char *given, char ret_path[PATH_MAX])
{
	size_t size = given ? strlen(given) : 0;

	if (!given)
		return is_in_path(name, ret_path) ||
				       is_in(INSTALLED_PROGRAMS, strlen(INSTALLED_PROGRAMS), name,
					     ret_path) ?
			       0 :
			       -ENOENT;
	if (size >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(ret_path, given, size + 1);
	return access(given, X_OK) == 0 ? 0 : -ENOENT;
}

/* --- The command line -------------------------------------------------------------- */

/* What the daemon is called with. */
struct command {
	const char **argument;
	size_t n;
	size_t space;
	char until[32];
	char print[32];
	char daemon[PATH_MAX];
	char manager[PATH_MAX];
};

static size_t count(const char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

static void add(struct command *command, const char *argument)
{
	command->argument[command->n++] = argument;
}

static void add_manager(struct command *command, const struct ipc_test_options *options)
{
	add(command, "--");
	add(command, command->manager);
	for (size_t i = 0; i < count(options->manager_arguments); i++)
		add(command, options->manager_arguments[i]);
}

static int command_make(struct command *command, const struct ipc_test_options *options, int until,
			int print)
{
	int r = program_find("ipcbusd", options->ipcbusd, command->daemon);

	if (r == 0 && !(options->flags & IPC_TEST_NO_MANAGER))
		r = program_find("servicemanager", options->servicemanager, command->manager);
	if (r < 0)
		return r;
	command->argument = calloc(8 + 2 * count(options->parameters) +
					   count(options->manager_arguments),
				   sizeof(*command->argument));
	if (!command->argument)
		return -ENOMEM;
	snprintf(command->until, sizeof(command->until), "--until=%d", until);
	snprintf(command->print, sizeof(command->print), "--print-path=%d", print);
	add(command, command->daemon);
	add(command, command->until);
	add(command, command->print);
	if (options->flags & IPC_TEST_MANUAL_CLOCK)
		add(command, "--clock=manual");
	for (size_t i = 0; i < count(options->parameters); i++) {
		add(command, "--set");
		add(command, options->parameters[i]);
	}
	if (!(options->flags & IPC_TEST_NO_MANAGER))
		add_manager(command, options);
	return 0;
}

/* --- The process ------------------------------------------------------------------- */

/* With the two fds, no signal blocked or ignored, and no process group of the test's. */
static int spawn(struct command *command, int until, int print, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int r;

	r = posix_spawn_file_actions_init(&actions);
	if (r)
		return -r;
	r = posix_spawnattr_init(&attributes);
	if (r) {
		posix_spawn_file_actions_destroy(&actions);
		return -r;
	}
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP |
						      POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	/* To itself: it stays open. */
	r = posix_spawn_file_actions_adddup2(&actions, until, until);
	if (!r)
		r = posix_spawn_file_actions_adddup2(&actions, print, print);
	if (!r)
		r = posix_spawn(ret_pid, command->daemon, &actions, &attributes,
				(char *const *)(const void *)command->argument, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

static int64_t now_msec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The line that the daemon writes when it listens. */
static int read_path(int fd, char path[PATH_SIZE])
{
	int64_t end = now_msec() + READY_MSEC, left;
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	size_t size = 0;
	ssize_t n;

	while (!size || path[size - 1] != '\n') {
		left = end - now_msec();
		n = left > 0 ? poll(&readable, 1, (int)left) : 0;
		if (n == 0)
			return -ETIMEDOUT;
		if (n > 0)
			n = read(fd, path + size, PATH_SIZE - size);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0 || size == PATH_SIZE)
			return -EPIPE;
		if (n > 0)
			size += (size_t)n;
	}
	path[size - 1] = 0;
	return 0;
}

/* The daemon ends with its service manager. */
static int wait_until_ready(const struct ipc_test_bus *bus, unsigned int flags)
{
	int r;

	if (flags & IPC_TEST_NO_MANAGER)
		return 0;
	do
		r = ipc_wait_manager(bus->path, READY_MSEC * 1000ULL);
	while (r == -EINTR);
	if (r == -ECONNRESET || r == -ECONNREFUSED || r == -ENOENT)
		return -EPIPE;
	return r < 0 ? r : r ? 0 : -ETIMEDOUT;
}

static int start(struct ipc_test_bus *bus, const struct ipc_test_options *options)
{
	struct command command = { 0 };
	int fds[2], until, r;

	until = descriptor_move((int)syscall(SYS_pidfd_open, bus->owner, 0));
	if (until < 0)
		return -errno;
	if (pipe2(fds, O_CLOEXEC) < 0) {
		r = -errno;
		close(until);
		return r;
	}
	fds[0] = descriptor_move(fds[0]);
	fds[1] = descriptor_move(fds[1]);
	r = fds[0] < 0 || fds[1] < 0 ? -EMFILE : 0;
	if (r == 0)
		r = command_make(&command, options, until, fds[1]);
	if (r == 0)
		r = spawn(&command, until, fds[1], &bus->pid);
	if (r == 0) {
		bus->pidfd = descriptor_move((int)syscall(SYS_pidfd_open, bus->pid, 0));
		r = bus->pidfd < 0 ? -errno : 0;
	}
	free(command.argument);
	close(until);
	close(fds[1]);
	if (r == 0)
		r = read_path(fds[0], bus->path);
	close(fds[0]);
	return r < 0 ? r : wait_until_ready(bus, options->flags);
}

/* --- The interface ------------------------------------------------------------------- */

int ipc_test_bus_new(const struct ipc_test_options *options, struct ipc_test_bus **ret_bus)
{
	static const struct ipc_test_options none = { .size = sizeof(none) };
	struct ipc_test_bus *bus;
	int r;

	if (!ret_bus || (options && options->size < sizeof(*options)))
		return -EINVAL;
	if (!options)
		options = &none;
	if (options->flags & ~KNOWN_FLAGS)
		return -EINVAL;
	for (size_t i = sizeof(*options); i < options->size; i++)
		if (((const char *)options)[i])
			return -E2BIG;
	bus = calloc(1, sizeof(*bus));
	if (!bus)
		return -ENOMEM;
	bus->owner = getpid();
	bus->pidfd = -1;
	bus->flags = options->flags;
	r = start(bus, options);
	if (r < 0) {
		ipc_test_bus_free(bus);
		return r;
	}
	*ret_bus = bus;
	return 0;
}

/* A daemon that was killed has left its socket. */
static void remove_path(char *path)
{
	char *slash = strrchr(path, '/');

	if (unlink(path) < 0 || !slash)
		return;
	*slash = 0;
	rmdir(path);
}

static void send_signal(const struct ipc_test_bus *bus, int signal)
{
	if (bus->pidfd >= 0)
		syscall(SYS_pidfd_send_signal, bus->pidfd, signal, NULL, 0);
	else
		kill(bus->pid, signal);
}

struct ipc_test_bus *ipc_test_bus_free(struct ipc_test_bus *bus)
{
	if (!bus)
		return NULL;
	if (bus->pid > 0 && bus->owner == getpid()) {
		/* If SIGCHLD is ignored, another process may have the number by now. */
		send_signal(bus, SIGTERM);
		send_signal(bus, SIGCONT);
		while (waitpid(bus->pid, NULL, 0) < 0 && errno == EINTR)
			;
		remove_path(bus->path);
	}
	if (bus->pidfd >= 0)
		close(bus->pidfd);
	free(bus);
	return NULL;
}

const char *ipc_test_bus_path(const struct ipc_test_bus *bus)
{
	return bus->path;
}

pid_t ipc_test_bus_pid(const struct ipc_test_bus *bus)
{
	return bus->pid;
}

int ipc_test_bus_fail_memory(struct ipc_test_bus *bus, pid_t pid, uint64_t nth)
{
	struct ipcbusd_message message = {
		.kind = IPCBUSD_FAIL,
		.number = (uint32_t)pid,
		.size = nth,
	};
	int fds[IPCBUSD_MAX_FDS], r;

	if (!bus || pid < 0)
		return -EINVAL;
	r = socket_administer(bus->path, &message, fds);
	return r < 0 ? r : message.size > 0;
}

int ipc_test_bus_advance(struct ipc_test_bus *bus, uint64_t usec)
{
	struct ipcbusd_message message = { .kind = IPCBUSD_ADVANCE };
	int fds[IPCBUSD_MAX_FDS];

	if (bus && __builtin_mul_overflow(usec, 1000, &message.size))
		return -ERANGE;
	return bus ? socket_administer(bus->path, &message, fds) : -EINVAL;
}

/* Returns the number of calls of the bus that wait for a thread, or that a handler has or keeps. */
static int count_calls(const struct ipc_test_bus *bus, unsigned int *ret_n)
{
	int fd = ipc_open_state(bus->path, "transactions");
	size_t size = 0;
	char *line = NULL;
	FILE *calls;

	if (fd < 0)
		return fd;
	calls = fdopen(fd, "r");
	if (!calls) {
		close(fd);
		return -ENOMEM;
	}
	*ret_n = 0;
	while (getline(&line, &size, calls) > 0)
		*ret_n += !strncmp(line, "message ", 8) && strstr(line, " kind=call ") &&
			  !strstr(line, " state=canceled ");
	free(line);
	fclose(calls);
	return 0;
}

int ipc_test_bus_wait_calls(struct ipc_test_bus *bus, unsigned int n)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	unsigned int calls;
	int r;

	if (!bus || n > CALLS_MAX)
		return -EINVAL;
	if (!(bus->flags & IPC_TEST_MANUAL_CLOCK))
		return -EOPNOTSUPP;
	while ((r = count_calls(bus, &calls)) == 0 && calls < n)
		nanosleep(&pause, NULL);
	return r;
}
