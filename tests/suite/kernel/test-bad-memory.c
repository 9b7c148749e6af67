// SPDX-License-Identifier: MIT
/*
 * Bad memory, a row per case: each pointer of each request points to unmapped memory, to
 * memory that ends half-way, or to memory that another thread changes or unmaps while the
 * driver reads it. A failed request must have no effect.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "requests.h"

#define PAGE 4096

/* --- Pointers to unmapped memory, and to memory that ends half-way ----------------- */

#define SENT_OBJECTS (3 * sizeof(struct ipcbus_object))
#define NOWHERE 8
#define KERNEL_ADDRESS 0xffff888000000000ULL
#define WRAPS (~0ULL - 7)

/* Returns a copy of which only the first @keep bytes are mapped. */
static uint64_t half(const void *content, size_t keep)
{
	static char *pages;

	if (!pages) {
		pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			     -1, 0);
		ck_assert_ptr_ne(pages, MAP_FAILED);
		mprotect(pages + PAGE, PAGE, PROT_NONE);
	}
	memcpy(pages + PAGE - keep, content, keep);
	return PTR64(pages + PAGE - keep);
}

static const struct pointer {
	enum request request;
	const char *field;
	void *base;		/* the structure that contains the pointer; NULL: the request */
	size_t offset;
	const void *content;	/* the content it points to */
	size_t size;
	uint32_t stage;
	uint32_t index;
} pointers[] = {
#define TO(request, base, type, f, content, size, stage, index) \
	{ request, #f, base, offsetof(struct ipcbus_##type, f), content, size, \
	  IPCBUS_STAGE_##stage, index },
#define SENT(request, f, content, stage) \
	TO(request, NULL, exchange, send.f, &(content), sizeof(content), stage, 0)
	SENT(CALL, data, there.text, COPY)
	TO(CALL, NULL, exchange, send.objects, there.objects, SENT_OBJECTS, OBJECT, 0)
	SENT(ONEWAY, data, there.text, COPY)
	TO(ONEWAY, NULL, exchange, send.objects, there.objects, SENT_OBJECTS, OBJECT, 0)
	SENT(PARTS, data, there.parts, COPY)
	TO(PARTS, NULL, exchange, send.objects, there.objects, SENT_OBJECTS, OBJECT, 0)
	TO(PARTS, &there.parts[0], iovec, base, there.text, 10, COPY, 0)
	TO(PARTS, &there.parts[2], iovec, base, there.text, 6, COPY, 2)
	SENT(REPLY, data, there.text, COPY)
	SENT(REPLY, objects, there.in_reply, OBJECT)
	SENT(ERROR, data, there.text, COPY)
	SENT(ERROR, objects, there.in_reply, OBJECT)
	TO(GIVE_ARRAY, NULL, exchange, release, there.buffers, 8, RELEASE, 0)
};

/* Sets the pointer. The request must fail there and have no effect. */
static void try_pointer(const struct pointer *p, uint64_t address, size_t keep)
{
	/* The parts are checked in sequence. */
	uint32_t index = p->content == there.parts ? keep / sizeof(there.parts[0]) : p->index;
	const struct ipcbus_event *ev;
	uint64_t was, *field;
	union any a;

	make(p->request, &a);
	field = (uint64_t *)((char *)(p->base ? p->base : &a) + p->offset);
	was = *field;
	*field = address;
	ck_assert_msg(issue(p->request, &a) == -EFAULT, "%s of %s = %#llx", p->field,
		      requests[p->request].name, (unsigned long long)address);
	*field = was;
	ev = &a.exchange.event;
	ck_assert_msg(ev->stage == p->stage && ev->index == index, "%s of %s: stage %u, index %u",
		      p->field, requests[p->request].name, ev->stage, ev->index);
	expect_untouched(p->field);
}

START_TEST(bad_pointers)
{
	none_for_anybody();
	count_all();
	for (size_t i = 0; i < ARRAY_SIZE(pointers); i++) {
		const struct pointer *p = &pointers[i];

		try_pointer(p, NOWHERE, 0);
		try_pointer(p, KERNEL_ADDRESS, 0);
		try_pointer(p, WRAPS, 0);
		for (size_t keep = 0; keep < p->size && keep < 100; keep += keep % 8 ? 7 : 1)
			try_pointer(p, half(p->content, keep), keep);
	}
	none_for_anybody();
}
END_TEST

/* Entries before the hole are processed. */
START_TEST(ids_that_end_half_way)
{
	union any a;

	make(GIVE_ARRAY, &a);
	a.exchange.release = half(there.buffers, 12);
	assert_result(issue(GIVE_ARRAY, &a), -EFAULT);
	ck_assert_uint_eq(a.exchange.event.stage, IPCBUS_STAGE_RELEASE);
	ck_assert_uint_eq(a.exchange.event.index, 1);
	assert_result(raw_free(&srv, there.buffers[0]), -ESTALE);
	assert_ok(raw_free(&srv, there.buffers[1]));
}
END_TEST

/* The structure itself. The part of an exchange after the message is output only. */
static void end_half_way(enum request which)
{
	bool exchange = requests[which].cmd == IPCBUS_IOC_EXCHANGE;
	size_t size = exchange ? offsetof(struct ipcbus_exchange, event) : requests[which].size;
	union any a;

	make(which, &a);
	for (size_t keep = 0; keep < size; keep += keep % 8 ? 7 : 1) {
		uint64_t at = half(&a, keep);

		assert_result(issue(which, (void *)(uintptr_t)at), -EFAULT);
	}
	assert_result(issue(which, (void *)NOWHERE), -EFAULT);
	assert_result(issue(which, (void *)(uintptr_t)WRAPS), -EFAULT);
	expect_untouched(requests[which].name);
}

START_TEST(structures_that_end_half_way)
{
	none_for_anybody();
	count_all();
	for (size_t i = 0; i < REQUESTS; i++)
		end_half_way(i);
	none_for_anybody();
}
END_TEST

/* For each request with outputs. Messages were sent nevertheless. */
START_TEST(replies_without_a_place)
{
	char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int sent = _i == CALL || _i == ONEWAY || _i == PARTS;
	long nodes = live("nodes"), transactions = live("transactions");
	union any a;

	if (!(_IOC_DIR(requests[_i].cmd) & _IOC_READ))
		return;
	make(_i, &a);
	memcpy(page, &a, requests[_i].size);
	mprotect(page, PAGE, PROT_READ);
	assert_result(issue(_i, page), -EFAULT);
	ck_assert_int_eq(live("transactions"), transactions + sent);
	ck_assert_int_eq(live("nodes"), nodes);
	munmap(page, PAGE);
}
END_TEST

/* --- Memory that changes, or is unmapped, while the driver reads it ------------------ */

enum { ARGS, TEXT, OBJECTS, PARTS_PAGE, IDS, PAGES };

enum how { FLIP, PROTECT, UNMAP };

/*
 * Two mappings of the same memory: the driver reads through the mapping that another thread
 * unmaps. The content is complete before the request, and changes during it.
 */
static char *safe, *shaky;
static pthread_mutex_t content = PTHREAD_MUTEX_INITIALIZER;
static unsigned int puts_done;

struct shaker {
	struct helper h;
	enum how how;
	unsigned int page;
	size_t first, size;	/* FLIP: the range of its bytes to change */
	bool stop;
	int fd;
};

static void flip(const struct shaker *s, uint32_t *seed)
{
	char *at = safe + s->page * PAGE + s->first + next_random(seed) % s->size;
	char bit = 1 << next_random(seed) % 8;
	unsigned int before;

	pthread_mutex_lock(&content);
	before = puts_done;
	*at ^= bit;
	pthread_mutex_unlock(&content);
	sched_yield();
	pthread_mutex_lock(&content);
	if (puts_done == before)
		*at ^= bit;
	pthread_mutex_unlock(&content);
}

static void *shake(void *arg)
{
	struct shaker *s = arg;
	char *page = shaky + s->page * PAGE;
	uint32_t seed = 77;

	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
		if (s->how == FLIP) {
			flip(s, &seed);
			continue;
		}
		if (s->how == PROTECT)
			mprotect(page, PAGE, PROT_NONE);
		else
			munmap(page, PAGE);
		sched_yield();
		if (s->how == PROTECT)
			mprotect(page, PAGE, PROT_READ | PROT_WRITE);
		else
			ck_assert(mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
				       s->fd, s->page * PAGE) != MAP_FAILED);
		sched_yield();
	}
	return NULL;
}

static void shaker_start(struct shaker *s, enum how how, unsigned int page, size_t first,
			 size_t size)
{
	*s = (struct shaker){ .how = how, .page = page, .first = first, .size = size };
	s->fd = memfd_create("shaky", MFD_CLOEXEC);
	ck_assert_int_eq(ftruncate(s->fd, PAGES * PAGE), 0);
	safe = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	shaky = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	ck_assert(safe != MAP_FAILED && shaky != MAP_FAILED);
	helper_start(&s->h, shake, s);
}

static void shaker_end(struct shaker *s)
{
	__atomic_store_n(&s->stop, true, __ATOMIC_RELAXED);
	helper_end(&s->h);
	munmap(safe, PAGES * PAGE);
	munmap(shaky, PAGES * PAGE);
	close(s->fd);
}

static uint64_t put_page(unsigned int page, const void *content, size_t size)
{
	memcpy(safe + page * PAGE, content, size);
	return PTR64(shaky + page * PAGE);
}

/* Puts the request, and all memory that it points to, into these pages. */
static void put_request_locked(enum request which, const struct raw *by)
{
	struct ipcbus_iovec parts[ARRAY_SIZE(there.parts)];
	struct ipcbus_send *send;
	union any a;
	uint64_t text = put_page(TEXT, there.text, sizeof(there.text));

	make(which, &a);
	send = &a.exchange.send;
	memcpy(parts, there.parts, sizeof(parts));
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		parts[i].base = text;
	if (which == GIVE_ARRAY) {
		a.exchange.release = put_page(IDS, there.buffers, sizeof(there.buffers));
	} else {
		send->objects = put_page(OBJECTS, by == &srv ? &there.in_reply : there.objects,
					 send->object_count * sizeof(there.objects[0]));
		send->data = which == PARTS ? put_page(PARTS_PAGE, parts, sizeof(parts)) : text;
	}
	put_page(ARGS, &a, sizeof(a));
}

static void put_request(enum request which, const struct raw *by)
{
	pthread_mutex_lock(&content);
	put_request_locked(which, by);
	puts_done++;
	pthread_mutex_unlock(&content);
}

static void drop_objects(const struct raw *r, const struct ipcbus_event *ev)
{
	const struct ipcbus_object *o = ev->object_count ? raw_objects(r, ev) : NULL;

	for (uint32_t i = 0; i < ev->object_count; i++)
		if (o[i].type == IPCBUS_OBJECT_HANDLE)
			assert_ok(raw_put(r, o[i].value, 1));
		else if (o[i].type == IPCBUS_OBJECT_FD)
			ck_assert_int_eq(close(o[i].value), 0);
}

/* Takes and ends all events. Returns the number of messages among them. */
static unsigned int drain(const struct raw *r)
{
	struct ipcbus_event ev;
	unsigned int n = 0;

	for (;;) {
		assert_ok(raw_next(r, IPCBUS_SERVE | IPCBUS_NONBLOCK, &ev));
		if (ev.kind == IPCBUS_EVENT_NONE)
			return n;
		drop_objects(r, &ev);
		raw_release(r, &ev);
		if (ev.kind == IPCBUS_EVENT_CALL)
			raw_error(r, ev.call, EIO, NULL, 0);
		n += ev.kind == IPCBUS_EVENT_CALL || ev.kind == IPCBUS_EVENT_ONEWAY ||
		     ev.kind == IPCBUS_EVENT_REPLY || ev.kind == IPCBUS_EVENT_ERROR;
	}
}

/* Returns the number of requests and replies that all procs got. */
static unsigned int drain_all(bool replies)
{
	unsigned int n = drain(&srv) + drain(&oth), m = drain(&cli);

	/* The events that the call's reply produces. */
	drain(&srv);
	return replies ? n + m : n;
}

/* The errors that a row of changed bytes may lead to. Any other error is a bug. */
static bool is_for_bad_input(int r)
{
	static const int errors[] = {
		0, EINVAL, E2BIG, EFAULT, EBADF, EMSGSIZE, EPERM, ELOOP, ENOENT, ESTALE, ESRCH,
		ETIMEDOUT, EAGAIN, EDQUOT, EOWNERDEAD,
	};

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
		if (r == -errors[i])
			return true;
	return false;
}

static const struct shaky {
	enum request request;
	unsigned int page;
	size_t first, size;
} shakies[] = {
	/* Never the size or the flags: the flags could make the exchange wait. */
#define FIELDS 8, offsetof(struct ipcbus_exchange, event) - 8
	{ CALL, ARGS, FIELDS },
	{ CALL, TEXT, 0, sizeof(there.text) },
	{ CALL, OBJECTS, 0, sizeof(there.objects) },
	{ ONEWAY, ARGS, FIELDS },
	{ ONEWAY, OBJECTS, 0, sizeof(there.objects) },
	{ PARTS, PARTS_PAGE, 0, sizeof(there.parts) },
	{ REPLY, ARGS, FIELDS },
	{ REPLY, OBJECTS, 0, sizeof(there.in_reply) },
	{ GIVE_ARRAY, ARGS, 12, 12 },
	{ GIVE_ARRAY, IDS, 0, sizeof(there.buffers) },
};

/* Creates calls to reply to and buffers to release again, if they are used up. */
static void renew(enum request which)
{
	struct ipcbus_event ev;

	if (which == GIVE_ARRAY) {
		for (size_t i = 0; i < ARRAY_SIZE(there.buffers); i++) {
			raw_free(&srv, there.buffers[i]);
			raw_call(&oth, 0, 1, "held", 4);
			raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
			there.buffers[i] = ev.buffer;
			raw_reply(&srv, ev.call, NULL, 0);
			raw_take(&oth, IPCBUS_EVENT_REPLY, &ev);
		}
	} else if (which == REPLY) {
		raw_call(&oth, 0, 1, NULL, 0);
		raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
		there.call = ev.call;
	}
}

/* Ends the call of this round in any case. */
static void end_round(enum request which)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ERROR, .code = EIO, .call = there.call,
	};

	if (which == REPLY)
		raw_send(&srv, &send, NULL);
	drain_all(false);
}

static unsigned int try_shaky(const struct shaky *s, enum how how)
{
	const struct raw *by = maker(s->request);
	unsigned int n;
	int r;

	renew(s->request);
	put_request(s->request, by);
	r = issue(s->request, shaky + ARGS * PAGE);
	ck_assert_msg(how == FLIP ? is_for_bad_input(r) : !r || r == -EFAULT, "%s", errname(r));
	n = drain_all(s->request == REPLY);
	/* Without a readable event, an exchange may have run or not. Other requests must match. */
	if (how != FLIP && s->page != ARGS && s->request != GIVE_ARRAY)
		ck_assert_msg(n == !r, "%s, but %u came", errname(r), n);
	end_round(s->request);
	return r != 0;
}

/* Closes and frees the objects of setup_there(). */
static void end_what_is_there(void)
{
	struct ipcbus_event ev;

	for (size_t i = 0; i < ARRAY_SIZE(there.buffers); i++)
		assert_ok(raw_free(&srv, there.buffers[i]));
	raw_reply(&srv, there.call, NULL, 0);
	raw_take(&oth, IPCBUS_EVENT_REPLY, &ev);
	there.buffers[0] = there.buffers[1] = 0;
}

static void shake_one(const struct shaky *sh, enum how how)
{
	struct shaker s;

	shaker_start(&s, how, sh->page, sh->first, sh->size);
	for (unsigned int i = 0; i < rounds(500); i++)
		try_shaky(sh, how);
	shaker_end(&s);
}

/* A proc keeps handle 0 after its first use, and an object with flipped bytes may be handle 0. */
static void use_handle_0(void)
{
	struct ipcbus_object manager = object_handle(0);
	struct ipcbus_send reply = {
		.kind = IPCBUS_SEND_REPLY, .objects = PTR64(&manager), .object_count = 1,
	};
	const struct raw *const others[] = { &cli, &oth };
	struct ipcbus_event ev;

	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		raw_call(others[i], 0, 1, NULL, 0);
		raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
		reply.call = ev.call;
		assert_ok(raw_send(&srv, &reply, NULL));
		drain(others[i]);
	}
}

START_TEST(memory_that_changes)
{
	int fds = count_fds();

	end_what_is_there();
	assert_ok(raw_cancel(&cli, COOKIE));
	drain_all(false);
	use_handle_0();
	none_for_anybody();
	count_all();
	for (enum how how = FLIP; how <= UNMAP; how++)
		shake_one(&shakies[_i], how);
	if (shakies[_i].request == GIVE_ARRAY)
		for (size_t i = 0; i < ARRAY_SIZE(there.buffers); i++)
			raw_free(&srv, there.buffers[i]);
	expect_untouched("memory that changes");
	ck_assert_int_eq(count_fds(), fds);
	raw_round_trip(&oth, 0, &srv, "still here", 10);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("bad-memory");
	TCase *tc = add_case(s, "pointers", setup_there);

	tcase_add_test(tc, bad_pointers);
	tcase_add_test(tc, ids_that_end_half_way);
	tcase_add_test(tc, structures_that_end_half_way);
	tcase_add_loop_test(tc, replies_without_a_place, 0, REQUESTS);

	tc = add_case(s, "changing", setup_there);
	tcase_add_loop_test(tc, memory_that_changes, 0, ARRAY_SIZE(shakies));
	return suite_main(s);
}
