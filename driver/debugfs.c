// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/debug/ipcbus, for root. No kernel pointer is ever shown.
 *
 *   stats   a line each: NAME LIVE TOTAL, of everything that can leak, and of
 *           oneways that were lost with their receiver or its table of fds
 *   users   a line for each user, on all buses: UID PROCS NODES HANDLES WATCHES CALLS
 *           FILES THREADS KIB BUSES OBJECTS
 *   pages   a line for each page behind a region: PID OFFSET PFN: the process,
 *           the byte offset in its region, the page frame
 *   others  those of files.c, of the bus behind /dev/ipcbus
 */
#include <linux/debugfs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/seq_file.h>

#include "bus.h"
#include "debugfs.h"
#include "files.h"
#include "proc.h"
#include "state.h"
#include "stats.h"
#include "user.h"

static struct dentry *dir;

static int stats_show(struct seq_file *seq, void *unused)
{
	enum ipcbus_stat stat;

	for (stat = 0; stat < IPCBUS_STAT_COUNT; stat++)
		seq_printf(seq, "%s %lu %lu\n", ipcbus_stat_name(stat),
			   ipcbus_stat_live(stat), ipcbus_stat_total(stat));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

static int users_show(struct seq_file *seq, void *unused)
{
	ipcbus_users_show(seq);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(users);

/* As many as a piece has. */
#define PIECE	64

static bool pages_show(struct seq_file *seq, struct ipcbus_proc *proc, struct ipcbus_place *place)
{
	const struct ipcbus_pages *pages = &proc->region.pages;
	unsigned long end;
	bool there;
	void *frame;

	/* A proc has its pages as long as it is on the bus. */
	mutex_lock(&proc->bus->lock);
	/* With the release in ipcbus_region_map(). */
	there = !RB_EMPTY_NODE(&proc->bus_entry) && smp_load_acquire(&proc->region.size);
	end = there ? min_t(u64, place->at + PIECE, pages->count) : 0;
	for (; place->at < end; place->at++) {
		frame = READ_ONCE(pages->frame[place->at]);
		if (frame)
			seq_printf(seq, "%d 0x%llx 0x%lx\n", pid_vnr(proc->pid),
				   place->at << PAGE_SHIFT, page_to_pfn(virt_to_page(frame)));
	}
	there = there && end < pages->count;
	mutex_unlock(&proc->bus->lock);
	return there;
}

static const struct ipcbus_file pages_file = { .show = pages_show };

static int file_open(struct inode *inode, struct file *file)
{
	return ipcbus_files_open(file, inode->i_private, &ipcbus_default_bus);
}

static const struct file_operations file_fops = {
	.owner = THIS_MODULE,
	.open = file_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = ipcbus_files_release,
};

void ipcbus_debugfs_init(void)
{
	const struct ipcbus_file *file;

	/* Errors need no handling: the files are then just not there. */
	dir = debugfs_create_dir("ipcbus", NULL);
	debugfs_create_file("stats", 0400, dir, NULL, &stats_fops);
	debugfs_create_file("users", 0400, dir, NULL, &users_fops);
	debugfs_create_file("pages", 0400, dir, (void *)&pages_file, &file_fops);
	for (file = ipcbus_file; file->name; file++)
		debugfs_create_file(file->name, 0400, dir, (void *)file, &file_fops);
}

void ipcbus_debugfs_done(void)
{
	debugfs_remove(dir);
}
