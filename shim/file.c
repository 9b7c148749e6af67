// SPDX-License-Identifier: MIT
/*
 * Files, file numbers, and the system calls on the device, except those for memory (mm.c). A new
 * file gets the lowest free number. Under the tests of tests/suite/kernel, it gets an fd of the
 * real kernel (posix.c).
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/cdev.h>
#include <linux/debugfs.h>
#include <linux/device.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/slab.h>

#include "shim.h"

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
/* The device, and the number of registrations. */
static const struct cdev *device;
static int registrations;

/* --- The driver's registrations ------------------------------------------- */

/* Each registration allocates memory. */
static int registered(void)
{
	if (shim_fail_now(SHIM_FAIL_ALLOC))
		return -ENOMEM;
	registrations++;
	return 0;
}

static void unregistered(void)
{
	BUG_ON(!registrations--);
}

int alloc_chrdev_region(dev_t *number, unsigned int first, unsigned int count, const char *name)
{
	(void)count, (void)name;
	*number = first;
	return registered();
}

void unregister_chrdev_region(dev_t number, unsigned int count)
{
	(void)number, (void)count;
	unregistered();
	BUG_ON(registrations);
}

int class_register(struct class *class)
{
	(void)class;
	return registered();
}

void class_unregister(struct class *class)
{
	(void)class;
	unregistered();
}

struct device *device_create(struct class *class, struct device *parent, dev_t number, void *data,
			     const char *name, ...)
{
	int ret = registered();

	(void)parent, (void)number, (void)data, (void)name;
	return ret ? ERR_PTR(ret) : (struct device *)class;
}

void device_destroy(struct class *class, dev_t number)
{
	(void)class, (void)number;
	unregistered();
}

void cdev_init(struct cdev *cdev, const struct file_operations *fops)
{
	cdev->ops = fops;
}

int cdev_add(struct cdev *cdev, dev_t number, unsigned int count)
{
	int ret = registered();

	(void)number, (void)count;
	if (ret)
		return ret;
	BUG_ON(device);
	device = cdev;
	return 0;
}

void cdev_del(struct cdev *cdev)
{
	BUG_ON(device != cdev);
	device = NULL;
	unregistered();
}

int nonseekable_open(struct inode *inode, struct file *file)
{
	(void)inode, (void)file;
	return 0;
}

long compat_ptr_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return file->f_op->unlocked_ioctl(file, cmd, arg);
}

static struct {
	const char *name;
	const struct file_operations *fops;
	void *data;
} debugfs[32];

struct dentry *debugfs_create_dir(const char *name, struct dentry *parent)
{
	(void)name, (void)parent;
	return (struct dentry *)debugfs;
}

struct dentry *debugfs_create_file(const char *name, umode_t mode, struct dentry *parent,
				   void *data, const struct file_operations *fops)
{
	(void)mode;
	for (size_t i = 0; i < ARRAY_SIZE(debugfs); i++)
		if (!debugfs[i].name) {
			debugfs[i].name = name;
			debugfs[i].fops = fops;
			debugfs[i].data = data;
			return parent;
		}
	shim_panic("debugfs: too many files");
}

void debugfs_remove(struct dentry *dentry)
{
	BUG_ON(dentry != (struct dentry *)debugfs);
	memset(debugfs, 0, sizeof(debugfs));
}

void seq_printf(struct seq_file *seq, const char *format, ...)
{
	va_list args;
	int n;

	if (seq->size - seq->used < 256) {
		seq->size = 2 * seq->size + 4096;
		seq->text = realloc(seq->text, seq->size);
		BUG_ON(!seq->text);
	}
	va_start(args, format);
	n = vsnprintf(seq->text + seq->used, seq->size - seq->used, format, args);
	va_end(args);
	BUG_ON(n < 0 || (size_t)n >= seq->size - seq->used);
	seq->used += n;
}

void seq_puts(struct seq_file *seq, const char *text)
{
	seq_printf(seq, "%s", text);
}

void *__seq_open_private(struct file *file, const struct seq_operations *ops, int size)
{
	struct seq_file *seq = kzalloc(sizeof(*seq), GFP_KERNEL);

	if (!seq)
		return NULL;
	seq->op = ops;
	seq->private = kzalloc(size, GFP_KERNEL);
	if (!seq->private) {
		kfree(seq);
		return NULL;
	}
	file->private_data = seq;
	return seq->private;
}

int seq_release_private(struct inode *inode, struct file *file)
{
	struct seq_file *seq = file->private_data;

	(void)inode;
	kfree(seq->private);
	kfree(seq);
	return 0;
}

/* Shows the whole text. If the buffer is full, the kernel starts again with a larger buffer. To
 * test that, this shows everything twice and discards the first result. */
static void seq_read_all(struct seq_file *seq)
{
	loff_t at = 0;
	size_t before;
	void *next;

	next = seq->op->start(seq, &at);
	while (next) {
		before = seq->used;
		BUG_ON(seq->op->show(seq, next));
		seq->op->stop(seq, next);
		seq->used = before;
		next = seq->op->start(seq, &at);
		if (!next)
			break;
		BUG_ON(seq->op->show(seq, next));
		next = seq->op->next(seq, next, &at);
	}
	seq->op->stop(seq, next);
	if (seq->text)
		seq->text[seq->used] = 0;
}

char *shim_file_read(struct inode *inode)
{
	struct file file = { .f_op = inode->i_fop, .inode = inode };
	struct seq_file *seq;
	char *text;

	if (file.f_op->open(inode, &file))
		return NULL;
	seq = file.private_data;
	seq_read_all(seq);
	text = seq->text ?: calloc(1, 1);
	file.f_op->release(inode, &file);
	return text;
}

/* Only the addresses of these functions are used. shim_file_read() reads the text. */
ssize_t seq_read(struct file *file, char *to, size_t size, loff_t *at)
{
	(void)file, (void)to, (void)size, (void)at;
	return 0;
}

loff_t seq_lseek(struct file *file, loff_t offset, int whence)
{
	(void)file, (void)offset, (void)whence;
	return 0;
}

char *shim_debugfs_read(const char *name)
{
	struct inode inode = {};
	struct seq_file seq = {};

	for (size_t i = 0; i < ARRAY_SIZE(debugfs) && debugfs[i].name; i++)
		if (!strcmp(debugfs[i].name, name)) {
			inode.i_fop = debugfs[i].fops;
			inode.i_private = debugfs[i].data;
			if (inode.i_fop->open)
				return shim_file_read(&inode);
			/* If show fails, the kernel shows no text. */
			BUG_ON(debugfs[i].fops->shim_show(&seq, NULL));
			return seq.text ? seq.text : calloc(1, 1);
		}
	return NULL;
}

char *shim_fdinfo_read(int fd)
{
	struct file *file = shim_file_of(fd);
	struct seq_file seq = {};

	if (!file)
		return NULL;
	if (file->f_op)
		file->f_op->show_fdinfo(&seq, file);
	fput(file);
	return seq.text ? seq.text : calloc(1, 1);
}

/* --- Files ---------------------------------------------------------------- */

struct file *shim_file_new(const struct file_operations *fops, unsigned int flags)
{
	struct file *file = calloc(1, sizeof(*file));

	BUG_ON(!file);
	refcount_set(&file->ref, 1);
	file->f_op = fops;
	file->f_flags = flags;
	file->f_cred = shim_get_current_cred();
	file->real = -1;
	shim_count(SHIM_FILES, 1);
	return file;
}

static void file_free(struct file *file)
{
	if (file->real >= 0)
		shim_fd_ops->done(file);
	if (file->inode)
		shim_super_put(file->inode->i_sb);
	shim_put_cred(file->f_cred);
	shim_count(SHIM_FILES, -1);
	free(file);
}

void fput(struct file *file)
{
	struct inode inode = {};

	if (!refcount_dec_and_test(&file->ref))
		return;
	if (file->f_op)
		file->f_op->release(&inode, file);
	file_free(file);
}

/* --- Numbers -------------------------------------------------------------- */

static int lowest_number(void)
{
	struct shim_process *process = current->process;

	for (int fd = 3; fd < SHIM_MAX_FDS; fd++)
		if (!process->file[fd])
			return fd;
	return -EMFILE;
}

static void no_number(int fd)
{
	(void)fd;
}

static struct file *no_file(int fd)
{
	(void)fd;
	return NULL;
}

static int receive_plain(struct file *file)
{
	refcount_inc(&file->ref);
	return -EAGAIN;
}

static const struct shim_fd_ops plain_fd_ops = {
	.get = lowest_number,
	.put = no_number,
	.foreign = no_file,
	.receive = receive_plain,
};

const struct shim_fd_ops *shim_fd_ops = &plain_fd_ops;

/* Installs file and takes ownership of the reference. Returns a number or -errno. */
static int install(struct file *file)
{
	int fd;

	pthread_mutex_lock(&table_lock);
	fd = shim_fd_ops->get();
	if (fd >= SHIM_MAX_FDS) {
		shim_fd_ops->put(fd);
		fd = -EMFILE;
	}
	if (fd >= 0) {
		current->process->file[fd] = file;
		current->process->files = max(current->process->files, fd + 1);
	}
	pthread_mutex_unlock(&table_lock);
	return fd;
}

static struct file *take_out(int fd)
{
	struct file *file = NULL;

	if (fd < 0 || fd >= SHIM_MAX_FDS)
		return NULL;
	pthread_mutex_lock(&table_lock);
	swap(file, current->process->file[fd]);
	if (file)
		shim_fd_ops->put(fd);
	pthread_mutex_unlock(&table_lock);
	return file;
}

struct file *shim_file_of(int fd)
{
	struct file *file = NULL;

	if (fd < 0 || fd >= SHIM_MAX_FDS)
		return NULL;
	pthread_mutex_lock(&table_lock);
	file = current->process->file[fd];
	/* refcount_inc() has a switch point, which is not allowed under a lock of the real
	 * kernel. */
	if (file)
		__atomic_fetch_add(&file->ref.refs.counter, 1, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&table_lock);
	return file;
}

struct file *fget(unsigned int fd)
{
	shim_point("fget", "");
	return shim_file_of(fd) ?: shim_fd_ops->foreign(fd);
}

int receive_fd(struct file *file, unsigned int flags)
{
	int fd;

	BUG_ON(flags != O_CLOEXEC);
	shim_might_sleep("receive_fd");
	shim_point("receive_fd", "");
	if (shim_fail_now(SHIM_FAIL_FD))
		return -EMFILE;
	if (file->real >= 0)
		return shim_fd_ops->receive(file);
	refcount_inc(&file->ref);
	fd = install(file);
	if (fd < 0)
		fput(file);
	return fd;
}

int close_fd(unsigned int fd)
{
	shim_might_sleep("close_fd");
	return shim_close(fd);
}

/* --- System calls --------------------------------------------------------- */

/* inode: NULL, or an inode in a mount. Its reference passes to the file. */
static int open_file(const struct file_operations *fops, struct inode *inode, unsigned int flags)
{
	struct file *file;
	struct inode plain = {};
	int ret;

	file = shim_file_new(fops, flags);
	file->inode = inode;
	while ((ret = file->f_op->open(inode ?: &plain, file)) == -ERESTARTNOINTR)
		__atomic_store_n(&current->signalled, false, __ATOMIC_SEQ_CST);
	if (ret) {
		file_free(file);
		return ret;
	}
	ret = install(file);
	if (ret < 0)
		fput(file);
	return ret;
}

int shim_open(unsigned int flags)
{
	return device ? open_file(device->ops, NULL, flags) : -ENODEV;
}

int shim_open_at(struct inode *inode, unsigned int flags)
{
	return open_file(inode->i_fop, inode, flags);
}

int shim_plain_file(void)
{
	return install(shim_file_new(NULL, O_RDWR));
}

static int file_close(struct file *file)
{
	if (file->f_op)
		file->f_op->flush(file, current->process);
	fput(file);
	return 0;
}

int shim_close(int fd)
{
	struct file *file = take_out(fd);

	shim_point("close", "");
	if (file)
		return file_close(file);
	if (shim_fd_ops == &plain_fd_ops)
		return -EBADF;
	shim_fd_ops->put(fd);
	return 0;
}

/* to: a number that the caller has freed, or -1. */
int shim_dup(int fd, int to)
{
	struct file *file = shim_file_of(fd);

	if (!file)
		return -EBADF;
	if (to < 0)
		return install(file);
	BUG_ON(to >= SHIM_MAX_FDS);
	pthread_mutex_lock(&table_lock);
	swap(file, current->process->file[to]);
	current->process->files = max(current->process->files, to + 1);
	pthread_mutex_unlock(&table_lock);
	if (file)
		file_close(file);
	return to;
}

int shim_give(int fd, struct shim_process *process)
{
	struct file *file = shim_file_of(fd);
	int to;

	BUG_ON(!file);
	pthread_mutex_lock(&table_lock);
	for (to = 3; process->file[to]; to++)
		;
	process->file[to] = file;
	process->files = max(process->files, to + 1);
	pthread_mutex_unlock(&table_lock);
	return to;
}

int shim_ioctl(int fd, unsigned int cmd, void *arg)
{
	struct file *file = shim_file_of(fd);
	long ret;

	if (!file)
		return -EBADF;
	ret = file->f_op ? file->f_op->unlocked_ioctl(file, cmd, (unsigned long)arg) : -ENOTTY;
	if (shim_held_by(current)->n || shim_held_by(current)->rcu)
		shim_panic("ioctl: returns with %d locks, in %d sections", shim_held_by(current)->n,
			   shim_held_by(current)->rcu);
	fput(file);
	/* The task returns to user space, where pending signals are delivered. */
	__atomic_store_n(&current->signalled, false, __ATOMIC_SEQ_CST);
	return ret;
}

/* --- Poll ----------------------------------------------------------------- */

struct poller {
	poll_table table;
	wait_queue_head_t *queue;
	wait_queue_entry_t entry;
};

static void enter_queue(struct file *file, wait_queue_head_t *queue, poll_table *table)
{
	struct poller *poller = container_of(table, struct poller, table);

	(void)file;
	BUG_ON(poller->queue);
	poller->queue = queue;
	init_waitqueue_entry(&poller->entry, current);
	add_wait_queue(queue, &poller->entry);
}

static u64 now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

/* If there is a timeout, a real thread waits in short sleeps. */
static void poll_sleep(int timeout_ms)
{
	if (timeout_ms < 0)
		schedule();
	else
		usleep(500);
	__set_current_state(TASK_RUNNING);
}

int shim_poll(int fd, u32 events, int timeout_ms)
{
	struct poller poller = { .table = { .queue = enter_queue, .events = events } };
	u64 end = now_ms() + (timeout_ms > 0 ? timeout_ms : 0);
	struct file *file = shim_file_of(fd);
	int revents;

	if (!file)
		return -EBADF;
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		revents = file->f_op->poll(file, &poller.table);
		poller.table.queue = NULL;
		if (revents & (events | EPOLLERR) || (timeout_ms >= 0 && now_ms() >= end))
			break;
		if (signal_pending(current)) {
			revents = -EINTR;
			break;
		}
		poll_sleep(timeout_ms);
	}
	__set_current_state(TASK_RUNNING);
	if (poller.queue)
		remove_wait_queue(poller.queue, &poller.entry);
	fput(file);
	return revents;
}
