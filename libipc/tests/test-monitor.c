// SPDX-License-Identifier: MIT
/*
 * Records of a monitor, on a fake device and as bytes: what is taken out of them, and which
 * ones are refused.
 */
#include <errno.h>
#include <ipc/monitor.h>
#include <string.h>

#include "fake-device.h"
#include "ipcbus-monitor.h"
#include "test-run.h"

#define PAYLOAD "payload"
#define PAYLOAD_SIZE 8

/* A record as the driver writes it: head, payload, object table. */
struct raw {
	struct ipcbus_monitor_record head;
	char payload[PAYLOAD_SIZE];
	struct ipcbus_record_object objects[IPCBUS_MAX_OBJECTS];
};

static struct ipc_record record = { .size = sizeof(record) };

static struct raw raw_of(unsigned int n_objects)
{
	struct raw raw = {
		.head = {
			.size = sizeof(raw.head),
			.kind = IPCBUS_RECORD_CALL,
			.time = 1,
			.id = 2,
			.parent = 3,
			.lost = 4,
			.flags = 5,
			.code = 6,
			.node = 7,
			.error = -8,
			.stage = 9,
			.index = 10,
			.from_pid = 12,
			.from_tid = 13,
			.from_uid = 14,
			.from_gid = 15,
			.to_pid = 16,
			.to_tid = 17,
			.data_size = 100,
			.data_kept = PAYLOAD_SIZE,
			.object_count = n_objects,
			.objects = offsetof(struct raw, objects),
		},
		.payload = PAYLOAD,
		.objects = {
			{ .type = IPCBUS_OBJECT_NODE, .pid = 20, .node = 21, .tag = 22 },
			{ .type = IPCBUS_OBJECT_FD, .tag = 23 },
		},
	};

	return raw;
}

static int parse(const struct raw *raw, size_t size)
{
	return ipc_record_parse(raw, size, &record);
}

/* The bytes up to the end of the table. */
static size_t size_with(unsigned int n_objects)
{
	return offsetof(struct raw, objects[n_objects]);
}

static void check_record(const void *bytes, size_t size)
{
	ck_assert_int_eq(record.kind, IPC_RECORD_CALL);
	ck_assert_uint_eq(record.time, 1);
	ck_assert_uint_eq(record.id, 2);
	ck_assert_uint_eq(record.parent, 3);
	ck_assert_uint_eq(record.lost, 4);
	ck_assert_uint_eq(record.flags, 5);
	ck_assert_uint_eq(record.code, 6);
	ck_assert_uint_eq(record.node, 7);
	ck_assert_int_eq(record.error, -8);
	ck_assert_uint_eq(record.stage, 9);
	ck_assert_uint_eq(record.index, 10);
	ck_assert_int_eq(record.from_pid, 12);
	ck_assert_int_eq(record.from_tid, 13);
	ck_assert_uint_eq(record.from_uid, 14);
	ck_assert_uint_eq(record.from_gid, 15);
	ck_assert_int_eq(record.to_pid, 16);
	ck_assert_int_eq(record.to_tid, 17);
	ck_assert_uint_eq(record.data_size, 100);
	ck_assert_uint_eq(record.data_kept, PAYLOAD_SIZE);
	ck_assert_str_eq(record.data, PAYLOAD);
	ck_assert_ptr_eq(record.raw, bytes);
	ck_assert_uint_eq(record.raw_size, size);
}

START_TEST(every_field)
{
	struct ipc_record_object object = { .size = sizeof(object) };
	struct raw raw = raw_of(2);

	ck_assert_int_eq(parse(&raw, size_with(2)), 0);
	check_record(&raw, size_with(2));
	ck_assert_uint_eq(record.n_objects, 2);
	ck_assert_int_eq(ipc_record_get_object(&record, 0, &object), 0);
	ck_assert(!object.is_fd);
	ck_assert_int_eq(object.pid, 20);
	ck_assert_uint_eq(object.node, 21);
	ck_assert_uint_eq(object.tag, 22);
	ck_assert_int_eq(ipc_record_get_object(&record, 1, &object), 0);
	ck_assert(object.is_fd);
	ck_assert_uint_eq(object.tag, 23);
	ck_assert_int_eq(ipc_record_get_object(&record, 2, &object), -ENOENT);
	ck_assert_int_eq(ipc_record_get_object(&record, 0, NULL), -EINVAL);
	ck_assert_int_eq(ipc_record_get_object(NULL, 0, &object), -EINVAL);
	/* What was saved of it is gone. */
	record.raw_size = size_with(1);
	ck_assert_int_eq(ipc_record_get_object(&record, 0, &object), -EBADMSG);
}
END_TEST

/* Programs that are older or newer than the library. */
START_TEST(other_sizes)
{
	struct {
		struct ipc_record record;
		uint64_t more;
	} newer = { .record.size = sizeof(newer), .more = 1 };
	struct {
		struct ipc_record_object object;
		uint64_t more;
	} newer_object = { .object.size = sizeof(newer_object), .more = 1 };
	struct ipc_record older = { .size = sizeof(older) - 1 };
	struct ipc_record_object older_object = { .size = sizeof(older_object) - 1 };
	struct raw raw = raw_of(2);

	ck_assert_int_eq(ipc_record_parse(&raw, size_with(2), &newer.record), 0);
	ck_assert_uint_eq(newer.record.size, sizeof(newer));
	ck_assert_uint_eq(newer.record.id, 2);
	ck_assert_uint_eq(newer.more, 0);
	ck_assert_int_eq(ipc_record_get_object(&newer.record, 1, &newer_object.object), 0);
	ck_assert_uint_eq(newer_object.object.size, sizeof(newer_object));
	ck_assert_uint_eq(newer_object.object.tag, 23);
	ck_assert_uint_eq(newer_object.more, 0);
	ck_assert_int_eq(ipc_record_parse(&raw, size_with(2), &older), -EINVAL);
	ck_assert_int_eq(ipc_record_get_object(&newer.record, 1, &older_object), -EINVAL);
}
END_TEST

START_TEST(the_longest_table)
{
	struct raw raw = raw_of(IPCBUS_MAX_OBJECTS);

	ck_assert_int_eq(parse(&raw, sizeof(raw)), 0);
	ck_assert_uint_eq(record.n_objects, IPCBUS_MAX_OBJECTS);
	raw.head.object_count++;
	ck_assert_int_eq(parse(&raw, sizeof(raw) + sizeof(raw.objects[0])), -EBADMSG);
}
END_TEST

START_TEST(every_truncation)
{
	struct raw raw = raw_of(2), plain = raw_of(0);

	for (size_t size = 0; size < size_with(2); size++)
		ck_assert_int_eq(parse(&raw, size), -EBADMSG);
	for (size_t size = 0; size < size_with(0); size++)
		ck_assert_int_eq(parse(&plain, size), -EBADMSG);
	/* Without objects the place of their table does not count. */
	plain.head.objects = UINT32_MAX;
	ck_assert_int_eq(parse(&plain, size_with(0)), 0);
	ck_assert_uint_eq(record.n_objects, 0);
}
END_TEST

START_TEST(heads_that_are_none)
{
	struct raw raw = raw_of(1);

	raw.head.size--;
	ck_assert_int_eq(parse(&raw, size_with(1)), -EBADMSG);
	raw = raw_of(1);
	raw.head.size = UINT32_MAX;
	ck_assert_int_eq(parse(&raw, size_with(1)), -EBADMSG);
	raw = raw_of(1);
	raw.head.data_kept = (uint32_t)raw.head.data_size + 1;
	ck_assert_int_eq(parse(&raw, sizeof(raw)), -EBADMSG);
	raw.head.data_kept--;
	ck_assert_int_eq(parse(&raw, sizeof(raw)), 0);
	raw = raw_of(1);
	raw.head.objects = UINT32_MAX;
	ck_assert_int_eq(parse(&raw, size_with(1)), -EBADMSG);
	ck_assert_int_eq(ipc_record_parse(NULL, 1, &record), -EINVAL);
	ck_assert_int_eq(ipc_record_parse(NULL, 0, &record), -EBADMSG);
	ck_assert_int_eq(ipc_record_parse(&raw, sizeof(raw), NULL), -EINVAL);
}
END_TEST

/* The payload follows the head, however long a newer driver made that. */
START_TEST(a_longer_head)
{
	struct {
		struct raw raw;
		char more[8];
	} newer = { .raw = raw_of(0) };

	newer.raw.head.size += PAYLOAD_SIZE;
	memcpy((char *)&newer.raw + newer.raw.head.size, PAYLOAD, PAYLOAD_SIZE);
	memset(newer.raw.payload, 'x', PAYLOAD_SIZE);
	ck_assert_int_eq(parse(&newer.raw, newer.raw.head.size + PAYLOAD_SIZE), 0);
	check_record(&newer, newer.raw.head.size + PAYLOAD_SIZE);
}
END_TEST

/* --- As events -------------------------------------------------------------------------- */

static unsigned int seen;

static void see(struct ipc *ipc, const struct ipc_record *came, void *userdata)
{
	struct ipc_record_object object = { .size = sizeof(object) };

	ck_assert_ptr_nonnull(ipc);
	ck_assert_ptr_eq(userdata, &seen);
	ck_assert_uint_eq(came->size, sizeof(*came));
	ck_assert_uint_eq(came->id, 2);
	ck_assert_uint_eq(came->n_objects, 2);
	ck_assert_int_eq(ipc_record_get_object(came, 1, &object), 0);
	ck_assert_uint_eq(object.tag, 23);
	seen++;
}

static void record_arrives(struct ipc *ipc, size_t size)
{
	struct raw raw = raw_of(2);

	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_RECORD, .buffer = 70 }, &raw, size,
		  NULL, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
}

START_TEST(records_are_delivered)
{
	struct ipc_slot *slot;
	struct ipc *ipc;

	fake_reset();
	seen = 0;
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	/* Nobody asked for one. */
	record_arrives(ipc, size_with(2));
	ck_assert_int_eq(ipc_monitor(ipc, IPC_MONITOR_MESSAGES, 0, SIZE_MAX, see, &seen, &slot),
			 0);
	record_arrives(ipc, size_with(2));
	ck_assert_uint_eq(seen, 1);
	record_arrives(ipc, size_with(2) - 1);
	ck_assert_uint_eq(seen, 1);
	/* Some are still under way. */
	ipc_slot_end(slot);
	record_arrives(ipc, size_with(2));
	ck_assert_uint_eq(seen, 1);
	ipc_process(ipc);
	ck_assert_uint_eq(fake.n_released, 4);

	ck_assert_int_eq(ipc_monitor(NULL, IPC_MONITOR_FAILURES, 0, 0, see, NULL, NULL), -EINVAL);
	ck_assert_int_eq(ipc_monitor(ipc, IPC_MONITOR_FAILURES, -1, 0, see, NULL, NULL), -EINVAL);
	ck_assert_int_eq(ipc_monitor(ipc, IPC_MONITOR_FAILURES, 0, 0, NULL, NULL, NULL), -EINVAL);
	ck_assert_int_eq(ipc_monitor(ipc, IPC_MONITOR_FAILURES, 1, 0, see, NULL, NULL), -ESRCH);
	ck_assert_int_eq(ipc_monitor(ipc, 0, 0, 0, see, NULL, NULL), -EINVAL);
	ipc_unref(ipc);
}
END_TEST

/* Such as one that comes of a monitor before. */
START_TEST(a_refused_monitor_gets_nothing)
{
	struct ipc_slot *slot = NULL;
	struct ipc *ipc;

	fake_reset();
	seen = 0;
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(ipc_monitor(ipc, IPC_MONITOR_FAILURES, 1, 0, see, &seen, &slot), -ESRCH);
	ck_assert_ptr_null(slot);
	record_arrives(ipc, size_with(2));
	ck_assert_uint_eq(seen, 0);
	ipc_unref(ipc);
}
END_TEST

int main(void)
{
	return RUN_TESTS("monitor", every_field, other_sizes, the_longest_table, every_truncation,
			 heads_that_are_none, a_longer_head, records_are_delivered,
			 a_refused_monitor_gets_nothing);
}
