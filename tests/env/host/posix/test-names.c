// SPDX-License-Identifier: MIT
/*
 * Names, from many threads at once, with servicemanager's own code, which ends and restarts in the
 * meantime: libipc's part of names under the sanitizers. The processes are those of e2e.c, without
 * the daemon's own loop and files. Also connections that open and close during all this, and a
 * watch of all names, which must have the right state in the end.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "../../../../servicemanager/manager.h"
#include "../../../suite/e2e/fixture.h"

#define ROUNDS		40
#define WORKERS		6	/* of each connection */
#define RESTARTS	4

/* --- The manager ------------------------------------------------------------------- */

static struct {
	struct policy *policy;
	struct manager *manager;
	int epoll;
	atomic_bool stop;
} state;

static int become_manager(struct ipc *ipc)
{
	static const char all[] = "allow anyone all *\n";
	static const struct policy_names nobody;
	struct manager_options options = { 0 };
	int r;

	atomic_store(&state.stop, false);
	state.epoll = epoll_create1(EPOLL_CLOEXEC);
	state.policy = policy_new();
	ck_assert_ptr_nonnull(state.policy);
	r = policy_read(state.policy, "test", all, strlen(all), &nobody, NULL, NULL);
	if (r < 0)
		return r;
	options.epoll = state.epoll;
	options.policy = state.policy;
	return manager_new(ipc, &options, &state.manager);
}

static int manage(struct ipc *ipc)
{
	int r = 0;

	while (r >= 0 && !atomic_load(&state.stop)) {
		r = ipc_wait_event(ipc, manager_work(state.manager) == 0 ? 0 : 2000);
		while (r > 0)
			r = ipc_process(ipc);
	}
	manager_free(state.manager);
	policy_free(state.policy);
	close(state.epoll);
	return r;
}

static pid_t start_manager(void)
{
	static const struct server_options options = {
		.threads = 1, .prepare = become_manager, .loop = manage,
	};

	return start_server(&options);
}

static void stop_manager(pid_t pid)
{
	atomic_store(&state.stop, true);
	kill_server(pid);
}

/* --- Threads that use names ---------------------------------------------------------- */

struct user {
	struct ipc *ipc;
	struct ipc_object *object;
	pthread_t workers[WORKERS];
	pthread_t servers[2];
	uint32_t stopped;
};

static struct user users[2];
static atomic_uint notified;

static const struct visitor_ops handlers;

static void on_change(struct ipc *ipc, enum ipc_name_change change,
		      const struct ipc_name_info *info, struct ipc_proxy *proxy, void *userdata)
{
	(void)ipc;
	(void)userdata;
	ck_assert(change == IPC_NAME_SETTLED || strlen(info->name) > 0);
	ipc_proxy_unref(ipc_proxy_ref(proxy));
	atomic_fetch_add(&notified, 1);
}

static void on_event(struct ipc *ipc, const char *name, enum ipc_registration_event event,
		     int error, void *userdata)
{
	(void)ipc;
	(void)name;
	(void)userdata;
	ck_assert_int_ne(event, IPC_REGISTRATION_ACQUIRED);
	/* The other connection may register a lost name first. */
	ck_assert_int_eq(error < 0, event == IPC_REGISTRATION_FAILED);
}

/* The possible results while other threads do the same, and the manager ends and restarts. */
static void expect_may(const char *what, int r)
{
	static const int may[] = {
		ENOENT, ENOTCONN, ETIMEDOUT, EOWNERDEAD, EBUSY, EAGAIN, ECANCELED, EEXIST, EXDEV,
	};

	if (r >= 0)
		return;
	for (size_t i = 0; i < sizeof(may) / sizeof(may[0]); i++)
		if (r == -may[i])
			return;
	ck_abort_msg("%s: %s", what, ipc_strerror(r));
}

static void find(struct ipc *ipc, const char *name)
{
	struct ipc_name_info info = { .size = sizeof(info) }, **infos = NULL;
	struct ipc_proxy *proxy = NULL;
	int r;

	r = ipc_proxy_get(ipc, name, NULL, &proxy);
	expect_may("get", r);
	proxy = ipc_proxy_unref(proxy);
	r = ipc_proxy_wait(ipc, name, NULL, 3000, &proxy);
	expect_may("wait", r);
	ipc_proxy_unref(proxy);
	expect_may("check", ipc_check_name(ipc, name, &info));
	r = ipc_list_names(ipc, "t.*", &infos);
	expect_may("list", r);
	free(infos);
}

static void use(struct user *user, unsigned int worker, unsigned int round)
{
	struct ipc_slot *watch = NULL, *failure = NULL, *idle = NULL;
	char name[32];
	int r;

	/* Also names of other threads, and of the other connection. */
	snprintf(name, sizeof(name), "t.%u", (worker + round) % (WORKERS + 2));
	r = ipc_watch_names(user->ipc, round % 2 ? "t.*" : name, on_change, NULL, &watch);
	expect_may("watch", r);
	expect_may("register", ipc_register_name(user->ipc, name, user->object,
			/* ret_slot= */ NULL));
	find(user->ipc, name);
	expect_may("remove", ipc_unregister_name(user->ipc, name));
	ck_assert_int_eq(ipc_on_registration(user->ipc, on_event, NULL, &failure), 0);
	snprintf(name, sizeof(name), "idle.%u.%u", worker, (unsigned int)(user - users));
	expect_may("register idle exit", ipc_register_name_with(user->ipc, name, user->object,
								IPC_NAME_IDLE_EXIT, &idle));
	expect_may("idle exit", ipc_idle_exit(user->ipc, name));
	if (round % 2)
		expect_may("remove", ipc_unregister_name(user->ipc, name));
	ipc_slot_end(idle);
	ipc_slot_end(failure);
	ipc_slot_end(watch);
}

static atomic_uint next_worker;

static void *work(void *data)
{
	unsigned int worker = atomic_fetch_add(&next_worker, 1) % WORKERS;

	for (unsigned int round = 0; round < ROUNDS; round++)
		use(data, worker, round);
	return NULL;
}

static void *run(void *data)
{
	struct user *user = data;

	ck_assert_int_eq(ipc_run(user->ipc), 0);
	__atomic_add_fetch(&user->stopped, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void start_user(struct user *user)
{
	ck_assert_int_eq(ipc_open(&user->ipc, NULL), 0);
	ck_assert_int_eq(visitor_object_new(user->ipc, &handlers, NULL, NULL, &user->object), 0);
	user->stopped = 0;
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&user->servers[i], NULL, run, user), 0);
	ck_assert_int_eq(ipc_register_name(user->ipc, user == users ? "kept.0" : "kept.1",
				      user->object, /* ret_slot= */ NULL), 0);
	for (int i = 0; i < WORKERS; i++)
		ck_assert_int_eq(pthread_create(&user->workers[i], NULL, work, user), 0);
}

static void join_workers(struct user *user)
{
	for (int i = 0; i < WORKERS; i++)
		pthread_join(user->workers[i], NULL);
}

static void end_user(struct user *user)
{
	/* A thread that calls ipc_run() after all other threads have returned serves again. */
	while (__atomic_load_n(&user->stopped, __ATOMIC_SEQ_CST) < 2) {
		ipc_stop(user->ipc);
		sched_yield();
	}
	for (int i = 0; i < 2; i++)
		pthread_join(user->servers[i], NULL);
	ipc_object_unref(user->object);
	ipc_unref(user->ipc);
}

START_TEST(while_the_manager_comes_and_goes)
{
	struct ipc_proxy *proxy;
	pid_t pid = start_manager();

	for (int i = 0; i < 2; i++)
		start_user(&users[i]);
	for (int i = 0; i < RESTARTS; i++) {
		sleep_ms(60);
		stop_manager(pid);
		pid = start_manager();
	}
	for (int i = 0; i < 2; i++)
		join_workers(&users[i]);
	/* Names that were registered before are registered in the end, whichever manager runs. */
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(
			ipc_proxy_wait(users[!i].ipc, i ? "kept.1" : "kept.0", NULL, 10000000,
				       &proxy), 0);
		ipc_proxy_unref(proxy);
	}
	ck_assert_uint_gt(notified, 0);
	for (int i = 0; i < 2; i++)
		end_user(&users[i]);
	stop_manager(pid);
}
END_TEST

/* --- Connections that come and go ------------------------------------------------------ */

#define LIVES	4	/* at once */
#define NAMES	6

static atomic_bool stop_living;
static atomic_uint lives, calls;

/* A connection that serves on a thread of its own. */
struct life {
	struct ipc *ipc;
	struct ipc_object *object;
	pthread_t server;
	unsigned int seed;
	struct ipc_slot *watch;
	char name[16];
};

static void *run_life(void *data)
{
	ck_assert_int_eq(ipc_run(data), 0);
	return NULL;
}

static void life_begin(struct life *life)
{
	life->watch = NULL;
	ck_assert_int_eq(ipc_open(&life->ipc, NULL), 0);
	ck_assert_int_eq(server_object_new(life->ipc, &server_handlers, NULL, NULL, &life->object),
			 0);
	ck_assert_int_eq(pthread_create(&life->server, NULL, run_life, life->ipc), 0);
}

static unsigned int chance(struct life *life, unsigned int n)
{
	return (unsigned int)rand_r(&life->seed) % n;
}

/* With all names and watches that there are. */
static void life_end(struct life *life)
{
	ipc_stop(life->ipc);
	pthread_join(life->server, NULL);
	ipc_object_unref(life->object);
	/* A detached slot ends with the connection. */
	if (chance(life, 2))
		life->watch = ipc_slot_detach(life->watch);
	else
		life->watch = ipc_slot_end(life->watch);
	ipc_unref(life->ipc);
}

static void act_register(struct life *life)
{
	expect_may("register", ipc_register_name(life->ipc, life->name, life->object,
			/* ret_slot= */ NULL));
}

static void act_register_idle_exit(struct life *life)
{
	expect_may("register idle exit",
		   ipc_register_name_with(life->ipc, life->name, life->object, IPC_NAME_IDLE_EXIT,
					  /* ret_slot= */ NULL));
}

static void act_unregister(struct life *life)
{
	expect_may("remove", ipc_unregister_name(life->ipc, life->name));
}

/* Its process may close before it replies. */
static void act_call(struct life *life)
{
	E2e__SayRequest request = E2E__SAY_REQUEST__INIT;
	struct ipc_proxy *proxy;
	struct server *server;
	int r = ipc_proxy_wait(life->ipc, life->name, NULL, 1 + chance(life, 5000), &proxy);

	expect_may("wait", r);
	if (r < 0)
		return;
	server = server_from_proxy(proxy);
	request.text = "x";
	r = server_say(server, &request, NULL, NULL);
	expect_may("call", r);
	atomic_fetch_add(&calls, r == 0);
	server_unref(server);
}

static void act_watch(struct life *life)
{
	if (!life->watch) {
		ck_assert_int_eq(ipc_watch_names(life->ipc, "h.*", on_change, NULL, &life->watch), 0);
		return;
	}
	ipc_slot_end(life->watch);
	life->watch = NULL;
}

static void act_pause(struct life *life)
{
	(void)life;
	usleep(500);
}

static void (*const acts[])(struct life *life) = {
	act_register, act_register, act_register_idle_exit, act_unregister,
	act_call,     act_call,	    act_watch,		    act_pause,
};

static void *live(void *data)
{
	struct life life = { .seed = (unsigned int)(uintptr_t)data };

	while (!atomic_load(&stop_living)) {
		life_begin(&life);
		for (unsigned int n = 5 + chance(&life, 30); n; n--) {
			snprintf(life.name, sizeof(life.name), "h.%u", chance(&life, NAMES));
			acts[chance(&life, sizeof(acts) / sizeof(acts[0]))](&life);
		}
		life_end(&life);
		atomic_fetch_add(&lives, 1);
	}
	return NULL;
}

/* Whether each name exists, according to the watch of all names. */
static atomic_bool known[NAMES];

static void note_change(struct ipc *ipc, enum ipc_name_change change,
			const struct ipc_name_info *info, struct ipc_proxy *proxy, void *userdata)
{
	(void)ipc, (void)proxy, (void)userdata;
	if (change != IPC_NAME_SETTLED)
		atomic_store(&known[atoi(info->name + 2)], change == IPC_NAME_PRESENT);
}

/* Returns whether only this name is known, or with -1 no name. */
static bool knows(int name)
{
	for (int i = 0; i < NAMES; i++)
		if (atomic_load(&known[i]) != (i == name))
			return false;
	return true;
}

static void await_known(int name)
{
	while (!knows(name))
		sleep_ms(2);
}

START_TEST(while_connections_come_and_go)
{
	struct life watcher = { 0 }, last = { 0 };
	pthread_t threads[LIVES];
	pid_t pid = start_manager();

	life_begin(&watcher);
	ck_assert_int_eq(ipc_watch_names(watcher.ipc, "h.*", note_change, NULL, NULL), 0);
	for (uintptr_t i = 0; i < LIVES; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, live, (void *)(i + 1)), 0);
	for (int i = 0; i < RESTARTS; i++) {
		sleep_ms(300);
		stop_manager(pid);
		sleep_ms(2);
		pid = start_manager();
	}
	atomic_store(&stop_living, true);
	for (int i = 0; i < LIVES; i++)
		pthread_join(threads[i], NULL);
	await_known(-1);
	life_begin(&last);
	ck_assert_int_eq(ipc_register_name(last.ipc, "h.3", last.object, /* ret_slot= */ NULL), 0);
	await_known(3);
	life_end(&last);
	await_known(-1);
	life_end(&watcher);
	stop_manager(pid);
	printf("# %u connections, %u calls\n", lives, calls);
	ck_assert_uint_gt(calls, 0);
}
END_TEST

int main(void)
{
	return RUN_TESTS("names", while_the_manager_comes_and_goes, while_connections_come_and_go);
}
