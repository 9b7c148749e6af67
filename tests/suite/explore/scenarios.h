/* SPDX-License-Identifier: MIT */
/* What scenarios.c passes on to those that are in files of their own. */
#pragma once

#include "world.h"

/* Tables of their own: quotas.c, mounts.c, boost.c, records.c, deaths.c. */
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

/* What a server does with an event. */
void reply_to(const struct ipcbus_event *event);
/* A call, and what came of it; error: how else it may fail. */
void call_through(u32 target, int error);
/* The same to the manager, which may have gone. */
void call_manager(void *unused);
/* A call by thread caller that SRV took. */
void take_a_call(int caller);
/* Until there is nothing. */
void serve_what_is_there(void *unused);
/* Of the current side. */
void close_file(void *unused);
void two_oneways(void *unused);
/* Is done at once: its thread ends. */
void leave(void *unused);
