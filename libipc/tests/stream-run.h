/* SPDX-License-Identifier: MIT */
/*
 * Shared code of the stream tests on the fake device: the remote end of streams that this side
 * opens.
 */
#ifndef IPC_STREAM_RUN_H
#define IPC_STREAM_RUN_H

#include <ipc/ipc.pb-c.h>

#include "conn/frame.h"
#include "core/object.h"
#include "core/stream.h"
#include "fake-device.h"
#include "test-run.h"

/* Puts a frame around a message that follows a header, with a single name in its metadata. */
static inline size_t add_metadata(uint8_t *frame, size_t message_size, size_t metadata_size)
{
	struct frame_header header = { .magic = FRAME_MAGIC, .message_size = message_size,
				       .metadata_size = metadata_size };
	uint8_t *metadata = frame + FRAME_ALIGN(sizeof(header) + message_size);

	memcpy(frame, &header, sizeof(header));
	memset(metadata, 'v', metadata_size);
	memcpy(metadata, "name", sizeof("name"));
	metadata[metadata_size - 1] = 0;
	return FRAME_ALIGN((size_t)(metadata - frame) + metadata_size);
}

/* A StreamOpen from the remote side. metadata_size: 0 for none. */
static inline void push_open_with(struct ipcbus_event event, uint32_t method, uint64_t deadline,
				  uint32_t window, size_t metadata_size)
{
	static uint8_t bytes[128 + 2 * STREAM_MAX_EXPLANATION];
	size_t at = metadata_size ? sizeof(struct frame_header) : 0, size;
	Ipc__StreamOpen open = IPC__STREAM_OPEN__INIT;
	Ipc__Object data = IPC__OBJECT__INIT, control = IPC__OBJECT__INIT;
	struct ipcbus_object entries[] = {
		{ IPCBUS_OBJECT_HANDLE, .value = 9, .tag = 1001 },
		{ IPCBUS_OBJECT_HANDLE, .value = 10, .tag = 1002 },
	};

	data.id = 1001;
	control.id = 1002;
	open.data = &data;
	open.control = &control;
	open.has_window = true;
	open.window = window;
	open.has_method = method;
	open.method = method;
	open.has_deadline = deadline;
	open.deadline = deadline;
	size = ipc__stream_open__pack(&open, bytes + at);
	fake_push(event, bytes, at ? add_metadata(bytes, size, metadata_size) : size, entries, 2);
}

/* push_open() uses the objects 1001 and 1002; this function passes entries for them. */
static inline void push_open_bringing(struct ipcbus_event event, uint32_t method,
				      const struct ipcbus_object *entries, unsigned int n)
{
	Ipc__StreamOpen open = IPC__STREAM_OPEN__INIT;
	Ipc__Object data = IPC__OBJECT__INIT, control = IPC__OBJECT__INIT;
	uint8_t bytes[128];

	data.id = 1001;
	control.id = 1002;
	open.data = &data;
	open.control = &control;
	open.has_method = method;
	open.method = method;
	fake_push(event, bytes, ipc__stream_open__pack(&open, bytes), entries, n);
}

static inline void push_open_of(struct ipcbus_event event, uint32_t method, uint64_t deadline,
				uint32_t window)
{
	push_open_with(event, method, deadline, window, /* metadata_size= */ 0);
}

static inline void push_open(struct ipcbus_event event, uint32_t method, uint64_t deadline)
{
	push_open_of(event, method, deadline, STREAM_WINDOW);
}

/* The server accepts the stream that is opened next. */
static inline void push_opened(void)
{
	push_open((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY, .buffer = 7 }, 0, 0);
}

/* The cookie of the data object (0) or the control object (1) of the end that was opened last. */
static inline uint64_t opened_cookie(int which)
{
	return id_cookie(fake_last()->objects[which].tag);
}

static inline void serve_all_of(struct ipc *ipc)
{
	while (ipc_process(ipc) > 0)
		;
}

#endif /* IPC_STREAM_RUN_H */
