/* SPDX-License-Identifier: MIT */
/*
 * What the tests of streams on the fake device share: the other end of what this side opens.
 */
#ifndef IPC_STREAM_RUN_H
#define IPC_STREAM_RUN_H

#include <ipc/ipc.pb-c.h>

#include "core/object.h"
#include "core/stream.h"
#include "fake-device.h"
#include "test-run.h"

/* A StreamOpen of the other end. */
static inline void push_open_of(struct ipcbus_event event, uint32_t method, uint64_t deadline,
				uint32_t window)
{
	Ipc__StreamOpen open = IPC__STREAM_OPEN__INIT;
	Ipc__Object data = IPC__OBJECT__INIT, control = IPC__OBJECT__INIT;
	struct ipcbus_object entries[] = {
		{ IPCBUS_OBJECT_HANDLE, .value = 9, .tag = 1001 },
		{ IPCBUS_OBJECT_HANDLE, .value = 10, .tag = 1002 },
	};
	uint8_t bytes[64];

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
	fake_push(event, bytes, ipc__stream_open__pack(&open, bytes), entries, 2);
}

static inline void push_open(struct ipcbus_event event, uint32_t method, uint64_t deadline)
{
	push_open_of(event, method, deadline, STREAM_WINDOW);
}

/* The server accepts what is opened next. */
static inline void push_opened(void)
{
	push_open((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY, .buffer = 7 }, 0, 0);
}

/* The cookie of the data object (0) or the control object (1) of the end that was opened last. */
static inline uint64_t opened_cookie(struct ipc *ipc, int which)
{
	const struct ipc_object *object = map_get(&ipc->nodes,
						  fake_last()->objects[which].value);

	return object->wants.cookie;
}

static inline void serve_all_of(struct ipc *ipc)
{
	while (ipc_process(ipc) > 0)
		;
}

#endif /* IPC_STREAM_RUN_H */
