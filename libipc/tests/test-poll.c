// SPDX-License-Identifier: MIT
/*
 * Waiting for files: the real device.c on a bus of ipcbusd and on pipes, without the fake device.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "device/device-daemon.h"
#include "conn/thread.h"
#include "daemon-run.h"
#include "ipcbus-daemon.h"
#include "ipcbus.h"
#include "test-run.h"

#include <ipc/admin.h>
#include <ipc/raw.h>

static struct ipc_test_bus *bus;
static struct ipc *client;

static void begin(void)
{
	bus = bus_new();
	ck_assert_int_eq(ipc_open(&client, ipc_test_bus_path(bus)), 0);
}

static void end(void)
{
	ipc_unref(client);
	ipc_test_bus_free(bus);
}

/* Returns the number of files in an epoll file. */
static unsigned int looked_at(int epoll)
{
	char path[64], line[256];
	unsigned int n = 0;
	FILE *info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", epoll);
	info = fopen(path, "re");
	ck_assert_ptr_nonnull(info);
	while (fgets(line, sizeof(line), info))
		n += !strncmp(line, "tfd:", 4);
	fclose(info);
	return n;
}

/* In addition to the socket, which shows the end of the daemon. */
START_TEST(only_requested_events_are_polled)
{
	static const unsigned int polls[] = {
		DEVICE_POLL_EVENT, DEVICE_POLL_EVENT | DEVICE_POLL_WRITABLE,
		DEVICE_POLL_WRITABLE, 0,
	};
	static const unsigned int files[] = { 2, 3, 2, 1 };

	begin();
	for (size_t i = 0; i < sizeof(polls) / sizeof(polls[0]); i++) {
		ck_assert_int_eq(device_set_poll(&client->device, polls[i]), 0);
		ck_assert_uint_eq(looked_at(client->device.poll_fd), files[i]);
	}
	end();
}
END_TEST

START_TEST(a_poll_keeps_events_from_errors)
{
	int events[2], writable[2];
	struct device device = { .poll_fd = -1 };

	ck_assert_int_eq(pipe(events), 0);
	ck_assert_int_eq(pipe(writable), 0);
	device.fd = events[0];
	ck_assert_int_eq(device_poll(&device, DEVICE_POLL_EVENT, -1, -1, 0), 0);
	ck_assert_int_eq(write(events[1], "x", 1), 1);
	ck_assert_int_eq(device_poll(&device, DEVICE_POLL_EVENT, -1, -1, 0),
			 (int)DEVICE_POLL_EVENT);
	device.fd = writable[0];
	device.poll_fd = events[0];
	ck_assert_int_eq(device_poll(&device, DEVICE_POLL_EVENT, -1, -1, 0),
			 (int)DEVICE_POLL_WRITABLE);
	/* A hangup takes precedence over other events. */
	close(writable[1]);
	ck_assert_int_eq(device_poll(&device, DEVICE_POLL_EVENT, -1, -1, 0), -EIO);
	device.poll_fd = -1;
	ck_assert_int_eq(device_poll(&device, DEVICE_POLL_EVENT, -1, -1, 0), -EIO);
	close(writable[0]);
	close(events[0]);
	close(events[1]);
}
END_TEST

static pthread_barrier_t all_have_asked;

static void *take_a_slot(void *unused)
{
	struct ipcbus_info info = { .size = sizeof(info) };

	ck_assert_int_eq(daemon_ioctl_of(client->device.link, 0, IPCBUS_IOC_INFO, &info), 0);
	pthread_barrier_wait(&all_have_asked);
	pthread_barrier_wait(&all_have_asked);
	return unused;
}

static void *find_no_slot(void *unused)
{
	struct ipcbus_info info = { .size = sizeof(info) };

	ck_assert_int_eq(daemon_ioctl_of(client->device.link, 0, IPCBUS_IOC_INFO, &info), -EDQUOT);
	ck_assert_int_eq(daemon_set_poll(client->device.link, true), -EDQUOT);
	return unused;
}

/* The daemon serves a limited number of a client's threads. It serves this thread too. */
START_TEST(a_thread_too_many)
{
	static pthread_t threads[IPCBUSD_CELLS - 1];
	const size_t n = IPCBUSD_CELLS - 1;
	pthread_attr_t attr;
	pthread_t last;

	begin();
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 128 << 10);
	pthread_barrier_init(&all_have_asked, NULL, IPCBUSD_CELLS);
	for (size_t i = 0; i < n; i++)
		ck_assert_int_eq(pthread_create(&threads[i], &attr, take_a_slot, NULL), 0);
	pthread_barrier_wait(&all_have_asked);
	ck_assert_int_eq(pthread_create(&last, NULL, find_no_slot, NULL), 0);
	pthread_join(last, NULL);
	pthread_barrier_wait(&all_have_asked);
	for (size_t i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&all_have_asked);
	pthread_attr_destroy(&attr);
	end();
}
END_TEST

static unsigned int served;

static int count(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	(void)call, (void)request, (void)userdata;
	served++;
	return 0;
}

static const struct ipc_raw_ops counting = { .serve = count };

/* Also the wait of a loop for an edge, which comes only once for events that have arrived. */
static void serve_all(uint32_t events, unsigned int n)
{
	struct epoll_event event = { .events = events };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	unsigned int before;

	served = 0;
	ck_assert_int_eq(epoll_ctl(epoll, EPOLL_CTL_ADD, ipc_get_fd(client), &event), 0);
	while (served < n) {
		ck_assert_int_eq(epoll_wait(epoll, &event, 1, 20000), 1);
		before = served;
		while (ipc_process(client) > 0)
			;
		ck_assert_uint_le(served - before, 64);
	}
	close(epoll);
}

START_TEST(a_loop_gets_its_turn_while_events_wait)
{
	const struct ipc_raw_message message = { .method = 1 };
	struct ipc_object *object;
	struct ipc_proxy *proxy;
	struct ipc *sender;

	begin();
	ck_assert_int_eq(ipc_raw_object_new(client, &counting, NULL, &object), 0);
	ck_assert_int_eq(ipc_set_manager(client, object), 0);
	ck_assert_int_eq(ipc_open(&sender, ipc_test_bus_path(bus)), 0);
	ck_assert_int_eq(ipc_get_manager(sender, &proxy), 0);
	for (uint32_t i = 0; i < 2; i++) {
		for (int n = 0; n < 200; n++)
			ck_assert_int_eq(ipc_raw_oneway(proxy, &message, NULL), 0);
		serve_all(i ? EPOLLIN | EPOLLET : EPOLLIN, 200);
	}
	ipc_proxy_unref(proxy);
	ipc_unref(sender);
	ipc_object_unref(object);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("poll", only_requested_events_are_polled, a_poll_keeps_events_from_errors,
			 a_thread_too_many, a_loop_gets_its_turn_while_events_wait);
}
