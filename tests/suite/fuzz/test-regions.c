// SPDX-License-Identifier: MIT
/*
 * Regions under the real kernel's memory management: random sequences of mapping,
 * unmapping, protecting, moving, advising, forking, reclaiming and messages, led by
 * what of the driver they reach (kcov.h). Each runs in a process of its own. Whatever
 * it does to its mapping, a message that was taken reads as it was sent wherever the
 * mapping can be read, nobody can write there, and no child sees it. The checkers of
 * the kernel see to the rest.
 *
 * An input is operations of 4 bytes: which, and three arguments. IPCBUS_REGIONS_RUNS
 * says how many are run, IPCBUS_REGIONS_SEED repeats a run.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../kernel/fixture.h"
#include "../kernel/raw.h"
#include "kcov.h"

enum { PAGES = 64, HELD = 8, OPS = 24, INPUTS = 1024, PAGE = 4096 };

struct input {
	unsigned int n;
	uint8_t op[OPS][4];
};

/* What may be expected of reading a page of the mapping. */
enum reading { FAULTS, READS, EITHER };

/* srv has the region, cli sends: fixture.h. */
static enum reading page[PAGES];
static bool may_move;		/* it is in one piece */

static struct held {
	uint64_t buffer, call;
	size_t offset, size;
	uint32_t seed;		/* 0: what it is made of is not known */
} held[HELD];

/* --- Looking ------------------------------------------------------------------- */

static sigjmp_buf fault;

static void on_fault(int sig)
{
	siglongjmp(fault, sig);
}

static bool can_read(size_t offset, void *to, size_t size)
{
	if (sigsetjmp(fault, 1))
		return false;
	memcpy(to, srv.map + offset, size);
	return true;
}

static bool can_write(size_t offset)
{
	if (sigsetjmp(fault, 1))
		return false;
	*(volatile uint8_t *)(uintptr_t)(srv.map + offset) = 1;
	return true;
}

/* All of it that can be read is as it was sent. */
static void look_at(const struct held *h)
{
	static uint8_t sent[PAGES * PAGE];
	uint8_t got[PAGE];
	size_t n;

	pattern_fill(sent, h->size, h->seed);
	for (size_t at = 0; at < h->size; at += n) {
		size_t offset = h->offset + at;
		bool readable;

		n = PAGE - offset % PAGE;
		n = n < h->size - at ? n : h->size - at;
		readable = can_read(offset, got, n);
		ck_assert_msg(page[offset / PAGE] == EITHER ||
			      readable == (page[offset / PAGE] == READS),
			      "page %zu can%s be read", offset / PAGE, readable ? "" : "not");
		ck_assert_msg(!readable || !h->seed || !memcmp(got, sent + at, n),
			      "page %zu has another message", offset / PAGE);
	}
}

/* --- Messages ------------------------------------------------------------------ */

static void let_go(struct held *h)
{
	struct ipcbus_event ev;

	if (!h->buffer)
		return;
	assert_ok(raw_free(&srv, h->buffer));
	raw_reply(&srv, h->call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
	h->buffer = 0;
}

static void op_send(const uint8_t *arg)
{
	static uint8_t bytes[PAGES * PAGE / 4];
	static uint32_t seed;
	struct held *h = &held[arg[0] % HELD];
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ASYNC, .cookie = 1,
		.data = PTR64(bytes), .data_size = 1 + arg[1] * (arg[2] % 64 * 4 + 1),
	};
	struct ipcbus_event ev;
	int r;

	let_go(h);
	pattern_fill(bytes, send.data_size, ++seed);
	h->seed = seed;
	/* From the very mapping that it goes to. */
	if (arg[2] >= 224) {
		send.data = PTR64(srv.map) + arg[2] % PAGES * PAGE;
		h->seed = 0;
	}
	r = raw_send(&cli, &send, NULL);
	if (r) {
		ck_assert_msg(r == -ENOSPC || (r == -EFAULT && !h->seed), "%s", errname(r));
		return;
	}
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	h->buffer = ev.buffer;
	h->call = ev.call;
	h->offset = ev.offset;
	h->size = ev.data_size;
}

static void op_give(const uint8_t *arg)
{
	let_go(&held[arg[0] % HELD]);
}

static void op_look(const uint8_t *arg)
{
	const struct held *h = &held[arg[0] % HELD];

	if (h->buffer)
		look_at(h);
}

/* --- The mapping ---------------------------------------------------------------- */

static void *part(const uint8_t *arg, size_t *ret_size)
{
	size_t first = arg[0] % PAGES, n = 1 + arg[1] % PAGES;

	n = n < PAGES - first ? n : PAGES - first;
	*ret_size = n * PAGE;
	return (void *)(srv.map + first * PAGE);
}

static void expect(const uint8_t *arg, enum reading reading)
{
	size_t size, first = ((const uint8_t *)part(arg, &size) - srv.map) / PAGE;

	for (size_t i = 0; i < size / PAGE; i++)
		page[first + i] = reading;
	may_move = false;
}

static void op_unmap(const uint8_t *arg)
{
	size_t size;
	void *at = part(arg, &size);

	ck_assert_int_eq(munmap(at, size), 0);
	expect(arg, FAULTS);
}

static bool has_hole(const uint8_t *arg)
{
	size_t size;
	void *at = part(arg, &size);
	unsigned char in[PAGES];

	return mincore(at, size, in) < 0;
}

static void op_protect(const uint8_t *arg)
{
	static const int prots[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE,
				     PROT_READ | PROT_EXEC, PROT_WRITE };
	int prot = prots[arg[2] % ARRAY_SIZE(prots)];
	size_t size;
	void *at = part(arg, &size);
	bool hole = has_hole(arg);
	int r = mprotect(at, size, prot);

	if (prot & (PROT_WRITE | PROT_EXEC)) {
		ck_assert_msg(r < 0, "the mapping can be made writable or executable");
		return;
	}
	ck_assert(r == 0 || hole);
	/* Up to the hole it may be done. */
	expect(arg, hole ? EITHER : prot == PROT_NONE ? FAULTS : READS);
}

static void op_advise(const uint8_t *arg)
{
	static const int advice[] = { MADV_DONTNEED, MADV_PAGEOUT, MADV_DOFORK, MADV_DOFORK,
				      MADV_HUGEPAGE, MADV_MERGEABLE, MADV_REMOVE, MADV_FREE,
				      MADV_WILLNEED, MADV_POPULATE_READ, MADV_POPULATE_WRITE,
				      MADV_DODUMP, MADV_HWPOISON + 1000 };
	size_t size;
	void *at = part(arg, &size);

	if (madvise(at, size, advice[arg[2] % ARRAY_SIZE(advice)]) == 0)
		may_move = false;	/* flags may differ now: several pieces */
}

static void op_move(const uint8_t *arg)
{
	void *to, *r;

	/* Twice the same, and larger: not of a region. */
	if (arg[0] % 4 == 0) {
		r = mremap((void *)srv.map, 0, PAGES * PAGE, MREMAP_MAYMOVE);
		ck_assert_msg(r == MAP_FAILED, "the region is there twice");
		return;
	}
	if (!may_move)
		return;
	if (arg[0] % 4 == 1) {
		r = mremap((void *)srv.map, PAGES * PAGE, 2 * PAGES * PAGE, MREMAP_MAYMOVE);
		ck_assert_msg(r == MAP_FAILED, "the mapping grew");
		return;
	}
	to = mmap(NULL, PAGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert(to != MAP_FAILED);
	r = mremap((void *)srv.map, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	if (r == MAP_FAILED)
		munmap(to, PAGES * PAGE);
	else
		srv.map = r;
}

static void op_map_again(const uint8_t *arg)
{
	void *map;

	(void)arg;
	ck_assert_msg(dev_map(srv.fd, PAGES * PAGE, PROT_READ, MAP_SHARED, 0, &map) < 0,
		      "the region is mapped twice");
}

/* --- What should not be ----------------------------------------------------------- */

static void op_write(const uint8_t *arg)
{
	size_t offset = arg[0] % PAGES * PAGE + arg[1];
	struct iovec from = { (void *)arg, 1 }, to = { (void *)(srv.map + offset), 1 };
	int fd;

	ck_assert_msg(!can_write(offset), "the mapping can be written");
	ck_assert_msg(process_vm_writev(getpid(), &from, 1, &to, 1, 0) < 0,
		      "another process can write it");
	fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_msg(pwrite(fd, arg, 1, (off_t)(uintptr_t)(srv.map + offset)) < 0,
		      "a debugger can write it");
	close(fd);
}

static void op_fork(const uint8_t *arg)
{
	volatile size_t n = 0;
	uint8_t byte;
	int status;
	pid_t pid = fork();

	(void)arg;
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		for (volatile size_t i = 0; i < PAGES; i++)
			n += can_read(i * PAGE, &byte, 1);
		_exit(n > 0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(status == 0, "a child reads the region: %#x", status);
}

/* By the kernel, from the outside: what it finds there is what is there. */
static void op_peek(const uint8_t *arg)
{
	struct held *h = &held[arg[0] % HELD];
	uint8_t got[256], sent[256];
	size_t n = h->size < sizeof(got) ? h->size : sizeof(got);
	struct iovec from = { (void *)(srv.map + h->offset), n }, to = { got, n };

	if (!h->buffer || !h->seed || h->offset % PAGE + n > PAGE)
		return;
	pattern_fill(sent, n, h->seed);
	if (process_vm_readv(getpid(), &to, 1, &from, 1, 0) == (ssize_t)n)
		ck_assert_msg(!memcmp(got, sent, n), "a debugger reads another message");
}

static void op_reclaim(const uint8_t *arg)
{
	(void)arg;
	assert_ok(dev_reclaim());
}

static void op_lock(const uint8_t *arg)
{
	size_t size;
	void *at = part(arg, &size);

	if (arg[2] % 2)
		(void)!mlock(at, size);
	else
		(void)!munlock(at, size);
	may_move = false;
}

static void (*const ops[])(const uint8_t *arg) = {
	op_send, op_send, op_send, op_send, op_give, op_look, op_look, op_unmap, op_protect,
	op_advise, op_move, op_map_again, op_write, op_fork, op_peek, op_reclaim, op_lock,
};

/* --- Runs -------------------------------------------------------------------------- */

static void begin(void)
{
	struct sigaction action = { .sa_handler = on_fault };

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	raw_open(&srv, PAGES * PAGE);
	assert_ok(raw_claim(&srv, raw_node(&srv, 0, 0)));
	raw_open(&cli, PAGES * PAGE);
	for (size_t i = 0; i < PAGES; i++)
		page[i] = READS;
	may_move = true;
}

/* Ends by exit, with whatever it has. */
static void run_here(const struct input *in)
{
	begin();
	kcov_begin();
	for (unsigned int i = 0; i < in->n; i++)
		ops[in->op[i][0] % ARRAY_SIZE(ops)](in->op[i] + 1);
	for (size_t i = 0; i < HELD; i++)
		if (held[i].buffer)
			look_at(&held[i]);
}

static size_t run(const struct input *in)
{
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		run_here(in);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (status) {
		printf("input:");
		for (unsigned int i = 0; i < in->n; i++)
			printf(" %02x%02x%02x%02x", in->op[i][0], in->op[i][1], in->op[i][2],
			       in->op[i][3]);
		printf("\n");
		fflush(stdout);
		/* What failed there was said there. */
		_exit(1);
	}
	return kcov_new();
}

static void invent(uint8_t *op, uint32_t *seed)
{
	for (int i = 0; i < 4; i++)
		op[i] = next_random(seed);
}

static void mutate(struct input *in, uint32_t *seed)
{
	unsigned int at;

	for (unsigned int times = 1 + next_random(seed) % 4; times; times--) {
		at = in->n ? next_random(seed) % in->n : 0;
		switch (in->n ? next_random(seed) % 5 : 0) {
		case 0:
		case 1:
			if (in->n == OPS)
				break;
			memmove(in->op[at + 1], in->op[at], (in->n - at) * sizeof(in->op[0]));
			invent(in->op[at], seed);
			in->n++;
			break;
		case 2:
			in->n--;
			memmove(in->op[at], in->op[at + 1], (in->n - at) * sizeof(in->op[0]));
			break;
		case 3:
			memcpy(in->op[at], in->op[next_random(seed) % in->n], sizeof(in->op[0]));
			break;
		default:
			in->op[at][next_random(seed) % 4] = next_random(seed);
		}
	}
}

START_TEST(whatever_is_done_to_the_mapping)
{
	static struct input kept[INPUTS];
	unsigned int runs = from_environment("IPCBUS_REGIONS_RUNS", 1000);
	uint32_t seed = from_environment("IPCBUS_REGIONS_SEED", 1);
	unsigned int n = 1;

	for (unsigned int i = 1; i <= runs; i++) {
		struct input in = kept[next_random(&seed) % n];

		mutate(&in, &seed);
		if (run(&in))
			kept[n < INPUTS ? n++ : next_random(&seed) % n] = in;
		if (i % 1000 == 0)
			printf("%u runs, %u inputs kept, %zu steps of the driver\n", i, n - 1,
			       kcov_total());
	}
	ck_assert_msg(kcov_total() > 500, "the driver is not built for kcov: %zu steps",
		      kcov_total());
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("regions");
	TCase *tc;
	int r = kcov_init();

	if (r < 0) {
		printf("this kernel does not count what runs: %s\n", errname(r));
		return 77;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	tc = add_case(suite, "fuzz", NULL);
	tcase_set_timeout(tc, 36000);
	tcase_add_test(tc, whatever_is_done_to_the_mapping);
	return suite_main(suite);
}
