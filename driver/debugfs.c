// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/debug/ipcbus, for root. No kernel pointer is ever shown.
 *
 *   stats   a line each: NAME LIVE TOTAL, of everything that can leak, and of
 *           oneways that were lost with their receiver or its table of fds
 *   pages   a line for each page behind a region: PID OFFSET PFN: the process,
 *           the byte offset in its region, the page frame
 *   others  those of files.c, of the bus behind /dev/ipcbus
 */
#include <linux/debugfs.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/seq_file.h>

#include "bus.h"
#include "debugfs.h"
#include "files.h"
#include "proc.h"
#include "stats.h"

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

static int accounts_show(struct seq_file *seq, void *unused)
{
	ipcbus_accounts_show(seq);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(accounts);

static void show_pages_of(struct seq_file *seq, struct ipcbus_proc *proc)
{
	unsigned long i;
	void *frame;

	/* With the release in ipcbus_region_map(). */
	if (!smp_load_acquire(&proc->region.size))
		return;
	for (i = 0; i < proc->region.pages.count; i++) {
		frame = READ_ONCE(proc->region.pages.frame[i]);
		if (frame)
			seq_printf(seq, "%d 0x%lx 0x%lx\n", pid_vnr(proc->pid),
				   i << PAGE_SHIFT, page_to_pfn(virt_to_page(frame)));
	}
}

static int pages_show(struct seq_file *seq, void *unused)
{
	struct ipcbus_bus *bus = &ipcbus_default_bus;
	struct ipcbus_proc *proc;

	mutex_lock(&bus->lock);
	list_for_each_entry(proc, &bus->procs, bus_entry)
		show_pages_of(seq, proc);
	mutex_unlock(&bus->lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(pages);

static int file_show(struct seq_file *seq, void *unused)
{
	const struct ipcbus_file *file = seq->private;

	file->show(seq, &ipcbus_default_bus);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(file);

void ipcbus_debugfs_init(void)
{
	const struct ipcbus_file *file;

	/* Errors need no handling: the files are then just not there. */
	dir = debugfs_create_dir("ipcbus", NULL);
	debugfs_create_file("stats", 0400, dir, NULL, &stats_fops);
	debugfs_create_file("accounts", 0400, dir, NULL, &accounts_fops);
	debugfs_create_file("pages", 0400, dir, NULL, &pages_fops);
	for (file = ipcbus_file; file->name; file++)
		debugfs_create_file(file->name, 0400, dir, (void *)file, &file_fops);
}

void ipcbus_debugfs_done(void)
{
	debugfs_remove(dir);
}
