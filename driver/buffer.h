/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A region and its buffers: where messages to a proc live from the moment a
 * sender reserves room until the receiver gives the room back.
 *
 * A buffer goes make (reserve, fill) -> (queued in a transaction) -> delivered ->
 * given back. Only delivered ones can be named by user space, by an id of slot
 * and generation: an id of yesterday, of another proc, or made up, is refused.
 */
#ifndef IPCBUS_BUFFER_H
#define IPCBUS_BUFFER_H

#include <linux/rbtree.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>

#include "main.h"
#include "object.h"
#include "pages.h"
#include "range.h"
#include "sender.h"

/* Payloads start on a multiple of this; also the smallest buffer, in bytes. */
#define IPCBUS_UNIT		64
#define IPCBUS_BUFFERS_PER_SLAB	32
#define IPCBUS_QUICK_BUFFERS	32
/* Between any two buffers there may be a free range, with a descriptor too. */
#define IPCBUS_BUFFER_SLABS	(2 * IPCBUS_LIMIT_BUFFERS / IPCBUS_BUFFERS_PER_SLAB)

enum ipcbus_buffer_state {
	IPCBUS_BUFFER_FREE,		/* a free range, or an unused descriptor */
	IPCBUS_BUFFER_QUEUED,		/* reserved, filled, or on its way */
	IPCBUS_BUFFER_DELIVERED,	/* the receiver's, until it gives it back */
	IPCBUS_BUFFER_CLEARING,		/* given back, and being wiped */
};

/* What a buffer has to be treated with care for. */
#define IPCBUS_BUFFER_ONEWAY	1U	/* counts against the region's oneway share */
#define IPCBUS_BUFFER_CHARGED	2U	/* charged to @share */
#define IPCBUS_BUFFER_COUNTED	(IPCBUS_BUFFER_ONEWAY | IPCBUS_BUFFER_CHARGED)
#define IPCBUS_BUFFER_CLEAR	IPCBUS_SEND_CLEAR /* to be wiped at its end */

/**
 * struct ipcbus_buffer - one message's place
 * @range: where, in units (region->lock); as long as the buffer is used, start
 *	and size are constant
 * @spare: in region->spare while the descriptor describes nothing
 * @next_quick: in region->quick
 * @slot: which descriptor of the region this is; constant
 * @generation: counts the uses of the slot; the id is this and slot + 1 (region->lock)
 * @state: enum ipcbus_buffer_state (region->lock to leave DELIVERED)
 * @flags: IPCBUS_BUFFER_*; constant while it is used
 * @since: when its message was made, in jiffies
 * @from: the number of the proc that sent it, 0: the driver
 * @quota: whose user sent it, if that is not the receiver's own (SHARED)
 * @data_size: bytes of payload
 * @objects: what travels beside the payload; of a delivered one: the receiver's
 *	own nodes that came home
 * @node: of a delivered oneway: the node whose next one waits for this buffer,
 *	with a reference; else NULL
 * @label: of a message to a node that wants labels: where the sender's is
 * @label_size: and its size with the end, or 0 if there is none
 * @sender_id: of a delivered oneway: who sent it
 */
struct ipcbus_buffer {
	struct ipcbus_range range;
	struct list_head spare;
	struct ipcbus_buffer *next_quick;
	u32 slot;
	u32 generation;
	u32 state;
	u32 flags;
	unsigned long since;
	u64 from;
	struct ipcbus_quota *quota;
	size_t data_size;
	struct ipcbus_objects objects;
	struct ipcbus_node_entry *node;
	size_t label;
	u32 label_size;
	struct ipcbus_sender_id sender_id;
};

/**
 * struct ipcbus_region - the memory of one proc
 * @lock: protects all of it but pages
 * @size: bytes; 0 until mapped, then constant
 * @owner: the address space whose memory cgroup pays; constant
 * @pages: the physical side
 * @reclaim_entry: in the list of those that reclaim.c asks
 * @reclaiming: units of the free range that it has taken out, or 0; who finds no
 *	room then waits for it
 * @ranges: the free and used ranges
 * @quick: buffers given back lately, all of one size, kept as they are: the next
 *	message is often as large, and then costs no search. Used ranges still.
 * @quick_count: how many
 * @spare: descriptors that describe nothing
 * @slab: descriptors by slot: IPCBUS_BUFFERS_PER_SLAB each; only grows
 * @slabs: how many there are
 * @first_generation: of every slot; random, so that ids of one proc mean nothing
 *	in another
 * @buffers: queued or delivered, at most IPCBUS_LIMIT_BUFFERS
 * @quotas: of other users
 * @idle_quotas: those without a buffer, the latest first
 * @idle_quota_count: how many
 * @oneway_units: taken by oneways, at most half of the region
 * @space: who waits for a oneway's share of it
 * @oneways: how many, at most half of IPCBUS_LIMIT_BUFFERS
 * @spam_units: when that much is taken by oneways, spam.c looks closer; constant
 * @spam_look: how many there must be before spam.c looks who sends them; 0 while
 *	there is room
 */
struct ipcbus_region {
	spinlock_t lock;
	size_t size;
	struct mm_struct *owner;
	struct ipcbus_pages pages;
	struct list_head reclaim_entry;
	u32 reclaiming;
	struct ipcbus_range_pool ranges;
	struct ipcbus_buffer *quick;
	u32 quick_count;
	struct list_head spare;
	struct ipcbus_buffer **slab;
	u32 slabs;
	u32 first_generation;
	u32 buffers;
	wait_queue_head_t space;
	struct rb_root quotas;
	struct list_head idle_quotas;
	u32 idle_quota_count;
	u32 oneway_units;
	u32 oneways;
	u32 spam_units;
	u32 spam_look;
};

/* owner: who pays for its memory, pinned for as long as the region lasts. */
void ipcbus_region_init(struct ipcbus_region *region, struct mm_struct *owner);
/* Gives the region its size, once; mapping: the file's. */
int ipcbus_region_map(struct ipcbus_region *region, struct address_space *mapping, size_t size);
/* The receiver is gone: what it never gave back. Senders may still be filling
 * buffers that they will find no use for. */
void ipcbus_region_release(struct ipcbus_region *region);
/* Nobody knows the region any more. */
void ipcbus_region_done(struct ipcbus_region *region);

/*
 * The message's buffer in the receiver's region: room, payload and objects. NULL
 * for a call or reply of nothing at all. -EMSGSIZE, -ENOSPC, -EAGAIN (oneway
 * share), -EDQUOT (descriptors), -ENOMEM, -EFAULT, -EINVAL (the parts do not add
 * up), and what ipcbus_objects_take() says.
 */
int ipcbus_buffer_make(struct ipcbus_proc *sender, struct ipcbus_proc *receiver, bool accept_fds,
		       struct ipcbus_message *message, struct ipcbus_buffer **ret_buffer);
/* The units that a message takes which is no larger than its receiver's region. */
u32 ipcbus_buffer_units(const struct ipcbus_message *message);
/* Writes the label for which message had room made. */
void ipcbus_buffer_label(struct ipcbus_region *region, struct ipcbus_buffer *buffer,
			 const struct ipcbus_message *message, const char *text);
/* In the receiving thread: installs the objects and writes their table behind
 * the payload. All, or none and -errno with the index of the one that failed. */
int ipcbus_buffer_install(struct ipcbus_proc *receiver, struct ipcbus_buffer *buffer,
			  u32 *ret_index);
/* Hands it to the receiver: from here on user space may give it back any time. */
void ipcbus_buffer_deliver(struct ipcbus_proc *receiver, struct ipcbus_buffer *buffer,
			   struct ipcbus_event *event);
/*
 * A record of the driver's own, which is the receiver's like a oneway, and counts
 * like one: reserved and then written, from the kernel's memory or from another
 * buffer. NULL if there is no room, or no memory.
 */
struct ipcbus_buffer *ipcbus_buffer_reserve(struct ipcbus_region *region, size_t size);
void ipcbus_buffer_write(struct ipcbus_region *region, struct ipcbus_buffer *buffer, size_t at,
			 const void *from, size_t size);
void ipcbus_buffer_copy(struct ipcbus_region *region, struct ipcbus_buffer *buffer, size_t at,
			struct ipcbus_region *from_region, const struct ipcbus_buffer *from,
			size_t size);
/* Frees one that was not delivered, with the objects in it. */
void ipcbus_buffer_free(struct ipcbus_region *region, struct ipcbus_buffer *buffer);

/* The same if there is one. */
static inline void ipcbus_buffer_drop(struct ipcbus_region *region, struct ipcbus_buffer *buffer)
{
	if (buffer)
		ipcbus_buffer_free(region, buffer);
}

/**
 * struct ipcbus_leftovers - what a buffer held until it was given back
 * @node: of a oneway: its node, counted, whose next one may go now; or NULL
 * @objects: nodes that came home
 */
struct ipcbus_leftovers {
	struct ipcbus_node_entry *node;
	struct ipcbus_objects objects;
};

/**
 * struct ipcbus_region_use - what is in a region
 * @size: bytes
 * @used: bytes of all buffers
 * @buffers: how many, queued or delivered
 * @quick: free ranges kept for the next message of that size
 * @oneways: how many buffers are oneways'
 * @oneway_used: bytes of those
 * @held: how many are delivered and not given back
 * @oldest: the id of the one that was made first of these; 0: none
 * @oldest_since: when, in jiffies
 * @oldest_from: the number of the proc that sent it
 */
struct ipcbus_region_use {
	size_t size;
	size_t used;
	u32 buffers;
	u32 quick;
	u32 oneways;
	size_t oneway_used;
	u32 held;
	u64 oldest;
	unsigned long oldest_since;
	u64 oldest_from;
};

/* A slab at a time under the lock: a busy region changes meanwhile. */
void ipcbus_region_look(struct ipcbus_region *region, struct ipcbus_region_use *ret_use);

/* User space gives a delivered one back. -ENOENT, -ESTALE. Leftovers are for the
 * caller to drop; they are empty when it comes in. */
int ipcbus_buffer_release(struct ipcbus_region *region, u64 id, struct ipcbus_leftovers *leftovers);
void ipcbus_leftovers_drop(struct ipcbus_leftovers *leftovers);

/*
 * For reclaim.c: a free range of at least min_units that may have pages to give
 * up, out of everybody's way until it is put back. Buffers kept for the next
 * message count as free. NULL if there is none.
 */
struct ipcbus_range *ipcbus_region_take_backed(struct ipcbus_region *region, u32 min_units);
void ipcbus_region_put_reclaimed(struct ipcbus_region *region, struct ipcbus_range *range);
/* How many units no message takes. */
u32 ipcbus_region_left_locked(const struct ipcbus_region *region);
/* In about how many units those ranges are warm. */
u32 ipcbus_region_backed(struct ipcbus_region *region);

/* Who sent the oneway in a delivered buffer. -ENOENT, -ESTALE; -EINVAL: none. */
int ipcbus_buffer_sender(struct ipcbus_region *region, u64 id, struct ipcbus_sender_id *ret_id);

#endif
