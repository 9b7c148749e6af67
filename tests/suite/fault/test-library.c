// SPDX-License-Identifier: MIT
/*
 * The library without memory: each operation on the fake device, with the first allocation failing,
 * then the second, and so on: once, twice, or from there on. Also with a driver that has no memory.
 * The operation must return -ENOMEM, lose no data, and succeed when memory is available again.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "library.h"
#include "memory.h"
#include "core/proxy.h"
#include "servicemanager.ipc.h"
#include "typed/name.h"

static struct ipc_proxy *found;
static Ipc__Test__Cargo *carried;
static int died;
static char long_text[20000];

static void nothing(void)
{
}

/* --- Opening, objects -------------------------------------------------------- */

static struct ipc *first;

static int act_open(void)
{
	return ipc_open(&ipc, NULL);
}

static void prepare_open(void)
{
	first = ipc;
}

static void finish_open(int r)
{
	assert_may(r);
	if (r < 0)
		ck_assert_int_eq(act_open(), 0);
	ipc_unref(ipc);
	ipc = first;
}

static struct ipc_object *made;

static struct ipc_object *objects[3];

/* The next object makes the tables grow. */
static void prepare_objects(void)
{
	uint64_t id;

	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(test_object_new(ipc, &ops, NULL, NULL, &objects[i]), 0);
		ck_assert_int_eq(ipc_object_id(objects[i], &id), 0);
	}
}

/* An object and its number, which is assigned at its first use. */
static int act_object(void)
{
	uint64_t id;
	int r;

	r = test_object_new(ipc, &ops, NULL, on_destroy, &made);
	if (r < 0)
		return r;
	return ipc_object_id(made, &id);
}

static void finish_object(int r)
{
	uint64_t id;

	assert_may(r);
	if (r < 0 && made)
		ck_assert_int_eq(ipc_object_id(made, &id), 0);
	else if (r < 0)
		ck_assert_int_eq(act_object(), 0);
	made = ipc_object_unref(made);
	/* All nodes except the node of the first object are destroyed. */
	ck_assert_uint_eq(fake.n_settled, fake.n_nodes - 1);
	ck_assert_int_eq(destroyed, 1);
	destroyed = 0;
}

static void finish_objects(int r)
{
	assert_may(r);
	for (int i = 0; i < 3; i++)
		objects[i] = ipc_object_unref(objects[i]);
	finish_object(r);
	ck_assert_uint_eq(ipc->cookies.count, 1);
}

static int act_manager(void)
{
	return ipc_set_manager(ipc, other);
}

static void finish_manager(int r)
{
	assert_may(r);
	if (r < 0)
		ck_assert_int_eq(act_manager(), 0);
}

/* --- Calls to the remote side ---------------------------------------------------- */

static void prepare_call(void)
{
	push_reply("world");
}

static int act_call(void)
{
	return call_echo("hello");
}

static void push_long(void)
{
	push_reply(long_text);
}

static int act_long(void)
{
	return call_echo(long_text);
}

/* The reply may have arrived and failed to decode: then call again. */
static void finish_echo(int r, void (*again)(void), int (*act)(void), const char *text)
{
	assert_may(r);
	if (r < 0) {
		ck_assert_int_eq(error.code, r);
		if (!is_waiting())
			again();
		ck_assert_int_eq(act(), 0);
	}
	ck_assert_str_eq(echoed->text, text);
	test_echo_reply_free(echoed);
}

static void finish_call(int r)
{
	finish_echo(r, prepare_call, act_call, "world");
}

static void finish_long(int r)
{
	finish_echo(r, push_long, act_long, long_text);
}

static void push_error(void)
{
	Ipc__Error sent = IPC__ERROR__INIT;

	sent.name = "fail.Name";
	sent.text = long_text;
	push((struct ipcbus_event){ .kind = IPCBUS_EVENT_ERROR, .error = -EREMOTEIO }, &sent.base,
	     NULL, 0);
}

/* The error code always arrives; its explanation only if there is memory. */
static void finish_error(int r)
{
	if (r == -ENOMEM && is_waiting())
		r = act_call();
	ck_assert_int_eq(r, -EREMOTEIO);
	ck_assert_int_eq(error.code, -EREMOTEIO);
	if (error.name)
		ck_assert_str_eq(error.name, "fail.Name");
	if (error.text)
		ck_assert_str_eq(error.text, long_text);
}

static void push_cargo_reply(void)
{
	push_cargo((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY });
}

/* An object that has no number yet, and a file. */
static int send_cargo(int (*send)(const Ipc__Test__Cargo *cargo))
{
	Ipc__Test__Cargo cargo = IPC__TEST__CARGO__INIT;
	Ipc__Object id = IPC__OBJECT__INIT;
	Ipc__Fd fd = IPC__FD__INIT;
	int r;

	if (carry_fd < 0)
		carry_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	r = ipc_object_id(other, &id.id);
	if (r < 0)
		return r;
	fd.fd = carry_fd;
	cargo.object = &id;
	cargo.fd = &fd;
	return send(&cargo);
}

static int send_carry(const Ipc__Test__Cargo *cargo)
{
	return test_carry(peer, cargo, &carried, &error);
}

static int send_drop(const Ipc__Test__Cargo *cargo)
{
	return test_drop(peer, cargo);
}

static int act_carry(void)
{
	return send_cargo(send_carry);
}

static void finish_carry(int r)
{
	struct ipc_object *home;

	assert_may(r);
	if (r < 0) {
		if (!is_waiting())
			push_cargo_reply();
		ck_assert_int_eq(act_carry(), 0);
	}
	ck_assert_uint_eq(carried->n_objects, HANDLES + 1);
	ck_assert_int_eq(memory_handles(), HANDLES + 1);
	ck_assert_int_eq(fcntl(carried->fd->fd, F_GETFD) >= 0, 1);
	ck_assert_int_eq(ipc_take_object(ipc, &carried->objects[HANDLES]->id, &home), 0);
	ck_assert_ptr_eq(home, object);
	ipc_object_unref(home);
	test_carry_reply_free(carried);
}

/* Bytes that are sent in place, and enough other content to need memory. */
static const Ipc__Test__Cargo *large_cargo(void)
{
	static Ipc__Test__Cargo cargo = IPC__TEST__CARGO__INIT;
	static uint8_t ballast[40000];
	static char text[2000];

	memset(ballast, 'b', sizeof(ballast));
	memset(text, 'x', sizeof(text) - 1);
	cargo.ballast = (ProtobufCBinaryData){ .len = sizeof(ballast), .data = ballast };
	cargo.choice_case = IPC__TEST__CARGO__CHOICE_CHOSEN_TEXT;
	cargo.chosen_text = text;
	return &cargo;
}

static void push_bytes(void)
{
	push((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY }, &large_cargo()->base, NULL, 0);
}

static int act_bytes(void)
{
	return send_carry(large_cargo());
}

static void finish_bytes(int r)
{
	assert_may(r);
	if (r < 0) {
		if (!is_waiting())
			push_bytes();
		ck_assert_int_eq(act_bytes(), 0);
	}
	ck_assert_uint_eq(carried->ballast.len, large_cargo()->ballast.len);
	ck_assert_mem_eq(carried->ballast.data, large_cargo()->ballast.data, carried->ballast.len);
	ck_assert_str_eq(carried->chosen_text, large_cargo()->chosen_text);
	test_carry_reply_free(carried);
	ck_assert_uint_eq(ipc->borrowed, 0);
}

static int act_drop(void)
{
	return send_cargo(send_drop);
}

static void finish_drop(int r)
{
	assert_may(r);
	ck_assert_uint_eq(fake.n_sent, r == 0);
	if (r < 0)
		ck_assert_int_eq(act_drop(), 0);
	ck_assert_uint_eq(fake_last()->send.object_count, 2);
}

/* The remote side calls back while this side waits. */
static void prepare_nested(void)
{
	push_request(IPCBUS_EVENT_CALL, "Echo", "back");
	push_reply("world");
}

static void expect_reply(unsigned int i, const char *text)
{
	const struct fake_sent *sent = &fake.sent[i];
	Ipc__Test__EchoReply *reply;

	ck_assert_uint_eq(sent->send.call, CALL);
	if (sent->send.kind == IPCBUS_SEND_ERROR) {
		ck_assert_uint_eq(sent->send.code, ENOMEM);
		return;
	}
	ck_assert_uint_eq(sent->send.kind, IPCBUS_SEND_REPLY);
	reply = ipc__test__echo_reply__unpack(NULL, sent->send.data_size, sent->data);
	ck_assert_str_eq(reply->text, text);
	ipc__test__echo_reply__free_unpacked(reply, NULL);
}

static void finish_nested(int r)
{
	assert_may(r);
	if (r < 0 && !is_waiting())
		push_reply("world");
	if (r < 0)
		ck_assert_int_eq(act_call(), 0);
	ck_assert_uint_eq(fake.sent[0].send.kind, IPCBUS_SEND_CALL);
	expect_reply(1, "back");
	ck_assert_str_eq(echoed->text, "world");
	test_echo_reply_free(echoed);
}

/* --- Calls from the remote side -------------------------------------------------- */

static void prepare_serve(void)
{
	push_request(IPCBUS_EVENT_CALL, "Echo", "hello");
}

static void prepare_serve_long(void)
{
	push_request(IPCBUS_EVENT_CALL, "Echo", long_text);
}

/* Takes the events that were not taken before. */
static void process_again(int r)
{
	assert_may(r);
	if (r < 0 && is_waiting())
		ck_assert_int_eq(act_process(), 1);
	ck_assert(!is_waiting());
}

/* The call gets a reply in any case, possibly only the error. */
static void finish_serve(int r)
{
	process_again(r);
	ck_assert_uint_eq(fake.n_sent, 1);
	expect_reply(0, "hello");
}

static void finish_serve_long(int r)
{
	process_again(r);
	ck_assert_uint_eq(fake.n_sent, 1);
	expect_reply(0, long_text);
}

static void prepare_raise(void)
{
	prepare_serve_long();
	way = RAISE;
}

static void prepare_explain(void)
{
	prepare_serve_long();
	way = EXPLAIN;
}

static void finish_explain(int r)
{
	uint32_t code;

	process_again(r);
	ck_assert_uint_eq(fake.n_sent, 1);
	ck_assert_uint_eq(fake_last()->send.kind, IPCBUS_SEND_ERROR);
	code = fake_last()->send.code;
	if (handled)
		ck_assert_uint_eq(code, way == RAISE ? EREMOTEIO : EDOM);
	else
		ck_assert_uint_eq(code, ENOMEM);
}

static void prepare_keep(void)
{
	prepare_serve_long();
	way = KEEP;
	ck_assert_int_eq(act_process(), 1);
	ck_assert_ptr_nonnull(kept);
	ck_assert_uint_eq(fake.n_sent, 0);
}

static int act_late(void)
{
	return send_reply(kept, "late");
}

/* If a reply failed, the call can be replied to again. */
static void finish_late(int r)
{
	assert_may(r);
	if (r < 0)
		ck_assert_int_eq(act_late(), 0);
	ck_assert_int_eq(act_late(), -EALREADY);
	kept = ipc_call_unref(kept);
	ck_assert_uint_eq(fake.n_sent, 1);
	ck_assert_uint_eq(fake_last()->send.kind, IPCBUS_SEND_REPLY);
	expect_reply(0, "late");
}

static void prepare_serve_carry(void)
{
	push_cargo(request_event(IPCBUS_EVENT_CALL, "Carry"));
}

static void finish_serve_carry(int r)
{
	const struct ipcbus_send *sent;

	process_again(r);
	ck_assert_uint_eq(fake.n_sent, 1);
	sent = &fake_last()->send;
	if (sent->kind == IPCBUS_SEND_ERROR)
		ck_assert_uint_eq(sent->code, ENOMEM);
	else
		ck_assert_uint_eq(sent->object_count, HANDLES + 3);
	ck_assert_int_eq(memory_handles(), 1);
}

static void prepare_serve_oneway(void)
{
	push_request(IPCBUS_EVENT_ONEWAY, "Log", long_text);
}

/* The oneway is lost for lack of memory, but its buffer is released: other oneways wait for it. */
static void finish_serve_oneway(int r)
{
	process_again(r);
	ck_assert_uint_eq(fake.n_sent, 0);
	ck_assert_uint_eq(fake.n_released, 1);
}

/* --- Deaths ------------------------------------------------------------------ */

static void on_death(struct ipc_proxy *proxy, void *userdata)
{
	(void)proxy, (void)userdata;
	died++;
}

static void prepare_watch(void)
{
	died = 0;
}

static int act_watch(void)
{
	return test_on_death(peer, on_death, NULL, NULL);
}

static void finish_watch(int r)
{
	assert_may(r);
	ck_assert_int_eq(fake.watches, r == 0);
	if (r < 0)
		ck_assert_int_eq(act_watch(), 0);
	push((struct ipcbus_event){ .kind = IPCBUS_EVENT_DEAD, .cookie = fake.watch_cookie }, NULL,
	     NULL, 0);
	ck_assert_int_eq(act_process(), 1);
	ck_assert_int_eq(died, 1);
}

static void prepare_dead(void)
{
	prepare_watch();
	ck_assert_int_eq(act_watch(), 0);
	push((struct ipcbus_event){ .kind = IPCBUS_EVENT_DEAD, .cookie = fake.watch_cookie }, NULL,
	     NULL, 0);
}

static void finish_dead(int r)
{
	process_again(r);
	ck_assert_int_eq(died, 1);
}

/* --- Names ------------------------------------------------------------------- */

static void push_nothing(void)
{
	push((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY }, NULL, NULL, 0);
}

static int act_add(void)
{
	return ipc_register_name(ipc, "fail.test", other, /* ret_slot= */ NULL);
}

static void finish_add(int r)
{
	assert_may(r);
	if (r < 0) {
		/* The reply needs memory as well. */
		if (!is_waiting())
			push_nothing();
		ck_assert_int_eq(act_add(), 0);
	}
	ck_assert_ptr_nonnull(TAILQ_FIRST(&atomic_load(&ipc->names)->list));
	push_nothing();
	ck_assert_int_eq(ipc_unregister_name(ipc, "fail.test"), 0);
	ck_assert_ptr_null(TAILQ_FIRST(&atomic_load(&ipc->names)->list));
}

static void prepare_remove(void)
{
	push_nothing();
	ck_assert_int_eq(act_add(), 0);
	push_nothing();
}

static int act_remove(void)
{
	return ipc_unregister_name(ipc, "fail.test");
}

static void finish_remove(int r)
{
	assert_may(r);
	ck_assert_int_eq(TAILQ_EMPTY(&atomic_load(&ipc->names)->list), r == 0);
	if (r < 0)
		ck_assert_int_eq(act_remove(), 0);
}

static void push_found(void)
{
	Ipc__Manager__GetReply reply = IPC__MANAGER__GET_REPLY__INIT;
	struct ipcbus_object handle = { IPCBUS_OBJECT_HANDLE, .value = 9, .tag = 77 };
	Ipc__Object id = IPC__OBJECT__INIT;

	id.id = 77;
	reply.object = &id;
	push((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY }, &reply.base, &handle, 1);
}

static int act_get(void)
{
	return ipc_proxy_get(ipc, "fail.test", NULL, &found);
}

/* The reply has the same form. */
static int act_wait(void)
{
	return ipc_proxy_wait(ipc, "fail.test", NULL, IPC_NEVER, &found);
}

static void finish_found(int r, int (*act)(void))
{
	assert_may(r);
	if (r < 0) {
		ck_assert_int_eq(memory_handles(), 1);
		if (!is_waiting())
			push_found();
		ck_assert_int_eq(act(), 0);
	}
	ck_assert_uint_eq(ipc_proxy_id(found), id_of_handle(9));
	ipc_proxy_unref(found);
}

static void finish_get(int r)
{
	finish_found(r, act_get);
}

static void finish_wait(int r)
{
	finish_found(r, act_wait);
}

static struct ipc_name_info **listed;

static void push_list(void)
{
	Ipc__Manager__ListReply reply = IPC__MANAGER__LIST_REPLY__INIT;
	Ipc__Manager__Entry entry = IPC__MANAGER__ENTRY__INIT, *list[] = { &entry };

	entry.name = "fail.test";
	entry.interface = "fail.Test";
	reply.entries = list;
	reply.n_entries = 1;
	push((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY }, &reply.base, NULL, 0);
}

static int act_list(void)
{
	return ipc_list_names(ipc, "*", &listed);
}

static void finish_list(int r)
{
	assert_may(r);
	if (r < 0) {
		if (!is_waiting())
			push_list();
		r = act_list();
	}
	ck_assert_int_eq(r, 1);
	ck_assert_str_eq(listed[0]->name, "fail.test");
	ck_assert_ptr_null(listed[1]);
	free(listed);
}

/* Registers a name: object, number and name in a single operation. */
static int act_serve_name(void)
{
	return test_register(ipc, "fail.test", &ops, NULL);
}

static void finish_serve_name(int r)
{
	assert_may(r);
	if (r < 0) {
		if (!is_waiting())
			push_nothing();
		ck_assert_int_eq(act_serve_name(), 0);
	}
	ck_assert_ptr_nonnull(TAILQ_FIRST(&atomic_load(&ipc->names)->list));
}

/* --- Threads ----------------------------------------------------------------- */

static void stop(void)
{
	ipc_stop(ipc);
}

static void prepare_run(void)
{
	struct ipcbus_event event = request_event(IPCBUS_EVENT_ONEWAY, "Log");

	ck_assert_int_eq(ipc_set_threads(ipc, 4), 0);
	push(event, NULL, NULL, 0);
	fake.on_empty = stop;
}

static int act_run(void)
{
	return ipc_run(ipc);
}

/* If a thread cannot be started, the other threads continue. */
static void finish_run(int r)
{
	assert_may(r);
	if (r < 0 && is_waiting())
		ck_assert_int_eq(act_run(), 0);
	fake.on_empty = NULL;
}

static const struct scenario scenarios[] = {
	{ "open", prepare_open, act_open, finish_open },
	{ "object new", nothing, act_object, finish_object },
	{ "another object", prepare_objects, act_object, finish_objects },
	{ "set manager", nothing, act_manager, finish_manager },
	{ "call", prepare_call, act_call, finish_call },
	{ "long call, long reply", push_long, act_long, finish_long },
	{ "call that fails with an explanation", push_error, act_call, finish_error },
	{ "call with objects, reply with objects", push_cargo_reply, act_carry, finish_carry },
	{ "call with large bytes, reply with large bytes", push_bytes, act_bytes, finish_bytes },
	{ "oneway with objects", nothing, act_drop, finish_drop },
	{ "call with a nested call back", prepare_nested, act_call, finish_nested },
	{ "serve", prepare_serve, act_process, finish_serve },
	{ "serve long", prepare_serve_long, act_process, finish_serve_long },
	{ "serve, raising an error", prepare_raise, act_process, finish_explain },
	{ "serve, explaining an errno", prepare_explain, act_process, finish_explain },
	{ "serve later", prepare_keep, act_late, finish_late },
	{ "serve objects", prepare_serve_carry, act_process, finish_serve_carry },
	{ "serve a oneway", prepare_serve_oneway, act_process, finish_serve_oneway },
	{ "watch", prepare_watch, act_watch, finish_watch },
	{ "a death", prepare_dead, act_process, finish_dead },
	{ "add a name", push_nothing, act_add, finish_add },
	{ "remove a name", prepare_remove, act_remove, finish_remove },
	{ "get a name", push_found, act_get, finish_get },
	{ "list names", push_list, act_list, finish_list },
	{ "wait for a name", push_found, act_wait, finish_wait },
	{ "serve a name", push_nothing, act_serve_name, finish_serve_name },
	{ "run, growing a pool", prepare_run, act_run, finish_run },
};

int main(void)
{
	memset(long_text, 'x', sizeof(long_text) - 1);
	return library_walk(scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
