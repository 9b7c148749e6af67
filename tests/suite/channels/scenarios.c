// SPDX-License-Identifier: MIT
/*
 * The scenarios of the model: clients, servers and a bus around the real channel.c. The server's
 * loop is that of channel-server.c without objects: read the tails, look for calls, wait.
 */
#include "seams.h"

#include <errno.h>

#include "shm/channel-ring.h"
#include "shm/channel.h"
#include "model.h"
#include "scenarios.h"

#define CHANNELS  2U
#define MAX_CALLS 32U
#define EVER	  0x7fffffff
/* The number of a thread that a caller is to join. */
#define THREAD	  7U

/* clang-format off */
static const struct scenario scenarios[] = {
	{ "sleep", "one client and one server, which never spin",
	  .clients = 1, .calls = 3, .servers = 1, .cells = 1, .cpus = 1 },
	{ "spin", "the same, and both spin on their own CPUs",
	  .clients = 1, .calls = 3, .servers = 1, .cells = 1, .cpus = 2, .budget = 2000 },
	{ "migrate", "the same, and both change their CPUs",
	  .clients = 1, .calls = 3, .servers = 1, .cells = 1, .cpus = 2, .budget = 2000,
	  .migrates = true },
	{ "servers", "two clients and two serving threads",
	  .clients = 2, .calls = 2, .servers = 2, .cells = 2, .cpus = 2 },
	{ "cells", "three clients and one cell: some calls go by the bus",
	  .clients = 3, .calls = 2, .servers = 1, .cells = 1, .cpus = 2 },
	{ "abandon", "callers that stop waiting, two cells, two serving threads",
	  .clients = 2, .calls = 3, .servers = 2, .cells = 2, .cpus = 2, .abandons = true },
	{ "reuse", "the same with three clients and a single cell",
	  .clients = 3, .calls = 2, .servers = 1, .cells = 1, .cpus = 2, .abandons = true },
	{ "channels", "a thread serves two channels",
	  .channels = 2, .clients = 1, .calls = 2, .servers = 1, .cells = 1, .cpus = 2 },
	{ "events", "the bus has events meanwhile, and two threads serve",
	  .clients = 1, .calls = 2, .servers = 2, .cells = 1, .cpus = 2, .events = 2 },
	{ "generation", "a second channel comes while two threads wait",
	  .channels = 2, .clients = 1, .calls = 2, .servers = 2, .cells = 1, .cpus = 2,
	  .comes_late = true },
	{ "huge", "every second call needs the huge cell, and two threads serve",
	  .clients = 2, .calls = 3, .servers = 2, .cells = 1, .cpus = 2, .huge = true },
	{ "end", "the server ends the channel, while two threads serve",
	  .clients = 2, .calls = 2, .servers = 2, .cells = 2, .cpus = 2, .ends = true },
	{ "join", "handlers ask their callers to join, and both spin",
	  .clients = 1, .calls = 2, .servers = 2, .cells = 1, .cpus = 2, .budget = 2000,
	  .joins = true },
	{ "withdraw", "callers that take back calls that no thread has taken",
	  .clients = 2, .calls = 2, .servers = 2, .cells = 2, .cpus = 2, .withdraws = true },
	{ "oneways", "one thread sends oneways, and one serves",
	  .oneways = 4, .servers = 1, .cpus = 1 },
	{ "oneways2", "the same with two serving threads that spin, and a thread that calls",
	  .oneways = 3, .clients = 1, .calls = 2, .servers = 2, .cells = 1, .cpus = 2,
	  .budget = 2000 },
	{ "ring", "large oneways that fill the ring",
	  .oneways = 6, .servers = 1, .cpus = 2, .large = true },
	{ "rings", "two channels with oneways, and two serving threads",
	  .channels = 2, .oneways = 2, .servers = 2, .cpus = 2 },
	{ "finish", "the server ends the channel while a thread sends oneways",
	  .oneways = 3, .cpus = 2, .ends = true },
	{ "async", "async calls: one client, one serving thread",
	  .clients = 1, .calls = 3, .servers = 1, .cells = 3, .cpus = 1, .async = true },
	{ "asyncs", "the same with two serving threads on two CPUs that spin",
	  .clients = 1, .calls = 3, .servers = 2, .cells = 2, .cpus = 2, .budget = 2000,
	  .async = true },
	{ "async-end", "async calls to a channel that the server ends",
	  .clients = 1, .calls = 3, .servers = 1, .cells = 3, .cpus = 2, .async = true,
	  .ends = true },
	{ "loop", "a client, and a server that sleeps in an event loop",
	  .clients = 1, .calls = 3, .servers = 1, .cells = 1, .cpus = 1, .polls = 1 },
	{ "loops", "two event loops that spin, two clients and events of the bus",
	  .clients = 2, .calls = 2, .servers = 2, .cells = 2, .cpus = 2, .budget = 2000,
	  .events = 2, .polls = 3 },
	{ "loop-run", "an event loop beside a serving thread, a client and oneways",
	  .clients = 1, .calls = 2, .oneways = 3, .servers = 2, .cells = 1, .cpus = 2, .polls = 2 },
	{ "loop-generation", "a second channel comes while an event loop sleeps",
	  .channels = 2, .clients = 1, .calls = 2, .servers = 1, .cells = 1, .cpus = 2,
	  .comes_late = true, .polls = 1 },
	{ "loop-async", "async calls to an event loop, which ends the channel",
	  .clients = 1, .calls = 3, .servers = 1, .cells = 3, .cpus = 2, .async = true,
	  .ends = true, .polls = 1 },
	{ "stream", "a sender and a receiver of a stream, with a window of two messages",
	  .senders = 1, .receivers = 1, .messages = 4, .window = 2, .cpus = 1 },
	{ "stream-bus", "the same, and both wait for the bus",
	  .senders = 1, .receivers = 1, .messages = 4, .window = 2, .cpus = 1, .by_bus = 3 },
	{ "receivers", "two receivers, of which one waits for the bus",
	  .senders = 1, .receivers = 2, .messages = 3, .window = 2, .cpus = 1, .by_bus = 2 },
	{ "senders", "two senders, of which one waits for the bus",
	  .senders = 2, .receivers = 1, .messages = 4, .window = 2, .cpus = 1, .by_bus = 2 },
	{ "leave", "the same, and the other one leaves after a message",
	  .senders = 2, .receivers = 1, .messages = 4, .window = 2, .cpus = 1, .by_bus = 2,
	  .leaves = true },
	{ "slots", "messages that use slots again",
	  .senders = 1, .receivers = 1, .messages = 20, .window = 16, .cpus = 1 },
	{ "all", "two channels, two serving threads, spinning, migration, callers that stop waiting",
	  .channels = 2, .clients = 1, .calls = 3, .servers = 2, .cells = 1, .cpus = 2,
	  .budget = 2000, .migrates = true, .abandons = true, .events = 1, .joins = true },
	{ .name = NULL },
};
/* clang-format on */

static const struct scenario *now;

static struct {
	struct channel_client_part requests[CHANNELS];
	struct channel_server_part replies[CHANNELS];
	/* Extensions. Only their first bytes are used. */
	uint8_t huge_requests[CHANNELS][64], huge_replies[CHANNELS][64];
	struct ring_part rings[2];
} shared;

const char *model_shared_begin = (const char *)&shared;
const char *model_shared_end = (const char *)(&shared + 1);

static struct channel_caller callers[CHANNELS];
static struct channel_callee callees[CHANNELS];

/* The serving threads wait for these beside calls: events of the bus, and the bell. The bell
 * changes after each of the others: the end of the threads, and the number of further channels. */
static atomic_uint event, bell, stop, generation, never;
/* The server has ended its channels. */
static atomic_uint closed;
static atomic_uint clients_left, events_taken;
/* Oneways that were sent and served, and the next number of each channel. */
static atomic_uint oneways_sent, oneways_taken;
static unsigned int oneways_next[CHANNELS];
/* The client has seen the end of the channel after its last oneway. */
static bool saw_end;
/* The turn of the object of each channel, as in turn.c. */
static atomic_uint turns[CHANNELS];
#define TAKEN	1U
#define SKIPPED 2U
/* A call's number is its place here. */
static unsigned int n_calls, times_served[MAX_CALLS];
/* The result of each call for its caller. */
static enum fate { SERVED, BY_BUS, ABANDONED } fates[MAX_CALLS];

const struct scenario *scenario_nth(unsigned int i)
{
	return scenarios[i].name ? &scenarios[i] : NULL;
}

static void wake_all(atomic_uint *word)
{
	channel_wake(word, EVER);
}

/* The fd of the event loops is readable from now on. */
static atomic_uint readable;

int seam_ring(int unused)
{
	(void)unused;
	atomic_store(&readable, 1);
	wake_all(&readable);
	return 0;
}

static void ring_loops(void)
{
	if (now->polls)
		seam_ring(0);
}

static void ring_after(atomic_uint *count)
{
	atomic_fetch_add(count, 1);
	atomic_fetch_add(&bell, 1);
	channel_wake_private(&bell, EVER);
	ring_loops();
}

/* --- Clients ------------------------------------------------------------------------------ */

/* Takes the reply of a call, and returns the call's fate. */
static enum fate take_reply(struct channel_caller *caller, unsigned int cell, uint32_t number)
{
	uint8_t data[CHANNEL_DATA_MAX];
	struct channel_end end;
	uint32_t got;

	CHECK(channel_take_end(caller, cell, &end) == 0 && end.size <= sizeof(data));
	channel_take_reply(caller, cell, &end, data);
	if (end.kind == CHANNEL_REFUSED) {
		CHECK(now->ends || now->withdraws);
		channel_put_cell(caller, cell);
		return BY_BUS;
	}
	CHECK(end.kind == CHANNEL_REPLY && end.size == sizeof(got));
	__builtin_memcpy(&got, data, sizeof(got));
	CHECK(got == ~number);
	return SERVED;
}

/* Waits as channel-client.c does: 0: the reply is there. */
static int await(struct channel_caller *caller, unsigned int cell)
{
	uint64_t sleep_ns = now->abandons || now->withdraws ? 1000 : 0;
	uint32_t thread;
	int r;

	do
		r = channel_await(caller, cell, sleep_ns);
	while (r == 0 && channel_must_join(caller, cell, &thread) && thread == THREAD);
	if (r == -ETIMEDOUT && now->withdraws && !channel_withdraw(caller, cell))
		r = channel_await(caller, cell, 0);
	return r;
}

static enum fate call_in_cell(struct channel_caller *caller, unsigned int cell, uint32_t number)
{
	const struct channel_call call = {
		.code = number,
		.deadline = number,
		.data = &number,
		.size = sizeof(number),
	};
	int r;

	channel_post(caller, cell, &call);
	r = await(caller, cell);
	if (r == 0)
		return take_reply(caller, cell, number);
	if (r == -ETIMEDOUT && now->withdraws)
		return BY_BUS;
	CHECK(now->ends ? r == -ESHUTDOWN : now->abandons && r == -ETIMEDOUT);
	channel_abandon(caller, cell);
	return now->ends ? BY_BUS : ABANDONED;
}

static void make_call(struct channel_caller *caller)
{
	uint32_t number = n_calls++;
	int cell = channel_take_cell(caller, now->huge && number % 2 ? CHANNEL_HUGE_MAX : 0);

	CHECK(number < MAX_CALLS);
	CHECK(cell >= 0 || cell == -EBUSY);
	fates[number] = cell < 0 ? BY_BUS : call_in_cell(caller, (unsigned int)cell, number);
}

/* Posts an async call. Returns its cell, or -EBUSY if the bus makes the call. */
static int post_async(struct channel_caller *caller, uint32_t number)
{
	const struct channel_call call = {
		.code = number,
		.deadline = number,
		.data = &number,
		.size = sizeof(number),
		.async = true,
	};
	int cell = channel_take_async_cell(caller, sizeof(number));

	fates[number] = BY_BUS;
	if (cell < 0)
		return cell;
	channel_begin_async(caller, (unsigned int)cell);
	channel_post(caller, (unsigned int)cell, &call);
	if (!channel_is_refused(caller, (unsigned int)cell))
		return cell;
	CHECK(now->ends);
	channel_abandon(caller, (unsigned int)cell);
	return -EBUSY;
}

/* Takes the replies as channel-async.c does. */
static void take_answers(struct channel_caller *caller, int cells[], uint32_t first)
{
	struct channel_caller *const known[] = { caller };
	struct channel_spin spin = { .budget_ns = now->budget };
	uint32_t answered;
	struct channel_wait wait = {
		.n_callers = 1,
		.callers = known,
		.answered = &answered,
		.event = &never,
		.bell = &never,
		.spin = &spin,
	};

	for (;;) {
		bool any = false, left = false;

		answered = channel_answers(caller);
		for (unsigned int i = 0; i < now->calls; i++) {
			if (cells[i] < 0)
				continue;
			left = true;
			if (!channel_is_answered(caller, (unsigned int)cells[i]))
				continue;
			fates[first + i] = take_reply(caller, (unsigned int)cells[i], first + i);
			cells[i] = -EBUSY;
			any = true;
		}
		if (!left)
			return;
		if (!any)
			CHECK(channel_wait_call(&wait, 0) == 0);
	}
}

static void make_async_calls(struct channel_caller *caller)
{
	uint32_t first = n_calls;
	int cells[MAX_CALLS];

	n_calls += now->calls;
	CHECK(n_calls <= MAX_CALLS);
	for (uint32_t i = 0; i < now->calls; i++)
		cells[i] = post_async(caller, first + i);
	take_answers(caller, cells, first);
}

static void client(uintptr_t channel)
{
	if (channel && now->comes_late)
		ring_after(&generation);
	if (now->async)
		make_async_calls(&callers[channel]);
	for (unsigned int i = 0; i < now->calls && !now->async; i++)
		make_call(&callers[channel]);
	if (atomic_fetch_add(&clients_left, ~0U) == 1)
		ring_after(&stop);
}

/* --- Oneways ------------------------------------------------------------------------------ */

static void send_oneway(struct channel_caller *caller, uint32_t number)
{
	uint32_t size = now->large ? CHANNEL_DATA_MAX : 20, taken;
	uint8_t data[CHANNEL_DATA_MAX];
	uint8_t *payload;

	__builtin_memset(data, (int)number, size);
	do {
		taken = atomic_load(&oneways_taken);
		payload = channel_reserve_oneway(caller, size);
		if (!payload)
			channel_sleep(&oneways_taken, taken, 0);
	} while (!payload);
	memcpy(payload, data, size);
	atomic_fetch_add(&oneways_sent, 1);
	channel_send_oneway(caller, 1, number, size);
	saw_end = channel_is_ended(caller);
}

static void sender(uintptr_t channel)
{
	unsigned int all = now->oneways * (now->channels ? now->channels : 1);
	uint32_t taken;

	for (uint32_t i = 0; i < now->oneways && !saw_end; i++)
		send_oneway(&callers[channel], i);
	while (!now->ends && (taken = atomic_load(&oneways_taken)) != all)
		channel_sleep(&oneways_taken, taken, 0);
	if (atomic_fetch_add(&clients_left, ~0U) == 1)
		ring_after(&stop);
}

static bool enter_turn(atomic_uint *turn)
{
	uint32_t state = atomic_load(turn);

	while (!atomic_compare_exchange_weak_explicit(turn, &state,
						      state ? state | SKIPPED : TAKEN,
						      memory_order_seq_cst, memory_order_relaxed))
		;
	return !state;
}

static void leave_turn(atomic_uint *turn)
{
	uint32_t state = TAKEN;

	while (!atomic_compare_exchange_weak_explicit(turn, &state, 0, memory_order_seq_cst,
						      memory_order_relaxed))
		;
	if (!(state & SKIPPED))
		return;
	atomic_fetch_add(&bell, 1);
	channel_wake_private(&bell, 1);
	ring_loops();
}

/* Serves at most two, like TURN_MAX. */
static void take_some(struct channel_callee *callee, unsigned int n)
{
	uint8_t data[CHANNEL_DATA_MAX];
	struct channel_taken taken;

	while (n-- && channel_take_oneway(callee, 1, data, &taken) == 1) {
		CHECK(taken.code < now->oneways && data[0] == (uint8_t)taken.code);
		CHECK(data[taken.size - 1] == (uint8_t)taken.code);
		CHECK(taken.code == oneways_next[callee - callees]++);
		atomic_fetch_add(&oneways_taken, 1);
		wake_all(&oneways_taken);
	}
}

static bool serve_oneways(struct channel_callee *callee)
{
	atomic_uint *turn = &turns[callee - callees];

	if (!channel_has_oneway(callee, 1) || !enter_turn(turn))
		return false;
	take_some(callee, 2);
	leave_turn(turn);
	return true;
}

/* --- Servers ------------------------------------------------------------------------------ */

static void serve_call(struct channel_callee *callee, const struct channel_taken *taken)
{
	const struct channel_end end = { .kind = CHANNEL_REPLY, .size = sizeof(uint32_t) };
	uint32_t number;

	/* As channel-serve.c: a thread that takes a call of a channel that has ended refuses it. */
	if (atomic_load(&closed)) {
		channel_answer(callee, taken->cell, taken->number,
			       &(struct channel_end){ .kind = CHANNEL_REFUSED }, NULL);
		channel_notify(callee);
		return;
	}
	CHECK(taken->size == sizeof(number));
	channel_copy_request(callee, taken, &number);
	CHECK(number < n_calls && taken->code == number && taken->deadline == number);
	times_served[number]++;
	if (now->joins)
		channel_ask_to_join(callee, taken->cell, taken->number, THREAD);
	number = ~number;
	if (channel_answer(callee, taken->cell, taken->number, &end, &number))
		channel_notify(callee);
}

/* As channel-server.c: if several events are queued, a thread that takes an event wakes another. */
static bool take_event(void)
{
	uint32_t events = atomic_load(&event);

	while (events)
		if (atomic_compare_exchange_weak_explicit(&event, &events, events - 1,
							  memory_order_seq_cst,
							  memory_order_relaxed)) {
			atomic_fetch_add(&events_taken, 1);
			wake_all(&events_taken);
			if (events > 1)
				channel_wake(&event, 1);
			return true;
		}
	return false;
}

/* Sleeps in an event loop, as channel-loop.c and ipc_process() do. */
static void wait_in_loop(const struct channel_wait *wait)
{
	if (channel_spin_for_call(wait))
		return;
	atomic_store(&readable, 0);
	if (channel_poll_for_call(wait)) {
		ring_loops();
		return;
	}
	while (!atomic_load(&readable))
		channel_sleep(&readable, 0, 0);
}

static void server(uintptr_t number)
{
	struct channel_callee *const known[] = { &callees[0], &callees[1] };
	struct channel_spin spin = { .budget_ns = now->budget };
	struct channel_taken taken;
	uint32_t tails[CHANNELS];
	struct channel_wait wait = {
		.callees = known,
		.tails = tails,
		.event = &event,
		.bell = &bell,
		.spin = &spin,
	};

	for (;;) {
		bool served;

		/* As channel-serve.c: before the others. */
		wait.rung = atomic_load(&bell);
		if (atomic_load(&stop))
			return;
		served = take_event();
		wait.n = now->channels ? now->channels : 1;
		if (now->comes_late)
			wait.n = 1 + atomic_load(&generation);
		for (unsigned int i = 0; i < wait.n && !served; i++) {
			tails[i] = peer_tail(callees[i].peer);
			if (now->oneways && serve_oneways(&callees[i])) {
				wait.last = &callees[i];
				wait.last_cell = CHANNEL_ONEWAYS;
				served = true;
				break;
			}
			switch (channel_take(&callees[i], &taken)) {
			case 1:
				serve_call(&callees[i], &taken);
				wait.last = &callees[i];
				wait.last_cell = taken.cell;
				served = true;
				break;
			case 0:
				break;
			default:
				model_fail("the server refused an honest client");
			}
		}
		if (!served && now->polls & 1U << number)
			wait_in_loop(&wait);
		else if (!served)
			CHECK(channel_wait_call(&wait, 0) == 0);
	}
}

static void closer(uintptr_t unused)
{
	(void)unused;
	atomic_store(&closed, 1);
	channel_end(&callees[0]);
	channel_notify(&callees[0]);
	take_some(&callees[0], ~0U);
}

static void bus(uintptr_t unused)
{
	uint32_t taken;

	(void)unused;
	for (unsigned int i = 0; i < now->events; i++) {
		atomic_fetch_add(&event, 1);
		wake_all(&event);
		ring_loops();
	}
	while ((taken = atomic_load(&events_taken)) != now->events)
		channel_sleep(&events_taken, taken, 0);
	if (atomic_fetch_add(&clients_left, ~0U) == 1)
		ring_after(&stop);
}

/* --- A run -------------------------------------------------------------------------------- */

static void set_up(void)
{
	unsigned int channels = now->channels ? now->channels : 1;

	memory_reset();
	memset(&shared, 0, sizeof(shared));
	memset(times_served, 0, sizeof(times_served));
	n_calls = 0;
	closed = event = stop = generation = events_taken = 0;
	oneways_sent = oneways_taken = bell = readable = 0;
	saw_end = false;
	clients_left = channels * (now->clients + (now->oneways != 0)) + (now->events != 0);
	for (unsigned int i = 0; i < channels; i++) {
		callers[i] = (struct channel_caller){
			.own = &shared.requests[i],
			.peer = (const void *)&shared.replies[i],
			.own_huge = shared.huge_requests[i],
			.peer_huge = (const void *)shared.huge_replies[i],
			.taken = ((1U << CHANNEL_CELLS) - 1) &
				 ~(((1U << now->cells) - 1) << (now->async ? CHANNEL_LARGE : 0)) &
				 ~((unsigned int)now->huge << CHANNEL_HUGE),
			.spin.budget_ns = now->budget,
		};
		callees[i] = (struct channel_callee){
			.own = &shared.replies[i],
			.peer = (const void *)&shared.requests[i],
			.own_huge = shared.huge_replies[i],
			.peer_huge = (const void *)shared.huge_requests[i],
			.is_extended = true,
		};
		turns[i] = oneways_next[i] = 0;
		/* The second oneway from here does not fit before the end of the ring. */
		if (now->oneways) {
			callers[i].sent = CHANNEL_RING_SIZE - 64;
			callees[i].drained = CHANNEL_RING_SIZE - 64;
			shared.requests[i].sent = CHANNEL_RING_SIZE - 64;
			shared.replies[i].drained = CHANNEL_RING_SIZE - 64;
		}
		if (now->oneways)
			model_spawn("sender", sender, i);
	}
	for (unsigned int i = 0; i < channels; i++)
		for (unsigned int j = 0; j < now->clients; j++)
			model_spawn("client", client, i);
	for (unsigned int i = 0; i < now->servers; i++)
		model_spawn("server", server, i);
	if (now->events)
		model_spawn("bus", bus, 0);
	if (now->ends)
		model_spawn("closer", closer, 0);
}

/* Cells may still contain abandoned calls, which are served now. */
static void serve_rest(struct channel_callee *callee)
{
	struct channel_taken taken;

	while (channel_take(callee, &taken) == 1)
		serve_call(callee, &taken);
}

static void check_nothing_left(unsigned int channel)
{
	unsigned int free_cells = 0;

	serve_rest(&callees[channel]);
	while ((now->async ? channel_take_async_cell(&callers[channel], 0) :
			     channel_take_cell(&callers[channel], 0)) >= 0)
		free_cells++;
	CHECK(free_cells == now->cells);
	CHECK((channel_take_cell(&callers[channel], CHANNEL_HUGE_MAX) >= 0) == now->huge);
	CHECK(callers[channel].lost == 0);
	CHECK(callees[channel].busy == 0);
	CHECK((shared.replies[channel].waiting & CHANNEL_SLEEPERS & ~CHANNEL_POLLS) == 0);
	CHECK((shared.requests[channel].waiting & CHANNEL_SLEEPERS) == 0);
}

void scenario_run(const struct scenario *scenario, const struct shim_policy *policy)
{
	now = scenario;
	set_up();
	if (now->messages)
		streams_set_up(now, shared.rings);
	model_run(policy, now->cpus, now->migrates);
	if (now->messages)
		streams_check();
	for (unsigned int i = 0; i < (now->channels ? now->channels : 1); i++)
		check_nothing_left(i);
	for (unsigned int i = 0; i < n_calls; i++)
		CHECK(fates[i] == ABANDONED ? times_served[i] <= 1 :
					      times_served[i] == (fates[i] == SERVED));
	CHECK(events_taken == now->events);
	/* The client sends a drain if it sees the end. */
	CHECK(saw_end || oneways_taken == oneways_sent);
}
