// SPDX-License-Identifier: GPL-2.0-only
/*
 * Module init and exit. What the driver is: see main.h.
 */
#include <linux/miscdevice.h>
#include <linux/module.h>

#include "debugfs.h"
#include "expiry.h"
#include "fs.h"
#include "mem/reclaim.h"
#include "proc.h"
#include "transaction.h"

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ipcbus",
	.fops = &ipcbus_fops,
	/* Packaging gives it to the group of those who may use the bus. */
	.mode = 0660,
};

static int __init ipcbus_init(void)
{
	int ret;

	ret = ipcbus_transaction_cache_init();
	if (ret)
		return ret;
	ret = ipcbus_expiry_init();
	if (ret)
		goto err_cache;
	ret = ipcbus_reclaim_init();
	if (ret)
		goto err_expiry;
	ret = misc_register(&device);
	if (ret)
		goto err_reclaim;
	ret = ipcbus_fs_init();
	if (ret)
		goto err_device;
	ipcbus_debugfs_init();
	return 0;

err_device:
	misc_deregister(&device);
err_reclaim:
	ipcbus_reclaim_done();
err_expiry:
	ipcbus_expiry_done();
err_cache:
	ipcbus_transaction_cache_done();
	return ret;
}

static void __exit ipcbus_exit(void)
{
	ipcbus_debugfs_done();
	ipcbus_fs_done();
	misc_deregister(&device);
	ipcbus_expiry_done();
	/* Threads, nodes and handles are freed after a grace period. */
	rcu_barrier();
	ipcbus_reclaim_done();
	ipcbus_transaction_cache_done();
}

module_init(ipcbus_init);
module_exit(ipcbus_exit);

MODULE_DESCRIPTION("Object-capability IPC with one copy");
MODULE_LICENSE("GPL");
