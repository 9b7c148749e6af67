/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Oneways whose share of the receiver's region is full: they wait for room until
 * their deadline, or the sender is told by poll when to try again.
 */
#ifndef IPCBUS_SPACE_H
#define IPCBUS_SPACE_H

#include "main.h"

/* ipcbus_buffer_make() of a oneway to node said -EAGAIN: what now? 0 if there is
 * room after all; -EAGAIN, -ETIMEDOUT, -EINTR, -EOWNERDEAD, and what _make says. */
int ipcbus_space_make(struct ipcbus_proc *sender, struct ipcbus_node_entry *node,
		      struct ipcbus_message *message, struct ipcbus_buffer **ret_buffer);

/* EPOLLOUT, or 0. asked: for which events; who asks for that has heard. */
__poll_t ipcbus_space_poll(struct ipcbus_proc *sender, __poll_t asked);

/* The sender is gone. */
void ipcbus_space_watches_release(struct ipcbus_proc *sender);

#endif
