// SPDX-License-Identifier: MIT
/*
 * Records of a monitor, on a fake device.
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
			.owner = 18,
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
			{ .type = IPCBUS_OBJECT_NODE, .pid = 20, .owner = 24, .node = 21,
			  .tag = 22 },
			{ .type = IPCBUS_OBJECT_FD, .tag = 23 },
		},
	};

	return raw;
}

static unsigned int seen;

static void see(struct ipc *ipc, const struct ipc_record *record, void *userdata)
{
	ck_assert_ptr_nonnull(ipc);
	ck_assert_ptr_eq(userdata, &seen);
	ck_assert_uint_eq(record->size, sizeof(*record));
	ck_assert_int_eq(record->kind, IPC_RECORD_CALL);
	ck_assert_uint_eq(record->time, 1);
	ck_assert_uint_eq(record->id, 2);
	ck_assert_uint_eq(record->parent, 3);
	ck_assert_uint_eq(record->lost, 4);
	ck_assert_uint_eq(record->flags, 5);
	ck_assert_uint_eq(record->method, 6);
	ck_assert_uint_eq(record->node, 7);
	ck_assert_uint_eq(record->owner, 18);
	ck_assert_int_eq(record->error, -8);
	ck_assert_uint_eq(record->stage, 9);
	ck_assert_uint_eq(record->index, 10);
	ck_assert_int_eq(record->from_pid, 12);
	ck_assert_int_eq(record->from_tid, 13);
	ck_assert_uint_eq(record->from_uid, 14);
	ck_assert_uint_eq(record->from_gid, 15);
	ck_assert_int_eq(record->to_pid, 16);
	ck_assert_int_eq(record->to_tid, 17);
	ck_assert_uint_eq(record->data_size, 100);
	ck_assert_uint_eq(record->data_kept, PAYLOAD_SIZE);
	ck_assert_str_eq(record->data, PAYLOAD);
	ck_assert_uint_eq(record->n_objects, 2);
	ck_assert_uint_eq(record->objects[0].type, IPC_RECORD_OBJECT);
	ck_assert_uint_eq(record->objects[0].pid, 20);
	ck_assert_uint_eq(record->objects[0].owner, 24);
	ck_assert_uint_eq(record->objects[0].node, 21);
	ck_assert_uint_eq(record->objects[0].tag, 22);
	ck_assert_uint_eq(record->objects[1].type, IPC_RECORD_FILE);
	seen++;
}

static void record_arrives(struct ipc *ipc)
{
	struct raw raw = raw_of(2);

	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_RECORD, .buffer = 70 }, &raw,
		  offsetof(struct raw, objects[2]), NULL, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
}

START_TEST(records_are_delivered)
{
	struct ipc_slot *slot;
	struct ipc *ipc;

	fake_reset();
	seen = 0;
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	/* The program did not ask for a record. */
	record_arrives(ipc);
	ck_assert_int_eq(ipc_monitor(ipc, IPC_MONITOR_MESSAGES, 0, SIZE_MAX, see, &seen, &slot),
			 0);
	record_arrives(ipc);
	ck_assert_uint_eq(seen, 1);
	/* Some records are still queued. */
	ipc_slot_end(slot);
	record_arrives(ipc);
	ck_assert_uint_eq(seen, 1);
	ipc_process(ipc);
	ck_assert_uint_eq(fake.n_released, 3);

	ck_assert_int_eq(ipc_monitor(NULL, IPC_MONITOR_FAILURES, 0, 0, see, NULL, NULL), -EINVAL);
	ck_assert_int_eq(ipc_monitor(ipc, IPC_MONITOR_FAILURES, -1, 0, see, NULL, NULL), -EINVAL);
	ck_assert_int_eq(ipc_monitor(ipc, IPC_MONITOR_FAILURES, 0, 0, NULL, NULL, NULL), -EINVAL);
	ck_assert_int_eq(ipc_monitor(ipc, IPC_MONITOR_FAILURES, 1, 0, see, NULL, NULL), -ESRCH);
	ck_assert_int_eq(ipc_monitor(ipc, 0, 0, 0, see, NULL, NULL), -EINVAL);
	ipc_unref(ipc);
}
END_TEST

/* For example a record for an earlier monitor. */
START_TEST(refused_monitor_gets_no_records)
{
	struct ipc_slot *slot = NULL;
	struct ipc *ipc;

	fake_reset();
	seen = 0;
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(ipc_monitor(ipc, IPC_MONITOR_FAILURES, 1, 0, see, &seen, &slot), -ESRCH);
	ck_assert_ptr_null(slot);
	record_arrives(ipc);
	ck_assert_uint_eq(seen, 0);
	ipc_unref(ipc);
}
END_TEST

int main(void)
{
	return RUN_TESTS("monitor", records_are_delivered, refused_monitor_gets_no_records);
}
