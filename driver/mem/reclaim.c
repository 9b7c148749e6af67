// SPDX-License-Identifier: GPL-2.0-only
/*
 * The shrinker: see reclaim.h. Called by the kernel's reclaim from wherever
 * memory was asked for; regions come and go through buffer.c.
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

/* So many pages are freed at once. Meanwhile no message can have their space. */
#define STEP_PAGES	512
/* So many times it looks for pages to free, at most: there may be none where it looks. */
#define STEPS		4096
/* So many regions are looked at under the lock of the list. */
#define STEP_REGIONS	256

/*
 * For the list alone; reclaim, which may happen on many CPUs at once, only tries it. A free range
 * is taken out of its region under that region's claim. A reclaimer that finds a region in the list
 * only tries the claim, under the lock of the list. Removal takes the claim first, so no reclaimer
 * still works on the region afterwards.
 */
static DEFINE_SPINLOCK(regions_lock);
static LIST_HEAD(regions);
static unsigned long region_count;

/* --- Inodes ---------------------------------------------------------------- */

static int init_fs_context(struct fs_context *fc)
{
	return init_pseudo(fc, FS_MAGIC) ? 0 : -ENOMEM;
}

/* Only the driver mounts it: it is not registered. */
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

/* One step; false: there is nothing left to be taken. */
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

/* Senders may need what one step holds. */
bool ipcbus_reclaim_now(struct ipcbus_region *region)
{
	unsigned long dropped = 0;
	bool more;

	do {
		mutex_lock(&region->claim);
		more = reclaim_some(region, STEP_PAGES, &dropped);
		mutex_unlock(&region->claim);
		cond_resched();
	} while (more);
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

/* If there are many regions, estimates from some of them. The next call looks at others. */
static unsigned long count_idle(struct shrinker *unused, struct shrink_control *control)
{
	struct ipcbus_region *region;
	unsigned long pages = 0, looked;

	if (!spin_trylock(&regions_lock))
		return 0;
	for (looked = 0; looked < min(region_count, STEP_REGIONS + 0UL); looked++) {
		region = list_first_entry(&regions, struct ipcbus_region, reclaim_entry);
		list_move_tail(&region->reclaim_entry, &regions);
		pages += idle_pages(region);
	}
	if (looked < region_count)
		/* The others may have some where these have none. */
		pages = pages * region_count / looked + region_count - looked;
	spin_unlock(&regions_lock);
	return pages ?: SHRINK_EMPTY;
}

/* The next region in turn, claimed; NULL: all that are left are taken, or the list is. */
static struct ipcbus_region *next_region(unsigned long *left)
{
	struct ipcbus_region *region, *found = NULL;

	if (!spin_trylock(&regions_lock))
		return NULL;
	*left = min(*left, region_count);
	while (!found && *left) {
		--*left;
		region = list_first_entry(&regions, struct ipcbus_region, reclaim_entry);
		if (mutex_trylock(&region->claim))
			found = region;
		else
			list_move_tail(&region->reclaim_entry, &regions);
	}
	spin_unlock(&regions_lock);
	return found;
}

/* Of a claimed region, which has nothing left. */
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
		/* Most may have nothing. */
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
