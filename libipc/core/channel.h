/* SPDX-License-Identifier: MIT */
/*
 * A direct channel: calls of one client connection to one object of another process, through memory
 * that both map. Here are the layout and both sides of it, as plain code without files, threads
 * or the bus, so that a test can play either side. channel-client.c and channel-server.c connect it
 * to the library.
 *
 * Each side writes one part, which the other side maps read-only. So no page has two writers. A
 * part is a page of words and CHANNEL_SLOTS slots. A calling thread takes a free slot, writes the
 * request into the slot of its part, and posts it: it counts up posted[slot], and then tail. The
 * server writes the reply into the same slot of its own part and sets the slot's number to that of
 * the call. Slots are independent of each other, so threads of the client share no lock.
 *
 *   client's part: tail, posted[]  ->  the server sees new calls; tail is a futex
 *                  slot.cpu        ->  where the calling thread runs, or slept
 *                  slot.canceled   ->  the number of a call that nobody waits for any more
 *   server's part: waiting         ->  how many threads sleep until tail changes
 *                  cpu             ->  where a serving thread runs, or slept
 *                  taken[]         ->  the number of the last call of a slot that a thread took
 *                  slot.number     ->  the call that is replied to; a futex
 *
 * The other side is not trusted. Numbers are counted privately and a side never reads its own
 * part. Each field of the peer's part is read once. Payloads are copied out before anything looks
 * at them. A number that is not possible is -EPROTO, after which the caller must end the channel.
 * Words that only tell whether to spin or to wake can be wrong: that costs the peer's own wake-ups,
 * and this side a bounded time of spinning.
 *
 * Sleeping. A thread says that it sleeps, then looks again at the word it waits for, then sleeps in
 * a futex with the value it saw. The peer changes that word first and looks then whether to wake.
 * All four accesses are sequentially consistent, so at least one side sees the other.
 */
#ifndef IPC_CHANNEL_H
#define IPC_CHANNEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHANNEL_SLOTS	  15U
#define CHANNEL_SLOT_SIZE ((size_t)4096)
#define CHANNEL_PART_SIZE ((CHANNEL_SLOTS + 1) * CHANNEL_SLOT_SIZE)

/* Flipped in slot.number: the handler makes a call itself, and the caller is to join it by the bus.
 * The reply follows. */
#define CHANNEL_NESTS	(1U << 31)

/* Kinds of a reply. */
#define CHANNEL_REPLY	1U
#define CHANNEL_ERROR	2U
#define CHANNEL_REFUSED 3U	/* the call was not served: it may be sent by the bus */
#define CHANNEL_LATER	4U	/* the reply does not fit: a call by the bus fetches it */
#define CHANNEL_BUS	5U	/* the reply came by the bus, to the caller that had joined */

struct channel_request {
	_Alignas(64) atomic_int cpu;
	atomic_uint canceled;
	uint32_t code;
	uint32_t size;
	uint64_t time_ns;	/* until the caller stops waiting; 0: never */
	uint8_t data[];
};

struct channel_reply {
	_Alignas(64) atomic_uint number;	/* or that with CHANNEL_NESTS flipped */
	uint32_t thread;	/* for CHANNEL_NESTS: the bus's number of the serving thread */
	uint32_t kind;
	int32_t error;		/* ERROR: negative errno */
	uint32_t size;
	uint8_t data[];
};

struct channel_client_part {
	_Alignas(64) atomic_uint tail;
	atomic_uint posted[CHANNEL_SLOTS];
	uint8_t unused[CHANNEL_SLOT_SIZE - 64];
	uint8_t slots[CHANNEL_SLOTS][CHANNEL_SLOT_SIZE];
};

/* Counts server.waiting. */
#define CHANNEL_SLEEPER	1U

struct channel_server_part {
	/* Always 0, so that no server finds calls in the part of another, or in its own. */
	uint8_t no_calls[64];
	_Alignas(64) atomic_uint waiting;
	atomic_int cpu;
	atomic_uint ended;	/* not 0: the server takes no more calls from here */
	_Alignas(64) atomic_uint taken[CHANNEL_SLOTS];
	uint8_t unused[CHANNEL_SLOT_SIZE - 128 - 4 * CHANNEL_SLOTS];
	uint8_t slots[CHANNEL_SLOTS][CHANNEL_SLOT_SIZE];
};

_Static_assert(sizeof(struct channel_client_part) == CHANNEL_PART_SIZE, "a page and the slots");
_Static_assert(sizeof(struct channel_server_part) == CHANNEL_PART_SIZE, "a page and the slots");

/* Bytes of a payload, in both directions. */
#define CHANNEL_DATA_MAX (CHANNEL_SLOT_SIZE - sizeof(struct channel_request))

static inline struct channel_request *channel_request_at(const struct channel_client_part *part,
							 unsigned int slot)
{
	return (struct channel_request *)(uintptr_t)part->slots[slot];
}

static inline struct channel_reply *channel_reply_at(const struct channel_server_part *part,
						     unsigned int slot)
{
	return (struct channel_reply *)(uintptr_t)part->slots[slot];
}

/* --- Waiting ------------------------------------------------------------------------ */

/*
 * Whether spinning pays, for one kind of wait. Several threads may use it. An update that is lost
 * among them changes how long a thread spins.
 */
struct channel_spin {
	uint32_t budget_ns;	/* 0: never spin */
	atomic_uint skip;	/* waits that are still to sleep at once */
	atomic_uint failures;	/* budgets that ended in vain, in a row */
};

/* The time that a wait may spin: budget_ns, or 0 if it did not pay lately. */
uint32_t channel_spin_begin(struct channel_spin *spin);
/* Whether what it waited for came while it spun. */
void channel_spin_end(struct channel_spin *spin, bool paid);

static inline void channel_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* A word for where a thread runs, or for where it sleeps, which is where it may well run next. */
static inline int channel_asleep(int cpu)
{
	return ~cpu;
}

static inline int channel_cpu_of(int word)
{
	return word < 0 ? ~word : word;
}

/* CLOCK_MONOTONIC. */
uint64_t channel_now(void);
int channel_cpu(void);

/* Sleeps while *word has that value, at most until that time (0: for ever). Returns 0 if it may
 * have changed, -ETIMEDOUT, or -EINTR after a signal. */
int channel_sleep(const atomic_uint *word, uint32_t value, uint64_t until);
void channel_wake(const atomic_uint *word, unsigned int threads);

/* --- The client --------------------------------------------------------------------- */

struct channel_caller {
	struct channel_client_part *own;
	const struct channel_server_part *peer;
	atomic_uint taken;		 /* a bit for each slot that is not free */
	atomic_uint lost;		 /* and for those whose caller did not wait for the end */
	uint32_t posted[CHANNEL_SLOTS];	 /* of the thread that has the slot */
	bool nests[CHANNEL_SLOTS];	 /* likewise: its call is joined to the handler's */
	struct channel_spin spin;
};

/* What a caller sends. */
struct channel_call {
	uint32_t code;
	uint64_t time_ns;		/* 0: no deadline */
	const void *data;
	size_t size;			/* at most CHANNEL_DATA_MAX */
};

/* How a call ended. */
struct channel_end {
	uint32_t kind;
	int32_t error;
	uint32_t size;
};

/* A free slot, or -EBUSY. */
int channel_take_slot(struct channel_caller *caller);
/* Before channel_post(): where the payload goes, for a caller that gathers it itself. */
static inline uint8_t *channel_payload(struct channel_caller *caller, unsigned int slot)
{
	return channel_request_at(caller->own, slot)->data;
}

/* Posts a call and wakes a thread of the server. call->data may be NULL: then the payload is
 * there already. */
void channel_post(struct channel_caller *caller, unsigned int slot,
		  const struct channel_call *call);
/* Spins, then sleeps until the reply is there, for at most sleep_ns (0: for ever). 0: it is, or
 * channel_must_join(), or the number is not possible; -ETIMEDOUT; -EINTR after a signal;
 * -ESHUTDOWN: the channel has ended, and no thread took the call or ever will. It may be called
 * again. */
int channel_await(struct channel_caller *caller, unsigned int slot, uint64_t sleep_ns);
/* Whether the reply is there. */
static inline bool channel_has_reply(const struct channel_caller *caller, unsigned int slot)
{
	return atomic_load_explicit(&channel_reply_at(caller->peer, slot)->number,
				    memory_order_relaxed) == caller->posted[slot];
}

/* After channel_await() returned 0: whether the handler asks the caller to join it by the bus, with
 * the number of its thread. True once for a call. The caller waits for the reply after that. */
bool channel_must_join(struct channel_caller *caller, unsigned int slot, uint32_t *ret_thread);
/* Copies the reply to data, which has CHANNEL_DATA_MAX bytes, and frees the slot. -EPROTO. A reply
 * of the kind CHANNEL_LATER leaves the slot to the caller, which frees it once it has fetched the
 * reply: the next call in the slot replaces the reply that the server keeps. */
int channel_take_reply(struct channel_caller *caller, unsigned int slot, void *data,
		       struct channel_end *ret_end);
/* Frees a slot in which nothing was posted, or whose reply was fetched. */
void channel_put_slot(struct channel_caller *caller, unsigned int slot);
/* The caller does not wait any more. The slot is free again when the reply is there. */
void channel_abandon(struct channel_caller *caller, unsigned int slot);

/* As channel_abandon(), unless a thread of the server has taken the call. Returns whether it will
 * never be served; otherwise the caller still waits. */
bool channel_withdraw(struct channel_caller *caller, unsigned int slot);

static inline bool channel_is_ended(const struct channel_caller *caller)
{
	return atomic_load_explicit(&caller->peer->ended, memory_order_relaxed);
}

/* --- The server --------------------------------------------------------------------- */

struct channel_callee {
	const struct channel_client_part *peer;
	struct channel_server_part *own;
	atomic_uint seen[CHANNEL_SLOTS];	/* calls of the slot that were taken */
	atomic_uint busy;			/* a bit for each slot that is not replied to */
};

struct channel_taken {
	unsigned int slot;
	uint32_t number;
	uint32_t code;
	uint32_t size;
	uint64_t time_ns;
};

/* Takes one call and copies its payload to data, which has CHANNEL_DATA_MAX bytes. Refuses calls
 * that were canceled. 1: taken; 0: there is none; -EPROTO. Any number of threads may do so at a
 * time. */
int channel_take(struct channel_callee *callee, void *data, struct channel_taken *ret_taken);
/* Replies to a call that was taken, once, and wakes the caller. end->size is at most
 * CHANNEL_DATA_MAX. data may be NULL: then the payload is in channel_reply_at() already. */
void channel_answer(struct channel_callee *callee, unsigned int slot, uint32_t number,
		    const struct channel_end *end, const void *data);
/* Asks the caller of a call that was taken to join the serving thread by the bus, once. */
void channel_ask_to_join(struct channel_callee *callee, unsigned int slot, uint32_t number,
			 uint32_t thread);
/* Sets own->ended, and refuses the calls that no thread has taken. A thread that takes a call after
 * that must refuse it as well. */
void channel_end(struct channel_callee *callee);
/* Whether the caller does not wait any more. */
static inline bool channel_is_canceled(const struct channel_callee *callee, unsigned int slot,
				       uint32_t number)
{
	return atomic_load_explicit(&channel_request_at(callee->peer, slot)->canceled,
				    memory_order_relaxed) == number;
}

/* Whether a call may be there. Cheap, and for a thread that spins. */
static inline bool channel_has_call(const struct channel_callee *callee, uint32_t tail)
{
	return atomic_load_explicit(&callee->peer->tail, memory_order_acquire) != tail;
}

/* The word for where the caller of a slot runs. */
static inline int channel_caller_cpu(const struct channel_callee *callee, unsigned int slot)
{
	return atomic_load_explicit(&channel_request_at(callee->peer, slot)->cpu,
				    memory_order_relaxed);
}

/* A thread waits for as many channels at most, and for words beside them. */
#define CHANNEL_MAX_WAIT 64U
#define CHANNEL_WORDS	 3U

/* What a thread of the server waits for: that the tail of a channel, or a word, is not the
 * value that it saw before it looked for calls. */
struct channel_wait {
	unsigned int n;
	struct channel_callee *const *callees;
	const uint32_t *tails;
	const atomic_uint *words[CHANNEL_WORDS];
	uint32_t values[CHANNEL_WORDS];
	struct channel_spin *spin;
	const struct channel_callee *last;	/* whose call this thread served last, or NULL */
	unsigned int last_slot;
};

/* Spins, then sleeps. 0: something may have changed; -ETIMEDOUT; -EINTR after a signal. */
int channel_wait_call(const struct channel_wait *wait, uint64_t until);

#endif /* IPC_CHANNEL_H */
