// SPDX-License-Identifier: MIT
/*
 * Records without a bus, and sums of them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../tests/run-cases.h"
#include "deadline.h"
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

START_TEST(connections_of_a_process_are_apart)
{
	struct traffic *traffic = traffic_new();
	struct ipc_record record = { .kind = IPC_RECORD_ONEWAY, .node = 3, .owner = 4 };

	ck_assert_int_eq(traffic_add(traffic, &record), 0);
	record.owner = 5;
	ck_assert_int_eq(traffic_add(traffic, &record), 0);
	ck_assert_uint_eq(traffic->n, 2);
	traffic_free(traffic);
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

int main(void)
{
	return RUN_CASES("traffic", NULL, NULL, latencies_are_precise_to_nine_percent,
			 traffic_is_summed, connections_of_a_process_are_apart,
			 many_pairs_take_no_time);
}
