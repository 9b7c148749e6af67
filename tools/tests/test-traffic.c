// SPDX-License-Identifier: MIT
/*
 * What is made of records, without a bus: sums of traffic, files of records.
 */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture.h"
#include "deadline.h"
#include "ipcbus-monitor.h"
#include "traffic.h"

static struct names *names;

static void begin(void)
{
	names = names_from_json(NULL);
	ck_assert_ptr_nonnull(names);
}

static void end(void)
{
	names = names_free(names);
}

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

/* Each record went through all pairs. What there is no space for is counted together. */
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

/* A record as the driver writes it: head, payload, table. */
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

/* Of processes that come while it is written, too; once each. */
START_TEST(files_keep_names)
{
	static _Alignas(8) unsigned char raw[512];
	json_t *client = json_pack("{s:s}", "7", "client");
	char path[] = "/tmp/test-traffic.XXXXXX", text[64];
	struct capture *capture;
	struct ipc_record record = { .size = sizeof(record) };
	struct names *read;
	int fd = mkstemp(path);

	ck_assert_int_eq(ipc_record_parse(raw, make(raw, "hello"), &record), 0);
	record.from_pid = 7;
	ck_assert_int_eq(capture_create(&capture, path, names), 0);
	names_learn(names, client);
	ck_assert_int_eq(capture_write(capture, &record), 0);
	ck_assert_int_eq(capture_write(capture, &record), 0);
	ck_assert_int_eq(capture_close(capture), 0);

	ck_assert_int_eq(capture_open(&capture, path, &read), 0);
	ck_assert_ptr_null(names_known(read, 7));
	ck_assert_int_eq(capture_read(capture, &record), 1);
	ck_assert_uint_eq(record.id, 5);
	names_process(read, 7, text, sizeof(text));
	ck_assert_str_eq(text, "client(7)");
	ck_assert_int_eq(capture_read(capture, &record), 1);
	ck_assert_int_eq(capture_read(capture, &record), 0);
	ck_assert_int_eq(capture_close(capture), 0);
	/* A pid of then is not looked up now. */
	names_process(read, getpid(), text, sizeof(text));
	ck_assert_uint_eq(strtoul(text, NULL, 10), getpid());
	names_free(read);
	json_decref(client);
	close(fd);
	unlink(path);
}
END_TEST

START_TEST(files_keep_records)
{
	static _Alignas(8) unsigned char raw[512];
	struct capture *capture;
	struct ipc_record record = { .size = sizeof(record) };
	struct names *read;
	char path[] = "/tmp/test-traffic.XXXXXX";
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ipc_record_parse(raw, make(raw, "hello"), &record), 0);
	ck_assert_int_eq(capture_create(&capture, path, names), 0);
	ck_assert_int_eq(capture_write(capture, &record), 0);
	ck_assert_int_eq(capture_write(capture, &record), 0);
	ck_assert_int_eq(capture_close(capture), 0);

	ck_assert_int_eq(capture_open(&capture, path, &read), 0);
	ck_assert_int_eq(capture_read(capture, &record), 1);
	ck_assert_uint_eq(record.id, 5);
	ck_assert_int_eq(capture_read(capture, &record), 1);
	ck_assert_int_eq(capture_read(capture, &record), 0);
	ck_assert_int_eq(capture_close(capture), 0);
	names_free(read);

	ck_assert_int_eq(ftruncate(fd, lseek(fd, 0, SEEK_END) - 1), 0);
	ck_assert_int_eq(capture_open(&capture, path, &read), 0);
	ck_assert_int_eq(capture_read(capture, &record), 1);
	ck_assert_int_eq(capture_read(capture, &record), -EBADMSG);
	capture_close(capture);
	names_free(read);
	close(fd);
	unlink(path);
	ck_assert_int_eq(capture_close(NULL), 0);
}
END_TEST

/* A search through all for each took ten seconds. */
START_TEST(many_names_take_no_time)
{
	json_t *services = json_array(), *file = json_pack("{s:o}", "services", services);
	uint64_t begin = clock_ns();
	struct names *many;
	char name[32];

	for (int i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "many.%d", i);
		json_array_append_new(services, json_pack("{s:s, s:i, s:i}", "name", name, "pid",
							  7, "node", i));
	}
	many = names_from_json(file);
	for (int i = 0; i < 20000; i++)
		ck_assert_ptr_nonnull(names_service(many, 7, i));
	ck_assert_str_eq(names_service(many, 7, 19999), "many.19999");
	ck_assert_uint_lt(clock_ns() - begin, UINT64_C(3000000000));
	names_free(many);
	json_decref(file);
}
END_TEST

/* Somebody made the file. */
START_TEST(names_of_files_are_cleaned)
{
	json_t *file = json_pack("{s:[{s:s, s:i, s:i}], s:{s:s}}", "services", "name", "a\033[2J",
				 "pid", 7, "node", 1, "processes", "7", "b\033[2J");
	struct names *read = names_from_json(file);
	char text[64];

	names_target(read, 7, 1, text, sizeof(text));
	ck_assert_str_eq(text, "a?[2J");
	names_process(read, 7, text, sizeof(text));
	ck_assert_str_eq(text, "b?[2J(7)");
	names_free(read);
	json_decref(file);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("traffic");
	TCase *tcase = tcase_create("traffic");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, begin, end);
	tcase_add_test(tcase, latencies_are_precise_to_nine_percent);
	tcase_add_test(tcase, traffic_is_summed);
	tcase_add_test(tcase, many_pairs_take_no_time);
	tcase_add_test(tcase, records_are_taken_apart);
	tcase_add_test(tcase, files_keep_names);
	tcase_add_test(tcase, names_of_files_are_cleaned);
	tcase_add_test(tcase, many_names_take_no_time);
	tcase_add_test(tcase, files_keep_records);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
