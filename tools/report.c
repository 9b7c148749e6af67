// SPDX-License-Identifier: MIT
/*
 * A report: see report.h. Each table, and the dump of each service, is the output of an ipcctl of
 * its own, so what crashes or holds it up costs that part only. Many run at once.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bus.h"
#include "ipcctl.h"
#include "out.h"
#include "report.h"
#include "servicemanager.ipc.h"
#include "state.h"
#include "text.h"
#include "value.h"

#define MAX_WORDS 12
/* Bytes of a part. */
#define MAX_TABLE (16 << 20)
#define MAX_DUMP  (1 << 20)
/* Services that are asked at once. */
#define AT_ONCE 32

/**
 * struct part - the output of one ipcctl
 * @words: its arguments, ended by NULL
 * @max: bytes that it may write
 * @pid: its process; 0: it could not be started
 * @out: a file in memory that gets its output; or -1
 * @status: how it ended: an enum status, or -1
 */
struct part {
	const char *words[4];
	rlim_t max;
	pid_t pid;
	int out;
	int status;
};

/* --- Running ------------------------------------------------------------------------ */

/* In the child. Without --timeout, each verb has the usual time. */
static void run(const struct part *part)
{
	const struct rlimit limit = { part->max, part->max };
	const char *words[MAX_WORDS] = { "ipcctl", "--color", "never" };
	char seconds[32];
	size_t n = 3;

	if (ctl.device) {
		words[n++] = "--device";
		words[n++] = ctl.device;
	}
	snprintf(seconds, sizeof(seconds), "%u.%03u", ctl.timeout_ms / 1000,
		 ctl.timeout_ms % 1000);
	words[n++] = "--timeout";
	words[n++] = ctl.timeout_ms ? seconds : "5";
	for (size_t i = 0; part->words[i]; i++)
		words[n++] = part->words[i];
	/* What does not fit is not written. */
	signal(SIGXFSZ, SIG_IGN);
	if (dup2(part->out, STDOUT_FILENO) < 0 || dup2(part->out, STDERR_FILENO) < 0 ||
	    setrlimit(RLIMIT_FSIZE, &limit) < 0)
		_exit(STATUS_FAILED);
	execv("/proc/self/exe", (char **)words);
	_exit(STATUS_FAILED);
}

static void start(struct part *part)
{
	fflush(stdout);
	part->out = memfd_create("ipcctl-report", MFD_CLOEXEC);
	part->pid = part->out < 0 ? -1 : fork();
	if (part->pid == 0)
		run(part);
}

static void finish(struct part *part)
{
	int status = 0;
	pid_t r = -1;

	part->status = -1;
	if (part->pid > 0) {
		do
			r = waitpid(part->pid, &status, 0);
		while (r < 0 && errno == EINTR);
	}
	if (r > 0 && WIFEXITED(status))
		part->status = WEXITSTATUS(status);
}

/* All that it wrote, without what a terminal would interpret. The caller frees it; NULL: no
 * memory. */
static char *text_of(const struct part *part)
{
	off_t size = part->out < 0 ? 0 : lseek(part->out, 0, SEEK_END);
	char *text = calloc(1, size > 0 ? (size_t)size + 64 : 1), *line, *next;
	ssize_t n = 0;

	if (text && size > 0)
		n = pread(part->out, text, size, 0);
	for (ssize_t i = 0; i < n; i++)
		if (!text[i])
			text[i] = '?';
	if (text && n > 0 && (rlim_t)size >= part->max)
		snprintf(text + n, 64, "\nipcctl: the rest is left out; the status was %d\n",
			 part->status);
	for (line = text; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next = '\0';
		text_clean_line(line);
		if (next)
			*next++ = '\n';
	}
	return text;
}

/* --- Printing ----------------------------------------------------------------------- */

static void put_title(const char *title, const char *more)
{
	printf("%s=== %s%s%s ===%s\n", out_color(COLOR_BOLD), title, *more ? " " : "", more,
	       out_plain());
}

static json_t *part_json(const struct part *part, const char *text)
{
	json_t *words = json_array();

	for (size_t i = 0; part->words[i]; i++)
		words = value_append(words, text_json(part->words[i]));
	return json_pack("{s:o, s:i, s:s}", "command", words, "status", part->status, "text", text);
}

/* Takes the part. parts: gets it as JSON, or NULL. */
static int put_part(struct part *part, json_t **parts)
{
	char *text;

	finish(part);
	text = text_of(part);
	if (part->out >= 0)
		close(part->out);
	if (!text)
		return fail_memory();
	if (ctl.json) {
		*parts = value_append(*parts, part_json(part, text));
	} else {
		put_title(part->words[0], part->words[1] ? part->words[1] : "");
		fputs(text, stdout);
		if (part->status < 0)
			puts("ipcctl: it did not end as it should");
		putchar('\n');
	}
	free(text);
	return ctl.json && !*parts ? fail_memory() : STATUS_OK;
}

/* In their order. */
static int put_parts(struct part *parts, size_t n, json_t **json)
{
	int status = STATUS_OK;

	for (size_t i = 0; i < n; i++)
		start(&parts[i]);
	for (size_t i = 0; i < n; i++) {
		if (!status) {
			status = put_part(&parts[i], json);
		} else {
			finish(&parts[i]);
			close(parts[i].out);
		}
	}
	return status;
}

/* A file of the driver. */
static int put_file(const char *name, json_t **parts)
{
	FILE *file = state_open(name);
	char *line = NULL;
	size_t size = 0;
	json_t *lines = json_array();

	if (!ctl.json)
		put_title(name, "");
	while (file && getline(&line, &size, file) > 0) {
		line[strcspn(line, "\n")] = '\0';
		text_clean(line);
		if (ctl.json)
			lines = value_append(lines, json_string(line));
		else
			puts(line);
	}
	if (!ctl.json)
		puts(file ? "" : "ipcctl: no permission, or no such file\n");
	if (file)
		fclose(file);
	free(line);
	if (ctl.json)
		*parts = value_append(*parts, json_pack("{s:s, s:o}", "file", name, "lines", lines));
	else
		json_decref(lines);
	return ctl.json && !*parts ? fail_memory() : STATUS_OK;
}

/* --- The report ----------------------------------------------------------------------- */

static int put_tables(json_t **json)
{
	struct part tables[] = {
		{ .words = { "doctor" }, .max = MAX_TABLE },
		{ .words = { "list" }, .max = MAX_TABLE },
		{ .words = { "list", "--activatable" }, .max = MAX_TABLE },
		{ .words = { "policy", "show" }, .max = MAX_TABLE },
		{ .words = { "stats" }, .max = MAX_TABLE },
		{ .words = { "tree" }, .max = MAX_TABLE },
	};

	return put_parts(tables, sizeof(tables) / sizeof(*tables), json);
}

static const char *pid_of(const json_t *row, char *key, size_t size)
{
	snprintf(key, size, "%lld", (long long)value_number(row, "pid"));
	return key;
}

/* Asks AT_ONCE services of rows, from first on. silent: processes that did not reply, by pid as
 * text; their further services are not asked. */
static int put_some_dumps(const json_t *rows, size_t first, json_t *silent, json_t **json)
{
	struct part dumps[AT_ONCE] = { 0 };
	const json_t *of[AT_ONCE];
	size_t n = 0;
	int status = STATUS_OK;
	char key[24];

	for (size_t i = first; i < first + AT_ONCE && i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);

		if (json_object_get(silent, pid_of(row, key, sizeof(key))))
			continue;
		of[n] = row;
		dumps[n++] = (struct part){ .words = { "dump", value_text(row, "name") },
					    .max = MAX_DUMP };
	}
	status = put_parts(dumps, n, json);
	for (size_t i = 0; i < n; i++)
		if (dumps[i].status == STATUS_TIMEOUT)
			json_object_set_new(silent, pid_of(of[i], key, sizeof(key)), json_true());
	return status;
}

/* Without a service manager there are none: the tables above have said so. */
static int put_dumps(json_t **json)
{
	struct service_manager *manager = NULL;
	json_t *rows = NULL, *silent = json_object();
	struct ipc *ipc = NULL;
	int status = STATUS_OK;

	if (ipc_wait_manager(ctl_device(), 0) != 1 || bus_manager(&ipc, &manager))
		return STATUS_OK;
	bus_list(manager, "", &rows);
	service_manager_unref(manager);
	ipc_unref(ipc);
	for (size_t i = 0; !status && i < json_array_size(rows); i += AT_ONCE)
		status = put_some_dumps(rows, i, silent, json);
	json_decref(rows);
	json_decref(silent);
	return status;
}

int report_put(void)
{
	char when[32], what[256];
	time_t now = time(NULL);
	json_t *parts = json_array();
	struct utsname system = { 0 };
	struct tm tm;
	int status;

	uname(&system);
	gmtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	snprintf(what, sizeof(what), "%s %s %s", system.sysname, system.release, system.machine);
	if (!ctl.json) {
		put_title("ipcctl " IPC_VERSION, when);
		printf("bus: %s\nkernel: %s %s\n\n", ctl_device(), what, system.version);
	}
	status = put_tables(&parts);
	if (!status)
		status = put_file("transactions", &parts);
	if (!status)
		status = put_dumps(&parts);
	if (status || !ctl.json) {
		json_decref(parts);
		return status ? status : out_flush();
	}
	return out_json(json_pack("{s:s, s:s, s:s, s:s, s:o}", "version", IPC_VERSION, "time", when,
				  "bus", ctl_device(), "kernel", what, "parts", parts));
}
