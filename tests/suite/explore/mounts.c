// SPDX-License-Identifier: MIT
/*
 * A mounted bus is unmounted while other threads open, use and close it. The last holder differs
 * from run to run.
 */
#include <stdlib.h>

#include "scenarios.h"
#include "world.h"

#define WHERE "/mounted"

static void mounts_prepare(void)
{
	be_side(OTH);
	CHECK(!shim_mount("ipcbus", WHERE, "mode=666", false));
}

static void claim(int fd)
{
	struct ipcbus_node node = { .size = sizeof(node) };
	int r;

	CHECK(!shim_ioctl(fd, IPCBUS_IOC_NODE_CREATE, &node));
	r = shim_ioctl(fd, IPCBUS_IOC_SET_MANAGER, &node);
	CHECK(!r || r == -EBUSY);
}

static void mounts_use(void *unused)
{
	struct inode *inode = shim_lookup(WHERE "/bus");
	int fd;

	(void)unused;
	if (!inode)
		return;
	fd = shim_open_at(inode, O_RDWR);
	CHECK(fd >= 0);
	claim(fd);
	CHECK(!shim_close(fd));
}

static void mounts_read(void *unused)
{
	struct inode *inode = shim_lookup(WHERE "/state");
	struct super_block *sb;

	(void)unused;
	if (!inode)
		return;
	sb = inode->i_sb;
	free(shim_file_read(inode));
	shim_super_put(sb);
}

static void mounts_unmount(void *unused)
{
	(void)unused;
	CHECK(!shim_umount(WHERE, true));
}

static void mounts_remount(void *unused)
{
	int r = shim_mount("ipcbus", WHERE, "mode=600", true);

	(void)unused;
	CHECK(!r || r == -EINVAL);
}

const struct scenario mount_scenarios[] = {
	{ "mount_users", "a bus is unmounted while two processes open it", mounts_prepare,
	  { { "use1", CLI, mounts_use }, { "use2", SRV, mounts_use },
	    { "unmount", OTH, mounts_unmount } }, 0 },
	{ "mount_reader", "a bus is unmounted while its files are read and changed", mounts_prepare,
	  { { "use", CLI, mounts_use }, { "read", SRV, mounts_read },
	    { "remount", SRV, mounts_remount }, { "unmount", OTH, mounts_unmount } }, 0 },
};

const size_t n_mount_scenarios = ARRAY_SIZE(mount_scenarios);
