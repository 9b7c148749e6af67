/* SPDX-License-Identifier: MIT */
/*
 * The layout of the memory that two processes share: the parts of a channel, described in
 * channel.h, and those of a stream, described in channel-ring.h. A process accesses its own part by
 * these structures, and the peer's part only by channel-peer.h.
 */
#ifndef IPC_CHANNEL_PARTS_H
#define IPC_CHANNEL_PARTS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

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

/* Flipped in cell.number before the reply: the handler makes a call that the caller must join. */
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
	uint64_t deadline;	/* on the clock of the bus; 0: none */
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

/* A thread that begins to sleep adds CHANNEL_SLEEP to waiting, and subtracts 1 when it is awake. */
#define CHANNEL_SLEEP	 0x10001U
#define CHANNEL_SLEEPERS 0xffffU	/* the number of threads that sleep, and: */
#define CHANNEL_POLLS	 0x8000U	/* the server has polled: see polls */

struct channel_server_part {
	_Alignas(64) atomic_uint waiting;
	atomic_int cpu;
	atomic_uint ended;	/* not 0: the server takes no more calls from here */
	atomic_uint polls;
	_Alignas(64) atomic_uint tail;
	_Alignas(64) atomic_uint taken[CHANNEL_CELLS];
	atomic_uint drained;
	uint8_t unused[CHANNEL_PAGE - 132 - 4 * CHANNEL_CELLS];
	uint8_t cells[CHANNEL_CELLS_SIZE];
	uint8_t unused_ring[CHANNEL_RING_SIZE];
};

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

static inline struct channel_request *channel_request_at(struct channel_client_part *part,
							 unsigned int cell)
{
	return (struct channel_request *)(void *)(part->cells + channel_cell_at(cell));
}

static inline struct channel_reply *channel_reply_at(struct channel_server_part *part,
						     unsigned int cell)
{
	return (struct channel_reply *)(void *)(part->cells + channel_cell_at(cell));
}

/* --- Oneways ------------------------------------------------------------------------ */

/* Every position in the ring is a multiple of this. */
#define CHANNEL_ONEWAY_ALIGN 16U

static inline uint32_t channel_oneway_size(size_t size)
{
	return (uint32_t)((sizeof(struct channel_oneway) + size + CHANNEL_ONEWAY_ALIGN - 1) &
			  ~(size_t)(CHANNEL_ONEWAY_ALIGN - 1));
}

/* Returns where the oneway at a position is in the ring. A oneway always fits there, whatever the
 * position. */
static inline size_t channel_oneway_at(uint32_t position)
{
	return position & (CHANNEL_RING_SIZE - 1) & ~(size_t)(CHANNEL_ONEWAY_ALIGN - 1);
}

/* Bytes from a position to the end of the ring. */
static inline uint32_t channel_contiguous(uint32_t position)
{
	return (uint32_t)(CHANNEL_RING_SIZE - channel_oneway_at(position));
}

/* --- Streams ------------------------------------------------------------------------ */

#define RING_SLOTS	16U
#define RING_SLOT_SIZE	((size_t)512)
#define RING_BUS	UINT32_MAX
/* armed[]: these bits, and the value seen before them. */
#define RING_BY_BUS	1U
#define RING_ARMED	2U
#define RING_FLAGS	3U

struct ring_slot {
	uint32_t size;		/* or RING_BUS */
	uint32_t unused;
	uint8_t data[RING_SLOT_SIZE - 8];
};

#define RING_DATA_MAX	sizeof(((struct ring_slot *)0)->data)

enum ring_wait { FOR_MESSAGE, FOR_CREDIT, RING_WAITS };

struct ring_part {
	_Alignas(64) atomic_uint sent;		/* slots written so far; a futex */
	atomic_uint granted;			/* credit granted so far; a futex */
	_Alignas(64) atomic_uint armed[RING_WAITS];
	uint8_t unused[CHANNEL_PAGE - 64 - 4 * RING_WAITS];
	struct ring_slot slots[RING_SLOTS];
};

#define RING_PART_SIZE	(CHANNEL_PAGE + RING_SLOTS * RING_SLOT_SIZE)

_Static_assert(sizeof(struct ring_part) == RING_PART_SIZE, "a page and the slots");

#endif /* IPC_CHANNEL_PARTS_H */
