/* SPDX-License-Identifier: MIT */
/*
 * protoc-gen-ipc --check: compares the properties of services on which two programs must agree to
 * understand each other: numbers, types, and which fields may be missing. Names of types and
 * fields, comments, and the order in a file do not matter.
 */
#ifndef IDL_CHECK_H
#define IDL_CHECK_H

#include <stdint.h>

#include "arena.h"
#include "google/protobuf/descriptor.pb-c.h"
#include "text.h"

/* Unpacks the bytes of a descriptor set into the arena. If they are not a descriptor set, returns
 * NULL. */
const Google__Protobuf__FileDescriptorSet *check_read(struct arena *arena, const uint8_t *data,
						      size_t size);

/* Appends a line to report for each difference of new that breaks programs built from old
 * ("echo.Echo/Say: ..."), and returns their number. Removed methods and fields count. */
unsigned int check_compare(struct arena *arena, const Google__Protobuf__FileDescriptorSet *old,
			   const Google__Protobuf__FileDescriptorSet *new, struct text *report);

#endif /* IDL_CHECK_H */
