// SPDX-License-Identifier: MIT
/*
 * The limits of a user over all buses: threads, memory, files, and everything that
 * test-quota.c limits on one bus. Also the user that the kernel charges for memory. One thread
 * opens the device under several user ids.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>

#include "mount.h"
#include "namespace.h"
#include "users.h"

#define KIB 1024
#define LARGE (64 * REGION)

static uint8_t data[REGION];

/* --- All buses ---------------------------------------------------------------- */

static int create_node(const struct raw *r)
{
	struct ipcbus_node n = {};

	return raw_node_ioctl(r, IPCBUS_IOC_NODE_CREATE, &n);
}

START_TEST(buses_count_together)
{
	struct raw a, b, other;
	struct place p, q;

	mount_bus(&p, "mode=666");
	mount_bus(&q, "mode=666");
	open_at_as(&a, p.bus, 1000, 4096);
	open_at_as(&b, q.bus, 1000, 4096);
	open_at_as(&other, q.bus, 1001, 4096);
	ck_assert_int_eq(account(1000, PROCS), 3);
	set_limit("user_nodes", 5);
	assert_ok(create_node(&cli));
	for (int i = 0; i < 2; i++) {
		assert_ok(create_node(&a));
		assert_ok(create_node(&b));
	}
	assert_result(create_node(&a), -EDQUOT);
	assert_result(create_node(&cli), -EDQUOT);
	assert_ok(create_node(&other));
	ck_assert_int_eq(account(1000, NODES), 5);
	raw_close(&a);
	ck_assert_int_eq(account(1000, NODES), 3);
	assert_ok(create_node(&b));
	assert_ok(create_node(&cli));
	assert_result(create_node(&b), -EDQUOT);
	raw_close(&b);
	raw_close(&other);
	umount_bus(&p);
	umount_bus(&q);
}
END_TEST

START_TEST(files_of_all_buses_count_together)
{
	struct place p;
	struct raw a;
	int fd;

	mount_bus(&p, "mode=666");
	open_at_as(&a, p.bus, 1000, 4096);
	set_limit("user_procs", 2);
	ck_assert_int_eq(setresuid(-1, 1000, -1), 0);
	assert_result(dev_open(O_RDWR), -EDQUOT);
	assert_result(dev_open_at(p.bus, O_RDWR), -EDQUOT);
	ck_assert_int_eq(setresuid(-1, 0, -1), 0);
	raw_close(&a);
	ck_assert_int_eq(setresuid(-1, 1000, -1), 0);
	fd = dev_open(O_RDWR);
	ck_assert_int_ge(fd, 0);
	dev_close(fd);
	ck_assert_int_eq(setresuid(-1, 0, -1), 0);
	umount_bus(&p);
}
END_TEST

/* Nodes left by a dead proc are charged to handle holders, and no longer to its user. */
START_TEST(dead_procs_are_not_charged)
{
	uint32_t handle[5];
	struct raw r;

	set_limit("user_procs", 2);
	for (int i = 0; i < 5; i++) {
		open_as(&r, 1000);
		ck_assert_int_eq(account(1000, PROCS), 2);
		ck_assert_int_eq(setresuid(-1, 1000, -1), 0);
		assert_result(dev_open(O_RDWR), -EDQUOT);
		ck_assert_int_eq(setresuid(-1, 0, -1), 0);
		handle[i] = give_handle(&oth, &r, raw_node(&r, 0, 1));
		raw_close(&r);
		ck_assert_int_eq(account(1000, PROCS), 1);
		ck_assert_int_eq(account(1000, NODES), 0);
		ck_assert_int_eq(account(1001, HANDLES), i + 2);
	}
	for (int i = 0; i < 5; i++)
		assert_ok(raw_put(&oth, handle[i], 1));
	/* The manager's handle. */
	ck_assert_int_eq(account(1001, HANDLES), 1);
}
END_TEST

/* Regardless of the size of the region. */
START_TEST(dead_procs_have_no_memory)
{
	long procs = account(1000, PROCS), memory = account(1000, MEMORY);
	struct raw dead;
	uint32_t handle;

	open_at_as(&dead, NULL, 1000, LARGE);
	ck_assert_int_eq(account(1000, PROCS), procs + 1);
	ck_assert_int_gt(account(1000, MEMORY), memory);
	handle = raw_hand(&srv, &oth, &dead, raw_node(&dead, 0, 1));
	/* The manager's handle. */
	ck_assert_int_eq(account(1000, HANDLES), 1);
	raw_close(&dead);
	ck_assert_int_eq(account(1000, PROCS), procs);
	ck_assert_int_eq(account(1000, HANDLES), 0);
	ck_assert_int_eq(account(1000, MEMORY), memory);
	assert_ok(raw_put(&oth, handle, 1));
}
END_TEST

/* --- Threads and files -------------------------------------------------------- */

static void *one_exchange(void *arg)
{
	struct ipcbus_exchange x = { .flags = IPCBUS_WAIT | IPCBUS_NONBLOCK };

	return (void *)(intptr_t)raw_exchange(arg, &x);
}

static void take_oneways(int n)
{
	struct ipcbus_event ev;

	while (n--) {
		raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
		raw_release(&srv, &ev);
	}
}

/* The spare calls cached for a user's next messages are few, and exist only while it has a file. */
START_TEST(spare_calls_are_few)
{
	long most = raw_info(&cli).user_calls / 1024;
	struct raw second;

	if (most > 64)
		most = 64;
	open_as(&second, 1000);
	for (int i = 0; i < 100; i++)
		raw_oneway(&cli, 0, 0, NULL, 0);
	ck_assert_int_eq(account(1000, CALLS), 100);
	take_oneways(90);
	ck_assert_int_eq(account(1000, CALLS), 10 + most);
	/* Spare calls are used before new ones are allocated, whichever file needs them. */
	for (int i = 0; i < most; i++)
		raw_oneway(&second, 0, 0, NULL, 0);
	ck_assert_int_eq(account(1000, CALLS), 10 + most);
	raw_close(&cli);
	take_oneways(10 + most);
	ck_assert_int_eq(account(1000, CALLS), most);
	ck_assert_int_eq(account(0, CALLS), 0);
	raw_oneway(&second, 0, 0, NULL, 0);
	raw_close(&second);
	ck_assert_int_eq(account(1000, CALLS), 1);
	take_oneways(1);
	ck_assert_int_eq(account(1000, CALLS), 0);
}
END_TEST

START_TEST(threads)
{
	struct raw more;
	struct helper h;

	open_at_as(&more, NULL, 1000, 4096);
	set_limit("user_threads", 2);
	raw_none(&cli);
	raw_none(&more);
	helper_start(&h, one_exchange, &cli);
	ck_assert_int_eq((intptr_t)helper_end(&h), -EDQUOT);
	ck_assert_int_eq(account(1000, THREADS), 2);
	raw_none(&oth);
	raw_close(&more);
	helper_start(&h, one_exchange, &cli);
	ck_assert_int_eq((intptr_t)helper_end(&h), 0);
}
END_TEST

static int send_fds(const struct raw *r, int n)
{
	struct ipcbus_object o[8] = {};
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .objects = PTR64(o), .object_count = n,
	};

	for (int i = 0; i < n; i++)
		o[i] = object_fd(0);
	return raw_send(r, &send, NULL);
}

/* A user may have as many fds in flight as it could have open, as with Unix sockets. */
START_TEST(files_on_their_way)
{
	struct rlimit before, few = { 24, 24 };
	int n = 0, e;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	few.rlim_max = before.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	ck_assert_int_eq(setresuid(-1, 1000, -1), 0);
	while (!(e = send_fds(&cli, 8)))
		n += 8;
	ck_assert_int_eq(setresuid(-1, 0, -1), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	ck_assert_int_eq(e, -EDQUOT);
	ck_assert_int_eq(n, 24);
	ck_assert_int_eq(account(1000, FILES), 24);
	/* Root may exceed this limit. */
	assert_ok(send_fds(&oth, 8));
}
END_TEST

/* If a caller does not take replies, further replies fail. Other callers are not affected. */
static void replies_count_for_their_caller(const char *limit, unsigned int value, uint32_t kind,
					   struct ipcbus_object o[2])
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ASYNC | IPCBUS_SEND_ACCEPT_FDS,
		.cookie = 1,
	};
	struct ipcbus_send reply = {
		.kind = kind, .code = kind == IPCBUS_SEND_ERROR ? 7 : 0, .objects = PTR64(o),
		.object_count = 2,
	};
	uint32_t ends_as = kind == IPCBUS_SEND_ERROR ? IPCBUS_EVENT_ERROR : IPCBUS_EVENT_REPLY;
	struct ipcbus_event ev;

	set_limit(limit, value);
	for (int i = 0; i < 2; i++) {
		assert_ok(raw_send(&cli, &send, NULL));
		raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
		reply.call = ev.call;
		if (!i)
			assert_ok(raw_send(&srv, &reply, NULL));
	}
	raw_fails(&srv, &reply, -EDQUOT, IPCBUS_STAGE_OBJECT, value - 2);
	assert_ok(raw_send(&oth, &send, NULL));
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	reply.call = ev.call;
	assert_ok(raw_send(&srv, &reply, NULL));
	raw_take(&oth, ends_as, &ev);
	raw_release(&oth, &ev);
	/* Objects are no longer counted after they are taken. */
	raw_take(&cli, ends_as, &ev);
	raw_release(&cli, &ev);
	assert_ok(raw_send(&cli, &send, NULL));
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	reply.call = ev.call;
	assert_ok(raw_send(&srv, &reply, NULL));
}

START_TEST(objects_of_replies)
{
	struct ipcbus_object o[2] = {
		object_node(raw_node(&srv, 0, 1)), object_node(raw_node(&srv, 0, 2)),
	};

	/* Two handles that arrive, and handle 0. */
	replies_count_for_their_caller("user_handles", 3, IPCBUS_SEND_REPLY, o);
}
END_TEST

START_TEST(files_of_replies)
{
	struct ipcbus_object o[2] = { object_fd(0), object_fd(1) };

	replies_count_for_their_caller("user_files", 2, IPCBUS_SEND_REPLY, o);
}
END_TEST

START_TEST(files_of_errors)
{
	struct ipcbus_object o[2] = { object_fd(0), object_fd(1) };

	replies_count_for_their_caller("user_files", 2, IPCBUS_SEND_ERROR, o);
}
END_TEST

/* Dropped files do not count, even if they are closed much later. */
START_TEST(dropped_files_are_not_counted)
{
	struct ipcbus_object o = object_fd(0);
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .objects = PTR64(&o), .object_count = 1,
	};

	set_limit("user_files", 1);
	for (int i = 0; i < 100; i++) {
		uint64_t node = raw_node(&oth, IPCBUS_NODE_ACCEPT_FDS, i);

		send.handle = give_handle(&cli, &oth, node);
		assert_ok(raw_send(&cli, &send, NULL));
		raw_fails(&cli, &send, -EDQUOT, IPCBUS_STAGE_OBJECT, 0);
		assert_ok(raw_destroy(&oth, node, 0));
	}
}
END_TEST

/* --- Memory ------------------------------------------------------------------- */

static int try_oneway(const struct raw *r, uint32_t handle, size_t size)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .handle = handle, .data = PTR64(data),
		.data_size = size,
	};
	struct ipcbus_event ev;
	int e = raw_send(r, &send, &ev);

	if (e)
		ck_assert_uint_eq(ev.stage, IPCBUS_STAGE_BUFFER);
	return e;
}

/* Messages are charged to the receiver's user, summed over its regions. */
START_TEST(memory)
{
	uint32_t to_cli, to_more, to_oth;
	struct ipcbus_event ev;
	struct raw more;
	long before;

	open_as(&more, 1000);
	to_cli = give_handle(&srv, &cli, raw_node(&cli, 0, 1));
	to_more = give_handle(&srv, &more, raw_node(&more, 0, 1));
	to_oth = give_handle(&srv, &oth, raw_node(&oth, 0, 1));
	before = account(1000, MEMORY);
	ck_assert_int_gt(before, 0);
	set_limit("user_memory", before + 300);
	assert_ok(try_oneway(&srv, to_more, 200 * KIB));
	ck_assert_int_ge(account(1000, MEMORY), before + 200);
	assert_result(try_oneway(&srv, to_cli, 200 * KIB), -ENOMEM);
	assert_ok(try_oneway(&srv, to_cli, 50 * KIB));
	assert_ok(try_oneway(&srv, to_oth, 200 * KIB));
	/* The receiver's idle pages are usable again, whatever its other regions use. */
	raw_take(&more, IPCBUS_EVENT_ONEWAY, &ev);
	raw_release(&more, &ev);
	assert_ok(try_oneway(&srv, to_more, 200 * KIB));
	raw_take(&more, IPCBUS_EVENT_ONEWAY, &ev);
	raw_release(&more, &ev);
	/* Reclaimed memory is available to all regions of the user. */
	assert_ok(dev_reclaim());
	assert_ok(try_oneway(&srv, to_cli, 150 * KIB));
	raw_close(&more);
}
END_TEST

START_TEST(memory_of_an_index)
{
	long before = account(1000, MEMORY);
	void *map;
	int fd;

	set_limit("user_memory", before + 64);
	ck_assert_int_eq(setresuid(-1, 1000, -1), 0);
	fd = dev_open(O_RDWR);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(setresuid(-1, 0, -1), 0);
	/* 128 KiB for 16,384 pages */
	assert_result(dev_map(fd, LARGE, PROT_READ, MAP_SHARED, 0, &map), -EDQUOT);
	assert_ok(dev_map(fd, REGION, PROT_READ, MAP_SHARED, 0, &map));
	assert_ok(dev_unmap(map, REGION));
	dev_close(fd);
	ck_assert_int_eq(account(1000, MEMORY), before);
}
END_TEST

/* --- User namespaces ---------------------------------------------------------- */

/* Users 1 to 9 of the namespace are 2001 to 2009 outside; its owner is 1000. */
static int be_many_users(struct peer *self, void *arg)
{
	struct raw r[3];

	(void)arg;
	if (setresgid(1000, 1000, 1000) < 0 || setresuid(1000, 1000, 1000) < 0)
		return 97;
	if (!enter_namespace(self, 0))
		return 0;
	for (uid_t i = 0; i < 2; i++) {
		if (setresuid(-1, i + 1, -1) < 0)
			return 98;
		raw_open(&r[i], 4096);
	}
	if (setresuid(-1, 3, -1) < 0)
		return 98;
	assert_result(dev_open(O_RDWR), -EDQUOT);
	raw_close(&r[0]);
	raw_open(&r[2], 4096);
	raw_close(&r[1]);
	raw_close(&r[2]);
	return 0;
}

/* User 1000 has three files: cli and two others. */
START_TEST(owner_of_a_namespace_pays)
{
	struct peer peer;

	set_limit("user_procs", 3);
	peer_start(&peer, be_many_users, NULL);
	if (!give_users(&peer, "0 2000 10", "0 2000 10"))
		case_skip("no user namespaces in this kernel");
	peer_end(&peer);
	ck_assert_int_eq(account(1000, PROCS), 1);
}
END_TEST

START_TEST(info_reports_the_limits)
{
	struct ipcbus_info info = raw_info(&cli);
	struct sysinfo machine;

	ck_assert_uint_gt(info.user_procs, 0);
	ck_assert_uint_ge(info.user_nodes, info.max_nodes);
	ck_assert_uint_ge(info.user_handles, info.max_handles);
	ck_assert_uint_gt(info.user_watches, 0);
	ck_assert_uint_gt(info.user_calls, 0);
	ck_assert_uint_gt(info.user_threads, 0);
	ck_assert_uint_gt(info.user_memory, 0);
	ck_assert_int_eq(sysinfo(&machine), 0);
	/* The machine has at least 64 MiB. The host build and ipcbusd run on another machine. */
	if (!access("/sys/module/ipcbus", F_OK))
		ck_assert_uint_le(info.user_memory,
				  machine.totalram * machine.mem_unit / 1024 / 4);
	set_limit("user_files", 77);
	ck_assert_uint_eq(raw_info(&cli).user_files, 77);
}
END_TEST

/* A handle table keeps its size when its handles are put, so the table itself is charged. */
START_TEST(memory_of_a_table_of_handles)
{
	struct ipcbus_object o[IPCBUS_MAX_OBJECTS];
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .objects = PTR64(o), .object_count = ARRAY_SIZE(o),
		.handle = give_handle(&oth, &cli, raw_node(&cli, 0, 1)),
	};
	struct ipcbus_event ev;
	uint32_t handles[256];
	long before, table;

	/* From here on, these pages of the region are allocated. */
	raw_oneway(&oth, send.handle, 1, data, sizeof(o));
	raw_take(&cli, IPCBUS_EVENT_ONEWAY, &ev);
	raw_release(&cli, &ev);
	before = account(1000, MEMORY);
	for (size_t i = 0; i < ARRAY_SIZE(handles); i++) {
		o[i % ARRAY_SIZE(o)] = object_node(raw_node(&oth, 0, i));
		if (i % ARRAY_SIZE(o) != ARRAY_SIZE(o) - 1)
			continue;
		assert_ok(raw_send(&oth, &send, NULL));
		raw_take(&cli, IPCBUS_EVENT_ONEWAY, &ev);
		for (size_t j = 0; j < ARRAY_SIZE(o); j++)
			handles[i - j] = raw_objects(&cli, &ev)[j].value;
		raw_release(&cli, &ev);
	}
	/* 1,024 pointers of the kernel, which may be larger than pointers of the program. */
	table = account(1000, MEMORY) - before;
	ck_assert_msg(table == 4 || table == 8, "a table has %ld KiB", table);
	for (size_t i = 0; i < ARRAY_SIZE(handles); i++)
		assert_ok(raw_put(&cli, handles[i], 1));
	/* Handle 0. */
	ck_assert_int_eq(account(1000, HANDLES), 1);
	ck_assert_int_eq(account(1000, MEMORY), before + table);

	/* If a user has reached its memory limit, it gets no more handles. Other users do. */
	set_limit("user_memory", before + table);
	for (size_t i = 0; i < 1024 / 2 - 1; i++)
		give_handle(&cli, &oth, raw_node(&oth, 0, i));
	o[0] = object_node(raw_node(&oth, 0, 1));
	send.object_count = 1;
	assert_ok(raw_send(&oth, &send, NULL));
	raw_none(&cli);
}
END_TEST

/* A refused oneway leaves a watch behind, through which poll reports space. */
START_TEST(full_regions_count_as_watches)
{
	/* Half of the share of another user in the half for oneways. */
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .data = PTR64(data), .data_size = 4096 / 2 / 8 * 7 / 2,
	};
	struct ipcbus_event ev;
	uint32_t handles[4];
	struct raw full[4];

	for (int i = 0; i < 4; i++) {
		open_at_as(&full[i], NULL, 1001, 4096);
		handles[i] = give_handle(&cli, &full[i], raw_node(&full[i], 0, i));
	}
	/* Watches share the limit of handles, which is already exceeded. */
	set_limit("user_handles", 3);
	for (int i = 0; i < 4; i++) {
		send.handle = handles[i];
		assert_ok(raw_send(&cli, &send, NULL));
		/* EAGAIN would promise a wakeup, which needs a watch. */
		assert_result(raw_send(&cli, &send, NULL), i < 3 ? -EAGAIN : -EDQUOT);
		assert_result(raw_send(&cli, &send, NULL), i < 3 ? -EAGAIN : -EDQUOT);
		ck_assert_int_eq(account(1000, WATCHES), i < 3 ? i + 1 : 3);
		ck_assert_int_eq(!(dev_poll(cli.fd, 0) & POLLOUT), i < 3);
	}
	/* A watch that fired is reused or freed. */
	raw_take(&full[0], IPCBUS_EVENT_ONEWAY, &ev);
	raw_release(&full[0], &ev);
	ck_assert(dev_poll(cli.fd, 0) & POLLOUT);
	send.handle = handles[3];
	assert_result(raw_send(&cli, &send, NULL), -EAGAIN);
	ck_assert(!(dev_poll(cli.fd, 0) & POLLOUT));
	ck_assert_int_eq(account(1000, WATCHES), 3);
	for (int i = 0; i < 4; i++)
		raw_close(&full[i]);
	ck_assert(dev_poll(cli.fd, 0) & POLLOUT);
	raw_close(&cli);
	ck_assert_int_eq(account(1000, WATCHES), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("account");
	TCase *tc;

	if (geteuid()) {
		fprintf(stderr, "not root, no tests run\n");
		return 77;
	}
	tc = add_user_case(s, "users");
	tcase_add_test(tc, buses_count_together);
	tcase_add_test(tc, files_of_all_buses_count_together);
	tcase_add_test(tc, dead_procs_are_not_charged);
	tcase_add_test(tc, info_reports_the_limits);
	tcase_add_test(tc, dead_procs_have_no_memory);
	tcase_add_test(tc, spare_calls_are_few);
	tcase_add_test(tc, threads);
	tcase_add_test(tc, files_on_their_way);
	tcase_add_test(tc, objects_of_replies);
	tcase_add_test(tc, files_of_replies);
	tcase_add_test(tc, files_of_errors);
	tcase_add_test(tc, dropped_files_are_not_counted);
	tcase_add_test(tc, memory);
	tcase_add_test(tc, memory_of_an_index);
	tcase_add_test(tc, memory_of_a_table_of_handles);
	tcase_add_test(tc, full_regions_count_as_watches);
	tcase_add_test(tc, owner_of_a_namespace_pays);
	return suite_main(s);
}
