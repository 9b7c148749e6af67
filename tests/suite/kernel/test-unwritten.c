// SPDX-License-Identifier: MIT
/*
 * Unwritable events: if the end of its event is not writable, an exchange fails with EFAULT
 * before it does anything. If the memory becomes unwritable later, the taken event is lost.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fixture.h"

#define PAGE 4096

/* --- Places ----------------------------------------------------------------------- */

static const struct {
	int protection;	/* of the page with the event, or with its end */
	size_t there;	/* the number of writable bytes of the event */
} places[] = {
	{ PROT_NONE, 0 },
	{ PROT_READ, 0 },
	{ PROT_NONE, 64 },
};

/* Runs the exchange with its event in such a place. */
static int exchange_into(int place, const struct raw *r, struct ipcbus_exchange *x)
{
	char *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);
	char *at = pages + PAGE - offsetof(struct ipcbus_exchange, event) - places[place].there;
	int ret;

	ck_assert_ptr_ne(pages, MAP_FAILED);
	x->size = sizeof(*x);
	memcpy(at, x, sizeof(*x));
	ck_assert_int_eq(mprotect(pages + PAGE, PAGE, places[place].protection), 0);
	ret = dev_ioctl(r->fd, IPCBUS_IOC_EXCHANGE, at);
	munmap(pages, 2 * PAGE);
	return ret;
}

static void *exchange_later(void *pages)
{
	char *at = (char *)pages + PAGE - offsetof(struct ipcbus_exchange, event);

	assert_result(dev_ioctl(srv.fd, IPCBUS_IOC_EXCHANGE, at), -EFAULT);
	return NULL;
}

/* --- Detected before the exchange -------------------------------------------------- */

START_TEST(exchange_that_cannot_write_takes_no_event)
{
	struct ipcbus_exchange x = { .flags = IPCBUS_WAIT | IPCBUS_SERVE | IPCBUS_NONBLOCK };
	struct ipcbus_event ev;

	raw_oneway(&cli, 0, 7, "once", 4);
	assert_result(exchange_into(_i, &srv, &x), -EFAULT);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	raw_holds(&srv, &ev, "once", 4);
	raw_release(&srv, &ev);
	raw_none(&srv);
}
END_TEST

START_TEST(exchange_that_cannot_write_does_not_send)
{
	struct ipcbus_exchange x = { .send = { .kind = IPCBUS_SEND_ONEWAY, .code = 3 } };

	assert_result(exchange_into(_i, &cli, &x), -EFAULT);
	raw_none(&srv);
	raw_none(&cli);
}
END_TEST

/* --- Detected afterwards ----------------------------------------------------------- */

/* As with read(2). The buffer stays allocated until the file is closed. */
START_TEST(event_is_lost_if_its_memory_goes_away)
{
	char *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);
	struct ipcbus_exchange x = { .size = sizeof(x), .flags = IPCBUS_WAIT | IPCBUS_SERVE };
	struct helper h;

	ck_assert_ptr_ne(pages, MAP_FAILED);
	memcpy(pages + PAGE - offsetof(struct ipcbus_exchange, event), &x, sizeof(x));
	helper_start(&h, exchange_later, pages);
	wait_asleep(h.tid);
	ck_assert_int_eq(mprotect(pages + PAGE, PAGE, PROT_READ), 0);
	raw_oneway(&cli, 0, 7, "lost", 4);
	helper_end(&h);
	munmap(pages, 2 * PAGE);
	raw_none(&srv);
}
END_TEST

/* The error is that of the send. */
START_TEST(exchange_in_read_only_memory_sends)
{
	struct ipcbus_exchange x = {
		.size = sizeof(x), .send = { .kind = IPCBUS_SEND_ONEWAY, .code = 3 },
	};
	char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ipcbus_event ev;

	ck_assert_ptr_ne(page, MAP_FAILED);
	x.send.handle = _i ? 4242 : 0;
	memcpy(page, &x, sizeof(x));
	ck_assert_int_eq(mprotect(page, PAGE, PROT_READ), 0);
	assert_result(dev_ioctl(cli.fd, IPCBUS_IOC_EXCHANGE, page), _i ? -EBADF : -EFAULT);
	munmap(page, PAGE);
	if (_i)
		return;
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	ck_assert_uint_eq(ev.code, 3);
	raw_release(&srv, &ev);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("unwritten");
	TCase *tc = add_case(s, "bus", setup_bus);

	tcase_add_loop_test(tc, exchange_that_cannot_write_takes_no_event, 0, ARRAY_SIZE(places));
	tcase_add_loop_test(tc, exchange_that_cannot_write_does_not_send, 0, ARRAY_SIZE(places));
	tcase_add_test(tc, event_is_lost_if_its_memory_goes_away);
	tcase_add_loop_test(tc, exchange_in_read_only_memory_sends, 0, 2);
	return suite_main(s);
}
