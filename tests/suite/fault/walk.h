/* SPDX-License-Identifier: MIT */
/*
 * A scenario, and the walk through all its failure points. It runs in a new environment each time:
 * first without failure, then with the first step of each kind failing, then the second, until
 * there are no more steps, and finally with some pairs of failing steps.
 */
#ifndef TESTS_FAIL_WALK_H
#define TESTS_FAIL_WALK_H

#include "env.h"

struct content;
struct scenario;

/* Counters of the driver, which must be unchanged if the operation failed. */
enum { NODES, HANDLES, WATCHES, TRANSACTIONS, BUFFERS, FILES, COUNTS };

/* State shared by the three functions of a run. */
struct state {
	const struct scenario *sc;
	const struct plan *plan;
	/* The act's input and output are in a single page, so that each is copied at once. */
	struct ipcbus_exchange x __attribute__((aligned(256)));
	struct ipcbus_send send;	/* the message of the scenario */
	struct ipcbus_object objects[16];
	struct ipcbus_iovec parts[64];
	uint64_t ids[16];
	struct ipcbus_event event;	/* the served call */
	uint64_t node;
	uint64_t home;			/* a node of the receiver */
	uint32_t handle;
	uint32_t done;
	int fd;
	void *map;
	struct files files;
	long counts[COUNTS];
};

/*
 * prepare sets up the state for the act, a single system call of the actor. finish checks the
 * result, repeats a failed operation, and ends the conversation.
 */
struct scenario {
	const char *name;
	const struct content *content;
	const struct raw *actor;
	void (*prepare)(struct state *s);
	int (*act)(struct state *s);
	void (*finish)(struct state *s, int r);
};

/* Prints a line per scenario, with the number of points and pairs. */
void walk_all(const struct scenario *scenarios, size_t n);

/* Returns whether the plan is a single failure of a known kind. */
bool is_single(const struct state *s);
/* Returns whether the plan is only a failing copy of user memory. */
bool is_copy(const struct state *s, unsigned int nth);
/* Returns whether @r can result from the planned failures. */
bool may_fail_with(const struct state *s, int r);
#define assert_may(s, r) \
	ck_assert_msg((r) >= 0 || may_fail_with(s, r), "failed with %s", errname(r))

/* Runs s->x on its proc, and checks a reported failure. */
int exchange(struct state *s, const struct raw *who);
/* Checks that the act's failure is reported in the right order of stages. */
void check_order(unsigned int stage);
/* Returns whether the driver wrote no event: it had not begun, or could not at the end. */
bool is_silent(const struct state *s);
/*
 * Gets the event of the wait of @who, or the next event if that failed. Returns false if the event
 * was taken, could not be written and is lost. The scenario ends then.
 */
bool event_came(struct state *s, const struct raw *who, int r, struct ipcbus_event *ret);
/* Checks whether the result matches the fate of the exchange's message. */
void check_effect(const struct state *s, int r, bool happened);

void note_counts(struct state *s);
/* Waits until the files of discarded messages are closed. */
void wait_for_files(long files);
/* Checks that a failed operation left no object, except a handle 0 from a first use. */
void expect_undone(const struct state *s, long more_handles);

#endif /* TESTS_FAIL_WALK_H */
