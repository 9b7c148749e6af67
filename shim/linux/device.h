/* SPDX-License-Identifier: MIT */
/* Devices and their classes, which user space hears of; nobody listens here. See file.c. */
#pragma once

#include <sys/types.h>

#include "fs.h"

struct device;

struct class {
	const char *name;
	char *(*devnode)(struct device *device, umode_t *mode);
};

int class_register(struct class *class);
void class_unregister(struct class *class);
struct device *device_create(struct class *class, struct device *parent, dev_t number, void *data,
			     const char *name, ...);
void device_destroy(struct class *class, dev_t number);
