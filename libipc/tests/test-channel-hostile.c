// SPDX-License-Identifier: MIT
/*
 * Clients that break the rules of direct channels.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <ipc/test.h>

#include "channel-run.h"
#include "core/channel-client.h"
#include "core/channel-memory.h"
#include "core/channel-server.h"
#include "core/proxy.h"

/* An object that the channels of open_with() live as long as. */
static struct ipc_object *life_new(void)
{
	struct ipc_object *life;

	ck_assert_int_eq(ipc_raw_object_new(ipc, &server_ops, NULL, &life), 0);
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

	begin(1);
	caller = (void *)atomic_load(&proxy->channel);
	atomic_store(&caller->own->posted[3], 77);
	atomic_fetch_add(&caller->own->tail, 1);
	channel_wake(&caller->own->tail, 1);
	while (!channel_is_ended(caller))
		usleep(1000);
	ck_assert_uint_eq(get(WHERE), 0);

	/* Another client gets one. */
	connect_again();
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
	connect_again();
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
	return RUN_TESTS("channel-hostile", files_that_could_fail_are_refused,
			 hostile_words_end_the_channel_and_no_other,
			 client_that_does_not_join_gets_no_more_channels,
			 channels_of_a_user_are_limited, servers_own_part_brings_no_calls,
			 failed_set_ups_leave_nothing, replies_that_nobody_fetches_are_limited);
}
