// SPDX-License-Identifier: MIT
/*
 * Where messages to a daemon are sent from: see device-send.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "device-send.h"

#define UNIT	SEND_AREA_UNIT
#define UNITS	SEND_AREA_UNITS

/* --- Pieces ------------------------------------------------------------------------ */

/* The first place among the first units where n of them are free, or UNITS. */
static size_t find_locked(const struct send_area *area, size_t n, size_t units)
{
	size_t free = 0;

	for (size_t i = 0; i < units; i++) {
		free = area->taken[i] ? 0 : free + 1;
		if (free == n)
			return i + 1 - n;
	}
	return UNITS;
}

uint8_t *send_area_take(struct send_area *area, size_t size, size_t within)
{
	size_t n = (size + UNIT - 1) / UNIT, unit;

	if (!n || size > within)
		return NULL;
	pthread_mutex_lock(&area->lock);
	unit = find_locked(area, n, within / UNIT);
	if (unit < UNITS) {
		memset(&area->taken[unit], 1, n);
		area->taken[unit] = 2;
	}
	pthread_mutex_unlock(&area->lock);
	return unit < UNITS ? area->at + unit * UNIT : NULL;
}

void send_area_put(struct send_area *area, const void *piece, size_t kept)
{
	size_t unit = (size_t)((const uint8_t *)piece - area->at) / UNIT, n = 1;

	pthread_mutex_lock(&area->lock);
	while (unit + n < UNITS && area->taken[unit + n] == 1)
		n++;
	pthread_mutex_unlock(&area->lock);
	/* Before somebody else has it. */
	if (n * UNIT > kept)
		madvise(area->at + unit * UNIT, n * UNIT, MADV_REMOVE);
	pthread_mutex_lock(&area->lock);
	memset(&area->taken[unit], 0, n);
	pthread_mutex_unlock(&area->lock);
}

/* --- Messages ---------------------------------------------------------------------- */

static size_t align8(size_t size)
{
	return (size + 7) & ~(size_t)7;
}

static bool has(const struct send_area *area, uint64_t at, size_t size)
{
	uint64_t offset = at - (uintptr_t)area->at;

	return offset < SEND_AREA_SIZE && size <= SEND_AREA_SIZE - offset;
}

/* Whether a part lies in the area. All are the caller's own. */
static bool has_a_part(const struct send_area *area, const struct ipcbus_send *send)
{
	const struct ipcbus_iovec *parts = (void *)(uintptr_t)send->data;

	for (uint32_t i = 0; i < send->iov_count; i++)
		if (has(area, parts[i].base, parts[i].size))
			return true;
	return false;
}

size_t send_area_needs(const struct send_area *area, const struct ipcbus_send *send)
{
	size_t size = send->object_count * sizeof(struct ipcbus_object);

	if (!(send->flags & IPCBUS_SEND_IOV)) {
		if (has(area, send->data, send->data_size))
			return size;
	} else if (has_a_part(area, send)) {
		size += send->iov_count * sizeof(struct ipcbus_iovec);
	}
	return size + align8(send->data_size);
}

/* All parts become one, or, if bytes of some stay where they are, there is a table of them. */
static int move_parts(const struct send_area *area, struct ipcbus_send *send, uint8_t *to)
{
	const struct ipcbus_iovec *parts = (void *)(uintptr_t)send->data;
	struct ipcbus_iovec *table =
		has_a_part(area, send) ? (void *)(to + align8(send->data_size)) : NULL;
	size_t at = 0;

	for (uint32_t i = 0; i < send->iov_count; i++) {
		struct ipcbus_iovec part = parts[i];

		if (part.size > send->data_size - at)
			return -EINVAL;
		if (part.size && !has(area, part.base, part.size)) {
			memcpy(to + at, (void *)(uintptr_t)part.base, part.size);
			part.base = (uintptr_t)to + at;
		}
		if (table)
			table[i] = part;
		at += part.size;
	}
	if (at != send->data_size)
		return -EINVAL;
	if (table) {
		send->data = (uintptr_t)table;
		return 0;
	}
	send->flags &= ~IPCBUS_SEND_IOV;
	send->iov_count = 0;
	if (send->kind)
		send->data = (uintptr_t)to;
	return 0;
}

int send_area_move(const struct send_area *area, struct ipcbus_send *send, uint8_t *to)
{
	size_t objects = send->object_count * sizeof(struct ipcbus_object);
	uint8_t *behind = to + send_area_needs(area, send) - objects;
	int r = 0;

	if (send->flags & IPCBUS_SEND_IOV) {
		r = move_parts(area, send, to);
	} else if (!has(area, send->data, send->data_size)) {
		if (send->data_size)
			memcpy(to, (void *)(uintptr_t)send->data, send->data_size);
		if (send->kind)
			send->data = (uintptr_t)to;
	}
	if (r < 0 || !objects)
		return r;
	memcpy(behind, (void *)(uintptr_t)send->objects, objects);
	send->objects = (uintptr_t)behind;
	return 0;
}
