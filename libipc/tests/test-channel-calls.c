// SPDX-License-Identifier: MIT
/*
 * Calls through direct channels.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ipc/monitor.h>
#include <ipc/test.h>

#include "channel-run.h"
#include "channels/channel-client.h"
#include "conn/private.h"
#include "core/proxy.h"
#include "conn/thread.h"

START_TEST(no_channel_unless_asked_for)
{
	begin_with(1, "0");
	for (unsigned int i = 0; i < 3 * CHANNEL_AFTER; i++)
		ck_assert_uint_eq(get(WHERE), 0);
	end();
}
END_TEST

/* The kernel must overwrite its replies. */
START_TEST(server_of_secrets_refuses_channels)
{
	server_is_clear = 1;
	begin_with(1, "1");
	for (unsigned int i = 0; i < 3 * CHANNEL_AFTER; i++)
		ck_assert_uint_eq(get(WHERE), 0);
	end();
}
END_TEST

START_TEST(frequent_calls_get_a_channel)
{
	begin(1);
	for (unsigned int i = 0; i < 1000; i++)
		ck_assert_uint_eq(get(WHERE), 1);
	end();
}
END_TEST

static int go_on(void *unused)
{
	(void)unused;
	return 0;
}

/* They could not use it. */
START_TEST(interruptible_calls_open_no_channel)
{
	const struct ipc_raw_message request = { .method = WHERE };
	const struct ipc_options options = { 0 };

	begin_with(1, "1");
	ck_assert_int_eq(ipc_raw_set_interrupt(ipc, go_on, NULL), 0);
	for (unsigned int i = 0; i < 2 * CHANNEL_AFTER; i++) {
		ck_assert_int_eq(ipc_raw_call(proxy, &request, &options, NULL, NULL), 0);
		ck_assert_uint_eq(count_parts(), 0);
	}
	end();
}
END_TEST

START_TEST(limit_of_a_microsecond_expires)
{
	begin(1);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(call_within(WHERE, 1), -ETIMEDOUT);
	ck_assert_uint_eq(get(WHERE), 1);
	end();
}
END_TEST

static void echo(const uint8_t *data, size_t size)
{
	struct ipc_raw_message request = { .method = ECHO, .data = data, .size = size };
	struct ipc_raw_message *reply;

	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, &reply, NULL), 0);
	ck_assert_uint_eq(reply->size, size);
	ck_assert_mem_eq(reply->data, data, size);
	ipc_raw_free(reply);
}

START_TEST(payloads_of_all_sizes_arrive)
{
	static const size_t sizes[] = { 0, 1, 64, CHANNEL_DATA_MAX - 1, CHANNEL_DATA_MAX,
					CHANNEL_DATA_MAX + 1, CHANNEL_HUGE_MAX,
					CHANNEL_HUGE_MAX + 1, 100000 };
	uint8_t *data = malloc(100000);

	begin(1);
	for (size_t i = 0; i < 100000; i++)
		data[i] = (uint8_t)(i * 3);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		echo(data, sizes[i]);
	free(data);
	end();
}
END_TEST

/* The server has two parts of a channel, and two more after a large call. */
START_TEST(large_call_costs_memory_only_of_its_channel)
{
	static const uint8_t data[CHANNEL_HUGE_MAX];
	struct channel_caller *caller;

	begin(1);
	caller = (void *)atomic_load(&proxy->channel);
	for (int i = 0; i < 100; i++)
		echo(data, CHANNEL_DATA_MAX);
	ck_assert_uint_eq(count_parts(), 2);
	for (uint32_t i = 0; i < 100; i++) {
		/* The first two calls make the extension, and the third call uses it. */
		ck_assert_uint_eq(caller->posted[CHANNEL_HUGE], i < 2 ? 0 : i - 2);
		echo(data, sizeof(data));
		ck_assert_uint_lt(malloc_usable_size(thread_last->channel_buffer), sizeof(data));
	}
	ck_assert_uint_eq(count_parts(), 4);
	connect_again();
	ck_assert_uint_eq(get(WHERE), 0);
	for (int i = 0; i < 100 && count_parts(); i++)
		get(SLEEP);
	ck_assert_uint_eq(count_parts(), 0);
	end();
}
END_TEST

static void *echo_large(void *unused)
{
	static const uint8_t data[CHANNEL_HUGE_MAX];

	for (int i = 0; i < 50; i++)
		echo(data, sizeof(data));
	return unused;
}

/* A single thread makes the extension, and the calls of the other threads use the bus. */
START_TEST(large_calls_of_threads_make_one_extension)
{
	pthread_t threads[4];

	begin(2);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, echo_large, NULL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(count_parts(), 4);
	ck_assert_uint_eq(get(WHERE), 1);
	end();
}
END_TEST

/* Files of more than 128 KB are forbidden, so the client cannot make the extension. */
START_TEST(without_extension_large_calls_use_the_bus)
{
	static const uint8_t data[CHANNEL_HUGE_MAX];
	struct rlimit before, limit;
	struct channel_caller *caller;

	begin(1);
	caller = (void *)atomic_load(&proxy->channel);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = 2 * CHANNEL_PART_SIZE;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	echo(data, sizeof(data));
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
	for (int i = 0; i < 10; i++)
		echo(data, sizeof(data));
	ck_assert_uint_eq(caller->posted[CHANNEL_HUGE], 0);
	ck_assert_uint_eq(get(WHERE), 1);
	/* Like other calls that do not fit. */
	for (int i = 0; i < 32; i++)
		echo(data, sizeof(data));
	ck_assert_uint_eq(get(WHERE), 0);
	end();
}
END_TEST

START_TEST(large_call_beside_another_one_uses_the_bus)
{
	static const uint8_t data[CHANNEL_HUGE_MAX];
	struct channel_caller *caller;
	uint32_t posted;

	begin(1);
	echo(data, sizeof(data));
	caller = (void *)atomic_load(&proxy->channel);
	ck_assert_int_eq(channel_take_cell(caller, sizeof(data)), CHANNEL_HUGE);
	posted = caller->posted[CHANNEL_HUGE];
	echo(data, sizeof(data));
	ck_assert_uint_eq(caller->posted[CHANNEL_HUGE], posted);
	channel_put_cell(caller, CHANNEL_HUGE);
	echo(data, sizeof(data));
	ck_assert_uint_eq(caller->posted[CHANNEL_HUGE], posted + 1);
	end();
}
END_TEST

START_TEST(large_reply_comes_by_the_bus)
{
	struct ipc_raw_message *reply;

	begin(1);
	for (int i = 0; i < 7; i++) {
		ck_assert_int_eq(ipc_raw_call(proxy,
					      &(struct ipc_raw_message){ .method = REPLY_LARGE },
					      NULL, &reply, NULL), 0);
		ck_assert_uint_eq(reply->size, LARGE);
		ck_assert_int_eq(((const uint8_t *)reply->data)[LARGE - 1], 'x');
		ipc_raw_free(reply);
		ck_assert_int_eq(ipc_raw_call(proxy,
					      &(struct ipc_raw_message){ .method = FAIL_LARGE },
					      NULL, &reply, NULL), -EDOM);
	}
	ck_assert_uint_eq(get(WHERE), 1);
	end();
}
END_TEST

/* The server sends it with the exchange that waits for the next message. */
START_TEST(reply_larger_than_the_region_arrives_as_a_file)
{
	static const uint8_t data[70000] = { [69999] = 'x' };
	struct ipc_raw_message *reply;

	begin(1);
	ipc_proxy_unref(proxy);
	ipc_unref(ipc);
	ck_assert_int_eq(ipc_open_sized(&ipc, ipc_test_bus_path(bus), 32 << 10), 0);
	ck_assert_int_eq(ipc_get_manager(ipc, &proxy), 0);
	for (unsigned int i = 0; i < CHANNEL_AFTER; i++)
		get(WHERE);
	ck_assert_uint_eq(get(WHERE), 1);
	ck_assert_int_eq(ipc_raw_call(proxy,
				      &(struct ipc_raw_message){ .method = ECHO, .data = data,
								 .size = sizeof(data),
								 .flags = IPC_RAW_ACCEPT_FDS },
				      NULL, &reply, NULL), 0);
	ck_assert_uint_eq(reply->size, sizeof(data));
	ck_assert_int_eq(((const uint8_t *)reply->data)[sizeof(data) - 1], 'x');
	ipc_raw_free(reply);
	ck_assert_uint_eq(get(WHERE), 1);
	end();
}
END_TEST

START_TEST(mostly_large_messages_end_the_channel)
{
	static const uint8_t data[CHANNEL_HUGE_MAX + 1];

	begin(1);
	for (int i = 0; i < 200; i++) {
		for (int k = 0; k < 5; k++)
			ck_assert_uint_eq(get(WHERE), 1);
		echo(data, sizeof(data));
	}
	for (int i = 0; i < 32; i++)
		echo(data, sizeof(data));
	ck_assert_uint_eq(get(WHERE), 0);
	/* Gone at the server, too. */
	for (int i = 0; i < 100 && count_parts(); i++)
		usleep(20000);
	ck_assert_uint_eq(count_parts(), 0);
	end();
}
END_TEST

START_TEST(errors_are_explained)
{
	struct ipc_error error = IPC_ERROR_INIT;

	begin(1);
	ck_assert_int_eq(ipc_raw_call(proxy, &(struct ipc_raw_message){ .method = FAIL }, NULL,
				      NULL, &error),
			 -EREMOTEIO);
	ck_assert_str_eq(error.name, "test.Failed");
	ck_assert_str_eq(error.text, "as asked");
	ipc_error_done(&error);
	ck_assert_int_eq(ipc_raw_call(proxy, &(struct ipc_raw_message){ .method = 99 }, NULL, NULL,
				      NULL), -EOPNOTSUPP);
	end();
}
END_TEST

/* Errnos that the bus has for the call or the server too. */
START_TEST(error_of_a_handler_does_not_end_the_channel)
{
	static const int codes[] = { -EOWNERDEAD, -ECONNRESET, -ENOTCONN, -EHOSTDOWN, -ETIMEDOUT,
				     -ECANCELED, -ECHILD, -EPROTO };
	struct ipc_error error = IPC_ERROR_INIT;

	begin(1);
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		const struct ipc_raw_message request = {
			.method = FAIL, .data = &codes[i], .size = sizeof(codes[i]),
		};
		bool behind = codes[i] != -EPROTO;

		ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, NULL, &error),
				 behind ? -EREMOTEIO : codes[i]);
		ck_assert_int_eq(error.origin, behind ? IPC_ORIGIN_BEHIND : IPC_ORIGIN_PEER);
		ck_assert_int_eq(error.cause, behind ? codes[i] : 0);
		ck_assert_uint_eq(get(WHERE), 1);
	}
	ipc_error_done(&error);
	end();
}
END_TEST

START_TEST(caller_is_that_of_the_set_up)
{
	struct ipc_raw_message *reply;
	uint32_t who[4];

	begin(1);
	ck_assert_int_eq(
		ipc_raw_call(proxy, &(struct ipc_raw_message){ .method = WHO }, NULL, &reply, NULL),
		0);
	ck_assert_uint_eq(reply->size, sizeof(who));
	memcpy(who, reply->data, sizeof(who));
	ipc_raw_free(reply);
	ck_assert_uint_eq(who[0], geteuid());
	ck_assert_uint_eq(who[1], getegid());
	ck_assert_uint_eq(who[2], (uint32_t)getpid());
	ck_assert_uint_eq(who[3], 1);
	end();
}
END_TEST

START_TEST(long_call_is_waited_for)
{
	begin(1);
	for (int i = 0; i < 5; i++)
		ck_assert_uint_eq(get(SLEEP), 1);
	ck_assert_uint_eq(get(WHERE), 1);
	end();

	/* The other thread takes the waiting call. */
	begin(2);
	for (int i = 0; i < 5; i++)
		ck_assert_uint_eq(get(SLEEP), 1);
	end();
}
END_TEST

/* Before and after the call moved to the bus. */
START_TEST(deadline_ends_the_call_and_reaches_the_handler)
{
	static const uint64_t usec[] = { 2000, 20000 };

	begin(2);
	for (uint32_t i = 0; i < 2; i++) {
		/* On a busy machine the deadline may pass before a thread takes the call. */
		while (get(CANCELS) < i + 1) {
			uint64_t before = now_usec();

			ck_assert_int_eq(call_within(CANCELS, usec[i]), -ETIMEDOUT);
			ck_assert_uint_ge(now_usec() - before, usec[i]);
			for (int tries = 0; tries < 100 && get(CANCELS) < i + 1; tries++)
				usleep(1000);
		}
	}
	ck_assert_uint_eq(get(WHERE), 1);

	/* A stopped client does not cancel its call. */
	if (!fork()) {
		usleep(200000);
		kill(getppid(), SIGSTOP);
		usleep(2500000);
		kill(getppid(), SIGCONT);
		_exit(0);
	}
	call_within(CANCELS, 500000);
	ck_assert_uint_eq(get(CANCELS), 3);
	end();
}
END_TEST

START_TEST(death_of_the_server_ends_its_calls)
{
	uint32_t number;
	uint64_t before;

	begin(1);
	before = now_usec();
	ck_assert_int_eq(call_for(DIE, NULL, 0, &number), -EOWNERDEAD);
	ck_assert_uint_lt(now_usec() - before, 1000000);
	ck_assert_int_eq(call_for(WHERE, NULL, 0, &number), -ENOTCONN);
	end();
}
END_TEST

START_TEST(killed_server_ends_calls_that_wait)
{
	uint32_t number;

	begin(1);
	stop_server();
	if (!fork()) {
		usleep(50000);
		kill(server, SIGKILL);
		_exit(0);
	}
	ck_assert_int_eq(call_for(WHERE, NULL, 0, &number), -EOWNERDEAD);
	wait(NULL);
	end();
}
END_TEST

/* The client's only thread gets an event that it does not take. */
static void leave_event(void)
{
	struct ipc_raw_entry entry = { .type = IPC_RAW_OBJECT };
	struct ipc_raw_message request = { .method = SET_BACK, .entries = &entry, .n_entries = 1 };
	struct ipc_raw_message *reply;

	ck_assert_int_eq(ipc_raw_object_new(ipc, &server_ops, NULL, &entry.object), 0);
	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, &reply, NULL), 0);
	ipc_raw_free(reply);
	ipc_object_unref(entry.object);
	ck_assert_uint_eq(get(NUDGE), 0);
}

/* Kills the server while a call waits, and returns how long the call took to notice it. */
static uint64_t kill_while_waiting(void)
{
	uint64_t *killed = mmap(NULL, sizeof(*killed), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t delay;

	ck_assert(killed != MAP_FAILED);
	stop_server();
	if (!fork()) {
		usleep(300000);
		*killed = now_usec();
		kill(server, SIGKILL);
		_exit(0);
	}
	ck_assert_int_eq(call_within(WHERE, 10000000), -EOWNERDEAD);
	delay = now_usec() - *killed;
	wait(NULL);
	munmap(killed, sizeof(*killed));
	return delay;
}

/* Returns how long channel_server_died() took, in a client that does not wait. */
static uint64_t kill_while_sending(void)
{
	struct channel *channel = atomic_load(&proxy->channel);
	uint64_t killed;

	for (int i = 0; i < 100; i++) {
		ck_assert(!channel_server_died(channel));
		usleep(300);
	}
	ck_assert_uint_eq(get(WHERE), 1);
	killed = now_usec();
	kill(server, SIGKILL);
	while (!channel_server_died(channel))
		ck_assert_uint_lt(now_usec() - killed, 10000000);
	ck_assert(channel_server_died(channel));
	killed = now_usec() - killed;
	ck_assert_int_lt(call_within(WHERE, 1000000), 0);
	return killed;
}

/* In three of 200 attempts, because the machine may be busy. With and without another event of
 * the bus that the client does not take. */
static void check_notice(uint64_t (*kill_server)(void))
{
	for (int with_event = 0; with_event < 2; with_event++) {
		unsigned int soon = 0;

		for (int i = 0; i < 200 && soon < 3; i++) {
			begin(1);
			if (with_event)
				leave_event();
			soon += kill_server() < 15000;
			end();
		}
		ck_assert_uint_eq(soon, 3);
	}
}

START_TEST(waiting_client_notices_the_death_soon)
{
	check_notice(kill_while_waiting);
}
END_TEST

START_TEST(sending_client_notices_the_death_soon)
{
	check_notice(kill_while_sending);
}
END_TEST

/* Sends slow oneways to a new object of the server, and drops the only proxy of the object. */
static void send_and_drop(unsigned int oneways)
{
	struct ipc_proxy *made;
	struct ipc_raw_message *reply;

	ck_assert_int_eq(ipc_raw_call(proxy, &(struct ipc_raw_message){ .method = GIVE_OBJECT },
				      NULL, &reply, NULL),
			 0);
	made = ipc_proxy_ref(reply->entries[0].proxy);
	ipc_raw_free(reply);
	for (unsigned int i = 0; i < 2 * CHANNEL_AFTER; i++)
		ck_assert_int_eq(ipc_raw_call(made, &(struct ipc_raw_message){ .method = WHERE },
					      NULL, NULL, NULL), 0);
	for (unsigned int i = 0; i < oneways; i++)
		ck_assert_int_eq(ipc_raw_oneway(made, &(struct ipc_raw_message){
							      .method = ADD, .data = "", .size = 1,
						      }, NULL), 0);
	ipc_proxy_unref(made);
}

START_TEST(oneways_outlive_the_last_proxy)
{
	uint64_t end_usec = now_usec() + 20000000;

	begin(1);
	for (int i = 0; i < 20; i++)
		send_and_drop(5);
	while (get(GET_ADDED) != 20 * 5 && now_usec() < end_usec)
		usleep(1000);
	ck_assert_uint_eq(get(GET_ADDED), 20 * 5);
	end();
}
END_TEST

START_TEST(stop_ends_channels_and_calls_go_on)
{
	begin(1);
	ck_assert_uint_eq(get(STOP), 1);
	for (int i = 0; i < 100; i++)
		ck_assert_uint_eq(get(WHERE), 0);
	end();
}
END_TEST

static void *call_often(void *unused)
{
	for (uint32_t i = 0; i < 3000; i++) {
		struct ipc_raw_message request = { .method = ECHO, .data = &i, .size = sizeof(i) };
		struct ipc_raw_message *reply;

		ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, &reply, NULL), 0);
		ck_assert_mem_eq(reply->data, &i, sizeof(i));
		ipc_raw_free(reply);
	}
	return unused;
}

START_TEST(threads_on_both_sides_share_a_channel)
{
	pthread_t threads[4];

	begin(3);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, call_often, NULL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(get(WHERE), 1);
	end();
}
END_TEST

/* --- Handlers that make calls -------------------------------------------------------------- */

static atomic_uint served_back;

static int serve_back(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	(void)request, (void)userdata;
	return reply_number(call, ++served_back);
}

static const struct ipc_raw_ops back_ops = { .serve = serve_back };

static struct ipc_object *give_back(void)
{
	struct ipc_raw_entry entry = { .type = IPC_RAW_OBJECT };

	served_back = 0;
	ck_assert_int_eq(ipc_raw_object_new(ipc, &back_ops, NULL, &entry.object), 0);
	ck_assert_int_eq(ipc_raw_call(proxy,
				      &(struct ipc_raw_message){ .method = SET_BACK,
								 .entries = &entry,
								 .n_entries = 1 },
				      NULL, NULL, NULL), 0);
	return entry.object;
}

/* Neither side has a second thread. */
START_TEST(waiting_client_serves_the_handlers_calls)
{
	static const uint32_t codes[] = { CALL_BACK, CALL_BACK_LATE, CALL_BACK_DETACHED };

	for (int i = 0; i < 3; i++) {
		struct ipc_object *object;
		uint64_t before;

		begin(1);
		object = give_back();
		ck_assert_uint_eq(get(WHERE), 1);
		before = now_usec();
		ck_assert_uint_eq(get(codes[i]), 1002);
		ck_assert_uint_lt(now_usec() - before, 800000);
		/* From now on calls use the bus. */
		ck_assert_uint_eq(get(codes[i]), 4);
		ck_assert_uint_eq(get(WHERE), 0);
		ipc_object_unref(object);
		end();
	}
}
END_TEST

static void *call_back_often(void *unused)
{
	for (int i = 0; i < 20; i++)
		get(CALL_BACK);
	return unused;
}

START_TEST(many_handlers_make_their_first_call)
{
	pthread_t threads[6];
	struct ipc_object *object;

	begin(4);
	object = give_back();
	for (int i = 0; i < 6; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, call_back_often, NULL), 0);
	for (int i = 0; i < 6; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(served_back, 6 * 20 * 2);
	ipc_object_unref(object);
	end();
}
END_TEST

START_TEST(deadline_of_a_joined_call_ends_it)
{
	struct ipc_object *object;

	begin(1);
	object = give_back();
	/* The handler makes its call after the deadline. */
	ck_assert_int_eq(call_within(CALL_BACK_LATE, 10000), -ETIMEDOUT);
	ck_assert_uint_eq(get(WHERE), 0);
	ck_assert_uint_eq(served_back, 0);
	ipc_object_unref(object);
	end();
}
END_TEST

/* --- Features of the bus ---------------------------------------------------------------------- */

START_TEST(reply_with_objects_comes_by_the_bus)
{
	struct ipc_raw_message *reply;

	begin(1);
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(ipc_raw_call(proxy,
					      &(struct ipc_raw_message){ .method = GIVE_OBJECT },
					      NULL, &reply, NULL), 0);
		ck_assert_uint_eq(reply->size, 4);
		ck_assert_mem_eq(reply->data, "with", 4);
		ck_assert_uint_eq(reply->n_entries, 1);
		ck_assert_uint_eq(reply->entries[0].type, IPC_RAW_PROXY);
		ck_assert_int_eq(ipc_raw_call(reply->entries[0].proxy,
					      &(struct ipc_raw_message){ .method = WHERE }, NULL,
					      NULL, NULL), 0);
		ipc_raw_free(reply);
		ck_assert_uint_eq(get(WHERE), 1);
		ck_assert_int_eq(ipc_raw_call(proxy,
					      &(struct ipc_raw_message){ .method = GIVE_FILE },
					      NULL, &reply, NULL),
				 -EPERM);
	}
	ck_assert_uint_eq(get(WHERE), 1);
	end();
}
END_TEST

static void count(struct ipc *monitor, const struct ipc_record *record, void *userdata)
{
	(void)monitor, (void)record;
	(*(unsigned int *)userdata)++;
}

START_TEST(monitor_ends_channels)
{
	unsigned int records = 0;
	struct ipc_proxy *other;
	struct ipc *monitor;

	begin(1);
	ck_assert_int_eq(ipc_open(&monitor, ipc_test_bus_path(bus)), 0);
	ck_assert_int_eq(ipc_monitor(monitor, IPC_MONITOR_MESSAGES, 0, 0, count, &records, NULL),
			 0);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(get(WHERE), 0);
	/* And no new channel is opened. */
	ck_assert_int_eq(ipc_get_manager(monitor, &other), 0);
	for (unsigned int i = 0; i < 2 * CHANNEL_AFTER; i++)
		ck_assert_uint_eq(get(WHERE), 0);
	while (ipc_wait_event(monitor, 0) > 0)
		ck_assert_int_ge(ipc_process(monitor), 0);
	ck_assert_uint_ge(records, 3);
	ipc_proxy_unref(other);
	ipc_unref(monitor);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("channel-calls", no_channel_unless_asked_for,
			 server_of_secrets_refuses_channels,
			 frequent_calls_get_a_channel,
			 interruptible_calls_open_no_channel,
			 limit_of_a_microsecond_expires, payloads_of_all_sizes_arrive,
			 large_call_costs_memory_only_of_its_channel,
			 large_calls_of_threads_make_one_extension,
			 without_extension_large_calls_use_the_bus,
			 large_call_beside_another_one_uses_the_bus,
			 large_reply_comes_by_the_bus,
			 reply_larger_than_the_region_arrives_as_a_file,
			 mostly_large_messages_end_the_channel, errors_are_explained,
			 error_of_a_handler_does_not_end_the_channel,
			 caller_is_that_of_the_set_up, long_call_is_waited_for,
			 deadline_ends_the_call_and_reaches_the_handler,
			 death_of_the_server_ends_its_calls, killed_server_ends_calls_that_wait,
			 waiting_client_notices_the_death_soon,
			 sending_client_notices_the_death_soon,
			 oneways_outlive_the_last_proxy, stop_ends_channels_and_calls_go_on,
			 threads_on_both_sides_share_a_channel,
			 waiting_client_serves_the_handlers_calls,
			 many_handlers_make_their_first_call, deadline_of_a_joined_call_ends_it,
			 reply_with_objects_comes_by_the_bus, monitor_ends_channels);
}
