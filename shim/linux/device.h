/* SPDX-License-Identifier: MIT */
/* Devices and their classes. There are no device events. See file.c. */
#pragma once

#include <sys/types.h>

struct device;

struct class {
	const char *name;
};

int class_register(struct class *class);
void class_unregister(struct class *class);
struct device *device_create(struct class *class, struct device *parent, dev_t number, void *data,
			     const char *name, ...);
void device_destroy(struct class *class, dev_t number);
