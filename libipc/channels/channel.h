/* SPDX-License-Identifier: MIT */
/*
 * A direct channel: messages of a client connection to an object of another process, through memory
 * that both map. This is the layout and the code of both sides, without files, threads or the bus,
 * so that a test can play either side. channel-client.c and channel-server.c connect it to the
 * library.
 *
 * Each side writes only its own part, so no page has two writers. A part is a page of words and
 * CHANNEL_CELLS cells. A calling thread takes a free cell, writes the request into the cell of its
 * part, and posts it: it increments posted[cell], then tail. The server writes the reply into the
 * same cell of its own part and sets the cell's number to the number of the call. Cells are
 * independent of each other, so threads of the client share no lock.
 *
 * The caller of an async call does not wait for its cell: the server increments its own tail after
 * the reply. Small cells are only for async calls. The last cell is huge, and only for requests
 * that do not fit into a large cell. Its payloads are in memory of their own, the *extension* of
 * both parts, which exists from the first such request on.
 *
 * Oneways go into the ring at the end of the client's part, in order. At any time at most one
 * thread of the client writes there, and at most one thread of the server takes oneways from it.
 * Positions count bytes and never return to 0; a oneway is at its position modulo
 * CHANNEL_RING_SIZE. It has an epoch, a number that the client chose: see channel-server.h.
 *
 *   client's part: tail, posted[]  ->  the server sees new calls and oneways; tail is a futex
 *                  others          ->  how many calls were posted in cells that are not large
 *                  waiting         ->  as in the server's part: for async calls
 *                  polls           ->  a number that increases when the client begins to poll, and
 *                                      must be woken by the bus for the next reply to an async call
 *                  sent            ->  the position after the last oneway
 *                  cpu             ->  where the thread runs that sent it
 *                  cell.cpu        ->  where the calling thread runs, or slept; and whether the
 *                                      call is async
 *                  cell.canceled   -> the number of a call whose caller no longer waits
 *   server's part: tail            ->  the client sees replies to async calls; a futex
 *                  waiting         ->  how many threads sleep until the client's tail changes, and
 *                                      a number that each of them incremented
 *                  drained         ->  the position after the last oneway that a thread took
 *                  cpu             ->  where a serving thread runs, or slept
 *                  taken[]         -> the number of the last call that a thread took from a cell
 *                  cell.number     ->  the call that is replied to; a futex
 *
 * The other side is not trusted. Each side must read each field of the peer's part only once, and
 * copy a payload before examining it. If a number is impossible, a function returns -EPROTO, and
 * the caller must end the channel. Words that only control spinning and waking may be wrong: the
 * peer then loses wake-ups, and this side spins for a bounded time.
 *
 * A side counts privately, and never uses a value that it reads from its own part. The client
 * creates both files, so a hostile client can keep a writable mapping of the server's part. It can
 * then change only its own replies and its own wake-ups.
 *
 * Sleeping. A thread first announces its sleep, then reads the awaited word again, then sleeps in a
 * futex with that value. The peer first changes the word, then reads the announcement. All four
 * accesses must be sequentially consistent, so that at least one side sees the other.
 */
#ifndef IPC_CHANNEL_H
#define IPC_CHANNEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "channel-wait.h"

#define CHANNEL_PAGE	  ((size_t)4096)
#define CHANNEL_PART_SIZE (16 * CHANNEL_PAGE)
#define CHANNEL_RING_SIZE (4 * CHANNEL_PAGE)
/* The first cells are large, the last is huge, the rest are small. A payload of 4 KB fits into a
 * large cell, and one of 64 KB into the huge cell, with some fields beside it. In the part, the
 * huge cell has the size of a small one. */
#define CHANNEL_CELLS	  31U
#define CHANNEL_LARGE	  7U
#define CHANNEL_HUGE	  (CHANNEL_CELLS - 1)
#define CHANNEL_CELL_SIZE ((size_t)4480)
#define CHANNEL_SMALL_SIZE ((size_t)512)
#define CHANNEL_HUGE_MAX (17 * CHANNEL_PAGE)
#define CHANNEL_CELLS_SIZE (CHANNEL_PART_SIZE - CHANNEL_PAGE - CHANNEL_RING_SIZE)

/* Flipped in cell.number: the handler makes a call, and the caller must join it through the bus.
 * The reply follows. */
#define CHANNEL_NESTS	(1U << 31)

/* Kinds of a reply. */
#define CHANNEL_REPLY	1U
#define CHANNEL_ERROR	2U
#define CHANNEL_REFUSED 3U	/* not served: the caller may send the call through the bus */
#define CHANNEL_LATER	4U	/* the reply does not fit: fetch it through the bus */
#define CHANNEL_BUS	5U	/* the bus delivered the reply to the joined caller */

struct channel_request {
	_Alignas(64) atomic_int cpu;
	atomic_uint canceled;
	uint32_t code;
	uint32_t size;
	uint64_t time_ns;	/* timeout of the caller; 0: none */
	uint8_t data[];
};

struct channel_reply {
	_Alignas(64) atomic_uint number;	/* of the call, perhaps with CHANNEL_NESTS
	                                	 * flipped */
	uint32_t thread;	/* for CHANNEL_NESTS: the bus's number of the serving thread */
	uint32_t kind;
	int32_t error;		/* ERROR: negative errno */
	uint32_t size;
	uint8_t data[];
};

/* A oneway in the ring. It and its payload are contiguous. */
struct channel_oneway {
	uint32_t epoch;
	uint32_t size;		/* of the payload, or CHANNEL_SKIP: continue at the ring's begin */
	uint32_t code;
	uint32_t unused;
	uint8_t data[];
};

#define CHANNEL_SKIP	UINT32_MAX

struct channel_client_part {
	_Alignas(64) atomic_uint tail;
	atomic_uint posted[CHANNEL_CELLS];
	atomic_uint sent;
	atomic_int cpu;
	atomic_uint others;
	_Alignas(64) atomic_uint waiting;
	atomic_uint polls;
	uint8_t unused[CHANNEL_PAGE - 4 * CHANNEL_CELLS - 76];
	uint8_t cells[CHANNEL_CELLS_SIZE];
	uint8_t ring[CHANNEL_RING_SIZE];
};

/* A thread that begins to sleep adds CHANNEL_SLEEP to server.waiting. It subtracts 1 when it is
 * awake. */
#define CHANNEL_SLEEP	 0x10001U
#define CHANNEL_SLEEPERS 0xffffU	/* the number of threads that sleep */

struct channel_server_part {
	/* Never written: a server that sleeps must not find its own words as calls elsewhere. */
	uint8_t no_calls[192];
	_Alignas(64) atomic_uint waiting;
	atomic_int cpu;
	atomic_uint ended;	/* not 0: the server takes no more calls from here */
	_Alignas(64) atomic_uint tail;
	_Alignas(64) atomic_uint taken[CHANNEL_CELLS];
	atomic_uint drained;
	uint8_t unused[CHANNEL_PAGE - 324 - 4 * CHANNEL_CELLS];
	uint8_t cells[CHANNEL_CELLS_SIZE];
	uint8_t unused_ring[CHANNEL_RING_SIZE];
};

_Static_assert(offsetof(struct channel_server_part, waiting) >=
		       offsetof(struct channel_client_part, waiting),
	       "no word of the server is one of a call");
_Static_assert(CHANNEL_LARGE * CHANNEL_CELL_SIZE +
		       (CHANNEL_CELLS - CHANNEL_LARGE) * CHANNEL_SMALL_SIZE <= CHANNEL_CELLS_SIZE,
	       "the cells have space");
_Static_assert(sizeof(struct channel_client_part) == CHANNEL_PART_SIZE, "a page, the cells, the ring");
_Static_assert(sizeof(struct channel_server_part) == CHANNEL_PART_SIZE, "a page, the cells, the ring");

/* Bytes of a payload in a large cell, in both directions, and of a oneway. */
#define CHANNEL_DATA_MAX (CHANNEL_CELL_SIZE - sizeof(struct channel_request))
#define CHANNEL_SMALL_MAX (CHANNEL_SMALL_SIZE - sizeof(struct channel_request))

static inline size_t channel_data_max(unsigned int cell)
{
	return cell < CHANNEL_LARGE ? CHANNEL_DATA_MAX :
	       cell < CHANNEL_HUGE  ? CHANNEL_SMALL_MAX :
				      CHANNEL_HUGE_MAX;
}

static inline size_t channel_cell_at(unsigned int cell)
{
	return cell < CHANNEL_LARGE ? cell * CHANNEL_CELL_SIZE :
				      CHANNEL_LARGE * CHANNEL_CELL_SIZE +
					      (cell - CHANNEL_LARGE) * CHANNEL_SMALL_SIZE;
}

static inline struct channel_request *channel_request_at(const struct channel_client_part *part,
							 unsigned int cell)
{
	return (struct channel_request *)(uintptr_t)(part->cells + channel_cell_at(cell));
}

static inline struct channel_reply *channel_reply_at(const struct channel_server_part *part,
						     unsigned int cell)
{
	return (struct channel_reply *)(uintptr_t)(part->cells + channel_cell_at(cell));
}

/* --- The client --------------------------------------------------------------------- */

struct channel_caller {
	struct channel_client_part *own;
	const struct channel_server_part *peer;
	uint8_t *own_huge;		 /* the extension, or NULL */
	const uint8_t *peer_huge;
	atomic_uint taken;		 /* a bit for each cell that is not free */
	atomic_uint lost;		 /* a bit for each cell whose caller gave up early */
	atomic_uint recovered;		 /* a bit for each cell whose reply came by another way
	                      		  * before its caller gave up */
	uint32_t posted[CHANNEL_CELLS];	 /* only for the thread that has the cell */
	atomic_uint before[CHANNEL_CELLS];/* likewise: the number of the last reply in the cell.
	                              	  * Replies may come by another way */
	bool nests[CHANNEL_CELLS];	 /* likewise: the call is joined to the handler's */
	struct channel_spin spin;
	/* The last async call, and the value of peer->waiting when it woke a thread. Several
	 * threads may use it: a lost update only causes another wake-up. */
	atomic_uint async_cell;
	atomic_uint async_number;
	atomic_uint async_woken;
	/* Only for the thread that sends oneways. */
	uint32_t sent;			 /* position */
	uint32_t woken;			 /* value of peer->waiting at the last wake-up */
};

/* What a caller sends. */
struct channel_call {
	uint32_t code;
	uint64_t time_ns;		/* 0: no deadline */
	const void *data;
	size_t size;			/* at most channel_data_max() */
	bool async;			/* no thread calls channel_await() */
};

/* How a call ended. */
struct channel_end {
	uint32_t kind;
	int32_t error;
	uint32_t size;
};

/* Takes a free cell for a payload of at most CHANNEL_HUGE_MAX bytes: a large cell if it fits there,
 * otherwise the huge cell, which must have its extension. Returns its index, or -EBUSY. */
int channel_take_cell(struct channel_caller *caller, size_t size);
/* The same for an async call, whose payload may be in a small cell. */
int channel_take_async_cell(struct channel_caller *caller, size_t size);
/* Returns the address of the request's payload, for a caller that writes it before
 * channel_post(). */
static inline uint8_t *channel_payload(struct channel_caller *caller, unsigned int cell)
{
	return cell == CHANNEL_HUGE ? caller->own_huge :
				      channel_request_at(caller->own, cell)->data;
}

static inline const uint8_t *channel_payload_of_reply(const struct channel_caller *caller,
						      unsigned int cell)
{
	return cell == CHANNEL_HUGE ? caller->peer_huge :
				      channel_reply_at(caller->peer, cell)->data;
}

/* Begins an async call before channel_post(): it may be abandoned from now on. */
void channel_begin_async(struct channel_caller *caller, unsigned int cell);
/* Posts a call and wakes a thread of the server. If call->data is NULL, the payload is already in
 * channel_payload(). */
void channel_post(struct channel_caller *caller, unsigned int cell,
		  const struct channel_call *call);
/* Spins, then sleeps until the reply has arrived, for at most sleep_ns (0: forever). Returns 0 if
 * it has, if channel_must_join(), or if the number is impossible; -ETIMEDOUT; -EINTR after a
 * signal; -ESHUTDOWN if the channel has ended and no thread took the call or ever will. May be
 * called again. */
int channel_await(struct channel_caller *caller, unsigned int cell, uint64_t sleep_ns);
/* Like channel_await() without spinning. Also ends if an alarm, a word of other memory, is not 0,
 * and returns -EAGAIN in this case. The second alarm must be private memory. */
#define CHANNEL_ALARMS 2U
int channel_await_alarms(struct channel_caller *caller, unsigned int cell, uint64_t sleep_ns,
			 const atomic_uint *const alarms[CHANNEL_ALARMS]);
static inline bool channel_has_reply(const struct channel_caller *caller, unsigned int cell)
{
	return atomic_load_explicit(&channel_reply_at(caller->peer, cell)->number,
				    memory_order_relaxed) == caller->posted[cell];
}

/* After channel_await() returned 0: returns whether the handler asks the caller to join it through
 * the bus, and sets *ret_thread to the handler's thread. True once for a call. The caller must call
 * channel_await() again afterwards. */
bool channel_must_join(struct channel_caller *caller, unsigned int cell, uint32_t *ret_thread);
/* Reads how the call ended. Returns 0 or -EPROTO. */
int channel_take_end(struct channel_caller *caller, unsigned int cell, struct channel_end *ret_end);
/* Must follow with the same end: copies the payload to data, which has end->size bytes, and frees
 * the cell. If the kind is CHANNEL_LATER, the caller keeps the cell and must free it after fetching
 * the reply: the next call in the cell replaces the reply that the server keeps. If the kind is
 * CHANNEL_REFUSED, the caller also keeps the cell, with the request. */
void channel_take_reply(struct channel_caller *caller, unsigned int cell,
			const struct channel_end *end, void *data);
/* Frees a cell. The cell must have no posted call, or the reply must have been fetched. */
void channel_put_cell(struct channel_caller *caller, unsigned int cell);
/* Gives up a call. The cell is freed when the reply arrives. */
void channel_abandon(struct channel_caller *caller, unsigned int cell);

/* Like channel_abandon(), unless a thread of the server has taken the call. Returns true if the
 * call will never be served; otherwise the caller must still wait. */
bool channel_withdraw(struct channel_caller *caller, unsigned int cell);

/* The reply of an abandoned call came by another way, and will never be in the cell: frees it. */
void channel_recover_cell(struct channel_caller *caller, unsigned int cell);

/* Returns the address for the payload of the next oneway, or NULL if the ring has no space for it,
 * or if it exceeds CHANNEL_DATA_MAX bytes. */
uint8_t *channel_reserve_oneway(struct channel_caller *caller, size_t size);
/* Sends the oneway whose payload was written there, and wakes a thread of the server. */
void channel_send_oneway(struct channel_caller *caller, uint32_t epoch, uint32_t code, size_t size);
/* Returns the position after the last oneway that the server took. The handler of that oneway may
 * still be running. */
static inline uint32_t channel_drained(const struct channel_caller *caller)
{
	return atomic_load_explicit(&caller->peer->drained, memory_order_acquire);
}

/* Whether the reply to an async call has arrived, or the peer wrote another number. The thread that
 * takes it must own the call. */
bool channel_is_answered(const struct channel_caller *caller, unsigned int cell);
/* After channel_post() of an async call: whether no thread took the call, or ever will, because the
 * channel has ended. */
bool channel_is_refused(const struct channel_caller *caller, unsigned int cell);
/* The number of replies to async calls so far, to which a serving thread compares later. */
static inline uint32_t channel_answers(const struct channel_caller *caller)
{
	return atomic_load(&caller->peer->tail);
}

/* The CPU on which a thread of the server runs, or slept and was woken. */
static inline int channel_server_cpu(const struct channel_caller *caller)
{
	return channel_cpu_of(atomic_load_explicit(&caller->peer->cpu, memory_order_relaxed));
}

static inline bool channel_is_ended(const struct channel_caller *caller)
{
	return atomic_load_explicit(&caller->peer->ended, memory_order_relaxed);
}

/* --- The server --------------------------------------------------------------------- */

struct channel_callee {
	const struct channel_client_part *peer;
	struct channel_server_part *own;
	const uint8_t *peer_huge;		/* the extension, if is_extended */
	uint8_t *own_huge;
	atomic_bool is_extended;
	atomic_uint seen[CHANNEL_CELLS];	/* number of calls taken from the cell */
	atomic_uint next;			/* the cell to look at first */
	atomic_uint looked;			/* value of peer->others when those cells had no
	                   			 * call */
	atomic_uint rung;			/* value of peer->polls that channel_notify() saw */
	atomic_uint busy;			/* a bit for each cell without a reply */
	atomic_uint drained;			/* position; written by the thread that takes
	                    			 * oneways */
};

struct channel_taken {
	unsigned int cell;
	uint32_t number;
	uint32_t code;
	uint32_t size;
	uint64_t time_ns;
};

/* Takes a call, without its payload. Refuses canceled calls. Returns 1, 0 if there is no call, or
 * -EPROTO. Any number of threads may call it concurrently. */
int channel_take(struct channel_callee *callee, struct channel_taken *ret_taken);
/* Copies the payload of a taken call to data, which has taken->size bytes. */
static inline void channel_copy_request(const struct channel_callee *callee,
					const struct channel_taken *taken, void *data)
{
	memcpy(data,
	       taken->cell == CHANNEL_HUGE ? callee->peer_huge :
					     channel_request_at(callee->peer, taken->cell)->data,
	       taken->size);
}

/* Returns the address of the reply's payload, for a server that writes it before
 * channel_answer(). */
static inline uint8_t *channel_reply_payload(const struct channel_callee *callee, unsigned int cell)
{
	return cell == CHANNEL_HUGE ? callee->own_huge : channel_reply_at(callee->own, cell)->data;
}

/* Replies to a call that was taken, once, and wakes the caller. end->size is at most
 * channel_data_max(). If data is NULL, the payload is already in channel_reply_payload(). Returns
 * whether the call was async: then no thread was woken. */
bool channel_answer(struct channel_callee *callee, unsigned int cell, uint32_t number,
		    const struct channel_end *end, const void *data);
/* Replies to an async call by another way: frees the cell before the reply is sent there.
 * channel_answer() may follow if that fails. */
void channel_free(struct channel_callee *callee, unsigned int cell);
/* Whether the caller of a taken call does not wait in the channel. */
static inline bool channel_call_is_async(const struct channel_callee *callee, unsigned int cell)
{
	return channel_is_async(atomic_load_explicit(&channel_request_at(callee->peer, cell)->cpu,
						     memory_order_relaxed));
}

/* Must follow channel_answer() to async calls: wakes a thread of the client. Returns whether the
 * client polls, and must be woken in another way. */
bool channel_notify(struct channel_callee *callee);
/* Asks the caller of a taken call to join the serving thread through the bus, once. */
void channel_ask_to_join(struct channel_callee *callee, unsigned int cell, uint32_t number,
			 uint32_t thread);
/* Takes the next oneway, unless its epoch is later than that, and copies its payload to data, which
 * has CHANNEL_DATA_MAX bytes. Sets code and size of *ret_taken. Returns 1, 0 if there is none, or
 * -EPROTO. */
int channel_take_oneway(struct channel_callee *callee, uint32_t epoch, void *data,
			struct channel_taken *ret_taken);
bool channel_may_take(const struct channel_callee *callee, uint32_t drained, uint32_t epoch);
/* Whether channel_take_oneway() may return a oneway. Any thread may call it. */
static inline bool channel_has_oneway(const struct channel_callee *callee, uint32_t epoch)
{
	uint32_t drained = atomic_load_explicit(&callee->drained, memory_order_relaxed);

	return atomic_load_explicit(&callee->peer->sent, memory_order_acquire) != drained &&
	       channel_may_take(callee, drained, epoch);
}

/* The position after the last oneway that the client has sent. */
static inline uint32_t channel_sent(const struct channel_callee *callee)
{
	return atomic_load(&callee->peer->sent);
}

/* Sets own->ended, and refuses the calls that no thread has taken. A thread that takes a call
 * afterwards must refuse it as well. */
void channel_end(struct channel_callee *callee);
/* Whether the caller has stopped waiting. */
static inline bool channel_is_canceled(const struct channel_callee *callee, unsigned int cell,
				       uint32_t number)
{
	return atomic_load_explicit(&channel_request_at(callee->peer, cell)->canceled,
				    memory_order_relaxed) == number;
}

/* Whether a call may be pending. Cheap enough for a spin loop. */
static inline bool channel_has_call(const struct channel_callee *callee, uint32_t tail)
{
	return atomic_load_explicit(&callee->peer->tail, memory_order_acquire) != tail;
}

/* Whether a call is pending that no thread has taken yet. */
bool channel_has_posted(const struct channel_callee *callee);

/* In place of a cell: oneways. */
#define CHANNEL_ONEWAYS CHANNEL_CELLS

/* The CPU on which the caller of a cell, or the thread that sends oneways, runs. */
static inline int channel_caller_cpu(const struct channel_callee *callee, unsigned int cell)
{
	return atomic_load_explicit(cell == CHANNEL_ONEWAYS ?
					    &callee->peer->cpu :
					    &channel_request_at(callee->peer, cell)->cpu,
				    memory_order_relaxed);
}

/* Maximum numbers of channels that a thread serves, and of channels whose async calls it ends. */
#define CHANNEL_MAX_WAIT 64U
#define CHANNEL_MAX_CALLERS 32U

/* The words that a thread of the server waits for: tails of channels, and two other words. */
struct channel_wait {
	unsigned int n;
	struct channel_callee *const *callees;
	const uint32_t *tails;		/* the values that the thread read before it looked there */
	unsigned int n_callers;		/* likewise: tails of servers */
	struct channel_caller *const *callers;
	const uint32_t *answered;
	const atomic_uint *event;	/* the wait ends if it is not 0, */
	const atomic_uint *bell;	/* or this is not rung. It is private: it lies in this
	                        	 * process's own memory */
	uint32_t rung;
	struct channel_spin *spin;
	const struct channel_callee *last;	/* channel of the last message of this thread, or
	                                  	 * NULL */
	unsigned int last_cell;
};

/* Spins. Returns whether a word has changed. */
bool channel_spin_for_call(const struct channel_wait *wait);
/* Sleeps. Returns 0 if a word may have changed, -ETIMEDOUT, or -EINTR after a signal. */
int channel_sleep_for_call(const struct channel_wait *wait, uint64_t until);

static inline int channel_wait_call(const struct channel_wait *wait, uint64_t until)
{
	return channel_spin_for_call(wait) ? 0 : channel_sleep_for_call(wait, until);
}

#endif /* IPC_CHANNEL_H */
