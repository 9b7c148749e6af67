/* SPDX-License-Identifier: MIT */
/*
 * Messages in slots of shared memory (core/ring.h): option (ipc.shared). All fields of such a
 * message are numbers that are always there, so it always has the same size.
 *
 * A slot has the fields in the order of their numbers, each at a multiple of its own size, as this
 * machine has numbers. The order in the .proto file and the C structure do not matter. Both ends
 * compare a hash of the numbers and types of all fields before they share: with other fields they
 * do not.
 */
#ifndef IPC_SLOTS_H
#define IPC_SLOTS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <protobuf-c/protobuf-c.h>

/* protoc-gen-ipc knows this number too (idl/model.c). */
#define SLOT_FIELDS_MAX 64

/* Fields that lie in the same way in both, or one bool. */
struct slot_run {
	uint16_t in_message;
	uint16_t in_slot;
	uint16_t size;
	bool is_bool;
};

struct slots {
	uint32_t size; /* of a slot, or 0: such a message does not go into one */
	unsigned int n_runs;
	struct slot_run runs[SLOT_FIELDS_MAX];
};

/* How these messages lie in slots. */
void slots_init(struct slots *slots, const ProtobufCMessageDescriptor *descriptor);
/* The hash of the layout of both directions, each a descriptor or NULL; never 0. */
uint64_t slots_layout(const ProtobufCMessageDescriptor *requests,
		      const ProtobufCMessageDescriptor *replies);

/* Copy all fields. In a message that was received, each bool is 0 or 1, whatever the slot has. */
void slots_copy_in(const struct slots *slots, const ProtobufCMessage *message, void *slot);
void slots_copy_out(const struct slots *slots, ProtobufCMessage *message, const void *slot);

/* The same, nearly always in one piece. */
static inline void slots_put(const struct slots *slots, const ProtobufCMessage *message, void *slot)
{
	const struct slot_run *run = slots->runs;

	if (slots->n_runs == 1 && !run->is_bool)
		memcpy(slot, (const char *)message + run->in_message, run->size);
	else
		slots_copy_in(slots, message, slot);
}

static inline void slots_get(const struct slots *slots, ProtobufCMessage *message, const void *slot)
{
	const struct slot_run *run = slots->runs;

	if (slots->n_runs == 1 && !run->is_bool)
		memcpy((char *)message + run->in_message, slot, run->size);
	else
		slots_copy_out(slots, message, slot);
}

#endif /* IPC_SLOTS_H */
