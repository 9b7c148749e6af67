// SPDX-License-Identifier: MIT
/*
 * kill -9 at random moments, for some seconds: a few processes serve, a few call
 * and pass things around, and the parent kills and restarts them. Whatever was
 * half done, nothing may be left, nobody may hang, and no content be wrong.
 *
 * IPCBUS_STRESS_SECONDS sets how long (default 10), IPCBUS_STRESS_SEED the order.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

enum { ACTORS = 8 };

/* What everybody sees of everybody, in shared memory. */
struct board {
	uint64_t calls;
	uint64_t replies;
	uint64_t failed;
	uint64_t wrong;
	char what[200];
};

static struct board *board;

static void complain(const char *what, int number)
{
	if (__atomic_fetch_add(&board->wrong, 1, __ATOMIC_SEQ_CST) == 0)
		snprintf(board->what, sizeof(board->what), "%s (%d)", what, number);
}

/* The manager keeps one object of each that calls, and hands out another's. */

enum { SWAP = 1, ECHO, ERROR, HOLD, FDS };

struct manager {
	uint32_t handles[16];
	unsigned int n;
	uint32_t seed;
};

static void manager_keep(struct manager *m, const struct ipcbus_event *ev)
{
	const struct ipcbus_object *o = raw_objects(&srv, ev);

	for (uint32_t i = 0; i < ev->object_count; i++) {
		uint32_t *slot = &m->handles[m->n++ % ARRAY_SIZE(m->handles)];

		if (o[i].type == IPCBUS_OBJECT_FD) {
			close(o[i].value);
			continue;
		}
		if (o[i].type != IPCBUS_OBJECT_HANDLE)
			continue;
		if (*slot)
			raw_put(&srv, *slot, 1);
		*slot = o[i].value;
	}
}

/* An object of somebody's, maybe dead, maybe the caller's own. */
static void manager_reply(struct manager *m, const struct ipcbus_event *ev)
{
	struct ipcbus_object o = object_handle(
		m->handles[next_random(&m->seed) % ARRAY_SIZE(m->handles)]);
	struct ipcbus_send send = {
		.kind = ev->code == ERROR ? IPCBUS_SEND_ERROR : IPCBUS_SEND_REPLY,
		.code = ev->code == ERROR ? EIO : 0, .call = ev->call,
		.data = PTR64(raw_payload(&srv, ev)), .data_size = ev->data_size,
	};

	if (ev->code == SWAP && o.value) {
		send.objects = PTR64(&o);
		send.object_count = 1;
	}
	if (raw_send(&srv, &send, NULL))
		raw_send(&srv, &(struct ipcbus_send){ .kind = IPCBUS_SEND_ERROR, .code = EAGAIN,
						      .call = ev->call }, NULL);
}

static int manager_main(struct peer *self, void *arg)
{
	struct manager m = { .seed = 1 + *(uint32_t *)arg };

	(void)self;
	raw_open(&srv, REGION);
	if (raw_claim(&srv, raw_node(&srv, IPCBUS_NODE_ACCEPT_FDS, 1)))
		return 0;
	while (!board->wrong) {
		struct ipcbus_event ev;
		int e = raw_next(&srv, IPCBUS_SERVE, &ev);

		if (e)
			complain("manager: wait", e);
		if (ev.object_count)
			manager_keep(&m, &ev);
		if (ev.kind == IPCBUS_EVENT_CALL)
			manager_reply(&m, &ev);
		if (ev.buffer)
			raw_free(&srv, ev.buffer);
	}
	return 1;
}

/* The others call the manager and each other, and serve what comes back. */

struct actor {
	struct raw r;
	uint64_t node;
	uint32_t friend; /* handle 0 is the manager */
	uint32_t seed;
	char data[20000];
};

static void actor_reply(struct actor *a, const struct ipcbus_event *ev)
{
	if (ev->code == HOLD && next_random(&a->seed) % 2)
		return; /* never replied to: its caller waits for somebody's death */
	raw_send(&a->r, &(struct ipcbus_send){ .kind = IPCBUS_SEND_REPLY, .call = ev->call,
					       .data = PTR64(raw_payload(&a->r, ev)),
					       .data_size = ev->data_size }, NULL);
}

static void actor_take_objects(struct actor *a, const struct ipcbus_event *ev)
{
	const struct ipcbus_object *o = raw_objects(&a->r, ev);

	for (uint32_t i = 0; i < ev->object_count; i++) {
		if (o[i].type == IPCBUS_OBJECT_FD)
			close(o[i].value);
		if (o[i].type != IPCBUS_OBJECT_HANDLE)
			continue;
		if (a->friend)
			raw_put(&a->r, a->friend, 1);
		a->friend = o[i].value;
		raw_watch(&a->r, a->friend, 7);
	}
}

/* Takes one event; true when it ends the actor's call. */
static bool actor_event(struct actor *a, const struct ipcbus_event *ev, uint32_t seed, size_t size)
{
	bool ends = false;

	switch (ev->kind) {
	case IPCBUS_EVENT_CALL:
		actor_reply(a, ev);
		break;
	case IPCBUS_EVENT_REPLY:
		if (ev->data_size != size || !pattern_is(raw_payload(&a->r, ev), size, seed))
			complain("a reply is not what was sent", ev->data_size);
		__atomic_fetch_add(&board->replies, 1, __ATOMIC_RELAXED);
		actor_take_objects(a, ev);
		ends = true;
		break;
	case IPCBUS_EVENT_FAILED:
		if (ev->error != -EOWNERDEAD)
			complain("a call failed", ev->error);
		__atomic_fetch_add(&board->failed, 1, __ATOMIC_RELAXED);
		ends = true;
		break;
	case IPCBUS_EVENT_ERROR:
		ends = true;
		break;
	default:
		break;
	}
	if (ev->buffer)
		raw_free(&a->r, ev->buffer);
	return ends;
}

static bool may_fail_with(int e)
{
	return e == -EOWNERDEAD || e == -ENOTCONN || e == -ENOSPC || e == -EAGAIN ||
	       e == -EPERM || e == -EINVAL;
}

static void actor_call(struct actor *a)
{
	uint32_t seed = next_random(&a->seed), code = SWAP + next_random(&a->seed) % 5;
	struct ipcbus_object o = code == FDS ? object_fd(2) : object_node(a->node);
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .code = code, .data = PTR64(a->data),
		.handle = next_random(&a->seed) % 3 ? a->friend : 0,
		.data_size = next_random(&a->seed) % sizeof(a->data),
		.objects = PTR64(&o), .object_count = 1,
	};
	struct ipcbus_event ev;
	int e;

	pattern_fill(a->data, send.data_size, seed);
	if (next_random(&a->seed) % 4 == 0)
		send.kind = IPCBUS_SEND_ONEWAY;
	e = raw_send(&a->r, &send, &ev);
	if (e && !may_fail_with(e))
		complain("send", e);
	if (e || send.kind == IPCBUS_SEND_ONEWAY)
		return;
	__atomic_fetch_add(&board->calls, 1, __ATOMIC_RELAXED);
	do
		e = raw_next(&a->r, 0, &ev);
	while (!e && !actor_event(a, &ev, seed, send.data_size));
	if (e)
		complain("wait for the reply", e);
}

static int actor_main(struct peer *self, void *arg)
{
	struct actor a = {};
	struct ipcbus_event ev;

	(void)self;
	a.seed = 1 + *(uint32_t *)arg;
	raw_open(&a.r, 262144);
	a.node = raw_node(&a.r, 0, 2);
	while (!board->wrong) {
		actor_call(&a);
		while (!raw_next(&a.r, IPCBUS_SERVE | IPCBUS_NONBLOCK, &ev) &&
		       ev.kind != IPCBUS_EVENT_NONE)
			actor_event(&a, &ev, 0, 0);
	}
	return 1;
}

static void start(struct peer *p, int i, uint32_t *seed)
{
	static uint32_t given;

	given = next_random(seed);
	peer_start(p, i == 0 ? manager_main : actor_main, &given);
}

START_TEST(killed_at_random)
{
	uint32_t seed = from_environment("IPCBUS_STRESS_SEED", getpid());
	uint64_t end = now_ms() + 1000ULL * from_environment("IPCBUS_STRESS_SECONDS", 10);
	struct peer p[ACTORS];
	unsigned int kills = 0;

	fprintf(stderr, "IPCBUS_STRESS_SEED=%u\n", seed);
	board = shared_memory(sizeof(*board));
	seed |= 1;
	for (int i = 0; i < ACTORS; i++)
		start(&p[i], i, &seed);
	/* A slow machine gets the time that it needs for some of each. */
	while (!board->wrong && (now_ms() < end || ((kills <= 20 || board->replies <= 50) &&
						    now_ms() < end + 60000))) {
		uint32_t i = next_random(&seed) % ACTORS;

		usleep(next_random(&seed) % 30000);
		peer_kill(&p[i]);
		start(&p[i], i, &seed);
		kills++;
	}
	for (int i = 0; i < ACTORS; i++)
		peer_kill(&p[i]);
	fprintf(stderr, "%u kills, %llu calls, %llu replied to, %llu failed by a death\n", kills,
		(unsigned long long)board->calls, (unsigned long long)board->replies,
		(unsigned long long)board->failed);
	ck_assert_msg(!board->wrong, "%s", board->what);
	ck_assert_uint_gt(board->replies, 50);
	ck_assert_uint_gt(kills, 20);
	expect_nothing_left();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("stress");
	TCase *tc = add_case(s, "kill", setup_bare);

	tcase_set_timeout(tc, 100);
	tcase_add_test(tc, killed_at_random);
	return suite_main(s);
}
