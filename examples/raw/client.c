// SPDX-License-Identifier: MIT
/*
 * client: lists all notes. client N: prints note N. client N TEXT: writes note N.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "notes.h"

static int put(struct ipc_proxy *notes, unsigned char number, char *text)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	struct iovec parts[] = { { &number, 1 }, { text, strlen(text) } };
	struct ipc_raw_message request = { .method = NOTES_PUT, .parts = parts, .n_parts = 2 };
	int r;

	r = ipc_raw_call(notes, &request, /* options= */ NULL, /* ret_reply= */ NULL, &error);
	return r < 0 ? ipc_print_error("put", r, &error) : 0;
}

static int get(struct ipc_proxy *notes, unsigned char number)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	ipc_auto(ipc_raw_free) struct ipc_raw_message *reply = NULL;
	struct ipc_raw_message request = { .method = NOTES_GET, .data = &number, .size = 1 };
	int r;

	r = ipc_raw_call(notes, &request, /* options= */ NULL, &reply, &error);
	if (r < 0)
		return ipc_print_error("get", r, &error);

	printf("%.*s\n", (int)reply->size, (const char *)reply->data);
	return 0;
}

static int list(struct ipc_proxy *notes)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	ipc_auto(ipc_stream_unref) struct ipc_stream *stream = NULL;
	const struct ipc_raw_message *note;
	int r;

	r = ipc_raw_stream_open(notes, NOTES_LIST, /* options= */ NULL, &stream, &error);
	if (r < 0)
		return ipc_print_error("list", r, &error);

	while ((r = ipc_raw_stream_receive(stream, IPC_NEVER, &note, &error)) > 0)
		printf("%.*s\n", (int)note->size, (const char *)note->data);
	return r < 0 ? ipc_print_error("list", r, &error) : 0;
}

int main(int argc, char **argv)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	ipc_auto(ipc_proxy_unref) struct ipc_proxy *notes = NULL;
	int r;

	r = ipc_open(&ipc, /* bus= */ NULL);
	if (r < 0)
		return ipc_print_open_error(/* bus= */ NULL, r);

	r = ipc_proxy_wait(ipc, NOTES_NAME, NULL, 10000000, &notes);
	if (r < 0)
		return ipc_print_error("find " NOTES_NAME, r, NULL);

	if (argc > 2)
		return put(notes, (unsigned char)atoi(argv[1]), argv[2]);
	return argc > 1 ? get(notes, (unsigned char)atoi(argv[1])) : list(notes);
}
