/* SPDX-License-Identifier: MIT */
/* Numeric mount options. */
#pragma once

#include "fs_context.h"

struct fs_parameter_spec {
	const char *name;
	int opt;
	int base;
};

struct fs_parse_result {
	unsigned int uint_32;
};

#define fsparam_u32(key, number) { .name = (key), .opt = (number), .base = 0 }
#define fsparam_u32oct(key, number) { .name = (key), .opt = (number), .base = 8 }

/* Returns the index of the option, or -EINVAL if it is unknown or invalid. */
int fs_parse(struct fs_context *fc, const struct fs_parameter_spec *specs,
	     struct fs_parameter *param, struct fs_parse_result *ret);
