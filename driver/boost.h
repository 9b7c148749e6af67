/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Boost
 *
 * A thread runs with the best priority (priority.h) among the calls that it serves, the node's
 * priority of the oneway that it serves, and its own. The rules:
 *
 *   - A boost never exceeds what RLIMIT_NICE, RLIMIT_RTPRIO or CAP_SYS_NICE allow the thread
 *     itself. So a boost grants nothing, and the driver need not take it away from a thread that
 *     does not come back.
 *   - Only the thread itself begins and ends its boost: on its way out of an exchange, before it
 *     sleeps in one, and when it leaves its file.
 *   - A call that a boosted thread makes has the thread's priority at that time.
 *   - What is set for the thread during a boost stays. The driver can tell only that the thread
 *     does not run as the driver set it.
 *   - A boosted thread has SCHED_RESET_ON_FORK, so that its children do not inherit the boost. A
 *     thread that has it already is not boosted: it may be boosted through another file, which
 *     must restore what the thread owned.
 *
 * Delivery marks a thread whose message has a better priority. So nothing is paid where all
 * priorities are equal.
 */
#ifndef IPCBUS_BOOST_H
#define IPCBUS_BOOST_H

#include "main.h"

/* Gives the current thread the priority that it should have now. Takes proc->lock. May sleep. */
void ipcbus_boost_update(struct ipcbus_thread *thread);

#endif
