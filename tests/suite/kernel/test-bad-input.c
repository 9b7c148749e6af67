// SPDX-License-Identifier: MIT
/*
 * Invalid input, a row per case: a working request with a field out of range, and the
 * error that the contract names. After each row, no message was sent, no object was left, and
 * the unmodified request works. Wrong structure sizes are tried with all requests.
 */
#define _GNU_SOURCE
#include "requests.h"

#define PAGE 4096

/* --- Fields out of range -------------------------------------------------------- */

/* base: the structure that contains the field; NULL: the request's own structure */
static const struct row {
	enum request request;
	const char *field;
	void *base;
	size_t offset;
	size_t width;
	uint64_t value;
	int error;
	uint32_t stage;
	uint32_t index;
} rows[] = {
#define SIZE(type, f) sizeof(((struct ipcbus_##type *)0)->f)
#define AT(request, base, type, f, value, error, stage, index) \
	{ request, #f, base, offsetof(struct ipcbus_##type, f), SIZE(type, f), value, -(error), \
	  stage, index },
#define ROW(request, type, f, value, error) AT(request, NULL, type, f, value, error, 0, 0)
#define SEND(request, f, value, error) ROW(request, exchange, send.f, value, error)
#define LATE(request, f, value, error, stage) \
	AT(request, NULL, exchange, f, value, error, IPCBUS_STAGE_##stage, 0)
#define OBJECT(i, f, value, error) \
	AT(CALL, &there.objects[i], object, f, value, error, IPCBUS_STAGE_OBJECT, i) \
	AT(ONEWAY, &there.objects[i], object, f, value, error, IPCBUS_STAGE_OBJECT, i)

	/* An exchange with any kind of message */
#define EXCHANGE(request) \
	ROW(request, exchange, flags, IPCBUS_SERVE, EINVAL) \
	ROW(request, exchange, flags, IPCBUS_NONBLOCK, EINVAL) \
	ROW(request, exchange, flags, IPCBUS_WAIT | IPCBUS_NONBLOCK | IPCBUS_MORE, EINVAL) \
	ROW(request, exchange, flags, IPCBUS_WAIT | IPCBUS_NONBLOCK | 1U << 31, EINVAL) \
	ROW(request, exchange, release_count, IPCBUS_MAX_RELEASE + 1, E2BIG) \
	ROW(request, exchange, release_count, 0xffffffff, E2BIG) \
	LATE(request, release_count, 1, ENOENT, RELEASE) \
	LATE(request, release_count, 2, EFAULT, RELEASE) \
	ROW(request, exchange, release, 1, EINVAL) \
	SEND(request, kind, 5, EINVAL) \
	SEND(request, kind, 0xffffffff, EINVAL) \
	SEND(request, flags, 1U << 16, EINVAL) \
	SEND(request, flags, 1U << 31, EINVAL) \
	SEND(request, object_count, IPCBUS_MAX_OBJECTS + 1, E2BIG) \
	SEND(request, object_count, 0xffffffff, E2BIG) \
	SEND(request, object_count, 0x08000001, E2BIG) /* times 32 overflows to 32 in 32 bits */
	EXCHANGE(CALL)
	EXCHANGE(ONEWAY)
	EXCHANGE(PARTS)
	EXCHANGE(REPLY)
	EXCHANGE(ERROR)

	/* Requests */
	SEND(CALL, kind, IPCBUS_SEND_NONE, EINVAL)
	SEND(CALL, kind, IPCBUS_SEND_ONEWAY, EINVAL) /* with a cookie */
	SEND(CALL, kind, IPCBUS_SEND_REPLY, EINVAL)
	SEND(CALL, flags, IPCBUS_SEND_REPLACE, EINVAL)
	LATE(CALL, send.flags, IPCBUS_SEND_IOV, EINVAL, COPY) /* without parts */
	LATE(CALL, send.call, NOT_THERE, ESRCH, QUEUE)
	LATE(CALL, send.call, ~0ULL, ESRCH, QUEUE)
	SEND(CALL, iov_count, 1, EINVAL)
	LATE(CALL, send.handle, NOT_THERE, EBADF, TARGET)
	LATE(CALL, send.handle, 0x80000000, EBADF, TARGET)
	LATE(CALL, send.handle, 0xffffffff, EBADF, TARGET)
	LATE(CALL, send.data_size, REGION, EMSGSIZE, BUFFER) /* the limit includes the objects */
	LATE(CALL, send.data_size, REGION + 1, EMSGSIZE, BUFFER)
	LATE(CALL, send.data_size, IPCBUS_MAX_REGION, EMSGSIZE, BUFFER)
	LATE(CALL, send.data_size, 1ULL << 32, EMSGSIZE, BUFFER)
	LATE(CALL, send.data_size, 1ULL << 63, EMSGSIZE, BUFFER)
	LATE(CALL, send.data_size, ~0ULL, EMSGSIZE, BUFFER)
	LATE(CALL, send.deadline, 1, ETIMEDOUT, QUEUE)
	SEND(ONEWAY, flags, IPCBUS_SEND_ACCEPT_FDS, EINVAL)
	SEND(ONEWAY, flags, IPCBUS_SEND_ASYNC, EINVAL)
	SEND(ONEWAY, flags, IPCBUS_SEND_DETACHED, EINVAL)
	SEND(ONEWAY, call, 1, EINVAL)
	SEND(ONEWAY, deadline, 1, EINVAL)
	SEND(ONEWAY, deadline, ~0ULL, EINVAL)
	SEND(ONEWAY, cookie, 1, EINVAL)
	SEND(ONEWAY, cookie, 1ULL << 63, EINVAL)
	SEND(ONEWAY, iov_count, 1, EINVAL)
	LATE(ONEWAY, send.handle, NOT_THERE, EBADF, TARGET)
	LATE(ONEWAY, send.data_size, REGION / 2 + 1, EMSGSIZE, BUFFER)
	LATE(ONEWAY, send.data_size, ~0ULL, EMSGSIZE, BUFFER)

	/* Parts */
	LATE(PARTS, send.iov_count, 0, EINVAL, COPY)
	AT(PARTS, NULL, exchange, send.iov_count, 2, EINVAL, IPCBUS_STAGE_COPY, 2)
	SEND(PARTS, iov_count, IPCBUS_MAX_IOV + 1, E2BIG)
	SEND(PARTS, iov_count, 0x10000001, E2BIG)
	SEND(PARTS, iov_count, 0xffffffff, E2BIG)
	AT(PARTS, NULL, exchange, send.data_size, 15, EINVAL, IPCBUS_STAGE_COPY, 2)
	AT(PARTS, NULL, exchange, send.data_size, 17, EINVAL, IPCBUS_STAGE_COPY, 3)
	LATE(PARTS, send.data_size, 0, EINVAL, COPY)
	AT(PARTS, &there.parts[2], iovec, size, 5, EINVAL, IPCBUS_STAGE_COPY, 3)
	AT(PARTS, &there.parts[2], iovec, size, 7, EINVAL, IPCBUS_STAGE_COPY, 2)
	AT(PARTS, &there.parts[0], iovec, size, 17, EINVAL, IPCBUS_STAGE_COPY, 0)
	AT(PARTS, &there.parts[0], iovec, size, 1ULL << 63, EINVAL, IPCBUS_STAGE_COPY, 0)
	AT(PARTS, &there.parts[1], iovec, size, ~0ULL, EINVAL, IPCBUS_STAGE_COPY, 1)
	AT(PARTS, &there.parts[1], iovec, size, ~0ULL - 9, EINVAL, IPCBUS_STAGE_COPY, 1)

	/* Objects */
	OBJECT(0, type, 0, EINVAL)
	OBJECT(0, type, 4, EINVAL)
	OBJECT(1, type, 0x80000003, EINVAL)
	OBJECT(2, type, 0xffffffff, EINVAL)
	OBJECT(0, flags, 1, EINVAL)
	OBJECT(1, flags, 1U << 31, EINVAL)
	OBJECT(2, flags, 0xffffffff, EINVAL)
	OBJECT(0, cookie, 1, EINVAL)
	OBJECT(1, cookie, 1ULL << 63, EINVAL)
	OBJECT(2, cookie, 1ULL << 32, EINVAL)
	OBJECT(0, value, 0, EBADF)
	OBJECT(0, value, NOT_THERE, EBADF)
	OBJECT(0, value, 1ULL << 32 | 1, EBADF)
	OBJECT(0, value, ~0ULL, EBADF)
	OBJECT(1, value, NOT_THERE, EBADF)
	OBJECT(1, value, 1ULL << 32, EBADF)
	OBJECT(1, value, ~0ULL, EBADF)
	OBJECT(2, value, 900, EBADF)
	OBJECT(2, value, 0x80000000, EBADF)
	OBJECT(2, value, 0xffffffff, EBADF)
	OBJECT(2, value, 1ULL << 32 | 1, EBADF)
	OBJECT(2, value, ~0ULL, EBADF)
	AT(CALL, NULL, exchange, send.object_count, 4, EINVAL, IPCBUS_STAGE_OBJECT, 3)

	/* Replies */
#define FINISH(request) \
	LATE(request, send.call, 0, ESRCH, TARGET) \
	LATE(request, send.call, NOT_THERE, ESRCH, TARGET) \
	LATE(request, send.call, ~0ULL, ESRCH, TARGET) \
	SEND(request, handle, 1, EINVAL) \
	SEND(request, deadline, 1, EINVAL) \
	SEND(request, cookie, 1, EINVAL) \
	SEND(request, iov_count, 1, EINVAL) \
	SEND(request, flags, IPCBUS_SEND_ACCEPT_FDS, EINVAL) \
	SEND(request, flags, IPCBUS_SEND_ASYNC, EINVAL) \
	SEND(request, flags, IPCBUS_SEND_DETACHED, EINVAL) \
	SEND(request, flags, IPCBUS_SEND_REPLACE, EINVAL) \
	LATE(request, send.data_size, REGION + 1, EMSGSIZE, BUFFER) \
	LATE(request, send.data_size, ~0ULL, EMSGSIZE, BUFFER) \
	AT(request, &there.in_reply, object, type, 0, EINVAL, IPCBUS_STAGE_OBJECT, 0) \
	AT(request, &there.in_reply, object, type, IPCBUS_OBJECT_FD, EPERM, \
	   IPCBUS_STAGE_OBJECT, 0) \
	AT(request, &there.in_reply, object, value, NOT_THERE, EBADF, IPCBUS_STAGE_OBJECT, 0)
	FINISH(REPLY)
	FINISH(ERROR)
	SEND(REPLY, kind, IPCBUS_SEND_ERROR, EINVAL) /* 0 is not an errno */
	SEND(REPLY, code, 1, EINVAL)
	SEND(ERROR, kind, IPCBUS_SEND_REPLY, EINVAL)
	SEND(ERROR, code, 0, EINVAL)
	SEND(ERROR, code, 4096, EINVAL)
	SEND(ERROR, code, 0xffffffff, EINVAL)

	/* Releasing */
	LATE(GIVE_ONE, release, 0, ENOENT, RELEASE)
	LATE(GIVE_ONE, release, NOT_THERE, ENOENT, RELEASE)
	LATE(GIVE_ONE, release, ~0ULL, ENOENT, RELEASE)
	ROW(GIVE_ONE, exchange, release_count, 0, EINVAL)
	LATE(GIVE_ONE, release_count, 2, EFAULT, RELEASE) /* an id is not an address */
	SEND(GIVE_ONE, data_size, 1, EINVAL) /* with kind NONE */
	SEND(WAIT, flags, IPCBUS_SEND_CLEAR, EINVAL)
	SEND(WAIT, flags, IPCBUS_SEND_REPLACE, EINVAL)
	SEND(WAIT, handle, 1, EINVAL)
	SEND(WAIT, code, 1, EINVAL)
	SEND(WAIT, call, 1, EINVAL)
	SEND(WAIT, data, PAGE, EINVAL)
	SEND(WAIT, iov_count, 1, EINVAL)
	SEND(WAIT, object_count, 1, EINVAL)
	SEND(WAIT, objects, PAGE, EINVAL)
	SEND(WAIT, deadline, 1, EINVAL)
	SEND(WAIT, cookie, 1ULL << 63, EINVAL)

	/* A batch */

	/* Nodes */
	ROW(NODE_CREATE, node, flags, IPCBUS_NODE_IF_IDLE, EINVAL)
	ROW(NODE_CREATE, node, flags, 1U << 31, EINVAL)
	ROW(NODE_CREATE, node, node, 1, EINVAL)
	ROW(NODE_CREATE, node, sched_policy, 1, EINVAL)
	ROW(NODE_CREATE, node, priority, 1, EINVAL)
	ROW(NODE_CREATE, node, priority, -1, EINVAL)
	ROW(NODE_PRIORITY, node, flags, 0, EINVAL)
	ROW(NODE_PRIORITY, node, sched_policy, SCHED_BATCH, EINVAL)
	ROW(NODE_PRIORITY, node, sched_policy, SCHED_IDLE, EINVAL)
	ROW(NODE_PRIORITY, node, sched_policy, 6 /* SCHED_DEADLINE */, EINVAL)
	ROW(NODE_PRIORITY, node, sched_policy, 7, EINVAL)
	ROW(NODE_PRIORITY, node, sched_policy, 0x40000001, EINVAL) /* SCHED_RESET_ON_FORK */
	ROW(NODE_PRIORITY, node, priority, 20, EINVAL)
	ROW(NODE_PRIORITY, node, priority, -21, EINVAL)
	ROW(NODE_PRIORITY, node, priority, 0x80000000, EINVAL)
	ROW(NODE_REALTIME, node, priority, 0, EINVAL)
	ROW(NODE_REALTIME, node, priority, 100, EINVAL)
	ROW(NODE_REALTIME, node, priority, -1, EINVAL)
#define OWN(request) \
	ROW(request, node, flags, IPCBUS_NODE_ACCEPT_FDS, EINVAL) \
	ROW(request, node, flags, 1U << 31, EINVAL) \
	ROW(request, node, cookie, 1, EINVAL) \
	ROW(request, node, sched_policy, 1, EINVAL) \
	ROW(request, node, priority, 1, EINVAL) \
	ROW(request, node, node, 0, ENOENT) \
	ROW(request, node, node, NOT_THERE, ENOENT) \
	ROW(request, node, node, 1ULL << 32 | 1, ENOENT) \
	ROW(request, node, node, ~0ULL, ENOENT)
	OWN(NODE_DESTROY)
	OWN(SET_MANAGER)
	ROW(SET_MANAGER, node, flags, IPCBUS_NODE_IF_IDLE, EINVAL)
#define NODE_OUT(f) \
	ROW(NODE_INFO, node_info, f, 1, EINVAL)
	NODE_OUT(flags)
	NODE_OUT(cookie)
	NODE_OUT(refs)
	NODE_OUT(pending)
	NODE_OUT(oneways)
	NODE_OUT(watches)
	ROW(NODE_INFO, node_info, node, 0, ENOENT)
	ROW(NODE_INFO, node_info, node, NOT_THERE, ENOENT)
	ROW(NODE_INFO, node_info, node, ~0ULL, ENOENT)

	/* Handles */
	ROW(HANDLE_PUT, handle, handle, 0, EBADF)
	ROW(HANDLE_PUT, handle, handle, NOT_THERE, EBADF)
	ROW(HANDLE_PUT, handle, handle, 0xffffffff, EBADF)
	ROW(HANDLE_PUT, handle, count, 0, EINVAL)
	ROW(HANDLE_PUT, handle, count, 2, EBADF) /* more references than it has */
	ROW(HANDLE_PUT, handle, count, 0xffffffff, EBADF)
	ROW(HANDLE_PUT, handle, flags, IPCBUS_WATCH_MANAGER, EINVAL)
	ROW(HANDLE_PUT, handle, cookie, 1, EINVAL)
	ROW(WATCH, handle, handle, NOT_THERE, EBADF)
	ROW(WATCH, handle, handle, 0xffffffff, EBADF)
	ROW(WATCH, handle, count, 1, EINVAL)
	ROW(WATCH, handle, flags, IPCBUS_WATCH_MANAGER, EINVAL) /* for a handle other than 0 */
	ROW(WATCH, handle, flags, 1U << 31, EINVAL)
	ROW(UNWATCH, handle, handle, NOT_THERE, EBADF)
	ROW(UNWATCH, handle, handle, 0, ENOENT)
	ROW(UNWATCH, handle, count, 1, EINVAL)
	ROW(UNWATCH, handle, flags, IPCBUS_WATCH_MANAGER, EINVAL)
	ROW(UNWATCH, handle, cookie, 1, EINVAL)

	/* Threads, calls, senders, monitors */
	ROW(CANCEL, cancel, flags, 1, EINVAL)
	ROW(CANCEL, cancel, flags, 1U << 31, EINVAL)
	ROW(CANCEL, cancel, cookie, 0, EINVAL)
	ROW(CANCEL, cancel, cookie, NOT_THERE, ENOENT)
	ROW(CALL_INFO, call_info, flags, 1, EINVAL)
	ROW(CALL_INFO, call_info, deadline, 1, EINVAL)
	ROW(CALL_INFO, call_info, call, 0, ESRCH)
	ROW(CALL_INFO, call_info, call, NOT_THERE, ESRCH)
	ROW(CALL_INFO, call_info, call, ~0ULL, ESRCH)
	ROW(CALLER, sender_info, flags, 1, EINVAL)
	ROW(CALLER, sender_info, pid, 1, EINVAL)
	ROW(CALLER, sender_info, reserved, 1, EINVAL)
	ROW(CALLER, sender_info, call, 0, EINVAL)
	ROW(CALLER, sender_info, call, NOT_THERE, ESRCH)
	ROW(CALLER, sender_info, buffer, 1, EINVAL) /* both are set */
	ROW(SENDER, sender_info, buffer, 0, EINVAL)
	ROW(SENDER, sender_info, buffer, NOT_THERE, ENOENT)
	ROW(SENDER, sender_info, buffer, ~0ULL, ENOENT)
	ROW(MONITOR, monitor, flags, 0, EINVAL) /* no flags, and no buffer size */
	ROW(MONITOR, monitor, flags, 1U << 31, EINVAL)
	ROW(MONITOR, monitor, pid, 0x7fffffff, ESRCH)
	ROW(MONITOR, monitor, pid, 0xffffffff, ESRCH)
	ROW(QUERY, freeze, flags, IPCBUS_FREEZE_QUERY | IPCBUS_FREEZE_THAW, EINVAL)
	ROW(QUERY, freeze, flags, 1U << 31, EINVAL)
	ROW(QUERY, freeze, timeout_ms, 1, EINVAL)
	ROW(QUERY, freeze, pid, 0, ESRCH)
	ROW(QUERY, freeze, pid, 0x7fffffff, ESRCH)
	ROW(QUERY, freeze, pid, 0x80000000, ESRCH)
	ROW(QUERY, freeze, pid, 0xffffffff, ESRCH)
};

static void check_stage(const struct row *row, const union any *a)
{
	const struct ipcbus_event *ev = &a->exchange.event;

	if (row->stage) {
		ck_assert_msg(ev->kind == IPCBUS_EVENT_FAILED && ev->stage == row->stage &&
				      ev->index == row->index,
			      "%s of %s = %#llx: event %u, stage %u, index %u", row->field,
			      requests[row->request].name, (unsigned long long)row->value,
			      ev->kind, ev->stage, ev->index);
	}
}

static void try_row(const struct row *row)
{
	union any a;
	char *field;
	uint64_t was = 0;
	int r;

	make(row->request, &a);
	field = (char *)(row->base ? row->base : &a) + row->offset;
	memcpy(&was, field, row->width);
	set_field(field, row->width, row->value);
	r = issue(row->request, &a);
	ck_assert_msg(r == row->error, "%s of %s = %#llx: %s, wanted %s", row->field,
		      requests[row->request].name, (unsigned long long)row->value, errname(r),
		      errname(row->error));
	check_stage(row, &a);
	if (row->base)
		memcpy(field, &was, row->width);
	expect_untouched(row->field);
}

/* All rows of a request. Afterwards the unmodified request works. */
START_TEST(fields_out_of_range)
{
	int fds = count_fds();
	union any a;

	/* From now on the driver knows the sender as a thread. */
	none_for_anybody();
	count_all();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].request == (enum request)_i)
			try_row(&rows[i]);
	none_for_anybody();
	ck_assert_int_eq(count_fds(), fds);
	make(_i, &a);
	assert_result(issue(_i, &a), requests[_i].result);
}
END_TEST

/* --- Bytes without a meaning ------------------------------------------------------ */

/*
 * The fields in which a request may have any value. All other bytes must be zero, so that a later
 * version of the driver can use them. A new field is an entry here, or the driver checks it.
 */
static const struct meaning {
	unsigned long long requests; /* a bit for each */
	size_t offset;
	size_t size;
} meanings[] = {
#define BIT(request) (1ULL << (request))
#define MESSAGES (BIT(CALL) | BIT(ONEWAY) | BIT(PARTS) | BIT(REPLY) | BIT(ERROR))
#define EXCHANGES (MESSAGES | BIT(GIVE_ONE) | BIT(GIVE_ARRAY) | BIT(WAIT))
#define NODES (BIT(NODE_CREATE) | BIT(NODE_PRIORITY) | BIT(NODE_REALTIME))
#define OF(requests, type, f) { requests, offsetof(struct ipcbus_##type, f), SIZE(type, f) }
	OF(EXCHANGES, exchange, thread),
	OF(EXCHANGES, exchange, release_count),
	OF(EXCHANGES, exchange, event),
	/* Without IPCBUS_MORE: see test-more.c. */
	OF(EXCHANGES, exchange, more),
	OF(EXCHANGES, exchange, more_count),
	OF(EXCHANGES, exchange, reserved),
	OF(BIT(GIVE_ONE) | BIT(GIVE_ARRAY), exchange, release),
	OF(MESSAGES, exchange, send.data),
	OF(MESSAGES, exchange, send.data_size),
	OF(MESSAGES, exchange, send.objects),
	OF(MESSAGES, exchange, send.object_count),
	OF(BIT(PARTS), exchange, send.iov_count),
	OF(BIT(CALL) | BIT(ONEWAY) | BIT(PARTS), exchange, send.handle),
	OF(BIT(CALL) | BIT(ONEWAY) | BIT(PARTS), exchange, send.code),
	OF(MESSAGES & ~BIT(ONEWAY), exchange, send.call),
	OF(BIT(CALL) | BIT(PARTS), exchange, send.deadline),
	OF(BIT(CALL) | BIT(PARTS), exchange, send.cookie),
	OF(NODES, node, cookie),
	OF(BIT(NODE_DESTROY) | BIT(SET_MANAGER), node, node),
	OF(BIT(NODE_INFO), node_info, node),
	OF(BIT(HANDLE_PUT) | BIT(WATCH) | BIT(UNWATCH), handle, handle),
	OF(BIT(HANDLE_PUT), handle, count),
	OF(BIT(WATCH), handle, cookie),
	OF(BIT(CANCEL), cancel, cookie),
	OF(BIT(CALL_INFO), call_info, call),
	OF(BIT(CALLER), sender_info, call),
	OF(BIT(SENDER), sender_info, buffer),
	OF(BIT(MONITOR), monitor, pid),
	OF(BIT(MONITOR), monitor, max_data),
	OF(BIT(QUERY), freeze, pid),
	/* Outputs that are not read */
	OF(BIT(QUERY), freeze, received),
	OF(BIT(QUERY), freeze, pending),
	{ BIT(INFO), sizeof(uint32_t), sizeof(struct ipcbus_info) - sizeof(uint32_t) },
};

static bool has_meaning(enum request which, size_t offset)
{
	for (size_t i = 0; i < ARRAY_SIZE(meanings); i++)
		if (meanings[i].requests & BIT(which) &&
		    offset - meanings[i].offset < meanings[i].size)
			return true;
	return false;
}

/* Flags and kinds have a meaning, but not with the highest bit of a byte. */
START_TEST(bytes_without_a_meaning)
{
	union any a;
	uint8_t *bytes = (uint8_t *)&a;
	size_t tried = 0;
	int r;

	none_for_anybody();
	count_all();
	for (size_t i = sizeof(uint32_t); i < requests[_i].size; i++) {
		make(_i, &a);
		if (bytes[i] || has_meaning(_i, i))
			continue;
		bytes[i] = 0x80;
		r = issue(_i, &a);
		ck_assert_msg(r == -EINVAL, "byte %zu of %s: %s, wanted EINVAL", i,
			      requests[_i].name, errname(r));
		tried++;
	}
	ck_assert_msg(tried >= 2 || _i == INFO, "only %zu bytes of %s", tried, requests[_i].name);
	expect_untouched("bytes without a meaning");
}
END_TEST

/* --- Structures of other versions ------------------------------------------------ */

static char page[2 * PAGE];

static void try_size(enum request which, uint32_t size, int error)
{
	memcpy(page, &size, sizeof(size));
	assert_result(issue(which, page), error);
	expect_untouched(requests[which].name);
}

/* A structure from a newer header works if the additional bytes are zero. */
START_TEST(other_sizes)
{
	uint32_t size = requests[_i].size;
	const uint32_t short_ones[] = { 0, 1, size - 8, size - 1 };
	const uint32_t large_ones[] = { PAGE + 1, 2 * PAGE, 0x80000000, 0xffffffff };
	const uint32_t longer_ones[] = { size + 1, size + 8, size + 1000, 4000 };
	union any a;

	none_for_anybody();
	count_all();
	make(_i, &a);
	memcpy(page, &a, size);
	for (size_t i = 0; i < 4; i++) {
		try_size(_i, short_ones[i], -EINVAL);
		try_size(_i, large_ones[i], -E2BIG);
		page[longer_ones[i] - 1] = 1;
		try_size(_i, longer_ones[i], -E2BIG);
		page[longer_ones[i] - 1] = 0;
		page[size] = 1;
		try_size(_i, longer_ones[i], -E2BIG);
		page[size] = 0;
	}
	memcpy(page, &longer_ones[_i % 4], sizeof(uint32_t));
	assert_result(issue(_i, page), requests[_i].result);
	for (size_t i = size; i < sizeof(page); i++)
		ck_assert_int_eq(page[i], 0);
}
END_TEST

/* Random structures with a correct size: any result is allowed, but no damage. */
START_TEST(random_structures)
{
	static uint64_t words[512];
	struct ipcbus_event ev;
	uint32_t seed = 99 + _i;
	struct raw r;

	raw_open(&r, 65536);
	for (unsigned int round = 0; round < rounds(3000); round++) {
		size_t which = next_random(&seed) % REQUESTS;

		for (size_t i = 0; i < requests[which].size / 8; i++) {
			uint32_t how = next_random(&seed) % 8;

			words[i] = how < 4 ? 0 : how < 6 ? next_random(&seed) % 4 :
				   how < 7 ? PTR64(words) : (uint64_t)next_random(&seed) << 32;
		}
		/* Keep the size and forbid sleeping: the first two fields of an exchange. */
		words[0] = (words[0] & ~0xffffffffULL) | requests[which].size;
		if (requests[which].cmd == IPCBUS_IOC_EXCHANGE)
			words[0] |= (uint64_t)IPCBUS_NONBLOCK << 32;
		dev_ioctl(r.fd, requests[which].cmd, words);
	}
	raw_close(&r);
	for (;;) {
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
	Suite *s = suite_create("bad-input");
	TCase *tc = add_case(s, "fields", setup_there);

	tcase_add_loop_test(tc, fields_out_of_range, 0, REQUESTS);
	tcase_add_loop_test(tc, bytes_without_a_meaning, 0, REQUESTS);
	tcase_add_loop_test(tc, other_sizes, 0, REQUESTS);

	tc = add_case(s, "random", setup_bus);
	tcase_add_loop_test(tc, random_structures, 0, 4);
	return suite_main(s);
}
