// SPDX-License-Identifier: MIT
/*
 * ipcctl describe, ping, dump: what every service can do without code of its own.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus.h"
#include "clock.h"
#include "ipcctl.h"
#include "out.h"
#include "report.h"
#include "schema.h"
#include "stop.h"
#include "value.h"
#include "verbs.h"

static bool methods_only, no_comments, all;

static const struct verb_option options[] = {
	{ "no-comments", NULL, "leave out the comments of the .proto file", .flag = &no_comments },
	{ "methods", NULL, "print the names of the methods only, one a line",
	  .flag = &methods_only },
	{ 0 },
};

static const struct verb_option dump_options[] = {
	{ "all", NULL, "print a report: the state of all services, and all about the bus",
	  .flag = &all },
	{ 0 },
};

/* --- describe --------------------------------------------------------------------- */

static json_t *methods_of(const struct schema *schema)
{
	json_t *methods = json_array();

	for (size_t i = 0; methods && i < schema_count(schema); i++) {
		const struct schema_method *m = schema_at(schema, i);

		methods = value_append(
			methods, json_pack("{s:s, s:I, s:s, s:s, s:b, s:b, s:b}", "name", m->name,
					   "code", (json_int_t)m->code, "request",
					   schema_type_name(m->request), "reply",
					   schema_type_name(m->reply), "oneway", m->oneway,
					   "streams_in", m->streams_in, "streams_out",
					   m->streams_out));
	}
	return methods;
}

static int put_json(const struct schema *schema)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);
	json_t *json;
	int r;

	if (!file)
		return fail_memory();
	r = schema_print(schema, !no_comments, file);
	if (fclose(file) || r < 0) {
		free(text);
		return fail_memory();
	}
	json = json_pack("{s:s, s:o, s:s}", "interface", schema_interface(schema), "methods",
			 methods_of(schema), "proto", text);
	free(text);
	return out_json(json);
}

static int put(const struct schema *schema)
{
	if (ctl.json)
		return put_json(schema);
	if (!methods_only && schema_print(schema, !no_comments, stdout) < 0)
		return fail_with(STATUS_FAILED, NULL, "cannot write to standard output");
	for (size_t i = 0; methods_only && i < schema_count(schema); i++)
		puts(schema_at(schema, i)->name);
	return out_flush();
}

static int run_describe(int argc, char **argv)
{
	ipc_auto(ipc_proxy_unref) struct ipc_proxy *proxy = NULL;
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	struct schema *schema;
	int status;

	(void)argc;
	status = bus_describe(argv[0], &ipc, &proxy, &schema);
	if (status)
		return status;
	status = put(schema);
	schema_free(schema);
	return status;
}

/* --- ping and dump ------------------------------------------------------------------ */

static int run_ping(int argc, char **argv)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	ipc_auto(ipc_proxy_unref) struct ipc_proxy *proxy = NULL;
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	uint64_t begin;
	double us;
	int status, r;

	(void)argc;
	status = bus_find(argv[0], &ipc, &proxy);
	if (status)
		return status;
	ipc_set_timeout(ipc, bus_limit_usec());
	begin = clock_ns();
	r = ipc_proxy_ping(proxy, &error);
	us = (clock_ns() - begin) / 1000.0;
	if (r < 0)
		return r == -ETIMEDOUT ? bus_no_reply(argv[0]) : fail_call(r, &error, argv[0]);
	if (ctl.json)
		return out_json(json_pack("{s:s, s:f}", "name", argv[0], "us", us));
	printf("%s replied in %.0f us\n", argv[0], us);
	return STATUS_OK;
}

/* The service gets a pipe: it could keep our terminal, and read what is typed. over: the
 * service has replied, and what it wrote is in the pipe. */
struct dump {
	pthread_t thread;
	int ends[2];
	atomic_bool over;
};

/* To the end even if nobody reads our output: a service may die of a pipe that nobody reads. */
static void *copy_dump(void *argument)
{
	struct dump *dump = argument;
	struct pollfd poll_fd = { .fd = dump->ends[0], .events = POLLIN };
	/* What the pipe holds when the service has replied; it may go on writing for ever. */
	ssize_t left = fcntl(dump->ends[0], F_GETPIPE_SZ), n = 1;
	char buffer[4096];
	bool over;

	while (n > 0 && left > 0) {
		over = dump->over;
		/* The service may keep its end open. */
		if (poll(&poll_fd, 1, over ? 0 : 20) == 0) {
			if (over)
				break;
			continue;
		}
		n = read(dump->ends[0], buffer, sizeof(buffer));
		if (n > 0)
			out_bytes(buffer, n, /* text= */ true);
		if (over)
			left -= n;
	}
	out_bytes_end();
	return NULL;
}

static int start_dump(struct dump *dump)
{
	int r;

	signal(SIGPIPE, SIG_IGN);
	dump->over = false;
	if (pipe2(dump->ends, O_CLOEXEC) < 0)
		return fail_with(STATUS_FAILED, NULL, "cannot make a pipe: %s", strerror(errno));
	r = pthread_create(&dump->thread, NULL, copy_dump, dump);
	return r ? fail_with(STATUS_FAILED, NULL, "cannot start a thread: %s", strerror(r)) :
		   STATUS_OK;
}

static void end_dump(struct dump *dump)
{
	dump->over = true;
	pthread_join(dump->thread, NULL);
	close(dump->ends[0]);
	close(dump->ends[1]);
}

static int run_dump(int argc, char **argv)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	ipc_auto(ipc_proxy_unref) struct ipc_proxy *proxy = NULL;
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	struct dump dump;
	int status, r;

	if (all && argc)
		return fail_with(STATUS_USAGE, NULL, "--all and NAME exclude each other");
	if (all)
		return report_put();
	if (!argc)
		return fail_with(STATUS_USAGE, NULL, "missing NAME, or --all");
	if (ctl.timeout_ms)
		stop_after(ctl.timeout_ms);
	status = bus_find(argv[0], &ipc, &proxy);
	if (!status)
		status = start_dump(&dump);
	if (status)
		return status;
	ipc_set_timeout(ipc, bus_limit_usec());
	r = ipc_proxy_dump(proxy, dump.ends[1], (const char *const *)argv + 1, argc - 1, &error);
	end_dump(&dump);
	if (r == -EOPNOTSUPP)
		return fail_with(STATUS_NOT_FOUND,
				 "a service enables it with ipc_object_set_dump()",
				 "service %s has no dump", argv[0]);
	if (r == -ETIMEDOUT)
		return bus_no_reply(argv[0]);
	return r < 0 ? fail_call(r, &error, argv[0]) : out_flush();
}

const struct verb verb_describe = {
	.name = "describe",
	.arguments = "NAME",
	.summary = "print the interface of a service as a .proto file",
	.description =
		"Asks the service NAME for its interface and prints it as a .proto file, which protoc\n"
		"reads, with the comments that protoc-gen-ipc kept. The name \"servicemanager\" stands for\n"
		"the service manager.\n",
	.example = "  ipcctl describe demo.echo\n",
	.statuses = ON_BUS | MAY_END(NOT_FOUND) | MAY_END(NO_MANAGER) | MAY_END(GONE),
	.options = options,
	.min = 1,
	.max = 1,
	.run = run_describe,
};

const struct verb verb_ping = {
	.name = "ping",
	.arguments = "NAME",
	.summary = "check whether a service replies, and how fast",
	.description =
		"Sends the service NAME a call that a thread of it must serve, and prints the time from\n"
		"the call to the reply in microseconds. It waits for 5 seconds, or --timeout.\n",
	.example = "  ipcctl ping --timeout 1 demo.echo\n",
	.statuses = ON_BUS | MAY_END(NOT_FOUND) | MAY_END(NO_MANAGER) | MAY_END(GONE),
	.min = 1,
	.max = 1,
	.run = run_ping,
};

const struct verb verb_dump = {
	.name = "dump",
	.arguments = "[NAME [ARGUMENT]...]",
	.summary = "print the internal state of a service, or of all",
	.description =
		"Asks the service NAME to write its internal state to standard output. The service\n"
		"defines the format and the meaning of each ARGUMENT. Root may do this, and the user of\n"
		"the service. It waits for 5 seconds, or --timeout.\n"
		"\n"
		"--all prints a report to send with a description of a fault: version, kernel, doctor,\n"
		"services, policy, stats, objects, messages under way, and the dump of each\n"
		"service. --timeout is the time of each part, of which many are made at once. What is\n"
		"refused or takes too long is missing, and the report says so. Read it before you send\n"
		"it: services print what they like.\n",
	.example = "  ipcctl dump demo.story\n"
		   "  sudo ipcctl dump --all >report.txt\n",
	.statuses = ON_BUS | MAY_END(NOT_FOUND) | MAY_END(NO_MANAGER) | MAY_END(GONE),
	.options = dump_options,
	.max = 32,
	.keeps_time = true,
	.run = run_dump,
};
