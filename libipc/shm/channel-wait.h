/* SPDX-License-Identifier: MIT */
/*
 * How a thread waits for its peer: it spins while the peer runs on another CPU, yields once if the
 * peer runs on the same CPU, and then sleeps in a futex. Each side publishes its CPU in a word.
 */
#ifndef IPC_CHANNEL_WAIT_H
#define IPC_CHANNEL_WAIT_H

#include <linux/futex.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Typical duration of a wake-up on another CPU. */
#define CHANNEL_SPIN_NS 50000U

/* --- CPUs --------------------------------------------------------------------------- */

int channel_cpu(void);

/* Encodes the CPU on which a thread sleeps, as distinct from a running thread's. */
static inline int channel_asleep(int cpu)
{
	return ~cpu;
}

/* The same for the caller of an async call. No CPU has this bit, so a sleeper's word has it. */
#define CHANNEL_CPU_BIT (1 << 30)

static inline int channel_async(int cpu)
{
	return ~(cpu | CHANNEL_CPU_BIT);
}

static inline bool channel_is_async(int word)
{
	return word < 0 && !(word & CHANNEL_CPU_BIT);
}

static inline int channel_cpu_of(int word)
{
	return word < 0 ? ~word & ~CHANNEL_CPU_BIT : word;
}

/* --- Spinning ----------------------------------------------------------------------- */

/*
 * Whether it pays that a thread yields while it waits for a reply. If other threads are busy on the
 * CPU, the thread may get it back only after their time slices, of milliseconds. So after such a
 * yield, many waits do not yield.
 */
struct channel_yield {
	atomic_uint skip;	/* number of next waits that must not yield */
	atomic_uint failures;	/* reduced by each yield that paid */
};

/*
 * Whether spinning or yielding pays, for a kind of wait. Several threads may use it: a lost update
 * only affects how long a thread spins, or whether it yields.
 */
struct channel_spin {
	uint32_t budget_ns;	/* 0: never spin or yield */
	atomic_uint skip;	/* number of next waits that must not spin */
	atomic_uint failures;	/* consecutive budgets spent in vain */
	struct channel_yield yield;
};

/* A wait that spins. */
struct spinning {
	struct channel_spin *spin;
	uint32_t budget_ns;
	unsigned int turns;
	uint64_t end;	/* of the budget, on the clock of channel_now(); 0: not known yet */
	int cpu;
};

/* Returns how long a wait may spin: budget_ns, or 0 if spinning did not pay lately. */
uint32_t channel_spin_begin(struct channel_spin *spin);
/* Notes the end of a wait. paid: it ended while the thread was spinning. */
void channel_spin_end(struct channel_spin *spin, bool paid);

/* Returns false if the wait must not spin. */
static inline bool spinning_begin(struct spinning *spinning, struct channel_spin *spin)
{
	*spinning = (struct spinning){ .spin = spin, .budget_ns = channel_spin_begin(spin) };
	spinning->cpu = channel_cpu();
	return spinning->budget_ns;
}

/* Pauses. Returns false if the wait must end: the peer, whose CPU word is given, runs on this CPU,
 * or the budget is used up. */
bool spinning_continue(struct spinning *spinning, int peer);

/* --- Yielding ----------------------------------------------------------------------- */

/* Returns whether a wait may yield, once: false if that did not pay lately. If it does,
 * channel_yield_end() must follow. */
bool channel_may_yield(struct channel_yield *yield);
/* Notes the end of a yield. paid: the wait is over. begin: when the thread yielded. */
void channel_yield_end(struct channel_yield *yield, bool paid, uint64_t begin);

/* --- Sleeping ----------------------------------------------------------------------- */

/* CLOCK_MONOTONIC, in nanoseconds. Parameters named until are times of this clock. */
uint64_t channel_now(void);

/* Sleeps while *word is value, at most until that time (0: no timeout). Returns 0 if *word may have
 * changed, -ETIMEDOUT, or -EINTR after a signal. */
int channel_sleep(const atomic_uint *word, uint32_t value, uint64_t until);

static inline struct futex_waitv channel_wait_for(const atomic_uint *word, uint32_t value)
{
	return (struct futex_waitv){ .uaddr = (uintptr_t)word, .val = value, .flags = FUTEX_32 };
}

/* The same for a word that no other process maps. */
static inline struct futex_waitv channel_wait_private(const atomic_uint *word, uint32_t value)
{
	struct futex_waitv wait = channel_wait_for(word, value);

	wait.flags |= FUTEX_PRIVATE_FLAG;
	return wait;
}

/* Sleeps while all words have their values. Returns as channel_sleep(), or -EOPNOTSUPP and sets
 * channel_no_waitv. */
int channel_sleep_words(struct futex_waitv *words, unsigned int n, uint64_t until);

/* futex_waitv() has failed: kernels before 5.16 and gVisor do not have it, and the seccomp filters
 * of many containers refuse it. A program may also install a filter later. */
extern atomic_bool channel_no_waitv;
/* Whether that has failed: then this process makes no channels, and ends those that it has. */
static inline bool channel_cannot_wait(void)
{
	return __builtin_expect(atomic_load_explicit(&channel_no_waitv, memory_order_relaxed), 0);
}
/* Returns whether this process may make a channel: tries futex_waitv(), and compares the clocks. */
bool channel_can_wait(void);

/* channel_ring() makes a bell expire, or returns false. channel_is_bell() returns whether a file is
 * a timer: see "Polling" in channel.h. Neither blocks, whatever the peer does with the timer. */
bool channel_ring(int bell);
bool channel_is_bell(int fd);

void channel_wake(const atomic_uint *word, unsigned int threads);
/* As channel_wake(), for a private word: of struct channel_wait, or the second alarm of
 * channel_await_alarms(). The kernel need not look up the page of such a word. */
void channel_wake_private(const atomic_uint *word, unsigned int threads);

#endif /* IPC_CHANNEL_WAIT_H */
