// SPDX-License-Identifier: MIT
/*
 * Oneways: the driver queues them in order, and the server handles them slowly. Times are relative
 * to the first call, because both sides use the same clock.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client.h"

#define LINES		5
#define BUSY_MSEC	40

/* Sends the lines. *ret_sent is the time at which the last call had returned. */
static int send_lines(struct story *story, uint64_t start, uint64_t *ret_sent)
{
	Story__LogRequest request = STORY__LOG_REQUEST__INIT;
	char line[32];
	int r;

	request.line = line;
	request.busy_msec = BUSY_MSEC;
	for (int i = 1; i <= LINES; i++) {
		snprintf(line, sizeof(line), "line %d", i);
		r = story_log(story, &request);
		if (r < 0)
			return r;
		*ret_sent = now_usec() - start;
	}
	return 0;
}

static int show_lines(const Story__ReadReply *reply, uint64_t start, uint64_t sent)
{
	char expected[32];

	for (size_t i = 0; i < reply->n_entries; i++) {
		const Story__LogEntry *entry = reply->entries[i];

		show("server", "%5.1f to %5.1f ms: handles \"%s\"",
		     (entry->begin_usec - start) / 1e3, (entry->end_usec - start) / 1e3,
		     entry->line);
		snprintf(expected, sizeof(expected), "line %zu", i + 1);
		if (strcmp(entry->line, expected))
			return fail("wrong order: expected \"%s\"", expected);
		if (i && entry->begin_usec < reply->entries[i - 1]->end_usec)
			return fail("begun before the previous line was done");
	}
	if (reply->n_entries != LINES)
		return fail("%zu of %d lines arrived", reply->n_entries, LINES);
	if (reply->entries[LINES - 1]->end_usec - start < sent)
		return fail("the client had to wait for the server");
	return 0;
}

int step_oneway(struct ipc *ipc, struct story *story)
{
	ipc_auto(story_read_reply_free) Story__ReadReply *reply = NULL;
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	Story__ReadRequest request = STORY__READ_REQUEST__INIT;
	uint64_t start = now_usec(), sent = 0;
	int r;

	(void)ipc;
	r = send_lines(story, start, &sent);
	if (r < 0)
		return ipc_print_error("log", r, NULL);

	show("client", "calls Log() %d times; the last call returns at %.2f ms", LINES, sent / 1e3);
	request.lines = LINES;
	r = story_read(story, &request, &reply, &error);
	if (r < 0)
		return ipc_print_error("read", r, &error);

	return show_lines(reply, start, sent);
}
