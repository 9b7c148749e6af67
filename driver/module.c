// SPDX-License-Identifier: GPL-2.0-only
/*
 * Module init and exit, and /dev/ipcbus. main.h describes the driver, and file.c has the file
 * operations of the device.
 */
#include <linux/miscdevice.h>
#include <linux/module.h>

#include "bus.h"
#include "cancel.h"
#include "mem/reclaim.h"
#include "opener.h"
#include "proc.h"
#include "trace.h"
#include "transaction.h"
#include "user.h"

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ipcbus",
	.fops = &ipcbus_fops,
	/* A udev rule sets the group whose members may use the bus. */
	.mode = 0660,
};

static int __init ipcbus_init(void)
{
	int ret;

	ipcbus_users_init();
	ret = ipcbus_transaction_cache_init();
	if (ret)
		return ret;
	ret = ipcbus_expiry_init();
	if (ret)
		goto err_cache;
	ret = ipcbus_reclaim_init();
	if (ret)
		goto err_expiry;
	ipcbus_opener_init(ipcbus_opener_shut_down);
	ret = ipcbus_fs_init();
	if (ret)
		goto err_reclaim;
	ipcbus_debugfs_init();
	/* Must be the last step that can fail, because an open file pins the module. */
	ret = misc_register(&device);
	if (ret)
		goto err_fs;
	ipcbus_fs_ready();
	return 0;

err_fs:
	ipcbus_debugfs_done();
	ipcbus_fs_done();
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
	misc_deregister(&device);
	ipcbus_debugfs_done();
	ipcbus_fs_done();
	ipcbus_opener_done();
	ipcbus_expiry_done();
	ipcbus_trace_done();
	/* Threads, nodes and handles are freed after a grace period. */
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
