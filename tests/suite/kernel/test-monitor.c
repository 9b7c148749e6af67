// SPDX-License-Identifier: MIT
/*
 * A monitor gets every message that it requested, with payload and objects, and never blocks
 * traffic. Records that find no space are dropped and counted.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "fixture.h"
#include "ipcbus-monitor.h"

#define MESSAGES (IPCBUS_MONITOR_MESSAGES | IPCBUS_MONITOR_FAILURES)

/* Monitors do not see their own process. This process only monitors. */
static struct raw mon = { .fd = -1 };

/* A record, and the event that carried it. */
struct record {
	struct ipcbus_event ev;
	const struct ipcbus_monitor_record *head;
	const uint8_t *data;
	const struct ipcbus_record_object *objects;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* must: ret->ev is a record of this kind; fills in the rest */
static void read_record(uint32_t kind, struct record *ret)
{
	ret->head = (const void *)(mon.map + ret->ev.offset);
	ck_assert_uint_eq(ret->head->size, sizeof(*ret->head));
	ck_assert_uint_eq(ret->head->kind, kind);
	ck_assert_uint_le(ret->head->data_kept, ret->head->data_size);
	ck_assert_uint_le(ret->head->objects + ret->head->object_count * sizeof(*ret->objects),
			  ret->ev.data_size);
	ck_assert_uint_le(ret->head->time, now_ns());
	ck_assert_uint_eq(ret->head->reserved, 0);
	ret->data = (const uint8_t *)ret->head + ret->head->size;
	ret->objects = (const void *)((const uint8_t *)ret->head + ret->head->objects);
}

/* must: the next record is of this kind */
static void take(uint32_t kind, struct record *ret)
{
	raw_take(&mon, IPCBUS_EVENT_RECORD, &ret->ev);
	read_record(kind, ret);
}

static void done(const struct record *r)
{
	raw_release(&mon, &r->ev);
}

static void skip(uint32_t kind)
{
	struct record r;

	take(kind, &r);
	done(&r);
}

static void setup_monitor(void)
{
	setup_bus();
	raw_open(&mon, REGION);
	assert_ok(raw_monitor(&mon, MESSAGES, 0, 4096));
}

START_TEST(call_and_reply)
{
	uint64_t before = now_ns();
	struct ipcbus_event ev;
	uint64_t id, owner;
	struct record r;

	raw_call(&cli, 0, 17, "hello", 5);
	take(IPCBUS_RECORD_CALL, &r);
	id = r.head->id;
	ck_assert_uint_ne(id, 0);
	ck_assert_uint_ge(r.head->time, before);
	ck_assert_uint_eq(r.head->parent, 0);
	ck_assert_uint_eq(r.head->lost, 0);
	ck_assert_uint_eq(r.head->data_size, 5);
	ck_assert_uint_eq(r.head->data_kept, 5);
	ck_assert_mem_eq(r.data, "hello", 5);
	ck_assert_uint_eq(r.head->object_count, 0);
	ck_assert_uint_eq(r.head->code, 17);
	ck_assert_uint_eq(r.head->node, srv_node);
	owner = r.head->owner;
	ck_assert_uint_ne(owner, 0);
	ck_assert_int_eq(r.head->error, 0);
	ck_assert_uint_eq(r.head->from_pid, getpid());
	ck_assert_uint_eq(r.head->from_tid, syscall(SYS_gettid));
	ck_assert_uint_eq(r.head->from_uid, geteuid());
	ck_assert_uint_eq(r.head->from_gid, getegid());
	ck_assert_uint_eq(r.head->to_pid, getpid());
	ck_assert_uint_eq(r.head->to_tid, 0);
	done(&r);

	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_release(&srv, &ev);
	raw_reply(&srv, ev.call, "fine!!", 6);
	take(IPCBUS_RECORD_REPLY, &r);
	ck_assert_uint_eq(r.head->id, id);
	ck_assert_uint_eq(r.head->data_size, 6);
	ck_assert_mem_eq(r.data, "fine!!", 6);
	ck_assert_uint_eq(r.head->node, srv_node);
	ck_assert_uint_eq(r.head->owner, owner);
	ck_assert_uint_eq(r.head->code, 17);
	ck_assert_uint_eq(r.head->from_pid, getpid());
	ck_assert_uint_eq(r.head->to_pid, getpid());
	ck_assert_uint_eq(r.head->to_tid, syscall(SYS_gettid));
	done(&r);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
	raw_release(&cli, &ev);
	raw_none(&mon);
}
END_TEST

START_TEST(error_reply)
{
	struct ipcbus_event ev;
	struct record r;

	raw_call(&cli, 0, 1, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_error(&srv, ev.call, EIO, "why", 3);
	raw_take(&cli, IPCBUS_EVENT_ERROR, &ev);
	raw_release(&cli, &ev);
	skip(IPCBUS_RECORD_CALL);
	take(IPCBUS_RECORD_ERROR, &r);
	ck_assert_int_eq(r.head->error, -EIO);
	ck_assert_mem_eq(r.data, "why", 3);
	done(&r);
}
END_TEST

/* A payload of many pages, cut off, followed by an object table. */
START_TEST(payload_and_objects)
{
	static uint8_t data[20000];
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct ipcbus_object objects[] = {
		object_node(raw_node(&cli, 0, 5)), object_fd(fd),
	};
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .code = 9, .data = PTR64(data),
		.data_size = sizeof(data), .objects = PTR64(objects),
		.object_count = ARRAY_SIZE(objects),
	};
	struct ipcbus_event ev;
	struct record r;

	objects[0].tag = 77;
	pattern_fill(data, sizeof(data), 3);
	for (uint32_t max = 0; max <= 65536; max += 65536 / 8 - 3) {
		assert_ok(raw_monitor(&mon, IPCBUS_MONITOR_MESSAGES, 0, max));
		assert_ok(raw_send(&cli, &send, NULL));
		take(IPCBUS_RECORD_ONEWAY, &r);
		ck_assert_uint_eq(r.head->data_size, sizeof(data));
		ck_assert_uint_eq(r.head->data_kept, max < sizeof(data) ? max : sizeof(data));
		ck_assert_mem_eq(r.data, data, r.head->data_kept);
		ck_assert_uint_eq(r.head->object_count, 2);
		ck_assert_uint_eq(r.objects[0].type, IPCBUS_OBJECT_NODE);
		ck_assert_uint_eq(r.objects[0].pid, getpid());
		ck_assert_uint_eq(r.objects[0].node, objects[0].value);
		ck_assert_uint_ne(r.objects[0].owner, 0);
		ck_assert_uint_ne(r.objects[0].owner, r.head->owner);
		ck_assert_uint_eq(r.objects[0].tag, 77);
		ck_assert_uint_eq(r.objects[1].type, IPCBUS_OBJECT_FD);
		ck_assert_uint_eq(r.objects[1].node, 0);
		ck_assert_uint_eq(r.objects[1].owner, 0);
		done(&r);
		raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
		assert_ok(raw_put(&srv, raw_objects(&srv, &ev)[0].value, 1));
		dev_close(raw_objects(&srv, &ev)[1].value);
		raw_release(&srv, &ev);
	}
	close(fd);
}
END_TEST

START_TEST(secrets_are_left_out)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .flags = IPCBUS_SEND_CLEAR, .data = PTR64("secret"),
		.data_size = 6,
	};
	struct ipcbus_event ev;
	struct record r;

	assert_ok(raw_send(&cli, &send, NULL));
	take(IPCBUS_RECORD_ONEWAY, &r);
	ck_assert_uint_eq(r.head->flags, IPCBUS_SEND_CLEAR);
	ck_assert_uint_eq(r.head->data_size, 6);
	ck_assert_uint_eq(r.head->data_kept, 0);
	ck_assert_uint_eq(r.ev.data_size, sizeof(*r.head));
	done(&r);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	raw_release(&srv, &ev);
}
END_TEST

START_TEST(nested_calls_name_their_parent)
{
	struct ipcbus_event outer, ev;
	uint32_t handle = give_handle(&srv, &oth, raw_node(&oth, 0, 7));
	struct record r;
	uint64_t id;

	assert_ok(raw_monitor(&mon, 0, 0, 0));
	while (!raw_next(&mon, IPCBUS_SERVE | IPCBUS_NONBLOCK, &ev) && ev.kind)
		raw_release(&mon, &ev);
	assert_ok(raw_monitor(&mon, MESSAGES, 0, 0));
	raw_call(&cli, 0, 100, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &outer);
	raw_call(&srv, handle, 101, NULL, 0);
	take(IPCBUS_RECORD_CALL, &r);
	id = r.head->id;
	done(&r);
	take(IPCBUS_RECORD_CALL, &r);
	ck_assert_uint_eq(r.head->parent, id);
	done(&r);
	raw_take(&oth, IPCBUS_EVENT_CALL, &ev);
	raw_reply(&oth, ev.call, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_REPLY, &ev);
	raw_reply(&srv, outer.call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
	assert_ok(raw_put(&srv, handle, 1));
	skip(IPCBUS_RECORD_REPLY);
	skip(IPCBUS_RECORD_REPLY);
}
END_TEST

/* errno, stage and index, for refused sends and for later failures. */
START_TEST(failures)
{
	struct ipcbus_object bad = object_handle(999);
	struct ipcbus_object pair[] = { object_node(raw_node(&cli, 0, 1)), bad };
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .code = 6, .objects = PTR64(pair), .object_count = 2,
	};
	struct ipcbus_event ev;
	struct record r;

	assert_ok(raw_monitor(&mon, IPCBUS_MONITOR_FAILURES, 0, 0));
	raw_fails(&cli, &send, -EBADF, IPCBUS_STAGE_OBJECT, 1);
	take(IPCBUS_RECORD_FAILED, &r);
	ck_assert_int_eq(r.head->error, -EBADF);
	ck_assert_uint_eq(r.head->stage, IPCBUS_STAGE_OBJECT);
	ck_assert_uint_eq(r.head->index, 1);
	ck_assert_uint_eq(r.head->code, 6);
	ck_assert_uint_eq(r.head->node, srv_node);
	ck_assert_uint_eq(r.head->to_pid, getpid());
	ck_assert_uint_eq(r.head->from_uid, geteuid());
	done(&r);
	raw_take(&cli, IPCBUS_EVENT_IDLE, &ev);

	raw_call(&cli, 0, 8, NULL, 0);
	raw_close(&srv);
	raw_failed(&cli, -EOWNERDEAD, IPCBUS_STAGE_QUEUE, 0);
	take(IPCBUS_RECORD_FAILED, &r);
	ck_assert_int_eq(r.head->error, -EOWNERDEAD);
	ck_assert_uint_eq(r.head->stage, IPCBUS_STAGE_QUEUE);
	ck_assert_uint_ne(r.head->id, 0);
	ck_assert_uint_eq(r.head->from_pid, getpid());
	ck_assert_uint_eq(r.head->from_uid, geteuid());
	done(&r);

	/* The record names the object that has ended, here of the service manager. */
	send.data = send.data_size = send.objects = send.object_count = 0;
	raw_fails(&cli, &send, -ENOTCONN, IPCBUS_STAGE_TARGET, 0);
	take(IPCBUS_RECORD_FAILED, &r);
	ck_assert_uint_eq(r.head->node, srv_node);
	ck_assert_uint_eq(r.head->to_pid, getpid());
	done(&r);
	raw_none(&mon);
}
END_TEST

START_TEST(canceled_calls_are_failures)
{
	struct ipcbus_send send = { .kind = IPCBUS_SEND_CALL, .code = 7, .cookie = 1 };
	struct record r;

	assert_ok(raw_monitor(&mon, IPCBUS_MONITOR_FAILURES, 0, 0));
	assert_ok(raw_send(&cli, &send, NULL));
	assert_ok(raw_cancel(&cli, 1));
	raw_failed(&cli, -ECANCELED, IPCBUS_STAGE_REPLY, 0);
	take(IPCBUS_RECORD_FAILED, &r);
	ck_assert_int_eq(r.head->error, -ECANCELED);
	ck_assert_uint_eq(r.head->stage, IPCBUS_STAGE_REPLY);
	ck_assert_uint_eq(r.head->code, 7);
	ck_assert_uint_eq(r.head->from_pid, getpid());
	done(&r);
	raw_none(&mon);
}
END_TEST

static int call_and_return(struct peer *self, void *arg)
{
	struct ipcbus_event ev;
	struct raw r;

	(void)self, (void)arg;
	raw_open(&r, 65536);
	raw_call_wait(&r, 0, 2000, NULL, 0, &ev);
	raw_close(&r);
	return ev.kind == IPCBUS_EVENT_REPLY ? 0 : 97;
}

/* The receiver of a reply is the caller. */
START_TEST(failed_reply_names_the_caller)
{
	struct ipcbus_send bad = { .kind = IPCBUS_SEND_REPLY, .data = 8, .data_size = 8 };
	struct ipcbus_event ev;
	struct peer caller;
	struct record r;

	assert_ok(raw_monitor(&mon, IPCBUS_MONITOR_FAILURES, 0, 0));
	peer_start(&caller, call_and_return, NULL);
	raw_wait(&srv, IPCBUS_EVENT_CALL, &ev);
	bad.call = ev.call;
	raw_fails(&srv, &bad, -EFAULT, IPCBUS_STAGE_COPY, 0);
	take(IPCBUS_RECORD_FAILED, &r);
	ck_assert_uint_eq(r.head->from_pid, getpid());
	ck_assert_uint_eq(r.head->to_pid, caller.pid);
	ck_assert_uint_eq(r.head->stage, IPCBUS_STAGE_COPY);
	done(&r);
	raw_reply(&srv, ev.call, NULL, 0);
	peer_end(&caller);
}
END_TEST

static int do_nothing(struct peer *self, void *arg)
{
	(void)arg;
	peer_hear(self);
	return 0;
}

/* The monitor gets no records outside of its flags and pid. */
START_TEST(flags_and_pid_select_records)
{
	struct ipcbus_send nowhere = { .kind = IPCBUS_SEND_CALL, .handle = 99 };
	struct ipcbus_event ev;
	struct peer p;

	assert_ok(raw_monitor(&mon, IPCBUS_MONITOR_FAILURES, 0, 0));
	raw_round_trip(&cli, 0, &srv, "x", 1);
	raw_none(&mon);

	assert_ok(raw_monitor(&mon, MESSAGES, getpid(), 0));
	raw_fails(&cli, &nowhere, -EBADF, IPCBUS_STAGE_TARGET, 0);
	skip(IPCBUS_RECORD_FAILED);
	peer_start(&p, do_nothing, NULL);
	assert_ok(raw_monitor(&mon, MESSAGES, p.pid, 0));
	peer_notify(&p, 0);
	peer_end(&p);
	raw_fails(&cli, &nowhere, -EBADF, IPCBUS_STAGE_TARGET, 0);
	raw_none(&mon);

	/* After the flags are cleared, queued records still arrive. */
	assert_ok(raw_monitor(&mon, MESSAGES, 0, 0));
	raw_oneway(&cli, 0, 1, NULL, 0);
	assert_ok(raw_monitor(&mon, 0, 0, 0));
	assert_ok(raw_monitor(&mon, 0, 0, 0));
	raw_oneway(&cli, 0, 1, NULL, 0);
	skip(IPCBUS_RECORD_ONEWAY);
	raw_none(&mon);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	raw_release(&srv, &ev);
}
END_TEST

START_TEST(own_traffic_is_not_seen)
{
	raw_round_trip(&mon, 0, &srv, "x", 1);
	raw_none(&mon);
	assert_ok(raw_monitor(&srv, MESSAGES, 0, 0));
	raw_round_trip(&cli, 0, &srv, "x", 1);
	raw_none(&srv);
	skip(IPCBUS_RECORD_CALL);
	skip(IPCBUS_RECORD_REPLY);
}
END_TEST

/* Traffic continues, and the next record contains the number of lost records. */
START_TEST(lost)
{
	struct ipcbus_event ev;
	struct record r;
	unsigned int got = 0, sent = 0, missing;

	raw_close(&mon);
	raw_open(&mon, 8192);
	assert_ok(raw_monitor(&mon, IPCBUS_MONITOR_MESSAGES, 0, 0));
	for (; sent < 100; sent++) {
		raw_oneway(&cli, 0, sent, NULL, 0);
		raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
		raw_release(&srv, &ev);
	}
	while (!raw_next(&mon, IPCBUS_SERVE | IPCBUS_NONBLOCK, &ev) && ev.kind) {
		ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_RECORD);
		raw_release(&mon, &ev);
		got++;
	}
	ck_assert_uint_gt(got, 10);
	ck_assert_uint_lt(got, sent);
	missing = sent - got;
	raw_oneway(&cli, 0, 1, NULL, 0);
	take(IPCBUS_RECORD_ONEWAY, &r);
	ck_assert_uint_eq(r.head->lost, missing);
	done(&r);
	raw_oneway(&cli, 0, 1, NULL, 0);
	take(IPCBUS_RECORD_ONEWAY, &r);
	ck_assert_uint_eq(r.head->lost, 0);
	done(&r);
}
END_TEST

/* Larger than the region. */
START_TEST(too_large)
{
	static uint8_t data[60000];
	struct ipcbus_event ev;
	struct record r;

	raw_close(&mon);
	raw_open(&mon, 65536);
	assert_ok(raw_monitor(&mon, IPCBUS_MONITOR_MESSAGES, 0, 0xffffffff));
	raw_oneway(&cli, 0, 1, data, sizeof(data));
	raw_none(&mon);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	raw_release(&srv, &ev);
	raw_oneway(&cli, 0, 1, data, 30000);
	take(IPCBUS_RECORD_ONEWAY, &r);
	ck_assert_uint_eq(r.head->lost, 1);
	ck_assert_uint_eq(r.head->data_kept, 30000);
	done(&r);
}
END_TEST

/* If a monitor closes while records are queued, they are freed. */
START_TEST(monitor_closes)
{
	struct ipcbus_event ev;

	for (int i = 0; i < 3; i++) {
		raw_oneway(&cli, 0, 1, "x", 1);
		raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
		raw_release(&srv, &ev);
	}
	raw_close(&mon);
	raw_round_trip(&cli, 0, &srv, "x", 1);
}
END_TEST

START_TEST(several)
{
	struct raw others[8];
	struct ipcbus_event ev;

	for (int i = 0; i < 7; i++) {
		raw_open(&others[i], 65536);
		assert_ok(raw_monitor(&others[i], MESSAGES, 0, 0));
	}
	raw_open(&others[7], 65536);
	assert_result(raw_monitor(&others[7], MESSAGES, 0, 0), -EDQUOT);
	raw_oneway(&cli, 0, 1, "x", 1);
	skip(IPCBUS_RECORD_ONEWAY);
	for (int i = 0; i < 7; i++)
		raw_take(&others[i], IPCBUS_EVENT_RECORD, &ev);
	raw_close(&others[3]);
	assert_ok(raw_monitor(&others[7], MESSAGES, 0, 0));
	for (int i = 0; i < 8; i++)
		if (i != 3)
			raw_close(&others[i]);
}
END_TEST

START_TEST(refused)
{
	struct raw bare;

	assert_result(raw_monitor(&mon, 8, 0, 0), -EINVAL);
	assert_result(raw_monitor(&mon, 0, 1, 0), -EINVAL);
	assert_result(raw_monitor(&mon, 0, 0, 1), -EINVAL);
	assert_result(raw_monitor(&mon, MESSAGES, 0x7fffffff, 0), -ESRCH);
	raw_open(&bare, 0);
	assert_result(raw_monitor(&bare, MESSAGES, 0, 0), -ENOBUFS);
	raw_close(&bare);
}
END_TEST

static int ask_as_user(struct peer *self, void *arg)
{
	struct raw r;

	(void)self, (void)arg;
	raw_open(&r, 65536);
	if (setresuid(1000, 1000, 1000) < 0)
		return 98;
	assert_result(raw_monitor(&r, MESSAGES, 0, 0), -EPERM);
	return 0;
}

START_TEST(not_for_everybody)
{
	struct peer p;

	peer_start(&p, ask_as_user, NULL);
	peer_end(&p);
}
END_TEST

static void teardown_monitor(void)
{
	raw_close(&mon);
}

static int send_one(struct peer *self, void *arg)
{
	struct raw r;

	(void)self, (void)arg;
	raw_open(&r, 4096);
	raw_oneway(&r, 0, 1, NULL, 0);
	raw_close(&r);
	return 0;
}

/* Makes @pid the next pid to be assigned. Returns false without root's permission. */
static bool next_pid(pid_t pid)
{
	FILE *file = fopen("/proc/sys/kernel/ns_last_pid", "w");

	if (!file)
		return false;
	fprintf(file, "%d", pid - 1);
	return !fclose(file);
}

/* A oneway may outlive its sender. Then another process may have the pid of the sender. */
START_TEST(sender_is_gone)
{
	struct record record;
	struct peer sender, other;
	bool same;

	peer_start(&sender, send_one, NULL);
	peer_end(&sender);
	same = next_pid(sender.pid);
	peer_start(&other, do_nothing, NULL);
	/* The file stays open in the other process. */
	assert_ok(raw_destroy(&srv, srv_node, 0));
	skip(IPCBUS_RECORD_ONEWAY);
	/* ipcbusd closes a connection a moment later. */
	raw_wait(&mon, IPCBUS_EVENT_RECORD, &record.ev);
	read_record(IPCBUS_RECORD_FAILED, &record);
	ck_assert_uint_eq(record.head->from_pid, 0);
	ck_assert_uint_eq(record.head->from_tid, 0);
	done(&record);
	peer_notify(&other, 1);
	peer_end(&other);
	if (same && other.pid != sender.pid)
		fprintf(stderr, "the number was not given again: %d\n", other.pid);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("monitor");
	TCase *tc = add_case(suite, "monitor", setup_monitor);

	tcase_add_checked_fixture(tc, NULL, teardown_monitor);
	tcase_add_test(tc, call_and_reply);
	tcase_add_test(tc, error_reply);
	tcase_add_test(tc, payload_and_objects);
	tcase_add_test(tc, secrets_are_left_out);
	tcase_add_test(tc, nested_calls_name_their_parent);
	tcase_add_test(tc, failures);
	tcase_add_test(tc, canceled_calls_are_failures);
	tcase_add_test(tc, failed_reply_names_the_caller);
	tcase_add_test(tc, flags_and_pid_select_records);
	tcase_add_test(tc, own_traffic_is_not_seen);
	tcase_add_test(tc, lost);
	tcase_add_test(tc, too_large);
	tcase_add_test(tc, monitor_closes);
	tcase_add_test(tc, several);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, not_for_everybody);
	tcase_add_test(tc, sender_is_gone);
	return suite_main(suite);
}
