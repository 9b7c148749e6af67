// SPDX-License-Identifier: MIT
/*
 * The ABI as a whole: the contents of INFO, ioctl numbers and sizes, and exchanges and procs
 * with missing parts. Invalid fields of each request are in test-bad-input.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "fixture.h"

#define FEATURES (IPCBUS_FEATURE_LABEL | IPCBUS_FEATURE_PRIORITY | IPCBUS_FEATURE_MOUNT)

START_TEST(info_describes_the_driver)
{
	struct ipcbus_info info = raw_info(&cli);

	ck_assert_uint_eq(info.size, sizeof(info));
	ck_assert_uint_eq(info.version, IPCBUS_VERSION);
	ck_assert_uint_eq(info.features, FEATURES);
	ck_assert_uint_eq(info.region_size, REGION);
	ck_assert_uint_gt(info.max_nodes, 0);
	ck_assert_uint_gt(info.max_handles, 0);
	ck_assert_uint_gt(info.max_buffers, 0);
	ck_assert_uint_gt(info.max_threads, 0);

	raw_close(&oth);
	raw_open(&oth, 0);
	ck_assert_uint_eq(raw_info(&oth).region_size, 0);
}
END_TEST

START_TEST(unknown_ioctls)
{
	struct ipcbus_exchange x = { .size = sizeof(x) };
	const unsigned int cmds[] = {
		_IO(IPCBUS_IOC_TYPE, 0x3f), _IO(IPCBUS_IOC_TYPE, 0x7f), _IO(IPCBUS_IOC_TYPE, 0xff),
		_IOWR(IPCBUS_IOC_TYPE ^ 1, 0x01, x), _IO(IPCBUS_IOC_TYPE, 0x01),
		_IOW(IPCBUS_IOC_TYPE, 0x01, x), _IOW(IPCBUS_IOC_TYPE, 0x0a, x),
		_IOR(IPCBUS_IOC_TYPE, 0x00, struct ipcbus_info), 0xffffffff, 0x12345,
	};

	for (size_t i = 0; i < ARRAY_SIZE(cmds); i++)
		assert_result(dev_ioctl(cli.fd, cmds[i], &x), -ENOTTY);
}
END_TEST

/* As sent by a program that was built with a shorter or longer structure. */
START_TEST(size_in_the_number_does_not_count)
{
	struct ipcbus_exchange x = { .size = sizeof(x) };
	struct ipcbus_info info = { .size = sizeof(info) };

	assert_ok(dev_ioctl(cli.fd, _IOWR(IPCBUS_IOC_TYPE, 0x01, char[8]), &x));
	assert_ok(dev_ioctl(cli.fd, _IOWR(IPCBUS_IOC_TYPE, 0x01, char[1000]), &x));
	assert_ok(dev_ioctl(cli.fd, _IOWR(IPCBUS_IOC_TYPE, 0x00, char[1]), &info));
	ck_assert_uint_eq(info.user_files, raw_info(&cli).user_files);
}
END_TEST

START_TEST(event_is_output_only)
{
	struct ipcbus_exchange x = { .size = sizeof(x) };

	memset(&x.event, 0xff, sizeof(x.event));
	assert_ok(dev_ioctl(cli.fd, IPCBUS_IOC_EXCHANGE, &x));
	ck_assert_uint_eq(x.event.kind, IPCBUS_EVENT_NONE);
	ck_assert_uint_eq(x.event.call, 0);
	ck_assert_uint_eq(x.event.reserved, 0);
}
END_TEST

START_TEST(empty_exchange_does_nothing)
{
	struct ipcbus_exchange x = { 0 };

	for (int i = 0; i < 3; i++) {
		assert_ok(raw_exchange(&cli, &x));
		ck_assert_uint_eq(x.event.kind, IPCBUS_EVENT_NONE);
	}
}
END_TEST

/* A newer program sends a larger structure: the event keeps its offset. */
START_TEST(longer_exchange_works)
{
	struct {
		struct ipcbus_exchange x;
		uint64_t more[10];
	} x = { .x = { .size = sizeof(x),
		       .send = { .kind = IPCBUS_SEND_CALL, .data = PTR64("long"), .data_size = 4 } } };
	struct ipcbus_event ev;

	assert_ok(dev_ioctl(cli.fd, IPCBUS_IOC_EXCHANGE, &x));
	for (size_t i = 0; i < ARRAY_SIZE(x.more); i++)
		ck_assert_uint_eq(x.more[i], 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_holds(&srv, &ev, "long", 4);
	raw_release(&srv, &ev);
}
END_TEST

/* Without a region */

START_TEST(sender_without_a_region)
{
	raw_close(&cli);
	raw_open(&cli, 0);
	raw_fails(&cli, &(struct ipcbus_send){ .kind = IPCBUS_SEND_CALL }, -ENOBUFS, 0, 0);
	raw_none(&srv);
}
END_TEST

START_TEST(receiver_without_a_region)
{
	struct ipcbus_send send = { .kind = IPCBUS_SEND_CALL, .data = PTR64("x"), .data_size = 1 };

	raw_close(&srv);
	raw_open(&srv, 0);
	assert_ok(raw_claim(&srv, raw_node(&srv, 0, 1)));
	raw_fails(&cli, &send, -ENOBUFS, IPCBUS_STAGE_TARGET, 0);
	send.kind = IPCBUS_SEND_ONEWAY;
	raw_fails(&cli, &send, -ENOBUFS, IPCBUS_STAGE_TARGET, 0);
	raw_none(&srv);
}
END_TEST

START_TEST(opened_and_closed_without_a_region)
{
	raw_close(&oth);
	for (int i = 0; i < 20; i++) {
		raw_open(&oth, 0);
		raw_close(&oth);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("abi");
	TCase *tc = add_case(s, "structures", setup_bus);

	tcase_add_test(tc, info_describes_the_driver);
	tcase_add_test(tc, unknown_ioctls);
	tcase_add_test(tc, size_in_the_number_does_not_count);

	tc = add_case(s, "fields", setup_bus);
	tcase_add_test(tc, event_is_output_only);
	tcase_add_test(tc, empty_exchange_does_nothing);
	tcase_add_test(tc, longer_exchange_works);

	tc = add_case(s, "no region", setup_bus);
	tcase_add_test(tc, sender_without_a_region);
	tcase_add_test(tc, receiver_without_a_region);
	tcase_add_test(tc, opened_and_closed_without_a_region);
	return suite_main(s);
}
