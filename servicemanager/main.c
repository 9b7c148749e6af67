// SPDX-License-Identifier: MIT
/*
 * servicemanager: its options. daemon.c runs the daemon, and check-policy.c runs
 * --check-policy.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <ipc/ipc.h>

#include "../libipc/core/descriptor.h"
#include "check-policy.h"
#include "daemon.h"
#include "log.h"

static const char usage[] =
	"usage: servicemanager [--device PATH] [--policy DIRECTORY]...\n"
	"                      [--services DIRECTORY]... [--verbose]\n"
	"       servicemanager --check-policy [--policy DIRECTORY]...\n"
	"                      [USER[:GROUP,...] RIGHT NAME [LABEL]]\n"
	"\n"
	"Gives names to the objects of a bus. One servicemanager runs on each bus, in the\n"
	"foreground.\n"
	"\n"
	"  -d, --device PATH   the bus (default: $IPCBUS_DEVICE, else /dev/ipcbus or ipcbusd's)\n"
	"  -p, --policy DIR    read the policy from DIR, instead of /etc/ipcbus/policy.d and\n"
	"                      " IPC_DATADIR "/ipcbus/policy.d\n"
	"  -s, --services DIR  read the services to activate from DIR, instead of\n"
	"                      /etc/ipcbus/services.d and\n"
	"                      " IPC_DATADIR "/ipcbus/services.d\n"
	"      --check-policy  check the files of the policy; or print whether USER may\n"
	"                      register, find, list or call NAME, and which rule decides\n"
	"  -v, --verbose       log names, waiting calls and watches as they come and go\n"
	"  -h, --help          print this text\n"
	"      --version       print the version\n";

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

/* False: there are too many. */
static bool add_directory(struct directories *directories, const char *directory)
{
	if (directories->count == DIRECTORIES_MAX) {
		log_line("more than %d directories", DIRECTORIES_MAX);
		return false;
	}

	directories->list[directories->count++] = directory;
	return true;
}

static void add_default(struct directories *directories, const char *local, const char *packaged)
{
	if (directories->count)
		return;

	add_directory(directories, local);
	add_directory(directories, packaged);
}

/* The folders of the default may be missing. One that somebody named is mostly a mistake. */
static bool report_missing(const struct directories *directories)
{
	bool missing = false;

	for (size_t i = 0; i < directories->count; i++)
		if (access(directories->list[i], F_OK) < 0 && errno == ENOENT) {
			log_line("there is no directory %s", directories->list[i]);
			missing = true;
		}
	return missing;
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
			log_line("see servicemanager --help");
			return 2;
		}
	}

	return -1;
}

/* The same, and the default directories. */
static int parse_arguments(struct arguments *arguments, int argc, char **argv)
{
	int status = parse_options(arguments, argc, argv);

	if (status >= 0)
		return status;
	if (optind < argc && !arguments->check) {
		log_line("unexpected argument \"%s\"; see servicemanager --help", argv[optind]);
		return 2;
	}
	/* Without it, the built-in policy would allow what it may refuse. */
	if (report_missing(&arguments->policy))
		return 1;
	report_missing(&arguments->services);
	add_default(&arguments->policy, "/etc/ipcbus/policy.d", IPC_DATADIR "/ipcbus/policy.d");
	add_default(&arguments->services, "/etc/ipcbus/services.d",
		    IPC_DATADIR "/ipcbus/services.d");

	return -1;
}

int main(int argc, char **argv)
{
	struct arguments arguments = { 0 };
	int status;

	descriptor_fill_streams(O_RDWR);
	/* An ignored SIGCHLD is inherited, and takes away the status of services. */
	signal(SIGCHLD, SIG_DFL);
	/* A log that cannot be written must not end the manager. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	status = parse_arguments(&arguments, argc, argv);
	if (status >= 0)
		return status;
	if (arguments.check)
		return check_policy(arguments.policy.list, argv + optind);

	return daemon_run(&(struct daemon_options){
		.device = arguments.device,
		.policy = arguments.policy.list,
		.services = arguments.services.list,
		.verbose = arguments.verbose,
	});
}
