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
/* Takes an event without waiting, for a thread that does not serve: 1; 0 if there is none; or
 * -errno. If handling it would run code of the program, leaves it to serving threads. */
int more_take_event(struct thread *t);

#endif /* IPC_MORE_H */
