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
#include <linux/rbtree.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>

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
 */
struct ipcbus_account {
	struct rb_node entry;
	u32 holders;
	const struct ipcbus_bus *bus;
	kuid_t uid;
	const u32 *most;
	atomic_t used[IPCBUS_USE_COUNT];
};

/**
 * struct ipcbus_payer - the accounts that a proc is charged to
 * @count: how many
 * @account: the first is the user's on the bus, the second on all buses; constant
 */
struct ipcbus_payer {
	u32 count;
	struct ipcbus_account **account;
};

/* What each user may have on all buses, by enum ipcbus_use: parameters of the module. */
extern u32 ipcbus_account_most[IPCBUS_USE_COUNT];

/* Sets the limits that no parameter set, by the size of memory. */
void ipcbus_accounts_init(void);

/* Finds or makes the accounts of a user who opens a bus in a namespace; most are the limits
 * of the bus, which outlive the payer. -ENOMEM. */
int ipcbus_payer_init(struct ipcbus_payer *payer, const struct ipcbus_bus *bus, const u32 *most,
		      kuid_t uid, struct user_namespace *ns);
void ipcbus_payer_done(struct ipcbus_payer *payer);

/* So many more, or -EDQUOT; so many less. */
int ipcbus_payer_charge(const struct ipcbus_payer *payer, enum ipcbus_use use, u32 n);
void ipcbus_payer_uncharge(const struct ipcbus_payer *payer, enum ipcbus_use use, u32 n);

/* What the account has; returns its user. The caller keeps it. */
kuid_t ipcbus_account_copy(const struct ipcbus_account *account, u32 used[IPCBUS_USE_COUNT]);
/* A line: user id, and how many of the first uses. */
void ipcbus_account_show(struct seq_file *seq, kuid_t uid, const u32 *used, u32 uses);
/* That of the first user from *uid on, on all buses; *uid is the next one's then. False: there is
 * none. */
bool ipcbus_accounts_show(struct seq_file *seq, struct ipcbus_bus *unused, u64 *uid);

#endif
