// SPDX-License-Identifier: GPL-2.0-only
/*
 * The shrinker: see reclaim.h. Called by the kernel's reclaim from wherever
 * memory was asked for; regions come and go through buffer.c.
 */
#include <linux/fs.h>
#include <linux/minmax.h>
#include <linux/mount.h>
#include <linux/mutex.h>
#include <linux/pseudo_fs.h>

#include "../compat.h"
#include "reclaim.h"
#include "region.h"

#define UNITS_PER_PAGE	(PAGE_SIZE / IPCBUS_UNIT)
#define FS_MAGIC	0x49504352

static struct shrinker *shrinker;
static struct vfsmount *mount;

/* Held while a free range is taken out of a region, and for the list. No memory is
 * allocated under it, and reclaim itself never waits for it. */
static DEFINE_MUTEX(reclaim_lock);
static LIST_HEAD(regions);

/* --- Inodes ---------------------------------------------------------------- */

static int init_fs_context(struct fs_context *fc)
{
	return init_pseudo(fc, FS_MAGIC) ? 0 : -ENOMEM;
}

/* Mounted by nobody but us. */
static struct file_system_type fs_type = {
	.name = "ipcbus_regions",
	.init_fs_context = init_fs_context,
	.kill_sb = kill_anon_super,
};

struct inode *ipcbus_reclaim_inode(void)
{
	return alloc_anon_inode(mount->mnt_sb);
}

/* --- Regions ---------------------------------------------------------------- */

void ipcbus_reclaim_add(struct ipcbus_region *region)
{
	mutex_lock(&reclaim_lock);
	list_add_tail(&region->reclaim_entry, &regions);
	mutex_unlock(&reclaim_lock);
}

void ipcbus_reclaim_remove(struct ipcbus_region *region)
{
	mutex_lock(&reclaim_lock);
	list_del(&region->reclaim_entry);
	mutex_unlock(&reclaim_lock);
}

void ipcbus_reclaim_wait(void)
{
	mutex_lock(&reclaim_lock);
	mutex_unlock(&reclaim_lock);
}

/*
 * Frees whole pages in the backed part of a range that is taken out of its region. The
 * part of a page at either end may belong to a buffer. When that is released, the page
 * counts as backed.
 */
static unsigned long reclaim_range(struct ipcbus_region *region, struct ipcbus_range *range,
				   unsigned long want)
{
	unsigned long first = DIV_ROUND_UP(range->start, UNITS_PER_PAGE);
	unsigned long end = (range->start + range->size) / UNITS_PER_PAGE;
	unsigned long next = max(first, range->backed_start / UNITS_PER_PAGE);
	unsigned long dropped;

	end = min(end, DIV_ROUND_UP(range->backed_end, UNITS_PER_PAGE));
	dropped = ipcbus_pages_drop(&region->pages, &next, end, want);
	range->backed_start = next < end ? next * UNITS_PER_PAGE : range->backed_end;
	return dropped;
}

static unsigned long reclaim_region(struct ipcbus_region *region, unsigned long want)
{
	struct ipcbus_range *range;
	unsigned long dropped = 0;

	lockdep_assert_held(&reclaim_lock);
	while (dropped < want && (range = ipcbus_region_take_backed(region, UNITS_PER_PAGE))) {
		dropped += reclaim_range(region, range, want - dropped);
		ipcbus_region_put_reclaimed(region, range);
	}
	return dropped;
}

bool ipcbus_reclaim_now(struct ipcbus_region *region)
{
	unsigned long dropped;

	mutex_lock(&reclaim_lock);
	dropped = reclaim_region(region, ULONG_MAX);
	mutex_unlock(&reclaim_lock);
	return dropped;
}

/* --- The shrinker ----------------------------------------------------------- */

static unsigned long count_idle(struct shrinker *unused, struct shrink_control *control)
{
	struct ipcbus_region *region;
	unsigned long pages = 0;

	if (!mutex_trylock(&reclaim_lock))
		return 0;
	list_for_each_entry(region, &regions, reclaim_entry)
		pages += min_t(unsigned long, atomic_long_read(&region->pages.resident),
			       DIV_ROUND_UP(ipcbus_region_backed(region), UNITS_PER_PAGE));
	mutex_unlock(&reclaim_lock);
	return pages ?: SHRINK_EMPTY;
}

/* The region that gave last is the last to be asked again. */
static unsigned long scan_idle(struct shrinker *unused, struct shrink_control *control)
{
	struct ipcbus_region *region, *next;
	unsigned long dropped = 0;
	LIST_HEAD(asked);

	if (!mutex_trylock(&reclaim_lock))
		return SHRINK_STOP;
	list_for_each_entry_safe(region, next, &regions, reclaim_entry) {
		if (dropped >= control->nr_to_scan)
			break;
		dropped += reclaim_region(region, control->nr_to_scan - dropped);
		list_move_tail(&region->reclaim_entry, &asked);
	}
	list_splice_tail(&asked, &regions);
	mutex_unlock(&reclaim_lock);
	return dropped ?: SHRINK_STOP;
}

int ipcbus_reclaim_init(void)
{
	mount = kern_mount(&fs_type);
	if (IS_ERR(mount))
		return PTR_ERR(mount);
	shrinker = ipcbus_shrinker_new(count_idle, scan_idle);
	if (!shrinker) {
		kern_unmount(mount);
		return -ENOMEM;
	}
	return 0;
}

void ipcbus_reclaim_done(void)
{
	ipcbus_shrinker_free(shrinker);
	kern_unmount(mount);
}
