/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The features by name, as each mount shows them; those that this driver has are
 * in IPCBUS_FEATURES.
 */
#ifndef IPCBUS_FEATURE_H
#define IPCBUS_FEATURE_H

#include <linux/types.h>

/**
 * struct ipcbus_feature - one feature
 * @bit: IPCBUS_FEATURE_*
 * @name: of its file
 */
struct ipcbus_feature {
	u64 bit;
	const char *name;
};

/* All that the UAPI knows; the last has no name. */
extern const struct ipcbus_feature ipcbus_feature[];

#endif
