// SPDX-License-Identifier: MIT
/*
 * Calls through direct channels of a bus that ipcbusd runs. The server is a process of its own.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/call.h"
#include "core/channel-client.h"
#include "core/channel-memory.h"
#include "core/channel-server.h"
#include "daemon-run.h"
#include "test-run.h"

#define LARGE 20000U

/* Methods. */
enum { WHERE = 1, ECHO, REPLY_LARGE, FAIL, FAIL_LARGE, SLEEP, CANCELS, ADD, GET_ADDED, WHO, DIE,
       STOP, SET_BACK, CALL_BACK, CALL_BACK_LATE, GIVE_OBJECT, GIVE_FILE };

static struct ipc_test_bus *bus;
static struct ipc *ipc;
static struct ipc_proxy *proxy;
static pid_t server;

/* --- The server -------------------------------------------------------------------------- */

static uint32_t added, cancels;

static void on_cancel(struct ipc_call *call, void *userdata)
{
	(void)call;
	atomic_store((atomic_bool *)userdata, true);
}

static int reply_number(struct ipc_call *call, uint32_t number)
{
	return ipc_raw_reply(call, &(struct ipc_raw_message){ .data = &number, .size = 4 });
}

static int sleep_until_canceled(struct ipc_call *call)
{
	atomic_bool told = false;
	struct ipc_slot *slot;

	if (ipc_call_on_cancel(call, on_cancel, &told, &slot) < 0)
		return -EINVAL;
	for (int i = 0; i < 500 && !atomic_load(&told); i++)
		usleep(1000);
	ipc_slot_end(slot);
	cancels += atomic_load(&told) && ipc_call_is_canceled(call) == 1;
	return reply_number(call, 0);
}

static int reply_who(struct ipc_call *call)
{
	int fd = ipc_call_pidfd(call);
	uint32_t who[] = { ipc_call_uid(call), ipc_call_gid(call), (uint32_t)ipc_call_pid(call),
			   fd >= 0 };

	if (fd >= 0)
		close(fd);
	return ipc_raw_reply(call, &(struct ipc_raw_message){ .data = who, .size = sizeof(who) });
}

/* The client's object. */
static struct ipc_proxy *back;

static int set_back(const struct ipc_raw_message *request)
{
	if (request->n_entries != 1 || request->entries[0].type != IPC_RAW_PROXY)
		return -EINVAL;
	back = ipc_proxy_ref(request->entries[0].proxy);
	return 0;
}

/* Replies with what the client's object replies, and 1000 for a call of a channel. */
static int call_back(struct ipc_call *call)
{
	const struct ipc_raw_message request = { .code = WHERE };
	uint32_t number = 0;

	for (int i = 0; i < 2; i++) {
		struct ipc_raw_message *reply;
		int r = ipc_raw_call(back, &request, NULL, &reply, NULL);

		if (r < 0)
			return r;
		memcpy(&number, reply->data, 4);
		ipc_raw_free(reply);
	}
	return reply_number(call, number + (is_channel_call(call->number) ? 1000 : 0));
}

static int serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata);

static const struct ipc_raw_ops ops = { .serve = serve };

static int give_object(struct ipc_call *call)
{
	struct ipc_raw_entry entry = { .type = IPC_RAW_OBJECT };
	int r = ipc_raw_object_new(ipc_call_ipc(call), &ops, NULL, &entry.object);

	if (r == 0)
		r = ipc_raw_reply(call, &(struct ipc_raw_message){ .data = "with", .size = 4,
								   .entries = &entry,
								   .n_entries = 1 });
	ipc_object_unref(entry.object);
	return r;
}

/* A file, which the caller does not accept. */
static int give_file(struct ipc_call *call)
{
	struct ipc_raw_entry entry = { .type = IPC_RAW_FD, .fd = STDIN_FILENO };

	return ipc_raw_reply(call, &(struct ipc_raw_message){ .entries = &entry, .n_entries = 1 });
}

static int serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	static uint8_t large[LARGE];

	(void)userdata;
	switch (request->code) {
	case WHERE:
		return reply_number(call, is_channel_call(call->number));
	case ECHO:
		return ipc_raw_reply(call, &(struct ipc_raw_message){ .data = request->data,
								      .size = request->size });
	case REPLY_LARGE:
		memset(large, 'x', sizeof(large));
		return ipc_raw_reply(call, &(struct ipc_raw_message){ .data = large,
								      .size = sizeof(large) });
	case FAIL:
		return ipc_call_fail(call, 0, "test.Failed", "as %s", "asked");
	case FAIL_LARGE:
		return ipc_raw_fail(call, EDOM, large, sizeof(large));
	case SLEEP:
		usleep(30000);
		return reply_number(call, is_channel_call(call->number));
	case CANCELS:
		if (request->size)
			return sleep_until_canceled(call);
		return reply_number(call, cancels);
	case ADD:
		added++;
		return 0;
	case GET_ADDED:
		return reply_number(call, added);
	case WHO:
		return reply_who(call);
	case DIE:
		_exit(0);
	case STOP:
		ipc_stop(call->ipc);
		return reply_number(call, is_channel_call(call->number));
	case GIVE_OBJECT:
		return give_object(call);
	case GIVE_FILE:
		return give_file(call);
	case SET_BACK:
		return set_back(request) ?: reply_number(call, 0);
	case CALL_BACK_LATE:
		usleep(30000);
		return call_back(call);
	case CALL_BACK:
		return call_back(call);
	default:
		return -EOPNOTSUPP;
	}
}

static void run_server(unsigned int threads)
{
	struct ipc_object *object;
	struct ipc *own;

	if (ipc_open(&own, ipc_test_bus_path(bus)) < 0 ||
	    ipc_raw_object_new(own, &ops, NULL, &object) < 0 ||
	    ipc_set_manager(own, object) < 0 || ipc_set_threads(own, threads) < 0)
		_exit(1);
	/* Each time that it is told to stop it serves again. */
	while (ipc_run(own) == 0)
		;
	_exit(0);
}

static void begin_with(unsigned int threads, const char *channels)
{
	setenv("IPC_CHANNELS", channels, 1);
	bus = bus_new();
	server = fork();
	ck_assert_int_ge(server, 0);
	if (!server)
		run_server(threads);
	ck_assert_int_eq(ipc_wait_manager(ipc_test_bus_path(bus), 10000000), 1);
	ck_assert_int_eq(ipc_open(&ipc, ipc_test_bus_path(bus)), 0);
	ck_assert_int_eq(ipc_get_manager(ipc, &proxy), 0);
}

static void end(void)
{
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	ipc_proxy_unref(proxy);
	ipc_unref(ipc);
	ipc_test_bus_free(bus);
}

/* --- The client --------------------------------------------------------------------------- */

static int call_for(uint32_t code, const void *data, size_t size, uint32_t *ret_number)
{
	const struct ipc_raw_message request = { .code = code, .data = data, .size = size };
	struct ipc_raw_message *reply;
	int r;

	r = ipc_raw_call(proxy, &request, NULL, &reply, NULL);
	if (r < 0)
		return r;
	ck_assert_uint_eq(reply->size, 4);
	memcpy(ret_number, reply->data, 4);
	ipc_raw_free(reply);
	return 0;
}

static uint32_t get(uint32_t code)
{
	uint32_t number;

	ck_assert_int_eq(call_for(code, NULL, 0, &number), 0);
	return number;
}

/* Calls until the channel is there. */
static void begin(unsigned int threads)
{
	begin_with(threads, "1");
	for (unsigned int i = 0; i < CHANNEL_AFTER - 1; i++)
		ck_assert_uint_eq(get(WHERE), 0);
	ck_assert_uint_eq(get(WHERE), 1);
}

static uint64_t now_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int call_within(uint32_t code, uint64_t usec)
{
	const struct ipc_options options = { .timeout_usec = usec };

	return ipc_raw_call(proxy, &(struct ipc_raw_message){ .code = code, .data = "", .size = 1 },
			    &options, NULL, NULL);
}

/* --- Cases -------------------------------------------------------------------------------- */

START_TEST(no_channel_unless_asked_for)
{
	begin_with(1, "0");
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

START_TEST(payloads_of_all_sizes_arrive)
{
	static const size_t sizes[] = { 0, 1, 64, CHANNEL_DATA_MAX - 1, CHANNEL_DATA_MAX,
					CHANNEL_DATA_MAX + 1, 100000 };
	uint8_t *data = malloc(100000);

	begin(1);
	for (size_t i = 0; i < 100000; i++)
		data[i] = (uint8_t)(i * 3);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct ipc_raw_message request = { .code = ECHO, .data = data, .size = sizes[i] };
		struct ipc_raw_message *reply;

		ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, &reply, NULL), 0);
		ck_assert_uint_eq(reply->size, sizes[i]);
		ck_assert_mem_eq(reply->data, data, sizes[i]);
		ipc_raw_free(reply);
	}
	free(data);
	end();
}
END_TEST

START_TEST(large_reply_comes_by_the_bus)
{
	struct ipc_raw_message *reply;

	begin(1);
	for (int i = 0; i < 10; i++) {
		ck_assert_int_eq(ipc_raw_call(proxy,
					      &(struct ipc_raw_message){ .code = REPLY_LARGE },
					      NULL, &reply, NULL), 0);
		ck_assert_uint_eq(reply->size, LARGE);
		ck_assert_int_eq(((const uint8_t *)reply->data)[LARGE - 1], 'x');
		ipc_raw_free(reply);
		ck_assert_int_eq(ipc_raw_call(proxy,
					      &(struct ipc_raw_message){ .code = FAIL_LARGE },
					      NULL, &reply, NULL), -EDOM);
	}
	ck_assert_uint_eq(get(WHERE), 1);
	end();
}
END_TEST

START_TEST(errors_are_explained)
{
	struct ipc_error error = IPC_ERROR_INIT;

	begin(1);
	ck_assert_int_eq(ipc_raw_call(proxy, &(struct ipc_raw_message){ .code = FAIL }, NULL, NULL,
				      &error), -EREMOTEIO);
	ck_assert_str_eq(error.name, "test.Failed");
	ck_assert_str_eq(error.message, "as asked");
	ipc_error_done(&error);
	ck_assert_int_eq(ipc_raw_call(proxy, &(struct ipc_raw_message){ .code = 99 }, NULL, NULL,
				      NULL), -EOPNOTSUPP);
	end();
}
END_TEST

START_TEST(caller_is_that_of_the_set_up)
{
	struct ipc_raw_message *reply;
	uint32_t who[4];

	begin(1);
	ck_assert_int_eq(ipc_raw_call(proxy, &(struct ipc_raw_message){ .code = WHO }, NULL, &reply,
				      NULL), 0);
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

	/* The other thread takes the call that waits. */
	begin(2);
	for (int i = 0; i < 5; i++)
		ck_assert_uint_eq(get(SLEEP), 1);
	end();
}
END_TEST

/* Before and after the bus hears of the call. */
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
	kill(server, SIGSTOP);
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

START_TEST(call_does_not_overtake_a_oneway)
{
	begin(1);
	for (uint32_t i = 1; i <= 200; i++) {
		ck_assert_int_eq(ipc_raw_oneway(proxy, &(struct ipc_raw_message){ .code = ADD },
						NULL), 0);
		ck_assert_uint_eq(get(GET_ADDED), i);
		ck_assert_uint_eq(get(WHERE), 1);
	}
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
		struct ipc_raw_message request = { .code = ECHO, .data = &i, .size = sizeof(i) };
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
				      &(struct ipc_raw_message){ .code = SET_BACK,
								 .entries = &entry,
								 .n_entries = 1 },
				      NULL, NULL, NULL), 0);
	return entry.object;
}

/* Neither side has a second thread. */
START_TEST(waiting_client_serves_the_handlers_calls)
{
	static const uint32_t codes[] = { CALL_BACK, CALL_BACK_LATE };

	for (int i = 0; i < 2; i++) {
		struct ipc_object *object;
		uint64_t before;

		begin(1);
		object = give_back();
		ck_assert_uint_eq(get(WHERE), 1);
		before = now_usec();
		ck_assert_uint_eq(get(codes[i]), 1002);
		ck_assert_uint_lt(now_usec() - before, 800000);
		/* From now on by the bus. */
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

/* --- What the bus does --------------------------------------------------------------------- */

START_TEST(reply_with_objects_comes_by_the_bus)
{
	struct ipc_raw_message *reply;

	begin(1);
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(ipc_raw_call(proxy,
					      &(struct ipc_raw_message){ .code = GIVE_OBJECT },
					      NULL, &reply, NULL), 0);
		ck_assert_uint_eq(reply->size, 4);
		ck_assert_mem_eq(reply->data, "with", 4);
		ck_assert_uint_eq(reply->n_entries, 1);
		ck_assert_uint_eq(reply->entries[0].type, IPC_RAW_PROXY);
		ck_assert_int_eq(ipc_raw_call(reply->entries[0].proxy,
					      &(struct ipc_raw_message){ .code = WHERE }, NULL,
					      NULL, NULL), 0);
		ipc_raw_free(reply);
		ck_assert_uint_eq(get(WHERE), 1);
		ck_assert_int_eq(ipc_raw_call(proxy, &(struct ipc_raw_message){ .code = GIVE_FILE },
					      NULL, &reply, NULL), -EPERM);
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
	/* And no other begins. */
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

/* --- A hostile client ----------------------------------------------------------------------- */

/* An object that the channels of open_with() live as long as. */
static struct ipc_object *life_new(void)
{
	struct ipc_object *life;

	ck_assert_int_eq(ipc_raw_object_new(ipc, &ops, NULL, &life), 0);
	return life;
}

/* Asks the server for a channel with that file in the place of the client's part. ret_fd: the
 * server's part, or NULL: then this client does not accept files. */
static int open_with(int fd, struct ipc_object *life, int *ret_fd)
{
	struct ipc_raw_message *door, *reply;
	struct ipc_raw_entry entries[3];
	int r;

	ck_assert_int_eq(ipc_raw_call(proxy, &(struct ipc_raw_message){ .code = IPC_CODE_CHANNEL },
				      NULL, &door, NULL), 0);
	ck_assert_uint_eq(door->n_entries, 1);
	entries[0] = (struct ipc_raw_entry){ .type = IPC_RAW_FD, .fd = fd };
	entries[1] = (struct ipc_raw_entry){ .type = IPC_RAW_PROXY, .proxy = proxy };
	entries[2] = (struct ipc_raw_entry){ .type = IPC_RAW_OBJECT, .object = life };
	r = ipc_raw_call(door->entries[0].proxy,
			 &(struct ipc_raw_message){ .flags = ret_fd ? IPC_RAW_ACCEPT_FDS : 0,
						    .code = CHANNEL_OPEN,
						    .entries = entries,
						    .n_entries = 3 },
			 NULL, &reply, NULL);
	if (r == 0 && ret_fd) {
		ck_assert_uint_eq(reply->n_entries, 1);
		*ret_fd = fcntl(reply->entries[0].fd, F_DUPFD_CLOEXEC, 0);
		ck_assert_int_ge(*ret_fd, 0);
	}
	if (r == 0)
		ipc_raw_free(reply);
	ipc_raw_free(door);
	return r;
}

START_TEST(files_that_could_fail_are_refused)
{
	void *part;
	struct ipc_object *life;
	int fd, servers;

	begin(1);
	life = life_new();
	fd = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ck_assert_int_eq(ftruncate(fd, CHANNEL_PART_SIZE), 0);
	ck_assert_int_eq(open_with(fd, life, &servers), -EBADMSG);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS,
			       F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE), 0);
	/* With holes. */
	ck_assert_int_eq(open_with(fd, life, &servers), -EBADMSG);
	close(fd);
	ck_assert_int_eq(open_with(STDIN_FILENO, life, &servers), -EBADMSG);

	ck_assert_int_eq(channel_memory_new(&fd, &part), 0);
	ck_assert_int_eq(open_with(fd, life, &servers), 0);
	close(servers);
	close(fd);
	channel_memory_unmap(part);
	ipc_object_unref(life);
	ck_assert_uint_eq(get(WHERE), 1);
	end();
}
END_TEST

START_TEST(hostile_words_end_the_channel_and_no_other)
{
	/* Its first member. */
	struct channel_caller *caller;
	struct ipc_proxy *other;
	struct ipc *second;

	begin(1);
	caller = (void *)atomic_load(&proxy->channel);
	atomic_store(&caller->own->posted[3], 77);
	atomic_fetch_add(&caller->own->tail, 1);
	channel_wake(&caller->own->tail, 1);
	while (!channel_is_ended(caller))
		usleep(1000);
	ck_assert_uint_eq(get(WHERE), 0);

	/* Another client gets one. */
	ck_assert_int_eq(ipc_open(&second, ipc_test_bus_path(bus)), 0);
	ck_assert_int_eq(ipc_get_manager(second, &other), 0);
	ipc_proxy_unref(proxy);
	ipc_unref(ipc);
	ipc = second;
	proxy = other;
	for (unsigned int i = 0; i < CHANNEL_AFTER; i++)
		get(WHERE);
	ck_assert_uint_eq(get(WHERE), 1);
	end();
}
END_TEST

/* A client that posts a call by hand and does not react when the handler replies with an object. */
START_TEST(client_that_does_not_join_gets_no_more_channels)
{
	struct channel_call call = { .code = GIVE_OBJECT };
	struct channel_caller *caller;
	struct channel_end reply_end;
	uint8_t data[CHANNEL_DATA_MAX];
	struct ipc_proxy *other;
	struct ipc *second;
	uint32_t thread;
	int slot;

	begin(1);
	caller = (void *)atomic_load(&proxy->channel);
	slot = channel_take_slot(caller);
	ck_assert_int_ge(slot, 0);
	channel_post(caller, (unsigned int)slot, &call);
	ck_assert_int_eq(channel_await(caller, (unsigned int)slot, 0), 0);
	ck_assert(channel_must_join(caller, (unsigned int)slot, &thread));
	ck_assert_int_eq(channel_await(caller, (unsigned int)slot, 5000000000), 0);
	ck_assert_int_eq(channel_take_reply(caller, (unsigned int)slot, data, &reply_end), 0);
	ck_assert_uint_eq(reply_end.kind, CHANNEL_ERROR);
	ck_assert_int_eq(reply_end.error, -ETIMEDOUT);

	ck_assert_uint_eq(get(WHERE), 0);
	ck_assert_int_eq(ipc_open(&second, ipc_test_bus_path(bus)), 0);
	ck_assert_int_eq(ipc_get_manager(second, &other), 0);
	ipc_proxy_unref(proxy);
	ipc_unref(ipc);
	ipc = second;
	proxy = other;
	for (unsigned int i = 0; i < 2 * CHANNEL_AFTER; i++)
		ck_assert_uint_eq(get(WHERE), 0);
	end();
}
END_TEST

START_TEST(channels_of_a_user_are_limited)
{
	struct ipc_proxy *proxies[40], *first;
	unsigned int direct = 0;
	struct ipc *others[40];

	begin(1);
	first = proxy;
	for (int i = 0; i < 40; i++) {
		ck_assert_int_eq(ipc_open(&others[i], ipc_test_bus_path(bus)), 0);
		ck_assert_int_eq(ipc_get_manager(others[i], &proxies[i]), 0);
		proxy = proxies[i];
		for (unsigned int j = 0; j < CHANNEL_AFTER; j++)
			get(WHERE);
		direct += get(WHERE);
	}
	ck_assert_uint_eq(direct, 15);
	for (int i = 0; i < 40; i++) {
		ipc_proxy_unref(proxies[i]);
		ipc_unref(others[i]);
	}
	proxy = first;
	end();
}
END_TEST

static uint64_t cpu_usec(pid_t pid)
{
	struct timespec time;
	clockid_t clock;

	ck_assert_int_eq(clock_getcpuclockid(pid, &clock), 0);
	ck_assert_int_eq(clock_gettime(clock, &time), 0);
	return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

/* The server writes words of its own part when it goes to sleep. They must not look like calls:
 * it would never sleep. On CPU 0, whose number is that of no call. */
START_TEST(servers_own_part_brings_no_calls)
{
	int own, servers, again;
	struct ipc_object *life;
	cpu_set_t cpus;
	uint64_t before;
	void *part;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	begin(1);
	life = life_new();
	sched_setaffinity(server, sizeof(cpus), &cpus);
	ck_assert_int_eq(channel_memory_new(&own, &part), 0);
	ck_assert_int_eq(open_with(own, life, &servers), 0);
	ck_assert_int_eq(open_with(servers, life, &again), 0);
	get(WHERE);
	before = cpu_usec(server);
	usleep(300000);
	ck_assert_uint_lt(cpu_usec(server) - before, 100000);
	channel_memory_unmap(part);
	ipc_object_unref(life);
	close(again);
	close(servers);
	close(own);
	end();
}
END_TEST

static long resident_kb(pid_t pid)
{
	long size, resident;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fscanf(file, "%ld %ld", &size, &resident), 2);
	fclose(file);
	return resident * sysconf(_SC_PAGESIZE) / 1024;
}

/* The client does not accept the file of the reply. */
START_TEST(failed_set_ups_leave_nothing)
{
	struct ipc_object *life;
	long before = 0;
	void *part;
	int fd;

	begin(1);
	life = life_new();
	ck_assert_int_eq(channel_memory_new(&fd, &part), 0);
	for (int i = 0; i < 12000; i++) {
		if (i == 2000)
			before = resident_kb(server);
		ck_assert_int_eq(open_with(fd, life, NULL), -EPERM);
	}
#ifndef __SANITIZE_ADDRESS__	/* it keeps memory that was freed */
	ck_assert_int_lt(resident_kb(server), before + 500);
#else
	(void)before;
#endif
	channel_memory_unmap(part);
	ipc_object_unref(life);
	close(fd);
	end();
}
END_TEST

START_TEST(replies_that_nobody_fetches_are_limited)
{
	struct channel_call call = { .code = REPLY_LARGE };
	struct channel_caller *caller;
	unsigned int joins = 0;
	uint32_t thread;
	int slot;

	begin(1);
	caller = (void *)atomic_load(&proxy->channel);
	for (unsigned int i = 0; i < CHANNEL_SLOTS && !joins; i++) {
		slot = channel_take_slot(caller);
		ck_assert_int_ge(slot, 0);
		channel_post(caller, (unsigned int)slot, &call);
		ck_assert_int_eq(channel_await(caller, (unsigned int)slot, 0), 0);
		joins += channel_must_join(caller, (unsigned int)slot, &thread);
	}
	ck_assert_uint_eq(joins, 1);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("channel-calls", no_channel_unless_asked_for, frequent_calls_get_a_channel,
			 payloads_of_all_sizes_arrive, large_reply_comes_by_the_bus,
			 errors_are_explained, caller_is_that_of_the_set_up,
			 long_call_is_waited_for,
			 deadline_ends_the_call_and_reaches_the_handler,
			 death_of_the_server_ends_its_calls, killed_server_ends_calls_that_wait,
			 call_does_not_overtake_a_oneway, stop_ends_channels_and_calls_go_on,
			 threads_on_both_sides_share_a_channel,
			 waiting_client_serves_the_handlers_calls,
			 many_handlers_make_their_first_call, deadline_of_a_joined_call_ends_it,
			 reply_with_objects_comes_by_the_bus, monitor_ends_channels,
			 files_that_could_fail_are_refused,
			 hostile_words_end_the_channel_and_no_other,
			 client_that_does_not_join_gets_no_more_channels,
			 channels_of_a_user_are_limited, servers_own_part_brings_no_calls,
			 failed_set_ups_leave_nothing, replies_that_nobody_fetches_are_limited);
}
