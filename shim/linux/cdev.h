/* SPDX-License-Identifier: MIT */
/* Character devices: an added device is /dev/NAME of the tests. See file.c. */
#pragma once

#include <sys/types.h>

#include "fs.h"

struct cdev {
	struct module *owner;
	const struct file_operations *ops;
};

int alloc_chrdev_region(dev_t *number, unsigned int first, unsigned int count, const char *name);
void unregister_chrdev_region(dev_t number, unsigned int count);
void cdev_init(struct cdev *cdev, const struct file_operations *fops);
int cdev_add(struct cdev *cdev, dev_t number, unsigned int count);
void cdev_del(struct cdev *cdev);
