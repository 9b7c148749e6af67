// SPDX-License-Identifier: MIT
/*
 * ipcctl trace: records the driver's tracepoints and writes a timeline. It uses an instance
 * of tracefs of its own, so other users of tracing do not notice.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "ipcctl.h"
#include "names.h"
#include "out.h"
#include "stop.h"
#include "trace.h"
#include "verbs.h"

static unsigned int time_ms;
static const char *output = "ipcbus-trace.json";
static const char *input;

static const struct verb_option options[] = {
	{ "time", "S", "record for S seconds", .ms = &time_ms },
	{ "output", "FILE", "write to FILE; -: standard output (default: ipcbus-trace.json)",
	  .text = &output },
	{ "input", "FILE", "do not record; read a copy of trace_pipe", .text = &input },
	{ 0 },
};

/* --- tracefs ---------------------------------------------------------------------- */

static char instances[64];
static char instance[128];
static int trace_pipe = -1, setting = -1;

static int put_file(const char *name, const char *text)
{
	char path[256];
	int r;

	snprintf(path, sizeof(path), "%s/%s", instance, name);
	setting = open(path, O_WRONLY | O_CLOEXEC);
	if (setting < 0)
		return -errno;
	r = write(setting, text, strlen(text)) < 0 ? -errno : 0;
	close(setting);
	setting = -1;
	return r;
}

static int cannot(int error)
{
	if (ctl_bus()->kind == IPC_BUS_DAEMON && access("/sys/module/ipcbus", F_OK) < 0)
		return fail_with(STATUS_NO_BUS, "ipcctl monitor and ipcctl top work with ipcbusd",
				 "ipcbusd has no tracepoints");
	if (error == -EACCES || error == -EPERM)
		return fail_with(STATUS_DENIED, fail_root_hint(),
				 "no permission to trace the kernel");
	if (error == -ENOENT)
		return fail_with(
			STATUS_NO_BUS,
			"load the driver: modprobe ipcbus; mount tracefs: mount -t tracefs tracefs "
			"/sys/kernel/tracing",
			"cannot find the tracepoints of ipcbus");
	return fail_with(STATUS_FAILED, NULL, "cannot trace: %s", strerror(-error));
}

/* The instances of processes that were killed, which had no time to remove theirs. Without
 * permission nothing happens here, and mkdir() will say it. */
static void remove_stale(void)
{
	DIR *dir = opendir(instances);
	struct dirent *entry;
	char path[320];
	pid_t pid;

	while (dir && (entry = readdir(dir))) {
		if (sscanf(entry->d_name, "ipcctl-%d", &pid) != 1 || kill(pid, 0) == 0 ||
		    errno != ESRCH)
			continue;
		snprintf(path, sizeof(path), "%s/%s", instances, entry->d_name);
		rmdir(path);
	}
	if (dir)
		closedir(dir);
}

/* Its files must be closed before the instance can be removed. Async-signal-safe. */
static void end(void)
{
	if (setting >= 0)
		close(setting);
	if (trace_pipe >= 0)
		close(trace_pipe);
	setting = trace_pipe = -1;
	rmdir(instance);
}

/* The clock is CLOCK_MONOTONIC, as in the driver's records. */
static int begin(void)
{
	char path[256];
	int r;

	snprintf(instances, sizeof(instances), "%s/instances",
		 access("/sys/kernel/tracing/instances", F_OK) == 0 ? "/sys/kernel/tracing" :
								       "/sys/kernel/debug/tracing");
	remove_stale();
	snprintf(instance, sizeof(instance), "%s/ipcctl-%d", instances, (int)getpid());
	stop_cleanup(end);
	if (mkdir(instance, 0700) < 0)
		return -errno;
	r = put_file("trace_clock", "mono");
	if (r == 0)
		r = put_file("buffer_size_kb", "8192");
	snprintf(path, sizeof(path), "%s/trace_pipe", instance);
	if (r == 0) {
		trace_pipe = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		r = trace_pipe < 0 ? -errno : 0;
	}
	if (r == 0)
		r = put_file("events/ipcbus/enable", "1");
	return r;
}

/* --- Recording ---------------------------------------------------------------------- */

/* Takes all complete lines. The rest moves to the beginning of text. */
static int take_lines(struct trace *trace, char *text, size_t *size)
{
	char *line = text, *newline;
	int r = 0;

	while (r == 0 && (newline = memchr(line, '\n', text + *size - line))) {
		*newline = '\0';
		r = trace_line(trace, line);
		line = newline + 1;
	}
	*size = text + *size - line;
	memmove(text, line, *size);
	return r;
}

/* Reads what the pipe has now. */
static int drain(struct trace *trace, char *text, size_t *size, size_t capacity)
{
	ssize_t n;
	int r = 0;

	while (r == 0 && (n = read(trace_pipe, text + *size, capacity - *size)) > 0) {
		*size += n;
		r = take_lines(trace, text, size);
		if (*size == capacity)
			*size = 0;
	}
	return r;
}

static bool is_over(pid_t command, uint64_t until)
{
	siginfo_t info = { 0 };

	if (stop_requested() || (until && clock_ns() >= until))
		return true;
	return command && waitid(P_PID, command, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == command;
}

static int record(struct trace *trace, pid_t command)
{
	static char text[1 << 16];
	uint64_t until = time_ms ? clock_ns() + (uint64_t)time_ms * 1000000 : 0;
	bool over = false;
	size_t size = 0;
	int r = 0;

	while (r == 0 && !over) {
		over = is_over(command, until);
		r = drain(trace, text, &size, sizeof(text));
		if (r == 0 && !over)
			poll(NULL, 0, 20);
	}
	return r;
}

static pid_t start(char **argv)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	execvp(argv[0], argv);
	fprintf(stderr, "ipcctl: %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

/* The command keeps its standard output; the timeline goes to a file. */
static int record_all(struct trace *trace, struct names **ret_names, char **argv)
{
	pid_t command = 0;
	int r;

	/* First: that may take seconds, which are not to be recorded. */
	*ret_names = names_new(/* describe= */ true);
	stop_on_signals();
	r = begin();
	if (r == 0) {
		if (*argv)
			command = start(argv);
		r = command < 0 ? -errno : record(trace, command);
	}
	stop_cleanup(NULL);
	end();
	if (command > 0) {
		if (stop_requested() || time_ms)
			kill(command, SIGTERM);
		waitpid(command, NULL, 0);
	}
	return r < 0 ? cannot(r) : STATUS_OK;
}

static int read_input(struct trace *trace)
{
	FILE *file = fopen(input, "re");
	char *line = NULL;
	size_t size = 0;
	int r = 0;

	if (!file)
		return fail_with(STATUS_FAILED, NULL, "%s: %s", input, strerror(errno));
	while (r == 0 && getline(&line, &size, file) > 0)
		r = trace_line(trace, line);
	free(line);
	fclose(file);
	return r < 0 ? fail_memory() : STATUS_OK;
}

/* --- Writing -------------------------------------------------------------------- */

static int put(const struct trace *trace, struct names *names)
{
	json_t *json = trace_to_json(trace, names);
	int r;

	if (!json)
		return fail_memory();
	if (!strcmp(output, "-"))
		return out_line(json);
	r = json_dump_file(json, output, JSON_COMPACT);
	json_decref(json);
	if (r < 0)
		return fail_with(STATUS_FAILED, "is the disk full?", "cannot write %s", output);
	if (trace->lost)
		fprintf(stderr, "ipcctl: the kernel dropped %llu events\n",
			(unsigned long long)trace->lost);
	if (ctl.json)
		return out_json(json_pack("{s:s, s:I, s:I}", "file", output, "messages",
					  (json_int_t)trace->n, "lost", (json_int_t)trace->lost));
	printf("wrote %zu messages to %s; open it at https://ui.perfetto.dev or chrome://tracing\n",
	       trace->n, output);
	return STATUS_OK;
}

static int run(int argc, char **argv)
{
	struct trace trace = { 0 };
	struct names *names = NULL;
	int status;

	if (input && argc)
		return fail_with(STATUS_USAGE, NULL, "--input and COMMAND exclude each other");
	if (input)
		status = read_input(&trace);
	else
		status = record_all(&trace, &names, argv);
	if (!status && !names)
		names = names_from_json(NULL);
	if (!status)
		status = names ? put(&trace, names) : fail_memory();
	names_free(names);
	trace_done(&trace);
	return status;
}

const struct verb verb_trace = {
	.name = "trace",
	.arguments = "[COMMAND [ARGUMENT]...]",
	.summary = "record a timeline of all messages, for Perfetto",
	.description =
		"Records the driver's tracepoints until COMMAND ends, --time is over or Ctrl-C. Then it\n"
		"writes a timeline that https://ui.perfetto.dev and chrome://tracing open: each call on\n"
		"the threads of client and server, with arrows in both directions. Methods have names if\n"
		"their service describes its interface. The timeline has all buses of the machine. Needs\n"
		"root. Options of COMMAND follow \"--\".\n",
	.example = "  sudo ipcctl trace --output echo.json -- ./client hello\n",
	.statuses = MAY_END(NO_BUS) | MAY_END(DENIED) | MAY_END(TIMEOUT),
	.options = options,
	.max = 256,
	.run = run,
};
