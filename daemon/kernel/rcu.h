/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Threads that announce quiescent states instead of each read-side section: see rcu.c.
 */
#pragma once

/* The calling thread announces quiescent states from now on. Returns false if memory is short. */
bool rcu_announce(void);
/* Must be called before a thread ends that may have read. The thread must not read afterwards. */
void rcu_retire(void);
/* The thread is in no read-side section now. */
void rcu_quiet(void);
/* The thread is in no read-side section until rcu_awakes(). */
void rcu_sleeps(void);
void rcu_awakes(void);
/* Waits until all sections have ended that read now. Must be called outside of sections. */
void rcu_wait(void);
