// SPDX-License-Identifier: MIT
/*
 * Streams through memory: order with messages of the bus, credit, ends, and clients that violate
 * the rules.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ipc/ipc.pb-c.h>
#include <ipc/monitor.h>
#include <ipc/rpc.h>
#include <ipc/test.h>

#include "channel-run.h"
#include "shm/channel-memory.h"
#include "core/stream-ring.h"
#include "core/raw.h"

/* Methods of the server: streams that return each message. */
enum { ECHO_WAITING = 1, ECHO_CALLBACKS, FLOOD, LIE };

/* A hostile server, after its ring is open: the number of the first message is one of these. */
enum {
	SENDS_TOO_MUCH, WRONG_SIZE, GRANTS_TOO_MUCH, PROMISES, SWITCHES_AGAIN, ACCEPTS_UNSEALED,
	RINGS, LIES,
};

#define SECOND	1000000ULL
#define LARGE_MESSAGE 6000U	/* does not fit into a slot */
#define LIE_SIZE 4U

/* --- The server -------------------------------------------------------------------------- */

static const struct ipc_raw_message empty;

static int send_back(struct ipc_stream *stream, const struct ipc_raw_message *message)
{
	const struct ipc_raw_message reply = { .data = message->data, .size = message->size };

	return ipc_raw_stream_send(stream, &reply, 10 * SECOND);
}

static int echo_waiting(struct ipc_stream *stream)
{
	const struct ipc_raw_message *message;
	int r;

	while ((r = ipc_raw_stream_receive(stream, 10 * SECOND, &message, NULL)) > 0) {
		r = send_back(stream, message);
		if (r < 0)
			break;
	}
	return r;
}

static void on_message(struct ipc_stream *stream, void *userdata)
{
	const struct ipc_raw_message *message;
	int r = ipc_raw_stream_receive(stream, 0, &message, NULL);

	(void)userdata;
	if (r > 0)
		r = send_back(stream, message);
	if (r < 0)
		ipc_stream_fail(stream, r, NULL, NULL);
}

static void on_end(struct ipc_stream *stream, int result, const struct ipc_error *error,
		   void *userdata)
{
	(void)error, (void)userdata;
	if (result == 0)
		ipc_stream_end(stream);
}

static int flood(struct ipc_stream *stream)
{
	uint8_t data[100] = { 0 };
	int r = 0;

	for (uint32_t i = 0; i < 1000 && r == 0; i++) {
		memcpy(data, &i, sizeof(i));
		r = ipc_raw_stream_send(stream, &(struct ipc_raw_message){ .data = data,
									   .size = sizeof(data) },
					10 * SECOND);
	}
	return r;
}

static int say(struct ipc_proxy *peer, uint32_t method)
{
	return ipc_raw_oneway(peer, &(struct ipc_raw_message){ .method = method }, NULL);
}

/* Accepts a ring that this side did not open. */
static int accept_unsealed(struct ipc_stream *stream)
{
	int r = say(stream->peer_control, STREAM_RING);

	return r < 0 ? r : say(stream->peer_data, STREAM_SWITCH);
}

static int lie(struct ipc_stream *stream, uint32_t number)
{
	struct ring *side = &stream->ring->side;
	int r = 0;

	switch (number) {
	case SENDS_TOO_MUCH:
		atomic_fetch_add(&side->own->sent, STREAM_WINDOW + 1);
		break;
	case WRONG_SIZE:
		side->own->slots[side->sent % STREAM_WINDOW].size = RING_DATA_MAX + 1;
		atomic_fetch_add(&side->own->sent, 1);
		break;
	case GRANTS_TOO_MUCH:
		ring_grant(side, 3 * STREAM_WINDOW);
		break;
	case PROMISES:
		side->own->slots[side->sent % STREAM_WINDOW].size = RING_BUS;
		atomic_fetch_add(&side->own->sent, 1);
		return r;
	case SWITCHES_AGAIN:
		return say(stream->peer_data, STREAM_SWITCH);
	default:
		/* Without need. */
		for (int i = 0; i < 100; i++)
			say(stream->peer_control, i % 2 ? STREAM_BELL : STREAM_RING);
	}
	ring_ring(stream, number == GRANTS_TOO_MUCH ? FOR_CREDIT : FOR_MESSAGE, RING_BY_BUS);
	channel_wake(&side->own->sent, 1);
	return r;
}

/* Echoes messages. A message of another size than theirs is the number of a lie. */
static int lie_at_last(struct ipc_stream *stream)
{
	const struct ipc_raw_message *message;
	uint32_t number;
	int r;

	while ((r = ipc_raw_stream_receive(stream, 10 * SECOND, &message, NULL)) > 0) {
		if (message->size != LIE_SIZE) {
			r = send_back(stream, message);
			number = LIES;
		} else {
			memcpy(&number, message->data, sizeof(number));
			r = number == ACCEPTS_UNSEALED ? accept_unsealed(stream) :
							 lie(stream, number);
		}
		if (r < 0 || number == PROMISES)
			break;
	}
	return r;
}

static int serve_stream(struct ipc_stream *stream, uint32_t method, void *userdata)
{
	static const struct ipc_stream_ops ops = {
		.size = sizeof(ops), .on_message = on_message, .on_end = on_end,
	};

	(void)userdata;
	if (method > LIE)
		return -EOPNOTSUPP;
	if (method == FLOOD)
		return flood(stream);
	if (method == LIE)
		return lie_at_last(stream);
	return method == ECHO_WAITING ? echo_waiting(stream) :
					ipc_stream_set_ops(stream, &ops, NULL);
}

static int serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	(void)request, (void)userdata;
	return reply_number(call, 7);
}

static const struct ipc_raw_ops ops = { .serve = serve, .stream = serve_stream };

/* --- The client -------------------------------------------------------------------------- */

static struct ipc_stream *open_stream(uint32_t method)
{
	struct ipc_stream *stream;

	ck_assert_int_eq(ipc_raw_stream_open(proxy, method, NULL, &stream, NULL), 0);
	return stream;
}

static void send_number(struct ipc_stream *stream, uint32_t number, size_t size)
{
	uint8_t data[LARGE_MESSAGE] = { 0 };

	memcpy(data, &number, sizeof(number));
	ck_assert_int_eq(ipc_raw_stream_send(stream, &(struct ipc_raw_message){ .data = data,
										.size = size },
					     10 * SECOND),
			 0);
}

static void expect_number(struct ipc_stream *stream, uint32_t number, size_t size)
{
	const struct ipc_raw_message *message;
	uint32_t got;

	ck_assert_int_eq(ipc_raw_stream_receive(stream, 10 * SECOND, &message, NULL), 1);
	ck_assert_uint_eq(message->size, size);
	memcpy(&got, message->data, sizeof(got));
	ck_assert_uint_eq(got, number);
}

static void expect_end(struct ipc_stream *stream, int code)
{
	const struct ipc_raw_message *message;

	ck_assert_int_eq(ipc_raw_stream_receive(stream, 10 * SECOND, &message, NULL), code);
}

static void end_with(struct ipc_stream *stream)
{
	ipc_stream_unref(stream);
	end();
}

/* Some messages fit into a slot, and some do not. */
static size_t size_of(uint32_t number)
{
	return number % 7 == 3 ? LARGE_MESSAGE : number % 7 == 5 ? 2000 : 4 + number % 400;
}

static struct ipc_stream *open_and_echo(uint32_t method)
{
	struct ipc_stream *stream = open_stream(method);

	for (uint32_t i = 0; i < 40; i++) {
		send_number(stream, i, 64);
		expect_number(stream, i, 64);
	}
	return stream;
}

/* Opens a stream and uses it until both sides send through memory. */
static struct ipc_stream *open_ring(uint32_t method)
{
	struct ipc_stream *stream = open_and_echo(method);

	ck_assert_ptr_nonnull(stream->ring);
	for (int i = 0; i < 1000 && !(stream->ring->sends && stream->ring->receives); i++) {
		send_number(stream, 0, 64);
		expect_number(stream, 0, 64);
	}
	ck_assert(stream->ring->sends && stream->ring->receives);
	return stream;
}

static void check_order(uint32_t method, unsigned int threads, const char *channels)
{
	struct ipc_stream *stream;

	begin_ops(threads, channels, &ops);
	stream = open_stream(method);
	for (uint32_t i = 0; i < 2000; i += 10) {
		for (uint32_t n = i; n < i + 10; n++)
			send_number(stream, n, size_of(n));
		for (uint32_t n = i; n < i + 10; n++)
			expect_number(stream, n, size_of(n));
	}
	ck_assert_int_eq(!!stream->ring, channels[0] != '0');
	ck_assert_int_eq(ipc_stream_end(stream), 0);
	expect_end(stream, 0);
	end_with(stream);
}

START_TEST(order_holds_for_a_handler) { check_order(ECHO_WAITING, 3, "1"); } END_TEST
START_TEST(order_holds_for_callbacks) { check_order(ECHO_CALLBACKS, 3, "1"); } END_TEST
START_TEST(order_holds_in_random_use) { check_order(ECHO_WAITING, 3, "random"); } END_TEST
START_TEST(callbacks_keep_the_order_in_random_use) { check_order(ECHO_CALLBACKS, 3, "random"); } END_TEST
START_TEST(order_holds_without_channels) { check_order(ECHO_CALLBACKS, 3, "0"); } END_TEST

/* The sender waits for credit, and the receiver for messages. */
START_TEST(slow_receiver_gets_all_messages)
{
	struct ipc_stream *stream;

	begin_ops(3, "1", &ops);
	stream = open_stream(FLOOD);
	for (uint32_t i = 0; i < 1000; i++) {
		expect_number(stream, i, 100);
		if (i % 50 == 0)
			usleep(1000);
	}
	ck_assert(stream->ring && stream->ring->receives);
	expect_end(stream, 0);
	end_with(stream);
}
END_TEST

START_TEST(messages_before_the_end_of_a_dead_server_are_received)
{
	struct ipc_stream *stream;

	begin_ops(3, "1", &ops);
	stream = open_stream(FLOOD);
	for (uint32_t i = 0; i < 40; i++)
		expect_number(stream, i, 100);
	usleep(100000);
	kill(server, SIGKILL);
	usleep(100000);
	for (uint32_t i = 40; i < 40 + STREAM_WINDOW / 2; i++)
		expect_number(stream, i, 100);
	while (ring_sent(&stream->ring->side) != stream->ring->side.taken)
		ck_assert_int_eq(ipc_raw_stream_receive(stream, 0,
							&(const struct ipc_raw_message *){ NULL },
							NULL), 1);
	expect_end(stream, -EOWNERDEAD);
	end_with(stream);
}
END_TEST

/* Kills the server soon, while this thread waits. */
static void *kill_soon(void *ret_killed)
{
	usleep(200000);
	*(uint64_t *)ret_killed = now_usec();
	kill(server, SIGKILL);
	return NULL;
}

/* The ring itself would wake them after a second. */
START_TEST(death_wakes_waiting_threads)
{
	const struct ipc_raw_message message = { .data = "1234", .size = 4 }, *got;

	for (int sends = 0; sends < 2; sends++) {
		struct ipc_stream *stream;
		pthread_t killer;
		uint64_t killed, woken;
		int r;

		begin_ops(3, "1", &ops);
		stream = open_ring(ECHO_WAITING);
		ck_assert_int_eq(pthread_create(&killer, NULL, kill_soon, &killed), 0);
		if (sends) {
			/* The server echoes until its credit is used up. */
			while ((r = ipc_raw_stream_send(stream, &message, 10 * SECOND)) == 0)
				;
		} else {
			while ((r = ipc_raw_stream_receive(stream, 10 * SECOND, &got, NULL)) > 0)
				;
		}
		woken = now_usec();
		pthread_join(killer, NULL);
		ck_assert_int_eq(r, -EOWNERDEAD);
		ck_assert_uint_lt(woken - killed, SECOND / 2);
		ipc_stream_unref(stream);
		end();
	}
}
END_TEST

/* As oneways to it. */
START_TEST(stopped_server_gets_the_window_later)
{
	const struct ipc_raw_message message = { .data = "1234", .size = 4 };
	struct ipc_stream *stream;

	begin_ops(3, "1", &ops);
	stream = open_ring(ECHO_WAITING);
	stop_server();
	usleep(100000);
	for (unsigned int i = 0; i < STREAM_WINDOW / 2; i++)
		ck_assert_int_eq(ipc_raw_stream_send(stream, &message, 0), 0);
	for (unsigned int i = STREAM_WINDOW / 2; i < STREAM_WINDOW; i++)
		ipc_raw_stream_send(stream, &message, 0);
	ck_assert_int_eq(ipc_raw_stream_send(stream, &message, 0), -EAGAIN);
	kill(server, SIGCONT);
	for (unsigned int i = 0; i < STREAM_WINDOW / 2; i++)
		expect_number(stream, 0x34333231, 4);
	end_with(stream);
}
END_TEST

static void count(struct ipc *monitor, const struct ipc_record *record, void *userdata)
{
	(void)monitor, (void)record;
	(*(unsigned int *)userdata)++;
}

START_TEST(monitor_sees_messages)
{
	unsigned int records = 0;
	struct ipc_stream *stream;
	struct ipc *monitor;

	begin_ops(3, "1", &ops);
	stream = open_ring(ECHO_WAITING);
	ck_assert_int_eq(ipc_open(&monitor, ipc_test_bus_path(bus)), 0);
	ck_assert_int_eq(ipc_monitor(monitor, IPC_MONITOR_MESSAGES, 0, 0, count, &records, NULL),
			 0);
	for (uint32_t i = 0; i < 40; i++) {
		send_number(stream, i, 64);
		expect_number(stream, i, 64);
	}
	while (ipc_wait_event(monitor, 0) > 0)
		ck_assert_int_ge(ipc_process(monitor), 0);
	ck_assert_uint_ge(records, 80);
	ipc_unref(monitor);
	usleep(100000);
	for (uint32_t i = 0; i < 40; i++) {
		send_number(stream, i, 64);
		expect_number(stream, i, 64);
	}
	end_with(stream);
}
END_TEST

START_TEST(cancel_drops_messages_of_the_ring)
{
	struct ipc_stream *stream;

	begin_ops(3, "1", &ops);
	stream = open_stream(FLOOD);
	for (uint32_t i = 0; i < 40; i++)
		expect_number(stream, i, 100);
	ipc_stream_cancel(stream);
	expect_end(stream, -ECANCELED);
	end_with(stream);
}
END_TEST

static void expect_wrong_arguments(struct ipc_stream *stream)
{
	const struct iovec parts[IPC_RAW_PARTS_MAX + 1] = { 0 };
	const struct ipc_raw_message no_data = { .size = 100 }, no_parts = { .n_parts = 1 },
				     both = { .data = "1", .size = 1, .parts = parts, .n_parts = 1 },
				     many = { .parts = parts, .n_parts = IPC_RAW_PARTS_MAX + 1 };

	ck_assert_int_eq(ipc_raw_stream_send(stream, &no_data, 0), -EINVAL);
	ck_assert_int_eq(ipc_raw_stream_send(stream, &no_parts, 0), -EINVAL);
	ck_assert_int_eq(ipc_raw_stream_send(stream, &both, 0), -EINVAL);
	ck_assert_int_eq(ipc_raw_stream_send(stream, &many, 0), -E2BIG);
	ipc_stream_unref(stream);
}

START_TEST(wrong_arguments_fail_with_and_without_a_ring)
{
	begin_ops(3, "1", &ops);
	expect_wrong_arguments(open_stream(ECHO_WAITING));
	expect_wrong_arguments(open_ring(ECHO_WAITING));
	end();
}
END_TEST

/* A thread that saw that the ring was due, after another thread has opened it. */
START_TEST(late_opener_changes_nothing)
{
	struct ipc_stream *stream;
	struct stream_ring *ring;

	begin_ops(3, "1", &ops);
	stream = open_ring(ECHO_WAITING);
	ring = stream->ring;
	ring_open(stream);
	ck_assert_ptr_eq(stream->ring, ring);
	ck_assert_int_eq(ring_state(stream), RING_OPEN);
	end_with(stream);
}
END_TEST

/* The server neither maps nor seals its part. */
START_TEST(unsealed_part_ends_the_stream)
{
	struct ipc_stream *stream;

	server_is_clear = 1;
	begin_ops(3, "1", &ops);
	stream = open_and_echo(LIE);
	ck_assert_int_ge(stream->ring->fd, 0);
	send_number(stream, ACCEPTS_UNSEALED, LIE_SIZE);
	expect_end(stream, -EPROTO);
	ck_assert_int_eq(stream->ring->fd, -1);
	ck_assert_ptr_null(stream->ring->side.peer);
	ck_assert(!stream->ring->receives);
	end_with(stream);
}
END_TEST

/* --- Hostile clients --------------------------------------------------------------------- */

/* Other clients are served. */
static void expect_service(void)
{
	struct ipc_stream *stream = open_ring(ECHO_WAITING);

	ipc_stream_unref(stream);
	ck_assert_uint_eq(get(1), 7);
}

static struct ring_part *begin_hostile(struct ipc_stream **ret_stream)
{
	begin_ops(3, "1", &ops);
	*ret_stream = open_ring(ECHO_WAITING);
	return (*ret_stream)->ring->side.own;
}

static void expect_refusal(struct ipc_stream *stream)
{
	const struct ipc_raw_message *message;
	int r;

	ring_ring(stream, FOR_MESSAGE, RING_BY_BUS);
	channel_wake(&stream->ring->side.own->sent, 1);
	while ((r = ipc_raw_stream_receive(stream, 10 * SECOND, &message, NULL)) > 0)
		;
	ck_assert_int_eq(r, -EPROTO);
	ipc_stream_unref(stream);
	expect_service();
	end();
}

START_TEST(lying_clients_end_their_streams)
{
	struct ipc_stream *stream;

	for (uint32_t number = 0; number < RINGS; number++) {
		if (number == PROMISES || number == ACCEPTS_UNSEALED)
			continue;
		begin_hostile(&stream);
		ck_assert_int_ge(lie(stream, number), 0);
		/* The server notices credit when it has none left. */
		for (uint32_t i = 0; number == GRANTS_TOO_MUCH && i < STREAM_WINDOW; i++)
			send_number(stream, i, 64);
		expect_refusal(stream);
	}
}
END_TEST

START_TEST(promised_message_that_does_not_come_ends_the_stream)
{
	struct ipc_stream *stream;
	struct ring_part *own = begin_hostile(&stream);

	own->slots[stream->ring->side.sent % STREAM_WINDOW].size = RING_BUS;
	atomic_fetch_add(&own->sent, 1);
	ck_assert_int_eq(ipc_stream_end(stream), 0);
	expect_refusal(stream);
}
END_TEST

START_TEST(lying_servers_end_their_streams)
{
	const struct ipc_raw_message *message;

	begin_ops(3, "1", &ops);
	for (uint32_t number = 0; number < LIES; number++) {
		struct ipc_stream *stream = open_ring(LIE);
		int r = 0;

		send_number(stream, number, LIE_SIZE);
		if (number == RINGS) {
			send_number(stream, 5, 64);
			expect_number(stream, 5, 64);
		} else if (number == GRANTS_TOO_MUCH) {
			while (r == 0)
				r = ipc_raw_stream_send(stream, &empty, 10 * SECOND);
			ck_assert_int_eq(r, -EPROTO);
		} else {
			do
				r = ipc_raw_stream_receive(stream, 10 * SECOND, &message, NULL);
			while (r > 0);
			ck_assert_int_eq(r, -EPROTO);
		}
		ipc_stream_unref(stream);
	}
	end();
}
END_TEST

START_TEST(stream_that_hides_from_a_monitor_ends)
{
	static const uint32_t no_monitors;
	const struct ipc_raw_message *message;
	unsigned int records = 0, n = 0;
	struct ipc_stream *stream;
	const uint32_t *monitors;
	struct ipc *monitor;
	int r = 1;

	begin_hostile(&stream);
	ck_assert_int_eq(ipc_open(&monitor, ipc_test_bus_path(bus)), 0);
	ck_assert_int_eq(ipc_monitor(monitor, IPC_MONITOR_MESSAGES, 0, 0, count, &records, NULL),
			 0);
	monitors = ipc->monitors;
	ipc->monitors = &no_monitors;
	for (; r > 0 && n < 1000; n++) {
		r = ipc_raw_stream_send(stream, &empty, 10 * SECOND);
		if (r == 0)
			r = ipc_raw_stream_receive(stream, 10 * SECOND, &message, NULL);
	}
	ck_assert_int_eq(r, -EPROTO);
	ck_assert_uint_gt(n, STREAM_WINDOW);
	ipc->monitors = monitors;
	ipc_unref(monitor);
	end_with(stream);
}
END_TEST

static int never(struct ipc_stream *stream, const ProtobufCMessage *request, const void *ops_,
		 void *userdata)
{
	(void)stream, (void)request, (void)ops_, (void)userdata;
	return -EOPNOTSUPP;
}

/* The raw server returns the bytes. The strings before the cut file need memory. */
START_TEST(malformed_typed_message_ends_the_stream)
{
	static const struct ipc_method method = {
		.number = ECHO_WAITING,
		.flags = IPC_METHOD_REQUEST_STREAM | IPC_METHOD_REPLY_STREAM,
		.name = "Echo",
		.request = &ipc__dump_request__descriptor,
		.reply = &ipc__dump_request__descriptor,
		.open = never,
	};
	static const uint8_t args[] = { 2 << 3 | 2, 1, 'x' }, fd[] = { 1 << 3 | 2, 1, 0xff };
	Ipc__DumpRequest request = IPC__DUMP_REQUEST__INIT;
	const ProtobufCMessage *reply;
	struct ipc_stream *stream;
	uint8_t *data;

	begin_ops(3, "1", &ops);
	ck_assert_int_eq(ipc_rpc_stream_open(proxy, &method, NULL, NULL, &stream, NULL), 0);
	for (int i = 0; i < 40; i++) {
		ck_assert_int_eq(ipc_rpc_stream_send(stream, &method, 10 * SECOND, &request.base),
				 0);
		ck_assert_int_eq(ipc_rpc_stream_receive(stream, &method, 10 * SECOND, &reply, NULL),
				 1);
	}
	ck_assert(stream->ring->sends && stream->ring->receives);
	data = ring_data(&stream->ring->side);
	for (size_t i = 0; i < RING_DATA_MAX; i += 3)
		memcpy(data + i, i + 3 < RING_DATA_MAX ? args : fd, 3);
	ring_ring(stream, FOR_MESSAGE, ring_send(&stream->ring->side, RING_DATA_MAX));
	ck_assert_int_eq(ipc_rpc_stream_receive(stream, &method, 10 * SECOND, &reply, NULL),
			 -EBADMSG);
	ck_assert_ptr_null(stream->ring->call->done);
	end_with(stream);
}
END_TEST

START_TEST(bells_without_need_are_harmless)
{
	struct ipc_stream *stream;

	begin_hostile(&stream);
	for (uint32_t i = 0; i < 100; i++)
		ring_ring(stream, FOR_MESSAGE, RING_BY_BUS);
	send_number(stream, 5, 64);
	expect_number(stream, 5, 64);
	end_with(stream);
}
END_TEST

/* Sends the file of both parts. The stream goes on through the bus. */
static void offer(struct ipc_stream *stream, int fd)
{
	struct ipc_raw_entry entry = { .type = IPC_RAW_FD, .fd = fd };

	ck_assert_int_eq(ipc_raw_oneway(stream->peer_control,
					&(struct ipc_raw_message){ .method = STREAM_RING,
								   .entries = &entry,
								   .n_entries = 1 },
					NULL),
			 0);
}

START_TEST(parts_of_rings_that_could_fail_are_refused)
{
	int unsealed, large, holes;
	struct ipc_stream *stream;

	begin_ops(3, "1", &ops);
	setenv("IPC_CHANNELS", "0", 1);
	connect_again();
	stream = open_stream(ECHO_WAITING);
	large = channel_memory_new(CHANNEL_PART_SIZE);
	unsealed = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ck_assert_int_eq(ftruncate(unsealed, 2 * RING_PART_SIZE), 0);
	holes = memfd_create("holes", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ck_assert_int_eq(ftruncate(holes, 2 * RING_PART_SIZE), 0);
	ck_assert_int_eq(fcntl(holes, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
	offer(stream, unsealed);
	offer(stream, large);
	offer(stream, holes);
	/* Now it is sealed. */
	offer(stream, holes);
	offer(stream, STDIN_FILENO);
	for (uint32_t i = 0; i < 100; i++) {
		send_number(stream, i, 64);
		expect_number(stream, i, 64);
	}
	ck_assert_uint_eq(count_parts(), 0);
	close(unsealed);
	close(large);
	close(holes);
	end_with(stream);
}
END_TEST

/* The handler has returned, and no callbacks came. */
START_TEST(stream_without_a_user_gets_no_ring)
{
	struct ipc_stream *stream;
	int fd;

	begin_ops(3, "1", &ops);
	stream = open_stream(FLOOD + 100);
	fd = channel_memory_new(RING_PART_SIZE);
	expect_end(stream, -EOPNOTSUPP);
	offer(stream, fd);
	ck_assert_uint_eq(get(1), 7);
	/* Another thread may look at the file, and maps it meanwhile. */
	while (count_parts())
		usleep(1000);
	close(fd);
	end_with(stream);
}
END_TEST

/* Writes random words while it sends. */
START_TEST(random_words_harm_only_their_writer)
{
	unsigned int seed = 1;

	begin_ops(3, "1", &ops);
	for (int round = 0; round < 100; round++) {
		struct ipc_stream *stream = open_ring(ECHO_WAITING + round % 2);
		atomic_uint *words = (atomic_uint *)stream->ring->side.own;
		const struct ipc_raw_message *message;
		uint8_t data[64] = { 0 };
		int r = 0;

		for (int i = 0; i < 40 && (r >= 0 || r == -EAGAIN); i++) {
			uint32_t at = (uint32_t)rand_r(&seed);
			uint32_t value = (uint32_t)rand_r(&seed);

			at = at % 2 ? at / 2 % 32 : at / 2 % (RING_PART_SIZE / 4);
			atomic_store(&words[at], value % 3 ? words[at] + value % 20 : value);
			r = ipc_raw_stream_send(stream, &(struct ipc_raw_message){ .data = data,
										   .size = 64 }, 0);
			if (r == 0 || r == -EAGAIN)
				r = ipc_raw_stream_receive(stream, 1000, &message, NULL);
		}
		ipc_stream_unref(stream);
	}
	expect_service();
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("channel-streams", order_holds_for_a_handler, order_holds_for_callbacks,
			 order_holds_in_random_use, callbacks_keep_the_order_in_random_use,
			 order_holds_without_channels, slow_receiver_gets_all_messages,
			 messages_before_the_end_of_a_dead_server_are_received,
			 cancel_drops_messages_of_the_ring, late_opener_changes_nothing,
			 unsealed_part_ends_the_stream,
			 wrong_arguments_fail_with_and_without_a_ring,
			 lying_clients_end_their_streams, malformed_typed_message_ends_the_stream,
			 promised_message_that_does_not_come_ends_the_stream,
			 parts_of_rings_that_could_fail_are_refused,
			 stream_without_a_user_gets_no_ring,
			 lying_servers_end_their_streams, bells_without_need_are_harmless,
			 death_wakes_waiting_threads, stopped_server_gets_the_window_later,
			 monitor_sees_messages, stream_that_hides_from_a_monitor_ends,
			 random_words_harm_only_their_writer);
}
