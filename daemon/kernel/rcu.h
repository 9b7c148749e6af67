/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Threads that say when they are in no read-side section, in place of each section: see rcu.c.
 */
#pragma once

/* From here on the calling thread does. False: no memory. */
bool rcu_announce(void);
/* Before it ends: it reads no more. */
void rcu_retire(void);
/* Now it is in none. */
void rcu_quiet(void);
/* It is in none until it awakes. */
void rcu_sleeps(void);
void rcu_awakes(void);
