// SPDX-License-Identifier: MIT
/*
 * Exclusive names: a second registration, replacement, the queue, and restarts of
 * servicemanager. Each server is a connection of this process, and handles its messages only when
 * the test calls for it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../run-cases.h"
#include "fixture.h"
#include "manager.h"
#include "servicemanager.ipc.h"

#define NAME "exclusive.name"

struct side {
	struct ipc *ipc;
	struct ipc_object *object;
	char events[64]; /* '+' acquired, '-' lost, '!' failed */
};

static struct side a, b, c;
static struct manager manager;

static void on_event(struct ipc *ipc, const char *name, enum ipc_registration_event event,
		     int error, void *userdata)
{
	struct side *side = userdata;

	ck_assert_ptr_eq(ipc, side->ipc);
	ck_assert_str_eq(name, NAME);
	ck_assert_int_eq(error != 0, event == IPC_REGISTRATION_FAILED);
	side->events[strlen(side->events)] = " +-!"[event];
}

static void side_open(struct side *side)
{
	memset(side, 0, sizeof(*side));
	ck_assert_int_eq(ipc_open(&side->ipc, NULL), 0);
	ck_assert_int_eq(ipc_on_registration(side->ipc, on_event, side, NULL), 0);
	ck_assert_int_eq(server_object_new(side->ipc, &server_handlers, NULL, NULL, &side->object),
			 0);
}

static void side_close(struct side *side)
{
	side->object = ipc_object_unref(side->object);
	side->ipc = ipc_unref(side->ipc);
}

static int add(struct side *side, unsigned int flags)
{
	return ipc_register_name_with(side->ipc, NAME, side->object, flags, NULL);
}

/* Handles the side's messages until its list of events equals @events. */
static void await_events(struct side *side, const char *events)
{
	while (strcmp(side->events, events)) {
		ck_assert_msg(!strncmp(side->events, events, strlen(side->events)),
			      "\"%s\" instead of \"%s\"", side->events, events);
		ck_assert_int_eq(ipc_wait_event(side->ipc, IPC_NEVER), 1);
		ck_assert_int_ge(ipc_process(side->ipc), 0);
	}
}

/* Handles all messages that are queued. */
static void handle_all(struct side *side)
{
	while (ipc_wait_event(side->ipc, 100000) == 1)
		ck_assert_int_ge(ipc_process(side->ipc), 0);
}

static bool has_name(const struct side *side, struct side *other)
{
	struct ipc_proxy *proxy;
	int r;

	r = ipc_proxy_wait(side->ipc, NAME, NULL, 10000000, &proxy);
	if (r == 0)
		ipc_proxy_unref(proxy);
	/* A proxy for an own object cannot be made: -EXDEV. */
	ck_assert_msg(r == 0 || r == -EXDEV, "%s", ipc_strerror(r));
	if (r == 0) {
		r = ipc_proxy_wait(other->ipc, NAME, NULL, 10000000, &proxy);
		ck_assert_int_eq(r, -EXDEV);
		return false;
	}
	return true;
}

static void manager_restart(void)
{
	const char *arguments[] = { NULL };

	manager_end(&manager, SIGKILL);
	manager_start(&manager, arguments);
}

static void begin(void)
{
	const char *arguments[] = { NULL };

	manager_start(&manager, arguments);
	side_open(&a);
	side_open(&b);
	side_open(&c);
}

static void end(void)
{
	side_close(&c);
	side_close(&b);
	side_close(&a);
	ck_assert_int_eq(manager_end(&manager, SIGTERM), 0);
}

START_TEST(generated_functions_take_flags)
{
	static const struct {
		unsigned int flags;
		int result;
	} servers[] = { { 0, 0 }, { IPC_NAME_QUEUE, 1 }, { IPC_NAME_REPLACE, 0 } };
	struct ipc *ipcs[3];

	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(ipc_open(&ipcs[i], NULL), 0);
		ck_assert_int_eq(server_register_with(ipcs[i], "exclusive.typed", &server_handlers,
						      NULL, servers[i].flags), servers[i].result);
	}
	for (int i = 0; i < 3; i++)
		ipc_unref(ipcs[i]);
}
END_TEST

START_TEST(second_registration_fails)
{
	ck_assert_int_eq(add(&a, 0), 0);
	ck_assert_int_eq(add(&b, 0), -EEXIST);
	ck_assert(has_name(&a, &b));
	/* Repeating a registration has no effect. */
	ck_assert_int_eq(add(&a, 0), 0);
	ck_assert_int_eq(server_register(a.ipc, NAME, &server_handlers, NULL), -EEXIST);
	ck_assert_int_eq(add(&a, IPC_NAME_REPLACE | IPC_NAME_QUEUE), -EINVAL);
	ck_assert_int_eq(add(&a, 8), -EINVAL);

	/* The name is free as soon as its owner has ended. */
	side_close(&a);
	while (add(&b, 0) < 0)
		sleep_ms(1);
	side_open(&a);
	ck_assert(has_name(&b, &a));
	handle_all(&b);
	ck_assert_str_eq(b.events, "");
}
END_TEST

START_TEST(replaced_server_is_notified_and_stays_replaced)
{
	ck_assert_int_eq(add(&a, 0), 0);
	ck_assert_int_eq(add(&b, IPC_NAME_REPLACE), 0);
	ck_assert(has_name(&b, &a));
	await_events(&a, "-");

	/* The former owner's unregister must not affect the new owner. */
	ck_assert_int_eq(ipc_unregister_name(b.ipc, "exclusive.other"), -ENOENT);
	manager_restart();
	handle_all(&a);
	handle_all(&b);
	ck_assert(has_name(&b, &a));
	side_close(&b);
	side_open(&b);
	handle_all(&a);
	ck_assert_int_eq(add(&c, 0), 0);
	ck_assert_str_eq(a.events, "-");
}
END_TEST

START_TEST(loser_does_not_unregister_the_new_owner)
{
	struct ipc_slot *slot;

	ck_assert_int_eq(ipc_register_name(a.ipc, NAME, a.object, &slot), 0);
	ck_assert_int_eq(add(&b, IPC_NAME_REPLACE), 0);
	/* It has not been notified of its loss yet. */
	ipc_slot_end(slot);
	ck_assert(has_name(&b, &a));
	handle_all(&a);
	ck_assert_str_eq(a.events, "");

	ck_assert_int_eq(add(&a, IPC_NAME_REPLACE), 0);
	ck_assert_int_eq(ipc_unregister_name(b.ipc, NAME), 0);
	ck_assert(has_name(&a, &b));
	/* Nor does it without a registration of its own, or twice. */
	ck_assert_int_eq(ipc_unregister_name(b.ipc, NAME), -ENOENT);
	ck_assert_int_eq(ipc_unregister_name(c.ipc, NAME), -ENOENT);
	ck_assert(has_name(&a, &b));
	await_events(&a, "");
}
END_TEST

START_TEST(owner_is_notified_if_another_connection_ends_its_registration)
{
	Ipc__Manager__UnregisterNameRequest request = IPC__MANAGER__UNREGISTER_NAME_REQUEST__INIT;
	ipc_auto(service_manager_unref) struct service_manager *manager = NULL;
	struct ipc_proxy *proxy;

	ck_assert_int_eq(add(&a, 0), 0);
	ck_assert_int_eq(ipc_get_manager(b.ipc, &proxy), 0);
	manager = service_manager_from_proxy(proxy);
	request.name = (char *)NAME;
	ck_assert_int_eq(service_manager_unregister_name(manager, &request, NULL), 0);
	await_events(&a, "-");
	ck_assert_int_eq(add(&b, 0), 0);
}
END_TEST

START_TEST(queue_gets_the_name)
{
	ck_assert_int_eq(add(&a, 0), 0);
	sleep_ms(600); /* the queue exists only after servicemanager has settled */
	ck_assert_int_eq(add(&b, IPC_NAME_QUEUE), 1);
	ck_assert_int_eq(add(&c, IPC_NAME_QUEUE), 1);
	handle_all(&b);
	ck_assert_str_eq(b.events, "");
	ck_assert_int_eq(ipc_unregister_name(a.ipc, NAME), 0);
	await_events(&b, "+");
	ck_assert(has_name(&b, &c));
	ck_assert_str_eq(c.events, "");
	side_close(&b);
	await_events(&c, "+");
	side_open(&b);
	ck_assert(has_name(&c, &b));
	/* If the name has no owner, a queued registration succeeds at once. */
	ck_assert_int_eq(ipc_unregister_name(c.ipc, NAME), 0);
	ck_assert_int_eq(add(&b, IPC_NAME_QUEUE), 0);
	/* A server that left the queue does not get the name. */
	ck_assert_int_eq(add(&a, IPC_NAME_QUEUE), 1);
	ck_assert_int_eq(ipc_unregister_name(a.ipc, NAME), 0);
	ck_assert_int_eq(ipc_unregister_name(b.ipc, NAME), 0);
	ck_assert_int_eq(add(&c, 0), 0);
}
END_TEST

START_TEST(owner_keeps_the_name_over_a_restart)
{
	ck_assert_int_eq(add(&a, 0), 0);
	ck_assert_int_eq(add(&c, IPC_NAME_QUEUE), 1);
	manager_restart();
	/* Both are faster than the former owner. */
	handle_all(&c);
	ck_assert_int_eq(add(&b, 0), -EEXIST);
	handle_all(&a);
	ck_assert(has_name(&a, &b));
	sleep_ms(1000);
	handle_all(&c);
	ck_assert_str_eq(c.events, "");
	ck_assert_int_eq(ipc_unregister_name(a.ipc, NAME), 0);
	await_events(&c, "+");
	ck_assert_str_eq(a.events, "");
}
END_TEST

START_TEST(new_server_loses_to_the_owner_before_the_restart)
{
	ck_assert_int_eq(add(&a, 0), 0);
	manager_restart();
	ck_assert_int_eq(add(&b, 0), 0);
	handle_all(&a);
	await_events(&b, "-");
	ck_assert(has_name(&a, &b));

	/* A replacement takes the name from the owner before the restart. */
	manager_restart();
	ck_assert_int_eq(add(&b, IPC_NAME_REPLACE), 0);
	await_events(&a, "-");
	ck_assert(has_name(&b, &a));
	ck_assert_str_eq(b.events, "-");
}
END_TEST

START_TEST(queue_gets_a_name_that_did_not_come_back)
{
	ck_assert_int_eq(add(&a, 0), 0);
	ck_assert_int_eq(add(&b, IPC_NAME_QUEUE), 1);
	manager_end(&manager, SIGKILL);
	side_close(&a);
	manager_start(&manager, (const char *[]){ NULL });
	await_events(&b, "+");
	side_open(&a);
	ck_assert(has_name(&b, &a));
}
END_TEST

/* Registers the name as soon as the previous process has ended. */
static void register_and_die(int unused)
{
	struct ipc *ipc;
	int r = ipc_open(&ipc, NULL);

	(void)unused;
	if (r == 0)
		r = server_register(ipc, NAME, &server_handlers, NULL);
	if (r < 0)
		_exit(-r);
	kill(getpid(), SIGKILL);
}

START_TEST(restarted_server_has_its_name_at_once)
{
	int status;

	for (int i = 0; i < 100; i++) {
		pid_t pid = fork();

		if (!pid)
			register_and_die(i);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_msg(WIFSIGNALED(status), "%d: %s", i, strerror(WEXITSTATUS(status)));
	}
}
END_TEST

int main(void)
{
	return RUN_CASES("manager-exclusive", begin, end, second_registration_fails,
			 generated_functions_take_flags,
			 replaced_server_is_notified_and_stays_replaced,
			 loser_does_not_unregister_the_new_owner,
			 owner_is_notified_if_another_connection_ends_its_registration,
			 queue_gets_the_name, owner_keeps_the_name_over_a_restart,
			 new_server_loses_to_the_owner_before_the_restart,
			 queue_gets_a_name_that_did_not_come_back,
			 restarted_server_has_its_name_at_once);
}
