/* SPDX-License-Identifier: MIT */
/*
 * Policies that choose the next thread, for the deterministic scheduler.
 */
#pragma once

#include "shim.h"

/* Print each step. */
extern bool policy_trace;

/*
 * Random, the same for the same seed: evenly, or by random priorities that change at one to three
 * random steps (Burckhardt, Kothari, Musuvathi, Nagarakatti: "A randomized scheduler with
 * probabilistic guarantees of finding bugs", ASPLOS 2010). length: approximate number of steps of a
 * run.
 */
const struct shim_policy *policy_random(u64 seed, unsigned long length);

/*
 * All schedules with at most that many preemptions, depth first: each run repeats the previous
 * choices up to a step, and then differs. policy_search_next() returns false if there are no more.
 */
void policy_search_begin(int preemptions);
const struct shim_policy *policy_search(void);
bool policy_search_next(void);
/* Writes the current schedule as "STEP:THREAD,...", with only its non-default choices. */
void policy_search_text(char *text, size_t size);

/* Replays a schedule that was found in this way. */
const struct shim_policy *policy_replay(const char *text);
