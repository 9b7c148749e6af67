/* SPDX-License-Identifier: MIT */
/*
 * Slots: the common part of all registrations of callbacks. See "Slots" in <ipc/ipc.h>.
 *
 * A registration embeds a slot. Its memory lives as long as the list that it is on, the
 * program's handle, and callbacks that run. The end takes these steps, in any thread:
 *
 *   ended      No callback begins any more. The registration leaves its list.
 *   finished   No callback runs any more: the type releases the resources of the registration, and
 *              destroy runs. Either the thread that ended the slot does it, or the last thread
 *              whose callback returns.
 *
 * A handle of the program holds a reference of the connection. So no slot is ended while its
 * connection closes.
 */
#ifndef IPC_SLOT_H
#define IPC_SLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct ipc;
struct ipc_slot;

/* A kind of registration. All functions run without locks, and any may be NULL. */
struct slot_type {
	size_t size;	/* of a registration that slot_new() makes */
	/* The program ends the slot: takes it off its list and drops it, unless another thread took
	 * it off. waits: the function may block. NULL: slot.c does that, for a slot on a list of
	 * slots. */
	void (*end)(struct ipc_slot *slot, bool waits);
	/* No callback runs any more. */
	void (*release)(struct ipc_slot *slot);
	/* Frees the memory. NULL: free() of the slot, as slot_new() has made it. */
	void (*free)(struct ipc_slot *slot);
};

/* Registrations, oldest first. */
TAILQ_HEAD(slots, ipc_slot);

struct ipc_slot {
	struct ipc *ipc;
	const struct slot_type *type;
	void *userdata;
	uint64_t id;			/* rises in a list */
	/* Under ipc->lock. */
	TAILQ_ENTRY(ipc_slot) link;
	struct slots *list;		/* it is on this list; or NULL */
	void (*destroy)(void *userdata);
	unsigned int refs;
	unsigned int running;
	bool ended;
	bool finishing;
	bool finished;
};

/* On the stack of a thread that runs a callback. */
struct slot_frame {
	struct ipc_slot *slot;
	struct slot_frame *outer;
};

/* A registration filled with 0, whose first member is the slot. The caller has the reference
 * of the list. -ECANCELED: the connection is being closed. */
int slot_new(struct ipc *ipc, const struct slot_type *type, void *userdata,
	     struct ipc_slot **ret_slot);
/* Gives the program a handle, unless ret_slot is NULL. Must be called before other threads can find
 * the slot, or under ipc->lock. */
void slot_give(struct ipc_slot *slot, struct ipc_slot **ret_slot);
/* Frees a slot without destroy if the registration failed, before other threads could find it.
 * given: slot_give() was called. */
void slot_abandon(struct ipc_slot *slot, bool given);
/* Takes or drops a reference of the memory. */
void slot_hold(struct ipc_slot *slot);
void slot_put(struct ipc_slot *slot);
/* Must be called before a callback runs. Returns false if the callback must not run. */
bool slot_enter_locked(struct ipc_slot *slot, struct slot_frame *frame);
bool slot_enter(struct ipc_slot *slot, struct slot_frame *frame);
void slot_leave(struct slot_frame *frame);
/* Ends a slot that the caller took off its list, and drops the list's reference. */
void slot_drop(struct ipc_slot *slot);

/* Lists, under ipc->lock. */
void slots_append_locked(struct slots *list, struct ipc_slot *slot);
/* Returns false if the slot is on no list. */
bool slots_remove_locked(struct ipc_slot *slot);
bool slots_remove(struct ipc_slot *slot);
/* Moves the slots, which are on no list then, to an empty list for slots_call() and
 * slots_close(). */
void slots_take_locked(struct slots *list, struct slots *to);
/* Calls a function for each slot that is on the list now and does not end in the meantime, without
 * ipc->lock. A slot that a callback adds is not called. Returns true if it called any. */
bool slots_call(struct ipc *ipc, struct slots *list,
		void (*call)(struct ipc_slot *slot, const void *event), const void *event);

/* A registration that is only a callback in a list. */
struct callback {
	struct ipc_slot slot;
	void (*cb)(void);	/* of the type that call() of slots_call() knows */
};

/* As slot_new(). */
int callback_new(struct ipc *ipc, void (*cb)(void), void *userdata, struct ipc_slot **ret_slot);
/* Adds such a registration to a list that lives as long as the connection. Returns 0 or -errno. */
int slots_add(struct ipc *ipc, struct slots *list, void (*cb)(void), void *userdata,
	      struct ipc_slot **ret_slot);
/* Drops all. */
void slots_close(struct slots *list);

#endif /* IPC_SLOT_H */
