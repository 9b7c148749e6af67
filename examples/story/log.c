// SPDX-License-Identifier: MIT
/*
 * Two handlers that do not reply at once: Log() is a oneway and never replies. Read() keeps its
 * call, and Log() replies to it when there are enough lines. Also the output of "ipcctl dump
 * demo.story".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server.h"

#define MAX_LINES	1000
#define MAX_BUSY_MSEC	1000

static void log_clear(struct log *log)
{
	for (size_t i = 0; i < log->n_lines; i++)
		free(log->lines[i].text);
	free(log->lines);
	log->lines = NULL;
	log->n_lines = 0;
}

static int log_add(struct log *log, const struct log_line *line)
{
	struct log_line *lines;

	if (log->n_lines == MAX_LINES)
		return -ENOSPC;
	lines = reallocarray(log->lines, log->n_lines + 1, sizeof(*lines));
	if (!lines)
		return -ENOMEM;

	log->lines = lines;
	lines[log->n_lines] = *line;
	lines[log->n_lines].text = strdup(line->text);
	if (!lines[log->n_lines].text)
		return -ENOMEM;
	log->n_lines++;
	return 0;
}

/* Sends all lines to the reader. protobuf-c needs an array of pointers. */
static int reply_lines(struct ipc_call *call, struct log *log)
{
	Story__ReadReply reply = STORY__READ_REPLY__INIT;
	Story__LogEntry entries[MAX_LINES], *pointers[MAX_LINES];
	int r;

	for (size_t i = 0; i < log->n_lines; i++) {
		story__log_entry__init(&entries[i]);
		entries[i].line = log->lines[i].text;
		entries[i].begin_usec = log->lines[i].begin_usec;
		entries[i].end_usec = log->lines[i].end_usec;
		pointers[i] = &entries[i];
	}
	reply.entries = pointers;
	reply.n_entries = log->n_lines;
	r = story_reply_read(call, &reply);
	log_clear(log);
	return r;
}

int serve_read(struct ipc_call *call, const Story__ReadRequest *request, void *userdata)
{
	struct log *log = &((struct server *)userdata)->log;

	if (log->n_lines >= request->lines)
		return reply_lines(call, log);
	if (log->reader)
		return ipc_call_fail(call, -EBUSY, NULL, "another caller waits for the lines");

	log->reader = ipc_call_ref(call);
	log->wanted = request->lines;
	return 0;
}

static int is_selected(const char *line, char *const *args, size_t n_args)
{
	for (size_t i = 0; i < n_args; i++)
		if (strstr(line, args[i]))
			return 1;
	return n_args == 0;
}

/* Prints the log. With arguments, prints only lines that contain an argument. */
int dump_log(struct ipc_call *call, int fd, char *const *args, size_t n_args, void *userdata)
{
	const struct log *log = &((const struct server *)userdata)->log;

	(void)call;
	if (dprintf(fd, "%zu lines wait to be read%s\n", log->n_lines,
		    log->reader ? ", and a reader for more" : "") < 0)
		return -EIO;
	for (size_t i = 0; i < log->n_lines; i++)
		if (is_selected(log->lines[i].text, args, n_args) &&
		    dprintf(fd, "%s\n", log->lines[i].text) < 0)
			return -EIO;
	return 0;
}

/* A oneway has no reply, so its errors are not reported. */
int serve_log(struct ipc_call *call, const Story__LogRequest *request, void *userdata)
{
	struct log *log = &((struct server *)userdata)->log;
	struct log_line line = { .text = request->line, .begin_usec = now_usec() };
	int r;

	(void)call;
	if (request->busy_msec > MAX_BUSY_MSEC)
		return -EINVAL;

	usleep(request->busy_msec * 1000);
	line.end_usec = now_usec();
	r = log_add(log, &line);
	if (r < 0 || !log->reader || log->n_lines < log->wanted)
		return r;

	r = reply_lines(log->reader, log);
	log->reader = ipc_call_unref(log->reader);
	return r;
}
