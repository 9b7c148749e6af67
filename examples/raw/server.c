// SPDX-License-Identifier: MIT
/*
 * An object of bytes instead of messages. It stores texts under numbers, and lists them as a
 * stream. It needs neither protobuf nor generated code.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "notes.h"

static char notes[NOTES_MAX][NOTE_SIZE];

/* The first byte is the number of the note, and the rest is its text. */
static int put(struct ipc_call *call, const struct ipc_raw_message *request)
{
	const struct ipc_raw_message done = { .size = 0 };
	const unsigned char *data = request->data;

	if (request->size < 1 || data[0] >= NOTES_MAX)
		return ipc_call_fail(call, 0, "notes.NoSuchNote", "notes are 0 to %d",
				     NOTES_MAX - 1);
	if (request->size - 1 >= NOTE_SIZE)
		return ipc_call_fail(call, 0, "notes.TooLong", "a note has up to %d bytes",
				     NOTE_SIZE - 1);

	memset(notes[data[0]], 0, NOTE_SIZE);
	memcpy(notes[data[0]], data + 1, request->size - 1);
	return ipc_raw_reply(call, &done);
}

static int get(struct ipc_call *call, const struct ipc_raw_message *request)
{
	const unsigned char *data = request->data;
	struct ipc_raw_message reply = { .size = 0 };

	if (request->size != 1 || data[0] >= NOTES_MAX)
		return ipc_call_fail(call, 0, "notes.NoSuchNote", "notes are 0 to %d",
				     NOTES_MAX - 1);

	reply.data = notes[data[0]];
	reply.size = strlen(notes[data[0]]);
	return ipc_raw_reply(call, &reply);
}

static int serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	(void)userdata;
	switch (request->method) {
	case NOTES_PUT:
		return put(call, request);
	case NOTES_GET:
		return get(call, request);
	default:
		return ipc_call_fail(call, EOPNOTSUPP, NULL, NULL);
	}
}

/* Sends each note that is not empty as a message. *next is the note to send next. */
static void list_more(struct ipc_stream *stream, void *userdata)
{
	int *next = userdata;

	for (; *next < NOTES_MAX; ++*next) {
		struct ipc_raw_message note = {
			.data = notes[*next],
			.size = strlen(notes[*next]),
		};
		int r = note.size ? ipc_raw_stream_send(stream, &note, /* timeout_usec= */ 0) : 0;

		/* The function runs again when there is space, or the stream has ended. */
		if (r < 0)
			return;
	}
	ipc_stream_end(stream);
}

static int list(struct ipc_stream *stream, uint32_t method, void *userdata)
{
	static const struct ipc_stream_ops list_ops = {
		.size = sizeof(list_ops),
		.on_writable = list_more,
		.destroy = free,
	};
	int *next, r;

	(void)userdata;
	if (method != NOTES_LIST)
		return -EOPNOTSUPP;
	next = calloc(1, sizeof(*next));
	if (!next)
		return -ENOMEM;
	r = ipc_stream_set_ops(stream, &list_ops, next);
	if (r < 0)
		free(next);
	else
		list_more(stream, next);
	return r;
}

static const struct ipc_raw_ops ops = {
	.interface = "notes.Notes",
	.serve = serve,
	.stream = list,
};

int main(void)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;
	int r;

	r = ipc_open(&ipc, /* bus= */ NULL);
	if (r < 0)
		return ipc_print_open_error(/* bus= */ NULL, r);

	r = ipc_raw_object_new(ipc, &ops, /* userdata= */ NULL, &object);
	if (r == 0)
		r = ipc_register_name(ipc, NOTES_NAME, object, /* ret_slot= */ NULL);
	if (r < 0)
		return ipc_print_error("register " NOTES_NAME, r, NULL);

	r = ipc_run(ipc);
	if (r < 0)
		return ipc_print_error("serve " NOTES_NAME, r, NULL);
	return 0;
}
