// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file system "ipcbus". Each mount is a bus with its own handle 0 and manager. If the module
 * parameter userns_mounts is set, it can also be mounted in user namespaces. A mount contains:
 *
 *   bus            opens the bus, as /dev/ipcbus opens the default bus. It is a regular file with
 *                  the same operations, because a user namespace cannot create device nodes
 *   other files    ipcbus_file[] of inspect.c
 *
 * The mount keeps the bus, and each open file keeps the mount. If a proc outlives its file, it
 * keeps only the bus. Files cannot be created, renamed or removed.
 */
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "bus.h"
#include "compat.h"
#include "proc.h"

/* --- Options -------------------------------------------------------------- */

enum fs_option {
	OPTION_MODE,
	OPTION_UID,
	OPTION_GID,
	OPTION_MANAGER_UID,
};

static const struct fs_parameter_spec option_specs[] = {
	fsparam_u32oct("mode", OPTION_MODE),
	fsparam_u32("uid", OPTION_UID),
	fsparam_u32("gid", OPTION_GID),
	fsparam_u32("manager_uid", OPTION_MANAGER_UID),
	{}
};

/**
 * struct fs_options - mount options
 * @given: BIT(OPTION_*) of the given options; a remount changes only these
 * @mode: mode of the file "bus"; default: 0660
 * @uid: owner of the file "bus"; default: the mounter's, as for the next two
 * @gid: group of the file "bus"
 * @manager_uid: user that may set the manager of the bus
 */
struct fs_options {
	u32 given;
	umode_t mode;
	kuid_t uid;
	kgid_t gid;
	kuid_t manager_uid;
};

/* Converts an id of the caller's namespace, which must also exist in the mount's namespace. */
static int parse_uid(struct fs_context *fc, u32 value, kuid_t *ret_uid)
{
	*ret_uid = make_kuid(current_user_ns(), value);
	if (!kuid_has_mapping(fc->user_ns, *ret_uid))
		return invalfc(fc, "uid %u has no mapping in the mount's user namespace", value);
	return 0;
}

static int parse_gid(struct fs_context *fc, u32 value, kgid_t *ret_gid)
{
	*ret_gid = make_kgid(current_user_ns(), value);
	if (!kgid_has_mapping(fc->user_ns, *ret_gid))
		return invalfc(fc, "gid %u has no mapping in the mount's user namespace", value);
	return 0;
}

static int parse_option(struct fs_context *fc, struct fs_parameter *param)
{
	struct fs_options *options = fc->fs_private;
	struct fs_parse_result value;
	int option, ret = 0;

	option = fs_parse(fc, option_specs, param, &value);
	if (option < 0)
		return option;
	switch (option) {
	case OPTION_MODE:
		options->mode = value.uint_32;
		if (value.uint_32 & ~0777)
			ret = invalfc(fc, "mode must be between 0 and 0777");
		break;
	case OPTION_UID:
		ret = parse_uid(fc, value.uint_32, &options->uid);
		break;
	case OPTION_GID:
		ret = parse_gid(fc, value.uint_32, &options->gid);
		break;
	case OPTION_MANAGER_UID:
		ret = parse_uid(fc, value.uint_32, &options->manager_uid);
		break;
	}
	if (!ret)
		options->given |= BIT(option);
	return ret;
}

/* Applies options to a new mount, or to a mount in use with s_umount held for writing. */
static void apply_options(struct super_block *sb, struct fs_options *options)
{
	struct ipcbus_bus *bus = sb->s_fs_info;
	struct inode *inode = bus->inode;

	inode_lock(inode);
	if (options->given & BIT(OPTION_MODE))
		inode->i_mode = S_IFREG | options->mode;
	if (options->given & BIT(OPTION_UID))
		inode->i_uid = options->uid;
	if (options->given & BIT(OPTION_GID))
		inode->i_gid = options->gid;
	inode_unlock(inode);
	mutex_lock(&bus->lock);
	if (options->given & BIT(OPTION_MANAGER_UID))
		bus->manager_uid = options->manager_uid;
	mutex_unlock(&bus->lock);
}

/* Shows the current values, not the given options: chmod(2) and chown(2) may have changed them, and
 * a remount with the shown options must not undo that. */
static int show_options(struct seq_file *seq, struct dentry *root)
{
	struct ipcbus_bus *bus = root->d_sb->s_fs_info;
	const struct inode *inode = bus->inode;
	kuid_t manager_uid;

	mutex_lock(&bus->lock);
	manager_uid = bus->manager_uid;
	mutex_unlock(&bus->lock);
	seq_printf(seq, ",mode=%03o,uid=%u,gid=%u,manager_uid=%u", inode->i_mode & 0777,
		   from_kuid_munged(seq_user_ns(seq), inode->i_uid),
		   from_kgid_munged(seq_user_ns(seq), inode->i_gid),
		   from_kuid_munged(seq_user_ns(seq), manager_uid));
	return 0;
}

/* --- Files ---------------------------------------------------------------- */

static int text_open(struct inode *inode, struct file *file)
{
	return ipcbus_files_open(file, inode->i_private, inode->i_sb->s_fs_info);
}

static const struct file_operations text_fops = {
	.owner = THIS_MODULE,
	.open = text_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = ipcbus_files_release,
};

/* Changes the attributes of a file of the mount. Like device files, files have no size and ignore
 * O_TRUNC. */
static int file_setattr(ipcbus_idmap *idmap, struct dentry *dentry, struct iattr *attr)
{
	int ret;

	ret = setattr_prepare(idmap, dentry, attr);
	if (ret)
		return ret;
	setattr_copy(idmap, d_inode(dentry), attr);
	return 0;
}

static const struct inode_operations file_iops = {
	.setattr = file_setattr,
};

static struct inode *make_inode(struct super_block *sb, umode_t mode)
{
	struct inode *inode;

	inode = new_inode(sb);
	if (!inode)
		return NULL;
	inode->i_ino = get_next_ino();
	inode->i_mode = mode;
	inode->i_uid = current_fsuid();
	inode->i_gid = current_fsgid();
	ipcbus_inode_init_times(inode);
	if (S_ISDIR(mode)) {
		inode->i_op = &simple_dir_inode_operations;
		inode->i_fop = &simple_dir_operations;
		inc_nlink(inode);
	} else {
		inode->i_op = &file_iops;
		inode->i_fop = &text_fops;
	}
	return inode;
}

/* Adds a file. Returns its inode or NULL. The dentry stays until the file system is gone. */
static struct inode *add(struct super_block *sb, const char *name, umode_t permissions)
{
	struct dentry *dentry;
	struct inode *inode;

	dentry = d_alloc_name(sb->s_root, name);
	if (!dentry)
		return NULL;
	inode = make_inode(sb, S_IFREG | permissions);
	if (!inode) {
		dput(dentry);
		return NULL;
	}
	ipcbus_add_dentry(dentry, inode);
	return inode;
}

static int add_texts(struct super_block *sb)
{
	const struct ipcbus_file *file;
	struct inode *inode;

	for (file = ipcbus_file; file->name; file++) {
		inode = add(sb, file->name, 0400);
		if (!inode)
			return -ENOMEM;
		inode->i_private = (void *)file;
	}
	return 0;
}

/* --- Mounts --------------------------------------------------------------- */

static const struct super_operations super_ops = {
	.statfs = simple_statfs,
	.show_options = show_options,
};

/* Fills a new mount with its bus and its files. On failure, kill_super() frees what was set up so
 * far. */
static int fill_super(struct super_block *sb, struct fs_context *fc)
{
	struct ipcbus_bus *bus;
	struct inode *root;
	int ret;

	sb->s_blocksize = PAGE_SIZE;
	sb->s_blocksize_bits = PAGE_SHIFT;
	sb->s_magic = IPCBUS_SUPER_MAGIC;
	sb->s_op = &super_ops;
	sb->s_time_gran = 1;
	sb->s_iflags |= SB_I_NODEV | SB_I_NOEXEC;
	/* Forbid overlays: a file of an overlay would not be the bus. */
	sb->s_stack_depth = FILESYSTEM_MAX_STACK_DEPTH;
	bus = ipcbus_bus_new(sb->s_user_ns);
	if (IS_ERR(bus))
		return PTR_ERR(bus);
	sb->s_fs_info = bus;
	root = make_inode(sb, S_IFDIR | 0755);
	if (!root)
		return -ENOMEM;
	sb->s_root = d_make_root(root);
	if (!sb->s_root)
		return -ENOMEM;
	bus->inode = add(sb, "bus", 0660);
	if (!bus->inode)
		return -ENOMEM;
	bus->inode->i_fop = &ipcbus_fops;
	ret = add_texts(sb);
	if (!ret)
		apply_options(sb, fc->fs_private);
	return ret;
}

/* Frees a mount and drops its bus. Called when the last user of the mount is gone, or mounting
 * failed. */
static void kill_super(struct super_block *sb)
{
	struct ipcbus_bus *bus = sb->s_fs_info;

	ipcbus_kill_super(sb);
	if (bus)
		ipcbus_bus_put(bus);
}

static bool userns_mounts;
module_param(userns_mounts, bool, 0644);
MODULE_PARM_DESC(userns_mounts, "allow mounts in user namespaces by users that may create these");

static int get_tree(struct fs_context *fc)
{
	if (fc->user_ns != &init_user_ns && !READ_ONCE(userns_mounts))
		return -EPERM;
	return get_tree_nodev(fc, fill_super);
}

static int reconfigure(struct fs_context *fc)
{
	apply_options(fc->root->d_sb, fc->fs_private);
	return 0;
}

static void free_context(struct fs_context *fc)
{
	kfree(fc->fs_private);
}

static const struct fs_context_operations context_ops = {
	.parse_param = parse_option,
	.get_tree = get_tree,
	.reconfigure = reconfigure,
	.free = free_context,
};

/* While this is false, loading the module may still fail, so a mount must not pin it. */
static bool is_ready;

static int init_context(struct fs_context *fc)
{
	struct fs_options *options;

	if (!READ_ONCE(is_ready))
		return -ENODEV;
	options = kzalloc(sizeof(*options), GFP_KERNEL_ACCOUNT);
	if (!options)
		return -ENOMEM;
	fc->fs_private = options;
	fc->ops = &context_ops;
	return 0;
}

static struct file_system_type fs_type = {
	.owner = THIS_MODULE,
	.name = "ipcbus",
	.init_fs_context = init_context,
	.parameters = option_specs,
	.kill_sb = kill_super,
	.fs_flags = FS_USERNS_MOUNT,
};

/* Registers the file system. It has no MODULE_ALIAS_FS(): an alias would let a mount in a user
 * namespace load the module. */
int ipcbus_fs_init(void)
{
	return register_filesystem(&fs_type);
}

void ipcbus_fs_ready(void)
{
	WRITE_ONCE(is_ready, true);
}

void ipcbus_fs_done(void)
{
	WRITE_ONCE(is_ready, false);
	unregister_filesystem(&fs_type);
}
