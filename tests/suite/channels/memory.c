// SPDX-License-Identifier: MIT
/*
 * The model's memory and futexes: see model.h. After "A Promising Semantics for Relaxed-Memory
 * Concurrency" (Kang and others, POPL 2017), without promises: a store is a message with a view.
 */
#include <errno.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdlib.h>

#include "seams.h"

#undef memcpy
#undef syscall
#include "model.h"

#define MAX_WORDS    64U
#define MAX_MESSAGES 200U
#define MAX_QUEUED   64U
/* A load chooses among at most this many values. */
#define MAX_CHOICES  4U

/* Of each word: the number of the oldest message that may still be read. */
struct view {
	uint8_t at[MAX_WORDS];
};

struct message {
	uint32_t value;
	struct view view;
};

static struct word {
	const volatile void *address;
	uint8_t last; /* message */
	uint8_t sc;   /* the last sequentially consistent write */
	struct message messages[MAX_MESSAGES];
} words[MAX_WORDS];

static unsigned int n_words;
/* The last view is that outside of a run, which has seen everything. */
static struct view views[MODEL_THREADS + 1];
/* The view of threads that made futex calls: the kernel orders these calls. */
static struct view kernel;
/* Views at sequentially consistent writes: a fence passes them on. */
static struct view consistent;

static struct {
	const volatile void *word;
	unsigned int thread;
	bool private;	/* such a futex and a shared one do not match */
} queue[MAX_QUEUED];
static unsigned int n_queued;

void memory_reset(void)
{
	n_words = 0;
	n_queued = 0;
	for (unsigned int i = 0; i <= MODEL_THREADS; i++)
		views[i] = (struct view){ 0 };
	kernel = (struct view){ 0 };
	consistent = (struct view){ 0 };
}

static void join(struct view *view, const struct view *other)
{
	for (unsigned int i = 0; i < MAX_WORDS; i++)
		if (view->at[i] < other->at[i])
			view->at[i] = other->at[i];
}

/* MAX_WORDS if no thread has written it. */
static unsigned int find_written(const volatile void *address)
{
	for (unsigned int i = 0; i < n_words; i++)
		if (words[i].address == address)
			return i;
	return MAX_WORDS;
}

/* If the word is new, its first message is the current value in memory. */
static unsigned int find(const volatile void *address, uint32_t value)
{
	unsigned int i = find_written(address);

	if (i < MAX_WORDS)
		return i;
	CHECK(n_words < MAX_WORDS);
	i = n_words++;
	words[i].address = address;
	words[i].last = words[i].sc = 0;
	words[i].messages[0] = (struct message){ .value = value };
	return i;
}

static struct view *own_view(void)
{
	return &views[fiber_self()];
}

static bool is_outside(void)
{
	return fiber_self() == MODEL_THREADS;
}

static bool acquires(memory_order order)
{
	return order != memory_order_relaxed && order != memory_order_release;
}

static bool releases(memory_order order)
{
	return order == memory_order_release || order >= memory_order_acq_rel;
}

static const char *order_name(memory_order order)
{
	return order == memory_order_relaxed ? "relaxed" :
	       order == memory_order_seq_cst ? "seq_cst" :
					       "acq/rel";
}

/* --- Words --------------------------------------------------------------------------------- */

static uint32_t read_at(unsigned int w, unsigned int at, memory_order order)
{
	struct view *view = own_view();

	if (acquires(order))
		join(view, &words[w].messages[at].view);
	if (view->at[w] < at)
		view->at[w] = (uint8_t)at;
	return words[w].messages[at].value;
}

static uint32_t read_some(const volatile uint32_t *word, memory_order order)
{
	unsigned int w = find_written(word), oldest, n;

	if (w == MAX_WORDS)
		return *word;
	oldest = own_view()->at[w];
	if (order == memory_order_seq_cst && oldest < words[w].sc)
		oldest = words[w].sc;
	n = words[w].last - oldest + 1;
	return read_at(w, words[w].last - fiber_choose(n < MAX_CHOICES ? n : MAX_CHOICES, "value"),
		       order);
}

static void append(unsigned int w, uint32_t value, memory_order order, bool is_change)
{
	struct word *word = &words[w];
	struct view *view = own_view();
	struct message *message = &word->messages[word->last + 1];

	CHECK(word->last + 1U < MAX_MESSAGES);
	view->at[w] = ++word->last;
	*message = (struct message){ .value = value };
	if (releases(order))
		message->view = *view;
	/* A read-modify-write continues the release sequence that it read. */
	if (is_change)
		join(&message->view, &word->messages[word->last - 1].view);
	message->view.at[w] = word->last;
	if (order == memory_order_seq_cst) {
		word->sc = word->last;
		join(&consistent, view);
	}
}

uint32_t seam_load(const volatile void *address, memory_order order)
{
	const volatile uint32_t *word = address;

	if (is_outside())
		return *word;
	fiber_point("load", order_name(order), order != memory_order_seq_cst);
	return read_some(word, order);
}

void seam_store(volatile void *address, uint32_t value, memory_order order)
{
	volatile uint32_t *word = address;

	if (!is_outside()) {
		fiber_point("store", order_name(order), order != memory_order_seq_cst);
		append(find(word, *word), value, order, false);
	}
	*word = value;
}

static uint32_t apply(enum seam_op op, uint32_t old, uint32_t value)
{
	return op == SEAM_ADD ? old + value : op == SEAM_AND ? old & value : old | value;
}

uint32_t seam_change(volatile void *address, enum seam_op op, uint32_t value, memory_order order)
{
	volatile uint32_t *word = address;
	uint32_t old = *word;
	unsigned int w;

	if (!is_outside()) {
		fiber_point("change", order_name(order), false);
		old = *word;
		w = find(word, old);
		read_at(w, words[w].last, order);
		append(w, apply(op, old, value), order, true);
	}
	*word = apply(op, old, value);
	return old;
}

bool seam_exchange(volatile void *address, uint32_t *expected, uint32_t value, memory_order order)
{
	volatile uint32_t *word = address;
	unsigned int w;

	if (!is_outside()) {
		fiber_point("exchange", order_name(order), false);
		w = find(word, *word);
		if (*word != *expected) {
			*expected = read_at(w, words[w].last, memory_order_relaxed);
			return false;
		}
		read_at(w, words[w].last, order);
		append(w, value, order, true);
	} else if (*word != *expected) {
		*expected = *word;
		return false;
	}
	*word = value;
	return true;
}

void seam_fence(memory_order order)
{
	CHECK(order == memory_order_seq_cst);
	if (is_outside())
		return;
	fiber_point("fence", "", false);
	join(own_view(), &consistent);
	join(&consistent, own_view());
}

/* --- Payloads ------------------------------------------------------------------------------ */

/* A copy is from or to private memory. It must be ordered after the other copies of the payload,
 * because a cell never has two owners: a word without readers stands for the payload. */
static void own_payload(const void *payload)
{
	unsigned int w = find(payload, 0);

	if (own_view()->at[w] != words[w].last)
		model_fail("data race: a payload is copied before another copy of it has ended");
	append(w, 0, memory_order_relaxed, true);
}

extern const char *model_shared_begin, *model_shared_end;

static bool is_shared(const void *at)
{
	return (const char *)at >= model_shared_begin && (const char *)at < model_shared_end;
}

void *seam_copy(void *to, const void *from, size_t size)
{
	if (!is_outside() && (is_shared(to) || is_shared(from))) {
		fiber_point("copy", "", true);
		own_payload(is_shared(to) ? to : from);
	}
	return memcpy(to, from, size);
}

/* --- Futexes ------------------------------------------------------------------------------- */

static void leave_queue(void)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < n_queued; i++)
		if (queue[i].thread != fiber_self())
			queue[n++] = queue[i];
	n_queued = n;
}

/* Compares and queues in a single step, as the kernel does. */
static bool enter_queue(const volatile void *address, uint32_t value, bool private)
{
	const volatile uint32_t *word = address;

	fiber_point("futex", "wait", false);
	join(own_view(), &kernel);
	if (read_some(word, memory_order_seq_cst) != value)
		return false;
	CHECK(n_queued < MAX_QUEUED);
	queue[n_queued].word = word;
	queue[n_queued].private = private;
	queue[n_queued++].thread = fiber_self();
	return true;
}

static long wait_queued(bool timed, bool queued)
{
	bool woken = queued ? fiber_sleep(timed, "futex") : fiber_take_wake();

	leave_queue();
	join(own_view(), &kernel);
	if (woken)
		return 0;
	errno = queued ? ETIMEDOUT : EAGAIN;
	return -1;
}

static long wake(const volatile void *word, uint32_t threads, bool private)
{
	long n = 0;

	fiber_point("futex", "wake", false);
	join(&kernel, own_view());
	for (unsigned int i = 0; i < n_queued && (uint32_t)n < threads;) {
		unsigned int thread = queue[i].thread;

		if (queue[i].word != word || queue[i].private != private) {
			i++;
			continue;
		}
		fiber_wake(thread);
		n++;
		/* Out of all its queues, as the kernel ignores a second wake-up. */
		for (unsigned int j = n_queued; j--;)
			if (queue[j].thread == thread) {
				memmove(&queue[j], &queue[j + 1],
					(--n_queued - j) * sizeof(queue[0]));
				if (j < i)
					i--;
			}
	}
	return n;
}

long seam_syscall(long number, ...)
{
	const struct futex_waitv *waitv;
	const volatile void *word;
	const void *time;
	unsigned int n;
	bool queued = true;
	uint32_t value;
	va_list args;
	long r = -1;
	int op;

	va_start(args, number);
	if (number == SYS_futex) {
		word = va_arg(args, const volatile void *);
		op = va_arg(args, int);
		value = va_arg(args, uint32_t);
		time = va_arg(args, const void *);
		if ((op & FUTEX_CMD_MASK) == FUTEX_WAKE)
			r = wake(word, value, op & FUTEX_PRIVATE_FLAG);
		else
			r = wait_queued(time, enter_queue(word, value, /* private= */ false));
	} else if (number == SYS_futex_waitv) {
		waitv = va_arg(args, const struct futex_waitv *);
		n = va_arg(args, unsigned int);
		va_arg(args, unsigned int);
		time = va_arg(args, const void *);
		for (unsigned int i = 0; i < n && queued; i++)
			queued = enter_queue((const void *)(uintptr_t)waitv[i].uaddr,
					     (uint32_t)waitv[i].val,
					     waitv[i].flags & FUTEX_PRIVATE_FLAG);
		r = wait_queued(time, queued);
	} else {
		model_fail("system call %ld", number);
	}
	va_end(args);
	return r;
}
