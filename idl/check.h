/* SPDX-License-Identifier: MIT */
/*
 * From the bytes of a descriptor set to its shape, for the generator (hashes) and
 * for --check.
 */
#ifndef IDL_CHECK_H
#define IDL_CHECK_H

#include "arena.h"
#include "shape.h"

/* The caller's to shape_free(), before the arena ends; data must stay as long. NULL:
 * these are not the bytes of a descriptor set. */
struct shape *shape_read(struct arena *arena, const uint8_t *data, size_t size);

#endif /* IDL_CHECK_H */
