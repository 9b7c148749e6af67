// SPDX-License-Identifier: GPL-2.0-only
/*
 * Module init and exit. What the driver is: see main.h.
 */
#include <linux/module.h>

#include "debugfs.h"
#include "device.h"
#include "exit.h"
#include "expiry.h"
#include "fs.h"
#include "mem/reclaim.h"
#include "opener.h"
#include "proc.h"
#include "space.h"
#include "trace.h"
#include "transaction.h"
#include "user.h"

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
	ret = ipcbus_space_init();
	if (ret)
		goto err_expiry;
	ret = ipcbus_reclaim_init();
	if (ret)
		goto err_space;
	ipcbus_opener_init(ipcbus_opener_shut_down);
	ret = ipcbus_fs_init();
	if (ret)
		goto err_reclaim;
	ipcbus_debugfs_init();
	/* The last that can fail: whoever opens it keeps what is here. */
	ret = ipcbus_device_init();
	if (ret)
		goto err_fs;
	ipcbus_fs_ready();
	return 0;

err_fs:
	ipcbus_debugfs_done();
	ipcbus_fs_done();
err_reclaim:
	ipcbus_reclaim_done();
err_space:
	ipcbus_space_done();
err_expiry:
	ipcbus_expiry_done();
err_cache:
	ipcbus_transaction_cache_done();
	return ret;
}

static void __exit ipcbus_exit(void)
{
	ipcbus_device_done();
	ipcbus_debugfs_done();
	ipcbus_fs_done();
	ipcbus_space_done();
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
