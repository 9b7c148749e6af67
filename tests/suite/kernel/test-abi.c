// SPDX-License-Identifier: MIT
/*
 * The form of the contract: sizes and versions of structures, reserved fields,
 * unknown numbers, caps, bad pointers. None of this may reach another proc.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fixture.h"
#include "ipcbus-monitor.h"

#define FEATURES (IPCBUS_FEATURE_LABEL | IPCBUS_FEATURE_PRIORITY | IPCBUS_FEATURE_MOUNT)
#define NOWHERE ((void *)8)
#define KERNEL_ADDRESS ((void *)0xffff888000000000ULL)

/* Every structure and the ioctl it belongs to. */
static const struct form {
	const char *name;
	unsigned int cmd;
	uint32_t size;
} forms[] = {
#define FORM(cmd, type) { #cmd, IPCBUS_IOC_##cmd, sizeof(struct ipcbus_##type) }
	FORM(INFO, info),
	FORM(EXCHANGE, exchange),
	FORM(SEND_BATCH, batch),
	FORM(SET_MANAGER, node),
	FORM(NODE_CREATE, node),
	FORM(NODE_DESTROY, node),
	FORM(HANDLE_PUT, handle),
	FORM(WATCH, handle),
	FORM(UNWATCH, handle),
	FORM(SET_THREADS, threads),
	FORM(NODE_INFO, node_info),
	FORM(SENDER_INFO, sender_info),
	FORM(CANCEL, cancel),
	FORM(CALL_INFO, call_info),
	FORM(MONITOR, monitor),
	FORM(FREEZE, freeze),
#undef FORM
};

START_TEST(info_says_what_there_is)
{
	struct ipcbus_info info = raw_info(&cli);

	ck_assert_uint_eq(info.size, sizeof(info));
	ck_assert_uint_eq(info.version, IPCBUS_VERSION);
	ck_assert_uint_eq(info.features, FEATURES);
	ck_assert_uint_eq(info.region_size, REGION);
	ck_assert_uint_gt(info.max_nodes, 0);
	ck_assert_uint_gt(info.max_handles, 0);
	ck_assert_uint_gt(info.max_buffers, 0);
	ck_assert_uint_gt(info.max_threads, 0);

	raw_close(&oth);
	raw_open(&oth, 0);
	ck_assert_uint_eq(raw_info(&oth).region_size, 0);
}
END_TEST

/* Calls the ioctl with @size in the structure's first field, at the end of a page. */
static int with_size(const struct form *f, uint32_t size, const void *content, size_t length)
{
	static char *pages;
	char *at;
	int r;

	if (!pages) {
		pages = mmap(NULL, 5 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			     -1, 0);
		mprotect(pages + 4 * 4096, 4096, PROT_NONE);
	}
	at = pages + 4 * 4096 - ((length + 7) & ~7UL);
	memset(at, 0, length);
	memcpy(at, content, length);
	memcpy(at, &size, sizeof(size));
	r = dev_ioctl(cli.fd, f->cmd, at);
	/* A structure of zeroes is a watch of the manager: the next must not find it. */
	if (!r && f->cmd == IPCBUS_IOC_WATCH)
		assert_ok(raw_unwatch(&cli, 0));
	return r;
}

START_TEST(short_structure)
{
	static const char zeroes[4096];
	const struct form *f = &forms[_i];
	static const uint32_t cut[] = { 1, 4, 8 };

	for (size_t i = 0; i < ARRAY_SIZE(cut); i++)
		assert_result(with_size(f, f->size - cut[i], zeroes, f->size), -EINVAL);
	assert_result(with_size(f, 0, zeroes, f->size), -EINVAL);
	assert_result(with_size(f, 1, zeroes, f->size), -EINVAL);
}
END_TEST

/* What a structure of zeroes gets: 0 or an error about its content. */
START_TEST(longer_structure_with_a_zero_tail)
{
	static const char zeroes[8192];
	const struct form *f = &forms[_i];
	int plain = with_size(f, f->size, zeroes, f->size);

	ck_assert_int_ne(plain, -E2BIG);
	assert_result(with_size(f, f->size + 8, zeroes, f->size + 8), plain);
	assert_result(with_size(f, f->size + 1, zeroes, f->size + 1), plain);
	assert_result(with_size(f, 2048, zeroes, 2048), plain);
	assert_result(with_size(f, 4096, zeroes, 4096), plain);
	/* Not larger than a page, whatever is there. */
	assert_result(with_size(f, 4097, zeroes, 4097), -E2BIG);
	assert_result(with_size(f, 8192, zeroes, 8192), -E2BIG);
}
END_TEST

START_TEST(longer_structure_with_something_in_its_tail)
{
	static char content[4096];
	const struct form *f = &forms[_i];
	static const uint32_t more[] = { 1, 7, 8, 64, 1000 };

	for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
		uint32_t size = f->size + more[i];

		memset(content, 0, sizeof(content));
		content[size - 1] = 1;
		assert_result(with_size(f, size, content, size), -E2BIG);
		content[size - 1] = 0;
		content[f->size] = 1;
		assert_result(with_size(f, size, content, size), -E2BIG);
	}
}
END_TEST

START_TEST(structure_larger_than_its_memory)
{
	static const char zeroes[4096];
	static const uint32_t huge[] = { 8192, 1 << 20, 0x7fffffff, 0x80000000, 0xffffffff };
	const struct form *f = &forms[_i];
	size_t there;

	for (size_t i = 0; i < ARRAY_SIZE(huge); i++) {
		int r = with_size(f, huge[i], zeroes, f->size);

		ck_assert_msg(r == -E2BIG || r == -EFAULT, "size %u: %s", huge[i], errname(r));
	}
	/* An exchange does not touch its last fields. */
	there = f->cmd == IPCBUS_IOC_EXCHANGE ? offsetof(struct ipcbus_exchange, more) : f->size;
	if (there > 8)
		assert_result(with_size(f, f->size, zeroes, there - 8), -EFAULT);
}
END_TEST

START_TEST(structure_from_nowhere)
{
	unsigned int cmd = forms[_i].cmd;

	assert_result(dev_ioctl(cli.fd, cmd, NULL), -EFAULT);
	assert_result(dev_ioctl(cli.fd, cmd, NOWHERE), -EFAULT);
	assert_result(dev_ioctl(cli.fd, cmd, KERNEL_ADDRESS), -EFAULT);
	assert_result(dev_ioctl(cli.fd, cmd, (void *)~0UL), -EFAULT);
}
END_TEST

/* Results cannot be stored: an error, not a crash and not silence. */
START_TEST(structure_that_cannot_be_written)
{
	uint32_t *ro = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	static const unsigned int cmds[] = { IPCBUS_IOC_INFO, IPCBUS_IOC_EXCHANGE,
					     IPCBUS_IOC_NODE_CREATE };
	static const uint32_t sizes[] = { sizeof(struct ipcbus_info),
					  sizeof(struct ipcbus_exchange),
					  sizeof(struct ipcbus_node) };

	*ro = sizes[_i];
	mprotect(ro, 4096, PROT_READ);
	assert_result(dev_ioctl(cli.fd, cmds[_i], ro), -EFAULT);
	if (cmds[_i] == IPCBUS_IOC_NODE_CREATE)
		ck_assert_uint_gt(raw_info(&cli).max_nodes, 0);
}
END_TEST

START_TEST(replies_that_cannot_be_written)
{
	char *ro = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ipcbus_node_info info = { .size = sizeof(info), .node = srv_node };
	struct ipcbus_sender_info caller = { .size = sizeof(caller) };
	struct ipcbus_event ev;

	raw_call(&cli, 0, 1, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	caller.call = ev.call;
	memcpy(ro, &info, sizeof(info));
	memcpy(ro + 2048, &caller, sizeof(caller));
	mprotect(ro, 4096, PROT_READ);
	assert_result(dev_ioctl(srv.fd, IPCBUS_IOC_NODE_INFO, ro), -EFAULT);
	assert_result(dev_ioctl(srv.fd, IPCBUS_IOC_SENDER_INFO, ro + 2048), -EFAULT);
	raw_reply(&srv, ev.call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
}
END_TEST

START_TEST(unknown_ioctls)
{
	struct ipcbus_exchange x = { .size = sizeof(x) };
	const unsigned int cmds[] = {
		_IO(IPCBUS_IOC_TYPE, 0x3f), _IO(IPCBUS_IOC_TYPE, 0x7f), _IO(IPCBUS_IOC_TYPE, 0xff),
		_IOWR(IPCBUS_IOC_TYPE ^ 1, 0x01, x), _IO(IPCBUS_IOC_TYPE, 0x01),
		_IOW(IPCBUS_IOC_TYPE, 0x01, x), _IOW(IPCBUS_IOC_TYPE, 0x0a, x),
		_IOR(IPCBUS_IOC_TYPE, 0x00, struct ipcbus_info), 0xffffffff, 0x12345,
	};

	for (size_t i = 0; i < ARRAY_SIZE(cmds); i++)
		assert_result(dev_ioctl(cli.fd, cmds[i], &x), -ENOTTY);
}
END_TEST

/* As of a program that was built with a shorter or longer structure. */
START_TEST(size_in_the_number_does_not_count)
{
	struct ipcbus_exchange x = { .size = sizeof(x) };
	struct ipcbus_info info = { .size = sizeof(info) };

	assert_ok(dev_ioctl(cli.fd, _IOWR(IPCBUS_IOC_TYPE, 0x01, char[8]), &x));
	assert_ok(dev_ioctl(cli.fd, _IOWR(IPCBUS_IOC_TYPE, 0x01, char[1000]), &x));
	assert_ok(dev_ioctl(cli.fd, _IOWR(IPCBUS_IOC_TYPE, 0x00, char[1]), &info));
	ck_assert_uint_eq(info.user_files, raw_info(&cli).user_files);
}
END_TEST

/* Exchange: one field set, one error */

static const struct field {
	const char *name;
	size_t offset;
	size_t size;
	uint64_t value;
	int error;
} fields[] = {
#define X(f, v, e) { #f, offsetof(struct ipcbus_exchange, f), \
		     sizeof(((struct ipcbus_exchange *)0)->f), v, e }
	X(flags, 1U << 4, -EINVAL),
	X(flags, 1U << 31, -EINVAL),
	X(flags, IPCBUS_MORE, -EINVAL),
	X(flags, IPCBUS_WAIT | IPCBUS_NONBLOCK | IPCBUS_MORE, -EINVAL),
	X(flags, IPCBUS_WAIT | IPCBUS_NONBLOCK | 1U << 16, -EINVAL),
	X(release_count, IPCBUS_MAX_RELEASE + 1, -E2BIG),
	X(release_count, 0xffffffff, -E2BIG),
	X(send.kind, 5, -EINVAL),
	X(send.kind, 0xffffffff, -EINVAL),
	/* kind NONE: the rest is 0 */
	X(send.flags, 1, -EINVAL),
	X(send.flags, IPCBUS_SEND_CLEAR, -EINVAL),
	X(send.handle, 1, -EINVAL),
	X(send.code, 1, -EINVAL),
	X(send.call, 1, -EINVAL),
	X(send.data, 4096, -EINVAL),
	X(send.data_size, 1, -EINVAL),
	X(send.iov_count, 1, -EINVAL),
	X(send.object_count, 1, -EINVAL),
	X(send.objects, 4096, -EINVAL),
	X(send.deadline, 1, -EINVAL),
	X(send.cookie, 1ULL << 63, -EINVAL),
#undef X
};

START_TEST(exchange_field)
{
	const struct field *f = &fields[_i];
	struct ipcbus_exchange x = { 0 };

	set_field((char *)&x + f->offset, f->size, f->value);
	int r = raw_exchange(&cli, &x);

	ck_assert_msg(r == f->error, "%s = %#llx: %s, wanted %s", f->name,
		      (unsigned long long)f->value, errname(r), errname(f->error));
}
END_TEST

static const struct field send_fields[] = {
#define X(f, v, e) { #f, offsetof(struct ipcbus_send, f), \
		     sizeof(((struct ipcbus_send *)0)->f), v, e }
	X(flags, 1U << 30, -EINVAL),
	X(flags, 1U << 31, -EINVAL),
	X(iov_count, 1, -EINVAL),
	X(object_count, IPCBUS_MAX_OBJECTS + 1, -E2BIG),
	X(object_count, 0xffffffff, -E2BIG),
	X(object_count, 1, -EFAULT),
#undef X
};

static const uint32_t send_kinds[] = { IPCBUS_SEND_CALL, IPCBUS_SEND_ONEWAY };

START_TEST(send_field)
{
	const struct field *f = &send_fields[_i];

	for (size_t k = 0; k < ARRAY_SIZE(send_kinds); k++) {
		struct ipcbus_send send = { .kind = send_kinds[k] };
		int r;

		set_field((char *)&send + f->offset, f->size, f->value);
		r = raw_send(&cli, &send, NULL);
		ck_assert_msg(r == f->error, "kind %u, %s = %#llx: %s, wanted %s", send.kind,
			      f->name, (unsigned long long)f->value, errname(r),
			      errname(f->error));
	}
	raw_none(&srv);
}
END_TEST

/* What is for calls alone. */
START_TEST(oneway_field)
{
	struct ipcbus_send send = { .kind = IPCBUS_SEND_ONEWAY, .flags = IPCBUS_SEND_ASYNC };

	assert_result(raw_send(&cli, &send, NULL), -EINVAL);
	send.flags = IPCBUS_SEND_ACCEPT_FDS;
	assert_result(raw_send(&cli, &send, NULL), -EINVAL);
	send.flags = 0;
	send.cookie = 1;
	assert_result(raw_send(&cli, &send, NULL), -EINVAL);
	raw_none(&srv);
}
END_TEST

/* What is for requests alone. */
START_TEST(reply_field)
{
	struct ipcbus_send send = { .kind = IPCBUS_SEND_REPLY };
	struct ipcbus_event ev;

	raw_call(&cli, 0, 1, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	send.call = ev.call;
	send.deadline = 1;
	assert_result(raw_send(&srv, &send, NULL), -EINVAL);
	send.deadline = 0;
	send.cookie = 1;
	assert_result(raw_send(&srv, &send, NULL), -EINVAL);
	send.cookie = 0;
	send.flags = IPCBUS_SEND_ASYNC;
	assert_result(raw_send(&srv, &send, NULL), -EINVAL);
	raw_none(&cli);
	raw_reply(&srv, ev.call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
}
END_TEST

START_TEST(cancel_field)
{
	struct ipcbus_cancel c = { .size = sizeof(c), .cookie = 1, .flags = 1 };
	struct ipcbus_call_info info = { .size = sizeof(info), .call = 1, .flags = 1 };

	assert_result(dev_ioctl(cli.fd, IPCBUS_IOC_CANCEL, &c), -EINVAL);
	c.flags = 0;
	assert_result(dev_ioctl(cli.fd, IPCBUS_IOC_CANCEL, &c), -ENOENT);
	c.cookie = 0;
	assert_result(dev_ioctl(cli.fd, IPCBUS_IOC_CANCEL, &c), -EINVAL);
	assert_result(dev_ioctl(cli.fd, IPCBUS_IOC_CALL_INFO, &info), -EINVAL);
	info.flags = 0;
	info.deadline = 1;
	assert_result(dev_ioctl(cli.fd, IPCBUS_IOC_CALL_INFO, &info), -EINVAL);
	info.deadline = 0;
	assert_result(dev_ioctl(cli.fd, IPCBUS_IOC_CALL_INFO, &info), -ESRCH);
}
END_TEST

START_TEST(replacing_is_for_oneways)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_REPLACE,
	};
	struct ipcbus_event ev;

	assert_result(raw_send(&cli, &send, NULL), -EINVAL);
	raw_none(&srv);
	raw_call(&cli, 0, 1, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	send.call = ev.call;
	send.kind = IPCBUS_SEND_REPLY;
	assert_result(raw_send(&srv, &send, NULL), -EINVAL);
	send.kind = IPCBUS_SEND_ERROR;
	send.code = 5;
	assert_result(raw_send(&srv, &send, NULL), -EINVAL);
	raw_reply(&srv, ev.call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
	assert_result(raw_send(&cli, &(struct ipcbus_send){ .flags = IPCBUS_SEND_REPLACE }, NULL),
		      -EINVAL);
}
END_TEST

START_TEST(parts_over_the_cap)
{
	static struct ipcbus_iovec parts[IPCBUS_MAX_IOV + 1];
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_IOV, .data = PTR64(parts),
		.iov_count = IPCBUS_MAX_IOV + 1,
	};

	assert_result(raw_send(&cli, &send, NULL), -E2BIG);
	send.iov_count = 0xffffffff;
	assert_result(raw_send(&cli, &send, NULL), -E2BIG);
	send.iov_count = 0x10000001; /* times 16 bytes is 16 in 32 bits */
	assert_result(raw_send(&cli, &send, NULL), -E2BIG);
	raw_none(&srv);
}
END_TEST

START_TEST(parts_from_nowhere)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_IOV, .data = PTR64(NOWHERE),
		.data_size = 1, .iov_count = 1,
	};

	assert_result(raw_send(&cli, &send, NULL), -EFAULT);
	send.data = PTR64(KERNEL_ADDRESS);
	assert_result(raw_send(&cli, &send, NULL), -EFAULT);
	raw_none(&srv);
}
END_TEST

static const struct {
	struct ipcbus_object o;
	int error;
} objects[] = {
	{ { .type = 0, .value = 1 }, -EINVAL },
	{ { .type = 4, .value = 1 }, -EINVAL },
	{ { .type = ~0U, .value = 1 }, -EINVAL },
	{ { .type = IPCBUS_OBJECT_FD, .value = 1, .flags = 1 }, -EINVAL },
	{ { .type = IPCBUS_OBJECT_HANDLE, .value = 0, .flags = 1U << 31 }, -EINVAL },
	{ { .type = IPCBUS_OBJECT_FD, .value = 1, .cookie = 1 }, -EINVAL },
	{ { .type = IPCBUS_OBJECT_NODE, .value = 1, .cookie = ~0ULL }, -EINVAL },
};

START_TEST(object_field)
{
	struct ipcbus_object o[2] = { object_fd(1), objects[_i].o };
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .objects = PTR64(o), .object_count = 2,
	};

	raw_fails(&cli, &send, objects[_i].error, IPCBUS_STAGE_OBJECT, 1);
	raw_none(&srv);
}
END_TEST

START_TEST(objects_from_nowhere)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .objects = PTR64(NOWHERE), .object_count = 1,
	};

	assert_result(raw_send(&cli, &send, NULL), -EFAULT);
	send.objects = PTR64(KERNEL_ADDRESS);
	assert_result(raw_send(&cli, &send, NULL), -EFAULT);
	send.objects = ~0ULL - 31;
	send.object_count = IPCBUS_MAX_OBJECTS;
	assert_result(raw_send(&cli, &send, NULL), -EFAULT);
	raw_none(&srv);
}
END_TEST

START_TEST(event_is_output_only)
{
	struct ipcbus_exchange x = { .size = sizeof(x) };

	memset(&x.event, 0xff, sizeof(x.event));
	assert_ok(dev_ioctl(cli.fd, IPCBUS_IOC_EXCHANGE, &x));
	ck_assert_uint_eq(x.event.kind, IPCBUS_EVENT_NONE);
	ck_assert_uint_eq(x.event.call, 0);
	ck_assert_uint_eq(x.event.reserved, 0);
}
END_TEST

START_TEST(empty_exchange_does_nothing)
{
	struct ipcbus_exchange x = { 0 };

	for (int i = 0; i < 3; i++) {
		assert_ok(raw_exchange(&cli, &x));
		ck_assert_uint_eq(x.event.kind, IPCBUS_EVENT_NONE);
	}
}
END_TEST

/* A newer program sends a larger structure: the event is where it always was. */
START_TEST(longer_exchange_works)
{
	struct {
		struct ipcbus_exchange x;
		uint64_t more[10];
	} x = { .x = { .size = sizeof(x),
		       .send = { .kind = IPCBUS_SEND_CALL, .data = PTR64("long"), .data_size = 4 } } };
	struct ipcbus_event ev;

	assert_ok(dev_ioctl(cli.fd, IPCBUS_IOC_EXCHANGE, &x));
	for (size_t i = 0; i < ARRAY_SIZE(x.more); i++)
		ck_assert_uint_eq(x.more[i], 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_holds(&srv, &ev, "long", 4);
	raw_release(&srv, &ev);
}
END_TEST

/* The small structures */

START_TEST(node_fields)
{
	struct ipcbus_node n = { .flags = 1U << 4 };

	assert_result(raw_node_ioctl(&cli, IPCBUS_IOC_NODE_CREATE, &n), -EINVAL);
	n = (struct ipcbus_node){ .flags = 1U << 31 };
	assert_result(raw_node_ioctl(&cli, IPCBUS_IOC_NODE_CREATE, &n), -EINVAL);
	assert_result(raw_destroy(&srv, srv_node, 1U << 5), -EINVAL);
	n = (struct ipcbus_node){ .node = srv_node, .cookie = 1 };
	assert_result(raw_node_ioctl(&srv, IPCBUS_IOC_NODE_DESTROY, &n), -EINVAL);
	n = (struct ipcbus_node){ .node = srv_node, .cookie = 1 };
	assert_result(raw_node_ioctl(&srv, IPCBUS_IOC_SET_MANAGER, &n), -EINVAL);
	n = (struct ipcbus_node){ .node = srv_node, .flags = 1U << 4 };
	assert_result(raw_node_ioctl(&srv, IPCBUS_IOC_SET_MANAGER, &n), -EINVAL);
	raw_round_trip(&cli, 0, &srv, "still here", 10);
}
END_TEST

static int handle_fields(unsigned int cmd, uint32_t count, uint32_t flags, uint64_t cookie)
{
	struct ipcbus_handle h = {
		.size = sizeof(h), .count = count, .flags = flags, .cookie = cookie,
	};

	return dev_ioctl(cli.fd, cmd, &h);
}

START_TEST(handle_fields_of_each_ioctl)
{
	assert_result(handle_fields(IPCBUS_IOC_WATCH, 1, 0, 5), -EINVAL);
	assert_result(handle_fields(IPCBUS_IOC_WATCH, 0, 3, 5), -EINVAL);
	assert_result(handle_fields(IPCBUS_IOC_UNWATCH, 1, 0, 0), -EINVAL);
	assert_result(handle_fields(IPCBUS_IOC_UNWATCH, 0, 1, 0), -EINVAL);
	assert_result(handle_fields(IPCBUS_IOC_UNWATCH, 0, 0, 1), -EINVAL);
	assert_result(handle_fields(IPCBUS_IOC_HANDLE_PUT, 1, 1, 0), -EINVAL);
	assert_result(handle_fields(IPCBUS_IOC_HANDLE_PUT, 1, 0, 1), -EINVAL);
	assert_result(handle_fields(IPCBUS_IOC_WATCH, 0, 1U << 2, 5), -EINVAL);
	assert_result(handle_fields(IPCBUS_IOC_WATCH, 0, 1U << 31, 5), -EINVAL);
	assert_result(handle_fields(IPCBUS_IOC_WATCH, 1, IPCBUS_WATCH_MANAGER, 5), -EINVAL);
	assert_result(handle_fields(IPCBUS_IOC_UNWATCH, 1, IPCBUS_WATCH_MANAGER, 0), -EINVAL);
	assert_result(handle_fields(IPCBUS_IOC_UNWATCH, 0, IPCBUS_WATCH_MANAGER, 1), -EINVAL);
	assert_result(handle_fields(IPCBUS_IOC_UNWATCH, 0, IPCBUS_WATCH_MANAGER, 0), -ENOENT);
	assert_result(handle_fields(IPCBUS_IOC_HANDLE_PUT, 1, IPCBUS_WATCH_MANAGER, 0), -EINVAL);
	assert_result(raw_watch_for(&cli, 1, IPCBUS_WATCH_MANAGER, 5), -EINVAL);
	assert_result(raw_unwatch_for(&cli, 1, IPCBUS_WATCH_MANAGER), -EINVAL);
	ck_assert_int_eq(handle_fields(IPCBUS_IOC_WATCH, 0, 0, 5), 0);
	ck_assert_int_eq(handle_fields(IPCBUS_IOC_UNWATCH, 0, 0, 0), 0);
}
END_TEST

START_TEST(batch_fields)
{
	struct ipcbus_batch b = { .size = sizeof(b), .flags = 1 };

	assert_result(dev_ioctl(cli.fd, IPCBUS_IOC_SEND_BATCH, &b), -EINVAL);
	b = (struct ipcbus_batch){ .size = sizeof(b), .count = IPCBUS_MAX_BATCH + 1 };
	assert_result(dev_ioctl(cli.fd, IPCBUS_IOC_SEND_BATCH, &b), -E2BIG);
	b.count = ~0U;
	assert_result(dev_ioctl(cli.fd, IPCBUS_IOC_SEND_BATCH, &b), -E2BIG);
}
END_TEST

START_TEST(freeze_fields)
{
	static const struct {
		uint32_t flags, timeout_ms;
	} bad[] = {
		{ 1U << 2, 0 }, { 1U << 31, 0 }, { IPCBUS_FREEZE_THAW | IPCBUS_FREEZE_QUERY, 0 },
		{ IPCBUS_FREEZE_THAW, 1 }, { IPCBUS_FREEZE_QUERY, 1 },
		{ IPCBUS_FREEZE_QUERY | 1U << 3, 0 },
	};
	static const uint32_t pids[] = { 0, 0x7fffffff, 0x80000000, 0xffffffff };
	struct ipcbus_freeze f;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_result(raw_freeze(&cli, bad[i].flags, getpid(), bad[i].timeout_ms, &f),
			      -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
		assert_result(raw_freeze(&cli, 0, pids[i], 0, &f), -ESRCH);
	raw_round_trip(&cli, 0, &srv, "still here", 10);
}
END_TEST

START_TEST(threads_over_the_cap)
{
	struct ipcbus_info info = raw_info(&cli);

	assert_ok(raw_set_threads(&cli, 0));
	assert_ok(raw_set_threads(&cli, 1));
	assert_ok(raw_set_threads(&cli, info.max_threads));
	assert_result(raw_set_threads(&cli, info.max_threads + 1), -EINVAL);
	assert_result(raw_set_threads(&cli, 0xffffffff), -EINVAL);
}
END_TEST

/* Without a region */

START_TEST(sender_without_a_region)
{
	raw_close(&cli);
	raw_open(&cli, 0);
	raw_fails(&cli, &(struct ipcbus_send){ .kind = IPCBUS_SEND_CALL }, -ENOBUFS,
		  IPCBUS_STAGE_ARGS, 0);
	raw_none(&srv);
}
END_TEST

START_TEST(receiver_without_a_region)
{
	struct ipcbus_send send = { .kind = IPCBUS_SEND_CALL, .data = PTR64("x"), .data_size = 1 };

	raw_close(&srv);
	raw_open(&srv, 0);
	assert_ok(raw_claim(&srv, raw_node(&srv, 0, 1)));
	raw_fails(&cli, &send, -ENOBUFS, IPCBUS_STAGE_TARGET, 0);
	send.kind = IPCBUS_SEND_ONEWAY;
	raw_fails(&cli, &send, -ENOBUFS, IPCBUS_STAGE_TARGET, 0);
	raw_none(&srv);
}
END_TEST

START_TEST(opened_and_closed_without_a_region)
{
	raw_close(&oth);
	for (int i = 0; i < 20; i++) {
		raw_open(&oth, 0);
		raw_close(&oth);
	}
}
END_TEST

/* Random structures with a right size: whatever comes back, nothing breaks. */
START_TEST(random_structures)
{
	static uint64_t words[512];
	uint32_t seed = 99 + _i;
	struct raw r;

	raw_open(&r, 65536);
	for (unsigned int round = 0; round < rounds(3000); round++) {
		const struct form *f = &forms[next_random(&seed) % ARRAY_SIZE(forms)];

		for (size_t i = 0; i < f->size / 8; i++) {
			uint32_t how = next_random(&seed) % 8;

			words[i] = how < 4 ? 0 : how < 6 ? next_random(&seed) % 4 :
				   how < 7 ? PTR64(words) : (uint64_t)next_random(&seed) << 32;
		}
		/* the size, and no sleep: the first two fields of an exchange */
		words[0] = (words[0] & ~0xffffffffULL) | f->size;
		if (f->cmd == IPCBUS_IOC_EXCHANGE)
			words[0] |= (uint64_t)IPCBUS_NONBLOCK << 32;
		dev_ioctl(r.fd, f->cmd, words);
	}
	raw_close(&r);
	for (;;) {
		struct ipcbus_event ev;

		assert_ok(raw_next(&srv, IPCBUS_SERVE | IPCBUS_NONBLOCK, &ev));
		if (ev.kind == IPCBUS_EVENT_NONE)
			break;
		raw_release(&srv, &ev);
	}
	raw_round_trip(&cli, 0, &srv, "still here", 10);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("abi");
	TCase *tc = add_case(s, "structures", setup_bus);
	int n = ARRAY_SIZE(forms);

	tcase_add_test(tc, info_says_what_there_is);
	tcase_add_loop_test(tc, short_structure, 0, n);
	tcase_add_loop_test(tc, longer_structure_with_a_zero_tail, 0, n);
	tcase_add_loop_test(tc, longer_structure_with_something_in_its_tail, 0, n);
	tcase_add_loop_test(tc, structure_larger_than_its_memory, 0, n);
	tcase_add_loop_test(tc, structure_from_nowhere, 0, n);
	tcase_add_loop_test(tc, structure_that_cannot_be_written, 0, 3);
	tcase_add_test(tc, replies_that_cannot_be_written);
	tcase_add_test(tc, unknown_ioctls);
	tcase_add_test(tc, size_in_the_number_does_not_count);
	tcase_add_loop_test(tc, random_structures, 0, 4);

	tc = add_case(s, "fields", setup_bus);
	tcase_add_loop_test(tc, exchange_field, 0, ARRAY_SIZE(fields));
	tcase_add_loop_test(tc, send_field, 0, ARRAY_SIZE(send_fields));
	tcase_add_test(tc, oneway_field);
	tcase_add_test(tc, reply_field);
	tcase_add_test(tc, cancel_field);
	tcase_add_test(tc, replacing_is_for_oneways);
	tcase_add_test(tc, parts_over_the_cap);
	tcase_add_test(tc, parts_from_nowhere);
	tcase_add_loop_test(tc, object_field, 0, ARRAY_SIZE(objects));
	tcase_add_test(tc, objects_from_nowhere);
	tcase_add_test(tc, event_is_output_only);
	tcase_add_test(tc, empty_exchange_does_nothing);
	tcase_add_test(tc, longer_exchange_works);
	tcase_add_test(tc, node_fields);
	tcase_add_test(tc, handle_fields_of_each_ioctl);
	tcase_add_test(tc, batch_fields);
	tcase_add_test(tc, freeze_fields);
	tcase_add_test(tc, threads_over_the_cap);

	tc = add_case(s, "no region", setup_bus);
	tcase_add_test(tc, sender_without_a_region);
	tcase_add_test(tc, receiver_without_a_region);
	tcase_add_test(tc, opened_and_closed_without_a_region);
	return suite_main(s);
}
