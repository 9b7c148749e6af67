/* SPDX-License-Identifier: MIT */
/*
 * Everything that a process reads from the memory of its peer. Outside this file the peer's part
 * has an incomplete type, so no other code can read it.
 *
 * The peer is not trusted and may write any word at any time. Each function here must:
 *   - read each field once, into a variable of this process
 *   - compute addresses only from values that are bounded here
 *   - check a size before it copies that many bytes, and copy before anything examines the payload
 *
 * A position, a size or a count that a function returns is possible. Other values may be anything:
 * the caller may compare them, store them and pass them on, and must not compute an address or the
 * length of a loop from them.
 *
 * All loads of words are sequentially consistent, for "Sleeping" in channel.h. On x86 and ARM64 they
 * cost as much as acquire loads.
 */
#ifndef IPC_CHANNEL_PEER_H
#define IPC_CHANNEL_PEER_H

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "channel-parts.h"

/* The peer's memory. Never defined. */
struct peer_client;	/* a struct channel_client_part, for the server */
struct peer_server;	/* a struct channel_server_part, for the client */
struct peer_ring;	/* a struct ring_part */
struct peer_huge;	/* CHANNEL_HUGE_MAX bytes */

/* A call or oneway that a server takes. */
struct channel_taken {
	unsigned int cell;
	uint32_t number;
	uint32_t code;
	uint32_t size;
	uint64_t deadline;
};

/* How a call ended. */
struct channel_end {
	uint32_t kind;
	int32_t error;
	uint32_t size;
};

/* The parts, only for this file. */
static inline const struct channel_client_part *of_client(const struct peer_client *peer)
{
	return (const void *)peer;
}

static inline const struct channel_server_part *of_server(const struct peer_server *peer)
{
	return (const void *)peer;
}

static inline const struct ring_part *of_ring(const struct peer_ring *peer)
{
	return (const void *)peer;
}

static inline const struct channel_request *of_request(const struct peer_client *peer,
						       unsigned int cell)
{
	return (const void *)(of_client(peer)->cells + channel_cell_at(cell));
}

static inline const struct channel_reply *of_reply(const struct peer_server *peer,
						   unsigned int cell)
{
	return (const void *)(of_server(peer)->cells + channel_cell_at(cell));
}

/* Words that may have any value. NAME_futex is the address of the word, only for the kernel. */
#define PEER_WORD(type, peer_name, word, ...)                                                   \
	static inline __typeof__(type) peer_name(__VA_ARGS__)                                   \
	{                                                                                       \
		return atomic_load(&(word));                                                    \
	}                                                                                       \
	static inline const _Atomic __typeof__(type) *peer_name##_futex(__VA_ARGS__)            \
	{                                                                                       \
		return &(word);                                                                 \
	}
#define CLIENT const struct peer_client *peer
#define SERVER const struct peer_server *peer
#define RING   const struct peer_ring *peer
#define CELL   unsigned int cell

PEER_WORD(unsigned int, peer_tail, of_client(peer)->tail, CLIENT)
PEER_WORD(unsigned int, peer_posted, of_client(peer)->posted[cell], CLIENT, CELL)
PEER_WORD(unsigned int, peer_others, of_client(peer)->others, CLIENT)
PEER_WORD(unsigned int, peer_polls, of_client(peer)->polls, CLIENT)
PEER_WORD(unsigned int, peer_client_waiting, of_client(peer)->waiting, CLIENT)
PEER_WORD(unsigned int, peer_sent, of_client(peer)->sent, CLIENT)
/* CPUs are encoded as in channel-wait.h. */
PEER_WORD(int, peer_oneway_cpu, of_client(peer)->cpu, CLIENT)
PEER_WORD(int, peer_caller_cpu, of_request(peer, cell)->cpu, CLIENT, CELL)
PEER_WORD(unsigned int, peer_canceled, of_request(peer, cell)->canceled, CLIENT, CELL)

PEER_WORD(unsigned int, peer_answers, of_server(peer)->tail, SERVER)
PEER_WORD(unsigned int, peer_server_waiting, of_server(peer)->waiting, SERVER)
PEER_WORD(int, peer_server_cpu, of_server(peer)->cpu, SERVER)
PEER_WORD(unsigned int, peer_server_polls, of_server(peer)->polls, SERVER)
PEER_WORD(unsigned int, peer_ended, of_server(peer)->ended, SERVER)
PEER_WORD(unsigned int, peer_taken, of_server(peer)->taken[cell], SERVER, CELL)
PEER_WORD(unsigned int, peer_number, of_reply(peer, cell)->number, SERVER, CELL)

PEER_WORD(unsigned int, peer_ring_sent, of_ring(peer)->sent, RING)
PEER_WORD(unsigned int, peer_ring_granted, of_ring(peer)->granted, RING)
PEER_WORD(unsigned int, peer_ring_armed, of_ring(peer)->armed[wait], RING, enum ring_wait wait)

#undef PEER_WORD
#undef CLIENT
#undef SERVER
#undef RING
#undef CELL

/* --- The client's part -------------------------------------------------------------- */

/* Reads a request without its payload. -EPROTO: its size is impossible. */
static inline int peer_request(const struct peer_client *peer, unsigned int cell, uint32_t number,
			       struct channel_taken *ret_taken)
{
	const volatile struct channel_request *fields = of_request(peer, cell);

	*ret_taken = (struct channel_taken){
		.cell = cell,
		.number = number,
		.code = fields->code,
		.size = fields->size,
		.deadline = fields->deadline,
	};
	return ret_taken->size > channel_data_max(cell) ? -EPROTO : 0;
}

/* Copies its payload to data, of taken->size bytes. huge: the extension, for the huge cell. */
static inline void peer_copy_request(const struct peer_client *peer, const struct peer_huge *huge,
				     const struct channel_taken *taken, void *data)
{
	memcpy(data,
	       taken->cell == CHANNEL_HUGE ? (const void *)huge :
					     of_request(peer, taken->cell)->data,
	       taken->size);
}

/* Whether the oneway at a position must wait for its epoch. */
static inline bool peer_oneway_waits(const struct peer_client *peer, uint32_t position,
				     uint32_t epoch)
{
	const volatile struct channel_oneway *fields =
		(const void *)&of_client(peer)->ring[channel_oneway_at(position)];

	return (int32_t)(fields->epoch - epoch) > 0;
}

/* Copies the oneway at a position to data, which has CHANNEL_DATA_MAX bytes. filled: the bytes of
 * oneways from there on. Returns how many of them it has taken, or -EPROTO. */
static inline int peer_take_oneway(const struct peer_client *peer, uint32_t position,
				   uint32_t filled, void *data, struct channel_taken *ret_taken)
{
	const struct channel_oneway *oneway =
		(const void *)&of_client(peer)->ring[channel_oneway_at(position)];
	uint32_t size = ((const volatile struct channel_oneway *)oneway)->size, skipped = 0, needed;

	if (__builtin_expect(size == CHANNEL_SKIP, 0)) {
		/* A oneway follows at the ring's begin. */
		skipped = channel_contiguous(position);
		oneway = (const void *)of_client(peer)->ring;
		size = ((const volatile struct channel_oneway *)oneway)->size;
	}
	if (size > CHANNEL_DATA_MAX)
		return -EPROTO;
	needed = channel_oneway_size(size);
	if (skipped + needed > filled || needed > channel_contiguous(position + skipped))
		return -EPROTO;
	ret_taken->code = ((const volatile struct channel_oneway *)oneway)->code;
	ret_taken->size = size;
	memcpy(data, oneway->data, size);
	return (int)(skipped + needed);
}

/* --- The server's part -------------------------------------------------------------- */

/* Bytes in the ring that the server has not taken: at most CHANNEL_RING_SIZE. sent: the position
 * after the last oneway. If the server writes a wrong position, it loses only oneways. */
static inline uint32_t peer_used(const struct peer_server *peer, uint32_t sent)
{
	uint32_t used = sent - atomic_load(&of_server(peer)->drained);

	return used > CHANNEL_RING_SIZE ? (uint32_t)CHANNEL_RING_SIZE : used;
}

/* For CHANNEL_NESTS: the number of the thread to join, which may be any. */
static inline uint32_t peer_thread(const struct peer_server *peer, unsigned int cell)
{
	return ((const volatile struct channel_reply *)of_reply(peer, cell))->thread;
}

/* Reads a reply without its payload. -EPROTO: its size is impossible. */
static inline int peer_reply(const struct peer_server *peer, unsigned int cell,
			     struct channel_end *ret_end)
{
	const volatile struct channel_reply *fields = of_reply(peer, cell);

	*ret_end = (struct channel_end){
		.kind = fields->kind,
		.error = fields->error,
		.size = fields->size,
	};
	return ret_end->size > channel_data_max(cell) ? -EPROTO : 0;
}

static inline void peer_copy_reply(const struct peer_server *peer, const struct peer_huge *huge,
				   unsigned int cell, const struct channel_end *end, void *data)
{
	memcpy(data,
	       cell == CHANNEL_HUGE ? (const void *)huge : of_reply(peer, cell)->data,
	       end->size);
}

/* --- The part of a stream ------------------------------------------------------------- */

/* Reads the size of a message: at most RING_DATA_MAX, or RING_BUS. Otherwise -EPROTO. */
static inline int peer_ring_size(const struct peer_ring *peer, uint32_t slot, uint32_t *ret_size)
{
	const volatile struct ring_slot *fields = &of_ring(peer)->slots[slot % RING_SLOTS];

	*ret_size = fields->size;
	return *ret_size > RING_DATA_MAX && *ret_size != RING_BUS ? -EPROTO : 0;
}

/* size: what peer_ring_size() returned, and not RING_BUS. */
static inline void peer_ring_copy(const struct peer_ring *peer, uint32_t slot, void *data,
				  uint32_t size)
{
	memcpy(data, of_ring(peer)->slots[slot % RING_SLOTS].data, size);
}

#endif /* IPC_CHANNEL_PEER_H */
