// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bugs on purpose, one for each checker of the kernels in tests/env/debug, to prove
 * that the checker reports it. Writing a bug's name to debugfs mutants/bug commits
 * it. Loaded by tests/env/debug/find-mutants and by nobody else.
 *
 *   order      two mutexes taken in both orders     lockdep
 *   atomic     may sleep under a spinlock           sleep-in-atomic
 *   overflow   shifts by more than there is         UBSAN
 *   object     frees an armed timer                 debug objects
 *   leak       forgets memory                       kmemleak
 *   free       reads what it has freed              KASAN
 *   race       two threads count without a lock     KCSAN
 *   branch     decides by uninitialised memory      KMSAN
 *   padding    gives padding to user space          KMSAN
 */
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timer.h>
#include <linux/uaccess.h>

struct padded {
	char small;
	long large;
};

static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);
static DEFINE_SPINLOCK(spin);
static struct dentry *dir;
static int counter;
static int result;

static int commit_order(char __user *to)
{
	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);
	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
	return 0;
}

static int commit_atomic(char __user *to)
{
	spin_lock(&spin);
	kfree(kmalloc(16, GFP_KERNEL));
	spin_unlock(&spin);
	return 0;
}

static int commit_overflow(char __user *to)
{
	int by = 33;

	OPTIMIZER_HIDE_VAR(by);
	result = 1 << by;
	return 0;
}

struct timed {
	struct timer_list timer;
};

static void timed_out(struct timer_list *timer)
{
}

static int commit_object(char __user *to)
{
	struct timed *timed = kmalloc(sizeof(*timed), GFP_KERNEL);

	if (!timed)
		return -ENOMEM;
	timer_setup(&timed->timer, timed_out, 0);
	mod_timer(&timed->timer, jiffies + 3600 * HZ);
	kfree(timed);
	return 0;
}

static int commit_leak(char __user *to)
{
	void *p;
	int i;

	/* Several: a stale pointer to one may lie on a stack. */
	for (i = 0; i < 16; i++) {
		p = kmalloc(200, GFP_KERNEL);
		OPTIMIZER_HIDE_VAR(p);
	}
	return p ? 0 : -ENOMEM;
}

static int commit_free(char __user *to)
{
	char *p = kmalloc(64, GFP_KERNEL);

	if (!p)
		return -ENOMEM;
	p[5] = 1;
	kfree(p);
	OPTIMIZER_HIDE_VAR(p);
	result = p[5];
	return 0;
}

static int count(void *unused)
{
	unsigned long end = jiffies + 2 * HZ;

	while (time_before(jiffies, end)) {
		counter++;
		cond_resched();
	}
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

static int commit_race(char __user *to)
{
	struct task_struct *a = kthread_run(count, NULL, "mutant-a");
	struct task_struct *b = kthread_run(count, NULL, "mutant-b");

	msleep(2500);
	if (!IS_ERR(a))
		kthread_stop(a);
	if (!IS_ERR(b))
		kthread_stop(b);
	return 0;
}

static int commit_branch(char __user *to)
{
	int *p = kmalloc(sizeof(*p), GFP_KERNEL);

	if (!p)
		return -ENOMEM;
	if (*p == 42)
		result++;
	kfree(p);
	return 0;
}

static int commit_padding(char __user *to)
{
	struct padded *padded = kmalloc(sizeof(*padded), GFP_KERNEL);
	int left;

	if (!padded)
		return -ENOMEM;
	padded->small = 1;
	padded->large = 2;
	left = copy_to_user(to, padded, sizeof(*padded));
	kfree(padded);
	return left ? -EFAULT : 0;
}

static const struct {
	const char *name;
	int (*commit)(char __user *to);
} bugs[] = {
	{ "order", commit_order },   { "atomic", commit_atomic }, { "overflow", commit_overflow },
	{ "object", commit_object }, { "leak", commit_leak },     { "free", commit_free },
	{ "race", commit_race },     { "branch", commit_branch }, { "padding", commit_padding },
};

static ssize_t bug_write(struct file *file, const char __user *from, size_t size, loff_t *pos)
{
	char name[16] = "";
	unsigned int i;
	int r;

	if (size >= sizeof(name))
		return -EINVAL;
	if (copy_from_user(name, from, size))
		return -EFAULT;
	for (i = 0; i < ARRAY_SIZE(bugs); i++) {
		if (strcmp(strim(name), bugs[i].name))
			continue;
		r = bugs[i].commit((char __user *)from);
		return r ? r : size;
	}
	return -ENOENT;
}

static const struct file_operations bug_fops = {
	.owner = THIS_MODULE,
	.write = bug_write,
};

static int __init mutants_init(void)
{
	dir = debugfs_create_dir("mutants", NULL);
	debugfs_create_file("bug", 0200, dir, NULL, &bug_fops);
	return 0;
}
module_init(mutants_init);

static void __exit mutants_exit(void)
{
	debugfs_remove(dir);
}
module_exit(mutants_exit);

MODULE_DESCRIPTION("Bugs on purpose, to prove that checkers report them");
MODULE_LICENSE("GPL");
