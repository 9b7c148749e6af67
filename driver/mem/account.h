/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Account
 *
 * An account is what one user has, on one bus or on all of them, and may have. Whoever
 * makes something for a proc charges it first, and uncharges it when its memory is freed.
 * What exceeds a limit fails with -EDQUOT for this user and for nobody else.
 *
 * A charge goes to several accounts, the proc's payer:
 *
 *   - the user who opened the file, on its bus, against the limits of the mount
 *   - the same user on all buses, against the module's limits
 *   - the owner of each user namespace in which the opener is, on all buses. Otherwise
 *     somebody who makes a namespace would have a user for each of its ids. Global root is
 *     left out: it decides how many ids its containers have.
 */
#ifndef IPCBUS_MEM_ACCOUNT_H
#define IPCBUS_MEM_ACCOUNT_H

#include <linux/atomic.h>
#include <linux/llist.h>
#include <linux/rbtree.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>
#include <linux/workqueue.h>

#include "../main.h"

struct seq_file;

/**
 * struct ipcbus_account - what one user has
 * @entry: by @bus and @uid (accounts_lock)
 * @holders: payers (accounts_lock)
 * @bus: on which bus, or NULL: on all of them; only compared; constant
 * @uid: constant
 * @most: the limits of that bus, or the module's, by enum ipcbus_use
 * @used: of each use
 * @polled: procs whose pollers are to be woken: see poll.c
 * @wake: wakes them
 * @poll_debt: see ipcbus_account_rest(); of @wake
 */
struct ipcbus_account {
	struct rb_node entry;
	u32 holders;
	const struct ipcbus_bus *bus;
	kuid_t uid;
	const u32 *most;
	atomic_t used[IPCBUS_USE_COUNT];
	struct llist_head polled;
	struct work_struct wake;
	u64 poll_debt;
};

/**
 * struct ipcbus_payer - the accounts that a proc is charged to
 * @count: how many
 * @account: the first is the user's on the bus, the second on all buses; constant
 * @outermost: of ipcbus_uid_outermost(). Held, not charged
 */
struct ipcbus_payer {
	u32 count;
	struct ipcbus_account *outermost;
	struct ipcbus_account **account;
};

/* What each user may have on all buses, by enum ipcbus_use: parameters of the module. */
extern u32 ipcbus_account_most[IPCBUS_USE_COUNT];

/* Sets the limits that nobody set, by the size of memory; wake is the work of each account. */
void ipcbus_accounts_init(work_func_t wake);

/* Finds or makes the accounts of a user who opens a bus in a namespace; most are the limits
 * of the bus, which outlive the payer. -ENOMEM. */
int ipcbus_payer_init(struct ipcbus_payer *payer, const struct ipcbus_bus *bus, const u32 *most,
		      kuid_t uid, struct user_namespace *ns);
void ipcbus_payer_done(struct ipcbus_payer *payer);

kuid_t ipcbus_uid_outermost_of(kuid_t uid, struct user_namespace *ns);

/* Whoever decides how many users there are: the owner of the outermost namespace, or where that is
 * global root, its root. Where that is global root as well, or is none, the next one inside does;
 * without any the user: global root's own accounts are nobody else's. */
static inline kuid_t ipcbus_uid_outermost(kuid_t uid, struct user_namespace *ns)
{
	return likely(ns == &init_user_ns) ? uid : ipcbus_uid_outermost_of(uid, ns);
}

/* So many more, or -EDQUOT; so many less. */
int ipcbus_payer_charge(const struct ipcbus_payer *payer, enum ipcbus_use use, u32 n);
void ipcbus_payer_uncharge(const struct ipcbus_payer *payer, enum ipcbus_use use, u32 n);

/* A worker of an account took so many ns, which are charged to nobody: it rests for four times as
 * long, at most for a second. Less than a tick is in *debt until the next time. */
void ipcbus_account_rest(u64 *debt, u64 took);

/* What the account has; returns its user. The caller keeps it. */
kuid_t ipcbus_account_copy(const struct ipcbus_account *account, u32 used[IPCBUS_USE_COUNT]);
/* A line: user id, and how many of the first uses. */
void ipcbus_account_show(struct seq_file *seq, kuid_t uid, const u32 *used, u32 uses);
/* That of the first user from *uid on, on all buses; *uid is the next one's then. False: there is
 * none. */
bool ipcbus_accounts_show(struct seq_file *seq, struct ipcbus_bus *unused, u64 *uid);

#endif
