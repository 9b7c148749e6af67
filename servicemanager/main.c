// SPDX-License-Identifier: MIT
/*
 * servicemanager: options, signals and the loop. What it does is in service.c.
 *
 * It stays in the foreground and logs to standard error; the line "ready" says
 * that names can be registered. One thread waits for everything at once: the
 * bus, SIGTERM and SIGINT, and the processes that wait for a name.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "service.h"

#define EVENTS_AT_ONCE 64
#define SETTLE_MSEC 500

static const char usage[] =
	"usage: servicemanager [--device PATH] [--verbose]\n"
	"\n"
	"Gives names to the objects of a bus. One runs on each bus, in the foreground.\n"
	"\n"
	"  -d, --device PATH  the bus (default: $IPCBUS_DEVICE, else /dev/ipcbus)\n"
	"  -v, --verbose      say on standard error what comes and goes\n"
	"  -h, --help         this text\n"
	"      --version      the version\n";

struct arguments {
	const char *device;
	bool verbose;
};

/* An exit status, or -1 to go on. */
static int parse_arguments(struct arguments *arguments, int argc, char **argv)
{
	static const struct option options[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "d:vh", options, NULL)) != -1) {
		switch (option) {
		case 'd':
			arguments->device = optarg;
			break;
		case 'v':
			arguments->verbose = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		case 'V':
			puts("servicemanager " IPC_VERSION);
			return EXIT_SUCCESS;
		default:
			fputs("Try servicemanager --help.\n", stderr);
			return 2;
		}
	}

	if (optind < argc) {
		fprintf(stderr, "servicemanager: what is \"%s\"? Try --help.\n", argv[optind]);
		return 2;
	}

	return -1;
}

/* A pidfd is open for each call that waits. */
static void raise_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;

	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int open_signals(void)
{
	sigset_t signals;
	int fd;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
		return -errno;

	fd = signalfd(-1, &signals, SFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Everything that has come over the bus, but not for ever: signals and timers are
 * to have their turn. Without memory for one event, others may still get on; names
 * must not be lost for that. */
static int process_bus(struct ipc *ipc)
{
	int r = 1;

	for (int i = 0; i < EVENTS_AT_ONCE && r > 0; i++)
		r = ipc_process(ipc);
	if (r == -ENOMEM) {
		ipc_fail("servicemanager: an event is late", r, NULL);
		usleep(10000);
		return 0;
	}

	return r;
}

/* One event at a time: what one does may take the source of the next away. */
static int process_epoll(int epoll, struct service *service)
{
	struct epoll_event event;
	int n = epoll_wait(epoll, &event, 1, /* timeout= */ 0);

	if (n < 0 && errno != EINTR)
		return -errno;
	if (n == 1)
		service_event(service, event.data.ptr);
	return 0;
}

/* Until a signal: 0, or -errno. The epoll has what the service waits for. */
static int loop(struct ipc *ipc, int epoll, int signals, struct service *service)
{
	struct pollfd fds[] = {
		{ .fd = ipc_get_fd(ipc) },
		{ .fd = epoll, .events = POLLIN },
		{ .fd = signals, .events = POLLIN },
	};
	int r = 0;

	while (r >= 0) {
		int timeout = service_work(service);

		fds[0].events = service_wants_room(service) ? POLLIN | POLLOUT : POLLIN;
		if (poll(fds, 3, timeout) < 0) {
			if (errno != EINTR)
				return -errno;
			continue;
		}
		if (fds[2].revents)
			return 0;
		if (fds[1].revents)
			r = process_epoll(epoll, service);
		if (fds[0].revents & POLLOUT)
			service_room(service);
		if (r >= 0 && fds[0].revents & ~POLLOUT)
			r = process_bus(ipc);
	}

	return r;
}

static int serve(struct ipc *ipc, int epoll, int signals, bool verbose)
{
	struct service_options options = {
		.epoll = epoll,
		.settle_msec = SETTLE_MSEC,
		.verbose = verbose,
	};
	struct service *service;
	int r;

	r = service_new(ipc, &options, &service);
	if (r == -EBUSY) {
		fputs("servicemanager: another one serves this bus already\n", stderr);
		return EXIT_FAILURE;
	}
	if (r < 0)
		return ipc_fail("servicemanager: cannot become the manager of the bus", r, NULL);

	fputs("servicemanager: ready\n", stderr);
	r = loop(ipc, epoll, signals, service);
	service_free(service);
	if (r < 0)
		return ipc_fail("servicemanager: cannot go on", r, NULL);

	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	struct arguments arguments = { 0 };
	int status, epoll, signals, r;

	status = parse_arguments(&arguments, argc, argv);
	if (status >= 0)
		return status;

	raise_fd_limit();
	signals = open_signals();
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (signals < 0 || epoll < 0)
		return ipc_fail("servicemanager: cannot wait for events",
				signals < 0 ? signals : -errno, NULL);

	r = ipc_open(&ipc, arguments.device);
	if (r == -ENOENT) {
		fprintf(stderr,
			"servicemanager: there is no %s; is the module ipcbus loaded (modprobe ipcbus)?\n",
			arguments.device ?: getenv("IPCBUS_DEVICE") ?: "/dev/ipcbus");
		return EXIT_FAILURE;
	}
	if (r < 0)
		return ipc_fail("servicemanager: cannot open the bus", r, NULL);

	return serve(ipc, epoll, signals, arguments.verbose);
}
