// SPDX-License-Identifier: MIT
/*
 * A name without an owner is reserved for a user: while its service restarts, and before a
 * configured service ran for the first time.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "manager.h"

#define GID_IPCBUS 900
#define USER 1000
#define THIEF 1001

static char directory[] = "/tmp/reserve.XXXXXX";
static struct manager manager;

static void begin(void)
{
	const char *arguments[] = { "--services", directory, NULL };

	if (strstr(directory, "XXXXXX"))
		ck_assert_ptr_nonnull(mkdtemp(directory));
	manager_start(&manager, arguments);
}

static void end(void)
{
	char command[64];

	ck_assert_int_eq(manager_end(&manager, SIGTERM), 0);
	snprintf(command, sizeof(command), "rm -r %s", directory);
	ck_assert_int_eq(system(command), 0);
}

static struct ipc *open_as(uid_t uid)
{
	gid_t group = GID_IPCBUS;
	struct ipc *ipc;

	if (setgroups(1, &group) < 0 || setresgid(uid, uid, uid) < 0 ||
	    setresuid(uid, uid, uid) < 0 || ipc_open(&ipc, NULL) < 0)
		_exit(100);
	return ipc;
}

/* Starts a service as that user. Returns once it has the name. */
static pid_t start_service(uid_t uid, const char *name)
{
	int fds[2];
	char byte;
	pid_t pid;

	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		struct ipc *ipc = open_as(uid);

		if (server_register(ipc, name, &server_handlers, NULL) < 0 ||
		    write(fds[1], "", 1) != 1)
			_exit(1);
		_exit(ipc_run(ipc) < 0);
	}
	close(fds[1]);
	ck_assert_int_eq(read(fds[0], &byte, 1), 1);
	close(fds[0]);
	return pid;
}

static void kill_service(pid_t pid)
{
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

struct attempt {
	uid_t uid;
	const char *name;
	int expected;
};

/* Retries for a second, or until the result differs from the expected failure. */
static int take(void *data)
{
	const struct attempt *attempt = data;
	struct ipc *ipc = open_as(attempt->uid);
	int r = attempt->expected;

	for (uint64_t since = now_ms(); r == attempt->expected && now_ms() - since < 1000;) {
		r = server_register(ipc, attempt->name, &server_handlers, NULL);
		if (r == 0)
			break;
		sleep_ms(1);
	}
	ipc_unref(ipc);
	return r != attempt->expected;
}

START_TEST(a_dead_name_stays_its_users)
{
	struct attempt thief = { THIEF, "reserve.a", -EEXIST };
	pid_t service;

	begin();
	service = start_service(USER, "reserve.a");
	kill_service(service);
	run_child(take, &thief);
	service = start_service(USER, "reserve.a");
	kill_service(service);
	end();
}
END_TEST

static int register_and_give_up(void *data)
{
	struct ipc *ipc = open_as(USER);

	(void)data;
	if (server_register(ipc, "reserve.b", &server_handlers, NULL) < 0 ||
	    ipc_unregister_name(ipc, "reserve.b") < 0)
		return 1;
	ipc_unref(ipc);
	return 0;
}

START_TEST(unregistered_name_is_not_reserved)
{
	struct attempt other = { THIEF, "reserve.b", 0 };

	begin();
	run_child(register_and_give_up, NULL);
	run_child(take, &other);
	end();
}
END_TEST

START_TEST(names_of_services_are_their_users)
{
	struct attempt thief = { THIEF, "reserve.e", -EACCES };
	char path[80];
	FILE *config;
	pid_t service;

	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/e.conf", directory);
	config = fopen(path, "w");
	ck_assert_ptr_nonnull(config);
	fputs("name reserve.e\nrun /bin/false\nuser root\n", config);
	fclose(config);
	begin();
	run_child(take, &thief);
	service = start_service(0, "reserve.e");
	kill_service(service);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("reserve", a_dead_name_stays_its_users,
			 unregistered_name_is_not_reserved,
			 names_of_services_are_their_users);
}
