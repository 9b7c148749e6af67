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
 * Oneways go into the ring at the end of the client's part, in order. At any time a
 * single thread of the client writes there, and a single thread of the server takes oneways.
 * Positions count bytes and never return to 0; a oneway is at its position modulo
 * CHANNEL_RING_SIZE. It has an epoch, a number that the client chose: see channel-server.h.
 *
 *   client's part: tail, posted[]  ->  the server sees new calls and oneways; tail is a futex
 *                  others          ->  how many calls were posted in cells that are not large
 *                  waiting         ->  as in the server's part: for async calls
 *                  polls           ->  a number that increases when the client begins to poll, and
 *                                      must be rung for the next reply to an async call
 *                  sent            ->  the position after the last oneway
 *                  cpu             ->  where the thread runs that sent it
 *                  cell.cpu        ->  where the calling thread runs, or slept; and whether the
 *                                      call is async
 *                  cell.canceled   -> the number of a call whose caller no longer waits
 *   server's part: tail            ->  the client sees replies to async calls; a futex
 *                  waiting         ->  how many threads sleep until the client's tail changes, a
 *                                      number that each of them incremented, and CHANNEL_POLLS
 *                  polls           ->  likewise, for the next message
 *                  drained         ->  the position after the last oneway that a thread took
 *                  cpu             ->  where a serving thread runs, or slept
 *                  taken[]         -> the number of the last call that a thread took from a cell
 *                  cell.number     ->  the call that is replied to; a futex
 *
 * The other side is not trusted. Only channel-peer.h reads the peer's part. If a number is
 * impossible, a function returns -EPROTO, and the caller must end the channel. Words that only
 * control spinning and waking may be wrong: the peer then loses wake-ups, and this side spins for a
 * bounded time.
 *
 * A side counts privately, and relies on no value that it reads from its own part. Both parts are
 * in one file, so a hostile process can keep a writable mapping of its peer's part. It can then
 * change only messages that it sends or receives, and its own wake-ups.
 *
 * Sleeping. A thread first announces its sleep, then reads the awaited word again, then sleeps in a
 * futex with that value. The peer first changes the word, then reads the announcement. All four
 * accesses must be sequentially consistent, so that a side sees the other's access.
 *
 * Polling. A program with an event loop sleeps in the loop. It announces that by another number in
 * polls, and reads the awaited words again. The peer first changes a word, then rings once for each
 * such number: it sets the *bell*, a timer that the loop watches, to expire at once. Both processes
 * have the timer. A process that spoils it delays only its own messages; close() of the timer is an
 * exception: see "Known limits" in docs/security.md. A pipe, a socket or an eventfd is less safe: a
 * process can hold the lock of a pipe or socket for ever, pass files, and make a write block.
 */
#ifndef IPC_CHANNEL_H
#define IPC_CHANNEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "channel-peer.h"
#include "channel-wait.h"

/* --- The client --------------------------------------------------------------------- */

struct channel_caller {
	struct channel_client_part *own;
	const struct peer_server *peer;
	uint8_t *own_huge;		 /* the extension, or NULL */
	const struct peer_huge *peer_huge;
	atomic_uint taken;		 /* a bit for each cell that is not free */
	atomic_uint lost;		 /* a bit for each cell that its caller gave up early */
	atomic_uint recovered;		 /* likewise, after the reply came by another way */
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
	int bell;			 /* the server's, or -1 */
	atomic_uint rung;		 /* value of peer->polls at the last ring */
	atomic_bool unheard;		 /* the ring failed: the bus must wake the server */
};

/* A call to send. */
struct channel_call {
	uint32_t code;
	uint64_t deadline;		/* on the clock of the bus; 0: none */
	const void *data;
	size_t size;			/* at most channel_data_max() */
	bool async;			/* no thread calls channel_await() */
};

/* Takes a free cell for a payload of at most CHANNEL_HUGE_MAX bytes: a large cell if it fits there,
 * otherwise the huge cell, which must have its extension. Returns its index, or -EBUSY. */
int channel_take_cell(struct channel_caller *caller, size_t size);
/* The same for an async call. Its payload may be in a small cell. */
int channel_take_async_cell(struct channel_caller *caller, size_t size);
/* Returns the address of the request's payload, to be written before channel_post(). */
static inline uint8_t *channel_payload(struct channel_caller *caller, unsigned int cell)
{
	return cell == CHANNEL_HUGE ? caller->own_huge :
				      channel_request_at(caller->own, cell)->data;
}

/* Begins an async call before channel_post(): it may be abandoned from now on. */
void channel_begin_async(struct channel_caller *caller, unsigned int cell);
/* Posts a call and wakes the server. If call->data is NULL, channel_payload() has the payload. */
void channel_post(struct channel_caller *caller, unsigned int cell,
		  const struct channel_call *call);
/* Spins, then sleeps until the reply has arrived, for at most sleep_ns (0: forever). Returns 0 if
 * it has, if channel_must_join(), or if the number is impossible; -ETIMEDOUT; -EINTR after a
 * signal; -ESHUTDOWN if the channel has ended before the call was taken. May be called again. */
int channel_await(struct channel_caller *caller, unsigned int cell, uint64_t sleep_ns);
/* Like channel_await() without spinning. Also ends if an alarm, a word of other memory, is not 0,
 * and returns -EAGAIN in this case. The second alarm must be private memory. */
#define CHANNEL_ALARMS 2U
int channel_await_alarms(struct channel_caller *caller, unsigned int cell, uint64_t sleep_ns,
			 const atomic_uint *const alarms[CHANNEL_ALARMS]);
static inline bool channel_has_reply(const struct channel_caller *caller, unsigned int cell)
{
	return peer_number(caller->peer, cell) == caller->posted[cell];
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

/* Frees the cell of an abandoned call, whose reply came by another way and will never be there. */
void channel_recover_cell(struct channel_caller *caller, unsigned int cell);

/* Returns the address for the payload of the next oneway, or NULL if the ring has no space for it,
 * or if it exceeds CHANNEL_DATA_MAX bytes. */
uint8_t *channel_reserve_oneway(struct channel_caller *caller, size_t size);
/* Sends the oneway with the payload that was written there, and wakes a thread of the server. */
void channel_send_oneway(struct channel_caller *caller, uint32_t epoch, uint32_t code, size_t size);
/* Returns the bytes in the ring that the server has not taken. If there are none, the handler of
 * the last oneway may still be running. */
static inline uint32_t channel_used(const struct channel_caller *caller)
{
	return peer_used(caller->peer, caller->sent);
}

/* Whether the reply to an async call has arrived, or the peer wrote another number. The thread that
 * takes it must own the call. */
bool channel_is_answered(const struct channel_caller *caller, unsigned int cell);
/* After channel_post() of an async call: whether the channel ended before it was taken. */
bool channel_is_refused(const struct channel_caller *caller, unsigned int cell);
/* The number of replies to async calls so far, to which a serving thread compares later. */
static inline uint32_t channel_answers(const struct channel_caller *caller)
{
	return peer_answers(caller->peer);
}

/* The CPU on which a thread of the server runs, or slept and was woken. */
static inline int channel_server_cpu(const struct channel_caller *caller)
{
	return channel_cpu_of(peer_server_cpu(caller->peer));
}

static inline bool channel_is_ended(const struct channel_caller *caller)
{
	return peer_ended(caller->peer);
}

/* --- The server --------------------------------------------------------------------- */

struct channel_callee {
	const struct peer_client *peer;
	struct channel_server_part *own;
	const struct peer_huge *peer_huge;	/* the extension, if is_extended */
	uint8_t *own_huge;
	atomic_bool is_extended;
	atomic_uint seen[CHANNEL_CELLS];	/* number of calls taken from the cell */
	atomic_uint next;			/* the cell to look at first */
	atomic_uint looked;			/* value of peer->others at the last look at
	                   			 * cells that are not large, if it found no call */
	atomic_uint rung;			/* value of peer->polls that channel_notify() saw */
	atomic_uint polls;			/* how often threads began to poll */
	atomic_uint busy;			/* a bit for each cell without a reply */
	atomic_uint drained;			/* position; written by the thread that takes
	                    			 * oneways */
	atomic_uint ring;			/* CHANNEL_RING_* */
	atomic_uint last;			/* if CLOSED: the position after the last oneway */
};

/* Takes a call, without its payload. Refuses canceled calls. Returns 1, 0 if there is no call, or
 * -EPROTO. Any number of threads may call it concurrently. */
int channel_take(struct channel_callee *callee, struct channel_taken *ret_taken);
/* Copies the payload of a taken call to data, which has taken->size bytes. */
static inline void channel_copy_request(const struct channel_callee *callee,
					const struct channel_taken *taken, void *data)
{
	peer_copy_request(callee->peer, callee->peer_huge, taken, data);
}

/* Returns the address of the reply's payload, to be written before channel_answer(). */
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
	return channel_is_async(peer_caller_cpu(callee->peer, cell));
}

/* Must follow channel_answer() to async calls: wakes a thread of the client. Returns whether the
 * client polls, and must be woken in another way. */
bool channel_notify(struct channel_callee *callee);
/* Asks the caller of a taken call to join the serving thread through the bus, once. */
void channel_ask_to_join(struct channel_callee *callee, unsigned int cell, uint32_t number,
			 uint32_t thread);
/*
 * Where the oneways of a channel end. While it is live, the client's word determines that. At its
 * end the server copies that word, and again when the client has died. After that the client sends
 * oneways through the bus, or a drain with the position after the last oneway.
 */
enum { CHANNEL_RING_LIVE, CHANNEL_RING_CLOSED, CHANNEL_RING_DROPPED };

/* The position after the last oneway. May be impossible: only for comparisons. */
static inline uint32_t channel_sent(const struct channel_callee *callee)
{
	unsigned int ring = atomic_load(&callee->ring);

	return __builtin_expect(ring == CHANNEL_RING_LIVE, 1) ? peer_sent(callee->peer) :
	       ring == CHANNEL_RING_CLOSED		      ? atomic_load(&callee->last) :
								atomic_load(&callee->drained);
}

/* Whether channel_take_oneway() may return anything but 0. Any thread may call it. */
static inline bool channel_has_oneway(const struct channel_callee *callee, uint32_t epoch)
{
	uint32_t drained = atomic_load_explicit(&callee->drained, memory_order_relaxed);

	return channel_sent(callee) != drained && !peer_oneway_waits(callee->peer, drained, epoch);
}

/* The next functions must be called by the thread that takes oneways. */
/* Takes the next oneway, unless its epoch is later than that, and copies its payload to data, which
 * has CHANNEL_DATA_MAX bytes. Sets code and size of *ret_taken. Returns 1, 0 if there is none, or
 * -EPROTO: the caller must drop the oneways. */
int channel_take_oneway(struct channel_callee *callee, uint32_t epoch, void *data,
			struct channel_taken *ret_taken);
/* After a drain: moves the end of a closed ring to this position, if that is later. */
void channel_drain_until(struct channel_callee *callee, uint32_t position);
/* Drops the oneways that no thread has taken, and all later oneways. */
static inline void channel_drop_oneways(struct channel_callee *callee)
{
	atomic_store(&callee->ring, CHANNEL_RING_DROPPED);
}

/* Ends the ring at the client's present position. A lock must exclude other calls. */
void channel_close_ring(struct channel_callee *callee);
/* Sets own->ended, closes the ring, and refuses the calls that no thread has taken. A thread that
 * takes a call afterwards must refuse it as well. */
void channel_end(struct channel_callee *callee);
/* Whether the caller has stopped waiting. */
static inline bool channel_is_canceled(const struct channel_callee *callee, unsigned int cell,
				       uint32_t number)
{
	return peer_canceled(callee->peer, cell) == number;
}

/* Whether a call may be pending. Cheap enough for a spin loop. */
static inline bool channel_has_call(const struct channel_callee *callee, uint32_t tail)
{
	return peer_tail(callee->peer) != tail;
}

/* Whether a call is pending that no thread has taken yet, and that a thread may take now. */
bool channel_has_posted(const struct channel_callee *callee);

/* In place of a cell: oneways. */
#define CHANNEL_ONEWAYS CHANNEL_CELLS

/* The CPU on which the caller of a cell, or the thread that sends oneways, runs. */
static inline int channel_caller_cpu(const struct channel_callee *callee, unsigned int cell)
{
	return cell == CHANNEL_ONEWAYS ? peer_oneway_cpu(callee->peer) :
					 peer_caller_cpu(callee->peer, cell);
}

/* Maximum numbers of channels that a thread serves, and of channels that it ends async calls of. */
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
	bool in_loop;			/* the program has other work */
};

/* Spins. Returns whether a word has changed. */
bool channel_spin_for_call(const struct channel_wait *wait);
/* Returns whether a word has changed. */
bool channel_is_over(const struct channel_wait *wait);
/* The same, and announces before that the server polls. */
bool channel_poll_for_call(const struct channel_wait *wait);
/* Sleeps. Returns 0 if a word may have changed, -ETIMEDOUT, or -EINTR after a signal. */
int channel_sleep_for_call(const struct channel_wait *wait, uint64_t until);

static inline int channel_wait_call(const struct channel_wait *wait, uint64_t until)
{
	return channel_spin_for_call(wait) ? 0 : channel_sleep_for_call(wait, until);
}

#endif /* IPC_CHANNEL_H */
