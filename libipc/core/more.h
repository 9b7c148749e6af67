/* SPDX-License-Identifier: MIT */
/* Takes oneways from the bus in batches, and serves them: see conn/batch.h. */
#ifndef IPC_MORE_H
#define IPC_MORE_H

struct ipcbus_event;
struct thread;

/* A oneway came that was not of a batch: the next exchange may request one. */
void more_oneway_came(struct thread *t);
/* Waits for events and serves them: 0 or -errno. */
int more_serve(struct thread *t);
/* Takes an event without waiting, for a thread that waits for a stream: 0, with the event, or
 * -errno. Returns 1 if it took a batch, which it served if the oneways are a stream's, and left to
 * the backlog otherwise. */
int more_take(struct thread *t, struct ipcbus_event *ret_event);

#endif /* IPC_MORE_H */
