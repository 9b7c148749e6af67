// SPDX-License-Identifier: GPL-2.0-only
/*
 * Module init and exit, and /dev/ipcbus. main.h describes the driver, and file.c has the file
 * operations of the device.
 */
#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/module.h>

#include "bus.h"
#include "cancel.h"
#include "mem/reclaim.h"
#include "object.h"
#include "opener.h"
#include "proc.h"
#include "trace.h"
#include "transaction.h"
#include "user.h"

/* A character device with its own major number. misc_open() calls a driver under the mutex of all
 * misc devices, and an open of /dev/ipcbus waits for the mmap lock of the opener. A page fault in a
 * file of the opener's own FUSE server holds that lock as long as the server likes. */
static struct class device_class = { .name = "ipcbus" };
static dev_t number;
static struct cdev cdev;

static int __init device_init(void)
{
	struct device *device;
	int ret;

	ret = alloc_chrdev_region(&number, 0, 1, "ipcbus");
	if (ret)
		return ret;
	ret = class_register(&device_class);
	if (ret)
		goto err_number;
	/* A udev rule sets the mode, and the group that may open the device. */
	device = device_create(&device_class, NULL, number, NULL, "ipcbus");
	if (IS_ERR(device)) {
		ret = PTR_ERR(device);
		goto err_class;
	}
	cdev_init(&cdev, &ipcbus_fops);
	cdev.owner = THIS_MODULE;
	/* Must be the last step that can fail, because an open file pins the module. */
	ret = cdev_add(&cdev, number, 1);
	if (!ret)
		return 0;
	device_destroy(&device_class, number);
err_class:
	class_unregister(&device_class);
err_number:
	unregister_chrdev_region(number, 1);
	return ret;
}

static int __init ipcbus_init(void)
{
	int ret;

	ipcbus_users_init(ipcbus_objects_close);
	ret = ipcbus_transaction_cache_init();
	if (ret)
		return ret;
	ret = ipcbus_expiry_init();
	if (ret)
		goto err_cache;
	ret = ipcbus_closing_init();
	if (ret)
		goto err_expiry;
	ret = ipcbus_reclaim_init();
	if (ret)
		goto err_closing;
	ipcbus_opener_init(ipcbus_opener_shut_down);
	ret = ipcbus_fs_init();
	if (ret)
		goto err_reclaim;
	ipcbus_debugfs_init();
	ret = device_init();
	if (ret)
		goto err_fs;
	ipcbus_fs_ready();
	return 0;

err_fs:
	ipcbus_debugfs_done();
	ipcbus_fs_done();
err_reclaim:
	ipcbus_reclaim_done();
err_closing:
	ipcbus_closing_done();
err_expiry:
	ipcbus_expiry_done();
err_cache:
	ipcbus_transaction_cache_done();
	return ret;
}

static void __exit ipcbus_exit(void)
{
	cdev_del(&cdev);
	device_destroy(&device_class, number);
	class_unregister(&device_class);
	unregister_chrdev_region(number, 1);
	ipcbus_debugfs_done();
	ipcbus_fs_done();
	ipcbus_opener_done();
	ipcbus_expiry_done();
	ipcbus_closing_done();
	ipcbus_trace_done();
	/* Wait for the RCU callbacks that free threads, nodes and handles. */
	rcu_barrier();
	ipcbus_reclaim_done();
	ipcbus_transaction_cache_done();
}

module_init(ipcbus_init);
module_exit(ipcbus_exit);

MODULE_DESCRIPTION("Object-capability IPC with one copy");
MODULE_AUTHOR("The authors of ipcbus");
MODULE_LICENSE("GPL");
#ifdef IPCBUS_RELEASE
MODULE_VERSION(IPCBUS_RELEASE);
#endif
