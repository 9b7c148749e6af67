/* SPDX-License-Identifier: MIT */
/* What scenarios.c lends to those that are in files of their own. */
#pragma once

#include "world.h"

/* Tables of their own: loans.c, taps.c. */
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
