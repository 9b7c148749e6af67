// SPDX-License-Identifier: MIT
/*
 * The whole driver, in the host build: sequences of ioctls, mappings, closes and kills by several
 * processes and threads, interleaved as the input says. judge.c checks the invariants. The host
 * build checks locks, sleeping and memory, and at the end no object may be left.
 *
 * Input: a header of 8 bytes, then operations of 8 bytes each:
 *
 *   header  0 processes and threads  1 region and preparation
 *           2 preparation; 128: each process belongs to another user
 *           3 the scheduler's policy  4-7 its seed
 *   op      0 thread  1 operation  2-7 arguments, see ops.c
 *
 * TRACE=1 in the environment prints the operations.
 */
#include "input.h"
#include "world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__asan_default_options(void);

/* --- Scheduling ------------------------------------------------------------------------- */

enum how {
	ONE_AFTER_THE_OTHER,	/* each runs until it cannot continue */
	SELDOM,			/* switches sometimes */
	OFTEN,
	AT_RANDOM,		/* a random fiber at each step */
};

struct chooser {
	enum how how;
	u32 state;
};

static u32 next_random(struct chooser *chooser)
{
	chooser->state = chooser->state * 1664525 + 1013904223;
	return chooser->state >> 8;
}

/* The last fiber wakes sleepers. It runs only when no other fiber can. */
static bool stays(void *data, int running)
{
	struct chooser *chooser = data;

	if (running == (int)world.n_threads)
		return false;
	switch (chooser->how) {
	case ONE_AFTER_THE_OTHER:
		return true;
	case SELDOM:
		return next_random(chooser) % 24;
	case OFTEN:
		return next_random(chooser) % 5;
	default:
		next_random(chooser);
		return false;
	}
}

static int choose(void *data, const struct shim_choice *choice)
{
	struct chooser *chooser = data;
	int n = choice->n;

	if (n > 1 && choice->ids[n - 1] == (int)world.n_threads)
		n--;
	return choice->ids[chooser->how == ONE_AFTER_THE_OTHER ? 0 : next_random(chooser) % n];
}

/* --- The fibers ---------------------------------------------------------------------------- */

static void run_thread(void *arg)
{
	struct thread *t = arg;

	for (unsigned int i = 0; i < t->n_ops && !t->proc->killed; i++)
		op_run(t, t->ops[i]);
	t->done = true;
	if (!--t->proc->alive)
		proc_closing(t->proc);
}

static bool all_done(void)
{
	for (unsigned int i = 0; i < world.n_threads; i++)
		if (!world.threads[i].done)
			return false;
	return true;
}

/* When all threads sleep, checks that they may, then wakes them by a signal. */
static void run_closer(void *arg)
{
	unsigned int passed = 0;
	bool more;
	u64 before;

	(void)arg;
	for (;;) {
		shim_point("closer", "");
		if (all_done())
			return;
		/* First let all timers expire. */
		more = shim_time_passes();
		if (more && passed++ < 512)
			continue;
		passed = 0;
		judge_rest(more);
		before = world.clock;
		for (unsigned int i = 0; i < world.n_threads; i++)
			if (!world.threads[i].done)
				shim_signal(world.threads[i].task);
		shim_point("closer", "");
		must(world.clock != before || all_done(), "a thread sleeps uninterruptibly");
	}
}

/* --- An input ------------------------------------------------------------------------------- */

static void deal_out(const u8 *data, size_t size)
{
	size_t n = min(size / sizeof(struct op), (size_t)MAX_OPS);
	const struct op *ops = (const struct op *)data;

	for (size_t i = 0; i < n; i++) {
		struct thread *t = &world.threads[ops[i].thread % world.n_threads];

		t->ops[t->n_ops++] = &ops[i];
	}
}

static void run(const u8 *data, size_t size)
{
	static const size_t regions[] = { 4096, 16384, 65536, 262144, 1048576 };
	struct chooser chooser = { .how = data[3] % 4 };
	struct shim_policy policy = {
		.choose = choose, .stays = stays, .data = &chooser, .fine = data[3] & 4,
	};
	unsigned int n_procs = data[0] % MAX_PROCS + 1;
	unsigned int n_threads = min(n_procs + data[0] / 8 % 4, (unsigned int)MAX_THREADS);
	struct shim_process *process;

	memcpy(&chooser.state, data + 4, sizeof(chooser.state));
	shim_seed(chooser.state);
	shim_rcu_late = data[3] & 8;
	world_begin(n_procs, n_threads, regions[data[1] % ARRAY_SIZE(regions)], data[2]);
	deal_out(data + HEADER, size - HEADER);
	for (unsigned int i = 0; i < n_threads; i++)
		shim_spawn(world.threads[i].task, "thread", run_thread, &world.threads[i]);
	process = shim_process_new(0, NULL);
	shim_spawn(shim_task_new(process, 0), "closer", run_closer, NULL);
	shim_run(&policy);
	shim_process_put(process);
	world_end();
}

/*
 * Sequences are short, so a small quarantine suffices. The host build counts leaks: LeakSanitizer
 * cannot follow the stacks of fibers.
 */
const char *__asan_default_options(void)
{
	return "detect_leaks=0:quarantine_size_mb=8:malloc_context_size=8:detect_stack_use_after_return=0";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool done;

	if (!done)
		world_set_up_once();
	done = true;
	if (size < HEADER)
		return 0;
	run(data, size);
	return 0;
}
