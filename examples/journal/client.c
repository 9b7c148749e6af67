// SPDX-License-Identifier: MIT
/*
 * client WRITER COUNT: writes COUNT lines. Ends when all lines are safe, even if the server is
 * killed and started again in the meantime. A client must keep lines until they are safe. This
 * client does not need to, because it can generate them again.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "journal.ipc.h"

#define LINES_AT_ONCE 64

/* Returns the last safe number, or -errno. */
static int64_t ask_safe(struct journal *journal, uint32_t writer)
{
	ipc_auto(journal_safe_reply_free) Journal__SafeReply *reply = NULL;
	Journal__SafeRequest request = JOURNAL__SAFE_REQUEST__INIT;
	int r;

	request.writer = writer;
	r = journal_safe(journal, &request, &reply, /* error= */ NULL);
	return r < 0 ? r : (int64_t)reply->number;
}

static int write_lines(struct journal *journal, uint32_t writer, uint64_t from, uint64_t to)
{
	/* If the server is behind, waits for space for at most this time. */
	static const struct ipc_options options = { .timeout_usec = 1000000 };
	Journal__Line line = JOURNAL__LINE__INIT;
	char text[64];
	int r = 0;

	line.writer = writer;
	line.text = text;
	for (line.number = from; line.number <= to && r == 0; line.number++) {
		snprintf(text, sizeof(text), "line %" PRIu64 " of writer %u", line.number, writer);
		r = journal_write_with(journal, &options, &line);
	}
	return r;
}

/* Writes until all lines are safe (returns 0) or the server dies (returns -errno). *safe never
 * decreases. */
static int write_all(struct journal *journal, uint32_t writer, uint64_t count, uint64_t *safe)
{
	for (;;) {
		int64_t now = ask_safe(journal, writer);
		int r;

		if (now < 0)
			return (int)now;
		if ((uint64_t)now < *safe) {
			fprintf(stderr, "lost lines: %" PRIu64 " were safe, now %" PRId64 "\n",
				*safe, now);
			exit(3);
		}
		*safe = (uint64_t)now;
		if (*safe >= count)
			return 0;
		r = write_lines(journal, writer, *safe + 1,
				*safe + LINES_AT_ONCE < count ? *safe + LINES_AT_ONCE : count);
		if (r < 0)
			return r;
	}
}

int main(int argc, char **argv)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	uint64_t safe = 0;
	int servers = 0;
	int r;

	if (argc != 3) {
		fprintf(stderr, "usage: client WRITER COUNT\n");
		return 2;
	}
	r = ipc_open(&ipc, /* bus= */ NULL);
	if (r < 0)
		return ipc_print_open_error(/* bus= */ NULL, r);
	do {
		ipc_auto(journal_unref) struct journal *journal = NULL;

		r = journal_wait(ipc, "demo.journal", IPC_NEVER, &journal);
		if (r < 0)
			return ipc_print_error("find demo.journal", r, NULL);
		servers++;
		r = write_all(journal, (uint32_t)atoi(argv[1]), strtoull(argv[2], NULL, 10), &safe);
		if (r == -EAGAIN || r == -ETIMEDOUT)
			r = -EOWNERDEAD;
	} while (r == -EOWNERDEAD);
	if (r < 0)
		return ipc_print_error("write", r, NULL);
	printf("safe: %" PRIu64 ", servers: %d\n", safe, servers);
	return 0;
}
