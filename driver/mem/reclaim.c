// SPDX-License-Identifier: GPL-2.0-only
/*
 * The shrinker: see reclaim.h. The kernel's reclaim calls it in any task that allocates memory.
 * file.c maps regions, and buffer.c ends them.
 */
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/mount.h>
#include <linux/pseudo_fs.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/spinlock.h>

#include "../compat.h"
#include "reclaim.h"
#include "region.h"

#define UNITS_PER_PAGE	(PAGE_SIZE / IPCBUS_UNIT)
#define FS_MAGIC	0x49504352

static struct shrinker *shrinker;
static struct vfsmount *mount;

/* Maximum number of pages freed at once. No message can use their space in the meantime. */
#define STEP_PAGES	512
/* Maximum number of steps per call, because there may be no pages in any region. */
#define STEPS		4096
/* Maximum number of regions examined per hold of regions_lock. */
#define STEP_REGIONS	256

/*
 * Protects the list only. Reclaim may run on many CPUs at once, so it only tries this lock. A free
 * range is taken out of its region under the region's claim. A reclaimer that finds a region in the
 * list only tries the claim, under this lock. Removal takes the claim first, so no reclaimer works
 * on the region afterwards.
 */
static DEFINE_SPINLOCK(regions_lock);
static LIST_HEAD(regions);
static unsigned long region_count;

/* --- Inodes ---------------------------------------------------------------- */

static int init_fs_context(struct fs_context *fc)
{
	return init_pseudo(fc, FS_MAGIC) ? 0 : -ENOMEM;
}

/* Not registered: only the driver mounts it. */
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
	spin_lock(&regions_lock);
	list_add_tail(&region->reclaim_entry, &regions);
	region_count++;
	spin_unlock(&regions_lock);
}

void ipcbus_reclaim_remove(struct ipcbus_region *region)
{
	mutex_lock(&region->claim);
	spin_lock(&regions_lock);
	list_del(&region->reclaim_entry);
	region_count--;
	spin_unlock(&regions_lock);
	mutex_unlock(&region->claim);
}

/* Frees whole pages in the backed part of a range that is out of its region. Returns their number.
 * A page at either end may partly belong to a buffer. When that buffer is released, the page counts
 * as backed again. */
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

/* Frees the pages of a range. Returns false if the region has no range with pages. */
static bool reclaim_some(struct ipcbus_region *region, unsigned long want, unsigned long *dropped)
{
	struct ipcbus_range *range;

	lockdep_assert_held(&region->claim);
	range = ipcbus_region_take_backed(region, UNITS_PER_PAGE);
	if (!range)
		return false;
	*dropped += reclaim_range(region, range, min(want, STEP_PAGES));
	ipcbus_region_put_reclaimed(region, range);
	return true;
}

/* Frees the pages of all free ranges of a region. Returns whether it freed any. Drops the claim
 * after each step, because senders may need the space that a step holds. */
bool ipcbus_reclaim_now(struct ipcbus_region *region)
{
	unsigned long dropped = 0;
	bool reclaimed;

	do {
		mutex_lock(&region->claim);
		reclaimed = reclaim_some(region, STEP_PAGES, &dropped);
		mutex_unlock(&region->claim);
		cond_resched();
	} while (reclaimed);
	return dropped;
}

void ipcbus_reclaim_wait(struct ipcbus_region *region)
{
	mutex_lock(&region->claim);
	mutex_unlock(&region->claim);
}

/* --- The shrinker ----------------------------------------------------------- */

static unsigned long idle_pages(struct ipcbus_region *region)
{
	return min_t(unsigned long, atomic_long_read(&region->pages.resident),
		     DIV_ROUND_UP(ipcbus_region_backed(region), UNITS_PER_PAGE));
}

/* Returns an estimate of the pages that can be reclaimed. If there are many regions, examines some
 * of them, and the next call examines others. */
static unsigned long count_idle(struct shrinker *unused, struct shrink_control *control)
{
	struct ipcbus_region *region;
	unsigned long pages = 0, examined;

	if (!spin_trylock(&regions_lock))
		return 0;
	for (examined = 0; examined < min(region_count, STEP_REGIONS + 0UL); examined++) {
		region = list_first_entry(&regions, struct ipcbus_region, reclaim_entry);
		list_move_tail(&region->reclaim_entry, &regions);
		pages += idle_pages(region);
	}
	if (examined < region_count)
		/* Other regions may have pages even if the examined regions have none. */
		pages = pages * region_count / examined + region_count - examined;
	spin_unlock(&regions_lock);
	return pages ?: SHRINK_EMPTY;
}

/* Returns the next region in turn, claimed. Returns NULL if all remaining regions are claimed by
 * other tasks, or if the list is locked. */
static struct ipcbus_region *next_region(unsigned long *left)
{
	struct ipcbus_region *region, *claimed = NULL;

	if (!spin_trylock(&regions_lock))
		return NULL;
	*left = min(*left, region_count);
	while (!claimed && *left) {
		--*left;
		region = list_first_entry(&regions, struct ipcbus_region, reclaim_entry);
		if (mutex_trylock(&region->claim))
			claimed = region;
		else
			list_move_tail(&region->reclaim_entry, &regions);
	}
	spin_unlock(&regions_lock);
	return claimed;
}

/* Moves a claimed region without reclaimable pages to the end of the list. */
static void end_turn(struct ipcbus_region *region)
{
	if (!spin_trylock(&regions_lock))
		return;
	list_move_tail(&region->reclaim_entry, &regions);
	spin_unlock(&regions_lock);
}

static unsigned long scan_idle(struct shrinker *unused, struct shrink_control *control)
{
	unsigned long dropped = 0, left = ULONG_MAX, steps = STEPS;
	struct ipcbus_region *region;

	while (dropped < control->nr_to_scan && steps-- && (region = next_region(&left))) {
		/* Most regions may have no pages to free. */
		if (reclaim_some(region, control->nr_to_scan - dropped, &dropped))
			left++;
		else
			end_turn(region);
		mutex_unlock(&region->claim);
		cond_resched();
	}
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
