// SPDX-License-Identifier: MIT
/*
 * Generated skeletons and stubs, and the library below them, with a hostile peer, on the library's
 * fake device (libipc/tests/fake-device.c).
 *
 * Input: the number of events, then for each event: its kind, target object and method, object
 * table, payload. The remaining bytes select the actions of handlers and the results of their
 * calls. In every case, each call gets one reply, each buffer is released once, each fd closed and
 * each handle put.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "account.h"
#include "core/call.h"
#include "tests/fake-device.h"
#include "input.h"
#include "core/object.h"
#include "core/proxy.h"
#include "test.ipc.h"
#include "typed/typed.h"
#include "conn/thread.h"

#define MAX_EVENTS 10
#define MAX_KEPT 16
#define FIRST_CALL 100
#define FIRST_BUFFER 500

static struct ipc *ipc;
static struct ipc_object *object;
static struct test *peer;
static struct input *decisions;
static struct ipc_slot *death;
static uint64_t object_cookie, n_calls, n_buffers;
static unsigned int depth;
static struct ipc_call *kept[MAX_KEPT];
static unsigned int n_kept;

/* --- Events ----------------------------------------------------------------------------- */

static struct ipcbus_object object_make(struct input *input)
{
	uint8_t what = input_byte(input), value = input_byte(input);
	struct ipcbus_object o = { .tag = input_byte(input) };

	switch (what % 4) {
	case 0:
		o.type = IPCBUS_OBJECT_NODE;
		o.value = value;
		o.cookie = what & 4 ? object_cookie : value;
		break;
	case 1:
		o.type = IPCBUS_OBJECT_HANDLE;
		o.value = value;
		if (value)
			account_handle(value);
		break;
	case 2:
		o.type = IPCBUS_OBJECT_FD;
		o.value = account_fd();
		break;
	default:
		/* The driver sends no other types, but a newer driver might. */
		o.type = what & 8 ? IPCBUS_OBJECT_HANDLE : 9;
		o.value = 7;
		if (what & 8)
			account_handle(7);
	}
	return o;
}

static unsigned int objects_make(struct input *input, struct ipcbus_object *objects)
{
	unsigned int n = input_byte(input) % 6;

	for (unsigned int i = 0; i < n; i++)
		objects[i] = object_make(input);
	return n;
}

static struct ipcbus_event event_make(struct input *input, bool is_reply)
{
	static const enum ipcbus_event_kind replies[] = {
		IPCBUS_EVENT_REPLY, IPCBUS_EVENT_REPLY, IPCBUS_EVENT_ERROR, IPCBUS_EVENT_FAILED,
	};
	static const enum ipcbus_event_kind others[] = {
		IPCBUS_EVENT_CALL, IPCBUS_EVENT_CALL, IPCBUS_EVENT_CALL, IPCBUS_EVENT_ONEWAY,
		IPCBUS_EVENT_DEAD, IPCBUS_EVENT_IDLE, IPCBUS_EVENT_NONE, IPCBUS_EVENT_INTERRUPTED,
	};
	uint8_t what = input_byte(input), method = input_byte(input);
	struct ipcbus_event event = {
		.kind = is_reply ? replies[what % 4] : others[what % 8],
		.flags = what & 0x40 ? IPCBUS_EVENT_ACCEPT_FDS : 0,
		.cookie = what & 0x20 ? method : object_cookie,
		.error = -(method ?: 1),
	};

	event.code = method % 8 < test_interface.n_methods ?
			     test_interface.methods[method % 8].number : method;
	if (event.kind == IPCBUS_EVENT_DEAD && !(what & 0x20))
		event.cookie = fake.watch_cookie;
	return event;
}

static bool brings_content(uint32_t kind)
{
	return kind >= IPCBUS_EVENT_CALL && kind <= IPCBUS_EVENT_ERROR;
}

static void push_event(struct input *input, bool is_reply)
{
	struct ipcbus_event event = event_make(input, is_reply);
	struct ipcbus_object objects[IPCBUS_MAX_OBJECTS];
	const uint8_t *payload = NULL;
	unsigned int n = 0;
	size_t size = 0;

	if (brings_content(event.kind)) {
		n = objects_make(input, objects);
		size = input_bytes(input, input_byte(input), &payload);
		event.buffer = FIRST_BUFFER + n_buffers++;
	}
	if (event.kind == IPCBUS_EVENT_CALL)
		event.call = FIRST_CALL + n_calls++;
	fake_push(event, payload, size, objects, n);
}

/* A thread waits only for its reply, and no event is left: provide a reply. */
static void on_empty(void)
{
	push_event(decisions, /* is_reply= */ true);
}

/* --- Handlers, which may do anything ---------------------------------------------------- */

static void call_the_peer(void)
{
	struct ipc_error error = IPC_ERROR_INIT;
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;
	Ipc__Test__EchoReply *echo_reply = NULL;
	Ipc__Test__Cargo cargo = IPC__TEST__CARGO__INIT, *cargo_reply = NULL;
	int r;

	if (input_byte(decisions) & 1) {
		r = test_carry(peer, &cargo, &cargo_reply, &error);
		must((r == 0) == (cargo_reply != NULL));
		test_carry_reply_free(cargo_reply);
	} else {
		r = test_echo(peer, &request, &echo_reply, &error);
		must((r == 0) == (echo_reply != NULL));
		must(r || echo_reply->text);
		test_echo_reply_free(echo_reply);
	}
	must(r <= 0);
	ipc_error_done(&error);
}

static void take_out(const Ipc__Test__Cargo *cargo)
{
	struct ipc_proxy *proxy;
	struct ipc_object *own;
	int fd;

	for (size_t i = 0; i < cargo->n_objects; i++) {
		if (ipc_take_proxy(ipc, &cargo->objects[i]->id, &proxy) == 0)
			ipc_proxy_unref(proxy);
		else if (ipc_take_object(ipc, &cargo->objects[i]->id, &own) == 0)
			ipc_object_unref(own);
	}
	for (size_t i = 0; i < cargo->n_fds; i++) {
		fd = ipc_take_fd(&cargo->fds[i]->fd);
		if (fd >= 0)
			close(fd);
	}
}

static int give_reply(struct ipc_call *call, const ProtobufCMessage *reply, uint8_t how)
{
	switch (how % 5) {
	case 0:
		if (!reply)
			return -ENODATA;
		return ipc_rpc_reply(call, call->method, reply);
	case 1:
		return ipc_call_fail(call, 0, "test.Wrong", "%*d", how, 1);
	case 2:
		return ipc_call_fail(call, how + 1, NULL, how & 8 ? "text" : NULL);
	case 3:
		return -EIO;
	default:
		return 0;
	}
}

/* reply: of the method's type; borrowed. */
static int handle(struct ipc_call *call, const ProtobufCMessage *reply)
{
	uint8_t how = input_byte(decisions);

	if (how & 0x80 && depth < 4) {
		depth++;
		call_the_peer();
		depth--;
	}
	if (how & 0x40 && n_kept < MAX_KEPT) {
		kept[n_kept++] = ipc_call_ref(call);
		return 0;
	}
	return give_reply(call, reply, how);
}

static int echo(struct ipc_call *call, const Ipc__Test__EchoRequest *request, void *userdata)
{
	Ipc__Test__EchoReply reply = IPC__TEST__ECHO_REPLY__INIT;

	(void)userdata;
	reply.text = request->text;
	must(strlen(request->text) < 256);
	return handle(call, &reply.base);
}

static int carry(struct ipc_call *call, const Ipc__Test__Cargo *request, void *userdata)
{
	(void)userdata;
	if (input_byte(decisions) & 1)
		take_out(request);
	return handle(call, &request->base);
}

static int grow(struct ipc_call *call, const Ipc__Test__Tree *request, void *userdata)
{
	(void)userdata;
	return handle(call, &request->base);
}

static int poke(struct ipc_call *call, const Ipc__Test__EchoRequest *request, void *userdata)
{
	Ipc__None none = IPC__NONE__INIT;

	(void)request;
	(void)userdata;
	return handle(call, &none.base);
}

static int log_text(struct ipc_call *call, const Ipc__Test__EchoRequest *request, void *userdata)
{
	(void)userdata;
	(void)request;
	must(ipc_call_fail(call, EIO, NULL, NULL) == 0);
	must(ipc_call_fail(call, EIO, NULL, NULL) == -EALREADY);
	return handle(call, NULL);
}

static int drop(struct ipc_call *call, const Ipc__Test__Cargo *request, void *userdata)
{
	(void)userdata;
	take_out(request);
	return handle(call, NULL);
}

static const struct test_ops ops = {
	.echo = echo, .carry = carry, .grow = grow, .poke = poke, .log = log_text, .drop = drop,
};

static void on_death(struct ipc_proxy *proxy, void *userdata)
{
	(void)proxy;
	++*(unsigned int *)userdata;
}

/* --- Checks -------------------------------------------------------------------------------- */

static void each_call_is_replied_once(void)
{
	unsigned int replies[FAKE_MAX] = { 0 };

	must(fake.n_sent <= FAKE_MAX);
	for (unsigned int i = 0; i < fake.n_sent; i++) {
		const struct ipcbus_send *sent = &fake.sent[i].send;

		if (sent->kind != IPCBUS_SEND_REPLY && sent->kind != IPCBUS_SEND_ERROR)
			continue;
		must(sent->call >= FIRST_CALL && sent->call < FIRST_CALL + n_calls);
		replies[sent->call - FIRST_CALL]++;
	}
	for (unsigned int i = 0; i < n_calls; i++)
		must(replies[i] == 1);
}

static void each_buffer_is_released_once(void)
{
	unsigned int times[FAKE_MAX] = { 0 };

	must(fake.n_released == n_buffers);
	for (unsigned int i = 0; i < fake.n_released; i++)
		must(++times[fake.released[i] - FIRST_BUFFER] == 1);
}

/* --- An input ------------------------------------------------------------------------------- */

static void begin(unsigned int *deaths)
{
	struct ipc_proxy *proxy;
	uint64_t id;

	fake_reset();
	fake.on_empty = on_empty;
	account_begin();
	account_handle(5);
	n_calls = n_buffers = n_kept = depth = 0;
	*deaths = 0;
	must(ipc_open(&ipc, NULL) == 0);
	must(proxy_arrived_at(ipc, 5, NULL, &proxy) == 0);
	peer = test_from_proxy(proxy);
	must(test_object_new(ipc, &ops, NULL, NULL, &object) == 0);
	must(ipc_object_id(object, &id) == 0);
	object_cookie = fake.cookie;
	must(ipc_proxy_on_death(proxy, on_death, deaths, &death) == 0);
}

static void end(const unsigned int *deaths)
{
	for (unsigned int i = 0; i < n_kept; i++) {
		if (i & 1)
			give_reply(kept[i], NULL, (uint8_t)(i % 2 + 1));
		ipc_call_unref(kept[i]);
	}
	must(ipc_process(ipc) == 0);
	ipc_slot_end(death);
	test_unref(peer);
	ipc_object_unref(object);
	ipc_unref(ipc);
	must(*deaths <= 1);
	each_call_is_replied_once();
	each_buffer_is_released_once();
	account_end();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned int deaths;
	struct input input = { data, size };
	unsigned int n = input_byte(&input) % (MAX_EVENTS + 1);
	uint8_t how = input_byte(&input);

	begin(&deaths);
	for (unsigned int i = 0; i < n; i++)
		push_event(&input, /* is_reply= */ false);
	decisions = &input;
	if (how & 1) {
		fake.send_error = -ENOSPC;
		fake.send_error_kind = how & 2 ? IPCBUS_SEND_REPLY : IPCBUS_SEND_CALL;
	}
	fake.settle_error = how & 4 ? -EBUSY : 0;
	if (how & 8)
		call_the_peer();
	for (int i = 0; i < 2 * MAX_EVENTS; i++)
		must(ipc_process(ipc) >= 0);
	end(&deaths);
	return 0;
}
