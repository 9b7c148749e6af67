/* SPDX-License-Identifier: MIT */
/* Building blocks of scenarios.c for scenarios in other files. */
#pragma once

#include "world.h"

/* Tables in other files: quotas, mounts, boosts, records, deaths, frozen, more, directed,
 * closes. */
extern const struct scenario quota_scenarios[];
extern const size_t n_quota_scenarios;
extern const struct scenario mount_scenarios[];
extern const size_t n_mount_scenarios;
extern const struct scenario boost_scenarios[];
extern const size_t n_boost_scenarios;
extern const struct scenario record_scenarios[];
extern const size_t n_record_scenarios;
extern const struct scenario death_scenarios[];
extern const size_t n_death_scenarios;
extern const struct scenario frozen_scenarios[];
extern const size_t n_frozen_scenarios;
extern const struct scenario more_scenarios[];
extern const size_t n_more_scenarios;
extern const struct scenario directed_scenarios[];
extern const size_t n_directed_scenarios;
extern const struct scenario close_scenarios[];
extern const size_t n_close_scenarios;

/* Handles an event as a server does. */
void reply_to(const struct ipcbus_event *event);
/* Calls and waits for the result; @error: another acceptable failure. */
void call_through(u32 target, int error);
/* The same to the manager, which may have closed. */
void call_manager(void *unused);
/* SRV takes a call from thread @caller. */
void take_a_call(int caller);
/* A reply to it that fails, and a valid reply. */
void reply_in_vain(void *unused);
void reply_and_free(void *unused);
void wait_for_reply(void *unused);
void serve_one(void *unused);
/* Serves until no event is left. */
void serve_what_is_there(void *unused);
/* For the current side. */
void close_file(void *unused);
void two_oneways(void *unused);
/* The thread ends without further operations. */
void leave(void *unused);
