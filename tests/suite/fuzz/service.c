// SPDX-License-Identifier: MIT
/*
 * See service.h.
 *
 * Input: the number of events, then for each event: whether it opens a stream, or its kind, its
 * target object, its method, its objects, and its payload.
 */
#include "service.h"

#include "account.h"
#include "tests/fake-device.h"
#include "input.h"

#define MAX_EVENTS 12
#define FIRST_CALL 100
#define FIRST_BUFFER 500

static uint64_t n_calls, n_buffers;

static unsigned int make_objects(struct input *input, struct ipcbus_object *objects)
{
	unsigned int n = input_byte(input) % 4;

	for (unsigned int i = 0; i < n; i++) {
		uint8_t what = input_byte(input);

		objects[i] = (struct ipcbus_object){ .tag = input_byte(input) };
		if (what & 1) {
			objects[i].type = IPCBUS_OBJECT_HANDLE;
			objects[i].value = what | 1;
			account_handle(what | 1);
		} else {
			objects[i].type = IPCBUS_OBJECT_FD;
			objects[i].value = account_fd();
		}
	}
	return n;
}

/* A method of the service, of every object, of a stream, or an unknown method. */
static uint32_t choose_code(const struct ipc_interface *interface, uint8_t choice)
{
	if (choice < 128)
		return interface->methods[choice % interface->n_methods].number;
	if (choice < 160)
		return IPC_NUMBER_BUILTIN + choice % 5;
	return choice % 4 + (choice < 240 ? IPC_NUMBER_BUILTIN + 16 : 0);
}

/* A stream that is opened correctly, which random bytes would not achieve. */
static void push_opening(const struct fuzz_service *service, struct input *input)
{
	const struct ipc_interface *interface = service->interface;
	struct ipcbus_event event = {
		.kind = IPCBUS_EVENT_CALL,
		.cookie = 1,
		.code = IPC_NUMBER_STREAM,
		.call = FIRST_CALL + n_calls++,
		.buffer = FIRST_BUFFER + n_buffers++,
	};
	struct ipcbus_object objects[2];
	Ipc__StreamOpen open = IPC__STREAM_OPEN__INIT;
	Ipc__Object ends[2] = { IPC__OBJECT__INIT, IPC__OBJECT__INIT };
	uint8_t payload[64];

	for (unsigned int i = 0; i < 2; i++) {
		objects[i] = (struct ipcbus_object){
			.type = IPCBUS_OBJECT_HANDLE, .value = 10 + i, .tag = 2 + 2 * i
		};
		account_handle(10 + i);
		ends[i].id = objects[i].tag;
	}
	open.has_method = true;
	open.method = interface->methods[input_byte(input) % interface->n_methods].number;
	open.has_window = true;
	/* Some values exceed the maximum. */
	open.window = input_byte(input) % 20;
	open.data = &ends[0];
	open.control = &ends[1];
	fake_push(event, payload, ipc__stream_open__pack(&open, payload), objects, 2);
}

static void push_event(const struct fuzz_service *service, struct input *input)
{
	uint8_t what = input_byte(input);
	struct ipcbus_object objects[4];
	struct ipcbus_event event = {
		.kind = what & 1 ? IPCBUS_EVENT_CALL : IPCBUS_EVENT_ONEWAY,
		.flags = what & 2 ? IPCBUS_EVENT_ACCEPT_FDS : 0,
		.cookie = what & 4 ? 1 + input_byte(input) % (fake.cookie + 1) : 1,
		.code = choose_code(service->interface, input_byte(input)),
		.uid = what & 8 ? 0 : 1000,
		.pid = 1,
	};
	unsigned int n = make_objects(input, objects);
	const uint8_t *payload;
	size_t size = input_bytes(input, input_byte(input), &payload);

	event.buffer = FIRST_BUFFER + n_buffers++;
	if (event.kind == IPCBUS_EVENT_CALL)
		event.call = FIRST_CALL + n_calls++;
	fake_push(event, payload, size, objects, n);
}

static void check_replies(void)
{
	unsigned int replies[FAKE_MAX] = { 0 };

	must(fake.n_sent <= FAKE_MAX);
	for (unsigned int i = 0; i < fake.n_sent; i++) {
		const struct ipcbus_send *sent = &fake.sent[i].send;

		if (sent->kind != IPCBUS_SEND_REPLY && sent->kind != IPCBUS_SEND_ERROR)
			continue;
		must(sent->call >= FIRST_CALL && sent->call < FIRST_CALL + n_calls);
		must(++replies[sent->call - FIRST_CALL] == 1);
	}
}

static void check_buffers(void)
{
	unsigned int times[FAKE_MAX] = { 0 };

	must(fake.n_released == n_buffers);
	for (unsigned int i = 0; i < fake.n_released; i++)
		must(++times[fake.released[i] - FIRST_BUFFER] == 1);
}

/* The callers drop all objects that the service created. */
static void let_go(struct ipc *ipc)
{
	for (uint64_t cookie = fake.cookie; cookie > 1; cookie--) {
		struct ipcbus_event idle = { .kind = IPCBUS_EVENT_IDLE, .cookie = cookie };

		fake_push(idle, NULL, 0, NULL, 0);
		must(ipc_process(ipc) >= 0);
	}
}

int fuzz_service(const struct fuzz_service *service, const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	unsigned int n = input_byte(&input) % (MAX_EVENTS + 1);
	struct ipc_object *object;
	struct ipc *ipc;
	uint64_t id;

	fake_reset();
	account_begin();
	n_calls = n_buffers = 0;
	must(ipc_open(&ipc, NULL) == 0);
	must(ipc_object_new(ipc, service->interface, service->ops, service->userdata, NULL,
			    &object) == 0);
	must(ipc_object_id(object, &id) == 0);
	/* In sequence, so that each may target an object that an earlier message created. */
	for (unsigned int i = 0; i < n; i++) {
		if (input_byte(&input) % 4)
			push_event(service, &input);
		else
			push_opening(service, &input);
		must(ipc_process(ipc) >= 0);
	}
	let_go(ipc);
	must(ipc_process(ipc) == 0);
	ipc_object_unref(object);
	ipc_unref(ipc);
	check_replies();
	check_buffers();
	account_end();
	return 0;
}
