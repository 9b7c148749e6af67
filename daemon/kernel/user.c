// SPDX-License-Identifier: GPL-2.0-only
/*
 * User copies. A user address is an address of the client whose fiber runs: it must be in the area
 * that the client maps. Other memory cannot be accessed. The area's size is sealed, so copies never
 * fault. Pages must exist, and are charged, before they are used: see area_use().
 */
#include <stdlib.h>
#include <string.h>

#include <linux/instrumented.h>

#include "../../driver/proc.h"
#include "../../driver/user.h"
#include "../client.h"
#include "../ipcbus-daemon.h"
#include "fiber.h"
#include "rcu.h"
#include "shim.h"

void shim_check_write(const volatile void *to, size_t size)
{
	(void)to, (void)size;
}

#define PAGE_KIB	(PAGE_SIZE / 1024)
#define USED_BITS	(8 * sizeof(unsigned long))

/* Returns the word with the bit of the page, or NULL if no page of its chunk is used. */
static unsigned long *used_word(const struct client_memory *memory, u64 page)
{
	unsigned long *chunk = memory->used[page / CLIENT_CHUNK_PAGES];

	return chunk ? &chunk[page % CLIENT_CHUNK_PAGES / USED_BITS] : NULL;
}

static bool is_used(const struct client_memory *memory, u64 page)
{
	const unsigned long *word = used_word(memory, page);

	return word && *word >> page % USED_BITS & 1;
}

static bool make_chunk(struct client_memory *memory, u64 page)
{
	unsigned long **chunk = &memory->used[page / CLIENT_CHUNK_PAGES];
	u64 pages = (memory->size >> PAGE_SHIFT) - page / CLIENT_CHUNK_PAGES * CLIENT_CHUNK_PAGES;

	if (!*chunk)
		*chunk = calloc(DIV_ROUND_UP(min_t(u64, pages, CLIENT_CHUNK_PAGES), USED_BITS),
				sizeof(**chunk));
	return *chunk;
}

static noinline bool charge_page(struct client_memory *memory, u64 page)
{
	bool allocated;

	/* The first page is charged before the client has it. The daemon accesses it only after the
	 * client has written it: see seal() in cell.c. */
	rcu_sleeps();
	allocated = !page || memory_has_page(memory->fd, page << PAGE_SHIFT);
	rcu_awakes();
	if (!allocated)
		return false;
	if (!memory->payer || !make_chunk(memory, page) ||
	    ipcbus_user_charge_n(memory->payer, IPCBUS_USE_MEMORY, PAGE_KIB)) {
		memory->refused = true;
		return false;
	}
	*used_word(memory, page) |= 1UL << page % USED_BITS;
	memory->n_used++;
	return true;
}

bool area_use(struct client_memory *memory, uint64_t offset, uint64_t size)
{
	u64 page = offset >> PAGE_SHIFT, end = (offset + size + PAGE_SIZE - 1) >> PAGE_SHIFT;

	for (; page < end; page++)
		if (unlikely(!is_used(memory, page)) && !charge_page(memory, page))
			return false;
	return true;
}

int area_begin(struct client_memory *memory, struct file *file)
{
	struct ipcbus_proc *proc = file->private_data;

	memory->payer = ipcbus_user_get(proc->user);
	/* The first page has the bits of submitted cells. */
	return area_use(memory, 0, PAGE_SIZE) ? 0 : -EDQUOT;
}

void area_end(struct client_memory *memory)
{
	struct ipcbus_user *payer = memory->payer;

	if (!payer)
		return;
	memory->payer = NULL;
	ipcbus_user_uncharge_n(payer, IPCBUS_USE_MEMORY, memory->n_used * PAGE_KIB);
	ipcbus_user_put(payer);
}

static noinline void *user_at_slow(struct client_memory *memory, u64 offset, size_t size,
				   struct client_range *ready)
{
	u64 begin = offset & ~(PAGE_SIZE - 1), end;

	if (offset > memory->size || size > memory->size - offset)
		return NULL;
	if (!area_use(memory, offset, size))
		return NULL;
	end = ALIGN(offset + size, PAGE_SIZE);
	/* Extends the range if the new pages overlap or adjoin it. Otherwise replaces it. */
	if (begin <= ready->begin + ready->size && end >= ready->begin) {
		end = max(end, ready->begin + ready->size);
		begin = min(begin, ready->begin);
	}
	ready->begin = begin;
	ready->size = end - begin;
	return memory->at + offset;
}

/* Returns the address of size bytes at a user address, or NULL. */
static __always_inline void *user_at(const void __user *at, size_t size)
{
	const struct shim_fiber *fiber = current->fiber;
	struct client_memory *memory;
	struct client_range *ready;
	u64 offset, inside;

	if (unlikely(!fiber))
		return NULL;
	memory = client_memory(fiber->client);
	offset = (u64)(uintptr_t)at - memory->base;
	ready = &memory->ready[offset >= IPCBUSD_SEND_AREA];
	inside = offset - ready->begin;
	if (likely(inside <= ready->size && size <= ready->size - inside))
		return memory->at + offset;
	return user_at_slow(memory, offset, size, ready);
}

/* Returns true: the copy itself checks the address. */
bool access_ok(const void __user *at, size_t size)
{
	(void)at, (void)size;
	return true;
}

unsigned long raw_copy_from_user(void *to, const void __user *from, size_t size)
{
	const void *at = user_at(from, size);

	if (!at)
		return size;
	memcpy(to, at, size);
	return 0;
}

unsigned long copy_from_user(void *to, const void __user *from, size_t size)
{
	unsigned long left = raw_copy_from_user(to, from, size);

	if (left)
		memset(to, 0, size);
	return left;
}

unsigned long copy_to_user(void __user *to, const void *from, size_t size)
{
	void *at = user_at(to, size);

	if (!at)
		return size;
	memcpy(at, from, size);
	return 0;
}

size_t fault_in_writeable(char __user *to, size_t size)
{
	return user_at(to, size) ? 0 : size;
}

int check_zeroed_user(const void __user *from, size_t size)
{
	const void *at = size ? user_at(from, size) : "";

	if (!at)
		return -EFAULT;
	return !memchr_inv(at, 0, size);
}
