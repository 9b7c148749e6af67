/* SPDX-License-Identifier: MIT */
/*
 * The fuzzer of ipcbusd: see main.c. An input is what one hostile process does: operations of
 * eight bytes each, one after the other.
 */
#ifndef DAEMON_FUZZ_SLOTS_H
#define DAEMON_FUZZ_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define MAX_OPS 48

/**
 * struct op - one operation
 * @what: enum what, modulo WHAT_COUNT
 * @where: the upper two bits: which connection; the others: which slot
 * @a: see enum what
 * @b: likewise
 * @value: likewise
 */
struct op {
	uint8_t what;
	uint8_t where;
	uint8_t a;
	uint8_t b;
	uint32_t value;
};

struct input {
	unsigned int n;
	struct op op[MAX_OPS];
};

/**
 * enum what - what an operation does. Those after OPEN do nothing on a connection that is not open.
 * @OPEN: connects as an honest client does, and closes what was there
 * @CONNECT: connects and says nothing
 * @HELLO: says HELLO with one field wrong
 * @MESSAGE: kind a, with b fds of kinds that value chooses, of another size if value says so
 * @FLOOD: sends messages until the daemon does not read, and reads no reply
 * @CLOSE: closes or shuts down the socket
 * @EXCHANGE: fills the slot with an exchange and submits it
 * @IOCTL: likewise with ioctl number a
 * @SERVE_ASKS: for a few ms does what the daemon asks of the slot's thread
 * @WAIT_DONE: waits a few ms for the end of the slot's ioctl
 * @STATE: stores value as the slot's state
 * @FLAG: adds a flag to the state
 * @REPLY: replies, without having done what was asked
 * @TID: gives the slot another thread
 * @POKE: writes a word of the area
 * @RACE: from here on another thread changes a word of the area without end
 * @BITS: writes words of bits: all slots, all clients
 * @POLL_FD: changes, fills or drains what is polled
 * @HOLE: punches holes into memory, resizes, seals
 * @FORK: a child goes on with the same connections; b: and the parent ends
 * @STOP: stops, until the fuzzer lets it go on
 * @DIE: ends by SIGKILL
 */
enum what {
	OPEN,
	CONNECT,
	HELLO,
	MESSAGE,
	FLOOD,
	CLOSE,
	EXCHANGE,
	IOCTL,
	SERVE_ASKS,
	WAIT_DONE,
	STATE,
	FLAG,
	REPLY,
	TID,
	POKE,
	RACE,
	BITS,
	POLL_FD,
	HOLE,
	FORK,
	STOP,
	DIE,
	WHAT_COUNT,
};

/* --- make.c: inputs -------------------------------------------------------------------- */

/* The same seed makes the same input. */
void input_make(struct input *input, uint64_t seed);
/* Changes some of its operations. */
void input_change(struct input *input, uint64_t seed);

/* --- text.c: inputs as text ---------------------------------------------------------- */

/* A line for each operation: its name, where, a, b and value. "#" begins a comment. */
void input_write(const struct input *input, FILE *file);
/* False: a line is none, or there are too many. */
bool input_read(struct input *input, FILE *file);

/* --- play.c: a hostile process --------------------------------------------------------- */

/**
 * struct stage - where it plays
 * @path: the daemon's socket
 * @owns_bell: only hostile processes have this user's bell
 */
struct stage {
	const char *path;
	bool owns_bell;
};

/* Does all of it, and exits. */
_Noreturn void play(const struct stage *stage, const struct input *input);

/* --- honest.c: programs beside it ------------------------------------------------------- */

/* Codes of the server, which is the service manager of the bus. Others: an echo. */
enum {
	SERVER_KEEP = 1,	/* keeps the objects of the message */
	SERVER_GIVE = 2,	/* replies with those and a file */
	SERVER_FORGET = 3,	/* drops them */
};

/**
 * struct report - shared memory of the caller and the fuzzer
 * @limit: of one call, in seconds; constant
 * @calls: that were right
 * @failed: text says why; the caller has ended
 * @forget: the fuzzer asks that the server drops what it keeps
 * @longest: the call that took longest, in ns
 * @times: how many calls took less than so many powers of two of a microsecond
 */
struct report {
	uint64_t limit;
	uint64_t calls;
	uint32_t failed;
	uint32_t forget;
	uint64_t longest;
	uint32_t times[32];
	char text[200];
};

/* Serve and call for ever. The caller ends once a call fails, or takes longer than the limit. */
_Noreturn void honest_server(void);
_Noreturn void honest_caller(struct report *report);
/* Opens, calls with objects and files, and closes, until it is killed. n: where to begin. */
_Noreturn void honest_victim(unsigned int n);

#endif
