// SPDX-License-Identifier: MIT
/* Spinning, yielding and sleeping: see channel-wait.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/deadline.h"
#include "base/futex.h"
#include "channel-wait.h"

#ifdef SYS_clock_gettime64
#define CLOCK_NUMBER SYS_clock_gettime64
#else
#define CLOCK_NUMBER SYS_clock_gettime
#endif
/* How far the clock may be from the kernel's. */
#define CLOCK_ERROR_NS ((uint64_t)100000)

/* After many failures in a row, a wait spins only once in MAX_SKIP times. */
#define MAX_SKIP 64U

uint32_t channel_spin_begin(struct channel_spin *spin)
{
	uint32_t skip = atomic_load_explicit(&spin->skip, memory_order_relaxed);

	if (!skip)
		return spin->budget_ns;
	/* Store instead of decrement: two threads could decrement below 0. */
	atomic_store_explicit(&spin->skip, skip - 1, memory_order_relaxed);
	return 0;
}

void channel_spin_end(struct channel_spin *spin, bool paid)
{
	uint32_t failures = atomic_load_explicit(&spin->failures, memory_order_relaxed);

	if (paid) {
		if (failures)
			atomic_store_explicit(&spin->failures, 0, memory_order_relaxed);
		return;
	}
	/* Three wasted budgets cost less than a missed chance to spin. */
	if (++failures > 3) {
		uint32_t skip = 1U << (failures - 3);

		atomic_store_explicit(&spin->skip, skip, memory_order_relaxed);
		if (skip >= MAX_SKIP)
			failures--;
	}
	atomic_store_explicit(&spin->failures, failures, memory_order_relaxed);
}

static inline void pause_cpu(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* Reads clock and CPU once in 32 turns. */
bool spinning_continue(struct spinning *spinning, int peer)
{
	if (channel_cpu_of(peer) == spinning->cpu)
		return false;
	pause_cpu();
	if (++spinning->turns % 32)
		return true;
	spinning->cpu = channel_cpu();
	if (!spinning->end) {
		spinning->end = channel_now() + spinning->budget_ns;
	} else if (channel_now() >= spinning->end) {
		channel_spin_end(spinning->spin, false);
		return false;
	}
	return true;
}

/* A yield that takes longer has let busy threads run, and the next one may take as long. */
#define YIELD_NS 100000U

/* Each failure doubles the number of next waits that do not yield: from 4 to 64, and from 64 to
 * 64 Ki after long ones. */
#define MIN_YIELD_SKIP 4U
#define MAX_SHORT 4U
#define MAX_LONG 14U

bool channel_may_yield(struct channel_yield *yield)
{
	uint32_t skip = atomic_load_explicit(&yield->skip, memory_order_relaxed);

	if (!skip)
		return true;
	atomic_store_explicit(&yield->skip, skip - 1, memory_order_relaxed);
	return false;
}

void channel_yield_end(struct channel_yield *yield, bool paid, uint64_t begin)
{
	uint32_t failures = atomic_load_explicit(&yield->failures, memory_order_relaxed);
	bool is_long = channel_now() - begin >= YIELD_NS;
	uint32_t max = is_long ? MAX_LONG : MAX_SHORT;

	if (paid && !is_long) {
		if (failures)
			atomic_store_explicit(&yield->failures, failures - 1, memory_order_relaxed);
		return;
	}
	if (is_long && failures < MAX_SHORT)
		failures = MAX_SHORT;
	atomic_store_explicit(&yield->skip, MIN_YIELD_SKIP << (failures < max ? failures : max),
			      memory_order_relaxed);
	if (failures < max)
		atomic_store_explicit(&yield->failures, failures + 1, memory_order_relaxed);
}

uint64_t channel_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int channel_cpu(void)
{
	return sched_getcpu();
}

int channel_sleep(const atomic_uint *word, uint32_t value, uint64_t until)
{
	const struct __kernel_timespec time = futex_time(until);

	if (!futex_wait_until(word, value, until ? &time : NULL))
		return 0;
	return errno == EINTR || errno == ETIMEDOUT ? -errno : 0;
}

atomic_bool channel_no_waitv;

int channel_sleep_words(struct futex_waitv *words, unsigned int n, uint64_t until)
{
	const struct __kernel_timespec time = futex_time(until);

	if (syscall(SYS_futex_waitv, words, n, 0, until ? &time : NULL, CLOCK_MONOTONIC) >= 0)
		return 0;
	if (errno == EAGAIN)
		return 0;
	if (errno == EINTR || errno == ETIMEDOUT)
		return -errno;
	atomic_store(&channel_no_waitv, true);
	return -EOPNOTSUPP;
}

/* Returns true if the clock of this process is the clock by which the kernel ends waits. A library
 * such as libfaketime can replace the former. */
static bool has_clock_of_kernel(void)
{
	uint64_t before = time_now(), now, after;
	struct __kernel_timespec time;

	if (syscall(CLOCK_NUMBER, CLOCK_MONOTONIC, &time))
		return false;
	after = time_now();
	now = (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
	return now + CLOCK_ERROR_NS >= before && now <= after + CLOCK_ERROR_NS;
}

bool channel_can_wait(void)
{
	static const atomic_uint word;
	struct futex_waitv wait = channel_wait_private(&word, 1);

	/* A wait for a word that has another value already. */
	return has_clock_of_kernel() && channel_sleep_words(&wait, 1, /* until= */ 0) == 0;
}

/* TFD_IOC_SET_TICKS. <linux/timerfd.h> conflicts with <sys/timerfd.h>. */
#define SET_EXPIRATIONS _IOW('T', 0, uint64_t)

/* Kernels with CONFIG_CHECKPOINT_RESTORE, as of distributions, set the number of expirations
 * directly. Otherwise a timer interrupt does, which takes 80 times as long in virtual machines. */
bool channel_ring(int bell)
{
	static const struct itimerspec past = { .it_value.tv_nsec = 1 };
	static const uint64_t expirations = 1;

	return ioctl(bell, SET_EXPIRATIONS, &expirations) == 0 ||
	       timerfd_settime(bell, TFD_TIMER_ABSTIME, &past, NULL) == 0;
}

bool channel_is_bell(int fd)
{
	struct itimerspec value;

	return timerfd_gettime(fd, &value) == 0;
}

void channel_wake(const atomic_uint *word, unsigned int threads)
{
	syscall(SYS_futex, word, FUTEX_WAKE, threads, NULL, NULL, 0);
}

void channel_wake_private(const atomic_uint *word, unsigned int threads)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, threads, NULL, NULL, 0);
}
