// SPDX-License-Identifier: MIT
/*
 * servicemanager: options and the daemon. The daemon stays in the foreground and logs to standard
 * error. When names can be registered, it logs "ready". One thread waits for all events: the bus,
 * signals (SIGTERM and SIGINT to exit, SIGHUP to read the files again), and the sources of the
 * manager.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <ipc/ipc.h>

#include "../libipc/base/descriptor.h"
#include "activation-config.h"
#include "log.h"
#include "manager.h"
#include "policy-load.h"

#define EVENTS_AT_ONCE 64
#define SETTLE_MSEC    500
/* If the daemon of the bus does not answer, SIGALRM ends servicemanager. */
#define ENDING_SECONDS 5

/* Status for systemd, if it started servicemanager. Errors are ignored: if the watchdog stays
 * silent, systemd restarts servicemanager. */
#define READY "READY=1\nSTATUS=Names can be registered."

struct arguments {
	const char *bus;
	const char *policy[3];	 /* folders; ends with NULL */
	const char *activations[3]; /* the same */
	bool check;
	bool verbose;
};

struct daemon {
	const struct arguments *options;
	char *bus_path; /* which libipc found */
	struct ipc *ipc;
	struct manager *manager;
	struct policy *policy;
	struct log_copy problems; /* of the files, when they were last read */
	size_t activations; /* number in force */
	bool outdated;		  /* the files of the policy are wrong, so an older policy is in
				   * force */
	bool activations_outdated;
	struct source bus;
	struct source signal;
	int epoll;
	int signals;
	int status;	   /* 1 to continue, 0 to exit, or -errno */
	uint64_t feed;	   /* interval in which to notify systemd's watchdog; 0: there is none */
	uint64_t feed_due; /* time of the next notification */
};

/* Raises the limit of fds: servicemanager keeps a pidfd for each service that it started. */
static void raise_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;

	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* Blocks SIGHUP, so that a signal to reload waits until the loop reads it. */
static int keep_reloads(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGHUP);
	return sigprocmask(SIG_BLOCK, &signals, NULL) < 0 ? -errno : 0;
}

/* Returns an fd from which the loop reads signals. Until then, SIGTERM ends servicemanager, also
 * while it waits for a silent daemon. */
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

/* Handles a bounded number of events of the bus, so that signals and timers get their turn. If
 * memory is short for an event, servicemanager continues, because its names must not be lost. */
static void bus_ready(struct source *source)
{
	struct daemon *daemon = container_of(source, struct daemon, bus);
	int r = 1;

	for (int i = 0; i < EVENTS_AT_ONCE && r > 0; i++)
		r = ipc_process(daemon->ipc);
	if (r == -ENOMEM) {
		ipc_print_error("servicemanager: delaying an event", r, NULL);
		usleep(10000);
	} else if (r < 0) {
		daemon->status = r;
	}
}

static void load_policy(struct daemon *daemon, struct policy **ret_policy)
{
	daemon->problems.size = 0;
	log_begin_copy(&daemon->problems);
	daemon->outdated = policy_load(daemon->options->policy, ret_policy) < 0;
	log_end_copy();
}

/* If a file is wrong, the old policy stays in force. */
static void reload_policy(struct daemon *daemon)
{
	struct policy *policy;

	load_policy(daemon, &policy);
	if (!daemon->outdated) {
		manager_set_policy(daemon->manager, policy);
		policy_free(daemon->policy);
		daemon->policy = policy;
		log_line("reloaded the policy: %zu rules", policy_count(policy));
	} else {
		log_line(policy_count(daemon->policy) ?
				 "kept the old policy; correct the file, and reload again" :
				 "still refusing all requests; correct the file, and reload again");
	}
}

/* If a file is wrong, the old activation files stay in force. */
static int load_activations(struct daemon *daemon)
{
	struct activation_configs *configs;
	int r;

	log_begin_copy(&daemon->problems);
	r = activation_configs_load(daemon->options->activations, &configs);
	log_end_copy();
	if (r == 0) {
		daemon->activations = configs->count;
		r = activations_set(daemon->manager, configs);
		activation_configs_free(configs);
	}
	daemon->activations_outdated = r < 0;
	return r;
}

/* Handles SIGHUP and Reload(). */
static void reload(struct manager_reload *ret_reload, void *userdata)
{
	struct daemon *daemon = userdata;

	sd_notifyf(/* unset_environment= */ 0, "RELOADING=1\nMONOTONIC_USEC=%llu",
		   (unsigned long long)now_usec());
	reload_policy(daemon);
	ret_reload->activations_refused = load_activations(daemon) < 0;
	if (ret_reload->activations_refused)
		log_line("%s; correct the file, and reload again",
			 daemon->activations ? "kept the old activation files" :
					       "still without activation files");
	sd_notify(/* unset_environment= */ 0, READY);

	ret_reload->policy_refused = daemon->outdated;
	ret_reload->rules = policy_count(daemon->policy);
	ret_reload->activations = daemon->activations;
}

static void signal_ready(struct source *source)
{
	struct daemon *daemon = container_of(source, struct daemon, signal);
	struct manager_reload result = { 0 };
	struct signalfd_siginfo info;

	if (read(daemon->signals, &info, sizeof(info)) < 0) {
		daemon->status = errno == EINTR || errno == EAGAIN ? 1 : -errno;
		return;
	}
	if (info.ssi_signo != SIGHUP) {
		daemon->status = 0;
		return;
	}

	reload(&result, daemon);
}

/* Returns the timeout until the next call. */
static int feed_watchdog(struct daemon *daemon)
{
	uint64_t now = now_usec();

	if (!daemon->feed)
		return -1;

	if (now >= daemon->feed_due) {
		sd_notify(/* unset_environment= */ 0, "WATCHDOG=1");
		daemon->feed_due = now + daemon->feed;
	}
	return timeout_until(daemon->feed_due);
}

/* Runs until a signal. Returns 0 or -errno. Handles one event at a time, because handling it may
 * free the source of another event. */
static int loop(struct daemon *daemon)
{
	while (daemon->status > 0) {
		int timeout = timeout_min(manager_work(daemon->manager), feed_watchdog(daemon));
		struct epoll_event event;
		int n = epoll_wait(daemon->epoll, &event, 1, timeout);

		if (n == 1)
			((struct source *)event.data.ptr)->ready(event.data.ptr);
		else if (n < 0 && errno != EINTR)
			return -errno;
	}

	return daemon->status;
}

/* The bus may end at any time, for example with the program that ipcbusd runs. */
static int fail(const char *what, int error)
{
	if (error == -ECONNRESET)
		log_line("ending: ipcbusd has ended, and the bus with it");
	else
		log_line("%s: %s", what, ipc_strerror(error));
	return EXIT_FAILURE;
}

static int serve(struct daemon *daemon)
{
	struct manager_options options = {
		.epoll = daemon->epoll,
		.settle_msec = SETTLE_MSEC,
		.verbose = daemon->options->verbose,
		.policy = daemon->policy,
		.bus = daemon->bus_path,
		.reload = reload,
		.userdata = daemon,
		.problems = &daemon->problems,
		.outdated = &daemon->outdated,
		.activations_outdated = &daemon->activations_outdated,
	};
	int r;

	r = manager_new(daemon->ipc, &options, &daemon->manager);
	if (r == -EBUSY) {
		log_line("another service manager runs on this bus already");
		return EXIT_FAILURE;
	}
	if (r == -EPERM) {
		log_line("%s: cannot become the manager of the bus: not permitted to uid %u; run it "
			 "as root, as the user of ipcbusd, or as the user in the driver's manager_uid",
			 daemon->bus_path, geteuid());
		return EXIT_FAILURE;
	}
	if (r < 0)
		return fail("cannot become the manager of the bus", r);

	if (load_activations(daemon) < 0)
		log_line("no activation files are in force; correct the file, then: ipcctl policy reload");
	r = ipc_get_fd(daemon->ipc);
	if (r >= 0)
		r = source_set(daemon->epoll, &daemon->bus, r, EPOLLIN);
	if (r == 0)
		r = daemon->signals = open_signals();
	if (r >= 0)
		r = source_set(daemon->epoll, &daemon->signal, daemon->signals, EPOLLIN);
	if (r == 0) {
		log_line("ready");
		sd_notify(/* unset_environment= */ 0, READY);
		r = loop(daemon);
	}
	sd_notify(/* unset_environment= */ 0, "STOPPING=1");
	alarm(ENDING_SECONDS);
	daemon->manager = manager_free(daemon->manager);
	if (r < 0)
		return fail("cannot continue", r);

	return EXIT_SUCCESS;
}

/* Services find the bus by this path, whatever the environment of servicemanager is. */
static int open_bus(struct daemon *daemon)
{
	int r = ipc_find_bus(daemon->options->bus, &daemon->bus_path, NULL, NULL);
	char text[IPC_ERROR_TEXT_MAX];

	if (r == 0)
		r = ipc_open(&daemon->ipc, daemon->bus_path);
	if (r < 0)
		log_line("%s", ipc_open_error_text(text, sizeof(text), daemon->options->bus, r));

	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int run(const struct arguments *options)
{
	struct daemon daemon = {
		.options = options,
		.bus = { .ready = bus_ready },
		.signal = { .ready = signal_ready },
		.status = 1,
	};
	int status;

	/* Do not exit here: systemd would restart servicemanager forever. */
	load_policy(&daemon, &daemon.policy);
	if (daemon.outdated) {
		daemon.policy = policy_new();
		if (!daemon.policy)
			return ipc_print_error("servicemanager: cannot start", -ENOMEM, NULL);
		log_line("refusing all requests; correct the policy, then: ipcctl policy reload");
	}

	raise_fd_limit();
	/* Notify the watchdog three times per interval. */
	if (sd_watchdog_enabled(/* unset_environment= */ 0, &daemon.feed) > 0)
		daemon.feed /= 3;
	daemon.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (daemon.epoll < 0 || keep_reloads() < 0)
		return ipc_print_error("servicemanager: cannot wait for events", -errno, NULL);

	status = open_bus(&daemon);
	if (status == EXIT_SUCCESS)
		status = serve(&daemon);
	ipc_unref(daemon.ipc);
	free(daemon.bus_path);
	policy_free(daemon.policy);
	return status;
}

/* --- Options ---------------------------------------------------------------------------- */

static const char usage[] =
	"usage: servicemanager [--bus PATH] [--policy FOLDER]\n"
	"                      [--activations FOLDER] [--verbose]\n"
	"       servicemanager --check-policy [--policy FOLDER]\n"
	"                      [USER[:GROUP,...] RIGHT NAME [LABEL]]\n"
	"\n"
	"Gives names to the objects of a bus. One service manager runs on each bus, in the\n"
	"foreground.\n"
	"\n"
	"  -b, --bus PATH      the bus (default: $IPCBUS_BUS, else /dev/ipcbus or ipcbusd's)\n"
	"  -p, --policy FOLDER\n"
	"                      read the policy from FOLDER, instead of /etc/ipcbus/policy.d\n"
	"                      and " IPC_DATADIR "/ipcbus/policy.d\n"
	"  -a, --activations FOLDER\n"
	"                      read the activation files from FOLDER, instead of\n"
	"                      /etc/ipcbus/services.d and\n"
	"                      " IPC_DATADIR "/ipcbus/services.d\n"
	"      --check-policy  check the files of the policy; or print whether USER may\n"
	"                      register, find, list or call NAME, and which rule decides\n"
	"  -v, --verbose       log names, waiting calls and watches as they come and go\n"
	"  -h, --help          print this text\n"
	"      --version       print the version\n";

static void add_default(const char **folders, const char *local, const char *packaged)
{
	if (folders[0])
		return;

	folders[0] = local;
	folders[1] = packaged;
}

/* Default folders may be missing. If a folder named by an option is missing, that is an
 * error. */
static bool is_missing(const char *folder)
{
	if (!folder || access(folder, F_OK) == 0 || errno != ENOENT)
		return false;

	log_line("%s: no such folder", folder);
	return true;
}

/* Returns an exit status, or -1 to continue with the arguments from optind. */
static int parse_options(struct arguments *arguments, int argc, char **argv)
{
	static const struct option options[] = {
		{ "bus", required_argument, NULL, 'b' },
		{ "policy", required_argument, NULL, 'p' },
		{ "activations", required_argument, NULL, 'a' },
		{ "check-policy", no_argument, NULL, 'c' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "a:b:p:vh", options, NULL)) != -1) {
		switch (option) {
		case 'b':
			arguments->bus = optarg;
			break;
		case 'p':
			arguments->policy[0] = optarg;
			break;
		case 'a':
			arguments->activations[0] = optarg;
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
			log_line("see servicemanager --help");
			return 2;
		}
	}

	return -1;
}

/* Parses the options and fills in the default folders. */
static int parse_arguments(struct arguments *arguments, int argc, char **argv)
{
	int status = parse_options(arguments, argc, argv);

	if (status >= 0)
		return status;
	if (optind < argc && !arguments->check) {
		log_line("unexpected argument \"%s\"; see servicemanager --help", argv[optind]);
		return 2;
	}
	/* If this folder is missing, the built-in policy would apply and might allow access that
	 * its files refuse. */
	if (is_missing(arguments->policy[0]))
		return 1;
	is_missing(arguments->activations[0]);
	add_default(arguments->policy, "/etc/ipcbus/policy.d", IPC_DATADIR "/ipcbus/policy.d");
	add_default(arguments->activations, "/etc/ipcbus/services.d",
		    IPC_DATADIR "/ipcbus/services.d");

	return -1;
}

int main(int argc, char **argv)
{
	struct arguments arguments = { 0 };
	int status;

	descriptor_fill_streams(O_RDWR);
	/* If the parent ignored SIGCHLD, servicemanager inherits that and would never get the exit
	 * status of services. */
	signal(SIGCHLD, SIG_DFL);
	/* If the log cannot be written, the manager must not end. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	status = parse_arguments(&arguments, argc, argv);
	if (status < 0)
		status = arguments.check ? check_policy(arguments.policy, argv + optind) :
					   run(&arguments);

	return descriptor_flush_output("servicemanager", status);
}
