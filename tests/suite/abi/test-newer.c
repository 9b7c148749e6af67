// SPDX-License-Identifier: MIT
/*
 * A program that was built with structures that are longer than the driver knows: it runs as long
 * as the rest is zero, and else gets an error.
 *
 * It plays both sides of each conversation in one thread, and knows the driver
 * by the contract alone.
 */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ipcbus.h"

/* Bytes behind each structure. */
#define LATER 64
#define REGION (1U << 16)
#define COOKIE 0xc00c1eULL
#define PTR64(p) ((uint64_t)(uintptr_t)(p))

/* A structure, and what a later version of it has behind. */
#define AS(name)                        \
	struct {                        \
		struct name as;         \
		uint8_t later[LATER];   \
	}

struct proc {
	int fd;
	const uint8_t *map;
};

static struct proc server, client;
static __u64 server_node;

static int control(const struct proc *p, unsigned int cmd, void *arg)
{
	return ioctl(p->fd, cmd, arg) < 0 ? -errno : 0;
}

static void open_proc(struct proc *p)
{
	p->fd = open("/dev/ipcbus", O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(p->fd, 0);
	p->map = mmap(NULL, REGION, PROT_READ, MAP_SHARED, p->fd, 0);
	ck_assert_ptr_ne(p->map, MAP_FAILED);
}

static int node_ioctl(const struct proc *p, unsigned int cmd, uint32_t flags, __u64 *node,
		      uint64_t cookie)
{
	AS(ipcbus_node) n = { .as = { .size = sizeof(n), .flags = flags, .node = *node,
				      .cookie = cookie } };
	int r = control(p, cmd, &n);

	*node = n.as.node;
	return r;
}

static int handle_ioctl(const struct proc *p, unsigned int cmd, uint64_t handle, uint32_t count,
			uint64_t cookie)
{
	AS(ipcbus_handle) h = { .as = { .size = sizeof(h), .handle = (uint32_t)handle,
					.count = count, .cookie = cookie } };

	return control(p, cmd, &h);
}

static void setup(void)
{
	open_proc(&server);
	open_proc(&client);
	server_node = 0;
	ck_assert_int_eq(node_ioctl(&server, IPCBUS_IOC_NODE_CREATE, IPCBUS_NODE_ACCEPT_FDS,
				    &server_node, COOKIE), 0);
	ck_assert_int_eq(node_ioctl(&server, IPCBUS_IOC_SET_MANAGER, 0, &server_node, 0), 0);
}

static void all_zero(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		ck_assert_uint_eq(bytes[i], 0);
}

/* Send what there is and take what is there. */
static int exchange(const struct proc *p, const struct ipcbus_send *send, uint64_t give,
		    struct ipcbus_event *ret_event)
{
	AS(ipcbus_exchange) x = {
		.as = { .size = sizeof(x), .release = give, .release_count = !!give },
	};
	int r;

	if (send)
		x.as.send = *send;
	if (ret_event)
		x.as.flags = IPCBUS_WAIT | IPCBUS_SERVE | IPCBUS_NONBLOCK;
	r = control(p, IPCBUS_IOC_EXCHANGE, &x);
	all_zero(x.later, LATER);
	if (ret_event)
		*ret_event = x.as.event;
	return r;
}

static void must_send(const struct proc *p, const struct ipcbus_send *send)
{
	ck_assert_int_eq(exchange(p, send, 0, NULL), 0);
}

static struct ipcbus_event must_take(const struct proc *p, uint32_t kind)
{
	struct ipcbus_event ev;

	ck_assert_int_eq(exchange(p, NULL, 0, &ev), 0);
	ck_assert_uint_eq(ev.kind, kind);
	return ev;
}

static void give(const struct proc *p, const struct ipcbus_event *ev)
{
	ck_assert_int_eq(exchange(p, NULL, ev->buffer, NULL), 0);
}

/* A message of this text, which may lie anywhere. */
static struct ipcbus_send message(uint32_t kind, const char *text)
{
	return (struct ipcbus_send){ .kind = kind, .data = PTR64(text), .data_size = strlen(text) };
}

static void says(const struct proc *p, const struct ipcbus_event *ev, const char *text)
{
	ck_assert_uint_eq(ev->data_size, strlen(text));
	ck_assert_int_eq(memcmp(p->map + ev->offset, text, strlen(text)), 0);
}

/* The client calls @handle, the server takes it; the text is @text. */
static struct ipcbus_event must_call(uint64_t handle, const char *text)
{
	struct ipcbus_send send = message(IPCBUS_SEND_CALL, text);
	struct ipcbus_event ev;

	send.handle = (uint32_t)handle;
	send.code = 7;
	must_send(&client, &send);
	ev = must_take(&server, IPCBUS_EVENT_CALL);
	ck_assert_uint_eq(ev.code, 7);
	says(&server, &ev, text);
	return ev;
}

static struct ipcbus_event must_reply(const struct ipcbus_event *call, const char *text)
{
	struct ipcbus_send send = message(IPCBUS_SEND_REPLY, text);
	struct ipcbus_event ev;

	send.call = call->call;
	must_send(&server, &send);
	give(&server, call);
	ev = must_take(&client, IPCBUS_EVENT_REPLY);
	says(&client, &ev, text);
	return ev;
}

START_TEST(the_driver_says_what_it_is)
{
	AS(ipcbus_info) info = { .as = { .size = sizeof(info) } };

	ck_assert_int_eq(control(&client, IPCBUS_IOC_INFO, &info), 0);
	ck_assert_uint_eq(info.as.version, 1);
	ck_assert_uint_eq(info.as.region_size, REGION);
	ck_assert_uint_gt(info.as.max_nodes, 0);
	ck_assert_uint_gt(info.as.max_handles, 0);
	ck_assert_uint_gt(info.as.max_buffers, 0);
	ck_assert_uint_gt(info.as.max_threads, 0);
	/* What a later one has there, this driver does not know. */
	all_zero(info.later, LATER);
}
END_TEST

START_TEST(a_call_gets_its_reply)
{
	struct ipcbus_event call = must_call(0, "ping"), reply;

	ck_assert_uint_eq(call.cookie, COOKIE);
	ck_assert_uint_eq(call.pid, (uint32_t)getpid());
	ck_assert_uint_eq(call.uid, (uint32_t)geteuid());
	reply = must_reply(&call, "pong");
	give(&client, &reply);
}
END_TEST

START_TEST(a_call_fails)
{
	struct ipcbus_event call = must_call(0, "ping"), end;
	struct ipcbus_send error = message(IPCBUS_SEND_ERROR, "why");

	error.call = call.call;
	error.code = EDOM;
	must_send(&server, &error);
	end = must_take(&client, IPCBUS_EVENT_ERROR);
	ck_assert_int_eq(end.error, -EDOM);
	says(&client, &end, "why");

	error = message(IPCBUS_SEND_CALL, "nobody");
	error.handle = 4711;
	ck_assert_int_eq(exchange(&client, &error, 0, &end), -EBADF);
	ck_assert_uint_eq(end.kind, IPCBUS_EVENT_FAILED);
	ck_assert_uint_eq(end.stage, IPCBUS_STAGE_TARGET);
}
END_TEST

START_TEST(oneways_arrive_in_order)
{
	static const char *const texts[] = { "one", "two", "three" };
	struct ipcbus_iovec parts[2] = { { PTR64("par"), 3 }, { PTR64("ts"), 2 } };
	struct ipcbus_send sends[4];
	AS(ipcbus_batch) batch = { .as = { .size = sizeof(batch), .count = 4,
					   .sends = PTR64(sends) } };
	struct ipcbus_event ev;

	for (int i = 0; i < 3; i++)
		sends[i] = message(IPCBUS_SEND_ONEWAY, texts[i]);
	sends[3] = (struct ipcbus_send){ .kind = IPCBUS_SEND_ONEWAY, .flags = IPCBUS_SEND_IOV,
					 .data = PTR64(parts), .iov_count = 2, .data_size = 5 };
	ck_assert_int_eq(control(&client, IPCBUS_IOC_SEND_BATCH, &batch), 0);
	ck_assert_uint_eq(batch.as.done, 4);
	for (int i = 0; i < 4; i++) {
		ev = must_take(&server, IPCBUS_EVENT_ONEWAY);
		says(&server, &ev, i < 3 ? texts[i] : "parts");
		give(&server, &ev);
	}
	must_take(&server, IPCBUS_EVENT_NONE);
}
END_TEST

/* A node of the server's goes to the client in a reply and is called there. */
START_TEST(an_object_goes_round)
{
	struct ipcbus_object object = { .type = IPCBUS_OBJECT_NODE, .tag = 5 };
	struct ipcbus_event call = must_call(0, "give"), reply;
	struct ipcbus_send send = message(IPCBUS_SEND_REPLY, "take");

	ck_assert_int_eq(node_ioctl(&server, IPCBUS_IOC_NODE_CREATE, 0, &object.value, 99), 0);
	send.call = call.call;
	send.objects = PTR64(&object);
	send.object_count = 1;
	must_send(&server, &send);
	reply = must_take(&client, IPCBUS_EVENT_REPLY);
	ck_assert_uint_eq(reply.object_count, 1);
	memcpy(&object, client.map + reply.objects, sizeof(object));
	ck_assert_uint_eq(object.type, IPCBUS_OBJECT_HANDLE);
	ck_assert_uint_eq(object.tag, 5);
	give(&server, &call);
	give(&client, &reply);

	call = must_call(object.value, "hello");
	ck_assert_uint_eq(call.cookie, 99);
	reply = must_reply(&call, "there");
	give(&client, &reply);
	ck_assert_int_eq(handle_ioctl(&client, IPCBUS_IOC_HANDLE_PUT, object.value, 1, 0), 0);
	ck_assert_uint_eq(must_take(&server, IPCBUS_EVENT_IDLE).cookie, 99);
}
END_TEST

START_TEST(an_fd_goes_along)
{
	struct ipcbus_object object = { .type = IPCBUS_OBJECT_FD };
	struct ipcbus_send send = message(IPCBUS_SEND_ONEWAY, "fd");
	struct ipcbus_event ev;
	int ends[2];
	char got = 0;

	ck_assert_int_eq(pipe(ends), 0);
	object.value = (uint64_t)ends[1];
	send.objects = PTR64(&object);
	send.object_count = 1;
	must_send(&client, &send);
	ev = must_take(&server, IPCBUS_EVENT_ONEWAY);
	memcpy(&object, server.map + ev.objects, sizeof(object));
	ck_assert_uint_eq(object.type, IPCBUS_OBJECT_FD);
	ck_assert_int_eq((int)write((int)object.value, "x", 1), 1);
	ck_assert_int_eq((int)read(ends[0], &got, 1), 1);
	ck_assert_int_eq(got, 'x');
	close((int)object.value);
	give(&server, &ev);
}
END_TEST

START_TEST(a_death_is_reported)
{
	ck_assert_int_eq(handle_ioctl(&client, IPCBUS_IOC_WATCH, 0, 0, 31), 0);
	ck_assert_int_eq(handle_ioctl(&client, IPCBUS_IOC_UNWATCH, 0, 0, 0), 0);
	ck_assert_int_eq(handle_ioctl(&client, IPCBUS_IOC_UNWATCH, 0, 0, 0), -ENOENT);
	ck_assert_int_eq(handle_ioctl(&client, IPCBUS_IOC_WATCH, 0, 0, 32), 0);
	ck_assert_int_eq(node_ioctl(&server, IPCBUS_IOC_NODE_DESTROY, 0, &server_node, 0), 0);
	ck_assert_uint_eq(must_take(&client, IPCBUS_EVENT_DEAD).cookie, 32);
}
END_TEST

START_TEST(a_pool_is_asked_to_grow)
{
	AS(ipcbus_threads) threads = { .as = { .size = sizeof(threads), .max = 4 } };
	struct ipcbus_event ev;

	ck_assert_int_eq(control(&server, IPCBUS_IOC_SET_THREADS, &threads), 0);
	ev = must_call(0, "grow");
	ck_assert_uint_eq(ev.flags & IPCBUS_EVENT_SPAWN, IPCBUS_EVENT_SPAWN);
	ev = must_reply(&ev, "no");
	give(&client, &ev);
	ck_assert_int_eq(control(&server, IPCBUS_IOC_THREAD_EXIT, NULL), 0);
}
END_TEST

/* A program that asks for what this driver does not know hears of it at once. */
START_TEST(what_is_not_known_is_refused)
{
	AS(ipcbus_exchange) x = { .as = { .size = sizeof(x) } };
	AS(ipcbus_node) n = { .as = { .size = sizeof(n) } };
	AS(ipcbus_info) info = { .as = { .size = sizeof(info) } };

	ck_assert_int_eq(control(&client, IPCBUS_IOC_EXCHANGE, &x), 0);
	x.later[0] = 1;
	ck_assert_int_eq(control(&client, IPCBUS_IOC_EXCHANGE, &x), -E2BIG);
	n.later[LATER - 1] = 1;
	ck_assert_int_eq(control(&client, IPCBUS_IOC_NODE_CREATE, &n), -E2BIG);
	ck_assert_int_eq(control(&client, _IO(IPCBUS_IOC_TYPE, 0xfe), NULL), -ENOTTY);
	ck_assert_int_eq(control(&client, IPCBUS_IOC_INFO, &info), 0);
	ck_assert_uint_eq(info.as.features >> 48, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("conversation");
	TCase *tc = tcase_create("conversation");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, the_driver_says_what_it_is);
	tcase_add_test(tc, a_call_gets_its_reply);
	tcase_add_test(tc, a_call_fails);
	tcase_add_test(tc, oneways_arrive_in_order);
	tcase_add_test(tc, an_object_goes_round);
	tcase_add_test(tc, an_fd_goes_along);
	tcase_add_test(tc, a_death_is_reported);
	tcase_add_test(tc, a_pool_is_asked_to_grow);
	tcase_add_test(tc, what_is_not_known_is_refused);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
