/* SPDX-License-Identifier: MIT */
/* A message of judge.proto, decoded and encoded again by libipc. */
#ifndef JUDGE_PASS_H
#define JUDGE_PASS_H

#include <stddef.h>
#include <stdint.h>

/*
 * The lowest two bits of index are the type of the message: Small, Small2, Large, Large2. With the
 * third bit, large fields stay in the input. Returns the encoded message, which the caller frees,
 * or NULL if libipc refuses the input. Exits if libipc contradicts itself.
 */
uint8_t *pass(uint8_t index, const uint8_t *in, size_t in_size, size_t *ret_size);

#endif /* JUDGE_PASS_H */
