// SPDX-License-Identifier: MIT
/*
 * Whose a boost is: it belongs to one call and ends with it, wherever it was passed on;
 * nobody owns it; and whoever waits for a busy thread boosts it. test-priority has what
 * a call passes on, test-spin the servers that never return.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fixture.h"

/* A thread that does one step after the other, so that the order of things is exact. */
struct actor {
	struct helper helper;
	sem_t begin, end;
	void (*step)(struct actor *self);
	const struct raw *raw;
	uint32_t handle;
	uint32_t flags;
	int nice;
	int priority;
	uint64_t cookie;
	uint64_t deadline;
	struct ipcbus_event ev;
};

static void *act(void *arg)
{
	struct actor *self = arg;

	for (;;) {
		sem_wait(&self->begin);
		if (!self->step)
			return NULL;
		self->step(self);
		sem_post(&self->end);
	}
}

static void actor_start(struct actor *a, const struct raw *raw)
{
	*a = (struct actor){ .raw = raw };
	sem_init(&a->begin, 0, 0);
	sem_init(&a->end, 0, 0);
	helper_start(&a->helper, act, a);
}

static void begin(struct actor *a, void (*step)(struct actor *))
{
	a->step = step;
	sem_post(&a->begin);
}

static void end(struct actor *a)
{
	sem_wait(&a->end);
}

static void actor_do(struct actor *a, void (*step)(struct actor *))
{
	begin(a, step);
	end(a);
}

static void actor_end(struct actor *a)
{
	begin(a, NULL);
	helper_end(&a->helper);
	sem_destroy(&a->begin);
	sem_destroy(&a->end);
}

static void step_run_by(struct actor *self)
{
	struct sched_param param = { .sched_priority = self->priority };

	ck_assert_int_eq(setpriority(PRIO_PROCESS, 0, self->nice), 0);
	if (self->priority)
		ck_assert_int_eq(sched_setscheduler(0, SCHED_FIFO, &param), 0);
}

static void run_by(struct actor *a, int nice, int priority)
{
	a->nice = nice;
	a->priority = priority;
	actor_do(a, step_run_by);
}

static void step_call(struct actor *self)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .flags = self->flags, .handle = self->handle,
		.cookie = self->cookie, .deadline = self->deadline,
	};

	assert_ok(raw_send(self->raw, &send, NULL));
}

static void step_take(struct actor *self)
{
	raw_wait(self->raw, IPCBUS_EVENT_CALL, &self->ev);
}

static void step_reply(struct actor *self)
{
	raw_reply(self->raw, self->ev.call, NULL, 0);
}

static void step_await(struct actor *self)
{
	struct ipcbus_exchange x = { .flags = IPCBUS_WAIT };

	assert_ok(raw_exchange(self->raw, &x));
	self->ev = x.event;
}

/* Its own call. */
static void step_cancel(struct actor *self)
{
	assert_ok(raw_cancel(self->raw, self->cookie));
	step_await(self);
	ck_assert_int_eq(self->ev.kind, IPCBUS_EVENT_FAILED);
}

static void step_see_canceled(struct actor *self)
{
	struct ipcbus_event ev;

	raw_take(self->raw, IPCBUS_EVENT_CANCELED, &ev);
}

static void step_leave(struct actor *self)
{
	assert_ok(dev_ioctl(self->raw->fd, IPCBUS_IOC_THREAD_EXIT, NULL));
}

static int nice_of(const struct actor *a)
{
	errno = 0;
	return getpriority(PRIO_PROCESS, a->helper.tid);
}

static bool is_realtime(const struct actor *a)
{
	return sched_getscheduler(a->helper.tid) & SCHED_FIFO;
}

/* Until a thread that is not this one has that nice value. */
static void expect_nice(const struct actor *a, int nice)
{
	uint64_t until = now_ms() + 2000;

	while (nice_of(a) != nice && now_ms() < until)
		usleep(1000);
	ck_assert_int_eq(nice_of(a), nice);
}

/* client calls server's srv by handle 0, and server has taken it. */
static void call_and_take(struct actor *client, struct actor *server)
{
	actor_do(client, step_call);
	actor_do(server, step_take);
}

/* --- What a task owns ------------------------------------------------------------ */

static void step_create(struct actor *self)
{
	struct ipcbus_node n = {
		.flags = IPCBUS_NODE_PRIORITY, .policy = SCHED_FIFO, .priority = 1,
	};

	ck_assert_int_eq(setresuid(-1, 1000, -1), 0);
	assert_result(raw_node_ioctl(self->raw, IPCBUS_IOC_NODE_CREATE, &n), -EPERM);
	n.policy = SCHED_OTHER;
	n.priority = -1;
	assert_result(raw_node_ioctl(self->raw, IPCBUS_IOC_NODE_CREATE, &n), -EPERM);
	ck_assert_int_eq(setresuid(-1, 0, -1), 0);
}

START_TEST(inherited_priority_allows_nothing)
{
	struct actor client, server;

	actor_start(&client, &cli);
	actor_start(&server, &srv);
	run_by(&client, -5, _i ? 50 : 0);
	call_and_take(&client, &server);
	ck_assert(_i ? is_realtime(&server) : nice_of(&server) == -5);
	actor_do(&server, step_create);
	/* The same by a file by which it serves nobody. */
	server.raw = &oth;
	actor_do(&server, step_create);
	server.raw = &srv;
	actor_do(&server, step_reply);
	actor_end(&client);
	actor_end(&server);
}
END_TEST

/* A thread that serves by two files has one priority of its own. */
/* What an owner runs by, it may ask for, though no rlimit permits it. */
static int create_as_realtime_user(struct peer *self, void *arg)
{
	struct ipcbus_node n = {
		.flags = IPCBUS_NODE_PRIORITY, .policy = SCHED_RR, .priority = 2,
	};
	struct raw r;

	(void)self, (void)arg;
	raw_open(&r, 0);
	if (sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){ 2 }) < 0)
		return 97;
	if (setrlimit(RLIMIT_RTPRIO, &(struct rlimit){ 0, 0 }) < 0)
		return 99;
	if (setresuid(1000, 1000, 1000) < 0)
		return 98;
	if (raw_node_ioctl(&r, IPCBUS_IOC_NODE_CREATE, &n))
		return 1;
	n.node = 0;
	n.priority = 3;
	if (raw_node_ioctl(&r, IPCBUS_IOC_NODE_CREATE, &n) != -EPERM)
		return 2;
	raw_close(&r);
	return 0;
}

START_TEST(own_priority_allows_itself)
{
	struct peer p;

	peer_start(&p, create_as_realtime_user, NULL);
	peer_end(&p);
}
END_TEST

START_TEST(two_files_have_one_owner)
{
	struct actor client, other, server;
	uint64_t first;

	actor_start(&client, &cli);
	actor_start(&other, &cli);
	actor_start(&server, &srv);
	run_by(&client, -5, 0);
	run_by(&other, -9, 0);
	other.handle = give_handle(&cli, &oth, raw_node(&oth, 0, 1));
	call_and_take(&client, &server);
	first = server.ev.call;
	server.raw = &oth;
	call_and_take(&other, &server);
	ck_assert_int_eq(nice_of(&server), -9);
	/* The first one ends, then the second. */
	if (_i) {
		raw_reply(&srv, first, NULL, 0);
		ck_assert_int_eq(nice_of(&server), -9);
		actor_do(&server, step_reply);
	} else {
		actor_do(&server, step_reply);
		ck_assert_int_eq(nice_of(&server), -5);
		raw_reply(&srv, first, NULL, 0);
	}
	ck_assert_int_eq(nice_of(&server), 0);
	actor_end(&client);
	actor_end(&other);
	actor_end(&server);
}
END_TEST

#define BOOSTING 16

static struct raw further[BOOSTING];

static void step_use_further(struct actor *self)
{
	(void)self;
	for (size_t i = 0; i < BOOSTING; i++) {
		raw_open(&further[i], 65536);
		raw_none(&further[i]);
	}
}

/* What it began to use later does not hide the file by which it is boosted. */
START_TEST(further_files_hide_no_boost)
{
	struct actor client, server;

	actor_start(&client, &cli);
	actor_start(&server, &srv);
	run_by(&client, -5, 0);
	call_and_take(&client, &server);
	actor_do(&server, step_use_further);
	ck_assert_int_eq(nice_of(&server), -5);
	raw_reply(&srv, server.ev.call, NULL, 0);
	ck_assert_int_eq(nice_of(&server), 0);
	for (size_t i = 0; i < BOOSTING; i++)
		raw_close(&further[i]);
	actor_end(&client);
	actor_end(&server);
}
END_TEST

/* Whoever calls a server does not pay for how many files that uses. */
START_TEST(few_files_boost)
{
	struct actor client, server;

	actor_start(&client, &cli);
	actor_start(&server, &srv);
	run_by(&client, -5, 0);
	call_and_take(&client, &server);
	ck_assert_int_eq(nice_of(&server), -5);
	actor_do(&server, step_reply);
	ck_assert_int_eq(nice_of(&server), 0);

	actor_do(&server, step_use_further);
	call_and_take(&client, &server);
	ck_assert_int_eq(nice_of(&server), 0);
	actor_do(&server, step_reply);

	raw_close(&further[0]);
	call_and_take(&client, &server);
	ck_assert_int_eq(nice_of(&server), -5);
	actor_do(&server, step_reply);
	ck_assert_int_eq(nice_of(&server), 0);
	for (size_t i = 1; i < BOOSTING; i++)
		raw_close(&further[i]);
	actor_end(&client);
	actor_end(&server);
}
END_TEST

/* --- Where it was passed on --------------------------------------------------------- */

static void end_by_reply(struct actor *client, struct actor *server)
{
	(void)client;
	actor_do(server, step_reply);
}

static void end_by_error(struct actor *client, struct actor *server)
{
	(void)client;
	raw_error(&srv, server->ev.call, EIO, NULL, 0);
}

static void end_by_cancel(struct actor *client, struct actor *server)
{
	(void)client, (void)server;
	assert_ok(raw_cancel(&cli, 5));
}

static void end_by_exit(struct actor *client, struct actor *server)
{
	(void)server;
	actor_do(client, step_leave);
}

static void end_by_deadline(struct actor *client, struct actor *server)
{
	(void)server;
	actor_do(client, step_await);
	ck_assert_int_eq(client->ev.error, -ETIMEDOUT);
}

static void end_by_death(struct actor *client, struct actor *server)
{
	(void)client, (void)server;
	raw_close(&cli);
}

static void (*const ends[])(struct actor *client, struct actor *server) = {
	end_by_reply, end_by_error, end_by_cancel, end_by_exit, end_by_deadline, end_by_death,
};

/* client at nice -5 calls server, which calls accomplice asynchronously. */
static void pass_on(struct actor *client, struct actor *server, struct actor *accomplice,
		    bool timed)
{
	actor_start(client, &cli);
	actor_start(server, &srv);
	actor_start(accomplice, &oth);
	server->handle = give_handle(&srv, &oth, raw_node(&oth, 0, 1));
	run_by(client, -5, 0);
	client->cookie = 5;
	client->deadline = timed ? deadline_in(300) : 0;
	call_and_take(client, server);
	server->flags = IPCBUS_SEND_ASYNC;
	call_and_take(server, accomplice);
	ck_assert_int_eq(nice_of(accomplice), -5);
}

static void end_all(struct actor *client, struct actor *server, struct actor *accomplice)
{
	actor_end(client);
	actor_end(server);
	actor_end(accomplice);
}

START_TEST(async_call_keeps_no_boost)
{
	struct actor client, server, accomplice;

	pass_on(&client, &server, &accomplice, ends[_i] == end_by_deadline);
	ends[_i](&client, &server);
	expect_nice(&accomplice, 0);
	expect_nice(&server, 0);
	end_all(&client, &server, &accomplice);
}
END_TEST

/* It waited in a queue when the call ended from which it had its priority. */
START_TEST(queued_call_keeps_no_boost)
{
	struct actor client, server, accomplice;

	pass_on(&client, &server, &accomplice, false);
	actor_do(&server, step_call);
	actor_do(&server, step_reply);
	actor_do(&accomplice, step_reply);
	actor_do(&accomplice, step_take);
	ck_assert_int_eq(nice_of(&accomplice), 0);
	end_all(&client, &server, &accomplice);
}
END_TEST

static void step_oneway(struct actor *self)
{
	struct ipcbus_send send = { .kind = IPCBUS_SEND_ONEWAY, .handle = self->handle };

	assert_ok(raw_send(self->raw, &send, NULL));
}

static void step_take_first(struct actor *self)
{
	struct ipcbus_exchange x = { .flags = IPCBUS_WAIT | IPCBUS_SERVE };

	assert_ok(raw_exchange(self->raw, &x));
	self->ev = x.event;
}

/* It has no caller, so the boost would have no end. */
START_TEST(oneway_has_no_boost)
{
	struct actor client, server, accomplice;

	actor_start(&client, &cli);
	actor_start(&server, &srv);
	actor_start(&accomplice, &oth);
	server.handle = give_handle(&srv, &oth, raw_node(&oth, 0, 1));
	run_by(&client, -5, 0);
	call_and_take(&client, &server);
	actor_do(&server, step_oneway);
	actor_do(&server, step_reply);
	run_by(&server, -2, 0);
	server.flags = IPCBUS_SEND_ASYNC;
	actor_do(&server, step_call);
	actor_do(&accomplice, step_take_first);
	ck_assert_int_eq(accomplice.ev.kind, IPCBUS_EVENT_CALL);
	end_all(&client, &server, &accomplice);
}
END_TEST

/* accomplice calls back asynchronously: srv's main thread inherits from client, too. */
START_TEST(passed_on_twice)
{
	struct actor client, server, accomplice, third;

	pass_on(&client, &server, &accomplice, false);
	actor_start(&third, &srv);
	accomplice.flags = IPCBUS_SEND_ASYNC;
	call_and_take(&accomplice, &third);
	ck_assert_int_eq(nice_of(&third), -5);
	/* The call between them does not matter. */
	actor_do(&accomplice, step_reply);
	ck_assert_int_eq(nice_of(&accomplice), 0);
	ck_assert_int_eq(nice_of(&third), -5);
	actor_do(&server, step_reply);
	ck_assert_int_eq(nice_of(&third), 0);
	actor_do(&third, step_reply);
	actor_end(&third);
	end_all(&client, &server, &accomplice);
}
END_TEST

/* Another thread replies while the one that serves waits for a call of its own. */
START_TEST(nested_call_keeps_no_boost)
{
	struct actor client, server, inner;

	actor_start(&client, &cli);
	actor_start(&server, &srv);
	actor_start(&inner, &oth);
	run_by(&client, -5, 0);
	call_and_take(&client, &server);
	server.handle = give_handle(&srv, &oth, raw_node(&oth, 0, 1));
	call_and_take(&server, &inner);
	ck_assert_int_eq(nice_of(&inner), -5);
	raw_reply(&srv, server.ev.call, NULL, 0);
	ck_assert_int_eq(nice_of(&server), 0);
	ck_assert_int_eq(nice_of(&inner), 0);
	end_all(&client, &server, &inner);
}
END_TEST

/* What a server owns itself it may pass on for as long as it likes. */
START_TEST(own_priority_is_passed_on)
{
	struct actor client, server, accomplice;

	actor_start(&client, &cli);
	actor_start(&server, &srv);
	actor_start(&accomplice, &oth);
	server.handle = give_handle(&srv, &oth, raw_node(&oth, 0, 1));
	run_by(&client, -5, 0);
	run_by(&server, -2, 0);
	call_and_take(&client, &server);
	server.flags = IPCBUS_SEND_ASYNC;
	call_and_take(&server, &accomplice);
	actor_do(&server, step_reply);
	ck_assert_int_eq(nice_of(&accomplice), -2);
	actor_do(&accomplice, step_reply);
	ck_assert_int_eq(nice_of(&accomplice), 0);
	end_all(&client, &server, &accomplice);
}
END_TEST

START_TEST(passed_on_to_a_few)
{
	struct actor client, server, accomplice;
	int boosted = 1;

	pass_on(&client, &server, &accomplice, false);
	for (int i = 0; i < 80; i++)
		actor_do(&server, step_call);
	for (int i = 0; i < 80; i++) {
		actor_do(&accomplice, step_take);
		boosted += nice_of(&accomplice) == -5;
	}
	ck_assert_int_eq(boosted, 64);
	actor_do(&server, step_reply);
	ck_assert_int_eq(nice_of(&accomplice), 0);
	end_all(&client, &server, &accomplice);
}
END_TEST

/* Their server keeps those that were canceled; the end of the first call must stay bounded work. */
START_TEST(passed_on_to_a_few_that_were_canceled)
{
	struct actor client, server, inner;
	int boosted = 0;

	actor_start(&client, &cli);
	actor_start(&server, &srv);
	actor_start(&inner, &oth);
	run_by(&client, -5, 0);
	call_and_take(&client, &server);
	server.handle = give_handle(&srv, &oth, raw_node(&oth, 0, 1));
	server.cookie = 9;
	for (int i = 0; i < 140; i++) {
		call_and_take(&server, &inner);
		boosted += nice_of(&inner) == -5;
		actor_do(&server, step_cancel);
		actor_do(&inner, step_see_canceled);
		ck_assert_int_eq(nice_of(&inner), 0);
	}
	ck_assert_int_eq(boosted, 128);
	end_all(&client, &server, &inner);
}
END_TEST

/* --- Who waits for a busy thread ------------------------------------------------------ */

/* server serves a call of nice 19, and waiter's is queued behind it. */
static void queue_behind(struct actor *slow, struct actor *server, struct actor *waiter)
{
	actor_start(slow, &cli);
	actor_start(server, &srv);
	actor_start(waiter, &oth);
	run_by(slow, 19, 0);
	call_and_take(slow, server);
	ck_assert_int_eq(nice_of(server), 19);
	waiter->cookie = 6;
	actor_do(waiter, step_call);
}

START_TEST(waiting_caller_boosts)
{
	struct actor slow, server, waiter;

	queue_behind(&slow, &server, &waiter);
	ck_assert_int_eq(nice_of(&server), 0);
	actor_do(&server, step_reply);
	actor_do(&server, step_take);
	ck_assert_int_eq(nice_of(&server), 0);
	actor_do(&server, step_reply);
	ck_assert_int_eq(nice_of(&server), 0);
	end_all(&slow, &server, &waiter);
}
END_TEST

START_TEST(waiting_caller_boosts_a_thread_of_its_own_priority)
{
	struct actor slow, server, waiter;

	actor_start(&slow, &cli);
	actor_start(&server, &srv);
	actor_start(&waiter, &oth);
	call_and_take(&slow, &server);
	run_by(&waiter, 0, 30);
	actor_do(&waiter, step_call);
	ck_assert(is_realtime(&server));
	actor_do(&server, step_reply);
	actor_do(&server, step_take);
	ck_assert(is_realtime(&server));
	actor_do(&server, step_reply);
	ck_assert(!is_realtime(&server));
	end_all(&slow, &server, &waiter);
}
END_TEST

START_TEST(worse_one_that_waits_changes_nothing)
{
	struct actor slow, server, waiter;

	actor_start(&slow, &cli);
	actor_start(&server, &srv);
	actor_start(&waiter, &oth);
	run_by(&slow, 3, 0);
	run_by(&waiter, 5, 0);
	call_and_take(&slow, &server);
	actor_do(&waiter, step_call);
	ck_assert_int_eq(nice_of(&server), 3);
	actor_do(&server, step_reply);
	ck_assert_int_eq(nice_of(&server), 0);
	end_all(&slow, &server, &waiter);
}
END_TEST

static void stop_by_another(struct actor *waiter)
{
	struct ipcbus_event ev;

	(void)waiter;
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_reply(&srv, ev.call, NULL, 0);
}

static void stop_by_cancel(struct actor *waiter)
{
	(void)waiter;
	assert_ok(raw_cancel(&oth, 6));
}

static void stop_by_exit(struct actor *waiter)
{
	actor_do(waiter, step_leave);
}

static void stop_by_destroy(struct actor *waiter)
{
	(void)waiter;
	assert_ok(raw_destroy(&srv, srv_node, 0));
}

static void (*const stops[])(struct actor *waiter) = {
	stop_by_another, stop_by_cancel, stop_by_exit, stop_by_destroy,
};

START_TEST(waiting_caller_boosts_while_it_waits)
{
	struct actor slow, server, waiter;

	queue_behind(&slow, &server, &waiter);
	ck_assert_int_eq(nice_of(&server), 0);
	stops[_i](&waiter);
	ck_assert_int_eq(nice_of(&server), 19);
	actor_do(&server, step_reply);
	ck_assert_int_eq(nice_of(&server), 0);
	end_all(&slow, &server, &waiter);
}
END_TEST

/* --- The worker that ends boosts ---------------------------------------------------- */

/* The state of the kernel's thread of that name, as in /proc/PID/stat; 0: there is none. */
static char state_of_kernel_thread(const char *name)
{
	char path[300], text[512], wanted[64], state = 0;
	struct dirent *entry;
	DIR *folder = opendir("/proc");
	const char *at;

	ck_assert_ptr_nonnull(folder);
	snprintf(wanted, sizeof(wanted), " (%s) ", name);
	while (!state && (entry = readdir(folder))) {
		snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		if (dev_read_text(path, text, sizeof(text)))
			continue;
		at = strstr(text, wanted);
		/* Its parent is kthreadd. */
		if (at && !strncmp(at + strlen(wanted) + 1, " 2 ", 3))
			state = at[strlen(wanted)];
	}
	closedir(folder);
	return state;
}

/* A thread that was never started waits uninterruptibly, of which the kernel complains. */
START_TEST(worker_waits_for_work)
{
	char state = state_of_kernel_thread("ipcbus");

	if (!state) {
		case_skip("the driver is not in the kernel here");
		return;
	}
	ck_assert_msg(state == 'S' || state == 'R' || state == 'I', "%c", state);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("boost");
	TCase *tc = add_case(s, "owned", setup_bus);

	if (geteuid()) {
		fprintf(stderr, "needs root\n");
		return 77;
	}
	tcase_add_loop_test(tc, inherited_priority_allows_nothing, 0, 2);
	tcase_add_test(tc, own_priority_allows_itself);
	tcase_add_loop_test(tc, two_files_have_one_owner, 0, 2);
	tcase_add_test(tc, further_files_hide_no_boost);
	tcase_add_test(tc, few_files_boost);

	tc = add_case(s, "passed on", setup_bus);
	tcase_add_loop_test(tc, async_call_keeps_no_boost, 0, ARRAY_SIZE(ends));
	tcase_add_test(tc, queued_call_keeps_no_boost);
	tcase_add_test(tc, oneway_has_no_boost);
	tcase_add_test(tc, passed_on_twice);
	tcase_add_test(tc, nested_call_keeps_no_boost);
	tcase_add_test(tc, own_priority_is_passed_on);
	tcase_add_test(tc, passed_on_to_a_few);
	tcase_add_test(tc, passed_on_to_a_few_that_were_canceled);

	tc = add_case(s, "waiting", setup_bus);
	tcase_add_test(tc, waiting_caller_boosts);
	tcase_add_test(tc, waiting_caller_boosts_a_thread_of_its_own_priority);
	tcase_add_test(tc, worse_one_that_waits_changes_nothing);
	tcase_add_loop_test(tc, waiting_caller_boosts_while_it_waits, 0, ARRAY_SIZE(stops));

	tc = add_case(s, "worker", setup_bus);
	tcase_add_test(tc, worker_waits_for_work);
	return suite_main(s);
}
