/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The features by name, as each mount shows them. The driver has all features of the
 * header (IPCBUS_FEATURES_ALL).
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

/* One for each IPCBUS_FEATURE_*, then one without a name. */
extern const struct ipcbus_feature ipcbus_feature[];

#endif
