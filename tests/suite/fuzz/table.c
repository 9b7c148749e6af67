// SPDX-License-Identifier: MIT
/*
 * The object table of libipc (libipc/typed/table.c), in both directions. Input: the objects and fds
 * in a message's fields, how the driver translates each, how a hostile sender changes the table,
 * and which fields the receiver takes. Without changes every field must get its value. In every
 * case, no object may be lost, kept or released twice.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "account.h"
#include "tests/fake-device.h"
#include "input.h"
#include "core/object.h"
#include "core/proxy.h"
#include "typed/table.h"
#include "test.ipc.h"

#define MAX_FIELDS 80

static struct ipc *ipc;
static struct ipc_object *object;
static const struct test_ops no_ops;

/* The parts of the message, in random order. */
static Ipc__Object objects[MAX_FIELDS];
static Ipc__Fd fds[MAX_FIELDS];
static Ipc__Test__Box boxes[MAX_FIELDS];
static Ipc__Object *object_list[MAX_FIELDS];
static Ipc__Fd *fd_list[MAX_FIELDS];
static Ipc__Test__Box *box_list[MAX_FIELDS];
static unsigned int n_objects, n_fds, n_boxes;

/* --- The sent message ----------------------------------------------------------------- */

static Ipc__Object *new_object(struct input *input)
{
	Ipc__Object *o = &objects[n_objects++];
	uint8_t what = input_byte(input);

	ipc__object__init(o);
	if (what & 1)
		o->id = id_of_handle(1 + what / 2 % 100);
	else if (what & 2)
		must(ipc_object_id(object, &o->id) == 0);
	return o;
}

static Ipc__Fd *new_fd(struct input *input)
{
	Ipc__Fd *fd = &fds[n_fds++];

	ipc__fd__init(fd);
	fd->fd = input_byte(input) % 20;
	return fd;
}

static Ipc__Test__Box *new_box(struct input *input, unsigned int depth)
{
	Ipc__Test__Box *box = &boxes[n_boxes++];
	unsigned int n = depth < 3 ? input_byte(input) % 3 : 0, first = n_boxes;

	ipc__test__box__init(box);
	box->object = new_object(input);
	if (n_boxes + n * 4 >= MAX_FIELDS)
		return box;
	/* Entries of a box are adjacent in the list, before the box's own entry. */
	for (unsigned int i = 0; i < n; i++)
		box_list[first + i] = NULL;
	box->boxes = &box_list[first];
	box->n_boxes = n;
	n_boxes += n;
	for (unsigned int i = 0; i < n; i++)
		box_list[first + i] = new_box(input, depth + 1);
	return box;
}

static void choose(struct input *input, Ipc__Test__Cargo *cargo)
{
	switch (input_byte(input) % 4) {
	case 1:
		cargo->choice_case = IPC__TEST__CARGO__CHOICE_CHOSEN_OBJECT;
		cargo->chosen_object = new_object(input);
		break;
	case 2:
		cargo->choice_case = IPC__TEST__CARGO__CHOICE_CHOSEN_FD;
		cargo->chosen_fd = new_fd(input);
		break;
	case 3:
		cargo->choice_case = IPC__TEST__CARGO__CHOICE_CHOSEN_TEXT;
		cargo->chosen_text = (char *)"text";
		break;
	}
}

static void cargo_build(struct input *input, Ipc__Test__Cargo *cargo)
{
	uint8_t what = input_byte(input);

	n_objects = n_fds = n_boxes = 0;
	ipc__test__cargo__init(cargo);
	if (what & 1)
		cargo->object = new_object(input);
	if (what & 2)
		cargo->fd = new_fd(input);
	if (what & 4)
		cargo->box = new_box(input, 0);
	choose(input, cargo);
	cargo->n_objects = what >> 3 & 3;
	if (what == 0xff)
		cargo->n_objects = 40;
	for (size_t i = 0; i < cargo->n_objects; i++)
		object_list[i] = new_object(input);
	cargo->objects = object_list;
	cargo->n_fds = what >> 5 & 3;
	for (size_t i = 0; i < cargo->n_fds; i++)
		fd_list[i] = new_fd(input);
	cargo->fds = fd_list;
}

/* Returns the number of entries it needs. */
static unsigned int entries_of(void)
{
	unsigned int n = n_fds;

	for (unsigned int i = 0; i < n_objects; i++)
		n += objects[i].id != 0;
	return n;
}

/* --- Changes of the table by the driver and a hostile peer ----------------------------------- */

static void entry_arrives(struct ipcbus_object *o, uint8_t what)
{
	o->cookie = 0;
	if (o->type == IPCBUS_OBJECT_FD) {
		o->value = (uint64_t)account_fd();
	} else if (what & 1) {
		o->type = IPCBUS_OBJECT_NODE;
		o->value = 1;
		o->cookie = what & 2 ? fake.cookie : what;
	} else {
		o->type = IPCBUS_OBJECT_HANDLE;
		o->value = 1 + what / 4;
		account_handle((uint32_t)o->value);
	}
}

static void damage(struct input *input, struct ipcbus_object *o, unsigned int n)
{
	struct ipcbus_object *a = &o[input_byte(input) % n], *b = &o[input_byte(input) % n];
	struct ipcbus_object swapped;

	switch (input_byte(input) % 3) {
	case 0:
		a->tag = b->tag + input_byte(input) % 3;
		break;
	case 1:
		a->tag = input_byte(input);
		break;
	default:
		swapped = *a;
		*a = *b;
		*b = swapped;
	}
}

/* --- The received message ---------------------------------------------------------------- */

struct looker {
	struct input *input;
	const struct ipcbus_object *arrived;	/* NULL: unknown */
	unsigned int at;
};

static void look_object(struct looker *l, Ipc__Object *o)
{
	struct ipc_proxy *proxy;
	struct ipc_object *own;
	uint64_t id;

	if (!o)
		return;
	if (o->id && l->arrived) {
		const struct ipcbus_object *a = &l->arrived[l->at++];

		must(a->type != IPCBUS_OBJECT_FD);
		must(ipc_object_id(object, &id) == 0);
		must(o->id == (a->type == IPCBUS_OBJECT_HANDLE ? id_of_handle((uint32_t)a->value) :
								 id));
	}
	if (!(input_byte(l->input) & 1))
		return;
	if (ipc_take_proxy(ipc, &o->id, &proxy) == 0)
		ipc_proxy_unref(proxy);
	else if (ipc_take_object(ipc, &o->id, &own) == 0)
		must(own == object && ipc_object_unref(own) == NULL);
	must(ipc_take_object(ipc, &o->id, &own) < 0);
}

static void look_fd(struct looker *l, Ipc__Fd *fd)
{
	if (!fd)
		return;
	if (l->arrived)
		must(l->arrived[l->at].type == IPCBUS_OBJECT_FD &&
		     l->arrived[l->at++].value == (uint64_t)fd->fd);
	if (input_byte(l->input) & 1)
		must(close(ipc_take_fd(&fd->fd)) == 0 && ipc_take_fd(&fd->fd) == -ENOENT);
}

static void look_box(struct looker *l, Ipc__Test__Box *box)
{
	if (!box)
		return;
	look_object(l, box->object);
	for (size_t i = 0; i < box->n_boxes; i++)
		look_box(l, box->boxes[i]);
}

/* In the order of the field numbers, which is that of the table. */
static void look(struct looker *l, Ipc__Test__Cargo *cargo)
{
	look_object(l, cargo->object);
	for (size_t i = 0; i < cargo->n_objects; i++)
		look_object(l, cargo->objects[i]);
	look_fd(l, cargo->fd);
	for (size_t i = 0; i < cargo->n_fds; i++)
		look_fd(l, cargo->fds[i]);
	look_box(l, cargo->box);
	if (cargo->choice_case == IPC__TEST__CARGO__CHOICE_CHOSEN_OBJECT)
		look_object(l, cargo->chosen_object);
	if (cargo->choice_case == IPC__TEST__CARGO__CHOICE_CHOSEN_FD)
		look_fd(l, cargo->chosen_fd);
}

static void receive(struct input *input, const uint8_t *data, size_t size,
		    const struct ipcbus_object *arrived, unsigned int n, bool is_sane)
{
	static uint64_t block[512];
	struct ipcbus_exchange x = { .flags = IPCBUS_WAIT | IPCBUS_NONBLOCK };
	struct looker l = { .input = input, .arrived = is_sane ? arrived : NULL };
	struct message message;
	int r;

	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_CALL }, data, size, arrived, n);
	must(device_exchange(&ipc->device, ipc->generation, &x) == 0);
	message_init(&message, block, sizeof(block), size);
	r = claims_take(&message, ipc, &x.event);
	must(r == 0);
	r = message_unpack(&message, &ipc__test__cargo__descriptor, /* borrow= */ false,
			   device_at(&ipc->device, x.event.offset), x.event.data_size);
	must(r == 0);
	r = claims_bind(ipc, &message);
	must(r == 0 || (!is_sane && r == -EBADMSG));
	if (r == 0)
		look(&l, (Ipc__Test__Cargo *)message.root);
	must(r < 0 || !is_sane || l.at == n);
	claims_release(&message);
	message_done(&message);
}

/* --- An input ---------------------------------------------------------------- */

static void send_and_receive(struct input *input, const Ipc__Test__Cargo *cargo)
{
	static uint8_t data[8192];
	size_t size = ipc__test__cargo__get_packed_size(cargo);
	bool is_sane = true;
	struct table table;
	int r = table_build(&table, ipc, &cargo->base);

	must(size <= sizeof(data));
	must(r == (entries_of() > IPCBUS_MAX_OBJECTS ? -E2BIG : 0));
	if (r < 0)
		return;
	must(table.n == entries_of());
	ipc__test__cargo__pack(cargo, data);
	for (unsigned int i = 0; i < table.n; i++) {
		uint8_t what = input_byte(input);

		entry_arrives(&table.objects[i], what);
		/* An unknown cookie: the field is then empty. */
		is_sane &= table.objects[i].type != IPCBUS_OBJECT_NODE || what & 2;
	}
	for (unsigned int n = input_byte(input) % 4; n && table.n; n--) {
		damage(input, table.objects, table.n);
		is_sane = false;
	}
	receive(input, data, size, table.objects, table.n, is_sane);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	Ipc__Test__Cargo cargo;
	uint64_t id;

	fake_reset();
	account_begin();
	must(ipc_open(&ipc, NULL) == 0);
	must(test_object_new(ipc, &no_ops, NULL, NULL, &object) == 0);
	must(ipc_object_id(object, &id) == 0);
	for (int rounds = 0; rounds < 4 && !input_ended(&input); rounds++) {
		cargo_build(&input, &cargo);
		send_and_receive(&input, &cargo);
	}
	ipc_object_unref(object);
	ipc_unref(ipc);
	account_end();
	return 0;
}
