// SPDX-License-Identifier: MIT
/*
 * A stream in shared memory on the fake device, with another end that offers what is no such
 * memory, and writes whatever it likes into its part.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "core/memfd.h"
#include "core/proxy.h"
#include "core/shared.h"
#include "method.h"
#include "stream-run.h"
#include "test.ipc.h"
#include "typed/slots.h"

#define SLOT	16		/* of a Drip */
/* The field of a StreamOpen, which the C structure does not have. */
#define SHARED_TAG	(6 << 3 | 2)
#define CLIENT	0
#define SERVER	1

static struct ipc *ipc;
static struct flow *peer;
static struct ipc_object *object;
static struct ipc_stream *stream;
static struct shared theirs;	/* the other end's view of the memory */
static size_t part_size;

static int pour(struct ipc_stream *to, void *userdata)
{
	(void)userdata;
	stream = ipc_stream_ref(to);
	return 0;
}

static void begin(void)
{
	static const struct flow_ops ops = { .pour = pour };
	struct ipc_proxy *proxy;

	fake_reset();
	stream = NULL;
	part_size = ring_part_size(SLOT);
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(proxy_arrived(ipc, 5, &proxy), 0);
	peer = flow_from_proxy(proxy);
	ck_assert_int_eq(flow_object_new(ipc, &ops, NULL, NULL, &object), 0);
	object_id(object);
}

static void end(void)
{
	ipc_stream_unref(stream);
	shared_done(&theirs);
	flow_unref(peer);
	ipc_object_unref(object);
	ipc_unref(ipc);
}

static uint64_t layout(void)
{
	return slots_layout(&ipc__test__drip__descriptor, &ipc__test__drip__descriptor);
}

/* A StreamOpen with memory. A file of -1 is not there; all are closed afterwards. */
static void push_sharing(struct ipcbus_event event, uint32_t method, uint64_t hash, int client,
			 int server)
{
	Ipc__StreamOpen open = IPC__STREAM_OPEN__INIT;
	Ipc__StreamShared shared = IPC__STREAM_SHARED__INIT;
	Ipc__Object data = IPC__OBJECT__INIT, control = IPC__OBJECT__INIT;
	Ipc__Fd fds[2] = { IPC__FD__INIT, IPC__FD__INIT };
	struct ipcbus_object entries[4] = {
		{ IPCBUS_OBJECT_HANDLE, .value = 9, .tag = 1001 },
		{ IPCBUS_OBJECT_HANDLE, .value = 10, .tag = 1002 },
	};
	uint8_t bytes[256];
	unsigned int n = 2;
	size_t size;

	data.id = 1001;
	control.id = 1002;
	open.data = &data;
	open.control = &control;
	open.has_window = true;
	open.window = 16;
	open.has_method = method != 0;
	open.method = method;
	shared.has_layout = true;
	shared.layout = hash;
	fds[CLIENT].fd = 77;
	fds[SERVER].fd = 78;
	if (method) {
		shared.client = &fds[CLIENT];
		shared.server = &fds[SERVER];
	}
	if (client >= 0)
		entries[n++] = (struct ipcbus_object){ IPCBUS_OBJECT_FD, .value = (uint64_t)client,
						       .tag = 77 };
	if (server >= 0)
		entries[n++] = (struct ipcbus_object){ IPCBUS_OBJECT_FD, .value = (uint64_t)server,
						       .tag = 78 };
	size = ipc__stream_open__pack(&open, bytes);
	bytes[size] = SHARED_TAG;
	bytes[size + 1] = (uint8_t)ipc__stream_shared__pack(&shared, bytes + size + 2);
	fake_push(event, bytes, size + 2 + bytes[size + 1], entries, n);
}

/* The other end is a client that offers these. Returns the errno that it gets. */
static int offer(uint64_t hash, int client, int server)
{
	push_sharing((struct ipcbus_event){ .kind = IPCBUS_EVENT_CALL, .call = 60, .buffer = 60,
					    .code = IPC_CODE_STREAM,
					    .cookie = object->wants.cookie },
		     method_of(&flow_interface, "Pour")->code, hash, client, server);
	serve_all_of(ipc);
	return fake_last()->send.kind == IPCBUS_SEND_ERROR ? (int)fake_last()->send.code : 0;
}

/* What the library's own client would offer, with a mapping of the test's. */
static void offer_good(void)
{
	int fds[2];

	ck_assert_int_eq(shared_new(&theirs, part_size, part_size, fds), 0);
	ck_assert_int_eq(offer(layout(), fds[CLIENT], fds[SERVER]), 0);
	ck_assert_ptr_nonnull(stream);
	ck_assert_int_eq(ipc_stream_is_shared(stream), 1);
}

/* Whether the reply, or the call, says that this end takes part. */
static bool says_shared(void)
{
	Ipc__StreamOpen *open = ipc__stream_open__unpack(NULL, fake_last()->send.data_size,
							 fake_last()->data);
	Ipc__StreamShared *shared = NULL;
	bool says;

	if (open->base.n_unknown_fields == 1)
		shared = ipc__stream_shared__unpack(NULL, open->base.unknown_fields[0].len - 1,
						    open->base.unknown_fields[0].data + 1);
	says = shared && shared->layout == layout();
	ipc__stream_open__free_unpacked(open, NULL);
	if (shared)
		ipc__stream_shared__free_unpacked(shared, NULL);
	return says;
}

static void put_theirs(uint64_t value, uint32_t cold)
{
	uint32_t head = atomic_load(&theirs.own->head);
	uint8_t *slot = theirs.own->slots + (size_t)(head % ring_slots(SLOT)) * SLOT;

	memcpy(slot, &value, sizeof(value));
	memcpy(slot + 8, &cold, sizeof(cold));
	atomic_store(&theirs.own->head, head + 1);
}

/* A oneway to an object of this end: 0, data; 1, control. */
static void arrive(int which, uint32_t code, const void *bytes, size_t size)
{
	const struct ipc_object *to = map_get(&ipc->nodes, fake.sent[0].objects[which].value);

	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_ONEWAY, .code = code, .buffer = 8,
					 .cookie = to->wants.cookie },
		  bytes, size, NULL, 0);
	serve_all_of(ipc);
}

/* This end has ended the stream because of the other, and says so. */
static void expect_refused(void)
{
	const struct fake_sent *last = fake_last();
	Ipc__StreamEnd *said;

	ck_assert_uint_eq(last->send.code, STREAM_END);
	said = ipc__stream_end__unpack(NULL, last->send.data_size, last->data);
	ck_assert_int_eq(said->code, -EPROTO);
	ipc__stream_end__free_unpacked(said, NULL);
}

/* --- What is offered ------------------------------------------------------------------- */

START_TEST(takes_what_a_client_makes)
{
	const Ipc__Test__Drip *drip;
	Ipc__Test__Drip reply = IPC__TEST__DRIP__INIT;
	uint64_t value;

	begin();
	offer_good();
	ck_assert(says_shared());
	ck_assert_int_eq(flow_pull_pour(stream, 0, &drip, NULL), -EAGAIN);
	put_theirs(5, 1);
	put_theirs(6, 0);
	ck_assert_int_eq(flow_pull_pour(stream, 0, &drip, NULL), 1);
	ck_assert_uint_eq(drip->value, 5);
	ck_assert_int_eq(drip->cold, 1);
	ck_assert_ptr_eq(drip->base.descriptor, &ipc__test__drip__descriptor);
	ck_assert_int_eq(flow_pull_pour(stream, 0, &drip, NULL), 1);
	ck_assert_uint_eq(drip->value, 6);
	ck_assert_int_eq(drip->cold, 0);
	ck_assert_uint_eq(atomic_load(&theirs.peer->tail), 2);
	reply.value = 7;
	ck_assert_int_eq(flow_push_pour(stream, 0, &reply), 0);
	ck_assert_uint_eq(atomic_load(&theirs.peer->head), 1);
	memcpy(&value, theirs.peer->slots, sizeof(value));
	ck_assert_uint_eq(value, 7);
	/* Nothing of that took a message of the bus. */
	ck_assert_uint_eq(fake.n_sent, 1);
	end();
}
END_TEST

static int file_of(size_t size, size_t filled, int seals)
{
	int fd = memory_file(size);

	ck_assert_int_ge(fd, 0);
	for (size_t i = 0; i < filled; i += 8)
		ck_assert_int_eq(pwrite(fd, "\0\0\0\0\0\0\0", 8, (off_t)i), 8);
	if (seals >= 0)
		ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

START_TEST(refuses_what_is_no_such_memory)
{
	const int size_sealed = F_SEAL_GROW | F_SEAL_SHRINK;
	const int client_sealed = size_sealed | F_SEAL_FUTURE_WRITE;

	begin();
#define CLIENT_IS(fd) offer(layout(), fd, file_of(part_size, part_size, size_sealed))
#define SERVER_IS(fd) offer(layout(), file_of(part_size, part_size, client_sealed), fd)
#define SIZED(seals) file_of(part_size, part_size, seals)
	ck_assert_int_eq(CLIENT_IS(SIZED(-1)), EBADMSG);
	ck_assert_int_eq(CLIENT_IS(SIZED(size_sealed)), EBADMSG);
	ck_assert_int_eq(CLIENT_IS(SIZED(F_SEAL_GROW | F_SEAL_FUTURE_WRITE)),
			 EBADMSG);
	ck_assert_int_eq(CLIENT_IS(file_of(part_size - 8, part_size - 8, client_sealed)), EBADMSG);
	ck_assert_int_eq(CLIENT_IS(file_of(part_size + 8, part_size + 8, client_sealed)), EBADMSG);
	ck_assert_int_eq(CLIENT_IS(file_of(part_size, part_size / 2, client_sealed)), EBADMSG);
	ck_assert_int_eq(CLIENT_IS(file_of(0, 0, client_sealed)), EBADMSG);
	ck_assert_int_eq(CLIENT_IS(open("/dev/zero", O_RDWR | O_CLOEXEC)), EBADMSG);
	ck_assert_int_eq(CLIENT_IS(-1), EBADMSG);
	ck_assert_int_eq(SERVER_IS(SIZED(-1)), EBADMSG);
	ck_assert_int_eq(SERVER_IS(SIZED(F_SEAL_SHRINK)), EBADMSG);
	ck_assert_int_eq(SERVER_IS(file_of(part_size + 8, part_size + 8, size_sealed)), EBADMSG);
	ck_assert_int_eq(SERVER_IS(file_of(part_size, 8, size_sealed)), EBADMSG);
	ck_assert_int_eq(SERVER_IS(open("/dev/zero", O_RDWR | O_CLOEXEC)), EBADMSG);
	ck_assert_int_eq(SERVER_IS(-1), EBADMSG);
	/* Others could write to it, or it cannot be written at all. */
	ck_assert_int_eq(SERVER_IS(SIZED(size_sealed | F_SEAL_SEAL)), EBADMSG);
	ck_assert_int_eq(SERVER_IS(SIZED(size_sealed | F_SEAL_WRITE)), EBADMSG);
	ck_assert_ptr_null(stream);
	/* That was no reason to refuse them. */
	ck_assert_int_eq(SERVER_IS(SIZED(size_sealed)), 0);
	ck_assert_int_eq(ipc_stream_is_shared(stream), 1);
	end();
}
END_TEST

START_TEST(is_ordinary_with_another_layout)
{
	begin();
	ck_assert_int_eq(offer(layout() + 1, file_of(8, 8, -1), file_of(8, 8, -1)), 0);
	ck_assert_int_eq(ipc_stream_is_shared(stream), 0);
	ck_assert(!says_shared());
	/* The bell is of later versions then, and says nothing. */
	arrive(1, STREAM_BELL, "", 0);
	ck_assert_int_eq(ipc_stream_canceled(stream), 0);
	end();
}
END_TEST

/* --- What is in the memory ---------------------------------------------------------------- */

START_TEST(refuses_a_head_that_is_not_possible)
{
	const Ipc__Test__Drip *drip;

	begin();
	offer_good();
	put_theirs(1, 0);
	ck_assert_int_eq(flow_pull_pour(stream, 0, &drip, NULL), 1);
	atomic_store(&theirs.own->head, 1 + ring_slots(SLOT) + 1);
	ck_assert_int_eq(flow_pull_pour(stream, 0, &drip, NULL), -EPROTO);
	expect_refused();
	/* What it writes now is not looked at. */
	atomic_store(&theirs.own->head, 2);
	ck_assert_int_eq(flow_pull_pour(stream, 0, &drip, NULL), -EPROTO);
	end();
}
END_TEST

START_TEST(refuses_a_tail_that_is_not_possible)
{
	Ipc__Test__Drip drip = IPC__TEST__DRIP__INIT;

	begin();
	offer_good();
	atomic_store(&theirs.own->tail, 1);
	for (uint32_t i = 0; i < ring_slots(SLOT); i++)
		ck_assert_int_eq(flow_push_pour(stream, 0, &drip), 0);
	/* It is possible now. */
	ck_assert_int_eq(flow_push_pour(stream, 0, &drip), 0);
	ck_assert_int_eq(flow_push_pour(stream, 0, &drip), -EAGAIN);
	atomic_store(&theirs.own->tail, 0);
	ck_assert_int_eq(flow_push_pour(stream, 0, &drip), -EPROTO);
	expect_refused();
	end();
}
END_TEST

START_TEST(makes_bools_of_numbers)
{
	const Ipc__Test__Drip *drip;

	begin();
	offer_good();
	put_theirs(1, 0x80000000U);
	ck_assert_int_eq(flow_pull_pour(stream, 0, &drip, NULL), 1);
	ck_assert_int_eq(drip->cold, 1);
	/* A copy: what is written to the slot now does not matter. */
	memset(theirs.own->slots, 0xff, SLOT);
	ck_assert_uint_eq(drip->value, 1);
	end();
}
END_TEST

START_TEST(nothing_comes_after_the_end)
{
	const Ipc__Test__Drip *drip;

	begin();
	offer_good();
	put_theirs(1, 0);
	arrive(0, STREAM_END, "", 0);
	put_theirs(2, 0);
	ck_assert_int_eq(flow_pull_pour(stream, 0, &drip, NULL), 1);
	ck_assert_int_eq(flow_pull_pour(stream, 0, &drip, NULL), 0);
	ck_assert_int_eq(flow_pull_pour(stream, 0, &drip, NULL), 0);
	end();
}
END_TEST

START_TEST(nothing_comes_after_a_cancel)
{
	const Ipc__Test__Drip *drip;

	begin();
	offer_good();
	put_theirs(1, 0);
	arrive(1, STREAM_CANCEL, "", 0);
	for (int i = 0; i < 100; i++)
		put_theirs(2, 0);
	ck_assert_int_eq(flow_pull_pour(stream, 0, &drip, NULL), 1);
	ck_assert_int_eq(flow_pull_pour(stream, 0, &drip, NULL), -ECANCELED);
	end();
}
END_TEST

/* --- The bell ------------------------------------------------------------------------------ */

START_TEST(rings_once_for_each_sleep)
{
	Ipc__Test__Drip drip = IPC__TEST__DRIP__INIT;

	begin();
	offer_good();
	ck_assert_int_eq(flow_push_pour(stream, 0, &drip), 0);
	ck_assert_uint_eq(fake.n_sent, 1);
	atomic_store(&theirs.own->wants_message, 1);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(flow_push_pour(stream, 0, &drip), 0);
	ck_assert_uint_eq(fake.n_sent, 2);
	ck_assert_uint_eq(fake_last()->send.code, STREAM_BELL);
	ck_assert_uint_eq(fake_last()->send.handle, 10);
	atomic_store(&theirs.own->wants_message, 3);
	ck_assert_int_eq(flow_push_pour(stream, 0, &drip), 0);
	ck_assert_uint_eq(fake.n_sent, 3);
	end();
}
END_TEST

/* Without space for the bell it is sent later. */
START_TEST(the_bell_waits_for_space)
{
	Ipc__Test__Drip drip = IPC__TEST__DRIP__INIT;

	begin();
	offer_good();
	atomic_store(&theirs.own->wants_message, 1);
	fake.send_error = -EAGAIN;
	fake.send_error_kind = IPCBUS_SEND_ONEWAY;
	fake.send_error_more = 1;
	ck_assert_int_eq(flow_push_pour(stream, 0, &drip), 0);
	ck_assert_uint_eq(fake.n_sent, 1);
	writable_notify(ipc);
	ck_assert_uint_eq(fake.n_sent, 2);
	ck_assert_uint_eq(fake_last()->send.code, STREAM_BELL);
	end();
}
END_TEST

static unsigned int came;

static void on_drip(struct ipc_stream *from, const Ipc__Test__Drip *drip, void *userdata)
{
	(void)from, (void)userdata;
	ck_assert_uint_eq(drip->value, ++came);
}

START_TEST(the_bell_brings_callbacks)
{
	static const struct ipc_stream_ops ops = { .size = sizeof(ops) };

	begin();
	came = 0;
	offer_good();
	ck_assert_int_eq(flow_set_ops_pour(stream, on_drip, &ops, NULL), 0);
	ck_assert_uint_eq(atomic_load(&theirs.peer->wants_message) & 1, 1);
	for (int i = 0; i < 50; i++)
		put_theirs((uint64_t)i + 1, 0);
	serve_all_of(ipc);
	ck_assert_uint_eq(came, 0);
	arrive(1, STREAM_BELL, "", 0);
	ck_assert_uint_eq(came, 50);
	ck_assert_uint_eq(atomic_load(&theirs.peer->wants_message) & 1, 1);
	/* Any number of them. */
	for (int i = 0; i < 50; i++)
		arrive(1, STREAM_BELL, "", 0);
	put_theirs(51, 0);
	arrive(1, STREAM_BELL, "", 0);
	ck_assert_uint_eq(came, 51);
	ipc_stream_cancel(stream);
	serve_all_of(ipc);
	end();
}
END_TEST

/* --- The client ----------------------------------------------------------------------------- */

/* Opens a stream whose server replies so. */
static int open_with(uint64_t hash)
{
	fake.keep_fds = true;
	push_sharing((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY, .buffer = 7 }, 0, hash, -1,
		     -1);
	return flow_pour_open(peer, NULL, &stream, NULL);
}

START_TEST(offers_memory)
{
	const Ipc__Test__Drip *drip;
	int fds[2];

	begin();
	ck_assert_int_eq(open_with(layout()), 0);
	ck_assert_int_eq(ipc_stream_is_shared(stream), 1);
	ck_assert(says_shared());
	ck_assert_uint_eq(fake_last()->send.object_count, 4);
	fds[CLIENT] = (int)fake_last()->objects[2].value;
	fds[SERVER] = (int)fake_last()->objects[3].value;
	ck_assert_int_eq(shared_take(&theirs, part_size, part_size, fds), 0);
	fake_close_fds();
	put_theirs(8, 1);
	ck_assert_int_eq(flow_pour_receive(stream, 0, &drip, NULL), 1);
	ck_assert_uint_eq(drip->value, 8);
	end();
}
END_TEST

START_TEST(is_ordinary_if_the_server_does_not_share)
{
	begin();
	ck_assert_int_eq(open_with(layout() ^ 1), 0);
	fake_close_fds();
	ck_assert_int_eq(ipc_stream_is_shared(stream), 0);
	ipc_stream_unref(stream);
	fake.keep_fds = true;
	push_opened();
	ck_assert_int_eq(flow_pour_open(peer, NULL, &stream, NULL), 0);
	fake_close_fds();
	ck_assert_int_eq(ipc_stream_is_shared(stream), 0);
	end();
}
END_TEST

START_TEST(asks_again_without_files)
{
	begin();
	fake.send_error = -EPERM;
	fake.send_error_kind = IPCBUS_SEND_CALL;
	push_opened();
	ck_assert_int_eq(flow_pour_open(peer, NULL, &stream, NULL), 0);
	ck_assert_int_eq(ipc_stream_is_shared(stream), 0);
	ck_assert_uint_eq(fake_last()->send.object_count, 2);
	ck_assert(!says_shared());
	ipc_stream_unref(stream);
	/* Once: it may be allowed to nobody. */
	stream = NULL;
	fake.send_error = -EPERM;
	fake.send_error_more = 1;
	ck_assert_int_eq(flow_pour_open(peer, NULL, &stream, NULL), -EPERM);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("stream-shared", takes_what_a_client_makes,
			 refuses_what_is_no_such_memory, is_ordinary_with_another_layout,
			 refuses_a_head_that_is_not_possible, refuses_a_tail_that_is_not_possible,
			 makes_bools_of_numbers, nothing_comes_after_the_end,
			 nothing_comes_after_a_cancel, rings_once_for_each_sleep,
			 the_bell_waits_for_space, the_bell_brings_callbacks, offers_memory,
			 is_ordinary_if_the_server_does_not_share, asks_again_without_files);
}
