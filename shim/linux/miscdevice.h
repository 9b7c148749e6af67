/* SPDX-License-Identifier: MIT */
/* Character devices: the one that registers is /dev/NAME of the tests. See file.c. */
#pragma once

#include "fs.h"

#define MISC_DYNAMIC_MINOR 255

struct miscdevice {
	int minor;
	const char *name;
	const struct file_operations *fops;
	umode_t mode;
};

int misc_register(struct miscdevice *device);
void misc_deregister(struct miscdevice *device);
