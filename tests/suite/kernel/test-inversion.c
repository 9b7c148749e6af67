// SPDX-License-Identifier: MIT
/*
 * Priority inversion: a realtime thread uses the bus beside tasks that the scheduler keeps
 * from running for a second at a time, wherever in the driver they are. It waits for none of
 * them: either they hold nothing that it needs, or they run at its priority until they have
 * put it back.
 *
 * All are on one CPU, where a process that computes leaves the idle class the least of it.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fixture.h"

/* What it may take on a machine that does other things as well. */
#define LITTLE_MS 500
#define SECONDS 2

static int normal = 0, favoured = -20;

/* arg: its nice value. */
static int compute(struct peer *self, void *arg)
{
	run_on_first_cpu(SCHED_OTHER, 0);
	ck_assert_int_eq(setpriority(PRIO_PROCESS, 0, *(int *)arg), 0);
	peer_notify(self, 1);
	for (;;)
		;
	return 1;
}

static void start_all(struct peer *peers, int n, int (*fn)(struct peer *self, void *arg))
{
	for (int i = 0; i < n; i++)
		peer_start(&peers[i], fn, NULL);
	for (int i = 0; i < n; i++)
		peer_hear(&peers[i]);
}

static void kill_all(struct peer *peers, int n)
{
	for (int i = 0; i < n; i++)
		peer_kill(&peers[i]);
}

/* --- What took long ----------------------------------------------------------------- */

/* That the idle ones began. */
static unsigned int *rounds_of_idlers;

static void count_round(void)
{
	__atomic_fetch_add(rounds_of_idlers, 1, __ATOMIC_RELAXED);
}

struct uses {
	int many;
	int slow;
	uint64_t longest;
};

static void count_use(struct uses *uses, uint64_t ms)
{
	uses->many++;
	uses->slow += ms >= LITTLE_MS;
	if (ms > uses->longest)
		uses->longest = ms;
}

/* At realtime priority, for as long as that takes. */
static void use_for_a_while(struct uses *uses, void (*use)(void))
{
	uint64_t begin, end;

	run_on_first_cpu(SCHED_FIFO, 50);
	for (end = now_ms() + SECONDS * 1000; now_ms() < end; usleep(3000)) {
		begin = now_ms();
		use();
		count_use(uses, now_ms() - begin);
	}
}

/* This machine may be kept from running as well, but not in both of two rounds. */
static void nobody_waits(void (*round)(struct uses *uses))
{
	struct uses uses = { 0 };

	rounds_of_idlers = shared_memory(sizeof(*rounds_of_idlers));
	round(&uses);
	if (uses.slow) {
		uses = (struct uses){ 0 };
		round(&uses);
	}
	ck_assert_int_gt(uses.many, 20);
	ck_assert_int_gt(__atomic_load_n(rounds_of_idlers, __ATOMIC_RELAXED), 0);
	ck_assert_msg(!uses.slow, "%d of %d waited, once %llu ms", uses.slow, uses.many,
		      (unsigned long long)uses.longest);
}

/* --- An open, and all that goes with it ------------------------------------------------ */

#define IDLERS 4

static void use_once(void)
{
	struct raw r;

	raw_open(&r, REGION);
	raw_none(&r);
	raw_close(&r);
}

static int come_and_go(struct peer *self, void *arg)
{
	(void)arg;
	run_on_first_cpu(SCHED_IDLE, 0);
	peer_report_nothing();
	peer_notify(self, 1);
	for (;;) {
		use_once();
		count_round();
	}
	return 1;
}

static void open_again(struct uses *uses)
{
	struct peer idlers[IDLERS], hog;

	start_all(idlers, IDLERS, come_and_go);
	peer_start(&hog, compute, &normal);
	peer_hear(&hog);
	use_for_a_while(uses, use_once);
	peer_kill(&hog);
	kill_all(idlers, IDLERS);
}

/* --- The first open of a process, for which the kernel takes all locks of its memory ------- */

#define FIRST_IDLERS 12
#define PAGE 4096
#define MAPPINGS 4000
#define FIRST_USERS 30

/* Neighbours with different permissions are mappings of their own. A kernel that checks all of
 * them at each step makes fewer, and needs fewer. */
static void map_many(void)
{
	const uint64_t end = now_ms() + 2000;
	char *at = mmap(NULL, MAPPINGS * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert(at != MAP_FAILED);
	for (int i = 0; i < MAPPINGS && now_ms() < end; i += 2)
		ck_assert_int_eq(mprotect(at + i * PAGE, PAGE, PROT_READ | PROT_WRITE), 0);
}

static int come_once(struct peer *self, void *arg)
{
	(void)arg;
	peer_report_nothing();
	map_many();
	run_on_first_cpu(SCHED_IDLE, 0);
	peer_notify(self, 1);
	peer_hear(self);
	count_round();
	use_once();
	return pause();
}

static int come_realtime(struct peer *self, void *arg)
{
	uint64_t begin;

	(void)arg;
	run_on_first_cpu(SCHED_FIFO, 50);
	peer_report_nothing();
	peer_notify(self, 1);
	for (;;) {
		peer_hear(self);
		begin = now_ms();
		use_once();
		peer_notify(self, 1 + now_ms() - begin);
	}
	return 1;
}

static void open_first(struct uses *uses)
{
	static struct peer idlers[FIRST_IDLERS], users[FIRST_USERS];
	struct peer hog;

	/* None begins or ends meanwhile: that takes some of these locks as well. */
	start_all(users, FIRST_USERS, come_realtime);
	start_all(idlers, FIRST_IDLERS, come_once);
	peer_start(&hog, compute, &favoured);
	peer_hear(&hog);
	for (int i = 0; i < FIRST_IDLERS; i++)
		peer_notify(&idlers[i], 1);
	for (int i = 0; i < 2 * FIRST_USERS; i++) {
		usleep(SECONDS * 1000000 / 2 / FIRST_USERS);
		peer_notify(&users[i / 2], 1);
		count_use(uses, peer_hear(&users[i / 2]) - 1);
	}
	peer_kill(&hog);
	kill_all(users, FIRST_USERS);
	kill_all(idlers, FIRST_IDLERS);
}

/* --- Watches of the manager, whose list is the bus's, and which are in the proc's handles --- */

/* Or find that another thread just did. */
static void watch_and_unwatch(void)
{
	raw_watch_for(&cli, 0, IPCBUS_WATCH_MANAGER, 1);
	raw_unwatch_for(&cli, 0, IPCBUS_WATCH_MANAGER);
}

static void *watch_manager(void *arg)
{
	run_on_first_cpu(SCHED_IDLE, 0);
	while (!__atomic_load_n((bool *)arg, __ATOMIC_RELAXED)) {
		watch_and_unwatch();
		count_round();
	}
	return NULL;
}

static int watch_manager_elsewhere(struct peer *self, void *arg)
{
	bool over = false;

	(void)arg;
	peer_report_nothing();
	raw_open(&cli, 0);
	peer_notify(self, 1);
	watch_manager(&over);
	return 1;
}

static void *watch_manager_realtime(void *arg)
{
	struct peer hog;

	peer_start(&hog, compute, &normal);
	peer_hear(&hog);
	use_for_a_while(arg, watch_and_unwatch);
	peer_kill(&hog);
	return NULL;
}

static void watch_beside_threads(struct uses *uses)
{
	struct helper idlers[IDLERS], user;
	bool over = false;

	raw_open(&cli, 0);
	for (int i = 0; i < IDLERS; i++)
		helper_start(&idlers[i], watch_manager, &over);
	helper_start(&user, watch_manager_realtime, uses);
	helper_end(&user);
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	for (int i = 0; i < IDLERS; i++)
		helper_end(&idlers[i]);
	raw_close(&cli);
}

static void watch_beside_others(struct uses *uses)
{
	struct peer idlers[IDLERS];

	raw_open(&cli, 0);
	start_all(idlers, IDLERS, watch_manager_elsewhere);
	watch_manager_realtime(uses);
	kill_all(idlers, IDLERS);
	raw_close(&cli);
}

static void (*const rounds_beside[])(struct uses *uses) = {
	open_again, open_first, watch_beside_threads, watch_beside_others,
};

START_TEST(nobody_waits_for_idle_ones)
{
	nobody_waits(rounds_beside[_i]);
}
END_TEST

/*
 * A kernel that takes the CPU from whoever runs in it, if this one can be made so: then the
 * idle ones can stand anywhere. In the file is "none voluntary (full)"; nothing else shows it.
 */
#define PREEMPT "/sys/kernel/debug/sched/preempt"

static void set_preemption(const char *mode)
{
	FILE *f = fopen(PREEMPT, "w");

	if (f && (fputs(mode, f) == EOF) + fclose(f))
		perror(PREEMPT);
}

/* Makes it so, and says what it was; empty: it cannot be changed. */
static void preempt_fully(char before[32])
{
	FILE *f = fopen(PREEMPT, "r");

	if (!f)
		return;
	if (fscanf(f, "%*[^(](%31[^)]", before) == 1)
		set_preemption("full");
	fclose(f);
}

int main(void)
{
	Suite *s = suite_create("inversion");
	TCase *tc = add_case(s, "inversion", setup_bare);
	char preemption[32] = "";
	int failed;

	if (geteuid()) {
		fprintf(stderr, "needs root\n");
		return 77;
	}
	preempt_fully(preemption);
	tcase_set_timeout(tc, 90);
	tcase_add_loop_test(tc, nobody_waits_for_idle_ones, 0, ARRAY_SIZE(rounds_beside));
	failed = suite_main(s);
	if (*preemption)
		set_preemption(preemption);
	return failed;
}
