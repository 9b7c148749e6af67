// SPDX-License-Identifier: MIT
/*
 * Servers in a cgroup without realtime runtime (CONFIG_RT_GROUP_SCHED), where a realtime task
 * never runs: they inherit the best nice value instead of a realtime class. Needs root, cgroup
 * v2 and a kernel with such groups: Debian's kernels lack them, user-mode Linux has them. The
 * host build also has them, and ends the program if a task in such a group becomes realtime.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"

#define ROOT "/tmp/cgroup"
#define GROUP ROOT "/no-realtime"
#define TASKS "/cgroup.procs"

#define BEST_NICE -20

static int move_to(const char *tasks)
{
	return write_file(tasks, "0");
}

static void make_group(void)
{
	if (mkdir(ROOT, 0755) && errno != EEXIST)
		return;
	if (mount("none", ROOT, "cgroup2", 0, NULL) && errno != EBUSY)
		return;
	/* If the cpu controller is missing, another hierarchy may have it. */
	if (!write_file(ROOT "/cgroup.subtree_control", "+cpu"))
		mkdir(GROUP, 0755);
}

static int set_policy(int policy, int priority)
{
	return sched_setscheduler(0, policy, &(struct sched_param){ priority }) ? -errno : 0;
}

/* Moves this process. Returns false if no group prevents realtime scheduling. */
static bool enter_group(void)
{
	int e = move_to(GROUP TASKS);

	if (e == -ENOENT) {
		make_group();
		e = move_to(GROUP TASKS);
	}
	if (e == -ENOENT) {
		case_skip("no groups of tasks");
		return false;
	}
	assert_ok(e);
	e = set_policy(SCHED_FIFO, 1);
	if (!e) {
		assert_ok(set_policy(SCHED_OTHER, 0));
		case_skip("groups have no realtime runtime of their own");
		assert_ok(move_to(ROOT TASKS));
		return false;
	}
	assert_result(e, -EPERM);
	return true;
}

static void leave_group(void)
{
	assert_ok(move_to(ROOT TASKS));
}

/* --- The client ------------------------------------------------------------------- */

/* A realtime process that calls handle 0 each time it receives 1. */
static int call_as_realtime(struct peer *self, void *arg)
{
	struct raw r;

	(void)arg;
	raw_open(&r, REGION);
	assert_ok(set_policy(SCHED_FIFO, 50));
	while (peer_hear(self)) {
		struct ipcbus_exchange x = {
			.flags = IPCBUS_WAIT, .send = { .kind = IPCBUS_SEND_CALL },
		};

		assert_ok(raw_exchange(&r, &x));
		ck_assert_int_eq(x.event.kind, IPCBUS_EVENT_REPLY);
	}
	raw_close(&r);
	return 0;
}

static void client_end(struct peer *client)
{
	peer_notify(client, 0);
	peer_end(client);
}

static void call_async(const struct raw *r, uint32_t handle)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ASYNC, .handle = handle, .cookie = 1,
	};

	assert_ok(raw_send(r, &send, NULL));
}

/* --- The server: this process ----------------------------------------------------- */

static void assert_runs_by(int nice, bool inherited)
{
	/* The server is not realtime. If it inherited a priority, its children do not. */
	ck_assert_int_eq(sched_getscheduler(0), inherited ? SCHED_RESET_ON_FORK : SCHED_OTHER);
	ck_assert_int_eq(getpriority(PRIO_PROCESS, 0), nice);
}

static const int own_nice[] = { 0, 7 };

START_TEST(realtime_caller_gives_a_nice_value)
{
	struct ipcbus_event ev;
	struct peer client;

	peer_start(&client, call_as_realtime, NULL);
	if (enter_group()) {
		ck_assert_int_eq(setpriority(PRIO_PROCESS, 0, own_nice[_i]), 0);
		for (int i = 0; i < 2; i++) {
			peer_notify(&client, 1);
			raw_wait(&srv, IPCBUS_EVENT_CALL, &ev);
			assert_runs_by(BEST_NICE, true);
			raw_reply(&srv, ev.call, NULL, 0);
			assert_runs_by(own_nice[_i], false);
		}
		ck_assert_int_eq(setpriority(PRIO_PROCESS, 0, 0), 0);
		leave_group();
	}
	client_end(&client);
}
END_TEST

/* Root may create the node in such a group, regardless of the thread that serves it. */
START_TEST(realtime_node_gives_a_nice_value)
{
	struct ipcbus_node n = {
		.flags = IPCBUS_NODE_PRIORITY,
		.sched_policy = SCHED_RR,
		.priority = 10,
		.cookie = 2,
	};
	struct ipcbus_event ev;
	uint32_t handle;

	if (!enter_group())
		return;
	assert_ok(raw_node_ioctl(&srv, IPCBUS_IOC_NODE_CREATE, &n));
	handle = give_handle(&cli, &srv, n.node);
	call_async(&cli, handle);
	raw_wait(&srv, IPCBUS_EVENT_CALL, &ev);
	assert_runs_by(BEST_NICE, true);
	raw_reply(&srv, ev.call, NULL, 0);
	assert_runs_by(0, false);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
	leave_group();
}
END_TEST

/* The kernel does not move a realtime task into such a group, even if a boost made it realtime. */
START_TEST(boosted_server_stays_where_it_may_run)
{
	struct ipcbus_event ev;
	struct peer client;
	bool has_groups;

	has_groups = enter_group();
	if (has_groups)
		leave_group();
	peer_start(&client, call_as_realtime, NULL);
	if (has_groups) {
		peer_notify(&client, 1);
		raw_wait(&srv, IPCBUS_EVENT_CALL, &ev);
		ck_assert(sched_getscheduler(0) & SCHED_FIFO);
		assert_result(move_to(GROUP TASKS), -EINVAL);
		raw_reply(&srv, ev.call, NULL, 0);
		assert_runs_by(0, false);
		assert_ok(move_to(GROUP TASKS));
		leave_group();
	}
	client_end(&client);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("group");
	TCase *tc = add_case(s, "group", setup_bus);

	if (geteuid()) {
		fprintf(stderr, "needs root\n");
		return 77;
	}
	tcase_add_loop_test(tc, realtime_caller_gives_a_nice_value, 0, ARRAY_SIZE(own_nice));
	tcase_add_test(tc, realtime_node_gives_a_nice_value);
	tcase_add_test(tc, boosted_server_stays_where_it_may_run);
	return suite_main(s);
}
