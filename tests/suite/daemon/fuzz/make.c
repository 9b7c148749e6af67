// SPDX-License-Identifier: MIT
/*
 * Inputs of the fuzzer: almost valid sequences of operations, mixed with random operations. See
 * cells.h.
 */
#include <string.h>

#include "ipcbus.h"
#include "cells.h"

/* Bits of a and b of EXCHANGE; see play.c. */
#define WAIT	 8
#define SERVE	 16
#define OBJECTS	 64
#define CODE(n)	 ((n) << 2)
#define FILES	 16
#define RELEASE	 64
#define FIRST	 0	/* connections */
#define SECOND	 64

static uint64_t state;

static uint32_t any(void)
{
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(state >> 33);
}

static uint32_t below(uint32_t n)
{
	return any() % n;
}

/* --- Pieces ------------------------------------------------------------------------------- */

/* value 0: any value; 1: a small value. */
static const struct op hand_over[] = {
	{ OPEN, SECOND, 0, 0, 0 },
	/* A node of the first goes to the second, with files. OBJECTS of 0x1800 are node 1. */
	{ IOCTL, FIRST, 4, 0, 0x21 },
	{ WAIT_DONE, FIRST, 0, 0, 0 },
	{ EXCHANGE, FIRST, IPCBUS_SEND_CALL | WAIT | OBJECTS, CODE(SERVER_KEEP), 0x1800 },
	{ SERVE_ASKS, FIRST, 0, 0, 0 },
	{ EXCHANGE, SECOND, IPCBUS_SEND_CALL | WAIT, CODE(SERVER_GIVE) | FILES, 1 },
	{ SERVE_ASKS, SECOND, 0, 0, 0 },
};

static const struct op call_and_reply[] = {
	{ EXCHANGE, SECOND, IPCBUS_SEND_CALL | WAIT, 1 | FILES, 1 },
	{ EXCHANGE, FIRST, WAIT | SERVE, RELEASE, 1 },
	{ WAIT_DONE, FIRST, 0, 0, 0 },
	{ EXCHANGE, FIRST, IPCBUS_SEND_REPLY | OBJECTS, 1 | RELEASE, 1 },
	{ SERVE_ASKS, FIRST, 0, 0, 0 },
	{ SERVE_ASKS, SECOND, 0, 0, 0 },
};

static const struct op raced_call[] = {
	{ RACE, FIRST, 1, 4, 0 },
	{ EXCHANGE, FIRST, IPCBUS_SEND_CALL | WAIT | OBJECTS, 0, 0 },
	{ WAIT_DONE, FIRST, 0, 0, 0 },
	{ EXCHANGE, FIRST, IPCBUS_SEND_CALL | WAIT | OBJECTS, 0, 1 },
	{ SERVE_ASKS, FIRST, 0, 0, 0 },
};

static const struct op withdrawn[] = {
	{ EXCHANGE, FIRST, WAIT | SERVE, 0, 1 },
	{ FLAG, FIRST, 1, 0, 0 },
	{ REPLY, FIRST, 0, 0, 1 },
	{ WAIT_DONE, FIRST, 0, 0, 0 },
};

static const struct op polled[] = {
	{ IOCTL, FIRST, 17, 0, 3 },
	{ POLL_FD, FIRST, 1, 0, 0 },
	{ EXCHANGE, FIRST, IPCBUS_SEND_ONEWAY, 1, 1 },
	{ IOCTL, FIRST, 17, 0, 0 },
};

static const struct op asked[] = {
	{ EXCHANGE, FIRST, IPCBUS_SEND_CALL | WAIT, CODE(SERVER_GIVE) | FILES, 1 },
	{ MESSAGE, FIRST, 3, 1, 1 },
	{ REPLY, FIRST, 1, 0, 0 },
	{ MESSAGE, FIRST, 3, 1, 1 },
	{ REPLY, FIRST, 0, 0, 1 },
};

static const struct op gone[] = {
	{ EXCHANGE, FIRST, IPCBUS_SEND_CALL | WAIT | OBJECTS, CODE(SERVER_KEEP), 1 },
	{ FORK, FIRST, 0, 1, 0 },
	{ CLOSE, FIRST, 2, 0, 0 },
	{ STOP, FIRST, 0, 0, 0 },
	{ OPEN, FIRST, 0, 0, 0 },
};

/* A file that is announced but never sent: OBJECTS of value 0x800 are an fd. */
static const struct op promised[] = {
	{ EXCHANGE, FIRST, IPCBUS_SEND_CALL | WAIT | OBJECTS, 0, 0x810 },
	{ WAIT_DONE, FIRST, 0, 0, 0 },
	{ REPLY, FIRST, 1, 0, 1 },
	{ WAIT_DONE, FIRST, 0, 0, 0 },
};

static const struct op reopened[] = {
	{ OPEN, FIRST, 0, 0, 0 },
	{ OPEN, FIRST, 0, 0, 0 },
	{ OPEN, FIRST, 0, 0, 0 },
	{ OPEN, FIRST, 0, 0, 0 },
};

static const struct {
	const struct op *op;
	unsigned int n;
} pieces[] = {
#define PIECE(name) { name, sizeof(name) / sizeof(*(name)) }
	PIECE(hand_over), PIECE(call_and_reply), PIECE(raced_call), PIECE(withdrawn),
	PIECE(polled),	  PIECE(asked),		 PIECE(gone),	    PIECE(promised),
	PIECE(reopened),
};

/* --- Inputs ------------------------------------------------------------------------------- */

/* Most operations are about cells. Slow operations are rare, and so are operations that end the
 * process. */
static uint8_t any_what(void)
{
	static const uint8_t often[] = { EXCHANGE, EXCHANGE, EXCHANGE, IOCTL, IOCTL, STATE, FLAG,
					 REPLY, POKE, RACE, BITS, MESSAGE };
	uint8_t what = (uint8_t)below(WHAT_COUNT);

	if (below(3))
		return often[below(sizeof(often))];
	return (what == STOP || what == DIE || what == FLOOD) && below(4) ? TID : what;
}

static struct op any_op(void)
{
	return (struct op){
		.what = any_what(),
		.where = (uint8_t)(below(2) ? below(4) : any()),
		.a = (uint8_t)any(),
		.b = (uint8_t)any(),
		.value = below(2) ? below(4096) : any() << 1 | below(2),
	};
}

static void add(struct input *input, struct op op)
{
	if (input->n < MAX_OPS)
		input->op[input->n++] = op;
}

static void add_piece(struct input *input)
{
	unsigned int i = below(sizeof(pieces) / sizeof(*pieces));

	for (unsigned int j = 0; j < pieces[i].n; j++) {
		struct op op = pieces[i].op[j];

		op.value = op.value == 0 ? any() : op.value == 1 ? below(1 << 12) : op.value;
		add(input, op);
		if (!below(6))
			add(input, any_op());
	}
}

void input_make(struct input *input, uint64_t seed)
{
	state = seed * 2 + 1;
	any();
	input->n = 0;
	for (unsigned int n = 2 + below(5); n; n--) {
		if (below(2))
			add_piece(input);
		for (unsigned int i = below(6); i; i--)
			add(input, any_op());
	}
}

void input_change(struct input *input, uint64_t seed)
{
	state = seed * 2 + 1;
	any();
	for (unsigned int n = 1 + below(4); n && input->n; n--) {
		struct op *op = &input->op[below(input->n)];

		switch (below(5)) {
		case 0:
			*op = any_op();
			break;
		case 1:
			op->a ^= (uint8_t)(1U << below(8));
			break;
		case 2:
			op->b ^= (uint8_t)(1U << below(8));
			break;
		case 3:
			op->value ^= 1U << below(32);
			break;
		default:
			op->where ^= (uint8_t)(1U << below(8));
		}
	}
	if (below(2))
		add_piece(input);
}
