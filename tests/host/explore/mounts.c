// SPDX-License-Identifier: MIT
/*
 * A mounted bus that goes while others come to it, use it and leave: who is the
 * last to hold it differs from run to run.
 */
#include <stdlib.h>

#include "mounts.h"
#include "world.h"

#define WHERE "/mounted"

void mounts_prepare(void)
{
	be_side(OTH);
	CHECK(!shim_mount("ipcbus", WHERE, "max_procs=1,max_nodes=1", false));
}

static void claim(int fd)
{
	struct ipcbus_node node = { .size = sizeof(node) };
	int r;

	CHECK(!shim_ioctl(fd, IPCBUS_IOC_NODE_CREATE, &node));
	r = shim_ioctl(fd, IPCBUS_IOC_SET_MANAGER, &node);
	CHECK(!r || r == -EBUSY);
	CHECK(shim_ioctl(fd, IPCBUS_IOC_NODE_CREATE, &(struct ipcbus_node){
		.size = sizeof(node) }) == -EDQUOT);
}

void mounts_use(void *unused)
{
	struct inode *inode = shim_lookup(WHERE "/bus");
	int fd;

	(void)unused;
	if (!inode)
		return;
	fd = shim_open_at(inode, O_RDWR);
	if (fd == -EDQUOT)
		return;
	CHECK(fd >= 0);
	claim(fd);
	CHECK(!shim_close(fd));
}

void mounts_read(void *unused)
{
	struct inode *inode = shim_lookup(WHERE "/procs");
	struct super_block *sb;

	(void)unused;
	if (!inode)
		return;
	sb = inode->i_sb;
	free(shim_mount_read(inode));
	shim_super_put(sb);
}

void mounts_unmount(void *unused)
{
	(void)unused;
	CHECK(!shim_umount(WHERE, true));
}

void mounts_remount(void *unused)
{
	int r = shim_mount("ipcbus", WHERE, "max_procs=2", true);

	(void)unused;
	CHECK(!r || r == -EINVAL);
}
