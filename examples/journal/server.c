// SPDX-License-Identifier: MIT
/*
 * server FILE: writes lines to the file, and reports which lines are safe. It may be killed with
 * SIGKILL at any time. The next server continues with the same file.
 */
#include <stdio.h>
#include <stdlib.h>

#include "file.h"
#include "journal.ipc.h"

#define WRITERS_MAX 256

static struct file *file;
static struct {
	uint32_t id;
	uint64_t last;
} writers[WRITERS_MAX];

/* Returns the last number of a writer, which is 0 at first, or NULL if there are too many
 * writers. */
static uint64_t *last_of(uint32_t writer)
{
	for (size_t i = 0; i < WRITERS_MAX; i++) {
		if (!writers[i].last)
			writers[i].id = writer;
		if (writers[i].id == writer)
			return &writers[i].last;
	}
	return NULL;
}

static int write_line(struct ipc_call *call, const Journal__Line *request, void *userdata)
{
	uint64_t *last = last_of(request->writer);

	(void)call, (void)userdata;
	/* A oneway has no reply for an error. The writer notices the error in the reply of
	 * Safe(). */
	if (last && request->number == *last + 1 &&
	    file_append(file, request->writer, request->number, request->text) == 0)
		*last = request->number;
	return 0;
}

static int safe(struct ipc_call *call, const Journal__SafeRequest *request, void *userdata)
{
	Journal__SafeReply reply = JOURNAL__SAFE_REPLY__INIT;
	const uint64_t *last = last_of(request->writer);

	(void)userdata;
	reply.number = last ? *last : 0;
	return journal_reply_safe(call, &reply);
}

static const struct journal_ops ops = { .write = write_line, .safe = safe };

int main(int argc, char **argv)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	const struct record *record = NULL;
	int r;

	if (argc != 2) {
		fprintf(stderr, "usage: server FILE\n");
		return 2;
	}
	file = file_open(argv[1], /* writable= */ 1);
	if (!file) {
		perror(argv[1]);
		return 1;
	}
	while ((record = file_next(file, record)) != NULL && last_of(record->writer))
		*last_of(record->writer) = record->number;

	r = ipc_open(&ipc, /* bus= */ NULL);
	if (r < 0)
		return ipc_print_open_error(/* bus= */ NULL, r);
	r = journal_register(ipc, "demo.journal", &ops, /* userdata= */ NULL);
	if (r < 0)
		return ipc_print_error("register demo.journal", r, NULL);
	r = ipc_run(ipc);
	return r < 0 ? ipc_print_error("serve demo.journal", r, NULL) : 0;
}
