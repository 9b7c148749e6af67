// SPDX-License-Identifier: MIT
/* The memory of a direct channel, and how its two sides wait for each other. See channel.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>

#include "channel.h"

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* --- The client --------------------------------------------------------------------- */

static uint32_t reply_number(const struct channel_caller *caller, unsigned int cell)
{
	return peer_number(caller->peer, cell);
}

/* Records that the cell has the reply to its last call, so the next wait is for another number. */
static inline void set_before(struct channel_caller *caller, unsigned int cell)
{
	atomic_store_explicit(&caller->before[cell], caller->posted[cell], memory_order_relaxed);
}

void channel_put_cell(struct channel_caller *caller, unsigned int cell)
{
	atomic_fetch_and_explicit(&caller->taken, ~(1U << cell), memory_order_release);
}

/* Frees a cell that is both lost and recovered, once. */
static void free_recovered(struct channel_caller *caller, unsigned int cell)
{
	unsigned int bit = 1U << cell;

	if (!(atomic_load(&caller->recovered) & bit) ||
	    !(atomic_fetch_and(&caller->lost, ~bit) & bit))
		return;
	atomic_fetch_and(&caller->recovered, ~bit);
	channel_put_cell(caller, cell);
}

/* Frees the cells of lost calls whose replies have arrived. A thread must first clear the bit in
 * lost, so that no other thread frees and reuses the cell in the meantime. */
static void reclaim(struct channel_caller *caller)
{
	unsigned int lost = atomic_load(&caller->lost);

	for (; lost; lost &= lost - 1) {
		unsigned int cell = (unsigned int)__builtin_ctz(lost), bit = 1U << cell;

		if (!(atomic_fetch_and(&caller->lost, ~bit) & bit))
			continue;
		if (reply_number(caller, cell) == caller->posted[cell]) {
			set_before(caller, cell);
			atomic_fetch_and(&caller->taken, ~bit);
		} else {
			atomic_fetch_or(&caller->lost, bit);
			/* channel_recover_cell() may have run while the bit was not set. */
			free_recovered(caller, cell);
		}
	}
}

#define LARGE_CELLS ((1U << CHANNEL_LARGE) - 1)
#define SMALL_CELLS (((1U << CHANNEL_HUGE) - 1) & ~LARGE_CELLS)

/* Takes the first free cell of the set. Returns its index, or -EBUSY. */
static inline int take_free(struct channel_caller *caller, unsigned int cells)
{
	unsigned int taken = atomic_load_explicit(&caller->taken, memory_order_relaxed), cell;

	if (__builtin_expect((taken & cells) == cells, 0)) {
		reclaim(caller);
		taken = atomic_load(&caller->taken);
	}
	do {
		if (!(~taken & cells))
			return -EBUSY;
		cell = (unsigned int)__builtin_ctz(~taken & cells);
	} while (!atomic_compare_exchange_weak_explicit(&caller->taken, &taken, taken | 1U << cell,
							memory_order_seq_cst,
							memory_order_relaxed));
	return (int)cell;
}

int channel_take_cell(struct channel_caller *caller, size_t size)
{
	return take_free(caller, size > CHANNEL_DATA_MAX ? 1U << CHANNEL_HUGE : LARGE_CELLS);
}

int channel_take_async_cell(struct channel_caller *caller, size_t size)
{
	return size > CHANNEL_SMALL_MAX ? channel_take_cell(caller, size) :
					  take_free(caller, SMALL_CELLS);
}

/* Whether the last async call woke one of these sleepers, and no thread has taken that call yet.
 * The woken thread will find this call too. If not, records that this call wakes a thread. */
static bool was_woken(struct channel_caller *caller, unsigned int cell, uint32_t waiting)
{
	unsigned int last = atomic_load_explicit(&caller->async_cell, memory_order_relaxed);
	uint32_t number = atomic_load_explicit(&caller->async_number, memory_order_relaxed);
	uint32_t woken = atomic_load_explicit(&caller->async_woken, memory_order_relaxed);

	if (waiting == woken && number && peer_taken(caller->peer, last) != number)
		return true;
	atomic_store_explicit(&caller->async_cell, cell, memory_order_relaxed);
	atomic_store_explicit(&caller->async_number, caller->posted[cell], memory_order_relaxed);
	atomic_store_explicit(&caller->async_woken, waiting, memory_order_relaxed);
	return false;
}

static inline void begin(struct channel_caller *caller, unsigned int cell)
{
	caller->posted[cell]++;
	caller->nests[cell] = false;
}

void channel_begin_async(struct channel_caller *caller, unsigned int cell)
{
	begin(caller, cell);
}

/* Rings once for each number in the server's polls. Threads may ring twice, but none relies on a
 * ring that another thread has yet to do. */
static void ring(struct channel_caller *caller)
{
	uint32_t polls = peer_server_polls(caller->peer);

	if (polls == atomic_load_explicit(&caller->rung, memory_order_relaxed))
		return;
	if (!channel_ring(caller->bell))
		atomic_store_explicit(&caller->unheard, true, memory_order_relaxed);
	atomic_store_explicit(&caller->rung, polls, memory_order_relaxed);
}

/* Rings and wakes the server after a call or oneway, as it announced in waiting: see "Sleeping" in
 * channel.h. woken: a sleeper was woken before, and will find the message. */
static __attribute__((noinline)) void wake_server(struct channel_caller *caller, uint32_t waiting,
						  bool woken)
{
	if (waiting & CHANNEL_POLLS)
		ring(caller);
	if (waiting & CHANNEL_SLEEPERS & ~CHANNEL_POLLS && !woken)
		channel_wake(&caller->own->tail, 1);
}

void channel_post(struct channel_caller *caller, unsigned int cell,
		  const struct channel_call *call)
{
	struct channel_request *request = channel_request_at(caller->own, cell);
	uint32_t number, waiting;

	if (!call->async)
		begin(caller, cell);
	number = caller->posted[cell];
	if (call->data && call->size)
		memcpy(channel_payload(caller, cell), call->data, call->size);
	request->code = call->code;
	request->size = (uint32_t)call->size;
	request->deadline = call->deadline;
	atomic_store_explicit(&request->cpu,
			      call->async ? channel_async(channel_cpu()) : channel_cpu(),
			      memory_order_relaxed);
	atomic_store_explicit(&caller->own->posted[cell], number, memory_order_release);
	if (cell >= CHANNEL_LARGE)
		atomic_fetch_add(&caller->own->others, 1);
	atomic_fetch_add(&caller->own->tail, 1);
	waiting = peer_server_waiting(caller->peer);
	if (waiting & CHANNEL_SLEEPERS)
		wake_server(caller, waiting, call->async && was_woken(caller, cell, waiting));
}

/* The number in the cell while the caller waits. */
static inline uint32_t number_before(const struct channel_caller *caller, unsigned int cell)
{
	return unlikely(caller->nests[cell]) ? caller->posted[cell] ^ CHANNEL_NESTS :
					       atomic_load_explicit(&caller->before[cell],
								    memory_order_relaxed);
}

/* Whether the reply has arrived, or the peer wrote another number, which ends the wait too. */
static inline bool is_there(const struct channel_caller *caller, unsigned int cell)
{
	return reply_number(caller, cell) != number_before(caller, cell);
}

bool channel_is_answered(const struct channel_caller *caller, unsigned int cell)
{
	return is_there(caller, cell);
}

/* The server stores taken first and then reads whether the channel has ended. */
bool channel_is_refused(const struct channel_caller *caller, unsigned int cell)
{
	return peer_ended(caller->peer) &&
	       peer_taken(caller->peer, cell) != caller->posted[cell];
}

/* Spins while the server runs on another CPU, or slept there and was woken. Returns -1 if the reply
 * has arrived, otherwise the CPU on which this thread runs. */
static int spin_for_reply(struct channel_caller *caller, unsigned int cell)
{
	struct spinning spinning;

	if (!spinning_begin(&spinning, &caller->spin))
		return is_there(caller, cell) ? -1 : spinning.cpu;
	while (!is_there(caller, cell))
		if (!spinning_continue(&spinning, channel_server_cpu(caller)))
			return spinning.cpu;
	channel_spin_end(&caller->spin, true);
	return -1;
}

/* If the server runs on the same CPU, or was woken there, lets it run once: its reply then need not
 * wake this thread. Returns whether the reply has arrived. */
static bool yield_for_reply(struct channel_caller *caller, unsigned int cell, int cpu,
			    uint64_t now)
{
	struct channel_spin *spin = &caller->spin;

	if (!spin->budget_ns || channel_server_cpu(caller) != cpu ||
	    !channel_may_yield(&spin->yield))
		return false;
	sched_yield();
	channel_yield_end(&spin->yield, is_there(caller, cell), now);
	return is_there(caller, cell);
}

int channel_await(struct channel_caller *caller, unsigned int cell, uint64_t sleep_ns)
{
	struct channel_request *request = channel_request_at(caller->own, cell);
	uint32_t before = number_before(caller, cell);
	int cpu = spin_for_reply(caller, cell), r = 0;
	uint64_t now;

	if (cpu < 0)
		return 0;
	now = channel_now();
	if (yield_for_reply(caller, cell, cpu, now))
		return 0;
	atomic_store(&request->cpu, channel_asleep(cpu));
	while (reply_number(caller, cell) == before && r == 0)
		r = channel_is_refused(caller, cell) ?
			    -ESHUTDOWN :
			    channel_sleep(peer_number_futex(caller->peer, cell), before,
					  sleep_ns ? now + sleep_ns : 0);
	return is_there(caller, cell) ? 0 : r;
}

int channel_await_alarms(struct channel_caller *caller, unsigned int cell, uint64_t sleep_ns,
			 const atomic_uint *const alarms[CHANNEL_ALARMS])
{
	struct channel_request *request = channel_request_at(caller->own, cell);
	const atomic_uint *number = peer_number_futex(caller->peer, cell);
	struct futex_waitv words[1 + CHANNEL_ALARMS];
	uint64_t until = channel_now() + sleep_ns;
	int r = 0;

	words[0] = channel_wait_for(number, number_before(caller, cell));
	words[1] = channel_wait_for(alarms[0], 0);
	words[2] = channel_wait_private(alarms[1], 0);
	atomic_store(&request->cpu, channel_asleep(channel_cpu()));
	if (!is_there(caller, cell))
		r = channel_is_refused(caller, cell) ?
			    -ESHUTDOWN :
			    channel_sleep_words(words, 1 + CHANNEL_ALARMS, until);
	/* Then the caller misses the alarms until the time is over. */
	if (unlikely(r == -EOPNOTSUPP))
		r = channel_sleep(number, number_before(caller, cell), until);
	return is_there(caller, cell) ? 0 : r < 0 ? r : -EAGAIN;
}

bool channel_must_join(struct channel_caller *caller, unsigned int cell, uint32_t *ret_thread)
{
	if (reply_number(caller, cell) != (caller->posted[cell] ^ CHANNEL_NESTS) ||
	    caller->nests[cell])
		return false;
	caller->nests[cell] = true;
	*ret_thread = peer_thread(caller->peer, cell);
	return true;
}

int channel_take_end(struct channel_caller *caller, unsigned int cell, struct channel_end *ret_end)
{
	/* On a wrong number the channel ends, so the cell stays taken. */
	if (reply_number(caller, cell) != caller->posted[cell])
		return -EPROTO;
	return peer_reply(caller->peer, cell, ret_end);
}

void channel_take_reply(struct channel_caller *caller, unsigned int cell,
			const struct channel_end *end, void *data)
{
	peer_copy_reply(caller->peer, caller->peer_huge, cell, end, data);
	set_before(caller, cell);
	if (end->kind != CHANNEL_LATER && end->kind != CHANNEL_REFUSED)
		channel_put_cell(caller, cell);
}

void channel_abandon(struct channel_caller *caller, unsigned int cell)
{
	atomic_store(&channel_request_at(caller->own, cell)->canceled, caller->posted[cell]);
	atomic_fetch_or(&caller->lost, 1U << cell);
	if (unlikely(atomic_load(&caller->recovered)))
		free_recovered(caller, cell);
}

bool channel_withdraw(struct channel_caller *caller, unsigned int cell)
{
	atomic_uint *canceled = &channel_request_at(caller->own, cell)->canceled;
	uint32_t number = caller->posted[cell];

	/* channel_take() stores taken first and then reads canceled. */
	atomic_store(canceled, number);
	if (peer_taken(caller->peer, cell) == number) {
		atomic_store(canceled, number - 1);
		return false;
	}
	atomic_fetch_or(&caller->lost, 1U << cell);
	return true;
}

void channel_recover_cell(struct channel_caller *caller, unsigned int cell)
{
	atomic_fetch_or(&caller->recovered, 1U << cell);
	free_recovered(caller, cell);
}

/* --- Oneways ----------------------------------------------------------------------- */

static inline struct channel_oneway *oneway_at(struct channel_client_part *part, uint32_t position)
{
	return (struct channel_oneway *)(void *)&part->ring[channel_oneway_at(position)];
}

uint8_t *channel_reserve_oneway(struct channel_caller *caller, size_t size)
{
	uint32_t left = channel_contiguous(caller->sent), needed = channel_oneway_size(size);
	uint32_t skip = needed > left ? left : 0;

	if (size > CHANNEL_DATA_MAX || channel_used(caller) + skip + needed > CHANNEL_RING_SIZE)
		return NULL;
	return oneway_at(caller->own, caller->sent + skip)->data;
}

void channel_send_oneway(struct channel_caller *caller, uint32_t epoch, uint32_t code, size_t size)
{
	uint32_t left = channel_contiguous(caller->sent), needed = channel_oneway_size(size);
	bool pending = channel_used(caller);
	struct channel_oneway *oneway;
	uint32_t waiting;

	if (unlikely(needed > left)) {
		oneway = oneway_at(caller->own, caller->sent);
		oneway->epoch = epoch;
		oneway->size = CHANNEL_SKIP;
		caller->sent += left;
	}
	oneway = oneway_at(caller->own, caller->sent);
	oneway->epoch = epoch;
	oneway->size = (uint32_t)size;
	oneway->code = code;
	caller->sent += needed;
	if (!pending)
		atomic_store_explicit(&caller->own->cpu, channel_cpu(), memory_order_relaxed);
	/* Before the caller reads ended: see channel_end(). */
	atomic_store(&caller->own->sent, caller->sent);
	atomic_fetch_add(&caller->own->tail, 1);
	waiting = peer_server_waiting(caller->peer);
	/* If the last wake-up was for the same sleepers, a woken thread has not looked at the ring
	 * yet, and will find this oneway too. */
	if (!(waiting & CHANNEL_SLEEPERS))
		return;
	wake_server(caller, waiting, pending && waiting == caller->woken);
	caller->woken = waiting;
}

static void set_drained(struct channel_callee *callee, uint32_t drained)
{
	atomic_store_explicit(&callee->drained, drained, memory_order_relaxed);
	atomic_store_explicit(&callee->own->drained, drained, memory_order_release);
}

static bool is_possible(uint32_t filled)
{
	return filled <= CHANNEL_RING_SIZE && filled % CHANNEL_ONEWAY_ALIGN == 0;
}

int channel_take_oneway(struct channel_callee *callee, uint32_t epoch, void *data,
			struct channel_taken *ret_taken)
{
	uint32_t drained = atomic_load_explicit(&callee->drained, memory_order_relaxed);
	uint32_t filled = channel_sent(callee) - drained;
	int r;

	if (!filled)
		return 0;
	if (!is_possible(filled))
		return -EPROTO;
	if (peer_oneway_waits(callee->peer, drained, epoch))
		return 0;
	r = peer_take_oneway(callee->peer, drained, filled, data, ret_taken);
	if (r < 0)
		return r;
	set_drained(callee, drained + (uint32_t)r);
	return 1;
}

void channel_close_ring(struct channel_callee *callee)
{
	unsigned int live = CHANNEL_RING_LIVE;

	atomic_store(&callee->last, peer_sent(callee->peer));
	atomic_compare_exchange_strong(&callee->ring, &live, CHANNEL_RING_CLOSED);
}

void channel_drain_until(struct channel_callee *callee, uint32_t position)
{
	uint32_t drained = atomic_load(&callee->drained), last = atomic_load(&callee->last);

	if (atomic_load(&callee->ring) == CHANNEL_RING_CLOSED && is_possible(position - drained) &&
	    position - drained > last - drained)
		atomic_store(&callee->last, position);
}

/* --- The server --------------------------------------------------------------------- */

/* Takes the call of a cell, unless another thread does. The thread that sets the bit in busy owns
 * the cell. Inline, because a thread looks at all cells before it sleeps. */
static inline __attribute__((always_inline)) int take_cell(struct channel_callee *callee,
							   unsigned int cell)
{
	uint32_t seen = atomic_load_explicit(&callee->seen[cell], memory_order_relaxed), number;

	if (peer_posted(callee->peer, cell) == seen ||
	    atomic_fetch_or(&callee->busy, 1U << cell) & 1U << cell)
		return 0;
	seen = atomic_load_explicit(&callee->seen[cell], memory_order_relaxed);
	number = peer_posted(callee->peer, cell);
	if (number == seen) {
		atomic_fetch_and(&callee->busy, ~(1U << cell));
		return 0;
	}
	if (number != seen + 1)
		return -EPROTO;
	atomic_store_explicit(&callee->seen[cell], number, memory_order_relaxed);
	atomic_store(&callee->own->taken[cell], number);
	return 1;
}

static void refuse(struct channel_callee *callee, unsigned int cell)
{
	const struct channel_end end = { .kind = CHANNEL_REFUSED };

	channel_answer(callee, cell,
		       atomic_load_explicit(&callee->seen[cell], memory_order_relaxed), &end,
		       NULL);
}

static inline __attribute__((always_inline)) int
take_of(struct channel_callee *callee, unsigned int first, unsigned int end,
	struct channel_taken *ret_taken)
{
	for (unsigned int cell = first; cell < end; cell++) {
		int r = take_cell(callee, cell);
		uint32_t number;

		if (r < 0)
			return r;
		if (!r)
			continue;
		number = atomic_load_explicit(&callee->seen[cell], memory_order_relaxed);
		if (unlikely(channel_is_canceled(callee, cell, number))) {
			refuse(callee, cell);
			continue;
		}
		if (unlikely(cell == CHANNEL_HUGE) && !atomic_load(&callee->is_extended))
			return -EPROTO;
		r = peer_request(callee->peer, cell, number, ret_taken);
		return r < 0 ? r : 1;
	}
	return 0;
}

/* Returns whether a cell from first on has a call that no thread has taken. except: a bit for each
 * cell that does not count. */
static inline bool has_posted(const struct channel_callee *callee, unsigned int first,
			      unsigned int except)
{
	for (unsigned int cell = first; cell < CHANNEL_CELLS; cell++)
		if (peer_posted(callee->peer, cell) !=
			    atomic_load_explicit(&callee->seen[cell], memory_order_relaxed) &&
		    !(except & 1U << cell))
			return true;
	return false;
}

/* In a cell whose call is being served, only a hostile client posts another call. Only a hostile
 * client also hides a call in the other cells from channel_take(), by leaving others as it was. */
bool channel_has_posted(const struct channel_callee *callee)
{
	unsigned int except = atomic_load(&callee->busy);

	if (peer_others(callee->peer) ==
	    atomic_load_explicit(&callee->looked, memory_order_relaxed))
		except |= ~LARGE_CELLS;
	return has_posted(callee, 0, except);
}

/* Begins with the cell of the last call, whose caller often makes the next call, but at times
 * behind that cell. Async calls of a thread are in several cells. */
int channel_take(struct channel_callee *callee, struct channel_taken *ret_taken)
{
	uint32_t others = peer_others(callee->peer);
	bool any = others != atomic_load_explicit(&callee->looked, memory_order_relaxed);
	unsigned int first = atomic_load_explicit(&callee->next, memory_order_relaxed);
	unsigned int end = unlikely(any) ? CHANNEL_CELLS : CHANNEL_LARGE;
	int r = 0;

	if (first < end)
		r = take_of(callee, first, end, ret_taken);
	if (!r)
		r = take_of(callee, 0, first < end ? first : end, ret_taken);
	if (r > 0) {
		first = ret_taken->cell;
		first += first >= CHANNEL_LARGE || ret_taken->number % 16 == 0;
		atomic_store_explicit(&callee->next, first, memory_order_relaxed);
	}
	/* This thread may have passed over a call while another one held its bit in busy. */
	if (unlikely(any) && !r && !has_posted(callee, CHANNEL_LARGE, /* except= */ 0))
		atomic_store_explicit(&callee->looked, others, memory_order_relaxed);
	return r;
}

bool channel_answer(struct channel_callee *callee, unsigned int cell, uint32_t number,
		    const struct channel_end *end, const void *data)
{
	struct channel_reply *reply = channel_reply_at(callee->own, cell);
	int cpu;

	if (data && end->size)
		memcpy(channel_reply_payload(callee, cell), data, end->size);
	reply->kind = end->kind;
	reply->error = end->error;
	reply->size = end->size;
	/* The client may post the next call of the cell as soon as it sees the number. */
	atomic_fetch_and(&callee->busy, ~(1U << cell));
	atomic_store(&reply->number, number);
	cpu = peer_caller_cpu(callee->peer, cell);
	if (likely(cpu >= 0))
		return false;
	if (!channel_is_async(cpu)) {
		channel_wake(&reply->number, 1);
		return false;
	}
	atomic_fetch_add(&callee->own->tail, 1);
	return true;
}

void channel_free(struct channel_callee *callee, unsigned int cell)
{
	atomic_fetch_and(&callee->busy, ~(1U << cell));
}

bool channel_notify(struct channel_callee *callee)
{
	uint32_t polls = peer_polls(callee->peer);

	if (peer_client_waiting(callee->peer) & CHANNEL_SLEEPERS)
		channel_wake(&callee->own->tail, 1);
	if (polls == atomic_load_explicit(&callee->rung, memory_order_relaxed))
		return false;
	atomic_store_explicit(&callee->rung, polls, memory_order_relaxed);
	return true;
}

void channel_ask_to_join(struct channel_callee *callee, unsigned int cell, uint32_t number,
			 uint32_t thread)
{
	struct channel_reply *reply = channel_reply_at(callee->own, cell);

	reply->thread = thread;
	atomic_store(&reply->number, number ^ CHANNEL_NESTS);
	if (peer_caller_cpu(callee->peer, cell) < 0)
		channel_wake(&reply->number, 1);
}

void channel_end(struct channel_callee *callee)
{
	atomic_store(&callee->own->ended, 1);
	atomic_thread_fence(memory_order_seq_cst);
	channel_close_ring(callee);
	for (unsigned int cell = 0; cell < CHANNEL_CELLS; cell++)
		if (take_cell(callee, cell) > 0)
			refuse(callee, cell);
}

static bool has_call(const struct channel_wait *wait)
{
	for (unsigned int i = 0; i < wait->n; i++)
		if (channel_has_call(wait->callees[i], wait->tails[i]))
			return true;
	for (unsigned int i = 0; i < wait->n_callers; i++)
		if (channel_answers(wait->callers[i]) != wait->answered[i])
			return true;
	return atomic_load(wait->event) || atomic_load(wait->bell) != wait->rung;
}

bool channel_is_over(const struct channel_wait *wait)
{
	return has_call(wait);
}

/* Yields. Returns whether that paid. A yield that takes long delays no reply, so it counts as any
 * other, but it delays the other work of a loop. */
static bool yield_for_call(const struct channel_wait *wait)
{
	uint64_t begin = wait->in_loop ? channel_now() : 0;
	bool paid;

	sched_yield();
	paid = has_call(wait);
	if (wait->in_loop)
		channel_yield_end(&wait->spin->yield, paid, begin);
	return paid;
}

/* Spins while the last caller runs on another CPU, because its next call comes from there. If the
 * caller runs on this CPU, yields once: its next call then needs no wake-up. */
bool channel_spin_for_call(const struct channel_wait *wait)
{
	struct spinning spinning;
	bool paid = true;
	int cpu;

	if (!wait->last || !spinning_begin(&spinning, wait->spin))
		return false;
	while (!has_call(wait)) {
		cpu = channel_caller_cpu(wait->last, wait->last_cell);
		if (spinning_continue(&spinning, cpu))
			continue;
		if (channel_cpu_of(cpu) != spinning.cpu ||
		    (wait->in_loop && !channel_may_yield(&wait->spin->yield)))
			return false;
		paid = yield_for_call(wait);
		break;
	}
	channel_spin_end(wait->spin, paid);
	return paid;
}

static void change_waiting(const struct channel_wait *wait, uint32_t by, int cpu)
{
	for (unsigned int i = 0; i < wait->n; i++) {
		atomic_fetch_add(&wait->callees[i]->own->waiting, by);
		atomic_store_explicit(&wait->callees[i]->own->cpu, cpu, memory_order_relaxed);
	}
	for (unsigned int i = 0; i < wait->n_callers; i++)
		atomic_fetch_add(&wait->callers[i]->own->waiting, by);
}

/* If a thread can sleep only for the event, it looks at the other words that often. */
#define LOOK_NS ((uint64_t)5000000)

static int sleep_for_words(const struct channel_wait *wait, uint64_t until)
{
	struct futex_waitv words[CHANNEL_MAX_WAIT + CHANNEL_MAX_CALLERS + 2];
	unsigned int n = 0;
	int r;

	words[n++] = channel_wait_for(wait->event, 0);
	words[n++] = channel_wait_private(wait->bell, wait->rung);
	for (unsigned int i = 0; i < wait->n; i++)
		words[n++] = channel_wait_for(peer_tail_futex(wait->callees[i]->peer),
					      wait->tails[i]);
	for (unsigned int i = 0; i < wait->n_callers; i++)
		words[n++] = channel_wait_for(peer_answers_futex(wait->callers[i]->peer),
					      wait->answered[i]);
	r = channel_sleep_words(words, n, until);
	return likely(r != -EOPNOTSUPP) ? r :
					  channel_sleep(wait->event, 0, channel_now() + LOOK_NS);
}

int channel_sleep_for_call(const struct channel_wait *wait, uint64_t until)
{
	int r = 0;

	change_waiting(wait, CHANNEL_SLEEP, channel_asleep(channel_cpu()));
	if (!has_call(wait))
		r = sleep_for_words(wait, until);
	change_waiting(wait, 0 - 1U, channel_cpu());
	return r;
}

bool channel_poll_for_call(const struct channel_wait *wait)
{
	int cpu = channel_asleep(channel_cpu());

	for (unsigned int i = 0; i < wait->n; i++) {
		struct channel_callee *callee = wait->callees[i];
		uint32_t polls = atomic_fetch_add(&callee->polls, 1) + 1;

		atomic_store_explicit(&callee->own->cpu, cpu, memory_order_relaxed);
		atomic_store(&callee->own->polls, polls);
		if (polls == 1)
			atomic_fetch_or(&callee->own->waiting, CHANNEL_POLLS);
	}
	return has_call(wait);
}
