// SPDX-License-Identifier: MIT
/*
 * Objects and files in messages, in both directions, on a fake device.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "fake-device.h"
#include "core/object.h"
#include "core/proxy.h"
#include "typed/table.h"
#include "test-run.h"
#include "test.ipc.h"

static struct ipc *ipc;
static const struct test_ops no_ops;
static uint64_t block[512];

static void begin(void)
{
	fake_reset();
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
}

static struct ipc_object *new_object(void)
{
	struct ipc_object *object;

	ck_assert_int_eq(test_object_new(ipc, &no_ops, NULL, NULL, &object), 0);
	return object;
}

/* --- Sending ------------------------------------------------------------------ */

START_TEST(entries_are_in_the_order_of_the_fields)
{
	struct ipc_object *object;
	Ipc__Test__Cargo cargo = IPC__TEST__CARGO__INIT;
	Ipc__Object own = IPC__OBJECT__INIT, none = IPC__OBJECT__INIT, other = IPC__OBJECT__INIT;
	Ipc__Object *objects[] = { &other, &none, &own };
	Ipc__Fd fd = IPC__FD__INIT;
	Ipc__Test__Box box = IPC__TEST__BOX__INIT;
	struct table table;

	begin();
	object = new_object();
	own.id = object_id(object);
	other.id = id_of_handle(41);
	fd.fd = 5;
	box.object = &other;
	cargo.object = &own;
	cargo.objects = objects;
	cargo.n_objects = 3;
	cargo.fd = &fd;
	cargo.box = &box;
	cargo.choice_case = IPC__TEST__CARGO__CHOICE_CHOSEN_FD;
	cargo.chosen_fd = &fd;

	ck_assert_int_eq(table_build(&table, ipc, &cargo.base), 0);
	ck_assert_uint_eq(table.n, 6);
	ck_assert_uint_eq(table.objects[0].type, IPCBUS_OBJECT_NODE);
	ck_assert_uint_eq(table.objects[0].value, 1);
	ck_assert_uint_eq(table.objects[0].tag, own.id);
	ck_assert_uint_eq(table.objects[1].type, IPCBUS_OBJECT_HANDLE);
	ck_assert_uint_eq(table.objects[1].value, 41);
	ck_assert_uint_eq(table.objects[1].tag, other.id);
	ck_assert_uint_eq(table.objects[2].type, IPCBUS_OBJECT_NODE);
	ck_assert_uint_eq(table.objects[3].type, IPCBUS_OBJECT_FD);
	ck_assert_uint_eq(table.objects[3].value, 5);
	ck_assert_uint_eq(table.objects[3].tag, 5);
	ck_assert_uint_eq(table.objects[4].value, 41);
	ck_assert_uint_eq(table.objects[5].type, IPCBUS_OBJECT_FD);
	ipc_object_unref(object);
	ipc_unref(ipc);
}
END_TEST

START_TEST(unsendable_objects)
{
	struct ipc_object *object;
	Ipc__Test__Cargo cargo = IPC__TEST__CARGO__INIT;
	Ipc__Object id = IPC__OBJECT__INIT;
	Ipc__Object *objects[IPCBUS_MAX_OBJECTS + 1];
	Ipc__Fd fd = IPC__FD__INIT;
	struct table table;

	begin();
	cargo.fd = &fd;
	ck_assert_int_eq(table_build(&table, ipc, &cargo.base), -EBADF);

	cargo.fd = NULL;
	cargo.object = &id;
	object = new_object();
	id.id = object_id(object);
	ck_assert_int_eq(table_build(&table, ipc, &cargo.base), 0);
	table_unsent(&table, ipc);
	ipc_object_unref(object);
	ck_assert_int_eq(table_build(&table, ipc, &cargo.base), -EBADF);

	cargo.object = NULL;
	id.id = id_of_handle(7);
	for (int i = 0; i <= IPCBUS_MAX_OBJECTS; i++)
		objects[i] = &id;
	cargo.objects = objects;
	cargo.n_objects = IPCBUS_MAX_OBJECTS;
	ck_assert_int_eq(table_build(&table, ipc, &cargo.base), 0);
	cargo.n_objects++;
	ck_assert_int_eq(table_build(&table, ipc, &cargo.base), -E2BIG);

	objects[3] = NULL;
	ck_assert_int_eq(table_build(&table, ipc, &cargo.base), -EBADMSG);
	ipc_unref(ipc);
}
END_TEST

START_TEST(too_deep_to_send)
{
	Ipc__Test__Box boxes[200];
	Ipc__Test__Box *inner[200];
	struct table table;

	begin();
	for (int i = 0; i < 200; i++) {
		ipc__test__box__init(&boxes[i]);
		inner[i] = &boxes[i];
	}
	for (int i = 0; i < 199; i++) {
		boxes[i].boxes = &inner[i + 1];
		boxes[i].n_boxes = 1;
	}
	ck_assert_int_eq(table_build(&table, ipc, &boxes[0].base), -EBADMSG);
	ck_assert_int_eq(table_build(&table, ipc, &boxes[150].base), 0);
	ipc_unref(ipc);
}
END_TEST

/* --- Receiving ---------------------------------------------------------------- */

/* Returns the result of receiving the cargo with these entries. */
static int receive(struct message *message, const Ipc__Test__Cargo *cargo,
		   const struct ipcbus_object *objects, unsigned int n)
{
	struct ipcbus_exchange x = { .flags = IPCBUS_WAIT };
	uint8_t data[4096];
	size_t size = ipc__test__cargo__pack(cargo, data);
	int r;

	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_CALL }, data, size, objects, n);
	ck_assert_int_eq(device_exchange(&ipc->device, ipc->generation, &x), 0);
	message_init(message, block, sizeof(block), size);
	r = claims_take(message, ipc, &x.event);
	ck_assert_int_eq(r, 0);
	r = message_unpack(message, &ipc__test__cargo__descriptor, /* borrow= */ false, data, size);
	ck_assert_int_eq(r, 0);
	return claims_bind(ipc, message);
}

static void done(struct message *message)
{
	claims_release(message);
	message_done(message);
}

static int open_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

START_TEST(fields_get_the_receivers_numbers)
{
	struct ipc_object *object;
	struct ipc_object *taken;
	struct ipc_proxy *proxy;
	Ipc__Test__Cargo cargo = IPC__TEST__CARGO__INIT, *got;
	Ipc__Object a = IPC__OBJECT__INIT, b = IPC__OBJECT__INIT;
	Ipc__Object *objects[] = { &b };
	Ipc__Fd fd = IPC__FD__INIT;
	struct ipcbus_object entries[3];
	struct message message;
	int n;

	begin();
	object = new_object();
	object_id(object);
	n = open_fd();
	a.id = 1001;
	b.id = 1002;
	fd.fd = 17;
	cargo.object = &a;
	cargo.objects = objects;
	cargo.n_objects = 1;
	cargo.fd = &fd;
	entries[0] = (struct ipcbus_object){ IPCBUS_OBJECT_HANDLE, .value = 9, .tag = 1001 };
	entries[1] = (struct ipcbus_object){ IPCBUS_OBJECT_NODE, .value = 1,
					     .cookie = fake.cookie, .tag = 1002 };
	entries[2] = (struct ipcbus_object){ IPCBUS_OBJECT_FD, .value = (uint64_t)n, .tag = 17 };
	ck_assert_int_eq(receive(&message, &cargo, entries, 3), 0);

	got = (Ipc__Test__Cargo *)message.root;
	ck_assert_uint_eq(got->object->id, id_of_handle(9));
	ck_assert_uint_eq(got->objects[0]->id, object_id(object));
	ck_assert_int_eq(got->fd->fd, n);

	ck_assert_int_eq(ipc_take_object(ipc, &got->object->id, &taken), -EXDEV);
	ck_assert_int_eq(ipc_take_proxy(ipc, &got->objects[0]->id, &proxy), -EXDEV);
	ck_assert_int_eq(ipc_take_proxy(ipc, &got->object->id, &proxy), 0);
	ck_assert_int_eq(ipc_take_object(ipc, &got->objects[0]->id, &taken), 0);
	ck_assert_int_eq(ipc_take_fd(&got->fd->fd), n);
	ck_assert_ptr_eq(taken, object);
	ck_assert_uint_eq(got->object->id, 0);
	ck_assert_int_eq(ipc_take_proxy(ipc, &got->object->id, &proxy), -ENOENT);
	ck_assert_int_eq(ipc_take_fd(&got->fd->fd), -ENOENT);

	/* The fds outlive the message, and are closed in sequence. */
	done(&message);
	ck_assert(is_open(n));
	close(n);
	ck_assert_uint_eq(fake.n_puts, 0);
	ipc_proxy_unref(proxy);
	ck_assert_uint_eq(fake.n_puts, 1);
	ck_assert_uint_eq(fake.put_handle, 9);
	ck_assert_uint_eq(fake.put_count, 1);
	ipc_object_unref(taken);
	ck_assert_uint_eq(fake.n_settled, 0);
	ipc_object_unref(object);
	ck_assert_uint_eq(fake.n_settled, 1);
	ipc_unref(ipc);
}
END_TEST

/* A message that was not received may contain any number. */
START_TEST(taken_from_an_own_message)
{
	Ipc__Object field = IPC__OBJECT__INIT;
	struct ipc_proxy *proxy, *taken;
	struct ipc_object *object, *own;

	begin();
	ck_assert_int_eq(proxy_arrived_at(ipc, 9, NULL, &proxy), 0);
	for (int i = 0; i < 2; i++) {
		field.id = ipc_proxy_id(proxy);
		ck_assert_int_eq(ipc_take_proxy(ipc, &field.id, &taken), 0);
		ck_assert_ptr_eq(taken, proxy);
		ipc_proxy_unref(taken);
		ck_assert_uint_eq(fake.n_puts, 0);
	}
	ipc_proxy_unref(proxy);
	ck_assert_uint_eq(fake.n_puts, 1);

	object = new_object();
	for (int i = 0; i < 2; i++) {
		field.id = object_id(object);
		ck_assert_int_eq(ipc_take_object(ipc, &field.id, &own), 0);
		ck_assert_ptr_eq(own, object);
		ipc_object_unref(own);
		ck_assert_uint_eq(fake.n_settled, 0);
	}
	ipc_object_unref(object);
	ck_assert_uint_eq(fake.n_settled, 1);
	ipc_unref(ipc);
}
END_TEST

START_TEST(untaken_objects_are_freed_with_the_message)
{
	Ipc__Test__Cargo cargo = IPC__TEST__CARGO__INIT;
	Ipc__Object id = IPC__OBJECT__INIT;
	Ipc__Fd fd = IPC__FD__INIT;
	struct ipcbus_object entries[2];
	struct message message;
	int n;

	begin();
	n = open_fd();
	id.id = 4;
	fd.fd = 0;
	cargo.object = &id;
	cargo.fd = &fd;
	entries[0] = (struct ipcbus_object){ IPCBUS_OBJECT_FD, .value = (uint64_t)n, .tag = 0 };
	entries[1] = (struct ipcbus_object){ IPCBUS_OBJECT_HANDLE, .value = 9, .tag = 4 };
	ck_assert_int_eq(receive(&message, &cargo, entries, 2), 0);
	ck_assert(is_open(n));
	done(&message);
	ck_assert(!is_open(n));
	ck_assert_uint_eq(fake.n_puts, 1);
	ipc_unref(ipc);
}
END_TEST

START_TEST(unnamed_objects_are_released_at_once)
{
	Ipc__Test__Cargo cargo = IPC__TEST__CARGO__INIT;
	struct ipcbus_object entries[3];
	struct message message;
	int n;

	begin();
	n = open_fd();
	entries[0] = (struct ipcbus_object){ IPCBUS_OBJECT_FD, .value = (uint64_t)n, .tag = 8 };
	entries[1] = (struct ipcbus_object){ IPCBUS_OBJECT_HANDLE, .value = 9, .tag = 4 };
	entries[2] = (struct ipcbus_object){ IPCBUS_OBJECT_HANDLE, .value = 9, .tag = 4 };
	ck_assert_int_eq(receive(&message, &cargo, entries, 3), 0);
	ck_assert(!is_open(n));
	ck_assert_uint_eq(fake.n_puts, 1);
	ck_assert_uint_eq(fake.put_count, 2);
	/* Nor are they closed again with the message: the number may belong to another file. */
	ck_assert_int_eq(open_fd(), n);
	done(&message);
	ck_assert(is_open(n));
	close(n);
	ipc_unref(ipc);
}
END_TEST

START_TEST(a_field_without_an_entry_is_refused)
{
	Ipc__Test__Cargo cargo = IPC__TEST__CARGO__INIT;
	Ipc__Object id = IPC__OBJECT__INIT;
	Ipc__Object *twice[] = { &id, &id };
	Ipc__Fd fd = IPC__FD__INIT;
	struct ipcbus_object entry = { IPCBUS_OBJECT_HANDLE, .value = 9, .tag = 4 };
	struct message message;

	begin();
	/* No entries at all. */
	id.id = 4;
	cargo.object = &id;
	ck_assert_int_eq(receive(&message, &cargo, NULL, 0), -EBADMSG);
	done(&message);
	/* Another tag: a message cannot name a handle that it did not contain. */
	id.id = 5;
	ck_assert_int_eq(receive(&message, &cargo, &entry, 1), -EBADMSG);
	done(&message);
	ck_assert_uint_eq(fake.n_puts, 1);
	/* The same entry for two fields. */
	id.id = 4;
	cargo.object = NULL;
	cargo.objects = twice;
	cargo.n_objects = 2;
	ck_assert_int_eq(receive(&message, &cargo, &entry, 1), -EBADMSG);
	done(&message);
	ck_assert_uint_eq(fake.n_puts, 2);
	/* The right tag, but another kind. */
	cargo.n_objects = 0;
	fd.fd = 4;
	cargo.fd = &fd;
	ck_assert_int_eq(receive(&message, &cargo, &entry, 1), -EBADMSG);
	done(&message);
	/* No file at all. */
	fd.fd = -1;
	ck_assert_int_eq(receive(&message, &cargo, NULL, 0), -EBADMSG);
	done(&message);
	ck_assert_uint_eq(fake.n_puts, 3);
	ipc_unref(ipc);
}
END_TEST

START_TEST(an_object_that_ended_on_the_way_is_none)
{
	Ipc__Test__Cargo cargo = IPC__TEST__CARGO__INIT, *got;
	Ipc__Object id = IPC__OBJECT__INIT;
	struct ipcbus_object entry = { IPCBUS_OBJECT_NODE, .value = 77, .cookie = 77, .tag = 4 };
	struct message message;

	begin();
	id.id = 4;
	cargo.object = &id;
	ck_assert_int_eq(receive(&message, &cargo, &entry, 1), 0);
	got = (Ipc__Test__Cargo *)message.root;
	ck_assert_uint_eq(got->object->id, 0);
	done(&message);
	ipc_unref(ipc);
}
END_TEST

START_TEST(the_same_handle_is_the_same_proxy)
{
	Ipc__Test__Cargo cargo = IPC__TEST__CARGO__INIT, *got;
	Ipc__Object id = IPC__OBJECT__INIT;
	Ipc__Object *twice[] = { &id, &id };
	struct ipcbus_object entries[] = {
		{ IPCBUS_OBJECT_HANDLE, .value = 9, .tag = 4 },
		{ IPCBUS_OBJECT_HANDLE, .value = 9, .tag = 4 },
	};
	struct ipc_proxy *a, *b;
	struct message message;

	begin();
	id.id = 4;
	cargo.objects = twice;
	cargo.n_objects = 2;
	ck_assert_int_eq(receive(&message, &cargo, entries, 2), 0);
	got = (Ipc__Test__Cargo *)message.root;
	ck_assert_int_eq(ipc_take_proxy(ipc, &got->objects[0]->id, &a), 0);
	ck_assert_int_eq(ipc_take_proxy(ipc, &got->objects[1]->id, &b), 0);
	ck_assert_ptr_eq(a, b);
	done(&message);
	ipc_proxy_unref(a);
	ck_assert_uint_eq(fake.n_puts, 0);
	ipc_proxy_unref(b);
	ck_assert_uint_eq(fake.n_puts, 1);
	ck_assert_uint_eq(fake.put_count, 2);
	ipc_unref(ipc);
}
END_TEST

int main(void)
{
	return RUN_TESTS("table", entries_are_in_the_order_of_the_fields, unsendable_objects,
			 too_deep_to_send, fields_get_the_receivers_numbers,
			 taken_from_an_own_message, untaken_objects_are_freed_with_the_message,
			 unnamed_objects_are_released_at_once,
			 a_field_without_an_entry_is_refused,
			 an_object_that_ended_on_the_way_is_none,
			 the_same_handle_is_the_same_proxy);
}
