// SPDX-License-Identifier: MIT
/*
 * Records without a bus, and sums of them.
 */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deadline.h"
#include "ipcbus-monitor.h"
#include "traffic.h"

/* --- Traffic -------------------------------------------------------------------- */

START_TEST(latencies_are_precise_to_nine_percent)
{
	static struct latency latency, extreme;

	ck_assert_uint_eq(latency_quantile(&latency, 0.5), 0);
	for (uint64_t i = 1; i <= 1000; i++)
		latency_add(&latency, i * 1000);
	ck_assert_uint_ge(latency_quantile(&latency, 0.5), 500000);
	ck_assert_uint_le(latency_quantile(&latency, 0.5), 560000);
	ck_assert_uint_ge(latency_quantile(&latency, 0.99), 990000);
	ck_assert_uint_eq(latency_quantile(&latency, 1), 1000000);
	latency_add(&extreme, UINT64_MAX);
	latency_add(&extreme, 0);
	ck_assert_uint_eq(latency_quantile(&extreme, 0.1), 0);
	ck_assert_uint_gt(latency_quantile(&extreme, 1), 1ULL << 39);
}
END_TEST

static void record(struct traffic *traffic, enum ipc_record_kind kind, uint64_t id, uint64_t time)
{
	struct ipc_record record = { .kind = kind,
				     .id = id,
				     .time = time,
				     .from_pid = 1,
				     .to_pid = 2,
				     .node = 3,
				     .data_size = 10 };

	if (kind == IPC_RECORD_REPLY || kind == IPC_RECORD_ERROR) {
		record.from_pid = 2;
		record.to_pid = 1;
	}
	ck_assert_int_eq(traffic_add(traffic, &record), 0);
}

START_TEST(traffic_is_summed)
{
	struct traffic *traffic = traffic_new();

	record(traffic, IPC_RECORD_CALL, 1, 1000);
	record(traffic, IPC_RECORD_REPLY, 1, 5000);
	record(traffic, IPC_RECORD_CALL, 2, 6000);
	record(traffic, IPC_RECORD_ERROR, 2, 7000);
	record(traffic, IPC_RECORD_CALL, 3, 8000);
	record(traffic, IPC_RECORD_FAILED, 3, 9000);
	record(traffic, IPC_RECORD_FAILED, 0, 9000);
	record(traffic, IPC_RECORD_ONEWAY, 4, 9000);
	record(traffic, IPC_RECORD_REPLY, 77, 9000);
	ck_assert_uint_eq(traffic->n, 1);
	ck_assert_uint_eq(traffic->pairs[0]->calls, 3);
	ck_assert_uint_eq(traffic->pairs[0]->oneways, 1);
	ck_assert_uint_eq(traffic->pairs[0]->failed, 3);
	ck_assert_uint_eq(traffic->pairs[0]->latency.count, 2);
	ck_assert_uint_eq(traffic->pairs[0]->latency.max, 4000);
	record(traffic, IPC_RECORD_CALL, 5, 1000);
	traffic_clear(traffic);
	ck_assert_uint_eq(traffic->n, 0);
	record(traffic, IPC_RECORD_REPLY, 5, 3000);
	ck_assert_uint_eq(traffic->pairs[0]->latency.max, 2000);
	traffic_free(traffic);
}
END_TEST

/* Once, each record searched all pairs. Pairs for which there is no space are counted together. */
START_TEST(many_pairs_take_no_time)
{
	struct traffic *traffic = traffic_new();
	uint64_t begin = clock_ns(), calls = 0;
	struct ipc_record record = { .kind = IPC_RECORD_CALL, .from_pid = 1, .to_pid = 2 };

	for (int round = 0; round < 2; round++)
		for (uint32_t i = 0; i < TRAFFIC_PAIRS + 1000; i++) {
			record.node = i + 1;
			record.id++;
			ck_assert_int_eq(traffic_add(traffic, &record), 0);
		}
	ck_assert_uint_lt(clock_ns() - begin, UINT64_C(3000000000));
	ck_assert_uint_eq(traffic->n, TRAFFIC_PAIRS);
	for (size_t i = 0; i < traffic->n - 1; i++) {
		ck_assert_uint_eq(traffic->pairs[i]->key.node, i + 1);
		calls += traffic->pairs[i]->calls;
	}
	ck_assert_uint_eq(calls, 2 * (TRAFFIC_PAIRS - 1));
	ck_assert_uint_eq(traffic->pairs[traffic->n - 1]->key.from_pid, 0);
	ck_assert_uint_eq(traffic->pairs[traffic->n - 1]->calls, 2 * 1001);
	traffic_free(traffic);
}
END_TEST

/* --- Records -------------------------------------------------------------------- */

/* Makes a record in the driver's format: head, payload, table. */
static size_t make(unsigned char *raw, const char *payload)
{
	struct ipcbus_monitor_record head = {
		.size = sizeof(head),
		.kind = IPCBUS_RECORD_CALL,
		.id = 5,
		.data_size = strlen(payload),
		.data_kept = strlen(payload),
		.object_count = 1,
	};
	struct ipcbus_record_object object = { .type = IPCBUS_OBJECT_FD, .tag = 9 };

	head.objects = (sizeof(head) + strlen(payload) + 7) / 8 * 8;
	memcpy(raw, &head, sizeof(head));
	memcpy(raw + sizeof(head), payload, strlen(payload));
	memcpy(raw + head.objects, &object, sizeof(object));
	return head.objects + sizeof(object);
}

START_TEST(records_are_taken_apart)
{
	static _Alignas(8) unsigned char raw[512];
	struct ipc_record_object object = { .size = sizeof(object) };
	struct ipc_record record = { .size = sizeof(record) };
	size_t size = make(raw, "hello"), bad = 0;

	ck_assert_int_eq(ipc_record_parse(raw, size, &record), 0);
	ck_assert_int_eq(memcmp(record.data, "hello", 5), 0);
	ck_assert_int_eq(ipc_record_get_object(&record, 0, &object), 0);
	ck_assert_uint_eq(object.tag, 9);
	ck_assert(object.is_fd);
	for (size_t i = 0; i < size; i++)
		ck_assert_int_eq(ipc_record_parse(raw, i, &record), -EBADMSG);
	for (size_t i = 0; i < sizeof(struct ipcbus_monitor_record); i++) {
		raw[i] ^= 0xff;
		bad += ipc_record_parse(raw, size, &record) < 0;
		raw[i] ^= 0xff;
	}
	ck_assert_uint_gt(bad, 10);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("traffic");
	TCase *tcase = tcase_create("traffic");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, latencies_are_precise_to_nine_percent);
	tcase_add_test(tcase, traffic_is_summed);
	tcase_add_test(tcase, many_pairs_take_no_time);
	tcase_add_test(tcase, records_are_taken_apart);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
