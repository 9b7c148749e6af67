/* SPDX-License-Identifier: MIT */
/* What scenarios.c passes on to those that are in files of their own. */
#pragma once

#include "world.h"

/* Tables of their own: quotas.c, mounts.c, boosts.c, records.c, deaths.c, frozen.c, more.c,
 * directed.c. */
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

/* What a server does with an event. */
void reply_to(const struct ipcbus_event *event);
/* A call, and what came of it; error: how else it may fail. */
void call_through(u32 target, int error);
/* The same to the manager, which may have gone. */
void call_manager(void *unused);
/* A call by thread caller that SRV took. */
void take_a_call(int caller);
/* A reply to it that fails, and one that does not. */
void reply_in_vain(void *unused);
void reply_and_free(void *unused);
void wait_for_reply(void *unused);
void serve_one(void *unused);
/* Until there is nothing. */
void serve_what_is_there(void *unused);
/* Of the current side. */
void close_file(void *unused);
void two_oneways(void *unused);
/* Is done at once: its thread ends. */
void leave(void *unused);
