/* SPDX-License-Identifier: MIT */
/* Freezing and thawing, for the table in scenarios.c. */
#pragma once

void prepare_freeze(void);
void prepare_freeze_taken(void);
void prepare_freeze_queued(void);
void prepare_frozen(void);
void freeze_and_thaw(void *unused);
void freeze_or_thaw(void *unused);
void freeze_wait(void *unused);
void freeze_destroy(void *unused);
void freeze_caller_leaves(void *unused);
void freeze_thaw(void *unused);
void wait_for_failure(void *unused);
void serve_while_freezing(void *unused);
void call_and_two_oneways(void *unused);
void thaw_it(void *unused);
void poll_and_take(void *unused);
