// SPDX-License-Identifier: MIT
/*
 * The daemon: see daemon.h. It stays in the foreground and logs to standard error; the
 * line "ready" says that names can be registered. One thread waits for everything at
 * once: the bus, signals (SIGTERM and SIGINT to exit, SIGHUP to read the files again), and
 * what the manager has in its epoll.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "activation-config.h"
#include "clock.h"
#include "daemon.h"
#include "log.h"
#include "manager.h"
#include "policy-load.h"
#include "systemd.h"

#define EVENTS_AT_ONCE 64
#define SETTLE_MSEC    500
/* Without memory to learn of space in a receiver, the loop tries again this often. */
#define WRITABLE_MSEC  100

struct daemon {
	const struct daemon_options *options;
	struct ipc *ipc;
	struct manager *manager;
	struct policy *policy;
	int epoll;
	int signals;
};

/* A pidfd is open for each service that servicemanager started. */
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

/* Handles what has come over the bus, but not without end, because signals and timers must
 * have their turn. If there is no memory for one event, servicemanager goes on: its names
 * must not be lost. */
static int process_bus(struct ipc *ipc)
{
	int r = 1;

	for (int i = 0; i < EVENTS_AT_ONCE && r > 0; i++)
		r = ipc_process(ipc);
	if (r == -ENOMEM) {
		ipc_fail("servicemanager: delaying an event", r, NULL);
		usleep(10000);
		return 0;
	}

	return r;
}

/* One event at a time, because handling one may free the source of the next. */
static int process_epoll(int epoll, struct manager *manager)
{
	struct epoll_event event;
	int n = epoll_wait(epoll, &event, 1, /* timeout= */ 0);

	if (n < 0 && errno != EINTR)
		return -errno;
	if (n == 1)
		manager_event(manager, event.data.ptr);
	return 0;
}

/* If a file is wrong, the old policy stays in force. */
static void reload_policy(struct daemon *daemon)
{
	struct policy *policy;

	if (policy_load(daemon->options->policy, &policy) == 0) {
		manager_set_policy(daemon->manager, policy);
		policy_free(daemon->policy);
		daemon->policy = policy;
		log_line("reloaded the policy: %zu rules", policy_count(policy));
	} else {
		log_line("kept the old policy");
	}
}

/* If a file is wrong, the old services stay. */
static int load_services(struct daemon *daemon)
{
	struct activation_configs *configs;
	int r = activation_configs_load(daemon->options->services, &configs);

	if (r == 0) {
		r = manager_set_activations(daemon->manager, configs);
		activation_configs_free(configs);
	}
	return r;
}

/* 1 to go on, 0 to exit, -errno. */
static int process_signal(struct daemon *daemon)
{
	struct signalfd_siginfo info;
	ssize_t size = read(daemon->signals, &info, sizeof(info));

	if (size < 0)
		return errno == EINTR || errno == EAGAIN ? 1 : -errno;
	if (info.ssi_signo != SIGHUP)
		return 0;

	systemd_reloading();
	reload_policy(daemon);
	if (load_services(daemon) < 0)
		log_line("kept the old services");
	systemd_ready();
	return 1;
}

/* 1 to go on, 0 to exit, -errno. The fds are those of loop(). */
static int process(struct daemon *daemon, const struct pollfd *fds)
{
	int r = 1;

	if (fds[2].revents)
		r = process_signal(daemon);
	if (r > 0 && fds[1].revents) {
		r = process_epoll(daemon->epoll, daemon->manager);
		r = r < 0 ? r : 1;
	}
	if (r > 0 && fds[0].revents) {
		r = process_bus(daemon->ipc);
		r = r < 0 ? r : 1;
	}

	return r;
}

static void became_writable(struct ipc *ipc, void *userdata)
{
	(void)ipc;
	manager_writable(userdata);
}

/* Runs until a signal: 0, or -errno. */
static int loop(struct daemon *daemon)
{
	struct pollfd fds[] = {
		{ .fd = ipc_get_fd(daemon->ipc), .events = POLLIN },
		{ .fd = daemon->epoll, .events = POLLIN },
		{ .fd = daemon->signals, .events = POLLIN },
	};
	int r = 1;

	while (r > 0) {
		int timeout = timeout_min(manager_work(daemon->manager), systemd_watchdog());

		if (manager_wants_writable(daemon->manager) &&
		    ipc_on_writable(daemon->ipc, became_writable, daemon->manager) < 0) {
			manager_writable(daemon->manager);
			timeout = timeout_min(timeout, WRITABLE_MSEC);
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
	struct manager_options options = {
		.epoll = daemon->epoll,
		.settle_msec = SETTLE_MSEC,
		.verbose = daemon->options->verbose,
		.policy = daemon->policy,
		.device = daemon->options->device,
	};
	int r;

	r = manager_new(daemon->ipc, &options, &daemon->manager);
	if (r == -EBUSY) {
		log_line("another servicemanager runs on this bus already");
		return EXIT_FAILURE;
	}
	if (r < 0)
		return ipc_fail("servicemanager: cannot become the manager of the bus", r, NULL);

	r = load_services(daemon);
	if (r == 0) {
		log_line("ready");
		systemd_ready();
		r = loop(daemon);
	}
	systemd_stopping();
	daemon->manager = manager_free(daemon->manager);
	if (r < 0)
		return ipc_fail("servicemanager: cannot continue", r, NULL);

	return EXIT_SUCCESS;
}

static int open_bus(struct ipc **ret_ipc, const char *device)
{
	int r = ipc_open(ret_ipc, device);

	if (r == -ENOENT) {
		log_line("cannot open %s: it does not exist; load the module first (modprobe ipcbus)",
			 device				 ?:
				 getenv("IPCBUS_DEVICE") ?:
							   "/dev/ipcbus");
		return EXIT_FAILURE;
	}
	if (r < 0)
		return ipc_fail("servicemanager: cannot open the bus", r, NULL);

	return EXIT_SUCCESS;
}

int daemon_run(const struct daemon_options *options)
{
	struct daemon daemon = { .options = options };
	int status;

	if (policy_load(options->policy, &daemon.policy) < 0)
		return EXIT_FAILURE;

	raise_fd_limit();
	daemon.signals = open_signals();
	daemon.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (daemon.signals < 0 || daemon.epoll < 0)
		return ipc_fail("servicemanager: cannot wait for events",
				daemon.signals < 0 ? daemon.signals : -errno, NULL);

	status = open_bus(&daemon.ipc, options->device);
	if (status == EXIT_SUCCESS)
		status = serve(&daemon);
	ipc_unref(daemon.ipc);
	policy_free(daemon.policy);
	return status;
}
