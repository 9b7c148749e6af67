// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/ipcbus: see device.h. file.c has what can be done with it.
 */
#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/module.h>

#include "compat.h"
#include "device.h"
#include "proc.h"

#define NAME "ipcbus"

static dev_t number;
static struct cdev *cdev;

/* Packaging gives it to the group of those who may use the bus. */
static char *device_node(ipcbus_const_device *unused, umode_t *mode)
{
	if (mode)
		*mode = 0660;
	return NULL;
}

static struct class device_class = {
	.name = NAME,
	.devnode = device_node,
};

int ipcbus_device_init(void)
{
	struct device *device;
	int ret;

	ret = alloc_chrdev_region(&number, 0, 1, NAME);
	if (ret)
		return ret;
	ret = class_register(&device_class);
	if (ret)
		goto err_number;
	device = device_create(&device_class, NULL, number, NULL, NAME);
	if (IS_ERR(device)) {
		ret = PTR_ERR(device);
		goto err_class;
	}
	/* Memory of its own, for its last reference may go after the module. */
	cdev = cdev_alloc();
	if (!cdev) {
		ret = -ENOMEM;
		goto err_device;
	}
	cdev->ops = &ipcbus_fops;
	cdev->owner = THIS_MODULE;
	/* The last that can fail: whoever opens it keeps what is here. */
	ret = cdev_add(cdev, number, 1);
	if (ret)
		goto err_cdev;
	return 0;

err_cdev:
	cdev_del(cdev);
err_device:
	device_destroy(&device_class, number);
err_class:
	class_unregister(&device_class);
err_number:
	unregister_chrdev_region(number, 1);
	return ret;
}

void ipcbus_device_done(void)
{
	cdev_del(cdev);
	device_destroy(&device_class, number);
	class_unregister(&device_class);
	unregister_chrdev_region(number, 1);
}
