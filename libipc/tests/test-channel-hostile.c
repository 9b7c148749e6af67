// SPDX-License-Identifier: MIT
/*
 * Clients that violate the rules of direct channels.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <ipc/test.h>

#include "channel-run.h"
#include "channels/channel-client.h"
#include "shm/channel-memory.h"
#include "channels/channel-server.h"
#include "core/own.h"
#include "core/proxy.h"

/* The channels of open_with() live as long as this object. */
static struct ipc_object *life_new(void)
{
	struct ipc_object *life;

	ck_assert_int_eq(ipc_raw_object_new(ipc, &server_ops, NULL, &life), 0);
	return life;
}

/* Returns a message with the server's door. */
static struct ipc_raw_message *door_new(void)
{
	struct ipc_raw_message *door;

	ck_assert_int_eq(ipc_raw_call(proxy,
				      &(struct ipc_raw_message){ .method = IPC_NUMBER_CHANNEL },
				      NULL, &door, NULL),
			 0);
	ck_assert_uint_eq(door->n_entries, 1);
	return door;
}

/* Of the channel that open_for() opened. */
static uint64_t last_id;

/* Asks the server for a channel with this file. */
static int open_for(int fd, struct ipc_raw_entry life)
{
	struct ipc_raw_message *door = door_new(), *reply;
	struct ipc_raw_entry entries[3];
	int r;

	entries[0] = (struct ipc_raw_entry){ .type = IPC_RAW_FD, .fd = fd };
	entries[1] = (struct ipc_raw_entry){ .type = IPC_RAW_PROXY, .proxy = proxy };
	entries[2] = life;
	r = ipc_raw_call(door->entries[0].proxy,
			 &(struct ipc_raw_message){ .method = CHANNEL_OPEN,
						    .entries = entries,
						    .n_entries = 3 },
			 NULL, &reply, NULL);
	if (r == 0) {
		memcpy(&last_id, reply->data, sizeof(last_id));
		ipc_raw_free(reply);
	}
	ipc_raw_free(door);
	return r;
}

static int open_with(int fd, struct ipc_object *life)
{
	return open_for(fd, (struct ipc_raw_entry){ .type = IPC_RAW_OBJECT, .object = life });
}

static int parts_new(void)
{
	int fd = channel_memory_new(CHANNEL_PART_SIZE);

	ck_assert_int_ge(fd, 0);
	return fd;
}

/* Returns both parts, writable as for a hostile client. */
static struct channel_client_part *map(int fd)
{
	void *parts = mmap(NULL, 2 * CHANNEL_PART_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	ck_assert(parts != MAP_FAILED);
	return parts;
}

static void unmap(struct channel_client_part *parts)
{
	munmap(parts, 2 * CHANNEL_PART_SIZE);
}

static struct channel_server_part *server_part(struct channel_client_part *parts)
{
	return (void *)(parts + 1);
}

/* A sealed file of that size without memory. */
static int holes_new(size_t size, int seals)
{
	int fd = memfd_create("holes", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | seals), 0);
	return fd;
}

static void close_all(const int *fds, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		close(fds[i]);
}

START_TEST(parts_that_could_fail_are_refused)
{
	const int size = 2 * CHANNEL_PART_SIZE;
	const int holes = holes_new(size, 0), large = holes_new(2 * size, 0);
	const int unwritable = holes_new(size, F_SEAL_FUTURE_WRITE);
	int parts, unsealed, read_only;
	struct ipc_object *life;
	char path[64];

	begin(1);
	life = life_new();
	unsealed = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ck_assert_int_eq(ftruncate(unsealed, size), 0);
	parts = parts_new();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", parts);
	read_only = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(read_only, 0);
	ck_assert_int_eq(open_with(holes, life), -EBADMSG);
	ck_assert_int_eq(open_with(large, life), -EBADMSG);
	ck_assert_int_eq(open_with(unsealed, life), -EBADMSG);
	ck_assert_int_eq(open_with(STDIN_FILENO, life), -EBADMSG);
	ck_assert_int_eq(open_with(unwritable, life), -EPERM);
	ck_assert_int_eq(open_with(read_only, life), -EACCES);
	ck_assert_int_eq(open_with(parts, life), 0);
	/* A channel has them already. */
	ck_assert_int_eq(open_with(parts, life), -EPERM);
	ipc_object_unref(life);
	close_all((int[]){ parts, holes, large, unwritable, unsealed, read_only }, 6);
	ck_assert_uint_eq(get(WHERE), 1);
	end();
}
END_TEST

START_TEST(older_mappings_can_punch_no_holes)
{
	struct channel_client_part *older;
	struct ipc_object *life;
	int fd = parts_new();

	begin(1);
	life = life_new();
	older = map(fd);
	ck_assert_int_eq(open_with(fd, life), 0);
	ck_assert_int_eq(madvise(older, 2 * CHANNEL_PART_SIZE, MADV_REMOVE), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
				   CHANNEL_PART_SIZE), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(ftruncate(fd, 0), -1);
	ck_assert_int_eq(pwrite(fd, "", 1, 0), -1);
	ck_assert(mmap(NULL, CHANNEL_PART_SIZE, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	unmap(older);
	close(fd);
	ipc_object_unref(life);
	end();
}
END_TEST

static atomic_bool stop_scribbling;

static void *scribble(void *part)
{
	unsigned int seed = 1;

	for (int i = 0; i < 20000000 && !atomic_load(&stop_scribbling); i++)
		((volatile uint32_t *)part)[(unsigned int)rand_r(&seed) %
					    (CHANNEL_PART_SIZE / 4)] = (uint32_t)rand_r(&seed);
	return NULL;
}

/* A client that writes the server's part harms its own calls only. */
START_TEST(written_server_part_harms_no_other_channel)
{
	const struct channel_call call = { .code = ADD };
	struct channel_caller caller = { 0 };
	struct ipc_object *life;
	int fd = parts_new();
	pthread_t thread;

	begin(1);
	life = life_new();
	caller.own = map(fd);
	caller.peer = (void *)server_part(caller.own);
	ck_assert_int_eq(open_with(fd, life), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, scribble, server_part(caller.own)), 0);
	for (unsigned int i = 0; i < 3000; i++) {
		channel_post(&caller, i % CHANNEL_HUGE, &call);
		channel_wake(&caller.own->tail, 1);
		ck_assert_uint_eq(get(WHERE), 1);
	}
	while (get(GET_ADDED) < 3000)
		usleep(1000);
	atomic_store(&stop_scribbling, true);
	pthread_join(thread, NULL);
	unmap(caller.own);
	ipc_object_unref(life);
	close(fd);
	end();
}
END_TEST

/* Sends the server the file of an extension for the channel with that id. */
static int extend(uint64_t id, int fd)
{
	const struct channel_ref ref = { .id = id };
	struct ipc_raw_entry entry = { .type = IPC_RAW_FD, .fd = fd };
	struct ipc_raw_message *door = door_new();
	int r = ipc_raw_call(door->entries[0].proxy,
			     &(struct ipc_raw_message){ .method = CHANNEL_EXTEND,
							.data = &ref,
							.size = sizeof(ref),
							.entries = &entry,
							.n_entries = 1 },
			     NULL, NULL, NULL);

	ipc_raw_free(door);
	return r;
}

/* Opens a channel that this process does not use. */
static void open_unused(struct ipc_object *life)
{
	int fd = parts_new();

	ck_assert_int_eq(open_with(fd, life), 0);
	close(fd);
}

static int extension_new(void)
{
	int fd = channel_memory_new(CHANNEL_HUGE_MAX);

	ck_assert_int_ge(fd, 0);
	return fd;
}

/* A channel has one try. */
START_TEST(extensions_that_could_fail_are_refused)
{
	const int fd = extension_new(), small = parts_new();
	const int holes = holes_new(2 * CHANNEL_HUGE_MAX, 0);
	const int large = holes_new(4 * CHANNEL_HUGE_MAX, 0);
	const int unwritable = holes_new(2 * CHANNEL_HUGE_MAX, F_SEAL_FUTURE_WRITE);
	const struct {
		int fd, error;
	} wrong[] = {
		{ holes, -EBADMSG },	    { small, -EBADMSG }, { large, -EBADMSG },
		{ STDIN_FILENO, -EBADMSG }, { unwritable, -EPERM },
	};
	struct ipc_object *life;

	begin(1);
	life = life_new();
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		open_unused(life);
		ck_assert_int_eq(extend(last_id, wrong[i].fd), wrong[i].error);
		ck_assert_int_eq(extend(last_id, fd), -EINVAL);
	}
	ck_assert_uint_eq(count_parts(), 2 + 2 * 5);
	ck_assert_uint_eq(get(WHERE), 1);
	ipc_object_unref(life);
	close_all((int[]){ fd, small, holes, large, unwritable }, 5);
	end();
}
END_TEST

START_TEST(only_its_client_extends_a_channel_once)
{
	int fd = extension_new(), second, status;
	struct ipc_object *life;
	pid_t child;

	begin(1);
	life = life_new();
	open_unused(life);
	ck_assert_int_eq(extend(last_id + 1, fd), -ENOENT);
	ck_assert_int_eq(extend(UINT64_MAX, fd), -ENOENT);
	child = fork();
	if (!child) {
		connect_again();
		_exit(extend(last_id, fd) != -ENOENT);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(extend(last_id, fd), 0);
	second = extension_new();
	ck_assert_int_eq(extend(last_id, second), -EINVAL);
	ck_assert_uint_eq(count_parts(), 6);
	ipc_object_end(life);
	while (count_parts() > 2)
		get(SLEEP);
	ipc_object_unref(life);
	close_all((int[]){ fd, second }, 2);
	end();
}
END_TEST

START_TEST(call_in_the_huge_cell_without_extension_ends_the_channel)
{
	const struct channel_call call = { .code = ADD };
	struct channel_caller *caller;

	begin(1);
	caller = (void *)atomic_load(&proxy->channel);
	channel_post(caller, CHANNEL_HUGE, &call);
	while (!channel_is_ended(caller))
		usleep(1000);
	ck_assert_uint_eq(get(GET_ADDED), 0);
	end();
}
END_TEST

START_TEST(hostile_words_end_the_channel_and_no_other)
{
	/* Its first member. */
	struct channel_caller *caller;

	begin(1);
	caller = (void *)atomic_load(&proxy->channel);
	atomic_store(&caller->own->posted[3], 77);
	atomic_fetch_add(&caller->own->tail, 1);
	channel_wake(&caller->own->tail, 1);
	while (!channel_is_ended(caller))
		usleep(1000);
	ck_assert_uint_eq(get(WHERE), 0);

	/* Another client gets a channel. */
	connect_again();
	for (unsigned int i = 0; i < CHANNEL_AFTER; i++)
		get(WHERE);
	ck_assert_uint_eq(get(WHERE), 1);
	end();
}
END_TEST

/* Posts a call by hand that is replied to with an object. Returns the time, unless it cancels. */
static uint64_t do_not_join(struct ipc_proxy *by, useconds_t cancel_after)
{
	struct channel_caller *caller = (void *)atomic_load(&by->channel);
	struct channel_call call = { .code = GIVE_OBJECT };
	int cell = channel_take_cell(caller, 0);
	uint64_t start = now_usec();
	struct channel_end reply_end;
	uint32_t thread;

	ck_assert_int_ge(cell, 0);
	channel_post(caller, (unsigned int)cell, &call);
	ck_assert_int_eq(channel_await(caller, (unsigned int)cell, 0), 0);
	ck_assert(channel_must_join(caller, (unsigned int)cell, &thread));
	if (cancel_after) {
		usleep(cancel_after);
		channel_abandon(caller, (unsigned int)cell);
		return 0;
	}
	ck_assert_int_eq(channel_await(caller, (unsigned int)cell, 5000000000), 0);
	ck_assert_int_eq(channel_take_end(caller, (unsigned int)cell, &reply_end), 0);
	ck_assert_uint_eq(reply_end.kind, CHANNEL_ERROR);
	ck_assert_int_eq(reply_end.error, -ETIMEDOUT);
	return now_usec() - start;
}

START_TEST(client_that_does_not_join_gets_no_more_channels)
{
	for (useconds_t cancel_after = 0; cancel_after <= 200000; cancel_after += 200000) {
		struct ipc_proxy *first;
		struct ipc *other;

		begin(1);
		first = proxy;
		ck_assert_int_eq(ipc_open(&other, ipc_test_bus_path(bus)), 0);
		ck_assert_int_eq(ipc_get_manager(other, &proxy), 0);
		while (!get(WHERE))
			;
		do_not_join(first, cancel_after);
		ck_assert_uint_lt(do_not_join(proxy, 0), 700000);
		ck_assert_uint_eq(get(WHERE), 0);
		ipc_proxy_unref(first);
		connect_again();
		for (unsigned int i = 0; i < 2 * CHANNEL_AFTER; i++)
			ck_assert_uint_eq(get(WHERE), 0);
		ipc_unref(other);
		end();
	}
}
END_TEST

static void connect_directly(void)
{
	ck_assert_int_eq(ipc_open(&ipc, ipc_test_bus_path(bus)), 0);
	ck_assert_int_eq(ipc_get_manager(ipc, &proxy), 0);
	for (unsigned int i = 0; i < 2 * CHANNEL_AFTER && !get(WHERE); i++)
		;
}

static void do_not_join_by(struct ipc_proxy *by, useconds_t cancel_after)
{
	struct channel *channel = atomic_load(&by->channel);

	if (channel && !channel_is_ended((struct channel_caller *)channel))
		do_not_join(by, cancel_after);
}

/* Takes a second, and at least a tenth for each other channel. */
static void join_no_handler(void)
{
	struct ipc_proxy *proxies[8];

	for (int i = 0; i < 8; i++) {
		connect_directly();
		proxies[i] = proxy;
	}
	for (int i = 0; i < 8; i++)
		do_not_join_by(proxies[i], 0);
}

static void cancel_before_joins(void)
{
	for (int i = 0; i < 30; i++) {
		connect_directly();
		do_not_join_by(proxy, 60000);
		usleep(25000);
		ipc_proxy_unref(proxy);
		ipc_unref(ipc);
	}
}

static void run_as(uid_t uid, void (*run)(void))
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		ck_assert_int_eq(setuid(uid), 0);
		run();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

static void begin_for_all(void)
{
	char folder[256];

	begin(1);
	snprintf(folder, sizeof(folder), "%s", ipc_test_bus_path(bus));
	ck_assert_int_eq(chmod(folder, 0666), 0);
	*strrchr(folder, '/') = '\0';
	ck_assert_int_eq(chmod(folder, 0711), 0);
}

/* Several uids may belong to one user. They must not end the channels of other users. */
START_TEST(clients_that_do_not_join_cost_others_no_channels)
{
	if (getuid())
		return;
	begin_for_all();
	run_as(65533, cancel_before_joins);
	ck_assert_uint_eq(get(WHERE), 1);
	end();

	begin_for_all();
	run_as(65533, join_no_handler);
	ck_assert_uint_eq(get(WHERE), 1);
	run_as(65532, join_no_handler);
	ck_assert_uint_eq(get(WHERE), 1);
	end();
}
END_TEST

/* The channel of a process that dies lives as long as an object of the test's process. */
static _Noreturn void open_and_die(void)
{
	struct ipc_raw_message *reply;
	struct channel_client_part *part;
	int fd = parts_new();

	part = map(fd);
	connect_again();
	ck_assert_int_eq(ipc_raw_call(proxy, &(struct ipc_raw_message){ .method = GET_BACK }, NULL,
				      &reply, NULL), 0);
	ck_assert_int_eq(reply->entries[0].type, IPC_RAW_PROXY);
	ck_assert_int_eq(open_for(fd, reply->entries[0]), 0);
	/* A oneway whose fence never comes. */
	((struct channel_oneway *)part->ring)->epoch = 7;
	part->sent = sizeof(struct channel_oneway);
	_exit(0);
}

START_TEST(channel_ends_with_its_process_even_if_its_object_stays)
{
	struct ipc_raw_entry entry = { .type = IPC_RAW_OBJECT, .object = NULL };
	struct ipc_raw_message request = { .method = SET_BACK, .entries = &entry, .n_entries = 1 };
	struct ipc_raw_message *reply;
	unsigned int before;
	int status;
	pid_t pid;

	begin(1);
	entry.object = life_new();
	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, &reply, NULL), 0);
	ipc_raw_free(reply);
	before = count_parts();
	ck_assert_uint_ge(before, 2);
	pid = fork();
	if (!pid)
		open_and_die();
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	/* The test fails if this never ends. */
	while (count_parts() > before)
		usleep(10000);
	ipc_object_unref(entry.object);
	ck_assert_uint_eq(get(WHERE), 1);
	end();
}
END_TEST

#define CALLERS 3

/* Calls of the server's object are pending for half a second. */
static void keep_pending(void)
{
	uint64_t until = now_usec() + 500000;

	for (unsigned int i = 0; i < CALLERS; i++) {
		if (fork())
			continue;
		setenv("IPC_CHANNELS", "0", 1);
		connect_again();
		while (now_usec() < until)
			get(SLEEP);
		_exit(0);
	}
}

/* Opens a channel. When it has ended, a child permits its oneway, which had to wait until then. */
static _Noreturn void open_and_leave_a_child(void)
{
	struct channel_client_part *own;
	volatile struct channel_oneway *oneway;
	int fd = parts_new();

	own = map(fd);
	connect_again();
	ck_assert_int_eq(open_with(fd, life_new()), 0);
	oneway = (void *)own->ring;
	oneway->epoch = 7;
	oneway->code = ADD;
	atomic_store(&own->sent, sizeof(*oneway));
	if (fork())
		_exit(0);
	while (!atomic_load(&server_part(own)->ended))
		usleep(1000);
	usleep(100000);
	oneway->epoch = 0;
	_exit(0);
}

START_TEST(child_of_a_dead_client_keeps_no_channel)
{
	unsigned int before;
	int status;
	pid_t pid;

	begin(2);
	before = count_parts();
	keep_pending();
	usleep(100000);
	pid = fork();
	if (!pid)
		open_and_leave_a_child();
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	/* The test fails if this never ends. */
	while (count_parts() > before)
		usleep(10000);
	for (unsigned int i = 0; i < CALLERS; i++)
		ck_assert_int_gt(wait(NULL), 0);
	ck_assert_uint_eq(get(WHERE), 1);
	end();
}
END_TEST

static void on_end(int code, struct ipc_raw_message *reply, const struct ipc_error *error,
		   void *userdata)
{
	uint32_t by_channel = 1;

	(void)error, (void)userdata;
	ck_assert_int_eq(code, 0);
	memcpy(&by_channel, reply->data, sizeof(by_channel));
	ck_assert_uint_eq(by_channel, 0);
	ipc_stop(ipc);
}

/* A hostile server may write the client's part. */
START_TEST(server_cannot_change_the_calls_that_it_refuses)
{
	struct channel_caller *caller;
	struct channel_reply *reply;

	begin(1);
	caller = (void *)atomic_load(&proxy->channel);
	stop_server();
	ck_assert_int_eq(ipc_raw_call_async(proxy, &(struct ipc_raw_message){ .method = WHERE },
					    NULL, on_end, NULL, NULL), 0);
	for (unsigned int cell = CHANNEL_LARGE; cell < CHANNEL_HUGE; cell++) {
		channel_request_at(caller->own, cell)->size = UINT32_MAX;
		channel_request_at(caller->own, cell)->code = ADD;
		reply = channel_reply_at((void *)(uintptr_t)caller->peer, cell);
		reply->kind = CHANNEL_REFUSED;
		atomic_store(&reply->number, caller->posted[cell]);
	}
	kill(server, SIGCONT);
	ck_assert_int_eq(ipc_run(ipc), 0);
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

/* The server has mapped the parts when it sees that they have holes. */
START_TEST(failed_set_ups_leave_nothing)
{
	const int holes = holes_new(2 * CHANNEL_PART_SIZE, 0);
	struct ipc_object *life;
	long before = 0;

	begin(1);
	life = life_new();
	for (int i = 0; i < 12000; i++) {
		if (i == 2000)
			before = resident_kb(server);
		ck_assert_int_lt(open_with(holes, life), 0);
	}
#ifndef __SANITIZE_ADDRESS__	/* AddressSanitizer keeps freed memory */
	ck_assert_int_lt(resident_kb(server), before + 500);
#else
	(void)before;
#endif
	ck_assert_uint_eq(count_parts(), 2);
	ipc_object_unref(life);
	close(holes);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("channel-hostile", parts_that_could_fail_are_refused,
			 server_cannot_change_the_calls_that_it_refuses,
			 older_mappings_can_punch_no_holes,
			 written_server_part_harms_no_other_channel,
			 extensions_that_could_fail_are_refused,
			 only_its_client_extends_a_channel_once,
			 call_in_the_huge_cell_without_extension_ends_the_channel,
			 hostile_words_end_the_channel_and_no_other,
			 client_that_does_not_join_gets_no_more_channels,
			 clients_that_do_not_join_cost_others_no_channels,
			 channel_ends_with_its_process_even_if_its_object_stays,
			 child_of_a_dead_client_keeps_no_channel,
			 failed_set_ups_leave_nothing);
}
