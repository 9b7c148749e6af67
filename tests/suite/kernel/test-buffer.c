// SPDX-License-Identifier: MIT
/*
 * Buffers: release by id, several at once, wrong ids; a region that is full and recovers; and
 * a model that is compared with the driver step by step.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fixture.h"

#define SMALL_REGION 65536

/* A call from @from that is taken and replied to at once: only its buffer remains. */
static void hold(const struct raw *from, const void *data, size_t size, struct ipcbus_event *ev)
{
	struct ipcbus_event reply;

	raw_call(from, 0, 1, data, size);
	raw_take(&srv, IPCBUS_EVENT_CALL, ev);
	raw_reply(&srv, ev->call, NULL, 0);
	raw_take(from, IPCBUS_EVENT_REPLY, &reply);
	raw_release(from, &reply);
}

static int free_many(const struct raw *r, const uint64_t *ids, uint32_t n,
		     struct ipcbus_event *ret)
{
	struct ipcbus_exchange x = { .release_count = n, .release = PTR64(ids) };
	int e = raw_exchange(r, &x);

	*ret = x.event;
	return e;
}

START_TEST(old_id_after_the_place_was_reused)
{
	struct ipcbus_event first, second;

	hold(&cli, "first", 5, &first);
	raw_release(&srv, &first);
	assert_result(raw_free(&srv, first.buffer), -ESTALE);
	hold(&cli, "again", 5, &second);
	ck_assert_uint_ne(first.buffer, second.buffer);
	assert_result(raw_free(&srv, first.buffer), -ESTALE);
	raw_holds(&srv, &second, "again", 5);
	raw_release(&srv, &second);
}
END_TEST

START_TEST(id_that_never_was)
{
	static const uint64_t ids[] = { 0, 1, 2, 77, 1ULL << 31, 1ULL << 32, 1ULL << 63, ~0ULL };
	struct ipcbus_exchange x = { .release_count = 1, .release = ids[_i] };

	assert_result(raw_exchange(&srv, &x), -ENOENT);
	ck_assert_uint_eq(x.event.kind, IPCBUS_EVENT_FAILED);
	ck_assert_uint_eq(x.event.stage, IPCBUS_STAGE_RELEASE);
	ck_assert_uint_eq(x.event.index, 0);
}
END_TEST

START_TEST(id_before_delivery)
{
	struct ipcbus_event ev;
	uint64_t next;

	/* The next id, if ids were counted up in place. */
	hold(&cli, "x", 1, &ev);
	next = ev.buffer + (1ULL << 32);
	raw_release(&srv, &ev);
	raw_call(&cli, 0, 1, "y", 1);
	assert_result(raw_free(&srv, next), -ENOENT);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_holds(&srv, &ev, "y", 1);
	raw_release(&srv, &ev);
}
END_TEST

START_TEST(id_of_another_proc)
{
	struct ipcbus_event ev;
	int r;

	hold(&cli, "x", 1, &ev);
	r = raw_free(&cli, ev.buffer);
	ck_assert_msg(r == -ENOENT || r == -ESTALE, "%s", errname(r));
	r = raw_free(&oth, ev.buffer);
	ck_assert_msg(r == -ENOENT || r == -ESTALE, "%s", errname(r));
	raw_holds(&srv, &ev, "x", 1);
	raw_release(&srv, &ev);
}
END_TEST

/* Ids of a receiver start at random, and its numbers count only its own calls. */
START_TEST(ids_and_numbers_tell_nothing)
{
	struct ipcbus_object o = object_node(raw_node(&cli, 0, 7));
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .objects = PTR64(&o), .object_count = 1,
	};
	struct ipcbus_event call, other, reply, again;
	uint32_t handle;

	hold(&cli, "first", 5, &call);
	assert_ok(raw_send(&cli, &send, NULL));
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &other);
	handle = raw_objects(&srv, &other)[0].value;
	raw_release(&srv, &other);
	raw_call(&srv, handle, 1, "other", 5);
	raw_take(&cli, IPCBUS_EVENT_CALL, &other);
	ck_assert_uint_ne(other.buffer >> 32, call.buffer >> 32);
	raw_release(&cli, &other);
	raw_reply(&cli, other.call, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_REPLY, &reply);
	raw_release(&srv, &reply);
	hold(&cli, "again", 5, &again);
	ck_assert_uint_eq(again.call, call.call + 1);
	raw_release(&srv, &call);
	raw_release(&srv, &again);
	assert_ok(raw_put(&srv, handle, 1));
	raw_take(&cli, IPCBUS_EVENT_IDLE, &other);
}
END_TEST

START_TEST(id_without_a_region)
{
	struct raw r;

	raw_open(&r, 0);
	assert_result(raw_free(&r, 0), -ENOENT);
	assert_result(raw_free(&r, 1ULL << 32), -ENOENT);
	raw_close(&r);
}
END_TEST

START_TEST(many_at_once)
{
	static struct ipcbus_event ev[IPCBUS_MAX_RELEASE], failure;
	static uint64_t ids[IPCBUS_MAX_RELEASE];

	for (int i = 0; i < IPCBUS_MAX_RELEASE; i++) {
		hold(&cli, &i, sizeof(i), &ev[i]);
		ids[i] = ev[i].buffer;
	}
	assert_ok(free_many(&srv, ids, IPCBUS_MAX_RELEASE, &failure));
	for (int i = 0; i < IPCBUS_MAX_RELEASE; i++)
		assert_result(raw_free(&srv, ids[i]), -ESTALE);
}
END_TEST

/* If an id in the middle is wrong, only the buffers before it are released. */
START_TEST(bad_id_among_many)
{
	struct ipcbus_event ev[6], failure;
	uint64_t ids[6];

	for (int i = 0; i < 6; i++) {
		hold(&cli, &i, sizeof(i), &ev[i]);
		ids[i] = ev[i].buffer;
	}
	ids[_i] = 0;
	assert_result(free_many(&srv, ids, 6, &failure), -ENOENT);
	ck_assert_uint_eq(failure.stage, IPCBUS_STAGE_RELEASE);
	ck_assert_uint_eq(failure.index, _i);
	for (int i = 0; i < 6; i++)
		assert_result(raw_free(&srv, ev[i].buffer), i < _i ? -ESTALE : 0);
}
END_TEST

START_TEST(same_id_twice_at_once)
{
	struct ipcbus_event ev, failure;
	uint64_t ids[2];

	hold(&cli, "x", 1, &ev);
	ids[0] = ids[1] = ev.buffer;
	assert_result(free_many(&srv, ids, 2, &failure), -ESTALE);
	ck_assert_uint_eq(failure.index, 1);
}
END_TEST

START_TEST(ids_from_nowhere)
{
	uint64_t *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			      -1, 0);
	struct ipcbus_event ev, failure;

	mprotect(page + 512, 4096, PROT_NONE);
	hold(&cli, "x", 1, &ev);
	page[511] = ev.buffer;
	assert_result(free_many(&srv, page + 511, 3, &failure), -EFAULT);
	ck_assert_uint_eq(failure.stage, IPCBUS_STAGE_RELEASE);
	ck_assert_uint_le(failure.index, 1);
	assert_result(free_many(&srv, (void *)8, 2, &failure), -EFAULT);
	raw_free(&srv, ev.buffer);
}
END_TEST

/* If the release fails, the message is not sent. */
START_TEST(bad_free_sends_nothing)
{
	struct ipcbus_exchange x = {
		.release_count = 1, .release = 4711,
		.send = { .kind = IPCBUS_SEND_CALL, .data = PTR64("x"), .data_size = 1 },
	};

	assert_result(raw_exchange(&cli, &x), -ENOENT);
	raw_none(&srv);
	raw_none(&cli);
}
END_TEST

START_TEST(random_ids)
{
	struct ipcbus_event ev[16];
	uint32_t seed = 31337 + _i;

	for (size_t i = 0; i < ARRAY_SIZE(ev); i++)
		hold(&cli, &i, sizeof(i), &ev[i]);
	for (unsigned int i = 0; i < rounds(20000); i++) {
		uint64_t id = ev[next_random(&seed) % ARRAY_SIZE(ev)].buffer;
		int r;

		/* ids with a wrong bit, and random numbers */
		id ^= 1ULL << next_random(&seed) % 64;
		if (next_random(&seed) % 4 == 0)
			id = (uint64_t)next_random(&seed) << 32 | next_random(&seed) % 64;
		for (size_t k = 0; k < ARRAY_SIZE(ev); k++)
			if (id == ev[k].buffer)
				id = 0;
		r = raw_free(&srv, id);
		ck_assert(r == -ENOENT || r == -ESTALE);
	}
	for (size_t i = 0; i < ARRAY_SIZE(ev); i++) {
		raw_holds(&srv, &ev[i], &i, sizeof(i));
		raw_release(&srv, &ev[i]);
	}
}
END_TEST

/* A full region */

static void setup_small(void)
{
	setup_bare();
	raw_open(&srv, SMALL_REGION);
	raw_open(&cli, REGION);
	raw_open(&oth, REGION);
	srv_node = raw_node(&srv, 0, SRV_COOKIE);
	assert_ok(raw_claim(&srv, srv_node));
}

START_TEST(full_region_recovers)
{
	static char data[SMALL_REGION];
	struct ipcbus_event held[20];
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .data = PTR64(data), .data_size = 10000,
	};
	int n = 0;

	for (int round = 0; round < 3; round++) {
		for (n = 0; n < 6; n++) {
			memset(data, 'a' + n, sizeof(data));
			hold(&cli, data, send.data_size, &held[n]);
		}
		raw_fails(&cli, &send, -ENOSPC, IPCBUS_STAGE_BUFFER, 0);
		raw_none(&srv);
		for (int i = 0; i < n; i++) {
			memset(data, 'a' + i, sizeof(data));
			raw_holds(&srv, &held[i], data, send.data_size);
		}
		raw_release(&srv, &held[round]);
		hold(&oth, data, send.data_size, &held[round]);
		raw_fails(&cli, &send, -ENOSPC, IPCBUS_STAGE_BUFFER, 0);
		while (n--)
			raw_release(&srv, &held[n]);
		/* All space is contiguous again. */
		hold(&cli, data, SMALL_REGION, &held[0]);
		raw_release(&srv, &held[0]);
	}
}
END_TEST

START_TEST(undelivered_messages_fill_the_region)
{
	static char data[20000];
	struct raw callers[4];
	struct ipcbus_event ev;
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .data = PTR64(data), .data_size = sizeof(data),
	};

	for (int i = 0; i < 4; i++)
		raw_open(&callers[i], 4096);
	for (int i = 0; i < 3; i++)
		assert_ok(raw_send(&callers[i], &send, NULL));
	raw_fails(&callers[3], &send, -ENOSPC, IPCBUS_STAGE_BUFFER, 0);
	/* A call canceled by its sender's death frees its space when it leaves the queue. */
	for (int i = 0; i < 3; i++) {
		raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
		raw_release(&srv, &ev);
		raw_reply(&srv, ev.call, NULL, 0);
	}
	assert_ok(raw_send(&callers[3], &send, NULL));
	for (int i = 0; i < 4; i++)
		raw_close(&callers[i]);
}
END_TEST

/* The caller's region is full: the server gets an error, and may send a smaller reply. */
START_TEST(full_region_of_the_caller)
{
	static char data[3000];
	struct raw caller;
	struct ipcbus_event ev, reply;
	uint64_t call;

	raw_open(&caller, 4096);
	raw_call(&caller, 0, 1, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_reply(&srv, ev.call, data, sizeof(data));
	raw_take(&caller, IPCBUS_EVENT_REPLY, &reply);

	raw_call(&caller, 0, 1, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	call = ev.call;
	raw_fails(&srv, &(struct ipcbus_send){ .kind = IPCBUS_SEND_REPLY, .call = call,
					       .data = PTR64(data), .data_size = sizeof(data) },
		  -ENOSPC, IPCBUS_STAGE_BUFFER, 0);
	raw_error(&srv, call, ENOSPC, NULL, 0);
	raw_take(&caller, IPCBUS_EVENT_ERROR, &ev);
	ck_assert_int_eq(ev.error, -ENOSPC);
	raw_release(&caller, &reply);
	raw_close(&caller);
}
END_TEST

START_TEST(failed_sends_take_no_space)
{
	struct ipcbus_send bad = { .kind = IPCBUS_SEND_CALL, .data = 8, .data_size = 30000 };
	struct ipcbus_event ev;
	static char data[SMALL_REGION];

	for (int i = 0; i < 500; i++)
		raw_fails(&cli, &bad, -EFAULT, IPCBUS_STAGE_COPY, 0);
	hold(&cli, data, SMALL_REGION, &ev);
	raw_release(&srv, &ev);
}
END_TEST

START_TEST(limit_on_buffers)
{
	uint32_t max = raw_info(&srv).max_buffers, n = 0;
	struct ipcbus_event *held = calloc(max + 1, sizeof(*held));
	struct ipcbus_send send = { .kind = IPCBUS_SEND_CALL, .data = PTR64("x"), .data_size = 1 };
	int r;

	raw_close(&srv);
	raw_open(&srv, 16 << 20);
	assert_ok(raw_claim(&srv, raw_node(&srv, 0, 1)));
	ck_assert_uint_le(max, 1 << 20);
	while (!(r = raw_send(&cli, &send, NULL)) && n <= max) {
		struct ipcbus_event reply;

		raw_take(&srv, IPCBUS_EVENT_CALL, &held[n]);
		raw_reply(&srv, held[n].call, NULL, 0);
		raw_take(&cli, IPCBUS_EVENT_REPLY, &reply);
		n++;
	}
	ck_assert_msg(r == -EDQUOT, "%s after %u", errname(r), n);
	ck_assert_uint_eq(n, max);
	while (n--)
		raw_release(&srv, &held[n]);
	free(held);
	hold(&cli, "x", 1, &(struct ipcbus_event){ 0 });
}
END_TEST

/*
 * The model: the offset and size of each message. Each step sends a message of random size or
 * releases a message. Held messages must never change or overlap. The driver may report a full
 * region only if no gap is clearly large enough.
 */

#define MODEL_MAX 400

struct model {
	size_t n;
	uint32_t seed;
	struct {
		struct ipcbus_event ev;
		uint32_t seed;
	} held[MODEL_MAX];
};

static uint32_t random_size(struct model *m)
{
	uint32_t most = 1U << next_random(&m->seed) % 17;

	return next_random(&m->seed) % most + 1;
}

static uint64_t end_of(const struct ipcbus_event *ev)
{
	return ev->offset + ev->data_size;
}

static void check_no_overlap(const struct model *m, const struct ipcbus_event *ev)
{
	for (size_t i = 0; i < m->n; i++)
		ck_assert_msg(end_of(ev) <= m->held[i].ev.offset ||
				      end_of(&m->held[i].ev) <= ev->offset,
			      "%#llx+%llu overlaps %#llx+%llu", (unsigned long long)ev->offset,
			      (unsigned long long)ev->data_size,
			      (unsigned long long)m->held[i].ev.offset,
			      (unsigned long long)m->held[i].ev.data_size);
}

/* Returns the largest gap between the end of a message and the start of the next. */
static uint64_t largest_gap(const struct model *m)
{
	uint64_t largest = 0, at = 0;

	for (;;) {
		uint64_t next = REGION, after = REGION;

		for (size_t i = 0; i < m->n; i++)
			if (m->held[i].ev.offset >= at && m->held[i].ev.offset < next) {
				next = m->held[i].ev.offset;
				after = end_of(&m->held[i].ev);
			}
		if (next - at > largest)
			largest = next - at;
		if (next == REGION)
			return largest;
		at = after;
	}
}

static void model_send(struct model *m)
{
	static char data[1 << 17];
	uint32_t size = random_size(m), seed = next_random(&m->seed);
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .data = PTR64(data), .data_size = size,
	};
	struct ipcbus_event reply;
	int r;

	if (m->n == MODEL_MAX)
		return;
	pattern_fill(data, size, seed);
	r = raw_send(&cli, &send, NULL);
	if (r) {
		assert_result(r, -ENOSPC);
		ck_assert_uint_lt(largest_gap(m), size + size / 7 + 8192);
		return;
	}
	raw_take(&srv, IPCBUS_EVENT_CALL, &m->held[m->n].ev);
	ck_assert_uint_eq(m->held[m->n].ev.data_size, size);
	m->held[m->n].seed = seed;
	check_no_overlap(m, &m->held[m->n].ev);
	raw_reply(&srv, m->held[m->n].ev.call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &reply);
	m->n++;
}

static void model_free(struct model *m)
{
	size_t i;

	if (!m->n)
		return;
	i = next_random(&m->seed) % m->n;
	ck_assert(pattern_is(raw_payload(&srv, &m->held[i].ev), m->held[i].ev.data_size,
			     m->held[i].seed));
	raw_release(&srv, &m->held[i].ev);
	m->held[i] = m->held[--m->n];
}

START_TEST(model)
{
	struct model *m = calloc(1, sizeof(*m));

	m->seed = 1000 + _i;
	for (unsigned int step = 0; step < rounds(3000); step++) {
		/* Phases of filling alternate with phases of emptying. */
		if (next_random(&m->seed) % 100 < (step / rounds(300) % 2 ? 35 : 70))
			model_send(m);
		else
			model_free(m);
	}
	while (m->n)
		model_free(m);
	free(m);

	/* All space is contiguous again. */
	static char whole[REGION];
	struct ipcbus_event ev;

	hold(&cli, whole, REGION, &ev);
	raw_release(&srv, &ev);
}
END_TEST

START_TEST(limit_on_handles)
{
	struct ipcbus_object o[IPCBUS_MAX_OBJECTS];
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .objects = PTR64(o), .object_count = ARRAY_SIZE(o),
	};
	uint32_t most = raw_info(&srv).max_handles;
	struct ipcbus_event ev;

	for (uint32_t got = 0; got < most; got += IPCBUS_MAX_OBJECTS) {
		for (int i = 0; i < IPCBUS_MAX_OBJECTS; i++)
			o[i] = object_node(raw_node(got < most / 2 ? &cli : &oth, 0, 1));
		assert_ok(raw_send(got < most / 2 ? &cli : &oth, &send, NULL));
		raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
		raw_release(&srv, &ev);
	}
	o[0] = object_node(raw_node(&cli, 0, 1));
	send.kind = IPCBUS_SEND_CALL;
	send.object_count = 1;
	assert_ok(raw_send(&cli, &send, NULL));
	raw_none(&srv);
	raw_failed(&cli, -EDQUOT, IPCBUS_STAGE_DELIVER, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("buffer");
	TCase *tc = add_case(s, "ids", setup_bus);

	tcase_add_test(tc, old_id_after_the_place_was_reused);
	tcase_add_loop_test(tc, id_that_never_was, 0, 8);
	tcase_add_test(tc, id_before_delivery);
	tcase_add_test(tc, id_of_another_proc);
	tcase_add_test(tc, ids_and_numbers_tell_nothing);
	tcase_add_test(tc, id_without_a_region);
	tcase_add_test(tc, many_at_once);
	tcase_add_loop_test(tc, bad_id_among_many, 0, 6);
	tcase_add_test(tc, same_id_twice_at_once);
	tcase_add_test(tc, ids_from_nowhere);
	tcase_add_test(tc, bad_free_sends_nothing);
	tcase_add_loop_test(tc, random_ids, 0, 2);

	tc = add_case(s, "full", setup_small);
	tcase_add_test(tc, full_region_recovers);
	tcase_add_test(tc, undelivered_messages_fill_the_region);
	tcase_add_test(tc, full_region_of_the_caller);
	tcase_add_test(tc, failed_sends_take_no_space);

	tc = add_case(s, "limits", setup_bus);
	tcase_set_tags(tc, "long");
	tcase_add_test(tc, limit_on_buffers);
	tcase_add_test(tc, limit_on_handles);

	tc = add_case(s, "stress", setup_bus);
	tcase_add_loop_test(tc, model, 0, 4);
	return suite_main(s);
}
