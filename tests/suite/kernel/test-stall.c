// SPDX-License-Identifier: MIT
/*
 * Changes while a message is half copied: the driver's copy from the sender's memory sleeps
 * (userfaultfd) until the test has changed other state.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "users.h"

#define PAGE 4096

/* Two pages: the first is ordinary memory, reading the second sleeps. */
struct trap {
	int uffd;
	char *page;
	char *sleepy;
};

static struct trap trap;

static void trap_set(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	trap.uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	ck_assert_msg(trap.uffd >= 0, "userfaultfd: %s", strerror(errno));
	ck_assert_int_eq(ioctl(trap.uffd, UFFDIO_API, &api), 0);
	trap.page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	ck_assert_ptr_ne(trap.page, MAP_FAILED);
	trap.sleepy = trap.page + PAGE;
	memset(trap.page, 'p', PAGE);
	reg.range.start = PTR64(trap.sleepy);
	reg.range.len = PAGE;
	ck_assert_int_eq(ioctl(trap.uffd, UFFDIO_REGISTER, &reg), 0);
}

static void setup_trap(void)
{
	setup_bus();
	trap_set();
}

/* Waits until a thread sleeps in it. */
static void trap_wait(void)
{
	struct pollfd p = { .fd = trap.uffd, .events = POLLIN };
	struct uffd_msg msg;

	ck_assert_int_eq(poll(&p, 1, -1), 1);
	ck_assert_int_eq(read(trap.uffd, &msg, sizeof(msg)), sizeof(msg));
	ck_assert_uint_eq(msg.event, UFFD_EVENT_PAGEFAULT);
}

/* Wakes the sleeper, which reads this content. */
static void trap_open(const void *content)
{
	static char full[PAGE] __attribute__((aligned(PAGE)));
	struct uffdio_copy copy = { .dst = PTR64(trap.sleepy), .src = PTR64(full), .len = PAGE };

	memset(full, 's', PAGE);
	if (content)
		memcpy(full, content, strlen(content));
	ck_assert_int_eq(ioctl(trap.uffd, UFFDIO_COPY, &copy), 0);
}

/* Wakes the sleeper, which finds the page unmapped. */
static void trap_remove(void)
{
	struct uffdio_range range = { .start = PTR64(trap.sleepy), .len = PAGE };

	mprotect(trap.sleepy, PAGE, PROT_NONE);
	ioctl(trap.uffd, UFFDIO_UNREGISTER, &range);
	ioctl(trap.uffd, UFFDIO_WAKE, &range);
}

/* A thread that sends and sleeps half-way. */
struct sender {
	struct helper h;
	const struct raw *r;
	struct ipcbus_send send;
	struct ipcbus_object object;
	struct ipcbus_event failure;
	int result;
};

static void *send_it(void *arg)
{
	struct sender *s = arg;

	s->result = raw_send(s->r, &s->send, &s->failure);
	if (s->send.kind == IPCBUS_SEND_CALL && !s->result) {
		assert_ok(raw_next(s->r, 0, &s->failure));
		s->result = s->failure.kind == IPCBUS_EVENT_FAILED ? s->failure.error : 0;
	}
	return NULL;
}

/* The payload's first half is readable, the second half sleeps. The message has an object. */
static void sender_start(struct sender *s, const struct raw *r, uint32_t kind, uint64_t call)
{
	*s = (struct sender){
		.r = r,
		.send = { .kind = kind, .call = call, .data = PTR64(trap.page),
			  .data_size = PAGE + 100 },
	};
	if (kind == IPCBUS_SEND_ERROR)
		s->send.code = EIO;
	helper_start(&s->h, send_it, s);
	trap_wait();
}

static int sender_end(struct sender *s)
{
	helper_end(&s->h);
	return s->result;
}

static uint64_t open_call(const struct raw *from)
{
	struct ipcbus_event ev;

	raw_call(from, 0, 1, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_release(&srv, &ev);
	return ev.call;
}

static const uint32_t requests[] = { IPCBUS_SEND_CALL, IPCBUS_SEND_ONEWAY };
static const uint32_t replies[] = { IPCBUS_SEND_REPLY, IPCBUS_SEND_ERROR };

START_TEST(receiver_closes)
{
	struct sender s;

	sender_start(&s, &cli, requests[_i], 0);
	raw_close(&srv);
	trap_open(NULL);
	assert_result(sender_end(&s), -EOWNERDEAD);
}
END_TEST

START_TEST(receiver_destroys_the_node)
{
	struct sender s;

	sender_start(&s, &cli, requests[_i], 0);
	assert_ok(raw_destroy(&srv, srv_node, 0));
	trap_open(NULL);
	assert_result(sender_end(&s), -EOWNERDEAD);
	raw_none(&srv);
}
END_TEST

START_TEST(receiver_unmaps)
{
	struct ipcbus_event ev;
	struct sender s;

	sender_start(&s, &cli, IPCBUS_SEND_ONEWAY, 0);
	dev_unmap((void *)(uintptr_t)srv.map, REGION);
	srv.map = NULL;
	trap_open(NULL);
	assert_ok(sender_end(&s));
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	raw_release(&srv, &ev);
}
END_TEST

/* Other threads do not wait for the sleeping sender. */
START_TEST(other_calls_are_not_delayed)
{
	struct ipcbus_event ev;
	struct sender s;

	sender_start(&s, &cli, IPCBUS_SEND_ONEWAY, 0);
	raw_round_trip(&oth, 0, &srv, "meanwhile", 9);
	raw_oneway(&oth, 0, 7, "first", 5);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	raw_holds(&srv, &ev, "first", 5);
	raw_release(&srv, &ev);
	raw_none(&srv);
	trap_open("late");
	assert_ok(sender_end(&s));
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	ck_assert_int_eq(memcmp((char *)raw_payload(&srv, &ev) + PAGE - 1, "plate", 5), 0);
	raw_release(&srv, &ev);
}
END_TEST

/* In the space that is being filled, the receiver never sees data of other procs. */
START_TEST(memory_goes_away)
{
	struct sender s;

	sender_start(&s, &cli, requests[_i], 0);
	trap_remove();
	assert_result(sender_end(&s), -EFAULT);
	ck_assert_uint_eq(s.failure.stage, IPCBUS_STAGE_COPY);
	raw_none(&srv);
}
END_TEST

START_TEST(caller_closes)
{
	uint64_t call = open_call(&cli);
	struct sender s;

	sender_start(&s, &srv, replies[_i], call);
	raw_close(&cli);
	trap_open(NULL);
	assert_ok(sender_end(&s));
}
END_TEST

START_TEST(caller_thread_exits)
{
	uint64_t call = open_call(&cli);
	struct sender s;

	sender_start(&s, &srv, replies[_i], call);
	assert_ok(dev_ioctl(cli.fd, IPCBUS_IOC_THREAD_EXIT, NULL));
	trap_open(NULL);
	assert_ok(sender_end(&s));
	raw_none(&cli);
}
END_TEST

START_TEST(second_reply)
{
	uint64_t call = open_call(&cli);
	struct ipcbus_event ev;
	struct sender s;

	sender_start(&s, &srv, replies[_i], call);
	raw_fails(&srv, &(struct ipcbus_send){ .kind = IPCBUS_SEND_REPLY, .call = call }, -ESRCH,
		  IPCBUS_STAGE_TARGET, 0);
	raw_none(&cli);
	trap_open(NULL);
	assert_ok(sender_end(&s));
	raw_take(&cli, _i ? IPCBUS_EVENT_ERROR : IPCBUS_EVENT_REPLY, &ev);
	ck_assert_uint_eq(ev.data_size, PAGE + 100);
	raw_release(&cli, &ev);
}
END_TEST

/* The reply fails half-way: the call is open again, for any thread. */
START_TEST(reply_fails)
{
	uint64_t call = open_call(&cli);
	struct ipcbus_event ev;
	struct sender s;

	sender_start(&s, &srv, replies[_i], call);
	trap_remove();
	assert_result(sender_end(&s), -EFAULT);
	raw_none(&cli);
	raw_reply(&srv, call, "after all", 9);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
	raw_holds(&cli, &ev, "after all", 9);
	raw_release(&cli, &ev);
}
END_TEST

/* While a thread replies, its node is destroyed: the call it took stays its own. */
START_TEST(node_destroyed_under_the_reply)
{
	uint64_t call = open_call(&cli);
	struct ipcbus_event ev;
	struct sender s;

	sender_start(&s, &srv, replies[_i], call);
	assert_ok(raw_destroy(&srv, srv_node, 0));
	trap_open(NULL);
	assert_ok(sender_end(&s));
	raw_take(&cli, _i ? IPCBUS_EVENT_ERROR : IPCBUS_EVENT_REPLY, &ev);
	raw_release(&cli, &ev);
}
END_TEST

/* A call counts as open until its reply is complete, even if the node is idle. */
START_TEST(node_settled_under_a_failing_reply)
{
	uint64_t node = raw_node(&srv, 0, 77), call;
	uint32_t handle = give_handle(&cli, &srv, node);
	struct ipcbus_event ev;
	struct sender s;
	int r;

	raw_call(&cli, handle, 1, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	call = ev.call;
	assert_ok(raw_put(&cli, handle, 1));
	sender_start(&s, &srv, IPCBUS_SEND_REPLY, call);
	r = raw_destroy(&srv, node, IPCBUS_NODE_IF_IDLE);
	ck_assert_msg(r == 0 || r == -EBUSY, "%s", errname(r));
	trap_remove();
	assert_result(sender_end(&s), -EFAULT);
	raw_reply(&srv, call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
}
END_TEST

/* The object table sleeps after the payload was copied. Then the receiver closes. */
START_TEST(table_of_a_message_to_a_dead)
{
	struct sender s = {
		.r = &cli,
		.send = { .kind = requests[_i], .data = PTR64(trap.page), .data_size = 100,
			  .objects = PTR64(trap.sleepy), .object_count = 2 },
	};
	struct ipcbus_object o[2] = { object_node(raw_node(&cli, 0, 5)), object_fd(1) };
	static char table[PAGE] __attribute__((aligned(PAGE)));
	struct uffdio_copy copy = { .dst = PTR64(trap.sleepy), .src = PTR64(table), .len = PAGE };

	memcpy(table, o, sizeof(o));
	helper_start(&s.h, send_it, &s);
	trap_wait();
	raw_close(&srv);
	ck_assert_int_eq(ioctl(trap.uffd, UFFDIO_COPY, &copy), 0);
	assert_result(sender_end(&s), -EOWNERDEAD);
}
END_TEST

/* The handle is put while the message to it is half copied. */
START_TEST(handle_put_under_the_message)
{
	uint32_t handle = give_handle(&cli, &srv, raw_node(&srv, 0, 7));
	struct ipcbus_event ev;
	struct sender s = {
		.r = &cli,
		.send = { .kind = IPCBUS_SEND_ONEWAY, .handle = handle, .data = PTR64(trap.page),
			  .data_size = PAGE + 100 },
	};

	helper_start(&s.h, send_it, &s);
	trap_wait();
	assert_ok(raw_put(&cli, handle, 1));
	trap_open(NULL);
	assert_ok(sender_end(&s));
	do {
		assert_ok(raw_next(&srv, IPCBUS_SERVE | IPCBUS_NONBLOCK, &ev));
	} while (ev.kind == IPCBUS_EVENT_IDLE);
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_ONEWAY);
	ck_assert_uint_eq(ev.cookie, 7);
	raw_release(&srv, &ev);
}
END_TEST

static int send_and_sleep(struct peer *self, void *arg)
{
	struct sender s;

	(void)arg;
	raw_open(&cli, REGION);
	trap_set();
	sender_start(&s, &cli, IPCBUS_SEND_CALL, 0);
	peer_notify(self, 1);
	pause();
	return 1;
}

START_TEST(sender_is_killed)
{
	struct peer p;

	peer_start(&p, send_and_sleep, NULL);
	peer_hear(&p);
	peer_kill(&p);
	raw_none(&srv);
	raw_round_trip(&cli, 0, &srv, "still here", 10);
}
END_TEST

int main(void)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	Suite *s = suite_create("stall");
	TCase *tc;

	if (uffd < 0) {
		fprintf(stderr, "no userfaultfd here: %s\n", strerror(errno));
		return 77;
	}
	close(uffd);

	tc = add_case(s, "request", setup_trap);
	tcase_add_loop_test(tc, receiver_closes, 0, 2);
	tcase_add_loop_test(tc, receiver_destroys_the_node, 0, 2);
	tcase_add_test(tc, receiver_unmaps);
	tcase_add_test(tc, other_calls_are_not_delayed);
	tcase_add_loop_test(tc, memory_goes_away, 0, 2);
	tcase_add_loop_test(tc, table_of_a_message_to_a_dead, 0, 2);
	tcase_add_test(tc, handle_put_under_the_message);

	tc = add_case(s, "reply", setup_trap);
	tcase_add_loop_test(tc, caller_closes, 0, 2);
	tcase_add_loop_test(tc, caller_thread_exits, 0, 2);
	tcase_add_loop_test(tc, second_reply, 0, 2);
	tcase_add_loop_test(tc, reply_fails, 0, 2);
	tcase_add_loop_test(tc, node_destroyed_under_the_reply, 0, 2);
	tcase_add_test(tc, node_settled_under_a_failing_reply);

	tc = add_case(s, "process", setup_bus);
	tcase_add_test(tc, sender_is_killed);
	return suite_main(s);
}
