/* SPDX-License-Identifier: MIT */
/*
 * Parses a descriptor set into its shape, for the generator (hashes) and for --check.
 */
#ifndef IDL_CHECK_H
#define IDL_CHECK_H

#include "arena.h"
#include "shape.h"

/* The caller must free the shape with shape_free() before the arena ends. data must stay valid
 * until then. If data is not a descriptor set, returns NULL. */
struct shape *shape_read(struct arena *arena, const uint8_t *data, size_t size);

#endif /* IDL_CHECK_H */
