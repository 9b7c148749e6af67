// SPDX-License-Identifier: GPL-2.0-only
/*
 * The features by name: see feature.h. fs.c reads them when it fills a mount.
 */
#include <linux/build_bug.h>
#include <linux/kernel.h>

#include "feature.h"
#include "main.h"

const struct ipcbus_feature ipcbus_feature[] = {
	{ IPCBUS_FEATURE_DEADLINE, "deadline" },
	{ IPCBUS_FEATURE_CANCEL, "cancel" },
	{ IPCBUS_FEATURE_ASYNC, "async" },
	{ IPCBUS_FEATURE_WRITABLE, "writable" },
	{ IPCBUS_FEATURE_CLEAR, "clear" },
	{ IPCBUS_FEATURE_QUOTA, "quota" },
	{ IPCBUS_FEATURE_REPLACE, "replace" },
	{ IPCBUS_FEATURE_FREEZE, "freeze" },
	{ IPCBUS_FEATURE_LABEL, "label" },
	{ IPCBUS_FEATURE_PRIORITY, "priority" },
	{ IPCBUS_FEATURE_NODE_INFO, "node_info" },
	{ IPCBUS_FEATURE_SENDER_INFO, "sender_info" },
	{ IPCBUS_FEATURE_MONITOR, "monitor" },
	{ IPCBUS_FEATURE_WATCH_MANAGER, "watch_manager" },
	{ IPCBUS_FEATURE_MOUNT, "mount" },
	{ IPCBUS_FEATURE_MORE, "more" },
	{}
};

/* A feature without a name does not compile. */
static_assert((1ULL << (ARRAY_SIZE(ipcbus_feature) - 1)) - 1 == IPCBUS_FEATURES_ALL);
