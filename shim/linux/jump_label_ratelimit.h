/* SPDX-License-Identifier: MIT */
/* Static branches that are disabled with a delay; without a delay here. */
#pragma once

#include "jump_label.h"

struct static_key_false_deferred {
	struct static_key_false key;
};

#define DEFINE_STATIC_KEY_DEFERRED_FALSE(name, rl) struct static_key_false_deferred name
#define static_branch_slow_dec_deferred(x) static_branch_dec(&(x)->key)
#define static_key_deferred_flush(x) ((void)(x))
