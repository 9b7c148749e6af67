// SPDX-License-Identifier: MIT
/*
 * kill -9 of servicemanager, a hundred times (or IPCBUS_KILLS times), under traffic: no service is
 * lost, calls between other processes succeed, waiting callers continue to wait, and watchers get
 * no notification of a state that they know. Also names that cannot be registered again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "manager.h"

#define SERVICES 3
#define NAMES 4		/* per service */
#define CLIENTS 2
#define WAITERS 2

/* State that the processes share. */
static struct shared {
	atomic_uint ready;		/* processes that finished their setup */
	atomic_uint calls, failed;	/* by the clients */
	atomic_uint gets, away, missed;	/* lookups of names: found, no manager, not found */
	atomic_uint present, gone, settled;
	atomic_int failure;		/* the last failure passed to on_failure() */
} *shared;

static pid_t children[SERVICES + CLIENTS + WAITERS + 2];
static size_t n_children;

static pid_t start(int (*fn)(int), int number)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(fn(number));
	}
	children[n_children++] = pid;
	return pid;
}

static void await_ready(unsigned int n)
{
	while (atomic_load(&shared->ready) < n)
		sleep_ms(2);
}

static void name_of(char name[32], int service, int number)
{
	sprintf(name, "restart.%d/%d", service, number);
}

/* --- Other processes ----------------------------------------------------------------- */

static int be_service(int number)
{
	struct ipc *ipc;
	char name[32];

	if (ipc_open(&ipc, NULL) < 0)
		return 1;
	for (int i = 0; i < NAMES; i++) {
		name_of(name, number, i);
		if (server_register(ipc, name, &server_handlers, NULL) < 0)
			return 2;
	}
	atomic_fetch_add(&shared->ready, 1);
	return ipc_run(ipc) < 0;
}

/* Calls a service in a loop, through a proxy it got before. */
static int be_client(int number)
{
	E2e__SayRequest request = E2E__SAY_REQUEST__INIT;
	struct server *server;
	struct ipc *ipc;
	char name[32];

	name_of(name, number % SERVICES, 0);
	if (ipc_open(&ipc, NULL) < 0 || server_get(ipc, name, &server) < 0)
		return 1;
	atomic_fetch_add(&shared->ready, 1);
	request.text = "x";
	for (;;) {
		if (server_say(server, &request, NULL, NULL) < 0)
			atomic_fetch_add(&shared->failed, 1);
		atomic_fetch_add(&shared->calls, 1);
		sleep_ms(1);
	}
}

/* Looks up all names in turn: each must be found, unless there is no manager. */
static int be_finder(int unused)
{
	struct server *server;
	struct ipc *ipc;
	char name[32];
	int r;

	(void)unused;
	if (ipc_open(&ipc, NULL) < 0)
		return 1;
	atomic_fetch_add(&shared->ready, 1);
	for (unsigned int i = 0;; i++) {
		name_of(name, (int)(i % SERVICES), (int)(i / SERVICES % NAMES));
		r = server_get(ipc, name, &server);
		if (r == 0)
			server_unref(server);
		atomic_fetch_add(r == 0		 ? &shared->gets :
				 r == -ENOTCONN ? &shared->away :
						  &shared->missed, 1);
		sleep_ms(1);
	}
}

static int be_waiter(int unused)
{
	E2e__SayRequest request = E2E__SAY_REQUEST__INIT;
	struct server *server;
	struct ipc *ipc;

	(void)unused;
	if (ipc_open(&ipc, NULL) < 0)
		return 1;
	atomic_fetch_add(&shared->ready, 1);
	if (server_wait(ipc, "restart.late", IPC_NEVER, &server) < 0)
		return 2;
	request.text = "x";
	return server_say(server, &request, NULL, NULL) < 0;
}

static void on_change(struct ipc *ipc, enum ipc_name_change change,
		      const struct ipc_name_info *info, struct ipc_proxy *proxy, void *userdata)
{
	(void)ipc, (void)info, (void)proxy, (void)userdata;
	atomic_fetch_add(change == IPC_NAME_PRESENT ? &shared->present :
			 change == IPC_NAME_GONE    ? &shared->gone :
						      &shared->settled, 1);
}

static int be_watcher(int unused)
{
	struct ipc *ipc;

	(void)unused;
	if (ipc_open(&ipc, NULL) < 0 ||
	    ipc_watch_names(ipc, "restart.*", on_change, NULL, NULL) < 0)
		return 1;
	atomic_fetch_add(&shared->ready, 1);
	return ipc_run(ipc) < 0;
}

/* --- The test ------------------------------------------------------------------------ */

static void share(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	ck_assert_ptr_ne(shared, MAP_FAILED);
}

static void begin(void)
{
	share();
	for (int i = 0; i < SERVICES; i++)
		start(be_service, i);
	await_ready(SERVICES);
	for (int i = 0; i < CLIENTS; i++)
		start(be_client, i);
	start(be_finder, 0);
	start(be_watcher, 0);
	for (int i = 0; i < WAITERS; i++)
		start(be_waiter, i);
	await_ready(SERVICES + CLIENTS + WAITERS + 2);
}

/* Waits until the counter has increased by @more. */
static void await_more(const atomic_uint *count, unsigned int more)
{
	unsigned int before = atomic_load(count);

	while (atomic_load(count) - before < more)
		sleep_ms(1);
}

static void end(void)
{
	for (size_t i = 0; i < n_children; i++) {
		kill(children[i], SIGKILL);
		waitpid(children[i], NULL, 0);
	}
}

static void serve_the_late(void)
{
	struct ipc *ipc;

	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(server_register(ipc, "restart.late", &server_handlers, NULL), 0);
	for (int i = 0; i < WAITERS; i++) {
		pid_t pid = children[--n_children];
		int status;

		while (waitpid(pid, &status, WNOHANG) == 0)
			if (ipc_wait_event(ipc, 10000) == 1)
				ipc_process(ipc);
		ck_assert_int_eq(status, 0);
	}
	ipc_unref(ipc);
}

START_TEST(a_hundred_times)
{
	const char *kills = getenv("IPCBUS_KILLS");
	const char *arguments[] = { NULL };
	uint64_t took, longest = 0, sum = 0;
	int n = kills ? atoi(kills) : 100;
	struct manager manager;

	manager_start(&manager, arguments);
	begin();
	for (int i = 0; i < n; i++) {
		manager_end(&manager, SIGKILL);
		/* Calls continue without the manager, in each of these phases. */
		await_more(&shared->calls, 3);
		manager_start(&manager, arguments);
		took = now_ms();
		/* All names are looked up again, in sequence, so all are registered. */
		await_more(&shared->gets, SERVICES * NAMES);
		took = now_ms() - took;
		longest = took > longest ? took : longest;
		sum += took;
	}

	serve_the_late();
	while (!atomic_load(&shared->settled))
		sleep_ms(5);
	printf("# %d times killed: %u calls, %u of them failed; %u times a name was got, %u times there was no manager; all %d names got again after %u ms, at most %u\n",
	       n, shared->calls, shared->failed, shared->gets, shared->away, SERVICES * NAMES,
	       (unsigned int)(sum / (n > 0 ? n : 1)), (unsigned int)longest);
	ck_assert_uint_eq(shared->failed, 0);
	ck_assert_uint_eq(shared->missed, 0);
	ck_assert_uint_eq(shared->settled, 1);
	/* Each registered name exactly once; the late service may have come and gone. */
	ck_assert_uint_ge(shared->present, SERVICES * NAMES);
	ck_assert_uint_le(shared->present, SERVICES * NAMES + 1);
	ck_assert_uint_le(shared->gone, 1);
	end();
	ck_assert_int_eq(manager_end(&manager, SIGTERM), 0);
}
END_TEST

/* --- Names that cannot be registered again ------------------------------------------- */

#define USER 1000
#define USER_NAMES 1024 /* limit per user: servicemanager(8), LIMITS */

static void on_failure(struct ipc *ipc, const char *name, enum ipc_registration_event event,
		       int error, void *userdata)
{
	(void)ipc, (void)userdata;
	atomic_store(&shared->failure, event == IPC_REGISTRATION_FAILED &&
						       !strcmp(name, "restart.name") ? error : 1);
}

static int open_as(uid_t uid, struct ipc **ret_ipc)
{
	int r = ipc_open(ret_ipc, NULL);

	return r < 0 || setuid(uid) < 0 ? -1 : ipc_on_registration(*ret_ipc, on_failure, NULL,
			/* ret_slot= */ NULL);
}

static int be_named(int uid)
{
	struct ipc *ipc;

	if (open_as((uid_t)uid, &ipc) < 0 ||
	    server_register(ipc, "restart.name", &server_handlers, NULL) < 0)
		return 1;
	atomic_fetch_add(&shared->ready, 1);
	return ipc_run(ipc) < 0;
}

/* Registers all names that its user may have. */
static int be_greedy(int uid)
{
	struct ipc *ipc;
	char name[32];

	if (open_as((uid_t)uid, &ipc) < 0)
		return 1;
	for (int i = 0; i < USER_NAMES; i++) {
		name_of(name, 0, i);
		if (server_register(ipc, name, &server_handlers, NULL) < 0)
			return 2;
	}
	atomic_fetch_add(&shared->ready, 1);
	return ipc_run(ipc) < 0;
}

static void end_one(pid_t pid)
{
	ck_assert_int_eq(children[--n_children], pid);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

/* Restarts servicemanager and lets another process act while restart.name's owner does not run. */
static pid_t begin_with_other(struct manager *manager, uid_t uid, int (*other)(int))
{
	const char *arguments[] = { NULL };
	pid_t owner, pid;

	share();
	manager_start(manager, arguments);
	owner = start(be_named, (int)uid);
	await_ready(1);
	manager_end(manager, SIGKILL);
	kill(owner, SIGSTOP);
	manager_start(manager, arguments);
	pid = start(other, USER);
	await_ready(2);
	kill(owner, SIGCONT);
	return pid;
}

static void await_owner(struct ipc *ipc, uid_t uid)
{
	struct ipc_name_info info = { .size = sizeof(info) };
	struct ipc_proxy *proxy;

	ck_assert_int_eq(ipc_proxy_wait(ipc, "restart.name", NULL, 20000000, &proxy), 0);
	ck_assert_int_eq(ipc_check_name(ipc, "restart.name", &info), 0);
	ck_assert_uint_eq(info.uid, uid);
	ipc_proxy_unref(proxy);
}

static void await_failure(int error)
{
	while (!atomic_load(&shared->failure))
		sleep_ms(2);
	ck_assert_int_eq(atomic_load(&shared->failure), error);
}

START_TEST(loser_of_the_name_is_notified)
{
	const char *arguments[] = { NULL };
	struct manager manager;
	struct ipc *ipc;
	pid_t thief = begin_with_other(&manager, 0, be_named);

	await_failure(-EEXIST);
	end_one(thief);

	/* The next servicemanager gets the registration. */
	manager_end(&manager, SIGKILL);
	manager_start(&manager, arguments);
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	await_owner(ipc, 0);
	ipc_unref(ipc);
	end();
	ck_assert_int_eq(manager_end(&manager, SIGTERM), 0);
}
END_TEST

START_TEST(name_without_quota_is_reported)
{
	struct manager manager;
	pid_t greedy = begin_with_other(&manager, USER, be_greedy);

	await_failure(-EDQUOT);
	end_one(greedy);
	end();
	ck_assert_int_eq(manager_end(&manager, SIGTERM), 0);
}
END_TEST

/* --- Names that were unregistered in the meantime ----------------------------------- */

enum { REMOVED, STAYS, DIES, REPLACED, WATCHED };

/* The changes of each name: a '+' or a '-' per change. */
static char changes[WATCHED][64];
static bool settled;

static void note_change(struct ipc *ipc, enum ipc_name_change change,
			const struct ipc_name_info *info, struct ipc_proxy *proxy, void *userdata)
{
	char *end;

	(void)ipc, (void)proxy, (void)userdata;
	if (change == IPC_NAME_SETTLED) {
		settled = true;
		return;
	}
	end = strchr(changes[atoi(strchr(info->name, '/') + 1)], '\0');
	*end = change == IPC_NAME_PRESENT ? '+' : '-';
}

static int be_watched(int number)
{
	struct ipc *ipc;
	char name[32];

	name_of(name, 9, number);
	if (ipc_open(&ipc, NULL) < 0 || server_register(ipc, name, &server_handlers, NULL) < 0)
		return 1;
	atomic_fetch_add(&shared->ready, 1);
	return ipc_run(ipc) < 0;
}

/* Registers and unregisters other names all the time, which must cause no notifications. */
static int be_restless(int unused)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;

	(void)unused;
	if (ipc_open(&ipc, NULL) < 0)
		return 1;
	atomic_fetch_add(&shared->ready, 1);
	for (;;) {
		server_register(ipc, "restart.restless", &server_handlers, NULL);
		ipc_unregister_name(ipc, "restart.restless");
		sleep_ms(50);
	}
}

static bool all_changes_came(void)
{
	return settled && !strcmp(changes[REMOVED], "+-") && !strcmp(changes[DIES], "+-") &&
	       !strcmp(changes[STAYS], "+") &&
	       (!strcmp(changes[REPLACED], "++") || !strcmp(changes[REPLACED], "+-+"));
}

static bool all_names_came(void)
{
	for (int i = 0; i < WATCHED; i++)
		if (strcmp(changes[i], "+"))
			return false;
	return settled;
}

/* Returns the time in milliseconds. */
static uint64_t process_until(struct ipc *ipc, bool (*done)(void))
{
	uint64_t since = now_ms();

	while (!done()) {
		ck_assert_int_eq(ipc_wait_event(ipc, IPC_NEVER), 1);
		ck_assert_int_ge(ipc_process(ipc), 0);
	}
	return now_ms() - since;
}

static void go_and_come(bool restless)
{
	const char *arguments[] = { NULL };
	struct ipc *ipc, *own;
	struct manager manager;
	pid_t dies, replaced;
	uint64_t took;

	share();
	manager_start(&manager, arguments);
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(ipc_open(&own, NULL), 0);
	ck_assert_int_eq(server_register(own, "restart.9/0", &server_handlers, NULL), 0);
	if (restless)
		start(be_restless, 0);
	start(be_watched, STAYS);
	dies = start(be_watched, DIES);
	replaced = start(be_watched, REPLACED);
	await_ready(restless ? 4 : 3);
	ck_assert_int_eq(ipc_watch_names(ipc, "restart.9/*", note_change, NULL, NULL), 0);
	process_until(ipc, all_names_came);

	manager_end(&manager, SIGKILL);
	end_one(replaced);
	end_one(dies);
	ck_assert_int_eq(ipc_unregister_name(own, "restart.9/0"), 0);
	/* A manager that ends before it could learn the names has no effect. */
	manager_start(&manager, arguments);
	manager_end(&manager, SIGKILL);
	manager_start(&manager, arguments);
	start(be_watched, REPLACED);
	took = process_until(ipc, all_changes_came);
	printf("# lost names are reported after %u ms%s\n", (unsigned int)took,
	       restless ? ", while other names change" : "");

	ipc_unref(own);
	ipc_unref(ipc);
	end();
	ck_assert_int_eq(manager_end(&manager, SIGTERM), 0);
}

START_TEST(lost_name_is_reported)
{
	go_and_come(false);
}
END_TEST

START_TEST(lost_name_is_reported_while_others_change)
{
	go_and_come(true);
}
END_TEST

int main(void)
{
	return RUN_TESTS("restart", a_hundred_times, loser_of_the_name_is_notified,
			 name_without_quota_is_reported,
			 lost_name_is_reported,
			 lost_name_is_reported_while_others_change);
}
