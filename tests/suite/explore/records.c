// SPDX-License-Identifier: MIT
/*
 * OTH is a monitor that starts, changes its flags, closes and dies during traffic between the other
 * sides, which must not be affected.
 */
#include "ipcbus-monitor.h"
#include "scenarios.h"

#define EVERYTHING (IPCBUS_MONITOR_MESSAGES | IPCBUS_MONITOR_FAILURES)

static int monitor(u32 flags, u32 pid, u32 max_data)
{
	struct ipcbus_monitor args = {
		.size = sizeof(args), .flags = flags, .pid = pid, .max_data = max_data,
	};

	return shim_ioctl(sides[OTH].fd, IPCBUS_IOC_MONITOR, &args);
}

static void prepare_monitor(void)
{
	be_side(OTH);
	CHECK(!monitor(EVERYTHING, 0, 100));
}

/* The monitor holds a record, and two more are queued. */
static void prepare_records(void)
{
	struct ipcbus_event event;

	prepare_monitor();
	be_side(CLI);
	for (int i = 0; i < 3; i++)
		CHECK(!oneway(0, i));
	be_side(OTH);
	next_event(&event);
	CHECK(event.kind == IPCBUS_EVENT_RECORD);
}

/* --- Traffic ------------------------------------------------------------------ */

static void call_and_oneway(void *unused)
{
	(void)unused;
	CHECK(!oneway(0, 1));
	call_through(0, 0);
}

static void fail(void *unused)
{
	(void)unused;
	CHECK(call(4242, 1) == -EBADF);
	CHECK(!oneway(0, 1));
}

/* Takes oneways until the call arrives. */
static void serve_the_call(void *unused)
{
	struct ipcbus_event event;

	(void)unused;
	do {
		wait_event(&event);
		reply_to(&event);
	} while (event.kind != IPCBUS_EVENT_CALL);
}

/* --- The monitor --------------------------------------------------------------- */

static void check_record(const struct ipcbus_event *event)
{
	const struct ipcbus_monitor_record *record = shim_touch(sides[OTH].map, event->offset);
	int r;

	/* The file was closed by another thread in the meantime. */
	if (record) {
		CHECK(record->size == sizeof(*record) && !record->reserved);
		CHECK(record->kind >= IPCBUS_RECORD_CALL && record->kind <= IPCBUS_RECORD_FAILED);
		CHECK(record->data_kept <= record->data_size);
	}
	r = release(event->buffer);
	CHECK(!r || r == -EBADF);
}

static void take_records(void *unused)
{
	struct ipcbus_event event;

	(void)unused;
	do {
		next_event(&event);
		CHECK(event.kind == IPCBUS_EVENT_RECORD || event.kind == IPCBUS_EVENT_NONE ||
		      event.kind == IPCBUS_EVENT_INTERRUPTED);
		if (event.kind == IPCBUS_EVENT_RECORD)
			check_record(&event);
	} while (event.kind == IPCBUS_EVENT_RECORD);
}

static void close_monitor(void *unused)
{
	(void)unused;
	shim_munmap(sides[OTH].map, 0, REGION / PAGE_SIZE);
	shim_close(sides[OTH].fd);
}

static void change_its_mind(void *unused)
{
	u32 pid = pid_nr(sides[CLI].process->pid);

	CHECK(!monitor(0, 0, 0));
	CHECK(!monitor(IPCBUS_MONITOR_MESSAGES, pid, 1));
	CHECK(!monitor(EVERYTHING, 0, 0));
	CHECK(!monitor(0, 0, 0));
	take_records(unused);
}

static void come_and_go(void *unused)
{
	int r = monitor(EVERYTHING, 0, 10);

	(void)unused;
	CHECK(!r || r == -EBADF);
	r = monitor(0, 0, 0);
	CHECK(!r || r == -EBADF);
}

const struct scenario record_scenarios[] = {
	{ "record_close", "a monitor closes under traffic", prepare_monitor,
	  { { "serve", SRV, serve_the_call }, { "call", CLI, call_and_oneway },
	    { "close", OTH, close_monitor } }, 0 },
	{ "record_take", "the same while it takes records", prepare_monitor,
	  { { "serve", SRV, serve_the_call }, { "call", CLI, call_and_oneway },
	    { "close", OTH, close_monitor }, { "take", OTH, take_records } }, 0 },
	{ "record_records", "a monitor closes with records that it did not take", prepare_records,
	  { { "fail", CLI, fail }, { "close", OTH, close_monitor },
	    { "take", OTH, take_records } }, 0 },
	{ "record_die", "a monitor dies under traffic", prepare_monitor,
	  { { "serve", SRV, serve_the_call }, { "call", CLI, call_and_oneway },
	    { "take", OTH, take_records } }, 1U << OTH },
	{ "record_change", "a monitor changes its flags under traffic", prepare_monitor,
	  { { "serve", SRV, serve_the_call }, { "call", CLI, call_and_oneway },
	    { "change", OTH, change_its_mind } }, 0 },
	{ "record_come", "a monitor starts and stops while its file closes", NULL,
	  { { "fail", CLI, fail }, { "come", OTH, come_and_go },
	    { "close", OTH, close_monitor } }, 0 },
};

const size_t n_record_scenarios = ARRAY_SIZE(record_scenarios);
