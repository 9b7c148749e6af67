/* SPDX-License-Identifier: MIT */
/*
 * A scenario, and the walk through all its points of failure: it is run in one
 * new environment after the other, once as it should be, then with the first step of
 * each kind failing, with the second, until there is none left, and then with
 * some pairs of them.
 */
#ifndef TESTS_FAIL_WALK_H
#define TESTS_FAIL_WALK_H

#include "env.h"

struct content;
struct scenario;

/* What the driver counts and must be as before when something did not happen. */
enum { NODES, HANDLES, WATCHES, TRANSACTIONS, BUFFERS, FILES, COUNTS };

/* What the three steps of one run share. */
struct state {
	const struct scenario *sc;
	const struct plan *plan;
	/* What the act gave and got, in one page: so it is read and written at once. */
	struct ipcbus_exchange x __attribute__((aligned(256)));
	struct ipcbus_send send;	/* the message that it is about */
	struct ipcbus_object objects[16];
	struct ipcbus_iovec parts[64];
	uint64_t ids[16];
	struct ipcbus_event event;	/* the call that is being served */
	uint64_t node;
	uint64_t home;			/* a node of the receiver's own */
	uint32_t handle;
	uint32_t done;
	int fd;
	void *map;
	struct files files;
	long counts[COUNTS];
};

/*
 * prepare brings things to where the act is next, which is one system call of
 * the actor's; finish looks at what came of it, does again what did not happen,
 * and ends the conversation.
 */
struct scenario {
	const char *name;
	const struct content *content;
	const struct raw *actor;
	void (*prepare)(struct state *s);
	int (*act)(struct state *s);
	void (*finish)(struct state *s, int r);
};

/* Prints a line for each scenario, with how many points and pairs were walked. */
void walk_all(const struct scenario *scenarios, size_t n);

/* One step, once, is to fail, and its kind is known. */
bool is_single(const struct state *s);
/* It is the copying of user memory. */
bool is_copy(const struct state *s, unsigned int nth);
/* An error that comes of what was to fail. */
bool may_fail_with(const struct state *s, int r);
#define assert_may(s, r) \
	ck_assert_msg((r) >= 0 || may_fail_with(s, r), "failed with %s", errname(r))

/* s->x by its proc; what it says of a failure is looked at. */
int exchange(struct state *s, const struct raw *who);
/* That the act's failure is notified in the right order of stages. */
void check_order(unsigned int stage);
/* The driver wrote no event: it had not begun, or could not at the end. */
bool is_silent(const struct state *s);
/*
 * The event of a wait of who's, or the next one if that failed. False: it was taken, could not be
 * written and does not come again. The scenario ends then.
 */
bool event_came(struct state *s, const struct raw *who, int r, struct ipcbus_event *ret);
/* What the exchange sent arrived, or not: is that what it said? */
void check_effect(const struct state *s, int r, bool happened);

void note_counts(struct state *s);
/* Files of a message that nobody took are closed a moment later. */
void wait_for_files(long files);
/* Nothing stayed of what did not happen; a first use may have left a handle 0. */
void expect_undone(const struct state *s, long more_handles);

#endif /* TESTS_FAIL_WALK_H */
