/* SPDX-License-Identifier: MIT */
/*
 * Who runs next: ways of choosing for the deterministic scheduler.
 */
#pragma once

#include "shim.h"

/* Print each step. */
extern bool policy_trace;

/*
 * Random, the same for the same seed: evenly, or by random priorities that
 * change at one to three random steps (Burckhardt, Kothari, Musuvathi,
 * Nagarakatti: "A randomized scheduler with probabilistic guarantees of finding
 * bugs", ASPLOS 2010). length: about how many steps a run has.
 */
const struct shim_policy *policy_random(u64 seed, unsigned long length);

/*
 * All schedules with at most that many preemptions, one after the other: depth
 * first, by running the same choices again up to one. _next is false when there
 * are no more.
 */
void policy_search_begin(int preemptions);
const struct shim_policy *policy_search(void);
bool policy_search_next(void);
/* The current one as "STEP:THREAD,...": where it is not what it would be. */
void policy_search_text(char *text, size_t size);

/* One that was found so. */
const struct shim_policy *policy_replay(const char *text);
