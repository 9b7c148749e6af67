/* SPDX-License-Identifier: MIT */
/* What scenarios.c lends to those that are in files of their own. */
#pragma once

#include "world.h"

/* Tables of their own: shares.c, mounts.c, loans.c, taps.c. */
extern const struct scenario share_scenarios[];
extern const size_t n_share_scenarios;
extern const struct scenario mount_scenarios[];
extern const size_t n_mount_scenarios;
extern const struct scenario loan_scenarios[];
extern const size_t n_loan_scenarios;
extern const struct scenario tap_scenarios[];
extern const size_t n_tap_scenarios;

/* What a server does with an event. */
void answer(const struct ipcbus_event *event);
/* A call, and what came of it; error: how else it may fail. */
void call_through(u32 target, int error);
/* A call by thread caller that SRV took. */
void take_a_call(int caller);
/* Until there is nothing. */
void serve_what_is_there(void *unused);
/* Of the current side. */
void close_file(void *unused);
void two_oneways(void *unused);
/* Is done at once: its thread ends. */
void leave(void *unused);
