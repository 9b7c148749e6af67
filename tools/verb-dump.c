// SPDX-License-Identifier: MIT
/*
 * ipcctl dump: the internal state of a service, and a report on the whole bus.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bus.h"
#include "deadline.h"
#include "ipcctl.h"
#include "schema/json.h"
#include "output.h"
#include "servicemanager.ipc.h"
#include "state.h"
#include "schema/text.h"
#include "verbs.h"

/* Maximum number of bytes that a report prints for a service. */
#define REPORT_MAX ((size_t)1 << 20)

static bool all;

static const struct verb_option options[] = {
	{ "all", NULL, "print a report: the state of all services, and all about the bus",
	  .flag = &all },
	{ 0 },
};

/* --- One service -------------------------------------------------------------------- */

/* Prints the text as far as it is printable: the service chose it. */
static void print_file(int fd, size_t max)
{
	char buffer[4096];
	off_t at = 0;
	ssize_t n;

	while ((n = pread(fd, buffer, sizeof(buffer), at)) > 0 && (size_t)at < max) {
		out_bytes(buffer, (size_t)n, /* text= */ true);
		at += n;
	}
	out_bytes_end();
	if (n > 0)
		puts("\nipcctl: the rest is left out");
}

/* Prints at most max bytes of the service's output, a multiple of 4 KiB. */
static int dump_service(const char *name, const char *const *arguments, size_t n_arguments,
			size_t max)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	ipc_auto(ipc_proxy_unref) struct ipc_proxy *proxy = NULL;
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	int fd, status, r;

	status = bus_find(name, &ipc, &proxy);
	if (status)
		return status;
	fd = memfd_create("dump", MFD_CLOEXEC);
	if (fd < 0)
		return fail_with(STATUS_FAILED, NULL, "cannot make a file: %s", strerror(errno));
	ipc_set_timeout(ipc, bus_request_usec());
	r = ipc_proxy_dump(proxy, fd, arguments, n_arguments, &error);
	print_file(fd, max);
	close(fd);
	if (r == -EOPNOTSUPP)
		return fail_with(STATUS_NOT_FOUND, "services in C may have one, see ipc_object_set_dump()",
				 "service %s has no dump", name);
	if (r == -ETIMEDOUT)
		return bus_no_reply(ipc, name, &error);
	return r < 0 ? fail_call(r, &error, name) : STATUS_OK;
}

/* --- The report ----------------------------------------------------------------------- */

static void put_title(const char *title, const char *more)
{
	printf("%s=== %s%s%s ===%s\n", out_color(COLOR_BOLD), title, *more ? " " : "", more,
	       out_plain());
	fflush(stdout);
}

/* Runs another ipcctl, so that a crash or hang affects only its part of the report. */
static void put_verb(const char *verb, const char *argument)
{
	char seconds[32];
	const char *words[8] = { "ipcctl", "--timeout", seconds, verb, argument };
	size_t n = argument ? 5 : 4;
	pid_t pid;

	/* Without --bus, doctor prints why this bus is used. */
	if (ctl.bus) {
		words[n++] = "--bus";
		words[n++] = ctl.bus;
	}
	snprintf(seconds, sizeof(seconds), "%.3f", (double)deadline_question_usec() / 1e6);
	put_title(verb, argument ?: "");
	pid = fork();
	if (pid == 0) {
		execv("/proc/self/exe", (char **)words);
		_exit(STATUS_FAILED);
	}
	if (pid < 0 || waitpid(pid, NULL, 0) < 0)
		printf("ipcctl: cannot run it: %s\n", strerror(errno));
	putchar('\n');
}

/* Prints a file of the bus, with a header unless it is empty. */
static void put_file(const char *title, const char *name, const char *header)
{
	static const char more[] = "more ";
	FILE *file = state_open(name);
	char *line = NULL;
	size_t size = 0;

	put_title(title, "");
	if (file && *header)
		puts(header);
	while (file && getline(&line, &size, file) > 0) {
		line[strcspn(line, "\n")] = '\0';
		text_clean(line);
		if (strncmp(line, more, strlen(more)))
			puts(line);
		else
			printf("more messages to %s are not listed\n", line + strlen(more));
	}
	puts(file ? "" : "ipcctl: no permission, or no such file\n");
	if (file)
		fclose(file);
	free(line);
}

/* If a process does not reply, its other services are skipped. */
static void put_dumps(const json_t *rows)
{
	json_t *silent = json_object(), *row;
	char pid[32];
	size_t i;

	json_array_foreach(rows, i, row) {
		const char *name = value_text(row, "name");

		snprintf(pid, sizeof(pid), "%lld", (long long)value_number(row, "pid"));
		if (json_object_get(silent, pid))
			continue;
		/* The deadline is for a bus that hangs: requests have the usual timeout. */
		deadline_set(3 * deadline_question_usec() / 1000);
		put_title("dump", name);
		if (dump_service(name, NULL, 0, REPORT_MAX) == STATUS_TIMEOUT)
			json_object_set_new(silent, pid, json_true());
		putchar('\n');
	}
	json_decref(silent);
}

static int put_report(void)
{
	ipc_auto(service_manager_unref) struct service_manager *manager = NULL;
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	time_t now = time(NULL);
	struct utsname system = { 0 };
	json_t *rows = NULL;
	char when[32];

	/* The report includes failures. */
	if (dup2(STDOUT_FILENO, STDERR_FILENO) < 0)
		return fail_with(STATUS_FAILED, NULL, "cannot redirect standard error: %s",
				 strerror(errno));
	uname(&system);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
	put_title("ipcctl " IPC_VERSION, when);
	printf("bus: %s\nkernel: %s %s %s %s\n\n", ctl_bus_path(), system.sysname, system.release,
	       system.machine, system.version);
	put_verb("doctor", NULL);
	put_verb("list", NULL);
	put_verb("list", "--activatable");
	put_verb("policy", "show");
	put_verb("stats", NULL);
	put_verb("tree", NULL);
	put_file("messages in flight (transactions)", "transactions", "");
	put_file("counters", "stats", "name now total");
	if (bus_has_manager() && !bus_manager(&ipc, &manager) &&
	    !bus_list(manager, "*", false, &rows))
		put_dumps(rows);
	json_decref(rows);
	return STATUS_OK;
}

/* --- The verb ----------------------------------------------------------------------- */

static int run(int argc, char **argv)
{
	if (all && argc)
		return fail_with(STATUS_USAGE, NULL, "--all and NAME exclude each other");
	if (all)
		return put_report();
	if (!argc)
		return fail_with(STATUS_USAGE, NULL, "missing NAME, or --all");
	if (ctl.timeout_ms)
		deadline_set(ctl.timeout_ms);
	return dump_service(argv[0], (const char *const *)argv + 1, argc - 1, SIZE_MAX);
}

const struct verb verb_dump = {
	.name = "dump",
	.arguments = "[NAME [ARGUMENT]...]",
	.summary = "print the internal state of a service, or of all",
	.description =
		"Asks the service NAME to write its internal state to standard output. The service\n"
		"defines the format and the meaning of each ARGUMENT. Root may do this, and the user of\n"
		"the service.\n"
		"\n"
		"--all prints a report to send with a description of a problem: version, kernel, doctor,\n"
		"services, policy, stats, objects, messages in flight, counters, and the dump of each\n"
		"service. --timeout is the timeout of each part. A part that is refused or takes too\n"
		"long is omitted, and so is the output of a service beyond one MiB. The report lists\n"
		"these omissions. Read the report before you send it: servers may print confidential\n"
		"data.\n",
	.example = "  ipcctl dump demo.story\n"
		   "  sudo ipcctl dump --all >report.txt\n",
	.statuses = ON_BUS | MAY_END(NOT_FOUND) | MAY_END(NO_MANAGER) | MAY_END(GONE),
	.options = options,
	.max = 32,
	.keeps_time = true,
	.run = run,
};
