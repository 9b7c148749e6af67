// SPDX-License-Identifier: MIT
/*
 * Stress test: threads run random operations on a few shared procs, with ids that are often
 * valid. The test checks only that it ends, that the kernel survives, and that no object is
 * left. It is most useful on a kernel with checkers.
 *
 * IPCBUS_BRAWL_SECONDS sets the duration (default 5), IPCBUS_BRAWL_SEED the order.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fixture.h"

enum { BRAWLERS = 6, PROCS = 4 };

static struct raw ring[PROCS];
static uint64_t brawl_end;

/* Ids of nodes and calls that some thread has seen. Every thread may use them. */
static uint64_t seen_nodes[8], seen_calls[8];

static void saw(uint64_t *list, uint64_t id)
{
	__atomic_store_n(&list[id % 8], id, __ATOMIC_RELAXED);
}

static uint64_t one_seen(const uint64_t *list, uint32_t *seed)
{
	return __atomic_load_n(&list[next_random(seed) % 8], __ATOMIC_RELAXED);
}

static uint32_t some_handle(uint32_t *seed)
{
	return next_random(seed) % 8 ? next_random(seed) % 12 : next_random(seed);
}

/* Usually handles an event correctly. */
static void brawl_event(const struct raw *r, const struct ipcbus_event *ev, uint32_t *seed)
{
	for (uint32_t i = 0; i < ev->object_count; i++)
		if (raw_objects(r, ev)[i].type == IPCBUS_OBJECT_FD)
			close(raw_objects(r, ev)[i].value);
	if (ev->kind == IPCBUS_EVENT_CALL)
		saw(seen_calls, ev->call);
	if (ev->kind == IPCBUS_EVENT_CALL && next_random(seed) % 4)
		raw_send(r, &(struct ipcbus_send){ .kind = IPCBUS_SEND_REPLY, .call = ev->call },
			 NULL);
	if (ev->buffer && next_random(seed) % 8)
		raw_free(r, ev->buffer);
}

static void fill_request(struct ipcbus_send *send, struct ipcbus_object *o, uint32_t *seed)
{
	static char data[20000];

	for (size_t i = 0; i < 4; i++)
		o[i] = (struct ipcbus_object){ .type = 1 + next_random(seed) % 3,
					       .value = next_random(seed) % 12 };
	if (o[0].type == IPCBUS_OBJECT_NODE)
		o[0].value = one_seen(seen_nodes, seed);
	*send = (struct ipcbus_send){
		.kind = 1 + next_random(seed) % 4, .data = PTR64(data),
		.data_size = next_random(seed) % sizeof(data), .objects = PTR64(o),
		.object_count = next_random(seed) % 4,
	};
	if (send->kind == IPCBUS_SEND_ERROR)
		send->code = EIO;
	if (send->kind >= IPCBUS_SEND_REPLY)
		send->call = one_seen(seen_calls, seed);
	else
		send->handle = some_handle(seed);
}

static void brawl_send(const struct raw *r, uint32_t *seed)
{
	struct ipcbus_object o[4];
	struct ipcbus_exchange x = {
		.flags = IPCBUS_WAIT | IPCBUS_NONBLOCK | (next_random(seed) % 2 ? IPCBUS_SERVE : 0),
		.thread = some_handle(seed),
	};

	fill_request(&x.send, o, seed);
	if (!raw_exchange(r, &x))
		brawl_event(r, &x.event, seed);
}

static void brawl_serve(const struct raw *r, uint32_t *seed)
{
	struct ipcbus_event ev;

	if (!raw_next(r, IPCBUS_NONBLOCK | IPCBUS_SERVE, &ev))
		brawl_event(r, &ev, seed);
}

static void brawl_step(uint32_t *seed)
{
	const struct raw *r = &ring[next_random(seed) % PROCS];
	struct ipcbus_node n = { .flags = IPCBUS_NODE_ACCEPT_FDS };

	switch (next_random(seed) % 10) {
	case 0:
		if (!raw_node_ioctl(r, IPCBUS_IOC_NODE_CREATE, &n))
			saw(seen_nodes, n.node);
		break;
	case 1:
		raw_destroy(r, one_seen(seen_nodes, seed),
			    next_random(seed) % 2 ? IPCBUS_NODE_IF_IDLE : 0);
		break;
	case 2:
		raw_put(r, some_handle(seed), 1);
		break;
	case 3:
		raw_watch(r, some_handle(seed), 7);
		break;
	case 4:
		raw_unwatch(r, some_handle(seed));
		break;
	case 5:
		raw_claim(r, one_seen(seen_nodes, seed));
		break;
	case 6:
		if (next_random(seed) % 8 == 0)
			dev_ioctl(r->fd, IPCBUS_IOC_THREAD_EXIT, NULL);
		dev_poll(r->fd, 0);
		break;
	case 7:
		brawl_send(r, seed);
		break;
	default:
		brawl_serve(r, seed);
	}
}

static void *brawler(void *arg)
{
	uint32_t seed = *(uint32_t *)arg;

	while (now_ms() < brawl_end)
		for (int i = 0; i < 50; i++)
			brawl_step(&seed);
	return NULL;
}

START_TEST(brawl)
{
	struct helper h[BRAWLERS];
	uint32_t seeds[BRAWLERS];

	uint32_t seed = from_environment("IPCBUS_BRAWL_SEED", getpid()) | 1;

	fprintf(stderr, "IPCBUS_BRAWL_SEED=%u\n", seed);
	brawl_end = now_ms() + 1000ULL * from_environment("IPCBUS_BRAWL_SECONDS", 5);
	for (int i = 0; i < PROCS; i++)
		raw_open(&ring[i], 262144);
	for (uint32_t i = 0; i < BRAWLERS; i++) {
		seeds[i] = next_random(&seed);
		helper_start(&h[i], brawler, &seeds[i]);
	}
	for (int i = 0; i < BRAWLERS; i++)
		helper_end(&h[i]);
	for (int i = 0; i < PROCS; i++)
		raw_close(&ring[i]);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("brawl");
	TCase *tc = add_case(s, "all", setup_bare);

	tcase_set_timeout(tc, 100);
	tcase_add_test(tc, brawl);
	return suite_main(s);
}
