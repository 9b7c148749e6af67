/* SPDX-License-Identifier: MIT */
/*
 * The fuzzer of ipcbusd; see main.c. An input is the program of a hostile process: a sequence of
 * operations of eight bytes each.
 */
#ifndef DAEMON_FUZZ_CELLS_H
#define DAEMON_FUZZ_CELLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define MAX_OPS 48

/**
 * struct op - an operation
 * @what: enum what, modulo WHAT_COUNT
 * @where: upper two bits: the connection; other bits: the cell
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
 * enum what - the kinds of operations. All except OPEN are skipped if the connection is not open.
 * @OPEN: connects as an honest client, after closing the old connection
 * @CONNECT: connects and sends no messages
 * @HELLO: sends HELLO with an invalid field
 * @MESSAGE: kind a, with b fds of kinds that value selects, possibly of another size
 * @FLOOD: sends messages until the daemon does not read, and reads no reply
 * @CLOSE: closes or shuts down the socket
 * @EXCHANGE: fills the cell with an exchange and submits it
 * @IOCTL: likewise with ioctl number a
 * @SERVE_ASKS: for a few ms handles the daemon's requests to the cell's thread
 * @WAIT_DONE: waits a few ms for the end of the cell's ioctl
 * @STATE: stores value as the cell's state
 * @FLAG: adds a flag to the state
 * @REPLY: replies without having handled the request
 * @TID: gives the cell another thread
 * @POKE: writes a word of the area
 * @RACE: from here on another thread keeps changing a word of the area
 * @BITS: writes words of bits: all cells, all clients
 * @POLL_FD: changes, fills or drains a polled fd
 * @HOLE: punches holes into memory, resizes, seals
 * @FORK: a child continues with the same connections; b: the parent exits
 * @STOP: stops until the fuzzer continues the process
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

/* Creates an input. The same seed creates the same input. */
void input_make(struct input *input, uint64_t seed);
/* Changes some of the input's operations. */
void input_change(struct input *input, uint64_t seed);

/* --- text.c: inputs as text ---------------------------------------------------------- */

/* A line per operation: its name, where, a, b and value. "#" begins a comment. */
void input_write(const struct input *input, FILE *file);
/* Returns false for an invalid line or too many lines. */
bool input_read(struct input *input, FILE *file);

/* --- play.c: a hostile process --------------------------------------------------------- */

/**
 * struct stage - the target of an input
 * @path: the daemon's socket
 * @owns_bell: only hostile processes have this user's bell
 */
struct stage {
	const char *path;
	bool owns_bell;
};

/* Plays the whole input, and exits. */
_Noreturn void play(const struct stage *stage, const struct input *input);

/* --- honest.c: well-behaved programs ------------------------------------------------- */

/* Codes of the server, which is the service manager of the bus. Other codes are echoed. */
enum {
	SERVER_KEEP = 1,	/* keeps the objects of the message */
	SERVER_GIVE = 2,	/* replies with these objects and a file */
	SERVER_FORGET = 3,	/* drops these objects */
};

/**
 * struct report - memory shared by the caller and the fuzzer
 * @limit: for a call, in seconds; constant
 * @calls: number of correct calls
 * @failed: text has the reason, and the caller has exited
 * @forget: the fuzzer requests that the server drops its objects
 * @longest: the longest call, in ns
 * @times: for each power of two of a microsecond, the number of shorter calls
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

/* Serve and call forever. The caller exits if a call fails or takes longer than the limit. */
_Noreturn void honest_server(void);
_Noreturn void honest_caller(struct report *report);
/* Opens, calls with objects and files, and closes, until it is killed. @n: the first call. */
_Noreturn void honest_victim(unsigned int n);

#endif
