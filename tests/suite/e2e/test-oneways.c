// SPDX-License-Identifier: MIT
/*
 * Many oneways to the same objects, delivered several at a time: each object is never served by
 * two threads at once, and in each sender's order, whatever handlers do. Handlers keep oneways and
 * release them on another thread, serve recursively, sleep, and stop the loop.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <ipc/raw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

#define LANES	3
#define SENDERS	2
#define EACH	200	/* oneways per sender and lane */
#define KEPT	64

/* Methods of the manager's object. Lanes have a single oneway method. */
enum { GIVE = 1, REPORT, QUIT };
enum action { RETURN, KEEP, HOLD, SLEEP, SERVE, LEAVE };

struct oneway {
	uint32_t sender;
	uint32_t number;	/* counts from 0, per sender and lane */
	uint32_t action;
};

struct report {
	uint32_t served;
	uint32_t wrong;		/* oneways out of order, or concurrent with another */
};

/* --- The server -------------------------------------------------------------------- */

struct lane {
	struct ipc_object *object;
	atomic_bool busy;
	uint32_t next[SENDERS];
};

static struct lane lanes[LANES];
static struct ipc_object *desk;
static atomic_uint served, wrong;
static atomic_bool quitting;
static pthread_t releaser;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct ipc_call *kept[KEPT];
static struct lane *kept_lanes[KEPT];
static unsigned int n_kept;
static bool no_more;

/* Each call may be the last reference. */
static void *release_kept(void *unused)
{
	struct ipc_call *call;

	pthread_mutex_lock(&lock);
	while (n_kept || !no_more) {
		if (!n_kept) {
			pthread_cond_wait(&changed, &lock);
			continue;
		}
		call = kept[--n_kept];
		atomic_store(&kept_lanes[n_kept]->busy, false);
		pthread_mutex_unlock(&lock);
		ipc_call_unref(call);
		pthread_mutex_lock(&lock);
	}
	pthread_mutex_unlock(&lock);
	return unused;
}

static void keep(struct lane *lane, struct ipc_call *call)
{
	pthread_mutex_lock(&lock);
	kept_lanes[n_kept] = lane;
	kept[n_kept++] = ipc_call_ref(call);
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&lock);
}

/* Returns whether this handler may still use the lane. */
static bool act(struct lane *lane, struct ipc_call *call, enum action action)
{
	switch (action) {
	case KEEP:
		keep(lane, call);
		return false;
	case HOLD:
		ipc_call_unref(ipc_call_ref(call));
		break;
	case SLEEP:
		sleep_ms(6);
		break;
	case SERVE:
		ipc_process(ipc_call_ipc(call));
		break;
	case LEAVE:
		ipc_stop(ipc_call_ipc(call));
		break;
	case RETURN:
		break;
	}
	return true;
}

static int serve_lane(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	struct lane *lane = userdata;
	struct oneway oneway;

	if (request->size < sizeof(oneway))
		return -EBADMSG;
	memcpy(&oneway, request->data, sizeof(oneway));
	if (atomic_exchange(&lane->busy, true) || lane->next[oneway.sender]++ != oneway.number)
		atomic_fetch_add(&wrong, 1);
	atomic_fetch_add(&served, 1);
	if (act(lane, call, oneway.action))
		atomic_store(&lane->busy, false);
	return 0;
}

static int give(struct ipc_call *call)
{
	struct ipc_raw_entry entries[LANES];

	for (unsigned int i = 0; i < LANES; i++)
		entries[i] = (struct ipc_raw_entry){
			.type = IPC_RAW_OBJECT, .tag = i, .object = lanes[i].object,
		};
	return ipc_raw_reply(call, &(const struct ipc_raw_message){
		.entries = entries, .n_entries = LANES });
}

static int serve_desk(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	struct report report;

	(void)userdata;
	if (request->method == GIVE)
		return give(call);
	if (request->method == QUIT) {
		atomic_store(&quitting, true);
		ipc_stop(ipc_call_ipc(call));
	}
	report.wrong = atomic_load(&wrong);
	report.served = atomic_load(&served);
	return ipc_raw_reply(call, &(const struct ipc_raw_message){
		.data = &report, .size = sizeof(report) });
}

static int prepare(struct ipc *ipc)
{
	static const struct ipc_raw_ops lane_ops = { .serve = serve_lane };
	static const struct ipc_raw_ops desk_ops = { .serve = serve_desk };
	int r = 0;

	memset(lanes, 0, sizeof(lanes));
	atomic_store(&served, 0);
	atomic_store(&wrong, 0);
	atomic_store(&quitting, false);
	no_more = false;
	for (unsigned int i = 0; i < LANES && r == 0; i++)
		r = ipc_raw_object_new(ipc, &lane_ops, &lanes[i], &lanes[i].object);
	if (r == 0)
		r = ipc_raw_object_new(ipc, &desk_ops, NULL, &desk);
	return r < 0 ? r : ipc_set_manager(ipc, desk);
}

static int loop(struct ipc *ipc)
{
	int r;

	r = -pthread_create(&releaser, NULL, release_kept, NULL);
	if (r < 0)
		return r;
	while (r >= 0 && !atomic_load(&quitting))
		r = ipc_run(ipc);
	pthread_mutex_lock(&lock);
	no_more = true;
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&lock);
	pthread_join(releaser, NULL);
	for (unsigned int i = 0; i < LANES; i++)
		ipc_object_unref(lanes[i].object);
	ipc_object_unref(desk);
	return r;
}

/* --- The clients -------------------------------------------------------------------- */

struct sender {
	struct ipc *ipc;
	struct ipc_proxy *manager;
	struct ipc_proxy *lanes[LANES];
	uint32_t number;
	const enum action *actions;
	unsigned int n_actions;
};

static struct report ask(struct sender *sender, uint32_t code)
{
	const struct ipc_raw_message request = { .method = code };
	struct ipc_raw_message *reply;
	struct report report;

	ck_assert_int_eq(ipc_raw_call(sender->manager, &request, NULL, &reply, NULL), 0);
	ck_assert_uint_eq(reply->size, sizeof(report));
	memcpy(&report, reply->data, sizeof(report));
	ipc_raw_free(reply);
	return report;
}

static void open_sender(struct sender *sender)
{
	const struct ipc_raw_message request = { .method = GIVE };
	struct ipc_raw_message *reply;

	ck_assert_int_eq(ipc_open(&sender->ipc, NULL), 0);
	ck_assert_int_eq(ipc_get_manager(sender->ipc, &sender->manager), 0);
	ck_assert_int_eq(ipc_raw_call(sender->manager, &request, NULL, &reply, NULL), 0);
	ck_assert_uint_eq(reply->n_entries, LANES);
	for (unsigned int i = 0; i < LANES; i++)
		sender->lanes[i] = ipc_proxy_ref(reply->entries[i].proxy);
	ipc_raw_free(reply);
}

static void close_sender(struct sender *sender)
{
	for (unsigned int i = 0; i < LANES; i++)
		ipc_proxy_unref(sender->lanes[i]);
	ipc_proxy_unref(sender->manager);
	ipc_unref(sender->ipc);
}

static void send(struct sender *sender, struct ipc_proxy *lane, const struct oneway *oneway)
{
	const struct ipc_raw_message message = {
		.method = 1, .data = oneway, .size = sizeof(*oneway),
	};
	int r;

	while ((r = ipc_raw_oneway(lane, &message, NULL)) == -EAGAIN)
		sleep_ms(1);
	ck_assert_int_eq(r, 0);
	(void)sender;
}

static void *send_all(void *data)
{
	struct sender *sender = data;
	struct oneway oneway = { .sender = sender->number };

	for (; oneway.number < EACH; oneway.number++)
		for (unsigned int i = 0; i < LANES; i++) {
			oneway.action = sender->actions[(oneway.number + i) % sender->n_actions];
			send(sender, sender->lanes[i], &oneway);
		}
	return NULL;
}

static void check(unsigned int threads, const enum action *actions, unsigned int n_actions)
{
	const struct server_options options = {
		.threads = threads, .prepare = prepare, .loop = loop,
	};
	struct sender senders[SENDERS];
	pthread_t ids[SENDERS];
	struct report report;
	pid_t pid = start_server(&options);

	for (unsigned int i = 0; i < SENDERS; i++) {
		senders[i] = (struct sender){
			.number = i, .actions = actions, .n_actions = n_actions,
		};
		open_sender(&senders[i]);
	}
	for (unsigned int i = 0; i < SENDERS; i++)
		ck_assert_int_eq(pthread_create(&ids[i], NULL, send_all, &senders[i]), 0);
	for (unsigned int i = 0; i < SENDERS; i++)
		pthread_join(ids[i], NULL);
	do {
		sleep_ms(1);
		report = ask(&senders[0], REPORT);
	} while (report.served < LANES * SENDERS * EACH);
	report = ask(&senders[0], QUIT);
	ck_assert_uint_eq(report.served, LANES * SENDERS * EACH);
	ck_assert_uint_eq(report.wrong, 0);
	for (unsigned int i = 0; i < SENDERS; i++)
		close_sender(&senders[i]);
	ck_assert_int_eq(wait_server(pid), 0);
}

#define CHECK(threads, ...)                                                                        \
	check(threads, (const enum action[]){ __VA_ARGS__ },                                       \
	      sizeof((const enum action[]){ __VA_ARGS__ }) / sizeof(enum action))

START_TEST(single_thread_serves)
{
	CHECK(1, RETURN);
}
END_TEST

START_TEST(several_threads_serve)
{
	CHECK(4, RETURN);
}
END_TEST

START_TEST(handlers_keep_some_oneways)
{
	CHECK(1, RETURN, RETURN, HOLD, RETURN, KEEP, RETURN, RETURN);
	CHECK(4, RETURN, RETURN, HOLD, RETURN, KEEP, RETURN, RETURN);
}
END_TEST

START_TEST(handlers_serve_in_between)
{
	CHECK(1, RETURN, RETURN, RETURN, SERVE, RETURN, KEEP, RETURN);
	CHECK(4, RETURN, RETURN, RETURN, SERVE, RETURN, KEEP, RETURN);
}
END_TEST

START_TEST(handlers_take_long)
{
	static enum action actions[EACH / 4];

	for (unsigned int i = 0; i < EACH / 4; i++)
		actions[i] = i % 7 == 6 ? KEEP : RETURN;
	actions[3] = SLEEP;
	check(1, actions, EACH / 4);
	check(4, actions, EACH / 4);
}
END_TEST

START_TEST(the_loop_is_stopped_in_between)
{
	CHECK(1, RETURN, RETURN, LEAVE, RETURN, KEEP, RETURN, RETURN, RETURN, RETURN);
	CHECK(4, RETURN, RETURN, LEAVE, RETURN, KEEP, RETURN, RETURN, RETURN, RETURN);
}
END_TEST

/* With a single thread, a call waits for a handler or two, not for all earlier oneways. */
START_TEST(call_does_not_wait_for_all_oneways)
{
	static const struct server_options options = {
		.threads = 1, .prepare = prepare, .loop = loop,
	};
	static const enum action actions[] = { RETURN };
	struct sender sender = { .actions = actions, .n_actions = 1 };
	struct oneway oneway = { .action = RETURN };
	struct report report;
	pid_t pid = start_server(&options);

	open_sender(&sender);
	/* From now on the thread requests several oneways at once. */
	for (; oneway.number < 4; oneway.number++)
		send(&sender, sender.lanes[0], &oneway);
	while (ask(&sender, REPORT).served < 4)
		sleep_ms(1);
	oneway.action = SLEEP;
	for (; oneway.number < 40; oneway.number++)
		send(&sender, sender.lanes[0], &oneway);
	report = ask(&sender, REPORT);
	ck_assert_uint_lt(report.served, 4 + 12);
	while (report.served < 40)
		report = ask(&sender, REPORT);
	ck_assert_uint_eq(ask(&sender, QUIT).wrong, 0);
	close_sender(&sender);
	ck_assert_int_eq(wait_server(pid), 0);
}
END_TEST

int main(void)
{
	return RUN_TESTS("oneways", single_thread_serves, several_threads_serve,
			 handlers_keep_some_oneways, handlers_serve_in_between, handlers_take_long,
			 the_loop_is_stopped_in_between, call_does_not_wait_for_all_oneways);
}
