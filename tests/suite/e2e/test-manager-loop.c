// SPDX-License-Identifier: MIT
/*
 * A server and client in a single loop of libsystemd, while servicemanager is stopped: it
 * registers, unregisters, finds, waits for, lists and watches names, and opens streams. The loop
 * itself continues servicemanager after 100 ticks of a timer (or IPCBUS_TICKS), so that a function
 * that blocks would block for ever.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <ipc/sd-event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "manager.h"
#include "streams.h"

#define NUMBERS	10

static sd_event *event;
static struct manager manager;
static struct ipc *bus, *late;	/* late is not served before servicemanager continues */
static struct ipc_object *object;
static struct streams *idle;	/* of late */
static struct ipc_slot *watch, *registration;
static unsigned int ticks, last_tick, wanted, ended, numbers;
static bool settled, stream_ended;
static uint64_t largest_gap;	/* between two ticks, in microseconds */

static unsigned int count_threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	const struct dirent *entry;
	unsigned int n = 0;

	ck_assert_ptr_nonnull(tasks);
	while ((entry = readdir(tasks)))
		n += entry->d_name[0] != '.';
	closedir(tasks);
	return n;
}

/* userdata is the expected result. */
static void *expecting(int result)
{
	wanted++;
	return (void *)(intptr_t)result;
}

static void take(int result, const void *userdata)
{
	ck_assert_int_eq(result, (int)(intptr_t)userdata);
	ck_assert_uint_gt(ticks, last_tick);
	ended++;
}

static void done(int result, void *userdata)
{
	take(result, userdata);
}

static void found(int result, struct ipc_proxy *proxy, void *userdata)
{
	take(result, userdata);
	ipc_proxy_unref(proxy);
}

static void checked(int result, const struct ipc_name_info *info, void *userdata)
{
	take(result, userdata);
	ck_assert_str_eq(info->name, "loop.old");
}

static void listed(int result, struct ipc_name_info **infos, void *userdata)
{
	take(result, userdata);
	free(infos);
}

static void changed(struct ipc *ipc, enum ipc_name_change change,
		    const struct ipc_name_info *info, struct ipc_proxy *proxy, void *userdata)
{
	(void)ipc, (void)info, (void)proxy, (void)userdata;
	settled |= change == IPC_NAME_SETTLED;
}

static void never(int result, struct ipc_stream *stream, const struct ipc_error *error,
		  void *userdata)
{
	(void)result, (void)stream, (void)error, (void)userdata;
	ck_abort_msg("the opening was ended");
}

static void on_number(struct ipc_stream *stream, const Stream__Number *number, void *userdata)
{
	(void)stream, (void)userdata;
	ck_assert_uint_eq(number->value, ++numbers);
}

static void on_end(struct ipc_stream *stream, int result, const struct ipc_error *error,
		   void *userdata)
{
	(void)stream, (void)error, (void)userdata;
	ck_assert_int_eq(result, 0);
	stream_ended = true;
}

static void opened(int result, struct ipc_stream *stream, const struct ipc_error *error,
		   void *userdata)
{
	static const struct ipc_stream_ops ops = { .size = sizeof(ops), .on_end = on_end };

	(void)error;
	take(result, userdata);
	ck_assert_int_eq(streams_count_set_ops(stream, on_number, &ops, NULL), 0);
	ipc_stream_unref(stream);
}

static void open_streams(void)
{
	Stream__CountRequest request = STREAM__COUNT_REQUEST__INIT;
	struct ipc_slot *slot;

	request.count = NUMBERS;
	ck_assert_int_eq(streams_count_open_async(idle, NULL, &request, opened, expecting(0),
						  NULL), 0);
	ck_assert_int_eq(streams_twice_open_async(idle, NULL, never, NULL, &slot), 0);
	ipc_slot_end(slot);
}

static void use_names(void)
{
	ck_assert_int_eq(ipc_proxy_get_async(bus, "loop.late", NULL, NULL, found, expecting(0),
					     NULL), 0);
	ck_assert_int_eq(ipc_proxy_get_async(bus, "loop.none", NULL, NULL, found,
					     expecting(-ENOENT), NULL), 0);
	ck_assert_int_eq(ipc_proxy_wait_async(bus, "loop.late", NULL, IPC_NEVER, NULL, found,
					      expecting(0), NULL), 0);
	ck_assert_int_eq(ipc_check_name_async(bus, "loop.old", NULL, checked, expecting(0), NULL),
			 0);
	ck_assert_int_eq(ipc_list_names_async(bus, "loop.*", NULL, listed, expecting(2), NULL),
			 0);
	ck_assert_int_eq(ipc_register_name_async(bus, "loop.new", object, 0, NULL, done,
						 expecting(0), &registration), 0);
	ck_assert_int_eq(ipc_register_name_async(bus, "loop.late", object, 0, NULL, done,
						 expecting(-EEXIST), NULL), 0);
	ck_assert_int_eq(ipc_unregister_name_async(bus, "loop.old", NULL, done, expecting(0),
						   NULL), 0);
	ck_assert_int_eq(ipc_watch_names_async(bus, "loop.*", changed, NULL, done, expecting(0),
					       &watch), 0);
}

/* Nothing but the loop lets servicemanager and the late connection continue. */
static void go_on(void)
{
	ck_assert_uint_eq(ended, 0);
	ck_assert_uint_eq(count_threads(), 1);
	manager_signal(&manager, SIGCONT);
	ck_assert_int_eq(ipc_attach_event(late, event, SD_EVENT_PRIORITY_NORMAL, NULL), 0);
}

static int tick(sd_event_source *timer, uint64_t due, void *userdata)
{
	static uint64_t before;
	uint64_t now;

	(void)due, (void)userdata;
	ck_assert_int_ge(sd_event_now(event, CLOCK_MONOTONIC, &now), 0);
	if (before && ticks <= last_tick && now - before > largest_gap)
		largest_gap = now - before;
	before = now;
	if (ticks == 0)
		use_names();
	else if (ticks == 1)
		open_streams();
	else if (ticks == last_tick)
		go_on();
	ticks++;
	if (ended == wanted && settled && stream_ended)
		return sd_event_exit(event, 0);
	sd_event_source_set_time(timer, now + 1000);
	return sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

static void begin(void)
{
	const char *given = getenv("IPCBUS_TICKS");
	int status;

	last_tick = given ? (unsigned int)atoi(given) : 100;
	manager_start(&manager, (const char *const[]){ NULL });
	ck_assert_int_eq(ipc_open(&bus, NULL), 0);
	ck_assert_int_eq(ipc_open(&late, NULL), 0);
	ck_assert_int_eq(streams_object_new(bus, &streams_handlers, NULL, NULL, &object), 0);
	ck_assert_int_eq(ipc_register_name(bus, "loop.old", object, NULL), 0);
	ck_assert_int_eq(streams_register(late, "loop.late", &streams_handlers, NULL), 0);
	ck_assert_int_eq(streams_get(bus, "loop.late", &idle), 0);
	manager_signal(&manager, SIGSTOP);
	ck_assert_int_eq(waitpid(manager.pid, &status, WUNTRACED), manager.pid);
	ck_assert(WIFSTOPPED(status));
}

START_TEST(a_stopped_manager_does_not_stop_the_loop)
{
	sd_event_source *timer;

	begin();
	ck_assert_int_ge(sd_event_new(&event), 0);
	ck_assert_int_eq(ipc_attach_event(bus, event, SD_EVENT_PRIORITY_NORMAL, NULL), 0);
	ck_assert_int_ge(sd_event_add_time(event, &timer, CLOCK_MONOTONIC, 0, 1, tick, NULL), 0);
	ck_assert_int_ge(sd_event_loop(event), 0);
	ck_assert_uint_eq(numbers, NUMBERS);
	ck_assert_uint_eq(count_threads(), 1);
	fprintf(stderr, "largest gap between ticks of 1 ms: %u us\n", (unsigned int)largest_gap);

	sd_event_source_unref(timer);
	sd_event_unref(event);
	ipc_slot_end_async(watch);
	ipc_slot_end_async(registration);
	streams_unref(idle);
	ipc_object_unref(object);
	ipc_unref(late);
	ipc_unref(bus);
	manager_end(&manager, SIGTERM);
}
END_TEST

int main(void)
{
	return RUN_TESTS("manager-loop", a_stopped_manager_does_not_stop_the_loop);
}
