// SPDX-License-Identifier: MIT
/*
 * servicemanager: options, signals and the loop. What it does is in service.c.
 *
 * It stays in the foreground and logs to standard error; the line "ready" says
 * that names can be registered. One thread waits for everything at once: the
 * bus, signals (SIGTERM and SIGINT to end, SIGHUP to read files again), and the
 * processes of services that were started on demand.
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

#include "check-policy.h"
#include "demand.h"
#include "notify.h"
#include "policy-load.h"
#include "service.h"

#define EVENTS_AT_ONCE 64
#define SETTLE_MSEC 500
/* Without memory to hear of room it looks for that so often. */
#define ROOM_MSEC 100

static const char usage[] =
	"usage: servicemanager [--device PATH] [--policy DIRECTORY]...\n"
	"                      [--services DIRECTORY]... [--verbose]\n"
	"       servicemanager --check-policy [--policy DIRECTORY]...\n"
	"                      [USER[:GROUP,...] RIGHT NAME [LABEL]]\n"
	"\n"
	"Gives names to the objects of a bus. One runs on each bus, in the foreground.\n"
	"\n"
	"  -d, --device PATH  the bus (default: $IPCBUS_DEVICE, else /dev/ipcbus)\n"
	"  -p, --policy DIR   read the policy there instead of in /etc/ipcbus/policy.d and\n"
	"                     " IPC_DATADIR "/ipcbus/policy.d\n"
	"  -s, --services DIR read the services to be started on demand there instead of in\n"
	"                     /etc/ipcbus/services.d and " IPC_DATADIR "/ipcbus/services.d\n"
	"      --check-policy say what is wrong with the policy's files and exit, or whether\n"
	"                     USER may add, find, list or call NAME, and by which rule\n"
	"  -v, --verbose      say on standard error what comes and goes\n"
	"  -h, --help         this text\n"
	"      --version      the version\n";

#define DIRECTORIES_MAX 8

struct directories {
	const char *list[DIRECTORIES_MAX + 1]; /* ends with NULL */
	size_t count;
};

struct arguments {
	const char *device;
	struct directories policy;
	struct directories services;
	bool check;
	bool verbose;
};

/* What the loop is about. */
struct daemon {
	const struct arguments *arguments;
	struct ipc *ipc;
	struct service *service;
	struct policy *policy;
	int epoll;
	int signals;
};

/* False: there are too many. */
static bool add_directory(struct directories *directories, const char *directory)
{
	if (directories->count == DIRECTORIES_MAX) {
		fprintf(stderr, "servicemanager: more than %d directories\n", DIRECTORIES_MAX);
		return false;
	}

	directories->list[directories->count++] = directory;
	return true;
}

static void add_usual(struct directories *directories, const char *local, const char *packaged)
{
	if (directories->count)
		return;

	add_directory(directories, local);
	add_directory(directories, packaged);
}

/* An exit status, or -1 to go on with the arguments from optind on. */
static int parse_options(struct arguments *arguments, int argc, char **argv)
{
	static const struct option options[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "policy", required_argument, NULL, 'p' },
		{ "services", required_argument, NULL, 's' },
		{ "check-policy", no_argument, NULL, 'c' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "d:p:s:vh", options, NULL)) != -1) {
		switch (option) {
		case 'd':
			arguments->device = optarg;
			break;
		case 'p':
			if (!add_directory(&arguments->policy, optarg))
				return 2;
			break;
		case 's':
			if (!add_directory(&arguments->services, optarg))
				return 2;
			break;
		case 'c':
			arguments->check = true;
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

	return -1;
}

/* The same. */
static int parse_arguments(struct arguments *arguments, int argc, char **argv)
{
	int status = parse_options(arguments, argc, argv);

	if (status >= 0)
		return status;
	if (optind < argc && !arguments->check) {
		fprintf(stderr, "servicemanager: what is \"%s\"? Try --help.\n", argv[optind]);
		return 2;
	}
	add_usual(&arguments->policy, "/etc/ipcbus/policy.d", IPC_DATADIR "/ipcbus/policy.d");
	add_usual(&arguments->services, "/etc/ipcbus/services.d",
		  IPC_DATADIR "/ipcbus/services.d");

	return -1;
}

/* A pidfd is open for each service that was started. */
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
	sigaddset(&signals, SIGHUP);
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

/* The old one stays in force if there is something wrong with the new. */
static void reload_policy(struct daemon *daemon)
{
	struct policy *policy;

	if (policy_load(daemon->arguments->policy.list, &policy) == 0) {
		service_set_policy(daemon->service, policy);
		policy_free(daemon->policy);
		daemon->policy = policy;
		fprintf(stderr, "servicemanager: the policy was read again: %zu rules\n",
			policy_count(policy));
	} else {
		fputs("servicemanager: the policy stays as it was\n", stderr);
	}
}

/* Likewise. */
static int load_services(struct daemon *daemon)
{
	struct demands *demands;
	int r = demands_load(daemon->arguments->services.list, &demands);

	if (r == 0) {
		r = service_set_demands(daemon->service, demands);
		demands_free(demands);
	}
	return r;
}

/* 1 to go on, 0 to end, -errno. */
static int process_signal(struct daemon *daemon)
{
	struct signalfd_siginfo info;
	ssize_t size = read(daemon->signals, &info, sizeof(info));

	if (size < 0)
		return errno == EINTR || errno == EAGAIN ? 1 : -errno;
	if (info.ssi_signo != SIGHUP)
		return 0;

	notify_reloading();
	reload_policy(daemon);
	if (load_services(daemon) < 0)
		fputs("servicemanager: the services stay as they were\n", stderr);
	notify_ready();
	return 1;
}

/* 1 to go on, 0 to end, -errno. fds are as in loop(). */
static int process(struct daemon *daemon, const struct pollfd *fds)
{
	int r = 1;

	if (fds[2].revents)
		r = process_signal(daemon);
	if (r > 0 && fds[1].revents) {
		r = process_epoll(daemon->epoll, daemon->service);
		r = r < 0 ? r : 1;
	}
	if (r > 0 && fds[0].revents) {
		r = process_bus(daemon->ipc);
		r = r < 0 ? r : 1;
	}

	return r;
}

static void room_came(struct ipc *ipc, void *userdata)
{
	(void)ipc;
	service_room(userdata);
}

/* Until a signal: 0, or -errno. The epoll has what the service waits for. */
static int loop(struct daemon *daemon)
{
	struct pollfd fds[] = {
		{ .fd = ipc_get_fd(daemon->ipc), .events = POLLIN },
		{ .fd = daemon->epoll, .events = POLLIN },
		{ .fd = daemon->signals, .events = POLLIN },
	};
	int r = 1;

	while (r > 0) {
		int timeout = earlier(service_work(daemon->service), notify_watchdog());

		if (service_wants_room(daemon->service) &&
		    ipc_on_writable(daemon->ipc, room_came, daemon->service) < 0) {
			service_room(daemon->service);
			timeout = earlier(timeout, ROOM_MSEC);
		}
		if (poll(fds, 3, timeout) >= 0)
			r = process(daemon, fds);
		else if (errno != EINTR)
			r = -errno;
	}

	return r;
}

static int serve(struct daemon *daemon)
{
	struct service_options options = {
		.epoll = daemon->epoll,
		.settle_msec = SETTLE_MSEC,
		.verbose = daemon->arguments->verbose,
		.policy = daemon->policy,
		.device = daemon->arguments->device,
	};
	int r;

	r = service_new(daemon->ipc, &options, &daemon->service);
	if (r == -EBUSY) {
		fputs("servicemanager: another one serves this bus already\n", stderr);
		return EXIT_FAILURE;
	}
	if (r < 0)
		return ipc_fail("servicemanager: cannot become the manager of the bus", r, NULL);

	r = load_services(daemon);
	if (r == 0) {
		fputs("servicemanager: ready\n", stderr);
		notify_ready();
		r = loop(daemon);
	}
	notify_stopping();
	daemon->service = service_free(daemon->service);
	if (r < 0)
		return ipc_fail("servicemanager: cannot go on", r, NULL);

	return EXIT_SUCCESS;
}

static int open_bus(struct ipc **ret_ipc, const char *device)
{
	int r = ipc_open(ret_ipc, device);

	if (r == -ENOENT) {
		fprintf(stderr,
			"servicemanager: there is no %s; is the module ipcbus loaded (modprobe ipcbus)?\n",
			device ?: getenv("IPCBUS_DEVICE") ?: "/dev/ipcbus");
		return EXIT_FAILURE;
	}
	if (r < 0)
		return ipc_fail("servicemanager: cannot open the bus", r, NULL);

	return EXIT_SUCCESS;
}

static int run(const struct arguments *arguments)
{
	struct daemon daemon = { .arguments = arguments };
	int status;

	if (policy_load(arguments->policy.list, &daemon.policy) < 0)
		return EXIT_FAILURE;

	raise_fd_limit();
	daemon.signals = open_signals();
	daemon.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (daemon.signals < 0 || daemon.epoll < 0)
		return ipc_fail("servicemanager: cannot wait for events",
				daemon.signals < 0 ? daemon.signals : -errno, NULL);

	status = open_bus(&daemon.ipc, arguments->device);
	if (status == EXIT_SUCCESS)
		status = serve(&daemon);
	ipc_unref(daemon.ipc);
	policy_free(daemon.policy);
	return status;
}

int main(int argc, char **argv)
{
	struct arguments arguments = { 0 };
	int status;

	status = parse_arguments(&arguments, argc, argv);
	if (status >= 0)
		return status;
	if (arguments.check)
		return check_policy(arguments.policy.list, argv + optind);

	return run(&arguments);
}
