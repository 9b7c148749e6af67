// SPDX-License-Identifier: MIT
/*
 * The connection, its service and the walk; see library.h.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "files.h"
#include "library.h"
#include "memory.h"
#include "core/proxy.h"
#include "core/stream.h"
#include "tap.h"

#define MOST_POINTS 200

struct ipc *ipc;
struct test *peer;
struct ipc_object *object, *other;
struct ipc_call *kept;
struct ipc_stream *opened;
struct ipc_call **keep_crates;
struct ipc_error error;
Ipc__Test__EchoReply *echoed;
int handled, destroyed, carry_fd = -1;
enum way way;

void assert_may(int r)
{
	ck_assert_msg(r >= 0 || r == -ENOMEM, "failed with %d (%s)", r, strerror(-r));
}

/* --- The service of this side ------------------------------------------------ */

int send_reply(struct ipc_call *call, const char *text)
{
	Ipc__Test__EchoReply reply = IPC__TEST__ECHO_REPLY__INIT;

	reply.text = (char *)text;
	return test_reply_echo(call, &reply);
}

static int echo(struct ipc_call *call, const Ipc__Test__EchoRequest *request, void *userdata)
{
	(void)userdata;
	handled++;
	switch (way) {
	case KEEP:
		kept = ipc_call_ref(call);
		return 0;
	case RAISE:
		return ipc_call_fail(call, 0, "fail.Test", "%s", request->text);
	case EXPLAIN:
		return ipc_call_fail(call, EDOM, NULL, "%s", request->text);
	default:
		return send_reply(call, request->text);
	}
}

/* Replies with the received objects and an object of its own. */
static int carry(struct ipc_call *call, const Ipc__Test__Cargo *request, void *userdata)
{
	Ipc__Test__Cargo reply = IPC__TEST__CARGO__INIT;
	Ipc__Object mine = IPC__OBJECT__INIT;
	int r;

	(void)userdata;
	handled++;
	r = ipc_object_id(other, &mine.id);
	if (r < 0)
		return r;
	reply.chosen_object = &mine;
	reply.choice_case = IPC__TEST__CARGO__CHOICE_CHOSEN_OBJECT;
	reply.objects = request->objects;
	reply.n_objects = request->n_objects;
	reply.fd = request->fd;
	return test_reply_carry(call, &reply);
}

static int log_line(struct ipc_call *call, const Ipc__Test__EchoRequest *request, void *userdata)
{
	(void)call, (void)request, (void)userdata;
	handled++;
	return 0;
}

/* Replies with the received bytes. */
static int ship(struct ipc_call *call, const Ipc__Test__Crate *request, void *userdata)
{
	(void)userdata;
	handled++;
	if (keep_crates) {
		*keep_crates = ipc_call_ref(call);
		return 0;
	}
	return test_reply_ship(call, request);
}

static int count_up(struct ipc_stream *stream, const Ipc__Test__EchoRequest *request,
		    void *userdata)
{
	(void)request, (void)userdata;
	handled++;
	opened = ipc_stream_ref(stream);
	return 0;
}

static int gather(struct ipc_stream *stream, void *userdata)
{
	return count_up(stream, NULL, userdata);
}

const struct test_ops ops = {
	.echo = echo, .carry = carry, .log = log_line, .ship = ship, .count = count_up,
	.gather = gather,
};

void on_destroy(void *userdata)
{
	(void)userdata;
	destroyed++;
}

/* --- Messages to this side --------------------------------------------------- */

void push(struct ipcbus_event event, const ProtobufCMessage *message,
	  const struct ipcbus_object *objects, unsigned int n)
{
	static uint8_t data[FAKE_PAYLOAD];
	size_t size = message ? protobuf_c_message_pack(message, data) : 0;

	event.buffer = 50;
	fake_push(event, data, size, objects, n);
}

void push_reply(const char *text)
{
	Ipc__Test__EchoReply reply = IPC__TEST__ECHO_REPLY__INIT;

	reply.text = (char *)text;
	push((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY }, &reply.base, NULL, 0);
}

struct ipcbus_event request_event(uint32_t kind, const char *method)
{
	return (struct ipcbus_event){
		.kind = kind,
		.cookie = object->wants.cookie,
		.code = method_of(&test_interface, method)->number,
		.call = kind == IPCBUS_EVENT_CALL ? CALL : 0,
	};
}

void push_request(uint32_t kind, const char *method, const char *text)
{
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;

	request.text = (char *)text;
	push(request_event(kind, method), &request.base, NULL, 0);
}

/* Handles, a file, and an object that returns home. */
void push_cargo(struct ipcbus_event event)
{
	Ipc__Test__Cargo cargo = IPC__TEST__CARGO__INIT;
	Ipc__Object ids[HANDLES + 1], *objects[HANDLES + 1];
	struct ipcbus_object table[HANDLES + 2];
	Ipc__Fd fd = IPC__FD__INIT;
	unsigned int i;

	for (i = 0; i <= HANDLES; i++) {
		ids[i] = (Ipc__Object)IPC__OBJECT__INIT;
		ids[i].id = 1000 + i;
		objects[i] = &ids[i];
		table[i] = (struct ipcbus_object){ IPCBUS_OBJECT_HANDLE, .value = 10 + i,
						   .tag = 1000 + i };
	}
	table[HANDLES].type = IPCBUS_OBJECT_NODE;
	table[HANDLES].value = object->node;
	table[HANDLES].cookie = object->wants.cookie;
	fd.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	table[HANDLES + 1] = (struct ipcbus_object){ IPCBUS_OBJECT_FD, .value = fd.fd,
						     .tag = fd.fd };
	cargo.objects = objects;
	cargo.n_objects = HANDLES + 1;
	cargo.fd = &fd;
	push(event, &cargo.base, table, HANDLES + 2);
}

void push_stream_end(struct ipcbus_event event, uint32_t method)
{
	struct ipcbus_object table[] = {
		{ IPCBUS_OBJECT_HANDLE, .value = DATA, .tag = 77 },
		{ IPCBUS_OBJECT_HANDLE, .value = CONTROL, .tag = 78 },
	};
	Ipc__StreamOpen open = IPC__STREAM_OPEN__INIT;
	Ipc__Object ids[] = { IPC__OBJECT__INIT, IPC__OBJECT__INIT };

	ids[0].id = 77;
	ids[1].id = 78;
	open.data = &ids[0];
	open.control = &ids[1];
	open.has_window = true;
	open.window = STREAM_WINDOW;
	open.has_method = method != 0;
	open.method = method;
	push(event, &open.base, table, 2);
}

bool is_waiting(void)
{
	return ipc_wait_event(ipc, 0) == 1;
}

int act_process(void)
{
	return ipc_process(ipc);
}

void process_all(void)
{
	while (is_waiting())
		ck_assert_int_ge(act_process(), 0);
}

/* --- A connection -------------------------------------------------------------- */

void begin(void)
{
	struct ipc_proxy *proxy;
	uint64_t id;

	fake_reset();
	handled = destroyed = 0;
	way = REPLY;
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(proxy_arrived_at(ipc, 5, NULL, &proxy), 0);
	memory_handle_arrived();
	peer = test_from_proxy(proxy);
	ck_assert_int_eq(test_object_new(ipc, &ops, NULL, on_destroy, &object), 0);
	ck_assert_int_eq(ipc_object_id(object, &id), 0);
	ck_assert_int_eq(test_object_new(ipc, &ops, NULL, on_destroy, &other), 0);
}

int call_echo(const char *text)
{
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;

	request.text = (char *)text;
	return test_echo(peer, &request, &echoed, &error);
}

/* Calls work in both directions. */
static void expect_usable(void)
{
	int before = handled;

	ck_assert(!is_waiting());
	way = REPLY;
	push_reply("usable");
	ck_assert_int_eq(call_echo("hello"), 0);
	ck_assert_str_eq(echoed->text, "usable");
	test_echo_reply_free(echoed);
	push_request(IPCBUS_EVENT_CALL, "Echo", "hello");
	ck_assert_int_eq(ipc_process(ipc), 1);
	ck_assert_int_eq(handled, before + 1);
	ck_assert_int_eq(fake_last()->send.kind, IPCBUS_SEND_REPLY);
	ck_assert_int_eq(ipc_process(ipc), 0);
}

void end(void)
{
	expect_usable();
	ipc_error_done(&error);
	peer = test_unref(peer);
	object = ipc_object_unref(object);
	other = ipc_object_unref(other);
	ck_assert_int_eq(memory_handles(), 0);
	ck_assert_uint_eq(ipc->proxies.count, 0);
	ck_assert_uint_eq(ipc->watches.count, 0);
	ipc = ipc_unref(ipc);
	ck_assert_int_eq(destroyed, 2);
	if (carry_fd >= 0)
		close(carry_fd);
	carry_fd = -1;
}

/* --- The walk ---------------------------------------------------------------- */

static struct {
	const struct scenario *sc;
	enum memory_kind kind;
	enum memory_how how;
	unsigned int nth;	/* 0: none fails */
	bool failed;
} running;

void tap_context(void)
{
	static const char *const kinds[] = { "piece of memory", "request to the driver" };
	static const char *const hows[] = { "", " and the next", " and all that follow" };

	printf("#   failing: %s %u%s\n", kinds[running.kind], running.nth, hows[running.how]);
}

/* Runs in a new thread: its end frees the library's thread-local memory. */
static void *run(void *unused)
{
	struct files files;
	int r;

	files_note(&files);
	begin();
	running.sc->prepare();
	memory_arm(running.kind, running.how, running.nth);
	r = running.sc->act();
	running.failed = memory_disarm();
	running.sc->finish(r);
	end();
	files_expect(&files);
	return unused;
}

static void run_in_thread(void)
{
	pthread_t thread;
	long before;

	fake_reset();
	before = memory_pieces();
	ck_assert_int_eq(pthread_create(&thread, NULL, run, NULL), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	fake_reset();
	ck_assert_msg(memory_pieces() == before, "%ld pieces of memory are left",
		      memory_pieces() - before);
}

static unsigned int walk_kind(enum memory_kind kind, enum memory_how how)
{
	running.kind = kind;
	running.how = how;
	for (running.nth = 1;; running.nth++) {
		run_in_thread();
		if (!running.failed)
			return running.nth - 1;
		ck_assert_uint_lt(running.nth, MOST_POINTS);
	}
}

static void walk(const void *arg)
{
	unsigned int points[MEMORY_HOWS] = {};

	running.sc = arg;
	running.nth = 0;
	run_in_thread();
	for (int how = 0; how < MEMORY_HOWS; how++)
		for (int kind = 0; kind < MEMORY_KINDS; kind++)
			points[how] += walk_kind(kind, how);
	tap_ok("%u points, %u with more after it", points[MEMORY_ONCE],
	       points[MEMORY_TWICE] + points[MEMORY_ALWAYS]);
}

int library_walk(const struct scenario *scenarios, size_t n)
{
	tap_plan(n);
	for (size_t i = 0; i < n; i++)
		tap_run(scenarios[i].name, walk, &scenarios[i]);
	return tap_result();
}
